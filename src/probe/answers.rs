//! Probes are sent, and each is told with its answer, or without one.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use super::batch::Tally;
use super::identity::{Answer, Question};
use super::outlet::{Door, Outlet};
use super::pace::{Clockwork, Lateness, Ready};
use super::pending::Pending;
use super::send::Plan;
use super::sniffer::Sniffer;
use crate::base::constants::{ETH_P_ALL, SOCK_RAW};
use crate::base::{Errno, Error, Frame, IfIndex, Instant, LinkAddr, LinkType, Result};
use crate::driver::Host;
use crate::wire::checksum::update;
use crate::wire::packet::{Packet, Surroundings, Template};

/// Probes that are sent before answers are looked at.
const BURST: u64 = 64;

/// How long answers are waited for.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// After the last probe.
    pub timeout: Duration,
    /// How often what is not answered is sent again.
    pub retry: u8,
}

impl Default for Patience {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(2), retry: 0 }
    }
}

/// What became of a probe.
#[derive(Debug)]
pub enum Outcome {
    /// It was answered.
    Answered {
        /// Its number, from 0.
        number: u64,
        /// From when it was last sent until the answer came.
        time: Duration,
        /// The answer, with its Ethernet header.
        answer: Frame,
    },
    /// Nobody answered.
    Unanswered {
        /// Its number, from 0.
        number: u64,
    },
}

/// Sends the packets of one, and tells what became of each: an iterator over [`Outcome`]s, answers as they come, then what stayed
/// without one. Scapy calls it `sr`.
///
/// An answer is what comes back the same way (addresses and ports exchanged, an acknowledgment of what was sent; an echo reply with
/// identifier and number; ARP and NDP answers for the target; DNS with its identifier; of other protocols any packet between the
/// two), or an ICMP error that quotes the probe. Each probe has at most one. Where an IPv4 header does not say otherwise, its
/// identification is the probe's number, so that errors about probes that look alike find theirs.
///
/// Memory is bounded: of 262,144 probes without an answer the oldest is given up.
///
/// ```
/// # use sockatoo::{Host, probe::{Answers, Outcome, Patience, Plan}};
/// let host = Host::builder().build()?;
/// let packet = "ip(dst=127.0.0.1)/icmp(seq=1..3)".parse()?;
/// let mut answers = Answers::new(&host, &packet, &host, &Plan::default(), Patience::default())?;
/// assert!(answers.all(|outcome| matches!(outcome, Ok(Outcome::Answered { .. }))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Answers<'a> {
    outlet: Outlet,
    sniffer: Sniffer,
    door: Door,
    template: Template<'a>,
    clockwork: Clockwork,
    left: u64,
    limit: Option<Duration>,
    patience: Patience,
    number_ids: bool,
    pending: Pending,
    /// Probes whose packets have been made; those that could not be made are counted, too.
    made: u64,
    /// To be sent once more.
    again: VecDeque<u64>,
    retries: u8,
    phase: Phase,
    ready: VecDeque<Outcome>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Sending,
    Waiting(Instant),
    Done,
}

impl<'a> Answers<'a> {
    /// Probes of `packet` out of `host`. As [`super::Sending::new`]; `plan.repeat` needs a `plan.count` or a `plan.limit` to end.
    ///
    /// # Errors
    /// EINVAL and EMSGSIZE, of a packet that can't be built or that begins with neither Ethernet nor IP.
    pub fn new(
        host: &Host,
        packet: &Packet,
        around: &'a dyn Surroundings,
        plan: &Plan,
        patience: Patience,
    ) -> Result<Self> {
        let door = Door::of(packet)?;
        let mut template = Template::new(packet, around, plan.seed)?;
        let left = plan.count.unwrap_or_else(|| if plan.repeat { u64::MAX } else { template.count() });
        if left > template.count() || plan.repeat {
            template = template.repeat();
        }
        let outlet = Outlet::new(host, None);
        let sniffer = Sniffer::new(host, SOCK_RAW, LinkAddr::bind(IfIndex(0), ETH_P_ALL), "")?;
        let outer = packet.layers.iter().find(|layer| !matches!(layer.kind().name, "ether" | "dot3"));
        let ip = outer.filter(|layer| layer.kind().name == "ip");
        Ok(Self {
            outlet,
            sniffer,
            door,
            template,
            clockwork: Clockwork::new(plan.pace),
            left,
            limit: plan.limit,
            patience,
            number_ids: ip.is_some_and(|ip| ip.get("id").is_none()),
            pending: Pending::default(),
            made: 0,
            again: VecDeque::new(),
            retries: 0,
            phase: Phase::Sending,
            ready: VecDeque::new(),
        })
    }

    /// What was sent until now, repetitions included.
    pub const fn tally(&self) -> &Tally {
        self.outlet.tally()
    }

    /// How long it has taken until now.
    pub fn elapsed(&self) -> Duration {
        self.clockwork.elapsed(self.outlet.host().now())
    }

    /// How well the pace was kept.
    pub const fn lateness(&self) -> Lateness {
        self.clockwork.late
    }

    /// Probes that wait for an answer now.
    pub const fn waiting(&self) -> usize {
        self.pending.waiting()
    }

    /// Frames that came faster than they could be looked at, since this was last asked.
    pub fn lost(&self) -> u64 {
        self.sniffer.lost()
    }

    /// A probe's bytes, as they were sent.
    ///
    /// # Errors
    /// Those of [`Packet::build`]; EINVAL if there is no such probe.
    pub fn probe(&self, number: u64) -> Result<(LinkType, Vec<u8>)> {
        let built =
            self.template.build(number).unwrap_or_else(|| Err(Errno::EINVAL.with("no such probe")))?;
        let (link, mut bytes) = (built.link, built.bytes);
        if self.number_ids {
            number_id(link, number, &mut bytes);
        }
        Ok((link, bytes))
    }

    /// One step: sends what is due, takes what has come, waits a while.
    fn step(&mut self) -> Result<()> {
        let now = self.outlet.host().now();
        self.clockwork.begin(now);
        match self.phase {
            Phase::Sending => {
                let end = self.limit.map_or(Instant::FAR, |limit| self.clockwork.begun + limit);
                self.outlet.stop_at(end);
                if (self.left == 0 && self.again.is_empty()) || now >= end {
                    self.phase = Phase::Waiting(now + self.patience.timeout);
                    return Ok(());
                }
                let wait = match self.clockwork.ready(now) {
                    Ready::At(due) => due.min(end).since(now),
                    Ready::Packets(most) => {
                        self.send(most.min(BURST))?;
                        Duration::ZERO
                    }
                };
                self.listen(wait)
            }
            Phase::Waiting(until) if now < until && self.pending.waiting() > 0 => {
                self.listen(until.since(now))
            }
            Phase::Waiting(_) if self.retries < self.patience.retry && self.pending.waiting() > 0 => {
                self.retries += 1;
                self.again = self.pending.numbers().collect();
                self.left = 0;
                self.phase = Phase::Sending;
                Ok(())
            }
            Phase::Waiting(_) => {
                let given_up = std::mem::take(&mut self.pending);
                self.ready.extend(given_up.numbers().map(|number| Outcome::Unanswered { number }));
                self.phase = Phase::Done;
                Ok(())
            }
            Phase::Done => Ok(()),
        }
    }

    fn send(&mut self, most: u64) -> Result<()> {
        let link = if self.door == Door::Frame { LinkType::Ethernet } else { LinkType::Ip };
        let mut sent = 0;
        while sent < most {
            if let Some(number) = self.again.pop_front() {
                let (_, bytes) = self.probe(number)?;
                self.outlet.queue(self.door, &bytes)?;
                self.pending.again(number, self.outlet.host().now());
            } else if self.left > 0 {
                self.left -= 1;
                let number = self.made;
                let given_up = match self.template.next() {
                    None => {
                        self.left = 0;
                        break;
                    }
                    Some(Ok(packet)) => {
                        let mut bytes = Vec::new();
                        let packet = if self.number_ids {
                            bytes.extend_from_slice(packet);
                            number_id(link, number, &mut bytes);
                            &bytes
                        } else {
                            packet
                        };
                        self.outlet.queue(self.door, packet)?;
                        self.pending.push(Question::of(link, packet), self.outlet.host().now())
                    }
                    Some(Err(error)) => {
                        self.outlet.fail(error);
                        self.pending.push(None, self.outlet.host().now())
                    }
                };
                self.made += 1;
                self.ready.extend(given_up.map(|number| Outcome::Unanswered { number }));
            } else {
                break;
            }
            sent += 1;
        }
        self.clockwork.sent(sent);
        self.outlet.flush()
    }

    /// Takes what has come, and waits at most so long for it.
    fn listen(&mut self, wait: Duration) -> Result<()> {
        for captured in self.sniffer.hear(wait)? {
            let frame = captured.frame;
            let answer = Answer::of(frame.link, frame.bytes());
            if let Some((number, sent)) = answer.and_then(|answer| self.pending.answered(&answer)) {
                let time = frame.time.since(sent);
                self.ready.push_back(Outcome::Answered { number, time, answer: frame });
            }
        }
        Ok(())
    }

    /// Next hops that did not answer ARP or NDP: what was for them was lost.
    ///
    /// # Errors
    /// EINTR or ENETDOWN if the host was shut down.
    pub fn finish(&mut self) -> Result<Vec<IpAddr>> {
        self.outlet.finish()
    }
}

impl Iterator for Answers<'_> {
    type Item = Result<Outcome>;

    fn next(&mut self) -> Option<Result<Outcome>> {
        loop {
            if let Some(outcome) = self.ready.pop_front() {
                return Some(Ok(outcome));
            }
            if self.phase == Phase::Done {
                return None;
            }
            if let Err(error) = self.step() {
                self.phase = Phase::Done;
                return Some(Err::<Outcome, Error>(error));
            }
        }
    }
}

/// Writes a probe's number into its IPv4 header as the identification. RFC 1624: the checksum is mended, a wrong one
/// stays wrong.
fn number_id(link: LinkType, number: u64, bytes: &mut [u8]) {
    let at = match (link, bytes.get(12..14)) {
        (LinkType::Ip, _) => 0,
        (LinkType::Ethernet, Some([8, 0])) => 14,
        _ => return,
    };
    let id = (number % 0xffff + 1) as u16;
    let Some(header) = bytes.get_mut(at..at + 20) else { return };
    let old = u16::from_be_bytes([header[4], header[5]]);
    header[4..6].copy_from_slice(&id.to_be_bytes());
    let sum = update(u16::from_be_bytes([header[10], header[11]]), old, id);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
}
