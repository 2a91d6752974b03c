//! What a packet that is built by hand gets from the host that sends it: [`Surroundings`].

use std::net::IpAddr;

use crate::base::{IfIndex, Mac};
use crate::driver::Host;
use crate::stack::Hints;
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
