//! AF_UNIX for tokio: inside one host.

use std::io;
use std::path::Path;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::{shared_methods, stream_methods, watched};
use crate::base::constants::{AF_UNIX, SOCK_NONBLOCK, SOCK_STREAM};
use crate::base::{Credentials, UnixAddr};
use crate::driver::Host;
use crate::socket::Socket;
use crate::socket::net::{self, unix};

/// A connection inside a host; closed when dropped.
///
/// ```
/// use sockatoo::{Host, socket::tokio::{UnixListener, UnixStream}};
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let host = Host::builder().build()?;
/// let listener = UnixListener::bind(&host, "/run/greetings")?;
/// let mut client = UnixStream::connect(&host, "/run/greetings").await?;
/// let (mut server, _) = listener.accept().await?;
/// client.write_all(b"hello").await?;
/// client.shutdown().await?;
/// let mut text = String::new();
/// server.read_to_string(&mut text).await?;
/// assert_eq!(text, "hello");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct UnixStream {
    io: AsyncFd<Socket>,
}

shared_methods!(UnixStream, UnixAddr, unix);
stream_methods!(UnixStream, UnixAddr, unix);

impl UnixStream {
    /// Connects to the listener at a path.
    ///
    /// # Errors
    /// As [`net::UnixStream::connect`].
    pub async fn connect(host: &Host, path: impl AsRef<Path>) -> io::Result<Self> {
        Self::connect_addr(host, &UnixAddr::from_pathname(path)?).await
    }

    /// Connects to the listener with a name of any kind.
    ///
    /// # Errors
    /// As [`net::UnixStream::connect_addr`]; `WouldBlock` while its queue is full: nothing tells when it no longer is.
    pub async fn connect_addr(host: &Host, address: &UnixAddr) -> io::Result<Self> {
        let socket = host.socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0)?;
        socket.connect(address)?;
        Self::from_socket(socket)
    }

    /// Two ends of one connection, without names.
    ///
    /// # Errors
    /// As [`Host::socketpair`]; there must be a reactor.
    pub fn pair(host: &Host) -> io::Result<(Self, Self)> {
        let (one, other) = net::UnixStream::pair(host)?;
        Ok((Self::from_socket(one.into())?, Self::from_socket(other.into())?))
    }

    /// Whose process is at the other end.
    ///
    /// # Errors
    /// EBADF.
    #[doc(alias = "SO_PEERCRED")]
    pub fn peer_cred(&self) -> io::Result<Credentials> {
        Ok(self.as_socket().peer_credentials()?)
    }
}

/// A socket that takes connections of AF_UNIX; closed when dropped.
#[derive(Debug)]
pub struct UnixListener {
    io: AsyncFd<Socket>,
}

shared_methods!(UnixListener, UnixAddr, unix);

impl UnixListener {
    /// Listens at a path: a name of the host's own, no file is made.
    ///
    /// # Errors
    /// As [`net::UnixListener::bind`].
    pub fn bind(host: &Host, path: impl AsRef<Path>) -> io::Result<Self> {
        Self::from_socket(net::UnixListener::bind(host, path)?.into())
    }

    /// Listens at a name of any kind.
    ///
    /// # Errors
    /// As [`net::UnixListener::bind_addr`].
    pub fn bind_addr(host: &Host, address: &UnixAddr) -> io::Result<Self> {
        Self::from_socket(net::UnixListener::bind_addr(host, address)?.into())
    }

    /// Waits for a connection. Cancel safe.
    ///
    /// # Errors
    /// As [`Socket::accept`].
    pub async fn accept(&self) -> io::Result<(UnixStream, UnixAddr)> {
        let (socket, peer) = self.io.async_io(Interest::READABLE, |socket| Ok(socket.accept()?)).await?;
        Ok((UnixStream::from_socket(socket)?, unix(peer)?))
    }
}

/// A datagram socket of AF_UNIX.
#[derive(Debug)]
pub struct UnixDatagram {
    io: AsyncFd<Socket>,
}

shared_methods!(UnixDatagram, UnixAddr, unix);

impl UnixDatagram {
    /// A socket with a path: a name of the host's own, no file is made.
    ///
    /// # Errors
    /// As [`net::UnixDatagram::bind`].
    pub fn bind(host: &Host, path: impl AsRef<Path>) -> io::Result<Self> {
        Self::from_socket(net::UnixDatagram::bind(host, path)?.into())
    }

    /// A socket with a name of any kind.
    ///
    /// # Errors
    /// As [`net::UnixDatagram::bind_addr`].
    pub fn bind_addr(host: &Host, address: &UnixAddr) -> io::Result<Self> {
        Self::from_socket(net::UnixDatagram::bind_addr(host, address)?.into())
    }

    /// A socket without a name.
    ///
    /// # Errors
    /// As [`Host::socket`].
    pub fn unbound(host: &Host) -> io::Result<Self> {
        Self::from_socket(net::UnixDatagram::unbound(host)?.into())
    }

    /// Two sockets connected with each other, without names.
    ///
    /// # Errors
    /// As [`Host::socketpair`].
    pub fn pair(host: &Host) -> io::Result<(Self, Self)> {
        let (one, other) = net::UnixDatagram::pair(host)?;
        Ok((Self::from_socket(one.into())?, Self::from_socket(other.into())?))
    }

    /// The peer that `send` and `recv` talk with.
    ///
    /// # Errors
    /// As [`net::UnixDatagram::connect`].
    pub fn connect(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.connect_addr(&UnixAddr::from_pathname(path)?)
    }

    /// [`UnixDatagram::connect`] by a name of any kind.
    ///
    /// # Errors
    /// As [`net::UnixDatagram::connect_addr`].
    pub fn connect_addr(&self, address: &UnixAddr) -> io::Result<()> {
        Ok(self.as_socket().connect(address)?)
    }

    /// Sends a datagram to the peer; waits while its queue is full. Cancel safe.
    ///
    /// # Errors
    /// As [`Socket::send`].
    pub async fn send(&self, data: &[u8]) -> io::Result<usize> {
        self.io.async_io(Interest::WRITABLE, |socket| Ok(socket.send(data, 0)?)).await
    }

    /// Waits for a datagram. Cancel safe.
    ///
    /// # Errors
    /// As [`Socket::recv`].
    pub async fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.io.async_io(Interest::READABLE, |socket| Ok(socket.recv_into(buffer, 0)?)).await
    }

    /// Waits for a datagram; tells the sender, whose address may be none. Cancel safe.
    ///
    /// # Errors
    /// As [`Socket::recv`].
    pub async fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, UnixAddr)> {
        let (len, from) =
            self.io.async_io(Interest::READABLE, |socket| Ok(socket.recvfrom_into(buffer, 0)?)).await?;
        Ok((len, unix(from)?))
    }

    /// Sends a datagram to the socket with this path; waits while its queue is full. Cancel safe.
    ///
    /// # Errors
    /// As [`net::UnixDatagram::send_to`].
    pub async fn send_to(&self, data: &[u8], path: impl AsRef<Path>) -> io::Result<usize> {
        self.send_to_addr(data, &UnixAddr::from_pathname(path)?).await
    }

    /// Sends a datagram to the socket with a name of any kind; waits while its queue is full. Cancel safe.
    ///
    /// # Errors
    /// As [`net::UnixDatagram::send_to_addr`].
    pub async fn send_to_addr(&self, data: &[u8], address: &UnixAddr) -> io::Result<usize> {
        self.io.async_io(Interest::WRITABLE, |socket| Ok(socket.sendto(data, 0, address)?)).await
    }
}
