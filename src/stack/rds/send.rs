//! sendmsg(2) of RDS, and taking messages back: net/rds/send.c.

use std::io::IoSlice;
use std::net::SocketAddr;

use super::connection::{Outgoing, Pair};
use super::info::Counter;
use super::names::unicast;
use super::receive::Message;
use crate::base::constants::MSG_DONTWAIT;
use crate::base::{Errno, Reason, Result, SocketId};
use crate::stack::datagram::gather;
use crate::stack::{SendTo, Stack};
use crate::wire::rds::{Header, MAX_MESSAGE};

impl Stack {
    /// rds_sendmsg: the message is taken; it goes when the connection stands.
    pub(super) fn rds_send(&mut self, id: SocketId, data: &[IoSlice<'_>], how: &SendTo<'_>) -> Result<usize> {
        // "Mirror Linux UDP mirror of BSD error message compatibility"
        if how.flags & !MSG_DONTWAIT != 0 {
            return Err(Errno::EOPNOTSUPP.because(Reason::OptionValue));
        }
        let entry = self.sockets.get(id)?;
        let to = match how.to {
            Some(address) => Some(unicast(address).ok_or(Errno::EINVAL.because(Reason::WrongFamily))?),
            None => entry.remote,
        };
        let (Some(to), Some(local)) = (to, entry.local) else {
            return Err(Errno::ENOTCONN.because(Reason::NoDestination));
        };
        // "Cannot send to an IPv4 address using an IPv6 source address and cannot send to an IPv6 address using an IPv4 source address."
        if to.is_ipv4() != local.is_ipv4() {
            return Err(Errno::EOPNOTSUPP.because(Reason::WrongFamily));
        }
        let len = data.iter().map(|slice| slice.len()).sum();
        if len > MAX_MESSAGE.min(entry.rds_send_space()) {
            return Err(Errno::EMSGSIZE.because(Reason::MessageTooLong));
        }
        let pair = Pair { local: local.ip(), peer: to.ip() };
        self.rds_connection(pair)?;
        self.rds_connect_if_down(pair);
        self.rds_check_congestion(id, pair, to.port(), how.flags & MSG_DONTWAIT != 0)?;
        let entry = self.sockets.get_mut(id)?;
        let space = entry.rds_send_space();
        let rds = entry.rds_mut()?;
        rds.map_updated = false;
        // rds_send_queue_rm: "we check the *old* value of rs_snd_bytes here to allow the last msg to exceed the buffer".
        if rds.sent >= space {
            self.rds.counters.add(Counter::SendQueueFull, 1);
            return Err(Errno::EAGAIN.because(Reason::SendQueueFull));
        }
        rds.sent += len;
        let mut bytes = vec![0; len];
        gather(&mut bytes, data);
        self.rds.counters.add(Counter::CopyFromUser, len as u64);
        self.rds.counters.add(Counter::SendQueued, 1);
        self.rds_queue(pair, local.port(), to.port(), bytes, Some(id));
        Ok(len)
    }

    /// Puts a message into the connection's queue, and sends what can be sent.
    fn rds_queue(
        &mut self,
        pair: Pair,
        source: u16,
        destination: u16,
        data: Vec<u8>,
        sender: Option<SocketId>,
    ) {
        let Some(connection) = self.rds.connections.get_mut(&pair) else { return };
        let (sequence, len) = (connection.number(), data.len() as u32);
        let header = Header { sequence, len, source, destination, ..Header::default() };
        if !connection.loopback {
            connection.waiting.push_back(Outgoing { header, data, sender, end: 0 });
            return self.rds_transmit(pair);
        }
        // rds_loop_xmit: handed over, and acknowledged by that.
        connection.next_rx = sequence.wrapping_add(1);
        let from = SocketAddr::new(pair.local, source);
        if destination == 0 {
            return self.rds_pong(pair, source);
        }
        self.rds_sent(sender, data.len());
        let time = self.net.now;
        self.rds_deliver(SocketAddr::new(pair.peer, destination), Message { data, from, sequence, time });
    }

    /// rds_send_pong: the answer to a message to port 0. Who asks from the probe port hears our generation; that we say nothing of
    /// several paths means that we have one.
    pub(super) fn rds_pong(&mut self, pair: Pair, port: u16) {
        let generation = self.rds_generation();
        let Some(connection) = self.rds.connections.get_mut(&pair) else { return };
        self.rds.counters.add(Counter::SendPong, 1);
        if connection.loopback {
            let sequence = connection.number();
            let from = SocketAddr::new(pair.local, 0);
            let message = Message { data: Vec::new(), from, sequence, time: self.net.now };
            return self.rds_deliver(SocketAddr::new(pair.peer, port), message);
        }
        let header = Header { sequence: connection.number(), destination: port, ..Header::default() };
        let header = if header.is_probe() { header.with_generation(generation) } else { header };
        connection.waiting.push_back(Outgoing { header, data: Vec::new(), sender: None, end: 0 });
        self.rds_transmit(pair);
    }

    /// rds_gen_num: drawn once; never 0.
    fn rds_generation(&self) -> u32 {
        crate::stack::keyed_hash(&self.net.config.secret, "rds generation") as u32 | 1
    }

    /// rds_send_sndbuf_remove: so many bytes of a socket's are under way no more.
    pub(super) fn rds_sent(&mut self, sender: Option<SocketId>, len: usize) {
        let Some(id) = sender else { return };
        let Ok(rds) = self.sockets.get_mut(id).and_then(|entry| entry.rds_mut()) else { return };
        rds.sent = rds.sent.saturating_sub(len);
        if rds.sent == 0 {
            self.rds.counters.add(Counter::SendQueueEmpty, 1);
        }
        self.ready.wake(id);
    }

    /// rds_send_drop_to: the socket's messages to this address, or all, are forgotten. What the stream has begun to take goes on.
    pub(super) fn rds_drop_to(&mut self, id: SocketId, to: Option<SocketAddr>) {
        let mut gone = 0;
        for (pair, connection) in &mut self.rds.connections {
            let mut keeps = |message: &Outgoing| {
                let meant = to.is_none_or(|to| to == SocketAddr::new(pair.peer, message.header.destination));
                let drops = message.sender == Some(id) && meant;
                gone += if drops { message.data.len() } else { 0 };
                !drops
            };
            connection.waiting.retain(&mut keeps);
            connection.unacknowledged.retain(&mut keeps);
        }
        self.rds_sent(Some(id), gone);
    }
}
