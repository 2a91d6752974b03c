//! UDP.

use crate::wire::packet::kind::{Field, Kind, Rule};

pub(crate) static UDP: Kind = Kind::new(
    "udp",
    "UDP",
    "RFC 768",
    &[
        Field::bits("sport", 16).rule(Rule::Next(53)).about("port of the sender"),
        Field::bits("dport", 16).rule(Rule::Next(53)).about("port of the receiver"),
        Field::bits("len", 16)
            .rule(Rule::Length { unit: 1, less: 0 })
            .also(&["length"])
            .about("bytes of header and data"),
        Field::bits("checksum", 16)
            .rule(Rule::TransportChecksum)
            .also(&["chksum"])
            .about("over pseudo header, header and data; 0 = none (IPv4 only)"),
    ],
)
.scapy("UDP")
.also(&["UDPerror"]);
