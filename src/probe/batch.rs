//! Packets that are sent together: the one way in which probes put them out.

use std::io::IoSlice;
use std::net::IpAddr;
use std::time::Duration;

use crate::base::constants::{AF_INET, AF_INET6};
use crate::base::{Error, Instant, Result, SockAddr};
use crate::driver::Host;
use crate::socket::{Outgoing, Socket};

/// Packets in one call: as many as wait for a busy device, so that none is lost there.
pub(super) const BATCH: usize = 256;
/// Bytes in one call; a packet may go beyond it.
const BYTES: usize = 1 << 20;
/// How long a busy device is waited for before it is looked at again.
const PAUSE: Duration = Duration::from_micros(200);
/// Kinds of errors that are told apart.
const KINDS: usize = 16;

/// What was sent, and what was not.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Packets.
    pub sent: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Packets that could not be sent.
    pub failed: u64,
    /// Why, and how often; the first kinds of errors, not all.
    pub errors: Vec<(Error, u64)>,
}

impl Tally {
    /// One more that could not be sent.
    pub(super) fn fail(&mut self, error: Error) {
        self.failed += 1;
        let same = |known: &Error| (known.errno(), known.why()) == (error.errno(), error.why());
        if let Some((_, times)) = self.errors.iter_mut().find(|(known, _)| same(known)) {
            *times += 1;
        } else if self.errors.len() < KINDS {
            self.errors.push((error, 1));
        }
    }
}

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

    /// Sends the packets through a socket that takes whole ones, each to the destination that stands in it, and is empty again. A
    /// busy device is waited for, but not beyond `until`. What can't be sent is counted.
    ///
    /// # Errors
    /// EINTR or ENETDOWN if the host was shut down.
    pub(super) fn flush(&mut self, socket: &Socket, until: Instant, tally: &mut Tally) -> Result<()> {
        let mut at = 0;
        while at < self.len() {
            wait_for_device(socket.host(), until)?;
            match self.send(socket, at) {
                Ok(0) => break,
                Ok(sent) => {
                    tally.sent += sent as u64;
                    tally.bytes += self.bytes_of(at, at + sent);
                    at += sent;
                }
                Err(error) if error.is_shutdown() => return Err(error),
                Err(error) => {
                    tally.fail(error);
                    at += 1;
                }
            }
        }
        self.clear();
        Ok(())
    }

    /// Sends those from this one on; gives how many were taken.
    fn send(&self, socket: &Socket, from: usize) -> Result<usize> {
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

/// While a device is busy, what is sent would be lost.
pub(super) fn wait_for_device(host: &Host, until: Instant) -> Result<()> {
    while host.is_congested() && host.now() < until {
        host.sleep(PAUSE)?;
    }
    Ok(())
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
