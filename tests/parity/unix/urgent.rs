//! MSG_OOB on a stream.

use super::*;

case! {
    fn one_urgent_byte(t) in Lo {
        let (a, b) = t.couple(SOCK_STREAM);
        t.recvmsg(b, 1, MSG_OOB);
        t.send(a, b"abc", MSG_OOB);
        t.poll(b);
        t.recvmsg(b, 1, MSG_OOB | MSG_PEEK);
        t.recvmsg(b, 1, MSG_OOB);
        t.recvmsg(b, 1, MSG_OOB);
        t.poll(b);
        t.send(a, b"def", 0);
        t.ioctl(b, FIONREAD);
        t.recv(b, 10, 0);
        t.recv(b, 10, 0);
        t.recv(b, 10, MSG_DONTWAIT);
        t.send(a, b"", MSG_OOB);
    }

    fn a_read_stops_before_it(t) in Lo {
        let (a, b) = t.couple(SOCK_STREAM);
        t.send(a, b"abc", MSG_OOB);
        t.send(a, b"def", 0);
        t.recv(b, 10, MSG_PEEK);
        t.recv(b, 10, 0);
        t.recv(b, 10, 0);
        t.recvmsg(b, 1, MSG_OOB);
        t.recv(b, 10, MSG_DONTWAIT);
    }

    fn inline(t) in Lo {
        let (a, b) = t.couple(SOCK_STREAM);
        t.set(b, SOL_SOCKET, SO_OOBINLINE, 1);
        t.send(a, b"abc", MSG_OOB);
        t.send(a, b"def", 0);
        t.recvmsg(b, 1, MSG_OOB);
        t.recv(b, 10, 0);
        t.poll(b);
        t.recv(b, 10, 0);
        t.recv(b, 10, MSG_DONTWAIT);
        t.poll(b);
    }

    fn a_second_one_takes_its_place(t) in Lo {
        let (a, b) = t.couple(SOCK_STREAM);
        t.send(a, b"ab", MSG_OOB);
        t.send(a, b"cd", MSG_OOB);
        t.recvmsg(b, 1, MSG_OOB);
        t.recv(b, 10, 0);
        t.recv(b, 10, MSG_DONTWAIT);
    }

    fn unread_at_close(t) in Lo {
        let (a, b) = t.couple(SOCK_STREAM);
        t.send(a, b"x", MSG_OOB);
        t.close(b);
        t.recv(a, 10, 0);
        let (a, b) = t.couple(SOCK_STREAM);
        t.send(a, b"x", MSG_OOB);
        t.recvmsg(b, 1, MSG_OOB);
        t.close(b);
        t.recv(a, 10, 0);
    }

    fn other_types_have_none(t) in Lo {
        for kind in [SOCK_DGRAM, SOCK_SEQPACKET] {
            let (a, b) = t.couple(kind);
            t.send(a, b"x", MSG_OOB);
            t.recv(b, 1, MSG_OOB | MSG_DONTWAIT);
        }
    }
}
