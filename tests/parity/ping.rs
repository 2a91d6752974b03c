//! Ping sockets: SOCK_DGRAM with IPPROTO_ICMP, icmp(7).

use std::net::IpAddr;

use sockatoo::base::constants::*;

use crate::arm::Fd;
use crate::dialogue::Dialogue;

fn ping(t: &mut Dialogue) -> Fd {
    let protocol = if t.ip.af() == AF_INET { IPPROTO_ICMP } else { IPPROTO_ICMPV6 };
    t.socket(t.ip.af(), SOCK_DGRAM, protocol)
}

/// An echo request; the identifier is the socket's port, whatever stands there.
fn echo(t: &Dialogue, sequence: u8, data: &[u8]) -> Vec<u8> {
    let kind = if t.ip.af() == AF_INET { 8 } else { 128 };
    [&[kind, 0, 0, 0, 0, 0, 0, sequence], data].concat()
}

/// Receives a reply and tells it without identifier and checksum (the port is each side's own).
fn reply(t: &mut Dialogue, s: Fd) {
    t.wait(s, POLLIN);
    match t.take_quietly(s, 70_000) {
        Some(mut bytes) if bytes.len() >= 8 => {
            bytes[2..6].fill(0);
            let rest = bytes.len() - 8;
            t.note(format!("reply {:?} and {rest} bytes", &bytes[..8]));
        }
        other => t.note(format!("reply {other:?}")),
    }
}

twins! {
    fn the_own_host_answers(t) in Lo {
        let s = ping(t);
        let request = echo(t, 1, b"hello");
        t.sendto(s, &request, 0, (t.ip.lo(), 0));
        reply(t, s);
        t.recv(s, 100, MSG_DONTWAIT);
    }

    fn the_neighbour_answers(t) in Wire {
        let s = ping(t);
        let to: IpAddr = t.ip.on_wire(1);
        for size in [0, 56, 1472, 9000, 65_000] {
            let request = echo(t, 2, &vec![b'p'; size]);
            t.sendto(s, &request, 0, (to, 0));
            reply(t, s);
        }
    }

    fn bound_to_an_identifier(t) in Lo {
        let s = ping(t);
        t.bind(s, (t.ip.lo(), 1234));
        t.getsockname(s);
        let request = echo(t, 3, b"");
        t.sendto(s, &request, 0, (t.ip.lo(), 0));
        t.wait(s, POLLIN);
        t.recvmsg(s, 100, 0);
    }

    fn an_identifier_is_shared(t) in Lo {
        let s = ping(t);
        t.bind(s, (t.ip.lo(), 1234));
        let other = ping(t);
        t.get(other, SOL_SOCKET, SO_REUSEADDR);
        t.bind(other, (t.ip.lo(), 1234));
        let strict = ping(t);
        t.set(strict, SOL_SOCKET, SO_REUSEADDR, 0);
        t.bind(strict, (t.ip.lo(), 1234));
    }

    fn connected(t) in Lo {
        let s = ping(t);
        t.send(s, b"12345678", 0);
        t.connect(s, (t.ip.lo(), 0));
        t.getpeername(s);
        let request = echo(t, 4, b"abc");
        t.send(s, &request, 0);
        reply(t, s);
    }

    fn what_is_no_echo_request(t) in Lo {
        let s = ping(t);
        let to = (t.ip.lo(), 0);
        t.sendto(s, b"", 0, to);
        t.sendto(s, &[8], 0, to);
        t.sendto(s, &[8, 0, 0, 0, 0, 0, 0], 0, to);
        t.sendto(s, &[0, 0, 0, 0, 0, 0, 0, 1], 0, to);
        t.sendto(s, &[3, 0, 0, 0, 0, 0, 0, 1], 0, to);
        t.sendto(s, &[8, 1, 0, 0, 0, 0, 0, 1], 0, to);
        t.sendto(s, &[128, 0, 0, 0, 0, 0, 0, 1], 0, to);
        t.sendto(s, &[129, 0, 0, 0, 0, 0, 0, 1], 0, to);
    }

    fn too_long(t) in Lo {
        let s = ping(t);
        let request = echo(t, 1, &vec![0; 65_536]);
        t.sendto(s, &request, 0, (t.ip.lo(), 0));
    }

    fn it_does_not_listen(t) in Lo {
        let s = ping(t);
        t.listen(s, 1);
        t.accept(s);
        t.recv(s, 10, MSG_DONTWAIT);
        t.shutdown(s, SHUT_RD);
        t.recv(s, 10, MSG_OOB | MSG_DONTWAIT);
    }

    fn hop_limit_is_told(t) in Lo {
        let s = ping(t);
        t.bind(s, (t.ip.lo(), 1234));
        if t.ip.af() == AF_INET {
            t.set(s, SOL_IP, IP_RECVTTL, 1);
        } else {
            t.set(s, SOL_IPV6, IPV6_RECVHOPLIMIT, 1);
        }
        let request = echo(t, 5, b"");
        t.sendto(s, &request, 0, (t.ip.lo(), 0));
        t.wait(s, POLLIN);
        t.recvmsg(s, 100, 0);
    }

    fn a_wrong_address(t) in Lo {
        let s = ping(t);
        t.bind(s, (t.ip.on_wire(4), 1234));
        let request = echo(t, 6, b"");
        t.sendto(s, &request, 0, (t.ip.on_wire(4), 0));
    }
}
