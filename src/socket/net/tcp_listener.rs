//! A TCP server's socket with the names of `std::net::TcpListener`.

use std::io;
use std::iter::FusedIterator;
use std::net::SocketAddr;

use super::{TcpStream, first_that, shared_methods, ttl_methods};
use crate::base::constants::SOCK_STREAM;
use crate::driver::Host;
use crate::socket::{Socket, ToSockAddr};

/// A socket that takes TCP connections; closed when dropped.
#[derive(Debug)]
pub struct TcpListener {
    pub(super) socket: Socket,
}

shared_methods!(TcpListener, SocketAddr, inet);
ttl_methods!(TcpListener);

/// As many finished connections may wait; the number of `std`.
pub(super) const BACKLOG: i32 = 128;

impl TcpListener {
    /// Listens on the first of the addresses that can be bound, with SO_REUSEADDR as `std`.
    ///
    /// # Errors
    /// `AddrInUse`, `AddrNotAvailable`.
    pub fn bind(host: &Host, address: impl ToSockAddr) -> io::Result<Self> {
        first_that(host, address, true, |address| {
            let socket = host.socket(address.family(), SOCK_STREAM, 0)?;
            socket.set_reuse_address(true)?;
            socket.bind(address)?;
            socket.listen(BACKLOG)?;
            Ok(Self { socket })
        })
    }

    /// Waits for a connection.
    ///
    /// # Errors
    /// As [`Socket::accept`].
    pub fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (socket, peer) = self.socket.accept()?;
        Ok((TcpStream { socket }, super::inet(peer)?))
    }

    /// One connection after the other, for ever.
    ///
    /// ```no_run
    /// use std::io::Write;
    /// use sockatoo::{Host, socket::net::TcpListener};
    /// let host = Host::builder().build()?;
    /// for stream in TcpListener::bind(&host, "0.0.0.0:2345")?.incoming() {
    ///     stream?.write_all(b"Hello World")?;
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming { listener: self }
    }
}

/// What [`TcpListener::incoming`] gives.
#[derive(Debug)]
pub struct Incoming<'a> {
    listener: &'a TcpListener,
}

impl Iterator for Incoming<'_> {
    type Item = io::Result<TcpStream>;
    fn next(&mut self) -> Option<io::Result<TcpStream>> {
        Some(self.listener.accept().map(|(stream, _)| stream))
    }
}

impl FusedIterator for Incoming<'_> {}
