//! Ping by hand: an echo request, byte by byte, and what its answer tells.
//!
//! ```text
//! cargo run --example ping_by_hand           # two hosts with a cable between them, in memory
//! cargo run --example ping_by_hand kernel    # Linux answers, in a namespace
//! ```
#![allow(clippy::print_stdout)] // a program for the terminal

use std::net::Ipv4Addr;
use std::time::Duration;

use sockatoo::device::{Cable, CableConfig};
use sockatoo::socket::*;
use sockatoo::wire::checksum;
use sockatoo::{Host, Result, World};

mod lan;

fn main() -> Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("kernel") => beside_the_kernel()?,
        _ => in_memory()?,
    };
    Ok(())
}

/// 10 ms there, 10 ms back; in virtual time, so that it is always exactly this.
pub(crate) fn in_memory() -> Result<Vec<Reply>> {
    let world = World::new(1);
    let (left, right) = Cable::pair(CableConfig::default());
    let alice = world.host("alice").device(left).link("delay=10ms")?.address("192.0.2.1/24")?.build()?;
    let _bob = world.host("bob").device(right).address("192.0.2.2/24")?.build()?;
    ping(&alice, "192.0.2.2", 3)
}

pub(crate) fn beside_the_kernel() -> Result<Vec<Reply>> {
    let (_kernel, host) = lan::beside_the_kernel(Host::builder())?;
    ping(&host, "192.0.2.1", 3)
}

/// An answer.
#[derive(Debug, PartialEq)]
pub(crate) struct Reply {
    pub(crate) seq: u16,
    /// Of the answer: 64 when it set out, one less for each router.
    pub(crate) ttl: u8,
    pub(crate) time: Duration,
}

fn ping(host: &Host, target: &str, count: u16) -> Result<Vec<Reply>> {
    let socket = host.socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)?;
    socket.settimeout(Some(Duration::from_secs(2)))?;
    let id = std::process::id() as u16; // several programs may ping at the same time: whose answer is it?
    let mut replies = Vec::new();
    for seq in 1..=count {
        let sent = host.now();
        socket.sendto(&echo_request(id, seq), 0, (target, 0))?;
        let reply = loop {
            // We get every ICMP message that arrives here, and each begins with its IP header.
            let packet = socket.recv(65_535, 0)?;
            let (length, ttl) = (usize::from(packet[0] & 15) * 4, packet[8]);
            let from = Ipv4Addr::new(packet[12], packet[13], packet[14], packet[15]);
            let message = &packet[length..];
            // RFC 792: an echo reply has type 0, code 0, and the numbers of its request.
            let [0, 0, _, _, id0, id1, seq0, seq1, data @ ..] = message else { continue };
            if (u16::from_be_bytes([*id0, *id1]), u16::from_be_bytes([*seq0, *seq1])) == (id, seq) {
                assert_eq!(data, b"Squawk!", "the data come back as they were sent");
                assert_eq!(checksum(message), 0, "with its checksum in it, a message sums up to zero");
                let time = host.now().since(sent);
                println!("{} bytes from {from}: seq={seq} ttl={ttl} time={time:.1?}", message.len());
                break Reply { seq, ttl, time };
            }
        };
        replies.push(reply);
    }
    Ok(replies)
}

/// RFC 792: type 8, code 0, checksum, identifier, sequence number, data.
fn echo_request(id: u16, seq: u16) -> Vec<u8> {
    let mut message = vec![8, 0, 0, 0];
    message.extend(id.to_be_bytes());
    message.extend(seq.to_be_bytes());
    message.extend(b"Squawk!");
    // The checksum is taken with zeros in its own place.
    let sum = checksum(&message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    message
}
