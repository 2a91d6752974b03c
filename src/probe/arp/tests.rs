use super::*;
use crate::driver::World;

/// We, and a peer on the same cable.
fn pair(world: &World) -> (Host, Host) {
    let (us, peer) = (world.host("us").build().unwrap(), world.host("peer").build().unwrap());
    let wire = world.cable(&us, &peer, "delay=1ms").unwrap();
    wire.addresses("192.0.2.1/24", "192.0.2.7/24").unwrap();
    wire.addresses("2001:db8::1/64", "2001:db8::7/64").unwrap();
    (us, peer)
}

fn swept(world: &World, us: &Host, targets: &[&str], config: ArpConfig) -> (Vec<Station>, u64) {
    let targets: Vec<IpAddr> = targets.iter().map(|t| t.parse().unwrap()).collect();
    let job = world.spawn(us, move |us| {
        let mut sweep = ArpSweep::new(&us, &targets, config).unwrap();
        (sweep.by_ref().map(|station| station.unwrap()).collect(), sweep.sent())
    });
    job.join()
}

#[test]
fn who_has_it_says_so_in_both_versions() {
    let world = World::new(1);
    let (us, peer) = pair(&world);
    let mac = peer.interfaces()[1].mac;
    for (there, not) in [("192.0.2.7", "192.0.2.8"), ("2001:db8::7", "2001:db8::8")] {
        let (stations, sent) = swept(&world, &us, &[there, not], ArpConfig::default());
        let time = Duration::from_millis(2);
        let wanted = Station { address: there.parse().unwrap(), mac, time, duplicate: false };
        assert_eq!((stations, sent), (vec![wanted], 4), "the silent one is asked three times");
        // The question of one who wants the address: an answer to all, and no trace of us in the peer's table.
        let detect = ArpConfig { detect: true, rounds: 1, ..ArpConfig::default() };
        let (stations, _) = swept(&world, &us, &[there, not], detect);
        assert_eq!(stations, [wanted]);
        let every =
            ArpConfig { every: true, rounds: 3, interval: Duration::from_secs(1), ..ArpConfig::default() };
        let before = world.now();
        assert_eq!(swept(&world, &us, &[there], every), (vec![wanted; 3], 3));
        assert!((2500..2600).contains(&world.now().since(before).as_millis()));
    }
}

#[test]
fn two_stations_of_one_address_are_told() {
    let world = World::new(2);
    let (us, peer) = pair(&world);
    // The peer's second station says the same: a frame by hand, as soon as the question comes.
    let other: Mac = "02:00:00:00:00:99".parse().unwrap();
    world.spawn(&peer, move |peer| {
        let socket = open(&peer, IfIndex(2), [192, 0, 2, 7].into()).unwrap();
        let question = socket.socket().recv(100, 0).unwrap();
        let ours = Mac(*question[6..].first_chunk().unwrap());
        let claim = arp()
            .op(2)
            .set("hwsrc", other)
            .set("psrc", "192.0.2.7")
            .set("hwdst", ours)
            .set("pdst", "192.0.2.1");
        send(&socket, &(ether().src(other).dst(ours) / claim)).unwrap();
    });
    let (stations, _) = swept(&world, &us, &["192.0.2.7"], ArpConfig::default());
    assert_eq!(stations.iter().map(|s| s.duplicate).collect::<Vec<_>>(), [false, true]);
    assert!(stations.iter().any(|s| s.mac == other), "{stations:?}");
}

#[test]
fn only_what_is_ours_is_announced_and_only_neighbours_are_asked() {
    let world = World::new(3);
    let (us, peer) = pair(&world);
    for (address, answer, operation) in
        [("192.0.2.1", false, 1), ("192.0.2.1", true, 2), ("2001:db8::1", false, 0)]
    {
        let address: IpAddr = address.parse().unwrap();
        let socket = open(&peer, IfIndex(2), address).unwrap();
        announce(&us, address, None, answer).unwrap();
        let mac = us.interfaces()[1].mac;
        let heard = world.spawn(&peer, move |_| {
            loop {
                let frame = socket.socket().capture(1).unwrap().remove(0);
                if let Some((whose, station)) = claim(&frame, true) {
                    return (whose, station, frame.frame.bytes()[21]);
                }
            }
        });
        let (whose, station, byte) = heard.join();
        assert_eq!((whose, station), (address, mac));
        assert!(operation == 0 || byte == operation);
        assert_eq!(announce(&peer, address, None, answer).unwrap_err().errno(), Errno::EADDRNOTAVAIL);
    }
    let refused = |targets: &[&str]| {
        let targets: Vec<IpAddr> = targets.iter().map(|t| t.parse().unwrap()).collect();
        ArpSweep::new(&us, &targets, ArpConfig::default()).map(|_| ()).unwrap_err().errno()
    };
    assert_eq!(refused(&["198.51.100.1"]), Errno::ENETUNREACH);
    assert_eq!(refused(&["192.0.2.7", "2001:db8::7"]), Errno::EINVAL);
    assert_eq!(refused(&[]), Errno::EINVAL);
}
