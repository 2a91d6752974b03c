//! Layers that are told apart by their own bytes, not by a number in front of them.

use super::dhcp::{self, DHCP};
use super::dns::DNS;
use super::icmpv6::{self, ECHO_REPLY, ECHO_REQUEST, PARAMETER_PROBLEM, TIME_EXCEEDED, TOO_BIG, UNREACHABLE};
use super::multicast::{
    IGMP, IGMP_V3_QUERY, IGMP_V3_REPORT, MLD_DONE, MLD_QUERY, MLD_REPORT, MLD_V2_QUERY, MLD_V2_REPORT,
};
use super::ndp::{
    NEIGHBOUR_ADVERTISEMENT, NEIGHBOUR_SOLICITATION, REDIRECT, ROUTER_ADVERTISEMENT, ROUTER_SOLICITATION,
};
use super::payload::PAYLOAD;
use crate::wire::packet::kind::Kind;

/// What these bytes are, which should be a layer of this kind.
pub(super) fn variant(kind: &'static Kind, bytes: &[u8]) -> &'static Kind {
    let is = |other: &Kind| std::ptr::eq(kind, other);
    match bytes {
        _ if is(&icmpv6::OTHER) => icmpv6_message(bytes),
        _ if is(&IGMP) => igmp_message(bytes),
        _ if is(&DNS) && !is_dns(bytes) => &PAYLOAD,
        [a, b, c, d, ..] if is(&DHCP) && u32::from_be_bytes([*a, *b, *c, *d]) == dhcp::COOKIE => &DHCP,
        _ if is(&DHCP) => &PAYLOAD,
        _ => kind,
    }
}

/// By its type.
fn icmpv6_message(bytes: &[u8]) -> &'static Kind {
    match bytes.first() {
        Some(1) => &UNREACHABLE,
        Some(2) => &TOO_BIG,
        Some(3) => &TIME_EXCEEDED,
        Some(4) => &PARAMETER_PROBLEM,
        Some(128) => &ECHO_REQUEST,
        Some(129) => &ECHO_REPLY,
        // RFC 3810 8.1: a query of 24 bytes is MLDv1's, one of 28 or more MLDv2's.
        Some(130) if bytes.len() >= 28 => &MLD_V2_QUERY,
        Some(130) => &MLD_QUERY,
        Some(131) => &MLD_REPORT,
        Some(132) => &MLD_DONE,
        Some(133) => &ROUTER_SOLICITATION,
        Some(134) => &ROUTER_ADVERTISEMENT,
        Some(135) => &NEIGHBOUR_SOLICITATION,
        Some(136) => &NEIGHBOUR_ADVERTISEMENT,
        Some(137) => &REDIRECT,
        Some(143) => &MLD_V2_REPORT,
        _ => &icmpv6::OTHER,
    }
}

/// RFC 3376 7.1: a query of 8 bytes is of version 1 or 2, one of 12 or more of version 3.
fn igmp_message(bytes: &[u8]) -> &'static Kind {
    match bytes.first() {
        Some(0x11) if bytes.len() >= 12 => &IGMP_V3_QUERY,
        Some(0x22) => &IGMP_V3_REPORT,
        _ => &IGMP,
    }
}

/// Many a datagram has port 53 that is no DNS message: a message has its header, and more bytes than records.
fn is_dns(bytes: &[u8]) -> bool {
    let Some((header, rest)) = bytes.split_first_chunk::<12>() else { return false };
    header[4..].as_chunks::<2>().0.iter().all(|count| usize::from(u16::from_be_bytes(*count)) <= rest.len())
}
