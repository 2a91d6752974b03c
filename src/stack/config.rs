//! What a stack is told at its birth. Sizes in bytes.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use super::raw::Verbatim;
use crate::base::Credentials;

/// How a host behaves; the names in brackets are Linux's sysctls.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// What gethostname(2) says.
    pub(crate) hostname: String,
    /// The secret of RFC 6528's and RFC 6056's hashes, and the seed of everything drawn by lot. stack/ never asks the OS.
    pub(crate) secret: [u8; 16],
    /// SO_NETNS_COOKIE: no other host has this one.
    pub(crate) cookie: u64,
    /// SO_PEERCRED and SCM_CREDENTIALS of AF_UNIX: whose the host is.
    pub(crate) credentials: Credentials,
    /// What wall-clock time (since 1970) the host's `Instant::ZERO` is: SO_TIMESTAMP, pcap.
    pub(crate) epoch: Duration,
    /// What CLOCK_MONOTONIC reads at `Instant::ZERO`: SO_TXTIME.
    pub(crate) born: Duration,
    /// Receive buffer of a TCP socket (tcp_rmem's default).
    pub(crate) tcp_recv_buffer: usize,
    /// Send buffer of a TCP socket (tcp_wmem's default).
    pub(crate) tcp_send_buffer: usize,
    /// Receive buffer of a datagram socket (rmem_default).
    pub(crate) recv_buffer: usize,
    /// Send buffer of a datagram socket (wmem_default).
    pub(crate) send_buffer: usize,
    /// Largest value of SO_RCVBUF and SO_SNDBUF (rmem_max, wmem_max).
    pub(crate) max_buffer: usize,
    /// Sockets, TCP connections in TIME_WAIT and without an owner included.
    pub(crate) max_sockets: usize,
    /// Half-open connections of one listener (tcp_max_syn_backlog).
    pub(crate) max_syn_backlog: usize,
    /// Largest backlog of listen(2) (somaxconn).
    pub(crate) somaxconn: usize,
    /// Ephemeral ports (ip_local_port_range), both included.
    pub(crate) port_range: (u16, u16),
    /// Time to live of what is sent over IPv4 (ip_default_ttl), and over IPv6 (hop_limit).
    pub(crate) ttl: u8,
    pub(crate) hops: u8,
    /// SYNs sent again before connect gives up (tcp_syn_retries).
    pub(crate) syn_retries: u32,
    /// SYN|ACKs sent again before a half-open connection is given up (tcp_synack_retries).
    pub(crate) synack_retries: u32,
    /// TCP Fast Open: 1 = clients may use it, 2 = servers may, 4 and 0x200: without cookies, 0x400: listeners need no TCP_FASTOPEN
    /// (tcp_fastopen).
    pub(crate) tcp_fastopen: u32,
    /// Retransmissions of data before a connection is given up (tcp_retries2).
    pub(crate) retries: u32,
    /// How long TIME_WAIT lasts.
    pub(crate) time_wait: Duration,
    /// How long a closed connection waits in FIN_WAIT2 (tcp_fin_timeout).
    pub(crate) fin_timeout: Duration,
    /// `cubic`, `reno` or `none` (tcp_congestion_control).
    pub(crate) congestion: &'static str,
    /// Answer echo requests, of IPv4 and of IPv6 (icmp_echo_ignore_all, icmp/echo_ignore_all).
    pub(crate) echo: bool,
    pub(crate) echo6: bool,
    /// Forward packets that are not for this host: a router, of IPv4 (ip_forward) and of IPv6 (forwarding).
    pub(crate) forward: bool,
    pub(crate) forward6: bool,
    /// ICMP errors a second, all together.
    pub(crate) icmp_per_second: u32,
    /// IPv6: autoconfigure addresses from router advertisements (autoconf, accept_ra).
    pub(crate) slaac: bool,
    /// IPv6: neighbour solicitations of duplicate address detection; 0 = none (dad_transmits).
    pub(crate) dad_transmits: u8,
    /// Which segments without a socket are not answered by RST.
    pub(crate) no_rst: NoRst,
    /// What raw sockets begin with as SO_VERBATIM.
    pub(crate) verbatim: Verbatim,
    /// The addresses are the kernel's, who answers for them: the host says nothing of itself on its wires (see
    /// [`crate::stack::Net::is_shadow`]).
    pub(crate) shadow: bool,
}

/// Which segments that no socket takes get no RST: those of connections that somebody makes by hand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum NoRst {
    /// Each gets its RST.
    #[default]
    None,
    /// None gets one.
    All,
    /// Those from or to one of these ports get none.
    Ports(BTreeSet<u16>),
}

impl NoRst {
    /// True if a segment with these two ports gets no RST.
    pub(crate) fn silences(&self, ports: [u16; 2]) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Ports(silent) => ports.iter().any(|port| silent.contains(port)),
        }
    }

    /// One more port is silent.
    pub(crate) fn add(&mut self, port: u16) {
        match self {
            Self::All => {}
            Self::None => *self = Self::Ports(BTreeSet::from([port])),
            Self::Ports(silent) => {
                silent.insert(port);
            }
        }
    }
}

impl Config {
    /// Time to live of packets to this address that are nobody's in particular.
    pub(crate) fn ttl(&self, to: IpAddr) -> u8 {
        if to.is_ipv4() { self.ttl } else { self.hops }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            hostname: "sockatoo".into(),
            secret: [0; 16],
            cookie: 1,
            credentials: Credentials::UNKNOWN,
            epoch: Duration::ZERO,
            born: Duration::ZERO,
            tcp_recv_buffer: 256 * 1024,
            tcp_send_buffer: 256 * 1024,
            recv_buffer: 212_992,
            send_buffer: 212_992,
            max_buffer: 4 * 1024 * 1024,
            max_sockets: 262_144,
            max_syn_backlog: 1024,
            somaxconn: 4096,
            port_range: (32_768, 60_999),
            ttl: 64,
            hops: 64,
            syn_retries: 6,
            synack_retries: 5,
            tcp_fastopen: 1,
            retries: 15,
            time_wait: Duration::from_secs(60),
            fin_timeout: Duration::from_secs(60),
            congestion: "cubic",
            echo: true,
            echo6: true,
            forward: false,
            forward6: false,
            icmp_per_second: 1000,
            slaac: true,
            dad_transmits: 1,
            no_rst: NoRst::None,
            verbatim: Verbatim::default(),
            shadow: false,
        }
    }
}
