//! The way of a segment out, and what a change of state means: ends, errors, TIME_WAIT, whom to wake.

use super::flow::Flow;
use super::flows::{FlowId, Timer};
use super::observe::Sent;
use super::segment::Segment;
use super::time_wait::TimeWait;
use super::{Rest, Tcp, segment};
use crate::base::{Checksum, Errno, Error, Event, Frame, Reason, TcpSample, TcpState};
use crate::stack::Hints;
use crate::stack::datagram::span;
use crate::stack::ports::{Binding, Claim, Stage};

/// What the engine was doing when a state changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// A segment without RST came in.
    Segment,
    /// A RST came in.
    Reset,
    /// A timer, or a call of the program.
    Here,
}

/// What may change while the engine works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Snapshot {
    pub(super) state: TcpState,
    readable: usize,
    unacknowledged: usize,
}

impl Snapshot {
    /// True if between this one and `later` something of ours was acknowledged: data, our SYN, or our FIN.
    pub(super) fn acknowledged(&self, later: &Self) -> bool {
        use TcpState::{CloseWait, Closed, Closing, Established, FinWait1, FinWait2, LastAck, SynReceived};
        use TcpState::{SynSent, TimeWait};
        later.unacknowledged < self.unacknowledged
            || matches!(
                (self.state, later.state),
                (SynSent | SynReceived, Established | CloseWait)
                    | (FinWait1, FinWait2 | TimeWait)
                    | (Closing, TimeWait)
                    | (LastAck, Closed)
            )
    }
}

impl Flow {
    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot {
            state: self.state(),
            readable: self.connection.readable(),
            unacknowledged: self.connection.unacknowledged(),
        }
    }
}

/// TCP_WINDOW_CLAMP: a window is told no larger than this, in bytes; `scale` as both SYNs have agreed.
pub(super) fn clamp_window(packet: &mut [u8], tuple: &segment::Tuple, clamp: u32, scale: u8) {
    let tcp = packet.get(Segment::offset(packet)..).unwrap_or_default();
    let Some(segment) = Segment::parse(tcp) else { return };
    // RFC 7323 2.2: the window of a SYN is never scaled.
    let scale = if segment.has(segment::SYN) { 0 } else { scale };
    let most = u16::try_from(clamp >> scale).unwrap_or(u16::MAX);
    if segment.window > most {
        segment::edit(packet, tuple, |head| head[14..16].copy_from_slice(&most.to_be_bytes()));
    }
}

/// Segments that one call sends at most, against a loop without end.
const BURST: usize = 65_536;

impl Tcp {
    /// Sends what the engine has to send, then looks what has changed since `was`.
    pub(super) fn transmit(&mut self, rest: &mut Rest<'_>, id: FlowId, was: Snapshot, cause: Cause) {
        let mut out = std::mem::take(&mut self.out);
        for _ in 0..BURST {
            let Some(flow) = self.flows.get_mut(id) else { break };
            if flow.opening.held || flow.dead && flow.state() != TcpState::Closed {
                break;
            }
            let mtu = flow.mtu();
            if !self.engine.egress(&mut flow.connection, mtu, rest.net.now, &mut out, &rest.net.pool) {
                break;
            }
            if !self.emit(rest, id, &mut out) {
                break;
            }
        }
        self.out = out;
        self.retransmission = Reason::TcpRtoRetransmit;
        if let Some(flow) = self.flows.get_mut(id) {
            flow.note_limit(rest.net.now);
        }
        self.settle(rest, id, was, cause);
    }

    /// Sends packets of a connection, each seen at the door first. False if it has been given up instead.
    pub(super) fn emit(&mut self, rest: &mut Rest<'_>, id: FlowId, out: &mut Vec<Frame>) -> bool {
        let now = rest.net.now;
        for mut frame in out.drain(..) {
            let Some(flow) = self.flows.get_mut(id) else { return false };
            if let Some(clamp) = flow.settings.window_clamp {
                clamp_window(frame.bytes_mut(), &flow.tuple, clamp, flow.seen.rcv_scale);
            }
            if flow.seen.segments_out == 0 {
                flow.add_to_syn(&mut frame);
            }
            let tcp = frame.bytes().get(Segment::offset(frame.bytes())..).unwrap_or_default();
            let Some(segment) = Segment::parse(tcp) else { continue };
            let is_ack = segment.len() == 0 && !segment.has(segment::RST);
            if is_ack && flow.opening.answered == Some(segment.ack) {
                // The SYN|ACK has said so.
                continue;
            }
            let sent = flow.seen.sent(now, tcp, &segment);
            if matches!(sent, Sent::Again | Sent::Probe) {
                if let Some(error) = self.exhausted(rest, id) {
                    self.end(rest, id, Some(error));
                    return false;
                }
                let Some(flow) = self.flows.get(id) else { return false };
                if flow.state() == TcpState::SynSent && flow.seen.stuck > flow.settings.syn_retries {
                    // The engine's timer doubles to 60 s at most, Linux's to 120 s: this SYN would be one too many.
                    continue;
                }
                let packet = frame.bytes().get(Segment::offset(frame.bytes())..).unwrap_or_default();
                if rest.net.still_waits(flow.tuple.remote, flow.hints, packet) {
                    continue;
                }
                if sent == Sent::Again {
                    if self.retransmission == Reason::TcpRtoRetransmit
                        && let Some(flow) = self.flows.get_mut(id)
                    {
                        flow.seen.timeouts = flow.seen.timeouts.saturating_add(1);
                    }
                    let owner = self.flows.get(id).and_then(|flow| flow.owner);
                    rest.net.note(self.retransmission, None, owner);
                }
            }
            let Some(flow) = self.flows.get_mut(id) else { return false };
            if let Some(pointer) = flow.urgent_pointer(segment.seq) {
                segment::edit(frame.bytes_mut(), &flow.tuple, |head| {
                    head[13] |= segment::URG;
                    head[18..20].copy_from_slice(&pointer.to_be_bytes());
                });
            }
            if flow.settings.tos != 0 {
                segment::set_tos(frame.bytes_mut(), flow.settings.tos);
            }
            super::signature::sign(&mut frame, &flow.tuple, flow.signature.as_ref());
            (frame.time, frame.checksum) = (now, Checksum::Unverified);
            (frame.mark, frame.priority) = (flow.settings.mark, flow.settings.priority);
            frame.leave = (flow.paced_until > now).then_some(flow.paced_until);
            if flow.settings.pacing_rate != u64::MAX && segment.payload > 0 {
                flow.paced_until = flow.paced_until.max(now) + span(frame.len(), flow.settings.pacing_rate);
            }
            if let Err(error) = rest.net.send_packet(frame, flow.settings.flow_label, flow.hints) {
                let hints = Hints { source: Some(flow.tuple.local), ..flow.hints };
                if let (Errno::EMSGSIZE, Ok(path)) = (error.errno(), rest.net.path(flow.tuple.remote, hints))
                {
                    // Another connection has learned of a smaller path: the retransmission will fit.
                    flow.path_mtu = path.mtu;
                }
                // RFC 1122 4.2.3.9: as with an ICMP error, it may pass; told if the connection ends by it.
                if matches!(error.errno(), Errno::EHOSTUNREACH | Errno::ENETUNREACH | Errno::ENETDOWN) {
                    flow.soft_error = Some(error);
                }
            }
        }
        true
    }

    /// Looks what has changed since `was`, and does what follows: the error's cause, TIME_WAIT, wakings, timers.
    pub(super) fn settle(&mut self, rest: &mut Rest<'_>, id: FlowId, was: Snapshot, cause: Cause) {
        use TcpState::{CloseWait, Closed, Established, LastAck, Listen, SynReceived, SynSent, TimeWait};
        let Some(flow) = self.flows.get_mut(id) else { return };
        let is = flow.snapshot();
        if is != was {
            for socket in [flow.owner, flow.listener].into_iter().flatten() {
                rest.ready.wake(socket);
            }
        }
        flow.eof |= flow.fin_received();
        if is.state == TcpState::FinWait2 && flow.orphaned.is_some() {
            flow.fin_wait_since.get_or_insert(rest.net.now);
        } else {
            flow.fin_wait_since = None;
        }
        self.tell(rest, id);
        let Some(flow) = self.flows.get_mut(id) else { return };
        if flow.dead {
            return;
        }
        match is.state {
            // (A RST makes the engine's passive opener listen again, should one still be in SYN-RECEIVED.)
            Closed | Listen => {
                let error = match (cause, was.state) {
                    (Cause::Reset, SynSent) => Some(Errno::ECONNREFUSED.because(Reason::TcpRefused)),
                    // Linux's tcp_reset: the peer had closed already; what is lost is our writing.
                    (Cause::Reset, CloseWait) => Some(Errno::EPIPE.because(Reason::TcpReset)),
                    (Cause::Reset, LastAck) => None,
                    (Cause::Reset, SynReceived | Established | _) => {
                        Some(Errno::ECONNRESET.because(Reason::TcpReset))
                    }
                    (Cause::Segment | Cause::Here, _) => None,
                };
                if let Some(error) = &error {
                    rest.net.note(error.reason(), None, flow.owner);
                }
                self.end(rest, id, error);
            }
            TimeWait => self.begin_time_wait(rest, id),
            _ => self.rearm(rest, id),
        }
    }

    /// A connection has ended. Its socket keeps what may still be read, and is told the error.
    pub(super) fn end(&mut self, rest: &mut Rest<'_>, id: FlowId, error: Option<Error>) {
        self.flows.detach(id);
        let Some(flow) = self.flows.get_mut(id) else { return };
        flow.dead = true;
        let half_open = flow.opening.answered.take().map(|_| flow.tuple);
        if let Some(at) = flow.armed.take() {
            self.timers.cancel(at, Timer::Flow(id));
        }
        if let Some(tuple) = half_open {
            self.forget_half_open(&tuple);
        }
        self.tell(rest, id);
        let Some(flow) = self.flows.get_mut(id) else { return };
        match (flow.owner, flow.listener) {
            (Some(owner), _) => {
                if let (Some(error), Ok(entry)) = (error, rest.sockets.get_mut(owner)) {
                    entry.error = Some(error);
                }
                rest.ready.wake(owner);
            }
            // It stays in the queue: accept(2) returns it, and its first call tells the error.
            (None, Some(_)) => flow.error = error,
            (None, None) => self.forget(rest, id),
        }
    }

    /// Nobody has it any more.
    pub(super) fn forget(&mut self, rest: &mut Rest<'_>, id: FlowId) {
        let Some(flow) = self.flows.remove(id) else { return };
        if let Some(at) = flow.armed {
            self.timers.cancel(at, Timer::Flow(id));
        }
        if let Some(claim) = flow.claim {
            rest.ports.release(claim);
        }
    }

    /// RFC 9293 3.6.1: the side that closed first waits until nothing of the connection can be under way any more.
    fn begin_time_wait(&mut self, rest: &mut Rest<'_>, id: FlowId) {
        let Some(flow) = self.flows.get_mut(id) else { return };
        let tuple = flow.tuple;
        let last = flow.ack();
        // The engine may be holding the FIN's ACK back, and it will not be asked again.
        if flow.seen.acked != flow.rcv_nxt() {
            let frame = last.frame(&tuple, flow.settings.tuning.ttl, &rest.net.pool);
            self.emit(rest, id, &mut vec![frame]);
        }
        let Some(flow) = self.flows.get_mut(id) else { return };
        let until = rest.net.now + rest.net.config.time_wait;
        let ttl = flow.settings.tuning.ttl;
        let signature = flow.signature.clone();
        let claim = match (flow.claim.take(), flow.owner.and_then(|owner| rest.sockets.get(owner).ok())) {
            (Some(mut claim), _) => {
                let binding = Binding { stage: Stage::TimeWait, ..claim.binding };
                rest.ports.change(&mut claim, binding);
                Some(claim)
            }
            (None, Some(entry)) => entry.claim.map(|claim| {
                let binding = Binding { stage: Stage::TimeWait, ..claim.binding };
                rest.ports.hold(Claim { binding, ..claim })
            }),
            (None, None) => None,
        };
        let (snd_nxt, rcv_nxt, window) = (flow.seen.snd_max, flow.rcv_nxt(), last.window);
        self.end(rest, id, None);
        // Linux's tcp_max_tw_buckets: with too many the connection is closed at once.
        if self.time_waits.len() + self.flows.len() >= rest.net.config.max_sockets {
            rest.net.note(Reason::TcpTooManyFlows, None, None);
            if let Some(claim) = claim {
                rest.ports.release(claim);
            }
            return;
        }
        let entry = TimeWait { number: 0, snd_nxt, rcv_nxt, window, ttl, signature, claim, until };
        let number = self.time_waits.insert(tuple, entry);
        self.timers.set(until, Timer::TimeWait(number));
    }

    /// Tells the watchers a connection's new state, and its numbers.
    pub(super) fn tell(&mut self, rest: &mut Rest<'_>, id: FlowId) {
        let Some(flow) = self.flows.get_mut(id) else { return };
        // The engine lets go of a connection in TIME_WAIT; it has ended for us as well.
        let state =
            if flow.dead && flow.state() != TcpState::TimeWait { TcpState::Closed } else { flow.state() };
        let (time, from) = (rest.net.now, std::mem::replace(&mut flow.told, state));
        let (local, remote) = flow.tuple.ends();
        let (socket, seen) = (flow.owner, &flow.seen);
        if from != state {
            rest.net.log.tell(|| Event::TcpState { time, socket, local, remote, from, to: state });
        }
        rest.net.log.tell(|| {
            Event::Tcp(TcpSample {
                time,
                socket,
                snd_una: seen.snd_una.wrapping_sub(seen.iss),
                snd_nxt: seen.snd_max.wrapping_sub(seen.iss),
                snd_wnd: seen.snd_wnd,
                rcv_nxt: seen.acked.wrapping_sub(seen.irs),
                srtt_us: u32::try_from(seen.srtt.as_micros()).unwrap_or(u32::MAX),
                retransmits: seen.retransmits,
            })
        });
    }
}
