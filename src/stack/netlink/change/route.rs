//! RTM_NEWROUTE and RTM_DELROUTE (rtm_to_fib_config, rtm_to_fib6_config).

use std::time::Duration;

use super::{ROUTE, is_ipv4, short};
use crate::base::netlink::{
    Message, NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, attributes, u32_at,
};
use crate::base::{Cidr, Errno, IfIndex, Reason, Result};
use crate::stack::Net;
use crate::stack::ip::{Meant, Placing, Route, RouteKind, RouteOrigin};
use crate::stack::netlink::dump::{
    RT_SCOPE_UNIVERSE, RT_TABLE_MAIN, RTA_DST, RTA_GATEWAY, RTA_METRICS, RTA_OIF, RTA_PREF, RTA_PREFSRC,
    RTA_PRIORITY, RTA_TABLE, RTNH_F_ONLINK, network,
};

const RTA_SRC: u16 = 2;
const RTA_MULTIPATH: u16 = 9;
const RTA_VIA: u16 = 18;
const RTA_ENCAP: u16 = 22;
const RTA_EXPIRES: u16 = 23;
const RTA_NH_ID: u16 = 30;
const RT_SCOPE_NOWHERE: u8 = 255;
/// RTAX_MAX, and RTAX_CC_ALGO, which alone is a text.
const RTAX_MAX: u16 = 17;
const RTAX_CC_ALGO: u16 = 16;

/// RTN_*; `None` = not said.
fn kind(request: &Message<'_>) -> Result<Option<RouteKind>> {
    Ok(match request.byte(7) {
        0 => None,
        1 => Some(RouteKind::Unicast),
        6 => Some(RouteKind::Blackhole),
        7 => Some(RouteKind::Unreachable),
        8 => Some(RouteKind::Prohibit),
        9 => Some(RouteKind::Throw),
        2..=5 => {
            return Err(Errno::EOPNOTSUPP
                .with("a sockatoo host's local and broadcast routes follow from its addresses"));
        }
        _ => return Err(Errno::EINVAL.with("there is no such type of route")),
    })
}

/// RTAX_*: what is 0 is not said.
fn metrics(value: &[u8]) -> Result<Vec<(u16, u32)>> {
    let mut metrics = Vec::new();
    for (kind, value) in attributes(value) {
        let number = u32_at(value, 0).ok_or(Errno::ERANGE.because(Reason::OptionLength))?;
        match kind {
            0 => continue,
            RTAX_CC_ALGO => {
                return Err(Errno::EOPNOTSUPP.with("congestion control is the socket's: TCP_CONGESTION"));
            }
            1..=RTAX_MAX if number != 0 => {
                metrics.retain(|(there, _)| *there != kind);
                metrics.push((kind, number));
            }
            1..=RTAX_MAX => {}
            _ => return Err(Errno::EINVAL.with("there is no such metric")),
        }
    }
    metrics.sort_unstable();
    Ok(metrics)
}

impl Net {
    /// What of a route both requests name: its network, and that it can be one of ours.
    fn network_of(&self, request: &Message<'_>) -> Result<Cidr> {
        short(request, ROUTE)?;
        let v4 = is_ipv4(request)?;
        let table = request.number(ROUTE, RTA_TABLE)?.unwrap_or_else(|| request.byte(4).into());
        if ![0, u32::from(RT_TABLE_MAIN)].contains(&table) {
            return Err(Errno::EOPNOTSUPP.with("sockatoo has one table of routes, `main`"));
        }
        for (kind, what) in [
            (RTA_MULTIPATH, "several next hops"),
            (RTA_NH_ID, "a nexthop object"),
            (RTA_ENCAP, "an encapsulation"),
            (RTA_VIA, "a gateway of another family"),
        ] {
            if request.attribute(ROUTE, kind).is_some() {
                return Err(
                    Errno::EOPNOTSUPP.with(format!("a sockatoo route leads one way: {what} it has not"))
                );
            }
        }
        if request.byte(2) != 0 || request.attribute(ROUTE, RTA_SRC).is_some() || request.byte(3) != 0 {
            return Err(Errno::EOPNOTSUPP
                .with("a sockatoo route asks for the destination alone, not for source or tos"));
        }
        let to = network(request.address(ROUTE, RTA_DST, v4)?, request.byte(1), v4)?;
        let canonical = Cidr::new(to.network(), to.prefix())?;
        // fib_valid_key_len.
        if v4 && canonical != to {
            return Err(Errno::EINVAL.with("Invalid prefix for given prefix length"));
        }
        Ok(canonical)
    }

    pub(super) fn add_route_by(&mut self, request: &Message<'_>) -> Result<()> {
        let network = self.network_of(request)?;
        let v4 = network.address().is_ipv4();
        let route = self.route_of(request, network, v4)?;
        let is = |flag| request.flags & flag != 0;
        let how = Placing {
            create: is(NLM_F_CREATE),
            exclusive: is(NLM_F_EXCL),
            replace: is(NLM_F_REPLACE),
            append: is(NLM_F_APPEND),
        };
        let ends = route.until.is_some();
        self.place_route(route, how)?;
        if ends {
            self.lifetimes_due();
        }
        Ok(())
    }

    fn route_of(&self, request: &Message<'_>, network: Cidr, v4: bool) -> Result<Route> {
        let kind = kind(request)?.unwrap_or(RouteKind::Unicast);
        let via = request.address(ROUTE, RTA_GATEWAY, v4)?.filter(|_| kind == RouteKind::Unicast);
        let via = via.filter(|via| !via.is_unspecified());
        let named = request.number(ROUTE, RTA_OIF)?.filter(|index| *index != 0).map(IfIndex);
        let onlink = request.word(8) & RTNH_F_ONLINK != 0;
        let interface = match (kind, named, via) {
            (RouteKind::Unicast, Some(named), _) if self.interface(named).is_none() => {
                return Err(Errno::ENODEV.because(Reason::NoInterface));
            }
            (RouteKind::Unicast, Some(named), Some(via)) if !onlink => self.check_gateway(via, named)?,
            (RouteKind::Unicast, Some(named), _) => named,
            (RouteKind::Unicast, None, Some(via)) => {
                let link = self.gateway_interface(via)?;
                self.check_gateway(via, link)?
            }
            (RouteKind::Unicast, None, None) => {
                return Err(Errno::ENODEV.with("a route needs a gateway or an interface"));
            }
            _ => IfIndex::LO,
        };
        // fib_check_nh_nongw, fib6_nh_init.
        if !self.interface(interface).is_some_and(|link| link.enabled) {
            return Err(Errno::ENETDOWN.with("Nexthop device is not up"));
        }
        let mut route = Route::new(network, via, interface, RouteOrigin::Static);
        (route.kind, route.onlink) = (kind, onlink && via.is_some());
        if kind != RouteKind::Unicast {
            route.scope = RT_SCOPE_UNIVERSE;
        }
        if request.byte(5) != 0 {
            route.protocol = request.byte(5);
        }
        if v4 && request.byte(6) != RT_SCOPE_NOWHERE {
            route.scope = request.byte(6);
        }
        route.metric =
            request.number(ROUTE, RTA_PRIORITY)?.filter(|metric| v4 || *metric != 0).unwrap_or(route.metric);
        route.source = request.address(ROUTE, RTA_PREFSRC, v4)?.filter(|source| !source.is_unspecified());
        if let Some(source) = route.source
            && !self.is_local(source)
        {
            return Err(Errno::EINVAL.with(if v4 {
                "Invalid prefsrc address"
            } else {
                "Invalid source address"
            }));
        }
        route.metrics = request.attribute(ROUTE, RTA_METRICS).map(metrics).transpose()?.unwrap_or_default();
        route.preference =
            request.attribute(ROUTE, RTA_PREF).and_then(|value| value.first()).copied().unwrap_or(0);
        let seconds = request.number(ROUTE, RTA_EXPIRES)?.filter(|seconds| !v4 && *seconds != 0);
        route.until = seconds.map(|seconds| self.now + Duration::from_secs(seconds.into()));
        Ok(route)
    }

    /// The interface, if the gateway is another station on its link (fib_check_nh, ip6_validate_gw).
    fn check_gateway(&self, via: std::net::IpAddr, interface: IfIndex) -> Result<IfIndex> {
        if via.is_ipv6() && self.is_local(via) {
            return Err(Errno::EINVAL.with("Gateway can not be a local address"));
        }
        let link_local = matches!(via, std::net::IpAddr::V6(ip) if ip.is_unicast_link_local());
        if link_local || self.is_on_link(via, interface) {
            return Ok(interface);
        }
        let errno = if via.is_ipv4() { Errno::ENETUNREACH } else { Errno::EHOSTUNREACH };
        Err(errno.with(format!("the gateway {via} is on no network of this interface")))
    }

    pub(super) fn remove_route_by(&mut self, request: &Message<'_>) -> Result<()> {
        let network = self.network_of(request)?;
        let v4 = network.address().is_ipv4();
        self.remove_route_of(&Meant {
            network,
            via: request.address(ROUTE, RTA_GATEWAY, v4)?,
            interface: request.number(ROUTE, RTA_OIF)?.filter(|index| *index != 0).map(IfIndex),
            kind: kind(request)?.filter(|_| v4),
            scope: Some(request.byte(6)).filter(|scope| v4 && *scope != RT_SCOPE_NOWHERE),
            source: request.address(ROUTE, RTA_PREFSRC, v4)?,
            protocol: Some(request.byte(5)).filter(|protocol| *protocol != 0),
            metric: request.number(ROUTE, RTA_PRIORITY)?.filter(|metric| *metric != 0),
        })
    }
}
