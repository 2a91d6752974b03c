//! Every byte of a packet: which field it is, what it says, and where it comes from.

use std::ops::Range;

use super::line::{Ink, Line, columns, crop, wrap};
use super::origin::{origin, rule};
use super::tree::{bits, content, counted};
use crate::wire::packet::{Dissection, Origin, Section, Seen};

/// Bytes in a row.
const ROW: usize = 6;
/// Rows of a long field; what is left out is counted.
const ROWS: usize = 6;
/// Where a row's bytes stand, and its field.
const BYTES: usize = 7;
const FIELD: usize = BYTES + 21;
/// How wide the column is that says where a value comes from.
const ORIGIN: usize = 10;

/// A table in at most `width` columns with a row for each field: offset, bytes (bits, where it does not fill them), name and
/// value; of a packet that was built, where the value comes from (set by a person, a default, computed); and a sentence: what the
/// field is for, and the rule by which it is computed.
pub fn explain(packet: &Dissection, width: usize) -> Vec<Line> {
    let width = width.max(80);
    let built =
        packet.sections.iter().flat_map(|section| &section.fields).any(|seen| seen.origin != Origin::Read);
    let origin = FIELD + (width - FIELD) * 2 / 5;
    let about = if built { origin + ORIGIN } else { origin };
    let mut table = Table { packet, width, origin, about, lines: Vec::new() };
    table.head();
    for (number, section) in packet.sections.iter().enumerate() {
        let heading = format!(
            "  {} from {}, {}",
            counted(section.range.len()),
            section.range.start,
            section.kind.source
        );
        let title = Line::default().and(Ink::Layer(number), section.kind.title).and(Ink::Faint, heading);
        table.lines.extend([Line::default(), title]);
        let behind = packet.sections.get(number + 1..).unwrap_or_default();
        table.section(section, behind, number, "");
    }
    table.lines
}

struct Table<'a> {
    packet: &'a Dissection,
    width: usize,
    /// Where the columns begin that say where a value comes from, and what the field is for.
    origin: usize,
    about: usize,
    lines: Vec<Line>,
}

/// What stands in a row.
struct Row<'a> {
    offset: usize,
    bytes: Vec<String>,
    /// The number of the layer.
    layer: usize,
    ink: Ink,
    field: &'a str,
    origin: &'a str,
    about: &'a str,
}

impl Table<'_> {
    fn head(&mut self) {
        let mut line = Line::default().and(Ink::Faint, "   at");
        let origin = (self.about > self.origin).then_some((self.origin, "origin"));
        let heads = [(BYTES, "bytes or bits"), (FIELD, "field = value")].into_iter().chain(origin);
        for (column, head) in heads.chain([(self.about, "what it is, and its rule")]) {
            line.pad_to(column);
            line.push(Ink::Faint, head);
        }
        self.lines.push(line);
    }

    /// A layer's fields; with bytes between and behind them that no field claims.
    fn section(&mut self, section: &Section, behind: &[Section], layer: usize, before: &str) {
        let mut told = section.range.start;
        for seen in &section.fields {
            let range = seen.range();
            self.unclaimed(told..range.start, layer);
            told = told.max(range.end);
            if seen.inner.is_empty() {
                self.field(section, behind, seen, layer, before);
                continue;
            }
            let mut inside = range.start;
            for inner in &seen.inner {
                self.unclaimed(inside..inner.range.start, layer);
                inside = inside.max(inner.range.end);
                self.section(inner, &[], layer, &format!("{before}{}.", inner.kind.name));
            }
            self.unclaimed(inside..range.end, layer);
        }
        self.unclaimed(told..section.range.end, layer);
        if let Some(note) = &section.note {
            self.lines.push(Line::from(" ".repeat(FIELD)).and(Ink::Wrong, format!("! {note}")));
        }
    }

    fn field(&mut self, section: &Section, behind: &[Section], seen: &Seen, layer: usize, before: &str) {
        let mut what = Line::default();
        content(seen, &mut what);
        let bytes = match bits(self.packet, seen) {
            Some(bits) if columns(&bits) < FIELD - BYTES => vec![bits],
            _ => self.bytes(&seen.range()),
        };
        let rule = rule(self.packet, section, behind, seen);
        let between = if seen.field.about.is_empty() || rule.is_empty() { "" } else { "; " };
        self.row(&Row {
            offset: seen.range().start,
            bytes,
            layer,
            ink: if seen.origin == Origin::Set { Ink::Strong } else { Ink::Plain },
            field: &format!("{before}{} = {what}", seen.field.name),
            origin: origin(seen),
            about: &format!("{}{between}{rule}", seen.field.about),
        });
    }

    /// Bytes that belong to no field: zeros fill up to a whole word.
    fn unclaimed(&mut self, range: Range<usize>, layer: usize) {
        if range.start < range.end {
            let zeros =
                self.packet.bytes.get(range.clone()).is_some_and(|all| all.iter().all(|byte| *byte == 0));
            let (ink, field) = if zeros { (Ink::Faint, "(padding)") } else { (Ink::Wrong, "(no field)") };
            let (offset, bytes) = (range.start, self.bytes(&range));
            self.row(&Row { offset, bytes, layer, ink, field, origin: "", about: "belongs to no field" });
        }
    }

    fn bytes(&self, range: &Range<usize>) -> Vec<String> {
        let end = range.end.min(self.packet.bytes.len());
        let all = self.packet.bytes.get(range.start..end).unwrap_or_default();
        let hex = |row: &[u8]| row.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
        let mut rows: Vec<_> = all.chunks(ROW).take(ROWS).map(hex).collect();
        let left = all.len().saturating_sub(ROW * ROWS);
        if left > 0 {
            rows.push(format!("… {left} more"));
        }
        rows
    }

    /// A row of the table, as high as its highest cell.
    fn row(&mut self, row: &Row<'_>) {
        let room = self.origin - FIELD - 2;
        let field = wrap(&crop(row.field, room * ROWS), room);
        let about = wrap(row.about, self.width - self.about);
        let origin = if self.about > self.origin { vec![row.origin.to_string()] } else { Vec::new() };
        for at in 0..row.bytes.len().max(field.len()).max(about.len()) {
            let mut line = Line::default();
            if at == 0 && !row.bytes.is_empty() {
                line.push(Ink::Faint, format!("{:>5}", row.offset));
            }
            for (column, ink, cells) in [
                (BYTES, Ink::Layer(row.layer), &row.bytes),
                (FIELD, row.ink, &field),
                (self.origin, row.ink, &origin),
                (self.about, Ink::Plain, &about),
            ] {
                if let Some(cell) = cells.get(at).filter(|cell| !cell.is_empty()) {
                    line.pad_to(column);
                    line.push(ink, cell);
                }
            }
            self.lines.push(line);
        }
    }
}
