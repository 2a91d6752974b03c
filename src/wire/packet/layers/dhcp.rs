//! DHCP (RFC 2131): BOOTP's header, and behind it the options with their names (RFC 2132).

use crate::wire::packet::kind::{Field, Kind, Rule, Shape};

/// RFC 951 3, RFC 2131 2: 236 bytes.
pub(super) static BOOTP: Kind = Kind::new(
    "bootp",
    "BOOTP",
    "RFC 2131",
    &[
        Field::bits("op", 8).or(1).names(&[(1, "request"), (2, "reply")]),
        Field::bits("htype", 8).or(1).names(&[(1, "ethernet")]).about("hardware type"),
        Field::bits("hlen", 8).or(6).about("bytes of a hardware address"),
        Field::bits("hops", 8).about("relays passed"),
        Field::bits("xid", 32).about("pairs an answer with its question"),
        Field::bits("secs", 16).about("seconds since the client began"),
        Field::flags("flags", 16, &["", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "B"])
            .about("B: answer by broadcast"),
        Field::v4("ciaddr").about("the client's address, if it has one"),
        Field::v4("yiaddr").about("\"your\" address: what the server gives"),
        Field::v4("siaddr").about("the next server"),
        Field::v4("giaddr").about("the relay"),
        Field::fixed("chaddr", 16).about("the client's hardware address, zeros behind it"),
        Field::fixed("sname", 64).about("the server's name"),
        Field::fixed("file", 128).about("a file to start from"),
    ],
)
.scapy("BOOTP");

/// RFC 2131 3: the cookie that tells DHCP from BOOTP, and the options.
pub(super) static DHCP: Kind = Kind::new(
    "dhcp",
    "DHCP",
    "RFC 2132",
    &[
        Field::bits("cookie", 32).or(COOKIE as u64).about("99.130.83.99: options follow"),
        Field::layers("options", OPTIONS),
    ],
)
.scapy("DHCP");

/// RFC 1497: "The value of the magic cookie is the 4 octet dotted decimal 99.130.83.99".
pub(super) const COOKIE: u32 = 0x6382_5363;

const CODE: Field = Field::bits("code", 8).about("which option it is");
const LENGTH: Field = Field::bits("len", 8).rule(Rule::Rest).about("bytes that follow");
const ADDRESS: Field = Field::v4("address");
const ADDRESSES: Field = Field::list("addresses", &Shape::V4);
const SECONDS: Field = Field::bits("seconds", 32);
const TEXT: Field = Field::bytes("text");

/// An option that begins with this code.
macro_rules! option {
    ($name:literal, $title:literal, $code:literal, $value:expr) => {
        Kind::new($name, $title, "RFC 2132", &[CODE.or($code), LENGTH, $value])
    };
}

/// The options; the last one stands for all others.
static OPTIONS: &[Kind] = &[
    Kind::new("pad", "padding", "RFC 2132", &[CODE.or(0)]),
    option!("subnet_mask", "subnet mask", 1, ADDRESS),
    option!("router", "routers", 3, ADDRESSES),
    option!("dns_server", "name servers", 6, ADDRESSES).also(&["name_server", "dns"]),
    option!("hostname", "host name", 12, TEXT),
    option!("domain", "domain name", 15, TEXT),
    option!("interface_mtu", "MTU", 26, Field::bits("mtu", 16)).also(&["interface-mtu"]),
    option!("broadcast_address", "broadcast address", 28, ADDRESS),
    option!("ntp_server", "time servers", 42, ADDRESSES).also(&["NTP_server"]),
    option!("requested_address", "requested address", 50, ADDRESS).also(&["requested_addr"]),
    option!("lease_time", "lease time", 51, SECONDS),
    option!(
        "message_type",
        "message type",
        53,
        Field::bits("type", 8).or(1).names(&[
            (1, "discover"),
            (2, "offer"),
            (3, "request"),
            (4, "decline"),
            (5, "ack"),
            (6, "nak"),
            (7, "release"),
            (8, "inform"),
        ])
    )
    .also(&["message-type"]),
    option!("server_id", "server identifier", 54, ADDRESS),
    option!("parameters", "parameter request list", 55, Field::list("codes", &Shape::Bits(8)))
        .also(&["param_req_list"]),
    option!("message", "message", 56, TEXT).also(&["error_message"]),
    option!("max_size", "maximum message size", 57, Field::bits("bytes", 16)).also(&["max_dhcp_size"]),
    option!("renewal_time", "renewal time", 58, SECONDS),
    option!("rebinding_time", "rebinding time", 59, SECONDS),
    option!("vendor_class", "vendor class", 60, TEXT).also(&["vendor_class_id"]),
    option!(
        "client_id",
        "client identifier",
        61,
        Field::bytes("id").about("a hardware type, and an address")
    ),
    Kind::new(
        "end",
        "end",
        "RFC 2132",
        &[CODE.or(255), Field::bytes("padding").about("what stands behind the end")],
    ),
    Kind::new("dhcp_option", "another option", "RFC 2132", &[CODE, LENGTH, Field::bytes("data")]),
];
