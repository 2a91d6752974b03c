//! A sniffer by hand, as in many a lab: an AF_PACKET socket hears every frame, and each header is read byte by byte.
//!
//! ```text
//! cargo run --example sniffer            # a conversation on a cable in memory: needs no privilege
//! sudo cargo run --example sniffer eth0  # what passes an interface of this machine, until Ctrl-C
//! ```
#![allow(clippy::print_stdout)] // a program for the terminal

use std::net::Ipv4Addr;

use sockatoo::device::{Cable, CableConfig};
use sockatoo::socket::*;
use sockatoo::{Host, LinkAddr, Result};

fn main() -> Result<()> {
    let Some(interface) = std::env::args().nth(1) else { return in_memory() };
    let host = Host::builder().shadow(&interface)?.build()?;
    let sniffer = open(&host)?;
    loop {
        for captured in sniffer.capture(64)? {
            println!("{}", line(&host, captured.frame.bytes(), &captured.address));
        }
    }
}

/// Hears every protocol on every interface, what goes out included.
fn open(host: &Host) -> Result<Socket> {
    let sniffer = host.socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL))?;
    // Frames for other stations, too, on each interface of the host.
    for interface in host.interfaces() {
        sniffer.set_promiscuous(&interface.name, true)?;
    }
    Ok(sniffer)
}

/// Two hosts on a cable; one asks the other, and a third socket listens.
fn in_memory() -> Result<()> {
    let (a, b) = Cable::pair(CableConfig::default());
    let alice = Host::builder().device(a).address("192.0.2.1/24")?.build()?;
    let bob = Host::builder().device(b).address("192.0.2.2/24")?.build()?;
    let sniffer = open(&bob)?;
    let server = bob.socket(AF_INET, SOCK_DGRAM, 0)?;
    server.bind(("", 5000))?;
    let client = alice.socket(AF_INET, SOCK_DGRAM, 0)?;
    client.sendto(b"hello", 0, ("192.0.2.2", 5000))?;
    let (question, from) = server.recvfrom(100, 0)?;
    server.sendto(&question.to_ascii_uppercase(), 0, from)?;
    assert_eq!(client.recv(100, 0)?, b"HELLO");
    for captured in sniffer.capture(64)? {
        println!("{}", line(&bob, captured.frame.bytes(), &captured.address));
    }
    Ok(())
}

/// `eth0 in  02:.. > 02:.. IPv4 192.0.2.1 > 192.0.2.2 UDP, ttl 64, 33 bytes`.
fn line(host: &Host, frame: &[u8], address: &LinkAddr) -> String {
    let name = host.if_indextoname(address.interface).unwrap_or_else(|_| "?".into());
    let way = match address.packet_type {
        PACKET_OUTGOING => "out",
        PACKET_OTHERHOST => "by ",
        _ => "in ",
    };
    let station = |mac: &[u8]| mac.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":");
    let Some((header, packet)) = frame.split_at_checked(14) else {
        return format!("{name} {way} a short frame");
    };
    let macs = format!("{} > {}", station(&header[6..12]), station(&header[..6]));
    // RFC 791: version and header length, then fields at fixed places.
    let what = match (u16::from_be_bytes([header[12], header[13]]), packet) {
        (ETH_P_IP, [_, _, l0, l1, _, _, _, _, ttl, protocol, _, _, s0, s1, s2, s3, d0, d1, d2, d3, ..]) => {
            let (source, destination) =
                (Ipv4Addr::new(*s0, *s1, *s2, *s3), Ipv4Addr::new(*d0, *d1, *d2, *d3));
            let protocol = match i32::from(*protocol) {
                IPPROTO_ICMP => "ICMP".into(),
                IPPROTO_TCP => "TCP".into(),
                IPPROTO_UDP => "UDP".into(),
                number => format!("protocol {number}"),
            };
            let length = u16::from_be_bytes([*l0, *l1]);
            format!("IPv4 {source} > {destination} {protocol}, ttl {ttl}, {length} bytes")
        }
        (ETH_P_ARP, _) => "ARP".into(),
        (ETH_P_IPV6, _) => "IPv6".into(),
        (number, _) => format!("{number:#06x}"),
    };
    format!("{name} {way} {macs} {what}")
}
