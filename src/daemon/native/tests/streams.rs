//! TCP: connections between two programs of one host.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;

use super::{Bed, Sock, bits, wait};
use crate::base::Errno;
use crate::base::constants::{SHUT_WR, SOCK_NONBLOCK};
use crate::base::verb::{Answer, Verb};
use crate::socket::remote::Native;

fn file(sock: &Sock) -> File {
    sock.fd.try_clone().unwrap().into()
}

fn read(sock: &Sock, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    file(sock).read_exact(&mut bytes).unwrap();
    bytes
}

#[test]
fn bytes_go_both_ways_and_half_closes_are_ends() {
    let mut bed = Bed::new();
    let (one, two) = bed.pair();
    file(&one).write_all(b"hello").unwrap();
    assert_eq!(read(&two, 5), b"hello");
    file(&two).write_all(b"world").unwrap();
    assert_eq!(read(&one, 5), b"world");
    bed.native(Native::Shutdown { socket: one.id, how: SHUT_WR }, &one).unwrap();
    wait(&two.fd, libc::POLLIN | libc::POLLRDHUP);
    assert_eq!(file(&two).read(&mut [0; 9]).unwrap(), 0);
    file(&two).write_all(b"still").unwrap();
    assert_eq!(read(&one, 5), b"still");
    drop(two);
    wait(&one.fd, libc::POLLHUP);
    assert_eq!(file(&one).read(&mut [0; 9]).unwrap(), 0);
}

#[test]
fn a_blocking_connect_that_is_refused_leaves_the_socket_as_it_was() {
    let mut bed = Bed::new();
    let (listener, to) = bed.listener(1);
    let one = bed.stream();
    let fresh = bits(&one.fd);
    assert_eq!(fresh, libc::POLLOUT | libc::POLLHUP);
    let nobody = std::net::SocketAddr::from(([127, 0, 0, 1], 9));
    assert_eq!(bed.connect(&one, nobody, false).unwrap_err().errno(), Errno::ECONNREFUSED);
    assert_eq!(bits(&one.fd), fresh);
    bed.connect(&one, to, false).unwrap();
    assert_eq!(bits(&one.fd), libc::POLLOUT);
    bed.accept(&listener);
}

#[test]
fn a_non_blocking_connect_becomes_writable_when_it_stands_and_fails_with_its_error() {
    let mut bed = Bed::new();
    let (_listener, to) = bed.listener(1);
    let one = bed.socket(libc::AF_INET, libc::SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_eq!(bed.connect(&one, to, true).unwrap_err().errno(), Errno::EINPROGRESS);
    assert_eq!(wait(&one.fd, libc::POLLOUT), libc::POLLOUT);
    assert_eq!(bed.so_error(&one), Errno(0));
    let two = bed.socket(libc::AF_INET, libc::SOCK_STREAM | SOCK_NONBLOCK, 0);
    let nobody = std::net::SocketAddr::from(([127, 0, 0, 1], 9));
    assert_eq!(bed.connect(&two, nobody, true).unwrap_err().errno(), Errno::EINPROGRESS);
    let said = wait(&two.fd, libc::POLLERR | libc::POLLHUP | libc::POLLOUT);
    assert_eq!(said & libc::POLLERR, libc::POLLERR);
    assert_eq!(bed.so_error(&two), Errno::ECONNREFUSED);
    assert_eq!(bed.so_error(&two), Errno(0));
}

#[test]
fn much_arrives_and_a_close_loses_nothing() {
    let mut bed = Bed::new();
    let (one, two) = bed.pair();
    let bytes: Vec<u8> = (0..10_000_000u32).map(|i| (i * 7 >> 3) as u8).collect();
    let sent = bytes.clone();
    let writer = std::thread::spawn(move || file(&one).write_all(&sent).unwrap());
    let mut got = Vec::new();
    file(&two).read_to_end(&mut got).unwrap();
    writer.join().unwrap();
    assert!(got == bytes);
    drop(two);
    // Both descriptors are gone: so are their sockets.
    let end = std::time::Instant::now() + std::time::Duration::from_secs(5);
    loop {
        let Answer::Sockets(left) = bed.verb(Verb::Sockets(0)).unwrap() else { panic!() };
        if left.iter().all(|row| row.socket.is_none()) {
            break;
        }
        assert!(std::time::Instant::now() < end, "{left:?}");
        bed.native_sweep();
    }
}

#[test]
fn a_close_with_bytes_unread_is_a_reset() {
    let mut bed = Bed::new();
    let (one, two) = bed.pair();
    file(&one).write_all(b"unread").unwrap();
    wait(&two.fd, libc::POLLIN);
    drop(two);
    wait(&one.fd, libc::POLLHUP);
    assert_eq!(bed.so_error(&one), Errno::ECONNRESET);
    let _ = one.fd.as_fd();
}
