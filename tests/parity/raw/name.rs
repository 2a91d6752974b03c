//! socket(2), bind(2), connect(2) and the names of raw sockets.

use sockatoo::SockAddr;
use sockatoo::base::constants::*;

use super::EXPERIMENT;

twins! {
    fn protocols_that_there_are(t) in Lo {
        for protocol in [1, 2, 6, 17, 47, 58, 89, 132, 136, 253, 254, 255, 256, 262] {
            let s = t.raw(protocol);
            t.get(s, SOL_SOCKET, SO_TYPE);
            t.get(s, SOL_SOCKET, SO_PROTOCOL);
            t.getsockname(s);
            t.close(s);
        }
    }

    fn protocols_that_there_are_not(t) in Lo {
        for protocol in [-1, 263, 1000, i32::MAX, i32::MIN] {
            t.raw(protocol);
        }
    }

    fn bind_names_the_socket_after_its_protocol(t) in Lo {
        let s = t.raw(EXPERIMENT);
        t.bind(s, (t.ip.lo(), 7777));
        t.getsockname(s);
        t.bind(s, (t.ip.any(), 1));
        t.getsockname(s);
        t.getpeername(s);
        t.bind(s, (t.ip.on_wire(4), 0));
        t.getsockname(s);
    }

    fn several_have_one_address(t) in Lo {
        let (a, b) = (t.raw(EXPERIMENT), t.raw(EXPERIMENT));
        t.set(b, SOL_SOCKET, SO_REUSEADDR, 0);
        t.bind(a, (t.ip.lo(), 0));
        t.bind(b, (t.ip.lo(), 0));
    }

    fn bind_to_another_family(t) in Lo {
        let s = t.raw(EXPERIMENT);
        if t.ip.af() == AF_INET6 {
            t.bind(s, (std::net::Ipv4Addr::LOCALHOST, 0));
            t.bind(s, (std::net::Ipv4Addr::LOCALHOST.to_ipv6_mapped(), 0));
        }
        t.bind(s, SockAddr::Unspec);
        t.getsockname(s);
    }

    fn connect_chooses_the_source(t) in Lo {
        let s = t.raw(EXPERIMENT);
        t.connect(s, (t.ip.lo(), 9));
        t.getsockname(s);
        t.getpeername(s);
        t.bind(s, (t.ip.lo(), 0));
        t.connect(s, (t.ip.lo(), 0));
        t.getpeername(s);
        t.send(s, b"x", 0);
    }

    fn connect_to_a_mapped_address(t) in Lo {
        if t.ip.af() == AF_INET6 {
            let s = t.raw(EXPERIMENT);
            t.connect(s, (std::net::Ipv4Addr::LOCALHOST.to_ipv6_mapped(), 0));
        }
    }

    fn connect_nowhere(t) in Lo {
        let s = t.raw(EXPERIMENT);
        t.connect(s, (t.ip.on_wire(1), 0));
        t.getsockname(s);
        t.send(s, b"x", 0);
        t.sendto(s, b"x", 0, (t.ip.on_wire(1), 0));
    }

    fn what_they_cannot_do(t) in Lo {
        let s = t.raw(EXPERIMENT);
        t.listen(s, 1);
        t.accept(s);
        t.shutdown(s, SHUT_RDWR);
        t.recv(s, 10, MSG_OOB | MSG_DONTWAIT);
        t.sendto(s, b"x", MSG_OOB, (t.ip.lo(), 0));
        t.send(s, b"x", 0);
    }

    fn shut_down(t) in Lo {
        let s = t.raw(EXPERIMENT);
        t.connect(s, (t.ip.lo(), 0));
        t.poll(s);
        t.shutdown(s, SHUT_WR);
        t.send(s, b"x", 0);
        t.shutdown(s, SHUT_RD);
        t.poll(s);
        t.packet(s);
    }

    fn bound_to_a_device(t) in Wire {
        let s = t.raw(EXPERIMENT);
        t.setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, b"w9");
        t.setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, b"w0");
        let other = t.socket_on(1, t.ip.af(), SOCK_RAW, EXPERIMENT);
        t.sendto(s, b"y", 0, (t.ip.on_wire(1), 0));
        t.packet(other);
        let lo = t.socket_on(1, t.ip.af(), SOCK_RAW, EXPERIMENT);
        t.setsockopt(lo, SOL_SOCKET, SO_BINDTODEVICE, b"lo");
        t.sendto(s, b"z", 0, (t.ip.on_wire(1), 0));
        t.packet(other);
        t.nothing(lo);
    }
}

case! {
    fn every_packet_is_a_protocol_of_ours(t) in Lo {
        t.socket(AF_INET, SOCK_RAW, IPPROTO_IP);
        t.socket(AF_INET6, SOCK_RAW, IPPROTO_IP);
    }

    fn dissolving_the_association(t) in Lo {
        let s = t.raw(EXPERIMENT);
        t.bind(s, (t.ip.lo(), 0));
        t.connect(s, (t.ip.lo(), 9));
        t.connect(s, SockAddr::Unspec);
        t.getsockname(s);
        t.getpeername(s);
        let other = t.raw(EXPERIMENT);
        t.sendto(other, b"x", 0, (t.ip.lo(), 0));
        t.packet(other);
        let heard = t.take_quietly(s, 100).is_some();
        t.note(format!("s2 sends, s1 hears: {heard}"));
    }
}
