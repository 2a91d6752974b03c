//! What a row of the table of layers says.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::base::Mac;

/// A kind of layer: `ip`, `tcp`. Also an option of a layer (`mss`), or a record in it (`dnsqr`): a small layer of its own.
#[derive(Debug)]
pub struct Kind {
    /// As expressions write it: `ip`.
    pub name: &'static str,
    /// Other spellings that are understood: Scapy's `IP`, and `ipv4`.
    pub aliases: &'static [&'static str],
    /// Scapy's name of it, for programs that are written for Scapy: `IP`.
    pub scapy: &'static str,
    /// As people write it: `IPv4`.
    pub title: &'static str,
    /// Where it is defined: `RFC 791`.
    pub source: &'static str,
    /// In the order of their bits.
    pub fields: &'static [Field],
}

/// A field of a layer.
#[derive(Debug)]
pub struct Field {
    /// As expressions write it: `ttl`.
    pub name: &'static str,
    /// Other spellings that are understood, Scapy's first: `chksum` of `checksum`.
    pub aliases: &'static [&'static str],
    /// What it holds.
    pub shape: Shape,
    /// What it gets if nobody sets it.
    pub fill: Fill,
    /// One line about it.
    pub about: &'static str,
    /// Values that have a name: `(6, "tcp")`.
    pub names: &'static [(u64, &'static str)],
}

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// An unsigned number of so many bits (1..=64), most significant first.
    Bits(u8),
    /// The same, each bit with a letter or a word, from the lowest bit up: `["F", "S", "R", ...]`.
    Flags(u8, &'static [&'static str]),
    /// An Ethernet address.
    Mac,
    /// An IPv4 address.
    V4,
    /// An IPv6 address.
    V6,
    /// So many bytes, zeros behind what is shorter.
    Fixed(usize),
    /// Bytes up to the end of the layer.
    Bytes,
    /// A domain name (RFC 1035 3.1).
    Name,
    /// Options or records, one behind the other: layers of these kinds.
    Layers(&'static [Kind]),
}

/// What a field gets that nobody sets, and where that comes from.
#[derive(Clone, Copy, Debug)]
pub enum Fill {
    /// Always the same number.
    Number(u64),
    /// Always the same address.
    Mac(Mac),
    /// Always the same address.
    V4(Ipv4Addr),
    /// Always the same address.
    V6(Ipv6Addr),
    /// No bytes, no options.
    Empty,
    /// Always the same bytes.
    Bytes(&'static [u8]),
    /// Worked out from what is around the field; the word names the rule (build.rs has one branch for each).
    Rule(Rule),
}

/// How a field is worked out from what is around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rule {
    /// Bytes of this layer and all behind it, in units of so many bytes, minus so many units.
    Length {
        /// Bytes of one unit.
        unit: u8,
        /// Units that are not counted.
        less: u8,
    },
    /// Bytes of this layer's own header, in units of so many bytes, minus so many units.
    HeaderLength {
        /// Bytes of one unit.
        unit: u8,
        /// Units that are not counted.
        less: u8,
    },
    /// RFC 1071 over this layer's header.
    HeaderChecksum,
    /// RFC 1071 over this layer and all behind it.
    Checksum,
    /// The same with the pseudo header of the IP layer in front.
    TransportChecksum,
    /// The number of the layer behind this one (EtherType, protocol, next header).
    Next,
    /// Our address on the way to the destination.
    Source,
    /// The destination, where nobody names one.
    Destination,
    /// Our station address on that way.
    SourceMac,
    /// The station address of the next hop on that way.
    DestinationMac,
    /// How many items the named field of this layer has.
    Count(&'static str),
}
