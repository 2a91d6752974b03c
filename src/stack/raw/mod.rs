//! Raw sockets (SOCK_RAW of AF_INET and AF_INET6, raw(7)): whole datagrams in, packets as their writer wrote them out.

use std::io::IoSlice;
use std::net::SocketAddr;

use super::datagram::Queue;
use super::{Datagram, NetError, SendTo, Stack};
use crate::base::{Errno, Result, SocketId};

/// What all raw sockets share.
#[derive(Debug, Default)]
pub(crate) struct Raw {}

/// What a raw socket has of its own.
#[derive(Debug, Default)]
pub(crate) struct RawSocket {
    pub(crate) queue: Queue,
}

impl Stack {
    /// A datagram for this host, whole: every raw socket that it fits gets its copy, before anybody else sees it.
    pub(super) fn raw_input(&mut self, _datagram: Datagram) {}

    /// An error about a packet that this host sent: raw sockets of its protocol hear of it, too.
    pub(super) fn raw_error(&mut self, _error: &NetError) {}

    /// sendmsg(2).
    pub(super) fn raw_send(
        &mut self,
        _id: SocketId,
        _data: &[IoSlice<'_>],
        _to: Option<SocketAddr>,
        _how: &SendTo<'_>,
    ) -> Result<usize> {
        Err(Errno::EOPNOTSUPP.into())
    }

    /// What close(2) undoes.
    pub(super) fn raw_close(&mut self, _id: SocketId) {}
}
