//! What a rule gives in a packet: building writes it, taking apart compares with it. One branch for each [`Rule`].

use std::net::IpAddr;
use std::ops::Range;

use super::dissection::{Dissection, Section, Seen};
use super::kind::Rule;
use super::layer::Value;
use super::layers::{self, DOT1Q, IP, IPV6, PADDING, ROUTING, UDP};
use crate::wire::checksum::{checksum, transport_checksum};

/// A packet, and where each of its layers ends, what is behind it included: where its lengths say (padding is behind that).
#[derive(Clone, Copy, Debug)]
pub(super) struct Whole<'a> {
    pub bytes: &'a [u8],
    pub sections: &'a [Section],
    pub ends: &'a [usize],
}

/// What a rule gives that needs nothing but the layer itself: lengths and counts of what is in it. They also hold for options.
pub(super) fn own(rule: Rule, section: &Section, seen: &Seen) -> Option<u64> {
    let of = |name: &str| section.seen(name);
    Some(match rule {
        Rule::HeaderLength { unit, less } => units(section.range.len(), unit, less),
        Rule::Count(name) => of(name).map_or(0, |seen| match &seen.value {
            Value::List(list) => list.len() as u64,
            _ => seen.inner.len() as u64,
        }),
        Rule::LengthOf(name) => of(name).map_or(0, |seen| seen.range().len() as u64),
        Rule::Rest => section.range.end.saturating_sub(seen.range().end) as u64,
        _ => return None,
    })
}

/// What a rule gives that looks at other layers. `None` if it can't be worked out from the bytes.
pub(super) fn outer(rule: Rule, whole: Whole<'_>, at: usize, seen: &Seen) -> Option<u64> {
    let section = whole.sections.get(at)?;
    Some(match rule {
        Rule::Length { unit, less } => {
            units(whole.ends.get(at)?.saturating_sub(section.range.start), unit, less)
        }
        Rule::Next(otherwise) => next(whole.sections, at, seen.field.name).unwrap_or(otherwise),
        Rule::Reach(otherwise) => layers::reach(whole.sections.get(at + 1..)?).unwrap_or(otherwise),
        Rule::HeaderChecksum | Rule::Checksum | Rule::TransportChecksum => {
            let covered = covered(rule, whole, at)?;
            let mut bytes = whole.bytes.get(covered.range.clone())?.to_vec();
            let own = seen.range();
            bytes
                .get_mut(
                    own.start.checked_sub(covered.range.start)?..own.end.checked_sub(covered.range.start)?,
                )?
                .fill(0);
            let sum = covered.checksum(&bytes);
            // RFC 768: "If the computed checksum is zero, it is transmitted as all ones".
            if sum == 0 && std::ptr::eq(section.kind, &UDP) { 0xffff } else { sum.into() }
        }
        _ => return None,
    })
}

/// Is a checksum right as it is? In one pass, without a copy. `None` if that can't be told.
pub(super) fn sums_up(rule: Rule, whole: Whole<'_>, at: usize) -> Option<bool> {
    let covered = covered(rule, whole, at)?;
    Some(covered.checksum(whole.bytes.get(covered.range.clone())?) == 0)
}

/// What a checksum is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Covered {
    /// Bytes of the packet.
    pub range: Range<usize>,
    /// What is counted in front of them.
    pub pseudo_header: Option<PseudoHeader>,
}

/// What a transport's checksum is over and what its header does not hold: RFC 9293 3.1, RFC 8200 8.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PseudoHeader {
    /// The sender.
    pub source: IpAddr,
    /// The receiver; with a routing header the last one.
    pub destination: IpAddr,
    /// The transport.
    pub protocol: u8,
    /// Bytes of its header and data.
    pub length: usize,
}

impl Covered {
    /// The checksum over these bytes, which are those of the range.
    fn checksum(&self, bytes: &[u8]) -> u16 {
        match &self.pseudo_header {
            Some(pseudo) => transport_checksum(pseudo.source, pseudo.destination, pseudo.protocol, bytes),
            None => checksum(bytes),
        }
    }
}

impl Dissection {
    /// What the checksum of a layer is over that is worked out by this rule. `None` if it is none, or if not all of that is there.
    pub(in crate::wire) fn covered(&self, section: usize, rule: Rule) -> Option<Covered> {
        let ends = ends_of_built(&self.sections, self.bytes.len());
        covered(rule, Whole { bytes: &self.bytes, sections: &self.sections, ends: &ends }, section)
    }
}

fn covered(rule: Rule, whole: Whole<'_>, at: usize) -> Option<Covered> {
    let section = whole.sections.get(at)?;
    let all = section.range.start..*whole.ends.get(at)?;
    Some(match rule {
        Rule::HeaderChecksum => Covered { range: section.range.clone(), pseudo_header: None },
        Rule::Checksum => Covered { range: all, pseudo_header: None },
        Rule::TransportChecksum => {
            let (source, destination) = addresses(whole.sections.get(..at)?)?;
            let (protocol, length) = (protocol(section)?, all.len());
            let pseudo_header = Some(PseudoHeader { source, destination, protocol, length });
            Covered { range: all, pseudo_header }
        }
        _ => return None,
    })
}

/// So many bytes in units, rounded up, some of them not counted.
fn units(bytes: usize, unit: u8, less: u8) -> u64 {
    (bytes.div_ceil(usize::from(unit.max(1))) as u64).saturating_sub(less.into())
}

/// The number of the layer behind this one.
fn next(sections: &[Section], at: usize, field: &str) -> Option<u64> {
    let (under, over) = (sections.get(at)?, sections.get(at + 1)?);
    let is_tag = |section: Option<&Section>| section.is_some_and(|s| std::ptr::eq(s.kind, &DOT1Q));
    // IEEE 802.1Q 9.5: the tag of the service provider, the outer one, has a type of its own.
    if field == "type" && is_tag(Some(over)) && is_tag(sections.get(at + 2)) {
        return Some(0x88a8);
    }
    layers::number(under.kind, field, over.kind)
}

/// The protocol number in the pseudo header.
fn protocol(section: &Section) -> Option<u8> {
    let number =
        layers::number(&IP, "proto", section.kind).or_else(|| layers::number(&IPV6, "next", section.kind));
    u8::try_from(number?).ok()
}

/// The addresses of the pseudo header: those of the nearest IP layer outside.
pub(super) fn addresses(outside: &[Section]) -> Option<(IpAddr, IpAddr)> {
    let ip = outside.iter().rposition(|s| s.destination().is_some())?;
    let mut destination = outside[ip].destination()?;
    // RFC 8200 8.1: "If the IPv6 packet contains a Routing header, the Destination Address used in the pseudo-header is that of
    // the final destination".
    for routing in outside[ip..].iter().filter(|s| std::ptr::eq(s.kind, &ROUTING)) {
        if let Some(Value::List(way)) = routing.seen("addresses").map(|seen| &seen.value)
            && routing.number("left").is_some_and(|left| left > 0)
            // RFC 8754 2: the last segment of the way stands first.
            && let Some(Value::V6(last)) = if routing.number("type") == Some(4) { way.first() } else { way.last() }
        {
            destination = (*last).into();
        }
    }
    Some((outside[ip].address("src")?, destination))
}

/// A value that is not this one: what `bad` stands for. Never 0, which means "no checksum" to some, nor another form of the same sum.
pub(crate) const fn wrong(right: u64, bits: usize) -> u64 {
    match (right ^ 1) & super::bits::mask(bits) {
        0 if bits > 1 => right ^ 3,
        wrong => wrong,
    }
}

/// Where each layer of a packet that is being built ends: all at the same place, in front of the padding.
pub(super) fn ends_of_built(sections: &[Section], bytes: usize) -> Vec<usize> {
    let padding = sections.iter().find(|s| std::ptr::eq(s.kind, &PADDING)).map(|s| s.range.start);
    let end = padding.unwrap_or(bytes);
    sections.iter().map(|s| end.max(s.range.end)).collect()
}
