//! What the frames of a message tell: the other end's commands, one's own echoes, packets.

use std::time::Duration;

use super::Head;
use super::session::Effect::*;
use super::session::*;

impl Session {
    /// j1939_xtp_rx_cmd_bad_pgn: a command about another message of the same two. What is answered, if it is.
    pub(super) fn other_pgn(&self, command: u8, pgn: u32) -> Option<Option<Why>> {
        if self.head.pgn == pgn {
            return None;
        }
        Some(match command {
            TP_RTS | ETP_RTS => Some(Why::BUSY),
            TP_CTS | ETP_CTS => Some(Why::UNEXPECTED_PGN),
            ETP_DPO => Some(Why::BAD_DPO),
            TP_EOMA | ETP_EOMA => Some(Why::OTHER),
            _ => None,
        })
    }

    /// j1939_xtp_rx_rts, of a session that is there; j1939_xtp_rx_rts_session_active.
    pub(super) fn asked(&mut self, command: u8, head: &Head) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.last_heard != 0 {
            effects.extend([NoSend, ExpectNothing]);
            effects.extend(self.cancel(Why::BUSY));
            return effects;
        }
        // "make sure 'sa' & 'da' are correct"
        (self.head.sa, self.head.da) = (head.sa, head.da);
        self.last_heard = command;
        match (command, self.socket.is_some()) {
            (TP_BAM, true) => {}
            (TP_BAM, false) => effects.push(ExpectIn(ms(750))),
            (_, true) => effects.push(ExpectIn(ms(1250))),
            (_, false) => effects.extend([SendIn(Duration::ZERO), ExpectIn(ms(1250))]),
        }
        effects
    }

    /// j1939_xtp_rx_cts_one.
    pub(super) fn cleared(&mut self, data: &[u8; 8]) -> Vec<Effect> {
        let [command, count, a, b, c, ..] = *data;
        let why = if self.last_heard == command { Why::DUPLICATE } else { Why::FAULT };
        let packet =
            if self.kind == Kind::Etp { u32::from_le_bytes([a, b, c, 0]) } else { a.into() } as usize;
        // j1939_session_tx_dat: there is nothing at such a place. (Of none at all, to wait, the place says nothing.)
        let beyond = count > 0 && packet > self.total;
        if self.last_heard == command || packet == 0 || usize::from(count) > self.block || beyond {
            let mut effects = vec![NoSend, ExpectNothing];
            effects.extend(self.cancel(why));
            return effects;
        }
        self.acked = packet - 1;
        self.last = (self.acked + usize::from(count)).min(self.total);
        (self.tx, self.last_heard) = (self.acked, command);
        match (count, self.socket.is_some()) {
            (0, _) => vec![ExpectIn(ms(550))],
            (_, false) => vec![ExpectIn(ms(1250))],
            (_, true) => {
                let mut effects = vec![ExpectIn(ms(1250))];
                if self.acked > 0 {
                    effects.push(Tell(Notice::Scheduled));
                }
                effects.push(SendIn(Duration::ZERO));
                effects
            }
        }
    }

    /// j1939_xtp_rx_dpo_one.
    pub(super) fn offset(&mut self, data: &[u8; 8]) -> Vec<Effect> {
        let [_, _, a, b, c, ..] = *data;
        self.offset = u32::from_le_bytes([a, b, c, 0]) as usize;
        self.last_heard = ETP_DPO;
        let mut effects = vec![ExpectIn(ms(750))];
        if self.socket.is_none() {
            effects.push(Tell(Notice::RxDpo));
        }
        effects
    }

    /// j1939_xtp_rx_eoma_one: "transmitted without problems".
    pub(super) fn acknowledged(&mut self) -> Vec<Effect> {
        self.acked = self.total;
        self.complete()
    }

    /// j1939_session_completed.
    fn complete(&self) -> Vec<Effect> {
        let deliver = self.socket.is_none().then_some(Deliver);
        [NoSend, ExpectNothing].into_iter().chain(deliver).chain([End]).collect()
    }

    /// j1939_xtp_rx_abort_one.
    pub(super) fn aborted(&mut self, why: Why) -> Vec<Effect> {
        self.error = Some(why.errno());
        let told = if self.socket.is_some() { Fail(why.errno()) } else { Tell(Notice::RxAbort) };
        vec![NoSend, ExpectNothing, told, End]
    }

    /// j1939_xtp_rx_dat_one.
    pub(super) fn packet(&mut self, data: &[u8]) -> Vec<Effect> {
        let expected = match self.last_heard {
            DATA => true,
            ETP_DPO => self.kind == Kind::Etp,
            TP_BAM | TP_CTS => self.kind == Kind::Tp,
            _ => false,
        };
        let why = if data.len() == 8 { Why::FAULT } else { Why::UNEXPECTED_DATA };
        let number = data.first().map(|first| usize::from(*first) + self.offset);
        let packet = number.and_then(|number| number.checked_sub(1));
        let (Some(packet), true, 8) = (packet, expected && self.rx < self.total, data.len()) else {
            return self.bad_packet(why);
        };
        let len = self.message.len();
        let Some(room) = self.message.get_mut((packet * 7).min(len)..).filter(|room| !room.is_empty()) else {
            return self.bad_packet(why);
        };
        if self.socket.is_none() {
            room.iter_mut().zip(data.iter().skip(1)).for_each(|(to, from)| *to = *from);
        }
        if packet == self.rx {
            self.rx += 1;
        }
        self.last_heard = DATA;
        match (self.head.is_broadcast(), self.socket.is_some()) {
            (true, _) if self.rx >= self.total => self.complete(),
            (true, true) => Vec::new(),
            (true, false) => vec![ExpectIn(ms(750))],
            (false, true) if self.rx >= self.last => vec![ExpectIn(ms(1250))],
            (false, false) if self.rx >= self.last => vec![ExpectIn(ms(1250)), SendIn(Duration::ZERO)],
            (false, _) => vec![ExpectIn(ms(750))],
        }
    }

    fn bad_packet(&mut self, why: Why) -> Vec<Effect> {
        let mut effects = vec![NoSend, ExpectNothing];
        effects.extend(self.cancel(why));
        effects
    }
}
