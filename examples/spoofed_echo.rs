//! A spoofed echo request: alice asks in carol's name, so bob answers carol, who has never asked.
//!
//! ```text
//! cargo run --example spoofed_echo     # three hosts on a switch, in memory
//! ```
//!
//! The source address of a packet is what its sender writes there. Whoever relies on it (an answer ten times as long as the
//! question, sent to a thousand servers in a victim's name: an amplification attack) shows why networks should let out only
//! packets with sources of their own (BCP 38).
#![allow(clippy::print_stdout)] // a program for the terminal

use std::time::Duration;

use sockatoo::socket::*;
use sockatoo::wire::packet::{icmp, ipv4};
use sockatoo::wire::summary;
use sockatoo::{Errno, Result, World, base::LinkType};

mod lan;

fn main() -> Result<()> {
    in_memory().map(drop)
}

/// What carol got.
pub(crate) fn in_memory() -> Result<Vec<u8>> {
    let world = World::new(1);
    let [a, b, c] = lan::switch(&world)?;
    let alice = world.host("alice").device(a).ipv4_only().address("192.0.2.1/24")?.build()?;
    let _bob = world.host("bob").device(b).ipv4_only().address("192.0.2.2/24")?.build()?;
    let carol = world.host("carol").device(c).ipv4_only().address("192.0.2.3/24")?.build()?;

    // Both listen for ICMP.
    let [at_alice, at_carol] = [&alice, &carol].map(|host| host.socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
    let (at_alice, at_carol) = (at_alice?, at_carol?);
    at_alice.settimeout(Some(Duration::from_secs(1)))?;
    at_carol.settimeout(Some(Duration::from_secs(1)))?;

    // The whole IP header is ours: what is set stays (here the source), what is not is filled in.
    let question = ipv4().src("192.0.2.3").dst("192.0.2.2")
        / icmp().set("type", "echo-request").id(7).seq(1)
        / "in carol's name";
    let question = question.build(&alice)?.bytes;
    println!("alice sends: {}", summary(LinkType::Ip, &question));
    alice.socket(AF_INET, SOCK_RAW, IPPROTO_RAW)?.sendto(&question, 0, ("192.0.2.2", 0))?;

    let answer = at_carol.recv(65_535, 0)?;
    println!("carol hears: {}", summary(LinkType::Ip, &answer));
    let nothing = at_alice.recv(65_535, 0).expect_err("the answer went elsewhere");
    assert_eq!(nothing.errno(), Errno::ETIMEDOUT);
    println!("alice hears nothing");
    Ok(answer)
}
