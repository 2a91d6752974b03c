//! Taps: where packet sockets listen. A frame that passes an interface is copied once if any of them wants it.

use crate::base::constants::{
    ETH_P_802_2, ETH_P_802_3, ETH_P_ALL, PACKET_BROADCAST, PACKET_HOST, PACKET_MULTICAST, PACKET_OTHERHOST,
    PACKET_OUTGOING,
};
use crate::base::{Direction, Errno, Error, Frame, IfIndex, LinkType, Mac, Reason, SocketId};
use crate::stack::packet::Passed;
use crate::stack::{Inbound, Net};
use crate::wire::can;

use super::ethernet::HEADER;

/// What a packet socket listens to (struct packet_type of Linux).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::stack) struct Tap {
    pub(in crate::stack) socket: SocketId,
    /// `None` = every interface.
    pub(in crate::stack) interface: Option<IfIndex>,
    /// ETH_P_*, never 0.
    pub(in crate::stack) protocol: u16,
    /// PACKET_IGNORE_OUTGOING.
    pub(in crate::stack) ignore_outgoing: bool,
}

impl Tap {
    /// True if the socket gets this frame. packet(7): only ETH_P_ALL sees what goes out, and (dev_queue_xmit_nit,
    /// skb_loop_sk) nobody sees what he sent himself.
    pub(in crate::stack) fn wants(&self, passing: &Passing) -> bool {
        let outgoing = passing.packet_type == PACKET_OUTGOING;
        self.interface.is_none_or(|interface| interface == passing.interface)
            && (self.protocol == ETH_P_ALL || (self.protocol == passing.protocol && !outgoing))
            && !(outgoing && (self.ignore_outgoing || passing.sender == Some(self.socket)))
    }
}

/// What is known of a frame that passes an interface.
#[derive(Clone, Copy, Debug)]
pub(in crate::stack) struct Passing {
    pub(in crate::stack) interface: IfIndex,
    /// PACKET_HOST, PACKET_OUTGOING ...
    pub(in crate::stack) packet_type: u8,
    /// ETH_P_*.
    pub(in crate::stack) protocol: u16,
    /// The packet socket that sent it.
    pub(in crate::stack) sender: Option<SocketId>,
}

/// eth_type_trans: the length field of an IEEE 802.3 frame is no protocol; what follows it tells Novell's frames from LLC's.
fn protocol(field: u16, rest: &[u8]) -> u16 {
    match field {
        // ETH_P_802_3_MIN
        0x0600.. => field,
        _ if rest.starts_with(&[0xff, 0xff]) => ETH_P_802_3,
        _ => ETH_P_802_2,
    }
}

/// eth_type_trans: whom a frame is for, seen from the station `own`. The loopback has no broadcast address.
fn packet_type(interface: IfIndex, destination: Mac, own: Mac) -> u8 {
    if destination == Mac::BROADCAST && interface != IfIndex::LO {
        PACKET_BROADCAST
    } else if destination.is_multicast() {
        PACKET_MULTICAST
    } else if destination == own {
        PACKET_HOST
    } else {
        PACKET_OTHERHOST
    }
}

impl Net {
    /// A frame came in: the packet sockets see it before the station looks whether it is for it.
    pub(super) fn tap_in(&mut self, interface: IfIndex, own: Mac, frame: &Frame) {
        if self.taps.is_empty() {
            return;
        }
        let &[d0, d1, d2, d3, d4, d5, _, _, _, _, _, _, t0, t1, ref rest @ ..] = frame.bytes() else {
            return;
        };
        let passing = Passing {
            interface,
            packet_type: packet_type(interface, Mac([d0, d1, d2, d3, d4, d5]), own),
            protocol: protocol(u16::from_be_bytes([t0, t1]), rest),
            sender: None,
        };
        self.pass(frame, passing);
    }

    /// A frame goes out. Its protocol is what its sender says, else what stands in its header.
    pub(super) fn tap_out(
        &mut self,
        interface: IfIndex,
        sender: Option<SocketId>,
        said: Option<u16>,
        frame: &Frame,
    ) {
        if self.taps.is_empty() {
            return;
        }
        let protocol = match (said, frame.link, frame.bytes()) {
            (Some(said), ..) => said,
            (None, LinkType::Can, bytes) => can::Kind::of(bytes).map_or(0, can::Kind::protocol),
            (None, _, &[_, _, _, _, _, _, _, _, _, _, _, _, t0, t1, ..]) => u16::from_be_bytes([t0, t1]),
            _ => return,
        };
        self.pass(frame, Passing { interface, packet_type: PACKET_OUTGOING, protocol, sender });
    }

    pub(super) fn pass(&mut self, frame: &Frame, passing: Passing) {
        if self.taps.iter().any(|tap| tap.wants(&passing)) {
            self.inbound.push_back(Inbound::Passed(Passed { frame: frame.clone(), passing }));
        }
    }

    /// Puts a whole frame on the wire, as it is. `sender` and `protocol` are for the packet sockets that see it pass.
    pub(in crate::stack) fn transmit(
        &mut self,
        interface: IfIndex,
        mut frame: Frame,
        sender: Option<SocketId>,
        protocol: Option<u16>,
    ) -> Result<(), Error> {
        let now = self.now;
        let Some(link) = self.interface_mut(interface) else {
            return Err(Errno::ENODEV.because(Reason::NoInterface));
        };
        if !link.up {
            link.counters.tx_drops += 1;
            self.note(Reason::LinkDown, Some(interface), None);
            return Err(Errno::ENETDOWN.because(Reason::LinkDown));
        }
        frame.link = link.link;
        frame.time = now;
        frame.direction = Direction::Out;
        link.counters.tx_packets += 1;
        link.counters.tx_bytes += frame.len() as u64;
        self.tap_out(interface, sender, protocol, &frame);
        self.outbound.push_back((interface, frame));
        Ok(())
    }
}

/// Bytes in front of a frame's packet.
pub(in crate::stack) const LINK_HEADER: usize = HEADER;
