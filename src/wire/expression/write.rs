//! A packet as an expression.

use std::fmt::{self, Display, Formatter, Write};
use std::net::Ipv4Addr;

use super::text;
use crate::base::Mac;
use crate::wire::packet::{Choice, Field, Fill, KINDS, Layer, Packet, Rule, Shape, Value, kind};

impl Display for Packet {
    /// The expression; parsing it gives the same packet.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (number, layer) in self.layers.iter().enumerate() {
            if number > 0 {
                f.write_char('/')?;
            }
            write_layer(f, layer, false)?;
        }
        Ok(())
    }
}

impl Display for Layer {
    /// The layer as a part of an expression.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_layer(f, self, false)
    }
}

/// A layer; or, `inner`, an option or a record, whose values may stand without names.
fn write_layer(f: &mut Formatter<'_>, layer: &Layer, inner: bool) -> fmt::Result {
    if layer.fuzz {
        f.write_str("fuzz(")?;
    }
    match payload(layer) {
        Some(bytes) if inner => text::write_hex(f, bytes)?,
        Some(bytes) => text::write(f, bytes)?,
        None => {
            let kind = layer.kind();
            // An option among layers is known by Scapy's name for it alone.
            let is_layer = inner || KINDS.iter().any(|known| std::ptr::eq(*known, kind));
            f.write_str(if is_layer { kind.name } else { kind.scapy })?;
            write_fields(f, layer, inner)?;
        }
    }
    if layer.fuzz { f.write_char(')') } else { Ok(()) }
}

/// The bytes of a layer that is nothing but bytes.
fn payload(layer: &Layer) -> Option<&[u8]> {
    let is_payload = kind("payload").is_some_and(|payload| std::ptr::eq(payload, layer.kind()));
    match layer.set.as_slice() {
        [(_, Choice::One(Value::Bytes(bytes)))] if is_payload => Some(bytes),
        _ => None,
    }
}

fn write_fields(f: &mut Formatter<'_>, layer: &Layer, inner: bool) -> fmt::Result {
    if layer.set.is_empty() {
        return Ok(());
    }
    let unnamed = inner && stand_unnamed(layer);
    for (number, (field, choice)) in layer.fields().enumerate() {
        f.write_str(if number == 0 { "(" } else { ", " })?;
        if !unnamed {
            write!(f, "{}=", field.name)?;
        }
        write_choice(f, field, choice)?;
    }
    f.write_char(')')
}

/// Are the fields that are set the first ones of the positional ones, and no value nothing?
fn stand_unnamed(layer: &Layer) -> bool {
    let mut places = layer.kind().positional();
    layer.fields().all(|(field, choice)| {
        let is_none = matches!(choice, Choice::One(Value::Name(name)) if name.is_empty());
        !is_none && places.next().is_some_and(|place| std::ptr::eq(place, field))
    })
}

fn write_choice(f: &mut Formatter<'_>, field: &Field, choice: &Choice) -> fmt::Result {
    match choice {
        Choice::One(value) => write_value(f, field, field.shape, value),
        Choice::Range(first, last) => {
            write_plain(f, first)?;
            f.write_str("..")?;
            write_plain(f, last)
        }
        Choice::Any(choices) => {
            f.write_char('[')?;
            for (number, choice) in choices.iter().enumerate() {
                f.write_str(if number == 0 { "" } else { ", " })?;
                write_choice(f, field, choice)?;
            }
            f.write_char(']')
        }
        Choice::Random(None) => f.write_str("rand"),
        Choice::Random(Some((low, high))) => match field.shape {
            Shape::V4 => write!(f, "rand({}..{})", v4(*low), v4(*high)),
            Shape::Mac => write!(f, "rand({}..{})", mac(*low), mac(*high)),
            Shape::Bytes | Shape::Name if low == high => write!(f, "rand({low})"),
            _ => write!(f, "rand({low}..{high})"),
        },
        Choice::Bad => f.write_str("bad"),
    }
}

fn v4(number: u64) -> Ipv4Addr {
    Ipv4Addr::from_bits(number as u32)
}

fn mac(number: u64) -> Mac {
    let [_, _, bytes @ ..] = number.to_be_bytes();
    Mac(bytes)
}

fn write_value(f: &mut Formatter<'_>, field: &Field, shape: Shape, value: &Value) -> fmt::Result {
    match (value, shape) {
        (Value::Number(number), Shape::Flags(_, letters)) => write_flags(f, letters, *number),
        (Value::Number(number), _) => write_number(f, field, *number),
        (Value::List(values), Shape::List(shape)) => {
            f.write_char('[')?;
            for (number, value) in values.iter().enumerate() {
                f.write_str(if number == 0 { "" } else { ", " })?;
                write_value(f, field, *shape, value)?;
            }
            f.write_char(']')
        }
        // In quotes it would be read as a name.
        (Value::Bytes(bytes), Shape::Name) => text::write_hex(f, bytes),
        _ => write_plain(f, value),
    }
}

/// A value without its field's names.
fn write_plain(f: &mut Formatter<'_>, value: &Value) -> fmt::Result {
    match value {
        Value::Number(number) => write!(f, "{number}"),
        Value::Mac(mac) => write!(f, "{mac}"),
        Value::V4(address) => write!(f, "{address}"),
        Value::V6(address) => write!(f, "{address}"),
        Value::Bytes(bytes) => text::write(f, bytes),
        Value::Name(name) => text::write_text(f, name),
        Value::Layers(layers) => {
            f.write_char('[')?;
            for (number, layer) in layers.iter().enumerate() {
                f.write_str(if number == 0 { "" } else { ", " })?;
                write_layer(f, layer, true)?;
            }
            f.write_char(']')
        }
        Value::List(values) => {
            f.write_char('[')?;
            for (number, value) in values.iter().enumerate() {
                f.write_str(if number == 0 { "" } else { ", " })?;
                write_plain(f, value)?;
            }
            f.write_char(']')
        }
    }
}

/// A number: its name if it has one, checksums and types in hexadecimal, else as people count.
fn write_number(f: &mut Formatter<'_>, field: &Field, number: u64) -> fmt::Result {
    let is_checksum =
        matches!(field.fill, Fill::Rule(Rule::HeaderChecksum | Rule::Checksum | Rule::TransportChecksum));
    match name(field, number) {
        Some(name) => f.write_str(name),
        None if is_checksum || matches!(field.fill, Fill::Rule(Rule::Next(_))) && field.name == "type" => {
            write!(f, "{number:#06x}")
        }
        None => write!(f, "{number}"),
    }
}

/// The name of a number, if reading it gives the same number.
fn name(field: &Field, number: u64) -> Option<&'static str> {
    let (_, name) = field.names.iter().find(|(value, _)| *value == number)?;
    let first = field.names.iter().find(|(_, other)| other == name)?;
    let is_word = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        && !matches!(*name, "rand" | "bad" | "None");
    (is_word && first.0 == number).then_some(name)
}

/// `SA` if each bit has a letter, `MF+DF` if each has a word, else a number.
pub(crate) fn write_flags(f: &mut impl Write, letters: &[&str], number: u64) -> fmt::Result {
    let is_set = |bit: &usize| *bit < 64 && number >> bit & 1 == 1;
    let set: Option<Vec<&str>> =
        (0..64).filter(is_set).map(|bit| letters.get(bit).copied().filter(|l| !l.is_empty())).collect();
    let is_word = |flag: &str| flag.chars().all(|c| c.is_ascii_alphabetic());
    match set {
        Some(set) if !set.is_empty() && set.iter().all(|flag| is_word(flag)) => {
            let between = if letters.iter().all(|letter| letter.len() <= 1) { "" } else { "+" };
            f.write_str(&set.join(between))
        }
        _ if number == 0 => f.write_char('0'),
        _ => write!(f, "{number:#x}"),
    }
}
