//! Who gets a datagram, and what is told of it.

use super::*;

#[test]
fn datagrams_of_all_sizes_cross_the_wire() {
    for (from, to) in [("0.0.0.0:0", "192.0.2.2:7000"), ("[::]:0", "[2001:db8::2]:7000")] {
        let mut pair = Pair::new();
        let a = pair.udp(0, from);
        let b = pair.udp(1, to);
        pair.set(0, a, SOL_IP, IP_MTU_DISCOVER, IP_PMTUDISC_WANT);
        for size in [0, 1, 1472, 1473, 9000, 65_507] {
            let data: Vec<u8> = (0..size).map(|n| n as u8).collect();
            assert_eq!(pair.send(0, a, &data, Some(to)).unwrap(), size);
            let (got, received) = pair.recv(1, b).unwrap();
            assert!(got == data, "{size} bytes to {to}");
            let back = received.from.unwrap();
            assert_eq!(back.inet().unwrap().port(), pair.0[0].getsockname(a).unwrap().inet().unwrap().port());
            pair.0[1]
                .send(b, &[IoSlice::new(b"yes")], SendTo { to: Some(back), ..SendTo::default() })
                .unwrap();
            pair.run();
            assert_eq!(pair.recv(0, a).unwrap().0, b"yes");
        }
        let most = if from.starts_with('[') { 65_527 } else { 65_507 };
        assert_eq!(errno(pair.send(0, a, &vec![0; most + 1], Some(to))), Errno::EMSGSIZE);
        assert_eq!(errno(pair.send(0, a, &vec![0; 70_000], Some(to))), Errno::EMSGSIZE);
        assert_eq!(errno(pair.recv(1, b)), Errno::EAGAIN);
    }
}

#[test]
fn connected_sockets_hear_their_peer_only_and_of_its_absence() {
    let mut pair = Pair::new();
    let a = pair.udp(0, "0.0.0.0:5000");
    assert_eq!(errno(pair.send(0, a, b"x", None)), Errno::EDESTADDRREQ);
    assert_eq!(errno(pair.0[0].getpeername(a)), Errno::ENOTCONN);
    pair.connect(0, a, "192.0.2.2:7000").unwrap();
    assert_eq!(pair.0[0].getsockname(a).unwrap(), addr("192.0.2.1:5000"));
    assert_eq!(pair.0[0].getpeername(a).unwrap(), addr("192.0.2.2:7000"));

    // Nobody there: port unreachable becomes ECONNREFUSED, told once.
    pair.send(0, a, b"anybody?", None).unwrap();
    assert_eq!(pair.0[0].poll(a) & (POLLERR | POLLIN), POLLERR);
    let error = pair.recv(0, a).unwrap_err();
    assert_eq!((error.errno(), error.reason()), (Errno::ECONNREFUSED, Reason::IcmpPortUnreachable));
    assert_eq!(errno(pair.recv(0, a)), Errno::EAGAIN);
    pair.send(0, a, b"anybody?", None).unwrap();
    assert_eq!(pair.0[0].getsockopt(a, SOL_SOCKET, SO_ERROR, 4).unwrap(), 111_i32.to_ne_bytes());
    pair.send(0, a, b"anybody?", None).unwrap();
    assert_eq!(errno(pair.send(0, a, b"again", None)), Errno::ECONNREFUSED);

    // Somebody else's datagrams do not come in, and are refused in their turn.
    let stranger = pair.udp(1, "192.0.2.2:7001");
    pair.connect(1, stranger, "192.0.2.1:5000").unwrap();
    pair.send(1, stranger, b"me", None).unwrap();
    assert_eq!(errno(pair.recv(0, a)), Errno::EAGAIN);
    assert_eq!(errno(pair.recv(1, stranger)), Errno::ECONNREFUSED);

    // AF_UNSPEC: the port that bind chose stays, the address goes.
    pair.0[0].connect(a, SockAddr::Unspec).unwrap();
    assert_eq!(pair.0[0].getsockname(a).unwrap(), addr("0.0.0.0:5000"));
    assert_eq!(errno(pair.0[0].getpeername(a)), Errno::ENOTCONN);
    pair.send(1, stranger, b"me", None).unwrap();
    assert_eq!(pair.recv(0, a).unwrap().0, b"me");
    let b = pair.0[0].socket(AF_INET, SOCK_DGRAM, 0).unwrap();
    pair.connect(0, b, "192.0.2.2:7001").unwrap();
    pair.0[0].connect(b, SockAddr::Unspec).unwrap();
    assert_eq!(pair.0[0].getsockname(b).unwrap(), addr("0.0.0.0:0"));
}

#[test]
fn the_error_queue_tells_who_and_what() {
    for (bound, to, level, option, kind, code) in [
        ("0.0.0.0:5000", "192.0.2.2:7000", SOL_IP, IP_RECVERR, 3, 3),
        ("[::]:5000", "[2001:db8::2]:7000", SOL_IPV6, IPV6_RECVERR, 1, 4),
    ] {
        let mut pair = Pair::new();
        let a = pair.udp(0, bound);
        pair.send(0, a, b"lost", Some(to)).unwrap();
        assert_eq!(errno(pair.recv(0, a)), Errno::EAGAIN, "not connected, not asked for");
        pair.set(0, a, level, option, 1);
        pair.send(0, a, b"lost again", Some(to)).unwrap();
        assert_eq!(errno(pair.recv(0, a)), Errno::ECONNREFUSED);
        let (data, received) = pair.recv_flags(0, a, MSG_ERRQUEUE, 100).unwrap();
        assert_eq!(data, b"lost again");
        assert_eq!((received.from.unwrap(), received.flags), (addr(to), MSG_ERRQUEUE));
        let [ControlMessage::ExtendedError(error)] = &received.control[..] else { panic!("{received:?}") };
        assert_eq!((error.errno, error.kind, error.code), (Errno::ECONNREFUSED, kind, code));
        assert_eq!(error.offender.unwrap().ip(), addr(to).inet().unwrap().ip());
        assert_eq!(errno(pair.recv_flags(0, a, MSG_ERRQUEUE, 100)), Errno::EAGAIN);
        assert_eq!(pair.0[0].poll(a) & POLLERR, 0);
    }
}

#[test]
fn a_neighbour_that_does_not_answer() {
    let mut pair = Pair::new();
    let a = pair.udp(0, "0.0.0.0:0");
    pair.set(0, a, SOL_IP, IP_RECVERR, 1);
    pair.send(0, a, b"hello?", Some("192.0.2.77:9")).unwrap();
    pair.pass(5);
    assert_eq!(errno(pair.recv(0, a)), Errno::EHOSTUNREACH);
    let (data, _) = pair.recv_flags(0, a, MSG_ERRQUEUE, 100).unwrap();
    assert_eq!(data, b"hello?");
    assert_eq!(errno(pair.send(0, a, b"x", Some("198.51.100.1:9"))), Errno::ENETUNREACH);
}

#[test]
fn queues_are_bounded_and_what_is_dropped_is_counted() {
    let mut pair = Pair::new();
    let a = pair.udp(0, "0.0.0.0:0");
    let b = pair.udp(1, "0.0.0.0:7000");
    pair.set(1, b, SOL_SOCKET, SO_RCVBUF, 4096);
    for _ in 0..100 {
        pair.send(0, a, &[7; 100], Some("192.0.2.2:7000")).unwrap();
    }
    let got = std::iter::from_fn(|| pair.recv(1, b).ok()).count();
    assert!((5..20).contains(&got), "{got}");
    assert_eq!(pair.count(1, Reason::ReceiveQueueFull), 100 - got as u64);
    pair.send(0, a, b"room again", Some("192.0.2.2:7000")).unwrap();
    assert_eq!(pair.recv(1, b).unwrap().0, b"room again");
}

#[test]
fn peek_truncation_and_nothing_at_all() {
    let mut pair = Pair::new();
    let a = pair.udp(0, "0.0.0.0:0");
    let b = pair.udp(1, "0.0.0.0:7000");
    pair.send(0, a, b"0123456789", Some("192.0.2.2:7000")).unwrap();
    pair.send(0, a, b"", Some("192.0.2.2:7000")).unwrap();
    assert_eq!(pair.0[1].readable(b).unwrap(), 10);
    assert_eq!(pair.recv_flags(1, b, MSG_PEEK, 100).unwrap().0, b"0123456789");
    let (_, received) = pair.recv_flags(1, b, MSG_PEEK | MSG_TRUNC, 4).unwrap();
    assert_eq!((received.len, received.flags), (10, MSG_TRUNC));
    let (data, received) = pair.recv_flags(1, b, 0, 4).unwrap();
    assert_eq!((&data[..], received.flags), (&b"0123"[..], MSG_TRUNC));
    assert_eq!(pair.0[1].poll(b) & POLLIN, POLLIN, "an empty datagram is one");
    assert_eq!(pair.recv(1, b).unwrap().0, b"");
    assert_eq!(errno(pair.recv(1, b)), Errno::EAGAIN);
}

#[test]
fn broadcast_needs_permission_and_reaches_all() {
    let mut pair = Pair::new();
    let a = pair.udp(0, "0.0.0.0:0");
    let all: Vec<_> = (0..3)
        .map(|_| {
            let id = pair.0[1].socket(AF_INET, SOCK_DGRAM, 0).unwrap();
            pair.set(1, id, SOL_SOCKET, SO_REUSEADDR, 1);
            pair.0[1].bind(id, addr("0.0.0.0:7000")).unwrap();
            id
        })
        .collect();
    for to in ["192.0.2.255:7000", "255.255.255.255:7000"] {
        pair.set(0, a, SOL_SOCKET, SO_BROADCAST, 0);
        assert_eq!(errno(pair.send(0, a, b"hear me", Some(to))), Errno::EACCES);
        pair.set(0, a, SOL_SOCKET, SO_BROADCAST, 1);
        pair.send(0, a, b"hear me", Some(to)).unwrap();
        for id in &all {
            assert_eq!(pair.recv(1, *id).unwrap().0, b"hear me");
        }
    }
    // A broadcast that nobody hears is not answered.
    pair.send(0, a, b"hear me", Some("192.0.2.255:7001")).unwrap();
    assert_eq!(errno(pair.recv(0, a)), Errno::EAGAIN);
    // Of those that share a port, the last one bound gets what is for one.
    pair.send(0, a, b"one", Some("192.0.2.2:7000")).unwrap();
    assert_eq!(pair.recv(1, all[2]).unwrap().0, b"one");
    assert_eq!(errno(pair.recv(1, all[0])), Errno::EAGAIN);
}

#[test]
fn groups_are_heard_by_their_members() {
    for v4 in [true, false] {
        let mut pair = Pair::new();
        let (any, to, level) = if v4 {
            ("0.0.0.0:7000", "233.252.0.1:7000", SOL_IP)
        } else {
            ("[::]:7000", "[ff05::1234]:7000", SOL_IPV6)
        };
        let group = |interface: u32| match addr(to).inet().unwrap().ip() {
            IpAddr::V4(ip) => {
                let mut mreqn = ip.octets().to_vec();
                mreqn.extend([0; 4]);
                mreqn.extend(interface.to_ne_bytes());
                mreqn
            }
            IpAddr::V6(ip) => [&ip.octets()[..], &interface.to_ne_bytes()].concat(),
        };
        let (add, drop) =
            if v4 { (IP_ADD_MEMBERSHIP, IP_DROP_MEMBERSHIP) } else { (IPV6_JOIN_GROUP, IPV6_LEAVE_GROUP) };
        let member = pair.udp(1, any);
        let a = pair.udp(0, any);
        if v4 {
            pair.0[0].setsockopt(a, SOL_IP, IP_MULTICAST_IF, &[192, 0, 2, 1]).unwrap();
            assert_eq!(pair.0[0].getsockopt(a, SOL_IP, IP_MULTICAST_IF, 4).unwrap(), [192, 0, 2, 1]);
        } else {
            pair.set(0, a, SOL_IPV6, IPV6_MULTICAST_IF, 2);
        }
        pair.send(0, a, b"early", Some(to)).unwrap();
        pair.0[1].setsockopt(member, level, add, &group(2)).unwrap();
        assert_eq!(errno(pair.0[1].setsockopt(member, level, add, &group(2))), Errno::EADDRINUSE);
        assert_eq!(errno(pair.0[1].setsockopt(member, level, add, &group(9))), Errno::ENODEV);
        pair.run();
        pair.send(0, a, b"news", Some(to)).unwrap();
        assert_eq!(pair.recv(1, member).unwrap().0, b"news");
        assert_eq!(errno(pair.recv(0, a)), Errno::EAGAIN, "the sender has not joined");
        // The sender joins: it hears itself, unless it does not want to.
        pair.0[0].setsockopt(a, level, add, &group(2)).unwrap();
        pair.send(0, a, b"echo", Some(to)).unwrap();
        assert_eq!(pair.recv(0, a).unwrap().0, b"echo");
        pair.set(0, a, level, if v4 { IP_MULTICAST_LOOP } else { IPV6_MULTICAST_LOOP }, 0);
        pair.send(0, a, b"quiet", Some(to)).unwrap();
        assert_eq!(errno(pair.recv(0, a)), Errno::EAGAIN);
        pair.recv(1, member).unwrap();
        pair.recv(1, member).unwrap();
        pair.0[1].setsockopt(member, level, drop, &group(2)).unwrap();
        assert_eq!(errno(pair.0[1].setsockopt(member, level, drop, &group(2))), Errno::EADDRNOTAVAIL);
        pair.send(0, a, b"late", Some(to)).unwrap();
        assert_eq!(errno(pair.recv(1, member)), Errno::EAGAIN);
        // Memberships end with their socket.
        pair.0[1].setsockopt(member, level, add, &group(2)).unwrap();
        pair.0[1].close(member).unwrap();
        let deaf = pair.udp(1, any);
        pair.send(0, a, b"later", Some(to)).unwrap();
        assert_eq!(errno(pair.recv(1, deaf)), Errno::EAGAIN);
    }
}

#[test]
fn the_most_particular_socket_gets_the_datagram() {
    let mut pair = Pair::new();
    let a = pair.udp(0, "192.0.2.1:5000");
    let sockets: Vec<_> = ["0.0.0.0:7000", "192.0.2.2:7000", "0.0.0.0:7000", "0.0.0.0:7000"]
        .iter()
        .map(|address| {
            let id = pair.0[1].socket(AF_INET, SOCK_DGRAM, 0).unwrap();
            pair.set(1, id, SOL_SOCKET, SO_REUSEADDR, 1);
            pair.0[1].bind(id, addr(address)).unwrap();
            id
        })
        .collect();
    pair.0[1].setsockopt(sockets[2], SOL_SOCKET, SO_BINDTODEVICE, b"eth0\0").unwrap();
    assert_eq!(pair.0[1].getsockopt(sockets[2], SOL_SOCKET, SO_BINDTODEVICE, 16).unwrap(), b"eth0\0");
    for expected in [1, 2, 3, 0] {
        pair.send(0, a, b"x", Some("192.0.2.2:7000")).unwrap();
        let got = sockets.iter().position(|id| pair.recv(1, *id).is_ok());
        assert_eq!(got, Some(expected));
        pair.0[1].close(sockets[expected]).unwrap();
    }
}

#[test]
fn reuseport_spreads_by_flow() {
    let mut pair = Pair::new();
    let group: Vec<_> = (0..4)
        .map(|_| {
            let id = pair.0[1].socket(AF_INET6, SOCK_DGRAM, 0).unwrap();
            pair.set(1, id, SOL_SOCKET, SO_REUSEPORT, 1);
            pair.0[1].bind(id, addr("[::]:7000")).unwrap();
            id
        })
        .collect();
    let mut heard = [0; 4];
    for _ in 0..64 {
        let a = pair.udp(0, "0.0.0.0:0");
        let got: Vec<_> = (0..2)
            .map(|_| {
                pair.send(0, a, b"x", Some("192.0.2.2:7000")).unwrap();
                group.iter().position(|id| pair.recv(1, *id).is_ok()).unwrap()
            })
            .collect();
        assert_eq!(got[0], got[1], "one flow, one socket");
        heard[got[0]] += 1;
    }
    assert!(heard.iter().all(|n| *n > 4), "{heard:?}");
}

#[test]
fn one_socket_for_both_families() {
    let mut pair = Pair::new();
    let a = pair.udp(0, "0.0.0.0:5000");
    let dual = pair.udp(1, "[::]:7000");
    pair.send(0, a, b"four", Some("192.0.2.2:7000")).unwrap();
    let (_, received) = pair.recv(1, dual).unwrap();
    assert_eq!(received.from.unwrap(), addr("[::ffff:192.0.2.1]:5000"));
    pair.send(1, dual, b"back", Some("[::ffff:192.0.2.1]:5000")).unwrap();
    assert_eq!(pair.recv(0, a).unwrap().1.from.unwrap(), addr("192.0.2.2:7000"));
    pair.send(1, dual, b"plain", Some("192.0.2.1:5000")).unwrap();
    assert_eq!(pair.recv(0, a).unwrap().0, b"plain");
    pair.connect(1, dual, "[::ffff:192.0.2.1]:5000").unwrap();
    assert_eq!(pair.0[1].getsockname(dual).unwrap(), addr("[::ffff:192.0.2.2]:7000"));
    assert_eq!(pair.0[1].getpeername(dual).unwrap(), addr("[::ffff:192.0.2.1]:5000"));

    let only = pair.0[1].socket(AF_INET6, SOCK_DGRAM, 0).unwrap();
    pair.set(1, only, SOL_IPV6, IPV6_V6ONLY, 1);
    pair.0[1].bind(only, addr("[::]:7001")).unwrap();
    pair.send(0, a, b"four", Some("192.0.2.2:7001")).unwrap();
    assert_eq!(errno(pair.recv(1, only)), Errno::EAGAIN);
    assert_eq!(errno(pair.send(1, only, b"x", Some("[::ffff:192.0.2.1]:5000"))), Errno::ENETUNREACH);
    assert_eq!(errno(pair.0[1].setsockopt(only, SOL_IPV6, IPV6_V6ONLY, &[0; 4])), Errno::EINVAL);
    assert_eq!(errno(pair.0[0].connect(a, addr("[2001:db8::2]:7000"))), Errno::EAFNOSUPPORT);
}

#[test]
fn what_is_known_of_a_datagram_is_told_if_asked_for() {
    let mut pair = Pair::new();
    let a = pair.udp(0, "0.0.0.0:0");
    let b = pair.udp(1, "0.0.0.0:7000");
    pair.set(0, a, SOL_IP, IP_TTL, 33);
    pair.set(0, a, SOL_IP, IP_TOS, 0x10);
    for (level, name) in
        [(SOL_IP, IP_RECVTTL), (SOL_IP, IP_RECVTOS), (SOL_IP, IP_PKTINFO), (SOL_SOCKET, SO_TIMESTAMPNS)]
    {
        pair.set(1, b, level, name, 1);
    }
    pair.send(0, a, b"x", Some("192.0.2.2:7000")).unwrap();
    let ours: IpAddr = "192.0.2.2".parse().unwrap();
    let info = |interface, local, destination| ControlMessage::PacketInfo { interface, local, destination };
    assert_eq!(
        pair.recv(1, b).unwrap().1.control,
        [
            ControlMessage::TimestampNs(Duration::from_secs(1)),
            info(2, ours, ours),
            ControlMessage::Ttl(33),
            ControlMessage::Tos(0x10)
        ]
    );
    // The call's own wishes go before the socket's.
    let wishes = [ControlMessage::Ttl(5), ControlMessage::Tos(8)];
    pair.send_with(0, a, b"x", Some("192.0.2.2:7000"), &wishes).unwrap();
    let control = pair.recv(1, b).unwrap().1.control;
    assert_eq!(control[2..], [ControlMessage::Ttl(5), ControlMessage::Tos(8)]);
    let stranger = info(0, "192.0.2.9".parse().unwrap(), ours);
    assert_eq!(errno(pair.send_with(0, a, b"x", Some("192.0.2.2:7000"), &[stranger])), Errno::ENETUNREACH);
    let nowhere = info(7, "0.0.0.0".parse().unwrap(), ours);
    assert_eq!(errno(pair.send_with(0, a, b"x", Some("192.0.2.2:7000"), &[nowhere])), Errno::ENODEV);

    let six = pair.udp(1, "[::]:7001");
    for name in [IPV6_RECVHOPLIMIT, IPV6_RECVTCLASS, IPV6_RECVPKTINFO] {
        pair.set(1, six, SOL_IPV6, name, 1);
    }
    let a = pair.udp(0, "[::]:0");
    pair.set(0, a, SOL_IPV6, IPV6_UNICAST_HOPS, 9);
    pair.set(0, a, SOL_IPV6, IPV6_TCLASS, 0x20);
    pair.send(0, a, b"x", Some("[2001:db8::2]:7001")).unwrap();
    let ours: IpAddr = "2001:db8::2".parse().unwrap();
    let expected = [info(2, ours, ours), ControlMessage::Ttl(9), ControlMessage::Tos(0x20)];
    assert_eq!(pair.recv(1, six).unwrap().1.control, expected);
}
