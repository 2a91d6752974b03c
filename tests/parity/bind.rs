//! bind(2): what it refuses, and what getsockname(2) says after it. Who may share a port is bind_table.rs's.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV6};

use sockatoo::SockAddr;
use sockatoo::base::constants::*;

twins! {
    fn names_before_and_after(t) in Lo {
        for kind in [SOCK_STREAM, SOCK_DGRAM] {
            let s = t.socket(t.ip.af(), kind, 0);
            t.getsockname(s);
            t.getpeername(s);
            t.bind(s, (t.ip.lo(), 5000));
            t.getsockname(s);
            t.getpeername(s);
            let w = t.socket(t.ip.af(), kind, 0);
            t.bind(w, (t.ip.any(), 5001));
            t.getsockname(w);
        }
    }

    fn port_zero_is_chosen(t) in Lo {
        for kind in [SOCK_STREAM, SOCK_DGRAM] {
            for ip in [t.ip.lo(), t.ip.any()] {
                let s = t.socket(t.ip.af(), kind, 0);
                t.bind(s, (ip, 0));
                t.getsockname(s);
            }
        }
    }

    fn twice(t) in Lo {
        for kind in [SOCK_STREAM, SOCK_DGRAM] {
            let s = t.socket(t.ip.af(), kind, 0);
            t.bind(s, (t.ip.lo(), 5000));
            t.bind(s, (t.ip.lo(), 5001));
            t.bind(s, (t.ip.lo(), 5000));
            t.getsockname(s);
        }
    }

    fn after_connect(t) in Lo {
        let listener = t.listener(7000);
        let s = t.tcp();
        t.connect(s, (t.ip.lo(), 7000));
        t.bind(s, (t.ip.lo(), 5000));
        let u = t.udp();
        t.connect(u, (t.ip.lo(), 7000));
        t.bind(u, (t.ip.lo(), 5000));
        t.close(listener);
    }

    fn an_address_that_is_not_ours(t) in Lo {
        for kind in [SOCK_STREAM, SOCK_DGRAM] {
            let s = t.socket(t.ip.af(), kind, 0);
            t.bind(s, (t.ip.on_wire(7), 5000));
            t.bind(s, (t.ip.lo(), 5000));
        }
    }

    fn a_family_that_is_not_the_sockets(t) in Lo {
        let other = if t.ip.af() == AF_INET { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
        let other: std::net::IpAddr = other;
        for kind in [SOCK_STREAM, SOCK_DGRAM] {
            let s = t.socket(t.ip.af(), kind, 0);
            t.bind(s, (other, 5000));
        }
    }

    fn an_unspecified_family(t) in Lo {
        for kind in [SOCK_STREAM, SOCK_DGRAM] {
            let s = t.socket(t.ip.af(), kind, 0);
            t.bind(s, SockAddr::Unspec);
            t.getsockname(s);
        }
    }

    fn a_port_below_1024(t) in Lo {
        let s = t.tcp();
        t.bind(s, (t.ip.lo(), 80));
        t.getsockname(s);
    }

    fn the_same_port_of_tcp_and_udp(t) in Lo {
        let a = t.tcp();
        t.bind(a, (t.ip.lo(), 5000));
        let b = t.udp();
        t.bind(b, (t.ip.lo(), 5000));
    }

    fn a_closed_sockets_port_is_free(t) in Lo {
        for kind in [SOCK_STREAM, SOCK_DGRAM] {
            let a = t.socket(t.ip.af(), kind, 0);
            t.bind(a, (t.ip.any(), 5000));
            let b = t.socket(t.ip.af(), kind, 0);
            t.bind(b, (t.ip.any(), 5000));
            t.close(a);
            t.bind(b, (t.ip.any(), 5000));
        }
    }

    fn reuse_is_asked_at_bind(t) in Lo {
        for kind in [SOCK_STREAM, SOCK_DGRAM] {
            let a = t.socket(t.ip.af(), kind, 0);
            t.bind(a, (t.ip.lo(), 5000));
            t.set(a, SOL_SOCKET, SO_REUSEADDR, 1);
            let b = t.socket(t.ip.af(), kind, 0);
            t.set(b, SOL_SOCKET, SO_REUSEADDR, 1);
            t.bind(b, (t.ip.lo(), 5000));
        }
    }

    fn a_multicast_address(t) in Lo {
        let group = t.ip.group();
        let s = t.tcp();
        t.bind(s, (group, 5000));
        let u = t.udp();
        t.bind(u, (group, 5000));
        t.getsockname(u);
    }

    fn on_a_connections_port(t) in Lo {
        let (_client, server, listener) = t.pair();
        t.close(listener);
        let s = t.tcp();
        t.bind(s, (t.ip.lo(), 7000));
        t.set(s, SOL_SOCKET, SO_REUSEADDR, 1);
        t.bind(s, (t.ip.lo(), 7000));
        t.close(server);
    }

    fn on_a_listeners_port_with_reuse(t) in Lo {
        let a = t.tcp();
        t.set(a, SOL_SOCKET, SO_REUSEADDR, 1);
        t.bind(a, (t.ip.lo(), 7000));
        t.listen(a, 1);
        let b = t.tcp();
        t.set(b, SOL_SOCKET, SO_REUSEADDR, 1);
        t.bind(b, (t.ip.lo(), 7000));
    }

    fn beside_time_wait(t) in Lo {
        let (client, server, listener) = t.pair();
        t.close(listener);
        t.close(server);
        t.recv(client, 10, 0);
        t.close(client);
        let s = t.tcp();
        t.bind(s, (t.ip.lo(), 7000));
        t.set(s, SOL_SOCKET, SO_REUSEADDR, 1);
        t.bind(s, (t.ip.lo(), 7000));
        t.listen(s, 1);
    }

    fn a_server_starts_again(t) in Lo {
        let listener = t.tcp();
        t.set(listener, SOL_SOCKET, SO_REUSEADDR, 1);
        t.bind(listener, (t.ip.lo(), 7000));
        t.listen(listener, 5);
        let client = t.tcp();
        t.connect(client, (t.ip.lo(), 7000));
        t.wait(listener, POLLIN);
        let server = t.accept(listener);
        t.close(server);
        t.close(listener);
        t.recv(client, 10, 0);
        t.close(client);
        let again = t.tcp();
        t.set(again, SOL_SOCKET, SO_REUSEADDR, 1);
        t.bind(again, (t.ip.lo(), 7000));
        t.listen(again, 5);
        let client = t.tcp();
        t.connect(client, (t.ip.lo(), 7000));
        t.wait(again, POLLIN);
        t.accept(again);
    }
}

case! {
    fn any_loopback_address(t) in Lo {
        for last in [1, 2, 254] {
            let s = t.udp();
            t.bind(s, (Ipv4Addr::new(127, 0, 0, last), 5000));
            t.getsockname(s);
        }
        let s = t.udp();
        t.bind(s, (Ipv4Addr::new(127, 1, 2, 3), 5000));
        t.getsockname(s);
    }

    fn broadcast_addresses(t) in Lo {
        for ip in [Ipv4Addr::BROADCAST, Ipv4Addr::new(127, 255, 255, 255)] {
            let s = t.tcp();
            t.bind(s, (ip, 5000));
            let u = t.udp();
            t.bind(u, (ip, 5000));
            t.getsockname(u);
        }
    }

    fn broadcast_of_the_subnet(t) in Wire {
        let ip = Ipv4Addr::new(192, 0, 2, 255);
        let s = t.tcp();
        t.bind(s, (ip, 5000));
        let u = t.udp();
        t.bind(u, (ip, 5000));
        t.getsockname(u);
    }

    fn mapped_addresses(t) in Lo {
        for kind in [SOCK_STREAM, SOCK_DGRAM] {
            let s = t.socket(AF_INET6, kind, 0);
            t.bind(s, (Ipv4Addr::LOCALHOST.to_ipv6_mapped(), 5000));
            t.getsockname(s);
            let only = t.socket(AF_INET6, kind, 0);
            t.set(only, SOL_IPV6, IPV6_V6ONLY, 1);
            t.bind(only, (Ipv4Addr::LOCALHOST.to_ipv6_mapped(), 5001));
            let foreign = t.socket(AF_INET6, kind, 0);
            t.bind(foreign, (Ipv4Addr::new(192, 0, 2, 77).to_ipv6_mapped(), 5000));
            let any = t.socket(AF_INET6, kind, 0);
            t.bind(any, (Ipv4Addr::UNSPECIFIED.to_ipv6_mapped(), 5002));
            t.getsockname(any);
        }
    }

    fn v6only_is_fixed_by_bind(t) in Lo {
        let s = t.socket(AF_INET6, SOCK_STREAM, 0);
        t.get(s, SOL_IPV6, IPV6_V6ONLY);
        t.bind(s, (Ipv6Addr::UNSPECIFIED, 5000));
        t.set(s, SOL_IPV6, IPV6_V6ONLY, 1);
        t.get(s, SOL_IPV6, IPV6_V6ONLY);
    }

    fn a_link_local_address_needs_its_scope(t) in Lo {
        let ip = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
        let s = t.socket(AF_INET6, SOCK_DGRAM, 0);
        t.bind(s, SocketAddrV6::new(ip, 5000, 0, 0));
        t.bind(s, SocketAddrV6::new(ip, 5000, 0, 77));
    }

    fn to_a_device(t) in Lo {
        let s = t.udp();
        t.setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, b"lo\0");
        t.getsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, 16);
        t.setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, b"nosuch0\0");
        t.setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, b"");
        t.getsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, 16);
        t.setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, b"lo");
        t.getsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, 4);
        t.getsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, 2);
    }

    fn reuseport_must_be_set_by_both(t) in Lo {
        for kind in [SOCK_STREAM, SOCK_DGRAM] {
            let a = t.socket(AF_INET, kind, 0);
            t.set(a, SOL_SOCKET, SO_REUSEPORT, 1);
            t.bind(a, (Ipv4Addr::LOCALHOST, 5000));
            let b = t.socket(AF_INET, kind, 0);
            t.bind(b, (Ipv4Addr::LOCALHOST, 5000));
            t.set(b, SOL_SOCKET, SO_REUSEPORT, 1);
            t.bind(b, (Ipv4Addr::LOCALHOST, 5000));
        }
    }
}
