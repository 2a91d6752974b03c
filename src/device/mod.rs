//! Where frames come from and go to.
//!
//! | file | what |
//! |---|---|
//! | `tap.rs` | [`Tap`]: a TAP device |
//! | `packet.rs` | [`Packet`]: an existing interface, through AF_PACKET |
//! | `offload.rs` | what a kernel leaves undone in frames that never saw a wire: checksums, cutting to size |
//! | `cable.rs` | [`Cable`]: a cable in memory between two hosts |
//! | `can.rs` | [`CanBus`]: a CAN bus in memory, for any number of hosts |
//! | `can_wire.rs` | [`CanWire`]: a CAN bus between processes |
//! | `lo.rs` | [`Loopback`]: a cable back to its own host |
//! | `tee.rs` | [`Tee`] wraps a device: records every frame |
//! | `impair.rs` | [`Impair`] wraps a device: loss, delay, reordering, duplication, corruption, rate |
//! | `impairment.rs` | [`Impairment`]: how bad a link is, and the text for it: `loss=1%,delay=20ms` |
//! | `faulty.rs` | [`Faulty`] wraps a device: down, busy or failing on demand |
//! | `within.rs` | what a wrapper leaves to the device within it |
//!
//! driver/ owns the devices and is their only caller.

use std::collections::VecDeque;
use std::fmt;
use std::os::fd::RawFd;
use std::time::Duration;

use crate::base::{Error, Frame, Instant, LinkType, Mac, Pool, Reason};

mod cable;
mod can;
mod can_wire;
mod faulty;
mod impair;
mod impairment;
mod lo;
mod offload;
mod packet;
mod tap;
mod tee;
mod within;

pub use cable::{Cable, CableConfig, CableEnd};
pub use can::{CanBus, CanBusConfig, CanPort, CanSwitch};
pub use can_wire::CanWire;
pub use faulty::{Fault, FaultSwitch, Faulty};
pub use impair::Impair;
pub use impairment::Impairment;
pub use lo::Loopback;
pub use packet::Packet;
pub use tap::Tap;
pub use tee::Tee;

/// Why a frame was not taken.
#[derive(Debug)]
pub enum SendError {
    /// Not now: the device's queue is full. The frame comes back, to be sent when the descriptor is writable.
    Busy(Frame),
    /// The device can't: the link is down. The frame is lost.
    Failed(Error),
}

/// A device of a host: frames with an Ethernet header (see [`Device::link`]), out and in. No call blocks.
pub trait Device: Send + fmt::Debug {
    /// The interface's name: `tap0`.
    fn name(&self) -> &str;
    /// Its station address. The loopback's is [`Mac::ZERO`].
    fn mac(&self) -> Mac;
    /// What its frames are: Ethernet, or CAN ([`LinkType::Can`]).
    fn link(&self) -> LinkType {
        LinkType::Ethernet
    }
    /// The largest IP packet in bytes, without the Ethernet header. May change while the device lives.
    fn mtu(&self) -> usize;
    /// When the host's clock began, on the machine's (CLOCK_MONOTONIC); zero in virtual time. Told before anything else, for devices
    /// that several hosts have: what is one moment for all of them.
    fn set_clock(&mut self, _born: Duration) {}
    /// The next frame that arrived; `None` if there is none now. An error is a link that has gone down: it is told once, and
    /// [`Device::is_up`] tells when it is back; the device tries again by itself, whenever it is asked.
    fn recv(&mut self, now: Instant, pool: &Pool) -> Result<Option<Frame>, Error>;
    /// Puts a frame on the wire.
    fn send(&mut self, now: Instant, frame: Frame) -> Result<(), SendError>;
    /// Puts several frames on the wire, in their order; cheaper than one by one where one call to the system carries many. Those
    /// that were sent are taken off the front. At an error the frame that it is about is off, too (and comes back in
    /// [`SendError::Busy`]), the ones behind it stay.
    fn send_many(&mut self, now: Instant, frames: &mut VecDeque<Frame>) -> Result<(), SendError> {
        while let Some(frame) = frames.pop_front() {
            self.send(now, frame)?;
        }
        Ok(())
    }
    /// What poll(2) can wait on for arriving frames; `None` if nothing can (the loopback: it is looked at after each send; a
    /// device that is gone). Asked before each sleep: the number may change.
    fn fd(&self) -> Option<RawFd> {
        None
    }
    /// When the device wants to be asked by [`Device::recv`], even though nothing arrived: a frame that is held back (delay,
    /// rate) is due, in either direction, or a link that is down is tried again.
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
    /// True if what is sent comes back to the sender: one journey, not two.
    fn is_loopback(&self) -> bool {
        false
    }
    /// Whether frames for other stations are wanted too. Called when that changes; a device that hears them anyway has nothing to do.
    fn set_promiscuous(&mut self, _on: bool) {}
    /// Tells which frames the device dropped by itself since it was last asked, and how many for each reason.
    fn notes(&mut self, _tell: &mut dyn FnMut(Reason, u64)) {}
}

impl<D: Device + ?Sized> Device for Box<D> {
    fn name(&self) -> &str {
        (**self).name()
    }
    fn mac(&self) -> Mac {
        (**self).mac()
    }
    fn link(&self) -> LinkType {
        (**self).link()
    }
    fn mtu(&self) -> usize {
        (**self).mtu()
    }
    fn set_clock(&mut self, born: Duration) {
        (**self).set_clock(born);
    }
    fn recv(&mut self, now: Instant, pool: &Pool) -> Result<Option<Frame>, Error> {
        (**self).recv(now, pool)
    }
    fn send(&mut self, now: Instant, frame: Frame) -> Result<(), SendError> {
        (**self).send(now, frame)
    }
    fn send_many(&mut self, now: Instant, frames: &mut VecDeque<Frame>) -> Result<(), SendError> {
        (**self).send_many(now, frames)
    }
    fn fd(&self) -> Option<RawFd> {
        (**self).fd()
    }
    fn deadline(&self) -> Option<Instant> {
        (**self).deadline()
    }
    fn sleeping(&mut self, asleep: bool) {
        (**self).sleeping(asleep);
    }
    fn is_up(&self) -> bool {
        (**self).is_up()
    }
    fn is_loopback(&self) -> bool {
        (**self).is_loopback()
    }
    fn set_promiscuous(&mut self, on: bool) {
        (**self).set_promiscuous(on);
    }
    fn notes(&mut self, tell: &mut dyn FnMut(Reason, u64)) {
        (**self).notes(tell);
    }
}

/// Frames that a device dropped, by reason, until the driver asks for them.
#[derive(Debug, Default)]
struct Tally(Vec<(Reason, u64)>);

impl Tally {
    fn count(&mut self, reason: Reason) {
        self.add(reason, 1);
    }

    fn add(&mut self, reason: Reason, frames: u64) {
        match self.0.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, n)) => *n += frames,
            None if frames > 0 => self.0.push((reason, frames)),
            None => {}
        }
    }

    fn tell(&mut self, tell: &mut dyn FnMut(Reason, u64)) {
        self.0.drain(..).for_each(|(reason, n)| tell(reason, n));
    }
}

/// The earlier of two deadlines.
fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// splitmix64: the next number of a sequence that its first `state` determines. Not for secrets.
pub(crate) fn splitmix64(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A station address drawn from a seed: unicast, and locally administered (the second bit of the first byte).
pub fn local_mac(seed: u64) -> Mac {
    let mut state = seed;
    let [_, _, mac @ ..] = splitmix64(&mut state).to_be_bytes();
    let [first, rest @ ..] = mac;
    let mut bytes = [first & 0xfc | 0x02, 0, 0, 0, 0, 0];
    bytes[1..].copy_from_slice(&rest);
    Mac(bytes)
}

#[cfg(test)]
mod tests;
