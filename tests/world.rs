//! Programs on hosts in virtual time: what takes hours takes milliseconds, and what happened once happens again.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sha2::{Digest, Sha256};
use sockatoo::base::{Direction, Frame};
use sockatoo::device::{Cable, CableConfig, Fault, Faulty};
use sockatoo::socket::*;
use sockatoo::trace::Recorder;
use sockatoo::{Errno, Host, IfIndex, Instant, Result, World};

/// A hash over every frame, its time and its direction.
#[derive(Clone, Debug, Default)]
struct Hash(Arc<Mutex<(Sha256, u64)>>);

impl Recorder for Hash {
    fn record(&mut self, time: Instant, direction: Direction, frame: &Frame) {
        let (hash, frames) = &mut *self.0.lock().unwrap();
        hash.update(time.as_nanos().to_be_bytes());
        hash.update([u8::from(direction == Direction::In)]);
        hash.update(frame.bytes());
        *frames += 1;
    }
}

impl Hash {
    fn result(&self) -> (String, u64) {
        let (hash, frames) = &*self.0.lock().unwrap();
        (hash.clone().finalize().iter().map(|b| format!("{b:02x}")).collect(), *frames)
    }
}

/// Two hosts, 192.0.2.1 and 192.0.2.2 (2001:db8::1 and 2001:db8::2), on a cable.
fn neighbours(world: &World, link: &str) -> (Host, Host) {
    let (a, b) = (world.host("a").build().unwrap(), world.host("b").build().unwrap());
    let wire = world.cable(&a, &b, link).unwrap();
    wire.addresses("192.0.2.1/24", "192.0.2.2/24").unwrap();
    wire.addresses("2001:db8::1/64", "2001:db8::2/64").unwrap();
    (a, b)
}

/// Bytes that tell where they belong.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i ^ (i >> 8) ^ (i >> 16)) as u8).collect()
}

fn receive_all(socket: &Socket) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    loop {
        let data = socket.recv(65_536, 0)?;
        if data.is_empty() {
            return Ok(all);
        }
        all.extend(data);
    }
}

/// `b` sends `len` bytes to `a`; how long that took.
fn transfer(world: &World, a: &Host, b: &Host, len: usize) -> Duration {
    let server = world.spawn(a, |host| {
        let listener = host.create_server(("0.0.0.0", 80), Server::default())?;
        let (connection, _) = listener.accept()?;
        receive_all(&connection)
    });
    let begun = world.now();
    let client = world.spawn(b, move |host| {
        let socket = host.create_connection(("192.0.2.1", 80), None, None)?;
        socket.sendall(&pattern(len), 0)
    });
    world.run().unwrap();
    client.join().unwrap();
    assert!(server.join().unwrap() == pattern(len), "other bytes arrived than were sent");
    world.now().since(begun)
}

#[test]
fn a_megabyte_crosses_a_bad_link() {
    let world = World::new(3);
    let (a, b) = neighbours(&world, "loss=1%,delay=5ms,jitter=1ms,reorder=1%,duplicate=1%,corrupt=0.1%");
    transfer(&world, &a, &b, 1 << 20);
}

#[test]
fn the_same_seed_gives_the_same_bytes_at_the_same_times() {
    let run = |seed| {
        let world = World::new(seed);
        let hash = Hash::default();
        let (a, b) = neighbours(&world, "loss=1%,delay=3ms,reorder=1%");
        a.record(IfIndex(2), hash.clone()).unwrap();
        transfer(&world, &a, &b, 300_000);
        hash.result()
    };
    let (first, frames) = run(7);
    assert!(frames > 200, "{frames} frames");
    for _ in 0..3 {
        assert_eq!(run(7), (first.clone(), frames));
    }
    assert_ne!(run(8).0, first);
}

#[test]
fn two_hours_of_keepalive_pass_at_once() {
    let world = World::new(1);
    let (left, right) = Cable::pair(CableConfig::default());
    let (right, switch) = Faulty::new(right);
    let a = world.host("a").device(left).address("192.0.2.1/24").unwrap().build().unwrap();
    let b = world.host("b").device(right).address("192.0.2.2/24").unwrap().build().unwrap();
    let server = world.spawn(&a, |host| {
        let listener = host.create_server(("0.0.0.0", 22), Server::default())?;
        let (connection, _) = listener.accept()?;
        connection.setsockopt(SOL_SOCKET, SO_KEEPALIVE, 1)?;
        let error = connection.recv(1, 0).unwrap_err();
        Ok::<_, sockatoo::Error>((host.now(), error.errno()))
    });
    let client = world.spawn(&b, move |host| {
        let socket = host.create_connection(("192.0.2.1", 22), None, None)?;
        host.sleep(Duration::from_secs(1))?;
        switch.set(Fault::Down);
        host.sleep(Duration::from_secs(3 * 3600))?;
        drop(socket);
        Ok::<_, sockatoo::Error>(())
    });
    let (time, errno) = server.join().unwrap();
    client.join().unwrap();
    // tcp(7): a probe after 7200 s, then one every 75 s; the connection is given up after the ninth.
    assert_eq!(errno, Errno::ETIMEDOUT);
    let expected = Duration::from_secs(7200 + 9 * 75);
    let passed = time.since(Instant::ZERO);
    assert!(passed >= expected && passed < expected + Duration::from_secs(5), "{passed:?}");
}

#[test]
fn many_programs_on_many_hosts() {
    let world = World::new(5);
    let router = world.host("router").forward(true).build().unwrap();
    let mut clients = Vec::new();
    for n in 1..=5 {
        let host = world.host(&format!("host{n}")).build().unwrap();
        let wire = world.cable(&host, &router, "delay=1ms").unwrap();
        wire.addresses(format!("198.51.100.{}/29", n * 8 + 2), format!("198.51.100.{}/29", n * 8 + 1))
            .unwrap();
        let gateway = format!("198.51.100.{}", n * 8 + 1).parse().unwrap();
        host.add_route("0.0.0.0/0", Some(gateway), None).unwrap();
        clients.push(host);
    }
    let echo = world.spawn(&clients[0], |host| {
        let socket = host.socket(AF_INET, SOCK_DGRAM, 0)?;
        socket.bind(("0.0.0.0", 7))?;
        for _ in 0..4 * 50 {
            let (data, from) = socket.recvfrom(2000, 0)?;
            socket.sendto(&data, 0, from)?;
        }
        Ok::<_, sockatoo::Error>(())
    });
    let programs: Vec<_> = clients[1..]
        .iter()
        .map(|client| {
            world.spawn(client, |host| {
                let socket = host.socket(AF_INET, SOCK_DGRAM, 0)?;
                socket.connect(("198.51.100.10", 7))?;
                for n in 0..50_u32 {
                    socket.send(&n.to_be_bytes(), 0)?;
                    assert_eq!(socket.recv(2000, 0)?, n.to_be_bytes());
                }
                Ok::<_, sockatoo::Error>(host.now())
            })
        })
        .collect();
    world.run().unwrap();
    echo.join().unwrap();
    for program in programs {
        // Each round takes four cables; the first one ARP besides.
        let passed = program.join().unwrap().since(Instant::ZERO);
        assert!(passed >= Duration::from_millis(200) && passed < Duration::from_millis(220), "{passed:?}");
    }
}

#[test]
fn who_waits_for_nothing_is_told() {
    let world = World::new(1);
    let (a, _) = neighbours(&world, "");
    let socket = a.socket(AF_INET, SOCK_DGRAM, 0).unwrap();
    socket.bind(("192.0.2.1", 5000)).unwrap();
    let error = socket.recv(1, 0).unwrap_err();
    assert_eq!(error.errno(), Errno::EDEADLK);
    assert!(error.why().contains("on host a") && error.why().contains("192.0.2.1:5000"), "{}", error.why());
    socket.settimeout(Some(Duration::from_secs(30))).unwrap();
    assert_eq!(socket.recv(1, 0).unwrap_err().errno(), Errno::ETIMEDOUT);
    assert!(world.now() >= Instant::from_secs(30));
}

#[test]
fn the_worst_of_links_end_in_an_error_or_in_patience() {
    for link in [
        "loss=100%",
        "corrupt=100%",
        "rate=1bit",
        "rate=1bit,queue=1",
        "delay=3600s",
        "duplicate=100%,reorder=100%,gap=1s,delay=10ms",
        "loss=50%,corrupt=50%,duplicate=50%,reorder=50%,delay=1s,jitter=1s,rate=9600bit,queue=1",
    ] {
        let run = || {
            let world = World::new(11);
            let hash = Hash::default();
            let (a, b) = neighbours(&world, link);
            a.record(IfIndex(2), hash.clone()).unwrap();
            let server = world.spawn(&a, |host| {
                let listener = host.create_server(("0.0.0.0", 80), Server::default())?;
                listener.settimeout(Some(Duration::from_secs(20_000)))?;
                let (connection, _) = listener.accept()?;
                connection.settimeout(Some(Duration::from_secs(100_000)))?;
                Ok::<_, sockatoo::Error>(receive_all(&connection)?.len())
            });
            let client = world.spawn(&b, |host| {
                let socket = host.create_connection(("192.0.2.1", 80), None, None)?;
                socket.sendall(&pattern(10_000), 0)
            });
            world.run().unwrap();
            let ends =
                (server.join().map_err(|error| error.errno()), client.join().map_err(|error| error.errno()));
            (ends, hash.result(), world.now())
        };
        let first = run();
        assert_eq!(run(), first, "{link}");
    }
}

#[test]
fn many_threads_of_one_world_take_the_same_turns() {
    let run = || {
        let world = World::new(4);
        let hash = Hash::default();
        let (a, b) = neighbours(&world, "loss=2%,delay=2ms,jitter=1ms,rate=20mbit,queue=20");
        a.record(IfIndex(2), hash.clone()).unwrap();
        let server = world.spawn(&a, |host| {
            let listener = host.create_server(("0.0.0.0", 80), Server::default())?;
            for _ in 0..30 {
                let (connection, _) = listener.accept()?;
                connection.sendall(&receive_all(&connection)?, 0)?;
            }
            Ok::<_, sockatoo::Error>(())
        });
        let clients: Vec<_> = (0..30)
            .map(|n| {
                world.spawn(&b, move |host| {
                    host.sleep(Duration::from_millis(n % 7))?;
                    let socket = host.create_connection(("192.0.2.1", 80), None, None)?;
                    socket.sendall(&pattern(n as usize * 500), 0)?;
                    socket.shutdown(SHUT_WR)?;
                    Ok::<_, sockatoo::Error>(receive_all(&socket)? == pattern(n as usize * 500))
                })
            })
            .collect();
        world.run().unwrap();
        server.join().unwrap();
        for client in clients {
            assert!(client.join().unwrap());
        }
        (hash.result(), world.now())
    };
    let first = run();
    assert_eq!((run(), run()), (first.clone(), first));
}

#[test]
fn the_end_of_time_is_reached() {
    let world = World::new(2);
    let (a, b) = neighbours(&world, "delay=1ms");
    let server = world.spawn(&a, |host| {
        let listener = host.create_server(("0.0.0.0", 80), Server::default())?;
        let (connection, _) = listener.accept()?;
        connection.setsockopt(SOL_SOCKET, SO_KEEPALIVE, 1)?;
        connection.setsockopt(IPPROTO_TCP, TCP_KEEPIDLE, 32_767)?;
        connection.recv(1, 0)
    });
    let client = world.spawn(&b, |host| {
        let socket = host.create_connection(("192.0.2.1", 80), None, None)?;
        host.sleep(Duration::from_secs(3600 * 24 * 365))?;
        socket.setsockopt(SOL_SOCKET, SO_RCVTIMEO, Duration::MAX)?;
        socket.settimeout(Some(Duration::MAX))?;
        socket.send(b"x", 0)
    });
    world.run().unwrap();
    assert_eq!((server.join().unwrap(), client.join().unwrap()), (b"x".to_vec(), 1));
    let udp = a.socket(AF_INET, SOCK_DGRAM, 0).unwrap();
    udp.bind(("192.0.2.1", 9)).unwrap();
    for patience in [Duration::from_secs(u64::MAX / 2_000_000_000), Duration::MAX] {
        udp.settimeout(Some(patience)).unwrap();
        let errno = udp.recv(1, 0).unwrap_err().errno();
        assert!(matches!(errno, Errno::ETIMEDOUT | Errno::EDEADLK), "{errno}");
    }
    assert!(a.sleep(Duration::MAX).is_ok());
    b.socket(AF_INET, SOCK_DGRAM, 0).unwrap().sendto(b"late", 0, ("192.0.2.1", 9)).unwrap();
    let late = world.run_for(Duration::from_secs(1));
    assert!(late.is_ok(), "{late:?}");
}
