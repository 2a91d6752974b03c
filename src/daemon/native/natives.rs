//! Which descriptor is what; requests, events and the stack's news find their way.

use std::collections::{HashMap, HashSet, VecDeque};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use super::bench::Bench;
use super::channel::{Channel, End};
use super::connect::Connecting;
use super::datagram::Datagrams;
use super::errands::{Errands, Failing};
use super::inodes;
use super::listener::{self, Listener};
use super::liveness::Prober;
use super::senders::Senders;
use crate::base::constants::{
    AF_CAN, AF_NETLINK, AF_PACKET, CAN_ISOTP, CAN_RAW, NETLINK_SOCK_DIAG, SHUT_RDWR, SHUT_WR, SOCK_CLOEXEC,
    SOCK_DGRAM, SOCK_NONBLOCK, SOCK_STREAM,
};
use crate::base::verb::{Answer, Verb};
use crate::base::{Errno, Instant, Result, SocketId};
use crate::driver::Local;
use crate::socket::remote::{Native, Nonce, Patience};
use crate::sys::descriptor;
use crate::sys::epoll::Epoll;

/// All descriptors of programs that the host has.
#[derive(Debug)]
pub(in crate::daemon) struct Natives {
    pub(super) bench: Bench,
    pub(super) prober: Prober,
    pub(super) senders: Senders,
    pub(super) errands: Errands,
    pub(super) known: HashMap<SocketId, Known>,
    pub(super) finished: VecDeque<(Ticket, Result<Answer>)>,
    /// Those that have something to do at a certain time, and some that had.
    pub(super) timed: HashSet<SocketId>,
    /// Channels that have more to move at once.
    pub(super) busy: Vec<SocketId>,
    /// The next look for descriptors that are gone.
    pub(super) look: Option<Instant>,
    /// News of the stack that were asked for out of turn.
    pub(super) early: Vec<SocketId>,
}

/// A descriptor.
#[derive(Debug)]
pub(super) struct Known {
    /// The client at whose end it ends, or [`NOBODY`]: it has left, and the descriptor ends by itself.
    pub(super) client: u64,
    /// AF_*.
    pub(super) domain: i32,
    /// Its protocol, as socket(2) was given it.
    pub(super) protocol: i32,
    /// SOCK_STREAM or SOCK_DGRAM: its type as an AF_UNIX socket.
    pub(super) kind: i32,
    pub(super) part: Part,
}

/// What it is.
#[derive(Debug)]
pub(super) enum Part {
    /// Neither connected nor listening.
    Plain,
    Connecting(Connecting),
    Channel(Channel),
    /// Its connection has failed; it says why when it is asked. `named`: it can be looked for by its name.
    Failed {
        named: bool,
        since: Instant,
    },
    /// Its connection has failed, and the program shall see it.
    Failing(Failing),
    Listener(Listener),
    Datagrams(Datagrams),
}

/// What the natives work with, lent by the server for each call.
#[derive(Debug)]
pub(in crate::daemon) struct Tools<'a> {
    pub(in crate::daemon) host: &'a Local,
    /// Where their descriptors wait, with tokens that have [`Natives::TOKEN`] set.
    pub(in crate::daemon) epoll: &'a Epoll,
    pub(in crate::daemon) now: Instant,
}

/// What becomes of a request.
#[derive(Debug)]
pub(in crate::daemon) enum Outcome {
    /// The answer, and a descriptor that goes along.
    Done(Result<Answer>, Option<OwnedFd>),
    /// It waits; [`Natives::finished`] will give its end under the ticket that came with it.
    Waits,
}

/// The request that an answer belongs to: the client and the tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::daemon) struct Ticket {
    pub(in crate::daemon) client: u64,
    pub(in crate::daemon) tag: u32,
}

/// No client's number.
pub(super) const NOBODY: u64 = 0;
/// Descriptors without a channel are looked for so often.
const LOOK: Duration = Duration::from_secs(1);
/// A descriptor that can't be looked for, and whose connection has failed, is remembered for this time.
pub(super) const MEMORY: Duration = Duration::from_secs(60);

impl Natives {
    /// The bit by which epoll's tokens are theirs; the other bits they choose by themselves.
    pub(in crate::daemon) const TOKEN: u64 = 1 << 63;
    /// The token of [`Bench`]'s graves.
    pub(super) const GRAVES: u64 = Self::TOKEN | 1 << 62;

    pub(in crate::daemon) fn new(nonce: Nonce) -> Self {
        Self {
            bench: Bench::new(nonce),
            prober: Prober::default(),
            senders: Senders::default(),
            errands: Errands::default(),
            known: HashMap::new(),
            finished: VecDeque::new(),
            timed: HashSet::new(),
            busy: Vec::new(),
            look: None,
            early: Vec::new(),
        }
    }

    pub(super) fn token(id: SocketId) -> u64 {
        Self::TOKEN | id.0
    }

    /// A request, with the descriptor that came along.
    pub(in crate::daemon) fn ask(
        &mut self,
        tools: &Tools<'_>,
        ticket: Ticket,
        ask: Native,
        borrowed: Option<BorrowedFd<'_>>,
    ) -> Outcome {
        let result = match ask {
            Native::Socket { domain, kind, protocol } => {
                return match self.socket(tools, ticket.client, domain, kind, protocol) {
                    Ok((id, fd)) => Outcome::Done(Ok(Answer::Socket(id)), Some(fd)),
                    Err(error) => Outcome::Done(Err(error), None),
                };
            }
            Native::Connect { socket, address, nonblocking, patience } => {
                let until = match patience {
                    _ if nonblocking => tools.now,
                    Patience::Now => tools.now,
                    Patience::For(time) => tools.now + time,
                    Patience::Forever => Instant::FAR,
                    Patience::Own => tools.host.own_patience(&Verb::Connect(socket, address)),
                };
                if self.must_be_replaced(socket, nonblocking) {
                    return match self.connect_anew(tools, socket, address) {
                        Ok(fd) => Outcome::Done(Ok(Answer::Done), Some(fd)),
                        Err(error) => Outcome::Done(Err(error), None),
                    };
                }
                match self.connect(tools, ticket, socket, address, until, borrowed) {
                    Some(result) => result.map(|()| Answer::Done),
                    None => return Outcome::Waits,
                }
            }
            Native::Listen { socket, backlog } => {
                self.listen(tools, socket, backlog, borrowed).map(|()| Answer::Done)
            }
            Native::Shutdown { socket, how } => {
                self.shutdown(tools, socket, how, borrowed).map(|()| Answer::Done)
            }
            Native::Unsent(socket) => self.unsent(tools, socket).map(Answer::Count),
            Native::Errands { found } => return self.ask_errands(tools, ticket, &found),
            Native::Accepted(socket) => self.accepted(tools, socket).map(Answer::Address),
            Native::Told { socket, again } => {
                if let Some(Known { part: Part::Datagrams(datagrams), .. }) = self.known.get_mut(&socket) {
                    datagrams.was_told(tools, socket, again);
                    self.pump(tools, socket);
                }
                Ok(Answer::Done)
            }
            Native::Inodes => {
                self.find_inodes(tools);
                Ok(Answer::Done)
            }
            Native::Sweep => {
                self.sweep(tools);
                Ok(Answer::Done)
            }
        };
        self.bury(tools);
        Outcome::Done(result, None)
    }

    fn socket(
        &mut self,
        tools: &Tools<'_>,
        client: u64,
        domain: i32,
        kind: i32,
        protocol: i32,
    ) -> Result<(SocketId, OwnedFd)> {
        let flags = kind & (SOCK_NONBLOCK | SOCK_CLOEXEC);
        let kind = kind & !flags;
        let id = tools.host.call(|stack| stack.socket(domain, kind, protocol))?;
        let stream = kind == SOCK_STREAM;
        let made = self.bench.descriptor(tools.host, id, stream, flags & SOCK_NONBLOCK).and_then(|fd| {
            if stream {
                return Ok((fd, SOCK_STREAM, Part::Plain));
            }
            let mut datagrams = Datagrams::default();
            if sends_without_address(domain, protocol) {
                datagrams.join(tools, &self.bench, id, fd.as_fd())?;
            }
            Ok((fd, SOCK_DGRAM, Part::Datagrams(datagrams)))
        });
        match made {
            Ok((fd, kind, part)) => {
                inodes::tell(tools, id, fd.as_fd());
                if (domain, protocol) == (AF_NETLINK, NETLINK_SOCK_DIAG) {
                    self.find_inodes(tools);
                }
                self.known.insert(id, Known { client, domain, protocol, kind, part });
                self.look.get_or_insert(tools.now + LOOK);
                Ok((id, fd))
            }
            Err(error) => {
                let _ = tools.host.call_on(id, |stack| stack.close(id));
                Err(error)
            }
        }
    }

    fn shutdown(
        &mut self,
        tools: &Tools<'_>,
        id: SocketId,
        how: i32,
        borrowed: Option<BorrowedFd<'_>>,
    ) -> Result<()> {
        let known = self.known.get_mut(&id).ok_or(Errno::EBADF)?;
        let listens = matches!(known.part, Part::Listener(_));
        match &mut known.part {
            Part::Channel(channel) if !channel.is_opening() && (0..=SHUT_RDWR).contains(&how) => {
                // ENOTCONN, if the connection has ended. What the program has sent goes before the FIN: the pump sends that.
                tools.host.call_on(id, |stack| stack.getpeername(id))?;
                channel.shutdown(tools, &mut self.bench, id, how);
                if how != SHUT_WR {
                    let _ =
                        tools.host.call_on(id, |stack| stack.shutdown(id, crate::base::constants::SHUT_RD));
                }
                self.pump(tools, id);
                Ok(())
            }
            Part::Listener(_) | Part::Datagrams(_) => {
                let result = tools.host.call_on(id, |stack| stack.shutdown(id, how));
                // inet_shutdown shuts down a datagram socket that is not connected too, though it says ENOTCONN.
                let done = result.as_ref().map_or_else(|e| e.errno() == Errno::ENOTCONN, |()| true);
                // inet_shutdown: "case TCP_LISTEN: if (!(how & RCV_SHUTDOWN)) break; fallthrough": the listening ends, with POLLHUP.
                let how = if listens && how != SHUT_WR { SHUT_RDWR } else { how };
                if done && let Some(borrowed) = borrowed {
                    let _ = descriptor::shutdown(borrowed, how);
                }
                result
            }
            _ => tools.host.call_on(id, |stack| stack.shutdown(id, how)),
        }
    }

    fn unsent(&mut self, tools: &Tools<'_>, id: SocketId) -> Result<usize> {
        let known = self.known.get(&id).ok_or(Errno::EBADF)?;
        let unsent = tools.host.call_on(id, |stack| stack.unsent(id))?;
        Ok(unsent + if let Part::Channel(channel) = &known.part { channel.unread() } else { 0 })
    }

    /// Requests that waited and have ended since the last call.
    pub(in crate::daemon) fn finished(&mut self) -> Option<(Ticket, Result<Answer>)> {
        self.finished.pop_front()
    }

    /// One of their descriptors is ready.
    pub(in crate::daemon) fn ready(&mut self, tools: &Tools<'_>, token: u64, events: i32) {
        if token == Self::GRAVES {
            self.bench.edges(0);
            return self.bury(tools);
        }
        let id = SocketId(token & !Self::TOKEN);
        match self.known.get_mut(&id).map(|known| &mut known.part) {
            Some(Part::Channel(channel)) => {
                channel.ready(events);
                channel.note_close(tools, &mut self.bench, id);
            }
            Some(Part::Datagrams(datagrams)) => datagrams.ready(),
            _ => return,
        }
        self.pump(tools, id);
        self.bury(tools);
    }

    /// Channels whose close was heard though they were shut both ways before.
    fn bury(&mut self, tools: &Tools<'_>) {
        while let Some(token) = self.bench.buried.pop() {
            let id = SocketId(token & !Self::TOKEN);
            if let Some(Known { part: Part::Channel(channel), .. }) = self.known.get_mut(&id) {
                channel.buried();
                self.pump(tools, id);
            }
        }
    }

    /// The stack's side of a socket may have changed.
    pub(in crate::daemon) fn woken(&mut self, tools: &Tools<'_>, socket: SocketId) {
        let Some(known) = self.known.get_mut(&socket) else { return };
        match &mut known.part {
            Part::Plain | Part::Failed { .. } | Part::Failing(_) => {}
            Part::Channel(_) | Part::Datagrams(_) => self.pump(tools, socket),
            Part::Listener(_) => self.hand_over(tools, socket),
            Part::Connecting(connecting) => {
                let ticket = connecting.ticket;
                let Some(result) = connecting.look(tools, &mut self.bench, socket) else { return };
                let result = match result {
                    Ok(channel) => {
                        known.part = Part::Channel(channel);
                        Ok(Answer::Done)
                    }
                    Err(error) => {
                        known.part = Part::Plain;
                        Err(error)
                    }
                };
                self.finished.push_back((ticket, result));
                self.pump(tools, socket);
            }
        }
    }

    pub(super) fn pump(&mut self, tools: &Tools<'_>, id: SocketId) {
        let Some(known) = self.known.get_mut(&id) else { return };
        if let Part::Datagrams(datagrams) = &mut known.part {
            let mut more = false;
            if !datagrams.pump(tools, &mut self.bench, &mut self.senders, id, &mut more) {
                self.close(tools, id);
            } else if datagrams.again.is_some() {
                self.timed.insert(id);
            } else if more {
                self.busy.push(id);
            }
            return;
        }
        let Part::Channel(channel) = &mut known.part else { return };
        match channel.pump(tools, &mut self.bench, id) {
            (None, false) => {}
            (None, true) => self.busy.push(id),
            (Some(End::Closed), _) => self.close(tools, id),
            (Some(End::Reset), _) => {
                self.known.remove(&id);
                listener::reset(tools, id);
            }
            (Some(End::Failed), _) => self.fail(tools, id),
        }
    }

    /// The program has no descriptor of it any more, and nothing is left to be taken over by the stack.
    pub(super) fn close(&mut self, tools: &Tools<'_>, id: SocketId) {
        if let Some(Known { part: Part::Listener(mut listener), .. }) = self.known.remove(&id) {
            listener.close(tools);
        }
        let _ = tools.host.call_on(id, |stack| stack.close(id));
    }

    /// When [`Natives::tick`] has something to do next.
    pub(in crate::daemon) fn deadline(&self) -> Option<Instant> {
        if !self.busy.is_empty() {
            return Some(Instant::ZERO);
        }
        let timed = self.timed.iter().filter_map(|id| self.known.get(id)?.due());
        timed.chain(self.look).min()
    }

    /// Does what is due: looks whose descriptors are gone, tries again what had no room.
    pub(in crate::daemon) fn tick(&mut self, tools: &Tools<'_>) {
        for id in std::mem::take(&mut self.busy) {
            self.pump(tools, id);
        }
        let due = |id: &SocketId| self.known.get(id).and_then(Known::due);
        self.timed = std::mem::take(&mut self.timed).into_iter().filter(|id| due(id).is_some()).collect();
        let late: Vec<SocketId> =
            self.timed.iter().filter(|id| due(id).is_some_and(|due| due <= tools.now)).copied().collect();
        for id in late {
            match self.known.get(&id).map(|known| &known.part) {
                // inet_stream_connect: the time of SO_SNDTIMEO has passed; the handshake goes on.
                Some(Part::Connecting(_)) => self.leave_connect(tools, id, Errno::EINPROGRESS.into()),
                Some(Part::Datagrams(_)) => self.pump(tools, id),
                Some(Part::Failing(_)) => self.look_again(tools, id),
                _ => self.hand_over(tools, id),
            }
        }
        if self.look.is_some_and(|look| look <= tools.now) {
            self.sweep(tools);
            self.look = (!self.known.is_empty()).then(|| tools.now + LOOK);
        }
    }

    /// True while a program has a descriptor, or bytes that a program sent have not been taken by the stack.
    pub(in crate::daemon) fn is_used(&self) -> bool {
        !self.known.is_empty()
    }
}

impl Known {
    /// When it has something to do by itself.
    fn due(&self) -> Option<Instant> {
        match &self.part {
            Part::Connecting(connecting) => Some(connecting.until),
            Part::Failing(failing) => Some(failing.until),
            Part::Listener(listener) => listener.again,
            Part::Datagrams(datagrams) => datagrams.again,
            _ => None,
        }
    }
}

/// Sockets that send to whom they are bound to, or to the kernel, without connect: AF_UNIX would refuse, were they not joined.
pub(super) fn sends_without_address(domain: i32, protocol: i32) -> bool {
    matches!((domain, protocol), (AF_PACKET | AF_NETLINK, _) | (AF_CAN, CAN_RAW | CAN_ISOTP))
}
