//! Which way a datagram goes, from which address, and what comes back.

use super::*;

#[test]
fn path_mtu_discovery_decides_on_fragments() {
    let mut pair = Pair::new();
    let a = pair.udp(0, "0.0.0.0:0");
    let b = pair.udp(1, "0.0.0.0:7000");
    let to = Some("192.0.2.2:7000");
    for (discover, cuts) in [
        (IP_PMTUDISC_DONT, true),
        (IP_PMTUDISC_WANT, true),
        (IP_PMTUDISC_DO, false),
        (IP_PMTUDISC_PROBE, false),
        (IP_PMTUDISC_INTERFACE, false),
        (IP_PMTUDISC_OMIT, true),
    ] {
        pair.set(0, a, SOL_IP, IP_MTU_DISCOVER, discover);
        pair.send(0, a, &[1; 1472], to).unwrap();
        assert_eq!(pair.recv(1, b).unwrap().0.len(), 1472);
        let result = pair.send(0, a, &[1; 1473], to);
        if cuts {
            assert_eq!(pair.recv(1, b).unwrap().0.len(), 1473, "{discover}");
        } else {
            assert_eq!(errno(result), Errno::EMSGSIZE, "{discover}");
        }
    }
    pair.set(0, a, SOL_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
    pair.set(0, a, SOL_IP, IP_RECVERR, 1);
    assert_eq!(errno(pair.0[0].getsockopt(a, SOL_IP, IP_MTU, 4)), Errno::ENOTCONN);
    pair.connect(0, a, "192.0.2.2:7000").unwrap();
    assert_eq!(pair.0[0].getsockopt(a, SOL_IP, IP_MTU, 4).unwrap(), 1500_i32.to_ne_bytes());
    assert_eq!(errno(pair.send(0, a, &[1; 1473], None)), Errno::EMSGSIZE);
    let (_, received) = pair.recv_flags(0, a, MSG_ERRQUEUE, 10).unwrap();
    let [ControlMessage::ExtendedError(error)] = &received.control[..] else { panic!("{received:?}") };
    assert_eq!((error.errno, error.origin, error.info), (Errno::EMSGSIZE, 1, 1500));
}

#[test]
fn shutdown_is_told_and_done() {
    let mut pair = Pair::new();
    let a = pair.udp(0, "0.0.0.0:0");
    assert_eq!(pair.0[0].poll(a), POLLOUT);
    assert_eq!(errno(pair.0[0].shutdown(a, 7)), Errno::EINVAL);
    pair.connect(0, a, "192.0.2.2:7000").unwrap();
    pair.0[0].shutdown(a, SHUT_WR).unwrap();
    assert_eq!(errno(pair.send(0, a, b"x", None)), Errno::EPIPE);
    pair.0[0].shutdown(a, SHUT_RD).unwrap();
    assert_eq!(pair.0[0].poll(a), POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
    assert_eq!(errno(pair.recv(0, a)), Errno::EAGAIN);
    assert_eq!(pair.recv_flags(0, a, 0, 10).unwrap().0, b"");
    let b = pair.udp(0, "0.0.0.0:0");
    assert_eq!(errno(pair.0[0].shutdown(b, SHUT_RD)), Errno::ENOTCONN);
    assert_eq!(pair.0[0].poll(b) & POLLRDHUP, POLLRDHUP, "refused, and done all the same");
    assert_eq!(errno(pair.0[0].listen(b, 1)), Errno::EOPNOTSUPP);
    assert_eq!(errno(pair.0[0].accept(b)), Errno::EOPNOTSUPP);
    pair.0[0].close(b).unwrap();
    assert_eq!(pair.0[0].poll(b), POLLNVAL);
    assert_eq!(errno(pair.0[0].close(b)), Errno::EBADF);
}

#[test]
fn addresses_that_cannot_be_bound() {
    let mut pair = Pair::new();
    let stack = &mut pair.0[0];
    let a = stack.socket(AF_INET, SOCK_DGRAM, 0).unwrap();
    assert_eq!(errno(stack.bind(a, addr("192.0.2.9:80"))), Errno::EADDRNOTAVAIL);
    assert_eq!(errno(stack.bind(a, addr("[::1]:80"))), Errno::EAFNOSUPPORT);
    stack.bind(a, addr("192.0.2.1:80")).unwrap();
    assert_eq!(errno(stack.bind(a, addr("192.0.2.1:81"))), Errno::EINVAL);
    let b = stack.socket(AF_INET6, SOCK_DGRAM, 0).unwrap();
    assert_eq!(errno(stack.bind(b, addr("192.0.2.1:80"))), Errno::EINVAL);
    assert_eq!(errno(stack.bind(b, addr("[2001:db8::9]:80"))), Errno::EADDRNOTAVAIL);
    assert_eq!(errno(stack.bind(b, addr("[::ffff:192.0.2.1]:80"))), Errno::EADDRINUSE);
    assert_eq!(errno(stack.bind(b, addr("[fe80::1]:80"))), Errno::EINVAL);
    assert_eq!(errno(stack.bind(b, addr("[fe80::1%9]:80"))), Errno::ENODEV);
    let tcp = stack.socket(AF_INET6, SOCK_STREAM, 0).unwrap();
    assert_eq!(errno(stack.bind(tcp, addr("[ff05::1]:80"))), Errno::EINVAL);
    assert_eq!(stack.census().bindings, 1);
    for (domain, kind, protocol, expected) in [
        (999, SOCK_STREAM, 0, Errno::EAFNOSUPPORT),
        (AF_INET, SOCK_STREAM, IPPROTO_UDP, Errno::EPROTONOSUPPORT),
        (AF_INET, SOCK_DGRAM, IPPROTO_ICMPV6, Errno::EPROTONOSUPPORT),
        (AF_INET, SOCK_RDM, 0, Errno::ESOCKTNOSUPPORT),
        (AF_INET, 99, 0, Errno::EINVAL),
        (AF_INET, SOCK_STREAM, -1, Errno::EINVAL),
    ] {
        assert_eq!(errno(stack.socket(domain, kind, protocol)), expected);
    }
}

#[test]
fn link_local_addresses_need_an_interface() {
    let mut pair = Pair::new();
    let ll = Mac([2, 0, 0, 0, 0, 2]).link_local();
    let b = pair.udp(1, "[::]:7000");
    let a = pair.0[0].socket(AF_INET6, SOCK_DGRAM, 0).unwrap();
    assert_eq!(errno(pair.connect(0, a, &format!("[{ll}]:7000"))), Errno::EINVAL);
    pair.connect(0, a, &format!("[{ll}%2]:7000")).unwrap();
    pair.send(0, a, b"near", None).unwrap();
    let from = pair.recv(1, b).unwrap().1.from.unwrap();
    let SockAddr::V6(from) = from else { panic!("{from}") };
    assert_eq!((*from.ip(), from.scope_id()), (Mac([2, 0, 0, 0, 0, 1]).link_local(), 2));
    let SockAddr::V6(peer) = pair.0[0].getpeername(a).unwrap() else { panic!() };
    assert_eq!(peer.scope_id(), 2);
}

#[test]
fn loopback_and_oneself() {
    let mut pair = Pair::new();
    for address in ["127.0.0.1:7000", "192.0.2.1:7000", "[::1]:7000"] {
        let a = pair.udp(0, address);
        pair.send(0, a, b"me", Some(address)).unwrap();
        assert_eq!(pair.recv(0, a).unwrap().1.from.unwrap(), addr(address));
        pair.0[0].close(a).unwrap();
    }
    let a = pair.udp(0, "0.0.0.0:7000");
    pair.send(0, a, b"me", Some("0.0.0.0:7000")).unwrap();
    assert_eq!(pair.recv(0, a).unwrap().1.from.unwrap(), addr("127.0.0.1:7000"));
}

#[test]
fn pings_are_answered_to_who_asked() {
    for (domain, protocol, to, request, reply) in [
        (AF_INET, IPPROTO_ICMP, "192.0.2.2:0", 8, 0),
        (AF_INET6, IPPROTO_ICMPV6, "[2001:db8::2]:0", 128, 129),
        (AF_INET, IPPROTO_ICMP, "127.0.0.1:0", 8, 0),
    ] {
        let mut pair = Pair::new();
        let a = pair.0[0].socket(domain, SOCK_DGRAM, protocol).unwrap();
        let b = pair.0[0].socket(domain, SOCK_DGRAM, protocol).unwrap();
        let message = [request, 0, 9, 9, 9, 9, 0, 1, b'h', b'i'];
        for id in [a, b] {
            assert_eq!(pair.send(0, id, &message, Some(to)).unwrap(), 10);
            let (got, received) = pair.recv(0, id).unwrap();
            let ident = pair.0[0].getsockname(id).unwrap().inet().unwrap().port().to_be_bytes();
            assert_eq!((got[0], &got[4..6], &got[6..]), (reply, &ident[..], &message[6..]));
            assert_eq!(received.from.unwrap(), addr(to));
        }
        assert_eq!(errno(pair.recv(0, a)), Errno::EAGAIN);
        assert_eq!(errno(pair.send(0, a, &[reply, 0, 0, 0, 0, 0, 0, 0], Some(to))), Errno::EINVAL);
        assert_eq!(errno(pair.send(0, a, &[request, 0], Some(to))), Errno::EINVAL);
        assert_eq!(errno(pair.send(0, a, &message, None)), Errno::EDESTADDRREQ);
        if domain == AF_INET {
            let mut large = vec![7; 65_515];
            large[..2].copy_from_slice(&[request, 0]);
            pair.send(0, a, &large, Some(to)).unwrap();
            assert_eq!(pair.recv(0, a).unwrap().0.len(), 65_515);
        }
    }
}

#[test]
fn a_ping_hears_that_nobody_is_there() {
    let mut pair = Pair::new();
    let a = pair.0[0].socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP).unwrap();
    pair.set(0, a, SOL_IP, IP_RECVERR, 1);
    pair.send(0, a, &[8, 0, 0, 0, 0, 0, 0, 1], Some("192.0.2.77:0")).unwrap();
    pair.pass(5);
    assert_eq!(errno(pair.recv(0, a)), Errno::EHOSTUNREACH);
    let (data, received) = pair.recv_flags(0, a, MSG_ERRQUEUE, 100).unwrap();
    assert_eq!((data[0], received.from.unwrap()), (8, addr("192.0.2.77:0")));
}

#[test]
fn no_socket_leaves_anything_behind() {
    let mut pair = Pair::new();
    for _ in 0..200 {
        let a = pair.udp(0, "[::]:0");
        pair.send(0, a, b"x", Some("[2001:db8::2]:9")).unwrap();
        pair.0[0].close(a).unwrap();
    }
    let census = pair.0[0].census();
    assert_eq!((census.sockets, census.bindings), (0, 0));
}

proptest::proptest! {
    /// Whatever comes behind an IP header: nothing panics, and nothing wrong is delivered.
    #[test]
    fn hostile_datagrams(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..64), v4: bool) {
        let mut pair = Pair::new();
        let b = pair.udp(1, "[::]:7000");
        let (source, destination) = if v4 { ("192.0.2.1", "192.0.2.2") } else { ("2001:db8::1", "2001:db8::2") };
        for protocol in [17, 1, 58] {
            let head = crate::stack::IpHead {
                flow_label: None,
                source: source.parse().unwrap(),
                destination: destination.parse().unwrap(),
                protocol,
                ttl: 64,
                tos: 0,
                dont_fragment: false,
                ignore_path_mtu: false,
                loop_multicast: false,
            };
            let mut frame = pair.0[0].net.pool.frame(bytes.len());
            frame.bytes_mut().copy_from_slice(&bytes);
            pair.0[0].net.send(frame, head, crate::stack::Hints::default()).unwrap();
            pair.run();
        }
        while let Ok((data, _)) = pair.recv(1, b) {
            proptest::prop_assert!(data.len() + 8 <= bytes.len());
        }
    }
}

#[test]
fn corked_pieces_leave_as_one() {
    let mut pair = Pair::new();
    let a = pair.udp(0, "0.0.0.0:0");
    let b = pair.udp(1, "0.0.0.0:7000");
    pair.set(0, a, SOL_UDP, UDP_CORK, 1);
    for piece in ["one ", "and "] {
        pair.send(0, a, piece.as_bytes(), Some("192.0.2.2:7000")).unwrap();
    }
    assert_eq!(errno(pair.recv(1, b)), Errno::EAGAIN);
    pair.set(0, a, SOL_UDP, UDP_CORK, 0);
    pair.run();
    assert_eq!(pair.recv(1, b).unwrap().0, b"one and ");
    let more = SendTo { to: Some(addr("192.0.2.2:7000")), flags: MSG_MORE, control: &[] };
    pair.0[0].send(a, &[IoSlice::new(&[0; 40_000])], more).unwrap();
    assert_eq!(errno(pair.send(0, a, &[0; 40_000], None)), Errno::EMSGSIZE);
    pair.send(0, a, b"afresh", Some("192.0.2.2:7000")).unwrap();
    assert_eq!(pair.recv(1, b).unwrap().0, b"afresh");
}

#[test]
fn the_error_queue_is_bounded_too() {
    let mut pair = Pair::new();
    let a = pair.udp(0, "0.0.0.0:0");
    pair.set(0, a, SOL_IP, IP_RECVERR, 1);
    pair.set(0, a, SOL_SOCKET, SO_RCVBUF, 4096);
    for _ in 0..50 {
        // Each send may tell the error of the one before, and then does not send.
        let _ = pair.send(0, a, b"lost", Some("127.0.0.1:9"));
    }
    let kept = std::iter::from_fn(|| pair.recv_flags(0, a, MSG_ERRQUEUE, 10).ok()).count();
    assert!((3..15).contains(&kept), "{kept}");
    assert!(pair.count(0, Reason::ErrorQueueFull) > 5);
    assert_eq!(pair.0[0].poll(a), POLLOUT);
}
