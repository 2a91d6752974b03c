//! Who takes part: the columns of the ladder.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::recording::Recorded;
use crate::base::{Direction, Mac};
use crate::wire::{Dissected, Network};

/// Whom a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum To {
    Column(usize),
    /// Broadcast or multicast.
    All,
}

/// What tells one party from another: on Ethernet its station; where stations have no address its IP address; where both ends
/// have the same one (loopback) the port too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Party {
    Station(Mac),
    Address(IpAddr),
    Port(SocketAddr),
    /// Of frames that say nothing about it.
    Somebody,
}

#[derive(Clone, Copy, Debug)]
enum By {
    Station,
    Address,
    Port,
}

/// The columns, from left to right.
#[derive(Debug)]
pub(crate) struct Parties {
    by: By,
    columns: Vec<Party>,
    /// The IP addresses that a party sent from, in the order of appearance.
    addresses: BTreeMap<Party, Vec<IpAddr>>,
}

/// More columns than these share the last one.
const COLUMNS: usize = 5;

impl Parties {
    pub(crate) fn of_all(frames: &[(&Recorded, Dissected)]) -> Self {
        let mut this = Self { by: tell_apart(frames), columns: Vec::new(), addresses: BTreeMap::new() };
        // The one who recorded stands on the left.
        let own = frames.iter().filter(|(r, _)| r.direction == Direction::Out).take(1);
        for (_, dissected) in own.chain(frames) {
            let (source, destination) = ends(dissected, this.by);
            this.note(source);
            if let Some(ip) = sender(dissected) {
                let addresses = this.addresses.entry(source).or_default();
                if !addresses.contains(&ip) && addresses.len() < 8 {
                    addresses.push(ip);
                }
            }
            if !is_group(dissected, this.by) {
                this.note(destination);
                // Somebody who never answers has the address that is asked for.
                if let Some(ip) = dissected.ip()
                    && !frames.iter().any(|(_, d)| ends(d, this.by).0 == destination)
                {
                    this.addresses.entry(destination).or_insert_with(|| vec![ip.destination]);
                }
            }
        }
        if this.columns.len() < 2 {
            this.columns.push(Party::Somebody);
        }
        this
    }

    fn note(&mut self, party: Party) {
        if !self.columns.contains(&party) && self.columns.len() < COLUMNS {
            self.columns.push(party);
        }
    }

    /// How many columns there are, at least two.
    pub(crate) fn len(&self) -> usize {
        self.columns.len()
    }

    /// From which column to which a frame goes.
    pub(crate) fn of(&self, dissected: &Dissected) -> (usize, To) {
        let column = |party| self.columns.iter().position(|p| *p == party).unwrap_or(self.columns.len() - 1);
        let (source, destination) = ends(dissected, self.by);
        let from = column(source);
        match is_group(dissected, self.by) {
            true => (from, To::All),
            false => (from, To::Column(column(destination))),
        }
    }

    /// What stands above a column: its addresses, the ones that are not link-local first.
    pub(crate) fn addresses(&self, column: usize) -> Vec<IpAddr> {
        let mut addresses =
            self.columns.get(column).and_then(|p| self.addresses.get(p)).cloned().unwrap_or_default();
        addresses.sort_by_key(|ip| matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local()));
        addresses
    }

    /// A column's own name where it has no address: its station, or who shares it.
    pub(crate) fn name(&self, column: usize) -> String {
        match self.columns.get(column) {
            Some(Party::Station(mac)) => mac.to_string(),
            Some(Party::Address(ip)) => ip.to_string(),
            Some(Party::Port(address)) => address.to_string(),
            Some(Party::Somebody) | None => "(everybody)".into(),
        }
    }

    /// True if a column is more than its addresses.
    pub(crate) fn by_port(&self) -> bool {
        matches!(self.by, By::Port)
    }
}

fn tell_apart(frames: &[(&Recorded, Dissected)]) -> By {
    if frames.iter().any(|(_, d)| d.ethernet.is_some_and(|e| e.source != Mac::ZERO)) {
        return By::Station;
    }
    let mut ips = frames.iter().filter_map(|(_, d)| d.ip());
    match ips.any(|ip| ip.source != ip.destination) {
        true => By::Address,
        false => By::Port,
    }
}

/// Both parties of a frame, the sender first.
fn ends(dissected: &Dissected, by: By) -> (Party, Party) {
    let nobody = (Party::Somebody, Party::Somebody);
    match (by, dissected.ethernet, dissected.ip()) {
        (By::Station, Some(e), _) => (Party::Station(e.source), Party::Station(e.destination)),
        (By::Station, None, _) | (_, _, None) => nobody,
        (By::Address, _, Some(ip)) => (Party::Address(ip.source), Party::Address(ip.destination)),
        (By::Port, _, Some(ip)) => match ip.ports() {
            Some((from, to)) => {
                (Party::Port((ip.source, from).into()), Party::Port((ip.destination, to).into()))
            }
            None => (Party::Address(ip.source), Party::Address(ip.destination)),
        },
    }
}

fn is_group(dissected: &Dissected, by: By) -> bool {
    match (by, dissected.ethernet, dissected.ip()) {
        (By::Station, Some(e), _) => e.destination.is_multicast(),
        (_, _, Some(ip)) => ip.destination.is_multicast(),
        _ => false,
    }
}

/// The IP address that a frame's sender uses, if it says one.
fn sender(dissected: &Dissected) -> Option<IpAddr> {
    let ip = match &dissected.network {
        Network::Ip(ip) => ip.source,
        Network::Arp(arp) => arp.sender.1.into(),
        _ => return None,
    };
    (!ip.is_unspecified() && !ip.is_multicast()).then_some(ip)
}
