//! The loopback: what is sent is received.

use std::collections::VecDeque;

use super::{Device, SendError, Tally};
use crate::base::{Direction, Error, Frame, Instant, Mac, Pool, Reason};

/// A cable back to its own host, with Linux's MTU of 65,536 bytes. Wrapped in [`Tee`](super::Tee) or
/// [`Impair`](super::Impair) it is recorded and impaired as every other device is.
#[derive(Debug)]
pub struct Loopback {
    queue: VecDeque<Frame>,
    bytes: usize,
    mtu: usize,
    tally: Tally,
}

/// Bytes that may wait: the host takes them out after each send, so only its own burst has to fit.
const QUEUE_BYTES: usize = 16 << 20;
/// A frame costs at least this much memory, however short it is.
const FRAME_COST: usize = 2048;

impl Loopback {
    /// An empty one.
    pub fn new() -> Self {
        Self { queue: VecDeque::new(), bytes: 0, mtu: 65_536, tally: Tally::default() }
    }

    /// With another MTU, in bytes.
    #[must_use]
    pub fn with_mtu(mut self, mtu: usize) -> Self {
        self.mtu = mtu;
        self
    }
}

impl Default for Loopback {
    fn default() -> Self {
        Self::new()
    }
}

impl Device for Loopback {
    fn name(&self) -> &str {
        "lo"
    }

    fn mac(&self) -> Mac {
        Mac::ZERO
    }

    fn mtu(&self) -> usize {
        self.mtu
    }

    fn is_loopback(&self) -> bool {
        true
    }

    fn recv(&mut self, now: Instant, _pool: &Pool) -> Result<Option<Frame>, Error> {
        let Some(mut frame) = self.queue.pop_front() else { return Ok(None) };
        self.bytes -= frame.len() + FRAME_COST;
        (frame.time, frame.direction) = (now, Direction::In);
        Ok(Some(frame))
    }

    fn send(&mut self, _now: Instant, frame: Frame) -> Result<(), SendError> {
        if self.bytes >= QUEUE_BYTES {
            self.tally.count(Reason::DeviceQueueFull);
            return Ok(());
        }
        self.bytes += frame.len() + FRAME_COST;
        self.queue.push_back(frame);
        Ok(())
    }

    fn notes(&mut self, tell: &mut dyn FnMut(Reason, u64)) {
        self.tally.tell(tell);
    }
}
