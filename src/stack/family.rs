//! What a family of sockets does at each verb: Linux's struct proto_ops.

use std::io::{IoSlice, IoSliceMut};

use super::table::Entry;
use super::{Received, SendTo, Stack};
use crate::base::constants::{AF_CAN, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_RDS, AF_UNIX};
use crate::base::{Errno, Error, Reason, Result, SockAddr, SocketId};

/// The calls, each once and now; what they have in common is `verbs.rs`'s. What a family does not have is EOPNOTSUPP, as
/// sock_no_bind() and its like say.
pub(super) trait Family: Sync {
    /// socket(2), with a type that Linux knows. EPROTONOSUPPORT, ESOCKTNOSUPPORT, EINVAL.
    fn socket(&self, stack: &mut Stack, domain: i32, kind: i32, protocol: i32) -> Result<SocketId>;

    /// socketpair(2): two sockets connected with each other.
    fn pair(&self, _stack: &mut Stack, _kind: i32, _protocol: i32) -> Result<(SocketId, SocketId)> {
        Err(not_supported())
    }

    fn bind(&self, stack: &mut Stack, id: SocketId, address: SockAddr) -> Result<()>;

    fn listen(&self, _stack: &mut Stack, _id: SocketId, _backlog: i32) -> Result<()> {
        Err(not_supported())
    }

    fn accept(&self, _stack: &mut Stack, _id: SocketId) -> Result<(SocketId, SockAddr)> {
        Err(not_supported())
    }

    fn connect(&self, _stack: &mut Stack, _id: SocketId, _address: SockAddr) -> Result<()> {
        Err(not_supported())
    }

    fn send(&self, stack: &mut Stack, id: SocketId, data: &[IoSlice<'_>], how: SendTo<'_>) -> Result<usize>;

    fn recv(
        &self,
        stack: &mut Stack,
        id: SocketId,
        data: &mut [IoSliceMut<'_>],
        flags: i32,
    ) -> Result<Received>;

    fn shutdown(&self, _stack: &mut Stack, _id: SocketId, _how: i32) -> Result<()> {
        Err(not_supported())
    }

    /// What close(2) undoes beside what all sockets have.
    fn close(&self, _stack: &mut Stack, _id: SocketId) -> Result<()> {
        Ok(())
    }

    /// Nobody has the socket any more, but what was sent is not: it goes on, and is ended by its family with `Stack::end`.
    fn goes_on(&self, _stack: &Stack, _id: SocketId) -> bool {
        false
    }

    fn name(&self, stack: &Stack, id: SocketId) -> Result<SockAddr>;

    fn peer(&self, _stack: &Stack, _id: SocketId) -> Result<SockAddr> {
        Err(not_supported())
    }

    /// POLLIN | POLLOUT | ...
    fn poll(&self, stack: &Stack, id: SocketId, entry: &Entry) -> i32;

    /// FIONREAD: bytes; of a datagram socket those of the next datagram.
    fn readable(&self, stack: &Stack, id: SocketId, entry: &Entry) -> Result<usize>;

    /// SIOCOUTQ: bytes.
    fn unsent(&self, _stack: &Stack, _id: SocketId) -> Result<usize> {
        Ok(0)
    }
}

pub(super) fn not_supported() -> Error {
    Errno::EOPNOTSUPP.because(Reason::WrongKind)
}

/// The family of this number (AF_*). EAFNOSUPPORT.
pub(super) fn family(domain: i32) -> Result<&'static dyn Family> {
    Ok(match domain {
        AF_INET | AF_INET6 => &super::inet::Inet,
        AF_PACKET => &super::packet::Packet,
        AF_UNIX => &super::unix::Unix,
        AF_NETLINK => &super::netlink::Netlink,
        AF_CAN => &super::can::Can,
        AF_RDS => &super::rds::Rds,
        _ => return Err(Errno::EAFNOSUPPORT.because(Reason::WrongDomain)),
    })
}
