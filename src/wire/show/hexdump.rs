//! Bytes in hexadecimal, with the layers that they belong to.

use super::line::{Ink, Line, columns};
use crate::wire::packet::Dissection;

/// Bytes in a row.
const ROW: usize = 16;
/// Where the first byte of a row stands.
const LEFT: usize = 6;

/// Sixteen bytes in a row: offset, hexadecimal, text. Under a row in which a layer begins stands a bracket with its name.
pub fn hexdump(packet: &Dissection) -> Vec<Line> {
    let owners = owners(packet);
    let mut lines = Vec::new();
    for (row, bytes) in packet.bytes.chunks(ROW).enumerate() {
        let offset = row * ROW;
        let owners: Vec<_> =
            (offset..offset + bytes.len()).map(|at| owners.get(at).copied().flatten()).collect();
        lines.push(row_of(offset, bytes, &owners));
        let here = offset..offset + bytes.len();
        if packet.sections.iter().any(|s| here.contains(&s.range.start) && !s.range.is_empty()) {
            lines.push(brackets(packet, offset, &owners));
        }
    }
    lines
}

/// The number of the layer that each byte belongs to.
fn owners(packet: &Dissection) -> Vec<Option<usize>> {
    let mut owners = vec![None; packet.bytes.len()];
    for (number, section) in packet.sections.iter().enumerate() {
        let end = section.range.end.min(owners.len());
        if let Some(own) = owners.get_mut(section.range.start..end) {
            own.fill(Some(number));
        }
    }
    owners
}

/// Where the hexadecimal of a row's byte begins: a gap parts the halves.
const fn column(byte: usize) -> usize {
    LEFT + byte * 3 + (byte >= ROW / 2) as usize
}

fn row_of(offset: usize, bytes: &[u8], owners: &[Option<usize>]) -> Line {
    let ink = |at: usize| owners.get(at).copied().flatten().map_or(Ink::Plain, Ink::Layer);
    let mut line = Line::default().and(Ink::Faint, format!("{offset:04x}"));
    for (at, byte) in bytes.iter().enumerate() {
        line.pad_to(column(at));
        line.push(ink(at), format!("{byte:02x}"));
    }
    line.pad_to(column(ROW) + 1);
    for (at, byte) in bytes.iter().enumerate() {
        line.push(ink(at), readable(*byte).to_string());
    }
    line
}

/// A byte as a letter, or a dot.
pub(super) fn readable(byte: u8) -> char {
    if matches!(byte, b' '..=b'~') { char::from(byte) } else { '.' }
}

/// `─ ether ───┘ └─ ip ───`: one bracket for each layer of a row. A name that finds no room in its bracket stands at the right.
fn brackets(packet: &Dissection, offset: usize, owners: &[Option<usize>]) -> Line {
    let mut line = Line::default();
    let mut homeless = Vec::new();
    let mut at = 0;
    for run in owners.chunk_by(|a, b| a == b) {
        let (first, last) = (at, at + run.len() - 1);
        at += run.len();
        let Some((number, section)) = run[0].and_then(|n| Some((n, packet.sections.get(n)?))) else {
            continue;
        };
        let begins = section.range.start >= offset;
        let begin = if begins { '└' } else { '─' };
        let end = if section.range.end <= offset + at { '┘' } else { '─' };
        let name = section.kind.name;
        let inside = column(last) + 2 - column(first) - 2;
        let label = match inside.checked_sub(columns(name)) {
            None => {
                homeless.extend(begins.then_some((number, name)));
                "─".repeat(inside)
            }
            Some(0) => name.into(),
            Some(1) => format!("{name}─"),
            Some(room @ 2..=3) => format!(" {name} {}", "─".repeat(room - 2)),
            Some(room) => format!("─ {name} {}", "─".repeat(room - 3)),
        };
        line.pad_to(column(first));
        line.push(Ink::Layer(number), format!("{begin}{label}{end}"));
    }
    line.pad_to(column(ROW) + 1);
    for (number, name) in homeless {
        line.push(Ink::Layer(number), format!("└ {name} "));
    }
    line
}
