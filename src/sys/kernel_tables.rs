//! What the kernel knows of an interface's surroundings: addresses, routes and neighbours, read by rtnetlink(7) dumps.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd;

use super::descriptor;
use super::netlink::Rtnetlink;
use crate::base::netlink::{Draft, attribute, attributes, messages, u32_at};
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
        self.table(libc::RTM_GETADDR, libc::RTM_NEWADDR, 8, |head, rest| {
            let [_, prefix, flags, _, i0, i1, i2, i3] = *head.first_chunk()?;
            let flags = attribute(rest, IFA_FLAGS).and_then(number).unwrap_or_else(|| flags.into());
            if u32::from_ne_bytes([i0, i1, i2, i3]) != index
                || flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED) != 0
            {
                return None;
            }
            // Of a point-to-point link IFA_ADDRESS is the other end's.
            let own = attribute(rest, IFA_LOCAL).or_else(|| attribute(rest, IFA_ADDRESS))?;
            Cidr::new(ip(own)?, prefix).ok()
        })
    }

    /// The unicast routes over the interface, of all tables but the local one, the best of each network first.
    pub(crate) fn routes(&self, index: u32) -> io::Result<Vec<KernelRoute>> {
        // struct rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type, flags (32 bits).
        let rows = self.table(libc::RTM_GETROUTE, libc::RTM_NEWROUTE, 12, |head, rest| {
            let [family, prefix, _, _, table, _, _, kind, ..] = *head.first_chunk::<12>()?;
            let table = attribute(rest, RTA_TABLE).and_then(number).unwrap_or_else(|| table.into());
            if kind != RTN_UNICAST || table == RT_TABLE_LOCAL {
                return None;
            }
            let all = match i32::from(family) {
                libc::AF_INET => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                libc::AF_INET6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
                _ => return None,
            };
            let network = Cidr::new(attribute(rest, RTA_DST).map_or(Some(all), ip)?, prefix).ok()?;
            let via = next_hop(rest, index)?;
            let metric = attribute(rest, RTA_PRIORITY).and_then(number).unwrap_or(0);
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
        self.table(libc::RTM_GETNEIGH, libc::RTM_NEWNEIGH, 12, |head, rest| {
            let [_, _, _, _, i0, i1, i2, i3, s0, s1, _, _] = *head.first_chunk()?;
            let state = u16::from_ne_bytes([s0, s1]);
            let known = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT;
            if u32::from_ne_bytes([i0, i1, i2, i3]) != index || state & known == 0 {
                return None;
            }
            let mac = Mac(attribute(rest, NDA_LLADDR)?.try_into().ok()?);
            let address = ip(attribute(rest, NDA_DST)?)?;
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
        mut read: impl FnMut(&[u8], &[u8]) -> Option<T>,
    ) -> io::Result<Vec<T>> {
        self.send(Draft::new(ask, &vec![0; head]), libc::NLM_F_DUMP)?;
        let (mut rows, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
        loop {
            let n = descriptor::recv(self.as_fd(), &mut buffer, 0)?;
            for message in messages(buffer.get(..n).unwrap_or_default()) {
                let body = message.body;
                match i32::from(message.kind) {
                    libc::NLMSG_DONE => return Ok(rows),
                    libc::NLMSG_ERROR => match number(body).map(|e| (e as i32).wrapping_neg()) {
                        Some(0) => {}
                        Some(error) => return Err(io::Error::from_raw_os_error(error)),
                        None => return Err(io::Error::from_raw_os_error(libc::EPROTO)),
                    },
                    _ if message.kind == kind && rows.len() < ROWS => {
                        rows.extend(read(body, body.get(head..).unwrap_or_default()));
                    }
                    _ => {}
                }
            }
        }
    }
}

/// A route's gateway if it leads over the interface; `Some(None)` = the network is on the link.
fn next_hop(route: &[u8], index: u32) -> Option<Option<IpAddr>> {
    if let Some(hops) = attribute(route, RTA_MULTIPATH) {
        // struct rtnexthop: length (16 bits), flags, hops, index; then attributes: an attribute in its form. The first one over the
        // interface serves.
        let (_, hop) = attributes(hops).find(|(_, hop)| number(hop) == Some(index))?;
        let gateway = attribute(hop.get(4..).unwrap_or_default(), RTA_GATEWAY);
        return Some(gateway.and_then(ip));
    }
    if attribute(route, RTA_OIF).and_then(number) != Some(index) {
        return None;
    }
    match attribute(route, RTA_GATEWAY) {
        None => Some(None),
        Some(gateway) => ip(gateway).map(Some),
    }
}

fn number(bytes: &[u8]) -> Option<u32> {
    u32_at(bytes, 0)
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
}
