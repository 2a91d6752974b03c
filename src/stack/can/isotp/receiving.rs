//! ISO 15765-2, the receiving side of a [`Channel`]: messages put together again, and flow control that others send.

use std::time::Duration;

use super::channel::*;
use super::pad_length;
use super::settings::Broadcast;
use crate::base::constants::*;
use crate::base::{Errno, Instant, Reason};
use crate::wire::can;

/// DEFAULT_MAX_PDU_SIZE: the default of the module's max_pdu_size.
pub(super) const MESSAGE_MAX: usize = 8300;

impl Channel {
    /// isotp_rcv: a frame of the bus.
    pub(super) fn hears(&mut self, frame: &[u8], time: Instant) -> Vec<Effect> {
        // "no broadcast modes => register rx_id for FC frame reception"
        let registered = self.settings.broadcast() == Broadcast::No && is(can::id(frame), self.rx_id);
        // "Strictly receive only frames with the configured MTU size"
        if !registered || frame.len() != self.settings.mtu() {
            return Vec::new();
        }
        let (at, data) = (self.settings.address_len(), can::data(frame));
        let Some(head) = data.get(at) else { return Vec::new() };
        // "check reception of my configured extended address"
        if at > 0 && data.first() != Some(&self.settings.rx_address) {
            return Vec::new();
        }
        let (kind, low) = (head & 0xf0, head & 0xf);
        // "check rx/tx path half duplex expectations"
        if self.settings.has(CAN_ISOTP_HALF_DUPLEX)
            && if kind == FLOW { self.incoming.receiving } else { self.is_sending() }
        {
            return Vec::new();
        }
        match kind {
            FLOW => self.flow(data, at, low),
            SINGLE if data.len() <= 8 => self.single(data, at + 1, low.into()),
            // "Only frames with the SF_DL == 0 ESC value are valid."
            SINGLE if low == 0 => self.single(data, at + 2, data.get(at + 1).copied().unwrap_or(0).into()),
            FIRST => self.first(data, at),
            CONSECUTIVE => self.next(data, at, low, time),
            _ => Vec::new(),
        }
    }

    /// isotp_rcv_fc.
    fn flow(&mut self, data: &[u8], at: usize, status: u8) -> Vec<Effect> {
        if !matches!(self.outgoing.phase, Phase::FirstFlow | Phase::Flow) {
            return Vec::new();
        }
        let mut effects = vec![Effect::Stop(Watch::Outgoing)];
        let (Some([_, block_size, separation]), false) =
            (data.get(at..).and_then(|data| data.first_chunk()), self.is_badly_padded(data, at + FLOW_LEN))
        else {
            effects.extend(self.free(Some((Errno::EBADMSG, Reason::IsotpMalformed))));
            return effects;
        };
        if self.outgoing.phase == Phase::FirstFlow || self.settings.has(CAN_ISOTP_DYN_FC_PARMS) {
            self.outgoing.block_size = *block_size;
            let gap = match *separation {
                _ if self.settings.has(CAN_ISOTP_FORCE_TXSTMIN) => self.settings.forced_tx_gap,
                // STmin: milliseconds, or hundreds of microseconds; "fix wrong STmin values according spec".
                wide @ 0xf1..=0xf9 => u32::from(wide - 0xf0) * 100_000,
                millis => u32::from(millis.min(0x7f)) * 1_000_000,
            };
            let nanos = u64::from(self.settings.frame_time) + u64::from(gap);
            self.outgoing.gap = Duration::from_nanos(nanos);
            self.outgoing.phase = Phase::Flow;
        }
        match status {
            GO_ON => {
                (self.outgoing.in_block, self.outgoing.phase) = (0, Phase::Sending);
                effects.push(Effect::Start(Watch::Outgoing, ECHO_PATIENCE));
                effects.push(self.consecutive());
            }
            WAIT => effects.push(Effect::Start(Watch::Outgoing, FLOW_PATIENCE)),
            OVERFLOW => effects.extend(self.free(Some((Errno::EMSGSIZE, Reason::IsotpOverflow)))),
            // "stop this tx job"
            _ => effects.extend(self.free(None)),
        }
        effects
    }

    /// The socket wants to know of wrong padding, and it is: check_pad, check_optimized.
    fn is_badly_padded(&self, data: &[u8], end: usize) -> bool {
        let settings = &self.settings;
        let (lengths, contents) = (settings.has(CAN_ISOTP_CHK_PAD_LEN), settings.has(CAN_ISOTP_CHK_PAD_DATA));
        match settings.has(CAN_ISOTP_RX_PADDING) {
            _ if !lengths && !contents => false,
            // "no RX_PADDING value => check length of optimized frame length"
            false if lengths && data.len() <= 8 => data.len() != end,
            false if lengths => data.len() != pad_length(end),
            // "no valid test against empty value => ignore frame"
            false => true,
            true => {
                let mut padding = data.get(end..).unwrap_or_default().iter();
                (lengths && data.len() != pad_length(data.len()))
                    || (contents && padding.any(|byte| *byte != settings.rx_padding))
            }
        }
    }

    /// isotp_rcv_sf.
    fn single(&mut self, data: &[u8], head: usize, len: usize) -> Vec<Effect> {
        self.incoming.receiving = false;
        let mut effects = vec![Effect::Stop(Watch::Incoming)];
        match data.get(head..).and_then(|data| data.get(..len)) {
            None | Some([]) => {}
            Some(_) if self.is_badly_padded(data, head + len) => {
                effects.push(Effect::Fail(Errno::EBADMSG.because(Reason::IsotpMalformed)));
            }
            Some(message) => effects.push(Effect::Deliver(message.to_vec())),
        }
        effects
    }

    /// isotp_rcv_ff.
    fn first(&mut self, data: &[u8], at: usize) -> Vec<Effect> {
        self.incoming = Incoming::default();
        let mut effects = vec![Effect::Stop(Watch::Incoming)];
        // "the first frame has to use the entire frame up to LL_DL length"
        let frame_len = pad_length(data.len());
        let (Some(short), true) =
            (data.get(at..).and_then(|data| data.first_chunk()), data.len() == frame_len)
        else {
            return effects;
        };
        let (mut len, mut head) = (usize::from(u16::from_be_bytes(*short) & 0xfff), at + 2);
        if len == 0
            && let Some(long) = data.get(at + 2..).and_then(|data| data.first_chunk())
        {
            // "FF_DL = 0 => get real length from next 4 bytes"
            (len, head) = (u32::from_be_bytes(*long) as usize, at + 6);
        }
        // "take care of a potential SF_DL ESC offset for TX_DL > 8"
        if len + head + usize::from(frame_len > 8) < frame_len {
            return effects;
        }
        if len > MESSAGE_MAX {
            // "send FC frame with overflow status"
            effects.extend(self.flow_control(OVERFLOW));
            return effects;
        }
        let message = data.get(head..).unwrap_or_default().to_vec();
        self.incoming =
            Incoming { receiving: true, message, len, frame_len, serial: 1, ..Incoming::default() };
        if !self.settings.has(CAN_ISOTP_LISTEN_MODE) {
            effects.extend(self.flow_control(GO_ON));
        }
        effects
    }

    /// isotp_rcv_cf.
    fn next(&mut self, data: &[u8], at: usize, serial: u8, time: Instant) -> Vec<Effect> {
        if !self.incoming.receiving {
            return Vec::new();
        }
        // "drop if timestamp gap is less than force_rx_stmin nano secs"
        if self.settings.has(CAN_ISOTP_FORCE_RXSTMIN) {
            let least = Duration::from_nanos(self.settings.forced_rx_gap.into());
            if self.incoming.last.is_some_and(|last| time.since(last) < least) {
                return Vec::new();
            }
            self.incoming.last = Some(time);
        }
        let incoming = &mut self.incoming;
        let mut effects = vec![Effect::Stop(Watch::Incoming)];
        let missing = incoming.len.saturating_sub(incoming.message.len());
        // "CFs are never longer than the FF"; shorter "is only allowed for the last CF".
        if data.len() > incoming.frame_len
            || (data.len() < incoming.frame_len && missing > incoming.frame_len - at - 1)
        {
            return effects;
        }
        if serial != incoming.serial {
            incoming.receiving = false;
            effects.push(Effect::Fail(Errno::EILSEQ.because(Reason::IsotpSerial)));
            return effects;
        }
        incoming.serial = (incoming.serial + 1) % 16;
        let part = data.get(at + 1..).unwrap_or_default();
        let part = part.get(..missing).unwrap_or(part);
        incoming.message.extend(part);
        if incoming.message.len() >= incoming.len {
            incoming.receiving = false;
            let message = std::mem::take(&mut incoming.message);
            effects.push(match self.is_badly_padded(data, at + 1 + part.len()) {
                true => Effect::Fail(Errno::EBADMSG.because(Reason::IsotpMalformed)),
                false => Effect::Deliver(message),
            });
            return effects;
        }
        incoming.in_block = incoming.in_block.wrapping_add(1);
        if self.settings.block_size == 0 || incoming.in_block < self.settings.block_size {
            effects.push(Effect::Start(Watch::Incoming, FLOW_PATIENCE));
        } else if !self.settings.has(CAN_ISOTP_LISTEN_MODE) {
            // "we reached the specified blocksize"
            effects.extend(self.flow_control(GO_ON));
        }
        effects
    }
}
