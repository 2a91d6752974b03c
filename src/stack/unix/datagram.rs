//! Messages of SOCK_DGRAM and SOCK_SEQPACKET.

use std::io::{IoSlice, IoSliceMut};

use super::message::{Message, cost_of_datagram, gather};
use super::names::valid;
use super::{Entry, Stack, State};
use crate::base::constants::{MSG_DONTWAIT, MSG_OOB, MSG_PEEK, MSG_TRUNC, SOCK_DGRAM, SOCK_SEQPACKET};
use crate::base::{Errno, Reason, Result, SocketId};
use crate::stack::datagram::scatter;
use crate::stack::{Received, SendTo};
use crate::wire::filter::Facts;

impl Stack {
    /// unix_dgram_sendmsg, unix_seqpacket_sendmsg.
    pub(super) fn unix_datagram_send(
        &mut self,
        id: SocketId,
        data: &[IoSlice<'_>],
        how: &SendTo<'_>,
    ) -> Result<usize> {
        let not_connected = || Errno::ENOTCONN.because(Reason::NotConnected);
        let entry = self.sockets.get_mut(id)?;
        let kind = entry.kind;
        let mut to = how.to;
        if kind == SOCK_SEQPACKET {
            entry.take_error()?;
            if entry.unix()?.state != State::Connected {
                return Err(not_connected());
            }
            to = None;
        }
        let beside = self.unix_control(how.control)?;
        if how.flags & MSG_OOB != 0 {
            return Err(Errno::EOPNOTSUPP.because(Reason::WrongKind));
        }
        let to = to.map(valid).transpose()?;
        self.unix_autobind_if_passing(id)?;
        let len: usize = data.iter().map(|slice| slice.len()).sum();
        if len > self.sockets.get(id)?.options.send_buffer.saturating_sub(32) {
            return Err(Errno::EMSGSIZE.because(Reason::MessageTooLong));
        }
        self.unix_check_room(id)?;
        let target = match to {
            Some(name) => self.unix_find(name, kind)?,
            None => self.sockets.get(id)?.unix()?.peer.ok_or_else(not_connected)?,
        };
        if self.sockets.get(target).is_err() {
            return Err(self.unix_lost_peer(id, target)?);
        }
        let mut bytes = gather(data, 0, len);
        let facts = Facts { len, random: self.net.random() as u32, ..Facts::default() };
        let Some(kept) = self.sockets.get(target)?.admits(&bytes, &facts) else {
            // "Toss the packet but do not return any error to the sender"
            self.net.note(Reason::SocketFilter, None, Some(target));
            return Ok(len);
        };
        bytes.truncate(kept);
        self.unix_may_send(id, target)?;
        let entry = self.sockets.get_mut(target)?;
        if entry.read_shut {
            return Err(self.unix_broken(id));
        }
        let unix = entry.unix_mut()?;
        if target != id && unix.peer != Some(id) && unix.is_full() {
            unix.waiting.insert(id);
            return Err(Errno::EAGAIN.because(Reason::ReceiveQueueFull));
        }
        self.unix_push(id, target, bytes, cost_of_datagram(len), beside)?;
        Ok(len)
    }

    /// The peer is closed: that is told once, and the socket is connected no more. Of a connection it is EPIPE.
    fn unix_lost_peer(&mut self, id: SocketId, peer: SocketId) -> Result<crate::base::Error> {
        if self.sockets.get(id)?.kind != SOCK_DGRAM {
            return Ok(Errno::EPIPE.because(Reason::UnixPeerGone));
        }
        self.sockets.get_mut(id)?.unix_mut()?.peer = None;
        self.unix_disconnected(id, peer)?;
        Ok(Errno::ECONNREFUSED.because(Reason::UnixPeerGone))
    }

    /// unix_dgram_recvmsg, unix_seqpacket_recvmsg.
    pub(super) fn unix_datagram_recv(
        &mut self,
        id: SocketId,
        buffers: &mut [IoSliceMut<'_>],
        flags: i32,
    ) -> Result<Received> {
        let epoch = self.net.config.epoch;
        let entry = self.sockets.get_mut(id)?;
        if entry.kind == SOCK_SEQPACKET && entry.unix()?.state != State::Connected {
            return Err(Errno::ENOTCONN.because(Reason::NotConnected));
        }
        if flags & MSG_OOB != 0 {
            return Err(Errno::EOPNOTSUPP.because(Reason::WrongKind));
        }
        entry.take_error()?;
        let entry = self.sockets.get(id)?;
        let (kind, read_shut) = (entry.kind, entry.read_shut);
        // SO_PEEK_OFF
        let peeks = flags & MSG_PEEK != 0;
        let mut offset = if peeks { usize::try_from(entry.options.peek_offset).unwrap_or(0) } else { 0 };
        let mut queue = entry.unix()?.queue.iter();
        let Some(message) = queue.find(|message| {
            let behind = offset > 0 && offset >= message.left();
            offset -= if behind { message.left() } else { 0 };
            !behind
        }) else {
            // "Signal EOF on disconnected non-blocking SEQPACKET socket." A datagram socket tells who would wait.
            return if read_shut && (kind == SOCK_SEQPACKET || flags & MSG_DONTWAIT == 0) {
                Ok(Received::default())
            } else {
                Err(Errno::EAGAIN.because(Reason::NoData))
            };
        };
        let whole = message.left() - offset;
        let len = scatter(buffers, message.rest().get(offset..).unwrap_or_default());
        let mut control: Vec<_> = entry.options.timestamp_messages(epoch, message.time, false).collect();
        let (credentials, from) = (message.credentials(), self.unix_sender(message));
        let rights = message.beside.rights.clone();
        if peeks {
            self.unix_copy_rights(&rights);
        } else {
            self.unix_take_message(id)?;
        }
        self.sockets.get_mut(id)?.options.peeked(if peeks { len } else { whole }, peeks);
        control.extend(self.unix_told(id, credentials, rights)?);
        Ok(Received {
            len: if flags & MSG_TRUNC != 0 { whole } else { len },
            from: from.map(Into::into),
            flags: if len < whole { MSG_TRUNC } else { 0 },
            control,
        })
    }

    fn unix_take_message(&mut self, id: SocketId) -> Result<()> {
        let message: Option<Message> = self.sockets.get_mut(id).and_then(Entry::unix_mut)?.queue.pop_front();
        if let Some(message) = message {
            self.unix_uncharge(&message);
            self.unix_take_rights(&message.beside.rights);
            self.unix_wake_waiting(id);
        }
        Ok(())
    }
}
