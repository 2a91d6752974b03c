//! Descriptors without a channel: are they still there?
//!
//! AF_UNIX tells nobody when a socket is closed that is not connected. But its name can't be bound while it lives: EADDRINUSE.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use super::natives::{Known, MEMORY, NOBODY, Part};
use super::{Natives, Tools, listener};
use crate::base::SocketId;
use crate::base::constants::{AF_CAN, CAN_ISOTP, SHUT_RDWR};
use crate::socket::remote::Name;
use crate::sys::unix::{self, Place};

/// Looks whether names are taken.
#[derive(Debug, Default)]
pub(super) struct Prober {
    /// By type (names of different types don't meet): a socket that has not got a name yet.
    spare: HashMap<i32, OwnedFd>,
}

impl Prober {
    /// True while an AF_UNIX socket of this type (SOCK_*) has this abstract name; also if that can't be found out.
    pub(super) fn is_alive(&mut self, kind: i32, name: &[u8]) -> bool {
        let probe = match self.spare.remove(&kind) {
            Some(probe) => probe,
            None => match unix::socket(kind) {
                Ok(probe) => probe,
                Err(_) => return true,
            },
        };
        match unix::bind(probe.as_fd(), Place::Abstract(name)) {
            // It has the name now, and gives it back by its end.
            Ok(()) => false,
            Err(error) => {
                let taken = error.kind() == io::ErrorKind::AddrInUse;
                if taken {
                    self.spare.insert(kind, probe);
                }
                true
            }
        }
    }
}

impl Natives {
    /// The client has gone. If it said goodbye, its programs' connections end by themselves; else they end now.
    pub(in crate::daemon) fn client_gone(&mut self, tools: &Tools<'_>, client: u64, said_goodbye: bool) {
        self.forget_supervisor(client);
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
            self.end(tools, id);
        }
    }

    /// Its program was killed, or will be in a moment. Its connections end as the kernel's would (tcp_close): by FIN behind what it
    /// had sent, or by RST if something was left that it had not read.
    fn end(&mut self, tools: &Tools<'_>, id: SocketId) {
        let Some(known) = self.known.get_mut(&id) else { return };
        known.client = NOBODY;
        match &mut known.part {
            Part::Channel(channel) if !channel.is_opening() && channel.unheard() == 0 => {
                channel.shutdown(tools, &mut self.bench, id, SHUT_RDWR);
                channel.buried();
                channel.note_close(tools, &mut self.bench, id);
                self.pump(tools, id);
            }
            Part::Channel(_) => {
                self.known.remove(&id);
                listener::reset(tools, id);
            }
            _ => self.close(tools, id),
        }
    }

    /// Closes the sockets whose descriptors are gone, as far as that is not heard by itself. True if there was one.
    pub(in crate::daemon) fn sweep(&mut self, tools: &Tools<'_>) -> bool {
        let mut heard = self.hear(tools);
        let mut gone = Vec::new();
        for (id, known) in &self.known {
            let alive = match &known.part {
                Part::Connecting(_) => true,
                Part::Failing(failing) if !failing.channel.named => true,
                Part::Channel(channel) if !channel.is_silent() => true,
                Part::Channel(channel) if !channel.named => true,
                Part::Failed { named: false, since } => {
                    known.client != NOBODY && tools.now.since(*since) < MEMORY
                }
                // isotp_release: "wait for complete transmission of current pdu".
                Part::Datagrams(datagrams)
                    if (known.domain, known.protocol) == (AF_CAN, CAN_ISOTP) && datagrams.has_unsent() =>
                {
                    true
                }
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
        heard |= !gone.is_empty();
        heard
    }

    /// Before a datagram goes to a port: a socket that was closed a moment ago must not swallow it, where the sender wants to hear
    /// that nobody is there.
    pub(in crate::daemon) fn look_at_port(&mut self, tools: &Tools<'_>, from: SocketId, port: u16) {
        for id in tools.host.call(|stack| stack.hearers(from, port)) {
            let Some(known) = self.known.get(&id) else { continue };
            if matches!(known.part, Part::Datagrams(_))
                && !self.prober.is_alive(known.kind, &self.bench.name(&Name::Socket(id)))
            {
                self.close(tools, id);
            }
        }
    }

    /// What epoll would tell in the next turn: a close that has happened already counts already. True if there was anything.
    fn hear(&mut self, tools: &Tools<'_>) -> bool {
        let mut ready = Vec::new();
        // All other descriptors are told of until they are heard.
        if tools.epoll.wait(&mut ready, Some(Duration::ZERO)).is_err() {
            return false;
        }
        ready.retain(|found| found.token & Self::TOKEN != 0);
        for found in &ready {
            self.ready(tools, found.token, found.events);
        }
        !ready.is_empty()
    }
}
