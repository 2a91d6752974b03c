//! ICMPv6: echo and errors (RFC 4443). Each message is a layer of its own; behind an error stands the packet that it is about.

use crate::wire::packet::kind::{Field, Kind, Rule};

/// IANA's "ICMPv6 type numbers".
pub(super) const TYPES: &[(u64, &str)] = &[
    (1, "unreachable"),
    (2, "too-big"),
    (3, "time-exceeded"),
    (4, "parameter-problem"),
    (128, "echo-request"),
    (129, "echo-reply"),
    (130, "mld-query"),
    (131, "mld-report"),
    (132, "mld-done"),
    (133, "router-solicitation"),
    (134, "router-advertisement"),
    (135, "neighbour-solicitation"),
    (136, "neighbour-advertisement"),
    (137, "redirect"),
    (143, "mldv2-report"),
];

/// What every message begins with, RFC 4443 2.1.
pub(super) const TYPE: Field = Field::bits("type", 8).names(TYPES).about("which message it is");
pub(super) const CODE: Field = Field::bits("code", 8).about("the case, within the type");
pub(super) const CHECKSUM: Field = Field::bits("checksum", 16)
    .also(&["cksum", "chksum"])
    .rule(Rule::TransportChecksum)
    .about("over the message, with IPv6's pseudo header");

const IDENTIFIER: Field = Field::bits("id", 16).about("tells the sender's programs apart");
const SEQUENCE: Field = Field::bits("seq", 16).about("counts requests");
const DATA: Field = Field::bytes("data").about("comes back as it was sent");
/// RFC 4884 4.2: how much of the packet is quoted, if extensions follow; in 8 bytes.
const LENGTH: Field =
    Field::bits("length", 8).about("of the quoted packet, in 8 bytes, if extensions follow it (RFC 4884)");
const UNUSED: Field = Field::bits("unused", 24);

const UNREACHABLE_CODES: &[(u64, &str)] = &[
    (0, "no-route"),
    (1, "prohibited"),
    (2, "beyond-scope"),
    (3, "address"),
    (4, "port"),
    (5, "source-policy"),
    (6, "reject-route"),
];
const TIME_CODES: &[(u64, &str)] = &[(0, "hop-limit"), (1, "reassembly")];
const PARAMETER_CODES: &[(u64, &str)] = &[(0, "header-field"), (1, "next-header"), (2, "option")];

/// RFC 4443 4.1.
pub(super) static ECHO_REQUEST: Kind = Kind::new(
    "icmpv6_echo_request",
    "ICMPv6 echo request",
    "RFC 4443",
    &[TYPE.or(128), CODE, CHECKSUM, IDENTIFIER, SEQUENCE, DATA],
)
.scapy("ICMPv6EchoRequest");

/// RFC 4443 4.2.
pub(super) static ECHO_REPLY: Kind = Kind::new(
    "icmpv6_echo_reply",
    "ICMPv6 echo reply",
    "RFC 4443",
    &[TYPE.or(129), CODE, CHECKSUM, IDENTIFIER, SEQUENCE, DATA],
)
.scapy("ICMPv6EchoReply");

/// RFC 4443 3.1.
pub(super) static UNREACHABLE: Kind = Kind::new(
    "icmpv6_unreachable",
    "ICMPv6 destination unreachable",
    "RFC 4443",
    &[TYPE.or(1), CODE.names(UNREACHABLE_CODES), CHECKSUM, LENGTH, UNUSED],
)
.scapy("ICMPv6DestUnreach");

/// RFC 4443 3.2.
pub(super) static TOO_BIG: Kind = Kind::new(
    "icmpv6_too_big",
    "ICMPv6 packet too big",
    "RFC 4443",
    &[TYPE.or(2), CODE, CHECKSUM, Field::bits("mtu", 32).or(1280).about("of the next link, in bytes")],
)
.scapy("ICMPv6PacketTooBig");

/// RFC 4443 3.3.
pub(super) static TIME_EXCEEDED: Kind = Kind::new(
    "icmpv6_time_exceeded",
    "ICMPv6 time exceeded",
    "RFC 4443",
    &[TYPE.or(3), CODE.names(TIME_CODES), CHECKSUM, LENGTH, UNUSED],
)
.scapy("ICMPv6TimeExceeded");

/// RFC 4443 3.4.
pub(super) static PARAMETER_PROBLEM: Kind = Kind::new(
    "icmpv6_parameter_problem",
    "ICMPv6 parameter problem",
    "RFC 4443",
    &[
        TYPE.or(4),
        CODE.names(PARAMETER_CODES),
        CHECKSUM,
        Field::bits("pointer", 32)
            .also(&["ptr"])
            .about("the byte in the quoted packet that is wrong, from 0"),
    ],
)
.scapy("ICMPv6ParamProblem");

/// Any other message.
pub(super) static OTHER: Kind = Kind::new(
    "icmpv6",
    "ICMPv6",
    "RFC 4443",
    &[TYPE, CODE, CHECKSUM, Field::bytes("body").also(&["msgbody"]).about("whatever the type says")],
)
.scapy("ICMPv6Unknown");
