//! A server's socket of AF_UNIX with the names of `std::os::unix::net::UnixListener`.

use std::io;
use std::iter::FusedIterator;
use std::path::Path;

use super::tcp_listener::BACKLOG;
use super::{UnixStream, shared_methods};
use crate::base::UnixAddr;
use crate::base::constants::{AF_UNIX, SOCK_STREAM};
use crate::driver::Host;
use crate::socket::Socket;

/// A socket that takes connections of AF_UNIX; closed when dropped, and its name is free again.
#[derive(Debug)]
pub struct UnixListener {
    pub(super) socket: Socket,
}

shared_methods!(UnixListener, UnixAddr, unix);

impl UnixListener {
    /// Listens at a path: a name of the host's own, no file is made.
    ///
    /// # Errors
    /// `AddrInUse`; `InvalidInput` for a path of more than 108 bytes.
    pub fn bind(host: &Host, path: impl AsRef<Path>) -> io::Result<Self> {
        Self::bind_addr(host, &UnixAddr::from_pathname(path)?)
    }

    /// Listens at a name of any kind; [`UnixAddr::UNNAMED`] = at an abstract one that is free.
    ///
    /// # Errors
    /// `AddrInUse`.
    pub fn bind_addr(host: &Host, address: &UnixAddr) -> io::Result<Self> {
        let socket = host.socket(AF_UNIX, SOCK_STREAM, 0)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)?;
        Ok(Self { socket })
    }

    /// Waits for a connection. The address is that of the other end, which seldom has one.
    ///
    /// # Errors
    /// As [`Socket::accept`].
    pub fn accept(&self) -> io::Result<(UnixStream, UnixAddr)> {
        let (socket, peer) = self.socket.accept()?;
        Ok((UnixStream { socket }, super::unix(peer)?))
    }

    /// One connection after the other, for ever.
    pub fn incoming(&self) -> UnixIncoming<'_> {
        UnixIncoming { listener: self }
    }
}

/// What [`UnixListener::incoming`] gives.
#[derive(Debug)]
pub struct UnixIncoming<'a> {
    listener: &'a UnixListener,
}

impl Iterator for UnixIncoming<'_> {
    type Item = io::Result<UnixStream>;
    fn next(&mut self) -> Option<io::Result<UnixStream>> {
        Some(self.listener.accept().map(|(stream, _)| stream))
    }
}

impl FusedIterator for UnixIncoming<'_> {}
