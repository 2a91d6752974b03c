//! The driver's role: who has it, who waits, and whom to wake when. No threads, clocks or descriptors in here, so that every
//! order of events can be tested; the contract stands in `wait.rs`.
//!
//! Everything happens under the host's lock. What must be done about it outside (a thread unparked, a bell rung) is left in
//! `nudges`, and done when the lock is given back.

use std::collections::HashMap;

use crate::base::{Instant, SocketId};

/// The number of a waiting call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket(usize);

/// Who drives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Driver {
    Nobody,
    Caller(Ticket),
    Background,
}

/// What is to be done once the lock is given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Nudge<T> {
    /// Unpark this thread.
    Thread(T),
    /// Ring the bell of a caller that drives, asleep in poll(2).
    CallerBell,
    /// Ring the bell of the background thread, asleep in poll(2).
    BackgroundBell,
}

/// What the background thread does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Background {
    /// It has the role.
    Drive,
    /// Sleep for a millisecond, then look again.
    Doze,
    /// Sleep until it is unparked: a caller that stays drives.
    Park,
}

#[derive(Debug)]
struct Waiter<T> {
    thread: T,
    /// One of its sockets was woken since its last attempt.
    look: bool,
    /// It sleeps, and only a nudge (or its own deadline) ends that.
    parked: bool,
}

/// The state of the role. `T` is a thread.
#[derive(Debug)]
pub(super) struct Role<T> {
    driver: Driver,
    /// The driver sleeps, at the latest until then.
    asleep: Option<Instant>,
    /// It has descriptors to poll, so that only its bell wakes it; else it is parked.
    polling: bool,
    /// It was woken since it fell asleep.
    rung: bool,
    waiters: Vec<Option<Waiter<T>>>,
    vacant: Vec<usize>,
    parked: usize,
    by_socket: HashMap<SocketId, Vec<Ticket>>,
    /// Empty lists for `by_socket`, kept so that a wait does not allocate.
    spare: Vec<Vec<Ticket>>,
    background: Option<T>,
    background_parked: bool,
    /// Counts the beginnings and ends of waits.
    turns: u64,
    seen_turns: u64,
    pub(super) nudges: Vec<Nudge<T>>,
}

impl<T> Default for Role<T> {
    fn default() -> Self {
        Self {
            driver: Driver::Nobody,
            asleep: None,
            polling: false,
            rung: false,
            waiters: Vec::new(),
            vacant: Vec::new(),
            parked: 0,
            by_socket: HashMap::new(),
            spare: Vec::new(),
            background: None,
            background_parked: false,
            turns: 0,
            seen_turns: 0,
            nudges: Vec::new(),
        }
    }
}

impl<T: Clone> Role<T> {
    /// A call begins to wait. Its first attempt has failed under this very lock, so nothing can have been missed.
    pub(super) fn enter(&mut self, thread: T, sockets: &[SocketId]) -> Ticket {
        self.turns += 1;
        let waiter = Some(Waiter { thread, look: false, parked: false });
        let ticket = match self.vacant.pop() {
            Some(index) => {
                self.waiters[index] = waiter;
                Ticket(index)
            }
            None => {
                self.waiters.push(waiter);
                Ticket(self.waiters.len() - 1)
            }
        };
        for socket in sockets {
            let spare = &mut self.spare;
            self.by_socket.entry(*socket).or_insert_with(|| spare.pop().unwrap_or_default()).push(ticket);
        }
        ticket
    }

    /// The call is done. If it drove, the role goes on: to another waiter, else to the background thread.
    pub(super) fn leave(&mut self, ticket: Ticket, sockets: &[SocketId]) {
        self.turns += 1;
        for socket in sockets {
            let Some(tickets) = self.by_socket.get_mut(socket) else { continue };
            tickets.retain(|t| *t != ticket);
            if tickets.is_empty() {
                let spare = self.by_socket.remove(socket);
                self.spare.extend(spare.filter(|_| self.spare.len() < 64));
            }
        }
        if self.waiters[ticket.0].take().is_some_and(|w| w.parked) {
            self.parked -= 1;
        }
        self.vacant.push(ticket.0);
        if self.driver == Driver::Caller(ticket) {
            self.driver = Driver::Nobody;
            self.asleep = None;
        }
        self.hand_over();
    }

    /// If nobody drives, somebody must be about to look: one who is awake already, else we wake one.
    fn hand_over(&mut self) {
        if self.driver != Driver::Nobody || self.parked < self.waiting() {
            return;
        }
        if self.waiting() > 0 {
            let next = self.waiters.iter().position(Option::is_some).map(Ticket);
            next.into_iter().for_each(|ticket| self.nudge(ticket));
        } else if self.background_parked {
            self.background_parked = false;
            self.nudges.extend(self.background.clone().map(Nudge::Thread));
        }
    }

    /// How many calls wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiters.len() - self.vacant.len()
    }

    /// Takes the role, if it is free or the background thread's. True = the caller drives.
    pub(super) fn take(&mut self, ticket: Ticket) -> bool {
        match self.driver {
            Driver::Caller(other) => return other == ticket,
            Driver::Nobody => {}
            Driver::Background => {
                // It must not wake for the same packet as its successor: it wakes now, and sees that it is relieved.
                self.ring();
                self.asleep = None;
            }
        }
        self.driver = Driver::Caller(ticket);
        true
    }

    /// True, once, if one of the call's sockets was woken: it tries again.
    pub(super) fn take_look(&mut self, ticket: Ticket) -> bool {
        self.waiters[ticket.0].as_mut().is_some_and(|w| std::mem::take(&mut w.look))
    }

    /// The call goes to sleep without the role.
    pub(super) fn park(&mut self, ticket: Ticket) {
        if let Some(waiter) = &mut self.waiters[ticket.0]
            && !waiter.parked
        {
            waiter.parked = true;
            self.parked += 1;
        }
    }

    /// The call is awake again, by a nudge, by its deadline or for no reason.
    pub(super) fn unpark(&mut self, ticket: Ticket) {
        if let Some(waiter) = &mut self.waiters[ticket.0]
            && std::mem::take(&mut waiter.parked)
        {
            self.parked -= 1;
        }
    }

    /// The driver goes to sleep: in poll(2), or parked if there is nothing to poll.
    pub(super) fn fall_asleep(&mut self, until: Instant, polling: bool) {
        self.asleep = Some(until);
        self.polling = polling;
        self.rung = false;
    }

    /// The driver is awake again. False = it is relieved.
    pub(super) fn wake_up(&mut self, who: Driver) -> bool {
        if self.driver != who {
            return false;
        }
        self.asleep = None;
        true
    }

    /// A socket's readiness may have changed: whoever waits for it looks again.
    pub(super) fn wake(&mut self, socket: SocketId) {
        let tickets = self.by_socket.get_mut(&socket).map(std::mem::take).unwrap_or_default();
        for ticket in &tickets {
            if let Some(waiter) = &mut self.waiters[ticket.0] {
                waiter.look = true;
            }
            self.nudge(*ticket);
        }
        if let Some(list) = self.by_socket.get_mut(&socket) {
            *list = tickets;
        }
    }

    /// Everybody looks again: the host is shut down.
    pub(super) fn wake_all(&mut self) {
        for index in 0..self.waiters.len() {
            if let Some(waiter) = &mut self.waiters[index] {
                waiter.look = true;
                self.nudge(Ticket(index));
            }
        }
        self.rouse_background();
    }

    /// The background thread looks again, wherever it is.
    pub(super) fn rouse_background(&mut self) {
        if self.driver == Driver::Background {
            self.ring();
        }
        self.background_parked = false;
        self.nudges.extend(self.background.clone().map(Nudge::Thread));
    }

    fn nudge(&mut self, ticket: Ticket) {
        if self.driver == Driver::Caller(ticket) {
            self.ring();
        } else if let Some(waiter) = &mut self.waiters[ticket.0]
            && std::mem::take(&mut waiter.parked)
        {
            self.parked -= 1;
            self.nudges.push(Nudge::Thread(waiter.thread.clone()));
        }
    }

    /// Something is due at `at`: a driver that sleeps longer is woken.
    pub(super) fn due(&mut self, at: Instant) {
        if self.asleep.is_some_and(|until| at < until) {
            self.ring();
        }
    }

    /// True while the driver sleeps: only then somebody needs to ask for deadlines.
    pub(super) fn is_asleep(&self) -> bool {
        self.asleep.is_some()
    }

    fn ring(&mut self) {
        if self.asleep.is_none() || std::mem::replace(&mut self.rung, true) {
            return;
        }
        let thread = match self.driver {
            Driver::Nobody => None,
            Driver::Caller(_) if self.polling => return self.nudges.push(Nudge::CallerBell),
            Driver::Background if self.polling => return self.nudges.push(Nudge::BackgroundBell),
            Driver::Caller(ticket) => self.waiters[ticket.0].as_ref().map(|waiter| waiter.thread.clone()),
            Driver::Background => self.background.clone(),
        };
        self.nudges.extend(thread.map(Nudge::Thread));
    }

    /// True if a background thread is there.
    pub(super) fn has_background(&self) -> bool {
        self.background.is_some()
    }

    /// The background thread begins.
    pub(super) fn set_background(&mut self, thread: T) {
        self.background = Some(thread);
    }

    /// What the background thread does next; it asks whenever it is awake. `watch`: it takes a free role at once, because
    /// somebody polls a readiness descriptor instead of waiting in a call.
    pub(super) fn background_turn(&mut self, watch: bool) -> Background {
        let quiet = std::mem::replace(&mut self.seen_turns, self.turns) == self.turns;
        match self.driver {
            Driver::Background => Background::Drive,
            Driver::Nobody if self.waiting() == 0 && (quiet || watch) => {
                self.driver = Driver::Background;
                Background::Drive
            }
            Driver::Caller(_) if quiet => {
                self.background_parked = true;
                Background::Park
            }
            _ => Background::Doze,
        }
    }
}

#[cfg(test)]
#[path = "tests/role.rs"]
mod tests;
