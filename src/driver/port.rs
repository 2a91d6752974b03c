//! A device plugged into its host: its link's state, and the frames that wait while it is busy.

use std::collections::VecDeque;
use std::os::fd::RawFd;
use std::time::Duration;

use crate::base::{Error, Frame, IfIndex, Instant, LinkType, Reason};
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
    /// Frames to be sent, in their order: until the next [`Port::transmit`], or longer while the device is busy.
    queue: VecDeque<Frame>,
    busy_until: Option<Instant>,
    up: bool,
    is_can: bool,
}

impl Port {
    pub(super) fn new(interface: IfIndex, device: Box<dyn Device>) -> Self {
        let is_can = device.link() == LinkType::Can;
        Self { is_can, interface, device, queue: VecDeque::new(), busy_until: None, up: true }
    }

    /// A frame that the next [`Port::transmit`] puts on the wire.
    pub(super) fn queue(&mut self, frame: Frame, stack: &mut Stack) {
        if !self.up {
            stack.net.note(Reason::LinkDown, Some(self.interface), None);
        } else if self.busy_until.is_none() || self.queue.len() < QUEUE {
            self.queue.push_back(frame);
        } else {
            stack.net.note(Reason::DeviceQueueFull, Some(self.interface), None);
        }
    }

    /// Puts what is queued on the wire, unless the device is busy.
    pub(super) fn transmit(&mut self, now: Instant, stack: &mut Stack) {
        while !self.queue.is_empty() && self.busy_until.is_none() {
            match self.device.send_many(now, &mut self.queue) {
                Ok(()) => {}
                Err(SendError::Busy(frame)) => {
                    self.queue.push_front(frame);
                    self.busy_until = Some(now + BUSY_RETRY);
                    for _ in self.queue.drain(QUEUE.min(self.queue.len())..) {
                        stack.net.note(Reason::DeviceQueueFull, Some(self.interface), None);
                    }
                }
                Err(SendError::Failed(error)) => self.failed(&error, stack),
            }
        }
    }

    /// Takes what arrived, up to `limit` frames; sends what waited. True if there was something.
    pub(super) fn turn(&mut self, now: Instant, limit: usize, stack: &mut Stack) -> bool {
        if self.busy_until.take().is_some() {
            self.transmit(now, stack);
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
            for _ in self.queue.drain(..) {
                stack.net.note(Reason::LinkDown, Some(self.interface), None);
            }
            self.busy_until = None;
            stack.net.set_link(self.interface, false);
        }
    }

    /// Tells the device whether somebody wants the frames of other stations.
    pub(super) fn follow_promiscuity(&mut self, stack: &Stack) {
        let on = stack.net.interface(self.interface).is_some_and(|link| link.is_promiscuous());
        self.device.set_promiscuous(on);
    }

    /// True while frames wait for a busy device; more than a few more would be dropped.
    pub(super) const fn is_congested(&self) -> bool {
        self.busy_until.is_some()
    }

    /// When [`Port::turn`] has something to do though nothing arrives.
    pub(super) fn deadline(&self) -> Option<Instant> {
        [self.device.deadline(), self.busy_until].into_iter().flatten().min()
    }

    pub(super) fn fd(&self) -> Option<RawFd> {
        self.device.fd()
    }

    pub(super) fn sleeping(&mut self, asleep: bool) {
        self.device.sleeping(asleep);
    }

    /// True if what was sent can be back at once: the host's own sockets hear it, as on `lo`.
    pub(super) fn has_echo(&self, now: Instant) -> bool {
        self.is_can && self.deadline().is_some_and(|due| due <= now)
    }

    /// Puts a wrapper around the device.
    pub(super) fn wrap<D: Device + 'static>(&mut self, wrap: impl FnOnce(Box<dyn Device>) -> D) {
        let device = std::mem::replace(&mut self.device, Box::new(Loopback::new()));
        self.device = Box::new(wrap(device));
    }
}
