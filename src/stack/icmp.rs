//! Ping sockets (SOCK_DGRAM, IPPROTO_ICMP and IPPROTO_ICMPV6; icmp(7)): echo requests out, their replies in.
//!
//! The identifier of a ping socket is its local port. The program writes and reads the ICMP message, header included.

use std::io::IoSlice;
use std::net::SocketAddr;

use super::datagram::{ByPort, Queue, WithScope, gather, scoped};
use super::{Datagram, NetError, SendTo, Stack};
use crate::base::constants::{AF_INET, IPPROTO_ICMPV6, MSG_OOB};
use crate::base::{Errno, IfIndex, Reason, Result, SocketId};
use crate::wire::{checksum, transport_checksum};

/// Bytes of an echo message's header: type, code, checksum, identifier, sequence number.
const HEADER: usize = 8;

/// What all ping sockets share.
#[derive(Debug, Default)]
pub(crate) struct Ping {
    pub(super) bound: ByPort,
}

/// What a ping socket has of its own.
#[derive(Debug, Default)]
pub(crate) struct PingSocket {
    pub(crate) queue: Queue,
}

/// Type of an echo request and of its reply.
const fn echo(v4: bool) -> (u8, u8) {
    // RFC 792, RFC 4443 4.1
    if v4 { (8, 0) } else { (128, 129) }
}

impl Stack {
    /// Other ICMP messages than echo replies are not for ping sockets.
    pub(super) fn ping_input(&mut self, datagram: Datagram) {
        let [kind, code, _, _, i0, i1, ..] = *datagram.payload() else { return };
        if (kind, code) != (echo(datagram.source.is_ipv4()).1, 0) {
            return;
        }
        let identifier = u16::from_be_bytes([i0, i1]);
        let destination = SocketAddr::new(datagram.destination, identifier);
        let Some(id) = self.ping_receiver(destination, Some(datagram.interface)) else {
            self.net.note(Reason::PingNoSocket, Some(datagram.interface), None);
            return;
        };
        let from = scoped(datagram.source, 0, datagram.interface);
        let front = datagram.header;
        let queued = self.queued(datagram, from, front);
        self.deliver(id, queued);
    }

    /// ping_lookup: the identifier and the local address count, the peer does not.
    fn ping_receiver(&self, destination: SocketAddr, interface: Option<IfIndex>) -> Option<SocketId> {
        let fits = |id: &&SocketId| {
            self.sockets.get(**id).is_ok_and(|entry| {
                let Some(local) = entry.local else { return false };
                (entry.domain == AF_INET) == destination.is_ipv4()
                    && (local.ip().is_unspecified() || local.ip() == destination.ip())
                    && (interface.is_none() || entry.device.is_none() || entry.device == interface)
            })
        };
        self.ping.bound.get(destination.port()).iter().rev().find(fits).copied()
    }

    pub(super) fn ping_error(&mut self, error: &NetError) {
        let [kind, _, _, _, i0, i1, ..] = *error.quoted else { return };
        if kind != echo(error.source.is_ipv4()).0 {
            return;
        }
        let identifier = u16::from_be_bytes([i0, i1]);
        match self.ping_receiver(SocketAddr::new(error.source, identifier), error.interface) {
            Some(id) => {
                self.datagram_error(id, error, SocketAddr::new(error.destination, 0), &error.quoted);
            }
            None => self.net.note(Reason::IcmpNotOurs, error.interface, None),
        }
    }

    /// sendmsg(2): an echo request; its identifier and checksum are filled in.
    pub(super) fn ping_send(
        &mut self,
        id: SocketId,
        data: &[IoSlice<'_>],
        to: Option<SocketAddr>,
        how: &SendTo<'_>,
    ) -> Result<usize> {
        let length = super::datagram::length(data)?;
        if length < HEADER {
            return Err(Errno::EINVAL.because(Reason::IcmpMalformed));
        }
        if how.flags & MSG_OOB != 0 {
            return Err(Errno::EOPNOTSUPP.because(Reason::WrongKind));
        }
        let entry = self.sockets.get(id)?;
        let v4 = entry.domain == AF_INET;
        let identifier = entry.local.map_or(0, |local| local.port());
        let remote = entry.remote;
        let mut frame = self.net.pool.frame(length);
        let bytes = frame.bytes_mut();
        gather(bytes, data);
        if (bytes[0], bytes[1]) != (echo(v4).0, 0) {
            return Err(Errno::EINVAL.because(Reason::PingNotEcho));
        }
        let to = to.or(remote).ok_or(Errno::EDESTADDRREQ.because(Reason::NoDestination))?;
        let way = self.datagram_way(id, SocketAddr::new(to.ip(), 0).with_scope_of(to), how)?;
        self.may_send(id)?;
        bytes[2..4].fill(0);
        bytes[4..6].copy_from_slice(&identifier.to_be_bytes());
        let sum = if v4 {
            // RFC 792: no pseudo header.
            checksum(bytes)
        } else {
            transport_checksum(way.head.source, way.head.destination, IPPROTO_ICMPV6 as u8, bytes)
        };
        bytes[2..4].copy_from_slice(&sum.to_be_bytes());
        self.datagram_out(id, frame, way)?;
        Ok(length)
    }
}
