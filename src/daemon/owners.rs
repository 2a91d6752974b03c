//! Whose the sockets are that clients have for themselves: made, accepted, or received in a message.

use std::collections::{BTreeSet, HashMap};

use crate::base::verb::{Answer, Verb};
use crate::base::{ControlMessage, Errno, Result, SocketId};

/// Who has a handle of which socket.
#[derive(Debug, Default)]
pub(super) struct Owners {
    /// A client is there as often as it has a handle.
    clients: HashMap<SocketId, Vec<u64>>,
    sockets: HashMap<u64, BTreeSet<SocketId>>,
}

fn rights(control: &[ControlMessage]) -> impl Iterator<Item = SocketId> {
    control
        .iter()
        .flat_map(|message| match message {
            ControlMessage::Rights(sockets) => sockets.as_slice(),
            _ => &[],
        })
        .copied()
}

impl Owners {
    /// EBADF for a socket that other clients have for themselves. The sockets of programs' descriptors are whose program has one.
    pub(super) fn may_use(&self, client: u64, socket: SocketId) -> Result<()> {
        match self.clients.get(&socket) {
            Some(clients) if !clients.contains(&client) => Err(Errno::EBADF.into()),
            _ => Ok(()),
        }
    }

    /// The same for the socket that a verb is about, and those that it sends.
    pub(super) fn may_do(&self, client: u64, verb: &Verb) -> Result<()> {
        if let Verb::Send(_, letters) = verb {
            letters
                .iter()
                .flat_map(|letter| rights(&letter.control))
                .try_for_each(|id| self.may_use(client, id))?;
        }
        verb.socket().map_or(Ok(()), |socket| self.may_use(client, socket))
    }

    /// Whose the new sockets are, and that one handle of `closed` is there no more.
    pub(super) fn follow(&mut self, client: u64, closed: Option<SocketId>, result: &Result<Answer>) {
        match (closed, result) {
            (_, Ok(Answer::Socket(id) | Answer::Accepted(id, _))) => self.add(client, *id),
            (_, Ok(Answer::Pair(one, other))) => {
                self.add(client, *one);
                self.add(client, *other);
            }
            (_, Ok(Answer::Letters(letters))) => {
                letters.iter().flat_map(|letter| rights(&letter.control)).for_each(|id| self.add(client, id));
            }
            (Some(id), Ok(_)) => self.remove(client, id),
            _ => {}
        }
    }

    fn add(&mut self, client: u64, socket: SocketId) {
        self.clients.entry(socket).or_default().push(client);
        self.sockets.entry(client).or_default().insert(socket);
    }

    fn remove(&mut self, client: u64, socket: SocketId) {
        let Some(clients) = self.clients.get_mut(&socket) else { return };
        if let Some(at) = clients.iter().position(|owner| *owner == client) {
            clients.swap_remove(at);
        }
        let more = clients.contains(&client);
        if clients.is_empty() {
            self.clients.remove(&socket);
        }
        if !more && let Some(sockets) = self.sockets.get_mut(&client) {
            sockets.remove(&socket);
        }
    }

    /// The client has gone: its sockets, each as often as it had a handle of it.
    pub(super) fn leave(&mut self, client: u64) -> Vec<SocketId> {
        let mut left = Vec::new();
        for socket in self.sockets.remove(&client).unwrap_or_default() {
            let Some(clients) = self.clients.get_mut(&socket) else { continue };
            let before = clients.len();
            clients.retain(|owner| *owner != client);
            left.extend(std::iter::repeat_n(socket, before - clients.len()));
            if clients.is_empty() {
                self.clients.remove(&socket);
            }
        }
        left
    }
}
