//! Groups (RTNLGRP_*): who has joined hears of every change, whoever made it: `ip monitor`.
//!
//! What was told last is kept while anybody listens. After a change its table is looked through again, and what differs is told: so
//! messages are made in one place, `dump.rs`, and who changes something says only in which table.

use std::collections::BTreeMap;

use super::Queued;
use super::dump::{Dump, Listing};
use super::request::{RTM_NEWADDR, RTM_NEWLINK, RTM_NEWNEIGH, RTM_NEWROUTE};
use crate::base::constants::{AF_INET, NETLINK_ROUTE};
use crate::base::netlink::{Message, attributes, messages};
use crate::base::{Errno, Instant, Reason, Result, SocketId};
use crate::stack::Stack;
use crate::stack::net::Matter;

/// What the listeners know.
#[derive(Debug, Default)]
pub(in crate::stack) struct Monitor {
    /// Of each table; empty while nobody listens.
    told: [Known; Matter::ALL.len()],
    /// The groups that somebody has joined; bit n - 1 = group n.
    joined: u64,
    /// When the next neighbour gets stale by its age alone.
    ages: Option<Instant>,
}

/// By what a message is about.
type Known = BTreeMap<Vec<u8>, Told>;

#[derive(Debug)]
struct Told {
    /// The message without what changes all the time.
    substance: Vec<u8>,
    message: Vec<u8>,
}

/// RTNLGRP_* of a message.
fn group(message: &Message<'_>) -> u32 {
    let v4 = i32::from(message.byte(0)) == AF_INET;
    match message.kind & !3 {
        RTM_NEWLINK => 1,
        RTM_NEWNEIGH => 3,
        RTM_NEWADDR if v4 => 5,
        RTM_NEWADDR => 9,
        _ if v4 => 7,
        _ => 11,
    }
}

/// The header of this kind of message, what in it and in its attributes says which one it is about, and the attributes that say
/// nothing new: statistics and ages.
fn shape(kind: u16) -> (usize, &'static [usize], &'static [u16], &'static [u16]) {
    match kind {
        // Index; IFLA_STATS, IFLA_STATS64.
        RTM_NEWLINK => (16, &[4, 5, 6, 7], &[], &[7, 23]),
        // Family, prefix, index, IFA_ADDRESS; IFA_CACHEINFO.
        RTM_NEWADDR => (8, &[0, 1, 4, 5, 6, 7], &[1], &[6]),
        // Family, index, NDA_DST; NDA_CACHEINFO, NDA_PROBES.
        RTM_NEWNEIGH => (12, &[0, 4, 5, 6, 7], &[1], &[3, 4]),
        // Of a route all: it is another one if anything is different. Its flags say whether the link is up. RTA_CACHEINFO.
        RTM_NEWROUTE => (12, &[0, 1, 2, 3, 4, 5, 6, 7], &[1, 4, 5, 6, 7, 15], &[12]),
        _ => (0, &[], &[], &[]),
    }
}

/// What a message is about, and what it says of it.
fn read(message: &Message<'_>) -> (Vec<u8>, Vec<u8>) {
    const DELAY: u16 = 8;
    const STALE: u16 = 4;
    let (header, bytes, named, passing) = shape(message.kind);
    let mut key: Vec<u8> = bytes.iter().map(|at| message.byte(*at)).collect();
    let mut substance = message.body.get(..header).unwrap_or_default().to_vec();
    match message.kind {
        // __neigh_event_send tells nobody that a stale neighbour is used.
        RTM_NEWNEIGH if neighbour_state(message) == DELAY => {
            substance.splice(8..10, STALE.to_ne_bytes());
        }
        RTM_NEWROUTE => substance.truncate(8),
        _ => {}
    }
    for (kind, value) in attributes(message.body.get(header..).unwrap_or_default()) {
        if named.contains(&kind) {
            key.extend(kind.to_ne_bytes());
            key.extend(value);
        }
        if !passing.contains(&kind) {
            substance.extend(kind.to_ne_bytes());
            substance.extend(value);
        }
    }
    (key, substance)
}

/// NUD_*.
fn neighbour_state(message: &Message<'_>) -> u16 {
    u16::from_ne_bytes([message.byte(8), message.byte(9)])
}

impl Monitor {
    /// When something is to be told that nothing but time has changed.
    pub(in crate::stack) fn deadline(&self) -> Option<Instant> {
        self.ages
    }
}

impl Stack {
    /// Somebody has joined groups, or left them: setsockopt(2), bind(2), close(2).
    pub(super) fn netlink_listeners(&mut self) {
        let of = |(_, entry): (SocketId, &crate::stack::table::Entry)| {
            let route = entry.protocol == NETLINK_ROUTE;
            entry.netlink().ok().filter(|_| route).map_or(0, |netlink| netlink.groups)
        };
        let joined = self.sockets.iter().map(of).fold(0, |all, groups| all | groups);
        let before = std::mem::replace(&mut self.monitor.joined, joined);
        if joined == 0 {
            self.monitor = Monitor::default();
        } else if before == 0 {
            // What is there by now is no news.
            for matter in Matter::ALL {
                self.netlink_news(matter);
            }
            self.net.changed = Default::default();
        }
    }

    /// NETLINK_ADD_MEMBERSHIP, NETLINK_DROP_MEMBERSHIP. EINVAL for a group that there is not.
    pub(in crate::stack) fn netlink_membership(
        &mut self,
        id: SocketId,
        group: i32,
        join: bool,
    ) -> Result<()> {
        /// RTNLGRP_MAX, rounded up to what one word of Linux's holds.
        const GROUPS: i32 = 64;
        if !(1..=GROUPS).contains(&group) {
            return Err(Errno::EINVAL.because(Reason::OptionValue));
        }
        let groups = &mut self.sockets.get_mut(id)?.netlink_mut()?.groups;
        let bit = 1 << (group - 1);
        *groups = if join { *groups | bit } else { *groups & !bit };
        self.netlink_listeners();
        Ok(())
    }

    /// NETLINK_LIST_MEMBERSHIPS: a bit for each group.
    pub(in crate::stack) fn netlink_memberships(&self, id: SocketId) -> Result<Vec<u8>> {
        Ok(self.sockets.get(id)?.netlink()?.groups.to_ne_bytes().to_vec())
    }

    /// Tells the listeners what has changed; `cause`: the sequence and port of the request that did it.
    pub(in crate::stack) fn netlink_tell(&mut self, cause: (u32, u32)) {
        if self.monitor.ages.is_some_and(|at| at <= self.net.now) {
            self.net.changed(Matter::Neighbours);
        }
        let changed = std::mem::take(&mut self.net.changed);
        if self.monitor.joined == 0 {
            return;
        }
        for matter in Matter::ALL.into_iter().filter(|matter| changed[*matter as usize]) {
            for mut bytes in self.netlink_news(matter) {
                let Some(group) = messages(&bytes).next().map(|message| group(&message)) else { continue };
                if matter != Matter::Links {
                    bytes.splice(8..16, [cause.0.to_ne_bytes(), cause.1.to_ne_bytes()].concat());
                }
                self.netlink_multicast(group, &bytes);
            }
        }
    }

    fn netlink_multicast(&mut self, group: u32, bytes: &[u8]) {
        let bit = 1_u64 << (group - 1);
        let hears = |entry: &crate::stack::table::Entry| {
            entry.protocol == NETLINK_ROUTE && entry.netlink().is_ok_and(|n| n.groups & bit != 0)
        };
        let listeners = self.sockets.iter().filter(|(_, entry)| hears(entry));
        let mut listeners: Vec<SocketId> = listeners.map(|(id, _)| id).collect();
        listeners.sort_unstable();
        for id in listeners {
            // It is there: it was found a moment ago.
            let _ = self.netlink_queue(id, Queued { bytes: bytes.to_vec(), groups: bit as u32 });
        }
    }

    /// What is different in a table from what was told, as messages: what has gone, then what is new.
    fn netlink_news(&mut self, matter: Matter) -> Vec<Vec<u8>> {
        const INCOMPLETE: u16 = 1;
        const FAILED: u16 = 0x20;
        /// Of struct ndmsg, behind the message's header.
        const STATE: std::ops::Range<usize> = 24..26;
        let listing = match matter {
            Matter::Links => Listing::Links,
            Matter::Addresses => Listing::Addresses,
            Matter::Routes => Listing::Routes,
            Matter::Neighbours => Listing::Neighbours,
        };
        if matter == Matter::Neighbours {
            self.monitor.ages = self.net.neighbours().filter_map(|n| n.stale_at(self.net.now)).min();
        }
        let dump = Dump { listing, family: 0, interface: 0, sequence: 0, done: 0 };
        let mut before = std::mem::take(&mut self.monitor.told[matter as usize]);
        let mut now = Known::new();
        let mut new = Vec::new();
        for draft in self.net.dump(&dump) {
            let message = draft.finish(0, 0, 0);
            let Some(read_as) = messages(&message).next() else { continue };
            let (key, substance) = read(&read_as);
            // neigh_update_notify is not for who is only asked for.
            let asked = read_as.kind == RTM_NEWNEIGH && neighbour_state(&read_as) == INCOMPLETE;
            let old = before.remove(&key);
            match old {
                Some(old) if asked || old.substance == substance => drop(now.insert(key, old)),
                None if asked => {}
                _ => {
                    new.push(message.clone());
                    now.insert(key, Told { substance, message });
                }
            }
        }
        self.monitor.told[matter as usize] = now;
        // RTM_DEL* is the next number after RTM_NEW*.
        let gone = before.into_values().flat_map(|Told { mut message, .. }| {
            // neigh_delete: it fails first, and that is told.
            let failed = (matter == Matter::Neighbours).then(|| {
                if let Some(state) = message.get_mut(STATE) {
                    state.copy_from_slice(&FAILED.to_ne_bytes());
                }
                message.clone()
            });
            if let Some(kind) = message.get_mut(4) {
                *kind += 1;
            }
            failed.into_iter().chain([message])
        });
        gone.chain(new).collect()
    }
}
