//! Probes that wait for their answers.

use std::collections::{HashMap, VecDeque};

use super::identity::{Answer, Key, Question, Segment};
use crate::base::Instant;

/// Probes that are kept: about 60 MB. Of more, the oldest one is given up.
const MOST: usize = 1 << 18;
/// Probes with the same key that are looked at for one answer.
const TRIES: usize = 64;

/// Probes by their number, in the order in which they were sent.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// The number of the first one that is kept.
    first: u64,
    probes: VecDeque<Option<Probe>>,
    /// Those that wait, by what their answers will say; the oldest first.
    keys: HashMap<Key, VecDeque<u64>>,
    waiting: usize,
    /// Some were sent to all, or from nobody.
    vague: bool,
}

/// A probe without an answer.
#[derive(Clone, Copy, Debug)]
struct Probe {
    sent: Instant,
    question: Option<Question>,
}

impl Pending {
    /// Probes that wait.
    pub(super) const fn waiting(&self) -> usize {
        self.waiting
    }

    /// Their numbers.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u64> {
        let kept = self.probes.iter().enumerate();
        kept.filter(|(_, probe)| probe.is_some()).map(|(at, _)| self.first + at as u64)
    }

    /// The next probe. Gives the number of one that is not waited for any more.
    pub(super) fn push(&mut self, question: Option<Question>, sent: Instant) -> Option<u64> {
        let given_up = if self.probes.len() >= MOST { self.give_up() } else { None };
        let number = self.first + self.probes.len() as u64;
        self.probes.push_back(Some(Probe { sent, question }));
        self.waiting += 1;
        if let Some(Question { key, .. }) = question {
            self.vague |= key.to.is_unspecified() || key.from.is_unspecified();
            for key in keys(key) {
                self.keys.entry(key).or_default().push_back(number);
            }
        }
        given_up
    }

    /// The oldest one makes room.
    fn give_up(&mut self) -> Option<u64> {
        let number = self.first;
        let waited = self.take(number).is_some();
        // take() lets go of those in front that are answered.
        if self.first == number {
            self.probes.pop_front();
            self.first += 1;
        }
        waited.then_some(number)
    }

    /// A probe goes out once more.
    pub(super) fn again(&mut self, number: u64, sent: Instant) {
        if let Some(Some(probe)) = self.at(number).and_then(|at| self.probes.get_mut(at)) {
            probe.sent = sent;
        }
    }

    /// The probe that is answered, and when it was sent.
    pub(super) fn answered(&mut self, answer: &Answer) -> Option<(u64, Instant)> {
        let number = match answer {
            Answer::Error(quoted) => {
                let exact = |probe: &Question| probe.id == quoted.id;
                let (full, key) = (quoted.key, quoted.key.quoted());
                // Of several that look alike, the one with the same identification, else the oldest.
                self.find(full, exact).or_else(|| self.find(key, exact)).or_else(|| self.find(key, |_| true))
            }
            Answer::Direct(key, segment) => {
                let fits = |probe: &Question| fits(probe.segment, *segment);
                let mut number = self.find(*key, fits);
                if self.vague {
                    for key in [key.to_all(), key.by_nobody(), key.to_all().by_nobody()] {
                        number = number.or_else(|| self.find(key, fits));
                    }
                }
                number
            }
        }?;
        self.take(number).map(|probe| (number, probe.sent))
    }

    fn find(&self, key: Key, fits: impl Fn(&Question) -> bool) -> Option<u64> {
        let numbers = self.keys.get(&key)?.iter().take(TRIES).copied();
        let question = |number: &u64| {
            self.at(*number).and_then(|at| *self.probes.get(at)?).and_then(|probe| probe.question)
        };
        numbers.into_iter().find(|number| question(number).is_some_and(|question| fits(&question)))
    }

    fn at(&self, number: u64) -> Option<usize> {
        usize::try_from(number.checked_sub(self.first)?).ok()
    }

    /// It does not wait any more.
    fn take(&mut self, number: u64) -> Option<Probe> {
        let at = self.at(number)?;
        let probe = self.probes.get_mut(at)?.take()?;
        self.waiting -= 1;
        for key in probe.question.into_iter().flat_map(|question| keys(question.key)) {
            if let Some(numbers) = self.keys.get_mut(&key) {
                if let Ok(place) = numbers.binary_search(&number) {
                    numbers.remove(place);
                }
                if numbers.is_empty() {
                    self.keys.remove(&key);
                }
            }
        }
        while matches!(self.probes.front(), Some(None)) {
            self.probes.pop_front();
            self.first += 1;
        }
        Some(probe)
    }
}

/// The keys under which it is found: an ICMP error may quote too little for the first one.
fn keys(key: Key) -> impl Iterator<Item = Key> {
    let quoted = key.quoted();
    [Some(key), (quoted != key).then_some(quoted)].into_iter().flatten()
}

fn fits(asked: Option<Segment>, told: Option<Segment>) -> bool {
    match (asked, told) {
        (Some(asked), Some(told)) => asked.fits(&told),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::LinkType;
    use crate::wire::packet::{Nowhere, Packet};

    fn built(text: &str) -> Vec<u8> {
        text.parse::<Packet>().unwrap().build(&Nowhere).unwrap().bytes
    }

    fn question(text: &str) -> Option<Question> {
        Question::of(LinkType::Ip, &built(text))
    }

    #[test]
    fn memory_is_bounded() {
        let probe = question("ip(src=192.0.2.1, dst=192.0.2.2)/udp(sport=1, dport=2)");
        let mut pending = Pending::default();
        for number in 0..MOST as u64 {
            assert_eq!(pending.push(probe, Instant::from_nanos(number)), None);
        }
        assert_eq!(pending.push(probe, Instant::ZERO), Some(0));
        assert_eq!((pending.waiting(), pending.probes.len(), pending.keys.len()), (MOST, MOST, 1));
        let answer = built("ip(src=192.0.2.2, dst=192.0.2.1)/udp(sport=2, dport=1)");
        let answer = Answer::of(LinkType::Ip, &answer).unwrap();
        assert_eq!(pending.answered(&answer), Some((1, Instant::from_nanos(1))), "the oldest one");
        while pending.answered(&answer).is_some() {}
        assert_eq!((pending.waiting(), pending.probes.len(), pending.keys.len()), (0, 0, 0));
        assert_eq!(pending.push(probe, Instant::ZERO), None);
        assert_eq!(pending.numbers().collect::<Vec<_>>(), [MOST as u64 + 1]);
    }

    #[test]
    fn an_error_finds_its_probe_by_the_identification() {
        let mut pending = Pending::default();
        for id in 1..=9 {
            pending.push(
                question(&format!("ip(src=192.0.2.1, dst=192.0.2.2, id={id}, ttl={id})/udp()")),
                Instant::ZERO,
            );
        }
        let error = |id: u16| {
            let quoted = format!("ip(src=192.0.2.1, dst=192.0.2.2, id={id}, ttl=1)/udp()");
            let whole = built(&format!("ip(src=203.0.113.1, dst=192.0.2.1)/icmp(type=11)/{quoted}"));
            Answer::of(LinkType::Ip, &whole).unwrap()
        };
        assert_eq!(pending.answered(&error(5)).map(|(number, _)| number), Some(4));
        assert_eq!(pending.answered(&error(2)).map(|(number, _)| number), Some(1));
        assert_eq!(pending.answered(&error(77)).map(|(number, _)| number), Some(0), "else the oldest");
    }
}
