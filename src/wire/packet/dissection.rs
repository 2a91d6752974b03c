//! Bytes, and the meaning of each field in them.

use std::net::IpAddr;
use std::ops::Range;

use super::kind::{Field, Kind};
use super::layer::Value;
use super::layers::{IP, IPV6, PAYLOAD};
use crate::base::LinkType;

/// A packet's bytes with every field in them: what [`Dissection::of`] reads, and what [`super::Packet::build`] has written.
#[derive(Clone, Debug)]
pub struct Dissection {
    /// What the bytes begin with.
    pub link: LinkType,
    /// The packet.
    pub bytes: Vec<u8>,
    /// Its layers, the outermost first; what is behind the last one that could be read is a layer `payload`.
    pub sections: Vec<Section>,
}

/// A layer in the bytes.
#[derive(Clone, Debug)]
pub struct Section {
    /// What it is.
    pub kind: &'static Kind,
    /// Its own bytes, without the layers behind it.
    pub range: Range<usize>,
    /// In the order of their bits. A field that lies beyond the end of the bytes is missing.
    pub fields: Vec<Seen>,
    /// What is wrong with the layer as a whole: `the bytes end within the header`.
    pub note: Option<String>,
}

/// A field in the bytes.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Which one.
    pub field: &'static Field,
    /// Its bits, counted from the first byte of the packet.
    pub bits: Range<usize>,
    /// What it holds.
    pub value: Value,
    /// Of options and records: each of them, taken apart.
    pub inner: Vec<Section>,
    /// Where the value comes from.
    pub origin: Origin,
    /// Is it right?
    pub verdict: Verdict,
}

/// Where a field's value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was read from a packet.
    Read,
    /// A person has set it.
    Set,
    /// It was filled in, as the table of layers says.
    Filled,
}

/// What can be said about a field's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing: any value is fine.
    Free,
    /// A checksum or a length that is right.
    Right,
    /// A checksum or a length that should be this.
    Wrong(u64),
    /// It can't be told: not all bytes are there (a fragment, a capture cut short).
    Unknown(&'static str),
}

impl Dissection {
    /// The outermost layer of this name, `tcp` or one of its other spellings.
    ///
    /// ```
    /// use sockatoo::base::LinkType;
    /// use sockatoo::wire::packet::{Dissection, Nowhere, ipv4, udp};
    /// let bytes = (ipv4() / udp().dport(53) / "who?").build(&Nowhere)?.bytes;
    /// let packet = Dissection::of(LinkType::Ip, &bytes);
    /// assert_eq!(packet.layer("udp").and_then(|udp| udp.number("dport")), Some(53));
    /// assert!(packet.layer("tcp").is_none());
    /// assert_eq!(packet.payload(), b"who?");
    /// # Ok::<(), sockatoo::Error>(())
    /// ```
    pub fn layer(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.kind.is_called(name))
    }

    /// Does it begin with the header that its link begins with? What was built may begin with any layer.
    #[cfg(feature = "cli")]
    pub(crate) fn is_whole(&self) -> bool {
        let begins = self.sections.first().map_or(&PAYLOAD, |section| section.kind);
        std::ptr::eq(begins, super::layers::first(self.link, &self.bytes))
    }

    /// The data that the layers carry: what is behind the last one that could be read, without padding.
    pub fn payload(&self) -> &[u8] {
        let data = self.sections.iter().find(|section| std::ptr::eq(section.kind, &PAYLOAD));
        data.and_then(|section| self.bytes.get(section.range.clone())).unwrap_or_default()
    }
}

impl Seen {
    /// Its bytes; of a field that does not fill them, those that it touches.
    pub const fn range(&self) -> Range<usize> {
        self.bits.start / 8..self.bits.end.div_ceil(8)
    }
}

impl Section {
    /// A field, by its name.
    pub fn seen(&self, name: &str) -> Option<&Seen> {
        self.fields.iter().find(|seen| seen.field.name == name)
    }

    /// The first of its options (or records) of this name: `dhcp.option("server_id")`.
    pub fn option(&self, name: &str) -> Option<&Self> {
        self.fields.iter().flat_map(|seen| &seen.inner).find(|option| option.kind.is_called(name))
    }

    /// What a field that is a number holds.
    pub fn number(&self, name: &str) -> Option<u64> {
        match self.seen(name)?.value {
            Value::Number(number) => Some(number),
            _ => None,
        }
    }

    /// What a field that is an IP address holds.
    pub fn address(&self, name: &str) -> Option<IpAddr> {
        match self.seen(name)?.value {
            Value::V4(address) => Some(address.into()),
            Value::V6(address) => Some(address.into()),
            _ => None,
        }
    }

    /// Of an IP layer: where the packet is to go.
    pub(super) fn destination(&self) -> Option<IpAddr> {
        (std::ptr::eq(self.kind, &IP) || std::ptr::eq(self.kind, &IPV6)).then(|| self.address("dst"))?
    }

    /// A place that is soon to be filled.
    pub(super) const fn empty() -> Self {
        Self { kind: &PAYLOAD, range: 0..0, fields: Vec::new(), note: None }
    }

    /// Has a layer with these fields this one, too?
    pub(super) fn has(&self, field: &Field) -> bool {
        field.when.holds(|name| self.number(name))
    }
}
