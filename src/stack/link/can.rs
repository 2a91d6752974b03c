//! CAN interfaces: what was on the bus comes up, what sockets send goes down, and comes back when it has left.
//!
//! A CAN frame is for everybody, the other sockets of its own host included. As on Linux (IFF_ECHO) they hear it once it was on
//! the bus: the device gives the frame back then, [`Direction::Out`], with its sender.

use crate::base::constants::{CANFD_FDF, PACKET_BROADCAST};
use crate::base::{Errno, Error, Frame, IfIndex, Reason, SocketId};
use crate::stack::{Inbound, Net};
use crate::wire::can::Kind;

use super::Passing;
use crate::base::Direction;

impl Net {
    /// A frame of the bus, an error frame of the controller, or the echo of our own.
    pub(in crate::stack) fn can_in(&mut self, interface: IfIndex, frame: Frame) {
        let Some(link) = self.interface_mut(interface) else { return };
        if frame.direction == Direction::In {
            link.counters.rx_packets += 1;
            link.counters.rx_bytes += frame.len() as u64;
        }
        if !link.up {
            return self.drop_in(Reason::LinkDown, interface);
        }
        // can_rcv: "if (unlikely(dev->type != ARPHRD_CAN || ... || !can_is_can_skb(skb)))"
        let Some(kind) = Kind::of(frame.bytes()) else {
            return self.drop_in(Reason::CanMalformed, interface);
        };
        // alloc_can_skb: "skb->pkt_type = PACKET_BROADCAST".
        let (packet_type, protocol) = (PACKET_BROADCAST, kind.protocol());
        self.pass(&frame, Passing { interface, packet_type, protocol, sender: None });
        self.inbound.push_back(Inbound::Can(interface, frame));
    }

    /// can_send. With `echo`, the sockets of this host hear it too, once it was on the bus. EINVAL, EMSGSIZE, EPERM, ENETDOWN;
    /// ENODEV without such an interface.
    pub(in crate::stack) fn can_send(
        &mut self,
        interface: IfIndex,
        bytes: &[u8],
        sender: SocketId,
        echo: bool,
    ) -> Result<(), Error> {
        let link = self.interface(interface).ok_or(Errno::ENODEV.because(Reason::NoInterface))?;
        let kind = Kind::of(bytes).ok_or(Errno::EINVAL.because(Reason::CanMalformed))?;
        // "Make sure the CAN frame can pass the selected CAN netdevice."
        if bytes.len() > link.mtu {
            return Err(Errno::EMSGSIZE.because(Reason::CanFrameTooLong));
        }
        if !link.is_can() {
            return Err(Errno::EPERM.because(Reason::WrongKind));
        }
        let mut frame = self.pool.frame(bytes.len());
        frame.bytes_mut().copy_from_slice(bytes);
        if kind == Kind::Fd {
            // "set CAN FD flag for CAN FD frames by default"
            frame.bytes_mut()[5] |= CANFD_FDF;
        }
        frame.sender = echo.then_some(sender);
        self.transmit(interface, frame, None, Some(kind.protocol()))
    }
}
