//! The flow table: from the four numbers of a segment to its connection in one step, and the timers of all that has one.

use std::collections::{BTreeSet, HashMap};

use super::flow::Flow;
use super::isn::Keyed;
use super::segment::Tuple;
use crate::base::Instant;

/// The number of a flow; never means another one later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FlowId {
    slot: u32,
    generation: u32,
}

/// Whose time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    Flow(FlowId),
    /// By the number of the entry in its table.
    HalfOpen(u64),
    TimeWait(u64),
}

/// The connections, by number and by their two ends.
#[derive(Debug)]
pub(super) struct Flows {
    slots: Vec<(u32, Option<Box<Flow>>)>,
    free: Vec<u32>,
    by_tuple: HashMap<Tuple, FlowId, Keyed>,
    live: usize,
}

impl Flows {
    pub(super) fn new(keyed: Keyed) -> Self {
        Self { slots: Vec::new(), free: Vec::new(), by_tuple: HashMap::with_hasher(keyed), live: 0 }
    }

    /// Takes a connection in; segments of its tuple find it.
    pub(super) fn insert(&mut self, flow: Flow) -> FlowId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push((0, None));
            (self.slots.len() - 1) as u32
        });
        let place = &mut self.slots[slot as usize];
        let id = FlowId { slot, generation: place.0 };
        self.by_tuple.insert(flow.tuple, id);
        place.1 = Some(Box::new(flow));
        self.live += 1;
        id
    }

    pub(super) fn find(&self, tuple: &Tuple) -> Option<FlowId> {
        self.by_tuple.get(tuple).copied()
    }

    pub(super) fn get(&self, id: FlowId) -> Option<&Flow> {
        let (generation, flow) = self.slots.get(id.slot as usize)?;
        flow.as_deref().filter(|_| *generation == id.generation)
    }

    pub(super) fn get_mut(&mut self, id: FlowId) -> Option<&mut Flow> {
        let (generation, flow) = self.slots.get_mut(id.slot as usize)?;
        flow.as_deref_mut().filter(|_| *generation == id.generation)
    }

    /// No segment finds it any more; its number still does.
    pub(super) fn detach(&mut self, id: FlowId) {
        if let Some(flow) = self.get(id) {
            let tuple = flow.tuple;
            if self.by_tuple.get(&tuple) == Some(&id) {
                self.by_tuple.remove(&tuple);
            }
        }
    }

    /// It is gone.
    pub(super) fn remove(&mut self, id: FlowId) -> Option<Box<Flow>> {
        self.get(id)?;
        self.detach(id);
        let place = self.slots.get_mut(id.slot as usize)?;
        place.0 = place.0.wrapping_add(1);
        self.free.push(id.slot);
        self.live -= 1;
        place.1.take()
    }

    pub(super) fn len(&self) -> usize {
        self.live
    }

    /// All, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Flow> {
        self.slots.iter().filter_map(|(_, flow)| flow.as_deref())
    }

    /// Those of which `wanted` says so (an address is gone): the one place that walks over all.
    pub(super) fn select(&self, wanted: impl Fn(&Flow) -> bool) -> Vec<FlowId> {
        let found = self.slots.iter().enumerate().filter_map(|(slot, (generation, flow))| {
            let flow = flow.as_deref()?;
            wanted(flow).then_some(FlowId { slot: slot as u32, generation: *generation })
        });
        found.collect()
    }
}

/// Deadlines in their order, at most one of each timer.
#[derive(Debug, Default)]
pub(super) struct Timers(BTreeSet<(Instant, Timer)>);

impl Timers {
    pub(super) fn first(&self) -> Option<Instant> {
        self.0.first().map(|(at, _)| *at)
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next timer that has run out.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Timer> {
        if self.first()? > now {
            return None;
        }
        self.0.pop_first().map(|(_, timer)| timer)
    }

    pub(super) fn set(&mut self, at: Instant, timer: Timer) {
        self.0.insert((at, timer));
    }

    pub(super) fn cancel(&mut self, at: Instant, timer: Timer) {
        self.0.remove(&(at, timer));
    }

    /// Sets a timer whose present setting is in `armed`. A later deadline waits until the earlier one has run out: most are
    /// pushed back again and again, and this costs nothing then.
    pub(super) fn rearm(&mut self, armed: &mut Option<Instant>, at: Option<Instant>, timer: Timer) {
        let Some(at) = at else { return };
        match *armed {
            Some(before) if before <= at => {}
            before => {
                if let Some(before) = before {
                    self.cancel(before, timer);
                }
                self.set(at, timer);
                *armed = Some(at);
            }
        }
    }
}
