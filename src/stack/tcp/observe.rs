//! What smoltcp hides, seen at its door: every segment of a connection passes here, in and out.
//!
//! Sequence numbers, round trips, retransmissions, windows and the peer's options are read from the wire and from nothing else;
//! TCP_INFO, the plots, the acceptance rules of `accept.rs` and the timers of `timers.rs` all use them.

use std::time::Duration;

use super::segment::{ACK, FIN, SYN, Segment, SynOptions, before};
use crate::base::Instant;

/// What was seen of one connection.
#[derive(Debug, Default)]
pub(super) struct Observed {
    /// Our initial sequence number, and the peer's.
    pub(super) iss: u32,
    pub(super) irs: u32,
    /// First byte not acknowledged, and the byte behind the last one ever sent.
    pub(super) snd_una: u32,
    pub(super) snd_max: u32,
    /// The peer's window in bytes, the largest ever, and how it stands in a header.
    pub(super) snd_wnd: u32,
    pub(super) max_wnd: u32,
    pub(super) window_field: u16,
    /// Its shift; `None` until both sides have offered one.
    pub(super) snd_scale: u8,
    /// The last acknowledgement and window field that we sent, and our shift.
    pub(super) acked: u32,
    pub(super) our_window: u16,
    pub(super) rcv_scale: u8,
    our_options: SynOptions,
    pub(super) peer_options: SynOptions,

    /// RFC 6298's SRTT and RTTVAR; zero until measured.
    pub(super) srtt: Duration,
    pub(super) rttvar: Duration,
    pub(super) min_rtt: Option<Duration>,
    /// The segment being timed: its end, and when it was sent.
    timed: Option<Timed>,
    /// Bytes in a second that the last such measurement has seen acknowledged.
    pub(super) delivery_rate: u64,

    pub(super) retransmits: u32,
    /// Retransmissions since an ACK made progress, and when the first of them was.
    pub(super) stuck: u32,
    pub(super) stuck_since: Option<Instant>,
    /// Since when the first unacknowledged byte waits; `None` = nothing is in flight.
    pub(super) waiting_since: Option<Instant>,
    /// When something in flight was last sent or acknowledged: the base of the early retransmission.
    pub(super) moved: Instant,
    pub(super) duplicate_acks: u32,
    /// Since when the peer's window is closed and probed without any answer.
    pub(super) probing_since: Option<Instant>,

    pub(super) heard: Instant,
    pub(super) last_data_sent: Instant,
    pub(super) last_data_received: Instant,
    pub(super) last_ack_received: Instant,
    pub(super) bytes_acked: u64,
    pub(super) bytes_sent: u64,
    pub(super) bytes_retransmitted: u64,
    pub(super) segments_in: u32,
    pub(super) segments_out: u32,
    pub(super) data_segments_in: u32,
    pub(super) data_segments_out: u32,
    /// The longest data of one segment that came, and how many came out of order.
    pub(super) largest_in: usize,
    pub(super) out_of_order: u32,
    /// How often the engine's retransmission timer has run out.
    pub(super) timeouts: u32,
    /// While data wait for their acknowledgement; while the peer's window keeps data back.
    pub(super) busy: Stopwatch,
    pub(super) window_limited: Stopwatch,
}

/// A segment whose acknowledgement is waited for.
#[derive(Clone, Copy, Debug)]
struct Timed {
    end: u32,
    at: Instant,
    /// Bytes acknowledged by then.
    acked: u64,
}

/// How long something has been so, all in all.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stopwatch {
    total: Duration,
    since: Option<Instant>,
}

impl Stopwatch {
    pub(super) fn set(&mut self, now: Instant, runs: bool) {
        match self.since {
            None if runs => self.since = Some(now),
            Some(since) if !runs => {
                self.total += now.since(since);
                self.since = None;
            }
            _ => {}
        }
    }

    pub(super) fn read(&self, now: Instant) -> Duration {
        self.total + self.since.map_or(Duration::ZERO, |since| now.since(since))
    }
}

/// What an outgoing segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    New,
    /// Takes sequence numbers that were sent before.
    Again,
    /// One byte into a closed window.
    Probe,
    /// No sequence numbers.
    Pure,
}

impl Observed {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            heard: now,
            moved: now,
            last_data_sent: now,
            last_data_received: now,
            last_ack_received: now,
            ..Self::default()
        }
    }

    /// Our own SYN or SYN|ACK passes.
    fn syn_sent(&mut self, tcp: &[u8], segment: &Segment) {
        self.our_options = SynOptions::parse(tcp, segment.header);
        self.iss = segment.seq;
        if self.segments_out == 0 {
            self.snd_una = segment.seq;
            self.snd_max = segment.seq;
        }
        self.agree();
    }

    /// The peer's SYN or SYN|ACK passes.
    pub(super) fn syn_received(&mut self, tcp: &[u8], segment: &Segment) {
        self.peer_options = SynOptions::parse(tcp, segment.header);
        self.irs = segment.seq;
        self.acked = segment.end();
        self.agree();
    }

    /// RFC 7323 2.2: window scaling holds only if both SYNs carry the option.
    fn agree(&mut self) {
        (self.snd_scale, self.rcv_scale) = match (self.peer_options.scale, self.our_options.scale) {
            (Some(peer), Some(ours)) => (peer, ours),
            _ => (0, 0),
        };
    }

    /// A segment goes out.
    pub(super) fn sent(&mut self, now: Instant, tcp: &[u8], segment: &Segment) -> Sent {
        if segment.has(SYN) {
            self.syn_sent(tcp, segment);
        }
        self.segments_out = self.segments_out.saturating_add(1);
        if segment.has(ACK) {
            self.acked = segment.ack;
            self.our_window = segment.window;
        }
        if segment.len() == 0 {
            return Sent::Pure;
        }
        if segment.payload > 0 {
            self.data_segments_out = self.data_segments_out.saturating_add(1);
            self.busy.set(now, true);
            self.bytes_sent += segment.payload as u64;
            self.last_data_sent = now;
        }
        if segment.payload == 1 && self.snd_wnd == 0 && !segment.has(SYN | FIN) {
            self.probing_since.get_or_insert(now);
            self.snd_max = if before(self.snd_max, segment.end()) { segment.end() } else { self.snd_max };
            return Sent::Probe;
        }
        self.moved = now;
        self.waiting_since.get_or_insert(now);
        if before(segment.seq, self.snd_max) {
            self.retransmits = self.retransmits.saturating_add(1);
            self.bytes_retransmitted += segment.payload as u64;
            self.stuck += 1;
            self.stuck_since.get_or_insert(now);
            // RFC 6298 3: "RTT samples MUST NOT be made using segments that were retransmitted" (Karn).
            self.timed = None;
            if before(self.snd_max, segment.end()) {
                self.snd_max = segment.end();
            }
            return Sent::Again;
        }
        self.snd_max = segment.end();
        let acked = self.bytes_acked;
        self.timed.get_or_insert_with(|| Timed { end: segment.end(), at: now, acked });
        Sent::New
    }

    /// A segment came in and the engine has had it. `acceptable`: it was in the window; `progress`: the engine took its
    /// acknowledgement for something new.
    pub(super) fn received(
        &mut self,
        now: Instant,
        tcp: &[u8],
        segment: &Segment,
        acceptable: bool,
        progress: bool,
    ) {
        self.heard = now;
        self.probing_since = None;
        self.segments_in = self.segments_in.saturating_add(1);
        if segment.has(SYN) {
            self.syn_received(tcp, segment);
        }
        if segment.payload > 0 {
            self.data_segments_in = self.data_segments_in.saturating_add(1);
            self.last_data_received = now;
        }
        if !segment.has(ACK) || !acceptable && !progress {
            return;
        }
        self.last_ack_received = now;
        // RFC 7323 2.3: the window of a SYN is never scaled.
        let shift = if segment.has(SYN) { 0 } else { self.snd_scale };
        let window = u32::from(segment.window) << shift;
        if progress {
            self.bytes_acked += u64::from(segment.ack.wrapping_sub(self.snd_una));
            self.snd_una = segment.ack;
            self.stuck = 0;
            self.stuck_since = None;
            self.duplicate_acks = 0;
            self.moved = now;
            self.waiting_since = (self.snd_una != self.snd_max).then_some(now);
            self.busy.set(now, self.busy.since.is_some() && self.snd_una != self.snd_max);
            if let Some(Timed { end, at, acked }) = self.timed
                && !before(segment.ack, end)
            {
                self.timed = None;
                let rtt = now.since(at);
                self.sample(rtt);
                let bytes = u128::from(self.bytes_acked - acked) * 1_000_000;
                self.delivery_rate = u64::try_from(bytes / rtt.as_micros().max(1)).unwrap_or(u64::MAX);
            }
        } else if segment.len() == 0 && window == self.snd_wnd && self.waiting_since.is_some() {
            self.duplicate_acks = self.duplicate_acks.saturating_add(1);
        }
        self.snd_wnd = window;
        self.max_wnd = self.max_wnd.max(window);
        self.window_field = (window >> self.snd_scale).min(u32::from(u16::MAX)) as u16;
    }

    /// What is being timed says nothing of the round trip.
    pub(super) fn stop_timing(&mut self) {
        self.timed = None;
    }

    /// A segment with data came; `next` is what was expected.
    pub(super) fn data_received(&mut self, segment: &Segment, next: u32) {
        self.largest_in = self.largest_in.max(segment.payload);
        if before(next, segment.seq) {
            self.out_of_order = self.out_of_order.saturating_add(1);
        }
    }

    /// RFC 6298 2.2 and 2.3.
    fn sample(&mut self, rtt: Duration) {
        if self.srtt.is_zero() {
            self.srtt = rtt.max(Duration::from_nanos(1));
            self.rttvar = rtt / 2;
        } else {
            self.rttvar = (self.rttvar * 3 + self.srtt.abs_diff(rtt)) / 4;
            self.srtt = (self.srtt * 7 + rtt) / 8;
        }
        self.min_rtt = Some(self.min_rtt.map_or(rtt, |least| least.min(rtt)));
    }

    /// The end of the window that we told last.
    pub(super) fn told_edge(&self) -> u32 {
        self.acked.wrapping_add(u32::from(self.our_window) << self.rcv_scale)
    }

    /// Bytes (and SYN, FIN) sent and not acknowledged.
    pub(super) fn in_flight(&self) -> u32 {
        self.snd_max.wrapping_sub(self.snd_una)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    fn segment(seq: u32, ack: u32, flags: u8, payload: usize) -> Segment {
        let (window, urgent) = (100, 0);
        Segment { source_port: 1, destination_port: 2, seq, ack, flags, window, urgent, header: 20, payload }
    }

    #[test]
    fn a_round_trip_is_measured_and_karn_is_obeyed() {
        let mut seen = Observed::new(at(0));
        let tcp = [0; 20];
        assert_eq!(seen.sent(at(0), &tcp, &segment(99, 0, SYN, 0)), Sent::New);
        seen.received(at(40), &tcp, &segment(500, 100, SYN | ACK, 0), true, true);
        assert_eq!((seen.srtt, seen.in_flight()), (Duration::from_millis(40), 0));
        assert_eq!(seen.sent(at(50), &tcp, &segment(100, 501, ACK, 10)), Sent::New);
        assert_eq!(seen.sent(at(300), &tcp, &segment(100, 501, ACK, 10)), Sent::Again);
        assert_eq!((seen.stuck, seen.stuck_since, seen.waiting_since), (1, Some(at(300)), Some(at(50))));
        seen.received(at(301), &tcp, &segment(501, 110, ACK, 0), true, true);
        assert_eq!((seen.srtt, seen.stuck, seen.waiting_since), (Duration::from_millis(40), 0, None));
    }
}
