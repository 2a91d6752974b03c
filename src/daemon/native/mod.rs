//! The descriptors that programs have of our sockets: AF_UNIX sockets, made here, worked here, fed here.
//!
//! Everything that is needed of a descriptor is its name (`socket/remote/names.rs`) and, where a program's call is about it, a
//! borrowed copy of it that came with the request.

use std::os::fd::{BorrowedFd, OwnedFd};

use crate::base::verb::Answer;
use crate::base::{Errno, Instant, Result, SocketId};
use crate::driver::Host;
use crate::socket::remote::{Native, Nonce};
use crate::sys::epoll::Epoll;

/// All descriptors of programs that the host has.
#[derive(Debug)]
pub(super) struct Natives {
    nonce: Nonce,
}

/// What the natives work with, lent by the server for each call.
#[derive(Debug)]
pub(super) struct Tools<'a> {
    pub(super) host: &'a Host,
    /// Where their descriptors wait, with tokens that have [`Natives::TOKEN`] set.
    pub(super) epoll: &'a Epoll,
    pub(super) now: Instant,
}

/// What becomes of a request.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The answer, and a descriptor that goes along.
    Done(Result<Answer>, Option<OwnedFd>),
    /// It waits; [`Natives::finished`] will give its end under the ticket that came with it.
    Waits,
}

/// The request that an answer belongs to: the client and the tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Ticket {
    pub(super) client: u64,
    pub(super) tag: u32,
}

impl Natives {
    /// The bit by which epoll's tokens are theirs; the other bits they choose by themselves.
    pub(super) const TOKEN: u64 = 1 << 63;

    pub(super) fn new(nonce: Nonce) -> Self {
        Self { nonce }
    }

    /// A request, with the descriptor that came along.
    pub(super) fn ask(
        &mut self,
        tools: &Tools<'_>,
        ticket: Ticket,
        ask: Native,
        borrowed: Option<BorrowedFd<'_>>,
    ) -> Outcome {
        let _ = (tools, ticket, ask, borrowed, self.nonce);
        Outcome::Done(Err(Errno::EOPNOTSUPP.into()), None)
    }

    /// Requests that waited and have ended since the last call.
    pub(super) fn finished(&mut self) -> Option<(Ticket, Result<Answer>)> {
        None
    }

    /// The request is given up: it is answered EINTR (by [`Natives::finished`]), unless it has ended already.
    pub(super) fn cancel(&mut self, tools: &Tools<'_>, ticket: Ticket) {
        let _ = (tools, ticket);
    }

    /// One of their descriptors is ready.
    pub(super) fn ready(&mut self, tools: &Tools<'_>, token: u64, events: i32) {
        let _ = (tools, token, events);
    }

    /// The stack's side of a socket may have changed.
    pub(super) fn woken(&mut self, tools: &Tools<'_>, socket: SocketId) {
        let _ = (tools, socket);
    }

    /// The client has gone. If it said goodbye, what its programs have sent still arrives and their connections end by themselves;
    /// else they are reset.
    pub(super) fn client_gone(&mut self, tools: &Tools<'_>, client: u64, said_goodbye: bool) {
        let _ = (tools, client, said_goodbye);
    }

    /// When [`Natives::tick`] has something to do next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Does what is due: looks whose descriptors are gone, tries again what had no room.
    pub(super) fn tick(&mut self, tools: &Tools<'_>) {
        let _ = tools;
    }

    /// True while a program has a descriptor, or bytes that a program sent have not been taken by the stack.
    pub(super) fn is_used(&self) -> bool {
        false
    }
}
