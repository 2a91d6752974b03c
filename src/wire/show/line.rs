//! Lines of text whose parts say what they are, so that whoever prints them can colour them. No escape sequence is made here.

use std::fmt;

/// A line for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Its parts, one behind the other.
    pub spans: Vec<Span>,
}

/// A part of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// What stands there: no line break and no control character.
    pub text: String,
    /// What it is.
    pub ink: Ink,
}

/// What a part of a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// Text.
    Plain,
    /// It belongs to the layer of this number, from 0.
    Layer(usize),
    /// It leads the eye, and can be done without.
    Faint,
    /// What a person has set.
    Strong,
    /// Something is right.
    Right,
    /// Something is wrong.
    Wrong,
}

impl Line {
    /// The line with a part behind it.
    pub fn and(mut self, ink: Ink, text: impl Into<String>) -> Self {
        self.push(ink, text);
        self
    }

    /// Adds a part.
    pub fn push(&mut self, ink: Ink, text: impl Into<String>) {
        let text = text.into();
        match self.spans.last_mut() {
            Some(last) if last.ink == ink => last.text += &text,
            _ if text.is_empty() => {}
            _ => self.spans.push(Span { text, ink }),
        }
    }

    /// Adds spaces up to a column.
    pub(super) fn pad_to(&mut self, column: usize) {
        self.push(Ink::Plain, " ".repeat(column.saturating_sub(self.width())));
    }

    /// Columns of a terminal that it takes.
    pub fn width(&self) -> usize {
        self.spans.iter().map(|span| columns(&span.text)).sum()
    }
}

impl From<String> for Line {
    fn from(text: String) -> Self {
        Self::default().and(Ink::Plain, text)
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text: String = self.spans.iter().map(|span| span.text.as_str()).collect();
        f.write_str(text.trim_end())
    }
}

/// Columns of a terminal that a text takes.
pub(super) fn columns(text: &str) -> usize {
    text.chars().map(char_columns).sum()
}

/// Unicode Standard Annex 11, the wide blocks in whole; marks that combine take no column.
pub(super) const fn char_columns(c: char) -> usize {
    match c as u32 {
        0x300..=0x36f | 0x200b..=0x200f | 0x20d0..=0x20ff | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1f64f
        | 0x1f900..=0x1f9ff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// A text in at most so many columns; what is left out is told by `…`.
pub(super) fn crop(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_string();
    }
    let mut taken = 0;
    let mut short: String = text
        .chars()
        .take_while(|c| {
            taken += char_columns(*c);
            taken < width
        })
        .collect();
    short.push('…');
    short
}

/// A text in lines of at most so many columns, broken at spaces; a longer word is broken where the line ends.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = vec![String::new()];
    let mut taken = 0;
    for word in text.split(' ') {
        let wide = columns(word);
        if taken > 0 && taken + 1 + wide > width {
            lines.push(String::new());
            taken = 0;
        } else if taken > 0 {
            lines.last_mut().into_iter().for_each(|line| line.push(' '));
            taken += 1;
        }
        for c in word.chars() {
            if taken + char_columns(c) > width {
                lines.push(String::new());
                taken = 0;
            }
            lines.last_mut().into_iter().for_each(|line| line.push(c));
            taken += char_columns(c);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_those_of_a_terminal() {
        assert_eq!([columns("abc"), columns("包"), columns("e\u{301}")], [3, 2, 1]);
        assert_eq!(crop("hello, world", 6), "hello…");
        assert_eq!(crop("hello", 5), "hello");
        assert_eq!(crop("包包包", 4), "包…");
        assert_eq!(wrap("the sum over it", 7), ["the sum", "over it"]);
        assert_eq!(wrap("2001:db8::1", 4), ["2001", ":db8", "::1"]);
        assert_eq!(wrap("", 4), [""]);
    }

    #[test]
    fn parts_of_one_kind_are_one_part() {
        let mut line = Line::default().and(Ink::Faint, "a").and(Ink::Faint, "b").and(Ink::Plain, "");
        line.pad_to(4);
        assert_eq!((line.spans.len(), line.width(), line.to_string().as_str()), (2, 4, "ab"));
    }
}
