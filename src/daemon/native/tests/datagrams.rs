//! UDP and its like.

use std::os::fd::AsFd;

use super::{Bed, Sock, bits, wait};
use crate::SockAddr;
use crate::base::Errno;
use crate::base::constants::{AF_INET, AF_PACKET, MSG_DONTWAIT, SOCK_DGRAM, SOCK_RAW};
use crate::base::verb::{Answer, Letter, Verb};
use crate::socket::remote::{Name, Sender};
use crate::sys::{descriptor, unix};

fn bound(bed: &mut Bed) -> (Sock, SockAddr) {
    let sock = bed.socket(AF_INET, SOCK_DGRAM, 0);
    bed.verb(Verb::Bind(sock.id, ([127, 0, 0, 1], 0).into())).unwrap();
    let Answer::Address(address) = bed.verb(Verb::Name(sock.id)).unwrap() else { panic!() };
    (sock, address)
}

fn inet(address: SockAddr) -> std::net::SocketAddr {
    let SockAddr::V4(address) = address else { panic!() };
    address.into()
}

fn send(bed: &mut Bed, from: &Sock, to: SockAddr, data: &[u8]) {
    let letter = Letter { data: data.to_vec(), address: Some(to), ..Letter::default() };
    bed.verb(Verb::Send(from.id, vec![letter])).unwrap();
}

/// What recvmsg(2) on the descriptor says, and what the sender's name does.
fn receive(sock: &Sock) -> (Vec<u8>, Option<Name>, Vec<std::os::fd::OwnedFd>) {
    wait(&sock.fd, libc::POLLIN);
    let mut buffer = vec![0; 65536];
    let got = unix::receive(sock.fd.as_fd(), &mut buffer, MSG_DONTWAIT).unwrap();
    buffer.truncate(got.len);
    (buffer, got.from.and_then(|name| Name::decode(&name)).map(|(_, name)| name), got.fds)
}

#[test]
fn datagrams_come_with_their_senders_and_none_is_lost_while_the_descriptor_is_full() {
    let mut bed = Bed::new();
    let ((one, from), (two, to)) = (bound(&mut bed), bound(&mut bed));
    assert_eq!(bits(&two.fd), libc::POLLOUT);
    for i in 0..100u8 {
        send(&mut bed, &one, to, &[i; 3]);
    }
    send(&mut bed, &one, to, b"");
    let sender = Name::Datagram(Sender { address: from, flags: 0, control: Vec::new() });
    for i in 0..100u8 {
        let (data, name, _) = receive(&two);
        assert_eq!((data, name), (vec![i; 3], Some(sender.clone())), "{i}");
    }
    assert_eq!(receive(&two).0, b"");
}

#[test]
fn a_connected_one_sends_and_receives_natively() {
    let mut bed = Bed::new();
    // A port that was not chosen does not outlive AF_UNSPEC (udp_disconnect).
    let (one, from) = (bed.socket(AF_INET, SOCK_DGRAM, 0), ([127, 0, 0, 1], 4000).into());
    bed.verb(Verb::Bind(one.id, from)).unwrap();
    let (two, to) = bound(&mut bed);
    bed.connect(&one, inet(to), false).unwrap();
    descriptor::send(one.fd.as_fd(), b"first", 0).unwrap();
    descriptor::send(one.fd.as_fd(), b"", 0).unwrap();
    descriptor::send(one.fd.as_fd(), b"third", 0).unwrap();
    for data in [b"first".as_slice(), b"", b"third"] {
        assert_eq!(receive(&two).0, data);
    }
    send(&mut bed, &two, from, b"back");
    let (data, name, fds) = receive(&one);
    assert_eq!((data.as_slice(), name, fds.len()), (b"back".as_slice(), Some(Name::Peer(one.id)), 0));
    // AF_UNSPEC
    let native = crate::socket::remote::Native::Connect {
        socket: one.id,
        address: SockAddr::Unspec,
        nonblocking: false,
        patience: crate::socket::remote::Patience::Now,
    };
    bed.native(native, &one).unwrap();
    send(&mut bed, &two, from, b"again");
    assert!(matches!(receive(&one), (data, Some(Name::Datagram(_)), _) if data == b"again"));
}

#[test]
fn the_error_of_a_connected_one_is_shown_by_poll_and_told_once() {
    let mut bed = Bed::new();
    let (one, _) = bound(&mut bed);
    bed.connect(&one, ([127, 0, 0, 1], 9).into(), false).unwrap();
    for _ in 0..2 {
        descriptor::send(one.fd.as_fd(), b"anybody?", 0).unwrap();
        wait(&one.fd, libc::POLLERR);
        assert_eq!(bed.so_error(&one), Errno::ECONNREFUSED);
        assert_eq!(bed.so_error(&one), Errno(0));
        let error = descriptor::recv(one.fd.as_fd(), &mut [0; 9], MSG_DONTWAIT).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ECONNRESET));
        assert_eq!(bits(&one.fd), libc::POLLOUT);
    }
}

#[test]
fn a_packet_socket_sends_without_address_and_each_frame_comes_with_its_facts() {
    let mut bed = Bed::new();
    let sock = bed.socket(AF_PACKET, SOCK_RAW, i32::from(3u16.to_be()));
    let (one, _) = bound(&mut bed);
    let (_two, to) = bound(&mut bed);
    send(&mut bed, &one, to, b"seen");
    let (frame, name, fds) = receive(&sock);
    assert!(frame.ends_with(b"seen"));
    assert_eq!(name, Some(Name::Peer(sock.id)));
    let name = unix::name(fds[0].as_fd()).unwrap().unwrap();
    assert!(matches!(
        Name::decode(&name),
        Some((_, Name::Datagram(Sender { address: SockAddr::Link(_), .. })))
    ));
}

#[test]
fn one_closed_just_now_refuses_who_connects_to_it() {
    let mut bed = Bed::new();
    let (gone, to) = bound(&mut bed);
    drop(gone);
    let one = bed.socket(AF_INET, SOCK_DGRAM, 0);
    bed.connect(&one, inet(to), false).unwrap();
    descriptor::send(one.fd.as_fd(), b"anybody?", 0).unwrap();
    wait(&one.fd, libc::POLLERR);
    assert_eq!(bed.so_error(&one), Errno::ECONNREFUSED);
}

#[test]
fn a_closed_one_gives_its_port_back() {
    let mut bed = Bed::new();
    let (one, address) = bound(&mut bed);
    drop(one);
    bed.native_sweep();
    let two = bed.socket(AF_INET, SOCK_DGRAM, 0);
    bed.verb(Verb::Bind(two.id, address)).unwrap();
}
