//! Sockets whose readiness may have changed, each at most once in the queue.

use std::collections::{HashSet, VecDeque};

use crate::base::SocketId;

/// The queue.
#[derive(Debug, Default)]
pub(crate) struct ReadyQueue {
    order: VecDeque<SocketId>,
    waiting: HashSet<SocketId>,
    /// Of these sockets something that they could not send would now be taken, though poll(2) has said POLLOUT all the time.
    room: HashSet<SocketId>,
    /// Sockets that no program has: a protocol of the stack's own uses them.
    own: HashSet<SocketId>,
    own_order: VecDeque<SocketId>,
}

impl ReadyQueue {
    /// Whoever waits for this socket must look again.
    pub(crate) fn wake(&mut self, id: SocketId) {
        if self.waiting.insert(id) {
            let own = self.own.contains(&id);
            if own { &mut self.own_order } else { &mut self.order }.push_back(id);
        }
    }

    /// [`ReadyQueue::wake`] that is news for who waits for an edge of POLLOUT: unix_write_space.
    pub(crate) fn wake_for_room(&mut self, id: SocketId) {
        self.room.insert(id);
        self.wake(id);
    }

    /// True once after [`ReadyQueue::wake_for_room`].
    pub(crate) fn take_room(&mut self, id: SocketId) -> bool {
        self.room.remove(&id)
    }

    /// From now on the stack itself waits for this socket: [`ReadyQueue::pop_own`].
    pub(crate) fn adopt(&mut self, id: SocketId) {
        self.own.insert(id);
    }

    /// No more so.
    pub(crate) fn disown(&mut self, id: SocketId) {
        self.own.remove(&id);
    }

    pub(crate) fn pop_own(&mut self) -> Option<SocketId> {
        let id = self.own_order.pop_front()?;
        self.waiting.remove(&id);
        Some(id)
    }

    pub(crate) fn pop(&mut self) -> Option<SocketId> {
        let id = self.order.pop_front()?;
        self.waiting.remove(&id);
        Some(id)
    }
}
