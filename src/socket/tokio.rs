//! The types of `tokio::net`, on a host (feature `tokio`): so that what is written for tokio, hyper for one, runs over it.
//!
//! Each is a non-blocking [`Socket`] whose readiness descriptor tokio's reactor watches. A call is tried at once; where it
//! would block, the task sleeps until the descriptor says that it is worth another try.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

use super::{Socket, ToSockAddr};
use crate::base::constants::{SHUT_RD, SHUT_RDWR, SHUT_WR, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_STREAM};
use crate::base::{Errno, Error, SockAddr};
use crate::driver::Host;

/// A socket under tokio's reactor.
fn watched(socket: Socket) -> io::Result<AsyncFd<Socket>> {
    socket.setblocking(false)?;
    // Newer versions of tokio ask for an unsafe call instead, whose caller promises that the descriptor stays open as long as
    // the registration. The socket keeps that promise: it owns the descriptor to its end, even when it is closed before.
    #[allow(deprecated)]
    AsyncFd::new(socket)
}

fn inet(address: SockAddr) -> io::Result<SocketAddr> {
    address.inet().ok_or_else(|| Errno::EINVAL.with("the socket has no IP address").into())
}

/// The last failure, or this one if there was nothing to try.
fn no_address() -> Error {
    Errno::EINVAL.with("could not resolve to any addresses")
}

/// A TCP connection; closed when dropped.
///
/// ```
/// use sockatoo::{Host, socket::tokio::{TcpListener, TcpStream}};
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let host = Host::builder().build()?;
/// let listener = TcpListener::bind(&host, ("127.0.0.1", 0))?;
/// let mut client = TcpStream::connect(&host, listener.local_addr()?).await?;
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
pub struct TcpStream {
    io: AsyncFd<Socket>,
}

impl TcpStream {
    /// Connects; tries the addresses of a name in their order. The name is looked up before, which blocks the thread.
    ///
    /// # Errors
    /// The last address's.
    pub async fn connect(host: &Host, address: impl ToSockAddr) -> io::Result<Self> {
        let mut failure = io::Error::from(no_address());
        for address in address.to_sock_addrs(host, 0, false)? {
            match Self::connect_to(host, address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    async fn connect_to(host: &Host, address: SockAddr) -> io::Result<Self> {
        let socket = host.socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK, 0)?;
        let under_way = |error: &Error| matches!(error.errno(), Errno::EINPROGRESS | Errno::EALREADY);
        match socket.connect(address) {
            Err(error) if under_way(&error) => {}
            Err(error) => return Err(error.into()),
            Ok(()) => return Self::from_socket(socket),
        }
        let io = watched(socket)?;
        let outcome = |socket: &Socket| match socket.connect(address) {
            Err(error) if under_way(&error) => Err(io::ErrorKind::WouldBlock.into()),
            Err(error) if error.errno() == Errno::EISCONN => Ok(()),
            done => Ok(done?),
        };
        io.async_io(Interest::WRITABLE, outcome).await?;
        Ok(Self { io })
    }

    /// Puts a connected socket under tokio's reactor.
    ///
    /// # Errors
    /// EMFILE; there must be a reactor.
    pub fn from_socket(socket: Socket) -> io::Result<Self> {
        Ok(Self { io: watched(socket)? })
    }

    /// The socket inside; it does not block.
    pub fn as_socket(&self) -> &Socket {
        self.io.get_ref()
    }

    /// The socket's own address.
    ///
    /// # Errors
    /// EBADF.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        inet(self.as_socket().getsockname()?)
    }

    /// The address of the other end.
    ///
    /// # Errors
    /// ENOTCONN.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        inet(self.as_socket().getpeername()?)
    }

    /// Sends small pieces at once, or gathers them.
    ///
    /// # Errors
    /// EBADF.
    #[doc(alias = "TCP_NODELAY")]
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        Ok(self.as_socket().set_nodelay(nodelay)?)
    }

    /// Ends reading, writing, or both, at once.
    ///
    /// # Errors
    /// ENOTCONN.
    pub fn shutdown_now(&self, how: Shutdown) -> io::Result<()> {
        let how = match how {
            Shutdown::Read => SHUT_RD,
            Shutdown::Write => SHUT_WR,
            Shutdown::Both => SHUT_RDWR,
        };
        Ok(self.as_socket().shutdown(how)?)
    }
}

impl AsyncRead for TcpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut guard = ready!(self.io.poll_read_ready(cx))?;
            let room = buffer.initialize_unfilled();
            if let Ok(result) = guard.try_io(|io| Ok(io.get_ref().recv_into(room, 0)?)) {
                buffer.advance(result?);
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncWrite for TcpStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            let mut guard = ready!(self.io.poll_write_ready(cx))?;
            if let Ok(result) = guard.try_io(|io| Ok(io.get_ref().send(data, 0)?)) {
                return Poll::Ready(result);
            }
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut guard = ready!(self.io.poll_write_ready(cx))?;
            if let Ok(result) = guard.try_io(|io| Ok(io.get_ref().sendmsg(data, &[], 0, None)?)) {
                return Poll::Ready(result);
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.shutdown_now(Shutdown::Write))
    }
}

/// A socket that takes TCP connections; closed when dropped.
#[derive(Debug)]
pub struct TcpListener {
    io: AsyncFd<Socket>,
}

impl TcpListener {
    /// Listens on the first of the addresses that can be bound, with SO_REUSEADDR.
    ///
    /// # Errors
    /// `AddrInUse`, `AddrNotAvailable`.
    pub fn bind(host: &Host, address: impl ToSockAddr) -> io::Result<Self> {
        let listener = super::net::TcpListener::bind(host, address)?;
        Ok(Self { io: watched(listener.into())? })
    }

    /// Waits for a connection. Cancel safe.
    ///
    /// # Errors
    /// As [`Socket::accept`].
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (socket, peer) = self.io.async_io(Interest::READABLE, |socket| Ok(socket.accept()?)).await?;
        Ok((TcpStream::from_socket(socket)?, inet(peer)?))
    }

    /// The socket's own address.
    ///
    /// # Errors
    /// EBADF.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        inet(self.io.get_ref().getsockname()?)
    }

    /// The socket inside; it does not block.
    pub fn as_socket(&self) -> &Socket {
        self.io.get_ref()
    }
}

/// A UDP socket.
#[derive(Debug)]
pub struct UdpSocket {
    io: AsyncFd<Socket>,
}

impl UdpSocket {
    /// A socket on the first of the addresses that can be bound.
    ///
    /// # Errors
    /// `AddrInUse`, `AddrNotAvailable`.
    pub fn bind(host: &Host, address: impl ToSockAddr) -> io::Result<Self> {
        let mut failure = no_address();
        for address in address.to_sock_addrs(host, 0, true)? {
            let socket = host.socket(address.family(), SOCK_DGRAM | SOCK_NONBLOCK, 0)?;
            match socket.bind(address) {
                Ok(()) => return Ok(Self { io: watched(socket)? }),
                Err(error) => failure = error,
            }
        }
        Err(failure.into())
    }

    /// The peer that `send` and `recv` talk with.
    ///
    /// # Errors
    /// As [`Socket::connect`].
    pub fn connect(&self, address: impl ToSockAddr) -> io::Result<()> {
        Ok(self.as_socket().connect(address)?)
    }

    /// Sends a datagram to the peer. Cancel safe.
    ///
    /// # Errors
    /// As [`Socket::send`].
    pub async fn send(&self, data: &[u8]) -> io::Result<usize> {
        self.io.async_io(Interest::WRITABLE, |socket| Ok(socket.send(data, 0)?)).await
    }

    /// Sends a datagram to `address`. Cancel safe.
    ///
    /// # Errors
    /// As [`Socket::sendto`].
    pub async fn send_to(&self, data: &[u8], address: SocketAddr) -> io::Result<usize> {
        self.io.async_io(Interest::WRITABLE, |socket| Ok(socket.sendto(data, 0, address)?)).await
    }

    /// Waits for a datagram. Cancel safe.
    ///
    /// # Errors
    /// As [`Socket::recv`].
    pub async fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.io.async_io(Interest::READABLE, |socket| Ok(socket.recv_into(buffer, 0)?)).await
    }

    /// Waits for a datagram; tells the sender. Cancel safe.
    ///
    /// # Errors
    /// As [`Socket::recv`].
    pub async fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let (len, from) =
            self.io.async_io(Interest::READABLE, |socket| Ok(socket.recvfrom_into(buffer, 0)?)).await?;
        Ok((len, inet(from)?))
    }

    /// The socket's own address.
    ///
    /// # Errors
    /// EBADF.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        inet(self.as_socket().getsockname()?)
    }

    /// The socket inside; it does not block.
    pub fn as_socket(&self) -> &Socket {
        self.io.get_ref()
    }
}
