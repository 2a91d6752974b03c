//! PACKET_FANOUT: several sockets hear as one; each frame goes to one of them (packet(7); the kernel's fanout_add, packet_rcv_fanout).

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::PacketSocket;
use crate::base::constants::*;
use crate::base::{Errno, Frame, IfIndex, LinkAddr, Reason, Result, SocketId};
use crate::stack::datagram::charge;
use crate::stack::{Stack, keyed_hash};
use crate::wire::filter::{Facts, Program};

/// Members of a group that does not say how many, and the most that it may say.
const MEMBERS: usize = 256;
const MEMBERS_MAX: u32 = 1 << 16;
/// ROLLOVER_HLEN: frames by whose flows a flow is known to be huge.
const HISTORY: usize = 16;

/// Sockets that share what one of them would hear.
#[derive(Debug)]
struct Group {
    /// PACKET_FANOUT_HASH ...
    kind: u8,
    /// PACKET_FANOUT_FLAG_*, their upper byte.
    flags: u8,
    most: usize,
    /// What all of them are bound to.
    heard: (u16, Option<IfIndex>),
    members: Vec<SocketId>,
    /// PACKET_FANOUT_LB: frames so far.
    turn: u32,
    /// PACKET_FANOUT_CBPF's.
    program: Option<Program>,
}

/// The host's groups, by their numbers.
#[derive(Debug, Default)]
pub(in crate::stack) struct Fanouts {
    groups: BTreeMap<u16, Group>,
    next: u16,
}

impl Fanouts {
    fn free(&mut self) -> Option<u16> {
        let after = (self.next..=u16::MAX).chain(0..self.next).find(|id| !self.groups.contains_key(id))?;
        self.next = after.wrapping_add(1);
        Some(after)
    }

    /// PACKET_FANOUT_FLAG_IGNORE_OUTGOING.
    pub(super) fn ignores_outgoing(&self, group: u16) -> bool {
        let flags = self.groups.get(&group).map_or(0, |group| i32::from(group.flags) << 8);
        flags & PACKET_FANOUT_FLAG_IGNORE_OUTGOING != 0
    }

    /// True if this socket is one of the group.
    fn has(&self, group: u16, socket: SocketId) -> bool {
        self.groups.get(&group).is_some_and(|group| group.members.contains(&socket))
    }
}

/// struct packet_rollover: whom a member's frames go to that it has no room for.
#[derive(Debug, Default)]
pub(super) struct Rollover {
    last: usize,
    history: [u32; HISTORY],
    /// struct tpacket_rollover_stats.
    all: u64,
    huge: u64,
    failed: u64,
}

/// packet_rcv_has_room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Room {
    None,
    Low,
    Normal,
}

impl PacketSocket {
    fn room(&self, buffer: usize, len: usize) -> Room {
        let left = buffer.saturating_sub(self.queue.charged() + charge(len));
        match left {
            0 => Room::None,
            _ if left > buffer >> 2 => Room::Normal,
            _ => Room::Low,
        }
    }
}

fn wrong() -> crate::base::Error {
    Errno::EINVAL.because(Reason::OptionValue)
}

impl Stack {
    /// fanout_add: `value` is struct fanout_args, or its first half.
    pub(super) fn packet_fanout(&mut self, id: SocketId, value: &[u8]) -> Result<()> {
        let (&[i0, i1, kind, flags], most) = match value {
            [head @ .., a, b, c, d] if value.len() == 8 => {
                (head.first_chunk().ok_or_else(wrong)?, u32::from_ne_bytes([*a, *b, *c, *d]))
            }
            _ => (value.try_into().map_err(|_| Errno::EINVAL.because(Reason::OptionLength))?, 0),
        };
        let mut number = u16::from_ne_bytes([i0, i1]);
        let (mut flags, has) = (flags, |flag: i32| i32::from(flags) << 8 & flag != 0);
        let rolls = has(PACKET_FANOUT_FLAG_ROLLOVER);
        if i32::from(kind) > PACKET_FANOUT_CBPF || i32::from(kind) == PACKET_FANOUT_ROLLOVER && rolls {
            return Err(wrong());
        }
        // A group that puts fragments together first would be another thing than what a packet socket hears here.
        if has(PACKET_FANOUT_FLAG_DEFRAG) {
            return Err(wrong().detail("fragments are not put together for packet sockets"));
        }
        let packet = self.sockets.get(id)?.packet()?;
        if packet.fanout.is_some() {
            return Err(Errno::EALREADY.because(Reason::AlreadyConnected));
        }
        let heard = packet.listens_to();
        let up = heard.1.is_none_or(|index| self.net.interface(index).is_some_and(|link| link.up));
        if has(PACKET_FANOUT_FLAG_UNIQUEID) {
            if number != 0 {
                return Err(wrong());
            }
            number = self.fanouts.free().ok_or(Errno::ENOMEM.because(Reason::TooManySockets))?;
            // "ephemeral flag for the first socket in the group: drop it"
            flags &= !((PACKET_FANOUT_FLAG_UNIQUEID >> 8) as u8);
        }
        let fits = match self.fanouts.groups.get(&number) {
            Some(group) => {
                let most_fits = most == 0 || most as usize == group.most;
                if group.flags != flags || !most_fits {
                    return Err(wrong());
                }
                (group.kind, group.heard) == (kind, heard)
            }
            None if most > MEMBERS_MAX => return Err(wrong()),
            None => true,
        };
        // "po->running".
        if !fits || heard.0 == 0 || !up {
            return Err(wrong());
        }
        let most = if most == 0 { MEMBERS } else { most as usize };
        let new = || Group { kind, flags, most, heard, members: Vec::new(), turn: 0, program: None };
        let group = self.fanouts.groups.entry(number).or_insert_with(new);
        if group.members.len() >= group.most {
            return Err(Errno::ENOSPC.because(Reason::TooManySockets));
        }
        group.members.push(id);
        let packet = self.sockets.get_mut(id)?.packet_mut()?;
        packet.fanout = Some(number);
        packet.rollover = (i32::from(kind) == PACKET_FANOUT_ROLLOVER || rolls).then(Box::default);
        self.packet_listen(id)
    }

    /// PACKET_FANOUT of getsockopt(2): the number, the kind, the flags.
    pub(super) fn packet_fanout_of(&self, id: SocketId) -> Result<i32> {
        let number = self.sockets.get(id)?.packet()?.fanout;
        let group = number.and_then(|number| Some((number, self.fanouts.groups.get(&number)?)));
        Ok(group.map_or(0, |(number, group)| {
            let [a, b] = number.to_ne_bytes();
            i32::from_ne_bytes([a, b, group.kind, group.flags])
        }))
    }

    /// PACKET_FANOUT_DATA: the program of PACKET_FANOUT_CBPF.
    pub(super) fn packet_fanout_data(&mut self, id: SocketId, value: &[u8]) -> Result<()> {
        let entry = self.sockets.get(id)?;
        let locked = entry.options.filter_locked;
        let number = entry.packet()?.fanout.ok_or_else(wrong)?;
        let group = self.fanouts.groups.get_mut(&number).ok_or_else(wrong)?;
        if i32::from(group.kind) != PACKET_FANOUT_CBPF {
            return Err(wrong());
        }
        if locked {
            return Err(Errno::EPERM.because(Reason::FilterLocked));
        }
        group.program = Some(Program::from_bytes(value)?);
        Ok(())
    }

    /// PACKET_ROLLOVER_STATS: struct tpacket_rollover_stats.
    pub(super) fn packet_rollover_stats(&self, id: SocketId) -> Result<Vec<u8>> {
        let packet = self.sockets.get(id)?.packet()?;
        let rollover = packet.rollover.as_deref().ok_or_else(wrong)?;
        Ok([rollover.all, rollover.huge, rollover.failed].map(u64::to_ne_bytes).concat())
    }

    /// fanout_release: the last one takes the group with it.
    pub(super) fn packet_leave_fanout(&mut self, id: SocketId) {
        let number = self.sockets.get_mut(id).and_then(|entry| entry.packet_mut()).ok();
        let Some(number) = number.and_then(|packet| packet.fanout.take()) else { return };
        let Some(group) = self.fanouts.groups.get_mut(&number) else { return };
        // __fanout_unlink: the last one takes its place.
        if let Some(at) = group.members.iter().position(|member| *member == id) {
            group.members.swap_remove(at);
        }
        if group.members.is_empty() {
            self.fanouts.groups.remove(&number);
        }
    }

    /// packet_rcv_fanout: who of these gets the frame; of each group one.
    pub(super) fn packet_share(
        &mut self,
        wanting: Vec<SocketId>,
        frame: &Frame,
        address: &LinkAddr,
        header: usize,
        sender: Option<SocketId>,
    ) -> Vec<SocketId> {
        if self.fanouts.groups.is_empty() {
            return wanting;
        }
        let (mut chosen, mut done) = (Vec::new(), Vec::new());
        for id in wanting {
            match self.sockets.get(id).and_then(|entry| entry.packet()).ok().and_then(|packet| packet.fanout)
            {
                None => chosen.push(id),
                Some(number) if done.contains(&number) => {}
                Some(number) => {
                    done.push(number);
                    // skb_loop_sk, match_fanout_group: nobody of a group hears what one of them has sent.
                    if !sender.is_some_and(|sender| self.fanouts.has(number, sender)) {
                        chosen.extend(self.packet_demux(number, frame, address, header));
                    }
                }
            }
        }
        chosen
    }

    fn packet_demux(
        &mut self,
        number: u16,
        frame: &Frame,
        address: &LinkAddr,
        header: usize,
    ) -> Option<SocketId> {
        let secret = self.net.config.secret;
        let random = self.net.random();
        let group = self.fanouts.groups.get_mut(&number)?;
        let count = group.members.len().max(1) as u64;
        let flow = keyed_hash(&secret, flow(frame.bytes(), address.protocol, header)) as u32;
        let at = match i32::from(group.kind) {
            PACKET_FANOUT_HASH => (u64::from(flow) * count) >> 32,
            PACKET_FANOUT_LB => {
                group.turn = group.turn.wrapping_add(1);
                u64::from(group.turn) % count
            }
            PACKET_FANOUT_RND => random % count,
            PACKET_FANOUT_CBPF => match &group.program {
                Some(program) => {
                    // skb->data: of what comes in the link header is behind it already.
                    let start = if address.packet_type == PACKET_OUTGOING { 0 } else { header };
                    let facts = Facts {
                        len: frame.len().saturating_sub(start),
                        start,
                        protocol: address.protocol,
                        packet_type: address.packet_type,
                        interface: address.interface,
                        hardware: address.hardware,
                        network: header,
                        random: random as u32,
                        ..Facts::default()
                    };
                    u64::from(program.run(frame.bytes(), &facts)) % count
                }
                None => 0,
            },
            // One processor and one queue are all that a host has; PACKET_FANOUT_ROLLOVER begins with the first too.
            _ => 0,
        } as usize;
        let first = i32::from(group.kind) == PACKET_FANOUT_ROLLOVER;
        if !first && i32::from(group.flags) << 8 & PACKET_FANOUT_FLAG_ROLLOVER == 0 {
            return group.members.get(at).copied();
        }
        let members = group.members.clone();
        let at = self.packet_roll_over(&members, at, !first, frame.len(), flow, random);
        members.get(at).copied()
    }

    /// fanout_demux_rollover: the member at `at`, or the next one that has room.
    fn packet_roll_over(
        &mut self,
        members: &[SocketId],
        at: usize,
        try_self: bool,
        len: usize,
        flow: u32,
        random: u64,
    ) -> usize {
        let room = |stack: &Self, at: usize| {
            let entry = members.get(at).and_then(|id| stack.sockets.get(*id).ok());
            let packet = entry.and_then(|entry| Some((entry.packet().ok()?, entry.options.recv_buffer)));
            packet.map_or(Room::None, |(packet, buffer)| packet.room(buffer, len))
        };
        let own = room(self, at);
        let rollover = |stack: &mut Self| {
            let entry = members.get(at).and_then(|id| stack.sockets.get_mut(*id).ok())?;
            entry.packet_mut().ok()?.rollover.take()
        };
        let Some(mut rolls) = rollover(self) else { return at };
        let stays = try_self && (own == Room::Normal || own == Room::Low && !rolls.is_huge(flow, random));
        let mut to = at;
        if !stays {
            let first = rolls.last.min(members.len().saturating_sub(1));
            let found = (first..members.len())
                .chain(0..first)
                .find(|next| !(try_self && *next == at) && room(self, *next) == Room::Normal);
            match found {
                Some(next) => {
                    (rolls.last, to) = (next, next);
                    rolls.all += 1;
                    rolls.huge += u64::from(try_self && own == Room::Low);
                }
                None => rolls.failed += 1,
            }
        }
        if let Some(Ok(packet)) =
            members.get(at).and_then(|id| self.sockets.get_mut(*id).ok()).map(|entry| entry.packet_mut())
        {
            packet.rollover = Some(rolls);
        }
        to
    }
}

impl Rollover {
    /// fanout_flow_is_huge: most of the frames of late are of this flow.
    fn is_huge(&mut self, flow: u32, random: u64) -> bool {
        let count = self.history.iter().filter(|known| **known == flow).count();
        if let Some(victim) = self.history.get_mut(random as usize % HISTORY) {
            *victim = flow;
        }
        count > HISTORY / 2
    }
}

/// What both directions of a flow have in common (__skb_get_hash_symmetric): the addresses and, of whole packets of TCP, UDP and their
/// like, the ports. What is no IP is one flow for each protocol.
fn flow(frame: &[u8], protocol: u16, header: usize) -> (u16, [(Option<IpAddr>, u16); 2], u8) {
    let packet = frame.get(header..).unwrap_or_default();
    let read = || {
        let (source, destination, transport, at) = match (protocol, packet) {
            (ETH_P_IP, [first, _, _, _, _, _, f0, f1, _, transport, ..]) => {
                let address = |at: usize| Some(IpAddr::from(*packet.get(at..)?.first_chunk::<4>()?));
                let whole = u16::from_be_bytes([*f0, *f1]) & 0x3fff == 0;
                (address(12)?, address(16)?, *transport, whole.then_some(usize::from(first & 15) * 4))
            }
            (ETH_P_IPV6, [_, _, _, _, _, _, transport, ..]) => {
                let address = |at: usize| Some(IpAddr::from(*packet.get(at..)?.first_chunk::<16>()?));
                (address(8)?, address(24)?, *transport, Some(40))
            }
            _ => return None,
        };
        let carries =
            matches!(i32::from(transport), IPPROTO_TCP | IPPROTO_UDP | IPPROTO_UDPLITE | IPPROTO_SCTP);
        let ports = at.filter(|_| carries).and_then(|at| packet.get(at..)?.first_chunk::<4>());
        let [a, b, c, d] = *ports.unwrap_or(&[0; 4]);
        let mut ends =
            [(Some(source), u16::from_be_bytes([a, b])), (Some(destination), u16::from_be_bytes([c, d]))];
        ends.sort();
        Some((protocol, ends, transport))
    };
    read().unwrap_or((protocol, [(None, 0); 2], 0))
}
