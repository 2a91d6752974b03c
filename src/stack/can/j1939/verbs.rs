//! What programs ask of a CAN_J1939 socket (net/can/j1939/socket.c): addresses, messages, options.

use std::io::IoSlice;
use std::time::Duration;

use super::names::ANY;
use super::session::{self, MOST, Session};
use super::transport::has_destination;
use super::{Filter, Head, J1939, Network};
use crate::base::constants::*;
use crate::base::{CanAddr, Errno, Error, IfIndex, Reason, Result, SockAddr, SocketId};
use crate::stack::datagram::gather;
use crate::stack::{SendTo, Stack};

/// sizeof(struct j1939_filter).
const FILTER: usize = 32;

/// j1939_pgn_is_valid && !j1939_pgn_is_clean_pdu: the place of a destination is not empty.
fn is_unclean(pgn: u32) -> bool {
    pgn <= J1939_PGN_MAX as u32 && has_destination(pgn) && pgn & 0xff != 0
}

/// j1939_sk_sanity_check.
fn check(address: SockAddr) -> Result<CanAddr> {
    let SockAddr::Can(address) = address else {
        return Err(Errno::EINVAL.because(Reason::WrongFamily));
    };
    if address.rest().len() < CanAddr::REST {
        return Err(Errno::EINVAL.because(Reason::AddressLength));
    }
    if address.interface() == 0 {
        return Err(Errno::ENODEV.because(Reason::NoInterface));
    }
    if is_unclean(address.pgn()) {
        return Err(unclean());
    }
    Ok(address)
}

fn unclean() -> Error {
    Errno::EINVAL.with("a PGN of PDU1 ends with 00: its destination stands in the address")
}

fn refused_broadcast() -> Error {
    Errno::EACCES.because(Reason::BroadcastNotAllowed)
}

impl Stack {
    /// j1939_sk_bind.
    pub(in crate::stack::can) fn j1939_bind(&mut self, id: SocketId, address: SockAddr) -> Result<()> {
        let address = check(address)?;
        let can = self.sockets.get(id)?.can()?;
        let (bound, old, at) = (can.bound, can.j1939()?.head, can.interface);
        let interface = IfIndex(address.interface());
        if bound && at != Some(interface) {
            return Err(Errno::EINVAL.because(Reason::AlreadyBound));
        }
        let link = self.net.interface(interface).filter(|link| link.is_can());
        if !bound && !link.ok_or(Errno::ENODEV.because(Reason::NoInterface))?.up {
            return Err(Errno::ENETDOWN.because(Reason::LinkDown));
        }
        if bound {
            self.j1939_unbind(interface, &old);
        }
        let network = self.can.j1939.entry(interface).or_default();
        let held = network.names.hold(address.name(), address.address());
        network.sockets += usize::from(held.is_ok());
        let can = self.sockets.get_mut(id)?.can_mut()?;
        can.bound = held.is_ok();
        held?;
        can.interface = Some(interface);
        let j1939 = can.j1939_mut()?;
        if address.pgn() <= J1939_PGN_MAX as u32 {
            j1939.pgn_heard = address.pgn();
        }
        (j1939.head.src_name, j1939.head.sa) = (address.name(), address.address());
        Ok(())
    }

    fn j1939_unbind(&mut self, interface: IfIndex, head: &Head) {
        let Some(network) = self.can.j1939.get_mut(&interface) else { return };
        network.names.release(head.src_name, head.sa);
        network.sockets = network.sockets.saturating_sub(1);
    }

    /// j1939_sk_release, behind "wait_event_interruptible(jsk->waitq, !j1939_sock_pending_get(&jsk->sk))".
    pub(in crate::stack::can) fn j1939_forget(&mut self, id: SocketId) {
        let Ok(can) = self.sockets.get(id).and_then(|entry| entry.can()) else { return };
        let (Ok(j1939), Some(interface)) = (can.j1939(), can.interface) else { return };
        let head = j1939.head;
        self.j1939_unbind(interface, &head);
        // __j1939_rx_release
        if self.can.j1939.get(&interface).is_some_and(|network| network.sockets == 0) {
            self.can.j1939.remove(&interface);
        }
    }

    /// j1939_sk_connect.
    pub(in crate::stack::can) fn j1939_connect(&mut self, id: SocketId, address: SockAddr) -> Result<()> {
        let address = check(address)?;
        let entry = self.sockets.get_mut(id)?;
        let broadcast = entry.options.broadcast;
        let can = entry.can_mut()?;
        if !can.bound || can.interface != Some(IfIndex(address.interface())) {
            return Err(Errno::EINVAL.because(Reason::NotBound));
        }
        if address.name() == 0 && address.address() == ANY && !broadcast {
            return Err(refused_broadcast());
        }
        let j1939 = can.j1939_mut()?;
        (j1939.head.dst_name, j1939.head.da) = (address.name(), address.address());
        if address.pgn() <= J1939_PGN_MAX as u32 {
            j1939.head.pgn = address.pgn();
        }
        j1939.connected = true;
        Ok(())
    }

    /// j1939_sk_getname.
    pub(in crate::stack::can) fn j1939_name(&self, id: SocketId, peer: bool) -> Result<SockAddr> {
        let can = self.sockets.get(id)?.can()?;
        let J1939 { head, connected, .. } = can.j1939()?;
        let interface = can.interface.map_or(0, |interface| interface.0);
        Ok(match peer {
            true if !connected => return Err(Errno::EADDRNOTAVAIL.because(Reason::NotConnected)),
            true => CanAddr::j1939(interface, head.dst_name, head.pgn, head.da),
            false => CanAddr::j1939(interface, head.src_name, head.pgn, head.sa),
        }
        .into())
    }

    /// j1939_sk_sendmsg, j1939_sk_alloc_skb, j1939_tp_send.
    pub(in crate::stack::can) fn j1939_send(
        &mut self,
        id: SocketId,
        data: &[IoSlice<'_>],
        how: &SendTo<'_>,
    ) -> Result<usize> {
        let entry = self.sockets.get(id)?;
        let (can, broadcast, limit) = (entry.can()?, entry.options.broadcast, entry.options.send_buffer);
        let j1939 = can.j1939()?;
        let mut head = j1939.head;
        let (true, Some(interface)) = (can.bound, can.interface) else {
            return Err(Errno::EBADFD.because(Reason::NotBound));
        };
        if head.src_name == 0 && head.sa == ANY {
            return Err(Errno::EBADFD.with("the socket has neither a name nor an address"));
        }
        match how.to {
            Some(SockAddr::Can(to)) if to.rest().len() == CanAddr::REST => {
                if to.interface() != 0 && to.interface() != interface.0 {
                    return Err(Errno::EBADFD.because(Reason::NoInterface));
                }
                if is_unclean(to.pgn()) {
                    return Err(unclean());
                }
                if to.name() == 0 && to.address() == ANY && !broadcast {
                    return Err(refused_broadcast());
                }
                if to.name() != 0 || to.address() != ANY {
                    (head.dst_name, head.da) = (to.name(), to.address());
                }
                if to.pgn() <= J1939_PGN_MAX as u32 {
                    head.pgn = to.pgn();
                }
            }
            Some(SockAddr::Can(_)) => return Err(Errno::EINVAL.because(Reason::AddressLength)),
            Some(_) => return Err(Errno::EINVAL.because(Reason::WrongFamily)),
            None if head.is_broadcast() && !broadcast => return Err(refused_broadcast()),
            None => {}
        }
        let len: usize = data.iter().map(|slice| slice.len()).sum();
        if len > MOST {
            return Err(Errno::EMSGSIZE.because(Reason::MessageTooLong));
        }
        if j1939.is_full(limit) {
            return Err(Errno::EAGAIN.because(Reason::SendQueueFull));
        }
        // j1939_tp_send: "avoid conflict".
        if [session::TP_DATA, session::TP_CONTROL, session::ETP_DATA, session::ETP_CONTROL]
            .contains(&head.pgn)
        {
            return Err(Errno::EDOM.with("the PGN is the transport protocol's own"));
        }
        if len > session::TP_MOST && head.is_broadcast() {
            return Err(Errno::EDESTADDRREQ.because(Reason::MessageTooLong));
        }
        let mut message = vec![0; len];
        gather(&mut message, data);
        let mut network = self.can.j1939.remove(&interface).unwrap_or_default();
        let result = self.j1939_begin(&mut network, interface, id, head, message);
        self.j1939_done(interface, network);
        result.map(|()| len)
    }

    /// j1939_sk_send_loop, j1939_tp_send.
    fn j1939_begin(
        &mut self,
        network: &mut Network,
        interface: IfIndex,
        id: SocketId,
        mut head: Head,
        message: Vec<u8>,
    ) -> Result<()> {
        network.names.fill(&mut head, &message)?;
        let serial = network.serial();
        let first = !network.sessions.iter().any(|session| session.queued && session.socket == Some(id));
        let j1939 = self.sockets.get_mut(id)?.can_mut()?.j1939_mut()?;
        let mut session = Session::new(serial, head, message, Some(id));
        session.key = j1939.key;
        j1939.key = j1939.key.wrapping_add(1);
        (j1939.pending, j1939.pending_bytes) =
            (j1939.pending + 1, j1939.pending_bytes + session.message.len());
        network.sessions.push(session);
        if first {
            if !Self::j1939_activate(network, serial) {
                network.sessions.retain(|session| session.serial != serial);
                network.ended.push(id);
                return Err(Errno::EBUSY.with("a message between the same two is under way"));
            }
            self.j1939_act(network, interface, serial, vec![session::Effect::SendIn(Duration::ZERO)]);
        }
        Ok(())
    }

    /// j1939_sk_getsockopt.
    pub(in crate::stack) fn j1939_get(&self, id: SocketId, name: i32) -> Result<Vec<u8>> {
        let j1939 = self.sockets.get(id)?.can()?.j1939()?;
        let number = match name {
            SO_J1939_PROMISC => i32::from(j1939.promiscuous),
            SO_J1939_ERRQUEUE => i32::from(j1939.tells_errors),
            SO_J1939_SEND_PRIO => i32::from(j1939.head.priority),
            _ => return Err(Errno::ENOPROTOOPT.because(Reason::UnknownOption)),
        };
        Ok(number.to_ne_bytes().to_vec())
    }

    /// j1939_sk_setsockopt.
    pub(in crate::stack) fn j1939_set(&mut self, id: SocketId, name: i32, value: &[u8]) -> Result<()> {
        let entry = self.sockets.get_mut(id)?;
        let j1939 = entry.can_mut()?.j1939_mut()?;
        if name == SO_J1939_FILTER {
            let (filters, rest) = value.as_chunks::<FILTER>();
            if !rest.is_empty() || filters.len() > J1939_FILTER_MAX as usize {
                return Err(Errno::EINVAL.because(Reason::OptionLength));
            }
            j1939.filters = filters.iter().map(Filter::read).collect();
            return Ok(());
        }
        let number = value.try_into().map(i32::from_ne_bytes);
        let number = number.map_err(|_| Errno::EINVAL.because(Reason::OptionLength))?;
        match name {
            SO_J1939_PROMISC => j1939.promiscuous = number != 0,
            SO_J1939_ERRQUEUE => {
                j1939.tells_errors = number != 0;
                if number == 0 {
                    entry.errors.forget();
                }
            }
            SO_J1939_SEND_PRIO if (0..=7).contains(&number) => j1939.head.priority = number as u8,
            SO_J1939_SEND_PRIO => return Err(Errno::EDOM.because(Reason::OptionValue)),
            _ => return Err(Errno::ENOPROTOOPT.because(Reason::UnknownOption)),
        }
        Ok(())
    }
}

impl Filter {
    /// name, name_mask, pgn, pgn_mask, addr, addr_mask, and padding.
    fn read(bytes: &[u8; FILTER]) -> Self {
        let wide = |at: usize| bytes[at..].first_chunk().map_or(0, |b| u64::from_ne_bytes(*b));
        let word = |at: usize| bytes[at..].first_chunk().map_or(0, |b| u32::from_ne_bytes(*b));
        let [address, mask] = [bytes[24], bytes[25]];
        Self {
            name: (wide(0) & wide(8), wide(8)),
            pgn: (word(16) & word(20), word(20)),
            address: (address & mask, mask),
        }
    }
}
