//! The grammar's computed side: `tcp[12:1] & 0xf0 >> 2 = 20`.
//!
//! One thing is libpcap's own, and kept: `%` and `^` have no precedence. What stands right of them, they take all of it.

use super::FilterError;
use super::opcode::*;
use super::parser::{Parser, is_protocol};
use super::syntax::*;
use super::token::Kind as T;
use super::words::Keyword;

/// How many operators stand one behind the other, at most: their tree is as deep.
const LONGEST_SUM: usize = 50;

/// How tightly an operator binds, and its opcode.
pub(super) fn operator(sign: &str) -> Option<(u8, u16)> {
    Some(match sign {
        "|" => (1, OR),
        "&" => (2, AND),
        "<<" => (3, LSH),
        ">>" => (3, RSH),
        "+" => (4, ADD),
        "-" => (4, SUB),
        "*" => (5, MUL),
        "/" => (5, DIV),
        "%" => (u8::MAX, MOD),
        "^" => (u8::MAX, XOR),
        _ => return None,
    })
}

pub(super) fn relation(sign: &str) -> Option<Relation> {
    Some(match sign {
        "=" => Relation::Equal,
        "!=" => Relation::NotEqual,
        ">" => Relation::Greater,
        ">=" => Relation::GreaterEqual,
        "<" => Relation::Less,
        "<=" => Relation::LessEqual,
        _ => return None,
    })
}

impl Parser {
    /// True if a number to be computed begins here; `(` decides by what follows its partner.
    pub(super) fn is_arithmetic(&self) -> bool {
        match self.peek(0) {
            Some(T::Number(_) | T::Keyword(Keyword::Len) | T::Sign("-")) => true,
            Some(T::Sign("(")) => {
                let behind = self.closing.get(self.at).and_then(|at| at.checked_add(1));
                match behind.and_then(|at| self.tokens.get(at)).map(|token| &token.kind) {
                    Some(T::Sign(sign)) => operator(sign).is_some() || relation(sign).is_some(),
                    _ => false,
                }
            }
            _ => false,
        }
    }

    pub(super) fn relation(&mut self) -> Result<Primitive, FilterError> {
        let left = self.arithmetic(0)?;
        let Some(relation) = relation(self.sign(0)) else {
            let hint = "compare it: one of = != < > <= >= and a number";
            return Err(self.span().hint("a number alone is no question", hint));
        };
        self.at += 1;
        Ok(Primitive::Relation(left, relation, self.arithmetic(0)?))
    }

    /// Operators that bind at least this tightly.
    fn arithmetic(&mut self, tightly: u8) -> Result<Arithmetic, FilterError> {
        let from = self.at;
        let mut left = self.deeper(Self::number_or_load)?;
        for _ in 0..LONGEST_SUM {
            let found = operator(self.sign(0)).filter(|(binds, _)| *binds >= tightly);
            let Some((binds, code)) = found else { return Ok(left) };
            self.at += 1;
            let right = self.deeper(|p| p.arithmetic(if binds == u8::MAX { 0 } else { binds + 1 }))?;
            left = Arithmetic::Binary(code, Box::new(left), Box::new(right), self.since(from));
        }
        Err(self.span().error("the computation is too long"))
    }

    fn number_or_load(&mut self) -> Result<Arithmetic, FilterError> {
        let from = self.at;
        if self.take_sign("-") {
            // Only `%` and `^` still go to its operand.
            return Ok(Arithmetic::Negative(Box::new(self.arithmetic(u8::MAX)?)));
        }
        if self.take_sign("(") {
            let inner = self.arithmetic(0)?;
            self.close(")")?;
            return Ok(inner);
        }
        match self.peek(0).cloned() {
            Some(T::Number(number)) => {
                self.at += 1;
                Ok(Arithmetic::Number(number))
            }
            Some(T::Keyword(Keyword::Len)) => {
                self.at += 1;
                Ok(Arithmetic::Length)
            }
            Some(T::Keyword(protocol)) if is_protocol(protocol) && self.sign(1) == "[" => {
                self.at += 2;
                let index = self.arithmetic(0)?;
                let size = if self.take_sign(":") {
                    let span = self.span();
                    let size = self.number().filter(|size| matches!(size, 1 | 2 | 4));
                    size.ok_or_else(|| span.error("the size must be 1, 2 or 4 bytes"))?
                } else {
                    1
                };
                self.close("]")?;
                Ok(Arithmetic::Load(protocol, Box::new(index), size, self.since(from)))
            }
            _ => Err(self
                .span()
                .hint("a number must stand here", "for example 5, 0x1f, len, ip[8] or tcp[12:2]")),
        }
    }
}
