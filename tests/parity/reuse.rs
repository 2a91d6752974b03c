//! Sharing a port, a device, a peer: who hears what.

use std::net::{Ipv4Addr, Ipv6Addr};

use sockatoo::base::constants::*;

twins! {
    fn listeners_with_reuseport_share_the_clients(t) in Lo {
        let mut listeners = Vec::new();
        for _ in 0..2 {
            let s = t.tcp();
            t.set(s, SOL_SOCKET, SO_REUSEPORT, 1);
            t.bind(s, (t.ip.lo(), 7000));
            t.listen(s, 128);
            t.nonblocking(s);
            listeners.push(s);
        }
        let mut clients = Vec::new();
        for _ in 0..64 {
            let client = t.silent_tcp();
            t.connect_quietly(client, (t.ip.lo(), 7000));
            clients.push(client);
        }
        let counts: Vec<usize> = listeners.iter().map(|&s| t.accept_all_quietly(s)).collect();
        t.note(format!("all: {}, each some: {}", counts.iter().sum::<usize>(), counts.iter().all(|n| *n > 0)));
    }

    fn a_closed_sharer_leaves_the_port_to_the_other(t) in Lo {
        let [one, other] = [(); 2].map(|()| {
            let s = t.tcp();
            t.set(s, SOL_SOCKET, SO_REUSEPORT, 1);
            t.bind(s, (t.ip.lo(), 7000));
            t.listen(s, 5);
            s
        });
        t.close(one);
        for _ in 0..3 {
            let client = t.tcp();
            t.connect(client, (t.ip.lo(), 7000));
            t.wait(other, POLLIN);
            t.accept(other);
        }
    }

    fn a_device_binds_who_hears(t) in Wire {
        let on_lo = t.socket_on(1, t.ip.af(), SOCK_DGRAM, 0);
        t.setsockopt(on_lo, SOL_SOCKET, SO_BINDTODEVICE, b"lo");
        t.bind(on_lo, (t.ip.any(), 5000));
        let on_wire = t.socket_on(1, t.ip.af(), SOCK_DGRAM, 0);
        t.setsockopt(on_wire, SOL_SOCKET, SO_BINDTODEVICE, b"w0");
        t.bind(on_wire, (t.ip.any(), 5000));
        let s = t.udp();
        t.sendto(s, b"over the wire", 0, (t.ip.on_wire(1), 5000));
        t.wait(on_wire, POLLIN);
        t.recv(on_wire, 20, 0);
        t.recv(on_lo, 20, MSG_DONTWAIT);
    }

    fn a_device_binds_where_it_goes(t) in Wire {
        let s = t.udp();
        t.setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, b"lo");
        t.sendto(s, b"x", 0, (t.ip.on_wire(1), 5000));
        t.connect(s, (t.ip.on_wire(1), 5000));
    }

    fn a_listener_on_a_device(t) in Wire {
        let listener = t.socket_on(1, t.ip.af(), SOCK_STREAM, 0);
        t.setsockopt(listener, SOL_SOCKET, SO_BINDTODEVICE, b"lo");
        t.bind(listener, (t.ip.any(), 7000));
        t.listen(listener, 5);
        let client = t.tcp();
        t.connect(client, (t.ip.on_wire(1), 7000));
        let near = t.socket_on(1, t.ip.af(), SOCK_STREAM, 0);
        t.connect(near, (t.ip.lo(), 7000));
    }

    fn a_connected_udp_socket_beside_a_bound_one(t) in Lo {
        let server = t.udp();
        t.set(server, SOL_SOCKET, SO_REUSEADDR, 1);
        t.bind(server, (t.ip.lo(), 5000));
        let peer = t.udp_at(5001);
        let session = t.udp();
        t.set(session, SOL_SOCKET, SO_REUSEADDR, 1);
        t.bind(session, (t.ip.lo(), 5000));
        t.connect(session, (t.ip.lo(), 5001));
        let stranger = t.udp_at(5002);
        t.sendto(peer, b"from the peer", 0, (t.ip.lo(), 5000));
        t.sendto(stranger, b"from a stranger", 0, (t.ip.lo(), 5000));
        t.wait(session, POLLIN);
        t.wait(server, POLLIN);
        t.recv(session, 20, MSG_DONTWAIT);
        t.recv(session, 20, MSG_DONTWAIT);
        t.recv(server, 20, MSG_DONTWAIT);
        t.recv(server, 20, MSG_DONTWAIT);
    }

    fn the_client_side_port_is_taken_while_it_waits(t) in Lo {
        let (client, server, _listener) = t.pair();
        let name = t.getsockname(client);
        t.close(client);
        t.recv(server, 1, 0);
        t.close(server);
        let again = t.tcp();
        if let Some(name) = name {
            t.bind(again, name);
        }
    }

    fn a_new_connection_takes_over_time_wait(t) in Lo {
        let listener = t.listener(7000);
        for _ in 0..2 {
            let client = t.tcp();
            t.set(client, SOL_SOCKET, SO_REUSEADDR, 1);
            t.bind(client, (t.ip.lo(), 5000));
            t.connect(client, (t.ip.lo(), 7000));
            t.wait(listener, POLLIN);
            let server = t.accept(listener);
            // The server closes first: TIME_WAIT is on its side.
            t.close(server);
            t.recv(client, 1, 0);
            t.close(client);
        }
    }
}

case! {
    fn four_and_six_side_by_side(t) in Lo {
        let six = t.socket(AF_INET6, SOCK_DGRAM, 0);
        t.set(six, SOL_IPV6, IPV6_V6ONLY, 1);
        t.bind(six, (Ipv6Addr::UNSPECIFIED, 5000));
        let four = t.socket(AF_INET, SOCK_DGRAM, 0);
        t.bind(four, (Ipv4Addr::UNSPECIFIED, 5000));
        let s = t.socket(AF_INET, SOCK_DGRAM, 0);
        t.sendto(s, b"four", 0, (Ipv4Addr::LOCALHOST, 5000));
        let z = t.socket(AF_INET6, SOCK_DGRAM, 0);
        t.sendto(z, b"six", 0, (Ipv6Addr::LOCALHOST, 5000));
        t.wait(four, POLLIN);
        t.wait(six, POLLIN);
        for s in [four, six] {
            t.recv(s, 10, MSG_DONTWAIT);
            t.recv(s, 10, MSG_DONTWAIT);
        }
    }

    fn four_before_dual_stack(t) in Lo {
        let six = t.socket(AF_INET6, SOCK_DGRAM, 0);
        t.set(six, SOL_SOCKET, SO_REUSEADDR, 1);
        t.bind(six, (Ipv6Addr::UNSPECIFIED, 5000));
        let four = t.socket(AF_INET, SOCK_DGRAM, 0);
        t.set(four, SOL_SOCKET, SO_REUSEADDR, 1);
        t.bind(four, (Ipv4Addr::UNSPECIFIED, 5000));
        let s = t.socket(AF_INET, SOCK_DGRAM, 0);
        t.sendto(s, b"whose?", 0, (Ipv4Addr::LOCALHOST, 5000));
        t.wait(four, POLLIN);
        t.recv(four, 10, MSG_DONTWAIT);
        t.recv(six, 10, MSG_DONTWAIT);
    }
}
