//! What a queue holds.

use std::io::IoSlice;

use super::{Entry, Stack};
use crate::base::{ControlMessage, Credentials, Errno, Instant, Reason, Result, SocketId, UnixAddr};

/// A datagram, or a piece of a stream: struct sk_buff with its struct unix_skb_parms.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) number: u64,
    data: Vec<u8>,
    /// Bytes of `data` that are read already.
    pub(super) consumed: usize,
    /// What the sender is charged with.
    pub(super) cost: usize,
    from: SocketId,
    /// The sender's name when it sent this.
    name: Option<UnixAddr>,
    pub(super) beside: Beside,
    pub(super) time: Instant,
}

/// What goes beside the data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Beside {
    /// Sockets (SCM_RIGHTS).
    pub(super) rights: Vec<SocketId>,
    /// `None`: nobody asked for them when it was sent.
    pub(super) credentials: Option<Credentials>,
}

impl Message {
    /// Bytes to read.
    pub(super) fn left(&self) -> usize {
        self.data.len() - self.consumed
    }

    /// A part of it is read.
    pub(super) fn is_begun(&self) -> bool {
        self.consumed > 0 && self.left() > 0
    }

    /// The bytes to read.
    pub(super) fn rest(&self) -> &[u8] {
        self.data.get(self.consumed..).unwrap_or_default()
    }

    /// SCM_CREDENTIALS: overflowuid where it is not known.
    pub(super) fn credentials(&self) -> Credentials {
        self.beside.credentials.unwrap_or(Credentials { pid: 0, uid: 65_534, gid: 65_534 })
    }
}

/// SKB_MAX_HEAD(0), SKB_MAX_ALLOC, a page, UNIX_SKB_FRAGS_SZ, and MAX_SKB_FRAGS in pages.
const MAX_HEAD: usize = 3776;
const MAX_ALLOC: usize = 16_064;
const PAGE: usize = 4096;
const FRAGMENTS: usize = 32_768;
const MAX_PAGES: usize = 17;

/// The longest piece of a stream.
pub(super) const LONGEST_PIECE: usize = MAX_HEAD + FRAGMENTS;

/// skb->truesize of `len` bytes, of which at most `pages` bytes lie in pages: struct sk_buff, the head with struct
/// skb_shared_info as kmalloc(9) rounds it, the pages.
fn truesize(len: usize, pages: usize) -> usize {
    let paged = len.min(pages.next_multiple_of(PAGE));
    let head = (len - paged).next_multiple_of(64) + 320;
    256 + head.next_power_of_two().max(512) + paged.next_multiple_of(PAGE)
}

/// What a piece of a stream costs (unix_stream_sendmsg).
pub(super) fn cost_of_piece(len: usize) -> usize {
    truesize(len, len.saturating_sub(MAX_HEAD))
}

/// What a datagram costs (unix_dgram_sendmsg).
pub(super) fn cost_of_datagram(len: usize) -> usize {
    truesize(len, len.saturating_sub(MAX_ALLOC).min(MAX_PAGES * PAGE))
}

/// At most `most` bytes behind the first `skip`.
pub(super) fn gather(data: &[IoSlice<'_>], mut skip: usize, most: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(most);
    for slice in data {
        let rest = slice.get(skip..).unwrap_or_default();
        skip = skip.saturating_sub(slice.len());
        bytes.extend_from_slice(rest.get(..most - bytes.len()).unwrap_or(rest));
    }
    bytes
}

impl Stack {
    /// sock_alloc_send_pskb: a pending error, EPIPE, or EAGAIN while the send buffer is full.
    pub(super) fn unix_check_room(&mut self, id: SocketId) -> Result<()> {
        let entry = self.sockets.get_mut(id)?;
        entry.take_error()?;
        if entry.write_shut {
            return Err(self.unix_broken(id));
        }
        if entry.unix()?.charged >= entry.options.send_buffer {
            return Err(Errno::EAGAIN.because(Reason::SendQueueFull));
        }
        Ok(())
    }

    /// EPIPE: the peer is gone, or this side has said that it sends no more.
    pub(super) fn unix_broken(&self, id: SocketId) -> crate::base::Error {
        let peer = self.sockets.get(id).and_then(Entry::unix).ok().and_then(|unix| unix.peer);
        let gone = peer.is_some_and(|peer| self.sockets.get(peer).is_err());
        Errno::EPIPE.because(if gone { Reason::UnixPeerGone } else { Reason::TcpWriteShut })
    }

    /// Into the queue of `to`, which is there.
    pub(super) fn unix_push(
        &mut self,
        id: SocketId,
        to: SocketId,
        data: Vec<u8>,
        cost: usize,
        mut beside: Beside,
    ) -> Result<u64> {
        let passes = |entry: &Entry| entry.options.pass_credentials;
        // unix_maybe_add_creds
        if beside.credentials.is_none() && (passes(self.sockets.get(id)?) || passes(self.sockets.get(to)?)) {
            beside.credentials = Some(self.net.config.credentials);
        }
        self.unix_set_out(&beside.rights);
        self.unix.messages += 1;
        let number = self.unix.messages;
        let unix = self.sockets.get_mut(id)?.unix_mut()?;
        unix.charged += cost;
        let name = unix.name;
        let message = Message { number, data, consumed: 0, cost, from: id, name, beside, time: self.net.now };
        self.sockets.get_mut(to)?.unix_mut()?.queue.push_back(message);
        self.ready.wake(to);
        Ok(number)
    }

    /// The sender's name: the one that it has got since, too.
    pub(super) fn unix_sender(&self, message: &Message) -> Option<UnixAddr> {
        message.name.or_else(|| self.sockets.get(message.from).and_then(Entry::unix).ok()?.name)
    }

    /// A message has left its queue: its sender has room again.
    pub(super) fn unix_uncharge(&mut self, message: &Message) {
        if let Ok(unix) = self.sockets.get_mut(message.from).and_then(Entry::unix_mut) {
            unix.charged = unix.charged.saturating_sub(message.cost);
            self.ready.wake(message.from);
        }
    }

    /// A message that nobody reads.
    pub(super) fn unix_discard(&mut self, message: Message) {
        self.unix_uncharge(&message);
        self.unix_drop_rights(&message.beside.rights);
    }

    /// The control messages that recvmsg(2) gives of what was taken, or looked at, out of the queue.
    pub(super) fn unix_told(
        &mut self,
        id: SocketId,
        credentials: Credentials,
        rights: Vec<SocketId>,
    ) -> Result<Vec<ControlMessage>> {
        let mut control = Vec::new();
        if self.sockets.get(id)?.options.pass_credentials {
            control.push(ControlMessage::Credentials(credentials));
        }
        if !rights.is_empty() {
            control.push(ControlMessage::Rights(rights));
        }
        Ok(control)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_those_of_linux() {
        // SIOCOUTQ after one send of so many bytes, Linux 6.18 on x86-64.
        for (len, piece, datagram) in [
            (1, 768, 768),
            (192, 768, 768),
            (193, 1280, 1280),
            (705, 2304, 2304),
            (1729, 4352, 4352),
            (3776, 4352, 4352),
            (3777, 4864, 8448),
            (5000, 6400, 8448),
            (8000, 8960, 16_640),
            (16_065, 17_152, 20_736),
            (36_544, 37_120, 37_120),
        ] {
            assert_eq!((cost_of_piece(len), cost_of_datagram(len)), (piece, datagram), "{len}");
        }
        for (len, datagram) in [(65_535, 69_888), (100_000, 102_656), (130_000, 135_424), (200_000, 200_960)]
        {
            assert_eq!(cost_of_datagram(len), datagram);
        }
    }
}
