//! Interfaces and the addresses of the host.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::LINK_HEADER;
use crate::base::constants::{ARPHRD_CAN, ARPHRD_ETHER, ARPHRD_LOOPBACK};
use crate::base::verb::Traffic;
use crate::base::{Cidr, Errno, Error, IfIndex, Instant, LinkType, Mac, Reason};
use crate::stack::ip::Group;
use crate::stack::net::{Matter, Timer};
use crate::stack::{Inbound, InterfaceConfig, Net};

/// Addresses of one interface; more are ENOBUFS.
const MAX_ADDRESSES: usize = 256;

/// An interface of the host.
#[derive(Clone, Debug)]
pub(crate) struct Interface {
    pub(crate) index: IfIndex,
    pub(crate) name: String,
    pub(crate) mac: Mac,
    /// What its frames are: Ethernet, or CAN.
    pub(crate) link: LinkType,
    /// The largest IP packet, in bytes; of CAN the largest frame.
    pub(crate) mtu: usize,
    /// The same for IPv6: a router advertisement may lower it.
    pub(crate) ipv6_mtu: usize,
    /// The largest that its device takes.
    pub(crate) largest_mtu: usize,
    /// It works: the link is there, and nobody has set it down.
    pub(crate) up: bool,
    /// Nobody has set it down (IFF_UP).
    pub(crate) enabled: bool,
    /// The link is there.
    carrier: bool,
    /// It configures IPv6 by itself.
    pub(crate) ipv6: bool,
    pub(crate) addresses: Vec<Address>,
    pub(crate) groups: Vec<Group>,
    pub(crate) counters: Traffic,
    /// How many ask for the frames of other stations (PACKET_MR_PROMISC).
    promiscuity: u32,
    /// Router solicitations still to send.
    pub(in crate::stack) solicitations_left: u8,
}

/// An address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    pub(in crate::stack) fn new(cidr: Cidr, origin: AddressOrigin) -> Self {
        Self {
            cidr,
            state: AddressState::Preferred,
            origin,
            preferred_until: None,
            valid_until: None,
            probes_left: 0,
        }
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
    fn new(index: IfIndex, config: InterfaceConfig) -> Self {
        Self {
            index,
            name: config.name,
            mac: config.mac,
            link: config.link,
            mtu: config.mtu,
            ipv6_mtu: config.mtu,
            largest_mtu: config.mtu,
            up: true,
            enabled: true,
            carrier: true,
            ipv6: config.ipv6,
            addresses: Vec::new(),
            groups: Vec::new(),
            counters: Traffic::default(),
            promiscuity: 0,
            solicitations_left: 0,
        }
    }

    /// `lo`.
    pub(in crate::stack) fn loopback() -> Self {
        let mut lo = Self::new(
            IfIndex::LO,
            InterfaceConfig {
                name: "lo".into(),
                mac: Mac::ZERO,
                link: LinkType::Ethernet,
                mtu: 65_536,
                addresses: Vec::new(),
                ipv6: false,
            },
        );
        let own = [(IpAddr::V4(Ipv4Addr::LOCALHOST), 8), (IpAddr::V6(Ipv6Addr::LOCALHOST), 128)];
        for cidr in own.into_iter().filter_map(|(address, prefix)| Cidr::new(address, prefix).ok()) {
            lo.addresses.push(Address::new(cidr, AddressOrigin::Static));
        }
        lo
    }

    /// It is a CAN interface: no Ethernet header, no addresses.
    pub(crate) fn is_can(&self) -> bool {
        self.link == LinkType::Can
    }

    /// ARPHRD_*.
    pub(crate) fn hardware(&self) -> u16 {
        match self.link {
            LinkType::Can => ARPHRD_CAN,
            _ if self.index == IfIndex::LO => ARPHRD_LOOPBACK,
            _ => ARPHRD_ETHER,
        }
    }

    /// Bytes in front of a frame's packet.
    pub(in crate::stack) fn link_header(&self) -> usize {
        if self.is_can() { 0 } else { LINK_HEADER }
    }

    /// Somebody wants the frames of other stations, too.
    pub(crate) fn is_promiscuous(&self) -> bool {
        self.promiscuity > 0
    }

    /// Its addresses that may be used.
    pub(crate) fn usable(&self) -> impl Iterator<Item = &Address> {
        self.addresses.iter().filter(|a| a.is_usable())
    }

    pub(in crate::stack) fn address_mut(&mut self, address: IpAddr) -> Option<&mut Address> {
        self.addresses.iter_mut().find(|a| a.ip() == address)
    }

    /// True if the usable address is this interface's.
    pub(in crate::stack) fn has(&self, address: IpAddr) -> bool {
        self.usable().any(|a| a.ip() == address)
    }

    /// The largest IP packet of the address's version, in bytes.
    pub(in crate::stack) fn mtu_for(&self, address: IpAddr) -> usize {
        if address.is_ipv4() { self.mtu } else { self.ipv6_mtu }
    }
}

impl Net {
    /// Every interface, `lo` first.
    pub(crate) fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    /// The interface of this number.
    pub(crate) fn interface(&self, index: IfIndex) -> Option<&Interface> {
        self.interfaces.get((index.0 as usize).wrapping_sub(1))
    }

    pub(in crate::stack) fn interface_mut(&mut self, index: IfIndex) -> Option<&mut Interface> {
        self.interfaces.get_mut((index.0 as usize).wrapping_sub(1))
    }

    pub(crate) fn interface_by_name(&self, name: &str) -> Option<IfIndex> {
        self.interfaces.iter().find(|i| i.name == name).map(|i| i.index)
    }

    pub(crate) fn interface_name(&self, interface: IfIndex) -> Option<&str> {
        self.interface(interface).map(|i| i.name.as_str())
    }

    /// A new interface, its link up. EEXIST if the name is taken, EINVAL for an MTU under IPv4's minimum of 68 bytes.
    pub(crate) fn add_interface(&mut self, config: InterfaceConfig) -> Result<IfIndex, Error> {
        if self.interface_by_name(&config.name).is_some() {
            return Err(Errno::EEXIST.with(format!("there is an interface `{}` already", config.name)));
        }
        let can = config.link == LinkType::Can;
        // RFC 791 3.2: every internet module must be able to forward a datagram of 68 octets.
        if config.mtu < 68 && !can {
            return Err(Errno::EINVAL.with(format!("an MTU of {} is under IPv4's minimum of 68", config.mtu)));
        }
        let index = IfIndex(self.interfaces.len() as u32 + 1);
        self.changed(Matter::Links);
        // RFC 8200 5: IPv6 requires that every link in the Internet have an MTU of 1280 octets or greater.
        let ipv6 = config.ipv6 && config.mtu >= 1280 && !can;
        let addresses = config.addresses.clone();
        self.interfaces.push(Interface::new(index, InterfaceConfig { ipv6, ..config }));
        for address in addresses {
            if let Err(error) = self.add_address(index, address) {
                self.forget_newest_interface();
                return Err(error);
            }
        }
        if ipv6 {
            self.start_ipv6(index);
        }
        Ok(index)
    }

    /// The birth of an interface failed half-way: it never was.
    fn forget_newest_interface(&mut self) {
        let Some(link) = self.interfaces.last_mut().filter(|i| i.index != IfIndex::LO) else { return };
        let index = link.index;
        link.addresses.clear();
        self.connect_routes(index);
        self.interfaces.pop();
        self.outbound.retain(|(interface, _)| *interface != index);
    }

    /// The link came up or went down (the device failed, or recovered). Addresses stay; routes over a link that is down are
    /// not used; what waits for its neighbours is dropped.
    pub(crate) fn set_link(&mut self, interface: IfIndex, up: bool) {
        if let Some(link) = self.interface_mut(interface) {
            link.carrier = up;
            self.follow_link(interface);
        }
    }

    /// dev_open, dev_close. Down, its routes and IPv6 addresses go (fib_disable_ip, addrconf_ifdown); up again, those come back that
    /// follow from what it has. EOPNOTSUPP for the loopback, and on a wire that is shared with the kernel.
    pub(crate) fn enable(&mut self, interface: IfIndex, on: bool) -> Result<(), Error> {
        let Some(link) = self.interface(interface) else {
            return Err(Errno::ENODEV.because(Reason::NoInterface));
        };
        if link.enabled == on {
            return Ok(());
        }
        if interface == IfIndex::LO || self.is_shadow(interface) {
            return Err(Errno::EOPNOTSUPP.with("this interface is always up"));
        }
        let configures = link.ipv6;
        let ipv6: Vec<IpAddr> = link.addresses.iter().map(Address::ip).filter(IpAddr::is_ipv6).collect();
        if let Some(link) = self.interface_mut(interface) {
            link.enabled = on;
        }
        if !on {
            for address in ipv6 {
                self.remove_address(interface, address)?;
            }
            self.remove_routes_over(interface);
        }
        self.connect_routes(interface);
        self.changed(Matter::Links);
        self.follow_link(interface);
        if on && configures {
            self.start_ipv6(interface);
        }
        Ok(())
    }

    /// Its MTU and its state, as far as they are given.
    pub(crate) fn configure_link(
        &mut self,
        interface: IfIndex,
        up: Option<bool>,
        mtu: Option<usize>,
    ) -> Result<(), Error> {
        if let Some(mtu) = mtu {
            self.set_mtu(interface, mtu)?;
        }
        up.map_or(Ok(()), |up| self.enable(interface, up))
    }

    /// IFLA_MTU. EINVAL under IPv4's minimum and over what the device takes; EOPNOTSUPP where IPv6 would lose its own.
    pub(crate) fn set_mtu(&mut self, interface: IfIndex, mtu: usize) -> Result<(), Error> {
        let Some(link) = self.interface_mut(interface) else {
            return Err(Errno::ENODEV.because(Reason::NoInterface));
        };
        if link.is_can() {
            return Err(Errno::EOPNOTSUPP.with("a CAN interface carries the frames that its bus has"));
        }
        if mtu < 68 {
            return Err(Errno::EINVAL.with("mtu less than device minimum"));
        }
        if mtu > link.largest_mtu {
            return Err(Errno::EINVAL.with("mtu greater than device maximum"));
        }
        if mtu < 1280 && (link.ipv6 || link.addresses.iter().any(|own| own.ip().is_ipv6())) {
            return Err(Errno::EOPNOTSUPP.with("the interface has IPv6, which needs 1280 (RFC 8200 5)"));
        }
        (link.mtu, link.ipv6_mtu) = (mtu, mtu);
        self.changed(Matter::Links);
        Ok(())
    }

    /// The link, or who may set it down, has changed: is it up?
    fn follow_link(&mut self, interface: IfIndex) {
        let Some(link) = self.interface_mut(interface) else { return };
        let up = link.carrier && link.enabled;
        if std::mem::replace(&mut link.up, up) == up || interface == IfIndex::LO {
            return;
        }
        self.changed(Matter::Links);
        if !up {
            self.note(Reason::LinkDown, Some(interface), None);
            self.inbound.push_back(Inbound::LinkDown(interface));
            self.forget_neighbours(interface);
            return;
        }
        let addresses: Vec<Address> = self.interface(interface).map_or(vec![], |i| i.addresses.clone());
        for address in addresses {
            match address.ip() {
                IpAddr::V4(ip) => self.announce(interface, ip),
                IpAddr::V6(ip) if address.is_being_verified() => self.detect_duplicate(interface, ip),
                IpAddr::V6(_) => {}
            }
        }
        self.report_groups(interface);
        self.solicit_routers(interface);
    }

    /// One more who wants the frames of other stations on this interface, or one less (dev_set_promiscuity).
    pub(in crate::stack) fn promiscuous(&mut self, interface: IfIndex, on: bool) {
        let Some(link) = self.interface_mut(interface) else { return };
        let n = link.promiscuity;
        link.promiscuity = if on { n.saturating_add(1) } else { n.saturating_sub(1) };
        self.promiscuity_changed = true;
        self.changed(Matter::Links);
    }

    /// True once after it changed who is promiscuous: their devices have to be told.
    pub(crate) fn take_promiscuity_changed(&mut self) -> bool {
        std::mem::take(&mut self.promiscuity_changed)
    }

    /// EEXIST if the interface has it, EINVAL for what can't be a host's address, ENODEV without such an interface.
    pub(crate) fn add_address(&mut self, interface: IfIndex, address: Cidr) -> Result<(), Error> {
        self.add_address_of(interface, Address::new(address, AddressOrigin::Static))
    }

    pub(in crate::stack) fn add_address_of(
        &mut self,
        interface: IfIndex,
        address: Address,
    ) -> Result<(), Error> {
        let ip = address.ip();
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
        if link.addresses.iter().any(|a| a.ip() == ip) {
            return Err(Errno::EEXIST.with(format!("{} has the address {ip} already", link.name)));
        }
        if link.addresses.len() >= MAX_ADDRESSES {
            return Err(Errno::ENOBUFS.with(format!("{} has {MAX_ADDRESSES} addresses", link.name)));
        }
        link.addresses.push(address);
        self.changed(Matter::Addresses);
        self.connect_routes(interface);
        if interface != IfIndex::LO {
            match ip {
                IpAddr::V4(ip) => self.announce(interface, ip),
                IpAddr::V6(ip) => {
                    self.join_solicited_node(interface, ip);
                    self.detect_duplicate(interface, ip);
                }
            }
        }
        Ok(())
    }

    /// EADDRNOTAVAIL if the interface does not have it.
    pub(crate) fn remove_address(&mut self, interface: IfIndex, address: IpAddr) -> Result<(), Error> {
        let Some(link) = self.interface_mut(interface) else {
            return Err(Errno::ENODEV.because(Reason::NoInterface));
        };
        let Some(at) = link.addresses.iter().position(|a| a.ip() == address) else {
            return Err(Errno::EADDRNOTAVAIL.because(Reason::IpAddressNotOurs));
        };
        link.addresses.remove(at);
        self.changed(Matter::Addresses);
        self.connect_routes(interface);
        if let IpAddr::V6(ip) = address {
            self.timers.cancel(Timer::DuplicateDetection(interface, ip));
            self.leave_solicited_node(interface, ip);
        }
        if !self.is_local(address) {
            self.inbound.push_back(Inbound::AddressGone(address));
        }
        Ok(())
    }

    /// True if the address is one of this host's (a usable unicast address; the whole 127/8).
    pub(crate) fn is_local(&self, address: IpAddr) -> bool {
        address.is_loopback() || self.interfaces.iter().any(|i| i.has(address))
    }

    /// As [`Net::is_local`], for a packet that came in on an interface: link-local addresses are those of that link.
    pub(in crate::stack) fn is_local_on(&self, interface: IfIndex, address: IpAddr) -> bool {
        match address {
            IpAddr::V6(ip) if ip.is_unicast_link_local() && interface != IfIndex::LO => {
                self.interface(interface).is_some_and(|i| i.has(address))
            }
            _ => self.is_local(address),
        }
    }

    /// True if the address is a broadcast address of one of this host's networks, or 255.255.255.255.
    pub(crate) fn is_broadcast(&self, address: IpAddr) -> bool {
        let IpAddr::V4(ip) = address else { return false };
        ip.is_broadcast() || self.broadcast_interface(ip).is_some()
    }

    /// The interface whose network has this broadcast address.
    pub(in crate::stack) fn broadcast_interface(&self, address: Ipv4Addr) -> Option<IfIndex> {
        let is = |i: &&Interface| i.addresses.iter().any(|a| a.cidr.broadcast() == Some(address));
        self.interfaces.iter().find(is).map(|i| i.index)
    }
}
