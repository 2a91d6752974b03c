//! The addresses of interfaces: what they are, how they come and go.

use std::net::{IpAddr, Ipv4Addr};

use super::Interface;
use crate::base::verb::{RT_SCOPE_HOST, RT_SCOPE_LINK, RT_SCOPE_UNIVERSE};
use crate::base::{Cidr, Errno, Error, IfIndex, Instant, Reason};
use crate::stack::net::{Matter, Timer};
use crate::stack::{Inbound, Net};

/// Addresses of one interface; more are ENOBUFS.
const MAX_ADDRESSES: usize = 256;

/// An address of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) cidr: Cidr,
    pub(crate) state: AddressState,
    pub(crate) origin: AddressOrigin,
    /// When it becomes [`AddressState::Deprecated`]; `None` = never.
    pub(crate) preferred_until: Option<Instant>,
    /// When it is removed; `None` = never.
    pub(crate) valid_until: Option<Instant>,
    /// Probes of duplicate address detection still to send.
    pub(in crate::stack) probes_left: u8,
    /// The other end of a point-to-point link (IFA_ADDRESS): the prefix is that of its network.
    pub(crate) peer: Option<IpAddr>,
    /// IFA_BROADCAST.
    pub(crate) broadcast: Option<Ipv4Addr>,
    /// IFA_LABEL; `None` = the interface's name.
    pub(crate) label: Option<String>,
    /// RT_SCOPE_*.
    pub(crate) scope: u8,
    /// IFA_F_NOPREFIXROUTE: it gives no route to its network.
    pub(crate) no_prefix_route: bool,
    /// IFA_F_NODAD.
    pub(crate) no_detection: bool,
    /// IFA_RT_PRIORITY: the metric of the route to its network; 0 = as usual.
    pub(crate) metric: u32,
    /// IFA_PROTO.
    pub(crate) protocol: u8,
    pub(crate) created: Instant,
    pub(crate) updated: Instant,
}

/// RFC 4862 2: how far an address may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AddressState {
    /// Its uniqueness is being verified: not usable yet.
    Tentative,
    /// RFC 4429: given by a person, so very likely unique; used while that is verified.
    Optimistic,
    Preferred,
    /// Usable, but not for new conversations.
    Deprecated,
    /// Another station has it: not usable.
    DadFailed,
}

/// Where an address comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AddressOrigin {
    Static,
    /// Made from the MAC.
    LinkLocal,
    /// Made from a router's prefix.
    Autoconfigured,
}

impl Address {
    /// With the broadcast address of its network, and the scope that it has by itself.
    pub(in crate::stack) fn new(cidr: Cidr, origin: AddressOrigin) -> Self {
        let ip = cidr.address();
        let scope = match ip {
            _ if ip.is_loopback() => RT_SCOPE_HOST,
            IpAddr::V6(ip) if ip.is_unicast_link_local() => RT_SCOPE_LINK,
            _ => RT_SCOPE_UNIVERSE,
        };
        // IFAPROT_KERNEL_LO, IFAPROT_KERNEL_RA, IFAPROT_KERNEL_LL.
        let protocol = match origin {
            _ if ip.is_loopback() => 1,
            AddressOrigin::Autoconfigured => 2,
            AddressOrigin::LinkLocal => 3,
            AddressOrigin::Static => 0,
        };
        Self {
            cidr,
            state: AddressState::Preferred,
            origin,
            preferred_until: None,
            valid_until: None,
            probes_left: 0,
            peer: None,
            // inet_set_ifa: the loopback has none.
            broadcast: cidr.broadcast().filter(|_| !ip.is_loopback()),
            label: None,
            scope,
            no_prefix_route: false,
            no_detection: false,
            metric: 0,
            protocol,
            created: Instant::ZERO,
            updated: Instant::ZERO,
        }
    }

    /// What is on the link by it: its own network, or its peer's.
    pub(crate) fn network(&self) -> Cidr {
        let of = Cidr::new(self.peer.unwrap_or_else(|| self.ip()), self.cidr.prefix()).unwrap_or(self.cidr);
        Cidr::new(of.network(), of.prefix()).unwrap_or(of)
    }

    /// True for the broadcast address of its network, and for the one that it was given.
    pub(super) fn is_broadcast(&self, address: Ipv4Addr) -> bool {
        self.broadcast == Some(address) || self.peer.is_none() && self.cidr.broadcast() == Some(address)
    }

    /// inetdev_changename: a label keeps what is behind the interface's name.
    pub(super) fn follow_name(&mut self, before: &str, name: &str) {
        if let Some(rest) = self.label.as_ref().and_then(|label| label.strip_prefix(before)) {
            self.label = Some(format!("{name}{rest}"));
        }
    }

    /// It is deprecated some day, or removed.
    fn ends(&self) -> bool {
        self.preferred_until.or(self.valid_until).is_some()
    }

    /// The address alone.
    pub(crate) fn ip(&self) -> IpAddr {
        self.cidr.address()
    }

    /// True while duplicate address detection goes on.
    pub(crate) fn is_being_verified(&self) -> bool {
        matches!(self.state, AddressState::Tentative | AddressState::Optimistic)
    }

    /// True if packets may come to it and leave from it.
    pub(crate) fn is_usable(&self) -> bool {
        matches!(self.state, AddressState::Optimistic | AddressState::Preferred | AddressState::Deprecated)
    }
}

impl Interface {
    /// Where a new address stands: of IPv4 the primary ones, the widest scope first, then the secondary ones (__inet_insert_ifa); of
    /// IPv6 the widest scope first, the newest first among equals (ipv6_link_dev_addr).
    fn place_of(&self, new: &Address) -> usize {
        let places = || self.addresses.iter().enumerate();
        let end = self.addresses.len();
        match new.ip() {
            IpAddr::V4(_) if self.primary_of(new).is_some() => end,
            IpAddr::V4(_) => {
                let before = |own: &Address| {
                    own.ip().is_ipv4() && self.primary_of(own).is_none() && new.scope <= own.scope
                };
                places().rfind(|(_, own)| before(own)).map_or(0, |(at, _)| at + 1)
            }
            IpAddr::V6(_) => {
                let behind = |own: &Address| own.ip().is_ipv6() && own.scope >= new.scope;
                places().find(|(_, own)| behind(own)).map_or(end, |(at, _)| at)
            }
        }
    }
}

impl Net {
    /// EEXIST if the interface has it, EINVAL for what can't be a host's address, ENODEV without such an interface.
    pub(crate) fn add_address(&mut self, interface: IfIndex, address: Cidr) -> Result<(), Error> {
        self.add_address_of(interface, Address::new(address, AddressOrigin::Static))
    }

    pub(in crate::stack) fn add_address_of(
        &mut self,
        interface: IfIndex,
        address: Address,
    ) -> Result<(), Error> {
        let (ip, now) = (address.ip(), self.now);
        let Some(link) = self.interface_mut(interface) else {
            return Err(Errno::ENODEV.because(Reason::NoInterface));
        };
        // inetdev_event: "if (inetdev_valid_mtu(dev->mtu))" alone there is an in_device; inet_rtm_newaddr: "err = -ENOBUFS".
        if link.is_can() {
            return Err(
                Errno::ENOBUFS.with(format!("{} is a CAN interface: it has no IP addresses", link.name))
            );
        }
        if ip.is_unspecified() || ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST) {
            return Err(Errno::EINVAL.with(format!("{ip} cannot be the address of a host")));
        }
        // __inet_insert_ifa: the same one with another prefix is another one.
        let same = |a: &Address| a.ip() == ip && (ip.is_ipv6() || a.network() == address.network());
        if link.addresses.iter().any(same) {
            return Err(Errno::EEXIST.with(format!("{} has the address {ip} already", link.name)));
        }
        if link.addresses.len() >= MAX_ADDRESSES {
            return Err(Errno::ENOBUFS.with(format!("{} has {MAX_ADDRESSES} addresses", link.name)));
        }
        let (ends, detect) = (address.ends(), !address.no_detection);
        let at = link.place_of(&address);
        link.addresses.insert(at, Address { created: now, updated: now, ..address });
        self.changed(Matter::Addresses);
        self.connect_routes(interface);
        if interface != IfIndex::LO {
            match ip {
                IpAddr::V4(ip) => self.announce(interface, ip),
                IpAddr::V6(ip) => {
                    self.join_solicited_node(interface, ip);
                    if detect {
                        self.detect_duplicate(interface, ip);
                    }
                }
            }
        }
        if ends {
            self.lifetimes_due();
        }
        Ok(())
    }

    /// An address that is there gets other lifetimes, another metric, another protocol (inet_rtm_newaddr, inet6_addr_modify).
    pub(in crate::stack) fn modify_address(&mut self, interface: IfIndex, new: Address) {
        let now = self.now;
        let own = self.interface_mut(interface).and_then(|link| link.address_mut(new.ip()));
        let Some(own) = own else { return };
        (own.preferred_until, own.valid_until, own.updated) = (new.preferred_until, new.valid_until, now);
        (own.metric, own.protocol) = (new.metric, new.protocol);
        if new.ip().is_ipv6() {
            own.no_prefix_route = new.no_prefix_route;
        }
        if own.state == AddressState::Deprecated {
            own.state = AddressState::Preferred;
        }
        self.changed(Matter::Addresses);
        self.connect_routes(interface);
        self.lifetimes_due();
    }

    /// EADDRNOTAVAIL if the interface does not have it.
    pub(crate) fn remove_address(&mut self, interface: IfIndex, address: IpAddr) -> Result<(), Error> {
        self.remove_address_of(interface, |own| own.ip() == address)
    }

    /// The first that is `meant`; an IPv4 network's primary address takes its secondary ones with it (__inet_del_ifa).
    pub(in crate::stack) fn remove_address_of(
        &mut self,
        interface: IfIndex,
        meant: impl Fn(&Address) -> bool,
    ) -> Result<(), Error> {
        let Some(link) = self.interface_mut(interface) else {
            return Err(Errno::ENODEV.because(Reason::NoInterface));
        };
        let Some(at) = link.addresses.iter().position(meant) else {
            return Err(Errno::EADDRNOTAVAIL.because(Reason::IpAddressNotOurs));
        };
        let mut gone = Vec::new();
        if link.primary_of(&link.addresses[at]).is_none() && link.addresses[at].ip().is_ipv4() {
            let primary = link.addresses[at].clone();
            let secondary = |own: &Address| {
                own.ip() != primary.ip() && (own.network(), own.scope) == (primary.network(), primary.scope)
            };
            gone.extend(link.addresses.extract_if(at + 1.., |own| secondary(own)));
        }
        gone.push(link.addresses.remove(at));
        let without_ipv4 = gone.last().is_some_and(|own| own.ip().is_ipv4())
            && link.addresses.iter().all(|own| own.ip().is_ipv6());
        self.changed(Matter::Addresses);
        self.connect_routes(interface);
        // fib_inetaddr_event: "Last address was deleted from this interface. Disable IP."
        if without_ipv4 {
            self.remove_routes_over(interface, |route| route.network.address().is_ipv4());
            self.forget_neighbours(interface, |neighbour| neighbour.address.is_ipv4());
        }
        for address in gone.iter().map(Address::ip) {
            if let IpAddr::V6(ip) = address {
                self.timers.cancel(Timer::DuplicateDetection(interface, ip));
                self.leave_solicited_node(interface, ip);
            }
            if !self.is_local(address) {
                self.remove_routes_from(address);
                self.inbound.push_back(Inbound::AddressGone(address));
            }
        }
        Ok(())
    }
}
