//! A host's clock: the machine's, or a world's virtual time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::base::Instant;
use crate::sys::clock;

/// What a host reads the time from.
#[derive(Clone, Debug)]
pub(super) enum Clock {
    /// CLOCK_MONOTONIC, from the host's birth on.
    Real { born: Duration },
    /// Nanoseconds that a world counts.
    Virtual(Arc<AtomicU64>),
}

/// The wall-clock time at which virtual time begins: 2026-01-01 00:00:00 UTC. The same in every run, so that recordings are.
const VIRTUAL_EPOCH: Duration = Duration::from_secs(1_767_225_600);

impl Clock {
    pub(super) fn real() -> Self {
        Self::Real { born: clock::monotonic() }
    }

    pub(super) fn now(&self) -> Instant {
        match self {
            Self::Real { born } => Instant::ZERO + clock::monotonic().saturating_sub(*born),
            Self::Virtual(nanos) => Instant::from_nanos(nanos.load(Ordering::Relaxed)),
        }
    }

    /// What CLOCK_MONOTONIC reads at the clock's beginning; zero in virtual time.
    pub(super) fn born(&self) -> Duration {
        match self {
            Self::Real { born } => *born,
            Self::Virtual(_) => Duration::ZERO,
        }
    }

    /// What wall-clock time (since 1970) the clock's beginning is, asked at the beginning.
    pub(super) fn epoch(&self) -> Duration {
        match self {
            Self::Real { .. } => clock::realtime(),
            Self::Virtual(_) => VIRTUAL_EPOCH,
        }
    }
}
