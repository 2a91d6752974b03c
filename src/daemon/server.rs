//! The event loop of a host's process: clients and their requests.
//!
//! A turn: what is ready is read (of each client a few requests, so that none starves the others), the stack's doings are told to
//! whom they concern, then it sleeps until something is ready or due. With nothing to do it sleeps for ever.

mod ending;

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use super::client::Client;
use super::life::Seat;
use super::mirror::Mirrors;
use super::native::{Natives, Outcome, Ticket, Tools};
use super::owners::Owners;
use super::publish::{Publications, Published};
use super::spare::Spare;
use super::waits::{Wait, Waits};
use super::wires::Wires;
use crate::base::constants::{MSG_DONTWAIT, POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT, SOCK_NONBLOCK};
use crate::base::verb::{Answer, Verb};
use crate::base::{Credentials, Errno, Error, Instant, Reason, Result, SocketId};
use crate::driver::{Host, Local};
use crate::socket::remote::protocol::{self, VERSION};
use crate::socket::remote::{Ask, HostFacts, Patience, Reply, Request, Status};
use crate::sys::epoll::{Epoll, Ready};
use crate::sys::{privilege, unix};

/// A host that serves clients.
#[derive(Debug)]
pub(crate) struct Server {
    host: Local,
    facts: HostFacts,
    epoll: Epoll,
    wires: Wires,
    /// Where clients connect.
    listener: OwnedFd,
    spare: Spare,
    /// Its name among the user's hosts; `None` = it has none.
    seat: Option<Seat>,
    /// Kept for the epoll set.
    bell: Option<OwnedFd>,
    /// Who may ask, beside root.
    owner: u32,
    clients: HashMap<u64, Client>,
    last_client: u64,
    /// Those that are to be taken leave of at the end of the turn.
    gone: Vec<u64>,
    owners: Owners,
    natives: Natives,
    publications: Publications,
    mirrors: Mirrors,
    waits: Waits,
    buffer: Vec<u8>,
    /// There is more to do at once.
    busy: bool,
    /// Nobody needs the host; it ends then.
    ends: Option<Instant>,
    ending: bool,
}

// Tokens of epoll: clients have their numbers; natives, publications and mirrors have bits of their own.
const LISTENER: u64 = Mirrors::TOKEN - 1;
const WIRE: u64 = Mirrors::TOKEN - 2;
const BELL: u64 = Mirrors::TOKEN - 3;

/// Rounds of "somebody was woken" before the descriptors are looked at again.
const ROUNDS: usize = 64;
/// Requests of one client in a turn.
const REQUESTS: usize = 32;
/// Clients at a time.
const CLIENTS: usize = 16_384;
/// A host that nobody needs ends after this: who starts it has that long to come, and one `run` after another finds the same.
const IDLE: Duration = Duration::from_secs(1);
/// What a host that is told to end waits for its connections' ends (FIN) to be acknowledged.
const LAST_WORDS: Duration = Duration::from_secs(1);

impl Server {
    /// Serves `host` (made with `HostBuilder::embedded`) to those who connect to `listener`, a listening SOCK_SEQPACKET socket that
    /// does not block.
    pub(crate) fn new(host: Host, facts: HostFacts, listener: OwnedFd) -> Result<Self> {
        let epoll = Epoll::new()?;
        epoll.add(listener.as_fd(), LISTENER, POLLIN)?;
        let host = Local::new(host)?;
        host.take_woken();
        Ok(Self {
            natives: Natives::new(facts.nonce),
            host,
            facts,
            epoll,
            wires: Wires::new(WIRE),
            listener,
            spare: Spare::default(),
            seat: None,
            bell: None,
            owner: privilege::geteuid(),
            clients: HashMap::new(),
            last_client: 0,
            gone: Vec::new(),
            owners: Owners::default(),
            publications: Publications::default(),
            mirrors: Mirrors::default(),
            waits: Waits::default(),
            buffer: Vec::new(),
            busy: false,
            ends: None,
            ending: false,
        })
    }

    /// Lets the kernel's programs in.
    pub(super) fn publishing(mut self, published: Vec<Published>) -> Result<Self> {
        let tools = Tools { host: &self.host, epoll: &self.epoll, now: self.host.now() };
        self.publications = Publications::new(published, &tools)?;
        Ok(self)
    }

    /// Gives the seat up when it ends; which it does too when `bell` is readable.
    pub(super) fn seated(mut self, seat: Seat, bell: OwnedFd) -> Result<Self> {
        self.epoll.add(bell.as_fd(), BELL, POLLIN)?;
        (self.seat, self.bell) = (Some(seat), Some(bell));
        Ok(self)
    }

    /// Serves until the host is told to end, or nobody needs it any more.
    pub(crate) fn run(&mut self) -> Result<()> {
        let mut ready = Vec::new();
        loop {
            // Before the first sleep too: perhaps nobody ever comes.
            if !self.ending {
                self.end_if_idle();
            }
            if self.ending {
                return self.end(&mut ready);
            }
            self.turn(&mut ready)?;
        }
    }

    fn turn(&mut self, ready: &mut Vec<Ready>) -> Result<()> {
        self.wires.before_sleep(&self.host, &self.epoll)?;
        let now = self.host.now();
        let timeout = match self.deadline() {
            _ if self.busy => Some(Duration::ZERO),
            deadline => deadline.map(|deadline| deadline.since(now)),
        };
        self.epoll.wait(ready, timeout)?;
        self.host.drive();
        for Ready { token, events } in ready.drain(..) {
            self.ready(token, events);
        }
        self.catch_up();
        self.take_leave();
        Ok(())
    }

    fn deadline(&mut self) -> Option<Instant> {
        let others = [self.natives.deadline(), self.waits.deadline(), self.ends];
        others.into_iter().chain([self.host.deadline()]).flatten().min()
    }

    fn ready(&mut self, token: u64, events: i32) {
        match token {
            LISTENER => self.welcome(),
            WIRE => {}
            BELL => self.ending = true,
            token if token & Natives::TOKEN != 0 => {
                let tools = Tools { host: &self.host, epoll: &self.epoll, now: self.host.now() };
                self.natives.ready(&tools, token, events);
            }
            token if token & Publications::TOKEN != 0 => {
                let tools = Tools { host: &self.host, epoll: &self.epoll, now: self.host.now() };
                self.publications.ready(&tools, token);
            }
            token if token & Mirrors::TOKEN != 0 => self.mirrors.ready(token),
            client => self.hear(client, events),
        }
    }

    /// What the stack has changed is told to whom it concerns.
    fn catch_up(&mut self) {
        self.busy = false;
        for _ in 0..ROUNDS {
            let tools = Tools { host: &self.host, epoll: &self.epoll, now: self.host.now() };
            if self.natives.deadline().is_some_and(|due| due <= tools.now) {
                self.natives.tick(&tools);
            }
            let woken = self.natives.news(&tools);
            for socket in &woken {
                self.natives.woken(&tools, *socket);
                self.publications.woken(&tools, *socket);
                self.mirrors.woken(*socket);
            }
            while let Some((ticket, result)) = self.natives.finished() {
                self.answer(ticket, result.map(Reply::Answer), None);
            }
            woken.iter().for_each(|socket| self.retry(*socket));
            let now = self.host.now();
            while let Some(wait) = self.waits.overdue(now) {
                self.give_up(wait);
            }
            if woken.is_empty() {
                return;
            }
        }
        self.busy = true;
    }

    fn welcome(&mut self) {
        while self.clients.len() < CLIENTS
            && let Ok(fd) =
                self.spare.accept(&self.listener, || unix::accept(self.listener.as_fd(), SOCK_NONBLOCK))
        {
            self.admit(fd);
        }
        // With too many clients the next ones wait, without keeping the machine busy.
        if self.clients.len() >= CLIENTS {
            let _ = self.epoll.modify(self.listener.as_fd(), LISTENER, 0);
        }
    }

    /// Only the host's owner may ask, and root.
    fn admit(&mut self, fd: OwnedFd) {
        let who = unix::peer_credentials(fd.as_fd()).ok();
        if let Some(who) = who.filter(|who| who.uid == self.owner || who.uid == 0) {
            self.last_client += 1;
            if let Ok(client) = Client::new(fd, self.last_client, who, &self.epoll) {
                self.clients.insert(self.last_client, client);
            }
        }
    }

    fn hear(&mut self, client: u64, events: i32) {
        let mut buffer = std::mem::take(&mut self.buffer);
        for _ in 0..REQUESTS {
            let Some(known) = self.clients.get_mut(&client) else { break };
            if !known.listens() {
                // Its hang-up shows as an error of sending.
                if events & !POLLIN != 0 && known.send_unsent(&self.epoll).is_err() {
                    self.gone.push(client);
                }
                break;
            }
            match protocol::receive::<Request>(known.fd(), &mut buffer, MSG_DONTWAIT) {
                Ok(Some((request, fds))) => self.request(client, request, &fds),
                Err(error) if error.errno() == Errno::EAGAIN => break,
                Err(error) if error.errno() == Errno::EINTR => {}
                Ok(None) | Err(_) => {
                    self.gone.push(client);
                    break;
                }
            }
            if self.gone.contains(&client) {
                break;
            }
        }
        self.buffer = buffer;
    }

    fn request(&mut self, client: u64, request: Request, fds: &[OwnedFd]) {
        let ticket = Ticket { client, tag: request.tag };
        let Some(known) = self.clients.get_mut(&client) else { return };
        let borrowed: Option<BorrowedFd<'_>> = fds.first().map(AsFd::as_fd);
        let mut fd = None;
        let result = match request.ask {
            Ask::Hello { version } if version == VERSION => {
                known.welcome = true;
                Ok(Reply::Welcome(self.facts.clone()))
            }
            Ask::Hello { version } => Err(Errno::EPROTO
                .with(format!("the host speaks {VERSION}, not {version}: end it by `sockatoo down`"))),
            // The one word that every version understands.
            Ask::Down => {
                self.ending = true;
                Ok(Reply::Answer(Answer::Done))
            }
            _ if !known.welcome => Err(Errno::EPROTO.with("the first request is Hello")),
            Ask::Do { verb, patience } => return self.perform(ticket, verb, patience),
            Ask::Cancel(tag) => return self.cancel(Ticket { client, tag }),
            Ask::Goodbye => {
                known.said_goodbye = true;
                return;
            }
            Ask::Native(ask) => {
                let tools = Tools { host: &self.host, epoll: &self.epoll, now: self.host.now() };
                match self.natives.ask(&tools, ticket, ask, borrowed) {
                    Outcome::Done(result, made) => {
                        fd = made;
                        result.map(Reply::Answer)
                    }
                    Outcome::Waits => return,
                }
            }
            Ask::Readiness(socket) => self.readiness(client, socket).map(|readiness| {
                fd = Some(readiness);
                Reply::Answer(Answer::Done)
            }),
            Ask::Mirror(socket) => self
                .owners
                .may_use(client, socket)
                .and_then(|()| self.mirrors.of(&self.host, &self.epoll, socket))
                .map(|mirror| {
                    fd = Some(mirror);
                    Reply::Answer(Answer::Done)
                }),
            Ask::Names => Ok(Reply::Names { dns: self.host.dns_servers(), hosts: self.host.hosts_text() }),
            Ask::Status => Ok(Reply::Status(Status {
                census: self.host.census(),
                interfaces: self.host.interfaces(),
                clients: self.clients.len(),
                congested: self.host.is_congested(),
            })),
            Ask::Stay => {
                self.facts.stays = true;
                Ok(Reply::Answer(Answer::Done))
            }
        };
        self.answer(ticket, result, fd);
    }

    fn readiness(&self, client: u64, socket: SocketId) -> Result<OwnedFd> {
        self.owners.may_use(client, socket)?;
        let fd = self.host.readiness_fd(socket)?;
        Ok(fd.try_clone()?)
    }

    fn perform(&mut self, ticket: Ticket, verb: Verb, patience: Patience) {
        if let Err(error) = self.owners.may_do(ticket.client, &verb) {
            return self.answer(ticket, Err(error), None);
        }
        let closed = if let Verb::Close(socket) = verb { Some(socket) } else { None };
        let tools = Tools { host: &self.host, epoll: &self.epoll, now: self.host.now() };
        match &verb {
            // The call of a program that has taken a connection, as a rule.
            Verb::Peer(_) => self.natives.has_accepted(&tools),
            Verb::Send(socket, letters) => {
                let to = letters.first().and_then(|letter| letter.address?.inet());
                if let Some(to) = to {
                    self.natives.look_at_port(&tools, *socket, to.port());
                }
            }
            _ => {}
        }
        let until = match patience {
            Patience::Now => Instant::ZERO,
            Patience::For(time) => self.host.now() + time,
            Patience::Forever => Instant::FAR,
            Patience::Own => self.host.own_patience(&verb),
        };
        if let Some(wait) = self.attempt(Wait { ticket, verb, until, begun: None })
            && let Some(wait) = self.waits.keep(wait)
        {
            let error = Errno::ENOBUFS.with("too many requests of this process wait");
            self.answer(wait.ticket, Err(error), None);
        }
        if let Some(socket) = closed {
            // Nobody will wake those who wait for it.
            self.retry(socket);
        }
    }

    /// Does the verb, and answers; gives it back if it waits.
    fn attempt(&mut self, mut wait: Wait) -> Option<Wait> {
        let waits = wait.until > Instant::ZERO;
        let closes = if let Verb::Close(id) = wait.verb { Some(id) } else { None };
        // Of one that has gone meanwhile nothing is left to be told.
        let client = self.clients.get(&wait.ticket.client);
        let caller = client.map_or(Credentials::UNKNOWN, |client| client.credentials);
        let result = match (&wait.begun, &wait.verb) {
            (Some(_), Verb::Connect(socket, _)) => self.connected(caller, *socket, &wait.verb),
            _ => self.host.attempt(caller, &wait.verb, waits),
        };
        let result = match result {
            // The port may be that of a program's descriptor that was closed a moment ago.
            Err(error) if error.errno() == Errno::EADDRINUSE && self.swept() => {
                self.host.attempt(caller, &wait.verb, waits)
            }
            result => result,
        };
        match result {
            Err(error) if waits && is_later(&error, &wait.verb) => {
                wait.begun.get_or_insert(error);
                Some(wait)
            }
            result => {
                self.owners.follow(wait.ticket.client, closes, &result);
                self.answer(wait.ticket, result.map(Reply::Answer), None);
                None
            }
        }
    }

    /// True if a program's descriptor was found closed just now.
    fn swept(&mut self) -> bool {
        let tools = Tools { host: &self.host, epoll: &self.epoll, now: self.host.now() };
        self.natives.sweep(&tools)
    }

    /// The outcome of a connect that is under way.
    fn connected(&self, caller: Credentials, socket: SocketId, verb: &Verb) -> Result<Answer> {
        let outcome = POLLOUT | POLLERR | POLLHUP | POLLNVAL;
        match self.host.perform(Verb::Poll(socket))? {
            Answer::Events(events) if events & outcome == 0 => {
                Err(Errno::EINPROGRESS.because(Reason::ConnectUnderWay))
            }
            _ => match self.host.attempt(caller, verb, false) {
                Err(error) if error.errno() == Errno::EISCONN => Ok(Answer::Done),
                outcome => outcome,
            },
        }
    }

    /// Verbs that wait for a socket are tried again.
    fn retry(&mut self, socket: SocketId) {
        // Nothing that an attempt does adds to them.
        let mut waits = std::mem::take(&mut self.waits);
        waits.retry(socket, |wait| self.attempt(wait));
        self.waits = waits;
    }

    /// Its time has come.
    fn give_up(&mut self, wait: Wait) {
        if matches!(wait.verb, Verb::Close(_)) {
            // socket(7), SO_LINGER: the time is over, what is left goes on in the background.
            self.attempt(Wait { until: Instant::ZERO, ..wait });
            return;
        }
        // connect(2): a handshake that outlasts SO_SNDTIMEO goes on, and the call says so.
        let error = wait.begun.unwrap_or_else(|| Errno::EAGAIN.because(Reason::TimedOut));
        self.answer(wait.ticket, Err(error), None);
    }

    fn cancel(&mut self, ticket: Ticket) {
        if let Some(wait) = self.waits.cancel(ticket) {
            return self.answer(wait.ticket, Err(Errno::EINTR.because(Reason::Interrupted)), None);
        }
        let tools = Tools { host: &self.host, epoll: &self.epoll, now: self.host.now() };
        self.natives.cancel(&tools, ticket);
    }

    fn answer(&mut self, ticket: Ticket, result: Result<Reply>, fd: Option<OwnedFd>) {
        if let Some(client) = self.clients.get_mut(&ticket.client)
            && client.answer(ticket, result, fd, &self.epoll).is_err()
        {
            self.gone.push(ticket.client);
        }
    }

    /// Clients have gone, and their sockets with them.
    fn take_leave(&mut self) {
        while let Some(number) = self.gone.pop() {
            let Some(gone) = self.clients.remove(&number) else { continue };
            self.waits.forget(number);
            for socket in self.owners.leave(number) {
                // It may be closed already.
                let _ = self.host.perform(Verb::Close(socket));
            }
            let tools = Tools { host: &self.host, epoll: &self.epoll, now: self.host.now() };
            self.natives.client_gone(&tools, number, gone.said_goodbye);
            let _ = self.epoll.modify(self.listener.as_fd(), LISTENER, POLLIN);
        }
    }
}

/// True if the verb may be done later.
fn is_later(error: &Error, verb: &Verb) -> bool {
    match error.errno() {
        Errno::EAGAIN => true,
        Errno::EINPROGRESS | Errno::EALREADY => matches!(verb, Verb::Connect(..)),
        _ => false,
    }
}
