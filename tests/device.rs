//! TAPs, packet interfaces and namespaces, against the kernel. Needs CAP_SYS_ADMIN and CAP_NET_ADMIN (root, or `unshare -r`);
//! everything happens in namespaces that the tests make.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::process::{Command, Stdio};
use std::time::Duration;

use sockatoo::base::{Frame, Pool, Reason};
use sockatoo::device::{Device, Packet, SendError, Tap, Tee};
use sockatoo::lab::Netns;
use sockatoo::trace::PcapWriter;
use sockatoo::{Errno, Error, Host, Instant, Mac};

fn netns() -> Option<Netns> {
    Netns::new().map_or_else(|error| skip(&error), Some)
}

/// Says why a test is skipped; where tests must not be (CI=true), that is a failure.
fn skip<T>(error: &Error) -> Option<T> {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{error}");
    eprintln!("skipped: {error}");
    None
}

/// A namespace with a TAP, whose kernel side has the addresses given.
fn netns_with_tap(addresses: &[&str]) -> Option<(Netns, Tap)> {
    let kernel = netns()?;
    match kernel.tap("tap0", addresses) {
        Ok(tap) => Some((kernel, tap)),
        Err(error) if error.errno() == Errno::EACCES => skip(&error),
        Err(error) => panic!("{error}"),
    }
}

/// True if the descriptor becomes readable within the time given, in milliseconds.
#[allow(unsafe_code)]
fn readable(fd: RawFd, millis: i32) -> bool {
    let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: one pollfd, and `poll` is one.
    unsafe { libc::poll(&mut poll, 1, millis) == 1 }
}

/// The first arriving frame that fits; ten seconds of silence are a failure.
fn receive(device: &mut dyn Device, fits: impl Fn(&Frame) -> bool) -> Frame {
    receive_within(device, 10_000, fits).expect("nothing fitting arrived for ten seconds")
}

/// The same; `None` after so many milliseconds of silence.
fn receive_within(device: &mut dyn Device, millis: i32, fits: impl Fn(&Frame) -> bool) -> Option<Frame> {
    let pool = Pool::new();
    loop {
        match device.recv(Instant::ZERO, &pool).unwrap() {
            Some(frame) if fits(&frame) => return Some(frame),
            Some(_) => {}
            None if readable(device.fd().unwrap(), millis) => {}
            None => return None,
        }
    }
}

const ASK: u8 = 1;
const ANSWER: u8 = 2;

/// RFC 826: an ARP packet in its Ethernet frame.
fn arp(operation: u8, from: (Mac, Ipv4Addr), to: (Mac, Ipv4Addr)) -> Frame {
    let destination = if operation == ASK { Mac::BROADCAST } else { to.0 };
    let mut bytes = Vec::new();
    bytes.extend(destination.0);
    bytes.extend(from.0.0);
    bytes.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, operation]);
    bytes.extend(from.0.0);
    bytes.extend(from.1.octets());
    bytes.extend(to.0.0);
    bytes.extend(to.1.octets());
    Frame::copy_of(&bytes)
}

fn is_arp(frame: &Frame, operation: u8) -> bool {
    frame.bytes().get(12..14) == Some(&[8, 6]) && frame.bytes().get(21) == Some(&operation)
}

const KERNEL: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const OURS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

/// The kernel answers our ARP request, with its station address. Asked once a second, as ARP does: what the kernel says on an
/// interface whose carrier has just come is lost.
fn kernel_answers(device: &mut dyn Device) -> Mac {
    for _ in 0..10 {
        let ask = arp(ASK, (device.mac(), OURS), (Mac::ZERO, KERNEL));
        device.send(Instant::ZERO, ask).unwrap();
        if let Some(answer) = receive_within(device, 1000, |frame| is_arp(frame, ANSWER)) {
            assert_eq!(answer.bytes()[..6], device.mac().0);
            return Mac(answer.bytes()[6..12].try_into().unwrap());
        }
    }
    panic!("the kernel does not answer");
}

#[test]
fn the_kernel_answers_on_a_tap_and_asks_on_it() {
    let Some((kernel, mut tap)) = netns_with_tap(&["192.0.2.1/24", "2001:db8::1/64"]) else { return };
    assert_eq!((tap.name(), tap.mtu(), tap.is_up()), ("tap0", 1500, true));
    assert_ne!(kernel_answers(&mut tap), tap.mac());
    let mut ping = kernel.command("ping");
    let mut ping = ping.args(["-c1", "-W1", "192.0.2.2"]).stdout(Stdio::null()).spawn().unwrap();
    // It knows us from our own request already, so the echo request may come at once.
    let echo = receive(&mut tap, |frame| frame.bytes().len() >= 98 && frame.bytes()[23] == 1);
    assert_eq!(echo.bytes()[..6], tap.mac().0);
    ping.kill().unwrap();
    ping.wait().unwrap();
}

#[test]
fn a_tap_that_is_set_down_comes_back() {
    let Some((kernel, mut tap)) = netns_with_tap(&["192.0.2.1/24"]) else { return };
    let frame = || arp(ASK, (Mac([2, 0, 0, 0, 0, 1]), OURS), (Mac::ZERO, KERNEL));
    kernel.set_down("tap0").unwrap();
    let Err(SendError::Failed(error)) = tap.send(Instant::ZERO, frame()) else {
        panic!("sent on a link that is down")
    };
    assert_eq!(error.errno(), Errno::ENETDOWN);
    assert!(!tap.is_up() && tap.deadline().is_some());
    kernel.set_up("tap0").unwrap();
    let later = tap.deadline().unwrap();
    while tap.recv(later, &Pool::new()).is_ok_and(|frame| frame.is_some()) {}
    assert!(tap.is_up() && tap.deadline().is_none());
    kernel_answers(&mut tap);
}

#[test]
fn an_idle_tap_that_is_set_down_is_noticed_and_told_once() {
    let Some((kernel, mut tap)) = netns_with_tap(&[]) else { return };
    kernel.set_down("tap0").unwrap();
    let pool = Pool::new();
    let later = Instant::ZERO + Duration::from_secs(2);
    let told = (0..100).filter(|_| tap.recv(later, &pool).is_err()).count();
    assert_eq!((told, tap.is_up()), (1, false));
}

#[test]
fn a_tap_that_is_deleted_comes_back_when_it_is_made_again() {
    let Some((kernel, mut tap)) = netns_with_tap(&["192.0.2.1/24"]) else { return };
    kernel.delete("tap0").unwrap();
    let pool = Pool::new();
    let mut told = 0;
    for _ in 0..100 {
        told += usize::from(tap.recv(Instant::ZERO, &pool).is_err());
    }
    assert_eq!((told, tap.is_up(), tap.fd()), (1, false, None));
    let mut now = tap.deadline().unwrap();
    assert!(tap.recv(now, &pool).unwrap().is_none() && !tap.is_up(), "nobody has made it again");
    // A persistent TAP of the same name.
    let status = kernel.command("ip").args(["tuntap", "add", "tap0", "mode", "tap"]).status().unwrap();
    assert!(status.success());
    kernel.set_up("tap0").unwrap();
    kernel.add_address("tap0", "192.0.2.1/24").unwrap();
    now = now.max(tap.deadline().unwrap());
    while tap.recv(now, &pool).unwrap().is_some() {}
    assert!(tap.is_up());
    kernel_answers(&mut tap);
}

#[test]
fn a_larger_mtu_is_followed() {
    let Some((kernel, mut tap)) = netns_with_tap(&["192.0.2.1/24"]) else { return };
    kernel_answers(&mut tap);
    kernel.set_mtu("tap0", 9000).unwrap();
    let socket = kernel.run(|| UdpSocket::bind("192.0.2.1:7")).unwrap().unwrap();
    let is_long = |frame: &Frame| frame.len() == 14 + 20 + 8 + 8000;
    socket.send_to(&[7; 8000], "192.0.2.2:7").unwrap(); // lost: longer than the MTU that was known
    assert!(tap.recv(Instant::ZERO, &Pool::new()).unwrap().is_none_or(|frame| !is_long(&frame)));
    socket.send_to(&[7; 8000], "192.0.2.2:7").unwrap();
    receive(&mut tap, is_long);
    assert_eq!(tap.mtu(), 9000);
}

#[test]
fn tcpdump_reads_what_a_tee_writes() {
    let Some((_kernel, tap)) = netns_with_tap(&["192.0.2.1/24"]) else { return };
    let path = std::env::temp_dir().join(format!("sockatoo-{}.pcap", std::process::id()));
    let epoch = Duration::from_secs(1_700_000_000);
    let mut tap = Tee::new(tap, PcapWriter::create(&path, epoch).unwrap());
    kernel_answers(&mut tap);
    tap.sleeping(true); // what is written before a host sleeps can be read while it does
    let read = Command::new("tcpdump").args(["-nttr"]).arg(&path).stderr(Stdio::null()).output();
    std::fs::remove_file(&path).unwrap();
    let Ok(read) = read else { return eprintln!("skipped: there is no tcpdump") };
    let text = String::from_utf8(read.stdout).unwrap();
    let has = |words: &str| text.lines().any(|line| line.starts_with("1700000000.") && line.contains(words));
    assert!(has("ARP, Request who-has 192.0.2.1") && has("ARP, Reply 192.0.2.1 is-at"), "{text}");
}

#[test]
fn opening_a_tap_says_what_is_wrong() {
    let Some((kernel, _tap)) = netns_with_tap(&[]) else { return };
    let error = |name: &str| kernel.run(|| Tap::open(name)).unwrap().unwrap_err();
    assert_eq!(error("tap0").errno(), Errno::EBUSY);
    assert_eq!(error("lo").errno(), Errno::EINVAL);
    assert_eq!(error("a-name-that-is-too-long").errno(), Errno::EINVAL);
    let exist = kernel.run(|| (Tap::exists("tap0"), Tap::exists("lo"), Tap::exists("tap1"))).unwrap();
    assert_eq!(exist, (true, false, false));
}

#[test]
fn namespaces_are_apart_and_joined_by_veth() {
    let (Some(a), Some(b)) = (netns(), netns()) else { return };
    a.veth("eth0", &b, "eth0").unwrap();
    a.add_address("eth0", "192.0.2.1/24").unwrap();
    a.add_address("eth0", "2001:db8::1/64").unwrap();
    b.add_address("eth0", "192.0.2.2/24").unwrap();
    b.add_address("eth0", "2001:db8::2/64").unwrap();
    b.add_route("default", "192.0.2.1".parse().unwrap()).unwrap();
    for address in ["192.0.2.1:80", "[2001:db8::1]:80"] {
        let listener = a.run(|| TcpListener::bind(address)).unwrap().unwrap();
        b.run(|| TcpStream::connect(address)).unwrap().unwrap();
        listener.accept().unwrap();
    }
    let error = a.add_address("eth9", "192.0.2.1/24").unwrap_err();
    assert_eq!(error.errno(), Errno::ENODEV);
    assert!(a.add_address("eth0", "192.0.2.1").is_ok() && a.add_address("eth0", "192.0.2").is_err());
}

/// The kernel on one end of a veth pair, a packet device on the other.
fn veth() -> Option<(Netns, Netns, Packet)> {
    let (kernel, ours) = (netns()?, netns()?);
    kernel.veth("eth0", &ours, "eth0").unwrap();
    kernel.add_address("eth0", "192.0.2.1/24").unwrap();
    let packet = ours.run(|| Packet::open("eth0")).unwrap().unwrap();
    Some((kernel, ours, packet))
}

/// RFC 1071: zero over a pseudo header and a datagram whose checksum is right.
fn udp_sum(frame: &Frame) -> u16 {
    let bytes = frame.bytes();
    let length = u16::from_be_bytes([bytes[38], bytes[39]]);
    let datagram = &bytes[34..34 + usize::from(length)];
    let words = bytes[26..34].chunks(2).chain(datagram.chunks(2));
    let mut sum = 17 + u32::from(length);
    sum += words.map(|w| u32::from(w[0]) << 8 | w.get(1).map_or(0, |b| u32::from(*b))).sum::<u32>();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

fn is_udp(frame: &Frame) -> bool {
    frame.bytes().get(12..14) == Some(&[8, 0]) && frame.bytes().get(23) == Some(&17)
}

#[test]
fn a_packet_device_is_a_station_beside_the_kernel() {
    let Some((kernel, ours, mut packet)) = veth() else { return };
    ours.add_address("eth0", "192.0.2.3/24").unwrap();
    assert_eq!((packet.mtu(), packet.is_up()), (1500, true));
    kernel_answers(&mut packet);
    // What is meant for the kernel beside us is not ours, and neither is what it sends.
    let socket = kernel.run(|| UdpSocket::bind("192.0.2.1:7")).unwrap().unwrap();
    let beside = ours.run(|| UdpSocket::bind("192.0.2.3:7")).unwrap().unwrap();
    beside.send_to(b"from beside", "192.0.2.1:7").unwrap();
    socket.recv(&mut [0; 32]).unwrap();
    socket.send_to(b"for the kernel beside us", "192.0.2.3:7").unwrap();
    beside.recv(&mut [0; 32]).unwrap();
    socket.send_to(b"for us", "192.0.2.2:7").unwrap();
    let frame = receive(&mut packet, is_udp);
    assert!(frame.bytes().ends_with(b"for us"), "{frame:?}");
    assert_eq!(udp_sum(&frame), 0, "a veth leaves the checksum to its \"hardware\"");
}

#[test]
#[allow(unsafe_code)]
fn super_frames_arrive_in_the_size_of_the_wire() {
    let Some((kernel, _ours, mut packet)) = veth() else { return };
    kernel_answers(&mut packet);
    let socket = kernel.run(|| UdpSocket::bind("192.0.2.1:7")).unwrap().unwrap();
    const UDP_SEGMENT: i32 = 103;
    let size = 1000_i32;
    // SAFETY: the value is an int, and lives longer than the call.
    let set = unsafe { libc::setsockopt(socket.as_raw_fd(), 17, UDP_SEGMENT, (&raw const size).cast(), 4) };
    assert_eq!(set, 0);
    let sent: Vec<u8> = (0..60_500_u32).map(|n| (n % 251) as u8).collect();
    socket.send_to(&sent, "192.0.2.2:7").unwrap();
    let mut seen = Vec::<u8>::new();
    while seen.len() < sent.len() {
        let frame = receive(&mut packet, is_udp);
        assert_eq!(udp_sum(&frame), 0);
        assert!(frame.len() <= 14 + 20 + 8 + 1000);
        seen.extend(&frame.bytes()[42..]);
    }
    assert!(seen == sent);
    packet.notes(&mut |reason, n| panic!("{n} dropped: {reason:?}"));
}

#[test]
fn what_finds_the_receive_buffer_full_is_counted() {
    let Some((kernel, _ours, mut packet)) = veth() else { return };
    kernel_answers(&mut packet);
    let socket = kernel.run(|| UdpSocket::bind("192.0.2.1:7")).unwrap().unwrap();
    let sent = 40_000;
    for _ in 0..sent {
        socket.send_to(&[0; 1400], "192.0.2.2:7").unwrap();
    }
    let (pool, later) = (Pool::new(), Instant::from_secs(2));
    let seen = std::iter::from_fn(|| packet.recv(later, &pool).unwrap()).filter(is_udp).count() as u64;
    let mut dropped = 0;
    packet.recv(Instant::from_secs(4), &pool).unwrap();
    packet.notes(&mut |reason, n| {
        assert_eq!(reason, Reason::DeviceQueueFull);
        dropped += n;
    });
    assert!(dropped > 0 && seen < sent && seen + dropped >= sent, "{seen} seen, {dropped} counted of {sent}");
}

#[test]
fn an_interface_that_goes_down_or_away_comes_back() {
    let Some((kernel, ours, mut packet)) = veth() else { return };
    let pool = Pool::new();
    let drained = |packet: &mut Packet, now| {
        while packet.recv(now, &pool).unwrap().is_some() {}
    };
    let told = |packet: &mut Packet| (0..100).filter(|_| packet.recv(Instant::ZERO, &pool).is_err()).count();
    ours.set_down("eth0").unwrap();
    assert_eq!((told(&mut packet), packet.is_up()), (1, false));
    let ask = arp(ASK, (packet.mac(), OURS), (Mac::ZERO, KERNEL));
    let Err(SendError::Failed(error)) = packet.send(Instant::ZERO, ask) else { panic!("sent while down") };
    assert_eq!(error.errno(), Errno::ENETDOWN);
    ours.set_up("eth0").unwrap();
    let now = packet.deadline().unwrap();
    drained(&mut packet, now);
    assert!(packet.is_up());
    kernel_answers(&mut packet);

    ours.delete("eth0").unwrap();
    assert_eq!((told(&mut packet), packet.is_up()), (1, false));
    kernel.veth("eth0", &ours, "eth0").unwrap();
    kernel.add_address("eth0", "192.0.2.1/24").unwrap();
    let now = now.max(packet.deadline().unwrap());
    drained(&mut packet, now);
    assert!(packet.is_up());
    kernel_answers(&mut packet);
}

#[test]
fn opening_an_interface_says_what_is_wrong() {
    let Some(netns) = netns() else { return };
    let error = |name: &str| netns.run(|| Packet::open(name)).unwrap().unwrap_err();
    assert_eq!((error("lo").errno(), error("eth9").errno()), (Errno::EINVAL, Errno::ENODEV));
}

/// Byte `n` of an endless stream that never repeats within a frame's length.
fn pattern(n: usize) -> u8 {
    (n ^ (n >> 8) ^ (n >> 16)) as u8
}

/// The kernel sends `all` bytes, its offloads on; our host on the other end of the veth sees every one of them right.
fn fetch(all: usize, kernel_address: &str, kernel_net: &str, our_net: &str) {
    let Some((kernel, _ours, packet)) = veth() else { return };
    kernel.add_address("eth0", kernel_net).unwrap();
    let listener = kernel.run(|| TcpListener::bind(kernel_address)).unwrap().unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let block: Vec<u8> = (0..1 << 16).map(pattern).collect();
        let mut left = all;
        while left > 0 {
            let n = left.min(block.len());
            stream.write_all(&block[..n]).unwrap();
            left -= n;
        }
    });
    let host = Host::builder().device(packet).address(our_net).unwrap().dad_transmits(0).build().unwrap();
    let mut stream = sockatoo::socket::net::TcpStream::connect(&host, kernel_address).unwrap();
    let mut buffer = vec![0; 1 << 16];
    let mut seen = 0;
    loop {
        let n = stream.read(&mut buffer).unwrap();
        if n == 0 {
            break;
        }
        let right =
            buffer[..n].iter().enumerate().all(|(at, byte)| *byte == pattern((seen + at) % (1 << 16)));
        assert!(right, "within {n} bytes from {seen} on");
        seen += n;
    }
    assert_eq!(seen, all);
    server.join().unwrap();
}

#[test]
fn a_hundred_megabytes_from_a_veth_with_its_offloads_on() {
    fetch(100_000_000, "192.0.2.11:80", "192.0.2.11/24", "192.0.2.2/24");
}

#[test]
fn the_same_over_ipv6() {
    fetch(20_000_000, "[2001:db8::1]:80", "2001:db8::1/64", "2001:db8::2/64");
}
