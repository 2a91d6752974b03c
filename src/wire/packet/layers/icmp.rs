//! ICMP. Behind type, code and checksum its fields are those of its type.

use crate::wire::packet::kind::{Field, Kind, Rule, When};

const ECHO: u64 = 8;
const ECHO_REPLY: u64 = 0;
const UNREACHABLE: u64 = 3;
const REDIRECT: u64 = 5;
const ROUTER: u64 = 9;
const TIME_EXCEEDED: u64 = 11;
const PARAMETER: u64 = 12;

/// Types that quote the packet that they are about.
pub(super) const ERRORS: &[u64] = &[UNREACHABLE, 4, REDIRECT, TIME_EXCEEDED, PARAMETER];
/// Types that have a number and a sequence number: echo, timestamp, information, address mask.
const NUMBERED: &[u64] = &[ECHO_REPLY, ECHO, 13, 14, 15, 16, 17, 18];
const TIMESTAMP: &[u64] = &[13, 14];
const MASK: &[u64] = &[17, 18];
/// Types whose second word is spoken for.
const KNOWN: &[u64] =
    &[0, UNREACHABLE, REDIRECT, ECHO, ROUTER, TIME_EXCEEDED, PARAMETER, 13, 14, 15, 16, 17, 18];

pub(crate) static ICMP: Kind = Kind::new(
    "icmp",
    "ICMP",
    "RFC 792",
    &[
        Field::bits("type", 8)
            .or(ECHO)
            .names(&[
                (0, "echo-reply"),
                (3, "unreachable"),
                (4, "source-quench"),
                (5, "redirect"),
                (8, "echo-request"),
                (9, "router-advertisement"),
                (10, "router-solicitation"),
                (11, "time-exceeded"),
                (12, "parameter-problem"),
                (13, "timestamp-request"),
                (14, "timestamp-reply"),
                (15, "information-request"),
                (16, "information-reply"),
                (17, "address-mask-request"),
                (18, "address-mask-reply"),
                // Scapy's words, where they are others.
                (3, "dest-unreach"),
                (16, "information-response"),
            ])
            .about("what it is about"),
        Field::bits("code", 8).about("the case of it"),
        Field::bits("checksum", 16).rule(Rule::Checksum).also(&["chksum"]).about("over header and data"),
        // RFC 792: echo, timestamp, information request; RFC 950 Appendix I: address mask.
        Field::bits("id", 16).when(When::Is("type", NUMBERED)).about("whose question it is"),
        Field::bits("seq", 16).when(When::Is("type", NUMBERED)).about("which question it is"),
        Field::bits("originate", 32)
            .also(&["ts_ori"])
            .when(When::Is("type", TIMESTAMP))
            .about("sent, in milliseconds since midnight UT"),
        Field::bits("receive", 32)
            .also(&["ts_rx"])
            .when(When::Is("type", TIMESTAMP))
            .about("received, in milliseconds since midnight UT"),
        Field::bits("transmit", 32)
            .also(&["ts_tx"])
            .when(When::Is("type", TIMESTAMP))
            .about("answered, in milliseconds since midnight UT"),
        Field::v4("mask").also(&["addr_mask"]).when(When::Is("type", MASK)).about("of the subnet"),
        // RFC 792: redirect.
        Field::v4("gateway").also(&["gw"]).when(When::Is("type", &[REDIRECT])).about("the better first hop"),
        // RFC 1256 3.
        Field::bits("count", 8)
            .rule(Rule::Count("routers"))
            .when(When::Is("type", &[ROUTER]))
            .about("how many routers"),
        Field::bits("size", 8).or(2).when(When::Is("type", &[ROUTER])).about("words of an entry"),
        Field::bits("lifetime", 16).or(1800).when(When::Is("type", &[ROUTER])).about("seconds that it holds"),
        Field::layers("routers", ADVERTISED).when(When::Is("type", &[ROUTER])).about("who they are"),
        // RFC 792: parameter problem.
        Field::bits("pointer", 8)
            .also(&["ptr"])
            .when(When::Is("type", &[PARAMETER]))
            .about("the byte of the quoted packet that is wrong"),
        Field::bits("unused", 8).also(&["reserved"]).when(When::Is("type", &[UNREACHABLE, TIME_EXCEEDED])),
        // RFC 4884 4.
        Field::bits("length", 8)
            .when(When::Is("type", &[UNREACHABLE, TIME_EXCEEDED, PARAMETER]))
            .about("words of the quoted packet, if extensions are behind it"),
        // RFC 1191 4.
        Field::bits("mtu", 16)
            .also(&["nexthopmtu"])
            .when(When::Is("type", &[UNREACHABLE]))
            .about("of the next hop, if the code is 4 (fragmentation needed)"),
        Field::bits("unused2", 16).when(When::Is("type", &[TIME_EXCEEDED, PARAMETER])),
        Field::bits("rest", 32).when(When::Not("type", KNOWN)).about("the second word"),
    ],
)
.scapy("ICMP")
.also(&["ICMPerror"]);

static ADVERTISED: &[Kind] = &[Kind::new(
    "router",
    "Router",
    "RFC 1256 3",
    &[
        Field::v4("addr").about("its address"),
        Field::bits("preference", 32).about("higher = better, two's complement"),
    ],
)];
