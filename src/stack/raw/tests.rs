//! Raw sockets over `lo`, without a driver.

use std::io::{IoSlice, IoSliceMut};

use super::*;
use crate::base::constants::*;
use crate::base::{ControlMessage, Frame, IfIndex, Instant, SockAddr};
use crate::stack::{Config, SendTo};

const HERE: [u8; 4] = [127, 0, 0, 1];

/// A host with its loopback, and what its raw sockets do.
struct One {
    stack: Stack,
}

impl One {
    fn new() -> Self {
        Self { stack: Stack::new(Config::default()) }
    }

    fn socket(&mut self, domain: i32, protocol: i32) -> SocketId {
        self.stack.socket(domain, SOCK_RAW, protocol).unwrap()
    }

    fn int(&mut self, id: SocketId, level: i32, name: i32, value: i32) {
        self.stack.setsockopt(id, level, name, &value.to_ne_bytes()).unwrap();
    }

    /// Carries what is on `lo`.
    fn settle(&mut self) {
        while let Some((interface, frame)) = self.stack.frame_out() {
            self.stack.frame_in(Instant::ZERO, interface, frame);
        }
    }

    fn send(&mut self, id: SocketId, data: &[u8], to: &str) -> Result<usize> {
        let address: std::net::IpAddr = to.parse().unwrap();
        let to = Some(SockAddr::from(SocketAddr::new(address, 0)));
        let sent = self.stack.send(id, &[IoSlice::new(data)], SendTo { to, ..SendTo::default() });
        self.settle();
        sent
    }

    fn recv(&mut self, id: SocketId) -> Option<(Vec<u8>, Vec<ControlMessage>)> {
        let mut data = vec![0; 70_000];
        let got = self.stack.recv(id, &mut [IoSliceMut::new(&mut data)], MSG_DONTWAIT).ok()?;
        data.truncate(got.len);
        Some((data, got.control))
    }

    fn count(&self, reason: Reason) -> u64 {
        self.stack.net.log.count(reason)
    }
}

/// An IPv4 packet of these fields from and to 127.0.0.1, its checksum left zero.
fn packet(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1];
    packet.extend(payload);
    packet
}

#[test]
fn each_socket_of_the_protocol_gets_its_copy() {
    let mut one = One::new();
    let (a, b, other) = (one.socket(AF_INET, 253), one.socket(AF_INET, 253), one.socket(AF_INET, 254));
    assert_eq!(one.send(a, b"hello", "127.0.0.1").unwrap(), 5);
    for id in [a, b] {
        let (data, _) = one.recv(id).unwrap();
        assert_eq!((data[0], data[9], &data[20..]), (0x45, 253, &b"hello"[..]));
        assert_eq!(crate::wire::checksum(&data[..20]), 0);
    }
    assert!(one.recv(other).is_none());
    // Nobody is told that the protocol is unknown, until nobody takes it.
    assert_eq!(one.count(Reason::IpNoProtocol), 0);
    one.stack.close(a).unwrap();
    one.stack.close(b).unwrap();
    one.send(other, b"", "127.0.0.1").unwrap();
    assert_eq!(one.count(Reason::IpNoProtocol), 0);
    one.stack.close(other).unwrap();
    let sender = one.socket(AF_INET, IPPROTO_RAW);
    one.send(sender, &packet(254, b"x"), "127.0.0.1").unwrap();
    assert_eq!(one.count(Reason::IpNoProtocol), 1);
}

#[test]
fn the_send_only_socket_receives_nothing() {
    let mut one = One::new();
    let id = one.socket(AF_INET, IPPROTO_RAW);
    one.send(id, &packet(255, b"x"), "127.0.0.1").unwrap();
    assert!(one.recv(id).is_none());
}

#[test]
fn everything_is_seen_as_it_came() {
    let mut one = One::new();
    let all = one.socket(AF_INET, IPPROTO_IP);
    // It takes what would else be answered, which would be seen too.
    one.socket(AF_INET, 253);
    one.int(all, SOL_IP, IP_CSUM_BAD, 1);
    one.int(all, SOL_SOCKET, SO_VERBATIM, 2);
    // A wrong header checksum, a fragment, a version that does not exist, no header at all.
    let mut right = packet(253, b"x");
    right[2..4].copy_from_slice(&[0, 21]);
    let sum = crate::wire::checksum(&right[..20]);
    right[10..12].copy_from_slice(&sum.to_be_bytes());
    let mut fragment = packet(17, b"12345678");
    fragment[6] = 0x20;
    let mut seven = packet(253, b"x");
    seven[0] = 0x75;
    for (bytes, bad) in [
        (right, vec![]),
        (packet(253, b"x"), vec![ControlMessage::ChecksumBad(1)]),
        (packet(1, b"\x08\0\0\0abcd"), vec![ControlMessage::ChecksumBad(3)]),
        (fragment, vec![ControlMessage::ChecksumBad(1)]),
        (seven, vec![]),
        (vec![1, 2, 3], vec![]),
        (vec![], vec![]),
    ] {
        one.send(all, &bytes, "127.0.0.1").unwrap();
        assert_eq!(one.recv(all).unwrap(), (bytes, bad));
        assert!(one.recv(all).is_none());
    }
    one.stack.close(all).unwrap();
    assert!(!one.stack.net.raw_wanted.has_all());
}

#[test]
fn what_others_get_is_seen_too() {
    let mut one = One::new();
    let all = one.socket(AF_INET, IPPROTO_IP);
    let config = crate::stack::InterfaceConfig {
        link: crate::base::LinkType::Ethernet,
        name: "w0".into(),
        mac: crate::base::Mac([2, 0, 0, 0, 0, 1]),
        mtu: 1500,
        addresses: vec!["192.0.2.1/24".parse().unwrap()],
        ipv6: false,
    };
    let wire = one.stack.net.add_interface(config).unwrap();
    assert_eq!(wire, IfIndex(2));
    let mut frame = vec![2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8, 8, 0];
    frame.extend(packet(17, b"for another station"));
    one.stack.frame_in(Instant::ZERO, wire, Frame::copy_of(&frame));
    assert_eq!(one.recv(all).unwrap().0, frame[14..]);
    assert_eq!(one.count(Reason::LinkOtherHost), 1);
    // Our own outgoing packets are not shown.
    one.send(all, &packet(17, b"out"), "192.0.2.77").unwrap();
    assert!(one.recv(all).is_none());
}

#[test]
fn overwriting_is_counted_once_a_packet() {
    let mut one = One::new();
    let id = one.socket(AF_INET, IPPROTO_RAW);
    let hear = one.socket(AF_INET, 253);
    let mut wrong = packet(253, b"x");
    wrong[10..12].copy_from_slice(&[0xde, 0xad]);
    one.send(id, &wrong, "127.0.0.1").unwrap();
    one.send(id, &wrong, "127.0.0.1").unwrap();
    assert_eq!((one.count(Reason::RawVerbatim), one.recv(hear)), (2, None));
    one.int(id, SOL_SOCKET, SO_VERBATIM, 0);
    one.send(id, &wrong, "127.0.0.1").unwrap();
    assert_eq!(one.count(Reason::RawVerbatim), 2);
    assert_eq!(one.recv(hear).unwrap().0[12..16], HERE);
}

#[test]
fn ipv6_sockets_get_the_payload_and_verify_checksums() {
    let mut one = One::new();
    let id = one.socket(AF_INET6, 253);
    one.send(id, b"hello", "::1").unwrap();
    assert_eq!(one.recv(id).unwrap().0, b"hello");
    one.int(id, SOL_IPV6, IPV6_CHECKSUM, 2);
    let writer = one.socket(AF_INET6, 253);
    one.send(writer, b"1234", "::1").unwrap();
    assert_eq!((one.recv(id), one.count(Reason::RawChecksum)), (None, 1));
    assert_eq!(one.recv(writer).unwrap().0, b"1234");
    one.send(id, b"1234", "::1").unwrap();
    let (told, plain) = (one.recv(id).unwrap().0, one.recv(writer).unwrap().0);
    assert_eq!((&told, &told[..2]), (&plain, &b"12"[..]));
    assert_ne!(told[2..4], b"34"[..]);
}
