//! rtnetlink(7): interfaces made and set up, so that nobody needs the program `ip`.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use super::descriptor;
use crate::base::Cidr;

// linux/if_link.h, linux/if_addr.h, linux/rtnetlink.h, linux/veth.h
const IFLA_IFNAME: u16 = 3;
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
/// The address is used at once, without duplicate address detection.
const IFA_F_NODAD: u32 = 2;
const NEW: i32 = libc::NLM_F_CREATE | libc::NLM_F_EXCL;

/// A socket to ask with. It asks in the network namespace in which it was made.
#[derive(Debug)]
pub(crate) struct Rtnetlink(OwnedFd);

impl Rtnetlink {
    pub(crate) fn new() -> io::Result<Self> {
        descriptor::socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE).map(Self)
    }

    /// Makes a pair of veth interfaces: `name` here, `peer` in the namespace given. Both are down.
    pub(crate) fn add_veth(&self, name: &str, peer: &str, peer_namespace: BorrowedFd<'_>) -> io::Result<()> {
        let mut request = Request::new(libc::RTM_NEWLINK, NEW, &[0; 16]);
        request.attribute(IFLA_IFNAME, &terminated(name));
        request.nested(IFLA_LINKINFO, |info| {
            info.attribute(IFLA_INFO_KIND, b"veth");
            info.nested(IFLA_INFO_DATA, |data| {
                data.nested(VETH_INFO_PEER, |other| {
                    other.bytes.extend([0; 16]); // struct ifinfomsg
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

/// A message under construction: struct nlmsghdr, a fixed head, attributes.
struct Request {
    bytes: Vec<u8>,
}

impl Request {
    fn new(kind: u16, flags: i32, head: &[u8]) -> Self {
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

    fn finish(mut self) -> Vec<u8> {
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
