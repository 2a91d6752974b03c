//! TIME_WAIT (RFC 9293 3.4.1, 3.6.1) as a small entry of ours: the engine's connection is gone by then.

use std::collections::HashMap;
use std::sync::Arc;

use super::isn::Keyed;
use super::segment::{ACK, Bare, FIN, Flag, RST, SYN, Segment, Tuple, before};
use super::signature::Key;
use crate::base::Instant;
use crate::stack::ports::Claim;

/// A connection that ended here and whose last segments may still be under way.
#[derive(Clone, Debug)]
pub(super) struct TimeWait {
    pub(super) number: u64,
    pub(super) snd_nxt: u32,
    pub(super) rcv_nxt: u32,
    pub(super) window: u16,
    pub(super) ttl: u8,
    pub(super) signature: Option<Arc<Key>>,
    pub(super) claim: Option<Claim>,
    pub(super) until: Instant,
}

/// What a segment to such an entry calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The ACK again.
    Ack,
    /// Nothing.
    Drop,
    /// A new connection may have this tuple.
    Reopen,
}

/// The entries.
#[derive(Debug)]
pub(super) struct TimeWaits {
    by_tuple: HashMap<Tuple, TimeWait, Keyed>,
    by_number: HashMap<u64, Tuple>,
    last: u64,
}

impl TimeWaits {
    pub(super) fn new(keyed: Keyed) -> Self {
        Self { by_tuple: HashMap::with_hasher(keyed), by_number: HashMap::new(), last: 0 }
    }

    /// Takes an entry in and gives it its number.
    pub(super) fn insert(&mut self, tuple: Tuple, mut entry: TimeWait) -> u64 {
        self.last += 1;
        entry.number = self.last;
        self.by_number.insert(self.last, tuple);
        if let Some(old) = self.by_tuple.insert(tuple, entry) {
            self.by_number.remove(&old.number);
        }
        self.last
    }

    pub(super) fn get(&self, tuple: &Tuple) -> Option<&TimeWait> {
        self.by_tuple.get(tuple)
    }

    pub(super) fn remove(&mut self, tuple: &Tuple) -> Option<TimeWait> {
        let entry = self.by_tuple.remove(tuple)?;
        self.by_number.remove(&entry.number);
        Some(entry)
    }

    /// Its time is over.
    pub(super) fn expire(&mut self, number: u64) -> Option<TimeWait> {
        let tuple = *self.by_number.get(&number)?;
        self.remove(&tuple)
    }

    pub(super) fn len(&self) -> usize {
        self.by_tuple.len()
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (&Tuple, &TimeWait)> {
        self.by_tuple.iter()
    }

    pub(super) fn tuples(&self) -> impl Iterator<Item = &Tuple> {
        self.by_tuple.keys()
    }
}

impl TimeWait {
    pub(super) fn judge(&self, segment: &Segment) -> Verdict {
        // RFC 1337 3: RSTs are ignored in TIME_WAIT, so that no old duplicate can cut it short.
        if segment.has(RST) {
            return Verdict::Drop;
        }
        if segment.has(SYN) {
            // RFC 9293 3.10.7.4: a new SYN may reopen the connection if its sequence number is above the last one used.
            let reopens = !segment.has(ACK) && before(self.rcv_nxt, segment.seq);
            return if reopens { Verdict::Reopen } else { Verdict::Ack };
        }
        // "The only thing that can arrive in this state is a retransmission of the remote FIN. Acknowledge it."
        if segment.has(FIN) || segment.payload > 0 || segment.seq != self.rcv_nxt {
            return Verdict::Ack;
        }
        Verdict::Drop
    }

    /// The last ACK once more.
    pub(super) fn ack(&self) -> Bare {
        Bare { seq: self.snd_nxt, ack: Some(self.rcv_nxt), window: self.window, flag: Flag::None }
    }
}
