//! Frames that passed, for the packet sockets that want them; recvmsg(2).

use std::collections::VecDeque;
use std::io::IoSliceMut;

use super::PacketSocket;
use crate::base::constants::{
    ARPHRD_CAN, MSG_DONTWAIT, MSG_ERRQUEUE, MSG_PEEK, MSG_TRUNC, PACKET_OUTGOING, SOCK_DGRAM,
    TP_STATUS_CSUM_VALID, TP_STATUS_USER,
};
use crate::base::{
    Checksum, ControlMessage, Errno, Frame, IfIndex, LinkAddr, Mac, PacketAuxiliary, Reason, Result, SocketId,
};
use crate::stack::datagram::{charge, scatter};
use crate::stack::link::{LINK_HEADER, Passing};
use crate::stack::table::Entry;
use crate::stack::{Received, Stack};
use crate::wire::filter::Facts;

/// A frame that passed an interface, Ethernet header first, on its way to the packet sockets.
#[derive(Debug)]
pub(crate) struct Passed {
    pub(in crate::stack) frame: Frame,
    pub(in crate::stack) passing: Passing,
}

/// A frame as a packet socket has received it: the bytes, and what is known of them.
#[derive(Debug)]
pub struct Captured {
    /// The bytes; of a SOCK_DGRAM socket without link header. Its `time`, on the host's clock, is when it passed the interface.
    pub frame: Frame,
    /// What recvfrom(2) tells of it.
    pub address: LinkAddr,
    /// Bytes that it had before the socket's filter cut it.
    pub len: usize,
}

/// What a packet socket has received, bounded by SO_RCVBUF; what did not fit is counted.
#[derive(Debug, Default)]
pub(super) struct Queue {
    frames: VecDeque<Captured>,
    /// Memory charged, in bytes.
    charged: usize,
    /// `tp_packets` and `tp_drops` of PACKET_STATISTICS: taken in, and lost, since it was last read.
    taken: u32,
    lost: u32,
    /// All that was ever lost (sk_drops).
    dropped: u32,
}

impl Queue {
    pub(super) fn front(&self) -> Option<&Captured> {
        self.frames.front()
    }

    pub(super) fn charged(&self) -> usize {
        self.charged
    }

    pub(super) fn dropped(&self) -> usize {
        self.dropped as usize
    }

    /// packet_rcv: false if the buffer is full already.
    fn push(&mut self, captured: Captured, limit: usize) -> bool {
        if self.charged >= limit {
            self.lost = self.lost.wrapping_add(1);
            self.dropped = self.dropped.wrapping_add(1);
            return false;
        }
        self.taken = self.taken.wrapping_add(1);
        self.charged += charge(captured.frame.len());
        self.frames.push_back(captured);
        true
    }

    fn pop(&mut self) -> Option<Captured> {
        let captured = self.frames.pop_front()?;
        self.charged -= charge(captured.frame.len());
        Some(captured)
    }

    /// PACKET_STATISTICS: all that passed the filter, and how many of those were lost; reading resets both.
    pub(super) fn take_statistics(&mut self) -> (u32, u32) {
        let (taken, lost) = (std::mem::take(&mut self.taken), std::mem::take(&mut self.lost));
        (taken.wrapping_add(lost), lost)
    }
}

/// What of a frame a socket gets.
#[derive(Clone, Copy, Debug)]
struct Part {
    /// Where the program's bytes begin.
    start: usize,
    /// How many of them its filter lets through, and how many there were.
    kept: usize,
    len: usize,
}

/// The address that recvfrom(2) tells of a frame.
fn address_of(frame: &Frame, passing: &Passing, hardware: u16) -> LinkAddr {
    let packet_type = passing.packet_type;
    // can_setup: "dev->addr_len = 0".
    if hardware == ARPHRD_CAN {
        return LinkAddr { hardware, packet_type, ..LinkAddr::bind(passing.interface, passing.protocol) };
    }
    let source =
        frame.bytes().get(6..12).and_then(|mac| <[u8; 6]>::try_from(mac).ok()).map_or(Mac::ZERO, Mac);
    LinkAddr { hardware, packet_type, ..LinkAddr::station(passing.interface, passing.protocol, source) }
}

impl Stack {
    /// A frame passed an interface: every packet socket that wants it gets its copy, one of them the frame itself.
    pub(in crate::stack) fn packet_input(&mut self, passed: Passed) {
        let Passed { frame, passing } = passed;
        let Some(link) = self.net.interface(passing.interface) else { return };
        let (header, address) = (link.link_header(), address_of(&frame, &passing, link.hardware()));
        let wanting = self.net.taps.iter().filter(|tap| tap.wants(&passing)).map(|tap| tap.socket).collect();
        let mut wanting = self.packet_share(wanting, &frame, &address, header, passing.sender).into_iter();
        let Some(first) = wanting.next() else { return };
        for id in wanting {
            if let Some(part) = self.packet_admits(id, &frame, &address, header) {
                self.packet_queue(id, frame.clone(), part, address);
            }
        }
        if let Some(part) = self.packet_admits(first, &frame, &address, header) {
            self.packet_queue(first, frame, part, address);
        }
    }

    /// run_filter of packet_rcv: which part of the frame the socket gets; what its filter refuses is not counted.
    fn packet_admits(
        &mut self,
        id: SocketId,
        frame: &Frame,
        address: &LinkAddr,
        header: usize,
    ) -> Option<Part> {
        let entry = self.sockets.get(id).ok()?;
        let start = if entry.kind == SOCK_DGRAM { header } else { 0 };
        let len = frame.len().saturating_sub(start);
        if entry.filter.is_none() {
            return Some(Part { start, kept: len, len });
        }
        let facts = Facts {
            len,
            start,
            protocol: address.protocol,
            packet_type: address.packet_type,
            interface: address.interface,
            hardware: address.hardware,
            network: header,
            random: self.net.random() as u32,
            ..Facts::default()
        };
        let kept = entry.admits(frame.bytes(), &facts)?;
        Some(Part { start, kept, len })
    }

    fn packet_queue(&mut self, id: SocketId, mut frame: Frame, part: Part, address: LinkAddr) {
        let Ok(entry) = self.sockets.get_mut(id) else { return };
        frame.pull(part.start);
        frame.truncate(part.kept);
        let limit = entry.options.recv_buffer;
        let Ok(packet) = entry.packet_mut() else { return };
        if packet.queue.push(Captured { frame, address, len: part.len }, limit) {
            self.ready.wake(id);
        } else {
            self.net.note(Reason::ReceiveQueueFull, Some(IfIndex(address.interface)), Some(id));
        }
    }

    /// recvmsg(2): packet_recvmsg.
    pub(in crate::stack) fn packet_recv(
        &mut self,
        id: SocketId,
        data: &mut [IoSliceMut<'_>],
        flags: i32,
    ) -> Result<Received> {
        if flags & !(MSG_PEEK | MSG_DONTWAIT | MSG_TRUNC | MSG_ERRQUEUE) != 0 {
            return Err(Errno::EINVAL.because(Reason::WrongKind));
        }
        if flags & MSG_ERRQUEUE != 0 {
            // Nothing is time-stamped on its way out.
            return Err(Errno::EAGAIN.because(Reason::NoData));
        }
        let epoch = self.net.config.epoch;
        let entry = self.sockets.get_mut(id)?;
        entry.take_error()?;
        let packet: &PacketSocket = entry.packet()?;
        let captured = packet.queue.front().ok_or(Errno::EAGAIN.because(Reason::NoData))?;
        let whole = captured.frame.len();
        let copied = scatter(data, captured.frame.bytes());
        let mut control: Vec<_> =
            entry.options.timestamp_messages(epoch, captured.frame.time, false).collect();
        if entry.options.packet_auxdata {
            control.push(ControlMessage::PacketAuxiliary(auxiliary(entry, captured)));
        }
        let received = Received {
            len: if flags & MSG_TRUNC != 0 { whole } else { copied },
            from: Some(captured.address.into()),
            flags: if copied < whole { MSG_TRUNC } else { 0 },
            control,
        };
        if flags & MSG_PEEK == 0 {
            entry.packet_mut()?.queue.pop();
        }
        Ok(received)
    }

    /// The next frames themselves, up to `most`; EAGAIN while there is none.
    pub(crate) fn packet_capture(&mut self, id: SocketId, most: usize) -> Result<Vec<Captured>> {
        let entry = self.sockets.get_mut(id)?;
        entry.take_error()?;
        let queue = &mut entry.packet_mut()?.queue;
        if queue.front().is_none() {
            return Err(Errno::EAGAIN.because(Reason::NoData));
        }
        Ok(std::iter::from_fn(|| queue.pop()).take(most).collect())
    }
}

/// struct tpacket_auxdata. VLAN tags stand in the frame, where they were on the wire: `tp_vlan_tci` is never valid.
fn auxiliary(entry: &Entry, captured: &Captured) -> PacketAuxiliary {
    let outgoing = captured.address.packet_type == PACKET_OUTGOING;
    let valid = !outgoing && captured.frame.checksum == Checksum::Valid;
    let status = TP_STATUS_USER | if valid { TP_STATUS_CSUM_VALID } else { 0 };
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    PacketAuxiliary {
        status: status as u32,
        len: number(captured.len),
        snaplen: number(captured.frame.len()),
        mac: 0,
        net: match (entry.kind, captured.address.hardware) {
            (SOCK_DGRAM, _) | (_, ARPHRD_CAN) => 0,
            _ => LINK_HEADER as u16,
        },
        ..PacketAuxiliary::default()
    }
}
