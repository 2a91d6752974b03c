//! Verbs that can't be done yet: found by their socket when it changes, by their deadline, and by their ticket.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};
use std::mem::{Discriminant, discriminant};

use super::native::Ticket;
use crate::base::verb::Verb;
use crate::base::{Error, Instant, SocketId};

/// A verb that can't be done yet.
#[derive(Debug)]
pub(super) struct Wait {
    pub(super) ticket: Ticket,
    pub(super) verb: Verb,
    pub(super) until: Instant,
    /// It was tried: what it says if its time comes first.
    pub(super) begun: Option<Error>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Waits {
    /// By number: in the order in which they came.
    waits: HashMap<u64, Wait>,
    last: u64,
    by_socket: HashMap<SocketId, HashMap<Kind, BTreeSet<u64>>>,
    by_ticket: HashMap<Ticket, u64>,
    /// Some of them may have ended already.
    deadlines: BinaryHeap<Reverse<(Instant, u64)>>,
    /// How much each client has here.
    clients: HashMap<u64, Load>,
}

/// Verbs of one socket that wait for the same: where the first can't be done, the others can't either.
type Kind = (Discriminant<Verb>, i32);

#[derive(Clone, Copy, Debug, Default)]
struct Load {
    waits: usize,
    bytes: usize,
}

/// Requests of one client that may wait.
const MOST: usize = 1 << 17;
/// Bytes of them.
const MOST_BYTES: usize = 64 * 1024 * 1024;

impl Waits {
    /// Keeps it. Gives it back if its client has too much here.
    pub(super) fn keep(&mut self, wait: Wait) -> Option<Wait> {
        if wait.verb.socket().is_none() {
            return Some(wait);
        }
        let load = self.clients.entry(wait.ticket.client).or_default();
        let bytes = bytes_of(&wait.verb);
        if load.waits >= MOST || load.bytes + bytes > MOST_BYTES || self.by_ticket.contains_key(&wait.ticket)
        {
            return Some(wait);
        }
        self.last += 1;
        // What has ended stays in the heap until its time, but not more of that than of the others.
        if self.deadlines.len() > 2 * self.waits.len() + 1024 {
            self.deadlines.retain(|Reverse((_, number))| self.waits.contains_key(number));
        }
        if wait.until != Instant::FAR {
            self.deadlines.push(Reverse((wait.until, self.last)));
        }
        self.list(self.last, wait);
        None
    }

    /// When the next gives up.
    pub(super) fn deadline(&mut self) -> Option<Instant> {
        while let Some(Reverse((until, number))) = self.deadlines.peek() {
            if self.waits.contains_key(number) {
                return Some(*until);
            }
            self.deadlines.pop();
        }
        None
    }

    /// The next one whose time has come.
    pub(super) fn overdue(&mut self, now: Instant) -> Option<Wait> {
        if self.deadline()? > now {
            return None;
        }
        let Reverse((_, number)) = self.deadlines.pop()?;
        self.take(number)
    }

    /// The one of this ticket.
    pub(super) fn cancel(&mut self, ticket: Ticket) -> Option<Wait> {
        let number = *self.by_ticket.get(&ticket)?;
        self.take(number)
    }

    /// All of this client.
    pub(super) fn forget(&mut self, client: u64) {
        if self.clients.remove(&client).is_some_and(|load| load.waits > 0) {
            let its = self.by_ticket.iter().filter(|(ticket, _)| ticket.client == client);
            for number in its.map(|(_, number)| *number).collect::<Vec<_>>() {
                self.take(number);
            }
        }
    }

    /// Tries those of a socket that has changed, in the order in which they came. `attempt` gives the verb back that still can't
    /// be done; others that wait for the same are then left where they are.
    pub(super) fn retry(&mut self, socket: SocketId, mut attempt: impl FnMut(Wait) -> Option<Wait>) {
        let Some(waiting) = self.by_socket.get(&socket) else { return };
        let kinds: Vec<Kind> = waiting.keys().copied().collect();
        for kind in kinds {
            while let Some(number) = self.first(socket, kind)
                && let Some(wait) = self.take(number)
            {
                if let Some(wait) = attempt(wait) {
                    self.list(number, wait);
                    break;
                }
            }
        }
    }

    fn first(&self, socket: SocketId, kind: Kind) -> Option<u64> {
        self.by_socket.get(&socket)?.get(&kind)?.first().copied()
    }

    fn list(&mut self, number: u64, wait: Wait) {
        let Some(socket) = wait.verb.socket() else { return };
        let load = self.clients.entry(wait.ticket.client).or_default();
        load.waits += 1;
        load.bytes += bytes_of(&wait.verb);
        self.by_socket.entry(socket).or_default().entry(kind_of(&wait.verb)).or_default().insert(number);
        self.by_ticket.insert(wait.ticket, number);
        self.waits.insert(number, wait);
    }

    fn take(&mut self, number: u64) -> Option<Wait> {
        let wait = self.waits.remove(&number)?;
        self.by_ticket.remove(&wait.ticket);
        let (socket, kind) = (wait.verb.socket()?, kind_of(&wait.verb));
        if let Some(kinds) = self.by_socket.get_mut(&socket)
            && let Some(waiting) = kinds.get_mut(&kind)
        {
            waiting.remove(&number);
            if waiting.is_empty() {
                kinds.remove(&kind);
            }
            if kinds.is_empty() {
                self.by_socket.remove(&socket);
            }
        }
        if let Some(load) = self.clients.get_mut(&wait.ticket.client) {
            load.waits -= 1;
            load.bytes -= bytes_of(&wait.verb);
        }
        Some(wait)
    }
}

fn kind_of(verb: &Verb) -> Kind {
    let flags = match verb {
        Verb::Receive { flags, .. } => *flags,
        _ => 0,
    };
    (discriminant(verb), flags)
}

fn bytes_of(verb: &Verb) -> usize {
    match verb {
        Verb::Send(_, letters) => letters
            .iter()
            .map(|letter| size_of_val(letter) + letter.data.len() + size_of_val(&letter.control[..]))
            .sum(),
        _ => 0,
    }
}
