//! TCP: connections between two programs of one host.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;

use super::{Bed, Sock, bits, wait};
use crate::base::Errno;
use crate::base::constants::{SHUT_WR, SOCK_NONBLOCK};
use crate::base::verb::{Answer, Verb};
use crate::socket::remote::{Ask, Native, Reply, names};
use crate::sys::descriptor;

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
    let bytes: Vec<u8> = (0..10_000_000u32).map(|i| ((i * 7) >> 3) as u8).collect();
    let sent = bytes.clone();
    let writer = std::thread::spawn(move || file(&one).write_all(&sent).unwrap());
    let mut got = Vec::new();
    file(&two).read_to_end(&mut got).unwrap();
    writer.join().unwrap();
    assert!(got == bytes);
    drop(two);
    // Both descriptors are gone: so are their sockets.
    bed.until_no_socket_is_left();
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
}

#[test]
fn a_reset_is_seen_as_one_though_nothing_is_unread() {
    let mut bed = Bed::new();
    let (one, two) = bed.pair();
    let errands = |bed: &mut Bed, found| {
        let ask = Ask::Native(Native::Errands { found });
        bed.connection().start(ask, &[]).unwrap()
    };
    let tag = errands(&mut bed, Vec::new());
    let linger = [1i32.to_ne_bytes(), 0i32.to_ne_bytes()].concat();
    bed.verb(Verb::SetOption(two.id, libc::SOL_SOCKET, libc::SO_LINGER, linger)).unwrap();
    drop(two);
    wait(bed.connection(), libc::POLLIN);
    let (response, _) = bed.connection().finished().unwrap().unwrap();
    assert_eq!((response.tag, response.result.unwrap()), (tag, Reply::Answer(Answer::Errands(vec![one.id]))));
    descriptor::send(one.fd.as_fd(), b"\0", 0).unwrap();
    errands(&mut bed, vec![one.id]);
    // What a kernel's socket says after RST.
    let reset = libc::POLLIN | libc::POLLOUT | libc::POLLERR | libc::POLLHUP | libc::POLLRDHUP;
    assert_eq!(wait(&one.fd, reset), reset);
    assert_eq!(file(&one).read(&mut [0; 9]).unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(file(&one).read(&mut [0; 9]).unwrap(), 0);
    assert_eq!(bed.so_error(&one), Errno::ECONNRESET);
}

#[test]
fn a_socket_whose_connection_was_refused_connects_anew_by_another_descriptor() {
    let mut bed = Bed::new();
    let (listener, to) = bed.listener(1);
    let mut one = bed.socket(libc::AF_INET, libc::SOCK_STREAM | SOCK_NONBLOCK, 0);
    let nobody = std::net::SocketAddr::from(([127, 0, 0, 1], 9));
    assert_eq!(bed.connect(&one, nobody, true).unwrap_err().errno(), Errno::EINPROGRESS);
    wait(&one.fd, libc::POLLERR);
    assert_eq!(bed.so_error(&one), Errno::ECONNREFUSED);
    let patience = crate::socket::remote::Patience::Now;
    let ask = Native::Connect { socket: one.id, address: to.into(), nonblocking: true, patience };
    // tcp(7): the first connect after a failure tells of it no more, once SO_ERROR did; then it may go on.
    let (_, mut fds) = loop {
        match bed.connection().call(Ask::Native(ask.clone()), &[one.fd.as_fd()]) {
            Err(error) => assert_eq!(error.errno(), Errno::ECONNABORTED),
            Ok(answer) => break answer,
        }
    };
    one.fd = fds.pop().unwrap();
    assert_eq!(wait(&one.fd, libc::POLLOUT), libc::POLLOUT);
    assert_eq!(names::identify(one.fd.as_fd()).unwrap().1, one.id);
    let two = bed.accept(&listener);
    file(&one).write_all(b"at last").unwrap();
    assert_eq!(read(&two, 7), b"at last");
    drop(one);
    wait(&two.fd, libc::POLLRDHUP);
}

#[test]
fn however_a_connection_ends_nothing_of_it_is_left() {
    let mut bed = Bed::new();
    let (listener, to) = bed.listener(8);
    for round in 0..200 {
        let one = bed.stream();
        bed.connect(&one, to, false).unwrap();
        let two = bed.accept(&listener);
        match round % 4 {
            // Both at once, one after the other, both with a half close before.
            0 => drop((one, two)),
            1 => {
                drop(two);
                wait(&one.fd, libc::POLLRDHUP);
            }
            2 => {
                for sock in [&one, &two] {
                    bed.native(Native::Shutdown { socket: sock.id, how: SHUT_WR }, sock).unwrap();
                }
            }
            _ => {
                file(&one).write_all(b"unread").unwrap();
                bed.native(Native::Shutdown { socket: two.id, how: SHUT_WR }, &two).unwrap();
            }
        }
    }
    drop(listener);
    bed.until_no_socket_is_left();
}
