//! What happens by itself: the engine's own timers, the limits that it lacks (retries, user timeout, keepalive, FIN_WAIT2).

use std::time::Duration;

use super::flow::Flow;
use super::flows::{FlowId, Timer};
use super::output::Cause;
use super::segment::{Bare, Flag, Tuple};
use super::{Rest, Tcp};
use crate::base::{Errno, Error, Instant, Reason, TcpState};

/// Linux's TCP_RTO_MIN and TCP_RTO_MAX, from which it computes how long `n` retransmissions last.
const RTO_MIN: Duration = Duration::from_millis(200);
const RTO_MAX: Duration = Duration::from_secs(120);
/// RFC 6298 2.1: how long the first SYN waits.
const SYN_WAIT: Duration = Duration::from_secs(1);
/// Linux's tcp_orphan_retries.
const ORPHAN_RETRIES: u32 = 8;

/// How long Linux tries when it is told a number of retransmissions (924.6 s for 15, as tcp(7) says).
fn patience(retries: u32) -> Duration {
    (0..=retries).map(|n| (RTO_MIN * 2u32.saturating_pow(n.min(16))).min(RTO_MAX)).sum()
}

impl Flow {
    /// True if everything sent has been acknowledged and nothing waits: what keepalive looks for.
    fn is_idle(&self) -> bool {
        self.seen.in_flight() == 0 && self.connection.unacknowledged() == 0
    }

    /// When the next keepalive probe is due.
    pub(super) fn keepalive_at(&self) -> Option<Instant> {
        use TcpState::{CloseWait, Established, FinWait1, FinWait2};
        let idle = self.settings.keepalive?;
        if !matches!(self.state(), Established | CloseWait | FinWait1 | FinWait2) {
            return None;
        }
        Some(match self.probes {
            // With data in flight the retransmissions find out; look again later.
            0 if self.is_idle() => self.seen.heard + idle,
            0 => self.seen.heard.max(self.seen.moved) + idle,
            _ => self.probed + self.settings.keepintvl,
        })
    }

    /// When an unanswered SYN has been repeated often enough: Linux waits once more after the last one.
    fn syn_limit_at(&self) -> Option<Instant> {
        let retries = self.settings.syn_retries;
        let waits = (0..=retries).map(|n| (SYN_WAIT * 2u32.saturating_pow(n.min(16))).min(RTO_MAX));
        (self.state() == TcpState::SynSent)
            .then(|| Some(self.seen.waiting_since? + waits.sum::<Duration>()))?
    }

    /// RFC 5482: when data has waited too long for its acknowledgement.
    fn user_timeout_at(&self) -> Option<Instant> {
        Some(self.seen.waiting_since.or(self.seen.probing_since)? + self.settings.user_timeout?)
    }

    /// When an orphan has waited for the peer's FIN long enough.
    fn fin_wait_at(&self) -> Option<Instant> {
        Some(self.fin_wait_since? + self.settings.fin_timeout.unwrap_or_default())
    }
}

impl Tcp {
    /// When [`Tcp::tick`] has something to do next.
    pub(in crate::stack) fn deadline(&self) -> Option<Instant> {
        self.timers.first()
    }

    /// Does what is due.
    pub(super) fn tick(&mut self, rest: &mut Rest<'_>) {
        while let Some(timer) = self.timers.pop(rest.net.now) {
            match timer {
                Timer::Flow(id) => self.flow_timer(rest, id),
                Timer::HalfOpen(number) => self.half_open_timer(rest, number),
                Timer::TimeWait(number) => {
                    if let Some(claim) = self.time_waits.expire(number).and_then(|entry| entry.claim) {
                        rest.ports.release(claim);
                    }
                }
            }
        }
    }

    /// Ends a TIME_WAIT before its time.
    pub(super) fn end_time_wait(&mut self, rest: &mut Rest<'_>, tuple: &Tuple) {
        let Some(entry) = self.time_waits.remove(tuple) else { return };
        self.timers.cancel(entry.until, Timer::TimeWait(entry.number));
        if let Some(claim) = entry.claim {
            rest.ports.release(claim);
        }
    }

    /// Sets a connection's timer to the first thing that is due.
    pub(super) fn rearm(&mut self, rest: &mut Rest<'_>, id: FlowId) {
        let now = rest.net.now;
        let Some(flow) = self.flows.get_mut(id) else { return };
        if flow.dead || flow.opening.held {
            return;
        }
        let mut engine = self.engine.poll_at(&flow.connection, flow.mtu(), now, &rest.net.pool);
        if engine.is_none() && flow.connection.unacknowledged() > 0 {
            // RFC 9293 3.8.6.1: "The sending TCP peer MUST be prepared to accept from the user and send at least one octet of
            // new data even if the send window is zero". A window that closed over data in flight leaves the engine without
            // any timer once that of the retransmission has run out; the last ACK once more starts the probing.
            let (seq, window) = (flow.rcv_nxt(), flow.seen.window_field);
            let frame = Bare { seq, ack: Some(flow.seen.snd_una), window, flag: Flag::None }
                .as_if_from_remote(&flow.tuple, &rest.net.pool);
            let (mtu, pool) = (flow.mtu(), &rest.net.pool);
            self.engine.segment(&mut flow.connection, mtu, now, frame.bytes(), &mut Vec::new(), pool);
            engine = self.engine.poll_at(&flow.connection, mtu, now, pool);
        }
        // What could be sent now has been sent: "at once" means soon, or a bug would never let time pass.
        let engine = engine.map(|at| if at > now { at } else { now + Duration::from_millis(1) });
        let limits = [flow.syn_limit_at(), flow.user_timeout_at(), flow.fin_wait_at()];
        let own = [flow.keepalive_at(), flow.early_at(), flow.uncork_at, engine];
        let at = limits.into_iter().chain(own).flatten().min();
        self.timers.rearm(&mut flow.armed, at, Timer::Flow(id));
    }

    fn flow_timer(&mut self, rest: &mut Rest<'_>, id: FlowId) {
        let now = rest.net.now;
        let Some(flow) = self.flows.get_mut(id) else { return };
        flow.armed = None;
        if flow.dead {
            return;
        }
        let was = flow.snapshot();
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if due(flow.user_timeout_at()) {
            let error = timed_out(flow, Reason::TcpUserTimeout);
            return self.give_up(rest, id, error);
        }
        if due(flow.syn_limit_at()) {
            let error = timed_out(flow, Reason::TcpTimedOut);
            return self.give_up(rest, id, error);
        }
        if due(flow.fin_wait_at()) {
            return self.give_up(rest, id, Errno::ETIMEDOUT.because(Reason::TcpOrphanTimeout));
        }
        if due(flow.uncork_at) {
            flow.uncork();
        }
        if due(flow.early_at()) {
            self.retransmit_early(rest, id);
        }
        if let Some(flow) = self.flows.get_mut(id)
            && due(flow.keepalive_at())
            && flow.is_idle()
        {
            let silent = now.since(flow.seen.heard);
            let exhausted = match flow.settings.user_timeout {
                // RFC 5482 4.2: with a user timeout, that decides, not the number of probes.
                Some(limit) => flow.probes > 0 && silent >= limit,
                None => flow.probes >= flow.settings.keepcnt,
            };
            if exhausted {
                let error = timed_out(flow, Reason::TcpKeepaliveTimeout);
                rest.net.note(error.reason(), None, flow.owner);
                // Linux's tcp_keepalive_timer: the peer is told, should it ever come back.
                let reset = Bare { flag: Flag::Rst, ..flow.ack() };
                let frame = reset.frame(&flow.tuple, flow.settings.tuning.ttl, &rest.net.pool);
                self.emit(rest, id, &mut vec![frame]);
                return self.end(rest, id, Some(error));
            }
            flow.probes += 1;
            flow.probed = now;
            // RFC 1122 4.2.3.6: the probe's sequence number is SND.NXT-1, and it carries no data.
            let mut probe = flow.ack();
            probe.seq = probe.seq.wrapping_sub(1);
            let frame = probe.frame(&flow.tuple, flow.settings.tuning.ttl, &rest.net.pool);
            self.emit(rest, id, &mut vec![frame]);
        }
        self.transmit(rest, id, was, Cause::Here);
    }

    /// A retransmission or a probe is to go out: has there been enough of that?
    pub(super) fn exhausted(&self, rest: &Rest<'_>, id: FlowId) -> Option<Error> {
        let flow = self.flows.get(id)?;
        let (seen, config) = (&flow.seen, &rest.net.config);
        let enough = match flow.state() {
            // RFC 1122 4.2.3.5: SYNs have a limit of their own, `syn_limit_at`.
            TcpState::SynSent => false,
            TcpState::SynReceived => seen.stuck > config.synack_retries,
            _ => {
                let retries =
                    if flow.orphaned.is_some() { config.retries.min(ORPHAN_RETRIES) } else { config.retries };
                let since = seen.stuck_since.into_iter().chain(seen.probing_since).min();
                since.is_some_and(|since| rest.net.now.since(since) >= patience(retries))
            }
        };
        enough.then(|| timed_out(flow, Reason::TcpTimedOut))
    }

    /// Ends a connection without a word to the peer, which has not been answering anyway.
    fn give_up(&mut self, rest: &mut Rest<'_>, id: FlowId, error: Error) {
        let owner = self.flows.get(id).and_then(|flow| flow.owner);
        rest.net.note(error.reason(), None, owner);
        self.end(rest, id, Some(error));
    }
}

/// RFC 1122 4.2.3.9: what a soft error said is a better answer than "no answer".
fn timed_out(flow: &Flow, reason: Reason) -> Error {
    flow.soft_error.clone().unwrap_or_else(|| Errno::ETIMEDOUT.because(reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fifteen_retries_last_as_long_as_linux_says() {
        assert_eq!(patience(15), Duration::from_millis(924_600));
    }
}
