//! Control messages: what recvmsg(2) tells beside the data, and what sendmsg(2) is asked beside it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::{Errno, IfIndex, SocketId};

/// One control message, as cmsg(3).
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum ControlMessage {
    /// IP_TTL, IPV6_HOPLIMIT: the datagram's time to live.
    Ttl(u8),
    /// IP_TOS, IPV6_TCLASS: the datagram's type of service.
    Tos(u8),
    /// IP_PKTINFO, IPV6_PKTINFO. Received: the interface, the local address that would answer (in_pktinfo's
    /// `ipi_spec_dst`) and the header's destination. Sent: the interface to use (0 = any) and the source address.
    PacketInfo {
        /// 0 = any.
        interface: u32,
        /// `ipi_spec_dst`; of IPv6 the same as `destination`.
        local: IpAddr,
        /// `ipi_addr`: the destination in the header.
        destination: IpAddr,
    },
    /// SO_TIMESTAMP, microseconds kept: time since 1970.
    Timestamp(Duration),
    /// SO_TIMESTAMPNS: time since 1970.
    TimestampNs(Duration),
    /// SO_RXQ_OVFL: how many datagrams the socket had dropped, for want of room, before this one came.
    Dropped(u32),
    /// IP_RECVERR, IPV6_RECVERR: an entry of the error queue (MSG_ERRQUEUE).
    ExtendedError(ExtendedError),
    /// IP_CSUM_BAD (ours; level IPPROTO_IP, an int): a raw socket of IPPROTO_IP got a datagram whose checksum is wrong. 1 = of
    /// the IP header, 2 = of the transport, 3 = of both.
    ChecksumBad(i32),
    /// IP_RECVOPTS: the options of the datagram's IPv4 header, as this host has written into them.
    Options(Vec<u8>),
    /// IP_RETOPTS: the same, ready for an answer (IP_OPTIONS).
    ReturnOptions(Vec<u8>),
    /// UDP_SEGMENT: the data are to be cut into datagrams of so many bytes.
    UdpSegment(u16),
    /// UDP_GRO: the data are several datagrams of so many bytes each; the last one may be shorter.
    UdpGro(u16),
    /// TCP_INQ (TCP_CM_INQ): bytes that are left to read; the end of the stream counts as one.
    Inq(i32),
    /// PACKET_AUXDATA: struct tpacket_auxdata, packet(7).
    PacketAuxiliary(PacketAuxiliary),
    /// SO_MARK: sent, the mark of this datagram; received (SO_RCVMARK), the one that its sender gave it, on the same host.
    Mark(u32),
    /// SO_PRIORITY: the same with the priority (SO_RCVPRIORITY).
    Priority(u32),
    /// SO_TIMESTAMPING, received: struct scm_timestamping with the software's time alone, since 1970.
    Timestamping(Duration),
    /// SO_TIMESTAMPING, sent: which times of this datagram to tell (SOF_TIMESTAMPING_TX_*).
    TimestampingAsked(u32),
    /// SCM_TS_OPT_ID, sent: by which number the times of this datagram are told.
    TimestampKey(u32),
    /// IP_ORIGDSTADDR, IPV6_ORIGDSTADDR: where the datagram was sent to.
    OriginalDestination(SocketAddr),
    /// IP_RECVFRAGSIZE, IPV6_RECVFRAGSIZE: bytes of the largest packet that the datagram came in, if it came in several.
    FragmentSize(u32),
    /// IPV6_FLOWINFO: traffic class and flow label, as in IPv6's header.
    FlowInfo(u32),
    /// IPV6_DONTFRAG, sent: EMSGSIZE instead of fragments, or not.
    DontFragment(bool),
    /// A message of the level SOL_IPV6 by its number: an extension header (IPV6_HOPOPTS, IPV6_DSTOPTS, IPV6_RTHDR, IPV6_RTHDRDSTOPTS), or
    /// what RFC 2292 called so (IPV6_2292*).
    Ipv6 {
        /// `cmsg_type`.
        name: i32,
        /// `cmsg_data`.
        bytes: Vec<u8>,
    },
    /// SCM_TXTIME, sent: when this datagram leaves, in nanoseconds of the clock that SO_TXTIME has named.
    TransmitTime(u64),
    /// RDS_CMSG_CONG_UPDATE, rds(7), received: ports that were congested may be no more; a bit for those that are the same modulo 64.
    RdsCongestion(u64),
    /// SCM_RIGHTS, unix(7): sockets of the same host. Who receives them owns one more handle of each, as of a descriptor: see
    /// `Host::take_socket`, `Socket::recv_fds`.
    Rights(Vec<SocketId>),
    /// SCM_J1939_DEST_ADDR: the address that the message was for.
    J1939Address(u8),
    /// SCM_J1939_DEST_NAME: the name that has that address.
    J1939Name(u64),
    /// SCM_J1939_PRIO: the message's priority, 0 to 7; 0 goes first.
    J1939Priority(u8),
    /// SCM_J1939_ERRQUEUE: what has become of a message of CAN_J1939 (MSG_ERRQUEUE).
    J1939Error(ExtendedError),
    /// SCM_TIMESTAMPING_OPT_STATS: attributes of netlink(7), one behind the other.
    Statistics(Vec<u8>),
    /// SCM_CREDENTIALS, unix(7): who sent it.
    Credentials(Credentials),
}

/// struct ucred, unix(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Credentials {
    /// The process; 0 = not known.
    pub pid: i32,
    /// The user; `u32::MAX` = not known.
    pub uid: u32,
    /// The group; `u32::MAX` = not known.
    pub gid: u32,
}

impl Credentials {
    /// What SO_PEERCRED says of nobody.
    pub const UNKNOWN: Self = Self { pid: 0, uid: u32::MAX, gid: u32::MAX };
}

/// struct tpacket_auxdata, packet(7): what is known of a frame beside its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct PacketAuxiliary {
    /// `tp_status`: TP_STATUS_*.
    pub status: u32,
    /// `tp_len`: bytes of the frame on the wire.
    pub len: u32,
    /// `tp_snaplen`: bytes that the filter let through.
    pub snaplen: u32,
    /// `tp_mac`: where the link header begins.
    pub mac: u16,
    /// `tp_net`: where the network header begins.
    pub net: u16,
    /// `tp_vlan_tci`.
    pub vlan_tci: u16,
    /// `tp_vlan_tpid`.
    pub vlan_tpid: u16,
}

/// struct sock_extended_err, ip(7).
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ExtendedError {
    /// `ee_errno`.
    pub errno: Errno,
    /// `ee_origin`: SO_EE_ORIGIN_LOCAL (1), SO_EE_ORIGIN_ICMP (2), SO_EE_ORIGIN_ICMP6 (3),
    /// SO_EE_ORIGIN_TIMESTAMPING (4), SO_EE_ORIGIN_ZEROCOPY (5).
    pub origin: u8,
    /// `ee_type`: the ICMP type.
    pub kind: u8,
    /// `ee_code`: the ICMP code.
    pub code: u8,
    /// `ee_info`: the MTU of "too big"; the first of the calls, or which time it is.
    pub info: u32,
    /// `ee_data`: the last of the calls (SO_EE_ORIGIN_ZEROCOPY), or the number of the datagram (SO_EE_ORIGIN_TIMESTAMPING).
    pub data: u32,
    /// SO_EE_OFFENDER: who sent the ICMP message.
    pub offender: Option<SocketAddr>,
    /// The interface on which it came.
    pub interface: Option<IfIndex>,
}
