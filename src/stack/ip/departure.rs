//! Packets that do not leave before their time: SO_TXTIME, SO_MAX_PACING_RATE. It is what Linux's sch_fq does, which every interface
//! has here.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Hop;
use crate::base::{Errno, Error, Frame, Reason};
use crate::stack::Net;
use crate::stack::net::Timer;

/// Packets of a host that may wait.
const MOST: usize = 1024;
/// sch_fq's horizon: what should leave later than that is dropped.
const HORIZON: Duration = Duration::from_secs(10);

/// The packets that wait, in the order in which they came.
#[derive(Debug, Default)]
pub(in crate::stack) struct Departures {
    waiting: BTreeMap<u64, (Hop, Frame)>,
    next: u64,
}

impl Net {
    /// Keeps a packet until its time. ENOBUFS if that is too far away, or too many wait.
    pub(in crate::stack) fn hold(&mut self, hop: &Hop, frame: Frame) -> Result<(), Error> {
        let at = frame.leave.unwrap_or(self.now);
        if at > self.now + HORIZON || self.departures.waiting.len() >= MOST {
            self.note(Reason::DepartureTooLate, Some(hop.interface), None);
            return Err(Errno::ENOBUFS.because(Reason::DepartureTooLate));
        }
        let serial = self.departures.next;
        self.departures.next += 1;
        self.departures.waiting.insert(serial, (*hop, frame));
        self.timers.set(Timer::Departure(serial), at);
        Ok(())
    }

    /// A packet's time has come.
    pub(in crate::stack) fn departure_due(&mut self, serial: u64) {
        let Some((hop, mut frame)) = self.departures.waiting.remove(&serial) else { return };
        frame.leave = None;
        // The link may have gone down meanwhile: that is counted there.
        let _ = self.emit(&hop, frame);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{IfIndex, Instant};
    use crate::stack::{Cast, Config};

    #[test]
    fn a_packet_leaves_at_its_time_which_is_not_too_far_ahead() {
        let mut net = Net::new(Config::default());
        let hop = Hop::new(IfIndex::LO, [127, 0, 0, 1].into(), Cast::Unicast);
        let at = |millis| Instant::ZERO + Duration::from_millis(millis);
        let emit = |net: &mut Net, millis| {
            let mut frame = net.pool.frame(20);
            frame.bytes_mut().fill(0);
            frame.leave = Some(at(millis));
            net.emit(&hop, frame)
        };
        emit(&mut net, 300).unwrap();
        emit(&mut net, 100).unwrap();
        emit(&mut net, 0).unwrap();
        assert!(net.frame_out().is_some() && net.frame_out().is_none());
        for millis in [100, 300] {
            assert_eq!(net.deadline(), Some(at(millis)));
            net.now = at(millis);
            net.tick();
            assert!(net.frame_out().is_some() && net.frame_out().is_none());
        }
        assert_eq!(emit(&mut net, 10_301).unwrap_err().errno(), Errno::ENOBUFS);
        for _ in 0..MOST {
            emit(&mut net, 400).unwrap();
        }
        assert_eq!(emit(&mut net, 400).unwrap_err().errno(), Errno::ENOBUFS);
    }
}
