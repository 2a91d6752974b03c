//! Frames of all kinds, whole, cut short and with wrong bytes, to ask filters about.

use crate::random::Draw;

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

fn ether(kind: u16, destination: [u8; 6]) -> Vec<u8> {
    join(&[&destination, &[2, 0, 0, 0, 0, 1], &kind.to_be_bytes()])
}

const STATION: [u8; 6] = [2, 0, 0, 0, 0, 2];

fn tag(tci: u16, kind: u16) -> Vec<u8> {
    join(&[&tci.to_be_bytes(), &kind.to_be_bytes()])
}

struct V4 {
    protocol: u8,
    fragment: u16,
    options: usize,
    source: [u8; 4],
    destination: [u8; 4],
}

fn v4(head: &V4, payload: &[u8]) -> Vec<u8> {
    let header = 20 + head.options * 4;
    let total = (header + payload.len()) as u16;
    let fixed = [0x45 + head.options as u8, 0, (total >> 8) as u8, total as u8, 0, 7];
    let fragment = head.fragment.to_be_bytes();
    let options = vec![1; head.options * 4];
    let rest = [64 - head.options as u8 * 30, head.protocol, 0xab, 0xcd];
    join(&[&fixed, &fragment, &rest, &head.source, &head.destination, &options, payload])
}

fn v6(next: u8, source: &str, destination: &str, payload: &[u8]) -> Vec<u8> {
    let octets = |text: &str| text.parse::<std::net::Ipv6Addr>().unwrap().octets();
    let length = (payload.len() as u16).to_be_bytes();
    join(&[&[0x60, 0, 0, 0], &length, &[next, 3], &octets(source), &octets(destination), payload])
}

fn transport(source: u16, destination: u16, flags: u8) -> Vec<u8> {
    let ports = join(&[&source.to_be_bytes(), &destination.to_be_bytes()]);
    join(&[
        &ports,
        &[0, 0, 0, 9, 0, 0, 0, 7, 0x60, flags, 0xff, 0, 0, 0, 0, 0, 2, 4, 5, 0xb4],
        b"GET / HTTP/1.1",
    ])
}

/// Network packets and their EtherTypes.
fn packets() -> Vec<(u16, Vec<u8>)> {
    let mut all = Vec::new();
    let hosts =
        [[192, 0, 2, 1], [192, 0, 2, 9], [198, 51, 100, 7], [224, 0, 0, 5], [255; 4], [10, 0, 0, 1], [0; 4]];
    let ports = [(80, 40_000), (40_000, 443), (53, 53), (25, 22), (67, 68), (6081, 80)];
    for (n, protocol) in [6, 17, 132, 1, 2, 47, 50, 51, 103, 112, 9, 58].into_iter().enumerate() {
        for (m, fragment) in [0, 0x4000, 0x2000, 0x0001, 0x20b9].into_iter().enumerate() {
            let (source, destination) = (hosts[(n + m) % 7], hosts[(n * 2 + m + 1) % 7]);
            let (from, to) = ports[(n + m) % ports.len()];
            let head = V4 { protocol, fragment, options: (n + m) % 3, source, destination };
            let flags = [2, 0x12, 0x10, 0x18, 4][m];
            let payload = match protocol {
                1 => vec![[8, 0, 3, 11, 5][m], m as u8, 0, 0, 1, 2, 3, 4],
                _ => transport(from, to, flags),
            };
            all.push((0x0800, v4(&head, &payload)));
        }
        let (from, to) = ports[n % ports.len()];
        let addresses =
            [("2001:db8::1", "2001:db8::2"), ("2001:db8:1::5", "ff02::1"), ("fe80::1", "2001:db8::1")][n % 3];
        let segment = transport(from, to, 2);
        all.push((0x86dd, v6(protocol, addresses.0, addresses.1, &segment)));
        let behind = join(&[&[protocol, 0, 0, 0, 0, 0, 0, 1], &segment]);
        all.push((0x86dd, v6(44, addresses.0, addresses.1, &behind)));
    }
    for kind in [128, 135, 143] {
        all.push((0x86dd, v6(58, "fe80::1", "ff02::1", &[kind, 0, 1, 2, 3, 4, 5, 6])));
    }
    let arp = |operation: u8, source: [u8; 4], target: [u8; 4]| {
        let head = [0, 1, 8, 0, 6, 4, 0, operation];
        join(&[&head, &[2, 0, 0, 0, 0, 1], &source, &[0; 6], &target, &[0; 18]])
    };
    for kind in [0x0806, 0x8035] {
        all.push((kind, arp(1, [192, 0, 2, 1], [192, 0, 2, 9])));
        all.push((kind, arp(2, [198, 51, 100, 7], [10, 0, 0, 1])));
    }
    for kind in [0x809b, 0x80f3, 0x8137, 0x6003, 0x6004, 0x6007, 0x6001, 0x6002, 0x88cc, 0x9000, 0x8863] {
        all.push((kind, (0..46).collect()));
    }
    all
}

/// Frames that begin with an Ethernet header.
pub fn ethernet() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let stations = [STATION, [0xff; 6], [1, 0, 0x5e, 0, 0, 5], [0x33, 0x33, 0, 0, 0, 1], [1, 2, 3, 4, 5, 6]];
    for (n, (kind, packet)) in packets().into_iter().enumerate() {
        let head = |kind| ether(kind, stations[n % 5]);
        all.push(join(&[&head(kind), &packet]));
        if n % 3 == 0 {
            let outer = [0x8100, 0x88a8, 0x9100][n / 3 % 3];
            all.push(join(&[&head(outer), &tag(5 + n as u16 % 2, kind), &packet]));
            all.push(join(&[&head(outer), &tag(0x6005, 0x8100), &tag(6, kind), &packet]));
        }
        if n % 5 == 0 {
            let protocol: u16 = if kind == 0x86dd { 0x57 } else { 0x21 };
            let session = join(&[&[0x11, 0, 0, n as u8, 0, 99], &protocol.to_be_bytes()]);
            all.push(join(&[&head(0x8864), &session, &packet]));
            all.push(join(&[&head(0x8847), &[0, 0x40, 1, 64], &packet]));
            all.push(join(&[&head(0x8847), &[0, 0x40, 0, 64], &[0, 0x50, 1, 64], &packet]));
        }
    }
    let llc: [&[u8]; 9] = [
        &[0x42, 0x42, 3, 0, 0],
        &[0xfe, 0xfe, 3, 0x83, 9],
        &[0xfe, 0xfe, 3, 0x82, 9],
        &[0xf0, 0xf0, 3],
        &[0xe0, 0xe0, 3],
        &[0xff, 0xff, 0],
        &[0xaa, 0xaa, 3, 8, 0, 7, 0x80, 0x9b],
        &[0xaa, 0xaa, 3, 0, 0, 0, 0x80, 0xf3],
        &[0xaa, 0xaa, 3, 0, 0, 0, 0x81, 0x37],
    ];
    for llc in llc {
        all.push(join(&[&ether(60, STATION), llc, &[0; 40]]));
    }
    cut_and_broken(all, 3)
}

/// Frames that begin with an IP header.
pub fn ip() -> Vec<Vec<u8>> {
    cut_and_broken(packets().into_iter().map(|(_, packet)| packet).collect(), 4)
}

/// More of them: shorter, and with random bytes in their first headers.
fn cut_and_broken(mut all: Vec<Vec<u8>>, seed: u64) -> Vec<Vec<u8>> {
    let mut draw = Draw::new(seed);
    let whole = all.len();
    for n in 0..whole {
        let mut cut = all[n].clone();
        cut.truncate(draw.below(cut.len().min(70)));
        all.push(cut);
        let mut broken = all[n].clone();
        for _ in 0..=draw.below(3) {
            let at = draw.below(broken.len().min(60));
            broken[at] = draw.next() as u8;
        }
        all.push(broken);
    }
    for len in 0..80 {
        let (one, other) = (all[len % whole].clone(), all[(len * 7 + 5) % whole].clone());
        all.extend([one, other].map(|mut frame| {
            frame.truncate(len);
            frame
        }));
    }
    all
}
