//! Which request is answered by what (rtnetlink_rcv_msg, sock_diag_rcv_msg).

use super::dump::{Dump, Listing};
use super::{change, diag, dump};
use crate::base::constants::{AF_INET, AF_INET6, NETLINK_ROUTE, NETLINK_SOCK_DIAG};
use crate::base::netlink::{Message, NLM_F_DUMP, NLM_F_REQUEST, NLMSG_MIN_TYPE};
use crate::base::{Errno, Reason, Result, SocketId};
use crate::stack::Stack;

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
pub(super) const RTM_GETADDRLABEL: u16 = 74;
pub(super) const RTM_GETNETCONF: u16 = 82;
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
        if let Some(done) = net.change(request) {
            return done;
        }
        let answer = match request.kind {
            RTM_GETLINK => {
                let index = net.link_named(request)?;
                let interface = net.interface(index).ok_or(Errno::ENODEV.because(Reason::NoInterface))?;
                dump::link(interface)
            }
            RTM_GETROUTE => net.way_asked(request)?,
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
            RTM_GETADDRLABEL => Listing::Labels,
            RTM_GETNETCONF => Listing::Settings,
            _ => Listing::Nothing,
        };
        let mut dump = Dump::new(listing, request);
        let strict = self.sockets.get(id)?.options.netlink_strict;
        if strict {
            const NDA_IFINDEX: u16 = 8;
            // ip_valid_fib_dump_req: inet_dump_fib knows the tables that there are.
            let table = request.number(change::ROUTE, dump::RTA_TABLE)?.unwrap_or(0);
            let tables = [0, u32::from(dump::RT_TABLE_MAIN), u32::from(dump::RT_TABLE_LOCAL)];
            let of_ip = [0, AF_INET, AF_INET6].contains(&dump.family);
            if matches!(dump.listing, Listing::Routes) && of_ip && !tables.contains(&table) {
                return Err(Errno::ENOENT.with("FIB table does not exist"));
            }
            dump.interface = match dump.listing {
                Listing::Addresses => request.word(4),
                Listing::Neighbours => request.number(change::NEIGHBOUR, NDA_IFINDEX)?.unwrap_or(0),
                _ => 0,
            };
        }
        self.netlink_start(id, dump)
    }
}
