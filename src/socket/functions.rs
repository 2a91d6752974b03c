//! The functions beside the methods: connections and servers in one call, pairs, the host's own names.

use std::time::Duration;

use super::remote::connection::unexpected;
use super::{Socket, ToSockAddr, getdefaulttimeout};
use crate::base::constants::{
    AF_INET, AF_INET6, AF_UNIX, IPPROTO_IPV6, IPV6_V6ONLY, SO_REUSEADDR, SO_REUSEPORT, SOCK_CLOEXEC,
    SOCK_DGRAM, SOCK_NONBLOCK, SOCK_STREAM, SOL_SOCKET,
};
use crate::base::verb::{Answer, Verb};
use crate::base::{Errno, Result, SockAddr};
use crate::driver::Host;

/// What [`Host::create_server`] is asked beside the address. The default is Python's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Server {
    /// `AF_INET` or `AF_INET6`.
    pub family: i32,
    /// How many finished connections may wait; `None` = a sensible number.
    pub backlog: Option<i32>,
    /// SO_REUSEPORT: other servers may have the same address.
    pub reuse_port: bool,
    /// Of AF_INET6: IPv4 clients too.
    pub dualstack_ipv6: bool,
}

impl Default for Server {
    fn default() -> Self {
        Self { family: AF_INET, backlog: None, reuse_port: false, dualstack_ipv6: false }
    }
}

/// Python's backlog where none is given.
const BACKLOG: i32 = 128;

impl Host {
    /// Connects to a TCP service: tries all addresses of the name in turn, each with `timeout` (`None` = the default
    /// time-out), from `source` where given.
    ///
    /// # Errors
    /// The last address's, see [`Socket::connect`]; a negative number is getaddrinfo(3)'s.
    ///
    /// ```
    /// use sockatoo::{Host, socket::*};
    /// let host = Host::builder().build()?;
    /// let server = host.create_server(("127.0.0.1", 8000), Server::default())?;
    /// let client = host.create_connection(("localhost", 8000), None, None)?;
    /// assert_eq!(server.accept()?.1, client.getsockname()?);
    /// # Ok::<(), sockatoo::Error>(())
    /// ```
    pub fn create_connection(
        &self,
        address: impl ToSockAddr,
        timeout: Option<Duration>,
        source: Option<SockAddr>,
    ) -> Result<Socket> {
        let mut failure = Errno::EAI_NODATA.with("the name has no address");
        for address in address.to_sock_addrs(self, 0, false)? {
            match self.try_connection(address, timeout.or_else(getdefaulttimeout), source) {
                Ok(socket) => return Ok(socket),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    fn try_connection(
        &self,
        address: SockAddr,
        timeout: Option<Duration>,
        source: Option<SockAddr>,
    ) -> Result<Socket> {
        let socket = self.socket(address.family(), SOCK_STREAM, 0)?;
        socket.settimeout(timeout)?;
        if let Some(source) = source {
            socket.bind(source)?;
        }
        socket.connect(address)?;
        Ok(socket)
    }

    /// A TCP socket that listens on `address`, with SO_REUSEADDR.
    ///
    /// # Errors
    /// As [`Socket::bind`]; EINVAL for `dualstack_ipv6` with another family than AF_INET6.
    ///
    /// ```
    /// use sockatoo::{Host, socket::*};
    /// let host = Host::builder().build()?;
    /// let both = Server { family: AF_INET6, dualstack_ipv6: true, ..Server::default() };
    /// let server = host.create_server(("", 8000), both)?;
    /// host.create_connection(("127.0.0.1", 8000), None, None)?;
    /// host.create_connection(("::1", 8000), None, None)?;
    /// # Ok::<(), sockatoo::Error>(())
    /// ```
    pub fn create_server(&self, address: impl ToSockAddr, how: Server) -> Result<Socket> {
        if how.dualstack_ipv6 && how.family != AF_INET6 {
            return Err(Errno::EINVAL.with("dualstack_ipv6 wants the family AF_INET6"));
        }
        let socket = self.socket(how.family, SOCK_STREAM, 0)?;
        socket.setsockopt(SOL_SOCKET, SO_REUSEADDR, true)?;
        if how.reuse_port {
            socket.setsockopt(SOL_SOCKET, SO_REUSEPORT, true)?;
        }
        if how.family == AF_INET6 {
            socket.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, !how.dualstack_ipv6)?;
        }
        let address = socket.address(&address, true)?;
        socket
            .bind(address)
            .map_err(|error| error.clone().detail(format!("{} (while binding {address})", error.why())))?;
        socket.listen(how.backlog.unwrap_or(BACKLOG))?;
        Ok(socket)
    }

    /// True: a listening socket of AF_INET6 can take IPv4 connections too.
    pub fn has_dualstack_ipv6(&self) -> bool {
        true
    }

    /// socketpair(2): two sockets connected with each other. The family is `AF_UNIX`, also if it is `None`; or `AF_INET` or
    /// `AF_INET6` (`SOCK_STREAM` or `SOCK_DGRAM`), over the loopback, which Linux does not have.
    ///
    /// # Errors
    /// As [`Host::socket`].
    ///
    /// ```
    /// use sockatoo::{Host, socket::*};
    /// let host = Host::builder().build()?;
    /// let (one, other) = host.socketpair(None, SOCK_SEQPACKET, 0)?;
    /// one.send(b"one", 0)?;
    /// one.send(b"two", 0)?;
    /// assert_eq!((other.family(), other.recv(100, 0)?), (AF_UNIX, b"one".to_vec()));
    /// # Ok::<(), sockatoo::Error>(())
    /// ```
    ///
    /// ```
    /// use sockatoo::{Host, socket::*};
    /// let host = Host::builder().build()?;
    /// let (one, other) = host.socketpair(AF_INET, SOCK_STREAM, 0)?;
    /// one.sendall(b"hello", 0)?;
    /// assert_eq!(other.recv(100, 0)?, b"hello");
    /// # Ok::<(), sockatoo::Error>(())
    /// ```
    pub fn socketpair(
        &self,
        family: impl Into<Option<i32>>,
        kind: i32,
        protocol: i32,
    ) -> Result<(Socket, Socket)> {
        let family = family.into().unwrap_or(AF_UNIX);
        let loopback = match family {
            AF_INET => "127.0.0.1",
            AF_INET6 => "::1",
            _ => return self.native_pair(family, kind, protocol),
        };
        let first = self.socket(family, kind, protocol)?;
        first.bind((loopback, 0))?;
        let second = self.socket(family, kind, protocol)?;
        if first.type_() == SOCK_DGRAM {
            second.bind((loopback, 0))?;
            second.connect(first.getsockname()?)?;
            first.connect(second.getsockname()?)?;
            return Ok((first, second));
        }
        first.listen(1)?;
        second.setblocking(true)?;
        second.connect(first.getsockname()?)?;
        let (mut accepted, mut peer) = first.accept()?;
        // Somebody else may have been faster: theirs is not ours.
        while peer != second.getsockname()? {
            (accepted, peer) = first.accept()?;
        }
        accepted.settimeout(first.gettimeout())?;
        second.settimeout(first.gettimeout())?;
        Ok((accepted, second))
    }

    /// socketpair(2) of a family that has it.
    fn native_pair(&self, family: i32, kind: i32, protocol: i32) -> Result<(Socket, Socket)> {
        let plain = kind & !(SOCK_NONBLOCK | SOCK_CLOEXEC);
        self.alive()?;
        let Answer::Pair(one, other) = self.perform(Verb::Pair { domain: family, kind: plain, protocol })?
        else {
            return Err(unexpected());
        };
        let adopt = |id| Socket::adopt(self, id, family, plain, protocol);
        let pair = (adopt(one), adopt(other));
        if kind & SOCK_NONBLOCK != 0 {
            pair.0.setblocking(false)?;
            pair.1.setblocking(false)?;
        }
        Ok(pair)
    }

    /// gethostname(2).
    pub fn gethostname(&self) -> String {
        self.hostname()
    }

    /// sethostname(2): this host's name from now on; the machine's stays.
    ///
    /// # Errors
    /// EINVAL (over 64 bytes), ENETDOWN.
    ///
    /// ```
    /// use sockatoo::Host;
    /// let host = Host::builder().build()?;
    /// host.sethostname("parrot")?;
    /// assert_eq!(host.gethostname(), "parrot");
    /// # Ok::<(), sockatoo::Error>(())
    /// ```
    pub fn sethostname(&self, name: &str) -> Result<()> {
        self.alive()?;
        self.perform(Verb::SetHostname(name.to_owned())).map(drop)
    }
}
