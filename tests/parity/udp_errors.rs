//! ICMP errors come back to UDP sockets: SO_ERROR, IP_RECVERR and the error queue.

use std::net::Ipv4Addr;

use sockatoo::base::constants::*;

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
    fn refused_told_by_recv(t) in Lo {
        let s = t.udp();
        t.connect(s, (t.ip.lo(), 5000));
        t.send(s, b"x", 0);
        t.wait(s, POLLERR);
        t.recv(s, 10, 0);
        t.recv(s, 10, MSG_DONTWAIT);
        t.send(s, b"x", 0);
    }

    fn refused_told_by_send(t) in Lo {
        let s = t.udp();
        t.connect(s, (t.ip.lo(), 5000));
        t.send(s, b"x", 0);
        t.wait(s, POLLERR);
        t.send(s, b"x", 0);
        t.send(s, b"x", 0);
        t.wait(s, POLLERR);
        t.so_error(s);
        t.so_error(s);
    }

    fn refused_told_by_so_error(t) in Lo {
        let s = t.udp();
        t.connect(s, (t.ip.lo(), 5000));
        t.send(s, b"x", 0);
        t.poll_until(s, POLLERR);
        t.so_error(s);
        t.recv(s, 10, MSG_DONTWAIT);
    }

    fn the_unconnected_hear_nothing(t) in Lo {
        let s = t.udp();
        t.sendto(s, b"x", 0, (t.ip.lo(), 5000));
        t.sendto(s, b"x", 0, (t.ip.lo(), 5000));
        t.so_error(s);
        t.recv(s, 10, MSG_DONTWAIT);
    }

    fn a_peek_tells_it_too(t) in Lo {
        let s = t.udp();
        t.connect(s, (t.ip.lo(), 5000));
        t.send(s, b"x", 0);
        t.wait(s, POLLERR);
        t.recv(s, 10, MSG_PEEK);
        t.recv(s, 10, MSG_PEEK | MSG_DONTWAIT);
    }

    fn connect_keeps_the_error(t) in Lo {
        let s = t.udp();
        t.connect(s, (t.ip.lo(), 5000));
        t.send(s, b"x", 0);
        t.wait(s, POLLERR);
        t.connect(s, (t.ip.lo(), 5001));
        t.so_error(s);
    }

    fn the_queue_of_a_connected_socket(t) in Lo {
        let s = t.udp();
        recverr(t, s);
        t.connect(s, (t.ip.lo(), 5000));
        t.send(s, b"lost datagram", 0);
        t.poll_until(s, POLLERR);
        t.recvmsg(s, 100, MSG_ERRQUEUE);
        t.recvmsg(s, 100, MSG_ERRQUEUE);
        t.so_error(s);
        t.poll(s);
    }

    fn the_queue_of_an_unconnected_socket(t) in Lo {
        let s = t.udp_at(5001);
        recverr(t, s);
        t.sendto(s, b"lost datagram", 0, (t.ip.lo(), 5000));
        t.wait(s, POLLERR);
        t.sendto(s, b"told here", 0, (t.ip.lo(), 5000));
        t.recvmsg(s, 100, MSG_ERRQUEUE);
        t.recvmsg(s, 100, MSG_ERRQUEUE | MSG_DONTWAIT);
        t.recv(s, 10, MSG_DONTWAIT);
    }

    fn the_queues_entry_is_cut(t) in Lo {
        let s = t.udp();
        recverr(t, s);
        t.connect(s, (t.ip.lo(), 5000));
        t.send(s, b"lost datagram", 0);
        t.wait(s, POLLERR);
        t.recvmsg(s, 4, MSG_ERRQUEUE);
        t.recvmsg(s, 4, MSG_ERRQUEUE);
    }

    fn several_wait_in_the_queue(t) in Lo {
        let s = t.udp();
        recverr(t, s);
        for (port, word) in [(5000, b"one"), (5001, b"two")] {
            t.sendto(s, word, 0, (t.ip.lo(), port));
            t.wait(s, POLLERR);
            t.so_error(s);
        }
        t.recvmsg(s, 100, MSG_ERRQUEUE);
        t.so_error(s);
        t.recvmsg(s, 100, MSG_ERRQUEUE);
        t.so_error(s);
        t.recvmsg(s, 100, MSG_ERRQUEUE);
    }

    fn switching_it_off_empties_the_queue(t) in Lo {
        let s = t.udp();
        recverr(t, s);
        t.connect(s, (t.ip.lo(), 5000));
        t.send(s, b"lost", 0);
        t.wait(s, POLLERR);
        if t.ip.af() == AF_INET {
            t.set(s, SOL_IP, IP_RECVERR, 0);
        } else {
            t.set(s, SOL_IPV6, IPV6_RECVERR, 0);
        }
        t.recvmsg(s, 100, MSG_ERRQUEUE);
    }

    fn too_long_goes_to_the_queue(t) in Wire {
        let s = t.udp();
        recverr(t, s);
        let (level, name, head) = if t.ip.af() == AF_INET {
            (SOL_IP, IP_MTU_DISCOVER, 28)
        } else {
            (SOL_IPV6, IPV6_MTU_DISCOVER, 48)
        };
        t.set(s, level, name, IP_PMTUDISC_DO);
        t.connect(s, (t.ip.on_wire(1), 5000));
        t.send(s, &vec![b'm'; 1501 - head], 0);
        t.poll(s);
        t.recvmsg(s, 2000, MSG_ERRQUEUE);
    }

    fn refused_over_the_wire(t) in Wire {
        let s = t.udp();
        recverr(t, s);
        t.connect(s, (t.ip.on_wire(1), 5000));
        t.send(s, b"lost", 0);
        t.poll_until(s, POLLERR);
        t.recvmsg(s, 100, MSG_ERRQUEUE);
        t.send(s, b"lost", 0);
        t.wait(s, POLLERR);
        t.so_error(s);
    }

    fn a_dead_neighbour(t) in Wire {
        let s = t.udp();
        recverr(t, s);
        t.connect(s, (t.ip.on_wire(8), 5000));
        t.send(s, b"lost", 0);
        t.poll_until(s, POLLERR);
        t.recvmsg(s, 100, MSG_ERRQUEUE);
        t.so_error(s);
    }

    fn a_dead_neighbour_without_the_queue(t) in Wire {
        let s = t.udp();
        t.connect(s, (t.ip.on_wire(8), 5000));
        t.send(s, b"lost", 0);
        // Told by another socket that it is over: RFC 1122 4.2.3.9's soft errors are not told without IP_RECVERR.
        let witness = t.udp();
        recverr(t, witness);
        t.sendto(witness, b"lost too", 0, (t.ip.on_wire(8), 5000));
        t.wait(witness, POLLERR);
        t.poll(s);
        t.so_error(s);
    }
}

case! {
    fn mapped_addresses_in_the_queue(t) in Lo {
        let s = t.socket(AF_INET6, SOCK_DGRAM, 0);
        t.set(s, SOL_IPV6, IPV6_RECVERR, 1);
        t.set(s, SOL_IP, IP_RECVERR, 1);
        t.connect(s, (Ipv4Addr::LOCALHOST.to_ipv6_mapped(), 5000));
        t.send(s, b"lost", 0);
        t.wait(s, POLLERR);
        t.recvmsg(s, 100, MSG_ERRQUEUE);
    }

    fn mapped_and_connected_is_refused(t) in Lo {
        let s = t.socket(AF_INET6, SOCK_DGRAM, 0);
        t.connect(s, (Ipv4Addr::LOCALHOST.to_ipv6_mapped(), 5000));
        t.send(s, b"lost", 0);
        t.wait(s, POLLERR);
        t.so_error(s);
    }
}
