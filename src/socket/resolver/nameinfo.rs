//! The way back: from an address to a name and a service.

use std::net::{IpAddr, Ipv6Addr};

use super::services::getservbyport;
use super::{dns, facts};
use crate::base::constants::{NI_DGRAM, NI_NAMEREQD, NI_NOFQDN, NI_NUMERICHOST, NI_NUMERICSERV};
use crate::base::{Errno, Result, SockAddr};
use crate::driver::Host;
use crate::wire::dns::{TYPE_PTR, reverse_name};

const ALL_FLAGS: i32 = NI_NUMERICHOST | NI_NUMERICSERV | NI_NOFQDN | NI_NAMEREQD | NI_DGRAM;

impl Host {
    /// getnameinfo(3): the names of an address's host and service, or their numbers where there is no name.
    /// `flags` are NI_*.
    ///
    /// # Errors
    /// EAI_FAMILY ([`SockAddr::Unspec`]), EAI_NONAME (`NI_NAMEREQD`), EAI_BADFLAGS.
    ///
    /// ```
    /// use sockatoo::{Host, socket::*};
    /// let host = Host::builder().build()?;
    /// let (name, service) = host.getnameinfo(([127, 0, 0, 1], 80), 0)?;
    /// assert_eq!((name.as_str(), service.as_str()), ("localhost", "http"));
    /// # Ok::<(), sockatoo::Error>(())
    /// ```
    pub fn getnameinfo(&self, address: impl Into<SockAddr>, flags: i32) -> Result<(String, String)> {
        let address = address.into();
        if flags & !ALL_FLAGS != 0 {
            return Err(Errno::EAI_BADFLAGS.into());
        }
        let inet = address.inet().ok_or(Errno::EAI_FAMILY)?;
        let named = match flags & NI_NUMERICHOST {
            0 => self.names_of(inet.ip()).and_then(|names| names.into_iter().next()),
            _ => None,
        };
        let name = match named {
            Some(name) if flags & NI_NOFQDN != 0 => self.without_own_domain(name),
            Some(name) => name,
            None if flags & NI_NAMEREQD != 0 => {
                return Err(Errno::EAI_NONAME.with(format!("{} has no name", inet.ip())));
            }
            None => match address {
                SockAddr::V6(a) if a.scope_id() != 0 => {
                    format!("{}%{}", a.ip(), self.zone(*a.ip(), a.scope_id()))
                }
                _ => inet.ip().to_string(),
            },
        };
        let protocol = if flags & NI_DGRAM != 0 { "udp" } else { "tcp" };
        let service = match getservbyport(inet.port(), protocol) {
            Ok(service) if flags & NI_NUMERICSERV == 0 => service.to_owned(),
            _ => inet.port().to_string(),
        };
        Ok((name, service))
    }

    /// Names from the hosts table, else by a reverse lookup.
    pub(super) fn names_of(&self, address: IpAddr) -> Option<Vec<String>> {
        let known = facts::by_address(self, address);
        if !known.is_empty() {
            return Some(known);
        }
        if address.is_loopback() {
            return Some(vec!["localhost".to_owned()]);
        }
        if facts::own_addresses(self).contains(&address) {
            return Some(vec![self.gethostname()]);
        }
        if facts::servers(self).is_empty() {
            return None;
        }
        let answer = dns::ask(self, &reverse_name(address), &[TYPE_PTR]).ok()?;
        Some(answer.names).filter(|names| !names.is_empty())
    }

    /// RFC 3493 6.2, NI_NOFQDN: "only the node name portion of the FQDN" of a host of our own domain.
    fn without_own_domain(&self, name: String) -> String {
        let own = self.gethostname();
        match (name.split_once('.'), own.split_once('.')) {
            (Some((node, domain)), Some((_, own))) if domain.eq_ignore_ascii_case(own) => node.to_owned(),
            _ => name,
        }
    }

    /// inet6_scopeid: of the link's addresses an interface's name, else, and where it has none, the number.
    fn zone(&self, address: Ipv6Addr, scope: u32) -> String {
        let named = is_of_a_link(address).then(|| self.if_indextoname(scope).ok()).flatten();
        named.unwrap_or_else(|| scope.to_string())
    }
}

/// Link-local, or a group of the link: an interface's name is a scope of these alone.
pub(super) fn is_of_a_link(address: Ipv6Addr) -> bool {
    address.is_unicast_link_local() || address.octets()[..2] == [0xff, 0x02]
}
