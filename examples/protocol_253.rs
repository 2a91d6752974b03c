//! A protocol of our own: number 253 is for experiments (RFC 3692), and needs nobody's leave.
//!
//! ```text
//! cargo run --example protocol_253     # two hosts with a cable between them, in memory
//! ```
//!
//! The protocol: a number, then a text; the answer is the same number, and the text in capitals.
#![allow(clippy::print_stdout)] // a program for the terminal

use std::time::Duration;

use sockatoo::device::{Cable, CableConfig};
use sockatoo::socket::*;
use sockatoo::{Host, Result, World};

const EXPERIMENT: i32 = 253;

fn main() -> Result<()> {
    println!("bob answers: {}", in_memory()?);
    Ok(())
}

pub(crate) fn in_memory() -> Result<String> {
    let world = World::new(1);
    let (left, right) = Cable::pair(CableConfig::default());
    let alice = world.host("alice").device(left).ipv4_only().address("192.0.2.1/24")?.build()?;
    let bob = world.host("bob").device(right).ipv4_only().address("192.0.2.2/24")?.build()?;
    let listening = bob.socket(AF_INET, SOCK_RAW, EXPERIMENT)?;
    world.spawn(&bob, move |_| answer(&listening));
    ask(&alice, "192.0.2.2", 42, "hello")
}

fn ask(host: &Host, target: &str, number: u8, text: &str) -> Result<String> {
    let socket = host.socket(AF_INET, SOCK_RAW, EXPERIMENT)?;
    socket.settimeout(Some(Duration::from_secs(2)))?;
    // connect names the peer: send needs no address, and others' packets stay away.
    socket.connect((target, 0))?;
    // The host writes the IP header.
    socket.send(&[&[number], text.as_bytes()].concat(), 0)?;
    loop {
        if let [same, answer @ ..] = message(&socket.recv(65_535, 0)?)
            && *same == number
        {
            return Ok(String::from_utf8_lossy(answer).into_owned());
        }
    }
}

/// Until the world ends.
fn answer(socket: &Socket) -> Result<()> {
    loop {
        let (packet, from) = socket.recvfrom(65_535, 0)?;
        socket.sendto(&message(&packet).to_ascii_uppercase(), 0, from)?;
    }
}

/// What is behind the IP header, which an IPv4 raw socket always gets: its length stands in its first byte, in words.
fn message(packet: &[u8]) -> &[u8] {
    &packet[usize::from(packet[0] & 15) * 4..]
}
