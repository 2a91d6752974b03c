//! The devices' descriptors in the server's epoll set.

use std::os::fd::{AsFd, OwnedFd, RawFd};

use crate::base::Result;
use crate::base::constants::{POLLIN, POLLOUT};
use crate::driver::Host;
use crate::sys::descriptor::duplicate;
use crate::sys::epoll::Epoll;

/// The devices that are watched.
#[derive(Debug)]
pub(super) struct Wires {
    token: u64,
    watched: Vec<Wire>,
    /// What the host says now: kept for its memory.
    now: Vec<(RawFd, bool)>,
}

#[derive(Debug)]
struct Wire {
    number: RawFd,
    /// A copy, so that nobody waits on a number that is somebody else's by then.
    copy: OwnedFd,
    /// Frames wait for it.
    congested: bool,
}

impl Wires {
    pub(super) fn new(token: u64) -> Self {
        Self { token, watched: Vec::new(), now: Vec::new() }
    }

    /// Tells the devices that the host will sleep, and watches for what they wait for: frames, and room where they had none.
    pub(super) fn before_sleep(&mut self, host: &Host, epoll: &Epoll) -> Result<()> {
        self.now.clear();
        host.before_sleep(|fd, congested| self.now.push((fd, congested)));
        if !self.now.iter().map(|(fd, _)| fd).eq(self.watched.iter().map(|wire| &wire.number)) {
            for wire in self.watched.drain(..) {
                // The device's own descriptor would keep it in the set.
                epoll.remove(wire.copy.as_fd())?;
            }
            for (number, _) in &self.now {
                let copy = duplicate(*number)?;
                epoll.add(copy.as_fd(), self.token, POLLIN)?;
                self.watched.push(Wire { number: *number, copy, congested: false });
            }
        }
        for (wire, (_, congested)) in self.watched.iter_mut().zip(&self.now) {
            if wire.congested != *congested {
                wire.congested = *congested;
                let events = if *congested { POLLIN | POLLOUT } else { POLLIN };
                epoll.modify(wire.copy.as_fd(), self.token, events)?;
            }
        }
        Ok(())
    }
}
