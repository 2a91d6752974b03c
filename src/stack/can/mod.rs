//! AF_CAN (Documentation/networking/can.rst): frames of the CAN interfaces.
//!
//! | file | what |
//! |---|---|
//! | `mod.rs` | the family: which protocol, what waits to be received, who hears a frame |
//! | `raw.rs` | CAN_RAW: frames as they are, through filters |
//! | `bcm.rs` | CAN_BCM, the broadcast manager: what programs ask of it |
//! | `job.rs` | its jobs: sending over and over, watching for changes and silence |
//! | `isotp/` | CAN_ISOTP: messages longer than a frame |
//! | `j1939/` | CAN_J1939: messages between addresses and names |
//! | `tests/` | what net/can/ says, function by function |
//!
//! A frame in: `link/can.rs` -> `Stack::can_input` -> each socket's filters, or jobs. A frame out: `raw.rs` or a job ->
//! `Net::can_send` (link/can.rs). What a host sends its other sockets hear, too: the interface gives it back as it leaves.

mod bcm;
mod isotp;
mod j1939;
mod job;
mod raw;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, VecDeque};
use std::io::{IoSlice, IoSliceMut};

use super::datagram::{charge, scatter};
use super::family::{Family, not_supported};
use super::options::Options;
use super::table::{Entry, Part};
use super::timers::Timers;
use super::{Received, SendTo, Stack};
use crate::base::constants::{
    CAN_BCM, CAN_ISOTP, CAN_J1939, CAN_RAW, MSG_CONFIRM, MSG_DONTROUTE, MSG_DONTWAIT, MSG_ERRQUEUE, MSG_PEEK,
    MSG_TRUNC, POLLOUT, SOCK_DGRAM, SOCK_RAW,
};
use crate::base::{
    CanAddr, ControlMessage, Errno, Frame, IfIndex, Instant, Reason, Result, SockAddr, SocketId,
};

/// What the family has beside its sockets.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    /// In the order of their birth: so they hear frames.
    sockets: BTreeSet<SocketId>,
    timers: Timers<job::Due>,
    isotp: Timers<isotp::Due>,
    j1939: j1939::Networks,
    j1939_clocks: Timers<j1939::Due>,
}

impl Registry {
    /// When [`Stack::can_tick`] has something to do next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        [self.timers.next(), self.isotp.next(), self.j1939_clocks.next()].into_iter().flatten().min()
    }
}

/// What a CAN socket has of its own.
#[derive(Debug)]
pub(crate) struct CanSocket {
    /// `None` = every CAN interface.
    interface: Option<IfIndex>,
    /// bind(2) of CAN_RAW, connect(2) of CAN_BCM was done.
    bound: bool,
    queue: VecDeque<Message>,
    /// Memory charged, in bytes.
    charged: usize,
    /// Messages for which there was no room.
    dropped: u32,
    protocol: Protocol,
}

#[derive(Debug)]
enum Protocol {
    Raw(raw::Raw),
    Bcm(bcm::Manager),
    Isotp(Box<isotp::Isotp>),
    J1939(Box<j1939::J1939>),
}

/// What waits to be received.
#[derive(Debug)]
struct Message {
    data: Vec<u8>,
    from: SockAddr,
    /// [`flags_of`] its frame.
    flags: i32,
    /// What its protocol tells beside it.
    control: Vec<ControlMessage>,
    time: Instant,
    /// Messages that were dropped before it.
    dropped: u32,
}

/// raw_rcv: "add CAN specific message flags for raw_recvmsg()": MSG_DONTROUTE of what a socket of this host has sent,
/// MSG_CONFIRM of one's own.
fn flags_of(sender: Option<SocketId>, receiver: SocketId) -> i32 {
    match sender {
        None => 0,
        Some(sender) if sender == receiver => MSG_DONTROUTE | MSG_CONFIRM,
        Some(_) => MSG_DONTROUTE,
    }
}

impl CanSocket {
    fn new(protocol: Protocol) -> Self {
        Self { interface: None, bound: false, queue: VecDeque::new(), charged: 0, dropped: 0, protocol }
    }

    /// Bytes of memory that the queue is charged with, and messages for which there was no room.
    pub(super) fn memory(&self) -> (usize, usize) {
        (self.charged, self.dropped as usize)
    }

    fn is_isotp(&self) -> bool {
        matches!(self.protocol, Protocol::Isotp(_))
    }

    /// A message is under way that takes several frames, or one that has not left.
    fn is_sending(&self) -> bool {
        match &self.protocol {
            Protocol::Isotp(isotp) => isotp.is_sending(),
            Protocol::J1939(j1939) => j1939.is_sending(),
            Protocol::Raw(_) | Protocol::Bcm(_) => false,
        }
    }

    /// The interface that it is bound to.
    pub(super) fn interface(&self) -> Option<IfIndex> {
        self.interface
    }

    /// True if it hears the frames of this interface.
    fn hears(&self, interface: IfIndex) -> bool {
        self.bound && self.interface.is_none_or(|own| own == interface)
    }
}

impl Entry {
    pub(super) fn can(&self) -> Result<&CanSocket> {
        match &self.protocol_part {
            Part::Can(can) => Ok(can),
            _ => Err(not_supported()),
        }
    }

    pub(super) fn can_mut(&mut self) -> Result<&mut CanSocket> {
        match &mut self.protocol_part {
            Part::Can(can) => Ok(can),
            _ => Err(not_supported()),
        }
    }
}

/// raw_ops, bcm_ops and isotp_ops.
pub(super) struct Can;

impl Family for Can {
    fn socket(&self, stack: &mut Stack, domain: i32, kind: i32, protocol: i32) -> Result<SocketId> {
        /// CAN_NPROTO.
        const PROTOCOLS: i32 = 8;
        // can_create.
        let (wanted, part) = match protocol {
            CAN_RAW => (SOCK_RAW, Protocol::Raw(raw::Raw::default())),
            CAN_BCM => (SOCK_DGRAM, Protocol::Bcm(bcm::Manager::default())),
            CAN_ISOTP => (SOCK_DGRAM, Protocol::Isotp(Box::default())),
            CAN_J1939 => (SOCK_DGRAM, Protocol::J1939(Box::default())),
            0..PROTOCOLS => return Err(Errno::EPROTONOSUPPORT.because(Reason::WrongProtocol)),
            _ => return Err(Errno::EINVAL.because(Reason::WrongProtocol)),
        };
        // "check for consistent protocol type"
        if kind != wanted {
            return Err(Errno::EPROTOTYPE.because(Reason::WrongType));
        }
        let options = Options::new(&stack.net.config, domain, kind, protocol);
        let entry = Entry::new(domain, kind, protocol, options, Part::Can(CanSocket::new(part)));
        let id = stack.sockets.insert(entry);
        stack.can.sockets.insert(id);
        Ok(id)
    }

    fn bind(&self, stack: &mut Stack, id: SocketId, address: SockAddr) -> Result<()> {
        match stack.sockets.get(id)?.can()?.protocol {
            Protocol::Raw(_) => stack.can_raw_bind(id, address),
            Protocol::Bcm(_) => Err(not_supported()),
            Protocol::Isotp(_) => stack.isotp_bind(id, address),
            Protocol::J1939(_) => stack.j1939_bind(id, address),
        }
    }

    fn connect(&self, stack: &mut Stack, id: SocketId, address: SockAddr) -> Result<()> {
        match stack.sockets.get(id)?.can()?.protocol {
            Protocol::Bcm(_) => stack.bcm_connect(id, address),
            Protocol::J1939(_) => stack.j1939_connect(id, address),
            Protocol::Raw(_) | Protocol::Isotp(_) => Err(not_supported()),
        }
    }

    fn send(&self, stack: &mut Stack, id: SocketId, data: &[IoSlice<'_>], how: SendTo<'_>) -> Result<usize> {
        match stack.sockets.get(id)?.can()?.protocol {
            Protocol::Raw(_) => stack.can_raw_send(id, data, &how),
            Protocol::Bcm(_) => stack.bcm_send(id, data, &how),
            Protocol::Isotp(_) => stack.isotp_send(id, data, &how),
            Protocol::J1939(_) => stack.j1939_send(id, data, &how),
        }
    }

    fn recv(
        &self,
        stack: &mut Stack,
        id: SocketId,
        data: &mut [IoSliceMut<'_>],
        flags: i32,
    ) -> Result<Received> {
        stack.can_recv(id, data, flags)
    }

    fn close(&self, stack: &mut Stack, id: SocketId) -> Result<()> {
        stack.bcm_forget(id);
        stack.isotp_forget(id);
        stack.j1939_forget(id);
        stack.can.sockets.remove(&id);
        Ok(())
    }

    fn name(&self, stack: &Stack, id: SocketId) -> Result<SockAddr> {
        let can = stack.sockets.get(id)?.can()?;
        match &can.protocol {
            Protocol::Raw(_) => Ok(address_of(can.interface)),
            // bcm_ops: sock_no_getname.
            Protocol::Bcm(_) => Err(not_supported()),
            Protocol::J1939(_) => stack.j1939_name(id, false),
            Protocol::Isotp(isotp) => {
                let (rx_id, tx_id) = isotp.identifiers();
                Ok(CanAddr::isotp(can.interface.unwrap_or(bcm::NOWHERE).0, rx_id, tx_id).into())
            }
        }
    }

    fn peer(&self, stack: &Stack, id: SocketId) -> Result<SockAddr> {
        stack.j1939_name(id, true)
    }

    /// isotp_release: "wait for complete transmission of current pdu".
    fn goes_on(&self, stack: &Stack, id: SocketId) -> bool {
        stack.sockets.get(id).and_then(Entry::can).is_ok_and(CanSocket::is_sending)
    }

    fn poll(&self, _stack: &Stack, _id: SocketId, entry: &Entry) -> i32 {
        let Ok(can) = entry.can() else { return 0 };
        let events = entry.poll_datagram(!can.queue.is_empty());
        let full = match &can.protocol {
            Protocol::J1939(j1939) => j1939.is_full(entry.options.send_buffer),
            _ => can.is_sending(),
        };
        if full { events & !POLLOUT } else { events }
    }

    /// can_sock_no_ioctlcmd.
    fn readable(&self, _stack: &Stack, _id: SocketId, _entry: &Entry) -> Result<usize> {
        Err(Errno::ENOTTY.because(Reason::WrongKind))
    }

    fn unsent(&self, _stack: &Stack, _id: SocketId) -> Result<usize> {
        Err(Errno::ENOTTY.because(Reason::WrongKind))
    }
}

fn address_of(interface: Option<IfIndex>) -> SockAddr {
    CanAddr::new(interface.map_or(0, |interface| interface.0)).into()
}

impl Stack {
    /// Does what is due.
    pub(super) fn can_tick(&mut self) {
        self.jobs_tick();
        self.isotp_tick();
        self.j1939_tick();
    }

    /// Sockets that a program has closed, with a message that is still being sent.
    pub(super) fn can_census(&self) -> usize {
        let entries = self.can.sockets.iter().filter_map(|id| self.sockets.get(*id).ok());
        entries.filter(|entry| entry.holders == 0).count()
    }

    /// A frame was on an interface's bus: can_receive.
    pub(super) fn can_input(&mut self, interface: IfIndex, frame: &Frame) {
        self.j1939_input(interface, frame);
        for id in self.can.sockets.iter().copied().collect::<Vec<_>>() {
            let Ok(entry) = self.sockets.get(id) else { continue };
            let Ok(can) = entry.can() else { continue };
            match &can.protocol {
                Protocol::Raw(raw) if can.hears(interface) && raw.wants(frame, id) => {
                    let flags = flags_of(frame.sender, id);
                    self.can_queue(id, frame.bytes().to_vec(), interface, flags, frame.time);
                }
                Protocol::Raw(_) => {}
                // bcm_rx_setup registers each job for its own interface.
                Protocol::Bcm(_) => self.bcm_input(id, interface, frame),
                Protocol::Isotp(_) if can.hears(interface) => self.isotp_input(id, frame),
                // An interface's J1939 sockets have it in common.
                Protocol::Isotp(_) | Protocol::J1939(_) => {}
            }
        }
    }

    /// sock_queue_rcv_skb: a message for the program, or why there is none.
    fn can_queue(&mut self, id: SocketId, data: Vec<u8>, interface: IfIndex, flags: i32, time: Instant) {
        let isotp = self.sockets.get(id).and_then(Entry::can).is_ok_and(|can| can.is_isotp());
        let from = match isotp {
            true => CanAddr::isotp(interface.0, 0, 0).into(),
            false => address_of(Some(interface)),
        };
        self.can_push(id, Message { data, from, flags, control: Vec::new(), time, dropped: 0 });
    }

    fn can_push(&mut self, id: SocketId, message: Message) {
        let Ok(entry) = self.sockets.get_mut(id) else { return };
        let limit = entry.options.recv_buffer;
        let Ok(can) = entry.can_mut() else { return };
        if can.charged >= limit {
            can.dropped = can.dropped.wrapping_add(1);
            return self.net.note(Reason::ReceiveQueueFull, can.interface, Some(id));
        }
        can.charged += charge(message.data.len());
        can.queue.push_back(Message { dropped: can.dropped, ..message });
        self.ready.wake(id);
    }

    /// raw_recvmsg, bcm_recvmsg, isotp_recvmsg.
    fn can_recv(&mut self, id: SocketId, data: &mut [IoSliceMut<'_>], flags: i32) -> Result<Received> {
        let can = self.sockets.get(id)?.can()?;
        if matches!(can.protocol, Protocol::J1939(_)) {
            // j1939_sk_recvmsg.
            if flags & !(MSG_DONTWAIT | MSG_ERRQUEUE) != 0 {
                return Err(Errno::EINVAL.because(Reason::WrongKind));
            }
            if flags & MSG_ERRQUEUE != 0 {
                return self.recv_error(id, data);
            }
        }
        let can = self.sockets.get(id)?.can()?;
        if can.is_isotp() {
            // isotp_recvmsg.
            if flags & !(MSG_DONTWAIT | MSG_TRUNC | MSG_PEEK) != 0 {
                return Err(Errno::EINVAL.because(Reason::WrongKind));
            }
            if !can.bound {
                return Err(Errno::EADDRNOTAVAIL.because(Reason::NotBound));
            }
        }
        if flags & MSG_ERRQUEUE != 0 {
            // Nothing is time-stamped on its way out.
            return Err(Errno::EAGAIN.because(Reason::NoData));
        }
        let epoch = self.net.config.epoch;
        let entry = self.sockets.get_mut(id)?;
        entry.take_error()?;
        let can = entry.can()?;
        let message = can.queue.front().ok_or(Errno::EAGAIN.because(Reason::NoData))?;
        let copied = scatter(data, &message.data);
        let mut control: Vec<_> = entry.options.timestamp_messages(epoch, message.time, false).collect();
        if entry.options.recv_dropped && message.dropped != 0 {
            control.push(ControlMessage::Dropped(message.dropped));
        }
        // "if (size < skb->len) msg->msg_flags |= MSG_TRUNC"; bcm_recvmsg does not say it.
        let cut = copied < message.data.len() && !matches!(can.protocol, Protocol::Bcm(_));
        control.extend(message.control.iter().cloned());
        let isotp = can.is_isotp();
        let received = Received {
            // isotp_recvmsg: "ret = (flags & MSG_TRUNC) ? skb->len : size".
            len: if isotp && flags & MSG_TRUNC != 0 { message.data.len() } else { copied },
            from: Some(message.from),
            flags: message.flags | if cut { MSG_TRUNC } else { 0 },
            control,
        };
        let can = entry.can_mut()?;
        if flags & MSG_PEEK == 0
            && let Some(gone) = can.queue.pop_front()
        {
            can.charged -= charge(gone.data.len());
        }
        Ok(received)
    }

    /// raw_notify, bcm_notify and isotp_notify, NETDEV_DOWN: who is bound to the interface is told once.
    pub(super) fn can_link_down(&mut self, interface: IfIndex) {
        self.j1939_link_down(interface);
        for id in &self.can.sockets {
            if let Ok(entry) = self.sockets.get_mut(*id)
                && entry.can().is_ok_and(|can| can.bound && can.interface == Some(interface))
            {
                entry.error = Some(Errno::ENETDOWN.because(Reason::LinkDown));
                self.ready.wake(*id);
            }
        }
    }

    /// The CAN interface that an address names; `None` = all. ENODEV if it is none.
    fn can_interface(&self, address: SockAddr) -> Result<Option<IfIndex>> {
        let SockAddr::Can(address) = address else {
            return Err(Errno::EINVAL.because(Reason::WrongFamily));
        };
        if address.interface() == 0 {
            return Ok(None);
        }
        match self.net.interface(IfIndex(address.interface())) {
            Some(link) if link.is_can() => Ok(Some(link.index)),
            _ => Err(Errno::ENODEV.because(Reason::NoInterface)),
        }
    }
}
