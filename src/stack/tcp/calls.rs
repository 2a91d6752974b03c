//! What verbs.rs asks of TCP. It has checked the family, the kind and that the socket exists, has bound what must be bound
//! (listen: an ephemeral port if none), and maps addresses.

use std::io::IoSlice;
use std::net::SocketAddr;

use super::flow::{Flow, Settings};
use super::flows::FlowId;
use super::output::Cause;
use super::{Rest, Stack, Tcp, TcpSocket};
use crate::base::constants::{
    MSG_FASTOPEN, MSG_MORE, MSG_OOB, MSG_ZEROCOPY, SHUT_RD, SHUT_RDWR, SHUT_WR, SOL_TCP, TCP_QUICKACK,
};
use crate::base::{Errno, Reason, Result, SocketId, TcpState};
use crate::stack::SendTo;
use crate::stack::ports::{Binding, Space, Stage};
use crate::stack::table::{Entry, Part, Table};

/// What the socket is; EBADF, or EOPNOTSUPP if it is not TCP's.
pub(super) fn part(sockets: &Table, id: SocketId) -> Result<TcpSocket> {
    match sockets.get(id)?.protocol_part {
        Part::Tcp(part) => Ok(part),
        _ => Err(Errno::EOPNOTSUPP.because(Reason::WrongKind)),
    }
}

pub(super) fn set_part(sockets: &mut Table, id: SocketId, part: TcpSocket) {
    if let Ok(entry) = sockets.get_mut(id) {
        entry.protocol_part = Part::Tcp(part);
    }
}

impl Stack {
    /// The socket's connection.
    pub(super) fn tcp_flow(&self, id: SocketId) -> Option<&Flow> {
        match part(&self.sockets, id) {
            Ok(TcpSocket::Flow { id, .. }) => self.tcp.flows.get(id),
            _ => None,
        }
    }

    pub(super) fn tcp_flow_id(&self, id: SocketId) -> Result<Option<FlowId>> {
        Ok(match part(&self.sockets, id)? {
            TcpSocket::Flow { id, .. } => Some(id),
            TcpSocket::Fresh | TcpSocket::Listening => None,
        })
    }

    pub(in crate::stack) fn tcp_listen(&mut self, id: SocketId, backlog: i32) -> Result<()> {
        // Linux compares as unsigned: a negative backlog is a very large one.
        let backlog = usize::try_from(backlog).unwrap_or(usize::MAX).min(self.net.config.somaxconn);
        let Self { sockets, ports, tcp, .. } = self;
        match part(sockets, id)? {
            TcpSocket::Flow { .. } => return Err(Errno::EINVAL.because(Reason::AlreadyConnected)),
            TcpSocket::Listening => {
                if let Some(listener) = tcp.listeners.get_mut(id) {
                    listener.backlog = backlog;
                }
                return Ok(());
            }
            TcpSocket::Fresh => {}
        }
        let entry = sockets.get_mut(id)?;
        let Some(local) = entry.local else { return Err(Errno::EINVAL.into()) };
        if let Some(claim) = &mut entry.claim {
            // inet_csk_listen_start asks the ports again: two may be bound where only one may listen.
            let binding = Binding { stage: Stage::Listen, ..claim.binding };
            ports.try_change(claim, binding)?;
        }
        if entry.options.fast_open.queue == 0
            && let Some(queue) = super::fast_open::default_queue(&self.net.config, backlog)
        {
            entry.options.fast_open.queue = queue;
        }
        entry.protocol_part = Part::Tcp(TcpSocket::Listening);
        (entry.read_shut, entry.write_shut) = (false, false);
        tcp.listeners.insert(id, local.port(), backlog);
        Ok(())
    }

    /// A listener's connections come no further than to whoever has called [`Stack::accept`]: as long as that is so, its queue is
    /// full.
    #[cfg(feature = "cli")]
    pub(crate) fn hold_back(&mut self, id: SocketId, held: bool) {
        if let Some(listener) = self.tcp.listeners.get_mut(id) {
            listener.held_back = held;
        }
    }

    pub(in crate::stack) fn tcp_accept(&mut self, id: SocketId) -> Result<(SocketId, SocketAddr)> {
        let Self { sockets, ports, tcp, .. } = self;
        if !matches!(part(sockets, id)?, TcpSocket::Listening) {
            return Err(Errno::EINVAL.because(Reason::NotListening));
        }
        let Some(listener) = tcp.listeners.get_mut(id) else {
            return Err(Errno::EINVAL.because(Reason::NotListening));
        };
        loop {
            let Some(flow_id) = listener.queue.pop_front() else {
                return Err(Errno::EAGAIN.because(Reason::NoConnection));
            };
            let Some(flow) = tcp.flows.get_mut(flow_id) else { continue };
            let (local, remote) = flow.tuple.ends();
            let part = Part::Tcp(TcpSocket::Flow { id: flow_id, connecting: false });
            let mut entry = sockets.get(id)?.accepted(local, remote, part);
            entry.error = flow.error.take();
            // tcp_create_openreq_child: it is the listener that waits.
            entry.options.defer_accept = 0;
            let binding = entry.binding(local.ip());
            let claim = crate::stack::ports::Claim { space: Space::Tcp, port: local.port(), binding };
            entry.claim = Some(ports.hold(claim));
            let new = sockets.insert(entry);
            (flow.owner, flow.listener) = (Some(new), None);
            return Ok((new, remote));
        }
    }

    pub(in crate::stack) fn tcp_send(
        &mut self,
        id: SocketId,
        data: &[IoSlice<'_>],
        how: &SendTo<'_>,
    ) -> Result<usize> {
        let flags = how.flags;
        let flow = self.tcp_flow(id);
        if (flags & MSG_FASTOPEN != 0 || flow.is_some_and(|flow| flow.opening.takes_data()))
            && let Some(sent) = self.tcp_send_open(id, data, how)?
        {
            return Ok(sent);
        }
        let flow_id = self.tcp_flow_id(id)?;
        let (tcp, mut rest) = self.tcp_and_rest();
        let entry = rest.sockets.get_mut(id)?;
        // Linux's sk_stream_error: the pending error goes before EPIPE.
        entry.take_error()?;
        let shut = entry.write_shut;
        let Some(flow) = flow_id.and_then(|id| tcp.flows.get_mut(id)) else {
            return Err(Errno::EPIPE.because(Reason::NotConnected));
        };
        if shut || flow.dead {
            return Err(Errno::EPIPE.because(if shut { Reason::TcpWriteShut } else { Reason::NotConnected }));
        }
        match flow.state() {
            TcpState::Established | TcpState::CloseWait => {}
            TcpState::SynSent | TcpState::SynReceived => {
                return Err(Errno::EAGAIN.because(Reason::ConnectUnderWay));
            }
            _ => return Err(Errno::EPIPE.because(Reason::TcpWriteShut)),
        }
        let wanted: usize = data.iter().map(|slice| slice.len()).sum();
        let urgent = flags & MSG_OOB != 0;
        let corked = (flow.settings.cork || flags & MSG_MORE != 0) && !urgent;
        let Some(flow_id) = flow_id else { return Ok(0) };
        let mut written = 0;
        // Under TCP_NOTSENT_LOWAT what there is goes out before more is taken.
        while let Some(flow) = tcp.flows.get_mut(flow_id) {
            let was = flow.snapshot();
            let n = flow.write_from(data, written, rest.net.now, corked);
            if n == 0 && wanted > 0 {
                break;
            }
            written += n;
            if urgent && n > 0 {
                flow.mark_urgent();
            }
            tcp.transmit(&mut rest, flow_id, was, Cause::Here);
            let Some(flow) = tcp.flows.get_mut(flow_id) else { break };
            // tcp_nagle_test: "Don't use the nagle rule for urgent data".
            flow.connection.tune(flow.settings.tuning);
            if flow.settings.notsent_lowat.is_none() || written >= wanted {
                break;
            }
        }
        if wanted > 0 && written == 0 {
            return Err(Errno::EAGAIN.because(Reason::SendQueueFull));
        }
        if flags & MSG_ZEROCOPY != 0 && written > 0 {
            // The bytes are in the ring by now.
            let entry = rest.sockets.get_mut(id)?;
            if entry.options.zerocopy {
                entry.tell_zerocopy();
                rest.ready.wake(id);
            }
        }
        Ok(written)
    }

    pub(in crate::stack) fn tcp_shutdown(&mut self, id: SocketId, how: i32) -> Result<()> {
        if !matches!(how, SHUT_RD | SHUT_WR | SHUT_RDWR) {
            return Err(Errno::EINVAL.into());
        }
        let flow_id = match part(&self.sockets, id)? {
            TcpSocket::Fresh => None,
            TcpSocket::Listening if how == SHUT_WR => return Ok(()),
            TcpSocket::Listening => return self.tcp_disconnect(id),
            TcpSocket::Flow { id, .. } => Some(id),
        };
        let state = flow_id.and_then(|id| self.tcp.flows.get(id)).map(|flow| (flow.dead, flow.state()));
        if let Some((false, TcpState::SynSent)) = state {
            return self.tcp_disconnect(id);
        }
        let (tcp, mut rest) = self.tcp_and_rest();
        let entry = rest.sockets.get_mut(id)?;
        entry.read_shut |= how != SHUT_WR;
        entry.write_shut |= how != SHUT_RD;
        rest.ready.wake(id);
        let Some(flow) = flow_id.and_then(|id| tcp.flows.get_mut(id)).filter(|flow| !flow.dead) else {
            return Err(Errno::ENOTCONN.because(Reason::NotConnected));
        };
        if how != SHUT_RD {
            let was = flow.snapshot();
            flow.finish();
            if let Some(flow_id) = flow_id {
                tcp.transmit(&mut rest, flow_id, was, Cause::Here);
            }
        }
        Ok(())
    }

    /// The entry goes away after this; a flow that has something left to do stays as an orphan.
    pub(in crate::stack) fn tcp_close(&mut self, id: SocketId) -> Result<()> {
        let part = part(&self.sockets, id)?;
        let (tcp, mut rest) = self.tcp_and_rest();
        match part {
            TcpSocket::Fresh => {}
            TcpSocket::Listening => tcp.stop_listening(&mut rest, id),
            TcpSocket::Flow { id: flow_id, .. } => {
                set_part(rest.sockets, id, TcpSocket::Fresh);
                let entry = rest.sockets.get_mut(id)?;
                let at_once = entry.options.linger.is_some_and(|linger| linger.is_zero());
                tcp.close(&mut rest, flow_id, id, at_once);
            }
        }
        Ok(())
    }

    /// An option of SOL_TCP or SOL_SOCKET that the engine must hear of has changed in `Entry::options`.
    pub(in crate::stack) fn tcp_option_changed(&mut self, id: SocketId, level: i32, name: i32) -> Result<()> {
        let Some(flow_id) = self.tcp_flow_id(id)? else { return Ok(()) };
        let (tcp, mut rest) = self.tcp_and_rest();
        let entry = rest.sockets.get(id)?;
        let Some(flow) = tcp.flows.get_mut(flow_id) else { return Ok(()) };
        let mut settings = Settings::of(&entry.options, &rest.net.config, flow.tuple.remote);
        // The window's scale was fixed by the SYN, and with it the rings.
        settings.rings = flow.settings.rings;
        // Quick acknowledgements are the start's; only an explicit wish makes them lasting.
        if (level, name) == (SOL_TCP, TCP_QUICKACK) {
            flow.quick_acks = 0;
        } else {
            settings.tuning.quick_ack = flow.settings.tuning.quick_ack;
        }
        flow.settings = settings;
        flow.signature = entry.options.signatures.find(flow.tuple.remote);
        flow.connection.tune(settings.tuning);
        if flow.dead {
            return Ok(());
        }
        let was = flow.snapshot();
        // tcp(7): TCP_NODELAY "causes an explicit flush of pending output, even if TCP_CORK is currently set"; so does uncorking.
        if !settings.cork || !settings.tuning.nagle {
            flow.uncork();
        }
        tcp.transmit(&mut rest, flow_id, was, Cause::Here);
        Ok(())
    }
}

impl Tcp {
    /// A socket with a connection is closed.
    fn close(&mut self, rest: &mut Rest<'_>, flow_id: FlowId, id: SocketId, at_once: bool) {
        let Some(flow) = self.flows.get_mut(flow_id) else { return };
        flow.owner = None;
        if flow.dead {
            return self.forget(rest, flow_id);
        }
        // The port goes on being used.
        if let Ok(Entry { claim, .. }) = rest.sockets.get_mut(id) {
            flow.claim = claim.take();
        }
        let was = flow.snapshot();
        flow.orphaned = Some(rest.net.now);
        let synchronised = !matches!(was.state, TcpState::SynSent);
        let reason = if !synchronised {
            // RFC 9293 3.10.4: in SYN-SENT, "delete the TCB".
            return self.end(rest, flow_id, None);
        } else if flow.connection.readable() > 0 {
            // RFC 9293 3.6.1 / RFC 2525 2.17: data that nobody will read is an abort, and the peer must know.
            Some(Reason::TcpClosedWithData)
        } else if at_once {
            Some(Reason::TcpLingerZero)
        } else if flow.state() == TcpState::FinWait2 && flow.settings.fin_timeout.is_none() {
            Some(Reason::TcpAborted)
        } else {
            None
        };
        match reason {
            Some(reason) => {
                rest.net.note(reason, None, Some(id));
                flow.connection.abort();
            }
            None => flow.finish(),
        }
        self.transmit(rest, flow_id, was, Cause::Here);
    }

    /// Takes a connection away from its socket, by RST if the peer knows of it.
    pub(super) fn abort(&mut self, rest: &mut Rest<'_>, flow_id: FlowId, reason: Reason) {
        let Some(flow) = self.flows.get_mut(flow_id) else { return };
        let owner = flow.owner.take();
        flow.listener = None;
        if flow.dead {
            return self.forget(rest, flow_id);
        }
        rest.net.note(reason, None, owner);
        let was = flow.snapshot();
        if was.state == TcpState::SynSent {
            return self.end(rest, flow_id, None);
        }
        flow.connection.abort();
        self.transmit(rest, flow_id, was, Cause::Here);
    }

    /// A listener closes: Linux resets the connections that nobody has accepted, and forgets those that are half open.
    pub(super) fn stop_listening(&mut self, rest: &mut Rest<'_>, id: SocketId) {
        let Some(listener) = self.listeners.remove(id) else { return };
        // What stands already ends with its connection.
        for tuple in self.half_open.select(|_, half| half.listener == id && half.flow.is_none()) {
            self.forget_half_open(&tuple);
        }
        for flow in listener.queue {
            self.abort(rest, flow, Reason::TcpAborted);
        }
    }
}

impl Flow {
    /// Puts bytes into the send ring, those of `data` from the byte `from` on, as many as there is room for.
    fn write_from(
        &mut self,
        data: &[IoSlice<'_>],
        from: usize,
        now: crate::base::Instant,
        corked: bool,
    ) -> usize {
        let mut most = self.may_add();
        let (mut before, mut written) = (from, 0);
        for slice in data {
            let Some(left) = slice.get(before..) else {
                before -= slice.len();
                continue;
            };
            before = 0;
            let wanted = left.len().min(most);
            let n = self.write(&left[..wanted], now, corked);
            (written, most) = (written + n, most - n);
            if n < left.len() {
                break;
            }
        }
        written
    }

    /// Bytes that were written and have not been sent yet.
    pub(super) fn unsent(&self) -> usize {
        self.connection.unacknowledged().saturating_sub(self.seen.in_flight() as usize) + self.corked.len()
    }

    /// What may be written now: tcp_stream_memory_free asks for less unsent than TCP_NOTSENT_LOWAT, and takes whole segments then.
    fn may_add(&self) -> usize {
        match self.settings.notsent_lowat {
            None => usize::MAX,
            Some(lowat) => lowat.saturating_sub(self.unsent()).next_multiple_of(self.mss().max(1)),
        }
    }

    /// Puts bytes into the send ring. Corked, the last partial segment stays back for at most 200 ms (tcp(7), TCP_CORK).
    fn write(&mut self, data: &[u8], now: crate::base::Instant, corked: bool) -> usize {
        const CORKED: std::time::Duration = std::time::Duration::from_millis(200);
        if !corked {
            self.uncork();
            return if self.corked.is_empty() { self.connection.write(data) } else { 0 };
        }
        let mss = self.mss().max(1);
        let room =
            self.settings.rings.send.saturating_sub(self.connection.unacknowledged() + self.corked.len());
        let taken = data.len().min(room);
        self.corked.extend_from_slice(&data[..taken]);
        let whole = self.corked.len() / mss * mss;
        let n = self.connection.write(&self.corked[..whole]);
        self.corked.drain(..n);
        self.uncork_at = (!self.corked.is_empty()).then(|| self.uncork_at.unwrap_or(now + CORKED));
        taken
    }

    /// Lets go of what was corked.
    pub(super) fn uncork(&mut self) {
        let n = self.connection.write(&self.corked);
        self.corked.drain(..n);
        self.uncork_at = None;
    }

    /// FIN behind everything that was written.
    fn finish(&mut self) {
        self.uncork();
        self.connection.close();
    }
}
