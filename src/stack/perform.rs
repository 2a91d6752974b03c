//! A verb that came as data is done.

use std::io::{IoSlice, IoSliceMut};
#[cfg(feature = "cli")]
use std::time::Duration;

use super::{Captured, SendTo, Stack};
#[cfg(feature = "cli")]
use crate::base::Credentials;
use crate::base::constants::{
    AF_UNIX, MSG_PEEK, MSG_WAITALL, POLLERR, POLLHUP, POLLIN, POLLRDHUP, SOCK_STREAM,
};
use crate::base::verb::{Answer, CapturedFrame, Letter, Verb};
use crate::base::{Errno, Reason, Result, SocketId};

/// Bytes that one answer brings at most.
const MOST: usize = 96 * 1024;
/// What an address, or a control message, takes of them.
const OVERHEAD: usize = 64;
/// Of several frames, bytes after which no other is added: the longest still fits then.
const CAPTURED: usize = 64 * 1024;

impl Stack {
    /// [`Stack::perform`] for a process that is not the host's: AF_UNIX tells of whoever asks (SO_PEERCRED, SCM_CREDENTIALS).
    #[cfg(feature = "cli")]
    pub(crate) fn perform_for(&mut self, caller: Credentials, verb: &Verb) -> Result<Answer> {
        let own = std::mem::replace(&mut self.net.config.credentials, caller);
        let answer = self.perform(verb);
        self.net.config.credentials = own;
        answer
    }

    /// Does what `verb` says, once, now.
    pub(crate) fn perform(&mut self, verb: &Verb) -> Result<Answer> {
        let done = |()| Answer::Done;
        match *verb {
            Verb::Socket { domain, kind, protocol } => {
                self.socket(domain, kind, protocol).map(Answer::Socket)
            }
            Verb::Pair { domain, kind, protocol } => {
                self.socketpair(domain, kind, protocol).map(|(one, other)| Answer::Pair(one, other))
            }
            Verb::Bind(id, address) => self.bind(id, address).map(done),
            Verb::Listen(id, backlog) => self.listen(id, backlog).map(done),
            Verb::Accept(id) => self.accept(id).map(|(socket, peer)| Answer::Accepted(socket, peer)),
            Verb::Connect(id, address) => self.connect(id, address).map(done),
            Verb::Send(id, ref letters) => self.perform_send(id, letters).map(Answer::Count),
            Verb::Receive { socket, count, size, flags } => {
                self.perform_receive(socket, count, size, flags).map(Answer::Letters)
            }
            Verb::Capture(id, most) => self.perform_capture(id, most).map(Answer::Frames),
            Verb::Shutdown(id, how) => self.shutdown(id, how).map(done),
            Verb::Close(id) => self.close(id).map(done),
            Verb::Linger(id) => match self.begin_linger(id) {
                Some(_) => Err(Errno::EAGAIN.because(Reason::SendQueueFull)),
                None => Ok(Answer::Done),
            },
            Verb::Name(id) => self.getsockname(id).map(Answer::Address),
            Verb::Peer(id) => self.getpeername(id).map(Answer::Address),
            Verb::GetOption(id, level, name, room, ref given) => {
                self.getsockopt_of(id, level, name, room.min(MOST), given).map(Answer::Bytes)
            }
            Verb::SetOption(id, level, name, ref value) => {
                self.setsockopt(id, level, name, value)?;
                Ok(self.newest_flow_label(id, level, name, value).map_or(Answer::Done, Answer::Bytes))
            }
            Verb::Poll(id) => Ok(Answer::Events(self.poll(id))),
            Verb::Readable(id) => self.readable(id).map(Answer::Count),
            Verb::AtMark(id) => self.at_mark(id).map(|at| Answer::Count(at.into())),
            Verb::Unsent(id) => self.unsent(id).map(Answer::Count),
            Verb::AddAddress(interface, address) => self.net.add_address(interface, address).map(done),
            Verb::RemoveAddress(interface, address) => self.net.remove_address(interface, address).map(done),
            Verb::WayTo(to, interface) => self.way_to(to, interface).map(|row| Answer::Routes(vec![row])),
            Verb::AddRoute(network, via, interface) => self.net.add_route(network, via, interface).map(done),
            Verb::RemoveRoute(network, via) => self.net.remove_route(network, via).map(done),
            Verb::SetNeighbour(interface, address, mac) => {
                self.net.set_neighbour(interface, address, mac).map(done)
            }
            Verb::LearnNeighbour(interface, address, mac) => {
                self.net.learn_from_above(interface, address, mac).map(done)
            }
            Verb::SetLink { interface, up, mtu } => self.net.configure_link(interface, up, mtu).map(done),
            Verb::Way(destination) => Ok(Answer::Way(self.net.way(destination))),
            Verb::FindNeighbour(interface, address) => {
                let known = self.net.neighbour_mac(interface, address).is_some();
                if !known {
                    self.net.ask_neighbour(interface, address)?;
                }
                Ok(Answer::Known(known))
            }
            Verb::Interfaces => Ok(Answer::Interfaces(self.interface_rows())),
            Verb::Routes(from) => Ok(Answer::Routes(self.route_rows(from))),
            Verb::Neighbours(from) => Ok(Answer::Neighbours(self.neighbour_rows(from))),
            Verb::Sockets(from) => Ok(Answer::Sockets(self.socket_rows(from))),
            Verb::Counters => Ok(Answer::Counters(self.counter_rows())),
            Verb::Hostname => Ok(Answer::Text(self.net.config.hostname.clone())),
            Verb::SetHostname(ref name) => self.set_hostname(name).map(done),
            Verb::Sysctl(ref name) => self.sysctl(name).map(Answer::Setting),
            Verb::SetSysctl(ref name, ref text) => self.set_sysctl(name, text).map(done),
        }
    }

    /// sethostname(2): at most __NEW_UTS_LEN (64) bytes.
    fn set_hostname(&mut self, name: &str) -> Result<()> {
        if name.len() > 64 {
            return Err(Errno::EINVAL.with("a host's name has at most 64 bytes"));
        }
        self.net.config.hostname = name.to_owned();
        Ok(())
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

    fn perform_capture(&mut self, id: SocketId, most: usize) -> Result<Vec<CapturedFrame>> {
        let mut frames = Vec::new();
        let mut bytes = 0;
        while frames.len() < most.max(1) && bytes <= CAPTURED {
            let one = match self.packet_capture(id, 1) {
                Err(error) if frames.is_empty() => return Err(error),
                one => one.unwrap_or_default().pop(),
            };
            let Some(Captured { frame, address, len }) = one else { break };
            bytes += frame.len() + OVERHEAD;
            let (data, time, checksum) = (frame.bytes().to_vec(), frame.time, frame.checksum);
            frames.push(CapturedFrame { data, time, checksum, address, len });
        }
        Ok(frames)
    }

    /// How long a verb waits if it waits as its socket's options say; `None` = for ever.
    #[cfg(feature = "cli")]
    pub(crate) fn own_patience(&self, verb: &Verb) -> Option<Duration> {
        let options = &self.sockets.get(verb.socket()?).ok()?.options;
        match verb {
            Verb::Close(_) | Verb::Linger(_) => options.linger.or(Some(Duration::ZERO)),
            Verb::Connect(..) | Verb::Send(..) => options.send_timeout,
            _ => options.recv_timeout,
        }
    }

    /// True if a call that may wait has nothing to wait for: a stream has as much as socket(7) says of SO_RCVLOWAT ("it blocks until
    /// it has received the low water mark or the requested amount, whichever is smaller"), with MSG_PEEK and MSG_WAITALL the
    /// requested amount; or no more can come.
    pub(crate) fn has_enough(&self, id: SocketId, wanted: usize, flags: i32) -> bool {
        if flags & (MSG_WAITALL | MSG_PEEK) == MSG_WAITALL
            || self.sockets.get(id).map_or(true, |entry| entry.kind != SOCK_STREAM)
        {
            return true;
        }
        let entry = self.sockets.get(id);
        // Of AF_UNIX poll(2) knows no low water mark, recv(2) does.
        let unix = entry.as_ref().ok().filter(|entry| entry.domain == AF_UNIX);
        let wanted = match unix {
            Some(entry) if flags & MSG_WAITALL == 0 => wanted.min(entry.options.recv_lowat),
            _ => wanted,
        };
        let low_water_mark = if unix.is_none() && flags & MSG_WAITALL == 0 { POLLIN } else { 0 };
        self.readable(id).map_or(true, |there| there >= wanted)
            || self.poll(id) & (low_water_mark | POLLERR | POLLHUP | POLLRDHUP) != 0
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
                    room = room.saturating_sub(data.len() + OVERHEAD * (1 + received.control.len()));
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
            | Self::Capture(id, _)
            | Self::Shutdown(id, _)
            | Self::Close(id)
            | Self::Linger(id)
            | Self::Name(id)
            | Self::Peer(id)
            | Self::GetOption(id, ..)
            | Self::SetOption(id, ..)
            | Self::Poll(id)
            | Self::Readable(id)
            | Self::AtMark(id)
            | Self::Unsent(id) => Some(id),
            _ => None,
        }
    }
}
