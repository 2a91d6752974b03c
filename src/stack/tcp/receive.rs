//! recvmsg(2) of TCP.

use std::io::IoSliceMut;

use super::calls::part;
use super::flow::Flow;
use super::output::Cause;
use super::{Stack, TcpSocket};
use crate::base::constants::{MSG_OOB, MSG_PEEK, MSG_TRUNC};
use crate::base::{ControlMessage, Errno, Reason, Result, SocketId, TcpState};
use crate::stack::Received;
use crate::stack::datagram::scatter;

impl Stack {
    pub(in crate::stack) fn tcp_recv(
        &mut self,
        id: SocketId,
        data: &mut [IoSliceMut<'_>],
        flags: i32,
    ) -> Result<Received> {
        if flags & MSG_OOB != 0 && matches!(part(&self.sockets, id)?, TcpSocket::Fresh) {
            return Err(Errno::EINVAL.because(Reason::NoData));
        }
        let mut received = self.tcp_recv_data(id, data, flags)?;
        if self.sockets.get(id)?.options.tcp.inq
            && let Some(flow) = self.tcp_flow(id)
        {
            // tcp_inq_hint: the end of the stream counts as a byte.
            let left = flow.connection.readable() + usize::from(flow.eof);
            received.control.push(ControlMessage::Inq(i32::try_from(left).unwrap_or(i32::MAX)));
        }
        Ok(received)
    }

    fn tcp_recv_data(&mut self, id: SocketId, data: &mut [IoSliceMut<'_>], flags: i32) -> Result<Received> {
        let flow_id = self.tcp_flow_id(id)?;
        let (tcp, mut rest) = self.tcp_and_rest();
        let entry = rest.sockets.get_mut(id)?;
        let Some((flow_id, flow)) = flow_id.and_then(|id| Some((id, tcp.flows.get_mut(id)?))) else {
            entry.take_error()?;
            return Err(Errno::ENOTCONN.because(Reason::NotConnected));
        };
        let inline = flow.is_inline(&entry.options);
        if flags & MSG_OOB != 0 {
            return flow.recv_urgent(data, flags, inline, entry.read_shut);
        }
        let was = flow.snapshot();
        let peeks = flags & MSG_PEEK != 0;
        // tcp_recvmsg: what is urgent is not read with the rest.
        let skips = !inline && flow.is_at_mark() && data.iter().any(|slice| !slice.is_empty());
        if skips && !peeks {
            flow.consumed += flow.connection.skip(1) as u64;
            flow.pass_mark();
        }
        // SO_PEEK_OFF
        let offset = if peeks { flow.peek_offset(&entry.options) } else { 0 };
        let hidden = offset + usize::from(skips && peeks);
        if flow.connection.readable() <= hidden {
            // The peer's FIN stays the end, whatever went wrong with our own sending since.
            if flow.eof {
                return Ok(Received::default());
            }
            entry.take_error()?;
            if flow.dead || entry.read_shut {
                return Ok(Received::default());
            }
            let reason = match flow.state() {
                TcpState::SynSent | TcpState::SynReceived => Reason::ConnectUnderWay,
                _ => Reason::NoData,
            };
            return Err(Errno::EAGAIN.because(reason));
        }
        let most = flow.before_mark().unwrap_or(usize::MAX);
        let len = if peeks { peek(flow, data, hidden, most) } else { take(flow, data, flags, most) };
        flow.pass_mark();
        entry.options.peeked(len, peeks);
        if !flow.dead {
            // The window may have opened by a good part: the peer should hear of it.
            tcp.transmit(&mut rest, flow_id, was, Cause::Here);
        }
        Ok(Received { len, ..Received::default() })
    }
}

/// Copies at most `most` bytes, those behind the first `hidden` ones.
fn peek(flow: &mut Flow, data: &mut [IoSliceMut<'_>], hidden: usize, most: usize) -> usize {
    match data {
        [one] if hidden == 0 => {
            let wanted = one.len().min(most);
            flow.connection.peek(&mut one[..wanted])
        }
        many => {
            let wanted = many.iter().map(|slice| slice.len()).sum::<usize>().min(most);
            let mut copy = vec![0; wanted.saturating_add(hidden).min(flow.connection.readable())];
            let len = flow.connection.peek(&mut copy);
            scatter(many, copy.get(hidden..len).unwrap_or_default())
        }
    }
}

/// Takes at most `most` bytes out.
fn take(flow: &mut Flow, data: &mut [IoSliceMut<'_>], flags: i32, mut most: usize) -> usize {
    let mut len = 0;
    for slice in data {
        let wanted = slice.len().min(most);
        let n = if flags & MSG_TRUNC != 0 {
            // tcp(7): with MSG_TRUNC the data is thrown away instead of copied. The ring gives it in at most two parts.
            let first = flow.connection.skip(wanted);
            first + flow.connection.skip(wanted - first)
        } else {
            flow.connection.read(&mut slice[..wanted])
        };
        (len, most) = (len + n, most - n);
        if n < slice.len() {
            break;
        }
    }
    flow.consumed += len as u64;
    len
}
