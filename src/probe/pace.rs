//! When packets go out: the one pace of all that is sent.

use std::time::Duration;

use crate::base::{Errno, Instant, Result};

/// What is missed after a standstill (a suspended machine, a busy wire) is sent later only as far as this goes back.
const CATCH_UP: Duration = Duration::from_millis(100);

/// So many packets per second, evenly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    rate: f64,
}

impl Pace {
    /// # Errors
    /// EINVAL if it is no rate: 0, negative, or over 10^9 packets per second.
    pub fn new(rate: f64) -> Result<Self> {
        if rate > 0.0 && rate <= 1e9 {
            Ok(Self { rate })
        } else {
            Err(Errno::EINVAL.with(format!("{rate} packets per second is no rate: above 0, at most 1G")))
        }
    }

    /// So many whole packets, at least one.
    pub const fn of(rate: u32) -> Self {
        Self { rate: if rate == 0 { 1.0 } else { rate as f64 } }
    }

    /// When packet `number` (from 0) is due, from the beginning.
    pub fn due(&self, number: u64) -> Duration {
        Duration::try_from_secs_f64(number as f64 / self.rate).unwrap_or(Duration::MAX)
    }

    /// How many packets are due after this time; the first one is at once.
    pub fn ready(&self, elapsed: Duration) -> u64 {
        // The quotient is rounded: due() has the last word.
        let about = (elapsed.as_secs_f64() * self.rate) as u64;
        let near = about.saturating_sub(1)..about.saturating_add(3);
        near.rev().find(|n| self.due(*n) <= elapsed).unwrap_or(about).saturating_add(1)
    }
}

/// A schedule that is being kept: when it began, and how well it is kept.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lateness {
    /// Groups of packets that were sent together.
    batches: u64,
    sum: Duration,
    /// The worst.
    pub most: Duration,
}

impl Lateness {
    /// A group went out so long after its first packet was due. Gives how far the schedule is to be put off.
    pub(super) fn note(&mut self, late: Duration) -> Duration {
        self.batches += 1;
        self.sum = self.sum.saturating_add(late);
        self.most = self.most.max(late);
        late.saturating_sub(CATCH_UP)
    }

    /// The mean.
    pub fn mean(&self) -> Duration {
        self.sum / u32::try_from(self.batches).unwrap_or(u32::MAX).max(1)
    }
}

/// What a clockwork says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ready {
    /// So many packets are due.
    Packets(u64),
    /// The next one will be then.
    At(Instant),
}

/// A pace that is being kept.
#[derive(Debug)]
pub(super) struct Clockwork {
    pace: Option<Pace>,
    /// When it began.
    pub(super) begun: Instant,
    running: bool,
    /// When packet 0 was due: later than `begun` if it was put off.
    origin: Instant,
    sent: u64,
    pub(super) late: Lateness,
}

impl Clockwork {
    pub(super) fn new(pace: Option<Pace>) -> Self {
        let (begun, late) = (Instant::ZERO, Lateness::default());
        Self { pace, begun, running: false, origin: begun, sent: 0, late }
    }

    /// It runs from now on, unless it does already.
    pub(super) fn begin(&mut self, now: Instant) {
        if !self.running {
            (self.running, self.begun, self.origin) = (true, now, now);
        }
    }

    pub(super) fn elapsed(&self, now: Instant) -> Duration {
        if self.running { now.since(self.begun) } else { Duration::ZERO }
    }

    /// When the next packet is due; without a pace each is at once.
    pub(super) fn due(&self) -> Instant {
        self.origin + self.pace.map_or(Duration::ZERO, |pace| pace.due(self.sent))
    }

    /// What is to be done now: [`Clockwork::sent`] is told what was.
    pub(super) fn ready(&mut self, now: Instant) -> Ready {
        let Some(pace) = self.pace else { return Ready::Packets(u64::MAX) };
        let due = self.due();
        if due > now {
            return Ready::At(due);
        }
        self.origin += self.late.note(now.since(due));
        Ready::Packets(pace.ready(now.since(self.origin)).saturating_sub(self.sent).max(1))
    }

    /// So many packets went out.
    pub(super) fn sent(&mut self, packets: u64) {
        self.sent += packets;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_rate_is_kept_to_the_nanosecond() {
        let pace = Pace::new(100_000.0).unwrap();
        assert_eq!((pace.due(0), pace.due(1)), (Duration::ZERO, Duration::from_micros(10)));
        assert_eq!(pace.due(8_640_000_000), Duration::from_secs(86_400));
        assert_eq!((pace.ready(Duration::ZERO), pace.ready(Duration::from_micros(10))), (1, 2));
        assert_eq!(pace.ready(Duration::from_nanos(9_999)), 1);
        let slow = Pace::new(0.1).unwrap();
        assert_eq!((slow.due(3), slow.ready(Duration::from_secs(29))), (Duration::from_secs(30), 3));
        for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY, 2e9] {
            assert_eq!(Pace::new(wrong).unwrap_err().errno(), Errno::EINVAL);
        }
    }

    #[test]
    fn only_a_little_is_made_up_for() {
        let mut late = Lateness::default();
        assert_eq!(late.note(Duration::from_millis(30)), Duration::ZERO);
        assert_eq!(late.note(Duration::from_secs(3)), Duration::from_millis(2900));
        assert_eq!((late.most, late.mean()), (Duration::from_secs(3), Duration::from_millis(1515)));
    }

    proptest! {
        #[test]
        fn what_is_ready_is_due(rate in 0.01f64..1e9, nanos in 0u64..1_000_000_000_000_000) {
            let (pace, elapsed) = (Pace::new(rate).unwrap(), Duration::from_nanos(nanos));
            let ready = pace.ready(elapsed);
            prop_assert!(pace.due(ready - 1) <= elapsed && pace.due(ready) > elapsed);
        }
    }
}
