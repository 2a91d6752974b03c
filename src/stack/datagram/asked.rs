//! What a call asks of its own datagram beside the way (struct sockcm_cookie): mark, priority, when it leaves, what is told of that.

use std::time::Duration;

use crate::base::constants::{
    SOF_TIMESTAMPING_OPT_ID, SOF_TIMESTAMPING_TX_ACK, SOF_TIMESTAMPING_TX_SCHED, SOF_TIMESTAMPING_TX_SOFTWARE,
};
use crate::base::{ControlMessage, Errno, Frame, Instant, Reason, Result, SocketId};
use crate::stack::table::Entry;
use crate::stack::{Config, Net, Stack};

/// SOF_TIMESTAMPING_TX_RECORD_MASK: hardware (1) and completion (0x40000) are known, and nothing here has them.
const RECORDS: u32 =
    (SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_TX_ACK) as u32 | 0x4_0001;

/// The socket's own values, and what the call has said of its own.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asked {
    mark: u32,
    priority: u32,
    /// SCM_TXTIME.
    leave: Option<Instant>,
    /// SOF_TIMESTAMPING_TX_*.
    stamps: u32,
    /// SCM_TS_OPT_ID.
    key: Option<u32>,
}

/// rt_tos2priority: IPv4's type of service as TC_PRIO_*.
pub(in crate::stack) fn priority_of(tos: u8) -> i32 {
    const PRIORITIES: [i32; 4] = [0, 2, 6, 4];
    PRIORITIES[usize::from(tos >> 3 & 3)]
}

/// The moment of a clock's reading in nanoseconds. CLOCK_MONOTONIC (1) is the machine's, CLOCK_REALTIME (0) and CLOCK_TAI (11) count
/// from 1970; between the two nobody has told this host a difference.
fn moment(config: &Config, clock: i32, nanos: u64) -> Instant {
    const CLOCK_MONOTONIC: i32 = 1;
    let begun = if clock == CLOCK_MONOTONIC { config.born } else { config.epoch };
    Instant::ZERO + Duration::from_nanos(nanos).saturating_sub(begun)
}

impl Asked {
    pub(super) fn of(entry: &Entry) -> Self {
        let options = &entry.options;
        Self {
            mark: options.mark,
            priority: options.priority as u32,
            leave: None,
            stamps: options.timestamping & RECORDS,
            key: None,
        }
    }

    /// __sock_cmsg_send: a message that the call brings. EINVAL.
    pub(super) fn take(&mut self, entry: &Entry, config: &Config, message: &ControlMessage) -> Result<()> {
        let wrong = || Errno::EINVAL.because(Reason::OptionValue);
        match *message {
            ControlMessage::Mark(mark) => self.mark = mark,
            ControlMessage::Priority(priority) => self.priority = priority,
            ControlMessage::TimestampingAsked(flags) if flags & !RECORDS != 0 => return Err(wrong()),
            ControlMessage::TimestampingAsked(flags) => self.stamps = flags,
            ControlMessage::TimestampKey(_)
                if entry.options.timestamping & SOF_TIMESTAMPING_OPT_ID as u32 == 0 =>
            {
                return Err(wrong());
            }
            ControlMessage::TimestampKey(key) => self.key = Some(key),
            ControlMessage::TransmitTime(nanos) => {
                let (clock, _) = entry.options.transmit_time.ok_or_else(wrong)?;
                self.leave = Some(moment(config, clock, nanos));
            }
            // ip_cmsg_send: IP_TOS brings its priority along.
            ControlMessage::Tos(tos) if entry.domain == crate::base::constants::AF_INET => {
                self.priority = priority_of(tos) as u32;
            }
            _ => {}
        }
        Ok(())
    }
}

impl Stack {
    /// Sends a datagram, marked as its call asks, at its time; tells what its sender wants to hear of that. A time that lies ahead is
    /// told at once.
    pub(in crate::stack) fn depart(
        &mut self,
        id: SocketId,
        mut frame: Frame,
        asked: Asked,
        send: impl FnOnce(&mut Net, Frame) -> Result<()>,
    ) -> Result<()> {
        let now = self.net.now;
        let entry = self.sockets.get_mut(id)?;
        let mut at = asked.leave.map_or(now, |at| at.max(now));
        if entry.options.pacing_rate != u64::MAX {
            at = at.max(entry.paced_until);
            entry.paced_until = at + span(frame.len(), entry.options.pacing_rate);
        }
        (frame.mark, frame.priority) = (asked.mark, asked.priority);
        frame.leave = (at > now).then_some(at);
        let before = self.net.outbound.len();
        send(&mut self.net, frame)?;
        if asked.stamps != 0 {
            let packet = self.net.outbound.get(before).map_or(&[][..], |(_, frame)| frame.bytes());
            if self.sockets.get_mut(id)?.tell_departure(asked.stamps, asked.key, at, packet) {
                self.ready.wake(id);
            }
        }
        Ok(())
    }
}

/// How long `len` bytes take at `rate` bytes a second.
pub(in crate::stack) fn span(len: usize, rate: u64) -> Duration {
    const MOST: Duration = Duration::from_secs(3600);
    let nanos = (len as u128 * 1_000_000_000).checked_div(rate.into()).unwrap_or(u128::MAX);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)).min(MOST)
}
