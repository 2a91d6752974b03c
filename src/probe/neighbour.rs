//! How long neighbours are waited for.

use std::time::Duration;

use crate::base::{Instant, Result};
use crate::driver::Host;
use crate::socket::NextHop;

/// How long one neighbour is waited for, and all of them together.
const ONE: Duration = Duration::from_secs(1);
const ALL: Duration = Duration::from_secs(3);

/// What is left of the time that neighbours are given to say where they are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience(Duration);

impl Default for Patience {
    fn default() -> Self {
        Self(ALL)
    }
}

impl Patience {
    /// What is left of it.
    pub(super) const fn left(self) -> Duration {
        self.0
    }

    /// Asks for the station of a next hop, and waits for the answer, not beyond `until`. False: it did not answer, or can't be asked.
    ///
    /// # Errors
    /// EINTR or ENETDOWN if the host was shut down.
    pub(super) fn find(&mut self, host: &Host, hop: NextHop, until: Instant) -> Result<bool> {
        let begin = host.now();
        let found = match host.find_station(hop, self.0.min(ONE).min(until.since(begin))) {
            Err(error) if error.is_shutdown() => return Err(error),
            found => found.unwrap_or(false),
        };
        self.0 = self.0.saturating_sub(host.now().since(begin));
        Ok(found)
    }
}
