//! Neighbour discovery for IPv6 (RFC 4861): solicitations and advertisements of neighbours. Their address checks are RFC 7.1's.

use std::net::{IpAddr, Ipv6Addr};

use super::AddressState;
use super::neighbour::Learned;
use crate::base::constants::IPPROTO_ICMPV6;
use crate::base::{IfIndex, Mac, Reason};
use crate::stack::link::ethernet::IPV6;
use crate::stack::net::Cast;
use crate::stack::{Datagram, Net, ip};

pub(super) const ROUTER_SOLICITATION: u8 = 133;
pub(super) const ROUTER_ADVERTISEMENT: u8 = 134;
const NEIGHBOUR_SOLICITATION: u8 = 135;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
const REDIRECT: u8 = 137;

const SOURCE_LINK_ADDRESS: u8 = 1;
const TARGET_LINK_ADDRESS: u8 = 2;

pub(super) const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
pub(super) const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

/// RFC 4291 2.7.1: ff02::1:ff00:0/104 with the low 24 bits of the address.
pub(super) fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let prefix = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 0).to_bits();
    Ipv6Addr::from_bits(prefix | address.to_bits() & 0xff_ffff)
}

/// The options behind a message's fixed part: (type, whole option). `None` for a malformed one.
pub(super) fn options(mut bytes: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut options = Vec::new();
    while let [kind, length, ..] = *bytes {
        // RFC 4861 4.6: "Nodes MUST silently discard an ND packet that contains an option with length zero."
        let length = usize::from(length) * 8;
        if length == 0 || length > bytes.len() {
            return None;
        }
        let (option, rest) = bytes.split_at(length);
        options.push((kind, option));
        bytes = rest;
    }
    bytes.is_empty().then_some(options)
}

/// The MAC in a link-layer address option.
pub(super) fn link_address(options: &[(u8, &[u8])], kind: u8) -> Option<Mac> {
    let (_, option) = options.iter().find(|(k, option)| *k == kind && option.len() == 8)?;
    option[2..].first_chunk().map(|mac| Mac(*mac))
}

pub(super) fn source_link_address(options: &[(u8, &[u8])]) -> Option<Mac> {
    link_address(options, SOURCE_LINK_ADDRESS)
}

fn address_at(message: &[u8], at: usize) -> Option<Ipv6Addr> {
    message.get(at..)?.first_chunk::<16>().map(|octets| Ipv6Addr::from(*octets))
}

impl Net {
    /// True if the ICMPv6 message was one of neighbour discovery. Its checksum is verified.
    pub(in crate::stack) fn ndp_in(&mut self, datagram: &Datagram) -> bool {
        let message = datagram.payload();
        let [kind @ ROUTER_SOLICITATION..=REDIRECT, code, ..] = *message else { return false };
        // RFC 4861 7.1: "The IP Hop Limit field has a value of 255, i.e., the packet could not possibly have been forwarded
        // by a router." and "ICMP Code is 0".
        let valid = datagram.ttl == 255 && code == 0 && datagram.interface != IfIndex::LO;
        let handled = match (valid, datagram.source, kind) {
            (false, ..) | (_, IpAddr::V4(_), _) => None,
            (_, IpAddr::V6(source), NEIGHBOUR_SOLICITATION) => {
                self.solicitation_in(datagram, source, message)
            }
            (_, IpAddr::V6(_), NEIGHBOUR_ADVERTISEMENT) => self.advertisement_in(datagram, message),
            (_, IpAddr::V6(source), ROUTER_ADVERTISEMENT) => {
                self.router_advertisement_in(datagram, source, message)
            }
            (_, _, REDIRECT) => {
                self.note(Reason::IcmpRedirectIgnored, Some(datagram.interface), None);
                Some(())
            }
            // RFC 4861 6.2.6: "A host MUST silently discard any received Router Solicitation messages." We advertise nothing.
            _ => Some(()),
        };
        if handled.is_none() {
            self.drop_in(Reason::NdpMalformed, datagram.interface);
        }
        true
    }

    fn solicitation_in(&mut self, datagram: &Datagram, source: Ipv6Addr, message: &[u8]) -> Option<()> {
        let interface = datagram.interface;
        let target = address_at(message, 8).filter(|target| !target.is_multicast())?;
        let options = options(message.get(24..)?)?;
        let mac = source_link_address(&options);
        // RFC 4861 7.1.1: "If the IP source address is the unspecified address, the IP destination address is a
        // solicited-node multicast address" and "there is no source link-layer address option in the message".
        let probe = source.is_unspecified();
        if probe && (mac.is_some() || datagram.destination != IpAddr::V6(solicited_node(target))) {
            return None;
        }
        let ours = self.interface(interface)?.addresses.iter().find(|a| a.ip() == IpAddr::V6(target))?;
        match ours.state {
            // RFC 4862 5.4.3: "If the source address of the Neighbor Solicitation is the unspecified address, the
            // solicitation is from a node performing Duplicate Address Detection. [...] the tentative address is a duplicate".
            _ if probe && ours.is_being_verified() => self.duplicate_found(interface, target),
            AddressState::Tentative | AddressState::DadFailed => {}
            AddressState::Optimistic | AddressState::Preferred | AddressState::Deprecated => {
                if !probe {
                    let learned =
                        Learned { mac, create: true, solicited: false, overrides: true, router: None };
                    self.learn_neighbour(interface, datagram.source, learned);
                }
                self.neighbour_advertisement(interface, target, (!probe).then_some(source));
            }
        }
        Some(())
    }

    fn advertisement_in(&mut self, datagram: &Datagram, message: &[u8]) -> Option<()> {
        let interface = datagram.interface;
        let target = address_at(message, 8).filter(|target| !target.is_multicast())?;
        let flags = *message.get(4)?;
        let (router, solicited, overrides) = (flags & 0x80 != 0, flags & 0x40 != 0, flags & 0x20 != 0);
        // RFC 4861 7.1.2: "If the IP Destination Address is a multicast address the Solicited flag is zero."
        if datagram.cast == Cast::Multicast && solicited {
            return None;
        }
        let mac = link_address(&options(message.get(24..)?)?, TARGET_LINK_ADDRESS);
        let link = self.interface(interface)?;
        let own = link.addresses.iter().find(|a| a.ip() == IpAddr::V6(target));
        match own {
            // RFC 4862 5.4.4: "If the target address is tentative, the tentative address is not unique."
            Some(own) if own.is_being_verified() => self.duplicate_found(interface, target),
            Some(_) => self.note(Reason::DuplicateAddress, Some(interface), None),
            None => {
                let learned = Learned { mac, create: false, solicited, overrides, router: Some(router) };
                self.learn_neighbour(interface, IpAddr::V6(target), learned);
                if !router {
                    self.router_gone(interface, target);
                }
            }
        }
        Some(())
    }

    /// Asks who has an IPv6 address: its solicited-node group, or the station that had it.
    pub(super) fn neighbour_solicitation(&mut self, interface: IfIndex, target: Ipv6Addr, mac: Option<Mac>) {
        // Without a source there is nobody to answer to; the timer tells those who wait.
        let Some(source) = self.source_v6(Some(interface), target) else { return };
        let own = self.interface(interface).map(|i| i.mac).unwrap_or_default();
        let destination = if mac.is_some() { target } else { solicited_node(target) };
        let mut message = Vec::with_capacity(32);
        message.extend([NEIGHBOUR_SOLICITATION, 0, 0, 0, 0, 0, 0, 0]);
        message.extend(target.octets());
        // RFC 4429 3.3: a solicitation from an optimistic address must not contain a Source Link-Layer Address Option.
        if !self.is_optimistic(interface, source) {
            message.extend([SOURCE_LINK_ADDRESS, 1]);
            message.extend(own.0);
        }
        self.ndp_out(interface, mac, source, destination, &mut message);
    }

    /// RFC 4862 5.4.2: a probe for duplicates comes from the unspecified address.
    pub(super) fn duplicate_probe(&mut self, interface: IfIndex, target: Ipv6Addr) {
        let mut message = Vec::with_capacity(24);
        message.extend([NEIGHBOUR_SOLICITATION, 0, 0, 0, 0, 0, 0, 0]);
        message.extend(target.octets());
        self.ndp_out(interface, None, Ipv6Addr::UNSPECIFIED, solicited_node(target), &mut message);
    }

    fn is_optimistic(&self, interface: IfIndex, address: Ipv6Addr) -> bool {
        let own = self.interface(interface).and_then(|i| i.addresses.iter().find(|a| a.ip() == address));
        own.is_some_and(|own| own.state == AddressState::Optimistic)
    }

    fn neighbour_advertisement(&mut self, interface: IfIndex, target: Ipv6Addr, to: Option<Ipv6Addr>) {
        if self.is_shadow(interface) {
            return;
        }
        let own = self.interface(interface).map(|i| i.mac).unwrap_or_default();
        // RFC 4429 3.3: advertisements of an optimistic address have the Override flag clear, so that a rightful owner's
        // entry in other stations' tables stays.
        let overrides = if self.is_optimistic(interface, target) { 0 } else { 0x20 };
        // RFC 4861 7.2.4: "If the source of the solicitation is the unspecified address, the node MUST set the Solicited flag
        // to zero and multicast the advertisement to the all-nodes address."
        let flags =
            overrides | if to.is_some() { 0x40 } else { 0 } | if self.config.forward6 { 0x80 } else { 0 };
        let mut message = Vec::with_capacity(32);
        message.extend([NEIGHBOUR_ADVERTISEMENT, 0, 0, 0, flags, 0, 0, 0]);
        message.extend(target.octets());
        message.extend([TARGET_LINK_ADDRESS, 1]);
        message.extend(own.0);
        self.ndp_out(interface, None, target, to.unwrap_or(ALL_NODES), &mut message);
    }

    /// Sends an ICMPv6 message of neighbour discovery: hop limit 255, on this link. With a MAC straight to that station.
    pub(super) fn ndp_out(
        &mut self,
        interface: IfIndex,
        mac: Option<Mac>,
        source: Ipv6Addr,
        destination: Ipv6Addr,
        message: &mut [u8],
    ) {
        let checksum = ip::icmpv6_checksum(source, destination, message);
        message[2..4].copy_from_slice(&checksum.to_be_bytes());
        let mut frame = self.pool.frame(message.len());
        frame.bytes_mut().copy_from_slice(message);
        let (protocol, ttl) = (IPPROTO_ICMPV6 as u8, 255);
        ip::Header::write_v6(frame.push(ip::V6_LEN), source, destination, protocol, ttl, 0, message.len());
        // Whoever waits hears of a link that is down by the timer.
        let _ = match mac {
            Some(mac) => self.ethernet_out(interface, mac, IPV6, frame),
            None => {
                let cast = if destination.is_multicast() { Cast::Multicast } else { Cast::Unicast };
                self.emit(&ip::Hop::new(interface, destination.into(), cast), frame)
            }
        };
    }

    pub(super) fn join_solicited_node(&mut self, interface: IfIndex, address: Ipv6Addr) {
        // A table of groups that is full has been noted.
        let _ = self.join(solicited_node(address).into(), Some(interface));
    }

    pub(super) fn leave_solicited_node(&mut self, interface: IfIndex, address: Ipv6Addr) {
        let _ = self.leave(solicited_node(address).into(), Some(interface));
    }
}
