//! SOL_IP: ip(7).

use crate::base::Errno;
use crate::base::constants::*;
use crate::stack::options::table::*;

rows_of! {
SOL_IP: {
    IP_TOS = Value::Special;
    IP_TTL = Value::Special;
    IP_HDRINCL = Value::Special, not !RAW => ENOPROTOOPT;
    IP_OPTIONS = Value::Special;
    IP_ROUTER_ALERT = Value::Special, not !RAW => EINVAL;
    IP_RECVOPTS = on!(recv_options);
    IP_RETOPTS = on!(return_options);
    IP_PKTINFO = on!(packet_info);
    IP_PKTOPTIONS = Value::ReadOnlyEmpty;
    IP_MTU_DISCOVER = number!(mtu_discover, (0..=5));
    IP_RECVERR = on!(recv_error);
    IP_RECVTTL = on!(recv_ttl);
    IP_RECVTOS = on!(recv_tos);
    IP_MTU = Value::SpecialReadOnly;
    IP_FREEBIND = on!(freebind);
    IP_IPSEC_POLICY = Value::Refused(Errno::ENOPROTOOPT, Errno::EOPNOTSUPP);
    IP_XFRM_POLICY = Value::Refused(Errno::ENOPROTOOPT, Errno::EOPNOTSUPP);
    IP_PASSSEC = FLAG;
    IP_TRANSPARENT = FLAG;
    IP_RECVORIGDSTADDR = FLAG;
    IP_MINTTL = Value::Stored { default: 0, fix: within::<255> };
    IP_NODEFRAG = FLAG, not !RAW => ENOPROTOOPT;
    IP_CHECKSUM = FLAG;
    IP_BIND_ADDRESS_NO_PORT = FLAG;
    IP_RECVFRAGSIZE = FLAG, not TCP => EINVAL;
    IP_RECVERR_RFC4884 = BIT;
    IP_MULTICAST_IF = Value::Special, not TCP => EINVAL;
    IP_MULTICAST_TTL = hops!(multicast_ttl, 1, 0), not TCP => EINVAL;
    IP_MULTICAST_LOOP = on!(multicast_loop);
    IP_ADD_MEMBERSHIP = Value::Special, not TCP => EPROTO;
    IP_DROP_MEMBERSHIP = Value::Special, not TCP => EPROTO;
    IP_UNBLOCK_SOURCE = Value::WriteOnlyBytes { least: 12, most: 12 };
    IP_BLOCK_SOURCE = Value::WriteOnlyBytes { least: 12, most: 12 };
    IP_ADD_SOURCE_MEMBERSHIP = Value::WriteOnlyBytes { least: 12, most: 12 };
    IP_DROP_SOURCE_MEMBERSHIP = Value::WriteOnlyBytes { least: 12, most: 12 };
    IP_MSFILTER = bytes(16, 4096, false);
    MCAST_JOIN_GROUP = Value::Special;
    MCAST_BLOCK_SOURCE = Value::WriteOnlyBytes { least: 264, most: 264 };
    MCAST_UNBLOCK_SOURCE = Value::WriteOnlyBytes { least: 264, most: 264 };
    MCAST_LEAVE_GROUP = Value::Special;
    MCAST_JOIN_SOURCE_GROUP = Value::WriteOnlyBytes { least: 264, most: 264 };
    MCAST_LEAVE_SOURCE_GROUP = Value::WriteOnlyBytes { least: 264, most: 264 };
    MCAST_MSFILTER = Value::WriteOnlyBytes { least: 144, most: 4096 };
    IP_MULTICAST_ALL = zero_or_one!(multicast_all);
    IP_UNICAST_IF = Value::Special;
    IP_LOCAL_PORT_RANGE = Value::Stored { default: 0, fix: any };
    IP_PROTOCOL = Value::SpecialReadOnly;
    IP_CSUM_BAD = Value::Special, not !RAW => ENOPROTOOPT;
}
}
