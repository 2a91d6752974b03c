//! The one place where a call waits, in real time. (In virtual time a call waits in its world's scheduler.)
//!
//! # The contract
//!
//! **Whoever blocks, drives.** A host has one lock and one driver's role. Of all calls that wait, one has the role: it polls the
//! devices itself, hands frames to the stack, runs its timers, sends what follows, and wakes the others. So the packet that a
//! lonely `recv` waits for is read, processed and returned on the caller's own thread.
//!
//! 1. A call tries first. Only if that fails, and before the lock is given back, it enters the list of waiters: what happens
//!    afterwards finds it there.
//! 2. Who finds the role free, or with the background thread, takes it. A caller's role is never taken away.
//! 3. The driver sleeps in poll(2) on the devices and a bell (parked, where no device has a descriptor), until the earliest of the stack's, the devices' and its own
//!    deadline. Who makes one of these earlier, or wakes the driver's own socket, rings the bell.
//! 4. A waiter without the role is parked until one of its sockets is woken, the role is handed to it, or its own deadline comes.
//! 5. Who leaves with the role makes sure that somebody who is awake will find it: a waiter that runs already, else one that is
//!    unparked now, else the background thread, which is never further away than a millisecond, or is unparked.
//! 6. Whoever takes the lock leaves a settled host: what the stack made is on the wires (the caller of `send` transmits by
//!    itself), woken sockets' waiters are marked. They are unparked after the lock is given back, and try for themselves.
//!
//! `role.rs` is this contract as a state machine, with its model test.

use std::os::fd::AsRawFd;
use std::thread;
use std::time::Duration;

use super::role::{Driver, Ticket};
use super::state::{Locked, PollSet, Shared, State};
use crate::base::{Instant, Result, SocketId};
use crate::stack::Stack;
use crate::sys::{PollFd, poll};

/// See [`Host::wait`](super::Host::wait).
pub(super) fn wait<T>(
    shared: &Shared,
    sockets: &[SocketId],
    deadline: Option<Instant>,
    mut attempt: impl FnMut(&mut Stack) -> Option<T>,
) -> Result<Option<T>> {
    // Declared before the lock: should an attempt panic, the lock is given back first, then the place among the waiters.
    let call;
    let mut state = shared.lock();
    let mut now = shared.now();
    state.stack.at(now);
    if state.closed {
        return Err(State::interrupted());
    }
    if let Some(value) = attempt(&mut state.stack) {
        state.settle(now);
        state.show(sockets);
        return Ok(Some(value));
    }
    let ticket = state.role.enter(thread::current(), sockets);
    call = Call { shared, ticket, sockets };
    let mut polls = PollSet::default();
    let result = loop {
        state.settle(now);
        if state.closed {
            break Err(State::interrupted());
        }
        if state.role.take_look(ticket) {
            if let Some(value) = attempt(&mut state.stack) {
                state.settle(now);
                break Ok(Some(value));
            }
            continue;
        }
        if deadline.is_some_and(|deadline| deadline <= now) {
            break Ok(None);
        }
        if state.role.take(ticket) {
            (state, now) = drive(shared, state, Driver::Caller(ticket), deadline, &mut polls);
        } else {
            state.role.park(ticket);
            drop(state);
            match deadline {
                Some(deadline) => thread::park_timeout(deadline.since(shared.now())),
                None => thread::park(),
            }
            state = shared.lock();
            state.role.unpark(ticket);
            now = shared.now();
            state.stack.at(now);
        }
    };
    state.show(sockets);
    call.leave(&mut state);
    result
}

/// A driver's round: sleeps until something arrives or is due (at the latest until `until`), then does what there is to do. A
/// driver that was relieved meanwhile only wakes.
pub(super) fn drive<'a>(
    shared: &'a Shared,
    mut state: Locked<'a>,
    who: Driver,
    until: Option<Instant>,
    polls: &mut PollSet,
) -> (Locked<'a>, Instant) {
    let deadline = [state.deadline(), until].into_iter().flatten().min();
    let bell = if who == Driver::Background { &shared.background_bell } else { &shared.caller_bell };
    polls.fill(PollFd::new(bell.as_raw_fd(), true, false), &state.ports);
    state.role.fall_asleep(deadline.unwrap_or(Instant::FAR), polls.has_ports());
    state.ports.iter_mut().for_each(|port| port.sleeping(true));
    drop(state);

    let timeout = deadline.map(|deadline| deadline.since(shared.now()));
    match timeout {
        _ if polls.has_ports() => {
            if poll(polls.fds(), timeout).is_err() {
                // Only for want of memory: a moment's sleep instead of a spin.
                thread::park_timeout(timeout.unwrap_or(DOZE).min(DOZE));
            }
            if polls.rung() {
                bell.clear();
            }
        }
        Some(timeout) => thread::park_timeout(timeout),
        None => thread::park(),
    }

    let mut state = shared.lock();
    let now = shared.now();
    state.stack.at(now);
    if state.role.wake_up(who) {
        state.ports.iter_mut().for_each(|port| port.sleeping(false));
        state.turn(now, |port| polls.is_ready(port));
    }
    (state, now)
}

/// How long the background thread leaves the role to whoever may call next.
pub(super) const DOZE: Duration = Duration::from_millis(1);

/// A place among the waiters.
struct Call<'a> {
    shared: &'a Shared,
    ticket: Ticket,
    sockets: &'a [SocketId],
}

impl Call<'_> {
    fn leave(self, state: &mut State) {
        state.role.leave(self.ticket, self.sockets);
        std::mem::forget(self);
    }
}

impl Drop for Call<'_> {
    /// Only while a panic unwinds: the role must not be lost with it.
    fn drop(&mut self) {
        self.shared.lock().role.leave(self.ticket, self.sockets);
    }
}
