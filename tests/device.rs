//! TAPs, packet interfaces and namespaces, against the kernel. Needs CAP_SYS_ADMIN and CAP_NET_ADMIN (root, or `unshare -r`);
//! everything happens in namespaces that the tests make.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::RawFd;
use std::process::Stdio;
use std::time::Duration;

use sockatoo::base::{Frame, Pool};
use sockatoo::device::{Device, SendError, Tap};
use sockatoo::lab::Netns;
use sockatoo::{Errno, Instant, Mac};

/// A namespace, or a word why there is none; where tests must not be skipped (CI=true), none is a failure.
fn netns() -> Option<Netns> {
    match Netns::new() {
        Ok(netns) => Some(netns),
        Err(error) if std::env::var("CI").is_ok_and(|ci| ci == "true") => panic!("{error}"),
        Err(error) => {
            eprintln!("skipped: {error}");
            None
        }
    }
}

/// Waits until the descriptor is readable, ten seconds at most.
#[allow(unsafe_code)]
fn wait(fd: RawFd) {
    let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: one pollfd, and `poll` is one.
    let ready = unsafe { libc::poll(&mut poll, 1, 10_000) };
    assert_eq!(ready, 1, "nothing arrived within ten seconds");
}

/// The first arriving frame that fits.
fn receive(device: &mut dyn Device, fits: impl Fn(&Frame) -> bool) -> Frame {
    let pool = Pool::new();
    loop {
        match device.recv(Instant::ZERO, &pool).unwrap() {
            Some(frame) if fits(&frame) => return frame,
            Some(_) => {}
            None => wait(device.fd().unwrap()),
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

/// The kernel answers our ARP request, with its station address.
fn kernel_answers(device: &mut dyn Device) -> Mac {
    let ask = arp(ASK, (device.mac(), OURS), (Mac::ZERO, KERNEL));
    device.send(Instant::ZERO, ask).unwrap();
    let answer = receive(device, |frame| is_arp(frame, ANSWER));
    assert_eq!(answer.bytes()[..6], device.mac().0);
    Mac(answer.bytes()[6..12].try_into().unwrap())
}

#[test]
fn the_kernel_answers_on_a_tap_and_asks_on_it() {
    let Some(kernel) = netns() else { return };
    let mut tap = kernel.tap("tap0", &["192.0.2.1/24", "2001:db8::1/64"]).unwrap();
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
    let Some(kernel) = netns() else { return };
    let mut tap = kernel.tap("tap0", &["192.0.2.1/24"]).unwrap();
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
    let Some(kernel) = netns() else { return };
    let mut tap = kernel.tap("tap0", &[]).unwrap();
    kernel.set_down("tap0").unwrap();
    let pool = Pool::new();
    let later = Instant::ZERO + Duration::from_secs(2);
    let told = (0..100).filter(|_| tap.recv(later, &pool).is_err()).count();
    assert_eq!((told, tap.is_up()), (1, false));
}

#[test]
fn a_tap_that_is_deleted_comes_back_when_it_is_made_again() {
    let Some(kernel) = netns() else { return };
    let mut tap = kernel.tap("tap0", &["192.0.2.1/24"]).unwrap();
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
    let Some(kernel) = netns() else { return };
    let mut tap = kernel.tap("tap0", &["192.0.2.1/24"]).unwrap();
    kernel_answers(&mut tap);
    kernel.set_mtu("tap0", 9000).unwrap();
    let socket = kernel.run(|| std::net::UdpSocket::bind("192.0.2.1:7")).unwrap().unwrap();
    let is_long = |frame: &Frame| frame.len() == 14 + 20 + 8 + 8000;
    socket.send_to(&[7; 8000], "192.0.2.2:7").unwrap(); // lost: longer than the MTU that was known
    assert!(tap.recv(Instant::ZERO, &Pool::new()).unwrap().is_none_or(|frame| !is_long(&frame)));
    socket.send_to(&[7; 8000], "192.0.2.2:7").unwrap();
    receive(&mut tap, is_long);
    assert_eq!(tap.mtu(), 9000);
}

#[test]
fn opening_a_tap_says_what_is_wrong() {
    let Some(kernel) = netns() else { return };
    let _tap = kernel.tap("tap0", &[]).unwrap();
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
