//! Control messages: what recvmsg(2) tells beside the data, and what sendmsg(2) is asked beside it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::{Errno, IfIndex};

/// One control message, as cmsg(3).
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// IP_RECVERR, IPV6_RECVERR: an entry of the error queue (MSG_ERRQUEUE).
    ExtendedError(ExtendedError),
}

/// struct sock_extended_err, ip(7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtendedError {
    /// `ee_errno`.
    pub errno: Errno,
    /// `ee_origin`: SO_EE_ORIGIN_LOCAL (1), SO_EE_ORIGIN_ICMP (2), SO_EE_ORIGIN_ICMP6 (3).
    pub origin: u8,
    /// `ee_type`: the ICMP type.
    pub kind: u8,
    /// `ee_code`: the ICMP code.
    pub code: u8,
    /// `ee_info`: the MTU of "too big".
    pub info: u32,
    /// SO_EE_OFFENDER: who sent the ICMP message.
    pub offender: Option<SocketAddr>,
    /// The interface on which it came.
    pub interface: Option<IfIndex>,
}
