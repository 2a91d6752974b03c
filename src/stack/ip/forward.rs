//! A router's work: packets for others go on, one hop nearer to their end (RFC 1812 5, RFC 8200).

use std::net::IpAddr;

use super::extension::{Problem, walk};
use super::header::{Header, seal_v4};
use super::icmp_error::{self, IcmpError};
use crate::base::{Errno, Frame, IfIndex, Reason};
use crate::stack::Net;
use crate::stack::net::{Cast, Hints};

impl Net {
    /// A packet that is not for this host. `to_all`: its frame was a broadcast or a multicast.
    pub(super) fn forward(&mut self, arrived: IfIndex, header: Header, mut frame: Frame, to_all: bool) {
        // RFC 1812 5.3.4: a router does not forward what came as a link-layer broadcast.
        let forwards = if header.destination.is_ipv4() { self.config.forward } else { self.config.forward6 };
        if !forwards || to_all || arrived == IfIndex::LO || stays_here(&header) {
            return self.drop_in(Reason::IpNotForUs, arrived);
        }
        if header.destination.is_ipv6() && refuses_hop_options(frame.bytes()) {
            return self.drop_in(Reason::IpExtensionHeader, arrived);
        }
        // RFC 1812 5.3.1: "If the TTL is reduced to zero (or less), the packet MUST be discarded".
        if header.ttl <= 1 {
            self.drop_in(Reason::IpTtlExpired, arrived);
            return self.icmp_error(icmp_error::TTL_EXPIRED, frame.bytes(), arrived);
        }
        let hop = match self.hop(header.destination, Hints::default()) {
            Ok(hop) if hop.cast == Cast::Unicast && hop.interface != IfIndex::LO => hop,
            // A router does not send others' packets to all of a network (RFC 2644).
            Ok(_) => return self.drop_in(Reason::IpNotForUs, arrived),
            Err(error) => {
                self.drop_in(error.reason(), arrived);
                // ip_error, ip6_pkt_discard, ip6_pkt_prohibit; dst_discard says nothing.
                let error = match error.reason() {
                    Reason::RouteBlackhole => return,
                    Reason::RouteUnreachable => icmp_error::ROUTE_UNREACHABLE,
                    Reason::RouteProhibited => icmp_error::PROHIBITED,
                    _ => icmp_error::NET_UNREACHABLE,
                };
                return self.icmp_error(error, frame.bytes(), arrived);
            }
        };
        let link = self.interface(hop.interface).map_or(0, |i| i.mtu_for(header.destination));
        if frame.len() > link && (header.destination.is_ipv6() || header.dont_fragment()) {
            self.drop_in(Reason::IpTooBig, arrived);
            let error = IcmpError { info: link as u32, ..icmp_error::TOO_BIG };
            return self.icmp_error(error, frame.bytes(), arrived);
        }
        let way = self.source_for(header.destination, &hop).ok();
        let bytes = frame.bytes_mut();
        if header.destination.is_ipv4() {
            bytes[8] = header.ttl - 1;
            let head = &mut bytes[..header.length];
            // ip_forward_options: the address that it leaves from.
            if let Some(address) = way {
                self.record(head, address);
            }
            seal_v4(head);
        } else {
            bytes[7] = header.ttl - 1;
        }
        let sent =
            if frame.len() > link { self.fragment_v4(&hop, &frame, link) } else { self.emit(&hop, frame) };
        match sent {
            Err(error) if error.errno() != Errno::ENETDOWN => self.drop_in(error.reason(), arrived),
            _ => {}
        }
    }
}

/// Addresses that mean nothing beyond a link (RFC 1812 5.3.7, RFC 4291 2.5.6).
fn stays_here(header: &Header) -> bool {
    let here = |address: IpAddr| match address {
        IpAddr::V4(ip) => {
            ip.is_loopback() || ip.octets()[0] == 0 || ip.octets()[0] >= 240 || ip.is_multicast()
        }
        IpAddr::V6(ip) => {
            ip.is_loopback() || ip.is_unspecified() || ip.is_unicast_link_local() || ip.is_multicast()
        }
    };
    here(header.source) || here(header.destination)
}

/// RFC 8200 4.1: of the extension headers a router looks at the hop-by-hop options alone.
fn refuses_hop_options(packet: &[u8]) -> bool {
    packet.get(6) == Some(&0) && matches!(walk(packet), Err(Problem::Silent))
}
