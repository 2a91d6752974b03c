//! What a row of the table of layers says.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::base::Mac;

/// A kind of layer: `ip`, `tcp`. Also an option of a layer (`mss`), or a record in it (`dnsqr`): a small layer of its own.
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
    /// Of options: nothing but padding is behind it (`eol`).
    pub ends: bool,
}

/// A field of a layer.
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
    /// Whether the layer has it at all.
    pub when: When,
}

/// Whether a layer has a field: an earlier field of the same layer tells.
#[derive(Clone, Copy, Debug)]
pub enum When {
    /// It always has it.
    Always,
    /// If that field holds one of these.
    Is(&'static str, &'static [u64]),
    /// If that field holds none of these.
    Not(&'static str, &'static [u64]),
}

impl When {
    /// Whether the layer has the field, if its other fields hold these numbers.
    pub(super) fn holds(self, number: impl Fn(&'static str) -> Option<u64>) -> bool {
        match self {
            Self::Always => true,
            Self::Is(name, values) => number(name).is_some_and(|number| values.contains(&number)),
            Self::Not(name, values) => number(name).is_some_and(|number| !values.contains(&number)),
        }
    }
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
    /// Options or records, one behind the other: layers of these kinds. The first of its fields that is filled with a
    /// number tells which kind it is; the last kind stands for those that no other one knows.
    Layers(&'static [Kind]),
    /// Numbers or addresses of this shape, one behind the other.
    List(&'static Self),
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
    /// Worked out from what is around the field; the word names the rule (rules.rs has one branch for each, build.rs those
    /// that ask where the packet sets out).
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
    /// The number of the layer behind this one (EtherType, protocol, next header, port); this one, if it has none.
    Next(u64),
    /// Our address on the way to the destination.
    Source,
    /// Our station address on that way.
    SourceMac,
    /// The station address of the next hop on that way.
    DestinationMac,
    /// How many items the named field of this layer has. Reading, so many are taken.
    Count(&'static str),
    /// How many bytes the named field of this layer has. Reading, so many are taken.
    LengthOf(&'static str),
    /// Bytes of this layer's own header that stand behind this field. Reading, the layer ends there.
    Rest,
    /// How far the message travels that the layer carries: 255 or 1 where its RFC demands it, else this.
    Reach(u64),
    /// 1 if somebody has set the named field of this layer, else 0.
    Present(&'static str),
}

/// Its name: the rest stands in the table.
impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Its name: the rest stands in the table.
impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Kind {
    /// A row of the table; more is said of it by the methods that follow.
    pub(crate) const fn new(
        name: &'static str,
        title: &'static str,
        source: &'static str,
        fields: &'static [Field],
    ) -> Self {
        Self { name, aliases: &[], scapy: name, title, source, fields, ends: false }
    }

    /// Scapy's name of it, which expressions understand, too.
    pub(crate) const fn scapy(mut self, scapy: &'static str) -> Self {
        self.scapy = scapy;
        self
    }

    /// Other spellings.
    pub(crate) const fn also(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    /// An option that ends the list of options.
    pub(crate) const fn ending(mut self) -> Self {
        self.ends = true;
        self
    }

    /// Is this how people write it?
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || self.scapy == name || self.aliases.contains(&name)
    }

    /// The place of a field, by its name or one of its other spellings.
    pub fn field(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|f| f.name == name || f.aliases.contains(&name))
    }

    /// The fields that values without a name are for, in this order: `mss(1460)`, `timestamp(1, 2)`. Not those that say which
    /// option it is, not what is worked out, and not what is reserved.
    pub fn positional(&self) -> impl Iterator<Item = &'static Field> {
        let first = usize::from(matches!(self.fields.first(), Some(f) if matches!(f.fill, Fill::Number(_))));
        let open = |f: &&Field| !matches!(f.fill, Fill::Rule(_)) && !f.name.starts_with("reserved");
        self.fields.iter().skip(first).filter(open)
    }
}

impl Field {
    const fn new(name: &'static str, shape: Shape, fill: Fill) -> Self {
        Self { name, aliases: &[], shape, fill, about: "", names: &[], when: When::Always }
    }

    /// A number of so many bits; 0 if nobody sets it.
    pub(crate) const fn bits(name: &'static str, bits: u8) -> Self {
        Self::new(name, Shape::Bits(bits), Fill::Number(0))
    }

    /// Single bits with letters or words, from the lowest one up; 0 if nobody sets them.
    pub(crate) const fn flags(name: &'static str, bits: u8, words: &'static [&'static str]) -> Self {
        Self::new(name, Shape::Flags(bits, words), Fill::Number(0))
    }

    /// A station address.
    pub(crate) const fn mac(name: &'static str) -> Self {
        Self::new(name, Shape::Mac, Fill::Mac(Mac::ZERO))
    }

    /// An IPv4 address.
    pub(crate) const fn v4(name: &'static str) -> Self {
        Self::new(name, Shape::V4, Fill::V4(Ipv4Addr::UNSPECIFIED))
    }

    /// An IPv6 address.
    pub(crate) const fn v6(name: &'static str) -> Self {
        Self::new(name, Shape::V6, Fill::V6(Ipv6Addr::UNSPECIFIED))
    }

    /// So many bytes.
    pub(crate) const fn fixed(name: &'static str, bytes: usize) -> Self {
        Self::new(name, Shape::Fixed(bytes), Fill::Empty)
    }

    /// Bytes up to the end of the layer.
    pub(crate) const fn bytes(name: &'static str) -> Self {
        Self::new(name, Shape::Bytes, Fill::Empty)
    }

    /// A domain name.
    pub(crate) const fn domain(name: &'static str) -> Self {
        Self::new(name, Shape::Name, Fill::Empty)
    }

    /// Options or records.
    pub(crate) const fn layers(name: &'static str, kinds: &'static [Kind]) -> Self {
        Self::new(name, Shape::Layers(kinds), Fill::Empty)
    }

    /// Numbers or addresses.
    pub(crate) const fn list(name: &'static str, shape: &'static Shape) -> Self {
        Self::new(name, Shape::List(shape), Fill::Empty)
    }

    /// The number that it holds if nobody sets it.
    pub(crate) const fn or(mut self, number: u64) -> Self {
        self.fill = Fill::Number(number);
        self
    }

    /// What it gets if nobody sets it.
    pub(crate) const fn fill(mut self, fill: Fill) -> Self {
        self.fill = fill;
        self
    }

    /// How it is worked out if nobody sets it.
    pub(crate) const fn rule(mut self, rule: Rule) -> Self {
        self.fill = Fill::Rule(rule);
        self
    }

    /// Other spellings, Scapy's first.
    pub(crate) const fn also(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    /// One line about it.
    pub(crate) const fn about(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }

    /// Values that have a name.
    pub(crate) const fn names(mut self, names: &'static [(u64, &'static str)]) -> Self {
        self.names = names;
        self
    }

    /// Only some layers of this kind have it.
    pub(crate) const fn when(mut self, when: When) -> Self {
        self.when = when;
        self
    }
}
