//! Which segments of a connection the engine gets to see: the rules of RFC 9293 3.10.7.4 and RFC 5961 that it lacks.

use super::flow::Flow;
use super::segment::{ACK, FIN, RST, SYN, Segment, before};
use crate::base::{Reason, TcpState};

/// What becomes of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// The engine gets it.
    Take,
    /// The engine gets it with this acknowledgement and window field: its own are older than what is known.
    TakeAs { ack: u32, window: u16 },
    /// Nothing happens.
    Drop(Reason),
    /// An old duplicate ACK: nothing happens, and nothing is wrong.
    Ignore,
    /// An ACK says where we are; a peer that means it comes back with the right number.
    Challenge(Reason),
}

/// Judges a segment of a connection.
pub(super) fn judge(flow: &Flow, segment: &Segment) -> Judgement {
    // In SYN-SENT nothing is known of the peer's numbers yet; the engine checks the acknowledgement.
    if flow.state() == TcpState::SynSent {
        return Judgement::Take;
    }
    let seen = &flow.seen;
    let next = flow.rcv_nxt();
    if segment.has(RST) {
        // RFC 5961 3.2: "If the RST bit is set and the sequence number exactly matches the next expected sequence number
        // (RCV.NXT), then TCP MUST reset the connection."
        if segment.seq == next {
            return Judgement::Take;
        }
        let edge = next.wrapping_add(flow.rcv_wnd());
        // "If the RST bit is set and the sequence number does not exactly match the next expected sequence value, yet is
        // within the current receive window, TCP MUST send an acknowledgment (challenge ACK)."
        return if !before(segment.seq, next) && before(segment.seq, edge) {
            Judgement::Challenge(Reason::TcpChallengeAck)
        } else {
            Judgement::Drop(Reason::TcpRstOutOfWindow)
        };
    }
    if segment.has(SYN) {
        // The other side of a simultaneous open repeats its SYN, or answers ours.
        if flow.state() == TcpState::SynReceived && segment.seq == seen.irs {
            return Judgement::Take;
        }
        // RFC 5961 4.2: "If the SYN bit is set, irrespective of the sequence number, TCP MUST send an ACK (also referred to
        // as challenge ACK) to the remote peer."
        return Judgement::Challenge(Reason::TcpChallengeAck);
    }
    // RFC 9293 3.10.7.4: "if the ACK bit is off drop the segment and return".
    if !segment.has(ACK) {
        return Judgement::Drop(Reason::TcpOutOfWindow);
    }
    if flow.state() == TcpState::SynReceived {
        return Judgement::Take;
    }
    // RFC 9293 3.10.7.4: "If the ACK acks something not yet sent (SEG.ACK > SND.NXT) then send an ACK, drop the segment".
    if before(seen.snd_max, segment.ack) {
        return Judgement::Challenge(Reason::TcpChallengeAck);
    }
    if before(segment.ack, seen.snd_una) {
        // RFC 5961 5.2: "The ACK value is considered acceptable only if it is in the range of
        // ((SND.UNA - MAX.SND.WND) <= SEG.ACK <= SND.NXT)."
        if before(segment.ack, seen.snd_una.wrapping_sub(seen.max_wnd)) {
            return Judgement::Challenge(Reason::TcpChallengeAck);
        }
        // Overtaken on its way. What it carries counts; its acknowledgement and window say nothing new.
        return if segment.payload > 0 || segment.has(FIN) {
            Judgement::TakeAs { ack: seen.snd_una, window: seen.window_field }
        } else {
            Judgement::Ignore
        };
    }
    // Everything is acknowledged, our FIN too: a closed window closes nothing any more. The engine would go on probing it from
    // FIN-WAIT-2, without ever setting the timer again.
    let closing = matches!(flow.state(), TcpState::FinWait1 | TcpState::FinWait2);
    if closing && segment.window == 0 && segment.ack == seen.snd_max {
        return Judgement::TakeAs { ack: segment.ack, window: 1 };
    }
    Judgement::Take
}

/// RFC 9293 3.10.7.4, table 6: is any of it in the window? (The engine judges so too, and answers what is not with an ACK.)
pub(super) fn in_window(flow: &Flow, segment: &Segment) -> bool {
    let next = flow.rcv_nxt();
    let edge = flow.seen.told_edge();
    let last = segment.seq.wrapping_add(segment.payload as u32);
    if segment.payload == 0 {
        return segment.seq == next || !before(segment.seq, next) && before(segment.seq, edge);
    }
    edge != next
        && (!before(segment.seq, next) && before(segment.seq, edge)
            || before(next, last) && !before(edge, last))
}
