//! epoll(7) over sockets and other descriptors: Python's `select.epoll`.

use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use super::handle::Description;
use super::poll::{PAUSE, Watched, left_until};
use crate::base::constants::{EPOLLERR, EPOLLHUP, EPOLLONESHOT};
use crate::base::{Errno, Result};
use crate::sys::clock;
use crate::sys::epoll::{Epoll as Kernel, Ready};

/// Sockets of any hosts, and other descriptors, to wait for. It is the kernel's epoll(7) on their descriptors
/// ([`Socket::fileno`](super::Socket::fileno)), so thousands cost no more than those that are ready; what is found of a socket is asked of the socket itself.
///
/// With `EPOLLET` a socket is told of when it becomes ready after it was not: read until EAGAIN, as epoll(7) says. A stream that has
/// never been connected shows its `EPOLLHUP` to [`poll`](super::poll()) alone. Not for virtual time.
///
/// ```
/// use sockatoo::{Host, socket::*};
/// let host = Host::builder().build()?;
/// let (one, other) = host.socketpair(AF_INET, SOCK_STREAM, 0)?;
/// let epoll = Epoll::new()?;
/// epoll.register(&other, EPOLLIN)?;
/// one.sendall(b"hello", 0)?;
/// assert_eq!(epoll.poll(None)?, [(other.fileno()?, EPOLLIN)]);
/// # Ok::<(), sockatoo::Error>(())
/// ```
#[derive(Debug)]
pub struct Epoll {
    kernel: Kernel,
    /// Our sockets among them, by their descriptor's number.
    sockets: Mutex<HashMap<RawFd, Entry>>,
}

#[derive(Debug)]
struct Entry {
    socket: Weak<Description>,
    events: i32,
}

impl Epoll {
    /// epoll_create1(2), close-on-exec.
    ///
    /// # Errors
    /// EMFILE.
    pub fn new() -> Result<Self> {
        Ok(Self { kernel: Kernel::new()?, sockets: Mutex::default() })
    }

    fn sockets(&self) -> MutexGuard<'_, HashMap<RawFd, Entry>> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// EPOLL_CTL_ADD: from now on this one, too, for `events` (`EPOLLIN`, `EPOLLOUT`, `EPOLLRDHUP`; `EPOLLET`, `EPOLLONESHOT`).
    /// A socket goes by itself when it is closed.
    ///
    /// # Errors
    /// EEXIST (has it), EPERM (a plain file), EBADF, EMFILE.
    pub fn register<'a>(&self, watched: impl Into<Watched<'a>>, events: i32) -> Result<()> {
        self.control(watched.into(), events, Kernel::add)
    }

    /// EPOLL_CTL_MOD: other events.
    ///
    /// # Errors
    /// ENOENT (does not have it), EBADF.
    pub fn modify<'a>(&self, watched: impl Into<Watched<'a>>, events: i32) -> Result<()> {
        self.control(watched.into(), events, Kernel::modify)
    }

    fn control(
        &self,
        watched: Watched<'_>,
        events: i32,
        how: impl Fn(&Kernel, BorrowedFd<'_>, u64, i32) -> std::io::Result<()>,
    ) -> Result<()> {
        let number = watched.fileno()?;
        let mut sockets = self.sockets();
        match watched {
            Watched::Socket(socket) => {
                how(&self.kernel, socket.as_fd(), token(number), events)?;
                let socket = Arc::downgrade(socket.open()?);
                sockets.insert(number, Entry { socket, events });
            }
            Watched::Descriptor(fd) => {
                how(&self.kernel, fd, token(number), events)?;
                sockets.remove(&number);
            }
        }
        Ok(())
    }

    /// EPOLL_CTL_DEL: no more of it.
    ///
    /// # Errors
    /// ENOENT (does not have it), EBADF.
    pub fn unregister<'a>(&self, watched: impl Into<Watched<'a>>) -> Result<()> {
        let watched = watched.into();
        let number = watched.fileno()?;
        match watched {
            Watched::Socket(socket) => self.kernel.remove(socket.as_fd())?,
            Watched::Descriptor(fd) => self.kernel.remove(fd)?,
        }
        self.sockets().remove(&number);
        Ok(())
    }

    /// epoll_wait(2): waits until one is ready, at most `timeout` (`None` = as long as it takes); gives descriptor and events of
    /// each that is, at most 128 at once. A socket's descriptor is what its [`Socket::fileno`](super::Socket::fileno) says.
    ///
    /// # Errors
    /// None that it could mend.
    pub fn poll(&self, timeout: Option<Duration>) -> Result<Vec<(RawFd, i32)>> {
        let deadline = timeout.map(|timeout| clock::monotonic().saturating_add(timeout));
        let mut found = Vec::new();
        loop {
            let left = left_until(deadline);
            self.kernel.wait(&mut found, left)?;
            let ready = self.refine(&found)?;
            if !ready.is_empty() || left.is_some_and(|left| left.is_zero()) {
                return Ok(ready);
            }
            if !found.is_empty() {
                std::thread::sleep(left.map_or(PAUSE, |left| left.min(PAUSE)));
            }
        }
    }

    /// Of each socket what it says itself now: its descriptor shows an error as readable and writable.
    fn refine(&self, found: &[Ready]) -> Result<Vec<(RawFd, i32)>> {
        let mut ready = Vec::with_capacity(found.len());
        let mut sockets = self.sockets();
        for &Ready { token, events } in found {
            let number = RawFd::try_from(token).map_err(|_| Errno::EBADF)?;
            let Some(entry) = sockets.get(&number) else {
                ready.push((number, events));
                continue;
            };
            let Some(socket) = entry.socket.upgrade() else {
                sockets.remove(&number);
                continue;
            };
            let events = socket.poll() & (entry.events | EPOLLERR | EPOLLHUP);
            if events != 0 {
                ready.push((number, events));
            } else if entry.events & EPOLLONESHOT != 0 {
                // Nothing was told, so it has not had its one event.
                self.kernel.modify(socket.descriptor()?, token, entry.events)?;
            }
        }
        Ok(ready)
    }
}

/// Descriptors are not negative.
fn token(fd: RawFd) -> u64 {
    u64::from(fd.unsigned_abs())
}

impl AsFd for Epoll {
    /// Readable while something is ready: it can be waited for in another one.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.kernel.as_fd()
    }
}

impl AsRawFd for Epoll {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}
