//! What is measured under `run`, and as any program: a client and a server on the sockets of `std::net`.
//!
//! `sockatoo bench work server` prints its port; `sockatoo bench work KIND PORT` does KIND for a second or so, and prints how
//! much of it a second had room for. Neither knows on whose sockets it stands.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use crate::cli::args::{Work, WorkArgs};
use crate::cli::exit::Exit;
use crate::cli::say::{self, Trouble};

/// How long a figure is measured.
const TIME: Duration = Duration::from_millis(800);
/// Bytes of one write of a stream.
const PIECE: usize = 128 * 1024;
/// Bytes of a small message.
const SMALL: usize = 64;

/// The first byte of a connection tells the server what it is for.
const ECHO: u8 = b'e';
const SINK: u8 = b's';
const SOURCE: u8 = b'o';

pub(super) fn run(args: &WorkArgs) -> Result<Exit, Trouble> {
    let port = args.port.unwrap_or(0);
    let figure = match args.kind {
        Work::Server => return server().map_err(trouble),
        Work::Reach => open(port, SINK).map(|_| 1.0),
        Work::Bulk => bulk(port),
        Work::Receive => receive(port),
        Work::RoundTrip => round_trip(port),
        Work::Connect => connect(port),
        Work::Udp => udp(port, false),
        Work::UdpConnected => udp(port, true),
        Work::Call => call(port),
        Work::Socket => socket(),
    };
    say::line(format!("{:.1}", figure.map_err(trouble)?));
    Ok(Exit::Ok)
}

fn trouble(error: std::io::Error) -> Trouble {
    Trouble::new(format!("the measured program failed: {error}"))
}

/// Serves until its standard input ends.
fn server() -> std::io::Result<Exit> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let datagrams = UdpSocket::bind(address)?;
    say::line(address.port());
    thread::spawn(move || {
        let mut buffer = [0; 2048];
        while let Ok((len, from)) = datagrams.recv_from(&mut buffer) {
            let _ = datagrams.send_to(buffer.get(..len).unwrap_or_default(), from);
        }
    });
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || serve(stream));
        }
    });
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(Exit::Ok)
}

fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut kind = [0];
    stream.read_exact(&mut kind)?;
    let mut buffer = vec![0; PIECE];
    match kind {
        [SOURCE] => loop {
            stream.write_all(&buffer)?;
        },
        [SINK] => while stream.read(&mut buffer)? > 0 {},
        _ => loop {
            let len = stream.read(&mut buffer)?;
            if len == 0 {
                break;
            }
            stream.write_all(&buffer[..len])?;
        },
    }
    Ok(())
}

fn open(port: u16, kind: u8) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_nodelay(true)?;
    stream.write_all(&[kind])?;
    Ok(stream)
}

/// How much a second has room for of what `once` does and counts.
fn rate(mut once: impl FnMut() -> std::io::Result<usize>) -> std::io::Result<f64> {
    let (begin, mut done) = (Instant::now(), 0);
    while begin.elapsed() < TIME {
        done += once()?;
    }
    Ok(done as f64 / begin.elapsed().as_secs_f64())
}

/// MB/s to the server.
fn bulk(port: u16) -> std::io::Result<f64> {
    let mut stream = open(port, SINK)?;
    let buffer = vec![0; PIECE];
    Ok(rate(|| stream.write_all(&buffer).map(|()| buffer.len()))? / 1e6)
}

/// MB/s from the server.
fn receive(port: u16) -> std::io::Result<f64> {
    let mut stream = open(port, SOURCE)?;
    let mut buffer = vec![0; PIECE];
    Ok(rate(|| stream.read(&mut buffer))? / 1e6)
}

fn round_trip(port: u16) -> std::io::Result<f64> {
    let mut stream = open(port, ECHO)?;
    let mut buffer = [0; SMALL];
    rate(|| {
        stream.write_all(&buffer)?;
        stream.read_exact(&mut buffer).map(|()| 1)
    })
}

/// Connections with a request, an answer and a close.
fn connect(port: u16) -> std::io::Result<f64> {
    rate(|| {
        let mut stream = open(port, ECHO)?;
        stream.write_all(&[1; SMALL])?;
        stream.read_exact(&mut [0; SMALL]).map(|()| 1)
    })
}

fn udp(port: u16, connected: bool) -> std::io::Result<f64> {
    let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut buffer = [0; SMALL];
    if connected {
        socket.connect(server)?;
        return rate(|| {
            socket.send(&buffer)?;
            socket.recv(&mut buffer).map(|_| 1)
        });
    }
    rate(|| {
        socket.send_to(&buffer, server)?;
        socket.recv_from(&mut buffer).map(|_| 1)
    })
}

/// getsockopt(2) of TCP_NODELAY.
fn call(port: u16) -> std::io::Result<f64> {
    let stream = open(port, ECHO)?;
    rate(|| stream.nodelay().map(|_| 1))
}

/// socket(2), bind(2), close(2).
fn socket() -> std::io::Result<f64> {
    rate(|| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map(|_| 1))
}
