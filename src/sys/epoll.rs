//! epoll(7): waits for many descriptors, each with a token of the caller's.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// Descriptors to wait for.
#[derive(Debug)]
pub(crate) struct Epoll(OwnedFd);

/// What was found: the token, and EPOLLIN, EPOLLOUT, EPOLLHUP ... (the same bits as POLLIN ...).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) token: u64,
    pub(crate) events: i32,
}

/// Found at once, at most.
const BATCH: usize = 128;

impl Epoll {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: takes no pointers.
        let fd = super::check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: the descriptor is new and nobody else's.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Waits for these events of `fd` too (POLLIN, POLLOUT, POLLRDHUP; EPOLLET may be added).
    pub(crate) fn add(&self, fd: BorrowedFd<'_>, token: u64, events: i32) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, token, events)
    }

    /// Other events of a descriptor that is watched already.
    pub(crate) fn modify(&self, fd: BorrowedFd<'_>, token: u64, events: i32) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, token, events)
    }

    /// No more of it. A descriptor whose last copy is closed goes by itself.
    pub(crate) fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, fd, 0, 0)
    }

    fn control(&self, what: i32, fd: BorrowedFd<'_>, token: u64, events: i32) -> io::Result<()> {
        let mut event = libc::epoll_event { events: events as u32, u64: token };
        // SAFETY: `event` is a valid epoll_event that outlives the call.
        super::check(unsafe { libc::epoll_ctl(self.0.as_raw_fd(), what, fd.as_raw_fd(), &raw mut event) })
            .map(drop)
    }

    /// Waits until something is ready, at most for `timeout` (`None` = for ever); a signal ends it too. What was found replaces
    /// what `ready` had.
    pub(crate) fn wait(&self, ready: &mut Vec<Ready>, timeout: Option<Duration>) -> io::Result<()> {
        ready.clear();
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; BATCH];
        let timeout = timeout.map(|d| libc::timespec {
            tv_sec: libc::time_t::try_from(d.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: d.subsec_nanos() as _,
        });
        let timeout = timeout.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        // SAFETY: `events` has room for BATCH entries; `timeout` is null or outlives the call; no signal mask.
        let found = super::check(unsafe {
            libc::epoll_pwait2(
                self.0.as_raw_fd(),
                events.as_mut_ptr(),
                BATCH as i32,
                timeout,
                std::ptr::null(),
            )
        });
        match found {
            Ok(found) => {
                let found = events.iter().take(found as usize);
                ready.extend(found.map(|e| Ready { token: e.u64, events: e.events as i32 }));
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl AsFd for Epoll {
    /// Itself readable while something is ready: it can be waited for in another one.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
