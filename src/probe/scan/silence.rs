//! UDP's silence, judged. Hosts limit how often they say "port unreachable" (Linux by icmp_ratelimit: six at once, then one in a
//! second for each peer), so that a closed port may be silent as well. Behind silent ports a witness is asked, a port that the
//! target has called closed before: only if that one is refused now, the target had words left for the others, too.

use std::collections::VecDeque;
use std::time::Duration;

use crate::base::Instant;

/// Ports in one trial, at most.
const MOST_PORTS: usize = 32;
/// Between a trial that said nothing and the next one: doubled each time, halved by each that did.
const GAP: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(500)];
/// Trials without any word, one after the other, until the target is taken for dumb: about ten seconds.
const MOST_TRIALS: u8 = 16;

/// The silent ports of a target that has refused others.
#[derive(Debug)]
pub(super) struct Silence {
    witness: u16,
    silent: VecDeque<u16>,
    trial: Option<Trial>,
    /// Ports of the next trial.
    size: usize,
    gap: Duration,
    /// When the next trial may begin.
    next: Instant,
    /// Trials without a word since the last one with some.
    dumb: u8,
}

/// Ports that have been asked once more, and the witness behind them.
#[derive(Debug)]
struct Trial {
    ports: Vec<u16>,
    deadline: Instant,
}

/// What is to be done now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing before this time.
    Wait(Instant),
    /// Ask these ports, in this order.
    Ask(Vec<u16>),
    /// These are silent for all that can be known.
    GiveUp(Vec<u16>),
    /// No port is left.
    Done,
}

impl Silence {
    pub(super) fn new(witness: u16, now: Instant) -> Self {
        Self { witness, silent: VecDeque::new(), trial: None, size: 1, gap: GAP[0], next: now, dumb: 0 }
    }

    /// A port that said nothing, however often it was asked.
    pub(super) fn push(&mut self, port: u16) {
        self.silent.push_back(port);
    }

    /// The target has refused a port. If that is the witness of a trial: the ports in front of it are silent of their own will.
    pub(super) fn refused(&mut self, port: u16) -> Vec<u16> {
        match self.trial.take_if(|_| port == self.witness) {
            Some(trial) => {
                self.has_spoken();
                trial.ports
            }
            None => Vec::new(),
        }
    }

    fn has_spoken(&mut self) {
        (self.dumb, self.size) = (0, (self.size * 2).min(MOST_PORTS));
        self.gap = (self.gap / 2).max(GAP[0]);
    }

    /// Goes on. `patience` is how long an answer takes; a port of which something is known meanwhile does not `wait` any more.
    pub(super) fn step(&mut self, now: Instant, patience: Duration, waits: impl Fn(u16) -> bool) -> Step {
        if let Some(mut trial) = self.trial.take() {
            let asked = trial.ports.len();
            trial.ports.retain(|port| waits(*port));
            if trial.ports.is_empty() {
                self.has_spoken();
            } else if now < trial.deadline {
                let deadline = trial.deadline;
                self.trial = Some(trial);
                return Step::Wait(deadline);
            } else {
                // Some words were left, but not enough for all: nothing is known of the rest.
                self.dumb = if trial.ports.len() < asked { 0 } else { self.dumb.saturating_add(1) };
                self.silent.extend(trial.ports);
                self.gap = (self.gap * 2).min(GAP[1]);
                (self.size, self.next) = (1, now + self.gap);
            }
        }
        self.silent.retain(|port| waits(*port));
        if self.silent.is_empty() {
            return Step::Done;
        }
        if self.dumb >= MOST_TRIALS {
            return Step::GiveUp(self.silent.drain(..).collect());
        }
        if now < self.next {
            return Step::Wait(self.next);
        }
        let mut ports: Vec<_> = self.silent.drain(..self.size.min(self.silent.len())).collect();
        self.trial = Some(Trial { ports: ports.clone(), deadline: now + patience });
        ports.push(self.witness);
        Step::Ask(ports)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const RTT: Duration = Duration::from_millis(1);
    const PATIENCE: Duration = Duration::from_millis(100);

    /// Judges 200 ports of a host that says "unreachable" so often in a second at most; every seventh is silent of its own will.
    fn judged(rate: u64) -> (BTreeSet<u16>, BTreeSet<u16>, Instant) {
        let (mut silence, mut now, mut spoken) = (Silence::new(9999, Instant::ZERO), Instant::ZERO, 0_u64);
        let (mut waiting, mut silent): (BTreeSet<u16>, _) = ((1..=200).collect(), BTreeSet::new());
        (1..=200).for_each(|port| silence.push(port));
        loop {
            match silence.step(now, PATIENCE, |port| waiting.contains(&port)) {
                Step::Done => break,
                Step::GiveUp(ports) => panic!("{ports:?}"),
                Step::Wait(until) => now = until,
                Step::Ask(ports) => {
                    for port in ports {
                        if (port == 9999 || port % 7 != 0) && spoken * 1000 < now.as_millis() * rate {
                            spoken += 1;
                            waiting.remove(&port);
                            for port in silence.refused(port) {
                                if waiting.remove(&port) {
                                    silent.insert(port);
                                }
                            }
                        }
                    }
                    now += RTT;
                }
            }
        }
        (silent, waiting, now)
    }

    #[test]
    fn only_ports_that_are_silent_are_called_so() {
        let wanted: BTreeSet<u16> = (1..=200).filter(|port| port % 7 == 0).collect();
        for (rate, most) in [(1, 240), (10, 45), (1_000_000, 2)] {
            let (silent, waiting, took) = judged(rate);
            assert_eq!((&silent, waiting.len()), (&wanted, 0), "{rate} a second");
            assert!(took.as_millis() < most * 1000, "{rate} a second took {took:?}");
        }
    }

    #[test]
    fn a_host_that_falls_silent_is_given_up() {
        let (mut silence, mut now) = (Silence::new(9, Instant::ZERO), Instant::ZERO);
        silence.push(1);
        loop {
            match silence.step(now, PATIENCE, |_| true) {
                Step::Ask(ports) => assert_eq!(ports, [1, 9]),
                Step::Wait(until) => now = until,
                over => break assert_eq!(over, Step::GiveUp(vec![1])),
            }
        }
        assert!((5..15).contains(&(now.as_millis() / 1000)), "{now:?}");
        assert_eq!(silence.step(now, PATIENCE, |_| true), Step::Done);
    }
}
