//! Record route: every host that a packet passes writes its address into the packet, there and back.
//!
//! ```text
//! cargo run --example record_route           # two hosts and a router between them, in memory
//! cargo run --example record_route kernel    # Linux, in a namespace, is the router
//! ```
//!
//! The option (RFC 791 3.1) has room for nine addresses, no more, and a pointer to the next free place. A router writes the address
//! of the interface that the packet leaves by: traceroute shows the other side of each router. Who answers an echo request sends
//! the option back, and it goes on being written into (RFC 1122 3.2.2.6).
#![allow(clippy::print_stdout)] // a program for the terminal

use std::net::Ipv4Addr;
use std::time::Duration;

use sockatoo::driver::HostBuilder;
use sockatoo::lab::{Netns, become_root_in_user_namespace};
use sockatoo::socket::*;
use sockatoo::wire::packet::{Nowhere, icmp};
use sockatoo::{Host, Result, World};

const ALICE: &str = "192.0.2.2";
const BOB: &str = "198.51.100.2";
/// The router's two sides.
const LEFT: &str = "192.0.2.1";
const RIGHT: &str = "198.51.100.1";

fn main() -> Result<()> {
    let route = match std::env::args().nth(1).as_deref() {
        Some("kernel") => beside_the_kernel()?,
        _ => in_memory()?,
    };
    route.iter().for_each(|address| println!("{address}"));
    Ok(())
}

pub(crate) fn in_memory() -> Result<Vec<Ipv4Addr>> {
    let world = World::new(1);
    let alice = world.host("alice").build()?;
    let router = world.host("router").forward(true).build()?;
    let bob = world.host("bob").build()?;
    world.cable(&alice, &router, "")?.addresses(format!("{ALICE}/24"), format!("{LEFT}/24"))?;
    world.cable(&router, &bob, "")?.addresses(format!("{RIGHT}/24"), format!("{BOB}/24"))?;
    alice.add_route("0.0.0.0/0", Some(LEFT.parse().expect("an address")), None)?;
    bob.add_route("0.0.0.0/0", Some(RIGHT.parse().expect("an address")), None)?;
    record(&alice)
}

pub(crate) fn beside_the_kernel() -> Result<Vec<Ipv4Addr>> {
    let kernel = Netns::new().or_else(|_| {
        become_root_in_user_namespace()?;
        Netns::new()
    })?;
    kernel.set("net/ipv4/ip_forward", "1")?;
    let host = |tap: &str, own: &str, router: &str| -> Result<Host> {
        let tap = kernel.tap(tap, &[&format!("{router}/24")])?;
        let host: HostBuilder = Host::builder().device(tap).ipv4_only();
        host.address(format!("{own}/24"))?.gateway(router)?.build()
    };
    let (alice, _bob) = (host("tap0", ALICE, LEFT)?, host("tap1", BOB, RIGHT)?);
    record(&alice)
}

/// Asks bob for an echo; the addresses in what comes back.
fn record(alice: &Host) -> Result<Vec<Ipv4Addr>> {
    let socket = alice.socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)?;
    socket.settimeout(Some(Duration::from_secs(5)))?;
    // Kind 7; 39 bytes, as many as fit into a header; the first free place is byte 4, counted from 1.
    let mut option = vec![7, 39, 4];
    option.resize(39, 0);
    socket.setsockopt(SOL_IP, IP_OPTIONS, option)?;
    let request = (icmp().set("type", "echo-request").id(7) / "which way?").build(&Nowhere)?.bytes;
    socket.sendto(&request, 0, (BOB, 0))?;
    let reply = socket.recv(65_535, 0)?;
    // Behind the header's 20 bytes stands the option, its pointer behind what was written.
    let used = reply.get(22).map_or(0, |pointer| usize::from(*pointer).saturating_sub(4));
    let written = reply.iter().skip(23).take(used).copied().collect::<Vec<_>>();
    Ok(written.as_chunks::<4>().0.iter().map(|octets| Ipv4Addr::from(*octets)).collect())
}
