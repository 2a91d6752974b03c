//! A wrapper that makes a link worse.
//!
//! A frame's way: `Lane::enter` draws its fate (lost, doubled, corrupted), finds when the rate lets it go and how long it
//! travels, and lays it into a heap by the time it is due. What is due leaves the heap: into the device (outgoing), or to the
//! host (incoming). Time is an argument and every draw comes from the seed, so it is deterministic.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use super::within::left_to;
use super::{Device, Impairment, SendError, Tally, earlier, splitmix64};
use crate::base::{Error, Frame, Instant, LinkType, Pool, Reason};

/// A device whose frames meet an [`Impairment`], one for each direction.
#[derive(Debug)]
pub struct Impair<D: Device> {
    device: D,
    out: Lane,
    arriving: Lane,
    tally: Tally,
    /// A frame that was due, and the device was busy; and when that was.
    stuck: Option<(Instant, Frame)>,
    /// The device had more than one call takes; and when that was.
    behind: Option<Instant>,
}

/// Frames taken from the device in one call: more are left for the next, so that a flood which is all lost ends somewhere.
const PER_CALL: usize = 4096;
/// How long a frame that met a busy device waits, if nothing else happens before.
const RETRY: Duration = Duration::from_millis(1);

impl<D: Device> Impair<D> {
    /// Both directions, each with its own draws. A loopback has one.
    pub fn new(device: D, impairment: Impairment) -> Self {
        if device.is_loopback() {
            return Self::outgoing(device, impairment);
        }
        let arriving = Impairment { seed: impairment.seed ^ 0x6172_7269, ..impairment.clone() };
        Self::each_way(device, impairment, arriving)
    }

    /// Only what leaves the host.
    pub fn outgoing(device: D, impairment: Impairment) -> Self {
        Self::each_way(device, impairment, Impairment::default())
    }

    /// Only what arrives.
    pub fn incoming(device: D, impairment: Impairment) -> Self {
        Self::each_way(device, Impairment::default(), impairment)
    }

    /// Different faults for what leaves and for what arrives.
    pub fn each_way(device: D, out: Impairment, arriving: Impairment) -> Self {
        let tally = Tally::default();
        Self { device, out: Lane::new(out), arriving: Lane::new(arriving), tally, stuck: None, behind: None }
    }

    /// Gives the device what is due. An error is the last frame's that the device refused; those before it are counted.
    fn transmit(&mut self, now: Instant) -> Result<(), Error> {
        let mut failure = None;
        while let Some(frame) = self.stuck.take().map(|(_, f)| f).or_else(|| self.out.leave(now)) {
            match self.device.send(now, frame) {
                Ok(()) => {}
                Err(SendError::Busy(frame)) => {
                    self.stuck = Some((now, frame));
                    break;
                }
                Err(SendError::Failed(error)) => {
                    self.count(failure.replace(error));
                }
            }
        }
        failure.map_or(Ok(()), Err)
    }

    /// A frame of earlier was lost to a failing device: nobody waits for its result.
    fn count(&mut self, failure: Option<Error>) {
        if let Some(error) = failure {
            self.tally.count(error.reason());
        }
    }
}

impl<D: Device> Device for Impair<D> {
    left_to!(device: name mac link mtu set_clock fd sleeping is_up is_loopback set_promiscuous);

    fn recv(&mut self, now: Instant, pool: &Pool) -> Result<Option<Frame>, Error> {
        let failure = self.transmit(now).err();
        self.count(failure);
        self.behind = None;
        if self.arriving.is_clear() {
            return self.device.recv(now, pool);
        }
        for _ in 0..PER_CALL {
            if let Some(mut frame) = self.arriving.leave(now) {
                frame.time = now;
                return Ok(Some(frame));
            }
            let Some(frame) = self.device.recv(now, pool)? else { return Ok(None) };
            self.arriving.enter(now, frame, &mut self.tally);
        }
        self.behind = Some(now);
        Ok(None)
    }

    fn send(&mut self, now: Instant, frame: Frame) -> Result<(), SendError> {
        if self.out.is_clear() {
            return self.device.send(now, frame);
        }
        let failure = self.transmit(now).err();
        self.count(failure);
        if self.stuck.is_some() {
            return Err(SendError::Busy(frame)); // before any draw: it comes again
        }
        self.out.enter(now, frame, &mut self.tally);
        self.transmit(now).map_err(SendError::Failed)
    }

    fn deadline(&self) -> Option<Instant> {
        let retry = self.stuck.as_ref().map(|(since, _)| *since + RETRY);
        // While a frame is stuck, those behind it wait for the same device.
        let out = retry.or_else(|| self.out.due());
        earlier(earlier(out, earlier(self.arriving.due(), self.behind)), self.device.deadline())
    }

    fn notes(&mut self, tell: &mut dyn FnMut(Reason, u64)) {
        self.tally.tell(tell);
        self.device.notes(tell);
    }
}

/// One direction.
#[derive(Debug)]
struct Lane {
    link: Impairment,
    clear: bool,
    /// The state of the draws.
    draws: u64,
    /// Frames under way, the next one due first; of equals, the first that came.
    held: BinaryHeap<Reverse<Held>>,
    entered: u64,
    /// When the rate lets the frames that wait for it go: the earliest first.
    departures: VecDeque<Instant>,
    /// When the last frame that kept its order is due.
    last_due: Instant,
}

/// Frames under way, at most: a bound on memory where delay x speed is large.
const HELD: usize = 65_536;

impl Lane {
    fn new(link: Impairment) -> Self {
        Self {
            clear: link.is_none(),
            draws: link.seed,
            link,
            held: BinaryHeap::new(),
            entered: 0,
            departures: VecDeque::new(),
            last_due: Instant::ZERO,
        }
    }

    /// True if nothing happens to any frame: the lane is passed by.
    fn is_clear(&self) -> bool {
        self.clear
    }

    fn due(&self) -> Option<Instant> {
        self.held.peek().map(|Reverse(held)| held.due)
    }

    fn leave(&mut self, now: Instant) -> Option<Frame> {
        self.due().filter(|due| *due <= now)?;
        self.held.pop().map(|Reverse(held)| held.frame)
    }

    /// A frame enters the link.
    fn enter(&mut self, now: Instant, mut frame: Frame, tally: &mut Tally) {
        // Every frame makes the same draws, whatever befalls it: one chance changed leaves the others' luck as it was.
        let [lost, doubled, corrupted, reordered, bit] = [(); 5].map(|()| splitmix64(&mut self.draws));
        if hits(lost, self.link.loss) {
            return tally.count(Reason::ImpairLost);
        }
        if hits(corrupted, self.link.corrupt) {
            flip(&mut frame, bit);
        }
        let twin = hits(doubled, self.link.duplicate).then(|| frame.clone());
        self.hold(now, frame, hits(reordered, self.link.reorder), tally);
        if let Some(twin) = twin {
            self.hold(now, twin, false, tally);
        }
    }

    fn hold(&mut self, now: Instant, frame: Frame, reordered: bool, tally: &mut Tally) {
        let Some(departure) = self.departure(now, frame.len()).filter(|_| self.held.len() < HELD) else {
            return tally.count(Reason::ImpairQueueFull);
        };
        let mut due = departure + self.way();
        if reordered {
            due += self.link.gap;
        } else {
            due = due.max(self.last_due);
            self.last_due = due;
        }
        self.entered += 1;
        self.held.push(Reverse(Held { due, number: self.entered, frame }));
    }

    /// When the last bit of a frame is on the wire, at the link's rate; `None` if the queue in front of it is full.
    fn departure(&mut self, now: Instant, len: usize) -> Option<Instant> {
        let Some(rate) = self.link.rate else { return Some(now) };
        while self.departures.front().is_some_and(|gone| *gone <= now) {
            self.departures.pop_front();
        }
        // One is being transmitted, the others wait.
        if self.departures.len() > self.link.queue {
            return None;
        }
        let nanos = (len as u128 * 8 * 1_000_000_000).div_ceil(u128::from(rate.max(1)));
        let begin = self.departures.back().copied().unwrap_or(now);
        let departure = begin + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.departures.push_back(departure);
        Some(departure)
    }

    /// How long this frame travels.
    fn way(&mut self) -> Duration {
        let span = u64::try_from(self.link.jitter.as_nanos()).unwrap_or(u64::MAX / 4).min(u64::MAX / 4);
        if span == 0 {
            return self.link.delay;
        }
        let off = Duration::from_nanos(splitmix64(&mut self.draws) % (2 * span + 1));
        (self.link.delay + off).saturating_sub(Duration::from_nanos(span))
    }
}

/// True with the chance given.
fn hits(draw: u64, chance: f64) -> bool {
    // 53 bits are what an f64 holds exactly: evenly spread over [0, 1).
    ((draw >> 11) as f64) * (1.0 / (1_u64 << 53) as f64) < chance
}

/// Turns one bit over behind the link header, where a checksum of the receiver's may find it.
fn flip(frame: &mut Frame, draw: u64) {
    let head = if frame.link == LinkType::Ethernet { 14 } else { 0 };
    let Some(packet) = frame.bytes_mut().get_mut(head..).filter(|packet| !packet.is_empty()) else { return };
    let bit = (draw % (packet.len() as u64 * 8)) as usize;
    packet[bit / 8] ^= 1 << (bit % 8);
    // Nobody may vouch for it any more.
    frame.checksum = crate::base::Checksum::Unverified;
}

/// A frame under way.
#[derive(Debug)]
struct Held {
    due: Instant,
    number: u64,
    frame: Frame,
}

impl Held {
    fn key(&self) -> (Instant, u64) {
        (self.due, self.number)
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Held {}

impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Held {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}
