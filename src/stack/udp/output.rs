//! The way of a datagram out: put together from pieces, cut into segments, its checksum computed.

use std::io::IoSlice;
use std::net::SocketAddr;

use super::{Corked, HEADER};
use crate::base::constants::{IPPROTO_UDPLITE, MSG_MORE, MSG_OOB, MSG_ZEROCOPY};
use crate::base::{ControlMessage, Errno, Frame, Reason, Result, SocketId};
use crate::stack::datagram::{Outgoing, gather, length};
use crate::stack::table::{Entry, Part};
use crate::stack::{SendTo, Stack};
use crate::wire::Sum;
use crate::wire::checksum::nonzero;

/// UDP_MAX_SEGMENTS: datagrams that one call makes at most.
const MAX_SEGMENTS: usize = 128;

impl Stack {
    /// sendmsg(2). The destination is one of the socket's family, IPv4-mapped ones as IPv4.
    pub(in crate::stack) fn udp_send(
        &mut self,
        id: SocketId,
        data: &[IoSlice<'_>],
        to: Option<SocketAddr>,
        how: &SendTo<'_>,
    ) -> Result<usize> {
        let length = length(data)?;
        let entry = self.sockets.get_mut(id)?;
        let more = how.flags & MSG_MORE != 0 || entry.options.udp.cork;
        if entry.corked()?.is_some() {
            self.udp_append(id, data, more)?;
            return self.udp_sent(id, length, how.flags);
        }
        let to = match to {
            Some(to) if to.port() == 0 => return Err(Errno::EINVAL.because(Reason::NoDestination)),
            Some(to) => to,
            None => entry.remote.ok_or(Errno::EDESTADDRREQ.because(Reason::NoDestination))?,
        };
        if how.flags & MSG_OOB != 0 && to.is_ipv4() {
            // udp_sendmsg refuses it; udpv6_sendmsg does not look.
            return Err(Errno::EOPNOTSUPP.because(Reason::WrongKind));
        }
        // udp_cmsg_send
        let asked = how.control.iter().find_map(|message| match message {
            ControlMessage::UdpSegment(size) => Some(*size),
            _ => None,
        });
        let segment = asked.unwrap_or(entry.options.udp.segment);
        if more {
            let (control, flags) = (how.control.to_vec(), how.flags);
            *entry.corked()? = Some(Corked { to, data: Vec::new(), control, flags, segment });
            self.udp_append(id, data, true)?;
        } else {
            self.udp_out(id, data, to, how, segment)?;
        }
        self.udp_sent(id, length, how.flags)
    }

    /// A call that has sent all it was given: with MSG_ZEROCOPY its sender is told that the buffer is free.
    fn udp_sent(&mut self, id: SocketId, length: usize, flags: i32) -> Result<usize> {
        let entry = self.sockets.get_mut(id)?;
        if flags & MSG_ZEROCOPY != 0 && entry.options.zerocopy {
            entry.tell_zerocopy();
            self.ready.wake(id);
        }
        Ok(length)
    }

    /// Adds to the datagram that is not finished; sends it unless more is to come.
    fn udp_append(&mut self, id: SocketId, data: &[IoSlice<'_>], more: bool) -> Result<()> {
        let Some(corked) = self.sockets.get_mut(id)?.corked()? else { return Ok(()) };
        let length = corked.data.len() + data.iter().map(|slice| slice.len()).sum::<usize>();
        if length + HEADER > 0xffff {
            // ip_append_data: the whole of it is lost.
            *self.sockets.get_mut(id)?.corked()? = None;
            return Err(Errno::EMSGSIZE.because(Reason::MessageTooLong));
        }
        for slice in data {
            corked.data.extend_from_slice(slice);
        }
        if more { Ok(()) } else { self.udp_push(id) }
    }

    /// UDP_CORK has changed: switched off, what was kept leaves.
    pub(in crate::stack) fn udp_uncork(&mut self, id: SocketId) -> Result<()> {
        if self.sockets.get(id)?.options.udp.cork { Ok(()) } else { self.udp_push(id) }
    }

    fn udp_push(&mut self, id: SocketId) -> Result<()> {
        let Some(corked) = self.sockets.get_mut(id)?.corked()?.take() else { return Ok(()) };
        let how = SendTo { to: None, flags: corked.flags, control: &corked.control };
        self.udp_out(id, &[IoSlice::new(&corked.data)], corked.to, &how, corked.segment)
    }

    /// Sends the data as one datagram, or as many of `segment` bytes (UDP_SEGMENT); 0 = one.
    fn udp_out(
        &mut self,
        id: SocketId,
        data: &[IoSlice<'_>],
        to: SocketAddr,
        how: &SendTo<'_>,
        segment: u16,
    ) -> Result<()> {
        let way = self.datagram_way(id, to, how)?;
        self.may_send(id)?;
        let length = length(data)?;
        if segment == 0 {
            let frame = self.udp_datagram(id, data, length, &way)?;
            return self.datagram_out(id, frame, way);
        }
        let size = usize::from(segment);
        self.check_segments(id, length, size, &way)?;
        let mut whole = vec![0; length];
        gather(&mut whole, data);
        // An empty datagram is one, too.
        let count = length.div_ceil(size).max(1);
        for n in 0..count {
            let piece = &whole[n * size..length.min((n + 1) * size)];
            let frame = self.udp_datagram(id, &[IoSlice::new(piece)], piece.len(), &way)?;
            self.datagram_out(id, frame, way.clone())?;
        }
        Ok(())
    }

    /// The rules of udp_send_skb for UDP_SEGMENT: each segment must fit the path as it is, and have a checksum.
    fn check_segments(&mut self, id: SocketId, length: usize, size: usize, way: &Outgoing) -> Result<()> {
        let entry = self.sockets.get(id)?;
        let v4 = way.head.destination.is_ipv4();
        let (header, most) = if v4 { (20 + HEADER, 65_535) } else { (40 + HEADER, 65_535 + 40) };
        let mtu = way.mtu(entry);
        let no_checksum = if v4 { entry.options.no_check } else { entry.options.udp.no_check6_tx };
        if header + length > most {
            return Err(self.too_long(id, way.destination, mtu));
        }
        if header + length.min(size) > mtu {
            return Err(Errno::EMSGSIZE.because(Reason::MessageTooLong));
        }
        if length > size * MAX_SEGMENTS || no_checksum {
            return Err(Errno::EINVAL.because(Reason::UdpSegments));
        }
        if entry.protocol == IPPROTO_UDPLITE {
            return Err(Errno::EIO.because(Reason::UdpSegments));
        }
        Ok(())
    }

    /// A datagram with its header.
    fn udp_datagram(
        &self,
        id: SocketId,
        data: &[IoSlice<'_>],
        length: usize,
        way: &Outgoing,
    ) -> Result<Frame> {
        let entry = self.sockets.get(id)?;
        let total = HEADER + length;
        let mut frame = self.net.pool.frame(total);
        let Ok(wire_length) = u16::try_from(total) else {
            // datagram_out refuses it, with an entry in the error queue.
            return Ok(frame);
        };
        let (source, destination) = (way.head.source, way.head.destination);
        let lite = entry.protocol == IPPROTO_UDPLITE;
        let (covered, field) = match entry.options.udp.send_coverage {
            // RFC 3828 3.1: the checksum covers the first bytes, 0 = all; "If the Checksum Coverage is greater than the IP
            // length": all, too (udplite_csum).
            Some(coverage) if lite && usize::from(coverage) < total => {
                (if coverage == 0 { total } else { coverage.into() }, coverage)
            }
            _ => (total, wire_length),
        };
        // RFC 768: "An all zero transmitted checksum value means that the transmitter generated no checksum"; RFC 6935 5 for IPv6.
        let options = &entry.options;
        let without =
            !lite && if destination.is_ipv4() { options.no_check } else { options.udp.no_check6_tx };
        let source_port = entry.local.map_or(0, |local| local.port());
        let bytes = frame.bytes_mut();
        bytes[0..2].copy_from_slice(&source_port.to_be_bytes());
        bytes[2..4].copy_from_slice(&way.destination.port().to_be_bytes());
        bytes[4..6].copy_from_slice(&field.to_be_bytes());
        bytes[6..8].fill(0);
        gather(&mut bytes[HEADER..], data);
        if !without {
            let sum = Sum::pseudo_header(source, destination, way.head.protocol, total);
            let sum = sum.with(&bytes[..covered]).finish();
            bytes[6..8].copy_from_slice(&nonzero(sum).to_be_bytes());
        }
        Ok(frame)
    }
}

impl Entry {
    /// The unfinished datagram of a UDP socket.
    fn corked(&mut self) -> Result<&mut Option<Corked>> {
        match &mut self.protocol_part {
            Part::Udp(udp) => Ok(&mut udp.corked),
            _ => Err(Errno::EOPNOTSUPP.because(Reason::WrongKind)),
        }
    }
}
