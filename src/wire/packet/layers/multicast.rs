//! Who listens to which group: IGMP for IPv4 (RFC 1112, 2236, 3376), MLD for IPv6 (RFC 2710, 3810).

use super::icmpv6::{CHECKSUM, CODE, TYPE};
use crate::wire::packet::kind::{Field, Kind, Rule, Shape};

const IGMP_TYPE: Field = Field::bits("type", 8)
    .names(&[(0x11, "query"), (0x12, "v1-report"), (0x16, "v2-report"), (0x17, "leave"), (0x22, "v3-report")])
    .about("which message it is");
const IGMP_CHECKSUM: Field = Field::bits("checksum", 16)
    .also(&["chksum"])
    .rule(Rule::Checksum)
    .about("over the message; no pseudo header");
const RESPONSE_TIME: Field =
    Field::bits("max_resp", 8).also(&["mrcode"]).about("within which to answer, in tenths of a second");
const GROUP: Field = Field::v4("group").also(&["gaddr", "maddr"]).about("0.0.0.0 asks for all groups");

/// RFC 3376 4.1.5 to 4.1.7, RFC 3810 5.1.7 to 5.1.9.
const QUERY_RESERVED: Field = Field::bits("resv", 4).also(&["Resv"]);
const SUPPRESS: Field =
    Field::bits("suppress", 1).also(&["s", "S"]).about("routers leave their timers alone");
const ROBUSTNESS: Field =
    Field::bits("qrv", 3).also(&["QRV"]).or(2).about("the querier's robustness variable");
const INTERVAL: Field =
    Field::bits("qqic", 8).also(&["QQIC"]).or(125).about("the querier's interval, in seconds");
const SOURCE_COUNT: Field =
    Field::bits("source_count", 16).also(&["numsrc", "sources_number"]).rule(Rule::Count("sources"));
const RECORD_TYPE: Field = Field::bits("type", 8).also(&["rtype"]).or(4).names(&[
    (1, "is-include"),
    (2, "is-exclude"),
    (3, "to-include"),
    (4, "to-exclude"),
    (5, "allow"),
    (6, "block"),
]);
const AUX_LEN: Field = Field::bits("aux_len", 8)
    .also(&["auxdlen", "auxdata_len"])
    .about("of auxiliary data, in 4 bytes; nobody has ever sent some");

/// Versions 1 and 2, RFC 1112 and RFC 2236: 8 bytes.
pub(super) static IGMP: Kind =
    Kind::new("igmp", "IGMP", "RFC 2236", &[IGMP_TYPE.or(0x11), RESPONSE_TIME, IGMP_CHECKSUM, GROUP])
        .scapy("IGMP");

/// RFC 3376 4.1.
pub(super) static IGMP_V3_QUERY: Kind = Kind::new(
    "igmpv3_query",
    "IGMPv3 query",
    "RFC 3376",
    &[
        IGMP_TYPE.or(0x11),
        RESPONSE_TIME.or(100),
        IGMP_CHECKSUM,
        GROUP,
        QUERY_RESERVED,
        SUPPRESS,
        ROBUSTNESS,
        INTERVAL,
        SOURCE_COUNT,
        Field::list("sources", &Shape::V4).also(&["srcaddrs"]),
    ],
);

/// RFC 3376 4.2.
pub(super) static IGMP_V3_REPORT: Kind = Kind::new(
    "igmpv3_report",
    "IGMPv3 report",
    "RFC 3376",
    &[
        IGMP_TYPE.or(0x22),
        Field::bits("reserved1", 8),
        IGMP_CHECKSUM,
        Field::bits("reserved2", 16).also(&["res2"]),
        Field::bits("record_count", 16).also(&["numgrp"]).rule(Rule::Count("records")),
        Field::layers(
            "records",
            &[Kind::new(
                "igmp_record",
                "group record",
                "RFC 3376",
                &[
                    RECORD_TYPE,
                    AUX_LEN,
                    SOURCE_COUNT,
                    GROUP,
                    Field::list("sources", &Shape::V4).also(&["srcaddrs"]),
                ],
            )
            .scapy("IGMPv3gr")],
        ),
    ],
);

const DELAY: Field =
    Field::bits("max_resp", 16).also(&["mrd"]).about("within which to answer, in milliseconds");
const RESERVED: Field = Field::bits("reserved", 16);
const GROUP6: Field = Field::v6("group").also(&["mladdr", "dst"]).about(":: asks for all groups");

const fn mld(name: &'static str, title: &'static str, fields: &'static [Field]) -> Kind {
    Kind::new(name, title, "RFC 2710", fields)
}

/// RFC 2710 3, type 130.
pub(super) static MLD_QUERY: Kind =
    mld("mld_query", "MLD query", &[TYPE.or(130), CODE, CHECKSUM, DELAY.or(10_000), RESERVED, GROUP6])
        .scapy("ICMPv6MLQuery");

/// RFC 2710 3, type 131.
pub(super) static MLD_REPORT: Kind =
    mld("mld_report", "MLD report", &[TYPE.or(131), CODE, CHECKSUM, DELAY, RESERVED, GROUP6])
        .scapy("ICMPv6MLReport");

/// RFC 2710 3, type 132.
pub(super) static MLD_DONE: Kind =
    mld("mld_done", "MLD done", &[TYPE.or(132), CODE, CHECKSUM, DELAY, RESERVED, GROUP6])
        .scapy("ICMPv6MLDone");

/// RFC 3810 5.1: as MLDv1's query, and longer.
pub(super) static MLD_V2_QUERY: Kind = Kind::new(
    "mldv2_query",
    "MLDv2 query",
    "RFC 3810",
    &[
        TYPE.or(130),
        CODE,
        CHECKSUM,
        DELAY.or(10_000),
        RESERVED,
        GROUP6,
        QUERY_RESERVED,
        SUPPRESS,
        ROBUSTNESS,
        INTERVAL,
        SOURCE_COUNT,
        Field::list("sources", &Shape::V6),
    ],
)
.scapy("ICMPv6MLQuery2");

/// RFC 3810 5.2.
pub(super) static MLD_V2_REPORT: Kind = Kind::new(
    "mldv2_report",
    "MLDv2 report",
    "RFC 3810",
    &[
        TYPE.or(143),
        CODE.also(&["res"]),
        CHECKSUM,
        RESERVED,
        Field::bits("record_count", 16).also(&["records_number"]).rule(Rule::Count("records")),
        Field::layers(
            "records",
            &[Kind::new(
                "mld_record",
                "address record",
                "RFC 3810",
                &[RECORD_TYPE, AUX_LEN, SOURCE_COUNT, GROUP6, Field::list("sources", &Shape::V6)],
            )
            .scapy("ICMPv6MLDMultAddrRec")],
        ),
    ],
)
.scapy("ICMPv6MLReport2");
