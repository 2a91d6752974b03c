//! The packet expression: `ip(dst=192.0.2.1, ttl=3)/tcp(dport=80, flags=S)/"hello"`, and back to text.
//!
//! | file | what |
//! |---|---|
//! | `syntax/` | text to a tree of words, lists, calls, ranges |
//! | `text.rs` | strings between quotes |
//! | `meaning.rs` | the tree to layers with their fields: names are looked up in the table of layers |
//! | `value.rs` | what stands behind `field=`: numbers, names, addresses, ranges, lists, chance |
//! | `suggest.rs` | what was meant, where a name is not known |
//! | `write.rs` | a packet as an expression |
//!
//! ```
//! use sockatoo::wire::packet::Packet;
//! let packet: Packet = r#"ip(dst=192.0.2.1, ttl=1..30)/udp(dport=[53, 123])/"hello""#.parse()?;
//! assert_eq!(packet.count(), 60);
//! assert_eq!(packet.to_string(), r#"ip(ttl=1..30, dst=192.0.2.1)/udp(dport=[53, 123])/"hello""#);
//! # Ok::<(), sockatoo::wire::expression::ExpressionError>(())
//! ```
//!
//! | written | meant |
//! |---|---|
//! | `ip/tcp` | layers, the outermost first, filled in as [`Packet::build`] does |
//! | `"a\x00"`, `'a'`, `b"a"`, `"A"*100`, `hex(00 ff)`, `file(name)` | a payload, or the bytes of a field |
//! | `ttl=3`, `0x3`, `0b11`, `1_000`, `64Ki`, `1h` | numbers; k M G are thousands, Ki Mi Gi 1024s, s min h d seconds |
//! | `proto=tcp`, `dport=http`, `type=echo-request` | names of values |
//! | `flags=SA`, `flags=syn`, `flags=MF+DF`, `flags=0x12` | flags: letters or words |
//! | `1..30`, `192.0.2.1..192.0.2.9`, `192.0.2.0/28` | one packet for each, both ends included; of a network each of its addresses, as with Scapy |
//! | `[22, 80, 443]` | one packet for each |
//! | `rand`, `rand(1..100)` | drawn anew for each packet; of bytes and text: how many (`payload(rand(100))`) |
//! | `bad` | what would be filled in, made wrong |
//! | `fuzz(tcp(dport=80))` | the fields that are not set are drawn |
//! | `options=[mss(1460), nop]` | options and records: this list is one value; `[[nop], [mss(1)]]` are two |
//!
//! **Scapy's spelling** is understood, so that a line pasted from a Scapy session works. Where the two differ in what they mean:
//! - A pair `(1, 30)` is a range, as there; except as an option: `('MSS', 1460)`.
//! - `"\xff"` is that one byte in any string (Scapy makes two bytes of it without a `b` in front).
//! - `None` leaves the field to be filled in; what is filled in by default is ours (an id, a window), not Scapy's.
//! - `sr1(...)`, `send(...)` and their like, `p = ` and `.show()` are left out: an expression sends nothing.
//! - `RandString(n)` draws n bytes of any kind.
//! - A `/` behind an address and in front of a digit belongs to the address: `192.0.2.0/28`.
//!
//! Lengths, depths and counts are limited: no text costs more than some megabytes, or a deep stack.

use std::fmt;
use std::str::FromStr;

use super::packet::Packet;
use crate::base::{Errno, Error};

mod meaning;
mod suggest;
mod syntax;
mod text;
mod value;
mod write;

pub(crate) use text::{write as write_bytes, write_text};
pub(crate) use write::write_flags;

/// Characters of an expression.
const LONGEST_TEXT: usize = 1 << 20;
/// Brackets in brackets.
const DEEPEST: usize = 32;
/// Words, strings, lists, calls.
const MOST_NODES: usize = 100_000;
/// Bytes of one string: an IP packet's.
const MOST_BYTES: usize = 65_535;
/// Bytes of all strings and files.
const MOST_BYTES_IN_ALL: usize = 8 << 20;
/// Layers of a packet.
const MOST_LAYERS: usize = 64;

/// An expression that has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression {
    /// The packet, or the packets, that it describes.
    pub packet: Packet,
    /// What the reader should know: something was left out.
    pub notes: Vec<String>,
}

impl Expression {
    /// Reads an expression. `file(path)` calls `read` with the path.
    ///
    /// # Errors
    /// What is wrong, and in which column; an error of `read` at the place of its path.
    pub fn read(
        text: &str,
        read: &mut dyn FnMut(&str) -> Result<Vec<u8>, Error>,
    ) -> Result<Self, ExpressionError> {
        meaning::expression(&syntax::tree(text)?, read)
    }
}

/// What is wrong with an expression, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpressionError {
    /// The column of the first wrong character, from 0.
    pub column: usize,
    /// How many characters are wrong.
    pub width: usize,
    /// What is wrong: `ttl is 0..255`.
    pub what: String,
    /// What was meant, or may be written here: `did you mean tcp?`.
    pub hint: Option<String>,
}

impl ExpressionError {
    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    fn maybe(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }
}

impl fmt::Display for ExpressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {}: {}", self.column + 1, self.what)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, " ({hint})"))
    }
}

impl std::error::Error for ExpressionError {}

impl FromStr for Packet {
    type Err = ExpressionError;

    /// Reads an expression without files: see [`Expression::read`].
    fn from_str(text: &str) -> Result<Self, ExpressionError> {
        let no_files = &mut |_: &str| Err(Errno::EPERM.with("no files are read here: write the bytes"));
        Ok(Expression::read(text, no_files)?.packet)
    }
}

#[cfg(test)]
mod tests;
