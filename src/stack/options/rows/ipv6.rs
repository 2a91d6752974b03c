//! SOL_IPV6: ipv6(7), RFC 3493, RFC 3542.

use crate::base::Errno;
use crate::base::constants::*;
use crate::stack::options::table::*;

rows_of! {
SOL_IPV6: {
    IPV6_ADDRFORM = Value::Refused(Errno::ENOTCONN, Errno::EINVAL);
    IPV6_2292PKTINFO = on!(headers6.old_packet_info);
    IPV6_2292HOPOPTS = on!(headers6.old_hop_by_hop);
    IPV6_2292DSTOPTS = on!(headers6.old_destination);
    IPV6_2292RTHDR = on!(headers6.old_routing);
    IPV6_2292PKTOPTIONS = bytes(0, 2048, true);
    IPV6_CHECKSUM = Value::Special, not !RAW => ENOPROTOOPT;
    IPV6_2292HOPLIMIT = on!(headers6.old_hop_limit);
    IPV6_NEXTHOP = NO_SUCH;
    IPV6_FLOWINFO = on!(headers6.flow_info);
    IPV6_UNICAST_HOPS = Value::Special;
    IPV6_MULTICAST_IF = Value::Special, not TCP => ENOPROTOOPT;
    IPV6_MULTICAST_HOPS = hops!(multicast_hops, 1, 0), not TCP => ENOPROTOOPT;
    IPV6_MULTICAST_LOOP = zero_or_one!(multicast_loop6);
    IPV6_JOIN_GROUP = Value::Special;
    IPV6_LEAVE_GROUP = Value::Special;
    IPV6_ROUTER_ALERT = Value::Special;
    IPV6_MTU_DISCOVER = number!(mtu_discover6, (0..=5));
    IPV6_MTU = Value::Special;
    IPV6_RECVERR = on!(recv_error6);
    IPV6_V6ONLY = Value::Special;
    IPV6_JOIN_ANYCAST = Value::WriteOnlyBytes { least: 20, most: 20 };
    IPV6_LEAVE_ANYCAST = Value::WriteOnlyBytes { least: 20, most: 20 };
    IPV6_MULTICAST_ALL = on!(multicast_all6);
    IPV6_ROUTER_ALERT_ISOLATE = FLAG;
    IPV6_RECVERR_RFC4884 = BIT;
    IPV6_FLOWLABEL_MGR = Value::Special;
    IPV6_FLOWINFO_SEND = on!(flow_info_send);
    IPV6_IPSEC_POLICY = Value::Refused(Errno::ENOPROTOOPT, Errno::EOPNOTSUPP);
    IPV6_XFRM_POLICY = Value::Refused(Errno::ENOPROTOOPT, Errno::EINVAL);
    IPV6_HDRINCL = Value::Special, not !RAW => ENOPROTOOPT;
    MCAST_JOIN_GROUP = Value::Special;
    MCAST_BLOCK_SOURCE = Value::WriteOnlySpecial;
    MCAST_UNBLOCK_SOURCE = Value::WriteOnlySpecial;
    MCAST_LEAVE_GROUP = Value::Special;
    MCAST_JOIN_SOURCE_GROUP = Value::WriteOnlySpecial;
    MCAST_LEAVE_SOURCE_GROUP = Value::WriteOnlySpecial;
    MCAST_MSFILTER = Value::Special;
    IPV6_RECVPKTINFO = on!(packet_info6);
    IPV6_PKTINFO = Value::WriteOnlySpecial;
    IPV6_RECVHOPLIMIT = on!(recv_hops);
    IPV6_HOPLIMIT = NO_SUCH;
    IPV6_RECVHOPOPTS = on!(headers6.hop_by_hop);
    IPV6_HOPOPTS = Value::Special;
    IPV6_RTHDRDSTOPTS = Value::Special;
    IPV6_RECVRTHDR = on!(headers6.routing);
    IPV6_RTHDR = Value::Special;
    IPV6_RECVDSTOPTS = on!(headers6.destination);
    IPV6_DSTOPTS = Value::Special;
    IPV6_RECVPATHMTU = on!(recv_path_mtu);
    IPV6_PATHMTU = Value::SpecialReadOnly;
    IPV6_DONTFRAG = on!(dont_fragment6);
    IPV6_RECVTCLASS = on!(recv_tclass);
    IPV6_TCLASS = Value::Special;
    IPV6_AUTOFLOWLABEL = on!(auto_flow_label);
    IPV6_ADDR_PREFERENCES = Value::Stored { default: 0x500, fix: address_preferences };
    IPV6_MINHOPCOUNT = number!(min_hops, (0..=255));
    IPV6_ORIGDSTADDR = on!(recv_original6);
    IPV6_TRANSPARENT = on!(transparent);
    IPV6_UNICAST_IF = Value::Special;
    IPV6_RECVFRAGSIZE = on!(recv_fragment_size6);
    IPV6_FREEBIND = on!(freebind);
}
}
