//! recvmsg(2) of RDS, and what comes for it: net/rds/recv.c.

use std::io::IoSliceMut;
use std::net::SocketAddr;

use super::connection::Pair;
use super::info::Counter;
use crate::base::constants::{MSG_ERRQUEUE, MSG_OOB, MSG_PEEK, MSG_TRUNC};
use crate::base::{ControlMessage, Errno, Instant, Reason, Result, SocketId};
use crate::stack::datagram::scatter;
use crate::stack::{Received, Stack};
use crate::wire::rds::{self, Header, PROBE_PORT, RETRANSMITTED};

/// What a message in a queue costs beside its bytes.
pub(super) const OVERHEAD: usize = 256;
/// A queue that is so many times as full as SO_RCVBUF allows belongs to a peer that does not listen to congestion maps: no more is read
/// from him.
const FAR_TOO_FULL: usize = 4;

/// A message in a socket's queue: struct rds_incoming.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) data: Vec<u8>,
    pub(super) from: SocketAddr,
    pub(super) sequence: u64,
    pub(super) time: Instant,
}

impl Stack {
    /// rds_recv_incoming: a whole message has come on this connection. The socket whose queue it made far too full.
    pub(super) fn rds_incoming(&mut self, pair: Pair, header: &Header, data: Vec<u8>) -> Option<SocketId> {
        let connection = self.rds.connections.get_mut(&pair)?;
        let stream = connection.stream;
        // "Sequence numbers should only increase." They drop back where messages are sent again on a new connection.
        if header.sequence < connection.next_rx && header.flags & RETRANSMITTED != 0 {
            self.rds.counters.add(Counter::RecvDropOldSeq, 1);
            self.net.note(Reason::RdsOldSequence, None, stream);
            return None;
        }
        connection.next_rx = header.sequence.wrapping_add(1);
        if header.destination == 0 {
            // "ignore ping with 0 sport"
            if header.source != 0 {
                self.rds.counters.add(Counter::RecvPing, 1);
                self.rds_pong(pair, header.source);
                self.rds_probed(pair, header);
            }
            return None;
        }
        if header.destination == PROBE_PORT && header.source == 0 {
            self.rds_probed(pair, header);
            return None;
        }
        let from = SocketAddr::new(pair.peer, header.source);
        let message = Message { data, from, sequence: header.sequence, time: self.net.now };
        let to = SocketAddr::new(pair.local, header.destination);
        self.rds_deliver(to, message);
        self.rds.bound.get(&to).copied().filter(|id| self.rds_is_far_too_full(*id))
    }

    /// rds_recv_hs_exthdrs, rds_conn_peer_gen_update: a peer that was born again knows nothing of what was; what was meant for its
    /// former life is not sent again.
    fn rds_probed(&mut self, pair: Pair, header: &Header) {
        let Some(generation) = header.generation().filter(|generation| header.is_probe() && *generation != 0)
        else {
            return;
        };
        let Some(connection) = self.rds.connections.get_mut(&pair) else { return };
        let before = std::mem::replace(&mut connection.peer_generation, generation);
        if before == 0 || before == generation {
            return;
        }
        (connection.next_tx, connection.next_rx) = (1, 0);
        let gone = std::mem::take(&mut connection.unacknowledged);
        gone.into_iter().for_each(|message| self.rds_sent(message.sender, message.data.len()));
    }

    /// Into the queue of the socket that is bound there.
    pub(super) fn rds_deliver(&mut self, to: SocketAddr, message: Message) {
        let Some(id) = self.rds.bound.get(&to).copied() else {
            self.rds.counters.add(Counter::RecvDropNoSock, 1);
            return self.net.note(Reason::RdsNoSocket, None, None);
        };
        let Ok(rds) = self.sockets.get_mut(id).and_then(|entry| entry.rds_mut()) else { return };
        self.rds.counters.add(Counter::RecvQueued, 1);
        self.rds.counters.add(Counter::RecvBytesAdded, message.data.len() as u64);
        rds.received += message.data.len();
        rds.queue.push_back(message);
        self.ready.wake(id);
        // The socket is there: it was asked just now.
        let _ = self.rds_queue_changed(id);
    }

    pub(super) fn rds_is_far_too_full(&self, id: SocketId) -> bool {
        let entry = self.sockets.get(id);
        entry.is_ok_and(|entry| {
            let most = (entry.rds_receive_space() * FAR_TOO_FULL).max(rds::MAX_MESSAGE);
            entry.rds().is_ok_and(|rds| rds.charged() > most)
        })
    }

    /// rds_recvmsg.
    pub(super) fn rds_recv(
        &mut self,
        id: SocketId,
        data: &mut [IoSliceMut<'_>],
        flags: i32,
    ) -> Result<Received> {
        if flags & MSG_OOB != 0 {
            return Ok(Received::default());
        }
        if flags & MSG_ERRQUEUE != 0 {
            return Err(Errno::EAGAIN.because(Reason::NoData));
        }
        let epoch = self.net.config.epoch;
        let entry = self.sockets.get_mut(id)?;
        let rds = entry.rds_mut()?;
        rds.map_updated = false;
        // "If there are pending notifications, do those - and nothing else": rds_notify_cong.
        if rds.notify != 0 {
            let control = vec![ControlMessage::RdsCongestion(std::mem::take(&mut rds.notify))];
            return Ok(Received { control, ..Received::default() });
        }
        let entry = self.sockets.get(id)?;
        let message = entry.rds()?.queue.front().ok_or(Errno::EAGAIN.because(Reason::NoData))?;
        let (copied, whole) = (scatter(data, &message.data), message.data.len());
        let received = Received {
            len: if flags & MSG_TRUNC != 0 { whole } else { copied },
            from: Some(message.from.into()),
            flags: if copied < whole { MSG_TRUNC } else { 0 },
            control: entry.options.timestamp_messages(epoch, message.time, false).collect(),
        };
        self.rds.counters.add(Counter::CopyToUser, copied as u64);
        self.rds.counters.add(Counter::RecvDelivered, 1);
        if flags & MSG_PEEK == 0 {
            let rds = self.sockets.get_mut(id)?.rds_mut()?;
            if let Some(gone) = rds.queue.pop_front() {
                rds.received -= gone.data.len();
                self.rds.counters.add(Counter::RecvBytesFreed, gone.data.len() as u64);
            }
            self.rds_queue_changed(id)?;
            self.rds_release(id);
        }
        Ok(received)
    }

    /// rds_clear_recv_queue: a socket that is closed reads nothing more.
    pub(super) fn rds_clear(&mut self, id: SocketId) {
        let Ok(rds) = self.sockets.get_mut(id).and_then(|entry| entry.rds_mut()) else { return };
        rds.received = 0;
        rds.queue.clear();
        let _ = self.rds_queue_changed(id);
        self.rds_release(id);
    }

    /// Connections that waited for this socket's queue are read again.
    fn rds_release(&mut self, id: SocketId) {
        if self.rds_is_far_too_full(id) {
            return;
        }
        let held = self.rds.connections.values_mut().filter(|connection| connection.held == Some(id));
        for connection in held {
            connection.held = None;
            connection.stream.into_iter().for_each(|stream| self.ready.wake(stream));
        }
        self.rds_work();
    }
}
