//! An echo server for many clients, in one thread, with poll.
//!
//!     cargo run --example echo_poll
//!     cargo run --example echo_poll -- 200      # so many clients
#![allow(clippy::print_stdout, clippy::print_stderr)] // a program for the terminal

use std::thread;

use sockatoo::socket::{POLLIN, PollFd, Server, Socket, poll};
use sockatoo::{Host, Result};

fn main() -> Result<()> {
    let clients: usize = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(20);
    let host = Host::builder().build()?;
    let listener = host.create_server(("127.0.0.1", 7), Server::default())?;
    let clients: Vec<_> = (0..clients)
        .map(|number| {
            let host = host.clone();
            thread::spawn(move || chatter(&host, number))
        })
        .collect();

    let (echoed, served) = serve(&listener, clients.len())?;
    for client in clients {
        client.join().expect("no client panics")?;
    }
    println!("{served} clients, {echoed} bytes sent back");
    Ok(())
}

/// Serves until so many clients have come and gone. Gives the bytes and the clients.
fn serve(listener: &Socket, expected: usize) -> Result<(usize, usize)> {
    let mut connections: Vec<Socket> = Vec::new();
    let (mut echoed, mut served) = (0, 0);
    while served < expected {
        // The listener first, then the connections in their order.
        let mut watched = vec![PollFd::new(listener, POLLIN)];
        watched.extend(connections.iter().map(|connection| PollFd::new(connection, POLLIN)));
        poll(&mut watched, None)?;
        let somebody_knocks = watched[0].revents != 0;
        let ready: Vec<bool> = watched[1..].iter().map(|w| w.revents != 0).collect();

        let mut ready = ready.into_iter();
        connections.retain(|connection| {
            if !ready.next().unwrap_or(false) {
                return true;
            }
            match connection.recv(4096, 0) {
                Ok(data) if !data.is_empty() && connection.sendall(&data, 0).is_ok() => {
                    echoed += data.len();
                    true
                }
                // The end of file, or an error: this client has gone.
                _ => {
                    served += 1;
                    false
                }
            }
        });
        if somebody_knocks {
            connections.push(listener.accept()?.0);
        }
    }
    Ok((echoed, served))
}

/// Says something ten times, and listens to the echo each time.
fn chatter(host: &Host, number: usize) -> Result<()> {
    let socket = host.create_connection(("127.0.0.1", 7), None, None)?;
    for turn in 0..10 {
        let text = format!("client {number}, turn {turn}");
        socket.sendall(text.as_bytes(), 0)?;
        let heard = socket.recv(text.len(), sockatoo::socket::MSG_WAITALL)?;
        assert_eq!(heard, text.as_bytes());
    }
    Ok(())
}
