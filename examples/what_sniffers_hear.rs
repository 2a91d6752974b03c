//! Two sniffers side by side: a raw socket of IPPROTO_IP and a packet socket. What does each of them hear?
//!
//! ```text
//! cargo run --example what_sniffers_hear     # two hosts with a cable between them, in memory
//! ```
//!
//! The raw socket hears each IP packet that arrives here, as it came: also those for which the host has no use. The packet
//! socket hears whole frames, of any protocol, in both directions. Once it has asked for frames for other stations, too, these
//! arrive for both. (`sniffer.rs` reads frames byte by byte.)
#![allow(clippy::print_stdout)] // a program for the terminal

use std::time::Duration;

use sockatoo::base::{ControlMessage, LinkType};
use sockatoo::device::{Cable, CableConfig};
use sockatoo::socket::*;
use sockatoo::wire::packet::{ether, icmp, ipv4, udp};
use sockatoo::wire::summary;
use sockatoo::{Errno, Host, Result, World};

fn main() -> Result<()> {
    for (name, heard) in ["IPPROTO_IP", "AF_PACKET"].iter().zip(in_memory()?) {
        println!("{name} heard");
        heard.iter().for_each(|line| println!("    {line}"));
    }
    Ok(())
}

pub(crate) fn in_memory() -> Result<[Vec<String>; 2]> {
    let world = World::new(1);
    let (left, right) = Cable::pair(CableConfig::default());
    let alice = world.host("alice").device(left).ipv4_only().address("192.0.2.1/24")?.build()?;
    let bob = world.host("bob").device(right).ipv4_only().address("192.0.2.2/24")?.build()?;

    let ip = bob.socket(AF_INET, SOCK_RAW, IPPROTO_IP)?;
    ip.set_tell_bad_checksums(true)?;
    let frames = bob.socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL))?;
    frames.set_promiscuous("eth0", true)?;

    talk(&alice)?;
    world.run_for(Duration::from_secs(1))?;
    Ok([heard(&ip)?, heard(&frames)?])
}

fn talk(alice: &Host) -> Result<()> {
    let raw = alice.socket(AF_INET, SOCK_RAW, IPPROTO_RAW)?;
    let send =
        |packet: sockatoo::wire::packet::Packet| raw.sendto(&packet.build(alice)?.bytes, 0, ("192.0.2.2", 0));
    // Bob answers this one.
    send(ipv4().dst("192.0.2.2") / icmp().set("type", "echo-request") / "hello")?;
    // The checksum is wrong, so nobody at bob's gets this one.
    send(ipv4().dst("192.0.2.2") / udp().sport(5000).dport(5000).checksum(0xbad) / "garbled")?;
    // A protocol that bob does not know.
    send(ipv4().dst("192.0.2.2").proto(253) / "what is this?")?;
    // And a frame for a station that is not bob's.
    let frame =
        ether().dst("02:00:00:00:00:99") / ipv4().dst("192.0.2.99") / udp().dport(5000) / "not for bob";
    let frame = frame.build(alice)?.bytes;
    alice.socket(AF_PACKET, SOCK_RAW, 0)?.sendto(&frame, 0, ("eth0", ETH_P_IP))?;
    Ok(())
}

/// What waits in the socket, a line each.
fn heard(socket: &Socket) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    loop {
        let message = match socket.recvmsg(65_535, MSG_DONTWAIT) {
            Ok(message) => message,
            Err(error) if error.errno() == Errno::EAGAIN => return Ok(lines),
            Err(error) => return Err(error),
        };
        // The sender's address: of a packet socket it also tells which way the frame went, and for whom.
        let (link, mark) = match message.address.link().map(|from| from.packet_type) {
            None => (LinkType::Ip, ""),
            Some(PACKET_OUTGOING) => (LinkType::Ethernet, " (sent from here)"),
            Some(PACKET_OTHERHOST) => (LinkType::Ethernet, " (for another station)"),
            Some(_) => (LinkType::Ethernet, ""),
        };
        let bad = message.control.iter().any(|control| matches!(control, ControlMessage::ChecksumBad(_)));
        let bad = if bad { " (bad checksum)" } else { "" };
        lines.push(format!("{}{mark}{bad}", summary(link, &message.data)));
    }
}
