//! The queue of a datagram socket: what came, and what went wrong (MSG_ERRQUEUE).

use std::collections::VecDeque;
use std::io::IoSliceMut;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::address::mapped;
use super::extensions;

use crate::base::constants::{
    AF_INET6, ARPHRD_ETHER, ARPHRD_LOOPBACK, ETH_P_IP, ETH_P_IPV6, MSG_DONTWAIT, MSG_ERRQUEUE, MSG_OOB,
    MSG_PEEK, MSG_TRUNC, PACKET_BROADCAST, PACKET_HOST, PACKET_MULTICAST, POLLERR, POLLHUP, POLLIN, POLLOUT,
    POLLPRI, POLLRDHUP,
};
use crate::base::{ControlMessage, Errno, Frame, IfIndex, Instant, Reason, Result, SocketId};
use crate::stack::ip::{options_of, returned_options};
use crate::stack::options::Headers6;
use crate::stack::table::{Entry, Part};
use crate::stack::{Cast, Datagram, Hints, Received, Stack};
use crate::wire::filter::Facts;

/// A datagram in a socket's queue, with what is known of it.
#[derive(Clone, Debug)]
pub(crate) struct Queued {
    /// Once it is queued, the bytes begin with what the program gets.
    pub(crate) data: Frame,
    /// Before that: the bytes in front of it, which the socket's filter may see; and those in front of the filter's offset 0.
    pub(crate) front: usize,
    pub(crate) filter_from: usize,
    /// PACKET_*
    pub(crate) packet_type: u8,
    pub(crate) from: SocketAddr,
    pub(crate) destination: IpAddr,
    /// Whom an answer would come from (`ipi_spec_dst`).
    pub(crate) local: IpAddr,
    pub(crate) interface: IfIndex,
    pub(crate) ttl: u8,
    pub(crate) tos: u8,
    pub(crate) time: Instant,
    /// Datagrams that the socket had dropped before this one came.
    pub(crate) dropped: u32,
    /// IP_CSUM_BAD's bits, of a socket that wants to be told.
    pub(crate) wrong_checksums: u8,
    /// IPv4's options, or IPv6's header with its extension headers, of a socket that wants to be told.
    pub(crate) options: Vec<u8>,
    /// Bytes of the largest packet that it came in, if it came in several.
    pub(crate) fragment_size: Option<u32>,
    /// Of several that came together: the size of each but the last (UDP_GRO). 0 = it is one.
    pub(crate) segment: u16,
}

/// What a filter may ask beside the bytes of an IP packet to this host; it sees them from `start` on.
pub(in crate::stack) fn facts(packet: &[u8], start: usize, interface: IfIndex, random: u32) -> Facts {
    Facts {
        len: packet.len().saturating_sub(start),
        start,
        protocol: if packet.first().is_some_and(|first| first >> 4 == 6) { ETH_P_IPV6 } else { ETH_P_IP },
        packet_type: PACKET_HOST,
        interface: interface.0,
        hardware: if interface == IfIndex::LO { ARPHRD_LOOPBACK } else { ARPHRD_ETHER },
        link: usize::MAX,
        random,
        ..Facts::default()
    }
}

impl Queued {
    /// What a filter may ask beside the bytes, which still begin with the IP header.
    fn facts(&self, random: u32) -> Facts {
        let packet_type = self.packet_type;
        Facts {
            packet_type,
            mark: self.data.mark,
            ..facts(self.data.bytes(), self.filter_from, self.interface, random)
        }
    }
}

/// What a datagram socket has received. Data and errors ([`ErrorQueue`](super::ErrorQueue)) together are bounded by SO_RCVBUF.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    pub(super) datagrams: VecDeque<Queued>,
    /// Memory charged, in bytes.
    pub(super) charged: usize,
    /// Datagrams for which there was no room (sk_drops).
    dropped: u32,
}

/// What a datagram of `len` bytes is charged with: about what Linux charges (skb->truesize), so that SO_RCVBUF holds
/// about as many here as there: the buffer, rounded up as an allocator does, and its bookkeeping.
pub(in crate::stack) fn charge(len: usize) -> usize {
    let buffer = len + 368;
    256 + if buffer <= 4096 { buffer.next_power_of_two() } else { buffer.next_multiple_of(4096) }
}

impl Queue {
    /// False if the buffer is full. As on Linux the last datagram may go over the limit.
    pub(crate) fn push(&mut self, mut datagram: Queued, limit: usize) -> bool {
        if self.charged > limit {
            self.dropped = self.dropped.wrapping_add(1);
            return false;
        }
        datagram.dropped = self.dropped;
        self.charged += charge(datagram.data.len());
        self.datagrams.push_back(datagram);
        true
    }

    /// Memory charged, in bytes.
    pub(crate) fn charged(&self) -> usize {
        self.charged
    }

    /// Datagrams for which there was no room.
    pub(crate) fn dropped(&self) -> usize {
        self.dropped as usize
    }

    /// Bytes of the next datagram.
    pub(crate) fn next_len(&self) -> usize {
        self.datagrams.front().map_or(0, |datagram| datagram.data.len())
    }

    /// True if something waits to be read.
    pub(crate) fn has_data(&self) -> bool {
        !self.datagrams.is_empty()
    }

    /// The datagram that a peek `offset` bytes into the queue begins in, and where in it (__skb_try_recv_from_queue).
    fn at(&self, mut offset: usize) -> Option<(&Queued, usize)> {
        for datagram in &self.datagrams {
            let len = datagram.data.len();
            if offset == 0 || offset < len {
                return Some((datagram, offset));
            }
            offset -= len;
        }
        None
    }
}

impl Entry {
    /// The queue of a datagram socket.
    pub(crate) fn queue(&self) -> Option<&Queue> {
        match &self.protocol_part {
            Part::Udp(udp) => Some(&udp.queue),
            Part::Ping(ping) => Some(&ping.queue),
            Part::Raw(raw) => Some(&raw.queue),
            _ => None,
        }
    }

    pub(crate) fn queue_mut(&mut self) -> Option<&mut Queue> {
        match &mut self.protocol_part {
            Part::Udp(udp) => Some(&mut udp.queue),
            Part::Ping(ping) => Some(&mut ping.queue),
            Part::Raw(raw) => Some(&mut raw.queue),
            _ => None,
        }
    }

    /// IP_MTU_DISCOVER of the destination's family.
    pub(super) fn mtu_discover(&self, destination: IpAddr) -> i32 {
        if destination.is_ipv4() { self.options.mtu_discover } else { self.options.mtu_discover6 }
    }

    /// What poll(2) says of a datagram socket (datagram_poll): is something `waiting` to be read?
    pub(crate) fn poll_datagram(&self, waiting: bool) -> i32 {
        let (mut events, errors) = (POLLOUT, !self.errors.is_empty());
        if self.error.is_some() || errors {
            events |= POLLERR;
        }
        if errors && self.options.select_error_queue {
            events |= POLLPRI;
        }
        if self.read_shut {
            events |= POLLRDHUP | POLLIN;
        }
        if self.read_shut && self.write_shut {
            events |= POLLHUP;
        }
        if waiting {
            events |= POLLIN;
        }
        events
    }

    /// The control messages that the options ask for, in Linux's order.
    fn control(&self, datagram: &Queued, epoch: Duration) -> Vec<ControlMessage> {
        let options = &self.options;
        let mut control: Vec<_> = options.timestamp_messages(epoch, datagram.time, false).collect();
        // sock_recv_drops: nothing is told of nothing.
        if options.recv_dropped && datagram.dropped != 0 {
            control.push(ControlMessage::Dropped(datagram.dropped));
        }
        if options.recv_mark {
            control.push(ControlMessage::Mark(datagram.data.mark));
        }
        if options.recv_priority {
            control.push(ControlMessage::Priority(datagram.data.priority));
        }
        let v4 = datagram.destination.is_ipv4();
        if options.packet_info6 && self.domain == AF_INET6 {
            let destination = mapped(datagram.destination);
            control.push(ControlMessage::PacketInfo {
                interface: datagram.interface.0,
                local: destination,
                destination,
            });
        }
        if v4 && options.packet_info {
            control.push(ControlMessage::PacketInfo {
                interface: datagram.interface.0,
                local: datagram.local,
                destination: datagram.destination,
            });
        }
        if if v4 { options.recv_ttl } else { options.recv_hops } {
            control.push(ControlMessage::Ttl(datagram.ttl));
        }
        if if v4 { options.recv_tos } else { options.recv_tclass } {
            control.push(ControlMessage::Tos(datagram.tos));
        }
        if !v4 {
            extensions::told(options, &datagram.options, &mut control);
        }
        if self.domain == AF_INET6 {
            let (destination, interface) = (datagram.destination, datagram.interface.0);
            extensions::told_formerly(options, destination, interface, datagram.ttl, &mut control);
        }
        if if v4 { options.recv_original } else { options.recv_original6 }
            && let (Part::Udp(_), Some(local)) = (&self.protocol_part, self.local)
        {
            control.push(ControlMessage::OriginalDestination(SocketAddr::new(
                datagram.destination,
                local.port(),
            )));
        }
        if if v4 { options.recv_fragment_size } else { options.recv_fragment_size6 }
            && let Some(size) = datagram.fragment_size
        {
            control.push(ControlMessage::FragmentSize(size));
        }
        if v4 && options.recv_options && !datagram.options.is_empty() {
            control.push(ControlMessage::Options(datagram.options.clone()));
        }
        if v4
            && options.return_options
            && !datagram.options.is_empty()
            && let Some(back) = returned_options(&datagram.options)
        {
            control.push(ControlMessage::ReturnOptions(back));
        }
        if options.udp.gro && datagram.segment != 0 {
            control.push(ControlMessage::UdpGro(datagram.segment));
        }
        if datagram.wrong_checksums != 0 {
            control.push(ControlMessage::ChecksumBad(datagram.wrong_checksums.into()));
        }
        control
    }
}

/// Fills the slices one behind the other; says how many bytes found room.
pub(in crate::stack) fn scatter(to: &mut [IoSliceMut<'_>], mut from: &[u8]) -> usize {
    let all = from.len();
    for slice in to {
        let n = slice.len().min(from.len());
        slice[..n].copy_from_slice(&from[..n]);
        from = &from[n..];
    }
    all - from.len()
}

impl Stack {
    /// A datagram with what is known of it, for a queue. `from` is the sender as the program sees it. The program gets all bytes of
    /// `datagram.frame`: pull off what it does not see.
    pub(in crate::stack) fn queued(&self, datagram: Datagram, from: SocketAddr, front: usize) -> Queued {
        let local = match datagram.cast {
            Cast::Unicast => datagram.destination,
            // ipi_spec_dst: whom an answer would come from.
            _ => self.net.path(datagram.source, Hints::default()).map_or(datagram.destination, |p| p.source),
        };
        Queued {
            data: datagram.frame,
            front,
            filter_from: datagram.header.min(front),
            packet_type: match datagram.cast {
                Cast::Unicast => PACKET_HOST,
                Cast::Broadcast => PACKET_BROADCAST,
                Cast::Multicast => PACKET_MULTICAST,
            },
            from,
            destination: datagram.destination,
            local,
            interface: datagram.interface,
            ttl: datagram.ttl,
            tos: datagram.tos,
            time: self.net.now,
            dropped: 0,
            wrong_checksums: 0,
            options: Vec::new(),
            fragment_size: datagram.fragment_size,
            segment: 0,
        }
    }

    /// A copy for each of the sockets.
    pub(in crate::stack) fn deliver_to_all(&mut self, mut ids: Vec<SocketId>, datagram: Queued) {
        let Some(last) = ids.pop() else { return };
        for id in ids {
            self.deliver(id, datagram.clone());
        }
        self.deliver(last, datagram);
    }

    /// Puts a datagram in a socket's queue, as much of it as the socket's filter lets through; or counts why not.
    pub(in crate::stack) fn deliver(&mut self, id: SocketId, mut datagram: Queued) {
        let Ok(entry) = self.sockets.get_mut(id) else { return };
        let limit = entry.options.recv_buffer.saturating_sub(entry.errors.charged());
        let interface = datagram.interface;
        if entry.filter.is_some() {
            let facts = datagram.facts(self.net.random() as u32);
            let Some(kept) = entry.admits(datagram.data.bytes(), &facts) else {
                return self.net.note(Reason::SocketFilter, Some(interface), Some(id));
            };
            // sk_filter_trim_cap: the transport's header stays.
            datagram.data.truncate((datagram.filter_from + kept).max(datagram.front));
        }
        if entry.options.recv_options || entry.options.return_options {
            datagram.options = options_of(datagram.data.bytes()).to_vec();
        }
        if datagram.destination.is_ipv6() && entry.options.headers6 != Headers6::default() {
            let headers = datagram.data.bytes().get(..datagram.filter_from);
            datagram.options = headers.unwrap_or_default().to_vec();
        }
        datagram.data.pull(datagram.front);
        let joins = entry.options.udp.gro;
        let Some(queue) = entry.queue_mut() else { return };
        if joins && queue.join(&datagram) {
            return;
        }
        if queue.push(datagram, limit) {
            self.ready.wake(id);
        } else {
            self.net.note(Reason::ReceiveQueueFull, Some(interface), Some(id));
        }
    }

    /// recvmsg(2) of UDP, ping and raw sockets. A pending error is told before data.
    pub(in crate::stack) fn datagram_recv(
        &mut self,
        id: SocketId,
        buffers: &mut [IoSliceMut<'_>],
        flags: i32,
    ) -> Result<Received> {
        if flags & MSG_OOB != 0 && !matches!(self.sockets.get(id)?.protocol_part, Part::Udp(_)) {
            return Err(Errno::EOPNOTSUPP.because(Reason::WrongKind));
        }
        if flags & MSG_ERRQUEUE != 0 {
            return self.recv_error(id, buffers);
        }
        let epoch = self.net.config.epoch;
        let entry = self.sockets.get_mut(id)?;
        if entry.options.recv_path_mtu
            && let Some((to, mtu)) = entry.path_mtu.take()
        {
            return Ok(extensions::path_mtu(to, mtu));
        }
        entry.take_error()?;
        let read_shut = entry.read_shut;
        let peeks = flags & MSG_PEEK != 0;
        // SO_PEEK_OFF
        let offset = if peeks { usize::try_from(entry.options.peek_offset).unwrap_or(0) } else { 0 };
        let Some((datagram, offset)) = entry.queue().and_then(|queue| queue.at(offset)) else {
            // __skb_wait_for_more_packets: only who would wait is told of the shutdown by 0 bytes.
            return if read_shut && flags & MSG_DONTWAIT == 0 {
                Ok(Received::default())
            } else {
                Err(Errno::EAGAIN.because(Reason::NoData))
            };
        };
        let whole = datagram.data.len();
        let copied = scatter(buffers, &datagram.data.bytes()[offset.min(whole)..]);
        let room: usize = buffers.iter().map(|slice| slice.len()).sum();
        let received = Received {
            len: if flags & MSG_TRUNC != 0 { whole } else { copied },
            from: Some(entry.shown(datagram.from)),
            flags: if room < whole && room <= whole - offset { MSG_TRUNC } else { 0 },
            control: entry.control(datagram, epoch),
        };
        if !peeks && let Some(queue) = entry.queue_mut() {
            queue.charged -= charge(whole);
            queue.datagrams.pop_front();
        }
        entry.options.peeked(received.len, peeks);
        Ok(received)
    }
}
