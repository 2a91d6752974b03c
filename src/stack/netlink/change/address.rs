//! RTM_NEWADDR and RTM_DELADDR (inet_rtm_newaddr, inet6_rtm_newaddr and their like).

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::{ADDRESS, is_ipv4, short};
use crate::base::netlink::{Message, NLM_F_EXCL, NLM_F_REPLACE, u32_at};
use crate::base::{Cidr, Errno, IfIndex, Reason, Result};
use crate::stack::Net;
use crate::stack::link::{Address, AddressOrigin, AddressState};
use crate::stack::netlink::dump::{IFA_F_NODAD, IFA_F_NOPREFIXROUTE};

// linux/if_addr.h
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_LABEL: u16 = 3;
const IFA_BROADCAST: u16 = 4;
const IFA_CACHEINFO: u16 = 6;
const IFA_FLAGS: u16 = 8;
const IFA_RT_PRIORITY: u16 = 9;
const IFA_PROTO: u16 = 11;

impl Net {
    pub(super) fn add_address_by(&mut self, request: &Message<'_>) -> Result<()> {
        let (interface, new) = self.address_of(request)?;
        let ip = new.ip();
        // __inet_insert_ifa: "if (unlikely(!ifa->ifa_local)) { inet_free_ifa(ifa); return 0; }".
        if ip == IpAddr::V4(Ipv4Addr::UNSPECIFIED) {
            return Ok(());
        }
        let of_same = |own: &Address| own.ip() == ip && (ip.is_ipv6() || own.network() == new.network());
        let exists = self.interface(interface).is_some_and(|link| link.addresses.iter().any(of_same));
        if exists && request.flags & NLM_F_REPLACE != 0 && request.flags & NLM_F_EXCL == 0 {
            self.modify_address(interface, new);
            return Ok(());
        }
        if exists {
            let version = if ip.is_ipv4() { "ipv4: Address" } else { "ipv6: address" };
            return Err(Errno::EEXIST.with(format!("{version} already assigned")));
        }
        self.add_address_of(interface, new)
    }

    pub(super) fn remove_address_by(&mut self, request: &Message<'_>) -> Result<()> {
        short(request, ADDRESS)?;
        let v4 = is_ipv4(request)?;
        let interface = self.interface_of(request)?;
        let local = request.address(ADDRESS, IFA_LOCAL, v4)?;
        let given = request.address(ADDRESS, IFA_ADDRESS, v4)?;
        let prefix = request.byte(1);
        let label = request.attribute(ADDRESS, IFA_LABEL).map(text).transpose()?;
        let name = self.interface(interface).map(|link| link.name.clone()).unwrap_or_default();
        let meant = |own: &Address| {
            if own.ip().is_ipv4() != v4 {
                return false;
            }
            if !v4 {
                // inet6_rtm_deladdr: "if (ifp->prefix_len == plen && ipv6_addr_equal(pfx, &ifp->addr))".
                return local.or(given) == Some(own.ip()) && [0, own.cidr.prefix()].contains(&prefix);
            }
            // inet_rtm_deladdr.
            local.is_none_or(|local| own.ip() == local)
                && label.is_none_or(|label| own.label.as_deref().unwrap_or(&name) == label)
                && given.is_none_or(|given| own.cidr.prefix() == prefix && own.network().contains(given))
        };
        self.remove_address_of(interface, meant).map_err(|error| match error.errno() {
            Errno::EADDRNOTAVAIL if v4 => Errno::EADDRNOTAVAIL.with("ipv4: Address not found"),
            Errno::EADDRNOTAVAIL => Errno::EADDRNOTAVAIL.with("ipv6: address not found"),
            _ => error,
        })
    }

    fn interface_of(&self, request: &Message<'_>) -> Result<IfIndex> {
        let index = IfIndex(request.word(4));
        self.interface(index).map(|link| link.index).ok_or(Errno::ENODEV.because(Reason::NoInterface))
    }

    /// rtm_to_ifaddr.
    fn address_of(&self, request: &Message<'_>) -> Result<(IfIndex, Address)> {
        short(request, ADDRESS)?;
        let v4 = is_ipv4(request)?;
        let interface = self.interface_of(request)?;
        let local = request.address(ADDRESS, IFA_LOCAL, v4)?;
        let given = request.address(ADDRESS, IFA_ADDRESS, v4)?;
        let address = local.or(given).ok_or_else(|| Errno::EINVAL.with("the request names no address"))?;
        let flags = request.number(ADDRESS, IFA_FLAGS)?.unwrap_or_else(|| request.byte(2).into());
        let mut new = Address::new(Cidr::new(address, request.byte(1))?, AddressOrigin::Static);
        new.peer = given.filter(|peer| *peer != address);
        if !v4 && address.is_multicast() {
            return Err(
                Errno::EINVAL.with("ipv6: Cannot assign multicast address without \"IFA_F_MCAUTOJOIN\" flag")
            );
        }
        if !v4 && address.is_unspecified() {
            return Err(Errno::EADDRNOTAVAIL.with("ipv6: Invalid address"));
        }
        if v4 {
            new.scope = request.byte(3);
            new.broadcast = match request.address(ADDRESS, IFA_BROADCAST, true)? {
                Some(IpAddr::V4(broadcast)) => Some(broadcast),
                _ => None,
            };
            let name = self.interface(interface).map(|link| link.name.as_str());
            new.label = request.attribute(ADDRESS, IFA_LABEL).map(text).transpose()?.map(str::to_owned);
            new.label = new.label.filter(|label| Some(label.as_str()) != name);
        }
        new.no_prefix_route = flags & IFA_F_NOPREFIXROUTE != 0;
        new.no_detection = !v4 && flags & IFA_F_NODAD != 0;
        new.metric = request.number(ADDRESS, IFA_RT_PRIORITY)?.unwrap_or(0);
        new.protocol =
            request.attribute(ADDRESS, IFA_PROTO).and_then(|value| value.first()).copied().unwrap_or(0);
        if let Some(cache) = request.attribute(ADDRESS, IFA_CACHEINFO) {
            let seconds = |at| u32_at(cache, at).ok_or(Errno::ERANGE.because(Reason::OptionLength));
            let (preferred, valid) = (seconds(0)?, seconds(4)?);
            if valid == 0 || preferred > valid {
                return Err(Errno::EINVAL.with("the lifetimes contradict each other"));
            }
            let until =
                |seconds: u32| (seconds != u32::MAX).then(|| self.now + Duration::from_secs(seconds.into()));
            (new.preferred_until, new.valid_until) = (until(preferred), until(valid));
            if preferred == 0 {
                new.state = AddressState::Deprecated;
            }
        }
        Ok((interface, new))
    }
}

/// IFA_LABEL. EINVAL if it is too long, or no text.
fn text(value: &[u8]) -> Result<&str> {
    let text = value.split(|byte| *byte == 0).next().unwrap_or_default();
    let text = std::str::from_utf8(text).ok().filter(|text| text.len() < 16);
    text.ok_or_else(|| Errno::EINVAL.with("a label has at most 15 bytes of UTF-8"))
}
