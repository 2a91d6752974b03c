//! `--publish`: ports of the kernel's that lead to ports of the host.
//!
//! ```text
//!   a browser --> the kernel's listener --> a connection of the kernel's  ==pipe==  a connection of the stack's --> the program
//!   a resolver --> the kernel's UDP socket  ==flow, one for each peer==  a UDP socket of the stack's --> the program
//! ```
//! The program sees 127.0.0.1 or ::1 as its peer: the family in which the kernel's program came, or, if the host's program does
//! not listen there, the other one.
//!
//! | file | what |
//! |---|---|
//! | `pipe.rs` | one TCP connection |
//! | `flows.rs` | the peers of a UDP port |

mod flows;
mod pipe;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsFd;
use std::str::FromStr;

use self::flows::Flows;
use self::pipe::Pipe;
use super::native::Tools;
use super::spare::Spare;
use crate::base::constants::{AF_INET, AF_INET6, POLLIN};
use crate::base::verb::{Answer, Verb};
use crate::base::{Errno, Error, Result, SocketId};

/// What is to be published: `8080:80`, `192.0.2.1:8080:80`, `[::1]:8080:80`, `5353:53/udp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Publish {
    /// Where the kernel's programs connect to; on 127.0.0.1 and ::1 unless told otherwise.
    address: Option<IpAddr>,
    kernel: u16,
    /// The host's port.
    port: u16,
    udp: bool,
}

impl FromStr for Publish {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Errno::EINVAL.with(format!(
                "`{text}` is no publication: want 8080:80, 192.0.2.1:8080:80, [::1]:8080:80 or 5353:53/udp"
            ))
        };
        let (ports, udp) = match text.rsplit_once('/') {
            None => (text, false),
            Some((ports, "tcp")) => (ports, false),
            Some((ports, "udp")) => (ports, true),
            Some(_) => return Err(wrong()),
        };
        let (kernel, port) = ports.rsplit_once(':').ok_or_else(wrong)?;
        let (address, kernel) = match kernel.parse::<u16>() {
            Ok(kernel) => (None, kernel),
            Err(_) => {
                let kernel: SocketAddr = kernel.parse().map_err(|_| wrong())?;
                (Some(kernel.ip()), kernel.port())
            }
        };
        match port.parse() {
            Ok(port @ 1..) if kernel > 0 => Ok(Self { address, kernel, port, udp }),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Publish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => write!(f, "{}", SocketAddr::new(address, self.kernel))?,
            None => write!(f, "{}", self.kernel)?,
        }
        write!(f, ":{}{}", self.port, if self.udp { "/udp" } else { "" })
    }
}

/// A socket of the kernel's, open.
#[derive(Debug)]
pub(crate) struct Published {
    door: Door,
    port: u16,
}

#[derive(Debug)]
enum Door {
    Tcp(TcpListener),
    Udp(UdpSocket),
}

impl Published {
    /// Opens what is wanted, in the network namespace in which this process is. EADDRINUSE, EACCES, EADDRNOTAVAIL.
    pub(crate) fn open(what: &Publish) -> Result<Vec<Self>> {
        let Some(address) = what.address else {
            let mut both = vec![Self::at(what, Ipv4Addr::LOCALHOST.into())?];
            match Self::at(what, Ipv6Addr::LOCALHOST.into()) {
                // A kernel without IPv6.
                Err(error) if matches!(error.errno(), Errno::EADDRNOTAVAIL | Errno::EAFNOSUPPORT) => {}
                v6 => both.push(v6?),
            }
            return Ok(both);
        };
        Ok(vec![Self::at(what, address)?])
    }

    fn at(what: &Publish, address: IpAddr) -> Result<Self> {
        let at = SocketAddr::new(address, what.kernel);
        let named = |error: std::io::Error| Error::from(error).detail(format!("can't publish on {at}"));
        let door = if what.udp {
            let socket = UdpSocket::bind(at).map_err(named)?;
            socket.set_nonblocking(true)?;
            Door::Udp(socket)
        } else {
            let listener = TcpListener::bind(at).map_err(named)?;
            listener.set_nonblocking(true)?;
            Door::Tcp(listener)
        };
        Ok(Self { door, port: what.port })
    }
}

/// All that is published, and the connections on the way.
#[derive(Debug, Default)]
pub(super) struct Publications {
    published: Vec<Published>,
    spare: Spare,
    pipes: HashMap<u64, Pipe>,
    by_socket: HashMap<SocketId, u64>,
    flows: Flows,
    last: u64,
}

/// Connections at a time.
const MOST: usize = 4096;

impl Publications {
    /// The bit by which epoll's tokens are theirs.
    pub(super) const TOKEN: u64 = 1 << 62;
    /// Tokens of what is published are below this.
    const FIRST: u64 = 1 << 20;

    pub(super) fn new(published: Vec<Published>, tools: &Tools<'_>) -> Result<Self> {
        for (index, one) in published.iter().enumerate() {
            let fd = match &one.door {
                Door::Tcp(listener) => listener.as_fd(),
                Door::Udp(socket) => socket.as_fd(),
            };
            tools.epoll.add(fd, Self::TOKEN | index as u64, POLLIN)?;
        }
        Ok(Self { published, last: Self::FIRST, ..Self::default() })
    }

    /// One of their descriptors is ready.
    pub(super) fn ready(&mut self, tools: &Tools<'_>, token: u64) {
        let number = token & !Self::TOKEN;
        if number >= Self::FIRST {
            return self.pump(tools, number);
        }
        let Some((index, one)) =
            usize::try_from(number).ok().and_then(|index| Some((index, self.published.get(index)?)))
        else {
            return;
        };
        match &one.door {
            Door::Tcp(listener) => {
                // Whoever comes while there are too many is told so at once.
                if let Ok((kernel, peer)) = self.spare.accept(listener, || listener.accept())
                    && self.pipes.len() < MOST
                {
                    self.last += 1;
                    let (number, ways) = (self.last, ways(peer, one.port));
                    // Without a socket the connection ends here.
                    if let Ok(pipe) = Pipe::new(tools, kernel, ways, Self::TOKEN | number) {
                        self.by_socket.insert(pipe.socket(), number);
                        self.pipes.insert(number, pipe);
                        self.pump(tools, number);
                    }
                }
            }
            Door::Udp(socket) => self.flows.inward(tools, (index, socket), one.port),
        }
    }

    /// The stack's side may have changed.
    pub(super) fn woken(&mut self, tools: &Tools<'_>, socket: SocketId) {
        if let Some(number) = self.by_socket.get(&socket) {
            return self.pump(tools, *number);
        }
        let published = &self.published;
        self.flows.outward(tools, socket, |index| match published.get(index) {
            Some(Published { door: Door::Udp(socket), .. }) => Some(socket),
            _ => None,
        });
    }

    fn pump(&mut self, tools: &Tools<'_>, number: u64) {
        let Some(pipe) = self.pipes.get_mut(&number) else { return };
        let before = pipe.socket();
        let goes_on = pipe.pump(tools, Self::TOKEN | number).is_ok() && !pipe.is_done();
        let now = pipe.socket();
        if now != before || !goes_on {
            self.by_socket.remove(&before);
            // FIN, or RST where data is left unread.
            let _ = tools.host.perform(Verb::Close(before));
        }
        if goes_on {
            self.by_socket.insert(now, number);
        } else {
            self.pipes.remove(&number);
        }
    }
}

/// Where a program of the host may listen, for a peer of the kernel's; the likelier one first.
fn ways(peer: SocketAddr, port: u16) -> [SocketAddr; 2] {
    let v4 = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
    let v6 = SocketAddr::new(Ipv6Addr::LOCALHOST.into(), port);
    if peer.ip().to_canonical().is_ipv4() { [v4, v6] } else { [v6, v4] }
}

/// A socket of the stack's that connects to a program of the host.
fn dial(tools: &Tools<'_>, kind: i32, to: SocketAddr) -> Result<SocketId> {
    let domain = if to.is_ipv4() { AF_INET } else { AF_INET6 };
    match tools.host.perform(Verb::Socket { domain, kind, protocol: 0 })? {
        Answer::Socket(socket) => {
            // Of a stream EINPROGRESS; errors show when it is used.
            let _ = tools.host.perform(Verb::Connect(socket, to.into()));
            Ok(socket)
        }
        _ => Err(Errno::EPROTO.into()),
    }
}

fn is_later(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
