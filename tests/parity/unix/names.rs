//! socket(2), bind(2), autobind, connect(2) by name.

use super::*;
use sockatoo::SockAddr;
use std::net::Ipv4Addr;

case! {
    fn types_and_protocols(t) in Lo {
        for (kind, protocol) in [
            (SOCK_STREAM, 0), (SOCK_DGRAM, 1), (SOCK_SEQPACKET, 0), (SOCK_RAW, 0), (SOCK_RDM, 0), (0, 0), (11, 0), (SOCK_STREAM, 6),
        ] {
            let s = t.socket(AF_UNIX, kind, protocol);
            t.get(s, SOL_SOCKET, SO_TYPE);
            t.get(s, SOL_SOCKET, SO_DOMAIN);
            t.get(s, SOL_SOCKET, SO_PROTOCOL);
            t.poll(s);
        }
    }

    fn a_path_is_bound_once(t) in Lo {
        let (a, b) = (t.unix(SOCK_STREAM), t.unix(SOCK_DGRAM));
        t.getsockname(a);
        t.bind(a, path("name"));
        t.getsockname(a);
        t.bind(b, path("name"));
        t.bind(a, path("name"));
        t.bind(a, path("other"));
        t.getsockname(b);
    }

    fn an_abstract_name_is_one_of_each_type(t) in Lo {
        let all = [SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET].map(|kind| t.unix(kind));
        for s in all {
            t.bind(s, hidden("name"));
            t.getsockname(s);
        }
        let again = t.unix(SOCK_DGRAM);
        t.bind(again, hidden("name"));
        t.bind(all[0], hidden("name"));
        t.bind(all[0], hidden("x\0y"));
        t.close(all[1]);
        t.bind(again, hidden("name"));
        t.getsockname(again);
    }

    fn bind_with_the_family_only(t) in Lo {
        for kind in [SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET] {
            let s = t.unix(kind);
            t.bind(s, UnixAddr::UNNAMED);
            t.getsockname(s);
            t.bind(s, UnixAddr::UNNAMED);
            t.getsockname(s);
            t.bind(s, hidden("other"));
        }
    }

    fn addresses_of_other_families(t) in Lo {
        for kind in [SOCK_STREAM, SOCK_DGRAM] {
            let s = t.unix(kind);
            t.bind(s, (Ipv4Addr::LOCALHOST, 80));
            t.bind(s, SockAddr::Unspec);
            t.connect(s, (Ipv4Addr::LOCALHOST, 80));
            t.connect(s, UnixAddr::UNNAMED);
            t.connect(s, SockAddr::Unspec);
            t.sendto(s, b"x", 0, (Ipv4Addr::LOCALHOST, 80));
        }
        let inet = t.socket(AF_INET, SOCK_STREAM, 0);
        t.bind(inet, path("as-long-as-sockaddr_in"));
        t.connect(inet, path("as-long-as-sockaddr_in"));
    }

    fn names_that_are_nobodys(t) in Lo {
        for kind in [SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET] {
            let s = t.unix(kind);
            t.connect(s, path("nobody"));
            t.connect(s, hidden("nobody"));
            t.sendto(s, b"x", 0, path("nobody"));
            t.getpeername(s);
        }
    }

    fn names_of_another_type(t) in Lo {
        let (named, hid) = (t.unix(SOCK_DGRAM), t.unix(SOCK_DGRAM));
        t.bind(named, path("d"));
        t.bind(hid, hidden("d"));
        for kind in [SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM] {
            let s = t.unix(kind);
            t.connect(s, path("d"));
            t.connect(s, hidden("d"));
        }
        let server = t.server(SOCK_STREAM, path("s"), 1);
        let s = t.unix(SOCK_DGRAM);
        t.sendto(s, b"x", 0, path("s"));
        t.close(server);
    }

    fn a_name_ends_with_its_socket(t) in Lo {
        let (a, b) = (t.unix(SOCK_DGRAM), t.unix(SOCK_DGRAM));
        t.bind(a, path("name"));
        t.close(a);
        t.connect(b, path("name"));
        t.bind(b, path("name"));
        let (c, d) = (t.unix(SOCK_DGRAM), t.unix(SOCK_DGRAM));
        t.bind(c, hidden("name"));
        t.close(c);
        t.connect(d, hidden("name"));
        t.bind(d, hidden("name"));
    }

    fn long_names(t) in Lo {
        let long = "x".repeat(107);
        let s = t.unix(SOCK_STREAM);
        t.bind(s, hidden(&long));
        t.getsockname(s);
        let s = t.unix(SOCK_STREAM);
        t.bind(s, path(&long));
        t.getsockname(s);
    }

    fn pairs(t) in Lo {
        for (kind, protocol) in
            [(SOCK_STREAM, 0), (SOCK_DGRAM, 0), (SOCK_SEQPACKET, 1), (SOCK_RAW, 0), (SOCK_RDM, 0), (SOCK_STREAM, 6)]
        {
            let (a, b) = t.pair_of(AF_UNIX, kind, protocol);
            t.getsockname(a);
            t.getpeername(a);
            t.peercred(a);
            t.peercred(b);
            t.poll(a);
            t.bind(b, UnixAddr::UNNAMED);
            t.getpeername(a);
        }
        t.pair_of(999, SOCK_STREAM, 0);
    }

    fn options_of_a_new_socket(t) in Lo {
        for kind in [SOCK_STREAM, SOCK_DGRAM] {
            let s = t.unix(kind);
            for option in [
                SO_SNDBUF, SO_RCVBUF, SO_ERROR, SO_ACCEPTCONN, SO_PASSCRED, SO_REUSEADDR, SO_REUSEPORT, SO_KEEPALIVE,
                SO_OOBINLINE, SO_ZEROCOPY, SO_TXREHASH, SO_RCVLOWAT,
            ] {
                t.get(s, SOL_SOCKET, option);
                t.set(s, SOL_SOCKET, option, 1);
                t.get(s, SOL_SOCKET, option);
            }
            t.get(s, SOL_TCP, TCP_NODELAY);
            t.set(s, SOL_TCP, TCP_NODELAY, 1);
            t.get(s, SOL_IP, IP_TTL);
            t.peercred(s);
        }
        let inet = t.tcp();
        t.get(inet, SOL_SOCKET, SO_PASSCRED);
        t.set(inet, SOL_SOCKET, SO_PASSCRED, 1);
    }
}
