//! Captures that are sent, in virtual time.

use std::time::Duration;

use super::send::{packet, pair};
use crate::base::{Direction, Instant, LinkType, Mac};
use crate::driver::World;
use crate::probe::{Changes, Pace, Replay, Tempo};
use crate::trace::Recorded;
use crate::wire::packet::Nowhere;

/// A capture of one frame each so many milliseconds.
fn capture(text: &str, millis: &[u64]) -> Vec<Recorded> {
    let each = packet(text).each(0).zip(millis);
    each.map(|(packet, millis)| {
        let built = packet.build(&Nowhere).unwrap();
        let (bytes, wire_len) = (built.bytes.clone(), built.bytes.len());
        let time = Instant::from_secs(1_700_000_000) + Duration::from_millis(*millis);
        Recorded { time, direction: Direction::In, link: built.link, bytes, wire_len }
    })
    .collect()
}

/// After how long, and the bytes.
type Arrival = (Duration, Vec<u8>);

/// What arrives at the peer of the frames of this type: when, and the bytes; and the tally of the sender.
fn replayed(frames: Vec<Recorded>, changes: Changes) -> (Vec<Arrival>, u64, (u64, u64)) {
    let world = World::new(7);
    let (ours, peer, recording) = pair(&world, "");
    let mac = ours.interfaces()[1].mac;
    peer.set_neighbour(peer.interfaces()[1].index, "192.0.2.1".parse().unwrap(), Some(mac)).unwrap();
    let program = world.spawn(&ours, |host| {
        let begin = host.now();
        let mut replay = Replay::new(&host, frames.into_iter().map(Ok), changes);
        while replay.step().unwrap() {}
        assert!(replay.finish().unwrap().is_empty());
        (begin, replay.tally().sent, replay.skipped())
    });
    let (begin, sent, skipped) = program.join();
    world.run_for(Duration::from_secs(1)).unwrap();
    let frames = recording.frames();
    let come = frames.iter().filter(|f| f.direction == Direction::In && f.bytes.get(12..14) == Some(&[8, 0]));
    (come.map(|f| (f.time.since(begin), f.bytes.clone())).collect(), sent, skipped)
}

const FRAMES: &str = "ether(src=02:00:00:00:00:01, dst=02:00:00:00:00:02)/ip(src=203.0.113.1, dst=192.0.2.2, id=1..4)/udp()/'x'";

#[test]
fn byte_for_byte_at_any_pace() {
    let frames = capture(FRAMES, &[0, 10, 15, 1000]);
    let bytes: Vec<_> = frames.iter().map(|frame| frame.bytes.clone()).collect();
    for (tempo, wanted) in [
        (Tempo::Recorded(1.0), [0, 10_000, 15_000, 1_000_000]),
        (Tempo::Recorded(2.0), [0, 5_000, 7_500, 500_000]),
        (Tempo::Even(Pace::new(100.0).unwrap()), [0, 10_000, 20_000, 30_000]),
        (Tempo::Fast, [0; 4]),
    ] {
        let (come, sent, skipped) = replayed(frames.clone(), Changes { tempo, ..Changes::default() });
        assert_eq!((sent, skipped), (4, (0, 0)));
        assert_eq!(come.iter().map(|(time, _)| time.as_micros() as u64).collect::<Vec<_>>(), wanted);
        assert!(come.iter().map(|(_, bytes)| bytes).eq(&bytes), "{come:02x?}");
    }
}

#[test]
fn changed_for_this_wire() {
    let mut frames = capture(FRAMES, &[0, 1, 2, 3]);
    frames[1].wire_len += 1;
    let mappings = vec!["203.0.113.0/24=192.0.2.0/24".parse().unwrap()];
    let changes = Changes { mappings, to_wire: true, count: Some(3), ..Changes::default() };
    let (come, sent, skipped) = replayed(frames, changes);
    assert_eq!((sent, skipped, come.len()), (2, (1, 0), 2), "one was cut short, one too many");
    let (_, bytes) = &come[0];
    assert_eq!((&bytes[26..30], crate::wire::checksum(&bytes[14..34])), (&[192, 0, 2, 1][..], 0));
    assert_ne!(Mac(bytes[..6].try_into().unwrap()), Mac([2, 0, 0, 0, 0, 2]));
}

#[test]
fn packets_without_ethernet_are_routed() {
    let frames = capture("ip(src=203.0.113.1, dst=192.0.2.2, id=1..4)/udp()/'x'", &[0, 1, 2, 3]);
    assert_eq!(frames[0].link, LinkType::Ip);
    let bytes = frames[3].bytes.clone();
    let (come, sent, _) = replayed(frames, Changes { tempo: Tempo::Fast, ..Changes::default() });
    assert_eq!((sent, come.len(), &come[3].1[14..]), (4, 4, &bytes[..]));
}
