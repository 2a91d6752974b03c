//! SOL_NETLINK, SOL_CAN_*, SOL_RDS, SOL_PACKET: netlink(7), rds(7), packet(7).

use crate::base::Errno;
use crate::base::constants::*;
use crate::stack::options::table::*;

rows_of! {
SOL_NETLINK: {
    NETLINK_ADD_MEMBERSHIP = Value::Special;
    NETLINK_DROP_MEMBERSHIP = Value::Special;
    NETLINK_PKTINFO = FLAG;
    NETLINK_BROADCAST_ERROR = FLAG;
    NETLINK_NO_ENOBUFS = FLAG;
    NETLINK_LISTEN_ALL_NSID = FLAG;
    NETLINK_LIST_MEMBERSHIPS = Value::SpecialReadOnly;
    NETLINK_CAP_ACK = on!(netlink_cap_ack);
    NETLINK_EXT_ACK = on!(netlink_extended_ack);
    NETLINK_GET_STRICT_CHK = on!(netlink_strict);
}
SOL_CAN_RAW: {
    CAN_RAW_FILTER = Value::Special;
    CAN_RAW_ERR_FILTER = Value::Special;
    CAN_RAW_LOOPBACK = Value::Special;
    CAN_RAW_RECV_OWN_MSGS = Value::Special;
    CAN_RAW_FD_FRAMES = Value::Special;
    CAN_RAW_JOIN_FILTERS = Value::Special;
}
SOL_RDS: {
    RDS_CANCEL_SENT_TO = Value::WriteOnlySpecial;
    RDS_RECVERR = Value::Special;
    RDS_CONG_MONITOR = Value::WriteOnlySpecial;
    SO_RDS_TRANSPORT = Value::Special;
    // rds_get_mr: "if (!rs->rs_transport->get_mr)", which TCP has not.
    RDS_GET_MR = Value::Refused(Errno::ENOPROTOOPT, Errno::EOPNOTSUPP);
    RDS_GET_MR_FOR_DEST = Value::Refused(Errno::ENOPROTOOPT, Errno::EOPNOTSUPP);
    RDS_FREE_MR = Value::Refused(Errno::ENOPROTOOPT, Errno::EINVAL);
    RDS_INFO_COUNTERS = Value::SpecialReadOnly;
    RDS_INFO_CONNECTIONS = Value::SpecialReadOnly;
    RDS_INFO_SEND_MESSAGES = Value::SpecialReadOnly;
    RDS_INFO_RETRANS_MESSAGES = Value::SpecialReadOnly;
    RDS_INFO_RECV_MESSAGES = Value::SpecialReadOnly;
    RDS_INFO_SOCKETS = Value::SpecialReadOnly;
    RDS_INFO_TCP_SOCKETS = Value::SpecialReadOnly;
}
SOL_CAN_ISOTP: {
    CAN_ISOTP_OPTS = Value::Special;
    CAN_ISOTP_RECV_FC = Value::Special;
    CAN_ISOTP_TX_STMIN = Value::Special;
    CAN_ISOTP_RX_STMIN = Value::Special;
    CAN_ISOTP_LL_OPTS = Value::Special;
}
SOL_CAN_J1939: {
    SO_J1939_FILTER = Value::WriteOnlySpecial;
    SO_J1939_PROMISC = Value::Special;
    SO_J1939_SEND_PRIO = Value::Special;
    SO_J1939_ERRQUEUE = Value::Special;
}
SOL_PACKET: {
    PACKET_ADD_MEMBERSHIP = Value::Special;
    PACKET_DROP_MEMBERSHIP = Value::Special;
    PACKET_RECV_OUTPUT = NO_SUCH;
    PACKET_RX_RING = Value::Special;
    PACKET_STATISTICS = Value::SpecialReadOnly;
    PACKET_COPY_THRESH = Value::Stored { default: 0, fix: any };
    PACKET_AUXDATA = on!(packet_auxdata);
    PACKET_ORIGDEV = FLAG;
    PACKET_VERSION = Value::Stored { default: 0, fix: within::<2> };
    PACKET_HDRLEN = Value::SpecialReadOnly;
    PACKET_RESERVE = Value::Stored { default: 0, fix: not_negative };
    PACKET_TX_RING = Value::Special;
    PACKET_LOSS = FLAG;
    PACKET_VNET_HDR = Value::ReadOnly(0, Errno::EINVAL);
    PACKET_TX_TIMESTAMP = NO_SUCH;
    PACKET_TIMESTAMP = Value::Stored { default: 0, fix: any };
    PACKET_FANOUT = Value::Special;
    PACKET_TX_HAS_OFF = FLAG;
    PACKET_QDISC_BYPASS = FLAG;
    PACKET_ROLLOVER_STATS = Value::SpecialReadOnly;
    PACKET_FANOUT_DATA = Value::WriteOnlySpecial;
    PACKET_IGNORE_OUTGOING = Value::Special;
    PACKET_VNET_HDR_SZ = Value::ReadOnly(0, Errno::EINVAL);
}
}
