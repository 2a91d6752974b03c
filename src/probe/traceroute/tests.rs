use super::*;
use crate::driver::World;

/// A host, three routers, a host: 192.0.2.0/24, 198.51.100.0/26, .64/26, .128/26 (2001:db8:n::/64), 10 ms for each cable; the last but one
/// takes packets of 1,400 bytes.
fn path(world: &World) -> (Host, Host) {
    let names = ["a", "r1", "r2", "r3", "b"];
    let nets = [("192.0.2", 0), ("198.51.100", 0), ("198.51.100", 64), ("198.51.100", 128)];
    let v4 = |link: usize, end: usize| format!("{}.{}", nets[link].0, nets[link].1 + end);
    let v6 = |link: usize, end: usize| format!("2001:db8:{link}::{end}");
    let hosts: Vec<Host> = names
        .iter()
        .enumerate()
        .map(|(at, name)| world.host(name).forward(at % 4 != 0).build().unwrap())
        .collect();
    for (link, pair) in hosts.windows(2).enumerate() {
        let config =
            crate::device::CableConfig { mtu: if link == 2 { 1400 } else { 1500 }, ..Default::default() };
        let wire = world.cable_with(&pair[0], &pair[1], config, "delay=10ms".parse().unwrap()).unwrap();
        let bits = if link == 0 { 24 } else { 26 };
        wire.addresses(format!("{}/{bits}", v4(link, 1)), format!("{}/{bits}", v4(link, 2))).unwrap();
        wire.addresses(format!("{}/64", v6(link, 1)), format!("{}/64", v6(link, 2))).unwrap();
    }
    for (at, host) in hosts.iter().enumerate() {
        for (net, (start, first)) in nets.into_iter().enumerate() {
            let (link, end) = match net {
                _ if net + 1 < at => (at - 1, 1),
                _ if net > at => (at, 2),
                _ => continue,
            };
            let bits = if net == 0 { 24 } else { 26 };
            let interface = crate::base::IfIndex(if at == 0 || end == 1 { 2 } else { 3 });
            let via4: IpAddr = v4(link, end).parse().unwrap();
            let via6: IpAddr = v6(link, end).parse().unwrap();
            host.add_route(format!("{}.{}/{bits}", start, first), Some(via4), Some(interface)).unwrap();
            host.add_route(format!("2001:db8:{net}::/64"), Some(via6), Some(interface)).unwrap();
        }
    }
    (hosts[0].clone(), hosts[4].clone())
}

const B4: &str = "198.51.100.130";
const B6: &str = "2001:db8:3::2";

/// Who answered at each hop, with what, and after how many milliseconds.
fn traced(
    world: &World,
    host: &Host,
    target: &str,
    config: TraceConfig,
) -> (Vec<(String, u128)>, Traceroute) {
    let target = target.parse().unwrap();
    let job = world.spawn(host, move |host| {
        let mut trace = Traceroute::new(&host, target, config).unwrap();
        let hops: Vec<Hop> = trace.by_ref().map(|hop| hop.unwrap()).collect();
        (hops, trace)
    });
    let (hops, trace) = job.join();
    // Routers say only so many errors in a second (RFC 1812 4.3.2.8).
    world.run_for(Duration::from_secs(3)).unwrap();
    let mut lines = Vec::new();
    for hop in &hops {
        assert_eq!(hop.answers.len(), 3);
        assert_eq!(hop.last, hop == hops.last().unwrap(), "{hops:?}");
        let answer = hop.answers[2].unwrap_or_else(|| panic!("{hops:?}"));
        assert!(hop.answers.iter().flatten().all(|a| a.from == answer.from), "{hop:?}");
        lines.push((format!("{} {}", hop.ttl, answer.from), answer.time.as_millis()));
    }
    (lines, trace)
}

fn wanted(addresses: [&str; 4]) -> Vec<(String, u128)> {
    (1..).zip(addresses).map(|(n, address)| (format!("{n} {address}"), n * 20)).collect()
}

#[test]
fn three_routers_by_every_method() {
    let world = World::new(3);
    let (a, b) = path(&world);
    let ways4 = ["192.0.2.2", "198.51.100.2", "198.51.100.66", B4];
    let ways6 = ["2001:db8:0::2", "2001:db8:1::2", "2001:db8:2::2", B6];
    // Neighbours are known from here on.
    for target in [B4, B6] {
        traced(&world, &a, target, TraceConfig::default());
    }
    let listener = b.socket(AF_INET, SOCK_STREAM, 0).unwrap();
    listener.bind((B4, 443)).unwrap();
    listener.listen(5).unwrap();
    for (target, ways) in [(B4, ways4), (B6, ways6)] {
        for (method, port) in [
            (TraceMethod::Udp, 33434),
            (TraceMethod::Icmp, 0),
            (TraceMethod::Tcp, 80),
            (TraceMethod::Tcp, 443),
        ] {
            let config = TraceConfig { method, port, ..TraceConfig::default() };
            let (lines, _) = traced(&world, &a, target, config);
            let ways = ways.map(|way| way.parse::<IpAddr>().unwrap().to_string());
            assert_eq!(lines, wanted([&ways[0], &ways[1], &ways[2], &ways[3]]), "{method:?} {port}");
        }
    }
    // What the SYNs to the listener began, our RSTs have ended.
    world.run_for(Duration::from_secs(1)).unwrap();
    assert_eq!(b.census().flows, 0);
}

#[test]
fn the_path_mtu_is_what_the_narrow_cable_takes() {
    let world = World::new(4);
    let (a, _b) = path(&world);
    for target in [B4, B6] {
        let config = TraceConfig { mtu: true, ..TraceConfig::default() };
        let (lines, trace) = traced(&world, &a, target, config);
        assert_eq!((lines.len(), trace.size()), (4, 1400), "{lines:?}");
    }
}

#[test]
fn silence_is_given_up_in_time() {
    let world = World::new(5);
    let (a, _b) = path(&world);
    let job = world.spawn(&a, |a| {
        let config = TraceConfig { last: 6, wait: Duration::from_secs(2), ..TraceConfig::default() };
        // Nobody has this address of the last network.
        let hops: Vec<Hop> = Traceroute::new(&a, "198.51.100.140".parse().unwrap(), config)
            .unwrap()
            .map(|h| h.unwrap())
            .collect();
        (hops, a.now())
    });
    let (hops, end) = job.join();
    assert!(hops.len() >= 4, "{hops:?}");
    assert!(hops[2].answers.iter().flatten().count() > 0, "{hops:?}");
    assert!(end < Instant::from_secs(10), "{end}");
}
