//! What the kernel knows of an interface's surroundings: addresses, routes and neighbours, read by rtnetlink(7) dumps.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd;

use super::descriptor;
use super::netlink::{Request, Rtnetlink};
use crate::base::{Cidr, Mac};

// linux/if_addr.h, linux/rtnetlink.h, linux/neighbour.h
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_FLAGS: u16 = 8;
const IFA_F_DADFAILED: u32 = 0x08;
const IFA_F_TENTATIVE: u32 = 0x40;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_MULTIPATH: u16 = 9;
const RTA_TABLE: u16 = 15;
const RT_TABLE_LOCAL: u32 = 255;
const RTN_UNICAST: u8 = 1;
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
const NUD_REACHABLE: u16 = 0x02;
const NUD_STALE: u16 = 0x04;
const NUD_DELAY: u16 = 0x08;
const NUD_PROBE: u16 = 0x10;
const NUD_PERMANENT: u16 = 0x80;

/// Rows that are kept of one table: more than anybody's interface needs, and a bound.
const ROWS: usize = 65_536;

/// A row of the kernel's routing tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KernelRoute {
    pub(crate) network: Cidr,
    /// `None` = on the link.
    pub(crate) via: Option<IpAddr>,
    /// The smaller one wins.
    pub(crate) metric: u32,
}

/// A station that the kernel knows on the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KernelNeighbour {
    pub(crate) address: IpAddr,
    pub(crate) mac: Mac,
    /// A person has set it: it does not age.
    pub(crate) permanent: bool,
    /// It has answered just now.
    pub(crate) fresh: bool,
}

impl Rtnetlink {
    /// The interface's addresses that may be used, with their networks.
    pub(crate) fn addresses(&self, index: u32) -> io::Result<Vec<Cidr>> {
        // struct ifaddrmsg: family, prefix length, flags, scope, index.
        self.table(libc::RTM_GETADDR, libc::RTM_NEWADDR, 8, |head, attributes| {
            let [_, prefix, flags, _, i0, i1, i2, i3] = *head.first_chunk()?;
            let flags = attributes.get(IFA_FLAGS).and_then(number).unwrap_or_else(|| flags.into());
            if u32::from_ne_bytes([i0, i1, i2, i3]) != index
                || flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED) != 0
            {
                return None;
            }
            // Of a point-to-point link IFA_ADDRESS is the other end's.
            let own = attributes.get(IFA_LOCAL).or_else(|| attributes.get(IFA_ADDRESS))?;
            Cidr::new(ip(own)?, prefix).ok()
        })
    }

    /// The unicast routes over the interface, of all tables but the local one, the best of each network first.
    pub(crate) fn routes(&self, index: u32) -> io::Result<Vec<KernelRoute>> {
        // struct rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type, flags (32 bits).
        let rows = self.table(libc::RTM_GETROUTE, libc::RTM_NEWROUTE, 12, |head, attributes| {
            let [family, prefix, _, _, table, _, _, kind, ..] = *head.first_chunk::<12>()?;
            let table = attributes.get(RTA_TABLE).and_then(number).unwrap_or_else(|| table.into());
            if kind != RTN_UNICAST || table == RT_TABLE_LOCAL {
                return None;
            }
            let all = match i32::from(family) {
                libc::AF_INET => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                libc::AF_INET6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
                _ => return None,
            };
            let network = Cidr::new(attributes.get(RTA_DST).map_or(Some(all), ip)?, prefix).ok()?;
            let via = next_hop(attributes, index)?;
            let metric = attributes.get(RTA_PRIORITY).and_then(number).unwrap_or(0);
            Some(KernelRoute { network, via, metric })
        });
        rows.map(|mut rows| {
            rows.sort_by_key(|row| row.metric);
            rows
        })
    }

    /// The stations that the kernel knows on the interface.
    pub(crate) fn neighbours(&self, index: u32) -> io::Result<Vec<KernelNeighbour>> {
        // struct ndmsg: family, padding (3 bytes), index, state (16 bits), flags, type.
        self.table(libc::RTM_GETNEIGH, libc::RTM_NEWNEIGH, 12, |head, attributes| {
            let [_, _, _, _, i0, i1, i2, i3, s0, s1, _, _] = *head.first_chunk()?;
            let state = u16::from_ne_bytes([s0, s1]);
            let known = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT;
            if u32::from_ne_bytes([i0, i1, i2, i3]) != index || state & known == 0 {
                return None;
            }
            let mac = Mac(attributes.get(NDA_LLADDR)?.try_into().ok()?);
            let address = ip(attributes.get(NDA_DST)?)?;
            let (permanent, fresh) = (state & NUD_PERMANENT != 0, state & NUD_REACHABLE != 0);
            Some(KernelNeighbour { address, mac, permanent, fresh })
        })
    }

    /// Asks for a whole table; of each of its messages of type `kind`, `read` gets the fixed head and the attributes.
    fn table<T>(
        &self,
        ask: u16,
        kind: u16,
        head: usize,
        mut read: impl FnMut(&[u8], Attributes<'_>) -> Option<T>,
    ) -> io::Result<Vec<T>> {
        let request = Request::new(ask, libc::NLM_F_DUMP, &vec![0; head]);
        descriptor::send(self.as_fd(), &request.finish(), 0)?;
        let (mut rows, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
        loop {
            let n = descriptor::recv(self.as_fd(), &mut buffer, 0)?;
            for (found, body) in Messages(buffer.get(..n).unwrap_or_default()) {
                match i32::from(found) {
                    libc::NLMSG_DONE => return Ok(rows),
                    libc::NLMSG_ERROR => match number(body).map(|e| (e as i32).wrapping_neg()) {
                        Some(0) => {}
                        Some(error) => return Err(io::Error::from_raw_os_error(error)),
                        None => return Err(io::Error::from_raw_os_error(libc::EPROTO)),
                    },
                    _ if found == kind && rows.len() < ROWS => {
                        let attributes = Attributes(body.get(head..).unwrap_or_default());
                        rows.extend(read(body, attributes));
                    }
                    _ => {}
                }
            }
        }
    }
}

/// A route's gateway if it leads over the interface; `Some(None)` = the network is on the link.
fn next_hop(attributes: Attributes<'_>, index: u32) -> Option<Option<IpAddr>> {
    if let Some(hops) = attributes.get(RTA_MULTIPATH) {
        // struct rtnexthop: length (16 bits), flags, hops, index; then attributes. The first one over the interface serves.
        let hop = Chunks::<2>(hops).find(|hop| hop.get(4..8).and_then(number) == Some(index))?;
        let gateway = Attributes(hop.get(8..).unwrap_or_default()).get(RTA_GATEWAY);
        return Some(gateway.and_then(ip));
    }
    if attributes.get(RTA_OIF).and_then(number) != Some(index) {
        return None;
    }
    match attributes.get(RTA_GATEWAY) {
        None => Some(None),
        Some(gateway) => ip(gateway).map(Some),
    }
}

/// Records that begin with their length (of `N` bytes), each padded to four bytes.
struct Chunks<'a, const N: usize>(&'a [u8]);

impl<'a, const N: usize> Iterator for Chunks<'a, N> {
    type Item = &'a [u8];
    fn next(&mut self) -> Option<&'a [u8]> {
        let mut length = [0; 4];
        length.get_mut(..N)?.copy_from_slice(self.0.get(..N)?);
        // Native byte order: the low bytes come first where we run, and the length is read so on the others too.
        let length = if cfg!(target_endian = "little") {
            u32::from_le_bytes(length) as usize
        } else {
            (u32::from_be_bytes(length) >> (8 * (4 - N))) as usize
        };
        let record = self.0.get(..length.max(4))?;
        self.0 = self.0.get(length.max(4).next_multiple_of(4)..).unwrap_or_default();
        Some(record)
    }
}

/// Messages: struct nlmsghdr (length, type of 16 bits, flags, sequence, port), and what is behind it.
struct Messages<'a>(&'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = (u16, &'a [u8]);
    fn next(&mut self) -> Option<Self::Item> {
        let mut chunks = Chunks::<4>(self.0);
        let message = chunks.next()?;
        self.0 = chunks.0;
        Some((u16::from_ne_bytes(*message.get(4..)?.first_chunk()?), message.get(16..)?))
    }
}

/// Attributes: struct rtattr (length, type, 16 bits each) and a value.
#[derive(Clone, Copy)]
pub(super) struct Attributes<'a>(pub(super) &'a [u8]);

impl<'a> Attributes<'a> {
    pub(super) fn get(self, kind: u16) -> Option<&'a [u8]> {
        /// Marks of the type: nested, in network byte order.
        const FLAGS: u16 = 0xc000;
        let is = |a: &&[u8]| a.get(2..4).is_some_and(|k| u16::from_ne_bytes([k[0], k[1]]) & !FLAGS == kind);
        Chunks::<2>(self.0).find(is)?.get(4..)
    }
}

fn number(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|b| u32::from_ne_bytes(*b))
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_has_its_address() {
        let addresses = Rtnetlink::new().unwrap().addresses(1).unwrap();
        assert!(addresses.contains(&"127.0.0.1/8".parse().unwrap()), "{addresses:?}");
        assert_eq!(Rtnetlink::new().unwrap().addresses(u32::MAX).unwrap(), []);
        assert_eq!(Rtnetlink::new().unwrap().neighbours(u32::MAX).unwrap(), []);
    }

    #[test]
    fn records_that_lie_about_their_length_end_the_list() {
        for bytes in [&[][..], &[0], &[0, 0, 0, 0], &[255, 255, 0, 0, 1, 2], &[5, 0, 1, 0, 9]] {
            assert!(Chunks::<2>(bytes).count() <= 2, "{bytes:?}");
            assert!(Chunks::<4>(bytes).count() <= 2, "{bytes:?}");
            assert_eq!(Messages(bytes).count(), 0, "{bytes:?}");
        }
        let two = Attributes(&[5, 0, 7, 0, b'a', 0, 0, 0, 6, 0, 8, 0, b'b', b'c', 0, 0]);
        if cfg!(target_endian = "little") {
            assert_eq!((two.get(7), two.get(8), two.get(9)), (Some(&b"a"[..]), Some(&b"bc"[..]), None));
        }
    }
}
