//! What stands in quotes, in `hex(...)` and in `file(...)`.

use super::{MOST_BYTES, MOST_BYTES_IN_ALL, Node, Parser, Span, What};
use crate::wire::expression::ExpressionError;
use crate::wire::expression::text::Quoted;

impl Parser<'_> {
    /// What stands between brackets as it is, or in quotes.
    pub(super) fn raw(&mut self, open: usize) -> Result<String, ExpressionError> {
        self.space();
        if self.quote().is_some() {
            let start = self.at;
            let mut bytes = Vec::new();
            self.quoted(&mut bytes)?;
            self.space();
            self.unless_open(open, ')')?;
            if !self.eat(')') {
                return Err(self.here().error("`)` is missing"));
            }
            return String::from_utf8(bytes).map_err(|_| self.since(start).error("this is not text"));
        }
        let length = self.text[self.at..].iter().take_while(|c| **c != ')').count();
        let text: String = self.text[self.at..self.at + length].iter().collect();
        self.at += length;
        self.unless_open(open, ')')?;
        self.at += 1;
        Ok(text.trim().to_string())
    }

    /// What is between the brackets: `de ad be ef`, `"deadbeef"`, `0xdead`, `de:ad`.
    pub(super) fn hex(&mut self, open: usize) -> Result<Vec<u8>, ExpressionError> {
        let text = self.raw(open)?;
        let span = self.since(open);
        let digits = text.split(|c: char| c.is_whitespace() || ":,-_".contains(c));
        let digits: String = digits.map(|group| group.strip_prefix("0x").unwrap_or(group)).collect();
        if let Some(wrong) = digits.chars().find(|c| !c.is_ascii_hexdigit()) {
            return Err(span.error(format!("`{wrong}` is not a hexadecimal digit")));
        }
        if !digits.len().is_multiple_of(2) {
            return Err(span.error("two digits make a byte, and their number is odd"));
        }
        let pairs = digits.as_bytes().chunks(2);
        Ok(pairs.filter_map(|p| u8::from_str_radix(str::from_utf8(p).ok()?, 16).ok()).collect())
    }

    /// The quote that begins a string here, behind Python's prefixes.
    pub(super) fn quote(&self) -> Option<Quoted> {
        Quoted::at(&self.text[self.at..])
    }

    /// Strings side by side or joined with `+` are one; `*n` repeats it.
    pub(super) fn string(&mut self) -> Result<Node, ExpressionError> {
        let start = self.at;
        let mut bytes = Vec::new();
        loop {
            let one = bytes.len();
            self.quoted(&mut bytes)?;
            let mut end = self.at;
            self.space();
            if let Some(times) = self.times()? {
                if (bytes.len() - one).saturating_mul(times) > MOST_BYTES {
                    return Err(self
                        .since(start)
                        .error(format!("no packet holds more than {MOST_BYTES} bytes")));
                }
                let again = bytes[one..].repeat(times);
                bytes.truncate(one);
                bytes.extend(again);
                end = self.at;
                self.space();
            }
            if bytes.len() > MOST_BYTES {
                return Err(self.since(start).error(format!("no packet holds more than {MOST_BYTES} bytes")));
            }
            let plus = self.peek() == Some('+');
            self.at += usize::from(plus);
            self.space();
            if self.quote().is_none() {
                if plus {
                    return Err(self.here().error("a string is missing behind the +"));
                }
                self.at = end;
                return self.bytes_node(start, What::Text(bytes));
            }
        }
    }

    fn quoted(&mut self, into: &mut Vec<u8>) -> Result<(), ExpressionError> {
        let start = self.at;
        let Some(quoted) = self.quote() else { return Ok(()) };
        self.at += quoted.read(&self.text[start..], into).map_err(|wrong| {
            Span { start: start + wrong.at, end: start + wrong.at + wrong.width }.error(wrong.what)
        })?;
        Ok(())
    }

    pub(super) fn bytes_node(&mut self, start: usize, what: What) -> Result<Node, ExpressionError> {
        self.bytes += if let What::Text(bytes) | What::Hex(bytes) = &what { bytes.len() } else { 0 };
        if self.bytes > MOST_BYTES_IN_ALL {
            return Err(self
                .since(start)
                .error(format!("an expression holds at most {MOST_BYTES_IN_ALL} bytes")));
        }
        self.node(start, what)
    }
}
