//! Urgent data (RFC 9293 3.8.5, RFC 6093), of which the engine knows nothing: the pointer is written into segments that it has
//! made, and read before it gets them. The urgent byte itself is one of the stream's.

use std::io::IoSliceMut;

use super::engine::Tuning;
use super::flow::Flow;
use super::segment::{Segment, URG, before};
use super::{Stack, Tcp, TcpSocket};
use crate::base::constants::{MSG_OOB, MSG_PEEK, MSG_TRUNC, SOCK_STREAM};
use crate::base::{Errno, Reason, Result, SocketId};
use crate::stack::Received;
use crate::stack::options::Options;

/// What is urgent in a connection's two directions.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Urgent {
    /// The sequence number behind the last urgent byte that was written here (Linux's snd_up).
    sent: Option<u32>,
    mark: Option<Mark>,
    /// What is read goes on to a descriptor that has urgent data, and a place to peek at, by itself.
    relayed: bool,
}

/// The peer's last urgent byte.
#[derive(Clone, Copy, Debug)]
struct Mark {
    seq: u32,
    byte: Byte,
}

#[derive(Clone, Copy, Debug)]
enum Byte {
    /// Its segment has not come yet.
    Awaited,
    Here(u8),
    /// The program has it.
    Read,
}

impl Flow {
    /// The sequence number of the next byte that the program reads.
    fn copied(&self) -> u32 {
        self.seen.irs.wrapping_add(1).wrapping_add(self.consumed as u32)
    }

    /// tcp_mark_urg: all that was written is urgent, its last byte is the one that counts.
    pub(super) fn mark_urgent(&mut self) {
        let written = self.seen.snd_una.wrapping_add(self.connection.unacknowledged() as u32);
        self.urgent.sent = Some(written);
        self.connection.tune(Tuning { nagle: false, ..self.settings.tuning });
    }

    /// The urgent pointer of a segment that goes out (`__tcp_transmit_skb`): from its own number to behind the urgent byte. It
    /// is told until that is acknowledged.
    pub(super) fn urgent_pointer(&mut self, seq: u32) -> Option<u16> {
        let end = self.urgent.sent?;
        if !before(self.seen.snd_una, end) {
            self.urgent.sent = None;
            return None;
        }
        before(seq, end).then(|| u16::try_from(end.wrapping_sub(seq)).unwrap_or(u16::MAX))
    }

    /// A segment in the window comes in; the engine has not had it (tcp_urg). True if an urgent byte is here now.
    pub(super) fn hear_urgent(&mut self, segment: &Segment, payload: &[u8]) -> bool {
        if segment.has(URG) {
            self.hear_pointer(segment);
        }
        let Some(Mark { seq, byte: byte @ Byte::Awaited }) = &mut self.urgent.mark else { return false };
        let here = payload.get(seq.wrapping_sub(segment.seq) as usize);
        if let Some(urgent) = here {
            *byte = Byte::Here(*urgent);
        }
        here.is_some()
    }

    /// tcp_check_urg. RFC 6093 3.1: implementations take the pointer for the number behind the urgent byte.
    fn hear_pointer(&mut self, segment: &Segment) {
        let seq = segment.seq.wrapping_add(u32::from(segment.urgent.saturating_sub(1)));
        let known = self.urgent.mark.is_some_and(|mark| !before(mark.seq, seq));
        if before(seq, self.copied()) || before(seq, self.rcv_nxt()) || known {
            return;
        }
        let last_was_read = self.urgent.mark.is_some_and(|mark| matches!(mark.byte, Byte::Read));
        if last_was_read && self.is_at_mark() {
            // "We may be adding urgent data when the last byte read was urgent": that one is not told again.
            self.consumed += self.connection.skip(1) as u64;
        }
        self.urgent.mark = Some(Mark { seq, byte: Byte::Awaited });
    }

    /// Its bytes are read all in line: SO_OOBINLINE, or another descriptor makes the difference.
    pub(super) fn is_inline(&self, options: &Options) -> bool {
        options.oob_inline || self.urgent.relayed
    }

    /// SO_PEEK_OFF: where a peek begins, in bytes.
    pub(super) fn peek_offset(&self, options: &Options) -> usize {
        if self.urgent.relayed { 0 } else { usize::try_from(options.peek_offset).unwrap_or(0) }
    }

    /// SIOCATMARK: the next byte is the urgent one.
    pub(super) fn is_at_mark(&self) -> bool {
        self.urgent.mark.is_some_and(|mark| mark.seq == self.copied())
    }

    /// Bytes up to the mark, if it is still to come: no read goes beyond it.
    pub(super) fn before_mark(&self) -> Option<usize> {
        let mark = self.urgent.mark?;
        before(self.copied(), mark.seq).then(|| mark.seq.wrapping_sub(self.copied()) as usize)
    }

    /// Something was read: a mark that lies behind is none any more.
    pub(super) fn pass_mark(&mut self) {
        let copied = self.copied();
        self.urgent.mark = self.urgent.mark.filter(|mark| !before(mark.seq, copied));
    }

    /// POLLPRI.
    pub(super) fn has_urgent(&self) -> bool {
        matches!(self.urgent.mark, Some(Mark { byte: Byte::Here(_), .. }))
    }

    /// FIONREAD (tcp_inq): what stands before the mark, if the mark has come.
    pub(super) fn readable(&self, inline: bool) -> usize {
        let all = self.connection.readable();
        match self.urgent.mark {
            Some(mark) if !inline && before(mark.seq, self.rcv_nxt()) => {
                all.min(mark.seq.wrapping_sub(self.copied()) as usize)
            }
            _ => all,
        }
    }

    /// recv(2) with MSG_OOB (tcp_recv_urg).
    pub(super) fn recv_urgent(
        &mut self,
        data: &mut [IoSliceMut<'_>],
        flags: i32,
        inline: bool,
        shut: bool,
    ) -> Result<Received> {
        let ends = shut || self.eof || self.dead;
        let mark = self.urgent.mark.as_mut().filter(|mark| !inline && !matches!(mark.byte, Byte::Read));
        let Some(mark) = mark else { return Err(Errno::EINVAL.because(Reason::NoData)) };
        let Byte::Here(byte) = mark.byte else {
            return if ends { Ok(Received::default()) } else { Err(Errno::EAGAIN.because(Reason::NoData)) };
        };
        if flags & MSG_PEEK == 0 {
            mark.byte = Byte::Read;
        }
        let wanted = data.iter_mut().find(|slice| !slice.is_empty());
        let flags = MSG_OOB | if wanted.is_some() { 0 } else { MSG_TRUNC };
        let len = usize::from(wanted.is_some());
        if let Some([first, ..]) = wanted.map(|slice| &mut slice[..]) {
            *first = byte;
        }
        Ok(Received { len, flags, ..Received::default() })
    }
}

impl Stack {
    /// ioctl(2) SIOCATMARK; ENOTTY for sockets that have no urgent data.
    pub(crate) fn at_mark(&self, id: SocketId) -> Result<bool> {
        match super::calls::part(&self.sockets, id) {
            Ok(TcpSocket::Flow { id, .. }) => Ok(self.tcp.is_at_mark(id)),
            Ok(_) => Ok(false),
            Err(_) if self.sockets.get(id)?.kind == SOCK_STREAM => Ok(false),
            Err(_) => Err(Errno::ENOTTY.because(Reason::WrongKind)),
        }
    }

    /// A connection's bytes go on to a descriptor: from now on reads give all of them in order, whatever SO_OOBINLINE and
    /// SO_PEEK_OFF say (the descriptor obeys these); [`Stack::at_mark`] tells which one is urgent.
    #[cfg(feature = "cli")]
    pub(crate) fn relay(&mut self, id: SocketId) {
        if let Ok(Some(flow)) = self.tcp_flow_id(id)
            && let Some(flow) = self.tcp.flows.get_mut(flow)
        {
            flow.urgent.relayed = true;
        }
    }
}

impl Tcp {
    fn is_at_mark(&self, id: super::flows::FlowId) -> bool {
        self.flows.get(id).is_some_and(Flow::is_at_mark)
    }
}
