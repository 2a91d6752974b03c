//! One line on standard error while something lasts, on a terminal only.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::say;
use crate::base::Instant;

/// Between two lines.
const EVERY: Duration = Duration::from_millis(250);
/// There is one.
static SHOWN: AtomicBool = AtomicBool::new(false);

/// How far it is.
#[derive(Debug)]
pub(super) struct Progress {
    wanted: bool,
    next: Instant,
}

impl Progress {
    /// `wanted`: by those who do not want it, it is not shown on terminals either.
    pub(super) fn new(wanted: bool, now: Instant) -> Self {
        Self { wanted: wanted && io::stderr().is_terminal(), next: now + EVERY }
    }

    /// A new line in the place of the old one, four times in a second.
    pub(super) fn show(&mut self, now: Instant, text: impl FnOnce() -> String) {
        if self.wanted && now >= self.next {
            self.next = now + EVERY;
            SHOWN.store(true, Ordering::Relaxed);
            let text: String = text().chars().take(say::width().saturating_sub(1)).collect();
            // Nobody can be told that standard error is closed.
            let _ = write!(io::stderr().lock(), "\r\x1b[K{text}");
        }
    }
}

/// Takes the line away, if there is one: something else is to be said.
pub(super) fn clear() {
    if SHOWN.swap(false, Ordering::Relaxed) {
        let _ = write!(io::stderr().lock(), "\r\x1b[K");
    }
}
