//! The bytes of a packet in lines, each with what is in it.

use crate::wire::packet::{Dissection, Section, Seen};
use crate::wire::show::{meaning, value};

/// Bytes of a line.
const LINE: usize = 12;
/// Characters of a comment.
const COMMENT: usize = 72;

/// A line of a program.
pub(super) enum Row<'a> {
    /// Here begins a layer.
    Layer(String),
    /// Some bytes, and what they are.
    Bytes(&'a [u8], String),
}

/// The rows of a packet: whole fields where they fit into a line, fields within one byte together.
pub(super) fn rows(packet: &Dissection) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    let mut at = 0;
    for section in &packet.sections {
        rows.push(Row::Layer(comment(&format!("{}, {}", section.kind.title, section.kind.source))));
        for (end, text) in fields(section) {
            push(&mut rows, packet, &mut at, end, &text);
        }
        push(&mut rows, packet, &mut at, section.range.end, "padding");
    }
    push(&mut rows, packet, &mut at, packet.bytes.len(), "");
    rows
}

/// What ends at which byte of a layer.
fn fields(section: &Section) -> Vec<(usize, String)> {
    let mut fields: Vec<(usize, String)> = Vec::new();
    let mut open = String::new();
    for seen in &section.fields {
        if !seen.inner.is_empty() {
            fields.extend(seen.inner.iter().map(|inner| {
                let named: Vec<_> = inner.fields.iter().map(said).collect();
                (inner.range.end, format!("{}: {}", inner.kind.name, named.join(", ")))
            }));
            continue;
        }
        if seen.bits.is_empty() {
            continue;
        }
        if !open.is_empty() {
            open.push_str(", ");
        }
        open.push_str(&said(seen));
        // A byte that belongs to two fields stands in one line with both.
        if seen.bits.end.is_multiple_of(8) {
            fields.push((seen.bits.end / 8, std::mem::take(&mut open)));
        }
    }
    fields
}

/// `proto = 6 (tcp)`.
fn said(seen: &Seen) -> String {
    let meaning = meaning(seen.field, &seen.value).map(|meaning| format!(" ({meaning})"));
    format!("{} = {}{}", seen.field.name, value(seen.field, &seen.value), meaning.unwrap_or_default())
}

/// The bytes up to `end`, in as many lines as they take; the comment stands on the first.
fn push<'a>(rows: &mut Vec<Row<'a>>, packet: &'a Dissection, at: &mut usize, end: usize, text: &str) {
    let Some(bytes) = packet.bytes.get(*at..end) else { return };
    for (number, line) in bytes.chunks(LINE).enumerate() {
        rows.push(Row::Bytes(line, if number == 0 { comment(text) } else { String::new() }));
    }
    *at = (*at).max(end);
}

/// A text that ends no comment, of any language: one line, and no backslash at its end (C goes on behind one).
pub(super) fn comment(text: &str) -> String {
    let mut line: String = text.chars().map(|c| if c.is_control() { '.' } else { c }).collect();
    if let Some((end, _)) = line.char_indices().nth(COMMENT) {
        line.truncate(end);
        line.push_str("...");
    }
    line.trim_end_matches(['\\', '?', '/', ' ']).to_string()
}
