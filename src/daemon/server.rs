//! The event loop of a host's process: clients and their requests.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::native::{Natives, Outcome, Ticket, Tools};
use crate::base::constants::{MSG_DONTWAIT, POLLIN, SOCK_NONBLOCK};
use crate::base::verb::{Answer, Verb};
use crate::base::{Errno, Instant, Result, SocketId};
use crate::driver::Host;
use crate::socket::remote::protocol::{self, VERSION};
use crate::socket::remote::{Ask, HostFacts, Patience, Reply, Request, Response};
use crate::sys::descriptor::duplicate;
use crate::sys::epoll::{Epoll, Ready};
use crate::sys::{privilege, unix};

/// A host that serves clients.
#[derive(Debug)]
pub(crate) struct Server {
    host: Host,
    facts: HostFacts,
    epoll: Epoll,
    /// Where clients connect.
    listener: OwnedFd,
    clients: HashMap<u64, Client>,
    last_client: u64,
    natives: Natives,
    waits: Vec<Wait>,
    ending: bool,
}

/// A process that asks.
#[derive(Debug)]
struct Client {
    fd: OwnedFd,
    /// It has said hello.
    welcome: bool,
    /// What it made by [`Verb::Socket`] and has not closed.
    sockets: Vec<SocketId>,
}

/// A verb that can't be done yet.
#[derive(Debug)]
struct Wait {
    ticket: Ticket,
    verb: Verb,
    until: Instant,
}

// Tokens of epoll: clients have their numbers; the natives have their own bit.
const LISTENER: u64 = Natives::TOKEN - 1;
const WIRE: u64 = Natives::TOKEN - 2;

/// Rounds of "somebody was woken" before the descriptors are looked at again.
const ROUNDS: usize = 64;

impl Server {
    /// Serves `host` (made with `HostBuilder::embedded`) to those who connect to `listener`, a listening SOCK_SEQPACKET socket.
    pub(crate) fn new(host: Host, facts: HostFacts, listener: OwnedFd) -> Result<Self> {
        let epoll = Epoll::new()?;
        epoll.add(listener.as_fd(), LISTENER, POLLIN)?;
        host.take_woken();
        Ok(Self {
            natives: Natives::new(facts.nonce),
            host,
            facts,
            epoll,
            listener,
            clients: HashMap::new(),
            last_client: 0,
            waits: Vec::new(),
            ending: false,
        })
    }

    /// Serves until the host is told to end, or nobody needs it any more.
    pub(crate) fn run(&mut self) -> Result<()> {
        // Copies, so that nobody waits on a number that is somebody else's by then.
        let wires = self.host.poll_fds().into_iter().map(duplicate).collect::<std::io::Result<Vec<_>>>()?;
        for wire in &wires {
            self.epoll.add(wire.as_fd(), WIRE, POLLIN)?;
        }
        let mut ready = Vec::new();
        while !self.ending {
            self.host.poll_fds();
            let now = self.host.now();
            let timeout = self.deadline().map(|deadline| deadline.since(now));
            self.epoll.wait(&mut ready, timeout)?;
            self.host.drive();
            for Ready { token, events } in ready.drain(..) {
                self.ready(token, events);
            }
            self.catch_up();
        }
        Ok(())
    }

    fn deadline(&self) -> Option<Instant> {
        let waits = self.waits.iter().map(|wait| wait.until).min();
        [self.host.deadline(), self.natives.deadline(), waits].into_iter().flatten().min()
    }

    fn ready(&mut self, token: u64, events: i32) {
        match token {
            LISTENER => self.welcome(),
            WIRE => {}
            token if token & Natives::TOKEN != 0 => {
                let tools = Tools { host: &self.host, epoll: &self.epoll, now: self.host.now() };
                self.natives.ready(&tools, token, events);
            }
            client => self.hear(client),
        }
    }

    /// What the stack has changed is told to whom it concerns.
    fn catch_up(&mut self) {
        for _ in 0..ROUNDS {
            let tools = Tools { host: &self.host, epoll: &self.epoll, now: self.host.now() };
            if self.natives.deadline().is_some_and(|due| due <= tools.now) {
                self.natives.tick(&tools);
            }
            let woken = self.host.take_woken();
            for socket in &woken {
                self.natives.woken(&tools, *socket);
            }
            while let Some((ticket, result)) = self.natives.finished() {
                self.answer(ticket, result.map(Reply::Answer), None);
            }
            self.look_at_waits(&woken);
            if woken.is_empty() {
                return;
            }
        }
    }

    fn welcome(&mut self) {
        let Ok(fd) = unix::accept(self.listener.as_fd(), SOCK_NONBLOCK) else { return };
        // Only the host's owner may ask, and root.
        let owner = privilege::geteuid();
        if !unix::peer_credentials(fd.as_fd()).is_ok_and(|who| who.uid == owner || who.uid == 0) {
            return;
        }
        self.last_client += 1;
        if self.epoll.add(fd.as_fd(), self.last_client, POLLIN).is_ok() {
            self.clients.insert(self.last_client, Client { fd, welcome: false, sockets: Vec::new() });
        }
    }

    fn hear(&mut self, client: u64) {
        let mut buffer = Vec::new();
        loop {
            let Some(known) = self.clients.get(&client) else { return };
            match protocol::receive::<Request>(known.fd.as_fd(), &mut buffer, MSG_DONTWAIT) {
                Ok(Some((request, fds))) => self.request(client, request, &fds),
                Err(error) if error.errno() == Errno::EAGAIN => return,
                Err(error) if error.errno() == Errno::EINTR => {}
                Ok(None) | Err(_) => return self.farewell(client),
            }
        }
    }

    fn request(&mut self, client: u64, request: Request, fds: &[OwnedFd]) {
        let ticket = Ticket { client, tag: request.tag };
        let Some(known) = self.clients.get_mut(&client) else { return };
        let borrowed: Option<BorrowedFd<'_>> = fds.first().map(AsFd::as_fd);
        let result = match request.ask {
            Ask::Hello { version } if version == VERSION => {
                known.welcome = true;
                Ok(Reply::Welcome(self.facts.clone()))
            }
            Ask::Hello { version } => Err(Errno::EPROTO
                .with(format!("the host speaks {VERSION}, not {version}: end it by `sockatoo down`"))),
            _ if !known.welcome => Err(Errno::EPROTO.with("the first request is Hello")),
            Ask::Do { verb, patience } => return self.perform(ticket, verb, patience),
            Ask::Cancel(tag) => return self.cancel(Ticket { client, tag }),
            Ask::Native(ask) => {
                let tools = Tools { host: &self.host, epoll: &self.epoll, now: self.host.now() };
                match self.natives.ask(&tools, ticket, ask, borrowed) {
                    Outcome::Done(result, fd) => return self.answer(ticket, result.map(Reply::Answer), fd),
                    Outcome::Waits => return,
                }
            }
            Ask::Down => {
                self.ending = true;
                Ok(Reply::Answer(Answer::Done))
            }
            Ask::Readiness(_) | Ask::Names => Err(Errno::EOPNOTSUPP.into()),
        };
        self.answer(ticket, result, None);
    }

    fn perform(&mut self, ticket: Ticket, verb: Verb, patience: Patience) {
        let until = match patience {
            Patience::Now => None,
            Patience::For(time) => Some(self.host.now() + time),
            Patience::Forever => Some(Instant::FAR),
        };
        match (self.host.perform(verb.clone()), until) {
            (Err(error), Some(until)) if error.would_block() => self.waits.push(Wait { ticket, verb, until }),
            (result, _) => {
                if let (Ok(Answer::Socket(id) | Answer::Accepted(id, _)), Some(client)) =
                    (&result, self.clients.get_mut(&ticket.client))
                {
                    client.sockets.push(*id);
                }
                self.answer(ticket, result.map(Reply::Answer), None);
            }
        }
    }

    /// Verbs that wait are tried again if their socket was woken, or given up if their time has come.
    fn look_at_waits(&mut self, woken: &[SocketId]) {
        let now = self.host.now();
        for wait in std::mem::take(&mut self.waits) {
            let Wait { ticket, verb, until } = wait;
            if verb.socket().is_some_and(|socket| woken.binary_search(&socket).is_ok()) {
                let patience =
                    if until == Instant::FAR { Patience::Forever } else { Patience::For(until.since(now)) };
                self.perform(ticket, verb, patience);
            } else if until <= now {
                self.answer(ticket, Err(Errno::EAGAIN.into()), None);
            } else {
                self.waits.push(Wait { ticket, verb, until });
            }
        }
    }

    fn cancel(&mut self, ticket: Ticket) {
        let before = self.waits.len();
        self.waits.retain(|wait| wait.ticket != ticket);
        if self.waits.len() < before {
            return self.answer(ticket, Err(Errno::EINTR.into()), None);
        }
        let tools = Tools { host: &self.host, epoll: &self.epoll, now: self.host.now() };
        self.natives.cancel(&tools, ticket);
    }

    fn answer(&mut self, ticket: Ticket, result: Result<Reply>, fd: Option<OwnedFd>) {
        let Some(client) = self.clients.get(&ticket.client) else { return };
        let response = Response { tag: ticket.tag, result };
        let fds: Vec<BorrowedFd<'_>> = fd.iter().map(AsFd::as_fd).collect();
        let sent = protocol::encode(&response)
            .and_then(|bytes| protocol::send(client.fd.as_fd(), &bytes, &fds, MSG_DONTWAIT));
        if sent.is_err() {
            self.farewell(ticket.client);
        }
    }

    /// A client has gone, and its sockets with it.
    fn farewell(&mut self, client: u64) {
        let Some(gone) = self.clients.remove(&client) else { return };
        self.waits.retain(|wait| wait.ticket.client != client);
        for socket in gone.sockets {
            // It may have closed some of them itself.
            let _ = self.host.perform(Verb::Close(socket));
        }
        let tools = Tools { host: &self.host, epoll: &self.epoll, now: self.host.now() };
        self.natives.client_gone(&tools, client);
    }
}
