//! socket(2): what may be made, and calls on what is no socket.

use sockatoo::base::constants::*;

use crate::arm::Fd;

twins! {
    fn the_plain_kinds(t) in Lo {
        let af = t.ip.af();
        for (kind, protocol) in [(SOCK_STREAM, 0), (SOCK_STREAM, 6), (SOCK_DGRAM, 0), (SOCK_DGRAM, 17)] {
            let s = t.socket(af, kind, protocol);
            t.get(s, SOL_SOCKET, SO_TYPE);
            t.get(s, SOL_SOCKET, SO_DOMAIN);
            t.get(s, SOL_SOCKET, SO_PROTOCOL);
            t.get(s, SOL_SOCKET, SO_ACCEPTCONN);
            t.close(s);
        }
    }

    fn a_protocol_that_is_not_the_kinds(t) in Lo {
        let af = t.ip.af();
        for (kind, protocol) in
            [(SOCK_STREAM, 17), (SOCK_DGRAM, 6), (SOCK_STREAM, 1), (SOCK_STREAM, 58), (SOCK_DGRAM, 255)]
        {
            t.socket(af, kind, protocol);
        }
    }

    fn a_protocol_out_of_range(t) in Lo {
        let af = t.ip.af();
        for protocol in [-1, 256, 300, 1 << 20, i32::MIN, i32::MAX] {
            t.socket(af, SOCK_STREAM, protocol);
            t.socket(af, SOCK_DGRAM, protocol);
        }
    }

    fn a_kind_that_is_none(t) in Lo {
        let af = t.ip.af();
        for kind in [0, 6, 7, 9, 11, 15, -1, 0x100, 0x1000] {
            t.socket(af, kind, 0);
        }
    }

    fn kinds_that_the_family_has_not(t) in Lo {
        let af = t.ip.af();
        t.socket(af, SOCK_RDM, 0);
        t.socket(af, SOCK_SEQPACKET, 0);
        t.socket(af, SOCK_SEQPACKET, 6);
    }

    fn calls_on_a_closed_socket(t) in Lo {
        let s = t.tcp();
        t.close(s);
        t.bind(s, (t.ip.lo(), 5000));
        t.listen(s, 1);
        t.accept(s);
        t.connect(s, (t.ip.lo(), 5000));
        t.send(s, b"x", 0);
        t.recv(s, 10, 0);
        t.shutdown(s, SHUT_RDWR);
        t.getsockname(s);
        t.getpeername(s);
        t.get(s, SOL_SOCKET, SO_TYPE);
        t.set(s, SOL_SOCKET, SO_REUSEADDR, 1);
        t.close(s);
    }
}

case! {
    fn families_that_do_not_exist(t) in Lo {
        for family in [-1, 46, 47, 100, 1000] {
            t.socket(family, SOCK_STREAM, 0);
        }
        t.socket(AF_UNSPEC, SOCK_STREAM, 0);
    }

    fn a_number_that_was_never_a_socket(t) in Lo {
        let s = Fd(usize::MAX);
        t.listen(s, 1);
        t.recv(s, 1, 0);
        t.close(s);
    }

    fn ping_sockets_have_their_own_protocol(t) in Lo {
        for (af, protocol) in [(AF_INET, IPPROTO_ICMP), (AF_INET6, IPPROTO_ICMPV6)] {
            let s = t.socket(af, SOCK_DGRAM, protocol);
            t.get(s, SOL_SOCKET, SO_TYPE);
            t.get(s, SOL_SOCKET, SO_PROTOCOL);
        }
        t.socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMPV6);
        t.socket(AF_INET6, SOCK_DGRAM, IPPROTO_ICMP);
    }
}
