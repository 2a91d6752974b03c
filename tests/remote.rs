//! A host in another process through its handle: what only that has. (Everything else: the parity suite speaks each of its cases
//! through this door too.)
#![cfg(feature = "cli")]
#![allow(missing_docs, clippy::unwrap_used)]

use std::io::IoSlice;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use sockatoo::device::Cable;
use sockatoo::socket::*;
use sockatoo::{Errno, Host, Result, lab};

fn host() -> Host {
    lab::served(Host::builder().hostname("parrot").hosts_text("192.0.2.7 pirate\n")).unwrap()
}

/// A datagram socket on `lo`.
fn bound(host: &Host) -> Socket {
    let socket = host.socket(AF_INET, SOCK_DGRAM, 0).unwrap();
    socket.bind(("127.0.0.1", 0)).unwrap();
    socket
}

fn errno<T>(result: Result<T>) -> Errno {
    result.err().expect("an error").errno()
}

/// Sends it a datagram.
fn send_to(host: &Host, to: &Socket) {
    let sender = host.socket(AF_INET, SOCK_DGRAM, 0).unwrap();
    sender.sendto(b"go", 0, to.getsockname().unwrap()).unwrap();
}

#[test]
fn threads_that_share_a_host_get_each_its_own_answers() {
    let host = host();
    let sockets: Vec<Socket> = (0..16).map(|_| bound(&host)).collect();
    thread::scope(|scope| {
        for (number, socket) in sockets.iter().enumerate() {
            scope.spawn(move || {
                for round in 0..200_u16 {
                    let expected = [number as u8, round as u8];
                    assert_eq!(socket.recv(100, 0).unwrap(), expected);
                }
            });
        }
        let sender = host.socket(AF_INET, SOCK_DGRAM, 0).unwrap();
        for round in 0..200_u16 {
            for (number, socket) in sockets.iter().enumerate() {
                sender.sendto(&[number as u8, round as u8], 0, socket.getsockname().unwrap()).unwrap();
            }
        }
    });
}

#[test]
fn a_call_that_waits_ends_with_its_socket() {
    let host = host();
    let socket = bound(&host);
    let began = Barrier::new(2);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            assert_eq!(socket.recv(100, 0).unwrap(), b"go");
            began.wait();
            errno(socket.recv(100, 0))
        });
        send_to(&host, &socket);
        began.wait();
        // Whether it waits already or comes late, it is told the same.
        socket.close().unwrap();
        assert_eq!(waiting.join().unwrap(), Errno::EBADF);
    });
}

#[test]
fn who_leaves_is_interrupted_and_the_host_goes_on() {
    let host = host();
    let socket = bound(&host);
    let (began, end) = (Barrier::new(2), Barrier::new(2));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            assert_eq!(socket.recv(100, 0).unwrap(), b"go");
            began.wait();
            let waited = errno(socket.recv(100, 0));
            end.wait();
            (waited, errno(socket.recv(100, 0)), errno(host.socket(AF_INET, SOCK_DGRAM, 0)))
        });
        send_to(&host, &socket);
        began.wait();
        host.shutdown();
        end.wait();
        let (waited, later, made) = waiting.join().unwrap();
        // EINTR if it waited already, ENETDOWN if it came after.
        assert!(matches!(waited, Errno::EINTR | Errno::ENETDOWN), "{waited}");
        assert_eq!((later, made), (Errno::ENETDOWN, Errno::ENETDOWN));
        socket.close().unwrap();
    });
}

#[test]
fn time_outs_say_what_they_say_here() {
    for host in [Host::builder().build().unwrap(), host()] {
        let socket = bound(&host);
        socket.settimeout(Some(Duration::from_millis(5))).unwrap();
        assert_eq!(errno(socket.recv(10, 0)), Errno::ETIMEDOUT);
        socket.settimeout(None).unwrap();
        socket.setsockopt(SOL_SOCKET, SO_RCVTIMEO, Duration::from_millis(5)).unwrap();
        assert_eq!(errno(socket.recv(10, 0)), Errno::EAGAIN);
        let mut watched = [PollFd::new(&socket, POLLIN)];
        assert_eq!(poll(&mut watched, Some(Duration::from_millis(5))).unwrap(), 0);
        let listener = host.socket(AF_INET, SOCK_STREAM, 0).unwrap();
        listener.bind(("127.0.0.1", 0)).unwrap();
        listener.listen(1).unwrap();
        listener.settimeout(Some(Duration::from_millis(5))).unwrap();
        assert_eq!(errno(listener.accept()), Errno::ETIMEDOUT);
    }
}

#[test]
fn poll_wakes_for_each_of_several_sockets() {
    let host = host();
    let sockets = [bound(&host), bound(&host)];
    let sender = host.socket(AF_INET, SOCK_DGRAM, 0).unwrap();
    for which in [0, 1, 1, 0] {
        thread::scope(|scope| {
            scope.spawn(|| sender.sendto(b"x", 0, sockets[which].getsockname().unwrap()).unwrap());
            let mut watched = [PollFd::new(&sockets[0], POLLIN), PollFd::new(&sockets[1], POLLIN)];
            assert_eq!(poll(&mut watched, Some(Duration::from_secs(20))).unwrap(), 1);
            assert_eq!(watched[which].revents, POLLIN);
        });
        sockets[which].recv(10, 0).unwrap();
    }
}

#[test]
fn what_fits_in_no_message_goes_in_pieces() {
    let host = host();
    let (one, other) = host.socketpair(AF_INET, SOCK_STREAM, 0).unwrap();
    let data: Vec<u8> = (0..3_000_000_u32).map(|n| (n / 7) as u8).collect();
    let mut received = vec![0; data.len()];
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(one.send(&data, 0).unwrap(), data.len()));
        assert_eq!(other.recv_into(&mut received, MSG_WAITALL).unwrap(), data.len());
    });
    assert!(received == data);

    let receiver = bound(&host);
    receiver.setsockopt(SOL_SOCKET, SO_RCVBUF, 8 << 20).unwrap();
    let address = Some(receiver.getsockname().unwrap());
    let sender = host.socket(AF_INET, SOCK_DGRAM, 0).unwrap();
    let bytes: Vec<Vec<u8>> = (0..100_u8).map(|n| vec![n; 5000 + usize::from(n)]).collect();
    let slices: Vec<_> = bytes.iter().map(|bytes| [IoSlice::new(bytes)]).collect();
    let messages: Vec<_> = slices.iter().map(|data| Outgoing { data, control: &[], address }).collect();
    assert_eq!(sender.sendmmsg(&messages, 0).unwrap(), 100);
    let messages = receiver.recvmmsg(100, 9000, 0).unwrap();
    assert!(messages.iter().map(|message| &message.data).eq(&bytes));
}

#[test]
fn what_a_host_is_asked_about_itself_it_answers_from_there() {
    let host = host();
    assert_eq!(host.gethostname(), "parrot");
    assert_eq!(host.hosts_lookup("pirate"), ["192.0.2.7".parse::<std::net::IpAddr>().unwrap()]);
    assert_eq!(host.if_nametoindex("lo").unwrap(), 1);
    let socket = bound(&host);
    assert_eq!(host.sockets().unwrap()[0].local, socket.getsockname().unwrap().inet());
    assert_eq!(host.census().sockets, 1);
    let before = host.now();
    host.sleep(Duration::from_millis(2)).unwrap();
    assert!(host.now() > before);
    let realtime = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    assert!(host.wall_clock().abs_diff(realtime) < Duration::from_secs(2));
}

#[test]
fn what_only_its_own_process_can_do_says_so() {
    let host = host();
    assert_eq!(errno(host.attach(Cable::pair(Default::default()).0)), Errno::EOPNOTSUPP);
    assert_eq!(errno(Host::join("no-host-has-this-name")), Errno::ENOENT);
    assert_eq!(errno(Host::join("no/name")), Errno::EINVAL);
}
