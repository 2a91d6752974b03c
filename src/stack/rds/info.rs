//! What RDS tells of itself (`rds-info`): net/rds/info.c, stats.c. Only IPv4, as Linux's options of these names.

use std::net::{IpAddr, SocketAddr};

use super::connection::{Connection, Outgoing, Pair, State};
use crate::base::constants::{
    RDS_INFO_CONNECTIONS, RDS_INFO_COUNTERS, RDS_INFO_RECV_MESSAGES, RDS_INFO_RETRANS_MESSAGES,
    RDS_INFO_SEND_MESSAGES, RDS_INFO_SOCKETS, RDS_INFO_TCP_SOCKETS,
};
use crate::base::{Errno, Reason, Result};
use crate::stack::Stack;
use crate::wire::rds::HEADER;

macro_rules! counters {
    ($($name:ident = $text:literal;)*) => {
        /// rds_stat_names, those that can come to pass here.
        #[derive(Clone, Copy, Debug)]
        pub(super) enum Counter { $($name,)* }
        const NAMES: &[&str] = &[$($text,)*];
    };
}

counters! {
    ConnReset = "conn_reset";
    RecvDropOldSeq = "recv_drop_old_seq";
    RecvDropNoSock = "recv_drop_no_sock";
    RecvDelivered = "recv_delivered";
    RecvQueued = "recv_queued";
    RecvPing = "recv_ping";
    SendQueueEmpty = "send_queue_empty";
    SendQueueFull = "send_queue_full";
    SendQueued = "send_queued";
    SendPong = "send_pong";
    CopyToUser = "copy_to_user";
    CopyFromUser = "copy_from_user";
    CongUpdateQueued = "cong_update_queued";
    CongUpdateReceived = "cong_update_received";
    CongSendError = "cong_send_error";
    CongSendBlocked = "cong_send_blocked";
    RecvBytesAdded = "recv_bytes_added_to_sock";
    RecvBytesFreed = "recv_bytes_freed_fromsock";
}

#[derive(Debug, Default)]
pub(super) struct Counters([u64; NAMES.len()]);

impl Counters {
    pub(super) fn add(&mut self, counter: Counter, count: u64) {
        self.0[counter as usize] += count;
    }
}

/// An IPv4 address in a row of the table.
fn v4(ip: IpAddr) -> Option<[u8; 4]> {
    match ip {
        IpAddr::V4(v4) => Some(v4.octets()),
        IpAddr::V6(_) => None,
    }
}

/// struct rds_info_message.
fn message(sequence: u64, len: usize, local: SocketAddr, peer: SocketAddr) -> Option<Vec<u8>> {
    let mut row = sequence.to_ne_bytes().to_vec();
    row.extend((len as u32).to_ne_bytes());
    row.extend([v4(local.ip())?, v4(peer.ip())?].as_flattened());
    row.extend([local.port().to_be_bytes(), peer.port().to_be_bytes()].as_flattened());
    row.push(0);
    Some(row)
}

impl Stack {
    /// rds_info_getsockopt: rows of one kind, behind each other. ENOSPC if there are more than `len` bytes of them.
    pub(super) fn rds_info(&self, name: i32, len: usize) -> Result<Vec<u8>> {
        let outgoing = |queue: fn(&Connection) -> &std::collections::VecDeque<Outgoing>| {
            let of = |pair: &Pair, outgoing: &Outgoing| {
                let local = SocketAddr::new(pair.local, outgoing.header.source);
                let peer = SocketAddr::new(pair.peer, outgoing.header.destination);
                message(outgoing.header.sequence, outgoing.data.len(), local, peer)
            };
            let all = self.rds.connections.iter();
            all.flat_map(|(pair, c)| queue(c).iter().filter_map(|o| of(pair, o))).flatten().collect()
        };
        let rows: Vec<u8> = match name {
            RDS_INFO_COUNTERS => {
                let row = |(name, count): (&&str, &u64)| {
                    let mut row = name.as_bytes().to_vec();
                    row.resize(32, 0);
                    row.extend(count.to_ne_bytes());
                    row
                };
                NAMES.iter().zip(&self.rds.counters.0).flat_map(row).collect()
            }
            RDS_INFO_CONNECTIONS => {
                self.rds.connections.iter().filter_map(|(p, c)| connection(p, c)).flatten().collect()
            }
            RDS_INFO_SEND_MESSAGES => outgoing(|connection| &connection.waiting),
            RDS_INFO_RETRANS_MESSAGES => outgoing(|connection| &connection.unacknowledged),
            RDS_INFO_RECV_MESSAGES => self.rds_received_rows(),
            RDS_INFO_SOCKETS => self.rds_socket_rows(),
            RDS_INFO_TCP_SOCKETS => {
                self.rds.connections.iter().filter_map(|(p, c)| self.rds_tcp_row(p, c)).flatten().collect()
            }
            _ => return Err(Errno::ENOPROTOOPT.because(Reason::UnknownOption)),
        };
        if rows.len() > len {
            return Err(Errno::ENOSPC.because(Reason::OptionLength));
        }
        Ok(rows)
    }

    /// rds_sock_inc_info.
    fn rds_received_rows(&self) -> Vec<u8> {
        let mut rows = Vec::new();
        for id in &self.rds.sockets {
            let Ok(entry) = self.sockets.get(*id) else { continue };
            let (Some(local), Ok(rds)) = (entry.local, entry.rds()) else { continue };
            let queue = rds.queue.iter();
            rows.extend(
                queue.filter_map(|got| message(got.sequence, got.data.len(), local, got.from)).flatten(),
            );
        }
        rows
    }

    /// rds_sock_info: struct rds_info_socket.
    fn rds_socket_rows(&self) -> Vec<u8> {
        let mut rows = Vec::new();
        for id in &self.rds.sockets {
            let Ok(entry) = self.sockets.get(*id) else { continue };
            let Some(local @ SocketAddr::V4(_)) = entry.local else { continue };
            let peer = entry.remote.unwrap_or_else(|| SocketAddr::new([0; 4].into(), 0));
            rows.extend((entry.rds_send_space() as u32).to_ne_bytes());
            rows.extend([local.ip(), peer.ip()].into_iter().flat_map(|ip| v4(ip).unwrap_or_default()));
            rows.extend([local.port(), peer.port()].into_iter().flat_map(u16::to_be_bytes));
            rows.extend((entry.rds_receive_space() as u32).to_ne_bytes());
            rows.extend(u64::from(entry.shown_inode(*id)).to_ne_bytes());
        }
        rows
    }

    /// rds_tcp_tc_info: struct rds_info_tcp_socket.
    fn rds_tcp_row(&self, pair: &Pair, connection: &Connection) -> Option<Vec<u8>> {
        let entry = self.sockets.get(connection.stream?).ok()?;
        let (local, peer) = (entry.local?, entry.remote?);
        let mut row = Vec::new();
        for (ip, port) in [(pair.local, local.port()), (pair.peer, peer.port())] {
            row.extend(v4(ip)?);
            row.extend(port.to_be_bytes());
        }
        let header = connection.header.first_chunk::<HEADER>().map(crate::wire::rds::Header::from_bytes);
        let left =
            header.map_or(0, |header| u64::from(header.len).saturating_sub(connection.data.len() as u64));
        row.extend(((HEADER - connection.header.len()) as u64).to_ne_bytes());
        row.extend(left.to_ne_bytes());
        // Of TCP's numbers those that begin with the connection's first byte.
        let unsent = self.tcp_unsent(connection.stream?).unwrap_or(0) as u64;
        let expected = connection.unacknowledged.back().map_or(connection.written, |last| last.end);
        for number in [connection.written, expected, connection.written.saturating_sub(unsent)] {
            row.extend((number as u32).to_ne_bytes());
        }
        Some(row)
    }
}

/// rds_conn_info_visitor: struct rds_info_connection.
fn connection(pair: &Pair, connection: &Connection) -> Option<Vec<u8>> {
    let mut row = connection.next_tx.to_ne_bytes().to_vec();
    row.extend(connection.next_rx.to_ne_bytes());
    row.extend([v4(pair.local)?, v4(pair.peer)?].as_flattened());
    let mut name = if connection.loopback { &b"loopback"[..] } else { b"tcp" }.to_vec();
    name.resize(16, 0);
    row.extend(name);
    // RDS_INFO_CONNECTION_FLAG_CONNECTING, _CONNECTED.
    row.push(match (connection.loopback, connection.state) {
        (true, _) | (_, State::Up) => 4,
        (_, State::Connecting) => 2,
        (_, State::Down) => 0,
    });
    Some(row)
}
