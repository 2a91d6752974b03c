//! Packet sockets (AF_PACKET, packet(7)): every frame that comes and goes.

use std::io::{IoSlice, IoSliceMut};

use super::{Received, SendTo, Stack};
use crate::base::{Errno, Frame, IfIndex, LinkAddr, Result, SocketId};

/// What all packet sockets share.
#[derive(Debug, Default)]
pub(crate) struct Packets {}

/// What a packet socket has of its own.
#[derive(Debug, Default)]
pub(crate) struct PacketSocket {}

/// A frame that passed an interface, Ethernet header first, for the packet sockets.
#[derive(Debug)]
pub(crate) struct Passed {
    pub(crate) frame: Frame,
    pub(crate) interface: IfIndex,
    /// PACKET_HOST, PACKET_OUTGOING ...
    pub(crate) packet_type: u8,
}

impl Stack {
    /// A frame passed an interface: every packet socket that it fits gets its copy.
    pub(super) fn packet_input(&mut self, _passed: Passed) {}

    /// bind(2).
    pub(super) fn packet_bind(&mut self, _id: SocketId, _address: LinkAddr) -> Result<()> {
        Err(Errno::EOPNOTSUPP.into())
    }

    /// getsockname(2).
    pub(super) fn packet_name(&self, _id: SocketId) -> Result<LinkAddr> {
        Err(Errno::EOPNOTSUPP.into())
    }

    /// sendmsg(2).
    pub(super) fn packet_send(
        &mut self,
        _id: SocketId,
        _data: &[IoSlice<'_>],
        _how: &SendTo<'_>,
    ) -> Result<usize> {
        Err(Errno::EOPNOTSUPP.into())
    }

    /// recvmsg(2).
    pub(super) fn packet_recv(
        &mut self,
        _id: SocketId,
        _data: &mut [IoSliceMut<'_>],
        _flags: i32,
    ) -> Result<Received> {
        Err(Errno::EOPNOTSUPP.into())
    }

    /// poll(2).
    pub(super) fn packet_poll(&self, _id: SocketId) -> i32 {
        0
    }

    /// What close(2) undoes.
    pub(super) fn packet_close(&mut self, _id: SocketId) {}
}
