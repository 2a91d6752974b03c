//! poll(2) over sockets, of one host or several, and other descriptors together.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use super::Socket;
use super::handle::Description;
use crate::base::constants::{POLLERR, POLLHUP, POLLNVAL};
use crate::base::{Result, SocketId};
use crate::driver::Door;
use crate::stack::Stack;
use crate::sys::{self, clock};

/// What can be waited for: a socket, or any other descriptor.
///
/// ```
/// # use sockatoo::{Host, socket::*};
/// # use std::os::fd::AsFd;
/// # let host = Host::builder().build()?;
/// let socket = host.socket(AF_INET, SOCK_DGRAM, 0)?;
/// let mixed: [Watched; 2] = [(&socket).into(), std::io::stdin().as_fd().into()];
/// # Ok::<(), sockatoo::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub enum Watched<'a> {
    /// A socket of a host.
    Socket(&'a Socket),
    /// A descriptor of the kernel's: a file, a pipe, a terminal, a kernel's socket.
    Descriptor(BorrowedFd<'a>),
}

impl<'a> From<&'a Socket> for Watched<'a> {
    fn from(socket: &'a Socket) -> Self {
        Self::Socket(socket)
    }
}

impl<'a> From<BorrowedFd<'a>> for Watched<'a> {
    fn from(fd: BorrowedFd<'a>) -> Self {
        Self::Descriptor(fd)
    }
}

impl<'a> From<&'a OwnedFd> for Watched<'a> {
    fn from(fd: &'a OwnedFd) -> Self {
        Self::Descriptor(fd.as_fd())
    }
}

impl Watched<'_> {
    /// The descriptor to sleep on.
    pub(super) fn fileno(self) -> Result<RawFd> {
        match self {
            Self::Socket(socket) => socket.fileno(),
            Self::Descriptor(fd) => Ok(fd.as_raw_fd()),
        }
    }
}

/// One socket or descriptor to watch: struct pollfd.
#[derive(Debug)]
pub struct PollFd<'a> {
    /// What is watched.
    pub watched: Watched<'a>,
    /// What to wait for: `POLLIN`, `POLLOUT`, `POLLPRI`, `POLLRDHUP`.
    pub events: i32,
    /// What [`poll`] found: also `POLLERR`, `POLLHUP`, `POLLNVAL`, unasked.
    pub revents: i32,
    /// What counts unasked.
    unasked: i32,
}

impl<'a> PollFd<'a> {
    /// To watch a socket or a descriptor for `events`.
    pub fn new(watched: impl Into<Watched<'a>>, events: i32) -> Self {
        Self::counting(watched, events, POLLERR | POLLHUP)
    }

    /// The same where beside `events` only these, and POLLNVAL, count.
    pub(super) fn counting(watched: impl Into<Watched<'a>>, events: i32, unasked: i32) -> Self {
        Self { watched: watched.into(), events, revents: 0, unasked: unasked | POLLNVAL }
    }

    /// What it shows of all these events.
    fn found(&mut self, all: i32) {
        self.revents = all & (self.events | self.unasked);
    }
}

/// poll(2): waits until one of the sockets and descriptors is ready, at most `timeout` (`None` = as long as it takes); gives how
/// many are. In virtual time (a [`World`](crate::World)) only sockets of one host can be waited for.
///
/// # Errors
/// EMFILE. EINTR if the host is shut down, where all are sockets of one.
///
/// ```
/// # use sockatoo::{Host, socket::*};
/// # use std::time::Duration;
/// # let host = Host::builder().build()?;
/// let (one, other) = host.socketpair(AF_INET, SOCK_STREAM, 0)?;
/// one.sendall(b"hello", 0)?;
/// let mut watched = [PollFd::new(&one, POLLIN), PollFd::new(&other, POLLIN)];
/// assert_eq!(poll(&mut watched, Some(Duration::from_secs(1)))?, 1);
/// assert_eq!((watched[0].revents, watched[1].revents), (0, POLLIN));
/// # Ok::<(), sockatoo::Error>(())
/// ```
pub fn poll(watched: &mut [PollFd<'_>], timeout: Option<Duration>) -> Result<usize> {
    let Some(host) = only_host(watched) else { return poll_descriptors(watched, timeout) };
    let Door::Here(here) = host.door() else { return poll_descriptors(watched, timeout) };
    let ids: Vec<SocketId> = sockets(watched).filter_map(|socket| Some(socket.open().ok()?.id)).collect();
    let mut look = |stack: &mut Stack| {
        let ready = count(watched, |socket| stack.poll(socket.id));
        (ready > 0).then_some(ready)
    };
    if timeout == Some(Duration::ZERO) {
        return Ok(here.call(look).unwrap_or(0));
    }
    let deadline = timeout.map(|t| host.now() + t);
    Ok(here.wait(&ids, deadline, &mut look)?.unwrap_or(0))
}

fn sockets<'a>(watched: &[PollFd<'a>]) -> impl Iterator<Item = &'a Socket> {
    watched.iter().filter_map(|w| match w.watched {
        Watched::Socket(socket) => Some(socket),
        Watched::Descriptor(_) => None,
    })
}

/// The host whose sockets all of them are.
fn only_host(watched: &[PollFd<'_>]) -> Option<crate::driver::Host> {
    let host = sockets(watched).next()?.host();
    let all = sockets(watched).count() == watched.len() && sockets(watched).all(|s| s.host().is(host));
    all.then(|| host.clone())
}

/// Looks at all sockets, and gives how many are ready.
fn count(watched: &mut [PollFd<'_>], mut poll: impl FnMut(&Description) -> i32) -> usize {
    let mut ready = 0;
    for w in watched {
        if let Watched::Socket(socket) = w.watched {
            w.found(socket.open().map_or(POLLNVAL, |socket| poll(socket)));
            ready += usize::from(w.revents != 0);
        }
    }
    ready
}

/// What a descriptor shows that its socket does not say (a fresh stream has hung up, an error is readable and writable) must not
/// keep the machine busy.
pub(super) const PAUSE: Duration = Duration::from_millis(1);

/// What is left until this reading of the monotonic clock.
pub(super) fn left_until(deadline: Option<Duration>) -> Option<Duration> {
    deadline.map(|deadline| deadline.saturating_sub(clock::monotonic()))
}

/// Of sockets in other processes, of several hosts, of sockets and other descriptors: sleeps on descriptors. What a socket says is
/// asked of itself.
fn poll_descriptors(watched: &mut [PollFd<'_>], timeout: Option<Duration>) -> Result<usize> {
    let deadline = timeout.map(|timeout| clock::monotonic().saturating_add(timeout));
    let mut woken = false;
    loop {
        let mut ready = count(watched, Description::poll);
        let left = left_until(deadline);
        let pause = if ready > 0 { Some(Duration::ZERO) } else { left };
        if woken && ready == 0 {
            std::thread::sleep(pause.map_or(PAUSE, |pause| pause.min(PAUSE)));
        }
        let mut fds = Vec::with_capacity(watched.len());
        for w in &*watched {
            // A closed socket has been found (POLLNVAL): poll(2) passes over -1.
            let fd = if w.revents & POLLNVAL != 0 { -1 } else { w.watched.fileno()? };
            fds.push(sys::PollFd::for_events(fd, w.events));
        }
        woken = sys::poll(&mut fds, pause)? > 0;
        for (w, fd) in watched.iter_mut().zip(&fds) {
            if let Watched::Descriptor(_) = w.watched {
                w.found(fd.revents());
                ready += usize::from(w.revents != 0);
            }
        }
        if ready > 0 || left.is_some_and(|left| left.is_zero()) {
            return Ok(ready);
        }
    }
}
