//! The family of AF_INET and AF_INET6: what TCP, UDP, ping and raw sockets have in common at the verbs: addresses, ports.
//!
//! An IPv6 socket's IPv4 peers (::ffff:a.b.c.d) are plain IPv4 behind this door.

use std::io::{IoSlice, IoSliceMut};
use std::net::SocketAddr;

use super::bind::destination;
use super::family::{Family, not_supported};
use super::options::Options;
use super::raw::RawSocket;
use super::table::{Entry, Part};
use super::{Received, SendTo, Stack};
use crate::base::constants::{
    AF_INET, AF_INET6, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_IP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE,
    MSG_ERRQUEUE, SHUT_RD, SHUT_RDWR, SHUT_WR, SOCK_DGRAM, SOCK_RAW, SOCK_STREAM,
};
use crate::base::{Errno, Reason, Result, SockAddr, SocketId};

/// inet_stream_ops, inet_dgram_ops, inet_sockraw_ops.
pub(super) struct Inet;

impl Family for Inet {
    fn socket(&self, stack: &mut Stack, domain: i32, kind: i32, protocol: i32) -> Result<SocketId> {
        let protocol = supported(domain, kind, protocol)?;
        let config = &stack.net.config;
        let part = match protocol {
            _ if kind == SOCK_RAW => Part::Raw(RawSocket::new(domain, protocol, config.verbatim)),
            IPPROTO_TCP => Part::Tcp(Default::default()),
            IPPROTO_UDP | IPPROTO_UDPLITE => Part::Udp(Default::default()),
            _ => Part::Ping(Default::default()),
        };
        let options = Options::new(config, domain, kind, protocol);
        let id = stack.sockets.insert(Entry::new(domain, kind, protocol, options, part));
        if kind == SOCK_RAW {
            stack.raw_open(id);
        }
        Ok(id)
    }

    fn bind(&self, stack: &mut Stack, id: SocketId, address: SockAddr) -> Result<()> {
        stack.inet_bind(id, address)
    }

    fn listen(&self, stack: &mut Stack, id: SocketId, backlog: i32) -> Result<()> {
        stack.inet_listen(id, backlog)
    }

    fn accept(&self, stack: &mut Stack, id: SocketId) -> Result<(SocketId, SockAddr)> {
        if !matches!(stack.sockets.get(id)?.protocol_part, Part::Tcp(_)) {
            return Err(not_supported());
        }
        let (accepted, peer) = stack.tcp_accept(id)?;
        let peer = stack.sockets.get(accepted)?.shown(peer);
        Ok((accepted, peer))
    }

    fn connect(&self, stack: &mut Stack, id: SocketId, address: SockAddr) -> Result<()> {
        stack.inet_connect(id, address, false)
    }

    fn send(&self, stack: &mut Stack, id: SocketId, data: &[IoSlice<'_>], how: SendTo<'_>) -> Result<usize> {
        stack.inet_send(id, data, how)
    }

    fn recv(
        &self,
        stack: &mut Stack,
        id: SocketId,
        data: &mut [IoSliceMut<'_>],
        flags: i32,
    ) -> Result<Received> {
        match stack.sockets.get(id)?.protocol_part {
            Part::Tcp(_) if flags & MSG_ERRQUEUE != 0 => stack.recv_error(id, data),
            Part::Tcp(_) => stack.tcp_recv(id, data, flags),
            // inet_recvmsg does not bind; nothing can come before bind or send.
            _ => stack.datagram_recv(id, data, flags),
        }
    }

    fn shutdown(&self, stack: &mut Stack, id: SocketId, how: i32) -> Result<()> {
        stack.inet_shutdown(id, how)
    }

    fn close(&self, stack: &mut Stack, id: SocketId) -> Result<()> {
        match stack.sockets.get(id)?.protocol_part {
            Part::Tcp(_) => stack.tcp_close(id),
            Part::Raw(_) => {
                stack.raw_close(id);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn name(&self, stack: &Stack, id: SocketId) -> Result<SockAddr> {
        let entry = stack.sockets.get(id)?;
        let unbound = SocketAddr::new(entry.any_address(), 0);
        Ok(entry.shown(entry.with_device_scope(entry.local.unwrap_or(unbound))))
    }

    fn peer(&self, stack: &Stack, id: SocketId) -> Result<SockAddr> {
        let entry = stack.sockets.get(id)?;
        // inet_getname: a datagram socket connected to port 0 has no peer either.
        let remote = entry.remote.filter(|remote| remote.port() != 0);
        let remote = remote.ok_or(Errno::ENOTCONN.because(Reason::NotConnected))?;
        if matches!(entry.protocol_part, Part::Tcp(_)) && !stack.tcp_has_peer(id) {
            return Err(Errno::ENOTCONN.because(Reason::NotConnected));
        }
        let mut shown = entry.shown(entry.with_device_scope(remote));
        if let SockAddr::V6(v6) = &mut shown
            && entry.options.flow_info_send
        {
            // inet6_getname: "sin->sin6_flowinfo = np->flow_label"
            v6.set_flowinfo(entry.options.flow_info);
        }
        Ok(shown)
    }

    fn poll(&self, stack: &Stack, id: SocketId, entry: &Entry) -> i32 {
        let Some(queue) = entry.queue() else { return stack.tcp_poll(id) };
        entry.poll_datagram(queue.has_data())
    }

    fn readable(&self, stack: &Stack, id: SocketId, entry: &Entry) -> Result<usize> {
        entry.queue().map_or_else(|| stack.tcp_readable(id), |queue| Ok(queue.next_len()))
    }

    fn unsent(&self, stack: &Stack, id: SocketId) -> Result<usize> {
        match stack.sockets.get(id)?.protocol_part {
            Part::Tcp(_) => stack.tcp_unsent(id),
            // They leave at once.
            _ => Ok(0),
        }
    }
}

impl Stack {
    /// bind(2).
    fn inet_bind(&mut self, id: SocketId, address: SockAddr) -> Result<()> {
        let entry = self.sockets.get(id)?;
        if let Part::Raw(_) = entry.protocol_part {
            return self.raw_bind(id, address);
        }
        // inet_num
        let already = entry.claim.is_some() || entry.remote.is_some();
        // inet_bind looks at the address first, inet6_bind at the socket.
        if entry.domain == AF_INET6 && already {
            return Err(Errno::EINVAL.because(Reason::AlreadyBound));
        }
        let (address, device) = self.address_to_bind(entry, address)?;
        if already {
            return Err(Errno::EINVAL.because(Reason::AlreadyBound));
        }
        // IP_BIND_ADDRESS_NO_PORT: connect(2) knows the peer, and may choose a port that others have for other peers.
        if address.port() == 0 && entry.options.bind_without_port {
            self.sockets.get_mut(id)?.local = Some(address);
        } else {
            self.claim_port(id, address, device)?;
        }
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
    fn inet_listen(&mut self, id: SocketId, backlog: i32) -> Result<()> {
        let entry = self.sockets.get(id)?;
        if !matches!(entry.protocol_part, Part::Tcp(_)) {
            return Err(Errno::EOPNOTSUPP.because(Reason::WrongKind));
        }
        if entry.claim.is_none() && entry.remote.is_none() {
            let ip = entry.local.map_or_else(|| entry.any_address(), |local| local.ip());
            self.claim_port(id, SocketAddr::new(ip, 0), entry.device)?;
        }
        self.tcp_listen(id, backlog)
    }

    /// connect(2) as on a non-blocking socket: EINPROGRESS, then EALREADY, then the outcome in SO_ERROR
    /// (or by a further connect: EISCONN, or the error). `held`: a stream's SYN waits for data (TCP Fast Open).
    pub(super) fn inet_connect(&mut self, id: SocketId, address: SockAddr, held: bool) -> Result<()> {
        let entry = self.sockets.get(id)?;
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
            return self.tcp_connect(id, remote, held);
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
        if let SockAddr::V6(v6) = address
            && entry.options.flow_info_send
        {
            self.may_label(entry, v6.flowinfo())?;
            self.sockets.get_mut(id)?.options.flow_info = v6.flowinfo();
        }
        if tcp {
            if remote.ip().is_multicast() || self.net.is_broadcast(remote.ip()) {
                return Err(Errno::ENETUNREACH.because(Reason::WrongKind));
            }
            self.bind_to_scope(id, remote)?;
            return self.tcp_connect(id, remote, held);
        }
        self.bind_to_scope(id, remote)?;
        self.datagram_connect(id, remote)
    }

    /// sendmsg(2): EAGAIN while there is no room; a stream may take less than all.
    fn inet_send(&mut self, id: SocketId, data: &[IoSlice<'_>], how: SendTo<'_>) -> Result<usize> {
        let entry = self.sockets.get(id)?;
        if matches!(entry.protocol_part, Part::Tcp(_)) {
            return self.tcp_send(id, data, &how);
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
        match entry.protocol_part {
            Part::Raw(_) => self.raw_send(id, data, to, &how),
            _ if udp => self.udp_send(id, data, to, &how),
            _ => self.ping_send(id, data, to, &how),
        }
    }

    /// shutdown(2): SHUT_RD, SHUT_WR, SHUT_RDWR.
    fn inet_shutdown(&mut self, id: SocketId, how: i32) -> Result<()> {
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
}

/// The protocol number if we have family, type and protocol, else what socket(2) says (inet_create, inet6_create).
fn supported(domain: i32, kind: i32, protocol: i32) -> Result<i32> {
    /// IPPROTO_MAX of Linux: numbers from here on are no protocols.
    const PROTOCOLS: i32 = 263;
    if !(0..PROTOCOLS).contains(&protocol) {
        return Err(Errno::EINVAL.because(Reason::WrongType));
    }
    match (kind, protocol) {
        (SOCK_STREAM, 0 | IPPROTO_TCP) => Ok(IPPROTO_TCP),
        (SOCK_DGRAM, 0 | IPPROTO_UDP) => Ok(IPPROTO_UDP),
        (SOCK_DGRAM, IPPROTO_UDPLITE) => Ok(protocol),
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
