//! AF_NETLINK: what `ip`, getifaddrs(3), getaddrinfo(3) and scapy ask a host by NETLINK_ROUTE (rtnetlink(7)), and `ss` by
//! NETLINK_SOCK_DIAG (sock_diag(7)), answered from its tables.
//!
//! | file | what |
//! |---|---|
//! | `mod.rs` | the socket: bind, send, names |
//! | `request.rs` | which request is answered by what |
//! | `way.rs` | the way to one destination |
//! | `queue.rs` | what waits for the program: answers, listings, acknowledgements |
//! | `dump.rs` | links, addresses, routes, neighbours as messages |
//! | `given.rs` | tables that no request changes: rules, settings, labels |
//! | `change/` | requests that change the host |
//! | `groups.rs` | who has joined a group hears of every change |
//! | `diag/` | NETLINK_SOCK_DIAG: sockets as messages |
//!
//! A request is answered before send(2) returns: the answer is in the socket's queue. Of a listing that is longer than one
//! datagram the next piece is made when one is taken out.

mod change;
mod diag;
mod dump;
mod given;
mod groups;
mod queue;
mod request;
#[cfg(test)]
mod tests;
mod way;

use std::collections::VecDeque;
use std::io::{IoSlice, IoSliceMut};

use super::datagram::{charge, gather};
use super::family::Family;
use super::options::Options;
use super::table::{Entry, Part};
use super::{Received, SendTo, Stack};
use crate::base::constants::{MSG_OOB, NETLINK_ROUTE, NETLINK_SOCK_DIAG, SOCK_DGRAM, SOCK_RAW};
use crate::base::netlink::{NLM_F_ACK, messages};
use crate::base::{Errno, NetlinkAddr, Reason, Result, SockAddr, SocketId};
use dump::Dump;
pub(in crate::stack) use groups::Monitor;
use request::is_dump;

/// What a netlink socket has of its own.
#[derive(Debug, Default)]
pub(crate) struct NetlinkSocket {
    /// nl_pid; 0 = not bound yet.
    port: u32,
    /// Those that it has joined: bit n - 1 = group n.
    groups: u64,
    queue: VecDeque<Queued>,
    charged: usize,
    dump: Option<Dump>,
}

/// A datagram for a program.
#[derive(Clone, Debug)]
struct Queued {
    bytes: Vec<u8>,
    /// nl_groups of its sender's address: 0, or the group that it was for.
    groups: u32,
}

impl NetlinkSocket {
    /// Bytes of memory that the queue is charged with.
    pub(super) fn charged(&self) -> usize {
        self.charged
    }

    fn pop(&mut self) {
        if let Some(gone) = self.queue.pop_front() {
            self.charged -= charge(gone.bytes.len());
        }
    }
}

impl Entry {
    fn netlink(&self) -> Result<&NetlinkSocket> {
        match &self.protocol_part {
            Part::Netlink(netlink) => Ok(netlink),
            _ => Err(Errno::EOPNOTSUPP.because(Reason::WrongKind)),
        }
    }

    fn netlink_mut(&mut self) -> Result<&mut NetlinkSocket> {
        match &mut self.protocol_part {
            Part::Netlink(netlink) => Ok(netlink),
            _ => Err(Errno::EOPNOTSUPP.because(Reason::WrongKind)),
        }
    }
}

/// netlink_ops.
pub(super) struct Netlink;

impl Family for Netlink {
    fn socket(&self, stack: &mut Stack, domain: i32, kind: i32, protocol: i32) -> Result<SocketId> {
        // netlink_create; of its protocols we have two.
        match (kind, protocol) {
            (SOCK_RAW | SOCK_DGRAM, NETLINK_ROUTE | NETLINK_SOCK_DIAG) => {}
            (SOCK_RAW | SOCK_DGRAM, _) => return Err(Errno::EPROTONOSUPPORT.because(Reason::WrongProtocol)),
            _ => return Err(Errno::ESOCKTNOSUPPORT.because(Reason::WrongType)),
        }
        let options = Options::new(&stack.net.config, domain, kind, protocol);
        let part = Part::Netlink(Default::default());
        Ok(stack.sockets.insert(Entry::new(domain, kind, protocol, options, part)))
    }

    fn bind(&self, stack: &mut Stack, id: SocketId, address: SockAddr) -> Result<()> {
        stack.netlink_bind(id, address)
    }

    fn connect(&self, stack: &mut Stack, id: SocketId, address: SockAddr) -> Result<()> {
        stack.netlink_connect(id, address)
    }

    fn send(&self, stack: &mut Stack, id: SocketId, data: &[IoSlice<'_>], how: SendTo<'_>) -> Result<usize> {
        stack.netlink_send(id, data, &how)
    }

    fn recv(
        &self,
        stack: &mut Stack,
        id: SocketId,
        data: &mut [IoSliceMut<'_>],
        flags: i32,
    ) -> Result<Received> {
        stack.netlink_recv(id, data, flags)
    }

    fn close(&self, stack: &mut Stack, id: SocketId) -> Result<()> {
        stack.sockets.get_mut(id)?.netlink_mut()?.groups = 0;
        stack.netlink_listeners();
        Ok(())
    }

    fn name(&self, stack: &Stack, id: SocketId) -> Result<SockAddr> {
        let netlink = stack.sockets.get(id)?.netlink()?;
        // The address has room for the first 32.
        Ok(NetlinkAddr { pid: netlink.port, groups: netlink.groups as u32 }.into())
    }

    /// The kernel.
    fn peer(&self, _stack: &Stack, _id: SocketId) -> Result<SockAddr> {
        Ok(NetlinkAddr::default().into())
    }

    fn poll(&self, _stack: &Stack, _id: SocketId, entry: &Entry) -> i32 {
        entry.poll_datagram(entry.netlink().is_ok_and(|netlink| !netlink.queue.is_empty()))
    }

    fn readable(&self, _stack: &Stack, _id: SocketId, entry: &Entry) -> Result<usize> {
        Ok(entry.netlink()?.queue.front().map_or(0, |front| front.bytes.len()))
    }
}

impl Stack {
    /// netlink_bind: a port that nobody has, 0 = any. EINVAL if it is bound to another one.
    fn netlink_bind(&mut self, id: SocketId, address: SockAddr) -> Result<()> {
        let SockAddr::Netlink(NetlinkAddr { pid, groups }) = address else {
            return Err(Errno::EINVAL.because(Reason::WrongFamily));
        };
        let entry = self.sockets.get(id)?;
        let (bound, protocol) = (entry.netlink()?.port, entry.protocol);
        if bound != 0 && pid != bound {
            return Err(Errno::EINVAL.because(Reason::AlreadyBound));
        }
        let taken = |(other, entry): (SocketId, &Entry)| {
            (other, protocol) != (id, entry.protocol)
                && entry.protocol == protocol
                && entry.netlink().is_ok_and(|n| n.port == pid)
        };
        if pid != 0 && self.sockets.iter().any(taken) {
            return Err(Errno::EADDRINUSE.because(Reason::AddressInUse));
        }
        let netlink = self.sockets.get_mut(id)?.netlink_mut()?;
        // netlink_bind: the groups above 32 stay as they are.
        (netlink.port, netlink.groups) = (pid, netlink.groups & !u64::from(u32::MAX) | u64::from(groups));
        self.netlink_listeners();
        self.netlink_autobind(id)
    }

    /// netlink_autobind: a number of its own, from the negative ones that Linux gives to a process's further sockets.
    fn netlink_autobind(&mut self, id: SocketId) -> Result<()> {
        let netlink = self.sockets.get_mut(id)?.netlink_mut()?;
        if netlink.port == 0 {
            netlink.port = (u32::MAX - 4096).wrapping_sub((id.0 & 0x3fff_ffff) as u32);
        }
        Ok(())
    }

    /// connect(2): with the kernel, whom it speaks with anyway.
    fn netlink_connect(&mut self, id: SocketId, address: SockAddr) -> Result<()> {
        match address {
            SockAddr::Unspec => Ok(()),
            SockAddr::Netlink(NetlinkAddr { pid: 0, groups: 0 }) => self.netlink_autobind(id),
            SockAddr::Netlink(_) => Err(Errno::ECONNREFUSED.because(Reason::NoDestination)),
            _ => Err(Errno::EINVAL.because(Reason::WrongFamily)),
        }
    }

    /// sendmsg(2): requests, each answered now.
    fn netlink_send(&mut self, id: SocketId, data: &[IoSlice<'_>], how: &SendTo<'_>) -> Result<usize> {
        if how.flags & MSG_OOB != 0 {
            return Err(Errno::EOPNOTSUPP.because(Reason::WrongKind));
        }
        if let Some(address) = how.to {
            self.netlink_connect(id, address)?;
        }
        self.netlink_autobind(id)?;
        let protocol = self.sockets.get(id)?.protocol;
        let len = data.iter().map(|slice| slice.len()).sum();
        // netlink_sendmsg: "if (len > sk->sk_sndbuf - 32) goto out;" (EMSGSIZE)
        if len > self.sockets.get(id)?.options.send_buffer.saturating_sub(32) {
            return Err(Errno::EMSGSIZE.because(Reason::MessageTooLong));
        }
        let mut bytes = vec![0; len];
        gather(&mut bytes, data);
        for request in messages(&bytes) {
            let result = self.netlink_request(id, &request);
            let port = self.sockets.get(id)?.netlink()?.port;
            self.netlink_tell((request.sequence, port));
            if result.is_err() || request.flags & NLM_F_ACK != 0 && !is_dump(protocol, &request) {
                self.netlink_acknowledge(id, &request, result.err())?;
            }
        }
        Ok(len)
    }
}
