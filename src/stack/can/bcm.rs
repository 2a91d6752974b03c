//! CAN_BCM, the broadcast manager (net/can/bcm.c): what programs ask of it, each request a struct bcm_msg_head and frames.
//!
//! ```text
//!   opcode 4 | flags 4 | count 4 | - 4 | ival1: s 8, us 8 | ival2: s 8, us 8 | can_id 4 | nframes 4 | frames ...   (64-bit)
//! ```

use std::io::IoSlice;
use std::time::Duration;

use super::job::{Direction, Due, FRAMES, Job, Seen};
use super::{CanSocket, Protocol};
use crate::base::constants::*;
use crate::base::{Errno, Error, Frame, IfIndex, Reason, Result, SockAddr, SocketId};
use crate::stack::datagram::gather;
use crate::stack::family::not_supported;
use crate::stack::{SendTo, Stack};
use crate::wire::can::{self, Kind};

/// sizeof(struct bcm_msg_head).
pub(super) const HEAD: usize = 56;
/// Frames that all jobs of a socket together may have; the kernel has no limit but its memory.
const FRAMES_IN_ALL: usize = 16_384;
/// Jobs of a socket.
const JOBS: usize = 4096;
/// BCM_TIMER_SEC_MAX: 400 days.
const SECONDS_MAX: i64 = 400 * 24 * 60 * 60;
/// sizeof of a request's frames, and then some.
const REQUEST_MAX: usize = HEAD + (FRAMES + 1) * can::CANFD_MTU;

/// What a CAN_BCM socket has of its own.
#[derive(Debug, Default)]
pub(super) struct Manager {
    pub(super) jobs: Vec<Job>,
    /// Jobs that there were.
    born: u64,
}

impl Manager {
    /// bcm_find_op.
    fn find(&mut self, direction: Direction, head: &Head, interface: Option<IfIndex>) -> Option<usize> {
        self.jobs.iter().position(|job| {
            job.direction == direction
                && job.can_id == head.can_id
                && job.interface == interface
                && job.kind == head.kind()
        })
    }
}

/// struct bcm_msg_head.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) opcode: u32,
    pub(super) flags: u32,
    pub(super) count: u32,
    /// struct bcm_timeval, twice: seconds and microseconds.
    pub(super) intervals: [(i64, i64); 2],
    pub(super) can_id: u32,
    pub(super) frames: u32,
}

impl Head {
    fn read(bytes: &[u8]) -> Result<Self> {
        let short =
            || Errno::EINVAL.because(Reason::MessageTooLong).detail("shorter than struct bcm_msg_head");
        let bytes: &[u8; HEAD] = bytes.first_chunk().ok_or_else(short)?;
        let word = |at: usize| u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let long = |at: usize| {
            let mut long = [0; 8];
            long.copy_from_slice(&bytes[at..at + 8]);
            i64::from_ne_bytes(long)
        };
        Ok(Self {
            opcode: word(0),
            flags: word(4),
            count: word(8),
            intervals: [(long(16), long(24)), (long(32), long(40))],
            can_id: word(48),
            frames: word(52),
        })
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD);
        for word in [self.opcode, self.flags, self.count, 0] {
            bytes.extend(word.to_ne_bytes());
        }
        for (seconds, micros) in self.intervals {
            bytes.extend([seconds.to_ne_bytes(), micros.to_ne_bytes()].concat());
        }
        bytes.extend([self.can_id.to_ne_bytes(), self.frames.to_ne_bytes()].concat());
        bytes
    }

    /// CFSIZ.
    pub(super) fn kind(&self) -> Kind {
        if self.flags & CAN_BCM_CAN_FD_FRAME != 0 { Kind::Fd } else { Kind::Classic }
    }

    /// bcm_is_invalid_tv, and the intervals.
    pub(super) fn times(&self) -> Result<[Duration; 2]> {
        let wrong = || Errno::EINVAL.with("an interval is negative, or longer than 400 days");
        let [a, b] = self.intervals.map(|(seconds, micros)| {
            let fits = (0..=SECONDS_MAX).contains(&seconds) && (0..1_000_000).contains(&micros);
            fits.then(|| Duration::from_secs(seconds as u64) + Duration::from_micros(micros as u64))
        });
        Ok([a.ok_or_else(wrong)?, b.ok_or_else(wrong)?])
    }
}

impl CanSocket {
    fn manager(&mut self) -> Result<&mut Manager> {
        match &mut self.protocol {
            Protocol::Bcm(manager) => Ok(manager),
            _ => Err(not_supported()),
        }
    }
}

fn no_job() -> Error {
    Errno::EINVAL.with("the socket has no such job")
}

impl Stack {
    /// bcm_connect.
    pub(super) fn bcm_connect(&mut self, id: SocketId, address: SockAddr) -> Result<()> {
        if self.sockets.get(id)?.can()?.bound {
            return Err(Errno::EISCONN.because(Reason::AlreadyConnected));
        }
        let interface = self.can_interface(address)?;
        let can = self.sockets.get_mut(id)?.can_mut()?;
        (can.bound, can.interface) = (true, interface);
        Ok(())
    }

    pub(super) fn bcm_manager(&mut self, id: SocketId) -> Result<&mut Manager> {
        self.sockets.get_mut(id)?.can_mut()?.manager()
    }

    /// bcm_sendmsg.
    pub(super) fn bcm_send(&mut self, id: SocketId, data: &[IoSlice<'_>], how: &SendTo<'_>) -> Result<usize> {
        let can = self.sockets.get(id)?.can()?;
        if !can.bound {
            return Err(Errno::ENOTCONN.because(Reason::NotConnected));
        }
        let mut interface = can.interface;
        let len: usize = data.iter().map(|slice| slice.len()).sum();
        let mut bytes = vec![0; len.min(REQUEST_MAX)];
        gather(&mut bytes, data);
        let head = Head::read(&bytes)?;
        // "if ((size - MHSIZ) % cfsiz) return -EINVAL"
        if !(len - HEAD).is_multiple_of(head.kind().size()) {
            return Err(Errno::EINVAL.because(Reason::CanMalformed));
        }
        // "check for alternative ifindex for this bcm_op"
        if let (None, Some(address)) = (interface, how.to) {
            interface = self.can_interface(address)?;
        }
        let frames = bytes.get(HEAD..).unwrap_or_default();
        match head.opcode {
            CAN_BCM_TX_SETUP => self.bcm_tx_setup(id, &head, interface, frames)?,
            CAN_BCM_RX_SETUP => self.bcm_rx_setup(id, head, interface, frames)?,
            CAN_BCM_TX_DELETE => self.bcm_delete(id, Direction::Out, &head, interface)?,
            CAN_BCM_RX_DELETE => self.bcm_delete(id, Direction::In, &head, interface)?,
            CAN_BCM_TX_READ => self.bcm_read(id, Direction::Out, head, interface)?,
            CAN_BCM_RX_READ => self.bcm_read(id, Direction::In, head, interface)?,
            // "we need exactly one CAN frame behind the msg head"
            CAN_BCM_TX_SEND if head.frames == 1 && len == HEAD + head.kind().size() => {
                let interface = interface.ok_or(Errno::ENODEV.because(Reason::NoInterface))?;
                self.net.can_send(interface, frames, id, true)?;
            }
            _ => return Err(Errno::EINVAL.with("no request of the broadcast manager")),
        }
        Ok(len)
    }

    /// bcm_tx_setup.
    fn bcm_tx_setup(
        &mut self,
        id: SocketId,
        head: &Head,
        interface: Option<IfIndex>,
        frames: &[u8],
    ) -> Result<()> {
        // "we need a real device to send frames"
        let interface = Some(interface.ok_or(Errno::ENODEV.because(Reason::NoInterface))?);
        let count = head.frames as usize;
        if count == 0 || count > FRAMES {
            return Err(Errno::EINVAL.with(format!("1 to {FRAMES} frames in turn")));
        }
        let times = if head.flags & CAN_BCM_SETTIMER != 0 { Some(head.times()?) } else { None };
        let mut frames = cut(frames, head)?;
        if frames.iter().any(|frame| Kind::of(frame) != Some(head.kind())) {
            return Err(Errno::EINVAL.because(Reason::CanMalformed));
        }
        if head.flags & CAN_BCM_TX_CP_CAN_ID != 0 {
            frames.iter_mut().for_each(|frame| frame[..4].copy_from_slice(&head.can_id.to_ne_bytes()));
        }
        let serial = self.bcm_job(id, Direction::Out, head, interface, frames)?;
        let job = self.bcm_mut(id, serial).ok_or_else(no_job)?;
        if head.flags & CAN_BCM_TX_RESET_MULTI_IDX != 0 {
            job.current = 0;
        }
        let mut stop = false;
        if let Some(times) = times {
            (job.count, job.intervals, job.told) = (head.count, times, head.intervals);
            // "disable an active timer due to zero values?"
            stop = times == [Duration::ZERO; 2];
        }
        let start = head.flags & CAN_BCM_STARTTIMER != 0;
        if start {
            // "spec: send CAN frame when starting timer"
            job.flags |= CAN_BCM_TX_ANNOUNCE;
        }
        let announce = job.flags & CAN_BCM_TX_ANNOUNCE != 0;
        if stop || start {
            self.can.timers.cancel(Due { socket: id, job: serial, throttle: false });
        }
        if announce {
            self.job_sends(id, serial);
            if let Some(job) = self.bcm_mut(id, serial) {
                job.count = job.count.saturating_sub(1);
            }
        }
        if start {
            self.job_goes_on(id, serial);
        }
        Ok(())
    }

    /// bcm_rx_setup.
    fn bcm_rx_setup(
        &mut self,
        id: SocketId,
        mut head: Head,
        interface: Option<IfIndex>,
        frames: &[u8],
    ) -> Result<()> {
        if head.flags & CAN_BCM_RX_FILTER_ID != 0 || head.frames == 0 {
            // "be robust against wrong usage", "ignore trailing garbage"
            head.flags |= CAN_BCM_RX_FILTER_ID;
            head.frames = 0;
        }
        // "the first element contains the mux-mask => MAX_NFRAMES + 1"
        if head.frames as usize > FRAMES + 1 {
            return Err(Errno::EINVAL.with(format!("a mask and {FRAMES} frames at most")));
        }
        let rtr = head.flags & CAN_BCM_RX_RTR_FRAME != 0;
        if rtr && (head.frames != 1 || head.can_id & CAN_RTR_FLAG == 0) {
            return Err(
                Errno::EINVAL.with("RX_RTR_FRAME goes with one frame, and an identifier with CAN_RTR_FLAG")
            );
        }
        let times = if head.flags & CAN_BCM_SETTIMER != 0 { Some(head.times()?) } else { None };
        let frames = cut(frames, &head)?;
        let serial = self.bcm_job(id, Direction::In, &head, interface, frames)?;
        let [timeout, throttle] = [false, true].map(|throttle| Due { socket: id, job: serial, throttle });
        if rtr {
            // "no timers in RTR-mode"
            [timeout, throttle].into_iter().for_each(|due| self.can.timers.cancel(due));
            let Some(job) = self.bcm_mut(id, serial) else { return Ok(()) };
            // "copy can_id into frame BUT without RTR-flag to prevent a full-load-loopback-test"
            let Some(answer) = job.frames.first_mut() else { return Ok(()) };
            if head.flags & CAN_BCM_TX_CP_CAN_ID != 0 || can::id(answer) == head.can_id {
                answer[..4].copy_from_slice(&(head.can_id & !CAN_RTR_FLAG).to_ne_bytes());
            }
            return Ok(());
        }
        if let Some(times) = times {
            let Some(job) = self.bcm_mut(id, serial) else { return Ok(()) };
            (job.intervals, job.told, job.last_told) = (times, head.intervals, None);
            // "disable an active timer due to zero value?"
            if times[0].is_zero() {
                self.can.timers.cancel(timeout);
            }
            // "cancel the throttle timer, flush potentially blocked msgs and reset throttle handling"
            self.can.timers.cancel(throttle);
            self.job_flushes(id, serial);
        }
        let interval = self.bcm_mut(id, serial).map_or(Duration::ZERO, |job| job.intervals[0]);
        if head.flags & CAN_BCM_STARTTIMER != 0 && !interval.is_zero() {
            self.can.timers.set(timeout, self.net.now + interval);
        }
        Ok(())
    }

    /// A job that is there gets other frames, or there is a new one; its serial number. E2BIG: the old one has not so many.
    fn bcm_job(
        &mut self,
        id: SocketId,
        direction: Direction,
        head: &Head,
        interface: Option<IfIndex>,
        frames: Vec<Vec<u8>>,
    ) -> Result<u64> {
        let manager = self.bcm_manager(id)?;
        let known = manager.find(direction, head, interface);
        if let Some(job) = known.and_then(|at| manager.jobs.get_mut(at)) {
            // "Do we need more space for the CAN frames than currently allocated?"
            if frames.len() > job.frames.len() {
                return Err(Errno::E2BIG.with("the job has fewer frames: delete it first"));
            }
            job.flags = head.flags;
            if frames.len() != job.frames.len() {
                job.current = 0;
            }
            if !frames.is_empty() || direction == Direction::Out {
                // "clear last_frames to indicate 'nothing received'"
                job.seen = vec![Seen::default(); frames.len().max(1)];
            }
            job.frames = frames;
            return Ok(job.serial);
        }
        let all: usize = manager.jobs.iter().map(|job| job.frames.len()).sum();
        if all + frames.len() > FRAMES_IN_ALL || manager.jobs.len() >= JOBS {
            return Err(Errno::ENOMEM.with("the socket's jobs have too many frames"));
        }
        manager.born += 1;
        let serial = manager.born;
        manager.jobs.push(Job::new(serial, direction, head, interface, frames));
        Ok(serial)
    }

    pub(super) fn bcm_mut(&mut self, id: SocketId, serial: u64) -> Option<&mut Job> {
        self.bcm_manager(id).ok()?.jobs.iter_mut().find(|job| job.serial == serial)
    }

    /// bcm_delete_tx_op, bcm_delete_rx_op.
    fn bcm_delete(
        &mut self,
        id: SocketId,
        direction: Direction,
        head: &Head,
        interface: Option<IfIndex>,
    ) -> Result<()> {
        let manager = self.bcm_manager(id)?;
        let at = manager.find(direction, head, interface).ok_or_else(no_job)?;
        let gone = manager.jobs.remove(at).serial;
        for throttle in [false, true] {
            self.can.timers.cancel(Due { socket: id, job: gone, throttle });
        }
        Ok(())
    }

    /// bcm_read_op: TX_STATUS, RX_STATUS.
    fn bcm_read(
        &mut self,
        id: SocketId,
        direction: Direction,
        head: Head,
        interface: Option<IfIndex>,
    ) -> Result<()> {
        let manager = self.bcm_manager(id)?;
        let at = manager.find(direction, &head, interface).ok_or_else(no_job)?;
        let job = manager.jobs.get(at).ok_or_else(no_job)?;
        let opcode = if direction == Direction::Out { CAN_BCM_TX_STATUS } else { CAN_BCM_RX_STATUS };
        let told = Head { frames: job.frames.len() as u32, ..job.head(opcode) };
        let message = [told.write(), job.frames.concat()].concat();
        let from = job.heard_on;
        self.can_queue(id, message, from, 0, self.net.now);
        Ok(())
    }

    /// A socket is closed: its jobs end.
    pub(super) fn bcm_forget(&mut self, id: SocketId) {
        let Ok(manager) = self.bcm_manager(id) else { return };
        for job in std::mem::take(&mut manager.jobs) {
            for throttle in [false, true] {
                self.can.timers.cancel(Due { socket: id, job: job.serial, throttle });
            }
        }
    }

    /// bcm_rx_handler, of each job that is about the frame.
    pub(super) fn bcm_input(&mut self, id: SocketId, interface: IfIndex, frame: &Frame) {
        let (can_id, kind) = (can::id(frame.bytes()), Kind::of(frame.bytes()));
        let Ok(manager) = self.bcm_manager(id) else { return };
        let about = |job: &&Job| {
            job.direction == Direction::In
                && job.can_id == can_id
                && Some(job.kind) == kind
                && job.interface.is_none_or(|own| own == interface)
        };
        let jobs: Vec<u64> = manager.jobs.iter().filter(about).map(|job| job.serial).collect();
        for serial in jobs {
            self.job_hears(id, serial, interface, frame);
        }
    }
}

/// The request's frames. EFAULT: there are fewer than its head says.
fn cut(frames: &[u8], head: &Head) -> Result<Vec<Vec<u8>>> {
    let count = head.frames as usize;
    let cut: Vec<_> = frames.chunks_exact(head.kind().size()).take(count).map(<[u8]>::to_vec).collect();
    if cut.len() < count { Err(Errno::EFAULT.with("fewer frames than the head says")) } else { Ok(cut) }
}

/// The address that a message without an interface comes from.
pub(super) const NOWHERE: IfIndex = IfIndex(0);
