//! A packet as a tree: layers, their fields, the options in them.

use std::ops::Range;

use super::line::{Ink, Line, columns, crop};
use super::value::{meaning, value, verdict};
use crate::wire::packet::{Dissection, Origin, Section, Seen, Value, Verdict};

/// Every field of every layer in at most `width` columns: its name, its value with the meaning, a checksum's or a length's
/// verdict; on the right its bytes (from 0, both ends included), and its bits where it does not fill them.
pub fn tree(packet: &Dissection, width: usize) -> Vec<Line> {
    let mut rows = Vec::new();
    for (number, section) in packet.sections.iter().enumerate() {
        rows.push(heading(section, number));
        branches(packet, section, number, 1, width, &mut rows);
    }
    let right = rows.iter().map(|row| columns(&row.place)).max().unwrap_or(0);
    let room = width.max(40).saturating_sub(right + 2);
    let left = rows.iter().map(|row| row.left.width()).max().unwrap_or(0).min(room);
    rows.into_iter().map(|row| row.line(left)).collect()
}

/// A line that is not yet aligned with the others.
struct Row {
    left: Line,
    place: String,
}

impl Row {
    /// The line, its left part cropped to so many columns: where it is longest.
    fn line(mut self, left: usize) -> Line {
        let over = self.left.width().saturating_sub(left);
        if over > 0
            && let Some(span) = self.left.spans.iter_mut().max_by_key(|span| columns(&span.text))
        {
            let room = columns(&span.text).saturating_sub(over);
            span.text = crop(&span.text, room);
        }
        let mut line = self.left;
        line.pad_to(left + 2);
        line.and(Ink::Faint, self.place)
    }
}

fn heading(section: &Section, number: usize) -> Row {
    let left = Line::default()
        .and(Ink::Layer(number), section.kind.title)
        .and(Ink::Faint, format!("  {} ({})", counted(section.range.len()), section.kind.source));
    Row { left, place: place(&section.range) }
}

/// `1 byte`, `20 bytes`.
pub(super) fn counted(bytes: usize) -> String {
    format!("{bytes} byte{}", if bytes == 1 { "" } else { "s" })
}

/// `14-33`: both ends included.
pub(super) fn place(range: &Range<usize>) -> String {
    match range.len() {
        0 => String::new(),
        1 => range.start.to_string(),
        _ => format!("{}-{}", range.start, range.end - 1),
    }
}

fn branches(
    packet: &Dissection,
    section: &Section,
    number: usize,
    depth: usize,
    width: usize,
    rows: &mut Vec<Row>,
) {
    let names = section.fields.iter().map(|seen| columns(seen.field.name)).max().unwrap_or(0);
    let indent = "  ".repeat(depth);
    for seen in &section.fields {
        let mut left = Line::from(indent.clone());
        left.push(if seen.origin == Origin::Set { Ink::Strong } else { Ink::Plain }, seen.field.name);
        left.pad_to(indent.len() + names);
        left.push(Ink::Plain, " = ");
        content(seen, &mut left);
        rows.push(Row { left, place: seen_place(packet, seen) });
        let names = seen.inner.iter().map(|inner| columns(inner.kind.name)).max().unwrap_or(0);
        for inner in &seen.inner {
            twig(packet, (inner, names), number, depth + 1, width, rows);
        }
    }
    if let Some(note) = &section.note {
        rows.push(Row {
            left: Line::from(indent).and(Ink::Wrong, format!("! {note}")),
            place: String::new(),
        });
    }
}

/// An option or a record: in one line, if that is wide enough; else as a tree of its own. `names` is the longest name in the list.
fn twig(
    packet: &Dissection,
    (section, names): (&Section, usize),
    number: usize,
    depth: usize,
    width: usize,
    rows: &mut Vec<Row>,
) {
    let mut left = Line::from("  ".repeat(depth)).and(Ink::Layer(number), section.kind.name);
    let head = left.clone();
    left.pad_to(2 * depth + names);
    for (at, seen) in section.fields.iter().enumerate() {
        left.push(Ink::Plain, format!("{}{} = ", if at == 0 { "  " } else { ", " }, seen.field.name));
        content(seen, &mut left);
    }
    let place = place(&section.range);
    let nested = section.fields.iter().any(|seen| !seen.inner.is_empty());
    if !nested && section.note.is_none() && left.width() + place.len() + 4 <= width.max(40) {
        rows.push(Row { left, place });
    } else {
        rows.push(Row { left: head, place });
        branches(packet, section, number, depth + 1, width, rows);
    }
}

/// `6 (tcp)`, `0x1234 ✗ should be 0xabcd`.
pub(super) fn content(seen: &Seen, line: &mut Line) {
    match &seen.value {
        Value::Layers(_) if !seen.inner.is_empty() => {
            line.push(Ink::Faint, counted(seen.range().len()));
        }
        plain => line.push(Ink::Plain, value(seen.field, plain)),
    }
    if let Some(meaning) = meaning(seen.field, &seen.value) {
        line.push(Ink::Faint, format!(" ({meaning})"));
    }
    if let Some(words) = verdict(seen) {
        let ink = match seen.verdict {
            Verdict::Wrong(_) => Ink::Wrong,
            Verdict::Right => Ink::Right,
            Verdict::Free | Verdict::Unknown(_) => Ink::Faint,
        };
        line.push(Ink::Plain, " ");
        line.push(ink, words);
    }
}

/// The bytes of a field; where it does not fill them, its bits in them, too: `14  0100 ....`.
fn seen_place(packet: &Dissection, seen: &Seen) -> String {
    let place = place(&seen.range());
    bits(packet, seen).map_or_else(|| place.clone(), |bits| format!("{place:<7}{bits}"))
}

/// The bits of a field that does not fill its bytes: `.... 0101`; a dot is a bit of its neighbours.
pub(super) fn bits(packet: &Dissection, seen: &Seen) -> Option<String> {
    if seen.bits.start.is_multiple_of(8) && seen.bits.end.is_multiple_of(8) {
        return None;
    }
    let bytes = seen.range();
    let bytes = bytes.start..bytes.end.min(bytes.start + 4);
    let mut text = String::new();
    for bit in bytes.start * 8..bytes.end * 8 {
        if bit % 4 == 0 && !text.is_empty() {
            text.push(' ');
        }
        let byte = packet.bytes.get(bit / 8).copied().unwrap_or(0);
        text.push(match (seen.bits.contains(&bit), byte >> (7 - bit % 8) & 1) {
            (false, _) => '.',
            (true, 0) => '0',
            (true, _) => '1',
        });
    }
    Some(text)
}
