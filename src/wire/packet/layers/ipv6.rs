//! IPv6, its extension headers and their options.

use std::net::Ipv6Addr;

use super::names::PROTOCOLS;
use crate::wire::packet::kind::{Field, Fill, Kind, Rule, Shape, When};

/// Which header is behind this one.
const NEXT: Field = Field::bits("next", 8)
    .rule(Rule::Next(59))
    .also(&["nh"])
    .names(PROTOCOLS)
    .about("what is behind the header");

/// Of extension headers.
const LEN: Field = Field::bits("len", 8)
    .rule(Rule::HeaderLength { unit: 8, less: 1 })
    .about("8 bytes of the header each, the first 8 not counted");

pub(crate) static IPV6: Kind = Kind::new(
    "ipv6",
    "IPv6",
    "RFC 8200 3",
    &[
        Field::bits("version", 4).or(6).about("of IP"),
        Field::bits("tc", 8).also(&["tclass"]).about("traffic class: differentiated services and ECN"),
        Field::bits("flow", 20).also(&["fl"]).about("flow label, RFC 6437"),
        Field::bits("len", 16)
            .rule(Rule::Length { unit: 1, less: 40 })
            .also(&["plen"])
            .about("bytes behind this header"),
        NEXT,
        Field::bits("hlim", 8)
            .rule(Rule::Reach(64))
            .also(&["hop_limit", "ttl"])
            .about("how many routers may forward it"),
        Field::v6("src").rule(Rule::Source).also(&["source"]).about("address of the sender"),
        Field::v6("dst")
            .fill(Fill::V6(Ipv6Addr::LOCALHOST))
            .also(&["destination"])
            .about("address of the receiver"),
    ],
)
.scapy("IPv6")
.also(&["IPerror6"]);

pub(crate) static HOP_BY_HOP: Kind = Kind::new(
    "hop_by_hop",
    "Hop-by-Hop Options",
    "RFC 8200 4.3",
    &[NEXT, LEN, Field::layers("options", OPTIONS).about("for each router; padded to 8 bytes")],
)
.scapy("IPv6ExtHdrHopByHop")
.also(&["hopopt"]);

pub(crate) static DESTINATION: Kind = Kind::new(
    "destopt",
    "Destination Options",
    "RFC 8200 4.6",
    &[NEXT, LEN, Field::layers("options", OPTIONS).about("for the receiver; padded to 8 bytes")],
)
.scapy("IPv6ExtHdrDestOpt");

pub(crate) static ROUTING: Kind = Kind::new(
    "routing",
    "Routing",
    "RFC 8200 4.4",
    &[
        NEXT,
        LEN,
        Field::bits("type", 8).names(&[(0, "source-route"), (2, "mobile"), (3, "rpl"), (4, "segment")]),
        Field::bits("left", 8).also(&["segleft"]).about("addresses that are still to be visited"),
        Field::bits("reserved", 32).when(When::Is("type", &[0, 2])),
        // RFC 8754 2.
        Field::bits("last", 8)
            .also(&["lastentry"])
            .when(When::Is("type", &[4]))
            .about("index of the last segment"),
        Field::bits("flags", 8).when(When::Is("type", &[4])),
        Field::bits("tag", 16).when(When::Is("type", &[4])),
        Field::list("addresses", &Shape::V6).when(When::Is("type", &[0, 2, 4])).about("the way"),
        Field::bytes("data").when(When::Not("type", &[0, 2, 4])),
    ],
)
.scapy("IPv6ExtHdrRouting");

pub(crate) static FRAGMENT: Kind = Kind::new(
    "fragment",
    "Fragment",
    "RFC 8200 4.5",
    &[
        NEXT,
        Field::bits("reserved", 8).also(&["res1"]),
        Field::bits("frag", 13).also(&["offset"]).about("place of the fragment in its datagram, in 8 bytes"),
        Field::bits("reserved2", 2).also(&["res2"]),
        Field::bits("more", 1).also(&["m"]).about("1 = it is not the last one"),
        Field::bits("id", 32).about("the same in all fragments of a datagram"),
    ],
)
.scapy("IPv6ExtHdrFragment");

pub(crate) static AH: Kind = Kind::new(
    "ah",
    "Authentication Header",
    "RFC 4302 2",
    &[
        NEXT,
        Field::bits("len", 8)
            .rule(Rule::HeaderLength { unit: 4, less: 2 })
            .also(&["payloadlen"])
            .about("words of the header, two not counted"),
        Field::bits("reserved", 16),
        Field::bits("spi", 32).about("which security association"),
        Field::bits("seq", 32).about("which packet of it"),
        Field::bytes("icv").about("integrity check value"),
    ],
)
.scapy("AH");

pub(crate) static ESP: Kind = Kind::new(
    "esp",
    "Encapsulating Security Payload",
    "RFC 4303 2",
    &[
        Field::bits("spi", 32).about("which security association"),
        Field::bits("seq", 32).about("which packet of it"),
        Field::bytes("data").about("encrypted, with its trailer"),
    ],
)
.scapy("ESP");

/// The octet that tells which option it is.
const fn which(number: u64) -> Field {
    Field::bits("type", 8)
        .or(number)
        .also(&["otype"])
        .about("which option it is; the two highest bits: what to do if it is unknown")
}

/// Bytes of the option's data.
const OPTION_LEN: Field = Field::bits("len", 8)
    .rule(Rule::HeaderLength { unit: 1, less: 2 })
    .also(&["optlen"])
    .about("bytes behind this one");

/// Destination Options and Hop-by-Hop Options at IANA.
static OPTIONS: &[Kind] = &[
    Kind::new("pad1", "Pad1", "RFC 8200 4.2", &[which(0)]).scapy("Pad1"),
    Kind::new(
        "padn",
        "PadN",
        "RFC 8200 4.2",
        &[which(1), OPTION_LEN, Field::bytes("data").also(&["optdata"]).about("zeros")],
    )
    .scapy("PadN"),
    Kind::new(
        "router_alert",
        "Router Alert",
        "RFC 2711 2.1",
        &[
            which(5),
            OPTION_LEN,
            Field::bits("value", 16).names(&[(0, "mld"), (1, "rsvp"), (2, "active-networks")]),
        ],
    )
    .scapy("RouterAlert"),
    Kind::new(
        "jumbo",
        "Jumbo Payload",
        "RFC 2675 2",
        &[
            which(0xc2),
            OPTION_LEN,
            Field::bits("jumbo_len", 32).also(&["jumboplen"]).about("bytes behind the IPv6 header"),
        ],
    )
    .scapy("Jumbo"),
    Kind::new(
        "home",
        "Home Address",
        "RFC 6275 6.3",
        &[which(0xc9), OPTION_LEN, Field::v6("addr").also(&["hoa"]).about("of a mobile node")],
    )
    .scapy("HAO"),
    Kind::new(
        "option",
        "Option",
        "RFC 8200 4.2",
        &[
            which(0x1e),
            OPTION_LEN,
            Field::bytes("data").also(&["optdata"]).about("what is behind type and length"),
        ],
    )
    .scapy("HBHOptUnknown"),
];
