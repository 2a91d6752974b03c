//! What the resolver knows of its host: servers, the hosts table, addresses.

use std::net::{IpAddr, SocketAddr};

use crate::driver::Host;

/// DNS servers, in the order in which they are asked.
pub(super) fn servers(host: &Host) -> Vec<SocketAddr> {
    host.dns_servers()
}

/// The hosts table: a name's addresses.
pub(super) fn by_name(host: &Host, name: &str) -> Vec<IpAddr> {
    host.hosts_lookup(name)
}

/// The hosts table: an address's names.
pub(super) fn by_address(host: &Host, address: IpAddr) -> Vec<String> {
    host.hosts_name(address).into_iter().collect()
}

/// The host's own addresses, the loopback's included.
pub(super) fn own_addresses(host: &Host) -> Vec<IpAddr> {
    let addresses = host.interfaces().into_iter().flat_map(|interface| interface.addresses);
    addresses.map(|address| address.address()).collect()
}
