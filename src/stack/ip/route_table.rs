//! The table of routes: what a row is, how rows come and go.

use std::net::IpAddr;

pub(crate) use crate::base::verb::RouteKind;
use crate::base::verb::{RT_SCOPE_LINK, RT_SCOPE_UNIVERSE};
use crate::base::{Cidr, Errno, Error, IfIndex, Instant, Reason};
use crate::stack::Net;
use crate::stack::ip::route::is_link_local;
use crate::stack::link::{Address, AddressOrigin};
use crate::stack::net::Matter;

/// Routes that the user may add.
const MAX_ROUTES: usize = 65_536;
/// Default routers and on-link prefixes that advertisements may add, all interfaces together.
const MAX_LEARNED: usize = 64;

// linux/rtnetlink.h
pub(crate) const RTPROT_KERNEL: u8 = 2;
const RTPROT_BOOT: u8 = 3;
const RTPROT_RA: u8 = 9;

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// Its host part is zero.
    pub(crate) network: Cidr,
    /// The gateway; `None` = the network is on the link.
    pub(crate) via: Option<IpAddr>,
    pub(crate) interface: IfIndex,
    pub(crate) origin: RouteOrigin,
    /// When it ends; `None` = never.
    pub(crate) until: Option<Instant>,
    /// RTN_*: a way, or why there is none.
    pub(crate) kind: RouteKind,
    /// RTPROT_*: who has made it.
    pub(crate) protocol: u8,
    /// RT_SCOPE_*; of IPv6 always the universe.
    pub(crate) scope: u8,
    /// RTA_PRIORITY: among routes to the same network the smallest wins.
    pub(crate) metric: u32,
    /// RTA_PREFSRC: the source address of packets that have none.
    pub(crate) source: Option<IpAddr>,
    /// RTNH_F_ONLINK: the gateway is on the link, whatever its address says.
    pub(crate) onlink: bool,
    /// RTA_PREF of RFC 4191, as a router advertises it.
    pub(crate) preference: u8,
    /// RTAX_* and their values.
    pub(crate) metrics: Vec<(u16, u32)>,
}

/// Where a route comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RouteOrigin {
    /// From an address of the interface.
    Connected,
    Static,
    /// A default router that advertised itself.
    Router,
    /// A prefix that a router advertised as on-link.
    Prefix,
}

/// The table, longest prefix first.
#[derive(Debug, Default)]
pub(in crate::stack) struct Routes {
    pub(super) rows: Vec<Route>,
}

/// What a person asks of a route that there may be already (NLM_F_*).
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::stack) struct Placing {
    pub(in crate::stack) create: bool,
    pub(in crate::stack) exclusive: bool,
    pub(in crate::stack) replace: bool,
    pub(in crate::stack) append: bool,
}

/// Which routes are meant by somebody who takes one away: what is `None` may be anything.
#[derive(Clone, Copy, Debug)]
pub(in crate::stack) struct Meant {
    pub(in crate::stack) network: Cidr,
    pub(in crate::stack) via: Option<IpAddr>,
    pub(in crate::stack) interface: Option<IfIndex>,
    pub(in crate::stack) kind: Option<RouteKind>,
    pub(in crate::stack) scope: Option<u8>,
    pub(in crate::stack) source: Option<IpAddr>,
    pub(in crate::stack) protocol: Option<u8>,
    pub(in crate::stack) metric: Option<u32>,
}

impl Routes {
    /// Behind those that win over it, and behind its equals.
    fn insert(&mut self, route: Route) {
        let rank = |r: &Route| (std::cmp::Reverse(r.network.prefix()), r.metric);
        let at = self.rows.partition_point(|r| rank(r) <= rank(&route));
        self.rows.insert(at, route);
    }

    /// What a router advertised: a new row, or a new end of one that is there.
    pub(in crate::stack) fn learn(
        &mut self,
        network: Cidr,
        via: Option<IpAddr>,
        interface: IfIndex,
        origin: RouteOrigin,
        until: Option<Instant>,
    ) {
        let network = canonical(network);
        let same =
            |r: &&mut Route| (r.network, r.via, r.interface, r.origin) == (network, via, interface, origin);
        if let Some(row) = self.rows.iter_mut().find(same) {
            row.until = until;
        } else if self.rows.iter().filter(|r| r.is_learned()).count() < MAX_LEARNED {
            self.insert(Route { until, ..Route::new(network, via, interface, origin) });
        }
    }

    /// The neighbour is a router no more.
    pub(in crate::stack) fn forget_router(&mut self, interface: IfIndex, router: IpAddr) {
        self.rows
            .retain(|r| r.origin != RouteOrigin::Router || r.interface != interface || r.via != Some(router));
    }

    /// Removes what has ended; the next end.
    pub(in crate::stack) fn expire(&mut self, now: Instant) -> Option<Instant> {
        self.rows.retain(|r| r.until.is_none_or(|until| until > now));
        self.rows.iter().filter_map(|r| r.until).min()
    }
}

impl Route {
    /// As Linux has those of this origin.
    pub(in crate::stack) fn new(
        network: Cidr,
        via: Option<IpAddr>,
        interface: IfIndex,
        origin: RouteOrigin,
    ) -> Self {
        let v4 = network.address().is_ipv4();
        // IP6_RT_PRIO_ADDRCONF, IP6_RT_PRIO_USER.
        let (protocol, metric) = match origin {
            RouteOrigin::Connected | RouteOrigin::Prefix => (RTPROT_KERNEL, 256),
            RouteOrigin::Static => (RTPROT_BOOT, 1024),
            RouteOrigin::Router => (RTPROT_RA, 1024),
        };
        Self {
            network,
            via,
            interface,
            origin,
            until: None,
            kind: RouteKind::Unicast,
            protocol,
            scope: if v4 && via.is_none() { RT_SCOPE_LINK } else { RT_SCOPE_UNIVERSE },
            metric: if v4 { 0 } else { metric },
            source: None,
            onlink: false,
            preference: 0,
            metrics: Vec::new(),
        }
    }

    /// What stands in the way of a packet, if the route says so.
    pub(super) fn refusal(&self) -> Option<Reason> {
        match self.kind {
            RouteKind::Unicast => None,
            RouteKind::Blackhole => Some(Reason::RouteBlackhole),
            RouteKind::Unreachable => Some(Reason::RouteUnreachable),
            RouteKind::Prohibit => Some(Reason::RouteProhibited),
            // "throw": the search goes on in the next table, and there is none.
            RouteKind::Throw => Some(Reason::IpNoRoute),
        }
    }

    /// The same way (fib_find_info).
    fn is_like(&self, other: &Self) -> bool {
        let of = |r: &Self| (r.kind, r.scope, r.via, r.interface, r.source, r.protocol);
        of(self) == of(other) && self.metrics == other.metrics
    }

    fn leads_straight_to(&self, address: IpAddr) -> bool {
        self.kind == RouteKind::Unicast && self.via.is_none() && self.network.contains(address)
    }

    fn is_learned(&self) -> bool {
        matches!(self.origin, RouteOrigin::Router | RouteOrigin::Prefix)
    }
}

/// The network without a host part.
fn canonical(network: Cidr) -> Cidr {
    Cidr::new(network.network(), network.prefix()).unwrap_or(network)
}

impl Net {
    /// The table as Linux lists it: by address, IPv4's default route first and IPv6's last.
    pub(in crate::stack) fn sorted_routes(&self) -> Vec<&Route> {
        let mut rows: Vec<_> = self.routes.rows.iter().collect();
        rows.sort_by_key(|r| {
            let address = r.network.address();
            (address.is_ipv6() && r.network.prefix() == 0, address, std::cmp::Reverse(r.network.prefix()))
        });
        rows
    }

    /// `via` = a gateway; without one the network is on the link. IPv6 gateways may be link-local. EEXIST if it is there,
    /// ENETUNREACH if the gateway is not on a link of ours, ENODEV without such an interface, EINVAL for what makes no sense.
    pub(crate) fn add_route(
        &mut self,
        network: Cidr,
        via: Option<IpAddr>,
        interface: Option<IfIndex>,
    ) -> Result<(), Error> {
        let network = canonical(network);
        if via.is_some_and(|via| via.is_ipv4() != network.address().is_ipv4()) {
            return Err(Errno::EINVAL.with("the gateway is of another IP version than the network"));
        }
        if via.is_some_and(|via| via.is_unspecified() || via.is_multicast() || self.is_local(via)) {
            return Err(Errno::EINVAL.with("the gateway must be another station's address"));
        }
        if interface.is_some_and(|i| self.interface(i).is_none()) {
            return Err(Errno::ENODEV.because(Reason::NoInterface));
        }
        let interface = match (interface, via) {
            (Some(interface), _) => interface,
            (None, None) => return Err(Errno::EINVAL.with("a route needs a gateway or an interface")),
            (None, Some(via)) => self.gateway_interface(via)?,
        };
        if self.routes.rows.iter().any(|r| (r.network, r.via, r.interface) == (network, via, interface)) {
            return Err(Errno::EEXIST.with(format!("there is a route to {network} already")));
        }
        let route = Route::new(network, via, interface, RouteOrigin::Static);
        self.place_route(route, Placing { create: true, append: true, ..Placing::default() })
    }

    /// fib_table_insert, fib6_add_rt2node: beside those that are there, or instead. EEXIST, and ENOENT where there is nothing to
    /// replace.
    pub(in crate::stack) fn place_route(&mut self, route: Route, how: Placing) -> Result<(), Error> {
        let network = route.network;
        let rows = &mut self.routes.rows;
        let twin = |r: &Route| (r.network, r.metric) == (network, route.metric);
        let first = rows.iter().position(twin);
        let exists = || Errno::EEXIST.with(format!("there is a route to {network} already"));
        self.changed[Matter::Routes as usize] = true;
        match first {
            None if how.create || network.address().is_ipv6() && !how.replace => {}
            None => return Err(Errno::ENOENT.with(format!("there is no such route to {network}"))),
            Some(_) if how.exclusive => return Err(exists()),
            Some(first) if how.replace => {
                match rows.iter().position(|r| twin(r) && r.is_like(&route)) {
                    Some(same) if same != first && network.address().is_ipv4() => return Err(exists()),
                    _ => rows[first] = route,
                }
                return Ok(());
            }
            Some(_) if rows.iter().any(|r| twin(r) && r.is_like(&route)) => return Err(exists()),
            _ => {}
        }
        if rows.len() >= MAX_ROUTES {
            return Err(Errno::ENOBUFS.with(format!("there are {MAX_ROUTES} routes")));
        }
        match first {
            // "ip route prepend".
            Some(first) if !how.append && network.address().is_ipv4() => rows.insert(first, route),
            _ => self.routes.insert(route),
        }
        Ok(())
    }

    /// True if a network of this interface has the address.
    pub(in crate::stack) fn is_on_link(&self, address: IpAddr, interface: IfIndex) -> bool {
        self.routes.rows.iter().any(|r| r.interface == interface && r.leads_straight_to(address))
    }

    /// The link on which a gateway is.
    pub(in crate::stack) fn gateway_interface(&self, via: IpAddr) -> Result<IfIndex, Error> {
        if is_link_local(via) {
            return self.only_wire().ok_or_else(|| {
                Errno::EINVAL.with(format!("{via} is link-local: name the interface of the gateway"))
            });
        }
        let on_link = |r: &&Route| r.leads_straight_to(via);
        match self.routes.rows.iter().find(on_link) {
            Some(route) => Ok(route.interface),
            None => {
                // fib_check_nh, ip6_route_check_nh.
                let errno = if via.is_ipv4() { Errno::ENETUNREACH } else { Errno::EHOSTUNREACH };
                Err(errno.with(format!("the gateway {via} is on no network of this host")))
            }
        }
    }

    /// ESRCH if it is not there.
    pub(crate) fn remove_route(&mut self, network: Cidr, via: Option<IpAddr>) -> Result<(), Error> {
        let network = canonical(network);
        let (interface, kind, scope, source, protocol, metric) = Default::default();
        self.remove_route_of(&Meant { network, via, interface, kind, scope, source, protocol, metric })
    }

    /// fib_table_delete, ip6_route_del: the first that is meant. ESRCH if there is none.
    pub(in crate::stack) fn remove_route_of(&mut self, meant: &Meant) -> Result<(), Error> {
        fn fits<T: PartialEq>(wanted: Option<T>, there: T) -> bool {
            wanted.is_none_or(|wanted| wanted == there)
        }
        let is = |r: &Route| {
            r.network == meant.network
                && (meant.via.is_none() || r.via == meant.via)
                && fits(meant.interface, r.interface)
                && fits(meant.kind, r.kind)
                && fits(meant.scope, r.scope)
                && (meant.source.is_none() || r.source == meant.source)
                && fits(meant.protocol, r.protocol)
                && fits(meant.metric, r.metric)
        };
        let at = self.routes.rows.iter().position(is).ok_or(Errno::ESRCH.because(Reason::IpNoRoute))?;
        self.routes.rows.remove(at);
        self.changed(Matter::Routes);
        Ok(())
    }

    /// An address is no more this host's: fib_sync_down_addr, rt6_remove_prefsrc.
    pub(in crate::stack) fn remove_routes_from(&mut self, address: IpAddr) {
        let from = |r: &Route| r.source == Some(address) && r.origin == RouteOrigin::Static;
        self.routes.rows.retain(|r| !(address.is_ipv4() && from(r)));
        for row in self.routes.rows.iter_mut().filter(|r| from(r)) {
            row.source = None;
        }
        self.changed(Matter::Routes);
    }

    /// An interface was set down, or has lost a version of IP: its routes that are `meant` go.
    pub(in crate::stack) fn remove_routes_over(
        &mut self,
        interface: IfIndex,
        meant: impl Fn(&Route) -> bool,
    ) {
        self.routes.rows.retain(|route| route.interface != interface || !meant(route));
        self.changed(Matter::Routes);
    }

    /// Makes the routes that an interface's addresses give.
    pub(in crate::stack) fn connect_routes(&mut self, interface: IfIndex) {
        self.changed(Matter::Routes);
        let Some(link) = self.interfaces.get((interface.0 as usize).wrapping_sub(1)) else { return };
        let rows = &mut self.routes.rows;
        rows.retain(|r| r.origin != RouteOrigin::Connected || r.interface != interface);
        if interface == IfIndex::LO || !link.enabled {
            return;
        }
        // RFC 5942 4: an address made of a prefix says nothing of what is on the link; the prefix option does.
        let lasting = |a: &&Address| a.origin != AddressOrigin::Autoconfigured && !a.no_prefix_route;
        let mut made: Vec<Route> = Vec::new();
        for own in link.addresses.iter().filter(lasting) {
            let v4 = own.ip().is_ipv4();
            // fib_add_ifaddr: a secondary address has the primary's network already.
            if link.primary_of(own).is_some() {
                continue;
            }
            let whole = if v4 { 32 } else { 128 };
            // addrconf_prefix_route: with a peer IPv6 has a route to each of the two.
            let itself = (!v4 && own.peer.is_some()).then(|| Cidr::new(own.ip(), whole).ok()).flatten();
            let near = (own.cidr.prefix() < whole || own.peer.is_some()).then(|| own.network());
            for network in near.into_iter().chain(itself) {
                let mut route = Route::new(network, None, interface, RouteOrigin::Connected);
                route.source = Some(own.ip()).filter(|_| v4);
                route.metric = if own.metric == 0 { route.metric } else { own.metric };
                if !made.iter().any(|r| (r.network, r.metric) == (network, route.metric)) {
                    made.push(route);
                }
            }
        }
        made.into_iter().for_each(|route| self.routes.insert(route));
    }
}
