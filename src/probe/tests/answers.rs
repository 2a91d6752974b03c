//! Probes and their answers, in virtual time and over a cable in memory.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::send::{packet, pair};
use crate::base::LinkType;
use crate::device::{Cable, CableConfig};
use crate::driver::{Host, World};
use crate::probe::{Answers, Around, Outcome, Pace, Patience, Plan};
use crate::socket::{AF_INET, SOCK_STREAM};
use crate::wire::summary;

/// Each outcome in one line: the probe's number, its time in milliseconds, the answer.
fn outcomes(host: &Host, text: &str, plan: Plan, patience: Patience) -> Vec<String> {
    let packet = packet(text);
    let around = Around::new(host, &packet);
    let mut answers = Answers::new(host, &packet, &around, &plan, patience).unwrap();
    let mut lines = Vec::new();
    while let Some(outcome) = answers.next() {
        lines.push(match outcome.unwrap() {
            Outcome::Unanswered { number } => format!("{number}: nothing"),
            Outcome::Answered { number, time, answer } => {
                assert!(!answers.probe(number).unwrap().1.is_empty());
                format!("{number}: {} ms {}", time.as_millis(), summary(answer.link, answer.bytes()))
            }
        });
    }
    assert_eq!(answers.waiting(), 0, "{lines:?}");
    lines
}

#[test]
fn pairs() {
    let world = World::new(7);
    let (ours, peer, _) = pair(&world, "delay=10ms");
    let listener = peer.socket(AF_INET, SOCK_STREAM, 0).unwrap();
    listener.bind(("192.0.2.2", 80)).unwrap();
    listener.listen(1).unwrap();
    let program = world.spawn(&ours, |host| {
        let ask = |text| outcomes(&host, text, Plan::default(), Patience::default());
        for (probe, words) in [
            ("ether()/arp(pdst=192.0.2.2)", ["0: 20 ms", "is at"]),
            // This one waits for its neighbour's station.
            ("ip(dst=192.0.2.2)/icmp(id=7, seq=1)", ["0: 40 ms", "echo reply"]),
            ("ether()/ip(dst=192.0.2.2)/icmp(id=7, seq=1)", ["0: 20 ms", "echo reply"]),
            ("ip(dst=192.0.2.2)/tcp(sport=9, dport=80, flags=S)", ["0: 20 ms", "Flags [S.]"]),
            ("ip(dst=192.0.2.2)/tcp(sport=9, dport=81, flags=S)", ["0: 20 ms", "Flags [R.]"]),
            ("ip(dst=192.0.2.2)/udp(sport=9, dport=53)", ["0: 20 ms", "unreachable"]),
        ] {
            let lines = ask(probe);
            assert!(lines.len() == 1 && words.iter().all(|w| lines[0].contains(w)), "{probe}: {lines:?}");
        }
        let begin = host.now();
        let lines = ask("ip(dst=192.0.2.2)/icmp(type=[8, 99, 8, 99], id=rand, seq=rand)");
        let told: Vec<_> = lines.iter().map(|line| (&line[..2], line.ends_with("nothing"))).collect();
        assert_eq!(told, [("0:", false), ("2:", false), ("1:", true), ("3:", true)]);
        assert_eq!(host.now().since(begin), Duration::from_secs(2), "the time-out, after the last one");
    });
    program.join();
}

#[test]
fn what_is_lost_is_sent_again() {
    let world = World::new(7);
    let (ours, _peer, _) = pair(&world, "loss=40%");
    let program = world.spawn(&ours, |host| {
        let patience = Patience { timeout: Duration::from_millis(100), retry: 30 };
        let plan = Plan { pace: Some(Pace::new(1000.0).unwrap()), ..Plan::default() };
        outcomes(&host, "ip(dst=192.0.2.2)/icmp(id=7, seq=1..200)", plan, patience)
    });
    let lines = program.join();
    assert_eq!(lines.iter().filter(|line| line.contains("echo reply")).count(), 200);
}

/// A hundred thousand probes and their answers, from a host to another over a cable in memory, in real time.
#[test]
fn a_hundred_thousand() {
    let (ours, theirs) = Cable::pair(CableConfig::default());
    let builder = |device, address| Host::builder().device(device).ipv4_only().address(address).unwrap();
    let host = builder(ours, "192.0.2.1/24").build().unwrap();
    let peer = builder(theirs, "192.0.2.2/24").build().unwrap();
    let packet = packet("ip(dst=192.0.2.2)/icmp(id=1..10, seq=1..10000)");
    // Not more at once than the peer's queues hold.
    let plan = Plan { pace: Some(Pace::new(100_000.0).unwrap()), ..Plan::default() };
    let patience = Patience { timeout: Duration::from_secs(10), retry: 3 };
    let mut answers = Answers::new(&host, &packet, &host, &plan, patience).unwrap();
    let mut seen = vec![false; 100_000];
    for outcome in &mut answers {
        if let Outcome::Answered { number, answer, .. } = outcome.unwrap() {
            let (id, seq) = (number / 10_000 + 1, number % 10_000 + 1);
            let told = |at: usize| u16::from_be_bytes([answer.bytes()[at], answer.bytes()[at + 1]]);
            assert_eq!((u64::from(told(38)), u64::from(told(40))), (id, seq));
            seen[number as usize] = true;
        }
    }
    assert!(seen.iter().all(|seen| *seen), "{} unanswered", seen.iter().filter(|seen| !**seen).count());
    assert!(answers.elapsed() < Duration::from_secs(60), "{:?}", answers.elapsed());
    drop(peer);
}

#[test]
fn identifications_are_numbers_unless_they_are_said() {
    let host = Host::builder().build().unwrap();
    for (text, first, second) in [
        ("ip(dst=127.0.0.1, ttl=1..2)/udp()", 1, 2),
        ("ip(dst=127.0.0.1, ttl=1..2, id=9)/udp()", 9, 9),
        ("ip(dst=127.0.0.1, ttl=1..2, id=0)/udp()", 0, 0),
    ] {
        let packet = packet(text);
        let answers = Answers::new(&host, &packet, &host, &Plan::default(), Patience::default()).unwrap();
        let id = |number| {
            let (link, bytes) = answers.probe(number).unwrap();
            assert_eq!((link, crate::wire::checksum(&bytes[..20])), (LinkType::Ip, 0));
            assert_eq!(bytes[16..20], Ipv4Addr::LOCALHOST.octets());
            u16::from_be_bytes([bytes[4], bytes[5]])
        };
        assert_eq!((id(0), id(1)), (first, second), "{text}");
    }
}
