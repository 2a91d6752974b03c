//! A host: one stack, its devices, and whoever drives them.
//!
//! | file | what |
//! |---|---|
//! | `host.rs` | [`Host`]: lock, verb, flush, wake |
//! | `builder.rs` | [`HostBuilder`] |
//! | `wait.rs` | the one place where a call waits, and the hand-over of the driver's role |
//! | `world.rs` | [`World`]: hosts, cables and threads in virtual time |
//!
//! socket/ is its main caller. It owns what stack/ and device/ offer.

use std::sync::Arc;

use crate::base::{Instant, Result, SocketId};
use crate::stack::Stack;

/// A host: one stack and its devices. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Host {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {}

impl Host {
    /// The reading of the host's clock.
    pub fn now(&self) -> Instant {
        todo!()
    }

    /// A verb: takes the host's lock, sets the stack's clock, calls `verb`, transmits what it made, wakes whom it concerns.
    pub(crate) fn call<T>(&self, _verb: impl FnOnce(&mut Stack) -> T) -> T {
        todo!()
    }

    /// The one place where a call waits. Calls `attempt` (under the lock, as [`Host::call`]) at once and again whenever one of
    /// `sockets` may have changed, until it gives `Some`; `None` = `deadline` came first. While it waits it drives the host.
    /// An empty `sockets` and a deadline is a sleep. A host that is shut down answers EINTR's place: `Err`.
    pub(crate) fn wait<T>(
        &self,
        _sockets: &[SocketId],
        _deadline: Option<Instant>,
        _attempt: impl FnMut(&mut Stack) -> Option<T>,
    ) -> Result<Option<T>> {
        todo!()
    }
}

/// Hosts, cables and threads in virtual time.
#[derive(Clone, Debug)]
pub struct World {}
