//! Sockets whose readiness may have changed, each at most once in the queue.

use std::collections::{HashSet, VecDeque};

use crate::base::SocketId;

/// The queue.
#[derive(Debug, Default)]
pub(crate) struct ReadyQueue {
    order: VecDeque<SocketId>,
    waiting: HashSet<SocketId>,
}

impl ReadyQueue {
    /// Whoever waits for this socket must look again.
    pub(crate) fn wake(&mut self, id: SocketId) {
        if self.waiting.insert(id) {
            self.order.push_back(id);
        }
    }

    pub(crate) fn pop(&mut self) -> Option<SocketId> {
        let id = self.order.pop_front()?;
        self.waiting.remove(&id);
        Some(id)
    }
}
