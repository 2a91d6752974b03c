//! ARP (RFC 826) for IPv4 over Ethernet; announcements and conflicts (RFC 5227).

use std::net::{IpAddr, Ipv4Addr};

use super::neighbour::Learned;
use crate::base::{Frame, IfIndex, Mac, Reason};
use crate::stack::Net;
use crate::stack::link::ethernet::ARP;

const LEN: usize = 28;
/// Hardware type Ethernet, protocol type IPv4, lengths 6 and 4.
const ETHERNET_IPV4: [u8; 6] = [0, 1, 8, 0, 6, 4];
const REQUEST: u16 = 1;
const REPLY: u16 = 2;

struct Arp {
    operation: u16,
    sender_mac: Mac,
    sender: Ipv4Addr,
    target: Ipv4Addr,
}

impl Arp {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; LEN] = bytes.first_chunk()?;
        let operation = u16::from_be_bytes([bytes[6], bytes[7]]);
        let sender_mac = Mac([bytes[8], bytes[9], bytes[10], bytes[11], bytes[12], bytes[13]]);
        let sender = Ipv4Addr::new(bytes[14], bytes[15], bytes[16], bytes[17]);
        let target = Ipv4Addr::new(bytes[24], bytes[25], bytes[26], bytes[27]);
        let right = bytes.starts_with(&ETHERNET_IPV4)
            && matches!(operation, REQUEST | REPLY)
            && !(sender_mac.is_multicast() || sender_mac == Mac::ZERO)
            && !(sender.is_multicast() || sender.is_broadcast() || sender.is_loopback());
        right.then_some(Self { operation, sender_mac, sender, target })
    }
}

impl Net {
    pub(super) fn arp_in(&mut self, interface: IfIndex, frame: &Frame, to_all: bool) {
        let Some(arp) = Arp::parse(frame.bytes()).filter(|_| interface != IfIndex::LO) else {
            return self.drop_in(Reason::ArpMalformed, interface);
        };
        let sender = IpAddr::V4(arp.sender);
        let Some(link) = self.interface(interface) else { return };
        if arp.sender_mac == link.mac {
            return self.drop_in(Reason::ArpMalformed, interface);
        }
        // RFC 5227 2.4: "if a host receives an ARP packet (Request *or* Reply) where the 'sender IP address' is (one of) the
        // host's own IP address(es) configured on that interface, but the 'sender hardware address' does not match any of
        // the host's own interface addresses, then this is a conflicting ARP packet". Noted; the address is kept.
        if link.has(sender) {
            return self.note(Reason::DuplicateAddress, Some(interface), None);
        }
        let for_us = !arp.target.is_loopback() && self.is_local(IpAddr::V4(arp.target));
        // RFC 826: "If the pair <protocol type, sender protocol address> is already in my translation table, update the
        // sender hardware address field"; a new entry only if the target is us.
        if !arp.sender.is_unspecified() {
            let learned = Learned {
                mac: Some(arp.sender_mac),
                create: for_us && arp.operation == REQUEST,
                solicited: arp.operation == REPLY && !to_all,
                overrides: true,
                router: None,
            };
            self.learn_neighbour(interface, sender, learned);
        }
        // Announcements (sender = target) never pass here: the target would be us, and so the sender.
        if for_us && arp.operation == REQUEST && !self.is_shadow(interface) {
            self.arp_out(interface, REPLY, arp.target, arp.sender_mac, arp.sender, arp.sender_mac);
        }
    }

    /// Asks who has an IPv4 address: everybody, or the station that had it.
    pub(super) fn arp_request(&mut self, interface: IfIndex, target: Ipv4Addr, mac: Option<Mac>) {
        let sender = self.source_v4(interface, target).unwrap_or(Ipv4Addr::UNSPECIFIED);
        self.arp_out(interface, REQUEST, sender, Mac::ZERO, target, mac.unwrap_or(Mac::BROADCAST));
    }

    /// Gratuitous ARP: tells all neighbours where the address is (RFC 5227 2.3).
    pub(super) fn announce(&mut self, interface: IfIndex, address: Ipv4Addr) {
        if self.is_shadow(interface) {
            return;
        }
        self.arp_out(interface, REQUEST, address, Mac::ZERO, address, Mac::BROADCAST);
    }

    fn arp_out(
        &mut self,
        interface: IfIndex,
        operation: u16,
        sender: Ipv4Addr,
        target_mac: Mac,
        target: Ipv4Addr,
        to: Mac,
    ) {
        let Some(mac) = self.interface(interface).map(|i| i.mac) else { return };
        let mut frame = self.pool.frame(LEN);
        let bytes = frame.bytes_mut();
        bytes[..6].copy_from_slice(&ETHERNET_IPV4);
        bytes[6..8].copy_from_slice(&operation.to_be_bytes());
        bytes[8..14].copy_from_slice(&mac.0);
        bytes[14..18].copy_from_slice(&sender.octets());
        bytes[18..24].copy_from_slice(&target_mac.0);
        bytes[24..].copy_from_slice(&target.octets());
        // A link that is down has counted it; whoever waits hears of it by the timer.
        let _ = self.ethernet_out(interface, to, ARP, frame);
    }
}
