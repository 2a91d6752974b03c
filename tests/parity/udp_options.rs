//! What UDP's own options do: corking, segments, checksums, encapsulation.

use sockatoo::base::ControlMessage;
use sockatoo::base::constants::*;

use crate::arm::Fd;
use crate::dialogue::Dialogue;

/// A receiver at port 5000, and a socket connected to it.
fn ends(t: &mut Dialogue) -> (Fd, Fd) {
    let receiver = t.udp_at(5000);
    let sender = t.udp();
    t.connect(sender, (t.ip.lo(), 5000));
    (receiver, sender)
}

/// Reads until there is nothing.
fn drain(t: &mut Dialogue, s: Fd) {
    t.wait(s, POLLIN);
    while t.recv(s, 70_000, MSG_DONTWAIT).is_some() {}
}

fn sample(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n % 251) as u8).collect()
}

twins! {
    fn corked_until_the_option_is_off(t) in Lo {
        let (a, s) = ends(t);
        t.set(s, SOL_UDP, UDP_CORK, 1);
        t.send(s, b"one ", 0);
        t.send(s, b"two ", 0);
        t.recv(a, 20, MSG_DONTWAIT);
        t.set(s, SOL_UDP, UDP_CORK, 0);
        drain(t, a);
        t.set(s, SOL_UDP, UDP_CORK, 1);
        t.send(s, b"", 0);
        t.set(s, SOL_UDP, UDP_CORK, 1);
        t.recv(a, 20, MSG_DONTWAIT);
        t.set(s, SOL_UDP, UDP_CORK, 0);
        drain(t, a);
    }

    fn corked_datagrams_keep_their_first_destination(t) in Lo {
        let a = t.udp_at(5000);
        let b = t.udp_at(5001);
        let s = t.udp();
        t.sendto(s, b"head", MSG_MORE, (t.ip.lo(), 5000));
        t.sendto(s, b"tail", 0, (t.ip.lo(), 5001));
        drain(t, a);
        t.recv(b, 20, MSG_DONTWAIT);
    }

    fn too_much_under_the_cork(t) in Lo {
        let (a, s) = ends(t);
        t.set(s, SOL_UDP, UDP_CORK, 1);
        t.send(s, &sample(60_000), 0);
        t.send(s, &sample(6_000), 0);
        t.send(s, b"after", 0);
        t.set(s, SOL_UDP, UDP_CORK, 0);
        drain(t, a);
    }

    fn segments_by_the_option(t) in Lo {
        let (a, s) = ends(t);
        t.set(s, SOL_UDP, UDP_SEGMENT, 1000);
        for len in [0, 1, 999, 1000, 1001, 2000, 3500] {
            t.send(s, &sample(len), 0);
            drain(t, a);
        }
    }

    fn segments_by_a_message(t) in Lo {
        let (a, s) = ends(t);
        t.sendmsg(s, &sample(2500), None, 0, &[ControlMessage::UdpSegment(1200)]);
        drain(t, a);
        t.set(s, SOL_UDP, UDP_SEGMENT, 500);
        t.sendmsg(s, &sample(1100), None, 0, &[ControlMessage::UdpSegment(0)]);
        drain(t, a);
        t.sendmsg(s, &sample(1100), None, 0, &[ControlMessage::UdpSegment(600)]);
        drain(t, a);
        t.sendmsg(s, &sample(1100), None, 0, &[]);
        drain(t, a);
    }

    fn segments_of_a_corked_datagram(t) in Lo {
        let (a, s) = ends(t);
        t.set(s, SOL_UDP, UDP_SEGMENT, 10);
        t.send(s, &sample(15), MSG_MORE);
        t.set(s, SOL_UDP, UDP_SEGMENT, 7);
        t.send(s, &sample(15), 0);
        drain(t, a);
    }

    fn how_many_segments(t) in Lo {
        let (a, s) = ends(t);
        t.set(a, SOL_SOCKET, SO_RCVBUF, 200_000);
        t.set(s, SOL_UDP, UDP_SEGMENT, 10);
        t.send(s, &sample(1280), 0);
        drain(t, a);
        t.send(s, &sample(1281), 0);
        t.set(s, SOL_UDP, UDP_SEGMENT, 1000);
        t.send(s, &sample(65_507), 0);
        drain(t, a);
        t.send(s, &sample(65_508), 0);
        t.send(s, &sample(65_527), 0);
        t.send(s, &sample(65_528), 0);
    }

    fn segments_and_the_path(t) in Wire {
        let a = t.socket_on(1, t.ip.af(), SOCK_DGRAM, 0);
        t.bind(a, (t.ip.any(), 5000));
        let s = t.udp();
        t.connect(s, (t.ip.on_wire(1), 5000));
        let most = if t.ip.af() == AF_INET { 1472 } else { 1452 };
        t.set(s, SOL_UDP, UDP_SEGMENT, most);
        t.send(s, &sample(1400), 0);
        drain(t, a);
        t.set(s, SOL_UDP, UDP_SEGMENT, most + 1);
        t.send(s, &sample(1400), 0);
        drain(t, a);
        t.send(s, &sample(3000), 0);
        t.recv(a, 10, MSG_DONTWAIT);
    }

    fn segments_come_together(t) in Lo {
        let (a, s) = ends(t);
        t.set(a, SOL_UDP, UDP_GRO, 1);
        t.set(s, SOL_UDP, UDP_SEGMENT, 1000);
        for len in [1000, 1001, 2000, 3500] {
            t.send(s, &sample(len), 0);
            t.wait(a, POLLIN);
            t.recvmsg(a, 70_000, 0);
            t.recv(a, 10, MSG_DONTWAIT);
        }
        t.send(s, &sample(2500), 0);
        t.wait(a, POLLIN);
        t.ioctl(a, FIONREAD);
        t.recvmsg(a, 100, MSG_TRUNC);
        t.set(s, SOL_UDP, UDP_SEGMENT, 0);
        t.send(s, &sample(1000), 0);
        t.wait(a, POLLIN);
        t.recvmsg(a, 70_000, 0);
        t.set(a, SOL_UDP, UDP_GRO, 0);
        t.set(s, SOL_UDP, UDP_SEGMENT, 1000);
        t.send(s, &sample(1500), 0);
        drain(t, a);
    }

    fn no_checksums_and_segments(t) in Lo {
        let (a, s) = ends(t);
        let (level, name) =
            if t.ip.af() == AF_INET { (SOL_SOCKET, SO_NO_CHECK) } else { (SOL_UDP, UDP_NO_CHECK6_TX) };
        t.set(s, level, name, 1);
        t.send(s, b"unchecked", 0);
        t.set(s, SOL_UDP, UDP_SEGMENT, 4);
        t.send(s, b"unchecked", 0);
        t.set(s, level, name, 0);
        t.send(s, b"checked", 0);
        t.set(a, SOL_UDP, UDP_NO_CHECK6_RX, 1);
        drain(t, a);
        t.set(s, level, name, 1);
        t.set(s, SOL_UDP, UDP_SEGMENT, 0);
        t.send(s, b"unchecked again", 0);
        drain(t, a);
    }

    fn no_checksums_over_the_wire(t) in Wire {
        let a = t.socket_on(1, t.ip.af(), SOCK_DGRAM, 0);
        t.bind(a, (t.ip.any(), 5000));
        let s = t.udp();
        t.connect(s, (t.ip.on_wire(1), 5000));
        t.set(s, SOL_SOCKET, SO_NO_CHECK, 1);
        t.set(s, SOL_UDP, UDP_NO_CHECK6_TX, 1);
        t.send(s, b"unchecked", 0);
        if t.ip.af() == AF_INET {
            drain(t, a);
        }
        t.set(s, SOL_UDP, UDP_NO_CHECK6_TX, 0);
        t.send(s, b"checked", 0);
        drain(t, a);
        t.set(a, SOL_UDP, UDP_NO_CHECK6_RX, 1);
        t.set(s, SOL_UDP, UDP_NO_CHECK6_TX, 1);
        t.send(s, b"unchecked", 0);
        drain(t, a);
    }

    fn encapsulated(t) in Lo {
        let (a, s) = ends(t);
        for kind in [1, 4, 5, 6, 7, -1, 3, 2] {
            t.set(a, SOL_UDP, UDP_ENCAP, kind);
            t.get(a, SOL_UDP, UDP_ENCAP);
        }
        for data in [&b"\xff"[..], b"x", b"\xff\xff", b"8 bytes.", b"nine bytes", b"\0\0\0\0IKE goes on", b"end"] {
            t.send(s, data, 0);
        }
        drain(t, a);
        let l2tp = t.udp_at(5001);
        t.set(l2tp, SOL_UDP, UDP_ENCAP, 3);
        t.sendto(s, b"L2TP's is not looked at", 0, (t.ip.lo(), 5001));
        drain(t, l2tp);
    }
}
