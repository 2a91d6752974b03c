//! What two hosts have in common (struct rds_connection): sequence numbers, messages under way; and its life, which is longer than
//! that of the TCP connections that carry it.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use super::info::Counter;
use crate::base::{Errno, Reason, Result, SocketId};
use crate::stack::Stack;
use crate::wire::rds::{HEADER, Header, RETRANSMITTED};

/// Pairs of hosts that are remembered: each may cost a message of 1 MiB that has not come to its end.
const CONNECTIONS: usize = 1024;
/// rds_sysctl_reconnect_min_jiffies, rds_sysctl_reconnect_max_jiffies.
const RECONNECT_MIN: Duration = Duration::from_millis(1);
const RECONNECT_MAX: Duration = Duration::from_secs(1);

/// An address of ours, and one of the peer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Pair {
    pub(super) local: IpAddr,
    pub(super) peer: IpAddr,
}

impl Pair {
    /// IS_CANONICAL, rds_addr_cmp: we are the one with the smaller address, and so the one who connects.
    pub(super) fn connects(self) -> bool {
        self.local < self.peer
    }
}

/// RDS_CONN_*.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    #[default]
    Down,
    Connecting,
    Up,
}

/// A message of ours: struct rds_message.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) header: Header,
    pub(super) data: Vec<u8>,
    /// Whose it is; nobody's if the hosts talk with each other.
    pub(super) sender: Option<SocketId>,
    /// m_ack_seq: where it ends in the stream, once it was written there.
    pub(super) end: u64,
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) state: State,
    /// The peer is this host: there is no TCP.
    pub(super) loopback: bool,
    /// The TCP socket.
    pub(super) stream: Option<SocketId>,
    /// Bytes that it has taken.
    pub(super) written: u64,
    pub(super) next_tx: u64,
    pub(super) next_rx: u64,
    /// cp_send_queue and cp_retrans, in the order of their numbers.
    pub(super) waiting: VecDeque<Outgoing>,
    pub(super) unacknowledged: VecDeque<Outgoing>,
    /// The message that is being written, as bytes, and how many of them the stream has taken.
    pub(super) current: Option<(Vec<u8>, usize)>,
    /// The message that is being read: its header, then its data.
    pub(super) header: Vec<u8>,
    pub(super) data: Vec<u8>,
    /// The socket whose queue is far too full: nothing is read until it is less so.
    pub(super) held: Option<SocketId>,
    /// Our congestion map is to be sent.
    pub(super) map_due: bool,
    /// The peer's; `None`: no port is congested.
    pub(super) peer_map: Option<Box<[u8]>>,
    /// c_peer_gen_num; 0 = it has not told.
    pub(super) peer_generation: u32,
    /// cp_reconnect_jiffies.
    backoff: Duration,
}

impl Connection {
    fn new(loopback: bool) -> Self {
        Self {
            state: State::Down,
            loopback,
            stream: None,
            written: 0,
            next_tx: 1,
            next_rx: 0,
            waiting: VecDeque::new(),
            unacknowledged: VecDeque::new(),
            current: None,
            header: Vec::with_capacity(HEADER),
            data: Vec::new(),
            held: None,
            map_due: false,
            peer_map: None,
            peer_generation: 0,
            backoff: Duration::ZERO,
        }
    }

    /// The next message's number.
    pub(super) fn number(&mut self) -> u64 {
        let number = self.next_tx;
        self.next_tx = number.wrapping_add(1);
        number
    }

    /// rds_send_path_reset, and what else begins anew with a new stream: what was not acknowledged is sent again.
    fn reset(&mut self) {
        (self.state, self.stream, self.written) = (State::Down, None, 0);
        (self.current, self.held, self.map_due) = (None, None, false);
        self.header.clear();
        self.data = Vec::new();
        while let Some(mut message) = self.unacknowledged.pop_back() {
            message.header.flags |= RETRANSMITTED;
            self.waiting.push_front(message);
        }
    }
}

impl Stack {
    /// rds_conn_create: the connection of this pair. ENOMEM if there are too many.
    pub(super) fn rds_connection(&mut self, pair: Pair) -> Result<&mut Connection> {
        if !self.rds.connections.contains_key(&pair) && self.rds.connections.len() >= CONNECTIONS {
            self.net.note(Reason::RdsTooManyPeers, None, None);
            return Err(Errno::ENOMEM.because(Reason::RdsTooManyPeers));
        }
        let loopback = self.net.is_local(pair.peer);
        Ok(self.rds.connections.entry(pair).or_insert_with(|| Connection::new(loopback)))
    }

    /// rds_conn_path_connect_if_down.
    pub(super) fn rds_connect_if_down(&mut self, pair: Pair) {
        let Some(connection) = self.rds.connections.get(&pair) else { return };
        if connection.state == State::Down && !connection.loopback && self.rds.timers.get(pair).is_none() {
            self.rds_open(pair);
        }
    }

    /// rds_connect_path_complete: messages may go. The peer hears first who is congested here.
    pub(super) fn rds_up(&mut self, pair: Pair) {
        let Some(connection) = self.rds.connections.get_mut(&pair) else { return };
        connection.state = State::Up;
        connection.backoff = Duration::ZERO;
        connection.map_due = true;
        self.rds.timers.cancel(pair);
    }

    /// rds_conn_path_drop, rds_conn_shutdown: the stream is given up; another follows.
    pub(super) fn rds_drop(&mut self, pair: Pair, reason: Reason) {
        let Some(connection) = self.rds.connections.get_mut(&pair) else { return };
        let stream = connection.stream;
        connection.reset();
        self.rds.counters.add(Counter::ConnReset, 1);
        self.net.note(reason, None, stream);
        if let Some(stream) = stream {
            self.rds_close(stream);
        }
        self.rds_reconnect(pair);
    }

    /// rds_queue_reconnect. "let peer with smaller addr initiate reconnect, to avoid duels".
    pub(super) fn rds_reconnect(&mut self, pair: Pair) {
        if !pair.connects() || self.rds.sockets.is_empty() {
            return;
        }
        let now = self.net.now;
        let random = self.net.random();
        let Some(connection) = self.rds.connections.get_mut(&pair) else { return };
        let backoff = connection.backoff;
        if backoff.is_zero() {
            connection.backoff = RECONNECT_MIN;
            return self.rds.timers.set(pair, now);
        }
        let most = u64::try_from(backoff.as_nanos()).unwrap_or(u64::MAX);
        connection.backoff = (backoff * 2).min(RECONNECT_MAX);
        self.rds.timers.set(pair, now + RECONNECT_MIN + Duration::from_nanos(random % most));
    }

    /// rds_connect_worker: it is time to connect again.
    pub(in crate::stack) fn rds_tick(&mut self) {
        while let Some(pair) = self.rds.timers.pop(self.net.now) {
            if self.rds.connections.get(&pair).is_some_and(|connection| connection.state == State::Down) {
                self.rds_open(pair);
            }
        }
    }

    /// The last socket was closed: no one is left to talk with. The numbers stay: the peers remember theirs.
    pub(super) fn rds_end(&mut self) {
        let pairs: Vec<_> = self.rds.connections.keys().copied().collect();
        for pair in pairs {
            self.rds.timers.cancel(pair);
            let Some(connection) = self.rds.connections.get_mut(&pair) else { continue };
            let stream = connection.stream;
            connection.reset();
            connection.waiting.clear();
            (connection.peer_map, connection.backoff) = (None, Duration::ZERO);
            if let Some(stream) = stream {
                self.rds_close(stream);
            }
        }
        if let Some(listener) = self.rds.listener.take() {
            self.rds_close(listener);
        }
    }
}
