//! TCP connections as a bystander sees them: what is new, what was there before, what is missing.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;

use crate::wire::{Ip, Tcp, TcpFlags, Tracker};

/// What is remarkable about a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Sequence numbers that were on the wire before.
    Retransmission,
    /// So many bytes before it were not seen.
    Gap(u32),
    /// It closes a gap, or a part of one: late, or sent again.
    FillsGap,
    /// The n-th acknowledgment of the same number while data is on its way.
    DupAck(u32),
    /// A byte before what is expected, to get an answer.
    KeepAlive,
    /// The receiver has no room.
    ZeroWindow,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Retransmission => write!(f, "retransmission"),
            Self::Gap(bytes) => write!(f, "{bytes} bytes missing before"),
            Self::FillsGap => write!(f, "fills a gap"),
            Self::DupAck(n) => write!(f, "duplicate ACK {n}"),
            Self::KeepAlive => write!(f, "keep-alive"),
            Self::ZeroWindow => write!(f, "window full"),
        }
    }
}

/// What a bystander knows of a segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    /// The number of its connection, in the order of appearance.
    pub(crate) flow: usize,
    /// Relative to the connection's first ones.
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    /// The first data of its side, or after data of the other: the begin of what somebody says.
    pub(crate) begins: bool,
    pub(crate) mark: Option<Mark>,
}

/// All connections of a recording.
#[derive(Debug, Default)]
pub(crate) struct Flows {
    numbers: Tracker,
    flows: HashMap<(SocketAddr, SocketAddr), Flow>,
}

#[derive(Debug, Default)]
struct Flow {
    number: usize,
    /// Of the lower address, of the higher.
    sides: [Side; 2],
    spoke: Option<usize>,
}

#[derive(Debug, Default)]
struct Side {
    isn: Option<u32>,
    /// Behind the highest sequence number seen.
    end: Option<u32>,
    /// What is missing below `end`.
    gaps: Vec<(u32, u32)>,
    /// The last acknowledgment and window.
    acked: Option<(u32, u16)>,
    dups: u32,
}

/// Gaps remembered per side; more are forgotten, the oldest first.
const GAPS: usize = 64;

const fn after(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) > 0
}

impl Flows {
    /// Takes note of a segment.
    pub(crate) fn see(&mut self, ip: &Ip, tcp: &Tcp) -> Seen {
        let (seq, ack) = self.numbers.relative(ip, tcp);
        let from = SocketAddr::new(ip.source, tcp.source_port);
        let to = SocketAddr::new(ip.destination, tcp.destination_port);
        let (key, side) = if from <= to { ((from, to), 0) } else { ((to, from), 1) };
        let number = self.flows.len();
        let flow = self.flows.entry(key).or_insert_with(|| Flow { number, ..Flow::default() });
        let begins = tcp.len > 0 && flow.spoke != Some(side);
        if tcp.len > 0 {
            flow.spoke = Some(side);
        }
        let other_end = flow.sides[1 - side].end;
        let other_ack = flow.sides[1 - side].acked.map(|(ack, _)| ack);
        let this = &mut flow.sides[side];
        let mark = this.data(tcp, other_ack).or_else(|| this.acknowledgment(tcp, other_end));
        Seen { flow: flow.number, seq, ack, begins, mark }
    }
}

impl Side {
    /// Compares the segment's sequence numbers with those seen.
    fn data(&mut self, tcp: &Tcp, acked_by_other: Option<u32>) -> Option<Mark> {
        let (start, stop) = (tcp.seq, tcp.seq.wrapping_add(tcp.span()));
        if tcp.flags.has(TcpFlags::SYN) && self.isn != Some(start) {
            // The same addresses and ports, used again.
            *self = Self { isn: Some(start), ..Self::default() };
        }
        if tcp.flags.has(TcpFlags::RST) {
            return None;
        }
        let Some(end) = self.end else {
            self.end = Some(stop);
            return None;
        };
        // RFC 9293 3.8.4: a keep-alive has SEG.SEQ = SND.NXT-1, and perhaps one garbage octet.
        if tcp.len <= 1 && start.wrapping_add(1) == end && acked_by_other == Some(end) {
            return Some(Mark::KeepAlive);
        }
        if tcp.span() == 0 {
            return None;
        }
        if after(stop, end) {
            self.end = Some(stop);
        }
        if start == end {
            return None;
        }
        if after(start, end) {
            if self.gaps.len() == GAPS {
                self.gaps.remove(0);
            }
            self.gaps.push((end, start));
            return Some(Mark::Gap(start.wrapping_sub(end)));
        }
        Some(if self.fill(start, stop) { Mark::FillsGap } else { Mark::Retransmission })
    }

    /// Takes `start..stop` out of the gaps; true if it was in one.
    fn fill(&mut self, start: u32, stop: u32) -> bool {
        let mut filled = false;
        let mut left = Vec::with_capacity(self.gaps.len());
        for (from, to) in self.gaps.drain(..) {
            if !after(to, start) || !after(stop, from) {
                left.push((from, to));
                continue;
            }
            filled = true;
            if after(start, from) {
                left.push((from, start));
            }
            if after(to, stop) {
                left.push((stop, to));
            }
        }
        left.truncate(GAPS);
        self.gaps = left;
        filled
    }

    fn acknowledgment(&mut self, tcp: &Tcp, other_end: Option<u32>) -> Option<Mark> {
        if !tcp.flags.has(TcpFlags::ACK) || tcp.flags.has(TcpFlags::RST) {
            return None;
        }
        let now = (tcp.ack, tcp.window);
        let before = self.acked.replace(now);
        let waits = other_end.is_some_and(|end| after(end, tcp.ack));
        // RFC 5681 2: a duplicate acknowledges the same number with the same window, without data, while data is outstanding.
        if before == Some(now) && tcp.span() == 0 && waits {
            self.dups += 1;
            return Some(Mark::DupAck(self.dups));
        }
        self.dups = 0;
        (tcp.window == 0 && !tcp.flags.has(TcpFlags::SYN)).then_some(Mark::ZeroWindow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Transport;

    /// Segments as (from the client?, flags, seq, ack, len), and the marks that they get.
    fn marks(segments: &[(bool, u16, u32, u32, usize)]) -> Vec<String> {
        let mut flows = Flows::default();
        let (a, b) = ("192.0.2.2".parse().unwrap(), "192.0.2.1".parse().unwrap());
        let mut said = Vec::new();
        for &(out, flags, seq, ack, len) in segments {
            let ((source, source_port), (destination, destination_port)) =
                if out { ((a, 4000), (b, 80)) } else { ((b, 80), (a, 4000)) };
            let tcp = Tcp {
                source_port,
                destination_port,
                seq,
                ack,
                flags: TcpFlags(flags),
                window: 500,
                urgent: 0,
                options: Vec::new(),
                len,
                start: Vec::new(),
            };
            let ip = Ip {
                source,
                destination,
                protocol: 6,
                ttl: 64,
                tos: 0,
                fragment: None,
                extensions: Vec::new(),
                len,
                transport: Transport::Other,
            };
            said.push(flows.see(&ip, &tcp).mark.map_or(String::new(), |m| m.to_string()));
        }
        assert_eq!(flows.flows.len(), 1);
        said
    }

    const SYN: u16 = 2;
    const ACK: u16 = 16;

    #[test]
    fn loss_is_seen() {
        let start = u32::MAX - 100; // the numbers wrap on the way
        let at = |n: u32| start.wrapping_add(n);
        let said = marks(&[
            (true, SYN, start, 0, 0),
            (true, SYN, start, 0, 0),
            (false, SYN | ACK, 7, at(1), 0),
            (true, ACK, at(1), 8, 0),
            (true, ACK, at(1), 8, 100),
            (true, ACK, at(201), 8, 100),
            (false, ACK, 8, at(101), 0),
            (false, ACK, 8, at(101), 0),
            (true, ACK, at(301), 8, 100),
            (false, ACK, 8, at(101), 0),
            (true, ACK, at(101), 8, 100),
            (true, ACK, at(101), 8, 100),
            (false, ACK, 8, at(401), 0),
            (true, ACK, at(400), 8, 1),
            (false, ACK, 8, at(401), 0),
        ]);
        assert_eq!(
            said,
            [
                "",
                "retransmission",
                "",
                "",
                "",
                "100 bytes missing before",
                "",
                "duplicate ACK 1",
                "",
                "duplicate ACK 2",
                "fills a gap",
                "retransmission",
                "",
                "keep-alive",
                ""
            ]
        );
    }
}
