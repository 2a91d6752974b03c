//! Errands: what only a supervisor of programs can do, because it may borrow their descriptors.
//!
//! An AF_UNIX socket sees the end of its channel as ECONNRESET only if something that it sent is unread (unix_release_sock). Where
//! nothing is, a byte must be sent through the program's own descriptor before the channel goes.

use std::collections::HashMap;
use std::time::Duration;

use super::channel::Channel;
use super::natives::{Known, MEMORY, Part};
use super::{Natives, Outcome, Ticket, Tools};
use crate::base::verb::Answer;
use crate::base::{Instant, Result, SockAddr, SocketId};

/// Those who do errands: supervisors, by their client's number.
#[derive(Debug, Default)]
pub(super) struct Errands(HashMap<u64, Supervisor>);

#[derive(Debug, Default)]
struct Supervisor {
    /// Its request, while it has nothing to do.
    waits: Option<Ticket>,
    wanted: Vec<SocketId>,
    /// What it is about.
    given: Vec<SocketId>,
}

/// A connection that has failed, and whose program shall see it.
#[derive(Debug)]
pub(super) struct Failing {
    pub(super) channel: Channel,
    /// Then it ends anyway; or its descriptor is looked for again.
    pub(super) until: Instant,
    since: Instant,
    /// No program had it: it waits for accept(2), or is under way from one to another. `None`: it is being looked for.
    again: Option<Duration>,
}

/// The longest that a failure is held back.
const PATIENCE: Duration = Duration::from_secs(1);
/// A descriptor that no program has is looked for again after this time, and ever more seldom.
const SOON: Duration = Duration::from_millis(20);
const SELDOM: Duration = Duration::from_secs(1);
/// Errands of one request.
const BATCH: usize = 1024;

impl Natives {
    /// A connection has failed. Its end goes, and the program sees ECONNRESET.
    /// One whose peer had sent FIN before keeps its end: tcp_reset makes that EPIPE, and reading goes on saying 0.
    pub(super) fn fail(&mut self, tools: &Tools<'_>, id: SocketId) {
        let Some(known) = self.known.get_mut(&id) else { return };
        let part = std::mem::replace(&mut known.part, Part::Failed { named: false, since: tools.now });
        let Part::Channel(mut channel) = part else { return };
        match self.errands.0.get_mut(&known.client) {
            Some(supervisor) if !channel.has_peer_ended() && !channel.fails_visibly() => {
                channel.fall_silent(tools);
                let (since, until) = (tools.now, tools.now + PATIENCE);
                known.part = Part::Failing(Failing { channel, until, since, again: None });
                self.timed.insert(id);
                supervisor.wanted.push(id);
                let client = known.client;
                self.give_errands(client);
            }
            _ => {
                if channel.has_peer_ended() {
                    channel.turn_away(&mut self.bench);
                }
                known.part = Part::Failed { named: channel.named, since: tools.now };
            }
        }
    }

    /// The program sees it now, or never will.
    pub(super) fn has_failed(&mut self, tools: &Tools<'_>, id: SocketId) {
        if let Some(Known { part, .. }) = self.known.get_mut(&id)
            && let Part::Failing(failing) = part
        {
            *part = Part::Failed { named: failing.channel.named, since: tools.now };
        }
    }

    /// Its time has come: the supervisor did not answer, or the descriptor is to be looked for again.
    pub(super) fn look_again(&mut self, tools: &Tools<'_>, id: SocketId) {
        let Some(Known { part: Part::Failing(failing), client, .. }) = self.known.get_mut(&id) else {
            return;
        };
        let (gone, old) = (failing.channel.has_hung_up(), tools.now.since(failing.since) > MEMORY);
        match self.errands.0.get_mut(client) {
            _ if gone => self.close(tools, id),
            Some(supervisor) if failing.again.is_some() && !old => {
                // The next time it is looked for less soon.
                failing.until = tools.now + PATIENCE;
                supervisor.wanted.push(id);
                let client = *client;
                self.give_errands(client);
            }
            _ => self.has_failed(tools, id),
        }
    }

    /// No program has it.
    fn not_found(&mut self, tools: &Tools<'_>, id: SocketId) {
        let Some(Known { part: Part::Failing(failing), .. }) = self.known.get_mut(&id) else { return };
        if failing.channel.has_hung_up() {
            return self.close(tools, id);
        }
        let pause = failing.again.map_or(SOON, |pause| (pause * 2).min(SELDOM));
        (failing.again, failing.until) = (Some(pause), tools.now + pause);
    }

    /// Whose a connection was that failed before accept(2), and that the program has now.
    pub(super) fn accepted(&mut self, tools: &Tools<'_>, id: SocketId) -> Result<SockAddr> {
        let peer = tools.host.call_on(id, |stack| stack.accepted_from(id));
        self.has_failed(tools, id);
        peer
    }

    /// A supervisor has done what it was given, and waits for more.
    pub(super) fn ask_errands(&mut self, tools: &Tools<'_>, ticket: Ticket, found: &[SocketId]) -> Outcome {
        let supervisor = self.errands.0.entry(ticket.client).or_default();
        supervisor.waits = Some(ticket);
        for id in std::mem::take(&mut supervisor.given) {
            match found.contains(&id) {
                true => self.has_failed(tools, id),
                false => self.not_found(tools, id),
            }
        }
        self.give_errands(ticket.client);
        Outcome::Waits
    }

    fn give_errands(&mut self, client: u64) {
        let Some(supervisor) = self.errands.0.get_mut(&client) else { return };
        if !supervisor.wanted.is_empty()
            && let Some(ticket) = supervisor.waits.take()
        {
            let batch = supervisor.wanted.len().min(BATCH);
            supervisor.given = supervisor.wanted.drain(..batch).collect();
            self.finished.push_back((ticket, Ok(Answer::Errands(supervisor.given.clone()))));
        }
    }

    /// The client has gone: it does no more errands.
    pub(super) fn forget_supervisor(&mut self, client: u64) {
        self.errands.0.remove(&client);
    }
}
