//! A host that stands on an existing interface as the kernel does: its station address, its IP addresses, routes and neighbours.

use super::builder::HostBuilder;
use super::host::Plug;
use super::state::State;
use crate::base::{Cidr, IfIndex, Result};
use crate::device::Packet;
use crate::sys::interface::Control;
use crate::sys::kernel_tables::{KernelNeighbour, KernelRoute};
use crate::sys::netlink::Rtnetlink;

/// What the kernel knew of an interface's surroundings when the host was told to be its shadow.
#[derive(Debug)]
pub(super) struct Surroundings {
    interface: IfIndex,
    routes: Vec<KernelRoute>,
    neighbours: Vec<KernelNeighbour>,
}

impl HostBuilder {
    /// Plugs into an interface that exists as the kernel's shadow, as Scapy and hping3 stand on one: with the kernel's station
    /// address, and the IP addresses, routes and neighbours that the kernel has there now (copied once).
    ///
    /// The kernel goes on answering for these addresses: a shadow sends what its sockets send and asks for neighbours, and
    /// says nothing else on its wires (no ARP or NDP answers, no echo replies, no ICMP errors, no RST, no group reports). The
    /// kernel gets every answer as well, and knows nothing of our sockets: it may answer TCP with RST and UDP with "port
    /// unreachable". A host that must not be disturbed so has an address of its own: [`HostBuilder::packet`].
    ///
    /// # Errors
    /// EPERM without CAP_NET_RAW, ENODEV if there is no such interface, EINVAL if it is not an Ethernet.
    pub fn shadow(mut self, interface: &str) -> Result<Self> {
        let device = Packet::shadow(interface)?;
        let control = Control::new()?;
        let index = control.index(interface)?;
        let kernel = Rtnetlink::new()?;
        // The kernel takes nothing for 127.0.0.1 from an interface: of its loopback only the frames are of use.
        let addresses = if control.is_loopback(interface) { Vec::new() } else { kernel.addresses(index)? };
        let networks: Vec<Cidr> =
            addresses.iter().filter_map(|a| Cidr::new(a.network(), a.prefix()).ok()).collect();
        let mut routes = kernel.routes(index)?;
        // The host makes these by itself, of its addresses.
        routes.retain(|route| route.via.is_some() || !networks.contains(&route.network));
        let neighbours = kernel.neighbours(index)?;
        let plug = Plug { device: Box::new(device), addresses, ipv6: false };
        let interface = self.plug(plug);
        self.shadow_of(Surroundings { interface, routes, neighbours });
        Ok(self)
    }
}

impl State {
    /// Copies what the kernel knew. What this host can't have (a gateway of the other IP version, a group as a neighbour) is
    /// left out.
    pub(super) fn copy(&mut self, surroundings: &Surroundings) {
        let Surroundings { interface, routes, neighbours } = surroundings;
        let net = &mut self.stack.net;
        for route in routes {
            let _ = net.add_route(route.network, route.via, Some(*interface));
        }
        for neighbour in neighbours {
            if neighbour.permanent {
                let _ = net.set_neighbour(*interface, neighbour.address, Some(neighbour.mac));
            } else {
                net.copy_neighbour(*interface, neighbour.address, neighbour.mac, neighbour.fresh);
            }
        }
    }
}
