//! DNS messages, RFC 1035: a query built, any message read. What a resolver does with them stands in socket/resolver.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Query types, RFC 1035 3.2.2 and RFC 3596 2.1.
pub const TYPE_A: u16 = 1;
/// An alias's true name.
pub const TYPE_CNAME: u16 = 5;
/// A pointer to a name: the answer of a reverse lookup.
pub const TYPE_PTR: u16 = 12;
/// An IPv6 address.
pub const TYPE_AAAA: u16 = 28;

/// "No error", RFC 1035 4.1.1.
pub const RCODE_NO_ERROR: u8 = 0;
/// "Name error": the name does not exist.
pub const RCODE_NAME_ERROR: u8 = 3;

const CLASS_IN: u16 = 1;
const HEADER: usize = 12;
/// RFC 1035 2.3.4: a label has at most 63 bytes, a name 255 in the message.
const MAX_LABEL: usize = 63;
const MAX_NAME: usize = 255;
/// As many labels fit in a name: more pointers than that are a trick.
const MAX_LABELS: usize = 127;

/// Why bytes are not a DNS message, or a name can't be in one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// The message ends in the middle of something.
    Short,
    /// A label has 64 bytes or more, or none in the middle of a name.
    Label,
    /// The name is longer than 255 bytes.
    NameLength,
    /// A compression pointer does not lead backwards.
    Pointer,
    /// A record's data does not have the length that its type asks for.
    Data,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Short => "the DNS message ends too early",
            Self::Label => "a label of the name is empty or longer than 63 bytes",
            Self::NameLength => "the name is longer than 255 bytes",
            Self::Pointer => "a compressed name points forwards or to itself",
            Self::Data => "a record's data has the wrong length",
        })
    }
}

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The name, in lower case, without the last dot.
    pub name: String,
    /// TYPE_*.
    pub kind: u16,
}

/// A resource record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The owner's name, in lower case, without the last dot.
    pub name: String,
    /// Seconds for which it may be kept.
    pub ttl: u32,
    /// What it says.
    pub data: Data,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// The name is an alias of this one.
    Cname(String),
    /// The name that a reverse lookup wants.
    Ptr(String),
    /// Another type; its number.
    Other(u16),
}

/// A message as far as a stub resolver and a person want to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Pairs an answer with its question.
    pub id: u16,
    /// An answer (QR), not a question.
    pub response: bool,
    /// TC: ask again over TCP.
    pub truncated: bool,
    /// RCODE_*.
    pub rcode: u8,
    /// The question section.
    pub questions: Vec<Question>,
    /// The answer section.
    pub answers: Vec<Record>,
}

/// A query for the records of type `kind` that `name` has, with recursion desired.
///
/// # Errors
/// [`Malformed::Label`] and [`Malformed::NameLength`] for a name that DNS can't carry.
pub fn query(id: u16, name: &str, kind: u16) -> Result<Vec<u8>, Malformed> {
    const RECURSION_DESIRED: u16 = 0x0100;
    let mut message = Vec::with_capacity(HEADER + name.len() + 6);
    for word in [id, RECURSION_DESIRED, 1, 0, 0, 0] {
        message.extend(word.to_be_bytes());
    }
    put_name(&mut message, name)?;
    message.extend(kind.to_be_bytes());
    message.extend(CLASS_IN.to_be_bytes());
    Ok(message)
}

/// An answer to the question in `query`: its records in the answer section, names not compressed. For tests, and for small
/// servers.
///
/// # Errors
/// Those of [`parse`] for the query, those of [`query`] for the records' names.
pub fn answer(query: &[u8], rcode: u8, records: &[Record]) -> Result<Vec<u8>, Malformed> {
    const ANSWER: u16 = 0x8180; // QR, RD, RA
    let asked = parse(query)?;
    let mut message = Vec::new();
    let count = |n: usize| u16::try_from(n).map_err(|_| Malformed::Data);
    for word in [
        asked.id,
        ANSWER | u16::from(rcode & 0xf),
        count(asked.questions.len())?,
        count(records.len())?,
        0,
        0,
    ] {
        message.extend(word.to_be_bytes());
    }
    for question in &asked.questions {
        put_name(&mut message, &question.name)?;
        message.extend(question.kind.to_be_bytes());
        message.extend(CLASS_IN.to_be_bytes());
    }
    for record in records {
        put_name(&mut message, &record.name)?;
        let mut data = Vec::new();
        let kind = match &record.data {
            Data::A(a) => {
                data.extend(a.octets());
                TYPE_A
            }
            Data::Aaaa(a) => {
                data.extend(a.octets());
                TYPE_AAAA
            }
            Data::Cname(name) => {
                put_name(&mut data, name)?;
                TYPE_CNAME
            }
            Data::Ptr(name) => {
                put_name(&mut data, name)?;
                TYPE_PTR
            }
            Data::Other(kind) => *kind,
        };
        message.extend(kind.to_be_bytes());
        message.extend(CLASS_IN.to_be_bytes());
        message.extend(record.ttl.to_be_bytes());
        message.extend(count(data.len())?.to_be_bytes());
        message.extend(data);
    }
    Ok(message)
}

/// Reads a message. Authority and additional sections are left alone, and so are records of other classes.
///
/// # Errors
/// Says what is wrong with the bytes; there are none that make it panic or run long.
pub fn parse(message: &[u8]) -> Result<Message, Malformed> {
    let mut reader = Reader { message, at: 0 };
    let id = reader.u16()?;
    let flags = reader.u16()?;
    let (questions, answers) = (reader.u16()?, reader.u16()?);
    reader.take(4)?; // the counts of the sections that we don't read
    let mut parsed = Message {
        id,
        response: flags & 0x8000 != 0,
        truncated: flags & 0x0200 != 0,
        rcode: (flags & 0xf) as u8,
        questions: Vec::new(),
        answers: Vec::new(),
    };
    for _ in 0..questions {
        let name = reader.name()?;
        let kind = reader.u16()?;
        reader.u16()?;
        parsed.questions.push(Question { name, kind });
    }
    for _ in 0..answers {
        match reader.record() {
            Ok(Some(record)) => parsed.answers.push(record),
            Ok(None) => {}
            // RFC 2181 9: a truncated answer may end anywhere; what is there is not to be used anyway.
            Err(_) if parsed.truncated => break,
            Err(malformed) => return Err(malformed),
        }
    }
    Ok(parsed)
}

/// The name at a place of a message, pointers followed, and the place behind it.
pub(crate) fn name(message: &[u8], at: usize) -> Result<(String, usize), Malformed> {
    let mut reader = Reader { message, at };
    let name = reader.name()?;
    Ok((name, reader.at))
}

/// Appends a name, without pointers.
pub(crate) fn put_name(message: &mut Vec<u8>, name: &str) -> Result<(), Malformed> {
    let start = message.len();
    let name = name.strip_suffix('.').unwrap_or(name);
    if !name.is_empty() {
        for label in name.split('.') {
            let length = u8::try_from(label.len()).map_err(|_| Malformed::Label)?;
            if label.is_empty() || label.len() > MAX_LABEL {
                return Err(Malformed::Label);
            }
            message.push(length);
            message.extend(label.as_bytes());
        }
    }
    message.push(0);
    if message.len() - start > MAX_NAME { Err(Malformed::NameLength) } else { Ok(()) }
}

struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let end = self.at.checked_add(len).ok_or(Malformed::Short)?;
        let bytes = self.message.get(self.at..end).ok_or(Malformed::Short)?;
        self.at = end;
        Ok(bytes)
    }

    fn u8(&mut self) -> Result<u8, Malformed> {
        self.take(1)?.first().copied().ok_or(Malformed::Short)
    }

    fn u16(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_be_bytes([self.u8()?, self.u8()?]))
    }

    fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from(self.u16()?) << 16 | u32::from(self.u16()?))
    }

    /// RFC 1035 4.1.4: labels, ended by a zero or by a pointer to an earlier occurrence.
    fn name(&mut self) -> Result<String, Malformed> {
        let mut name = String::new();
        let mut length = 1; // of the name's wire form, uncompressed
        let mut reader = Reader { message: self.message, at: self.at };
        let mut behind = None; // where our reader goes on, once a pointer was followed
        // RFC 1035 4.1.4: "a pointer to a prior occurrence": each leads further back, so none can loop.
        let mut earliest = self.at;
        let mut jumps = 0;
        loop {
            let kind = reader.u8()?;
            match kind & 0xc0 {
                0 if kind == 0 => break,
                0 => {
                    length += usize::from(kind) + 1;
                    if length > MAX_NAME {
                        return Err(Malformed::NameLength);
                    }
                    if !name.is_empty() {
                        name.push('.');
                    }
                    reader.take(kind.into())?.iter().for_each(|&byte| put_byte(&mut name, byte));
                }
                0xc0 => {
                    let target = usize::from(kind & 0x3f) << 8 | usize::from(reader.u8()?);
                    behind.get_or_insert(reader.at);
                    jumps += 1;
                    if target >= earliest || jumps > MAX_LABELS {
                        return Err(Malformed::Pointer);
                    }
                    earliest = target;
                    reader.at = target;
                }
                _ => return Err(Malformed::Label),
            }
        }
        self.at = behind.unwrap_or(reader.at);
        Ok(name)
    }

    /// A record; `None` for one of another class.
    fn record(&mut self) -> Result<Option<Record>, Malformed> {
        let name = self.name()?;
        let (kind, class, ttl) = (self.u16()?, self.u16()?, self.u32()?);
        let length = usize::from(self.u16()?);
        let start = self.at;
        let bytes = self.take(length)?;
        if class != CLASS_IN {
            return Ok(None);
        }
        let data = match kind {
            TYPE_A => Data::A(<[u8; 4]>::try_from(bytes).map_err(|_| Malformed::Data)?.into()),
            TYPE_AAAA => Data::Aaaa(<[u8; 16]>::try_from(bytes).map_err(|_| Malformed::Data)?.into()),
            TYPE_CNAME | TYPE_PTR => {
                let mut inner = Reader { message: self.message, at: start };
                let target = inner.name()?;
                if inner.at != self.at {
                    return Err(Malformed::Data);
                }
                if kind == TYPE_CNAME { Data::Cname(target) } else { Data::Ptr(target) }
            }
            other => Data::Other(other),
        };
        Ok(Some(Record { name, ttl, data }))
    }
}

/// RFC 1035 5.1: a byte that is not printable, a dot and a backslash are written with a backslash. RFC 4343: case means
/// nothing, so names are kept in lower case.
fn put_byte(name: &mut String, byte: u8) {
    use std::fmt::Write;
    match byte {
        b'.' | b'\\' => {
            name.push('\\');
            name.push(byte.into());
        }
        0x21..=0x7e => name.push(byte.to_ascii_lowercase().into()),
        _ => {
            let _ = write!(name, "\\{byte:03}");
        }
    }
}

/// The name under which an address's own name is found, RFC 1035 3.5 and RFC 3596 2.5.
pub fn reverse_name(address: std::net::IpAddr) -> String {
    match address {
        std::net::IpAddr::V4(a) => {
            let [a, b, c, d] = a.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        std::net::IpAddr::V6(a) => {
            let mut name = String::with_capacity(72);
            for byte in a.octets().iter().rev() {
                for nibble in [byte & 0xf, byte >> 4] {
                    name.extend(char::from_digit(nibble.into(), 16));
                    name.push('.');
                }
            }
            name + "ip6.arpa"
        }
    }
}

/// One line, as `www.example.org A? ` or `www.example.org A 192.0.2.1`.
impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = |kind: u16| match kind {
            TYPE_A => "A".into(),
            TYPE_AAAA => "AAAA".into(),
            TYPE_CNAME => "CNAME".into(),
            TYPE_PTR => "PTR".into(),
            other => format!("TYPE{other}"),
        };
        write!(f, "DNS {:#06x}", self.id)?;
        for q in &self.questions {
            write!(f, " {} {}?", q.name, kind(q.kind))?;
        }
        if self.response {
            match self.rcode {
                RCODE_NO_ERROR => {}
                RCODE_NAME_ERROR => write!(f, " no such name")?,
                other => write!(f, " error {other}")?,
            }
            if self.truncated {
                write!(f, " truncated")?;
            }
        }
        for record in &self.answers {
            match &record.data {
                Data::A(a) => write!(f, " {a}")?,
                Data::Aaaa(a) => write!(f, " {a}")?,
                Data::Cname(name) | Data::Ptr(name) => write!(f, " {name}")?,
                Data::Other(number) => write!(f, " {}", kind(*number))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_query_reads_back() {
        let bytes = query(0x1234, "www.Example.org.", TYPE_AAAA).unwrap();
        let message = parse(&bytes).unwrap();
        assert_eq!((message.id, message.response), (0x1234, false));
        assert_eq!(message.questions, [Question { name: "www.example.org".into(), kind: TYPE_AAAA }]);
        assert_eq!(message.to_string(), "DNS 0x1234 www.example.org AAAA?");
    }

    #[test]
    fn names_that_dns_cannot_carry_are_refused() {
        assert_eq!(query(0, "a..b", TYPE_A), Err(Malformed::Label));
        assert_eq!(query(0, &"a".repeat(64), TYPE_A), Err(Malformed::Label));
        assert_eq!(query(0, &"abcdefg.".repeat(32), TYPE_A), Err(Malformed::NameLength));
    }

    /// RFC 1035 4.1.4's own example: F.ISI.ARPA, FOO.F.ISI.ARPA, ARPA, and the root.
    #[test]
    fn a_compressed_name_is_followed_backwards_only() {
        let mut bytes = vec![0; 20];
        bytes.extend(b"\x01F\x03ISI\x04ARPA\0");
        let foo = bytes.len();
        bytes.extend(b"\x03FOO\xc0\x14");
        let arpa = bytes.len();
        bytes.extend(b"\xc0\x1a");
        let mut reader = Reader { message: &bytes, at: foo };
        assert_eq!(reader.name(), Ok("foo.f.isi.arpa".into()));
        assert_eq!(reader.at, arpa);
        assert_eq!(reader.name(), Ok("arpa".into()));
        for lying in [&b"\xc0\x00"[..], b"\x01a\xc0\x00", b"\xc0\x02\xc0\x00"] {
            assert_eq!(Reader { message: lying, at: 0 }.name(), Err(Malformed::Pointer));
        }
    }

    #[test]
    fn answers_read_back() {
        let asked = query(7, "a.example", TYPE_A).unwrap();
        let records = [
            Record { name: "a.example".into(), ttl: 60, data: Data::Cname("b.example".into()) },
            Record { name: "b.example".into(), ttl: 60, data: Data::A([192, 0, 2, 1].into()) },
            Record { name: "b.example".into(), ttl: 60, data: Data::Aaaa("2001:db8::1".parse().unwrap()) },
        ];
        let message = parse(&answer(&asked, RCODE_NO_ERROR, &records).unwrap()).unwrap();
        assert!(message.response && message.id == 7);
        assert_eq!(message.answers, records);
    }

    #[test]
    fn reverse_names() {
        assert_eq!(reverse_name([192, 0, 2, 1].into()), "1.2.0.192.in-addr.arpa");
        let v6 = reverse_name("2001:db8::1".parse::<Ipv6Addr>().unwrap().into());
        assert!(v6.starts_with("1.0.0.0.") && v6.ends_with(".8.b.d.0.1.0.0.2.ip6.arpa"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            if let Ok(message) = parse(&bytes) {
                let _ = message.to_string();
            }
        }

        #[test]
        fn a_message_with_damage_is_read_or_refused(at in 0usize..80, to in any::<u8>(), cut in 0usize..90) {
            let asked = query(7, "a.example", TYPE_A).unwrap();
            let record = Record { name: "a.example".into(), ttl: 1, data: Data::Cname("b.a.example".into()) };
            let mut bytes = answer(&asked, 0, &[record]).unwrap();
            if let Some(byte) = bytes.get_mut(at) { *byte = to; }
            bytes.truncate(cut);
            let _ = parse(&bytes);
        }

        #[test]
        fn every_name_survives(labels in proptest::collection::vec("[a-z0-9-]{1,20}", 1..8)) {
            let name = labels.join(".");
            let message = parse(&query(1, &name, TYPE_A).unwrap()).unwrap();
            prop_assert_eq!(&message.questions[0].name, &name);
        }
    }
}
