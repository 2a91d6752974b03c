//! Urgent data: MSG_OOB, SO_OOBINLINE, SIOCATMARK, POLLPRI.

use sockatoo::base::constants::*;

use crate::arm::Fd;
use crate::dialogue::Dialogue;

/// Sends, and waits until the urgent byte has come.
fn urge(t: &mut Dialogue, client: Fd, server: Fd, data: &[u8]) {
    t.send(client, data, MSG_OOB);
    t.wait(server, POLLPRI);
}

/// Waits until this much can be read before a mark.
fn there(t: &mut Dialogue, s: Fd, bytes: i32) {
    t.until(|t| t.ioctl_quietly(s, FIONREAD) == Some(bytes));
}

/// What can be told without reading.
fn look(t: &mut Dialogue, s: Fd) {
    t.poll(s);
    t.ioctl(s, SIOCATMARK);
    t.ioctl(s, FIONREAD);
}

twins! {
    fn one_byte_aside(t) in Lo {
        let (client, server, _) = t.pair();
        urge(t, client, server, b"abc");
        look(t, server);
        t.recvmsg(server, 100, 0);
        look(t, server);
        t.recvmsg(server, 100, MSG_OOB);
        look(t, server);
        t.recvmsg(server, 100, MSG_OOB);
        t.recv(server, 100, MSG_DONTWAIT);
        look(t, server);
    }

    fn first_the_urgent_byte(t) in Lo {
        let (client, server, _) = t.pair();
        urge(t, client, server, b"abc");
        t.recv(server, 100, MSG_OOB | MSG_PEEK);
        t.recv(server, 100, MSG_OOB);
        look(t, server);
        t.recv(server, 1, 0);
        t.recv(server, 100, 0);
        look(t, server);
        t.send(client, b"def", 0);
        t.wait(server, POLLIN);
        there(t, server, 3);
        look(t, server);
        t.recv(server, 100, 0);
        look(t, server);
    }

    fn in_line(t) in Lo {
        let (client, server, _) = t.pair();
        t.set(server, SOL_SOCKET, SO_OOBINLINE, 1);
        urge(t, client, server, b"abc");
        look(t, server);
        t.recv(server, 100, MSG_OOB);
        t.recv(server, 100, 0);
        look(t, server);
        t.recv(server, 100, 0);
        look(t, server);
        t.recv(server, 100, MSG_DONTWAIT);
    }

    fn in_line_of_the_listener(t) in Lo {
        let listener = t.tcp();
        t.set(listener, SOL_SOCKET, SO_OOBINLINE, 1);
        t.bind(listener, (t.ip.lo(), 7000));
        t.listen(listener, 1);
        let client = t.tcp();
        t.connect(client, (t.ip.lo(), 7000));
        t.wait(listener, POLLIN);
        let server = t.accept(listener);
        t.get(server, SOL_SOCKET, SO_OOBINLINE);
        urge(t, client, server, b"x");
        t.recv(server, 100, 0);
    }

    fn nobody_reads_it(t) in Lo {
        let (client, server, _) = t.pair();
        urge(t, client, server, b"abc");
        t.send(client, b"def", 0);
        t.until(|t| t.tcp_unacked(client) == Some(0));
        t.recv(server, 2, 0);
        t.recv(server, 100, 0);
        look(t, server);
        t.recv(server, 100, MSG_OOB);
    }

    fn the_urgent_byte_alone_is_nothing_to_read(t) in Lo {
        let (client, server, _) = t.pair();
        urge(t, client, server, b"!");
        look(t, server);
        t.recv(server, 100, MSG_DONTWAIT | MSG_PEEK);
        look(t, server);
        t.recv(server, 100, MSG_DONTWAIT);
        look(t, server);
        t.recv(server, 100, MSG_OOB);
    }

    fn peeking_at_the_mark(t) in Lo {
        let (client, server, _) = t.pair();
        urge(t, client, server, b"!");
        t.send(client, b"after", 0);
        t.until(|t| t.tcp_unacked(client) == Some(0));
        t.recv(server, 100, MSG_PEEK);
        look(t, server);
        t.recv(server, 3, MSG_PEEK);
        t.recv(server, 100, MSG_OOB);
        t.recv(server, 100, 0);
    }

    fn the_later_one_counts(t) in Lo {
        let (client, server, _) = t.pair();
        urge(t, client, server, b"ab");
        t.send(client, b"cd", MSG_OOB);
        t.until(|t| t.tcp_unacked(client) == Some(0));
        look(t, server);
        t.recv(server, 100, MSG_OOB);
        t.recv(server, 100, 0);
        look(t, server);
        t.recv(server, 100, MSG_DONTWAIT);
    }

    fn one_after_the_other(t) in Lo {
        let (client, server, _) = t.pair();
        for data in [&b"a1"[..], b"b2", b"3"] {
            urge(t, client, server, data);
            t.recv(server, 100, MSG_OOB);
            t.recv(server, 100, MSG_DONTWAIT);
            look(t, server);
        }
        t.send(client, b"plain", 0);
        t.wait(server, POLLIN);
        t.recv(server, 100, 0);
    }

    fn no_room_for_it(t) in Lo {
        let (client, server, _) = t.pair();
        urge(t, client, server, b"x");
        t.recvmsg(server, 0, MSG_OOB | MSG_PEEK);
        t.recvmsg(server, 5, MSG_OOB | MSG_PEEK);
        t.recvmsg(server, 0, MSG_OOB);
        t.recvmsg(server, 5, MSG_OOB);
    }

    fn nothing_urgent(t) in Lo {
        let (client, server, listener) = t.pair();
        t.recv(server, 10, MSG_OOB);
        t.send(client, b"plain", 0);
        t.wait(server, POLLIN);
        t.recv(server, 10, MSG_OOB);
        t.send(client, b"", MSG_OOB);
        look(t, server);
        t.recv(listener, 10, MSG_OOB);
        t.send(listener, b"x", MSG_OOB);
        let fresh = t.tcp();
        t.recv(fresh, 10, MSG_OOB);
        t.send(fresh, b"x", MSG_OOB);
        t.ioctl(fresh, SIOCATMARK);
        t.ioctl(listener, SIOCATMARK);
        let udp = t.udp();
        t.ioctl(udp, SIOCATMARK);
        t.close(client);
        t.wait(server, POLLRDHUP);
        t.recv(server, 10, MSG_OOB);
    }

    fn before_the_end(t) in Lo {
        let (client, server, _) = t.pair();
        urge(t, client, server, b"ab");
        t.close(client);
        t.wait(server, POLLRDHUP);
        look(t, server);
        t.recv(server, 10, 0);
        t.recv(server, 10, MSG_OOB);
        t.recv(server, 10, 0);
        t.recv(server, 10, MSG_OOB);
    }

    fn far_behind_much_data(t) in Lo {
        let (client, server, _) = t.pair();
        t.nonblocking(client);
        let mut sent = 0;
        for _ in 0..10 {
            sent += t.send_quietly(client, &[7; 4000]).unwrap_or(0);
        }
        urge(t, client, server, b"!");
        let mut got = 0;
        while got < sent {
            match t.recv_quietly(server, 100_000) {
                Some(0) | None => break,
                Some(n) => got += n,
            }
        }
        t.note(format!("all before it: {}", got == sent));
        look(t, server);
        t.recv(server, 1, MSG_OOB);
    }

    fn over_the_wire(t) in Wire {
        let listener = t.socket_on(1, t.ip.af(), SOCK_STREAM, 0);
        t.bind(listener, (t.ip.any(), 7000));
        t.listen(listener, 5);
        let client = t.tcp();
        t.connect(client, (t.ip.on_wire(1), 7000));
        t.wait(listener, POLLIN);
        let server = t.accept(listener);
        urge(t, client, server, b"abc");
        urge(t, server, client, b"def");
        for s in [client, server] {
            look(t, s);
            t.recv(s, 10, 0);
            t.recv(s, 10, MSG_OOB);
            look(t, s);
        }
    }
}
