//! Which raw sockets get a datagram, or hear of an error.

use std::net::{IpAddr, SocketAddr};

use super::RawSocket;
use crate::base::constants::{AF_INET, AF_INET6, IPPROTO_ICMP, IPPROTO_ICMPV6};
use crate::base::{IfIndex, Reason, SocketId};
use crate::stack::datagram::scoped;
use crate::stack::table::Entry;
use crate::stack::{Datagram, NetError, Stack};
use crate::wire::transport_checksum;

/// raw_v4_match and raw_v6_match: the bound address, the connected peer, the device.
fn fits(entry: &Entry, source: IpAddr, destination: IpAddr, interface: Option<IfIndex>) -> bool {
    let local = entry.local.map(|local| local.ip()).filter(|local| !local.is_unspecified());
    let peer = entry.remote.map(|remote| remote.ip()).filter(|peer| !peer.is_unspecified());
    let heard = local.is_none_or(|local| local == destination)
        || entry.raw().is_ok_and(|raw| raw.receives_all)
        // inet6_mc_check: of IPv6, a socket bound to its own address still hears the groups that it may hear.
        || matches!(destination, IpAddr::V6(v6) if v6.is_multicast())
            && interface.is_some_and(|interface| entry.hears_group(destination, source, interface));
    heard
        && peer.is_none_or(|peer| peer == source)
        && (entry.device.is_none() || interface.is_none() || entry.device == interface)
}

impl RawSocket {
    /// ICMP_FILTER and ICMP6_FILTER: true if messages of this type are kept away. Types over 31 of IPv4 always pass.
    fn filters(&self, protocol: i32, v4: bool, payload: &[u8]) -> bool {
        let kind = payload.first().copied().unwrap_or(0);
        match (protocol, v4) {
            // icmp_filter, icmpv6_filter: a message that is too short for its header does not pass either.
            (IPPROTO_ICMP, true) => payload.len() < 8 || (kind < 32 && self.filter[0] >> kind & 1 != 0),
            (IPPROTO_ICMPV6, false) => {
                payload.len() < 4 || self.filter[usize::from(kind >> 5)] >> (kind & 31) & 1 != 0
            }
            _ => false,
        }
    }
}

impl Stack {
    /// The raw sockets of this protocol whose addresses and device fit.
    pub(super) fn raw_receivers(
        &self,
        domain: i32,
        protocol: i32,
        source: IpAddr,
        destination: IpAddr,
        interface: Option<IfIndex>,
    ) -> Vec<SocketId> {
        let all = self.raw.receivers.get(&(domain, protocol)).map_or(&[][..], Vec::as_slice);
        let fits = |id: &&SocketId| {
            self.sockets.get(**id).is_ok_and(|entry| fits(entry, source, destination, interface))
        };
        all.iter().filter(fits).copied().collect()
    }

    /// A datagram for this host, whole: every raw socket that it fits gets its copy, before anybody else sees it. Given back if there
    /// was none. (One whose filter kept it away counts: it is its protocol's owner.)
    pub(in crate::stack) fn raw_input(&mut self, datagram: Datagram) -> Option<Datagram> {
        let (source, destination, interface) = (datagram.source, datagram.destination, datagram.interface);
        let (v4, protocol) = (destination.is_ipv4(), i32::from(datagram.protocol));
        let domain = if v4 { AF_INET } else { AF_INET6 };
        let mut receivers = self.raw_receivers(domain, protocol, source, destination, Some(interface));
        if receivers.is_empty() {
            return Some(datagram);
        }
        let payload = datagram.payload();
        let mut right = None;
        receivers.retain(|id| {
            let Ok(entry) = self.sockets.get(*id) else { return false };
            let Ok(raw) = entry.raw() else { return false };
            // ip_mc_sf_allow; of IPv6 only bound sockets are asked (raw_v6_match).
            let deaf = v4 && destination.is_multicast() && !entry.hears_group(destination, source, interface);
            if deaf || raw.filters(protocol, v4, payload) {
                return false;
            }
            // rawv6_rcv: who has the checksum verified gets only what is right.
            let verify = || transport_checksum(source, destination, datagram.protocol, payload) == 0;
            let fits = raw.checksum6.is_none() || *right.get_or_insert_with(verify);
            if !fits {
                self.net.note(Reason::RawChecksum, Some(interface), Some(*id));
            }
            fits
        });
        // IPv6's header is not shown, to the filter neither.
        let front = if v4 { 0 } else { datagram.header };
        let queued = self.queued(datagram, scoped(source, 0, interface), front);
        self.deliver_to_all(receivers, queued);
        None
    }

    /// A datagram of a protocol that nobody here has: raw sockets, else its sender is told (ip_protocol_deliver_rcu).
    pub(in crate::stack) fn raw_alone(&mut self, datagram: Datagram) {
        if let Some(datagram) = self.raw_input(datagram) {
            self.net.protocol_unreachable(&datagram);
        }
    }

    /// An error about a packet that this host sent: raw sockets of its protocol hear of it, too (raw_icmp_error,
    /// raw6_icmp_error).
    pub(in crate::stack) fn raw_error(&mut self, error: &NetError) {
        let v4 = error.source.is_ipv4();
        if !self.net.raw_wanted.has(v4, error.protocol) {
            return;
        }
        let domain = if v4 { AF_INET } else { AF_INET6 };
        // The lost packet's destination is the peer, its source is us.
        let hear = self.raw_receivers(
            domain,
            i32::from(error.protocol),
            error.destination,
            error.source,
            error.interface,
        );
        for id in hear {
            let whole =
                self.sockets.get(id).and_then(|entry| entry.raw()).is_ok_and(|raw| raw.header_included);
            // raw_err: who writes the header gets it back.
            let data = if whole { error.packet() } else { error.quoted.clone() };
            self.datagram_error(id, error, SocketAddr::new(error.destination, 0), &data);
        }
    }
}
