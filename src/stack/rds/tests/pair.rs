//! Two hosts: order, exactly once, connections that break, congestion over the wire, cancelled messages.

use super::*;
use crate::base::Reason;
use crate::base::constants::*;
use crate::stack::Census;
use crate::stack::rds::connection::State;
use crate::wire::rds::PORT;

/// The TCP connections of a host: ports, from here to there.
fn streams(stack: &Stack) -> Vec<(u16, u16)> {
    let sockets = stack.rds.streams.keys().map(|id| stack.sockets.get(*id).unwrap());
    sockets.map(|entry| (entry.local.unwrap().port(), entry.remote.unwrap().port())).collect()
}

fn cut(stack: &mut Stack) {
    for id in stack.rds.streams.keys().copied().collect::<Vec<_>>() {
        stack.tcp_abort(id).unwrap();
    }
}

#[test]
fn messages_go_both_ways_and_the_smaller_address_connects() {
    // Whoever begins: rds_tcp_state_change, rds_tcp_accept_one.
    for first in [A, B] {
        let mut wire = Wire::new();
        let (a, b) = two(&mut wire);
        let ends = [(a, "192.0.2.1:4000"), (b, "192.0.2.2:4000")];
        let second = 1 - first;
        send(&mut wire.hosts[first], ends[first].0, b"hello", ends[second].1).unwrap();
        wire.run_for(SECOND);
        let (data, got) = recv(&mut wire.hosts[second], ends[second].0, 0).unwrap();
        assert_eq!((data.as_slice(), got.from), (&b"hello"[..], Some(at(ends[first].1))));
        send(&mut wire.hosts[second], ends[second].0, &[7; 100_000], ends[first].1).unwrap();
        wire.run_for(SECOND);
        assert_eq!(recv(&mut wire.hosts[first], ends[first].0, 0).unwrap().0, [7; 100_000]);
        for (host, id) in [(A, a), (B, b)] {
            let [(own, other)] = streams(&wire.hosts[host])[..] else { panic!("one connection") };
            assert_eq!((own == PORT, other == PORT), (host == B, host == A));
            assert_eq!(wire.hosts[host].sockets.get(id).unwrap().rds().unwrap().sent, 0);
        }
        wire.close(A, a);
        wire.close(B, b);
        wire.run_for(SECOND * 130);
        assert_eq!([wire.hosts[A].census(), wire.hosts[B].census()], [Census::default(); 2]);
    }
}

#[test]
fn simultaneous_connections_become_one() {
    let mut wire = Wire::new();
    wire.delay = Duration::from_millis(50);
    let (a, b) = two(&mut wire);
    send(&mut wire.hosts[A], a, &[0, 0, 0, 1], "192.0.2.2:4000").unwrap();
    send(&mut wire.hosts[B], b, &[0, 0, 0, 2], "192.0.2.1:4000").unwrap();
    wire.run_for(SECOND * 3);
    assert_eq!((numbers(&mut wire.hosts[A], a), numbers(&mut wire.hosts[B], b)), (vec![2], vec![1]));
    assert_eq!((streams(&wire.hosts[A]).len(), streams(&wire.hosts[B]).len()), (1, 1));
}

#[test]
fn over_ipv6_too() {
    let mut wire = Wire::new();
    let a = bound(&mut wire.hosts[A], "[2001:db8::1]:4000");
    let b = bound(&mut wire.hosts[B], "[2001:db8::2]:4000");
    send(&mut wire.hosts[B], b, b"six", "[2001:db8::1]:4000").unwrap();
    wire.run_for(SECOND);
    assert_eq!(recv(&mut wire.hosts[A], a, 0).unwrap().1.from, Some(at("[2001:db8::2]:4000")));
}

/// rds_send_path_reset, rds_recv_incoming: connections are cut, messages are counted.
#[test]
fn every_message_comes_once_and_in_order_though_connections_break() {
    for loss in [0, 30] {
        let mut wire = Wire::new();
        wire.faults.loss = loss;
        let (a, b) = two(&mut wire);
        let (count, mut next, mut cuts) = (3000_u32, 0_u32, 0);
        let (mut got, mut back, mut told) = (Vec::new(), Vec::new(), 0_u32);
        let done = wire.run_until(SECOND * 600, |wire| {
            while next < count {
                let mut bytes = next.to_be_bytes().to_vec();
                bytes.resize(4 + (next as usize * 37) % 900, 1);
                match send(&mut wire.hosts[A], a, &bytes, "192.0.2.2:4000") {
                    Ok(_) => next += 1,
                    Err(error) => {
                        assert!(matches!(error.errno(), Errno::EAGAIN | Errno::ENOBUFS), "{error:?}");
                        break;
                    }
                }
            }
            got.extend(numbers(&mut wire.hosts[B], b));
            // And every hundredth is answered.
            while (told + 1) * 100 <= got.len() as u32 {
                if send(&mut wire.hosts[B], b, &told.to_be_bytes(), "192.0.2.1:4000").is_err() {
                    break;
                }
                told += 1;
            }
            back.extend(numbers(&mut wire.hosts[A], a));
            // Now here, now there.
            if got.len() > cuts * 400 + 200 {
                cuts += 1;
                cut(&mut wire.hosts[cuts % 2]);
            }
            back.len() == count as usize / 100
        });
        assert!(done, "{} messages and {} answers came; {cuts} cuts", got.len(), back.len());
        assert_eq!(got, (0..count).collect::<Vec<_>>());
        assert_eq!(back, (0..count / 100).collect::<Vec<_>>());
        assert!(cuts >= 7);
        let again: u64 = wire.hosts.iter().map(|host| host.net.log.count(Reason::RdsOldSequence)).sum();
        assert!(again > 0, "nothing was sent twice");
    }
}

/// A host that has no socket of RDS refuses; once it has, what waits comes.
#[test]
fn what_is_sent_too_early_waits() {
    let mut wire = Wire::new();
    let a = bound(&mut wire.hosts[A], "192.0.2.1:4000");
    send(&mut wire.hosts[A], a, b"early", "192.0.2.2:4000").unwrap();
    wire.run_for(SECOND * 20);
    assert!(wire.frames < 400, "{} frames", wire.frames);
    let b = bound(&mut wire.hosts[B], "192.0.2.2:4000");
    wire.run_for(SECOND * 3);
    assert_eq!(recv(&mut wire.hosts[B], b, 0).unwrap().0, b"early");
}

/// rds_cong_queue_updates, rds_tcp_cong_recv; SO_SNDBUF counts what is not acknowledged.
#[test]
fn congestion_over_the_wire() {
    let mut wire = Wire::new();
    let (a, b) = two(&mut wire);
    let free = bound(&mut wire.hosts[B], "192.0.2.2:4001");
    buffers(&mut wire.hosts[B], b, 20_000);
    let mut sent = 0;
    let refused = wire.run_until(SECOND * 10, |wire| {
        match send(&mut wire.hosts[A], a, &[1; 5000], "192.0.2.2:4000") {
            Ok(_) => sent += 1,
            Err(error) if error.errno() == Errno::EAGAIN => {}
            Err(error) => {
                assert_eq!(error.errno(), Errno::ENOBUFS);
                return true;
            }
        }
        false
    });
    assert!(refused && sent >= 5, "{sent} sent");
    // Another port of the same host has room.
    send(&mut wire.hosts[A], a, b"free", "192.0.2.2:4001").unwrap();
    wire.run_for(SECOND);
    assert_eq!(recv(&mut wire.hosts[B], free, 0).unwrap().0, b"free");
    while recv(&mut wire.hosts[B], b, 0).is_ok() {
        sent -= 1;
    }
    assert_eq!((sent, wire.hosts[A].poll(a)), (0, POLLOUT));
    wire.run_for(SECOND);
    assert_eq!(wire.hosts[A].poll(a), POLLIN | POLLOUT);
    send(&mut wire.hosts[A], a, b"again", "192.0.2.2:4000").unwrap();
    // Nobody answers any more: the buffer fills.
    wire.tap = Some(Box::new(|_, _, _| false));
    let filled = (0..).take_while(|_| send(&mut wire.hosts[A], a, &[0; 50_000], "192.0.2.2:4000").is_ok());
    assert_eq!(filled.count(), 3);
    assert_eq!(
        (errno(send(&mut wire.hosts[A], a, b"", "192.0.2.2:4000")), wire.hosts[A].poll(a)),
        (Errno::EAGAIN, 0)
    );
}

/// rds_send_drop_to.
#[test]
fn messages_are_taken_back() {
    let mut wire = Wire::new();
    let a = bound(&mut wire.hosts[A], "192.0.2.1:4000");
    for (bytes, to) in [(b"one", "192.0.2.2:4000"), (b"two", "192.0.2.2:4001"), (b"six", "192.0.2.2:4000")] {
        send(&mut wire.hosts[A], a, bytes, to).unwrap();
    }
    let sent = |wire: &Wire| wire.hosts[A].sockets.get(a).unwrap().rds().unwrap().sent;
    assert_eq!(sent(&wire), 9);
    let mut address = [0; 16];
    address[..8].copy_from_slice(&[2, 0, 15, 160, 192, 0, 2, 2]);
    wire.hosts[A].setsockopt(a, SOL_RDS, RDS_CANCEL_SENT_TO, &address).unwrap();
    assert_eq!(sent(&wire), 3);
    let b = bound(&mut wire.hosts[B], "192.0.2.2:4000");
    let other = bound(&mut wire.hosts[B], "192.0.2.2:4001");
    wire.run_for(SECOND * 3);
    assert_eq!(errno(recv(&mut wire.hosts[B], b, 0)), Errno::EAGAIN);
    assert_eq!((recv(&mut wire.hosts[B], other, 0).unwrap().0.as_slice(), sent(&wire)), (&b"two"[..], 0));
}

/// A peer that vanishes is noticed by keepalive; rds_tcp_keepalive.
#[test]
fn a_dead_peer_is_noticed() {
    let mut wire = Wire::new();
    let (a, _) = two(&mut wire);
    send(&mut wire.hosts[A], a, b"x", "192.0.2.2:4000").unwrap();
    wire.run_for(SECOND);
    let up = |wire: &Wire| wire.hosts[B].rds.connections.values().all(|c| c.state == State::Up);
    assert!(up(&wire));
    wire.tap = Some(Box::new(|_, _, _| false));
    wire.run_for(SECOND * 60);
    assert!(!up(&wire));
}
