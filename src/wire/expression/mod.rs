//! The packet expression: `ip(dst=192.0.2.1, ttl=3)/tcp(dport=80, flags=S)/"hello"`, also as Scapy writes it.

use std::fmt;
use std::str::FromStr;

use super::packet::Packet;

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

impl fmt::Display for ExpressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {}: {}", self.column + 1, self.what)
    }
}

impl std::error::Error for ExpressionError {}

impl FromStr for Packet {
    type Err = ExpressionError;
    fn from_str(_text: &str) -> Result<Self, ExpressionError> {
        Err(ExpressionError { column: 0, width: 0, what: String::new(), hint: None })
    }
}

impl fmt::Display for Packet {
    /// The expression; parsing it gives the same packet.
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}
