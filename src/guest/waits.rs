//! Calls that wait.

use std::os::fd::OwnedFd;
use std::time::Duration;

use super::supervisor::Guest;
use super::trap::{Trap, Verdict};
use crate::base::Result;
use crate::socket::remote::Reply;

/// What a call waits for.
#[derive(Debug)]
pub(crate) enum For {
    /// The host's answer to the request of this tag (`Connection::start`).
    Host(u32),
    /// A descriptor, for these events (POLLIN, POLLOUT).
    Descriptor(OwnedFd, i32),
}

/// Why a wait has ended.
#[derive(Debug)]
pub(crate) enum Wake {
    /// The host has answered.
    Answered(Result<Reply>, Vec<OwnedFd>),
    /// The descriptor is ready; it is given back.
    Ready(OwnedFd),
    /// The time has come; the descriptor is given back.
    TimedOut(Option<OwnedFd>),
    /// A signal waits for the thread. The verdict is what the interrupted call gives (`Verdict::Restart`, or EINTR).
    Interrupted(Option<OwnedFd>),
}

/// What goes on when a wait has ended. It may wait again.
pub(crate) type Then = Box<dyn FnOnce(&mut Guest, &Trap, Wake) -> Verdict>;

impl Guest {
    /// Leaves a call until what it waits for is there, at most for `limit` (`None` = for ever). Gives `Verdict::Later`.
    pub(crate) fn wait(&mut self, trap: &Trap, what: For, limit: Option<Duration>, then: Then) -> Verdict {
        let _ = (trap, what, limit, then);
        Verdict::Later
    }
}
