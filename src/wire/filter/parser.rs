//! The grammar of pcap-filter(7), by recursive descent.
//!
//! One thing is libpcap's own. A name or number after `and` and `or` takes over the qualifiers of what stands before:
//! `port 80 or 443`. How numbers are computed stands in arithmetic.rs.

use super::FilterError;
use super::arithmetic::{operator, relation};
use super::syntax::*;
use super::token::{Kind as T, Span, Token, tokens};
use super::words::{Keyword, meant};

/// How deep parentheses, indices and signs may be nested.
pub(super) const DEEPEST: usize = 32;

/// Reads an expression; `None` for an empty one.
pub(super) fn parse(text: &str) -> Result<Option<Expression>, FilterError> {
    let tokens = tokens(text)?;
    if tokens.is_empty() {
        return Ok(None);
    }
    let end = Span { column: text.chars().count(), width: 1 };
    let mut parser = Parser { closing: closing(&tokens)?, tokens, at: 0, depth: 0, end };
    let (expression, _) = parser.expression(None)?;
    match parser.tokens.get(parser.at) {
        None => Ok(Some(expression)),
        Some(token) => Err(parser.left_over(token)),
    }
}

/// For each opening bracket the place of its partner.
fn closing(tokens: &[Token]) -> Result<Vec<usize>, FilterError> {
    let (mut open, mut closing) = (Vec::new(), vec![usize::MAX; tokens.len()]);
    for (at, token) in tokens.iter().enumerate() {
        let T::Sign(sign) = token.kind else { continue };
        match sign {
            "(" | "[" => open.push((at, sign)),
            ")" | "]" => match open.pop() {
                Some((from, "(")) if sign == ")" => closing[from] = at,
                Some((from, "[")) if sign == "]" => closing[from] = at,
                Some(_) => {
                    return Err(token.span.error(format!("`{sign}` closes the other kind of bracket")));
                }
                None => return Err(token.span.error(format!("`{sign}` closes nothing"))),
            },
            _ => {}
        }
    }
    match open.pop().and_then(|(at, sign)| Some((tokens.get(at)?, sign))) {
        Some((token, sign)) => Err(token.span.error(format!("`{sign}` is not closed"))),
        None => Ok(closing),
    }
}

pub(super) struct Parser {
    pub(super) tokens: Vec<Token>,
    /// For each opening bracket the place of its partner.
    pub(super) closing: Vec<usize>,
    pub(super) at: usize,
    depth: usize,
    end: Span,
}

/// The qualifiers that the next name takes over.
type Before = Option<Qualifiers>;

/// Protocols that may stand before other words.
pub(super) fn is_protocol(word: Keyword) -> bool {
    use Keyword::*;
    matches!(
        word,
        Ether
            | Ip
            | Ip6
            | Arp
            | Rarp
            | Tcp
            | Udp
            | Sctp
            | Icmp
            | Icmp6
            | Igmp
            | Igrp
            | Pim
            | Vrrp
            | Carp
            | Ah
            | Esp
            | Atalk
            | Aarp
            | Decnet
            | Lat
            | Sca
            | Moprc
            | Mopdl
            | Iso
            | Esis
            | Isis
            | Clnp
            | Stp
            | Ipx
            | Netbeui
    )
}

impl Parser {
    pub(super) fn peek(&self, ahead: usize) -> Option<&T> {
        self.tokens.get(self.at + ahead).map(|token| &token.kind)
    }

    fn word(&self, ahead: usize) -> Option<Keyword> {
        match self.peek(ahead) {
            Some(T::Keyword(word)) => Some(*word),
            _ => None,
        }
    }

    pub(super) fn sign(&self, ahead: usize) -> &'static str {
        match self.peek(ahead) {
            Some(T::Sign(sign)) => sign,
            _ => "",
        }
    }

    pub(super) fn span(&self) -> Span {
        self.tokens.get(self.at).map_or(self.end, |token| token.span)
    }

    /// From the word at `from` to the last one read.
    pub(super) fn since(&self, from: usize) -> Span {
        let span = |at: usize| self.tokens.get(at).map_or(self.end, |token| token.span);
        span(from).to(span(self.at.saturating_sub(1).max(from)))
    }

    pub(super) fn take_sign(&mut self, sign: &str) -> bool {
        let found = self.sign(0) == sign;
        self.at += usize::from(found);
        found
    }

    fn take_word(&mut self, word: Keyword) -> bool {
        let found = self.word(0) == Some(word);
        self.at += usize::from(found);
        found
    }

    /// The next word as a number, in parentheses or not.
    pub(super) fn number(&mut self) -> Option<u32> {
        let open = (0..DEEPEST).take_while(|n| self.sign(*n) == "(").count();
        let Some(T::Number(number)) = self.peek(open) else { return None };
        let (number, closed) = (*number, (1..=open).all(|n| self.sign(open + n) == ")"));
        self.at += if closed { 2 * open + 1 } else { 0 };
        closed.then_some(number)
    }

    fn must_number(&mut self, after: &str) -> Result<u32, FilterError> {
        let span = self.span();
        self.number().ok_or_else(|| span.error(format!("a number must stand after `{after}`")))
    }

    pub(super) fn deeper<R>(
        &mut self,
        f: impl FnOnce(&mut Self) -> Result<R, FilterError>,
    ) -> Result<R, FilterError> {
        if self.depth >= DEEPEST {
            return Err(self.span().error("this is nested more than 32 levels deep"));
        }
        self.depth += 1;
        let result = f(self);
        self.depth -= 1;
        result
    }

    fn joint(&mut self) -> Option<Joint> {
        if self.take_word(Keyword::And) {
            return Some(Joint::And);
        }
        self.take_word(Keyword::Or).then_some(Joint::Or)
    }

    /// expr: term { (and|or) (term|id) }
    fn expression(&mut self, before: Before) -> Result<(Expression, Before), FilterError> {
        let (first, mut before) = self.operand(before, false)?;
        let mut rest = Vec::new();
        while let Some(joint) = self.joint() {
            let (next, qualifiers) = self.operand(before, true)?;
            before = qualifiers;
            rest.push((joint, next));
        }
        Ok((if rest.is_empty() { first } else { Expression::Chain(Box::new(first), rest) }, before))
    }

    /// term, or id where one may stand; with `not` before it.
    fn operand(&mut self, before: Before, joined: bool) -> Result<(Expression, Before), FilterError> {
        let mut negative = false;
        while self.sign(0) == "!" || self.word(0) == Some(Keyword::Not) {
            self.at += 1;
            negative = !negative;
        }
        let (expression, before) = if joined && self.starts_name() {
            let qualifiers = before.ok_or_else(|| self.lonely())?;
            (self.deeper(|p| p.names(qualifiers))?, before)
        } else {
            self.deeper(|p| p.term(before))?
        };
        Ok((if negative { Expression::Not(Box::new(expression)) } else { expression }, before))
    }

    /// True if what follows is a name or a number that takes over qualifiers, and no term of its own.
    fn starts_name(&self) -> bool {
        let skipped =
            |n: &usize| matches!(self.peek(*n), Some(T::Sign("(" | "!")) | Some(T::Keyword(Keyword::Not)));
        let mut at = (0..3 * DEEPEST).take_while(skipped).count();
        match self.peek(at) {
            Some(T::Number(_)) => {
                at += 1;
                at += (0..DEEPEST).take_while(|n| self.sign(at + n) == ")").count();
                let sign = self.sign(at);
                operator(sign).is_none() && relation(sign).is_none()
            }
            Some(T::Keyword(_) | T::Sign(_)) | None => false,
            Some(_) => true,
        }
    }

    /// id: a name, or several in parentheses.
    fn names(&mut self, qualifiers: Qualifiers) -> Result<Expression, FilterError> {
        let mut negative = false;
        while self.sign(0) == "!" || self.word(0) == Some(Keyword::Not) {
            self.at += 1;
            negative = !negative;
        }
        let expression = if self.take_sign("(") {
            let first = self.deeper(|p| p.names(qualifiers))?;
            let mut rest = Vec::new();
            while let Some(joint) = self.joint() {
                rest.push((joint, self.deeper(|p| p.names(qualifiers))?));
            }
            self.close(")")?;
            if rest.is_empty() { first } else { Expression::Chain(Box::new(first), rest) }
        } else {
            self.name(qualifiers)?
        };
        Ok(if negative { Expression::Not(Box::new(expression)) } else { expression })
    }

    pub(super) fn close(&mut self, sign: &str) -> Result<(), FilterError> {
        if self.take_sign(sign) {
            return Ok(());
        }
        Err(match self.tokens.get(self.at) {
            Some(token) => self.left_over(token),
            None => self.end.error(format!("`{sign}` is missing")),
        })
    }

    /// nid, pnum
    fn name(&mut self, qualifiers: Qualifiers) -> Result<Expression, FilterError> {
        let from = self.at;
        let Some(token) = self.tokens.get(from).cloned() else {
            return Err(self.end.error("a name, an address or a number is missing at the end"));
        };
        self.at += 1;
        let name = match token.kind {
            T::Name(word) => Name::Word(word),
            T::Number(number) => Name::Number(number),
            T::Mac(mac) => Name::Mac(mac),
            T::Address(address, _) if self.take_sign("/") => Name::Prefix(address, self.prefix()?),
            T::Address(address, _) if self.take_word(Keyword::Mask) => match self.peek(0) {
                Some(T::Address(mask, _)) => {
                    let mask = *mask;
                    self.at += 1;
                    Name::Mask(address, mask)
                }
                _ => return Err(self.span().error("a mask in dotted form must stand after `mask`")),
            },
            T::Address(address, bits) => Name::Address(address, bits),
            T::Address6(address) if self.take_sign("/") => Name::Prefix6(address, self.prefix()?),
            T::Address6(address) => Name::Address6(address),
            T::Keyword(word) => {
                let what = format!(
                    "`{}` is a word of the language: a name, an address or a number must stand here",
                    word.text()
                );
                let hint = format!("as a protocol's or port's name it is written \\{}", word.text());
                return Err(token.span.hint(what, hint));
            }
            T::Sign(sign) => {
                return Err(token
                    .span
                    .error(format!("`{sign}` stands where a name, an address or a number must")));
            }
        };
        Ok(Expression::Primitive(Primitive::Named(qualifiers, name), self.since(from)))
    }

    fn prefix(&mut self) -> Result<u32, FilterError> {
        match self.peek(0) {
            Some(T::Number(length)) => {
                let length = *length;
                self.at += 1;
                Ok(length)
            }
            _ => Err(self.span().error("a prefix length must stand after `/`")),
        }
    }

    /// rterm
    fn term(&mut self, before: Before) -> Result<(Expression, Before), FilterError> {
        let from = self.at;
        if self.sign(0) == "(" && !self.is_arithmetic() {
            self.at += 1;
            let (inner, _) = self.expression(before)?;
            self.close(")")?;
            return Ok((inner, before));
        }
        let protocol = self.word(0).filter(|word| is_protocol(*word));
        if self.is_arithmetic() || (protocol.is_some() && self.sign(1) == "[") {
            let primitive = self.relation()?;
            return Ok((Expression::Primitive(primitive, self.since(from)), None));
        }
        self.at += usize::from(protocol.is_some());
        if let Some(qualifiers) = self.qualifiers(protocol)? {
            return Ok((self.names(qualifiers)?, Some(qualifiers)));
        }
        let Some(word) = self.word(0) else {
            return match protocol {
                Some(protocol) => Ok((self.primitive(from, Primitive::Protocol(protocol)), None)),
                None => Err(self.lonely()),
            };
        };
        let primitive = match (word, protocol) {
            (Keyword::Broadcast, _) => Primitive::Broadcast(protocol),
            (Keyword::Multicast, _) => Primitive::Multicast(protocol),
            (_, Some(protocol)) => {
                return Ok((self.primitive(from, Primitive::Protocol(protocol)), None));
            }
            _ => {
                self.at += 1;
                let primitive = self.other(word)?;
                return Ok((self.primitive(from, primitive), None));
            }
        };
        self.at += 1;
        Ok((self.primitive(from, primitive), None))
    }

    fn primitive(&self, from: usize, primitive: Primitive) -> Expression {
        Expression::Primitive(primitive, self.since(from))
    }

    /// head: direction and kind; `None` if neither is there.
    fn qualifiers(&mut self, protocol: Option<Keyword>) -> Result<Option<Qualifiers>, FilterError> {
        use Keyword::{And, Dst, Or, Src};
        let direction = match (self.word(0), self.word(1), self.word(2)) {
            (Some(Src), Some(Or), Some(Dst)) | (Some(Dst), Some(Or), Some(Src)) => {
                Some((Direction::SrcOrDst, 3))
            }
            (Some(Src), Some(And), Some(Dst)) | (Some(Dst), Some(And), Some(Src)) => {
                Some((Direction::SrcAndDst, 3))
            }
            (Some(Src), ..) => Some((Direction::Src, 1)),
            (Some(Dst), ..) => Some((Direction::Dst, 1)),
            _ => None,
        };
        self.at += direction.map_or(0, |(_, words)| words);
        let kind = match self.word(0) {
            Some(Keyword::Host) => Some(Kind::Host),
            Some(Keyword::Net) => Some(Kind::Net),
            Some(Keyword::Port) => Some(Kind::Port),
            Some(Keyword::Portrange) => Some(Kind::Portrange),
            Some(Keyword::Proto) if direction.is_none() => Some(Kind::Proto),
            Some(Keyword::Protochain) => {
                let hint = "compare the header's own byte: `ip6[6] = 0 and ip6[40] = 58`";
                return Err(self
                    .span()
                    .hint("a filter cannot follow a chain of headers: it has no loops", hint));
            }
            Some(Keyword::Gateway) => {
                let hint = "write: ether host MAC and not host ADDRESS";
                return Err(self.span().hint(
                    "`gateway` needs the names of hosts and their stations, which are not known here",
                    hint,
                ));
            }
            _ => None,
        };
        self.at += usize::from(kind.is_some());
        let direction = direction.map(|(direction, _)| direction);
        let some = direction.is_some() || kind.is_some();
        Ok(some.then_some(Qualifiers { protocol, direction, kind }))
    }

    /// Primitives that begin with a word of their own.
    fn other(&mut self, word: Keyword) -> Result<Primitive, FilterError> {
        let text = word.text();
        Ok(match word {
            Keyword::Less => Primitive::Less(self.must_number(text)?),
            Keyword::Greater => Primitive::Greater(self.must_number(text)?),
            Keyword::Ifindex => Primitive::Ifindex(self.must_number(text)?),
            Keyword::Inbound => Primitive::Inbound,
            Keyword::Outbound => Primitive::Outbound,
            Keyword::Vlan => Primitive::Vlan(self.number()),
            Keyword::Mpls => Primitive::Mpls(self.number()),
            Keyword::Pppoes => Primitive::Pppoes(self.number()),
            Keyword::Pppoed => Primitive::Pppoed,
            Keyword::Byte => {
                let index = self.must_number(text)?;
                let relation = match self.sign(0) {
                    "=" => Relation::Equal,
                    "<" => Relation::Less,
                    ">" => Relation::Greater,
                    "&" => Relation::And,
                    "|" => Relation::Or,
                    _ => return Err(self.span().error("one of `= < > & |` must stand here")),
                };
                self.at += 1;
                Primitive::Byte(index, relation, self.must_number("byte's sign")?)
            }
            Keyword::Geneve => {
                let hint = "`udp port 6081` finds its packets";
                return Err(self
                    .since(self.at - 1)
                    .hint("geneve's inner headers cannot be looked at here", hint));
            }
            Keyword::Elsewhere => {
                let text = "this word belongs to links and systems that are not here (802.11, ATM, SS7, pf)";
                return Err(self.since(self.at - 1).error(text));
            }
            _ => {
                self.at -= 1;
                return Err(self.span().error(format!("`{text}` cannot stand here")));
            }
        })
    }

    /// A word that stands where it has no meaning.
    fn lonely(&self) -> FilterError {
        let Some(token) = self.tokens.get(self.at) else {
            return self.end.error("the filter ends too early");
        };
        match &token.kind {
            T::Name(word) => match meant(word) {
                Some(meant) => token
                    .span
                    .hint(format!("`{word}` has no meaning here"), format!("did you mean `{meant}`?")),
                None => token.span.hint(
                    format!("`{word}` has no meaning here"),
                    "write what it is: host, net, port or proto",
                ),
            },
            T::Address(..) | T::Address6(_) => {
                token.span.hint("an address alone is no question", "write `host` or `net` before it")
            }
            T::Mac(_) => token.span.hint("an address alone is no question", "write `ether host` before it"),
            T::Number(_) => token
                .span
                .hint("a number alone is no question", "write `port` or `host` before it, or compare it"),
            T::Keyword(word) => token.span.error(format!("`{}` cannot stand here", word.text())),
            T::Sign(sign) => token.span.error(format!("`{sign}` cannot stand here")),
        }
    }

    /// A word behind an expression that is complete.
    fn left_over(&self, token: &Token) -> FilterError {
        match &token.kind {
            T::Name(word) if meant(word).is_some() => self.lonely(),
            T::Sign("/") => {
                token.span.hint("`/` cannot stand here", "write the net in dotted form: 10.0.0.0/8")
            }
            T::Sign(sign) => token.span.error(format!("`{sign}` cannot stand here")),
            _ => token.span.hint("the filter could end here, and goes on", "write `and` or `or` between"),
        }
    }
}
