//! getsockname(2) and getpeername(2) where families mix, and which source address is chosen.

use std::net::{Ipv4Addr, Ipv6Addr};

use sockatoo::base::constants::*;

twins! {
    fn udp_after_sending(t) in Lo {
        let s = t.udp();
        t.sendto(s, b"x", 0, (t.ip.lo(), 5000));
        t.getsockname(s);
        t.getpeername(s);
    }

    fn udp_connect_fixes_the_source(t) in Lo {
        let s = t.udp();
        t.bind(s, (t.ip.any(), 5000));
        t.getsockname(s);
        t.connect(s, (t.ip.lo(), 5001));
        t.getsockname(s);
        t.getpeername(s);
    }

    fn the_wire_chooses_the_source(t) in Wire {
        let s = t.udp();
        t.connect(s, (t.ip.on_wire(1), 5001));
        t.getsockname(s);
        let own = t.udp();
        t.connect(own, (t.ip.on_wire(0), 5001));
        t.getsockname(own);
        let lo = t.udp();
        t.connect(lo, (t.ip.lo(), 5001));
        t.getsockname(lo);
    }

    fn tcp_over_the_wire(t) in Wire {
        let listener = t.socket_on(1, t.ip.af(), SOCK_STREAM, 0);
        t.bind(listener, (t.ip.any(), 7000));
        t.listen(listener, 1);
        let client = t.tcp();
        t.connect(client, (t.ip.on_wire(1), 7000));
        t.getsockname(client);
        t.getpeername(client);
        t.wait(listener, POLLIN);
        let server = t.accept(listener);
        t.getsockname(server);
        t.getpeername(server);
        t.send(client, b"over the wire", 0);
        t.recv(server, 13, MSG_WAITALL);
    }

    fn tcp_to_an_own_address(t) in Wire {
        let listener = t.tcp();
        t.bind(listener, (t.ip.on_wire(0), 7000));
        t.listen(listener, 1);
        let client = t.tcp();
        t.connect(client, (t.ip.on_wire(0), 7000));
        t.getsockname(client);
        t.wait(listener, POLLIN);
        let server = t.accept(listener);
        t.getpeername(server);
        let wrong = t.tcp();
        t.connect(wrong, (t.ip.lo(), 7000));
    }
}

case! {
    fn a_dual_stack_udp_socket(t) in Lo {
        let s = t.socket(AF_INET6, SOCK_DGRAM, 0);
        t.bind(s, (Ipv6Addr::UNSPECIFIED, 5000));
        let four = t.socket(AF_INET, SOCK_DGRAM, 0);
        t.bind(four, (Ipv4Addr::LOCALHOST, 5001));
        t.sendto(four, b"from four", 0, (Ipv4Addr::LOCALHOST, 5000));
        t.wait(s, POLLIN);
        t.recvmsg(s, 20, 0);
        t.sendto(s, b"back", 0, (Ipv4Addr::LOCALHOST.to_ipv6_mapped(), 5001));
        t.wait(four, POLLIN);
        t.recvmsg(four, 20, 0);
        let six = t.socket(AF_INET6, SOCK_DGRAM, 0);
        t.sendto(six, b"from six", 0, (Ipv6Addr::LOCALHOST, 5000));
        t.wait(s, POLLIN);
        t.recvmsg(s, 20, 0);
        t.connect(s, (Ipv4Addr::LOCALHOST.to_ipv6_mapped(), 5001));
        t.getsockname(s);
        t.getpeername(s);
    }

    fn a_v6only_udp_socket(t) in Lo {
        let s = t.socket(AF_INET6, SOCK_DGRAM, 0);
        t.set(s, SOL_IPV6, IPV6_V6ONLY, 1);
        t.bind(s, (Ipv6Addr::UNSPECIFIED, 5000));
        t.sendto(s, b"x", 0, (Ipv4Addr::LOCALHOST.to_ipv6_mapped(), 5001));
        t.connect(s, (Ipv4Addr::LOCALHOST.to_ipv6_mapped(), 5001));
        let four = t.socket(AF_INET, SOCK_DGRAM, 0);
        t.connect(four, (Ipv4Addr::LOCALHOST, 5000));
        t.send(four, b"x", 0);
        t.wait(four, POLLERR);
        t.so_error(four);
    }

    fn a_bound_six_sends_to_four(t) in Lo {
        let s = t.socket(AF_INET6, SOCK_DGRAM, 0);
        t.bind(s, (Ipv6Addr::LOCALHOST, 5000));
        t.sendto(s, b"x", 0, (Ipv4Addr::LOCALHOST.to_ipv6_mapped(), 5001));
        let m = t.socket(AF_INET6, SOCK_DGRAM, 0);
        t.bind(m, (Ipv4Addr::LOCALHOST.to_ipv6_mapped(), 5002));
        t.sendto(m, b"x", 0, (Ipv6Addr::LOCALHOST, 5001));
    }

    fn from_another_loopback_address(t) in Lo {
        let listener = t.listener(7000);
        let s = t.tcp();
        t.bind(s, (Ipv4Addr::new(127, 0, 0, 5), 0));
        t.connect(s, (Ipv4Addr::LOCALHOST, 7000));
        t.getsockname(s);
        t.wait(listener, POLLIN);
        t.accept(listener);
        let u = t.udp();
        t.connect(u, (Ipv4Addr::new(127, 0, 0, 9), 7000));
        t.getsockname(u);
    }
}
