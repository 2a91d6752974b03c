//! The table of layers: every field, its default, its meaning; building, dissecting and the expression read it.
//!
//! | file | what |
//! |---|---|
//! | `binding.rs` | which layer stands behind which: EtherType 0x0800 is `ip`, protocol 6 is `tcp` |
//! | `names.rs` | numbers with names: EtherTypes, protocols |
//! | `ethernet.rs` | `ether`, `dot3`, `llc`, `snap`, `dot1q`, `arp` |
//! | `ipv4.rs` | `ip` and its options |
//! | `ipv6.rs` | `ipv6`, its extension headers and their options |
//! | `icmp.rs` | `icmp` |
//! | `icmpv6.rs` | `icmpv6_echo_request` and the other messages of ICMPv6 |
//! | `ndp.rs` | `nd_ns` and the other messages of neighbour discovery, and their options |
//! | `multicast.rs` | `igmp`, `igmpv3_report`, `mld_query` ... |
//! | `variant.rs` | messages that are told apart by their own bytes: `icmpv6_echo_request`, `nd_ns` |
//! | `tcp.rs` | `tcp` and its options |
//! | `udp.rs` | `udp` |
//! | `tunnel.rs` | `gre`, `vxlan` |
//! | `dns.rs` | `dns`, its questions and records |
//! | `dhcp.rs` | `bootp`, `dhcp` and its options |
//! | `payload.rs` | `payload`, `padding` |

mod binding;
mod dhcp;
mod dns;
mod ethernet;
mod icmp;
mod icmpv6;
mod ipv4;
mod ipv6;
mod multicast;
mod names;
mod ndp;
mod payload;
mod tcp;
mod tunnel;
mod udp;
mod variant;

pub(crate) use binding::{behind, first, number, reach};
pub(crate) use ethernet::{ARP, DOT1Q, DOT3, ETHER, LLC, SNAP};
pub(crate) use icmp::ICMP;
pub(crate) use ipv4::IP;
pub(crate) use ipv6::{AH, DESTINATION, ESP, FRAGMENT, HOP_BY_HOP, IPV6, ROUTING};
pub(crate) use payload::{PADDING, PAYLOAD};
pub(crate) use tcp::TCP;
pub(crate) use udp::UDP;
use variant::variant;

use super::kind::Kind;

/// Every layer, from the wire up.
pub static KINDS: &[&Kind] = &[
    &ETHER,
    &DOT3,
    &DOT1Q,
    &LLC,
    &SNAP,
    &ARP,
    &IP,
    &ICMP,
    &IPV6,
    &HOP_BY_HOP,
    &ROUTING,
    &FRAGMENT,
    &DESTINATION,
    &AH,
    &ESP,
    &icmpv6::ECHO_REQUEST,
    &icmpv6::ECHO_REPLY,
    &icmpv6::UNREACHABLE,
    &icmpv6::TOO_BIG,
    &icmpv6::TIME_EXCEEDED,
    &icmpv6::PARAMETER_PROBLEM,
    &icmpv6::OTHER,
    &ndp::ROUTER_SOLICITATION,
    &ndp::ROUTER_ADVERTISEMENT,
    &ndp::NEIGHBOUR_SOLICITATION,
    &ndp::NEIGHBOUR_ADVERTISEMENT,
    &ndp::REDIRECT,
    &multicast::MLD_QUERY,
    &multicast::MLD_REPORT,
    &multicast::MLD_DONE,
    &multicast::MLD_V2_QUERY,
    &multicast::MLD_V2_REPORT,
    &multicast::IGMP,
    &multicast::IGMP_V3_QUERY,
    &multicast::IGMP_V3_REPORT,
    &TCP,
    &UDP,
    &tunnel::GRE,
    &tunnel::VXLAN,
    &dns::DNS,
    &dhcp::BOOTP,
    &dhcp::DHCP,
    &PAYLOAD,
    &PADDING,
];

/// The layer of this name, or of one of its other spellings.
pub fn kind(name: &str) -> Option<&'static Kind> {
    // Scapy writes options of neighbour discovery as layers: ICMPv6ND_NS()/ICMPv6NDOptSrcLLAddr().
    let option = || ndp::OPTION_KINDS.iter().find(|k| k.scapy == name);
    KINDS.iter().copied().find(|k| k.is_called(name)).or_else(option)
}

#[cfg(test)]
mod tests;
