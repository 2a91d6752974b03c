//! Addresses: of stations, of networks, of sockets, of interfaces. IP addresses are `std::net`'s.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::str::FromStr;

use super::{CanAddr, Errno, Error, UnixAddr};

/// An Ethernet address (EUI-48).
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, serde::Serialize, serde::Deserialize,
)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// `ff:ff:ff:ff:ff:ff`.
    pub const BROADCAST: Self = Self([0xff; 6]);
    /// `00:00:00:00:00:00`: the loopback's, and "not known".
    pub const ZERO: Self = Self([0; 6]);

    /// True for group addresses, broadcast included.
    pub const fn is_multicast(self) -> bool {
        self.0[0] & 1 != 0
    }

    /// RFC 1112 6.4: the low 23 bits of the group's address behind 01:00:5e.
    /// RFC 2464 7: the last four bytes of the group's address behind 33:33.
    pub const fn of_group(group: IpAddr) -> Self {
        match group {
            IpAddr::V4(a) => {
                let [_, b, c, d] = a.octets();
                Self([0x01, 0x00, 0x5e, b & 0x7f, c, d])
            }
            IpAddr::V6(a) => {
                let o = a.octets();
                Self([0x33, 0x33, o[12], o[13], o[14], o[15]])
            }
        }
    }

    /// RFC 4291 Appendix A: the interface identifier of a 48-bit MAC (modified EUI-64).
    pub const fn eui64(self) -> [u8; 8] {
        let m = self.0;
        [m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]]
    }

    /// The link-local IPv6 address that RFC 4862 5.3 makes of this MAC.
    pub fn link_local(self) -> Ipv6Addr {
        let mut octets = [0; 16];
        octets[0] = 0xfe;
        octets[1] = 0x80;
        octets[8..].copy_from_slice(&self.eui64());
        octets.into()
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Mac {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || {
            Errno::EINVAL
                .with(format!("`{text}` is not a MAC address (want six hex bytes, as 02:00:00:00:00:01)"))
        };
        let mut bytes = [0; 6];
        let mut parts = text.split([':', '-']);
        for byte in &mut bytes {
            *byte = parts.next().and_then(|p| u8::from_str_radix(p, 16).ok()).ok_or_else(wrong)?;
        }
        if parts.next().is_some() { Err(wrong()) } else { Ok(Self(bytes)) }
    }
}

/// An address with the length of its network's prefix: `192.0.2.1/24`, `2001:db8::1/64`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "(IpAddr, u8)", into = "(IpAddr, u8)")]
pub struct Cidr {
    address: IpAddr,
    prefix: u8,
}

impl TryFrom<(IpAddr, u8)> for Cidr {
    type Error = Error;

    /// What comes from another process may be anything.
    fn try_from((address, prefix): (IpAddr, u8)) -> Result<Self, Error> {
        Self::new(address, prefix)
    }
}

impl From<Cidr> for (IpAddr, u8) {
    fn from(cidr: Cidr) -> Self {
        (cidr.address, cidr.prefix)
    }
}

impl Cidr {
    /// EINVAL if `prefix` is longer than the address.
    pub fn new(address: IpAddr, prefix: u8) -> Result<Self, Error> {
        let max = if address.is_ipv4() { 32 } else { 128 };
        if prefix > max {
            return Err(Errno::EINVAL.with(format!("/{prefix} is longer than the {max} bits of {address}")));
        }
        Ok(Self { address, prefix })
    }

    /// The address, host part included.
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// The prefix's length in bits.
    pub const fn prefix(&self) -> u8 {
        self.prefix
    }

    /// The network's first address.
    pub fn network(&self) -> IpAddr {
        mask(self.address, self.prefix)
    }

    /// True if `address` lies in this network.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4() && mask(address, self.prefix) == self.network()
    }

    /// The subnet's broadcast address; IPv4 networks up to /30 have one.
    pub fn broadcast(&self) -> Option<Ipv4Addr> {
        match self.address {
            IpAddr::V4(a) if self.prefix < 31 => Some(Ipv4Addr::from_bits(
                a.to_bits() | u32::MAX.checked_shr(u32::from(self.prefix)).unwrap_or(0),
            )),
            _ => None,
        }
    }
}

fn mask(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(a) => IpAddr::V4(Ipv4Addr::from_bits(
            a.to_bits() & u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0),
        )),
        IpAddr::V6(a) => IpAddr::V6(Ipv6Addr::from_bits(
            a.to_bits() & u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0),
        )),
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl fmt::Debug for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Cidr {
    type Err = Error;
    /// Without `/n` the prefix is the whole address.
    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || {
            Errno::EINVAL
                .with(format!("`{text}` is not an address with prefix (as 192.0.2.1/24 or 2001:db8::1/64)"))
        };
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        match prefix {
            None => Self::new(address, if address.is_ipv4() { 32 } else { 128 }),
            Some(prefix) => Self::new(address, prefix.parse().map_err(|_| wrong())?),
        }
    }
}

/// The number of an interface on its host, from 1. Interface 1 is `lo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct IfIndex(pub u32);

impl IfIndex {
    /// The loopback interface that every host has.
    pub const LO: Self = Self(1);
}

impl fmt::Display for IfIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The address of a socket: struct sockaddr with its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum SockAddr {
    /// AF_UNSPEC: connect(2) with it dissolves the association.
    Unspec,
    /// AF_INET, ip(7).
    V4(SocketAddrV4),
    /// AF_INET6, ipv6(7). The scope is the [`IfIndex`] of a link-local address.
    V6(#[serde(with = "sockaddr_in6")] SocketAddrV6),
    /// AF_PACKET, packet(7).
    Link(LinkAddr),
    /// AF_NETLINK, netlink(7).
    Netlink(NetlinkAddr),
    /// AF_CAN.
    Can(CanAddr),
    /// AF_UNIX, unix(7).
    Unix(UnixAddr),
}

/// Serde's own form of a `SocketAddrV6` leaves its scope out.
mod sockaddr_in6 {
    use std::net::{Ipv6Addr, SocketAddrV6};

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(address: &SocketAddrV6, to: S) -> Result<S::Ok, S::Error> {
        (address.ip(), address.port(), address.flowinfo(), address.scope_id()).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<SocketAddrV6, D::Error> {
        let (ip, port, flowinfo, scope) = <(Ipv6Addr, u16, u32, u32)>::deserialize(from)?;
        Ok(SocketAddrV6::new(ip, port, flowinfo, scope))
    }
}

/// struct sockaddr_nl, netlink(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
pub struct NetlinkAddr {
    /// The socket's number (`nl_pid`); 0 = the kernel, to bind: any.
    pub pid: u32,
    /// RTMGRP_*.
    pub groups: u32,
}

/// struct sockaddr_ll, packet(7): an interface, a protocol, a station.
///
/// `protocol` is a plain number here, as in Python's tuples; C's `sll_protocol` is in network byte order. The protocol that
/// socket(2) is given for AF_PACKET is in network byte order everywhere: `htons(ETH_P_ALL)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
pub struct LinkAddr {
    /// ETH_P_*, as a plain number (not in network byte order); 0 = the socket's own.
    pub protocol: u16,
    /// [`IfIndex`]; 0 = any.
    pub interface: u32,
    /// ARPHRD_*: only in received addresses.
    pub hardware: u16,
    /// PACKET_HOST, PACKET_BROADCAST, PACKET_MULTICAST, PACKET_OTHERHOST, PACKET_OUTGOING: only in received addresses.
    pub packet_type: u8,
    /// The station's address; `length` of its bytes count.
    pub address: [u8; 8],
    /// Bytes of `address`: 6 of an Ethernet, 0 to bind.
    pub length: u8,
}

impl LinkAddr {
    /// Frames of one protocol (ETH_P_*) on one interface: what bind(2) takes.
    pub const fn bind(interface: IfIndex, protocol: u16) -> Self {
        Self { protocol, interface: interface.0, hardware: 0, packet_type: 0, address: [0; 8], length: 0 }
    }

    /// A station on an interface: what sendto(2) takes.
    pub const fn station(interface: IfIndex, protocol: u16, mac: Mac) -> Self {
        let [a, b, c, d, e, f] = mac.0;
        Self { address: [a, b, c, d, e, f, 0, 0], length: 6, ..Self::bind(interface, protocol) }
    }

    /// The station's address, if it is an Ethernet's.
    pub fn mac(&self) -> Option<Mac> {
        let [a, b, c, d, e, f, ..] = self.address;
        (self.length == 6).then_some(Mac([a, b, c, d, e, f]))
    }
}

impl fmt::Display for LinkAddr {
    /// `interface 2, protocol 0x0800, 02:00:00:00:00:01`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "interface {}, protocol 0x{:04x}", self.interface, self.protocol)?;
        self.mac().map_or(Ok(()), |mac| write!(f, ", {mac}"))
    }
}

impl SockAddr {
    /// The IP address and port, if the family has them.
    pub const fn inet(&self) -> Option<SocketAddr> {
        match self {
            Self::V4(a) => Some(SocketAddr::V4(*a)),
            Self::V6(a) => Some(SocketAddr::V6(*a)),
            Self::Unspec | Self::Link(_) | Self::Netlink(_) | Self::Can(_) | Self::Unix(_) => None,
        }
    }

    /// The address of a packet socket or a frame, if it is one.
    pub const fn link(&self) -> Option<&LinkAddr> {
        match self {
            Self::Link(address) => Some(address),
            _ => None,
        }
    }

    /// The name of an AF_UNIX socket, if it is one.
    pub const fn unix(&self) -> Option<&UnixAddr> {
        match self {
            Self::Unix(address) => Some(address),
            _ => None,
        }
    }

    /// The AF_* number.
    pub const fn family(&self) -> i32 {
        match self {
            Self::Unspec => super::constants::AF_UNSPEC,
            Self::V4(_) => super::constants::AF_INET,
            Self::V6(_) => super::constants::AF_INET6,
            Self::Link(_) => super::constants::AF_PACKET,
            Self::Netlink(_) => super::constants::AF_NETLINK,
            Self::Can(_) => super::constants::AF_CAN,
            Self::Unix(_) => super::constants::AF_UNIX,
        }
    }
}

impl From<SocketAddr> for SockAddr {
    fn from(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V4(a) => Self::V4(a),
            SocketAddr::V6(a) => Self::V6(a),
        }
    }
}

impl From<SocketAddrV4> for SockAddr {
    fn from(address: SocketAddrV4) -> Self {
        Self::V4(address)
    }
}

impl From<SocketAddrV6> for SockAddr {
    fn from(address: SocketAddrV6) -> Self {
        Self::V6(address)
    }
}

impl From<NetlinkAddr> for SockAddr {
    fn from(address: NetlinkAddr) -> Self {
        Self::Netlink(address)
    }
}

impl From<CanAddr> for SockAddr {
    fn from(address: CanAddr) -> Self {
        Self::Can(address)
    }
}

impl From<UnixAddr> for SockAddr {
    fn from(address: UnixAddr) -> Self {
        Self::Unix(address)
    }
}

impl From<LinkAddr> for SockAddr {
    fn from(address: LinkAddr) -> Self {
        Self::Link(address)
    }
}

impl<I: Into<IpAddr>> From<(I, u16)> for SockAddr {
    fn from((address, port): (I, u16)) -> Self {
        SocketAddr::new(address.into(), port).into()
    }
}

impl fmt::Display for SockAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(address) => write!(f, "{address}"),
            Self::V6(address) => write!(f, "{address}"),
            Self::Link(address) => write!(f, "{address}"),
            Self::Netlink(NetlinkAddr { pid, groups }) => write!(f, "pid {pid}, groups 0x{groups:08x}"),
            Self::Can(address) => write!(f, "{address}"),
            Self::Unix(address) => write!(f, "{address}"),
            Self::Unspec => write!(f, "(unspecified)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cidr_knows_its_network() {
        let net: Cidr = "192.0.2.77/24".parse().unwrap();
        assert_eq!(net.network().to_string(), "192.0.2.0");
        assert_eq!(net.broadcast().unwrap().to_string(), "192.0.2.255");
        assert!(net.contains("192.0.2.1".parse().unwrap()) && !net.contains("192.0.3.1".parse().unwrap()));
        let all: Cidr = "::/0".parse().unwrap();
        assert!(all.contains("2001:db8::1".parse().unwrap()) && !all.contains("192.0.2.1".parse().unwrap()));
        assert_eq!("0.0.0.0/0".parse::<Cidr>().unwrap().broadcast().unwrap(), Ipv4Addr::BROADCAST);
        assert!("192.0.2.1/33".parse::<Cidr>().is_err() && "192.0.2/24".parse::<Cidr>().is_err());
    }

    #[test]
    fn mac_makes_its_link_local_address() {
        let mac: Mac = "02:00:5e:10:00:01".parse().unwrap();
        assert_eq!(mac.link_local().to_string(), "fe80::5eff:fe10:1");
        assert!("02:00:5e:10:00".parse::<Mac>().is_err() && "02:00:5e:10:00:01:02".parse::<Mac>().is_err());
        assert_eq!(Mac::of_group("ff02::1:ff10:1".parse().unwrap()).to_string(), "33:33:ff:10:00:01");
    }
}
