//! ICMP errors come back to raw sockets (raw_err, rawv6_err).

use sockatoo::base::constants::*;

use super::{EXPERIMENT, packet};
use crate::arm::Fd;
use crate::dialogue::Dialogue;

fn recverr(t: &mut Dialogue, s: Fd) {
    if t.ip.af() == AF_INET {
        t.set(s, SOL_IP, IP_RECVERR, 1);
    } else {
        t.set(s, SOL_IPV6, IPV6_RECVERR, 1);
    }
}

twins! {
    fn a_connected_socket_is_told(t) in Wire {
        let s = t.raw(EXPERIMENT);
        t.connect(s, (t.ip.on_wire(1), 0));
        t.send(s, b"12345678", 0);
        t.poll_until(s, POLLERR);
        t.so_error(s);
        t.so_error(s);
        t.send(s, b"12345678", 0);
        t.wait(s, POLLERR);
        t.recv(s, 10, MSG_DONTWAIT);
        t.recv(s, 10, MSG_DONTWAIT);
        // A payload leaves all the same: only a whole packet's sender is told (sock_alloc_send_skb).
        t.send(s, b"12345678", 0);
        t.wait(s, POLLERR);
        t.send(s, b"12345678", 0);
    }

    fn an_unconnected_one_only_if_it_asks(t) in Wire {
        let (deaf, s) = (t.raw(EXPERIMENT), t.raw(EXPERIMENT));
        recverr(t, s);
        t.sendto(deaf, b"12345678", 0, (t.ip.on_wire(1), 0));
        t.wait(s, POLLERR);
        t.recvmsg(s, 100, MSG_ERRQUEUE);
        t.so_error(deaf);
        t.poll(deaf);
    }

    fn a_dead_neighbour(t) in Wire {
        let s = t.raw(EXPERIMENT);
        recverr(t, s);
        t.sendto(s, b"12345678", 0, (t.ip.on_wire(6), 0));
        t.wait(s, POLLERR);
        t.recvmsg(s, 100, MSG_ERRQUEUE);
        t.so_error(s);
    }

    fn a_dead_neighbour_told_later(t) in Wire {
        let (s, watch) = (t.raw(EXPERIMENT), t.raw(EXPERIMENT));
        recverr(t, watch);
        t.connect(s, (t.ip.on_wire(6), 0));
        t.send(s, b"12345678", 0);
        t.wait(watch, POLLERR);
        t.so_error(s);
        t.send(s, b"12345678", 0);
    }
}

case! {
    fn who_writes_the_header_gets_it_back(t) in Wire {
        let s = t.raw(EXPERIMENT);
        t.as_linux(s);
        t.set(s, SOL_IP, IP_HDRINCL, 1);
        recverr(t, s);
        let to = t.ip.on_wire(1);
        let mut bytes = packet(t.ip.on_wire(0), to, EXPERIMENT, b"12345678");
        bytes[4..6].copy_from_slice(&[9, 9]);
        t.sendto(s, &bytes, 0, (to, 0));
        t.wait(s, POLLERR);
        t.recvmsg(s, 100, MSG_ERRQUEUE);
    }

    fn the_send_only_socket_hears_nothing(t) in Wire {
        let (s, watch) = (t.writer(), t.raw(EXPERIMENT));
        recverr(t, watch);
        recverr(t, s);
        let to = t.ip.on_wire(1);
        t.sendto(s, &packet(t.ip.on_wire(0), to, EXPERIMENT, b"12345678"), 0, (to, 0));
        t.wait(watch, POLLERR);
        t.recvmsg(s, 100, MSG_ERRQUEUE);
        t.so_error(s);
    }

    fn a_time_to_live_of_one_reaches_the_neighbour(t) in Wire {
        let s = t.raw(IPPROTO_ICMP);
        t.set(s, SOL_IP, IP_TTL, 1);
        let request = t.echo(1);
        t.sendto(s, &request, 0, (t.ip.on_wire(1), 0));
        t.packet(s);
    }
}
