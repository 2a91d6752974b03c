//! Are the lengths and checksums of a packet right? The rules tell what they should be.

use std::net::IpAddr;

use super::dissection::{Dissection, Origin, Section, Seen, Verdict};
use super::kind::{Fill, Rule};
use super::layer::Value;
use super::layers::{IP, UDP};
use super::rules::{Whole, addresses, outer, own, sums_up};

impl Dissection {
    /// The verdict on each length and checksum. `ends` as in [`Whole`].
    pub(super) fn judge(&mut self, ends: &[usize]) {
        // Why nothing can be said about the lengths and checksums of the layers behind.
        let mut unknown = cut(Whole { bytes: &self.bytes, sections: &self.sections, ends });
        for at in 0..self.sections.len() {
            let whole = Whole { bytes: &self.bytes, sections: &self.sections, ends };
            let verdict = |seen: &Seen| verdict(whole, at, seen, unknown).unwrap_or(Verdict::Free);
            let verdicts: Vec<_> = self.sections[at].fields.iter().map(verdict).collect();
            unknown = unknown.or_else(|| incomplete(whole, at));
            for (seen, verdict) in self.sections[at].fields.iter_mut().zip(verdicts) {
                seen.verdict = verdict;
            }
        }
    }
}

/// The verdict on a field; `None` if any value is fine.
fn verdict(whole: Whole<'_>, at: usize, seen: &Seen, unknown: Option<&'static str>) -> Option<Verdict> {
    let (Fill::Rule(rule), Value::Number(value)) = (seen.field.fill, &seen.value) else { return None };
    let section = &whole.sections[at];
    let right = match rule {
        Rule::HeaderLength { .. } | Rule::Count(_) | Rule::LengthOf(_) | Rule::Rest => {
            let right = own(rule, section, seen)?;
            let ends_here = section.range.end == whole.bytes.len();
            if let Some(why) = unknown.filter(|why| *why == CUT && ends_here && lacks(section, seen)) {
                return Some(Verdict::Unknown(why));
            }
            right
        }
        Rule::Length { .. } => {
            let right = outer(rule, whole, at, seen)?;
            let quoted =
                (*value > right && is_quoted(&whole.sections[..at])).then_some("quoted, but not all of it");
            if let Some(why) = unknown.or(quoted) {
                return Some(Verdict::Unknown(why));
            }
            right
        }
        // RFC 768: "An all zero transmitted checksum value means that the transmitter generated no checksum". RFC 8200 8.1: not
        // over IPv6.
        Rule::TransportChecksum if *value == 0 && std::ptr::eq(section.kind, &UDP) => {
            match addresses(&whole.sections[..at])? {
                (IpAddr::V4(_), _) => return None,
                (IpAddr::V6(_), _) => outer(rule, whole, at, seen)?,
            }
        }
        Rule::Checksum | Rule::TransportChecksum => {
            if let Some(why) = unknown.or_else(|| incomplete(whole, at)) {
                return Some(Verdict::Unknown(why));
            }
            if sums_up(rule, whole, at)? { *value } else { outer(rule, whole, at, seen)? }
        }
        Rule::HeaderChecksum if sums_up(rule, whole, at)? => *value,
        Rule::HeaderChecksum => outer(rule, whole, at, seen)?,
        _ => return None,
    };
    Some(if right == *value { Verdict::Right } else { Verdict::Wrong(right) })
}

const CUT: &str = "the packet is cut short";

/// Is a packet that was read cut short, rather than one of its lengths wrong? It is if it ends within a layer that its IP layer says
/// to be longer, or if two lengths agree on how much is missing.
fn cut(whole: Whole<'_>) -> Option<&'static str> {
    let last = whole.sections.last()?;
    let missing = whole.sections.iter().enumerate().filter_map(|(at, section)| {
        section.fields.iter().find_map(|seen| match (seen.field.fill, &seen.value, seen.origin) {
            (Fill::Rule(rule @ Rule::Length { unit: 1, .. }), Value::Number(said), Origin::Read) => {
                said.checked_sub(outer(rule, whole, at, seen)?).filter(|missing| *missing > 0)
            }
            _ => None,
        })
    });
    let missing: Vec<u64> = missing.collect();
    let ends_within = || last.note.is_some() || last.fields.iter().any(|seen| lacks(last, seen));
    let is_cut = match missing.as_slice() {
        [] => false,
        [_] => ends_within(),
        [first, rest @ ..] => rest.contains(first) || ends_within(),
    };
    is_cut.then_some(CUT)
}

/// Does this field say that the layer's header is longer than what is there of it?
fn lacks(section: &Section, seen: &Seen) -> bool {
    match (seen.field.fill, &seen.value) {
        (Fill::Rule(Rule::HeaderLength { unit, less }), Value::Number(said)) => {
            said.saturating_add(less.into()).saturating_mul(unit.into()) > section.range.len() as u64
        }
        _ => false,
    }
}

/// RFC 792, RFC 4443: behind an error stands the beginning of the packet that it is about.
fn is_quoted(outside: &[Section]) -> bool {
    outside.iter().any(|section| section.kind.name.starts_with("icmp"))
}

/// Why a sum over all that is behind this layer's header can't be told: because not all of it is there.
fn incomplete(whole: Whole<'_>, at: usize) -> Option<&'static str> {
    let section = &whole.sections[at];
    let fragment = section.number("frag").is_some_and(|offset| offset > 0)
        || section.number("more") == Some(1)
        || std::ptr::eq(section.kind, &IP) && section.number("flags").is_some_and(|flags| flags & 1 != 0);
    if fragment {
        return Some("a fragment");
    }
    let is_short = |seen: &Seen| match (seen.field.fill, &seen.value) {
        (Fill::Rule(rule @ Rule::Length { .. }), Value::Number(said)) => {
            outer(rule, whole, at, seen).is_some_and(|there| *said > there)
        }
        _ => false,
    };
    section.fields.iter().any(is_short).then_some("not all of its bytes are there")
}
