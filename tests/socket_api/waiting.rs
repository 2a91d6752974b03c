//! Handles, descriptors, and who is woken.

use crate::*;

#[test]
fn handles_share_a_socket() {
    let host = host();
    let (one, other) = pair(&host, SOCK_STREAM);
    let copy = one.dup().unwrap();
    one.close().unwrap();
    one.close().unwrap();
    assert_eq!(errno(one.send(b"x", 0)), Errno::EBADF);
    assert_eq!(errno(one.getsockname()), Errno::EBADF);
    copy.sendall(b"still here", 0).unwrap();
    assert_eq!(other.recv(100, 0).unwrap(), b"still here");
    drop(copy);
    assert_eq!(other.recv(100, 0).unwrap(), b"");
    drop(other);
    // The listener of the pair has gone too.
    assert_eq!(host.census().sockets, 0);
}

#[test]
fn a_descriptor_leads_back_to_its_socket() {
    let host = host();
    let (one, other) = pair(&host, SOCK_STREAM);
    let fd = other.fileno().unwrap();
    assert_eq!(other.fileno().unwrap(), fd);
    let again = fromfd(fd).unwrap();
    one.sendall(b"12", 0).unwrap();
    assert_eq!(again.recv(1, 0).unwrap(), b"1");
    drop(again);
    assert_eq!(other.detach().unwrap(), fd);
    assert!(other.is_closed());
    drop(other);
    let back = take_fileno(fd).unwrap();
    assert_eq!(back.recv(1, 0).unwrap(), b"2");
    drop(back);
    assert!(fromfd(fd).is_err());
    one.settimeout(Some(SOON)).unwrap();
    assert_eq!(one.recv(1, 0).unwrap(), b"");
    let kernels = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    assert_eq!(errno(fromfd(std::os::fd::AsRawFd::as_raw_fd(&kernels))), Errno::ENOTSOCK);
    assert_eq!(errno(fromfd(-1)), Errno::EBADF);
}

/// What poll(2), the kernel's, says of a descriptor within `timeout` milliseconds.
fn kernel_poll(fd: i32, events: i16, timeout: i32) -> i16 {
    let mut watched = libc::pollfd { fd, events, revents: 0 };
    // SAFETY: one pollfd, and so many are named.
    unsafe { libc::poll(&mut watched, 1, timeout) };
    watched.revents
}

#[test]
fn the_kernels_poll_waits_on_a_socket_of_ours() {
    let (a, b) = neighbours();
    let server = a.socket(AF_INET, SOCK_DGRAM, 0).unwrap();
    server.bind(("", 7)).unwrap();
    let fd = server.fileno().unwrap();
    assert_eq!(kernel_poll(fd, libc::POLLIN | libc::POLLOUT, 0), libc::POLLOUT);
    let client = b.socket(AF_INET, SOCK_DGRAM, 0).unwrap();
    for _ in 0..3 {
        client.sendto(b"hello", 0, ("192.0.2.1", 7)).unwrap();
        // Nobody calls into host a: its background thread takes the frame and shows it.
        assert_eq!(kernel_poll(fd, libc::POLLIN, 20_000), libc::POLLIN);
        assert_eq!(server.recv(10, MSG_DONTWAIT).unwrap(), b"hello");
        assert_eq!(kernel_poll(fd, libc::POLLIN, 0), 0);
    }
}

#[test]
fn poll_waits_for_the_first_of_many() {
    let host = host();
    let pairs: Vec<_> = (0..5).map(|_| pair(&host, SOCK_DGRAM)).collect();
    let mut watched: Vec<_> = pairs.iter().map(|(_, other)| PollFd::new(other, POLLIN)).collect();
    assert_eq!(poll(&mut watched, Some(Duration::ZERO)).unwrap(), 0);
    assert_eq!(poll(&mut watched, Some(Duration::from_millis(2))).unwrap(), 0);
    thread::scope(|scope| {
        scope.spawn(|| pairs[3].0.send(b"x", 0).unwrap());
        assert!(poll(&mut watched, Some(SOON)).unwrap() >= 1);
    });
    let ready: Vec<_> = watched.iter().map(|w| w.revents).collect();
    assert_eq!(ready, [0, 0, 0, POLLIN, 0]);
}

#[test]
fn closing_wakes_whoever_waits() {
    let host = host();
    let (one, _other) = pair(&host, SOCK_STREAM);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| one.recv(1, 0));
        // Whether the thread waits already or not: both ways lead to EBADF.
        one.close().unwrap();
        assert_eq!(errno(waiting.join().unwrap()), Errno::EBADF);
    });
}

#[test]
fn shutting_down_the_host_wakes_whoever_waits() {
    let host = host();
    let (one, _other) = pair(&host, SOCK_STREAM);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| one.recv(1, 0));
        host.shutdown();
        // Whether the thread waited already or not.
        let said = waiting.join().unwrap().unwrap_err().errno();
        assert!(matches!(said, Errno::EINTR | Errno::ENETDOWN), "{said}");
    });
}

#[test]
fn a_host_that_is_shut_down_does_nothing_any_more() {
    let host = host();
    let (one, other) = pair(&host, SOCK_STREAM);
    let udp = host.socket(AF_INET, SOCK_DGRAM, 0).unwrap();
    let raw = host.socket(AF_INET, SOCK_RAW, IPPROTO_RAW).unwrap();
    let packet = host.socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)).unwrap();
    let fresh = host.socket(AF_INET, SOCK_STREAM, 0).unwrap();
    other.sendall(b"unread", 0).unwrap();
    host.shutdown();
    for flags in [0, MSG_DONTWAIT] {
        assert_eq!(errno(one.recv(10, flags)), Errno::ENETDOWN);
        assert_eq!(errno(one.send(b"x", flags)), Errno::ENETDOWN);
        assert_eq!(errno(udp.sendto(b"x", flags, ("127.0.0.1", 9))), Errno::ENETDOWN);
        assert_eq!(errno(raw.sendto(&[0x45; 20], flags, ("127.0.0.1", 0))), Errno::ENETDOWN);
        assert_eq!(errno(packet.recvfrom(10, flags)), Errno::ENETDOWN);
    }
    assert_eq!(errno(fresh.bind(("127.0.0.1", 7000))), Errno::ENETDOWN);
    assert_eq!(errno(fresh.connect(("127.0.0.1", 7000))), Errno::ENETDOWN);
    assert_eq!(errno(fresh.listen(1)), Errno::ENETDOWN);
    assert_eq!(errno(fresh.accept()), Errno::ENETDOWN);
    assert_eq!(errno(one.shutdown(SHUT_RDWR)), Errno::ENETDOWN);
    assert_eq!(errno(host.socket(AF_INET, SOCK_DGRAM, 0)), Errno::ENETDOWN);
    // std's readers try again when they hear EINTR: this one must end.
    let mut reader = &one;
    assert_eq!(Read::read_to_end(&mut reader, &mut Vec::new()).unwrap_err().raw_os_error(), Some(100));
    // What it knows can still be read, and everything closes.
    assert!(packet.getsockopt_bytes(SOL_PACKET, PACKET_STATISTICS, 8).unwrap() != [0; 8]);
    assert!(one.getsockname().is_ok());
    for socket in [one, other, udp, raw, packet, fresh] {
        socket.close().unwrap();
    }
}
