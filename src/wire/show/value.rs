//! What a field holds, in words: its value as one writes it, and what that means.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::base::Mac;
use crate::wire::expression::{write_bytes, write_flags, write_text};
use crate::wire::packet::{Field, Fill, Rule, Seen, Shape, Value, Verdict};

/// A field's value as expressions write it: `64`, `0x0800`, `SA`, `192.0.2.1`, `"hello"`.
pub fn value(field: &Field, value: &Value) -> String {
    match value {
        Value::Number(number) => number_of(field, *number),
        Value::Mac(mac) => mac.to_string(),
        Value::V4(address) => address.to_string(),
        Value::V6(address) => address.to_string(),
        Value::Bytes(bytes) if bytes.is_empty() => "none".into(),
        Value::Bytes(bytes) => written(|text| write_bytes(text, bytes)),
        Value::Name(name) => written(|text| write_text(text, name)),
        Value::Layers(layers) if layers.is_empty() => "none".into(),
        Value::Layers(layers) => layers.iter().map(|layer| layer.kind().name).collect::<Vec<_>>().join(", "),
        Value::List(items) if items.is_empty() => "none".into(),
        Value::List(items) => {
            format!("[{}]", items.iter().map(|item| self::value(field, item)).collect::<Vec<_>>().join(", "))
        }
    }
}

/// What a field's value means, where it has a name: `tcp`, `SYN ACK`, `broadcast`.
pub fn meaning(field: &Field, value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => {
            let name = |number: u64| field.names.iter().find(|(n, _)| *n == number).map(|(_, name)| *name);
            let Shape::Flags(bits, _) = field.shape else { return name(*number).map(str::to_string) };
            let set = (0..bits.min(64)).map(|bit| 1 << bit).filter(|bit| number & bit != 0);
            let words: Vec<_> = set.filter_map(name).collect();
            if words.is_empty() { name(*number).map(str::to_string) } else { Some(words.join(" ")) }
        }
        Value::Mac(Mac::BROADCAST) => Some("broadcast".into()),
        Value::Mac(mac) if mac.is_multicast() => Some("multicast".into()),
        Value::V4(address) => of_v4(*address).map(str::to_string),
        Value::V6(address) => of_v6(*address).map(str::to_string),
        Value::Bytes(bytes) if bytes.len() > 3 => Some(format!("{} bytes", bytes.len())),
        _ => None,
    }
}

/// What is to be said about a field's value being right: `✓`, `✗ should be 0x1234`, `? a fragment`; nothing if any value is fine.
pub fn verdict(seen: &Seen) -> Option<String> {
    match &seen.verdict {
        Verdict::Free => None,
        Verdict::Right => Some("✓".into()),
        Verdict::Wrong(right) => Some(format!("✗ should be {}", number_of(seen.field, *right))),
        Verdict::Unknown(why) => Some(format!("? {why}")),
    }
}

fn number_of(field: &Field, number: u64) -> String {
    match field.shape {
        Shape::Flags(_, letters) => written(|text| write_flags(text, letters, number)),
        Shape::Bits(bits) if hexadecimal(field) => {
            format!("0x{number:0width$x}", width = usize::from(bits.div_ceil(4)))
        }
        _ => number.to_string(),
    }
}

/// Checksums, and EtherTypes, are written in hexadecimal.
const fn hexadecimal(field: &Field) -> bool {
    let Fill::Rule(rule) = field.fill else { return false };
    match rule {
        Rule::HeaderChecksum | Rule::Checksum | Rule::TransportChecksum => true,
        Rule::Next(_) => matches!(field.shape, Shape::Bits(16)) && !is_port(field),
        _ => false,
    }
}

const fn is_port(field: &Field) -> bool {
    matches!(field.name.as_bytes(), [.., b'p', b'o', b'r', b't'])
}

/// What an expression's writer writes.
fn written(write: impl FnOnce(&mut String) -> fmt::Result) -> String {
    let mut text = String::new();
    // A string takes whatever it is given.
    let _ = write(&mut text);
    text
}

const fn of_v4(address: Ipv4Addr) -> Option<&'static str> {
    if address.is_broadcast() {
        Some("broadcast")
    } else if address.is_multicast() {
        Some("multicast")
    } else if address.is_loopback() {
        Some("loopback")
    } else if address.is_unspecified() {
        Some("unspecified")
    } else if address.is_link_local() {
        Some("link-local")
    } else {
        None
    }
}

const fn of_v6(address: Ipv6Addr) -> Option<&'static str> {
    if address.is_multicast() {
        Some("multicast")
    } else if address.is_loopback() {
        Some("loopback")
    } else if address.is_unspecified() {
        Some("unspecified")
    } else if address.is_unicast_link_local() {
        Some("link-local")
    } else {
        None
    }
}
