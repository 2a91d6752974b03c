//! A server that greets everybody in a loop, and a few clients that come by.
//!
//!     cargo run --example greet_everybody
//!     cargo run --example greet_everybody -- 100      # so many clients
#![allow(clippy::print_stdout, clippy::print_stderr)] // a program for the terminal

use std::thread;

use sockatoo::socket::{AF_INET, SOCK_STREAM, Server};
use sockatoo::{Host, Result};

fn main() -> Result<()> {
    let guests: usize = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(5);
    let host = Host::builder().build()?;

    // create_server is socket, SO_REUSEADDR, bind and listen in one.
    let server = host.create_server(("127.0.0.1", 2345), Server::default())?;
    let clients: Vec<_> = (1..=guests)
        .map(|number| {
            let host = host.clone();
            thread::spawn(move || visit(&host, number))
        })
        .collect();

    for _ in 0..guests {
        let (connection, address) = server.accept()?;
        connection.sendall(format!("Hello World, {address}!").as_bytes(), 0)?;
        // Dropping the socket closes it: the guest reads the end of file.
    }
    for client in clients {
        println!("{}", client.join().expect("no client panics")?);
    }
    Ok(())
}

/// Connects, and reads until the server hangs up.
fn visit(host: &Host, number: usize) -> Result<String> {
    let socket = host.socket(AF_INET, SOCK_STREAM, 0)?;
    socket.connect(("localhost", 2345))?;
    let mut greeting = Vec::new();
    loop {
        let piece = socket.recv(1024, 0)?;
        if piece.is_empty() {
            break;
        }
        greeting.extend(piece);
    }
    Ok(format!("guest {number} was told: {}", String::from_utf8_lossy(&greeting)))
}
