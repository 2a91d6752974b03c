//! Links: interfaces, Ethernet, ARP and NDP with the neighbour table. Called by ip/ and net.rs.
//!
//! | file | what |
//! |---|---|
//! | `interface.rs` | [`Interface`]: name, MAC, MTU, link state, counters |
//! | `address.rs` | [`Address`]: the addresses of interfaces, how they come and go |
//! | `settings.rs` | what a person may set of an interface: up, down, MTU, flags, name |
//! | `ethernet.rs` | the frame's header: which frames are ours, who gets the packet, the header of what leaves |
//! | `can.rs` | CAN interfaces: frames in and out, the echo of our own |
//! | `tap.rs` | what packet sockets see of the frames that pass; [`Net::transmit`](super::Net::transmit): a whole frame out |
//! | `neighbour.rs` | the neighbour table: states, packets that wait, failures. ARP and NDP fill it |
//! | `arp.rs` | ARP (RFC 826), gratuitous ARP, conflicts (RFC 5227) |
//! | `ndp.rs` | neighbour solicitation and advertisement (RFC 4861) |
//! | `autoconf.rs` | duplicate address detection, router discovery, stateless addresses (RFC 4861, RFC 4862) |
//!
//! A packet out: `ip/output.rs` -> `Net::emit` (ethernet.rs) -> `Net::neighbour_out` (neighbour.rs) -> `Net::ethernet_out` ->
//! `Net::transmit` (tap.rs). A frame in: `Net::ethernet_in` (ethernet.rs).

mod address;
mod arp;
mod autoconf;
mod can;
mod ethernet;
mod interface;
mod ndp;
mod neighbour;
mod settings;
mod tap;
#[cfg(test)]
mod tests;

pub(crate) use address::{Address, AddressOrigin, AddressState};
pub(crate) use interface::Interface;
pub(crate) use neighbour::{Neighbour, NeighbourState, Neighbours};
pub(in crate::stack) use settings::IFF_ALLMULTI;
pub(in crate::stack) use tap::{LINK_HEADER, Passing, Tap};
