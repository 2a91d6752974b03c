//! Datagrams that arrive (RDS, rds(7)): one socket talks with every socket of every other host. Each message comes once, and in
//! order, though a third of all packets is lost on the way.
//!
//! ```text
//! cargo run --example reliable_datagrams     # a server and two clients on lossy cables, in memory
//! ```
//!
//! Between two hosts there is one TCP connection, however many sockets talk: from any port of the smaller address to port 16385 of the
//! other. There, each message has a header of 48 bytes.
#![allow(clippy::print_stdout)] // a program for the terminal

use std::time::Duration;

use sockatoo::socket::*;
use sockatoo::{Host, Result, Socket, World};

fn main() -> Result<()> {
    in_memory()?.iter().for_each(|line| println!("{line}"));
    Ok(())
}

/// What the server hears, and from whom.
pub(crate) fn in_memory() -> Result<Vec<String>> {
    let world = World::new(1);
    let server = world.host("server").build()?;
    let clients = [world.host("left").build()?, world.host("right").build()?];
    for (client, net) in clients.iter().zip(["192.0.2", "198.51.100"]) {
        let cable = world.cable(&server, client, "loss=33%, delay=2ms")?;
        cable.addresses(format!("{net}.1/24"), format!("{net}.2/24"))?;
    }
    // A socket has one address of its host; it hears all that is sent to that address and port.
    let inboxes = [bound(&server, "192.0.2.1")?, bound(&server, "198.51.100.1")?];
    for (client, net) in clients.iter().zip(["192.0.2", "198.51.100"]) {
        world.spawn(client, move |client| {
            let socket = bound(&client, &format!("{net}.2"))?;
            for number in 1..=3 {
                socket.sendto(format!("message {number}").as_bytes(), 0, (format!("{net}.1"), 4000))?;
            }
            // Until it is closed, the socket answers for what has not arrived yet.
            client.sleep(Duration::from_secs(60))
        });
    }
    let mut heard = Vec::new();
    for inbox in &inboxes {
        for _ in 0..3 {
            let (data, from) = inbox.recvfrom(100, 0)?;
            heard.push(format!("{from}: {}", String::from_utf8_lossy(&data)));
        }
    }
    Ok(heard)
}

fn bound(host: &Host, address: &str) -> Result<Socket> {
    let socket = host.socket(AF_RDS, SOCK_SEQPACKET, 0)?;
    socket.bind((address, 4000))?;
    socket.settimeout(Some(Duration::from_secs(60)))?;
    Ok(socket)
}
