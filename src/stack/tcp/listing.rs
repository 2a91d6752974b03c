//! Connections as rows for `ss`: those of a socket, and those that have none.

use std::time::Duration;

use super::flow::Flow;
use super::segment::Tuple;
use super::{Stack, Tcp, TcpSocket};
use crate::base::constants::{AF_INET, AF_INET6, IPPROTO_TCP, SOCK_STREAM};
use crate::base::verb::{SocketRow, SocketTimer};
use crate::base::{Instant, SocketId, TcpState};
use crate::stack::table::{Part, Table};

impl Flow {
    /// What it waits for (inet_sk_diag_fill's idiag_timer).
    fn timer(&self, now: Instant) -> Option<SocketTimer> {
        const RETRANSMISSION: u8 = 1;
        const KEEPALIVE: u8 = 2;
        const PROBE: u8 = 4;
        let left = |until: Instant| until.since(now);
        let tries = |count: u32| u8::try_from(count).unwrap_or(u8::MAX);
        let due = self.armed.map_or(Duration::ZERO, left);
        let seen = &self.seen;
        if seen.waiting_since.is_some() {
            return Some(SocketTimer { kind: RETRANSMISSION, left: due, tries: tries(seen.stuck) });
        }
        if seen.probing_since.is_some() {
            return Some(SocketTimer { kind: PROBE, left: due, tries: 0 });
        }
        let keepalive = self.keepalive_at().filter(|_| !self.dead)?;
        Some(SocketTimer { kind: KEEPALIVE, left: left(keepalive), tries: tries(self.probes) })
    }

    /// Its state as the program is told: one that Fast Open has let stand waits for its final ACK still.
    pub(super) fn shown_state(&self) -> TcpState {
        match self.state() {
            _ if self.dead => TcpState::Closed,
            TcpState::Established if self.opening.answered.is_some() => TcpState::SynReceived,
            state => state,
        }
    }

    fn fill(&self, row: &mut SocketRow, now: Instant) {
        row.timer = self.timer(now);
        row.state = Some(self.shown_state());
        row.receive_queue = self.connection.readable();
        row.send_queue = self.connection.unacknowledged() + self.corked.len();
    }
}

/// A connection without a socket.
fn bare(tuple: &Tuple, domain: Option<i32>, state: TcpState) -> SocketRow {
    let (local, remote) = tuple.ends();
    SocketRow {
        socket: None,
        domain: domain.unwrap_or_else(|| if local.is_ipv4() { AF_INET } else { AF_INET6 }),
        kind: SOCK_STREAM,
        protocol: IPPROTO_TCP,
        state: Some(state),
        local: Some(local),
        remote: Some(remote),
        receive_queue: 0,
        send_queue: 0,
        device: None,
        v6only: false,
        inode: 0,
        uid: 0,
        timer: None,
    }
}

impl Tcp {
    /// Closed by their programs, not accepted yet, half open, in TIME_WAIT; ordered by their ends.
    pub(in crate::stack) fn rows_without_socket(&self, sockets: &Table, now: Instant) -> Vec<SocketRow> {
        const TIME_WAIT: u8 = 3;
        let domain = |listener: SocketId| sockets.get(listener).ok().map(|entry| entry.domain);
        let flows = self.flows.iter().filter(|flow| flow.owner.is_none() && !flow.dead).map(|flow| {
            let mut row = bare(&flow.tuple, flow.listener.and_then(domain), flow.shown_state());
            flow.fill(&mut row, now);
            row
        });
        let half_open = self
            .half_open
            .iter()
            .filter(|(_, half)| half.flow.is_none())
            .map(|(tuple, half)| bare(tuple, domain(half.listener), TcpState::SynReceived));
        let time_waits = self.time_waits.entries().map(|(tuple, entry)| {
            let timer = SocketTimer { kind: TIME_WAIT, left: entry.until.since(now), tries: 0 };
            SocketRow { timer: Some(timer), ..bare(tuple, None, TcpState::TimeWait) }
        });
        let mut rows: Vec<_> = flows.chain(half_open).chain(time_waits).collect();
        rows.sort_by_key(|row| (row.local, row.remote));
        rows
    }
}

impl Stack {
    /// Fills what only TCP knows of a socket.
    pub(in crate::stack) fn tcp_row(&self, id: SocketId, row: &mut SocketRow) {
        row.state = Some(TcpState::Closed);
        let Ok(Part::Tcp(part)) = self.sockets.get(id).map(|entry| &entry.protocol_part) else { return };
        match part {
            TcpSocket::Fresh => {}
            TcpSocket::Listening => {
                let Some(listener) = self.tcp.listeners.get(id) else { return };
                row.state = Some(TcpState::Listen);
                (row.receive_queue, row.send_queue) = (listener.queue.len(), listener.backlog);
            }
            TcpSocket::Flow { id, .. } => {
                if let Some(flow) = self.tcp.flows.get(*id) {
                    flow.fill(row, self.net.now);
                }
            }
        }
    }
}
