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
//! | `tcp.rs` | `tcp` and its options |
//! | `udp.rs` | `udp` |
//! | `payload.rs` | `payload`, `padding` |

mod binding;
mod ethernet;
mod icmp;
mod ipv4;
mod ipv6;
mod names;
mod payload;
mod tcp;
mod udp;

pub(crate) use binding::{behind, first, number};
pub(crate) use ethernet::{ARP, DOT1Q, DOT3, ETHER, LLC, SNAP};
pub(crate) use icmp::ICMP;
pub(crate) use ipv4::IP;
pub(crate) use ipv6::{AH, DESTINATION, ESP, FRAGMENT, HOP_BY_HOP, IPV6, ROUTING};
pub(crate) use payload::{PADDING, PAYLOAD};
pub(crate) use tcp::TCP;
pub(crate) use udp::UDP;

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
    &TCP,
    &UDP,
    &PAYLOAD,
    &PADDING,
];

/// The layer of this name, or of one of its other spellings.
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().copied().find(|k| k.is_called(name))
}
