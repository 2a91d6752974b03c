//! Help for lost segments. The engine waits a second at least before it sends again, and after a loss knows only the first
//! missing segment. Here its own fast retransmission is called earlier: by three duplicate ACKs that nobody has sent.

use std::time::Duration;

use super::flow::Flow;
use super::flows::FlowId;
use super::segment::{ACK, Bare, Flag, RST, SYN, Segment, before};
use super::{Rest, Tcp};
use crate::base::{Frame, Instant, Pool, Reason, TcpState};

/// Linux's TCP_RTO_MIN.
const LEAST: Duration = Duration::from_millis(200);
/// The shortest wait for an acknowledgement; less would be a bet on the peer's scheduler.
const PROBE: Duration = Duration::from_millis(20);
/// Doublings of the wait; beyond that the engine's own timer is the faster one.
const DOUBLINGS: u32 = 6;

impl Flow {
    /// When what is in flight should have been acknowledged. First RFC 8985 7.2's probe timeout, then RFC 6298 2.3's
    /// SRTT + 4 * RTTVAR of at least 200 ms, doubling.
    pub(super) fn early_at(&self) -> Option<Instant> {
        let seen = &self.seen;
        let rto = (seen.srtt + seen.rttvar * 4).max(LEAST);
        let wait = if self.early > 0 {
            rto * 2u32.pow((self.early - 1).min(DOUBLINGS))
        } else if seen.srtt.is_zero() || (seen.in_flight() as usize) <= self.mss() {
            // RFC 8985 7.2: the acknowledgement of a single segment may be delayed.
            rto
        } else {
            (seen.srtt * 2).clamp(PROBE, rto)
        };
        (self.may_repeat() || self.only_fin_is_out()).then(|| seen.moved + wait)
    }

    /// An ACK that acknowledges many segments at once, as ACKs of one segment each: the steps before itself.
    ///
    /// RFC 5681 3.1, of `cwnd += SMSS*SMSS/cwnd`: "This adjustment is executed on every incoming ACK that acknowledges new
    /// data." The engine does so too, and Linux sends one ACK for a whole burst: after a loss the window would hardly grow.
    /// RFC 3465 2.1 counts the bytes in place of the ACKs; the steps make the engine do so.
    pub(super) fn stretched<'p>(
        &self,
        segment: &Segment,
        pool: &'p Pool,
    ) -> impl Iterator<Item = Frame> + use<'p> {
        let (una, mss) = (self.seen.snd_una, self.mss().max(1) as u32);
        let in_flight = self.seen.in_flight();
        let acked = segment.ack.wrapping_sub(una);
        // Only where the congestion window is what holds data back, and not while a loss is being mended.
        let held_back = self.connection.unacknowledged() > in_flight as usize
            && in_flight.saturating_add(mss) <= self.seen.snd_wnd
            && self.recover.is_none();
        let counts = held_back && self.may_repeat() && segment.has(ACK) && !segment.has(SYN | RST);
        let steps = if counts && acked <= in_flight { acked.saturating_sub(1) / mss } else { 0 };
        let (tuple, seq, window) = (self.tuple, self.rcv_nxt(), segment.window);
        (1..=steps).map(move |n| {
            let ack = Some(una.wrapping_add(n * mss));
            Bare { seq, ack, window, flag: Flag::None }.as_if_from_remote(&tuple, pool)
        })
    }

    /// True if the engine could send its first unacknowledged data again: there is some, sent, and the peer's window is open.
    fn may_repeat(&self) -> bool {
        use TcpState::{CloseWait, Closing, Established, FinWait1};
        // (In LAST-ACK the engine answers duplicate ACKs instead of counting them.)
        matches!(self.state(), Established | CloseWait | FinWait1 | Closing)
            && self.seen.in_flight() > 0
            && self.connection.unacknowledged() > 0
            && self.seen.snd_wnd > 0
            && self.seen.window_field > 0
    }

    /// True if nothing but our FIN waits for its acknowledgement. The engine repeats it by its own timer alone.
    fn only_fin_is_out(&self) -> bool {
        use TcpState::{Closing, FinWait1, LastAck};
        matches!(self.state(), FinWait1 | Closing | LastAck)
            && self.seen.in_flight() == 1
            && self.connection.unacknowledged() == 0
    }
}

impl Tcp {
    /// The early timer ran out.
    pub(super) fn retransmit_early(&mut self, rest: &mut Rest<'_>, id: FlowId) {
        let Some(flow) = self.flows.get_mut(id) else { return };
        flow.early += 1;
        if flow.only_fin_is_out() {
            flow.seen.moved = rest.net.now;
            let again = Bare { seq: flow.seen.snd_una, flag: Flag::Fin, ..flow.ack() };
            let mut out = vec![again.frame(&flow.tuple, flow.settings.tuning.ttl, &rest.net.pool)];
            self.retransmission = Reason::TcpEarlyRetransmit;
            self.emit(rest, id, &mut out);
            return;
        }
        flow.recover = Some(flow.seen.snd_max);
        // The base of the next wait, should the engine decline.
        flow.seen.moved = rest.net.now;
        let mut out = Vec::new();
        self.call_fast_retransmit(rest, id, &mut out);
        self.emit(rest, id, &mut out);
    }

    /// An ACK made progress.
    pub(super) fn recovered(&mut self, rest: &mut Rest<'_>, id: FlowId, out: &mut Vec<Frame>) {
        let Some(flow) = self.flows.get_mut(id) else { return };
        flow.early = 0;
        let Some(recover) = flow.recover else { return };
        if !before(flow.seen.snd_una, recover) {
            flow.recover = None;
        } else if flow.may_repeat() {
            // RFC 6582 3.2: "If this ACK does *not* acknowledge all of the data up to and including recover, then this is a
            // partial ACK. In this case, retransmit the first unacknowledged segment."
            self.call_fast_retransmit(rest, id, out);
        }
    }

    /// Three duplicate ACKs make the engine send its first unacknowledged segment again (RFC 5681 3.2).
    fn call_fast_retransmit(&mut self, rest: &mut Rest<'_>, id: FlowId, out: &mut Vec<Frame>) {
        let Some(flow) = self.flows.get_mut(id) else { return };
        let window = flow.seen.window_field;
        let other = if window > 1 { window - 1 } else { window + 1 };
        let (mtu, now) = (flow.mtu(), rest.net.now);
        // The first two differ in the window: they are updates, which set the engine's count of duplicates to zero.
        for window in [other, window, window, window, window] {
            let ack = Some(flow.seen.snd_una);
            let frame = Bare { seq: flow.rcv_nxt(), ack, window, flag: Flag::None }
                .as_if_from_remote(&flow.tuple, &rest.net.pool);
            self.engine.segment(&mut flow.connection, mtu, now, frame.bytes(), out, &rest.net.pool);
        }
        self.retransmission = Reason::TcpEarlyRetransmit;
    }
}
