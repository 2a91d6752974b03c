//! TCP and its options.

use crate::wire::packet::kind::{Field, Kind, Rule, Shape};

pub(crate) static TCP: Kind = Kind::new(
    "tcp",
    "TCP",
    "RFC 9293 3.1",
    &[
        Field::bits("sport", 16).rule(Rule::Next(20)).about("port of the sender"),
        Field::bits("dport", 16).rule(Rule::Next(80)).about("port of the receiver"),
        Field::bits("seq", 32).about("sequence number of the first byte of data (or of SYN)"),
        Field::bits("ack", 32).about("sequence number that is expected next"),
        Field::bits("offset", 4)
            .rule(Rule::HeaderLength { unit: 4, less: 0 })
            .also(&["dataofs", "data_offset"])
            .about("words of the header, options included"),
        Field::bits("reserved", 3).about("zero"),
        Field::flags("flags", 9, &["F", "S", "R", "P", "A", "U", "E", "C", "N"])
            .or(2)
            .names(&[
                (1, "FIN"),
                (2, "SYN"),
                (4, "RST"),
                (8, "PSH"),
                (16, "ACK"),
                (32, "URG"),
                (64, "ECE"),
                (128, "CWR"),
                (256, "NS"),
            ])
            .about("what the segment is"),
        Field::bits("window", 16).or(8192).about("bytes that the sender of this segment takes"),
        Field::bits("checksum", 16)
            .rule(Rule::TransportChecksum)
            .also(&["chksum"])
            .about("over pseudo header, header and data"),
        Field::bits("urgent", 16).also(&["urgptr"]).about("where urgent data ends, if URG is set"),
        Field::layers("options", OPTIONS).about("padded with zeros to whole words"),
    ],
)
.scapy("TCP")
.also(&["TCPerror"]);

/// The octet that tells which option it is.
const fn which(number: u64) -> Field {
    Field::bits("kind", 8).or(number).about("which option it is")
}

/// Bytes of the option, this one and `kind` included.
const LEN: Field =
    Field::bits("len", 8).rule(Rule::HeaderLength { unit: 1, less: 0 }).about("bytes of the option");

/// TCP Parameters at IANA.
static OPTIONS: &[Kind] = &[
    Kind::new("eol", "End of Option List", "RFC 9293 3.2", &[which(0)]).scapy("EOL").ending(),
    Kind::new("nop", "No-Operation", "RFC 9293 3.2", &[which(1)]).scapy("NOP"),
    Kind::new(
        "mss",
        "Maximum Segment Size",
        "RFC 9293 3.7.1",
        &[which(2), LEN, Field::bits("mss", 16).or(1460).about("bytes of data in a segment, at most")],
    )
    .scapy("MSS"),
    Kind::new(
        "wscale",
        "Window Scale",
        "RFC 7323 2",
        &[which(3), LEN, Field::bits("shift", 8).about("bits by which windows are shifted")],
    )
    .scapy("WScale"),
    Kind::new("sack_permitted", "SACK Permitted", "RFC 2018 2", &[which(4), LEN])
        .scapy("SAckOK")
        .also(&["sackok", "sack_ok"]),
    Kind::new(
        "sack",
        "SACK",
        "RFC 2018 3",
        &[
            which(5),
            LEN,
            Field::list("edges", &Shape::Bits(32))
                .about("of each block the first sequence number, and the one behind the last"),
        ],
    )
    .scapy("SAck"),
    Kind::new(
        "timestamp",
        "Timestamps",
        "RFC 7323 3",
        &[
            which(8),
            LEN,
            Field::bits("val", 32).about("the sender's clock"),
            Field::bits("ecr", 32).about("the receiver's clock, echoed"),
        ],
    )
    .scapy("Timestamp")
    .also(&["ts"]),
    Kind::new(
        "md5",
        "MD5 Signature",
        "RFC 2385 3",
        &[which(19), LEN, Field::fixed("digest", 16).about("of the segment and a key")],
    )
    .scapy("MD5"),
    Kind::new(
        "user_timeout",
        "User Timeout",
        "RFC 5482 3",
        &[
            which(28),
            LEN,
            Field::bits("timeout", 16).about(
                "how long data may stay unacknowledged, in seconds; with the highest bit set, in minutes",
            ),
        ],
    )
    .scapy("UTO")
    .also(&["uto"]),
    Kind::new(
        "ao",
        "TCP Authentication",
        "RFC 5925 2.2",
        &[
            which(29),
            LEN,
            Field::bits("keyid", 8).about("the key of this segment"),
            Field::bits("rnextkeyid", 8).also(&["rnext"]).about("the key that is wanted next"),
            Field::bytes("mac").about("the authentication code"),
        ],
    )
    .scapy("AO"),
    Kind::new(
        "mptcp",
        "Multipath TCP",
        "RFC 8684 3",
        &[which(30), LEN, Field::bytes("data").about("as it is")],
    ),
    Kind::new(
        "fastopen",
        "Fast Open",
        "RFC 7413 4.1.1",
        &[which(34), LEN, Field::bytes("cookie").about("of the server; empty = a cookie is asked for")],
    )
    .scapy("TFO")
    .also(&["tfo"]),
    Kind::new(
        "option",
        "Option",
        "RFC 9293 3.2",
        &[which(253), LEN, Field::bytes("data").about("what is behind kind and length")],
    ),
];
