//! When a host ends, and how.

use std::os::fd::{AsFd, AsRawFd};

use super::{IDLE, LAST_WORDS, Server};
use crate::base::Result;
use crate::base::constants::SOCK_NONBLOCK;
use crate::sys::descriptor::duplicate;
use crate::sys::epoll::Ready;
use crate::sys::unix;

impl Server {
    /// A host that does not stay ends when there is no client, no descriptor and no connection left.
    pub(super) fn end_if_idle(&mut self) {
        if self.is_used() {
            self.ends = None;
            return;
        }
        let now = self.host.now();
        if *self.ends.get_or_insert(now + IDLE) > now {
            return;
        }
        // Who has connected by now is served still; who comes later finds no host.
        let mut last = None;
        let mut needed = || {
            last = unix::accept(self.listener.as_fd(), SOCK_NONBLOCK).ok();
            last.is_some()
        };
        self.ending = match &mut self.seat {
            Some(seat) => seat.leave(needed),
            None => !needed(),
        };
        if let Some(last) = last {
            self.ends = None;
            self.admit(last);
        }
    }

    fn is_used(&self) -> bool {
        // Without a seat nobody but its maker knows of it: he will come.
        let expected = self.seat.is_none() && self.last_client == 0;
        if expected || self.facts.stays || !self.clients.is_empty() || self.natives.is_used() {
            return true;
        }
        let census = self.host.census();
        census.flows + census.half_open + census.time_wait > 0
    }

    /// The host ends: what clients made for themselves is closed (FIN), programs' connections are reset, and what was closed before
    /// has a moment to be acknowledged. Clients see the end of their connections when the process has ended.
    pub(super) fn end(&mut self, ready: &mut Vec<Ready>) -> Result<()> {
        if let Some(seat) = &mut self.seat {
            seat.leave(|| false);
        }
        for client in self.clients.values_mut() {
            std::mem::forget(duplicate(client.fd().as_raw_fd()));
            client.said_goodbye = false;
        }
        self.gone.extend(self.clients.keys());
        self.take_leave();
        let end = self.host.now() + LAST_WORDS;
        while self.host.census().flows > 0 && self.host.now() < end {
            self.ends = Some(end);
            self.turn(ready)?;
        }
        self.host.shutdown();
        Ok(())
    }
}
