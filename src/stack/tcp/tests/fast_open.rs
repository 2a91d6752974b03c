//! TCP Fast Open when segments are lost: what the kernel's arm of the parity cases can't show.

use std::cell::Cell;
use std::io::IoSlice;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use super::super::segment::{ACK, SYN, Segment};
use super::wire::{A, B, Wire, pattern};
use crate::base::constants::{MSG_DONTWAIT, MSG_FASTOPEN, POLLHUP, POLLIN, SOL_TCP, TCP_FASTOPEN};
use crate::base::{Errno, Frame, Result, SocketId, TcpState};
use crate::stack::SendTo;

const MINUTE: Duration = Duration::from_secs(60);

/// Two hosts that both do it, and a listener of B's.
fn place() -> (Wire, SocketId) {
    let mut wire = Wire::with(|config| config.tcp_fastopen = 3);
    let listener = wire.listen(B, "192.0.2.2:80", 8);
    wire.hosts[B].setsockopt(listener, SOL_TCP, TCP_FASTOPEN, &8i32.to_ne_bytes()).unwrap();
    (wire, listener)
}

fn open(wire: &mut Wire, data: &[u8]) -> (SocketId, Result<usize>) {
    let id = wire.socket(A);
    let to: SocketAddr = "192.0.2.2:80".parse().unwrap();
    let how = SendTo { to: Some(to.into()), flags: MSG_FASTOPEN | MSG_DONTWAIT, ..SendTo::default() };
    wire.hosts[A].at(wire.now);
    (id, wire.hosts[A].send(id, &[IoSlice::new(data)], how))
}

/// A has B's cookie after this.
fn learn(wire: &mut Wire, listener: SocketId) {
    let (client, sent) = open(wire, b"");
    assert_eq!(sent.unwrap_err().errno(), Errno::EINPROGRESS);
    let server = wire.accept(B, listener);
    wire.millis(10);
    wire.close(A, client);
    wire.close(B, server);
    wire.run_for(MINUTE * 3);
}

/// The TCP segment in an Ethernet frame of IPv4.
fn segment(frame: &Frame) -> Option<Segment> {
    Segment::parse(frame.bytes().get(34..)?)
}

/// Loses the first `count` frames of which `which` says so; gives how many are still to be lost.
fn lose(wire: &mut Wire, count: usize, which: fn(usize, &Segment) -> bool) -> Rc<Cell<usize>> {
    let left = Rc::new(Cell::new(count));
    let counter = left.clone();
    wire.tap = Some(Box::new(move |host, _, frame| {
        let lost = counter.get() > 0 && segment(frame).is_some_and(|segment| which(host, &segment));
        counter.set(counter.get() - usize::from(lost));
        !lost
    }));
    left
}

fn failure(wire: &Wire, host: usize, id: SocketId) -> (u8, u8) {
    let info = wire.hosts[host].tcp_info(id).unwrap();
    (info[5] >> 5 & 1, info[7] >> 1 & 3)
}

fn nothing_is_left(wire: &mut Wire, listener: SocketId) {
    wire.close(B, listener);
    wire.run_for(MINUTE * 5);
    for host in [A, B] {
        assert_eq!(wire.hosts[host].census(), Default::default(), "host {host}");
    }
}

#[test]
fn the_data_are_there_before_the_handshake_is_done() {
    let (mut wire, listener) = place();
    learn(&mut wire, listener);
    wire.delay = Duration::from_millis(100);
    let (client, sent) = open(&mut wire, b"question");
    assert_eq!(sent.unwrap(), 8);
    let began = wire.now;
    let server = wire.accept(B, listener);
    assert_eq!(wire.recv(B, server, 100).unwrap(), b"question");
    assert_eq!(wire.hosts[B].tcp_info(server).unwrap()[0], TcpState::SynReceived as u8);
    assert_eq!(wire.send(B, server, b"answer").unwrap(), 6);
    assert!(wire.run_until(MINUTE, |wire| wire.hosts[A].poll(client) & POLLIN != 0));
    assert_eq!(wire.now.since(began), Duration::from_millis(200));
    assert_eq!(wire.recv(A, client, 100).unwrap(), b"answer");
    wire.millis(150);
    assert_eq!(wire.hosts[B].tcp_info(server).unwrap()[0], TcpState::Established as u8);
    let data = pattern(300_000);
    wire.transfer((A, client), (B, server), &data, MINUTE);
    wire.transfer((B, server), (A, client), &data, MINUTE);
    wire.close(A, client);
    wire.close(B, server);
    nothing_is_left(&mut wire, listener);
}

#[test]
fn what_follows_a_lost_syn_comes_in_order() {
    let (mut wire, listener) = place();
    learn(&mut wire, listener);
    lose(&mut wire, 1, |_, segment| segment.has(SYN) && segment.payload > 0);
    let (client, _) = open(&mut wire, b"question");
    let server = wire.accept(B, listener);
    assert_eq!(wire.send(A, client, b", and more").unwrap(), 10);
    wire.millis(100);
    assert_eq!(wire.recv(B, server, 100).unwrap(), b"question, and more");
    assert_eq!(failure(&wire, A, client), (0, 3));
    assert_eq!(failure(&wire, B, server), (0, 0));
    wire.close(A, client);
    wire.close(B, server);
    nothing_is_left(&mut wire, listener);
}

#[test]
fn a_syn_ack_is_lost() {
    let (mut wire, listener) = place();
    learn(&mut wire, listener);
    let left = lose(&mut wire, 1, |_, segment| segment.has(SYN) && segment.has(ACK));
    let (client, _) = open(&mut wire, b"question");
    let server = wire.accept(B, listener);
    assert_eq!(wire.recv(B, server, 100).unwrap(), b"question");
    wire.transfer((B, server), (A, client), b"answer", MINUTE);
    wire.transfer((A, client), (B, server), b"more", MINUTE);
    assert_eq!((left.get(), failure(&wire, A, client)), (0, (1, 0)));
    wire.close(A, client);
    wire.close(B, server);
    nothing_is_left(&mut wire, listener);
}

#[test]
fn a_client_that_is_gone_is_given_up() {
    let (mut wire, listener) = place();
    learn(&mut wire, listener);
    lose(&mut wire, usize::MAX, |_, segment| !segment.has(SYN) || segment.has(ACK));
    let (client, _) = open(&mut wire, b"question");
    let server = wire.accept(B, listener);
    assert_eq!(wire.recv(B, server, 100).unwrap(), b"question");
    wire.close(A, client);
    assert!(wire.run_until(MINUTE * 5, |wire| wire.hosts[B].poll(server) & POLLHUP != 0));
    assert_eq!(wire.error(B, server), Some(Errno::ETIMEDOUT));
    wire.close(B, server);
    nothing_is_left(&mut wire, listener);
}

#[test]
fn only_so_many_stand_unfinished() {
    let (mut wire, listener) = place();
    learn(&mut wire, listener);
    wire.hosts[B].setsockopt(listener, SOL_TCP, TCP_FASTOPEN, &2i32.to_ne_bytes()).unwrap();
    lose(&mut wire, usize::MAX, |host, segment| host == B && segment.has(SYN));
    for _ in 0..5 {
        open(&mut wire, b"question").1.unwrap();
    }
    wire.millis(10);
    // Two stand, and have their entry still; three are half open.
    let census = wire.hosts[B].census();
    assert_eq!((census.flows, census.half_open), (2, 5));
    wire.tap = None;
    for _ in 0..5 {
        let server = wire.accept(B, listener);
        assert!(wire.run_until(MINUTE, |wire| wire.hosts[B].poll(server) & POLLIN != 0));
        assert_eq!(wire.recv(B, server, 100).unwrap(), b"question");
    }
    assert_eq!(wire.hosts[B].census().half_open, 0);
}

#[test]
fn a_listener_that_closes_takes_along_who_was_not_accepted() {
    let (mut wire, listener) = place();
    learn(&mut wire, listener);
    lose(&mut wire, usize::MAX, |host, segment| host == A && !segment.has(SYN));
    let (client, _) = open(&mut wire, b"question");
    assert!(wire.run_until(MINUTE, |wire| wire.hosts[B].poll(listener) & POLLIN != 0));
    wire.close(B, listener);
    wire.millis(10);
    assert_eq!(wire.hosts[B].census().half_open, 0);
    assert_eq!(wire.error(A, client), Some(Errno::ECONNRESET));
}
