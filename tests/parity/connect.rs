//! connect(2) in every state.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sockatoo::SockAddr;
use sockatoo::base::constants::*;

twins! {
    fn blocking(t) in Lo {
        let (client, server, _) = t.pair();
        t.poll(client);
        t.poll(server);
        t.so_error(client);
        t.getsockname(client);
        t.getpeername(client);
    }

    fn nonblocking(t) in Lo {
        let listener = t.listener(7000);
        let s = t.tcp();
        t.nonblocking(s);
        t.connect(s, (t.ip.lo(), 7000));
        t.poll_until(s, POLLOUT);
        t.so_error(s);
        t.connect(s, (t.ip.lo(), 7000));
        t.connect(s, (t.ip.lo(), 7000));
        t.getpeername(s);
        t.close(listener);
    }

    fn connected_already(t) in Lo {
        let (client, server, _) = t.pair();
        t.connect(client, (t.ip.lo(), 7000));
        t.connect(client, (t.ip.lo(), 9));
        t.connect(server, (t.ip.lo(), 7000));
    }

    fn refused(t) in Lo {
        let s = t.tcp();
        t.connect(s, (t.ip.lo(), 7000));
        t.so_error(s);
        t.poll(s);
        t.getpeername(s);
        t.getsockname(s);
        t.send(s, b"x", 0);
        t.recv(s, 1, 0);
    }

    fn refused_then_again(t) in Lo {
        let s = t.tcp();
        t.connect(s, (t.ip.lo(), 7000));
        t.connect(s, (t.ip.lo(), 7000));
        let listener = t.listener(7000);
        t.connect(s, (t.ip.lo(), 7000));
        t.getpeername(s);
        t.close(listener);
    }

    fn refused_nonblocking(t) in Lo {
        let s = t.tcp();
        t.nonblocking(s);
        t.connect(s, (t.ip.lo(), 7000));
        t.poll_until(s, POLLERR);
        t.so_error(s);
        t.poll(s);
        t.so_error(s);
        t.connect(s, (t.ip.lo(), 7000));
    }

    fn refused_nonblocking_told_by_connect(t) in Lo {
        let s = t.tcp();
        t.nonblocking(s);
        t.connect(s, (t.ip.lo(), 7000));
        t.wait(s, POLLERR);
        t.connect(s, (t.ip.lo(), 7000));
        t.so_error(s);
        t.connect(s, (t.ip.lo(), 7000));
    }

    fn refused_nonblocking_told_by_send(t) in Lo {
        let s = t.tcp();
        t.nonblocking(s);
        t.connect(s, (t.ip.lo(), 7000));
        t.wait(s, POLLERR);
        t.send(s, b"x", 0);
        t.send(s, b"x", 0);
        t.recv(s, 1, 0);
    }

    fn refused_nonblocking_told_by_recv(t) in Lo {
        let s = t.tcp();
        t.nonblocking(s);
        t.connect(s, (t.ip.lo(), 7000));
        t.wait(s, POLLERR);
        t.recv(s, 1, 0);
        t.recv(s, 1, 0);
        t.send(s, b"x", 0);
    }

    fn in_progress(t) in Wire {
        // Nobody answers at .9: the neighbour is being asked for.
        let s = t.tcp();
        t.nonblocking(s);
        let to = t.ip.on_wire(8);
        t.connect(s, (to, 7000));
        t.connect(s, (to, 7000));
        t.poll(s);
        t.so_error(s);
        t.send(s, b"x", 0);
        t.recv(s, 1, 0);
        t.getpeername(s);
        t.getsockname(s);
        t.listen(s, 1);
        t.close(s);
    }

    fn in_progress_shutdown(t) in Wire {
        let s = t.tcp();
        t.nonblocking(s);
        let to = t.ip.on_wire(8);
        t.connect(s, (to, 7000));
        t.shutdown(s, SHUT_WR);
        t.poll(s);
        t.connect(s, (to, 7000));
    }

    fn in_progress_timed_out_by_the_option(t) in Wire {
        let s = t.tcp();
        let mut timeval = [0u8; 16];
        timeval[8..].copy_from_slice(&20_000i64.to_ne_bytes());
        t.setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &timeval);
        t.connect(s, (t.ip.on_wire(8), 7000));
        t.connect(s, (t.ip.on_wire(8), 7000));
    }

    fn a_dead_neighbour(t) in Wire {
        let s = t.tcp();
        t.nonblocking(s);
        t.connect(s, (t.ip.on_wire(8), 7000));
        t.poll_until(s, POLLERR);
        t.so_error(s);
    }

    fn port_zero(t) in Lo {
        let s = t.tcp();
        t.connect(s, (t.ip.lo(), 0));
        let u = t.udp();
        t.connect(u, (t.ip.lo(), 0));
        t.getpeername(u);
        t.getsockname(u);
        t.send(u, b"x", 0);
    }

    fn the_unspecified_address_is_this_host(t) in Lo {
        let listener = t.listener(7000);
        let s = t.tcp();
        t.connect(s, (t.ip.any(), 7000));
        t.getpeername(s);
        t.getsockname(s);
        let u = t.udp();
        t.connect(u, (t.ip.any(), 7000));
        t.getpeername(u);
        t.close(listener);
    }

    fn to_oneself(t) in Lo {
        let s = t.tcp();
        t.bind(s, (t.ip.lo(), 7000));
        t.connect(s, (t.ip.lo(), 7000));
        t.getsockname(s);
        t.getpeername(s);
        t.send(s, b"echo", 0);
        t.recv(s, 10, 0);
        t.shutdown(s, SHUT_WR);
        t.recv(s, 10, 0);
    }

    fn another_family(t) in Lo {
        let other: IpAddr =
            if t.ip.af() == AF_INET { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
        let s = t.tcp();
        t.connect(s, (other, 7000));
        let u = t.udp();
        t.connect(u, (other, 7000));
    }

    fn no_route(t) in Lo {
        let s = t.tcp();
        t.connect(s, (t.ip.on_wire(1), 7000));
        let u = t.udp();
        t.connect(u, (t.ip.on_wire(1), 7000));
        let v = t.udp();
        t.sendto(v, b"x", 0, (t.ip.on_wire(1), 7000));
    }

    fn a_group(t) in Wire {
        let s = t.tcp();
        t.connect(s, (t.ip.group(), 7000));
    }

    fn from_a_bound_port(t) in Lo {
        let listener = t.listener(7000);
        let s = t.tcp();
        t.bind(s, (t.ip.any(), 5000));
        t.connect(s, (t.ip.lo(), 7000));
        t.getsockname(s);
        t.wait(listener, POLLIN);
        t.accept(listener);
    }

    fn the_same_four_numbers_twice(t) in Lo {
        let _listener = t.listener(7000);
        let a = t.tcp();
        t.set(a, SOL_SOCKET, SO_REUSEADDR, 1);
        t.bind(a, (t.ip.lo(), 5000));
        let b = t.tcp();
        t.set(b, SOL_SOCKET, SO_REUSEADDR, 1);
        t.bind(b, (t.ip.lo(), 5000));
        t.connect(a, (t.ip.lo(), 7000));
        t.connect(b, (t.ip.lo(), 7000));
    }

    fn unspec_dissolves_udp(t) in Lo {
        let peer = t.udp_at(5000);
        let s = t.udp();
        t.connect(s, (t.ip.lo(), 5000));
        t.getsockname(s);
        t.getpeername(s);
        t.send(s, b"x", 0);
        t.connect(s, SockAddr::Unspec);
        t.getpeername(s);
        t.getsockname(s);
        t.send(s, b"x", 0);
        t.connect(s, SockAddr::Unspec);
        t.close(peer);
    }

    fn unspec_dissolves_bound_udp(t) in Lo {
        let s = t.udp_at(5001);
        t.connect(s, (t.ip.lo(), 5000));
        t.connect(s, SockAddr::Unspec);
        t.getsockname(s);
        let w = t.udp();
        t.bind(w, (t.ip.any(), 5002));
        t.connect(w, (t.ip.lo(), 5000));
        t.getsockname(w);
        t.connect(w, SockAddr::Unspec);
        t.getsockname(w);
    }

    fn unspec_ends_tcp(t) in Lo {
        let (client, server, _listener) = t.pair();
        t.connect(client, SockAddr::Unspec);
        t.getpeername(client);
        t.wait(server, POLLIN);
        t.recv(server, 10, 0);
        t.send(client, b"x", 0);
        t.connect(client, (t.ip.lo(), 7000));
    }

    fn unspec_of_a_fresh_socket(t) in Lo {
        let s = t.tcp();
        t.connect(s, SockAddr::Unspec);
        t.getsockname(s);
        let u = t.udp();
        t.connect(u, SockAddr::Unspec);
    }

    fn unspec_of_a_listener(t) in Lo {
        let s = t.listener(7000);
        t.connect(s, SockAddr::Unspec);
        t.get(s, SOL_SOCKET, SO_ACCEPTCONN);
        t.getsockname(s);
    }

    fn udp_again_elsewhere(t) in Lo {
        let s = t.udp();
        t.connect(s, (t.ip.lo(), 5000));
        t.connect(s, (t.ip.lo(), 5001));
        t.getpeername(s);
        t.getsockname(s);
    }

    fn after_the_connection_ended(t) in Lo {
        let (client, server, _listener) = t.pair();
        t.close(server);
        t.recv(client, 1, 0);
        t.connect(client, (t.ip.lo(), 7000));
        t.shutdown(client, SHUT_WR);
        t.wait(client, POLLHUP);
        t.getpeername(client);
        t.connect(client, (t.ip.lo(), 7000));
    }
}

case! {
    fn broadcast(t) in Wire {
        let s = t.tcp();
        t.connect(s, (Ipv4Addr::BROADCAST, 7000));
        let u = t.udp();
        t.connect(u, (Ipv4Addr::new(192, 0, 2, 255), 7000));
        t.set(u, SOL_SOCKET, SO_BROADCAST, 1);
        t.connect(u, (Ipv4Addr::new(192, 0, 2, 255), 7000));
        t.getsockname(u);
    }

    fn mapped(t) in Lo {
        let listener = t.listener(7000);
        let s = t.socket(AF_INET6, SOCK_STREAM, 0);
        t.connect(s, (Ipv4Addr::LOCALHOST.to_ipv6_mapped(), 7000));
        t.getsockname(s);
        t.getpeername(s);
        t.wait(listener, POLLIN);
        t.accept(listener);
        let only = t.socket(AF_INET6, SOCK_STREAM, 0);
        t.set(only, SOL_IPV6, IPV6_V6ONLY, 1);
        t.connect(only, (Ipv4Addr::LOCALHOST.to_ipv6_mapped(), 7000));
        let six = t.socket(AF_INET6, SOCK_STREAM, 0);
        t.bind(six, (Ipv6Addr::LOCALHOST, 5000));
        t.connect(six, (Ipv4Addr::LOCALHOST.to_ipv6_mapped(), 7000));
        let four = t.socket(AF_INET6, SOCK_STREAM, 0);
        t.bind(four, (Ipv4Addr::LOCALHOST.to_ipv6_mapped(), 5001));
        t.connect(four, (Ipv6Addr::LOCALHOST, 7000));
    }

    fn an_address_of_the_wire_from_the_loopback(t) in Wire {
        let s = t.tcp();
        t.bind(s, (Ipv4Addr::LOCALHOST, 5000));
        t.nonblocking(s);
        t.connect(s, (Ipv4Addr::new(192, 0, 2, 2), 7000));
        let u = t.udp();
        t.bind(u, (Ipv4Addr::LOCALHOST, 5000));
        t.connect(u, (Ipv4Addr::new(192, 0, 2, 2), 7000));
        t.getsockname(u);
    }
}
