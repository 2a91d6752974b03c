//! A peer that knows every number of a connection and means ill: what only an on-path attacker, or a broken stack, can send.

use std::time::Duration;

use super::super::segment::{ACK, FIN, RST, SYN, Segment, Tuple};
use super::wire::{A, B, Wire, is_tcp, pattern};
use crate::base::constants::{POLLIN, SO_RCVBUF, SOL_SOCKET};
use crate::base::{Errno, Frame, IfIndex, SocketId, TcpState};

/// A forged segment's header.
#[derive(Clone, Debug)]
struct Forged {
    seq: u32,
    ack: u32,
    flags: u8,
    window: u16,
    options: Vec<u8>,
}

impl Forged {
    fn new(flags: u8, seq: u32, ack: u32) -> Self {
        Self { seq, ack, flags, window: 1000, options: Vec::new() }
    }

    /// As an Ethernet frame from the peer of B's connection, checksums right.
    fn frame(&self, tuple: &Tuple, payload: &[u8]) -> Frame {
        let mut options = self.options.clone();
        options.truncate(40);
        options.resize(options.len().next_multiple_of(4), 1);
        let (std::net::IpAddr::V4(from), std::net::IpAddr::V4(to)) = (tuple.remote, tuple.local) else {
            panic!("IPv4 alone")
        };
        let mut tcp = Vec::new();
        tcp.extend(tuple.remote_port.to_be_bytes());
        tcp.extend(tuple.local_port.to_be_bytes());
        tcp.extend(self.seq.to_be_bytes());
        tcp.extend(self.ack.to_be_bytes());
        tcp.extend([(((20 + options.len()) / 4) << 4) as u8, self.flags]);
        tcp.extend(self.window.to_be_bytes());
        tcp.extend([0, 0, 0, 7]);
        tcp.extend(options);
        tcp.extend(payload);
        let mut pseudo = [from.octets(), to.octets()].concat();
        pseudo.extend([0, 6]);
        pseudo.extend((tcp.len() as u16).to_be_bytes());
        let check = sum(&[pseudo, tcp.clone()].concat());
        tcp[16..18].copy_from_slice(&check.to_be_bytes());
        let mut head = vec![0x45, 0];
        head.extend(((20 + tcp.len()) as u16).to_be_bytes());
        head.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
        head.extend(from.octets());
        head.extend(to.octets());
        let check = sum(&head);
        head[10..12].copy_from_slice(&check.to_be_bytes());
        let ethernet = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
        Frame::copy_of(&[&ethernet[..], &head, &tcp].concat())
    }
}

/// RFC 1071.
fn sum(bytes: &[u8]) -> u16 {
    let mut sum: u32 =
        bytes.chunks(2).map(|b| u32::from(b[0]) << 8 | b.get(1).copied().map_or(0, u32::from)).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

fn inject(wire: &mut Wire, frame: Frame) {
    let now = wire.now;
    wire.hosts[B].frame_in(now, IfIndex(2), frame);
}

/// From now on A's TCP is mute: whatever B hears, we have said.
fn mute(wire: &mut Wire) {
    wire.tap = Some(Box::new(|host, _, frame| host != A || !is_tcp(frame)));
}

fn tuple(remote_port: u16) -> Tuple {
    let [local, remote] = ["192.0.2.2", "192.0.2.1"].map(|ip| ip.parse().unwrap());
    Tuple { local, local_port: 80, remote, remote_port }
}

/// B listens with this receive buffer; a handshake is forged. The tuple, the peer's next number, B's next number.
fn half_open(wire: &mut Wire, rcvbuf: i32, scale: u8) -> (SocketId, Tuple, u32, u32) {
    mute(wire);
    let listener = wire.listen(B, "192.0.2.2:80", 4);
    wire.hosts[B].setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &rcvbuf.to_ne_bytes()).unwrap();
    let tuple = tuple(4000);
    let syn = Forged { options: vec![3, 3, scale, 1, 2, 4, 5, 0xb4], ..Forged::new(SYN, 999, 0) };
    inject(wire, syn.frame(&tuple, &[]));
    let isn = wire.hosts[B].tcp.half_open.get_mut(&tuple).unwrap().isn;
    (listener, tuple, 1000, isn.wrapping_add(1))
}

#[test]
fn data_beyond_a_ring_of_an_odd_size_is_not_taken() {
    for rcvbuf in [33_000, 40_000, 70_000, 150_001, 300_000] {
        let mut wire = Wire::new();
        let (listener, tuple, next, ours) = half_open(&mut wire, rcvbuf, 7);
        // As far behind as the SYN|ACK's window field, scaled, could ever mean.
        for ahead in (0..600_000).step_by(700).rev() {
            let segment = Forged::new(ACK, next.wrapping_add(ahead), ours);
            inject(&mut wire, segment.frame(&tuple, &[b'x'; 1400]));
        }
        for at in (0..700_000).step_by(1400) {
            inject(&mut wire, Forged::new(ACK, next.wrapping_add(at), ours).frame(&tuple, &[b'y'; 1400]));
        }
        let server = wire.accept(B, listener);
        assert!(!wire.recv(B, server, 100_000).unwrap().is_empty());
        wire.millis(1000);
    }
}

#[test]
fn a_final_ack_before_the_window_opens_nothing() {
    let mut wire = Wire::new();
    let (listener, tuple, next, ours) = half_open(&mut wire, 100_000, 7);
    // One byte in the place of the SYN: nothing of it is in the window.
    inject(&mut wire, Forged::new(ACK, next.wrapping_sub(1), ours).frame(&tuple, b"x"));
    assert_eq!(wire.hosts[B].poll(listener) & POLLIN, 0);
    inject(&mut wire, Forged::new(ACK | FIN, next.wrapping_sub(1), ours).frame(&tuple, b"x"));
    assert_eq!(wire.hosts[B].poll(listener) & POLLIN, 0);
    inject(&mut wire, Forged::new(ACK, next, ours).frame(&tuple, b""));
    let server = wire.accept(B, listener);
    assert_eq!(wire.hosts[B].tcp_flow(server).unwrap().state(), TcpState::Established);
    inject(&mut wire, Forged::new(RST, next, 0).frame(&tuple, b""));
    assert_eq!(Wire::errno(wire.recv(B, server, 1)), Errno::ECONNRESET);
}

#[test]
fn a_fin_behind_more_than_the_window_waits_for_what_was_cut() {
    let mut wire = Wire::new();
    let (listener, tuple, next, ours) = half_open(&mut wire, 131_072, 7);
    inject(&mut wire, Forged::new(ACK, next, ours).frame(&tuple, b""));
    let server = wire.accept(B, listener);
    let ring = wire.hosts[B].tcp_flow(server).unwrap().settings.rings.receive;
    // All but 101 bytes of the ring are full: a window that its scale can't say to the byte.
    let data = pattern(ring);
    let mut at = 0;
    while at < ring - 101 {
        let len = (ring - 101 - at).min(1400);
        let segment = Forged::new(ACK, next.wrapping_add(at as u32), ours);
        inject(&mut wire, segment.frame(&tuple, &data[at..at + len]));
        at += len;
        wire.millis(20);
    }
    // What the ring holds and more, in one segment with FIN: the peer was told more before.
    let rest = Forged::new(ACK | FIN, next.wrapping_add(at as u32), ours);
    inject(&mut wire, rest.frame(&tuple, &data[at..]));
    wire.millis(20);
    let mut got = wire.recv(B, server, 2 * ring).unwrap();
    wire.millis(20);
    // It comes again, as the peer's retransmission.
    inject(&mut wire, rest.frame(&tuple, &data[at..]));
    wire.millis(20);
    got.extend(wire.recv(B, server, ring).unwrap_or_default());
    assert_eq!((got.len(), got == data), (data.len(), true));
    assert!(wire.recv(B, server, 1).unwrap().is_empty(), "the end");
}

#[test]
fn a_window_that_stays_closed_behind_the_fin_is_not_probed_for_ever() {
    let mut wire = Wire::new();
    let (listener, tuple, next, ours) = half_open(&mut wire, 100_000, 7);
    let closed = |ack| Forged { window: 0, ..Forged::new(ACK, next, ack) };
    inject(&mut wire, closed(ours).frame(&tuple, b""));
    let server = wire.accept(B, listener);
    wire.send(B, server, b"x").unwrap();
    inject(&mut wire, closed(ours).frame(&tuple, b""));
    wire.hosts[B].shutdown(server, crate::base::constants::SHUT_WR).unwrap();
    // The probe takes the byte and the FIN along; both are acknowledged, the window stays closed.
    wire.millis(5000);
    inject(&mut wire, closed(ours.wrapping_add(2)).frame(&tuple, b""));
    assert_eq!(wire.hosts[B].tcp_flow(server).unwrap().state(), TcpState::FinWait2);
    let before = wire.frames;
    wire.run_for(Duration::from_secs(100));
    assert!(wire.frames - before < 100, "{} frames", wire.frames - before);
}

#[test]
fn a_window_that_closes_over_data_in_flight_is_probed() {
    let mut wire = Wire::new();
    let (listener, tuple, next, ours) = half_open(&mut wire, 100_000, 7);
    inject(&mut wire, Forged::new(ACK, next, ours).frame(&tuple, b""));
    let server = wire.accept(B, listener);
    wire.send(B, server, &pattern(3000)).unwrap();
    let closed = Forged { window: 0, ..Forged::new(ACK, next, ours) };
    inject(&mut wire, closed.frame(&tuple, b""));
    wire.run_for(Duration::from_secs(5));
    let before = wire.frames;
    // The update that opened the window was lost: only a probe finds out.
    wire.run_for(Duration::from_secs(100));
    let probes = wire.frames - before;
    assert!((1..100).contains(&probes), "{probes} probes");
    wire.close(B, server);
    wire.run_for(Duration::from_secs(2000));
    assert_eq!(wire.hosts[B].census().flows, 0);
}

/// Numbers that have a meaning somewhere, and noise.
fn odd(wire: &mut Wire, near: u32) -> u32 {
    let dice = wire.dice();
    let noise = (dice >> 32) as u32;
    near.wrapping_add(match dice % 16 {
        0..4 => 0,
        4 => 1,
        5 => u32::MAX,
        6 => 1460,
        7 => 65_535,
        8 => 262_140,
        9 => 1 << 31,
        10 => (1 << 31) - 1,
        11 => (1 << 31) + 1,
        12 => noise % 300_000,
        13 => (noise % 300_000).wrapping_neg(),
        14 => noise,
        _ => noise % 3000,
    })
}

fn options(wire: &mut Wire) -> Vec<u8> {
    const KNOWN: [&[u8]; 14] = [
        &[2, 4, 0, 0],
        &[2, 4, 0, 1],
        &[2, 4, 255, 255],
        &[2, 3, 5],
        &[2, 0],
        &[3, 3, 14],
        &[3, 3, 15],
        &[3, 3, 255],
        &[4, 2],
        &[5, 10, 0, 0, 0, 1, 255, 255, 255, 255],
        &[8, 10, 255, 255, 255, 255, 0, 0, 0, 0],
        &[34, 2],
        &[253, 1],
        &[5, 255],
    ];
    let mut options = Vec::new();
    for _ in 0..wire.dice() % 4 {
        options.extend(KNOWN[(wire.dice() % KNOWN.len() as u64) as usize]);
    }
    options
}

fn storm(seed: u64) {
    let mut wire = Wire::with(|config| config.max_syn_backlog = 8);
    for _ in 0..seed {
        wire.dice();
    }
    let listener = wire.listen(B, "192.0.2.2:80", 3);
    if wire.dice().is_multiple_of(2) {
        let size = (wire.dice() % 600_000) as i32;
        wire.hosts[B].setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &size.to_ne_bytes()).unwrap();
    }
    mute(&mut wire);
    let mut sockets: Vec<SocketId> = Vec::new();
    for _ in 0..300 {
        let tuple = tuple(4000 + (wire.dice() % 3) as u16);
        // An active open now and then, towards the same stranger.
        if wire.dice().is_multiple_of(40) {
            let id = wire.socket(B);
            let to: std::net::SocketAddr = format!("192.0.2.1:{}", tuple.remote_port).parse().unwrap();
            let from: std::net::SocketAddr = "192.0.2.2:80".parse().unwrap();
            let _ = wire.hosts[B].setsockopt(
                id,
                SOL_SOCKET,
                crate::base::constants::SO_REUSEADDR,
                &1i32.to_ne_bytes(),
            );
            let _ = (wire.hosts[B].bind(id, from.into()), wire.hosts[B].connect(id, to.into()));
            sockets.push(id);
        }
        while let Ok((id, ..)) = wire.hosts[B].accept(listener) {
            sockets.push(id);
        }
        if let Some(at) = (!sockets.is_empty()).then(|| wire.dice() as usize % sockets.len()) {
            let id = sockets[at];
            match wire.dice() % 30 {
                0 => drop(wire.hosts[B].shutdown(id, (seed % 3) as i32)),
                1 => {
                    wire.close(B, id);
                    sockets.swap_remove(at);
                }
                2..5 => drop(wire.send(B, id, &pattern(5000))),
                5 => drop(wire.send(B, id, &pattern(300_000))),
                6..9 => drop(wire.recv(B, id, 100_000)),
                _ => {}
            }
        }
        let flow = wire.hosts[B].tcp.flows.find(&tuple).and_then(|id| wire.hosts[B].tcp.flows.get(id));
        let flow = flow.map(|flow| (flow.rcv_nxt(), flow.seen.snd_una, flow.seen.snd_max));
        let half = wire.hosts[B].tcp.half_open.get_mut(&tuple).map(|half| (half.irs, half.isn));
        let sides = match (flow, half) {
            (Some((next, una, max)), _) => {
                Some((next, if wire.dice().is_multiple_of(2) { una } else { max }))
            }
            (_, Some((irs, isn))) => Some((irs.wrapping_add(1), isn.wrapping_add(1))),
            _ => None,
        };
        let flags = match (sides, wire.dice() % 16) {
            (None, 0..12) => SYN,
            (_, 0..9) => ACK,
            (_, 9) => ACK | FIN,
            (_, 10) => ACK | SYN,
            (_, 11) if wire.dice().is_multiple_of(4) => RST,
            (_, 12) => ACK | 0x20 | 8,
            (_, 13) => SYN,
            _ => wire.dice() as u8 & !RST,
        };
        let (seq, ack) = sides.unwrap_or((77, 0));
        let window = [0, 1, 65_535, wire.dice() as u16][(wire.dice() % 4) as usize];
        let forged = Forged {
            seq: odd(&mut wire, seq),
            ack: odd(&mut wire, ack),
            flags,
            window,
            options: options(&mut wire),
        };
        let len = [0, 0, 1, 100, 1460, 9000, 64_000][(wire.dice() % 7) as usize];
        inject(&mut wire, forged.frame(&tuple, &vec![7; len]));
        match wire.dice() % 20 {
            0 => wire.millis(1000),
            1 => wire.run_for(Duration::from_secs(100)),
            2..10 => wire.millis(5),
            _ => {}
        }
        for (slot, id) in sockets.iter().enumerate() {
            if let Some(flow) = wire.hosts[B].tcp_flow(*id) {
                let listens = flow.state() == TcpState::Listen && !flow.dead;
                assert!(!listens, "seed {seed}: socket {slot} listens: {flow:?}");
            }
        }
    }
    for id in sockets {
        wire.close(B, id);
    }
    wire.close(B, listener);
    wire.run_for(Duration::from_secs(2000));
    let census = wire.hosts[B].census();
    assert_eq!(
        (census.flows, census.half_open, census.time_wait, census.bindings),
        (0, 0, 0, 0),
        "seed {seed}"
    );
}

#[test]
fn a_storm_of_forged_segments_leaves_nothing_behind() {
    let seeds = std::env::var("STORMS").ok().and_then(|n| n.parse().ok()).unwrap_or(40);
    let first = std::env::var("STORM").ok().and_then(|n| n.parse().ok()).unwrap_or(0);
    for seed in first..first + seeds {
        storm(seed);
    }
}

/// Changes bytes here and there, and makes the checksums right that would give it away.
fn mutate(wire: &mut Wire, bytes: &mut Vec<u8>) {
    for _ in 0..1 + wire.dice() % 4 {
        let at = 14 + (wire.dice() % (bytes.len() as u64 - 14).min(90)) as usize;
        let dice = wire.dice();
        let Some(byte) = bytes.get_mut(at) else { continue };
        *byte = match dice % 4 {
            0 => (dice >> 8) as u8,
            1 => byte.wrapping_add(1),
            2 => [0, 0xff, 0x7f, 0x80][(dice >> 8) as usize % 4],
            _ => *byte ^ 1 << (dice >> 8 & 7),
        };
    }
    match wire.dice() % 12 {
        0 => bytes.truncate(14 + (wire.dice() % 80) as usize),
        1 => bytes.extend([0; 30]),
        _ => {}
    }
    if bytes.get(12..14) == Some(&[8, 0]) && bytes.len() >= 34 {
        let header = (usize::from(bytes[14] & 15) * 4).clamp(20, bytes.len() - 14);
        bytes[24..26].fill(0);
        let check = sum(&bytes[14..14 + header]);
        bytes[24..26].copy_from_slice(&check.to_be_bytes());
        if matches!(bytes[23], 1 | 2) && bytes.len() >= 14 + header + 4 {
            bytes[16 + header..18 + header].fill(0);
            let check = sum(&bytes[14 + header..]);
            bytes[16 + header..18 + header].copy_from_slice(&check.to_be_bytes());
        }
    } else if bytes.get(12..14) == Some(&[0x86, 0xdd]) && bytes.len() >= 58 && bytes[20] == 58 {
        bytes[56..58].fill(0);
        let mut pseudo = bytes[22..54].to_vec();
        pseudo.extend(((bytes.len() - 54) as u32).to_be_bytes());
        pseudo.extend([0, 0, 0, 58]);
        let check = sum(&[&pseudo, &bytes[54..]].concat());
        bytes[56..58].copy_from_slice(&check.to_be_bytes());
    }
}

/// True traffic of every protocol, and its mutations: both hosts survive, and nothing stays that should not.
#[test]
fn mutations_of_true_traffic_are_survived() {
    use crate::base::constants::{AF_INET, AF_INET6, SOCK_DGRAM, SOCK_STREAM};
    use crate::stack::SendTo;
    use std::io::{IoSlice, IoSliceMut};
    use std::sync::{Arc, Mutex};
    let rounds = std::env::var("STORMS").ok().and_then(|n| n.parse().ok()).unwrap_or(20);
    for seed in 0..rounds {
        let mut wire =
            Wire::with(|config| (config.forward, config.forward6) = (seed % 2 == 0, seed % 2 == 0));
        (0..seed).for_each(|_| _ = wire.dice());
        let seen: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let tape = seen.clone();
        wire.tap = Some(Box::new(move |_, _, frame| {
            let mut tape = tape.lock().unwrap();
            if tape.len() < 300 {
                tape.push(frame.bytes().to_vec());
            }
            true
        }));
        let mut sockets = Vec::new();
        for (family, address) in [(AF_INET, "192.0.2.2"), (AF_INET6, "[2001:db8::2]")] {
            let to: std::net::SocketAddr = format!("{address}:80").parse().unwrap();
            let listener = wire.listen(B, &to.to_string(), 4);
            let client = wire.connect(A, &to.to_string());
            let server = wire.accept(B, listener);
            let udp = wire.hosts[B].socket(family, SOCK_DGRAM, 0).unwrap();
            wire.hosts[B].bind(udp, to.into()).unwrap();
            let asker = wire.hosts[A].socket(family, SOCK_DGRAM, 0).unwrap();
            wire.hosts[A].connect(asker, to.into()).unwrap();
            let ping =
                wire.hosts[A].socket(family, SOCK_DGRAM, if family == AF_INET { 1 } else { 58 }).unwrap();
            wire.hosts[A].connect(ping, to.into()).unwrap();
            let echo = [if family == AF_INET { 8 } else { 128 }, 0, 0, 0, 0, 0, 0, 1];
            for n in 0..6 {
                let _ = wire.send(A, client, &pattern(n * 1000));
                let _ = wire.send(B, server, &pattern(3000));
                let _ = (wire.send(A, asker, &pattern(n * 900)), wire.send(A, ping, &echo));
                let _ = wire.hosts[B].send(
                    udp,
                    &[IoSlice::new(b"to nobody")],
                    SendTo { to: wire.hosts[A].getsockname(asker).ok(), ..SendTo::default() },
                );
                wire.millis(300);
            }
            sockets.extend([(A, client), (B, server), (B, listener), (B, udp), (A, asker), (A, ping)]);
            let unused = wire.hosts[A].socket(family, SOCK_STREAM, 0).unwrap();
            sockets.push((A, unused));
        }
        let true_frames = seen.lock().unwrap().clone();
        for n in 0..4000 {
            let mut bytes = true_frames[(wire.dice() % true_frames.len() as u64) as usize].clone();
            mutate(&mut wire, &mut bytes);
            let host = usize::from(bytes.get(5) != Some(&1));
            let mut frame = Frame::copy_of(&bytes);
            frame.checksum = crate::base::Checksum::Valid;
            let now = wire.now;
            wire.hosts[host].frame_in(now, IfIndex(2), frame);
            if n % 40 == 0 {
                wire.millis(50);
                let (host, id) = sockets[(wire.dice() % sockets.len() as u64) as usize];
                let mut buffer = [0; 5000];
                let _ =
                    wire.hosts[host].recv(id, &mut [IoSliceMut::new(&mut buffer)], (n % 80) / 40 * 0x2000);
                let _ = wire.send(host, id, &pattern(2000));
            }
        }
        for (host, id) in sockets {
            wire.close(host, id);
        }
        wire.run_for(Duration::from_secs(3000));
        for host in &wire.hosts {
            let census = host.census();
            assert_eq!(
                (census.sockets, census.flows, census.half_open, census.time_wait),
                (0, 0, 0, 0),
                "{seed}"
            );
        }
    }
}

#[test]
fn the_forger_forges_well() {
    let frame = Forged::new(ACK, 1, 2).frame(&tuple(9), b"abc");
    let segment = Segment::parse(&frame.bytes()[34..]).unwrap();
    assert_eq!((segment.seq, segment.ack, segment.payload), (1, 2, 3));
}
