//! The peers of the kernel's UDP sockets: for each a socket of the stack's, so that answers find their way back.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};

use super::{dial, ways};
use crate::base::constants::{MSG_DONTWAIT, SOCK_DGRAM};
use crate::base::verb::{Answer, Letter, Verb};
use crate::base::{Errno, SocketId};
use crate::daemon::native::Tools;

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Flows {
    by_socket: HashMap<SocketId, Flow>,
    /// By what is published, and the kernel's peer.
    by_peer: HashMap<(usize, SocketAddr), SocketId>,
    clock: u64,
    buffer: Vec<u8>,
}

/// One of them.
#[derive(Debug)]
struct Flow {
    /// What is published.
    index: usize,
    peer: SocketAddr,
    used: u64,
    /// Where else the program may listen, and what is then to be sent there. `None` once it has answered.
    other: Option<(SocketAddr, Vec<u8>)>,
}

/// Peers at a time; a further one takes the place of who was silent longest.
const MOST: usize = 1024;
/// Datagrams in a row before others have their turn.
const BATCH: usize = 64;
/// No datagram is longer.
const LONGEST: usize = 65_536;

impl Flows {
    /// Kernel to stack. UDP keeps no promises: what finds no room is lost.
    pub(super) fn inward(&mut self, tools: &Tools<'_>, from: (usize, &UdpSocket), port: u16) {
        let (index, kernel) = from;
        for _ in 0..BATCH {
            let mut buffer = std::mem::take(&mut self.buffer);
            buffer.resize(LONGEST, 0);
            let received = kernel.recv_from(&mut buffer);
            let data =
                received.as_ref().map_or(Vec::new(), |(len, _)| buffer.iter().take(*len).copied().collect());
            self.buffer = buffer;
            match received {
                Ok((_, peer)) => self.carry(tools, index, peer, port, data),
                // A port unreachable of a peer that has gone; the next one is still to be heard.
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {}
                Err(_) => return,
            }
        }
    }

    fn carry(&mut self, tools: &Tools<'_>, index: usize, peer: SocketAddr, port: u16, data: Vec<u8>) {
        let mut known = self.by_peer.get(&(index, peer)).copied();
        if known.is_none() {
            let [first, other] = ways(peer, port);
            self.make_room(tools);
            known = self.open(tools, index, peer, first, Some((other, data.clone())));
        }
        let Some(socket) = known else { return };
        self.clock += 1;
        if let Some(flow) = self.by_socket.get_mut(&socket) {
            flow.used = self.clock;
        }
        let refused = |error: &crate::base::Error| error.errno() == Errno::ECONNREFUSED;
        // An error of the last one is told by the next.
        if send(tools, socket, data.clone()).is_err_and(|error| refused(&error))
            && self.by_socket.get(&socket).is_none_or(|flow| flow.other.is_none())
        {
            let _ = send(tools, socket, data);
        }
    }

    fn open(
        &mut self,
        tools: &Tools<'_>,
        index: usize,
        peer: SocketAddr,
        to: SocketAddr,
        other: Option<(SocketAddr, Vec<u8>)>,
    ) -> Option<SocketId> {
        let socket = dial(tools, SOCK_DGRAM, to).ok()?;
        self.by_peer.insert((index, peer), socket);
        self.by_socket.insert(socket, Flow { index, peer, used: self.clock, other });
        Some(socket)
    }

    /// Stack to kernel: `kernel` gives the socket of what is published.
    pub(super) fn outward<'a>(
        &mut self,
        tools: &Tools<'_>,
        socket: SocketId,
        kernel: impl Fn(usize) -> Option<&'a UdpSocket>,
    ) {
        let Some(flow) = self.by_socket.get_mut(&socket) else { return };
        let Some(kernel) = kernel(flow.index) else { return };
        loop {
            let verb = Verb::Receive { socket, count: 16, size: LONGEST, flags: MSG_DONTWAIT };
            match tools.host.perform(verb) {
                Ok(Answer::Letters(letters)) if !letters.is_empty() => {
                    flow.other = None;
                    for letter in letters {
                        let _ = kernel.send_to(&letter.data, flow.peer);
                    }
                }
                // Nobody listens there.
                Err(error) if error.errno() == Errno::ECONNREFUSED => {
                    if let Some((other, data)) = flow.other.take() {
                        let (index, peer) = (flow.index, flow.peer);
                        self.close(tools, socket);
                        if let Some(socket) = self.open(tools, index, peer, other, None) {
                            let _ = send(tools, socket, data);
                        }
                        return;
                    }
                }
                _ => return,
            }
        }
    }

    fn make_room(&mut self, tools: &Tools<'_>) {
        let oldest = self.by_socket.iter().min_by_key(|(_, flow)| flow.used).map(|(socket, _)| *socket);
        if self.by_socket.len() >= MOST
            && let Some(oldest) = oldest
        {
            self.close(tools, oldest);
        }
    }

    fn close(&mut self, tools: &Tools<'_>, socket: SocketId) {
        if let Some(flow) = self.by_socket.remove(&socket) {
            self.by_peer.remove(&(flow.index, flow.peer));
            let _ = tools.host.perform(Verb::Close(socket));
        }
    }
}

fn send(tools: &Tools<'_>, socket: SocketId, data: Vec<u8>) -> crate::base::Result<Answer> {
    tools.host.perform(Verb::Send(socket, vec![Letter { data, flags: MSG_DONTWAIT, ..Letter::default() }]))
}
