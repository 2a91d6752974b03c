//! Counters of every [`Reason`], and the events for those who watch.

use std::collections::VecDeque;

use crate::base::{Event, IfIndex, Instant, Reason, SocketId};

/// A host's log: counts always, tells only while somebody watches.
#[derive(Debug)]
pub(crate) struct Log {
    counts: [u64; Reason::COUNT],
    events: VecDeque<Event>,
    watched: bool,
}

/// Events kept for a watcher that does not fetch them; the oldest go first.
const KEPT: usize = 4096;

impl Default for Log {
    fn default() -> Self {
        Self { counts: [0; Reason::COUNT], events: VecDeque::new(), watched: false }
    }
}

impl Log {
    /// Counts a reason, and tells it to the watcher.
    pub(crate) fn note(
        &mut self,
        time: Instant,
        reason: Reason,
        interface: Option<IfIndex>,
        socket: Option<SocketId>,
    ) {
        self.counts[reason as usize] += 1;
        self.tell(|| Event::Noted { time, reason, interface, socket });
    }

    /// Tells an event; it is made only if somebody watches.
    pub(crate) fn tell(&mut self, event: impl FnOnce() -> Event) {
        if self.watched {
            if self.events.len() == KEPT {
                self.events.pop_front();
            }
            self.events.push_back(event());
        }
    }

    /// How often this happened.
    pub(crate) fn count(&self, reason: Reason) -> u64 {
        self.counts[reason as usize]
    }

    /// Begins or ends the telling.
    pub(crate) fn watch(&mut self, on: bool) {
        self.watched = on;
        if !on {
            self.events.clear();
        }
    }

    pub(crate) fn take_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }
}
