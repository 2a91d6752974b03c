//! Bytes of SOCK_STREAM.

use std::io::{IoSlice, IoSliceMut};

use super::message::{Beside, LONGEST_PIECE, Message, cost_of_piece, gather};
use super::{Entry, Stack, State, UnixSocket};
use crate::base::constants::{MSG_OOB, MSG_PEEK};
use crate::base::{Errno, Reason, Result, SocketId};
use crate::stack::datagram::scatter;
use crate::stack::{Received, SendTo};

impl Stack {
    /// unix_stream_sendmsg: in pieces, as long as there is room.
    pub(super) fn unix_stream_send(
        &mut self,
        id: SocketId,
        data: &[IoSlice<'_>],
        how: &SendTo<'_>,
    ) -> Result<usize> {
        let mut beside = self.unix_control(how.control)?;
        let total: usize = data.iter().map(|slice| slice.len()).sum();
        let urgent = how.flags & MSG_OOB != 0;
        if urgent && total == 0 {
            return Err(Errno::EOPNOTSUPP.because(Reason::WrongKind));
        }
        let entry = self.sockets.get(id)?;
        let unix = entry.unix()?;
        if how.to.is_some() {
            return Err(match unix.state {
                State::Connected => Errno::EISCONN.because(Reason::AlreadyConnected),
                _ => Errno::EOPNOTSUPP.because(Reason::WrongKind),
            });
        }
        let peer = unix.peer.ok_or(Errno::ENOTCONN.because(Reason::NotConnected))?;
        if entry.write_shut {
            return Err(self.unix_broken(id));
        }
        // "Keep two messages in the pipe so it schedules better"
        let longest = (entry.options.send_buffer / 2).saturating_sub(64).clamp(1, LONGEST_PIECE);
        let mut sent = 0;
        while sent < total {
            // The last byte is the urgent one, and goes alone.
            let ordinary = total - sent - usize::from(urgent);
            let piece = gather(data, sent, ordinary.clamp(1, longest));
            let len = piece.len();
            match self.unix_send_piece(id, peer, piece, std::mem::take(&mut beside), urgent && ordinary == 0)
            {
                Err(error) if sent == 0 => return Err(error),
                Err(_) => break,
                Ok(()) => sent += len,
            }
        }
        Ok(sent)
    }

    fn unix_send_piece(
        &mut self,
        id: SocketId,
        peer: SocketId,
        piece: Vec<u8>,
        beside: Beside,
        urgent: bool,
    ) -> Result<()> {
        self.unix_check_room(id)?;
        if self.sockets.get(peer).map_or(true, |peer| peer.read_shut) {
            return Err(self.unix_broken(id));
        }
        let cost = cost_of_piece(piece.len());
        let number = self.unix_push(id, peer, piece, cost, beside)?;
        if urgent {
            // queue_oob: the one before it becomes a byte like others.
            self.sockets.get_mut(peer)?.unix_mut()?.urgent = Some(number);
        }
        Ok(())
    }

    /// unix_stream_read_generic, once: what is there, up to where the writer changes, sockets come along, or an urgent byte stands.
    pub(super) fn unix_stream_recv(
        &mut self,
        id: SocketId,
        buffers: &mut [IoSliceMut<'_>],
        flags: i32,
    ) -> Result<Received> {
        let entry = self.sockets.get_mut(id)?;
        if entry.unix()?.state != State::Connected {
            return Err(Errno::EINVAL.because(Reason::NotConnected));
        }
        if flags & MSG_OOB != 0 {
            return self.unix_recv_urgent(id, buffers, flags);
        }
        let peek = flags & MSG_PEEK != 0;
        let (inline, passes) = (entry.options.oob_inline, entry.options.pass_credentials);
        let room: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        let (mut data, mut rights) = (Vec::new(), Vec::new());
        let mut writer = None;
        let mut from = None;
        let mut at = 0;
        // SO_PEEK_OFF
        let mut skip = if peek { usize::try_from(entry.options.peek_offset).unwrap_or(0) } else { 0 };
        loop {
            at = match self.unix_next(id, at, peek, !data.is_empty(), inline)? {
                Some(next) => next,
                None if data.is_empty() && writer.is_none() => return self.unix_nothing(id),
                None => break,
            };
            let Some(message) = self.sockets.get(id)?.unix()?.queue.get(at) else { break };
            if skip > 0 && skip >= message.left() {
                skip -= message.left();
                at += 1;
                continue;
            }
            // "Never glue messages from different writers"
            if passes && writer.is_some_and(|writer| writer != message.credentials()) {
                break;
            }
            writer = writer.or_else(|| Some(message.credentials()));
            from = from.or_else(|| self.unix_sender(message));
            let rest = message.rest().get(std::mem::take(&mut skip)..).unwrap_or_default();
            let taken = rest.len().min(room - data.len());
            data.extend_from_slice(&rest[..taken]);
            if peek {
                rights.clone_from(&message.beside.rights);
                at += 1;
            } else {
                rights = self.unix_consume(id, taken)?;
            }
            let unread = !peek && self.sockets.get(id)?.unix()?.queue.front().is_some_and(Message::is_begun);
            if !rights.is_empty() || data.len() >= room || unread {
                break;
            }
        }
        if peek {
            self.unix_copy_rights(&rights);
        }
        let len = scatter(buffers, &data);
        self.sockets.get_mut(id)?.options.peeked(len, peek);
        let control = match writer {
            Some(writer) => self.unix_told(id, writer, rights)?,
            None => Vec::new(),
        };
        Ok(Received { len, from: from.map(Into::into), flags: 0, control })
    }

    /// What a read of an empty queue says. "POSIX 1003.1g mandates this order": an error, the end, EAGAIN.
    fn unix_nothing(&mut self, id: SocketId) -> Result<Received> {
        let entry = self.sockets.get_mut(id)?;
        entry.take_error()?;
        if entry.read_shut { Ok(Received::default()) } else { Err(Errno::EAGAIN.because(Reason::NoData)) }
    }

    /// Bytes of the first message are read; what it carried is the reader's.
    fn unix_consume(&mut self, id: SocketId, len: usize) -> Result<Vec<SocketId>> {
        let unix = self.sockets.get_mut(id)?.unix_mut()?;
        let Some(message) = unix.queue.front_mut() else { return Ok(Vec::new()) };
        message.consumed += len;
        let rights = std::mem::take(&mut message.beside.rights);
        if message.left() == 0 {
            self.unix_pop(id, 0);
        }
        self.unix_take_rights(&rights);
        Ok(rights)
    }

    fn unix_pop(&mut self, id: SocketId, at: usize) {
        let queue = self.sockets.get_mut(id).and_then(Entry::unix_mut).map(|unix| unix.queue.remove(at));
        if let Ok(Some(message)) = queue {
            self.unix_discard(message);
        }
    }

    /// manage_oob: which message is read next, from this one on; `None` = none, or the urgent byte stands before it.
    fn unix_next(
        &mut self,
        id: SocketId,
        mut at: usize,
        peek: bool,
        copied: bool,
        inline: bool,
    ) -> Result<Option<usize>> {
        let is_urgent = |unix: &UnixSocket, at: usize| {
            unix.urgent.is_some() && unix.queue.get(at).map(|message| message.number) == unix.urgent
        };
        let unix = self.sockets.get_mut(id)?.unix_mut()?;
        let Some(message) = unix.queue.get(at) else { return Ok(None) };
        // Read by MSG_OOB already: it keeps its place, where a read stops.
        if message.left() == 0 && message.consumed > 0 {
            if copied && unix.urgent.is_none() {
                return Ok(None);
            }
            if peek {
                at += 1;
            } else {
                self.unix_pop(id, at);
            }
        }
        let unix = self.sockets.get_mut(id)?.unix_mut()?;
        if is_urgent(unix, at) {
            if copied {
                return Ok(None);
            }
            if peek {
                at += usize::from(!inline);
            } else {
                unix.urgent = None;
                if !inline {
                    self.unix_pop(id, at);
                }
            }
        }
        let unix = self.sockets.get(id)?.unix()?;
        Ok((at < unix.queue.len()).then_some(at))
    }

    /// unix_stream_recv_urg: the urgent byte. EINVAL where there is none, or it comes with the others (SO_OOBINLINE).
    fn unix_recv_urgent(
        &mut self,
        id: SocketId,
        buffers: &mut [IoSliceMut<'_>],
        flags: i32,
    ) -> Result<Received> {
        let entry = self.sockets.get_mut(id)?;
        let inline = entry.options.oob_inline;
        let unix = entry.unix_mut()?;
        let none = || Errno::EINVAL.because(Reason::NoData);
        let number = unix.urgent.filter(|_| !inline).ok_or_else(none)?;
        let message = unix.queue.iter_mut().find(|message| message.number == number).ok_or_else(none)?;
        scatter(buffers, message.rest());
        if flags & MSG_PEEK == 0 {
            message.consumed = 1;
            unix.urgent = None;
        }
        Ok(Received { len: 1, from: None, flags: MSG_OOB, control: Vec::new() })
    }
}
