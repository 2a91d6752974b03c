//! `sockatoo nc`: standard input to the wire, the wire to standard output.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;

use super::args::NcArgs;
use super::exit::Exit;
use super::host;
use super::interrupt::on_interrupt;
use super::say::{self, Trouble};
use crate::base::constants::*;
use crate::base::{Errno, SockAddr};
use crate::driver::Host;
use crate::socket::{Socket, getservbyname};

/// Bytes carried at once. A UDP datagram holds at most 65,507.
const PIECE: usize = 64 * 1024;
/// How long the last bytes may take to be acknowledged when all is over.
const PARTING: Duration = Duration::from_secs(5);

/// Bytes that went each way.
#[derive(Debug, Default)]
struct Carried {
    sent: AtomicU64,
    received: AtomicU64,
}

impl Carried {
    fn tell(&self, as_json: bool) {
        if as_json {
            let (sent, received) = (self.sent.load(Ordering::Relaxed), self.received.load(Ordering::Relaxed));
            say::aside(json!({ "version": say::VERSION, "type": "end", "sent": sent, "received": received }));
        }
    }
}

pub(super) fn run(args: &NcArgs, as_json: bool) -> Result<Exit, Trouble> {
    let (name, port) = target(args)?;
    let host = if args.udp { host::host(&args.host)? } else { host::tcp_host(&args.host)? };
    let carried = Arc::new(Carried::default());
    let (at_interrupt, of_interrupt) = (carried.clone(), host.clone());
    on_interrupt(move || {
        at_interrupt.tell(as_json);
        of_interrupt.shutdown();
        Exit::Interrupted
    });
    let socket =
        if args.listen { listen(&host, args, name, port)? } else { connect(&host, args, name, port)? };
    let end = carry(&socket, args, &carried);
    let _ = socket.close();
    // What is still on its way (the last data, FIN) may leave before the process does.
    let _ = host.flush(PARTING);
    carried.tell(as_json);
    end.map(|()| Exit::Ok)
}

fn target(args: &NcArgs) -> Result<(&str, u16), Trouble> {
    let (name, port) = match args.target.as_slice() {
        [name, port] => (name.as_str(), Some(port)),
        [port] if args.listen => ("", Some(port)),
        [] if args.listen => ("", None),
        _ => {
            return Err(Trouble::new("a port is missing")
                .hint("`sockatoo nc HOST PORT` connects, `sockatoo nc -l PORT` listens"));
        }
    };
    let protocol = if args.udp { "udp" } else { "tcp" };
    let number = match (port, args.source_port) {
        (Some(text), _) => text.parse().ok().or_else(|| getservbyname(text, protocol).ok()),
        (None, own) => own,
    };
    let text = port.map_or("", String::as_str);
    let number = number.ok_or_else(|| {
        Trouble::new(format!("`{text}` is neither a port nor a service")).hint("want 1 to 65535, or http")
    })?;
    Ok((name, number))
}

/// The addresses of a name, in the order in which to try them.
fn addresses(host: &Host, args: &NcArgs, name: &str, port: u16) -> Result<Vec<SockAddr>, Trouble> {
    let (kind, flags) = (kind(args), if args.listen { AI_PASSIVE } else { 0 });
    let name = (!name.is_empty()).then_some(name);
    let found = host.getaddrinfo(name, Some(&port.to_string()), args.family.number(), kind, 0, flags);
    let found = found.map_err(|e| {
        Trouble::from(e)
            .while_(name.unwrap_or("every address"))
            .hint("give an address, or a name server that knows the name: `--dns IP`")
    })?;
    Ok(found.into_iter().map(|info| info.address).collect())
}

const fn kind(args: &NcArgs) -> i32 {
    if args.udp { SOCK_DGRAM } else { SOCK_STREAM }
}

fn say(args: &NcArgs, text: impl FnOnce() -> String) {
    if args.verbose {
        say::aside(text());
    }
}

fn connect(host: &Host, args: &NcArgs, name: &str, port: u16) -> Result<Socket, Trouble> {
    let mut refused: Option<Trouble> = None;
    for address in addresses(host, args, name, port)? {
        if let Some(before) = refused.take() {
            say(args, || before.cause);
        }
        let socket = host.socket(address.family(), kind(args), 0)?;
        if let Some(own) = args.source_port {
            let any = if address.family() == AF_INET { "0.0.0.0" } else { "::" };
            socket.setsockopt(SOL_SOCKET, SO_REUSEADDR, true)?;
            socket.bind((any, own)).map_err(|e| Trouble::from(e).while_(format!("our port {own}")))?;
        }
        socket.settimeout(args.wait)?;
        match socket.connect(address) {
            Ok(()) => {
                say(args, || format!("Connection to {address} succeeded"));
                return Ok(socket);
            }
            Err(error) => {
                refused = Some(Trouble::from(error).while_(format!("connect to {address}")).answer());
            }
        }
    }
    Err(refused.unwrap_or_else(|| Trouble::new(format!("{name}: no address")).answer()))
}

fn listen(host: &Host, args: &NcArgs, name: &str, port: u16) -> Result<Socket, Trouble> {
    let all = addresses(host, args, name, port)?;
    // A socket of IPv6 without an address takes both families.
    let both = all.iter().find(|a| name.is_empty() && a.family() == AF_INET6);
    let address = *both.or_else(|| all.first()).ok_or_else(|| Trouble::new("no address to listen on"))?;
    let socket = host.socket(address.family(), kind(args), 0)?;
    socket.setsockopt(SOL_SOCKET, SO_REUSEADDR, true)?;
    if address.family() == AF_INET6 {
        socket.setsockopt(SOL_IPV6, IPV6_V6ONLY, args.family.ipv6)?;
    }
    socket.bind(address).map_err(|e| Trouble::from(e).while_(format!("listen on {address}")))?;
    if args.udp {
        say(args, || format!("Listening on {address} (UDP)"));
        // The first who sends is the one to talk to; the datagram stays to be read.
        let (_, from) = socket.recvfrom(0, MSG_PEEK)?;
        socket.connect(from)?;
        say(args, || format!("Datagram from {}", shown(from)));
        return Ok(socket);
    }
    socket.listen(1)?;
    say(args, || format!("Listening on {address}"));
    let (connection, from) = socket.accept()?;
    say(args, || format!("Connection from {}", shown(from)));
    Ok(connection)
}

/// An address as people write it: an IPv4 peer of an IPv6 socket by its IPv4 address.
fn shown(address: SockAddr) -> SockAddr {
    address.inet().map_or(address, |a| SocketAddr::new(a.ip().to_canonical(), a.port()).into())
}

/// Both directions, until the other side has sent its last byte.
fn carry(socket: &Socket, args: &NcArgs, carried: &Arc<Carried>) -> Result<(), Trouble> {
    socket.settimeout(args.wait)?;
    let sender = socket.try_clone()?;
    sender.settimeout(None)?;
    let (shut, counted) = (args.shut, carried.clone());
    // It may wait for a terminal for ever: the process ends without it.
    std::thread::spawn(move || send_input(&sender, shut, &counted));
    let mut buffer = vec![0; PIECE];
    loop {
        match socket.recv_into(&mut buffer, 0) {
            // An empty datagram is not an end.
            Ok(0) if !args.udp => return Ok(()),
            Ok(n) => {
                carried.received.fetch_add(n as u64, Ordering::Relaxed);
                say::raw(&buffer[..n]);
            }
            Err(e) if matches!(e.errno(), Errno::ETIMEDOUT | Errno::EAGAIN) && args.wait.is_some() => {
                say(args, || "idle for too long".into());
                return Ok(());
            }
            Err(e) => return Err(Trouble::from(e).while_("connection").answer()),
        }
    }
}

fn send_input(socket: &Socket, shut: bool, carried: &Carried) {
    let mut input = std::io::stdin().lock();
    let piece = if socket.type_() == SOCK_DGRAM { 16 * 1024 } else { PIECE };
    let mut buffer = vec![0; piece];
    // An error of the socket is told by the receiving side.
    while let Ok(n @ 1..) = input.read(&mut buffer) {
        if (&*socket).write_all(&buffer[..n]).is_err() {
            return;
        }
        carried.sent.fetch_add(n as u64, Ordering::Relaxed);
    }
    if shut {
        let _ = socket.shutdown(SHUT_WR);
    }
}
