//! Packets in packets: GRE (RFC 2784, RFC 2890) and VXLAN (RFC 7348). IP in IP needs no layer of its own.

use super::names::ETHERTYPES;
use crate::wire::packet::kind::{Field, Kind, Rule, When};

/// RFC 2784 2.1, with the key and the sequence number of RFC 2890. What is set says so by its bit; RFC 1701's routing is left
/// out as nobody uses it.
pub(super) static GRE: Kind = Kind::new(
    "gre",
    "GRE",
    "RFC 2784",
    &[
        Field::bits("checksum_present", 1).also(&["chksum_present"]).rule(Rule::Present("checksum")),
        Field::bits("routing_present", 1),
        Field::bits("key_present", 1).rule(Rule::Present("key")),
        Field::bits("seq_present", 1).also(&["seqnum_present"]).rule(Rule::Present("seq")),
        Field::bits("strict_route", 1).also(&["strict_route_source"]),
        Field::bits("recursion", 3).also(&["recursion_control"]),
        Field::bits("flags", 5),
        Field::bits("version", 3),
        Field::bits("proto", 16)
            .rule(Rule::Next(0))
            .names(ETHERTYPES)
            .about("what is inside, as an EtherType"),
        Field::bits("checksum", 16)
            .also(&["chksum"])
            .rule(Rule::Checksum)
            .when(When::Is("checksum_present", &[1]))
            .about("over the GRE header and what is inside"),
        Field::bits("offset", 16).when(When::Is("checksum_present", &[1])),
        Field::bits("key", 32).when(When::Is("key_present", &[1])).about("tells tunnels apart"),
        Field::bits("seq", 32)
            .also(&["seqence_number", "sequence_number"])
            .when(When::Is("seq_present", &[1]))
            .about("counts packets"),
    ],
)
.scapy("GRE");

/// RFC 7348 5: an Ethernet frame in UDP.
pub(super) static VXLAN: Kind = Kind::new(
    "vxlan",
    "VXLAN",
    "RFC 7348",
    &[
        Field::flags("flags", 8, &["", "", "", "I", "", "", "", ""])
            .or(8)
            .about("I: the network identifier is valid"),
        Field::bits("reserved1", 24),
        Field::bits("vni", 24).about("the network identifier: which virtual Ethernet"),
        Field::bits("reserved2", 8),
    ],
)
.scapy("VXLAN");
