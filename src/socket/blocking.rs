//! The one loop in which a call waits.
//!
//! A call is an *attempt*: a verb of the stack, which never waits and says EAGAIN for "not yet". [`Socket::block`] makes the
//! attempt, and if it may wait, makes it again whenever the socket has changed, until it succeeds or patience ends.
//!
//! Of a host in another process the attempts are made there: [`Socket::ask`] says what, and how long.

use std::time::Duration;

use super::{Socket, remote};
use crate::base::constants::{AF_RDS, MSG_DONTWAIT, SOL_SOCKET};
use crate::base::verb::{Answer, Verb};
use crate::base::{Errno, Error, Event, Instant, Reason, Result, SocketCall, SocketId};
use crate::driver::{Door, Far, Here};
use crate::stack::{Received, Stack};

/// How long a call waits, and what it says when that is over.
#[derive(Clone, Copy, Debug)]
pub(super) enum Patience {
    /// Not at all: EAGAIN.
    Now,
    /// As long as it takes, or as the option of this number says (SO_RCVTIMEO, SO_SNDTIMEO), then EAGAIN; of AF_RDS ETIMEDOUT.
    Blocking(i32),
    /// Until then: ETIMEDOUT, Python's time-out.
    Until(Instant),
}

/// What a call's result counts, for those who watch.
pub(super) trait Count {
    fn count(&self) -> usize {
        0
    }
}

impl Count for () {}
impl Count for usize {
    fn count(&self) -> usize {
        *self
    }
}
impl Count for Received {
    fn count(&self) -> usize {
        self.len
    }
}
impl Count for Answer {}
impl Count for Vec<crate::stack::Captured> {
    fn count(&self) -> usize {
        self.len()
    }
}

impl Socket {
    /// The patience of a call with these MSG_* flags; `option` is SO_RCVTIMEO or SO_SNDTIMEO.
    pub(super) fn patience(&self, option: i32, flags: i32) -> Patience {
        if flags & MSG_DONTWAIT != 0 {
            return Patience::Now;
        }
        match self.gettimeout() {
            None => Patience::Blocking(option),
            Some(Duration::ZERO) => Patience::Now,
            Some(timeout) => Patience::Until(self.host().now() + timeout),
        }
    }

    /// A call that never waits. Once the host is shut down: ENETDOWN.
    pub(super) fn verb(&self, name: &'static str, verb: impl FnOnce(SocketId) -> Verb) -> Result<Answer> {
        self.open()?.host.alive()?;
        self.look(name, verb)
    }

    /// A call that only tells. A host that is shut down answers it still.
    pub(super) fn look(&self, name: &'static str, verb: impl FnOnce(SocketId) -> Verb) -> Result<Answer> {
        let socket = self.open()?;
        let verb = verb(socket.id);
        match socket.host.door() {
            Door::Here(here) => here.call_on(socket.id, |stack| {
                let result = stack.perform(&verb);
                tell(stack, socket.id, name, &result);
                result
            }),
            Door::There(far) => far.perform(verb, remote::Patience::Now),
        }
    }

    /// A call that may wait: see the head of this file. (Those that move data have a form of their own for each door.)
    pub(super) fn wait(
        &self,
        name: &'static str,
        patience: Patience,
        verb: impl FnOnce(SocketId) -> Verb,
    ) -> Result<Answer> {
        let socket = self.open()?;
        let verb = verb(socket.id);
        match socket.host.door() {
            Door::Here(here) => self.block(here, name, patience, |stack, _| stack.perform(&verb)),
            Door::There(far) => self.ask(far, patience, verb),
        }
    }

    /// A call that may wait, of a host in another process: it waits there.
    pub(super) fn ask(&self, far: &dyn Far, patience: Patience, verb: Verb) -> Result<Answer> {
        let how_long = match patience {
            Patience::Now => remote::Patience::Now,
            Patience::Blocking(_) => remote::Patience::Own,
            Patience::Until(deadline) => remote::Patience::For(deadline.since(far.now())),
        };
        match (far.perform(verb, how_long), patience) {
            (Err(error), Patience::Until(_)) if error.would_block() => {
                Err(Errno::ETIMEDOUT.because(Reason::TimedOut))
            }
            (Err(error), Patience::Blocking(_)) if error.would_block() && self.family() == AF_RDS => {
                Err(Errno::ETIMEDOUT.because(Reason::TimedOut))
            }
            (result, _) => result,
        }
    }

    /// A call that may wait, of a host of this process.
    pub(super) fn block<T: Count>(
        &self,
        here: Here<'_>,
        name: &'static str,
        patience: Patience,
        mut attempt: impl FnMut(&mut Stack, SocketId) -> Result<T>,
    ) -> Result<T> {
        let socket = self.open()?;
        here.alive()?;
        let mut attempt = |stack: &mut Stack| match attempt(stack, socket.id) {
            Err(error) if error.errno() == Errno::EAGAIN => Attempt::NotYet(error),
            result => {
                tell(stack, socket.id, name, &result);
                Attempt::Done(result)
            }
        };
        let mut give_up = match here.call_on(socket.id, &mut attempt) {
            Attempt::Done(result) => return result,
            Attempt::NotYet(error) => error,
        };
        let deadline = match patience {
            Patience::Now => {
                let result = Err(give_up);
                here.call_on(socket.id, |stack| tell(stack, socket.id, name, &result));
                return result;
            }
            Patience::Until(deadline) => {
                give_up = Errno::ETIMEDOUT.because(Reason::TimedOut);
                Some(deadline)
            }
            Patience::Blocking(option) => {
                // rds_sendmsg, rds_recvmsg: "if (ret == 0) ret = -ETIMEDOUT".
                if self.family() == AF_RDS {
                    give_up = Errno::ETIMEDOUT.because(Reason::TimedOut);
                }
                self.timeout_option(option)?.map(|t| socket.host.now() + t)
            }
        };
        let waited = here.wait(&[socket.id], deadline, |stack| match attempt(stack) {
            Attempt::Done(result) => Some(result),
            Attempt::NotYet(_) => None,
        })?;
        waited.unwrap_or_else(|| {
            let result = Err(give_up);
            here.call_on(socket.id, |stack| tell(stack, socket.id, name, &result));
            result
        })
    }

    /// SO_RCVTIMEO or SO_SNDTIMEO; zero means none.
    pub(super) fn timeout_option(&self, option: i32) -> Result<Option<Duration>> {
        let timeval = self.getsockopt_bytes(SOL_SOCKET, option, 16)?;
        Ok(super::option::duration_of_timeval(&timeval).filter(|t| !t.is_zero()))
    }
}

enum Attempt<T> {
    Done(Result<T>),
    NotYet(Error),
}

/// Tells the watcher of a finished call.
fn tell<T: Count>(stack: &mut Stack, socket: SocketId, name: &'static str, result: &Result<T>) {
    let time = stack.net.now;
    stack.net.log.tell(|| {
        let result = result.as_ref().map(Count::count).map_err(Error::errno);
        Event::Call(SocketCall { time, socket, name, result })
    });
}
