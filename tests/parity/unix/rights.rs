//! SCM_RIGHTS and SCM_CREDENTIALS.

use super::*;

fn own(uid: u32) -> ControlMessage {
    ControlMessage::Credentials(Credentials { pid: std::process::id() as i32, uid, gid: 0 })
}

case! {
    fn a_socket_in_a_message(t) in Lo {
        for kind in [SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET] {
            let (a, b) = t.couple(kind);
            let (c, d) = t.couple(SOCK_STREAM);
            t.sendmsg(a, b"take it", None, 0, &[carrying(&[c])]);
            t.close(c);
            t.poll(d);
            t.recvmsg(b, 100, 0);
            let taken = Fd(d.0 + 1);
            t.send(taken, b"through another handle", 0);
            t.recv(d, 100, 0);
            t.close(taken);
            t.recv(d, 100, 0);
        }
    }

    fn two_at_a_time_and_twice_the_same(t) in Lo {
        let (a, b) = t.couple(SOCK_STREAM);
        let udp = t.udp();
        t.sendmsg(a, b"x", None, 0, &[carrying(&[udp, a]), carrying(&[udp])]);
        t.recvmsg(b, 10, 0);
        t.close(udp);
        t.getsockname(Fd(udp.0 + 1));
        t.close(Fd(udp.0 + 1));
        t.getsockname(Fd(udp.0 + 3));
    }

    fn where_a_read_stops(t) in Lo {
        let (a, b) = t.couple(SOCK_STREAM);
        let c = t.udp();
        t.send(a, b"ab", 0);
        t.sendmsg(a, b"cd", None, 0, &[carrying(&[c])]);
        t.send(a, b"ef", 0);
        t.recvmsg(b, 100, MSG_PEEK);
        t.recvmsg(b, 3, 0);
        t.recvmsg(b, 100, 0);
        t.recvmsg(b, 100, MSG_DONTWAIT);
    }

    fn waiting_for_all_stops_there_too(t) in Lo {
        let (a, b) = t.couple(SOCK_STREAM);
        let c = t.udp();
        t.send(a, b"ab", 0);
        t.sendmsg(a, b"cd", None, 0, &[carrying(&[c])]);
        t.send(a, b"efgh", 0);
        t.recvmsg(b, 8, MSG_WAITALL);
    }

    fn looked_at_and_taken(t) in Lo {
        let (a, b) = t.couple(SOCK_DGRAM);
        let c = t.udp();
        t.sendmsg(a, b"x", None, 0, &[carrying(&[c])]);
        t.recvmsg(b, 10, MSG_PEEK);
        t.recvmsg(b, 10, 0);
        t.recvmsg(b, 10, MSG_DONTWAIT);
    }

    fn what_is_not_received_is_closed(t) in Lo {
        let (a, b) = t.couple(SOCK_STREAM);
        let (c, d) = t.couple(SOCK_STREAM);
        t.sendmsg(a, b"x", None, 0, &[carrying(&[c])]);
        t.close(c);
        t.poll(d);
        t.close(b);
        t.poll(d);
        t.recv(d, 10, 0);
    }

    fn a_message_without_data(t) in Lo {
        let c = t.udp();
        let (a, b) = t.couple(SOCK_STREAM);
        t.sendmsg(a, b"", None, 0, &[carrying(&[c])]);
        t.recvmsg(b, 10, MSG_DONTWAIT);
        let (a, b) = t.couple(SOCK_DGRAM);
        t.sendmsg(a, b"", None, 0, &[carrying(&[c])]);
        t.recvmsg(b, 10, MSG_DONTWAIT);
    }

    fn sockets_that_are_none(t) in Lo {
        let (a, b) = t.couple(SOCK_STREAM);
        let c = t.udp();
        t.close(c);
        t.sendmsg(a, b"x", None, 0, &[carrying(&[c])]);
        t.recvmsg(b, 10, MSG_DONTWAIT);
    }

    fn credentials_of_who_sends(t) in Lo {
        for kind in [SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET] {
            let (a, b) = t.couple(kind);
            t.set(b, SOL_SOCKET, SO_PASSCRED, 1);
            t.send(a, b"x", 0);
            t.recvmsg(b, 10, 0);
            t.getsockname(a);
            t.getsockname(b);
            t.send(b, b"x", 0);
            t.getsockname(b);
            t.recvmsg(a, 10, 0);
        }
    }

    fn asked_for_too_late(t) in Lo {
        let (a, b) = t.couple(SOCK_STREAM);
        t.send(a, b"early ", 0);
        t.set(b, SOL_SOCKET, SO_PASSCRED, 1);
        t.send(a, b"late", 0);
        t.recvmsg(b, 100, 0);
        t.recvmsg(b, 100, 0);
        t.send(a, b"x", 0);
        t.set(b, SOL_SOCKET, SO_PASSCRED, 0);
        t.recvmsg(b, 100, 0);
    }

    fn a_listener_that_asks(t) in Lo {
        let server = t.unix(SOCK_STREAM);
        t.set(server, SOL_SOCKET, SO_PASSCRED, 1);
        t.bind(server, hidden("s"));
        t.listen(server, 1);
        let client = t.unix(SOCK_STREAM);
        t.connect(client, hidden("s"));
        t.send(client, b"x", 0);
        let accepted = t.accept(server);
        t.get(accepted, SOL_SOCKET, SO_PASSCRED);
        t.recvmsg(accepted, 10, 0);
    }

    fn a_client_that_asks_gets_a_name(t) in Lo {
        let server = t.server(SOCK_STREAM, hidden("s"), 1);
        let client = t.unix(SOCK_STREAM);
        t.set(client, SOL_SOCKET, SO_PASSCRED, 1);
        t.connect(client, hidden("s"));
        t.getsockname(client);
        t.accept(server);
        let (a, b) = (t.unix(SOCK_DGRAM), t.unix(SOCK_DGRAM));
        t.bind(b, hidden("b"));
        t.set(a, SOL_SOCKET, SO_PASSCRED, 1);
        t.sendto(a, b"x", 0, hidden("b"));
        t.recvmsg(b, 10, 0);
    }

    fn root_may_say_who_it_is(t) in Lo {
        let (a, b) = t.couple(SOCK_DGRAM);
        t.set(b, SOL_SOCKET, SO_PASSCRED, 1);
        t.sendmsg(a, b"x", None, 0, &[own(0)]);
        t.recvmsg(b, 10, 0);
        t.sendmsg(a, b"x", None, 0, &[own(1234)]);
        t.recvmsg(b, 10, 0);
    }

    fn writers_are_not_glued_together(t) in Lo {
        let (a, b) = t.couple(SOCK_STREAM);
        t.set(b, SOL_SOCKET, SO_PASSCRED, 1);
        t.send(a, b"a", 0);
        t.sendmsg(a, b"b", None, 0, &[own(0)]);
        t.sendmsg(a, b"c", None, 0, &[own(1234)]);
        t.recvmsg(b, 10, 0);
        t.recvmsg(b, 10, 0);
    }
}
