//! IPv6 that configures itself: duplicate address detection, router discovery, stateless addresses (RFC 4861 6.3, RFC 4862 5).

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use super::ndp::{ALL_ROUTERS, ROUTER_SOLICITATION, options, source_link_address};
use super::neighbour::Learned;
use super::{Address, AddressOrigin, AddressState};
use crate::base::{Cidr, IfIndex, Instant, Reason};
use crate::stack::ip::RouteOrigin;
use crate::stack::net::{Matter, Timer};
use crate::stack::{Datagram, Inbound, Net};

/// RFC 4861 10: RETRANS_TIMER, the distance of two probes.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);
/// RFC 4861 10: RTR_SOLICITATION_INTERVAL and MAX_RTR_SOLICITATIONS.
const SOLICITATION_INTERVAL: Duration = Duration::from_secs(4);
const SOLICITATIONS: u8 = 3;
/// Addresses that one interface makes of prefixes; Linux's max_addresses.
const MAX_AUTOCONFIGURED: usize = 16;
/// RFC 4862 5.5.3 e.
const TWO_HOURS: Duration = Duration::from_secs(7200);

const PREFIX_INFORMATION: u8 = 3;
const MTU: u8 = 5;

/// A lifetime in seconds as a point in time; all ones is for ever.
fn until(now: Instant, lifetime: u32) -> Option<Instant> {
    (lifetime != u32::MAX).then(|| now + Duration::from_secs(lifetime.into()))
}

fn number_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|b| u32::from_be_bytes(*b))
}

impl Net {
    /// An interface that has IPv6 begins with it: a link-local address, then the question for routers.
    pub(super) fn start_ipv6(&mut self, interface: IfIndex) {
        let link = self.interface(interface).filter(|link| link.has_ipv6());
        let Some(mac) = link.map(|link| link.mac) else { return };
        if let Ok(cidr) = Cidr::new(mac.link_local().into(), 64) {
            // It exists already if the user gave it.
            let _ = self.add_address_of(interface, Address::new(cidr, AddressOrigin::LinkLocal));
        }
        self.solicit_routers(interface);
    }

    /// RFC 4862 5.4: "Duplicate Address Detection MUST be performed on all unicast addresses prior to assigning them".
    pub(super) fn detect_duplicate(&mut self, interface: IfIndex, address: Ipv6Addr) {
        let probes = self.config.dad_transmits;
        // addrconf_dad_begin: "if (dev->flags & (IFF_NOARP | IFF_LOOPBACK)".
        let link = self.interface_mut(interface).filter(|link| !link.is_without_arp());
        if let Some(own) = link.and_then(|i| i.address_mut(address.into())).filter(|_| probes > 0) {
            // RFC 4429 3.1: optimistic detection is for addresses that are very unlikely to be in use already.
            let state = match own.origin {
                AddressOrigin::Static => AddressState::Optimistic,
                AddressOrigin::LinkLocal | AddressOrigin::Autoconfigured => AddressState::Tentative,
            };
            (own.state, own.probes_left) = (state, probes);
            self.probe_due(interface, address);
        }
    }

    /// The next probe; a second after the last one the address is ours.
    pub(in crate::stack) fn probe_due(&mut self, interface: IfIndex, address: Ipv6Addr) {
        let now = self.now;
        let Some(link) = self.interface_mut(interface).filter(|i| i.up) else { return };
        let Some(own) = link.address_mut(address.into()) else { return };
        if !own.is_being_verified() {
            return;
        }
        if own.probes_left > 0 {
            own.probes_left -= 1;
            self.timers.set(Timer::DuplicateDetection(interface, address), now + PROBE_INTERVAL);
            return self.duplicate_probe(interface, address);
        }
        let deprecated = own.preferred_until.is_some_and(|at| at <= now);
        own.state = if deprecated { AddressState::Deprecated } else { AddressState::Preferred };
        self.changed(Matter::Addresses);
        // Its routes are there now.
        self.changed(Matter::Routes);
        if address.is_unicast_link_local() {
            // RFC 3590 4: "Once a valid link-local address is available, a node SHOULD generate new MLD Report messages".
            self.report_groups(interface);
            self.solicit_routers(interface);
        }
    }

    /// Another station has the address that is being verified.
    pub(super) fn duplicate_found(&mut self, interface: IfIndex, address: Ipv6Addr) {
        self.note(Reason::DuplicateAddress, Some(interface), None);
        self.timers.cancel(Timer::DuplicateDetection(interface, address));
        self.changed(Matter::Addresses);
        self.changed(Matter::Routes);
        if let Some(own) = self.interface_mut(interface).and_then(|i| i.address_mut(address.into())) {
            let was_used = own.is_usable();
            own.state = AddressState::DadFailed;
            if was_used && !self.is_local(address.into()) {
                self.inbound.push_back(Inbound::AddressGone(address.into()));
            }
        }
    }

    /// RFC 4861 6.3.7: a host asks for advertisements when its interface is enabled. Routers don't ask.
    pub(super) fn solicit_routers(&mut self, interface: IfIndex) {
        let wanted = self.config.slaac && !self.config.forward6;
        if let Some(link) = self.interface_mut(interface).filter(|i| i.ipv6 && wanted) {
            link.solicitations_left = SOLICITATIONS;
            self.router_solicitation_due(interface);
        }
    }

    pub(in crate::stack) fn router_solicitation_due(&mut self, interface: IfIndex) {
        let Some(link) = self.interface_mut(interface).filter(|i| i.up && i.solicitations_left > 0) else {
            return;
        };
        // Without a link-local address yet: its detection comes back here.
        let own = link.usable().find_map(|a| match a.ip() {
            IpAddr::V6(ip) if ip.is_unicast_link_local() => Some(ip),
            _ => None,
        });
        let Some(source) = own else { return };
        link.solicitations_left -= 1;
        let mac = link.mac;
        let mut message = vec![ROUTER_SOLICITATION, 0, 0, 0, 0, 0, 0, 0, 1, 1];
        message.extend(mac.0);
        let next = self.now + SOLICITATION_INTERVAL;
        self.timers.set(Timer::RouterSolicitation(interface), next);
        self.ndp_out(interface, None, source, ALL_ROUTERS, &mut message);
    }

    pub(super) fn router_advertisement_in(
        &mut self,
        datagram: &Datagram,
        source: Ipv6Addr,
        message: &[u8],
    ) -> Option<()> {
        let (now, interface) = (self.now, datagram.interface);
        let options = options(message.get(16..)?)?;
        // RFC 4861 6.1.2: "IP Source Address is a link-local address."
        if !source.is_unicast_link_local() {
            return None;
        }
        if !self.config.slaac || self.config.forward6 || !self.interface(interface)?.ipv6 {
            return Some(());
        }
        let link = self.interface_mut(interface)?;
        link.solicitations_left = 0;
        // RFC 4861 6.3.4: the MTU option is taken if it is at least the minimum of IPv6 and at most the link's own.
        let told = options.iter().find(|(kind, option)| *kind == MTU && option.len() == 8);
        let told = told.and_then(|(_, option)| number_at(option, 4)).map(|mtu| mtu as usize);
        link.ipv6_mtu = told.filter(|mtu| (1280..=link.mtu).contains(mtu)).unwrap_or(link.ipv6_mtu);
        self.timers.cancel(Timer::RouterSolicitation(interface));
        let lifetime = u16::from_be_bytes([message[6], message[7]]);
        if let Some(mac) = source_link_address(&options) {
            let learned = Learned {
                mac: Some(mac),
                create: true,
                solicited: false,
                overrides: true,
                router: Some(true),
            };
            self.learn_neighbour(interface, source.into(), learned);
        }
        let default = Cidr::new(Ipv6Addr::UNSPECIFIED.into(), 0).ok()?;
        // A lifetime of zero ends at once: lifetimes_due() below takes it out.
        let ends = Some(now + Duration::from_secs(lifetime.into()));
        self.routes.learn(default, Some(source.into()), interface, RouteOrigin::Router, ends);
        for (_, option) in options.iter().filter(|(kind, o)| *kind == PREFIX_INFORMATION && o.len() == 32) {
            self.prefix_in(interface, option);
        }
        self.lifetimes_due();
        Some(())
    }

    /// RFC 4861 6.3.4 (on-link prefixes), RFC 4862 5.5.3 (addresses).
    fn prefix_in(&mut self, interface: IfIndex, option: &[u8]) -> Option<()> {
        let now = self.now;
        let (length, flags) = (option[2], option[3]);
        let (valid, preferred) = (number_at(option, 4)?, number_at(option, 8)?);
        let prefix: Ipv6Addr = (*option.get(16..)?.first_chunk::<16>()?).into();
        let network = Cidr::new(prefix.into(), length).ok()?;
        if prefix.is_unicast_link_local() || prefix.is_multicast() || preferred > valid {
            return None;
        }
        if flags & 0x80 != 0 {
            self.routes.learn(network, None, interface, RouteOrigin::Prefix, until(now, valid));
        }
        // RFC 4862 5.5.3 d: "If the sum of the prefix length and interface identifier length does not equal 128 bits, the
        // Prefix Information option MUST be ignored."
        if flags & 0x40 == 0 || length != 64 {
            return None;
        }
        let link = self.interface_mut(interface)?;
        let mut octets = prefix.octets();
        octets[8..].copy_from_slice(&link.mac.eui64());
        let address = IpAddr::V6(octets.into());
        if let Some(own) = link.address_mut(address).filter(|a| a.origin == AddressOrigin::Autoconfigured) {
            own.preferred_until = until(now, preferred);
            if preferred > 0 && own.state == AddressState::Deprecated {
                own.state = AddressState::Preferred;
            }
            // RFC 4862 5.5.3 e: over two hours or more than what remains: taken; what remains is two hours or less: ignored;
            // "Otherwise, reset the valid lifetime of the corresponding address to 2 hours."
            let lifetime = Duration::from_secs(valid.into());
            let remaining = own.valid_until.map_or(Duration::MAX, |at| at.since(now));
            if lifetime > TWO_HOURS || lifetime > remaining {
                own.valid_until = until(now, valid);
            } else if remaining > TWO_HOURS {
                own.valid_until = Some(now + TWO_HOURS);
            }
            return Some(());
        }
        let made = link.addresses.iter().filter(|a| a.origin == AddressOrigin::Autoconfigured).count();
        if valid == 0 || made >= MAX_AUTOCONFIGURED {
            return None;
        }
        let mut own = Address::new(Cidr::new(address, 64).ok()?, AddressOrigin::Autoconfigured);
        (own.preferred_until, own.valid_until) = (until(now, preferred), until(now, valid));
        self.add_address_of(interface, own).ok()
    }

    /// What has ended goes; the timer is set to what ends next.
    pub(in crate::stack) fn lifetimes_due(&mut self) {
        // An advertisement ends here too: what it brought, and what is over by now.
        self.changed(Matter::Addresses);
        self.changed(Matter::Routes);
        let now = self.now;
        let mut next = self.routes.expire(now);
        let mut gone = Vec::new();
        for link in &mut self.interfaces {
            for own in &mut link.addresses {
                if own.valid_until.is_some_and(|at| at <= now) {
                    gone.push((link.index, own.ip()));
                    continue;
                }
                let old = own.preferred_until.is_some_and(|at| at <= now);
                if old && own.state == AddressState::Preferred {
                    own.state = AddressState::Deprecated;
                }
                let preferred = own.preferred_until.filter(|_| !old);
                next = [next, preferred, own.valid_until].into_iter().flatten().min();
            }
        }
        for (interface, address) in gone {
            // It is there: it was found a moment ago.
            let _ = self.remove_address(interface, address);
        }
        match next {
            Some(at) => self.timers.set(Timer::Lifetimes, at),
            None => self.timers.cancel(Timer::Lifetimes),
        }
    }

    /// RFC 4861 7.2.5: a neighbour whose IsRouter flag changes to false is no default router any more.
    pub(super) fn router_gone(&mut self, interface: IfIndex, router: Ipv6Addr) {
        self.routes.forget_router(interface, router.into());
        self.changed(Matter::Routes);
    }
}
