//! A greeting server and its client: the first two programs of every course on sockets.
//!
//! Both in one process, over the loopback:   cargo run --example greeting
//! With the kernel on the other side (as root, in a namespace of its own: `unshare -n`):
//!     ip tuntap add tap0 mode tap && ip addr add 192.0.2.1/24 dev tap0 && ip link set tap0 up
//!     cargo run --example greeting -- server tap0 192.0.2.2/24 &      then: nc 192.0.2.2 8088
//!     cargo run --example greeting -- client tap0 192.0.2.2/24 192.0.2.1      after: nc -l 8088
#![allow(clippy::print_stdout, clippy::print_stderr)] // a program for the terminal

use std::thread;

use sockatoo::device::Tap;
use sockatoo::socket::{AF_INET, SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET};
use sockatoo::{Host, Result};

const PORT: u16 = 8088;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => {
            let host = Host::builder().build()?;
            // Bound before the client starts, so that it finds somebody.
            let listener = listen(&host)?;
            let server = thread::spawn(move || greet_one(&listener));
            client(&host, "127.0.0.1")?;
            server.join().expect("the server does not panic")
        }
        ["server", tap, address] => greet_one(&listen(&on_tap(tap, address)?)?),
        ["client", tap, address, server] => client(&on_tap(tap, address)?, server),
        _ => {
            eprintln!("usage: greeting [server TAP ADDRESS/PREFIX | client TAP ADDRESS/PREFIX SERVER]");
            Ok(())
        }
    }
}

/// A host of our own on an existing TAP device.
fn on_tap(tap: &str, address: &str) -> Result<Host> {
    Host::builder().device(Tap::open(tap)?).address(address)?.build()
}

/// socket, bind, listen.
fn listen(host: &Host) -> Result<sockatoo::Socket> {
    let server = host.socket(AF_INET, SOCK_STREAM, 0)?;
    server.setsockopt(SOL_SOCKET, SO_REUSEADDR, true)?;
    server.bind(("", PORT))?;
    server.listen(5)?;
    println!("server: waiting on {}", server.getsockname()?);
    Ok(server)
}

/// accept, recv, sendall, close.
fn greet_one(server: &sockatoo::Socket) -> Result<()> {
    let (connection, address) = server.accept()?;
    println!("server: connection from {address}");
    let heard = connection.recv(1024, 0)?;
    println!("server: heard {:?}", String::from_utf8_lossy(&heard));
    connection.sendall(b"Hello, client! Your message has arrived.\n", 0)?;
    connection.close()
}

/// socket, connect, sendall, recv, close.
fn client(host: &Host, server: &str) -> Result<()> {
    let socket = host.socket(AF_INET, SOCK_STREAM, 0)?;
    socket.connect((server, PORT))?;
    socket.sendall(b"Hello, server!\n", 0)?;
    let heard = socket.recv(1024, 0)?;
    println!("client: heard {:?}", String::from_utf8_lossy(&heard));
    socket.close()
}
