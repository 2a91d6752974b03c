//! struct sockaddr, as the kernel's arm reads and writes it.

use std::mem::{offset_of, size_of, zeroed};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};

use libc::socklen_t;
use sockatoo::base::constants::*;
use sockatoo::{SockAddr, UnixAddr};

/// struct sockaddr's bytes.
pub fn encode(address: SockAddr) -> (libc::sockaddr_storage, socklen_t) {
    let mut storage: libc::sockaddr_storage = unsafe { zeroed() };
    let len = match address {
        SockAddr::V4(a) => {
            let sin = libc::sockaddr_in {
                sin_family: AF_INET as u16,
                sin_port: a.port().to_be(),
                sin_addr: libc::in_addr { s_addr: a.ip().to_bits().to_be() },
                sin_zero: [0; 8],
            };
            unsafe { std::ptr::write((&raw mut storage).cast(), sin) };
            size_of::<libc::sockaddr_in>()
        }
        SockAddr::V6(a) => {
            let sin6 = libc::sockaddr_in6 {
                sin6_family: AF_INET6 as u16,
                sin6_port: a.port().to_be(),
                // In network byte order.
                sin6_flowinfo: a.flowinfo().to_be(),
                sin6_addr: libc::in6_addr { s6_addr: a.ip().octets() },
                sin6_scope_id: a.scope_id(),
            };
            unsafe { std::ptr::write((&raw mut storage).cast(), sin6) };
            size_of::<libc::sockaddr_in6>()
        }
        SockAddr::Link(a) => {
            let (link, len) = crate::link::encode(&a);
            storage = link;
            len
        }
        SockAddr::Unix(a) => {
            let path = a.as_bytes();
            let mut sun: libc::sockaddr_un = unsafe { zeroed() };
            sun.sun_family = AF_UNIX as u16;
            sun.sun_path.iter_mut().zip(path).for_each(|(to, from)| *to = *from as libc::c_char);
            unsafe { std::ptr::write((&raw mut storage).cast(), sun) };
            offset_of!(libc::sockaddr_un, sun_path) + path.len()
        }
        _ => size_of::<libc::sockaddr>(),
    };
    (storage, len as socklen_t)
}

/// The address in so many bytes.
pub fn decode(storage: &libc::sockaddr_storage, len: socklen_t) -> Option<SockAddr> {
    match i32::from(storage.ss_family) {
        _ if len == 0 => None,
        AF_INET => {
            let sin: libc::sockaddr_in = unsafe { std::ptr::read((&raw const *storage).cast()) };
            let ip = Ipv4Addr::from_bits(u32::from_be(sin.sin_addr.s_addr));
            Some(SocketAddrV4::new(ip, u16::from_be(sin.sin_port)).into())
        }
        AF_INET6 => {
            let sin6: libc::sockaddr_in6 = unsafe { std::ptr::read((&raw const *storage).cast()) };
            let ip = Ipv6Addr::from(sin6.sin6_addr.s6_addr);
            let port = u16::from_be(sin6.sin6_port);
            Some(SocketAddrV6::new(ip, port, u32::from_be(sin6.sin6_flowinfo), sin6.sin6_scope_id).into())
        }
        AF_PACKET => Some(crate::link::decode(storage)),
        AF_UNIX => {
            let sun: libc::sockaddr_un = unsafe { std::ptr::read((&raw const *storage).cast()) };
            let len = (len as usize).saturating_sub(offset_of!(libc::sockaddr_un, sun_path));
            let path: Vec<u8> = sun.sun_path.iter().take(len).map(|byte| *byte as u8).collect();
            Some(UnixAddr::from_bytes(&path).expect("sun_path").into())
        }
        _ => None,
    }
}
