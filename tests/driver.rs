//! A host in real time: many threads that wait at once, devices that fail, foreign event loops, the end of a host.
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sockatoo::base::Reason;
use sockatoo::device::{Cable, CableConfig, Fault, FaultSwitch, Faulty};
use sockatoo::socket::*;
use sockatoo::{Errno, Host, HostBuilder, Result};

/// Long enough for anything that happens at all.
const SOON: Duration = Duration::from_secs(30);

/// Two builders of hosts on a cable, 192.0.2.1 and 192.0.2.2, and a switch for faults at the first.
fn builders() -> (HostBuilder, HostBuilder, FaultSwitch) {
    let (left, right) = Cable::pair(CableConfig::default());
    let (left, switch) = Faulty::new(left);
    let a = Host::builder().hostname("a").device(left).address("192.0.2.1/24").unwrap();
    let b = Host::builder().hostname("b").device(right).address("192.0.2.2/24").unwrap();
    (a, b, switch)
}

fn neighbours() -> (Host, Host) {
    let (a, b, _) = builders();
    (a.build().unwrap(), b.build().unwrap())
}

fn udp(host: &Host, address: &str, port: u16) -> Socket {
    let socket = host.socket(AF_INET, SOCK_DGRAM, 0).unwrap();
    socket.bind((address, port)).unwrap();
    socket.settimeout(Some(SOON)).unwrap();
    socket
}

/// `rounds` datagrams there and back, each awaited.
fn ping_pong(one: &Socket, other: &Socket, rounds: u32) -> Result<()> {
    thread::scope(|scope| {
        let echo = scope.spawn(|| {
            for _ in 0..rounds {
                let (data, from) = other.recvfrom(64, 0)?;
                other.sendto(&data, 0, from)?;
            }
            Ok(())
        });
        for n in 0..rounds {
            one.send(&n.to_be_bytes(), 0)?;
            assert_eq!(one.recv(64, 0)?, n.to_be_bytes());
        }
        echo.join().unwrap()
    })
}

#[test]
fn many_threads_wait_on_one_host_and_none_is_forgotten() {
    let host = Host::builder().build().unwrap();
    thread::scope(|scope| {
        for n in 0..16 {
            let host = &host;
            scope.spawn(move || {
                let other = udp(host, "127.0.0.1", 7000 + n);
                let one = udp(host, "127.0.0.1", 8000 + n);
                one.connect(("127.0.0.1", 7000 + n)).unwrap();
                ping_pong(&one, &other, 300).unwrap();
            });
        }
    });
}

#[test]
fn many_threads_wait_on_both_ends_of_a_cable() {
    let (a, b) = neighbours();
    thread::scope(|scope| {
        for n in 0..8 {
            let (a, b) = (&a, &b);
            scope.spawn(move || {
                let other = udp(b, "192.0.2.2", 7000 + n);
                let one = udp(a, "192.0.2.1", 8000 + n);
                one.connect(("192.0.2.2", 7000 + n)).unwrap();
                ping_pong(&one, &other, 300).unwrap();
            });
        }
    });
}

#[test]
fn streams_flow_both_ways_on_both_hosts() {
    let (a, b) = neighbours();
    let bytes: Vec<u8> = (0..400_000_u32).map(|i| (i % 251) as u8).collect();
    thread::scope(|scope| {
        for n in 0..6 {
            let (from, to, address) = if n % 2 == 0 { (&a, &b, "192.0.2.2") } else { (&b, &a, "192.0.2.1") };
            let listener = to.create_server((address, 100 + n), Server::default()).unwrap();
            listener.settimeout(Some(SOON)).unwrap();
            let bytes = &bytes;
            scope.spawn(move || {
                let (connection, _) = listener.accept().unwrap();
                connection.settimeout(Some(SOON)).unwrap();
                let mut received = Vec::new();
                while received.len() < bytes.len() {
                    let data = connection.recv(65_536, 0).unwrap();
                    assert!(!data.is_empty(), "ended after {} bytes", received.len());
                    connection.sendall(&data, 0).unwrap();
                    received.extend(data);
                }
                assert!(received == *bytes);
            });
            scope.spawn(move || {
                let socket = from.create_connection((address, 100 + n), Some(SOON), None).unwrap();
                thread::scope(|scope| {
                    scope.spawn(|| socket.sendall(bytes, 0).unwrap());
                    let mut back = 0;
                    while back < bytes.len() {
                        let data = socket.recv(65_536, 0).unwrap();
                        assert!(!data.is_empty() && bytes[back..].starts_with(&data));
                        back += data.len();
                    }
                });
            });
        }
    });
}

#[test]
fn an_idle_host_answers_by_itself() {
    let (a, b) = neighbours();
    let ping = a.socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP).unwrap();
    ping.settimeout(Some(SOON)).unwrap();
    for n in 0..20 {
        ping.sendto(&[8, 0, 0, 0, 0, 0, 0, n], 0, ("192.0.2.2", 0)).unwrap();
        assert_eq!(ping.recv(64, 0).unwrap()[0], 0);
    }
    drop(b);
}

#[test]
fn a_link_that_goes_down_is_told_and_comes_back() {
    let (a, b, switch) = builders();
    let (a, b) = (a.build().unwrap(), b.build().unwrap());
    let one = udp(&a, "192.0.2.1", 1000);
    one.connect(("192.0.2.2", 1000)).unwrap();
    let other = udp(&b, "192.0.2.2", 1000);
    ping_pong(&one, &other, 3).unwrap();

    switch.set(Fault::Down);
    let _ = one.send(b"lost", 0);
    let patience = Instant::now() + SOON;
    while a.interfaces()[1].up && Instant::now() < patience {
        let _ = one.send(b"lost", 0);
    }
    assert!(!a.interfaces()[1].up && a.count(Reason::LinkDown) > 0);
    assert_eq!(one.send(b"x", 0).unwrap_err().errno(), Errno::ENETUNREACH);

    switch.set(Fault::None);
    // Who waits, drives: the device is asked, and is well again.
    while !a.interfaces()[1].up && Instant::now() < patience {
        other.sendto(b"wake", 0, ("192.0.2.1", 1000)).unwrap();
        a.sleep(Duration::from_millis(1)).unwrap();
    }
    assert!(a.interfaces()[1].up);
    while one.send(b"again", 0).is_err() && Instant::now() < patience {}
    assert_eq!(other.recv(64, 0).unwrap(), b"again");
}

#[test]
fn frames_wait_for_a_busy_device() {
    let (a, b, switch) = builders();
    let (a, b) = (a.build().unwrap(), b.build().unwrap());
    let one = udp(&a, "192.0.2.1", 1000);
    one.connect(("192.0.2.2", 1000)).unwrap();
    let other = udp(&b, "192.0.2.2", 1000);
    ping_pong(&one, &other, 1).unwrap();
    switch.set(Fault::Busy);
    for n in 0..10_u8 {
        one.send(&[n], 0).unwrap();
    }
    switch.set(Fault::None);
    for n in 0..10_u8 {
        assert_eq!(other.recv(64, 0).unwrap(), [n]);
    }
}

#[test]
fn shutdown_ends_every_wait() {
    let (a, _b) = neighbours();
    thread::scope(|scope| {
        let waits: Vec<_> = (0..4)
            .map(|n| {
                let socket = udp(&a, "192.0.2.1", 2000 + n);
                scope.spawn(move || socket.recv(1, 0).unwrap_err().errno())
            })
            .collect();
        a.sleep(Duration::from_millis(20)).unwrap();
        a.shutdown();
        for wait in waits {
            assert_eq!(wait.join().unwrap(), Errno::EINTR);
        }
    });
}

#[test]
fn what_was_sent_arrives_though_the_host_is_gone() {
    let (a, b) = neighbours();
    let listener = b.create_server(("192.0.2.2", 80), Server::default()).unwrap();
    let socket = a.create_connection(("192.0.2.2", 80), Some(SOON), None).unwrap();
    socket.sendall(&[7; 200_000], 0).unwrap();
    drop((socket, a));
    let (connection, _) = listener.accept().unwrap();
    connection.settimeout(Some(SOON)).unwrap();
    let mut count = 0;
    loop {
        let data = connection.recv(65_536, 0).unwrap();
        if data.is_empty() {
            break;
        }
        count += data.len();
    }
    assert_eq!(count, 200_000);
}

#[test]
fn an_embedder_drives_by_itself() {
    let (a, b, _) = builders();
    let (a, b) = (a.embedded().build().unwrap(), b.build().unwrap());
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                assert_eq!(a.poll_fds().len(), 1);
                a.drive();
                thread::yield_now();
            }
        });
        let ping = b.socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP).unwrap();
        ping.settimeout(Some(SOON)).unwrap();
        ping.sendto(&[8, 0, 0, 0, 0, 0, 0, 1], 0, ("192.0.2.1", 0)).unwrap();
        let answer = ping.recv(64, 0);
        stop.store(true, Ordering::Relaxed);
        assert_eq!(answer.unwrap()[0], 0);
    });
}

#[test]
fn flush_waits_for_the_last_acknowledgement() {
    let (a, b) = neighbours();
    let listener = b.create_server(("192.0.2.2", 80), Server::default()).unwrap();
    let socket = a.create_connection(("192.0.2.2", 80), Some(SOON), None).unwrap();
    let (connection, _) = listener.accept().unwrap();
    socket.sendall(b"hello", 0).unwrap();
    drop(socket);
    assert!(!a.flush(Duration::from_millis(5)).unwrap(), "the other side has not closed");
    assert_eq!(connection.recv(64, 0).unwrap(), b"hello");
    drop(connection);
    assert!(a.flush(SOON).unwrap());
}
