//! A web page fetched by hand: the three-way handshake, a GET, its answer and the end, each segment built here.
//!
//! ```text
//! cargo run --example http_by_hand           # two hosts with a cable between them, in memory
//! cargo run --example http_by_hand kernel    # Linux's TCP answers, with Python's web server, in a namespace
//! ```
//!
//! Our own host must keep out of it: segments arrive for a connection that it knows nothing about, and TCP answers such with
//! RST. `no_rst` silences it, where on Linux one would need iptables.
#![allow(clippy::print_stdout)] // a program for the terminal

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use sockatoo::base::{IfIndex, LinkType};
use sockatoo::device::{Cable, CableConfig};
use sockatoo::socket::*;
use sockatoo::trace::{Ladder, Recording};
use sockatoo::wire::packet::{Dissection, ipv4, tcp};
use sockatoo::{Host, Result, World};

mod lan;

const REQUEST: &str = "GET / HTTP/1.0\r\nHost: example.org\r\n\r\n";

fn main() -> Result<()> {
    let page = match std::env::args().nth(1).as_deref() {
        Some("kernel") => beside_the_kernel()?,
        _ => in_memory()?,
    };
    println!("{page}");
    Ok(())
}

/// Bob's server is an ordinary one.
pub(crate) fn in_memory() -> Result<String> {
    let world = World::new(1);
    let (left, right) = Cable::pair(CableConfig::default());
    let alice = world.host("alice").no_rst(true).device(left).ipv4_only().link("delay=5ms")?;
    let alice = alice.address("192.0.2.1/24")?.build()?;
    let bob = world.host("bob").device(right).ipv4_only().address("192.0.2.2/24")?.build()?;
    let server = world.spawn(&bob, |host| {
        let (connection, _) = host.create_server(("", 80), Server::default())?.accept()?;
        assert_eq!(connection.recv(1000, 0)?, REQUEST.as_bytes());
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nHello, segment by segment!\n", 0)
    });
    let page = with_ladder(&alice, "192.0.2.2", 80)?;
    server.join()?;
    Ok(page)
}

pub(crate) fn beside_the_kernel() -> Result<String> {
    let (kernel, host) = lan::beside_the_kernel(Host::builder().no_rst(true))?;
    let mut server = kernel.command("python3");
    server.args(["-u", "-m", "http.server", "8000", "--bind", "192.0.2.1", "--directory", "examples/lan"]);
    let mut server = server.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut ready = String::new();
    if let Some(stdout) = server.stdout.take() {
        BufReader::new(stdout).read_line(&mut ready)?; // "Serving HTTP on ...": it listens
    }
    let page = with_ladder(&host, "192.0.2.1", 8000);
    server.kill()?;
    server.wait()?;
    page
}

fn with_ladder(host: &Host, server: &str, port: u16) -> Result<String> {
    let recording = Recording::default();
    host.record(IfIndex(2), recording.clone())?;
    let page = get(host, server, port);
    println!("{}", Ladder::of(&recording.frames()).width(90));
    page
}

/// What a TCP must remember of a connection.
struct Connection<'a> {
    host: &'a Host,
    socket: Socket,
    server: (&'a str, u16),
    /// The next byte that we send.
    seq: u32,
    /// The next byte that we expect.
    ack: u32,
}

fn get(host: &Host, server: &str, port: u16) -> Result<String> {
    // It hears every segment that arrives here, and sends what we write with our own IP header.
    let socket = host.socket(AF_INET, SOCK_RAW, IPPROTO_TCP)?;
    socket.set_header_included(true)?;
    socket.settimeout(Some(Duration::from_secs(5)))?;
    let mut connection = Connection { host, socket, server: (server, port), seq: 1000, ack: 0 };

    // "I begin to count at 1000" - "and I at so much; heard you" - "heard you". A SYN counts as one byte.
    connection.send("S", "")?;
    let syn_ack = connection.receive()?;
    assert_eq!(syn_ack.flags, SYN | ACK, "somebody listens there");
    (connection.seq, connection.ack) = (1001, syn_ack.seq.wrapping_add(1));
    connection.send("A", "")?;

    connection.send("PA", REQUEST)?;
    connection.seq += REQUEST.len() as u32;

    let mut page = Vec::new();
    loop {
        let segment = connection.receive()?;
        if segment.seq == connection.ack && segment.counts() > 0 {
            page.extend(&segment.data);
            connection.ack = connection.ack.wrapping_add(segment.counts());
            if segment.flags & FIN != 0 {
                break;
            }
            connection.send("A", "")?;
        } else if segment.counts() > 0 {
            connection.send("A", "")?; // not its turn, or once more: "this is what I wait for"
        }
    }
    // "I have nothing more to say either", which counts as one byte, too.
    connection.send("FA", "")?;
    connection.seq += 1;
    while connection.receive()?.ack != connection.seq {}
    Ok(String::from_utf8_lossy(&page).into_owned())
}

const FIN: u64 = 1;
const SYN: u64 = 2;
const ACK: u64 = 16;

/// What we need of a segment that arrived.
struct Segment {
    flags: u64,
    seq: u32,
    ack: u32,
    data: Vec<u8>,
}

impl Segment {
    /// How far it brings us: FIN counts as a byte.
    fn counts(&self) -> u32 {
        self.data.len() as u32 + (self.flags & FIN) as u32
    }
}

impl Connection<'_> {
    /// Lengths and checksums are filled in, as is our address.
    fn send(&self, flags: &str, data: &str) -> Result<usize> {
        let (server, port) = self.server;
        let segment = tcp().sport(40_000).dport(port).seq(self.seq).ack(self.ack).flags(flags);
        let packet = ipv4().dst(server) / segment / data;
        self.socket.sendto(&packet.build(self.host)?.bytes, 0, (server, 0))
    }

    /// The next segment of this connection.
    fn receive(&self) -> Result<Segment> {
        loop {
            let packet = Dissection::of(LinkType::Ip, &self.socket.recv(65_535, 0)?);
            let Some(tcp) = packet.layer("tcp") else { continue };
            let number = |name| tcp.number(name).unwrap_or(0);
            if (number("sport"), number("dport")) == (self.server.1.into(), 40_000) {
                let (seq, ack) = (number("seq") as u32, number("ack") as u32);
                return Ok(Segment { flags: number("flags"), seq, ack, data: packet.payload().to_vec() });
            }
        }
    }
}
