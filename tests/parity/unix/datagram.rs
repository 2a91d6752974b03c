//! SOCK_DGRAM.

use super::*;
use sockatoo::SockAddr;

fn bound(t: &mut Dialogue, name: &str) -> Fd {
    let s = t.unix(SOCK_DGRAM);
    t.bind(s, hidden(name));
    s
}

case! {
    fn from_one_to_the_other(t) in Lo {
        let (a, b) = (bound(t, "a"), bound(t, "b"));
        let unnamed = t.unix(SOCK_DGRAM);
        t.sendto(a, b"hello", 0, hidden("b"));
        t.sendto(unnamed, b"", 0, hidden("b"));
        t.sendto(unnamed, b"late", 0, hidden("b"));
        t.poll(b);
        t.ioctl(b, FIONREAD);
        t.recvmsg(b, 3, 0);
        t.recvmsg(b, 100, 0);
        t.bind(unnamed, hidden("late"));
        t.recvmsg(b, 100, 0);
        t.recvmsg(b, 100, MSG_DONTWAIT);
        t.poll(b);
    }

    fn truncated_and_looked_at(t) in Lo {
        let (a, b) = t.couple(SOCK_DGRAM);
        t.send(a, b"abcdef", 0);
        t.send(a, b"ghi", 0);
        t.recvmsg(b, 2, MSG_PEEK);
        t.recvmsg(b, 2, MSG_PEEK | MSG_TRUNC);
        t.ioctl(b, FIONREAD);
        t.recvmsg(b, 2, MSG_TRUNC);
        t.recvmsg(b, 0, 0);
        t.recvmsg(b, 1, MSG_DONTWAIT);
    }

    fn to_nobody(t) in Lo {
        let s = t.unix(SOCK_DGRAM);
        t.send(s, b"x", 0);
        t.getpeername(s);
        t.shutdown(s, SHUT_WR);
        t.send(s, b"x", 0);
        t.sendto(s, b"x", 0, hidden("nobody"));
        t.sendto(s, &vec![0; 300_000], 0, hidden("nobody"));
        t.poll(s);
    }

    fn connected(t) in Lo {
        let (a, b, c) = (bound(t, "a"), bound(t, "b"), bound(t, "c"));
        t.connect(a, hidden("b"));
        t.getpeername(a);
        t.peercred(a);
        t.send(a, b"to b", 0);
        t.recvmsg(b, 100, 0);
        t.sendto(c, b"not for a", 0, hidden("a"));
        t.connect(c, hidden("a"));
        t.sendto(b, b"for a", 0, hidden("a"));
        t.recvmsg(a, 100, 0);
        t.sendto(a, b"to c", 0, hidden("c"));
        t.recvmsg(c, 100, 0);
        t.connect(a, hidden("c"));
        t.getpeername(a);
        t.connect(a, SockAddr::Unspec);
        t.getpeername(a);
        t.send(a, b"x", 0);
        t.sendto(c, b"for a again", 0, hidden("a"));
        t.recvmsg(a, 100, 0);
    }

    fn to_itself(t) in Lo {
        let a = bound(t, "a");
        t.connect(a, hidden("a"));
        t.nonblocking(a);
        for _ in 0..13 {
            t.send(a, b"x", 0);
        }
        t.poll(a);
        t.recvmsg(a, 10, 0);
        t.getpeername(a);
    }

    fn a_peer_that_has_gone(t) in Lo {
        let (a, b) = (bound(t, "a"), bound(t, "b"));
        t.connect(a, hidden("b"));
        t.connect(b, hidden("a"));
        t.send(b, b"last", 0);
        t.close(b);
        t.poll(a);
        t.getpeername(a);
        t.send(a, b"x", 0);
        t.poll(a);
        t.send(a, b"x", 0);
        t.recv(a, 10, MSG_DONTWAIT);
        t.getpeername(a);
        t.so_error(a);
    }

    fn a_pair_that_is_torn(t) in Lo {
        let (a, b) = t.couple(SOCK_DGRAM);
        let c = bound(t, "c");
        t.send(b, b"for a", 0);
        t.connect(a, hidden("c"));
        t.poll(b);
        t.so_error(b);
        t.recv(a, 10, MSG_DONTWAIT);
        t.send(b, b"x", 0);
        t.send(a, b"for c", 0);
        t.recvmsg(c, 10, 0);
        t.connect(a, SockAddr::Unspec);
        t.send(b, b"y", 0);
        t.recv(a, 10, MSG_DONTWAIT);
    }

    fn a_full_queue(t) in Lo {
        let b = bound(t, "b");
        let (a, c) = (t.unix(SOCK_DGRAM), t.unix(SOCK_DGRAM));
        t.nonblocking(a);
        t.connect(c, hidden("b"));
        for _ in 0..12 {
            t.sendto(a, b"x", 0, hidden("b"));
        }
        t.poll(a);
        t.poll(c);
        t.send(c, b"x", MSG_DONTWAIT);
        t.recv(b, 10, 0);
        t.poll(c);
        t.send(c, b"x", MSG_DONTWAIT);
        t.sendto(a, b"x", 0, hidden("b"));
        t.connect(b, SockAddr::Unspec);
        t.close(b);
        t.poll(c);
        t.ioctl(c, SIOCOUTQ);
    }

    fn a_full_queue_between_two(t) in Lo {
        let (a, b) = t.couple(SOCK_DGRAM);
        t.nonblocking(a);
        t.set(a, SOL_SOCKET, SO_SNDBUF, 10_000);
        let mut sent = 0;
        while t.send(a, b"0123456789", 0).is_some() {
            sent += 1;
        }
        t.note(format!("{sent} sent"));
        t.poll(a);
        t.ioctl(a, SIOCOUTQ);
        t.recv(b, 10, 0);
        t.ioctl(a, SIOCOUTQ);
        t.poll(a);
        t.send(a, b"0123456789", 0);
    }

    fn as_long_as_the_buffer(t) in Lo {
        let (a, b) = t.couple(SOCK_DGRAM);
        t.send(a, &vec![1; 212_961], 0);
        t.set(a, SOL_SOCKET, SO_SNDBUF, 3000);
        t.send(a, &[1; 5969], 0);
        t.send(a, &[1; 5968], 0);
        t.ioctl(a, SIOCOUTQ);
        t.recv(b, 10_000, 0);
        t.ioctl(a, SIOCOUTQ);
    }

    fn costs_of_long_ones(t) in Lo {
        for len in [0, 192, 193, 3777, 7873, 16_065, 65_535, 90_000] {
            let (a, b) = t.couple(SOCK_DGRAM);
            t.send(a, &vec![5; len], 0);
            t.ioctl(a, SIOCOUTQ);
            t.recv(b, 90_000, 0);
        }
    }

    fn shutdown_in_each_way(t) in Lo {
        for how in [SHUT_RD, SHUT_WR, SHUT_RDWR] {
            let (a, b) = t.couple(SOCK_DGRAM);
            t.send(b, b"before", 0);
            t.shutdown(a, how);
            for s in [a, b] {
                t.poll(s);
                t.recv(s, 10, MSG_DONTWAIT);
                t.recv(s, 10, MSG_DONTWAIT);
                t.send(s, b"after", MSG_NOSIGNAL);
            }
        }
        let (a, _b) = t.couple(SOCK_DGRAM);
        t.shutdown(a, SHUT_RD);
        t.recv(a, 10, 0);
    }

    fn time_stamps(t) in Lo {
        let (a, b) = t.couple(SOCK_DGRAM);
        t.set(b, SOL_SOCKET, SO_TIMESTAMP, 1);
        t.send(a, b"x", 0);
        t.recvmsg(b, 10, 0);
        t.set(b, SOL_SOCKET, SO_TIMESTAMPNS, 1);
        t.send(a, b"x", 0);
        t.recvmsg(b, 10, 0);
    }

    fn a_filter(t) in Lo {
        let (a, b) = t.couple(SOCK_DGRAM);
        // ldb [0]; jeq 'y'; ret 3; ret 0
        let code: [(u16, u8, u8, u32); 4] = [(0x30, 0, 0, 0), (0x15, 0, 1, 0x79), (6, 0, 0, 3), (6, 0, 0, 0)];
        let program: Vec<u8> = code
            .iter()
            .flat_map(|(c, jt, jf, k)| [&c.to_ne_bytes()[..], &[*jt, *jf], &k.to_ne_bytes()[..]].concat())
            .collect();
        t.setsockopt(b, SOL_SOCKET, SO_ATTACH_FILTER, &program);
        t.send(a, b"no", 0);
        t.send(a, b"yes, of course", 0);
        t.recvmsg(b, 100, MSG_DONTWAIT);
        t.recvmsg(b, 100, MSG_DONTWAIT);
    }
}
