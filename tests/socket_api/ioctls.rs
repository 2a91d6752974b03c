//! ioctl: what Windows' tutorials ask, and interfaces' addresses as Python's recipes do.

use super::*;

#[test]
fn a_sniffer_hears_other_stations_while_it_receives_all() {
    let (left, right) = Cable::pair(CableConfig::default());
    let sniffing =
        Host::builder().dad_transmits(0).device(left).address("192.0.2.1/24").unwrap().build().unwrap();
    let talker = Host::builder().dad_transmits(0).device(right).address("192.0.2.2/24").unwrap();
    let talker = talker.neighbour("192.0.2.77", "02:00:00:00:00:77").unwrap().build().unwrap();
    // As every sniffer of the courses: a raw socket of IPPROTO_IP, bound to an address of its own.
    let sniffer = sniffing.socket(AF_INET, SOCK_RAW, IPPROTO_IP).unwrap();
    sniffer.bind(("192.0.2.1", 0)).unwrap();
    let said = talker.socket(AF_INET, SOCK_DGRAM, 0).unwrap();
    // The one to us comes behind the one to another station: when it is here, so is that one, or it was not heard.
    let heard = |word: &[u8]| {
        said.sendto(word, 0, ("192.0.2.77", 9)).unwrap();
        said.sendto(b"to us", 0, ("192.0.2.1", 9)).unwrap();
        sniffer.settimeout(Some(SOON)).unwrap();
        let mut others = 0;
        loop {
            let packet = sniffer.recv(2048, 0).unwrap();
            if packet.ends_with(b"to us") {
                return others;
            }
            others += usize::from(packet.ends_with(word));
        }
    };
    assert_eq!(heard(b"before"), 0);
    assert_eq!(sniffer.ioctl(SIO_RCVALL, RCVALL_ON).unwrap(), 0);
    assert_eq!(heard(b"during"), 1);
    sniffer.ioctl(SIO_RCVALL, RCVALL_OFF).unwrap();
    assert_eq!(heard(b"after"), 0);
    assert_eq!(errno(sniffer.ioctl(SIO_RCVALL, 7)), Errno::EINVAL);
    assert_eq!(errno(said.ioctl(SIO_RCVALL, RCVALL_ON)), Errno::EINVAL);
    sniffer.ioctl(SIO_RCVALL, RCVALL_ON).unwrap();
    assert_eq!(sniffing.census().sockets, 2);
    sniffer.close().unwrap();
    assert_eq!(sniffing.census().sockets, 0);
}

#[test]
fn keepalive_as_windows_says_it() {
    let host = host();
    let (one, _other) = pair(&host, SOCK_STREAM);
    one.ioctl(SIO_KEEPALIVE_VALS, (1, 60_000, 1_500)).unwrap();
    assert_eq!(one.getsockopt(SOL_SOCKET, SO_KEEPALIVE).unwrap(), 1);
    assert_eq!(one.getsockopt(IPPROTO_TCP, TCP_KEEPIDLE).unwrap(), 60);
    assert_eq!(one.getsockopt(IPPROTO_TCP, TCP_KEEPINTVL).unwrap(), 2);
    one.ioctl(SIO_KEEPALIVE_VALS, (0, 0, 0)).unwrap();
    assert_eq!(one.getsockopt(SOL_SOCKET, SO_KEEPALIVE).unwrap(), 0);
}

#[test]
fn interfaces_and_neighbours() {
    let (a, b) = neighbours();
    let socket = a.socket(AF_INET, SOCK_DGRAM, 0).unwrap();
    let name = a.if_indextoname(2).unwrap();
    assert_eq!(socket.ioctl(SIOCGIFADDR, &name).unwrap()[20..24], [192, 0, 2, 1]);
    let all = socket.ioctl(SIOCGIFCONF, b"").unwrap();
    let names: Vec<_> = all.chunks(40).map(|entry| entry[..2].to_vec()).collect();
    assert_eq!((names.len(), &names[0][..]), (2, &b"lo"[..]));
    assert_eq!(socket.ioctl(SIOCGIFCONF, &[0; 79]).unwrap().len(), 40);
    let asked = [&(AF_INET as u16).to_ne_bytes()[..], &[0, 0], &[192, 0, 2, 2]].concat();
    assert_eq!(errno(socket.ioctl(SIOCGARP, &asked)), Errno::ENXIO);
    let there = b.socket(AF_INET, SOCK_DGRAM, 0).unwrap();
    there.bind(("", 9)).unwrap();
    socket.sendto(b"x", 0, ("192.0.2.2", 9)).unwrap();
    there.settimeout(Some(SOON)).unwrap();
    there.recv(1, 0).unwrap();
    let mac = b.interfaces()[1].mac.0;
    assert_eq!(socket.ioctl(SIOCGARP, &asked).unwrap()[18..24], mac);
    let closed = a.socket(AF_INET, SOCK_DGRAM, 0).unwrap();
    closed.close().unwrap();
    assert_eq!(errno(closed.ioctl(SIOCGIFADDR, "lo")), Errno::EBADF);
    assert_eq!(errno(closed.ioctl(SIO_RCVALL, RCVALL_ON)), Errno::EBADF);
}

#[test]
fn a_detached_descriptor_is_closed_by_its_number() {
    let host = host();
    let socket = host.socket(AF_INET, SOCK_DGRAM, 0).unwrap();
    let fd = socket.fileno().unwrap();
    assert_eq!(errno(close(fd)), Errno::EBADF, "it was not detached");
    socket.set_inheritable(true).unwrap();
    assert!(socket.dup().unwrap().get_inheritable().unwrap());
    assert_eq!(socket.detach().unwrap(), fd);
    close(fd).unwrap();
    assert_eq!(host.census().sockets, 0);
    assert_eq!(errno(close(fd)), Errno::EBADF);
    assert_eq!(
        errno(close(std::os::fd::AsRawFd::as_raw_fd(&std::fs::File::open("/dev/null").unwrap()))),
        Errno::ENOTSOCK
    );
}
