//! A datagram socket of AF_UNIX with the names of `std::os::unix::net::UnixDatagram`.

use std::io;
use std::net::Shutdown;
use std::path::Path;
use std::time::Duration;

use super::{peer_cred_method, shared_methods, shutdown_method, timeout_methods};
use crate::base::constants::{AF_UNIX, MSG_PEEK, SOCK_DGRAM};
use crate::base::{Credentials, UnixAddr};
use crate::driver::Host;
use crate::socket::Socket;

/// A socket whose datagrams reach other sockets of the host, in order; none is lost.
///
/// ```
/// use sockatoo::{Host, socket::net::UnixDatagram};
/// let host = Host::builder().build()?;
/// let server = UnixDatagram::bind(&host, "/run/log")?;
/// UnixDatagram::unbound(&host)?.send_to(b"hello", "/run/log")?;
/// let mut buffer = [0; 100];
/// let (len, from) = server.recv_from(&mut buffer)?;
/// assert!(&buffer[..len] == b"hello" && from.is_unnamed());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct UnixDatagram {
    pub(super) socket: Socket,
}

shared_methods!(UnixDatagram, UnixAddr, unix);
timeout_methods!(UnixDatagram, UnixAddr, unix);
shutdown_method!(UnixDatagram);
peer_cred_method!(UnixDatagram);

impl UnixDatagram {
    /// A socket with a path: a name of the host's own, no file is made.
    ///
    /// # Errors
    /// `AddrInUse`; `InvalidInput` for a path of more than 108 bytes.
    pub fn bind(host: &Host, path: impl AsRef<Path>) -> io::Result<Self> {
        Self::bind_addr(host, &UnixAddr::from_pathname(path)?)
    }

    /// A socket with a name of any kind; [`UnixAddr::UNNAMED`] = an abstract one that is free.
    ///
    /// # Errors
    /// `AddrInUse`.
    pub fn bind_addr(host: &Host, address: &UnixAddr) -> io::Result<Self> {
        let datagram = Self::unbound(host)?;
        datagram.socket.bind(address)?;
        Ok(datagram)
    }

    /// A socket without a name: it sends, nobody can answer.
    ///
    /// # Errors
    /// As [`Host::socket`].
    pub fn unbound(host: &Host) -> io::Result<Self> {
        Ok(Self { socket: host.socket(AF_UNIX, SOCK_DGRAM, 0)? })
    }

    /// Two sockets connected with each other, without names.
    ///
    /// # Errors
    /// As [`Host::socketpair`].
    #[doc(alias = "socketpair")]
    pub fn pair(host: &Host) -> io::Result<(Self, Self)> {
        let (one, other) = host.socketpair(AF_UNIX, SOCK_DGRAM, 0)?;
        Ok((Self { socket: one }, Self { socket: other }))
    }

    /// The peer that `send` and `recv` talk with.
    ///
    /// # Errors
    /// `NotFound`, `ConnectionRefused`.
    pub fn connect(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.connect_addr(&UnixAddr::from_pathname(path)?)
    }

    /// [`UnixDatagram::connect`] by a name of any kind.
    ///
    /// # Errors
    /// `NotFound`, `ConnectionRefused`.
    pub fn connect_addr(&self, address: &UnixAddr) -> io::Result<()> {
        Ok(self.socket.connect(address)?)
    }

    /// Sends a datagram to the peer; waits while its queue is full.
    ///
    /// # Errors
    /// `NotConnected`, `ConnectionRefused`.
    pub fn send(&self, data: &[u8]) -> io::Result<usize> {
        Ok(self.socket.send(data, 0)?)
    }

    /// Sends a datagram to the socket with this path.
    ///
    /// # Errors
    /// `NotFound`, `ConnectionRefused`.
    pub fn send_to(&self, data: &[u8], path: impl AsRef<Path>) -> io::Result<usize> {
        self.send_to_addr(data, &UnixAddr::from_pathname(path)?)
    }

    /// Sends a datagram to the socket with a name of any kind.
    ///
    /// # Errors
    /// `ConnectionRefused`.
    pub fn send_to_addr(&self, data: &[u8], address: &UnixAddr) -> io::Result<usize> {
        Ok(self.socket.sendto(data, 0, address)?)
    }

    /// Waits for a datagram; what does not fit is lost.
    ///
    /// # Errors
    /// As [`Socket::recv`].
    pub fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.socket.recv_into(buffer, 0)?)
    }

    /// Waits for a datagram; tells the sender, whose address may be none.
    ///
    /// # Errors
    /// As [`Socket::recv`].
    pub fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, UnixAddr)> {
        let (len, from) = self.socket.recvfrom_into(buffer, 0)?;
        Ok((len, super::unix(from)?))
    }

    /// As [`UnixDatagram::recv_from`], but the datagram stays.
    ///
    /// # Errors
    /// As [`Socket::recv`].
    #[doc(alias = "MSG_PEEK")]
    pub fn peek_from(&self, buffer: &mut [u8]) -> io::Result<(usize, UnixAddr)> {
        let (len, from) = self.socket.recvfrom_into(buffer, MSG_PEEK)?;
        Ok((len, super::unix(from)?))
    }
}
