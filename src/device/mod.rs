//! Where frames come from and go to.
//!
//! | file | what |
//! |---|---|
//! | `tap.rs` | a TAP device |
//! | `packet.rs` | an existing interface, through AF_PACKET |
//! | `cable.rs` | a cable in memory between two hosts |
//! | `lo.rs` | a cable back to its own host |
//! | `tee.rs` | wraps a device: records every frame |
//! | `impair.rs` | wraps a device: loss, delay, reordering, duplication, corruption, rate |
//!
//! driver/ owns the devices and is their only caller.

use std::fmt;
use std::os::fd::RawFd;

use crate::base::{Error, Frame, Instant, Mac, Pool};

/// Why a frame was not taken.
#[derive(Debug)]
pub enum SendError {
    /// Not now: the device's queue is full. The frame comes back, to be sent when the descriptor is writable.
    Busy(Frame),
    /// The device can't: the link is down. The frame is lost.
    Failed(Error),
}

/// A device of a host: frames with an Ethernet header, out and in. No call blocks.
pub trait Device: Send + fmt::Debug {
    /// The interface's name: `tap0`.
    fn name(&self) -> &str;
    /// Its station address. The loopback's is [`Mac::ZERO`].
    fn mac(&self) -> Mac;
    /// The largest IP packet in bytes, without the Ethernet header.
    fn mtu(&self) -> usize;
    /// The next frame that arrived; `None` if there is none now. An error is a link that is down: it is reported and tried
    /// again later, never fatal.
    fn recv(&mut self, now: Instant, pool: &Pool) -> Result<Option<Frame>, Error>;
    /// Puts a frame on the wire.
    fn send(&mut self, now: Instant, frame: Frame) -> Result<(), SendError>;
    /// What poll(2) can wait on for arriving frames; `None` if nothing can (the loopback: it is looked at after each send).
    fn fd(&self) -> Option<RawFd> {
        None
    }
    /// When a frame that is held back (delay, rate) is due, in either direction.
    fn deadline(&self) -> Option<Instant> {
        None
    }
    /// Called just before the driver goes to sleep, with `true`, and after it woke, with `false`: a cable in memory wakes its
    /// other end's host only while that sleeps.
    fn sleeping(&mut self, _asleep: bool) {}
    /// True if the other side is there. Asked after errors, and by `doctor`.
    fn is_up(&self) -> bool {
        true
    }
}
