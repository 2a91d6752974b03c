//! What a packet costs with few and with many open connections: two hosts on a cable in memory, one byte there and back.
//! `cargo bench --bench flows`
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use sockatoo::device::{Cable, CableConfig};
use sockatoo::socket::{AF_INET, IPPROTO_TCP, MSG_DONTWAIT, SOCK_STREAM, TCP_NODELAY, TCP_QUICKACK};
use sockatoo::{Host, Socket};

/// Two hosts that nobody drives but we, and `flows` connections between them.
struct Pair {
    hosts: [Host; 2],
    /// Ours and the other host's end of each.
    flows: Vec<(Socket, Socket)>,
}

impl Pair {
    fn new(flows: usize) -> Self {
        let (a, b) = Cable::pair(CableConfig::default());
        let host = |end, address: &str| {
            let host = Host::builder().seed(1).device(end).ipv4_only().address(address).unwrap();
            host.recv_buffer(4096).send_buffer(4096).embedded().build().unwrap()
        };
        let hosts = [host(a, "192.0.2.1/24"), host(b, "192.0.2.2/24")];
        let listener = hosts[1].socket(AF_INET, SOCK_STREAM, 0).unwrap();
        listener.bind(("192.0.2.2", 7000)).unwrap();
        listener.listen(128).unwrap();
        listener.setblocking(false).unwrap();
        let mut pair = Self { hosts, flows: Vec::new() };
        for _ in 0..flows {
            let client = pair.hosts[0].socket(AF_INET, SOCK_STREAM, 0).unwrap();
            client.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1).unwrap();
            client.setblocking(false).unwrap();
            client.connect_ex(("192.0.2.2", 7000));
            let server = loop {
                pair.drive();
                if let Ok((server, _)) = listener.accept() {
                    break server;
                }
            };
            server.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1).unwrap();
            // An ACK for every byte at once: with few connections it would ride on the answer, with many its delay would run out
            // first, and the two would not be the same packets.
            for end in [&client, &server] {
                end.setsockopt(IPPROTO_TCP, TCP_QUICKACK, 1).unwrap();
            }
            pair.flows.push((client, server));
        }
        pair
    }

    fn drive(&self) {
        for host in &self.hosts {
            host.drive();
        }
    }

    /// A byte there and a byte back.
    fn round_trip(&self, flow: usize) {
        let (client, server) = &self.flows[flow];
        for (from, to) in [(client, server), (server, client)] {
            from.send(b"x", 0).unwrap();
            let mut buffer = [0; 16];
            while to.recv_into(&mut buffer, MSG_DONTWAIT).is_err() {
                self.drive();
            }
            black_box(buffer);
        }
    }
}

/// On one connection while the others are idle: what finding it among them costs.
fn on_one_of_many(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("a byte there and back on one of so many connections:");
    for flows in [10, 10_000] {
        let pair = Pair::new(flows);
        group.bench_function(BenchmarkId::from_parameter(flows), |bencher| {
            bencher.iter(|| pair.round_trip(flows / 2));
        });
    }
    group.finish();
}

/// On each connection in turn, never two neighbours. With many, each finds its memory cold, and its last acknowledgement
/// leaves in a packet of its own: no data comes to carry it before the delayed acknowledgement's 10 ms are over.
fn on_each_in_turn(criterion: &mut Criterion) {
    let mut group =
        criterion.benchmark_group("a byte there and back on each of so many connections in turn:");
    for flows in [10, 10_000] {
        let pair = Pair::new(flows);
        let mut next = 0;
        group.bench_function(BenchmarkId::from_parameter(flows), |bencher| {
            bencher.iter(|| {
                next = (next + 7919) % flows;
                pair.round_trip(next);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, on_one_of_many, on_each_in_turn);
criterion_main!(benches);
