//! Every checksum of a packet worked out by hand, word by word.

use std::net::IpAddr;
use std::ops::Range;

use super::value::value;
use crate::wire::checksum::Steps;
use crate::wire::packet::{Dissection, Field, Fill, PseudoHeader, Rule, Section, Seen, Value, Verdict};

/// A checksum of a packet, worked out.
#[derive(Clone, Debug)]
pub struct SummedUp {
    /// The number of its layer, from 0.
    pub section: usize,
    /// The field that holds it.
    pub field: &'static Field,
    /// The byte of the packet where that begins.
    pub at: usize,
    /// What is summed up, in words: `over the header, bytes 0..20`.
    pub about: String,
    /// The sum, the field itself taken as zero.
    pub steps: Steps,
    /// What the packet holds.
    pub found: u16,
    /// True if the packet says that it has none (UDP over IPv4).
    pub absent: bool,
}

impl SummedUp {
    /// True if the packet holds what belongs there, or says that it holds nothing.
    pub fn is_right(&self) -> bool {
        // 0 and 0xffff are the same number to the one's complement sum.
        let same = |n: u16| if n == 0xffff { 0 } else { n };
        self.absent || same(self.found) == same(self.steps.checksum)
    }
}

/// Each checksum in the packet, the outermost first. Those that can't be worked out (a fragment, a packet cut short) are left out.
pub fn summed_up(packet: &Dissection) -> Vec<SummedUp> {
    let mut all = Vec::new();
    for (number, section) in packet.sections.iter().enumerate() {
        for seen in &section.fields {
            all.extend(sum_up(packet, number, section, seen));
        }
    }
    all
}

fn sum_up(packet: &Dissection, number: usize, section: &Section, seen: &Seen) -> Option<SummedUp> {
    let (Fill::Rule(rule), Value::Number(found)) = (seen.field.fill, &seen.value) else { return None };
    if let Verdict::Unknown(_) = seen.verdict {
        return None;
    }
    let covered = packet.covered(number, rule)?;
    let over = &covered.range;
    let bytes = packet.bytes.get(over.clone())?;
    let mut steps = Steps::default();
    if let Some(pseudo) = &covered.pseudo_header {
        add_pseudo_header(&mut steps, pseudo);
    }
    // The words of the layer, with the field itself as zero.
    let own = seen.range();
    let mut zeroed = bytes.to_vec();
    zeroed.get_mut(own.start.checked_sub(over.start)?..own.end.checked_sub(over.start)?)?.fill(0);
    let name = |at: usize| match own.contains(&(over.start + at)) {
        true => format!("{}, taken as 0", seen.field.name),
        false => words(packet, over.start + at..(over.start + at + 2).min(over.end)),
    };
    steps.add(&zeroed, Some(over.start), name);
    let about = match (rule, &covered.pseudo_header) {
        (Rule::HeaderChecksum, _) => "over the header",
        (_, Some(_)) => "over the pseudo header, the header and the data",
        (_, None) => "over the header and the data",
    };
    let found = *found as u16;
    Some(SummedUp {
        section: number,
        field: seen.field,
        at: own.start,
        about: format!("{about}, bytes {} to {}", over.start, over.end.saturating_sub(1)),
        steps: steps.finish(),
        found,
        // RFC 768: "An all zero transmitted checksum value means that the transmitter generated no checksum".
        absent: found == 0
            && section.kind.name == "udp"
            && covered.pseudo_header.is_some_and(|pseudo| pseudo.source.is_ipv4()),
    })
}

/// RFC 9293 3.1, RFC 8200 8.1: what is not sent, but counted.
fn add_pseudo_header(steps: &mut Steps, pseudo: &PseudoHeader) {
    let mut address = |name: &str, address: IpAddr| {
        let octets = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        steps.add(&octets, None, |at| match at {
            0 => format!("pseudo header: {name} {address}"),
            _ => format!("pseudo header: {name}, bytes {at} and {}", at + 1),
        });
    };
    address("source", pseudo.source);
    address("destination", pseudo.destination);
    let length = (pseudo.length as u32).to_be_bytes();
    let protocol = format!("pseudo header: protocol {}", pseudo.protocol);
    let long = format!("pseudo header: length {}", pseudo.length);
    if pseudo.source.is_ipv4() {
        steps.add(&[0, pseudo.protocol], None, |_| protocol.clone());
        steps.add(&length[2..], None, |_| long.clone());
    } else {
        let upper = "pseudo header: length, the upper half";
        steps.add(&length, None, |at| if at == 0 { upper.to_string() } else { long.clone() });
        steps.add(&[0, 0], None, |_| "pseudo header: zero".into());
        steps.add(&[0, pseudo.protocol], None, |_| protocol.clone());
    }
}

/// What stands in these bytes: `ttl = 64, proto = 17`, `src = 192.0.2.1`, `payload: "he"`.
fn words(packet: &Dissection, bytes: Range<usize>) -> String {
    let mut parts: Vec<String> = Vec::new();
    for section in packet.sections.iter().filter(|s| touches(&s.range, &bytes)) {
        section_words(section, "", &bytes, packet, &mut parts);
    }
    parts.join(", ")
}

/// `before` is what stands in front of the names of fields: of an option, which one it is.
fn section_words(
    section: &Section,
    before: &str,
    bytes: &Range<usize>,
    packet: &Dissection,
    parts: &mut Vec<String>,
) {
    for seen in section.fields.iter().filter(|seen| touches(&seen.range(), bytes)) {
        if seen.inner.is_empty() {
            parts.push(format!("{before}{}", field_words(section, seen, bytes, packet)));
        }
        for inner in seen.inner.iter().filter(|inner| touches(&inner.range, bytes)) {
            section_words(inner, &format!("{before}{}.", inner.kind.name), bytes, packet, parts);
        }
    }
}

/// A field where it begins with its value, what goes on with the place of the word in it.
fn field_words(section: &Section, seen: &Seen, bytes: &Range<usize>, packet: &Dissection) -> String {
    let (name, range) = (seen.field.name, seen.range());
    match &seen.value {
        Value::Bytes(_) => {
            let here = range.start.max(bytes.start)..range.end.min(bytes.end);
            let text = packet.bytes.get(here).unwrap_or_default();
            format!("{}: {}", section.kind.name, value(seen.field, &Value::Bytes(text.to_vec())))
        }
        _ if range.start < bytes.start => {
            let (from, to) = (bytes.start - range.start, bytes.end.min(range.end) - range.start - 1);
            if from == to { format!("{name}, byte {from}") } else { format!("{name}, bytes {from} and {to}") }
        }
        _ => format!("{name} = {}", value(seen.field, &seen.value)),
    }
}

const fn touches(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.start < b.end && b.start < a.end
}
