//! poll(2) in every state.

use std::net::Ipv4Addr;

use sockatoo::base::constants::*;

twins! {
    fn a_fresh_tcp_socket(t) in Lo {
        let s = t.tcp();
        t.poll(s);
        t.bind(s, (t.ip.lo(), 5000));
        t.poll(s);
    }

    fn a_listener(t) in Lo {
        let s = t.listener(7000);
        t.poll(s);
        let client = t.tcp();
        t.connect(client, (t.ip.lo(), 7000));
        t.poll_until(s, POLLIN);
        t.accept(s);
        t.poll(s);
    }

    fn a_connection(t) in Lo {
        let (client, server, _) = t.pair();
        t.poll(client);
        t.poll(server);
        t.send(client, b"x", 0);
        t.poll_until(server, POLLIN);
        t.recv(server, 10, MSG_PEEK);
        t.poll(server);
        t.recv(server, 10, 0);
        t.poll(server);
    }

    fn the_peer_finished(t) in Lo {
        let (client, server, _) = t.pair();
        t.shutdown(client, SHUT_WR);
        t.poll_until(server, POLLRDHUP);
        t.poll(client);
        t.recv(server, 10, 0);
        t.poll(server);
        t.shutdown(server, SHUT_WR);
        t.poll_until(server, POLLHUP);
        t.poll_until(client, POLLHUP);
    }

    fn own_read_side_shut(t) in Lo {
        let (client, server, _) = t.pair();
        t.shutdown(client, SHUT_RD);
        t.poll(client);
        t.poll(server);
        t.shutdown(client, SHUT_WR);
        t.poll(client);
        t.poll_until(server, POLLRDHUP);
    }

    fn both_sides_shut(t) in Lo {
        let (client, server, _) = t.pair();
        t.shutdown(client, SHUT_RDWR);
        t.poll(client);
        t.poll_until(server, POLLRDHUP);
        t.shutdown(server, SHUT_RDWR);
        t.poll_until(server, POLLHUP);
        t.poll_until(client, POLLHUP);
    }

    fn refused(t) in Lo {
        let s = t.tcp();
        t.nonblocking(s);
        t.connect(s, (t.ip.lo(), 7000));
        t.poll_until(s, POLLERR);
        t.poll(s);
        t.recv(s, 1, 0);
        t.poll(s);
    }

    fn reset(t) in Lo {
        let (client, server, _) = t.pair();
        t.setsockopt(server, SOL_SOCKET, SO_LINGER, &[1, 0, 0, 0, 0, 0, 0, 0]);
        t.close(server);
        t.poll_until(client, POLLERR);
        t.so_error(client);
        t.poll(client);
    }

    fn a_closed_one(t) in Lo {
        let s = t.tcp();
        t.close(s);
        t.poll(s);
    }

    fn a_udp_socket(t) in Lo {
        let s = t.udp();
        t.poll(s);
        t.bind(s, (t.ip.lo(), 5000));
        t.poll(s);
        let from = t.udp();
        t.sendto(from, b"", 0, (t.ip.lo(), 5000));
        t.poll_until(s, POLLIN);
        t.recv(s, 10, 0);
        t.poll(s);
        t.connect(s, (t.ip.lo(), 5001));
        t.poll(s);
        t.shutdown(s, SHUT_RD);
        t.poll(s);
        t.shutdown(s, SHUT_WR);
        t.poll(s);
    }

    fn a_udp_socket_with_an_error(t) in Lo {
        let s = t.udp();
        t.connect(s, (t.ip.lo(), 5000));
        t.send(s, b"x", 0);
        t.poll_until(s, POLLERR);
        t.so_error(s);
        t.poll(s);
    }

    fn a_udp_socket_with_an_error_queue(t) in Lo {
        let s = t.udp();
        let (level, name) =
            if t.ip.af() == AF_INET { (SOL_IP, IP_RECVERR) } else { (SOL_IPV6, IPV6_RECVERR) };
        t.set(s, level, name, 1);
        t.sendto(s, b"x", 0, (t.ip.lo(), 5000));
        t.poll_until(s, POLLERR);
        t.so_error(s);
        t.poll(s);
        t.recvmsg(s, 10, MSG_ERRQUEUE);
        t.poll(s);
    }

    fn waiting_for_a_reader(t) in Lo {
        let (client, server, _) = t.pair();
        t.send(client, b"one", 0);
        t.send(client, b"two", 0);
        t.wait(server, POLLIN);
        t.recv(server, 1, 0);
        t.poll(server);
        t.recv(server, 5, MSG_WAITALL);
        t.poll(server);
        t.close(client);
        t.poll_until(server, POLLRDHUP);
    }
}

case! {
    fn a_ping_socket(t) in Lo {
        let s = t.socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
        t.poll(s);
        t.sendto(s, &[8, 0, 0, 0, 0, 0, 0, 1, b'h', b'i'], 0, (Ipv4Addr::LOCALHOST, 0));
        t.poll_until(s, POLLIN);
    }
}
