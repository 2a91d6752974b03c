//! Connections and listeners of TCP for tokio.

use std::io;
use std::net::SocketAddr;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::{no_address, shared_methods, stream_methods, watched};
use crate::base::constants::{SOCK_NONBLOCK, SOCK_STREAM};
use crate::base::{Errno, Error, SockAddr};
use crate::driver::Host;
use crate::socket::net::{self, inet};
use crate::socket::{Socket, ToSockAddr};

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

shared_methods!(TcpStream, SocketAddr, inet);
stream_methods!(TcpStream, SocketAddr, inet);

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

    /// Sends small pieces at once, or gathers them.
    ///
    /// # Errors
    /// EBADF.
    #[doc(alias = "TCP_NODELAY")]
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        Ok(self.as_socket().set_nodelay(nodelay)?)
    }
}

/// A socket that takes TCP connections; closed when dropped.
#[derive(Debug)]
pub struct TcpListener {
    io: AsyncFd<Socket>,
}

shared_methods!(TcpListener, SocketAddr, inet);

impl TcpListener {
    /// Listens on the first of the addresses that can be bound, with SO_REUSEADDR.
    ///
    /// # Errors
    /// `AddrInUse`, `AddrNotAvailable`.
    pub fn bind(host: &Host, address: impl ToSockAddr) -> io::Result<Self> {
        let listener = net::TcpListener::bind(host, address)?;
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
}
