//! Input: a packet from a link is checked, then it is for us, for another host, or for nobody.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::extension::{Chain, Problem, walk};
use super::header::{Header, V4_LEN};
use super::icmp_error::{IcmpError, PARAMETER_PROBLEM};
use super::reassembly::{Fragment, Key};
use crate::base::constants::{
    IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_IGMP, IPPROTO_NONE, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE,
};
use crate::base::{Frame, IfIndex, Reason};
use crate::stack::Net;
use crate::stack::net::{Cast, Datagram, Inbound};

impl Net {
    /// An IPv4 packet. `to_all`: its frame was a broadcast or a multicast.
    pub(in crate::stack) fn ipv4_in(&mut self, interface: IfIndex, mut frame: Frame, to_all: bool) {
        let header = match Header::parse(frame.bytes(), 4) {
            Ok(header) => header,
            Err(reason) => return self.drop_in(reason, interface),
        };
        // A short frame is padded to Ethernet's minimum; the padding is not the packet's.
        frame.truncate(header.total);
        if source_routed(frame.bytes(), header.length) {
            return self.drop_in(Reason::IpSourceRoute, interface);
        }
        let (IpAddr::V4(source), IpAddr::V4(destination)) = (header.source, header.destination) else {
            return;
        };
        let cast = match self.cast_v4(interface, destination) {
            Ok(cast) => cast,
            Err(reason) => return self.drop_in(reason, interface),
        };
        if interface != IfIndex::LO && self.is_martian_v4(interface, source, cast) {
            return self.drop_in(Reason::IpMartianSource, interface);
        }
        if let Err((place, reason)) = Self::check_options(frame.bytes()) {
            // ip_options_compile: "icmp_send(skb, ICMP_PARAMETERPROB, 0, info)"
            let problem = IcmpError { info: place as u32, ..PARAMETER_PROBLEM };
            self.icmp_error(problem, frame.bytes(), interface);
            return self.drop_in(reason, interface);
        }
        let Some(cast) = cast else { return self.forward(interface, header, frame, to_all) };
        // RFC 1122 3.3.6: "When a host sends a datagram to a link-layer broadcast address, the IP destination address MUST be
        // a legal IP broadcast or IP multicast address"; others should be discarded silently.
        if to_all && cast == Cast::Unicast {
            return self.drop_in(Reason::IpUnicastToAll, interface);
        }
        if header.length > V4_LEN
            && let Some(address) = self.address_for(header.source, header.destination)
        {
            self.record(&mut frame.bytes_mut()[..header.length], address);
        }
        let mut datagram = header.datagram(frame, interface, cast);
        if header.more_fragments() || header.fragment_offset() > 0 {
            let fragment = Fragment {
                offset: header.fragment_offset(),
                more: header.more_fragments(),
                header: header.length,
                data: header.length,
                named_at: 0,
            };
            let key = Key {
                source: header.source,
                destination: header.destination,
                identification: header.identification.into(),
                protocol: header.protocol,
            };
            match self.reassemble(key, fragment, datagram) {
                Some(whole) => datagram = whole,
                None => return,
            }
        }
        self.copy_for_raw(&datagram);
        match i32::from(datagram.protocol) {
            IPPROTO_ICMP => self.icmpv4_in(datagram),
            IPPROTO_IGMP => self.igmp_in(&datagram),
            IPPROTO_TCP if self.is_stray(&datagram) => self.drop_in(Reason::IpNotForUs, interface),
            _ => self.inbound.push_back(Inbound::Datagram(datagram)),
        }
    }

    /// True if this host sent it to itself under a name that is not its own: a raw socket's doing. Nobody can answer it from
    /// there (ip_route_output_key: the source must be local), so no connection begins, and nothing is told to its sender.
    pub(super) fn is_stray(&self, datagram: &Datagram) -> bool {
        datagram.interface == IfIndex::LO
            && datagram.cast == Cast::Unicast
            && !self.is_local(datagram.destination)
    }

    /// Raw sockets get their copy before the stack itself takes a datagram (ip_protocol_deliver_rcu). What nobody else takes comes
    /// to them as it is.
    pub(super) fn copy_for_raw(&mut self, datagram: &Datagram) {
        if !self.raw_wanted.has(datagram.destination.is_ipv4(), datagram.protocol) {
            return;
        }
        let taken = match (i32::from(datagram.protocol), datagram.destination) {
            (IPPROTO_TCP | IPPROTO_UDP | IPPROTO_UDPLITE, _) => true,
            (IPPROTO_ICMP | IPPROTO_IGMP, destination) => destination.is_ipv4(),
            (IPPROTO_ICMPV6 | IPPROTO_NONE, destination) => destination.is_ipv6(),
            _ => false,
        };
        if taken {
            self.inbound.push_back(Inbound::Raw(datagram.clone()));
        }
    }

    /// How an IPv4 destination is meant for this host; `None` = it is another host's.
    fn cast_v4(&self, interface: IfIndex, destination: Ipv4Addr) -> Result<Option<Cast>, Reason> {
        let address = IpAddr::V4(destination);
        if destination.is_loopback() {
            // RFC 1122 3.2.1.3 g: "Addresses of this form MUST NOT appear outside a host."
            return if interface == IfIndex::LO { Ok(Some(Cast::Unicast)) } else { Err(Reason::IpNotForUs) };
        }
        if self.is_local(address) {
            return Ok(Some(Cast::Unicast));
        }
        if destination.is_multicast() {
            let member = self.is_member(interface, address);
            return if member { Ok(Some(Cast::Multicast)) } else { Err(Reason::IpNotForUs) };
        }
        // ip_rcv_finish: what this host sends to itself has its way already, whatever its header names.
        if interface == IfIndex::LO && !destination.is_broadcast() {
            return Ok(Some(Cast::Unicast));
        }
        let broadcast = destination.is_broadcast()
            || self
                .interface(interface)
                .is_some_and(|i| i.addresses.iter().any(|a| a.cidr.broadcast() == Some(destination)));
        Ok(broadcast.then_some(Cast::Broadcast))
    }

    /// RFC 1122 3.2.1.3: sources that no packet from a wire has.
    fn is_martian_v4(&self, interface: IfIndex, source: Ipv4Addr, cast: Option<Cast>) -> bool {
        let group = source.is_multicast() || source.is_broadcast() || source.is_loopback();
        let link = self.interface(interface);
        let broadcast =
            || link.is_some_and(|i| i.addresses.iter().any(|a| a.cidr.broadcast() == Some(source)));
        // 0.0.0.0 is a host that has no address yet: it talks to groups and to all.
        let nobody = source.octets()[0] == 0
            && !(source.is_unspecified() && matches!(cast, Some(Cast::Broadcast | Cast::Multicast)));
        group || nobody || broadcast() || self.is_local(source.into())
    }

    /// An IPv6 packet. `to_all`: its frame was a multicast.
    pub(in crate::stack) fn ipv6_in(&mut self, interface: IfIndex, mut frame: Frame, to_all: bool) {
        let header = match Header::parse(frame.bytes(), 6) {
            Ok(header) => header,
            Err(reason) => return self.drop_in(reason, interface),
        };
        frame.truncate(header.total);
        let (IpAddr::V6(source), IpAddr::V6(destination)) = (header.source, header.destination) else {
            return;
        };
        if interface != IfIndex::LO && self.is_martian_v6(interface, source, destination) {
            return self.drop_in(Reason::IpMartianSource, interface);
        }
        let cast = if destination.is_multicast() {
            if !self.is_member(interface, header.destination) {
                return self.drop_in(Reason::IpNotForUs, interface);
            }
            Cast::Multicast
        // ip6_rcv_finish: as of IPv4, what this host sends to itself has its way already.
        } else if interface == IfIndex::LO || self.is_local_on(interface, header.destination) {
            Cast::Unicast
        } else {
            return self.forward(interface, header, frame, to_all);
        };
        if to_all && cast == Cast::Unicast {
            return self.drop_in(Reason::IpUnicastToAll, interface);
        }
        self.ipv6_extensions(header.datagram(frame, interface, cast));
    }

    /// Behind the IPv6 header of a packet for us.
    fn ipv6_extensions(&mut self, mut datagram: Datagram) {
        let chain = match walk(datagram.frame.bytes()) {
            Ok(chain) => chain,
            Err(problem) => return self.refuse_extension(&datagram, problem),
        };
        (datagram.header, datagram.protocol) = (chain.payload, chain.protocol);
        if chain.fragment {
            if let Some(whole) = self.fragment_v6_in(datagram, chain) {
                self.ipv6_extensions(whole);
            }
            return;
        }
        self.copy_for_raw(&datagram);
        match i32::from(datagram.protocol) {
            IPPROTO_ICMPV6 => self.icmpv6_in(datagram),
            IPPROTO_NONE => {}
            IPPROTO_TCP if self.is_stray(&datagram) => self.drop_in(Reason::IpNotForUs, datagram.interface),
            _ => self.inbound.push_back(Inbound::Datagram(datagram)),
        }
    }

    /// A real fragment; the datagram if it was the last one missing.
    fn fragment_v6_in(&mut self, datagram: Datagram, chain: Chain) -> Option<Datagram> {
        let bytes = datagram.frame.bytes();
        let head: [u8; 8] = *bytes.get(chain.payload..)?.first_chunk()?;
        let place = u16::from_be_bytes([head[2], head[3]]);
        let fragment = Fragment {
            offset: usize::from(place & 0xfff8),
            more: place & 1 != 0,
            header: chain.payload,
            data: chain.payload + 8,
            named_at: chain.named_at,
        };
        let length = bytes.len() - fragment.data;
        // RFC 8200 4.5: "If the length of a fragment [...] is not a multiple of 8 octets and the M flag of that fragment is 1,
        // then that fragment must be discarded and an ICMP Parameter Problem, Code 0, message should be sent [...] pointing to
        // the Payload Length field". The same, pointing to the offset, if the datagram would exceed 65,535 octets.
        let wrong = if fragment.more && !length.is_multiple_of(8) {
            Some((4, Reason::FragmentMalformed))
        } else if chain.payload - super::V6_LEN + fragment.offset + length > 65_535 {
            Some((chain.payload + 2, Reason::FragmentTooBig))
        } else {
            None
        };
        if let Some((pointer, reason)) = wrong {
            let problem = IcmpError { code_v6: 0, info: pointer as u32, ..PARAMETER_PROBLEM };
            self.icmp_error(problem, datagram.frame.bytes(), datagram.interface);
            self.drop_in(reason, datagram.interface);
            return None;
        }
        let key = Key {
            source: datagram.source,
            destination: datagram.destination,
            identification: u32::from_be_bytes([head[4], head[5], head[6], head[7]]),
            protocol: 0,
        };
        self.reassemble(key, fragment, datagram)
    }

    fn refuse_extension(&mut self, datagram: &Datagram, problem: Problem) {
        self.drop_in(Reason::IpExtensionHeader, datagram.interface);
        if let Problem::Answer { code, pointer, even_multicast } = problem {
            let error =
                IcmpError { code_v6: code, info: pointer as u32, even_multicast, ..PARAMETER_PROBLEM };
            self.icmp_error(error, datagram.frame.bytes(), datagram.interface);
        }
    }

    /// RFC 4291 2.5.3 and 2.7: sources and destinations that no packet from a wire has.
    fn is_martian_v6(&self, interface: IfIndex, source: Ipv6Addr, destination: Ipv6Addr) -> bool {
        let interface_local = destination.is_multicast() && destination.octets()[1] & 15 <= 1;
        // Of an address that is still being verified another station may be the owner, and say so.
        let own = self.interface(interface).and_then(|i| i.usable().find(|a| a.ip() == source));
        source.is_multicast()
            || source.is_loopback()
            || source.to_ipv4_mapped().is_some()
            || destination.is_loopback()
            || destination.is_unspecified()
            || interface_local
            || (source.is_unspecified() && !destination.is_multicast())
            || own.is_some_and(|own| !own.is_being_verified())
    }
}

/// RFC 7126 4.3-4.4: packets with a source route (LSRR, SSRR) are dropped, as Linux does.
fn source_routed(packet: &[u8], header: usize) -> bool {
    let mut options = packet.get(20..header).unwrap_or_default();
    while let [kind, rest @ ..] = options {
        let length = match (*kind, rest.first()) {
            (0, _) => return false,
            (1, _) => 1,
            (0x83 | 0x89, _) => return true,
            (_, Some(length)) if *length >= 2 => usize::from(*length),
            _ => return false,
        };
        options = options.get(length..).unwrap_or_default();
    }
    false
}
