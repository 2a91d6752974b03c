//! Control messages of the kernel's arm: struct cmsghdr and what is in it.

use std::mem::{size_of, zeroed};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use libc::c_void;
use sockatoo::base::constants::*;
use sockatoo::base::{ControlMessage, Errno, ExtendedError, IfIndex};

use crate::kernel_address::decode;

/// The messages as cmsghdr and data, in aligned words. A v6 socket is asked in IPv6's terms.
pub(crate) fn encode_control(control: &[ControlMessage], v6: bool) -> Vec<u64> {
    let mut words = Vec::new();
    let mut add = |level: i32, kind: i32, data: &[u8]| {
        let header = size_of::<libc::cmsghdr>();
        let mut bytes = vec![0u8; header];
        bytes[..8].copy_from_slice(&((header + data.len()) as u64).to_ne_bytes());
        bytes[8..12].copy_from_slice(&level.to_ne_bytes());
        bytes[12..16].copy_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(data);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        words.extend(bytes.chunks_exact(8).map(|c| u64::from_ne_bytes(c.try_into().expect("8 bytes"))));
    };
    for message in control {
        match message {
            ControlMessage::Ttl(ttl) if v6 => {
                add(SOL_IPV6, IPV6_HOPLIMIT, &i32::from(*ttl).to_ne_bytes());
            }
            ControlMessage::Ttl(ttl) => add(SOL_IP, IP_TTL, &i32::from(*ttl).to_ne_bytes()),
            ControlMessage::Tos(tos) if v6 => add(SOL_IPV6, IPV6_TCLASS, &i32::from(*tos).to_ne_bytes()),
            ControlMessage::Tos(tos) => add(SOL_IP, IP_TOS, &i32::from(*tos).to_ne_bytes()),
            ControlMessage::PacketInfo { interface, local, .. } => match local {
                IpAddr::V4(ip) => {
                    let mut data = interface.to_ne_bytes().to_vec();
                    data.extend(ip.octets());
                    data.extend([0; 4]);
                    add(SOL_IP, IP_PKTINFO, &data);
                }
                IpAddr::V6(ip) => {
                    let mut data = ip.octets().to_vec();
                    data.extend(interface.to_ne_bytes());
                    add(SOL_IPV6, IPV6_PKTINFO, &data);
                }
            },
            ControlMessage::UdpSegment(size) => add(SOL_UDP, UDP_SEGMENT, &size.to_ne_bytes()),
            ControlMessage::FlowInfo(flow) => add(SOL_IPV6, IPV6_FLOWINFO, &flow.to_be_bytes()),
            ControlMessage::DontFragment(on) => add(SOL_IPV6, IPV6_DONTFRAG, &i32::from(*on).to_ne_bytes()),
            ControlMessage::Ipv6 { name, bytes } => add(SOL_IPV6, *name, bytes),
            ControlMessage::Mark(mark) => add(SOL_SOCKET, SO_MARK, &mark.to_ne_bytes()),
            ControlMessage::Priority(value) => add(SOL_SOCKET, SO_PRIORITY, &value.to_ne_bytes()),
            ControlMessage::TimestampingAsked(flags) => {
                add(SOL_SOCKET, SO_TIMESTAMPING, &flags.to_ne_bytes())
            }
            ControlMessage::TimestampKey(key) => add(SOL_SOCKET, SCM_TS_OPT_ID, &key.to_ne_bytes()),
            ControlMessage::TransmitTime(nanos) => add(SOL_SOCKET, SO_TXTIME, &nanos.to_ne_bytes()),
            other => {
                let (kind, data) = crate::unix::encode(other);
                add(SOL_SOCKET, kind, &data);
            }
        }
    }
    words
}

pub(crate) fn decode_control(message: &libc::msghdr) -> Vec<ControlMessage> {
    let mut all = Vec::new();
    let mut next = unsafe { libc::CMSG_FIRSTHDR(message) };
    while !next.is_null() {
        let header = unsafe { std::ptr::read_unaligned(next) };
        let start: *const c_void = unsafe { libc::CMSG_DATA(next).cast() };
        let len = header.cmsg_len as usize - size_of::<libc::cmsghdr>();
        let data = unsafe { std::slice::from_raw_parts(start.cast::<u8>(), len) };
        all.extend(decode_one(header.cmsg_level, header.cmsg_type, data));
        next = unsafe { libc::CMSG_NXTHDR(message, next) };
    }
    all
}

fn word(data: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(data[at..at + 4].try_into().expect("4 bytes"))
}

fn port(data: &[u8]) -> u16 {
    u16::from_be_bytes([data[2], data[3]])
}

fn decode_one(level: i32, kind: i32, data: &[u8]) -> Option<ControlMessage> {
    let long = |at: usize| u64::from_ne_bytes(data[at..at + 8].try_into().expect("8 bytes"));
    let v4 = |at: usize| IpAddr::from(<[u8; 4]>::try_from(&data[at..at + 4]).expect("4 bytes"));
    let v6 = |at: usize| IpAddr::from(<[u8; 16]>::try_from(&data[at..at + 16]).expect("16 bytes"));
    Some(match (level, kind) {
        (SOL_SOCKET, SO_TIMESTAMP) => {
            ControlMessage::Timestamp(Duration::new(long(0), long(8) as u32 * 1000))
        }
        (SOL_SOCKET, SO_TIMESTAMPNS) => ControlMessage::TimestampNs(Duration::new(long(0), long(8) as u32)),
        (SOL_SOCKET, SO_TIMESTAMPING) => ControlMessage::Timestamping(Duration::new(long(0), long(8) as u32)),
        (SOL_SOCKET, SO_MARK) => ControlMessage::Mark(word(data, 0)),
        (SOL_SOCKET, SO_PRIORITY) => ControlMessage::Priority(word(data, 0)),
        (SOL_SOCKET, SO_RXQ_OVFL) => ControlMessage::Dropped(word(data, 0)),
        (SOL_IP, IP_TTL) | (SOL_IPV6, IPV6_HOPLIMIT) => ControlMessage::Ttl(word(data, 0) as u8),
        (SOL_IP, IP_TOS) => ControlMessage::Tos(data[0]),
        (SOL_IP, IP_ORIGDSTADDR) => ControlMessage::OriginalDestination(SocketAddr::new(v4(4), port(data))),
        (SOL_IPV6, IPV6_ORIGDSTADDR) => {
            ControlMessage::OriginalDestination(SocketAddr::new(v6(8), port(data)))
        }
        (SOL_IP, IP_RECVFRAGSIZE) | (SOL_IPV6, IPV6_RECVFRAGSIZE) => {
            ControlMessage::FragmentSize(word(data, 0))
        }
        (SOL_IPV6, IPV6_FLOWINFO) => ControlMessage::FlowInfo(word(data, 0).to_be()),
        (
            SOL_IPV6,
            IPV6_HOPOPTS | IPV6_DSTOPTS | IPV6_RTHDR | IPV6_2292HOPOPTS | IPV6_2292DSTOPTS | IPV6_2292RTHDR
            | IPV6_2292HOPLIMIT | IPV6_PATHMTU,
        ) => ControlMessage::Ipv6 { name: kind, bytes: data.to_vec() },
        (SOL_IPV6, IPV6_2292PKTINFO) => {
            // The interface has each side's own number.
            ControlMessage::Ipv6 { name: kind, bytes: data[..16].to_vec() }
        }
        (SOL_IP, IP_RECVOPTS) => ControlMessage::Options(data.to_vec()),
        (SOL_IP, IP_RETOPTS) => ControlMessage::ReturnOptions(data.to_vec()),
        (SOL_IPV6, IPV6_TCLASS) => ControlMessage::Tos(word(data, 0) as u8),
        (SOL_IP, IP_PKTINFO) => {
            ControlMessage::PacketInfo { interface: word(data, 0), local: v4(4), destination: v4(8) }
        }
        (SOL_IPV6, IPV6_PKTINFO) => {
            ControlMessage::PacketInfo { interface: word(data, 16), local: v6(0), destination: v6(0) }
        }
        (SOL_TCP, TCP_INQ) => ControlMessage::Inq(word(data, 0) as i32),
        (SOL_UDP, UDP_GRO) => ControlMessage::UdpGro(word(data, 0) as u16),
        (SOL_SOCKET, 1 | 2) => crate::unix::decode(kind, data)?,
        (SOL_PACKET, PACKET_AUXDATA) => crate::link::auxiliary(data),
        (SOL_IP, IP_RECVERR) | (SOL_IPV6, IPV6_RECVERR) => {
            // struct sock_extended_err: errno, origin, type, code, pad, info, data; then the offender's sockaddr.
            let mut storage: libc::sockaddr_storage = unsafe { zeroed() };
            let rest = &data[16..];
            let len = rest.len().min(size_of::<libc::sockaddr_storage>());
            unsafe { std::ptr::copy_nonoverlapping(rest.as_ptr(), (&raw mut storage).cast::<u8>(), len) };
            ControlMessage::ExtendedError(ExtendedError {
                errno: Errno(word(data, 0) as i32),
                origin: data[4],
                kind: data[5],
                code: data[6],
                info: word(data, 8),
                data: word(data, 12),
                offender: decode(&storage, len as libc::socklen_t)
                    .and_then(|a| a.inet())
                    .map(|a: SocketAddr| a),
                interface: None::<IfIndex>,
            })
        }
        _ => return None,
    })
}
