//! Rust with this crate.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};

use super::{described, destination};
use crate::base::LinkType;
use crate::wire::packet::{Choice, Dissection, Fill, Layer, Packet, Rule, Seen, Shape, Value};

/// Layers that have a function of their own; all others are `layer("name")`.
const FUNCTIONS: &[(&str, &str)] = &[
    ("ether", "ether()"),
    ("dot3", "dot3()"),
    ("dot1q", "dot1q()"),
    ("llc", "llc()"),
    ("snap", "snap()"),
    ("arp", "arp()"),
    ("ip", "ipv4()"),
    ("icmp", "icmp()"),
    ("ipv6", "ipv6()"),
    ("fragment", "fragment()"),
    ("tcp", "tcp()"),
    ("udp", "udp()"),
];

/// Fields that have a method of their own; all others are `.set("name", value)`.
const METHODS: &[&str] = &[
    "dst", "src", "ttl", "hlim", "tos", "id", "proto", "frag", "len", "checksum", "sport", "dport", "seq",
    "ack", "flags", "window", "code", "op", "vlan",
];

/// The packet as a Rust program with this crate, which builds the same bytes and sends them through a raw socket.
pub fn as_rust(packet: &Dissection) -> String {
    let described = described(packet);
    let building = building(packet, &described).unwrap_or_else(|| parsing(&described));
    let (socket, to) = match (packet.link, destination(packet)) {
        (LinkType::Ethernet | LinkType::Can, _) => (
            "    // Interface 1 is `lo`, the first one plugged in is 2.\n    \
             let socket = host.socket(AF_PACKET, SOCK_RAW, 0)?;\n"
                .to_string(),
            "LinkAddr::bind(IfIndex(2), 0)".to_string(),
        ),
        (LinkType::Ip, Some(IpAddr::V6(address))) => (
            "    // The header is part of the packet: IPPROTO_RAW says so.\n    \
             let socket = host.socket(AF_INET6, SOCK_RAW, IPPROTO_RAW)?;\n"
                .to_string(),
            format!("(\"{address}\", 0)"),
        ),
        (LinkType::Ip, address) => (
            "    // The header is part of the packet, IPPROTO_RAW says so; and it leaves as it is, even what is 0 in it.\n    \
             let socket = host.socket(AF_INET, SOCK_RAW, IPPROTO_RAW)?;\n    \
             socket.setsockopt(SOL_SOCKET, SO_VERBATIM, 2)?;\n"
                .to_string(),
            format!("(\"{}\", 0)", address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))),
        ),
    };
    let uses = match packet.link {
        LinkType::Ethernet | LinkType::Can => {
            "use sockatoo::base::LinkAddr;\nuse sockatoo::base::constants::*;\n"
        }
        LinkType::Ip => "use sockatoo::base::constants::*;\n",
    };
    let names = if packet.link == LinkType::Ethernet { "{Host, IfIndex}" } else { "Host" };
    format!(
        "//! Sends one packet: `sudo ./packet INTERFACE`. It needs the crate `sockatoo`.\n\
         {uses}use sockatoo::wire::packet::*;\nuse sockatoo::{names};\n\n\
         fn main() -> Result<(), Box<dyn std::error::Error>> {{\n    \
         let interface = std::env::args().nth(1).ok_or(\"which interface?\")?;\n\n\
         {building}    let bytes = packet.build(&Nowhere)?.bytes;\n\n    \
         // On the interface beside the kernel, with its addresses and its neighbours.\n    \
         let host = Host::builder().shadow(&interface)?.build()?;\n\
         {socket}    socket.sendto(&bytes, 0, {to})?;\n    Ok(())\n}}\n"
    )
}

/// The packet out of functions; none if something in it has no such words.
fn building(packet: &Dissection, described: &Packet) -> Option<String> {
    let layers = described.layers.iter().zip(&packet.sections).map(|(layer, section)| {
        let seen = |name: &str| section.seen(name);
        chain(layer, &seen)
    });
    let mut text = String::from("    let packet = ");
    for (number, layer) in layers.collect::<Option<Vec<_>>>()?.iter().enumerate() {
        let _ = match (number, described.layers.len()) {
            (0, 1) => write!(text, "Packet::from({layer})"),
            (0, _) => write!(text, "{layer}"),
            _ => write!(text, "\n        / {layer}"),
        };
    }
    text.push_str(";\n");
    (!described.layers.is_empty()).then_some(text)
}

/// `tcp().dport(80).option("mss", 1460)`.
fn chain<'a>(layer: &Layer, seen: &dyn Fn(&str) -> Option<&'a Seen>) -> Option<String> {
    let name = layer.kind().name;
    if let ("payload" | "padding", [(_, Choice::One(Value::Bytes(bytes)))]) = (name, layer.set.as_slice()) {
        return Some(format!("{name}(b\"{}\")", bytes.escape_ascii()));
    }
    let function = FUNCTIONS.iter().find(|(known, _)| *known == name);
    let mut text = function.map_or_else(|| format!("layer(\"{name}\")"), |(_, call)| (*call).to_string());
    for (field, choice) in layer.fields() {
        let Choice::One(value) = choice else { return None };
        if let Value::Layers(options) = value {
            // What an option tells of itself must be what it would tell anyway.
            let inner = seen(field.name)?.inner.len() == options.len();
            for option in inner.then_some(options)? {
                let _ =
                    write!(text, "\n            .option(\"{}\", {})", option.kind().name, values(option)?);
            }
            continue;
        }
        let value = written(field.shape, value, matches!(field.fill, Fill::Rule(rule) if is_sum(rule)))?;
        let _ = if METHODS.contains(&field.name) {
            write!(text, ".{}({value})", field.name)
        } else {
            write!(text, ".set(\"{}\", {value})", field.name)
        };
    }
    Some(text)
}

const fn is_sum(rule: Rule) -> bool {
    matches!(rule, Rule::HeaderChecksum | Rule::Checksum | Rule::TransportChecksum)
}

/// The values of an option, in their order: `1460`, `()`, `(1, 2)`.
fn values(option: &Layer) -> Option<String> {
    let mut places = option.kind().positional();
    let mut values = Vec::new();
    for (field, choice) in option.fields() {
        let Choice::One(value) = choice else { return None };
        places.next().filter(|place| std::ptr::eq(*place, field))?;
        values.push(written(field.shape, value, false)?);
    }
    match values.as_slice() {
        [] => Some("()".into()),
        [one] => Some(one.clone()),
        [a, b] => Some(format!("({a}, {b})")),
        _ => None,
    }
}

fn written(shape: Shape, value: &Value, hexadecimal: bool) -> Option<String> {
    Some(match (value, shape) {
        (Value::Number(number), Shape::Flags(_, letters)) => {
            let set: Vec<&str> = (0..64)
                .filter(|bit| number >> bit & 1 == 1)
                .filter_map(|bit| letters.get(bit).copied())
                .collect();
            if set.is_empty() || set.len() < number.count_ones() as usize {
                number_literal(*number, false)
            } else {
                format!("\"{}\"", set.join("+"))
            }
        }
        (Value::Number(number), _) => number_literal(*number, hexadecimal),
        (Value::Mac(mac), _) => format!("\"{mac}\""),
        (Value::V4(address), _) => format!("\"{address}\""),
        (Value::V6(address), _) => format!("\"{address}\""),
        // As an argument, an array's reference would not be a slice of bytes.
        (Value::Bytes(bytes), _) => format!("b\"{}\".to_vec()", bytes.escape_ascii()),
        (Value::Name(name), _) => format!("\"{}\"", name.escape_debug()),
        (Value::List(values), Shape::List(shape)) if !values.is_empty() => {
            let values = values.iter().map(|value| written(*shape, value, false));
            format!("[{}]", values.collect::<Option<Vec<_>>>()?.join(", "))
        }
        (Value::List(_) | Value::Layers(_), _) => return None,
    })
}

fn number_literal(number: u64, hexadecimal: bool) -> String {
    match (i32::try_from(number), hexadecimal) {
        (_, true) => format!("{number:#06x}"),
        (Ok(number), _) => number.to_string(),
        (Err(_), _) => format!("{number}_u64"),
    }
}

/// The packet out of an expression, in a raw string with as many # as it takes.
fn parsing(packet: &Packet) -> String {
    let text = packet.to_string();
    let mut fence = String::new();
    while text.contains(&format!("\"{fence}")) {
        fence.push('#');
    }
    format!("    let packet: Packet = r{fence}\"{text}\"{fence}.parse()?;\n")
}

/// What [`as_rust`] writes, compiled.
#[cfg(doctest)]
#[doc = concat!("```no_run\n", include_str!("../../../../tests/programs/segment.txt"), "```")]
#[doc = concat!("```no_run\n", include_str!("../../../../tests/programs/frame.txt"), "```")]
pub struct Programs;
