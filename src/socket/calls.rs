//! bind, listen, accept, connect, shutdown, names.

use super::blocking::Patience;
use super::handle::Description;
use super::remote::connection::unexpected;
use super::{Socket, ToSockAddr};
use crate::base::constants::{
    AF_UNIX, POLLERR, POLLHUP, POLLNVAL, POLLOUT, SO_RCVTIMEO, SO_SNDTIMEO, SOCK_CLOEXEC, SOCK_NONBLOCK,
};
use crate::base::verb::{Answer, Verb};
use crate::base::{Errno, Error, Reason, Result, SockAddr};
use crate::driver::{Door, Far};

impl Socket {
    /// bind(2): gives the socket its own address. Host `""` is every address, port 0 any free port.
    ///
    /// # Errors
    /// EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, EINVAL (has one already).
    ///
    /// ```
    /// # use sockatoo::{Host, socket::*};
    /// # let host = Host::builder().build()?;
    /// let server = host.socket(AF_INET, SOCK_STREAM, 0)?;
    /// server.bind(("", 2345))?;
    /// assert_eq!(server.getsockname()?.to_string(), "0.0.0.0:2345");
    /// # Ok::<(), sockatoo::Error>(())
    /// ```
    pub fn bind(&self, address: impl ToSockAddr) -> Result<()> {
        let address = self.address(&address, true)?;
        self.verb("bind", |id| Verb::Bind(id, address)).map(drop)
    }

    /// listen(2): begins to take connections; `backlog` of them may be finished and wait for [`Socket::accept`].
    ///
    /// # Errors
    /// EADDRINUSE, EINVAL (connected), EOPNOTSUPP (not a stream).
    pub fn listen(&self, backlog: i32) -> Result<()> {
        self.verb("listen", |id| Verb::Listen(id, backlog)).map(drop)
    }

    /// accept(2): waits for a connection; gives its socket and the peer's address. The new socket has the listener's options,
    /// and blocks, unless [`setdefaulttimeout`](super::setdefaulttimeout) says otherwise.
    ///
    /// # Errors
    /// EAGAIN, ETIMEDOUT (time-out), EINVAL (does not listen), EOPNOTSUPP (not a stream), ECONNABORTED, EMFILE.
    pub fn accept(&self) -> Result<(Self, SockAddr)> {
        self.accept4(0)
    }

    /// accept4(2): [`Socket::accept`] with `SOCK_NONBLOCK` and `SOCK_CLOEXEC`.
    ///
    /// # Errors
    /// EINVAL for other flags; else as [`Socket::accept`].
    pub fn accept4(&self, flags: i32) -> Result<(Self, SockAddr)> {
        if flags & !(SOCK_NONBLOCK | SOCK_CLOEXEC) != 0 {
            return Err(Errno::EINVAL.because(Reason::WrongType));
        }
        let patience = self.patience(SO_RCVTIMEO, 0);
        let Answer::Accepted(id, peer) = self.wait("accept", patience, Verb::Accept)? else {
            return Err(unexpected());
        };
        let connection = Self::adopt(self.host(), id, self.family(), self.type_(), self.proto());
        if flags & SOCK_NONBLOCK != 0 {
            connection.setblocking(false)?;
        }
        Ok((connection, peer))
    }

    /// connect(2): of a stream the handshake, of a datagram socket the peer that it talks with. A name is resolved first.
    /// [`SockAddr::Unspec`] dissolves the association.
    ///
    /// # Errors
    /// ECONNREFUSED, ETIMEDOUT (also the time-out's), EHOSTUNREACH, ENETUNREACH, EINPROGRESS (non-blocking), EALREADY,
    /// EISCONN, EAFNOSUPPORT, EADDRNOTAVAIL; of AF_UNIX ENOENT, EPROTOTYPE, EPERM and EAGAIN (the listener's queue is full); a negative number is getaddrinfo(3)'s.
    ///
    /// ```
    /// # use sockatoo::{Errno, Host, socket::*};
    /// # let host = Host::builder().build()?;
    /// let socket = host.socket(AF_INET, SOCK_STREAM, 0)?;
    /// let error = socket.connect(("localhost", 9)).unwrap_err();
    /// assert_eq!(error.errno(), Errno::ECONNREFUSED);
    /// # Ok::<(), sockatoo::Error>(())
    /// ```
    pub fn connect(&self, address: impl ToSockAddr) -> Result<()> {
        let address = self.address(&address, false)?;
        self.connect_to(address)
    }

    /// [`Socket::connect`] that gives the error's number instead of the error, 0 for success. A time-out is EAGAIN, as in
    /// Python.
    pub fn connect_ex(&self, address: impl ToSockAddr) -> i32 {
        match self.connect(address) {
            Ok(()) => 0,
            Err(error) if error.reason() == Reason::TimedOut => Errno::EAGAIN.0,
            Err(error) => error.errno().0,
        }
    }

    pub(super) fn connect_to(&self, address: SockAddr) -> Result<()> {
        // SO_SNDTIMEO is connect's time-out too, socket(7).
        let patience = self.patience(SO_SNDTIMEO, 0);
        if self.family() == AF_UNIX {
            // It stands at once, or waits for room among those that wait for accept.
            return self.wait("connect", patience, |id| Verb::Connect(id, address)).map(drop);
        }
        let here = match self.open()?.host.door() {
            Door::Here(here) => here,
            Door::There(far) => return self.connect_there(far, address, patience),
        };
        let started = match self.verb("connect", |id| Verb::Connect(id, address)) {
            Err(error) if under_way(&error) => error,
            done => return done.map(drop),
        };
        if matches!(patience, Patience::Now) {
            return Err(started);
        }
        let outcome = self.block(here, "connect", patience, |stack, id| {
            if stack.poll(id) & (POLLOUT | POLLERR | POLLHUP | POLLNVAL) == 0 {
                return Err(Errno::EAGAIN.because(Reason::ConnectUnderWay));
            }
            match stack.connect(id, address) {
                Err(error) if under_way(&error) => Err(Errno::EAGAIN.because(Reason::ConnectUnderWay)),
                Err(error) if error.errno() == Errno::EISCONN => Ok(()),
                outcome => outcome,
            }
        });
        match outcome {
            // connect(2): a handshake that outlasts SO_SNDTIMEO goes on, and the call says so.
            Err(error) if error.errno() == Errno::EAGAIN => Err(started),
            outcome => outcome,
        }
    }

    /// The host there waits for the outcome; a handshake that outlasts the call goes on.
    fn connect_there(&self, far: &dyn Far, address: SockAddr, patience: Patience) -> Result<()> {
        match self.ask(far, patience, Verb::Connect(self.description().id, address)) {
            Err(error) if matches!(patience, Patience::Until(_)) && under_way(&error) => {
                Err(Errno::ETIMEDOUT.because(Reason::TimedOut))
            }
            outcome => outcome.map(drop),
        }
    }

    /// shutdown(2): `SHUT_RD`, `SHUT_WR` (the peer reads end of file), `SHUT_RDWR`.
    ///
    /// # Errors
    /// ENOTCONN, EINVAL.
    pub fn shutdown(&self, how: i32) -> Result<()> {
        self.verb("shutdown", |id| Verb::Shutdown(id, how)).map(drop)
    }

    /// getsockname(2): the socket's own address.
    ///
    /// # Errors
    /// EBADF.
    #[doc(alias = "local_addr")]
    pub fn getsockname(&self) -> Result<SockAddr> {
        self.look("getsockname", Verb::Name).and_then(address_of)
    }

    /// getpeername(2): the address of the connection's other end.
    ///
    /// # Errors
    /// ENOTCONN.
    #[doc(alias = "peer_addr")]
    pub fn getpeername(&self) -> Result<SockAddr> {
        self.look("getpeername", Verb::Peer).and_then(address_of)
    }

    /// What poll(2) would say now: `POLLIN`, `POLLOUT`, `POLLERR`, `POLLHUP`, `POLLRDHUP`; `POLLNVAL` of a closed socket.
    pub fn poll(&self) -> i32 {
        match self.open() {
            Ok(socket) => socket.poll(),
            Err(_) => POLLNVAL,
        }
    }

    /// The first address that a call's argument stands for.
    pub(super) fn address(&self, address: &impl ToSockAddr, passive: bool) -> Result<SockAddr> {
        let found = address.to_sock_addrs(self.host(), self.family(), passive)?;
        found.into_iter().next().ok_or_else(|| Errno::EINVAL.with("the list of addresses is empty"))
    }
}

impl Description {
    /// What poll(2) would say now.
    pub(super) fn poll(&self) -> i32 {
        match self.host.perform(Verb::Poll(self.id)) {
            Ok(Answer::Events(events)) => events,
            // The host's process has ended.
            _ => POLLERR | POLLHUP,
        }
    }
}

fn address_of(answer: Answer) -> Result<SockAddr> {
    let Answer::Address(address) = answer else { return Err(unexpected()) };
    Ok(address)
}

/// The handshake has begun, or had before.
fn under_way(error: &Error) -> bool {
    matches!(error.errno(), Errno::EINPROGRESS | Errno::EALREADY)
}
