//! listen(2) and accept(2).

use std::net::{Ipv4Addr, Ipv6Addr};

use sockatoo::base::constants::*;

twins! {
    fn on_a_datagram_socket(t) in Lo {
        let s = t.udp();
        t.listen(s, 1);
        t.accept(s);
        t.bind(s, (t.ip.lo(), 5000));
        t.listen(s, 1);
    }

    fn without_bind(t) in Lo {
        let s = t.tcp();
        t.listen(s, 1);
        t.getsockname(s);
        t.get(s, SOL_SOCKET, SO_ACCEPTCONN);
    }

    fn twice(t) in Lo {
        let s = t.tcp();
        t.bind(s, (t.ip.lo(), 7000));
        t.listen(s, 1);
        t.listen(s, 10);
        t.get(s, SOL_SOCKET, SO_ACCEPTCONN);
    }

    fn odd_backlogs(t) in Lo {
        for (port, backlog) in [(7000, 0), (7001, -1), (7002, i32::MAX), (7003, i32::MIN)] {
            let s = t.tcp();
            t.bind(s, (t.ip.lo(), port));
            t.listen(s, backlog);
            let client = t.tcp();
            t.connect(client, (t.ip.lo(), port));
            t.wait(s, POLLIN);
            t.accept(s);
        }
    }

    fn a_connected_socket(t) in Lo {
        let (client, server, _) = t.pair();
        t.listen(client, 1);
        t.listen(server, 1);
    }

    fn accept_without_listen(t) in Lo {
        let s = t.tcp();
        t.accept(s);
        t.bind(s, (t.ip.lo(), 7000));
        t.accept(s);
        let (client, _, _) = {
            t.close(s);
            t.pair()
        };
        t.accept(client);
    }

    fn accept_would_block(t) in Lo {
        let s = t.listener(7000);
        t.nonblocking(s);
        t.accept(s);
        let client = t.tcp();
        t.connect(client, (t.ip.lo(), 7000));
        t.wait(s, POLLIN);
        t.accept(s);
        t.accept(s);
    }

    fn accept_times_out(t) in Lo {
        let s = t.listener(7000);
        let mut timeval = [0u8; 16];
        timeval[8..].copy_from_slice(&20_000i64.to_ne_bytes());
        t.setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &timeval);
        t.accept(s);
    }

    fn names_of_the_accepted(t) in Lo {
        let (client, server, listener) = t.pair();
        for s in [client, server, listener] {
            t.getsockname(s);
            t.getpeername(s);
            t.get(s, SOL_SOCKET, SO_ACCEPTCONN);
        }
    }

    fn names_of_the_accepted_by_a_wildcard(t) in Lo {
        let listener = t.tcp();
        t.bind(listener, (t.ip.any(), 7000));
        t.listen(listener, 1);
        let client = t.tcp();
        t.connect(client, (t.ip.lo(), 7000));
        t.wait(listener, POLLIN);
        let server = t.accept(listener);
        t.getsockname(server);
        t.getpeername(server);
        t.getsockname(listener);
    }

    fn the_accepted_inherit_options(t) in Lo {
        let listener = t.tcp();
        t.bind(listener, (t.ip.lo(), 7000));
        t.set(listener, SOL_SOCKET, SO_KEEPALIVE, 1);
        t.set(listener, SOL_SOCKET, SO_REUSEADDR, 1);
        t.set(listener, SOL_TCP, TCP_NODELAY, 1);
        t.set(listener, SOL_TCP, TCP_KEEPIDLE, 17);
        t.set(listener, SOL_TCP, TCP_USER_TIMEOUT, 1700);
        t.set(listener, SOL_SOCKET, SO_RCVLOWAT, 7);
        t.setsockopt(listener, SOL_SOCKET, SO_LINGER, &[1, 0, 0, 0, 9, 0, 0, 0]);
        if t.ip.af() == AF_INET {
            t.set(listener, SOL_IP, IP_TTL, 33);
            t.set(listener, SOL_IP, IP_TOS, 0x10);
        } else {
            t.set(listener, SOL_IPV6, IPV6_UNICAST_HOPS, 33);
            t.set(listener, SOL_IPV6, IPV6_TCLASS, 0x10);
        }
        t.listen(listener, 1);
        let client = t.tcp();
        t.connect(client, (t.ip.lo(), 7000));
        t.wait(listener, POLLIN);
        let s = t.accept(listener);
        for name in [SO_KEEPALIVE, SO_REUSEADDR, SO_RCVLOWAT] {
            t.get(s, SOL_SOCKET, name);
        }
        t.getsockopt(s, SOL_SOCKET, SO_LINGER, 8);
        for name in [TCP_NODELAY, TCP_KEEPIDLE, TCP_USER_TIMEOUT] {
            t.get(s, SOL_TCP, name);
        }
        if t.ip.af() == AF_INET {
            t.get(s, SOL_IP, IP_TTL);
            t.get(s, SOL_IP, IP_TOS);
        } else {
            t.get(s, SOL_IPV6, IPV6_UNICAST_HOPS);
            t.get(s, SOL_IPV6, IPV6_TCLASS);
        }
    }

    fn a_blocking_accepted_of_a_nonblocking_listener(t) in Lo {
        let listener = t.listener(7000);
        t.nonblocking(listener);
        let client = t.tcp();
        t.connect(client, (t.ip.lo(), 7000));
        t.wait(listener, POLLIN);
        let server = t.accept(listener);
        t.send(client, b"hello", 0);
        t.recv(server, 5, MSG_WAITALL);
    }

    fn several_wait_in_line(t) in Lo {
        let listener = t.listener(7000);
        let mut clients = Vec::new();
        for name in [b"one", b"two", b"six"] {
            let client = t.tcp();
            t.connect(client, (t.ip.lo(), 7000));
            t.send(client, name, 0);
            clients.push(client);
        }
        for _ in 0..3 {
            t.wait(listener, POLLIN);
            let server = t.accept(listener);
            t.recv(server, 3, MSG_WAITALL);
        }
    }

    fn a_client_that_left_is_still_accepted(t) in Lo {
        let listener = t.listener(7000);
        let client = t.tcp();
        t.connect(client, (t.ip.lo(), 7000));
        t.send(client, b"bye", 0);
        t.close(client);
        t.wait(listener, POLLIN);
        let server = t.accept(listener);
        t.recv(server, 10, 0);
        t.recv(server, 10, 0);
    }

    fn a_client_that_reset_is_still_accepted(t) in Lo {
        let listener = t.listener(7000);
        let client = t.tcp();
        t.connect(client, (t.ip.lo(), 7000));
        t.wait(listener, POLLIN);
        t.setsockopt(client, SOL_SOCKET, SO_LINGER, &[1, 0, 0, 0, 0, 0, 0, 0]);
        t.close(client);
        t.nonblocking(listener);
        let server = t.accept(listener);
        t.wait(server, POLLIN);
        t.recv(server, 10, 0);
        t.recv(server, 10, 0);
    }

    fn closing_the_listener_resets_who_waits(t) in Lo {
        let listener = t.listener(7000);
        let client = t.tcp();
        t.connect(client, (t.ip.lo(), 7000));
        t.close(listener);
        t.wait(client, POLLIN);
        t.recv(client, 10, 0);
        t.recv(client, 10, 0);
        let late = t.tcp();
        t.connect(late, (t.ip.lo(), 7000));
    }

    fn shutdown_ends_listening(t) in Lo {
        let listener = t.listener(7000);
        t.shutdown(listener, SHUT_RD);
        t.get(listener, SOL_SOCKET, SO_ACCEPTCONN);
        t.poll(listener);
        t.accept(listener);
        let late = t.tcp();
        t.connect(late, (t.ip.lo(), 7000));
        t.listen(listener, 1);
        let client = t.tcp();
        t.connect(client, (t.ip.lo(), 7000));
    }

    fn shutdown_of_a_listeners_sending_side(t) in Lo {
        let listener = t.listener(7000);
        t.shutdown(listener, SHUT_WR);
        t.get(listener, SOL_SOCKET, SO_ACCEPTCONN);
        t.poll(listener);
        let client = t.tcp();
        t.connect(client, (t.ip.lo(), 7000));
    }

    fn data_calls_on_a_listener(t) in Lo {
        let s = t.listener(7000);
        t.send(s, b"x", 0);
        t.recv(s, 10, 0);
        t.connect(s, (t.ip.lo(), 7001));
        t.so_error(s);
        t.ioctl(s, FIONREAD);
        t.ioctl(s, SIOCOUTQ);
    }

    fn a_full_backlog(t) in Lo {
        let listener = t.tcp();
        t.bind(listener, (t.ip.lo(), 7000));
        t.listen(listener, 1);
        let mut connected = 0;
        let mut clients = Vec::new();
        for _ in 0..4 {
            let client = t.tcp();
            t.nonblocking(client);
            t.connect(client, (t.ip.lo(), 7000));
            clients.push(client);
        }
        for client in clients {
            if t.poll(client) & POLLOUT != 0 {
                connected += 1;
            }
        }
        t.note(format!("{connected} connected"));
    }
}

case! {
    fn a_dual_stack_listener(t) in Lo {
        let listener = t.socket(AF_INET6, SOCK_STREAM, 0);
        t.bind(listener, (Ipv6Addr::UNSPECIFIED, 7000));
        t.listen(listener, 5);
        let four = t.socket(AF_INET, SOCK_STREAM, 0);
        t.connect(four, (Ipv4Addr::LOCALHOST, 7000));
        t.wait(listener, POLLIN);
        let server = t.accept(listener);
        t.getsockname(server);
        t.getpeername(server);
        t.get(server, SOL_SOCKET, SO_DOMAIN);
        let six = t.socket(AF_INET6, SOCK_STREAM, 0);
        t.connect(six, (Ipv6Addr::LOCALHOST, 7000));
        t.wait(listener, POLLIN);
        let server = t.accept(listener);
        t.getsockname(server);
        t.getpeername(server);
        let mapped = t.socket(AF_INET6, SOCK_STREAM, 0);
        t.connect(mapped, (Ipv4Addr::LOCALHOST.to_ipv6_mapped(), 7000));
        t.getsockname(mapped);
        t.getpeername(mapped);
    }

    fn a_v6only_listener(t) in Lo {
        let listener = t.socket(AF_INET6, SOCK_STREAM, 0);
        t.set(listener, SOL_IPV6, IPV6_V6ONLY, 1);
        t.bind(listener, (Ipv6Addr::UNSPECIFIED, 7000));
        t.listen(listener, 5);
        let four = t.socket(AF_INET, SOCK_STREAM, 0);
        t.connect(four, (Ipv4Addr::LOCALHOST, 7000));
        let other = t.socket(AF_INET, SOCK_STREAM, 0);
        t.bind(other, (Ipv4Addr::UNSPECIFIED, 7000));
        t.listen(other, 5);
        let six = t.socket(AF_INET6, SOCK_STREAM, 0);
        t.connect(six, (Ipv6Addr::LOCALHOST, 7000));
    }

    fn the_most_particular_listener_gets_it(t) in Lo {
        let any = t.socket(AF_INET6, SOCK_STREAM, 0);
        t.set(any, SOL_SOCKET, SO_REUSEPORT, 1);
        t.bind(any, (Ipv6Addr::UNSPECIFIED, 7000));
        t.listen(any, 5);
        let exact = t.socket(AF_INET, SOCK_STREAM, 0);
        t.set(exact, SOL_SOCKET, SO_REUSEPORT, 1);
        t.bind(exact, (Ipv4Addr::LOCALHOST, 7000));
        t.listen(exact, 5);
        t.nonblocking(any);
        t.nonblocking(exact);
        let client = t.socket(AF_INET, SOCK_STREAM, 0);
        t.connect(client, (Ipv4Addr::LOCALHOST, 7000));
        t.wait(exact, POLLIN);
        t.accept(any);
        t.accept(exact);
        let client = t.socket(AF_INET, SOCK_STREAM, 0);
        t.connect(client, (Ipv4Addr::new(127, 0, 0, 2), 7000));
        t.wait(any, POLLIN);
        t.accept(exact);
        t.accept(any);
    }
}
