//! A SYN flood: three thousand handshakes that nobody finishes, against a listener with room for 1024 half-open ones.
//!
//! ```text
//! cargo run --example syn_flood     # two hosts with a cable between them, in memory
//! ```
//!
//! A half-open handshake costs the server memory, and the sender nothing: the source is not even its own. What is bounded stays
//! bounded: the oldest makes room for the newest. `Host::census` shows them.
#![allow(clippy::print_stdout)] // a program for the terminal

use std::time::Duration;

use sockatoo::device::{Cable, CableConfig};
use sockatoo::driver::Census;
use sockatoo::socket::*;
use sockatoo::wire::packet::{ipv4, tcp};
use sockatoo::{Result, World};

fn main() -> Result<()> {
    let [flooded, later] = in_memory()?;
    println!("under the flood: {} half open, {} flows", flooded.half_open, flooded.flows);
    println!("ten minutes later: {} half open, {} flows", later.half_open, later.flows);
    Ok(())
}

/// What bob has, at once and ten minutes later.
pub(crate) fn in_memory() -> Result<[Census; 2]> {
    let world = World::new(1);
    let (left, right) = Cable::pair(CableConfig::default());
    let alice = world.host("alice").device(left).ipv4_only().address("192.0.2.1/24")?.build()?;
    let bob =
        world.host("bob").device(right).ipv4_only().address("192.0.2.2/24")?.gateway("192.0.2.1")?.build()?;
    let listener = bob.socket(AF_INET, SOCK_STREAM, 0)?;
    listener.bind(("", 80))?;
    listener.listen(8)?;

    let raw = alice.socket(AF_INET, SOCK_RAW, IPPROTO_RAW)?;
    // One packet with ranges in it stands for many: here each source has its own port.
    let flood =
        ipv4().src("198.51.100.1").dst("192.0.2.2") / tcp().sport(10_000..=12_999).dport(80).flags("S");
    for syn in flood.each(0) {
        raw.sendto(&syn.build(&alice)?.bytes, 0, ("192.0.2.2", 0))?;
        // The first one makes the host ask for bob's station, and only a hundred packets may wait for that: so one at a time.
        world.run_for(Duration::from_micros(10))?;
    }
    world.run_for(Duration::from_millis(500))?;
    let flooded = bob.census();
    world.run_for(Duration::from_secs(600))?;
    Ok([flooded, bob.census()])
}
