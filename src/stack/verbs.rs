//! The socket verbs: what a call does once, now. None of them waits: what can't be done yet is EAGAIN (or EINPROGRESS).

use std::io::{IoSlice, IoSliceMut};

use super::Stack;
use crate::base::{ControlMessage, Instant, Result, SockAddr, SocketId};

/// What sendmsg(2) is told beside the data.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SendTo<'a> {
    pub(crate) to: Option<SockAddr>,
    /// MSG_*.
    pub(crate) flags: i32,
    pub(crate) control: &'a [ControlMessage],
}

/// What recvmsg(2) tells beside the data.
#[derive(Clone, Debug, Default)]
pub(crate) struct Received {
    /// Bytes written to the buffers; with MSG_TRUNC in the call, the datagram's whole length.
    pub(crate) len: usize,
    pub(crate) from: Option<SockAddr>,
    /// MSG_TRUNC, MSG_ERRQUEUE ...
    pub(crate) flags: i32,
    pub(crate) control: Vec<ControlMessage>,
}

impl Stack {
    /// socket(2), without SOCK_NONBLOCK and SOCK_CLOEXEC (driver and socket/ know those).
    pub(crate) fn socket(&mut self, domain: i32, kind: i32, protocol: i32) -> Result<SocketId> {
        todo!()
    }
    /// bind(2).
    pub(crate) fn bind(&mut self, id: SocketId, address: SockAddr) -> Result<()> {
        todo!()
    }
    /// listen(2).
    pub(crate) fn listen(&mut self, id: SocketId, backlog: i32) -> Result<()> {
        todo!()
    }
    /// accept(2): EAGAIN while no finished connection waits.
    pub(crate) fn accept(&mut self, id: SocketId) -> Result<(SocketId, SockAddr)> {
        todo!()
    }
    /// connect(2) as on a non-blocking socket: EINPROGRESS, then EALREADY, then the outcome in SO_ERROR
    /// (or by a further connect: EISCONN, or the error).
    pub(crate) fn connect(&mut self, id: SocketId, address: SockAddr) -> Result<()> {
        todo!()
    }
    /// sendmsg(2): EAGAIN while there is no room; a stream may take less than all.
    pub(crate) fn send(&mut self, id: SocketId, data: &[IoSlice<'_>], how: SendTo<'_>) -> Result<usize> {
        todo!()
    }
    /// recvmsg(2): EAGAIN while there is nothing. Knows MSG_PEEK, MSG_TRUNC, MSG_ERRQUEUE; MSG_WAITALL is the caller's loop.
    pub(crate) fn recv(&mut self, id: SocketId, data: &mut [IoSliceMut<'_>], flags: i32) -> Result<Received> {
        todo!()
    }
    /// shutdown(2): SHUT_RD, SHUT_WR, SHUT_RDWR.
    pub(crate) fn shutdown(&mut self, id: SocketId, how: i32) -> Result<()> {
        todo!()
    }
    /// close(2). What the protocol has left to do goes on without a socket.
    pub(crate) fn close(&mut self, id: SocketId) -> Result<()> {
        todo!()
    }
    /// True while close has something left to send and SO_LINGER asks to wait for it: until when.
    pub(crate) fn lingers(&self, id: SocketId) -> Option<Instant> {
        todo!()
    }
    /// getsockname(2).
    pub(crate) fn getsockname(&self, id: SocketId) -> Result<SockAddr> {
        todo!()
    }
    /// getpeername(2).
    pub(crate) fn getpeername(&self, id: SocketId) -> Result<SockAddr> {
        todo!()
    }
    /// getsockopt(2): the value's bytes as Linux lays them out, cut to `len`.
    pub(crate) fn getsockopt(&mut self, id: SocketId, level: i32, name: i32, len: usize) -> Result<Vec<u8>> {
        todo!()
    }
    /// setsockopt(2): the value's bytes as Linux lays them out.
    pub(crate) fn setsockopt(&mut self, id: SocketId, level: i32, name: i32, value: &[u8]) -> Result<()> {
        todo!()
    }
    /// What poll(2) would say now: POLLIN | POLLOUT | ...; POLLNVAL for a number that is no socket.
    pub(crate) fn poll(&self, id: SocketId) -> i32 {
        todo!()
    }
    /// ioctl(2) FIONREAD / SIOCINQ: bytes to read (of a datagram socket: of the next datagram).
    pub(crate) fn readable(&self, id: SocketId) -> Result<usize> {
        todo!()
    }
    /// ioctl(2) SIOCOUTQ: bytes not acknowledged (TCP), not sent (others).
    pub(crate) fn unsent(&self, id: SocketId) -> Result<usize> {
        todo!()
    }
    /// Sockets, connections, listeners and TIME_WAIT entries that exist (leak tests, `ss`).
    pub(crate) fn census(&self) -> Census {
        todo!()
    }
}

/// How many of each there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Census {
    pub(crate) sockets: usize,
    pub(crate) flows: usize,
    pub(crate) half_open: usize,
    pub(crate) time_wait: usize,
    pub(crate) bindings: usize,
}
