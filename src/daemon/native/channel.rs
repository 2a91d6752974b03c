//! A connection's data, pumped both ways between the program's descriptor and TCP; half closes, ends and failures.
//!
//! The windows are honest: bytes leave the descriptor only when TCP's send buffer has room for them, and TCP's receive buffer only
//! when the descriptor has.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use super::bench::{self, Bench};
use super::{Natives, Tools, plug};
use crate::base::constants::{
    MSG_DONTWAIT, MSG_OOB, MSG_PEEK, MSG_TRUNC, POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT, POLLRDHUP,
    SHUT_RD, SHUT_WR, SO_ERROR, SO_LINGER, SO_OOBINLINE, SO_RCVBUF, SOL_SOCKET,
};
use crate::base::{Result, SocketId};
use crate::sys::{PollFd, descriptor, poll};

/// The host's end of a stream.
#[derive(Debug)]
pub(super) struct Channel {
    fd: OwnedFd,
    /// The program itself connected or listened with a descriptor that has the socket's name: it can be looked for by it.
    pub(super) named: bool,
    /// What epoll was asked for; `None` = nothing.
    watched: Option<i32>,
    /// The connection does not stand yet: bytes of junk that keep the descriptor from being writable.
    plug: Option<usize>,
    /// The program sends no more, and TCP has been told.
    program_ended: bool,
    /// The program has shut down its sending side, maybe with bytes still under way.
    program_shut: bool,
    /// The peer sends no more (or the program does not want to hear more), and the descriptor has been told.
    peer_ended: bool,
    /// Both directions are shut: only the close is still to come.
    in_grave: bool,
    /// The program has closed its last descriptor.
    closed: bool,
    /// It did so with bytes unread.
    reset: bool,
    /// The descriptor has no room: POLLOUT tells when it has.
    blocked: bool,
    /// The connection has failed before the program has heard everything: it can send no more.
    refused: bool,
    /// What TCP did not take though it had room. Empty in all but odd moments.
    rest: Vec<u8>,
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// How a channel has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The program closed it, and everything that it sent is TCP's now.
    Closed,
    /// The program closed it in a way that the peer shall see as RST.
    Reset,
    /// The connection failed.
    Failed,
}

/// What one batch did.
enum Step {
    Moved,
    Nothing,
    Ends,
    Fails,
}

/// Batches of one connection before others have their turn.
const BATCHES: usize = 16;

impl Channel {
    /// `end`: the host's end. `plug`: bytes of junk in it, while the connection does not stand.
    pub(super) fn new(
        tools: &Tools<'_>,
        id: SocketId,
        end: OwnedFd,
        plug: Option<usize>,
        named: bool,
    ) -> Self {
        bench::size_as(tools.host, id, end.as_fd(), SO_RCVBUF);
        tools.host.call_on(id, |stack| stack.relay(id));
        // Urgent bytes are carried over with the others, in their place. A kernel without them (CONFIG_AF_UNIX_OOB) has none.
        let _ = descriptor::setsockopt(end.as_fd(), SOL_SOCKET, SO_OOBINLINE, 1);
        Self {
            fd: end,
            named,
            watched: None,
            plug,
            program_ended: false,
            program_shut: false,
            peer_ended: false,
            in_grave: false,
            closed: false,
            reset: false,
            blocked: false,
            refused: false,
            rest: Vec::new(),
        }
    }

    /// The program's descriptor has news.
    pub(super) fn ready(&mut self, events: i32) {
        if events & POLLOUT != 0 {
            self.blocked = false;
        }
        // Both directions shut: by a close, unless both were shut by shutdown(2).
        if events & POLLHUP != 0 && !(self.program_shut && self.peer_ended) {
            self.closed = true;
        } else if events & POLLRDHUP != 0 {
            self.program_shut = true;
        }
    }

    /// The close has been heard of a channel that was shut both ways.
    pub(super) fn buried(&mut self) {
        self.closed = true;
    }

    /// Moves what can be moved. `Some` = it has ended. `true` beside `None`: there is more to move at once.
    pub(super) fn pump(&mut self, tools: &Tools<'_>, bench: &mut Bench, id: SocketId) -> (Option<End>, bool) {
        if let Some(junk) = self.plug {
            let bits = tools.host.call_on(id, |stack| stack.poll(id));
            if bits & (POLLHUP | POLLNVAL) != 0 {
                return (Some(if self.closed { End::Reset } else { End::Failed }), false);
            }
            if self.closed {
                return (Some(End::Reset), false);
            }
            if bits & (POLLOUT | POLLIN) == 0 {
                self.watch(tools, id, 0);
                return (None, false);
            }
            let left = plug::pull_out(self.fd.as_fd(), junk, &mut bench.buffer);
            self.plug = (left > 0).then_some(left);
            if self.plug.is_some() {
                return (Some(End::Reset), false);
            }
        }
        for _ in 0..BATCHES {
            let mut failed = false;
            let out = match self.outgoing(tools, &mut bench.buffer, id) {
                Step::Moved => true,
                Step::Nothing => false,
                Step::Fails => {
                    failed = true;
                    false
                }
                Step::Ends => {
                    self.program_ends(tools, id);
                    true
                }
            };
            if self.closed && self.program_ended {
                return (Some(if self.reset { End::Reset } else { End::Closed }), false);
            }
            let incoming = match self.incoming(tools, &mut bench.buffer, id) {
                Step::Moved => true,
                Step::Nothing => {
                    if failed && self.blocked && !std::mem::replace(&mut self.refused, true) {
                        // tcp_reset ends a send that waits for room, though there is something to read still. What is unread here
                        // stays, and makes an error of the end behind the data.
                        let _ = descriptor::shutdown(self.fd.as_fd(), SHUT_RD);
                    }
                    false
                }
                Step::Ends => {
                    self.shut(tools, bench, id, SHUT_WR);
                    true
                }
                Step::Fails => return (Some(End::Failed), false),
            };
            if !out && !incoming {
                self.rest_now(tools, id);
                return (None, false);
            }
        }
        self.rest_now(tools, id);
        (None, true)
    }

    /// From the program to TCP.
    fn outgoing(&mut self, tools: &Tools<'_>, buffer: &mut [u8], id: SocketId) -> Step {
        if self.program_ended {
            return Step::Nothing;
        }
        let step = tools.host.call_on(id, |stack| {
            if !self.rest.is_empty() {
                return match stack.send(id, &[IoSlice::new(&self.rest)], Default::default()) {
                    Ok(n) => {
                        self.rest.drain(..n);
                        if self.rest.is_empty() { Ok(Step::Moved) } else { Err(None) }
                    }
                    Err(error) => Err(Some(error)),
                };
            }
            let room = match stack.room(id) {
                // Nothing can be sent any more. A living program's descriptor shows it by itself (incoming); a closed one has lost.
                None if self.closed || self.program_shut => return Ok(Step::Ends),
                None => return Ok(Step::Fails),
                Some(0) => return Err(None),
                Some(room) => room.min(buffer.len()),
            };
            // manage_oob: a read ends before an urgent byte, but does not end behind it. (Of an empty queue nobody knows what comes
            // first.)
            let there = descriptor::readable(self.fd.as_fd()).unwrap_or(0) > 0;
            let urgent = there && descriptor::is_at_mark(self.fd.as_fd());
            let (room, flags) = if urgent { (1, MSG_OOB) } else { (room, 0) };
            let Some(batch) = buffer.get_mut(..room) else { return Ok(Step::Nothing) };
            let n = match descriptor::recv(self.fd.as_fd(), batch, MSG_DONTWAIT) {
                Ok(0) => return Ok(Step::Ends),
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    // unix_release_sock: its queue had bytes that it did not read, or it was never accepted.
                    (self.closed, self.reset) = (true, true);
                    return Ok(Step::Moved);
                }
                Err(_) => return Ok(Step::Nothing),
            };
            let batch = batch.get(..n).unwrap_or_default();
            match stack.send(id, &[IoSlice::new(batch)], flags.into()) {
                Ok(sent) if sent == n => Ok(Step::Moved),
                Ok(sent) => {
                    self.rest.extend_from_slice(batch.get(sent..).unwrap_or_default());
                    Err(None)
                }
                Err(error) => Err(Some(error)),
            }
        });
        match step {
            Ok(step) => step,
            Err(error) => {
                // What went wrong is the program's to hear, by SO_ERROR.
                if let Some(error) = error.filter(|error| !error.would_block()) {
                    tools.host.call_on(id, |stack| stack.set_pending_error(id, error));
                }
                Step::Nothing
            }
        }
    }

    /// From TCP to the program.
    fn incoming(&mut self, tools: &Tools<'_>, buffer: &mut [u8], id: SocketId) -> Step {
        let fd = self.fd.as_fd();
        let result: Result<Step> = tools.host.call_on(id, |stack| {
            let readable = stack.readable(id).unwrap_or(0);
            if readable == 0 {
                let bits = stack.poll(id);
                return Ok(match bits {
                    _ if bits & POLLNVAL != 0 || bits & POLLHUP != 0 && bits & POLLERR != 0 => Step::Fails,
                    _ if bits & POLLRDHUP != 0 && !self.peer_ended => Step::Ends,
                    _ => Step::Nothing,
                });
            }
            // tcp_rcv_state_process: bytes for a program that has closed its end are answered by RST; the stack does so.
            if self.closed {
                (self.program_ended, self.reset) = (true, true);
                return Ok(Step::Nothing);
            }
            if self.blocked {
                return Ok(Step::Nothing);
            }
            let urgent = stack.at_mark(id)?;
            let n = if self.peer_ended {
                // Nobody wants to read them.
                readable.min(buffer.len())
            } else {
                let (room, flags) = if urgent { (1, MSG_OOB) } else { (buffer.len(), 0) };
                let batch = buffer.get_mut(..room).unwrap_or_default();
                let peeked = stack.recv(id, &mut [IoSliceMut::new(batch)], MSG_PEEK)?.len;
                match descriptor::send(fd, batch.get(..peeked).unwrap_or_default(), flags | MSG_DONTWAIT) {
                    Ok(n) => n,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        self.blocked = true;
                        return Ok(Step::Nothing);
                    }
                    // Closed with bytes unread: as above.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                        (self.closed, self.reset) = (true, true);
                        return Ok(Step::Moved);
                    }
                    // The program has shut down its reading side, or closed; the latter shows by itself.
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => readable.min(buffer.len()),
                    Err(_) => return Ok(Step::Nothing),
                }
            };
            // tcp(7): with MSG_TRUNC bytes are skipped.
            let skipped = buffer.get_mut(..n).unwrap_or_default();
            stack.recv(id, &mut [IoSliceMut::new(skipped)], MSG_TRUNC)?;
            Ok(Step::Moved)
        });
        result.unwrap_or(Step::Nothing)
    }

    /// The program sends no more: FIN, if it lives; its close says so too.
    fn program_ends(&mut self, tools: &Tools<'_>, id: SocketId) {
        // An end that no shutdown(2) has announced is a close, if the descriptor has hung up; its event may still be to come.
        if !self.program_shut && self.has_hung_up() {
            self.closed = true;
        }
        (self.program_ended, self.program_shut) = (true, true);
        if !self.closed {
            // Refused only where nothing can be sent anyway.
            let _ = tools.host.call_on(id, |stack| stack.shutdown(id, SHUT_WR));
        }
    }

    /// shutdown(2) by the program, which TCP has allowed. An AF_UNIX socket's shutdown is its peer's, the other way round.
    pub(super) fn shutdown(&mut self, tools: &Tools<'_>, bench: &mut Bench, id: SocketId, how: i32) {
        let how = match how {
            SHUT_RD => SHUT_WR,
            SHUT_WR => SHUT_RD,
            both => both,
        };
        self.shut(tools, bench, id, how);
    }

    /// Shuts down the host's end: SHUT_RD = the program sends no more, SHUT_WR = it receives no more.
    fn shut(&mut self, tools: &Tools<'_>, bench: &mut Bench, id: SocketId, how: i32) {
        let (fd, token) = (self.fd.as_fd(), Natives::token(id));
        self.program_shut |= how != SHUT_WR;
        self.peer_ended |= how != SHUT_RD;
        let grave = self.program_shut && self.peer_ended && !self.closed;
        if grave && !self.in_grave {
            // From now on it looks as if it were closed. As long as it does not, looking so is a close.
            if self.watched.take().is_some() {
                let _ = tools.epoll.remove(fd);
            }
            self.in_grave = true;
            self.closed = bench.bury(tools.epoll, fd, token).is_ok_and(|events| events & POLLHUP != 0);
        }
        let _ = descriptor::shutdown(fd, how);
        if self.in_grave {
            // Our own shutdown makes an edge too.
            bench.edges(token);
        }
    }

    /// True while the connection does not stand yet.
    pub(super) fn is_opening(&self) -> bool {
        self.plug.is_some()
    }

    /// True if epoll may have missed the close: both directions were shut by shutdown(2).
    pub(super) fn is_silent(&self) -> bool {
        self.in_grave
    }

    /// True if the descriptor has been told that the peer sends no more.
    pub(super) fn has_peer_ended(&self) -> bool {
        self.peer_ended
    }

    /// Bytes of the program that TCP has not taken.
    pub(super) fn unread(&self) -> usize {
        let unread = descriptor::readable(self.fd.as_fd()).unwrap_or(0);
        (unread + self.rest.len()).saturating_sub(self.plug.unwrap_or(0))
    }

    /// The program's end shows a failure that it can't take for an orderly end: possible if something of it is unread.
    pub(super) fn fails_visibly(&self) -> bool {
        descriptor::readable(self.fd.as_fd()).is_ok_and(|unread| unread > 0)
    }

    /// The program's end is closed, and nobody will accept it: POLLHUP or POLLERR, now.
    pub(super) fn has_hung_up(&self) -> bool {
        let mut end = [PollFd::new(self.fd.as_raw_fd(), false, false)];
        poll(&mut end, Some(Duration::ZERO)).is_ok_and(|found| found > 0)
    }

    /// Bytes that the program has not read (or their cost in memory).
    pub(super) fn unheard(&self) -> usize {
        descriptor::unsent(self.fd.as_fd()).unwrap_or(0)
    }

    /// From now on the program's sends give EPIPE; what it has sent is thrown away, since AF_UNIX would make ECONNRESET of it.
    pub(super) fn turn_away(&self, bench: &mut Bench) {
        let _ = descriptor::shutdown(self.fd.as_fd(), SHUT_RD);
        while descriptor::recv(self.fd.as_fd(), &mut bench.buffer, MSG_DONTWAIT).is_ok_and(|n| n > 0) {}
    }

    /// No more events of it.
    pub(super) fn fall_silent(&mut self, tools: &Tools<'_>) {
        if self.watched.take().is_some() {
            let _ = tools.epoll.remove(self.fd.as_fd());
        }
    }

    /// tcp_close: SO_LINGER with 0 seconds, or bytes that the program has not read (of which AF_UNIX makes an error here): the close
    /// is a reset. What the program wrote before has left, as far as the windows had room, as Linux's send(2) would have sent it;
    /// the rest is lost.
    pub(super) fn note_close(&mut self, tools: &Tools<'_>, bench: &mut Bench, id: SocketId) {
        let unread =
            || descriptor::option(self.fd.as_fd(), SOL_SOCKET, SO_ERROR).is_ok_and(|error| error != 0);
        if self.closed && !self.program_ended && (unread() || lingers_not(tools, id)) {
            while self.plug.is_none() && matches!(self.outgoing(tools, &mut bench.buffer, id), Step::Moved) {}
            (self.program_ended, self.reset) = (true, true);
        }
    }

    /// Until something happens: what epoll is to tell.
    fn rest_now(&mut self, tools: &Tools<'_>, id: SocketId) {
        let mut events = 0;
        if !self.program_ended && tools.host.call_on(id, |stack| stack.room(id)).is_some_and(|room| room > 0)
        {
            events |= POLLIN | POLLRDHUP;
        }
        if self.blocked {
            events |= POLLOUT;
        }
        self.watch(tools, id, events);
    }

    fn watch(&mut self, tools: &Tools<'_>, id: SocketId, events: i32) {
        let (fd, token) = (self.fd.as_fd(), Natives::token(id));
        // Of a closed one POLLHUP would be told for ever; the stack's news drive what is left to do.
        if self.closed || self.in_grave {
            if self.watched.take().is_some() {
                let _ = tools.epoll.remove(fd);
            }
            return;
        }
        let asked = match self.watched {
            Some(watched) if watched == events => return,
            Some(_) => tools.epoll.modify(fd, token, events),
            None => tools.epoll.add(fd, token, events),
        };
        if asked.is_ok() {
            self.watched = Some(events);
        }
    }
}

/// SO_LINGER is on with 0 seconds.
fn lingers_not(tools: &Tools<'_>, id: SocketId) -> bool {
    /// struct linger.
    const LEN: usize = 8;
    let value = tools.host.call_on(id, |stack| stack.getsockopt(id, SOL_SOCKET, SO_LINGER, LEN));
    value.is_ok_and(|bytes| {
        let number =
            |at: usize| bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, i32::from_ne_bytes);
        number(0) != 0 && number(4) == 0
    })
}
