//! UDP echo: a server that sends every datagram back, and a client that asks it, IPv4 and IPv6.
//!
//!     cargo run --example udp_echo
#![allow(clippy::print_stdout, clippy::print_stderr)] // a program for the terminal

use std::thread;
use std::time::Duration;

use sockatoo::socket::{AF_INET, AF_INET6, SOCK_DGRAM, Socket};
use sockatoo::{Errno, Host, Result};

fn main() -> Result<()> {
    let host = Host::builder().build()?;
    for (family, address) in [(AF_INET, "127.0.0.1"), (AF_INET6, "::1")] {
        let server = host.socket(family, SOCK_DGRAM, 0)?;
        server.bind((address, 7000))?;
        let echo = thread::spawn(move || echo(&server));

        let client = host.socket(family, SOCK_DGRAM, 0)?;
        // A datagram may be lost: whoever waits for one should know how long.
        client.settimeout(Some(Duration::from_secs(2)))?;
        for text in ["one", "two", "three"] {
            client.sendto(text.as_bytes(), 0, (address, 7000))?;
            let (data, from) = client.recvfrom(2048, 0)?;
            println!("{from} sent back {:?}", String::from_utf8_lossy(&data));
        }
        client.sendto(b"", 0, (address, 7000))?; // an empty datagram is a datagram: here it means "enough"
        echo.join().expect("the server does not panic")?;

        // Now nobody is there. The answer is an ICMP error, which a connected socket is told.
        client.connect((address, 7000))?;
        client.send(b"four", 0)?;
        match client.recv(2048, 0) {
            Err(error) if error.errno() == Errno::ECONNREFUSED => println!("the server has gone: {error}"),
            other => println!("unexpected: {other:?}"),
        }
    }
    Ok(())
}

fn echo(server: &Socket) -> Result<()> {
    loop {
        let (data, from) = server.recvfrom(65_535, 0)?;
        if data.is_empty() {
            return Ok(());
        }
        server.sendto(&data, 0, from)?;
    }
}
