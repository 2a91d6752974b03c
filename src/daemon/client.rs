//! A process that asks: its requests come in, answers go out, and wait while it does not read them.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::native::Ticket;
use crate::base::constants::{MSG_DONTWAIT, POLLIN, POLLOUT};
use crate::base::{Credentials, Errno, Result};
use crate::socket::remote::protocol;
use crate::socket::remote::{Reply, Response};
use crate::sys::epoll::Epoll;

/// Bytes of answers that wait for a client which does not read them; with the next it is dropped. Its requests are not read
/// meanwhile, so these are answers to requests that had waited.
const UNREAD: usize = 32 * 1024 * 1024;
/// What an answer costs beside its bytes.
const OVERHEAD: usize = 64;
/// Descriptors among them.
const UNREAD_FDS: usize = 64;

/// A process that asks.
#[derive(Debug)]
pub(super) struct Client {
    fd: OwnedFd,
    number: u64,
    /// Whose process it is.
    pub(super) credentials: Credentials,
    /// It has said hello.
    pub(super) welcome: bool,
    pub(super) said_goodbye: bool,
    outbox: VecDeque<(Vec<u8>, Option<OwnedFd>)>,
    outbox_bytes: usize,
    outbox_fds: usize,
}

impl Client {
    pub(super) fn new(fd: OwnedFd, number: u64, credentials: Credentials, epoll: &Epoll) -> Result<Self> {
        epoll.add(fd.as_fd(), number, POLLIN)?;
        Ok(Self {
            fd,
            number,
            credentials,
            welcome: false,
            said_goodbye: false,
            outbox: VecDeque::new(),
            outbox_bytes: 0,
            outbox_fds: 0,
        })
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// It reads its answers: it may ask.
    pub(super) fn listens(&self) -> bool {
        self.outbox.is_empty()
    }

    /// Sends an answer, now or when there is room. An error: the client is gone, or has too much unread.
    pub(super) fn answer(
        &mut self,
        ticket: Ticket,
        result: Result<Reply>,
        fd: Option<OwnedFd>,
        epoll: &Epoll,
    ) -> Result<()> {
        let bytes = match protocol::encode(&Response { tag: ticket.tag, result }) {
            Ok(bytes) => bytes,
            // More than fits in a message: that is said instead.
            Err(error) => protocol::encode(&Response { tag: ticket.tag, result: Err(error) })?,
        };
        if self.outbox.is_empty() {
            match self.send(&bytes, fd.as_ref()) {
                Err(error) if error.errno() == Errno::EAGAIN => {
                    epoll.modify(self.fd.as_fd(), self.number, POLLOUT)?;
                }
                sent => return sent,
            }
        }
        self.outbox_bytes += bytes.len() + OVERHEAD;
        self.outbox_fds += usize::from(fd.is_some());
        if self.outbox_bytes > UNREAD || self.outbox_fds > UNREAD_FDS {
            return Err(Errno::ENOBUFS.into());
        }
        self.outbox.push_back((bytes, fd));
        Ok(())
    }

    /// There is room again. An error: the client is gone.
    pub(super) fn send_unsent(&mut self, epoll: &Epoll) -> Result<()> {
        while let Some((bytes, fd)) = self.outbox.pop_front() {
            match self.send(&bytes, fd.as_ref()) {
                Ok(()) => {
                    self.outbox_bytes -= bytes.len() + OVERHEAD;
                    self.outbox_fds -= usize::from(fd.is_some());
                }
                Err(error) if error.errno() == Errno::EAGAIN => {
                    self.outbox.push_front((bytes, fd));
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        epoll.modify(self.fd.as_fd(), self.number, POLLIN)?;
        Ok(())
    }

    fn send(&self, bytes: &[u8], fd: Option<&OwnedFd>) -> Result<()> {
        let fd: Vec<BorrowedFd<'_>> = fd.iter().map(|fd| fd.as_fd()).collect();
        protocol::send(self.fd.as_fd(), bytes, &fd, MSG_DONTWAIT)
    }
}
