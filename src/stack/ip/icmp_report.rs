//! ICMP errors in: what they say about a packet of ours, in Linux's errnos (icmp_err_convert, icmpv6_err_convert).

use std::net::IpAddr;

use super::extension::walk;
use super::header::Header;
use super::path_mtu;
use crate::base::constants::{IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP};
use crate::base::{Errno, IfIndex, Reason};
use crate::stack::Net;
use crate::stack::net::{Datagram, Inbound, NetError};

/// SO_EE_ORIGIN_*, ip(7).
const ORIGIN_ICMP: u8 = 2;
const ORIGIN_ICMP6: u8 = 3;

/// RFC 1191 7.1: common MTUs, for routers that don't tell theirs.
const PLATEAUS: [usize; 10] = [65_535, 32_000, 17_914, 8166, 4352, 2002, 1492, 1006, 508, 296];

/// Number, reason, and whether it is hard: RFC 1122 4.2.3.9's words, Linux's choice.
type Meaning = (Errno, Reason, bool);

const fn unreachable_v4(code: u8) -> Option<Meaning> {
    /// ENONET of Linux, which has no other use here.
    const ENONET: Errno = Errno(64);
    use Reason::{IcmpHostUnreachable as Host, IcmpNetUnreachable as Network, IcmpProhibited as Prohibited};
    Some(match code {
        0 | 11 => (Errno::ENETUNREACH, Network, false),
        1 | 12 => (Errno::EHOSTUNREACH, Host, false),
        2 => (Errno::ENOPROTOOPT, Reason::IcmpProtocolUnreachable, true),
        3 => (Errno::ECONNREFUSED, Reason::IcmpPortUnreachable, true),
        4 => (Errno::EMSGSIZE, Reason::IcmpFragmentationNeeded, false),
        5 => (Errno::EOPNOTSUPP, Host, false),
        6 => (Errno::ENETUNREACH, Network, true),
        7 => (Errno::EHOSTDOWN, Host, true),
        8 => (ENONET, Host, true),
        9 => (Errno::ENETUNREACH, Prohibited, true),
        10 | 13 | 14 | 15 => (Errno::EHOSTUNREACH, Prohibited, true),
        _ => return None,
    })
}

const fn meaning_v4(kind: u8, code: u8) -> Option<Meaning> {
    match kind {
        3 => unreachable_v4(code),
        11 => Some((Errno::EHOSTUNREACH, Reason::IcmpTimeExceeded, false)),
        12 => Some((Errno::EPROTO, Reason::IcmpParameterProblem, true)),
        _ => None,
    }
}

const fn meaning_v6(kind: u8, code: u8) -> Option<Meaning> {
    Some(match (kind, code) {
        (1, 0) => (Errno::ENETUNREACH, Reason::IcmpNetUnreachable, false),
        (1, 1 | 5 | 6) => (Errno::EACCES, Reason::IcmpProhibited, true),
        (1, 2 | 3) => (Errno::EHOSTUNREACH, Reason::IcmpHostUnreachable, false),
        (1, 4) => (Errno::ECONNREFUSED, Reason::IcmpPortUnreachable, true),
        (2, _) => (Errno::EMSGSIZE, Reason::IcmpFragmentationNeeded, false),
        (3, _) => (Errno::EHOSTUNREACH, Reason::IcmpTimeExceeded, false),
        (4, _) => (Errno::EPROTO, Reason::IcmpParameterProblem, true),
        _ => return None,
    })
}

/// The next lower plateau for a packet of this size.
fn plateau(total: usize) -> usize {
    PLATEAUS.into_iter().find(|mtu| *mtu < total).unwrap_or(68)
}

/// The bytes of a quote in front of the transport header, and those from it on.
type Halves<'a> = (&'a [u8], &'a [u8]);

/// What a quote tells of the lost packet: its header, its protocol, its bytes.
fn lost(quote: &[u8]) -> Option<(Header, u8, Halves<'_>)> {
    let header = Header::quoted(quote)?;
    let (protocol, from) = match header.destination {
        // Only the first fragment has a transport header.
        IpAddr::V4(_) if header.fragment_offset() > 0 => return None,
        IpAddr::V4(_) => (header.protocol, header.length),
        IpAddr::V6(_) => {
            let chain = walk(quote).ok()?;
            match chain.fragment {
                false => (chain.protocol, chain.payload),
                true => {
                    let place = quote.get(chain.payload + 2..chain.payload + 4)?;
                    if place[0] != 0 || place[1] & 0xf8 != 0 {
                        return None;
                    }
                    (chain.protocol, chain.payload + 8)
                }
            }
        }
    };
    // RFC 792: "The internet header plus the first 64 bits of the original datagram's data."
    quote
        .split_at_checked(from)
        .filter(|(_, quoted)| quoted.len() >= 8)
        .map(|parts| (header, protocol, parts))
}

impl Net {
    pub(super) fn icmpv4_report(&mut self, datagram: &Datagram, kind: u8, code: u8) {
        let quote = datagram.payload().get(8..).unwrap_or_default();
        let Some(meaning) = meaning_v4(kind, code) else { return };
        let next_hop =
            datagram.payload().get(6..8).map_or(0, |b| usize::from(u16::from_be_bytes([b[0], b[1]])));
        let info = match meaning.0 {
            Errno::EMSGSIZE if next_hop == 0 => plateau(Header::quoted(quote).map_or(0, |h| h.total)),
            Errno::EMSGSIZE => next_hop,
            // RFC 792: the pointer of a parameter problem.
            _ if kind == 12 => datagram.payload().get(4).map_or(0, |pointer| usize::from(*pointer)),
            _ => 0,
        };
        self.report(datagram, quote, (ORIGIN_ICMP, kind, code), meaning, info);
    }

    pub(super) fn icmpv6_report(&mut self, datagram: &Datagram, kind: u8, code: u8) {
        let message = datagram.payload();
        let quote = message.get(8..).unwrap_or_default();
        let Some(meaning) = meaning_v6(kind, code) else { return };
        // The MTU, a pointer, or unused; ipv6_icmp_error tells it whatever it is.
        let info = message.get(4..8).map_or(0, |b| u32::from_be_bytes([b[0], b[1], b[2], b[3]])) as usize;
        self.report(datagram, quote, (ORIGIN_ICMP6, kind, code), meaning, info);
    }

    /// Hands an ICMP error up, if it quotes a packet that may have been ours.
    fn report(
        &mut self,
        datagram: &Datagram,
        quote: &[u8],
        (origin, kind, code): (u8, u8, u8),
        (errno, reason, hard): Meaning,
        info: usize,
    ) {
        let interface = datagram.interface;
        let Some((header, protocol, (in_front, quoted))) = lost(quote) else {
            return self.drop_in(Reason::IcmpMalformed, interface);
        };
        let same_version = header.source.is_ipv4() == datagram.source.is_ipv4();
        if !same_version || !self.is_local(header.source) {
            return self.drop_in(Reason::IcmpNotOurs, interface);
        }
        let is_error = match i32::from(protocol) {
            IPPROTO_ICMP => !matches!(quoted[0], 0 | 8..=10 | 13..=18),
            IPPROTO_ICMPV6 => quoted[0] < 128,
            _ => false,
        };
        if is_error {
            return self.drop_in(Reason::IcmpMalformed, interface);
        }
        self.note(reason, Some(interface), None);
        let mut info = info as u32;
        if errno == Errno::EMSGSIZE {
            let mtu = path_mtu::clamp(header.destination, info as usize);
            info = mtu as u32;
            // RFC 5927 7: TCP believes it only of a sequence number that is in flight, and calls learn_path_mtu itself.
            if i32::from(protocol) != IPPROTO_TCP {
                self.learn_path_mtu(header.destination, mtu);
            }
        }
        self.inbound.push_back(Inbound::Error(NetError {
            errno,
            reason,
            source: header.source,
            destination: header.destination,
            protocol,
            header: in_front.to_vec(),
            quoted: quoted.to_vec(),
            origin,
            kind,
            code,
            info,
            offender: Some(datagram.source),
            interface: Some(interface),
            hard,
        }));
    }

    /// A packet of ours whose neighbour does not answer. `packet` begins with its IP header. Linux sends itself an ICMP
    /// error then (host unreachable, address unreachable) from its own address; here it is made without the detour.
    pub(super) fn lost_packet(&mut self, interface: IfIndex, packet: &[u8]) {
        let Some((header, protocol, (in_front, quoted))) = lost(packet) else { return };
        let (origin, kind, code) =
            if header.source.is_ipv4() { (ORIGIN_ICMP, 3, 1) } else { (ORIGIN_ICMP6, 1, 3) };
        self.inbound.push_back(Inbound::Error(NetError {
            errno: Errno::EHOSTUNREACH,
            reason: Reason::NeighbourFailed,
            source: header.source,
            destination: header.destination,
            protocol,
            header: in_front.to_vec(),
            quoted: quoted[..quoted.len().min(576)].to_vec(),
            origin,
            kind,
            code,
            info: 0,
            offender: Some(header.source),
            interface: Some(interface),
            hard: false,
        }));
    }
}
