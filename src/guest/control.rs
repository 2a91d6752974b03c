//! struct cmsghdr: control messages as the kernel lays them out, and their meaning.
//!
//! ```text
//!   0        8      12     16                    cmsg_len
//!   | cmsg_len | level | type | data ............. | padding to a multiple of 8 | the next one
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use super::address;
use crate::base::constants::*;
use crate::base::{ControlMessage, Errno, Error, ExtendedError, PacketAuxiliary, Reason, Result, SockAddr};

/// sizeof(struct cmsghdr).
const HEADER: usize = 16;
/// The longest options of an IPv4 header.
const IP_OPTIONS_MAX: usize = 40;

fn malformed() -> Error {
    Errno::EINVAL.because(Reason::ControlMalformed)
}

/// CMSG_ALIGN.
const fn aligned(len: usize) -> usize {
    len.saturating_add(7) & !7
}

/// A control message that a program sends.
struct Raw<'a> {
    level: i32,
    kind: i32,
    data: &'a [u8],
}

/// for_each_cmsghdr: a header that does not fit ends the list; CMSG_OK: a length that does not fit is EINVAL.
fn split(mut bytes: &[u8]) -> Result<Vec<Raw<'_>>> {
    let mut messages = Vec::new();
    while let Some(header) = bytes.first_chunk::<HEADER>() {
        let [a, b, c, d, e, f, g, h, l0, l1, l2, l3, k0, k1, k2, k3] = *header;
        let len = usize::from_ne_bytes([a, b, c, d, e, f, g, h]);
        let data = bytes.get(HEADER..len).ok_or_else(malformed)?;
        let (level, kind) = (i32::from_ne_bytes([l0, l1, l2, l3]), i32::from_ne_bytes([k0, k1, k2, k3]));
        messages.push(Raw { level, kind, data });
        bytes = bytes.get(aligned(len)..).unwrap_or_default();
    }
    Ok(messages)
}

/// What a program sends beside a datagram: ip_cmsg_send and ip6_datagram_send_ctl. EINVAL.
pub(super) fn decode(bytes: &[u8]) -> Result<Vec<ControlMessage>> {
    let mut messages = Vec::new();
    for raw in split(bytes)? {
        match raw.level {
            SOL_SOCKET => messages.extend(raw.socket_level()?),
            SOL_IP => messages.push(raw.ip()?),
            SOL_IPV6 => messages.extend(raw.ipv6()?),
            // udp_cmsg_send
            SOL_UDP if raw.kind == UDP_SEGMENT && raw.data.len() == 2 => {
                messages.push(ControlMessage::UdpSegment(u16::from_ne_bytes(raw.array(0)?)));
            }
            SOL_UDP => return Err(malformed()),
            _ => {}
        }
    }
    Ok(messages)
}

/// What a program sends beside a stream's bytes: it is looked at, and means nothing. EINVAL.
pub(super) fn check_stream(bytes: &[u8]) -> Result<()> {
    // sock_cmsg_send looks at its own level alone.
    split(bytes)?
        .iter()
        .filter(|raw| raw.level == SOL_SOCKET)
        .try_for_each(|raw| raw.socket_level().map(drop))
}

impl Raw<'_> {
    fn array<const N: usize>(&self, at: usize) -> Result<[u8; N]> {
        let rest = self.data.get(at..).and_then(|rest| rest.first_chunk());
        rest.copied().ok_or_else(malformed)
    }

    /// The whole of it is an int.
    fn int(&self) -> Result<i32> {
        self.data.try_into().map(i32::from_ne_bytes).map_err(|_| malformed())
    }

    /// __sock_cmsg_send. "SCM_RIGHTS and SCM_CREDENTIALS are semantically in SOL_UNIX": no descriptor travels.
    fn socket_level(&self) -> Result<Option<ControlMessage>> {
        let word = || self.int().map(|value| value as u32);
        Ok(match self.kind {
            SCM_RIGHTS | SCM_CREDENTIALS => None,
            SO_MARK => Some(ControlMessage::Mark(word()?)),
            SO_PRIORITY => Some(ControlMessage::Priority(word()?)),
            SO_TIMESTAMPING | SO_TIMESTAMPING_NEW => Some(ControlMessage::TimestampingAsked(word()?)),
            SCM_TS_OPT_ID => Some(ControlMessage::TimestampKey(word()?)),
            SO_TXTIME if self.data.len() == 8 => {
                Some(ControlMessage::TransmitTime(u64::from_ne_bytes(self.array(0)?)))
            }
            _ => return Err(malformed()),
        })
    }

    /// ip_cmsg_send.
    fn ip(&self) -> Result<ControlMessage> {
        match self.kind {
            // "case IP_RETOPTS: err = min_t(int, err, 40)".
            IP_RETOPTS => {
                Ok(ControlMessage::ReturnOptions(self.data.iter().take(IP_OPTIONS_MAX).copied().collect()))
            }
            IP_PKTINFO if self.data.len() == 12 => Ok(ControlMessage::PacketInfo {
                interface: u32::from_ne_bytes(self.array(0)?),
                local: Ipv4Addr::from(self.array::<4>(4)?).into(),
                destination: Ipv4Addr::from(self.array::<4>(8)?).into(),
            }),
            IP_TTL => {
                let value = self.int()?;
                u8::try_from(value).ok().filter(|ttl| *ttl > 0).map(ControlMessage::Ttl).ok_or_else(malformed)
            }
            IP_TOS => {
                let value = if let [byte] = *self.data { i32::from(byte) } else { self.int()? };
                u8::try_from(value).map(ControlMessage::Tos).map_err(|_| malformed())
            }
            _ => Err(malformed()),
        }
    }

    /// ip6_datagram_send_ctl. `None`: the socket's own value.
    fn ipv6(&self) -> Result<Option<ControlMessage>> {
        let value = || match self.int()? {
            -1 => Ok(None),
            value => u8::try_from(value).map(Some).map_err(|_| malformed()),
        };
        match self.kind {
            IPV6_PKTINFO | IPV6_2292PKTINFO => {
                let local = IpAddr::from(Ipv6Addr::from(self.array::<16>(0)?));
                let interface = u32::from_ne_bytes(self.array(16)?);
                Ok(Some(ControlMessage::PacketInfo { interface, local, destination: local }))
            }
            IPV6_HOPLIMIT | IPV6_2292HOPLIMIT => Ok(value()?.map(ControlMessage::Ttl)),
            IPV6_TCLASS => Ok(value()?.map(ControlMessage::Tos)),
            IPV6_DONTFRAG if matches!(self.int()?, 0 | 1) => {
                Ok(Some(ControlMessage::DontFragment(self.int()? == 1)))
            }
            IPV6_FLOWINFO => Ok(Some(ControlMessage::FlowInfo(u32::from_be_bytes(self.array(0)?)))),
            IPV6_HOPOPTS | IPV6_RTHDRDSTOPTS | IPV6_RTHDR | IPV6_DSTOPTS | IPV6_2292HOPOPTS
            | IPV6_2292RTHDR | IPV6_2292DSTOPTS => {
                Ok(Some(ControlMessage::Ipv6 { name: self.kind, bytes: self.data.to_vec() }))
            }
            _ => Err(malformed()),
        }
    }
}

/// put_cmsg: lays messages out behind each other in the room that the program has.
struct Layout {
    bytes: Vec<u8>,
    room: usize,
    /// MSG_CTRUNC: something found too little room.
    cut: bool,
}

impl Layout {
    fn put(&mut self, level: i32, kind: i32, data: &[u8]) {
        let left = self.room.saturating_sub(self.bytes.len());
        if left < HEADER {
            self.cut = true;
            return;
        }
        let len = HEADER + data.len();
        self.cut |= left < len;
        let fits = len.min(left);
        self.bytes.extend(fits.to_ne_bytes());
        self.bytes.extend(level.to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(data.iter().take(fits - HEADER));
        self.bytes.resize(self.bytes.len() + aligned(len).min(left) - fits, 0);
    }
}

/// What recvmsg(2) tells of a datagram from `from`, in at most `room` bytes; true if something had too little of it (MSG_CTRUNC).
pub(super) fn encode(messages: &[ControlMessage], from: Option<SockAddr>, room: usize) -> (Vec<u8>, bool) {
    let mut layout = Layout { bytes: Vec::new(), room, cut: false };
    // An IPv6 socket names an IPv4 sender ::ffff:a.b.c.d, and tells the fields of its header at IPv4's level.
    let socket_v6 = matches!(from, Some(SockAddr::V6(_)));
    let datagram_v6 = matches!(from, Some(SockAddr::V6(v6)) if v6.ip().to_ipv4_mapped().is_none());
    for message in messages {
        match message {
            ControlMessage::Ttl(value) => {
                let (level, kind) = if datagram_v6 { (SOL_IPV6, IPV6_HOPLIMIT) } else { (SOL_IP, IP_TTL) };
                layout.put(level, kind, &i32::from(*value).to_ne_bytes());
            }
            // ip_cmsg_recv_tos gives a byte, ip6_datagram_recv_specific_ctl an int.
            ControlMessage::Tos(value) if datagram_v6 => {
                layout.put(SOL_IPV6, IPV6_TCLASS, &i32::from(*value).to_ne_bytes());
            }
            ControlMessage::Tos(value) => layout.put(SOL_IP, IP_TOS, &[*value]),
            ControlMessage::PacketInfo { interface, local, destination } => {
                put_packet_info(&mut layout, *interface, *local, *destination);
            }
            ControlMessage::Timestamp(time) => {
                layout.put(SOL_SOCKET, SO_TIMESTAMP, &seconds(*time, time.subsec_micros()));
            }
            ControlMessage::TimestampNs(time) => {
                layout.put(SOL_SOCKET, SO_TIMESTAMPNS, &seconds(*time, time.subsec_nanos()));
            }
            ControlMessage::OriginalDestination(to) => {
                let (level, kind) =
                    if to.is_ipv4() { (SOL_IP, IP_ORIGDSTADDR) } else { (SOL_IPV6, IPV6_ORIGDSTADDR) };
                layout.put(level, kind, &address::encode(&SockAddr::from(*to)));
            }
            ControlMessage::FragmentSize(size) => {
                let (level, kind) =
                    if datagram_v6 { (SOL_IPV6, IPV6_RECVFRAGSIZE) } else { (SOL_IP, IP_RECVFRAGSIZE) };
                layout.put(level, kind, &size.to_ne_bytes());
            }
            ControlMessage::FlowInfo(flow) => layout.put(SOL_IPV6, IPV6_FLOWINFO, &flow.to_be_bytes()),
            ControlMessage::Ipv6 { name, bytes } => layout.put(SOL_IPV6, *name, bytes),
            ControlMessage::Mark(mark) => layout.put(SOL_SOCKET, SO_MARK, &mark.to_ne_bytes()),
            ControlMessage::Priority(value) => layout.put(SOL_SOCKET, SO_PRIORITY, &value.to_ne_bytes()),
            ControlMessage::Timestamping(time) => {
                // struct scm_timestamping: software, nothing, hardware.
                let mut stamps = [0; 48];
                stamps[..16].copy_from_slice(&seconds(*time, time.subsec_nanos()));
                layout.put(SOL_SOCKET, SO_TIMESTAMPING, &stamps);
            }
            // These are asked, never told.
            ControlMessage::TimestampingAsked(_)
            | ControlMessage::DontFragment(_)
            | ControlMessage::TimestampKey(_)
            | ControlMessage::TransmitTime(_) => {}
            ControlMessage::Dropped(count) => layout.put(SOL_SOCKET, SO_RXQ_OVFL, &count.to_ne_bytes()),
            ControlMessage::ExtendedError(error) => put_error(&mut layout, error, socket_v6),
            ControlMessage::ChecksumBad(which) => layout.put(SOL_IP, IP_CSUM_BAD, &which.to_ne_bytes()),
            ControlMessage::Options(options) => layout.put(SOL_IP, IP_RECVOPTS, options),
            ControlMessage::ReturnOptions(options) => layout.put(SOL_IP, IP_RETOPTS, options),
            ControlMessage::UdpSegment(size) => layout.put(SOL_UDP, UDP_SEGMENT, &size.to_ne_bytes()),
            ControlMessage::UdpGro(size) => layout.put(SOL_UDP, UDP_GRO, &i32::from(*size).to_ne_bytes()),
            ControlMessage::J1939Address(to) => layout.put(SOL_CAN_J1939, SCM_J1939_DEST_ADDR, &[*to]),
            ControlMessage::J1939Name(to) => {
                layout.put(SOL_CAN_J1939, SCM_J1939_DEST_NAME, &to.to_ne_bytes())
            }
            ControlMessage::J1939Priority(value) => layout.put(SOL_CAN_J1939, SCM_J1939_PRIO, &[*value]),
            ControlMessage::J1939Error(error) => {
                layout.put(SOL_CAN_J1939, SCM_J1939_ERRQUEUE, &extended_error(error));
            }
            ControlMessage::Statistics(numbers) => {
                layout.put(SOL_SOCKET, SCM_TIMESTAMPING_OPT_STATS, numbers)
            }
            // A program's AF_UNIX sockets are the kernel's.
            ControlMessage::Rights(_) | ControlMessage::Credentials(_) => {}
            ControlMessage::RdsCongestion(ports) => {
                layout.put(SOL_RDS, RDS_CMSG_CONG_UPDATE, &ports.to_ne_bytes());
            }
            ControlMessage::Inq(left) => layout.put(SOL_TCP, TCP_INQ, &left.to_ne_bytes()),
            ControlMessage::PacketAuxiliary(auxiliary) => {
                layout.put(SOL_PACKET, PACKET_AUXDATA, &auxiliary_data(auxiliary));
            }
        }
    }
    (layout.bytes, layout.cut)
}

/// struct timeval and struct timespec: two longs.
fn seconds(time: Duration, fraction: u32) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&time.as_secs().to_ne_bytes());
    bytes[8..].copy_from_slice(&u64::from(fraction).to_ne_bytes());
    bytes
}

/// struct in_pktinfo; struct in6_pktinfo.
fn put_packet_info(layout: &mut Layout, interface: u32, local: IpAddr, destination: IpAddr) {
    match (local, destination) {
        (IpAddr::V4(local), IpAddr::V4(destination)) => {
            let info = [interface.to_ne_bytes(), local.octets(), destination.octets()].concat();
            layout.put(SOL_IP, IP_PKTINFO, &info);
        }
        (_, destination) => {
            let destination = match destination {
                IpAddr::V4(v4) => v4.to_ipv6_mapped(),
                IpAddr::V6(v6) => v6,
            };
            let info = [&destination.octets()[..], &interface.to_ne_bytes()].concat();
            layout.put(SOL_IPV6, IPV6_PKTINFO, &info);
        }
    }
}

/// struct sock_extended_err, and the offender's address behind it: ip_recv_error, ipv6_recv_error.
fn put_error(layout: &mut Layout, error: &ExtendedError, v6: bool) {
    let v6 = v6 || matches!(error.offender, Some(SocketAddr::V6(_)));
    let (level, kind, length) = if v6 { (SOL_IPV6, IPV6_RECVERR, 28) } else { (SOL_IP, IP_RECVERR, 16) };
    let mut bytes = extended_error(error);
    let offender = error.offender.map(|offender| match offender {
        SocketAddr::V4(v4) if v6 => SocketAddrV6::new(v4.ip().to_ipv6_mapped(), 0, 0, 0).into(),
        offender => SockAddr::from(offender),
    });
    let end = bytes.len() + length;
    bytes.extend(offender.as_ref().map(address::encode).unwrap_or_default());
    bytes.resize(end, 0);
    layout.put(level, kind, &bytes);
}

/// struct sock_extended_err.
fn extended_error(error: &ExtendedError) -> Vec<u8> {
    let mut bytes = error.errno.0.to_ne_bytes().to_vec();
    bytes.extend([error.origin, error.kind, error.code, 0]);
    bytes.extend(error.info.to_ne_bytes());
    bytes.extend(error.data.to_ne_bytes());
    bytes
}

/// struct tpacket_auxdata.
fn auxiliary_data(auxiliary: &PacketAuxiliary) -> Vec<u8> {
    let PacketAuxiliary { status, len, snaplen, mac, net, vlan_tci, vlan_tpid } = *auxiliary;
    let words = [status, len, snaplen].into_iter().flat_map(u32::to_ne_bytes);
    words.chain([mac, net, vlan_tci, vlan_tpid].into_iter().flat_map(u16::to_ne_bytes)).collect()
}

#[cfg(test)]
mod tests;
