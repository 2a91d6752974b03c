//! ioctl(2): what is asked of a socket about interfaces and queues.

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsFd;

use crate::base::constants::*;
use crate::base::verb::{Answer, InterfaceRow, NeighbourRow, NeighbourState, Verb};
use crate::base::{Errno, IfIndex, Result};
use crate::guest::address;
use crate::guest::supervisor::Guest;
use crate::guest::trap::{Borrowed, Trap, Verdict};
use crate::socket::remote::Native;
use crate::socket::remote::connection::unexpected;
use crate::sys::descriptor;

/// The requests of sockios.h and netdevice(7).
mod request {
    pub(super) const OUTQ: u32 = 0x5411;
    pub(super) const ATMARK: u32 = 0x8905;
    pub(super) const GSTAMP: u32 = 0x8906;
    pub(super) const GSTAMPNS: u32 = 0x8907;
    pub(super) const ADDRT: u32 = 0x890b;
    pub(super) const DELRT: u32 = 0x890c;
    pub(super) const NAME: u32 = 0x8910;
    pub(super) const CONF: u32 = 0x8912;
    pub(super) const FLAGS: u32 = 0x8913;
    pub(super) const ADDR: u32 = 0x8915;
    pub(super) const DSTADDR: u32 = 0x8917;
    pub(super) const BRDADDR: u32 = 0x8919;
    pub(super) const NETMASK: u32 = 0x891b;
    pub(super) const METRIC: u32 = 0x891d;
    pub(super) const MTU: u32 = 0x8921;
    pub(super) const HWADDR: u32 = 0x8927;
    pub(super) const INDEX: u32 = 0x8933;
    pub(super) const TXQLEN: u32 = 0x8942;
    pub(super) const ETHTOOL: u32 = 0x8946;
    pub(super) const DARP: u32 = 0x8953;
    pub(super) const GARP: u32 = 0x8954;
    pub(super) const SARP: u32 = 0x8955;
    pub(super) const MAP: u32 = 0x8970;
}

/// sizeof(struct ifreq): a name, and a union behind it.
const IFREQ: usize = 40;
const NAME: usize = 16;
/// sizeof(struct arpreq), and where its parts are.
const ARPREQ: usize = 68;
const ARP_HARDWARE: usize = 16;
const ARP_FLAGS: usize = 32;
const ARP_DEVICE: usize = 52;
/// ARPHRD_ETHER, ARPHRD_LOOPBACK.
const ETHER: u16 = 1;
const LOOPBACK: u16 = 772;
/// IFF_UP | IFF_RUNNING; IFF_LOOPBACK; IFF_BROADCAST | IFF_MULTICAST.
const UP: u16 = 0x41;
const IS_LOOPBACK: u16 = 0x8;
const IS_ETHER: u16 = 0x1002;
/// What `ip link` shows of a fresh interface as its qlen.
const QUEUE: i32 = 1000;
/// ATF_COM, ATF_PERM.
const ATF_COM: i32 = 2;
const ATF_PERM: i32 = 4;

/// ioctl(2).
pub(super) fn ioctl(guest: &mut Guest, trap: &Trap, ours: Borrowed) -> Result<Verdict> {
    let (what, at) = (trap.pointer(1) as u32, trap.pointer(2));
    match what {
        request::OUTQ => {
            let count = match ours.kind {
                SOCK_STREAM => guest.native(Native::Unsent(ours.socket), &[])?.0,
                _ => guest.verb(Verb::Unsent(ours.socket))?,
            };
            let Answer::Count(count) = count else { return Err(unexpected()) };
            trap.write(at, &i32::try_from(count).unwrap_or(i32::MAX).to_ne_bytes())?;
        }
        // tcp_ioctl: urgent data is none of ours.
        request::ATMARK if ours.kind == SOCK_STREAM => trap.write(at, &0i32.to_ne_bytes())?,
        // sock_gettstamp: no packet has left its time here; SO_TIMESTAMP tells each one's.
        request::GSTAMP | request::GSTAMPNS => return Err(Errno::ENOENT.into()),
        request::GARP => neighbour(guest, trap, at)?,
        // The setting ones: CAP_NET_ADMIN.
        request::ADDRT | request::DELRT | request::DARP | request::SARP => return Err(Errno::EPERM.into()),
        0x8910..=0x8947 | request::MAP => about_interfaces(guest, trap)?,
        // FIOSETOWN, SIOCSPGRP and their like: signals are the kernel's business.
        0x8901..=0x8904 => return Ok(Verdict::Native),
        _ => return Err(Errno::ENOTTY.into()),
    }
    Ok(Verdict::Return(0))
}

/// ioctl(2) of a descriptor that is none of ours: if_nametoindex(3), and whoever else wants any socket at all, asks an AF_UNIX one
/// about interfaces. What needs an Internet socket (addresses) the kernel refuses itself.
pub(super) fn of_another(guest: &mut Guest, trap: &Trap) -> Result<Verdict> {
    let what = trap.pointer(1) as u32;
    let of_any_socket = matches!(what, request::CONF | request::MAP | 0x8910..=0x8947)
        && !matches!(what, request::ADDR..=0x891c);
    let domain = || {
        let fd = trap.borrow(trap.int(0)).ok()?;
        descriptor::option(fd.as_fd(), SOL_SOCKET, SO_DOMAIN).ok()
    };
    if !of_any_socket || domain() != Some(AF_UNIX) {
        return Ok(Verdict::Native);
    }
    about_interfaces(guest, trap)?;
    Ok(Verdict::Return(0))
}

fn about_interfaces(guest: &mut Guest, trap: &Trap) -> Result<()> {
    let (what, at) = (trap.pointer(1) as u32, trap.pointer(2));
    if what == request::CONF {
        return configuration(guest, trap, at);
    }
    let mut asked = trap.read(at, IFREQ)?;
    answer(&guest.interfaces()?, what, &mut asked)?;
    trap.write(at, &asked)
}

/// dev_ioctl and devinet_ioctl: a struct ifreq is asked, and answered in its place.
fn answer(rows: &[InterfaceRow], what: u32, asked: &mut [u8]) -> Result<()> {
    let (name, value) = asked.split_at_mut_checked(NAME).ok_or(Errno::EFAULT)?;
    if what == request::NAME {
        let index = value.first_chunk().map_or(0, |bytes| u32::from_ne_bytes(*bytes));
        let row = rows.iter().find(|row| row.index.0 == index).ok_or(Errno::ENODEV)?;
        put_name(name, &row.name);
        return Ok(());
    }
    if is_setting(what) {
        return Err(Errno::EPERM.into());
    }
    // "colon = strchr(ifr->ifr_name, ':')": an alias is its interface's.
    let wanted = name.split(|byte| matches!(byte, 0 | b':')).next().unwrap_or_default();
    let row = rows.iter().find(|row| row.name.as_bytes() == wanted).ok_or(Errno::ENODEV)?;
    let lo = row.index == IfIndex::LO;
    let v4 = || ipv4(row).next().ok_or(Errno::EADDRNOTAVAIL);
    match what {
        request::FLAGS => {
            let flags = if row.up { UP } else { 0 } | if lo { IS_LOOPBACK } else { IS_ETHER };
            put(value, &flags.to_ne_bytes());
        }
        request::ADDR | request::DSTADDR => put(value, &internet(v4()?.0)),
        request::NETMASK => {
            let mask = u32::MAX.checked_shl(32 - u32::from(v4()?.1)).unwrap_or(0);
            put(value, &internet(Ipv4Addr::from_bits(mask)));
        }
        request::BRDADDR => {
            // inet_set_ifa: the loopback has none.
            let broadcast = v4()?.2.filter(|_| !lo);
            put(value, &internet(broadcast.unwrap_or(Ipv4Addr::UNSPECIFIED)));
        }
        request::METRIC => put(value, &0i32.to_ne_bytes()),
        request::MTU => put(value, &i32::try_from(row.mtu).unwrap_or(i32::MAX).to_ne_bytes()),
        request::INDEX => put(value, &row.index.0.to_ne_bytes()),
        request::TXQLEN => put(value, &QUEUE.to_ne_bytes()),
        request::HWADDR => {
            put(value, &if lo { LOOPBACK } else { ETHER }.to_ne_bytes());
            put(value.get_mut(2..).unwrap_or_default(), &row.mac.0);
        }
        request::MAP => put(value, &[0; 24]),
        request::ETHTOOL => return Err(Errno::EOPNOTSUPP.into()),
        _ => return Err(Errno::ENOTTY.into()),
    }
    Ok(())
}

/// SIOCSIF*: what needs CAP_NET_ADMIN.
fn is_setting(what: u32) -> bool {
    matches!(
        what,
        0x8911 | 0x8914 | 0x8916 | 0x8918 | 0x891a | 0x891c | 0x891e | 0x8920 | 0x8922..=0x8924 | 0x8930..=0x8932
            | 0x8934 | 0x8936 | 0x8937 | 0x8943
    )
}

/// An interface's IPv4 addresses, prefix lengths and broadcast addresses.
fn ipv4(row: &InterfaceRow) -> impl Iterator<Item = (Ipv4Addr, u8, Option<Ipv4Addr>)> {
    row.addresses.iter().filter_map(|address| match address.cidr.address() {
        IpAddr::V4(v4) => Some((v4, address.cidr.prefix(), address.cidr.broadcast())),
        IpAddr::V6(_) => None,
    })
}

/// struct sockaddr_in.
fn internet(address: Ipv4Addr) -> Vec<u8> {
    address::encode(&(address, 0).into())
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

/// dev_ifconf: a struct ifreq of each IPv4 address, as many as there is room for; without a buffer the room that it takes.
fn configuration(guest: &mut Guest, trap: &Trap, at: u64) -> Result<()> {
    let asked = trap.read(at, 16)?;
    let room = asked.first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes));
    let buffer = asked.last_chunk().map_or(0, |bytes| u64::from_ne_bytes(*bytes));
    let mut list = list(&guest.interfaces()?);
    if buffer != 0 {
        list.truncate(usize::try_from(room).unwrap_or(0) / IFREQ * IFREQ);
        trap.write(buffer, &list)?;
    }
    trap.write(at, &i32::try_from(list.len()).unwrap_or(i32::MAX).to_ne_bytes())
}

fn list(rows: &[InterfaceRow]) -> Vec<u8> {
    let mut list = Vec::new();
    for (row, (address, ..)) in rows.iter().flat_map(|row| ipv4(row).map(move |address| (row, address))) {
        let mut entry = [0; IFREQ];
        let (name, value) = entry.split_at_mut(NAME);
        put_name(name, &row.name);
        put(value, &internet(address));
        list.extend(entry);
    }
    list
}

/// arp_req_get: a neighbour's station address. ENXIO if it is not known.
fn neighbour(guest: &mut Guest, trap: &Trap, at: u64) -> Result<()> {
    let mut asked = trap.read(at, ARPREQ)?;
    let address = match address::decode(asked.get(..ARP_HARDWARE).unwrap_or_default())? {
        crate::base::SockAddr::V4(v4) => IpAddr::V4(*v4.ip()),
        _ => return Err(Errno::EPFNOSUPPORT.into()),
    };
    let device: Vec<u8> =
        asked.get(ARP_DEVICE..).unwrap_or_default().iter().copied().take_while(|byte| *byte != 0).collect();
    let rows = guest.interfaces()?;
    let named = |row: &NeighbourRow| rows.iter().find(|interface| interface.index == row.interface);
    let wanted = |row: &NeighbourRow| {
        row.address == address
            && (device.is_empty() || named(row).is_some_and(|interface| interface.name.as_bytes() == device))
    };
    let found = guest.neighbours()?.into_iter().find(wanted).ok_or(Errno::ENXIO)?;
    let flags = match (found.mac, found.state) {
        (None, _) => 0,
        (_, NeighbourState::Permanent) => ATF_COM | ATF_PERM,
        _ => ATF_COM,
    };
    put(asked.get_mut(ARP_HARDWARE..).unwrap_or_default(), &ETHER.to_ne_bytes());
    put(asked.get_mut(ARP_HARDWARE + 2..).unwrap_or_default(), &found.mac.unwrap_or_default().0);
    put(asked.get_mut(ARP_FLAGS..).unwrap_or_default(), &flags.to_ne_bytes());
    put_name(
        asked.get_mut(ARP_DEVICE..).unwrap_or_default(),
        named(&found).map_or("", |interface| &interface.name),
    );
    trap.write(at, &asked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Mac;
    use crate::base::verb::AddressRow;

    fn row(index: u32, name: &str, cidr: &str) -> InterfaceRow {
        let cidr = cidr.parse().unwrap();
        let address = AddressRow { cidr, tentative: false, duplicate: false, preferred: None, valid: None };
        let (mac, mtu) = (Mac([2, 0, 0, 0, 0, 9]), 1500);
        InterfaceRow {
            index: IfIndex(index),
            name: name.into(),
            mac,
            mtu,
            up: true,
            addresses: vec![address],
        }
    }

    fn ask(what: u32, name: &str) -> Result<Vec<u8>> {
        let mut asked = vec![0xaa; IFREQ];
        put_name(&mut asked[..NAME], name);
        let rows = [row(1, "lo", "127.0.0.1/8"), row(2, "eth0", "192.0.2.5/24")];
        answer(&rows, what, &mut asked).map(|()| asked.split_off(NAME))
    }

    #[test]
    fn interfaces_answer_as_netdevice_says() {
        assert_eq!(ask(request::FLAGS, "lo").unwrap()[..2], 0x49u16.to_ne_bytes());
        assert_eq!(ask(request::FLAGS, "eth0").unwrap()[..2], 0x1043u16.to_ne_bytes());
        assert_eq!(ask(request::ADDR, "eth0:1").unwrap()[..8], [2, 0, 0, 0, 192, 0, 2, 5]);
        assert_eq!(ask(request::NETMASK, "eth0").unwrap()[4..8], [255, 255, 255, 0]);
        assert_eq!(ask(request::BRDADDR, "eth0").unwrap()[4..8], [192, 0, 2, 255]);
        assert_eq!(ask(request::BRDADDR, "lo").unwrap()[4..8], [0; 4]);
        assert_eq!(ask(request::HWADDR, "eth0").unwrap()[..8], [1, 0, 2, 0, 0, 0, 0, 9]);
        assert_eq!(ask(request::INDEX, "eth0").unwrap()[..4], 2u32.to_ne_bytes());
        assert_eq!(ask(request::ADDR, "eth1").unwrap_err().errno(), Errno::ENODEV);
        assert_eq!(ask(0x8914, "eth0").unwrap_err().errno(), Errno::EPERM);
        assert_eq!(list(&[row(1, "lo", "127.0.0.1/8"), row(2, "eth0", "::1/64")]).len(), IFREQ);
    }
}
