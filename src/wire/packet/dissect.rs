//! Bytes to a [`Dissection`], whatever they are.

use std::ops::Range;

use super::bits;
use super::dissection::{Dissection, Origin, Section, Seen, Verdict};
use super::kind::{Field, Fill, Kind, Rule, Shape};
use super::layer::Value;
use super::layers::{self, PADDING, PAYLOAD};
use crate::base::{LinkType, Mac};
use crate::wire::dns;

/// Layers of a packet. Each takes at least a byte; deeper nests only who attacks.
const DEEPEST: usize = 64;
/// Options of a layer: what is behind them is shown as it is.
const MOST: usize = 1024;
/// Options in options.
const NESTED: usize = 4;

impl Dissection {
    /// Takes a packet apart. Never fails: what can't be read is a layer `payload`, with a note.
    pub fn of(link: LinkType, bytes: &[u8]) -> Self {
        let mut sections = Vec::new();
        let mut ends = Vec::new();
        let (mut at, mut end) = (0, bytes.len());
        let mut kind = layers::first(link, bytes);
        while at < end {
            if sections.len() >= DEEPEST {
                kind = &PAYLOAD;
            }
            let section = Reader { bytes, message: at }.layer(kind, at..end, 0);
            end = end_of(&section, end);
            at = section.range.end;
            kind = if section.note.is_some() { &PAYLOAD } else { layers::behind(&section, &bytes[at..end]) };
            sections.push(section);
            ends.push(end);
        }
        if end < bytes.len() {
            sections.push(Reader { bytes, message: end }.layer(&PADDING, end..bytes.len(), 0));
            ends.push(bytes.len());
        }
        let mut read = Self { link, bytes: bytes.to_vec(), sections };
        read.judge(&ends);
        read
    }
}

/// Where a layer ends, what is behind it included: where its length says, if that is possible at all.
fn end_of(section: &Section, limit: usize) -> usize {
    let said = section.fields.iter().find_map(|seen| match (seen.field.fill, &seen.value) {
        (Fill::Rule(Rule::Length { unit, less }), Value::Number(number)) => {
            let bytes =
                usize::try_from(*number).ok()?.saturating_add(less.into()).saturating_mul(unit.into());
            Some(section.range.start.saturating_add(bytes))
        }
        _ => None,
    });
    said.filter(|end| (section.range.end..=limit).contains(end)).unwrap_or(limit)
}

struct Reader<'a> {
    bytes: &'a [u8],
    /// Where the outermost layer begins: names in it point to places that are counted from there.
    message: usize,
}

impl Reader<'_> {
    /// Reads a layer (or an option) that has these bytes at most.
    fn layer(&self, kind: &'static Kind, room: Range<usize>, depth: usize) -> Section {
        let fields = Vec::with_capacity(kind.fields.len());
        let mut section = Section { kind, range: room.clone(), fields, note: None };
        let mut at = room.start * 8;
        // Where the header ends, once a field has told it.
        let mut header = None;
        for field in kind.fields {
            if !section.has(field) {
                continue;
            }
            let Some(seen) = self.field(field, at, header.unwrap_or(room.end), room.end, &section, depth)
            else {
                section.note = Some(format!("the bytes end within {}", field.name));
                return section;
            };
            at = seen.bits.end;
            if let (Fill::Rule(rule), Value::Number(number)) = (seen.field.fill, &seen.value) {
                let number = usize::try_from(*number).unwrap_or(usize::MAX);
                let end = match rule {
                    Rule::HeaderLength { unit, less } => Some(
                        room.start
                            .saturating_add(number.saturating_add(less.into()).saturating_mul(unit.into())),
                    ),
                    Rule::Rest => Some((at / 8).saturating_add(number)),
                    _ => None,
                };
                header = end.map(|end| end.min(room.end)).or(header);
            }
            section.fields.push(seen);
        }
        section.range.end = at.div_ceil(8).min(room.end);
        section
    }

    /// Reads a field; `None` if the bytes end before it does.
    fn field(
        &self,
        field: &'static Field,
        at: usize,
        header: usize,
        limit: usize,
        section: &Section,
        depth: usize,
    ) -> Option<Seen> {
        let start = at.div_ceil(8);
        // A field that may be of any length ends where another one says, else where the header ends.
        let told = |wanted: fn(&'static str) -> Rule| {
            section.fields.iter().find_map(|seen| match (seen.field.fill, &seen.value) {
                (Fill::Rule(rule), Value::Number(n)) if rule == wanted(field.name) => {
                    usize::try_from(*n).ok()
                }
                _ => None,
            })
        };
        let open = || match told(Rule::LengthOf) {
            Some(length) => start.saturating_add(length).min(limit),
            None => header.max(start),
        };
        let fixed = |length: usize| self.bytes.get(start..limit)?.get(..length);
        let mut inner = Vec::new();
        let (value, end) = match field.shape {
            Shape::Bits(width) | Shape::Flags(width, _) => {
                let bits = at..at + usize::from(width);
                if bits.end > limit * 8 {
                    return None;
                }
                let end = bits.end;
                (Value::Number(bits::get(self.bytes, bits)?), end)
            }
            Shape::Mac | Shape::V4 | Shape::V6 => {
                let (value, length) = address(field.shape, self.bytes.get(start..limit)?)?;
                (value, (start + length) * 8)
            }
            Shape::Fixed(length) => (Value::Bytes(fixed(length)?.to_vec()), (start + length) * 8),
            Shape::Bytes => (Value::Bytes(self.bytes.get(start..open())?.to_vec()), open() * 8),
            Shape::Name => {
                let message = self.bytes.get(self.message..limit)?;
                let (name, end) = dns::name(message, start.checked_sub(self.message)?).ok()?;
                (Value::Name(name), (self.message + end) * 8)
            }
            Shape::List(shape) => {
                let mut end = start;
                let mut list = Vec::new();
                let count = told(Rule::Count).unwrap_or(usize::MAX);
                while list.len() < count
                    && let Some((value, length)) =
                        self.bytes.get(end..open()).and_then(|rest| item(*shape, rest))
                {
                    list.push(value);
                    end += length;
                }
                (Value::List(list), end * 8)
            }
            Shape::Layers(kinds) => {
                let end;
                (inner, end) = self.options(kinds, start..open(), told(Rule::Count), depth + 1);
                (Value::Layers(inner.iter().map(|option| option.layer(self.bytes)).collect()), end * 8)
            }
        };
        let bits = if matches!(field.shape, Shape::Bits(_) | Shape::Flags(..)) { at } else { start * 8 }..end;
        Some(Seen { field, bits, value, inner, origin: Origin::Read, verdict: Verdict::Free })
    }

    /// Reads options or records, and tells where they end.
    fn options(
        &self,
        kinds: &'static [Kind],
        room: Range<usize>,
        count: Option<usize>,
        depth: usize,
    ) -> (Vec<Section>, usize) {
        let mut options = Vec::new();
        let mut at = room.start;
        while at < room.end && options.len() < count.unwrap_or(usize::MAX) {
            let option = if options.len() < MOST { self.option(kinds, at..room.end, depth) } else { None };
            let Some(option) = option else {
                // What can't be read stands there as it is; of records that are counted, nobody knows where it ends.
                if count.is_none() {
                    options.push(self.layer(&PAYLOAD, at..room.end, depth));
                    at = room.end;
                }
                break;
            };
            at = option.range.end;
            let ends = option.kind.ends;
            options.push(option);
            if ends {
                // What is behind the end is padding: zeros up to the next whole word.
                let rest = self.bytes.get(at..room.end).unwrap_or_default();
                if rest.len() > 3 || rest.iter().any(|byte| *byte != 0) {
                    options.push(self.layer(&PAYLOAD, at..room.end, depth));
                }
                at = room.end;
            }
        }
        (options, at)
    }

    /// Reads an option: as what its number says, or, if its length is not that of its kind, as any other.
    fn option(&self, kinds: &'static [Kind], room: Range<usize>, depth: usize) -> Option<Section> {
        if depth > NESTED {
            return None;
        }
        let any = kinds.last()?;
        let is_whole = |section: &Section| {
            section.note.is_none()
                && !section.range.is_empty()
                && section.fields.iter().all(|seen| match (seen.field.fill, &seen.value) {
                    (Fill::Rule(rule @ (Rule::HeaderLength { .. } | Rule::Rest)), Value::Number(number)) => {
                        super::rules::own(rule, section, seen) == Some(*number)
                    }
                    _ => true,
                })
        };
        let known = self.known(kinds, room.clone(), depth).map(|kind| self.layer(kind, room.clone(), depth));
        known.filter(is_whole).or_else(|| Some(self.layer(any, room, depth)).filter(is_whole))
    }

    /// The kind of option whose number is in the bytes.
    fn known(&self, kinds: &'static [Kind], room: Range<usize>, depth: usize) -> Option<&'static Kind> {
        let numbered = |kind: &Kind| kind.fields.iter().position(|f| matches!(f.fill, Fill::Number(_)));
        let any = kinds.last()?;
        let which = numbered(any)?;
        let number = match any.fields.get(which)?.shape {
            Shape::Bits(width) if which == 0 => {
                bits::get(self.bytes, room.start * 8..room.start * 8 + usize::from(width))?
            }
            _ => self.layer(any, room, depth).number(any.fields.get(which)?.name)?,
        };
        kinds.iter().rev().skip(1).rev().find(|kind| {
            numbered(kind)
                .and_then(|at| kind.fields.get(at))
                .is_some_and(|f| matches!(f.fill, Fill::Number(n) if n == number))
        })
    }
}

/// An address, and how long it is.
fn address(shape: Shape, bytes: &[u8]) -> Option<(Value, usize)> {
    Some(match shape {
        Shape::Mac => (Value::Mac(Mac(*bytes.first_chunk()?)), 6),
        Shape::V4 => (Value::V4((*bytes.first_chunk::<4>()?).into()), 4),
        Shape::V6 => (Value::V6((*bytes.first_chunk::<16>()?).into()), 16),
        _ => return None,
    })
}

/// An item of a list, and how long it is.
fn item(shape: Shape, bytes: &[u8]) -> Option<(Value, usize)> {
    match shape {
        Shape::Bits(width) => {
            let length = usize::from(width / 8).max(1);
            Some((Value::Number(bits::get(bytes, 0..length * 8)?), length))
        }
        _ => address(shape, bytes),
    }
}
