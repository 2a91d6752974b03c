//! accept(2) where the program wants the peer's address; all others the kernel does alone.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use super::names::ask;
use crate::base::constants::{
    MSG_DONTWAIT, POLLIN, SO_ACCEPTCONN, SO_OOBINLINE, SO_RCVTIMEO, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM,
    SOL_SOCKET,
};
use crate::base::verb::{Answer, Verb};
use crate::base::{Errno, Error, Result};
use crate::guest::address;
use crate::guest::supervisor::Guest;
use crate::guest::trap::{Borrowed, Trap, Verdict};
use crate::guest::waits::{For, Wake};
use crate::socket::remote::{Native, names};
use crate::sys::{PollFd, descriptor, poll, unix};

/// Connections that one call looks at: those whose peer has gone already are passed over.
const LOOKS: usize = 64;

pub(super) fn accept(guest: &mut Guest, trap: &Trap, ours: Borrowed, flags: i32) -> Result<Verdict> {
    // __sys_accept4(): no other flags.
    if flags & !(SOCK_CLOEXEC | SOCK_NONBLOCK) != 0 {
        return Err(Errno::EINVAL.into());
    }
    // sock_no_accept().
    if ours.kind != SOCK_STREAM {
        return Err(Errno::EOPNOTSUPP.into());
    }
    // inet_csk_accept(): only a listener has something to wait for. AF_UNIX knows it too, but is asked only once there is something.
    if descriptor::option(ours.fd.as_fd(), SOL_SOCKET, SO_ACCEPTCONN)? == 0 {
        return Err(Errno::EINVAL.into());
    }
    let limit = descriptor::timeout(ours.fd.as_fd(), SO_RCVTIMEO)?;
    let call = Call {
        flags,
        nonblocking: ours.nonblocking,
        deadline: limit.and_then(|limit| Instant::now().checked_add(limit)),
        timed: limit.is_some(),
    };
    Ok(call.go_on(guest, trap, ours.fd))
}

#[derive(Clone, Copy, Debug)]
struct Call {
    flags: i32,
    nonblocking: bool,
    deadline: Option<Instant>,
    timed: bool,
}

impl Call {
    fn go_on(self, guest: &mut Guest, trap: &Trap, listener: OwnedFd) -> Verdict {
        match self.take(guest, trap, &listener) {
            Ok(fd) => {
                return Verdict::Give { fd, close_on_exec: self.flags & SOCK_CLOEXEC != 0, at: None };
            }
            Err(error) if error.would_block() && !self.nonblocking => {}
            Err(error) => return Verdict::Fail(error.errno()),
        }
        let limit = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        // Others may be faster; then it begins anew.
        let then = move |guest: &mut Guest, trap: &Trap, wake: Wake| match wake {
            Wake::Ready(listener) => self.go_on(guest, trap, listener),
            // sock_intr_errno(): with a time-out the call is not begun again.
            Wake::Interrupted if self.timed => Verdict::Fail(Errno::EINTR),
            Wake::Interrupted => Verdict::Restart,
            Wake::TimedOut => Verdict::Fail(Errno::EAGAIN),
            Wake::Answered(result, _) => {
                Verdict::Fail(result.err().map_or(Errno::EPROTO, |error| error.errno()))
            }
        };
        guest.wait(trap, For::Descriptor(listener, POLLIN), limit, Box::new(then))
    }

    /// A connection, its peer's address told.
    fn take(self, guest: &mut Guest, trap: &Trap, listener: &OwnedFd) -> Result<OwnedFd> {
        for _ in 0..LOOKS {
            let new = if self.nonblocking {
                unix::accept(listener.as_fd(), self.flags & SOCK_NONBLOCK)
            } else {
                unix::accept_now(listener.as_fd(), self.flags & SOCK_NONBLOCK, PATIENCE)
            };
            let new = new.map_err(Error::from).map_err(|error| {
                match error.would_block() && has_ended(listener) {
                    true => Errno::EINVAL.into(),
                    false => error,
                }
            })?;
            let Some((_, socket)) = names::identify(new.as_fd()) else { continue };
            // The host's socket has it of its listener; the descriptor has it of nobody.
            if descriptor::option(listener.as_fd(), SOL_SOCKET, SO_OOBINLINE).is_ok_and(|inline| inline != 0)
            {
                let _ = descriptor::setsockopt(new.as_fd(), SOL_SOCKET, SO_OOBINLINE, 1);
            }
            match ask(guest, Verb::Peer(socket)) {
                Ok(peer) => {
                    address::write(trap, &peer, trap.pointer(1), trap.pointer(2))?;
                    return Ok(new);
                }
                // It was reset while it waited. inet_csk_accept gives it out all the same; the byte makes the reset visible.
                Err(error) if error.errno() == Errno::ENOTCONN => {
                    let _ = descriptor::send(new.as_fd(), b"\0", MSG_DONTWAIT);
                    if let Ok((Answer::Address(peer), _)) = guest.native(Native::Accepted(socket), &[]) {
                        address::write(trap, &peer, trap.pointer(1), trap.pointer(2))?;
                        return Ok(new);
                    }
                }
                // Nobody knows it any more.
                Err(error) if error.errno() == Errno::EBADF => {}
                Err(error) => return Err(error),
            }
        }
        Err(Errno::EAGAIN.into())
    }
}

/// shutdown(2) has ended the listening. A blocking accept(2) of AF_UNIX knows that; another says EAGAIN.
fn has_ended(listener: &OwnedFd) -> bool {
    // POLLHUP.
    let mut polled = [PollFd::new(listener.as_raw_fd(), false, false)];
    poll(&mut polled, Some(Duration::ZERO)).is_ok_and(|ready| ready > 0)
}

/// A connection that is there is taken at once; longer than this it takes only if another thread of the program was faster.
const PATIENCE: Duration = Duration::from_millis(2);
