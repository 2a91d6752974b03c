//! sendmsg(2): a payload under a header that the stack makes, or a whole packet.

use std::io::IoSlice;
use std::net::{IpAddr, SocketAddr};

use super::header::{Filling, fill, linux_takes};
use super::{RawSocket, Verbatim};
use crate::base::constants::{AF_INET, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_RAW, MSG_OOB};
use crate::base::{Errno, Reason, Result, SocketId};
use crate::stack::datagram::{Outgoing, WithScope, gather, length};
use crate::stack::{SendTo, Stack};
use crate::wire::checksum::nonzero;
use crate::wire::transport_checksum;

/// The longest IPv6 packet that `lo` takes; the header is not in the length of 16 bits.
const LONGEST_V6: usize = 40 + 0xffff;

impl Stack {
    /// sendmsg(2). `to` alone says where the packet goes, whatever the caller's own header says.
    pub(in crate::stack) fn raw_send(
        &mut self,
        id: SocketId,
        data: &[IoSlice<'_>],
        to: Option<SocketAddr>,
        how: &SendTo<'_>,
    ) -> Result<usize> {
        let entry = self.sockets.get(id)?;
        let raw = entry.raw()?;
        let (whole, v4) = (raw.header_included, entry.domain == AF_INET);
        let length = if v4 { length(data)? } else { data.iter().map(|slice| slice.len()).sum() };
        if how.flags & MSG_OOB != 0 {
            return Err(Errno::EOPNOTSUPP.because(Reason::WrongKind));
        }
        // rawv6_sendmsg: "port is the proto value [0..255] carried in nexthdr"
        let protocol = match to {
            Some(to) if !v4 && to.port() != 0 => {
                let asked = i32::from(to.port());
                if (asked != entry.protocol && entry.protocol != IPPROTO_RAW) || asked > 255 {
                    return Err(Errno::EINVAL.because(Reason::WrongProtocol));
                }
                asked
            }
            _ => entry.protocol,
        };
        let to = to.or(entry.remote).ok_or(Errno::EDESTADDRREQ.because(Reason::NoDestination))?;
        // raw_sendmsg: "Linux does not mangle headers on raw sockets, so that IP options + IP_HDRINCL is non-sense."
        if whole && v4 && !entry.options.ip_options.bytes().is_empty() {
            return Err(Errno::EINVAL.because(Reason::OptionValue));
        }
        // raw_probe_proto_opt: the first two bytes choose the route, so they must be there.
        let icmp = if v4 { IPPROTO_ICMP } else { IPPROTO_ICMPV6 };
        if !whole && protocol == icmp && length < 2 {
            return Err(Errno::EFAULT.because(Reason::IcmpMalformed));
        }
        let mut way = self.datagram_way(id, SocketAddr::new(to.ip(), 0).with_scope_of(to), how)?;
        way.head.protocol = protocol as u8;
        if whole {
            self.raw_send_packet(id, data, length, way)?;
        } else {
            self.raw_send_payload(id, data, length, way)?;
        }
        Ok(length)
    }

    /// The stack makes the IP header; of IPv6 the checksum too, where IPV6_CHECKSUM says (rawv6_push_pending_frames).
    fn raw_send_payload(
        &mut self,
        id: SocketId,
        data: &[IoSlice<'_>],
        length: usize,
        way: Outgoing,
    ) -> Result<()> {
        // ip_append_data asks neither for a pending error nor for a shutdown (sock_wmalloc).
        let mut frame = self.net.pool.frame(length);
        let bytes = frame.bytes_mut();
        gather(bytes, data);
        let head = way.head;
        if let Some(at) = self.sockets.get(id)?.raw()?.checksum6 {
            let field = bytes.get_mut(at..at + 2).ok_or(Errno::EINVAL.because(Reason::OptionValue))?;
            field.fill(0);
            let sum = transport_checksum(head.source, head.destination, head.protocol, bytes);
            let sum = if head.protocol == 17 { nonzero(sum) } else { sum };
            bytes[at..at + 2].copy_from_slice(&sum.to_be_bytes());
        }
        self.datagram_out(id, frame, way)
    }

    /// The caller made the IP header (raw_send_hdrinc, rawv6_send_hdrinc): it is never cut, and only SO_VERBATIM's rule touches it.
    fn raw_send_packet(
        &mut self,
        id: SocketId,
        data: &[IoSlice<'_>],
        length: usize,
        way: Outgoing,
    ) -> Result<()> {
        let &RawSocket { verbatim, .. } = self.sockets.get(id)?.raw()?;
        if length > way.path.link_mtu.min(LONGEST_V6) {
            return Err(self.too_long(id, way.destination, way.path.link_mtu));
        }
        self.may_send(id)?;
        let mut frame = self.net.pool.frame(length);
        gather(frame.bytes_mut(), data);
        let source = way.head.source;
        match (source, way.head.destination) {
            (IpAddr::V4(source), destination) => {
                if verbatim == Verbatim::Linux {
                    linux_takes(frame.bytes())?;
                }
                let identification = self.net.next_identification(source.into(), destination);
                if fill(frame.bytes_mut(), verbatim, Filling { source, identification }) {
                    self.net.note(Reason::RawVerbatim, Some(way.path.interface), Some(id));
                }
            }
            // Linux fills in nothing of an IPv6 header.
            (IpAddr::V6(_), _) if verbatim == Verbatim::Linux && length < 40 => {
                return Err(Errno::EINVAL.because(Reason::IpMalformed));
            }
            (IpAddr::V6(_), _) => {}
        }
        self.depart(id, frame, way.asked, |net, frame| net.send_whole(frame, way.head, way.hints))
    }
}
