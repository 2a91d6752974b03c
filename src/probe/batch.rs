//! Packets that are sent together.

use std::io::IoSlice;
use std::net::IpAddr;

use crate::base::constants::{AF_INET, AF_INET6};
use crate::base::{Result, SockAddr};
use crate::socket::{Outgoing, Socket};

/// Packets in one call: as many as wait for a busy device, so that none is lost there.
pub(super) const BATCH: usize = 256;
/// Bytes in one call; a packet may go beyond it.
const BYTES: usize = 1 << 20;

/// Packets, one behind the other.
#[derive(Debug, Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<usize>,
}

impl Batch {
    pub(super) fn push(&mut self, packet: &[u8]) {
        self.bytes.extend_from_slice(packet);
        self.ends.push(self.bytes.len());
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.len() >= BATCH || self.bytes.len() >= BYTES
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Bytes of the packets from one to another, the latter not included.
    pub(super) fn bytes_of(&self, from: usize, to: usize) -> u64 {
        let end_of = |n: usize| n.checked_sub(1).and_then(|n| self.ends.get(n)).copied().unwrap_or(0);
        end_of(to).saturating_sub(end_of(from)) as u64
    }

    /// Sends the packets from this one on through a socket that takes whole ones, each to the destination that stands in it; gives
    /// how many were taken.
    pub(super) fn send(&self, socket: &Socket, from: usize) -> Result<usize> {
        let mut start = from.checked_sub(1).and_then(|n| self.ends.get(n)).copied().unwrap_or(0);
        let packets = self.ends.get(from..).unwrap_or_default().iter().map(|end| {
            let packet = self.bytes.get(start..*end).unwrap_or_default();
            start = *end;
            packet
        });
        let slices: Vec<_> = packets.map(|packet| [IoSlice::new(packet)]).collect();
        let family = socket.family();
        let messages: Vec<_> = slices
            .iter()
            .map(|data| Outgoing { data, control: &[], address: address(family, &data[0]) })
            .collect();
        socket.sendmmsg(&messages, 0)
    }
}

/// What a socket of this family must be told. A packet socket knows its interface.
fn address(family: i32, packet: &[u8]) -> Option<SockAddr> {
    Some(std::net::SocketAddr::new(destination(family, packet)?, 0).into())
}

/// Where a packet wants to go that begins with the header of this family, whatever version it says.
pub(super) fn destination(family: i32, packet: &[u8]) -> Option<IpAddr> {
    match family {
        AF_INET => <[u8; 4]>::try_from(packet.get(16..20)?).ok().map(Into::into),
        AF_INET6 => <[u8; 16]>::try_from(packet.get(24..40)?).ok().map(Into::into),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::constants::AF_PACKET;

    #[test]
    fn destinations() {
        assert_eq!(destination(AF_INET, &[0; 19]), None);
        assert_eq!(destination(AF_INET6, &[0x60; 39]), None);
        assert_eq!(destination(AF_PACKET, &[0; 60]), None);
        let mut packet = [0x75; 20]; // version 7
        packet[16..].copy_from_slice(&[192, 0, 2, 1]);
        assert_eq!(destination(AF_INET, &packet), Some([192, 0, 2, 1].into()));
    }

    #[test]
    fn bytes_are_counted() {
        let mut batch = Batch::default();
        [&b"one"[..], b"three", b""].into_iter().for_each(|packet| batch.push(packet));
        assert_eq!((batch.bytes_of(0, 3), batch.bytes_of(1, 2), batch.bytes_of(2, 3)), (8, 5, 0));
    }
}
