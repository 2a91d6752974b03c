//! RTM_GETROUTE without a dump: the way to one destination (inet_rtm_getroute, inet6_rtm_getroute).

use std::net::{IpAddr, Ipv6Addr};

use super::change::{ROUTE, is_ipv4};
use super::dump::{
    METRIC_KERNEL, RT_SCOPE_UNIVERSE, RT_TABLE_LOCAL, RT_TABLE_MAIN, RTA_CACHEINFO, RTA_DST, RTA_GATEWAY,
    RTA_OIF, RTA_PREFSRC, RTA_PRIORITY, RTN_BROADCAST, RTN_LOCAL, RTN_MULTICAST, RTN_UNICAST, RTPROT_KERNEL,
    RouteHead, v6_end, with_metrics,
};
use crate::base::netlink::{Draft, Message};
use crate::base::{Cidr, Errno, IfIndex, Reason, Result};
use crate::stack::{Cast, Hints, Net};

const RTA_SRC: u16 = 2;
const RTA_IIF: u16 = 3;
const RTA_MARK: u16 = 16;
const RTA_UID: u16 = 25;
const RTM_F_CLONED: u32 = 0x200;
/// "fibmatch": the row of the table, not the way.
const RTM_F_FIB_MATCH: u32 = 0x2000;
const RTCF_LOCAL: u32 = 0x8000_0000;
const RTCF_BROADCAST: u32 = 0x1000_0000;
const RTCF_MULTICAST: u32 = 0x2000_0000;

impl Net {
    pub(super) fn way_asked(&self, request: &Message<'_>) -> Result<Draft> {
        let v4 = is_ipv4(request)?;
        let whole = if v4 { 32 } else { 128 };
        let destination = request.address(ROUTE, RTA_DST, v4)?;
        let destination = destination.ok_or_else(|| Errno::EINVAL.with("the request names no address"))?;
        let from = request.address(ROUTE, RTA_SRC, v4)?.filter(|from| !from.is_unspecified());
        let index =
            |kind| request.number(ROUTE, kind).map(|index| index.filter(|index| *index != 0).map(IfIndex));
        let (interface, arrived) = (index(RTA_OIF)?, index(RTA_IIF)?);
        if [interface, arrived].into_iter().flatten().any(|named| self.interface(named).is_none()) {
            return Err(Errno::ENODEV.because(Reason::NoInterface));
        }
        if request.word(8) & RTM_F_FIB_MATCH != 0
            && let Ok(route) = self.lookup(destination, interface)
        {
            return Ok(self.route_message(route));
        }
        let network = Cidr::new(destination, whole)?;
        let of = |kind: u8, cache: u32, table: u8, protocol: u8| RouteHead {
            network,
            table,
            protocol: if v4 { 0 } else { protocol },
            scope: RT_SCOPE_UNIVERSE,
            kind,
            flags: if v4 { RTM_F_CLONED | cache } else { 0 },
        };
        if let Some(arrived) = arrived.filter(|_| v4) {
            return self.way_in(destination, from, arrived, of);
        }
        let path = self.path(destination, Hints { interface, source: from, ..Hints::default() })?;
        let own = path.interface == IfIndex::LO;
        let (kind, cache) = match path.cast {
            Cast::Broadcast => (RTN_BROADCAST, RTCF_LOCAL | RTCF_BROADCAST),
            Cast::Multicast => (RTN_MULTICAST, RTCF_LOCAL | RTCF_MULTICAST),
            Cast::Unicast if own => (RTN_LOCAL, RTCF_LOCAL),
            Cast::Unicast => (RTN_UNICAST, 0),
        };
        // fib_trie_unmerge: of IPv4 both tables are one until somebody adds a rule.
        let table = if own && !v4 { RT_TABLE_LOCAL } else { RT_TABLE_MAIN };
        let route = self.lookup(destination, interface).ok().filter(|_| !own && path.cast == Cast::Unicast);
        let (protocol, metric, preference) = match route {
            Some(route) => (route.protocol, route.metric, route.preference),
            // Groups and link-local addresses: their interface's own rows.
            None => (RTPROT_KERNEL, if own { 0 } else { METRIC_KERNEL }, 0),
        };
        let source_bits = if !v4 || from.is_some() { whole } else { 0 };
        let message = of(kind, cache, table, protocol).message_from(source_bits);
        let via = (path.next_hop != destination && !own).then_some(path.next_hop);
        let message = message.some_address(RTA_GATEWAY, via).number(RTA_OIF, path.interface.0);
        let message = match route {
            Some(route) => with_metrics(message, &route.metrics),
            None => message,
        };
        let message = match request.number(ROUTE, RTA_MARK)? {
            Some(mark) if mark != 0 => message.number(RTA_MARK, mark),
            _ => message,
        };
        if v4 {
            // rt_fill_info: "if (!rt_is_input_route(rt) && fl4->saddr != src)".
            let message = match from {
                Some(from) => message.address(RTA_SRC, from),
                None => message.address(RTA_PREFSRC, path.source),
            };
            return Ok(message.number(RTA_UID, 0).with(RTA_CACHEINFO, &[0; 32]));
        }
        // rt6_fill_node: the source is told, given or not.
        let told = from.unwrap_or_else(|| Ipv6Addr::UNSPECIFIED.into());
        let message = message.address(RTA_PREFSRC, path.source).address(RTA_SRC, told);
        Ok(v6_end(message.number(RTA_PRIORITY, metric), None, preference))
    }

    /// ip_route_input: what becomes of a packet that comes in there.
    fn way_in(
        &self,
        destination: IpAddr,
        from: Option<IpAddr>,
        arrived: IfIndex,
        of: impl Fn(u8, u32, u8, u8) -> RouteHead,
    ) -> Result<Draft> {
        let (kind, cache, out, via) = if self.is_broadcast(destination) {
            (RTN_BROADCAST, RTCF_LOCAL | RTCF_BROADCAST, IfIndex::LO, None)
        } else if self.is_local(destination) {
            (RTN_LOCAL, RTCF_LOCAL, IfIndex::LO, None)
        } else if self.config.forward {
            let path = self.path(destination, Hints::default())?;
            let via = (path.next_hop != destination).then_some(path.next_hop);
            (RTN_UNICAST, 0, path.interface, via)
        } else {
            // ip_error: "if (!IN_DEV_FORWARD(in_dev)) ... EHOSTUNREACH".
            return Err(Errno::EHOSTUNREACH.because(Reason::IpNotForUs));
        };
        let source_bits = if from.is_some() { 32 } else { 0 };
        let message = of(kind, cache, RT_TABLE_MAIN, 0).message_from(source_bits);
        let message = message.some_address(RTA_SRC, from).some_address(RTA_GATEWAY, via);
        Ok(message.number(RTA_OIF, out.0).with(RTA_CACHEINFO, &[0; 32]).number(RTA_IIF, arrived.0))
    }
}
