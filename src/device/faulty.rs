//! A wrapper that fails on demand: how a host takes a link that goes down, a queue that is full, a device that errs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use super::within::left_to;
use super::{Device, SendError};
use crate::base::{Errno, Error, Frame, Instant, Pool, Reason};

/// What is wrong with a [`Faulty`] device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Fault {
    /// Nothing.
    None,
    /// The link is down: arriving frames are lost, sending fails with ENETDOWN.
    Down,
    /// The queue is full: every frame comes back.
    Busy,
    /// Every send fails with EIO, though the link looks up.
    Erring,
}

/// Sets the fault of a [`Faulty`] device, from anywhere.
#[derive(Clone, Debug, Default)]
pub struct FaultSwitch(Arc<AtomicU8>);

impl FaultSwitch {
    /// From now on.
    pub fn set(&self, fault: Fault) {
        self.0.store(fault as u8, Ordering::SeqCst);
    }

    /// What is set.
    pub fn fault(&self) -> Fault {
        match self.0.load(Ordering::SeqCst) {
            1 => Fault::Down,
            2 => Fault::Busy,
            3 => Fault::Erring,
            _ => Fault::None,
        }
    }
}

/// A device that fails on demand.
#[derive(Debug)]
pub struct Faulty<D: Device> {
    device: D,
    switch: FaultSwitch,
    was_up: bool,
}

impl<D: Device> Faulty<D> {
    /// `device`, and the switch for its faults; it begins without one.
    pub fn new(device: D) -> (Self, FaultSwitch) {
        let switch = FaultSwitch::default();
        (Self { device, switch: switch.clone(), was_up: true }, switch)
    }

    fn down(&self) -> Error {
        Errno::ENETDOWN.because(Reason::LinkDown).detail(format!("{}: told to be down", self.device.name()))
    }
}

impl<D: Device> Device for Faulty<D> {
    left_to!(device: name mac link mtu set_clock fd deadline sleeping is_loopback set_promiscuous notes);

    fn recv(&mut self, now: Instant, pool: &Pool) -> Result<Option<Frame>, Error> {
        let is_up = self.switch.fault() != Fault::Down;
        if is_up {
            self.was_up = true;
            return self.device.recv(now, pool);
        }
        while self.device.recv(now, pool)?.is_some() {}
        if std::mem::replace(&mut self.was_up, false) { Err(self.down()) } else { Ok(None) }
    }

    fn send(&mut self, now: Instant, frame: Frame) -> Result<(), SendError> {
        match self.switch.fault() {
            Fault::None => self.device.send(now, frame),
            Fault::Down => Err(SendError::Failed(self.down())),
            Fault::Busy => Err(SendError::Busy(frame)),
            Fault::Erring => Err(SendError::Failed(Errno::EIO.because(Reason::DeviceFailed))),
        }
    }

    fn is_up(&self) -> bool {
        self.switch.fault() != Fault::Down && self.device.is_up()
    }
}
