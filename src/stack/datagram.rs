//! What UDP and ping sockets share: the queue of a socket, who is bound where, and the way of a datagram out.

use std::collections::{HashMap, VecDeque};
use std::io::{IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::options::Timestamp;
use super::table::{Entry, Part};
use super::{Cast, Hints, IpHead, NetError, Path, Received, Stack};
use crate::base::cmsg::ExtendedError;
use crate::base::constants::{
    AF_INET, AF_INET6, IP_PMTUDISC_DO, IP_PMTUDISC_DONT, IP_PMTUDISC_INTERFACE, IP_PMTUDISC_OMIT,
    IP_PMTUDISC_PROBE, IP_PMTUDISC_WANT, MSG_DONTWAIT, MSG_ERRQUEUE, MSG_OOB, MSG_PEEK, MSG_TRUNC, POLLERR,
    POLLHUP, POLLIN, POLLOUT, POLLRDHUP,
};
use crate::base::{
    ControlMessage, Errno, Error, Frame, IfIndex, Instant, Reason, Result, SockAddr, SocketId,
};

/// A datagram in a socket's queue, with what is known of it.
#[derive(Debug)]
pub(crate) struct Queued {
    /// The bytes begin with what the program gets.
    pub(crate) data: Frame,
    pub(crate) from: SocketAddr,
    pub(crate) destination: IpAddr,
    /// Whom an answer would come from (`ipi_spec_dst`).
    pub(crate) local: IpAddr,
    pub(crate) interface: IfIndex,
    pub(crate) ttl: u8,
    pub(crate) tos: u8,
    pub(crate) time: Instant,
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
    datagrams: VecDeque<Queued>,
    errors: VecDeque<QueuedError>,
    /// Memory charged, in bytes.
    charged: usize,
}

/// What a datagram of `len` bytes is charged with: about what Linux charges (skb->truesize), so that SO_RCVBUF holds
/// about as many here as there: the buffer, rounded up as an allocator does, and its bookkeeping.
fn charge(len: usize) -> usize {
    let buffer = len + 368;
    256 + if buffer <= 4096 { buffer.next_power_of_two() } else { buffer.next_multiple_of(4096) }
}

impl Queue {
    /// False if the buffer is full. As on Linux the last datagram may go over the limit.
    pub(crate) fn push(&mut self, datagram: Queued, limit: usize) -> bool {
        if self.charged > limit {
            return false;
        }
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

    /// Memory charged, in bytes.
    pub(crate) fn charged(&self) -> usize {
        self.charged
    }

    /// Bytes of the next datagram.
    pub(crate) fn next_len(&self) -> usize {
        self.datagrams.front().map_or(0, |datagram| datagram.data.len())
    }
}

/// Which sockets are bound to a port (or have a ping identifier), in the order of binding.
#[derive(Debug, Default)]
pub(crate) struct ByPort(HashMap<u16, Vec<SocketId>>);

impl ByPort {
    pub(crate) fn insert(&mut self, port: u16, id: SocketId) {
        self.0.entry(port).or_default().push(id);
    }

    pub(crate) fn remove(&mut self, port: u16, id: SocketId) {
        if let Some(sockets) = self.0.get_mut(&port) {
            sockets.retain(|other| *other != id);
            if sockets.is_empty() {
                self.0.remove(&port);
            }
        }
    }

    pub(crate) fn get(&self, port: u16) -> &[SocketId] {
        self.0.get(&port).map_or(&[], Vec::as_slice)
    }
}

/// A datagram's way out, once all questions are answered.
pub(crate) struct Outgoing {
    pub(crate) destination: SocketAddr,
    pub(crate) path: Path,
    pub(crate) head: IpHead,
    pub(crate) hints: Hints,
}

/// True for the local addresses that can't be a source: a socket bound to one of them hears it only.
fn is_source(address: IpAddr) -> bool {
    !address.is_unspecified() && !address.is_multicast() && address != IpAddr::V4(Ipv4Addr::BROADCAST)
}

impl Entry {
    /// The queue of a datagram socket.
    pub(crate) fn queue(&self) -> Option<&Queue> {
        match &self.protocol_part {
            Part::Udp(udp) => Some(&udp.queue),
            Part::Ping(ping) => Some(&ping.queue),
            Part::Tcp(_) => None,
        }
    }

    pub(crate) fn queue_mut(&mut self) -> Option<&mut Queue> {
        match &mut self.protocol_part {
            Part::Udp(udp) => Some(&mut udp.queue),
            Part::Ping(ping) => Some(&mut ping.queue),
            Part::Tcp(_) => None,
        }
    }

    /// IP_MTU_DISCOVER of the destination's family.
    fn mtu_discover(&self, destination: IpAddr) -> i32 {
        if destination.is_ipv4() { self.options.mtu_discover } else { self.options.mtu_discover6 }
    }

    /// True if errors about this destination go to the error queue.
    fn records_errors(&self, destination: IpAddr) -> bool {
        if destination.is_ipv4() { self.options.recv_error } else { self.options.recv_error6 }
    }

    /// What poll(2) says of a datagram socket (datagram_poll).
    pub(crate) fn poll_datagram(&self) -> i32 {
        let (waiting, errors) =
            self.queue().map_or((false, false), |q| (!q.datagrams.is_empty(), !q.errors.is_empty()));
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
        let mut control = Vec::new();
        let options = &self.options;
        let since_1970 = epoch + datagram.time.since(Instant::ZERO);
        match options.timestamp {
            Timestamp::Off => {}
            Timestamp::Micro => control.push(ControlMessage::Timestamp(since_1970)),
            Timestamp::Nano => control.push(ControlMessage::TimestampNs(since_1970)),
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
        control
    }

    /// An address as this socket's family shows it: an IPv6 socket sees IPv4 as ::ffff:a.b.c.d.
    pub(crate) fn shown(&self, address: SocketAddr) -> SockAddr {
        if self.domain == AF_INET { address } else { SocketAddr::new(mapped(address.ip()), address.port()) }
            .with_scope_of(address)
            .into()
    }
}

/// Keeps the scope that `SocketAddr::new` drops.
pub(crate) trait WithScope {
    fn with_scope_of(self, other: SocketAddr) -> SocketAddr;
}

impl WithScope for SocketAddr {
    fn with_scope_of(mut self, other: SocketAddr) -> SocketAddr {
        if let (SocketAddr::V6(to), SocketAddr::V6(from)) = (&mut self, other) {
            to.set_scope_id(from.scope_id());
        }
        self
    }
}

/// RFC 4291 2.5.5.2: the IPv4 address as ::ffff:a.b.c.d; IPv6 stays as it is.
pub(crate) fn mapped(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().into(),
        v6 @ IpAddr::V6(_) => v6,
    }
}

/// The address with the interface of a link-local one, as recvfrom(2) tells it.
pub(crate) fn scoped(address: IpAddr, port: u16, interface: IfIndex) -> SocketAddr {
    let mut result = SocketAddr::new(address, port);
    if let SocketAddr::V6(v6) = &mut result
        && needs_scope(v6.ip())
    {
        v6.set_scope_id(interface.0);
    }
    result
}

/// True for addresses that mean something only together with an interface: fe80::/10 and ff02::/16 (and ff01::/16).
pub(crate) fn needs_scope(address: &Ipv6Addr) -> bool {
    address.is_unicast_link_local() || (address.is_multicast() && matches!(address.octets()[1] & 0xf, 1 | 2))
}

/// The Internet checksum of a transport's bytes with the pseudo header (RFC 768, RFC 8200 8.1), complemented.
pub(crate) fn checksum(source: IpAddr, destination: IpAddr, protocol: u8, bytes: &[u8]) -> u16 {
    use smoltcp::wire::{IpProtocol, checksum as sum};
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let protocol = IpProtocol::from(protocol);
    let pseudo = match (source, destination) {
        (IpAddr::V4(from), IpAddr::V4(to)) => sum::pseudo_header_v4(&from, &to, protocol, length),
        (IpAddr::V6(from), IpAddr::V6(to)) => sum::pseudo_header_v6(&from, &to, protocol, length),
        _ => 0,
    };
    !sum::combine(&[pseudo, sum::data(bytes)])
}

/// All slices one behind the other.
pub(crate) fn gather(to: &mut [u8], from: &[IoSlice<'_>]) {
    let mut at = 0;
    for slice in from {
        let end = (at + slice.len()).min(to.len());
        to[at..end].copy_from_slice(&slice[..end - at]);
        at = end;
    }
}

/// Fills the slices one behind the other; says how many bytes found room.
fn scatter(to: &mut [IoSliceMut<'_>], mut from: &[u8]) -> usize {
    let all = from.len();
    for slice in to {
        let n = slice.len().min(from.len());
        slice[..n].copy_from_slice(&from[..n]);
        from = &from[n..];
    }
    all - from.len()
}

impl Stack {
    /// Puts a datagram in a socket's queue, or counts that it is full.
    pub(super) fn deliver(&mut self, id: SocketId, datagram: Queued) {
        let Ok(entry) = self.sockets.get_mut(id) else { return };
        let (limit, interface) = (entry.options.recv_buffer, datagram.interface);
        let Some(queue) = entry.queue_mut() else { return };
        if queue.push(datagram, limit) {
            self.ready.wake(id);
        } else {
            self.net.note(Reason::ReceiveQueueFull, Some(interface), Some(id));
        }
    }

    /// recvmsg(2) of UDP and ping sockets. A pending error is told before data.
    pub(super) fn datagram_recv(
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
    pub(super) fn datagram_error(
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
        entry.error = Some(error.errno.because(error.reason));
        if records {
            let queued = QueuedError {
                error: ExtendedError {
                    errno: error.errno,
                    origin: error.origin,
                    kind: error.kind,
                    code: error.code,
                    info: error.info,
                    offender: error.offender.map(|offender| SocketAddr::new(offender, 0)),
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
    fn too_long(&mut self, id: SocketId, to: SocketAddr, mtu: usize) -> Error {
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

    /// Finds a datagram's way: source, interface, header fields, as the socket's options and the call's control messages say.
    pub(super) fn datagram_way(
        &mut self,
        id: SocketId,
        to: SocketAddr,
        control: &[ControlMessage],
    ) -> Result<Outgoing> {
        let entry = self.sockets.get(id)?;
        let options = &entry.options;
        let (mut ttl, mut tos) = (None, options.service(to.ip()));
        let mut interface = entry.device;
        let mut source = entry.local.map(|local| local.ip()).filter(|local| is_source(*local));
        for message in control {
            match *message {
                ControlMessage::Ttl(0) if to.is_ipv4() => {
                    return Err(Errno::EINVAL.because(Reason::OptionValue));
                }
                ControlMessage::Ttl(value) => ttl = Some(value),
                ControlMessage::Tos(value) => tos = value,
                ControlMessage::PacketInfo { interface: asked, local, .. } => {
                    if asked != 0 {
                        let asked = IfIndex(asked);
                        if interface.is_some_and(|bound| bound != asked) {
                            return Err(Errno::EINVAL.because(Reason::NoInterface));
                        }
                        self.net.interface_name(asked).ok_or(Errno::ENODEV.because(Reason::NoInterface))?;
                        interface = Some(asked);
                    }
                    let local = local.to_canonical();
                    if !local.is_unspecified() && local.is_ipv4() == to.is_ipv4() {
                        if !self.net.is_local(local) {
                            return Err(Errno::EINVAL.because(Reason::IpAddressNotOurs));
                        }
                        source = Some(local);
                    }
                }
                _ => {}
            }
        }
        let source = source.filter(|source| source.is_ipv4() == to.is_ipv4());
        // "0.0.0.0" and "::" mean this host: the address that the socket has, else the loopback.
        let destination = match to.ip() {
            ip if !ip.is_unspecified() => ip,
            IpAddr::V4(_) => source.unwrap_or(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        };
        let scope = match to {
            SocketAddr::V6(v6) if needs_scope(v6.ip()) && v6.scope_id() != 0 => Some(IfIndex(v6.scope_id())),
            _ => None,
        };
        if let (Some(scope), Some(bound)) = (scope, interface)
            && scope != bound
        {
            return Err(Errno::EINVAL.because(Reason::NoInterface));
        }
        let mut hints = Hints { interface: interface.or(scope), source };
        if destination.is_multicast() {
            let (by_option, from) = match destination {
                IpAddr::V4(_) => (options.multicast_interface, options.multicast_source.map(IpAddr::V4)),
                IpAddr::V6(_) => (options.multicast_interface6, None),
            };
            hints.interface = hints.interface.or(by_option);
            hints.source = hints.source.or(from);
        }
        let path = self.net.path(destination, hints)?;
        if path.cast == Cast::Broadcast && !options.broadcast {
            return Err(Errno::EACCES.because(Reason::BroadcastNotAllowed));
        }
        let ttl = ttl.unwrap_or_else(|| match (path.cast, destination) {
            (Cast::Multicast, IpAddr::V4(_)) => options.multicast_ttl,
            (Cast::Multicast, IpAddr::V6(_)) => options.multicast_hops,
            _ => options.unicast_ttl(&self.net.config, destination),
        });
        let head = IpHead {
            source: path.source,
            destination,
            protocol: u8::try_from(entry.protocol).unwrap_or(0),
            ttl,
            tos,
            dont_fragment: false,
            ignore_path_mtu: false,
            loop_multicast: match destination {
                IpAddr::V4(_) => options.multicast_loop,
                IpAddr::V6(_) => options.multicast_loop6,
            },
        };
        Ok(Outgoing {
            destination: SocketAddr::new(destination, to.port()).with_scope_of(to),
            path,
            head,
            hints,
        })
    }

    /// What sock_alloc_send_skb asks before every datagram: a pending error first, then whether writing is shut down.
    pub(super) fn may_send(&mut self, id: SocketId) -> Result<()> {
        let entry = self.sockets.get_mut(id)?;
        entry.take_error()?;
        if entry.write_shut {
            return Err(Errno::EPIPE.because(Reason::Closed));
        }
        Ok(())
    }

    /// Decides on fragments (IP_MTU_DISCOVER) and hands the datagram, transport header included, to the lower half.
    pub(super) fn datagram_out(&mut self, id: SocketId, frame: Frame, mut way: Outgoing) -> Result<()> {
        let entry = self.sockets.get(id)?;
        let discover = entry.mtu_discover(way.head.destination);
        let v4 = way.head.destination.is_ipv4();
        // IPv4 counts its own header in the total length of 16 bits, IPv6 does not.
        let (header, most) = if v4 { (20, 65_535) } else { (40, 65_535 + 40) };
        let length = header + frame.len();
        let device_only = matches!(discover, IP_PMTUDISC_PROBE | IP_PMTUDISC_INTERFACE | IP_PMTUDISC_OMIT);
        let mtu = if device_only { way.path.link_mtu } else { way.path.mtu };
        // ip_sk_ignore_df
        let may_cut = matches!(discover, IP_PMTUDISC_DONT | IP_PMTUDISC_WANT | IP_PMTUDISC_OMIT);
        let whole_only = !v4 && entry.options.dont_fragment6;
        if length > most || (length > mtu && (!may_cut || whole_only)) {
            return Err(self.too_long(id, way.destination, mtu));
        }
        // __ip_make_skb: DF by WANT only on what fits.
        way.head.dont_fragment = match discover {
            IP_PMTUDISC_DO | IP_PMTUDISC_PROBE => true,
            IP_PMTUDISC_WANT => v4 && length <= mtu,
            _ => false,
        };
        way.head.ignore_path_mtu = device_only;
        self.net.send(frame, way.head, way.hints)
    }
}
