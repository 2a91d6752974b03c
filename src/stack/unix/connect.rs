//! Connections: listen, connect, accept, pairs; shutdown and close.

use super::names::valid;
use super::{Entry, Stack, State, UnixSocket};
use crate::base::constants::{SHUT_RD, SHUT_RDWR, SHUT_WR, SOCK_DGRAM};
use crate::base::{Errno, Error, Reason, Result, SockAddr, SocketId, UnixAddr};

fn wrong_state(state: State) -> Error {
    match state {
        State::Connected => Errno::EISCONN.because(Reason::AlreadyConnected),
        _ => Errno::EINVAL.because(Reason::WrongKind),
    }
}

impl Stack {
    /// unix_socketpair.
    pub(super) fn unix_pair(&mut self, kind: i32) -> Result<(SocketId, SocketId)> {
        let make = |stack: &mut Self| stack.unix_new(kind, UnixSocket::default());
        let (one, other) = (make(self), make(self));
        for (id, peer) in [(one, other), (other, one)] {
            let credentials = self.net.config.credentials;
            let unix = self.sockets.get_mut(id)?.unix_mut()?;
            (unix.peer, unix.state, unix.peer_credentials) = (Some(peer), State::Connected, credentials);
            if kind == SOCK_DGRAM {
                unix.clients.insert(peer);
            }
        }
        Ok((one, other))
    }

    /// unix_listen: of a socket with a name.
    pub(super) fn unix_listen(&mut self, id: SocketId, backlog: i32) -> Result<()> {
        let (most, credentials) = (self.net.config.somaxconn, self.net.config.credentials);
        let entry = self.sockets.get_mut(id)?;
        if entry.kind == SOCK_DGRAM {
            return Err(Errno::EOPNOTSUPP.because(Reason::WrongKind));
        }
        let unix = entry.unix_mut()?;
        if unix.name.is_none() || unix.state == State::Connected {
            return Err(Errno::EINVAL.because(Reason::WrongKind));
        }
        // __sys_listen: without a sign, so that -1 asks for all.
        unix.backlog = (backlog as u32 as usize).min(most);
        // "set credentials so connect can copy them"
        (unix.state, unix.peer_credentials) = (State::Listening, credentials);
        self.ready.wake(id);
        self.unix_wake_waiting(id);
        Ok(())
    }

    /// unix_accept.
    pub(super) fn unix_accept(&mut self, id: SocketId) -> Result<(SocketId, SockAddr)> {
        let entry = self.sockets.get_mut(id)?;
        if entry.kind == SOCK_DGRAM {
            return Err(Errno::EOPNOTSUPP.because(Reason::WrongKind));
        }
        if !entry.unix()?.is_listening() {
            return Err(Errno::EINVAL.because(Reason::NotListening));
        }
        entry.take_error()?;
        let read_shut = entry.read_shut;
        let Some(accepted) = entry.unix_mut()?.arrivals.pop_front() else {
            return Err(if read_shut {
                Errno::EINVAL.because(Reason::NotListening)
            } else {
                Errno::EAGAIN.because(Reason::NoConnection)
            });
        };
        self.unix_wake_waiting(id);
        let entry = self.sockets.get_mut(accepted)?;
        entry.holders += 1;
        entry.unix_mut()?.arriving = false;
        Ok((accepted, self.getpeername(accepted)?))
    }

    /// unix_stream_connect: it stands at once, be it accepted or not. EAGAIN while too many wait for accept(2).
    pub(super) fn unix_stream_connect(&mut self, id: SocketId, address: SockAddr) -> Result<()> {
        let name = valid(address)?;
        self.unix_autobind_if_passing(id)?;
        let entry = self.sockets.get(id)?;
        let (kind, state) = (entry.kind, entry.unix()?.state);
        let listener = self.unix_find(name, kind)?;
        let at = self.sockets.get_mut(listener)?;
        let (shut, passes) = (at.read_shut, at.options.pass_credentials);
        let unix = at.unix_mut()?;
        if !unix.is_listening() || shut {
            return Err(Errno::ECONNREFUSED.because(Reason::UnixNoSocket));
        }
        if unix.is_full() {
            unix.waiting.insert(id);
            return Err(Errno::EAGAIN.because(Reason::UnixBacklogFull));
        }
        if state != State::Closed {
            return Err(wrong_state(state));
        }
        let (listeners_name, credentials) = (unix.name, unix.peer_credentials);
        if self.sockets.len() >= self.net.config.max_sockets {
            return Err(Errno::ENFILE.because(Reason::TooManySockets));
        }
        let arrival = UnixSocket {
            name: listeners_name,
            state: State::Connected,
            peer: Some(id),
            peer_credentials: self.net.config.credentials,
            arriving: true,
            ..UnixSocket::default()
        };
        let arrival = self.unix_new(kind, arrival);
        let entry = self.sockets.get_mut(arrival)?;
        entry.holders = 0;
        entry.options.pass_credentials = passes;
        let unix = self.sockets.get_mut(id)?.unix_mut()?;
        (unix.state, unix.peer, unix.peer_credentials) = (State::Connected, Some(arrival), credentials);
        self.sockets.get_mut(listener)?.unix_mut()?.arrivals.push_back(arrival);
        self.ready.wake(listener);
        self.ready.wake(id);
        Ok(())
    }

    /// unix_dgram_connect: a peer, or none. EPERM if the other is connected to somebody else.
    pub(super) fn unix_datagram_connect(&mut self, id: SocketId, address: SockAddr) -> Result<()> {
        let peer = if address == SockAddr::Unspec {
            None
        } else {
            let name = valid(address)?;
            self.unix_autobind_if_passing(id)?;
            let peer = self.unix_find(name, SOCK_DGRAM)?;
            self.unix_may_send(id, peer)?;
            Some((peer, name))
        };
        let unix = self.sockets.get_mut(id)?.unix_mut()?;
        let old = std::mem::replace(&mut unix.peer, peer.map(|(peer, _)| peer));
        unix.peer_name = peer.map(|(_, name)| name);
        if let Some(old) = old.filter(|old| Some(*old) != unix.peer) {
            self.unix_disconnected(id, old)?;
        }
        if let Some((peer, _)) = peer {
            self.sockets.get_mut(peer)?.unix_mut()?.clients.insert(id);
        }
        self.ready.wake(id);
        Ok(())
    }

    /// unix_may_send: a socket with a peer hears that one alone.
    pub(super) fn unix_may_send(&self, id: SocketId, to: SocketId) -> Result<()> {
        match self.sockets.get(to)?.unix()?.peer {
            Some(peer) if peer != id => Err(Errno::EPERM.because(Reason::UnixOtherPeer)),
            _ => Ok(()),
        }
    }

    /// unix_dgram_disconnected: "If one link of bidirectional dgram pipe is disconnected, we signal error. Messages are lost."
    pub(super) fn unix_disconnected(&mut self, id: SocketId, old: SocketId) -> Result<()> {
        if let Ok(old) = self.sockets.get_mut(old).and_then(Entry::unix_mut) {
            old.clients.remove(&id);
        }
        let lost = std::mem::take(&mut self.sockets.get_mut(id)?.unix_mut()?.queue);
        if lost.is_empty() {
            return Ok(());
        }
        for message in lost {
            self.unix_discard(message);
        }
        self.unix_wake_waiting(id);
        if let Ok(entry) = self.sockets.get_mut(old)
            && entry.unix()?.peer == Some(id)
        {
            entry.error = Some(Errno::ECONNRESET.because(Reason::UnixUnread));
            self.ready.wake(old);
        }
        Ok(())
    }

    /// unix_shutdown: of a connection the other side sees the other half of it.
    pub(super) fn unix_shutdown(&mut self, id: SocketId, how: i32) -> Result<()> {
        if !(SHUT_RD..=SHUT_RDWR).contains(&how) {
            return Err(Errno::EINVAL.because(Reason::OptionValue));
        }
        let (reading, writing) = (how != SHUT_WR, how != SHUT_RD);
        let entry = self.sockets.get_mut(id)?;
        entry.read_shut |= reading;
        entry.write_shut |= writing;
        let peer = entry.unix()?.peer.filter(|_| entry.kind != SOCK_DGRAM);
        if let Some((id, peer)) = peer.and_then(|id| Some((id, self.sockets.get_mut(id).ok()?))) {
            peer.read_shut |= writing;
            peer.write_shut |= reading;
            self.ready.wake(id);
        }
        self.ready.wake(id);
        self.unix_wake_waiting(id);
        Ok(())
    }

    /// unix_release_sock.
    pub(super) fn unix_close(&mut self, id: SocketId) -> Result<()> {
        self.unix_wake_waiting(id);
        let entry = self.sockets.get_mut(id)?;
        let kind = entry.kind;
        let unix = std::mem::take(entry.unix_mut()?);
        if let Some(name) = unix.name {
            self.unix.free(name, kind, id);
        }
        for client in &unix.clients {
            self.unix_peer_gone(*client, id, unix.name);
        }
        if let Some(peer) = unix.peer {
            self.unix_peer_gone(peer, id, unix.name);
        }
        if let Some(Ok(peer)) = unix.peer.map(|peer| self.sockets.get_mut(peer)) {
            if kind == SOCK_DGRAM {
                peer.unix_mut()?.clients.remove(&id);
            } else {
                (peer.read_shut, peer.write_shut) = (true, true);
                if unix.unread() > 0 || unix.arriving {
                    peer.error = Some(Errno::ECONNRESET.because(Reason::UnixUnread));
                }
            }
        }
        for message in unix.queue {
            self.unix_discard(message);
        }
        self.unix.doomed.extend(unix.arrivals);
        Ok(())
    }

    /// Its peer is closed: what its name was is known from now on.
    fn unix_peer_gone(&mut self, id: SocketId, peer: SocketId, name: Option<UnixAddr>) {
        if let Ok(unix) = self.sockets.get_mut(id).and_then(Entry::unix_mut)
            && unix.peer == Some(peer)
        {
            unix.peer_name = name;
            self.ready.wake(id);
        }
    }
}
