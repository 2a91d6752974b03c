//! poll(2) over several sockets of one host.

use std::time::Duration;

use super::Socket;
use super::handle::Description;
use crate::base::constants::{POLLERR, POLLHUP, POLLNVAL, POLLOUT};
use crate::base::{Errno, Result, SocketId};
use crate::driver::{Door, Far};
use crate::stack::Stack;
use crate::sys;

/// One socket to watch: struct pollfd.
#[derive(Debug)]
pub struct PollFd<'a> {
    /// The socket.
    pub socket: &'a Socket,
    /// What to wait for: `POLLIN`, `POLLOUT`, `POLLPRI`, `POLLRDHUP`.
    pub events: i32,
    /// What [`poll`] found: also `POLLERR`, `POLLHUP`, `POLLNVAL`, unasked.
    pub revents: i32,
}

impl<'a> PollFd<'a> {
    /// To watch `socket` for `events`.
    pub fn new(socket: &'a Socket, events: i32) -> Self {
        Self { socket, events, revents: 0 }
    }
}

/// poll(2): waits until one of the sockets is ready, at most `timeout` (`None` = as long as it takes); gives how many are.
///
/// # Errors
/// EINVAL if the sockets belong to different hosts: wait on their [`Socket::fileno`] instead. EINTR if the host is shut down.
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
    let Some(host) = watched.first().map(|w| w.socket.host().clone()) else {
        return Err(Errno::EINVAL.with("poll wants at least one socket"));
    };
    if watched.iter().any(|w| !w.socket.host().is(&host)) {
        return Err(Errno::EINVAL.with("poll wants sockets of one host"));
    }
    let here = match host.door() {
        Door::Here(here) => here,
        Door::There(far) => return poll_there(far, watched, timeout),
    };
    let ids: Vec<SocketId> = watched.iter().filter_map(|w| Some(w.socket.open().ok()?.id)).collect();
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

/// Looks at all of them, and gives how many are ready.
fn count(watched: &mut [PollFd<'_>], mut poll: impl FnMut(&Description) -> i32) -> usize {
    let mut ready = 0;
    for w in watched {
        let all = w.socket.open().map_or(POLLNVAL, |socket| poll(socket));
        w.revents = all & (w.events | POLLERR | POLLHUP | POLLNVAL);
        ready += usize::from(w.revents != 0);
    }
    ready
}

/// What a descriptor shows that its socket does not say (a fresh stream has hung up, an error is readable and writable) must not
/// keep the machine busy.
const PAUSE: Duration = Duration::from_millis(1);

/// The same of a host in another process: this one sleeps on the sockets' readiness descriptors.
fn poll_there(far: &dyn Far, watched: &mut [PollFd<'_>], timeout: Option<Duration>) -> Result<usize> {
    let deadline = timeout.map(|timeout| far.now() + timeout);
    let mut woken = false;
    loop {
        let ready = count(watched, Description::poll);
        let left = deadline.map(|deadline| deadline.since(far.now()));
        if ready > 0 || left.is_some_and(|left| left.is_zero()) {
            return Ok(ready);
        }
        if woken {
            std::thread::sleep(left.map_or(PAUSE, |left| left.min(PAUSE)));
        }
        let mut fds = Vec::with_capacity(watched.len());
        for w in &*watched {
            let (readable, writable) = (w.events & !POLLOUT != 0, w.events & POLLOUT != 0);
            fds.push(sys::PollFd::new(w.socket.fileno()?, readable, writable));
        }
        woken = sys::poll(&mut fds, deadline.map(|deadline| deadline.since(far.now())))? > 0;
    }
}
