//! Socket options, each asked the same questions: its default, what it takes, what it gives back, on which sockets it is.

use sockatoo::base::constants::*;

use crate::arm::Fd;
use crate::dialogue::Dialogue;

/// Every kind of socket that this family has.
fn kinds(t: &mut Dialogue) -> [Fd; 3] {
    let icmp = if t.ip.af() == AF_INET { IPPROTO_ICMP } else { IPPROTO_ICMPV6 };
    [t.tcp(), t.udp(), t.socket(t.ip.af(), SOCK_DGRAM, icmp)]
}

/// Default, then each value and what comes back.
fn ask(t: &mut Dialogue, s: Fd, level: i32, name: i32, values: &[i32]) {
    t.get(s, level, name);
    for &value in values {
        t.set(s, level, name, value);
        t.get(s, level, name);
    }
}

/// Values of other lengths than 4, and reading with other lengths.
fn lengths(t: &mut Dialogue, s: Fd, level: i32, name: i32) {
    for value in [&[][..], &[1], &[1, 0], &[1, 0, 0], &[1, 0, 0, 0, 0, 0, 0, 0]] {
        t.setsockopt(s, level, name, value);
    }
    for len in [0, 1, 2, 3, 4, 8] {
        t.getsockopt(s, level, name, len);
    }
}

/// Both, on every kind of socket.
fn ask_all(t: &mut Dialogue, level: i32, name: i32, values: &[i32]) {
    for s in kinds(t) {
        ask(t, s, level, name, values);
        lengths(t, s, level, name);
        t.close(s);
    }
}

macro_rules! int_options {
    ($($case:ident: $level:expr, $name:expr, $values:expr;)*) => { twins! {
        $(fn $case(t) in Lo { ask_all(t, $level, $name, &$values); })*
    } };
}

int_options! {
    so_reuseaddr: SOL_SOCKET, SO_REUSEADDR, [1, 0, 5, -1];
    so_reuseport: SOL_SOCKET, SO_REUSEPORT, [1, 0, 5, -1];
    so_keepalive: SOL_SOCKET, SO_KEEPALIVE, [1, 0, 5, -1];
    so_broadcast: SOL_SOCKET, SO_BROADCAST, [1, 0, 5, -1];
    so_dontroute: SOL_SOCKET, SO_DONTROUTE, [1, 0];
    so_oobinline: SOL_SOCKET, SO_OOBINLINE, [1, 0, 5];
    so_timestamp: SOL_SOCKET, SO_TIMESTAMP, [1, 0, 5];
    so_timestampns: SOL_SOCKET, SO_TIMESTAMPNS, [1, 0, 5];
    so_rcvlowat: SOL_SOCKET, SO_RCVLOWAT, [2, 0, 100];
    so_sndlowat: SOL_SOCKET, SO_SNDLOWAT, [2];
    so_type: SOL_SOCKET, SO_TYPE, [1];
    so_domain: SOL_SOCKET, SO_DOMAIN, [1];
    so_protocol: SOL_SOCKET, SO_PROTOCOL, [1];
    so_error: SOL_SOCKET, SO_ERROR, [1];
    so_acceptconn: SOL_SOCKET, SO_ACCEPTCONN, [1];
    so_priority: SOL_SOCKET, SO_PRIORITY, [3, 0];
    so_mark: SOL_SOCKET, SO_MARK, [7, 0];
    so_peek_off: SOL_SOCKET, SO_PEEK_OFF, [3, -1];
    so_busy_poll: SOL_SOCKET, SO_BUSY_POLL, [3, -1];
    so_rxq_ovfl: SOL_SOCKET, SO_RXQ_OVFL, [1, 0, 5];
    so_no_check: SOL_SOCKET, SO_NO_CHECK, [1, 0];
    tcp_nodelay: SOL_TCP, TCP_NODELAY, [1, 0, 5, -1];
    tcp_cork: SOL_TCP, TCP_CORK, [1, 0, 5];
    tcp_maxseg: SOL_TCP, TCP_MAXSEG, [1000, 88, 87, 0, 32_767, 32_768, -1];
    tcp_keepidle: SOL_TCP, TCP_KEEPIDLE, [1, 0, 32_767, 32_768, -1];
    tcp_keepintvl: SOL_TCP, TCP_KEEPINTVL, [1, 0, 32_767, 32_768, -1];
    tcp_keepcnt: SOL_TCP, TCP_KEEPCNT, [1, 0, 127, 128, -1];
    tcp_syncnt: SOL_TCP, TCP_SYNCNT, [1, 0, 127, 128, -1];
    tcp_linger2: SOL_TCP, TCP_LINGER2, [1, 0, 10, 120, 121, 1000, -1, -5];
    tcp_user_timeout: SOL_TCP, TCP_USER_TIMEOUT, [1, 0, 1_000_000, -1];
    tcp_quickack: SOL_TCP, TCP_QUICKACK, [0, 1, 5];
    tcp_defer_accept: SOL_TCP, TCP_DEFER_ACCEPT, [0, 1, 5, 200];
    tcp_window_clamp: SOL_TCP, TCP_WINDOW_CLAMP, [0, 1, 10_000];
    tcp_notsent_lowat: SOL_TCP, TCP_NOTSENT_LOWAT, [0, 1000];
    udp_cork: SOL_UDP, UDP_CORK, [1, 0];
    an_unknown_option_of_the_socket: SOL_SOCKET, 9999, [1];
    an_unknown_option_of_tcp: SOL_TCP, 9999, [1];
    an_unknown_option_of_udp: SOL_UDP, 9999, [1];
    an_unknown_option_of_ip: SOL_IP, 9999, [1];
    an_unknown_option_of_ipv6: SOL_IPV6, 9999, [1];
    an_unknown_level: 9999, 1, [1];
    a_negative_level: -1, 1, [1];
    the_level_of_sctp: IPPROTO_SCTP, 1, [1];
    ip_ttl: SOL_IP, IP_TTL, [1, 0, 255, 256, -1, -2];
    ip_tos: SOL_IP, IP_TOS, [0x10, 0xff, 0x100, 0x1ff, -1, 0];
    ip_recvttl: SOL_IP, IP_RECVTTL, [1, 0, 5];
    ip_recvtos: SOL_IP, IP_RECVTOS, [1, 0, 5];
    ip_pktinfo: SOL_IP, IP_PKTINFO, [1, 0, 5];
    ip_recverr: SOL_IP, IP_RECVERR, [1, 0, 5];
    ip_mtu_discover: SOL_IP, IP_MTU_DISCOVER, [0, 1, 2, 3, 4, 5, 6, -1];
    ip_multicast_loop: SOL_IP, IP_MULTICAST_LOOP, [0, 1, 5, -1];
    ip_multicast_all: SOL_IP, IP_MULTICAST_ALL, [0, 1, 5, -1];
    ip_freebind: SOL_IP, IP_FREEBIND, [1, 0];
    ip_minttl: SOL_IP, IP_MINTTL, [1, 255, 256, 0];
    ip_bind_address_no_port: SOL_IP, IP_BIND_ADDRESS_NO_PORT, [1, 0];
    ip_recvorigdstaddr: SOL_IP, IP_RECVORIGDSTADDR, [1, 0];
    ip_hdrincl: SOL_IP, IP_HDRINCL, [1];
    ip_mtu: SOL_IP, IP_MTU, [1];
    ipv6_v6only: SOL_IPV6, IPV6_V6ONLY, [1, 0, 5];
    ipv6_unicast_hops: SOL_IPV6, IPV6_UNICAST_HOPS, [1, 0, 255, 256, -1, -2];
    ipv6_multicast_loop: SOL_IPV6, IPV6_MULTICAST_LOOP, [0, 1, 5, -1];
    ipv6_tclass: SOL_IPV6, IPV6_TCLASS, [0x10, 0xff, 0x100, -1, -2, 0];
    ipv6_recvtclass: SOL_IPV6, IPV6_RECVTCLASS, [1, 0, 5];
    ipv6_recvhoplimit: SOL_IPV6, IPV6_RECVHOPLIMIT, [1, 0, 5];
    ipv6_recvpktinfo: SOL_IPV6, IPV6_RECVPKTINFO, [1, 0, 5];
    ipv6_recverr: SOL_IPV6, IPV6_RECVERR, [1, 0, 5];
    ipv6_mtu_discover: SOL_IPV6, IPV6_MTU_DISCOVER, [0, 1, 2, 3, 4, 5, 6, -1];
    ipv6_mtu: SOL_IPV6, IPV6_MTU, [1280, 1279, 0, 2000];
    ipv6_dontfrag: SOL_IPV6, IPV6_DONTFRAG, [1, 0, 5];
    ipv6_multicast_all: SOL_IPV6, IPV6_MULTICAST_ALL, [0, 1];
    ipv6_freebind: SOL_IPV6, IPV6_FREEBIND, [1, 0];
}

twins! {
    fn so_linger(t) in Lo {
        for s in kinds(t) {
            t.getsockopt(s, SOL_SOCKET, SO_LINGER, 8);
            for (on, seconds) in [(1i32, 5i32), (0, 7), (1, 0), (5, 100_000)] {
                let value = [on.to_ne_bytes(), seconds.to_ne_bytes()].concat();
                t.setsockopt(s, SOL_SOCKET, SO_LINGER, &value);
                t.getsockopt(s, SOL_SOCKET, SO_LINGER, 8);
            }
            t.setsockopt(s, SOL_SOCKET, SO_LINGER, &[1, 0, 0, 0]);
            t.setsockopt(s, SOL_SOCKET, SO_LINGER, &[1; 12]);
            t.getsockopt(s, SOL_SOCKET, SO_LINGER, 4);
            t.getsockopt(s, SOL_SOCKET, SO_LINGER, 16);
        }
    }

    fn timeouts(t) in Lo {
        for s in kinds(t) {
            for name in [SO_RCVTIMEO, SO_SNDTIMEO] {
                t.getsockopt(s, SOL_SOCKET, name, 16);
                for (seconds, micros) in [(1i64, 500_000i64), (0, 0), (0, 1_000_000), (0, -1), (-1, 0), (1 << 40, 0)] {
                    let value = [seconds.to_ne_bytes(), micros.to_ne_bytes()].concat();
                    t.setsockopt(s, SOL_SOCKET, name, &value);
                    t.getsockopt(s, SOL_SOCKET, name, 16);
                }
                t.setsockopt(s, SOL_SOCKET, name, &[1, 0, 0, 0]);
                t.setsockopt(s, SOL_SOCKET, name, &[0; 8]);
                t.getsockopt(s, SOL_SOCKET, name, 8);
                t.getsockopt(s, SOL_SOCKET, name, 100);
            }
        }
    }

    fn buffers_of_datagram_sockets(t) in Lo {
        let s = t.udp();
        for name in [SO_RCVBUF, SO_SNDBUF] {
            ask(t, s, SOL_SOCKET, name, &[10_000, 1, 0, 4096, -1, 100_000]);
            lengths(t, s, SOL_SOCKET, name);
        }
    }

    fn buffers_of_stream_sockets(t) in Lo {
        let s = t.tcp();
        for name in [SO_RCVBUF, SO_SNDBUF] {
            for value in [10_000, 1, 0, 4096, 100_000] {
                t.set(s, SOL_SOCKET, name, value);
                t.get(s, SOL_SOCKET, name);
            }
        }
    }

    fn tcp_congestion(t) in Lo {
        let s = t.tcp();
        t.setsockopt(s, SOL_TCP, TCP_CONGESTION, b"reno");
        t.getsockopt(s, SOL_TCP, TCP_CONGESTION, 16);
        t.getsockopt(s, SOL_TCP, TCP_CONGESTION, 3);
        t.setsockopt(s, SOL_TCP, TCP_CONGESTION, b"nosuch");
        t.setsockopt(s, SOL_TCP, TCP_CONGESTION, b"");
        t.setsockopt(s, SOL_TCP, TCP_CONGESTION, b"reno\0");
        t.getsockopt(s, SOL_TCP, TCP_CONGESTION, 16);
    }

    fn tcp_info_of_a_fresh_socket(t) in Lo {
        let s = t.tcp();
        t.getsockopt(s, SOL_TCP, TCP_INFO, 5);
        t.getsockopt(s, SOL_TCP, TCP_INFO, 0);
        t.setsockopt(s, SOL_TCP, TCP_INFO, &[0; 8]);
    }

    fn mtu_of_a_connection(t) in Lo {
        let (level, name) = if t.ip.af() == AF_INET { (SOL_IP, IP_MTU) } else { (SOL_IPV6, IPV6_MTU) };
        let s = t.udp();
        t.get(s, level, name);
        t.connect(s, (t.ip.lo(), 5000));
        t.get(s, level, name);
        let (client, _, _) = t.pair();
        t.get(client, level, name);
    }

    fn mtu_of_a_connection_over_the_wire(t) in Wire {
        let (level, name) = if t.ip.af() == AF_INET { (SOL_IP, IP_MTU) } else { (SOL_IPV6, IPV6_MTU) };
        let s = t.udp();
        t.connect(s, (t.ip.on_wire(1), 5000));
        t.get(s, level, name);
    }

    fn maxseg_of_a_connection(t) in Wire {
        let listener = t.socket_on(1, t.ip.af(), SOCK_STREAM, 0);
        t.bind(listener, (t.ip.any(), 7000));
        t.listen(listener, 1);
        let client = t.tcp();
        t.set(client, SOL_TCP, TCP_MAXSEG, 1000);
        t.connect(client, (t.ip.on_wire(1), 7000));
        t.wait(listener, POLLIN);
        let server = t.accept(listener);
        t.set(server, SOL_TCP, TCP_NODELAY, 1);
        t.get(server, SOL_TCP, TCP_NODELAY);
    }

    fn an_ipv6_socket_becomes_one_of_ipv4(t) in Lo {
        let s = t.socket(AF_INET6, SOCK_DGRAM, 0);
        t.set(s, SOL_IPV6, IPV6_ADDRFORM, AF_INET6);
        t.connect(s, std::net::SocketAddr::from((std::net::Ipv4Addr::LOCALHOST.to_ipv6_mapped(), 5000)));
        t.set(s, SOL_IPV6, IPV6_ADDRFORM, AF_INET);
        t.get(s, SOL_SOCKET, SO_DOMAIN);
    }
}
