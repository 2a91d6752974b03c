//! Scans whose packets are made by hand: SYN, FIN, NULL, XMAS, UDP.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::payload::payload;
use super::silence::{Silence, Step};
use super::window::{RoundTrip, Window};
use super::{Place, Plan, PortReport, PortState, Reports, ScanConfig, ScanMethod};
use crate::base::constants::*;
use crate::base::{Errno, Instant, Result};
use crate::driver::Host;
use crate::probe::exchange::{Exchange, Header, Heard, Refusal, reserve, way};
use crate::socket::Socket;
use crate::wire::packet::{Packet, payload as data, tcp, udp};
use crate::wire::transport_checksum;

/// Sequence numbers of a port's probes begin at a multiple of this; each repetition's is two higher, so that an answer tells which
/// one it answers, whether the probe's flag counts (SYN, FIN) or not.
const STEP: u32 = 64;
/// Before probes are given up, answers are looked for so often, each time so long: a window's answers are found.
const LAST_LOOKS: usize = 32;
const LAST_LOOK: Duration = Duration::from_millis(1);
/// Repetitions that the sequence number can tell.
const MOST_RETRIES: u8 = 30;

/// A probe without an answer so far.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    /// Repetitions.
    tries: u8,
    sent: Instant,
    /// It is left to [`Silence`].
    doubted: bool,
}

/// What is said of a port, and how often it was asked.
struct Verdict {
    place: Place,
    state: PortState,
    reason: &'static str,
    /// Which probe was answered, if that can be told.
    tries: Option<u8>,
    time: Instant,
}

#[derive(Debug)]
struct Target {
    /// Our address on the way to it.
    source: IpAddr,
    /// How long its answers take.
    round_trip: RoundTrip,
    /// A UDP port that it has refused.
    refused: Option<u16>,
}

#[derive(Debug)]
pub(super) struct RawScan {
    method: ScanMethod,
    retries: u8,
    longest: Duration,
    exchange: Exchange,
    /// The port that the probes come from, kept for us.
    port: (Socket, u16),
    targets: Vec<Target>,
    places: HashMap<IpAddr, u32>,
    /// A TCP probe in which only address, port and sequence number are to be changed.
    segment: Vec<u8>,
    /// Mixed into sequence numbers: an answer by somebody who has not seen the probe is a guess.
    secret: u32,
    waiting: HashMap<Place, Waiting>,
    /// When each waiting probe is given up; entries of answered ones, or of earlier repetitions, are passed over.
    deadlines: BinaryHeap<Reverse<(Instant, Place, u8)>>,
    /// Probes to be repeated.
    again: VecDeque<Place>,
    /// Of targets with silent UDP ports that may be closed ones; and how many those are.
    silences: HashMap<u32, Silence>,
    doubted: usize,
    window: Window,
}

impl RawScan {
    pub(super) fn new(host: &Host, plan: &Plan, config: ScanConfig) -> Result<Self> {
        let first = plan.target(0).ok_or(Errno::EINVAL)?;
        let target = |ip: &IpAddr| {
            Ok(Target { source: way(host, *ip)?.0, round_trip: RoundTrip::default(), refused: None })
        };
        let targets = plan.targets.iter().map(target);
        let targets = targets.collect::<Result<Vec<_>>>()?;
        let source = targets.first().ok_or(Errno::EINVAL)?.source;
        let any: IpAddr =
            if first.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let udp = config.method == ScanMethod::Udp;
        let port = reserve(host, any, if udp { SOCK_DGRAM } else { SOCK_STREAM })?;
        let protocol = config.method.protocol();
        let icmp = if first.is_ipv4() { "icmp" } else { "icmp6" };
        let exchange = Exchange::new(host, first, &format!("{icmp} or ({protocol} dst port {})", port.1))?;
        // Its own random numbers are the host's business: another port of its choice is as good.
        let secret = reserve(host, any, SOCK_STREAM)?.1;
        let secret =
            u32::from(secret).wrapping_mul(0x9e37_79b1) ^ u32::from(port.1).wrapping_mul(0x85eb_ca6b);
        let segment = header(source, first).around(segment(config.method, port.1))?;
        Ok(Self {
            method: config.method,
            retries: config.retries.min(MOST_RETRIES),
            longest: config.timeout,
            window: Window::new(host.now(), config.pace),
            places: (0..).zip(&plan.targets).map(|(place, target)| (*target, place)).collect(),
            waiting: HashMap::new(),
            deadlines: BinaryHeap::new(),
            again: VecDeque::new(),
            silences: HashMap::new(),
            doubted: 0,
            exchange,
            port,
            targets,
            segment,
            secret,
        })
    }

    /// Nothing waits for an answer.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Probes on their way: those to be repeated are not, nor those that are doubted.
    fn in_flight(&self) -> usize {
        self.waiting.len().saturating_sub(self.again.len() + self.doubted)
    }

    /// Gives up what is over, sends what may be sent, hears what has come.
    pub(super) fn step(&mut self, plan: &mut Plan, reports: &mut Reports) -> Result<()> {
        let now = self.exchange.host().now();
        // A machine that was busy elsewhere finds answers behind the deadlines: they count.
        for _ in 0..LAST_LOOKS {
            let is_due = self.deadlines.peek().is_some_and(|Reverse((deadline, ..))| *deadline <= now);
            if !is_due || self.listen(LAST_LOOK, plan, reports)? == 0 {
                break;
            }
        }
        self.expire(now, plan, reports);
        let doubts = self.doubt(now, plan, reports)?;
        self.send_due(now, plan)?;
        let now = self.exchange.host().now();
        let more = !plan.is_done() || !self.again.is_empty();
        let next = match self.deadlines.peek() {
            // There is something to be told first.
            _ if !reports.is_empty() || (!more && self.is_idle()) => now,
            Some(Reverse((deadline, ..))) => doubts.min(*deadline),
            None => doubts,
        };
        let until =
            if more && self.window.has_room(self.in_flight()) { self.window.due().min(next) } else { next };
        self.listen(until.since(now), plan, reports).map(drop)
    }

    /// Hears what has come, after waiting for the first packet no longer than `patience`: how many packets there were.
    fn listen(&mut self, patience: Duration, plan: &Plan, reports: &mut Reports) -> Result<usize> {
        let mut heard = Vec::new();
        let packets =
            self.exchange.hear(patience, |time, packet| heard.extend(self.meaning(time, packet)))?;
        for verdict in heard {
            self.settle(&verdict, plan, reports);
        }
        Ok(packets)
    }

    fn expire(&mut self, now: Instant, plan: &Plan, reports: &mut Reports) {
        while let Some(Reverse((deadline, place, tries))) = self.deadlines.peek().copied() {
            if deadline > now {
                break;
            }
            self.deadlines.pop();
            if self.waiting.get(&place).is_none_or(|waiting| waiting.tries != tries) {
                continue;
            }
            if tries < self.retries {
                self.again.push_back(place);
                continue;
            }
            self.window.grow();
            let refused = self.targets.get(place.0 as usize).and_then(|target| target.refused);
            match refused.filter(|_| self.retries > 0) {
                Some(witness) => {
                    self.silences.entry(place.0).or_insert_with(|| Silence::new(witness, now)).push(place.1);
                    if let Some(waiting) = self.waiting.get_mut(&place) {
                        (waiting.doubted, self.doubted) = (true, self.doubted + 1);
                    }
                }
                None => self.give_up(place, plan, reports),
            }
        }
    }

    /// It said nothing.
    fn give_up(&mut self, place: Place, plan: &Plan, reports: &mut Reports) {
        let (Some(_), Some(target)) = (self.take(place), plan.target(place.0)) else { return };
        let state = match self.method {
            ScanMethod::Syn | ScanMethod::Connect => PortState::Filtered,
            _ => PortState::OpenOrFiltered,
        };
        reports.push_back(PortReport { target, port: place.1, state, reason: "no-response", time: None });
    }

    /// It does not wait any more.
    fn take(&mut self, place: Place) -> Option<Waiting> {
        let waiting = self.waiting.remove(&place)?;
        self.doubted -= usize::from(waiting.doubted);
        Some(waiting)
    }

    /// Asks silent ports once more where they may be closed; until when there is nothing else to do.
    fn doubt(&mut self, now: Instant, plan: &Plan, reports: &mut Reports) -> Result<Instant> {
        let mut until = Instant::FAR;
        for number in self.silences.keys().copied().collect::<Vec<_>>() {
            let Some(patience) =
                self.targets.get(number as usize).map(|t| t.round_trip.patience(self.longest))
            else {
                continue;
            };
            let waits = |port| self.waiting.contains_key(&(number, port));
            match self.silences.get_mut(&number).map_or(Step::Done, |s| s.step(now, patience, waits)) {
                Step::Wait(time) => until = until.min(time),
                Step::Ask(ports) => {
                    let Some(target) = plan.target(number) else { continue };
                    self.window.spend(ports.len());
                    for port in ports {
                        let packet = self.packet((number, port), target, 0)?;
                        self.exchange.queue(&packet);
                    }
                    until = until.min(now + patience);
                }
                Step::GiveUp(ports) => {
                    ports.into_iter().for_each(|port| self.give_up((number, port), plan, reports));
                }
                Step::Done => drop(self.silences.remove(&number)),
            }
        }
        Ok(until)
    }

    fn send_due(&mut self, now: Instant, plan: &mut Plan) -> Result<()> {
        let mut left = self.window.allowed(now, self.in_flight());
        while left > 0 {
            let place = match self.again.pop_front() {
                // Answered meanwhile.
                Some(place) if !self.waiting.contains_key(&place) => continue,
                Some(place) => place,
                None => match plan.take() {
                    Some(place) => place,
                    None => break,
                },
            };
            left -= 1;
            let Some(target) = plan.target(place.0) else { continue };
            let tries = self.waiting.get(&place).map_or(0, |waiting| waiting.tries + 1);
            let packet = self.packet(place, target, tries)?;
            self.waiting.insert(place, Waiting { tries, sent: now, doubted: false });
            let round_trip =
                self.targets.get(place.0 as usize).map_or_else(RoundTrip::default, |t| t.round_trip);
            self.deadlines.push(Reverse((now + round_trip.patience(self.longest), place, tries)));
            self.exchange.queue(&packet);
        }
        // What does not leave is missed at its deadline.
        self.exchange.flush().map(drop)
    }

    fn sequence(&self, place: Place) -> u32 {
        let mixed = (place.0 << 16 | u32::from(place.1)).wrapping_mul(0x9e37_79b1) ^ self.secret;
        (mixed ^ mixed >> 15).wrapping_mul(STEP)
    }

    fn packet(&self, place: Place, target: IpAddr, tries: u8) -> Result<Vec<u8>> {
        let source = self.targets.get(place.0 as usize).ok_or(Errno::EINVAL)?.source;
        let port = place.1;
        if self.method == ScanMethod::Udp {
            let datagram = udp().sport(self.port.1).dport(port) / data(payload(port));
            return header(source, target).around(datagram);
        }
        let seq = self.sequence(place).wrapping_add(u32::from(tries) * 2);
        let mut packet = self.segment.clone();
        let mut put = |at: usize, bytes: &[u8]| {
            if let Some(room) = packet.get_mut(at..at + bytes.len()) {
                room.copy_from_slice(bytes);
            }
        };
        let tcp = match (source, target) {
            (IpAddr::V4(source), IpAddr::V4(target)) => {
                // The header's checksum is the stack's to fill in.
                put(10, &[0, 0]);
                put(12, &source.octets());
                put(16, &target.octets());
                20
            }
            (IpAddr::V6(source), IpAddr::V6(target)) => {
                put(8, &source.octets());
                put(24, &target.octets());
                40
            }
            _ => return Err(Errno::EINVAL.into()),
        };
        put(tcp + 2, &port.to_be_bytes());
        put(tcp + 4, &seq.to_be_bytes());
        put(tcp + 16, &[0, 0]);
        let sum = transport_checksum(source, target, 6, packet.get(tcp..).unwrap_or_default());
        if let Some(room) = packet.get_mut(tcp + 16..tcp + 18) {
            room.copy_from_slice(&sum.to_be_bytes());
        }
        Ok(packet)
    }

    /// What a packet says of a port that we asked.
    fn meaning(&self, time: Instant, heard: &Heard<'_>) -> Option<Verdict> {
        if let Some((refusal, quoted)) = heard.error() {
            let place = (*self.places.get(&quoted.destination)?, quoted.u16(2)?);
            let protocol = if self.method == ScanMethod::Udp { IPPROTO_UDP } else { IPPROTO_TCP };
            if i32::from(quoted.protocol) != protocol || quoted.u16(0)? != self.port.1 {
                return None;
            }
            let tries = if protocol == IPPROTO_TCP { Some(self.tries(place, quoted.u32(4)?)?) } else { None };
            let own = heard.source == quoted.destination;
            let (state, reason) = match refusal {
                Refusal::Port if protocol == IPPROTO_UDP && own => (PortState::Closed, "port-unreach"),
                Refusal::Port => (PortState::Filtered, "port-unreach"),
                Refusal::Network => (PortState::Filtered, "net-unreach"),
                Refusal::Host => (PortState::Filtered, "host-unreach"),
                Refusal::Protocol => (PortState::Filtered, "proto-unreach"),
                Refusal::Prohibited => (PortState::Filtered, "admin-prohibited"),
                Refusal::SourceRoute | Refusal::Other(_) => (PortState::Filtered, "unreachable"),
                Refusal::TimeExceeded | Refusal::TooBig(_) => return None,
            };
            return Some(Verdict { place, state, reason, tries, time });
        }
        let place = (*self.places.get(&heard.source)?, heard.u16(0)?);
        if heard.u16(2)? != self.port.1 {
            return None;
        }
        if self.method == ScanMethod::Udp {
            let answer = i32::from(heard.protocol) == IPPROTO_UDP;
            let (state, reason) = (PortState::Open, "udp-response");
            return answer.then_some(Verdict { place, state, reason, tries: None, time });
        }
        // RFC 9293 3.10.7.1: a reset acknowledges the segment's length, with its SYN or FIN.
        let flags = heard.inside.get(13)? & 0x17;
        let (state, reason) = match (self.method, flags) {
            (ScanMethod::Syn, 0x12) => (PortState::Open, "syn-ack"),
            (_, 0x14 | 0x04) => (PortState::Closed, "reset"),
            _ => return None,
        };
        Some(Verdict { place, state, reason, tries: Some(self.tries(place, heard.u32(8)?)?), time })
    }

    /// Which of a port's probes has, or is acknowledged by, this sequence number.
    fn tries(&self, place: Place, number: u32) -> Option<u8> {
        let past = number.wrapping_sub(self.sequence(place));
        (past < STEP).then_some((past / 2) as u8)
    }

    fn settle(&mut self, verdict: &Verdict, plan: &Plan, reports: &mut Reports) {
        let Verdict { place, state, reason, tries, time } = *verdict;
        if self.method == ScanMethod::Udp && state == PortState::Closed {
            if let Some(target) = self.targets.get_mut(place.0 as usize) {
                target.refused.get_or_insert(place.1);
            }
            let silent = self.silences.get_mut(&place.0).map(|silence| silence.refused(place.1));
            silent.into_iter().flatten().for_each(|port| self.give_up((place.0, port), plan, reports));
        }
        let (Some(waiting), Some(target)) = (self.take(place), plan.target(place.0)) else {
            return;
        };
        let taken = time.since(waiting.sent);
        // Karn's rule (RFC 6298 3): the time counts only where it is clear which probe was answered.
        let clear = tries.map_or(waiting.tries == 0, |tries| tries == waiting.tries);
        if let Some(target) = self.targets.get_mut(place.0 as usize).filter(|_| clear) {
            target.round_trip.learn(taken);
        }
        if waiting.doubted {
            // It is not on its way for the window.
        } else if clear && waiting.tries > 0 {
            self.window.lost(time, taken);
        } else {
            self.window.grow();
        }
        let time = clear.then_some(taken);
        reports.push_back(PortReport { target, port: place.1, state, reason, time });
    }
}

const fn header(source: IpAddr, destination: IpAddr) -> Header {
    Header { source, destination, ttl: 64, tos: 0, dont_fragment: false }
}

/// The TCP probe of a method.
fn segment(method: ScanMethod, port: u16) -> Packet {
    let bare = tcp().sport(port).window(1024_u16);
    match method {
        // A SYN without MSS is asked for by no system: some filters drop it.
        ScanMethod::Syn => bare.flags("S").option("mss", [1460_u16]).into(),
        ScanMethod::Fin => bare.flags("F").into(),
        ScanMethod::Xmas => bare.flags("FPU").into(),
        _ => bare.flags(0_u8).into(),
    }
}
