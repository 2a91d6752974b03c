//! What is due when: at most one deadline for each key.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::Instant;

/// A set of deadlines. Setting, cancelling and taking the next one cost O(log n); asking for the next one is cheap.
#[derive(Debug)]
pub(crate) struct Timers<K> {
    queue: BTreeSet<(Instant, K)>,
    due: BTreeMap<K, Instant>,
}

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Self { queue: BTreeSet::new(), due: BTreeMap::new() }
    }
}

impl<K: Ord + Copy> Timers<K> {
    /// Sets the key's deadline; an earlier one is forgotten.
    pub(crate) fn set(&mut self, key: K, at: Instant) {
        if let Some(old) = self.due.insert(key, at) {
            self.queue.remove(&(old, key));
        }
        self.queue.insert((at, key));
    }

    /// Forgets the key's deadline.
    pub(crate) fn cancel(&mut self, key: K) {
        if let Some(old) = self.due.remove(&key) {
            self.queue.remove(&(old, key));
        }
    }

    /// The key's deadline.
    pub(crate) fn get(&self, key: K) -> Option<Instant> {
        self.due.get(&key).copied()
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.queue.first().map(|(at, _)| *at)
    }

    /// Takes out a key whose deadline has come.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<K> {
        let (at, key) = *self.queue.first()?;
        if at > now {
            return None;
        }
        self.queue.pop_first();
        self.due.remove(&key);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_deadline_for_each_key() {
        let mut timers = Timers::default();
        timers.set('a', Instant::from_secs(3));
        timers.set('b', Instant::from_secs(2));
        timers.set('a', Instant::from_secs(1));
        assert_eq!(
            (timers.next(), timers.get('a')),
            (Some(Instant::from_secs(1)), Some(Instant::from_secs(1)))
        );
        assert_eq!(timers.pop(Instant::ZERO), None);
        assert_eq!(timers.pop(Instant::from_secs(9)), Some('a'));
        timers.cancel('b');
        assert_eq!((timers.pop(Instant::FAR), timers.next()), (None, None));
    }
}
