//! The socket verbs: what a call does once, now. None of them waits: what can't be done yet is EAGAIN (or EINPROGRESS).

//!
//! What all kinds of sockets have in common is done here: families, ports, addresses; then the protocol goes on. An IPv6
//! socket's IPv4 peers (::ffff:a.b.c.d) are plain IPv4 behind this door.

use std::io::{IoSlice, IoSliceMut};
use std::net::SocketAddr;

use super::Stack;
use super::bind::destination;
use super::options::Options;
use super::raw::RawSocket;
use super::table::{Entry, Part};
use crate::base::constants::{
    AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_IP, IPPROTO_TCP,
    IPPROTO_UDP, MSG_ERRQUEUE, NETLINK_ROUTE, POLLNVAL, SHUT_RD, SHUT_RDWR, SHUT_WR, SOCK_DGRAM, SOCK_RAW,
    SOCK_STREAM,
};
use crate::base::{ControlMessage, Errno, Error, Instant, NetlinkAddr, Reason, Result, SockAddr, SocketId};

/// What sendmsg(2) is told beside the data.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SendTo<'a> {
    pub(crate) to: Option<SockAddr>,
    /// MSG_*.
    pub(crate) flags: i32,
    pub(crate) control: &'a [ControlMessage],
}

/// What recvmsg(2) tells beside the data.
#[derive(Clone, Debug, Default)]
pub(crate) struct Received {
    /// Bytes written to the buffers; with MSG_TRUNC in the call, the datagram's whole length.
    pub(crate) len: usize,
    pub(crate) from: Option<SockAddr>,
    /// MSG_TRUNC, MSG_ERRQUEUE ...
    pub(crate) flags: i32,
    pub(crate) control: Vec<ControlMessage>,
}

impl Stack {
    /// socket(2), without SOCK_NONBLOCK and SOCK_CLOEXEC (driver and socket/ know those).
    pub(crate) fn socket(&mut self, domain: i32, kind: i32, protocol: i32) -> Result<SocketId> {
        let protocol = supported(domain, kind, protocol)?;
        if self.sockets.len() >= self.net.config.max_sockets {
            return Err(Errno::EMFILE.because(Reason::TooManySockets));
        }
        // packet_create leaves SO_PROTOCOL at 0.
        let told = if domain == AF_PACKET { 0 } else { protocol };
        let options = Options::new(&self.net.config, domain, kind, told);
        let part = match protocol {
            _ if domain == AF_PACKET => Part::Packet(Default::default()),
            _ if domain == AF_NETLINK => Part::Netlink(Default::default()),
            _ if kind == SOCK_RAW => Part::Raw(RawSocket::new(domain, protocol, self.net.config.verbatim)),
            IPPROTO_TCP => Part::Tcp(Default::default()),
            IPPROTO_UDP => Part::Udp(Default::default()),
            _ => Part::Ping(Default::default()),
        };
        let id = self.sockets.insert(Entry::new(domain, kind, told, options, part));
        if domain == AF_PACKET {
            self.packet_create(id, protocol)?;
        } else if kind == SOCK_RAW && domain != AF_NETLINK {
            self.raw_open(id);
        }
        Ok(id)
    }

    /// bind(2).
    pub(crate) fn bind(&mut self, id: SocketId, address: SockAddr) -> Result<()> {
        let entry = self.sockets.get(id)?;
        if let Part::Packet(_) = entry.protocol_part {
            // packet_bind
            let SockAddr::Link(address) = address else {
                return Err(Errno::EINVAL.because(Reason::WrongFamily));
            };
            return self.packet_bind(id, address);
        }
        match entry.protocol_part {
            Part::Raw(_) => return self.raw_bind(id, address),
            Part::Netlink(_) => return self.netlink_bind(id, address),
            _ => {}
        }
        let already = entry.local.is_some() || entry.remote.is_some();
        // inet_bind looks at the address first, inet6_bind at the socket.
        if entry.domain == AF_INET6 && already {
            return Err(Errno::EINVAL.because(Reason::AlreadyBound));
        }
        let (address, device) = self.address_to_bind(entry, address)?;
        if already {
            return Err(Errno::EINVAL.because(Reason::AlreadyBound));
        }
        self.claim_port(id, address, device)?;
        let entry = self.sockets.get_mut(id)?;
        entry.device = device;
        entry.address_chosen = !address.ip().is_unspecified();
        entry.port_chosen = address.port() != 0;
        if entry.domain == AF_INET6 && address.is_ipv6() && entry.address_chosen {
            // __inet6_bind: an IPv6 address of its own leaves no room for IPv4.
            entry.options.v6only = true;
        }
        Ok(())
    }

    /// listen(2).
    pub(crate) fn listen(&mut self, id: SocketId, backlog: i32) -> Result<()> {
        let entry = self.sockets.get(id)?;
        if !matches!(entry.protocol_part, Part::Tcp(_)) {
            return Err(Errno::EOPNOTSUPP.because(Reason::WrongKind));
        }
        if entry.claim.is_none() && entry.remote.is_none() {
            self.claim_port(id, SocketAddr::new(entry.any_address(), 0), entry.device)?;
        }
        self.tcp_listen(id, backlog)
    }

    /// accept(2): EAGAIN while no finished connection waits.
    pub(crate) fn accept(&mut self, id: SocketId) -> Result<(SocketId, SockAddr)> {
        let entry = self.sockets.get(id)?;
        if !matches!(entry.protocol_part, Part::Tcp(_)) {
            return Err(Errno::EOPNOTSUPP.because(Reason::WrongKind));
        }
        let (accepted, peer) = self.tcp_accept(id)?;
        let peer = self.sockets.get(accepted)?.shown(peer);
        Ok((accepted, peer))
    }

    /// connect(2) as on a non-blocking socket: EINPROGRESS, then EALREADY, then the outcome in SO_ERROR
    /// (or by a further connect: EISCONN, or the error).
    pub(crate) fn connect(&mut self, id: SocketId, address: SockAddr) -> Result<()> {
        let entry = self.sockets.get(id)?;
        if let Part::Packet(_) = entry.protocol_part {
            return Err(Errno::EOPNOTSUPP.because(Reason::WrongKind));
        }
        if let Part::Netlink(_) = entry.protocol_part {
            return self.netlink_connect(id, address);
        }
        let tcp = matches!(entry.protocol_part, Part::Tcp(_));
        let raw = matches!(entry.protocol_part, Part::Raw(_));
        if address == SockAddr::Unspec {
            return match entry.protocol_part {
                Part::Tcp(_) => self.tcp_disconnect(id),
                Part::Raw(_) => self.raw_disconnect(id),
                _ => self.datagram_disconnect(id),
            };
        }
        if tcp && let Some(remote) = entry.remote {
            // The connection's state answers before anybody looks at the address.
            return self.tcp_connect(id, remote);
        }
        if !tcp && !raw {
            self.autobind(id)?;
        }
        let entry = self.sockets.get(id)?;
        let family = if entry.domain == AF_INET6 && matches!(entry.protocol_part, Part::Udp(_)) {
            // __ip6_datagram_connect takes an AF_INET address too.
            address.family()
        } else {
            entry.domain
        };
        if tcp && entry.domain == AF_INET6 && address.family() != AF_INET6 {
            // tcp_v6_connect: too short for its family, and that is seen first.
            return Err(Errno::EINVAL.because(Reason::WrongFamily));
        }
        if address.family() != family
            || (family == AF_INET && entry.options.v6only && entry.domain == AF_INET6)
        {
            return Err(Errno::EAFNOSUPPORT.because(Reason::WrongFamily));
        }
        let remote = destination(entry, address)?;
        if tcp {
            if remote.ip().is_multicast() || self.net.is_broadcast(remote.ip()) {
                return Err(Errno::ENETUNREACH.because(Reason::WrongKind));
            }
            self.bind_to_scope(id, remote)?;
            return self.tcp_connect(id, remote);
        }
        self.bind_to_scope(id, remote)?;
        self.datagram_connect(id, remote)
    }

    /// sendmsg(2): EAGAIN while there is no room; a stream may take less than all.
    pub(crate) fn send(&mut self, id: SocketId, data: &[IoSlice<'_>], how: SendTo<'_>) -> Result<usize> {
        let entry = self.sockets.get(id)?;
        if matches!(entry.protocol_part, Part::Tcp(_)) {
            return self.tcp_send(id, data, how.flags);
        }
        if let Part::Packet(_) = entry.protocol_part {
            let sent = self.packet_send(id, data, &how);
            self.dispatch();
            return sent;
        }
        if let Part::Netlink(_) = entry.protocol_part {
            return self.netlink_send(id, data, &how);
        }
        let udp = matches!(entry.protocol_part, Part::Udp(_));
        let raw = matches!(entry.protocol_part, Part::Raw(_));
        if !raw {
            self.autobind(id).map_err(|error| Errno::EAGAIN.because(error.reason()))?;
        }
        let entry = self.sockets.get(id)?;
        let to = match how.to {
            Some(SockAddr::Unspec) if entry.domain == AF_INET6 && udp => None,
            // udp_sendmsg takes AF_UNSPEC for AF_INET; all zeros, it has no port.
            Some(SockAddr::Unspec) if udp => return Err(Errno::EINVAL.because(Reason::NoDestination)),
            // Raw sockets of both families take AF_UNSPEC, but IPv6's address has more bytes.
            Some(SockAddr::Unspec) if raw && entry.domain == AF_INET => {
                Some(destination(entry, SockAddr::Unspec)?)
            }
            Some(address) if raw && entry.domain == AF_INET6 && address.family() != AF_INET6 => {
                return Err(Errno::EINVAL.because(Reason::WrongFamily));
            }
            Some(address) => {
                // An IPv6 UDP socket sends to AF_INET addresses too.
                if address.family() != entry.domain && !(udp && entry.domain == AF_INET6) {
                    return Err(Errno::EAFNOSUPPORT.because(Reason::WrongFamily));
                }
                Some(destination(entry, address)?)
            }
            None => None,
        };
        let sent = match entry.protocol_part {
            Part::Raw(_) => self.raw_send(id, data, to, &how),
            _ if udp => self.udp_send(id, data, to, &how),
            _ => self.ping_send(id, data, to, &how),
        };
        // A multicast may have come back to this host's own members.
        self.dispatch();
        sent
    }

    /// recvmsg(2): EAGAIN while there is nothing. Knows MSG_PEEK, MSG_TRUNC, MSG_ERRQUEUE; MSG_WAITALL is the caller's loop.
    /// MSG_DONTWAIT matters on a datagram socket whose reading side is shut down: with it EAGAIN, without it 0 bytes.
    pub(crate) fn recv(&mut self, id: SocketId, data: &mut [IoSliceMut<'_>], flags: i32) -> Result<Received> {
        match self.sockets.get(id)?.protocol_part {
            Part::Tcp(_) if flags & MSG_ERRQUEUE != 0 => Err(Errno::EAGAIN.because(Reason::NoData)),
            Part::Tcp(_) => self.tcp_recv(id, data, flags),
            Part::Udp(_) => {
                // inet_recvmsg does not bind; nothing can come before bind or send.
                self.datagram_recv(id, data, flags)
            }
            Part::Ping(_) | Part::Raw(_) => self.datagram_recv(id, data, flags),
            Part::Packet(_) => self.packet_recv(id, data, flags),
            Part::Netlink(_) => self.netlink_recv(id, data, flags),
        }
    }

    /// An error that a call has seen but could not tell: the next one tells it (sk_err).
    pub(crate) fn set_pending_error(&mut self, id: SocketId, error: Error) {
        if let Ok(entry) = self.sockets.get_mut(id) {
            entry.error = Some(error);
            self.ready.wake(id);
        }
    }

    /// shutdown(2): SHUT_RD, SHUT_WR, SHUT_RDWR.
    pub(crate) fn shutdown(&mut self, id: SocketId, how: i32) -> Result<()> {
        let entry = self.sockets.get_mut(id)?;
        if let Part::Packet(_) | Part::Netlink(_) = entry.protocol_part {
            return Err(Errno::EOPNOTSUPP.because(Reason::WrongKind));
        }
        if !matches!(how, SHUT_RD | SHUT_WR | SHUT_RDWR) {
            return Err(Errno::EINVAL.because(Reason::OptionValue));
        }
        if matches!(entry.protocol_part, Part::Tcp(_)) {
            return self.tcp_shutdown(id, how);
        }
        // inet_shutdown: what is not connected is told so, and shut down all the same.
        entry.read_shut |= how != SHUT_WR;
        entry.write_shut |= how != SHUT_RD;
        let connected = entry.remote.is_some();
        self.ready.wake(id);
        if connected { Ok(()) } else { Err(Errno::ENOTCONN.because(Reason::NotConnected)) }
    }

    /// close(2). What the protocol has left to do goes on without a socket.
    pub(crate) fn close(&mut self, id: SocketId) -> Result<()> {
        let entry = self.sockets.get_mut(id)?;
        let memberships = std::mem::take(&mut entry.memberships);
        let result = if matches!(entry.protocol_part, Part::Tcp(_)) { self.tcp_close(id) } else { Ok(()) };
        for membership in memberships {
            // The interface may be gone already.
            let _ = self.net.leave(membership.group, Some(membership.interface));
        }
        match self.sockets.get(id)?.protocol_part {
            Part::Raw(_) => self.raw_close(id),
            Part::Packet(_) => self.packet_close(id),
            _ => {}
        }
        self.release_port(id);
        self.sockets.remove(id);
        self.ready.wake(id);
        result
    }

    /// True while close has something left to send and SO_LINGER asks to wait for it: until when.
    pub(crate) fn lingers(&self, id: SocketId) -> Option<Instant> {
        let entry = self.sockets.get(id).ok()?;
        let linger = entry.options.linger?;
        (self.tcp_unsent(id).is_ok_and(|unsent| unsent > 0)).then(|| self.net.now + linger)
    }

    /// The beginning of a close that lingers: FIN. `None` = there is nothing to wait for.
    ///
    /// socket(7), SO_LINGER: "close(2) or shutdown(2) will not return until all queued messages for the socket have been
    /// successfully sent or the linger timeout has been reached." Linux waits on a non-blocking socket too. A linger time of
    /// zero, and unread data, make it a reset, at once.
    pub(crate) fn begin_linger(&mut self, id: SocketId) -> Option<Instant> {
        let now = self.net.now;
        let deadline = self.lingers(id).filter(|deadline| *deadline > now)?;
        if self.readable(id).is_ok_and(|unread| unread > 0) {
            return None;
        }
        self.shutdown(id, SHUT_WR).is_ok().then_some(deadline)
    }

    /// getsockname(2).
    pub(crate) fn getsockname(&self, id: SocketId) -> Result<SockAddr> {
        let entry = self.sockets.get(id)?;
        if let Part::Packet(_) = entry.protocol_part {
            return Ok(self.packet_name(id)?.into());
        }
        if let Part::Netlink(_) = entry.protocol_part {
            return self.netlink_name(id);
        }
        let unbound = SocketAddr::new(entry.any_address(), 0);
        Ok(entry.shown(entry.with_device_scope(entry.local.unwrap_or(unbound))))
    }

    /// getpeername(2).
    pub(crate) fn getpeername(&self, id: SocketId) -> Result<SockAddr> {
        let entry = self.sockets.get(id)?;
        if let Part::Packet(_) = entry.protocol_part {
            return Err(Errno::EOPNOTSUPP.because(Reason::WrongKind));
        }
        if let Part::Netlink(_) = entry.protocol_part {
            return Ok(NetlinkAddr::default().into());
        }
        // inet_getname: a datagram socket connected to port 0 has no peer either.
        let remote = entry.remote.filter(|remote| remote.port() != 0);
        let remote = remote.ok_or(Errno::ENOTCONN.because(Reason::NotConnected))?;
        if matches!(entry.protocol_part, Part::Tcp(_)) && !self.tcp_has_peer(id) {
            return Err(Errno::ENOTCONN.because(Reason::NotConnected));
        }
        Ok(entry.shown(entry.with_device_scope(remote)))
    }

    /// What poll(2) would say now: POLLIN | POLLOUT | ...; POLLNVAL for a number that is no socket.
    pub(crate) fn poll(&self, id: SocketId) -> i32 {
        match self.sockets.get(id) {
            Ok(entry) if matches!(entry.protocol_part, Part::Tcp(_)) => self.tcp_poll(id),
            Ok(entry) => entry.poll_datagram(),
            Err(_) => POLLNVAL,
        }
    }

    /// ioctl(2) FIONREAD / SIOCINQ: bytes to read (of a datagram socket: of the next datagram).
    pub(crate) fn readable(&self, id: SocketId) -> Result<usize> {
        let entry = self.sockets.get(id)?;
        match (entry.queue(), &entry.protocol_part) {
            (Some(queue), _) => Ok(queue.next_len()),
            (None, Part::Packet(packet)) => Ok(packet.next_len()),
            (None, Part::Netlink(netlink)) => Ok(netlink.next_len()),
            (None, _) => self.tcp_readable(id),
        }
    }

    /// ioctl(2) SIOCOUTQ: bytes not acknowledged (TCP), not sent (others: always 0, they leave at once).
    pub(crate) fn unsent(&self, id: SocketId) -> Result<usize> {
        match self.sockets.get(id)?.protocol_part {
            Part::Tcp(_) => self.tcp_unsent(id),
            _ => Ok(0),
        }
    }

    /// Sockets, connections, listeners and TIME_WAIT entries that exist (leak tests, `ss`).
    pub(crate) fn census(&self) -> Census {
        let (flows, half_open, time_wait) = self.tcp.census();
        Census { sockets: self.sockets.len(), flows, half_open, time_wait, bindings: self.ports.len() }
    }
}

/// The protocol number if we have family, type and protocol, else what socket(2) says (inet_create, inet6_create).
fn supported(domain: i32, kind: i32, protocol: i32) -> Result<i32> {
    /// SOCK_MAX and IPPROTO_MAX of Linux: numbers from here on are no types, no protocols.
    const TYPES: i32 = 11;
    const PROTOCOLS: i32 = 263;
    if !matches!(domain, AF_INET | AF_INET6 | AF_PACKET | AF_NETLINK) {
        return Err(Errno::EAFNOSUPPORT.because(Reason::WrongDomain));
    }
    if domain == AF_PACKET && (0..TYPES).contains(&kind) {
        // packet_create: any protocol; SOCK_PACKET is obsolete since Linux 2.2.
        let known = matches!(kind, SOCK_RAW | SOCK_DGRAM);
        return known.then_some(protocol).ok_or(Errno::ESOCKTNOSUPPORT.because(Reason::WrongType));
    }
    if domain == AF_NETLINK && (0..TYPES).contains(&kind) {
        // netlink_create; of its protocols we have one.
        return match (kind, protocol) {
            (SOCK_RAW | SOCK_DGRAM, NETLINK_ROUTE) => Ok(protocol),
            (SOCK_RAW | SOCK_DGRAM, _) => Err(Errno::EPROTONOSUPPORT.because(Reason::WrongProtocol)),
            _ => Err(Errno::ESOCKTNOSUPPORT.because(Reason::WrongType)),
        };
    }
    if !(0..TYPES).contains(&kind) || !(0..PROTOCOLS).contains(&protocol) {
        return Err(Errno::EINVAL.because(Reason::WrongType));
    }
    match (kind, protocol) {
        (SOCK_STREAM, 0 | IPPROTO_TCP) => Ok(IPPROTO_TCP),
        (SOCK_DGRAM, 0 | IPPROTO_UDP) => Ok(IPPROTO_UDP),
        (SOCK_DGRAM, IPPROTO_ICMP) if domain == AF_INET => Ok(protocol),
        (SOCK_DGRAM, IPPROTO_ICMPV6) if domain == AF_INET6 => Ok(protocol),
        // 0 is ours (raw(7) does not have it): every IPv4 packet.
        (SOCK_RAW, IPPROTO_IP) if domain == AF_INET => Ok(protocol),
        (SOCK_RAW, 1..) => Ok(protocol),
        (SOCK_STREAM | SOCK_DGRAM | SOCK_RAW, _) => {
            Err(Errno::EPROTONOSUPPORT.because(Reason::WrongProtocol))
        }
        _ => Err(Errno::ESOCKTNOSUPPORT.because(Reason::WrongType)),
    }
}

/// How many of each there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Census {
    /// Sockets that a program has.
    pub sockets: usize,
    /// TCP connections, those whose socket is closed included.
    pub flows: usize,
    /// Handshakes that listeners have under way.
    pub half_open: usize,
    /// Connections in TIME_WAIT.
    pub time_wait: usize,
    /// Ports taken.
    pub bindings: usize,
}
