//! ICMP (RFC 792) and ICMPv6 (RFC 4443) in: echo is answered here, errors and neighbour discovery have their own files; queries
//! and replies go up too, to ping sockets.

use std::net::IpAddr;

use super::header::icmpv6_checksum;
use crate::base::constants::{IPPROTO_ICMP, IPPROTO_ICMPV6};
use crate::base::{IfIndex, Reason};
use crate::stack::Net;
use crate::stack::net::{Cast, Datagram, Hints, Inbound, IpHead};
use crate::wire::checksum;

impl Net {
    pub(super) fn icmpv4_in(&mut self, datagram: Datagram) {
        const ECHO_REPLY: u8 = 0;
        const ECHO: u8 = 8;
        const REDIRECT: u8 = 5;
        let message = datagram.payload();
        // RFC 792: the checksum covers the ICMP message.
        if checksum(message) != 0 {
            return self.drop_in(Reason::IcmpChecksum, datagram.interface);
        }
        let &[kind, code, _, _, _, _, _, _, ..] = message else {
            return self.drop_in(Reason::IcmpMalformed, datagram.interface);
        };
        match kind {
            // RFC 1122 3.2.2.6: "An ICMP Echo Request destined to an IP broadcast or IP multicast address MAY be silently
            // discarded."
            ECHO if datagram.cast == Cast::Unicast => self.echo(&datagram, ECHO_REPLY),
            3 | 11 | 12 => return self.icmpv4_report(&datagram, kind, code),
            REDIRECT => return self.note(Reason::IcmpRedirectIgnored, Some(datagram.interface), None),
            _ => {}
        }
        self.inbound.push_back(Inbound::Datagram(datagram));
    }

    pub(super) fn icmpv6_in(&mut self, datagram: Datagram) {
        const ECHO: u8 = 128;
        const ECHO_REPLY: u8 = 129;
        let (IpAddr::V6(source), IpAddr::V6(destination)) = (datagram.source, datagram.destination) else {
            return;
        };
        let message = datagram.payload();
        let &[kind, code, c0, c1, _, _, _, _, ..] = message else {
            return self.drop_in(Reason::IcmpMalformed, datagram.interface);
        };
        if icmpv6_checksum(source, destination, message) != u16::from_be_bytes([c0, c1]) {
            return self.drop_in(Reason::IcmpChecksum, datagram.interface);
        }
        if self.ndp_in(&datagram) || self.mld_in(&datagram) {
            return;
        }
        match kind {
            // RFC 4443 4.2: "An Echo Reply SHOULD be sent in response to an Echo Request message sent to an IPv6 multicast
            // [...] address. In this case, the source address of the reply MUST be a unicast address".
            ECHO => self.echo(&datagram, ECHO_REPLY),
            // RFC 4443 2.1: types up to 127 are errors.
            0..128 => return self.icmpv6_report(&datagram, kind, code),
            _ => {}
        }
        self.inbound.push_back(Inbound::Datagram(datagram));
    }

    /// RFC 792: "The data received in the echo message must be returned in the echo reply message."
    fn echo(&mut self, request: &Datagram, reply: u8) {
        let answers = if request.source.is_ipv4() { self.config.echo } else { self.config.echo6 };
        if !answers || self.is_shadow(request.interface) || self.is_stray(request) {
            return;
        }
        let hints = Hints { interface: self.zone(request.source, request.interface), ..Hints::default() };
        let source = match request.cast {
            Cast::Unicast => request.destination,
            _ => match self.path(request.source, hints) {
                Ok(path) => path.source,
                Err(_) => return,
            },
        };
        let message = request.payload();
        let mut frame = self.pool.frame(message.len());
        let bytes = frame.bytes_mut();
        bytes.copy_from_slice(message);
        bytes[0] = reply;
        bytes[2..4].fill(0);
        let (protocol, checksum) = match (source, request.source) {
            (IpAddr::V6(own), IpAddr::V6(peer)) => (IPPROTO_ICMPV6, icmpv6_checksum(own, peer, bytes)),
            _ => (IPPROTO_ICMP, checksum(bytes)),
        };
        bytes[2..4].copy_from_slice(&checksum.to_be_bytes());
        let head = IpHead {
            flow_label: None,
            source,
            destination: request.source,
            protocol: protocol as u8,
            ttl: self.config.ttl(request.source),
            tos: request.tos,
            dont_fragment: false,
            ignore_path_mtu: false,
            loop_multicast: false,
        };
        // icmp_reply: who can't be answered with his options is not answered.
        let Some(options) = self.answered_options(request.frame.bytes(), source) else {
            return self.note(Reason::IpOption, Some(request.interface), None);
        };
        if let Err(error) = self.send_with_options(frame, head, hints, &options) {
            self.note(error.reason(), Some(request.interface), None);
        }
    }

    /// The interface that an answer to a link-local address must take.
    pub(super) fn zone(&self, peer: IpAddr, arrived: IfIndex) -> Option<IfIndex> {
        matches!(peer, IpAddr::V6(ip) if ip.is_unicast_link_local() && arrived != IfIndex::LO)
            .then_some(arrived)
    }
}
