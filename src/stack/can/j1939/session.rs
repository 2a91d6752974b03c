//! A message under way (net/can/j1939/transport.c): in one frame, or in packets of 7 bytes, to all (BAM) or to one that controls the
//! flow (RTS, CTS, EOMA; of more than 1785 bytes the extended protocol, with DPO).
//!
//! Both ends hear each frame as it was on the bus, the sender by its echo. A session knows no clock and no sockets: each event has
//! [`Effect`]s.
//!
//! ```text
//!   to one:   RTS -> CTS <- (DPO ->) data ->* CTS <- ... EOMA <-       to all:   BAM -> data ->*, one every 50 ms
//! ```

use std::time::Duration;

use super::Head;
use crate::base::{Errno, SocketId};

pub(super) const ETP_CONTROL: u32 = 0xc800;
pub(super) const ETP_DATA: u32 = 0xc700;
pub(super) const TP_CONTROL: u32 = 0xec00;
pub(super) const TP_DATA: u32 = 0xeb00;

pub(super) const TP_RTS: u8 = 0x10;
pub(super) const TP_CTS: u8 = 0x11;
pub(super) const TP_EOMA: u8 = 0x13;
pub(super) const TP_BAM: u8 = 0x20;
pub(super) const ETP_RTS: u8 = 0x14;
pub(super) const ETP_CTS: u8 = 0x15;
pub(super) const ETP_DPO: u8 = 0x16;
pub(super) const ETP_EOMA: u8 = 0x17;
pub(super) const ABORT: u8 = 0xff;
/// "did some data".
pub(super) const DATA: u8 = 0xff;

/// J1939_MAX_TP_PACKET_SIZE, J1939_MIN_TP_PACKET_SIZE: bytes of a message that goes by TP.
pub(super) const TP_MOST: usize = 7 * 255;
pub(super) const TP_LEAST: usize = 9;
/// Bytes of a message; the protocol's own limit is 117440505.
pub(super) const MOST: usize = 1 << 20;

pub(super) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// J1939_XTP_ABORT_TIMEOUT_MS: how long an aborted session is remembered.
const ABORTED: Duration = ms(500);
/// J1939_SIMPLE_ECHO_TIMEOUT_MS.
const ECHO: Duration = ms(10 * 1000);

/// enum j1939_xtp_abort: why a session ends, as it is said on the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Why(pub(super) u8);

impl Why {
    pub(super) const BUSY: Self = Self(1);
    pub(super) const RESOURCE: Self = Self(2);
    pub(super) const TIMEOUT: Self = Self(3);
    pub(super) const FAULT: Self = Self(5);
    pub(super) const UNEXPECTED_DATA: Self = Self(6);
    pub(super) const DUPLICATE: Self = Self(8);
    pub(super) const BAD_DPO: Self = Self(10);
    pub(super) const UNEXPECTED_PGN: Self = Self(14);
    pub(super) const OTHER: Self = Self(250);

    /// j1939_xtp_abort_to_errno.
    pub(super) fn errno(self) -> Errno {
        match self.0 {
            1 => Errno::EALREADY,
            2 => Errno::EMSGSIZE,
            3 => Errno::EHOSTUNREACH,
            4 => Errno::EBADMSG,
            5 => Errno::ENOTRECOVERABLE,
            6 => Errno::ENOTCONN,
            7 => Errno::EILSEQ,
            _ => Errno::EPROTO,
        }
    }
}

/// What the errors' queue is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    Acknowledged,
    Scheduled,
    TxAbort,
    RxRts,
    RxDpo,
    RxAbort,
}

/// What an event leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// A control frame with these first five bytes; `back`: from the receiver to the sender.
    Control {
        bytes: [u8; 5],
        back: bool,
    },
    /// A packet of TP or ETP.
    Packet(Vec<u8>),
    /// The message as one frame.
    Frame,
    /// txtimer, rxtimer: set, or stopped.
    SendIn(Duration),
    NoSend,
    ExpectIn(Duration),
    ExpectNothing,
    Tell(Notice),
    /// j1939_sk_send_loop_abort.
    Fail(Errno),
    /// The message is whole: its receivers get it.
    Deliver,
    /// j1939_session_deactivate_activate_next.
    End,
    /// j1939_sk_queue_activate_next: the socket's next message may go.
    Next,
}
use Effect::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// J1939_SIMPLE: up to 8 bytes.
    Simple,
    Tp,
    Etp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It waits for those before it.
    New,
    Active,
    WaitingAbort,
}

/// struct j1939_session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) serial: u64,
    pub(super) head: Head,
    pub(super) kind: Kind,
    pub(super) state: State,
    /// Who sends it; `None` = it is received.
    pub(super) socket: Option<SocketId>,
    /// In the socket's queue: the next may not go.
    pub(super) queued: bool,
    pub(super) message: Vec<u8>,
    pub(super) error: Option<Errno>,
    /// SOF_TIMESTAMPING_OPT_ID.
    pub(super) key: u32,
    /// Of a simple one: its frame.
    pub(super) frame: Vec<u8>,
    pub(super) total: usize,
    /// Packets that a CTS may ask for.
    pub(super) block: usize,
    /// The last packet that was asked for; the ones that were sent, received, acknowledged; where an ETP block begins.
    pub(super) last: usize,
    pub(super) tx: usize,
    pub(super) rx: usize,
    pub(super) acked: usize,
    pub(super) offset: usize,
    pub(super) last_heard: u8,
    pub(super) last_sent: u8,
}

impl Session {
    /// j1939_tp_send, j1939_xtp_rx_rts_session_new. `message` of what is received is as long as it will be.
    pub(super) fn new(serial: u64, head: Head, message: Vec<u8>, socket: Option<SocketId>) -> Self {
        let kind = match message.len() {
            0..=8 => Kind::Simple,
            TP_LEAST..=TP_MOST => Kind::Tp,
            _ => Kind::Etp,
        };
        let total = message.len().div_ceil(7);
        Self {
            serial,
            kind,
            state: State::New,
            socket,
            queued: socket.is_some(),
            error: None,
            key: 0,
            frame: Vec::new(),
            total,
            block: if kind == Kind::Etp { 255 } else { total },
            last: if head.is_broadcast() { total } else { 0 },
            head,
            message,
            tx: 0,
            rx: 0,
            acked: 0,
            offset: 0,
            last_heard: 0,
            last_sent: 0,
        }
    }

    /// "initialize the control buffer": what an RTS says of its packets.
    pub(super) fn announced(&mut self, packets: u8, block: u8) {
        if self.kind == Kind::Tp {
            (self.total, self.block) = (packets.into(), packets.min(block).into());
        }
    }

    /// Bytes that have arrived, as far as it is known.
    pub(super) fn bytes_acked(&self) -> u32 {
        let all = self.message.len();
        (if self.kind == Kind::Simple { all } else { all.min(self.acked * 7) }) as u32
    }

    /// The command of TP, or of ETP.
    fn command(&self, tp: u8, etp: u8) -> u8 {
        if self.kind == Kind::Etp { etp } else { tp }
    }

    /// j1939_tp_txtimer: what is to be sent next. `heard`: a socket wants what is received.
    pub(super) fn send(&mut self, heard: bool) -> Vec<Effect> {
        match (self.state, self.kind, self.socket.is_some()) {
            (State::Active, Kind::Simple, _) => vec![ExpectIn(ECHO), Frame, Tell(Notice::Scheduled), Next],
            (State::Active, _, true) => self.send_next(),
            (State::Active, _, false) => self.answer(heard),
            _ => Vec::new(),
        }
    }

    /// j1939_xtp_txnext_transmiter.
    fn send_next(&mut self) -> Vec<Effect> {
        match self.last_heard {
            0 => self.ask(),
            ETP_CTS if self.last_sent != ETP_DPO => {
                // j1939_session_tx_dpo
                (self.offset, self.tx, self.last_sent) = (self.acked, self.acked, ETP_DPO);
                let [_, a, b, c] = (self.offset as u32).to_be_bytes();
                let bytes = [ETP_DPO, self.last.saturating_sub(self.acked) as u8, c, b, a];
                let mut effects = vec![Control { bytes, back: false }, ExpectIn(ms(1250))];
                effects.extend(self.packets());
                effects
            }
            _ => self.packets(),
        }
    }

    /// j1939_session_tx_rts.
    fn ask(&mut self) -> Vec<Effect> {
        let [a, b, c, d] = (self.message.len() as u32).to_le_bytes();
        let packets = self.total as u8;
        let bytes = match (self.kind, self.head.is_broadcast()) {
            (Kind::Etp, _) => [ETP_RTS, a, b, c, d],
            (_, true) => [TP_BAM, a, b, packets, 0xff],
            (_, false) => [TP_RTS, a, b, packets, packets],
        };
        if self.last_sent == bytes[0] {
            return Vec::new();
        }
        self.last_sent = bytes[0];
        let control = Control { bytes, back: false };
        match bytes[0] {
            TP_BAM => vec![control, SendIn(ms(50)), ExpectIn(ms(250))],
            _ => vec![control, ExpectIn(ms(1250))],
        }
    }

    /// j1939_session_tx_dat.
    fn packets(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        let broadcast = self.head.is_broadcast();
        let end = if broadcast { self.total } else { self.last };
        while self.tx < end {
            let rest = self.message.get(self.tx * 7..).unwrap_or_default();
            let part = rest.get(..7).unwrap_or(rest);
            let mut packet = vec![(self.tx - self.offset + 1) as u8];
            packet.extend(part);
            // j1939_tp_padding
            packet.resize(8, 0xff);
            effects.push(Packet(packet));
            self.last_sent = DATA;
            self.tx += 1;
            if broadcast && self.tx < self.total {
                effects.push(SendIn(ms(50)));
                break;
            }
        }
        if !effects.is_empty() {
            effects.push(ExpectIn(ms(250)));
        }
        effects
    }

    /// j1939_xtp_txnext_receiver.
    fn answer(&mut self, heard: bool) -> Vec<Effect> {
        match self.last_heard {
            TP_RTS | ETP_RTS => self.clear_to_send(heard),
            TP_CTS | ETP_CTS | ETP_DPO | DATA if !self.head.is_broadcast() => {
                if self.rx >= self.total {
                    self.acknowledge(heard)
                } else if self.rx >= self.last {
                    self.last_sent = 0;
                    self.clear_to_send(heard)
                } else {
                    Vec::new()
                }
            }
            _ => Vec::new(),
        }
    }

    /// j1939_session_tx_cts.
    fn clear_to_send(&mut self, heard: bool) -> Vec<Effect> {
        if !heard {
            // "-ENOENT": j1939_tp_txtimer cancels it.
            return self.cancel(Why::OTHER);
        }
        let count = (self.total.saturating_sub(self.rx)).min(self.block).min(255) as u8;
        let [_, a, b, c] = (self.rx as u32 + 1).to_be_bytes();
        let command = self.command(TP_CTS, ETP_CTS);
        let bytes =
            if self.kind == Kind::Etp { [command, count, c, b, a] } else { [command, count, c, 0xff, 0xff] };
        if self.last_sent == command {
            return Vec::new();
        }
        if count > 0 {
            self.last_sent = command;
        }
        vec![Control { bytes, back: true }, ExpectIn(ms(1250))]
    }

    /// j1939_session_tx_eoma.
    fn acknowledge(&mut self, heard: bool) -> Vec<Effect> {
        if !heard {
            return self.cancel(Why::OTHER);
        }
        let [a, b, c, d] = (self.message.len() as u32).to_le_bytes();
        let command = self.command(TP_EOMA, ETP_EOMA);
        let bytes = match self.kind {
            Kind::Etp => [command, a, b, c, d],
            _ => [command, a, b, self.total as u8, 0xff],
        };
        if self.last_sent == command {
            return Vec::new();
        }
        self.last_sent = command;
        vec![Control { bytes, back: true }, ExpectIn(ms(1250))]
    }

    /// j1939_session_cancel.
    pub(super) fn cancel(&mut self, why: Why) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.state == State::Active {
            (self.error, self.state) = (Some(why.errno()), State::WaitingAbort);
            effects.push(ExpectIn(ABORTED));
            // "do not send aborts on incoming broadcasts"
            if !self.head.is_broadcast() {
                effects
                    .push(Control { bytes: [ABORT, why.0, 0xff, 0xff, 0xff], back: self.socket.is_none() });
            }
            if self.socket.is_some() {
                effects.push(Fail(why.errno()));
            }
        }
        if self.socket.is_none() {
            effects.push(Tell(Notice::RxAbort));
        }
        effects
    }

    /// j1939_tp_rxtimer: what was expected has not come.
    pub(super) fn silence(&mut self) -> Vec<Effect> {
        match (self.state, self.kind) {
            (State::WaitingAbort, _) => vec![End],
            (_, Kind::Simple) => {
                self.error = Some(Errno::ETIME);
                vec![End]
            }
            _ => self.cancel(Why::TIMEOUT),
        }
    }

    /// A frame of the message did not leave.
    pub(super) fn did_not_leave(&mut self, errno: Errno) -> Vec<Effect> {
        if self.kind != Kind::Simple {
            return self.cancel(Why::OTHER);
        }
        self.error = Some(errno);
        vec![ExpectNothing, End]
    }
}
