//! How many probes may be on their way, and how long each is waited for.

use std::time::Duration;

use crate::base::Instant;

/// Probes on their way: at first, at least after losses, at most.
const FIRST: usize = 64;
const LEAST: usize = 16;
const MOST: usize = 1024;
/// Probes sent between two looks at what came.
pub(super) const BURST: usize = 64;
/// How long an answer is waited for at least: nmap's min-rtt-timeout.
const SHORTEST: Duration = Duration::from_millis(100);
/// What was missed of the rate by a late wake-up is caught up with, this far back.
const CATCH_UP: Duration = Duration::from_millis(10);

/// A window that answers open and losses halve, and a rate.
#[derive(Debug)]
pub(super) struct Pace {
    window: usize,
    /// Time between two probes.
    gap: Duration,
    /// When the next probe may leave.
    due: Instant,
    /// A loss seen before this is the same one.
    halved: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant, rate: Option<u32>) -> Self {
        let gap = rate.map_or(Duration::ZERO, |rate| Duration::from_secs(1) / rate.max(1));
        Self { window: FIRST, gap, due: now, halved: now }
    }

    /// Probes that may leave now.
    pub(super) fn allowed(&mut self, now: Instant, in_flight: usize) -> usize {
        let room = self.window.saturating_sub(in_flight).min(BURST);
        if self.gap.is_zero() {
            return room;
        }
        self.due = self.due.max(now.saturating_sub(CATCH_UP));
        let mut free = 0;
        while free < room && self.due <= now {
            (self.due, free) = (self.due + self.gap, free + 1);
        }
        free
    }

    /// More probes than these may be on their way.
    pub(super) const fn has_room(&self, in_flight: usize) -> bool {
        in_flight < self.window
    }

    /// When the next probe may leave, as far as the rate goes.
    pub(super) const fn due(&self) -> Instant {
        self.due
    }

    /// A probe is done, and nothing says that any was lost.
    pub(super) fn grow(&mut self) {
        self.window = (self.window + 1).min(MOST);
    }

    /// A repeated probe was answered: the first one, or its answer, was lost. RFC 5681 3.1's halving, once for a round trip.
    pub(super) fn lost(&mut self, now: Instant, round_trip: Duration) {
        if now >= self.halved {
            self.window = (self.window / 2).max(LEAST);
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
