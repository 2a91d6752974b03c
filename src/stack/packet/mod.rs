//! Packet sockets (AF_PACKET, packet(7)): every frame that comes and goes.
//!
//! | file | what |
//! |---|---|
//! | `mod.rs` | [`PacketSocket`]: made, bound to an interface and a protocol, closed |
//! | `input.rs` | a frame that passed: who gets a copy; recvmsg(2) |
//! | `output.rs` | sendmsg(2): frames as they are, packets that get a link header |
//! | `options.rs` | what is more than an int at SOL_PACKET: memberships, statistics, rings |
//! | `fanout.rs` | PACKET_FANOUT: sockets that share what comes |
//!
//! A frame in: `link/ethernet.rs` -> `Net::pass` (link/tap.rs: is there anybody?) -> `Stack::packet_input`, before IP sees it.
//! A frame out: `Stack::packet_send` -> `Net::transmit` (link/tap.rs), which shows it to the others.

mod fanout;
mod input;
mod options;
mod output;
#[cfg(test)]
mod tests;

use std::io::{IoSlice, IoSliceMut};

use super::family::Family;
use super::link::Tap;
use super::options::Options;
use super::table::{Entry, Part};
use super::{Received, SendTo, Stack};
use crate::base::constants::{SOCK_DGRAM, SOCK_RAW};
use crate::base::{Errno, IfIndex, LinkAddr, Reason, Result, SockAddr, SocketId};

pub(super) use fanout::Fanouts;
pub use input::Captured;
pub(crate) use input::Passed;

/// What a packet socket has of its own.
#[derive(Debug, Default)]
pub(crate) struct PacketSocket {
    /// ETH_P_*; 0 = it hears nothing.
    protocol: u16,
    /// `None` = every interface.
    interface: Option<IfIndex>,
    queue: input::Queue,
    memberships: Vec<options::Membership>,
    /// The number of the group that it shares its frames with, and what it does with those that it has no room for.
    fanout: Option<u16>,
    rollover: Option<Box<fanout::Rollover>>,
}

impl Entry {
    pub(super) fn packet(&self) -> Result<&PacketSocket> {
        match &self.protocol_part {
            Part::Packet(packet) => Ok(packet),
            _ => Err(Errno::EOPNOTSUPP.because(Reason::WrongKind)),
        }
    }

    pub(super) fn packet_mut(&mut self) -> Result<&mut PacketSocket> {
        match &mut self.protocol_part {
            Part::Packet(packet) => Ok(packet),
            _ => Err(Errno::EOPNOTSUPP.because(Reason::WrongKind)),
        }
    }
}

impl PacketSocket {
    /// Bytes of the next frame.
    fn next_len(&self) -> usize {
        self.queue.front().map_or(0, |captured| captured.frame.len())
    }

    /// ETH_P_* and the interface; `None` = all of them.
    pub(super) fn listens_to(&self) -> (u16, Option<IfIndex>) {
        (self.protocol, self.interface)
    }

    /// Bytes of memory that the queue is charged with.
    pub(super) fn charged(&self) -> usize {
        self.queue.charged()
    }

    /// Frames for which there was no room.
    pub(super) fn dropped(&self) -> usize {
        self.queue.dropped()
    }

    fn is_readable(&self) -> bool {
        self.queue.front().is_some()
    }
}

/// packet_ops.
pub(super) struct Packet;

impl Family for Packet {
    fn socket(&self, stack: &mut Stack, domain: i32, kind: i32, protocol: i32) -> Result<SocketId> {
        // packet_create: any protocol; SOCK_PACKET is obsolete since Linux 2.2.
        if !matches!(kind, SOCK_RAW | SOCK_DGRAM) {
            return Err(Errno::ESOCKTNOSUPPORT.because(Reason::WrongType));
        }
        // packet_create leaves SO_PROTOCOL at 0.
        let options = Options::new(&stack.net.config, domain, kind, 0);
        let id = stack.sockets.insert(Entry::new(domain, kind, 0, options, Part::Packet(Default::default())));
        stack.packet_create(id, protocol)?;
        Ok(id)
    }

    fn bind(&self, stack: &mut Stack, id: SocketId, address: SockAddr) -> Result<()> {
        match address {
            SockAddr::Link(address) => stack.packet_bind(id, address),
            _ => Err(Errno::EINVAL.because(Reason::WrongFamily)),
        }
    }

    fn send(&self, stack: &mut Stack, id: SocketId, data: &[IoSlice<'_>], how: SendTo<'_>) -> Result<usize> {
        stack.packet_send(id, data, &how)
    }

    fn recv(
        &self,
        stack: &mut Stack,
        id: SocketId,
        data: &mut [IoSliceMut<'_>],
        flags: i32,
    ) -> Result<Received> {
        stack.packet_recv(id, data, flags)
    }

    fn close(&self, stack: &mut Stack, id: SocketId) -> Result<()> {
        stack.packet_close(id);
        Ok(())
    }

    fn name(&self, stack: &Stack, id: SocketId) -> Result<SockAddr> {
        Ok(stack.packet_name(id)?.into())
    }

    fn poll(&self, _stack: &Stack, _id: SocketId, entry: &Entry) -> i32 {
        entry.poll_datagram(entry.packet().is_ok_and(PacketSocket::is_readable))
    }

    fn readable(&self, _stack: &Stack, _id: SocketId, entry: &Entry) -> Result<usize> {
        Ok(entry.packet()?.next_len())
    }
}

impl Stack {
    /// packet_create: `protocol` is socket(2)'s, in network byte order. With one, the socket hears every interface at once.
    fn packet_create(&mut self, id: SocketId, protocol: i32) -> Result<()> {
        self.sockets.get_mut(id)?.packet_mut()?.protocol = u16::from_be(protocol as u16);
        self.packet_listen(id)
    }

    /// packet_do_bind: an interface or any, and a protocol; 0 keeps the one that the socket has.
    fn packet_bind(&mut self, id: SocketId, address: LinkAddr) -> Result<()> {
        let interface = (address.interface != 0).then_some(IfIndex(address.interface));
        let up = match interface {
            None => true,
            Some(index) => {
                let link = self.net.interface(index);
                link.ok_or(Errno::ENODEV.because(Reason::NoInterface))?.up
            }
        };
        let entry = self.sockets.get_mut(id)?;
        let packet = entry.packet_mut()?;
        // packet_do_bind: "if (po->fanout) ret = -EINVAL".
        if packet.fanout.is_some() {
            return Err(Errno::EINVAL.because(Reason::AlreadyBound));
        }
        let protocol = if address.protocol == 0 { packet.protocol } else { address.protocol };
        if (packet.protocol, packet.interface) == (protocol, interface) {
            return Ok(());
        }
        (packet.protocol, packet.interface) = (protocol, interface);
        if !up && protocol != 0 {
            // Bound all the same: frames come when the link is back.
            entry.error = Some(Errno::ENETDOWN.because(Reason::LinkDown));
            self.ready.wake(id);
        }
        self.packet_listen(id)
    }

    /// Tells link/ what the socket listens to now.
    pub(super) fn packet_listen(&mut self, id: SocketId) -> Result<()> {
        let entry = self.sockets.get(id)?;
        let packet = entry.packet()?;
        let tap = Tap {
            socket: id,
            interface: packet.interface,
            protocol: packet.protocol,
            // A group has one hook for all: what one of them is told does not count.
            ignore_outgoing: match packet.fanout {
                Some(group) => self.fanouts.ignores_outgoing(group),
                None => entry.options.ignore_outgoing,
            },
        };
        self.net.taps.retain(|other| other.socket != id);
        if tap.protocol != 0 {
            self.net.taps.push(tap);
        }
        Ok(())
    }

    /// packet_notifier: who is bound to the interface is told once.
    pub(super) fn packet_link_down(&mut self, interface: IfIndex) {
        for at in 0..self.net.taps.len() {
            let Some(tap) = self.net.taps.get(at).filter(|tap| tap.interface == Some(interface)) else {
                continue;
            };
            let id = tap.socket;
            if let Ok(entry) = self.sockets.get_mut(id) {
                entry.error = Some(Errno::ENETDOWN.because(Reason::LinkDown));
                self.ready.wake(id);
            }
        }
    }

    /// getsockname(2): packet_getname.
    fn packet_name(&self, id: SocketId) -> Result<LinkAddr> {
        let packet = self.sockets.get(id)?.packet()?;
        let Some(interface) = packet.interface else {
            return Ok(LinkAddr { protocol: packet.protocol, ..LinkAddr::default() });
        };
        let Some(link) = self.net.interface(interface) else {
            return Ok(LinkAddr::bind(interface, packet.protocol));
        };
        let address = match link.is_can() {
            true => LinkAddr::bind(interface, packet.protocol),
            false => LinkAddr::station(interface, packet.protocol, link.mac),
        };
        Ok(LinkAddr { hardware: link.hardware(), ..address })
    }

    /// What close(2) undoes.
    fn packet_close(&mut self, id: SocketId) {
        self.net.taps.retain(|tap| tap.socket != id);
        self.packet_drop_memberships(id);
        self.packet_leave_fanout(id);
    }
}
