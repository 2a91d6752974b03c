//! getaddrinfo(3): a host and a service become addresses to connect to or to bind.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV6};

use super::lookup::{self, Families};
use super::nameinfo::is_of_a_link;
use super::order::{self, Candidate};
use super::services::getservbyname;
use super::{dns, facts};
use crate::base::constants::{
    AF_INET, AF_INET6, AF_UNSPEC, AI_ADDRCONFIG, AI_ALL, AI_CANONNAME, AI_NUMERICHOST, AI_NUMERICSERV,
    AI_PASSIVE, AI_V4MAPPED, IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE, SOCK_DGRAM, SOCK_RAW,
    SOCK_SEQPACKET, SOCK_STREAM,
};
use crate::base::{Errno, Result, SockAddr};
use crate::driver::Host;
use crate::socket::convert::numeric;

/// One way to reach a service: struct addrinfo, Python's 5-tuple.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddrInfo {
    /// `AF_INET` or `AF_INET6`.
    pub family: i32,
    /// `SOCK_STREAM`, `SOCK_DGRAM` or `SOCK_RAW`.
    pub type_: i32,
    /// `IPPROTO_TCP`, `IPPROTO_UDP`, or 0.
    pub proto: i32,
    /// With `AI_CANONNAME`, of the first entry: the name at the end of all aliases. Else empty.
    pub canonname: String,
    /// The address.
    pub address: SockAddr,
}

const ALL_FLAGS: i32 =
    AI_PASSIVE | AI_CANONNAME | AI_NUMERICHOST | AI_V4MAPPED | AI_ALL | AI_ADDRCONFIG | AI_NUMERICSERV;

impl Host {
    /// getaddrinfo(3): the addresses of a host and a service, the best one first (RFC 6724).
    ///
    /// `host` is a name, a number (`192.0.2.1`, `2001:db8::1`, `fe80::1%tap0`), or `None` for this host (any address with
    /// `AI_PASSIVE`, else the loopback). `port` is a service's name or number. `family`, `type_`, `proto` narrow the choice, 0
    /// leaves it open. `flags` are AI_*. Names are looked up in the hosts table, then by DNS over this host's own sockets.
    ///
    /// # Errors
    /// The numbers of getaddrinfo(3), which are negative: EAI_NONAME, EAI_AGAIN, EAI_FAIL, EAI_NODATA, EAI_FAMILY,
    /// EAI_SOCKTYPE, EAI_SERVICE, EAI_ADDRFAMILY, EAI_BADFLAGS.
    ///
    /// ```
    /// use sockatoo::{Host, socket::*};
    /// let host = Host::builder().build()?;
    /// let found = host.getaddrinfo(Some("localhost"), Some("http"), AF_INET, SOCK_STREAM, 0, 0)?;
    /// assert_eq!(found[0].address.to_string(), "127.0.0.1:80");
    /// # Ok::<(), sockatoo::Error>(())
    /// ```
    pub fn getaddrinfo(
        &self,
        host: Option<&str>,
        port: Option<&str>,
        family: i32,
        type_: i32,
        proto: i32,
        flags: i32,
    ) -> Result<Vec<AddrInfo>> {
        // RFC 3493 6.1, the checks in the libc's order.
        if host.is_none() && port.is_none() {
            return Err(Errno::EAI_NONAME.with("neither a host nor a service was given"));
        }
        if flags & !ALL_FLAGS != 0 || (flags & AI_CANONNAME != 0 && host.is_none()) {
            return Err(Errno::EAI_BADFLAGS.into());
        }
        if !matches!(family, AF_UNSPEC | AF_INET | AF_INET6) {
            return Err(Errno::EAI_FAMILY.into());
        }
        let kinds = kinds_of_service(port, type_, proto, flags)?;
        let (canonical, addresses) = match host {
            None => (String::new(), of_this_host(family, flags)),
            Some(name) => self.addresses_of(name, family, flags)?,
        };
        let mut found = Vec::with_capacity(addresses.len() * kinds.len());
        for (address, scope) in addresses {
            for &(type_, proto, port) in &kinds {
                let (family, address) = match address {
                    IpAddr::V4(a) => (AF_INET, (a, port).into()),
                    IpAddr::V6(a) => (AF_INET6, SockAddr::V6(SocketAddrV6::new(a, port, 0, scope))),
                };
                found.push(AddrInfo { family, type_, proto, canonname: String::new(), address });
            }
        }
        if let Some(first) = found.first_mut().filter(|_| flags & AI_CANONNAME != 0) {
            first.canonname = canonical;
        }
        Ok(found)
    }

    /// The addresses of a name or number with their scope, sorted.
    fn addresses_of(&self, name: &str, family: i32, flags: i32) -> Result<(String, Vec<(IpAddr, u32)>)> {
        if let Some(number) = self.number(name, family, flags)? {
            return Ok((name.to_owned(), vec![number]));
        }
        if flags & AI_NUMERICHOST != 0 {
            return Err(
                Errno::EAI_NONAME.with(format!("`{name}` is not a number, and AI_NUMERICHOST is set"))
            );
        }
        // RFC 3493 6.1: AI_V4MAPPED: "If no IPv6 addresses are found"; with AI_ALL both kinds.
        let mapped = family == AF_INET6 && flags & AI_V4MAPPED != 0;
        let mut families = Families { v4: family != AF_INET6 || mapped, v6: family != AF_INET };
        // RFC 3493 6.1: AI_ADDRCONFIG: only families of which this host has an address, the loopback's not counted.
        if flags & AI_ADDRCONFIG != 0 {
            let own: Vec<_> = facts::own_addresses(self).into_iter().filter(|a| !a.is_loopback()).collect();
            let has = Families { v4: own.iter().any(IpAddr::is_ipv4), v6: own.iter().any(IpAddr::is_ipv6) };
            if has.v4 || has.v6 {
                families = Families { v4: families.v4 && has.v4, v6: families.v6 && has.v6 };
            }
        }
        if !families.v4 && !families.v6 {
            return Err(Errno::EAI_NONAME.with("this host has no address of the wanted family"));
        }
        let dns::Answer { canonical, addresses: mut found, .. } = lookup::addresses(self, name, families)?;
        if mapped {
            let some_v6 = found.iter().any(IpAddr::is_ipv6);
            if some_v6 && flags & AI_ALL == 0 {
                found.retain(IpAddr::is_ipv6);
            }
        }
        let mut candidates: Vec<_> = found
            .into_iter()
            .map(|destination| Candidate { destination, source: self.way(destination).map(|way| way.source) })
            .collect();
        order::sort(&mut candidates);
        let addresses = candidates.into_iter().map(|c| match c.destination {
            IpAddr::V4(a) if mapped => (a.to_ipv6_mapped().into(), 0),
            address => (address, 0),
        });
        Ok((canonical, addresses.collect()))
    }

    /// A number of the wanted family, of IPv6 with its scope: RFC 4007 11, `fe80::1%tap0` or `fe80::1%2`.
    pub(super) fn number(&self, text: &str, family: i32, flags: i32) -> Result<Option<(IpAddr, u32)>> {
        let (number, zone) = match text.split_once('%') {
            Some((number, zone)) => (number.parse::<Ipv6Addr>().ok().map(IpAddr::V6), Some(zone)),
            None => (numeric(text), None),
        };
        let Some(number) = number else { return Ok(None) };
        let address = of_family(number, family, flags, text)?;
        let Some(zone) = zone else { return Ok(Some((address, 0))) };
        // inet6_scopeid_pton: a name is a scope of the link's addresses alone, a number of all.
        let named = match number {
            IpAddr::V6(address) if is_of_a_link(address) => self.if_nametoindex(zone).ok(),
            _ => None,
        };
        let scope = named.or_else(|| zone.parse().ok());
        let scope =
            scope.ok_or_else(|| Errno::EAI_NONAME.with(format!("`{zone}` is no scope of this address")))?;
        Ok(Some((address, scope)))
    }
}

/// The same in the wanted family, mapped if that is allowed.
fn of_family(address: IpAddr, family: i32, flags: i32, name: &str) -> Result<IpAddr> {
    match (address, family) {
        (IpAddr::V4(a), AF_INET6) if flags & AI_V4MAPPED != 0 => Ok(a.to_ipv6_mapped().into()),
        (IpAddr::V6(a), AF_INET) if a.to_ipv4_mapped().is_some() => Ok(a.to_canonical()),
        (IpAddr::V4(_), AF_INET6) | (IpAddr::V6(_), AF_INET) => {
            Err(Errno::EAI_ADDRFAMILY.with(format!("`{name}` is not an address of the wanted family")))
        }
        _ => Ok(address),
    }
}

/// Without a host: RFC 3493 6.1, the unspecified address for bind, the loopback for connect.
fn of_this_host(family: i32, flags: i32) -> Vec<(IpAddr, u32)> {
    let (v4, v6): (IpAddr, IpAddr) = match flags & AI_PASSIVE {
        0 => (Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()),
        _ => (Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()),
    };
    match family {
        AF_INET => vec![(v4, 0)],
        AF_INET6 => vec![(v6, 0)],
        _ if flags & AI_PASSIVE != 0 => vec![(v4, 0), (v6, 0)],
        _ => vec![(v6, 0), (v4, 0)],
    }
}

/// What a service can be: its type, its protocol, whether it is meant where the hints leave all open, its name in services(5).
/// The libc's gaih_inet_typeproto.
struct Kind(i32, i32, bool, &'static str);

const SOCK_DCCP: i32 = 6;
const IPPROTO_DCCP: i32 = 33;
const KINDS: [Kind; 7] = [
    Kind(SOCK_STREAM, IPPROTO_TCP, true, "tcp"),
    Kind(SOCK_DGRAM, IPPROTO_UDP, true, "udp"),
    Kind(SOCK_DCCP, IPPROTO_DCCP, false, "dccp"),
    Kind(SOCK_DGRAM, IPPROTO_UDPLITE, false, "udplite"),
    Kind(SOCK_STREAM, IPPROTO_SCTP, false, "sctp"),
    Kind(SOCK_SEQPACKET, IPPROTO_SCTP, false, "sctp"),
    Kind(SOCK_RAW, 0, true, ""),
];

/// The (type, protocol, port) triples that fit the hints: where there are any, the first kind alone.
fn kinds_of_service(port: Option<&str>, type_: i32, proto: i32, flags: i32) -> Result<Vec<(i32, i32, u16)>> {
    let port = port.filter(|port| !port.is_empty());
    let numeric = port.is_none_or(|port| port.bytes().all(|b| b.is_ascii_digit()));
    if !numeric && flags & AI_NUMERICSERV != 0 {
        let port = port.unwrap_or_default();
        return Err(Errno::EAI_NONAME.with(format!("`{port}` is not a number, and AI_NUMERICSERV is set")));
    }
    let hinted = type_ != 0 || proto != 0;
    let fits = |kind: &&Kind| {
        (type_ == 0 || type_ == kind.0) && (proto == 0 || proto == kind.1 || kind.0 == SOCK_RAW)
    };
    let kinds = match KINDS.iter().find(fits) {
        Some(first) if hinted => std::slice::from_ref(first),
        Some(_) => &KINDS[..],
        None => return Err(if type_ == 0 { Errno::EAI_SERVICE } else { Errno::EAI_SOCKTYPE }.into()),
    };
    // A raw socket has no ports: GAI_PROTO_NOSERVICE.
    if let (Some(port), [Kind(SOCK_RAW, ..)]) = (port, kinds) {
        return Err(Errno::EAI_SERVICE.with(format!("raw sockets have no ports: leave `{port}` away")));
    }
    if numeric {
        let number = port.map_or(Ok(0), str::parse).map_err(|_| {
            Errno::EAI_SERVICE.with(format!("port {} is above 65535", port.unwrap_or_default()))
        })?;
        let meant = kinds.iter().filter(|kind| hinted || kind.2);
        return Ok(meant.map(|k| (k.0, if k.0 == SOCK_RAW { proto } else { k.1 }, number)).collect());
    }
    let port = port.unwrap_or_default();
    let named: Vec<_> = kinds
        .iter()
        .filter(|kind| kind.0 != SOCK_RAW)
        .filter_map(|kind| Some((kind.0, kind.1, getservbyname(port, kind.3).ok()?)))
        .collect();
    if named.is_empty() {
        return Err(Errno::EAI_SERVICE.with(format!("no service is called `{port}` here: write its number")));
    }
    Ok(named)
}
