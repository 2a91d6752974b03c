//! The routers on the way to a host: probes whose time to live ends at each of them, several in flight at once.

use std::net::IpAddr;
use std::time::Duration;

use super::exchange::{Exchange, Header, Heard, Refusal, reserve, way};
use crate::base::constants::*;
use crate::base::{Errno, Instant, Result};
use crate::driver::Host;
use crate::socket::Socket;
use crate::wire::packet::{Packet, icmp, layer, payload, tcp, udp};

/// What the probes are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TraceMethod {
    /// UDP, each probe to the next port.
    #[default]
    Udp,
    /// Echo requests.
    Icmp,
    /// TCP SYN, to one port.
    Tcp,
}

impl TraceMethod {
    /// Where traceroute(8) sends if no port is said.
    pub const fn port(self) -> u16 {
        match self {
            Self::Udp => 33434,
            Self::Icmp => 0,
            Self::Tcp => 80,
        }
    }
}

/// How a way is traced. The values that it begins with are those of traceroute(8).
#[derive(Clone, Debug)]
pub struct TraceConfig {
    /// What the probes are.
    pub method: TraceMethod,
    /// The port: of UDP the first one.
    pub port: u16,
    /// The first time to live.
    pub first: u8,
    /// The last one.
    pub last: u8,
    /// Probes for each, 1 to 10.
    pub queries: u8,
    /// How long an answer is waited for, at most. As soon as others of the same hop, or of a later one, have come, no longer
    /// than 3 times, or 10 times, what those took.
    pub wait: Duration,
    /// Probes in flight.
    pub simultaneous: usize,
    /// Time between two probes, at least.
    pub pause: Duration,
    /// Our address; `None`: as the route says.
    pub source: Option<IpAddr>,
    /// Type of service, traffic class.
    pub tos: u8,
    /// Routers may not fragment the probes.
    pub dont_fragment: bool,
    /// Bytes of a packet, headers included.
    pub size: usize,
    /// Find the path's MTU: begin with our wire's, forbid fragments, and shrink to what routers say.
    pub mtu: bool,
}

impl Default for TraceConfig {
    fn default() -> Self {
        Self {
            method: TraceMethod::Udp,
            port: TraceMethod::Udp.port(),
            first: 1,
            last: 30,
            queries: 3,
            wait: Duration::from_secs(5),
            simultaneous: 16,
            pause: Duration::ZERO,
            source: None,
            tos: 0,
            dont_fragment: false,
            size: 60,
            mtu: false,
        }
    }
}

/// What became of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceAnswer {
    /// Who answered.
    pub from: IpAddr,
    /// After how long.
    pub time: Duration,
    /// What: `None` if the target itself took the probe (echo reply, TCP segment, UDP datagram).
    pub refusal: Option<Refusal>,
    /// The MTU that a router has told on the way to this answer.
    pub mtu: Option<usize>,
}

/// The answers at one time to live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// Routers up to here, this one included.
    pub ttl: u8,
    /// One for each probe, in their order; `None`: no answer in time.
    pub answers: Vec<Option<TraceAnswer>>,
    /// The way ends here: the target has answered, or somebody says that it goes no further.
    pub last: bool,
}

/// A probe on its way or done.
#[derive(Debug)]
struct Probe {
    ttl: u8,
    /// Of TCP, each probe's port is its own; the socket keeps it.
    port: Option<(Socket, u16)>,
    sent: Instant,
    state: Progress,
    mtu: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
enum Progress {
    Waiting,
    Answered(TraceAnswer),
    Lost,
}

/// A way being traced: an iterator over its hops, each given as soon as all its probes are answered or given up.
///
/// ```
/// # use sockatoo::probe::{TraceConfig, Traceroute};
/// # let host = sockatoo::Host::builder().build()?;
/// let mut hops = Traceroute::new(&host, [127, 0, 0, 1].into(), TraceConfig::default())?;
/// let hop = hops.next().expect("one hop")?;
/// assert!(hop.last && hop.answers.iter().flatten().count() == 3);
/// assert!(hops.next().is_none());
/// # Ok::<(), sockatoo::Error>(())
/// ```
#[derive(Debug)]
pub struct Traceroute {
    config: TraceConfig,
    exchange: Exchange,
    source: IpAddr,
    target: IpAddr,
    /// UDP's source port and the identifier of echo requests; the socket keeps it.
    id: (Socket, u16),
    /// In the order of sending: `queries` for each time to live.
    probes: Vec<Probe>,
    /// The next hop to be given.
    hop: usize,
    /// The time to live at which the way ends, as far as is known.
    end: u8,
    /// Bytes of a packet now.
    size: usize,
    last_sent: Option<Instant>,
}

impl Traceroute {
    /// Nothing is sent before the first hop is asked for.
    ///
    /// # Errors
    /// ENETUNREACH, EADDRNOTAVAIL (`source`), EINVAL (the source is of another IP version; no hops or probes).
    pub fn new(host: &Host, target: IpAddr, mut config: TraceConfig) -> Result<Self> {
        let (source, mtu) = way(host, target)?;
        let source = config.source.unwrap_or(source);
        if source.is_ipv4() != target.is_ipv4() || config.first == 0 || config.first > config.last {
            return Err(
                Errno::EINVAL.with("a trace wants a source of the target's IP version, and hops from 1 on")
            );
        }
        config.queries = config.queries.clamp(1, 10);
        config.simultaneous = config.simultaneous.max(1);
        config.dont_fragment |= config.mtu;
        let size = if config.mtu { mtu } else { config.size };
        let filter = match target {
            IpAddr::V4(_) => "icmp or (src host TARGET and (tcp or udp))",
            IpAddr::V6(_) => "icmp6 or (src host TARGET and (tcp or udp))",
        };
        let exchange = Exchange::new(host, target, &filter.replace("TARGET", &target.to_string()))?;
        let id = reserve(host, source, SOCK_DGRAM)?;
        let end = config.last;
        Ok(Self {
            config,
            exchange,
            source,
            target,
            id,
            probes: Vec::new(),
            hop: 0,
            end,
            size,
            last_sent: None,
        })
    }

    /// Our address, as the probes say it.
    pub const fn source(&self) -> IpAddr {
        self.source
    }

    /// Bytes of a probe: with [`TraceConfig::mtu`], at the end, the path's MTU as far as the hops have told it.
    pub const fn size(&self) -> usize {
        self.size
    }

    fn ttl_of(&self, number: usize) -> Option<u8> {
        let ttl = number / usize::from(self.config.queries) + usize::from(self.config.first);
        u8::try_from(ttl).ok().filter(|ttl| *ttl <= self.end)
    }

    fn next_hop(&mut self) -> Result<Option<Hop>> {
        let queries = usize::from(self.config.queries);
        let Some(ttl) = self.ttl_of(self.hop * queries) else { return Ok(None) };
        let range = self.hop * queries..(self.hop + 1) * queries;
        loop {
            let now = self.exchange.host().now();
            self.give_up(now);
            let head = self.probes.get(range.clone());
            if let Some(probes) = head.filter(|p| !p.iter().any(|p| matches!(p.state, Progress::Waiting))) {
                let answers = probes.iter().map(|probe| match probe.state {
                    Progress::Answered(answer) => Some(TraceAnswer { mtu: probe.mtu, ..answer }),
                    _ => None,
                });
                self.hop += 1;
                return Ok(Some(Hop {
                    ttl,
                    answers: answers.collect(),
                    last: ttl == self.end && self.ended(),
                }));
            }
            let until = self.send_due(now)?;
            self.listen(until.since(self.exchange.host().now()))?;
        }
    }

    /// Somebody has said that the way ends.
    fn ended(&self) -> bool {
        self.probes.iter().any(|p| matches!(p.state, Progress::Answered(a) if is_end(&a)))
    }

    /// When this probe is given up: traceroute(8)'s rule for `-w MAX,HERE,NEAR`.
    fn deadline(&self, probe: &Probe) -> Instant {
        let times = |same: bool| {
            let others = self.probes.iter().filter(move |other| match same {
                true => other.ttl == probe.ttl,
                false => other.ttl > probe.ttl,
            });
            let slow =
                others.filter_map(|p| if let Progress::Answered(a) = p.state { Some(a.time) } else { None });
            slow.max()
        };
        // A quick neighbour says little about the rest.
        let floor = Duration::from_millis(50);
        let scaled = times(true).map(|t| t * 3).or_else(|| times(false).map(|t| t * 10));
        probe.sent + scaled.map_or(self.config.wait, |time| time.max(floor).min(self.config.wait))
    }

    fn give_up(&mut self, now: Instant) {
        for number in 0..self.probes.len() {
            let probe = &self.probes[number];
            if matches!(probe.state, Progress::Waiting)
                && (self.deadline(probe) <= now || probe.ttl > self.end)
            {
                let probe = &mut self.probes[number];
                (probe.state, probe.port) = (Progress::Lost, None);
            }
        }
    }

    /// Sends what may be sent now; until when there is nothing else to do.
    fn send_due(&mut self, now: Instant) -> Result<Instant> {
        let waiting = |p: &&Probe| matches!(p.state, Progress::Waiting);
        let mut in_flight = self.probes.iter().filter(waiting).count();
        let mut until = Instant::FAR;
        while let Some(ttl) = self.ttl_of(self.probes.len()).filter(|_| in_flight < self.config.simultaneous)
        {
            let due = self.last_sent.map_or(now, |last| last + self.config.pause);
            if due > now {
                until = due;
                break;
            }
            let port = match self.config.method {
                TraceMethod::Tcp => Some(reserve(self.exchange.host(), self.source, SOCK_STREAM)?),
                _ => None,
            };
            self.probes.push(Probe { ttl, port, sent: now, state: Progress::Waiting, mtu: None });
            self.send(self.probes.len() - 1)?;
            in_flight += 1;
        }
        let deadlines = self.probes.iter().filter(waiting).map(|probe| self.deadline(probe));
        Ok(deadlines.min().unwrap_or(until).min(until))
    }

    fn send(&mut self, number: usize) -> Result<()> {
        let Some(probe) = self.probes.get(number) else { return Ok(()) };
        let Self { source, target: destination, .. } = *self;
        let TraceConfig { tos, dont_fragment, .. } = self.config;
        let header = Header { source, destination, ttl: probe.ttl, tos, dont_fragment };
        let n = number as u16;
        let ip = if destination.is_ipv4() { 20 } else { 40 };
        let data = |headers: usize| payload(vec![0x40; self.size.saturating_sub(ip + headers)]);
        let inside: Packet = match (self.config.method, destination) {
            (TraceMethod::Udp, _) => udp().sport(self.id.1).dport(self.config.port.wrapping_add(n)) / data(8),
            (TraceMethod::Icmp, IpAddr::V4(_)) => icmp().id(self.id.1).seq(n) / data(8),
            (TraceMethod::Icmp, _) => {
                layer("icmpv6_echo_request").set("id", self.id.1).set("seq", n) / data(8)
            }
            // The sequence number says which probe it is, too.
            (TraceMethod::Tcp, _) => {
                let port = probe.port.as_ref().map_or(0, |(_, port)| *port);
                tcp().sport(port).dport(self.config.port).seq(u32::from(n) << 8).flags("S").into()
            }
        };
        let packet = header.around(inside)?;
        let now = self.exchange.host().now();
        self.exchange.queue(&packet);
        let left = self.exchange.flush()? > 0;
        self.last_sent = Some(now);
        if let Some(probe) = self.probes.get_mut(number) {
            probe.sent = now;
            if !left {
                probe.state = Progress::Lost;
            }
        }
        Ok(())
    }

    fn listen(&mut self, patience: Duration) -> Result<()> {
        let mut heard = Vec::new();
        self.exchange.hear(patience, |time, packet| {
            heard
                .extend(self.meaning(packet).map(|(number, refusal)| (time, number, refusal, packet.source)));
        })?;
        for (time, number, refusal, from) in heard {
            let Some(probe) = self.probes.get_mut(number) else { continue };
            if !matches!(probe.state, Progress::Waiting) {
                continue;
            }
            match refusal {
                // RFC 1191 5, RFC 8899 4.6.1: only what is smaller than what was sent, and no less than every link takes.
                Some(Refusal::TooBig(mtu)) if self.config.mtu && mtu < self.size && mtu >= 68 => {
                    (probe.mtu, self.size) = (Some(mtu), mtu);
                    self.send(number)?;
                }
                // Sent before the size shrank: the same probe again, smaller.
                Some(Refusal::TooBig(mtu))
                    if self.config.mtu && mtu == self.size && probe.mtu != Some(mtu) =>
                {
                    probe.mtu = Some(mtu);
                    self.send(number)?;
                }
                _ => {
                    let answer = TraceAnswer { from, time: time.since(probe.sent), refusal, mtu: None };
                    (probe.state, probe.port) = (Progress::Answered(answer), None);
                    if is_end(&answer) {
                        self.end = self.end.min(probe.ttl);
                    }
                }
            }
        }
        Ok(())
    }

    /// Which probe a packet answers, and with what refusal.
    fn meaning(&self, heard: &Heard<'_>) -> Option<(usize, Option<Refusal>)> {
        if let Some((refusal, quoted)) = heard.error() {
            let ours = quoted.source == self.source && quoted.destination == self.target;
            return self.number(&quoted, false).filter(|_| ours).map(|number| (number, Some(refusal)));
        }
        if heard.source != self.target || heard.destination != self.source {
            return None;
        }
        Some((self.number(heard, true)?, None))
    }

    /// Which probe this is about: an answer has its ports the other way round.
    fn number(&self, packet: &Heard<'_>, answer: bool) -> Option<usize> {
        let (ours, theirs) =
            if answer { (packet.u16(2)?, packet.u16(0)?) } else { (packet.u16(0)?, packet.u16(2)?) };
        match (self.config.method, i32::from(packet.protocol)) {
            (TraceMethod::Udp, IPPROTO_UDP) if ours == self.id.1 => {
                Some(theirs.wrapping_sub(self.config.port).into())
            }
            (TraceMethod::Icmp, _) if answer => {
                packet.echo_reply().filter(|(id, _)| *id == self.id.1).map(|(_, seq)| seq.into())
            }
            (TraceMethod::Icmp, _) if packet.is_icmp() && packet.u16(4)? == self.id.1 => {
                Some(packet.u16(6)?.into())
            }
            (TraceMethod::Tcp, IPPROTO_TCP) if theirs == self.config.port => {
                // RFC 9293 3.10.7.1, 3.10.7.3: SYN-ACK and RST acknowledge the SYN.
                let seq = if answer { packet.u32(8)?.wrapping_sub(1) } else { packet.u32(4)? };
                let number = (seq >> 8) as usize;
                let port = self.probes.get(number)?.port.as_ref()?.1;
                (seq & 0xff == 0 && port == ours).then_some(number)
            }
            _ => None,
        }
    }
}

/// Nothing beyond will answer.
fn is_end(answer: &TraceAnswer) -> bool {
    answer.refusal != Some(Refusal::TimeExceeded)
}

impl Iterator for Traceroute {
    type Item = Result<Hop>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_hop().transpose()
    }
}

#[cfg(test)]
mod tests;
