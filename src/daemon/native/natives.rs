//! Which descriptor is what; requests, events and the stack's news find their way.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use super::bench::Bench;
use super::channel::{Channel, End};
use super::connect::{self, Connecting};
use super::datagram::Datagrams;
use super::listener::{self, Handed, Listener};
use super::liveness::Prober;
use super::senders::Senders;
use crate::base::constants::{
    AF_NETLINK, AF_PACKET, SHUT_RDWR, SHUT_WR, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_STREAM,
};
use crate::base::verb::Answer;
use crate::base::{Errno, Error, Instant, Result, SockAddr, SocketId};
use crate::driver::Host;
use crate::socket::remote::{Name, Native, Nonce, Patience};
use crate::sys::epoll::Epoll;
use crate::sys::{descriptor, unix};

/// All descriptors of programs that the host has.
#[derive(Debug)]
pub(in crate::daemon) struct Natives {
    bench: Bench,
    prober: Prober,
    senders: Senders,
    known: HashMap<SocketId, Known>,
    finished: VecDeque<(Ticket, Result<Answer>)>,
    /// Those that have something to do at a certain time, and some that had.
    timed: HashSet<SocketId>,
    /// Channels that have more to move at once.
    busy: Vec<SocketId>,
    /// The next look for descriptors that are gone.
    look: Option<Instant>,
}

/// A descriptor.
#[derive(Debug)]
struct Known {
    /// The client at whose end it ends, or [`NOBODY`]: it has left, and the descriptor ends by itself.
    client: u64,
    /// AF_*.
    domain: i32,
    /// SOCK_STREAM or SOCK_DGRAM: its type as an AF_UNIX socket.
    kind: i32,
    part: Part,
}

/// What it is.
#[derive(Debug)]
enum Part {
    /// Neither connected nor listening.
    Plain,
    Connecting(Connecting),
    Channel(Channel),
    /// Its connection has failed; it says why when it is asked. `named`: it can be looked for by its name.
    Failed {
        named: bool,
        since: Instant,
    },
    Listener(Listener),
    Datagrams(Datagrams),
}

/// What the natives work with, lent by the server for each call.
#[derive(Debug)]
pub(in crate::daemon) struct Tools<'a> {
    pub(in crate::daemon) host: &'a Host,
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
const NOBODY: u64 = 0;
/// Descriptors without a channel are looked for so often.
const LOOK: Duration = Duration::from_secs(1);
/// A descriptor that can't be looked for, and whose connection has failed, is remembered for this time.
const MEMORY: Duration = Duration::from_secs(60);

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
            known: HashMap::new(),
            finished: VecDeque::new(),
            timed: HashSet::new(),
            busy: Vec::new(),
            look: None,
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
                };
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
            if sends_without_address(domain) {
                datagrams.join(tools, &self.bench, id, fd.as_fd())?;
            }
            Ok((fd, SOCK_DGRAM, Part::Datagrams(datagrams)))
        });
        match made {
            Ok((fd, kind, part)) => {
                self.known.insert(id, Known { client, domain, kind, part });
                self.look.get_or_insert(tools.now + LOOK);
                Ok((id, fd))
            }
            Err(error) => {
                let _ = tools.host.call_on(id, |stack| stack.close(id));
                Err(error)
            }
        }
    }

    /// `None`: it waits.
    fn connect(
        &mut self,
        tools: &Tools<'_>,
        ticket: Ticket,
        id: SocketId,
        address: SockAddr,
        until: Instant,
        borrowed: Option<BorrowedFd<'_>>,
    ) -> Option<Result<()>> {
        let Some(known) = self.known.get(&id) else { return Some(Err(Errno::EBADF.into())) };
        if known.kind != SOCK_STREAM {
            return Some(self.connect_datagrams(tools, id, address, borrowed));
        }
        let untouched = matches!(known.part, Part::Plain);
        if untouched && is_own(tools.host, address) {
            // A listener that has just been closed must not answer.
            self.sweep(tools);
        }
        let result = tools.host.call_on(id, |stack| stack.connect(id, address));
        // The handshake has begun, or goes on after a call that was interrupted while nobody had touched the descriptor.
        let begun = matches!(&result, Err(error) if error.errno() == Errno::EINPROGRESS);
        let stands = result.is_ok() && address != SockAddr::Unspec;
        if !untouched || !(begun || stands) {
            return Some(result);
        }
        let Some(borrowed) = borrowed else { return Some(Err(Errno::EBADF.into())) };
        let part = if begun && until > tools.now {
            Connecting::new(ticket, until, address, borrowed).map(Part::Connecting)
        } else {
            connect::join(tools, &mut self.bench, id, borrowed, begun).map(Part::Channel)
        };
        match part {
            Ok(part) => {
                let waits = matches!(part, Part::Connecting(_));
                if waits {
                    self.timed.insert(id);
                }
                if let Some(known) = self.known.get_mut(&id) {
                    known.part = part;
                }
                // On the loopback it may stand already.
                self.woken(tools, id);
                (!waits).then_some(result)
            }
            Err(error) => {
                // The descriptor could not be joined; the handshake is taken back (connect with AF_UNSPEC).
                let _ = tools.host.call_on(id, |stack| stack.connect(id, SockAddr::Unspec));
                Some(Err(error))
            }
        }
    }

    /// connect(2) of a datagram socket: done at once.
    fn connect_datagrams(
        &mut self,
        tools: &Tools<'_>,
        id: SocketId,
        address: SockAddr,
        borrowed: Option<BorrowedFd<'_>>,
    ) -> Result<()> {
        self.pump(tools, id);
        tools.host.call_on(id, |stack| stack.connect(id, address))?;
        let (Some(Known { domain, part: Part::Datagrams(datagrams), .. }), Some(borrowed)) =
            (self.known.get_mut(&id), borrowed)
        else {
            return Err(Errno::EBADF.into());
        };
        match (address == SockAddr::Unspec, datagrams.is_joined()) {
            _ if sends_without_address(*domain) => Ok(()),
            (true, true) => datagrams.part(borrowed),
            (false, false) => datagrams.join(tools, &self.bench, id, borrowed),
            _ => Ok(()),
        }
    }

    fn listen(
        &mut self,
        tools: &Tools<'_>,
        id: SocketId,
        backlog: i32,
        borrowed: Option<BorrowedFd<'_>>,
    ) -> Result<()> {
        let borrowed = borrowed.ok_or(Errno::EBADF)?;
        if !self.known.contains_key(&id) {
            return Err(Errno::EBADF.into());
        }
        let listen = || tools.host.call_on(id, |stack| stack.listen(id, backlog));
        match listen() {
            // The port may be one of a listener that was closed a moment ago.
            Err(error) if error.errno() == Errno::EADDRINUSE && self.sweep(tools) => listen()?,
            result => result?,
        }
        unix::listen(borrowed, backlog)?;
        if let Some(known) = self.known.get_mut(&id)
            && !matches!(known.part, Part::Listener(_))
        {
            known.part = Part::Listener(Listener::default());
        }
        Ok(())
    }

    fn shutdown(
        &mut self,
        tools: &Tools<'_>,
        id: SocketId,
        how: i32,
        borrowed: Option<BorrowedFd<'_>>,
    ) -> Result<()> {
        let known = self.known.get_mut(&id).ok_or(Errno::EBADF)?;
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
                if done && let Some(borrowed) = borrowed {
                    // Of a listener, SHUT_RD ends the listening; accept(2) says EINVAL, poll(2) POLLIN, as AF_UNIX does.
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

    /// The request is given up: it is answered EINTR (by [`Natives::finished`]), unless it has ended already.
    pub(in crate::daemon) fn cancel(&mut self, tools: &Tools<'_>, ticket: Ticket) {
        let found = self.known.iter().find_map(|(id, known)| match &known.part {
            Part::Connecting(connecting) if connecting.ticket == ticket => Some(*id),
            _ => None,
        });
        if let Some(id) = found {
            self.leave_connect(tools, id, Errno::EINTR.into());
        }
    }

    /// A blocking connect(2) ends before its connection stands.
    fn leave_connect(&mut self, tools: &Tools<'_>, id: SocketId, error: Error) {
        let Some(known) = self.known.get_mut(&id) else { return };
        let Part::Connecting(connecting) = &known.part else { return };
        let ticket = connecting.ticket;
        match connecting.leave(tools, &mut self.bench, id) {
            Ok(channel) => known.part = Part::Channel(channel),
            Err(_) => {
                known.part = Part::Plain;
                let _ = tools.host.call_on(id, |stack| stack.connect(id, SockAddr::Unspec));
            }
        }
        self.finished.push_back((ticket, Err(error)));
        self.woken(tools, id);
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
                channel.note_close(tools, id);
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
            Part::Plain | Part::Failed { .. } => {}
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

    fn pump(&mut self, tools: &Tools<'_>, id: SocketId) {
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
            (Some(End::Failed), _) => {
                let named = channel.named;
                // Its end goes, and with bytes of the program unread in it the program sees ECONNRESET (unix_release_sock).
                known.part = Part::Failed { named, since: tools.now };
            }
        }
    }

    fn hand_over(&mut self, tools: &Tools<'_>, id: SocketId) {
        let Some(known) = self.known.get_mut(&id) else { return };
        let (client, domain) = (known.client, known.domain);
        let Part::Listener(listener) = &mut known.part else { return };
        let mut new = Vec::new();
        let handed = listener.hand_over(tools, &self.bench, id, |id, channel| new.push((id, channel)));
        for (id, channel) in new {
            let part = Part::Channel(channel);
            self.known.insert(id, Known { client, domain, kind: SOCK_STREAM, part });
            self.pump(tools, id);
        }
        match handed {
            Handed::All => {}
            Handed::Some => _ = self.timed.insert(id),
            Handed::Gone => self.close(tools, id),
        }
    }

    /// The program has no descriptor of it any more, and nothing is left to be taken over by the stack.
    fn close(&mut self, tools: &Tools<'_>, id: SocketId) {
        if let Some(Known { part: Part::Listener(mut listener), .. }) = self.known.remove(&id) {
            listener.close(tools);
        }
        let _ = tools.host.call_on(id, |stack| stack.close(id));
    }

    /// The client has gone. If it said goodbye, what its programs have sent still arrives and their connections end by themselves;
    /// else they are reset.
    pub(in crate::daemon) fn client_gone(&mut self, tools: &Tools<'_>, client: u64, said_goodbye: bool) {
        if said_goodbye {
            for known in self.known.values_mut().filter(|known| known.client == client) {
                known.client = NOBODY;
            }
            self.sweep(tools);
            return;
        }
        let gone: Vec<SocketId> =
            self.known.iter().filter(|(_, known)| known.client == client).map(|(id, _)| *id).collect();
        for id in gone {
            if let Some(Known { part: Part::Listener(mut listener), .. }) = self.known.remove(&id) {
                listener.close(tools);
            }
            listener::reset(tools, id);
        }
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
                _ => self.hand_over(tools, id),
            }
        }
        if self.look.is_some_and(|look| look <= tools.now) {
            self.sweep(tools);
            self.look = (!self.known.is_empty()).then(|| tools.now + LOOK);
        }
    }

    /// Closes the sockets whose descriptors are gone, as far as that is not heard by itself. True if there was one.
    pub(in crate::daemon) fn sweep(&mut self, tools: &Tools<'_>) -> bool {
        let mut gone = Vec::new();
        for (id, known) in &self.known {
            let alive = match &known.part {
                Part::Connecting(_) => true,
                Part::Channel(channel) if !channel.is_silent() => true,
                Part::Channel(channel) if !channel.named => true,
                Part::Failed { named: false, since } => tools.now.since(*since) < MEMORY,
                _ => self.prober.is_alive(known.kind, &self.bench.name(&Name::Socket(*id))),
            };
            if !alive {
                gone.push(*id);
            }
        }
        for id in &gone {
            if let Some(Known { part: Part::Channel(channel), .. }) = self.known.get_mut(id) {
                channel.buried();
                self.pump(tools, *id);
            } else {
                self.close(tools, *id);
            }
        }
        !gone.is_empty()
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
            Part::Listener(listener) => listener.again,
            Part::Datagrams(datagrams) => datagrams.again,
            _ => None,
        }
    }
}

/// Sockets that send to whom they are bound to, or to the kernel, without connect: AF_UNIX would refuse, were they not joined.
fn sends_without_address(domain: i32) -> bool {
    matches!(domain, AF_PACKET | AF_NETLINK)
}

/// An address that may be the host's own.
fn is_own(host: &Host, address: SockAddr) -> bool {
    let ip = match address {
        SockAddr::V4(address) => IpAddr::V4(*address.ip()),
        SockAddr::V6(address) => IpAddr::V6(*address.ip()).to_canonical(),
        _ => return false,
    };
    ip.is_loopback()
        || ip.is_unspecified()
        || host
            .interfaces()
            .iter()
            .any(|interface| interface.addresses.iter().any(|cidr| cidr.address() == ip))
}
