//! Routes: the longest prefix wins; among equals the first whose gateway is not known to be dead.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::base::{Cidr, Errno, Error, IfIndex, Instant, Reason};
use crate::stack::Net;
use crate::stack::link::{Address, AddressOrigin, NeighbourState};
use crate::stack::net::{Cast, Hints, Matter, Path};

/// Routes that the user may add.
const MAX_ROUTES: usize = 65_536;
/// Default routers and on-link prefixes that advertisements may add, all interfaces together.
const MAX_LEARNED: usize = 64;

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// Its host part is zero.
    pub(crate) network: Cidr,
    /// The gateway; `None` = the network is on the link.
    pub(crate) via: Option<IpAddr>,
    pub(crate) interface: IfIndex,
    pub(crate) origin: RouteOrigin,
    /// When it ends; `None` = never.
    pub(crate) until: Option<Instant>,
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
    rows: Vec<Route>,
}

/// Where a packet goes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::stack) struct Hop {
    pub(in crate::stack) interface: IfIndex,
    pub(in crate::stack) next_hop: IpAddr,
    pub(in crate::stack) cast: Cast,
}

impl Routes {
    fn insert(&mut self, route: Route) {
        let at = self.rows.partition_point(|r| r.network.prefix() >= route.network.prefix());
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
            self.insert(Route { network, via, interface, origin, until });
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
    fn is_learned(&self) -> bool {
        matches!(self.origin, RouteOrigin::Router | RouteOrigin::Prefix)
    }
}

/// The network without a host part.
fn canonical(network: Cidr) -> Cidr {
    Cidr::new(network.network(), network.prefix()).unwrap_or(network)
}

impl Net {
    /// The table, longest prefix first.
    pub(crate) fn routes(&self) -> &[Route] {
        &self.routes.rows
    }

    /// The table as Linux lists it: by address, IPv4's default route first and IPv6's last.
    pub(in crate::stack) fn sorted_routes(&self) -> Vec<&Route> {
        let mut rows: Vec<_> = self.routes.rows.iter().collect();
        rows.sort_by_key(|r| {
            let address = r.network.address();
            (address.is_ipv6() && r.network.prefix() == 0, address, std::cmp::Reverse(r.network.prefix()))
        });
        rows
    }

    /// The source address that the route names (RTA_PREFSRC): of an IPv4 network on the link the host's own address in it.
    pub(in crate::stack) fn route_source(&self, route: &Route) -> Option<IpAddr> {
        if route.origin != RouteOrigin::Connected {
            return None;
        }
        let link = self.interface(route.interface)?;
        let own = |a: &&Address| canonical(a.cidr) == route.network && a.ip().is_ipv4();
        link.addresses.iter().find(own).map(|a| a.ip())
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
        if self.routes.rows.len() >= MAX_ROUTES {
            return Err(Errno::ENOBUFS.with(format!("there are {MAX_ROUTES} routes")));
        }
        self.routes.insert(Route { network, via, interface, origin: RouteOrigin::Static, until: None });
        self.changed(Matter::Routes);
        Ok(())
    }

    /// The link on which a gateway is.
    fn gateway_interface(&self, via: IpAddr) -> Result<IfIndex, Error> {
        if is_link_local(via) {
            return self.only_wire().ok_or_else(|| {
                Errno::EINVAL.with(format!("{via} is link-local: name the interface of the gateway"))
            });
        }
        let on_link = |r: &&Route| r.via.is_none() && r.network.contains(via);
        match self.routes.rows.iter().find(on_link) {
            Some(route) => Ok(route.interface),
            None => Err(Errno::ENETUNREACH.with(format!("the gateway {via} is on no network of this host"))),
        }
    }

    /// ESRCH if it is not there.
    pub(crate) fn remove_route(&mut self, network: Cidr, via: Option<IpAddr>) -> Result<(), Error> {
        let network = canonical(network);
        let is = |r: &Route| r.network == network && (via.is_none() || r.via == via);
        match self.routes.rows.iter().position(is) {
            Some(at) => {
                self.routes.rows.remove(at);
                self.changed(Matter::Routes);
                Ok(())
            }
            None => Err(Errno::ESRCH.because(Reason::IpNoRoute)),
        }
    }

    /// An interface was set down.
    pub(in crate::stack) fn remove_routes_over(&mut self, interface: IfIndex) {
        self.routes.rows.retain(|route| route.interface != interface);
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
        for own in link.addresses.iter().filter(|a| a.origin != AddressOrigin::Autoconfigured) {
            let network = canonical(own.cidr);
            let whole = if network.address().is_ipv4() { 32 } else { 128 };
            let known =
                self.routes.rows.iter().any(|r| {
                    (r.network, r.interface, r.origin) == (network, interface, RouteOrigin::Connected)
                });
            if network.prefix() < whole && !known {
                let origin = RouteOrigin::Connected;
                self.routes.insert(Route { network, via: None, interface, origin, until: None });
            }
        }
    }

    /// The way to a destination, or why there is none: ENETUNREACH, EADDRNOTAVAIL (no address fits as a source), EINVAL (the
    /// hinted source is not ours, or a link-local destination's interface is not named), ENODEV. The unspecified address is
    /// this host itself.
    pub(crate) fn path(&self, destination: IpAddr, hints: Hints) -> Result<Path, Error> {
        if let Some(source) = hints.source {
            let fits = source.is_ipv4() == destination.is_ipv4();
            if !fits {
                return Err(Errno::EINVAL.because(Reason::IpAddressNotOurs));
            }
            if !(source.is_unspecified() || hints.any_source || self.is_local(source)) {
                // ip_route_output_key_hash_rcu: "rth = ERR_PTR(-ENETUNREACH)".
                let errno = if source.is_ipv4() { Errno::ENETUNREACH } else { Errno::EINVAL };
                return Err(errno.because(Reason::IpAddressNotOurs));
            }
        }
        let hop = self.hop(destination, hints)?;
        // RFC 1122 3.2.1.3: "Addresses of this form MUST NOT appear outside a host" (127/8).
        let loopback = hints.source.is_some_and(|source| source.is_ipv4() && source.is_loopback());
        if loopback && hop.interface != IfIndex::LO {
            return Err(Errno::EINVAL.because(Reason::IpMartianSource));
        }
        let source = match hints.source.filter(|source| !source.is_unspecified()) {
            Some(source) => source,
            None => self.source_for(destination, &hop)?,
        };
        let link_mtu = self.interface(hop.interface).map_or(0, |i| i.mtu_for(destination));
        let mtu = self.path_mtus.get(destination, self.now).map_or(link_mtu, |mtu| mtu.min(link_mtu));
        Ok(Path { interface: hop.interface, next_hop: hop.next_hop, source, link_mtu, mtu, cast: hop.cast })
    }

    /// Where a packet to the destination goes next.
    pub(in crate::stack) fn hop(&self, destination: IpAddr, hints: Hints) -> Result<Hop, Error> {
        let hinted = match hints.interface {
            None => None,
            Some(index) => {
                let link = self.interface(index).ok_or_else(|| Errno::ENODEV.because(Reason::NoInterface))?;
                if !link.up {
                    return Err(Errno::ENETUNREACH.because(Reason::LinkDown));
                }
                Some(index)
            }
        };
        if destination.is_unspecified() || self.is_own(destination, hinted) {
            let next_hop =
                if destination.is_unspecified() { loopback_like(destination) } else { destination };
            return Ok(Hop { interface: IfIndex::LO, next_hop, cast: Cast::Unicast });
        }
        if let IpAddr::V4(ip) = destination {
            let network = self.broadcast_interface(ip).filter(|i| hinted.is_none_or(|h| h == *i));
            if ip.is_broadcast() || network.is_some() {
                let interface = match hinted.or(network) {
                    Some(interface) => interface,
                    None => self.group_interface(destination, hints)?,
                };
                self.check_up(interface)?;
                return Ok(Hop { interface, next_hop: destination, cast: Cast::Broadcast });
            }
        }
        if destination.is_multicast() {
            let interface = match hinted {
                Some(interface) => interface,
                None => self.group_interface(destination, hints)?,
            };
            self.check_up(interface)?;
            return Ok(Hop { interface, next_hop: destination, cast: Cast::Multicast });
        }
        if is_link_local(destination) && hinted.is_none() {
            // RFC 4007 6: a link-local address is ambiguous without its zone. With a single wire there is only one.
            let interface = self.only_wire().ok_or_else(|| {
                Errno::EINVAL.with(format!("{destination} is link-local: name its interface (scope)"))
            })?;
            self.check_up(interface)?;
            return Ok(Hop { interface, next_hop: destination, cast: Cast::Unicast });
        }
        let hop = |r: &Route| Hop {
            interface: r.interface,
            next_hop: r.via.unwrap_or(destination),
            cast: Cast::Unicast,
        };
        match (self.lookup(destination, hinted), hinted) {
            // ip_route_output_key_hash with RT_SCOPE_LINK: what is behind a gateway is further away than that.
            (Ok(route), _) if hints.direct && route.via.is_some() => {
                Err(Errno::ENETUNREACH.because(Reason::IpNoRoute))
            }
            (Ok(route), _) => Ok(hop(route)),
            // Linux: "Apparently, routing tables are wrong. Assume, that the destination is on link."
            (Err(_), Some(interface)) if destination.is_ipv4() => {
                Ok(Hop { interface, next_hop: destination, cast: Cast::Unicast })
            }
            (Err(reason), _) => Err(Errno::ENETUNREACH.because(reason)),
        }
    }

    /// The best row for a unicast address.
    pub(in crate::stack) fn lookup(
        &self,
        destination: IpAddr,
        interface: Option<IfIndex>,
    ) -> Result<&Route, Reason> {
        let mut reason = Reason::IpNoRoute;
        let mut dead: Option<&Route> = None;
        let fits = |r: &&Route| interface.is_none_or(|i| i == r.interface) && r.network.contains(destination);
        for route in self.routes.rows.iter().filter(fits) {
            if dead.is_some_and(|dead| dead.network != route.network) {
                break;
            }
            if !self.interface(route.interface).is_some_and(|i| i.up) {
                reason = Reason::LinkDown;
                continue;
            }
            // RFC 4861 6.3.6: "Routers that are reachable or probably reachable [...] SHOULD be preferred over routers whose
            // reachability is unknown or suspect". RFC 1122 3.3.1.5 wants the same of IPv4's gateways.
            let failed = route.via.is_some_and(|via| {
                let neighbour = self.neighbours.get(route.interface, via);
                neighbour.is_some_and(|n| n.state(self.now) == NeighbourState::Failed)
            });
            if !failed {
                return Ok(route);
            }
            dead = dead.or(Some(route));
        }
        dead.ok_or(reason)
    }

    /// True for this host's own address; with an interface named, IPv4's must be that one's (as Linux looks routes up).
    fn is_own(&self, destination: IpAddr, interface: Option<IfIndex>) -> bool {
        match interface {
            Some(index) if index != IfIndex::LO => {
                let link = self.interface(index);
                destination.is_loopback() || link.is_some_and(|i| i.has(destination))
            }
            _ => self.is_local(destination),
        }
    }

    /// The interface for a group or 255.255.255.255: the source's, a route's, the first wire, `lo`.
    pub(super) fn group_interface(&self, group: IpAddr, hints: Hints) -> Result<IfIndex, Error> {
        let of_source = hints
            .source
            .filter(|source| !source.is_unspecified())
            .and_then(|source| self.interfaces.iter().find(|i| i.has(source) && i.up).map(|i| i.index));
        let routed = || self.lookup(group, None).ok().map(|r| r.interface);
        let first = || self.wires().find(|i| self.check_up(*i).is_ok());
        of_source.or_else(routed).or_else(first).ok_or_else(|| Errno::ENETUNREACH.because(Reason::IpNoRoute))
    }

    fn check_up(&self, interface: IfIndex) -> Result<(), Error> {
        match self.interface(interface) {
            Some(link) if link.up => Ok(()),
            Some(_) => Err(Errno::ENETUNREACH.because(Reason::LinkDown)),
            None => Err(Errno::ENODEV.because(Reason::NoInterface)),
        }
    }

    /// Every interface but `lo`.
    fn wires(&self) -> impl Iterator<Item = IfIndex> {
        self.interfaces.iter().map(|i| i.index).filter(|i| *i != IfIndex::LO)
    }

    /// The interface beside `lo`, if there is exactly one.
    fn only_wire(&self) -> Option<IfIndex> {
        let mut wires = self.wires();
        wires.next().filter(|_| wires.next().is_none())
    }
}

/// fe80::/10. (IPv4's 169.254/16 is routed like any network.)
fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(ip) if ip.is_unicast_link_local())
}

/// 127.0.0.1 or ::1.
fn loopback_like(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    }
}
