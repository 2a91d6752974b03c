//! select(2) over sockets and other descriptors.

use std::time::Duration;

use super::poll::{PollFd, Watched, poll};
use crate::base::constants::{POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT, POLLPRI};
use crate::base::{Errno, Reason, Result};

/// What [`select`] found, of each list those that are ready.
pub type Selected<T> = (Vec<T>, Vec<T>, Vec<T>);

/// select(2): of the first list those that can be read, of the second those that can be written, of the third those with an
/// exceptional condition (urgent data); waits until there is one, at most `timeout` (`None` = as long as it takes). The lists have
/// sockets, or [`Watched`] where other descriptors are among them.
///
/// # Errors
/// EBADF (a closed socket), and those of [`poll`].
///
/// ```
/// use sockatoo::{Host, socket::*};
/// let host = Host::builder().build()?;
/// let server = host.create_server(("127.0.0.1", 8000), Server::default())?;
/// let client = host.create_connection(("127.0.0.1", 8000), None, None)?;
/// let (readable, writable, _) = select(&[&server, &client], &[&client], &[], None)?;
/// assert!(std::ptr::eq(readable[0], &server) && readable.len() == 1);
/// assert!(std::ptr::eq(writable[0], &client));
/// # Ok::<(), sockatoo::Error>(())
/// ```
pub fn select<'a, T>(
    readers: &[T],
    writers: &[T],
    exceptional: &[T],
    timeout: Option<Duration>,
) -> Result<Selected<T>>
where
    T: Copy + Into<Watched<'a>>,
{
    // fs/select.c: POLLIN_SET, POLLOUT_SET, POLLEX_SET: what is asked, and what counts with it.
    let lists =
        [(readers, POLLIN, POLLHUP | POLLERR), (writers, POLLOUT, POLLERR), (exceptional, POLLPRI, 0)];
    let mut watched = Vec::with_capacity(readers.len() + writers.len() + exceptional.len());
    for (list, events, unasked) in lists {
        watched.extend(list.iter().map(|&one| PollFd::counting(one, events, unasked)));
    }
    poll(&mut watched, timeout)?;
    if watched.iter().any(|w| w.revents & POLLNVAL != 0) {
        return Err(Errno::EBADF.because(Reason::Closed));
    }
    let mut rest = watched.iter();
    let mut ready = |list: &[T]| -> Vec<T> {
        let found = list.iter().zip(rest.by_ref().take(list.len()));
        found.filter(|(_, found)| found.revents != 0).map(|(&one, _)| one).collect()
    };
    Ok((ready(readers), ready(writers), ready(exceptional)))
}
