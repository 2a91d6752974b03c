use super::*;
use crate::base::constants::{AF_INET, ETH_P_IP, SOCK_DGRAM};
use crate::device::{Cable, CableConfig};
use crate::sys::{PollFd, poll};
use std::os::fd::AsRawFd;
use std::time::Duration;

/// Two hosts with a cable between them. `None`, and the reason is printed, where namespaces are not allowed.
fn pair() -> Option<(Host, Host)> {
    if let Err(error) = thread::spawn(namespace::unshare_network).join().unwrap() {
        assert!(std::env::var_os("CI").is_none(), "CI must be able to run this: {error}");
        return None;
    }
    let (a, b) = Cable::pair(CableConfig { seed: 5, ..CableConfig::default() });
    let host = |end, address: &str| Host::builder().device(end).address(address).unwrap().build().unwrap();
    Some((host(a, "192.0.2.1/24"), host(b, "192.0.2.2/24")))
}

fn receive(fd: &OwnedFd) -> Vec<u8> {
    let mut buffer = vec![0; 2048];
    let mut fds = [PollFd::new(fd.as_raw_fd(), true, false)];
    assert_eq!(poll(&mut fds, Some(Duration::from_secs(5))).unwrap(), 1, "nothing came");
    let len = descriptor::recv(fd.as_fd(), &mut buffer, 0).unwrap();
    buffer.truncate(len);
    buffer
}

fn udp(host: &Host, port: u16) -> Socket {
    let socket = host.socket(AF_INET, SOCK_DGRAM, 0).unwrap();
    socket.bind(("0.0.0.0", port)).unwrap();
    socket.settimeout(Some(Duration::from_secs(5))).unwrap();
    socket
}

#[test]
fn what_passes_the_interface_passes_its_mirror_and_the_other_way_round() {
    let Some((a, b)) = pair() else { return };
    let (mut mirrors, epoll) = (Mirrors::default(), Epoll::new().unwrap());
    let native = mirrors.open(&a, &epoll, SOCK_RAW, LinkAddr::bind(IfIndex(2), ETH_P_IP)).unwrap();
    let control_mac =
        |name: &str| within(mirrors.namespace.as_ref().unwrap(), || Ok(Control::new()?.mac(name)?)).unwrap();
    assert_eq!(control_mac("eth0"), Some(a.interfaces()[1].mac));

    let (from, to) = (udp(&a, 1000), udp(&b, 2000));
    from.sendto(b"out", 0, ("192.0.2.2", 2000)).unwrap();
    assert_eq!(to.recv(10, 0).unwrap(), b"out");
    let eth0 = Mirrors::TOKEN | 2;
    mirrors.woken(mirrors.mirrors[&eth0].inside.id());
    let mut frame = receive(&native);
    assert!(frame.ends_with(b"out"), "{frame:x?}");

    // The program sends it once more.
    descriptor::send(native.as_fd(), &frame, 0).unwrap();
    let mut ready = Vec::new();
    epoll.wait(&mut ready, Some(Duration::from_secs(5))).unwrap();
    assert_eq!(ready.iter().map(|r| r.token).collect::<Vec<_>>(), [eth0]);
    mirrors.ready(eth0);
    assert_eq!(to.recv(10, 0).unwrap(), b"out");

    // What comes from the other side, and what the kernel makes of it: nothing.
    to.sendto(b"in", 0, ("192.0.2.1", 1000)).unwrap();
    assert_eq!(from.recv(10, 0).unwrap(), b"in");
    mirrors.woken(mirrors.mirrors[&eth0].inside.id());
    frame = receive(&native);
    assert!(frame.windows(2).any(|w| w == b"in"), "{frame:x?}");
    epoll.wait(&mut ready, Some(Duration::from_millis(20))).unwrap();
    assert!(ready.is_empty(), "the kernel says something by itself: {ready:?}");
}

#[test]
fn the_loopback_has_one_too() {
    let Some((a, _b)) = pair() else { return };
    let (mut mirrors, epoll) = (Mirrors::default(), Epoll::new().unwrap());
    let native = mirrors.open(&a, &epoll, SOCK_RAW, LinkAddr::bind(IfIndex::LO, ETH_P_ALL)).unwrap();
    let socket = udp(&a, 1000);
    socket.sendto(b"round", 0, ("127.0.0.1", 1000)).unwrap();
    assert_eq!(socket.recv(10, 0).unwrap(), b"round");
    let lo = Mirrors::TOKEN | 1;
    mirrors.woken(mirrors.mirrors[&lo].inside.id());
    // Once as sent, once as received: libpcap shows the second.
    let (first, second) = (receive(&native), receive(&native));
    assert!(first.ends_with(b"round"));
    assert_eq!(first, second);
    // That is all: the kernel has no address there, it answers nothing.
    mirrors.ready(lo);
    let mut fds = [PollFd::new(native.as_raw_fd(), true, false)];
    assert_eq!(poll(&mut fds, Some(Duration::from_millis(20))).unwrap(), 0);
}
