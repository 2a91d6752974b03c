//! What a packet does not say of its surroundings, from a host that asks its neighbours.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::IpAddr;

use super::neighbour::Patience;
use crate::base::{Instant, Mac};
use crate::driver::Host;
use crate::wire::packet::{Packet, Surroundings};

/// Stations that are remembered.
const REMEMBERED: usize = 4096;

/// A host as the [`Surroundings`] of packets that are to be sent: it asks for the station of a next hop that it does not know (ARP,
/// NDP), where the packet's Ethernet header needs it, and waits a moment for the answer.
#[derive(Debug)]
pub struct Around<'h> {
    host: &'h Host,
    /// The packets need the next hop's station.
    asks: bool,
    /// By the next hop.
    known: RefCell<HashMap<IpAddr, Option<Mac>>>,
    patience: Cell<Patience>,
    unknown: Cell<Option<IpAddr>>,
}

impl<'h> Around<'h> {
    /// For packets of this one.
    pub fn new(host: &'h Host, packet: &Packet) -> Self {
        let first = packet.layers.first();
        // An ARP question goes to all, an answer to the one who asked: nobody is to be found.
        let open = first.is_some_and(|layer| layer.kind().name == "ether" && layer.get("dst").is_none());
        let asks = open && !packet.layers.iter().any(|layer| layer.kind().name == "arp");
        let (known, unknown) = (RefCell::default(), Cell::new(None));
        Self { host, asks, known, patience: Cell::default(), unknown }
    }

    /// The first next hop that did not answer: its frames go to all stations.
    pub fn unknown(&self) -> Option<IpAddr> {
        self.unknown.get()
    }

    fn find(&self, destination: IpAddr) -> Option<Mac> {
        let hop = self.host.next_hop(destination)?;
        if let Some(known) = self.known.borrow().get(&hop.address) {
            return *known;
        }
        let mut patience = self.patience.get();
        // That the host was shut down is said where the packet is sent.
        let _ = patience.find(self.host, hop, Instant::FAR);
        self.patience.set(patience);
        let mac = self.host.stations(destination).1;
        if mac.is_none() {
            self.unknown.set(self.unknown.get().or(Some(hop.address)));
        }
        let mut known = self.known.borrow_mut();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(hop.address, mac);
        mac
    }
}

impl Surroundings for Around<'_> {
    fn source(&self, destination: IpAddr) -> Option<IpAddr> {
        self.host.source(destination)
    }

    fn stations(&self, destination: IpAddr) -> (Option<Mac>, Option<Mac>) {
        match self.host.stations(destination) {
            (own, None) if self.asks => (own, self.find(destination)),
            stations => stations,
        }
    }
}
