//! Bytes and their meaning: pure functions, no state of a host.
//!
//! | file | what |
//! |---|---|
//! | `summary.rs` | [`summary`]: one line per frame, in tcpdump's manner; [`Tracker`]: with relative sequence numbers |
//! | `dissect.rs` | [`Dissected`]: a frame taken apart: Ethernet, ARP, IPv4, IPv6 |
//! | `transport.rs` | [`Tcp`] with its options, [`Udp`] |
//! | `icmp.rs` | [`Icmp`]: ICMP, ICMPv6, NDP, MLD, IGMP in words |
//! | `dns.rs` | DNS messages |
//! | `checksum/` | [`mod@checksum`]: the Internet checksum, fast, as RFC 1071 writes it, and step by step |
//! | `packet/` | [`packet::Packet`]: building field by field, and taking apart in the same words: the table of layers |
//! | `expression/` | a packet as text: `ip(dst=192.0.2.1)/tcp(dport=80)`, and back |
//! | `show/` | packets for people: tree, hex, explanation, differences; as programs |
//! | `filter/` | libpcap's filter language, classic BPF and its machine |
//! | `can.rs` | [`CanFrame`], [`CanFdFrame`], [`CanFilter`]: bytes, and can-utils' notation |
//! | `rds.rs` | the headers and congestion maps of RDS |
//! | `cursor.rs` | reading bytes that nobody vouches for |
//!
//! Everybody above base/ may call it. Nothing here panics, whatever the bytes are.

pub(crate) mod can;
pub mod checksum;
mod cursor;
mod dissect;
pub mod dns;
pub mod expression;
pub mod filter;
mod icmp;
pub mod packet;
pub(crate) mod rds;
pub mod show;
mod summary;
mod transport;

pub use can::{CAN_MTU, CANFD_MTU, CanFdFrame, CanFilter, CanFrame};
pub use checksum::{Sum, checksum, transport_checksum};
pub use dissect::{Arp, Dissected, Ethernet, Fragment, Ip, Network, Note, Transport};
pub use icmp::{Echo, Icmp};
pub use summary::{Tracker, summary};
pub use transport::{Tcp, TcpFlags, TcpOption, Udp};
