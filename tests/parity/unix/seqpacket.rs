//! SOCK_SEQPACKET.

use super::*;

case! {
    fn a_connection_of_records(t) in Lo {
        let server = t.server(SOCK_SEQPACKET, path("server"), 5);
        let (client, accepted) = t.meet(SOCK_SEQPACKET, server, path("server"));
        t.send(client, b"one", 0);
        t.send(client, b"two", MSG_EOR);
        t.send(client, b"", 0);
        t.ioctl(accepted, FIONREAD);
        t.poll(accepted);
        t.recvmsg(accepted, 2, MSG_PEEK);
        t.recvmsg(accepted, 2, 0);
        t.recvmsg(accepted, 100, MSG_WAITALL);
        t.recvmsg(accepted, 100, MSG_DONTWAIT);
        t.recvmsg(accepted, 100, MSG_DONTWAIT);
        t.sendto(accepted, b"the name is ignored", 0, path("nobody"));
        t.recvmsg(client, 100, 0);
    }

    fn not_connected(t) in Lo {
        let s = t.unix(SOCK_SEQPACKET);
        t.poll(s);
        t.send(s, b"x", 0);
        t.recv(s, 1, 0);
        t.recv(s, 1, MSG_OOB);
        t.listen(s, 1);
        t.getpeername(s);
        t.bind(s, hidden("s"));
        t.listen(s, 1);
        t.send(s, b"x", 0);
        t.recv(s, 1, 0);
        t.poll(s);
    }

    fn ends(t) in Lo {
        let (a, b) = t.couple(SOCK_SEQPACKET);
        t.send(b, b"last", 0);
        t.shutdown(b, SHUT_WR);
        t.poll(a);
        t.recv(a, 10, 0);
        t.recv(a, 10, MSG_DONTWAIT);
        t.recv(a, 10, 0);
        t.send(a, b"still", 0);
        t.recv(b, 10, 0);
        t.close(b);
        t.poll(a);
        t.send(a, b"x", MSG_NOSIGNAL);
        t.recv(a, 10, 0);
    }

    fn closed_with_unread_data(t) in Lo {
        let (a, b) = t.couple(SOCK_SEQPACKET);
        t.send(b, b"for a", 0);
        t.send(a, b"unread", 0);
        t.close(b);
        t.poll(a);
        t.recv(a, 10, 0);
        t.recv(a, 10, 0);
        t.recv(a, 10, 0);
        let (a, b) = t.couple(SOCK_SEQPACKET);
        t.send(a, b"unread", 0);
        t.close(b);
        t.send(a, b"x", MSG_NOSIGNAL);
        t.send(a, b"x", MSG_NOSIGNAL);
    }

    fn what_fits(t) in Lo {
        let (a, b) = t.couple(SOCK_SEQPACKET);
        t.nonblocking(a);
        t.set(a, SOL_SOCKET, SO_SNDBUF, 4000);
        t.send(a, &[0; 8000], 0);
        t.send(a, &[0; 7000], 0);
        t.poll(a);
        t.send(a, &[0; 7000], 0);
        t.ioctl(a, SIOCOUTQ);
        t.recv(b, 10_000, 0);
        t.poll(a);
    }

    fn the_backlog(t) in Lo {
        let server = t.server(SOCK_SEQPACKET, hidden("s"), 0);
        for _ in 0..2 {
            let client = t.unix(SOCK_SEQPACKET);
            t.nonblocking(client);
            t.connect(client, hidden("s"));
            t.poll(client);
        }
        t.accept(server);
    }
}
