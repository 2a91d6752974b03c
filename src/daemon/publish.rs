//! `--publish`: ports of the kernel's that lead to ports of the host.
//!
//! ```text
//!   a browser --> the kernel's listener --> a connection of the kernel's  ==pump==  a connection of the stack's --> the program
//! ```
//! The program sees 127.0.0.1 as its peer.

use std::collections::HashMap;
use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::str::FromStr;

use super::native::Tools;
use crate::base::constants::{
    AF_INET, MSG_DONTWAIT, POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT, SHUT_WR, SOCK_STREAM,
};
use crate::base::verb::{Answer, Letter, Verb};
use crate::base::{Errno, Error, Result, SocketId};

/// What is to be published: `8080:80`, `192.0.2.1:8080:80`, `[::1]:8080:80`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Publish {
    /// Where the kernel's programs connect to; on 127.0.0.1 unless told otherwise.
    kernel: SocketAddr,
    /// The host's port.
    port: u16,
}

impl FromStr for Publish {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Errno::EINVAL
                .with(format!("`{text}` is no publication: want 8080:80 or 192.0.2.1:8080:80, TCP ports"))
        };
        let (kernel, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let kernel = match kernel.parse::<u16>() {
            Ok(port) => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port),
            Err(_) => kernel.parse().map_err(|_| wrong())?,
        };
        match port.parse() {
            Ok(port @ 1..) if kernel.port() > 0 => Ok(Self { kernel, port }),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Publish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kernel, self.port)
    }
}

/// A listener of the kernel's, open.
#[derive(Debug)]
pub(crate) struct Published {
    listener: TcpListener,
    port: u16,
}

impl Published {
    /// Opens it, in the network namespace in which this process is. EADDRINUSE, EACCES, EADDRNOTAVAIL.
    pub(crate) fn open(what: &Publish) -> Result<Self> {
        let named =
            |error: std::io::Error| Error::from(error).detail(format!("can't publish on {}", what.kernel));
        let listener = TcpListener::bind(what.kernel).map_err(named)?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener, port: what.port })
    }
}

/// All that is published, and the connections on the way.
#[derive(Debug, Default)]
pub(super) struct Publications {
    published: Vec<Published>,
    pipes: HashMap<u64, Pipe>,
    by_socket: HashMap<SocketId, u64>,
    last: u64,
}

/// Connections at a time.
const MOST: usize = 4096;
/// Bytes that are carried at once.
const PIECE: usize = 64 * 1024;

/// One connection of the kernel's and one of the stack's.
#[derive(Debug)]
struct Pipe {
    kernel: TcpStream,
    socket: SocketId,
    connecting: bool,
    /// Read and not written yet.
    inward: Vec<u8>,
    outward: Vec<u8>,
    inward_ended: bool,
    outward_ended: bool,
    /// The events that epoll waits for.
    watched: i32,
}

impl Publications {
    /// The bit by which epoll's tokens are theirs.
    pub(super) const TOKEN: u64 = 1 << 62;
    /// Tokens of listeners are below this.
    const FIRST: u64 = 1 << 20;

    pub(super) fn new(published: Vec<Published>, tools: &Tools<'_>) -> Result<Self> {
        for (index, one) in published.iter().enumerate() {
            tools.epoll.add(one.listener.as_fd(), Self::TOKEN | index as u64, POLLIN)?;
        }
        Ok(Self { published, last: Self::FIRST, ..Self::default() })
    }

    /// One of their descriptors is ready.
    pub(super) fn ready(&mut self, tools: &Tools<'_>, token: u64) {
        let number = token & !Self::TOKEN;
        if number >= Self::FIRST {
            return self.pump(tools, number);
        }
        let Some(one) = usize::try_from(number).ok().and_then(|index| self.published.get(index)) else {
            return;
        };
        // Whoever comes while there are too many is told so at once.
        if let Ok((kernel, _)) = one.listener.accept()
            && self.pipes.len() < MOST
        {
            let port = one.port;
            // Without a socket the connection ends here.
            let _ = self.carry(tools, kernel, port);
        }
    }

    /// The stack's side may have changed.
    pub(super) fn woken(&mut self, tools: &Tools<'_>, socket: SocketId) {
        if let Some(number) = self.by_socket.get(&socket) {
            self.pump(tools, *number);
        }
    }

    fn carry(&mut self, tools: &Tools<'_>, kernel: TcpStream, port: u16) -> Result<()> {
        kernel.set_nonblocking(true)?;
        let made = tools.host.perform(Verb::Socket { domain: AF_INET, kind: SOCK_STREAM, protocol: 0 })?;
        let Answer::Socket(socket) = made else { return Err(Errno::EPROTO.into()) };
        self.last += 1;
        tools.epoll.add(kernel.as_fd(), Self::TOKEN | self.last, 0)?;
        let (inward, outward) = (Vec::new(), Vec::new());
        let pipe = Pipe {
            kernel,
            socket,
            connecting: true,
            inward,
            outward,
            inward_ended: false,
            outward_ended: false,
            watched: 0,
        };
        self.pipes.insert(self.last, pipe);
        self.by_socket.insert(socket, self.last);
        let to = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        // EINPROGRESS; an error shows when it is pumped.
        let _ = tools.host.perform(Verb::Connect(socket, to.into()));
        self.pump(tools, self.last);
        Ok(())
    }

    fn pump(&mut self, tools: &Tools<'_>, number: u64) {
        let Some(pipe) = self.pipes.get_mut(&number) else { return };
        if pipe.pump(tools, Self::TOKEN | number).is_ok() && !pipe.is_done() {
            return;
        }
        if let Some(pipe) = self.pipes.remove(&number) {
            self.by_socket.remove(&pipe.socket);
            // FIN, or RST where data is left unread.
            let _ = tools.host.perform(Verb::Close(pipe.socket));
        }
    }
}

impl Pipe {
    fn is_done(&self) -> bool {
        self.inward_ended && self.outward_ended && self.inward.is_empty() && self.outward.is_empty()
    }

    /// Carries what can be carried. An error: one side has failed.
    fn pump(&mut self, tools: &Tools<'_>, token: u64) -> Result<()> {
        if self.connecting {
            let outcome = POLLOUT | POLLERR | POLLHUP | POLLNVAL;
            match tools.host.perform(Verb::Poll(self.socket))? {
                Answer::Events(events) if events & outcome == 0 => return Ok(()),
                Answer::Events(events) if events & POLLERR != 0 => return Err(Errno::ECONNREFUSED.into()),
                _ => self.connecting = false,
            }
        }
        // Each way until it can't go on; a turn is bounded by what the buffers hold.
        for _ in 0..16 {
            if !self.pump_inward(tools)? & !self.pump_outward(tools)? {
                break;
            }
        }
        let room = self.inward.is_empty() && !self.inward_ended;
        let watched = if room { POLLIN } else { 0 } | if self.outward.is_empty() { 0 } else { POLLOUT };
        if watched != self.watched {
            match (self.watched, watched) {
                // A connection that has failed or hung up would be "ready" though nothing is asked.
                (_, 0) => tools.epoll.remove(self.kernel.as_fd())?,
                (0, _) => {
                    // It is in the set already, the first time.
                    let _ = tools.epoll.remove(self.kernel.as_fd());
                    tools.epoll.add(self.kernel.as_fd(), token, watched)?;
                }
                _ => tools.epoll.modify(self.kernel.as_fd(), token, watched)?,
            }
            self.watched = watched;
        }
        Ok(())
    }

    /// Kernel to stack. True if something was carried.
    fn pump_inward(&mut self, tools: &Tools<'_>) -> Result<bool> {
        if self.inward.is_empty() && !self.inward_ended {
            let mut piece = vec![0; PIECE];
            match self.kernel.read(&mut piece) {
                Ok(0) => {
                    self.inward_ended = true;
                    tools.host.perform(Verb::Shutdown(self.socket, SHUT_WR))?;
                    return Ok(true);
                }
                Ok(len) => {
                    piece.truncate(len);
                    self.inward = piece;
                }
                Err(error) if is_later(&error) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        if self.inward.is_empty() {
            return Ok(false);
        }
        let letter = Letter { data: self.inward.clone(), flags: MSG_DONTWAIT, ..Letter::default() };
        match tools.host.perform(Verb::Send(self.socket, vec![letter])) {
            Ok(Answer::Count(sent)) => {
                self.inward.drain(..sent.min(self.inward.len()));
                Ok(true)
            }
            Err(error) if error.errno() != Errno::EAGAIN => Err(error),
            _ => Ok(false),
        }
    }

    /// Stack to kernel. True if something was carried.
    fn pump_outward(&mut self, tools: &Tools<'_>) -> Result<bool> {
        if self.outward.is_empty() && !self.outward_ended {
            let verb = Verb::Receive { socket: self.socket, count: 1, size: PIECE, flags: MSG_DONTWAIT };
            match tools.host.perform(verb) {
                Ok(Answer::Letters(mut letters)) => {
                    self.outward = letters.pop().map(|letter| letter.data).unwrap_or_default();
                    if self.outward.is_empty() {
                        self.outward_ended = true;
                        self.kernel.shutdown(Shutdown::Write)?;
                        return Ok(true);
                    }
                }
                Err(error) if error.errno() != Errno::EAGAIN => return Err(error),
                _ => return Ok(false),
            }
        }
        if self.outward.is_empty() {
            return Ok(false);
        }
        match self.kernel.write(&self.outward) {
            Ok(written) => {
                self.outward.drain(..written);
                Ok(true)
            }
            Err(error) if is_later(&error) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

fn is_later(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::{Host, Local};
    use crate::sys::epoll::Epoll;
    use std::time::Duration;

    /// A request to the kernel's port reaches a listener of the stack, and its answer comes back whole, with both ends' ends.
    #[test]
    fn bytes_are_carried_both_ways_to_the_end() {
        let host = Local::new(Host::builder().embedded().build().unwrap()).unwrap();
        host.take_woken();
        let server = match host.perform(Verb::Socket { domain: AF_INET, kind: SOCK_STREAM, protocol: 0 }) {
            Ok(Answer::Socket(id)) => id,
            other => panic!("{other:?}"),
        };
        host.perform(Verb::Bind(server, ([0, 0, 0, 0], 80).into())).unwrap();
        host.perform(Verb::Listen(server, 4)).unwrap();
        let epoll = Epoll::new().unwrap();
        let tools = |host, epoll| Tools { host, epoll, now: Host::now(host) };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let to = listener.local_addr().unwrap();
        let mut publications =
            Publications::new(vec![Published { listener, port: 80 }], &tools(&host, &epoll)).unwrap();
        let bytes: Vec<u8> = (0..1_000_000_u32).map(|n| (n.wrapping_mul(n) >> 7) as u8).collect();
        let sent = bytes.clone();
        let client = std::thread::spawn(move || {
            let mut client = TcpStream::connect(to).unwrap();
            client.write_all(&sent).unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).unwrap();
            answer
        });
        // The program: it answers with what it gets.
        let (mut program, mut unsent, mut ended) = (None, Vec::new(), false);
        let mut ready = Vec::new();
        let mut carried = false;
        while !carried || !publications.pipes.is_empty() {
            let timeout = host.deadline().map_or(Duration::from_secs(1), |due| due.since(host.now()));
            epoll.wait(&mut ready, Some(timeout.min(Duration::from_millis(10)))).unwrap();
            host.drive();
            for found in &ready {
                publications.ready(&tools(&host, &epoll), found.token);
            }
            if let Ok(Answer::Accepted(id, _)) = host.perform(Verb::Accept(server)) {
                (program, carried) = (Some(id), true);
            }
            if let Some(id) = program {
                let verb = Verb::Receive { socket: id, count: 1, size: 1 << 16, flags: MSG_DONTWAIT };
                if let Ok(Answer::Letters(letters)) = host.perform(verb) {
                    ended |= letters[0].data.is_empty();
                    unsent.extend_from_slice(&letters[0].data);
                }
                let letter = Letter { data: unsent.clone(), flags: MSG_DONTWAIT, ..Letter::default() };
                if let Ok(Answer::Count(sent)) = host.perform(Verb::Send(id, vec![letter])) {
                    unsent.drain(..sent);
                }
                if ended && unsent.is_empty() {
                    host.perform(Verb::Close(id)).unwrap();
                    program = None;
                }
            }
            for socket in host.take_woken() {
                publications.woken(&tools(&host, &epoll), socket);
            }
        }
        assert!(client.join().unwrap() == bytes, "other bytes came back");
    }

    #[test]
    fn what_is_published_is_written_as_people_know_it() {
        for (text, same) in [
            ("8080:80", "127.0.0.1:8080:80"),
            ("192.0.2.1:8080:80", "192.0.2.1:8080:80"),
            ("[2001:db8::1]:8080:80", "[2001:db8::1]:8080:80"),
        ] {
            assert_eq!(text.parse::<Publish>().unwrap().to_string(), same);
        }
        for bad in ["", "80", "0:80", "80:0", "a:80", "80:65536", "2001:db8::1:80:80", "80:80/sctp"] {
            assert!(bad.parse::<Publish>().is_err(), "{bad}");
        }
    }
}
