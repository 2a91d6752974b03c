//! Every byte of a packet: which field it is, what it says, and where it comes from.

use super::line::{Ink, Line, columns, crop, wrap};
use super::origin::origin;
use super::tree::{bits, content, counted, place};
use crate::wire::packet::{Dissection, Origin, Section, Seen};

/// Bytes in a row.
const ROW: usize = 6;
/// Rows of a long field; what is left out is counted.
const ROWS: usize = 6;
/// Where a row's bytes stand, its field, and the sentence about it.
const BYTES: usize = 7;
const FIELD: usize = BYTES + 21;

/// A table in at most `width` columns with a row for each field: offset, bytes (bits, where it does not fill them), name and
/// value, and a sentence: what it is for, and where its value comes from (set, a default, worked out by which rule).
pub fn explain(packet: &Dissection, width: usize) -> Vec<Line> {
    let mut table = Table { packet, width: width.max(72), lines: Vec::new() };
    for (number, section) in packet.sections.iter().enumerate() {
        if number > 0 {
            table.lines.push(Line::default());
        }
        let heading = format!(
            "  {} from {}, {}",
            counted(section.range.len()),
            section.range.start,
            section.kind.source
        );
        table
            .lines
            .push(Line::default().and(Ink::Layer(number), section.kind.title).and(Ink::Faint, heading));
        let behind = packet.sections.get(number + 1..).unwrap_or_default();
        table.section(section, behind, number, "");
    }
    table.lines
}

struct Table<'a> {
    packet: &'a Dissection,
    width: usize,
    lines: Vec<Line>,
}

impl Table<'_> {
    /// A layer's fields; with bytes between and behind them that no field claims.
    fn section(&mut self, section: &Section, behind: &[Section], number: usize, before: &str) {
        let mut told = section.range.start;
        for seen in &section.fields {
            let range = seen.range();
            self.unclaimed(told..range.start, number);
            told = told.max(range.end);
            if seen.inner.is_empty() {
                self.field(section, behind, seen, number, before);
                continue;
            }
            let mut inside = range.start;
            for inner in &seen.inner {
                self.unclaimed(inside..inner.range.start, number);
                inside = inside.max(inner.range.end);
                self.section(inner, &[], number, &format!("{before}{}.", inner.kind.name));
            }
            self.unclaimed(inside..range.end, number);
        }
        self.unclaimed(told..section.range.end, number);
        if let Some(note) = &section.note {
            self.lines.push(Line::from(" ".repeat(FIELD)).and(Ink::Wrong, format!("! {note}")));
        }
    }

    fn field(&mut self, section: &Section, behind: &[Section], seen: &Seen, number: usize, before: &str) {
        let mut what = Line::default();
        content(seen, &mut what);
        let bytes = match bits(self.packet, seen) {
            Some(bits) if columns(&bits) < FIELD - BYTES => vec![bits],
            _ => self.bytes(&seen.range()),
        };
        let origin = origin(self.packet, section, behind, seen);
        let about = seen.field.about;
        let between = if about.is_empty() || origin.is_empty() { "" } else { "; " };
        let name = format!("{before}{} = {what}", seen.field.name);
        let ink = if seen.origin == Origin::Set { Ink::Strong } else { Ink::Plain };
        self.row(seen.range().start, number, bytes, (ink, &name), &format!("{about}{between}{origin}"));
    }

    /// Bytes that belong to no field.
    fn unclaimed(&mut self, range: std::ops::Range<usize>, number: usize) {
        if range.start < range.end {
            let bytes = self.bytes(&range);
            self.row(
                range.start,
                number,
                bytes,
                (Ink::Wrong, "(no field)"),
                &format!("bytes {}", place(&range)),
            );
        }
    }

    fn bytes(&self, range: &std::ops::Range<usize>) -> Vec<String> {
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
    fn row(
        &mut self,
        offset: usize,
        number: usize,
        bytes: Vec<String>,
        (ink, field): (Ink, &str),
        about: &str,
    ) {
        let third = FIELD + (self.width - FIELD) * 2 / 5;
        let room = third - FIELD - 2;
        let field = wrap(&crop(field, room * ROWS), room);
        let about = wrap(about, self.width - third);
        let high = bytes.len().max(field.len()).max(about.len());
        for at in 0..high {
            let mut line = Line::default();
            if at == 0 && !bytes.is_empty() {
                line.push(Ink::Faint, format!("{offset:>5}"));
            }
            for (column, ink, cells) in
                [(BYTES, Ink::Layer(number), &bytes), (FIELD, ink, &field), (third, Ink::Plain, &about)]
            {
                if let Some(cell) = cells.get(at).filter(|cell| !cell.is_empty()) {
                    line.pad_to(column);
                    line.push(ink, cell);
                }
            }
            self.lines.push(line);
        }
    }
}
