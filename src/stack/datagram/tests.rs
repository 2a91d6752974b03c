//! UDP and ping sockets of two hosts on a wire, in virtual time.

use std::io::{IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::base::constants::*;
use crate::base::{ControlMessage, Errno, IfIndex, Instant, Mac, Reason, Result, SockAddr, SocketId};
use crate::stack::{Config, InterfaceConfig, Received, SendTo, Stack};

/// Two hosts, `.0` = 192.0.2.1 and 2001:db8::1, `.1` = 192.0.2.2 and 2001:db8::2, on interface 2.
struct Pair([Stack; 2]);

const WIRE: IfIndex = IfIndex(2);

impl Pair {
    fn new() -> Self {
        let hosts = [1, 2].map(|n| {
            let config = Config { dad_transmits: 0, secret: [n; 16], ..Config::default() };
            let mut stack = Stack::new(config);
            stack.at(Instant::from_secs(1));
            let addresses =
                [format!("192.0.2.{n}/24"), format!("2001:db8::{n}/64")].map(|a| a.parse().unwrap());
            let interface = InterfaceConfig {
                name: "eth0".into(),
                mac: Mac([2, 0, 0, 0, 0, n]),
                mtu: 1500,
                addresses: addresses.to_vec(),
                ipv6: true,
            };
            assert_eq!(stack.net.add_interface(interface).unwrap(), WIRE);
            stack
        });
        let mut pair = Self(hosts);
        pair.run();
        pair
    }

    /// Carries frames until there are none.
    fn run(&mut self) {
        for _ in 0..10_000 {
            let mut moved = false;
            for from in 0..2 {
                while let Some((interface, frame)) = self.0[from].frame_out() {
                    let to = if interface == IfIndex::LO { from } else { 1 - from };
                    let now = self.0[from].net.now;
                    self.0[to].frame_in(now, interface, frame);
                    moved = true;
                }
            }
            if !moved {
                return;
            }
        }
        panic!("the frames never end");
    }

    /// Lets time pass, a second at a time.
    fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            for host in &mut self.0 {
                let now = host.net.now + Duration::from_secs(1);
                host.tick(now);
            }
            self.run();
        }
    }

    fn udp(&mut self, host: usize, address: &str) -> SocketId {
        let address: SocketAddr = address.parse().unwrap();
        let domain = if address.is_ipv4() { AF_INET } else { AF_INET6 };
        let id = self.0[host].socket(domain, SOCK_DGRAM, 0).unwrap();
        self.0[host].bind(id, address.into()).unwrap();
        id
    }

    fn set(&mut self, host: usize, id: SocketId, level: i32, name: i32, value: i32) {
        self.0[host].setsockopt(id, level, name, &value.to_ne_bytes()).unwrap();
    }

    fn connect(&mut self, host: usize, id: SocketId, to: &str) -> Result<()> {
        self.0[host].connect(id, addr(to))
    }

    fn send(&mut self, host: usize, id: SocketId, data: &[u8], to: Option<&str>) -> Result<usize> {
        self.send_with(host, id, data, to, &[])
    }

    fn send_with(
        &mut self,
        host: usize,
        id: SocketId,
        data: &[u8],
        to: Option<&str>,
        control: &[ControlMessage],
    ) -> Result<usize> {
        let how = SendTo { to: to.map(addr), flags: 0, control };
        let result = self.0[host].send(id, &[IoSlice::new(data)], how);
        self.run();
        result
    }

    fn recv(&mut self, host: usize, id: SocketId) -> Result<(Vec<u8>, Received)> {
        self.recv_flags(host, id, MSG_DONTWAIT, 65_536)
    }

    fn recv_flags(
        &mut self,
        host: usize,
        id: SocketId,
        flags: i32,
        room: usize,
    ) -> Result<(Vec<u8>, Received)> {
        let mut buffer = vec![0; room];
        let received = self.0[host].recv(id, &mut [IoSliceMut::new(&mut buffer)], flags)?;
        buffer.truncate(received.len);
        Ok((buffer, received))
    }

    fn count(&self, host: usize, reason: Reason) -> u64 {
        self.0[host].net.log.count(reason)
    }
}

fn addr(text: &str) -> SockAddr {
    text.parse::<SocketAddr>().unwrap().into()
}

fn errno<T: std::fmt::Debug>(result: Result<T>) -> Errno {
    result.unwrap_err().errno()
}

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
        (AF_UNIX, SOCK_STREAM, 0, Errno::EAFNOSUPPORT),
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
