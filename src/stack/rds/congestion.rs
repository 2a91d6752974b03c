//! Congestion (net/rds/cong.c): a socket whose queue is too full is a bit in its host's map. The map is sent to every peer whenever
//! it changes; who would send to a congested port waits, or is refused.

use std::net::{IpAddr, SocketAddr};

use super::connection::Pair;
use super::info::Counter;
use crate::base::{Errno, Reason, Result, SocketId};
use crate::stack::Stack;
use crate::wire::rds::{self, Header, MAP};

/// RDS_CONG_MONITOR_MASK: ports that are the same modulo 64 share a bit.
fn monitor_bit(port: u16) -> u64 {
    1 << (port % 64)
}

impl Stack {
    /// rds_recv_rcvbuf_delta, behind a change of the queue: full above SO_RCVBUF, no more so below half of it.
    pub(super) fn rds_queue_changed(&mut self, id: SocketId) -> Result<()> {
        let entry = self.sockets.get_mut(id)?;
        let (space, local) = (entry.rds_receive_space(), entry.local);
        let rds = entry.rds_mut()?;
        let congested = rds.received > space || rds.congested && rds.received >= space / 2;
        if congested != std::mem::replace(&mut rds.congested, congested)
            && let Some(local) = local
        {
            self.rds_map_changed(local.ip());
        }
        Ok(())
    }

    /// rds_cong_queue_updates: the peers of this address get its map; senders of this host look for themselves.
    pub(super) fn rds_map_changed(&mut self, local: IpAddr) {
        let peers = self.rds.connections.iter_mut();
        let peers = peers.filter(|(pair, connection)| pair.local == local && !connection.loopback);
        let mut due = Vec::new();
        for (pair, connection) in peers {
            if !std::mem::replace(&mut connection.map_due, true) {
                self.rds.counters.add(Counter::CongUpdateQueued, 1);
            }
            due.push(*pair);
        }
        due.into_iter().for_each(|pair| self.rds_transmit(pair));
        self.rds_map_updated();
    }

    /// The map of an address of ours, as a message: rds_cong_update_alloc.
    pub(super) fn rds_map_message(&self, local: IpAddr) -> Vec<u8> {
        let header = Header { len: MAP as u32, flags: rds::CONGESTION_MAP, ..Header::default() };
        let mut message = header.to_bytes().to_vec();
        message.resize(rds::HEADER + MAP, 0);
        for (address, id) in self.rds.bound.iter().filter(|(address, _)| address.ip() == local) {
            if self.sockets.get(*id).is_ok_and(|entry| entry.rds().is_ok_and(|rds| rds.congested)) {
                rds::set_congested(&mut message[rds::HEADER..], address.port());
            }
        }
        message
    }

    /// rds_tcp_cong_recv: the peer's map has come. "catch completely corrupt packets".
    pub(super) fn rds_map_arrived(&mut self, pair: Pair, map: Vec<u8>) {
        let Some(connection) = self.rds.connections.get_mut(&pair) else { return };
        if map.len() != MAP {
            return self.net.note(Reason::RdsMalformed, None, connection.stream);
        }
        // Most maps are empty: nobody is congested.
        connection.peer_map = map.iter().any(|byte| *byte != 0).then(|| map.into());
        self.rds.counters.add(Counter::CongUpdateReceived, 1);
        self.rds_map_updated();
    }

    /// rds_cong_map_updated: who was refused, or waits, looks again.
    fn rds_map_updated(&mut self) {
        for id in &self.rds.sockets {
            let Ok(rds) = self.sockets.get_mut(*id).and_then(|entry| entry.rds_mut()) else { continue };
            if rds.monitor {
                rds.notify |= std::mem::take(&mut rds.mask);
            } else if rds.seen_congestion {
                (rds.seen_congestion, rds.map_updated) = (false, true);
            }
            self.ready.wake(*id);
        }
    }

    /// True if the port of this peer takes nothing now.
    fn rds_is_congested(&self, pair: Pair, port: u16) -> bool {
        let Some(connection) = self.rds.connections.get(&pair) else { return false };
        if !connection.loopback {
            return connection.peer_map.as_ref().is_some_and(|map| rds::is_congested(map, port));
        }
        let receiver = self.rds.bound.get(&SocketAddr::new(pair.peer, port));
        let receiver = receiver.and_then(|id| self.sockets.get(*id).ok());
        receiver.is_some_and(|entry| entry.rds().is_ok_and(|rds| rds.congested))
    }

    /// rds_cong_wait: ENOBUFS for who does not wait, EAGAIN for who does.
    pub(super) fn rds_check_congestion(
        &mut self,
        id: SocketId,
        pair: Pair,
        port: u16,
        now: bool,
    ) -> Result<()> {
        if !self.rds_is_congested(pair, port) {
            return Ok(());
        }
        let rds = self.sockets.get_mut(id)?.rds_mut()?;
        rds.seen_congestion = true;
        if !now {
            self.rds.counters.add(Counter::CongSendBlocked, 1);
            return Err(Errno::EAGAIN.because(Reason::RdsCongested));
        }
        if rds.monitor {
            rds.mask |= monitor_bit(port);
        }
        self.rds.counters.add(Counter::CongSendError, 1);
        Err(Errno::ENOBUFS.because(Reason::RdsCongested))
    }
}
