//! Who has an address on our own link: ARP for IPv4 (RFC 826), neighbour solicitations for IPv6 (RFC 4861 7.2).

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::exchange::Heard;
use super::pace::{Clockwork, Pace, Ready};
use super::sniffer::Sniffer;
use crate::base::constants::*;
use crate::base::{Errno, IfIndex, Instant, LinkAddr, Mac, Result};
use crate::driver::{Host, Interface};
use crate::socket::Captured;
use crate::wire::packet::{Nowhere, Packet, arp, ether, ipv6, layer};

/// How a link is asked.
#[derive(Clone, Copy, Debug)]
pub struct ArpConfig {
    /// On which interface; `None`: that which has the first target's network.
    pub interface: Option<IfIndex>,
    /// Our address in the questions; `None`: that of the interface in the target's network, or its first one.
    pub source: Option<IpAddr>,
    /// How often an address is asked for.
    pub rounds: u32,
    /// Ask again for those that have answered, too, and report every answer.
    pub every: bool,
    /// From the begin of one round to that of the next, at least.
    pub interval: Duration,
    /// How long answers are waited for behind the last question of a round.
    pub wait: Duration,
    /// When questions leave.
    pub pace: Pace,
    /// Ask as one who wants the address for itself, without a source (RFC 5227 2.1.1, RFC 4862 5.4.2): no neighbour learns of us.
    pub detect: bool,
    /// Stop after this time, whatever was answered.
    pub limit: Option<Duration>,
}

impl Default for ArpConfig {
    fn default() -> Self {
        Self {
            interface: None,
            source: None,
            rounds: 3,
            every: false,
            interval: Duration::ZERO,
            wait: Duration::from_millis(500),
            pace: Pace::of(1000),
            detect: false,
            limit: None,
        }
    }
}

/// Somebody who has an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Station {
    /// Whose.
    pub address: IpAddr,
    /// Where.
    pub mac: Mac,
    /// From the last question to this answer.
    pub time: Duration,
    /// Another station has said the same of itself.
    pub duplicate: bool,
}

/// Stations that are kept for one address: more is an attack.
const MOST_STATIONS: usize = 64;
/// Addresses in one sweep.
const MOST_TARGETS: usize = 1 << 16;

/// Asks who has each of many addresses: an iterator over those who answer, each station of each address once (or, with
/// [`ArpConfig::every`], each answer).
///
/// ```
/// # use sockatoo::World;
/// # use sockatoo::probe::{ArpConfig, ArpSweep};
/// let world = World::new(1);
/// let (us, peer) = (world.host("us").build()?, world.host("peer").build()?);
/// world.cable(&us, &peer, "delay=1ms")?.addresses("192.0.2.1/24", "192.0.2.7/24")?;
/// let asked = world.spawn(&us, |us| {
///     let net: Vec<_> = (1..=254).map(|n| [192, 0, 2, n].into()).collect();
///     ArpSweep::new(&us, &net, ArpConfig::default())?.collect::<Result<Vec<_>, _>>()
/// });
/// let stations = asked.join()?;
/// assert_eq!((stations.len(), stations[0].mac), (1, peer.interfaces()[1].mac));
/// # Ok::<(), sockatoo::Error>(())
/// ```
#[derive(Debug)]
pub struct ArpSweep {
    config: ArpConfig,
    sniffer: Sniffer,
    interface: Interface,
    targets: Vec<IpAddr>,
    /// When each was asked for last, and who answered.
    asked: HashMap<IpAddr, (Instant, Vec<Mac>)>,
    ready: VecDeque<Station>,
    /// The next one to be asked for in this round.
    next: usize,
    round: u32,
    round_begun: Instant,
    begun: Instant,
    clockwork: Clockwork,
    sent: u64,
}

impl ArpSweep {
    /// A sweep over these addresses, all of one IP version. Nothing is sent before the first answer is asked for.
    ///
    /// # Errors
    /// EINVAL (no targets, both IP versions, more than 65,536, a group), ENETUNREACH (no interface has the first target's network),
    /// ENODEV, EPERM.
    pub fn new(host: &Host, targets: &[IpAddr], config: ArpConfig) -> Result<Self> {
        let first = *targets.first().ok_or_else(|| Errno::EINVAL.with("a sweep wants targets"))?;
        if targets.len() > MOST_TARGETS
            || targets
                .iter()
                .any(|t| t.is_ipv4() != first.is_ipv4() || t.is_multicast() || t.is_unspecified())
        {
            return Err(Errno::EINVAL.with("a sweep wants hosts of one IP version, 65,536 at most"));
        }
        let interface = interface(host, config.interface, first)?;
        let sniffer = open(host, interface.index, first)?;
        let now = host.now();
        let mut clockwork = Clockwork::new(Some(config.pace));
        clockwork.begin(now);
        Ok(Self {
            config,
            sniffer,
            interface,
            targets: targets.to_vec(),
            asked: HashMap::new(),
            ready: VecDeque::new(),
            next: 0,
            round: 0,
            round_begun: now,
            begun: now,
            clockwork,
            sent: 0,
        })
    }

    /// The interface that asks.
    pub const fn interface(&self) -> &Interface {
        &self.interface
    }

    /// Questions sent so far.
    pub const fn sent(&self) -> u64 {
        self.sent
    }

    /// Our address in a question for this one.
    fn source(&self, target: IpAddr) -> Option<IpAddr> {
        if self.config.detect {
            return None;
        }
        let own = self.interface.addresses.iter().filter(|own| own.address().is_ipv4() == target.is_ipv4());
        let near = own.clone().find(|own| own.contains(target));
        self.config.source.or_else(|| near.or_else(|| own.clone().next()).map(|own| own.address()))
    }

    fn question(&self, target: IpAddr) -> Packet {
        let mac = self.interface.mac;
        match target {
            IpAddr::V4(target) => {
                let source = match self.source(target.into()) {
                    Some(IpAddr::V4(source)) => source,
                    _ => Ipv4Addr::UNSPECIFIED,
                };
                let question = arp().op(1).set("hwsrc", mac).set("psrc", source).set("hwdst", Mac([0; 6]));
                ether().src(mac).dst(Mac([0xff; 6])) / question.set("pdst", target)
            }
            IpAddr::V6(target) => {
                // RFC 4291 2.7.1: ff02::1:ff00:0/104 with the low 24 bits of the address.
                let [.., high, low] = target.segments();
                let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | high & 0xff, low);
                let source = self.source(target.into());
                let question = layer("nd_ns").set("target", target);
                // RFC 4861 4.3: no source link-layer address "when the source IP address is the unspecified address".
                let question =
                    if source.is_some() { question.option("source_lladdr", [mac]) } else { question };
                let source = source.unwrap_or_else(|| Ipv6Addr::UNSPECIFIED.into());
                let header = ipv6().src(source).dst(group).hlim(255);
                ether().src(mac).dst(Mac::of_group(group.into())) / header / question
            }
        }
    }

    fn is_answered(&self, target: IpAddr) -> bool {
        self.asked.get(&target).is_some_and(|(_, stations)| !stations.is_empty())
    }

    /// Sends what is due; until when there is nothing else to do. `None`: the sweep is over.
    fn step(&mut self, now: Instant) -> Result<Option<Instant>> {
        let limit = self.config.limit.map_or(Instant::FAR, |limit| self.begun + limit);
        if now >= limit {
            return Ok(None);
        }
        Ok(self.ask(now)?.map(|until| until.min(limit)))
    }

    /// The same without regard to the limit.
    fn ask(&mut self, now: Instant) -> Result<Option<Instant>> {
        while let Some(target) = self.targets.get(self.next).copied() {
            if !self.config.every && self.round > 0 && self.is_answered(target) {
                self.next += 1;
                continue;
            }
            if let Ready::At(due) = self.clockwork.ready(now) {
                return Ok(Some(due));
            }
            self.next += 1;
            self.clockwork.sent(1);
            self.asked.entry(target).or_insert_with(|| (now, Vec::new())).0 = now;
            send(&self.sniffer, &self.question(target))?;
            self.sent += 1;
        }
        let last_sent = self.targets.iter().filter_map(|t| self.asked.get(t)).map(|(at, _)| *at).max();
        let waited = last_sent.unwrap_or(now) + self.config.wait;
        let is_last = self.round + 1 >= self.config.rounds
            || (!self.config.every && self.targets.iter().all(|target| self.is_answered(*target)));
        let end = if is_last { waited } else { waited.max(self.round_begun + self.config.interval) };
        if now < end {
            return Ok(Some(end));
        }
        if is_last {
            return Ok(None);
        }
        (self.round, self.round_begun, self.next) = (self.round + 1, now, 0);
        Ok(Some(now))
    }

    fn listen(&mut self, patience: Duration) -> Result<()> {
        for captured in &self.sniffer.hear(patience)? {
            let Some((address, mac)) = claim(captured, self.config.detect) else { continue };
            let ours = self.interface.mac == mac;
            let Some((asked, stations)) = self.asked.get_mut(&address).filter(|_| !ours) else { continue };
            let known = stations.contains(&mac);
            if !known && stations.len() < MOST_STATIONS {
                stations.push(mac);
            }
            if !known || self.config.every {
                let time = captured.frame.time.since(*asked);
                self.ready.push_back(Station { address, mac, time, duplicate: stations.len() > 1 });
            }
        }
        Ok(())
    }
}

impl Iterator for ArpSweep {
    type Item = Result<Station>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(station) = self.ready.pop_front() {
                return Some(Ok(station));
            }
            let host = self.sniffer.socket().host().clone();
            let stepped = self.step(host.now()).and_then(|until| match until {
                Some(until) => self.listen(until.since(host.now())).map(|()| true),
                None => Ok(false),
            });
            match stepped {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// Tells the link that we have an address, which must be ours: gratuitous ARP as a question or (`answer`) as an answer (RFC 5227 3), of
/// IPv6 an unsolicited advertisement (RFC 4861 7.2.6).
///
/// # Errors
/// EADDRNOTAVAIL if no interface (or not this one) has the address; EPERM.
pub fn announce(host: &Host, address: IpAddr, interface: Option<IfIndex>, answer: bool) -> Result<()> {
    let has = |known: &Interface| known.addresses.iter().any(|own| own.address() == address);
    let known = host.interfaces().into_iter().skip(1);
    let mut known = known.filter(|known| interface.is_none_or(|index| index == known.index) && has(known));
    let interface = known.next().ok_or_else(|| {
        Errno::EADDRNOTAVAIL.with(format!("{address} is not ours: only an address of our own is announced"))
    })?;
    let mac = interface.mac;
    let packet = match address {
        IpAddr::V4(address) => {
            let target = if answer { mac } else { Mac([0; 6]) };
            let claim = arp().op(if answer { 2 } else { 1 }).set("hwsrc", mac).set("psrc", address);
            ether().src(mac).dst(Mac([0xff; 6])) / claim.set("hwdst", target).set("pdst", address)
        }
        IpAddr::V6(address) => {
            let all = IpAddr::from(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1));
            let claim = layer("nd_na").set("target", address).set("solicited", 0).set("override", 1);
            let header = ipv6().src(address).dst(all).hlim(255);
            ether().src(mac).dst(Mac::of_group(all)) / header / claim.option("target_lladdr", [mac])
        }
    };
    send(&open(host, interface.index, address)?, &packet)
}

/// The interface of this number, or that whose network has the address.
fn interface(host: &Host, index: Option<IfIndex>, target: IpAddr) -> Result<Interface> {
    let mut known = host.interfaces().into_iter().skip(1);
    let near = |known: &Interface| known.addresses.iter().any(|own| own.contains(target));
    match index {
        Some(index) => known.find(|known| known.index == index).ok_or_else(|| Errno::ENODEV.into()),
        None => known.find(near).ok_or_else(|| {
            Errno::ENETUNREACH
                .with(format!("{target} is on none of our links, and only neighbours are asked"))
        }),
    }
}

/// A packet socket that sends frames and hears ARP, or neighbour discovery, of one interface.
fn open(host: &Host, interface: IfIndex, target: IpAddr) -> Result<Sniffer> {
    let (filter, ethertype) = if target.is_ipv4() { ("arp", ETH_P_ARP) } else { ("icmp6", ETH_P_IPV6) };
    Sniffer::new(host, SOCK_RAW, LinkAddr::bind(interface, ethertype), filter)
}

fn send(through: &Sniffer, packet: &Packet) -> Result<()> {
    through.socket().send(&packet.build(&Nowhere)?.bytes, 0).map(drop)
}

/// Whose address a frame claims for which station.
fn claim(captured: &Captured, any: bool) -> Option<(IpAddr, Mac)> {
    let bytes = captured.frame.bytes().get(14..)?;
    if captured.address.protocol == ETH_P_ARP {
        // RFC 826: Ethernet and IPv4, "ar$op"; RFC 5227 2.1.1: when detecting, a question with that sender is a claim as well.
        let [0, 1, 8, 0, 6, 4, 0, operation] = *bytes.first_chunk::<8>()? else { return None };
        let mac = Mac(*bytes.get(8..)?.first_chunk()?);
        let address = Ipv4Addr::from(*bytes.get(14..)?.first_chunk::<4>()?);
        return (operation == 2 || (any && operation == 1)).then_some((address.into(), mac));
    }
    let heard = Heard::read(bytes)?;
    // RFC 4861 7.1.2: an advertisement comes from this link, or not at all.
    if !heard.is_icmp() || !heard.is_whole() || heard.ttl != 255 || heard.inside.first() != Some(&136) {
        return None;
    }
    let target = Ipv6Addr::from(*heard.inside.get(8..)?.first_chunk::<16>()?);
    // RFC 4861 4.6.1: the target's station stands in an option; without it, it is the sender of the frame.
    let mac = match heard.inside.get(24..32) {
        Some([2, 1, mac @ ..]) => Mac(*mac.first_chunk()?),
        _ => captured.address.mac()?,
    };
    Some((target.into(), mac))
}

#[cfg(test)]
mod tests;
