//! `sockatoo arp`: who has an address on our link, and where.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;

use super::args::ArpArgs;
use super::exit::Exit;
use super::interrupt::on_interrupt;
use super::say::{self, Trouble};
use super::{host, targets};
use crate::base::Mac;
use crate::driver::Host;
use crate::probe::{ArpConfig, ArpSweep, Station, announce};

/// Who answered so far; the interrupt prints it.
#[derive(Debug, Default)]
struct Found {
    /// By address, in the order of answering.
    stations: BTreeMap<IpAddr, Vec<Station>>,
    answers: u64,
    asked: usize,
    /// Each answer has been shown already.
    shown: bool,
}

impl Found {
    fn add(&mut self, station: Station) {
        self.answers += 1;
        let known = self.stations.entry(station.address).or_default();
        if known.iter().all(|other| other.mac != station.mac) {
            known.push(station);
        }
    }

    fn end(&self, as_json: bool) {
        let taken_twice = self.stations.values().filter(|stations| stations.len() > 1).count();
        if as_json {
            let (hosts, asked, answers) = (self.stations.len(), self.asked, self.answers);
            say::object(
                json!({ "type": "end", "asked": asked, "hosts": hosts, "answers": answers, "duplicates": taken_twice }),
            );
            return;
        }
        if !self.shown {
            for (ip, stations) in &self.stations {
                let macs: Vec<Mac> = stations.iter().map(|station| station.mac).collect();
                stations.iter().for_each(|station| say::line(row(*ip, station, macs.len() > 1)));
            }
        }
        let asked = if self.asked == 1 { "1 address".into() } else { format!("{} addresses", self.asked) };
        let twice =
            if taken_twice == 0 { String::new() } else { format!(", {taken_twice} taken more than once") };
        say::line(format!("\n{asked} asked for, {} answered{twice}", self.stations.len()));
    }
}

fn row(ip: IpAddr, station: &Station, duplicate: bool) -> String {
    let mark = if duplicate { say::styled("31", "  (DUP!)") } else { String::new() };
    format!("{:15} {}  {:.3} ms{mark}", ip.to_string(), station.mac, station.time.as_secs_f64() * 1e3)
}

pub(super) fn run(args: &ArpArgs, as_json: bool) -> Result<Exit, Trouble> {
    let host = host::host(&args.host)?;
    if host.interfaces().len() < 2 {
        return Err(Trouble::new("there is no link to ask on").hint("give one: `-I IF` or `--tap NAME`"));
    }
    let all = targets::hosts(&host, &args.targets, args.family)?;
    if args.announce || args.answer {
        return announce_all(&host, &all, args);
    }
    let found =
        Arc::new(Mutex::new(Found { asked: all.len(), shown: args.count.is_some(), ..Found::default() }));
    let at_interrupt = found.clone();
    on_interrupt(move || {
        at_interrupt.lock().unwrap_or_else(PoisonError::into_inner).end(as_json);
        Exit::Interrupted
    });
    let config = ArpConfig {
        interface: None,
        source: args.source,
        rounds: args.count.unwrap_or(if args.detect { 1 } else { 3 }),
        every: args.count.is_some(),
        interval: if args.count.is_some() { args.interval } else { Duration::ZERO },
        wait: args.wait,
        pace: args.rate,
        detect: args.detect,
        limit: args.deadline,
    };
    let (v4, v6): (Vec<_>, Vec<_>) = all.into_iter().partition(IpAddr::is_ipv4);
    for targets in [v4, v6].iter().filter(|targets| !targets.is_empty()) {
        // An address that is to be ours is of no network of the interface yet: the only link there is.
        let on = host.interfaces().get(1).map(|known| known.index).filter(|_| args.detect);
        for station in ArpSweep::new(&host, targets, ArpConfig { interface: on, ..config })? {
            let station = station?;
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            found.add(station);
            if as_json {
                let ms = station.time.as_secs_f64() * 1e3;
                say::object(json!({
                    "type": "station", "address": station.address, "mac": station.mac.to_string(), "ms": ms,
                    "duplicate": station.duplicate,
                }));
            } else if found.shown {
                say::line(row(station.address, &station, station.duplicate));
            }
        }
    }
    let found = found.lock().unwrap_or_else(PoisonError::into_inner);
    found.end(as_json);
    let good = found.stations.is_empty() == args.detect;
    Ok(if good { Exit::Ok } else { Exit::No })
}

fn announce_all(host: &Host, addresses: &[IpAddr], args: &ArpArgs) -> Result<Exit, Trouble> {
    for round in 0..args.count.unwrap_or(1) {
        if round > 0 {
            host.sleep(args.interval)?;
        }
        for address in addresses {
            announce(host, *address, None, args.answer)?;
        }
    }
    Ok(Exit::Ok)
}
