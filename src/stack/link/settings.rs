//! What a person may set of an interface: `ip link set`, ifconfig(8).

use std::net::IpAddr;

use super::{Address, Interface};
use crate::base::{Errno, Error, IfIndex, Mac, Reason};
use crate::stack::net::Matter;
use crate::stack::{Inbound, Net};

// linux/if.h
pub(super) const IFF_UP: u32 = 1;
pub(super) const IFF_BROADCAST: u32 = 2;
const IFF_DEBUG: u32 = 4;
pub(super) const IFF_LOOPBACK: u32 = 8;
const IFF_NOTRAILERS: u32 = 0x20;
pub(super) const IFF_RUNNING: u32 = 0x40;
pub(super) const IFF_NOARP: u32 = 0x80;
const IFF_PROMISC: u32 = 0x100;
pub(in crate::stack) const IFF_ALLMULTI: u32 = 0x200;
pub(super) const IFF_MULTICAST: u32 = 0x1000;
const IFF_PORTSEL: u32 = 0x2000;
const IFF_AUTOMEDIA: u32 = 0x4000;
const IFF_DYNAMIC: u32 = 0x8000;
pub(super) const IFF_LOWER_UP: u32 = 0x10000;
pub(super) const IFF_ECHO: u32 = 0x40000;
/// Those that __dev_change_flags takes from a person, IFF_UP aside.
const SETTABLE: u32 = IFF_DEBUG
    | IFF_NOTRAILERS
    | IFF_NOARP
    | IFF_PROMISC
    | IFF_ALLMULTI
    | IFF_MULTICAST
    | IFF_PORTSEL
    | IFF_AUTOMEDIA
    | IFF_DYNAMIC;
/// RFC 8200 5: "IPv6 requires that every link in the Internet have an MTU of 1280 octets or greater."
const IPV6_MTU: usize = 1280;
/// IFNAMSIZ, with its end.
const NAME: usize = 16;
/// IFALIASZ, with its end.
const ALIAS: usize = 256;

/// dev_valid_name.
fn is_name(name: &str) -> bool {
    let odd = |byte: u8| byte == b'/' || byte == b':' || byte.is_ascii_whitespace() || byte == 0;
    !name.is_empty() && name.len() < NAME && name != "." && name != ".." && !name.bytes().any(odd)
}

impl Interface {
    /// IPv6 works on it: ipv6_find_idev.
    pub(super) fn has_ipv6(&self) -> bool {
        self.ipv6 && self.enabled && self.mtu >= IPV6_MTU
    }
}

impl Net {
    /// The interface, as something that can be set. ENODEV, and EOPNOTSUPP on a wire that is shared with the kernel.
    fn own_link(&mut self, interface: IfIndex) -> Result<&mut Interface, Error> {
        if self.is_shadow(interface) {
            return Err(Errno::EOPNOTSUPP.with("this interface is the kernel's: set it there"));
        }
        self.interface_mut(interface).ok_or(Errno::ENODEV.because(Reason::NoInterface))
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
        if let Some(link) = self.interface_mut(interface) {
            link.enabled = on;
        }
        if !on {
            self.stop_ipv6(interface)?;
            self.remove_routes_over(interface, |_| true);
            // neigh_ifdown; without a carrier alone the fixed ones stay (neigh_carrier_down).
            self.forget_neighbours(interface, |_| true);
        }
        self.connect_routes(interface);
        self.changed(Matter::Links);
        self.follow_link(interface);
        if on {
            self.start_ipv6(interface)
        }
        Ok(())
    }

    /// dev_change_flags: of those that `change` names, the ones that `flags` has.
    pub(crate) fn set_flags(&mut self, interface: IfIndex, flags: u32, change: u32) -> Result<(), Error> {
        let change_settable = change & SETTABLE;
        if change_settable != 0 {
            let link = self.own_link(interface)?;
            let before = link.flags;
            link.flags = before & !change_settable | flags & change_settable;
            let differs = before ^ link.flags;
            if differs & IFF_PROMISC != 0 {
                self.promiscuous(interface, flags & IFF_PROMISC != 0);
            }
            if differs & IFF_NOARP != 0 {
                // arp_netdev_event: "if (change_info->flags_changed & IFF_NOARP) neigh_changeaddr(&arp_tbl, dev);"
                self.forget_neighbours(interface, |_| true);
            }
            self.changed(Matter::Links);
        }
        if change & IFF_UP == 0 { Ok(()) } else { self.enable(interface, flags & IFF_UP != 0) }
    }

    /// IFLA_MTU. EINVAL under IPv4's minimum and over what the device takes. Too small for IPv6, its addresses and routes go.
    pub(crate) fn set_mtu(&mut self, interface: IfIndex, mtu: usize) -> Result<(), Error> {
        let link = self.own_link(interface)?;
        if link.is_can() {
            return Err(Errno::EOPNOTSUPP.with("a CAN interface carries the frames that its bus has"));
        }
        let loopback = interface == IfIndex::LO;
        if mtu < 68 && !loopback {
            return Err(Errno::EINVAL.with("mtu less than device minimum"));
        }
        if mtu > link.largest_mtu {
            return Err(Errno::EINVAL.with("mtu greater than device maximum"));
        }
        let had = link.has_ipv6();
        (link.mtu, link.ipv6_mtu) = (mtu, mtu);
        let has = link.has_ipv6();
        self.changed(Matter::Links);
        // addrconf_notify, NETDEV_CHANGEMTU.
        match (had, has) {
            (true, false) => self.stop_ipv6(interface),
            (false, true) => {
                self.start_ipv6(interface);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// addrconf_ifdown: IPv6's addresses go, and its routes.
    fn stop_ipv6(&mut self, interface: IfIndex) -> Result<(), Error> {
        let addresses = self.interface(interface).map(|link| link.addresses.clone()).unwrap_or_default();
        for address in addresses.iter().map(Address::ip).filter(IpAddr::is_ipv6) {
            self.remove_address(interface, address)?;
        }
        self.remove_routes_over(interface, |route| route.network.address().is_ipv6());
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

    /// IFLA_ADDRESS (eth_mac_addr). EADDRNOTAVAIL for what can't be a station's. Neighbours are forgotten (neigh_changeaddr).
    pub(crate) fn set_station(&mut self, interface: IfIndex, mac: Mac) -> Result<(), Error> {
        let link = self.own_link(interface)?;
        if link.is_can() {
            return Err(Errno::EOPNOTSUPP.with("a CAN interface has no station address"));
        }
        if mac == Mac::ZERO || mac.is_multicast() {
            return Err(Errno::EADDRNOTAVAIL.with(format!("{mac} can't be the address of a station")));
        }
        link.mac = mac;
        self.changed(Matter::Links);
        self.forget_neighbours(interface, |_| true);
        Ok(())
    }

    /// IFLA_IFNAME (dev_change_name). EINVAL for what is no name, EEXIST if another one has it.
    pub(crate) fn rename(&mut self, interface: IfIndex, name: &str) -> Result<(), Error> {
        if !is_name(name) {
            return Err(Errno::EINVAL.with(format!("`{name}` can't be the name of an interface")));
        }
        if self.interface_by_name(name).is_some_and(|other| other != interface) {
            return Err(Errno::EEXIST.with(format!("there is an interface `{name}` already")));
        }
        let link = self.own_link(interface)?;
        let before = std::mem::replace(&mut link.name, name.to_owned());
        for own in &mut link.addresses {
            own.follow_name(&before, name);
        }
        self.changed(Matter::Links);
        self.changed(Matter::Addresses);
        Ok(())
    }

    /// IFLA_IFALIAS (dev_set_alias). EINVAL over 255 bytes.
    pub(crate) fn set_alias(&mut self, interface: IfIndex, alias: &str) -> Result<(), Error> {
        if alias.len() >= ALIAS {
            return Err(Errno::EINVAL.with("an alias has at most 255 bytes"));
        }
        self.own_link(interface)?.alias = alias.to_owned();
        self.changed(Matter::Links);
        Ok(())
    }

    /// IFLA_TXQLEN.
    pub(crate) fn set_queue_len(&mut self, interface: IfIndex, len: u32) -> Result<(), Error> {
        self.own_link(interface)?.queue_len = len;
        self.changed(Matter::Links);
        Ok(())
    }

    /// IFLA_GROUP.
    pub(crate) fn set_group(&mut self, interface: IfIndex, group: u32) -> Result<(), Error> {
        self.own_link(interface)?.group = group;
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
            self.forget_neighbours(interface, |neighbour| !neighbour.is_permanent());
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
}
