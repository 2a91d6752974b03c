//! IPv4 and IPv6 headers as bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::base::constants::IPPROTO_ICMPV6;
use crate::base::{Frame, IfIndex, Reason};
use crate::stack::{Cast, Datagram};
use crate::wire::checksum;
use crate::wire::checksum::Sum;

/// Bytes of an IPv4 header without options.
pub(in crate::stack) const V4_LEN: usize = 20;
/// Bytes of the IPv6 header.
pub(in crate::stack) const V6_LEN: usize = 40;

/// IPv4's flags in the field that they share with the fragment offset.
pub(super) const DONT_FRAGMENT: u16 = 0x4000;
pub(super) const MORE_FRAGMENTS: u16 = 0x2000;

/// What stands in an IP header.
#[derive(Clone, Copy, Debug)]
pub(in crate::stack) struct Header {
    pub(in crate::stack) source: IpAddr,
    pub(in crate::stack) destination: IpAddr,
    /// IPv4's protocol, IPv6's first next header.
    pub(in crate::stack) protocol: u8,
    pub(in crate::stack) ttl: u8,
    pub(in crate::stack) tos: u8,
    /// Bytes of the header; IPv4's options included, IPv6's extension headers not.
    pub(in crate::stack) length: usize,
    /// Bytes of the packet.
    pub(in crate::stack) total: usize,
    /// IPv4's identification.
    pub(super) identification: u16,
    /// IPv4's flags and fragment offset; of IPv6 always 0.
    pub(super) fragment: u16,
}

impl Header {
    /// The packet as a datagram for this host; of IPv6 with the extension headers still to be walked.
    pub(super) fn datagram(&self, frame: Frame, interface: IfIndex, cast: Cast) -> Datagram {
        Datagram {
            frame,
            header: self.length,
            source: self.source,
            destination: self.destination,
            protocol: self.protocol,
            ttl: self.ttl,
            tos: self.tos,
            interface,
            cast,
            fragment_size: None,
        }
    }

    /// Reads a header of which the rest of the packet may be missing: a quote. `None` if the header itself is not whole.
    pub(super) fn quoted(packet: &[u8]) -> Option<Self> {
        match packet.first()? >> 4 {
            4 => {
                let b: &[u8; V4_LEN] = packet.first_chunk()?;
                let length = usize::from(b[0] & 15) * 4;
                if length < V4_LEN || length > packet.len() {
                    return None;
                }
                Some(Self {
                    source: Ipv4Addr::new(b[12], b[13], b[14], b[15]).into(),
                    destination: Ipv4Addr::new(b[16], b[17], b[18], b[19]).into(),
                    protocol: b[9],
                    ttl: b[8],
                    tos: b[1],
                    length,
                    total: usize::from(u16::from_be_bytes([b[2], b[3]])),
                    identification: u16::from_be_bytes([b[4], b[5]]),
                    fragment: u16::from_be_bytes([b[6], b[7]]),
                })
            }
            6 => {
                let b: &[u8; V6_LEN] = packet.first_chunk()?;
                Some(Self {
                    source: Ipv6Addr::from(*b[8..].first_chunk()?).into(),
                    destination: Ipv6Addr::from(*b[24..].first_chunk()?).into(),
                    protocol: b[6],
                    ttl: b[7],
                    tos: b[0] << 4 | b[1] >> 4,
                    length: V6_LEN,
                    total: V6_LEN + usize::from(u16::from_be_bytes([b[4], b[5]])),
                    identification: 0,
                    fragment: 0,
                })
            }
            _ => None,
        }
    }

    /// Reads the header of a packet that came in, with the checks of RFC 1122 3.2.1.1-2 and RFC 8200.
    pub(super) fn parse(packet: &[u8], version: u8) -> Result<Self, Reason> {
        if packet.first().is_none_or(|b| b >> 4 != version) {
            return Err(Reason::IpMalformed);
        }
        let header = Self::quoted(packet).ok_or(Reason::IpShort)?;
        if header.total < header.length || header.total > packet.len() {
            return Err(Reason::IpShort);
        }
        // RFC 1122 3.2.1.2: "A host MUST verify the IP header checksum on every received datagram and silently discard every
        // datagram that has a bad checksum."
        if version == 4 && checksum(&packet[..header.length]) != 0 {
            return Err(Reason::IpChecksum);
        }
        Ok(header)
    }

    /// IPv4: bytes in front of this fragment's in the datagram.
    pub(super) fn fragment_offset(&self) -> usize {
        usize::from(self.fragment & 0x1fff) * 8
    }

    /// IPv4: this is not the datagram's last fragment.
    pub(super) fn more_fragments(&self) -> bool {
        self.fragment & MORE_FRAGMENTS != 0
    }

    /// IPv4: routers must not cut it.
    pub(super) fn dont_fragment(&self) -> bool {
        self.fragment & DONT_FRAGMENT != 0
    }

    /// Writes an IPv6 header into 40 bytes. `payload` = bytes behind it.
    pub(in crate::stack) fn write_v6(
        bytes: &mut [u8],
        source: Ipv6Addr,
        destination: Ipv6Addr,
        next: u8,
        ttl: u8,
        tos: u8,
        payload: usize,
    ) {
        bytes[..4].copy_from_slice(&[0x60 | tos >> 4, tos << 4, 0, 0]);
        bytes[4..6].copy_from_slice(&(payload as u16).to_be_bytes());
        bytes[6..8].copy_from_slice(&[next, ttl]);
        bytes[8..24].copy_from_slice(&source.octets());
        bytes[24..40].copy_from_slice(&destination.octets());
    }

    /// Writes the IPv4 header described here into `self.length` bytes; options that stand there stay.
    pub(super) fn write_v4(&self, bytes: &mut [u8], source: Ipv4Addr, destination: Ipv4Addr) {
        bytes[0] = 0x40 | (self.length / 4) as u8;
        bytes[1] = self.tos;
        bytes[2..4].copy_from_slice(&(self.total as u16).to_be_bytes());
        bytes[4..6].copy_from_slice(&self.identification.to_be_bytes());
        bytes[6..8].copy_from_slice(&self.fragment.to_be_bytes());
        bytes[8..10].copy_from_slice(&[self.ttl, self.protocol]);
        bytes[12..16].copy_from_slice(&source.octets());
        bytes[16..20].copy_from_slice(&destination.octets());
        seal_v4(bytes);
    }
}

/// Writes the checksum into an IPv4 header.
pub(super) fn seal_v4(header: &mut [u8]) {
    header[10..12].fill(0);
    let sum = checksum(header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
}

/// The checksum of an ICMPv6 message (RFC 4443 2.3), its own field taken as zero.
pub(in crate::stack) fn icmpv6_checksum(source: Ipv6Addr, destination: Ipv6Addr, message: &[u8]) -> u16 {
    // The field stands at 2: the rest begins at an even place again.
    let (before, after) = (message.get(..2).unwrap_or(message), message.get(4..).unwrap_or_default());
    let sum = Sum::pseudo_header(source.into(), destination.into(), IPPROTO_ICMPV6 as u8, message.len());
    sum.with(before).with(after).finish()
}
