//! Socket options: what a socket has been told (`Options`), and the one table that says which options there are.
//!
//! | file | what |
//! |---|---|
//! | `mod.rs` | [`Options`]: the values that the protocols read, by their names |
//! | `table.rs` | the one table: level, name, kind of value, what becomes of it |
//! | `calls.rs` | getsockopt(2) and setsockopt(2): levels, lengths, the table's rows |
//! | `rows/` | its rows, by their levels |
//! | `socket.rs` | what is more than an int of SOL_SOCKET: buffers, time-outs, devices |
//! | `special.rs` | the same of the other levels |
//! | `bytes.rs` | values as C lays them out |
//! | `raw.rs` | what raw sockets alone have |
//! | `filter.rs` | SO_ATTACH_FILTER and its companions |
//! | `sources.rs` | which sources of its groups a socket hears |
//! | `membership.rs` | multicast groups of a socket, and where its multicasts go out |

mod bytes;
mod calls;
mod filter;
mod membership;
mod raw;
mod rows;
mod socket;
mod sources;
mod special;
mod table;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use crate::base::constants::{
    AF_INET, AF_INET6, AF_UNIX, IP_PMTUDISC_WANT, IPPROTO_ICMP, IPPROTO_ICMPV6, SOCK_DGRAM, SOCK_RAW,
    SOCK_STREAM, SOF_TIMESTAMPING_OPT_RX_FILTER, SOF_TIMESTAMPING_RX_SOFTWARE, SOF_TIMESTAMPING_SOFTWARE,
};
use crate::base::{ControlMessage, IfIndex, Instant};
use crate::stack::Config;
use crate::stack::datagram::Extensions;
use crate::stack::ip::IpOptions;
use crate::stack::tcp::Keys;

pub(super) use special::CONGESTION;

/// A socket's options, in the units that the protocols compute with.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    // SOL_SOCKET
    pub(crate) reuse_address: bool,
    pub(crate) reuse_port: bool,
    pub(crate) keepalive: bool,
    /// SO_LINGER: `Some` = on; zero = RST at close.
    pub(crate) linger: Option<Duration>,
    /// What getsockopt tells of it.
    linger_seconds: i32,
    pub(crate) broadcast: bool,
    /// SO_NO_CHECK: UDP over IPv4 computes no checksums.
    pub(crate) no_check: bool,
    /// SO_OOBINLINE: urgent data comes with the other.
    pub(crate) oob_inline: bool,
    /// SO_PASSCRED: tell with what is received who sent it.
    pub(crate) pass_credentials: bool,
    /// SO_PASSSEC: kept; without a security module there is no label to tell of.
    pub(crate) pass_security: bool,
    /// SO_RCVBUF as getsockopt tells it (Linux: twice what setsockopt asked). See [`Options::recv_space`].
    pub(crate) recv_buffer: usize,
    /// SO_SNDBUF as getsockopt tells it. See [`Options::send_space`].
    pub(crate) send_buffer: usize,
    /// The program has set the buffer itself (SO_BUF_LOCK's bits): its value contains Linux's doubling.
    pub(crate) recv_buffer_set: bool,
    pub(crate) send_buffer_set: bool,
    /// SO_RCVTIMEO; `None` = waits for ever.
    pub(crate) recv_timeout: Option<Duration>,
    /// SO_SNDTIMEO; `None` = waits for ever.
    pub(crate) send_timeout: Option<Duration>,
    /// SO_LOCK_FILTER: the filter stays as it is.
    pub(crate) filter_locked: bool,
    /// SO_RCVLOWAT, in bytes, at least 1.
    pub(crate) recv_lowat: usize,
    /// SO_RXQ_OVFL: tell with a datagram how many were dropped before it.
    pub(crate) recv_dropped: bool,
    /// SO_SELECT_ERR_QUEUE: POLLPRI while something is in the error queue.
    pub(crate) select_error_queue: bool,
    pub(crate) priority: i32,
    pub(crate) mark: u32,
    /// SO_RCVMARK, SO_RCVPRIORITY: tell with a datagram what its sender, on this host, has given it.
    pub(crate) recv_mark: bool,
    pub(crate) recv_priority: bool,
    /// SO_DONTROUTE: only what is on a link of this host.
    pub(crate) dont_route: bool,
    /// SO_PEEK_OFF: where the next MSG_PEEK begins; -1 = at the beginning, always.
    pub(crate) peek_offset: i32,
    /// SO_ZEROCOPY: MSG_ZEROCOPY is reported.
    pub(crate) zerocopy: bool,
    /// SO_TIMESTAMPING: SOF_TIMESTAMPING_*; and whether it was asked for as SO_TIMESTAMPING_NEW.
    pub(crate) timestamping: u32,
    timestamping_new: bool,
    /// SO_TXTIME: the clock and the flags of struct sock_txtime.
    pub(crate) transmit_time: Option<(i32, u32)>,
    /// SO_MAX_PACING_RATE, in bytes a second.
    pub(crate) pacing_rate: u64,
    pub(crate) timestamp: Timestamp,
    /// Under which of its names it was asked for.
    timestamp_name: i32,

    // SOL_TCP
    pub(crate) nodelay: bool,
    pub(crate) cork: bool,
    pub(crate) quickack: bool,
    /// TCP_MAXSEG, in bytes; 0 = by the path's MTU.
    pub(crate) maxseg: u16,
    pub(crate) keepidle: Duration,
    pub(crate) keepintvl: Duration,
    pub(crate) keepcnt: u32,
    /// TCP_USER_TIMEOUT; `None` = by the number of retransmissions.
    pub(crate) user_timeout: Option<Duration>,
    /// TCP_SYNCNT: SYNs sent again.
    pub(crate) syncnt: u32,
    /// TCP_LINGER2 in seconds: -1 = no FIN_WAIT2 for orphans, 0 = the host's fin_timeout.
    pub(crate) linger2: i32,
    /// TCP_CONGESTION: `cubic`, `reno` or `none`.
    pub(crate) congestion: &'static str,
    /// TCP_DEFER_ACCEPT: how often the SYN|ACK's timer runs out before a connection without data is told; 0 = off.
    pub(crate) defer_accept: u32,

    pub(crate) tcp: TcpOptions,
    pub(crate) fast_open: FastOpen,

    /// TCP_MD5SIG: keys for peers.
    pub(in crate::stack) signatures: Keys,

    // SOL_UDP
    pub(crate) udp: UdpOptions,

    // SOL_IP, and SOL_IPV6 where it means the same
    /// IP_TTL; `None` = the host's.
    pub(crate) ttl: Option<u8>,
    pub(crate) tos: u8,
    pub(crate) recv_ttl: bool,
    pub(crate) recv_tos: bool,
    pub(crate) recv_options: bool,
    pub(crate) return_options: bool,
    pub(crate) packet_info: bool,
    /// IP_PMTUDISC_*.
    pub(crate) mtu_discover: i32,
    pub(crate) recv_error: bool,
    pub(crate) multicast_interface: Option<IfIndex>,
    pub(crate) multicast_source: Option<Ipv4Addr>,
    pub(crate) multicast_ttl: u8,
    pub(crate) multicast_loop: bool,
    /// IP_MULTICAST_ALL: hears every group that anybody on this host has joined.
    pub(crate) multicast_all: bool,
    /// IP_UNICAST_IF: where unicast goes out, if the device says nothing.
    pub(crate) unicast_interface: Option<IfIndex>,
    pub(crate) freebind: bool,
    /// IP_TRANSPARENT, IPV6_TRANSPARENT: may bind to, and send from, addresses of others.
    pub(crate) transparent: bool,
    /// IP_BIND_ADDRESS_NO_PORT: bind(2) to port 0 leaves the choice to connect(2).
    pub(crate) bind_without_port: bool,
    /// IP_LOCAL_PORT_RANGE: the lowest in the lower half, the highest in the upper; 0 = the host's.
    pub(crate) port_range: u32,
    /// IP_MINTTL and IPV6_MINHOPCOUNT: segments with less are dropped (TCP).
    pub(crate) min_ttl: u8,
    pub(crate) min_hops: u8,
    /// IP_RECVORIGDSTADDR and IPV6_RECVORIGDSTADDR.
    pub(crate) recv_original: bool,
    pub(crate) recv_original6: bool,
    /// IP_RECVFRAGSIZE and IPV6_RECVFRAGSIZE.
    pub(crate) recv_fragment_size: bool,
    pub(crate) recv_fragment_size6: bool,
    /// IP_OPTIONS.
    pub(in crate::stack) ip_options: IpOptions,

    // SOL_IPV6
    /// Which headers of a datagram to tell.
    pub(crate) headers6: Headers6,
    /// IPV6_HOPOPTS, IPV6_RTHDRDSTOPTS, IPV6_RTHDR, IPV6_DSTOPTS: sent with every datagram.
    pub(in crate::stack) extensions: Extensions,
    /// IPV6_FLOWINFO_SEND: the flow label of sin6_flowinfo is sent.
    pub(crate) flow_info_send: bool,
    /// What connect(2) was given in sin6_flowinfo then.
    pub(crate) flow_info: u32,
    /// IPV6_AUTOFLOWLABEL: where none is asked for, a flow label by the hash of the flow.
    pub(crate) auto_flow_label: bool,
    /// IPV6_PKTINFO: where datagrams go out, if the device says nothing.
    pub(crate) sticky_interface6: Option<IfIndex>,
    /// IPV6_RECVPATHMTU: tell of what did not fit the path.
    pub(crate) recv_path_mtu: bool,
    pub(crate) v6only: bool,
    /// IPV6_UNICAST_HOPS; `None` = the host's.
    pub(crate) hops: Option<u8>,
    pub(crate) tclass: u8,
    pub(crate) recv_hops: bool,
    pub(crate) recv_tclass: bool,
    pub(crate) packet_info6: bool,
    /// IP_PMTUDISC_* for IPv6.
    pub(crate) mtu_discover6: i32,
    pub(crate) recv_error6: bool,
    pub(crate) unicast_interface6: Option<IfIndex>,
    pub(crate) multicast_interface6: Option<IfIndex>,
    pub(crate) multicast_hops: u8,
    pub(crate) multicast_loop6: bool,
    pub(crate) multicast_all6: bool,
    /// IPV6_DONTFRAG: what does not fit is EMSGSIZE.
    pub(crate) dont_fragment6: bool,

    // SOL_PACKET
    pub(crate) packet_auxdata: bool,
    /// PACKET_IGNORE_OUTGOING.
    pub(crate) ignore_outgoing: bool,

    // SOL_NETLINK
    /// NETLINK_EXT_ACK: errors come with a sentence.
    pub(crate) netlink_extended_ack: bool,
    /// NETLINK_CAP_ACK: errors quote the request's header only.
    pub(crate) netlink_cap_ack: bool,
    /// NETLINK_GET_STRICT_CHK: the header of a dump request is a filter.
    pub(crate) netlink_strict: bool,

    /// What Linux knows and nothing here acts on, as it was set: (level, name) to bytes.
    stored: BTreeMap<(i32, i32), Vec<u8>>,
}

/// What TCP alone has, and seldom.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TcpOptions {
    /// TCP_NOTSENT_LOWAT, in bytes; 0 = no limit.
    pub(crate) notsent_lowat: u32,
    /// TCP_WINDOW_CLAMP, in bytes; 0 = none.
    pub(crate) window_clamp: u32,
    /// TCP_INQ: recvmsg tells how much is left.
    pub(crate) inq: bool,
    /// TCP_SAVE_SYN: 1 = from the IP header on, 2 = from the link header on.
    pub(crate) save_syn: u8,
}

/// TCP Fast Open.
#[derive(Clone, Debug, Default)]
pub(crate) struct FastOpen {
    /// TCP_FASTOPEN: connections of a listener that may stand without their final ACK.
    pub(crate) queue: u32,
    /// TCP_FASTOPEN_CONNECT.
    pub(crate) connect: bool,
    /// TCP_FASTOPEN_NO_COOKIE.
    pub(crate) no_cookie: bool,
    /// TCP_FASTOPEN_KEY: of 16 bytes, and behind it the one before it.
    pub(crate) key: Vec<u8>,
}

/// What UDP and UDP-Lite alone have.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct UdpOptions {
    /// UDP_CORK: what is sent is kept until it is switched off, and leaves as one datagram.
    pub(crate) cork: bool,
    /// UDP_SEGMENT: what is sent is cut into datagrams of so many bytes; 0 = it is one.
    pub(crate) segment: u16,
    /// UDP_GRO: datagrams that come together are read together.
    pub(crate) gro: bool,
    /// UDP_NO_CHECK6_TX and UDP_NO_CHECK6_RX: over IPv6 none is computed, none is asked for.
    pub(crate) no_check6_tx: bool,
    pub(crate) no_check6_rx: bool,
    /// UDP_ENCAP: UDP_ENCAP_*.
    pub(crate) encap: i32,
    /// UDPLITE_SEND_CSCOV: bytes that the checksum covers, header included, 0 = all. `None`: nobody has said.
    pub(crate) send_coverage: Option<u16>,
    /// UDPLITE_RECV_CSCOV: the least that a partial checksum must cover; 0 = only whole ones will do.
    pub(crate) recv_coverage: Option<u16>,
}

/// IPV6_RECVHOPOPTS and its like, RFC 3542; `old_*`: as RFC 2292 had them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Headers6 {
    pub(crate) hop_by_hop: bool,
    pub(crate) routing: bool,
    pub(crate) destination: bool,
    /// IPV6_FLOWINFO.
    pub(crate) flow_info: bool,
    pub(crate) old_packet_info: bool,
    pub(crate) old_hop_limit: bool,
    pub(crate) old_hop_by_hop: bool,
    pub(crate) old_routing: bool,
    pub(crate) old_destination: bool,
}

/// SO_TIMESTAMP and SO_TIMESTAMPNS: one excludes the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Timestamp {
    #[default]
    Off,
    Micro,
    Nano,
}

impl Options {
    /// What a new socket has.
    pub(crate) fn new(config: &Config, domain: i32, kind: i32, protocol: i32) -> Self {
        let stream = kind == SOCK_STREAM && domain != AF_UNIX;
        let ping = kind == SOCK_DGRAM && (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6);
        Self {
            // ping_init_sock: any number of ping programs may run at a time. inetsw_array: raw sockets are INET_PROTOSW_REUSE.
            reuse_address: ping || (kind == SOCK_RAW && matches!(domain, AF_INET | AF_INET6)),
            reuse_port: false,
            keepalive: false,
            linger: None,
            linger_seconds: 0,
            broadcast: false,
            oob_inline: false,
            pass_credentials: false,
            pass_security: false,
            recv_buffer: if stream { config.tcp_recv_buffer } else { config.recv_buffer },
            send_buffer: if stream { config.tcp_send_buffer } else { config.send_buffer },
            recv_buffer_set: false,
            send_buffer_set: false,
            recv_timeout: None,
            send_timeout: None,
            filter_locked: false,
            recv_lowat: 1,
            recv_dropped: false,
            select_error_queue: false,
            priority: 0,
            mark: 0,
            recv_mark: false,
            recv_priority: false,
            dont_route: false,
            no_check: false,
            peek_offset: -1,
            zerocopy: false,
            timestamping: 0,
            timestamping_new: false,
            transmit_time: None,
            pacing_rate: u64::MAX,
            timestamp: Timestamp::Off,
            timestamp_name: 0,
            nodelay: false,
            cork: false,
            quickack: true,
            maxseg: 0,
            keepidle: Duration::from_secs(7200),
            keepintvl: Duration::from_secs(75),
            keepcnt: 9,
            user_timeout: None,
            syncnt: config.syn_retries,
            linger2: 0,
            congestion: config.congestion,
            defer_accept: 0,
            tcp: TcpOptions::default(),
            fast_open: FastOpen::default(),
            udp: UdpOptions::default(),
            ttl: None,
            tos: 0,
            recv_ttl: false,
            recv_tos: false,
            recv_options: false,
            return_options: false,
            packet_info: false,
            mtu_discover: IP_PMTUDISC_WANT,
            recv_error: false,
            multicast_interface: None,
            multicast_source: None,
            multicast_ttl: 1,
            multicast_loop: true,
            multicast_all: domain == AF_INET,
            unicast_interface: None,
            freebind: false,
            transparent: false,
            bind_without_port: false,
            port_range: 0,
            min_ttl: 0,
            min_hops: 0,
            recv_original: false,
            recv_original6: false,
            recv_fragment_size: false,
            recv_fragment_size6: false,
            headers6: Headers6::default(),
            extensions: Extensions::default(),
            flow_info_send: false,
            flow_info: 0,
            auto_flow_label: true,
            sticky_interface6: None,
            recv_path_mtu: false,
            signatures: Default::default(),
            ip_options: IpOptions::default(),
            // ping_v6_prot has nothing to do with IPv4.
            v6only: ping && domain == AF_INET6,
            hops: None,
            tclass: 0,
            recv_hops: false,
            recv_tclass: false,
            packet_info6: false,
            mtu_discover6: IP_PMTUDISC_WANT,
            recv_error6: false,
            unicast_interface6: None,
            multicast_interface6: None,
            multicast_hops: 1,
            multicast_loop6: true,
            multicast_all6: true,
            dont_fragment6: false,
            packet_auxdata: false,
            ignore_outgoing: false,
            netlink_extended_ack: false,
            netlink_cap_ack: false,
            netlink_strict: false,
            stored: BTreeMap::new(),
        }
    }

    /// Bytes of data that the receive buffer holds: half of a value that the program set (Linux counts its own
    /// overhead for the other half), all of the host's default.
    pub(crate) fn recv_space(&self) -> usize {
        if self.recv_buffer_set { self.recv_buffer / 2 } else { self.recv_buffer }
    }

    /// Bytes of data that the send buffer holds.
    pub(crate) fn send_space(&self) -> usize {
        if self.send_buffer_set { self.send_buffer / 2 } else { self.send_buffer }
    }

    /// SO_TIMESTAMP, SO_TIMESTAMPNS, SO_TIMESTAMPING: the control messages of what came at `time`; `epoch` is the clock's beginning since
    /// 1970. `sent`: the time is one of the error queue (__sock_recv_timestamp).
    pub(crate) fn timestamp_messages(
        &self,
        epoch: Duration,
        time: Instant,
        sent: bool,
    ) -> impl Iterator<Item = ControlMessage> {
        let since_1970 = epoch + time.since(Instant::ZERO);
        let plain = match self.timestamp {
            Timestamp::Off => None,
            Timestamp::Micro => Some(ControlMessage::Timestamp(since_1970)),
            Timestamp::Nano => Some(ControlMessage::TimestampNs(since_1970)),
        };
        let asked = |flag: i32| self.timestamping & flag as u32 != 0;
        let reported = asked(SOF_TIMESTAMPING_SOFTWARE)
            && (sent
                || asked(SOF_TIMESTAMPING_RX_SOFTWARE)
                || plain.is_some() && !asked(SOF_TIMESTAMPING_OPT_RX_FILTER));
        plain.into_iter().chain(reported.then_some(ControlMessage::Timestamping(since_1970)))
    }

    /// SO_PEEK_OFF: `len` bytes were peeked at, or taken away (sk_peek_offset_fwd, sk_peek_offset_bwd).
    pub(crate) fn peeked(&mut self, len: usize, peeks: bool) {
        let len = i32::try_from(len).unwrap_or(i32::MAX);
        if self.peek_offset >= 0 {
            let moved = if peeks {
                self.peek_offset.saturating_add(len)
            } else {
                self.peek_offset.saturating_sub(len)
            };
            self.peek_offset = moved.max(0);
        }
    }

    /// The ephemeral ports of this socket (inet_sk_get_local_port_range): what IP_LOCAL_PORT_RANGE leaves of the host's.
    pub(crate) fn ports(&self, config: &Config) -> (u16, u16) {
        let (least, most) = config.port_range;
        let within = |port: u32, or| {
            u16::try_from(port).ok().filter(|port| (least..=most).contains(port)).unwrap_or(or)
        };
        (within(self.port_range & 0xffff, least), within(self.port_range >> 16, most))
    }

    /// How long an orphan waits in FIN_WAIT2; `None` = not at all.
    pub(crate) fn fin_timeout(&self, config: &Config) -> Option<Duration> {
        match self.linger2 {
            0 => Some(config.fin_timeout),
            seconds => u64::try_from(seconds).ok().map(Duration::from_secs),
        }
    }

    /// Time to live of a unicast packet to this destination.
    pub(crate) fn unicast_ttl(&self, config: &Config, destination: IpAddr) -> u8 {
        if destination.is_ipv4() { self.ttl } else { self.hops }.unwrap_or_else(|| config.ttl(destination))
    }

    /// The flow label of packets for which `flow_info` was asked; `None` = by the hash of the flow.
    pub(crate) fn label(&self, flow_info: u32) -> Option<u32> {
        let label = flow_info & 0xf_ffff;
        (label != 0 || !self.auto_flow_label).then_some(label)
    }

    /// Type of service (IPv6: traffic class) of a packet to this destination.
    pub(crate) fn service(&self, destination: IpAddr) -> u8 {
        if destination.is_ipv4() { self.tos } else { self.tclass }
    }
}

#[cfg(test)]
mod tests;
