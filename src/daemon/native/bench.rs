//! What all descriptors work with: names, the host's listener, a buffer; how descriptors are made.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use super::Natives;
use crate::base::constants::{
    MSG_DONTWAIT, POLLIN, SO_RCVBUF, SO_SNDBUF, SO_SNDBUFFORCE, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_STREAM,
    SOL_SOCKET,
};
use crate::base::{Result, SocketId};
use crate::driver::Local;
use crate::socket::remote::{Name, Nonce};
use crate::sys::descriptor::setsockopt;
use crate::sys::epoll::Epoll;
use crate::sys::unix::{self, Place};

/// What the parts of [`Natives`](super::Natives) share.
#[derive(Debug)]
pub(super) struct Bench {
    nonce: Nonce,
    /// `x`, made when it is needed for the first time.
    listener: Option<OwnedFd>,
    /// `e`, made when it is needed for the first time.
    errors: Option<OwnedFd>,
    /// Channels of which hanging up says nothing any more: both directions are shut, only the close is still to come. It makes
    /// an edge, and nothing else does.
    graves: Option<Epoll>,
    /// Tokens of those whose close was heard.
    pub(super) buried: Vec<u64>,
    /// One for all, so that a connection at rest costs its state alone.
    pub(super) buffer: Box<[u8]>,
}

/// One batch of a stream.
const BUFFER: usize = 256 * 1024;
/// EPOLLET.
const EDGE: i32 = i32::MIN;
/// What waits in `x` while its owner looks away: only strangers.
const QUEUE: i32 = 128;

impl Bench {
    pub(super) fn new(nonce: Nonce) -> Self {
        let buffer = vec![0; BUFFER].into();
        Self { nonce, listener: None, errors: None, graves: None, buried: Vec::new(), buffer }
    }

    pub(super) fn name(&self, name: &Name) -> Vec<u8> {
        name.encode(self.nonce)
    }

    /// The name's socket of this kind (SOCK_STREAM, SOCK_DGRAM), not blocking.
    pub(super) fn socket(&self, kind: i32, name: &Name) -> io::Result<OwnedFd> {
        let fd = unix::socket(kind | SOCK_NONBLOCK)?;
        unix::bind(fd.as_fd(), Place::Abstract(&self.name(name)))?;
        Ok(fd)
    }

    /// The descriptor that a program gets of a socket.
    pub(super) fn descriptor(&self, host: &Local, id: SocketId, stream: bool, flags: i32) -> Result<OwnedFd> {
        let fd = unix::socket(if stream { SOCK_STREAM } else { SOCK_DGRAM } | flags)?;
        unix::bind(fd.as_fd(), Place::Abstract(&self.name(&Name::Socket(id))))?;
        size_as(host, id, fd.as_fd(), SO_SNDBUF);
        Ok(fd)
    }

    /// Connects a program's descriptor, borrowed, to the host: the host's end, not blocking.
    pub(super) fn join(&mut self, id: SocketId, borrowed: BorrowedFd<'_>) -> Result<OwnedFd> {
        if self.listener.is_none() {
            let fd = self.socket(SOCK_STREAM, &Name::Channels)?;
            unix::listen(fd.as_fd(), QUEUE)?;
            self.listener = Some(fd);
        }
        let Some(listener) = &self.listener else { return Err(crate::base::Errno::EIO.into()) };
        // Whoever else has come does not matter, and must not fill the queue: connect would wait for room in it.
        while unix::accept(listener.as_fd(), 0).is_ok() {}
        unix::connect(borrowed, Place::Abstract(&self.name(&Name::Channels)))?;
        let own = self.name(&Name::Socket(id));
        loop {
            let end = unix::accept(listener.as_fd(), SOCK_NONBLOCK)?;
            if unix::peer_name(end.as_fd())?.is_some_and(|name| name == own) {
                return Ok(end);
            }
        }
    }

    /// Wakes whoever waits for a datagram socket that is not connected: it has an error.
    pub(super) fn tell_of_error(&mut self, id: SocketId) -> io::Result<()> {
        if self.errors.is_none() {
            self.errors = Some(self.socket(SOCK_DGRAM, &Name::Errors)?);
        }
        let to = self.name(&Name::Socket(id));
        match &self.errors {
            Some(errors) => unix::send_to(errors.as_fd(), b"", MSG_DONTWAIT, Some(&to)).map(drop),
            None => Ok(()),
        }
    }

    /// A channel whose both directions are being shut. Returns its events so far.
    pub(super) fn bury(&mut self, epoll: &Epoll, fd: BorrowedFd<'_>, token: u64) -> io::Result<i32> {
        if self.graves.is_none() {
            let graves = Epoll::new()?;
            epoll.add(graves.as_fd(), Natives::GRAVES, POLLIN)?;
            self.graves = Some(graves);
        }
        if let Some(graves) = &self.graves {
            graves.add(fd, token, EDGE)?;
        }
        Ok(self.edges(token))
    }

    /// Takes the edges that have come; those of others than `token` go to `buried`. Returns the events of `token`.
    pub(super) fn edges(&mut self, token: u64) -> i32 {
        let Some(graves) = &self.graves else { return 0 };
        let (mut own, mut ready) = (0, Vec::new());
        while graves.wait(&mut ready, Some(Duration::ZERO)).is_ok() && !ready.is_empty() {
            for found in ready.drain(..) {
                if found.token == token {
                    own |= found.events;
                } else {
                    self.buried.push(found.token);
                }
            }
        }
        own
    }
}

/// Gives an AF_UNIX socket the send buffer that `option` (SO_SNDBUF, SO_RCVBUF) of our socket says, as far as it may be.
pub(super) fn size_as(host: &Local, id: SocketId, fd: BorrowedFd<'_>, option: i32) {
    debug_assert!(matches!(option, SO_SNDBUF | SO_RCVBUF));
    let Ok(value) = host.call_on(id, |stack| stack.getsockopt(id, SOL_SOCKET, option, size_of::<i32>()))
    else {
        return;
    };
    let value = value.first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes));
    // What getsockopt tells, and setsockopt doubles.
    let half = value / 2;
    if half > 0 && setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, half).is_err() {
        // Without privilege there is a largest value; it is taken then.
        let _ = setsockopt(fd, SOL_SOCKET, SO_SNDBUF, half);
    }
}
