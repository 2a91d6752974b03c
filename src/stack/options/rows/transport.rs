//! SOL_RAW, SOL_ICMPV6, SOL_TCP, SOL_UDP: raw(7), icmp(7), tcp(7), udp(7).

use crate::base::Errno;
use crate::base::constants::*;
use crate::stack::options::table::*;

rows_of! {
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
}
