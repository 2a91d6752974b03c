//! poll(2), with a time-out in nanoseconds.

use std::io;
use std::os::fd::RawFd;
use std::ptr;
use std::time::Duration;

/// A descriptor to be waited for. One that has been closed, or is negative, does no harm: it is reported (POLLNVAL), or passed
/// over.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(crate) struct PollFd(libc::pollfd);

impl PollFd {
    pub(crate) const fn new(fd: RawFd, readable: bool, writable: bool) -> Self {
        let readable = if readable { libc::POLLIN | libc::POLLRDHUP } else { 0 };
        let writable = if writable { libc::POLLOUT } else { 0 };
        Self(libc::pollfd { fd, events: readable | writable, revents: 0 })
    }

    /// The same for any events: POLLIN, POLLPRI, POLLOUT, POLLRDHUP.
    pub(crate) const fn for_events(fd: RawFd, events: i32) -> Self {
        Self(libc::pollfd { fd, events: events as i16, revents: 0 })
    }

    /// After [`poll`]: what was found, POLLERR, POLLHUP and POLLNVAL unasked.
    pub(crate) const fn revents(&self) -> i32 {
        self.0.revents as i32
    }

    /// After [`poll`]: something can be read or written, as was asked, or the descriptor has failed or hung up (reading and
    /// writing tell which).
    pub(crate) const fn is_ready(&self) -> bool {
        self.0.revents != 0
    }
}

/// Waits until one of `fds` is ready, at most for `timeout` (`None` = for ever). Returns how many are; 0 after the time-out,
/// and when a signal came: the caller knows its own deadline and what it waits for.
pub(crate) fn poll(fds: &mut [PollFd], timeout: Option<Duration>) -> io::Result<usize> {
    let timeout = timeout.map(|d| libc::timespec {
        tv_sec: libc::time_t::try_from(d.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: d.subsec_nanos() as _,
    });
    let timeout = timeout.as_ref().map_or(ptr::null(), ptr::from_ref);
    // SAFETY: `fds` is a slice of pollfd (PollFd is transparent) of the length given; `timeout` is null or points to a timespec
    // that outlives the call; the signal mask is null: unchanged.
    let ready =
        unsafe { libc::ppoll(fds.as_mut_ptr().cast(), fds.len() as libc::nfds_t, timeout, ptr::null()) };
    match super::check(ready) {
        Ok(ready) => Ok(ready as usize),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {
            fds.iter_mut().for_each(|fd| fd.0.revents = 0);
            Ok(0)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::EventFd;
    use std::os::fd::AsRawFd;

    #[test]
    fn a_signalled_eventfd_is_readable_until_it_is_cleared() {
        let event = EventFd::new().unwrap();
        let mut fds = [PollFd::new(event.as_raw_fd(), true, false), PollFd::new(-1, true, true)];
        assert_eq!(poll(&mut fds, Some(Duration::ZERO)).unwrap(), 0);
        event.signal();
        event.signal();
        assert_eq!(poll(&mut fds, None).unwrap(), 1);
        assert!(fds[0].is_ready() && !fds[1].is_ready());
        event.clear();
        assert_eq!(poll(&mut fds, Some(Duration::from_micros(1))).unwrap(), 0);
    }
}
