//! rtnetlink(7): interfaces made and set up, so that nobody needs the program `ip`.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::kernel_tables::Attributes;
use super::{PollFd, clock, descriptor, poll};
use crate::base::Cidr;

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
        let mut request = Request::new(libc::RTM_NEWLINK, NEW, &head(pair));
        request.attribute(IFLA_IFNAME, &terminated(name));
        request.nested(IFLA_LINKINFO, |info| {
            info.attribute(IFLA_INFO_KIND, b"veth");
            info.nested(IFLA_INFO_DATA, |data| {
                data.nested(VETH_INFO_PEER, |other| {
                    other.bytes.extend(head(pair + 1));
                    other.attribute(IFLA_IFNAME, &terminated(peer));
                    other.attribute(IFLA_NET_NS_FD, &peer_namespace.as_raw_fd().to_ne_bytes());
                });
            });
        });
        self.ask(request)
    }

    /// Removes an interface; of a veth, both ends.
    pub(crate) fn remove_link(&self, index: u32) -> io::Result<()> {
        // struct ifinfomsg: family, pad, type (16 bits), index, flags, change.
        let mut head = [0; 16];
        head[4..8].copy_from_slice(&index.to_ne_bytes());
        self.ask(Request::new(libc::RTM_DELLINK, 0, &head))
    }

    /// Gives an interface an address.
    pub(crate) fn add_address(&self, index: u32, address: Cidr) -> io::Result<()> {
        // struct ifaddrmsg: family, prefix length, flags, scope, index.
        let mut head = [family(address.address()), address.prefix(), 0, 0, 0, 0, 0, 0];
        head[4..].copy_from_slice(&index.to_ne_bytes());
        let mut request = Request::new(libc::RTM_NEWADDR, NEW, &head);
        request.attribute(IFA_LOCAL, &octets(address.address()));
        request.attribute(IFA_ADDRESS, &octets(address.address()));
        match address.broadcast() {
            Some(broadcast) => request.attribute(IFA_BROADCAST, &broadcast.octets()),
            None => request.attribute(IFA_FLAGS, &IFA_F_NODAD.to_ne_bytes()),
        }
        self.ask(request)
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
        let mut request = Request::new(libc::RTM_NEWROUTE, NEW, &head);
        if let Some(network) = network {
            request.attribute(RTA_DST, &octets(network.network()));
        }
        if let Some(via) = via {
            request.attribute(RTA_GATEWAY, &octets(via));
        }
        if index != 0 {
            request.attribute(RTA_OIF, &index.to_ne_bytes());
        }
        self.ask(request)
    }

    /// Sends a request and waits for its acknowledgement: the kernel makes it before send(2) returns.
    fn ask(&self, request: Request) -> io::Result<()> {
        descriptor::send(self.0.as_fd(), &request.finish(), 0)?;
        let mut answer = [0; 4096];
        let n = descriptor::recv(self.0.as_fd(), &mut answer, 0)?;
        // struct nlmsghdr: length, type (16 bits), flags, sequence, port; then nlmsgerr: the negative errno, 0 = done.
        let field =
            |at: usize| answer[..n].get(at..at + 4).and_then(|b| b.try_into().ok()).map(i32::from_ne_bytes);
        match (field(4).map(|kind| kind & 0xffff), field(16)) {
            (Some(libc::NLMSG_ERROR), Some(0)) => Ok(()),
            (Some(libc::NLMSG_ERROR), Some(error)) => Err(io::Error::from_raw_os_error(error.wrapping_neg())),
            _ => Err(io::Error::from_raw_os_error(libc::EPROTO)),
        }
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

/// One of these messages (struct nlmsghdr, struct ifinfomsg, attributes) says that the interface runs: IFF_RUNNING, and
/// the operational state up. An interface whose carrier was never looked at is "unknown", runs too, and loses what is sent.
fn tells_running(mut messages: &[u8], index: u32) -> bool {
    let word = |message: &[u8], at: usize| {
        message.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_ne_bytes)
    };
    while messages.len() >= 32 {
        let length = word(messages, 0) as usize;
        let is_link = word(messages, 4) as u16 == libc::RTM_NEWLINK;
        let runs =
            is_link && word(messages, 20) == index && word(messages, 24) & libc::IFF_RUNNING as u32 != 0;
        let attributes = messages.get(32..length.min(messages.len())).unwrap_or_default();
        if runs
            && Attributes(attributes).get(IFLA_OPERSTATE).is_none_or(|state| state.first() == Some(&OPER_UP))
        {
            return true;
        }
        messages = messages.get(length.next_multiple_of(4).max(16)..).unwrap_or_default();
    }
    false
}

/// A message under construction: struct nlmsghdr, a fixed head, attributes.
pub(super) struct Request {
    bytes: Vec<u8>,
}

impl Request {
    pub(super) fn new(kind: u16, flags: i32, head: &[u8]) -> Self {
        let flags = (libc::NLM_F_REQUEST | libc::NLM_F_ACK | flags) as u16;
        let mut bytes = vec![0; 4];
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend([0; 8]); // sequence and port: one request at a time, the kernel's answer
        bytes.extend(head);
        Self { bytes }
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.nested(kind, |inner| inner.bytes.extend(value));
    }

    /// struct rtattr: length (header included), type; the value, padded to four bytes.
    fn nested(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.bytes.extend([0; 2]);
        self.bytes.extend(kind.to_ne_bytes());
        fill(self);
        let length = (self.bytes.len() - start) as u16;
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        let length = self.bytes.len() as u32;
        self.bytes[..4].copy_from_slice(&length.to_ne_bytes());
        self.bytes
    }
}

fn terminated(name: &str) -> Vec<u8> {
    name.bytes().chain([0]).collect()
}

const fn family(address: IpAddr) -> u8 {
    (if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 }) as u8
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(a) => a.octets().to_vec(),
        IpAddr::V6(a) => a.octets().to_vec(),
    }
}
