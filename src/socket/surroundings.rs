//! What a packet that is built by hand gets from the host that sends it: [`Surroundings`].

use std::net::IpAddr;
use std::time::Duration;

use crate::base::{IfIndex, Mac, Result};
use crate::driver::Host;
use crate::stack::{Cast, Hints};
use crate::wire::packet::Surroundings;

/// What the host knows now; nobody is asked. A neighbour that is not known yet has no station address here: a datagram to it
/// makes the host ask.
impl Surroundings for Host {
    fn source(&self, destination: IpAddr) -> Option<IpAddr> {
        self.call(|stack| stack.net.path(destination, Hints::default()).ok().map(|path| path.source))
    }

    fn stations(&self, destination: IpAddr) -> (Option<Mac>, Option<Mac>) {
        self.call(|stack| {
            let net = &stack.net;
            let Ok(path) = net.path(destination, Hints::default()) else { return (None, None) };
            if path.interface == IfIndex::LO {
                return (Some(Mac::ZERO), Some(Mac::ZERO));
            }
            let own = net.interface(path.interface).map(|interface| interface.mac);
            (own, net.neighbour_mac(path.interface, path.next_hop))
        })
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
        self.call(|stack| {
            let net = &stack.net;
            let path = net.path(destination, Hints::default()).ok()?;
            let needed = path.interface != IfIndex::LO && path.cast == Cast::Unicast;
            let known = net.neighbour_mac(path.interface, path.next_hop).is_some();
            needed.then_some(NextHop { interface: path.interface, address: path.next_hop, known })
        })
    }

    /// Asks for the next hop's station address and waits until it is known, at most `limit`. True if it is.
    pub(crate) fn find_station(&self, hop: NextHop, limit: Duration) -> Result<bool> {
        let end = self.now() + limit;
        let mut pause = PAUSES[0];
        loop {
            let known = self.call(|stack| {
                let known = stack.net.neighbour_mac(hop.interface, hop.address).is_some();
                if known {
                    Ok(true)
                } else {
                    stack.net.ask_neighbour(hop.interface, hop.address).map(|()| false)
                }
            })?;
            let now = self.now();
            if known || now >= end {
                return Ok(known);
            }
            self.sleep(pause.min(end.since(now)))?;
            pause = (pause * 2).min(PAUSES[1]);
        }
    }
}
