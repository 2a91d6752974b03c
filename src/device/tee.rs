//! A wrapper that records every frame.

use super::within::left_to;
use super::{Device, SendError};
use crate::base::{Direction, Error, Frame, Instant, Pool, Reason};
use crate::trace::Recorder;

/// A device whose frames are recorded: what arrives when the host takes it, what leaves when the device took it; what comes
/// straight back (`lo`) once, as it arrives. The
/// recorder is flushed before the host sleeps, so that who reads its file meanwhile sees everything.
#[derive(Debug)]
pub struct Tee<D: Device, R: Recorder> {
    device: D,
    recorder: R,
    /// The device has told of its failure, or there was none.
    failure_told: bool,
}

impl<D: Device, R: Recorder> Tee<D, R> {
    /// Records what crosses `device`.
    pub fn new(device: D, recorder: R) -> Self {
        Self { device, recorder, failure_told: false }
    }
}

impl<D: Device, R: Recorder> Device for Tee<D, R> {
    left_to!(device: name mac link mtu set_clock fd deadline is_up is_loopback set_promiscuous);

    fn recv(&mut self, now: Instant, pool: &Pool) -> Result<Option<Frame>, Error> {
        let frame = self.device.recv(now, pool)?;
        if let Some(frame) = &frame {
            self.recorder.record(frame.time, Direction::In, frame);
        }
        Ok(frame)
    }

    fn send(&mut self, now: Instant, frame: Frame) -> Result<(), SendError> {
        // What comes straight back is recorded then: one journey, one record.
        if self.device.is_loopback() {
            return self.device.send(now, frame);
        }
        // The device keeps the frame it takes; one that it refuses never was on the wire.
        let copy = frame.clone();
        self.device.send(now, frame)?;
        self.recorder.record(now, Direction::Out, &copy);
        Ok(())
    }

    fn sleeping(&mut self, asleep: bool) {
        if asleep {
            self.recorder.flush();
        }
        self.device.sleeping(asleep);
    }

    fn notes(&mut self, tell: &mut dyn FnMut(Reason, u64)) {
        if !self.failure_told && self.recorder.has_failed() {
            self.failure_told = true;
            tell(Reason::RecorderFailed, 1);
        }
        self.device.notes(tell);
    }
}

impl<D: Device, R: Recorder> Drop for Tee<D, R> {
    fn drop(&mut self) {
        self.recorder.flush();
    }
}
