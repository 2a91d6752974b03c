//! A device plugged into its host: its link's state, and the frames that wait while it is busy.

use std::collections::VecDeque;
use std::os::fd::RawFd;
use std::time::Duration;

use crate::base::{Error, Frame, IfIndex, Instant, Reason};
use crate::device::{Device, Loopback, SendError};
use crate::stack::Stack;

/// Frames read from a device before what follows from them is sent.
pub(super) const BATCH: usize = 64;
/// Frames that wait for a busy device; the next is dropped.
const QUEUE: usize = 256;
/// A busy device without a descriptor is asked again after this.
const BUSY_RETRY: Duration = Duration::from_millis(1);

/// A device and the interface that it is.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) interface: IfIndex,
    device: Box<dyn Device>,
    busy: VecDeque<Frame>,
    busy_until: Option<Instant>,
    up: bool,
}

impl Port {
    pub(super) fn new(interface: IfIndex, device: Box<dyn Device>) -> Self {
        Self { interface, device, busy: VecDeque::new(), busy_until: None, up: true }
    }

    /// Puts a frame on the wire, behind those that wait already.
    pub(super) fn send(&mut self, now: Instant, frame: Frame, stack: &mut Stack) {
        if !self.up {
            stack.net.note(Reason::LinkDown, Some(self.interface), None);
        } else if self.busy.is_empty() {
            self.transmit(now, frame, stack);
        } else if self.busy.len() < QUEUE {
            self.busy.push_back(frame);
        } else {
            stack.net.note(Reason::DeviceQueueFull, Some(self.interface), None);
        }
    }

    /// False = the device is busy; the frame stands first in the queue.
    fn transmit(&mut self, now: Instant, frame: Frame, stack: &mut Stack) -> bool {
        match self.device.send(now, frame) {
            Ok(()) => true,
            Err(SendError::Busy(frame)) => {
                self.busy.push_front(frame);
                self.busy_until = Some(now + BUSY_RETRY);
                false
            }
            Err(SendError::Failed(error)) => {
                self.failed(&error, stack);
                true
            }
        }
    }

    /// Takes what arrived, up to `limit` frames; sends what waited. True if there was something.
    pub(super) fn turn(&mut self, now: Instant, limit: usize, stack: &mut Stack) -> bool {
        while self.up && self.busy_until.is_some() {
            let Some(frame) = self.busy.pop_front() else {
                self.busy_until = None;
                break;
            };
            if !self.transmit(now, frame, stack) {
                break;
            }
        }
        let mut taken = 0;
        while taken < limit {
            match self.device.recv(now, &stack.net.pool) {
                Ok(Some(frame)) => stack.frame_in(now, self.interface, frame),
                Ok(None) => break,
                Err(error) => {
                    self.failed(&error, stack);
                    break;
                }
            }
            taken += 1;
        }
        if !self.up && self.device.is_up() {
            self.up = true;
            stack.net.set_link(self.interface, true);
        }
        self.note(stack);
        taken > 0
    }

    /// Counts what the device dropped by itself.
    pub(super) fn note(&mut self, stack: &mut Stack) {
        let interface = self.interface;
        self.device.notes(&mut |reason, n| {
            (0..n).for_each(|_| stack.net.note(reason, Some(interface), None));
        });
    }

    /// A device that fails is a link that is down, or a frame that is lost; never the end.
    fn failed(&mut self, error: &Error, stack: &mut Stack) {
        stack.net.note(error.reason(), Some(self.interface), None);
        if self.up && !self.device.is_up() {
            self.up = false;
            for _ in self.busy.drain(..) {
                stack.net.note(Reason::LinkDown, Some(self.interface), None);
            }
            self.busy_until = None;
            stack.net.set_link(self.interface, false);
        }
    }

    /// When [`Port::turn`] has something to do though nothing arrives.
    pub(super) fn deadline(&self) -> Option<Instant> {
        [self.device.deadline(), self.busy_until].into_iter().flatten().min()
    }

    pub(super) fn fd(&self) -> Option<RawFd> {
        self.device.fd()
    }

    /// The driver must also wake when the device can take frames again.
    pub(super) fn wants_to_write(&self) -> bool {
        self.busy_until.is_some()
    }

    pub(super) fn sleeping(&mut self, asleep: bool) {
        self.device.sleeping(asleep);
    }

    /// Puts a wrapper around the device.
    pub(super) fn wrap<D: Device + 'static>(&mut self, wrap: impl FnOnce(Box<dyn Device>) -> D) {
        let device = std::mem::replace(&mut self.device, Box::new(Loopback::new()));
        self.device = Box::new(wrap(device));
    }
}
