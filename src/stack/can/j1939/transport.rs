//! The sessions of an interface: which one a frame is about, what becomes of its effects, and whose turn is next.

use std::time::Duration;

use super::names::is_unicast;
use super::session::*;
use super::{Due, Head, Network, Which};
use crate::base::constants::CAN_EFF_FLAG;
use crate::base::{Errno, IfIndex, Reason, SocketId};
use crate::stack::Stack;
use crate::wire::CanFrame;

/// The sender of frames that no socket sends: answers.
const NOBODY: SocketId = SocketId(0);

/// PF < 240: the frame has a destination (j1939_pgn_is_pdu1).
pub(super) fn has_destination(pgn: u32) -> bool {
    pgn >> 8 & 0xff < 0xf0
}

impl Head {
    /// The identifier of its frame (j1939_send_one).
    fn can_id(&self) -> u32 {
        let to = if has_destination(self.pgn) { u32::from(self.da) << 8 } else { 0 };
        CAN_EFF_FLAG | u32::from(self.priority) << 26 | self.pgn << 8 | to | u32::from(self.sa)
    }

    /// j1939_skbcb_swap.
    fn turned(self) -> Self {
        Self { src_name: self.dst_name, dst_name: self.src_name, sa: self.da, da: self.sa, ..self }
    }

    /// j1939_session_match, of a session's head and a frame's.
    fn matches(&self, other: &Self) -> bool {
        let source = if self.src_name != 0 { self.src_name == other.src_name } else { self.sa == other.sa };
        let to = if self.dst_name != 0 { self.dst_name == other.dst_name } else { self.da == other.da };
        source && to
    }
}

impl Network {
    fn find(&mut self, kind: Kind, head: &Head, sends: bool) -> Option<&mut Session> {
        self.sessions.iter_mut().find(|session| {
            session.state != State::New
                && session.kind == kind
                && session.socket.is_some() == sends
                && session.head.matches(head)
        })
    }

    fn session(&mut self, serial: u64) -> Option<&mut Session> {
        self.sessions.iter_mut().find(|session| session.serial == serial)
    }
}

impl Stack {
    /// One frame of a session. The names' addresses are looked up for each.
    fn j1939_frame(
        &mut self,
        network: &mut Network,
        interface: IfIndex,
        mut head: Head,
        data: &[u8],
        sender: SocketId,
    ) -> Result<Vec<u8>, Errno> {
        head.pgn &= if has_destination(head.pgn) { 0x3_ff00 } else { 0x3_ffff };
        network.names.fill(&mut head, data).map_err(|error| error.errno())?;
        let frame = CanFrame::new(head.can_id(), data).map_err(|error| error.errno())?;
        let sent = self.net.can_send(interface, frame.as_bytes(), sender, true);
        sent.map_err(|error| error.errno())?;
        Ok(frame.as_bytes().to_vec())
    }

    /// What an event of a session leads to, and what that leads to.
    pub(super) fn j1939_act(
        &mut self,
        network: &mut Network,
        interface: IfIndex,
        serial: u64,
        effects: Vec<Effect>,
    ) {
        let mut effects: std::collections::VecDeque<_> = effects.into();
        while let Some(effect) = effects.pop_front() {
            let Some(session) = network.session(serial) else { return };
            let due = |which| Due { interface, which };
            let (sends, expects) = (due(Which::Send(serial)), due(Which::Expect(serial)));
            let (head, pgn, etp) = (session.head, session.head.pgn, session.kind == Kind::Etp);
            let sent = match effect {
                Effect::SendIn(Duration::ZERO) => {
                    self.can.j1939_clocks.cancel(sends);
                    effects.extend(self.j1939_next(network, interface, serial));
                    continue;
                }
                Effect::SendIn(time) => {
                    self.can.j1939_clocks.set(sends, self.net.now + time);
                    continue;
                }
                Effect::ExpectIn(time) => {
                    self.can.j1939_clocks.set(expects, self.net.now + time);
                    continue;
                }
                Effect::NoSend => {
                    self.can.j1939_clocks.cancel(sends);
                    continue;
                }
                Effect::ExpectNothing => {
                    self.can.j1939_clocks.cancel(expects);
                    continue;
                }
                Effect::Control { bytes, back } => {
                    let [_, a, b, c] = pgn.to_be_bytes();
                    let data = [&bytes[..], &[c, b, a]].concat();
                    let head = if back { head.turned() } else { head };
                    let pgn = if etp { ETP_CONTROL } else { TP_CONTROL };
                    // j1939_tp_im_involved
                    if !network.names.is_own(head.sa) && session_is_received(network, serial) {
                        continue;
                    }
                    self.j1939_frame(network, interface, Head { pgn, ..head }, &data, NOBODY).map(drop)
                }
                Effect::Packet(data) => {
                    let pgn = if etp { ETP_DATA } else { TP_DATA };
                    self.j1939_frame(network, interface, Head { pgn, ..head }, &data, NOBODY).map(drop)
                }
                Effect::Frame => {
                    let (data, sender) = (session.message.clone(), session.socket.unwrap_or(NOBODY));
                    let sent = self.j1939_frame(network, interface, head, &data, sender);
                    sent.map(|frame| {
                        if let Some(session) = network.session(serial) {
                            session.frame = frame;
                        }
                    })
                }
                Effect::Tell(notice) => {
                    self.j1939_tell(network, interface, serial, notice);
                    continue;
                }
                Effect::Fail(errno) => {
                    if let Some(socket) = session.socket {
                        self.j1939_fails(socket, errno);
                    }
                    continue;
                }
                Effect::Deliver => {
                    let message = std::mem::take(&mut session.message);
                    self.j1939_deliver(interface, &head, &message, None, self.net.now);
                    continue;
                }
                Effect::Next => {
                    self.j1939_activate_next(network, interface, serial);
                    continue;
                }
                Effect::End => {
                    self.j1939_end_session(network, interface, serial);
                    return;
                }
            };
            if let (Err(errno), Some(session)) = (sent, network.session(serial)) {
                // "tx aborted": nothing of what should have followed is done.
                effects = session.did_not_leave(errno).into();
            }
        }
    }

    /// j1939_tp_txtimer.
    fn j1939_next(&mut self, network: &mut Network, interface: IfIndex, serial: u64) -> Vec<Effect> {
        let Some(head) = network.session(serial).map(|session| session.head) else { return Vec::new() };
        let heard = self.j1939_is_heard(interface, &head);
        network.session(serial).map(|session| session.send(heard)).unwrap_or_default()
    }

    /// j1939_session_deactivate_activate_next, j1939_session_destroy.
    fn j1939_end_session(&mut self, network: &mut Network, interface: IfIndex, serial: u64) {
        self.j1939_activate_next(network, interface, serial);
        let Some(at) = network.sessions.iter().position(|session| session.serial == serial) else { return };
        let (sends, failed) = {
            let session = &network.sessions[at];
            (session.socket, session.error.is_some())
        };
        match (sends, failed) {
            (Some(_), true) => self.j1939_tell(network, interface, serial, Notice::TxAbort),
            (Some(_), false) => self.j1939_tell(network, interface, serial, Notice::Acknowledged),
            (None, true) => self.j1939_tell(network, interface, serial, Notice::RxAbort),
            (None, false) => {}
        }
        network.sessions.remove(at);
        for which in [Which::Send(serial), Which::Expect(serial)] {
            self.can.j1939_clocks.cancel(Due { interface, which });
        }
        if let Some(socket) = sends {
            network.ended.push(socket);
            self.ready.wake(socket);
        }
    }

    /// j1939_session_activate: false if another of the same two is under way.
    pub(super) fn j1939_activate(network: &mut Network, serial: u64) -> bool {
        let Some(session) = network.session(serial) else { return false };
        let (kind, head, sends) = (session.kind, session.head, session.socket.is_some());
        if kind != Kind::Simple && network.find(kind, &head, sends).is_some() {
            return false;
        }
        if let Some(session) = network.session(serial) {
            session.state = State::Active;
        }
        true
    }

    /// j1939_sk_queue_activate_next.
    fn j1939_activate_next(&mut self, network: &mut Network, interface: IfIndex, serial: u64) {
        let Some(session) = network.session(serial).filter(|session| session.queued) else { return };
        session.queued = false;
        let (socket, failed) = (session.socket, session.error.is_some());
        loop {
            let mut queue = network.sessions.iter().filter(|next| next.queued && next.socket == socket);
            let Some(next) = queue.next().map(|next| next.serial) else { return };
            if Self::j1939_activate(network, next) {
                // "Give receiver some time (arbitrary chosen) to recover"
                let pause = Duration::from_millis(if failed { 10 + next % 16 } else { 0 });
                return self.j1939_act(network, interface, next, vec![Effect::SendIn(pause)]);
            }
            if let Some(next) = network.session(next) {
                (next.queued, next.error) = (false, Some(Errno::EBUSY));
            }
            self.j1939_end_session(network, interface, next);
        }
    }

    /// j1939_tp_recv: true if the frame was about a session.
    pub(super) fn j1939_transport(
        &mut self,
        network: &mut Network,
        interface: IfIndex,
        head: &Head,
        data: &[u8],
    ) -> bool {
        let own = |address| is_unicast(address) && network.names.is_own(address);
        let (from_us, to_us, to_all) = (own(head.sa), own(head.da), head.is_broadcast());
        if !(from_us || to_us || to_all) {
            return false;
        }
        let kind = if matches!(head.pgn, ETP_CONTROL | ETP_DATA) { Kind::Etp } else { Kind::Tp };
        match (head.pgn, data.first_chunk()) {
            (ETP_DATA | TP_DATA, _) => {
                for (concerned, sends) in [(from_us, true), (to_us || to_all, false)] {
                    if let Some(session) = network.find(kind, head, sends).filter(|_| concerned) {
                        let (serial, effects) = (session.serial, session.packet(data));
                        self.j1939_act(network, interface, serial, effects);
                    }
                }
                true
            }
            (ETP_CONTROL | TP_CONTROL, Some(data)) => {
                let sides = [(from_us, true), (to_us, false)];
                for (_, is_source) in sides.into_iter().filter(|(concerned, _)| *concerned) {
                    self.j1939_command(network, interface, kind, head, data, is_source);
                }
                if to_all && !to_us {
                    self.j1939_command(network, interface, kind, head, data, false);
                }
                true
            }
            _ => false,
        }
    }

    /// j1939_tp_cmd_recv, for one of the two ends: the frame's source, or its destination.
    fn j1939_command(
        &mut self,
        network: &mut Network,
        interface: IfIndex,
        kind: Kind,
        head: &Head,
        data: &[u8; 8],
        is_source: bool,
    ) {
        let [command, .., a, b, c] = *data;
        let pgn = u32::from_le_bytes([a, b, c, 0]);
        let pgn = if has_destination(pgn) { pgn & 0xff_ff00 } else { pgn };
        let (extended, to_all) = (kind == Kind::Etp, head.is_broadcast());
        // Who sends the message: of commands that go back the frame's destination.
        let ends = match command {
            TP_RTS | ETP_RTS | ETP_DPO if !to_all => vec![(*head, is_source)],
            TP_BAM if to_all => vec![(*head, is_source)],
            TP_CTS | ETP_CTS | TP_EOMA | ETP_EOMA => vec![(head.turned(), !is_source)],
            // Either end may give up. (j1939_xtp_rx_abort looks for one's own message only if one has aborted it oneself.)
            ABORT if !to_all => vec![(*head, is_source), (head.turned(), !is_source)],
            _ => return,
        };
        let fits = match command {
            TP_RTS | TP_BAM | TP_CTS | TP_EOMA => !extended,
            ABORT => true,
            _ => extended,
        };
        for (ends, sends) in ends.into_iter().filter(|_| fits) {
            let Some(session) = network.find(kind, &ends, sends) else {
                if matches!(command, TP_RTS | ETP_RTS | TP_BAM) && !sends {
                    self.j1939_is_asked(network, interface, head, data, pgn);
                }
                continue;
            };
            let serial = session.serial;
            let asks = matches!(command, TP_RTS | ETP_RTS | TP_BAM);
            if let Some(why) = session.other_pgn(command, pgn).filter(|_| !(asks && sends)) {
                if let Some(why) = why {
                    self.j1939_refuse(network, interface, head, why, pgn, extended);
                }
                continue;
            }
            let effects = match command {
                TP_CTS | ETP_CTS => session.cleared(data),
                ETP_DPO => session.offset(data),
                TP_EOMA | ETP_EOMA => session.acknowledged(),
                ABORT => session.aborted(Why(data[1])),
                _ => session.asked(command, head),
            };
            self.j1939_act(network, interface, serial, effects);
        }
    }

    /// j1939_xtp_tx_abort, of no session: back to who has sent it.
    fn j1939_refuse(
        &mut self,
        network: &mut Network,
        interface: IfIndex,
        head: &Head,
        why: Why,
        pgn: u32,
        extended: bool,
    ) {
        if !network.names.is_own(head.da) {
            return;
        }
        let [_, a, b, c] = pgn.to_be_bytes();
        let data = [ABORT, why.0, 0xff, 0xff, 0xff, c, b, a];
        let pgn = if extended { ETP_CONTROL } else { TP_CONTROL };
        let back = Head { pgn, ..head.turned() };
        // Who does not get it has a clock.
        if self.j1939_frame(network, interface, back, &data, NOBODY).is_err() {
            self.net.note(Reason::J1939Lost, Some(interface), None);
        }
    }

    /// j1939_xtp_rx_rts_session_new.
    fn j1939_is_asked(
        &mut self,
        network: &mut Network,
        interface: IfIndex,
        head: &Head,
        data: &[u8; 8],
        pgn: u32,
    ) {
        let [command, a, b, c, d, ..] = *data;
        let extended = command == ETP_RTS;
        let head = Head { pgn, ..*head };
        if !self.j1939_is_heard(interface, &head) {
            return;
        }
        let len = u32::from_le_bytes(if extended { [a, b, c, d] } else { [a, b, 0, 0] }) as usize;
        let sessions = network.sessions.iter().filter(|session| session.socket.is_none());
        let held: usize = sessions.map(|session| session.message.len()).sum();
        let why = match extended {
            true if len <= TP_MOST => Some(Why::FAULT),
            false if !(TP_LEAST..=TP_MOST).contains(&len) => Some(Why::FAULT),
            // What others make us keep is bounded.
            _ if held + len > 4 * MOST || len > MOST => Some(Why::RESOURCE),
            _ => None,
        };
        if let Some(why) = why {
            return self.j1939_refuse(network, interface, &head, why, pgn, extended);
        }
        let serial = network.serial();
        let mut session = Session::new(serial, head, vec![0; len], None);
        session.announced(c, d);
        (session.state, session.key) = (State::Active, network.rx_key);
        network.rx_key = network.rx_key.wrapping_add(1);
        let effects = session.asked(command, &head);
        network.sessions.push(session);
        self.j1939_tell(network, interface, serial, Notice::RxRts);
        self.j1939_act(network, interface, serial, effects);
    }
}

fn session_is_received(network: &mut Network, serial: u64) -> bool {
    network.session(serial).is_some_and(|session| session.socket.is_none())
}
