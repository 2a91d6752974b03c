//! The way of a segment in: its connection is found, it is judged, the engine gets it, and what follows is told.

use std::net::IpAddr;

use super::accept::{Judgement, in_window, judge};
use super::engine::Engine;
use super::flow::Flow;
use super::flows::FlowId;
use super::handshake;
use super::listen::HalfOpen;
use super::output::Cause;
use super::segment::{ACK, Bare, FIN, Flag, RST, SYN, Segment, Tuple, before, checksum_ok, set_ack};
use super::signature::sign;
use super::time_wait::Verdict;
use super::{Rest, Tcp};
use crate::base::{Checksum, Frame, IfIndex, Instant, Pool, Reason, SocketId, TcpState};
use crate::stack::datagram::facts;
use crate::stack::{Cast, Datagram, Hints};

/// RFC 5961 7: one connection's challenge ACKs are at least this far apart (Linux: tcp_invalid_ratelimit).
const CHALLENGE_GAP: std::time::Duration = std::time::Duration::from_millis(500);

/// Who takes a segment.
pub(super) enum Taker<'a> {
    Flow(&'a Flow),
    HalfOpen(&'a HalfOpen),
    Listener(SocketId),
}

impl Tcp {
    /// A TCP segment addressed to this host.
    pub(super) fn input(&mut self, rest: &mut Rest<'_>, mut datagram: Datagram) {
        let interface = Some(datagram.interface);
        // RFC 1122 4.2.3.10: "A TCP implementation MUST silently discard an incoming SYN segment that is addressed to a
        // broadcast or multicast address." Nothing else makes sense there either.
        if datagram.cast != Cast::Unicast {
            return rest.net.note(Reason::TcpMalformed, interface, None);
        }
        let Some(mut segment) = Segment::parse(datagram.payload()) else {
            return rest.net.note(Reason::TcpMalformed, interface, None);
        };
        let (local, remote) = (datagram.destination, datagram.source);
        if datagram.frame.checksum == Checksum::Unverified && !checksum_ok(datagram.payload(), remote, local)
        {
            return rest.net.note(Reason::TcpChecksum, interface, None);
        }
        if !super::engine::usable(remote, segment.source_port)
            || !super::engine::usable(local, segment.destination_port)
        {
            return rest.net.note(Reason::TcpMalformed, interface, None);
        }
        let tuple =
            Tuple { local, local_port: segment.destination_port, remote, remote_port: segment.source_port };
        let offset = without_extensions(&mut datagram);
        let (mut frame, interface) = (datagram.frame, datagram.interface);
        if self.filtered && !self.admits(rest, &tuple, &mut frame, offset, &mut segment, interface) {
            return;
        }
        let tcp = frame.bytes().get(offset..).unwrap_or_default();
        if !self.is_rightly_signed(rest, &tuple, tcp, &segment, interface) {
            return;
        }
        if let Some(id) = self.flows.find(&tuple) {
            let stands = self.flows.get(id).is_some_and(|flow| flow.opening.answered.is_none());
            if !stands && self.is_repeated_syn(id, &tuple, &segment) {
                return self.half_open_input(rest, tuple, frame, offset, segment, interface);
            }
            return self.flow_input(rest, id, frame, offset, segment);
        }
        if self.half_open.contains(&tuple) {
            return self.half_open_input(rest, tuple, frame, offset, segment, interface);
        }
        let mut after = None;
        if let Some(entry) = self.time_waits.get(&tuple).cloned() {
            match entry.judge(&segment) {
                Verdict::Drop => return rest.net.note(Reason::TcpTimeWait, Some(interface), None),
                Verdict::Ack => {
                    rest.net.note(Reason::TcpTimeWait, Some(interface), None);
                    if self.challenges.allow(rest.net.now) {
                        let mut frame = entry.ack().frame(&tuple, entry.ttl, &rest.net.pool);
                        sign(&mut frame, &tuple, entry.signature.as_ref());
                        let hints = Hints {
                            interface: handshake::scope(None, &tuple, interface),
                            source: Some(tuple.local),
                            ..Hints::default()
                        };
                        handshake::send(rest, frame, None, hints);
                    }
                    return;
                }
                Verdict::Reopen => {
                    rest.net.note(Reason::TcpTimeWaitReused, Some(interface), None);
                    self.end_time_wait(rest, &tuple);
                    after = Some(entry.snd_nxt);
                }
            }
        }
        let opens = segment.has(SYN) && !segment.has(ACK | RST | FIN);
        if opens && self.syn(rest, tuple, frame.bytes(), offset, &segment, interface, after) {
            return;
        }
        let lot = self.keyed.hash(&tuple);
        let listener = self.listeners.choose(rest.sockets, tuple.local, tuple.local_port, interface, lot);
        // RFC 9293 3.10.7.2: of a segment for a listener without RST, ACK and SYN, "This should not be reached. Drop the
        // segment and return." Linux drops SYN with FIN there too. (It is how scanners tell an open port.)
        if listener.is_some() && !segment.has(ACK | RST) {
            return rest.net.note(Reason::TcpNoSyn, Some(interface), listener);
        }
        self.refuse(rest, &tuple, &segment, interface);
    }

    /// Who will take a segment. In TIME_WAIT nobody looks at filters and signatures any more (tcp_v4_rcv), but who takes it over is a
    /// listener.
    pub(super) fn taker(
        &self,
        rest: &Rest<'_>,
        tuple: &Tuple,
        segment: &Segment,
        interface: IfIndex,
    ) -> Option<Taker<'_>> {
        if let Some(flow) = self.flows.find(tuple).and_then(|id| self.flows.get(id)) {
            return Some(Taker::Flow(flow));
        }
        if let Some(half) = self.half_open.get(tuple) {
            return Some(Taker::HalfOpen(half));
        }
        if self.time_waits.get(tuple).is_some() && !segment.has(SYN) {
            return None;
        }
        let lot = self.keyed.hash(tuple);
        let listener = self.listeners.choose(rest.sockets, tuple.local, tuple.local_port, interface, lot)?;
        Some(Taker::Listener(listener))
    }

    /// tcp_filter: false if the filter of the socket that the segment is for refuses it. What the filter lets through always
    /// has its header; data that it cuts off are as if they had been lost.
    fn admits(
        &self,
        rest: &mut Rest<'_>,
        tuple: &Tuple,
        frame: &mut Frame,
        offset: usize,
        segment: &mut Segment,
        interface: IfIndex,
    ) -> bool {
        let socket = match self.taker(rest, tuple, segment, interface) {
            Some(Taker::Flow(flow)) => flow.owner.or(flow.listener),
            Some(Taker::HalfOpen(half)) => Some(half.listener),
            Some(Taker::Listener(listener)) => Some(listener),
            None => None,
        };
        let Some(entry) = socket.and_then(|id| rest.sockets.get(id).ok()) else { return true };
        let (hops, least) = match tuple.remote {
            IpAddr::V4(_) => (frame.bytes().get(8), entry.options.min_ttl),
            IpAddr::V6(_) => (frame.bytes().get(7), entry.options.min_hops),
        };
        // RFC 5082 (tcp_v4_rcv): from further away than the program believes its peer to be.
        if hops.is_some_and(|hops| *hops < least) {
            rest.net.note(Reason::TcpMinTtl, Some(interface), socket);
            return false;
        }
        if entry.filter.is_none() {
            return true;
        }
        let facts = facts(frame.bytes(), offset, interface, rest.net.random() as u32);
        let Some(kept) = entry.admits(frame.bytes(), &facts) else {
            rest.net.note(Reason::SocketFilter, Some(interface), socket);
            return false;
        };
        let data = kept.saturating_sub(segment.header);
        if data < segment.payload {
            cut(frame, offset, segment, data);
        }
        true
    }

    /// RFC 9293 3.10.7.1: "All data in the incoming segment is discarded. ... An incoming segment not containing a RST causes
    /// a RST to be sent in response."
    pub(super) fn refuse(
        &mut self,
        rest: &mut Rest<'_>,
        tuple: &Tuple,
        segment: &Segment,
        interface: IfIndex,
    ) {
        if segment.has(RST) || rest.net.is_shadow(interface) {
            return rest.net.note(Reason::TcpNoSocket, Some(interface), None);
        }
        if rest.net.config.no_rst.silences([tuple.local_port, tuple.remote_port]) {
            return rest.net.note(Reason::TcpRstSilenced, Some(interface), None);
        }
        rest.net.note(Reason::TcpNoSocket, Some(interface), None);
        // RFC 9293 3.10.7.1: "If the ACK bit is off, sequence number zero is used, <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>.
        // If the ACK bit is on, <SEQ=SEG.ACK><CTL=RST>."
        let reset = if segment.has(ACK) {
            Bare { seq: segment.ack, ack: None, window: 0, flag: Flag::Rst }
        } else {
            Bare { seq: 0, ack: Some(segment.end()), window: 0, flag: Flag::Rst }
        };
        let hints = Hints {
            interface: handshake::scope(None, tuple, interface),
            source: Some(tuple.local),
            ..Hints::default()
        };
        let mut frame = reset.frame(tuple, rest.net.config.ttl(tuple.remote), &rest.net.pool);
        sign(&mut frame, tuple, self.key_of_answer(rest, tuple, segment, interface).as_ref());
        handshake::send(rest, frame, None, hints);
    }

    /// A segment of a connection.
    pub(super) fn flow_input(
        &mut self,
        rest: &mut Rest<'_>,
        id: FlowId,
        mut frame: Frame,
        offset: usize,
        mut segment: Segment,
    ) {
        let Some(flow) = self.flows.get_mut(id) else { return };
        let was = flow.snapshot();
        if data_after_close(flow, &segment) {
            rest.net.note(Reason::TcpDataAfterClose, None, None);
            flow.connection.abort();
            return self.transmit(rest, id, was, Cause::Here);
        }
        match judge(flow, &segment) {
            Judgement::Take => {}
            Judgement::TakeAs { ack, window } => {
                if let Some(tcp) = frame.bytes_mut().get_mut(offset..) {
                    set_ack(tcp, ack, window);
                }
            }
            Judgement::Ignore => {
                flow.seen.heard = rest.net.now;
                flow.probes = 0;
                return;
            }
            Judgement::Drop(reason) => return rest.net.note(reason, None, flow.owner),
            Judgement::Challenge(reason) => return self.challenge(rest, id, reason),
        }
        let now = rest.net.now;
        if flow.state() == TcpState::SynReceived {
            learn_window(&mut self.engine, flow, now, &rest.net.pool);
        }
        if flow.state() != TcpState::SynSent {
            cut_to_window(flow, &mut frame, offset, &mut segment);
        }
        let next = flow.rcv_nxt();
        let acceptable = was.state == TcpState::SynSent || in_window(flow, &segment);
        if acceptable {
            let data = offset + segment.header;
            let payload = frame.bytes().get(data..data + segment.payload).unwrap_or_default();
            if flow.hear_urgent(&segment, payload)
                && let Some(owner) = flow.owner
            {
                rest.ready.wake(owner);
            }
        }
        if was.state == TcpState::SynSent
            && let Some(tcp) = frame.bytes_mut().get_mut(offset..)
        {
            flow.hide_acknowledged(tcp, &segment);
        }
        let mut out = std::mem::take(&mut self.out);
        let mtu = flow.mtu();
        for step in flow.stretched(&segment, &rest.net.pool) {
            self.engine.segment(&mut flow.connection, mtu, now, step.bytes(), &mut out, &rest.net.pool);
        }
        self.engine.segment(&mut flow.connection, mtu, now, frame.bytes(), &mut out, &rest.net.pool);
        let is = flow.snapshot();
        if !segment.has(RST) {
            let progress = segment.has(ACK) && was.acknowledged(&is);
            let tcp = frame.bytes().get(offset..).unwrap_or_default();
            // A SYN that the engine did not take must not change what is known of the peer.
            if !segment.has(SYN) || was.state != is.state {
                flow.seen.received(now, tcp, &segment, acceptable, progress);
            }
            flow.probes = 0;
            let opens = matches!(was.state, TcpState::SynSent | TcpState::SynReceived);
            if segment.payload > 0 {
                flow.seen.data_received(&segment, next);
                flow.spend_quick_ack();
            }
            if progress {
                flow.soft_error = None;
                self.recovered(rest, id, &mut out);
            } else if flow.seen.duplicate_acks == 3 {
                // RFC 5681 3.2: the engine is about to send the missing segment again.
                flow.recover.get_or_insert(flow.seen.snd_max);
            }
            if opens {
                self.opened(rest, id, segment.ack);
            }
        }
        let cause = if segment.has(RST) { Cause::Reset } else { Cause::Segment };
        if self.retransmission == Reason::TcpRtoRetransmit {
            // No timer has run out: what is sent again now, duplicate ACKs have called for.
            self.retransmission = Reason::TcpFastRetransmit;
        }
        self.emit(rest, id, &mut out);
        self.out = out;
        self.transmit(rest, id, was, cause);
    }

    /// An ACK that tells a suspicious sender where we are.
    fn challenge(&mut self, rest: &mut Rest<'_>, id: FlowId, reason: Reason) {
        let now = rest.net.now;
        let Some(flow) = self.flows.get_mut(id) else { return };
        if now < flow.next_challenge || !self.challenges.allow(now) {
            return rest.net.note(Reason::TcpChallengeLimited, None, flow.owner);
        }
        flow.next_challenge = now + CHALLENGE_GAP;
        rest.net.note(reason, None, flow.owner);
        let frame = flow.ack().frame(&flow.tuple, flow.settings.tuning.ttl, &rest.net.pool);
        let mut out = vec![frame];
        self.emit(rest, id, &mut out);
    }
}

/// RFC 9293 3.6.1: "if new data is received after CLOSE is called, its TCP implementation SHOULD send a RST to show that data
/// was lost".
fn data_after_close(flow: &Flow, segment: &Segment) -> bool {
    let waiting = matches!(flow.state(), TcpState::FinWait1 | TcpState::FinWait2);
    let end = segment.seq.wrapping_add(segment.payload as u32);
    flow.orphaned.is_some()
        && waiting
        && segment.payload > 0
        && !segment.has(RST | SYN)
        && before(flow.rcv_nxt(), end)
        && in_window(flow, segment)
}

/// The engine believes that the window of its SYN|ACK is scaled like those of all other segments, and so may exceed the ring: it
/// would take what that can't hold. A probe makes it say, and from then on know, how much it really takes.
fn learn_window(engine: &mut Engine, flow: &mut Flow, now: Instant, pool: &Pool) {
    let seen = &flow.seen;
    let ack = Some(seen.iss.wrapping_add(1));
    let probe = Bare { seq: seen.irs, ack, window: seen.window_field, flag: Flag::None };
    let frame = probe.as_if_from_remote_with(&flow.tuple, &[0], pool);
    let mtu = flow.mtu();
    engine.segment(&mut flow.connection, mtu, now, frame.bytes(), &mut Vec::new(), pool);
    flow.seen.our_window = flow.window();
}

/// RFC 9293 3.10.7.4: "If the segment does not fit in the window, it should be trimmed to fit": the data beyond the window's end
/// go, and with them the FIN behind them (the engine would take it, and the stream would end too early).
fn cut_to_window(flow: &Flow, frame: &mut Frame, offset: usize, segment: &mut Segment) {
    let edge = flow.seen.told_edge();
    let end = segment.seq.wrapping_add(segment.payload as u32);
    if !before(edge, end) || !before(segment.seq, edge) {
        return;
    }
    cut(frame, offset, segment, edge.wrapping_sub(segment.seq) as usize);
}

/// Cuts a segment after this much data; the FIN behind them goes too.
fn cut(frame: &mut Frame, offset: usize, segment: &mut Segment, payload: usize) {
    segment.payload = payload;
    segment.flags &= !FIN;
    let len = offset + segment.header + segment.payload;
    frame.truncate(len);
    let packet = frame.bytes_mut();
    let (at, value) =
        if packet.first().is_some_and(|first| first >> 4 == 4) { (2, len) } else { (4, len - offset) };
    if let Some(field) = packet.get_mut(at..at + 2) {
        field.copy_from_slice(&(value as u16).to_be_bytes());
    }
    if let Some(flags) = packet.get_mut(offset + 13) {
        *flags &= !FIN;
    }
}

/// Makes an IPv6 packet with extension headers one without: the engine would refuse it. Gives where TCP begins.
fn without_extensions(datagram: &mut Datagram) -> usize {
    const IPV6: usize = 40;
    if datagram.source.is_ipv4() || datagram.header <= IPV6 {
        return datagram.header;
    }
    let mut head = [0; IPV6];
    if let Some(first) = datagram.frame.bytes().first_chunk::<IPV6>() {
        head = *first;
    }
    datagram.frame.pull(datagram.header - IPV6);
    let len = datagram.frame.len().saturating_sub(IPV6).min(65_535) as u16;
    head[4..6].copy_from_slice(&len.to_be_bytes());
    head[6] = 6;
    if let Some(first) = datagram.frame.bytes_mut().first_chunk_mut::<IPV6>() {
        *first = head;
    }
    datagram.header = IPV6;
    IPV6
}
