//! A verb that came as data is done.

use std::io::{IoSlice, IoSliceMut};

use super::{SendTo, Stack};
use crate::base::constants::SOCK_STREAM;
use crate::base::verb::{Answer, Letter, Verb};
use crate::base::{Errno, Result, SocketId};

/// Bytes that one answer brings at most.
const MOST: usize = 96 * 1024;

impl Stack {
    /// Does what `verb` says, once, now.
    pub(crate) fn perform(&mut self, verb: Verb) -> Result<Answer> {
        let done = |()| Answer::Done;
        match verb {
            Verb::Socket { domain, kind, protocol } => {
                self.socket(domain, kind, protocol).map(Answer::Socket)
            }
            Verb::Bind(id, address) => self.bind(id, address).map(done),
            Verb::Listen(id, backlog) => self.listen(id, backlog).map(done),
            Verb::Accept(id) => self.accept(id).map(|(socket, peer)| Answer::Accepted(socket, peer)),
            Verb::Connect(id, address) => self.connect(id, address).map(done),
            Verb::Send(id, letters) => self.perform_send(id, &letters).map(Answer::Count),
            Verb::Receive { socket, count, size, flags } => {
                self.perform_receive(socket, count, size, flags).map(Answer::Letters)
            }
            Verb::Shutdown(id, how) => self.shutdown(id, how).map(done),
            Verb::Close(id) => self.close(id).map(done),
            Verb::Name(id) => self.getsockname(id).map(Answer::Address),
            Verb::Peer(id) => self.getpeername(id).map(Answer::Address),
            Verb::GetOption(id, level, name, room) => {
                self.getsockopt(id, level, name, room.min(MOST)).map(Answer::Bytes)
            }
            Verb::SetOption(id, level, name, value) => self.setsockopt(id, level, name, &value).map(done),
            Verb::Poll(id) => Ok(Answer::Events(self.poll(id))),
            Verb::Readable(id) => self.readable(id).map(Answer::Count),
            Verb::Unsent(id) => self.unsent(id).map(Answer::Count),
            Verb::AddAddress(interface, address) => self.net.add_address(interface, address).map(done),
            Verb::RemoveAddress(interface, address) => self.net.remove_address(interface, address).map(done),
            Verb::WayTo(to, interface) => self.way_to(to, interface).map(|row| Answer::Routes(vec![row])),
            Verb::AddRoute(network, via, interface) => self.net.add_route(network, via, interface).map(done),
            Verb::RemoveRoute(network, via) => self.net.remove_route(network, via).map(done),
            Verb::SetNeighbour(interface, address, mac) => {
                self.net.set_neighbour(interface, address, mac).map(done)
            }
            Verb::Interfaces => Ok(Answer::Interfaces(self.interface_rows())),
            Verb::Routes(from) => Ok(Answer::Routes(self.route_rows(from))),
            Verb::Neighbours(from) => Ok(Answer::Neighbours(self.neighbour_rows(from))),
            Verb::Sockets(from) => Ok(Answer::Sockets(self.socket_rows(from))),
            Verb::Counters => Ok(Answer::Counters(self.counter_rows())),
        }
    }

    fn perform_send(&mut self, id: SocketId, letters: &[Letter]) -> Result<usize> {
        let stream = self.sockets.get(id)?.kind == SOCK_STREAM;
        let mut sent = 0;
        for letter in letters {
            let how = SendTo { to: letter.address, flags: letter.flags, control: &letter.control };
            match self.send(id, &[IoSlice::new(&letter.data)], how) {
                Ok(bytes) if stream => return Ok(bytes),
                Ok(_) => sent += 1,
                Err(error) if sent == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(sent)
    }

    fn perform_receive(
        &mut self,
        id: SocketId,
        count: usize,
        size: usize,
        flags: i32,
    ) -> Result<Vec<Letter>> {
        let mut buffer = vec![0; size.min(MOST)];
        let mut letters = Vec::new();
        let mut room = MOST;
        while letters.len() < count.max(1) && (letters.is_empty() || room >= size) {
            match self.recv(id, &mut [IoSliceMut::new(&mut buffer)], flags) {
                Ok(received) => {
                    let data = buffer.get(..received.len.min(buffer.len())).unwrap_or_default().to_vec();
                    room = room.saturating_sub(data.len());
                    let (address, control, flags) = (received.from, received.control, received.flags);
                    letters.push(Letter { data, address, control, flags, len: received.len });
                }
                Err(error) if letters.is_empty() => return Err(error),
                // do_recvmmsg: what was received is the result, the error (sk_err) is the next call's.
                Err(error) if error.errno() != Errno::EAGAIN => {
                    self.set_pending_error(id, error);
                    break;
                }
                Err(_) => break,
            }
        }
        Ok(letters)
    }
}

impl Verb {
    /// The socket that the verb is about, where there is one.
    pub(crate) fn socket(&self) -> Option<SocketId> {
        match *self {
            Self::Bind(id, _)
            | Self::Listen(id, _)
            | Self::Accept(id)
            | Self::Connect(id, _)
            | Self::Send(id, _)
            | Self::Receive { socket: id, .. }
            | Self::Shutdown(id, _)
            | Self::Close(id)
            | Self::Name(id)
            | Self::Peer(id)
            | Self::GetOption(id, ..)
            | Self::SetOption(id, ..)
            | Self::Poll(id)
            | Self::Readable(id)
            | Self::Unsent(id) => Some(id),
            _ => None,
        }
    }
}
