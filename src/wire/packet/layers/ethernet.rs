//! Ethernet with its tags, LLC and SNAP, ARP.

use super::names::ETHERTYPES;
use crate::base::Mac;
use crate::wire::packet::kind::{Field, Fill, Kind, Rule};

const DST: Field = Field::mac("dst").rule(Rule::DestinationMac).about("station that the frame is for");
const SRC: Field = Field::mac("src").rule(Rule::SourceMac).about("station that sends the frame");
const TYPE: Field = Field::bits("type", 16)
    .rule(Rule::Next(0x9000))
    .also(&["ethertype"])
    .names(ETHERTYPES)
    .about("what is behind it");

pub(crate) static ETHER: Kind = Kind::new("ether", "Ethernet", "IEEE 802.3 3.2.6", &[DST, SRC, TYPE])
    .scapy("Ether")
    .also(&["eth", "ethernet"]);

/// The frame whose type field is a length: 1500 or less.
pub(crate) static DOT3: Kind = Kind::new(
    "dot3",
    "802.3",
    "IEEE 802.3 3.2.6",
    &[
        DST,
        SRC,
        Field::bits("len", 16).rule(Rule::Length { unit: 1, less: 14 }).about("bytes behind the header"),
    ],
)
.scapy("Dot3");

/// A VLAN tag. Two of them, one behind the other, are QinQ: the outer one has EtherType 0x88a8.
pub(crate) static DOT1Q: Kind = Kind::new(
    "dot1q",
    "802.1Q",
    "IEEE 802.1Q 9.6",
    &[
        Field::bits("prio", 3).also(&["pcp"]).about("priority"),
        Field::bits("dei", 1).also(&["id"]).about("may be dropped first"),
        Field::bits("vlan", 12).also(&["vid"]).or(1).about("number of the virtual LAN"),
        TYPE,
    ],
)
.scapy("Dot1Q")
.also(&["vlan", "Dot1AD"]);

pub(crate) static LLC: Kind = Kind::new(
    "llc",
    "LLC",
    "IEEE 802.2 3",
    &[
        Field::bits("dsap", 8).rule(Rule::Next(0)).about("service access point of the receiver"),
        Field::bits("ssap", 8).rule(Rule::Next(0)).about("service access point of the sender"),
        Field::bits("ctrl", 8)
            .or(3)
            .also(&["control"])
            .names(&[(3, "ui")])
            .about("3 = unnumbered information"),
    ],
)
.scapy("LLC");

pub(crate) static SNAP: Kind = Kind::new(
    "snap",
    "SNAP",
    "IEEE 802 9.2",
    &[
        Field::bits("oui", 24).also(&["OUI"]).about("who defines `type`; 0 = it is an EtherType"),
        Field::bits("type", 16)
            .rule(Rule::Next(0))
            .also(&["code"])
            .names(ETHERTYPES)
            .about("what is behind it"),
    ],
)
.scapy("SNAP");

pub(crate) static ARP: Kind = Kind::new(
    "arp",
    "ARP",
    "RFC 826",
    &[
        Field::bits("hwtype", 16)
            .or(1)
            .also(&["hrd"])
            .names(&[(1, "ether")])
            .about("kind of station address"),
        Field::bits("ptype", 16)
            .or(0x0800)
            .also(&["pro"])
            .names(ETHERTYPES)
            .about("kind of protocol address"),
        Field::bits("hwlen", 8).or(6).also(&["hln"]).about("bytes of a station address"),
        Field::bits("plen", 8).or(4).also(&["pln"]).about("bytes of a protocol address"),
        Field::bits("op", 16)
            .or(1)
            .also(&["opcode"])
            .names(&[
                (1, "who-has"),
                (2, "is-at"),
                (3, "rarp-request"),
                (4, "rarp-reply"),
                (8, "inarp-request"),
                (9, "inarp-reply"),
            ])
            .about("question or answer"),
        Field::mac("sha").rule(Rule::SourceMac).also(&["hwsrc"]).about("station address of the sender"),
        Field::v4("spa").rule(Rule::Source).also(&["psrc"]).about("protocol address of the sender"),
        Field::mac("tha").fill(Fill::Mac(Mac::ZERO)).also(&["hwdst"]).about("station address of the target"),
        Field::v4("tpa").also(&["pdst"]).about("protocol address of the target"),
    ],
)
.scapy("ARP");
