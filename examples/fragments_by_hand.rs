//! Fragments by hand: an echo request cut into pieces, and pieces that overlap.
//!
//! ```text
//! cargo run --example fragments_by_hand           # two hosts with a cable between them, in memory
//! cargo run --example fragments_by_hand kernel    # Linux puts them together, in a namespace
//! ```
//!
//! Fragments of one datagram have the same identification; each says where it belongs, in units of 8 bytes, and all but the
//! last that more follow (RFC 791). If two of them claim the same place, with different bytes, which ones hold? Hosts differed,
//! and attackers wrote to a firewall what its host would read otherwise; some hosts crashed ("teardrop", 1997). RFC 5722 ended
//! it: the whole datagram is thrown away. (A piece that lies wholly within another, whatever is in it, is passed over, and the rest
//! is kept: erratum 3089 allows it, for what comes twice. Linux does so, and we do.)
#![allow(clippy::print_stdout)] // a program for the terminal

use std::time::Duration;

use sockatoo::base::{LinkType, Reason};
use sockatoo::device::{Cable, CableConfig};
use sockatoo::socket::*;
use sockatoo::wire::packet::{Dissection, Nowhere, icmp, ipv4};
use sockatoo::{Errno, Host, Result, World};

mod lan;

/// The data of the request: 3 * 8 bytes, with the 8 of the ICMP header 4 units.
const TEXT: &str = "Who wants a cracker, eh?";

fn main() -> Result<()> {
    let answers = match std::env::args().nth(1).as_deref() {
        Some("kernel") => beside_the_kernel()?,
        _ => in_memory()?.0,
    };
    for (how, answer) in
        ["in pieces, the last one first", "with an overlap", "a piece within a piece"].iter().zip(answers)
    {
        println!("{how}: {}", answer.as_deref().unwrap_or("no answer"));
    }
    Ok(())
}

/// The answers, and how many fragments bob has thrown away because of an overlap.
pub(crate) fn in_memory() -> Result<([Option<String>; 3], u64)> {
    let world = World::new(1);
    let (left, right) = Cable::pair(CableConfig::default());
    let alice = world.host("alice").device(left).ipv4_only().address("192.0.2.1/24")?.build()?;
    let bob = world.host("bob").device(right).ipv4_only().address("192.0.2.2/24")?.build()?;
    let answers = all(&alice, "192.0.2.2")?;
    let overlaps = bob.count(Reason::FragmentOverlap);
    println!("bob has thrown away {overlaps} fragments: the one that overlaps, and what came after it");
    Ok((answers, overlaps))
}

pub(crate) fn beside_the_kernel() -> Result<[Option<String>; 3]> {
    let (_kernel, host) = lan::beside_the_kernel(Host::builder())?;
    all(&host, "192.0.2.1")
}

fn all(host: &Host, target: &str) -> Result<[Option<String>; 3]> {
    let echo = (icmp().set("type", "echo-request").id(7).seq(1) / TEXT).build(&Nowhere)?.bytes;
    let unit = |from: usize, to: usize| &echo[8 * from..8 * to];

    // In pieces of 1, 2 and 1 units, the last one first: they are put together by their places.
    let orderly = [(3, false, unit(3, 4)), (0, true, unit(0, 1)), (1, true, unit(1, 3))];
    // Units 0 and 1, then 1 and 2, then 3. Whatever is believed of unit 1, somebody was lied to.
    let overlapping = [(0, true, unit(0, 2)), (1, true, &[b'X'; 16][..]), (3, false, unit(3, 4))];
    // The teardrop's shape: a piece that lies wholly within one that is there.
    let teardrop = [(0, true, unit(0, 2)), (1, true, &[b'X'; 8][..]), (2, false, unit(2, 4))];
    Ok([
        answer(host, target, 1, &orderly)?,
        answer(host, target, 2, &overlapping)?,
        answer(host, target, 3, &teardrop)?,
    ])
}

/// Sends the pieces of a datagram, and gives the data of its answer, if there is one.
fn answer(host: &Host, target: &str, id: u16, pieces: &[(u16, bool, &[u8])]) -> Result<Option<String>> {
    let socket = host.socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)?;
    socket.set_header_included(true)?;
    socket.settimeout(Some(Duration::from_secs(1)))?;
    for &(place, more, data) in pieces {
        let flags = if more { "MF" } else { "" };
        let piece = ipv4().dst(target).id(id).proto(1).frag(place).flags(flags) / data;
        socket.sendto(&piece.build(host)?.bytes, 0, (target, 0))?;
    }
    match socket.recv(65_535, 0) {
        Ok(bytes) => {
            let reply = Dissection::of(LinkType::Ip, &bytes);
            Ok(Some(String::from_utf8_lossy(reply.payload()).into_owned()))
        }
        Err(error) if error.errno() == Errno::ETIMEDOUT => Ok(None),
        Err(error) => Err(error),
    }
}
