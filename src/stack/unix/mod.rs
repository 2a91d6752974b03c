//! AF_UNIX, unix(7): sockets of one host that speak with each other. Nothing of it ever leaves the host.
//!
//! | file | what |
//! |---|---|
//! | `mod.rs` | the socket, and what it does at each verb |
//! | `names.rs` | bind and autobind; who has which name |
//! | `connect.rs` | listen, connect, accept, pairs; shutdown and close |
//! | `message.rs` | what a queue holds: data, who sent it, what it carries and what it costs |
//! | `stream.rs` | bytes of SOCK_STREAM, the urgent one too |
//! | `datagram.rs` | messages of SOCK_DGRAM and SOCK_SEQPACKET |
//! | `rights.rs` | sockets in messages (SCM_RIGHTS): counted, limited, and collected when nobody can get at them |
//!
//! What is sent is put into the receiver's queue at once. It is charged to the sender (SO_SNDBUF) until it is read; the receiver's
//! queue of datagrams is limited by their number. Names are the host's own: a path is a name like any other, no file system knows
//! it, and it ends with its socket.

mod connect;
mod datagram;
mod message;
mod names;
mod rights;
mod stream;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, VecDeque};
use std::io::{IoSlice, IoSliceMut};

use super::family::Family;
use super::options::Options;
use super::table::{Entry, Part};
use super::{Received, SendTo, Stack};
use crate::base::constants::{
    AF_UNIX, POLLERR, POLLHUP, POLLIN, POLLOUT, POLLPRI, POLLRDHUP, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET,
    SOCK_STREAM,
};
use crate::base::{Credentials, Errno, Reason, Result, SockAddr, SocketId, UnixAddr};
use message::Message;
pub(in crate::stack) use names::Space;

/// net.unix.max_dgram_qlen: datagrams in a queue, when the next one has to wait; and what is the backlog before listen(2).
const MAX_DGRAM_QLEN: usize = 10;

/// What an AF_UNIX socket has of its own.
#[derive(Debug)]
pub(crate) struct UnixSocket {
    name: Option<UnixAddr>,
    state: State,
    /// Whom it is connected with; perhaps gone by now, which the other knows not.
    peer: Option<SocketId>,
    /// The peer's name, if it is gone.
    peer_name: Option<UnixAddr>,
    peer_credentials: Credentials,
    queue: VecDeque<Message>,
    /// The message whose byte is urgent (MSG_OOB).
    urgent: Option<u64>,
    /// Of a listener: connections that wait for accept(2).
    arrivals: VecDeque<SocketId>,
    /// It is one of them.
    arriving: bool,
    /// sk_max_ack_backlog: with more than so many connections, or datagrams, the queue is full.
    backlog: usize,
    /// What it has sent and nobody has read, as Linux charges it.
    charged: usize,
    /// Who waits for room in the queue.
    waiting: BTreeSet<SocketId>,
    /// Datagram sockets whose peer it is.
    clients: BTreeSet<SocketId>,
}

/// Of a stream or a sequenced-packet socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::stack) enum State {
    #[default]
    Closed,
    Listening,
    Connected,
}

impl Default for UnixSocket {
    fn default() -> Self {
        Self {
            name: None,
            state: State::Closed,
            peer: None,
            peer_name: None,
            peer_credentials: Credentials::UNKNOWN,
            queue: VecDeque::new(),
            urgent: None,
            arrivals: VecDeque::new(),
            arriving: false,
            backlog: MAX_DGRAM_QLEN,
            charged: 0,
            waiting: BTreeSet::new(),
            clients: BTreeSet::new(),
        }
    }
}

impl UnixSocket {
    /// unix_recvq_full.
    fn is_full(&self) -> bool {
        self.queue.len().max(self.arrivals.len()) > self.backlog
    }

    pub(in crate::stack) fn is_listening(&self) -> bool {
        self.state == State::Listening
    }

    /// SO_PEERCRED.
    pub(in crate::stack) fn peer_credentials(&self) -> Credentials {
        self.peer_credentials
    }

    /// Bytes that wait to be read.
    fn unread(&self) -> usize {
        self.queue.iter().map(Message::left).sum()
    }
}

impl Entry {
    pub(in crate::stack) fn unix(&self) -> Result<&UnixSocket> {
        match &self.protocol_part {
            Part::Unix(unix) => Ok(unix),
            _ => Err(Errno::EOPNOTSUPP.because(Reason::WrongKind)),
        }
    }

    fn unix_mut(&mut self) -> Result<&mut UnixSocket> {
        match &mut self.protocol_part {
            Part::Unix(unix) => Ok(unix),
            _ => Err(Errno::EOPNOTSUPP.because(Reason::WrongKind)),
        }
    }

    /// unix_writable: "four times as much fits".
    fn is_writable(&self, unix: &UnixSocket) -> bool {
        unix.state != State::Listening && (unix.charged + 1) * 4 <= self.options.send_buffer
    }
}

/// unix_stream_ops, unix_dgram_ops, unix_seqpacket_ops.
pub(super) struct Unix;

impl Family for Unix {
    fn socket(&self, stack: &mut Stack, _domain: i32, kind: i32, protocol: i32) -> Result<SocketId> {
        let kind = checked(kind, protocol)?;
        Ok(stack.unix_new(kind, UnixSocket::default()))
    }

    fn pair(&self, stack: &mut Stack, kind: i32, protocol: i32) -> Result<(SocketId, SocketId)> {
        let kind = checked(kind, protocol)?;
        stack.unix_pair(kind)
    }

    fn bind(&self, stack: &mut Stack, id: SocketId, address: SockAddr) -> Result<()> {
        stack.unix_bind(id, address)
    }

    fn listen(&self, stack: &mut Stack, id: SocketId, backlog: i32) -> Result<()> {
        stack.unix_listen(id, backlog)
    }

    fn accept(&self, stack: &mut Stack, id: SocketId) -> Result<(SocketId, SockAddr)> {
        stack.unix_accept(id)
    }

    fn connect(&self, stack: &mut Stack, id: SocketId, address: SockAddr) -> Result<()> {
        let result = match stack.sockets.get(id)?.kind {
            SOCK_DGRAM => stack.unix_datagram_connect(id, address),
            _ => stack.unix_stream_connect(id, address),
        };
        stack.unix_bury();
        result
    }

    fn send(&self, stack: &mut Stack, id: SocketId, data: &[IoSlice<'_>], how: SendTo<'_>) -> Result<usize> {
        let result = match stack.sockets.get(id)?.kind {
            SOCK_STREAM => stack.unix_stream_send(id, data, &how),
            _ => stack.unix_datagram_send(id, data, &how),
        };
        stack.unix_bury();
        result
    }

    fn recv(
        &self,
        stack: &mut Stack,
        id: SocketId,
        data: &mut [IoSliceMut<'_>],
        flags: i32,
    ) -> Result<Received> {
        match stack.sockets.get(id)?.kind {
            SOCK_STREAM => stack.unix_stream_recv(id, data, flags),
            _ => stack.unix_datagram_recv(id, data, flags),
        }
    }

    fn shutdown(&self, stack: &mut Stack, id: SocketId, how: i32) -> Result<()> {
        stack.unix_shutdown(id, how)
    }

    fn close(&self, stack: &mut Stack, id: SocketId) -> Result<()> {
        stack.unix_close(id)
    }

    fn name(&self, stack: &Stack, id: SocketId) -> Result<SockAddr> {
        Ok(stack.sockets.get(id)?.unix()?.name.unwrap_or(UnixAddr::UNNAMED).into())
    }

    fn peer(&self, stack: &Stack, id: SocketId) -> Result<SockAddr> {
        let unix = stack.sockets.get(id)?.unix()?;
        let peer = unix.peer.ok_or(Errno::ENOTCONN.because(Reason::NotConnected))?;
        let name = match stack.sockets.get(peer).and_then(Entry::unix) {
            Ok(peer) => peer.name,
            Err(_) => unix.peer_name,
        };
        Ok(name.unwrap_or(UnixAddr::UNNAMED).into())
    }

    /// unix_poll, unix_dgram_poll.
    fn poll(&self, stack: &Stack, id: SocketId, entry: &Entry) -> i32 {
        let Ok(unix) = entry.unix() else { return 0 };
        let mut events = 0;
        let mut on = |condition: bool, bits: i32| events |= if condition { bits } else { 0 };
        on(entry.error.is_some(), POLLERR);
        on(entry.read_shut && entry.write_shut, POLLHUP);
        on(entry.read_shut, POLLRDHUP | POLLIN);
        on(!unix.queue.is_empty() || !unix.arrivals.is_empty(), POLLIN);
        on(unix.urgent.is_some(), POLLPRI);
        on(entry.kind != SOCK_DGRAM && unix.state == State::Closed, POLLHUP);
        let blocked = entry.kind != SOCK_STREAM
            && unix
                .peer
                .and_then(|peer| stack.sockets.get(peer).ok())
                .is_some_and(|peer| peer.unix().is_ok_and(|peer| peer.peer != Some(id) && peer.is_full()));
        on(entry.is_writable(unix) && !blocked, POLLOUT);
        events
    }

    /// unix_inq_len.
    fn readable(&self, _stack: &Stack, _id: SocketId, entry: &Entry) -> Result<usize> {
        let unix = entry.unix()?;
        if unix.is_listening() {
            return Err(Errno::EINVAL.because(Reason::NotConnected));
        }
        Ok(match entry.kind {
            SOCK_DGRAM => unix.queue.front().map_or(0, Message::left),
            _ => unix.unread(),
        })
    }

    /// unix_outq_len: memory, not bytes.
    fn unsent(&self, stack: &Stack, id: SocketId) -> Result<usize> {
        Ok(stack.sockets.get(id)?.unix()?.charged)
    }
}

/// unix_create. "Believe it or not BSD has AF_UNIX, SOCK_RAW though nothing uses it": it is SOCK_DGRAM.
fn checked(kind: i32, protocol: i32) -> Result<i32> {
    if protocol != 0 && protocol != AF_UNIX {
        return Err(Errno::EPROTONOSUPPORT.because(Reason::WrongProtocol));
    }
    match kind {
        SOCK_RAW => Ok(SOCK_DGRAM),
        SOCK_STREAM | SOCK_DGRAM | SOCK_SEQPACKET => Ok(kind),
        _ => Err(Errno::ESOCKTNOSUPPORT.because(Reason::WrongType)),
    }
}

impl Stack {
    /// unix_create1. There is one protocol, 0 by its number.
    fn unix_new(&mut self, kind: i32, unix: UnixSocket) -> SocketId {
        let options = Options::new(&self.net.config, AF_UNIX, kind, 0);
        self.sockets.insert(Entry::new(AF_UNIX, kind, 0, options, Part::Unix(Box::new(unix))))
    }

    /// The queue has room, or its owner has changed: who waits for that looks again.
    fn unix_wake_waiting(&mut self, id: SocketId) {
        let Ok(unix) = self.sockets.get_mut(id).and_then(Entry::unix_mut) else { return };
        for waiting in std::mem::take(&mut unix.waiting) {
            self.ready.wake_for_room(waiting);
        }
        unix.clients.iter().for_each(|client| self.ready.wake(*client));
    }
}
