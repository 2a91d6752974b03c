//! A connection ended by a third: mallory, through whose router it runs, reads its sequence numbers, and says RST in bob's name.
//!
//! ```text
//! cargo run --example rst_injection     # two hosts and a router between them, in memory
//! ```
//!
//! TCP believes an RST whose sequence number is exactly the one that it expects next; one that is only in its window is asked
//! about (RFC 5961 3.2). So who does not see the segments must guess 32 bits.
#![allow(clippy::print_stdout)] // a program for the terminal

use std::time::Duration;

use sockatoo::base::LinkType;
use sockatoo::socket::*;
use sockatoo::wire::packet::{Dissection, ipv4, tcp};
use sockatoo::{Errno, Host, Result, World};

fn main() -> Result<()> {
    for (place, end) in ["one off", "at the right place"].iter().zip(in_memory()?) {
        let end = end.map_or_else(|| "goes on".into(), |errno| errno.to_string());
        println!("after an RST {place}: {end}");
    }
    Ok(())
}

/// What alice's recv says: after an RST beside the right place, and after one at it.
pub(crate) fn in_memory() -> Result<[Option<Errno>; 2]> {
    let world = World::new(1);
    let (alice, bob) = (world.host("alice").build()?, world.host("bob").build()?);
    let mallory = world.host("mallory").forward(true).build()?;
    world.cable(&alice, &mallory, "delay=1ms")?.addresses("192.0.2.2/24", "192.0.2.1/24")?;
    world.cable(&bob, &mallory, "delay=1ms")?.addresses("198.51.100.2/24", "198.51.100.1/24")?;
    alice.add_route("0.0.0.0/0", Some([192, 0, 2, 1].into()), None)?;
    bob.add_route("0.0.0.0/0", Some([198, 51, 100, 1].into()), None)?;
    let ear = mallory.socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_IP))?;
    ear.attach_filter("tcp src port 80")?;

    let listener = bob.create_server(("", 80), Server::default())?;
    let connection = alice.create_connection(("198.51.100.2", 80), None, None)?;
    let (server, _) = listener.accept()?;
    server.sendall(b"Good morning", 0)?;
    assert_eq!(connection.recv(100, 0)?, b"Good morning");

    // The next byte of bob's is behind the last one that came by: a SYN counts as one, too.
    let (mut next, mut port) = (0, 0);
    while let Ok(bytes) = ear.recv(65_535, MSG_DONTWAIT) {
        let packet = Dissection::of(LinkType::Ip, &bytes);
        let Some(tcp) = packet.layer("tcp") else { continue };
        let number = |name| tcp.number(name).unwrap_or(0);
        next = (number("seq") + (number("flags") >> 1 & 1) + packet.payload().len() as u64) as u32;
        port = number("dport") as u16;
    }
    println!("mallory has read: port {port}, next byte {next}");

    connection.settimeout(Some(Duration::from_secs(1)))?;
    let after = |seq: u32| -> Result<Option<Errno>> {
        reset(&mallory, port, seq)?;
        let errno = connection.recv(100, 0).expect_err("nobody has said anything").errno();
        Ok(Some(errno).filter(|errno| *errno != Errno::ETIMEDOUT))
    };
    Ok([after(next.wrapping_add(1))?, after(next)?])
}

/// An RST to alice, in bob's name.
fn reset(mallory: &Host, port: u16, seq: u32) -> Result<()> {
    let segment = tcp().sport(80).dport(port).seq(seq).flags("R");
    let packet = ipv4().src("198.51.100.2").dst("192.0.2.2") / segment;
    let raw = mallory.socket(AF_INET, SOCK_RAW, IPPROTO_RAW)?;
    raw.sendto(&packet.build(mallory)?.bytes, 0, ("192.0.2.2", 0))?;
    Ok(())
}
