//! AF_RDS (rds(7), Documentation/networking/rds.rst): datagrams that arrive, each once and in order, between the sockets of two hosts.
//!
//! | file | what |
//! |---|---|
//! | `mod.rs` | the family; what a socket has of its own, and the host beside its sockets |
//! | `names.rs` | bind, connect, addresses: net/rds/bind.c, af_rds.c |
//! | `send.rs` | a message from a program: send.c |
//! | `receive.rs` | a message to a program: recv.c |
//! | `connection.rs` | what two hosts have in common: sequence numbers, what is sent, what is not acknowledged; its life: connection.c, threads.c |
//! | `tcp.rs` | the TCP connection beneath it, port 16385: tcp.c, tcp_listen.c, tcp_connect.c, tcp_send.c, tcp_recv.c |
//! | `congestion.rs` | whose queue is full, and who hears of it: cong.c |
//! | `options.rs` | SOL_RDS |
//! | `info.rs` | what `rds-info` asks: info.c, stats.c |
//! | `tests/` | two hosts in virtual time, and a peer that writes its headers by hand |
//!
//! Out: `send.rs` -> the connection's queue -> `Stack::rds_transmit` -> TCP. In: a TCP socket of the stack's own wakes
//! (`ReadyQueue::adopt`) -> `Stack::rds_work` -> `rds_read` -> `rds_incoming` -> the socket's queue. To an address of this host a
//! message goes straight from `send.rs` to `rds_incoming` (net/rds/loop.c).
//!
//! The first bind(2) begins to listen, the end of the last socket ends everything but the sequence numbers.

mod congestion;
mod connection;
mod info;
mod names;
mod options;
mod receive;
mod send;
mod tcp;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::io::{IoSlice, IoSliceMut};
use std::net::SocketAddr;

use super::family::{Family, not_supported};
use super::options::Options;
use super::table::{Entry, Part};
use super::timers::Timers;
use super::{Received, SendTo, Stack};
use crate::base::constants::{POLLERR, POLLIN, POLLOUT, SOCK_SEQPACKET};
use crate::base::{Errno, Instant, Reason, Result, SockAddr, SocketId};
use connection::{Connection, Pair};
use info::Counters;
use receive::Message;

/// What the family has beside its sockets.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    /// In the order of their birth.
    sockets: BTreeSet<SocketId>,
    bound: HashMap<SocketAddr, SocketId>,
    connections: BTreeMap<Pair, Connection>,
    /// Whose TCP socket it is.
    streams: HashMap<SocketId, Pair>,
    listener: Option<SocketId>,
    /// When to connect again.
    timers: Timers<Pair>,
    counters: Counters,
}

impl Registry {
    /// When [`Stack::rds_tick`] has something to do next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.timers.next()
    }
}

/// What an RDS socket has of its own: struct rds_sock. Its addresses are the [`Entry`]'s.
#[derive(Debug, Default)]
pub(crate) struct RdsSocket {
    queue: VecDeque<Message>,
    /// rs_rcv_bytes: of the messages in the queue.
    received: usize,
    /// rs_snd_bytes: of the messages that it has sent and nobody has acknowledged.
    sent: usize,
    /// The queue was too full, and is not yet empty enough.
    congested: bool,
    /// A send was refused because of congestion, and a map has come since: look again.
    seen_congestion: bool,
    map_updated: bool,
    /// RDS_CONG_MONITOR: rs_cong_mask, the ports that it waits for; rs_cong_notify, those that it may try again.
    monitor: bool,
    mask: u64,
    notify: u64,
    /// RDS_RECVERR.
    receive_errors: bool,
    /// SO_RDS_TRANSPORT was set, or bind(2) has chosen: TCP is the only one.
    transport: bool,
}

impl RdsSocket {
    /// Bytes of memory that the queue is charged with.
    pub(super) fn charged(&self) -> usize {
        self.received + self.queue.len() * receive::OVERHEAD
    }

    /// Bytes that wait to be read, and to be acknowledged.
    pub(super) fn bytes(&self) -> (usize, usize) {
        (self.received, self.sent)
    }
}

impl Entry {
    fn rds(&self) -> Result<&RdsSocket> {
        match &self.protocol_part {
            Part::Rds(rds) => Ok(rds),
            _ => Err(not_supported()),
        }
    }

    fn rds_mut(&mut self) -> Result<&mut RdsSocket> {
        match &mut self.protocol_part {
            Part::Rds(rds) => Ok(rds),
            _ => Err(not_supported()),
        }
    }

    /// rds_sk_sndbuf, rds_sk_rcvbuf: half of what getsockopt(2) tells; only the messages' bytes count.
    fn rds_send_space(&self) -> usize {
        self.options.send_buffer / 2
    }

    fn rds_receive_space(&self) -> usize {
        self.options.recv_buffer / 2
    }
}

/// rds_proto_ops.
pub(super) struct Rds;

impl Family for Rds {
    /// rds_create: "if (sock->type != SOCK_SEQPACKET || protocol) return -ESOCKTNOSUPPORT".
    fn socket(&self, stack: &mut Stack, domain: i32, kind: i32, protocol: i32) -> Result<SocketId> {
        if kind != SOCK_SEQPACKET || protocol != 0 {
            return Err(Errno::ESOCKTNOSUPPORT.because(Reason::WrongType));
        }
        let options = Options::new(&stack.net.config, domain, kind, protocol);
        let id = stack.sockets.insert(Entry::new(domain, kind, protocol, options, Part::Rds(Box::default())));
        stack.rds.sockets.insert(id);
        Ok(id)
    }

    fn bind(&self, stack: &mut Stack, id: SocketId, address: SockAddr) -> Result<()> {
        stack.rds_bind(id, address)
    }

    fn connect(&self, stack: &mut Stack, id: SocketId, address: SockAddr) -> Result<()> {
        stack.rds_connect(id, address)
    }

    fn send(&self, stack: &mut Stack, id: SocketId, data: &[IoSlice<'_>], how: SendTo<'_>) -> Result<usize> {
        stack.rds_send(id, data, &how)
    }

    fn recv(
        &self,
        stack: &mut Stack,
        id: SocketId,
        data: &mut [IoSliceMut<'_>],
        flags: i32,
    ) -> Result<Received> {
        stack.rds_recv(id, data, flags)
    }

    /// rds_release.
    fn close(&self, stack: &mut Stack, id: SocketId) -> Result<()> {
        stack.rds_clear(id);
        stack.rds_drop_to(id, None);
        let entry = stack.sockets.get(id)?;
        if let Some(local) = entry.local {
            stack.rds.bound.remove(&local);
        }
        stack.rds.sockets.remove(&id);
        if stack.rds.sockets.is_empty() {
            stack.rds_end();
        }
        Ok(())
    }

    fn name(&self, stack: &Stack, id: SocketId) -> Result<SockAddr> {
        stack.sockets.get(id).map(names::name)
    }

    fn peer(&self, stack: &Stack, id: SocketId) -> Result<SockAddr> {
        let peer = stack.sockets.get(id)?.remote;
        peer.map(SockAddr::from).ok_or(Errno::ENOTCONN.because(Reason::NotConnected))
    }

    /// rds_poll. POLLOUT does not say that the receiver has room.
    fn poll(&self, _stack: &Stack, _id: SocketId, entry: &Entry) -> i32 {
        let Ok(rds) = entry.rds() else { return 0 };
        let mut events = if rds.sent < entry.rds_send_space() { POLLOUT } else { 0 };
        if !rds.queue.is_empty() || rds.notify != 0 || rds.map_updated {
            events |= POLLIN;
        }
        if entry.error.is_some() {
            events |= POLLERR;
        }
        events
    }

    /// rds_ioctl does not know it.
    fn readable(&self, _stack: &Stack, _id: SocketId, _entry: &Entry) -> Result<usize> {
        Err(Errno::ENOTTY.because(Reason::WrongKind))
    }

    fn unsent(&self, _stack: &Stack, _id: SocketId) -> Result<usize> {
        Err(Errno::ENOTTY.because(Reason::WrongKind))
    }
}
