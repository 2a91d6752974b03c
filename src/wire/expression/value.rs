//! What stands behind `field=`: numbers, names, addresses, ranges, lists, chance.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::meaning::{Reader, is_random};
use super::syntax::{Argument, Node, Span, What, Word};
use super::{ExpressionError, suggest};
use crate::base::services::port_of;
use crate::base::{Cidr, Mac};
use crate::wire::packet::value::{flags, number};
use crate::wire::packet::{Choice, Field, Fill, Kind, Rule, Shape, Value};

/// A field of a layer, or one item of a field that is a list.
#[derive(Clone, Copy)]
struct Room {
    field: &'static Field,
    shape: Shape,
    kind: &'static Kind,
}

impl Reader<'_> {
    /// What a field is set to; nothing for Scapy's `None`.
    pub(super) fn choice(
        &mut self,
        field: &'static Field,
        kind: &'static Kind,
        node: &Node,
    ) -> Result<Option<Choice>, ExpressionError> {
        if matches!(&node.what, What::Word(word) if word == "None") {
            return Ok(None);
        }
        let all_lists =
            |nodes: &[Node]| !nodes.is_empty() && nodes.iter().all(|node| matches!(node.what, What::List(_)));
        match (field.shape, &node.what) {
            (Shape::Layers(_) | Shape::List(_), What::List(lists)) if all_lists(lists) => {
                let lists = lists.iter().map(|list| self.several(field, kind, list));
                Ok(Some(Choice::Any(lists.collect::<Result<_, _>>()?)))
            }
            (Shape::Layers(_) | Shape::List(_), _) => self.several(field, kind, node).map(Some),
            (shape, _) => self.one(Room { field, shape, kind }, node).map(Some),
        }
    }

    /// Options, records, numbers, addresses: one behind the other.
    fn several(
        &mut self,
        field: &'static Field,
        kind: &'static Kind,
        node: &Node,
    ) -> Result<Choice, ExpressionError> {
        let shape = match field.shape {
            Shape::Layers(kinds) => return Ok(Choice::One(Value::Layers(self.items(kinds, node)?))),
            Shape::List(shape) => *shape,
            shape => shape,
        };
        let nodes = match &node.what {
            What::List(nodes) | What::Tuple(nodes) => nodes.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let mut values = Vec::new();
        for node in nodes {
            match self.one(Room { field, shape, kind }, node)? {
                Choice::One(value) => values.push(value),
                _ => {
                    return Err(node
                        .span
                        .error(format!("{} is a list of single values", field.name))
                        .hint("for several packets write several lists: [[1, 2], [3]]"));
                }
            }
        }
        Ok(Choice::One(Value::List(values)))
    }

    /// A field that holds one value in each packet.
    fn one(&mut self, room: Room, node: &Node) -> Result<Choice, ExpressionError> {
        match &node.what {
            What::Word(word) if word == "rand" => random(room, node.span, None),
            What::Word(word) if word == "bad" => bad(room, node.span),
            What::Word(word) => room.word(word, node.span),
            What::Text(text) => room.text(text, node.span),
            What::Hex(bytes) => room.bytes(bytes, node.span),
            What::File(path) => {
                let bytes = self.file(path, node.span)?;
                room.bytes(&bytes, node.span)
            }
            What::List(nodes) if nodes.is_empty() => {
                Err(node.span.error(format!("a list of values for {} can't be empty", room.field.name)))
            }
            What::List(nodes) => {
                Ok(Choice::Any(nodes.iter().map(|node| self.one(room, node)).collect::<Result<_, _>>()?))
            }
            What::Range(first, last) => self.range(room, first, last, node.span),
            What::Tuple(nodes) => match nodes.as_slice() {
                // Scapy: a pair of numbers is a range.
                [first, last] => self.range(room, first, last, node.span),
                _ => Err(node.span.error("a value is expected here").hint("a list of values is [1, 2, 3]")),
            },
            What::Call(name, arguments) => self.call(room, name, arguments, node.span),
            What::Stack(_) => Err(node
                .span
                .error(format!("{} holds no layers", room.field.name))
                .hint("a packet in a packet is joined with / behind it; a network is written 192.0.2.0/24")),
        }
    }

    fn range(
        &mut self,
        room: Room,
        first: &Node,
        last: &Node,
        span: Span,
    ) -> Result<Choice, ExpressionError> {
        let (low, high) = (self.one(room, first)?, self.one(room, last)?);
        let (Choice::One(low), Choice::One(high)) = (low, high) else {
            return Err(span.error("a range goes from one value to another"));
        };
        let upwards = match (&low, &high) {
            (Value::Number(low), Value::Number(high)) => low <= high,
            (Value::V4(low), Value::V4(high)) => low <= high,
            (Value::V6(low), Value::V6(high)) => low <= high,
            (Value::Mac(low), Value::Mac(high)) => low <= high,
            _ => {
                return Err(span
                    .error(format!("{} has no ranges", room.field.name))
                    .hint("write a list: [a, b]"));
            }
        };
        if upwards { Ok(Choice::Range(low, high)) } else { Err(span.error("a range goes upwards")) }
    }

    fn call(
        &mut self,
        room: Room,
        name: &Word,
        arguments: &[Argument],
        span: Span,
    ) -> Result<Choice, ExpressionError> {
        let values: Vec<&Node> = arguments.iter().map(|argument| &argument.value).collect();
        match (name.text.as_str(), values.as_slice()) {
            (random, _) if is_random(random) => self.chance(room, name, &values, span),
            // Python's and Scapy's ways to a range.
            ("range", [first, end]) => match self.range(room, first, end, span)? {
                Choice::Range(low, Value::Number(end)) if low != Value::Number(end) => {
                    Ok(Choice::Range(low, Value::Number(end.saturating_sub(1))))
                }
                _ => Err(span.error("this range is empty: Python's has no end").hint("write 1..30")),
            },
            ("Net" | "Net6" | "list" | "bytes" | "str" | "int", [value]) => self.one(room, value),
            ("Net" | "Net6", [first, last]) => self.range(room, first, last, span),
            _ => {
                let error = name.span.error(format!("`{}` is not known as a value", name.text));
                Err(error.hint("values are numbers, names, addresses, \"text\", a..b, [a, b], rand, rand(a..b), hex(...), file(...)"))
            }
        }
    }

    /// `rand(1..100)`, `rand(100)` bytes, and Scapy's functions of chance.
    fn chance(
        &mut self,
        room: Room,
        name: &Word,
        values: &[&Node],
        span: Span,
    ) -> Result<Choice, ExpressionError> {
        let up_to = |most: u64| random(room, span, (room.most() != Some(most)).then_some((0, most)));
        match name.text.as_str() {
            "RandByte" => return up_to(u64::from(u8::MAX)),
            "RandShort" => return up_to(u64::from(u16::MAX)),
            "RandInt" => return up_to(u64::from(u32::MAX)),
            "RandLong" => return up_to(u64::MAX),
            "rand" | "RandNum" | "RandIP" | "RandIP6" | "RandMAC" | "RandString" | "RandBin"
            | "RandTermString" => {}
            other => {
                let error = name.span.error(format!("`{other}` is not known here"));
                return Err(error.hint("write rand, rand(1..100), or a list: [1, 2, 3]"));
            }
        }
        // Of bytes and text it is said how many.
        let counts = matches!(room.shape, Shape::Bytes | Shape::Name);
        let limits = if counts { Room { shape: Shape::Bits(16), ..room } } else { room };
        let limits = match values {
            [] => return random(room, span, None),
            [value] => self.one(limits, value)?,
            [first, last] => self.range(limits, first, last, span)?,
            _ => return Err(span.error("two ends are enough").hint("write rand(1..100)")),
        };
        let number = |value: &Value| match value {
            Value::Number(number) => Some(*number),
            Value::V4(address) => Some(u64::from(address.to_bits())),
            Value::Mac(Mac(bytes)) => Some(bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))),
            _ => None,
        };
        let limits = match &limits {
            Choice::Range(low, high) => number(low).zip(number(high)),
            Choice::One(Value::Number(count)) if counts => Some((*count, *count)),
            _ => None,
        };
        let wrong = || span.error("it is drawn between two values").hint("write rand(1..100)");
        random(room, span, Some(limits.ok_or_else(wrong)?))
    }
}

/// What is drawn by chance, from everything that the field holds or between two numbers.
fn random(room: Room, span: Span, limits: Option<(u64, u64)>) -> Result<Choice, ExpressionError> {
    match (room.shape, limits) {
        (Shape::Layers(_) | Shape::List(_), _) => {
            Err(span.error(format!("{} is not drawn by chance", room.field.name)))
        }
        (Shape::V6 | Shape::Fixed(_), Some(_)) => {
            Err(span.error(format!("{} is drawn as a whole", room.field.name)).hint("write rand"))
        }
        (_, Some((_, high))) if room.most().is_some_and(|most| high > most) => Err(room.out(span)),
        _ => Ok(Choice::Random(limits)),
    }
}

/// What would be filled in, made wrong.
fn bad(room: Room, span: Span) -> Result<Choice, ExpressionError> {
    match (room.shape, room.field.fill) {
        (Shape::Bits(_), Fill::Rule(rule)) if !matches!(rule, Rule::Reach(_)) => Ok(Choice::Bad),
        _ => Err(span
            .error(format!("no value of {} is wrong by itself", room.field.name))
            .hint("`bad` is for what is worked out: checksums, lengths, the number of the next layer")),
    }
}

impl Room {
    /// The highest number that it holds, of numbers.
    fn most(self) -> Option<u64> {
        Field { shape: self.shape, ..*self.field }.largest()
    }

    /// `ttl is 0..255`.
    fn out(self, span: Span) -> ExpressionError {
        span.error(format!("{} is 0..{}", self.field.name, self.most().unwrap_or(u64::MAX)))
    }

    /// A value without quotes.
    fn word(self, word: &str, span: Span) -> Result<Choice, ExpressionError> {
        let one = |value| Ok(Choice::One(value));
        match self.shape {
            Shape::Bits(_) | Shape::Flags(..) => {
                self.number(word, span).map(|n| Choice::One(Value::Number(n)))
            }
            Shape::V4 | Shape::V6 => self.addresses(word, span),
            Shape::Mac => match word.parse::<Mac>() {
                Ok(mac) => one(Value::Mac(mac)),
                Err(_) if word == "broadcast" => one(Value::Mac(Mac::BROADCAST)),
                Err(_) => Err(span
                    .error(format!("{} is a station address", self.field.name))
                    .hint("six bytes: 02:00:00:00:00:01, or broadcast")),
            },
            Shape::Name => self.name(word.as_bytes(), span),
            Shape::Fixed(_) | Shape::Bytes => match (word.parse::<IpAddr>(), word.parse::<Mac>()) {
                (Ok(IpAddr::V4(address)), _) => self.bytes(&address.octets(), span),
                (Ok(IpAddr::V6(address)), _) => self.bytes(&address.octets(), span),
                (_, Ok(mac)) => self.bytes(&mac.0, span),
                _ => Err(span
                    .error(format!("{} holds bytes", self.field.name))
                    .hint(format!("write \"{word}\", hex(00 ff) or file(path)"))),
            },
            Shape::Layers(_) | Shape::List(_) => Err(span.error("a list is expected here")),
        }
    }

    /// A value in quotes: text of fields that hold text, else what is in the quotes.
    fn text(self, text: &[u8], span: Span) -> Result<Choice, ExpressionError> {
        match self.shape {
            Shape::Fixed(_) | Shape::Bytes => self.bytes(text, span),
            Shape::Name => self.name(text, span),
            _ => self.word(String::from_utf8_lossy(text).trim(), span),
        }
    }

    /// Bytes as they are on the wire.
    fn bytes(self, bytes: &[u8], span: Span) -> Result<Choice, ExpressionError> {
        match self.shape {
            Shape::Fixed(most) if bytes.len() > most => {
                Err(span.error(format!("{} holds {most} bytes, these are {}", self.field.name, bytes.len())))
            }
            // A name may be wrong, or have a pointer in it (RFC 1035 4.1.4).
            Shape::Fixed(_) | Shape::Bytes | Shape::Name => Ok(Choice::One(Value::Bytes(bytes.to_vec()))),
            _ => Err(span.error(format!("{} does not hold bytes", self.field.name))),
        }
    }

    /// RFC 1035 2.3.4: labels have at most 63 bytes, names 255 with the length of each label and the root's.
    fn name(self, bytes: &[u8], span: Span) -> Result<Choice, ExpressionError> {
        let text = str::from_utf8(bytes).map_err(|_| span.error("a domain name is text"))?;
        let text = text.strip_suffix('.').unwrap_or(text);
        if text.len() > 253 || text.split('.').any(|label| label.len() > 63) {
            return Err(span.error("a domain name has at most 253 letters, 63 between two dots"));
        }
        if text.split('.').any(str::is_empty) && !text.is_empty() {
            return Err(span.error("between two dots of a domain name there is a letter"));
        }
        Ok(Choice::One(Value::Name(text.into())))
    }

    /// A number, its name, or flags.
    fn number(self, word: &str, span: Span) -> Result<u64, ExpressionError> {
        let exact = || self.field.names.iter().find(|(_, name)| *name == word);
        let loose = || self.field.names.iter().find(|(_, name)| suggest::same(name, word));
        if let Some((value, _)) = exact().or_else(loose) {
            return Ok(*value);
        }
        if let Some(number) = number(word) {
            let most = self.most().unwrap_or(u64::MAX);
            return u64::try_from(number).ok().filter(|n| *n <= most).ok_or_else(|| self.out(span));
        }
        if let Shape::Flags(_, letters) = self.shape {
            return self.flags(word, letters, span);
        }
        if word.starts_with('-') {
            return Err(self.out(span));
        }
        if matches!(self.field.name, "sport" | "dport") {
            let port = port_of(word, self.kind.name).or_else(|| port_of(word, ""));
            return port.map(u64::from).ok_or_else(|| span.error(format!("no service is called `{word}`")));
        }
        let names = || self.field.names.iter().map(|(_, name)| *name);
        let hint = suggest::nearest(word, names())
            .or_else(|| suggest::list(names()).map(|names| format!("names of values: {names}")));
        let what = if self.field.names.is_empty() {
            format!("{} is a number", self.field.name)
        } else {
            format!("{} has no value called `{word}`", self.field.name)
        };
        Err(span.error(what).maybe(hint))
    }

    /// `SA`, `syn|ack`, `MF+DF`.
    fn flags(self, word: &str, letters: &[&str], span: Span) -> Result<u64, ExpressionError> {
        flags(letters, self.field.names, word).ok_or_else(|| {
            let known = letters.iter().copied().chain(self.field.names.iter().map(|(_, name)| *name));
            let known = suggest::list(known.filter(|letter| !letter.is_empty()));
            let error = span.error(format!("{} has no flag `{word}`", self.field.name));
            error.maybe(known.map(|known| format!("flags are: {known}")))
        })
    }

    /// An address, or a network: each of its addresses, as with Scapy.
    fn addresses(self, word: &str, span: Span) -> Result<Choice, ExpressionError> {
        let v4 = matches!(self.shape, Shape::V4);
        let wrong = || {
            let (kind, example) =
                if v4 { ("an IPv4 address", "192.0.2.1") } else { ("an IPv6 address", "2001:db8::1") };
            let error = span.error(format!("{} is {kind}: {example}", self.field.name));
            let looks_like_a_name = word.contains('.') && word.contains(|c: char| c.is_ascii_alphabetic());
            error.maybe(match word.parse::<Cidr>() {
                Ok(_) if v4 => Some(format!("this is an IPv6 address: ipv6({}={word})", self.field.name)),
                Ok(_) => Some(format!("this is an IPv4 address: ip({}={word})", self.field.name)),
                Err(_) if word.contains('/') => {
                    Some(format!("a network is {example}/{}", if v4 { 24 } else { 64 }))
                }
                Err(_) => looks_like_a_name.then(|| "names are not looked up here".into()),
            })
        };
        let net: Cidr = word.parse().map_err(|_| wrong())?;
        let (first, single) = (net.network(), !word.contains('/'));
        match (first, v4) {
            (IpAddr::V4(first), true) => {
                let hosts = u32::MAX.checked_shr(u32::from(net.prefix())).unwrap_or(0);
                let last = Ipv4Addr::from_bits(first.to_bits() | hosts);
                Ok(choice(Value::V4(first), Value::V4(last), single))
            }
            (IpAddr::V6(first), false) => {
                let hosts = u128::MAX.checked_shr(u32::from(net.prefix())).unwrap_or(0);
                let last = Ipv6Addr::from_bits(first.to_bits() | hosts);
                Ok(choice(Value::V6(first), Value::V6(last), single))
            }
            _ => Err(wrong()),
        }
    }
}

fn choice(first: Value, last: Value, single: bool) -> Choice {
    if single { Choice::One(first) } else { Choice::Range(first, last) }
}
