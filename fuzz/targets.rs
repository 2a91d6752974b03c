//! What is fuzzed: each function takes any bytes, and must come back. See README.md.

use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use sockatoo::base::{LinkType, Mac};
use sockatoo::socket::*;
use sockatoo::trace::Capture;
use sockatoo::wire::filter::{Facts, Program, compile};
use sockatoo::wire::packet::{Dissection, Nowhere, Packet};
use sockatoo::wire::{
    Dissected, Ip, Network, Tracker, Transport, checksum, show, summary, transport_checksum,
};
use sockatoo::{Host, World};

/// Takes any bytes.
#[allow(dead_code)]
pub type Target = fn(&[u8]);

/// All of them, by their names.
#[allow(dead_code)] // each fuzzer uses one
pub const TARGETS: &[(&str, Target)] = &[
    ("dissector", dissector),
    ("expression", expression),
    ("filter", filter),
    ("bpf", bpf),
    ("stack", stack),
    ("reassembly", reassembly),
    ("capture", capture),
];

fn link(byte: u8) -> LinkType {
    if byte & 1 == 0 { LinkType::Ethernet } else { LinkType::Ip }
}

/// The link type, then a frame.
pub fn dissector(data: &[u8]) {
    let [first, frame @ ..] = data else { return };
    let link = link(*first);
    summary(link, frame);
    Tracker::default().summary(link, frame);
    let read = Dissection::of(link, frame);
    assert_eq!(read.bytes, frame);
    show::tree(&read, 100);
    show::hexdump(&read);
    show::explain(&read, 100);
    let packet = read.packet();
    let built = packet.build(&Nowhere).expect("what was read can be built");
    assert_eq!(built.bytes, frame, "{packet}");
}

/// An expression.
pub fn expression(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(packet) = text.parse::<Packet>() else { return };
    let written = packet.to_string();
    let again: Packet = written.parse().unwrap_or_else(|error| panic!("{text} -> {written}: {error}"));
    assert_eq!(again, packet, "{written}");
    for packet in packet.each(1).take(3) {
        if let Ok(built) = packet.build(&Nowhere) {
            assert_eq!(Dissection::of(built.link, &built.bytes).bytes, built.bytes);
        }
    }
}

/// A filter.
pub fn filter(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for link in [LinkType::Ethernet, LinkType::Ip] {
        let Ok(program) = compile(text, link) else { continue };
        for frame in [&[][..], &[0x45; 60], data] {
            program.run(frame, &Facts::of_len(frame.len()));
        }
        assert_eq!(program.decimal().parse::<Program>().as_ref(), Ok(&program));
    }
}

/// How many instructions, the instructions, then a frame.
pub fn bpf(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = text.parse::<Program>();
    }
    let [count, rest @ ..] = data else { return };
    let (instructions, frame) = rest.split_at(rest.len().min(usize::from(*count) * 8));
    let Ok(program) = Program::from_bytes(instructions) else { return };
    assert_eq!(program.to_bytes(), instructions);
    let _ = program.to_string();
    for (start, network, link) in [(0, 0, usize::MAX), (0, 14, 0), (14, 14, 0), (usize::MAX, 3, 1)] {
        let facts =
            Facts { start, network, link, random: 7, vlan: Some((0x8100, 5)), ..Facts::of_len(frame.len()) };
        program.run(frame, &facts);
    }
}

/// A capture file.
pub fn capture(data: &[u8]) {
    let Ok(mut capture) = Capture::new(data) else { return };
    // Each frame takes some bytes of the file: there can't be more frames than bytes.
    let mut count = 0;
    while let Some(Ok((interface, frame))) = capture.next_frame() {
        count += 1;
        assert!(count <= data.len() && frame.bytes.len() <= data.len());
        // A pcapng's frames come from interfaces that it has described before.
        if let Capture::Pcapng(_) = capture {
            let source = capture.source(interface).expect("described");
            assert!(source.name.len() <= data.len());
        }
    }
}

const OURS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const THEIRS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const OURS6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
const THEIRS6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);

/// A host with sockets of every kind on one end of a cable, and a packet socket that sends what it likes on the other.
struct Lab {
    world: World,
    host: Host,
    sockets: Vec<Socket>,
    attacker: Socket,
    mac: [u8; 6],
    /// The host's next sequence number, and the one that it expects, by what its last segment of TCP said.
    heard: Cell<Option<(u32, u32)>>,
}

impl Lab {
    fn new() -> sockatoo::Result<Self> {
        let world = World::new(1);
        let (host, other) =
            (world.host("host").forward(true).build()?, world.host("other").no_rst(true).build()?);
        let wire = world.cable(&host, &other, "")?;
        wire.addresses("192.0.2.1/24", "198.51.100.2/24")?.addresses("2001:db8::1/64", "fe80::2/64")?;
        let [mac, peer] = [(&host, 0), (&other, 1)].map(|(host, end)| {
            let index = wire.interfaces()[end];
            host.interfaces().iter().find(|i| i.index == index).map_or(Mac::ZERO, |i| i.mac)
        });
        for address in [IpAddr::V4(THEIRS), IpAddr::V6(THEIRS6)] {
            host.set_neighbour(wire.interfaces()[0], address, Some(peer))?;
        }
        let mut sockets = Vec::new();
        for (family, any, v4) in [(AF_INET, "0.0.0.0", true), (AF_INET6, "::", false)] {
            let listener = host.socket(family, SOCK_STREAM, 0)?;
            let udp = host.socket(family, SOCK_DGRAM, 0)?;
            let connecting = host.socket(family, SOCK_STREAM, 0)?;
            connecting.setblocking(false)?;
            for (socket, port) in [(&listener, 80), (&udp, 53), (&connecting, 4000)] {
                if !v4 {
                    socket.set_only_v6(true)?;
                }
                socket.bind((any, port))?;
            }
            listener.listen(4)?;
            let icmp = if v4 { IPPROTO_ICMP } else { IPPROTO_ICMPV6 };
            let ping = host.socket(family, SOCK_DGRAM, icmp)?;
            ping.bind((any, 7))?;
            let raw = host.socket(family, SOCK_RAW, icmp)?;
            let to: IpAddr = if v4 { THEIRS.into() } else { THEIRS6.into() };
            connecting.connect_ex((to, 80));
            sockets.extend([listener, udp, ping, raw, connecting]);
        }
        sockets.push(host.socket(AF_INET, SOCK_RAW, IPPROTO_IP)?);
        let sniffer = host.socket(AF_PACKET, SOCK_RAW, i32::from(htons(ETH_P_ALL)))?;
        sniffer.attach_filter("not port 22")?;
        sockets.push(sniffer);
        for socket in &sockets {
            socket.setblocking(false)?;
        }
        let attacker = other.socket(AF_PACKET, SOCK_RAW, 0)?;
        attacker.bind(sockatoo::base::LinkAddr::bind(wire.interfaces()[1], ETH_P_ALL))?;
        attacker.setblocking(false)?;
        Ok(Self { world, host, sockets, attacker, mac: mac.0, heard: Cell::new(None) })
    }

    fn send(&self, frame: &[u8]) {
        let _ = self.attacker.send(frame, 0);
    }

    fn sleep(&self, time: Duration) {
        self.world.run_for(time).expect("virtual time goes on");
        let mut frame = [0; 2048];
        while let Ok(length) = self.attacker.recv_into(&mut frame, 0) {
            let Dissected { network: Network::Ip(Ip { transport: Transport::Tcp(tcp), .. }), .. } =
                Dissected::of(LinkType::Ethernet, &frame[..length])
            else {
                continue;
            };
            // SYN and FIN take a number each.
            let opens = (tcp.flags.0 & 3).count_ones();
            self.heard.set(Some((tcp.seq.wrapping_add(opens), tcp.ack)));
        }
    }

    /// Reads what came, goes far into the future, and looks at what is left.
    fn end(&self) {
        let mut buffer = [0; 2048];
        for socket in &self.sockets {
            // At most what the sockets' buffers hold.
            for _ in 0..2000 {
                if socket.recv_into(&mut buffer, 0).is_err() {
                    break;
                }
            }
            if let Ok((accepted, _)) = socket.accept() {
                let _ = accepted.send(b"hello", 0);
            }
        }
        let census = self.host.census();
        assert!(census.flows + census.half_open + census.time_wait < 5000, "{census:?}");
        self.sleep(Duration::from_secs(200));
    }
}

/// What is made right in a frame, so that it gets further: our station, our address, lengths and the header's checksum, the transport's
/// checksum, TCP's sequence numbers as the host expects them.
fn mend(lab: &Lab, how: u8, frame: &mut [u8]) {
    if how & 1 != 0
        && let Some(destination) = frame.first_chunk_mut()
    {
        *destination = lab.mac;
    }
    let (Some(kind), Some(packet)) = (frame.get(12..14).map(<[u8]>::to_vec), frame.get_mut(14..)) else {
        return;
    };
    let (addresses, header): (Option<(IpAddr, IpAddr)>, usize) = match (kind.as_slice(), packet.len()) {
        ([8, 0], 20..) => {
            if how & 2 != 0 {
                packet[16..20].copy_from_slice(&OURS.octets());
            }
            let header = usize::from(packet[0] & 15) * 4;
            if how & 4 != 0 && (20..=packet.len()).contains(&header) {
                let total = packet.len() as u16;
                packet[2..4].copy_from_slice(&total.to_be_bytes());
                packet[10..12].fill(0);
                let sum = checksum(&packet[..header]);
                packet[10..12].copy_from_slice(&sum.to_be_bytes());
            }
            let address =
                |at: usize| Ipv4Addr::new(packet[at], packet[at + 1], packet[at + 2], packet[at + 3]);
            (Some((address(12).into(), address(16).into())), header)
        }
        ([0x86, 0xdd], 40..) => {
            if how & 2 != 0 {
                packet[24..40].copy_from_slice(&OURS6.octets());
            }
            if how & 4 != 0 {
                let length = (packet.len() - 40) as u16;
                packet[4..6].copy_from_slice(&length.to_be_bytes());
            }
            let address = |at: usize| {
                packet[at..at + 16]
                    .first_chunk()
                    .map_or(Ipv6Addr::UNSPECIFIED, |octets: &[u8; 16]| Ipv6Addr::from(*octets))
            };
            (Some((address(8).into(), address(24).into())), 40)
        }
        _ => (None, 0),
    };
    let protocol = if header == 40 && kind == [0x86, 0xdd] { packet.get(6) } else { packet.get(9) }
        .copied()
        .unwrap_or(0);
    let Some((source, destination)) = addresses.filter(|_| how & 8 != 0) else { return };
    let Some(payload) = packet.get_mut(header..) else { return };
    let at = match protocol {
        6 => 16,
        17 => 6,
        1 | 58 => 2,
        _ => return,
    };
    if let (Some((seq, ack)), 6, Some(numbers)) =
        (lab.heard.get().filter(|_| how & 16 != 0), protocol, payload.get_mut(4..12))
    {
        numbers[..4].copy_from_slice(&ack.to_be_bytes());
        numbers[4..].copy_from_slice(&seq.to_be_bytes());
    }
    let Some(sum) = payload.get_mut(at..at + 2) else { return };
    sum.fill(0);
    let sum = if protocol == 1 {
        checksum(payload)
    } else {
        transport_checksum(source, destination, protocol, payload)
    };
    payload[at..at + 2].copy_from_slice(&sum.to_be_bytes());
}

/// Frames: what to mend and how long to wait then, the length, the bytes.
pub fn stack(data: &[u8]) {
    let lab = Lab::new().expect("a lab in memory");
    let mut rest = data;
    while let [how, length, behind @ ..] = rest {
        let (frame, behind) = behind.split_at(behind.len().min(usize::from(*length)));
        rest = behind;
        let mut frame = frame.to_vec();
        mend(&lab, *how, &mut frame);
        lab.send(&frame);
        lab.sleep(Duration::from_millis([0, 1, 300, 30_000][usize::from(how >> 6)]));
    }
    lab.end();
}

/// Fragments: six bytes each, their offset, length, identification, version.
pub fn reassembly(data: &[u8]) {
    let lab = Lab::new().expect("a lab in memory");
    for chunk in data.as_chunks::<6>().0.iter().take(600) {
        let [o0, o1, length, id, how, fill] = *chunk;
        let payload = vec![fill; usize::from(length) * if how & 4 == 0 { 1 } else { 6 }];
        let protocol = [17, 6, 1, 58][usize::from(how >> 4 & 3)];
        let mut frame = [&lab.mac[..], &[2, 0, 0, 0, 0, 9]].concat();
        if how & 1 == 0 {
            let header = [0x45, 0, 0, 0, 0, id, o0, o1, 64, protocol, 0, 0];
            frame.extend([&[8, 0], &header[..], &THEIRS.octets(), &OURS.octets(), &payload].concat());
        } else {
            let header = [0x60, 0, 0, 0, 0, 0, 44, 64];
            let fragment = [protocol, 0, o0, o1, 0, 0, 0, id];
            let addresses = [THEIRS6.octets(), OURS6.octets()].concat();
            frame.extend([&[0x86, 0xdd], &header[..], &addresses, &fragment, &payload].concat());
        }
        mend(&lab, 4, &mut frame);
        lab.send(&frame);
        lab.sleep(Duration::from_millis([0, 0, 100, 20_000][usize::from(how >> 6)]));
    }
    lab.end();
}
