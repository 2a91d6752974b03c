//! Who asks whom what: what a packet and its answer have in common.
//!
//! A probe has a [`Key`]. Of an answer the key of the probe is worked out that it would answer: addresses and ports exchanged, an echo
//! reply's identifier and number, the packet that an ICMP error quotes. So an answer finds its probe in a hash table, however many
//! there are; then [`Segment`] decides for TCP.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::base::LinkType;

/// What a probe and its answer have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// The one who asks; unspecified where any address of ours may be meant.
    pub(super) from: IpAddr,
    /// The one who is asked; unspecified where a group or everybody is.
    pub(super) to: IpAddr,
    /// Of IP; ARP has a number of its own above them.
    protocol: u16,
    /// Ports, or identifier and number of an echo.
    a: u16,
    b: u16,
    /// The kind of question: ICMP type, DNS identifier.
    sub: u16,
}

const ARP: u16 = 0x0806;

/// What is asked by TCP: what an acknowledgment may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    seq: u32,
    ack: u32,
    /// Sequence numbers that it takes.
    span: u32,
    flags: u8,
}

/// A packet as a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) key: Key,
    pub(super) segment: Option<Segment>,
    /// IPv4's identification.
    pub(super) id: u16,
}

/// A packet as an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// To the probe with this key.
    Direct(Key, Option<Segment>),
    /// An ICMP error about this probe.
    Error(Question),
}

/// An IP packet, what of it is there.
struct Packet<'a> {
    from: IpAddr,
    to: IpAddr,
    protocol: u8,
    id: u16,
    /// Behind the IP header; empty in a later fragment.
    payload: &'a [u8],
    later_fragment: bool,
}

enum Network<'a> {
    Ip(Packet<'a>),
    Arp { op: u16, sender: Ipv4Addr, target: Ipv4Addr },
}

impl Question {
    /// `None` if nobody can answer it: it is too short.
    pub(super) fn of(link: LinkType, bytes: &[u8]) -> Option<Self> {
        match network(link, bytes)? {
            Network::Arp { target, .. } => Some(Self { key: arp(target), segment: None, id: 0 }),
            Network::Ip(packet) => Some(Self::of_packet(&packet)),
        }
    }

    fn of_packet(packet: &Packet<'_>) -> Self {
        let nobody = unspecified(packet.to);
        let broadcast = packet.to == IpAddr::V4(Ipv4Addr::BROADCAST);
        let to = if packet.to.is_multicast() || broadcast { nobody } else { packet.to };
        let mut key = Key { from: packet.from, to, protocol: packet.protocol.into(), a: 0, b: 0, sub: 0 };
        let bytes = packet.payload;
        let mut segment = None;
        match packet.protocol {
            6 | 17 | 33 | 132 | 136 => {
                (key.a, key.b) = (word(bytes, 0), word(bytes, 2));
                key.sub = dns(packet.protocol, bytes);
                segment = (packet.protocol == 6).then(|| Segment::of(bytes)).flatten();
            }
            1 | 58 => {
                let kind = bytes.first().copied().unwrap_or(0);
                key.sub = kind.into();
                match (packet.protocol, kind) {
                    (1, 8 | 13 | 15 | 17) | (58, 128) => (key.a, key.b) = (word(bytes, 4), word(bytes, 6)),
                    // RFC 4861 4.3: a solicitation is about its target, and goes to a group.
                    (58, 135) => (key.from, key.to) = (nobody, target(bytes).unwrap_or(nobody)),
                    (58, 133) => key.from = nobody,
                    _ => {}
                }
            }
            _ => {}
        }
        Self { key, segment, id: packet.id }
    }
}

impl Answer {
    /// `None` if it answers nothing.
    pub(super) fn of(link: LinkType, bytes: &[u8]) -> Option<Self> {
        let packet = match network(link, bytes)? {
            // RFC 826: the answer's sender is who was asked for.
            Network::Arp { op: 2, sender, .. } => return Some(Self::Direct(arp(sender), None)),
            Network::Arp { .. } => return None,
            Network::Ip(packet) => packet,
        };
        if packet.later_fragment {
            return None;
        }
        let (protocol, bytes) = (packet.protocol, packet.payload);
        let mut key = Key { from: packet.to, to: packet.from, protocol: protocol.into(), a: 0, b: 0, sub: 0 };
        let nobody = unspecified(packet.to);
        match protocol {
            6 | 17 | 33 | 132 | 136 => {
                (key.a, key.b) = (word(bytes, 2), word(bytes, 0));
                key.sub = dns(protocol, bytes);
                let segment = (protocol == 6).then(|| Segment::of(bytes)).flatten();
                return Some(Self::Direct(key, segment));
            }
            1 | 58 => match (protocol, *bytes.first()?) {
                // RFC 792: destination unreachable, source quench, redirect, time exceeded, parameter problem. RFC 4443 2.1: types
                // below 128 are errors.
                (1, 3 | 4 | 5 | 11 | 12) | (58, 1..=4) => {
                    return Some(Self::Error(Question::of_packet(&ip(bytes.get(8..)?)?)));
                }
                (1, kind @ (0 | 14 | 16 | 18)) => {
                    key.sub = if kind == 0 { 8 } else { u16::from(kind) - 1 };
                    (key.a, key.b) = (word(bytes, 4), word(bytes, 6));
                }
                (58, 129) => (key.sub, key.a, key.b) = (128, word(bytes, 4), word(bytes, 6)),
                (58, 136) => (key.sub, key.from, key.to) = (135, nobody, target(bytes)?),
                (58, 134) => (key.sub, key.from, key.to) = (133, nobody, nobody),
                _ => return None,
            },
            _ => {}
        }
        Some(Self::Direct(key, None))
    }
}

impl Key {
    /// Without what only the whole packet tells: ICMP errors may quote the first bytes only.
    pub(super) fn quoted(self) -> Self {
        if self.protocol == 17 { Self { sub: 0, ..self } } else { self }
    }

    /// The same where a group or everybody was asked.
    pub(super) fn to_all(self) -> Self {
        Self { to: unspecified(self.to), ..self }
    }

    /// The same where somebody without an address asked.
    pub(super) fn by_nobody(self) -> Self {
        Self { from: unspecified(self.from), ..self }
    }
}

impl Segment {
    const FIN: u8 = 1;
    const SYN: u8 = 2;
    const RST: u8 = 4;
    const ACK: u8 = 16;

    fn of(bytes: &[u8]) -> Option<Self> {
        let long = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let (header, flags) = (usize::from(bytes.get(12)? >> 4) * 4, *bytes.get(13)?);
        let data = bytes.len().saturating_sub(header.max(20));
        let marks = u32::from(flags & Self::SYN != 0) + u32::from(flags & Self::FIN != 0);
        let span = marks.wrapping_add(u32::try_from(data).unwrap_or(0));
        Some(Self { seq: long(4)?, ack: long(8)?, span, flags })
    }

    /// Can `answer` be meant for this segment? RFC 9293 3.10.7.1: a reset without ACK takes its number from the acknowledgment;
    /// 3.10.7.4: what is acknowledged lies within what was sent.
    pub(super) const fn fits(&self, answer: &Self) -> bool {
        if answer.flags & Self::ACK != 0 {
            answer.ack.wrapping_sub(self.seq) <= self.span
        } else if answer.flags & Self::RST != 0 {
            self.flags & Self::ACK == 0 || answer.seq == self.ack
        } else {
            true
        }
    }
}

fn arp(target: Ipv4Addr) -> Key {
    Key { from: Ipv4Addr::UNSPECIFIED.into(), to: target.into(), protocol: ARP, a: 0, b: 0, sub: 0 }
}

fn word(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).map_or(0, |b| u16::from_be_bytes([b[0], b[1]]))
}

const fn unspecified(like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}

/// DNS, mDNS, LLMNR: questions are told apart by their identifier.
fn dns(protocol: u8, bytes: &[u8]) -> u16 {
    let named = |port: u16| matches!(port, 53 | 5353 | 5355);
    let is_dns = protocol == 17 && (named(word(bytes, 0)) || named(word(bytes, 2)));
    if is_dns { word(bytes, 8) } else { 0 }
}

/// RFC 4861 4.3, 4.4: the target of a neighbour message.
fn target(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 16]>::try_from(bytes.get(8..24)?).ok().map(Into::into)
}

fn network(link: LinkType, bytes: &[u8]) -> Option<Network<'_>> {
    let mut rest = bytes;
    if link == LinkType::Ethernet {
        let mut kind = word(bytes.get(12..14)?, 0);
        rest = bytes.get(14..)?;
        // IEEE 802.1Q: tags within tags, not without end.
        for _ in 0..4 {
            if !matches!(kind, 0x8100 | 0x88a8 | 0x9100) {
                break;
            }
            (kind, rest) = (word(rest.get(2..4)?, 0), rest.get(4..)?);
        }
        match kind {
            ARP => {
                let address = |at: usize| <[u8; 4]>::try_from(rest.get(at..at + 4)?).ok().map(Ipv4Addr::from);
                let (op, sender, target) = (word(rest, 6), address(14)?, address(24)?);
                return Some(Network::Arp { op, sender, target });
            }
            0x0800 | 0x86dd => {}
            _ => return None,
        }
    }
    ip(rest).map(Network::Ip)
}

fn ip(bytes: &[u8]) -> Option<Packet<'_>> {
    if bytes.first()? >> 4 == 6 { ipv6(bytes) } else { ipv4(bytes) }
}

/// Of any version but 6: what was made by hand may say anything.
fn ipv4(bytes: &[u8]) -> Option<Packet<'_>> {
    let address = |at: usize| <[u8; 4]>::try_from(bytes.get(at..at + 4)?).ok().map(IpAddr::from);
    let header = usize::from(bytes.first()? & 15).max(5) * 4;
    let (total, fragment) = (usize::from(word(bytes, 2)), word(bytes, 6));
    let end = if total >= header { total.min(bytes.len()) } else { bytes.len() };
    let later_fragment = fragment & 0x1fff != 0;
    let payload = if later_fragment { &[] } else { bytes.get(header..end).unwrap_or_default() };
    let (from, to, protocol) = (address(12)?, address(16)?, *bytes.get(9)?);
    Some(Packet { from, to, protocol, id: word(bytes, 4), payload, later_fragment })
}

fn ipv6(bytes: &[u8]) -> Option<Packet<'_>> {
    let address = |at: usize| <[u8; 16]>::try_from(bytes.get(at..at + 16)?).ok().map(IpAddr::from);
    let (from, to) = (address(8)?, address(24)?);
    let (mut protocol, length) = (*bytes.get(6)?, usize::from(word(bytes, 4)));
    let mut payload = bytes.get(40..(40 + length).min(bytes.len())).unwrap_or_default();
    let mut later_fragment = false;
    // RFC 8200 4: extension headers, of which a packet has few.
    for _ in 0..16 {
        let length = match protocol {
            0 | 43 | 60 => (usize::from(payload.get(1).copied().unwrap_or(0)) + 1) * 8,
            51 => (usize::from(payload.get(1).copied().unwrap_or(0)) + 2) * 4,
            44 => {
                later_fragment |= word(payload, 2) & 0xfff8 != 0;
                8
            }
            _ => break,
        };
        let Some(rest) = payload.get(length..) else { break };
        (protocol, payload) = (payload.first().copied().unwrap_or(59), rest);
    }
    let payload = if later_fragment { &[] } else { payload };
    Some(Packet { from, to, protocol, id: 0, payload, later_fragment })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::packet::{Nowhere, Packet};

    fn bytes(text: &str) -> (LinkType, Vec<u8>) {
        let built = text.parse::<Packet>().unwrap().build(&Nowhere).unwrap();
        (built.link, built.bytes)
    }

    /// Would the second one be taken for an answer to the first one?
    fn answers(probe: &str, answer: &str) -> bool {
        let (probe, answer) = (bytes(probe), bytes(answer));
        let question = Question::of(probe.0, &probe.1).unwrap();
        match Answer::of(answer.0, &answer.1) {
            None => false,
            Some(Answer::Error(quoted)) => quoted.key.quoted() == question.key.quoted(),
            Some(Answer::Direct(key, segment)) => {
                let keys = [key, key.to_all(), key.by_nobody(), key.to_all().by_nobody()];
                let fits = match (question.segment, segment) {
                    (Some(asked), Some(told)) => asked.fits(&told),
                    _ => true,
                };
                keys.contains(&question.key) && fits
            }
        }
    }

    const OUT: &str = "ip(src=192.0.2.1, dst=192.0.2.2)";
    const BACK: &str = "ip(src=192.0.2.2, dst=192.0.2.1)";

    #[test]
    fn tcp() {
        let syn = format!("{OUT}/tcp(sport=1000, dport=80, seq=7, flags=S)");
        for (answer, is_one) in [
            ("tcp(sport=80, dport=1000, seq=99, ack=8, flags=SA)", true),
            ("tcp(sport=80, dport=1000, ack=8, flags=RA)", true),
            ("tcp(sport=80, dport=1000, ack=9, flags=SA)", false),
            ("tcp(sport=81, dport=1000, ack=8, flags=SA)", false),
            ("udp(sport=80, dport=1000)", false),
        ] {
            assert_eq!(answers(&syn, &format!("{BACK}/{answer}")), is_one, "{answer}");
            assert!(!answers(&syn, &format!("ip(src=192.0.2.3, dst=192.0.2.1)/{answer}")));
        }
        let ack = format!("{OUT}/tcp(sport=1000, dport=80, seq=7, ack=44, flags=A)");
        assert!(answers(&ack, &format!("{BACK}/tcp(sport=80, dport=1000, seq=44, flags=R)")));
        assert!(!answers(&ack, &format!("{BACK}/tcp(sport=80, dport=1000, seq=45, flags=R)")));
    }

    #[test]
    fn questions_and_their_answers() {
        let dns = |id| format!("{OUT}/udp(sport=4000, dport=53)/dns(id={id})");
        let told = |id| format!("{BACK}/udp(sport=53, dport=4000)/dns(id={id}, qr=1)");
        assert!(answers(&dns(5), &told(5)) && !answers(&dns(5), &told(6)));
        let echo = format!("{OUT}/icmp(id=3, seq=4)");
        assert!(answers(&echo, &format!("{BACK}/icmp(type=0, id=3, seq=4)")));
        assert!(!answers(&echo, &format!("{BACK}/icmp(type=0, id=3, seq=5)")));
        assert!(!answers(&echo, &format!("{BACK}/icmp(id=3, seq=4)")), "a question of theirs");
        assert!(answers("ether()/arp(pdst=192.0.2.2)", "ether()/arp(op=2, psrc=192.0.2.2, pdst=192.0.2.1)"));
        assert!(!answers("ether()/arp(pdst=192.0.2.2)", "ether()/arp(op=2, psrc=192.0.2.3, pdst=192.0.2.1)"));
        assert!(answers(
            "ipv6(src=2001:db8::1, dst=ff02::1:ff00:2)/nd_ns(target=2001:db8::2)",
            "ipv6(src=2001:db8::2, dst=2001:db8::1)/nd_na(target=2001:db8::2)"
        ));
        assert!(answers(
            "ip(src=0.0.0.0, dst=255.255.255.255)/udp(sport=68, dport=67)",
            "ip(src=192.0.2.1, dst=192.0.2.9)/udp(sport=67, dport=68)"
        ));
        assert!(answers(
            "ip(src=192.0.2.1, dst=192.0.2.2, proto=99)/'x'",
            "ip(src=192.0.2.2, dst=192.0.2.1, proto=99)/'y'"
        ));
    }

    #[test]
    fn errors_quote() {
        for probe in ["udp(sport=1, dport=53)/dns(id=9)", "icmp(id=3, seq=4)", "tcp(sport=5, dport=6, seq=7)"]
        {
            let probe = format!("{OUT}/{probe}");
            let error = |about: &str| format!("ip(src=203.0.113.1, dst=192.0.2.1)/icmp(type=11)/{about}");
            assert!(answers(&probe, &error(&probe)), "{probe}");
            assert!(!answers(&probe, &error(&format!("{OUT}/udp(sport=1, dport=99)"))), "{probe}");
            // RFC 792: "Internet Header + 64 bits of Original Data Datagram".
            let (_, mut whole) = bytes(&error(&probe));
            whole.truncate(20 + 8 + 28);
            let (link, sent) = bytes(&probe);
            let Some(Answer::Error(quoted)) = Answer::of(LinkType::Ip, &whole) else { panic!("{probe}") };
            assert_eq!(quoted.key.quoted(), Question::of(link, &sent).unwrap().key.quoted());
        }
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..120), ether: bool) {
            let link = if ether { LinkType::Ethernet } else { LinkType::Ip };
            let _ = (Question::of(link, &bytes), Answer::of(link, &bytes));
        }
    }
}
