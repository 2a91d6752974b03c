//! Descriptors: `fileno()` gives one that poll(2), epoll(7) and select(2) can wait on, and that leads back to its socket.
//!
//! It carries readiness, not data: driver/ keeps one end of an AF_UNIX pair in step with the socket. The kernel's SO_COOKIE of
//! that end is the key by which a descriptor, and every dup(2) of it, finds its [`Socket`].

use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};

use super::Socket;
use super::handle::Description;
use crate::base::{Errno, Result};
use crate::sys::descriptor::{self, cookie};

/// The sockets that have a descriptor, by its cookie.
static OUT: LazyLock<Mutex<HashMap<u64, Out>>> = LazyLock::new(Mutex::default);

struct Out {
    socket: Weak<Description>,
    /// Handles that [`Socket::detach`] has left to the descriptor.
    detached: Vec<Arc<Description>>,
}

fn out() -> MutexGuard<'static, HashMap<u64, Out>> {
    OUT.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Description {
    pub(super) fn descriptor(self: &Arc<Self>) -> Result<BorrowedFd<'_>> {
        if let Some(fd) = self.readiness.get() {
            return Ok(fd.as_fd());
        }
        let fd = self.host.readiness_fd(self.id)?;
        let key = cookie(fd.as_raw_fd())?;
        out().entry(key).or_insert_with(|| Out { socket: Arc::downgrade(self), detached: Vec::new() });
        Ok(self.readiness.get_or_init(|| fd).as_fd())
    }

    /// The socket is closed: its descriptor leads nowhere.
    pub(super) fn forget_descriptor(&self) {
        if let Some(key) = self.readiness.get().and_then(|fd| cookie(fd.as_raw_fd()).ok()) {
            let gone = out().remove(&key);
            drop(gone); // not under the lock: it may hold the last handle
        }
    }
}

impl Drop for Description {
    fn drop(&mut self) {
        self.forget_descriptor();
    }
}

impl Socket {
    /// A descriptor that poll(2), epoll(7) and select(2) can wait on for this socket. It carries readiness, not data: reading
    /// and writing go through the socket's methods. It is the same for all handles, and is closed with the socket.
    ///
    /// # Errors
    /// EBADF, EMFILE.
    ///
    /// ```
    /// # use sockatoo::{Host, socket::*};
    /// # let host = Host::builder().build()?;
    /// let (one, other) = host.socketpair(AF_INET, SOCK_STREAM, 0)?;
    /// let same = fromfd(other.fileno()?)?;
    /// one.sendall(b"hello", 0)?;
    /// assert_eq!(same.recv(100, 0)?, b"hello");
    /// # Ok::<(), sockatoo::Error>(())
    /// ```
    pub fn fileno(&self) -> Result<RawFd> {
        Ok(self.open()?.descriptor()?.as_raw_fd())
    }

    /// True if programs that this one executes get the socket's descriptor, too (no FD_CLOEXEC). They can wait on it; the socket
    /// itself stays this process's.
    ///
    /// # Errors
    /// EBADF, EMFILE.
    ///
    /// ```
    /// # use sockatoo::{Host, socket::*};
    /// # let host = Host::builder().build()?;
    /// let socket = host.socket(AF_INET, SOCK_STREAM, 0)?;
    /// assert!(!socket.get_inheritable()?);
    /// socket.set_inheritable(true)?;
    /// assert!(socket.get_inheritable()?);
    /// # Ok::<(), sockatoo::Error>(())
    /// ```
    pub fn get_inheritable(&self) -> Result<bool> {
        Ok(!descriptor::is_cloexec(self.open()?.descriptor()?)?)
    }

    /// Sets what [`Socket::get_inheritable`] tells.
    ///
    /// # Errors
    /// EBADF, EMFILE.
    pub fn set_inheritable(&self, inheritable: bool) -> Result<()> {
        Ok(descriptor::set_cloexec(self.open()?.descriptor()?, !inheritable)?)
    }

    /// Gives up this handle without closing the socket, and gives its descriptor: [`take_fileno`] makes a handle of it again.
    ///
    /// # Errors
    /// EBADF, EMFILE.
    ///
    /// ```
    /// # use sockatoo::{Host, socket::*};
    /// # let host = Host::builder().build()?;
    /// let socket = host.socket(AF_INET, SOCK_DGRAM, 0)?;
    /// socket.bind(("127.0.0.1", 2345))?;
    /// let fd = socket.detach()?;
    /// assert!(socket.getsockname().is_err());
    /// assert_eq!(take_fileno(fd)?.getsockname()?.to_string(), "127.0.0.1:2345");
    /// # Ok::<(), sockatoo::Error>(())
    /// ```
    pub fn detach(&self) -> Result<RawFd> {
        let fd = self.fileno()?;
        let key = cookie(fd)?;
        let description = self.release()?;
        out()
            .entry(key)
            .or_insert_with(|| Out { socket: Arc::downgrade(&description), detached: Vec::new() })
            .detached
            .push(description);
        Ok(fd)
    }
}

/// Closes what [`Socket::detach`] left to this descriptor: Python's `socket.close(fd)`.
///
/// # Errors
/// EBADF, also of a descriptor whose socket was not detached: its handles close it. ENOTSOCK for one that is no Sockatoo socket's.
///
/// ```
/// # use sockatoo::{Host, socket::*};
/// # let host = Host::builder().build()?;
/// let fd = host.socket(AF_INET, SOCK_STREAM, 0)?.detach()?;
/// close(fd)?;
/// assert_eq!(host.census().sockets, 0);
/// # Ok::<(), sockatoo::Error>(())
/// ```
pub fn close(fd: RawFd) -> Result<()> {
    match detached(fd)? {
        Some(socket) => socket.close(),
        None => Err(Errno::EBADF.with("the socket was not detached: close its handle")),
    }
}

/// Another handle of the socket behind a descriptor that [`Socket::fileno`] or [`Socket::detach`] gave, or behind a dup(2) of
/// it. Python's `fromfd`; family, type and protocol are known.
///
/// # Errors
/// EBADF; ENOTSOCK for a descriptor that is no Sockatoo socket's.
pub fn fromfd(fd: RawFd) -> Result<Socket> {
    let key = key_of(fd)?;
    let found = out().get(&key).and_then(|out| out.socket.upgrade());
    found.map(Socket::handle_of).ok_or_else(stranger)
}

/// Takes over the handle that [`Socket::detach`] left to this descriptor: Python's `socket(fileno=fd)`. Dropping the result
/// closes it. If none was detached, it is [`fromfd`].
///
/// # Errors
/// As [`fromfd`].
pub fn take_fileno(fd: RawFd) -> Result<Socket> {
    detached(fd)?.map_or_else(|| fromfd(fd), Ok)
}

/// A handle that was left to this descriptor.
fn detached(fd: RawFd) -> Result<Option<Socket>> {
    let key = key_of(fd)?;
    let detached = out().get_mut(&key).and_then(|out| out.detached.pop());
    Ok(detached.map(Socket::counted_handle_of))
}

fn key_of(fd: RawFd) -> Result<u64> {
    cookie(fd).map_err(|error| match error.raw_os_error() {
        Some(number) if number == Errno::EBADF.0 => Errno::EBADF.into(),
        _ => stranger(),
    })
}

fn stranger() -> crate::base::Error {
    Errno::ENOTSOCK.with("the descriptor belongs to no socket of Sockatoo")
}

/// # Panics
/// If the process has no descriptor left: ask [`Socket::fileno`] first where that may be.
impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // The description lives as long as this handle, closed or not.
        match self.description().descriptor() {
            Ok(fd) => fd,
            Err(error) => panic!("no descriptor for the socket: {error}"),
        }
    }
}

/// -1 if there is none, as Python's `fileno()` of a closed socket.
impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.fileno().unwrap_or(-1)
    }
}
