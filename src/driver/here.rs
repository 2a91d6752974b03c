//! A host of this process: its stack, under its lock.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::state::{Shared, State};
use super::{background, wait, world};
use crate::base::verb::{Answer, Verb};
use crate::base::{Instant, Result, SocketId};
use crate::stack::Stack;

/// The way to a host's stack: in this process it can be called, in another one only asked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Door<'a> {
    Here(Here<'a>),
    There(&'a dyn super::Far),
}

/// The door of a host of this process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Here<'a> {
    pub(super) shared: &'a Arc<Shared>,
}

impl Here<'_> {
    /// A verb: takes the host's lock, sets the stack's clock, calls `verb`, transmits what it made, wakes whom it concerns.
    pub(crate) fn call<T>(self, verb: impl FnOnce(&mut Stack) -> T) -> T {
        self.enter(verb, |state| {
            if state.readiness.is_out() {
                state.readiness.refresh_every(&state.stack);
            }
        })
    }

    /// The same for a verb that changes the readiness of this socket only: cheaper where many have a descriptor out.
    pub(crate) fn call_on<T>(self, socket: SocketId, verb: impl FnOnce(&mut Stack) -> T) -> T {
        self.enter(verb, |state| state.readiness.refresh(socket, &state.stack))
    }

    /// Does a verb that came as data, once, now.
    pub(crate) fn perform(self, verb: &Verb) -> Result<Answer> {
        if *verb == Verb::Counters {
            self.shared.lock().note_drops();
        }
        match verb.socket() {
            Some(socket) => self.call_on(socket, |stack| stack.perform(verb)),
            None => self.call(|stack| stack.perform(verb)),
        }
    }

    /// ENETDOWN once the host is shut down.
    #[inline]
    pub(crate) fn alive(self) -> Result<()> {
        if self.shared.closed.load(Ordering::Acquire) { Err(State::shut_down()) } else { Ok(()) }
    }

    fn enter<T>(self, verb: impl FnOnce(&mut Stack) -> T, refresh: impl FnOnce(&mut State)) -> T {
        let shared = self.shared;
        let mut state = shared.lock();
        let now = shared.now();
        state.stack.at(now);
        let result = verb(&mut state.stack);
        if shared.seat.is_some() {
            state.flush(now);
        } else {
            state.settle(now);
            if shared.background && !state.role.has_background() && state.deadline().is_some() {
                background::start(shared, &mut state);
            }
        }
        refresh(&mut state);
        result
    }

    /// The one place where a call waits. Calls `attempt` (under the lock, as [`Host::call`]) at once and again whenever one of
    /// `sockets` may have changed, until it gives `Some`; `None` = `deadline` came first. While it waits it drives the host.
    /// An empty `sockets` and a deadline is a sleep. A host that is shut down answers EINTR's place: `Err`.
    pub(crate) fn wait<T>(
        self,
        sockets: &[SocketId],
        deadline: Option<Instant>,
        attempt: impl FnMut(&mut Stack) -> Option<T>,
    ) -> Result<Option<T>> {
        match &self.shared.seat {
            None => wait::wait(self.shared, sockets, deadline, attempt),
            Some(seat) => world::wait(self.shared, seat, sockets, deadline, attempt),
        }
    }
}
