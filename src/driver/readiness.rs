//! Descriptors that poll(2) and epoll(7) can wait on: what `fileno()` gives.
//!
//! Each is one end of an AF_UNIX pair, made at its first use. It carries readiness, not data: a byte to read is POLLIN, a full
//! send buffer is no POLLOUT, an end of the stream is POLLRDHUP and POLLHUP. An error shows as both POLLIN and POLLOUT, for an
//! AF_UNIX socket has none to show.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use crate::base::constants::{
    MSG_DONTWAIT, POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT, POLLRDHUP, SHUT_RDWR, SHUT_WR, SO_SNDBUF,
    SOCK_NONBLOCK, SOCK_STREAM, SOL_SOCKET,
};
use crate::base::{Result, SocketId};
use crate::stack::Stack;
use crate::sys::descriptor;

/// A socket's descriptor, and our end of it.
#[derive(Debug)]
struct Pair {
    /// Shared with the socket's handles, so that nobody ever borrows a closed number.
    users: Arc<OwnedFd>,
    ours: OwnedFd,
    readable: bool,
    writable: bool,
    read_ended: bool,
    hung_up: bool,
}

/// The readiness descriptors of a host.
#[derive(Debug, Default)]
pub(super) struct Readiness {
    out: HashMap<SocketId, Pair>,
}

/// More than a quarter of the smallest send buffer that Linux gives (4,608 bytes with its book-keeping): poll(2) says POLLOUT
/// only below that.
const FILL: [u8; 2048] = [0; 2048];

impl Readiness {
    /// The socket's descriptor.
    pub(super) fn open(&mut self, socket: SocketId, stack: &Stack) -> Result<Arc<OwnedFd>> {
        if let Some(pair) = self.out.get(&socket) {
            return Ok(Arc::clone(&pair.users));
        }
        let pair = Pair::new()?;
        let users = Arc::clone(&pair.users);
        self.out.insert(socket, pair);
        self.refresh(socket, stack);
        Ok(users)
    }

    /// True while there are any: somebody may poll instead of calling.
    pub(super) fn is_out(&self) -> bool {
        !self.out.is_empty()
    }

    /// Shows the socket's readiness as it is now. That of a closed socket is closed.
    pub(super) fn refresh(&mut self, socket: SocketId, stack: &Stack) {
        if self.out.is_empty() {
            return;
        }
        if let Some(pair) = self.out.get_mut(&socket) {
            let events = stack.poll(socket);
            pair.show(events);
            if events & POLLNVAL != 0 {
                self.out.remove(&socket);
            }
        }
    }

    /// [`Readiness::refresh`] of a socket that the stack has woken: who waits for an edge of POLLOUT hears of new room too.
    pub(super) fn refresh_woken(&mut self, socket: SocketId, stack: &mut Stack) {
        let room = stack.take_room(socket);
        self.refresh(socket, stack);
        if room && let Some(pair) = self.out.get_mut(&socket) {
            pair.tell_room();
        }
    }

    /// The same of every socket, for a verb that does not say whom it concerned.
    pub(super) fn refresh_every(&mut self, stack: &Stack) {
        self.out.retain(|socket, pair| {
            let events = stack.poll(*socket);
            pair.show(events);
            events & POLLNVAL == 0
        });
    }

    /// The host is shut down.
    pub(super) fn hang_up(&mut self) {
        self.out.values_mut().for_each(|pair| pair.show(POLLIN | POLLOUT | POLLRDHUP | POLLHUP));
    }
}

impl Pair {
    fn new() -> Result<Self> {
        let (users, ours) = descriptor::socketpair(SOCK_STREAM | SOCK_NONBLOCK)?;
        descriptor::setsockopt(users.as_fd(), SOL_SOCKET, SO_SNDBUF, 1)?;
        Ok(Self {
            users: Arc::new(users),
            ours,
            readable: false,
            writable: true,
            read_ended: false,
            hung_up: false,
        })
    }

    /// An edge of EPOLLOUT, if it is writable.
    fn tell_room(&self) {
        if self.writable && descriptor::send(self.users.as_fd(), &[1], 0).is_ok() {
            drain(&self.ours);
        }
    }

    fn show(&mut self, events: i32) {
        let readable = events & (POLLIN | POLLERR) != 0;
        if readable && !self.readable {
            self.readable = descriptor::send(self.ours.as_fd(), &[1], 0).is_ok();
        } else if !readable && self.readable {
            drain(&self.users);
            self.readable = false;
        }
        let writable = events & (POLLOUT | POLLERR) != 0;
        if writable && !self.writable {
            drain(&self.ours);
            self.writable = true;
        } else if !writable && self.writable {
            self.writable = descriptor::send(self.users.as_fd(), &FILL, 0).is_err();
        }
        // A fresh TCP socket is POLLHUP without POLLRDHUP; that passes, a shutdown here would not.
        let ended = events & POLLRDHUP != 0;
        if ended && events & POLLHUP != 0 && !self.hung_up {
            self.hung_up = descriptor::shutdown(self.ours.as_fd(), SHUT_RDWR).is_ok();
        } else if ended && !self.read_ended {
            self.read_ended = descriptor::shutdown(self.ours.as_fd(), SHUT_WR).is_ok();
        }
    }
}

fn drain(fd: &OwnedFd) {
    let mut buffer = [0; 4096];
    while descriptor::recv(fd.as_fd(), &mut buffer, MSG_DONTWAIT).is_ok_and(|n| n > 0) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    /// What poll(2) says now.
    fn seen(pair: &Pair) -> (bool, bool) {
        let fd = pair.users.as_raw_fd();
        let mut fds = [crate::sys::PollFd::new(fd, true, false), crate::sys::PollFd::new(fd, false, true)];
        crate::sys::poll(&mut fds, Some(std::time::Duration::ZERO)).unwrap();
        (fds[0].is_ready(), fds[1].is_ready())
    }

    #[test]
    fn a_descriptor_shows_what_the_socket_says() {
        let mut pair = Pair::new().unwrap();
        assert_eq!(seen(&pair), (false, true));
        for events in [POLLIN, 0, POLLOUT, POLLIN | POLLOUT, 0, POLLERR, POLLOUT | POLLHUP, POLLIN, 0] {
            pair.show(events);
            pair.show(events);
            let wanted = (events & (POLLIN | POLLERR) != 0, events & (POLLOUT | POLLERR) != 0);
            assert_eq!(seen(&pair), wanted, "{events:#x}");
        }
        pair.show(POLLIN | POLLOUT | POLLRDHUP);
        assert_eq!(seen(&pair), (true, true));
        pair.show(POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
        assert_eq!(seen(&pair), (true, true));
    }
}
