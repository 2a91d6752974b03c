//! Ethernet: which frames are for us, and the header of those that leave.

use std::net::IpAddr;

use crate::base::{Direction, Errno, Error, Frame, IfIndex, Mac, Reason};
use crate::stack::net::{Cast, Inbound};
use crate::stack::{Net, ip::Hop};

use super::Interface;

/// Destination, source, EtherType.
pub(in crate::stack) const HEADER: usize = 14;
pub(in crate::stack) const IPV4: u16 = 0x0800;
pub(in crate::stack) const ARP: u16 = 0x0806;
pub(in crate::stack) const IPV6: u16 = 0x86dd;

impl Interface {
    /// True for the frames that the station takes from the link.
    fn accepts(&self, destination: Mac) -> bool {
        if destination == self.mac || destination == Mac::BROADCAST {
            return true;
        }
        // 224.0.0.1 and ff02::1: every host is a member. A MAC of a group stands for several groups; ip/ looks closer.
        destination.is_multicast()
            && (self.index == IfIndex::LO
                || self.takes_all_groups()
                || destination == Mac([1, 0, 0x5e, 0, 0, 1])
                || destination == Mac([0x33, 0x33, 0, 0, 0, 1])
                || self.groups.iter().any(|g| Mac::of_group(g.address) == destination))
    }
}

impl Net {
    pub(in crate::stack) fn ethernet_in(&mut self, interface: IfIndex, mut frame: Frame) {
        // What the kernel sends on a wire that is shared with it: for packet sockets alone.
        if self.is_shadow(interface) && frame.direction == Direction::Out {
            return self.tap_out(interface, None, None, &frame);
        }
        let Some(link) = self.interface_mut(interface) else { return };
        link.counters.rx_packets += 1;
        link.counters.rx_bytes += frame.len() as u64;
        let &[d0, d1, d2, d3, d4, d5, _, _, _, _, _, _, t0, t1, ..] = frame.bytes() else {
            return self.drop_in(Reason::LinkShort, interface);
        };
        let destination = Mac([d0, d1, d2, d3, d4, d5]);
        if !link.up {
            return self.drop_in(Reason::LinkDown, interface);
        }
        let (own, accepted) = (link.mac, link.accepts(destination));
        let without_arp = link.is_without_arp();
        self.tap_in(interface, own, &frame);
        // IPPROTO_IP sees the packets for other stations too.
        if self.raw_wanted.has_all() && u16::from_be_bytes([t0, t1]) == IPV4 {
            let mut copy = frame.clone();
            copy.pull(HEADER);
            self.inbound.push_back(Inbound::Arrived(interface, copy));
        }
        if !accepted {
            return self.drop_in(Reason::LinkOtherHost, interface);
        }
        frame.pull(HEADER);
        match u16::from_be_bytes([t0, t1]) {
            IPV4 => self.ipv4_in(interface, frame, destination.is_multicast()),
            IPV6 => self.ipv6_in(interface, frame, destination.is_multicast()),
            // arp_rcv: "if (dev->flags & IFF_NOARP".
            ARP if without_arp => self.drop_in(Reason::LinkUnknownProtocol, interface),
            ARP => self.arp_in(interface, &frame, destination.is_multicast()),
            _ => self.drop_in(Reason::LinkUnknownProtocol, interface),
        }
    }

    /// Drops what came in, and says why.
    pub(in crate::stack) fn drop_in(&mut self, reason: Reason, interface: IfIndex) {
        // __netif_receive_skb_core counts what it knows no protocol for. Frames for others, and packets that IP refuses, are no loss
        // of the interface.
        let lost = matches!(reason, Reason::LinkShort | Reason::LinkDown | Reason::LinkUnknownProtocol);
        if let Some(link) = self.interface_mut(interface).filter(|_| lost) {
            link.counters.rx_drops += 1;
        }
        self.note(reason, Some(interface), None);
    }

    /// An IP packet to its next hop.
    pub(in crate::stack) fn emit(&mut self, hop: &Hop, frame: Frame) -> Result<(), Error> {
        if frame.leave.is_some_and(|at| at > self.now) {
            return self.hold(hop, frame);
        }
        if hop.interface == IfIndex::LO {
            return self.ethernet_out(IfIndex::LO, Mac::ZERO, ethertype(hop.next_hop), frame);
        }
        // arp_constructor, ndisc_constructor: nobody is asked; the frame has the interface's own address.
        let without_arp = self.interface(hop.interface).filter(|link| link.is_without_arp());
        let without_arp = without_arp.map(|link| link.mac);
        if let (Some(own), Cast::Unicast) = (without_arp, hop.cast) {
            return self.ethernet_out(hop.interface, own, ethertype(hop.next_hop), frame);
        }
        match hop.cast {
            Cast::Unicast => self.neighbour_out(hop.interface, hop.next_hop, frame),
            Cast::Broadcast => self.ethernet_out(hop.interface, Mac::BROADCAST, IPV4, frame),
            Cast::Multicast => {
                let group = Mac::of_group(hop.next_hop);
                self.ethernet_out(hop.interface, group, ethertype(hop.next_hop), frame)
            }
        }
    }

    /// Puts the Ethernet header in front; the frame is ready for the wire.
    pub(in crate::stack) fn ethernet_out(
        &mut self,
        interface: IfIndex,
        destination: Mac,
        ethertype: u16,
        mut frame: Frame,
    ) -> Result<(), Error> {
        let Some(link) = self.interface(interface) else {
            return Err(Errno::ENODEV.because(Reason::NoInterface));
        };
        // "ip route" can't lead there; SO_BINDTODEVICE can.
        if link.is_can() {
            return Err(Errno::ENETUNREACH.because(Reason::IpNoRoute));
        }
        let source = link.mac;
        let header = frame.push(HEADER);
        header[..6].copy_from_slice(&destination.0);
        header[6..12].copy_from_slice(&source.0);
        header[12..].copy_from_slice(&ethertype.to_be_bytes());
        self.transmit(interface, frame, None, None)
    }
}

/// The EtherType of packets of the address's version.
pub(in crate::stack) fn ethertype(address: IpAddr) -> u16 {
    if address.is_ipv4() { IPV4 } else { IPV6 }
}
