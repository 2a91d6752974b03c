//! How connections end: refused, reset, timed out, TIME_WAIT; and that those that are only idle don't.

use std::time::Duration;

use super::wire::{A, B, Wire, is_tcp, pattern};
use crate::base::constants::{POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDHUP};
use crate::base::{Errno, Reason};
use crate::stack::NoRst;

const HOUR: Duration = Duration::from_secs(3600);

/// From now on no segment arrives anywhere.
fn cut(wire: &mut Wire) {
    wire.tap = Some(Box::new(|_, _, frame| !is_tcp(frame)));
}

#[test]
fn a_dead_neighbour_is_no_route_to_host() {
    for address in ["192.0.2.2:80", "192.0.2.77:80", "[2001:db8::77]:80"] {
        let mut wire = Wire::new();
        wire.tap = Some(Box::new(|_, _, _| false));
        let client = wire.connect(A, address);
        wire.run_for(Duration::from_secs(60));
        assert_eq!(wire.error(A, client), Some(Errno::EHOSTUNREACH), "{address}");
    }
}

/// The first SYN waits for the neighbour's MAC; a second one would stand behind it in the queue, and both would leave at once.
#[test]
fn what_waits_for_a_neighbour_is_not_sent_again() {
    let mut wire = Wire::new();
    let begin = wire.now;
    wire.listen(B, "192.0.2.2:80", 1);
    // Nothing gets through until ARP's second try has been lost too.
    wire.tap = Some(Box::new(move |_, now, _| now.since(begin) > Duration::from_millis(1500)));
    wire.frames = 0;
    let client = wire.connect(A, "192.0.2.2:80");
    assert!(wire.run_until(Duration::from_secs(10), |w| w.hosts[A].poll(client) & POLLOUT != 0));
    assert_eq!(wire.frames, 2, "SYN and SYN|ACK");
    assert_eq!(wire.hosts[A].net.log.count(Reason::TcpRtoRetransmit), 0);
}

#[test]
fn a_connection_outlives_a_neighbour_that_is_gone_for_a_while() {
    let mut wire = Wire::new();
    let (client, server) = wire.pair();
    wire.tap = Some(Box::new(|_, _, _| false));
    wire.send(A, client, b"hello?").unwrap();
    wire.run_for(Duration::from_secs(100));
    assert_eq!(wire.error(A, client), None);
    wire.tap = None;
    wire.run_for(Duration::from_secs(70));
    assert_eq!(wire.recv(B, server, 10).unwrap(), b"hello?");
    wire.tap = Some(Box::new(|_, _, _| false));
    wire.send(A, client, b"hello?").unwrap();
    wire.run_for(Duration::from_secs(1100));
    // RFC 1122 4.2.3.9: the soft error says more than "timed out".
    assert_eq!(wire.error(A, client), Some(Errno::EHOSTUNREACH));
}

#[test]
fn refused() {
    let mut wire = Wire::new();
    let client = wire.connect(A, "192.0.2.2:81");
    wire.millis(10);
    assert_eq!(wire.hosts[A].poll(client), POLLIN | POLLOUT | POLLRDHUP | POLLHUP | POLLERR);
    assert_eq!(wire.error(A, client), Some(Errno::ECONNREFUSED));
    assert_eq!(wire.error(A, client), None);
    // The socket can be used again.
    let address: std::net::SocketAddr = "192.0.2.2:81".parse().unwrap();
    assert_eq!(Wire::errno(wire.hosts[A].connect(client, address.into())), Errno::ECONNABORTED);
    assert_eq!(Wire::errno(wire.hosts[A].connect(client, address.into())), Errno::EINPROGRESS);
    wire.millis(10);
    assert_eq!(Wire::errno(wire.hosts[A].connect(client, address.into())), Errno::ECONNREFUSED);
}

#[test]
fn no_rst_where_the_host_is_told_so() {
    let silent = |no_rst: NoRst| {
        let mut wire = Wire::with(|config| config.no_rst = no_rst.clone());
        let client = wire.connect(A, "192.0.2.2:81");
        wire.millis(500);
        let silenced = wire.hosts[B].net.log.count(Reason::TcpRstSilenced) > 0;
        assert_eq!(silenced, wire.hosts[A].poll(client) == 0);
        silenced
    };
    assert!(silent(NoRst::All));
    assert!(silent(NoRst::Ports([80, 81].into())));
    assert!(!silent(NoRst::Ports([80].into())));
    assert!(!silent(NoRst::None));
    let mut ports = NoRst::None;
    ports.add(81);
    // From the port counts as well as to it: one's own end of a connection made by hand may be the server's or the client's.
    assert!(ports.silences([81, 40_000]) && ports.silences([40_000, 81]) && !ports.silences([80, 40_000]));
}

#[test]
fn close_with_unread_data_resets() {
    let mut wire = Wire::new();
    let (client, server) = wire.pair();
    wire.send(A, client, b"never read").unwrap();
    wire.millis(20);
    wire.close(B, server);
    wire.millis(20);
    assert_eq!(Wire::errno(wire.recv(A, client, 1)), Errno::ECONNRESET);
    assert_eq!(wire.recv(A, client, 1).unwrap(), b"");
    assert_eq!(Wire::errno(wire.send(A, client, b"x")), Errno::EPIPE);
    assert_eq!(wire.hosts[B].net.log.count(Reason::TcpClosedWithData), 1);
    assert_eq!(wire.hosts[B].census(), Default::default());
}

#[test]
fn data_after_close_resets() {
    let mut wire = Wire::new();
    let (client, server) = wire.pair();
    wire.close(B, server);
    wire.millis(20);
    assert_eq!(wire.recv(A, client, 1).unwrap(), b"");
    wire.send(A, client, b"to nobody").unwrap();
    wire.millis(20);
    assert_eq!(wire.hosts[B].net.log.count(Reason::TcpDataAfterClose), 1);
    // Linux's tcp_reset: in CLOSE_WAIT the error is EPIPE.
    assert_eq!(wire.error(A, client), Some(Errno::EPIPE));
}

#[test]
fn linger_zero_resets() {
    let mut wire = Wire::new();
    let (client, server) = wire.pair();
    wire.hosts[A].sockets.get_mut(client).unwrap().options.linger = Some(Duration::ZERO);
    wire.close(A, client);
    wire.millis(20);
    assert_eq!(Wire::errno(wire.recv(B, server, 1)), Errno::ECONNRESET);
}

#[test]
fn data_before_a_reset_is_still_read() {
    let mut wire = Wire::new();
    let (client, server) = wire.pair();
    wire.send(A, client, b"last words").unwrap();
    wire.millis(20);
    wire.hosts[A].sockets.get_mut(client).unwrap().options.linger = Some(Duration::ZERO);
    wire.close(A, client);
    wire.millis(20);
    assert_eq!(wire.recv(B, server, 4).unwrap(), b"last");
    assert_eq!(wire.recv(B, server, 40).unwrap(), b" words");
    assert_eq!(Wire::errno(wire.recv(B, server, 1)), Errno::ECONNRESET);
}

#[test]
fn connect_gives_up_after_its_syns() {
    let mut wire = Wire::new();
    cut(&mut wire);
    let client = wire.connect(A, "192.0.2.2:80");
    wire.run_for(Duration::from_secs(126));
    assert_eq!(wire.hosts[A].poll(client), 0);
    wire.run_for(Duration::from_secs(2));
    assert_eq!(wire.error(A, client), Some(Errno::ETIMEDOUT));
    assert_eq!(wire.frames, 7, "a SYN and six repetitions");
}

#[test]
fn data_without_an_answer_times_out_as_on_linux() {
    let mut wire = Wire::new();
    let (client, _server) = wire.pair();
    cut(&mut wire);
    wire.send(A, client, b"hello?").unwrap();
    wire.run_for(Duration::from_secs(900));
    assert_eq!(wire.error(A, client), None);
    wire.run_for(Duration::from_secs(150));
    assert_eq!(wire.error(A, client), Some(Errno::ETIMEDOUT));
}

#[test]
fn user_timeout_and_no_harm_to_the_idle() {
    let mut wire = Wire::new();
    let (client, server) = wire.pair();
    wire.hosts[A].sockets.get_mut(client).unwrap().options.user_timeout = Some(Duration::from_secs(5));
    wire.hosts[A].tcp_option_changed(client, 6, 18).unwrap();
    wire.run_for(HOUR);
    wire.transfer((A, client), (B, server), b"still here", Duration::from_secs(1));
    wire.run_for(Duration::from_secs(1));
    cut(&mut wire);
    wire.send(A, client, b"gone").unwrap();
    wire.millis(4900);
    assert_eq!(wire.error(A, client), None);
    wire.millis(200);
    assert_eq!(wire.error(A, client), Some(Errno::ETIMEDOUT));
    assert_eq!(wire.hosts[A].net.log.count(Reason::TcpUserTimeout), 1);
}

#[test]
fn keepalive_probes_for_hours_and_notices_the_end() {
    let mut wire = Wire::new();
    let (client, _server) = wire.pair();
    let options = &mut wire.hosts[A].sockets.get_mut(client).unwrap().options;
    options.keepalive = true;
    wire.hosts[A].tcp_option_changed(client, 1, 9).unwrap();
    let before = wire.frames;
    wire.run_for(HOUR * 5);
    assert_eq!(wire.frames - before, 4, "two probes, two answers");
    cut(&mut wire);
    // The peer was heard last after four hours: an hour until the next probe, then eight more.
    wire.run_for(HOUR + Duration::from_secs(8 * 75));
    assert_eq!(wire.error(A, client), None);
    wire.run_for(Duration::from_secs(2 * 75));
    assert_eq!(wire.error(A, client), Some(Errno::ETIMEDOUT));
    assert_eq!(wire.hosts[A].net.log.count(Reason::TcpKeepaliveTimeout), 1);
}

#[test]
fn time_wait_is_taken_over_by_a_new_syn() {
    let mut wire = Wire::new();
    let listener = wire.listen(B, "192.0.2.2:80", 8);
    let from: std::net::SocketAddr = "192.0.2.1:5000".parse().unwrap();
    let to: std::net::SocketAddr = "192.0.2.2:80".parse().unwrap();
    let open = |wire: &mut Wire| {
        let id = wire.socket(A);
        wire.hosts[A].bind(id, from.into()).unwrap();
        assert_eq!(Wire::errno(wire.hosts[A].connect(id, to.into())), Errno::EINPROGRESS);
        (id, wire.accept(B, listener))
    };
    let (client, server) = open(&mut wire);
    // The server closes first: TIME_WAIT is its.
    wire.close(B, server);
    wire.millis(20);
    wire.close(A, client);
    wire.millis(20);
    assert_eq!((wire.hosts[A].census().flows, wire.hosts[B].census().time_wait), (0, 1));
    let (client, server) = open(&mut wire);
    assert_eq!(wire.hosts[B].net.log.count(Reason::TcpTimeWaitReused), 1);
    assert_eq!(wire.hosts[B].census().time_wait, 0);
    wire.transfer((A, client), (B, server), &pattern(5000), HOUR);
}

#[test]
fn an_orphan_does_not_wait_in_fin_wait_2_for_ever() {
    let mut wire = Wire::new();
    let (client, _server) = wire.pair();
    wire.close(A, client);
    wire.run_for(Duration::from_secs(59));
    assert_eq!(wire.hosts[A].census().flows, 1);
    wire.run_for(Duration::from_secs(2));
    assert_eq!(wire.hosts[A].census(), Default::default());
}

#[test]
fn a_closed_window_is_probed_and_opens_again() {
    let mut wire = Wire::new();
    let (client, server) = wire.pair();
    let data = pattern(2_000_000);
    let mut sent = 0;
    wire.run_until(Duration::from_secs(3), |wire| {
        while let Ok(n) = wire.send(A, client, &data[sent..]) {
            sent += n;
        }
        false
    });
    assert!(sent > 400_000 && sent < 600_000, "{sent}: both rings are full");
    wire.run_for(HOUR);
    assert_eq!(wire.error(A, client), None);
    let mut got = Vec::new();
    let done = wire.run_until(Duration::from_secs(120), |wire| {
        while let Ok(bytes) = wire.recv(B, server, 100_000) {
            got.extend(bytes);
        }
        while sent < data.len() {
            let Ok(n) = wire.send(A, client, &data[sent..]) else { break };
            sent += n;
        }
        got.len() == data.len()
    });
    assert!(done && got == data, "{} of {}", got.len(), data.len());
}

#[test]
fn a_slow_reader_gets_the_last_byte_before_the_end() {
    use crate::base::constants::{SO_RCVBUF, SOL_SOCKET};
    for (round, rcvbuf) in [0, 5000, 66_000, 131_070, 131_072, 140_001, 200_000, 262_144, 524_287]
        .into_iter()
        .cycle()
        .take(45)
        .enumerate()
    {
        let mut wire = Wire::new();
        wire.faults.loss = (round as u64 % 3) * 10;
        wire.faults.reorder = (round as u64 % 2) * 50;
        (0..round).for_each(|_| _ = wire.dice());
        let listener = wire.listen(B, "192.0.2.2:80", 1);
        wire.hosts[B].setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &i32::to_ne_bytes(rcvbuf)).unwrap();
        let client = wire.connect(A, "192.0.2.2:80");
        let server = wire.accept(B, listener);
        let data = pattern(100_000 + round * 7919);
        let (mut sent, mut got, mut closed, mut end) = (0, Vec::new(), false, false);
        while !end && wire.now < crate::base::Instant::from_secs(600) {
            while sent < data.len() {
                let Ok(n) = wire.send(A, client, &data[sent..]) else { break };
                sent += n;
            }
            if sent == data.len() && !closed {
                wire.hosts[A].shutdown(client, crate::base::constants::SHUT_WR).unwrap();
                closed = true;
            }
            let (pause, len) = (wire.dice() % 40, 1 + wire.dice() as usize % 30_000);
            wire.millis(pause);
            if let Ok(bytes) = wire.recv(B, server, len) {
                end = bytes.is_empty();
                got.extend(bytes);
            }
        }
        assert!(end && got == data, "{round}, {rcvbuf}: {} of {} bytes, end {end}", got.len(), data.len());
    }
}
