//! The passive open (RFC 9293 3.5): a SYN for a listener, the SYN|ACK and its repetitions, the final ACK.

use super::flow::Flow;
use super::flows::FlowId;
use super::flows::Timer;
use super::listen::HalfOpen;
use super::segment::{self, ACK, Bare, Flag, RST, SYN, Segment, SynOptions, Tuple, before};
use super::signature::sign;
use super::{Rest, Tcp, fast_open, isn};
use crate::base::{Checksum, Errno, Frame, IfIndex, Instant, Reason, SocketId};
use crate::stack::Hints;
use std::time::Duration;

use super::flow::Settings;

/// RFC 6298 2.1: the first repetition after one second, then twice as long each time.
const FIRST_WAIT: Duration = Duration::from_secs(1);

impl Tcp {
    /// A SYN of which no connection knows. False if nobody listens. `after`: the last sequence number of the connection whose
    /// TIME_WAIT it ends.
    #[allow(clippy::too_many_arguments)] // one caller
    pub(super) fn syn(
        &mut self,
        rest: &mut Rest<'_>,
        tuple: Tuple,
        packet: &[u8],
        offset: usize,
        segment: &Segment,
        interface: IfIndex,
        after: Option<u32>,
    ) -> bool {
        let lot = self.keyed.hash(&tuple);
        let chosen = self.listeners.choose(rest.sockets, tuple.local, tuple.local_port, interface, lot);
        let Some(id) = chosen else { return false };
        let (Some(listener), Ok(entry)) = (self.listeners.get(id), rest.sockets.get(id)) else {
            return false;
        };
        // Linux: full queues drop the SYN in silence; the client tries again, and finds room by then.
        let crowded = listener.half_open >= rest.net.config.max_syn_backlog;
        // RFC 4987 3.4: under a flood the oldest one makes room; a client that is there has answered long since.
        let victim = if crowded { self.half_open.oldest(id) } else { None };
        let refusal = if listener.is_full() {
            Some(Reason::TcpBacklogFull)
        } else if crowded && victim.is_none() {
            Some(Reason::TcpSynQueueFull)
        } else if self.flows.len() + self.half_open.len() >= rest.net.config.max_sockets {
            Some(Reason::TcpTooManyFlows)
        } else {
            None
        };
        if let Some(reason) = refusal {
            rest.net.note(reason, Some(interface), Some(id));
            return true;
        }
        let standing = listener.fast_open;
        if let Some(victim) = victim {
            rest.net.note(Reason::TcpSynQueueFull, Some(interface), Some(id));
            self.forget_half_open(&victim);
        }
        let hints = Hints {
            interface: scope(entry.device, &tuple, interface),
            source: Some(tuple.local),
            direct: entry.options.dont_route,
            any_source: entry.options.transparent,
        };
        let path = match rest.net.path(tuple.remote, hints) {
            Ok(path) => path,
            Err(error) => {
                rest.net.note(error.reason(), Some(interface), Some(id));
                return true;
            }
        };
        let settings = Settings::of(&entry.options, &rest.net.config, tuple.remote);
        let mtu = announced(path.link_mtu, settings.maxseg, &tuple);
        let now = rest.net.now;
        // RFC 9293 3.6.1: who reopens "assigns its initial sequence number for the new connection to be larger than the largest
        // sequence number it used on the previous connection incarnation" (as Linux does, by a window more).
        let isn = match after {
            Some(last) => last.wrapping_add(65_537),
            None => isn::isn(&self.keyed, &tuple, now),
        };
        // RFC 9293 3.10.7.2: data in a SYN may wait; the client sends it again after our ACK.
        let syn = whole_header(packet, offset, segment);
        let tcp = packet.get(offset..).unwrap_or_default();
        let asked = SynOptions::parse(tcp, segment.header).cookie;
        let has_data = segment.payload > 0;
        let config = &rest.net.config;
        let fast = fast_open::answer(&entry.options, config, standing, &tuple, asked, has_data);
        let receive = settings.rings.receive;
        let Some(mut syn_ack) = self.engine.syn_ack(&syn, isn, receive, mtu, now, &rest.net.pool) else {
            rest.net.note(Reason::TcpMalformed, Some(interface), Some(id));
            return true;
        };
        if let Some(clamp) = settings.window_clamp {
            super::output::clamp_window(syn_ack.bytes_mut(), &tuple, clamp, 0);
        }
        segment::set_tos(syn_ack.bytes_mut(), settings.tos);
        if let Some(cookie) = fast.cookie {
            fast_open::add(&mut syn_ack, &tuple, Some(&cookie), &[]);
        }
        if fast.opens {
            segment::edit(syn_ack.bytes_mut(), &tuple, |head| {
                head[8..12].copy_from_slice(&segment.end().to_be_bytes());
            });
        }
        let signature = entry.options.signatures.find(tuple.remote);
        sign(&mut syn_ack, &tuple, signature.as_ref());
        let at = now + FIRST_WAIT;
        let mut half = HalfOpen {
            number: 0,
            listener: id,
            flow: None,
            syn,
            syn_ack: syn_ack.bytes().into(),
            isn,
            irs: segment.seq,
            acknowledged: false,
            retries: 0,
            begun: now,
            at,
            hints,
            mtu: (path.link_mtu, path.mtu),
            settings,
            signature,
        };
        if fast.opens {
            half.flow = self.stand(rest, tuple, &half);
        }
        let stands = half.flow;
        if let Some(listener) = self.listeners.get_mut(id) {
            listener.half_open += 1;
            listener.fast_open += usize::from(stands.is_some());
        }
        let number = self.half_open.insert(tuple, half);
        self.timers.set(at, Timer::HalfOpen(number));
        send(rest, syn_ack, settings.flow_label, hints);
        if let Some(id) = stands {
            self.take_syn_data(rest, id, segment, tcp.get(segment.header..).unwrap_or_default());
        }
        true
    }

    /// The data of a SYN that was answered at once, as if its sender's final ACK had brought them.
    fn take_syn_data(&mut self, rest: &mut Rest<'_>, id: FlowId, syn: &Segment, data: &[u8]) {
        let Some(flow) = self.flows.get_mut(id) else { return };
        flow.opening.answered = Some(syn.end());
        flow.opening.carried = !data.is_empty();
        flow.seen.stop_timing();
        let ack = Some(flow.seen.iss.wrapping_add(1));
        // RFC 7323 2.2: the window of a SYN is not scaled.
        let window = (syn.window >> flow.seen.snd_scale).max(1);
        let bare = Bare { seq: syn.seq.wrapping_add(1), ack, window, flag: Flag::None };
        let frame = bare.as_if_from_remote_with(&flow.tuple, data, &rest.net.pool);
        let offset = Segment::offset(frame.bytes());
        let Some(segment) = frame.bytes().get(offset..).and_then(Segment::parse) else { return };
        self.flow_input(rest, id, frame, offset, segment);
    }

    /// A half-open connection becomes one that accept(2) returns.
    fn stand(&mut self, rest: &mut Rest<'_>, tuple: Tuple, half: &HalfOpen) -> Option<FlowId> {
        let (listener, now) = (half.listener, rest.net.now);
        let mtu = announced(half.mtu.0, half.settings.maxseg, &tuple);
        let pool = rest.net.pool.clone();
        let connection = self.engine.accept(&half.syn, half.isn, half.rings(), mtu, now, &pool)?;
        let mut flow = Flow::new(tuple, connection, half.settings, half.hints, half.mtu, now);
        (flow.listener, flow.signature) = (Some(listener), half.signature.clone());
        if rest.sockets.get(listener).is_ok_and(|entry| entry.options.tcp.save_syn != 0) {
            flow.saved_syn = Some(half.syn.clone());
        }
        for packet in [&half.syn, &half.syn_ack] {
            let tcp = &packet[Segment::offset(packet)..];
            let segment = Segment::parse(tcp)?;
            if segment.has(ACK) {
                flow.seen.sent(half.begun, tcp, &segment);
            } else {
                flow.seen.received(now, tcp, &segment, true, false);
            }
        }
        if half.retries > 0 || half.acknowledged {
            // This is not the answer to the first SYN|ACK: it measures no round trip.
            flow.seen.stop_timing();
        }
        let id = self.flows.insert(flow);
        if let Some(listener) = self.listeners.get_mut(listener) {
            listener.queue.push_back(id);
        }
        rest.ready.wake(listener);
        Some(id)
    }

    /// A segment for a half-open connection.
    pub(super) fn half_open_input(
        &mut self,
        rest: &mut Rest<'_>,
        tuple: Tuple,
        frame: Frame,
        offset: usize,
        segment: Segment,
        interface: IfIndex,
    ) {
        let Some(half) = self.half_open.get_mut(&tuple) else { return };
        let (listener, hints) = (half.listener, half.hints);
        let next = half.irs.wrapping_add(1);
        if segment.has(RST) {
            // RFC 9293 3.10.7.4: of a passive open, "return to LISTEN"; RFC 5961 3.2: only the exact number counts.
            if segment.seq == next {
                rest.net.note(Reason::TcpReset, None, Some(listener));
                self.forget_half_open(&tuple);
            } else {
                rest.net.note(Reason::TcpRstOutOfWindow, None, Some(listener));
            }
            return;
        }
        if segment.has(SYN) {
            if segment.seq == half.irs && !segment.has(ACK) {
                let (again, label) = (copy(rest, &half.syn_ack), half.settings.flow_label);
                send(rest, again, label, hints);
            } else {
                self.challenge_from(rest, &tuple, next, hints, listener);
            }
            return;
        }
        if !segment.has(ACK) {
            return;
        }
        // RFC 9293 3.10.7.4: in SYN-RECEIVED, "if the segment acknowledgment is not acceptable, form a reset segment".
        if segment.ack != half.isn.wrapping_add(1) {
            self.refuse(rest, &tuple, &segment, interface);
            return;
        }
        // RFC 9293 3.10.7.4, table 6. RFC 7323 2.2: "The window field in a segment where the SYN bit is set (i.e., a <SYN> or
        // <SYN,ACK>) MUST NOT be scaled."
        let edge = next.wrapping_add(half.rings().receive.min(65_535) as u32);
        let data = segment.seq.wrapping_add(segment.payload as u32);
        if segment.seq != next && !before(next, data) || !before(segment.seq, edge) {
            self.challenge_from(rest, &tuple, next, hints, listener);
            return;
        }
        // tcp_check_req: "While TCP_DEFER_ACCEPT is active, drop bare ACK."
        let patience = rest.sockets.get(listener).map_or(0, |entry| entry.options.defer_accept);
        if half.retries < patience && segment.end() == next {
            half.acknowledged = true;
            return rest.net.note(Reason::TcpDeferred, None, Some(listener));
        }
        // Linux: the final ACK is dropped while the queue is full. The client believes it is connected; what it sends, or our
        // SYN|ACK's repetition, brings the next chance.
        if self.listeners.get(listener).is_none_or(super::listen::Listener::is_full) {
            rest.net.note(Reason::TcpBacklogFull, None, Some(listener));
            return;
        }
        let Some(half) = self.forget_half_open(&tuple) else { return };
        let Some(id) = self.stand(rest, tuple, &half) else { return };
        self.flow_input(rest, id, frame, offset, segment);
    }

    /// Takes a half-open connection out of everything.
    pub(super) fn forget_half_open(&mut self, tuple: &Tuple) -> Option<Box<HalfOpen>> {
        let half = self.half_open.remove(tuple)?;
        self.timers.cancel(half.at, Timer::HalfOpen(half.number));
        if let Some(listener) = self.listeners.get_mut(half.listener) {
            listener.half_open = listener.half_open.saturating_sub(1);
            listener.fast_open = listener.fast_open.saturating_sub(usize::from(half.flow.is_some()));
        }
        Some(half)
    }

    /// The SYN|ACK's timer ran out.
    pub(super) fn half_open_timer(&mut self, rest: &mut Rest<'_>, number: u64) {
        let Some(tuple) = self.half_open.tuple(number) else { return };
        let Some(half) = self.half_open.get_mut(&tuple) else { return };
        // tcp_fastopen_synack_timer: "Add one more retry for fastopen."
        let retries = rest.net.config.synack_retries + u32::from(half.flow.is_some());
        let (hints, listener) = (half.hints, half.listener);
        let patience = rest.sockets.get(listener).map_or(0, |entry| entry.options.defer_accept);
        // syn_ack_recalc: a client that only has nothing to say yet is waited for as long as TCP_DEFER_ACCEPT says.
        if half.retries >= retries && (!half.acknowledged || half.retries >= patience) {
            rest.net.note(Reason::TcpHalfOpenTimeout, None, Some(listener));
            let half = self.forget_half_open(&tuple);
            if let Some(id) = half.and_then(|half| half.flow) {
                self.end(rest, id, Some(Errno::ETIMEDOUT.because(Reason::TcpHalfOpenTimeout)));
            }
            return;
        }
        half.retries += 1;
        half.at = rest.net.now + FIRST_WAIT * 2u32.saturating_pow(half.retries.min(6));
        let silent = half.acknowledged && half.retries < patience;
        self.timers.set(half.at, Timer::HalfOpen(number));
        if silent {
            return;
        }
        let (again, label) = (copy(rest, &half.syn_ack), half.settings.flow_label);
        rest.net.note(Reason::TcpRtoRetransmit, None, Some(listener));
        send(rest, again, label, hints);
    }

    fn challenge_from(
        &mut self,
        rest: &mut Rest<'_>,
        tuple: &Tuple,
        next: u32,
        hints: Hints,
        listener: SocketId,
    ) {
        let Some(half) = self.half_open.get_mut(tuple) else { return };
        let bare =
            Bare { seq: half.isn.wrapping_add(1), ack: Some(next), window: u16::MAX, flag: Flag::None };
        let (ttl, label) = (half.settings.tuning.ttl, half.settings.flow_label);
        if self.challenges.allow(rest.net.now) {
            rest.net.note(Reason::TcpChallengeAck, None, Some(listener));
            let mut frame = bare.frame(tuple, ttl, &rest.net.pool);
            sign(&mut frame, tuple, half.signature.as_ref());
            send(rest, frame, label, hints);
        } else {
            rest.net.note(Reason::TcpChallengeLimited, None, Some(listener));
        }
    }
}

/// The MTU from which a SYN's MSS is made: the link's, lowered by TCP_MAXSEG.
pub(super) fn announced(link_mtu: usize, maxseg: u16, tuple: &Tuple) -> usize {
    match maxseg {
        0 => link_mtu,
        maxseg => link_mtu.min(usize::from(maxseg) + tuple.headers()),
    }
}

/// Answers go where the device option says, or (to link-local addresses) where the question came from.
pub(super) fn scope(device: Option<IfIndex>, tuple: &Tuple, interface: IfIndex) -> Option<IfIndex> {
    let link_local = matches!(tuple.remote, std::net::IpAddr::V6(a) if a.is_unicast_link_local());
    if link_local { device.or(Some(interface)) } else { device }
}

/// The SYN's headers as a packet without payload.
fn whole_header(packet: &[u8], offset: usize, segment: &Segment) -> Box<[u8]> {
    let mut syn: Box<[u8]> = packet.get(..offset + segment.header).unwrap_or(packet).into();
    let len = syn.len();
    if packet.first().is_some_and(|first| first >> 4 == 4) {
        if let Some(field) = syn.get_mut(2..4) {
            field.copy_from_slice(&(len as u16).to_be_bytes());
        }
    } else if let Some(field) = syn.get_mut(4..6) {
        field.copy_from_slice(&((len - offset) as u16).to_be_bytes());
    }
    syn
}

fn copy(rest: &Rest<'_>, packet: &[u8]) -> Frame {
    let mut frame = rest.net.pool.frame(packet.len());
    frame.bytes_mut().copy_from_slice(packet);
    frame
}

/// Hands a finished packet down. That it can't go is counted below; the protocol repeats what matters.
pub(super) fn send(rest: &mut Rest<'_>, mut frame: Frame, flow_label: Option<u32>, hints: Hints) {
    frame.checksum = Checksum::Unverified;
    frame.time = rest.net.now;
    // An error here is like a loss on the way.
    let _lost = rest.net.send_packet(frame, flow_label, hints);
}

/// RFC 5961 7: challenge ACKs are limited, all of a host together.
#[derive(Debug, Default)]
pub(super) struct Challenges {
    since: Instant,
    sent: u32,
}

/// Challenge ACKs of a host in one second (net.ipv4.tcp_challenge_ack_limit was 1000).
const CHALLENGES: u32 = 1000;

impl Challenges {
    pub(super) fn allow(&mut self, now: Instant) -> bool {
        if now.since(self.since) >= Duration::from_secs(1) {
            (self.since, self.sent) = (now, 0);
        }
        self.sent += 1;
        self.sent <= CHALLENGES
    }
}
