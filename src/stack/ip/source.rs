//! Which of the host's addresses a packet leaves from: RFC 6724 for IPv6; IPv4 takes the address of the next hop's network.

use std::cmp::Reverse;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Hop;
use crate::base::{Errno, Error, IfIndex, Reason};
use crate::stack::Net;
use crate::stack::link::{Address, AddressState};
use crate::stack::net::Cast;

/// RFC 6724 3.1: scopes as in multicast addresses: link 2, site 5, global 14.
fn scope(address: Ipv6Addr) -> u8 {
    if address.is_multicast() {
        address.octets()[1] & 15
    } else if address.is_loopback() || address.is_unicast_link_local() {
        2
    } else if address.segments()[0] & 0xffc0 == 0xfec0 {
        5
    } else {
        14
    }
}

/// RFC 6724 2.1: the labels of the default policy table, with ORCHIDs (RFC 4843) as Linux has them (ip6addrlbl_init_table). The
/// longest prefix first.
pub(crate) const LABELS: [(Ipv6Addr, u8, u32); 10] = [
    (Ipv6Addr::LOCALHOST, 128, 0),
    (Ipv6Addr::UNSPECIFIED, 96, 3),
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96, 4),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32, 6),
    (Ipv6Addr::new(0x2001, 0x10, 0, 0, 0, 0, 0, 0), 28, 7),
    (Ipv6Addr::new(0x3ffe, 0, 0, 0, 0, 0, 0, 0), 16, 12),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, 2),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, 11),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, 5),
    (Ipv6Addr::UNSPECIFIED, 0, 1),
];

fn label(address: Ipv6Addr) -> u32 {
    let within =
        |prefix: Ipv6Addr, len: u8| (prefix.to_bits() ^ address.to_bits()).leading_zeros() >= u32::from(len);
    LABELS.iter().find(|(prefix, len, _)| within(*prefix, *len)).map_or(1, |(.., label)| *label)
}

/// RFC 6724 2.2: the longest prefix in common, no longer than the source's own prefix.
fn common_prefix(source: &Address, address: Ipv6Addr, destination: Ipv6Addr) -> u32 {
    (address.to_bits() ^ destination.to_bits()).leading_zeros().min(source.cidr.prefix().into())
}

/// How good a source is, the rules of RFC 6724 5 in their order: the greatest wins. (Rules 4 and 7 are of mobile and temporary
/// addresses, which this host does not have; rule 5.5 is not followed.)
fn merit(source: &Address, address: Ipv6Addr, outgoing: bool, destination: Ipv6Addr) -> impl Ord {
    let (own, other) = (scope(address), scope(destination));
    // Rule 2: "If Scope(SA) < Scope(SB): If Scope(SA) < Scope(D), then prefer SB and otherwise prefer SA."
    let scope_rule = if own < other { (false, own) } else { (true, u8::MAX - own) };
    (
        address == destination,                      // Rule 1: Prefer same address.
        scope_rule,                                  // Rule 2: Prefer appropriate scope.
        source.state == AddressState::Preferred,     // Rule 3: Avoid deprecated addresses.
        outgoing,                                    // Rule 5: Prefer outgoing interface.
        label(address) == label(destination),        // Rule 6: Prefer matching label.
        common_prefix(source, address, destination), // Rule 8: Use longest matching prefix.
    )
}

impl Net {
    /// The source address for a packet that goes this way.
    pub(super) fn source_for(&self, destination: IpAddr, hop: &Hop) -> Result<IpAddr, Error> {
        let none = || Errno::EADDRNOTAVAIL.because(Reason::IpNoSource);
        if hop.interface == IfIndex::LO && hop.cast == Cast::Unicast {
            // Talking to oneself: from the address itself; the whole 127/8 from 127.0.0.1.
            return Ok(match hop.next_hop {
                IpAddr::V4(ip) if ip.is_loopback() => Ipv4Addr::LOCALHOST.into(),
                own => own,
            });
        }
        // fib_result_prefsrc, ip6_route_get_saddr.
        if let Some(source) = hop.source.filter(|source| self.is_local(*source)) {
            return Ok(source);
        }
        match (destination, hop.next_hop) {
            (IpAddr::V4(_), IpAddr::V4(next_hop)) => match self.source_v4(hop.interface, next_hop) {
                Some(source) => Ok(source.into()),
                // RFC 2131 4.1: a host without an address may broadcast from 0.0.0.0.
                None if hop.cast != Cast::Unicast => Ok(Ipv4Addr::UNSPECIFIED.into()),
                None => Err(none()),
            },
            (IpAddr::V6(ip), _) => self.source_v6(Some(hop.interface), ip).map(IpAddr::V6).ok_or_else(none),
            _ => Err(none()),
        }
    }

    /// The interface's first address in the network of the next hop, else its first one, else the host's first one.
    pub(in crate::stack) fn source_v4(&self, interface: IfIndex, next_hop: Ipv4Addr) -> Option<Ipv4Addr> {
        let v4 = |a: &Address| match a.ip() {
            IpAddr::V4(ip) => Some(ip),
            IpAddr::V6(_) => None,
        };
        let link = self.interface(interface)?;
        let near = link.usable().filter(|a| a.cidr.contains(next_hop.into())).find_map(v4);
        let elsewhere =
            || self.interfaces.iter().flat_map(|i| i.usable()).filter(|a| !a.ip().is_loopback()).find_map(v4);
        near.or_else(|| link.usable().find_map(v4)).or_else(elsewhere)
    }

    /// RFC 6724 5. A link-local destination (a group too) is reached from the outgoing interface's addresses alone.
    pub(in crate::stack) fn source_v6(
        &self,
        interface: Option<IfIndex>,
        destination: Ipv6Addr,
    ) -> Option<Ipv6Addr> {
        let near = scope(destination) <= 2;
        let mut best = None;
        for link in &self.interfaces {
            let outgoing = interface == Some(link.index);
            if (near || link.index == IfIndex::LO) && !outgoing {
                continue;
            }
            for own in link.usable() {
                let IpAddr::V6(address) = own.ip() else { continue };
                // RFC 4007 5: a link-local address means nothing on another link.
                if address.is_unicast_link_local() && !outgoing {
                    continue;
                }
                let merit = Reverse(merit(own, address, outgoing, destination));
                // The first of equals stays.
                if best.as_ref().is_none_or(|(least, _)| merit < *least) {
                    best = Some((merit, address));
                }
            }
        }
        best.map(|(_, address)| address)
    }
}
