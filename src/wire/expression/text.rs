//! Strings between quotes, read as Python and Rust write them, and written.

use std::fmt::{self, Write};

/// The beginning of a string: its quote, and whether escapes count in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quoted {
    /// Characters before the first one of the text: Python's prefixes and the quote.
    skip: usize,
    quote: char,
    raw: bool,
}

/// A mistake in a string: so many characters behind its beginning.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) at: usize,
    pub(super) width: usize,
    pub(super) what: &'static str,
}

impl Quoted {
    /// A string that begins here: `"`, `'`, `b"`, `rb'`, `u"`.
    pub(super) fn at(text: &[char]) -> Option<Self> {
        let prefix = text.iter().take(2).take_while(|c| "bBrRuU".contains(**c)).count();
        let quote = text.get(prefix).copied().filter(|c| matches!(c, '"' | '\''))?;
        let raw = text[..prefix].iter().any(|c| "rR".contains(*c));
        Some(Self { skip: prefix + 1, quote, raw })
    }

    /// Reads it to its closing quote. `\xNN` is that byte, whether or not a `b` stands in front. Gives the characters read.
    pub(super) fn read(self, text: &[char], into: &mut Vec<u8>) -> Result<usize, Wrong> {
        let mut at = self.skip;
        loop {
            let wrong = |width, what| Err(Wrong { at, width, what });
            match text.get(at) {
                None => {
                    return Err(Wrong { at: self.skip - 1, width: 1, what: "this quote is never closed" });
                }
                Some(c) if *c == self.quote => return Ok(at + 1),
                Some('\\') if !self.raw => {
                    let Some((bytes, width)) = escape(&text[at + 1..]) else {
                        return wrong(
                            2,
                            "no such escape: \\n \\r \\t \\0 \\\\ \\\" \\' \\xNN \\u{N} are known",
                        );
                    };
                    bytes.append_to(into);
                    at += 1 + width;
                }
                Some(c) => {
                    into.extend(c.encode_utf8(&mut [0; 4]).bytes());
                    at += 1;
                }
            }
        }
    }
}

/// What an escape stands for.
enum Escaped {
    Byte(u8),
    Char(char),
    Nothing,
}

impl Escaped {
    fn append_to(self, bytes: &mut Vec<u8>) {
        match self {
            Self::Byte(byte) => bytes.push(byte),
            Self::Char(c) => bytes.extend(c.encode_utf8(&mut [0; 4]).bytes()),
            Self::Nothing => {}
        }
    }
}

/// What stands behind a backslash, and its characters.
fn escape(text: &[char]) -> Option<(Escaped, usize)> {
    let number = |from: usize, most: usize, radix: u32| {
        let digits = text.get(from..)?.iter().take(most).take_while(|c| c.is_digit(radix)).count();
        let digits: String = text.get(from..from + digits)?.iter().collect();
        Some((u32::from_str_radix(&digits, radix).ok()?, digits.len()))
    };
    let byte = |byte: u8| Some((Escaped::Byte(byte), 1));
    match text.first()? {
        'n' => byte(b'\n'),
        'r' => byte(b'\r'),
        't' => byte(b'\t'),
        'a' => byte(7),
        'b' => byte(8),
        'v' => byte(11),
        'f' => byte(12),
        'e' => byte(27),
        c @ ('\\' | '"' | '\'') => Some((Escaped::Char(*c), 1)),
        '\n' => Some((Escaped::Nothing, 1)),
        'x' => match number(1, 2, 16)? {
            (value, 2) => Some((Escaped::Byte(u8::try_from(value).ok()?), 3)),
            _ => None,
        },
        '0'..='7' => {
            let (value, digits) = number(0, 3, 8)?;
            Some((Escaped::Byte(u8::try_from(value).ok()?), digits))
        }
        'u' if text.get(1) == Some(&'{') => {
            let (value, digits) = number(2, 6, 16)?;
            (text.get(2 + digits) == Some(&'}')).then_some(())?;
            Some((Escaped::Char(char::from_u32(value)?), 3 + digits))
        }
        'u' => match number(1, 4, 16)? {
            (value, 4) => Some((Escaped::Char(char::from_u32(value)?), 5)),
            _ => None,
        },
        _ => None,
    }
}

/// Bytes as a person would write them: text in quotes if they are text, `"A"*100` if they are all the same, else `hex(00 ff)`.
pub(crate) fn write(f: &mut impl Write, bytes: &[u8]) -> fmt::Result {
    /// From here on, equal bytes are counted.
    const MANY: usize = 16;
    if let [first, rest @ ..] = bytes
        && bytes.len() >= MANY
        && rest.iter().all(|byte| byte == first)
    {
        return match *first {
            byte @ (b' '..=b'!' | b'#'..=b'[' | b']'..=b'~') => {
                write!(f, "\"{}\"*{}", char::from(byte), bytes.len())
            }
            byte => write!(f, "\"\\x{byte:02x}\"*{}", bytes.len()),
        };
    }
    match str::from_utf8(bytes) {
        Ok(text) if text.chars().all(|c| matches!(c, '\n' | '\r' | '\t') || !c.is_control()) => {
            write_text(f, text)
        }
        _ => write_hex(f, bytes),
    }
}

/// `hex(00 ff)`.
pub(super) fn write_hex(f: &mut impl Write, bytes: &[u8]) -> fmt::Result {
    f.write_str("hex(")?;
    for (number, byte) in bytes.iter().enumerate() {
        let space = if number == 0 { "" } else { " " };
        write!(f, "{space}{byte:02x}")?;
    }
    f.write_str(")")
}

/// Text in quotes.
pub(crate) fn write_text(f: &mut impl Write, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            '"' | '\\' => write!(f, "\\{c}")?,
            c if c.is_control() => write!(f, "\\u{{{:x}}}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}
