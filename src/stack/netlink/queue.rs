//! What waits for a program: answers, listings piece by piece, acknowledgements; and how it is taken out.

use std::io::IoSliceMut;

use super::Queued;
use super::dump::{Dump, Listing};
use crate::base::constants::{MSG_OOB, MSG_PEEK, MSG_TRUNC};
use crate::base::netlink::{
    Draft, Message, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_MULTI, NLMSG_DONE, NLMSG_ERROR,
};
use crate::base::{Errno, Error, NetlinkAddr, Reason, Result, SocketId};
use crate::stack::datagram::{charge, scatter};
use crate::stack::{Received, Stack};

/// Bytes of one datagram of a listing: Linux's NLMSG_GOODSIZE with pages of 4 KB, for which every reader has room.
pub(super) const DATAGRAM: usize = 3776;

impl Stack {
    pub(super) fn netlink_start(&mut self, id: SocketId, dump: Dump) -> Result<()> {
        let netlink = self.sockets.get_mut(id)?.netlink_mut()?;
        if netlink.dump.is_some() {
            return Err(Errno::EBUSY.with("another listing of this socket is under way"));
        }
        netlink.dump = Some(dump);
        self.netlink_go_on(id)
    }

    /// netlink_dump: the next datagram of a listing; the last one has NLMSG_DONE.
    pub(super) fn netlink_go_on(&mut self, id: SocketId) -> Result<()> {
        let netlink = self.sockets.get_mut(id)?.netlink_mut()?;
        let (Some(mut dump), port) = (netlink.dump.take(), netlink.port) else { return Ok(()) };
        let mut datagram = Vec::new();
        let (mut ended, mut past, mut end) = (true, dump.done, 0);
        let messages: Box<dyn Iterator<Item = (usize, Draft)> + '_> = match &dump.listing {
            Listing::Sockets(question) => {
                end = question.end();
                let candidates = self.diag_candidates(question).into_iter().enumerate().skip(dump.done);
                Box::new(candidates.filter_map(|(n, it)| Some((n, self.diag_message(question, &it)?))))
            }
            _ => Box::new(self.net.dump(&dump).enumerate().skip(dump.done)),
        };
        for (n, message) in messages {
            if !datagram.is_empty() && datagram.len() + message.len() > DATAGRAM {
                ended = false;
                break;
            }
            datagram.extend(message.finish(NLM_F_MULTI, dump.sequence, port));
            past = n + 1;
        }
        dump.done = past;
        let done = Draft::new(NLMSG_DONE, &end.to_ne_bytes());
        if ended && (datagram.is_empty() || datagram.len() + done.len() <= DATAGRAM) {
            datagram.extend(done.finish(NLM_F_MULTI, dump.sequence, port));
        } else {
            self.sockets.get_mut(id)?.netlink_mut()?.dump = Some(dump);
        }
        self.netlink_push(id, datagram)
    }

    /// netlink_ack: NLMSG_ERROR, with 0 for "done".
    pub(super) fn netlink_acknowledge(
        &mut self,
        id: SocketId,
        request: &Message<'_>,
        error: Option<Error>,
    ) -> Result<()> {
        const NLMSGERR_ATTR_MSG: u16 = 1;
        let entry = self.sockets.get(id)?;
        let (netlink, options) = (entry.netlink()?, &entry.options);
        let code = error.as_ref().map_or(0, |error| -error.errno().0);
        let capped = error.is_none() || options.netlink_cap_ack;
        let quoted =
            request.whole.get(..if capped { 16 } else { request.whole.len() }).unwrap_or(request.whole);
        let mut message = Draft::new(NLMSG_ERROR, &[&code.to_ne_bytes(), quoted].concat());
        let mut flags = if capped { NLM_F_CAPPED } else { 0 };
        if let Some(error) = error.filter(|_| options.netlink_extended_ack) {
            message = message.string(NLMSGERR_ATTR_MSG, error.why());
            flags |= NLM_F_ACK_TLVS;
        }
        let bytes = message.finish(flags, request.sequence, netlink.port);
        self.netlink_push(id, bytes)
    }

    /// One datagram into the queue; where it is full, ENOBUFS is told by the next recv (netlink_overrun).
    pub(super) fn netlink_push(&mut self, id: SocketId, bytes: Vec<u8>) -> Result<()> {
        self.netlink_queue(id, Queued { bytes, groups: 0 })
    }

    pub(super) fn netlink_queue(&mut self, id: SocketId, datagram: Queued) -> Result<()> {
        let entry = self.sockets.get_mut(id)?;
        let limit = entry.options.recv_buffer;
        let netlink = entry.netlink_mut()?;
        if netlink.charged > limit {
            entry.error = Some(Errno::ENOBUFS.because(Reason::ReceiveQueueFull));
        } else {
            netlink.charged += charge(datagram.bytes.len());
            netlink.queue.push_back(datagram);
        }
        self.ready.wake(id);
        Ok(())
    }

    /// recvmsg(2).
    pub(super) fn netlink_recv(
        &mut self,
        id: SocketId,
        data: &mut [IoSliceMut<'_>],
        flags: i32,
    ) -> Result<Received> {
        if flags & MSG_OOB != 0 {
            return Err(Errno::EOPNOTSUPP.because(Reason::WrongKind));
        }
        let entry = self.sockets.get_mut(id)?;
        entry.take_error()?;
        let netlink = entry.netlink_mut()?;
        let front = netlink.queue.front().ok_or(Errno::EAGAIN.because(Reason::NoData))?;
        let (whole, copied) = (front.bytes.len(), scatter(data, &front.bytes));
        let groups = front.groups;
        if flags & MSG_PEEK == 0 {
            netlink.pop();
            if netlink.dump.is_some() {
                self.netlink_go_on(id)?;
            }
        }
        Ok(Received {
            len: if flags & MSG_TRUNC != 0 { whole } else { copied },
            from: Some(NetlinkAddr { pid: 0, groups }.into()),
            flags: if copied < whole { MSG_TRUNC } else { 0 },
            control: Vec::new(),
        })
    }
}
