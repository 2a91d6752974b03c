//! The queue of a datagram socket: what came, and what went wrong (MSG_ERRQUEUE).

use std::collections::VecDeque;
use std::io::IoSliceMut;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::address::mapped;
use crate::base::cmsg::ExtendedError;
use crate::base::constants::{
    AF_INET6, ARPHRD_ETHER, ARPHRD_LOOPBACK, ETH_P_IP, ETH_P_IPV6, IP_PMTUDISC_DONT, MSG_DONTWAIT,
    MSG_ERRQUEUE, MSG_OOB, MSG_PEEK, MSG_TRUNC, PACKET_BROADCAST, PACKET_HOST, PACKET_MULTICAST, POLLERR,
    POLLHUP, POLLIN, POLLOUT, POLLRDHUP,
};
use crate::base::{ControlMessage, Errno, Error, Frame, IfIndex, Instant, Reason, Result, SocketId};
use crate::stack::ip::{options_of, returned_options};
use crate::stack::table::{Entry, Part};
use crate::stack::{Cast, Datagram, Hints, NetError, Received, Stack};
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
    /// IPv4's options, of a socket that wants to be told.
    pub(crate) options: Vec<u8>,
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
        Facts { packet_type, ..facts(self.data.bytes(), self.filter_from, self.interface, random) }
    }
}

/// An entry of the error queue (MSG_ERRQUEUE).
#[derive(Debug)]
struct QueuedError {
    error: ExtendedError,
    reason: Reason,
    /// Where the lost datagram should have gone.
    destination: SocketAddr,
    /// What is quoted of its data.
    data: Vec<u8>,
}

/// What a datagram socket has received. Data and errors together are bounded by SO_RCVBUF.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    pub(super) datagrams: VecDeque<Queued>,
    errors: VecDeque<QueuedError>,
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

    fn push_error(&mut self, error: QueuedError, limit: usize) -> bool {
        let cost = charge(error.data.len());
        if self.charged + cost >= limit {
            return false;
        }
        self.charged += cost;
        self.errors.push_back(error);
        true
    }

    /// IP_RECVERR or IPV6_RECVERR is switched off (skb_errqueue_purge).
    pub(crate) fn forget_errors(&mut self) {
        for error in self.errors.drain(..) {
            self.charged -= charge(error.data.len());
        }
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

    /// True if something waits to be read, and if something is in the error queue.
    pub(crate) fn has(&self) -> (bool, bool) {
        (!self.datagrams.is_empty(), !self.errors.is_empty())
    }
}

impl Stack {
    /// What POLLERR of a datagram socket stands for: the pending error, and those in the queue of errors.
    #[cfg(feature = "cli")]
    pub(crate) fn errors_waiting(&self, id: SocketId) -> usize {
        self.sockets.get(id).map_or(0, |entry| {
            usize::from(entry.error.is_some()) + entry.queue().map_or(0, |queue| queue.errors.len())
        })
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

    /// True if errors about this destination go to the error queue.
    fn records_errors(&self, destination: IpAddr) -> bool {
        if destination.is_ipv4() { self.options.recv_error } else { self.options.recv_error6 }
    }

    /// What poll(2) says of a datagram socket (datagram_poll): is something `waiting` to be read, are there `errors` in its queue?
    pub(crate) fn poll_datagram(&self, waiting: bool, errors: bool) -> i32 {
        let mut events = POLLOUT;
        if self.error.is_some() || errors {
            events |= POLLERR;
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
        let mut control: Vec<_> = options.timestamp_message(epoch, datagram.time).into_iter().collect();
        // sock_recv_drops: nothing is told of nothing.
        if options.recv_dropped && datagram.dropped != 0 {
            control.push(ControlMessage::Dropped(datagram.dropped));
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
        if options.recv_options && !datagram.options.is_empty() {
            control.push(ControlMessage::Options(datagram.options.clone()));
        }
        if options.return_options
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
        let (limit, interface) = (entry.options.recv_buffer, datagram.interface);
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
        entry.take_error()?;
        let read_shut = entry.read_shut;
        let Some(datagram) = entry.queue().and_then(|queue| queue.datagrams.front()) else {
            // __skb_wait_for_more_packets: only who would wait is told of the shutdown by 0 bytes.
            return if read_shut && flags & MSG_DONTWAIT == 0 {
                Ok(Received::default())
            } else {
                Err(Errno::EAGAIN.because(Reason::NoData))
            };
        };
        let whole = datagram.data.len();
        let copied = scatter(buffers, datagram.data.bytes());
        let received = Received {
            len: if flags & MSG_TRUNC != 0 { whole } else { copied },
            from: Some(entry.shown(datagram.from)),
            flags: if copied < whole { MSG_TRUNC } else { 0 },
            control: entry.control(datagram, epoch),
        };
        if flags & MSG_PEEK == 0
            && let Some(queue) = entry.queue_mut()
        {
            queue.charged -= charge(whole);
            queue.datagrams.pop_front();
        }
        Ok(received)
    }

    /// MSG_ERRQUEUE, ip(7): the quoted data, where it should have gone, and what happened.
    fn recv_error(&mut self, id: SocketId, buffers: &mut [IoSliceMut<'_>]) -> Result<Received> {
        let entry = self.sockets.get_mut(id)?;
        let queue = entry.queue_mut().ok_or(Errno::EAGAIN)?;
        let error = queue.errors.pop_front().ok_or(Errno::EAGAIN.because(Reason::NoData))?;
        queue.charged -= charge(error.data.len());
        // sock_dequeue_err_skb: the next one becomes the pending error.
        let next = queue.errors.front().map(|next| next.error.errno.because(next.reason));
        entry.error = next;
        let copied = scatter(buffers, &error.data);
        Ok(Received {
            len: copied,
            from: Some(entry.shown(error.destination)),
            flags: MSG_ERRQUEUE | if copied < error.data.len() { MSG_TRUNC } else { 0 },
            control: vec![ControlMessage::ExtendedError(error.error)],
        })
    }

    /// An error about a datagram that this socket sent (__udp4_lib_err, ping_err). `data` is what the error queue keeps.
    pub(in crate::stack) fn datagram_error(
        &mut self,
        id: SocketId,
        error: &NetError,
        destination: SocketAddr,
        data: &[u8],
    ) {
        let Ok(entry) = self.sockets.get_mut(id) else { return };
        let too_big = error.errno == Errno::EMSGSIZE;
        let discovers = entry.mtu_discover(error.destination) != IP_PMTUDISC_DONT;
        if too_big && !discovers {
            return;
        }
        let records = entry.records_errors(error.destination);
        if !records && (!(error.hard || too_big) || entry.remote.is_none()) {
            return;
        }
        let six = entry.domain == AF_INET6;
        entry.error = Some(error.errno.because(error.reason));
        if records {
            let queued = QueuedError {
                error: ExtendedError {
                    errno: error.errno,
                    origin: error.origin,
                    kind: error.kind,
                    code: error.code,
                    info: error.info,
                    offender: error
                        .offender
                        .map(|offender| SocketAddr::new(if six { mapped(offender) } else { offender }, 0)),
                    interface: error.interface,
                },
                reason: error.reason,
                destination,
                data: data.to_vec(),
            };
            let limit = entry.options.recv_buffer;
            if entry.queue_mut().is_some_and(|queue| !queue.push_error(queued, limit)) {
                self.net.note(Reason::ErrorQueueFull, error.interface, Some(id));
            }
        }
        self.ready.wake(id);
    }

    /// EMSGSIZE at once, and in the error queue if the program wants it (ip_local_error).
    pub(in crate::stack) fn too_long(&mut self, id: SocketId, to: SocketAddr, mtu: usize) -> Error {
        let error = Errno::EMSGSIZE.because(Reason::MessageTooLong);
        if let Ok(entry) = self.sockets.get_mut(id)
            && entry.records_errors(to.ip())
        {
            let queued = QueuedError {
                error: ExtendedError {
                    errno: Errno::EMSGSIZE,
                    origin: 1, // SO_EE_ORIGIN_LOCAL
                    kind: 0,
                    code: 0,
                    info: u32::try_from(mtu).unwrap_or(u32::MAX),
                    offender: None,
                    interface: None,
                },
                reason: Reason::MessageTooLong,
                destination: to,
                data: Vec::new(),
            };
            let limit = entry.options.recv_buffer;
            if let Some(queue) = entry.queue_mut() {
                queue.push_error(queued, limit);
            }
        }
        error
    }
}
