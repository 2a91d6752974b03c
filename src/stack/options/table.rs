//! The one table: which options there are, on which sockets, what their values look like, and what becomes of them.
//!
//! getsockopt(2), setsockopt(2), the tests and the documentation read it. What the rows can't say is in special.rs.

use super::Options;
use crate::base::Errno;
use crate::base::constants::*;

/// Kinds of sockets, as bits.
pub(crate) const TCP: u8 = 1;
pub(crate) const UDP: u8 = 2;
pub(crate) const PING: u8 = 4;
pub(crate) const RAW: u8 = 8;
pub(crate) const PACKET: u8 = 16;
pub(crate) const NETLINK: u8 = 32;
pub(crate) const DATAGRAM: u8 = UDP | PING | RAW | PACKET | NETLINK;
pub(crate) const ALL: u8 = TCP | DATAGRAM;

/// An option.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) level: i32,
    pub(crate) name: i32,
    /// The name as programs write it.
    pub(crate) text: &'static str,
    pub(crate) value: Value,
    /// Kinds of sockets that can't set it, and what they are told.
    pub(crate) refused: (u8, Errno),
}

/// What an option's value is, and what becomes of it.
#[derive(Debug)]
pub(crate) enum Value {
    /// An int that the protocols act on; `set` says false for EINVAL.
    Field { get: fn(&Options) -> i32, set: fn(&mut Options, i32) -> bool },
    /// special.rs reads and writes it: it needs more than the options, or is no int. Acted on.
    Special,
    /// special.rs reads it; writing is ENOPROTOOPT.
    SpecialReadOnly,
    /// An int that nothing here acts on: kept as `fix` makes it (`None` = EINVAL), and returned.
    Stored { default: i32, fix: fn(i32) -> Option<i32> },
    /// Eight bytes, settable by an int too: kept and returned.
    StoredWide { default: u64, fix: fn(i32) -> Option<u64> },
    /// Bytes, from `least` to `most`, or none where that means "no longer": kept and returned, `default` before.
    StoredBytes { least: usize, most: usize, none: bool, default: &'static [u8] },
    /// Bytes, from `least` to `most`, that can only be written: kept.
    WriteOnlyBytes { least: usize, most: usize },
    /// An int that can only be written: kept.
    WriteOnly { fix: fn(i32) -> Option<i32> },
    /// An int that never changes, and what writing is told.
    ReadOnly(i32, Errno),
    /// No value; writing is ENOPROTOOPT.
    ReadOnlyEmpty,
    /// Linux knows the number and refuses it on these sockets: reading, writing.
    Refused(Errno, Errno),
}

fn flag(value: i32) -> Option<i32> {
    Some(i32::from(value != 0))
}
fn any(value: i32) -> Option<i32> {
    Some(value)
}
fn not_negative(value: i32) -> Option<i32> {
    (value >= 0).then_some(value)
}
fn bit(value: i32) -> Option<i32> {
    within::<1>(value)
}
/// From 0 to `MAX`.
fn within<const MAX: i32>(value: i32) -> Option<i32> {
    (0..=MAX).contains(&value).then_some(value)
}
/// RTNLGRP_MAX.
fn netlink_group(value: i32) -> Option<i32> {
    (1..=39).contains(&value).then_some(value)
}
fn ignored(_: i32) -> Option<i32> {
    Some(0)
}
fn pacing_rate(value: i32) -> Option<u64> {
    Some(if value == -1 { u64::MAX } else { u64::from(value as u32) })
}
fn timestamping(value: i32) -> Option<u64> {
    // SOF_TIMESTAMPING_* has sixteen bits and a few.
    u64::try_from(value).ok().filter(|flags| *flags < 1 << 16)
}
/// "The value is at least half the smallest receive buffer", or 0 = none.
fn window_clamp(value: i32) -> Option<i32> {
    Some(if value == 0 { 0 } else { value.max(2304 / 2) })
}
/// -1 = on.
fn rehash(value: i32) -> Option<i32> {
    (-1..=1).contains(&value).then_some(value.abs())
}
/// -1 = off.
fn repair(value: i32) -> Option<i32> {
    (-1..=1).contains(&value).then_some(i32::from(value == 1))
}
/// The sources that IPV6_ADDR_PREFERENCES asks for: one of three pairs each, with their defaults.
fn address_preferences(value: i32) -> Option<i32> {
    let source = match value & 0x103 {
        0 | 0x100 => 0x100,
        1 => 1,
        2 => 2,
        _ => return None,
    };
    let coa = match value & 0x404 {
        0 | 0x400 => 0x400,
        4 => 4,
        _ => return None,
    };
    // IPV6_PREFER_SRC_CGA and its opposite exclude each other, and change nothing.
    (value & 0x808 != 0x808).then_some(source | coa)
}

/// A boolean field: anything but 0 is true.
macro_rules! on {
    ($($field:ident).+) => {
        Value::Field { get: |o| i32::from(o.$($field).+), set: |o, v| { o.$($field).+ = v != 0; true } }
    };
}

/// A boolean field: 0 or 1, else EINVAL.
macro_rules! zero_or_one {
    ($field:ident) => {
        Value::Field {
            get: |o| i32::from(o.$field),
            set: |o, v| {
                let fits = v == 0 || v == 1;
                o.$field = if fits { v == 1 } else { o.$field };
                fits
            },
        }
    };
}

/// A number of a range; `$min..=$max`, else EINVAL.
macro_rules! number {
    ($field:ident, $range:expr) => {
        Value::Field {
            get: |o| i32::try_from(o.$field).unwrap_or(i32::MAX),
            set: |o, v| {
                let fits = $range.contains(&v);
                if fits && let Ok(v) = v.try_into() {
                    o.$field = v;
                }
                fits
            },
        }
    };
}

/// A duration in whole seconds, 1..=32767 as MAX_TCP_KEEPIDLE and MAX_TCP_KEEPINTVL.
macro_rules! seconds {
    ($field:ident) => {
        Value::Field {
            get: |o| i32::try_from(o.$field.as_secs()).unwrap_or(i32::MAX),
            set: |o, v| {
                let seconds = u64::try_from(v).unwrap_or(0);
                if (1..=32_767).contains(&seconds) {
                    o.$field = std::time::Duration::from_secs(seconds);
                }
                (1..=32_767).contains(&seconds)
            },
        }
    };
}

/// A time to live: -1 = `$default`, else from `$min` to 255.
macro_rules! hops {
    ($field:ident, $default:expr, $min:literal) => {
        Value::Field {
            get: |o| i32::from(o.$field),
            set: |o, v| {
                o.$field = if v == -1 { $default } else { u8::try_from(v).unwrap_or(o.$field) };
                v == -1 || ($min..=255).contains(&v)
            },
        }
    };
}

macro_rules! rows {
    ($($level:ident: { $($name:ident = $value:expr $(, not $kinds:expr => $errno:ident)?;)* })*) => {
        /// All options that Linux knows at these levels.
        pub(crate) const TABLE: &[Row] = &[$($(Row {
            level: $level,
            name: $name,
            text: stringify!($name),
            value: $value,
            refused: { let _none = (0, Errno::ENOPROTOOPT); $(let _none = ($kinds, Errno::$errno);)? _none },
        },)*)*];
    };
}

const FLAG: Value = Value::Stored { default: 0, fix: flag };
const BIT: Value = Value::Stored { default: 0, fix: bit };
/// Bytes that nothing here acts on.
const fn bytes(least: usize, most: usize, none: bool) -> Value {
    Value::StoredBytes { least, most, none, default: &[] }
}
const NO_SUCH: Value = Value::Refused(Errno::ENOPROTOOPT, Errno::ENOPROTOOPT);
const NOT_HERE: Value = Value::Refused(Errno::EOPNOTSUPP, Errno::EOPNOTSUPP);

rows! {
SOL_SOCKET: {
    SO_DEBUG = FLAG;
    SO_REUSEADDR = Value::Special;
    SO_TYPE = Value::SpecialReadOnly;
    SO_ERROR = Value::SpecialReadOnly;
    SO_DONTROUTE = FLAG;
    SO_BROADCAST = on!(broadcast);
    SO_SNDBUF = Value::Special;
    SO_RCVBUF = Value::Special;
    SO_KEEPALIVE = on!(keepalive);
    SO_OOBINLINE = FLAG;
    SO_NO_CHECK = FLAG;
    SO_PRIORITY = Value::Stored { default: 0, fix: any };
    SO_LINGER = Value::Special;
    SO_BSDCOMPAT = Value::Stored { default: 0, fix: ignored };
    SO_REUSEPORT = Value::Special;
    SO_PASSCRED = NOT_HERE;
    SO_PEERCRED = Value::SpecialReadOnly;
    SO_RCVLOWAT = Value::Special;
    SO_SNDLOWAT = Value::ReadOnly(1, Errno::ENOPROTOOPT);
    SO_RCVTIMEO = Value::Special;
    SO_SNDTIMEO = Value::Special;
    SO_BINDTODEVICE = Value::Special;
    SO_ATTACH_FILTER = Value::Special;
    SO_DETACH_FILTER = Value::Special;
    SO_PEERNAME = Value::SpecialReadOnly;
    SO_TIMESTAMP = Value::Special;
    SO_ACCEPTCONN = Value::SpecialReadOnly;
    SO_PEERSEC = NO_SUCH;
    SO_SNDBUFFORCE = Value::Special;
    SO_RCVBUFFORCE = Value::Special;
    SO_PASSSEC = NOT_HERE;
    SO_TIMESTAMPNS = Value::Special;
    SO_MARK = Value::Stored { default: 0, fix: any };
    SO_TIMESTAMPING = Value::StoredWide { default: 0, fix: timestamping };
    SO_PROTOCOL = Value::SpecialReadOnly;
    SO_DOMAIN = Value::SpecialReadOnly;
    SO_RXQ_OVFL = on!(recv_dropped);
    SO_WIFI_STATUS = FLAG;
    SO_PEEK_OFF = Value::Stored { default: -1, fix: any }, not PING | RAW | PACKET => EOPNOTSUPP;
    SO_NOFCS = FLAG;
    SO_LOCK_FILTER = Value::Special;
    SO_SELECT_ERR_QUEUE = FLAG;
    SO_BUSY_POLL = Value::Stored { default: 0, fix: not_negative };
    SO_MAX_PACING_RATE = Value::StoredWide { default: u64::MAX, fix: pacing_rate };
    SO_BPF_EXTENSIONS = Value::ReadOnly(64, Errno::ENOPROTOOPT);
    SO_INCOMING_CPU = Value::Stored { default: -1, fix: any };
    SO_ATTACH_BPF = Value::Refused(Errno::ENOPROTOOPT, Errno::EINVAL);
    SO_ATTACH_REUSEPORT_CBPF = Value::Refused(Errno::ENOPROTOOPT, Errno::EINVAL);
    SO_ATTACH_REUSEPORT_EBPF = Value::Refused(Errno::ENOPROTOOPT, Errno::EINVAL);
    SO_CNX_ADVICE = Value::WriteOnly { fix: any };
    SO_MEMINFO = Value::SpecialReadOnly;
    SO_INCOMING_NAPI_ID = Value::ReadOnly(0, Errno::ENOPROTOOPT);
    SO_COOKIE = Value::SpecialReadOnly;
    SO_PEERGROUPS = Value::Refused(Errno::ENODATA, Errno::ENOPROTOOPT);
    SO_ZEROCOPY = BIT, not PING | RAW | PACKET => EOPNOTSUPP;
    SO_TXTIME = Value::StoredBytes { least: 8, most: 8, none: false, default: &[0; 8] };
    SO_BINDTOIFINDEX = Value::Special;
    SO_TIMESTAMP_NEW = Value::Special;
    SO_TIMESTAMPNS_NEW = Value::Special;
    SO_TIMESTAMPING_NEW = Value::StoredWide { default: 0, fix: timestamping };
    SO_RCVTIMEO_NEW = Value::Special;
    SO_SNDTIMEO_NEW = Value::Special;
    SO_DETACH_REUSEPORT_BPF = Value::Refused(Errno::ENOPROTOOPT, Errno::EINVAL);
    SO_PREFER_BUSY_POLL = FLAG;
    SO_BUSY_POLL_BUDGET = Value::WriteOnly { fix: within::<65_535> };
    SO_NETNS_COOKIE = Value::SpecialReadOnly;
    SO_BUF_LOCK = Value::Special;
    SO_RESERVE_MEM = Value::Stored { default: 0, fix: not_negative }, not ALL => EOPNOTSUPP;
    SO_TXREHASH = Value::Stored { default: 1, fix: rehash }, not DATAGRAM => EOPNOTSUPP;
    SO_RCVMARK = FLAG;
    SO_PASSPIDFD = NOT_HERE;
    SO_PEERPIDFD = Value::Refused(Errno::ENODATA, Errno::ENOPROTOOPT);
    SO_VERBATIM = Value::Special, not !RAW => ENOPROTOOPT;
}
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
SOL_IPV6: {
    IPV6_ADDRFORM = Value::Refused(Errno::ENOTCONN, Errno::EINVAL);
    IPV6_2292PKTINFO = FLAG;
    IPV6_2292HOPOPTS = FLAG;
    IPV6_2292DSTOPTS = FLAG;
    IPV6_2292RTHDR = FLAG;
    IPV6_2292PKTOPTIONS = bytes(0, 2048, true);
    IPV6_CHECKSUM = Value::Special, not !RAW => ENOPROTOOPT;
    IPV6_2292HOPLIMIT = FLAG;
    IPV6_NEXTHOP = NO_SUCH;
    IPV6_FLOWINFO = FLAG;
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
    IPV6_FLOWLABEL_MGR = bytes(32, 2048, false);
    IPV6_FLOWINFO_SEND = FLAG;
    IPV6_IPSEC_POLICY = Value::Refused(Errno::ENOPROTOOPT, Errno::EOPNOTSUPP);
    IPV6_XFRM_POLICY = Value::Refused(Errno::ENOPROTOOPT, Errno::EINVAL);
    IPV6_HDRINCL = Value::Special, not !RAW => ENOPROTOOPT;
    MCAST_JOIN_GROUP = Value::Special;
    MCAST_BLOCK_SOURCE = Value::WriteOnlyBytes { least: 264, most: 264 };
    MCAST_UNBLOCK_SOURCE = Value::WriteOnlyBytes { least: 264, most: 264 };
    MCAST_LEAVE_GROUP = Value::Special;
    MCAST_JOIN_SOURCE_GROUP = Value::WriteOnlyBytes { least: 264, most: 264 };
    MCAST_LEAVE_SOURCE_GROUP = Value::WriteOnlyBytes { least: 264, most: 264 };
    MCAST_MSFILTER = Value::WriteOnlyBytes { least: 144, most: 4096 };
    IPV6_RECVPKTINFO = on!(packet_info6);
    IPV6_PKTINFO = Value::WriteOnlyBytes { least: 20, most: 20 };
    IPV6_RECVHOPLIMIT = on!(recv_hops);
    IPV6_HOPLIMIT = NO_SUCH;
    IPV6_RECVHOPOPTS = FLAG;
    IPV6_HOPOPTS = bytes(8, 2048, true);
    IPV6_RTHDRDSTOPTS = bytes(8, 2048, true);
    IPV6_RECVRTHDR = FLAG;
    IPV6_RTHDR = bytes(8, 2048, true);
    IPV6_RECVDSTOPTS = FLAG;
    IPV6_DSTOPTS = bytes(8, 2048, true);
    IPV6_RECVPATHMTU = FLAG;
    IPV6_PATHMTU = Value::SpecialReadOnly;
    IPV6_DONTFRAG = on!(dont_fragment6);
    IPV6_RECVTCLASS = on!(recv_tclass);
    IPV6_TCLASS = Value::Special;
    IPV6_AUTOFLOWLABEL = Value::Stored { default: 1, fix: flag };
    IPV6_ADDR_PREFERENCES = Value::Stored { default: 0x500, fix: address_preferences };
    IPV6_MINHOPCOUNT = Value::Stored { default: 0, fix: within::<255> };
    IPV6_ORIGDSTADDR = FLAG;
    IPV6_TRANSPARENT = FLAG;
    IPV6_UNICAST_IF = Value::Special;
    IPV6_RECVFRAGSIZE = FLAG;
    IPV6_FREEBIND = on!(freebind);
}
SOL_RAW: {
    ICMP_FILTER = Value::Special;
    IPV6_CHECKSUM = Value::Special;
    IPV6_HDRINCL = Value::Special;
}
SOL_ICMPV6: {
    ICMP6_FILTER = Value::Special;
}
SOL_TCP: {
    TCP_NODELAY = on!(nodelay);
    TCP_MAXSEG = Value::Special;
    TCP_CORK = on!(cork);
    TCP_KEEPIDLE = seconds!(keepidle);
    TCP_KEEPINTVL = seconds!(keepintvl);
    TCP_KEEPCNT = number!(keepcnt, (1..=127));
    TCP_SYNCNT = number!(syncnt, (1..=127));
    TCP_LINGER2 = Value::Special;
    TCP_DEFER_ACCEPT = Value::Special;
    TCP_WINDOW_CLAMP = Value::Stored { default: 0, fix: window_clamp };
    TCP_INFO = Value::SpecialReadOnly;
    TCP_QUICKACK = on!(quickack);
    TCP_CONGESTION = Value::Special;
    TCP_MD5SIG = Value::Refused(Errno::ENOPROTOOPT, Errno::EINVAL);
    TCP_THIN_LINEAR_TIMEOUTS = BIT;
    TCP_THIN_DUPACK = Value::Stored { default: 0, fix: |v| bit(v).map(|_| 0) };
    TCP_USER_TIMEOUT = Value::Special;
    TCP_REPAIR = Value::Stored { default: 0, fix: repair };
    TCP_REPAIR_QUEUE = Value::Refused(Errno::EINVAL, Errno::EPERM);
    TCP_QUEUE_SEQ = Value::Refused(Errno::EINVAL, Errno::EINVAL);
    TCP_REPAIR_OPTIONS = Value::Refused(Errno::ENOPROTOOPT, Errno::EINVAL);
    TCP_FASTOPEN = Value::Stored { default: 0, fix: |v| not_negative(v).map(|v| v.min(4096)) };
    TCP_TIMESTAMP = Value::Special;
    TCP_NOTSENT_LOWAT = Value::Stored { default: 0, fix: any };
    TCP_CC_INFO = Value::ReadOnlyEmpty;
    TCP_SAVE_SYN = Value::Stored { default: 0, fix: within::<2> };
    TCP_SAVED_SYN = Value::ReadOnlyEmpty;
    TCP_REPAIR_WINDOW = Value::Refused(Errno::EINVAL, Errno::EPERM);
    TCP_FASTOPEN_CONNECT = BIT;
    TCP_ULP = Value::Special;
    TCP_MD5SIG_EXT = Value::Refused(Errno::ENOPROTOOPT, Errno::EINVAL);
    TCP_FASTOPEN_KEY = bytes(16, 32, false);
    TCP_FASTOPEN_NO_COOKIE = BIT;
    TCP_ZEROCOPY_RECEIVE = Value::Refused(Errno::EINVAL, Errno::ENOPROTOOPT);
    TCP_INQ = BIT;
    TCP_TX_DELAY = Value::Stored { default: 0, fix: not_negative };
}
SOL_UDP: {
    UDP_CORK = on!(udp_cork);
    UDP_ENCAP = Value::Stored { default: 0, fix: |v| matches!(v, 0 | 2 | 3).then_some(v) };
    UDP_NO_CHECK6_TX = FLAG;
    UDP_NO_CHECK6_RX = FLAG;
    UDP_SEGMENT = Value::Stored { default: 0, fix: within::<65_535> };
    UDP_GRO = FLAG;
}
SOL_NETLINK: {
    NETLINK_ADD_MEMBERSHIP = Value::WriteOnly { fix: netlink_group };
    NETLINK_DROP_MEMBERSHIP = Value::WriteOnly { fix: netlink_group };
    NETLINK_PKTINFO = FLAG;
    NETLINK_BROADCAST_ERROR = FLAG;
    NETLINK_NO_ENOBUFS = FLAG;
    NETLINK_LISTEN_ALL_NSID = FLAG;
    NETLINK_LIST_MEMBERSHIPS = Value::ReadOnlyEmpty;
    NETLINK_CAP_ACK = on!(netlink_cap_ack);
    NETLINK_EXT_ACK = on!(netlink_extended_ack);
    NETLINK_GET_STRICT_CHK = on!(netlink_strict);
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
    PACKET_FANOUT = Value::ReadOnly(0, Errno::EINVAL);
    PACKET_TX_HAS_OFF = FLAG;
    PACKET_QDISC_BYPASS = FLAG;
    PACKET_ROLLOVER_STATS = Value::Refused(Errno::EINVAL, Errno::ENOPROTOOPT);
    PACKET_FANOUT_DATA = Value::Refused(Errno::ENOPROTOOPT, Errno::EINVAL);
    PACKET_IGNORE_OUTGOING = Value::Special;
    PACKET_VNET_HDR_SZ = Value::ReadOnly(0, Errno::EINVAL);
}
}

/// The row of an option.
pub(crate) fn find(level: i32, name: i32) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.level == level && row.name == name)
}
