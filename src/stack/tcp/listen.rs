//! Listeners: handshakes that are not finished yet, and finished connections that wait for accept(2).
//!
//! A half-open connection is a SYN, a sequence number and a SYN|ACK; it gets its rings when the final ACK comes.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use super::engine::Rings;
use super::flow::Settings;
use super::flows::FlowId;
use super::isn::Keyed;
use super::segment::Tuple;
use super::signature::Key;
use crate::base::constants::AF_INET;
use crate::base::{IfIndex, Instant, SocketId};
use crate::stack::Hints;
use crate::stack::table::{Entry, Table};
use crate::wire::filter::Facts;

/// What a listening socket has.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) port: u16,
    pub(super) backlog: usize,
    /// Finished connections, oldest first.
    pub(super) queue: VecDeque<FlowId>,
    /// How many half-open ones are its own.
    pub(super) half_open: usize,
    /// How many of them stand already (Fast Open).
    pub(super) fast_open: usize,
    /// What was accepted waits somewhere else, and there is no room either.
    pub(super) held_back: bool,
}

impl Listener {
    /// Linux's sk_acceptq_is_full: one more than the backlog may wait.
    pub(super) fn is_full(&self) -> bool {
        self.held_back || self.queue.len() > self.backlog
    }
}

/// The listeners, by socket and by port.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    by_socket: HashMap<SocketId, Listener>,
    by_port: HashMap<u16, Vec<SocketId>>,
}

impl Listeners {
    pub(super) fn insert(&mut self, id: SocketId, port: u16, backlog: usize) {
        let (queue, half_open, fast_open) = (VecDeque::new(), 0, 0);
        let listener = Listener { port, backlog, queue, half_open, fast_open, held_back: false };
        if self.by_socket.insert(id, listener).is_none() {
            self.by_port.entry(port).or_default().push(id);
        }
    }

    pub(super) fn get(&self, id: SocketId) -> Option<&Listener> {
        self.by_socket.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: SocketId) -> Option<&mut Listener> {
        self.by_socket.get_mut(&id)
    }

    pub(super) fn remove(&mut self, id: SocketId) -> Option<Listener> {
        let listener = self.by_socket.remove(&id)?;
        if let Some(ids) = self.by_port.get_mut(&listener.port) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.by_port.remove(&listener.port);
            }
        }
        Some(listener)
    }

    /// Who gets a SYN: the most particular listener, as Linux scores them; among equal ones (SO_REUSEPORT) `lot` decides.
    pub(super) fn choose(
        &self,
        table: &Table,
        local: IpAddr,
        port: u16,
        interface: IfIndex,
        lot: u64,
    ) -> Option<SocketId> {
        let ids = self.by_port.get(&port)?;
        let scored =
            || ids.iter().filter_map(|id| Some((score(table.get(*id).ok()?, local, interface)?, *id)));
        let best = scored().map(|(score, _)| score).max()?;
        // SO_ATTACH_REUSEPORT_CBPF: it sees what is behind the header, which of a SYN is nothing.
        let mut group = scored().filter(|(score, _)| *score == best).map(|(_, id)| id);
        let balance = |id| Some((id, table.get(id).ok()?.balance.as_ref()?));
        if let Some((_, program)) = group.find_map(balance) {
            let facts = Facts { random: lot as u32, interface: interface.0, ..Facts::default() };
            let chosen = usize::try_from(program.run(&[], &facts)).ok()?;
            let mut group = scored().filter(|(score, _)| *score == best);
            if let Some((_, id)) = group.nth(chosen) {
                return Some(id);
            }
        }
        let equal = scored().filter(|(score, _)| *score == best).count() as u64;
        scored().filter(|(score, _)| *score == best).nth((lot % equal) as usize).map(|(_, id)| id)
    }
}

/// How well a listener fits; `None` = it does not hear this.
fn score(entry: &Entry, local: IpAddr, interface: IfIndex) -> Option<u8> {
    if entry.device.is_some_and(|device| device != interface) {
        return None;
    }
    let address = entry.local?.ip().to_canonical();
    let exact = !address.is_unspecified();
    let hears = if exact {
        address == local
    } else {
        address.is_ipv4() == local.is_ipv4() || address.is_ipv6() && !entry.options.v6only
    };
    let family = entry.domain == AF_INET;
    hears.then_some(u8::from(exact) * 4 + u8::from(entry.device.is_some()) * 2 + u8::from(family))
}

/// A SYN that has been answered.
#[derive(Debug)]
pub(super) struct HalfOpen {
    pub(super) number: u64,
    pub(super) listener: SocketId,
    /// Its connection, if Fast Open has let it stand.
    pub(super) flow: Option<FlowId>,
    /// The SYN as it came, from its IP header on, without payload.
    pub(super) syn: Box<[u8]>,
    pub(super) syn_ack: Box<[u8]>,
    /// Our sequence number and the peer's.
    pub(super) isn: u32,
    pub(super) irs: u32,
    /// Its final ACK came, without data, while TCP_DEFER_ACCEPT waits for some.
    pub(super) acknowledged: bool,
    /// How often the SYN|ACK was sent again.
    pub(super) retries: u32,
    /// When it was sent first, and when it is due again.
    pub(super) begun: Instant,
    pub(super) at: Instant,
    pub(super) hints: Hints,
    pub(super) mtu: (usize, usize),
    pub(super) settings: Settings,
    pub(super) signature: Option<Arc<Key>>,
}

impl HalfOpen {
    pub(super) fn rings(&self) -> Rings {
        self.settings.rings
    }
}

/// Handshakes that are not finished.
#[derive(Debug)]
pub(super) struct HalfOpens {
    by_tuple: HashMap<Tuple, Box<HalfOpen>, Keyed>,
    by_number: BTreeMap<u64, Tuple>,
    last: u64,
}

impl HalfOpens {
    pub(super) fn new(keyed: Keyed) -> Self {
        Self { by_tuple: HashMap::with_hasher(keyed), by_number: BTreeMap::new(), last: 0 }
    }

    pub(super) fn insert(&mut self, tuple: Tuple, mut half: HalfOpen) -> u64 {
        self.last += 1;
        half.number = self.last;
        self.by_number.insert(self.last, tuple);
        self.by_tuple.insert(tuple, Box::new(half));
        self.last
    }

    pub(super) fn get_mut(&mut self, tuple: &Tuple) -> Option<&mut HalfOpen> {
        self.by_tuple.get_mut(tuple).map(Box::as_mut)
    }

    pub(super) fn get(&self, tuple: &Tuple) -> Option<&HalfOpen> {
        self.by_tuple.get(tuple).map(Box::as_ref)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Tuple, &HalfOpen)> {
        self.by_tuple.iter().map(|(tuple, half)| (tuple, half.as_ref()))
    }

    pub(super) fn contains(&self, tuple: &Tuple) -> bool {
        self.by_tuple.contains_key(tuple)
    }

    pub(super) fn tuple(&self, number: u64) -> Option<Tuple> {
        self.by_number.get(&number).copied()
    }

    pub(super) fn remove(&mut self, tuple: &Tuple) -> Option<Box<HalfOpen>> {
        let half = self.by_tuple.remove(tuple)?;
        self.by_number.remove(&half.number);
        Some(half)
    }

    pub(super) fn len(&self) -> usize {
        self.by_tuple.len()
    }

    /// The oldest one of a listener; `None` also if many of others are older.
    pub(super) fn oldest(&self, listener: SocketId) -> Option<Tuple> {
        const LOOK: usize = 64;
        let mut tuples = self.by_number.values().take(LOOK);
        tuples.find(|tuple| self.by_tuple.get(tuple).is_some_and(|half| half.listener == listener)).copied()
    }

    /// Those of a listener that closes, or of an address that is gone.
    pub(super) fn select(&self, wanted: impl Fn(&Tuple, &HalfOpen) -> bool) -> Vec<Tuple> {
        self.by_tuple.iter().filter(|(tuple, half)| wanted(tuple, half)).map(|(tuple, _)| *tuple).collect()
    }
}
