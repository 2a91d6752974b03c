//! What is sent, in virtual time: when it leaves, and where it arrives.

use std::time::Duration;

use crate::base::constants::{AF_PACKET, ETH_P_ALL, PACKET_HOST, SOCK_RAW};
use crate::base::{Errno, Instant};
use crate::driver::{Host, World};
use crate::probe::{Around, Pace, Plan, Sending};
use crate::socket::{Socket, htons};
use crate::trace::Recording;
use crate::wire::packet::Packet;

/// Two hosts on a cable, 192.0.2.1 and 192.0.2.2, and what the second one's wire carries.
pub(super) fn pair(world: &World, link: &str) -> (Host, Host, Recording) {
    let (ours, peer) = (world.host("ours").build().unwrap(), world.host("peer").build().unwrap());
    let cable = world.cable(&ours, &peer, link).unwrap();
    cable.addresses("192.0.2.1/24", "192.0.2.2/24").unwrap();
    let recording = Recording::new(1 << 24);
    peer.record(cable.interfaces()[1], recording.clone()).unwrap();
    (ours, peer, recording)
}

pub(super) fn packet(text: &str) -> Packet {
    text.parse().unwrap()
}

/// When each UDP packet arrived, and its destination port.
fn udp(recording: &Recording) -> Vec<(Instant, u16)> {
    let frames = recording.frames();
    let udp = frames.iter().filter(|f| f.bytes.get(12..14) == Some(&[8, 0]) && f.bytes.get(23) == Some(&17));
    udp.map(|f| (f.time, u16::from_be_bytes([f.bytes[36], f.bytes[37]]))).collect()
}

#[test]
fn the_pace_is_kept() {
    let world = World::new(7);
    let (ours, _peer, recording) = pair(&world, "");
    let program = world.spawn(&ours, |host| {
        let packet = packet("ip(dst=192.0.2.2)/udp(sport=9, dport=1..5)");
        let plan = Plan { pace: Some(Pace::new(100.0).unwrap()), count: Some(12), ..Plan::default() };
        let mut sending = Sending::new(&host, &packet, &host, &plan).unwrap();
        while sending.step().unwrap() {}
        (sending.tally().clone(), sending.elapsed(), sending.lateness().most)
    });
    let (tally, elapsed, late) = program.join();
    world.run_for(Duration::from_secs(1)).unwrap();
    assert_eq!((tally.sent, tally.bytes, tally.failed), (12, 12 * 28, 0));
    assert_eq!((elapsed, late), (Duration::from_millis(110), Duration::ZERO));
    let seen = udp(&recording);
    assert_eq!(seen.iter().map(|(_, port)| *port).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2]);
    for gap in seen.windows(2) {
        assert_eq!(gap[1].0.since(gap[0].0), Duration::from_millis(10));
    }
}

#[test]
fn it_ends_in_time_and_chance_goes_on() {
    let world = World::new(7);
    let (ours, _peer, recording) = pair(&world, "");
    let program = world.spawn(&ours, |host| {
        let packet = packet("ip(dst=192.0.2.2)/udp(dport=rand)");
        let pace = Some(Pace::new(1000.0).unwrap());
        let limit = Some(Duration::from_secs(1));
        let mut sending =
            Sending::new(&host, &packet, &host, &Plan { pace, repeat: true, limit, ..Plan::default() })
                .unwrap();
        while sending.step().unwrap() {}
        (sending.tally().sent, sending.elapsed())
    });
    assert_eq!(program.join(), (1000, Duration::from_secs(1)));
    world.run_for(Duration::from_secs(1)).unwrap();
    let mut ports: Vec<_> = udp(&recording).into_iter().map(|(_, port)| port).collect();
    ports.sort_unstable();
    ports.dedup();
    assert!(ports.len() > 900, "{} ports of 1000", ports.len());
}

#[test]
fn nothing_is_lost_while_the_neighbour_is_asked() {
    let world = World::new(7);
    let (ours, _peer, recording) = pair(&world, "delay=20ms");
    let program = world.spawn(&ours, |host| {
        let packet = packet("ip(dst=192.0.2.2)/udp(dport=1..2000)");
        let mut sending = Sending::new(&host, &packet, &host, &Plan::default()).unwrap();
        while sending.step().unwrap() {}
        sending.tally().sent
    });
    assert_eq!(program.join(), 2000);
    world.run_for(Duration::from_secs(1)).unwrap();
    let ports: Vec<_> = udp(&recording).into_iter().map(|(_, port)| port).collect();
    assert_eq!(ports, (1..=2000).collect::<Vec<_>>());
}

#[test]
fn frames_find_their_station() {
    let world = World::new(7);
    let (ours, peer, _) = pair(&world, "delay=1ms");
    let sniffer = peer.socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)).unwrap();
    let program = world.spawn(&ours, |host| {
        for text in ["ether()/ip(dst=192.0.2.2)/udp()", "ether()/ip(dst=192.0.2.99)/udp()"] {
            let packet = packet(text);
            let around = Around::new(&host, &packet);
            let mut sending = Sending::new(&host, &packet, &around, &Plan::default()).unwrap();
            while sending.step().unwrap() {}
            assert_eq!(around.unknown().is_some(), text.contains("99"));
        }
        let asks = packet("ether()/arp(pdst=192.0.2.77)");
        let begin = host.now();
        Sending::new(&host, &asks, &Around::new(&host, &asks), &Plan::default()).unwrap();
        assert_eq!(host.now(), begin, "a question to all needs no station");
        assert_eq!(host.count(crate::base::Reason::NeighbourFailed), 0);
    });
    program.join();
    let frame = first_udp(&sniffer);
    let (own, theirs) = (ours.interfaces()[1].mac.0, peer.interfaces()[1].mac.0);
    assert_eq!((&frame[..6], &frame[6..12], &frame[26..30]), (&theirs[..], &own[..], &[192, 0, 2, 1][..]));
    assert_eq!(first_udp(&sniffer)[..6], [0xff; 6], "nobody answered: to all");
}

fn first_udp(sniffer: &Socket) -> Vec<u8> {
    loop {
        let captured = sniffer.capture(1).unwrap().remove(0);
        let bytes = captured.frame.bytes();
        let come = captured.address.packet_type != crate::base::constants::PACKET_OUTGOING;
        if come && captured.address.packet_type <= PACKET_HOST + 1 && bytes.get(23) == Some(&17) {
            return bytes.to_vec();
        }
    }
}

#[test]
fn what_is_illegal_leaves_as_it_is_and_what_can_not_leave_is_told() {
    let world = World::new(7);
    let (ours, _peer, recording) = pair(&world, "");
    let program = world.spawn(&ours, |host| {
        let send = |text: &str| {
            let packet = packet(text);
            let mut sending = Sending::new(&host, &packet, &host, &Plan::default())?;
            while sending.step().unwrap() {}
            Ok::<_, crate::Error>(sending.tally().clone())
        };
        let strange =
            send("ip(dst=192.0.2.2, version=7, ihl=2, len=9, id=0, checksum=bad)/udp()/'x'").unwrap();
        assert_eq!((strange.sent, strange.failed), (1, 0), "{strange:?}");
        let lost = send("ip(dst=198.51.100.1)/udp(dport=1..7)").unwrap();
        assert_eq!((lost.sent, lost.failed), (0, 7));
        assert_eq!((lost.errors[0].0.errno(), lost.errors[0].1), (Errno::ENETUNREACH, 7));
        let long = send("ip(dst=192.0.2.2)/udp()/hex('00')").map(|t| t.sent);
        assert_eq!(long.unwrap(), 1);
        assert_eq!(send("tcp()").unwrap_err().errno(), Errno::EINVAL);
    });
    program.join();
    world.run_for(Duration::from_secs(1)).unwrap();
    let frames = recording.frames();
    let strange = frames.iter().find(|f| f.bytes.get(14) == Some(&0x72)).unwrap();
    assert_eq!(strange.bytes[16..20], [0, 9, 0, 0]);
}
