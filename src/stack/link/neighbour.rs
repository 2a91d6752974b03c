//! The neighbour table: which MAC has an IP address on a link; ARP and NDP share it, with Linux's states and times.
//!
//! ```text
//!            packet                answer                 30 s, next packet      5 s
//!   (none) ---------> Incomplete ---------> Reachable ------> Stale ----> Delay -----> Probe
//!                         | 3 s without          ^                          | answer     | 3 s without
//!                         v                      +--------------------------+------------+
//!                       Failed <-----------------------------------------------------------  (the next packet asks again)
//! ```

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

pub(crate) use crate::base::verb::NeighbourState;
use crate::base::{Errno, Error, Frame, IfIndex, Instant, Mac, Reason};
use crate::stack::link::ethernet::ethertype;
use crate::stack::net::{Matter, Timer};
use crate::stack::{Hints, Net};

/// RFC 4861 10: REACHABLE_TIME.
const REACHABLE: Duration = Duration::from_secs(30);
/// RFC 4861 10: DELAY_FIRST_PROBE_TIME.
const DELAY_FIRST_PROBE: Duration = Duration::from_secs(5);
/// RFC 4861 10: RETRANS_TIMER.
const RETRANSMIT: Duration = Duration::from_secs(1);
/// RFC 4861 10: MAX_MULTICAST_SOLICIT, MAX_UNICAST_SOLICIT.
const TRIES: u8 = 3;
/// Packets that wait for one neighbour; the oldest go first.
const WAITING: usize = 101;
/// Bytes that wait for all neighbours together.
const WAITING_BYTES: usize = 16 * 1024 * 1024;
/// Entries, static ones not counted.
const ENTRIES: usize = 8192;

/// An entry of the table.
#[derive(Debug)]
pub(crate) struct Neighbour {
    pub(crate) interface: IfIndex,
    pub(crate) address: IpAddr,
    /// Zero while it is not known.
    pub(crate) mac: Mac,
    /// As stored; [`Neighbour::state`] takes the age into account.
    stored: NeighbourState,
    /// RFC 4861's IsRouter flag.
    pub(crate) router: bool,
    confirmed: Instant,
    used: Instant,
    /// When its state or its MAC last changed.
    updated: Instant,
    tries: u8,
    waiting: VecDeque<Frame>,
}

use NeighbourState::{Delay, Failed, Incomplete, Noarp, Permanent, Probe, Reachable, Stale};

/// The table.
#[derive(Debug, Default)]
pub(crate) struct Neighbours {
    table: HashMap<(IfIndex, IpAddr), Neighbour>,
    /// Static ones among them.
    permanent: usize,
    waiting_bytes: usize,
}

/// What a message says about a neighbour.
#[derive(Clone, Copy, Debug)]
pub(in crate::stack) struct Learned {
    /// `None`: the message names no MAC; what is known is confirmed.
    pub(in crate::stack) mac: Option<Mac>,
    /// It may make a new entry.
    pub(in crate::stack) create: bool,
    /// It answers our question: the way to and fro works.
    pub(in crate::stack) solicited: bool,
    /// It may replace another MAC.
    pub(in crate::stack) overrides: bool,
    /// What it says of being a router.
    pub(in crate::stack) router: Option<bool>,
}

impl Neighbour {
    fn new(interface: IfIndex, address: IpAddr, now: Instant) -> Self {
        Self {
            interface,
            address,
            mac: Mac::ZERO,
            stored: Failed,
            router: false,
            confirmed: now,
            used: now,
            updated: now,
            tries: 0,
            waiting: VecDeque::new(),
        }
    }

    /// Its state at this moment.
    pub(crate) fn state(&self, now: Instant) -> NeighbourState {
        if self.stored == Reachable && now.since(self.confirmed) > REACHABLE { Stale } else { self.stored }
    }

    /// A person has fixed it.
    pub(super) fn is_permanent(&self) -> bool {
        self.stored == Permanent
    }

    /// When its age alone makes it stale, if that is still to come.
    pub(crate) fn stale_at(&self, now: Instant) -> Option<Instant> {
        // The first moment at which more than REACHABLE has passed.
        let at = self.confirmed + REACHABLE + Duration::from_nanos(1);
        (self.stored == Reachable && at > now).then_some(at)
    }

    /// When it was last confirmed, used, changed.
    pub(crate) fn ages(&self) -> [Instant; 3] {
        [self.confirmed, self.used, self.updated]
    }

    /// Questions that went out since there was an answer.
    pub(crate) fn probes(&self) -> u8 {
        if matches!(self.stored, Incomplete | Probe | Failed) { self.tries } else { 0 }
    }
}

impl Neighbours {
    pub(in crate::stack) fn get(&self, interface: IfIndex, address: IpAddr) -> Option<&Neighbour> {
        self.table.get(&(interface, address))
    }

    /// The entry, new if there is none; `None` if there is no room.
    fn entry(&mut self, interface: IfIndex, address: IpAddr, now: Instant) -> Option<&mut Neighbour> {
        let key = (interface, address);
        if self.is_full() && !self.table.contains_key(&key) {
            self.collect();
            if self.is_full() {
                return None;
            }
        }
        Some(self.table.entry(key).or_insert_with(|| Neighbour::new(interface, address, now)))
    }

    fn is_full(&self) -> bool {
        self.table.len() - self.permanent >= ENTRIES
    }

    /// Lets a packet wait. False if one was dropped: the oldest of this neighbour's, or this one if too many bytes wait.
    fn enqueue(&mut self, key: (IfIndex, IpAddr), frame: Frame) -> bool {
        let Some(entry) = self.table.get_mut(&key) else { return false };
        if self.waiting_bytes + frame.len() > WAITING_BYTES {
            return false;
        }
        self.waiting_bytes += frame.len();
        entry.waiting.push_back(frame);
        if entry.waiting.len() <= WAITING {
            return true;
        }
        // RFC 4861 7.2.2: "When a queue overflows, the new arrival SHOULD replace the oldest entry."
        self.waiting_bytes -= entry.waiting.pop_front().map_or(0, |oldest| oldest.len());
        false
    }

    /// Forgets the eighth of the entries that was not used for the longest time, of those that nobody waits for.
    fn collect(&mut self) {
        let idle = |n: &Neighbour| matches!(n.stored, Reachable | Stale | Failed);
        let mut ages: Vec<_> =
            self.table.iter().filter(|(_, n)| idle(n)).map(|(key, n)| (n.used, *key)).collect();
        ages.sort_unstable();
        for (_, key) in ages.iter().take(ENTRIES / 8) {
            self.table.remove(key);
        }
    }

    fn take_waiting(&mut self, key: (IfIndex, IpAddr)) -> VecDeque<Frame> {
        let waiting = self.table.get_mut(&key).map(|n| std::mem::take(&mut n.waiting)).unwrap_or_default();
        self.waiting_bytes -= waiting.iter().map(Frame::len).sum::<usize>();
        waiting
    }
}

impl Net {
    /// The table's entries, in no order.
    pub(crate) fn neighbours(&self) -> impl Iterator<Item = &Neighbour> {
        self.neighbours.table.values()
    }

    /// A static neighbour entry; `None` removes what is known.
    pub(crate) fn set_neighbour(
        &mut self,
        interface: IfIndex,
        address: IpAddr,
        mac: Option<Mac>,
    ) -> Result<(), Error> {
        if mac.is_some() {
            return self.put_neighbour(interface, address, mac, Permanent);
        }
        if self.interface(interface).is_none() {
            return Err(Errno::ENODEV.because(Reason::NoInterface));
        }
        self.changed(Matter::Neighbours);
        self.timers.cancel(Timer::Neighbour(interface, address));
        self.fail_waiting(interface, address);
        let gone = self.neighbours.table.remove(&(interface, address));
        self.neighbours.permanent -= usize::from(gone.is_some_and(|n| n.stored == Permanent));
        Ok(())
    }

    /// An entry as a person wants it (neigh_update with NEIGH_UPDATE_F_ADMIN); without a MAC it keeps the one that it has.
    pub(in crate::stack) fn put_neighbour(
        &mut self,
        interface: IfIndex,
        address: IpAddr,
        mac: Option<Mac>,
        state: NeighbourState,
    ) -> Result<(), Error> {
        if self.interface(interface).is_none() {
            return Err(Errno::ENODEV.because(Reason::NoInterface));
        }
        let now = self.now;
        self.changed(Matter::Neighbours);
        self.timers.cancel(Timer::Neighbour(interface, address));
        let Some(entry) = self.neighbours.entry(interface, address, now) else {
            return Err(Errno::ENOBUFS.because(Reason::NeighbourTableFull));
        };
        let was = std::mem::replace(&mut entry.stored, state);
        entry.mac = mac.unwrap_or(entry.mac);
        (entry.updated, entry.tries) = (now, 0);
        if state == Reachable {
            entry.confirmed = now;
        }
        let mac = entry.mac;
        self.neighbours.permanent += usize::from(state == Permanent);
        self.neighbours.permanent -= usize::from(was == Permanent);
        match state {
            Incomplete => {
                self.timers.set(Timer::Neighbour(interface, address), now + RETRANSMIT);
                self.solicit(interface, address, None);
            }
            Delay => self.timers.set(Timer::Neighbour(interface, address), now + DELAY_FIRST_PROBE),
            Probe => self.neighbour_due(interface, address),
            Failed => self.fail_waiting(interface, address),
            Noarp | Permanent | Reachable | Stale => self.flush_waiting(interface, address, mac),
        }
        Ok(())
    }

    /// NTF_ROUTER.
    pub(in crate::stack) fn set_router(&mut self, interface: IfIndex, address: IpAddr, router: bool) {
        if let Some(entry) = self.neighbours.table.get_mut(&(interface, address)) {
            entry.router = router;
        }
    }

    /// A neighbour's station address, if it is known.
    pub(crate) fn neighbour_mac(&self, interface: IfIndex, address: IpAddr) -> Option<Mac> {
        let neighbour = self.neighbours.get(interface, address)?;
        (!matches!(neighbour.stored, Incomplete | Failed)).then_some(neighbour.mac)
    }

    /// Asks for a neighbour's station address, as a packet to it would, if it is not known and nobody has asked.
    pub(crate) fn ask_neighbour(&mut self, interface: IfIndex, address: IpAddr) -> Result<(), Error> {
        let now = self.now;
        let Some(entry) = self.neighbours.entry(interface, address, now) else {
            return Err(Errno::ENOBUFS.because(Reason::NeighbourTableFull));
        };
        if entry.stored == Failed {
            (entry.stored, entry.tries) = (Incomplete, 1);
            self.timers.set(Timer::Neighbour(interface, address), now + RETRANSMIT);
            self.solicit(interface, address, None);
        }
        Ok(())
    }

    /// A neighbour that the kernel knows on a wire that is shared with it; `fresh`: it has answered just now, else it is asked
    /// again when it is used.
    pub(crate) fn copy_neighbour(&mut self, interface: IfIndex, address: IpAddr, mac: Mac, fresh: bool) {
        let learned =
            Learned { mac: Some(mac), create: true, solicited: fresh, overrides: true, router: None };
        self.learn_neighbour(interface, address, learned);
    }

    /// arp_req_set: somebody who has heard of a neighbour otherwise tells us. It is used, and verified when it is (NUD_STALE).
    pub(crate) fn learn_from_above(
        &mut self,
        interface: IfIndex,
        address: IpAddr,
        mac: Mac,
    ) -> Result<(), Error> {
        if self.interface(interface).is_none() {
            return Err(Errno::ENODEV.because(Reason::NoInterface));
        }
        self.copy_neighbour(interface, address, mac, false);
        Ok(())
    }

    /// Sends an IP packet to a neighbour, or lets it wait until the neighbour's MAC is known.
    pub(in crate::stack) fn neighbour_out(
        &mut self,
        interface: IfIndex,
        address: IpAddr,
        frame: Frame,
    ) -> Result<(), Error> {
        let now = self.now;
        let Some(entry) = self.neighbours.entry(interface, address, now) else {
            self.note(Reason::NeighbourTableFull, Some(interface), None);
            return Err(Errno::ENOBUFS.because(Reason::NeighbourTableFull));
        };
        entry.used = now;
        match entry.state(now) {
            Permanent | Noarp | Reachable | Delay | Probe => {}
            Stale => {
                // RFC 4861 7.3.3: "The first time a node sends a packet to a neighbor whose entry is STALE, the sender
                // changes the state to DELAY and sets a timer".
                entry.stored = Delay;
                self.timers.set(Timer::Neighbour(interface, address), now + DELAY_FIRST_PROBE);
            }
            state @ (Incomplete | Failed) => {
                (entry.stored, entry.tries) = (Incomplete, if state == Failed { 1 } else { entry.tries });
                if !self.neighbours.enqueue((interface, address), frame) {
                    self.note(Reason::NeighbourQueueFull, Some(interface), None);
                }
                if state == Failed {
                    self.timers.set(Timer::Neighbour(interface, address), now + RETRANSMIT);
                    self.solicit(interface, address, None);
                }
                return Ok(());
            }
        }
        let mac = entry.mac;
        self.ethernet_out(interface, mac, ethertype(address), frame)
    }

    /// Whether a packet that ends so still waits for its neighbour's MAC. To send it again would say nothing new (Linux:
    /// skb_still_in_host_queue).
    pub(in crate::stack) fn still_waits(&self, destination: IpAddr, hints: Hints, end: &[u8]) -> bool {
        let Ok(hop) = self.hop(destination, hints) else { return false };
        let entry = self.neighbours.get(hop.interface, hop.next_hop);
        entry.is_some_and(|entry| entry.waiting.iter().any(|frame| frame.bytes().ends_with(end)))
    }

    /// A message told something about a neighbour (RFC 826; RFC 4861 7.2.5).
    pub(in crate::stack) fn learn_neighbour(
        &mut self,
        interface: IfIndex,
        address: IpAddr,
        learned: Learned,
    ) {
        let now = self.now;
        // A group's MAC or none is nobody's station.
        if learned.mac.is_some_and(|mac| mac.is_multicast() || mac == Mac::ZERO) || address.is_multicast() {
            let reason = if address.is_ipv4() { Reason::ArpMalformed } else { Reason::NdpMalformed };
            return self.note(reason, Some(interface), None);
        }
        let known = self.neighbours.table.contains_key(&(interface, address));
        if !(known || learned.create && learned.mac.is_some()) {
            return;
        }
        let Some(entry) = self.neighbours.entry(interface, address, now) else {
            return self.note(Reason::NeighbourTableFull, Some(interface), None);
        };
        if matches!(entry.stored, Permanent | Noarp) {
            return;
        }
        self.changed[Matter::Neighbours as usize] = true;
        let unknown = matches!(entry.stored, Incomplete | Failed);
        let Some(mac) = learned.mac.or_else(|| (!unknown).then_some(entry.mac)) else { return };
        let differs = !unknown && mac != entry.mac;
        if differs && !learned.overrides {
            // RFC 4861 7.2.5 I: "If the state of the cache entry is REACHABLE, set it to STALE, but do not update the entry
            // in any other way."
            if entry.stored == Reachable {
                entry.stored = Stale;
            }
            return;
        }
        entry.mac = mac;
        entry.router = learned.router.unwrap_or(entry.router);
        if learned.solicited {
            entry.stored = Reachable;
            entry.confirmed = now;
        } else if unknown || differs {
            entry.stored = Stale;
        } else {
            return;
        }
        entry.updated = now;
        self.timers.cancel(Timer::Neighbour(interface, address));
        self.flush_waiting(interface, address, mac);
    }

    /// The timer of an entry: ask again, or give up.
    pub(in crate::stack) fn neighbour_due(&mut self, interface: IfIndex, address: IpAddr) {
        let now = self.now;
        self.changed(Matter::Neighbours);
        let Some(entry) = self.neighbours.table.get_mut(&(interface, address)) else { return };
        match entry.stored {
            Delay => (entry.stored, entry.tries) = (Probe, 0),
            Incomplete | Probe => {}
            Reachable | Stale | Failed | Noarp | Permanent => return,
        }
        if entry.tries < TRIES {
            entry.tries += 1;
            let mac = (entry.stored == Probe).then_some(entry.mac);
            self.timers.set(Timer::Neighbour(interface, address), now + RETRANSMIT);
            self.solicit(interface, address, mac);
        } else {
            entry.stored = Failed;
            self.fail_waiting(interface, address);
        }
    }

    /// Forgets the entries of an interface that are `meant`.
    pub(in crate::stack) fn forget_neighbours(
        &mut self,
        interface: IfIndex,
        meant: impl Fn(&Neighbour) -> bool,
    ) {
        let here = self.neighbours.table.values().filter(|n| n.interface == interface && meant(n));
        let gone: Vec<IpAddr> = here.map(|n| n.address).collect();
        for address in gone {
            // The interface is there: it has neighbours.
            let _ = self.set_neighbour(interface, address, None);
        }
        self.changed(Matter::Neighbours);
    }

    /// Asks who has an address: everybody, or the station that had it.
    fn solicit(&mut self, interface: IfIndex, address: IpAddr, mac: Option<Mac>) {
        match address {
            IpAddr::V4(ip) => self.arp_request(interface, ip, mac),
            IpAddr::V6(ip) => self.neighbour_solicitation(interface, ip, mac),
        }
    }

    fn flush_waiting(&mut self, interface: IfIndex, address: IpAddr, mac: Mac) {
        for frame in self.neighbours.take_waiting((interface, address)) {
            // A link that went down has counted the packet.
            let _ = self.ethernet_out(interface, mac, ethertype(address), frame);
        }
    }

    fn fail_waiting(&mut self, interface: IfIndex, address: IpAddr) {
        for frame in self.neighbours.take_waiting((interface, address)) {
            self.note(Reason::NeighbourFailed, Some(interface), None);
            self.host_unreachable(interface, &frame);
        }
    }
}
