//! Where a field's value comes from, in words.

use std::net::IpAddr;

use super::tree::counted;
use crate::wire::packet::{Dissection, Field, Fill, Origin, Rule, Section, Seen, Value, Verdict};

/// Where the value of a field comes from, in a word.
pub(super) const fn origin(seen: &Seen) -> &'static str {
    match (seen.origin, seen.field.fill) {
        (Origin::Read, _) => "read",
        (Origin::Set, _) => "set",
        // A port: nothing behind it has a number of its own.
        (Origin::Filled, Fill::Rule(Rule::Next(usual) | Rule::Reach(usual))) if matches!(seen.value, Value::Number(n) if n == usual) => {
            "default"
        }
        (Origin::Filled, Fill::Rule(_)) => "computed",
        (Origin::Filled, _) => "default",
    }
}

/// How the value of a field is worked out, or checked, in a sentence: `20 of this header + TCP 20 + Payload 5 = 45 bytes`.
/// `section` is the layer or option that the field is in; `behind` are the layers behind it.
pub(super) fn rule(packet: &Dissection, section: &Section, behind: &[Section], seen: &Seen) -> String {
    let rule = match seen.field.fill {
        Fill::Rule(Rule::Next(usual) | Rule::Reach(usual)) if seen.value == Value::Number(usual) => {
            return String::new();
        }
        Fill::Rule(rule) => explained(packet, section, behind, seen, rule),
        _ => String::new(),
    };
    match (seen.origin, &seen.verdict) {
        (_, Verdict::Wrong(_)) if rule.is_empty() => "it does not fit the packet".into(),
        (_, Verdict::Wrong(_)) => format!("it should be: {rule}"),
        (_, Verdict::Unknown(why)) => format!("can't be checked: {why}"),
        (_, Verdict::Right) | (Origin::Filled, Verdict::Free) => rule,
        (Origin::Read | Origin::Set, Verdict::Free) => String::new(),
    }
}

fn explained(packet: &Dissection, section: &Section, behind: &[Section], seen: &Seen, rule: Rule) -> String {
    match rule {
        Rule::Length { unit, less } => length(section, behind, seen, unit, less),
        Rule::HeaderLength { unit: 0 | 1, less: 0 } => format!("{} in all", counted(section.range.len())),
        Rule::HeaderLength { unit, less } => {
            format!("{} of header{}", counted(section.range.len()), units(unit, less))
        }
        Rule::HeaderChecksum => {
            format!("RFC 1071 sum of the {} of this header", counted(section.range.len()))
        }
        Rule::Checksum => {
            format!("RFC 1071 sum of {} bytes", parts(section, behind).join(" + "))
        }
        Rule::TransportChecksum => {
            format!("RFC 1071 sum of pseudo header + {} bytes", parts(section, behind).join(" + "))
        }
        Rule::Next(_) => match behind.first() {
            Some(next) => format!("{} comes next", next.kind.title),
            None => String::new(),
        },
        Rule::Source => {
            let way =
                destination(packet, section).map_or_else(String::new, |to| format!(" on the way to {to}"));
            match &seen.value {
                Value::V4(address) if address.is_unspecified() => no_host(&format!("ours{way}")),
                Value::V6(address) if address.is_unspecified() => no_host(&format!("ours{way}")),
                _ => format!("ours{way}"),
            }
        }
        Rule::SourceMac => match &seen.value {
            Value::Mac(mac) if mac.0 == [0; 6] => no_host("ours"),
            _ => "ours on that wire".into(),
        },
        Rule::DestinationMac => match &seen.value {
            Value::Mac(mac) if mac.0 == [0xff; 6] => "the next hop's; all, while nobody knows it".into(),
            _ => "the next hop's".into(),
        },
        Rule::Reach(_) => match seen.value {
            Value::Number(1) => "no router may forward it".into(),
            _ => "the receiver wants to see that no router has forwarded it".into(),
        },
        Rule::Count(name) => format!("how many {name} there are"),
        Rule::LengthOf(name) => format!("the bytes of {name}"),
        Rule::Rest => "the bytes behind it".into(),
        Rule::Present(name) => format!("{name} is there"),
    }
}

fn no_host(what: &str) -> String {
    format!("{what}, known only to a host on a wire")
}

/// The sum of the parts that a length counts: `20 of this header + TCP 20 + payload 5 = 45 bytes`.
fn length(section: &Section, behind: &[Section], seen: &Seen, unit: u8, less: u8) -> String {
    let right = match (&seen.verdict, &seen.value) {
        (Verdict::Wrong(right), _) => *right,
        (_, Value::Number(number)) => *number,
        _ => 0,
    };
    let total = right.saturating_add(less.into()).saturating_mul(unit.into());
    let mut sum = section.range.len() as u64;
    let mut parts = vec![format!("{sum} of this header")];
    for next in behind {
        if sum >= total {
            break;
        }
        sum += next.range.len() as u64;
        parts.push(format!("{} {}", next.kind.title, next.range.len()));
    }
    let less_here = u64::from(less) * u64::from(unit);
    // What can't be told apart (units cut off, padding) is only named.
    if sum != total {
        return format!("the bytes of this layer and all behind it{}", units(unit, less));
    }
    if less_here == section.range.len() as u64 && parts.len() > 1 {
        parts.remove(0);
        if let [one] = &parts[..] {
            return format!("{one} bytes{}, this header not counted", units(unit, 0));
        }
        return format!(
            "{} = {}{}, this header not counted",
            parts.join(" + "),
            counted_u64(sum - less_here),
            units(unit, 0)
        );
    }
    if parts.len() == 1 {
        return format!("{} in all{}", counted_u64(sum), units(unit, less));
    }
    format!("{} = {}{}", parts.join(" + "), counted_u64(sum), units(unit, less))
}

fn counted_u64(bytes: u64) -> String {
    counted(usize::try_from(bytes).unwrap_or(usize::MAX))
}

/// `, in units of 4`, `, less 1`.
fn units(unit: u8, less: u8) -> String {
    match (unit, less) {
        (0 | 1, 0) => String::new(),
        (0 | 1, less) => format!(", {less} not counted"),
        (unit, 0) => format!(", in units of {unit}"),
        (unit, less) => format!(", in units of {unit}, {less} not counted"),
    }
}

/// A layer and those behind it, each with its bytes: `TCP 20`, `Payload 5`.
fn parts(section: &Section, behind: &[Section]) -> Vec<String> {
    let all = std::iter::once(section).chain(behind);
    all.map(|section| format!("{} {}", section.kind.title, section.range.len())).collect()
}

/// Where the packet goes: the destination of this layer, or of the first one that has one.
fn destination(packet: &Dissection, section: &Section) -> Option<IpAddr> {
    let of = |section: &Section| {
        section.fields.iter().find_map(|seen| match (is_destination(seen.field), &seen.value) {
            (true, Value::V4(address)) => Some(IpAddr::V4(*address)),
            (true, Value::V6(address)) => Some(IpAddr::V6(*address)),
            _ => None,
        })
    };
    of(section).or_else(|| packet.sections.iter().find_map(of))
}

fn is_destination(field: &Field) -> bool {
    matches!(field.name, "dst" | "pdst")
}
