//! What netdevice(7) and arp(7) ask about interfaces and neighbours: a struct ifreq or arpreq is answered in its place.

use std::net::{IpAddr, Ipv4Addr};

use crate::base::constants::*;
use crate::base::verb::{InterfaceRow, NeighbourRow, NeighbourState};
use crate::base::{Errno, IfIndex, Result};

/// sizeof(struct ifreq): a name, and a union behind it.
pub(crate) const IFREQ: usize = 40;
pub(crate) const NAME: usize = 16;
/// sizeof(struct arpreq), and where its parts are.
pub(crate) const ARPREQ: usize = 68;
pub(super) const ARP_HARDWARE: usize = 16;
pub(super) const ARP_FLAGS: usize = 32;
pub(super) const ARP_DEVICE: usize = 52;
const SIOCETHTOOL: i32 = 0x8946;
/// ATF_COM, ATF_PERM.
const ATF_COM: i32 = 2;
pub(super) const ATF_PERM: i32 = 4;

/// What any socket may ask about an interface, SIOCGIFCONF aside.
pub(crate) fn is_request(what: i32) -> bool {
    what != SIOCGIFCONF && matches!(what, 0x8910..=0x8947 | SIOCGIFMAP | 0x89f0..=0x89ff)
}

/// What only a socket that has IPv4 may ask: SIOCGIFADDR and its like, and setting them.
pub(crate) fn wants_address(what: i32) -> bool {
    matches!(what, SIOCGIFADDR..=0x891c)
}

/// dev_ioctl and devinet_ioctl: a struct ifreq is asked, and answered in its place.
pub(crate) fn answer(rows: &[InterfaceRow], what: i32, asked: &mut [u8]) -> Result<()> {
    let (name, value) = asked.split_at_mut_checked(NAME).ok_or(Errno::EFAULT)?;
    if what == SIOCGIFNAME {
        let index = value.first_chunk().map_or(0, |bytes| u32::from_ne_bytes(*bytes));
        let row = rows.iter().find(|row| row.index.0 == index).ok_or(Errno::ENODEV)?;
        put_name(name, &row.name);
        return Ok(());
    }
    // "colon = strchr(ifr->ifr_name, ':')": an alias is its interface's, but it has no address of its own here.
    let alias = name.contains(&b':');
    let wanted = name.split(|byte| matches!(byte, 0 | b':')).next().unwrap_or_default();
    let row = rows.iter().find(|row| row.name.as_bytes() == wanted).ok_or(Errno::ENODEV)?;
    let lo = row.index == IfIndex::LO;
    let v4 = || ipv4(row).next().filter(|_| !alias).ok_or(Errno::EADDRNOTAVAIL);
    match what {
        SIOCGIFFLAGS => put(value, &flags(row).to_ne_bytes()),
        SIOCGIFADDR | SIOCGIFDSTADDR => put(value, &internet(v4()?.0)),
        SIOCGIFNETMASK => {
            let mask = u32::MAX.checked_shl(32 - u32::from(v4()?.1)).unwrap_or(0);
            put(value, &internet(Ipv4Addr::from_bits(mask)));
        }
        SIOCGIFBRDADDR => {
            // inet_set_ifa: the loopback has none.
            let broadcast = v4()?.2.filter(|_| !lo);
            put(value, &internet(broadcast.unwrap_or(Ipv4Addr::UNSPECIFIED)));
        }
        SIOCGIFMETRIC => put(value, &0i32.to_ne_bytes()),
        SIOCGIFMTU => put(value, &i32::try_from(row.mtu).unwrap_or(i32::MAX).to_ne_bytes()),
        SIOCGIFINDEX => put(value, &row.index.0.to_ne_bytes()),
        SIOCGIFTXQLEN => put(value, &row.queue_len.to_ne_bytes()),
        SIOCGIFHWADDR => {
            put(value, &row.hardware.to_ne_bytes());
            put(value.get_mut(2..).unwrap_or_default(), &row.mac.0);
        }
        SIOCGIFMAP => put(value, &[0; 24]),
        // dev_ifsioc: SIOCETHTOOL and SIOCDEVPRIVATE of a driver that has none.
        SIOCETHTOOL | 0x89f0..=0x89ff => return Err(Errno::EOPNOTSUPP.into()),
        _ => return Err(Errno::ENOTTY.into()),
    }
    Ok(())
}

/// IFF_*, as SIOCGIFFLAGS tells them: 16 bits.
pub(super) fn flags(row: &InterfaceRow) -> u16 {
    row.flags as u16
}

/// An interface's IPv4 addresses, prefix lengths and broadcast addresses.
pub(super) fn ipv4(row: &InterfaceRow) -> impl Iterator<Item = (Ipv4Addr, u8, Option<Ipv4Addr>)> {
    row.addresses.iter().filter_map(|address| match address.cidr.address() {
        IpAddr::V4(v4) => Some((v4, address.cidr.prefix(), address.cidr.broadcast())),
        IpAddr::V6(_) => None,
    })
}

/// struct sockaddr_in.
fn internet(address: Ipv4Addr) -> [u8; 16] {
    let mut bytes = [0; 16];
    put(&mut bytes, &(AF_INET as u16).to_ne_bytes());
    put(&mut bytes[4..], &address.octets());
    bytes
}

fn put(to: &mut [u8], bytes: &[u8]) {
    for (to, from) in to.iter_mut().zip(bytes) {
        *to = *from;
    }
}

fn put_name(to: &mut [u8], name: &str) {
    let end = to.len().saturating_sub(1);
    to.fill(0);
    put(to.get_mut(..end).unwrap_or_default(), name.as_bytes());
}

/// dev_ifconf: a struct ifreq of each IPv4 address, as many as there is room for.
pub(crate) fn configuration(rows: &[InterfaceRow], room: usize) -> Vec<u8> {
    let mut list = Vec::new();
    for (row, (address, ..)) in rows.iter().flat_map(|row| ipv4(row).map(move |address| (row, address))) {
        let mut entry = [0; IFREQ];
        let (name, value) = entry.split_at_mut(NAME);
        put_name(name, &row.name);
        put(value, &internet(address));
        list.extend(entry);
    }
    list.truncate(room / IFREQ * IFREQ);
    list
}

/// arp_req_get: a neighbour's station address. ENXIO if it is not known.
pub(crate) fn neighbour(rows: &[InterfaceRow], neighbours: &[NeighbourRow], asked: &mut [u8]) -> Result<()> {
    let (family, address) = match asked {
        [a, b, _, _, w, x, y, z, ..] => (u16::from_ne_bytes([*a, *b]), Ipv4Addr::new(*w, *x, *y, *z)),
        _ => return Err(Errno::EFAULT.into()),
    };
    if i32::from(family) != AF_INET {
        return Err(Errno::EPFNOSUPPORT.into());
    }
    let device: Vec<u8> =
        asked.get(ARP_DEVICE..).unwrap_or_default().iter().copied().take_while(|byte| *byte != 0).collect();
    // arp_ioctl: __dev_get_by_name comes first.
    if !device.is_empty() && !rows.iter().any(|row| row.name.as_bytes() == device) {
        return Err(Errno::ENODEV.into());
    }
    let named = |row: &NeighbourRow| rows.iter().find(|interface| interface.index == row.interface);
    let wanted = |row: &&NeighbourRow| {
        row.address == address
            && (device.is_empty() || named(row).is_some_and(|interface| interface.name.as_bytes() == device))
    };
    let found = neighbours.iter().find(wanted).ok_or(Errno::ENXIO)?;
    let flags = match (found.mac, found.state) {
        (None, _) => 0,
        (_, NeighbourState::Permanent) => ATF_COM | ATF_PERM,
        _ => ATF_COM,
    };
    put(asked.get_mut(ARP_HARDWARE..).unwrap_or_default(), &ARPHRD_ETHER.to_ne_bytes());
    put(asked.get_mut(ARP_HARDWARE + 2..).unwrap_or_default(), &found.mac.unwrap_or_default().0);
    put(asked.get_mut(ARP_FLAGS..).unwrap_or_default(), &flags.to_ne_bytes());
    let name = named(found).map_or("", |interface| &interface.name);
    put_name(asked.get_mut(ARP_DEVICE..).unwrap_or_default(), name);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Mac;
    use crate::base::verb::AddressRow;

    fn row(index: u32, name: &str, cidr: &str) -> InterfaceRow {
        let cidr = cidr.parse().unwrap();
        let address = AddressRow {
            cidr,
            peer: None,
            broadcast: cidr.broadcast(),
            label: name.into(),
            scope: 0,
            secondary: false,
            tentative: false,
            duplicate: false,
            preferred: None,
            valid: None,
        };
        let (mac, mtu) = (Mac([2, 0, 0, 0, 0, 9]), 1500);
        InterfaceRow {
            index: IfIndex(index),
            name: name.into(),
            mac,
            hardware: if index == 1 { ARPHRD_LOOPBACK } else { ARPHRD_ETHER },
            mtu,
            up: true,
            flags: if index == 1 { 0x10049 } else { 0x11043 },
            queue_len: 1000,
            addresses: vec![address],
            traffic: Default::default(),
        }
    }

    fn ask(what: i32, name: &str) -> Result<Vec<u8>> {
        let mut asked = vec![0xaa; IFREQ];
        put_name(&mut asked[..NAME], name);
        let rows = [row(1, "lo", "127.0.0.1/8"), row(2, "eth0", "192.0.2.5/24")];
        answer(&rows, what, &mut asked).map(|()| asked.split_off(NAME))
    }

    #[test]
    fn interfaces_answer_as_netdevice_says() {
        assert_eq!(ask(SIOCGIFFLAGS, "lo").unwrap()[..2], 0x49u16.to_ne_bytes());
        assert_eq!(ask(SIOCGIFFLAGS, "eth0").unwrap()[..2], 0x1043u16.to_ne_bytes());
        assert_eq!(ask(SIOCGIFADDR, "eth0").unwrap()[..8], [2, 0, 0, 0, 192, 0, 2, 5]);
        assert_eq!(ask(SIOCGIFADDR, "eth0:1").unwrap_err().errno(), Errno::EADDRNOTAVAIL);
        assert_eq!(ask(SIOCGIFFLAGS, "eth0:1").unwrap()[..2], 0x1043u16.to_ne_bytes());
        assert_eq!(ask(SIOCGIFNETMASK, "eth0").unwrap()[4..8], [255, 255, 255, 0]);
        assert_eq!(ask(SIOCGIFBRDADDR, "eth0").unwrap()[4..8], [192, 0, 2, 255]);
        assert_eq!(ask(SIOCGIFBRDADDR, "lo").unwrap()[4..8], [0; 4]);
        assert_eq!(ask(SIOCGIFHWADDR, "eth0").unwrap()[..8], [1, 0, 2, 0, 0, 0, 0, 9]);
        assert_eq!(ask(SIOCGIFINDEX, "eth0").unwrap()[..4], 2u32.to_ne_bytes());
        assert_eq!(ask(SIOCGIFADDR, "eth1").unwrap_err().errno(), Errno::ENODEV);
        assert_eq!(configuration(&[row(1, "lo", "127.0.0.1/8"), row(2, "eth0", "::1/64")], 79).len(), IFREQ);
    }
}
