//! Bytes and their meaning: pure functions, no state of a host.
//!
//! | file | what |
//! |---|---|
//! | `summary.rs` | [`summary`]: one line per frame, in tcpdump's manner; [`Tracker`]: with relative sequence numbers |
//! | `dissect.rs` | [`Dissected`]: a frame taken apart: Ethernet, ARP, IPv4, IPv6 |
//! | `transport.rs` | [`Tcp`] with its options, [`Udp`] |
//! | `icmp.rs` | [`Icmp`]: ICMP, ICMPv6, NDP, MLD, IGMP in words |
//! | `dns.rs` | DNS messages |
//! | `checksum.rs` | the Internet checksum |
//! | `cursor.rs` | reading bytes that nobody vouches for |
//!
//! Everybody above base/ may call it. Nothing here panics, whatever the bytes are.

mod checksum;
mod cursor;
mod dissect;
pub mod dns;
mod icmp;
mod summary;
mod transport;

pub use checksum::{checksum, transport_checksum};
pub use dissect::{Arp, Dissected, Ethernet, Fragment, Ip, Network, Note, Transport};
pub use icmp::{Echo, Icmp};
pub use summary::{Tracker, summary};
pub use transport::{Tcp, TcpFlags, TcpOption, Udp};
