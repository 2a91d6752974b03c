use super::*;
use crate::base::constants::*;
use crate::driver::World;

const PEER: [&str; 2] = ["192.0.2.2", "2001:db8::2"];

/// We, and a peer that listens at TCP 80 and 443 and answers at UDP 53, on a cable as bad as told.
fn pair(world: &World, link: &str) -> (Host, Host) {
    let (us, peer) = (world.host("us").build().unwrap(), world.host("peer").build().unwrap());
    let wire = world.cable(&us, &peer, link).unwrap();
    wire.addresses("192.0.2.1/24", "192.0.2.2/24").unwrap();
    wire.addresses("2001:db8::1/64", "2001:db8::2/64").unwrap();
    (us, peer)
}

fn listen(peer: &Host, ports: &[u16]) -> Vec<crate::socket::Socket> {
    let listening = ports.iter().map(|port| {
        let socket = peer.socket(AF_INET6, SOCK_STREAM, 0).unwrap();
        socket.bind(("::", *port)).unwrap();
        socket.listen(5).unwrap();
        socket
    });
    listening.collect()
}

/// Every port and what is known of it, in order.
fn scanned(
    world: &World,
    us: &Host,
    target: &str,
    ports: &[u16],
    config: ScanConfig,
) -> Vec<(u16, PortState)> {
    let (target, ports) = (target.parse().unwrap(), ports.to_vec());
    let job = world.spawn(us, move |us| {
        let scan = Scan::new(&us, &[target], &ports, config).unwrap();
        let mut all: Vec<_> = scan.map(|report| report.unwrap()).map(|r| (r.port, r.state)).collect();
        all.sort_unstable();
        all
    });
    job.join()
}

fn by(method: ScanMethod) -> ScanConfig {
    ScanConfig { method, ..ScanConfig::default() }
}

#[test]
fn every_method_tells_open_from_closed() {
    let world = World::new(1);
    let (us, peer) = pair(&world, "delay=5ms");
    let _listening = listen(&peer, &[80, 443]);
    let ports = [79, 80, 443, 444];
    for target in PEER {
        for method in [ScanMethod::Syn, ScanMethod::Connect] {
            if method == ScanMethod::Connect {
                world.run_for(Duration::from_secs(1)).unwrap();
                // What connects waits to be accepted, until the listener does.
                let begun = if target == PEER[0] { 0 } else { 2 };
                assert_eq!(
                    (us.census().flows, peer.census().flows),
                    (0, begun),
                    "our RSTs have ended what SYNs began"
                );
            }
            let wanted = [79, 80, 443, 444].map(|port| {
                (port, if [80, 443].contains(&port) { PortState::Open } else { PortState::Closed })
            });
            assert_eq!(scanned(&world, &us, target, &ports, by(method)), wanted, "{method:?} {target}");
        }
        // RFC 9293 3.10.7.2: a listener drops what has no SYN, RST or ACK.
        for method in [ScanMethod::Fin, ScanMethod::Null, ScanMethod::Xmas] {
            let wanted = [79, 80, 443, 444].map(|port| {
                (port, if [80, 443].contains(&port) { PortState::OpenOrFiltered } else { PortState::Closed })
            });
            assert_eq!(scanned(&world, &us, target, &ports, by(method)), wanted, "{method:?} {target}");
        }
    }
}

#[test]
fn udp_ports_answer_are_refused_or_silent() {
    let world = World::new(2);
    let (us, peer) = pair(&world, "delay=5ms");
    for port in [53, 5000] {
        let peer_socket = peer.socket(AF_INET6, SOCK_DGRAM, 0).unwrap();
        peer_socket.bind(("::", port)).unwrap();
        world.spawn(&peer, move |_| {
            while let Ok((question, from)) = peer_socket.recvfrom(100, 0) {
                // The one answers a question, the other is silent.
                if question.len() == 17 {
                    peer_socket.sendto(b"answer", 0, from).unwrap();
                }
            }
        });
    }
    for target in PEER {
        let wanted = [(53, PortState::Open), (54, PortState::Closed), (5000, PortState::OpenOrFiltered)];
        assert_eq!(scanned(&world, &us, target, &[53, 54, 5000], by(ScanMethod::Udp)), wanted, "{target}");
    }
}

#[test]
fn losses_are_repeated_and_strangers_are_not_believed() {
    let world = World::new(3);
    let (us, peer) = pair(&world, "delay=5ms,loss=10%");
    let _listening = listen(&peer, &[80]);
    let ports: Vec<u16> = (1..=300).collect();
    let config = ScanConfig { retries: 8, ..ScanConfig::default() };
    let found = scanned(&world, &us, PEER[0], &ports, config);
    let open: Vec<_> = found.iter().filter(|(_, state)| *state != PortState::Closed).collect();
    assert_eq!((found.len(), open), (300, vec![&(80, PortState::Open)]));
}

#[test]
fn silence_is_filtered_and_takes_its_time() {
    let world = World::new(4);
    let (us, _peer) = pair(&world, "");
    // Nobody has this address.
    let found = scanned(&world, &us, "192.0.2.77", &[1, 2, 3], ScanConfig::default());
    assert_eq!(found, [1, 2, 3].map(|port| (port, PortState::Filtered)));
    let took = world.now().as_millis();
    assert!((2900..5000).contains(&took), "three tries of a second each: {took} ms");
}

#[test]
fn the_rate_is_kept() {
    let world = World::new(5);
    let (us, _peer) = pair(&world, "delay=1ms");
    let ports: Vec<u16> = (1..=501).collect();
    let config = ScanConfig { pace: Some(Pace::new(100.0).unwrap()), ..ScanConfig::default() };
    assert_eq!(scanned(&world, &us, PEER[0], &ports, config).len(), 501);
    let took = world.now().as_millis();
    assert!((5000..5100).contains(&took), "500 gaps of 10 ms: {took} ms");
}

#[test]
fn wrong_targets_are_refused() {
    let host = Host::builder().build().unwrap();
    let scan = |targets: &[&str]| {
        let targets: Vec<_> = targets.iter().map(|t| t.parse().unwrap()).collect();
        Scan::new(&host, &targets, &[1], ScanConfig::default()).map(|_| ()).map_err(|e| e.errno())
    };
    for targets in [&[][..], &["127.0.0.1", "::1"], &["224.0.0.1"], &["0.0.0.0"]] {
        assert_eq!(scan(targets), Err(Errno::EINVAL), "{targets:?}");
    }
    assert_eq!(scan(&["192.0.2.1"]), Err(Errno::ENETUNREACH));
}
