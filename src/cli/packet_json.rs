//! A packet with all its fields in JSON.

use serde_json::{Map, Value as Json, json};

use crate::base::LinkType;
use crate::wire::packet::{Dissection, Origin, Section, Seen, Value, Verdict};
use crate::wire::show::{meaning, value};
use crate::wire::summary;

/// A packet: summary, expression, bytes, and each layer with its fields. Offsets and lengths are bytes, `bit` and `bits` count bits,
/// all from the packet's first one.
pub(super) fn packet(packet: &Dissection) -> Json {
    json!({
        "summary": summary(packet.link, &packet.bytes),
        "expression": packet.packet().to_string(),
        "link": match packet.link { LinkType::Ethernet => "ether", LinkType::Ip => "ip", LinkType::Can => "can" },
        "length": packet.bytes.len(),
        "bytes": hex(&packet.bytes),
        "layers": sections(&packet.sections),
    })
}

fn sections(sections: &[Section]) -> Vec<Json> {
    sections.iter().map(section).collect()
}

fn section(section: &Section) -> Json {
    let mut object = Map::new();
    object.insert("layer".into(), section.kind.name.into());
    object.insert("title".into(), section.kind.title.into());
    object.insert("offset".into(), section.range.start.into());
    object.insert("length".into(), section.range.len().into());
    object.insert("fields".into(), section.fields.iter().map(field).collect());
    if let Some(note) = &section.note {
        object.insert("note".into(), note.as_str().into());
    }
    object.into()
}

fn field(seen: &Seen) -> Json {
    let mut object = Map::new();
    object.insert("field".into(), seen.field.name.into());
    object.insert("value".into(), plain(&seen.value));
    object.insert("text".into(), value(seen.field, &seen.value).into());
    if let Some(meaning) = meaning(seen.field, &seen.value) {
        object.insert("meaning".into(), meaning.into());
    }
    object.insert("bit".into(), seen.bits.start.into());
    object.insert("bits".into(), seen.bits.len().into());
    let origin = match seen.origin {
        Origin::Read => "read",
        Origin::Set => "set",
        Origin::Filled => "filled",
    };
    object.insert("origin".into(), origin.into());
    match &seen.verdict {
        Verdict::Free => {}
        Verdict::Right => drop(object.insert("verdict".into(), "right".into())),
        Verdict::Wrong(right) => {
            object.insert("verdict".into(), "wrong".into());
            object.insert("right".into(), (*right).into());
        }
        Verdict::Unknown(why) => {
            object.insert("verdict".into(), "unknown".into());
            object.insert("why".into(), (*why).into());
        }
    }
    if !seen.inner.is_empty() {
        object.insert("layers".into(), sections(&seen.inner).into());
    }
    object.into()
}

/// Numbers as numbers, bytes in hexadecimal, addresses and names as text. What is in options and records stands in `layers`.
fn plain(value: &Value) -> Json {
    match value {
        Value::Number(number) => (*number).into(),
        Value::Mac(mac) => mac.to_string().into(),
        Value::V4(address) => address.to_string().into(),
        Value::V6(address) => address.to_string().into(),
        Value::Bytes(bytes) => hex(bytes).into(),
        Value::Name(name) => name.as_str().into(),
        Value::List(items) => items.iter().map(plain).collect(),
        Value::Layers(layers) => layers.iter().map(|layer| layer.kind().name).collect(),
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // A string takes whatever it is given.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
