//! Datagrams cut into fragments (RFC 791 3.2, RFC 8200 4.5), and their identifications.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;

use super::Hop;
use super::header::{Header, MORE_FRAGMENTS, V6_LEN, seal_v4};
use crate::base::constants::{IPPROTO_DSTOPTS, IPPROTO_FRAGMENT, IPPROTO_HOPOPTS, IPPROTO_ROUTING};
use crate::base::{Errno, Error, Frame, Reason};
use crate::stack::Net;

/// IPv4's identifications: counters, one of which a pair of addresses chooses by a keyed hash, so that a stranger can't count
/// the packets to others and a pair's numbers repeat as late as possible.
#[derive(Debug)]
pub(in crate::stack) struct Identifications {
    key: [u8; 16],
    counters: Vec<u16>,
}

const COUNTERS: usize = 1024;

impl Identifications {
    pub(in crate::stack) fn new(key: &[u8; 16]) -> Self {
        let first = |n: usize| {
            let mut hasher = DefaultHasher::new();
            (key, n).hash(&mut hasher);
            hasher.finish() as u16
        };
        Self { key: *key, counters: (0..COUNTERS).map(first).collect() }
    }

    /// The next number for packets of this pair.
    pub(super) fn next(&mut self, source: IpAddr, destination: IpAddr) -> u16 {
        let mut hasher = DefaultHasher::new();
        (self.key, source, destination).hash(&mut hasher);
        let counter = &mut self.counters[hasher.finish() as usize % COUNTERS];
        *counter = counter.wrapping_add(1);
        *counter
    }
}

impl Net {
    /// Cuts an IPv4 packet (it may be a fragment itself) and sends the pieces.
    pub(super) fn fragment_v4(&mut self, hop: &Hop, packet: &Frame, mtu: usize) -> Result<(), Error> {
        let too_big = || Errno::EMSGSIZE.because(Reason::IpTooBig);
        let bytes = packet.bytes();
        let header = Header::quoted(bytes).ok_or_else(too_big)?;
        let step = mtu.saturating_sub(header.length) & !7;
        let payload = &bytes[header.length..];
        if step == 0 {
            return Err(too_big());
        }
        for (n, chunk) in payload.chunks(step).enumerate() {
            let mut piece = self.pool.frame(header.length + chunk.len());
            piece.belongs_with(packet);
            let (head, rest) = piece.bytes_mut().split_at_mut(header.length);
            head.copy_from_slice(&bytes[..header.length]);
            rest.copy_from_slice(chunk);
            if n > 0 {
                blank_options(&mut head[20..]);
            }
            let last = (n + 1) * step >= payload.len();
            let more = if last { header.fragment & MORE_FRAGMENTS } else { MORE_FRAGMENTS };
            let offset = (header.fragment_offset() + n * step) / 8;
            head[2..4].copy_from_slice(&((header.length + chunk.len()) as u16).to_be_bytes());
            head[6..8].copy_from_slice(&(more | offset as u16).to_be_bytes());
            seal_v4(head);
            self.emit(hop, piece)?;
        }
        Ok(())
    }

    /// Cuts an IPv6 packet and sends the pieces. Each has the headers that every hop reads (RFC 8200 4.5's Per-Fragment headers).
    pub(super) fn fragment_v6(&mut self, hop: &Hop, packet: &Frame, mtu: usize) -> Result<(), Error> {
        let too_big = || Errno::EMSGSIZE.because(Reason::IpTooBig);
        let (front, named_at) = per_fragment(packet.bytes());
        let head_len = front + 8;
        let step = mtu.saturating_sub(head_len) & !7;
        let Some((header, payload)) = packet.bytes().split_at_checked(front).filter(|_| step > 0) else {
            return Err(too_big());
        };
        let identification = (self.random() as u32).to_be_bytes();
        for (n, chunk) in payload.chunks(step).enumerate() {
            let mut piece = self.pool.frame(head_len + chunk.len());
            piece.belongs_with(packet);
            let (head, rest) = piece.bytes_mut().split_at_mut(head_len);
            head[..front].copy_from_slice(header);
            head[4..6].copy_from_slice(&((head_len - V6_LEN + chunk.len()) as u16).to_be_bytes());
            let next = std::mem::replace(&mut head[named_at], IPPROTO_FRAGMENT as u8);
            let more = u16::from((n + 1) * step < payload.len());
            let [high, low] = ((n * step) as u16 | more).to_be_bytes();
            head[front..front + 4].copy_from_slice(&[next, 0, high, low]);
            head[front + 4..].copy_from_slice(&identification);
            rest.copy_from_slice(chunk);
            self.emit(hop, piece)?;
        }
        Ok(())
    }
}

/// Where an IPv6 packet's part ends that each of its fragments has, and where the field stands that names what is behind: RFC 8200 4.5,
/// "the IPv6 header plus any extension headers that must be processed by nodes en route to the destination, that is, all headers up to
/// and including the Routing header if present, else the Hop-by-Hop Options header if present".
fn per_fragment(packet: &[u8]) -> (usize, usize) {
    let (mut at, mut named_at) = (V6_LEN, 6);
    let mut end = (at, named_at);
    while let (Some(&protocol), Some(&length)) = (packet.get(named_at), packet.get(at + 1)) {
        let protocol = i32::from(protocol);
        if !matches!(protocol, IPPROTO_HOPOPTS | IPPROTO_DSTOPTS | IPPROTO_ROUTING) {
            break;
        }
        (named_at, at) = (at, at + (usize::from(length) + 1) * 8);
        if protocol != IPPROTO_DSTOPTS && at <= packet.len() {
            end = (at, named_at);
        }
    }
    end
}

/// RFC 791 3.1: options whose copied flag is clear stand in the first fragment only; the others get no-operations instead.
fn blank_options(mut options: &mut [u8]) {
    while let [kind, rest @ ..] = options {
        let length = match (*kind, rest.first()) {
            (0, _) => return,
            (1, _) => 1,
            (_, Some(length)) if *length >= 2 => usize::from(*length),
            _ => return,
        };
        if length > options.len() {
            return;
        }
        let (option, rest) = options.split_at_mut(length);
        if option[0] & 0x80 == 0 {
            option.fill(1);
        }
        options = rest;
    }
}
