//! The socket verbs: what a call does once, now. None of them waits: what can't be done yet is EAGAIN (or EINPROGRESS).
//!
//! What sockets of all families have in common is done here; then the [`Family`](super::family::Family) goes on.

use std::io::{IoSlice, IoSliceMut};

use super::Stack;
use super::family::{Family, family};
use crate::base::constants::{POLLNVAL, SHUT_WR};
use crate::base::{ControlMessage, Errno, Error, Instant, Reason, Result, SockAddr, SocketId};

/// What sendmsg(2) is told beside the data.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SendTo<'a> {
    pub(crate) to: Option<SockAddr>,
    /// MSG_*.
    pub(crate) flags: i32,
    pub(crate) control: &'a [ControlMessage],
}

impl From<i32> for SendTo<'_> {
    /// MSG_* alone.
    fn from(flags: i32) -> Self {
        Self { flags, ..Self::default() }
    }
}

/// What recvmsg(2) tells beside the data.
#[derive(Clone, Debug, Default)]
pub(crate) struct Received {
    /// Bytes written to the buffers; with MSG_TRUNC in the call, the datagram's whole length.
    pub(crate) len: usize,
    pub(crate) from: Option<SockAddr>,
    /// MSG_TRUNC, MSG_ERRQUEUE ...
    pub(crate) flags: i32,
    pub(crate) control: Vec<ControlMessage>,
}

impl Stack {
    /// socket(2), without SOCK_NONBLOCK and SOCK_CLOEXEC (driver and socket/ know those).
    pub(crate) fn socket(&mut self, domain: i32, kind: i32, protocol: i32) -> Result<SocketId> {
        let family = family(domain)?;
        self.check_socket(kind, 1)?;
        family.socket(self, domain, kind, protocol)
    }

    /// socketpair(2), in the same terms.
    pub(crate) fn socketpair(
        &mut self,
        domain: i32,
        kind: i32,
        protocol: i32,
    ) -> Result<(SocketId, SocketId)> {
        let family = family(domain)?;
        self.check_socket(kind, 2)?;
        family.pair(self, kind, protocol)
    }

    /// EINVAL for a number that is no type; EMFILE if there is no room for so many more sockets.
    fn check_socket(&self, kind: i32, more: usize) -> Result<()> {
        /// SOCK_MAX: numbers from here on are no types.
        const TYPES: i32 = 11;
        if !(0..TYPES).contains(&kind) {
            return Err(Errno::EINVAL.because(Reason::WrongType));
        }
        if self.sockets.len() + more > self.net.config.max_sockets {
            return Err(Errno::EMFILE.because(Reason::TooManySockets));
        }
        Ok(())
    }

    /// What knows this socket's verbs. EBADF.
    fn family(&self, id: SocketId) -> Result<&'static dyn Family> {
        family(self.sockets.get(id)?.domain)
    }

    /// bind(2).
    pub(crate) fn bind(&mut self, id: SocketId, address: SockAddr) -> Result<()> {
        self.family(id)?.bind(self, id, address)
    }

    /// listen(2).
    pub(crate) fn listen(&mut self, id: SocketId, backlog: i32) -> Result<()> {
        self.family(id)?.listen(self, id, backlog)
    }

    /// accept(2): EAGAIN while no finished connection waits.
    pub(crate) fn accept(&mut self, id: SocketId) -> Result<(SocketId, SockAddr)> {
        self.family(id)?.accept(self, id)
    }

    /// connect(2) as on a non-blocking socket: EINPROGRESS, then EALREADY, then the outcome in SO_ERROR
    /// (or by a further connect: EISCONN, or the error).
    pub(crate) fn connect(&mut self, id: SocketId, address: SockAddr) -> Result<()> {
        self.family(id)?.connect(self, id, address)
    }

    /// sendmsg(2): EAGAIN while there is no room; a stream may take less than all.
    pub(crate) fn send(&mut self, id: SocketId, data: &[IoSlice<'_>], how: SendTo<'_>) -> Result<usize> {
        let sent = self.family(id)?.send(self, id, data, how);
        // A multicast may have come back to this host's own members.
        self.dispatch();
        sent
    }

    /// recvmsg(2): EAGAIN while there is nothing. Knows MSG_PEEK, MSG_TRUNC, MSG_ERRQUEUE; MSG_WAITALL is the caller's loop.
    /// MSG_DONTWAIT matters on a datagram socket whose reading side is shut down: with it EAGAIN, without it 0 bytes.
    pub(crate) fn recv(&mut self, id: SocketId, data: &mut [IoSliceMut<'_>], flags: i32) -> Result<Received> {
        self.family(id)?.recv(self, id, data, flags)
    }

    /// An error that a call has seen but could not tell: the next one tells it (sk_err).
    pub(crate) fn set_pending_error(&mut self, id: SocketId, error: Error) {
        if let Ok(entry) = self.sockets.get_mut(id) {
            entry.error = Some(error);
            self.ready.wake(id);
        }
    }

    /// shutdown(2): SHUT_RD, SHUT_WR, SHUT_RDWR.
    pub(crate) fn shutdown(&mut self, id: SocketId, how: i32) -> Result<()> {
        self.family(id)?.shutdown(self, id, how)
    }

    /// close(2) of one handle; the last one's is the socket's end. A socket that is under way in a message (SCM_RIGHTS) lives on.
    /// What the protocol has left to do goes on without a socket.
    pub(crate) fn close(&mut self, id: SocketId) -> Result<()> {
        let entry = self.sockets.get_mut(id)?;
        entry.holders = entry.holders.saturating_sub(1);
        let result = match (entry.holders, entry.in_flight) {
            (0, 0) if self.family(id)?.goes_on(self, id) => Ok(()),
            (0, 0) => self.end(id),
            (0, _) => {
                self.unix_suspect();
                Ok(())
            }
            _ => Ok(()),
        };
        self.unix_bury();
        result
    }

    /// The end of a socket.
    pub(super) fn end(&mut self, id: SocketId) -> Result<()> {
        let result = self.family(id)?.close(self, id);
        let memberships = std::mem::take(&mut self.sockets.get_mut(id)?.memberships);
        for membership in memberships {
            // The interface may be gone already.
            let _ = self.net.leave(membership.group, Some(membership.interface));
            self.report_sources(membership.group, membership.interface);
        }
        self.release_flow_labels(id);
        self.release_port(id);
        self.sockets.remove(id);
        self.ready.wake(id);
        result
    }

    /// True while close has something left to send and SO_LINGER asks to wait for it: until when.
    pub(crate) fn lingers(&self, id: SocketId) -> Option<Instant> {
        let entry = self.sockets.get(id).ok()?;
        if entry.holders > 1 || entry.in_flight > 0 {
            return None;
        }
        let linger = entry.options.linger?;
        (self.tcp_unsent(id).is_ok_and(|unsent| unsent > 0)).then(|| self.net.now + linger)
    }

    /// The beginning of a close that lingers: FIN. `None` = there is nothing to wait for.
    ///
    /// socket(7), SO_LINGER: "close(2) or shutdown(2) will not return until all queued messages for the socket have been
    /// successfully sent or the linger timeout has been reached." Linux waits on a non-blocking socket too. A linger time of
    /// zero, and unread data, make it a reset, at once.
    pub(crate) fn begin_linger(&mut self, id: SocketId) -> Option<Instant> {
        let now = self.net.now;
        let deadline = self.lingers(id).filter(|deadline| *deadline > now)?;
        if self.readable(id).is_ok_and(|unread| unread > 0) {
            return None;
        }
        self.shutdown(id, SHUT_WR).is_ok().then_some(deadline)
    }

    /// getsockname(2).
    pub(crate) fn getsockname(&self, id: SocketId) -> Result<SockAddr> {
        self.family(id)?.name(self, id)
    }

    /// getpeername(2).
    pub(crate) fn getpeername(&self, id: SocketId) -> Result<SockAddr> {
        self.family(id)?.peer(self, id)
    }

    /// Whose a connection was that came out of accept(2), also if it has failed since: inet_accept tells it all the same.
    #[cfg(feature = "cli")]
    pub(crate) fn accepted_from(&self, id: SocketId) -> Result<SockAddr> {
        let entry = self.sockets.get(id)?;
        let remote = entry.remote.ok_or(Errno::ENOTCONN.because(Reason::NotConnected))?;
        Ok(entry.shown(entry.with_device_scope(remote)))
    }

    /// What poll(2) would say now: POLLIN | POLLOUT | ...; POLLNVAL for a number that is no socket.
    pub(crate) fn poll(&self, id: SocketId) -> i32 {
        let Ok(entry) = self.sockets.get(id) else { return POLLNVAL };
        family(entry.domain).map_or(POLLNVAL, |family| family.poll(self, id, entry))
    }

    /// ioctl(2) FIONREAD / SIOCINQ: bytes to read (of a datagram socket: of the next datagram).
    pub(crate) fn readable(&self, id: SocketId) -> Result<usize> {
        let entry = self.sockets.get(id)?;
        family(entry.domain)?.readable(self, id, entry)
    }

    /// ioctl(2) SIOCOUTQ: bytes not acknowledged (TCP), not sent (others: always 0, they leave at once).
    pub(crate) fn unsent(&self, id: SocketId) -> Result<usize> {
        self.family(id)?.unsent(self, id)
    }

    /// Sockets, connections, listeners and TIME_WAIT entries that exist (leak tests, `ss`).
    pub(crate) fn census(&self) -> Census {
        let (flows, half_open, time_wait) = self.tcp.census();
        let flows = flows + self.can_census();
        Census { sockets: self.sockets.len(), flows, half_open, time_wait, bindings: self.ports.len() }
    }
}

/// How many of each there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Census {
    /// Sockets that a program has.
    pub sockets: usize,
    /// TCP connections, those whose socket is closed included; messages of ISO-TP that are sent on after their socket was closed.
    pub flows: usize,
    /// Handshakes that listeners have under way.
    pub half_open: usize,
    /// Connections in TIME_WAIT.
    pub time_wait: usize,
    /// Ports taken.
    pub bindings: usize,
}
