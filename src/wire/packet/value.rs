//! Does a value fit into a field? And its bytes.

use super::bits;
use super::kind::{Field, Kind, Shape};
use super::layer::{Layer, Value};
use super::layers::PAYLOAD;
use crate::base::{Errno, Error, Mac};
use crate::wire::dns;

impl Field {
    /// The largest number that it holds, if it holds numbers.
    pub fn largest(&self) -> Option<u64> {
        match self.shape {
            Shape::Bits(n) | Shape::Flags(n, _) => Some(bits::mask(n.into())),
            _ => None,
        }
    }

    /// What a person writes for a value of this field: `0x10`, `SA`, `tcp`, `192.0.2.1`.
    pub fn read(&self, text: &str) -> Option<Value> {
        read(self.shape, self.names, text)
    }
}

/// The value as this field of a layer holds it: text is read, numbers become addresses, lists get their shape. EINVAL with
/// the layer's and the field's name, and what would fit.
pub(crate) fn fit(kind: &Kind, field: &Field, value: &Value) -> Result<Value, Error> {
    fit_shape(field.shape, field.names, value).ok_or_else(|| {
        Errno::EINVAL.with(format!(
            "{}.{} is {}, not {}",
            kind.name,
            field.name,
            wanted(field.shape),
            said(value)
        ))
    })
}

fn fit_shape(shape: Shape, names: &[(u64, &str)], value: &Value) -> Option<Value> {
    Some(match (shape, value) {
        (Shape::Bits(n) | Shape::Flags(n, _), Value::Number(number)) => {
            (*number <= bits::mask(n.into())).then_some(Value::Number(*number))?
        }
        (Shape::Mac, Value::Mac(mac)) => Value::Mac(*mac),
        (Shape::Mac, Value::Bytes(bytes)) => Value::Mac(Mac(bytes[..].try_into().ok()?)),
        (Shape::V4, Value::V4(address)) => Value::V4(*address),
        (Shape::V4, Value::Number(number)) => Value::V4(u32::try_from(*number).ok()?.into()),
        (Shape::V4, Value::Bytes(bytes)) => Value::V4(<[u8; 4]>::try_from(&bytes[..]).ok()?.into()),
        (Shape::V6, Value::V6(address)) => Value::V6(*address),
        (Shape::V6, Value::Bytes(bytes)) => Value::V6(<[u8; 16]>::try_from(&bytes[..]).ok()?.into()),
        (Shape::Fixed(n), Value::Bytes(bytes)) => {
            let mut bytes = (bytes.len() <= n).then(|| bytes.clone())?;
            bytes.resize(n, 0);
            Value::Bytes(bytes)
        }
        (Shape::Bytes, Value::Bytes(bytes)) => Value::Bytes(bytes.clone()),
        (Shape::Fixed(_) | Shape::Bytes, Value::Name(text)) => {
            fit_shape(shape, names, &Value::Bytes(text.clone().into_bytes()))?
        }
        // Bytes instead of a name are the name as it is on the wire: right or wrong, or with a pointer in it.
        (Shape::Name, Value::Bytes(bytes)) => Value::Bytes(bytes.clone()),
        (Shape::Name, Value::Name(name)) => {
            dns::put_name(&mut Vec::new(), name).is_ok().then(|| Value::Name(name.clone()))?
        }
        (Shape::Layers(_), Value::Layers(layers)) => Value::Layers(layers.clone()),
        // Bytes instead of options stand there as they are.
        (Shape::Layers(_), Value::Bytes(bytes)) => Value::Layers(vec![raw(bytes.clone())]),
        (Shape::List(item), Value::List(list)) => {
            Value::List(list.iter().map(|value| fit_shape(*item, names, value)).collect::<Option<_>>()?)
        }
        (Shape::List(item), Value::Number(_) | Value::Mac(_) | Value::V4(_) | Value::V6(_)) => {
            Value::List(vec![fit_shape(*item, names, value)?])
        }
        (_, Value::Name(text)) => read(shape, names, text)?,
        _ => return None,
    })
}

/// Bytes among options.
pub(super) fn raw(bytes: Vec<u8>) -> Layer {
    let mut layer = Layer::new(&PAYLOAD);
    layer.set.push((0, super::layer::Choice::One(Value::Bytes(bytes))));
    layer
}

fn read(shape: Shape, names: &[(u64, &str)], text: &str) -> Option<Value> {
    let text = text.trim();
    match shape {
        Shape::Bits(n) => {
            let named = || names.iter().find(|(_, name)| name.eq_ignore_ascii_case(text)).map(|(n, _)| *n);
            let number = || u64::try_from(number(text)?).ok();
            named().or_else(number).filter(|v| *v <= bits::mask(n.into())).map(Value::Number)
        }
        Shape::Flags(n, words) => {
            let number = number(text).map(|number| u64::try_from(number).ok());
            let flags = number.unwrap_or_else(|| flags(words, names, text))?;
            (flags <= bits::mask(n.into())).then_some(Value::Number(flags))
        }
        Shape::Mac => text.parse().ok().map(Value::Mac),
        Shape::V4 => text.parse().ok().map(Value::V4),
        Shape::V6 => text.parse().ok().map(Value::V6),
        Shape::Fixed(_) | Shape::Bytes => Some(Value::Bytes(text.as_bytes().to_vec())),
        Shape::Name => Some(Value::Name(text.to_owned())),
        Shape::Layers(_) => None,
        Shape::List(item) => text
            .split([',', ' '])
            .filter(|part| !part.is_empty())
            .map(|part| read(*item, names, part))
            .collect::<Option<_>>()
            .map(Value::List),
    }
}

/// A number as people write it: `0x10`, `0b11`, `1_000`, `64Ki`, `1h`. `None`: this is no number.
pub(crate) fn number(word: &str) -> Option<u128> {
    const UNITS: &[(&str, u128)] = &[
        ("Ki", 1 << 10),
        ("Mi", 1 << 20),
        ("Gi", 1 << 30),
        ("k", 1_000),
        ("M", 1_000_000),
        ("G", 1_000_000_000),
        ("min", 60),
        ("s", 1),
        ("h", 3_600),
        ("d", 86_400),
    ];
    match word {
        "True" | "true" => return Some(1),
        "False" | "false" => return Some(0),
        _ => {}
    }
    let digits = word.replace('_', "");
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    for (prefix, radix) in [("0x", 16), ("0X", 16), ("0b", 2), ("0B", 2), ("0o", 8)] {
        if let Some(digits) = digits.strip_prefix(prefix) {
            return whole(digits, radix);
        }
    }
    let unit = UNITS.iter().find_map(|(unit, factor)| Some((digits.strip_suffix(unit)?, *factor)));
    let (digits, factor) = unit.unwrap_or((&digits, 1));
    Some(whole(digits, 10)?.saturating_mul(factor))
}

/// Digits, however many: what is too much for any field is the highest number.
fn whole(digits: &str, radix: u32) -> Option<u128> {
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    Some(u128::from_str_radix(digits, radix).unwrap_or(u128::MAX))
}

/// `SA` where each flag is a letter, `MF+DF` where they are words, `syn|ack` by the names of the field's values.
pub(crate) fn flags(words: &[&str], names: &[(u64, &str)], text: &str) -> Option<u64> {
    let flag = |text: &str| {
        let bit = words.iter().position(|word| *word == text);
        let bit = bit.or_else(|| words.iter().position(|word| word.eq_ignore_ascii_case(text)));
        let named =
            || names.iter().find(|(_, name)| name.eq_ignore_ascii_case(text)).map(|(value, _)| *value);
        bit.and_then(|bit| 1u64.checked_shl(u32::try_from(bit).ok()?)).or_else(named)
    };
    let letters = |text: &str| {
        let mut letter = [0; 4];
        text.chars().try_fold(0, |all, c| Some(all | flag(c.encode_utf8(&mut letter))?))
    };
    let parts = text.split(['+', '|', ',']).filter(|part| !part.is_empty());
    parts.map(|part| flag(part).or_else(|| letters(part))).try_fold(0, |all, bits| Some(all | bits?))
}

/// What fits into a field, in words.
fn wanted(shape: Shape) -> String {
    match shape {
        Shape::Bits(n) => format!("0..{}", bits::mask(n.into())),
        Shape::Flags(n, words) => format!("0..{}, or some of {}", bits::mask(n.into()), words.join(" ")),
        Shape::Mac => "a station address".into(),
        Shape::V4 => "an IPv4 address".into(),
        Shape::V6 => "an IPv6 address".into(),
        Shape::Fixed(n) => format!("{n} bytes"),
        Shape::Bytes => "bytes".into(),
        Shape::Name => "a domain name".into(),
        Shape::Layers(kinds) => match kinds {
            [one] => format!("a list of {}", one.name),
            _ => "a list of options".into(),
        },
        Shape::List(item) => format!("a list, each {}", wanted(*item)),
    }
}

/// A value, in words.
fn said(value: &Value) -> String {
    match value {
        Value::Number(number) => number.to_string(),
        Value::Mac(mac) => mac.to_string(),
        Value::V4(address) => address.to_string(),
        Value::V6(address) => address.to_string(),
        Value::Bytes(bytes) => format!("{} bytes", bytes.len()),
        Value::Name(text) => format!("`{text}`"),
        Value::Layers(_) => "a list of layers".into(),
        Value::List(_) => "a list".into(),
    }
}

/// The bytes of a value that fits into its field and that is neither a number of bits nor a list of layers.
pub(crate) fn bytes_of(value: &Value, item: Shape) -> Vec<u8> {
    match value {
        Value::Number(number) => {
            let Shape::Bits(width) = item else { return Vec::new() };
            let width = usize::from(width).div_ceil(8).min(8);
            number.to_be_bytes()[8 - width..].to_vec()
        }
        Value::Mac(mac) => mac.0.to_vec(),
        Value::V4(address) => address.octets().to_vec(),
        Value::V6(address) => address.octets().to_vec(),
        Value::Bytes(bytes) => bytes.clone(),
        Value::Name(name) => {
            let mut bytes = Vec::new();
            let _ = dns::put_name(&mut bytes, name); // fit() has tried it
            bytes
        }
        Value::List(list) => {
            let item = if let Shape::List(item) = item { *item } else { item };
            list.iter().flat_map(|value| bytes_of(value, item)).collect()
        }
        Value::Layers(_) => Vec::new(),
    }
}
