//! What the resolver knows of its host: servers, the hosts table, addresses.

use std::net::IpAddr;

use crate::driver::Host;

/// DNS servers, in the order in which they are asked.
pub(super) fn servers(_host: &Host) -> Vec<IpAddr> {
    Vec::new()
}

/// The hosts table: a name's addresses.
pub(super) fn by_name(_host: &Host, _name: &str) -> Vec<IpAddr> {
    Vec::new()
}

/// The hosts table: an address's names.
pub(super) fn by_address(_host: &Host, _address: IpAddr) -> Vec<String> {
    Vec::new()
}

/// The host's own addresses, the loopback's included.
pub(super) fn own_addresses(_host: &Host) -> Vec<IpAddr> {
    Vec::new()
}
