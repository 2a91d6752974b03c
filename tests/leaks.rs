//! Hosts, worlds and connections that come and go leave nothing behind: no descriptor, no thread, no memory. Alone in its
//! file: the process is what is counted.
#![allow(clippy::unwrap_used)]

use std::thread;
use std::time::{Duration, Instant};

use sockatoo::socket::*;
use sockatoo::{Host, World};

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[test]
fn hosts_and_connections_leave_nothing_behind() {
    let connect = |host: &Host| {
        let (one, other) = host.socketpair(AF_INET, SOCK_STREAM, 0).unwrap();
        one.fileno().unwrap();
        one.send(b"x", 0).unwrap();
        other.recv(1, 0).unwrap();
    };
    let host = || Host::builder().build().unwrap();
    let build = || connect(&host());
    let world = || {
        let world = World::new(1);
        let (a, b) = (world.host("a").build().unwrap(), world.host("b").build().unwrap());
        let wire = world.cable(&a, &b, "delay=1ms").unwrap();
        wire.addresses("192.0.2.1/24", "192.0.2.2/24").unwrap();
        let server = world
            .spawn(&a, |host| host.create_server(("0.0.0.0", 80), Server::default())?.accept()?.0.recv(1, 0));
        world.spawn(&b, |host| host.create_connection(("192.0.2.1", 80), None, None)?.send(b"x", 0));
        world.run().unwrap();
        server.join().unwrap();
    };
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    let settled = |what: &str, before: (usize, usize)| {
        let end = Instant::now() + Duration::from_secs(30);
        while (descriptors(), threads()) > before && Instant::now() < end {
            thread::yield_now();
        }
        assert!(
            threads() <= before.1 && descriptors() <= before.0,
            "{what}: {before:?} -> {:?}",
            (descriptors(), threads())
        );
    };
    for (name, times, what) in [("hosts", 1000, &build as &dyn Fn()), ("worlds", 1000, &world)] {
        (0..20).for_each(|_| what());
        let (before, memory) = ((descriptors(), threads()), resident());
        (0..times).for_each(|_| what());
        settled(name, before);
        let grown = resident().saturating_sub(memory);
        assert!(grown < 30 << 20, "{name}: {} KB more", grown >> 10);
    }
    let host = host();
    (0..1000).for_each(|_| connect(&host));
    let (before, memory) = ((descriptors(), threads()), resident());
    (0..20_000).for_each(|_| connect(&host));
    settled("connections", (before.0, before.1));
    let grown = resident().saturating_sub(memory);
    assert!(grown < 60 << 20, "connections: {} KB more; {:?}", grown >> 10, host.census());
}
