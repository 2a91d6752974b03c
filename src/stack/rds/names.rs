//! bind(2), connect(2) and the addresses that they take: net/rds/bind.c, af_rds.c.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::base::{Errno, Reason, Result, SockAddr, SocketId};
use crate::stack::Stack;
use crate::stack::datagram::needs_scope;
use crate::stack::table::Entry;
use crate::wire::rds::PROBE_PORT;

/// rds_getname: unbound, the family is the peer's, if there is one.
pub(super) fn name(entry: &Entry) -> SockAddr {
    match (entry.local, entry.remote) {
        (Some(local), _) => local.into(),
        (None, Some(SocketAddr::V4(_))) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        (None, Some(SocketAddr::V6(_))) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        (None, None) => SockAddr::Unspec,
    }
}

/// An address of one host, ::ffff:a.b.c.d as IPv4. `None`: of no family that RDS has, of many hosts, or of none.
pub(super) fn unicast(address: SockAddr) -> Option<SocketAddr> {
    let inet = address.inet()?;
    let ip = inet.ip().to_canonical();
    let several = match ip {
        IpAddr::V4(v4) => v4.is_broadcast(),
        // A link-local address is known by its interface as well, which a connection of two hosts does not know here.
        IpAddr::V6(v6) => needs_scope(&v6),
    };
    let one = !ip.is_unspecified() && !ip.is_multicast() && !several;
    one.then(|| SocketAddr::new(ip, inet.port()))
}

impl Stack {
    /// rds_bind.
    pub(super) fn rds_bind(&mut self, id: SocketId, address: SockAddr) -> Result<()> {
        let address = unicast(address).ok_or(Errno::EINVAL.because(Reason::WrongFamily))?;
        let entry = self.sockets.get(id)?;
        // "RDS socket does not allow re-binding."
        if entry.local.is_some() {
            return Err(Errno::EINVAL.because(Reason::AlreadyBound));
        }
        if !self.net.is_local(address.ip()) {
            let errno = if entry.rds()?.transport { Errno::ENOPROTOOPT } else { Errno::EADDRNOTAVAIL };
            return Err(errno.because(Reason::IpAddressNotOurs));
        }
        let local = self.rds_free(address)?;
        self.rds_listen()?;
        let entry = self.sockets.get_mut(id)?;
        entry.local = Some(local);
        entry.rds_mut()?.transport = true;
        self.rds.bound.insert(local, id);
        Ok(())
    }

    /// rds_add_bound: this port, or any if it is 0.
    fn rds_free(&mut self, address: SocketAddr) -> Result<SocketAddr> {
        if address.port() == PROBE_PORT {
            return Err(Errno::EINVAL.because(Reason::AddressInUse));
        }
        if address.port() != 0 {
            let free = !self.rds.bound.contains_key(&address);
            return free.then_some(address).ok_or(Errno::EADDRINUSE.because(Reason::AddressInUse));
        }
        // "rover = max_t(u16, prandom_u32(), 2)".
        let first = (self.net.random() as u16).max(2);
        (first..=u16::MAX)
            .chain(2..first)
            .map(|port| SocketAddr::new(address.ip(), port))
            .find(|free| !self.rds.bound.contains_key(free))
            .ok_or(Errno::EADDRINUSE.because(Reason::NoPortsLeft))
    }

    /// rds_connect: whom a send without address means. Nothing is asked of him.
    pub(super) fn rds_connect(&mut self, id: SocketId, address: SockAddr) -> Result<()> {
        let wrong = match address {
            SockAddr::V4(v4) if v4.ip().is_unspecified() => {
                Errno::EDESTADDRREQ.because(Reason::NoDestination)
            }
            SockAddr::V4(_) => Errno::EINVAL.because(Reason::WrongFamily),
            SockAddr::V6(v6) if needs_scope(v6.ip()) && !v6.ip().is_multicast() => {
                Errno::EINVAL.because(Reason::NoInterface)
            }
            SockAddr::V6(_) => Errno::EPROTOTYPE.because(Reason::WrongFamily),
            _ => Errno::EAFNOSUPPORT.because(Reason::WrongFamily),
        };
        self.sockets.get_mut(id)?.remote = Some(unicast(address).ok_or(wrong)?);
        Ok(())
    }
}
