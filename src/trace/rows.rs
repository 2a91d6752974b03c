//! A recording, told frame by frame: who to whom, in which words.

use std::collections::HashSet;
use std::net::IpAddr;

use super::flow::Flows;
use super::parties::{Parties, To};
use super::recording::Recorded;
use crate::base::Instant;
use crate::wire::{Dissected, Ip, Network, Tcp, TcpFlags, TcpOption, Transport};

/// How a row is meant, for its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    /// Somebody asks or tells who is where (ARP, NDP).
    Quiet,
    /// A connection begins or ends.
    Turn,
    /// Something went wrong.
    Alarm,
}

/// A line of the ladder.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) time: Instant,
    pub(crate) from: usize,
    pub(crate) to: To,
    pub(crate) text: String,
    /// What is remarkable.
    pub(crate) mark: Option<String>,
    pub(crate) tone: Tone,
    /// What it may be folded with.
    pub(super) run: Option<Run>,
    /// Bytes of data.
    pub(super) payload: usize,
}

/// Rows with equal streams that follow one another are a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) stream: Stream,
    /// Of an acknowledgment, which comes the other way, `None`.
    pub(super) from: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Stream {
    Tcp(usize),
    Udp(IpAddr, IpAddr, u16, u16),
    Fragments(IpAddr, IpAddr, u32),
}

/// A frame that was taken apart.
pub(crate) type Taken<'a> = (&'a Recorded, Dissected);

/// One row per frame.
pub(crate) fn rows(frames: &[Taken<'_>], parties: &Parties) -> Vec<Row> {
    let mut flows = Flows::default();
    let connections = frames.iter().filter_map(|(_, d)| d.tcp()).map(connection).collect::<HashSet<_>>();
    let mut spoke = HashSet::new();
    frames
        .iter()
        .map(|(recorded, dissected)| {
            let (from, to) = parties.of(dissected);
            let mut row = Row {
                time: recorded.time,
                from,
                to,
                text: dissected.to_string(),
                mark: None,
                tone: Tone::Plain,
                run: None,
                payload: 0,
            };
            match &dissected.network {
                Network::Ip(ip) => match &ip.transport {
                    Transport::Tcp(tcp) if !ip.is_later_fragment() => {
                        segment(&mut row, &mut flows, ip, tcp, connections.len() > 1);
                    }
                    _ => datagram(&mut row, ip, &mut spoke),
                },
                Network::Arp(_) => row.tone = Tone::Quiet,
                _ => {}
            }
            if !dissected.notes.is_empty() {
                let notes: Vec<_> = dissected.notes.iter().map(ToString::to_string).collect();
                (row.mark, row.tone, row.run) = (Some(notes.join(", ")), Tone::Alarm, None);
            }
            row
        })
        .collect()
}

/// Both ends of a connection, in one order.
fn connection((ip, tcp): (&Ip, &Tcp)) -> [(IpAddr, u16); 2] {
    let mut ends = [(ip.source, tcp.source_port), (ip.destination, tcp.destination_port)];
    ends.sort_unstable();
    ends
}

fn segment(row: &mut Row, flows: &mut Flows, ip: &Ip, tcp: &Tcp, several: bool) {
    let seen = flows.see(ip, tcp);
    let mut words = Vec::new();
    let ports = format!("{} → {}", tcp.source_port, tcp.destination_port);
    let syn = tcp.flags.has(TcpFlags::SYN);
    if several || (syn && !tcp.flags.has(TcpFlags::ACK)) {
        words.push(ports);
    }
    if syn {
        words.push(format!("win {}", tcp.window));
        words.extend(tcp.options.iter().filter(|o| matches!(o, TcpOption::Mss(_))).map(ToString::to_string));
    }
    if tcp.len > 0 {
        words.push(format!("{} bytes", grouped(tcp.len as u64)));
    }
    if seen.begins
        && let Some(text) = readable(&tcp.start)
    {
        words.push(text);
    }
    // Where it stands, only as far as it says something: data and FIN have a place, an ACK a number.
    let place = match (tcp.span() > 0 && !syn, tcp.flags.has(TcpFlags::ACK)) {
        (true, true) => format!(" seq {} ack {}", seen.seq, seen.ack),
        (true, false) => format!(" seq {}", seen.seq),
        (false, true) if !syn => format!(" {}", seen.ack),
        _ => String::new(),
    };
    words.insert(0, format!("{}{place}", tcp.flags));
    row.text = words.join(" · ");
    row.payload = tcp.len;
    row.mark = seen.mark.map(|m| m.to_string());
    let turns = [TcpFlags::SYN, TcpFlags::FIN].iter().any(|f| tcp.flags.has(*f));
    row.tone = match (tcp.flags.has(TcpFlags::RST) || seen.mark.is_some(), turns) {
        (true, _) => Tone::Alarm,
        (false, true) => Tone::Turn,
        (false, false) => Tone::Plain,
    };
    if row.tone == Tone::Plain && !seen.begins {
        row.run = Some(Run { stream: Stream::Tcp(seen.flow), from: (tcp.len > 0).then_some(row.from) });
    }
}

fn datagram(row: &mut Row, ip: &Ip, spoke: &mut HashSet<Stream>) {
    // The columns say from whom to whom: only what is behind the addresses is told.
    let mut said = ip.words();
    row.payload = ip.len;
    match &ip.transport {
        Transport::Udp(udp) => {
            let stream = Stream::Udp(ip.source, ip.destination, udp.source_port, udp.destination_port);
            let first = spoke.insert(stream);
            let mut words = vec![format!("UDP {} → {}", udp.source_port, udp.destination_port)];
            match udp.dns() {
                Some(dns) => words.push(format!("DNS {dns}")),
                None => words.push(format!("{} bytes", grouped(udp.len as u64))),
            }
            words.extend(if first && udp.dns().is_none() { readable(&udp.start) } else { None });
            words.extend(ip.fragment.map(|f| format!("first fragment of id {}", f.id)));
            said = words.join(" · ");
            row.payload = udp.len;
            row.run = Some(Run { stream, from: Some(row.from) });
        }
        Transport::Icmp(icmp) => {
            // The words of an error are long enough without its length.
            if icmp.echo.is_none() {
                said = said.trim_end_matches(&format!(", length {}", icmp.len)).to_string();
            }
            row.tone = match (ip.is_ipv4(), icmp.kind) {
                (true, 3 | 11 | 12) | (false, 1..=4) => Tone::Alarm,
                (false, 130..=143) => Tone::Quiet,
                _ if ip.protocol == 2 => Tone::Quiet,
                _ => Tone::Plain,
            };
        }
        _ => {}
    }
    if let Some(fragment) = ip.fragment {
        let stream = Stream::Fragments(ip.source, ip.destination, fragment.id);
        row.payload = ip.len;
        row.run = Some(Run { stream, from: Some(row.from) });
    }
    row.text = said;
}

/// The first line of what is said, if it is text.
fn readable(start: &[u8]) -> Option<String> {
    let line = start.split(|b| matches!(b, b'\r' | b'\n')).next()?;
    let text = line.iter().all(|b| (b' '..=b'~').contains(b));
    let ends = if line.len() == start.len() && start.len() >= 40 { "…" } else { "" };
    (text && line.len() >= 2)
        .then(|| format!("“{}{ends}”", String::from_utf8_lossy(&line[..line.len().min(48)])))
}

/// `1234567` as `1,234,567`.
pub(crate) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
