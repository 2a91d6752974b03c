//! ISO 15765-2 itself, one end of it: a message is cut into frames, and put together again. It knows no sockets and no clock: each
//! event has [`Effect`]s.
//!
//! ```text
//!   sending:    idle --single frame----------> sending --its echo--> idle
//!               idle --first frame--> first flow control --frame after frame--> sending --echo of the last--> idle
//!                                        flow control <--end of a block--'   ^
//!                                              '-----------------------------'
//!   receiving:  idle --first frame: flow control--> receiving --the last consecutive frame--> idle
//! ```

use std::time::Duration;

use super::pad_length;
use super::settings::{Broadcast, PADDING, Settings};
use crate::base::constants::*;
use crate::base::{Errno, Error, Instant, Reason};
use crate::wire::can::{self, CanFilter};

/// N_PCI: what a frame is, in the high half of its first byte.
pub(super) const SINGLE: u8 = 0x00;
pub(super) const FIRST: u8 = 0x10;
pub(super) const CONSECUTIVE: u8 = 0x20;
pub(super) const FLOW: u8 = 0x30;
/// FC_CONTENT_SZ: flow status, block size, STmin.
pub(super) const FLOW_LEN: usize = 3;
/// The flow status.
pub(super) const GO_ON: u8 = 0;
pub(super) const WAIT: u8 = 1;
pub(super) const OVERFLOW: u8 = 2;
/// ISOTP_FC_TIMEOUT: for flow control, and between consecutive frames.
pub(super) const FLOW_PATIENCE: Duration = Duration::from_secs(1);
/// ISOTP_ECHO_TIMEOUT: for one's own frame to leave.
pub(super) const ECHO_PATIENCE: Duration = Duration::from_secs(2);
/// Where a frame's data begins.
const DATA: usize = 8;

/// Which of its clocks a channel waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Watch {
    /// rxtimer: the next consecutive frame.
    Incoming,
    /// txtimer: flow control, or the echo of one's own frame.
    Outgoing,
    /// txfrtimer: the gap before the next consecutive frame.
    Gap,
}

impl Watch {
    pub(super) const ALL: [Self; 3] = [Self::Incoming, Self::Outgoing, Self::Gap];
}

/// What an event leads to.
#[derive(Debug)]
pub(super) enum Effect {
    Send(Vec<u8>),
    Start(Watch, Duration),
    Stop(Watch),
    /// A message is complete.
    Deliver(Vec<u8>),
    /// The socket's error.
    Fail(Error),
    /// The message has been sent, or has failed: there may be another.
    Free,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    #[default]
    Idle,
    /// ISOTP_WAIT_FIRST_FC.
    FirstFlow,
    /// ISOTP_WAIT_FC.
    Flow,
    Sending,
}

#[derive(Debug, Default)]
pub(super) struct Outgoing {
    pub(super) phase: Phase,
    pub(super) message: Vec<u8>,
    /// Bytes that have been sent.
    sent: usize,
    pub(super) serial: u8,
    /// Frames of this block.
    pub(super) in_block: u8,
    /// What the receiver has asked for: frames of a block (0 = no end of it), and the time between them.
    pub(super) block_size: u8,
    pub(super) gap: Duration,
    /// `cfecho`: the frame under way, by its first bytes.
    echo: Option<[u8; 4]>,
}

#[derive(Debug, Default)]
pub(super) struct Incoming {
    pub(super) receiving: bool,
    pub(super) message: Vec<u8>,
    /// Bytes that it will have.
    pub(super) len: usize,
    /// LL_DL: bytes of data in each of its frames.
    pub(super) frame_len: usize,
    pub(super) serial: u8,
    pub(super) in_block: u8,
    /// When the last consecutive frame came, for CAN_ISOTP_RX_STMIN.
    pub(super) last: Option<Instant>,
}

/// One end: what is received under one identifier, and sent under another.
#[derive(Debug, Default)]
pub(super) struct Channel {
    pub(super) rx_id: u32,
    pub(super) tx_id: u32,
    pub(super) settings: Settings,
    pub(super) outgoing: Outgoing,
    pub(super) incoming: Incoming,
}

fn first_four(frame: &[u8]) -> Option<[u8; 4]> {
    frame.get(DATA..)?.first_chunk().copied()
}

/// True if it is exactly this identifier: SINGLE_MASK.
pub(super) fn is(can_id: u32, wanted: u32) -> bool {
    let bits = if wanted & CAN_EFF_FLAG != 0 { CAN_EFF_MASK } else { CAN_SFF_MASK };
    CanFilter { id: wanted, mask: bits | CAN_EFF_FLAG | CAN_RTR_FLAG }.passes(can_id)
}

impl Channel {
    /// True while a message is being sent.
    pub(super) fn is_sending(&self) -> bool {
        self.outgoing.phase != Phase::Idle
    }

    /// The message that is being sent, or was sent last.
    pub(super) fn last_message(&self) -> &[u8] {
        &self.outgoing.message
    }

    /// Bytes that go into a single frame: to more than one receiver nothing else can go.
    pub(super) fn single_most(&self) -> usize {
        let wide = usize::from(self.settings.tx_len() > 8);
        self.settings.tx_len() - 1 - self.settings.address_len() - wide
    }

    /// An empty frame of ours, with `len` bytes of this padding.
    fn frame(&self, len: usize, padding: u8) -> Vec<u8> {
        let mut frame = vec![0; self.settings.mtu()];
        frame[..4].copy_from_slice(&self.tx_id.to_ne_bytes());
        (frame[4], frame[5]) = (len as u8, self.settings.tx_flags);
        frame[DATA..].iter_mut().take(len).for_each(|byte| *byte = padding);
        if self.settings.address_len() > 0 {
            frame[DATA] = self.settings.address;
        }
        frame
    }

    /// isotp_fill_dataframe: as much of the message as goes behind `head` bytes.
    fn fill(&mut self, head: usize) -> Vec<u8> {
        let room = self.settings.tx_len() - head;
        let rest = self.outgoing.message.get(self.outgoing.sent..).unwrap_or_default();
        let part = rest.get(..room).unwrap_or(rest).to_vec();
        let (mut len, mut padding) = (head + part.len(), 0);
        if part.len() < room && self.settings.has(CAN_ISOTP_TX_PADDING) {
            (len, padding) = (pad_length(len), self.settings.tx_padding);
        } else if part.len() < room && len > 8 {
            // "mandatory padding for CAN FD frames"
            (len, padding) = (pad_length(len), PADDING);
        }
        let mut frame = self.frame(len, padding);
        frame[DATA + head..DATA + head + part.len()].copy_from_slice(&part);
        self.outgoing.sent += part.len();
        frame
    }

    /// isotp_sendmsg: the message begins to leave.
    pub(super) fn start(&mut self, message: Vec<u8>) -> Vec<Effect> {
        let (at, len) = (self.settings.address_len(), message.len());
        let (block_size, gap) = (self.outgoing.block_size, self.outgoing.gap);
        let phase = Phase::Sending;
        self.outgoing = Outgoing { phase, message, block_size, gap, ..Outgoing::default() };
        let mut patience = ECHO_PATIENCE;
        let frame = if len <= self.single_most() {
            // "When TX_DL is greater 8 but the message would still fit into a 8 byte CAN frame, we can omit the offset."
            let wide = usize::from(len > 8 - 1 - at);
            let mut frame = self.fill(1 + at + wide);
            frame[DATA + at] = SINGLE | if wide == 0 { len as u8 } else { 0 };
            if wide == 1 {
                frame[DATA + at + 1] = len as u8;
            }
            self.outgoing.echo = first_four(&frame);
            frame
        } else {
            let frame = self.first_frame(at);
            if self.settings.broadcast() == Broadcast::Consecutive {
                // "set timer for FC-less operation (STmin = 0)"
                let forced = self.settings.has(CAN_ISOTP_FORCE_TXSTMIN);
                let gap = if forced { self.settings.forced_tx_gap } else { self.settings.frame_time };
                (self.outgoing.gap, self.outgoing.block_size) = (Duration::from_nanos(gap.into()), 0);
                self.outgoing.echo = first_four(&frame);
            } else {
                (self.outgoing.phase, patience) = (Phase::FirstFlow, FLOW_PATIENCE);
            }
            frame
        };
        vec![Effect::Start(Watch::Outgoing, patience), Effect::Send(frame)]
    }

    /// isotp_create_fframe: the length in 12 bits, or in 32.
    fn first_frame(&mut self, at: usize) -> Vec<u8> {
        let len = self.outgoing.message.len() as u32;
        let [a, b, c, d] = len.to_be_bytes();
        let head = if len > 4095 { vec![FIRST, 0, a, b, c, d] } else { vec![FIRST | c, d] };
        let mut frame = self.fill(at + head.len());
        frame[DATA + at..DATA + at + head.len()].copy_from_slice(&head);
        self.outgoing.serial = 1;
        frame
    }

    /// isotp_send_cframe.
    pub(super) fn consecutive(&mut self) -> Effect {
        let at = self.settings.address_len();
        let mut frame = self.fill(at + 1);
        frame[DATA + at] = CONSECUTIVE | self.outgoing.serial;
        self.outgoing.serial = (self.outgoing.serial + 1) % 16;
        self.outgoing.in_block = self.outgoing.in_block.wrapping_add(1);
        self.outgoing.echo = first_four(&frame);
        Effect::Send(frame)
    }

    /// isotp_send_fc.
    pub(super) fn flow_control(&mut self, status: u8) -> Vec<Effect> {
        let at = self.settings.address_len();
        let padded = self.settings.has(CAN_ISOTP_TX_PADDING);
        let mut frame = self
            .frame(if padded { 8 } else { at + FLOW_LEN }, if padded { self.settings.tx_padding } else { 0 });
        let told = [FLOW | status, self.settings.block_size, self.settings.separation];
        frame[DATA + at..DATA + at + FLOW_LEN].copy_from_slice(&told);
        (self.incoming.in_block, self.incoming.last) = (0, None);
        vec![Effect::Send(frame), Effect::Start(Watch::Incoming, FLOW_PATIENCE)]
    }

    /// The sending ends, with this error if there is one.
    pub(super) fn free(&mut self, error: Option<(Errno, Reason)>) -> Vec<Effect> {
        (self.outgoing.phase, self.outgoing.echo) = (Phase::Idle, None);
        let error = error.map(|(errno, reason)| Effect::Fail(errno.because(reason)));
        error.into_iter().chain([Effect::Free]).collect()
    }

    /// isotp_rcv_echo: a frame of ours has left.
    pub(super) fn echoed(&mut self, frame: &[u8]) -> Vec<Effect> {
        let out = &mut self.outgoing;
        if !is(can::id(frame), self.tx_id) || out.echo.is_none() || out.echo != first_four(frame) {
            return Vec::new();
        }
        out.echo = None;
        let mut effects = vec![Effect::Stop(Watch::Outgoing)];
        if out.sent >= out.message.len() {
            effects.extend(self.free(None));
        } else if out.block_size != 0 && out.in_block >= out.block_size {
            // "stop and wait for FC with timeout"
            out.phase = Phase::Flow;
            effects.push(Effect::Start(Watch::Outgoing, FLOW_PATIENCE));
        } else if out.gap.is_zero() {
            // "no gap between data frames needed => use burst mode"
            effects.push(Effect::Start(Watch::Outgoing, ECHO_PATIENCE));
            effects.push(self.consecutive());
        } else {
            effects.push(Effect::Start(Watch::Gap, out.gap));
        }
        effects
    }

    /// A clock has run out.
    pub(super) fn due(&mut self, watch: Watch) -> Vec<Effect> {
        match watch {
            // isotp_rx_timer_handler
            Watch::Incoming if std::mem::take(&mut self.incoming.receiving) => {
                vec![Effect::Fail(Errno::ETIMEDOUT.because(Reason::IsotpSilence))]
            }
            // isotp_tx_timer_handler: "we did not get any flow control or echo frame in time"
            Watch::Outgoing if self.is_sending() => self.free(Some((Errno::ECOMM, Reason::IsotpNoFlow))),
            // isotp_txfr_timer_handler: "start echo timeout handling and cover below protocol error"
            Watch::Gap if self.outgoing.phase == Phase::Sending && self.outgoing.echo.is_none() => {
                vec![Effect::Start(Watch::Outgoing, ECHO_PATIENCE), self.consecutive()]
            }
            _ => Vec::new(),
        }
    }

    /// What was to be sent could not leave.
    pub(super) fn give_up(&mut self) {
        self.free(None);
    }
}
