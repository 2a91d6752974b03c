//! IPv4 and its options.

use std::net::Ipv4Addr;

use super::names::PROTOCOLS;
use crate::wire::packet::kind::{Field, Fill, Kind, Rule, Shape, When};

pub(crate) static IP: Kind = Kind::new(
    "ip",
    "IPv4",
    "RFC 791 3.1",
    &[
        Field::bits("version", 4).or(4).about("of IP"),
        Field::bits("ihl", 4)
            .rule(Rule::HeaderLength { unit: 4, less: 0 })
            .about("words of the header, options included"),
        Field::bits("tos", 8).about("differentiated services (6 bits) and ECN (2 bits), RFC 2474, RFC 3168"),
        Field::bits("len", 16)
            .rule(Rule::Length { unit: 1, less: 0 })
            .also(&["length"])
            .about("bytes of header and data"),
        Field::bits("id", 16).or(1).about("the same in all fragments of a datagram"),
        Field::flags("flags", 3, &["MF", "DF", "evil"])
            .about("more fragments, don't fragment, reserved (RFC 3514)"),
        Field::bits("frag", 13).also(&["offset"]).about("place of a fragment in its datagram, in 8 bytes"),
        Field::bits("ttl", 8).rule(Rule::Reach(64)).about("how many routers may forward it"),
        Field::bits("proto", 8)
            .rule(Rule::Next(0))
            .also(&["protocol", "p"])
            .names(PROTOCOLS)
            .about("what is behind the header"),
        Field::bits("checksum", 16).rule(Rule::HeaderChecksum).also(&["chksum"]).about("over the header"),
        Field::v4("src").rule(Rule::Source).also(&["source"]).about("address of the sender"),
        Field::v4("dst")
            .fill(Fill::V4(Ipv4Addr::LOCALHOST))
            .also(&["destination"])
            .about("address of the receiver"),
        Field::layers("options", OPTIONS).about("padded with zeros to whole words"),
    ],
)
.scapy("IP")
.also(&["ipv4", "IPerror"]);

/// The octet that tells which option it is: copied into fragments (1 bit), class (2), number (5).
const fn which(number: u64) -> Field {
    Field::bits("type", 8).or(number).about("which option it is; the highest bit: copied into fragments")
}

/// Bytes of the option, this one and `type` included.
const LEN: Field = Field::bits("len", 8)
    .rule(Rule::HeaderLength { unit: 1, less: 0 })
    .also(&["length"])
    .about("bytes of the option");

/// Routers on the way.
const ROUTERS: Field = Field::list("routers", &Shape::V4).about("their addresses; 0.0.0.0 = room for one");

const POINTER: Field =
    Field::bits("pointer", 8).or(4).about("the next address, counted in bytes from 1 at `type`");

/// IP Option Numbers at IANA.
static OPTIONS: &[Kind] = &[
    Kind::new("eol", "End of Option List", "RFC 791 3.1", &[which(0)]).scapy("IPOption_EOL").ending(),
    Kind::new("nop", "No Operation", "RFC 791 3.1", &[which(1)]).scapy("IPOption_NOP"),
    Kind::new("rr", "Record Route", "RFC 791 3.1", &[which(7), LEN, POINTER, ROUTERS])
        .scapy("IPOption_RR")
        .also(&["record_route"]),
    Kind::new("lsrr", "Loose Source and Record Route", "RFC 791 3.1", &[which(131), LEN, POINTER, ROUTERS])
        .scapy("IPOption_LSRR"),
    Kind::new("ssrr", "Strict Source and Record Route", "RFC 791 3.1", &[which(137), LEN, POINTER, ROUTERS])
        .scapy("IPOption_SSRR"),
    Kind::new(
        "timestamp",
        "Internet Timestamp",
        "RFC 791 3.1",
        &[
            which(68),
            LEN,
            Field::bits("pointer", 8).or(5).about("the next entry, counted in bytes from 1 at `type`"),
            Field::bits("overflow", 4).also(&["oflw"]).about("hosts that found no room"),
            Field::bits("flag", 4).also(&["flg"]).names(&[
                (0, "times"),
                (1, "addresses-and-times"),
                (3, "given-addresses"),
            ]),
            Field::list("times", &Shape::Bits(32))
                .when(When::Is("flag", &[0]))
                .about("milliseconds since midnight UT"),
            Field::layers("entries", TIMESTAMP_ENTRY).when(When::Not("flag", &[0])).about("who, and when"),
        ],
    )
    .scapy("IPOption_Timestamp")
    .also(&["ts"]),
    Kind::new(
        "router_alert",
        "Router Alert",
        "RFC 2113 2.1",
        &[which(148), LEN, Field::bits("value", 16).also(&["alert"]).about("0 = routers look at the packet")],
    )
    .scapy("IPOption_Router_Alert"),
    Kind::new(
        "security",
        "Security",
        "RFC 791 3.1",
        &[
            which(130),
            LEN,
            Field::bits("level", 16).also(&["security"]).about("0 = unclassified"),
            Field::bits("compartment", 16),
            Field::bits("handling", 16).also(&["handling_restrictions"]),
            Field::fixed("transmission", 3).also(&["transmission_control_code"]),
        ],
    )
    .scapy("IPOption_Security"),
    Kind::new(
        "stream_id",
        "Stream Identifier",
        "RFC 791 3.1",
        &[which(136), LEN, Field::bits("id", 16).also(&["security"]).about("of SATNET")],
    )
    .scapy("IPOption_Stream_Id"),
    Kind::new(
        "option",
        "Option",
        "RFC 791 3.1",
        &[which(94), LEN, Field::bytes("data").also(&["value"]).about("what is behind type and length")],
    )
    .scapy("IPOption"),
];

static TIMESTAMP_ENTRY: &[Kind] = &[Kind::new(
    "entry",
    "Timestamp",
    "RFC 791 3.1",
    &[
        Field::v4("addr").also(&["internet_address"]).about("who"),
        Field::bits("time", 32).also(&["timestamp"]).about("milliseconds since midnight UT"),
    ],
)];
