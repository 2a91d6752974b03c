//! What a packet that is built by hand gets from the host that sends it: [`Surroundings`].

use std::net::IpAddr;
use std::time::Duration;

use super::remote::connection::unexpected;
use crate::base::verb::{Answer, Verb, Way};
use crate::base::{IfIndex, Mac, Result};
use crate::driver::Host;
use crate::wire::packet::Surroundings;

/// What the host knows now; nobody is asked. A neighbour that is not known yet has no station address here: a datagram to it
/// makes the host ask.
impl Surroundings for Host {
    fn source(&self, destination: IpAddr) -> Option<IpAddr> {
        self.way(destination).map(|way| way.source)
    }

    fn stations(&self, destination: IpAddr) -> (Option<Mac>, Option<Mac>) {
        self.way(destination).map_or((None, None), |way| (way.own, way.station))
    }
}

/// Who gets a packet next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NextHop {
    pub(crate) interface: IfIndex,
    pub(crate) address: IpAddr,
    /// Its station address is known.
    pub(crate) known: bool,
}

/// Between two looks at the neighbour table, in the beginning and in the end.
const PAUSES: [Duration; 2] = [Duration::from_micros(100), Duration::from_millis(10)];

impl Host {
    /// The neighbour that gets a packet to `destination`. `None`: none does (the host itself, a group, all, no way).
    pub(crate) fn next_hop(&self, destination: IpAddr) -> Option<NextHop> {
        let way = self.way(destination)?;
        let needed = way.interface != IfIndex::LO && way.unicast;
        let known = way.station.is_some();
        needed.then_some(NextHop { interface: way.interface, address: way.next_hop, known })
    }

    /// The way that a packet to `destination` would take now.
    pub(super) fn way(&self, destination: IpAddr) -> Option<Way> {
        match self.perform(Verb::Way(destination)) {
            Ok(Answer::Way(way)) => way,
            _ => None,
        }
    }

    /// Asks for the next hop's station address and waits until it is known, at most `limit`. True if it is.
    pub(crate) fn find_station(&self, hop: NextHop, limit: Duration) -> Result<bool> {
        let end = self.now() + limit;
        let mut pause = PAUSES[0];
        loop {
            let Answer::Known(known) = self.perform(Verb::FindNeighbour(hop.interface, hop.address))? else {
                return Err(unexpected());
            };
            let now = self.now();
            if known || now >= end {
                return Ok(known);
            }
            self.sleep(pause.min(end.since(now)))?;
            pause = (pause * 2).min(PAUSES[1]);
        }
    }
}
