//! sendmsg(2): what is written is what leaves.

use std::io::IoSlice;

use super::Stack;
use crate::base::constants::{ETH_P_802_2, ETH_P_802_3, ETH_P_8021Q, ETH_P_ALL, SOCK_DGRAM};
use crate::base::{Errno, IfIndex, LinkAddr, Mac, Reason, Result, SockAddr, SocketId};
use crate::stack::SendTo;
use crate::stack::datagram::gather;
use crate::stack::link::LINK_HEADER;

/// Bytes of an IEEE 802.1Q tag.
const VLAN_TAG: usize = 4;

impl Stack {
    /// packet_snd: a frame (SOCK_RAW), or a packet that gets its Ethernet header here (SOCK_DGRAM).
    pub(in crate::stack) fn packet_send(
        &mut self,
        id: SocketId,
        data: &[IoSlice<'_>],
        how: &SendTo<'_>,
    ) -> Result<usize> {
        let entry = self.sockets.get(id)?;
        let packet = entry.packet()?;
        let cooked = entry.kind == SOCK_DGRAM;
        let to = match how.to {
            None => None,
            Some(SockAddr::Link(to)) => Some(to),
            Some(_) => return Err(Errno::EINVAL.because(Reason::WrongFamily)),
        };
        let (interface, protocol) = match to {
            None => (packet.interface, packet.protocol),
            Some(to) => (Some(IfIndex(to.interface)), to.protocol),
        };
        let link = interface.and_then(|interface| self.net.interface(interface));
        let link = link.ok_or(Errno::ENXIO.because(Reason::NoInterface))?;
        if !link.up {
            return Err(Errno::ENETDOWN.because(Reason::LinkDown));
        }
        let (interface, mtu, can) = (link.index, link.mtu, link.is_can());
        let len: usize = data.iter().map(|slice| slice.len()).sum();
        let most = mtu + if cooked { 0 } else { link.link_header() };
        if len > most + VLAN_TAG {
            return Err(too_long(len, most));
        }
        let mut header = [0; LINK_HEADER];
        if can {
            // dev_validate_header: "hard_header_len" is 0. can_dropped_invalid_skb is the driver's, and tells nobody.
            if len > most {
                return Err(too_long(len, most));
            }
        } else if cooked {
            header = link_header(interface, link.mac, to, protocol, len)?;
        } else if len < LINK_HEADER {
            // dev_validate_header
            return Err(Errno::EINVAL.because(Reason::LinkShort));
        }
        let mut frame = self.net.pool.frame(len);
        gather(frame.bytes_mut(), data);
        if cooked && !can {
            frame.push(LINK_HEADER).copy_from_slice(&header);
        }
        // packet_extra_vlan_len_allowed
        if len > most && frame.bytes().get(12..14) != Some(&ETH_P_8021Q.to_be_bytes()) {
            return Err(too_long(len, most));
        }
        // packet_parse_headers: where nobody says it, the frame does.
        let said = Some(protocol).filter(|said| cooked || !matches!(*said, 0 | ETH_P_ALL));
        self.net.transmit(interface, frame, Some(id), said)?;
        Ok(len)
    }
}

/// EMSGSIZE, with the numbers.
fn too_long(len: usize, most: usize) -> crate::base::Error {
    Errno::EMSGSIZE
        .because(Reason::DeviceTooLong)
        .detail(format!("{len} bytes, {most} fit the interface's MTU"))
}

/// eth_header: the Ethernet header of a cooked packet. Without a destination only `lo` knows where it goes.
fn link_header(
    interface: IfIndex,
    source: Mac,
    to: Option<LinkAddr>,
    protocol: u16,
    len: usize,
) -> Result<[u8; LINK_HEADER]> {
    let destination = match to {
        Some(LinkAddr { address: [a, b, c, d, e, f, ..], .. }) => [a, b, c, d, e, f],
        None if interface == IfIndex::LO => [0; 6],
        None => return Err(Errno::EINVAL.because(Reason::NoDestination)),
    };
    let kind = match protocol {
        // These have a length in the place of a type.
        ETH_P_802_3 | ETH_P_802_2 => u16::try_from(len).unwrap_or(u16::MAX),
        protocol => protocol,
    };
    let mut header = [0; LINK_HEADER];
    header[..6].copy_from_slice(&destination);
    header[6..12].copy_from_slice(&source.0);
    header[12..].copy_from_slice(&kind.to_be_bytes());
    Ok(header)
}
