//! One connection of the kernel's and one of the stack's, and the bytes between them.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsFd;

use super::{dial, is_later};
use crate::base::constants::{
    MSG_DONTWAIT, POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT, SHUT_WR, SOCK_STREAM,
};
use crate::base::verb::{Answer, Letter, Verb};
use crate::base::{Errno, Result, SocketId};
use crate::daemon::native::Tools;

/// Bytes that are carried at once.
const PIECE: usize = 64 * 1024;

/// One connection of the kernel's and one of the stack's.
#[derive(Debug)]
pub(super) struct Pipe {
    kernel: TcpStream,
    socket: SocketId,
    /// Where else the program may listen.
    other: Option<SocketAddr>,
    connecting: bool,
    /// Read and not written yet.
    inward: Vec<u8>,
    outward: Vec<u8>,
    inward_ended: bool,
    outward_ended: bool,
    /// The events that epoll waits for.
    watched: i32,
}

impl Pipe {
    /// Connects to the first of the `ways`, then to the second. `token`: of the kernel's connection in the epoll set.
    pub(super) fn new(
        tools: &Tools<'_>,
        kernel: TcpStream,
        ways: [SocketAddr; 2],
        token: u64,
    ) -> Result<Self> {
        kernel.set_nonblocking(true)?;
        tools.epoll.add(kernel.as_fd(), token, 0)?;
        let [first, other] = ways;
        Ok(Self {
            kernel,
            socket: dial(tools, SOCK_STREAM, first)?,
            other: Some(other),
            connecting: true,
            inward: Vec::new(),
            outward: Vec::new(),
            inward_ended: false,
            outward_ended: false,
            watched: 0,
        })
    }

    /// The stack's side; another one after the first was refused.
    pub(super) fn socket(&self) -> SocketId {
        self.socket
    }

    pub(super) fn is_done(&self) -> bool {
        self.inward_ended && self.outward_ended && self.inward.is_empty() && self.outward.is_empty()
    }

    /// Carries what can be carried. An error: one side has failed.
    pub(super) fn pump(&mut self, tools: &Tools<'_>, token: u64) -> Result<()> {
        if self.connecting {
            let outcome = POLLOUT | POLLERR | POLLHUP | POLLNVAL;
            match tools.host.perform(Verb::Poll(self.socket))? {
                Answer::Events(events) if events & outcome == 0 => return Ok(()),
                Answer::Events(events) if events & POLLERR != 0 => {
                    let other = self.other.take().ok_or(Errno::ECONNREFUSED)?;
                    self.socket = dial(tools, SOCK_STREAM, other)?;
                    return Ok(());
                }
                _ => self.connecting = false,
            }
        }
        // Each way until it can't go on; a turn is bounded by what the buffers hold.
        for _ in 0..16 {
            if !self.pump_inward(tools)? & !self.pump_outward(tools)? {
                break;
            }
        }
        let room = self.inward.is_empty() && !self.inward_ended;
        let watched = if room { POLLIN } else { 0 } | if self.outward.is_empty() { 0 } else { POLLOUT };
        if watched != self.watched {
            match (self.watched, watched) {
                // A connection that has failed or hung up would be "ready" though nothing is asked.
                (_, 0) => tools.epoll.remove(self.kernel.as_fd())?,
                (0, _) => {
                    // It is in the set already, the first time.
                    let _ = tools.epoll.remove(self.kernel.as_fd());
                    tools.epoll.add(self.kernel.as_fd(), token, watched)?;
                }
                _ => tools.epoll.modify(self.kernel.as_fd(), token, watched)?,
            }
            self.watched = watched;
        }
        Ok(())
    }

    /// Kernel to stack. True if something was carried.
    fn pump_inward(&mut self, tools: &Tools<'_>) -> Result<bool> {
        if self.inward.is_empty() && !self.inward_ended {
            let mut piece = vec![0; PIECE];
            match self.kernel.read(&mut piece) {
                Ok(0) => {
                    self.inward_ended = true;
                    tools.host.perform(Verb::Shutdown(self.socket, SHUT_WR))?;
                    return Ok(true);
                }
                Ok(len) => {
                    piece.truncate(len);
                    self.inward = piece;
                }
                Err(error) if is_later(&error) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        if self.inward.is_empty() {
            return Ok(false);
        }
        let letter = Letter { data: self.inward.clone(), flags: MSG_DONTWAIT, ..Letter::default() };
        match tools.host.perform(Verb::Send(self.socket, vec![letter])) {
            Ok(Answer::Count(sent)) => {
                self.inward.drain(..sent.min(self.inward.len()));
                Ok(true)
            }
            Err(error) if error.errno() != Errno::EAGAIN => Err(error),
            _ => Ok(false),
        }
    }

    /// Stack to kernel. True if something was carried.
    fn pump_outward(&mut self, tools: &Tools<'_>) -> Result<bool> {
        if self.outward.is_empty() && !self.outward_ended {
            let verb = Verb::Receive { socket: self.socket, count: 1, size: PIECE, flags: MSG_DONTWAIT };
            match tools.host.perform(verb) {
                Ok(Answer::Letters(mut letters)) => {
                    self.outward = letters.pop().map(|letter| letter.data).unwrap_or_default();
                    if self.outward.is_empty() {
                        self.outward_ended = true;
                        self.kernel.shutdown(Shutdown::Write)?;
                        return Ok(true);
                    }
                }
                Err(error) if error.errno() != Errno::EAGAIN => return Err(error),
                _ => return Ok(false),
            }
        }
        if self.outward.is_empty() {
            return Ok(false);
        }
        match self.kernel.write(&self.outward) {
            Ok(written) => {
                self.outward.drain(..written);
                Ok(true)
            }
            Err(error) if is_later(&error) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
