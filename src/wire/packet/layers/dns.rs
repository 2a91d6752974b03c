//! DNS (RFC 1035): header, questions and records. Names are written in full; compressed ones are read.

use crate::wire::packet::kind::{Field, Kind, Rule};

/// IANA's "resource record types", those that one meets.
const TYPES: &[(u64, &str)] = &[
    (1, "A"),
    (2, "NS"),
    (5, "CNAME"),
    (6, "SOA"),
    (12, "PTR"),
    (15, "MX"),
    (16, "TXT"),
    (28, "AAAA"),
    (33, "SRV"),
    (41, "OPT"),
    (43, "DS"),
    (46, "RRSIG"),
    (48, "DNSKEY"),
    (64, "SVCB"),
    (65, "HTTPS"),
    (252, "AXFR"),
    (255, "ANY"),
];
const CLASSES: &[(u64, &str)] = &[(1, "IN"), (3, "CH"), (254, "NONE"), (255, "ANY")];

const fn count(name: &'static str, of: &'static str) -> Field {
    Field::bits(name, 16).rule(Rule::Count(of))
}

/// RFC 1035 4.1, with the bits of RFC 4035 3.1.6 and 3.2.2.
pub(super) static DNS: Kind = Kind::new(
    "dns",
    "DNS",
    "RFC 1035",
    &[
        Field::bits("id", 16).about("pairs an answer with its question"),
        Field::bits("qr", 1).names(&[(0, "query"), (1, "response")]),
        Field::bits("opcode", 4).names(&[(0, "query"), (2, "status"), (4, "notify"), (5, "update")]),
        Field::bits("aa", 1).about("the answer comes from who is responsible for the name"),
        Field::bits("tc", 1).about("truncated: ask again over TCP"),
        Field::bits("rd", 1).or(1).about("recursion desired: ask others if you don't know"),
        Field::bits("ra", 1).about("recursion available"),
        Field::bits("z", 1),
        Field::bits("ad", 1).about("the data are authentic (DNSSEC)"),
        Field::bits("cd", 1).about("checking disabled (DNSSEC)"),
        Field::bits("rcode", 4).names(&[
            (0, "ok"),
            (1, "format-error"),
            (2, "server-failure"),
            (3, "name-error"),
            (4, "not-implemented"),
            (5, "refused"),
        ]),
        count("qdcount", "qd"),
        count("ancount", "an"),
        count("nscount", "ns"),
        count("arcount", "ar"),
        Field::layers("qd", QUESTIONS).about("questions"),
        Field::layers("an", RECORDS).about("answers"),
        Field::layers("ns", RECORDS).about("who is responsible"),
        Field::layers("ar", RECORDS).about("additional records"),
    ],
)
.scapy("DNS");

/// RFC 1035 4.1.2.
static QUESTIONS: &[Kind] = &[Kind::new(
    "dnsqr",
    "question",
    "RFC 1035",
    &[
        Field::domain("qname").also(&["name"]),
        Field::bits("qtype", 16).also(&["type"]).or(1).names(TYPES),
        Field::bits("qclass", 16).also(&["class"]).or(1).names(CLASSES),
    ],
)
.scapy("DNSQR")];

/// RFC 1035 4.1.3: what every record begins with.
const NAME: Field = Field::domain("name").also(&["rrname"]).about("whom it is about");
const TYPE: Field = Field::bits("type", 16).names(TYPES);
const CLASS: Field = Field::bits("class", 16).also(&["rclass"]).or(1).names(CLASSES);
const TTL: Field = Field::bits("ttl", 32).about("seconds for which it may be kept");
const LENGTH: Field = Field::bits("len", 16).also(&["rdlen"]).rule(Rule::Rest).about("of the data, in bytes");

/// The records; the last one stands for all others.
static RECORDS: &[Kind] = &[
    Kind::new(
        "a",
        "address",
        "RFC 1035",
        &[NAME, TYPE.or(1), CLASS, TTL, LENGTH, Field::v4("address").also(&["rdata"])],
    )
    .scapy("DNSRR"),
    Kind::new(
        "ns",
        "name server",
        "RFC 1035",
        &[NAME, TYPE.or(2), CLASS, TTL, LENGTH, Field::domain("server").also(&["rdata"])],
    ),
    Kind::new(
        "cname",
        "alias",
        "RFC 1035",
        &[
            NAME,
            TYPE.or(5),
            CLASS,
            TTL,
            LENGTH,
            Field::domain("target").also(&["rdata"]).about("the true name"),
        ],
    ),
    Kind::new(
        "soa",
        "start of authority",
        "RFC 1035",
        &[
            NAME,
            TYPE.or(6),
            CLASS,
            TTL,
            LENGTH,
            Field::domain("mname").about("the first server of the zone"),
            Field::domain("rname").about("whom to write to, the first dot an @"),
            Field::bits("serial", 32),
            Field::bits("refresh", 32).about("seconds"),
            Field::bits("retry", 32).about("seconds"),
            Field::bits("expire", 32).about("seconds"),
            Field::bits("minimum", 32).about("seconds for which \"there is no such name\" may be kept"),
        ],
    )
    .scapy("DNSRRSOA"),
    Kind::new(
        "ptr",
        "pointer",
        "RFC 1035",
        &[
            NAME,
            TYPE.or(12),
            CLASS,
            TTL,
            LENGTH,
            Field::domain("target").also(&["rdata"]).about("the name of an address"),
        ],
    ),
    Kind::new(
        "mx",
        "mail exchange",
        "RFC 1035",
        &[
            NAME,
            TYPE.or(15),
            CLASS,
            TTL,
            LENGTH,
            Field::bits("preference", 16).about("the lowest first"),
            Field::domain("exchange"),
        ],
    )
    .scapy("DNSRRMX"),
    Kind::new(
        "txt",
        "text",
        "RFC 1035",
        &[NAME, TYPE.or(16), CLASS, TTL, LENGTH, Field::layers("texts", STRINGS).also(&["rdata"])],
    ),
    Kind::new(
        "aaaa",
        "IPv6 address",
        "RFC 3596",
        &[NAME, TYPE.or(28), CLASS, TTL, LENGTH, Field::v6("address").also(&["rdata"])],
    ),
    Kind::new(
        "srv",
        "service",
        "RFC 2782",
        &[
            NAME,
            TYPE.or(33),
            CLASS,
            TTL,
            LENGTH,
            Field::bits("priority", 16).about("the lowest first"),
            Field::bits("weight", 16).about("the share among equals"),
            Field::bits("port", 16),
            Field::domain("target"),
        ],
    )
    .scapy("DNSRRSRV"),
    Kind::new(
        "opt",
        "extension",
        "RFC 6891",
        &[
            NAME,
            TYPE.or(41),
            Field::bits("size", 16).also(&["rclass"]).or(1232).about("bytes of UDP that the sender can take"),
            Field::bits("extended_rcode", 8).also(&["extrcode"]).about("the upper bits of the response code"),
            Field::bits("version", 8),
            Field::bits("do", 1).about("DNSSEC wanted"),
            Field::bits("z", 15),
            LENGTH,
            Field::layers("options", OPTIONS).also(&["rdata"]),
        ],
    )
    .scapy("DNSRROPT"),
    Kind::new(
        "dnsrr",
        "record",
        "RFC 1035",
        &[NAME, TYPE, CLASS, TTL, LENGTH, Field::bytes("data").also(&["rdata"])],
    ),
];

/// RFC 1035 3.3: a `<character-string>`.
static STRINGS: &[Kind] = &[Kind::new(
    "text",
    "text",
    "RFC 1035",
    &[Field::bits("len", 8).rule(Rule::Rest), Field::bytes("text").about("at most 255 bytes")],
)];

/// RFC 6891 6.1.2.
static OPTIONS: &[Kind] = &[Kind::new(
    "edns_option",
    "option",
    "RFC 6891",
    &[
        Field::bits("code", 16).names(&[(3, "nsid"), (8, "client-subnet"), (10, "cookie"), (12, "padding")]),
        Field::bits("len", 16).rule(Rule::Rest),
        Field::bytes("data"),
    ],
)];
