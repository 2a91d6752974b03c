//! A stream of AF_UNIX with the names of `std::os::unix::net::UnixStream`.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::Shutdown;
use std::path::Path;
use std::time::Duration;

use super::{peer_cred_method, shared_methods, shutdown_method, stream_io, timeout_methods};
use crate::base::constants::{AF_UNIX, MSG_PEEK, SOCK_STREAM};
use crate::base::{Credentials, UnixAddr};
use crate::driver::Host;
use crate::socket::Socket;

/// A connection inside a host; closed when dropped. Names are the host's own: no file is made.
///
/// ```
/// use std::io::{Read, Write};
/// use sockatoo::{Host, socket::net::{UnixListener, UnixStream}};
/// let host = Host::builder().build()?;
/// let listener = UnixListener::bind(&host, "/run/greetings")?;
/// let mut client = UnixStream::connect(&host, "/run/greetings")?;
/// let (mut server, _) = listener.accept()?;
/// client.write_all(b"hello")?;
/// drop(client);
/// let mut text = String::new();
/// server.read_to_string(&mut text)?;
/// assert_eq!(text, "hello");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct UnixStream {
    pub(super) socket: Socket,
}

shared_methods!(UnixStream, UnixAddr, unix);
timeout_methods!(UnixStream, UnixAddr, unix);
shutdown_method!(UnixStream);
peer_cred_method!(UnixStream);
stream_io!(UnixStream);

impl UnixStream {
    /// Connects to the listener at a path.
    ///
    /// # Errors
    /// `NotFound`, `ConnectionRefused`; `InvalidInput` for a path of more than 108 bytes.
    pub fn connect(host: &Host, path: impl AsRef<Path>) -> io::Result<Self> {
        Self::connect_addr(host, &UnixAddr::from_pathname(path)?)
    }

    /// Connects to the listener with a name of any kind.
    ///
    /// # Errors
    /// `ConnectionRefused`, for an abstract name also if there is none.
    ///
    /// ```
    /// use sockatoo::{Host, UnixAddr, socket::net::{UnixListener, UnixStream}};
    /// let host = Host::builder().build()?;
    /// let name = UnixAddr::from_abstract_name("greetings")?;
    /// let _listener = UnixListener::bind_addr(&host, &name)?;
    /// assert_eq!(UnixStream::connect_addr(&host, &name)?.peer_addr()?, name);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn connect_addr(host: &Host, address: &UnixAddr) -> io::Result<Self> {
        let socket = host.socket(AF_UNIX, SOCK_STREAM, 0)?;
        socket.connect(address)?;
        Ok(Self { socket })
    }

    /// Two ends of one connection, without names.
    ///
    /// # Errors
    /// As [`Host::socketpair`].
    #[doc(alias = "socketpair")]
    pub fn pair(host: &Host) -> io::Result<(Self, Self)> {
        let (one, other) = host.socketpair(AF_UNIX, SOCK_STREAM, 0)?;
        Ok((Self { socket: one }, Self { socket: other }))
    }
}
