//! AF_NETLINK: what `ip`, getifaddrs(3), getaddrinfo(3) and scapy ask a host by NETLINK_ROUTE (rtnetlink(7)), and `ss` by
//! NETLINK_SOCK_DIAG (sock_diag(7)), answered from its tables.
//!
//! | file | what |
//! |---|---|
//! | `mod.rs` | the socket: bind, send, recv, names; which request is answered by what |
//! | `dump.rs` | links, addresses, routes, neighbours, rules as messages |
//! | `change.rs` | requests that change the host |
//! | `groups.rs` | who has joined a group hears of every change |
//! | `diag/` | NETLINK_SOCK_DIAG: sockets as messages |
//!
//! A request is answered before send(2) returns: the answer is in the socket's queue. Of a listing that is longer than one
//! datagram the next piece is made when one is taken out.

mod change;
mod diag;
mod dump;
mod groups;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io::{IoSlice, IoSliceMut};
use std::net::Ipv6Addr;

use super::datagram::{charge, gather, scatter};
use super::family::Family;
use super::options::Options;
use super::table::{Entry, Part};
use super::{Hints, Received, SendTo, Stack};
use crate::base::constants::{
    MSG_OOB, MSG_PEEK, MSG_TRUNC, NETLINK_ROUTE, NETLINK_SOCK_DIAG, SOCK_DGRAM, SOCK_RAW,
};
use crate::base::netlink::{
    Draft, Message, NLM_F_ACK, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_DUMP, NLM_F_MULTI, NLM_F_REQUEST,
    NLMSG_DONE, NLMSG_ERROR, NLMSG_MIN_TYPE, messages,
};
use crate::base::{Cidr, Errno, Error, IfIndex, NetlinkAddr, Reason, Result, SockAddr, SocketId};
use dump::{Dump, Listing, RTA_DST, RTA_OIF, RouteHead};
pub(in crate::stack) use groups::Monitor;

/// Bytes of one datagram of a listing: Linux's NLMSG_GOODSIZE with pages of 4 KB, for which every reader has room.
const DATAGRAM: usize = 3776;

// linux/rtnetlink.h
const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_SETLINK: u16 = 19;
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_GETADDR: u16 = 22;
const RTM_NEWROUTE: u16 = 24;
const RTM_DELROUTE: u16 = 25;
const RTM_GETROUTE: u16 = 26;
const RTM_NEWNEIGH: u16 = 28;
const RTM_DELNEIGH: u16 = 29;
const RTM_GETNEIGH: u16 = 30;
const RTM_GETRULE: u16 = 34;
/// RTM_MAX.
const LAST: u16 = 123;

/// What a netlink socket has of its own.
#[derive(Debug, Default)]
pub(crate) struct NetlinkSocket {
    /// nl_pid; 0 = not bound yet.
    port: u32,
    /// Those that it has joined: bit n - 1 = group n.
    groups: u64,
    queue: VecDeque<Queued>,
    charged: usize,
    dump: Option<Dump>,
}

/// A datagram for a program.
#[derive(Clone, Debug)]
struct Queued {
    bytes: Vec<u8>,
    /// nl_groups of its sender's address: 0, or the group that it was for.
    groups: u32,
}

impl NetlinkSocket {
    /// Bytes of memory that the queue is charged with.
    pub(super) fn charged(&self) -> usize {
        self.charged
    }

    fn pop(&mut self) {
        if let Some(gone) = self.queue.pop_front() {
            self.charged -= charge(gone.bytes.len());
        }
    }
}

impl Entry {
    fn netlink(&self) -> Result<&NetlinkSocket> {
        match &self.protocol_part {
            Part::Netlink(netlink) => Ok(netlink),
            _ => Err(Errno::EOPNOTSUPP.because(Reason::WrongKind)),
        }
    }

    fn netlink_mut(&mut self) -> Result<&mut NetlinkSocket> {
        match &mut self.protocol_part {
            Part::Netlink(netlink) => Ok(netlink),
            _ => Err(Errno::EOPNOTSUPP.because(Reason::WrongKind)),
        }
    }
}

/// A listing is asked for. It says its own end: no acknowledgement, even if one is asked for.
fn is_dump(protocol: i32, request: &Message<'_>) -> bool {
    if protocol == NETLINK_SOCK_DIAG {
        return diag::is_dump(request);
    }
    // RTM_NEW*, RTM_DEL*, RTM_GET*, RTM_SET* come in turn.
    request.kind >= NLMSG_MIN_TYPE && request.kind % 4 == 2 && request.flags & NLM_F_DUMP == NLM_F_DUMP
}

/// netlink_ops.
pub(super) struct Netlink;

impl Family for Netlink {
    fn socket(&self, stack: &mut Stack, domain: i32, kind: i32, protocol: i32) -> Result<SocketId> {
        // netlink_create; of its protocols we have two.
        match (kind, protocol) {
            (SOCK_RAW | SOCK_DGRAM, NETLINK_ROUTE | NETLINK_SOCK_DIAG) => {}
            (SOCK_RAW | SOCK_DGRAM, _) => return Err(Errno::EPROTONOSUPPORT.because(Reason::WrongProtocol)),
            _ => return Err(Errno::ESOCKTNOSUPPORT.because(Reason::WrongType)),
        }
        let options = Options::new(&stack.net.config, domain, kind, protocol);
        let part = Part::Netlink(Default::default());
        Ok(stack.sockets.insert(Entry::new(domain, kind, protocol, options, part)))
    }

    fn bind(&self, stack: &mut Stack, id: SocketId, address: SockAddr) -> Result<()> {
        stack.netlink_bind(id, address)
    }

    fn connect(&self, stack: &mut Stack, id: SocketId, address: SockAddr) -> Result<()> {
        stack.netlink_connect(id, address)
    }

    fn send(&self, stack: &mut Stack, id: SocketId, data: &[IoSlice<'_>], how: SendTo<'_>) -> Result<usize> {
        stack.netlink_send(id, data, &how)
    }

    fn recv(
        &self,
        stack: &mut Stack,
        id: SocketId,
        data: &mut [IoSliceMut<'_>],
        flags: i32,
    ) -> Result<Received> {
        stack.netlink_recv(id, data, flags)
    }

    fn close(&self, stack: &mut Stack, id: SocketId) -> Result<()> {
        stack.sockets.get_mut(id)?.netlink_mut()?.groups = 0;
        stack.netlink_listeners();
        Ok(())
    }

    fn name(&self, stack: &Stack, id: SocketId) -> Result<SockAddr> {
        let netlink = stack.sockets.get(id)?.netlink()?;
        // The address has room for the first 32.
        Ok(NetlinkAddr { pid: netlink.port, groups: netlink.groups as u32 }.into())
    }

    /// The kernel.
    fn peer(&self, _stack: &Stack, _id: SocketId) -> Result<SockAddr> {
        Ok(NetlinkAddr::default().into())
    }

    fn poll(&self, _stack: &Stack, _id: SocketId, entry: &Entry) -> i32 {
        entry.poll_datagram(entry.netlink().is_ok_and(|netlink| !netlink.queue.is_empty()))
    }

    fn readable(&self, _stack: &Stack, _id: SocketId, entry: &Entry) -> Result<usize> {
        Ok(entry.netlink()?.queue.front().map_or(0, |front| front.bytes.len()))
    }
}

impl Stack {
    /// netlink_bind: a port that nobody has, 0 = any. EINVAL if it is bound to another one.
    fn netlink_bind(&mut self, id: SocketId, address: SockAddr) -> Result<()> {
        let SockAddr::Netlink(NetlinkAddr { pid, groups }) = address else {
            return Err(Errno::EINVAL.because(Reason::WrongFamily));
        };
        let entry = self.sockets.get(id)?;
        let (bound, protocol) = (entry.netlink()?.port, entry.protocol);
        if bound != 0 && pid != bound {
            return Err(Errno::EINVAL.because(Reason::AlreadyBound));
        }
        let taken = |(other, entry): (SocketId, &Entry)| {
            (other, protocol) != (id, entry.protocol)
                && entry.protocol == protocol
                && entry.netlink().is_ok_and(|n| n.port == pid)
        };
        if pid != 0 && self.sockets.iter().any(taken) {
            return Err(Errno::EADDRINUSE.because(Reason::AddressInUse));
        }
        let netlink = self.sockets.get_mut(id)?.netlink_mut()?;
        // netlink_bind: the groups above 32 stay as they are.
        (netlink.port, netlink.groups) = (pid, netlink.groups & !u64::from(u32::MAX) | u64::from(groups));
        self.netlink_listeners();
        self.netlink_autobind(id)
    }

    /// netlink_autobind: a number of its own, from the negative ones that Linux gives to a process's further sockets.
    fn netlink_autobind(&mut self, id: SocketId) -> Result<()> {
        let netlink = self.sockets.get_mut(id)?.netlink_mut()?;
        if netlink.port == 0 {
            netlink.port = (u32::MAX - 4096).wrapping_sub((id.0 & 0x3fff_ffff) as u32);
        }
        Ok(())
    }

    /// connect(2): with the kernel, whom it speaks with anyway.
    fn netlink_connect(&mut self, id: SocketId, address: SockAddr) -> Result<()> {
        match address {
            SockAddr::Unspec => Ok(()),
            SockAddr::Netlink(NetlinkAddr { pid: 0, groups: 0 }) => self.netlink_autobind(id),
            SockAddr::Netlink(_) => Err(Errno::ECONNREFUSED.because(Reason::NoDestination)),
            _ => Err(Errno::EINVAL.because(Reason::WrongFamily)),
        }
    }

    /// sendmsg(2): requests, each answered now.
    fn netlink_send(&mut self, id: SocketId, data: &[IoSlice<'_>], how: &SendTo<'_>) -> Result<usize> {
        if how.flags & MSG_OOB != 0 {
            return Err(Errno::EOPNOTSUPP.because(Reason::WrongKind));
        }
        if let Some(address) = how.to {
            self.netlink_connect(id, address)?;
        }
        self.netlink_autobind(id)?;
        let protocol = self.sockets.get(id)?.protocol;
        let len = data.iter().map(|slice| slice.len()).sum();
        // netlink_sendmsg: "if (len > sk->sk_sndbuf - 32) goto out;" (EMSGSIZE)
        if len > self.sockets.get(id)?.options.send_buffer.saturating_sub(32) {
            return Err(Errno::EMSGSIZE.because(Reason::MessageTooLong));
        }
        let mut bytes = vec![0; len];
        gather(&mut bytes, data);
        for request in messages(&bytes) {
            let result = self.netlink_request(id, &request);
            let port = self.sockets.get(id)?.netlink()?.port;
            self.netlink_tell((request.sequence, port));
            if result.is_err() || request.flags & NLM_F_ACK != 0 && !is_dump(protocol, &request) {
                self.netlink_acknowledge(id, &request, result.err())?;
            }
        }
        Ok(len)
    }

    /// rtnetlink_rcv_msg.
    fn netlink_request(&mut self, id: SocketId, request: &Message<'_>) -> Result<()> {
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
            super::Cast::Broadcast => (dump::RTN_BROADCAST, RTCF_LOCAL | RTCF_BROADCAST),
            super::Cast::Multicast => (dump::RTN_MULTICAST, RTCF_LOCAL | RTCF_MULTICAST),
            super::Cast::Unicast if own => (dump::RTN_LOCAL, RTCF_LOCAL),
            super::Cast::Unicast => (dump::RTN_UNICAST, 0),
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

    fn netlink_start(&mut self, id: SocketId, dump: Dump) -> Result<()> {
        let netlink = self.sockets.get_mut(id)?.netlink_mut()?;
        if netlink.dump.is_some() {
            return Err(Errno::EBUSY.with("another listing of this socket is under way"));
        }
        netlink.dump = Some(dump);
        self.netlink_go_on(id)
    }

    /// netlink_dump: the next datagram of a listing; the last one has NLMSG_DONE.
    fn netlink_go_on(&mut self, id: SocketId) -> Result<()> {
        let netlink = self.sockets.get_mut(id)?.netlink_mut()?;
        let (Some(mut dump), port) = (netlink.dump.take(), netlink.port) else { return Ok(()) };
        let mut datagram = Vec::new();
        let (mut ended, mut past, mut end) = (true, dump.done, 0);
        let messages: Box<dyn Iterator<Item = (usize, Draft)> + '_> = match &dump.listing {
            Listing::Sockets(question) => {
                end = question.end();
                let candidates = self.diag_candidates(question).into_iter().enumerate().skip(dump.done);
                Box::new(candidates.filter_map(|(n, it)| Some((n, self.diag_message(question, &it)?))))
            }
            _ => Box::new(self.net.dump(&dump).enumerate().skip(dump.done)),
        };
        for (n, message) in messages {
            if !datagram.is_empty() && datagram.len() + message.len() > DATAGRAM {
                ended = false;
                break;
            }
            datagram.extend(message.finish(NLM_F_MULTI, dump.sequence, port));
            past = n + 1;
        }
        dump.done = past;
        let done = Draft::new(NLMSG_DONE, &end.to_ne_bytes());
        if ended && (datagram.is_empty() || datagram.len() + done.len() <= DATAGRAM) {
            datagram.extend(done.finish(NLM_F_MULTI, dump.sequence, port));
        } else {
            self.sockets.get_mut(id)?.netlink_mut()?.dump = Some(dump);
        }
        self.netlink_push(id, datagram)
    }

    /// netlink_ack: NLMSG_ERROR, with 0 for "done".
    fn netlink_acknowledge(
        &mut self,
        id: SocketId,
        request: &Message<'_>,
        error: Option<Error>,
    ) -> Result<()> {
        const NLMSGERR_ATTR_MSG: u16 = 1;
        let entry = self.sockets.get(id)?;
        let (netlink, options) = (entry.netlink()?, &entry.options);
        let code = error.as_ref().map_or(0, |error| -error.errno().0);
        let capped = error.is_none() || options.netlink_cap_ack;
        let quoted =
            request.whole.get(..if capped { 16 } else { request.whole.len() }).unwrap_or(request.whole);
        let mut message = Draft::new(NLMSG_ERROR, &[&code.to_ne_bytes(), quoted].concat());
        let mut flags = if capped { NLM_F_CAPPED } else { 0 };
        if let Some(error) = error.filter(|_| options.netlink_extended_ack) {
            message = message.string(NLMSGERR_ATTR_MSG, error.why());
            flags |= NLM_F_ACK_TLVS;
        }
        let bytes = message.finish(flags, request.sequence, netlink.port);
        self.netlink_push(id, bytes)
    }

    /// One datagram into the queue; where it is full, ENOBUFS is told by the next recv (netlink_overrun).
    fn netlink_push(&mut self, id: SocketId, bytes: Vec<u8>) -> Result<()> {
        self.netlink_queue(id, Queued { bytes, groups: 0 })
    }

    fn netlink_queue(&mut self, id: SocketId, datagram: Queued) -> Result<()> {
        let entry = self.sockets.get_mut(id)?;
        let limit = entry.options.recv_buffer;
        let netlink = entry.netlink_mut()?;
        if netlink.charged > limit {
            entry.error = Some(Errno::ENOBUFS.because(Reason::ReceiveQueueFull));
        } else {
            netlink.charged += charge(datagram.bytes.len());
            netlink.queue.push_back(datagram);
        }
        self.ready.wake(id);
        Ok(())
    }

    /// recvmsg(2).
    fn netlink_recv(&mut self, id: SocketId, data: &mut [IoSliceMut<'_>], flags: i32) -> Result<Received> {
        if flags & MSG_OOB != 0 {
            return Err(Errno::EOPNOTSUPP.because(Reason::WrongKind));
        }
        let entry = self.sockets.get_mut(id)?;
        entry.take_error()?;
        let netlink = entry.netlink_mut()?;
        let front = netlink.queue.front().ok_or(Errno::EAGAIN.because(Reason::NoData))?;
        let (whole, copied) = (front.bytes.len(), scatter(data, &front.bytes));
        let groups = front.groups;
        if flags & MSG_PEEK == 0 {
            netlink.pop();
            if netlink.dump.is_some() {
                self.netlink_go_on(id)?;
            }
        }
        Ok(Received {
            len: if flags & MSG_TRUNC != 0 { whole } else { copied },
            from: Some(NetlinkAddr { pid: 0, groups }.into()),
            flags: if copied < whole { MSG_TRUNC } else { 0 },
            control: Vec::new(),
        })
    }
}
