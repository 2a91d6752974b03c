//! The pending error of a datagram socket: the host has the true one; the descriptor shows only that there is one, by an error of
//! its own (a connected one) or by a datagram from the host's sender of errors.

use std::os::fd::BorrowedFd;

use crate::base::constants::{MSG_DONTWAIT, MSG_PEEK, POLLERR, SO_ERROR, SOL_SOCKET};
use crate::base::verb::{Answer, Verb};
use crate::base::{Errno, Result, SocketId};
use crate::guest::Guest;
use crate::socket::remote::names::Name;
use crate::socket::remote::{Native, Nonce};
use crate::sys::descriptor;
use crate::sys::unix::{self, Received};

/// Told so often without being read: nobody tells it more than once at a time.
const MOST: usize = 16;

/// True for a datagram that is none, and says that there is an error.
pub(super) fn is_told_by(received: &Received, ours: Nonce) -> bool {
    received.from.as_deref().and_then(Name::decode) == Some((ours, Name::Errors))
}

/// The pending error, as the error of this call; then it is pending no more (sock_error).
pub(super) fn pending(guest: &mut Guest, socket: SocketId) -> Result<()> {
    match guest.option(socket, SOL_SOCKET, SO_ERROR, 4)?.try_into().map_or(0, i32::from_ne_bytes) {
        0 => Ok(()),
        waiting => Err(Errno(waiting).into()),
    }
}

/// The program has been told: if nothing more is pending, its descriptor has no error any more either.
pub(super) fn forget(guest: &mut Guest, fd: BorrowedFd<'_>, socket: SocketId) {
    if !matches!(guest.verb(Verb::Poll(socket)), Ok(Answer::Events(events)) if events & POLLERR == 0) {
        return;
    }
    // Asking is taking.
    let _ = descriptor::option(fd, SOL_SOCKET, SO_ERROR);
    let ours = guest.host.facts().nonce;
    for _ in 0..MOST {
        match unix::receive(fd, &mut [], MSG_PEEK | MSG_DONTWAIT) {
            Ok(received) if is_told_by(&received, ours) => {
                let _ = descriptor::recv(fd, &mut [], MSG_DONTWAIT);
            }
            _ => break,
        }
    }
    let _ = guest.native(Native::Told { socket, again: true }, &[]);
}
