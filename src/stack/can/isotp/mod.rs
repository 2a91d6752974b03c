//! CAN_ISOTP (net/can/isotp.c): messages of up to 8300 bytes between two identifiers, by ISO 15765-2.
//!
//! | file | what |
//! |---|---|
//! | `mod.rs` | the socket: its verbs, and what becomes of the channel's effects |
//! | `settings.rs` | its options |
//! | `channel.rs` | the protocol: what is sent, and its times |
//! | `receiving.rs` | the protocol: what is received |

mod channel;
mod receiving;
mod settings;

use std::io::IoSlice;

use super::bcm::NOWHERE;
use super::{CanSocket, Protocol};
use channel::{Channel, Effect, Watch};
use receiving::MESSAGE_MAX;
use settings::Broadcast;

use crate::base::constants::{
    CAN_EFF_FLAG, CAN_EFF_MASK, CAN_ISOTP_WAIT_TX_DONE, CAN_SFF_MASK, MSG_DONTWAIT,
};
use crate::base::{Errno, Frame, Instant, Reason, Result, SockAddr, SocketId};
use crate::stack::datagram::gather;
use crate::stack::family::not_supported;
use crate::stack::{SendTo, Stack};

/// Which of its clocks a socket waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Due {
    socket: SocketId,
    watch: Watch,
}

/// What a CAN_ISOTP socket has of its own.
#[derive(Debug, Default)]
pub(super) struct Isotp {
    channel: Channel,
    /// CAN_ISOTP_WAIT_TX_DONE: a call waits until the message has left.
    awaited: bool,
}

impl Isotp {
    /// isotp_poll: "Check for false positives due to TX state".
    pub(super) fn is_sending(&self) -> bool {
        self.channel.is_sending()
    }

    /// The identifiers: of what it receives, of what it sends.
    pub(super) fn identifiers(&self) -> (u32, u32) {
        (self.channel.rx_id, self.channel.tx_id)
    }
}

/// padlen: the next length that a frame can have.
fn pad_length(len: usize) -> usize {
    [8, 12, 16, 20, 24, 32, 48].into_iter().find(|fits| len <= *fits).unwrap_or(64)
}

/// "sanitize tx CAN identifier".
fn is_identifier(id: u32) -> bool {
    let mask = if id & CAN_EFF_FLAG != 0 { CAN_EFF_FLAG | CAN_EFF_MASK } else { CAN_SFF_MASK };
    id & mask == id
}

impl CanSocket {
    fn isotp(&self) -> Result<&Isotp> {
        match &self.protocol {
            Protocol::Isotp(isotp) => Ok(isotp),
            _ => Err(not_supported()),
        }
    }

    fn isotp_mut(&mut self) -> Result<&mut Isotp> {
        match &mut self.protocol {
            Protocol::Isotp(isotp) => Ok(isotp),
            _ => Err(not_supported()),
        }
    }
}

impl Stack {
    /// isotp_bind.
    pub(super) fn isotp_bind(&mut self, id: SocketId, address: SockAddr) -> Result<()> {
        let SockAddr::Can(address) = address else {
            return Err(Errno::EINVAL.because(Reason::WrongFamily));
        };
        // "if (len < ISOTP_MIN_NAMELEN) return -EINVAL"
        if address.rest().len() < 8 {
            return Err(Errno::EINVAL.because(Reason::AddressLength));
        }
        let can = self.sockets.get(id)?.can()?;
        let settings = &can.isotp()?.channel.settings;
        let hears = settings.broadcast() == Broadcast::No;
        let (rx_id, tx_id) = (address.rx_id(), address.tx_id());
        // "give feedback on wrong CAN-ID value"
        if !is_identifier(tx_id) || (hears && !is_identifier(rx_id)) {
            return Err(Errno::EINVAL.with("an identifier with bits that no identifier has"));
        }
        if address.interface() == 0 {
            return Err(Errno::ENODEV.because(Reason::NoInterface));
        }
        if can.bound {
            return Err(Errno::EINVAL.because(Reason::AlreadyBound));
        }
        if hears && rx_id == tx_id {
            return Err(
                Errno::EADDRNOTAVAIL.with("what is sent and what is received have the same identifier")
            );
        }
        let mtu = settings.mtu();
        let interface = self.can_interface(address.into())?;
        let link = interface.and_then(|index| self.net.interface(index));
        let link = link.ok_or(Errno::ENODEV.because(Reason::NoInterface))?;
        if link.mtu < mtu {
            return Err(Errno::EINVAL.because(Reason::CanFrameTooLong));
        }
        let up = link.up;
        let can = self.sockets.get_mut(id)?.can_mut()?;
        (can.bound, can.interface) = (true, interface);
        let channel = &mut can.isotp_mut()?.channel;
        (channel.rx_id, channel.tx_id) = (rx_id, tx_id);
        if !up {
            self.set_pending_error(id, Errno::ENETDOWN.because(Reason::LinkDown));
        }
        Ok(())
    }

    /// isotp_sendmsg.
    pub(super) fn isotp_send(
        &mut self,
        id: SocketId,
        data: &[IoSlice<'_>],
        how: &SendTo<'_>,
    ) -> Result<usize> {
        let entry = self.sockets.get_mut(id)?;
        let can = entry.can_mut()?;
        if !can.bound {
            return Err(Errno::EADDRNOTAVAIL.because(Reason::NotBound));
        }
        let isotp = can.isotp_mut()?;
        let len: usize = data.iter().map(|slice| slice.len()).sum();
        let mut message = vec![0; len.min(MESSAGE_MAX)];
        gather(&mut message, data);
        // "we do not support multiple buffers - for now"
        if isotp.is_sending() {
            return Err(Errno::EAGAIN.because(Reason::IsotpBusy));
        }
        // The call that has waited for the message, again; "err = sock_error(sk)".
        if std::mem::take(&mut isotp.awaited) && isotp.channel.last_message() == message {
            return entry.take_error().map(|()| len);
        }
        if len == 0 || len > MESSAGE_MAX {
            return Err(Errno::EINVAL.with(format!("a message has 1 to {MESSAGE_MAX} bytes")));
        }
        // "does the given data fit into a single frame for SF_BROADCAST?"
        if isotp.channel.settings.broadcast() == Broadcast::Single && len > isotp.channel.single_most() {
            return Err(Errno::EINVAL.with("to all receivers goes what fits into one frame"));
        }
        let waits = isotp.channel.settings.has(CAN_ISOTP_WAIT_TX_DONE) && how.flags & MSG_DONTWAIT == 0;
        isotp.awaited = waits;
        let effects = isotp.channel.start(message);
        if let Err(error) = self.isotp_act(id, self.net.now, effects) {
            self.isotp_stop(id);
            // "if (!dev) err = -ENXIO"
            let gone = error.errno() == Errno::ENODEV;
            return Err(if gone { Errno::ENXIO.because(Reason::NoInterface) } else { error });
        }
        if waits { Err(Errno::EAGAIN.because(Reason::IsotpBusy)) } else { Ok(len) }
    }

    /// What did not leave is given up: "no transmission -> no timeout monitoring".
    fn isotp_stop(&mut self, id: SocketId) {
        if let Ok(isotp) = self.sockets.get_mut(id).and_then(|entry| entry.can_mut()?.isotp_mut()) {
            isotp.awaited = false;
            isotp.channel.give_up();
        }
        self.can.isotp.cancel(Due { socket: id, watch: Watch::Outgoing });
    }

    /// What an event of this time leads to. The error is that of a frame that did not leave.
    fn isotp_act(&mut self, id: SocketId, time: Instant, effects: Vec<Effect>) -> Result<()> {
        let mut result = Ok(());
        for effect in effects {
            let due = |watch| Due { socket: id, watch };
            match effect {
                Effect::Start(watch, time) => self.can.isotp.set(due(watch), self.net.now + time),
                Effect::Stop(watch) => self.can.isotp.cancel(due(watch)),
                Effect::Send(frame) => {
                    let interface = self.sockets.get(id)?.can()?.interface.unwrap_or(NOWHERE);
                    result = self.net.can_send(interface, &frame, id, true);
                }
                Effect::Deliver(message) => {
                    let interface = self.sockets.get(id)?.can()?.interface.unwrap_or(NOWHERE);
                    self.can_queue(id, message, interface, 0, time);
                }
                Effect::Fail(error) => self.set_pending_error(id, error),
                Effect::Free if self.sockets.get(id)?.holders == 0 => return self.end(id),
                Effect::Free => self.ready.wake(id),
            }
        }
        result
    }

    fn isotp_does(&mut self, id: SocketId, time: Instant, event: impl FnOnce(&mut Channel) -> Vec<Effect>) {
        let isotp = self.sockets.get_mut(id).and_then(|entry| entry.can_mut()?.isotp_mut());
        let Ok(effects) = isotp.map(|isotp| event(&mut isotp.channel)) else { return };
        if let Err(error) = self.isotp_act(id, time, effects) {
            // Nobody waits for an answer: the clock tells.
            self.net.note(error.reason(), None, Some(id));
        }
    }

    /// isotp_rcv and isotp_rcv_echo, of a frame on the socket's interface.
    pub(super) fn isotp_input(&mut self, id: SocketId, frame: &Frame) {
        if frame.sender == Some(id) {
            self.isotp_does(id, frame.time, |channel| channel.echoed(frame.bytes()));
        }
        self.isotp_does(id, frame.time, |channel| channel.hears(frame.bytes(), frame.time));
    }

    /// Does what is due.
    pub(super) fn isotp_tick(&mut self) {
        while let Some(Due { socket, watch }) = self.can.isotp.pop(self.net.now) {
            self.isotp_does(socket, self.net.now, |channel| channel.due(watch));
        }
    }

    /// isotp_release, behind "wait for complete transmission of current pdu".
    pub(super) fn isotp_forget(&mut self, id: SocketId) {
        for watch in Watch::ALL {
            self.can.isotp.cancel(Due { socket: id, watch });
        }
    }

    /// isotp_getsockopt.
    pub(in crate::stack) fn isotp_get(&self, id: SocketId, name: i32) -> Result<Vec<u8>> {
        self.sockets.get(id)?.can()?.isotp()?.channel.settings.get(name)
    }

    /// isotp_setsockopt.
    pub(in crate::stack) fn isotp_set(&mut self, id: SocketId, name: i32, value: &[u8]) -> Result<()> {
        let can = self.sockets.get_mut(id)?.can_mut()?;
        if can.bound {
            return Err(Errno::EISCONN.because(Reason::AlreadyBound));
        }
        can.isotp_mut()?.channel.settings.set(name, value)
    }
}
