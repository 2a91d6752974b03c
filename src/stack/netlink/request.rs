//! Which request is answered by what (rtnetlink_rcv_msg, sock_diag_rcv_msg).

use std::net::Ipv6Addr;

use super::dump::{Dump, Listing, RTA_DST, RTA_OIF, RouteHead};
use super::{change, diag, dump};
use crate::base::constants::NETLINK_ROUTE;
use crate::base::constants::NETLINK_SOCK_DIAG;
use crate::base::netlink::{Draft, Message, NLM_F_DUMP, NLM_F_REQUEST, NLMSG_MIN_TYPE};
use crate::base::{Cidr, Errno, IfIndex, Reason, Result, SocketId};
use crate::stack::{Cast, Hints, Stack};

// linux/rtnetlink.h
pub(super) const RTM_NEWLINK: u16 = 16;
pub(super) const RTM_GETLINK: u16 = 18;
pub(super) const RTM_SETLINK: u16 = 19;
pub(super) const RTM_NEWADDR: u16 = 20;
pub(super) const RTM_DELADDR: u16 = 21;
pub(super) const RTM_GETADDR: u16 = 22;
pub(super) const RTM_NEWROUTE: u16 = 24;
pub(super) const RTM_DELROUTE: u16 = 25;
pub(super) const RTM_GETROUTE: u16 = 26;
pub(super) const RTM_NEWNEIGH: u16 = 28;
pub(super) const RTM_DELNEIGH: u16 = 29;
pub(super) const RTM_GETNEIGH: u16 = 30;
pub(super) const RTM_GETRULE: u16 = 34;
/// RTM_MAX.
pub(super) const LAST: u16 = 123;

/// A listing is asked for. It says its own end: no acknowledgement, even if one is asked for.
pub(super) fn is_dump(protocol: i32, request: &Message<'_>) -> bool {
    if protocol == NETLINK_SOCK_DIAG {
        return diag::is_dump(request);
    }
    // RTM_NEW*, RTM_DEL*, RTM_GET*, RTM_SET* come in turn.
    request.kind >= NLMSG_MIN_TYPE && request.kind % 4 == 2 && request.flags & NLM_F_DUMP == NLM_F_DUMP
}

impl Stack {
    /// rtnetlink_rcv_msg.
    pub(super) fn netlink_request(&mut self, id: SocketId, request: &Message<'_>) -> Result<()> {
        // "Only requests are handled by the kernel", "Skip control messages".
        if request.flags & NLM_F_REQUEST == 0 || request.kind < NLMSG_MIN_TYPE {
            return Ok(());
        }
        if self.sockets.get(id)?.protocol == NETLINK_SOCK_DIAG {
            return self.netlink_diag(id, request);
        }
        if request.kind > LAST {
            return Err(Errno::EOPNOTSUPP.because(Reason::WrongKind));
        }
        if is_dump(NETLINK_ROUTE, request) {
            return self.netlink_dump(id, request);
        }
        let net = &mut self.net;
        let answer = match request.kind {
            RTM_NEWLINK | RTM_SETLINK => return net.set_link_by(request),
            RTM_NEWADDR => return net.set_address_by(request, true),
            RTM_DELADDR => return net.set_address_by(request, false),
            RTM_NEWROUTE => return net.set_route_by(request, true),
            RTM_DELROUTE => return net.set_route_by(request, false),
            RTM_NEWNEIGH => return net.set_neighbour_by(request, true),
            RTM_DELNEIGH => return net.set_neighbour_by(request, false),
            RTM_GETLINK => {
                let index = net.link_named(request)?;
                let interface = net.interface(index).ok_or(Errno::ENODEV.because(Reason::NoInterface))?;
                dump::link(interface)
            }
            RTM_GETROUTE => self.netlink_route(request)?,
            RTM_GETNEIGH => {
                const NDA_DST: u16 = 1;
                let address = request.address(change::NEIGHBOUR, NDA_DST, change::is_ipv4(request)?)?;
                let address = address.ok_or_else(|| Errno::EINVAL.with("the request names no address"))?;
                let index = request.word(4);
                let entry = net.neighbours().find(|n| n.interface.0 == index && n.address == address);
                dump::neighbour(entry.ok_or(Errno::ENOENT.because(Reason::NoData))?, net.now)
            }
            _ => {
                return Err(
                    Errno::EOPNOTSUPP.with("sockatoo answers for links, addresses, routes and neighbours")
                );
            }
        };
        let port = self.sockets.get(id)?.netlink()?.port;
        self.netlink_push(id, answer.finish(0, request.sequence, port))
    }

    /// sock_diag_rcv_msg.
    fn netlink_diag(&mut self, id: SocketId, request: &Message<'_>) -> Result<()> {
        if diag::is_dump(request) {
            let question = diag::question(request)?;
            return self.netlink_start(id, Dump::new(Listing::Sockets(question), request));
        }
        let Some(answer) = self.diag_one(request)? else { return Ok(()) };
        let port = self.sockets.get(id)?.netlink()?.port;
        self.netlink_push(id, answer.finish(0, request.sequence, port))
    }

    /// RTM_GETROUTE without a dump: the way to one destination (inet_rtm_getroute).
    fn netlink_route(&self, request: &Message<'_>) -> Result<Draft> {
        const RTM_F_CLONED: u32 = 0x200;
        const RTCF_LOCAL: u32 = 0x8000_0000;
        const RTCF_BROADCAST: u32 = 0x1000_0000;
        const RTCF_MULTICAST: u32 = 0x2000_0000;
        let v4 = change::is_ipv4(request)?;
        let destination = request.address(change::ROUTE, RTA_DST, v4)?;
        let destination = destination.ok_or_else(|| Errno::EINVAL.with("the request names no address"))?;
        let interface = request.number(change::ROUTE, RTA_OIF)?.filter(|index| *index != 0).map(IfIndex);
        let path = self.net.path(destination, Hints { interface, ..Hints::default() })?;
        let own = path.interface == IfIndex::LO;
        let (kind, cache) = match path.cast {
            Cast::Broadcast => (dump::RTN_BROADCAST, RTCF_LOCAL | RTCF_BROADCAST),
            Cast::Multicast => (dump::RTN_MULTICAST, RTCF_LOCAL | RTCF_MULTICAST),
            Cast::Unicast if own => (dump::RTN_LOCAL, RTCF_LOCAL),
            Cast::Unicast => (dump::RTN_UNICAST, 0),
        };
        // fib_trie_unmerge: of IPv4 both tables are one until somebody adds a rule.
        let table = if own && !v4 { dump::RT_TABLE_LOCAL } else { dump::RT_TABLE_MAIN };
        let (protocol, metric) = match self.net.lookup(destination, interface) {
            _ if own => (dump::RTPROT_KERNEL, 0),
            Ok(route) => dump::told(route),
            // Groups and link-local addresses: their interface's own rows.
            Err(_) => (dump::RTPROT_KERNEL, dump::METRIC_KERNEL),
        };
        let head = RouteHead {
            network: Cidr::new(destination, if v4 { 32 } else { 128 })?,
            table,
            protocol: if v4 { 0 } else { protocol },
            scope: dump::RT_SCOPE_UNIVERSE,
            kind,
            flags: if v4 { RTM_F_CLONED | cache } else { 0 },
        };
        let via = (path.next_hop != destination && !own).then_some(path.next_hop);
        let message = head.message_from(if v4 { 0 } else { 128 });
        let message = message.some_address(dump::RTA_GATEWAY, via).number(RTA_OIF, path.interface.0);
        let message = message.address(dump::RTA_PREFSRC, path.source);
        const RTA_SRC: u16 = 2;
        const RTA_UID: u16 = 25;
        if v4 {
            return Ok(message.number(RTA_UID, 0).with(dump::RTA_CACHEINFO, &[0; 32]));
        }
        // rt6_fill_node: the source is told, given or not.
        let message =
            message.address(RTA_SRC, Ipv6Addr::UNSPECIFIED.into()).number(dump::RTA_PRIORITY, metric);
        Ok(message.with(dump::RTA_CACHEINFO, &[0; 32]).with(dump::RTA_PREF, &[0]))
    }

    /// netlink_dump_start. EBUSY while another dump of this socket is under way.
    fn netlink_dump(&mut self, id: SocketId, request: &Message<'_>) -> Result<()> {
        const NTF_PROXY: u8 = 8;
        let listing = match request.kind {
            // rtnl_dump_ifinfo serves every family without a handler of its own; AF_BRIDGE (7) has one.
            RTM_GETLINK if request.byte(0) != 7 => Listing::Links,
            RTM_GETADDR => Listing::Addresses,
            RTM_GETROUTE => Listing::Routes,
            RTM_GETNEIGH if request.byte(10) & NTF_PROXY == 0 && request.byte(0) != 7 => Listing::Neighbours,
            RTM_GETRULE => Listing::Rules,
            _ => Listing::Nothing,
        };
        let mut dump = Dump::new(listing, request);
        let entry = self.sockets.get_mut(id)?;
        if entry.options.netlink_strict {
            const NDA_IFINDEX: u16 = 8;
            dump.interface = match dump.listing {
                Listing::Addresses => request.word(4),
                Listing::Neighbours => request.number(change::NEIGHBOUR, NDA_IFINDEX)?.unwrap_or(0),
                _ => 0,
            };
        }
        self.netlink_start(id, dump)
    }
}
