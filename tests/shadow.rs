//! A host that stands on an existing interface as the kernel does, beside the kernel, against another kernel over a veth pair.
//! Needs CAP_SYS_ADMIN and CAP_NET_ADMIN (root, or `unshare -r`); everything happens in namespaces that the tests make.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::RawFd;
use std::thread;
use std::time::Duration;

use sockatoo::base::constants::*;
use sockatoo::base::{Direction, Frame, Pool};
use sockatoo::device::{Device, Packet};
use sockatoo::lab::Netns;
use sockatoo::wire::packet::Packet as BuiltPacket;
use sockatoo::{Errno, Host, Instant, Mac};

/// The peer's kernel at 192.0.2.1 and 2001:db8::1; `ours`: the kernel whose shadow we are, at .2 and ::2 on `wire1`.
struct Wire {
    peer: Netns,
    ours: Netns,
}

/// `None`, and the reason is printed, where namespaces are not allowed.
fn wire() -> Option<Wire> {
    let made = Netns::new().and_then(|peer| Ok(Wire { peer, ours: Netns::new()? }));
    match made {
        Ok(wire) => {
            wire.peer.veth("wire0", &wire.ours, "wire1").unwrap();
            for (netns, interface, address) in [
                (&wire.peer, "wire0", "192.0.2.1/24"),
                (&wire.peer, "wire0", "2001:db8::1/64"),
                (&wire.ours, "wire1", "192.0.2.2/24"),
                (&wire.ours, "wire1", "2001:db8::2/64"),
            ] {
                netns.add_address(interface, address).unwrap();
            }
            Some(wire)
        }
        Err(error) => {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "{error}");
            eprintln!("skipped: {error}");
            None
        }
    }
}

impl Wire {
    fn shadow(&self) -> Host {
        self.ours.run(|| Host::builder().shadow("wire1")).unwrap().unwrap().build().unwrap()
    }

    fn said(&self, netns: &Netns, command: &str) -> String {
        let mut words = command.split(' ');
        let output = netns.command(words.next().unwrap()).args(words).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    }
}

/// An echo request to the peer is answered within ten seconds.
fn ping(host: &Host, peer: &str) {
    let address: IpAddr = peer.parse().unwrap();
    let (family, protocol, kind) =
        if address.is_ipv4() { (AF_INET, IPPROTO_ICMP, 8) } else { (AF_INET6, IPPROTO_ICMPV6, 128) };
    let socket = host.socket(family, SOCK_DGRAM, protocol).unwrap();
    socket.settimeout(Some(Duration::from_secs(10))).unwrap();
    socket.sendto(&[kind, 0, 0, 0, 0, 0, 0, 1, b'!'], 0, (peer, 0)).unwrap();
    let (answer, from) = socket.recvfrom(64, 0).unwrap();
    assert_eq!(from.inet().unwrap().ip(), address);
    assert_eq!(answer.last(), Some(&b'!'));
}

#[test]
fn it_has_what_the_kernel_has() {
    let Some(wire) = wire() else { return };
    wire.ours.add_route("198.51.100.0/24", "192.0.2.1".parse().unwrap()).unwrap();
    wire.ours.add_route("default", "192.0.2.9".parse().unwrap()).unwrap();
    wire.ours.add_route("default", "2001:db8::1".parse().unwrap()).unwrap();
    let fixed = wire.said(&wire.ours, "ip neigh add 192.0.2.77 lladdr 02:00:00:00:00:77 dev wire1");
    assert_eq!(fixed, "");
    let host = wire.shadow();
    let interfaces = host.interfaces();
    let [lo, wire1] = interfaces.as_slice() else { panic!("{interfaces:?}") };
    assert_eq!((lo.name.as_str(), wire1.name.as_str(), wire1.mtu), ("lo", "wire1", 1500));
    let link = wire.said(&wire.ours, "ip -br link show wire1");
    assert!(link.contains(&wire1.mac.to_string()), "{link} {}", wire1.mac);
    for own in ["192.0.2.2/24", "2001:db8::2/64"] {
        assert!(wire1.addresses.contains(&own.parse().unwrap()), "{own}: {:?}", wire1.addresses);
    }
    // The link-local one is the kernel's, too.
    assert_eq!(wire1.addresses.len(), 3, "{:?}", wire1.addresses);
    // Beyond the router, which is the peer.
    wire.peer.add_address("lo", "198.51.100.7/32").unwrap();
    ping(&host, "198.51.100.7");
    // A fixed neighbour is not asked for.
    let mut heard = wire.peer.run(|| Packet::shadow("wire0")).unwrap().unwrap();
    let socket = host.socket(AF_INET, SOCK_DGRAM, 0).unwrap();
    socket.sendto(b"x", 0, ("192.0.2.77", 9)).unwrap();
    let frames = frames_until(&mut heard, |frame| frame.bytes().get(23) == Some(&17));
    let arp = frames.iter().filter(|frame| frame.bytes().get(12..14) == Some(&[8, 6])).count();
    assert_eq!((arp, &frames.last().unwrap().bytes()[..6]), (0, &[2, 0, 0, 0, 0, 0x77][..]));
}

#[test]
fn its_sockets_talk_from_the_kernels_addresses() {
    let Some(wire) = wire() else { return };
    let host = wire.shadow();
    ping(&host, "192.0.2.1");
    ping(&host, "2001:db8::1");
    let server = wire.peer.run(|| UdpSocket::bind("192.0.2.1:53")).unwrap().unwrap();
    server.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let socket = host.socket(AF_INET, SOCK_DGRAM, 0).unwrap();
    socket.settimeout(Some(Duration::from_secs(10))).unwrap();
    socket.sendto(b"question", 0, ("192.0.2.1", 53)).unwrap();
    let (mut buffer, from) = ([0; 16], "192.0.2.2".parse::<IpAddr>().unwrap());
    let (n, client) = server.recv_from(&mut buffer).unwrap();
    assert_eq!((&buffer[..n], client.ip()), (&b"question"[..], from));
    server.send_to(b"answer", client).unwrap();
    assert_eq!(socket.recv(16, 0).unwrap(), b"answer");
}

#[test]
fn the_kernel_is_not_disturbed() {
    let Some(wire) = wire() else { return };
    let host = wire.shadow();
    // Every echo request is answered once, by the kernel; and nobody announces, solicits or contradicts anything.
    for target in ["192.0.2.2", "2001:db8::2"] {
        let said = wire.said(&wire.peer, &format!("ping -c 5 -i 0.01 -W 5 {target}"));
        assert!(said.contains("5 received") && !said.contains("DUP"), "{said}");
    }
    // The kernel's connections live on: no RST of ours.
    let listener = wire.ours.run(|| TcpListener::bind("192.0.2.2:80")).unwrap().unwrap();
    let echo = thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let mut data = Vec::new();
        stream.read_to_end(&mut data).unwrap();
        stream.write_all(&data).unwrap();
    });
    let mut stream = wire.peer.run(|| TcpStream::connect("192.0.2.2:80")).unwrap().unwrap();
    let data = vec![7; 300_000];
    stream.write_all(&data).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut back = Vec::new();
    stream.read_to_end(&mut back).unwrap();
    echo.join().unwrap();
    assert!(back == data, "{} bytes came back", back.len());
    // Nor does it say "port unreachable" twice: the kernel does once.
    let asker = wire.peer.run(|| UdpSocket::bind("192.0.2.1:0")).unwrap().unwrap();
    asker.connect("192.0.2.2:9").unwrap();
    asker.send(b"x").unwrap();
    assert!(asker.recv(&mut [0; 9]).is_err());
    ping(&host, "192.0.2.1");
    let sent = wire.said(&wire.peer, "ip neigh show dev wire0");
    let mac = host.interfaces()[1].mac;
    assert!(sent.contains(&mac.to_string()), "{sent}");
    let said = wire.said(&wire.peer, "nstat -az IcmpInDestUnreachs");
    assert!(said.lines().any(|l| l.starts_with("IcmpInDestUnreachs") && l.contains(" 1 ")), "{said}");
}

#[test]
fn a_station_of_its_own_stands_beside_a_shadow() {
    let Some(wire) = wire() else { return };
    let shadow = wire.shadow();
    let own = wire.ours.run(|| Host::builder().packet("wire1")).unwrap().unwrap();
    let own = own.address("192.0.2.3/24").unwrap().build().unwrap();
    ping(&own, "192.0.2.1");
    ping(&shadow, "192.0.2.1");
    let known = wire.said(&wire.peer, "ip neigh show dev wire0");
    for (host, address) in [(&own, "192.0.2.3"), (&shadow, "192.0.2.2")] {
        let row = format!("{address} lladdr {}", host.interfaces()[1].mac);
        assert!(known.contains(&row), "{row}: {known}");
    }
}

#[test]
fn packets_built_by_hand_get_what_the_host_knows() {
    let Some(wire) = wire() else { return };
    let host = wire.shadow();
    let frame = |text: &str| text.parse::<BuiltPacket>().unwrap().build(&host).unwrap().bytes;
    let probe = "ether/ip(dst=192.0.2.1)/udp";
    let unknown = frame(probe);
    let own = host.interfaces()[1].mac;
    assert_eq!(
        (&unknown[..6], &unknown[6..12], &unknown[26..30]),
        (&[0xff; 6][..], &own.0[..], &[192, 0, 2, 2][..])
    );
    ping(&host, "192.0.2.1");
    let link = wire.said(&wire.peer, "ip -br link show wire0");
    let peer = Mac(frame(probe)[..6].try_into().unwrap());
    assert!(link.contains(&peer.to_string()), "{peer} {link}");
    assert_eq!(frame("ether/ip(dst=127.0.0.1)/udp")[..12], [0; 12]);
}

#[test]
fn its_own_loopback_is_its_own() {
    let Some(wire) = wire() else { return };
    let host = wire.shadow();
    ping(&host, "127.0.0.1");
    ping(&host, "192.0.2.2");
}

/// True if the descriptor becomes readable within the time given, in milliseconds.
#[allow(unsafe_code)]
fn readable(fd: RawFd, millis: i32) -> bool {
    let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: one pollfd, and `poll` is one.
    unsafe { libc::poll(&mut poll, 1, millis) == 1 }
}

/// Every frame up to the first that fits, which is the last of them.
fn frames_until(device: &mut Packet, fits: impl Fn(&Frame) -> bool) -> Vec<Frame> {
    let (pool, mut frames) = (Pool::new(), Vec::new());
    loop {
        match device.recv(Instant::ZERO, &pool).unwrap() {
            Some(frame) => {
                let last = fits(&frame);
                frames.push(frame);
                if last {
                    return frames;
                }
            }
            None => assert!(readable(device.fd().unwrap(), 10_000), "nothing more came: {frames:?}"),
        }
    }
}

/// The kind of an ICMP message of 98 bytes or more: 8 = request, 0 = reply.
fn icmp(frame: &Frame) -> Option<u8> {
    (frame.bytes().get(12..14) == Some(&[8, 0]) && frame.bytes().get(23) == Some(&1))
        .then(|| frame.bytes().get(34).copied())?
}

#[test]
fn both_directions_of_the_kernels_traffic_are_seen_and_our_own_frames_are_not() {
    let Some(wire) = wire() else { return };
    let mut device = wire.ours.run(|| Packet::shadow("wire1")).unwrap().unwrap();
    let ours = [0x22; 60];
    device.send(Instant::ZERO, Frame::copy_of(&ours)).unwrap();
    let said = wire.said(&wire.ours, "ping -c 1 -W 5 192.0.2.1");
    assert!(said.contains("1 received"), "{said}");
    let frames = frames_until(&mut device, |frame| icmp(frame) == Some(0));
    let request = frames.iter().find(|f| icmp(f) == Some(8)).unwrap();
    assert_eq!((request.direction, frames.last().unwrap().direction), (Direction::Out, Direction::In));
    assert!(frames.iter().all(|f| f.bytes() != ours), "{frames:?}");
    assert_eq!(device.with_mac(Mac([2; 6])).unwrap_err().errno(), Errno::EINVAL);
}

#[test]
fn what_the_kernel_left_undone_is_done_both_ways() {
    let Some(wire) = wire() else { return };
    let mut device = wire.ours.run(|| Packet::shadow("wire1")).unwrap().unwrap();
    let listener = wire.peer.run(|| TcpListener::bind("192.0.2.1:80")).unwrap().unwrap();
    let server = thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let mut data = Vec::new();
        stream.read_to_end(&mut data).unwrap();
        stream.write_all(&data).unwrap();
    });
    let mut stream = wire.ours.run(|| TcpStream::connect("192.0.2.1:80")).unwrap().unwrap();
    stream.write_all(&vec![7; 200_000]).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    stream.read_to_end(&mut Vec::new()).unwrap();
    server.join().unwrap();
    drop(stream);
    let fin =
        |f: &Frame| f.direction == Direction::In && f.bytes().get(47).is_some_and(|flags| flags & 1 != 0);
    let tcp = |f: &&Frame| f.bytes().get(12..14) == Some(&[8, 0]) && f.bytes().get(23) == Some(&6);
    let frames = frames_until(&mut device, |frame| tcp(&frame) && fin(frame));
    let mut seen = [0; 2];
    for frame in frames.iter().filter(tcp) {
        let bytes = frame.bytes();
        assert!(bytes.len() <= 1514, "{}", bytes.len());
        let [source, destination] =
            [26, 30].map(|at| IpAddr::from(<[u8; 4]>::try_from(&bytes[at..at + 4]).unwrap()));
        let total = usize::from(u16::from_be_bytes([bytes[16], bytes[17]]));
        let sum = sockatoo::wire::transport_checksum(source, destination, 6, &bytes[34..14 + total]);
        assert_eq!(sum, 0, "{frame:?}");
        seen[usize::from(frame.direction == Direction::Out)] += bytes.len();
    }
    assert!(seen.iter().all(|bytes| *bytes > 200_000), "{seen:?}");
}

#[test]
fn frames_for_others_come_only_if_they_are_wanted() {
    let Some(wire) = wire() else { return };
    let mut device = wire.ours.run(|| Packet::shadow("wire1")).unwrap().unwrap();
    let flags = || wire.said(&wire.ours, "ip -d link show wire1");
    assert!(flags().contains("promiscuity 0"), "{}", flags());
    device.set_promiscuous(true);
    assert!(flags().contains("promiscuity 1"), "{}", flags());
    device.set_promiscuous(false);
    assert!(flags().contains("promiscuity 0"), "{}", flags());
}

#[test]
fn the_kernels_loopback_can_be_watched() {
    let Some(wire) = wire() else { return };
    let mut device = wire.ours.run(|| Packet::shadow("lo")).unwrap().unwrap();
    assert_eq!((device.name(), device.mac()), ("kernel-lo", Mac::ZERO));
    let said = wire.said(&wire.ours, "ping -c 1 -W 5 127.0.0.1");
    assert!(said.contains("1 received"), "{said}");
    let frames = frames_until(&mut device, |frame| icmp(frame) == Some(0));
    assert_eq!(frames.iter().filter(|f| icmp(f).is_some()).count(), 2, "each once: {frames:?}");
    // Beside a host's own loopback.
    let host = wire.ours.run(|| Host::builder().shadow("lo")).unwrap().unwrap().build().unwrap();
    assert_eq!(host.interfaces().iter().map(|i| i.name.as_str()).collect::<Vec<_>>(), ["lo", "kernel-lo"]);
    ping(&host, "127.0.0.1");
    let missing = wire.ours.run(|| Host::builder().shadow("nope")).unwrap().unwrap_err();
    assert_eq!(missing.errno(), Errno::ENODEV);
}

#[test]
fn it_says_nothing_that_nobody_asked_its_sockets_for() {
    let Some(wire) = wire() else { return };
    let host = wire.shadow();
    let mac = host.interfaces()[1].mac;
    // The kernel falls silent: whatever still comes from its station is ours.
    wire.ours.set("net/ipv6/conf/wire1/disable_ipv6", "1").unwrap();
    for command in ["ip addr flush dev wire1", "ip link set wire1 arp off"] {
        assert_eq!(wire.said(&wire.ours, command), "");
    }
    let mut peer =
        wire.peer.run(|| Packet::open("wire0")).unwrap().unwrap().with_mac(Mac([2, 0, 0, 0, 0, 9])).unwrap();
    host.set_neighbour(sockatoo::IfIndex(2), "192.0.2.9".parse().unwrap(), Some(Mac([2, 0, 0, 0, 0, 9])))
        .unwrap();
    host.set_neighbour(sockatoo::IfIndex(2), "2001:db8::9".parse().unwrap(), Some(Mac([2, 0, 0, 0, 0, 9])))
        .unwrap();
    let udp = host.socket(AF_INET, SOCK_DGRAM, 0).unwrap();
    udp.settimeout(Some(Duration::from_secs(10))).unwrap();
    udp.bind(("", 5000)).unwrap();
    let _raw = host.socket(AF_INET, SOCK_RAW, IPPROTO_ICMP).unwrap();
    let group = [[224, 0, 0, 251], [192, 0, 2, 2]].concat();
    udp.setsockopt(SOL_IP, IP_ADD_MEMBERSHIP, group).unwrap();
    let asked = [
        "arp(op=1, psrc=192.0.2.9, pdst=192.0.2.2)",
        "arp(op=1, psrc=192.0.2.2, pdst=192.0.2.2)",
        "arp(op=2, psrc=192.0.2.2, pdst=192.0.2.2)",
        "ip(src=192.0.2.9, dst=192.0.2.2)/icmp(type=8)",
        "ip(src=192.0.2.9, dst=192.0.2.255)/icmp(type=8)",
        "ip(src=192.0.2.9, dst=224.0.0.1)/icmp(type=8)",
        "ip(src=192.0.2.9, dst=192.0.2.2)/icmp(type=13)",
        "ip(src=192.0.2.9, dst=192.0.2.2)/tcp(dport=80, flags=S)",
        "ip(src=192.0.2.9, dst=192.0.2.2)/tcp(dport=80, flags=A)",
        "ip(src=192.0.2.9, dst=192.0.2.2)/udp(sport=1, dport=9)/\"x\"",
        "ip(src=192.0.2.9, dst=192.0.2.2, proto=200)/\"x\"",
        "ip(src=192.0.2.9, dst=198.51.100.1, ttl=1)/udp(sport=1, dport=9)",
        "ip(src=192.0.2.9, dst=224.0.0.1, ttl=1)/igmp(type=0x11)",
        "ipv6(src=2001:db8::9, dst=2001:db8::2)/icmpv6(type=128)",
        "ipv6(src=2001:db8::9, dst=ff02::1)/icmpv6(type=128)",
        "ipv6(src=2001:db8::9, dst=2001:db8::2)/udp(sport=1, dport=9)",
        "ipv6(src=2001:db8::9, dst=2001:db8::2)/tcp(dport=80, flags=S)",
        "ipv6(src=2001:db8::9, dst=2001:db8::2, nh=200)/\"x\"",
        "ipv6(src=2001:db8::9, dst=2001:db8::2, hlim=255)/icmpv6(type=135)/hex(20010db8000000000000000000000002)",
        "ipv6(src=::, dst=ff02::1:ff00:2, hlim=255)/icmpv6(type=135)/hex(20010db8000000000000000000000002)",
        "ip(src=192.0.2.9, dst=192.0.2.2)/udp(sport=4000, dport=5000)/\"done\"",
    ];
    for text in asked {
        let text = format!("ether(dst={mac}, src=02:00:00:00:00:09)/{text}");
        let packet = text.parse::<BuiltPacket>().unwrap_or_else(|error| panic!("{text}: {error}"));
        let frame = Frame::copy_of(&packet.build(&host).unwrap().bytes);
        peer.send(Instant::ZERO, frame).unwrap();
    }
    assert_eq!(udp.recv(100, 0).unwrap(), b"done");
    udp.sendto(b"end", 0, ("192.0.2.9", 7)).unwrap();
    let frames = frames_until(&mut peer, |frame| frame.bytes().ends_with(b"end"));
    let ours: Vec<_> = frames.iter().filter(|frame| frame.bytes()[6..12] == mac.0).collect();
    assert_eq!(ours.len(), 1, "{ours:#?}");
}
