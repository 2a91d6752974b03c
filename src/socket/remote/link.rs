//! The second door of [`Host`]: a host in another process, for as many threads as like.
//!
//! All share one connection: a request has a tag, and its answer bears it. Of the threads that wait for an answer one reads the
//! connection, hands others their answers, and when it has its own, the reading too.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

use super::Connection;
use super::connection::unexpected;
use super::protocol::{self, Ask, HostFacts, Patience, Reply, Request, Response, Status};
use crate::base::constants::SHUT_RDWR;
use crate::base::verb::{Answer, Verb};
use crate::base::{Errno, Error, Instant, Reason, Result, SocketId};
use crate::driver::{Census, Far, Host, Interface, Names};
use crate::sys::{clock, descriptor, random};

/// A host in another process.
#[derive(Debug)]
struct Link {
    fd: OwnedFd,
    facts: HostFacts,
    calls: Mutex<Calls>,
    /// Of who reads.
    buffer: Mutex<Vec<u8>>,
}

#[derive(Debug, Default)]
struct Calls {
    tag: u32,
    waiting: HashMap<u32, Caller>,
    /// Somebody reads.
    read: bool,
    /// The connection has ended.
    ended: bool,
}

/// Who waits for an answer.
#[derive(Debug)]
struct Caller {
    thread: Thread,
    response: Option<(Response, Vec<OwnedFd>)>,
}

impl Host {
    /// A host that runs in another process: `sockatoo up NAME` made it. What is made through this handle is closed when it goes,
    /// and the host goes on. See [`Host`] for what differs.
    ///
    /// # Errors
    /// ENOENT if no host of this name runs, EINVAL for a name that is none, EACCES for another user's, EPROTO for another
    /// version's.
    ///
    /// ```no_run
    /// use sockatoo::{Host, socket::*};
    /// let host = Host::join("default")?;
    /// let socket = host.socket(AF_INET, SOCK_STREAM, 0)?;
    /// socket.connect(("192.0.2.1", 80))?;
    /// # Ok::<(), sockatoo::Error>(())
    /// ```
    pub fn join(name: &str) -> Result<Self> {
        Ok(Self::over_connection(Connection::join(name)?))
    }

    /// The host at the other end.
    pub(crate) fn over_connection(connection: Connection) -> Self {
        let (fd, facts) = connection.into_parts();
        Self::there(Arc::new(Link { fd, facts, calls: Mutex::default(), buffer: Mutex::default() }))
    }
}

impl Link {
    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks, and waits for the answer.
    fn call(&self, ask: Ask) -> Result<(Reply, Vec<OwnedFd>)> {
        let tag = {
            let mut calls = self.calls();
            if calls.ended {
                return Err(ended());
            }
            calls.tag = calls.tag.wrapping_add(1);
            let tag = calls.tag;
            calls.waiting.insert(tag, Caller { thread: thread::current(), response: None });
            tag
        };
        let sent = protocol::encode(&Request { tag, ask }).and_then(|bytes| self.send(&bytes));
        if let Err(error) = sent {
            let mut calls = self.calls();
            calls.waiting.remove(&tag);
            calls.hand_on();
            return Err(error);
        }
        let (response, fds) = self.answer(tag)?;
        Ok((response.result?, fds))
    }

    fn send(&self, bytes: &[u8]) -> Result<()> {
        loop {
            match protocol::send(self.fd.as_fd(), bytes, &[], 0) {
                Err(error) if error.errno() == Errno::EINTR => {}
                Err(error) if error.errno() == Errno::EPIPE || error.errno() == Errno::ECONNRESET => {
                    return Err(ended());
                }
                sent => return sent,
            }
        }
    }

    fn answer(&self, tag: u32) -> Result<(Response, Vec<OwnedFd>)> {
        let mut calls = self.calls();
        loop {
            let response = calls.waiting.get_mut(&tag).and_then(|caller| caller.response.take());
            if response.is_some() || calls.ended {
                calls.waiting.remove(&tag);
                calls.hand_on();
                return response.ok_or_else(|| Errno::EINTR.because(Reason::Interrupted));
            }
            if calls.read {
                drop(calls);
                thread::park();
                calls = self.calls();
                continue;
            }
            calls.read = true;
            drop(calls);
            let received = self.receive();
            calls = self.calls();
            calls.read = false;
            match received {
                Ok(Some((response, fds))) => calls.deliver(response, fds),
                _ => calls.end(),
            }
        }
    }

    fn receive(&self) -> Result<Option<(Response, Vec<OwnedFd>)>> {
        let mut buffer = self.buffer.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match protocol::receive(self.fd.as_fd(), &mut buffer, 0) {
                Err(error) if error.errno() == Errno::EINTR => {}
                received => return received,
            }
        }
    }

    fn status(&self) -> Result<Status> {
        match self.call(Ask::Status)? {
            (Reply::Status(status), _) => Ok(status),
            _ => Err(unexpected()),
        }
    }
}

impl Calls {
    fn deliver(&mut self, response: Response, fds: Vec<OwnedFd>) {
        if let Some(caller) = self.waiting.get_mut(&response.tag) {
            caller.response = Some((response, fds));
            caller.thread.unpark();
        }
    }

    /// Nobody may be reading now: one of those who wait must.
    fn hand_on(&self) {
        if !self.read
            && let Some(next) = self.waiting.values().next()
        {
            next.thread.unpark();
        }
    }

    fn end(&mut self) {
        self.ended = true;
        self.waiting.values().for_each(|caller| caller.thread.unpark());
    }
}

fn ended() -> Error {
    Errno::ENETDOWN.because(Reason::HostShutDown)
}

impl Far for Link {
    fn perform(&self, verb: Verb, patience: Patience) -> Result<Answer> {
        let closes = matches!(verb, Verb::Close(_));
        match self.call(Ask::Do { verb, patience }) {
            Ok((Reply::Answer(answer), _)) => Ok(answer),
            Ok(_) => Err(unexpected()),
            // It was closed with the connection.
            Err(error) if closes && error.reason() == Reason::HostShutDown => Ok(Answer::Done),
            Err(error) => Err(error),
        }
    }

    fn readiness(&self, socket: SocketId) -> Result<OwnedFd> {
        let (_, fds) = self.call(Ask::Readiness(socket))?;
        fds.into_iter().next().ok_or_else(unexpected)
    }

    fn now(&self) -> Instant {
        Instant::ZERO + clock::monotonic().saturating_sub(Duration::from_nanos(self.facts.clock))
    }

    fn epoch(&self) -> Duration {
        self.facts.epoch
    }

    fn hostname(&self) -> String {
        match self.perform(Verb::Hostname, Patience::Now) {
            Ok(Answer::Text(name)) => name,
            _ => self.facts.hostname.clone(),
        }
    }

    fn names(&self) -> Result<Names> {
        let (Reply::Names { dns, hosts }, _) = self.call(Ask::Names)? else { return Err(unexpected()) };
        Ok(Names::of(dns, &hosts))
    }

    fn interfaces(&self) -> Result<Vec<Interface>> {
        self.status().map(|status| status.interfaces)
    }

    fn census(&self) -> Result<Census> {
        self.status().map(|status| status.census)
    }

    fn is_congested(&self) -> Result<bool> {
        self.status().map(|status| status.congested)
    }

    fn random(&self) -> u64 {
        let mut lot = [0; 8];
        // It can't fail on any Linux that has the call.
        let _ = random::getrandom(&mut lot);
        u64::from_ne_bytes(lot)
    }

    fn leave(&self) {
        self.calls().end();
        // Who reads sees the end.
        let _ = descriptor::shutdown(self.fd.as_fd(), SHUT_RDWR);
    }
}
