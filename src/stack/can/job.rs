//! The broadcast manager's jobs (struct bcm_op): frames that are sent over and over, and frames that are watched for.

use std::time::Duration;

use super::bcm::{Head, NOWHERE};
use super::flags_of;
use crate::base::constants::*;
use crate::base::{Frame, IfIndex, Instant, SocketId};
use crate::stack::Stack;
use crate::wire::can::Kind;

/// MAX_NFRAMES.
pub(super) const FRAMES: usize = 256;

/// Which of its two timers a job waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Due {
    pub(super) socket: SocketId,
    pub(super) job: u64,
    /// The throttle's; else that of the next frame, or of the silence.
    pub(super) throttle: bool,
}

/// tx_ops, rx_ops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    In,
    Out,
}

/// A job.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) serial: u64,
    pub(super) direction: Direction,
    pub(super) can_id: u32,
    pub(super) interface: Option<IfIndex>,
    pub(super) kind: Kind,
    /// CAN_BCM_*.
    pub(super) flags: u32,
    /// Frames still to be sent at the first interval.
    pub(super) count: u32,
    pub(super) intervals: [Duration; 2],
    /// The same as the program has written them.
    pub(super) told: [(i64, i64); 2],
    /// Out: what is sent in turn. In: the answer, the mask, or the masks of the contents behind the one of the multiplexer.
    pub(super) frames: Vec<Vec<u8>>,
    pub(super) current: usize,
    /// In: what was heard last, for each of the frames.
    pub(super) seen: Vec<Seen>,
    /// When the program was told last, while that holds further messages back.
    pub(super) last_told: Option<Instant>,
    /// Where its last frame was heard, and when.
    pub(super) heard_on: IfIndex,
    pub(super) heard_at: Instant,
}

/// What was heard last.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    frame: Vec<u8>,
    /// RX_RECV.
    received: bool,
    /// RX_THR: the program has not been told yet.
    held: bool,
    /// [`flags_of`] it.
    flags: i32,
}

impl Job {
    pub(super) fn new(
        serial: u64,
        direction: Direction,
        head: &Head,
        interface: Option<IfIndex>,
        frames: Vec<Vec<u8>>,
    ) -> Self {
        Self {
            serial,
            direction,
            can_id: head.can_id,
            interface,
            kind: head.kind(),
            flags: head.flags,
            count: 0,
            intervals: [Duration::ZERO; 2],
            told: [(0, 0); 2],
            seen: vec![Seen::default(); frames.len().max(1)],
            frames,
            current: 0,
            last_told: None,
            heard_on: NOWHERE,
            heard_at: Instant::ZERO,
        }
    }

    /// The head of a message about it.
    pub(super) fn head(&self, opcode: u32) -> Head {
        Head {
            opcode,
            flags: self.flags,
            count: self.count,
            intervals: self.told,
            can_id: self.can_id,
            frames: 0,
        }
    }

    /// bcm_tx_set_expiry: how long until the next frame.
    fn pause(&self) -> Option<Duration> {
        let [first, second] = self.intervals;
        match self.count {
            1.. if !first.is_zero() => Some(first),
            _ => Some(second).filter(|second| !second.is_zero()),
        }
    }

    /// Which of its contents the frame is: `None` = none that the program asks about.
    fn index(&self, frame: &[u8]) -> Option<usize> {
        match &self.frames[..] {
            [] | [_] => Some(0),
            // "find the first multiplex mask that fits. Remark: The MUX-mask is stored in index 0"
            [mask, contents @ ..] => {
                let first = |frame: &[u8]| masked(mask, frame, DATA..DATA + 8);
                contents.iter().position(|content| first(content) == first(frame)).map(|at| at + 1)
            }
        }
    }

    /// bcm_rx_cmp_to_index: does the program want to know of this content?
    fn has_changed(&self, index: usize, frame: &[u8]) -> bool {
        let Some(seen) = self.seen.get(index).filter(|seen| seen.received) else { return true };
        let Some(mask) = self.frames.get(index).filter(|_| self.flags & CAN_BCM_RX_FILTER_ID == 0) else {
            return true;
        };
        let all = DATA..frame.len();
        masked(mask, frame, all.clone()) != masked(mask, &seen.frame, all)
            || (self.flags & CAN_BCM_RX_CHECK_DLC != 0 && frame.get(4) != seen.frame.get(4))
    }
}

/// Where a frame's data begins.
const DATA: usize = 8;

/// The bits of a frame that a mask has.
fn masked(mask: &[u8], frame: &[u8], range: std::ops::Range<usize>) -> Vec<u8> {
    let both = mask.get(range.clone()).into_iter().flatten().zip(frame.get(range).into_iter().flatten());
    both.map(|(mask, byte)| mask & byte).collect()
}

impl Stack {
    /// Does what is due.
    pub(super) fn jobs_tick(&mut self) {
        while let Some(due) = self.can.timers.pop(self.net.now) {
            let Due { socket, job, throttle } = due;
            let Some(known) = self.bcm_mut(socket, job) else { continue };
            match (known.direction, throttle) {
                (Direction::Out, _) => self.job_is_due(socket, job),
                (Direction::In, false) => self.job_hears_nothing(socket, job),
                (Direction::In, true) => {
                    let interval = known.intervals[1];
                    // bcm_rx_thr_handler
                    if self.job_flushes(socket, job) && !interval.is_zero() {
                        self.can.timers.set(due, self.net.now + interval);
                    } else if let Some(known) = self.bcm_mut(socket, job) {
                        known.last_told = None;
                    }
                }
            }
        }
    }

    /// bcm_tx_timeout_handler: the next frame, and word to the program when those of the first interval are done.
    fn job_is_due(&mut self, id: SocketId, serial: u64) {
        let Some(job) = self.bcm_mut(id, serial) else { return };
        if job.count > 0 && !job.intervals[0].is_zero() {
            job.count -= 1;
            if job.count == 0 && job.flags & CAN_BCM_TX_COUNTEVT != 0 {
                let message = job.head(CAN_BCM_TX_EXPIRED).write();
                self.can_queue(id, message, NOWHERE, 0, self.net.now);
            }
            self.job_sends(id, serial);
        } else if !job.intervals[1].is_zero() {
            self.job_sends(id, serial);
        }
        self.job_goes_on(id, serial);
    }

    /// bcm_tx_start_timer.
    pub(super) fn job_goes_on(&mut self, id: SocketId, serial: u64) {
        if let Some(pause) = self.bcm_mut(id, serial).and_then(|job| job.pause()) {
            let due = Due { socket: id, job: serial, throttle: false };
            self.can.timers.set(due, self.net.now + pause);
        }
    }

    /// bcm_can_tx: the frame whose turn it is.
    pub(super) fn job_sends(&mut self, id: SocketId, serial: u64) {
        let Some(job) = self.bcm_mut(id, serial) else { return };
        // "no target device? => exit"
        let (Some(interface), Some(frame)) = (job.interface, job.frames.get(job.current).cloned()) else {
            return;
        };
        job.current = (job.current + 1) % job.frames.len();
        if let Err(error) = self.net.can_send(interface, &frame, id, true) {
            // Nobody waits for an answer.
            self.net.note(error.reason(), Some(interface), Some(id));
        }
    }

    /// bcm_rx_handler.
    pub(super) fn job_hears(&mut self, id: SocketId, serial: u64, interface: IfIndex, frame: &Frame) {
        let timeout = Due { socket: id, job: serial, throttle: false };
        let now = self.net.now;
        self.can.timers.cancel(timeout);
        let Some(job) = self.bcm_mut(id, serial) else { return };
        (job.heard_on, job.heard_at) = (interface, frame.time);
        if job.flags & CAN_BCM_RX_RTR_FRAME != 0 {
            return self.job_sends(id, serial);
        }
        if let Some(index) = job.index(frame.bytes())
            && job.has_changed(index, frame.bytes())
            && let Some(seen) = job.seen.get_mut(index)
        {
            // bcm_rx_update_and_send: "mark as used and throttled by default".
            let flags = flags_of(frame.sender, id);
            *seen = Seen { frame: frame.bytes().to_vec(), received: true, held: true, flags };
            self.job_tells_or_holds(id, serial, index);
        }
        // bcm_rx_starttimer
        if let Some(job) = self.bcm_mut(id, serial)
            && job.flags & CAN_BCM_RX_NO_AUTOTIMER == 0
            && !job.intervals[0].is_zero()
        {
            let at = now + job.intervals[0];
            self.can.timers.set(timeout, at);
        }
    }

    /// The rest of bcm_rx_update_and_send: at once, or when the throttle lets it.
    fn job_tells_or_holds(&mut self, id: SocketId, serial: u64, index: usize) {
        let (now, due) = (self.net.now, Due { socket: id, job: serial, throttle: true });
        let active = self.can.timers.get(due).is_some();
        let Some(job) = self.bcm_mut(id, serial) else { return };
        let interval = job.intervals[1];
        if interval.is_zero() {
            return self.job_tells(id, serial, index);
        }
        // "with active throttling timer we are just done here"
        if active {
            return;
        }
        match job.last_told {
            // "got a second frame inside a potential throttle period?"
            Some(last) if now.since(last) < interval => self.can.timers.set(due, last + interval),
            _ => {
                job.last_told = Some(now);
                self.job_tells(id, serial, index);
            }
        }
    }

    /// bcm_rx_changed.
    fn job_tells(&mut self, id: SocketId, serial: u64, index: usize) {
        let Some(job) = self.bcm_mut(id, serial) else { return };
        let head = Head { frames: 1, ..job.head(CAN_BCM_RX_CHANGED) };
        let (from, time) = (job.heard_on, job.heard_at);
        let Some(seen) = job.seen.get_mut(index) else { return };
        // "this element is not throttled anymore"
        seen.held = false;
        let (message, flags) = ([&head.write()[..], &seen.frame].concat(), seen.flags);
        self.can_queue(id, message, from, flags, time);
    }

    /// bcm_rx_thr_flush: tells what was held back. True if there was anything.
    pub(super) fn job_flushes(&mut self, id: SocketId, serial: u64) -> bool {
        let Some(job) = self.bcm_mut(id, serial) else { return false };
        let held = job.seen.iter().enumerate().filter(|(_, seen)| seen.held);
        let held: Vec<usize> = held.map(|(index, _)| index).collect();
        held.iter().for_each(|index| self.job_tells(id, serial, *index));
        !held.is_empty()
    }

    /// bcm_rx_timeout_handler: silence, for longer than the program expects.
    fn job_hears_nothing(&mut self, id: SocketId, serial: u64) {
        let Some(job) = self.bcm_mut(id, serial) else { return };
        // "if user wants to be informed, when cyclic CAN-Messages come back"
        if job.flags & CAN_BCM_RX_ANNOUNCE_RESUME != 0 {
            job.seen.iter_mut().for_each(|seen| *seen = Seen::default());
        }
        let (message, from) = (job.head(CAN_BCM_RX_TIMEOUT).write(), job.heard_on);
        self.can_queue(id, message, from, 0, self.net.now);
    }
}
