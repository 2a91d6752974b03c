//! An expression's text in words: the longest match wins, as in libpcap's scanner.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::FilterError;
use super::words::{CONSTANTS, Keyword, keyword};

/// Characters of an expression, at most.
const LONGEST: usize = 64 << 10;
/// Words of an expression, at most.
const MOST: usize = 8192;

/// A word of an expression and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) span: Span,
}

/// Where something stands: the column of its first character, from 0, and how many characters it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) column: usize,
    pub(super) width: usize,
}

impl Span {
    /// From the beginning of this to the end of the other.
    pub(super) fn to(self, end: Self) -> Self {
        Self { column: self.column, width: (end.column + end.width).saturating_sub(self.column) }
    }

    pub(super) fn error(self, what: impl Into<String>) -> FilterError {
        FilterError { column: self.column, width: self.width, what: what.into(), hint: None }
    }

    pub(super) fn hint(self, what: impl Into<String>, hint: impl Into<String>) -> FilterError {
        FilterError { hint: Some(hint.into()), ..self.error(what) }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Keyword(Keyword),
    Number(u32),
    /// One to four numbers with dots: the address, and how many bits of it are written.
    Address(Ipv4Addr, u32),
    Address6(Ipv6Addr),
    Mac([u8; 6]),
    /// A name: of a host, a port, a protocol.
    Name(String),
    /// `+ - * / % & | ^ << >> = > < >= <= != ! ( ) [ ] :`
    Sign(&'static str),
}

/// Two characters before one: the longest wins. `==` is `=`, `&&` and `||` are words.
const SIGNS: &[(&str, &str)] = &[
    ("==", "="),
    (">=", ">="),
    ("<=", "<="),
    ("!=", "!="),
    ("<<", "<<"),
    (">>", ">>"),
    ("+", "+"),
    ("-", "-"),
    ("*", "*"),
    ("/", "/"),
    ("%", "%"),
    (":", ":"),
    ("[", "["),
    ("]", "]"),
    ("!", "!"),
    ("<", "<"),
    (">", ">"),
    ("(", "("),
    (")", ")"),
    ("&", "&"),
    ("|", "|"),
    ("^", "^"),
    ("=", "="),
];

/// Takes an expression apart.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, FilterError> {
    if text.len() > LONGEST {
        return Err(Span::default().error("the filter is longer than 65,536 characters"));
    }
    let mut tokens = Vec::new();
    // In characters, as a person counts columns.
    let (mut rest, mut column) = (text, 0);
    loop {
        let trimmed = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        column += rest.len() - trimmed.len();
        rest = trimmed;
        if rest.is_empty() {
            return Ok(tokens);
        }
        let (kind, width) = next(rest, column)?;
        let (word, behind) = rest.split_at_checked(width).unwrap_or((rest, ""));
        let span = Span { column, width: word.chars().count() };
        column += span.width;
        rest = behind;
        tokens.push(Token { kind, span });
        if tokens.len() > MOST {
            return Err(span.error("the filter has more than 8192 words"));
        }
    }
}

/// The next word and its length in bytes; `text` begins with no space.
fn next(text: &str, column: usize) -> Result<(Kind, usize), FilterError> {
    if let Some(behind) = text.strip_prefix('\\') {
        let end = behind.find([' ', '!', '(', ')', '\n', '\t']).unwrap_or(behind.len());
        if end > 0 {
            return Ok((
                Kind::Name(behind.chars().take_while(|c| !" !()\n\t".contains(*c)).collect()),
                end + 1,
            ));
        }
    }
    let word = word_length(text);
    let span = |width| Span { column, width };
    // In the order in which libpcap prefers them when they are equally long.
    let mac = mac(text);
    let digits = number_length(text);
    let dotted = dotted_length(text);
    let six = address6(text);
    let longest =
        [word, mac.map_or(0, |(_, n)| n), digits, dotted, six.map_or(0, |(_, n)| n)].into_iter().max();
    let longest = longest.unwrap_or(0);
    if longest == 0 {
        for (sign, kind) in SIGNS.iter().map(|(sign, name)| (*sign, Kind::Sign(name))) {
            if text.starts_with("&&") || text.starts_with("||") {
                let word = if text.starts_with('&') { Keyword::And } else { Keyword::Or };
                return Ok((Kind::Keyword(word), 2));
            }
            if text.starts_with(sign) {
                return Ok((kind, sign.len()));
            }
        }
        let found = text.chars().next().unwrap_or(' ');
        return Err(span(1).error(format!("`{found}` has no meaning here")));
    }
    let found = text.get(..longest).unwrap_or(text);
    if word == longest
        && let Some(word) = keyword(found)
    {
        return Ok((Kind::Keyword(word), longest));
    }
    if let Some((mac, n)) = mac
        && n == longest
    {
        return Ok((Kind::Mac(mac), longest));
    }
    if digits == longest {
        return Ok((Kind::Number(number(found).map_err(|what| span(longest).error(what))?), longest));
    }
    if dotted == longest {
        let (address, bits) = dotted_address(found).ok_or_else(|| {
            span(longest).error(format!("`{found}` is no IPv4 address: each part is 0 to 255"))
        })?;
        return Ok((Kind::Address(address, bits), longest));
    }
    if let Some((address, n)) = six
        && n == longest
    {
        return Ok((Kind::Address6(address), longest));
    }
    if let Some((_, value)) = CONSTANTS.iter().find(|(name, _)| *name == found) {
        return Ok((Kind::Number(*value), longest));
    }
    Ok((Kind::Name(found.to_string()), longest))
}

/// Letters and digits, with `-`, `_` and `.` between them (at the end only a dot).
fn word_length(text: &str) -> usize {
    if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return 0;
    }
    let run = text.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).unwrap_or(text.len());
    text.get(..run).unwrap_or_default().trim_end_matches(['-', '_']).len()
}

/// Decimal digits, or `0x` and hexadecimal ones.
fn number_length(text: &str) -> usize {
    let run = |text: &str, hex: bool| {
        let digit = |c: char| if hex { c.is_ascii_hexdigit() } else { c.is_ascii_digit() };
        text.find(|c: char| !digit(c)).unwrap_or(text.len())
    };
    let prefixed = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    match prefixed.map(|digits| run(digits, true)) {
        Some(digits @ 1..) => digits + 2,
        _ => run(text, false),
    }
}

/// Two to four numbers with dots between them.
fn dotted_length(text: &str) -> usize {
    let (mut length, mut parts) = (number_length(text), 1);
    while parts < 4 && length > 0 {
        let behind = text.get(length..).and_then(|rest| rest.strip_prefix('.')).map_or(0, number_length);
        if behind == 0 {
            break;
        }
        length += 1 + behind;
        parts += 1;
    }
    if parts > 1 { length } else { 0 }
}

/// As C writes numbers: 0x..., 0..., decimal.
fn number(text: &str) -> Result<u32, String> {
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let (digits, radix, name) = match hex {
        Some(hex) => (hex, 16, "hexadecimal"),
        None if text.len() > 1 && text.starts_with('0') => (text, 8, "octal (it begins with 0)"),
        None => (text, 10, "decimal"),
    };
    if let Some(wrong) = digits.chars().find(|c| !c.is_digit(radix)) {
        return Err(format!("`{text}` is {name}, and `{wrong}` is no digit of that"));
    }
    u32::from_str_radix(digits, radix).map_err(|_| format!("`{text}` is larger than 32 bits"))
}

/// The bytes that are written, and how many bits they are; `192.0.2` is 24.
fn dotted_address(text: &str) -> Option<(Ipv4Addr, u32)> {
    let parts: Vec<u8> = text
        .split('.')
        .map(|part| part.parse().ok().filter(|_| part.bytes().all(|b| b.is_ascii_digit())))
        .collect::<Option<_>>()?;
    let mut octets = [0; 4];
    octets.get_mut(..parts.len())?.copy_from_slice(&parts);
    Some((Ipv4Addr::from(octets), 8 * u32::try_from(parts.len()).ok()?))
}

/// The longest IPv6 address at the beginning.
fn address6(text: &str) -> Option<(Ipv6Addr, usize)> {
    /// Characters of the longest one.
    const MOST: usize = 45;
    let run = text.find(|c: char| !(c.is_ascii_hexdigit() || c == ':' || c == '.')).unwrap_or(text.len());
    let run = text.get(..run.min(MOST)).filter(|run| run.contains(':'))?;
    (2..=run.len()).rev().find_map(|n| Some((run.get(..n)?.parse().ok()?, n)))
}

/// Six bytes in hexadecimal: with `:`, `-` or `.` between them, as three words with dots, or as twelve digits.
fn mac(text: &str) -> Option<([u8; 6], usize)> {
    let hex = |text: &str| text.bytes().take_while(u8::is_ascii_hexdigit).count();
    let single = |separator: char| {
        let (mut bytes, mut at) = ([0; 6], 0);
        for (index, byte) in bytes.iter_mut().enumerate() {
            if index > 0 {
                at += text.get(at..)?.starts_with(separator).then_some(1)?;
            }
            let digits = hex(text.get(at..)?).min(2);
            *byte = u8::from_str_radix(text.get(at..at + digits)?, 16).ok()?;
            at += digits;
        }
        Some((bytes, at))
    };
    let words = |separator: &str| {
        let (mut bytes, mut at) = ([0; 6], 0);
        for (index, pair) in bytes.chunks_exact_mut(2).enumerate() {
            if index > 0 {
                at += text.get(at..)?.starts_with(separator).then_some(separator.len())?;
            }
            let word = text.get(at..at + 4).filter(|word| hex(word) == 4)?;
            pair.copy_from_slice(&u16::from_str_radix(word, 16).ok()?.to_be_bytes());
            at += 4;
        }
        Some((bytes, at))
    };
    let found = [single(':'), single('-'), single('.'), words("."), words("")];
    found.into_iter().flatten().max_by_key(|(_, length)| *length)
}
