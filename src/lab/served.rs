//! A host that is asked as one in another process is.

use std::os::fd::AsFd;
use std::thread;

use crate::base::Result;
use crate::base::constants::{SOCK_NONBLOCK, SOCK_SEQPACKET};
use crate::daemon::{Birth, Server, facts};
use crate::driver::{Host, HostBuilder};
use crate::socket::remote::Connection;
use crate::sys::random;
use crate::sys::unix::{self, Place};

/// Makes the host, has a thread serve it as `sockatoo up` would in a process of its own, and gives the handle that
/// [`Host::join`] would. It ends when nobody has a handle, nor any connection is left.
///
/// # Errors
/// Those of [`HostBuilder::build`]; EMFILE, EAGAIN (no thread).
///
/// ```
/// use sockatoo::{Host, lab, socket::*};
/// let host = lab::served(Host::builder().hostname("parrot"))?;
/// assert_eq!(host.gethostname(), "parrot");
/// let (one, other) = host.socketpair(AF_INET, SOCK_STREAM, 0)?;
/// one.sendall(b"hello", 0)?;
/// assert_eq!(other.recv(100, 0)?, b"hello");
/// # Ok::<(), sockatoo::Error>(())
/// ```
pub fn served(host: HostBuilder) -> Result<Host> {
    let mut name = *b"sockatoo-lab-0123456789abcdef";
    random::getrandom(&mut name[13..])?;
    let listener = unix::socket(SOCK_SEQPACKET | SOCK_NONBLOCK)?;
    unix::bind(listener.as_fd(), Place::Abstract(&name))?;
    unix::listen(listener.as_fd(), 16)?;
    let host = host.embedded().build()?;
    let facts = facts("lab", &host, Birth { flags: Vec::new(), stays: false, published: Vec::new() })?;
    let mut server = Server::new(host, facts, listener)?;
    thread::Builder::new().name("served host".into()).spawn(move || server.run())?;
    let client = unix::socket(SOCK_SEQPACKET)?;
    unix::connect(client.as_fd(), Place::Abstract(&name))?;
    Ok(Host::over_connection(Connection::over(client)?))
}
