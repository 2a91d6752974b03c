//! A socket of a host: made, shared, detached, closed; blocking or not.

use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::remote::Patience;
use super::remote::connection::unexpected;
use crate::base::constants::{SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM};
use crate::base::verb::{Answer, Verb};
use crate::base::{Errno, Reason, Result, SocketId};
use crate::driver::{Door, Host};
use crate::stack::Stack;

/// What open(2) calls the open file description: the socket itself, which several handles may share.
#[derive(Debug)]
pub(super) struct Description {
    pub(super) host: Host,
    pub(super) id: SocketId,
    pub(super) family: i32,
    pub(super) kind: i32,
    pub(super) protocol: i32,
    /// O_NONBLOCK.
    nonblocking: AtomicBool,
    /// Open handles. The last one to close closes the socket.
    handles: AtomicUsize,
    /// What `fileno()` gives, made at its first use.
    pub(super) readiness: OnceLock<Arc<OwnedFd>>,
    /// SIO_RCVALL: the packet socket that keeps interfaces promiscuous.
    receive_all: Mutex<Option<Socket>>,
}

impl Description {
    /// SIO_RCVALL: from now on this one, or none.
    pub(super) fn set_receive_all(&self, listener: Option<Socket>) {
        *self.receive_all.lock().unwrap_or_else(PoisonError::into_inner) = listener;
    }

    /// The last handle was closed.
    fn close(&self) -> Result<()> {
        self.forget_descriptor();
        self.set_receive_all(None);
        let here = match self.host.door() {
            Door::Here(here) => here,
            Door::There(far) => {
                let patience = if self.kind == SOCK_STREAM { Patience::Own } else { Patience::Now };
                return far.perform(Verb::Close(self.id), patience).map(drop);
            }
        };
        let lingers = here.call_on(self.id, |stack| match stack.begin_linger(self.id) {
            None => stack.close(self.id).map(|()| None),
            deadline => Ok(deadline),
        })?;
        let Some(deadline) = lingers else { return Ok(()) };
        let sent = |stack: &mut Stack| stack.lingers(self.id).is_none().then_some(());
        let waited = here.wait(&[self.id], Some(deadline), sent);
        here.call_on(self.id, |stack| stack.close(self.id))?;
        waited.map(drop)
    }
}

/// A socket. Its methods are the calls of the BSD and Python API, and take `&self`: threads may share it.
///
/// Dropping it closes it. An error is the kernel's number and a reason, see [`Error`](crate::Error).
///
/// ```
/// use sockatoo::{Host, socket::*};
/// let host = Host::builder().build()?;
/// let server = host.socket(AF_INET, SOCK_STREAM, 0)?;
/// server.bind(("127.0.0.1", 12345))?;
/// server.listen(5)?;
/// let client = host.socket(AF_INET, SOCK_STREAM, 0)?;
/// client.connect(("127.0.0.1", 12345))?;
/// let (connection, address) = server.accept()?;
/// assert_eq!(address, client.getsockname()?);
/// client.sendall(b"Hello, server!", 0)?;
/// assert_eq!(connection.recv(1024, 0)?, b"Hello, server!");
/// # Ok::<(), sockatoo::Error>(())
/// ```
pub struct Socket {
    description: Arc<Description>,
    closed: AtomicBool,
    /// Nanoseconds; [`NO_TIMEOUT`] if there is none. 0 is kept as O_NONBLOCK.
    timeout: AtomicU64,
}

const NO_TIMEOUT: u64 = u64::MAX;

/// The time-out that new sockets get.
static DEFAULT_TIMEOUT: AtomicU64 = AtomicU64::new(NO_TIMEOUT);

fn to_nanos(timeout: Option<Duration>) -> u64 {
    timeout.map_or(NO_TIMEOUT, |t| u64::try_from(t.as_nanos()).unwrap_or(NO_TIMEOUT))
}

fn from_nanos(nanos: u64) -> Option<Duration> {
    (nanos != NO_TIMEOUT).then(|| Duration::from_nanos(nanos))
}

/// The time-out that new sockets get; `None` (they block) unless [`setdefaulttimeout`] said otherwise.
pub fn getdefaulttimeout() -> Option<Duration> {
    from_nanos(DEFAULT_TIMEOUT.load(Ordering::Relaxed))
}

/// Sets the time-out that sockets made from now on get, in the whole process, as [`Socket::settimeout`] does for one.
pub fn setdefaulttimeout(timeout: Option<Duration>) {
    DEFAULT_TIMEOUT.store(to_nanos(timeout), Ordering::Relaxed);
}

impl Host {
    /// socket(2): a new socket of this host. `kind` is `SOCK_STREAM`, `SOCK_DGRAM` or `SOCK_RAW`, with `SOCK_NONBLOCK` and
    /// `SOCK_CLOEXEC` where wanted; protocol 0 is the usual one of the kind.
    ///
    /// For `AF_PACKET` the protocol is in network byte order, as in C and Python: `htons(ETH_P_ALL)`; with 0 the socket hears
    /// nothing until it is bound.
    ///
    /// # Errors
    /// EAFNOSUPPORT, EINVAL, ESOCKTNOSUPPORT, EPROTONOSUPPORT as Linux; ENFILE's place is taken by EMFILE. ENETDOWN if the host is
    /// shut down, as of every call that would send, receive or change something.
    ///
    /// ```
    /// use sockatoo::{Host, socket::*};
    /// let host = Host::builder().build()?;
    /// let socket = host.socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, 0)?;
    /// assert_eq!((socket.family(), socket.type_(), socket.getblocking()), (AF_INET6, SOCK_DGRAM, false));
    /// # Ok::<(), sockatoo::Error>(())
    /// ```
    ///
    /// ```
    /// use sockatoo::{Host, socket::*};
    /// let host = Host::builder().build()?;
    /// let sniffer = host.socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL))?;
    /// sniffer.bind(("lo", ETH_P_IP))?; // here the protocol is a plain number
    /// host.socket(AF_INET, SOCK_DGRAM, 0)?.sendto(b"hello", 0, ("127.0.0.1", 9))?;
    /// let (frame, address) = sniffer.recvfrom(2048, 0)?;
    /// assert!(frame.ends_with(b"hello"));
    /// assert_eq!(address.link().unwrap().packet_type, PACKET_HOST);
    /// # Ok::<(), sockatoo::Error>(())
    /// ```
    pub fn socket(&self, family: i32, kind: i32, protocol: impl Into<i32>) -> Result<Socket> {
        let protocol = protocol.into();
        let plain = kind & !(SOCK_NONBLOCK | SOCK_CLOEXEC);
        self.alive()?;
        let Answer::Socket(id) = self.perform(Verb::Socket { domain: family, kind: plain, protocol })? else {
            return Err(unexpected());
        };
        let socket = Socket::adopt(self, id, family, plain, protocol);
        if kind & SOCK_NONBLOCK != 0 {
            socket.setblocking(false)?;
        }
        Ok(socket)
    }
}

impl Socket {
    /// The first handle of a socket that the stack has just made.
    pub(super) fn adopt(host: &Host, id: SocketId, family: i32, kind: i32, protocol: i32) -> Self {
        let description = Arc::new(Description {
            host: host.clone(),
            id,
            family,
            kind,
            protocol,
            nonblocking: AtomicBool::new(false),
            handles: AtomicUsize::new(0),
            readiness: OnceLock::new(),
            receive_all: Mutex::new(None),
        });
        Self::handle_of(description)
    }

    /// One more handle, with the default time-out.
    pub(super) fn handle_of(description: Arc<Description>) -> Self {
        description.handles.fetch_add(1, Ordering::Relaxed);
        Self::counted_handle_of(description)
    }

    /// A handle that is counted already.
    pub(super) fn counted_handle_of(description: Arc<Description>) -> Self {
        let socket =
            Self { description, closed: AtomicBool::new(false), timeout: AtomicU64::new(NO_TIMEOUT) };
        if let Some(timeout) = getdefaulttimeout() {
            socket.store_timeout(Some(timeout));
        }
        socket
    }

    /// The socket behind the handle; EBADF if the handle is closed.
    pub(super) fn open(&self) -> Result<&Arc<Description>> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Errno::EBADF.because(Reason::Closed));
        }
        Ok(&self.description)
    }

    /// The socket behind the handle, be it closed or not.
    pub(super) fn description(&self) -> &Arc<Description> {
        &self.description
    }

    /// Its number on its host: what [`ControlMessage::Rights`](super::ControlMessage::Rights) names it by.
    pub fn id(&self) -> SocketId {
        self.description.id
    }

    /// The host that the socket belongs to.
    pub fn host(&self) -> &Host {
        &self.description.host
    }

    /// The address family: `AF_INET`, `AF_INET6`, `AF_UNIX`, `AF_PACKET`.
    #[doc(alias = "SO_DOMAIN")]
    pub fn family(&self) -> i32 {
        self.description.family
    }

    /// The socket's type without flags: `SOCK_STREAM`, `SOCK_DGRAM`, `SOCK_SEQPACKET`, `SOCK_RAW`. Python's `type`.
    #[doc(alias = "SO_TYPE")]
    #[doc(alias = "type")]
    pub fn type_(&self) -> i32 {
        self.description.kind
    }

    /// The protocol's number as it was given to [`Host::socket`].
    #[doc(alias = "SO_PROTOCOL")]
    pub fn proto(&self) -> i32 {
        self.description.protocol
    }

    /// dup(2): another handle of the same socket. It is closed when all its handles are. Each has its own time-out;
    /// non-blocking mode is common to all.
    ///
    /// # Errors
    /// EBADF.
    pub fn dup(&self) -> Result<Self> {
        let copy = Self::handle_of(Arc::clone(self.open()?));
        copy.timeout.store(self.timeout.load(Ordering::Relaxed), Ordering::Relaxed);
        Ok(copy)
    }

    /// [`Socket::dup`] under the name of `std::net`.
    ///
    /// # Errors
    /// EBADF.
    pub fn try_clone(&self) -> Result<Self> {
        self.dup()
    }

    /// close(2): closes this handle, and with the last one the socket. What was sent before still leaves; with SO_LINGER the
    /// call waits for it. Closing again is no error, as in Python.
    ///
    /// A thread that waits in a call on a socket that is closed meanwhile gets EBADF.
    ///
    /// # Errors
    /// EINTR if the host was shut down while the call lingered.
    pub fn close(&self) -> Result<()> {
        if self.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        match self.description.handles.fetch_sub(1, Ordering::AcqRel) {
            1 => self.description.close(),
            _ => Ok(()),
        }
    }

    /// True if this handle is closed or detached.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Takes the socket out of this handle without closing it; the count of handles stays.
    pub(super) fn release(&self) -> Result<Arc<Description>> {
        let description = Arc::clone(self.open()?);
        if self.closed.swap(true, Ordering::AcqRel) {
            return Err(Errno::EBADF.because(Reason::Closed));
        }
        Ok(description)
    }

    /// `setblocking(true)` is `settimeout(None)`, `setblocking(false)` is `settimeout(Some(Duration::ZERO))`.
    ///
    /// # Errors
    /// EBADF.
    #[doc(alias = "O_NONBLOCK")]
    #[doc(alias = "FIONBIO")]
    #[doc(alias = "set_nonblocking")]
    pub fn setblocking(&self, blocking: bool) -> Result<()> {
        self.settimeout((!blocking).then_some(Duration::ZERO))
    }

    /// False only if the time-out is zero.
    pub fn getblocking(&self) -> bool {
        self.gettimeout() != Some(Duration::ZERO)
    }

    /// How long a call may wait: `None` as long as it takes, zero not at all (EAGAIN, of connect EINPROGRESS), else so long,
    /// and then the call fails with ETIMEDOUT and the reason [`Reason::TimedOut`].
    ///
    /// # Errors
    /// EBADF.
    ///
    /// ```
    /// use sockatoo::{Errno, Host, socket::*};
    /// use std::time::Duration;
    /// let host = Host::builder().build()?;
    /// let socket = host.socket(AF_INET, SOCK_DGRAM, 0)?;
    /// socket.bind(("127.0.0.1", 0))?;
    /// socket.settimeout(Some(Duration::from_millis(1)))?;
    /// assert_eq!(socket.recv(10, 0).unwrap_err().errno(), Errno::ETIMEDOUT);
    /// socket.setblocking(false)?;
    /// assert_eq!(socket.recv(10, 0).unwrap_err().errno(), Errno::EAGAIN);
    /// # Ok::<(), sockatoo::Error>(())
    /// ```
    pub fn settimeout(&self, timeout: Option<Duration>) -> Result<()> {
        self.open()?;
        self.store_timeout(timeout);
        Ok(())
    }

    /// What [`Socket::settimeout`] set.
    pub fn gettimeout(&self) -> Option<Duration> {
        match from_nanos(self.timeout.load(Ordering::Relaxed)) {
            None if self.description.nonblocking.load(Ordering::Relaxed) => Some(Duration::ZERO),
            timeout => timeout,
        }
    }

    fn store_timeout(&self, timeout: Option<Duration>) {
        let zero = timeout == Some(Duration::ZERO);
        self.description.nonblocking.store(zero, Ordering::Relaxed);
        self.timeout.store(if zero { NO_TIMEOUT } else { to_nanos(timeout) }, Ordering::Relaxed);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // close(2) has nothing to say to somebody who does not listen.
        let _ = self.close();
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("Socket");
        text.field("id", &self.description.id.0)
            .field("family", &self.description.family)
            .field("type", &self.description.kind)
            .field("proto", &self.description.protocol);
        if self.is_closed() {
            return text.field("closed", &true).finish();
        }
        if let Ok(address) = self.getsockname() {
            text.field("laddr", &format_args!("{address}"));
        }
        if let Ok(address) = self.getpeername() {
            text.field("raddr", &format_args!("{address}"));
        }
        text.finish()
    }
}
