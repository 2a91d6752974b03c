//! UDP: datagrams, who gets them, what they are refused for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sockatoo::base::constants::*;

twins! {
    fn there_and_back(t) in Lo {
        let a = t.udp_at(5000);
        let b = t.udp_at(5001);
        t.sendto(a, b"hello", 0, (t.ip.lo(), 5001));
        t.wait(b, POLLIN);
        t.recvmsg(b, 100, 0);
        t.connect(b, (t.ip.lo(), 5000));
        t.send(b, b"back", 0);
        t.wait(a, POLLIN);
        t.recvmsg(a, 100, 0);
    }

    fn no_destination(t) in Lo {
        let s = t.udp();
        t.send(s, b"x", 0);
        t.send(s, b"", 0);
        t.bind(s, (t.ip.lo(), 5000));
        t.send(s, b"x", 0);
    }

    fn nothing_there(t) in Lo {
        let s = t.udp();
        t.recv(s, 10, MSG_DONTWAIT);
        t.nonblocking(s);
        t.recv(s, 10, 0);
        t.recv(s, 0, 0);
        t.recvmsg(s, 10, MSG_ERRQUEUE);
        t.ioctl(s, FIONREAD);
        t.ioctl(s, SIOCOUTQ);
    }

    fn receive_timeout(t) in Lo {
        let s = t.udp_at(5000);
        let mut timeval = [0u8; 16];
        timeval[8..].copy_from_slice(&20_000i64.to_ne_bytes());
        t.setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &timeval);
        t.recv(s, 10, 0);
    }

    fn truncation(t) in Lo {
        let a = t.udp_at(5000);
        let b = t.udp();
        for _ in 0..5 {
            t.sendto(b, b"0123456789", 0, (t.ip.lo(), 5000));
        }
        t.wait(a, POLLIN);
        t.recvmsg(a, 4, 0);
        t.recvmsg(a, 4, MSG_TRUNC);
        t.recvmsg(a, 0, 0);
        t.recvmsg(a, 0, MSG_TRUNC);
        t.recvmsg(a, 4, MSG_PEEK | MSG_TRUNC);
        t.recvmsg(a, 100, 0);
        t.recv(a, 1, MSG_DONTWAIT);
    }

    fn peek(t) in Lo {
        let a = t.udp_at(5000);
        let b = t.udp();
        t.sendto(b, b"first", 0, (t.ip.lo(), 5000));
        t.sendto(b, b"second", 0, (t.ip.lo(), 5000));
        t.wait(a, POLLIN);
        t.ioctl(a, FIONREAD);
        t.recv(a, 3, MSG_PEEK);
        t.recv(a, 10, MSG_PEEK);
        t.recv(a, 10, 0);
        t.ioctl(a, FIONREAD);
        t.recv(a, 10, 0);
    }

    fn wait_for_all_means_nothing(t) in Lo {
        let a = t.udp_at(5000);
        let b = t.udp();
        t.sendto(b, b"short", 0, (t.ip.lo(), 5000));
        t.wait(a, POLLIN);
        t.recv(a, 100, MSG_WAITALL);
    }

    fn zero_length(t) in Lo {
        let a = t.udp_at(5000);
        let b = t.udp();
        t.sendto(b, b"", 0, (t.ip.lo(), 5000));
        t.wait(a, POLLIN);
        t.ioctl(a, FIONREAD);
        t.recvmsg(a, 10, 0);
        t.recv(a, 10, MSG_DONTWAIT);
    }

    fn sizes(t) in Lo {
        let a = t.udp_at(5000);
        let b = t.udp();
        for size in [1, 1472, 1473, 9000, 65_507] {
            let data: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
            t.sendto(b, &data, 0, (t.ip.lo(), 5000));
            t.wait(a, POLLIN);
            t.recvmsg(a, 70_000, 0);
        }
    }

    fn too_long(t) in Lo {
        let _a = t.udp_at(5000);
        let b = t.udp();
        t.sendto(b, &vec![0; 65_508], 0, (t.ip.lo(), 5000));
        t.sendto(b, &vec![0; 65_527], 0, (t.ip.lo(), 5000));
        t.sendto(b, &vec![0; 65_528], 0, (t.ip.lo(), 5000));
        t.sendto(b, &vec![0; 65_536], 0, (t.ip.lo(), 5000));
        t.sendto(b, &vec![0; 100_000], 0, (t.ip.lo(), 5000));
        t.connect(b, (t.ip.lo(), 5000));
        t.send(b, &vec![0; 65_536], 0);
    }

    fn fragments_over_the_wire(t) in Wire {
        let a = t.socket_on(1, t.ip.af(), SOCK_DGRAM, 0);
        t.bind(a, (t.ip.on_wire(1), 5000));
        let b = t.udp();
        for size in [1, 1452, 1453, 1472, 1473, 9000, 65_507] {
            let data: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
            t.sendto(b, &data, 0, (t.ip.on_wire(1), 5000));
            t.wait(a, POLLIN);
            t.recv(a, 70_000, 0);
        }
    }

    fn dont_fragment(t) in Wire {
        let b = t.udp();
        let (level, name) =
            if t.ip.af() == AF_INET { (SOL_IP, IP_MTU_DISCOVER) } else { (SOL_IPV6, IPV6_MTU_DISCOVER) };
        let head = if t.ip.af() == AF_INET { 28 } else { 48 };
        t.set(b, level, name, IP_PMTUDISC_DO);
        t.sendto(b, &vec![0; 1500 - head], 0, (t.ip.on_wire(1), 5000));
        t.sendto(b, &vec![0; 1501 - head], 0, (t.ip.on_wire(1), 5000));
        t.set(b, level, name, IP_PMTUDISC_PROBE);
        t.sendto(b, &vec![0; 1501 - head], 0, (t.ip.on_wire(1), 5000));
        t.set(b, level, name, IP_PMTUDISC_DONT);
        t.sendto(b, &vec![0; 1501 - head], 0, (t.ip.on_wire(1), 5000));
        t.set(b, level, name, IP_PMTUDISC_WANT);
        t.sendto(b, &vec![0; 1501 - head], 0, (t.ip.on_wire(1), 5000));
    }

    fn the_connected_hear_only_their_peer(t) in Lo {
        let a = t.udp_at(5000);
        t.connect(a, (t.ip.lo(), 5001));
        let stranger = t.udp_at(5002);
        t.sendto(stranger, b"psst", 0, (t.ip.lo(), 5000));
        let peer = t.udp_at(5001);
        t.sendto(peer, b"hello", 0, (t.ip.lo(), 5000));
        t.wait(a, POLLIN);
        t.recvmsg(a, 10, 0);
        t.recv(a, 10, MSG_DONTWAIT);
    }

    fn what_waited_before_connect_stays(t) in Lo {
        let a = t.udp_at(5000);
        let stranger = t.udp_at(5002);
        t.sendto(stranger, b"early", 0, (t.ip.lo(), 5000));
        t.wait(a, POLLIN);
        t.connect(a, (t.ip.lo(), 5001));
        t.recvmsg(a, 10, 0);
    }

    fn the_connected_may_send_elsewhere(t) in Lo {
        let a = t.udp_at(5000);
        let b = t.udp_at(5001);
        let c = t.udp_at(5002);
        t.connect(a, (t.ip.lo(), 5001));
        t.sendto(a, b"aside", 0, (t.ip.lo(), 5002));
        t.wait(c, POLLIN);
        t.recvmsg(c, 10, 0);
        t.recv(b, 10, MSG_DONTWAIT);
    }

    fn the_most_particular_gets_it(t) in Lo {
        let any = t.udp();
        t.set(any, SOL_SOCKET, SO_REUSEADDR, 1);
        t.bind(any, (t.ip.any(), 5000));
        let exact = t.udp();
        t.set(exact, SOL_SOCKET, SO_REUSEADDR, 1);
        t.bind(exact, (t.ip.lo(), 5000));
        let from = t.udp_at(5001);
        t.sendto(from, b"for the exact one", 0, (t.ip.lo(), 5000));
        t.wait(exact, POLLIN);
        t.recv(exact, 20, MSG_DONTWAIT);
        t.recv(any, 20, MSG_DONTWAIT);
        t.connect(any, (t.ip.lo(), 5001));
        t.sendto(from, b"for the connected", 0, (t.ip.lo(), 5000));
        t.wait(any, POLLIN);
        t.recv(exact, 20, MSG_DONTWAIT);
        t.recv(any, 20, MSG_DONTWAIT);
    }

    fn with_reuseaddr_the_last_gets_it(t) in Lo {
        let mut all = Vec::new();
        for _ in 0..3 {
            let s = t.udp();
            t.set(s, SOL_SOCKET, SO_REUSEADDR, 1);
            t.bind(s, (t.ip.lo(), 5000));
            all.push(s);
        }
        let from = t.udp();
        for word in [b"one", b"two"] {
            t.sendto(from, word, 0, (t.ip.lo(), 5000));
        }
        t.wait(all[2], POLLIN);
        for &s in &all {
            t.recv(s, 20, MSG_DONTWAIT);
            t.recv(s, 20, MSG_DONTWAIT);
        }
        t.close(all[2]);
        t.sendto(from, b"six", 0, (t.ip.lo(), 5000));
        t.wait(all[1], POLLIN);
        t.recv(all[0], 20, MSG_DONTWAIT);
        t.recv(all[1], 20, MSG_DONTWAIT);
    }

    fn with_reuseport_each_gets_some(t) in Lo {
        let mut all = Vec::new();
        for _ in 0..2 {
            let s = t.udp();
            t.set(s, SOL_SOCKET, SO_REUSEPORT, 1);
            t.bind(s, (t.ip.lo(), 5000));
            all.push(s);
        }
        // One peer's datagrams all go to the same one; of many peers' each gets some.
        let from = t.udp();
        for _ in 0..4 {
            t.sendto(from, b"x", 0, (t.ip.lo(), 5000));
        }
        let mut counts = Vec::new();
        for &s in &all {
            let mut n = 0;
            while t.take_quietly(s, 10).is_some() {
                n += 1;
            }
            counts.push(n);
        }
        counts.sort_unstable();
        t.note(format!("one peer: {counts:?}"));
        for _ in 0..64 {
            let from = t.silent_udp();
            t.sendto_quietly(from, b"x", (t.ip.lo(), 5000));
        }
        let mut some = 0;
        for &s in &all {
            if t.take_quietly(s, 10).is_some() {
                some += 1;
            }
        }
        t.note(format!("many peers: {some} of 2 got some"));
    }

    fn a_connected_one_that_is_not_the_peers(t) in Lo {
        let a = t.udp_at(5000);
        t.connect(a, (t.ip.lo(), 5001));
        let stranger = t.udp();
        t.connect(stranger, (t.ip.lo(), 5000));
        t.send(stranger, b"x", 0);
        t.poll_until(stranger, POLLERR);
        t.so_error(stranger);
    }

    fn shutdown_connected(t) in Lo {
        let a = t.udp_at(5000);
        let s = t.udp();
        t.connect(s, (t.ip.lo(), 5000));
        t.shutdown(s, SHUT_WR);
        t.send(s, b"x", 0);
        t.sendto(s, b"x", 0, (t.ip.lo(), 5000));
        t.shutdown(s, SHUT_RD);
        t.recv(s, 10, 0);
        t.recv(s, 10, MSG_DONTWAIT);
        t.recv(a, 10, MSG_DONTWAIT);
    }

    fn a_wrong_family(t) in Lo {
        let other: IpAddr =
            if t.ip.af() == AF_INET { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
        let s = t.udp();
        t.sendto(s, b"x", 0, (other, 5000));
        t.sendmsg(s, b"x", Some(sockatoo::SockAddr::Unspec), 0, &[]);
        t.connect(s, (t.ip.lo(), 5000));
        t.sendto(s, b"x", 0, (other, 5000));
    }

    fn port_zero(t) in Lo {
        let s = t.udp();
        t.sendto(s, b"x", 0, (t.ip.lo(), 0));
    }

    fn to_the_unspecified_address(t) in Lo {
        let a = t.udp_at(5000);
        let s = t.udp();
        t.sendto(s, b"to any", 0, (t.ip.any(), 5000));
        t.wait(a, POLLIN);
        t.recvmsg(a, 10, 0);
    }

    fn out_of_band_is_not_udps(t) in Lo {
        let a = t.udp_at(5000);
        let s = t.udp();
        t.sendto(s, b"x", MSG_OOB, (t.ip.lo(), 5000));
        t.recv(a, 10, MSG_OOB | MSG_DONTWAIT);
    }

    fn a_full_receive_queue_drops_the_new(t) in Lo {
        let a = t.udp();
        t.set(a, SOL_SOCKET, SO_RCVBUF, 4096);
        t.bind(a, (t.ip.lo(), 5000));
        let from = t.udp();
        for n in 0..60u8 {
            t.sendto_quietly(from, &[b'a' + n % 26; 900], (t.ip.lo(), 5000));
        }
        let first = t.take_quietly(a, 1000);
        t.note(format!("the first is kept: {:?}", first.map(|d| d[0])));
        let mut more = 1;
        while t.take_quietly(a, 1000).is_some() {
            more += 1;
        }
        t.note(format!("some were dropped: {}", more < 60));
        t.sendto(from, b"room again", 0, (t.ip.lo(), 5000));
        t.wait(a, POLLIN);
        t.recv(a, 20, 0);
    }

    fn datagrams_of_a_closed_socket_are_gone(t) in Lo {
        let a = t.udp_at(5000);
        let from = t.udp();
        t.sendto(from, b"x", 0, (t.ip.lo(), 5000));
        t.close(a);
        let again = t.udp_at(5000);
        t.recv(again, 10, MSG_DONTWAIT);
    }

    fn more_makes_one_datagram(t) in Lo {
        let a = t.udp_at(5000);
        let s = t.udp();
        t.connect(s, (t.ip.lo(), 5000));
        t.send(s, b"head", MSG_MORE);
        t.recv(a, 20, MSG_DONTWAIT);
        t.send(s, b"tail", 0);
        t.wait(a, POLLIN);
        t.recv(a, 20, 0);
    }
}

case! {
    fn broadcast_is_asked_for(t) in Wire {
        let s = t.udp();
        t.sendto(s, b"x", 0, (Ipv4Addr::BROADCAST, 5000));
        t.sendto(s, b"x", 0, (Ipv4Addr::new(192, 0, 2, 255), 5000));
        t.set(s, SOL_SOCKET, SO_BROADCAST, 1);
        let a = t.socket_on(1, AF_INET, SOCK_DGRAM, 0);
        t.bind(a, (Ipv4Addr::UNSPECIFIED, 5000));
        t.sendto(s, b"to all", 0, (Ipv4Addr::new(192, 0, 2, 255), 5000));
        t.wait(a, POLLIN);
        t.recv(a, 20, 0);
        t.bind(s, (Ipv4Addr::new(192, 0, 2, 1), 5001));
        let exact = t.socket_on(1, AF_INET, SOCK_DGRAM, 0);
        t.bind(exact, (Ipv4Addr::new(192, 0, 2, 2), 5002));
        t.sendto(s, b"not for the exact", 0, (Ipv4Addr::new(192, 0, 2, 255), 5002));
        t.sendto(s, b"after", 0, (Ipv4Addr::new(192, 0, 2, 2), 5002));
        t.wait(exact, POLLIN);
        t.recv(exact, 20, 0);
    }

    fn broadcast_reaches_all_sharers(t) in Wire {
        let mut all = Vec::new();
        for _ in 0..2 {
            let a = t.socket_on(1, AF_INET, SOCK_DGRAM, 0);
            t.set(a, SOL_SOCKET, SO_REUSEADDR, 1);
            t.bind(a, (Ipv4Addr::UNSPECIFIED, 5000));
            all.push(a);
        }
        let s = t.udp();
        t.set(s, SOL_SOCKET, SO_BROADCAST, 1);
        t.sendto(s, b"to all", 0, (Ipv4Addr::new(192, 0, 2, 255), 5000));
        for a in all {
            t.wait(a, POLLIN);
            t.recv(a, 20, MSG_DONTWAIT);
        }
    }
}
