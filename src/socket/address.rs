//! Everything that can stand for an address in a call.

use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::base::constants::{AF_INET, AF_INET6, AF_PACKET, AF_RDS, AF_UNIX, AI_PASSIVE, SOCK_STREAM};
use crate::base::{CanAddr, Errno, LinkAddr, Mac, Reason, Result, SockAddr, UnixAddr};
use crate::driver::Host;

/// Something that stands for addresses: a [`SockAddr`], an address of `std::net`, `(ip, port)`, or Python's `(host, port)`
/// and `(host, port, flowinfo, scope_id)` whose host may be a name (asked of the host's own resolver), `""` (every address)
/// or `"<broadcast>"`.
///
/// Of `AF_PACKET` sockets: a [`LinkAddr`], or Python's tuples `(interface, protocol)`, `(interface, protocol, packet_type)`,
/// `(interface, protocol, packet_type, hardware_type)` and `(interface, protocol, packet_type, hardware_type, address)`: the
/// interface is a name (`""` = every one), the protocol a plain number (`ETH_P_IP`), the address a [`Mac`] or bytes.
///
/// Of `AF_CAN` sockets: a [`CanAddr`], or Python's tuple `(interface,)`; of CAN_ISOTP a [`CanAddr::isotp`], of
/// CAN_J1939 a [`CanAddr::j1939`].
///
/// Of `AF_UNIX` sockets: a [`UnixAddr`], a path, a string or bytes: a path, `"\0name"` for an abstract name, `""` for none.
pub trait ToSockAddr {
    /// The addresses, the best one first. `family` is the socket's (`AF_UNSPEC` = any), `passive` true for bind.
    ///
    /// # Errors
    /// Those of getaddrinfo(3), as negative numbers.
    fn to_sock_addrs(&self, host: &Host, family: i32, passive: bool) -> Result<Vec<SockAddr>>;
}

macro_rules! addresses {
    ($($kind:ty),*) => {$(
        impl ToSockAddr for $kind {
            fn to_sock_addrs(&self, _: &Host, _: i32, _: bool) -> Result<Vec<SockAddr>> {
                Ok(vec![(*self).into()])
            }
        }
    )*};
}

addresses!(
    SockAddr,
    LinkAddr,
    CanAddr,
    UnixAddr,
    SocketAddr,
    SocketAddrV4,
    SocketAddrV6,
    (IpAddr, u16),
    (Ipv4Addr, u16),
    (Ipv6Addr, u16),
    ([u8; 4], u16)
);

impl ToSockAddr for (&str, u16) {
    fn to_sock_addrs(&self, host: &Host, family: i32, passive: bool) -> Result<Vec<SockAddr>> {
        let (name, port) = *self;
        if family == AF_PACKET {
            return link(host, name, port, 0, 0, &[]);
        }
        let any = || match family {
            AF_INET6 => vec![(Ipv6Addr::UNSPECIFIED, port).into()],
            _ => vec![(Ipv4Addr::UNSPECIFIED, port).into()],
        };
        match name {
            "" => Ok(any()),
            "<broadcast>" => Ok(vec![(Ipv4Addr::BROADCAST, port).into()]),
            _ => resolve(host, name, port, family, passive),
        }
    }
}

/// Python's address of AF_CAN: `(interface,)`.
impl ToSockAddr for (&str,) {
    fn to_sock_addrs(&self, host: &Host, _: i32, _: bool) -> Result<Vec<SockAddr>> {
        let interface = if self.0.is_empty() { 0 } else { host.if_nametoindex(self.0)? };
        Ok(vec![CanAddr::new(interface).into()])
    }
}

impl ToSockAddr for (String, u16) {
    fn to_sock_addrs(&self, host: &Host, family: i32, passive: bool) -> Result<Vec<SockAddr>> {
        (self.0.as_str(), self.1).to_sock_addrs(host, family, passive)
    }
}

/// Python's address of AF_INET6: `(host, port, flowinfo, scope_id)`; of AF_PACKET: `(interface, protocol, packet_type,
/// hardware_type)`.
impl ToSockAddr for (&str, u16, u32, u32) {
    fn to_sock_addrs(&self, host: &Host, family: i32, passive: bool) -> Result<Vec<SockAddr>> {
        let (name, port, flowinfo, scope) = *self;
        if family == AF_PACKET {
            return link(host, name, port, flowinfo, scope, &[]);
        }
        let mut found = (name, port).to_sock_addrs(host, family, passive)?;
        for address in &mut found {
            if let SockAddr::V6(address) = address {
                address.set_flowinfo(flowinfo);
                if scope != 0 {
                    address.set_scope_id(scope);
                }
            }
        }
        Ok(found)
    }
}

/// Python's address of AF_PACKET: `(interface, protocol, packet_type)`.
impl ToSockAddr for (&str, u16, u8) {
    fn to_sock_addrs(&self, host: &Host, _: i32, _: bool) -> Result<Vec<SockAddr>> {
        link(host, self.0, self.1, self.2.into(), 0, &[])
    }
}

/// Python's address of AF_PACKET: `(interface, protocol, packet_type, hardware_type, address)`.
impl ToSockAddr for (&str, u16, u8, u16, &[u8]) {
    fn to_sock_addrs(&self, host: &Host, _: i32, _: bool) -> Result<Vec<SockAddr>> {
        link(host, self.0, self.1, self.2.into(), self.3.into(), self.4)
    }
}

impl ToSockAddr for (&str, u16, u8, u16, Mac) {
    fn to_sock_addrs(&self, host: &Host, _: i32, _: bool) -> Result<Vec<SockAddr>> {
        link(host, self.0, self.1, self.2.into(), self.3.into(), &self.4.0)
    }
}

/// What stands in `sun_path`. Of another family than AF_UNIX it is no address.
impl ToSockAddr for [u8] {
    fn to_sock_addrs(&self, _: &Host, family: i32, _: bool) -> Result<Vec<SockAddr>> {
        if family != AF_UNIX {
            return Err(Errno::EAFNOSUPPORT.because(Reason::WrongFamily));
        }
        Ok(vec![UnixAddr::from_bytes(self)?.into()])
    }
}

impl<const N: usize> ToSockAddr for [u8; N] {
    fn to_sock_addrs(&self, host: &Host, family: i32, passive: bool) -> Result<Vec<SockAddr>> {
        self.as_slice().to_sock_addrs(host, family, passive)
    }
}

impl ToSockAddr for Path {
    fn to_sock_addrs(&self, host: &Host, family: i32, passive: bool) -> Result<Vec<SockAddr>> {
        let path: &OsStr = self.as_os_str();
        path.as_bytes().to_sock_addrs(host, family, passive)
    }
}

impl ToSockAddr for PathBuf {
    fn to_sock_addrs(&self, host: &Host, family: i32, passive: bool) -> Result<Vec<SockAddr>> {
        self.as_path().to_sock_addrs(host, family, passive)
    }
}

/// `"host:port"` as `std::net` has it: `"localhost:80"`, `"[2001:db8::1]:80"`. Of AF_UNIX a path, or `"\0name"`.
impl ToSockAddr for str {
    fn to_sock_addrs(&self, host: &Host, family: i32, passive: bool) -> Result<Vec<SockAddr>> {
        if family == AF_UNIX {
            return self.as_bytes().to_sock_addrs(host, family, passive);
        }
        let wrong = || Errno::EINVAL.with(format!("`{self}` is not host:port"));
        let (name, port) = self.rsplit_once(':').ok_or_else(wrong)?;
        let port: u16 = port.parse().map_err(|_| wrong())?;
        let name = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')).unwrap_or(name);
        (name, port).to_sock_addrs(host, family, passive)
    }
}

impl ToSockAddr for String {
    fn to_sock_addrs(&self, host: &Host, family: i32, passive: bool) -> Result<Vec<SockAddr>> {
        self.as_str().to_sock_addrs(host, family, passive)
    }
}

/// Several addresses, to be tried in their order.
impl ToSockAddr for [SocketAddr] {
    fn to_sock_addrs(&self, _: &Host, _: i32, _: bool) -> Result<Vec<SockAddr>> {
        Ok(self.iter().map(|&a| a.into()).collect())
    }
}

impl<T: ToSockAddr + ?Sized> ToSockAddr for &T {
    fn to_sock_addrs(&self, host: &Host, family: i32, passive: bool) -> Result<Vec<SockAddr>> {
        (**self).to_sock_addrs(host, family, passive)
    }
}

/// struct sockaddr_ll of an interface's name and the rest of Python's tuple.
fn link(
    host: &Host,
    name: &str,
    protocol: u16,
    kind: u32,
    hardware: u32,
    address: &[u8],
) -> Result<Vec<SockAddr>> {
    let wrong = |what| Errno::EINVAL.with(what);
    let interface = if name.is_empty() { 0 } else { host.if_nametoindex(name)? };
    let mut bytes = [0; 8];
    let room =
        bytes.get_mut(..address.len()).ok_or_else(|| wrong("a station's address has at most 8 bytes"))?;
    room.copy_from_slice(address);
    let address = LinkAddr {
        protocol,
        interface,
        hardware: hardware.try_into().map_err(|_| wrong("a hardware type (ARPHRD_*) is at most 65535"))?,
        packet_type: kind.try_into().map_err(|_| wrong("a packet type (PACKET_*) is at most 255"))?,
        address: bytes,
        length: address.len() as u8,
    };
    Ok(vec![address.into()])
}

/// A number, or a name for the resolver. The socket's type does not matter here, so one of them is enough.
fn resolve(host: &Host, name: &str, port: u16, family: i32, passive: bool) -> Result<Vec<SockAddr>> {
    let flags = if passive { AI_PASSIVE } else { 0 };
    // RDS has addresses of both families; a name means one of AF_INET, as in Python.
    let family = match family {
        AF_RDS if name.parse::<Ipv6Addr>().is_ok() => AF_INET6,
        AF_RDS => AF_INET,
        family => family,
    };
    let found = host.getaddrinfo(Some(name), Some(&port.to_string()), family, SOCK_STREAM, 0, flags)?;
    Ok(found.into_iter().map(|info| info.address).collect())
}
