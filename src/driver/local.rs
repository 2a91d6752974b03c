//! A host as the event loop that drives it has it.

use std::ops::Deref;
use std::sync::Arc;

use super::here::Here;
use super::host::{Handle, Host};
use crate::base::verb::{Answer, Verb};
use crate::base::{Credentials, Errno, Instant, Reason, Result, SocketId};
use crate::stack::Stack;

/// A host that is known to be of this process: one that an event loop of ours drives.
#[derive(Clone, Debug)]
pub(crate) struct Local {
    host: Host,
    handle: Arc<Handle>,
}

impl Local {
    /// EOPNOTSUPP of a host in another process.
    pub(crate) fn new(host: Host) -> Result<Self> {
        let handle = Arc::clone(host.handle()?);
        Ok(Self { host, handle })
    }

    pub(super) fn here(&self) -> Here<'_> {
        Here { shared: &self.handle.shared }
    }

    /// See [`Here::call`].
    pub(crate) fn call<T>(&self, verb: impl FnOnce(&mut Stack) -> T) -> T {
        self.here().call(verb)
    }

    /// See [`Here::call_on`].
    pub(crate) fn call_on<T>(&self, socket: SocketId, verb: impl FnOnce(&mut Stack) -> T) -> T {
        self.here().call_on(socket, verb)
    }

    /// Does a verb that came as data from another process. `waits`: for a call that may wait: a stream has EAGAIN until there is enough (SO_RCVLOWAT), a
    /// close that lingers until all is acknowledged.
    pub(crate) fn attempt(&self, caller: Credentials, verb: &Verb, waits: bool) -> Result<Answer> {
        match *verb {
            Verb::Close(socket) if waits => {
                self.here().perform(&Verb::Linger(socket))?;
            }
            Verb::Receive { socket, size, flags, .. } if waits => {
                return self.call_on(socket, |stack| match stack.has_enough(socket, size, flags) {
                    true => stack.perform_for(caller, verb),
                    false => Err(Errno::EAGAIN.because(Reason::NoData)),
                });
            }
            _ => {}
        }
        let here = self.here();
        match verb.socket() {
            Some(socket) => here.call_on(socket, |stack| stack.perform_for(caller, verb)),
            None if *verb == Verb::Counters => here.perform(verb),
            None => here.call(|stack| stack.perform_for(caller, verb)),
        }
    }

    /// Until when a verb waits that waits as its socket's options say.
    pub(crate) fn own_patience(&self, verb: &Verb) -> Instant {
        let patience = self.handle.shared.lock().stack.own_patience(verb);
        patience.map_or(Instant::FAR, |patience| self.now() + patience)
    }

    /// For a foreign event loop: the sockets that may have changed since the last call. The first call begins to keep them.
    pub(crate) fn take_woken(&self) -> Vec<SocketId> {
        let mut woken = self.handle.shared.lock().woken.replace(Vec::new()).unwrap_or_default();
        woken.sort_unstable();
        woken.dedup();
        woken
    }
}

impl Deref for Local {
    type Target = Host;
    fn deref(&self) -> &Host {
        &self.host
    }
}
