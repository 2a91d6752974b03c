//! A host's names and addresses together: gethostbyname(3) and its like, which know IPv4 alone; the host's own full name.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::lookup::{self, Families};
use crate::base::constants::{AF_INET, AF_UNSPEC, SOCK_STREAM};
use crate::base::{Errno, Result};
use crate::driver::Host;

/// What is known of a host: struct hostent, Python's triple.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostEntry {
    /// Its true name.
    pub name: String,
    /// Its other names.
    pub aliases: Vec<String>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

impl Host {
    /// gethostbyname(3): a name's first IPv4 address. `""` is every address, `"<broadcast>"` the one of all.
    ///
    /// # Errors
    /// As [`Host::getaddrinfo`].
    pub fn gethostbyname(&self, name: &str) -> Result<Ipv4Addr> {
        match name {
            "" => return Ok(Ipv4Addr::UNSPECIFIED),
            "<broadcast>" => return Ok(Ipv4Addr::BROADCAST),
            _ => {}
        }
        let found = self.getaddrinfo(Some(name), None, AF_INET, SOCK_STREAM, 0, 0)?;
        found
            .iter()
            .find_map(|info| match info.address.inet() {
                Some(SocketAddr::V4(a)) => Some(*a.ip()),
                _ => None,
            })
            .ok_or_else(|| Errno::EAI_NODATA.into())
    }

    /// gethostbyname(3): a name's true name, its aliases, and all its IPv4 addresses.
    ///
    /// # Errors
    /// As [`Host::getaddrinfo`].
    ///
    /// ```
    /// use sockatoo::Host;
    /// let host = Host::builder().build()?;
    /// let local = host.gethostbyname_ex("localhost")?;
    /// assert_eq!((local.name.as_str(), local.addresses), ("localhost", vec!["127.0.0.1".parse().unwrap()]));
    /// # Ok::<(), sockatoo::Error>(())
    /// ```
    pub fn gethostbyname_ex(&self, name: &str) -> Result<HostEntry> {
        // A number is its own name; what is no IPv4 number is told by getaddrinfo.
        let first = self.gethostbyname(name)?;
        if self.number(name, AF_INET, 0)?.is_some() {
            return Ok(HostEntry {
                name: name.to_owned(),
                aliases: Vec::new(),
                addresses: vec![first.into()],
            });
        }
        let found = lookup::addresses(self, name, Families { v4: true, v6: false })?;
        Ok(HostEntry { name: found.canonical, aliases: found.aliases, addresses: found.addresses })
    }

    /// gethostbyaddr(3): the names of an address. It may be given as a name too, whose first address is meant.
    ///
    /// # Errors
    /// EAI_NONAME; those of [`Host::getaddrinfo`].
    ///
    /// ```
    /// use sockatoo::Host;
    /// let host = Host::builder().hosts_entry("printer", "192.0.2.50")?.build()?;
    /// assert_eq!(host.gethostbyaddr("192.0.2.50")?.name, "printer");
    /// # Ok::<(), sockatoo::Error>(())
    /// ```
    pub fn gethostbyaddr(&self, address: impl ToString) -> Result<HostEntry> {
        let text = address.to_string();
        let found = self.getaddrinfo(Some(&text), None, AF_UNSPEC, SOCK_STREAM, 0, 0)?;
        let address = found.iter().find_map(|info| info.address.inet()).ok_or(Errno::EAI_NODATA)?.ip();
        let mut names = self.names_of(address).unwrap_or_default().into_iter();
        let name = names.next().ok_or_else(|| Errno::EAI_NONAME.with(format!("{address} has no name")))?;
        Ok(HostEntry { name, aliases: names.collect(), addresses: vec![address] })
    }

    /// A host's name with its domain, as far as it can be found: of `name`, or, where that is empty, of this host.
    ///
    /// ```
    /// use sockatoo::Host;
    /// let host = Host::builder().hostname("parrot").hosts_entry("parrot.example", "192.0.2.7")?;
    /// let host = host.hosts_entry("parrot", "192.0.2.7")?.build()?;
    /// assert_eq!(host.getfqdn(""), "parrot.example");
    /// # Ok::<(), sockatoo::Error>(())
    /// ```
    pub fn getfqdn(&self, name: &str) -> String {
        let name = match name.trim() {
            "" | "0.0.0.0" => self.gethostname(),
            name => name.to_owned(),
        };
        let Ok(known) = self.gethostbyaddr(&name) else { return name };
        let mut names = std::iter::once(&known.name).chain(&known.aliases);
        names.find(|name| name.contains('.')).unwrap_or(&known.name).clone()
    }
}
