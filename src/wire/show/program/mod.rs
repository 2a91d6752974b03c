//! A packet as a short program that sends it, for people who go on elsewhere.
//!
//! | file | what |
//! |---|---|
//! | `scapy.rs` | [`as_scapy`]: Python with Scapy, field by field |
//! | `rust.rs` | [`as_rust`]: Rust with this crate |
//! | `python.rs` | [`as_python`]: Python alone, the bytes with a comment on each field |
//! | `c.rs` | [`as_c`]: C on Linux, the same |
//! | `bytes.rs` | the bytes of a packet in lines, each with what is in it |

mod bytes;
mod c;
mod python;
mod rust;
mod scapy;

pub use c::as_c;
pub use python::as_python;
pub use rust::as_rust;
pub use scapy::as_scapy;

use std::net::IpAddr;

use crate::wire::packet::{Choice, Dissection, Origin, Packet, Value};

/// Where a packet without an Ethernet header is to go: the address in its IP header.
fn destination(packet: &Dissection) -> Option<IpAddr> {
    packet.sections.iter().find_map(|section| section.address("dst"))
}

/// The packet that builds these bytes: what a person has set is in it, and what would not be filled in so.
fn described(dissection: &Dissection) -> Packet {
    let mut packet = dissection.packet();
    for (layer, section) in packet.layers.iter_mut().zip(&dissection.sections) {
        let kept = std::ptr::eq(layer.kind(), section.kind);
        for seen in section.fields.iter().filter(|seen| kept && seen.origin == Origin::Set) {
            let place = layer.kind().field(seen.field.name).filter(|place| layer.choice(*place).is_none());
            if let (Some(place), false) = (place, matches!(seen.value, Value::Layers(_) | Value::List(_))) {
                layer.place(place, Choice::One(seen.value.clone()));
            }
        }
    }
    packet
}

#[cfg(test)]
mod tests;
