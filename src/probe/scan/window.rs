//! How many probes may be on their way, and how long each is waited for.

use std::time::Duration;

use crate::base::Instant;
use crate::probe::pace::{Clockwork, Pace, Ready};

/// Probes on their way: at first, at least after losses, at most.
const FIRST: usize = 64;
const LEAST: usize = 16;
const MOST: usize = 1024;
/// Probes sent between two looks at what came.
const BURST: usize = 64;
/// How long an answer is waited for at least: nmap's min-rtt-timeout.
const SHORTEST: Duration = Duration::from_millis(100);

/// How many may be on their way, which answers open and losses halve; and a pace.
#[derive(Debug)]
pub(super) struct Window {
    size: usize,
    clockwork: Clockwork,
    /// A loss seen before this is the same one.
    halved: Instant,
}

impl Window {
    pub(super) fn new(now: Instant, pace: Option<Pace>) -> Self {
        let mut clockwork = Clockwork::new(pace);
        clockwork.begin(now);
        Self { size: FIRST, clockwork, halved: now }
    }

    /// Probes that may leave now.
    pub(super) fn allowed(&mut self, now: Instant, in_flight: usize) -> usize {
        let room = self.size.saturating_sub(in_flight).min(BURST);
        let allowed = match self.clockwork.ready(now) {
            Ready::Packets(most) => room.min(usize::try_from(most).unwrap_or(room)),
            Ready::At(_) => 0,
        };
        self.clockwork.sent(allowed as u64);
        allowed
    }

    /// Probes that leave now whatever the window says: the pace goes on behind them.
    pub(super) fn spend(&mut self, probes: usize) {
        self.clockwork.sent(probes as u64);
    }

    /// More probes than these may be on their way.
    pub(super) const fn has_room(&self, in_flight: usize) -> bool {
        in_flight < self.size
    }

    /// When the next probe may leave, as far as the pace goes.
    pub(super) fn due(&self) -> Instant {
        self.clockwork.due()
    }

    /// A probe is done, and nothing says that any was lost.
    pub(super) fn grow(&mut self) {
        self.size = (self.size + 1).min(MOST);
    }

    /// A repeated probe was answered: the first one, or its answer, was lost. RFC 5681 3.1's halving, once for a round trip.
    pub(super) fn lost(&mut self, now: Instant, round_trip: Duration) {
        if now >= self.halved {
            self.size = (self.size / 2).max(LEAST);
            self.halved = now + round_trip;
        }
    }
}

/// How long answers of a host take.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RoundTrip {
    /// Smoothed time and its variation.
    known: Option<(Duration, Duration)>,
}

impl RoundTrip {
    /// RFC 6298 2.2, 2.3.
    pub(super) fn learn(&mut self, time: Duration) {
        self.known = Some(match self.known {
            None => (time, time / 2),
            Some((smooth, variation)) => {
                ((smooth * 7 + time) / 8, (variation * 3 + smooth.abs_diff(time)) / 4)
            }
        });
    }

    /// How long an answer is waited for, at most `longest`.
    pub(super) fn patience(&self, longest: Duration) -> Duration {
        self.known.map_or(longest, |(smooth, variation)| (smooth + variation * 4).max(SHORTEST)).min(longest)
    }
}
