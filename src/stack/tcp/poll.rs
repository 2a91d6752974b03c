//! What poll(2), FIONREAD, SIOCOUTQ and TCP_MAXSEG say, and how much a send would take.

use super::calls::part;
use super::{Stack, TcpSocket};
use crate::base::constants::{POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT, POLLPRI, POLLRDHUP};
use crate::base::{Errno, Reason, Result, SocketId, TcpState};

impl Stack {
    /// Linux's tcp_poll.
    pub(in crate::stack) fn tcp_poll(&self, id: SocketId) -> i32 {
        let Ok(entry) = self.sockets.get(id) else { return POLLNVAL };
        let error = if entry.error.is_some() { POLLERR } else { 0 };
        let flow = match part(&self.sockets, id) {
            Ok(TcpSocket::Listening) => {
                let ready = self.tcp.listeners.get(id).is_some_and(|listener| !listener.queue.is_empty());
                return if ready { POLLIN } else { 0 };
            }
            Ok(TcpSocket::Flow { id, .. }) => self.tcp.flows.get(id),
            _ => None,
        };
        let Some(flow) = flow else {
            // A socket that is not connected: closed both ways, and so writing would not block.
            let shut = if entry.read_shut { POLLIN | POLLRDHUP } else { 0 };
            return POLLHUP | POLLOUT | error | shut;
        };
        let read_shut = entry.read_shut || flow.eof || flow.dead;
        let write_shut = entry.write_shut || flow.dead;
        let mut bits = error;
        // tcp_poll: what is in the error queue counts.
        if !entry.errors.is_empty() {
            bits |= POLLERR | if entry.options.select_error_queue { POLLPRI } else { 0 };
        }
        if flow.dead || read_shut && write_shut {
            bits |= POLLHUP;
        }
        if read_shut {
            bits |= POLLIN | POLLRDHUP;
        }
        if flow.dead || !matches!(flow.state(), TcpState::SynSent | TcpState::SynReceived) {
            let readable = flow.connection.readable();
            // tcp_poll: the urgent byte alone is nothing to read.
            let hidden = usize::from(!flow.is_inline(&entry.options) && flow.is_at_mark());
            let least = entry.options.recv_lowat.min(flow.settings.rings.receive) + hidden;
            if readable >= least && readable > 0 {
                bits |= POLLIN;
            }
            let queued = flow.connection.unacknowledged() + flow.corked.len();
            // tcp_stream_memory_free, asked before a wake-up: half of TCP_NOTSENT_LOWAT.
            let sends = flow.settings.notsent_lowat.is_none_or(|lowat| flow.unsent() * 2 < lowat);
            // sk_stream_is_writeable: at least a third is free.
            if write_shut || sends && queued * 3 <= flow.settings.rings.send * 2 {
                bits |= POLLOUT;
            }
        }
        // tcp_poll: "Active TCP fastopen socket with defer_connect".
        if flow.opening.held {
            bits |= POLLOUT;
        }
        if flow.has_urgent() {
            bits |= POLLPRI;
        }
        bits
    }

    /// getpeername(2): not while the handshake has only begun, not after the connection's end (inet_getname).
    pub(in crate::stack) fn tcp_has_peer(&self, id: SocketId) -> bool {
        self.tcp_flow(id).is_some_and(|flow| !flow.dead && flow.state() != TcpState::SynSent)
    }

    pub(in crate::stack) fn tcp_readable(&self, id: SocketId) -> Result<usize> {
        match part(&self.sockets, id)? {
            TcpSocket::Listening => Err(Errno::EINVAL.because(Reason::NotConnected)),
            _ => {
                let options = &self.sockets.get(id)?.options;
                Ok(self.tcp_flow(id).map_or(0, |flow| flow.readable(flow.is_inline(options))))
            }
        }
    }

    pub(in crate::stack) fn tcp_unsent(&self, id: SocketId) -> Result<usize> {
        match part(&self.sockets, id)? {
            TcpSocket::Listening => Err(Errno::EINVAL.because(Reason::NotConnected)),
            _ => Ok(self.tcp_flow(id).filter(|flow| !flow.dead).map_or(0, |flow| {
                // Linux counts the FIN as well: write_seq - snd_una.
                let fin = matches!(flow.state(), TcpState::FinWait1 | TcpState::Closing | TcpState::LastAck);
                flow.connection.unacknowledged() + flow.corked.len() + usize::from(fin)
            })),
        }
    }

    /// Bytes that send would take now; `None` if there is no connection, or none that anything can be sent on.
    #[cfg_attr(not(feature = "cli"), allow(dead_code))]
    pub(crate) fn room(&self, id: SocketId) -> Option<usize> {
        let flow = self.tcp_flow(id).filter(|flow| !flow.dead)?;
        let shut = self.sockets.get(id).is_ok_and(|entry| entry.write_shut);
        match flow.state() {
            TcpState::SynSent | TcpState::SynReceived => Some(0),
            TcpState::Established | TcpState::CloseWait if !shut => {
                let taken = flow.connection.unacknowledged() + flow.corked.len();
                let lowat = flow.settings.notsent_lowat.map(|lowat| lowat.saturating_sub(flow.unsent()));
                Some(flow.settings.rings.send.saturating_sub(taken).min(lowat.unwrap_or(usize::MAX)))
            }
            _ => None,
        }
    }

    /// TCP_MAXSEG: the segment size in use now.
    pub(in crate::stack) fn tcp_maxseg(&self, id: SocketId) -> u32 {
        let unconnected = || self.sockets.get(id).map_or(0, |entry| u32::from(entry.options.maxseg));
        match self.tcp_flow(id) {
            Some(flow) => flow.told_mss() as u32,
            // tcp_init_sock: TCP_MSS_DEFAULT.
            None => Some(unconnected()).filter(|mss| *mss != 0).unwrap_or(536),
        }
    }
}
