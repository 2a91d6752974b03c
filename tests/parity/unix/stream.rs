//! SOCK_STREAM: connections, bytes, their ends.

use super::*;

case! {
    fn a_connection(t) in Lo {
        let server = t.server(SOCK_STREAM, path("server"), 5);
        t.get(server, SOL_SOCKET, SO_ACCEPTCONN);
        t.poll(server);
        let client = t.unix(SOCK_STREAM);
        t.bind(client, path("client"));
        t.connect(client, path("server"));
        t.poll(client);
        t.poll(server);
        t.getpeername(client);
        let accepted = t.accept(server);
        t.getsockname(accepted);
        t.getpeername(accepted);
        t.send(client, b"hello", 0);
        t.poll(accepted);
        t.recvmsg(accepted, 100, 0);
        t.send(accepted, b"world", 0);
        t.recvmsg(client, 3, 0);
        t.recv(client, 100, 0);
        t.poll(client);
        t.connect(client, path("server"));
        t.listen(client, 1);
    }

    fn data_before_accept(t) in Lo {
        let server = t.server(SOCK_STREAM, hidden("s"), 5);
        let client = t.unix(SOCK_STREAM);
        t.connect(client, hidden("s"));
        t.send(client, b"early", 0);
        t.shutdown(client, SHUT_WR);
        let accepted = t.accept(server);
        t.recv(accepted, 100, 0);
        t.recv(accepted, 100, 0);
        t.poll(accepted);
    }

    fn the_backlog(t) in Lo {
        for backlog in [0, 1, -1] {
            let name = hidden(&format!("s{backlog}"));
            let server = t.server(SOCK_STREAM, name, backlog);
            for _ in 0..3 {
                let client = t.unix(SOCK_STREAM);
                t.nonblocking(client);
                t.connect(client, name);
            }
            t.nonblocking(server);
            for _ in 0..4 {
                t.accept(server);
            }
            t.poll(server);
        }
    }

    fn connect_waits_no_longer_than_its_time_out(t) in Lo {
        t.server(SOCK_STREAM, hidden("s"), 0);
        for _ in 0..2 {
            let client = t.unix(SOCK_STREAM);
            let time = [0_i64.to_ne_bytes(), 20_000_i64.to_ne_bytes()].concat();
            t.setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &time);
            t.connect(client, hidden("s"));
        }
    }

    fn listen_and_accept_where_they_do_not_belong(t) in Lo {
        let s = t.unix(SOCK_STREAM);
        t.listen(s, 1);
        t.accept(s);
        t.recv(s, 1, 0);
        t.send(s, b"x", 0);
        t.sendto(s, b"x", 0, hidden("s"));
        t.bind(s, hidden("s"));
        t.connect(s, hidden("s"));
        t.listen(s, 1);
        t.listen(s, 3);
        t.connect(s, hidden("s"));
        t.recv(s, 1, 0);
        t.ioctl(s, FIONREAD);
        t.ioctl(s, SIOCOUTQ);
        let d = t.unix(SOCK_DGRAM);
        t.bind(d, hidden("d"));
        t.listen(d, 1);
        t.accept(d);
        let (a, _) = t.couple(SOCK_STREAM);
        t.listen(a, 1);
        t.sendto(a, b"x", 0, hidden("s"));
    }

    fn a_listener_that_is_shut_down(t) in Lo {
        let server = t.server(SOCK_STREAM, hidden("s"), 1);
        t.shutdown(server, SHUT_RD);
        t.poll(server);
        t.accept(server);
        let client = t.unix(SOCK_STREAM);
        t.connect(client, hidden("s"));
        t.poll(client);
    }

    fn a_listener_that_is_closed(t) in Lo {
        let server = t.server(SOCK_STREAM, hidden("s"), 1);
        let client = t.unix(SOCK_STREAM);
        t.connect(client, hidden("s"));
        t.close(server);
        t.poll(client);
        t.send(client, b"x", MSG_NOSIGNAL);
        t.recv(client, 10, 0);
        t.recv(client, 10, 0);
        t.getpeername(client);
    }

    fn closed_with_everything_read(t) in Lo {
        let (a, b) = t.couple(SOCK_STREAM);
        t.send(b, b"last", 0);
        t.close(b);
        t.poll(a);
        t.recv(a, 2, 0);
        t.recv(a, 10, 0);
        t.recv(a, 10, 0);
        t.send(a, b"x", MSG_NOSIGNAL);
        t.getpeername(a);
        t.so_error(a);
    }

    fn closed_with_unread_data(t) in Lo {
        let (a, b) = t.couple(SOCK_STREAM);
        t.send(b, b"for a", 0);
        t.send(a, b"unread", 0);
        t.close(b);
        t.poll(a);
        t.recv(a, 10, 0);
        t.recv(a, 10, 0);
        t.recv(a, 10, 0);
        let (a, b) = t.couple(SOCK_STREAM);
        t.send(a, b"unread", 0);
        t.close(b);
        t.send(a, b"x", MSG_NOSIGNAL);
        t.so_error(a);
        t.recv(a, 10, 0);
    }

    fn shutdown_in_each_way(t) in Lo {
        for how in [SHUT_RD, SHUT_WR, SHUT_RDWR, 3, -1] {
            let (a, b) = t.couple(SOCK_STREAM);
            t.send(a, b"before", 0);
            t.send(b, b"before", 0);
            t.shutdown(a, how);
            for s in [a, b] {
                t.poll(s);
                t.recv(s, 10, MSG_DONTWAIT);
                t.recv(s, 10, MSG_DONTWAIT);
                t.send(s, b"after", MSG_NOSIGNAL);
            }
        }
        let s = t.unix(SOCK_STREAM);
        t.shutdown(s, SHUT_RDWR);
        t.poll(s);
    }

    fn looking_without_taking(t) in Lo {
        let (a, b) = t.couple(SOCK_STREAM);
        t.recv(b, 10, MSG_PEEK | MSG_DONTWAIT);
        t.send(a, b"abc", 0);
        t.send(a, b"def", 0);
        t.recv(b, 2, MSG_PEEK);
        t.recv(b, 10, MSG_PEEK);
        t.recv(b, 2, MSG_TRUNC);
        t.recv(b, 10, MSG_PEEK | MSG_TRUNC);
        t.ioctl(b, FIONREAD);
        t.recv(b, 0, MSG_DONTWAIT);
        t.recv(b, 10, 0);
        t.recv(b, 0, MSG_DONTWAIT);
        t.send(a, b"", 0);
        t.recv(b, 10, MSG_DONTWAIT);
    }

    fn waiting_for_all(t) in Lo {
        let (a, b) = t.couple(SOCK_STREAM);
        t.send(a, b"abc", 0);
        t.recv(b, 5, MSG_WAITALL | MSG_DONTWAIT);
        t.send(a, b"abc", 0);
        t.shutdown(a, SHUT_WR);
        t.recv(b, 5, MSG_WAITALL);
        t.recv(b, 5, MSG_WAITALL);
    }

    fn the_low_water_mark(t) in Lo {
        let (a, b) = t.couple(SOCK_STREAM);
        t.set(b, SOL_SOCKET, SO_RCVLOWAT, 4);
        let time = [0_i64.to_ne_bytes(), 20_000_i64.to_ne_bytes()].concat();
        t.setsockopt(b, SOL_SOCKET, SO_RCVTIMEO, &time);
        t.send(a, b"abc", 0);
        t.poll(b);
        t.recv(b, 10, MSG_DONTWAIT);
        t.send(a, b"abcd", 0);
        t.recv(b, 10, 0);
        t.send(a, b"abc", 0);
        t.recv(b, 2, 0);
        t.recv(b, 10, 0);
        t.recv(b, 10, 0);
    }

    fn what_a_send_buffer_holds(t) in Lo {
        let (a, b) = t.couple(SOCK_STREAM);
        t.nonblocking(a);
        let much = vec![7; 400_000];
        t.send(a, &much, 0);
        t.send(a, b"x", 0);
        t.poll(a);
        t.ioctl(a, SIOCOUTQ);
        t.ioctl(b, FIONREAD);
        t.recv(b, 36_543, 0);
        t.ioctl(a, SIOCOUTQ);
        t.recv(b, 1, 0);
        t.ioctl(a, SIOCOUTQ);
        t.send(a, &much, 0);
        t.poll(a);
        for _ in 0..6 {
            t.recv(b, 36_544, 0);
        }
        t.poll(a);
        t.ioctl(a, SIOCOUTQ);
    }

    fn a_small_send_buffer(t) in Lo {
        for size in [0, 5000, 20_000] {
            let (a, b) = t.couple(SOCK_STREAM);
            t.nonblocking(a);
            t.set(a, SOL_SOCKET, SO_SNDBUF, size);
            t.get(a, SOL_SOCKET, SO_SNDBUF);
            t.poll(a);
            t.send(a, &[1; 50_000], 0);
            t.ioctl(a, SIOCOUTQ);
            t.poll(a);
            t.recv(b, 100_000, 0);
            t.poll(a);
        }
    }

    fn charges_of_small_pieces(t) in Lo {
        let (a, b) = t.couple(SOCK_STREAM);
        for len in [1, 192, 193, 705, 1729, 3777, 8000, 40_000] {
            t.send(a, &vec![3; len], 0);
            t.ioctl(a, SIOCOUTQ);
            t.ioctl(b, FIONREAD);
        }
    }

    fn credentials_of_a_connection(t) in Lo {
        let server = t.server(SOCK_STREAM, hidden("s"), 5);
        t.peercred(server);
        let (client, accepted) = t.meet(SOCK_STREAM, server, hidden("s"));
        t.peercred(client);
        t.peercred(accepted);
        t.close(accepted);
        t.peercred(client);
    }

    /// This kernel has no security module that labels processes: SO_PASSSEC is kept, and nothing follows.
    fn security_labels(t) in Lo {
        for kind in [SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET] {
            let s = t.socket(AF_UNIX, kind, 0);
            for value in [0, 2] {
                t.set(s, SOL_SOCKET, SO_PASSSEC, value);
                t.getsockopt(s, SOL_SOCKET, SO_PASSSEC, 4);
            }
            t.getsockopt(s, SOL_SOCKET, SO_PEERSEC, 64);
        }
    }

    fn calls_on_a_peer_that_has_gone_since(t) in Lo {
        let server = t.server(SOCK_STREAM, hidden("s"), 5);
        let (client, accepted) = t.meet(SOCK_STREAM, server, hidden("s"));
        t.bind(client, hidden("c"));
        t.getpeername(accepted);
        t.close(client);
        t.getpeername(accepted);
        t.poll(accepted);
        t.shutdown(accepted, SHUT_RDWR);
        t.getsockopt(accepted, SOL_SOCKET, SO_PEERNAME, 20);
    }

    fn looking_further(t) in Lo {
        for kind in [SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET] {
            let (a, b) = t.couple(kind);
            t.set(b, SOL_SOCKET, SO_PEEK_OFF, 0);
            t.send(a, b"abcd", 0);
            t.send(a, b"efgh", 0);
            t.recv(b, 3, MSG_PEEK);
            t.get(b, SOL_SOCKET, SO_PEEK_OFF);
            t.recv(b, 3, MSG_PEEK);
            t.get(b, SOL_SOCKET, SO_PEEK_OFF);
            t.recv(b, 10, MSG_PEEK | MSG_TRUNC);
            t.recv(b, 10, MSG_PEEK | MSG_DONTWAIT);
            t.recv(b, 2, 0);
            t.get(b, SOL_SOCKET, SO_PEEK_OFF);
            t.recv(b, 10, MSG_PEEK | MSG_DONTWAIT);
            t.set(b, SOL_SOCKET, SO_PEEK_OFF, -1);
            t.recv(b, 10, MSG_PEEK | MSG_DONTWAIT);
        }
    }
}
