//! Packet sockets against a kernel on the other side of a wire. Needs CAP_SYS_ADMIN and CAP_NET_ADMIN (root, or `unshare -r`);
//! everything happens in namespaces that the tests make.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::io::{IoSlice, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use sockatoo::base::{Frame, LinkAddr, Pool, Reason};
use sockatoo::device::{Device, Packet};
use sockatoo::lab::Netns;
use sockatoo::socket::*;
use sockatoo::{Errno, Error, Host, IfIndex, Instant, Mac};

/// An EtherType that nobody else uses (IEEE 802, local experiments).
const OURS: u16 = 0x88b5;
const WIRE: IfIndex = IfIndex(2);
const PATIENCE: Option<Duration> = Some(Duration::from_secs(10));

/// Says why a test is skipped; where tests must not be (CI=true), that is a failure.
fn skip<T>(error: &Error) -> Option<T> {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{error}");
    eprintln!("skipped: {error}");
    None
}

/// A kernel at 192.0.2.1 on `wire0`, and the namespace in which the other end, `wire1`, is.
fn veth() -> Option<(Netns, Netns)> {
    match Netns::new().and_then(|peer| Ok((peer, Netns::new()?))) {
        Ok((peer, ours)) => {
            peer.veth("wire0", &ours, "wire1").unwrap();
            peer.add_address("wire0", "192.0.2.1/24").unwrap();
            Some((peer, ours))
        }
        Err(error) => skip(&error),
    }
}

/// A station of its own at 192.0.2.7 on `wire1`.
fn station(ours: &Netns) -> Host {
    let device = ours.run(|| Packet::open("wire1")).unwrap().unwrap();
    Host::builder().device(device).address("192.0.2.7/24").unwrap().build().unwrap()
}

/// A packet socket that hears everything and forgets nothing for a while.
fn sniffer(host: &Host, interface: IfIndex) -> Socket {
    let sniffer = host.socket(AF_PACKET, SOCK_RAW, 0).unwrap();
    sniffer.setsockopt(SOL_SOCKET, SO_RCVBUFFORCE, 128 << 20).unwrap();
    sniffer.bind(LinkAddr::bind(interface, ETH_P_ALL)).unwrap();
    sniffer.settimeout(PATIENCE).unwrap();
    sniffer
}

/// RFC 1071, as it is written there.
fn sum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0_u32;
    for part in parts {
        for pair in part.chunks(2) {
            sum += u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low));
        }
    }
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// What is wrong with a frame of TCP over IPv4; `None` = nothing, or it carries something else.
fn wrong(frame: &[u8], mtu: usize) -> Option<String> {
    if frame.len() > 14 + mtu {
        return Some(format!("{} bytes", frame.len()));
    }
    if frame[12..14] != [8, 0] || frame[23] != 6 {
        return None;
    }
    let total = usize::from(u16::from_be_bytes([frame[16], frame[17]]));
    let (ip, tcp) = (&frame[14..34], &frame[34..14 + total]);
    let length = (tcp.len() as u16).to_be_bytes();
    if sum(&[ip]) != 0 || sum(&[&ip[12..20], &[0, 6], &length, tcp]) != 0 {
        return Some(format!("checksum: {frame:02x?}"));
    }
    None
}

#[test]
fn a_kernel_with_offloads_shows_frames_of_the_wire() {
    let Some((peer, ours)) = veth() else { return };
    // The kernel cuts and sums nothing on a veth, unless it is told to.
    let features = peer.command("ethtool").args(["-k", "wire0"]).output();
    let features = features.map_or(String::new(), |told| String::from_utf8_lossy(&told.stdout).into_owned());
    for on in ["tcp-segmentation-offload: on", "tx-checksumming: on"] {
        assert!(features.is_empty() || features.contains(on), "{features}");
    }
    let host = station(&ours);
    let server = host.socket(AF_INET, SOCK_STREAM, 0).unwrap();
    server.bind(("", 80)).unwrap();
    server.listen(1).unwrap();
    let sniffer = sniffer(&host, WIRE);
    const BULK: usize = 2 << 20;
    // The wire is there for as long as both namespaces are.
    let kernel = peer.clone();
    let client = thread::spawn(move || {
        let mut stream = kernel.run(|| TcpStream::connect("192.0.2.7:80")).unwrap().unwrap();
        stream.write_all(&vec![0x5a; BULK]).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut back = Vec::new();
        stream.read_to_end(&mut back).unwrap();
        back.len()
    });
    let (connection, _) = server.accept().unwrap();
    let mut received = 0;
    loop {
        match connection.recv(1 << 16, 0).unwrap().len() {
            0 => break,
            n => received += n,
        }
    }
    assert_eq!(received, BULK);
    connection.sendall(&vec![0xa5; BULK], 0).unwrap();
    connection.close().unwrap();
    assert_eq!(client.join().unwrap(), BULK);
    let mut seen = [0_usize; 2];
    sniffer.setblocking(false).unwrap();
    let ended = loop {
        let captured = match sniffer.capture(64) {
            Ok(captured) => captured,
            Err(error) => break error.errno(),
        };
        for captured in captured {
            let bytes = captured.frame.bytes();
            assert_eq!(wrong(bytes, 1500), None);
            assert_eq!(captured.len, bytes.len());
            seen[usize::from(captured.address.packet_type == PACKET_OUTGOING)] += bytes.len();
        }
    };
    assert_eq!(ended, Errno::EAGAIN);
    assert!(seen.iter().all(|bytes| *bytes > BULK), "{seen:?} {:?}", host.counters());
    let statistics = sniffer.getsockopt_bytes(SOL_PACKET, PACKET_STATISTICS, 8).unwrap();
    assert_eq!(&statistics[4..], [0; 4], "nothing was lost");
    assert_eq!(host.count(Reason::ReceiveQueueFull), 0);
}

#[test]
fn addresses_as_python_writes_them() {
    let host = Host::builder().build().unwrap();
    let socket = host.socket(AF_PACKET, SOCK_RAW, 0).unwrap();
    let protocol = || socket.getsockname().unwrap().link().unwrap().protocol;
    let index = || socket.getsockname().unwrap().link().unwrap().interface;
    socket.bind(("lo", ETH_P_IP)).unwrap();
    assert_eq!((index(), protocol()), (1, ETH_P_IP));
    socket.bind(("", ETH_P_ALL)).unwrap();
    assert_eq!((index(), protocol()), (0, ETH_P_ALL));
    socket.bind(("lo", OURS, PACKET_HOST)).unwrap();
    assert_eq!((index(), protocol()), (1, OURS));
    socket.bind(("lo", ETH_P_ARP, 0, 0)).unwrap();
    assert_eq!(protocol(), ETH_P_ARP);
    for error in [socket.bind(("eth7", 0)), socket.bind(("lo", 0, 256, 0))] {
        assert!(matches!(error.unwrap_err().errno(), Errno::ENODEV | Errno::EINVAL));
    }
    let cooked = host.socket(AF_PACKET, SOCK_DGRAM, htons(OURS)).unwrap();
    let station = Mac([2, 0, 0, 0, 0, 9]);
    cooked.sendto(b"a", 0, ("lo", OURS, PACKET_HOST, 0, station)).unwrap();
    cooked.sendto(b"b", 0, ("lo", OURS, PACKET_HOST, 0, &[0_u8; 6][..])).unwrap();
    assert!(cooked.sendto(b"c", 0, ("lo", OURS, PACKET_HOST, 0, &[0_u8; 9][..])).is_err());
    let heard = cooked.recvmmsg(2, 10, 0).unwrap();
    let kinds: Vec<_> =
        heard.iter().map(|m| (m.data.as_slice(), m.address.link().unwrap().packet_type)).collect();
    assert_eq!(kinds, [(&b"a"[..], PACKET_OTHERHOST), (&b"b"[..], PACKET_HOST)]);
}

#[test]
fn many_in_one_call_or_as_many_as_there_are() {
    let host = Host::builder().build().unwrap();
    let (one, other) =
        (host.socket(AF_INET, SOCK_DGRAM, 0).unwrap(), host.socket(AF_INET, SOCK_DGRAM, 0).unwrap());
    other.bind(("127.0.0.1", 7)).unwrap();
    let to = Some(("127.0.0.1".parse::<std::net::Ipv4Addr>().unwrap(), 7).into());
    let data = [[IoSlice::new(b"one")], [IoSlice::new(b"two")], [IoSlice::new(&[0; 70_000])]];
    let messages: Vec<_> =
        data.iter().map(|data| Outgoing { data, address: to, ..Outgoing::default() }).collect();
    assert_eq!(one.sendmmsg(&messages, 0).unwrap(), 2, "the third one fails, the call does not");
    assert_eq!(one.sendmmsg(&messages[2..], 0).unwrap_err().errno(), Errno::EMSGSIZE);
    let got = |messages: Vec<Message>| messages.into_iter().map(|m| m.data).collect::<Vec<_>>();
    assert_eq!(got(other.recvmmsg(1, 10, 0).unwrap()), [b"one"]);
    assert_eq!(got(other.recvmmsg(9, 10, MSG_WAITFORONE).unwrap()), [b"two"]);
    assert_eq!(other.recvmmsg(9, 10, MSG_DONTWAIT).unwrap_err().errno(), Errno::EAGAIN);
    other.settimeout(Some(Duration::from_millis(20))).unwrap();
    one.sendmmsg(&messages[..2], 0).unwrap();
    assert_eq!(other.recvmmsg(9, 10, 0).unwrap().len(), 2, "what came before the time ran out");
    assert_eq!(other.recvmmsg(9, 10, 0).unwrap_err().errno(), Errno::ETIMEDOUT);
    let stream = host.socket(AF_INET, SOCK_STREAM, 0).unwrap();
    assert_eq!(stream.sendmmsg(&[], 0).unwrap_err().errno(), Errno::EOPNOTSUPP);
}

#[test]
fn the_loopback_shows_whole_packets_twice() {
    let host = Host::builder().build().unwrap();
    let sniffer = sniffer(&host, IfIndex::LO);
    let (one, other) = host.socketpair(AF_INET, SOCK_STREAM, 0).unwrap();
    let sender = thread::spawn(move || one.sendall(&vec![1; 1 << 20], 0).unwrap());
    let mut received = 0;
    while received < 1 << 20 {
        received += other.recv(1 << 16, 0).unwrap().len();
    }
    sender.join().unwrap();
    sniffer.setblocking(false).unwrap();
    let (mut outgoing, mut incoming) = (Vec::new(), Vec::new());
    while let Ok(captured) = sniffer.capture(64) {
        for captured in captured {
            let bytes = captured.frame.bytes();
            assert_eq!(wrong(bytes, 65_536), None);
            let way =
                if captured.address.packet_type == PACKET_OUTGOING { &mut outgoing } else { &mut incoming };
            way.push(bytes.to_vec());
        }
    }
    assert!(outgoing.len() > 16, "{}", outgoing.len());
    assert_eq!(outgoing, incoming);
}

#[test]
fn what_is_written_is_what_the_kernel_sees_and_back() {
    let Some((peer, ours)) = veth() else { return };
    let host = station(&ours);
    let mut heard = peer.run(|| Packet::shadow("wire0")).unwrap().unwrap();
    let socket = host.socket(AF_PACKET, SOCK_RAW, htons(OURS)).unwrap();
    socket.settimeout(PATIENCE).unwrap();
    socket.bind(("wire1", OURS)).unwrap();
    let broadcast = Mac::BROADCAST;
    let frames: Vec<Vec<u8>> = (0..100_u8)
        .map(|n| {
            [&broadcast.0[..], &[2, 0, 0, 0, 0, n], &OURS.to_be_bytes(), &vec![n; usize::from(n) * 15]]
                .concat()
        })
        .collect();
    let data: Vec<[IoSlice<'_>; 1]> = frames.iter().map(|frame| [IoSlice::new(frame)]).collect();
    let messages: Vec<_> = data.iter().map(|data| Outgoing { data, ..Outgoing::default() }).collect();
    assert_eq!(socket.sendmmsg(&messages, 0).unwrap(), frames.len());
    for frame in &frames {
        assert_eq!(next(&mut heard), *frame);
    }
    for frame in &frames {
        heard.send(Instant::ZERO, Frame::copy_of(frame)).unwrap();
    }
    let messages = socket.recvmmsg(frames.len(), 2000, 0).unwrap();
    let received: Vec<_> = messages.into_iter().map(|message| message.data).collect();
    assert_eq!(received, frames);
}

/// The next frame of [`OURS`] within ten seconds.
fn next(device: &mut Packet) -> Vec<u8> {
    let (pool, end) = (Pool::new(), std::time::Instant::now() + Duration::from_secs(10));
    while std::time::Instant::now() < end {
        match device.recv(Instant::ZERO, &pool).unwrap() {
            Some(frame) if frame.bytes()[12..14] == OURS.to_be_bytes() => return frame.bytes().to_vec(),
            Some(_) => {}
            None => thread::yield_now(),
        }
    }
    panic!("nothing came for ten seconds");
}

#[test]
fn a_promiscuous_station_hears_what_is_for_others() {
    let Some((peer, ours)) = veth() else { return };
    let host = station(&ours);
    let mut heard = peer.run(|| Packet::shadow("wire0")).unwrap().unwrap();
    let socket = host.socket(AF_PACKET, SOCK_DGRAM, htons(OURS)).unwrap();
    socket.settimeout(PATIENCE).unwrap();
    let frame = |to: Mac, data: &[u8]| {
        Frame::copy_of(&[&to.0[..], &[2, 0, 0, 0, 0, 9], &OURS.to_be_bytes(), data].concat())
    };
    let stranger = Mac([2, 0, 0, 0, 0, 0x99]);
    let mut send = |to, data: &[u8]| heard.send(Instant::ZERO, frame(to, data)).unwrap();
    send(stranger, b"for somebody else");
    send(Mac::BROADCAST, b"for all");
    let (data, from) = socket.recvfrom(100, 0).unwrap();
    assert_eq!((data.as_slice(), from.link().unwrap().packet_type), (&b"for all"[..], PACKET_BROADCAST));
    let request = [&WIRE.0.to_ne_bytes()[..], &(PACKET_MR_PROMISC as u16).to_ne_bytes(), &[0; 10]].concat();
    socket.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, request).unwrap();
    send(stranger, b"for somebody else, too");
    let (data, from) = socket.recvfrom(100, 0).unwrap();
    assert_eq!(
        (data.as_slice(), from.link().unwrap().packet_type),
        (&b"for somebody else, too"[..], PACKET_OTHERHOST)
    );
    let closed = socket.dup().unwrap();
    socket.close().unwrap();
    closed.close().unwrap();
    let again = host.socket(AF_PACKET, SOCK_DGRAM, htons(OURS)).unwrap();
    again.settimeout(PATIENCE).unwrap();
    send(stranger, b"for somebody else again");
    send(Mac::BROADCAST, b"for all again");
    assert_eq!(again.recv(100, 0).unwrap(), b"for all again");
}
