//! Requests that change the host, as far as its verbs go: links, addresses, routes, neighbours. What they can't do is EOPNOTSUPP with a
//! sentence.

use std::net::IpAddr;

use super::dump::{IFF_UP, RT_TABLE_MAIN, RTA_DST, RTA_GATEWAY, RTA_OIF, RTN_UNICAST, network};
use crate::base::constants::{AF_INET, AF_INET6};
use crate::base::netlink::{Message, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, attributes};
use crate::base::{Cidr, Errno, IfIndex, Mac, Reason, Result};
use crate::stack::Net;

/// sizeof(struct ifinfomsg), ifaddrmsg, rtmsg, ndmsg.
pub(super) const LINK: usize = 16;
pub(super) const ADDRESS: usize = 8;
pub(super) const ROUTE: usize = 12;
pub(super) const NEIGHBOUR: usize = 12;

fn short(request: &Message<'_>, header: usize) -> Result<()> {
    if request.body.len() < header { Err(Errno::EINVAL.with("the request is too short")) } else { Ok(()) }
}

/// True for AF_INET. EAFNOSUPPORT for what is no IP family.
pub(super) fn is_ipv4(request: &Message<'_>) -> Result<bool> {
    match i32::from(request.byte(0)) {
        AF_INET => Ok(true),
        AF_INET6 => Ok(false),
        _ => Err(Errno::EAFNOSUPPORT.because(Reason::WrongFamily)),
    }
}

impl Net {
    /// The interface that a request names by its number or by IFLA_IFNAME. EINVAL if it names none, ENODEV if there is none.
    pub(super) fn link_named(&self, request: &Message<'_>) -> Result<IfIndex> {
        const IFLA_IFNAME: u16 = 3;
        const IFLA_ALT_IFNAME: u16 = 53;
        let index = request.word(4);
        if index != 0 {
            return Some(IfIndex(index))
                .filter(|index| self.interface(*index).is_some())
                .ok_or(Errno::ENODEV.because(Reason::NoInterface));
        }
        let name = request.attribute(LINK, IFLA_IFNAME).or_else(|| request.attribute(LINK, IFLA_ALT_IFNAME));
        let name = name.ok_or_else(|| Errno::EINVAL.with("the request names no interface"))?;
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        let named = self.interfaces().iter().find(|interface| interface.name.as_bytes() == name);
        named.map(|interface| interface.index).ok_or(Errno::ENODEV.because(Reason::NoInterface))
    }

    /// RTM_NEWLINK, RTM_SETLINK: an interface that is there is set up or down, and gets its MTU (do_setlink).
    pub(super) fn set_link_by(&mut self, request: &Message<'_>) -> Result<()> {
        const IFLA_MTU: u16 = 4;
        /// IFLA_IFNAME, IFLA_EXT_MASK, IFLA_ALT_IFNAME: they name what is meant, and change nothing.
        const NAMES: [u16; 3] = [3, 29, 53];
        short(request, LINK)?;
        let interface = self.link_named(request);
        if request.flags & NLM_F_CREATE != 0 && interface.is_err() {
            return Err(Errno::EOPNOTSUPP.with("a sockatoo host gets its interfaces when it is made"));
        }
        let interface = interface?;
        let (flags, change) = (request.word(8), request.word(12));
        let mut told = attributes(request.body.get(LINK..).unwrap_or_default());
        if told.any(|(kind, _)| kind != IFLA_MTU && !NAMES.contains(&kind)) || change & !IFF_UP != 0 {
            return Err(Errno::EOPNOTSUPP
                .with("of an interface the state (up, down), the MTU and the addresses can be changed"));
        }
        let up = (change & IFF_UP != 0).then_some(flags & IFF_UP != 0);
        self.configure_link(interface, up, request.number(LINK, IFLA_MTU)?.map(|mtu| mtu as usize))
    }

    /// RTM_NEWADDR, RTM_DELADDR.
    pub(super) fn set_address_by(&mut self, request: &Message<'_>, add: bool) -> Result<()> {
        const IFA_ADDRESS: u16 = 1;
        const IFA_LOCAL: u16 = 2;
        short(request, ADDRESS)?;
        let v4 = is_ipv4(request)?;
        let interface = IfIndex(request.word(4));
        let local = request.address(ADDRESS, IFA_LOCAL, v4)?;
        let address = local.or(request.address(ADDRESS, IFA_ADDRESS, v4)?);
        let address = address.ok_or_else(|| Errno::EINVAL.with("the request names no address"))?;
        if self.interface(interface).is_none() {
            return Err(Errno::ENODEV.because(Reason::NoInterface));
        }
        if !add {
            return self.remove_address(interface, address);
        }
        let exists =
            self.interface(interface).is_some_and(|i| i.addresses.iter().any(|own| own.ip() == address));
        if exists && request.flags & NLM_F_REPLACE != 0 && request.flags & NLM_F_EXCL == 0 {
            return Ok(());
        }
        self.add_address(interface, Cidr::new(address, request.byte(1))?)
    }

    /// RTM_NEWROUTE, RTM_DELROUTE.
    pub(super) fn set_route_by(&mut self, request: &Message<'_>, add: bool) -> Result<()> {
        const RTA_METRICS: u16 = 8;
        const RTA_MULTIPATH: u16 = 9;
        const RTA_TABLE: u16 = 15;
        short(request, ROUTE)?;
        let v4 = is_ipv4(request)?;
        let attribute = |kind| request.attribute(ROUTE, kind).is_some();
        let table = request.number(ROUTE, RTA_TABLE)?.unwrap_or_else(|| request.byte(4).into());
        if ![0, u32::from(RT_TABLE_MAIN)].contains(&table)
            || attribute(RTA_MULTIPATH)
            || attribute(RTA_METRICS)
        {
            return Err(
                Errno::EOPNOTSUPP.with("sockatoo has one table of routes, each with one way and no metrics")
            );
        }
        let to = network(request.address(ROUTE, RTA_DST, v4)?, request.byte(1), v4)?;
        let via = request.address(ROUTE, RTA_GATEWAY, v4)?;
        let interface = request.number(ROUTE, RTA_OIF)?.map(IfIndex);
        if !add {
            return self.remove_route(to, via);
        }
        if ![0, RTN_UNICAST].contains(&request.byte(7)) {
            return Err(Errno::EOPNOTSUPP.with("sockatoo has unicast routes only"));
        }
        let there = self.routes().iter().find(|route| route.network == to).copied();
        let Some(old) = there.filter(|_| request.flags & NLM_F_REPLACE != 0) else {
            // fib_table_insert: another route to the same network is EEXIST with NLM_F_EXCL.
            return match there {
                Some(_) if request.flags & NLM_F_EXCL != 0 => {
                    Err(Errno::EEXIST.with(format!("there is a route to {to} already")))
                }
                _ => self.add_route(to, via, interface),
            };
        };
        if (old.via, Some(old.interface)) == (via, interface.or(Some(old.interface))) {
            return Ok(());
        }
        self.add_route(to, via, interface)?;
        self.remove_route(to, old.via)
    }

    /// RTM_NEWNEIGH, RTM_DELNEIGH.
    pub(super) fn set_neighbour_by(&mut self, request: &Message<'_>, add: bool) -> Result<()> {
        const NDA_DST: u16 = 1;
        const NDA_LLADDR: u16 = 2;
        const NUD_PERMANENT: u16 = 0x80;
        short(request, NEIGHBOUR)?;
        let v4 = is_ipv4(request)?;
        let interface = IfIndex(request.word(4));
        let address = request.address(NEIGHBOUR, NDA_DST, v4)?;
        let address: IpAddr = address.ok_or_else(|| Errno::EINVAL.with("the request names no address"))?;
        if self.interface(interface).is_none() {
            return Err(Errno::ENODEV.because(Reason::NoInterface));
        }
        let known = self.neighbours().any(|n| (n.interface, n.address) == (interface, address));
        if !add {
            return if known {
                self.set_neighbour(interface, address, None)
            } else {
                Err(Errno::ENOENT.into())
            };
        }
        let state = u16::from_ne_bytes([request.byte(8), request.byte(9)]);
        let mac = request.attribute(NEIGHBOUR, NDA_LLADDR).and_then(|mac| Some(Mac(mac.try_into().ok()?)));
        let (Some(mac), true) = (mac, state & NUD_PERMANENT != 0) else {
            return Err(
                Errno::EOPNOTSUPP.with("sockatoo takes permanent neighbours only: nud permanent lladdr MAC")
            );
        };
        if known && request.flags & NLM_F_EXCL != 0 {
            return Err(Errno::EEXIST.with(format!("{address} is known already")));
        }
        self.set_neighbour(interface, address, Some(mac))
    }
}
