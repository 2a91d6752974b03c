//! ICMP errors out: which packets may be answered, what is quoted of them, how many a second.

use std::collections::HashMap;
use std::net::IpAddr;

use super::extension::walk;
use super::header::{Header, V4_LEN, V6_LEN, icmpv6_checksum};
use crate::base::constants::{IPPROTO_ICMP, IPPROTO_ICMPV6};
use crate::base::{IfIndex, Instant, Reason};
use crate::stack::Net;
use crate::stack::net::{Datagram, Hints, IpHead};
use crate::wire::checksum;

/// An error in the words of both versions.
#[derive(Clone, Copy, Debug)]
pub(in crate::stack) struct IcmpError {
    pub(super) type_v4: u8,
    pub(super) code_v4: u8,
    pub(super) type_v6: u8,
    pub(super) code_v6: u8,
    /// MTU or pointer.
    pub(super) info: u32,
    /// IPv6: it may answer a packet to a group (RFC 4443 2.4 e.3).
    pub(super) even_multicast: bool,
}

const fn error(v4: (u8, u8), v6: (u8, u8)) -> IcmpError {
    IcmpError { type_v4: v4.0, code_v4: v4.1, type_v6: v6.0, code_v6: v6.1, info: 0, even_multicast: false }
}

pub(super) const NET_UNREACHABLE: IcmpError = error((3, 0), (1, 0));
pub(super) const HOST_UNREACHABLE: IcmpError = error((3, 1), (1, 3));
/// ICMP_HOST_UNREACH, ICMPV6_NOROUTE.
pub(super) const ROUTE_UNREACHABLE: IcmpError = error((3, 1), (1, 0));
/// ICMP_PKT_FILTERED, ICMPV6_ADM_PROHIBITED.
pub(super) const PROHIBITED: IcmpError = error((3, 13), (1, 1));
const PROTOCOL_UNREACHABLE: IcmpError = error((3, 2), (4, 1));
const PORT_UNREACHABLE: IcmpError = error((3, 3), (1, 4));
pub(super) const TOO_BIG: IcmpError = IcmpError { even_multicast: true, ..error((3, 4), (2, 0)) };
pub(super) const TTL_EXPIRED: IcmpError = error((11, 0), (3, 0));
pub(super) const REASSEMBLY_TIMEOUT: IcmpError = error((11, 1), (3, 1));
pub(super) const PARAMETER_PROBLEM: IcmpError = error((12, 0), (4, 0));

/// Errors at once before the rate counts (icmp_msgs_burst).
const BURST: u32 = 50;
/// Errors at once to one destination, then one a second (icmp_ratelimit).
const PEER_BURST: u32 = 6;
/// Destinations whose rate is remembered.
const PEERS: usize = 1024;

/// Token buckets: one for all errors, one for each destination.
#[derive(Debug, Default)]
pub(in crate::stack) struct ErrorLimit {
    all: Option<Bucket>,
    peers: HashMap<IpAddr, Bucket>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: u32,
    since: Instant,
}

impl Bucket {
    fn full(size: u32, now: Instant) -> Self {
        Self { tokens: size, since: now }
    }

    /// Takes a token, if there is one.
    fn take(&mut self, now: Instant, per_second: u32, size: u32) -> bool {
        let nanos = now.since(self.since).as_nanos() * u128::from(per_second);
        let earned = u32::try_from(nanos / 1_000_000_000).unwrap_or(u32::MAX);
        if earned > 0 {
            self.tokens = self.tokens.saturating_add(earned).min(size);
            self.since = now;
        }
        if self.tokens == 0 {
            return false;
        }
        self.tokens -= 1;
        true
    }
}

impl ErrorLimit {
    /// RFC 1812 4.3.2.8, RFC 4443 2.4 f: "an IPv6 node MUST limit the rate of ICMPv6 error messages it originates."
    fn allows(&mut self, now: Instant, peer: IpAddr, per_second: u32) -> bool {
        if self.peers.len() >= PEERS && !self.peers.contains_key(&peer) {
            self.peers.clear();
        }
        let bucket = self.peers.entry(peer).or_insert_with(|| Bucket::full(PEER_BURST, now));
        let all = self.all.get_or_insert_with(|| Bucket::full(BURST, now));
        bucket.take(now, 1, PEER_BURST) && all.take(now, per_second, BURST)
    }
}

impl Net {
    /// Answers a datagram that no UDP socket takes.
    pub(crate) fn port_unreachable(&mut self, about: &Datagram) {
        self.icmp_error(PORT_UNREACHABLE, about.frame.bytes(), about.interface);
    }

    /// Answers a datagram of a protocol that nobody here has.
    pub(crate) fn protocol_unreachable(&mut self, about: &Datagram) {
        self.note(Reason::IpNoProtocol, Some(about.interface), None);
        // RFC 8200 4: "the pointer field contains the offset of the unrecognized Next Header value".
        let pointer = walk(about.frame.bytes()).map_or(6, |chain| chain.named_at);
        let error = match about.destination {
            IpAddr::V4(_) => PROTOCOL_UNREACHABLE,
            IpAddr::V6(_) => IcmpError { info: pointer as u32, ..PROTOCOL_UNREACHABLE },
        };
        self.icmp_error(error, about.frame.bytes(), about.interface);
    }

    /// Tells a packet's sender what became of it, if it may be told. `packet` begins with its IP header.
    pub(in crate::stack) fn icmp_error(&mut self, error: IcmpError, packet: &[u8], arrived: IfIndex) {
        let Some(header) = Header::quoted(packet) else { return };
        if self.is_shadow(arrived) || !self.may_answer(&error, &header, packet) {
            return;
        }
        // What this host sent to itself under another's name: see `is_stray`.
        if arrived == IfIndex::LO && !self.is_local(header.destination) {
            return;
        }
        // Path MTU discovery must not starve, and one's own loopback needs no guard.
        let limited = arrived != IfIndex::LO && error.type_v6 != TOO_BIG.type_v6;
        let per_second = self.config.icmp_per_second;
        if limited && !self.error_limit.allows(self.now, header.source, per_second) {
            return self.note(Reason::IcmpRateLimited, Some(arrived), None);
        }
        let hints = Hints { interface: self.zone(header.source, arrived), ..Hints::default() };
        // RFC 1122 3.2.2 by way of 3.3.4: the answer comes from the address that was asked, if it is ours.
        let source = if self.is_local(header.destination) {
            header.destination
        } else {
            match self.path(header.source, hints) {
                Ok(path) => path.source,
                Err(_) => return,
            }
        };
        // RFC 1812 4.3.2.3: "the ICMP datagram SHOULD contain as much of the original datagram as possible without the length
        // of the ICMP datagram exceeding 576 bytes." RFC 4443 2.4 c: the same up to the minimum IPv6 MTU.
        let room = match source {
            IpAddr::V4(_) => 576 - V4_LEN - 8,
            IpAddr::V6(_) => 1280 - V6_LEN - 8,
        };
        let quote = &packet[..packet.len().min(room)];
        let mut frame = self.pool.frame(8 + quote.len());
        let bytes = frame.bytes_mut();
        bytes[..8].fill(0);
        bytes[8..].copy_from_slice(quote);
        let (protocol, checksum) = match (source, header.source) {
            (IpAddr::V6(own), IpAddr::V6(peer)) => {
                bytes[..2].copy_from_slice(&[error.type_v6, error.code_v6]);
                bytes[4..8].copy_from_slice(&error.info.to_be_bytes());
                (IPPROTO_ICMPV6, icmpv6_checksum(own, peer, bytes))
            }
            _ => {
                bytes[..2].copy_from_slice(&[error.type_v4, error.code_v4]);
                match error.type_v4 {
                    // RFC 792: "identifies the octet where an error was detected".
                    12 => bytes[4] = error.info as u8,
                    // RFC 1191 4: the next hop's MTU in the low 16 bits.
                    _ => bytes[6..8].copy_from_slice(&(error.info as u16).to_be_bytes()),
                }
                (IPPROTO_ICMP, checksum(bytes))
            }
        };
        bytes[2..4].copy_from_slice(&checksum.to_be_bytes());
        let head = IpHead {
            flow_label: None,
            source,
            destination: header.source,
            protocol: protocol as u8,
            ttl: self.config.ttl(header.source),
            // RFC 1812 4.3.2.5: precedence 6 (internetwork control).
            tos: if source.is_ipv4() { 0xc0 } else { 0 },
            dont_fragment: false,
            ignore_path_mtu: false,
            loop_multicast: false,
        };
        let options = self.error_options(packet, &header, source);
        if let Err(error) = self.send_with_options(frame, head, hints, &options) {
            self.note(error.reason(), Some(arrived), None);
        }
    }

    /// The options of an ICMP error (icmp_send): as of an answer, and of a packet for another host this one is on the way.
    fn error_options(&self, packet: &[u8], header: &Header, source: IpAddr) -> Vec<u8> {
        let none = header.length <= V4_LEN || header.destination.is_ipv6();
        if none || Self::check_options(packet).is_err() {
            return Vec::new();
        }
        let mut passed = packet.get(..header.length).unwrap_or_default().to_vec();
        if !self.is_local(header.destination) {
            self.record(&mut passed, source);
        }
        self.answered_options(&passed, source).unwrap_or_default()
    }

    /// RFC 1122 3.2.2: "An ICMP error message MUST NOT be sent as the result of receiving: an ICMP error message, or a datagram
    /// destined to an IP broadcast or IP multicast address, or [...] a non-initial fragment, or a datagram whose source address
    /// does not define a single host". RFC 4443 2.4 e says the same of IPv6.
    fn may_answer(&self, error: &IcmpError, header: &Header, packet: &[u8]) -> bool {
        let to_many = header.destination.is_multicast() || self.is_broadcast(header.destination);
        let from_many = header.source.is_multicast()
            || header.source.is_unspecified()
            || self.is_broadcast(header.source);
        if (to_many && !(error.even_multicast && header.destination.is_ipv6())) || from_many {
            return false;
        }
        match header.destination {
            IpAddr::V4(_) => {
                let kind = packet.get(header.length).copied();
                let is_error =
                    i32::from(header.protocol) == IPPROTO_ICMP && !matches!(kind, Some(0 | 8..=10 | 13..=18));
                header.fragment_offset() == 0 && !is_error
            }
            IpAddr::V6(_) => {
                // What can't be walked is answered: that it can't be walked is the news.
                let Ok(mut chain) = walk(packet) else { return true };
                if chain.fragment {
                    let first = packet.get(chain.payload + 2..chain.payload + 4);
                    if first.is_none_or(|place| place[0] != 0 || place[1] & 0xf8 != 0) {
                        return false;
                    }
                    chain.payload += 8;
                }
                let kind = packet.get(chain.payload).copied();
                // RFC 4443 2.4 e.1 and e.2: an ICMPv6 error, or a redirect.
                !(i32::from(chain.protocol) == IPPROTO_ICMPV6 && kind.is_none_or(|k| k < 128 || k == 137))
            }
        }
    }
}
