//! `sockatoo scan`: which ports are open, in nmap's words.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write, stderr};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;

use super::args::{Method, ScanArgs};
use super::exit::Exit;
use super::interrupt::on_interrupt;
use super::say::{self, Trouble};
use super::{host, targets};
use crate::base::{Instant, services};
use crate::driver::Host;
use crate::probe::{PortReport, PortState, Scan, ScanConfig, ScanMethod};

/// Of ports that are not open, so many of one state are shown one by one: nmap's number.
const FEW: usize = 25;
/// How often the progress is shown.
const TICK: Duration = Duration::from_millis(250);

/// What is known so far; the interrupt prints it.
#[derive(Debug)]
struct Findings {
    host: Host,
    begin: Instant,
    protocol: &'static str,
    only_open: bool,
    reasons: bool,
    hosts: BTreeMap<IpAddr, Ports>,
}

/// One host's ports.
#[derive(Debug, Default)]
struct Ports {
    counts: BTreeMap<PortState, usize>,
    /// All open ones, and the first few of other states.
    shown: BTreeMap<u16, PortReport>,
}

impl Findings {
    fn add(&mut self, report: PortReport) {
        let ports = self.hosts.entry(report.target).or_default();
        let count = ports.counts.entry(report.state).or_default();
        *count += 1;
        if report.state == PortState::Open || *count <= FEW {
            ports.shown.insert(report.port, report);
        }
    }

    fn answered(&self) -> bool {
        let said = [PortState::Open, PortState::Closed];
        self.hosts.values().any(|ports| said.iter().any(|state| ports.counts.contains_key(state)))
    }

    fn open(&self) -> usize {
        self.hosts.values().filter_map(|ports| ports.counts.get(&PortState::Open)).sum()
    }

    fn seconds(&self) -> f64 {
        self.host.now().since(self.begin).as_secs_f64()
    }

    /// The table, by host and port.
    fn print(&self) {
        for (ip, ports) in &self.hosts {
            let is_shown = |report: &&PortReport| {
                let few = ports.counts.get(&report.state).is_some_and(|count| *count <= FEW);
                report.state == PortState::Open || (few && !self.only_open)
            };
            let shown: Vec<_> = ports.shown.values().filter(is_shown).collect();
            let hidden =
                ports.counts.iter().filter(|(state, count)| **state != PortState::Open && **count > FEW);
            let hidden: Vec<_> = hidden.map(|(state, count)| format!("{count} {}", state.name())).collect();
            if shown.is_empty() && self.only_open {
                continue;
            }
            let not_shown = if hidden.is_empty() {
                String::new()
            } else {
                format!(" (not shown: {})", hidden.join(", "))
            };
            say::line(format!("\n{}{not_shown}", say::styled("1", ip)));
            for report in shown {
                say::line(self.row(report));
            }
        }
        let hosts = say::counted(self.hosts.len() as u64, "host");
        let ports: usize = self.hosts.values().flat_map(|ports| ports.counts.values()).sum();
        let (ports, open) = (say::counted(ports as u64, "port"), self.open());
        say::line(format!("\n{hosts}, {ports} in {:.2} s: {open} open", self.seconds()));
    }

    fn row(&self, report: &PortReport) -> String {
        let style = match report.state {
            PortState::Open => "32",
            PortState::Closed => "31",
            _ => "33",
        };
        let port = format!("{}/{}", report.port, self.protocol);
        let service = services::service_at(report.port, self.protocol).unwrap_or("");
        let state = say::styled(style, format!("{:13}", report.state.name()));
        let time = report.time.map_or_else(String::new, |t| format!("{:.3} ms", t.as_secs_f64() * 1e3));
        let reason = if self.reasons { format!("  {:16}", report.reason) } else { String::new() };
        format!("{port:10} {state}  {service:14}{reason}  {time}").trim_end().to_owned()
    }

    fn end(&self, as_json: bool) {
        if as_json {
            let hosts = self.hosts.iter().map(|(ip, ports)| {
                let counts: serde_json::Map<_, _> = ports
                    .counts
                    .iter()
                    .map(|(state, count)| (state.name().into(), (*count).into()))
                    .collect();
                json!({ "host": ip, "ports": counts })
            });
            let hosts: Vec<_> = hosts.collect();
            say::object(
                json!({ "type": "end", "hosts": hosts, "open": self.open(), "seconds": self.seconds() }),
            );
        } else {
            self.print();
        }
    }
}

pub(super) fn run(args: &ScanArgs, as_json: bool) -> Result<Exit, Trouble> {
    let method = method(args.method);
    let protocol = method.protocol();
    let ports = match &args.ports {
        Some(text) => targets::ports(text, protocol)?,
        None => usual_ports(protocol),
    };
    let host = host::host(&args.host)?;
    let all = targets::hosts(&host, &args.targets, args.family)?;
    let config = ScanConfig { method, pace: args.rate, retries: args.retries, timeout: args.timeout };
    let findings = Arc::new(Mutex::new(Findings {
        begin: host.now(),
        protocol,
        only_open: args.open,
        reasons: args.reason,
        hosts: BTreeMap::new(),
        host: host.clone(),
    }));
    let at_interrupt = findings.clone();
    on_interrupt(move || {
        at_interrupt.lock().unwrap_or_else(PoisonError::into_inner).end(as_json);
        Exit::Interrupted
    });
    let (v4, v6): (Vec<_>, Vec<_>) = all.into_iter().partition(IpAddr::is_ipv4);
    for targets in [v4, v6].iter().filter(|targets| !targets.is_empty()) {
        scan(Scan::new(&host, targets, &ports, config)?, &findings, as_json)?;
    }
    let findings = findings.lock().unwrap_or_else(PoisonError::into_inner);
    findings.end(as_json);
    Ok(if findings.answered() { Exit::Ok } else { Exit::No })
}

fn scan(mut scan: Scan, findings: &Mutex<Findings>, as_json: bool) -> Result<(), Trouble> {
    let show = stderr().is_terminal();
    let mut next = Instant::default();
    while let Some(report) = scan.next() {
        let report = report?;
        let mut findings = findings.lock().unwrap_or_else(PoisonError::into_inner);
        findings.add(report);
        if as_json {
            let ms = report.time.map(|t| t.as_secs_f64() * 1e3);
            say::object(json!({
                "type": "port", "host": report.target, "port": report.port, "protocol": findings.protocol,
                "state": report.state.name(), "reason": report.reason, "ms": ms,
            }));
        }
        let now = findings.host.now();
        if show && now >= next {
            next = now + TICK;
            let ((done, total), open) = (scan.progress(), findings.open());
            let _ = write!(stderr(), "\r\x1b[K{done} of {total} ports, {open} open");
        }
    }
    if show {
        let _ = write!(stderr(), "\r\x1b[K");
    }
    Ok(())
}

const fn method(letter: Method) -> ScanMethod {
    match letter {
        Method::S => ScanMethod::Syn,
        Method::T => ScanMethod::Connect,
        Method::U => ScanMethod::Udp,
        Method::F => ScanMethod::Fin,
        Method::N => ScanMethod::Null,
        Method::X => ScanMethod::Xmas,
    }
}

/// The ports where something may be expected.
fn usual_ports(protocol: &str) -> Vec<u16> {
    let first = if protocol == "udp" { 0 } else { 1024 };
    (1..=u16::MAX).filter(|port| *port <= first || services::service_at(*port, protocol).is_some()).collect()
}
