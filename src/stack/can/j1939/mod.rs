//! CAN_J1939 (net/can/j1939/, Documentation/networking/j1939.rst): messages between addresses and names, of SAE J1939 and ISO 11783.
//!
//! | file | what |
//! |---|---|
//! | `mod.rs` | the socket, and who hears a message |
//! | `verbs.rs` | what programs ask of it: addresses, messages, options |
//! | `names.rs` | which name has claimed which address |
//! | `session.rs` | a message under way: what is sent of it, and its times |
//! | `heard.rs` | a message under way: what its frames tell |
//! | `transport.rs` | the sessions of an interface |

mod heard;
mod names;
mod session;
mod transport;
mod verbs;

use std::collections::BTreeMap;
use std::time::Duration;

use super::{CanSocket, Message, Protocol, flags_of};
use crate::base::cmsg::ExtendedError;
use crate::base::constants::*;
use crate::base::{CanAddr, ControlMessage, Errno, Frame, IfIndex, Instant, Reason, Result, SocketId};
use crate::stack::Stack;
use crate::stack::family::not_supported;
use crate::wire::can::{self, CAN_MTU};
use names::{ANY, Names, is_unicast};
use session::{Kind, Notice, Session};
use transport::has_destination;

/// A claim stands when nobody has objected for so long (j1939_ecu_timer_start).
const CLAIM: Duration = Duration::from_millis(250);

/// Whose clock it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Due {
    interface: IfIndex,
    which: Which,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Which {
    /// The claim of a name.
    Claim(u64),
    /// txtimer and rxtimer of a session.
    Send(u64),
    Expect(u64),
}

/// Whom a message is from and for, and what it is about (struct j1939_addr).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    /// 0 = none.
    src_name: u64,
    dst_name: u64,
    pgn: u32,
    sa: u8,
    da: u8,
    /// 0 to 7, 0 goes first.
    priority: u8,
}

impl Head {
    /// j1939_cb_is_broadcast.
    fn is_broadcast(&self) -> bool {
        self.dst_name == 0 && self.da == ANY
    }
}

/// What an interface has, while sockets are bound to it (struct j1939_priv).
#[derive(Debug, Default)]
pub(super) struct Network {
    names: Names,
    sessions: Vec<Session>,
    born: u64,
    rx_key: u32,
    /// Sockets of sessions that have ended, to be looked at.
    ended: Vec<SocketId>,
    sockets: usize,
}

impl Network {
    fn serial(&mut self) -> u64 {
        self.born += 1;
        self.born
    }
}

/// All of them.
pub(super) type Networks = BTreeMap<IfIndex, Network>;

/// struct j1939_filter.
#[derive(Clone, Copy, Debug)]
struct Filter {
    name: (u64, u64),
    pgn: (u32, u32),
    address: (u8, u8),
}

/// What a CAN_J1939 socket has of its own.
#[derive(Debug)]
pub(super) struct J1939 {
    head: Head,
    /// Of bind(2): J1939_NO_PGN = all.
    pgn_heard: u32,
    connected: bool,
    promiscuous: bool,
    tells_errors: bool,
    filters: Vec<Filter>,
    /// Messages that have not been sent whole.
    pending: usize,
    pending_bytes: usize,
    key: u32,
}

impl Default for J1939 {
    /// j1939_sk_init.
    fn default() -> Self {
        let pgn = J1939_NO_PGN as u32;
        Self {
            head: Head { src_name: 0, dst_name: 0, pgn, sa: ANY, da: ANY, priority: 6 },
            pgn_heard: pgn,
            connected: false,
            promiscuous: false,
            tells_errors: false,
            filters: Vec::new(),
            pending: 0,
            pending_bytes: 0,
            key: 0,
        }
    }
}

impl J1939 {
    /// There is something of it that has not been sent.
    pub(super) fn is_sending(&self) -> bool {
        self.pending > 0
    }

    /// sock_writeable, of the bytes that have not been sent.
    pub(super) fn is_full(&self, limit: usize) -> bool {
        self.pending_bytes > 0 && self.pending_bytes >= limit / 2
    }

    /// j1939_sk_match_dst, j1939_sk_match_filter. `broadcast`: SO_BROADCAST.
    fn wants(&self, head: &Head, broadcast: bool) -> bool {
        let (own, filters) = (&self.head, &self.filters);
        let to_us = match (own.src_name != 0 && head.dst_name != 0, is_unicast(head.da)) {
            (true, _) => own.src_name == head.dst_name,
            (false, true) => own.sa == head.da,
            (false, false) => broadcast,
        };
        let from_peer = match own.dst_name != 0 && head.src_name != 0 {
            _ if !self.connected => true,
            true => own.dst_name == head.src_name,
            false => own.da == head.sa,
        };
        let about = self.pgn_heard > J1939_PGN_MAX as u32 || self.pgn_heard == head.pgn;
        let passes = |filter: &Filter| {
            head.pgn & filter.pgn.1 == filter.pgn.0
                && head.sa & filter.address.1 == filter.address.0
                && head.src_name & filter.name.1 == filter.name.0
        };
        (self.promiscuous || (to_us && from_peer && about))
            && (filters.is_empty() || filters.iter().any(passes))
    }
}

impl CanSocket {
    fn j1939(&self) -> Result<&J1939> {
        match &self.protocol {
            Protocol::J1939(j1939) => Ok(j1939),
            _ => Err(not_supported()),
        }
    }

    fn j1939_mut(&mut self) -> Result<&mut J1939> {
        match &mut self.protocol {
            Protocol::J1939(j1939) => Ok(j1939),
            _ => Err(not_supported()),
        }
    }
}

impl Stack {
    /// The network goes back to its place; sockets learn of messages that have been sent, or not.
    fn j1939_done(&mut self, interface: IfIndex, mut network: Network) {
        let mut ended = std::mem::take(&mut network.ended);
        ended.sort_unstable();
        ended.dedup();
        for id in &ended {
            let its = network.sessions.iter().filter(|session| session.socket == Some(*id));
            let (count, bytes) = its.fold((0, 0), |(n, bytes), one| (n + 1, bytes + one.message.len()));
            let can = self.sockets.get_mut(*id).and_then(|entry| entry.can_mut());
            if let Ok(j1939) = can.and_then(CanSocket::j1939_mut) {
                (j1939.pending, j1939.pending_bytes) = (count, bytes);
            }
            self.ready.wake(*id);
        }
        self.can.j1939.insert(interface, network);
        for id in ended {
            let entry = self.sockets.get(id);
            if entry.is_ok_and(|entry| entry.holders == 0 && entry.can().is_ok_and(|can| !can.is_sending())) {
                // Its program has closed it: there is nobody to tell of an error.
                let _ = self.end(id);
            }
        }
    }

    /// j1939_can_recv.
    pub(super) fn j1939_input(&mut self, interface: IfIndex, frame: &Frame) {
        let bytes = frame.bytes();
        let id = can::id(bytes);
        let flags = id & (CAN_EFF_FLAG | CAN_RTR_FLAG | CAN_ERR_FLAG);
        if bytes.len() != CAN_MTU || flags != CAN_EFF_FLAG || id as u8 == ANY {
            return;
        }
        let Some(mut network) = self.can.j1939.remove(&interface) else { return };
        let data = can::data(bytes);
        let pgn = id >> 8 & J1939_PGN_MAX as u32;
        let (pgn, da) = if has_destination(pgn) { (pgn & 0x3_ff00, pgn as u8) } else { (pgn, ANY) };
        let priority = (id >> 26 & 7) as u8;
        let mut head = Head { src_name: 0, dst_name: 0, pgn, sa: id as u8, da, priority };
        let claim = network.names.hear(&mut head, data);
        let due = |name| Due { interface, which: Which::Claim(name) };
        if let Some(name) = claim.ends {
            self.can.j1939_clocks.cancel(due(name));
        }
        if let Some(name) = claim.begins {
            self.can.j1939_clocks.set(due(name), self.net.now + CLAIM);
        }
        if !self.j1939_transport(&mut network, interface, &head, data) {
            // j1939_simple_recv: the echo of a message that was one frame.
            let mut simple = network.sessions.iter();
            let simple = simple.find(|session| {
                session.kind == Kind::Simple
                    && session.socket.is_some()
                    && session.socket == frame.sender
                    && session.frame == bytes
            });
            if let Some(serial) = simple.map(|session| session.serial) {
                self.j1939_act(&mut network, interface, serial, vec![session::Effect::End]);
            }
            self.j1939_deliver(interface, &head, data, frame.sender, frame.time);
        }
        self.j1939_done(interface, network);
    }

    /// Does what is due.
    pub(super) fn j1939_tick(&mut self) {
        while let Some(Due { interface, which }) = self.can.j1939_clocks.pop(self.net.now) {
            let Some(mut network) = self.can.j1939.remove(&interface) else { continue };
            match which {
                Which::Claim(name) => network.names.settle(name),
                Which::Send(serial) => {
                    let now = vec![session::Effect::SendIn(Duration::ZERO)];
                    self.j1939_act(&mut network, interface, serial, now);
                }
                Which::Expect(serial) => {
                    let mut sessions = network.sessions.iter_mut();
                    let session = sessions.find(|session| session.serial == serial);
                    let effects = session.map(Session::silence).unwrap_or_default();
                    self.j1939_act(&mut network, interface, serial, effects);
                }
            }
            self.j1939_done(interface, network);
        }
    }

    /// j1939_netdev_notify, NETDEV_DOWN: every message is lost.
    pub(super) fn j1939_link_down(&mut self, interface: IfIndex) {
        let Some(mut network) = self.can.j1939.remove(&interface) else { return };
        for session in std::mem::take(&mut network.sessions) {
            network.ended.extend(session.socket);
            for which in [Which::Send(session.serial), Which::Expect(session.serial)] {
                self.can.j1939_clocks.cancel(Due { interface, which });
            }
        }
        network.names.unmap_all();
        self.j1939_done(interface, network);
    }

    /// The J1939 sockets on an interface.
    fn j1939_sockets(&self, interface: IfIndex) -> Vec<SocketId> {
        let on = |id: &&SocketId| {
            let can = self.sockets.get(**id).and_then(|entry| entry.can());
            can.is_ok_and(|can| can.j1939().is_ok() && can.hears(interface))
        };
        self.can.sockets.iter().filter(on).copied().collect()
    }

    fn j1939_wants(&self, id: SocketId, head: &Head) -> bool {
        let Ok(entry) = self.sockets.get(id) else { return false };
        let j1939 = entry.can().and_then(CanSocket::j1939);
        j1939.is_ok_and(|j1939| j1939.wants(head, entry.options.broadcast))
    }

    /// j1939_sk_recv_match.
    fn j1939_is_heard(&self, interface: IfIndex, head: &Head) -> bool {
        self.j1939_sockets(interface).into_iter().any(|id| self.j1939_wants(id, head))
    }

    /// j1939_sk_recv.
    fn j1939_deliver(
        &mut self,
        interface: IfIndex,
        head: &Head,
        data: &[u8],
        sender: Option<SocketId>,
        time: Instant,
    ) {
        for id in self.j1939_sockets(interface) {
            if sender == Some(id) || !self.j1939_wants(id, head) {
                continue;
            }
            // j1939_sk_recvmsg: "if (j1939_address_is_valid(skcb->addr.da))".
            let to = (head.da != ANY).then_some(ControlMessage::J1939Address(head.da));
            let name = (head.dst_name != 0).then_some(ControlMessage::J1939Name(head.dst_name));
            let priority = ControlMessage::J1939Priority(head.priority);
            let message = Message {
                data: data.to_vec(),
                from: CanAddr::j1939(interface.0, head.src_name, head.pgn, head.sa).into(),
                flags: flags_of(sender.filter(|sender| *sender != SocketId(0)), id),
                control: to.into_iter().chain(name).chain([priority]).collect(),
                time,
                dropped: 0,
            };
            self.can_push(id, message);
        }
    }

    /// j1939_sk_send_loop_abort.
    fn j1939_fails(&mut self, id: SocketId, errno: Errno) {
        let tells = self.sockets.get(id).and_then(|entry| Ok(entry.can()?.j1939()?.tells_errors));
        if tells.is_ok_and(|tells| !tells) {
            self.set_pending_error(id, errno.because(Reason::J1939Lost));
        }
    }

    /// j1939_sk_errqueue: to the socket that sends, or to all that would get it.
    fn j1939_tell(&mut self, network: &mut Network, interface: IfIndex, serial: u64, notice: Notice) {
        let mut sessions = network.sessions.iter();
        let Some(session) = sessions.find(|session| session.serial == serial) else { return };
        let ids = match session.socket {
            Some(id) => vec![id],
            None => {
                let all = self.j1939_sockets(interface).into_iter();
                all.filter(|id| self.j1939_wants(*id, &session.head)).collect()
            }
        };
        let timestamps =
            |flag: i32, which: i32| (Some(flag), Errno::ENOMSG, SO_EE_ORIGIN_TIMESTAMPING, which as u32);
        let local = |errno: Errno, info: u32, flag| (flag, errno, SO_EE_ORIGIN_LOCAL, info);
        let error = session.error.unwrap_or(Errno(0));
        let received = Some(SOF_TIMESTAMPING_RX_SOFTWARE);
        let (flag, errno, origin, info) = match notice {
            Notice::Acknowledged => timestamps(SOF_TIMESTAMPING_TX_ACK, SCM_TSTAMP_ACK),
            Notice::Scheduled => timestamps(SOF_TIMESTAMPING_TX_SCHED, SCM_TSTAMP_SCHED),
            Notice::TxAbort => local(error, J1939_EE_INFO_TX_ABORT as u32, None),
            Notice::RxRts => local(Errno::ENOMSG, 2, received),
            Notice::RxDpo => local(Errno::ENOMSG, 3, received),
            Notice::RxAbort => local(error, 4, received),
        };
        // j1939_sk_get_timestamping_opt_stats: struct nlattr each.
        let attribute = |kind: u16, value: &[u8]| {
            let mut bytes = [(4 + value.len() as u16).to_ne_bytes(), kind.to_ne_bytes()].concat();
            bytes.extend(value);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes
        };
        let head = &session.head;
        let stats = match notice {
            Notice::RxRts => [
                attribute(2, &(session.message.len() as u32).to_ne_bytes()),
                attribute(3, &head.pgn.to_ne_bytes()),
                attribute(4, &head.src_name.to_ne_bytes()),
                attribute(5, &head.dst_name.to_ne_bytes()),
                attribute(6, &[head.sa]),
                attribute(7, &[head.da]),
            ]
            .concat(),
            _ => attribute(J1939_NLA_BYTES_ACKED as u16, &session.bytes_acked().to_ne_bytes()),
        };
        let key = session.key;
        let now = self.net.now;
        for id in ids {
            let Ok(entry) = self.sockets.get_mut(id) else { continue };
            let asked = |flag: i32| entry.options.timestamping & flag as u32 != 0;
            let tells = entry.can().and_then(CanSocket::j1939).is_ok_and(|j1939| j1939.tells_errors);
            if !tells || flag.is_some_and(|flag| !asked(flag)) {
                continue;
            }
            let error = ExtendedError {
                errno,
                origin: origin as u8,
                kind: 0,
                code: 0,
                info,
                data: if asked(SOF_TIMESTAMPING_OPT_ID) { key } else { 0 },
                offender: None,
                interface: None,
            };
            entry.tell_transfer(error, stats.clone(), now);
            self.ready.wake(id);
        }
    }
}
