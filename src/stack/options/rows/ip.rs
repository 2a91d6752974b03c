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
    IP_TRANSPARENT = on!(transparent);
    IP_RECVORIGDSTADDR = on!(recv_original);
    IP_MINTTL = number!(min_ttl, (0..=255));
    IP_NODEFRAG = FLAG, not !RAW => ENOPROTOOPT;
    IP_CHECKSUM = FLAG;
    IP_BIND_ADDRESS_NO_PORT = on!(bind_without_port);
    IP_RECVFRAGSIZE = on!(recv_fragment_size), not TCP => EINVAL;
    IP_RECVERR_RFC4884 = BIT;
    IP_MULTICAST_IF = Value::Special, not TCP => EINVAL;
    IP_MULTICAST_TTL = hops!(multicast_ttl, 1, 0), not TCP => EINVAL;
    IP_MULTICAST_LOOP = on!(multicast_loop);
    IP_ADD_MEMBERSHIP = Value::Special, not TCP => EPROTO;
    IP_DROP_MEMBERSHIP = Value::Special, not TCP => EPROTO;
    IP_UNBLOCK_SOURCE = Value::WriteOnlySpecial;
    IP_BLOCK_SOURCE = Value::WriteOnlySpecial;
    IP_ADD_SOURCE_MEMBERSHIP = Value::WriteOnlySpecial;
    IP_DROP_SOURCE_MEMBERSHIP = Value::WriteOnlySpecial;
    IP_MSFILTER = Value::Special;
    MCAST_JOIN_GROUP = Value::Special;
    MCAST_BLOCK_SOURCE = Value::WriteOnlySpecial;
    MCAST_UNBLOCK_SOURCE = Value::WriteOnlySpecial;
    MCAST_LEAVE_GROUP = Value::Special;
    MCAST_JOIN_SOURCE_GROUP = Value::WriteOnlySpecial;
    MCAST_LEAVE_SOURCE_GROUP = Value::WriteOnlySpecial;
    MCAST_MSFILTER = Value::Special;
    IP_MULTICAST_ALL = zero_or_one!(multicast_all);
    IP_UNICAST_IF = Value::Special;
    IP_LOCAL_PORT_RANGE = Value::Field {
        get: |o| o.port_range as i32,
        set: |o, v| {
            let (least, most) = (v as u32 & 0xffff, v as u32 >> 16);
            let fits = least == 0 || most == 0 || least <= most;
            o.port_range = if fits { v as u32 } else { o.port_range };
            fits
        }
    };
    IP_PROTOCOL = Value::SpecialReadOnly;
    IP_CSUM_BAD = Value::Special, not !RAW => ENOPROTOOPT;
}
}
