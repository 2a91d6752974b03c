//! TCP Fast Open (RFC 7413): MSG_FASTOPEN, TCP_FASTOPEN and its like.

use sockatoo::base::constants::*;

use crate::arm::Fd;
use crate::dialogue::Dialogue;

/// A listener of host 1 that takes data in a SYN.
fn listener(t: &mut Dialogue) -> Fd {
    let listener = t.socket_on(1, t.ip.af(), SOCK_STREAM, 0);
    t.bind(listener, (t.ip.any(), 7000));
    t.set(listener, SOL_TCP, TCP_FASTOPEN, 5);
    t.listen(listener, 5);
    listener
}

fn accepted(t: &mut Dialogue, listener: Fd) -> Fd {
    t.wait(listener, POLLIN);
    t.accept(listener)
}

/// The first connection brings the cookie.
fn learn(t: &mut Dialogue, listener: Fd) {
    let client = t.tcp();
    t.sendto(client, b"first", MSG_FASTOPEN, (t.ip.on_wire(1), 7000));
    let server = accepted(t, listener);
    t.recv(server, 5, MSG_WAITALL);
    t.tcp_opened(client);
    t.tcp_opened(server);
    t.close(client);
    t.close(server);
}

fn open(t: &mut Dialogue, data: &[u8]) -> Fd {
    let client = t.tcp();
    t.sendto(client, data, MSG_FASTOPEN, (t.ip.on_wire(1), 7000));
    client
}

twins! {
    fn a_cookie_is_asked_for_and_used(t) in Wire {
        let listener = listener(t);
        learn(t, listener);
        let client = open(t, b"second");
        let server = accepted(t, listener);
        t.recv(server, 6, MSG_WAITALL);
        t.tcp_opened(client);
        t.tcp_opened(server);
        t.send(server, b"answer", 0);
        t.recv(client, 6, MSG_WAITALL);
        t.send(client, b"third", 0);
        t.recv(server, 5, MSG_WAITALL);
        t.sendto(client, b"no more", MSG_FASTOPEN, (t.ip.on_wire(1), 7000));
        t.close(client);
        t.poll_until(server, POLLRDHUP);
        t.recv(server, 1, 0);
        t.close(server);
    }

    fn more_than_a_syn_carries(t) in Wire {
        let listener = listener(t);
        learn(t, listener);
        let data: Vec<u8> = (0..10_000u32).map(|n| n as u8).collect();
        let client = open(t, &data);
        let server = accepted(t, listener);
        let got = t.recv(server, 10_000, MSG_WAITALL);
        t.note(format!("all the same: {}", got == Some(data)));
        t.tcp_opened(client);
    }

    fn who_does_not_wait(t) in Wire {
        let listener = listener(t);
        let client = t.tcp();
        t.nonblocking(client);
        let to = (t.ip.on_wire(1), 7000);
        // Without a cookie nothing is taken.
        t.sendto(client, b"hello", MSG_FASTOPEN, to);
        t.poll_until(client, POLLOUT);
        t.sendto(client, b"hello", MSG_FASTOPEN, to);
        t.sendto(client, b"hello", MSG_FASTOPEN, to);
        let server = accepted(t, listener);
        t.recv(server, 5, MSG_WAITALL);
        let client = t.tcp();
        t.nonblocking(client);
        t.sendto(client, b"hello again", MSG_FASTOPEN, to);
        let server = accepted(t, listener);
        t.recv(server, 11, MSG_WAITALL);
        t.poll_until(client, POLLOUT);
        t.so_error(client);
        t.getpeername(client);
        t.connect(client, to);
        t.connect(client, to);
        let long = t.tcp();
        t.nonblocking(long);
        t.sendto(long, &[7; 5000], MSG_FASTOPEN, to);
        let server = accepted(t, listener);
        t.wait(server, POLLIN);
        t.recv(server, 5000, 0);
        let empty = t.tcp();
        t.nonblocking(empty);
        t.sendto(empty, b"", MSG_FASTOPEN, to);
    }

    fn a_server_that_takes_none(t) in Wire {
        let listener = listener(t);
        learn(t, listener);
        t.set(listener, SOL_TCP, TCP_FASTOPEN, 0);
        let client = open(t, b"the long way");
        let server = accepted(t, listener);
        t.recv(server, 12, MSG_WAITALL);
        t.tcp_opened(client);
        t.tcp_opened(server);
    }

    fn another_key(t) in Wire {
        let listener = listener(t);
        let (old, new) = ([1; 16], [2; 16]);
        t.setsockopt(listener, SOL_TCP, TCP_FASTOPEN_KEY, &old);
        t.getsockopt(listener, SOL_TCP, TCP_FASTOPEN_KEY, 16);
        t.getsockopt(listener, SOL_TCP, TCP_FASTOPEN_KEY, 32);
        learn(t, listener);
        t.setsockopt(listener, SOL_TCP, TCP_FASTOPEN_KEY, &[new, old].concat());
        t.getsockopt(listener, SOL_TCP, TCP_FASTOPEN_KEY, 32);
        for data in [b"the old cookie", b"the new cookie"] {
            let client = open(t, data);
            let server = accepted(t, listener);
            t.recv(server, 14, MSG_WAITALL);
            t.tcp_opened(client);
        }
        t.setsockopt(listener, SOL_TCP, TCP_FASTOPEN_KEY, &[3; 16]);
        for data in [b"nobody's cookie", b"and a good one "] {
            let client = open(t, data);
            let server = accepted(t, listener);
            t.recv(server, 15, MSG_WAITALL);
            t.tcp_opened(client);
        }
    }

    fn without_cookies(t) in Wire {
        let listener = listener(t);
        t.set(listener, SOL_TCP, TCP_FASTOPEN_NO_COOKIE, 1);
        let client = t.tcp();
        t.set(client, SOL_TCP, TCP_FASTOPEN_NO_COOKIE, 1);
        t.sendto(client, b"hello", MSG_FASTOPEN, (t.ip.on_wire(1), 7000));
        let server = accepted(t, listener);
        t.recv(server, 5, MSG_WAITALL);
        t.tcp_opened(client);
        t.tcp_opened(server);
    }

    fn connect_puts_the_syn_off(t) in Wire {
        let listener = listener(t);
        let to = (t.ip.on_wire(1), 7000);
        let client = t.tcp();
        t.set(client, SOL_TCP, TCP_FASTOPEN_CONNECT, 1);
        // It asks for the cookie.
        t.connect(client, to);
        t.send(client, b"first", 0);
        let server = accepted(t, listener);
        t.recv(server, 5, MSG_WAITALL);
        t.tcp_opened(client);
        let client = t.tcp();
        t.nonblocking(client);
        t.set(client, SOL_TCP, TCP_FASTOPEN_CONNECT, 1);
        t.connect(client, to);
        t.connect(client, to);
        t.getpeername(client);
        t.set(client, SOL_TCP, TCP_FASTOPEN_CONNECT, 0);
        t.poll(client);
        t.poll(listener);
        t.send(client, b"second", 0);
        let server = accepted(t, listener);
        t.recv(server, 6, MSG_WAITALL);
        t.poll_until(client, POLLOUT);
        t.tcp_opened(client);
        t.tcp_opened(server);
        let client = t.tcp();
        t.set(client, SOL_TCP, TCP_FASTOPEN_CONNECT, 1);
        t.connect(client, to);
        t.send(client, b"third", 0);
        let server = accepted(t, listener);
        t.recv(server, 5, MSG_WAITALL);
        t.tcp_opened(client);
    }

    fn nobody_listens(t) in Wire {
        let listener = listener(t);
        learn(t, listener);
        t.close(listener);
        let client = open(t, b"hello");
        t.so_error(client);
        let client = t.tcp();
        t.nonblocking(client);
        t.sendto(client, b"hello", MSG_FASTOPEN, (t.ip.on_wire(1), 7000));
        t.poll_until(client, POLLERR);
        t.so_error(client);
    }

    fn calls_that_open_nothing(t) in Lo {
        let fresh = t.tcp();
        t.send(fresh, b"x", MSG_FASTOPEN);
        t.sendto(fresh, b"x", MSG_FASTOPEN, sockatoo::SockAddr::Unspec);
        let listener = t.listener(7001);
        t.send(listener, b"x", MSG_FASTOPEN);
        t.sendto(listener, b"x", MSG_FASTOPEN, (t.ip.lo(), 7001));
        t.sendto(fresh, b"x", MSG_FASTOPEN, (t.ip.lo(), 7002));
        // A server needs more than the option: net.ipv4.tcp_fastopen is 1.
        t.set(listener, SOL_TCP, TCP_FASTOPEN, 5);
        for data in [b"one", b"two"] {
            let client = t.tcp();
            t.sendto(client, data, MSG_FASTOPEN, (t.ip.lo(), 7001));
            t.wait(listener, POLLIN);
            let server = t.accept(listener);
            t.recv(server, 3, MSG_WAITALL);
            t.tcp_opened(client);
            t.tcp_opened(server);
        }
    }

    fn the_options(t) in Lo {
        let (client, server, listener) = t.pair();
        for s in [client, server, listener] {
            for name in [TCP_FASTOPEN, TCP_FASTOPEN_CONNECT, TCP_FASTOPEN_NO_COOKIE] {
                for value in [-1, 0, 1, 2, 100_000] {
                    t.set(s, SOL_TCP, name, value);
                }
                t.get(s, SOL_TCP, name);
            }
            for len in [0, 4, 15, 16, 17, 31, 32, 33] {
                t.setsockopt_as(s, SOL_TCP, TCP_FASTOPEN_KEY, &vec![1; len], &format!("{len} bytes"));
            }
            t.getsockopt(s, SOL_TCP, TCP_FASTOPEN_KEY, 40);
            t.getsockopt(s, SOL_TCP, TCP_FASTOPEN_KEY, 8);
        }
    }
}
