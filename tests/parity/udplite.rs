//! UDP-Lite (RFC 3828): UDP with a checksum that covers as much as the sender says.

use sockatoo::base::constants::*;

use crate::arm::Fd;
use crate::dialogue::Dialogue;

fn lite(t: &mut Dialogue) -> Fd {
    t.socket(t.ip.af(), SOCK_DGRAM, IPPROTO_UDPLITE)
}

/// A receiver at port 5000, and a socket connected to it.
fn ends(t: &mut Dialogue) -> (Fd, Fd) {
    let receiver = lite(t);
    t.bind(receiver, (t.ip.lo(), 5000));
    let sender = lite(t);
    t.connect(sender, (t.ip.lo(), 5000));
    (receiver, sender)
}

fn drain(t: &mut Dialogue, s: Fd) {
    t.wait(s, POLLIN);
    while t.recv(s, 70_000, MSG_DONTWAIT).is_some() {}
}

/// What a raw socket sees: what stands in the header in the place of the length, and that the checksum is there.
fn seen(t: &mut Dialogue, raw: Fd) {
    t.wait(raw, POLLIN);
    let packet = t.take_quietly(raw, 2000).unwrap_or_default();
    let udp = if t.ip.af() == AF_INET { packet.get(20..).unwrap_or_default() } else { &packet[..] };
    if let [_, _, _, _, l0, l1, c0, c1, data @ ..] = udp {
        let zero = [*c0, *c1] == [0, 0];
        t.note(format!(
            "coverage {}, no checksum: {zero}, {} bytes",
            u16::from_be_bytes([*l0, *l1]),
            data.len()
        ));
    }
}

twins! {
    fn there_and_back(t) in Lo {
        let (a, s) = ends(t);
        for name in [SO_TYPE, SO_PROTOCOL, SO_DOMAIN] {
            t.get(a, SOL_SOCKET, name);
        }
        t.send(s, b"hello", 0);
        t.wait(a, POLLIN);
        let from = t.recvmsg(a, 100, 0);
        if let Some(from) = from {
            t.sendto(a, b"back", 0, from);
        }
        drain(t, s);
        t.send(s, b"", 0);
        t.wait(a, POLLIN);
        t.recvmsg(a, 100, 0);
    }

    fn its_ports_are_its_own(t) in Lo {
        let a = lite(t);
        t.bind(a, (t.ip.lo(), 5000));
        let udp = t.udp_at(5000);
        let again = lite(t);
        t.bind(again, (t.ip.lo(), 5000));
        let s = lite(t);
        t.sendto(s, b"lite", 0, (t.ip.lo(), 5000));
        drain(t, a);
        t.recv(udp, 10, MSG_DONTWAIT);
        let u = t.udp();
        t.sendto(u, b"plain", 0, (t.ip.lo(), 5000));
        drain(t, udp);
        t.recv(a, 10, MSG_DONTWAIT);
    }

    fn nobody_there(t) in Lo {
        let s = lite(t);
        t.connect(s, (t.ip.lo(), 5000));
        t.send(s, b"x", 0);
        t.poll_until(s, POLLERR);
        t.recv(s, 10, MSG_DONTWAIT);
    }

    fn options(t) in Lo {
        let s = lite(t);
        for level in [SOL_UDPLITE, SOL_UDP] {
            for name in [UDPLITE_SEND_CSCOV, UDPLITE_RECV_CSCOV] {
                t.get(s, level, name);
                for value in [0, 1, 7, 8, 20, 65_535, 65_536, -1] {
                    t.set(s, level, name, value);
                    t.get(s, level, name);
                }
                t.setsockopt(s, level, name, &[8, 0]);
                t.getsockopt(s, level, name, 2);
                t.getsockopt(s, level, name, 8);
            }
            for name in [UDP_CORK, UDP_SEGMENT, UDP_GRO, UDP_NO_CHECK6_TX, 9999] {
                t.set(s, level, name, 1);
                t.get(s, level, name);
            }
        }
        t.set(s, SOL_SOCKET, SO_ZEROCOPY, 1);
        t.set(s, SOL_TCP, TCP_NODELAY, 1);
    }

    fn on_a_socket_of_udp(t) in Lo {
        let s = t.udp();
        for level in [SOL_UDPLITE, SOL_UDP] {
            for name in [UDPLITE_SEND_CSCOV, UDPLITE_RECV_CSCOV] {
                t.get(s, level, name);
                t.set(s, level, name, 8);
            }
        }
        let tcp = t.tcp();
        t.get(tcp, SOL_UDPLITE, UDPLITE_SEND_CSCOV);
        t.set(tcp, SOL_UDPLITE, UDPLITE_SEND_CSCOV, 8);
    }

    fn what_the_header_says(t) in Lo {
        let raw = t.socket(t.ip.af(), SOCK_RAW, IPPROTO_UDPLITE);
        let (a, s) = ends(t);
        t.send(s, b"twelve bytes", 0);
        seen(t, raw);
        for coverage in [0, 8, 10, 19, 20, 21, 1000] {
            t.set(s, SOL_UDPLITE, UDPLITE_SEND_CSCOV, coverage);
            t.send(s, b"twelve bytes", 0);
            seen(t, raw);
        }
        drain(t, a);
    }

    fn what_the_receiver_asks_for(t) in Lo {
        let (a, s) = ends(t);
        for least in [0, 8, 12, 20, 21, 1000] {
            t.set(a, SOL_UDPLITE, UDPLITE_RECV_CSCOV, least);
            for coverage in [0, 8, 12, 19, 20, 1000] {
                t.set(s, SOL_UDPLITE, UDPLITE_SEND_CSCOV, coverage);
                t.send(s, b"twelve bytes", 0);
            }
            drain(t, a);
        }
    }

    fn no_segments(t) in Lo {
        let (a, s) = ends(t);
        t.set(s, SOL_UDP, UDP_SEGMENT, 4);
        t.send(s, b"ab", 0);
        t.send(s, b"abcdef", 0);
        t.set(s, SOL_UDP, UDP_SEGMENT, 0);
        t.set(s, SOL_UDP, UDP_CORK, 1);
        t.send(s, b"abcdef", 0);
        t.send(s, b"ghi", 0);
        t.set(s, SOL_UDP, UDP_CORK, 0);
        drain(t, a);
    }

    fn over_the_wire(t) in Wire {
        let a = t.socket_on(1, t.ip.af(), SOCK_DGRAM, IPPROTO_UDPLITE);
        t.bind(a, (t.ip.any(), 5000));
        let s = lite(t);
        t.connect(s, (t.ip.on_wire(1), 5000));
        for (coverage, len) in [(0, 5), (8, 1000), (100, 4000), (0, 9000)] {
            t.set(s, SOL_UDPLITE, UDPLITE_SEND_CSCOV, coverage);
            t.send(s, &vec![7; len], 0);
            drain(t, a);
        }
    }
}
