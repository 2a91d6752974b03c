//! Segments that are not what they seem.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;

use proptest::prelude::*;

use super::super::segment::{Bare, Flag, Segment, Tuple};
use super::wire::{A, B, Wire, is_tcp, pattern};
use crate::base::{Errno, Frame, Pool, Reason, SocketId};
use crate::stack::{Cast, Datagram, NetError};

/// Gives a host a TCP packet as if ip/ had taken it from the wire.
fn inject(wire: &mut Wire, host: usize, frame: Frame, from: IpAddr, to: IpAddr) {
    let header = Segment::offset(frame.bytes());
    let datagram = Datagram {
        fragment_size: None,
        header,
        frame,
        source: from,
        destination: to,
        protocol: 6,
        ttl: 64,
        tos: 0,
        interface: crate::base::IfIndex(2),
        cast: Cast::Unicast,
    };
    wire.hosts[host].at(wire.now);
    wire.hosts[host].tcp_input(datagram);
}

/// The peer's view of A's connection: a bare segment from B to A.
pub(super) fn forge(wire: &mut Wire, client: SocketId, make: impl FnOnce(u32, u32) -> Bare) {
    let flow = wire.hosts[A].tcp_flow(client).unwrap();
    let (tuple, next, una) = (flow.tuple, flow.rcv_nxt(), flow.seen.snd_una);
    let frame = make(next, una).as_if_from_remote(&tuple, &Pool::new());
    inject(wire, A, frame, tuple.remote, tuple.local);
}

#[test]
fn a_reset_counts_only_with_the_exact_number() {
    let mut wire = Wire::new();
    let (client, server) = wire.pair();
    forge(&mut wire, client, |next, _| Bare {
        seq: next.wrapping_add(1),
        ack: None,
        window: 0,
        flag: Flag::Rst,
    });
    forge(&mut wire, client, |next, _| Bare {
        seq: next.wrapping_sub(1),
        ack: None,
        window: 0,
        flag: Flag::Rst,
    });
    assert_eq!(wire.hosts[A].net.log.count(Reason::TcpChallengeAck), 1);
    assert_eq!(wire.hosts[A].net.log.count(Reason::TcpRstOutOfWindow), 1);
    wire.transfer((B, server), (A, client), &pattern(5000), std::time::Duration::from_secs(5));
    forge(&mut wire, client, |next, _| Bare { seq: next, ack: None, window: 0, flag: Flag::Rst });
    assert_eq!(wire.error(A, client), Some(Errno::ECONNRESET));
}

#[test]
fn an_acknowledgement_of_what_was_not_sent_is_not_believed() {
    let mut wire = Wire::new();
    let (client, server) = wire.pair();
    forge(&mut wire, client, |next, una| Bare {
        seq: next,
        ack: Some(una.wrapping_add(1000)),
        window: 500,
        flag: Flag::None,
    });
    assert_eq!(wire.hosts[A].net.log.count(Reason::TcpChallengeAck), 1);
    wire.transfer((A, client), (B, server), &pattern(100_000), std::time::Duration::from_secs(5));
}

#[test]
fn a_flood_of_syns_is_bounded() {
    let mut wire = Wire::with(|config| config.max_syn_backlog = 64);
    let listener = wire.listen(B, "192.0.2.2:80", 1000);
    for n in 0..1000u16 {
        let [local, remote] = ["192.0.2.2", "192.0.2.77"].map(|ip| ip.parse().unwrap());
        let syn = syn(&Tuple { local, local_port: 80, remote, remote_port: 1000 + n });
        inject(&mut wire, B, syn, remote, local);
    }
    assert_eq!(wire.hosts[B].census().half_open, 64);
    // Who is there gets in all the same.
    let client = wire.connect(A, "192.0.2.2:80");
    let _ = (wire.accept(B, listener), client);
    wire.run_for(std::time::Duration::from_secs(200));
    assert_eq!(wire.hosts[B].census().half_open, 0);
}

/// RFC 9293 3.10.7.1 and 3.10.7.2: what a closed port and a listener say to each kind of segment. A scanner lives on it.
#[test]
fn resets_are_those_that_the_rfc_asks_for() {
    use super::super::segment::{ACK, FIN, RST, SYN};
    const PSH_URG: u8 = 0x28;
    for (port, flags, answer) in [
        (80, FIN | PSH_URG, None),
        (80, 0, None),
        (80, SYN | FIN, None),
        (80, RST, None),
        (80, ACK, Some((RST, 9, 0))),
        (81, FIN | PSH_URG, Some((RST | ACK, 0, 2))),
        (81, 0, Some((RST | ACK, 0, 1))),
        (81, SYN | FIN, Some((RST | ACK, 0, 3))),
        (81, ACK | FIN, Some((RST, 9, 0))),
        (81, RST | ACK, None),
    ] {
        let mut wire = Wire::new();
        wire.listen(B, "192.0.2.2:80", 5);
        let heard = Rc::new(RefCell::new(None));
        let hears = heard.clone();
        wire.tap = Some(Box::new(move |host, _, frame| {
            let tcp = host == B && is_tcp(frame);
            if tcp {
                let segment = Segment::parse(&frame.bytes()[14 + 20..]).unwrap();
                *hears.borrow_mut() = Some((segment.flags, segment.seq, segment.ack));
            }
            !tcp
        }));
        let [local, remote] = ["192.0.2.2", "192.0.2.1"].map(|ip| ip.parse().unwrap());
        let tuple = Tuple { local, local_port: port, remote, remote_port: 1000 };
        inject(&mut wire, B, bare(&tuple, 1, 9, flags), remote, local);
        wire.run_for(std::time::Duration::from_millis(100));
        assert_eq!(*heard.borrow(), answer, "port {port}, flags {flags:#04x}");
    }
}

fn syn(tuple: &Tuple) -> Frame {
    bare(tuple, 1, 0, super::super::segment::SYN)
}

fn bare(tuple: &Tuple, seq: u32, ack: u32, flags: u8) -> Frame {
    let mut frame =
        Bare { seq, ack: Some(ack), window: 1000, flag: Flag::None }.as_if_from_remote(tuple, &Pool::new());
    let offset = Segment::offset(frame.bytes());
    frame.bytes_mut()[offset + 13] = flags;
    frame.checksum = crate::base::Checksum::Valid;
    frame
}

fn too_big(wire: &Wire, client: SocketId, seq: u32, mtu: u32) -> NetError {
    let tuple = wire.hosts[A].tcp_flow(client).unwrap().tuple;
    let mut quoted = Vec::new();
    quoted.extend(tuple.local_port.to_be_bytes());
    quoted.extend(tuple.remote_port.to_be_bytes());
    quoted.extend(seq.to_be_bytes());
    NetError {
        errno: Errno::EMSGSIZE,
        reason: Reason::IcmpFragmentationNeeded,
        source: tuple.local,
        destination: tuple.remote,
        protocol: 6,
        header: Vec::new(),
        quoted,
        origin: 2,
        kind: 3,
        code: 4,
        info: mtu,
        offender: None,
        interface: None,
        hard: false,
    }
}

#[test]
fn an_mtu_of_twenty_harms_nobody_and_a_true_one_helps() {
    let mut wire = Wire::new();
    let (client, server) = wire.pair();
    // Packets over 1000 bytes do not pass.
    wire.tap = Some(Box::new(|_, _, frame| frame.len() <= 1000 + 14));
    wire.send(A, client, &pattern(20_000)).unwrap();
    let una = wire.hosts[A].tcp_flow(client).unwrap().seen.snd_una;
    let stale = too_big(&wire, client, una.wrapping_sub(5000), 20);
    wire.hosts[A].tcp_error(&stale);
    assert_eq!(wire.hosts[A].tcp_flow(client).unwrap().path_mtu, 1500);
    assert_eq!(wire.hosts[A].net.log.count(Reason::IcmpNotOurs), 1);
    let error = too_big(&wire, client, una, 1000);
    wire.hosts[A].tcp_error(&error);
    let mut got = Vec::new();
    wire.run_until(std::time::Duration::from_secs(3), |wire| {
        got.extend(wire.recv(B, server, 65_536).unwrap_or_default());
        got.len() == 20_000
    });
    assert_eq!(got.len(), 20_000);
    let error = too_big(&wire, client, una, 20);
    wire.hosts[A].tcp_error(&error);
    assert!(wire.hosts[A].tcp_flow(client).unwrap().path_mtu >= 552);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// Any header, at a listener, at a connection (near its numbers and far from them), and at nothing.
    #[test]
    fn no_header_makes_a_panic(
        segments in prop::collection::vec(
            (0u8..3, -70_000i64..70_000, -70_000i64..70_000, any::<u16>(), any::<u8>(),
             prop::collection::vec(any::<u8>(), 0..60), 5u8..16),
            1..40,
        )
    ) {
        let mut wire = Wire::new();
        wire.listen(B, "192.0.2.2:81", 2);
        let (client, server) = wire.pair();
        wire.send(B, server, &pattern(3000)).unwrap();
        let flow = wire.hosts[B].tcp_flow(server).unwrap();
        let (tuple, next, una) = (flow.tuple, flow.rcv_nxt(), flow.seen.snd_una);
        for (target, seq, ack, window, flags, tail, offset) in segments {
            // The program does something now and then.
            match window % 23 {
                0 => drop(wire.hosts[B].shutdown(server, i32::from(window) % 3)),
                1 if wire.hosts[B].sockets.get(server).is_ok() => wire.close(B, server),
                2 => drop(wire.send(B, server, &tail)),
                3 => drop(wire.recv(B, server, 100)),
                4 => drop(wire.send(A, client, &tail)),
                5 => drop(wire.hosts[A].connect(client, "192.0.2.2:81".parse::<std::net::SocketAddr>().unwrap().into())),
                6 => drop(wire.connect(A, "192.0.2.2:81")),
                _ => {}
            }
            let tuple = Tuple { local_port: [80, 81, 82][usize::from(target)], ..tuple };
            let bare = Bare {
                seq: next.wrapping_add(seq as u32),
                ack: Some(una.wrapping_add(ack as u32)),
                window,
                flag: Flag::None,
            };
            let mut frame = bare.as_if_from_remote(&tuple, &Pool::new());
            frame.extend(&tail);
            let len = frame.len();
            let bytes = frame.bytes_mut();
            bytes[2..4].copy_from_slice(&(len as u16).to_be_bytes());
            bytes[20 + 12] = offset << 4;
            bytes[20 + 13] = flags;
            frame.checksum = crate::base::Checksum::Valid;
            inject(&mut wire, B, frame, tuple.remote, tuple.local);
            wire.millis(1);
        }
        wire.run_for(std::time::Duration::from_secs(300));
    }
}
