//! Readiness for other people's loops: a server in mio's way, edge-triggered, on the descriptors of our sockets.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::os::fd::AsRawFd;
use std::thread;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use sockatoo::socket::*;
use sockatoo::{Errno, Host};

const SERVER: Token = Token(0);
/// Long enough for anything that happens at all.
const SOON: Option<Duration> = Some(Duration::from_secs(20));

/// Echoes until its clients have all hung up; gives how many there were.
fn serve(server: &Socket, clients: usize) -> std::io::Result<usize> {
    let mut poll = Poll::new()?;
    poll.registry().register(&mut SourceFd(&server.as_raw_fd()), SERVER, Interest::READABLE)?;
    let mut connections: HashMap<Token, Socket> = HashMap::new();
    let (mut taken, mut events) = (0, Events::with_capacity(16));
    while taken < clients || !connections.is_empty() {
        poll.poll(&mut events, SOON)?;
        assert!(!events.is_empty(), "nothing came, {taken} taken, {} open", connections.len());
        for event in &events {
            if event.token() == SERVER {
                // As mio says: until EAGAIN, else the next edge never comes.
                loop {
                    match server.accept4(SOCK_NONBLOCK) {
                        Ok((connection, _)) => {
                            taken += 1;
                            let token = Token(taken);
                            let fd = connection.as_raw_fd();
                            poll.registry().register(&mut SourceFd(&fd), token, Interest::READABLE)?;
                            connections.insert(token, connection);
                        }
                        Err(error) if error.errno() == Errno::EAGAIN => break,
                        Err(error) => return Err(error.into()),
                    }
                }
                continue;
            }
            let Some(connection) = connections.get(&event.token()) else { continue };
            loop {
                match connection.recv(1000, 0) {
                    Ok(data) if data.is_empty() => {
                        poll.registry().deregister(&mut SourceFd(&connection.as_raw_fd()))?;
                        connections.remove(&event.token());
                        break;
                    }
                    Ok(data) => connection.sendall(&data, 0)?,
                    Err(error) if error.errno() == Errno::EAGAIN => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
    Ok(taken)
}

#[test]
fn an_echo_server_on_mio() {
    const CLIENTS: usize = 20;
    let host = Host::builder().build().unwrap();
    let server = host.create_server(("127.0.0.1", 7), Server::default()).unwrap();
    server.setblocking(false).unwrap();
    let serving = thread::spawn(move || serve(&server, CLIENTS));
    let clients = (0..CLIENTS).map(|number| {
        let host = host.clone();
        thread::spawn(move || {
            let client = host.create_connection(("127.0.0.1", 7), SOON, None)?;
            for round in 0..10 {
                let said = format!("{number} says {round} ").repeat(50);
                client.sendall(said.as_bytes(), 0)?;
                assert_eq!(client.recv(said.len(), MSG_WAITALL)?, said.as_bytes());
            }
            Ok::<_, sockatoo::Error>(())
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.join().unwrap().unwrap();
    }
    assert_eq!(serving.join().unwrap().unwrap(), CLIENTS);
}
