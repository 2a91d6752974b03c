//! Packets of a template through a socket, as fast as the wire takes them.

use std::io::IoSlice;
use std::net::IpAddr;
use std::time::Duration;

use crate::base::constants::{AF_INET, AF_INET6};
use crate::base::{Result, SockAddr};
use crate::socket::{Outgoing, Socket};
use crate::wire::packet::Template;

/// Packets in one call: as many as wait for a busy device, so that none is lost there.
const BATCH: usize = 256;
/// How long a busy device is waited for before it is looked at again.
const PAUSE: Duration = Duration::from_micros(200);

/// Sends a template's packets through a socket, many in one call.
///
/// The socket takes them whole: a packet socket frames ([`crate::socket::SOCK_RAW`], bound to its interface), a raw socket with
/// the header included packets, each to the destination that stands in it.
#[derive(Debug)]
pub struct Flood<'s> {
    socket: &'s Socket,
    /// One packet behind the other.
    bytes: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<usize>,
    /// What a bound or connected socket knows need not be said.
    by_destination: bool,
    sent: u64,
    sent_bytes: u64,
}

impl<'s> Flood<'s> {
    /// Through this socket.
    pub fn new(socket: &'s Socket) -> Self {
        let by_destination = matches!(socket.family(), AF_INET | AF_INET6);
        Self { socket, bytes: Vec::new(), ends: Vec::new(), by_destination, sent: 0, sent_bytes: 0 }
    }

    /// Packets sent so far.
    pub const fn sent(&self) -> u64 {
        self.sent
    }

    /// Their bytes.
    pub const fn sent_bytes(&self) -> u64 {
        self.sent_bytes
    }

    /// The template's next packets, at most `most`: how many were sent; 0 behind the last one. While a device is busy it waits,
    /// so that nothing is lost on the way.
    ///
    /// # Errors
    /// The template's, and the socket's.
    pub fn burst(&mut self, template: &mut Template<'_>, most: usize) -> Result<usize> {
        self.bytes.clear();
        self.ends.clear();
        while self.ends.len() < most.min(BATCH) {
            let Some(packet) = template.next() else { break };
            self.bytes.extend_from_slice(packet?);
            self.ends.push(self.bytes.len());
        }
        let mut start = 0;
        let packets = self.ends.iter().map(|end| {
            let packet = self.bytes.get(start..*end).unwrap_or_default();
            start = *end;
            packet
        });
        let slices: Vec<_> = packets.map(|packet| [IoSlice::new(packet)]).collect();
        let by_destination = self.by_destination;
        let address = |packet: &[u8]| if by_destination { destination(packet) } else { None };
        let messages: Vec<_> =
            (slices.iter()).map(|data| Outgoing { data, control: &[], address: address(&data[0]) }).collect();
        let mut sent = 0;
        while sent < messages.len() {
            while self.socket.host().is_congested() {
                self.socket.host().sleep(PAUSE)?;
            }
            sent += self.socket.sendmmsg(messages.get(sent..).unwrap_or_default(), 0)?;
        }
        self.sent += sent as u64;
        self.sent_bytes += self.bytes.len() as u64;
        Ok(sent)
    }
}

/// Where an IP packet wants to go.
fn destination(packet: &[u8]) -> Option<SockAddr> {
    let address = |range: std::ops::Range<usize>| packet.get(range);
    let to: IpAddr = match packet.first()? >> 4 {
        6 => <[u8; 16]>::try_from(address(24..40)?).ok()?.into(),
        _ => <[u8; 4]>::try_from(address(16..20)?).ok()?.into(),
    };
    Some(std::net::SocketAddr::new(to, 0).into())
}
