//! What a packet costs to build, from a template and anew.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sockatoo::wire::packet::{Nowhere, Packet, Template};

fn packets(c: &mut Criterion) {
    let mut group = c.benchmark_group("packet");
    group.throughput(Throughput::Elements(1));
    for (name, text) in [
        ("udp", "ip(dst=192.0.2.1, ttl=1..30)/udp(dport=1..60000)/'payload of a probe'"),
        ("syn", "ip(dst=192.0.2.0/24)/tcp(dport=1..65535, sport=rand, seq=rand, flags=S)"),
    ] {
        let packet: Packet = text.parse().unwrap();
        let mut template = Template::new(&packet, &Nowhere, 1).unwrap();
        group.bench_function(format!("{name} from a template"), |b| {
            b.iter(|| {
                if template.next().map(|bytes| black_box(bytes.unwrap().len())).is_none() {
                    template.rewind();
                }
            });
        });
        let mut each = packet.each(1);
        group.bench_function(format!("{name} built anew"), |b| {
            b.iter(|| black_box(each.next().unwrap().build(&Nowhere).unwrap().bytes));
        });
    }
    group.finish();
}

criterion_group!(benches, packets);
criterion_main!(benches);
