//! connect(2) of streams: blocking, non-blocking, interrupted.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::bench::Bench;
use super::channel::Channel;
use super::{Ticket, Tools, plug};
use crate::base::{Errno, Instant, Result, SockAddr, SocketId};

/// A blocking connect(2): the program's thread waits in it, and its descriptor is not touched until the connection stands.
#[derive(Debug)]
pub(super) struct Connecting {
    pub(super) ticket: Ticket,
    pub(super) until: Instant,
    address: SockAddr,
    /// The program's descriptor. It can't be closed unheard: a thread of the program waits.
    borrowed: OwnedFd,
}

impl Connecting {
    /// The handshake has begun.
    pub(super) fn new(
        ticket: Ticket,
        until: Instant,
        address: SockAddr,
        borrowed: BorrowedFd<'_>,
    ) -> Result<Self> {
        Ok(Self { ticket, until, address, borrowed: borrowed.try_clone_to_owned()? })
    }

    /// `Some` = the call ends so: with the channel if the connection stands.
    pub(super) fn look(&self, tools: &Tools<'_>, bench: &mut Bench, id: SocketId) -> Option<Result<Channel>> {
        match tools.host.call_on(id, |stack| stack.connect(id, self.address)) {
            Ok(()) => Some(join(tools, bench, id, self.borrowed.as_fd(), false)),
            Err(error) if error.would_block() || error.errno() == Errno::EALREADY => None,
            Err(error) => Some(Err(error)),
        }
    }

    /// The call ends before its connection stands: a signal, or SO_SNDTIMEO. From now on it is as after a non-blocking one.
    pub(super) fn leave(&self, tools: &Tools<'_>, bench: &mut Bench, id: SocketId) -> Result<Channel> {
        join(tools, bench, id, self.borrowed.as_fd(), true)
    }
}

/// The channel between a descriptor and the host. `opening`: the connection does not stand yet.
pub(super) fn join(
    tools: &Tools<'_>,
    bench: &mut Bench,
    id: SocketId,
    borrowed: BorrowedFd<'_>,
    opening: bool,
) -> Result<Channel> {
    let end = bench.join(id, borrowed)?;
    let plug = if opening { Some(plug::put_in(borrowed, &bench.buffer)?) } else { None };
    Ok(Channel::new(tools, id, end, plug, true))
}
