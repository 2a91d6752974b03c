//! Traceroute by hand: a packet that may pass one router only, then one for two, and so on; each router that drops one says so.
//!
//! ```text
//! cargo run --example traceroute_by_hand     # two hosts, and three routers between them, in memory
//! ```
#![allow(clippy::print_stdout)] // a program for the terminal

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use sockatoo::base::LinkType;
use sockatoo::socket::*;
use sockatoo::wire::packet::{Dissection, ipv4, udp};
use sockatoo::{Errno, Host, Result, World};

fn main() -> Result<()> {
    in_memory().map(drop)
}

/// alice -- 198.51.100.1 -- 198.51.100.5 -- 198.51.100.9 -- bob, each cable a network of its own.
pub(crate) fn in_memory() -> Result<Vec<Option<IpAddr>>> {
    let world = World::new(1);
    let alice = world.host("alice").build()?;
    let routers = ["one", "two", "three"].map(|name| world.host(name).forward(true).build());
    let bob = world.host("bob").build()?;
    let way: Vec<Host> =
        [Ok(alice.clone())].into_iter().chain(routers).chain([Ok(bob)]).collect::<Result<_>>()?;
    for (number, ends) in (0..).zip(way.windows(2)) {
        let [left, right] = [2, 1].map(|host| Ipv4Addr::new(198, 51, 100, 4 * number + host));
        let wire = world.cable(&ends[0], &ends[1], "delay=5ms")?;
        wire.addresses(format!("{left}/30"), format!("{right}/30"))?;
        // To the right by default, and to the left what is alice's.
        ends[0].add_route("0.0.0.0/0", Some(right.into()), None)?;
        ends[1].add_route("198.51.100.0/30", Some(left.into()), None)?;
    }
    trace(&alice, "198.51.100.13")
}

/// Who answers, hop by hop.
fn trace(host: &Host, target: &str) -> Result<Vec<Option<IpAddr>>> {
    // One socket sends packets whose IP header is ours, another hears the ICMP messages about them.
    let sender = host.socket(AF_INET, SOCK_RAW, IPPROTO_RAW)?;
    let listener = host.socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)?;
    listener.settimeout(Some(Duration::from_secs(1)))?;
    let mut hops = Vec::new();
    for ttl in 1..=30_u8 {
        // Nobody listens on such ports (33434 is traceroute's own first one): the target will say so.
        let port = 33433 + u16::from(ttl);
        let probe = ipv4().dst(target).ttl(ttl) / udp().sport(54321).dport(port) / "where?";
        let sent = host.now();
        sender.sendto(&probe.build(host)?.bytes, 0, (target, 0))?;
        let (from, kind) = match answer(&listener, port) {
            Ok(answer) => answer,
            Err(error) if error.errno() == Errno::ETIMEDOUT => {
                println!("{ttl:2}  *");
                hops.push(None);
                continue;
            }
            Err(error) => return Err(error),
        };
        println!("{ttl:2}  {from}  {:.1?}", host.now().since(sent));
        hops.push(Some(from));
        // RFC 792: 11 is "time exceeded", from a router; 3 "destination unreachable", from the target itself.
        if kind == 3 {
            break;
        }
    }
    Ok(hops)
}

/// Who sent the message about our probe, and its type.
fn answer(listener: &Socket, port: u16) -> Result<(IpAddr, u64)> {
    loop {
        let packet = Dissection::of(LinkType::Ip, &listener.recv(65_535, 0)?);
        let Some((ip, icmp)) = packet.layer("ip").zip(packet.layer("icmp")) else { continue };
        // The message quotes the packet that it is about: IP header and the first 8 bytes, which are UDP's.
        let quoted = packet.layer("udp").and_then(|udp| udp.number("dport"));
        if quoted == Some(port.into())
            && let (Some(from), Some(kind)) = (ip.address("src"), icmp.number("type"))
        {
            return Ok((from, kind));
        }
    }
}
