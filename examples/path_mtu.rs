//! Path MTU discovery by hand: how large may a packet be on the whole way?
//!
//! ```text
//! cargo run --example path_mtu           # two hosts, two routers, three links, in memory
//! cargo run --example path_mtu kernel    # Linux, in a namespace, is the router
//! ```
//!
//! RFC 1191: send a packet as large as the own link takes, with DF. A router whose next link is narrower drops it and says how
//! wide that link is; send again so large, until somebody answers.
#![allow(clippy::print_stdout)] // a program for the terminal

use std::time::Duration;

use sockatoo::device::{CableConfig, Impairment};
use sockatoo::lab::{Netns, become_root_in_user_namespace};
use sockatoo::socket::*;
use sockatoo::wire::packet::{icmp, ipv4};
use sockatoo::{Host, Result, World};

const ALICE: &str = "192.0.2.2";
const BOB: &str = "203.0.113.2";

fn main() -> Result<()> {
    let steps = match std::env::args().nth(1).as_deref() {
        Some("kernel") => beside_the_kernel()?,
        _ => in_memory()?,
    };
    for (size, answer) in steps {
        println!("{size} bytes: {answer}");
    }
    Ok(())
}

pub(crate) fn in_memory() -> Result<Vec<(usize, String)>> {
    let world = World::new(1);
    let alice = world.host("alice").build()?;
    let near = world.host("near").forward(true).build()?;
    let far = world.host("far").forward(true).build()?;
    let bob = world.host("bob").build()?;
    world.cable(&alice, &near, "")?.addresses(format!("{ALICE}/24"), "192.0.2.1/24")?;
    let wide = |mtu| CableConfig { mtu, ..CableConfig::default() };
    let narrow = world.cable_with(&near, &far, wide(1400), Impairment::default())?;
    narrow.addresses("198.51.100.1/24", "198.51.100.2/24")?;
    let narrower = world.cable_with(&far, &bob, wide(1006), Impairment::default())?;
    narrower.addresses("203.0.113.1/24", format!("{BOB}/24"))?;
    let all = "0.0.0.0/0";
    alice.add_route(all, Some("192.0.2.1".parse().expect("an address")), None)?;
    near.add_route(all, Some("198.51.100.2".parse().expect("an address")), None)?;
    far.add_route(all, Some("198.51.100.1".parse().expect("an address")), None)?;
    bob.add_route(all, Some("203.0.113.1".parse().expect("an address")), None)?;
    discover(&alice, 1500)
}

pub(crate) fn beside_the_kernel() -> Result<Vec<(usize, String)>> {
    let kernel = Netns::new().or_else(|_| {
        become_root_in_user_namespace()?;
        Netns::new()
    })?;
    kernel.set("net/ipv4/ip_forward", "1")?;
    let host = |tap: &str, own: &str, router: &str, mtu: usize| -> Result<Host> {
        let device = kernel.tap(tap, &[&format!("{router}/24")])?;
        kernel.set_mtu(tap, mtu)?;
        Host::builder().device(device).ipv4_only().address(format!("{own}/24"))?.gateway(router)?.build()
    };
    let alice = host("tap0", ALICE, "192.0.2.1", 1500)?;
    let _bob = host("tap1", BOB, "203.0.113.1", 1006)?;
    discover(&alice, 1500)
}

/// Sends smaller and smaller echo requests to bob; each size, and what was said to it.
fn discover(alice: &Host, mut size: usize) -> Result<Vec<(usize, String)>> {
    let out = alice.socket(AF_INET, SOCK_RAW, IPPROTO_RAW)?;
    let errors = alice.socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)?;
    errors.settimeout(Some(Duration::from_secs(5)))?;
    let mut steps = Vec::new();
    loop {
        // 20 bytes are the IP header's, 8 the echo request's.
        let data = vec![b'.'; size - 28];
        let request = ipv4().set("dst", BOB).set("flags", "DF")
            / icmp().set("type", "echo-request").set("id", steps.len() as u16)
            / data.as_slice();
        out.sendto(&request.build(alice)?.bytes, 0, (BOB, 0))?;
        let (packet, from) = errors.recvfrom(65_535, 0)?;
        // Behind the header's 20 bytes: type, code, checksum, two bytes unused, the MTU of the next link.
        match packet.get(20..28) {
            Some([3, 4, _, _, _, _, high, low]) => {
                let mtu = u16::from_be_bytes([*high, *low]);
                steps.push((size, format!("{from} says: too big, the next link takes {mtu}")));
                size = usize::from(mtu);
            }
            _ => {
                steps.push((size, format!("{from} answers")));
                return Ok(steps);
            }
        }
    }
}
