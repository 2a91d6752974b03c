//! Addresses as a socket shows them: IPv4 in IPv6's clothes, link-local ones with their interface.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::base::constants::AF_INET;
use crate::base::{IfIndex, SockAddr};
use crate::stack::table::Entry;

/// Keeps the scope that `SocketAddr::new` drops.
pub(crate) trait WithScope {
    fn with_scope_of(self, other: SocketAddr) -> SocketAddr;
}

impl WithScope for SocketAddr {
    fn with_scope_of(mut self, other: SocketAddr) -> SocketAddr {
        if let (Self::V6(to), Self::V6(from)) = (&mut self, other) {
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

impl Entry {
    /// An address as this socket's family shows it: an IPv6 socket sees IPv4 as ::ffff:a.b.c.d.
    pub(crate) fn shown(&self, address: SocketAddr) -> SockAddr {
        if self.domain == AF_INET { address } else { SocketAddr::new(mapped(address.ip()), address.port()) }
            .with_scope_of(address)
            .into()
    }
}
