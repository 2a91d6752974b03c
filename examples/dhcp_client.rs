//! A DHCP client by hand: DISCOVER, OFFER, REQUEST, ACK (RFC 2131).
//!
//! ```text
//! cargo run --example dhcp_client     # a host without an address, and a small server, on a cable in memory
//! ```
//!
//! A host without an address can't use UDP: nobody could answer it. So the client writes whole frames, from 0.0.0.0 to everybody,
//! and listens with a packet socket.
#![allow(clippy::print_stdout)] // a program for the terminal

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use sockatoo::base::LinkType;
use sockatoo::device::{Cable, CableConfig};
use sockatoo::socket::*;
use sockatoo::wire::packet::{Dissection, Nowhere, Packet, ether, ipv4, layer, udp};
use sockatoo::wire::summary;
use sockatoo::{Host, IfIndex, Result, World};

fn main() -> Result<()> {
    println!("alice is {:?} now", in_memory()?);
    Ok(())
}

/// The address that alice gets, and uses.
pub(crate) fn in_memory() -> Result<IpAddr> {
    let world = World::new(1);
    let (left, right) = Cable::pair(CableConfig::default());
    let alice = world.host("alice").device(left).ipv4_only().build()?;
    let bob = world.host("bob").device(right).ipv4_only().address("192.0.2.1/24")?.build()?;
    world.spawn(&bob, |bob| serve(&bob));

    let lease = lease(&alice)?;
    alice.add_address(IfIndex(2), format!("{}/{}", lease.address, lease.prefix))?;
    // Does it work? The server hears us, and answers with the address that it sees.
    let socket = alice.socket(AF_INET, SOCK_DGRAM, 0)?;
    socket.settimeout(Some(Duration::from_secs(2)))?;
    socket.sendto(b"who am I?", 0, (lease.server, 67))?;
    let answer = socket.recv(100, 0)?;
    Ok(String::from_utf8_lossy(&answer).parse().expect("an address"))
}

struct Lease {
    address: Ipv4Addr,
    prefix: u32,
    server: Ipv4Addr,
}

fn lease(host: &Host) -> Result<Lease> {
    let socket = host.socket(AF_PACKET, SOCK_RAW, htons(ETH_P_IP))?;
    socket.attach_filter("udp dst port 68")?; // our own filter keeps all else away
    socket.settimeout(Some(Duration::from_secs(2)))?;
    let mac = host.interfaces()[1].mac;
    let xid = 0x5143_0001; // by it we know the answers to our own questions
    let header = || layer("bootp").set("xid", xid).set("chaddr", &mac.0[..]).set("flags", "B");

    let discover = layer("dhcp").option("message_type", "discover").option("end", ());
    say(host, &socket, header() / discover)?;
    let offer = hear(&socket, xid, 2)?;
    let (offer, server) = (offered(&offer), address(&offer, "server_id"));

    // There may be several servers: everybody hears whose offer we take.
    let request = layer("dhcp").option("message_type", "request").option("requested_address", offer);
    let request = request.option("server_id", server).option("end", ());
    say(host, &socket, header() / request)?;
    let ack = hear(&socket, xid, 5)?;
    let mask = address(&ack, "subnet_mask");
    Ok(Lease { address: offered(&ack), prefix: mask.to_bits().count_ones(), server })
}

/// From nobody to everybody.
fn say(host: &Host, socket: &Socket, message: Packet) -> Result<()> {
    let ip = ipv4().src("0.0.0.0").dst("255.255.255.255");
    let frame = ether().src(host.interfaces()[1].mac) / ip / udp().sport(68).dport(67);
    let bytes = (frame / message).build(host)?.bytes;
    println!("alice: {}", summary(LinkType::Ethernet, &bytes));
    socket.sendto(&bytes, 0, ("eth0", ETH_P_IP))?;
    Ok(())
}

/// The next message of this type to us.
fn hear(socket: &Socket, xid: u64, kind: u64) -> Result<Dissection> {
    loop {
        let frame = socket.recv(2000, 0)?;
        let message = Dissection::of(LinkType::Ethernet, &frame);
        let number = message.layer("bootp").and_then(|header| header.number("xid"));
        let said = message.layer("dhcp").and_then(|dhcp| dhcp.option("message_type")?.number("type"));
        if (number, said) == (Some(xid), Some(kind)) {
            println!("bob:   {}", summary(LinkType::Ethernet, &frame));
            return Ok(message);
        }
    }
}

/// "Your address".
fn offered(message: &Dissection) -> Ipv4Addr {
    v4(message.layer("bootp").and_then(|header| header.address("yiaddr")))
}

/// The address in an option.
fn address(message: &Dissection, option: &str) -> Ipv4Addr {
    v4(message.layer("dhcp").and_then(|dhcp| dhcp.option(option)?.address("address")))
}

fn v4(address: Option<IpAddr>) -> Ipv4Addr {
    match address {
        Some(IpAddr::V4(address)) => address,
        _ => Ipv4Addr::UNSPECIFIED,
    }
}

/// A server with one address to give, on an ordinary UDP socket, until the world ends.
fn serve(host: &Host) -> Result<()> {
    let socket = host.socket(AF_INET, SOCK_DGRAM, 0)?;
    socket.bind(("", 67))?;
    socket.set_broadcast(true)?;
    loop {
        let (question, from) = socket.recvfrom(2000, 0)?;
        // What the client counts on stands at fixed places: xid at 4, its station at 28.
        let (Some(xid), Some(station)) = (question.get(4..8), question.get(28..34)) else {
            let text = from.inet().map(|from| from.ip().to_string()).unwrap_or_default();
            socket.sendto(text.as_bytes(), 0, from)?;
            continue;
        };
        // Options from 240 on; a client's first one is the message's type: 53, length 1, 1 = discover or 3 = request.
        let answer = match question.get(240..243) {
            Some([53, 1, 1]) => "offer",
            Some([53, 1, 3]) => "ack",
            _ => continue,
        };
        let xid = u32::from_be_bytes([xid[0], xid[1], xid[2], xid[3]]);
        let header = layer("bootp").op(2).set("xid", xid).set("yiaddr", "192.0.2.100").set("chaddr", station);
        let options = layer("dhcp")
            .option("message_type", answer)
            .option("subnet_mask", "255.255.255.0")
            .option("server_id", "192.0.2.1")
            .option("lease_time", 3600)
            .option("end", ());
        let message = (header / options).build(&Nowhere)?.bytes;
        socket.sendto(&message, 0, ("<broadcast>", 68))?;
    }
}
