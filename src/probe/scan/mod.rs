//! Which ports of which hosts are open: nmap's scans.
//!
//! | file | what |
//! |---|---|
//! | `raw.rs` | SYN, FIN, NULL, XMAS and UDP: packets by hand, answers matched by what they acknowledge or quote |
//! | `connect.rs` | connections as programs make them |
//! | `window.rs` | how many probes may be on their way, and how long each is waited for |
//! | `silence.rs` | whether a silent UDP port means it |
//! | `payload.rs` | what UDP services answer to |

mod connect;
mod payload;
mod raw;
mod silence;
mod window;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use crate::base::{Errno, Result};
use crate::driver::Host;

use super::pace::Pace;
use connect::Connects;
use raw::RawScan;

/// How ports are asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScanMethod {
    /// A SYN: SYN-ACK is open, RST closed, silence filtered. Our stack ends what began by RST.
    #[default]
    Syn,
    /// A whole connection, closed at once.
    Connect,
    /// A datagram: an answer is open, port unreachable closed, silence either open or filtered. Hosts say "port unreachable" only so
    /// often (Linux once a second): where a target does, each silent port is asked until the target had a word left for it.
    Udp,
    /// FIN: RST is closed, silence either open or filtered (RFC 9293 3.10.7.2, .3; some systems always answer RST).
    Fin,
    /// No flags; as FIN.
    Null,
    /// FIN, PSH, URG; as FIN.
    Xmas,
}

impl ScanMethod {
    /// `tcp` or `udp`: whose ports are asked.
    pub const fn protocol(self) -> &'static str {
        if matches!(self, Self::Udp) { "udp" } else { "tcp" }
    }
}

/// What is known of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PortState {
    /// A program takes what comes there.
    Open,
    /// The host refuses it.
    Closed,
    /// Nothing came back, or a filter's refusal.
    Filtered,
    /// Nothing came back, which an open port does as well.
    OpenOrFiltered,
}

impl PortState {
    /// nmap's word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Filtered => "filtered",
            Self::OpenOrFiltered => "open|filtered",
        }
    }
}

/// A port that has been asked to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortReport {
    /// Whose.
    pub target: IpAddr,
    /// Which.
    pub port: u16,
    /// What is known of it.
    pub state: PortState,
    /// By what: nmap's words, `syn-ack`, `reset`, `no-response` ...
    pub reason: &'static str,
    /// From the probe to its answer, if one came.
    pub time: Option<Duration>,
}

/// How a scan goes about it.
#[derive(Clone, Copy, Debug)]
pub struct ScanConfig {
    /// How ports are asked.
    pub method: ScanMethod,
    /// Probes in a second, at most; `None`: as many as are answered. Without answers about a thousand wait for one at a time.
    pub pace: Option<Pace>,
    /// How often a probe without answer is repeated. 0: a silent UDP port is believed at once, too.
    pub retries: u8,
    /// How long an answer is waited for, at most, and as long as none has come. Then as long as the answers' times tell, RFC 6298's
    /// way, 100 ms at least.
    pub timeout: Duration,
}

impl Default for ScanConfig {
    fn default() -> Self {
        Self { method: ScanMethod::Syn, pace: None, retries: 2, timeout: Duration::from_secs(1) }
    }
}

/// Hosts that one scan takes.
const MOST_TARGETS: usize = 1 << 16;

/// A port of a target: its place in the list of targets, and its number.
type Place = (u32, u16);

/// What is still to be asked: every port of one port number after the other, each of all targets.
#[derive(Debug)]
struct Plan {
    targets: Vec<IpAddr>,
    ports: Vec<u16>,
    next: u64,
}

impl Plan {
    fn total(&self) -> u64 {
        self.targets.len() as u64 * self.ports.len() as u64
    }

    fn is_done(&self) -> bool {
        self.next >= self.total()
    }

    fn take(&mut self) -> Option<Place> {
        let hosts = self.targets.len() as u64;
        let port = *self.ports.get(usize::try_from(self.next.checked_div(hosts)?).ok()?)?;
        let target = (self.next % hosts) as u32;
        self.next += 1;
        Some((target, port))
    }

    fn target(&self, place: u32) -> Option<IpAddr> {
        self.targets.get(place as usize).copied()
    }
}

/// Results in the order of their coming.
type Reports = VecDeque<PortReport>;

/// A scan that goes on: an iterator over the ports, each given as soon as something is known of it. Whether a host is there at all
/// is not asked before (nmap's `-Pn`).
///
/// ```
/// # use sockatoo::{Host, socket::*};
/// use sockatoo::probe::{PortState, Scan, ScanConfig};
/// let host = Host::builder().build()?;
/// let server = host.socket(AF_INET, SOCK_STREAM, 0)?;
/// server.bind(("127.0.0.1", 80))?;
/// server.listen(5)?;
/// let ports = Scan::new(&host, &["127.0.0.1".parse().unwrap()], &[79, 80], ScanConfig::default())?;
/// let mut ports: Vec<_> = ports.collect::<Result<_, _>>()?;
/// ports.sort_by_key(|p| p.port);
/// assert_eq!([ports[0].state, ports[1].state], [PortState::Closed, PortState::Open]);
/// # Ok::<(), sockatoo::Error>(())
/// ```
#[derive(Debug)]
pub struct Scan {
    plan: Plan,
    means: Means,
    reports: Reports,
    done: u64,
}

#[derive(Debug)]
enum Means {
    Raw(Box<RawScan>),
    Connect(Box<Connects>),
}

impl Scan {
    /// A scan of these ports of these hosts, all of one IP version. Nothing is sent before the first port is asked for.
    ///
    /// # Errors
    /// EINVAL (both IP versions, more than 65,536 hosts, a group), ENETUNREACH and what else the way to a target has.
    pub fn new(host: &Host, targets: &[IpAddr], ports: &[u16], config: ScanConfig) -> Result<Self> {
        let first = targets.first().ok_or_else(|| Errno::EINVAL.with("a scan wants targets"))?;
        if targets.len() > MOST_TARGETS {
            return Err(Errno::EINVAL.with("more than 65,536 targets in one scan"));
        }
        if targets.iter().any(|t| t.is_ipv4() != first.is_ipv4() || t.is_multicast() || t.is_unspecified()) {
            return Err(Errno::EINVAL.with("a scan wants hosts of one IP version"));
        }
        let plan = Plan { targets: targets.to_vec(), ports: ports.to_vec(), next: 0 };
        let means = match config.method {
            ScanMethod::Connect => Means::Connect(Box::new(Connects::new(host, config))),
            _ => Means::Raw(Box::new(RawScan::new(host, &plan, config)?)),
        };
        Ok(Self { plan, means, reports: Reports::new(), done: 0 })
    }

    /// Ports that something is known of, and how many there are.
    pub fn progress(&self) -> (u64, u64) {
        (self.done, self.plan.total())
    }
}

impl Iterator for Scan {
    type Item = Result<PortReport>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(report) = self.reports.pop_front() {
                self.done += 1;
                return Some(Ok(report));
            }
            let stepped = match &mut self.means {
                Means::Raw(raw) if self.plan.is_done() && raw.is_idle() => return None,
                Means::Connect(connects) if self.plan.is_done() && connects.is_idle() => return None,
                Means::Raw(raw) => raw.step(&mut self.plan, &mut self.reports),
                Means::Connect(connects) => connects.step(&mut self.plan, &mut self.reports),
            };
            if let Err(error) = stepped {
                return Some(Err(error));
            }
        }
    }
}

#[cfg(test)]
mod tests;
