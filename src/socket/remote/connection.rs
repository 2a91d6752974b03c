//! The asking side of a host's unix socket.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use super::place;
use super::protocol::{self, Ask, HostFacts, Reply, Request, Response, VERSION};
use crate::base::constants::{MSG_DONTWAIT, SO_RCVTIMEO, SO_SNDTIMEO, SOCK_SEQPACKET};
use crate::base::{Errno, Error, Result};
use crate::sys::descriptor;
use crate::sys::unix::{self, Place};

/// A connection to a host in another process. Closing it closes all that was made on it.
#[derive(Debug)]
pub(crate) struct Connection {
    fd: OwnedFd,
    facts: HostFacts,
    tag: u32,
    buffer: Vec<u8>,
    /// Responses that came while another was waited for.
    early: VecDeque<(Response, Vec<OwnedFd>)>,
}

impl Connection {
    /// Connects to the unix socket at `path`. ECONNREFUSED, ENOENT (no such host), EPROTO (another version's), ETIMEDOUT.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let connection = Self::over(call_at(path)?).map_err(silent)?;
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            descriptor::set_timeout(connection.as_fd(), option, None)?;
        }
        Ok(connection)
    }

    /// To the host of this name. ENOENT if it does not run.
    pub(crate) fn join(name: &str) -> Result<Self> {
        Self::open(&place::socket_of(name)?).map_err(|error| absent(name, error))
    }

    /// The socket, and what the host said of itself: for somebody else to ask on.
    pub(super) fn into_parts(self) -> (OwnedFd, HostFacts) {
        (self.fd, self.facts)
    }

    /// Over a socket that is connected already.
    pub(crate) fn over(fd: OwnedFd) -> Result<Self> {
        let facts = HostFacts {
            name: String::new(),
            hostname: String::new(),
            pid: 0,
            flags: Vec::new(),
            stays: false,
            clock: 0,
            epoch: Duration::ZERO,
            nonce: super::Nonce([0; 12]),
            cookie: 0,
        };
        let mut connection = Self { fd, facts, tag: 0, buffer: Vec::new(), early: VecDeque::new() };
        match connection.call(Ask::Hello { version: VERSION.into() }, &[])? {
            (Reply::Welcome(facts), _) => connection.facts = facts,
            _ => return Err(unexpected()),
        }
        Ok(connection)
    }

    /// What the host said of itself.
    pub(crate) fn facts(&self) -> &HostFacts {
        &self.facts
    }

    /// Asks, and waits for the answer.
    pub(crate) fn call(&mut self, ask: Ask, fds: &[BorrowedFd<'_>]) -> Result<(Reply, Vec<OwnedFd>)> {
        let tag = self.start(ask, fds)?;
        loop {
            match self.next(0)? {
                Some((response, fds)) if response.tag == tag => return Ok((response.result?, fds)),
                Some(early) => self.early.push_back(early),
                None => return Err(gone()),
            }
        }
    }

    /// Asks, and gives the tag with which the answer will come out of [`Connection::finished`].
    pub(crate) fn start(&mut self, ask: Ask, fds: &[BorrowedFd<'_>]) -> Result<u32> {
        self.tag = self.tag.wrapping_add(1);
        let tag = self.tag;
        let bytes = protocol::encode(&Request { tag, ask })?;
        protocol::send(self.fd.as_fd(), &bytes, fds, 0).map_err(|_| gone())?;
        Ok(tag)
    }

    /// True if an answer for [`Connection::finished`] came while another was waited for.
    pub(crate) fn has_early(&self) -> bool {
        !self.early.is_empty()
    }

    /// An answer that has come, without waiting; `None` if there is none. EPIPE if the host has ended.
    pub(crate) fn finished(&mut self) -> Result<Option<(Response, Vec<OwnedFd>)>> {
        if let Some(early) = self.early.pop_front() {
            return Ok(Some(early));
        }
        match self.next(MSG_DONTWAIT) {
            Ok(Some(response)) => Ok(Some(response)),
            Ok(None) => Err(gone()),
            Err(error) if error.errno() == Errno::EAGAIN => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn next(&mut self, flags: i32) -> Result<Option<(Response, Vec<OwnedFd>)>> {
        loop {
            match protocol::receive(self.fd.as_fd(), &mut self.buffer, flags) {
                Err(error) if error.errno() == Errno::EINTR => {}
                result => return result,
            }
        }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// How long a host may take to answer a greeting, and to end. One that is stopped (SIGSTOP, a debugger) never does.
const PATIENCE: Duration = Duration::from_secs(5);

/// A socket connected to the host at `path`. Calls on it fail with EAGAIN after some seconds: [`silent`].
pub(crate) fn call_at(path: &Path) -> Result<OwnedFd> {
    let fd = unix::socket(SOCK_SEQPACKET)?;
    for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
        descriptor::set_timeout(fd.as_fd(), option, Some(PATIENCE))?;
    }
    unix::connect(fd.as_fd(), Place::File(path)).map_err(|error| silent(error.into()))?;
    Ok(fd)
}

/// ETIMEDOUT for EAGAIN: the host says nothing.
pub(crate) fn silent(error: Error) -> Error {
    match error.errno() {
        Errno::EAGAIN => Errno::ETIMEDOUT.with("the host does not answer: its process is stopped, or hangs"),
        _ => error,
    }
}

/// What can't be connected to is not there.
pub(crate) fn absent(name: &str, error: Error) -> Error {
    match error.errno() {
        // The last two: a host that is just ending, or whose start failed.
        Errno::ENOENT | Errno::ECONNREFUSED | Errno::ECONNRESET | Errno::EPIPE => Errno::ENOENT.with(
            format!("no host `{name}` runs: `sockatoo up {name}` starts one, `sockatoo ls` shows them"),
        ),
        _ => error,
    }
}

/// The host's process is not there any more.
pub(crate) fn gone() -> Error {
    Errno::EPIPE.with("the host has ended")
}

/// An answer of the wrong kind.
pub(crate) fn unexpected() -> Error {
    Errno::EPROTO.with("the host answered something else than was asked")
}
