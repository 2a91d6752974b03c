//! struct sockaddr of the families that we have: bytes and meaning.
//!
//! A program's address is read once ([`read`]) and understood by its own family; one for the program is laid out and cut to the
//! room that the program has ([`write`]).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};

use super::trap::Trap;
use crate::base::constants::{AF_CAN, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_UNSPEC};
use crate::base::{CanAddr, Errno, LinkAddr, NetlinkAddr, Reason, Result, SockAddr};

/// sizeof(struct sockaddr_storage).
const STORAGE: usize = 128;
/// sizeof(struct sockaddr_in).
const IN: usize = 16;
/// SIN6_LEN_RFC2133: struct sockaddr_in6 as it was before it had a scope.
const IN6_SHORT: usize = 24;
/// sizeof(struct sockaddr_ll), and where its station address begins.
const LL: usize = 20;
const LL_STATION: usize = 12;
/// Where `can_addr` begins in struct sockaddr_can.
const CAN_REST: usize = 8;

/// EINVAL, because the address is too short or too long.
fn wrong_length() -> crate::base::Error {
    Errno::EINVAL.because(Reason::AddressLength)
}

/// move_addr_to_kernel: the bytes of an address that the program gives. EINVAL for impossible lengths, EFAULT.
pub(super) fn read_bytes(trap: &Trap, at: u64, len: i32) -> Result<Vec<u8>> {
    match usize::try_from(len) {
        Ok(0) => Ok(Vec::new()),
        Ok(len) if len <= STORAGE => trap.read(at, len),
        _ => Err(wrong_length()),
    }
}

/// The address that the program gives. EINVAL, EAFNOSUPPORT, EFAULT.
pub(super) fn read(trap: &Trap, at: u64, len: i32) -> Result<SockAddr> {
    decode(&read_bytes(trap, at, len)?)
}

/// What the bytes mean: EINVAL if there are too few for their family, EAFNOSUPPORT for families that we don't have.
pub(super) fn decode(bytes: &[u8]) -> Result<SockAddr> {
    match family(bytes)? {
        AF_UNSPEC => Ok(SockAddr::Unspec),
        AF_INET => v4(bytes),
        AF_INET6 => v6(bytes),
        AF_PACKET => link(bytes),
        AF_CAN => {
            let interface = u32::from_ne_bytes(array(bytes, 4)?);
            Ok(CanAddr::with_rest(interface, bytes.get(CAN_REST..).unwrap_or_default()).into())
        }
        // sizeof(struct sockaddr_nl).
        AF_NETLINK => {
            let (pid, groups) = (array(bytes, 4)?, array(bytes, 8)?);
            Ok(NetlinkAddr { pid: u32::from_ne_bytes(pid), groups: u32::from_ne_bytes(groups) }.into())
        }
        // inet_bind_sk: the length comes before the family.
        _ if bytes.len() < IN => Err(wrong_length()),
        _ => Err(Errno::EAFNOSUPPORT.because(Reason::WrongDomain)),
    }
}

/// The destination of a message to a socket of `domain`. `None`: as if there were no address.
pub(super) fn destination(bytes: &[u8], domain: impl FnOnce() -> Result<i32>) -> Result<Option<SockAddr>> {
    if bytes.is_empty() {
        return Ok(None);
    }
    match decode(bytes)? {
        SockAddr::Unspec => match domain()? {
            // udp_sendmsg: "if (usin->sin_family != AF_INET) if (usin->sin_family != AF_UNSPEC) return -EAFNOSUPPORT".
            AF_INET => v4(bytes).map(Some),
            // udpv6_sendmsg: "case AF_UNSPEC: msg->msg_name = sin6 = NULL".
            AF_INET6 => Ok(None),
            _ => Err(Errno::EINVAL.because(Reason::WrongDomain)),
        },
        address => Ok(Some(address)),
    }
}

/// The address that a socket of `domain` is to be bound to.
pub(super) fn to_bind(bytes: &[u8], domain: impl FnOnce() -> Result<i32>) -> Result<SockAddr> {
    match decode(bytes)? {
        // __inet_bind: AF_UNSPEC is taken for AF_INET where the address is INADDR_ANY.
        SockAddr::Unspec if domain()? == AF_INET => match v4(bytes)? {
            SockAddr::V4(any) if any.ip().is_unspecified() => Ok(any.into()),
            _ => Err(Errno::EAFNOSUPPORT.because(Reason::WrongDomain)),
        },
        address => Ok(address),
    }
}

fn family(bytes: &[u8]) -> Result<i32> {
    array(bytes, 0).map(|family| i32::from(u16::from_ne_bytes(family)))
}

/// `N` bytes from `at` on. EINVAL.
fn array<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N]> {
    bytes.get(at..).and_then(|rest| rest.first_chunk().copied()).ok_or_else(wrong_length)
}

fn v4(bytes: &[u8]) -> Result<SockAddr> {
    if bytes.len() < IN {
        return Err(wrong_length());
    }
    let port = u16::from_be_bytes(array(bytes, 2)?);
    Ok(SocketAddrV4::new(Ipv4Addr::from(array::<4>(bytes, 4)?), port).into())
}

fn v6(bytes: &[u8]) -> Result<SockAddr> {
    if bytes.len() < IN6_SHORT {
        return Err(wrong_length());
    }
    let port = u16::from_be_bytes(array(bytes, 2)?);
    let flow = u32::from_be_bytes(array(bytes, 4)?);
    // Only a whole struct sockaddr_in6 has a scope.
    let scope = array(bytes, IN6_SHORT).map_or(0, u32::from_ne_bytes);
    Ok(SocketAddrV6::new(Ipv6Addr::from(array::<16>(bytes, 8)?), port, flow, scope).into())
}

fn link(bytes: &[u8]) -> Result<SockAddr> {
    // packet_snd: "msg->msg_namelen < (saddr->sll_halen + offsetof(struct sockaddr_ll, sll_addr))" is EINVAL too.
    let (address, [length]) = (array(bytes, LL_STATION)?, array(bytes, 11)?);
    if usize::from(length) > address.len() {
        return Err(wrong_length());
    }
    let [packet_type] = array(bytes, 10)?;
    Ok(SockAddr::Link(LinkAddr {
        protocol: u16::from_be_bytes(array(bytes, 2)?),
        interface: u32::from_ne_bytes(array(bytes, 4)?),
        hardware: u16::from_ne_bytes(array(bytes, 8)?),
        packet_type,
        address,
        length,
    }))
}

/// The bytes of an address, as recvmsg(2), accept(2) and getpeername(2) give it.
pub(super) fn encode(address: &SockAddr) -> Vec<u8> {
    let mut bytes = (address.family() as u16).to_ne_bytes().to_vec();
    match address {
        SockAddr::V4(v4) => {
            bytes.extend(v4.port().to_be_bytes());
            bytes.extend(v4.ip().octets());
            bytes.resize(IN, 0);
        }
        SockAddr::V6(v6) => {
            bytes.extend(v6.port().to_be_bytes());
            bytes.extend(v6.flowinfo().to_be_bytes());
            bytes.extend(v6.ip().octets());
            bytes.extend(v6.scope_id().to_ne_bytes());
        }
        SockAddr::Link(link) => {
            bytes.extend(link.protocol.to_be_bytes());
            bytes.extend(link.interface.to_ne_bytes());
            bytes.extend(link.hardware.to_ne_bytes());
            bytes.extend([link.packet_type, link.length]);
            bytes.extend(link.address);
        }
        SockAddr::Netlink(netlink) => {
            bytes.extend([0; 2]);
            bytes.extend(netlink.pid.to_ne_bytes());
            bytes.extend(netlink.groups.to_ne_bytes());
        }
        // RAW_MIN_NAMELEN, BCM_MIN_NAMELEN: up to can_ifindex; ISOTP_MIN_NAMELEN: and the identifiers.
        SockAddr::Can(can) => {
            bytes.extend([0; 2]);
            bytes.extend(can.interface().to_ne_bytes());
            bytes.extend(can.rest());
        }
        SockAddr::Unix(name) => {
            bytes.extend(name.as_bytes());
            bytes.extend(name.as_pathname().map(|_| 0));
        }
        SockAddr::Unspec => {}
    }
    bytes
}

/// The bytes of a socket's own name, as getsockname(2) gives it.
pub(super) fn encode_name(address: &SockAddr) -> Vec<u8> {
    let mut bytes = encode(address);
    if let SockAddr::Link(link) = address {
        // packet_getname: "return offsetof(struct sockaddr_ll, sll_addr) + sll->sll_halen".
        bytes.truncate((LL_STATION + usize::from(link.length)).min(LL));
    }
    bytes
}

/// An address for the program, as [`give`].
pub(super) fn write(trap: &Trap, address: &SockAddr, at: u64, length_at: u64) -> Result<()> {
    give(trap, at, length_at, &encode(address))
}

/// move_addr_to_user: writes an address to `at`, cut to the room that the int at `length_at` tells; the int becomes the whole
/// length. EFAULT; EINVAL if the room is negative.
pub(super) fn give(trap: &Trap, at: u64, length_at: u64, bytes: &[u8]) -> Result<()> {
    let room = array(&trap.read(length_at, 4)?, 0).map(i32::from_ne_bytes)?;
    let room = usize::try_from(room).map_err(|_| wrong_length())?;
    if let Some(fits @ [_, ..]) = bytes.get(..room.min(bytes.len())) {
        trap.write(at, fits)?;
    }
    trap.write(length_at, &(bytes.len() as u32).to_ne_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errno<T: std::fmt::Debug>(result: Result<T>) -> Errno {
        result.unwrap_err().errno()
    }

    #[test]
    fn addresses_have_linuxs_layout() {
        let v4 = SockAddr::from((Ipv4Addr::new(192, 0, 2, 1), 0x1234));
        let bytes = encode(&v4);
        assert_eq!(bytes, [2, 0, 0x12, 0x34, 192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(decode(&bytes).unwrap(), v4);

        let v6 = SockAddr::V6(SocketAddrV6::new("fe80::1".parse().unwrap(), 80, 0x000a_bcde, 7));
        let bytes = encode(&v6);
        assert_eq!(bytes.len(), 28);
        assert_eq!(bytes[..12], [10, 0, 0, 80, 0, 0x0a, 0xbc, 0xde, 0xfe, 0x80, 0, 0]);
        assert_eq!(bytes[24..], 7u32.to_ne_bytes());
        assert_eq!(decode(&bytes).unwrap(), v6);

        let station =
            LinkAddr::station(crate::base::IfIndex(2), 0x0800, crate::base::Mac([2, 0, 0, 0, 0, 9]));
        let bytes = encode(&station.into());
        assert_eq!(bytes, [17, 0, 8, 0, 2, 0, 0, 0, 0, 0, 0, 6, 2, 0, 0, 0, 0, 9, 0, 0]);
        assert_eq!(decode(&bytes).unwrap(), station.into());
        assert_eq!(encode_name(&station.into()).len(), 18);
        assert_eq!(encode_name(&LinkAddr::default().into()).len(), 12);
    }

    #[test]
    fn every_family_has_its_least_length() {
        for (whole, least) in [
            (encode(&(Ipv4Addr::LOCALHOST, 1).into()), IN),
            (encode(&(Ipv6Addr::LOCALHOST, 1).into()), IN6_SHORT),
            (encode(&LinkAddr::default().into()), LL),
        ] {
            for len in 0..whole.len() {
                match decode(&whole[..len]) {
                    Ok(_) => assert!(len >= least, "{len} bytes are enough"),
                    Err(error) => assert!(len < least && error.errno() == Errno::EINVAL, "{len}: {error:?}"),
                }
            }
        }
        let mut long = encode(&LinkAddr::default().into());
        long[11] = 9;
        assert_eq!(errno(decode(&long)), Errno::EINVAL);
        let unix = [&[1, 0, b'x'][..], &[0; 13]].concat();
        assert_eq!(errno(decode(&unix)), Errno::EAFNOSUPPORT);
        assert_eq!(errno(decode(&unix[..15])), Errno::EINVAL);
    }

    #[test]
    fn an_address_of_no_family_is_what_the_sockets_family_takes_it_for() {
        let mut bytes = encode(&(Ipv4Addr::UNSPECIFIED, 80).into());
        bytes[0] = 0;
        let wanted = SockAddr::from((Ipv4Addr::UNSPECIFIED, 80));
        assert_eq!(decode(&bytes).unwrap(), SockAddr::Unspec);
        assert_eq!(to_bind(&bytes, || Ok(AF_INET)).unwrap(), wanted);
        assert_eq!(to_bind(&bytes, || Ok(AF_INET6)).unwrap(), SockAddr::Unspec);
        assert_eq!(destination(&bytes, || Ok(AF_INET)).unwrap(), Some(wanted));
        assert_eq!(destination(&bytes, || Ok(AF_INET6)).unwrap(), None);
        assert_eq!(errno(destination(&bytes[..8], || Ok(AF_INET))), Errno::EINVAL);
        bytes[4] = 192;
        assert_eq!(errno(to_bind(&bytes, || Ok(AF_INET))), Errno::EAFNOSUPPORT);
    }
}
