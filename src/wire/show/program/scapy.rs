//! Python with Scapy, field by field.

use std::fmt::Write;

use super::described;
use crate::base::LinkType;
use crate::wire::packet::{Choice, Dissection, Field, Fill, Layer, Rule, Section, Seen, Shape, Value};

/// Scapy's classes of which we are sure that they build the same bytes, with their fields. What is behind any other layer is
/// given to Scapy as bytes.
const CLASSES: &[(&str, &[&str])] = &[
    ("Ether", &["dst", "src", "type"]),
    ("Dot3", &["dst", "src", "len"]),
    ("Dot1Q", &["prio", "dei", "vlan", "type"]),
    ("LLC", &["dsap", "ssap", "ctrl"]),
    ("SNAP", &["OUI", "code"]),
    ("ARP", &["hwtype", "ptype", "hwlen", "plen", "op", "hwsrc", "psrc", "hwdst", "pdst"]),
    (
        "IP",
        &[
            "version", "ihl", "tos", "len", "id", "flags", "frag", "ttl", "proto", "chksum", "src", "dst",
            "options",
        ],
    ),
    (
        "ICMP",
        &[
            "type",
            "code",
            "chksum",
            "id",
            "seq",
            "ts_ori",
            "ts_rx",
            "ts_tx",
            "gw",
            "ptr",
            "reserved",
            "length",
            "addr_mask",
            "nexthopmtu",
        ],
    ),
    ("IPv6", &["version", "tc", "fl", "plen", "nh", "hlim", "src", "dst"]),
    ("IPv6ExtHdrFragment", &["nh", "res1", "offset", "res2", "m", "id"]),
    (
        "TCP",
        &[
            "sport", "dport", "seq", "ack", "dataofs", "reserved", "flags", "window", "chksum", "urgptr",
            "options",
        ],
    ),
    ("UDP", &["sport", "dport", "len", "chksum"]),
    ("Raw", &["load"]),
    ("Padding", &["load"]),
];

/// Numbers of the next layer that Scapy fills in as we do: the lower layer, and those behind it.
const BOUND: &[(&str, &[&str])] = &[
    ("Ether", &["IP", "IPv6", "ARP"]),
    ("Dot1Q", &["IP", "IPv6", "ARP"]),
    ("SNAP", &["IP", "IPv6", "ARP"]),
    ("IP", &["TCP", "UDP", "ICMP"]),
    ("IPv6", &["TCP", "UDP"]),
];

/// Defaults of Scapy that are not ours, or not constant: such fields are always written.
const OTHER_DEFAULTS: &[(&str, &str)] = &[
    ("LLC", "ctrl"),
    ("ICMP", "ts_ori"),
    ("ICMP", "ts_rx"),
    ("ICMP", "ts_tx"),
    ("IPv6ExtHdrFragment", "id"),
];

/// The packet as a Python program for Scapy, which builds the same bytes and sends them.
pub fn as_scapy(packet: &Dissection) -> String {
    let described = described(packet);
    let parts: Vec<_> = packet.sections.iter().zip(&described.layers).collect();
    let words =
        |at: usize, next| parts.get(at).and_then(|(section, layer)| class(packet, section, layer, next));
    // RFC 792: an error quotes a packet as it was, cut short; nothing in it is worked out anew.
    let quotes = |at: usize| {
        let is = |at: usize, class| parts.get(at).is_some_and(|(section, _)| section.kind.scapy == class);
        at.checked_sub(1).is_some_and(|before| is(before, "ICMP") && is(at, "IP"))
    };
    let end = (0..parts.len()).find(|at| quotes(*at) || words(*at, None).is_none()).unwrap_or(parts.len());
    let next = |at: usize| parts[..end].get(at + 1).map(|(section, _)| section.kind.scapy);
    let mut layers: Vec<String> = (0..end).filter_map(|at| words(at, next(at))).collect();
    if let Some((section, _)) = parts.get(end) {
        let rest = packet.bytes.get(section.range.start..).unwrap_or_default();
        let what = if quotes(end) { "the packet that it is about" } else { section.kind.title };
        layers.push(format!("Raw({})  # {what}", bytes(rest)));
    }
    if layers.is_empty() {
        layers.push("Raw()".into());
    }
    let mut text = String::from(
        "#!/usr/bin/env python3\n\
         # Sends one packet with Scapy (pip install scapy). It needs the rights of root.\n\
         import sys\n\nfrom scapy.all import *\n\npacket = (\n",
    );
    for (number, layer) in layers.iter().enumerate() {
        let _ = writeln!(text, "    {}{layer}", if number == 0 { "" } else { "/ " });
    }
    text.push_str(")\n\nif __name__ == \"__main__\":\n    packet.show2()\n");
    text.push_str(match packet.link {
        LinkType::Ethernet | LinkType::Can => {
            "    sendp(packet, iface=sys.argv[1] if len(sys.argv) > 1 else conf.iface)\n"
        }
        LinkType::Ip => "    send(packet)\n",
    });
    text
}

/// `TCP(dport=80)`; none if Scapy has no words for something in it.
fn class(packet: &Dissection, section: &Section, layer: &Layer, next: Option<&str>) -> Option<String> {
    let (class, known) = CLASSES.iter().find(|(class, _)| *class == section.kind.scapy)?;
    if !std::ptr::eq(section.kind, layer.kind()) || section.note.is_some() {
        return None;
    }
    let bound =
        BOUND.iter().any(|(under, over)| under == class && next.is_some_and(|next| over.contains(&next)));
    let mut arguments = Vec::new();
    for seen in &section.fields {
        let field = seen.field;
        let name = std::iter::once(&field.name).chain(field.aliases).find(|name| known.contains(name));
        let set = layer.get(field.name).is_some();
        let Some(name) = name else {
            if set {
                return None;
            } else {
                continue;
            };
        };
        let written = set
            || matches!(field.shape, Shape::Mac | Shape::V4 | Shape::V6)
            || matches!(field.fill, Fill::Rule(Rule::Next(_))) && !bound
            || matches!((field.fill, &seen.value), (Fill::Rule(Rule::Reach(usual)), Value::Number(n)) if usual != *n)
            || OTHER_DEFAULTS.contains(&(*class, *name));
        if written {
            arguments.push(format!("{name}={}", field_value(packet, class, layer, seen)?));
        }
    }
    if let ("Raw" | "Padding", [only]) = (*class, arguments.as_slice()) {
        return Some(format!("{class}({})", only.strip_prefix("load=").unwrap_or(only)));
    }
    Some(format!("{class}({})", arguments.join(", ")))
}

fn field_value(packet: &Dissection, class: &str, layer: &Layer, seen: &Seen) -> Option<String> {
    Some(match &seen.value {
        Value::Number(number) => number_of(seen.field, *number),
        Value::Mac(mac) => format!("\"{mac}\""),
        Value::V4(address) => format!("\"{address}\""),
        Value::V6(address) => format!("\"{address}\""),
        Value::Bytes(load) => bytes(load),
        Value::Layers(_) if class == "TCP" => {
            let Some(Choice::One(Value::Layers(options))) = layer.get(seen.field.name) else { return None };
            let pairs = seen.inner.iter().zip(options).map(|(section, option)| tcp_option(section, option));
            format!("[{}]", pairs.collect::<Option<Vec<_>>>()?.join(", "))
        }
        // Each option's bytes: Scapy finds its class by them.
        Value::Layers(_) if class == "IP" => {
            let options = seen.inner.iter().map(|option| packet.bytes.get(option.range.clone()));
            let options = options.map(|option| Some(format!("IPOption({})", bytes(option?))));
            format!("[{}]", options.collect::<Option<Vec<_>>>()?.join(", "))
        }
        Value::Name(_) | Value::Layers(_) | Value::List(_) => return None,
    })
}

fn number_of(field: &Field, number: u64) -> String {
    let letters = match field.shape {
        Shape::Flags(_, letters) => letters,
        _ if matches!(field.fill, Fill::Rule(_)) && number > 0xff && !field.name.ends_with("port") => {
            return format!("{number:#06x}");
        }
        _ => return number.to_string(),
    };
    let set = (0..64).filter(|bit| number >> bit & 1 == 1);
    let set: Option<Vec<&str>> = set.map(|bit| letters.get(bit).copied()).collect();
    let between = if letters.iter().all(|letter| letter.len() == 1) { "" } else { "+" };
    match set {
        Some(set) if number > 0 => format!("\"{}\"", set.join(between)),
        _ => number.to_string(),
    }
}

/// `("MSS", 1460)`; of an option that Scapy does not know or that is not as it should be: its number and its bytes, if its
/// length is right.
fn tcp_option(section: &Section, option: &Layer) -> Option<String> {
    let number = |name| section.number(name);
    if option.get("len").is_some() {
        return None;
    }
    Some(match section.kind.scapy {
        "EOL" => "(\"EOL\", None)".into(),
        "NOP" => "(\"NOP\", None)".into(),
        "MSS" => format!("(\"MSS\", {})", number("mss")?),
        "WScale" => format!("(\"WScale\", {})", number("shift")?),
        "SAckOK" => "(\"SAckOK\", b\"\")".into(),
        "Timestamp" => format!("(\"Timestamp\", ({}, {}))", number("val")?, number("ecr")?),
        "SAck" => {
            let Value::List(edges) = &section.seen("edges")?.value else { return None };
            let edges = edges.iter().map(|edge| match edge {
                Value::Number(edge) => Some(edge.to_string()),
                _ => None,
            });
            format!("(\"SAck\", ({},))", edges.collect::<Option<Vec<_>>>()?.join(", "))
        }
        _ => return None,
    })
}

/// `b"text\x00"`, or `bytes.fromhex("...")` where little of it is text.
fn bytes(bytes: &[u8]) -> String {
    let printable = |byte: &&u8| matches!(byte, b' '..=b'~' | b'\n' | b'\r' | b'\t');
    if bytes.iter().filter(printable).count() * 4 < bytes.len() * 3 {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        return format!("bytes.fromhex(\"{hex}\")");
    }
    let text: String = bytes
        .iter()
        .map(|byte| match byte {
            b'\n' => "\\n".into(),
            b'\r' => "\\r".into(),
            b'\t' => "\\t".into(),
            b'"' | b'\\' => format!("\\{}", char::from(*byte)),
            b' '..=b'~' => char::from(*byte).to_string(),
            byte => format!("\\x{byte:02x}"),
        })
        .collect();
    format!("b\"{text}\"")
}
