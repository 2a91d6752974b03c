//! What a program writes into a raw socket is what the kernel sees at the other end of the TAP, byte for byte: a packet socket of
//! the kernel's takes it down. Needs CAP_SYS_ADMIN and CAP_NET_ADMIN; everything happens in a namespace that the test makes.
#![allow(clippy::unwrap_used, clippy::print_stderr, unsafe_code)]

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::FromRawFd;

use sockatoo::base::ControlMessage;
use sockatoo::lab::Netns;
use sockatoo::socket::*;
use sockatoo::wire::{checksum, transport_checksum};
use sockatoo::{Errno, Host, Mac};

const KERNEL: &str = "192.0.2.1";
const KERNEL_MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);

/// A host of ours on a TAP, and a packet socket on the kernel's side of it.
struct Wire {
    host: Host,
    kernel: File,
    _namespace: Netns,
}

/// A packet socket of the kernel's on `tap0`, which waits ten seconds at most.
fn packet_socket() -> File {
    let all = (libc::ETH_P_ALL as u16).to_be();
    // SAFETY: plain calls with structures that live as long as they do; the descriptor is ours alone.
    unsafe {
        let fd = libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, i32::from(all));
        assert!(fd >= 0, "{}", std::io::Error::last_os_error());
        let mut address: libc::sockaddr_ll = std::mem::zeroed();
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = all;
        address.sll_ifindex = libc::if_nametoindex(c"tap0".as_ptr()) as i32;
        let size = size_of_val(&address) as u32;
        assert_eq!(libc::bind(fd, (&raw const address).cast(), size), 0);
        let patience = libc::timeval { tv_sec: 10, tv_usec: 0 };
        let size = size_of_val(&patience) as u32;
        libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_RCVTIMEO, (&raw const patience).cast(), size);
        File::from_raw_fd(fd)
    }
}

fn wire() -> Option<Wire> {
    let namespace =
        Netns::new().and_then(|netns| netns.tap("tap0", &["192.0.2.1/24"]).map(|tap| (netns, tap)));
    let (namespace, tap) = match namespace {
        Ok(both) => both,
        Err(error) if error.errno() == Errno::EACCES || error.errno() == Errno::EPERM => {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "{error}");
            eprintln!("skipped: {error}");
            return None;
        }
        Err(error) => panic!("{error}"),
    };
    let kernel = namespace.run(packet_socket).unwrap();
    let host = Host::builder()
        .device(tap)
        .ipv4_only()
        .address("192.0.2.2/24")
        .unwrap()
        .neighbour(KERNEL, KERNEL_MAC)
        .unwrap()
        .neighbour("192.0.2.77", KERNEL_MAC)
        .unwrap()
        .build()
        .unwrap();
    Some(Wire { host, kernel, _namespace: namespace })
}

impl Wire {
    /// The next IP packet that the kernel's side sees from us.
    fn seen(&mut self) -> Vec<u8> {
        let mut frame = [0; 2000];
        loop {
            let n = self.kernel.read(&mut frame).expect("a frame within ten seconds");
            if n >= 14 && frame[..6] == KERNEL_MAC.0 && frame[12..14] == [8, 0] {
                return frame[14..n].to_vec();
            }
        }
    }

    fn raw(&self, rule: Verbatim) -> Socket {
        let socket = self.host.socket(AF_INET, SOCK_RAW, IPPROTO_RAW).unwrap();
        socket.set_verbatim(rule).unwrap();
        socket
    }
}

/// A packet with every field set, most of them oddly.
fn odd() -> Vec<u8> {
    let mut packet = vec![0x46, 0xb9, 0, 0, 0xca, 0xfe, 0x5f, 0xff, 3, 253, 0, 0];
    packet.extend([198, 51, 100, 66]); // a source that is not ours
    packet.extend([203, 0, 113, 5]); // a destination that sendto does not name
    packet.extend([0x9e, 4, 0xab, 0xcd]); // an experiment's option
    packet.extend(b"the payload of it");
    packet
}

fn set(packet: &mut [u8], at: usize, value: u16) {
    packet[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

#[test]
fn what_is_written_is_what_leaves() {
    let Some(mut wire) = wire() else { return };
    let socket = wire.raw(Verbatim::FillZeros);
    let mut right = odd();
    set(&mut right, 2, 41);
    let sum = checksum(&right[..24]);
    set(&mut right, 10, sum);
    let changed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut packet = right.clone();
        change(&mut packet);
        packet
    };
    let packets = [
        right.clone(),
        changed(&|p| set(p, 10, 0xdead)),
        changed(&|p| set(p, 2, 9000)),
        changed(&|p| set(p, 2, 20)),
        changed(&|p| p[0] = 0x44),
        changed(&|p| p[0] = 0x40),
        changed(&|p| p[0] = 0x4f),
        changed(&|p| p[0] = 0x76),
        changed(&|p| p[0] = 0x66),
        changed(&|p| p[0] = 0x06),
        changed(&|p| p[1] = 0xff),
        changed(&|p| set(p, 6, 0x8000)),
        changed(&|p| set(p, 6, 0xffff)),
        changed(&|p| p[8] = 0),
        changed(&|p| p[9] = 255),
        changed(&|p| p[12..16].fill(255)),
        changed(&|p| p[16..20].fill(0)),
        vec![0x45],
        b"no packet at all".to_vec(),
        vec![0x75; 1500],
    ];
    for packet in packets {
        assert_eq!(socket.sendto(&packet, 0, (KERNEL, 0)).unwrap(), packet.len());
        assert_eq!(wire.seen(), packet);
    }
    assert_eq!(socket.sendto(&[0x45; 1501], 0, (KERNEL, 0)).unwrap_err().errno(), Errno::EMSGSIZE);
}

#[test]
fn zeros_are_filled_in_or_left_as_asked() {
    let Some(mut wire) = wire() else { return };
    let mut zeros = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 253, 0, 0, 0, 0, 0, 0, 192, 0, 2, 1];
    zeros.extend(b"zeros");
    wire.raw(Verbatim::Untouched).sendto(&zeros, 0, (KERNEL, 0)).unwrap();
    assert_eq!(wire.seen(), zeros);
    for rule in [Verbatim::Linux, Verbatim::FillZeros] {
        wire.raw(rule).sendto(&zeros, 0, (KERNEL, 0)).unwrap();
        let seen = wire.seen();
        assert_eq!((&seen[2..4], &seen[12..16]), (&[0, 25][..], &[192, 0, 2, 2][..]));
        assert_ne!(seen[4..6], [0, 0]);
        assert_eq!(checksum(&seen[..20]), 0);
        assert_eq!(seen[20..], zeros[20..]);
    }
    // As the kernel would: what is set is overwritten.
    let mut wrong = odd();
    set(&mut wrong, 2, 9000);
    set(&mut wrong, 10, 0xdead);
    wire.raw(Verbatim::Linux).sendto(&wrong, 0, (KERNEL, 0)).unwrap();
    let seen = wire.seen();
    assert_eq!((&seen[..2], &seen[2..4], checksum(&seen[..24])), (&wrong[..2], &[0, 41][..], 0));
    assert_eq!((&seen[4..10], &seen[12..]), (&wrong[4..10], &wrong[12..]));
}

#[test]
fn a_transport_checksum_is_nobody_elses_business() {
    let Some(mut wire) = wire() else { return };
    let socket = wire.raw(Verbatim::FillZeros);
    for (protocol, at, length) in [(17_u8, 6, 8), (6, 16, 20), (1, 2, 8)] {
        for sum in [0, 0xbeef] {
            let mut packet = vec![0x45, 0, 0, 0, 0, 1, 0, 0, 64, protocol, 0, 0, 192, 0, 2, 2, 192, 0, 2, 1];
            let mut payload = vec![0x50; length];
            set(&mut payload, at, sum);
            packet.extend(payload);
            socket.sendto(&packet, 0, (KERNEL, 0)).unwrap();
            assert_eq!(wire.seen()[20..], packet[20..], "{protocol} {sum:x}");
        }
    }
    // Nor in a payload whose header is made here.
    let udp = wire.host.socket(AF_INET, SOCK_RAW, IPPROTO_UDP).unwrap();
    let payload = [0x13, 0x88, 0x13, 0x89, 0, 9, 0xde, 0xad, b'x'];
    udp.sendto(&payload, 0, (KERNEL, 0)).unwrap();
    let seen = wire.seen();
    assert_eq!((seen[9], &seen[20..]), (17, &payload[..]));
    assert_ne!(transport_checksum([192, 0, 2, 2].into(), [192, 0, 2, 1].into(), 17, &payload), 0);
}

#[test]
fn whatever_the_kernel_sends_is_seen_by_the_socket_of_all() {
    let Some(wire) = wire() else { return };
    let all = wire.host.socket(AF_INET, SOCK_RAW, IPPROTO_IP).unwrap();
    all.set_tell_bad_checksums(true).unwrap();
    all.settimeout(Some(std::time::Duration::from_secs(10))).unwrap();
    let Wire { host, mut kernel, _namespace } = wire;
    let own = host.interfaces().into_iter().find(|i| i.name == "tap0").unwrap().mac;
    let mut packet = odd();
    set(&mut packet, 2, 41);
    for (mac, bad) in [(own, 1), (Mac([2, 0, 0, 0, 0, 9]), 1), (Mac::BROADCAST, 0)] {
        let sum = checksum(&packet[..24]);
        set(&mut packet, 10, if bad == 0 { sum } else { sum ^ 1 });
        let frame = [&mac.0[..], &KERNEL_MAC.0, &[8, 0], &packet].concat();
        kernel.write_all(&frame).unwrap();
        let got = loop {
            let got = all.recvmsg(2000, 0).unwrap();
            // The namespace has packets of its own to send.
            if got.data.get(9) == Some(&253) {
                break got;
            }
        };
        let told: Vec<_> = (bad != 0).then_some(ControlMessage::ChecksumBad(1)).into_iter().collect();
        assert_eq!((got.data, got.control), (packet.clone(), told), "{mac}");
        set(&mut packet, 10, 0);
    }
}
