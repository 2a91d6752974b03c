//! The descriptor of a datagram socket (UDP, ping, raw, packet, netlink): what the stack has for it goes in, each from a sender
//! whose name says the rest; connected, the program's own sends come out.
//!
//! While the descriptor is full, datagrams stay in the stack's queue: SO_RCVBUF bounds them, and what does not fit is counted
//! there.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use super::bench::{self, Bench};
use super::senders::Senders;
use super::{Natives, Tools};
use crate::base::constants::{
    MSG_CONFIRM, MSG_DONTROUTE, MSG_DONTWAIT, MSG_PEEK, MSG_TRUNC, POLLIN, POLLOUT, SO_PEEK_OFF, SO_RCVBUF,
    SOCK_DGRAM, SOL_SOCKET,
};
use crate::base::{Error, Instant, Result, SockAddr, SocketId};
use crate::socket::remote::{Name, Sender};
use crate::sys::unix::{self, Place};
use crate::sys::{PollFd, descriptor, poll};

/// A datagram socket's descriptor.
#[derive(Debug, Default)]
pub(super) struct Datagrams {
    peer: Option<Peer>,
    /// One that there was no room for.
    held: Option<Held>,
    /// One of the program's that the stack had no room for (AF_RDS): it goes first when there is.
    stuck: Option<Vec<u8>>,
    /// Tells when there is room.
    waiter: Option<OwnedFd>,
    /// When to try again, where nobody tells.
    pub(super) again: Option<Instant>,
    pause: Duration,
    /// How many errors there were when they were last shown on the descriptor.
    shown: usize,
}

/// The host's end of a descriptor that is connected, bearing the name `p`.
#[derive(Debug)]
struct Peer {
    fd: OwnedFd,
    /// The last datagram that came out is still in its queue: an error can be shown only so.
    keeps_one: bool,
}

#[derive(Debug)]
struct Held {
    sender: Sender,
    bytes: Vec<u8>,
}

/// What became of a datagram.
enum Sent {
    Yes,
    /// No room; it is to be held.
    Later,
    /// Nobody has the descriptor any more.
    Gone,
}

/// Datagrams in a row before others have their turn.
const BATCH: usize = 64;
/// EPOLLET, EPOLLONESHOT.
const EDGE: i32 = i32::MIN;
const ONCE: i32 = 1 << 30;
/// A datagram of the program that is longer is not kept: it would use up too much of what SO_SNDBUF allows.
const KEPT: usize = 8 * 1024;
/// Tried again after this time, and ever more seldom.
const SOON: Duration = Duration::from_millis(5);
const SELDOM: Duration = Duration::from_millis(100);

impl Datagrams {
    /// True if the descriptor is connected to the host.
    pub(super) fn is_joined(&self) -> bool {
        self.peer.is_some()
    }

    /// The stack has not taken all that the program sent.
    pub(super) fn has_unsent(&self) -> bool {
        self.stuck.is_some()
    }

    /// Connects the program's descriptor and the host's end: native sends come out of that.
    pub(super) fn join(
        &mut self,
        tools: &Tools<'_>,
        bench: &Bench,
        id: SocketId,
        borrowed: BorrowedFd<'_>,
    ) -> Result<()> {
        let fd = bench.socket(SOCK_DGRAM, &Name::Peer(id))?;
        bench::size_as(tools.host, id, fd.as_fd(), SO_RCVBUF);
        unix::connect(fd.as_fd(), Place::Abstract(&bench.name(&Name::Socket(id))))?;
        unix::connect(borrowed, Place::Abstract(&bench.name(&Name::Peer(id))))?;
        // Each look shows the datagram after the one that was looked at last.
        descriptor::setsockopt(fd.as_fd(), SOL_SOCKET, SO_PEEK_OFF, 0)?;
        tools.epoll.add(fd.as_fd(), Natives::token(id), POLLIN | POLLOUT | EDGE)?;
        self.peer = Some(Peer { fd, keeps_one: false });
        self.waiter = None;
        Ok(())
    }

    /// The association is dissolved.
    pub(super) fn part(&mut self, borrowed: BorrowedFd<'_>) -> Result<()> {
        self.peer = None;
        Ok(unix::disconnect(borrowed)?)
    }

    /// Moves what can be moved, both ways. `false`: nobody has the descriptor any more. `more`: call again at once.
    pub(super) fn pump(
        &mut self,
        tools: &Tools<'_>,
        bench: &mut Bench,
        senders: &mut Senders,
        id: SocketId,
        more: &mut bool,
    ) -> bool {
        *more = self.outgoing(tools, bench, id);
        let mut error = None;
        let mut alive = true;
        for left in (0..BATCH).rev() {
            let Some(held) = self.held.take().or_else(|| next(tools, bench, id, &mut error)) else { break };
            match self.deliver(tools, bench, senders, id, &held) {
                Sent::Yes => {
                    self.pause = SOON;
                    *more |= left == 0;
                }
                Sent::Later => {
                    self.held = Some(held);
                    break;
                }
                // What the program sent before it closed its descriptor is still sent.
                Sent::Gone => {
                    alive = self.stuck.is_some();
                    break;
                }
            }
        }
        if let Some(error) = error {
            tools.host.call_on(id, |stack| stack.set_pending_error(id, error));
        }
        self.show_error(tools, bench, id);
        alive
    }

    /// What told of errors has been read; those that are left are told `again`, or not.
    pub(super) fn was_told(&mut self, tools: &Tools<'_>, id: SocketId, again: bool) {
        self.shown = if again { 0 } else { tools.host.call_on(id, |stack| stack.errors_waiting(id)) };
    }

    /// A socket of theirs is ready.
    pub(super) fn ready(&mut self) {
        (self.waiter, self.again) = (None, None);
        self.pause = SOON;
    }

    fn deliver(
        &mut self,
        tools: &Tools<'_>,
        bench: &Bench,
        senders: &mut Senders,
        id: SocketId,
        held: &Held,
    ) -> Sent {
        let to = bench.name(&Name::Socket(id));
        let sent = match &self.peer {
            Some(peer) => {
                let known = held.sender.control.is_empty()
                    && tools
                        .host
                        .call_on(id, |stack| stack.getpeername(id))
                        .is_ok_and(|a| a == held.sender.address);
                match known {
                    true => descriptor::send(peer.fd.as_fd(), &held.bytes, MSG_DONTWAIT),
                    // The peer's name can't say more; a descriptor that has the right name goes along.
                    false => senders.get(bench, held.sender.clone(), id).and_then(|facts| {
                        unix::send_with(peer.fd.as_fd(), &held.bytes, &[facts], MSG_DONTWAIT)
                    }),
                }
            }
            None => {
                let send = |senders: &mut Senders| {
                    let fd = senders.get(bench, held.sender.clone(), id)?;
                    unix::send_to(fd, &held.bytes, MSG_DONTWAIT, Some(&to))
                };
                match send(senders) {
                    Err(error)
                        if error.kind() == io::ErrorKind::WouldBlock
                            && !self.wait(tools, id, &to)
                            && senders.renew(bench, &held.sender) =>
                    {
                        send(senders)
                    }
                    sent => sent,
                }
            }
        };
        match sent {
            Ok(_) => Sent::Yes,
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Sent::Gone,
            // The program has shut down its reading side (EPIPE), or joined its descriptor to somebody else (EPERM): lost.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::PermissionDenied) =>
            {
                Sent::Yes
            }
            Err(_) => {
                if self.peer.is_none() && self.waiter.is_none() {
                    self.pause = (self.pause * 9 / 8).clamp(SOON, SELDOM);
                    self.again = Some(tools.now + self.pause);
                }
                Sent::Later
            }
        }
    }

    /// unix_dgram_poll: who is connected to the descriptor hears when its queue has room. `false`: it has room; it is the sender
    /// that has none.
    fn wait(&mut self, tools: &Tools<'_>, id: SocketId, to: &[u8]) -> bool {
        use std::os::fd::AsRawFd;
        let Ok(waiter) = unix::socket(SOCK_DGRAM) else { return false };
        if unix::connect(waiter.as_fd(), Place::Abstract(to)).is_err() {
            return false;
        }
        let full = poll(&mut [PollFd::new(waiter.as_raw_fd(), false, true)], Some(Duration::ZERO));
        if full.is_ok_and(|ready| ready == 0)
            && tools.epoll.add(waiter.as_fd(), Natives::token(id), POLLOUT | ONCE).is_ok()
        {
            self.waiter = Some(waiter);
        }
        self.waiter.is_some()
    }

    /// What the program has sent natively. True if there may be more.
    fn outgoing(&mut self, tools: &Tools<'_>, bench: &mut Bench, id: SocketId) -> bool {
        let Some(peer) = &mut self.peer else { return false };
        let put = |bytes: &[u8]| {
            tools.host.call_on(id, |stack| stack.send(id, &[IoSlice::new(bytes)], Default::default()))
        };
        let later = |sent: &Result<usize>| sent.as_ref().is_err_and(Error::would_block);
        if let Some(bytes) = self.stuck.take() {
            let sent = put(&bytes);
            if later(&sent) {
                self.stuck = Some(bytes);
                return false;
            }
            if let Err(error) = sent {
                tools.host.call_on(id, |stack| stack.set_pending_error(id, error));
            }
        }
        for _ in 0..BATCH {
            let buffer = &mut bench.buffer;
            let n = match descriptor::recv(peer.fd.as_fd(), buffer, MSG_PEEK | MSG_DONTWAIT | MSG_TRUNC) {
                Ok(n) => n.min(buffer.len()),
                Err(_) => return false,
            };
            let bytes = buffer.get(..n).unwrap_or_default();
            // Asked for (SO_ERROR), it is not pending any more; the next one shall be shown.
            if self.shown > 0 {
                self.shown = self.shown.min(tools.host.call_on(id, |stack| stack.errors_waiting(id)));
            }
            let sent = match put(bytes) {
                // An error that the program has seen already is not an error of this send.
                Err(_) if std::mem::take(&mut self.shown) > 0 => put(bytes),
                sent => sent,
            };
            // What does not wait (UDP) never has to. What waits wakes the socket when there is room.
            self.stuck = later(&sent).then(|| bytes.to_vec());
            if let Err(error) = sent
                && !error.would_block()
            {
                tools.host.call_on(id, |stack| stack.set_pending_error(id, error));
            }
            let keep = n <= KEPT;
            for _ in 0..usize::from(peer.keeps_one) + usize::from(!keep) {
                let _ = descriptor::recv(peer.fd.as_fd(), &mut [], MSG_DONTWAIT);
            }
            peer.keeps_one = keep;
            if self.stuck.is_some() {
                return false;
            }
        }
        true
    }

    /// Of a descriptor that is not connected: it becomes readable, and the guest takes what it reads there for the error.
    ///
    /// Of one that is: unix_dgram_disconnected: when the end to which the descriptor is connected turns away with datagrams of it unread, the
    /// descriptor has an error: POLLERR, and ECONNRESET for the next native call. SO_ERROR, asked of the stack, is the true one.
    fn show_error(&mut self, tools: &Tools<'_>, bench: &mut Bench, id: SocketId) {
        let waiting = tools.host.call_on(id, |stack| stack.errors_waiting(id));
        self.shown = self.shown.min(waiting);
        let Some(peer) = &mut self.peer else {
            // With no room the descriptor is readable anyway; afterwards it is tried again.
            if waiting > self.shown && bench.tell_of_error(id).is_ok() {
                self.shown = waiting;
            }
            return;
        };
        if waiting == 0 || self.shown > 0 || !peer.keeps_one {
            return;
        }
        (self.shown, peer.keeps_one) = (waiting, false);
        let fd = peer.fd.as_fd();
        let _ = unix::disconnect(fd);
        let _ = unix::connect(fd, Place::Abstract(&bench.name(&Name::Socket(id))));
        // What was looked at has gone with it.
        let _ = descriptor::setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, 0);
    }
}

/// The next datagram of the stack's queue. A pending error that stands before it is put aside.
fn next(tools: &Tools<'_>, bench: &mut Bench, id: SocketId, aside: &mut Option<Error>) -> Option<Held> {
    let buffer = &mut bench.buffer;
    tools.host.call_on(id, |stack| {
        for _ in 0..2 {
            if stack.poll(id) & POLLIN == 0 {
                return None;
            }
            match stack.recv(id, &mut [IoSliceMut::new(buffer)], MSG_DONTWAIT) {
                Ok(got) => {
                    let bytes = buffer.get(..got.len).unwrap_or_default().to_vec();
                    let address = got.from.unwrap_or(SockAddr::Unspec);
                    // Whether it was cut the program's own room says.
                    let flags = got.flags & (MSG_DONTROUTE | MSG_CONFIRM);
                    return Some(Held { sender: Sender { address, flags, control: got.control }, bytes });
                }
                Err(error) if error.would_block() => return None,
                Err(error) => *aside = Some(error),
            }
        }
        None
    })
}
