//! IPPROTO_IP: every IPv4 packet as it arrived, in front of all checks and of reassembly.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::base::constants::{
    AF_INET, IPPROTO_ICMP, IPPROTO_IGMP, IPPROTO_IP, IPPROTO_TCP, IPPROTO_UDP, PACKET_HOST,
};
use crate::base::{Frame, IfIndex};
use crate::stack::Stack;
use crate::stack::datagram::Queued;
use crate::wire::{checksum, transport_checksum};

/// IP_CSUM_BAD's bits.
const HEADER_WRONG: u8 = 1;
const TRANSPORT_WRONG: u8 = 2;

/// What is readable of a packet that may be anything.
struct Glance {
    header: usize,
    /// Bytes of the packet: what its header says, if that can be.
    total: usize,
    source: Ipv4Addr,
    destination: Ipv4Addr,
    protocol: u8,
    ttl: u8,
    tos: u8,
    fragment: bool,
}

/// `None` if it has no IPv4 header.
fn glance(packet: &[u8]) -> Option<Glance> {
    let b: &[u8; 20] = packet.first_chunk()?;
    let (header, total) = (usize::from(b[0] & 15) * 4, usize::from(u16::from_be_bytes([b[2], b[3]])));
    if b[0] >> 4 != 4 || header < 20 || header > packet.len() {
        return None;
    }
    Some(Glance {
        header,
        total: if (header..=packet.len()).contains(&total) { total } else { packet.len() },
        source: Ipv4Addr::new(b[12], b[13], b[14], b[15]),
        destination: Ipv4Addr::new(b[16], b[17], b[18], b[19]),
        protocol: b[9],
        ttl: b[8],
        tos: b[1],
        fragment: u16::from_be_bytes([b[6], b[7]]) & 0x3fff != 0,
    })
}

/// Which of the checksums are wrong. A fragment's transport can't be judged.
fn wrong_checksums(packet: &[u8], glance: &Glance) -> u8 {
    let (header, payload) = packet.split_at(glance.header);
    let mut wrong = if checksum(header) == 0 { 0 } else { HEADER_WRONG };
    let transport =
        || transport_checksum(glance.source.into(), glance.destination.into(), glance.protocol, payload);
    let transport_wrong = !glance.fragment
        && match i32::from(glance.protocol) {
            IPPROTO_ICMP | IPPROTO_IGMP => checksum(payload) != 0,
            IPPROTO_TCP => transport() != 0,
            // RFC 768: zero "means that the transmitter generated no checksum".
            IPPROTO_UDP => payload.get(6..8).is_none_or(|sum| sum != [0, 0]) && transport() != 0,
            _ => false,
        };
    if transport_wrong {
        wrong |= TRANSPORT_WRONG;
    }
    wrong
}

impl Stack {
    /// An IPv4 packet, to whomever it is addressed: every socket of IPPROTO_IP gets its copy.
    pub(in crate::stack) fn raw_arrived(&mut self, interface: IfIndex, mut frame: Frame) {
        let glance = glance(frame.bytes());
        // A short frame is padded to Ethernet's minimum; the padding is not the packet's.
        if let Some(glance) = &glance {
            frame.truncate(glance.total);
        }
        let nobody = Ipv4Addr::UNSPECIFIED;
        let (source, destination) = glance.as_ref().map_or((nobody, nobody), |g| (g.source, g.destination));
        let (source, destination) = (IpAddr::V4(source), IpAddr::V4(destination));
        let mut verdict = None;
        let time = self.net.now;
        for id in self.raw_receivers(AF_INET, IPPROTO_IP, source, destination, Some(interface)) {
            let tells =
                self.sockets.get(id).and_then(|entry| entry.raw()).is_ok_and(|raw| raw.tells_checksums);
            let wrong = match (&glance, tells) {
                (Some(glance), true) => {
                    *verdict.get_or_insert_with(|| wrong_checksums(frame.bytes(), glance))
                }
                _ => 0,
            };
            let queued = Queued {
                data: frame.clone(),
                front: 0,
                filter_from: 0,
                packet_type: PACKET_HOST,
                from: SocketAddr::new(source, 0),
                destination,
                local: destination,
                interface,
                ttl: glance.as_ref().map_or(0, |g| g.ttl),
                tos: glance.as_ref().map_or(0, |g| g.tos),
                time,
                dropped: 0,
                wrong_checksums: wrong,
                options: Vec::new(),
                fragment_size: None,
                segment: 0,
            };
            self.deliver(id, queued);
        }
    }
}
