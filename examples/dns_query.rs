//! A DNS query by hand: IP, UDP and DNS in one packet of our own.
//!
//! ```text
//! cargo run --example dns_query     # two hosts with a cable between them, in memory; one has a small server
//! ```
//!
//! Who guesses the port and the 16 bits of the identification before the server answers can answer in its stead: that is why a
//! resolver draws both by chance, and this program, which doesn't, is an exercise.
#![allow(clippy::print_stdout)] // a program for the terminal

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use sockatoo::base::LinkType;
use sockatoo::device::{Cable, CableConfig};
use sockatoo::socket::*;
use sockatoo::wire::packet::{Dissection, ipv4, layer, udp};
use sockatoo::wire::summary;
use sockatoo::{Host, Result, World};

const SERVER: &str = "192.0.2.53";

fn main() -> Result<()> {
    let addresses = in_memory()?;
    println!("parrot.example is {addresses:?}");
    Ok(())
}

pub(crate) fn in_memory() -> Result<Vec<IpAddr>> {
    let world = World::new(1);
    let (left, right) = Cable::pair(CableConfig::default());
    let alice = world.host("alice").device(left).ipv4_only().address("192.0.2.1/24")?.build()?;
    let bob = world.host("bob").device(right).ipv4_only().address("192.0.2.53/24")?.build()?;
    world.spawn(&bob, |bob| serve(&bob));
    query(&alice, "parrot.example")
}

/// The addresses of a name.
fn query(host: &Host, name: &str) -> Result<Vec<IpAddr>> {
    // The ordinary socket gets nothing to do: it keeps the port ours. Without it, the host would answer the server's answer by
    // "port unreachable", as it does for a port that nobody has.
    let port = host.socket(AF_INET, SOCK_DGRAM, 0)?;
    port.bind(("", 5353))?;
    let raw = host.socket(AF_INET, SOCK_RAW, IPPROTO_UDP)?;
    raw.set_header_included(true)?;
    raw.settimeout(Some(Duration::from_secs(2)))?;

    let question = layer("dns").id(0x5143).option("dnsqr", (name, "A"));
    let packet = (ipv4().dst(SERVER) / udp().sport(5353).dport(53) / question).build(host)?.bytes;
    println!("alice: {}", summary(LinkType::Ip, &packet));
    raw.sendto(&packet, 0, (SERVER, 53))?;
    loop {
        let bytes = raw.recv(65_535, 0)?;
        let packet = Dissection::of(LinkType::Ip, &bytes);
        let Some((ip, dns)) = packet.layer("ip").zip(packet.layer("dns")) else { continue };
        let from = ip.address("src").map(|address| address.to_string());
        if from.as_deref() == Some(SERVER) && dns.number("id") == Some(0x5143) && dns.number("qr") == Some(1)
        {
            println!("bob:   {}", summary(LinkType::Ip, &bytes));
            let answers = dns.seen("an").map(|answers| answers.inner.as_slice()).unwrap_or_default();
            return Ok(answers.iter().filter_map(|record| record.address("address")).collect());
        }
    }
}

/// Knows one answer to every question, on an ordinary UDP socket, until the world ends.
fn serve(host: &Host) -> Result<()> {
    let socket = host.socket(AF_INET, SOCK_DGRAM, 0)?;
    socket.bind(("", 53))?;
    loop {
        let (question, from) = socket.recvfrom(512, 0)?;
        let (Some(id), Some(asked)) = (question.get(..2), question.get(12..)) else { continue };
        // RFC 1035 4.1: the header with its counts, the question as it came, two records. 0xc00c says: the name at byte 12.
        let mut answer = id.to_vec();
        answer.extend([0x85, 0x80, 0, 1, 0, 2, 0, 0, 0, 0]);
        answer.extend(asked);
        for last in [7, 8] {
            answer.extend([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
            answer.extend(Ipv4Addr::new(198, 51, 100, last).octets());
        }
        socket.sendto(&answer, 0, from)?;
    }
}
