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

use crate::wire::packet::Dissection;

/// Where a packet without an Ethernet header is to go: the address in its IP header.
fn destination(packet: &Dissection) -> Option<IpAddr> {
    packet.sections.iter().find_map(|section| section.address("dst"))
}

#[cfg(test)]
mod tests;
