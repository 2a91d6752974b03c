//! One line per frame, in tcpdump's manner.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;

use super::cursor::Cursor;
use super::dissect::{Arp, Dissected, Ip, Network, Note, Transport};
use super::icmp::protocol_name;
use super::transport::{Tcp, TcpFlags, TcpOption, Udp};
use crate::base::LinkType;

/// One line about a frame:
/// `IP 192.0.2.2.49152 > 192.0.2.1.80: Flags [S], seq 2912733, win 64240, options [mss 1460], length 0`.
pub fn summary(link: LinkType, bytes: &[u8]) -> String {
    Dissected::of(link, bytes).to_string()
}

/// The first sequence numbers of connections that were seen, so that the following ones can be told relative to them.
/// Bounded: beyond 4,096 directions it forgets all.
#[derive(Clone, Debug, Default)]
pub struct Tracker {
    first: HashMap<(SocketAddr, SocketAddr), u32>,
}

const TRACKED: usize = 4096;

impl Tracker {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The sequence and acknowledgment number relative to the first ones seen of their direction. A SYN starts anew.
    pub fn relative(&mut self, ip: &Ip, tcp: &Tcp) -> (u32, u32) {
        let source = SocketAddr::new(ip.source, tcp.source_port);
        let destination = SocketAddr::new(ip.destination, tcp.destination_port);
        if self.first.len() >= TRACKED {
            self.first.clear();
        }
        if tcp.flags.has(TcpFlags::SYN) {
            self.first.insert((source, destination), tcp.seq);
        }
        // Joined late: the first number seen counts as 1, as if its SYN had been seen.
        let seq = *self.first.entry((source, destination)).or_insert_with(|| tcp.seq.wrapping_sub(1));
        let ack = if tcp.flags.has(TcpFlags::ACK) {
            tcp.ack.wrapping_sub(
                *self.first.entry((destination, source)).or_insert_with(|| tcp.ack.wrapping_sub(1)),
            )
        } else {
            0
        };
        (tcp.seq.wrapping_sub(seq), ack)
    }

    /// One line about a frame, with relative sequence numbers; those of a SYN, which all others are relative to, as they are.
    pub fn summary(&mut self, link: LinkType, bytes: &[u8]) -> String {
        let mut frame = Dissected::of(link, bytes);
        if let Some((seq, ack)) = frame.tcp().map(|(ip, tcp)| self.relative(ip, tcp))
            && frame.tcp().is_some_and(|(_, tcp)| !tcp.flags.has(TcpFlags::SYN))
            && let Network::Ip(Ip { transport: Transport::Tcp(tcp), .. }) = &mut frame.network
        {
            (tcp.seq, tcp.ack) = (seq, ack);
        }
        frame.to_string()
    }
}

impl fmt::Display for Dissected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(vlan) = self.ethernet.and_then(|e| e.vlan) {
            write!(f, "vlan {vlan}, ")?;
        }
        match (&self.network, self.ethernet) {
            (Network::Arp(arp), _) => write!(f, "{arp}")?,
            (Network::Ip(ip), _) => write!(f, "{ip}")?,
            (Network::Can(frame), _) => write!(f, "CAN {frame}")?,
            (Network::CanFd(frame), _) => write!(f, "CAN FD {frame}")?,
            (Network::Other { ethertype, len }, Some(e)) => {
                write!(f, "{} > {}, ethertype 0x{ethertype:04x}, length {len}", e.source, e.destination)?;
            }
            (Network::Nothing, Some(e)) => {
                write!(f, "{} > {}, ethertype 0x{:04x}", e.source, e.destination, e.ethertype)?;
            }
            (Network::Other { .. } | Network::Nothing, None) => write!(f, "not a packet")?,
        }
        self.notes.iter().try_for_each(|note| write!(f, " [{note}]"))
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated(layer) => write!(f, "truncated {layer}"),
            Self::BadChecksum(layer) => write!(f, "bad {layer} checksum"),
            Self::Malformed(field) => write!(f, "bad {field}"),
        }
    }
}

impl fmt::Display for Arp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ((sender_mac, sender), (_, target)) = (self.sender, self.target);
        match self.operation {
            1 if sender == target => write!(f, "ARP, announcement of {sender} at {sender_mac}"),
            1 if sender.is_unspecified() => write!(f, "ARP, probe of {target}"),
            1 => write!(f, "ARP, who has {target}, tell {sender}"),
            2 => write!(f, "ARP, {sender} is at {sender_mac}"),
            other => write!(f, "ARP, operation {other}, {sender} to {target}"),
        }
    }
}

impl fmt::Display for Ip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", if self.is_ipv4() { "IP" } else { "IP6" }, self.source)?;
        match self.ports() {
            Some((from, to)) => write!(f, ".{from} > {}.{to}: ", self.destination)?,
            None => write!(f, " > {}: ", self.destination)?,
        }
        f.write_str(&self.words())
    }
}

impl Ip {
    /// What stands behind the addresses: `ICMP echo request, id 7, seq 1, length 64`.
    pub fn words(&self) -> String {
        let mut words = String::new();
        for extension in &self.extensions {
            words += &format!("{extension}, ");
        }
        if let Some(fragment) = self.fragment {
            let (start, end) = (fragment.offset, fragment.offset + self.len);
            let last = if fragment.more { "" } else { ", the last" };
            words += &format!("fragment {start}-{end} of id {}{last}, ", fragment.id);
        }
        words
            + &match &self.transport {
                Transport::Tcp(tcp) => tcp.to_string(),
                Transport::Udp(udp) => udp.to_string(),
                Transport::Icmp(icmp) => {
                    format!("{} {}, length {}", protocol_name(self.protocol), icmp.text, icmp.len)
                }
                Transport::Other => format!("{}, length {}", protocol_name(self.protocol), self.len),
            }
    }
}

impl fmt::Display for Tcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Flags [{}], seq {}", self.flags.letters(), self.seq)?;
        if self.len > 0 {
            write!(f, ":{}", self.seq.wrapping_add(self.len as u32))?;
        }
        if self.flags.has(TcpFlags::ACK) {
            write!(f, ", ack {}", self.ack)?;
        }
        write!(f, ", win {}", self.window)?;
        if self.flags.has(TcpFlags::URG) {
            write!(f, ", urg {}", self.urgent)?;
        }
        if !self.options.is_empty() {
            let options: Vec<_> = self.options.iter().map(TcpOption::to_string).collect();
            write!(f, ", options [{}]", options.join(","))?;
        }
        write!(f, ", length {}", self.len)
    }
}

impl fmt::Display for Udp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.dns() {
            Some(dns) => write!(f, "DNS {dns}, length {}", self.len),
            None => write!(f, "UDP, length {}", self.len),
        }
    }
}

impl Udp {
    /// What a DNS message asks: `12345+ A? www.example.org.`, or answers: `12345 2 answers to A? www.example.org.`.
    pub fn dns(&self) -> Option<String> {
        if ![self.source_port, self.destination_port].iter().any(|port| matches!(port, 53 | 5353)) {
            return None;
        }
        let mut at = Cursor::new(&self.start);
        let (id, flags, questions, answers) = (at.u16()?, at.u16()?, at.u16()?, at.u16()?);
        at.take(4)?;
        let mut question = String::new();
        if questions > 0 {
            let mut name = String::new();
            // RFC 1035 4.1.2: labels until an empty one. A question before all else has nothing to point back to.
            while let label @ 1.. = usize::from(at.u8()?) {
                if label > 63 {
                    return None;
                }
                name.extend(
                    at.take(label)?.iter().map(|b| if b.is_ascii_graphic() { char::from(*b) } else { '?' }),
                );
                name.push('.');
            }
            let kind = match at.u16()? {
                1 => "A".into(),
                2 => "NS".into(),
                5 => "CNAME".into(),
                6 => "SOA".into(),
                12 => "PTR".into(),
                15 => "MX".into(),
                16 => "TXT".into(),
                28 => "AAAA".into(),
                33 => "SRV".into(),
                255 => "ANY".into(),
                other => format!("TYPE{other}"),
            };
            question = format!("{kind}? {name}{}", if name.is_empty() { "." } else { "" });
        }
        // RFC 1035 4.1.1: QR is the first bit of the flags, RCODE the last four.
        if flags & 0x8000 == 0 {
            return Some(format!("{id}{} {question}", if flags & 0x100 != 0 { "+" } else { "" }));
        }
        let result = match flags & 0xf {
            0 => format!("{answers} answer{}", if answers == 1 { "" } else { "s" }),
            3 => "NXDomain".into(),
            2 => "ServFail".into(),
            5 => "Refused".into(),
            other => format!("error {other}"),
        };
        Some(format!("{id} {result} to {question}"))
    }
}

#[cfg(test)]
mod tests;
