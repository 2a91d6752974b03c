//! struct sockaddr of the families that we have: bytes and meaning.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};

use super::trap::Trap;
use crate::base::constants::{AF_INET, AF_INET6, AF_PACKET, AF_UNSPEC};
use crate::base::{Errno, LinkAddr, Result, SockAddr};

/// struct sockaddr_storage.
const LONGEST: i32 = 128;

/// The address that these bytes are. EINVAL (too short), EAFNOSUPPORT.
pub(super) fn decode(bytes: &[u8]) -> Result<SockAddr> {
    let short = Errno::EINVAL;
    let part = |at: usize, len: usize| bytes.get(at..at + len).ok_or(short);
    let u16_be = |at| part(at, 2).map(|b| u16::from_be_bytes([b[0], b[1]]));
    let family = part(0, 2).map(|b| u16::from_ne_bytes([b[0], b[1]]))?;
    match i32::from(family) {
        AF_UNSPEC => Ok(SockAddr::Unspec),
        // inet_bind_sk(): the whole struct sockaddr_in.
        AF_INET => {
            part(0, 16)?;
            let octets: [u8; 4] = part(4, 4)?.try_into().map_err(|_| short)?;
            Ok(SocketAddrV4::new(Ipv4Addr::from(octets), u16_be(2)?).into())
        }
        // SIN6_LEN_RFC2133: the scope may be missing.
        AF_INET6 => {
            let octets: [u8; 16] = part(8, 16)?.try_into().map_err(|_| short)?;
            let flow: [u8; 4] = part(4, 4)?.try_into().map_err(|_| short)?;
            let scope: [u8; 4] = part(24, 4).unwrap_or(&[0; 4]).try_into().map_err(|_| short)?;
            let (flow, scope) = (u32::from_be_bytes(flow), u32::from_ne_bytes(scope));
            Ok(SocketAddrV6::new(Ipv6Addr::from(octets), u16_be(2)?, flow, scope).into())
        }
        AF_PACKET => {
            let index: [u8; 4] = part(4, 4)?.try_into().map_err(|_| short)?;
            let rest = part(8, 4)?;
            let mut link = LinkAddr {
                protocol: u16_be(2)?,
                interface: u32::from_ne_bytes(index),
                hardware: u16::from_ne_bytes([rest[0], rest[1]]),
                packet_type: rest[2],
                address: [0; 8],
                length: rest[3].min(8),
            };
            part(0, 20)?;
            link.address.copy_from_slice(part(12, 8)?);
            Ok(link.into())
        }
        _ => Err(Errno::EAFNOSUPPORT.into()),
    }
}

/// The bytes that this address is.
pub(super) fn encode(address: &SockAddr) -> Vec<u8> {
    let mut bytes = (address.family() as u16).to_ne_bytes().to_vec();
    match address {
        SockAddr::V4(a) => {
            bytes.extend(a.port().to_be_bytes());
            bytes.extend(a.ip().octets());
            bytes.extend([0; 8]);
        }
        SockAddr::V6(a) => {
            bytes.extend(a.port().to_be_bytes());
            bytes.extend(a.flowinfo().to_be_bytes());
            bytes.extend(a.ip().octets());
            bytes.extend(a.scope_id().to_ne_bytes());
        }
        SockAddr::Link(a) => {
            bytes.extend(a.protocol.to_be_bytes());
            bytes.extend(a.interface.to_ne_bytes());
            bytes.extend(a.hardware.to_ne_bytes());
            bytes.extend([a.packet_type, a.length]);
            bytes.extend(a.address);
        }
        _ => {}
    }
    bytes
}

/// move_addr_to_kernel(): the address of `len` bytes at `at`. EINVAL, EFAULT.
pub(super) fn read(trap: &Trap, at: u64, len: i32) -> Result<SockAddr> {
    if !(0..=LONGEST).contains(&len) {
        return Err(Errno::EINVAL.into());
    }
    decode(&trap.read(at, len as usize)?)
}

/// move_addr_to_user(): as much of the address as there is room for; the int at `len` says how much that is, and is told how long
/// the address is. EINVAL, EFAULT.
pub(super) fn write(trap: &Trap, address: &SockAddr, at: u64, len: u64) -> Result<()> {
    let room = trap.read(len, 4)?;
    let room = room.try_into().map_or(0, i32::from_ne_bytes);
    let room = usize::try_from(room).map_err(|_| Errno::EINVAL)?;
    let bytes = encode(address);
    trap.write(at, bytes.get(..room.min(bytes.len())).unwrap_or_default())?;
    trap.write(len, &(bytes.len() as i32).to_ne_bytes())
}
