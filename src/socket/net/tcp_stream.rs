//! A TCP connection with the names of `std::net::TcpStream`.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use super::{first_that, shared_methods, shutdown_method, stream_io, timeout_methods, ttl_methods};
use crate::base::Errno;
use crate::base::constants::{MSG_PEEK, SOCK_STREAM};
use crate::driver::Host;
use crate::socket::{Socket, ToSockAddr};

/// A TCP connection; closed when dropped.
///
/// ```
/// use std::io::{Read, Write};
/// use sockatoo::{Host, socket::net::{TcpListener, TcpStream}};
/// let host = Host::builder().build()?;
/// let listener = TcpListener::bind(&host, "127.0.0.1:0")?;
/// let mut client = TcpStream::connect(&host, listener.local_addr()?)?;
/// let (mut server, _) = listener.accept()?;
/// client.write_all(b"hello")?;
/// drop(client);
/// let mut text = String::new();
/// server.read_to_string(&mut text)?;
/// assert_eq!(text, "hello");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct TcpStream {
    pub(super) socket: Socket,
}

shared_methods!(TcpStream, SocketAddr, inet);
ttl_methods!(TcpStream);
timeout_methods!(TcpStream, SocketAddr, inet);
shutdown_method!(TcpStream);
stream_io!(TcpStream);

impl TcpStream {
    /// Connects; tries the addresses of a name in their order.
    ///
    /// # Errors
    /// The last address's: `ConnectionRefused`, `TimedOut`, `HostUnreachable`, ...
    pub fn connect(host: &Host, address: impl ToSockAddr) -> io::Result<Self> {
        first_that(host, address, false, |address| {
            let socket = host.socket(address.family(), SOCK_STREAM, 0)?;
            socket.connect(address)?;
            Ok(Self { socket })
        })
    }

    /// Connects to one address within `timeout`.
    ///
    /// # Errors
    /// `TimedOut`, and those of [`TcpStream::connect`]; `InvalidInput` for a zero time-out.
    pub fn connect_timeout(host: &Host, address: &SocketAddr, timeout: Duration) -> io::Result<Self> {
        if timeout.is_zero() {
            return Err(Errno::EINVAL.with("a time-out of zero connects nothing").into());
        }
        let socket = host.socket(crate::base::SockAddr::from(*address).family(), SOCK_STREAM, 0)?;
        let usual = socket.gettimeout();
        socket.settimeout(Some(timeout))?;
        socket.connect(*address)?;
        socket.settimeout(usual)?;
        Ok(Self { socket })
    }

    /// True if small pieces are sent at once.
    ///
    /// # Errors
    /// EBADF.
    #[doc(alias = "TCP_NODELAY")]
    pub fn nodelay(&self) -> io::Result<bool> {
        Ok(self.socket.nodelay()?)
    }

    /// Sends small pieces at once, or gathers them (Nagle's algorithm).
    ///
    /// # Errors
    /// EBADF.
    #[doc(alias = "TCP_NODELAY")]
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        Ok(self.socket.set_nodelay(nodelay)?)
    }

    /// How long dropping waits for what was written.
    ///
    /// # Errors
    /// EBADF.
    #[doc(alias = "SO_LINGER")]
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        Ok(self.socket.linger()?)
    }

    /// Sets how long dropping waits for what was written; zero = it is thrown away, and the peer gets RST.
    ///
    /// # Errors
    /// EBADF.
    #[doc(alias = "SO_LINGER")]
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        Ok(self.socket.set_linger(linger)?)
    }
}
