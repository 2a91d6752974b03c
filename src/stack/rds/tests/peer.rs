//! A peer that is no RDS host: TCP and headers written by hand, as net/rds/rds.h lays them out. What it gets is judged byte by byte;
//! what it sends may be anything.

use super::*;
use crate::base::Reason;
use crate::base::constants::*;

/// The peer on A, which has the smaller address: it connects to B.
struct Peer {
    wire: Wire,
    stream: SocketId,
    rds: SocketId,
}

/// A message: header and data.
fn message(sequence: u64, source: u16, destination: u16, flags: u8, data: &[u8]) -> Vec<u8> {
    let mut bytes = sequence.to_be_bytes().to_vec();
    bytes.extend([0; 8]);
    bytes.extend((data.len() as u32).to_be_bytes());
    bytes.extend(source.to_be_bytes());
    bytes.extend(destination.to_be_bytes());
    bytes.push(flags);
    bytes.resize(48, 0);
    bytes.extend(data);
    bytes
}

impl Peer {
    fn new() -> Self {
        let mut wire = Wire::new();
        let rds = bound(&mut wire.hosts[B], "192.0.2.2:4000");
        let stream = wire.connect(A, "192.0.2.2:16385");
        wire.run_for(SECOND);
        let mut peer = Self { wire, stream, rds };
        // rds_connect_path_complete: the map comes first.
        assert_eq!(peer.read(), message(0, 0, 0, 1, &[0; 8192]));
        peer
    }

    fn read(&mut self) -> Vec<u8> {
        self.wire.run_for(SECOND);
        let mut all = Vec::new();
        while let Ok(bytes) = self.wire.recv(A, self.stream, 65_536)
            && !bytes.is_empty()
        {
            all.extend(bytes);
            self.wire.run_for(SECOND);
        }
        all
    }

    fn write(&mut self, bytes: &[u8]) {
        assert_eq!(self.wire.send(A, self.stream, bytes).unwrap(), bytes.len());
        self.wire.run_for(SECOND);
    }

    fn got(&mut self) -> Vec<Vec<u8>> {
        let all = std::iter::from_fn(|| recv(&mut self.wire.hosts[B], self.rds, 0).ok());
        all.map(|(data, _)| data).collect()
    }

    /// B has ended the connection.
    fn is_cut(&self) -> bool {
        self.wire.hosts[A].poll(self.stream) & (POLLHUP | POLLRDHUP | POLLERR) != 0
    }
}

#[test]
fn the_bytes_on_the_wire() {
    let mut peer = Peer::new();
    send(&mut peer.wire.hosts[B], peer.rds, b"hello", "192.0.2.1:5000").unwrap();
    send(&mut peer.wire.hosts[B], peer.rds, b"", "192.0.2.1:5001").unwrap();
    let wanted = [message(1, 4000, 5000, 0, b"hello"), message(2, 4000, 5001, 0, b"")].concat();
    assert_eq!(peer.read(), wanted);
    // Byte by byte, and several at once.
    for byte in message(1, 5000, 4000, 0, b"slow") {
        peer.wire.send(A, peer.stream, &[byte]).unwrap();
    }
    peer.write(&[message(2, 5000, 4000, 0, b"two"), message(3, 5000, 4000, 0, b"three")].concat());
    assert_eq!(peer.got(), [&b"slow"[..], b"two", b"three"]);
    // rds_send_pong; a probe of a kernel with eight paths is answered by a host with one and its generation.
    peer.write(&message(4, 77, 0, 0, b""));
    assert_eq!(peer.read(), message(3, 0, 77, 0, b""));
    let mut probe = message(5, 1, 0, 0, b"");
    probe[32..40].copy_from_slice(&[5, 0, 8, 6, 1, 2, 3, 4]);
    peer.write(&probe);
    let pong = peer.read();
    assert_eq!((&pong[..32], pong[32]), (&message(4, 0, 1, 0, b"")[..32], 6));
    assert!(pong[33..37] != [0; 4] && pong[37..] == [0; 11]);
    // "ignore ping with 0 sport"
    peer.write(&message(6, 0, 0, 0, b""));
    assert_eq!(peer.read(), b"");
}

#[test]
fn congestion_maps_on_the_wire() {
    let mut peer = Peer::new();
    buffers(&mut peer.wire.hosts[B], peer.rds, 5000);
    peer.write(&message(1, 9, 4000, 0, &[0; 5001]));
    let mut map = vec![0; 8192];
    map[500] = 1;
    assert_eq!(peer.read(), message(0, 0, 0, 1, &map));
    assert_eq!(peer.got().len(), 1);
    assert_eq!(peer.read(), message(0, 0, 0, 1, &[0; 8192]));
    // Ours is the peer's turn: port 5000 is bit 0 of byte 625.
    map.fill(0);
    map[625] = 1;
    peer.write(&message(0, 0, 0, 1, &map));
    assert_eq!(errno(send(&mut peer.wire.hosts[B], peer.rds, b"x", "192.0.2.1:5000")), Errno::ENOBUFS);
    send(&mut peer.wire.hosts[B], peer.rds, b"x", "192.0.2.1:5001").unwrap();
    peer.write(&message(0, 0, 0, 1, &[0; 8192]));
    send(&mut peer.wire.hosts[B], peer.rds, b"x", "192.0.2.1:5000").unwrap();
}

/// rds_recv_incoming: "Sequence numbers should only increase."
#[test]
fn what_comes_again_is_thrown_away() {
    let mut peer = Peer::new();
    peer.write(&message(7, 9, 4000, 0, b"seven"));
    peer.write(
        &[message(6, 9, 4000, 4, b"six"), message(7, 9, 4000, 4, b"seven"), message(8, 9, 4000, 4, b"eight")]
            .concat(),
    );
    assert_eq!(peer.got(), [&b"seven"[..], b"eight"]);
    // A peer that was born again begins anew (no retransmission), or says so: rds_conn_peer_gen_update.
    peer.write(&message(1, 9, 4000, 0, b"one"));
    assert_eq!(peer.got(), [b"one"]);
    peer.write(&message(100, 9, 4000, 0, b"hundred"));
    for (generation, sequence) in [(1, 101), (2, 102)] {
        let mut probe = message(sequence, 1, 0, 0, b"");
        probe[32..37].copy_from_slice(&[6, 0, 0, 0, generation]);
        peer.write(&probe);
    }
    peer.write(&message(1, 9, 4000, 4, b"one"));
    assert_eq!(peer.got(), [&b"hundred"[..], b"one"]);
}

/// What no RDS host would send: it costs the peer its connection, or nothing, and never more memory than a message may have.
#[test]
fn hostile_headers() {
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = message(1, 9, 4000, 0, b"data");
        change(&mut bytes);
        bytes
    };
    let cases: [(&str, Vec<u8>, bool); 9] = [
        ("a length of 4 GiB", with(&|b| b[16..20].fill(0xff)), true),
        (
            "one byte more than 1 MiB",
            with(&|b| b[16..20].copy_from_slice(&0x10_0001_u32.to_be_bytes())),
            true,
        ),
        ("text", b"GET / HTTP/1.1\r\nHost: 192.0.2.2:16385\r\n\r\n........".to_vec(), true),
        ("the last number of all", with(&|b| b[..8].fill(0xff)), false),
        ("every flag", with(&|b| b[24] = 0xff), false),
        ("extensions without end", with(&|b| b[32..48].fill(4)), false),
        ("unknown extensions", with(&|b| b[32..48].fill(0xff)), false),
        ("a map of the wrong length", message(0, 0, 0, 1, &[0xff; 100]), false),
        ("to nobody", message(1, 9, 4444, 0, b"lost"), false),
    ];
    for (what, bytes, cuts) in cases {
        let mut peer = Peer::new();
        peer.write(&bytes);
        assert_eq!(peer.is_cut(), cuts, "{what}");
        peer.got();
        if !cuts {
            peer.write(&message(2, 9, 4000, 0, b"still here"));
            assert_eq!(peer.got(), [b"still here"], "{what}");
        }
        send(&mut peer.wire.hosts[B], peer.rds, b"x", "192.0.2.1:5000").unwrap();
    }
    // All kinds of bytes, as they come.
    let mut peer = Peer::new();
    for round in 0..40 {
        let noise: Vec<u8> = (0..500).map(|_| peer.wire.dice() as u8).collect();
        let mut bytes = message(round, 9, 4000, 0, &noise);
        for _ in 0..3 {
            let at = peer.wire.dice() as usize % 48;
            // But for the highest bytes of its length.
            bytes[at] = if (16..19).contains(&at) { 0 } else { peer.wire.dice() as u8 };
        }
        if peer.is_cut() {
            peer = Peer::new();
        }
        let _ = peer.wire.send(A, peer.stream, &bytes);
        peer.wire.run_for(SECOND);
        peer.got();
    }
}

/// A peer that does not listen to maps fills a queue a few times over, then it waits.
#[test]
fn a_flood_is_held_back() {
    for len in [0, 4000] {
        let mut peer = Peer::new();
        let bytes = message(1, 9, 4000, 0, &vec![0; len]);
        // Message after message, as long as the stream takes bytes.
        let (mut sent, mut before) = (0, usize::MAX);
        while before != sent {
            before = sent;
            while let Ok(n) = peer.wire.send(A, peer.stream, &bytes[sent % bytes.len()..]) {
                sent += n;
            }
            peer.wire.run_for(SECOND * 2);
            assert!(sent < 20 << 20, "nobody stops it");
        }
        let charged = peer.wire.hosts[B].sockets.get(peer.rds).unwrap().rds().unwrap().charged();
        assert!(charged < 3 << 20, "{charged}");
        // Another one's messages come as soon as there is room.
        let got = peer.got().len();
        assert!(got > 100);
        peer.wire.run_for(SECOND);
        assert!(!peer.got().is_empty());
        assert_eq!(peer.wire.hosts[B].net.log.count(Reason::RdsMalformed), 0);
    }
}
