//! connect(2).

use std::os::fd::{AsFd, OwnedFd};

use crate::base::constants::{SO_SNDTIMEO, SOCK_STREAM};
use crate::base::{Errno, Result};
use crate::guest::address;
use crate::guest::supervisor::Guest;
use crate::guest::trap::{Borrowed, Trap, Verdict};
use crate::guest::waits::{For, Wake};
use crate::socket::remote::{Ask, Native, Patience};
use crate::sys::descriptor;

pub(super) fn connect(guest: &mut Guest, trap: &Trap, ours: Borrowed) -> Result<Verdict> {
    let address = address::read(trap, trap.pointer(1), trap.int(2))?;
    let (socket, nonblocking) = (ours.socket, ours.nonblocking);
    let waits = ours.kind == SOCK_STREAM && !nonblocking;
    let patience = if waits { Patience::Forever } else { Patience::Now };
    let ask = Native::Connect { socket, address, nonblocking, patience };
    if !waits {
        let (_, fds) = guest.native(ask, &[ours.fd.as_fd()])?;
        let replaced = !fds.is_empty();
        let verdict = finish(guest, trap, fds)?;
        return Ok(if replaced { Verdict::Fail(Errno::EINPROGRESS) } else { verdict });
    }
    let limit = descriptor::timeout(ours.fd.as_fd(), SO_SNDTIMEO)?;
    let tag = guest.start(Ask::Native(ask), &[ours.fd.as_fd()])?;
    let then = move |guest: &mut Guest, trap: &Trap, wake: Wake| match wake {
        Wake::Answered(Ok(_), fds) => {
            finish(guest, trap, fds).unwrap_or_else(|error| Verdict::Fail(error.errno()))
        }
        Wake::Answered(Err(error), _) => Verdict::Fail(error.errno()),
        // __inet_stream_connect(): the connection goes on being made, as after a non-blocking call.
        Wake::TimedOut => Verdict::Fail(Errno::EINPROGRESS),
        // sock_intr_errno().
        Wake::Interrupted if limit.is_some() => Verdict::Fail(Errno::EINTR),
        Wake::Interrupted | Wake::Ready(_) => Verdict::Restart,
    };
    Ok(guest.wait(trap, For::Host(tag), limit, Box::new(then)))
}

/// A descriptor that came with the answer takes the place of the program's, which can't be connected a second time.
fn finish(guest: &Guest, trap: &Trap, fds: Vec<OwnedFd>) -> Result<Verdict> {
    if let Some(fd) = fds.first() {
        guest.replace(trap, trap.int(0), fd.as_fd())?;
    }
    Ok(Verdict::Return(0))
}
