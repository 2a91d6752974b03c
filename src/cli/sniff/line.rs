//! A frame in print, in tcpdump's manner.

use std::time::Duration;

use super::Sniffed;
use crate::base::{Instant, LinkType};
use crate::cli::args::SniffArgs;
use crate::cli::packet_json;
use crate::cli::say;
use crate::wire::packet::{Dissection, Value};
use crate::wire::show::{hexdump, tree};
use crate::wire::{Dissected, Tracker};

/// Prints frames.
pub(super) struct Printer {
    style: Style,
    as_json: bool,
    /// Connections, for relative sequence numbers.
    tracker: Tracker,
    /// The names of the interfaces, by their number.
    names: Vec<String>,
    first: Option<Instant>,
    before: Option<Instant>,
}

/// What the flags ask for.
struct Style {
    time: u8,
    verbose: u8,
    link_header: bool,
    absolute: bool,
    hex: u8,
    hex_ascii: u8,
    ascii: bool,
    tree: bool,
    marked: bool,
}

impl Printer {
    pub(super) fn new(args: &SniffArgs, as_json: bool) -> Self {
        let style = Style {
            time: args.time,
            verbose: args.verbose,
            link_header: args.link_header,
            absolute: args.absolute,
            hex: args.hex,
            hex_ascii: args.hex_ascii,
            ascii: args.ascii,
            tree: args.tree || args.verbose > 1,
            marked: args.marked,
        };
        Self { style, as_json, tracker: Tracker::new(), names: Vec::new(), first: None, before: None }
    }

    /// Tells the name of an interface.
    pub(super) fn describe(&mut self, number: u32, name: &str) {
        let at = number as usize;
        if self.names.len() <= at {
            self.names.resize(at + 1, String::new());
        }
        self.names[at] = name.to_string();
    }

    pub(super) fn print(&mut self, frame: &Sniffed<'_>) {
        let (link, bytes) = (frame.link, frame.bytes);
        if self.as_json {
            let mut object = packet_json::packet(&Dissection::of(link, bytes));
            object["time"] = (frame.time.as_nanos() as f64 / 1e9).into();
            object["direction"] = format!("{:?}", frame.direction).to_lowercase().into();
            object["wire_length"] = frame.len.into();
            if let Some(name) = self.names.get(frame.source as usize).filter(|name| !name.is_empty()) {
                object["interface"] = name.as_str().into();
            }
            return say::object(object);
        }
        let mut line = self.time(frame.time);
        if self.names.len() > 1
            && let Some(name) = self.names.get(frame.source as usize)
        {
            // As tcpdump does of `-i any`.
            line += &format!("{name} {:3} ", format!("{:?}", frame.direction));
        }
        let dissected = Dissected::of(link, bytes);
        if self.style.link_header
            && let Some(ether) = dissected.ethernet
        {
            let name = match ether.ethertype {
                0x0800 => "IPv4".into(),
                0x0806 => "ARP".into(),
                0x86dd => "IPv6".into(),
                other => format!("0x{other:04x}"),
            };
            line += &format!(
                "{} > {}, ethertype {name} (0x{:04x}), length {}: ",
                ether.source, ether.destination, ether.ethertype, frame.len
            );
        }
        if self.style.absolute {
            line += &dissected.to_string();
        } else {
            line += &self.tracker.summary(link, bytes);
        }
        if self.style.verbose > 0 {
            line += &details(&Dissection::of(link, bytes));
        }
        say::line(line);
        self.bytes(frame);
    }

    /// The bytes and fields that the flags ask for, below the line.
    fn bytes(&self, frame: &Sniffed<'_>) {
        let Style { hex, hex_ascii, ascii, .. } = self.style;
        if self.style.tree {
            say::lines(&tree(&Dissection::of(frame.link, frame.bytes), say::width()));
        }
        if self.style.marked {
            say::lines(&hexdump(&Dissection::of(frame.link, frame.bytes)));
        }
        let behind_link = if frame.link == LinkType::Ethernet { 14.min(frame.bytes.len()) } else { 0 };
        let from = |times: u8| if times > 1 { 0 } else { behind_link };
        if hex_ascii > 0 {
            columns(&frame.bytes[from(hex_ascii)..], true);
        } else if hex > 0 {
            columns(&frame.bytes[from(hex)..], false);
        }
        if ascii {
            let text: String = frame.bytes[behind_link..].iter().map(|byte| printable(*byte, true)).collect();
            say::line(text);
        }
    }

    /// The time in front of a line, as -t, -tt ... ask for it.
    fn time(&mut self, time: Instant) -> String {
        let since_1970 = time.since(Instant::ZERO);
        let first = *self.first.get_or_insert(time);
        let before = self.before.replace(time).unwrap_or(time);
        let seconds = |span: Duration| format!("{}.{:06} ", span.as_secs(), span.subsec_micros());
        let clock = |span: Duration| {
            let of_day = span.as_secs() % 86_400;
            format!(
                "{:02}:{:02}:{:02}.{:06} ",
                of_day / 3600,
                of_day / 60 % 60,
                of_day % 60,
                span.subsec_micros()
            )
        };
        match self.style.time {
            0 => clock(since_1970),
            1 => String::new(),
            2 => seconds(since_1970),
            3 => clock(time.since(before)),
            4 => {
                let (year, month, day) = date(since_1970.as_secs() / 86_400);
                format!("{year:04}-{month:02}-{day:02} {}", clock(since_1970))
            }
            _ => clock(time.since(first)),
        }
    }
}

/// The civil date of a day since 1970-01-01 (Gregorian; years of 400 make cycles of 146,097 days, from a 1st of March).
const fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (cycle, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (cycle * 400 + year + carry, month, of_month)
}

/// What -v adds: `(tos 0x0, ttl 64, id 1, offset 0, flags [DF], proto TCP (6), length 60)`.
fn details(packet: &Dissection) -> String {
    let Some(ip) = packet.sections.iter().find(|section| matches!(section.kind.name, "ip" | "ipv6")) else {
        return String::new();
    };
    let number = |name: &str| {
        ip.fields.iter().find(|seen| seen.field.name == name).and_then(|seen| match seen.value {
            Value::Number(number) => Some(number),
            _ => None,
        })
    };
    let mut words = Vec::new();
    if ip.kind.name == "ip" {
        words.extend(number("tos").map(|tos| format!("tos 0x{tos:x}")));
        words.extend(number("ttl").map(|ttl| format!("ttl {ttl}")));
        words.extend(number("id").map(|id| format!("id {id}")));
        words.extend(number("frag").map(|units| format!("offset {}", units * 8)));
        words.extend(number("flags").map(|flags| {
            let names: Vec<_> = [(2, "DF"), (1, "+"), (4, "evil")]
                .iter()
                .filter(|(bit, _)| flags & bit != 0)
                .map(|(_, n)| *n)
                .collect();
            format!("flags [{}]", if names.is_empty() { "none".into() } else { names.join(",") })
        }));
        words.extend(number("proto").map(|proto| format!("proto {proto}")));
        words.extend(number("len").map(|len| format!("length {len}")));
    } else {
        words.extend(number("tc").filter(|tc| *tc > 0).map(|tc| format!("class 0x{tc:02x}")));
        words.extend(number("fl").filter(|label| *label > 0).map(|label| format!("flowlabel 0x{label:05x}")));
        words.extend(number("hlim").map(|hops| format!("hlim {hops}")));
        words.extend(number("nh").map(|next| format!("next-header {next}")));
        words.extend(number("plen").or_else(|| number("len")).map(|len| format!("payload length {len}")));
    }
    format!(" ({})", words.join(", "))
}

/// A hex dump as tcpdump's: sixteen bytes in pairs, and what can be read of them.
fn columns(bytes: &[u8], ascii: bool) {
    for (row, bytes) in bytes.chunks(16).enumerate() {
        let pairs: Vec<_> = bytes
            .chunks(2)
            .map(|pair| pair.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
            .collect();
        let text: String = bytes.iter().map(|byte| printable(*byte, false)).collect();
        let line = format!("\t0x{:04x}:  {}", row * 16, pairs.join(" "));
        say::line(if ascii { format!("{line:<51}  {text}") } else { line });
    }
}

fn printable(byte: u8, lines: bool) -> char {
    match byte {
        b' '..=b'~' => char::from(byte),
        b'\n' | b'\t' if lines => char::from(byte),
        _ => '.',
    }
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn days_have_dates() {
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(11_016), (2000, 2, 29));
        assert_eq!(date(19_675), (2023, 11, 14));
        assert_eq!(date(20_088), (2024, 12, 31));
    }
}
