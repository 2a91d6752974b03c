//! The TCP connection of two RDS hosts: net/rds/tcp.c, tcp_listen.c, tcp_connect.c, tcp_send.c, tcp_recv.c.
//!
//! It is an ordinary socket of the stack that no program has: its wakings come to [`Stack::rds_work`]. Whoever has the smaller
//! address connects, from any port, to port 16385 of the other.

use std::io::{IoSlice, IoSliceMut};
use std::net::Ipv6Addr;
use std::time::Duration;

use super::connection::{Pair, State};
use crate::base::constants::{AF_INET, AF_INET6, POLLERR, POLLHUP, POLLOUT, POLLRDHUP, SOCK_STREAM};
use crate::base::{Errno, Reason, Result, SocketId};
use crate::stack::Stack;
use crate::wire::rds::{CONGESTION_MAP, HEADER, Header, MAX_MESSAGE, PORT};

/// rds_tcp_listen_init: "sock->ops->listen(sock, 64)".
const BACKLOG: i32 = 64;
/// rds_tcp_keepalive: a peer that has vanished is noticed.
const KEEPALIVE: Duration = Duration::from_secs(5);
const KEEPALIVE_PROBES: u32 = 5;
/// Bytes read at a time.
const PIECE: usize = 64 * 1024;

impl Stack {
    /// A TCP socket of the stack's own: rds_tcp_tune, rds_tcp_keepalive.
    fn rds_stream(&mut self, domain: i32) -> Result<SocketId> {
        let id = self.socket(domain, SOCK_STREAM, 0)?;
        let options = &mut self.sockets.get_mut(id)?.options;
        (options.nodelay, options.keepalive, options.reuse_address) = (true, true, true);
        (options.keepidle, options.keepintvl, options.keepcnt) = (KEEPALIVE, KEEPALIVE, KEEPALIVE_PROBES);
        self.ready.adopt(id);
        Ok(id)
    }

    /// rds_tcp_listen_init. Where a program has the port already there is no transport: EADDRNOTAVAIL.
    pub(super) fn rds_listen(&mut self) -> Result<()> {
        if self.rds.listener.is_some() {
            return Ok(());
        }
        let id = self.rds_stream(AF_INET6)?;
        let port = (Ipv6Addr::UNSPECIFIED, PORT).into();
        if let Err(error) = self.bind(id, port).and_then(|()| self.listen(id, BACKLOG)) {
            self.rds_close(id);
            return Err(Errno::EADDRNOTAVAIL.because(error.reason()));
        }
        self.rds.listener = Some(id);
        Ok(())
    }

    /// rds_tcp_conn_path_connect.
    pub(super) fn rds_open(&mut self, pair: Pair) {
        let opened = self.rds_stream(if pair.local.is_ipv4() { AF_INET } else { AF_INET6 });
        let started = opened.and_then(|id| {
            let started = self.bind(id, (pair.local, 0).into());
            let started = started.and_then(|()| self.connect(id, (pair.peer, PORT).into()));
            match started {
                Err(error) if error.errno() != Errno::EINPROGRESS => {
                    self.rds_close(id);
                    Err(error)
                }
                _ => Ok(id),
            }
        });
        match started {
            Ok(id) => self.rds_attach(pair, id, State::Connecting),
            Err(error) => {
                self.net.note(error.reason(), None, None);
                self.rds_reconnect(pair);
            }
        }
    }

    /// rds_tcp_set_callbacks.
    fn rds_attach(&mut self, pair: Pair, id: SocketId, state: State) {
        let Some(connection) = self.rds.connections.get_mut(&pair) else { return self.rds_close(id) };
        (connection.state, connection.stream) = (state, Some(id));
        self.rds.streams.insert(id, pair);
        // What has happened meanwhile is looked at.
        self.ready.wake(id);
    }

    /// A socket of ours is closed: what it was given is sent still.
    pub(super) fn rds_close(&mut self, id: SocketId) {
        self.rds.streams.remove(&id);
        self.ready.disown(id);
        // It is there: nobody else closes it.
        let _ = self.close(id);
    }

    /// Does what sockets of ours have woken for.
    pub(in crate::stack) fn rds_work(&mut self) {
        while let Some(id) = self.ready.pop_own() {
            if self.rds.listener == Some(id) {
                while let Ok((stream, _)) = self.accept(id) {
                    self.rds_accept(stream);
                }
            } else if let Some(pair) = self.rds.streams.get(&id).copied() {
                self.rds_stream_changed(pair, id);
            }
        }
    }

    /// rds_tcp_accept_one: of two who connect to each other, the one with the smaller address wins.
    fn rds_accept(&mut self, stream: SocketId) {
        self.ready.adopt(stream);
        let ends = self.sockets.get(stream).ok().and_then(|entry| Some((entry.local?, entry.remote?)));
        let pair = ends.map(|(local, remote)| Pair {
            local: local.ip().to_canonical(),
            peer: remote.ip().to_canonical(),
        });
        let Some((pair, Ok(connection))) = pair.map(|pair| (pair, self.rds_connection(pair))) else {
            return self.rds_close(stream);
        };
        let (state, old) = (connection.state, connection.stream);
        if pair.connects() || connection.loopback || state == State::Up {
            self.net.note(Reason::RdsNotCanonical, None, Some(stream));
            self.rds_close(stream);
            // "Make sure we initiate at least one path if this has not already been done".
            return if pair.connects() {
                self.rds_connect_if_down(pair)
            };
        }
        // rds_tcp_reset_callbacks: "Duelling SYN".
        old.into_iter().for_each(|old| self.rds_close(old));
        self.rds_attach(pair, stream, State::Connecting);
        self.rds_up(pair);
    }

    /// rds_tcp_state_change, rds_tcp_data_ready, rds_tcp_write_space.
    fn rds_stream_changed(&mut self, pair: Pair, id: SocketId) {
        let events = self.tcp_poll(id);
        let ended = events & (POLLERR | POLLHUP | POLLRDHUP) != 0;
        let state = self.rds.connections.get(&pair).map(|connection| connection.state);
        if state == Some(State::Connecting) && !ended && events & POLLOUT != 0 {
            // "Force the peer to reconnect so that we have the TCP ports going from <smaller-ip>.<transient> to
            // <larger-ip>.<RDS_TCP_PORT>."
            if !pair.connects() {
                return self.rds_drop(pair, Reason::RdsNotCanonical);
            }
            self.rds_up(pair);
        }
        if self.is_rds_up(pair) {
            // An ended connection does not say what was acknowledged.
            if events & POLLHUP == 0 {
                self.rds_acknowledged(pair, id);
            }
            if let Err(reason) = self.rds_read(pair, id) {
                return self.rds_drop(pair, reason);
            }
        }
        // What has come before the end is read first, be it later.
        let held = self.rds.connections.get(&pair).is_some_and(|connection| connection.held.is_some());
        if ended && !held {
            return self.rds_drop(pair, Reason::RdsConnectionLost);
        }
        self.rds_transmit(pair);
    }

    fn is_rds_up(&self, pair: Pair) -> bool {
        self.rds.connections.get(&pair).is_some_and(|connection| connection.state == State::Up)
    }

    /// rds_send_path_drop_acked: TCP knows what has arrived.
    fn rds_acknowledged(&mut self, pair: Pair, id: SocketId) {
        let Ok(unsent) = self.tcp_unsent(id) else { return };
        let Some(connection) = self.rds.connections.get_mut(&pair) else { return };
        let arrived = connection.written.saturating_sub(unsent as u64);
        let count = connection.unacknowledged.iter().take_while(|message| message.end <= arrived).count();
        let gone: Vec<_> = connection.unacknowledged.drain(..count).collect();
        gone.into_iter().for_each(|message| self.rds_sent(message.sender, message.data.len()));
    }

    /// rds_send_xmit: as much as the stream takes.
    pub(super) fn rds_transmit(&mut self, pair: Pair) {
        while let Some(connection) = self.rds.connections.get_mut(&pair) {
            let (State::Up, Some(stream)) = (connection.state, connection.stream) else { return };
            if let Some((bytes, done)) = connection.current.take() {
                let rest = [IoSlice::new(bytes.get(done..).unwrap_or_default())];
                let taken = self.tcp_send(stream, &rest, &0.into());
                let Some(connection) = self.rds.connections.get_mut(&pair) else { return };
                let done = done + taken.as_ref().copied().unwrap_or(0);
                connection.written += taken.as_ref().copied().unwrap_or(0) as u64;
                connection.current = (done < bytes.len()).then_some((bytes, done));
                // EAGAIN: the socket wakes when it has room. Any other error: it has woken already.
                if taken.is_err() {
                    return;
                }
            } else if std::mem::take(&mut connection.map_due) {
                let message = self.rds_map_message(pair.local);
                let Some(connection) = self.rds.connections.get_mut(&pair) else { return };
                connection.current = Some((message, 0));
            } else if let Some(mut message) = connection.waiting.pop_front() {
                let bytes = [&message.header.to_bytes()[..], &message.data].concat();
                message.end = connection.written + bytes.len() as u64;
                connection.unacknowledged.push_back(message);
                connection.current = Some((bytes, 0));
            } else {
                return;
            }
        }
    }

    /// rds_tcp_data_recv: header, data, message after message. An error: the peer does not talk RDS.
    fn rds_read(&mut self, pair: Pair, id: SocketId) -> std::result::Result<(), Reason> {
        let mut piece = Vec::new();
        while let Some(connection) = self.rds.connections.get_mut(&pair) {
            if connection.held.is_some() || connection.stream != Some(id) {
                return Ok(());
            }
            let wanted = match connection.header.first_chunk::<HEADER>() {
                None => HEADER - connection.header.len(),
                Some(header) => {
                    let header = Header::from_bytes(header);
                    let len = usize::try_from(header.len).unwrap_or(usize::MAX);
                    if len > MAX_MESSAGE {
                        return Err(Reason::RdsMalformed);
                    }
                    if connection.data.len() == len {
                        connection.header.clear();
                        let data = std::mem::take(&mut connection.data);
                        self.rds_arrived(pair, &header, data);
                        continue;
                    }
                    len - connection.data.len()
                }
            };
            piece.resize(wanted.min(PIECE), 0);
            // EAGAIN, an error or the end: the connection's state says which.
            let received = self.tcp_recv(id, &mut [IoSliceMut::new(&mut piece)], 0);
            let Some(bytes) = received.ok().and_then(|got| piece.get(..got.len)).filter(|b| !b.is_empty())
            else {
                return Ok(());
            };
            let Some(connection) = self.rds.connections.get_mut(&pair) else { return Ok(()) };
            let whole = connection.header.len() == HEADER;
            if whole { &mut connection.data } else { &mut connection.header }.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn rds_arrived(&mut self, pair: Pair, header: &Header, data: Vec<u8>) {
        if header.flags == CONGESTION_MAP {
            return self.rds_map_arrived(pair, data);
        }
        let held = self.rds_incoming(pair, header, data);
        if let Some(connection) = self.rds.connections.get_mut(&pair) {
            connection.held = held;
        }
    }
}
