//! Interfaces and the addresses of the host.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::settings::{
    IFF_ALLMULTI, IFF_BROADCAST, IFF_ECHO, IFF_LOOPBACK, IFF_LOWER_UP, IFF_MULTICAST, IFF_NOARP, IFF_RUNNING,
    IFF_UP,
};
use super::{Address, AddressOrigin, LINK_HEADER};
use crate::base::constants::{ARPHRD_CAN, ARPHRD_ETHER, ARPHRD_LOOPBACK};
use crate::base::verb::Traffic;
use crate::base::{Cidr, Errno, Error, IfIndex, LinkType, Mac};
use crate::stack::ip::Group;
use crate::stack::net::Matter;
use crate::stack::{InterfaceConfig, Net};

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
    pub(super) carrier: bool,
    /// It configures IPv6 by itself.
    pub(crate) ipv6: bool,
    pub(crate) addresses: Vec<Address>,
    pub(crate) groups: Vec<Group>,
    pub(crate) counters: Traffic,
    /// How many ask for the frames of other stations (PACKET_MR_PROMISC, IFF_PROMISC).
    pub(super) promiscuity: u32,
    /// The IFF_* of [`SETTABLE`](super::settings::SETTABLE) that it has.
    pub(super) flags: u32,
    /// What `ip link` shows as its qlen; nothing waits here.
    pub(crate) queue_len: u32,
    /// What `ip link` shows as its alias: a person's words.
    pub(crate) alias: String,
    /// IFLA_GROUP.
    pub(crate) group: u32,
    /// Router solicitations still to send.
    pub(in crate::stack) solicitations_left: u8,
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
            // vcan_setup, can_setup: "dev->flags = IFF_NOARP".
            flags: if config.link == LinkType::Can { IFF_NOARP } else { IFF_MULTICAST },
            queue_len: 1000,
            alias: String::new(),
            group: 0,
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
        lo.flags = 0;
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

    /// IFF_*, as dev_get_flags tells them.
    pub(crate) fn flags(&self) -> u32 {
        let kind = match self.hardware() {
            ARPHRD_CAN => IFF_ECHO,
            ARPHRD_LOOPBACK => IFF_LOOPBACK,
            _ => IFF_BROADCAST,
        };
        let enabled = if self.enabled { IFF_UP } else { 0 };
        let carrier = if self.up { IFF_RUNNING | IFF_LOWER_UP } else { 0 };
        kind | enabled | carrier | self.flags
    }

    /// IFF_NOARP: nobody is asked for a station address, and nobody is answered.
    pub(in crate::stack) fn is_without_arp(&self) -> bool {
        self.flags & IFF_NOARP != 0
    }

    /// IFF_ALLMULTI: the frames of every group are taken.
    pub(super) fn takes_all_groups(&self) -> bool {
        self.flags & IFF_ALLMULTI != 0
    }

    /// How many ask for the frames of other stations.
    pub(crate) fn promiscuity(&self) -> u32 {
        self.promiscuity
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

    /// The IPv4 address that this one is secondary to (IFA_F_SECONDARY): the first one of its network and scope.
    pub(crate) fn primary_of(&self, own: &Address) -> Option<&Address> {
        let same = |other: &&Address| (other.network(), other.scope) == (own.network(), own.scope);
        let primary = self.addresses.iter().find(same).filter(|_| own.ip().is_ipv4());
        primary.filter(|primary| primary.ip() != own.ip())
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
        let is = |i: &&Interface| i.addresses.iter().any(|a| a.is_broadcast(address));
        self.interfaces.iter().find(is).map(|i| i.index)
    }
}
