//! Addresses and ports of sockets: what bind(2), connect(2) and the first send have in common.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::Stack;
use super::datagram::needs_scope;
use super::ports::{Binding, Space};
use super::table::{Entry, Part};
use crate::base::constants::{AF_INET, AF_INET6, SOCK_STREAM};
use crate::base::{Errno, IfIndex, Reason, Result, SockAddr, SocketId};

impl Stack {
    /// Checks the address of a bind(2); gives it in our terms, and the device that a scope id binds to.
    pub(super) fn address_to_bind(
        &self,
        entry: &Entry,
        address: SockAddr,
    ) -> Result<(SocketAddr, Option<IfIndex>)> {
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
                    || entry.options.transparent
                    || self.net.is_local(ip.into());
                let local = scoped_in(ip, v6.port(), device);
                fits.then_some((local, device)).ok_or(not_ours)
            }
            // inet6_bind: an address of another family is shorter than its own, and that is seen first.
            _ if entry.domain == AF_INET6 => Err(Errno::EINVAL.because(Reason::WrongFamily)),
            _ => Err(Errno::EAFNOSUPPORT.because(Reason::WrongFamily)),
        }
    }

    pub(super) fn bindable_v4(&self, entry: &Entry, ip: Ipv4Addr) -> bool {
        ip.is_unspecified()
            || ip.is_multicast()
            || ip.is_broadcast()
            || entry.options.freebind
            || entry.options.transparent
            || self.net.is_local(ip.into())
            || self.net.is_broadcast(ip.into())
    }

    /// Gives the socket this local address, with a port of the host's choice if it is 0.
    pub(super) fn claim_port(
        &mut self,
        id: SocketId,
        address: SocketAddr,
        device: Option<IfIndex>,
    ) -> Result<()> {
        let entry = self.sockets.get(id)?;
        let binding = Binding { device, ..entry.binding(address.ip()) };
        let space = entry.space();
        let range = entry.options.ports(&self.net.config);
        let claim = if address.port() == 0 {
            let offset = self.net.random();
            self.ports.claim_any(space, binding, range, offset)?
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
            Space::Udp | Space::UdpLite => self.udp.bound_mut(space).insert(claim.port, id),
            Space::Ping => self.ping.bound.insert(claim.port, id),
        }
        self.join_balance(id);
        Ok(())
    }

    /// A datagram socket that sends or connects without bind gets a port (inet_autobind): EAGAIN if there is none.
    pub(super) fn autobind(&mut self, id: SocketId) -> Result<()> {
        let entry = self.sockets.get(id)?;
        if entry.claim.is_some() {
            return Ok(());
        }
        // After AF_UNSPEC an address chosen by bind is still there.
        let ip = entry.local.map_or_else(|| entry.any_address(), |local| local.ip());
        self.claim_port(id, SocketAddr::new(ip, 0), entry.device)
            .map_err(|error| Errno::EAGAIN.because(error.reason()))
    }

    pub(super) fn release_port(&mut self, id: SocketId) {
        let Ok(entry) = self.sockets.get_mut(id) else { return };
        let Some(claim) = entry.claim.take() else { return };
        self.ports.release(claim);
        match claim.space {
            Space::Tcp => {}
            Space::Udp | Space::UdpLite => self.udp.bound_mut(claim.space).remove(claim.port, id),
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

    /// Connecting to a link-local address binds the socket to its interface (__ip6_datagram_connect, tcp_v6_connect).
    pub(super) fn bind_to_scope(&mut self, id: SocketId, remote: SocketAddr) -> Result<()> {
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
}

impl Entry {
    /// inet6_getname: a link-local address is told with the device that the socket is bound to.
    pub(super) fn with_device_scope(&self, address: SocketAddr) -> SocketAddr {
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

/// A destination in our terms: ::ffff:a.b.c.d as IPv4, which an IPV6_V6ONLY socket can't reach.
pub(super) fn destination(entry: &Entry, address: SockAddr) -> Result<SocketAddr> {
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
        Some(v4) if entry.options.v6only || matches!(entry.protocol_part, Part::Ping(_) | Part::Raw(_)) => {
            let none = entry.options.v6only || matches!(entry.protocol_part, Part::Raw(_));
            let errno = if none { Errno::ENETUNREACH } else { Errno::EINVAL };
            return Err(errno.because(Reason::WrongFamily).detail(format!("::ffff:{v4} is an IPv4 address")));
        }
        Some(v4) => Some(v4),
        // "::" is this host: of a socket bound to IPv4, 127.0.0.1.
        None if v6.ip().is_unspecified() && bound_to_v4 => Some(Ipv4Addr::LOCALHOST),
        None if v6.ip().is_unspecified() => {
            return Ok(SocketAddr::new(Ipv6Addr::LOCALHOST.into(), v6.port()));
        }
        None if bound_to_v4 => return Err(Errno::EAFNOSUPPORT.because(Reason::WrongFamily)),
        None => None,
    };
    Ok(v4.map_or_else(|| v6.into(), |v4| SocketAddr::new(IpAddr::V4(v4), v6.port())))
}
