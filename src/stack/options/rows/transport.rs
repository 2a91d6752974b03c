//! SOL_RAW, SOL_ICMPV6, SOL_TCP, SOL_UDP (and SOL_UDPLITE): raw(7), icmp(7), tcp(7), udp(7), udplite(7).

use crate::base::Errno;
use crate::base::constants::*;
use crate::stack::options::table::*;

/// How many bytes a checksum covers: the header at least, or 0; more than a datagram can have is all.
macro_rules! coverage {
    ($($field:ident).+) => {
        Value::Field {
            get: |o| o.$($field).+.map_or(0, i32::from),
            set: |o, v| {
                let bytes = if v == 0 { 0 } else { v.clamp(8, 0xffff) };
                o.$($field).+ = u16::try_from(bytes).ok();
                true
            },
        }
    };
}

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
    TCP_WINDOW_CLAMP = Value::Special;
    TCP_INFO = Value::SpecialReadOnly;
    TCP_QUICKACK = on!(quickack);
    TCP_CONGESTION = Value::Special;
    TCP_MD5SIG = Value::WriteOnlySpecial;
    TCP_THIN_LINEAR_TIMEOUTS = BIT;
    TCP_THIN_DUPACK = Value::Stored { default: 0, fix: |v| bit(v).map(|_| 0) };
    TCP_USER_TIMEOUT = Value::Special;
    TCP_REPAIR = Value::ReadOnly(0, Errno::EPERM);
    TCP_REPAIR_QUEUE = Value::Refused(Errno::EINVAL, Errno::EPERM);
    TCP_QUEUE_SEQ = Value::Refused(Errno::EINVAL, Errno::EINVAL);
    TCP_REPAIR_OPTIONS = Value::Refused(Errno::ENOPROTOOPT, Errno::EINVAL);
    TCP_FASTOPEN = Value::Special;
    TCP_TIMESTAMP = Value::Special;
    TCP_NOTSENT_LOWAT = Value::Field {
        get: |o| o.tcp.notsent_lowat as i32,
        set: |o, v| {
            o.tcp.notsent_lowat = v as u32;
            true
        },
    };
    TCP_CC_INFO = Value::ReadOnlyEmpty;
    TCP_SAVE_SYN = number!(tcp.save_syn, (0..=2));
    TCP_SAVED_SYN = Value::SpecialReadOnly;
    TCP_REPAIR_WINDOW = Value::Refused(Errno::EINVAL, Errno::EPERM);
    TCP_FASTOPEN_CONNECT = Value::Special;
    TCP_ULP = Value::Special;
    TCP_MD5SIG_EXT = Value::WriteOnlySpecial;
    TCP_FASTOPEN_KEY = Value::Special;
    TCP_FASTOPEN_NO_COOKIE = Value::Special;
    TCP_ZEROCOPY_RECEIVE = Value::Refused(Errno::EINVAL, Errno::ENOPROTOOPT);
    TCP_INQ = zero_or_one!(tcp.inq);
    TCP_TX_DELAY = Value::Stored { default: 0, fix: not_negative };
}
SOL_UDP: {
    UDP_CORK = on!(udp.cork);
    UDP_ENCAP = Value::Special;
    UDP_NO_CHECK6_TX = on!(udp.no_check6_tx);
    UDP_NO_CHECK6_RX = on!(udp.no_check6_rx);
    UDP_SEGMENT = number!(udp.segment, (0..=65_535));
    UDP_GRO = on!(udp.gro);
    UDPLITE_SEND_CSCOV = coverage!(udp.send_coverage), not UDP => ENOPROTOOPT;
    UDPLITE_RECV_CSCOV = coverage!(udp.recv_coverage), not UDP => ENOPROTOOPT;
}
}
