//! The differences of two packets, field by field.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::hexdump::readable;
use super::line::{Ink, Line, columns, crop};
use super::tree::counted;
use super::value::{meaning, value, verdict};
use crate::wire::packet::{Dissection, Field, Kind, Section, Seen, Value, Verdict, kind};

/// In which of the two packets something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The first.
    A,
    /// The second.
    B,
}

/// One difference of two packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Where it is: `ip.ttl`, `tcp.options.mss.value`; of a whole layer or option, its name.
    pub path: String,
    /// What differs.
    pub what: What,
}

/// What differs in two packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A field's value, in words.
    Value(String, String),
    /// Bytes.
    Bytes(Vec<u8>, Vec<u8>),
    /// A field, an option or a layer that only one of them has, in words.
    Only(Side, String),
}

/// Fields that are not compared.
#[derive(Clone, Debug, Default)]
pub struct Ignored {
    fields: Vec<(&'static Kind, Option<usize>)>,
}

impl Ignored {
    /// Of `ip.id` (a field), `ip` (a whole layer), in any spelling that expressions understand.
    ///
    /// # Errors
    /// What is unknown, in words.
    pub fn add(&mut self, path: &str) -> Result<(), String> {
        let (layer, field) = path.split_once('.').map_or((path, None), |(layer, field)| (layer, Some(field)));
        let kind = kind(layer).ok_or_else(|| format!("there is no layer `{layer}`"))?;
        let at = match field {
            None => None,
            Some(name) => {
                Some(kind.field(name).ok_or_else(|| format!("{} has no field `{name}`", kind.name))?)
            }
        };
        self.fields.push((kind, at));
        Ok(())
    }

    fn layer(&self, kind: &Kind) -> bool {
        self.fields.iter().any(|(k, field)| std::ptr::eq(*k, kind) && field.is_none())
    }

    fn field(&self, kind: &Kind, field: &Field) -> bool {
        self.fields.iter().any(|(k, at)| {
            std::ptr::eq(*k, kind)
                && at.and_then(|at| kind.fields.get(at)).is_some_and(|f| std::ptr::eq(f, field))
        })
    }
}

/// What a packet looks like from afar: to find the packet of another capture that is the same, or nearly.
#[derive(Clone, Debug)]
pub struct Print {
    /// The same for equal packets (but for what is ignored).
    pub whole: u64,
    fields: Vec<u64>,
}

impl Print {
    /// Of a packet, without what is ignored.
    pub fn of(packet: &Dissection, ignored: &Ignored) -> Self {
        let fields = fields(packet, ignored)
            .map(|(kind, seen)| hash(&(kind.name, seen.field.name, held(packet, seen))))
            .collect();
        Self { whole: hash(&kept(packet, ignored)), fields }
    }

    /// How alike two packets are: 0 (no field in common) to 100.
    pub fn likeness(&self, other: &Self) -> u32 {
        let most = self.fields.len().max(other.fields.len());
        if most == 0 {
            return 0;
        }
        // Fields stand in the same order in both: one pass, which takes an option more or less in its stride.
        let (mut same, mut at) = (0, 0);
        for field in &self.fields {
            if let Some(step) =
                other.fields.get(at..).unwrap_or_default().iter().take(24).position(|f| f == field)
            {
                same += 1;
                at += step + 1;
            }
        }
        u32::try_from(same * 100 / most).unwrap_or(100)
    }
}

fn hash(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

fn fields<'a>(
    packet: &'a Dissection,
    ignored: &'a Ignored,
) -> impl Iterator<Item = (&'static Kind, &'a Seen)> {
    let layers = packet.sections.iter().filter(|section| !ignored.layer(section.kind));
    layers
        .flat_map(|section| section.fields.iter().map(|seen| (section.kind, seen)))
        .filter(|(kind, seen)| !ignored.field(kind, seen.field))
}

/// The bytes that a field touches.
fn held<'a>(packet: &'a Dissection, seen: &Seen) -> (&'a [u8], usize) {
    let range = seen.range();
    (
        packet.bytes.get(range.start..range.end.min(packet.bytes.len())).unwrap_or_default(),
        seen.bits.start % 8,
    )
}

/// The bytes without those that are ignored.
fn kept(packet: &Dissection, ignored: &Ignored) -> Vec<u8> {
    if ignored.fields.is_empty() {
        return packet.bytes.clone();
    }
    let mut masks = vec![0xff_u8; packet.bytes.len()];
    let mut drop = |bits: std::ops::Range<usize>| {
        bits.for_each(|bit| {
            masks.get_mut(bit / 8).into_iter().for_each(|mask| *mask &= !(0x80 >> (bit % 8)))
        });
    };
    for section in &packet.sections {
        if ignored.layer(section.kind) {
            drop(section.range.start * 8..section.range.end * 8);
        }
        let fields = section.fields.iter().filter(|seen| ignored.field(section.kind, seen.field));
        fields.for_each(|seen| drop(seen.bits.clone()));
    }
    let bytes = packet.bytes.iter().zip(masks).filter(|(_, mask)| *mask != 0);
    bytes.map(|(byte, mask)| byte & mask).collect()
}

/// What differs between two packets, in the order of their bytes; nothing if they are the same but for what is ignored.
pub fn differences(a: &Dissection, b: &Dissection, ignored: &Ignored) -> Vec<Difference> {
    let mut found = Vec::new();
    if a.bytes == b.bytes && a.link == b.link {
        return found;
    }
    sections(&a.sections, &b.sections, "", ignored, &mut found);
    // Bytes that belong to no field.
    if found.is_empty() && kept(a, ignored) != kept(b, ignored) {
        found.push(Difference { path: "bytes".into(), what: What::Bytes(a.bytes.clone(), b.bytes.clone()) });
    }
    found
}

fn sections(a: &[Section], b: &[Section], before: &str, ignored: &Ignored, found: &mut Vec<Difference>) {
    let only = |side, section: &Section| Difference {
        path: format!("{before}{}", section.kind.name),
        what: What::Only(side, in_words(section)),
    };
    let counts = |section: &&Section| !ignored.layer(section.kind);
    let (a, b): (Vec<_>, Vec<_>) = (a.iter().filter(counts).collect(), b.iter().filter(counts).collect());
    let (mut at, mut bt) = (0, 0);
    for (next_a, next_b) in common(&a, &b) {
        found.extend(a.get(at..next_a).unwrap_or_default().iter().map(|section| only(Side::A, section)));
        found.extend(b.get(bt..next_b).unwrap_or_default().iter().map(|section| only(Side::B, section)));
        if let (Some(a), Some(b)) = (a.get(next_a), b.get(next_b)) {
            fields_of(a, b, before, ignored, found);
        }
        (at, bt) = (next_a + 1, next_b + 1);
    }
    found.extend(a.get(at..).unwrap_or_default().iter().map(|section| only(Side::A, section)));
    found.extend(b.get(bt..).unwrap_or_default().iter().map(|section| only(Side::B, section)));
}

/// The longest sequence of kinds that both have, as pairs of places. Of very many records the first ones are compared in order.
fn common(a: &[&Section], b: &[&Section]) -> Vec<(usize, usize)> {
    const MANY: usize = 256;
    let same = |i: usize, j: usize| std::ptr::eq(a[i].kind, b[j].kind);
    if a.len() > MANY || b.len() > MANY {
        return (0..a.len().min(b.len())).take_while(|at| same(*at, *at)).map(|at| (at, at)).collect();
    }
    // longest[i][j]: of what is behind i and j.
    let mut longest = vec![vec![0_u16; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            longest[i][j] =
                if same(i, j) { longest[i + 1][j + 1] + 1 } else { longest[i + 1][j].max(longest[i][j + 1]) };
        }
    }
    let (mut i, mut j, mut pairs) = (0, 0, Vec::new());
    while i < a.len() && j < b.len() {
        if same(i, j) {
            pairs.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if longest[i + 1][j] >= longest[i][j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    pairs
}

fn fields_of(a: &Section, b: &Section, before: &str, ignored: &Ignored, found: &mut Vec<Difference>) {
    let kind = a.kind;
    let mut push = |field: &Field, what| {
        found.push(Difference { path: format!("{before}{}.{}", kind.name, field.name), what })
    };
    let mut nested = Vec::new();
    for (place, field) in kind.fields.iter().enumerate() {
        if ignored.field(kind, field) {
            continue;
        }
        let of =
            |section: &'_ Section| section.fields.iter().position(|seen| std::ptr::eq(seen.field, field));
        match (of(a).and_then(|at| a.fields.get(at)), of(b).and_then(|at| b.fields.get(at))) {
            (None, None) => {}
            (Some(a), None) => push(field, What::Only(Side::A, said(a))),
            (None, Some(b)) => push(field, What::Only(Side::B, said(b))),
            (Some(a), Some(b)) if !a.inner.is_empty() || !b.inner.is_empty() => nested.push((place, a, b)),
            (Some(a), Some(b)) => match (&a.value, &b.value) {
                (x, y) if x == y => {}
                (Value::Bytes(x), Value::Bytes(y)) => push(field, What::Bytes(x.clone(), y.clone())),
                _ => push(field, What::Value(said(a), said(b))),
            },
        }
    }
    for (place, a, b) in nested {
        let name = kind.fields.get(place).map_or("", |field| field.name);
        sections(&a.inner, &b.inner, &format!("{before}{}.{name}.", kind.name), ignored, found);
    }
    if a.note != b.note {
        let note = |section: &Section| section.note.clone().unwrap_or_else(|| "whole".into());
        found
            .push(Difference { path: format!("{before}{}", kind.name), what: What::Value(note(a), note(b)) });
    }
}

/// `6 (tcp)`, `0x1234 ✗ should be 0xabcd`.
fn said(seen: &Seen) -> String {
    let mut words = value(seen.field, &seen.value);
    if let Some(meaning) = meaning(seen.field, &seen.value) {
        words += &format!(" ({meaning})");
    }
    if let (Verdict::Wrong(_), Some(verdict)) = (&seen.verdict, verdict(seen)) {
        words += &format!(" {verdict}");
    }
    words
}

/// A layer that has no partner: `pcp = 0, vlan = 5`.
fn in_words(section: &Section) -> String {
    let fields: Vec<_> = section
        .fields
        .iter()
        .map(|seen| format!("{} = {}", seen.field.name, value(seen.field, &seen.value)))
        .collect();
    if fields.is_empty() { counted(section.range.len()) } else { fields.join(", ") }
}

/// Differences as a table in at most `width` columns: path, the first packet's value, the second's.
pub fn difference_lines(found: &[Difference], width: usize) -> Vec<Line> {
    let path = found.iter().map(|d| columns(&d.path)).max().unwrap_or(0).min(width / 3);
    let values = found.iter().filter_map(|d| match &d.what {
        What::Value(a, _) => Some(columns(a)),
        _ => None,
    });
    let half = width.saturating_sub(path + 8) / 2;
    let first = values.max().unwrap_or(0).min(half);
    let mut lines = Vec::new();
    for Difference { path: name, what } in found {
        let mut line = Line::default().and(Ink::Strong, format!("  {}", crop(name, path)));
        line.pad_to(path + 4);
        match what {
            What::Value(a, b) => {
                line.push(Ink::Wrong, crop(a, first));
                line.pad_to(path + 4 + first + 1);
                line.push(Ink::Faint, "→ ");
                let room = width.saturating_sub(line.width());
                lines.push(line.and(Ink::Right, crop(b, room)));
            }
            What::Only(side, words) => {
                let (ink, sign) = sign(*side);
                line.push(ink, format!("{sign} "));
                let room = width.saturating_sub(line.width());
                lines.push(line.and(ink, crop(words, room)));
            }
            What::Bytes(a, b) => {
                let marked = Marked::of(a, b);
                lines.push(line.and(Ink::Plain, marked.sentence(a, b)));
                marked.lines(a, b, &mut lines);
            }
        }
    }
    lines
}

/// As in a diff: `-` for what only the first one has, `+` for the second.
const fn sign(side: Side) -> (Ink, char) {
    match side {
        Side::A => (Ink::Wrong, '-'),
        Side::B => (Ink::Right, '+'),
    }
}

/// Which bytes differ.
struct Marked {
    /// Bytes at the beginning that are the same.
    before: usize,
    /// Bytes at the end that are the same, where the lengths differ.
    behind: usize,
}

impl Marked {
    fn of(a: &[u8], b: &[u8]) -> Self {
        let same = |pair: &(&u8, &u8)| pair.0 == pair.1;
        let before = a.iter().zip(b).take_while(same).count();
        let room = a.len().min(b.len()) - before;
        let behind = if a.len() == b.len() {
            0
        } else {
            a.iter().rev().zip(b.iter().rev()).take(room).take_while(same).count()
        };
        Self { before, behind }
    }

    /// Does the byte at this place differ?
    fn at(&self, own: &[u8], other: &[u8], at: usize) -> bool {
        if own.len() == other.len() {
            return own.get(at) != other.get(at);
        }
        at >= self.before && at < own.len() - self.behind
    }

    fn sentence(&self, a: &[u8], b: &[u8]) -> String {
        if a.len() == b.len() {
            let count = (0..a.len()).filter(|at| self.at(a, b, *at)).count();
            return format!("differs in {count} of {}", counted(a.len()));
        }
        format!("{} → {}, other from byte {} on", counted(a.len()), counted(b.len()), self.before)
    }

    /// The rows in which something differs, of both; `^^` under the bytes that differ. The first few of them.
    fn lines(&self, a: &[u8], b: &[u8], lines: &mut Vec<Line>) {
        const ROW: usize = 16;
        const SHOWN: usize = 4;
        let rows = a.len().max(b.len()).div_ceil(ROW);
        let differs = |row: &usize| {
            (row * ROW..(row + 1) * ROW)
                .any(|at| self.at(a, b, at) && at < a.len() || self.at(b, a, at) && at < b.len())
        };
        let all: Vec<_> = (0..rows).filter(differs).collect();
        for row in all.iter().take(SHOWN) {
            let mut marks = Line::default();
            for (side, own, other) in [(Side::A, a, b), (Side::B, b, a)] {
                let start = (row * ROW).min(own.len());
                let bytes = own.get(start..(start + ROW).min(own.len())).unwrap_or_default();
                let (ink, sign) = sign(side);
                let mut line = Line::default()
                    .and(ink, format!("    {sign} "))
                    .and(Ink::Faint, format!("{:04x}", row * ROW));
                for (at, byte) in bytes.iter().enumerate() {
                    let differs = self.at(own, other, start + at);
                    line.pad_to(12 + at * 3);
                    line.push(if differs { ink } else { Ink::Plain }, format!("{byte:02x}"));
                    if differs && marks.width() <= 12 + at * 3 {
                        marks.pad_to(12 + at * 3);
                        marks.push(Ink::Strong, "^^");
                    }
                }
                line.pad_to(12 + ROW * 3 + 1);
                for (at, byte) in bytes.iter().enumerate() {
                    let ink = if self.at(own, other, start + at) { ink } else { Ink::Plain };
                    line.push(ink, readable(*byte).to_string());
                }
                lines.push(line);
            }
            lines.push(marks);
        }
        if all.len() > SHOWN {
            lines.push(
                Line::default()
                    .and(Ink::Faint, format!("    … {} more rows of bytes that differ", all.len() - SHOWN)),
            );
        }
    }
}
