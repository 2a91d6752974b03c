//! rtnetlink(7): interfaces made and set up, so that nobody needs the program `ip`.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::{PollFd, clock, descriptor, poll};
use crate::base::Cidr;
use crate::base::netlink::{Draft, messages};

// linux/if_link.h, linux/if_addr.h, linux/rtnetlink.h, linux/veth.h
const IFLA_IFNAME: u16 = 3;
const IFLA_OPERSTATE: u16 = 16;
const IFLA_LINKINFO: u16 = 18;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;
const IFA_FLAGS: u16 = 8;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
/// IF_OPER_UP (RFC 2863).
const OPER_UP: u8 = 6;
/// The address is used at once, without duplicate address detection.
const IFA_F_NODAD: u32 = 2;
const NEW: i32 = libc::NLM_F_CREATE | libc::NLM_F_EXCL;

/// The indexes that the next pair of veth interfaces gets: far from those that the kernel gives by itself.
static VETH_INDEXES: AtomicU32 = AtomicU32::new(1_000_000);

/// A socket to ask with. It asks in the network namespace in which it was made.
#[derive(Debug)]
pub(crate) struct Rtnetlink(OwnedFd);

impl Rtnetlink {
    pub(crate) fn new() -> io::Result<Self> {
        descriptor::socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE).map(Self)
    }

    /// Makes a pair of veth interfaces: `name` here, `peer` in the namespace given. Both are down.
    pub(crate) fn add_veth(&self, name: &str, peer: &str, peer_namespace: BorrowedFd<'_>) -> io::Result<()> {
        // Different indexes: the kernel takes up to a second to notice the carrier of an end that has its peer's
        // (linkwatch_urgent_event).
        let pair = VETH_INDEXES.fetch_add(2, Ordering::Relaxed);
        let head = |index: u32| [[0; 4], index.to_ne_bytes(), [0; 4], [0; 4]].concat(); // struct ifinfomsg
        let request = Draft::new(libc::RTM_NEWLINK, &head(pair)).string(IFLA_IFNAME, name);
        let request = request.nested(IFLA_LINKINFO, |info| {
            info.with(IFLA_INFO_KIND, b"veth").nested(IFLA_INFO_DATA, |data| {
                data.nested(VETH_INFO_PEER, |other| {
                    let other = other.raw(&head(pair + 1)).string(IFLA_IFNAME, peer);
                    other.with(IFLA_NET_NS_FD, &peer_namespace.as_raw_fd().to_ne_bytes())
                })
            })
        });
        self.ask(request, NEW)
    }

    /// Removes an interface; of a veth, both ends.
    pub(crate) fn remove_link(&self, index: u32) -> io::Result<()> {
        // struct ifinfomsg: family, pad, type (16 bits), index, flags, change.
        let mut head = [0; 16];
        head[4..8].copy_from_slice(&index.to_ne_bytes());
        self.ask(Draft::new(libc::RTM_DELLINK, &head), 0)
    }

    /// Gives an interface an address.
    pub(crate) fn add_address(&self, index: u32, address: Cidr) -> io::Result<()> {
        // struct ifaddrmsg: family, prefix length, flags, scope, index.
        let mut head = [family(address.address()), address.prefix(), 0, 0, 0, 0, 0, 0];
        head[4..].copy_from_slice(&index.to_ne_bytes());
        let request = Draft::new(libc::RTM_NEWADDR, &head);
        let request = request.address(IFA_LOCAL, address.address()).address(IFA_ADDRESS, address.address());
        let request = match address.broadcast() {
            Some(broadcast) => request.address(IFA_BROADCAST, broadcast.into()),
            None => request.number(IFA_FLAGS, IFA_F_NODAD),
        };
        self.ask(request, NEW)
    }

    /// Adds a route; `None` as network is the default route. Without `via` the network is on the link of `index`; 0 there
    /// leaves the interface to the kernel, which finds it by the gateway.
    pub(crate) fn add_route(&self, network: Option<Cidr>, via: Option<IpAddr>, index: u32) -> io::Result<()> {
        const RT_TABLE_MAIN: u8 = 254;
        const RTPROT_BOOT: u8 = 3;
        const RT_SCOPE_LINK: u8 = 253;
        const RTN_UNICAST: u8 = 1;
        let Some(address) = via.or_else(|| network.map(|n| n.network())) else {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        };
        let prefix = network.map_or(0, |n| n.prefix());
        let scope = if via.is_some() || address.is_ipv6() { 0 } else { RT_SCOPE_LINK };
        // struct rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type, flags (32 bits).
        let head =
            [family(address), prefix, 0, 0, RT_TABLE_MAIN, RTPROT_BOOT, scope, RTN_UNICAST, 0, 0, 0, 0];
        let request =
            Draft::new(libc::RTM_NEWROUTE, &head).some_address(RTA_DST, network.map(|n| n.network()));
        let request = request.some_address(RTA_GATEWAY, via);
        self.ask(if index == 0 { request } else { request.number(RTA_OIF, index) }, NEW)
    }

    /// Sends a request and waits for its acknowledgement: the kernel makes it before send(2) returns.
    fn ask(&self, request: Draft, flags: i32) -> io::Result<()> {
        self.send(request, flags)?;
        let mut answer = [0; 4096];
        let n = descriptor::recv(self.0.as_fd(), &mut answer, 0)?;
        let answer = messages(answer.get(..n).unwrap_or_default()).next();
        // struct nlmsgerr: the negative errno, 0 = done.
        match answer.filter(|answer| i32::from(answer.kind) == libc::NLMSG_ERROR).map(|answer| answer.word(0))
        {
            Some(0) => Ok(()),
            Some(error) => Err(io::Error::from_raw_os_error((error as i32).wrapping_neg())),
            None => Err(io::Error::from_raw_os_error(libc::EPROTO)),
        }
    }

    /// One request at a time: its sequence and port say nothing.
    pub(super) fn send(&self, request: Draft, flags: i32) -> io::Result<()> {
        let flags = (libc::NLM_F_REQUEST | libc::NLM_F_ACK | flags) as u16;
        descriptor::send(self.0.as_fd(), &request.finish(flags, 0, 0), 0).map(drop)
    }
}

impl AsFd for Rtnetlink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Hears of every change of an interface, in the network namespace in which it was made.
#[derive(Debug)]
pub(crate) struct LinkWatch(OwnedFd);

impl LinkWatch {
    pub(crate) fn new() -> io::Result<Self> {
        let kind = libc::SOCK_RAW | libc::SOCK_NONBLOCK;
        let socket = descriptor::socket(libc::AF_NETLINK, kind, libc::NETLINK_ROUTE)?;
        // SAFETY: sockaddr_nl is plain data; all zeros is a value of it: the kernel chooses our number.
        let mut address: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
        address.nl_family = libc::AF_NETLINK as u16;
        address.nl_groups = libc::RTMGRP_LINK as u32;
        let length = super::length_of::<libc::sockaddr_nl>();
        let pointer = std::ptr::from_ref(&address).cast();
        // SAFETY: the pointer leads to a sockaddr_nl, of the length given.
        super::check(unsafe { libc::bind(socket.as_raw_fd(), pointer, length) })?;
        Ok(Self(socket))
    }

    /// Waits until the kernel has told that the interface runs (IFF_RUNNING: it is set up, has a carrier, and its queue is
    /// open). False if `timeout` came first.
    pub(crate) fn wait_running(&self, index: u32, timeout: Duration) -> io::Result<bool> {
        let deadline = clock::monotonic() + timeout;
        let mut buffer = vec![0; 1 << 16];
        loop {
            match descriptor::recv(self.0.as_fd(), &mut buffer, 0) {
                Ok(n) if tells_running(&buffer[..n], index) => return Ok(true),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let left = deadline.saturating_sub(clock::monotonic());
                    if left.is_zero() {
                        return Ok(false);
                    }
                    poll(&mut [PollFd::new(self.0.as_raw_fd(), true, false)], Some(left))?;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// One of these messages (struct ifinfomsg, attributes) says that the interface runs: IFF_RUNNING, and the operational state
/// up. An interface whose carrier was never looked at is "unknown", runs too, and loses what is sent.
fn tells_running(bytes: &[u8], index: u32) -> bool {
    messages(bytes).any(|message| {
        message.kind == libc::RTM_NEWLINK
            && message.word(4) == index
            && message.word(8) & libc::IFF_RUNNING as u32 != 0
            && message.attribute(16, IFLA_OPERSTATE).is_none_or(|state| state.first() == Some(&OPER_UP))
    })
}

const fn family(address: IpAddr) -> u8 {
    (if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 }) as u8
}
