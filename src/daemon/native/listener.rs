//! A listener: connections that are ready go into the program's own listen queue, from which accept(2) takes them.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use super::bench::Bench;
use super::channel::Channel;
use super::natives::{Known, Part};
use super::{Natives, Tools};
use crate::base::constants::{IPPROTO_TCP, SO_LINGER, SOCK_STREAM, SOL_SOCKET};
use crate::base::{Errno, Instant, Result, SocketId};
use crate::socket::remote::Name;
use crate::sys::unix::{self, Place};

/// What a listener has to do later.
#[derive(Debug, Default)]
pub(super) struct Listener {
    /// A connection that there was no room for, with its end of the channel.
    held: Option<(SocketId, OwnedFd)>,
    /// When to try again, and how long after that: nobody tells when accept(2) makes room.
    pub(super) again: Option<Instant>,
    pause: Duration,
    /// The stack has been told that there is no room.
    full: bool,
}

/// Tried again after this time, and ever more seldom.
const SOON: Duration = Duration::from_millis(1);
const SELDOM: Duration = Duration::from_millis(50);

/// What the program's queue said.
pub(super) enum Handed {
    /// All that were ready.
    All,
    /// The queue is full, or the host short of something; `Listener::again` says when to try again.
    Some,
    /// Nobody listens any more.
    Gone,
}

impl Listener {
    /// Hands over what is ready.
    pub(super) fn hand_over(
        &mut self,
        tools: &Tools<'_>,
        bench: &Bench,
        listener: SocketId,
        mut took: impl FnMut(SocketId, Channel),
    ) -> Handed {
        self.again = None;
        let handed = self.hand_over_all(tools, bench, listener, &mut took);
        let full = self.held.is_some();
        if full != self.full {
            // The connection that is held is the one more than the backlog that may wait (sk_acceptq_is_full).
            tools.host.call_on(listener, |stack| stack.hold_back(listener, full));
            self.full = full;
        }
        handed
    }

    fn hand_over_all(
        &mut self,
        tools: &Tools<'_>,
        bench: &Bench,
        listener: SocketId,
        took: &mut impl FnMut(SocketId, Channel),
    ) -> Handed {
        loop {
            let (id, end) = match self.held.take() {
                Some(held) => held,
                None => match self.next(tools, bench, listener) {
                    Ok(Some(next)) => next,
                    Ok(None) => {
                        self.pause = SOON;
                        return Handed::All;
                    }
                    Err(_) => return self.later(tools),
                },
            };
            let name = bench.name(&Name::Socket(listener));
            match unix::connect(end.as_fd(), Place::Abstract(&name)) {
                Ok(()) => took(id, Channel::new(tools, id, end, None, false)),
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    reset(tools, id);
                    return Handed::Gone;
                }
                Err(_) => {
                    self.held = Some((id, end));
                    return self.later(tools);
                }
            }
        }
    }

    fn later(&mut self, tools: &Tools<'_>) -> Handed {
        self.again = Some(tools.now + self.pause.max(SOON));
        self.pause = (self.pause * 9 / 8).clamp(SOON, SELDOM);
        Handed::Some
    }

    fn next(
        &self,
        tools: &Tools<'_>,
        bench: &Bench,
        listener: SocketId,
    ) -> Result<Option<(SocketId, OwnedFd)>> {
        let Ok((id, _)) = tools.host.call_on(listener, |stack| stack.accept(listener)) else {
            return Ok(None);
        };
        match bench.socket(SOCK_STREAM, &Name::Connection(id)) {
            Ok(end) => Ok(Some((id, end))),
            Err(error) => {
                // Not a descriptor to spare: Linux would have refused the connection too (ENFILE).
                reset(tools, id);
                Err(error.into())
            }
        }
    }

    /// The listener closes: what it holds is reset, as what waits in the stack's queue.
    pub(super) fn close(&mut self, tools: &Tools<'_>) {
        if let Some((id, _)) = self.held.take() {
            reset(tools, id);
        }
    }
}

/// Ends a connection by RST.
pub(super) fn reset(tools: &Tools<'_>, id: SocketId) {
    // struct linger { 1, 0 }
    let linger = [1i32.to_ne_bytes(), 0i32.to_ne_bytes()].concat();
    let _ = tools.host.call_on(id, |stack| stack.setsockopt(id, SOL_SOCKET, SO_LINGER, &linger));
    let _ = tools.host.call_on(id, |stack| stack.close(id));
}

impl Natives {
    pub(super) fn listen(
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
        // AF_UNIX too takes one more than it says, and the host holds one.
        unix::listen(borrowed, if backlog > 0 { backlog - 1 } else { backlog })?;
        if let Some(known) = self.known.get_mut(&id)
            && !matches!(known.part, Part::Listener(_))
        {
            known.part = Part::Listener(Listener::default());
        }
        Ok(())
    }

    /// What the stack has changed, its listeners heard already: on the loopback a connection waits for accept(2) before its other
    /// end knows that it stands.
    pub(in crate::daemon) fn news(&mut self, tools: &Tools<'_>) -> Vec<SocketId> {
        let mut news = tools.host.take_woken();
        for id in &news {
            self.hand_over(tools, *id);
        }
        news.append(&mut self.early);
        news
    }

    /// accept(2) has made room in a queue, most likely in one that was full.
    pub(in crate::daemon) fn has_accepted(&mut self, tools: &Tools<'_>) {
        let full: Vec<SocketId> = self
            .timed
            .iter()
            .filter(|id| {
                self.known.get(id).is_some_and(|known| matches!(&known.part, Part::Listener(l) if l.full))
            })
            .copied()
            .collect();
        for id in full {
            self.hand_over(tools, id);
        }
    }

    pub(super) fn hand_over(&mut self, tools: &Tools<'_>, id: SocketId) {
        let Some(known) = self.known.get_mut(&id) else { return };
        let (client, domain) = (known.client, known.domain);
        let Part::Listener(listener) = &mut known.part else { return };
        let mut new = Vec::new();
        let handed = listener.hand_over(tools, &self.bench, id, |id, channel| new.push((id, channel)));
        for (id, channel) in new {
            let part = Part::Channel(channel);
            self.known.insert(id, Known { client, domain, protocol: IPPROTO_TCP, kind: SOCK_STREAM, part });
            self.pump(tools, id);
        }
        match handed {
            Handed::All => {}
            Handed::Some => _ = self.timed.insert(id),
            Handed::Gone => self.close(tools, id),
        }
    }
}
