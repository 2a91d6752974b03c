//! Neighbour discovery (RFC 4861): routers and neighbours found by ICMPv6, with their options.

use super::icmpv6::{CHECKSUM, CODE, TYPE};
use crate::wire::packet::kind::{Field, Kind, Rule, Shape};

const RESERVED: Field = Field::bits("reserved", 32).also(&["res"]);
const TARGET: Field = Field::v6("target").also(&["tgt"]).about("whom it is about");
const OPTIONS: Field = Field::layers("options", OPTION_KINDS);

/// RFC 4861 4.1.
pub(super) static ROUTER_SOLICITATION: Kind =
    Kind::new("nd_rs", "router solicitation", "RFC 4861", &[TYPE.or(133), CODE, CHECKSUM, RESERVED, OPTIONS])
        .scapy("ICMPv6ND_RS");

/// RFC 4861 4.2, with the flags of RFC 6275 7.1 (H) and the preference of RFC 4191 2.2.
pub(super) static ROUTER_ADVERTISEMENT: Kind = Kind::new(
    "nd_ra",
    "router advertisement",
    "RFC 4861",
    &[
        TYPE.or(134),
        CODE,
        CHECKSUM,
        Field::bits("hop_limit", 8)
            .also(&["chlim"])
            .about("what hosts should begin with; 0 = the router doesn't say"),
        Field::bits("managed", 1).also(&["M"]).about("addresses by DHCPv6"),
        Field::bits("other", 1).also(&["O"]).about("other settings by DHCPv6"),
        Field::bits("home_agent", 1).also(&["H"]),
        Field::bits("preference", 2).also(&["prf"]).names(&[(0, "medium"), (1, "high"), (3, "low")]),
        Field::bits("proxy", 1).also(&["P"]),
        Field::bits("reserved", 2).also(&["res"]),
        Field::bits("lifetime", 16)
            .also(&["routerlifetime"])
            .or(1800)
            .about("seconds for which it is a default router; 0 = it is none"),
        Field::bits("reachable_time", 32).also(&["reachabletime"]).about("milliseconds"),
        Field::bits("retrans_timer", 32).also(&["retranstimer"]).about("milliseconds"),
        OPTIONS,
    ],
)
.scapy("ICMPv6ND_RA");

/// RFC 4861 4.3.
pub(super) static NEIGHBOUR_SOLICITATION: Kind = Kind::new(
    "nd_ns",
    "neighbour solicitation",
    "RFC 4861",
    &[TYPE.or(135), CODE, CHECKSUM, RESERVED, TARGET, OPTIONS],
)
.scapy("ICMPv6ND_NS");

/// RFC 4861 4.4.
pub(super) static NEIGHBOUR_ADVERTISEMENT: Kind = Kind::new(
    "nd_na",
    "neighbour advertisement",
    "RFC 4861",
    &[
        TYPE.or(136),
        CODE,
        CHECKSUM,
        Field::bits("router", 1).also(&["R"]).about("the sender is a router"),
        Field::bits("solicited", 1).also(&["S"]).about("it answers a solicitation"),
        Field::bits("override", 1).also(&["O"]).or(1).about("it replaces what the cache holds"),
        Field::bits("reserved", 29).also(&["res"]),
        TARGET,
        OPTIONS,
    ],
)
.scapy("ICMPv6ND_NA");

/// RFC 4861 4.5.
pub(super) static REDIRECT: Kind = Kind::new(
    "nd_redirect",
    "ICMPv6 redirect",
    "RFC 4861",
    &[
        TYPE.or(137),
        CODE,
        CHECKSUM,
        RESERVED,
        Field::v6("target").also(&["tgt"]).about("the better next hop"),
        Field::v6("dst").about("for packets to this address"),
        OPTIONS,
    ],
)
.scapy("ICMPv6ND_Redirect");

/// RFC 4861 4.6.
const OPTION: Field = Field::bits("type", 8).about("which option it is");
const LENGTH: Field =
    Field::bits("len", 8).rule(Rule::HeaderLength { unit: 8, less: 0 }).about("of the option, in 8 bytes");
const LIFETIME: Field = Field::bits("lifetime", 32).about("seconds; 0xffffffff = for ever");

/// The options; the last one stands for all others.
pub(super) static OPTION_KINDS: &[Kind] = &[
    Kind::new(
        "source_lladdr",
        "source link-layer address",
        "RFC 4861",
        &[OPTION.or(1), LENGTH, Field::mac("lladdr")],
    )
    .scapy("ICMPv6NDOptSrcLLAddr"),
    Kind::new(
        "target_lladdr",
        "target link-layer address",
        "RFC 4861",
        &[OPTION.or(2), LENGTH, Field::mac("lladdr")],
    )
    .scapy("ICMPv6NDOptDstLLAddr"),
    Kind::new(
        "prefix",
        "prefix information",
        "RFC 4861",
        &[
            OPTION.or(3),
            LENGTH,
            Field::bits("prefix_len", 8).also(&["prefixlen"]).or(64).about("bits of the prefix"),
            Field::bits("on_link", 1).also(&["L"]).or(1).about("addresses with it are on the link"),
            Field::bits("autonomous", 1).also(&["A"]).or(1).about("hosts make addresses with it"),
            Field::bits("router_address", 1).also(&["R"]).about("it is the router's address, too (RFC 6275)"),
            Field::bits("reserved1", 5).also(&["res1"]),
            Field::bits("valid", 32).also(&["validlifetime"]).or(0xffff_ffff).about("seconds"),
            Field::bits("preferred", 32).also(&["preferredlifetime"]).or(0xffff_ffff).about("seconds"),
            Field::bits("reserved2", 32).also(&["res2"]),
            Field::v6("prefix"),
        ],
    )
    .scapy("ICMPv6NDOptPrefixInfo"),
    Kind::new(
        "redirected",
        "redirected header",
        "RFC 4861",
        &[
            OPTION.or(4),
            LENGTH,
            Field::bits("reserved", 48).also(&["res"]),
            Field::bytes("packet")
                .also(&["pkt"])
                .about("the packet that was redirected, cut to whole 8 bytes"),
        ],
    )
    .scapy("ICMPv6NDOptRedirectedHdr"),
    Kind::new(
        "mtu",
        "MTU",
        "RFC 4861",
        &[
            OPTION.or(5),
            LENGTH,
            Field::bits("reserved", 16).also(&["res"]),
            Field::bits("mtu", 32).or(1280).about("of the link, in bytes"),
        ],
    )
    .scapy("ICMPv6NDOptMTU"),
    Kind::new("nonce", "nonce", "RFC 3971", &[OPTION.or(14), LENGTH, Field::bytes("nonce")]),
    Kind::new(
        "rdnss",
        "recursive DNS servers",
        "RFC 8106",
        &[
            OPTION.or(25),
            LENGTH,
            Field::bits("reserved", 16).also(&["res"]),
            LIFETIME,
            Field::list("dns", &Shape::V6).about("the servers' addresses"),
        ],
    )
    .scapy("ICMPv6NDOptRDNSS"),
    Kind::new(
        "dnssl",
        "DNS search list",
        "RFC 8106",
        &[
            OPTION.or(31),
            LENGTH,
            Field::bits("reserved", 16).also(&["res"]),
            LIFETIME,
            Field::bytes("domains").also(&["searchlist"]).about("names as DNS writes them, zeros behind"),
        ],
    )
    .scapy("ICMPv6NDOptDNSSL"),
    Kind::new("nd_option", "another option", "RFC 4861", &[OPTION, LENGTH, Field::bytes("data")])
        .scapy("ICMPv6NDOptUnknown"),
];
