//! What a CAN_ISOTP socket is told by setsockopt(2), as linux/can/isotp.h lays it out.

use super::pad_length;
use crate::base::constants::*;
use crate::base::{Errno, Reason, Result};
use crate::wire::can::{CAN_MTU, CANFD_MTU};

/// CAN_ISOTP_DEFAULT_PAD_CONTENT: "prevent bit-stuffing".
pub(super) const PADDING: u8 = 0xcc;
/// CAN_ISOTP_DEFAULT_FRAME_TXTIME: nanoseconds.
const FRAME_TIME: u32 = 50_000;

/// The options of a socket.
#[derive(Debug)]
pub(super) struct Settings {
    /// CAN_ISOTP_* of struct can_isotp_options.
    flags: u32,
    /// `frame_txtime` as the program wrote it.
    frame_time_asked: u32,
    /// N_As, in nanoseconds: what a frame takes to be sent.
    pub(super) frame_time: u32,
    /// Extended addressing: the first byte of what is sent, and of what is received.
    pub(super) address: u8,
    pub(super) rx_address: u8,
    pub(super) tx_padding: u8,
    pub(super) rx_padding: u8,
    /// CAN_ISOTP_RECV_FC: frames of a block, STmin, and a third number that nothing acts on. As it goes into flow control frames.
    pub(super) block_size: u8,
    pub(super) separation: u8,
    waits_most: u8,
    /// CAN_ISOTP_TX_STMIN, CAN_ISOTP_RX_STMIN: nanoseconds.
    pub(super) forced_tx_gap: u32,
    pub(super) forced_rx_gap: u32,
    /// CAN_ISOTP_LL_OPTS: sizeof of the frames' struct, bytes of data in a frame, CANFD_*.
    mtu: u8,
    tx_len: u8,
    pub(super) tx_flags: u8,
}

impl Default for Settings {
    /// isotp_init.
    fn default() -> Self {
        Self {
            flags: 0,
            frame_time_asked: FRAME_TIME,
            frame_time: FRAME_TIME,
            address: 0,
            rx_address: 0,
            tx_padding: PADDING,
            rx_padding: PADDING,
            block_size: 0,
            separation: 0,
            waits_most: 0,
            forced_tx_gap: 0,
            forced_rx_gap: 0,
            mtu: CAN_MTU as u8,
            tx_len: 8,
            tx_flags: 0,
        }
    }
}

/// How a message goes to more than one receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broadcast {
    No,
    /// CAN_ISOTP_SF_BROADCAST: in single frames alone.
    Single,
    /// CAN_ISOTP_CF_BROADCAST: in consecutive frames that nobody controls.
    Consecutive,
}

impl Settings {
    /// One of CAN_ISOTP_*, or all of several.
    pub(super) fn has(&self, flags: u32) -> bool {
        self.flags & flags == flags
    }

    pub(super) fn broadcast(&self) -> Broadcast {
        match (self.has(CAN_ISOTP_SF_BROADCAST), self.has(CAN_ISOTP_CF_BROADCAST)) {
            (true, _) => Broadcast::Single,
            (false, true) => Broadcast::Consecutive,
            (false, false) => Broadcast::No,
        }
    }

    /// Bytes before the protocol's own: the extended address.
    pub(super) fn address_len(&self) -> usize {
        usize::from(self.has(CAN_ISOTP_EXTEND_ADDR))
    }

    /// Bytes of the frames' struct.
    pub(super) fn mtu(&self) -> usize {
        self.mtu.into()
    }

    /// Bytes of data that a frame carries: 8, 12, 16, 20, 24, 32, 48 or 64.
    pub(super) fn tx_len(&self) -> usize {
        self.tx_len.into()
    }

    /// isotp_getsockopt.
    pub(super) fn get(&self, name: i32) -> Result<Vec<u8>> {
        Ok(match name {
            CAN_ISOTP_OPTS => {
                let mut bytes = [self.flags.to_ne_bytes(), self.frame_time_asked.to_ne_bytes()].concat();
                bytes.extend([self.address, self.tx_padding, self.rx_padding, self.rx_address]);
                bytes
            }
            CAN_ISOTP_RECV_FC => vec![self.block_size, self.separation, self.waits_most],
            CAN_ISOTP_TX_STMIN => self.forced_tx_gap.to_ne_bytes().to_vec(),
            CAN_ISOTP_RX_STMIN => self.forced_rx_gap.to_ne_bytes().to_vec(),
            CAN_ISOTP_LL_OPTS => vec![self.mtu, self.tx_len, self.tx_flags],
            _ => return Err(Errno::ENOPROTOOPT.because(Reason::UnknownOption)),
        })
    }

    /// isotp_setsockopt_locked.
    pub(super) fn set(&mut self, name: i32, value: &[u8]) -> Result<()> {
        let word = |bytes: &[u8]| bytes.try_into().map_or(0, u32::from_ne_bytes);
        match (name, value) {
            (CAN_ISOTP_OPTS, [flags @ .., t0, t1, t2, t3, address, tx_padding, rx_padding, rx_address])
                if flags.len() == 4 =>
            {
                self.flags = word(flags);
                self.frame_time_asked = u32::from_ne_bytes([*t0, *t1, *t2, *t3]);
                (self.address, self.tx_padding, self.rx_padding) = (*address, *tx_padding, *rx_padding);
                // "no separate rx_ext_address is given => use ext_address"
                self.rx_address = if self.has(CAN_ISOTP_RX_EXT_ADDR) { *rx_address } else { *address };
                match self.frame_time_asked {
                    0 => {}
                    CAN_ISOTP_FRAME_TXTIME_ZERO => self.frame_time = 0,
                    time => self.frame_time = time,
                }
                // "CAN_ISOTP_SF_BROADCAST is prioritized", "give user feedback on wrong config attempt"
                if self.has(CAN_ISOTP_SF_BROADCAST | CAN_ISOTP_CF_BROADCAST) {
                    self.flags &= !CAN_ISOTP_CF_BROADCAST;
                    return Err(Errno::EINVAL.because(Reason::OptionValue));
                }
            }
            (CAN_ISOTP_RECV_FC, [block_size, separation, waits_most]) => {
                (self.block_size, self.separation, self.waits_most) = (*block_size, *separation, *waits_most);
            }
            (CAN_ISOTP_TX_STMIN, [_, _, _, _]) => self.forced_tx_gap = word(value),
            (CAN_ISOTP_RX_STMIN, [_, _, _, _]) => self.forced_rx_gap = word(value),
            (CAN_ISOTP_LL_OPTS, [mtu, tx_len, tx_flags]) => {
                // "check for correct ISO 11898-1 DLC data length"
                let fits = usize::from(*tx_len) == pad_length((*tx_len).into())
                    && match (*mtu).into() {
                        CAN_MTU => *tx_len <= 8 && *tx_flags == 0,
                        CANFD_MTU => true,
                        _ => false,
                    };
                if !fits {
                    return Err(Errno::EINVAL.because(Reason::OptionValue));
                }
                (self.mtu, self.tx_len, self.tx_flags) = (*mtu, *tx_len, *tx_flags);
            }
            _ => return Err(Errno::EINVAL.because(Reason::OptionLength)),
        }
        Ok(())
    }
}
