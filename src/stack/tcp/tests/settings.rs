//! What options change on the wire, and what watchers are told.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::super::segment::{Segment, SynOptions};
use super::wire::{A, B, Wire, is_tcp, pattern};
use crate::base::constants::{SOL_TCP, TCP_CORK, TCP_MAXSEG};
use crate::base::{Event, SocketId, TcpState};
use crate::stack::options::Options;

/// The lengths of the segments with data that A sends, and the MSS of its SYNs.
fn record(wire: &mut Wire) -> Rc<RefCell<(Vec<usize>, Vec<u16>)>> {
    let record = Rc::new(RefCell::new((Vec::new(), Vec::new())));
    let into = record.clone();
    wire.tap = Some(Box::new(move |host, _, frame| {
        if host == A && is_tcp(frame) {
            let tcp = &frame.bytes()[14 + 20..];
            let segment = Segment::parse(tcp).unwrap();
            let mut into = into.borrow_mut();
            into.1.extend(SynOptions::parse(tcp, segment.header).mss);
            if segment.payload > 0 {
                into.0.push(segment.payload);
            }
        }
        true
    }));
    record
}

fn set(wire: &mut Wire, id: SocketId, name: i32, change: impl FnOnce(&mut Options)) {
    change(&mut wire.hosts[A].sockets.get_mut(id).unwrap().options);
    wire.hosts[A].tcp_option_changed(id, SOL_TCP, name).unwrap();
}

#[test]
fn a_cork_makes_one_segment_of_many_writes() {
    let mut wire = Wire::new();
    let (client, server) = wire.pair();
    let record = record(&mut wire);
    set(&mut wire, client, TCP_CORK, |options| options.cork = true);
    for _ in 0..5 {
        wire.send(A, client, &[1; 100]).unwrap();
        wire.millis(10);
    }
    wire.send(A, client, &[1; 1460]).unwrap();
    wire.millis(10);
    assert_eq!(record.borrow().0, [1460]);
    set(&mut wire, client, TCP_CORK, |options| options.cork = false);
    wire.millis(10);
    assert_eq!(record.borrow().0, [1460, 500]);
    // A cork that is forgotten holds nothing back for long.
    set(&mut wire, client, TCP_CORK, |options| options.cork = true);
    wire.send(A, client, b"late").unwrap();
    wire.millis(150);
    assert_eq!(record.borrow().0, [1460, 500]);
    wire.millis(100);
    assert_eq!(record.borrow().0, [1460, 500, 4]);
    // Closing lets everything go.
    wire.send(A, client, b"last").unwrap();
    wire.close(A, client);
    wire.millis(10);
    assert_eq!(wire.recv(B, server, 5000).unwrap().len(), 1968);
}

#[test]
fn maxseg_is_announced_and_obeyed() {
    let mut wire = Wire::new();
    let record = record(&mut wire);
    let listener = wire.listen(B, "192.0.2.2:80", 1);
    let client = wire.socket(A);
    set(&mut wire, client, TCP_MAXSEG, |options| options.maxseg = 700);
    let address: std::net::SocketAddr = "192.0.2.2:80".parse().unwrap();
    wire.hosts[A].connect(client, address.into()).unwrap_err();
    let server = wire.accept(B, listener);
    assert_eq!(wire.hosts[A].tcp_maxseg(client), 700);
    assert_eq!(wire.hosts[B].tcp_maxseg(server), 700);
    wire.transfer((A, client), (B, server), &pattern(10_000), Duration::from_secs(5));
    let record = record.borrow();
    assert_eq!(record.1, [700]);
    assert_eq!(record.0.iter().max(), Some(&700));
}

#[test]
fn nagle_waits_and_nodelay_does_not() {
    for (nodelay, wanted) in [(false, vec![10, 20]), (true, vec![10, 10, 10])] {
        let mut wire = Wire::new();
        let (client, _server) = wire.pair();
        let record = record(&mut wire);
        set(&mut wire, client, 1, |options| options.nodelay = nodelay);
        for _ in 0..3 {
            wire.send(A, client, &[1; 10]).unwrap();
        }
        wire.millis(50);
        assert_eq!(record.borrow().0, wanted);
    }
}

#[test]
fn watchers_are_told_every_state() {
    let mut wire = Wire::new();
    wire.hosts[A].net.log.watch(true);
    let (client, server) = wire.pair();
    wire.close(A, client);
    wire.millis(50);
    wire.close(B, server);
    wire.millis(50);
    let mut states = Vec::new();
    let mut samples = 0;
    while let Some(event) = wire.hosts[A].take_event() {
        match event {
            Event::TcpState { from, to, .. } => states.push((from, to)),
            Event::Tcp(_) => samples += 1,
            _ => {}
        }
    }
    use TcpState::{Closed, Established, FinWait1, FinWait2, SynSent, TimeWait};
    let path = [Closed, SynSent, Established, FinWait1, FinWait2, TimeWait];
    let wanted: Vec<_> = path.windows(2).map(|pair| (pair[0], pair[1])).collect();
    assert_eq!(states, wanted);
    assert!(samples >= 5);
}

#[test]
fn tcp_info_tells_what_was_seen() {
    let mut wire = Wire::new();
    wire.delay = Duration::from_millis(25);
    let (client, server) = wire.pair();
    wire.transfer((A, client), (B, server), &pattern(50_000), Duration::from_secs(5));
    wire.millis(100);
    let info = wire.hosts[A].tcp_info(client).unwrap();
    let u32_at = |at: usize| u32::from_ne_bytes(info[at..at + 4].try_into().unwrap());
    let u64_at = |at: usize| u64::from_ne_bytes(info[at..at + 8].try_into().unwrap());
    assert_eq!(info[0], TcpState::Established as u8);
    assert_eq!((u32_at(16), u32_at(60)), (1460, 1500));
    assert!((49_000..61_000).contains(&u32_at(148)), "tcpi_min_rtt {}", u32_at(148));
    assert!((49_000..100_000).contains(&u32_at(68)), "tcpi_rtt {}", u32_at(68));
    // Linux counts the SYN as a byte too.
    assert_eq!((u64_at(120), u64_at(200), u32_at(100)), (50_001, 50_000, 0));
    let info = wire.hosts[B].tcp_info(server).unwrap();
    assert_eq!(u64::from_ne_bytes(info[128..136].try_into().unwrap()), 50_000);
}
