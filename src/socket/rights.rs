//! Sockets in messages of AF_UNIX: send_fds and recv_fds.

use std::io::IoSlice;

use super::Socket;
use super::remote::connection::unexpected;
use crate::base::constants::{SO_DOMAIN, SO_PROTOCOL, SO_TYPE, SOL_SOCKET};
use crate::base::verb::{Answer, Verb};
use crate::base::{ControlMessage, Errno, Result, SockAddr, SocketId};
use crate::driver::Host;

impl Host {
    /// The handle of a socket that came by [`ControlMessage::Rights`], which names it by its number: what a descriptor is in C.
    /// Each number that was received is to be taken once; what is not taken stays open.
    ///
    /// It is the same socket as the sender's, but for the time-out and the non-blocking mode: those are the handle's own.
    ///
    /// # Errors
    /// EBADF.
    pub fn take_socket(&self, number: SocketId) -> Result<Socket> {
        let option = |name| match self.perform(Verb::GetOption(number, SOL_SOCKET, name, 4, Vec::new()))? {
            Answer::Bytes(bytes) => bytes.try_into().map(i32::from_ne_bytes).map_err(|_| unexpected()),
            _ => Err(unexpected()),
        };
        Ok(Socket::adopt(self, number, option(SO_DOMAIN)?, option(SO_TYPE)?, option(SO_PROTOCOL)?))
    }
}

impl Socket {
    /// Sends data with sockets of the same host, by SCM_RIGHTS: the receiver gets a handle of each. For AF_UNIX; Python's
    /// `send_fds`.
    ///
    /// # Errors
    /// As [`Socket::sendmsg`]; EINVAL (more than 253), EBADF, EXDEV (of another host), ETOOMANYREFS (too many are under way).
    ///
    /// ```
    /// # use sockatoo::{Host, socket::*};
    /// # use std::io::IoSlice;
    /// let host = Host::builder().build()?;
    /// let (one, other) = host.socketpair(AF_UNIX, SOCK_STREAM, 0)?;
    /// let server = host.create_server(("127.0.0.1", 8000), Server::default())?;
    /// one.send_fds(&[IoSlice::new(b"a server")], &[&server], 0, None)?;
    /// server.close()?;
    /// let (data, sockets, _flags, _address) = other.recv_fds(100, 1, 0)?;
    /// assert_eq!(data, b"a server");
    /// assert_eq!(sockets[0].getsockname()?.to_string(), "127.0.0.1:8000");
    /// # Ok::<(), sockatoo::Error>(())
    /// ```
    pub fn send_fds(
        &self,
        buffers: &[IoSlice<'_>],
        sockets: &[&Self],
        flags: i32,
        address: Option<SockAddr>,
    ) -> Result<usize> {
        let mut numbers = Vec::with_capacity(sockets.len());
        for socket in sockets {
            if !socket.host().is(self.host()) {
                return Err(Errno::EXDEV.with("a message carries sockets of its own host alone"));
            }
            numbers.push(socket.open()?.id);
        }
        self.sendmsg(buffers, &[ControlMessage::Rights(numbers)], flags, address)
    }

    /// Receives data and at most `most` sockets that came with it: data, sockets, MSG_* (MSG_CTRUNC: there were more, which are
    /// closed), the sender. Python's `recv_fds`.
    ///
    /// # Errors
    /// As [`Socket::recvmsg`].
    pub fn recv_fds(
        &self,
        bufsize: usize,
        most: usize,
        flags: i32,
    ) -> Result<(Vec<u8>, Vec<Self>, i32, SockAddr)> {
        let message = self.recvmsg(bufsize, flags)?;
        let mut sockets = Vec::new();
        let mut told = message.flags;
        for number in message.control.iter().flat_map(rights) {
            let socket = self.host().take_socket(*number)?;
            if sockets.len() < most {
                sockets.push(socket);
            } else {
                told |= crate::base::constants::MSG_CTRUNC;
            }
        }
        Ok((message.data, sockets, told, message.address))
    }

    /// A call that has no room for control messages: sockets among them are closed.
    pub(super) fn refuse_rights(&self, control: &[ControlMessage]) {
        for number in control.iter().flat_map(rights) {
            let _ = self.host().perform(Verb::Close(*number));
        }
    }
}

/// The sockets that a control message carries.
pub(super) fn rights(message: &ControlMessage) -> &[SocketId] {
    match message {
        ControlMessage::Rights(numbers) => numbers,
        _ => &[],
    }
}
