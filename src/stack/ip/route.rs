//! The way to a destination: the longest prefix wins; among equals the smallest metric, then the first whose gateway is not known to
//! be dead.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::route_table::{Route, RouteKind};
use crate::base::{Errno, Error, IfIndex, Reason};
use crate::stack::Net;
use crate::stack::link::NeighbourState;
use crate::stack::net::{Cast, Hints, Path};

/// RTAX_MTU.
const METRIC_MTU: u16 = 2;

/// Where a packet goes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::stack) struct Hop {
    pub(in crate::stack) interface: IfIndex,
    pub(in crate::stack) next_hop: IpAddr,
    pub(in crate::stack) cast: Cast,
    /// The route's own, where it names one (RTA_PREFSRC).
    pub(super) source: Option<IpAddr>,
    /// What the route says of packets' length (RTAX_MTU).
    pub(super) mtu: Option<usize>,
}

impl Hop {
    pub(in crate::stack) fn new(interface: IfIndex, next_hop: IpAddr, cast: Cast) -> Self {
        Self { interface, next_hop, cast, source: None, mtu: None }
    }
}

impl Net {
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
        let most = hop.mtu.map_or(link_mtu, |mtu| mtu.min(link_mtu));
        let mtu = self.path_mtus.get(destination, self.now).map_or(most, |mtu| mtu.min(most));
        Ok(Path {
            interface: hop.interface,
            next_hop: hop.next_hop,
            source,
            link_mtu: most,
            mtu,
            cast: hop.cast,
        })
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
            return Ok(Hop::new(IfIndex::LO, next_hop, Cast::Unicast));
        }
        if let IpAddr::V4(ip) = destination {
            let network = self.broadcast_interface(ip).filter(|i| hinted.is_none_or(|h| h == *i));
            if ip.is_broadcast() || network.is_some() {
                let interface = match hinted.or(network) {
                    Some(interface) => interface,
                    None => self.group_interface(destination, hints)?,
                };
                self.check_up(interface)?;
                return Ok(Hop::new(interface, destination, Cast::Broadcast));
            }
        }
        if destination.is_multicast() {
            let interface = match hinted {
                Some(interface) => interface,
                None => self.group_interface(destination, hints)?,
            };
            self.check_up(interface)?;
            return Ok(Hop::new(interface, destination, Cast::Multicast));
        }
        if is_link_local(destination) && hinted.is_none() {
            // RFC 4007 6: a link-local address is ambiguous without its zone. With a single wire there is only one.
            let interface = self.only_wire().ok_or_else(|| {
                Errno::EINVAL.with(format!("{destination} is link-local: name its interface (scope)"))
            })?;
            self.check_up(interface)?;
            return Ok(Hop::new(interface, destination, Cast::Unicast));
        }
        let hop = |r: &Route| Hop {
            source: r.source,
            mtu: r.metrics.iter().find(|(kind, _)| *kind == METRIC_MTU).map(|(_, mtu)| *mtu as usize),
            ..Hop::new(r.interface, r.via.unwrap_or(destination), Cast::Unicast)
        };
        match (self.lookup(destination, hinted), hinted) {
            // ip_route_output_key_hash with RT_SCOPE_LINK: what is behind a gateway is further away than that.
            (Ok(route), _) if hints.direct && route.via.is_some() => {
                Err(Errno::ENETUNREACH.because(Reason::IpNoRoute))
            }
            (Ok(route), _) => Ok(hop(route)),
            // fib_props, fib6_prop.
            (Err(Reason::RouteUnreachable), _) => Err(Errno::EHOSTUNREACH.because(Reason::RouteUnreachable)),
            (Err(Reason::RouteProhibited), _) => Err(Errno::EACCES.because(Reason::RouteProhibited)),
            (Err(Reason::RouteBlackhole), _) => Err(Errno::EINVAL.because(Reason::RouteBlackhole)),
            // Linux: "Apparently, routing tables are wrong. Assume, that the destination is on link."
            (Err(_), Some(interface)) if destination.is_ipv4() => {
                Ok(Hop::new(interface, destination, Cast::Unicast))
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
        // fib_table_lookup: a route that refuses is for every interface.
        let here = |r: &Route| interface.is_none_or(|i| i == r.interface) || r.kind != RouteKind::Unicast;
        let fits = |r: &&Route| here(r) && r.network.contains(destination);
        for route in self.routes.rows.iter().filter(fits) {
            if dead.is_some_and(|dead| dead.network != route.network) {
                break;
            }
            if let Some(refusal) = route.refusal() {
                return dead.ok_or(refusal);
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
    pub(super) fn only_wire(&self) -> Option<IfIndex> {
        let mut wires = self.wires();
        wires.next().filter(|_| wires.next().is_none())
    }
}

/// fe80::/10. (IPv4's 169.254/16 is routed like any network.)
pub(super) fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(ip) if ip.is_unicast_link_local())
}

/// 127.0.0.1 or ::1.
fn loopback_like(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    }
}
