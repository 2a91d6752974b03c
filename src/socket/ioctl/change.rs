//! What netdevice(7), arp(7) and route(8) set: a struct ifreq, in6_ifreq, arpreq or rtentry becomes verbs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(crate) use super::device::NAME;
use super::device::{ARP_DEVICE, ARP_FLAGS, ARP_HARDWARE, ATF_PERM, flags, ipv4};
use crate::base::constants::*;
use crate::base::verb::{InterfaceRow, NeighbourRow, Verb};
use crate::base::{Cidr, Errno, Error, IfIndex, Mac, Result};

/// sockios.h.
const SIOCSIFFLAGS: i32 = 0x8914;
const SIOCSIFADDR: i32 = 0x8916;
const SIOCSIFDSTADDR: i32 = 0x8918;
const SIOCSIFBRDADDR: i32 = 0x891a;
const SIOCSIFNETMASK: i32 = 0x891c;
const SIOCSIFMTU: i32 = 0x8922;
const SIOCDIFADDR: i32 = 0x8936;
const SIOCDARP: i32 = 0x8953;
const SIOCSARP: i32 = 0x8955;
#[cfg(feature = "cli")]
pub(crate) const SIOCADDRT: i32 = 0x890b;
#[cfg(feature = "cli")]
pub(crate) const SIOCDELRT: i32 = 0x890c;

/// sizeof(struct rtentry), and where its `rt_dev` is: a pointer to a name.
#[cfg(feature = "cli")]
pub(crate) const RTENTRY: usize = 120;
#[cfg(feature = "cli")]
pub(crate) const RT_DEVICE: usize = 88;

/// ATF_PUBL, ATF_NETMASK, ATF_DONTPUB.
const ATF_PUBL: i32 = 8;
const ATF_NETMASK: i32 = 0x20;
const ATF_DONTPUB: i32 = 0x40;

/// True for what sets an interface's properties or a neighbour: answered by [`verbs`].
pub(crate) fn is_change(what: i32) -> bool {
    matches!(
        what,
        0x8911 | 0x8914 | 0x8916 | 0x8918 | 0x891a | 0x891c | 0x891e | 0x8920 | 0x8922..=0x8924 | 0x8930..=0x8932
            | 0x8934 | 0x8936 | 0x8937 | 0x8943 | SIOCDARP | SIOCSARP
    )
}

/// True for those whose argument is a struct arpreq.
#[cfg(feature = "cli")]
pub(crate) fn is_about_neighbours(what: i32) -> bool {
    matches!(what, SIOCDARP | SIOCSARP)
}

fn not_ours(what: &str) -> Error {
    Errno::EOPNOTSUPP.with(format!("a sockatoo host has no way to set {what}"))
}

/// What the struct asks for, step by step. `domain` is the socket's: of AF_INET6 addresses are a struct in6_ifreq's.
///
/// # Errors
/// ENODEV, EADDRNOTAVAIL, EINVAL, ENXIO as Linux; EOPNOTSUPP for what hosts don't have.
pub(crate) fn verbs(
    rows: &[InterfaceRow],
    neighbours: &[NeighbourRow],
    domain: i32,
    what: i32,
    asked: &[u8],
) -> Result<Vec<Verb>> {
    match what {
        SIOCSARP | SIOCDARP => return neighbour(rows, neighbours, asked, what == SIOCSARP),
        SIOCSIFADDR | SIOCDIFADDR if domain == AF_INET6 => return ipv6(asked, what == SIOCSIFADDR),
        SIOCSIFADDR | SIOCSIFDSTADDR | SIOCSIFBRDADDR | SIOCSIFNETMASK => {
            return address(rows, what, asked);
        }
        _ => {}
    }
    let row = named(rows, asked.get(..NAME).unwrap_or_default())?;
    let interface = row.index;
    Ok(vec![match what {
        SIOCSIFFLAGS => {
            let wanted = u16::from_ne_bytes(chunk(asked, NAME)?);
            // __dev_change_flags: the others change nothing.
            const CHANGEABLE: u16 = 0xf3a4;
            if (wanted ^ flags(row)) & CHANGEABLE != 0 {
                return Err(not_ours("flags of an interface other than IFF_UP"));
            }
            Verb::SetLink { interface, up: Some(wanted & 1 != 0), mtu: None }
        }
        SIOCSIFMTU => {
            let mtu = u32::try_from(i32::from_ne_bytes(chunk(asked, NAME)?)).map_err(|_| Errno::EINVAL)?;
            Verb::SetLink { interface, up: None, mtu: Some(mtu as usize) }
        }
        _ => return Err(not_ours("this of an interface")),
    }])
}

/// devinet_ioctl: an interface has one IPv4 address here, its first.
fn address(rows: &[InterfaceRow], what: i32, asked: &[u8]) -> Result<Vec<Verb>> {
    let name = asked.get(..NAME).unwrap_or_default();
    let Some(given) = internet(asked, NAME)? else { return Err(Errno::EINVAL.into()) };
    let row = named(rows, name)?;
    if name.contains(&b':') {
        return Err(not_ours("an alias; an interface may have several addresses"));
    }
    let old = ipv4(row).next();
    let replace = |address: Ipv4Addr, prefix: u8| {
        let mut steps: Vec<_> =
            old.map(|(old, ..)| Verb::RemoveAddress(row.index, old.into())).into_iter().collect();
        if !address.is_unspecified() {
            steps.push(Verb::AddAddress(row.index, Cidr::new(address.into(), prefix)?));
        }
        Ok(steps)
    };
    match what {
        SIOCSIFADDR => {
            let prefix = class(given).ok_or(Errno::EINVAL)?;
            if old.is_some_and(|(old, ..)| old == given) { Ok(Vec::new()) } else { replace(given, prefix) }
        }
        SIOCSIFNETMASK => {
            let (address, prefix, _) = old.ok_or(Errno::EADDRNOTAVAIL)?;
            let wanted = length(given).ok_or(Errno::EINVAL)?;
            if wanted == prefix { Ok(Vec::new()) } else { replace(address, wanted) }
        }
        SIOCSIFBRDADDR => {
            let (.., broadcast) = old.ok_or(Errno::EADDRNOTAVAIL)?;
            if broadcast == Some(given) { Ok(Vec::new()) } else { Err(not_ours("another broadcast address")) }
        }
        _ if old.is_none() => Err(Errno::EADDRNOTAVAIL.into()),
        _ => Err(not_ours("an address of the other end")),
    }
}

/// addrconf_add_ifaddr, addrconf_del_ifaddr: a struct in6_ifreq.
fn ipv6(asked: &[u8], add: bool) -> Result<Vec<Verb>> {
    let address: IpAddr = Ipv6Addr::from(chunk::<16>(asked, 0)?).into();
    let prefix = u8::try_from(u32::from_ne_bytes(chunk(asked, 16)?)).map_err(|_| Errno::EINVAL)?;
    let interface = IfIndex(u32::from_ne_bytes(chunk(asked, 20)?));
    Ok(vec![if add {
        Verb::AddAddress(interface, Cidr::new(address, prefix)?)
    } else {
        Verb::RemoveAddress(interface, address)
    }])
}

/// arp_ioctl: without ATF_PERM what is known may be forgotten.
fn neighbour(rows: &[InterfaceRow], known: &[NeighbourRow], asked: &[u8], add: bool) -> Result<Vec<Verb>> {
    let address = internet(asked, 0)?.ok_or(Errno::EPFNOSUPPORT)?;
    let flags = i32::from_ne_bytes(chunk(asked, ARP_FLAGS)?);
    if flags & ATF_PUBL == 0 && flags & (ATF_NETMASK | ATF_DONTPUB) != 0 {
        return Err(Errno::EINVAL.into());
    }
    if flags & ATF_PUBL != 0 {
        return Err(not_ours("a proxy for a neighbour"));
    }
    let device = asked.get(ARP_DEVICE..ARP_DEVICE + NAME).unwrap_or_default();
    let row = match device.first() {
        Some(0) | None => {
            let on_link =
                |row: &&InterfaceRow| row.addresses.iter().any(|own| own.cidr.contains(address.into()));
            rows.iter().find(on_link).ok_or(Errno::ENETUNREACH)?
        }
        Some(_) => named(rows, device)?,
    };
    let address: IpAddr = address.into();
    if !add {
        let there = known.iter().any(|entry| (entry.interface, entry.address) == (row.index, address));
        let forget = Verb::SetNeighbour(row.index, address, None);
        return if there { Ok(vec![forget]) } else { Err(Errno::ENXIO.into()) };
    }
    if ![0, row.hardware].contains(&u16::from_ne_bytes(chunk(asked, ARP_HARDWARE)?)) {
        return Err(Errno::EINVAL.into());
    }
    let mac = Mac(chunk(asked, ARP_HARDWARE + 2)?);
    Ok(vec![if flags & ATF_PERM != 0 {
        Verb::SetNeighbour(row.index, address, Some(mac))
    } else {
        Verb::LearnNeighbour(row.index, address, mac)
    }])
}

/// rtentry_to_fib_config: `device` is the name that the struct points to.
///
/// # Errors
/// EAFNOSUPPORT, EINVAL, ENODEV as Linux; EOPNOTSUPP for routes that refuse.
#[cfg(feature = "cli")]
pub(crate) fn route(rows: &[InterfaceRow], asked: &[u8], device: Option<&[u8]>, add: bool) -> Result<Verb> {
    const RTF_GATEWAY: u16 = 2;
    const RTF_HOST: u16 = 4;
    const RTF_REJECT: u16 = 0x200;
    let to = internet(asked, 8)?.ok_or(Errno::EAFNOSUPPORT)?;
    let flags = u16::from_ne_bytes(chunk(asked, 56)?);
    let prefix = if flags & RTF_HOST != 0 {
        32
    } else {
        let mask = match internet(asked, 40)? {
            Some(mask) => mask,
            None if chunk::<8>(asked, 40)? == [0; 8] => Ipv4Addr::UNSPECIFIED,
            None => return Err(Errno::EAFNOSUPPORT.into()),
        };
        length(mask).ok_or(Errno::EINVAL)?
    };
    let network = Cidr::new(to.into(), prefix)?;
    if flags & RTF_REJECT != 0 {
        return Err(not_ours("a route that refuses"));
    }
    // fib_valid_key_len
    if network.network() != IpAddr::from(to) {
        return Err(Errno::EINVAL.into());
    }
    let interface = device.map(|name| named(rows, name)).transpose()?.map(|row| row.index);
    let via = internet(asked, 24)?.filter(|via| !via.is_unspecified()).map(IpAddr::from);
    if !add {
        return Ok(Verb::RemoveRoute(network, via));
    }
    if flags & RTF_GATEWAY != 0 && via.is_none() {
        return Err(Errno::EINVAL.into());
    }
    Ok(Verb::AddRoute(network, via, interface))
}

/// The interface of this name, up to its NUL or the colon of an alias.
fn named<'a>(rows: &'a [InterfaceRow], name: &[u8]) -> Result<&'a InterfaceRow> {
    let name = name.split(|byte| matches!(byte, 0 | b':')).next().unwrap_or_default();
    Ok(rows.iter().find(|row| row.name.as_bytes() == name).ok_or(Errno::ENODEV)?)
}

fn chunk<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N]> {
    Ok(*bytes.get(at..).and_then(|rest| rest.first_chunk()).ok_or(Errno::EFAULT)?)
}

/// The address of a struct sockaddr_in; `None` of another family.
fn internet(bytes: &[u8], at: usize) -> Result<Option<Ipv4Addr>> {
    let family = u16::from_ne_bytes(chunk(bytes, at)?);
    let address = Ipv4Addr::from(chunk::<4>(bytes, at + 4)?);
    Ok((i32::from(family) == AF_INET).then_some(address))
}

/// A mask's length; `None` if it has holes.
fn length(mask: Ipv4Addr) -> Option<u8> {
    let bits = mask.to_bits();
    (bits.leading_ones() == bits.count_ones()).then_some(bits.count_ones() as u8)
}

/// inet_abc_len: the prefix that an address had when networks had classes.
fn class(address: Ipv4Addr) -> Option<u8> {
    match address.octets()[0] {
        0 => Some(0),
        _ if address.is_broadcast() => Some(0),
        1..=127 => Some(8),
        128..=191 => Some(16),
        192..=223 => Some(24),
        224..=239 => None,
        240..=255 => Some(32),
    }
}
