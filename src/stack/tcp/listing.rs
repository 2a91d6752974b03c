//! Connections as rows for `ss`: those of a socket, and those that have none.

use super::flow::Flow;
use super::segment::Tuple;
use super::{Stack, Tcp, TcpSocket};
use crate::base::constants::{AF_INET, AF_INET6, IPPROTO_TCP, SOCK_STREAM};
use crate::base::verb::SocketRow;
use crate::base::{SocketId, TcpState};
use crate::stack::table::{Part, Table};

impl Flow {
    fn shown_state(&self) -> TcpState {
        if self.dead { TcpState::Closed } else { self.state() }
    }

    fn fill(&self, row: &mut SocketRow) {
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
    }
}

impl Tcp {
    /// Closed by their programs, not accepted yet, half open, in TIME_WAIT; ordered by their ends.
    pub(in crate::stack) fn rows_without_socket(&self, sockets: &Table) -> Vec<SocketRow> {
        let domain = |listener: SocketId| sockets.get(listener).ok().map(|entry| entry.domain);
        let flows = self.flows.iter().filter(|flow| flow.owner.is_none() && !flow.dead).map(|flow| {
            let mut row = bare(&flow.tuple, flow.listener.and_then(domain), flow.state());
            flow.fill(&mut row);
            row
        });
        let half_open = self
            .half_open
            .iter()
            .map(|(tuple, half)| bare(tuple, domain(half.listener), TcpState::SynReceived));
        let time_waits = self.time_waits.tuples().map(|tuple| bare(tuple, None, TcpState::TimeWait));
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
                    flow.fill(row);
                }
            }
        }
    }
}
