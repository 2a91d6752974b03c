//! The socket verbs: what a call does once, now. None of them waits: what can't be done yet is EAGAIN (or EINPROGRESS).

//!
//! What all kinds of sockets have in common is done here: families, ports, addresses; then the protocol goes on. An IPv6
//! socket's IPv4 peers (::ffff:a.b.c.d) are plain IPv4 behind this door.

use std::io::{IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::datagram::needs_scope;
use super::options::Options;
use super::ports::{Binding, Space, Stage};
use super::table::{Entry, Part};
use super::{Stack, keyed_hash};
use crate::base::constants::{
    AF_INET, AF_INET6, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP, IPPROTO_UDP, MSG_ERRQUEUE, POLLNVAL,
    SHUT_RD, SHUT_RDWR, SHUT_WR, SOCK_DGRAM, SOCK_STREAM,
};
use crate::base::{ControlMessage, Errno, IfIndex, Instant, Reason, Result, SockAddr, SocketId};

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
        let options = Options::new(&self.net.config, domain, kind, protocol);
        let part = match protocol {
            IPPROTO_TCP => Part::Tcp(Default::default()),
            IPPROTO_UDP => Part::Udp(Default::default()),
            _ => Part::Ping(Default::default()),
        };
        Ok(self.sockets.insert(Entry::new(domain, kind, protocol, options, part)))
    }

    /// bind(2).
    pub(crate) fn bind(&mut self, id: SocketId, address: SockAddr) -> Result<()> {
        let entry = self.sockets.get(id)?;
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
        // inet_csk_listen_start asks the ports again: two may be bound where only one may listen.
        let was = self.set_stage(id, Stage::Listen)?;
        let result = self.tcp_listen(id, backlog);
        if result.is_err() {
            self.set_stage(id, was)?;
        }
        result
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
        let tcp = matches!(entry.protocol_part, Part::Tcp(_));
        if address == SockAddr::Unspec {
            return if tcp { self.tcp_disconnect(id) } else { self.datagram_disconnect(id) };
        }
        if tcp && let Some(remote) = entry.remote {
            // The connection's state answers before anybody looks at the address.
            return self.tcp_connect(id, remote);
        }
        if !tcp {
            self.autobind(id)?;
        }
        let entry = self.sockets.get(id)?;
        let family = if entry.domain == AF_INET6 && matches!(entry.protocol_part, Part::Udp(_)) {
            // __ip6_datagram_connect takes an AF_INET address too.
            address.family()
        } else {
            entry.domain
        };
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
        let udp = matches!(entry.protocol_part, Part::Udp(_));
        self.autobind(id).map_err(|error| Errno::EAGAIN.because(error.reason()))?;
        let entry = self.sockets.get(id)?;
        let to = match how.to {
            Some(SockAddr::Unspec) if entry.domain == AF_INET6 && udp => None,
            Some(address) => {
                // An IPv6 UDP socket sends to AF_INET addresses too.
                if address.family() != entry.domain && !(udp && entry.domain == AF_INET6) {
                    return Err(Errno::EAFNOSUPPORT.because(Reason::WrongFamily));
                }
                Some(destination(entry, address)?)
            }
            None => None,
        };
        if udp { self.udp_send(id, data, to, &how) } else { self.ping_send(id, data, to, &how) }
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
            Part::Ping(_) => self.datagram_recv(id, data, flags),
        }
    }

    /// shutdown(2): SHUT_RD, SHUT_WR, SHUT_RDWR.
    pub(crate) fn shutdown(&mut self, id: SocketId, how: i32) -> Result<()> {
        let entry = self.sockets.get_mut(id)?;
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

    /// getsockname(2).
    pub(crate) fn getsockname(&self, id: SocketId) -> Result<SockAddr> {
        let entry = self.sockets.get(id)?;
        let unbound = SocketAddr::new(entry.any_address(), 0);
        Ok(entry.shown(entry.with_device_scope(entry.local.unwrap_or(unbound))))
    }

    /// getpeername(2).
    pub(crate) fn getpeername(&self, id: SocketId) -> Result<SockAddr> {
        let entry = self.sockets.get(id)?;
        // inet_getname: a datagram socket connected to port 0 has no peer either.
        let remote = entry.remote.filter(|remote| remote.port() != 0);
        let remote = remote.ok_or(Errno::ENOTCONN.because(Reason::NotConnected))?;
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
        match entry.queue() {
            Some(queue) => Ok(queue.next_len()),
            None => self.tcp_readable(id),
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
        Census { sockets: self.sockets.len(), bindings: self.ports.len(), ..Census::default() }
    }
}

/// What all kinds do alike below the calls.
impl Stack {
    /// Checks the address of a bind(2); gives it in our terms, and the device that a scope id binds to.
    fn address_to_bind(&self, entry: &Entry, address: SockAddr) -> Result<(SocketAddr, Option<IfIndex>)> {
        let not_ours = Errno::EADDRNOTAVAIL.because(Reason::IpAddressNotOurs);
        match address {
            // inet_bind takes AF_UNSPEC for AF_INET, if the address is 0.0.0.0.
            SockAddr::Unspec if entry.domain == AF_INET => {
                Ok((SocketAddr::new(entry.any_address(), 0), entry.device))
            }
            SockAddr::V4(v4) if entry.domain == AF_INET => {
                self.bindable_v4(entry, *v4.ip()).then_some((v4.into(), entry.device)).ok_or(not_ours)
            }
            SockAddr::V6(v6) if entry.domain == AF_INET6 => {
                let ip = *v6.ip();
                if ip.is_multicast() && entry.kind == SOCK_STREAM {
                    return Err(Errno::EINVAL.because(Reason::OptionValue));
                }
                if let Some(v4) = ip.to_ipv4_mapped() {
                    if entry.options.v6only {
                        return Err(Errno::EINVAL.because(Reason::WrongFamily));
                    }
                    let bindable = self.bindable_v4(entry, v4);
                    return bindable
                        .then_some((SocketAddr::new(v4.into(), v6.port()), entry.device))
                        .ok_or(not_ours);
                }
                let mut device = entry.device;
                if needs_scope(&ip) {
                    // "Binding to link-local address requires an interface".
                    device = if v6.scope_id() == 0 { device } else { Some(IfIndex(v6.scope_id())) };
                    let device = device.ok_or(Errno::EINVAL.because(Reason::NoInterface))?;
                    self.net.interface_name(device).ok_or(Errno::ENODEV.because(Reason::NoInterface))?;
                }
                let fits = ip.is_unspecified()
                    || ip.is_multicast()
                    || entry.options.freebind
                    || self.net.is_local(ip.into());
                let local = scoped_in(ip, v6.port(), device);
                fits.then_some((local, device)).ok_or(not_ours)
            }
            _ => Err(Errno::EAFNOSUPPORT.because(Reason::WrongFamily)),
        }
    }

    fn bindable_v4(&self, entry: &Entry, ip: Ipv4Addr) -> bool {
        ip.is_unspecified()
            || ip.is_multicast()
            || ip.is_broadcast()
            || entry.options.freebind
            || self.net.is_local(ip.into())
            || self.net.is_broadcast(ip.into())
    }

    /// Gives the socket this local address, with a port of the host's choice if it is 0.
    fn claim_port(&mut self, id: SocketId, address: SocketAddr, device: Option<IfIndex>) -> Result<()> {
        let entry = self.sockets.get(id)?;
        let binding = Binding { device, ..entry.binding(address.ip()) };
        let space = entry.space();
        let claim = if address.port() == 0 {
            let offset = self.net.random();
            self.ports.claim_any(space, binding, self.net.config.port_range, offset)?
        } else {
            self.ports.claim(space, address.port(), binding)?
        };
        let entry = self.sockets.get_mut(id)?;
        let mut local = address;
        local.set_port(claim.port);
        entry.local = Some(local);
        entry.claim = Some(claim);
        match space {
            Space::Tcp => {}
            Space::Udp => self.udp.bound.insert(claim.port, id),
            Space::Ping => self.ping.bound.insert(claim.port, id),
        }
        Ok(())
    }

    /// A datagram socket that sends or connects without bind gets a port (inet_autobind): EAGAIN if there is none.
    fn autobind(&mut self, id: SocketId) -> Result<()> {
        let entry = self.sockets.get(id)?;
        if entry.claim.is_some() {
            return Ok(());
        }
        // After AF_UNSPEC an address chosen by bind is still there.
        let ip = entry.local.map_or(entry.any_address(), |local| local.ip());
        self.claim_port(id, SocketAddr::new(ip, 0), entry.device)
            .map_err(|error| Errno::EAGAIN.because(error.reason()))
    }

    fn release_port(&mut self, id: SocketId) {
        let Ok(entry) = self.sockets.get_mut(id) else { return };
        let Some(claim) = entry.claim.take() else { return };
        self.ports.release(claim);
        match claim.space {
            Space::Tcp => {}
            Space::Udp => self.udp.bound.remove(claim.port, id),
            Space::Ping => self.ping.bound.remove(claim.port, id),
        }
    }

    /// An option, the device or the local address of a bound socket has changed: the ports hear of it.
    pub(super) fn rebind(&mut self, id: SocketId) {
        let Ok(entry) = self.sockets.get_mut(id) else { return };
        let Some(ip) = entry.local.map(|local| local.ip()) else { return };
        let binding = entry.binding(ip);
        if let Some(claim) = &mut entry.claim {
            let Binding { stage, by_connect, .. } = claim.binding;
            self.ports.change(claim, Binding { stage, by_connect, ..binding });
        }
    }

    /// Gives the stage that was.
    fn set_stage(&mut self, id: SocketId, stage: Stage) -> Result<Stage> {
        let Some(claim) = &mut self.sockets.get_mut(id)?.claim else { return Ok(stage) };
        let was = claim.binding.stage;
        if was != stage {
            let binding = Binding { stage, ..claim.binding };
            self.ports.try_change(claim, binding)?;
        }
        Ok(was)
    }

    /// Connecting to a link-local address binds the socket to its interface (__ip6_datagram_connect, tcp_v6_connect).
    fn bind_to_scope(&mut self, id: SocketId, remote: SocketAddr) -> Result<()> {
        let SocketAddr::V6(v6) = remote else { return Ok(()) };
        if !needs_scope(v6.ip()) {
            return Ok(());
        }
        let entry = self.sockets.get_mut(id)?;
        let scope = (v6.scope_id() != 0).then_some(IfIndex(v6.scope_id()));
        if scope.is_some() && entry.device.is_some() && scope != entry.device {
            return Err(Errno::EINVAL.because(Reason::NoInterface));
        }
        let multicast = entry.options.multicast_interface6.filter(|_| v6.ip().is_multicast());
        entry.device = entry.device.or(scope).or(multicast);
        if entry.device.is_none() {
            // "Connect to link-local address requires an interface".
            return Err(Errno::EINVAL.because(Reason::NoInterface));
        }
        self.rebind(id);
        Ok(())
    }

    /// connect(2) of UDP and ping sockets: the peer is noted, and the source that leads to it.
    fn datagram_connect(&mut self, id: SocketId, remote: SocketAddr) -> Result<()> {
        let way = self.datagram_way(id, remote, &[])?;
        let entry = self.sockets.get_mut(id)?;
        if let Some(local) = &mut entry.local
            && local.ip().is_unspecified()
        {
            *local = SocketAddr::new(way.path.source, local.port());
        }
        entry.remote = Some(way.destination);
        entry.error = None;
        self.rebind(id);
        self.ready.wake(id);
        Ok(())
    }

    /// connect(2) with AF_UNSPEC (__udp_disconnect): what bind has not chosen is given back.
    fn datagram_disconnect(&mut self, id: SocketId) -> Result<()> {
        let entry = self.sockets.get_mut(id)?;
        entry.remote = None;
        entry.device = None;
        let port_chosen = entry.port_chosen;
        if !entry.address_chosen {
            let any = entry.any_address();
            entry.local = entry.local.map(|local| SocketAddr::new(any, local.port()));
        }
        if port_chosen {
            self.rebind(id);
            return Ok(());
        }
        self.release_port(id);
        let entry = self.sockets.get_mut(id)?;
        entry.local =
            entry.local.filter(|_| entry.address_chosen).map(|local| SocketAddr::new(local.ip(), 0));
        Ok(())
    }
}

impl Entry {
    /// inet6_getname: a link-local address is told with the device that the socket is bound to.
    fn with_device_scope(&self, address: SocketAddr) -> SocketAddr {
        match address {
            SocketAddr::V6(v6) => scoped_in(*v6.ip(), v6.port(), self.device),
            v4 => v4,
        }
    }
}

/// The address with the device as its scope, if it is one that has a scope.
fn scoped_in(ip: Ipv6Addr, port: u16, device: Option<IfIndex>) -> SocketAddr {
    let scope = device.filter(|_| needs_scope(&ip)).map_or(0, |device| device.0);
    std::net::SocketAddrV6::new(ip, port, 0, scope).into()
}

/// The protocol number if we have family, type and protocol, else what socket(2) says (inet_create, inet6_create).
fn supported(domain: i32, kind: i32, protocol: i32) -> Result<i32> {
    /// SOCK_MAX and IPPROTO_MAX of Linux: numbers from here on are no types, no protocols.
    const TYPES: i32 = 11;
    const PROTOCOLS: i32 = 263;
    if !matches!(domain, AF_INET | AF_INET6) {
        return Err(Errno::EAFNOSUPPORT.because(Reason::WrongDomain));
    }
    if !(0..TYPES).contains(&kind) || !(0..PROTOCOLS).contains(&protocol) {
        return Err(Errno::EINVAL.because(Reason::WrongType));
    }
    match (kind, protocol) {
        (SOCK_STREAM, 0 | IPPROTO_TCP) => Ok(IPPROTO_TCP),
        (SOCK_DGRAM, 0 | IPPROTO_UDP) => Ok(IPPROTO_UDP),
        (SOCK_DGRAM, IPPROTO_ICMP) if domain == AF_INET => Ok(protocol),
        (SOCK_DGRAM, IPPROTO_ICMPV6) if domain == AF_INET6 => Ok(protocol),
        (SOCK_STREAM | SOCK_DGRAM, _) => Err(Errno::EPROTONOSUPPORT.because(Reason::WrongProtocol)),
        _ => Err(Errno::ESOCKTNOSUPPORT.because(Reason::WrongType)),
    }
}

/// A destination in our terms: ::ffff:a.b.c.d as IPv4, which an IPV6_V6ONLY socket can't reach.
fn destination(entry: &Entry, address: SockAddr) -> Result<SocketAddr> {
    let SockAddr::V6(v6) = address else {
        // AF_UNSPEC in sendto(2) means 0.0.0.0.
        let any = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
        let v4 = address.inet().unwrap_or(any);
        return if entry.domain == AF_INET6 && entry.options.v6only {
            Err(Errno::ENETUNREACH.because(Reason::WrongFamily))
        } else {
            Ok(v4)
        };
    };
    let bound_to_v4 = entry.local.is_some_and(|local| local.is_ipv4());
    let v4 = match v6.ip().to_ipv4_mapped() {
        Some(v4) if entry.options.v6only || matches!(entry.protocol_part, Part::Ping(_)) => {
            let errno = if entry.options.v6only { Errno::ENETUNREACH } else { Errno::EINVAL };
            return Err(errno.because(Reason::WrongFamily).detail(format!("::ffff:{v4} is an IPv4 address")));
        }
        Some(v4) => Some(v4),
        // "::" is this host: of a socket bound to IPv4, 127.0.0.1.
        None if v6.ip().is_unspecified() && bound_to_v4 => Some(Ipv4Addr::LOCALHOST),
        None if v6.ip().is_unspecified() => {
            return Ok(SocketAddr::new(Ipv6Addr::LOCALHOST.into(), v6.port()));
        }
        None => None,
    };
    Ok(v4.map_or(v6.into(), |v4| SocketAddr::new(IpAddr::V4(v4), v6.port())))
}

/// How many of each there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
