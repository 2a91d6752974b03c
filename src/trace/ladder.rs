//! A recording as a time-sequence diagram in text: a column for each party, an arrow for each frame.
//!
//! recording -> [`Parties`] (the columns) -> rows.rs (a row per frame, in words; flow.rs knows what is a retransmission)
//! -> fold.rs (long runs in one line) -> drawn here.

use std::fmt;
use std::net::IpAddr;

use super::fold::{Line, fold, span};
use super::parties::{Parties, To};
use super::recording::Recorded;
use super::rows::{Row, Tone, rows};
use crate::base::Instant;
use crate::wire::Dissected;

/// A ladder diagram. `Display` draws it:
///
/// ```
/// use sockatoo::trace::{Ladder, Recording};
/// let recording = Recording::default();
/// // ... a host records ...
/// println!("{}", Ladder::of(&recording.frames()).width(80));
/// ```
#[derive(Clone, Debug)]
pub struct Ladder {
    heads: Vec<Vec<String>>,
    addresses: Vec<Vec<IpAddr>>,
    lines: Vec<Line>,
    start: Instant,
    width: usize,
    colour: bool,
}

/// Columns of the time.
const TIME: usize = 10;
/// Between the time and the first column.
const GAP: usize = 2;
/// Rows that are drawn at most.
const LIMIT: usize = 400;

impl Ladder {
    /// The ladder of a recording, in its order.
    pub fn of(frames: &[Recorded]) -> Self {
        let taken: Vec<_> = frames.iter().map(|r| (r, Dissected::of(r.link, &r.bytes))).collect();
        let parties = Parties::of_all(&taken);
        let addresses: Vec<_> = (0..parties.len()).map(|column| parties.addresses(column)).collect();
        let heads = (0..parties.len()).map(|column| head(&parties, column)).collect();
        let start = frames.first().map_or(Instant::ZERO, |r| r.time);
        let lines = fold(rows(&taken, &parties), LIMIT);
        Self { heads, addresses, lines, start, width: 100, colour: false }
    }

    /// The largest width in characters (100 if not said; at least 60).
    #[must_use]
    pub fn width(mut self, width: usize) -> Self {
        self.width = width.max(60);
        self
    }

    /// With ANSI colours.
    #[must_use]
    pub fn colour(mut self, colour: bool) -> Self {
        self.colour = colour;
        self
    }

    /// Writes `name` above the column of the party that uses `address`.
    #[must_use]
    pub fn name(mut self, address: impl Into<IpAddr>, name: &str) -> Self {
        let address = address.into();
        for (head, addresses) in self.heads.iter_mut().zip(&self.addresses) {
            if addresses.contains(&address) {
                head.insert(0, name.into());
            }
        }
        self
    }

    /// Where the columns stand, counted from the first one.
    fn columns(&self) -> Vec<usize> {
        let gaps = self.heads.len().saturating_sub(1).max(1);
        let room = self.width - TIME - GAP - 1;
        let wanted = self.lines.iter().filter_map(|l| if let Line::Row(row) = l { Some(row) } else { None });
        let longest = wanted.map(|row| length(&said(row)) + 10).max().unwrap_or(0);
        let heads: usize =
            self.heads.iter().map(|h| h.iter().map(|t| length(t)).max().unwrap_or(0) + 2).sum();
        let step = (longest.max(30).max(heads.div_ceil(gaps))).min(room / gaps);
        (0..=gaps).map(|n| n * step).collect()
    }

    fn paint(&self, tone: &str, text: &str) -> String {
        if self.colour && !tone.is_empty() { format!("\x1b[{tone}m{text}\x1b[0m") } else { text.into() }
    }
}

/// What stands above a column: at most two addresses, and the station if there is room for nothing better.
fn head(parties: &Parties, column: usize) -> Vec<String> {
    let addresses = parties.addresses(column);
    if parties.by_port() || addresses.is_empty() {
        return vec![parties.name(column)];
    }
    let mut lines: Vec<_> = addresses.iter().take(2).map(ToString::to_string).collect();
    if addresses.len() > 2 {
        lines.push(format!("and {} more", addresses.len() - 2));
    }
    lines
}

fn length(text: &str) -> usize {
    text.chars().count()
}

fn said(row: &Row) -> String {
    match &row.mark {
        Some(mark) => format!("{} [{mark}]", row.text),
        None => row.text.clone(),
    }
}

/// `text` in at most `room` characters.
fn cut(text: &str, room: usize) -> String {
    if length(text) <= room {
        return text.into();
    }
    text.chars().take(room.saturating_sub(1)).chain(['…']).collect()
}

/// Writes `text`, cut to `room` characters, into the cells; `start` says where, for its length.
fn place(
    cells: &mut [char],
    text: &str,
    room: usize,
    start: impl Fn(usize) -> usize,
) -> std::ops::Range<usize> {
    let text = cut(text, room);
    let start = start(length(&text));
    let end = (start + length(&text)).min(cells.len());
    for (cell, c) in cells[start..end].iter_mut().zip(text.chars()) {
        *cell = c;
    }
    start..end
}

impl fmt::Display for Ladder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.columns();
        self.draw_heads(f, &columns)?;
        for line in &self.lines {
            match line {
                Line::Row(row) => self.draw(f, row, &columns)?,
                Line::Folded(words) => self.note(f, words, &columns)?,
                Line::Pause(silence) => self.note(f, &format!("{} pass", span(*silence)), &columns)?,
            }
        }
        Ok(())
    }
}

impl Ladder {
    /// The first head begins at its column, the last one ends at its own, those between are centred.
    fn draw_heads(&self, f: &mut fmt::Formatter<'_>, columns: &[usize]) -> fmt::Result {
        let lines = self.heads.iter().map(Vec::len).max().unwrap_or(0);
        let last = columns.len() - 1;
        for n in 0..lines {
            let mut text = String::new();
            for (column, head) in self.heads.iter().enumerate() {
                // Heads stand on the ground: a short one leaves its upper lines empty.
                let Some(word) = (n + head.len()).checked_sub(lines).and_then(|i| head.get(i)) else {
                    continue;
                };
                let at = columns[column];
                let start = match column {
                    0 => at,
                    c if c == last => (at + 1).saturating_sub(length(word)),
                    _ => at.saturating_sub(length(word) / 2),
                };
                let pad = start.saturating_sub(length(&text)).max(usize::from(!text.is_empty()));
                text.extend(std::iter::repeat_n(' ', pad));
                text += word;
            }
            let text = self.paint("1", &text);
            writeln!(f, "{}{text}", " ".repeat(TIME + GAP))?;
        }
        Ok(())
    }

    fn draw(&self, f: &mut fmt::Formatter<'_>, row: &Row, columns: &[usize]) -> fmt::Result {
        let last = columns.len() - 1;
        let from = row.from.min(last);
        let to = match row.to {
            To::Column(to) => to.min(last),
            To::All if from == last => 0,
            To::All => last,
        };
        let mut cells = vec![' '; columns[last] + 1];
        for at in columns {
            cells[*at] = '│';
        }
        let words = if from == to {
            let at = columns[from];
            let room = columns[1] - columns[0] - 4;
            let words =
                place(&mut cells, &said(row), room, |len| if from == last { at - len - 3 } else { at + 3 });
            cells[if from == last { at - 2 } else { at + 1 }] = '⟲';
            words
        } else {
            let (left, right) = (columns[from.min(to)], columns[from.max(to)]);
            cells[left + 1..right].fill('─');
            cells[if from < to { right - 1 } else { left + 1 }] = if from < to { '►' } else { '◄' };
            // The words stand near the one who says them.
            let room = right - left - 6;
            place(&mut cells, &format!(" {} ", said(row)), room, |len| {
                if from < to { left + 2 } else { right - 1 - len }
            })
        };
        let tone = match row.tone {
            Tone::Plain => "",
            Tone::Quiet => "2",
            Tone::Turn => "32",
            Tone::Alarm => "31",
        };
        let text = |range: std::ops::Range<usize>| cells[range].iter().collect::<String>();
        let time = format!("{:>TIME$.6}", row.time.since(self.start).as_secs_f64());
        write!(f, "{}{}{}", self.paint("2", &time), " ".repeat(GAP), text(0..words.start))?;
        writeln!(f, "{}{}", self.paint(tone, &text(words.clone())), text(words.end..cells.len()))
    }

    /// A line between the arrows.
    fn note(&self, f: &mut fmt::Formatter<'_>, words: &str, columns: &[usize]) -> fmt::Result {
        let (first, last) = (0, columns[columns.len() - 1]);
        let room = last - first - 1;
        let words = cut(words, room.saturating_sub(2));
        let left = (room - length(&words)) / 2;
        let right = room - length(&words) - left;
        let words = self.paint("36", &words);
        writeln!(f, "{}┊{}{words}{}┊", " ".repeat(TIME + GAP), " ".repeat(left), " ".repeat(right))
    }
}

#[cfg(test)]
mod tests;
