use super::*;
use crate::base::{Direction, LinkType};
use crate::wire::{checksum, transport_checksum};

/// A recording that is written down: TCP between 192.0.2.2:49152 and 192.0.2.1:80, and what else is added.
#[derive(Default)]
struct Script {
    frames: Vec<Recorded>,
    micros: u64,
}

const CLIENT: [u8; 4] = [192, 0, 2, 2];
const SERVER: [u8; 4] = [192, 0, 2, 1];
const SYN: u8 = 2;
const ACK: u8 = 16;
const PSH: u8 = 8;
const FIN: u8 = 1;

impl Script {
    fn frame(&mut self, out: bool, group: bool, ethertype: u16, packet: &[u8]) -> &mut Self {
        let (a, b) = ([2, 0, 0, 0, 0, 2], [2, 0, 0, 0, 0, 1]);
        let (source, destination) = if out { (a, b) } else { (b, a) };
        let mut bytes = Vec::new();
        bytes.extend(if group { [0xff; 6] } else { destination });
        bytes.extend(source);
        bytes.extend(ethertype.to_be_bytes());
        bytes.extend(packet);
        let direction = if out { Direction::Out } else { Direction::In };
        let (time, wire_len) = (Instant::from_micros(self.micros), bytes.len());
        self.frames.push(Recorded { time, direction, link: LinkType::Ethernet, bytes, wire_len });
        self.micros += 120;
        self
    }

    fn arp(&mut self) -> &mut Self {
        let start = [0, 1, 8, 0, 6, 4];
        let (a, b) = ([2u8, 0, 0, 0, 0, 2], [2, 0, 0, 0, 0, 1]);
        let ask = [&start[..], &[0, 1], &a, &CLIENT, &[0; 6], &SERVER].concat();
        let tell = [&start[..], &[0, 2], &b, &SERVER, &a, &CLIENT].concat();
        self.frame(true, true, 0x0806, &ask).frame(false, false, 0x0806, &tell)
    }

    fn ip(&mut self, out: bool, protocol: u8, payload: &[u8]) -> &mut Self {
        let (source, destination) = if out { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
        let mut packet = vec![0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, protocol, 0, 0];
        packet.extend(source);
        packet.extend(destination);
        packet[2..4].copy_from_slice(&(20 + payload.len() as u16).to_be_bytes());
        let sum = checksum(&packet);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
        packet.extend(payload);
        self.frame(out, false, 0x0800, &packet)
    }

    fn tcp(&mut self, out: bool, flags: u8, seq: u32, ack: u32, data: &[u8]) -> &mut Self {
        let (source, destination) = if out { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
        let (from, to) = if out { (49_152u16, 80u16) } else { (80, 49_152) };
        let isn = if out { 1000 } else { 5000 };
        let mut segment = [from.to_be_bytes(), to.to_be_bytes()].concat();
        segment.extend((seq + isn).to_be_bytes());
        segment.extend(if flags & ACK != 0 { ack + 6000 - isn } else { 0 }.to_be_bytes());
        segment.extend([if flags & SYN != 0 { 0x60 } else { 0x50 }, flags, 0xfa, 0xf0, 0, 0, 0, 0]);
        segment.extend(if flags & SYN != 0 { &[2, 4, 5, 0xb4][..] } else { &[] });
        segment.extend(data);
        let sum = transport_checksum(source.into(), destination.into(), 6, &segment);
        segment[16..18].copy_from_slice(&sum.to_be_bytes());
        self.ip(out, 6, &segment)
    }

    fn handshake(&mut self) -> &mut Self {
        self.tcp(true, SYN, 0, 0, b"").tcp(false, SYN | ACK, 0, 1, b"").tcp(true, ACK, 1, 1, b"")
    }

    /// Compares with a picture in `tests/ladders/`; SOCKATOO_BLESS=1 writes it anew.
    fn looks_like(&self, name: &str) {
        let drawn = Ladder::of(&self.frames).name(CLIENT, "sockatoo").to_string();
        for line in drawn.lines() {
            assert!(length(line) <= 100, "wider than 100: {line}");
        }
        let path = format!("{}/tests/ladders/{name}.txt", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("SOCKATOO_BLESS").is_some() {
            std::fs::write(&path, &drawn).unwrap();
        }
        let wanted = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            wanted == drawn,
            "{path} holds\n{wanted}\nbut drawn is\n{drawn}\n(SOCKATOO_BLESS=1 writes it anew)"
        );
    }
}

#[test]
fn a_page_is_fetched() {
    let mut script = Script::default();
    script.arp().handshake();
    script.tcp(true, PSH | ACK, 1, 1, b"GET /index.html HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n");
    script.tcp(false, ACK, 1, 46, b"");
    let mut seq = 1;
    for n in 0..40 {
        let data = if n == 0 { b"HTTP/1.0 200 OK\r\n".repeat(80) } else { vec![b'x'; 1360] };
        script.tcp(false, ACK, seq, 46, &data);
        seq += 1360;
        if n % 2 == 1 {
            script.tcp(true, ACK, 46, seq, b"");
        }
    }
    script.tcp(false, FIN | ACK, seq, 46, b"").tcp(true, FIN | ACK, 46, seq + 1, b"").tcp(
        false,
        ACK,
        seq + 1,
        47,
        b"",
    );
    script.looks_like("page");
}

#[test]
fn a_segment_is_lost() {
    let mut script = Script::default();
    script.handshake();
    script.tcp(true, ACK, 1, 1, &[7; 1000]).tcp(true, ACK, 2001, 1, &[7; 1000]);
    script.tcp(false, ACK, 1, 1001, b"").tcp(false, ACK, 1, 1001, b"");
    script.micros += 1_000_000;
    script.tcp(true, ACK, 1001, 1, &[7; 1000]).tcp(false, ACK, 1, 3001, b"");
    script.tcp(true, ACK, 1001, 1, &[7; 1000]);
    script.tcp(false, 4, 1, 0, b"");
    script.looks_like("loss");
}

#[test]
fn pings_and_datagrams() {
    let mut script = Script::default();
    let mut echo = |kind: u8| {
        let mut message = vec![kind, 0, 0, 0, 0, 7, 0, 1];
        let sum = checksum(&message);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
        script.ip(kind == 8, 1, &message);
    };
    echo(8);
    echo(0);
    for _ in 0..12 {
        script.ip(true, 17, &[0x10, 0, 0, 9, 0, 13, 0, 0, b'h', b'e', b'l', b'l', b'o']);
    }
    script.ip(false, 17, &[0, 9, 0x10, 0, 0, 13, 0x12, 0x34, b'h', b'e', b'l', b'l', b'o']);
    script.looks_like("datagrams");
}

#[test]
fn nothing_at_all() {
    assert!(!Ladder::of(&[]).to_string().contains("NaN"));
    let junk = Recorded {
        time: Instant::ZERO,
        direction: Direction::In,
        link: LinkType::Ethernet,
        bytes: vec![1, 2, 3],
        wire_len: 3,
    };
    assert!(Ladder::of(&[junk]).to_string().contains("truncated Ethernet"));
}

proptest::proptest! {
    #[test]
    fn any_recording_is_drawn(frames in proptest::collection::vec(
        (proptest::prelude::any::<bool>(), proptest::collection::vec(0u8..8, 0..80)), 0..12), width in 0usize..120)
    {
        let mut script = Script::default();
        for (out, bytes) in &frames {
            match bytes.first() {
                Some(0) => script.frame(*out, false, 0x0800, bytes),
                Some(n) => script.ip(*out, [1, 2, 6, 6, 17, 41, 6, 17][usize::from(*n)], bytes),
                None => script.frame(*out, true, 0x86dd, bytes),
            };
        }
        for line in Ladder::of(&script.frames).width(width).colour(false).to_string().lines() {
            proptest::prop_assert!(length(line) <= width.max(60), "{}", line);
        }
    }
}
