//! Output: a payload gets its header and its way; copies of groups and broadcasts come back to this host's own members.

use std::net::IpAddr;

use super::extension::walk;
use super::header::{DONT_FRAGMENT, Header, V4_LEN, V6_LEN};
use super::{Hop, icmp_error};
use crate::base::{Checksum, Direction, Errno, Error, Frame, IfIndex, Reason};
use crate::stack::Net;
use crate::stack::net::{Cast, Datagram, Hints, Inbound, IpHead};

impl Net {
    /// Sends a payload: `frame.bytes()` begin with the transport header, its checksum done. Puts the IP header in front, cuts
    /// into fragments where it may, finds the neighbour. EMSGSIZE, ENETUNREACH, ENETDOWN, ENOBUFS; what a neighbour does not
    /// answer comes back later as [`Inbound::Error`] with EHOSTUNREACH.
    pub(crate) fn send(&mut self, frame: Frame, head: IpHead, hints: Hints) -> Result<(), Error> {
        self.send_with_options(frame, head, hints, &[])
    }

    /// [`Net::send`] with options in IPv4's header, padded to words.
    pub(crate) fn send_with_options(
        &mut self,
        mut frame: Frame,
        head: IpHead,
        hints: Hints,
        options: &[u8],
    ) -> Result<(), Error> {
        let too_long = || Errno::EMSGSIZE.because(Reason::MessageTooLong);
        let hop = self.hop(head.destination, Hints { source: Some(head.source), ..hints })?;
        let link_mtu = self.interface(hop.interface).map_or(0, |i| i.mtu_for(head.destination));
        let known = self.path_mtus.get(head.destination, self.now).filter(|_| !head.ignore_path_mtu);
        let most = hop.mtu.filter(|_| !head.ignore_path_mtu).map_or(link_mtu, |mtu| mtu.min(link_mtu));
        let mtu = known.map_or(most, |known| known.min(most));
        let length = frame.len();
        match (head.source, head.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let header_length = V4_LEN + options.len();
                let total = header_length + length;
                if total > 65_535 {
                    return Err(too_long());
                }
                if total > mtu && head.dont_fragment {
                    return Err(Errno::EMSGSIZE.because(Reason::IpTooBig));
                }
                // RFC 6864 4.1: "Originating sources MAY set the IPv4 ID field of atomic datagrams to any value."
                let (identification, fragment) = match head.dont_fragment {
                    true => (0, DONT_FRAGMENT),
                    false => (self.identifications.next(head.source, head.destination), 0),
                };
                let header = Header {
                    source: head.source,
                    destination: head.destination,
                    protocol: head.protocol,
                    ttl: head.ttl,
                    tos: head.tos,
                    length: header_length,
                    total,
                    identification,
                    fragment,
                };
                let bytes = frame.push(header_length);
                bytes[V4_LEN..].copy_from_slice(options);
                header.write_v4(bytes, source, destination);
                self.loop_copy(&hop, &frame, header_length, &head);
                if self.stays_here(&hop, &head) {
                    return Ok(());
                }
                if total > mtu { self.fragment_v4(&hop, &frame, mtu) } else { self.emit(&hop, frame) }
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                if length > 65_535 {
                    return Err(too_long());
                }
                let fits = V6_LEN + length <= mtu;
                if !fits && head.dont_fragment {
                    return Err(Errno::EMSGSIZE.because(Reason::IpTooBig));
                }
                let header = frame.push(V6_LEN);
                Header::write_v6(header, source, destination, head.protocol, head.ttl, head.tos, length);
                self.label(frame.bytes_mut(), head.flow_label);
                let chain = walk(frame.bytes())
                    .map_or((head.protocol, V6_LEN), |chain| (chain.protocol, chain.payload));
                self.loop_copy(&hop, &frame, chain.1, &IpHead { protocol: chain.0, ..head });
                if self.stays_here(&hop, &head) {
                    return Ok(());
                }
                if fits { self.emit(&hop, frame) } else { self.fragment_v6(&hop, &frame, mtu) }
            }
            _ => Err(Errno::EINVAL.with("source and destination are of different IP versions")),
        }
    }

    /// Sends a packet whose IP header is complete but for IPv6's flow label (smoltcp's segments): routed by its destination. Over
    /// the interface's MTU it is cut where its header allows it, else EMSGSIZE.
    pub(crate) fn send_packet(
        &mut self,
        mut frame: Frame,
        flow_label: Option<u32>,
        hints: Hints,
    ) -> Result<(), Error> {
        let Some(header) = Header::quoted(frame.bytes()) else {
            return Err(Errno::EINVAL.because(Reason::IpMalformed));
        };
        if header.destination.is_ipv6() {
            self.label(frame.bytes_mut(), flow_label);
        }
        let hop = self.hop(header.destination, hints)?;
        let mtu = self.interface(hop.interface).map_or(0, |i| i.mtu_for(header.destination));
        if frame.len() <= mtu || frame.gso_size != 0 {
            self.emit(&hop, frame)
        } else if header.destination.is_ipv4() && !header.dont_fragment() {
            self.fragment_v4(&hop, &frame, mtu)
        } else {
            Err(Errno::EMSGSIZE.because(Reason::IpTooBig))
        }
    }

    /// Sends what a raw socket's program wrote, whatever it is, to the neighbour that leads to `head.destination`. Nothing is cut,
    /// changed or checked. Over the interface's MTU it is EMSGSIZE.
    pub(crate) fn send_whole(&mut self, frame: Frame, head: IpHead, hints: Hints) -> Result<(), Error> {
        let hop = self.hop(head.destination, Hints { source: Some(head.source), ..hints })?;
        let mtu = self.interface(hop.interface).map_or(0, |i| i.mtu_for(head.destination));
        if frame.len() > mtu {
            return Err(Errno::EMSGSIZE.because(Reason::MessageTooLong));
        }
        if hop.cast != Cast::Unicast
            && let Ok(header) = Header::parse(frame.bytes(), if head.destination.is_ipv4() { 4 } else { 6 })
            && header.destination == head.destination
            && header.total == frame.len()
            && !header.more_fragments()
            && header.fragment_offset() == 0
        {
            let (source, protocol, ttl, tos) = (header.source, header.protocol, header.ttl, header.tos);
            self.loop_copy(&hop, &frame, header.length, &IpHead { source, protocol, ttl, tos, ..head });
        }
        self.emit(&hop, frame)
    }

    /// The next identification for packets of this pair of addresses; never 0.
    pub(crate) fn next_identification(&mut self, source: IpAddr, destination: IpAddr) -> u16 {
        self.identifications.next(source, destination).max(1)
    }

    /// A copy of a multicast (if the sender wants it) or a broadcast to this host itself, as it would have come in.
    fn loop_copy(&mut self, hop: &Hop, frame: &Frame, header: usize, head: &IpHead) {
        let wanted = match hop.cast {
            Cast::Unicast => false,
            Cast::Broadcast => true,
            Cast::Multicast => head.loop_multicast && self.is_member(hop.interface, head.destination),
        };
        if !wanted || hop.interface == IfIndex::LO {
            return;
        }
        let mut copy = frame.clone();
        (copy.direction, copy.time, copy.checksum) = (Direction::In, self.now, Checksum::Valid);
        let datagram = Datagram {
            frame: copy,
            header,
            source: head.source,
            destination: head.destination,
            protocol: head.protocol,
            ttl: head.ttl,
            tos: head.tos,
            interface: hop.interface,
            cast: hop.cast,
            fragment_size: None,
        };
        self.copy_for_raw(&datagram);
        self.inbound.push_back(Inbound::Datagram(datagram));
    }

    /// ip_mc_output: "Multicasts with ttl 0 must not go beyond the host"; Linux looks at it only if the host is a member itself.
    fn stays_here(&self, hop: &Hop, head: &IpHead) -> bool {
        head.ttl == 0 && hop.cast == Cast::Multicast && self.is_member(hop.interface, head.destination)
    }

    /// A packet that no neighbour takes: whoever sent it is told.
    pub(in crate::stack) fn host_unreachable(&mut self, interface: IfIndex, frame: &Frame) {
        let Some(header) = Header::quoted(frame.bytes()) else { return };
        if self.is_local(header.source) {
            self.lost_packet(interface, frame.bytes());
        } else {
            self.icmp_error(icmp_error::HOST_UNREACHABLE, frame.bytes(), interface);
        }
    }
}
