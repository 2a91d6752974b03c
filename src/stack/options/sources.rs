//! Source filters of a socket's multicast memberships (RFC 3376, RFC 3678): IP_ADD_SOURCE_MEMBERSHIP, IP_BLOCK_SOURCE, IP_MSFILTER,
//! MCAST_JOIN_SOURCE_GROUP, MCAST_BLOCK_SOURCE, MCAST_MSFILTER and their opposites.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::bytes::{in_addr, in6_addr, sockaddr, word};
use super::calls::{out_of_range, wrong_length};
use crate::base::constants::*;
use crate::base::{Errno, Error, IfIndex, Reason, Result, SocketId};
use crate::stack::Stack;
use crate::stack::ip::Filter;
use crate::stack::table::{Entry, Membership};

/// Sources of one membership: sysctl_igmp_max_msf, sysctl_mld_max_msf.
const MOST: [usize; 2] = [10, 64];
/// sizeof(struct sockaddr_storage), sizeof(struct group_source_req), and where struct group_filter's list begins.
const STORAGE: usize = 128;
const GROUP_SOURCE: usize = 264;
const GROUP_FILTER: usize = 144;

fn not_member() -> Error {
    Errno::EADDRNOTAVAIL.because(Reason::NotMember)
}

/// The address of a struct sockaddr_storage of this level's family.
fn address(level: i32, value: &[u8], at: usize) -> Result<IpAddr> {
    let family = value.get(at..at + 2).and_then(|bytes| bytes.first_chunk());
    let family = family.map_or(0, |bytes| i32::from(u16::from_ne_bytes(*bytes)));
    let found = match (level, family) {
        (SOL_IP, AF_INET) => in_addr(value, at + 4).map(IpAddr::V4),
        (SOL_IPV6, AF_INET6) => in6_addr(value, at + 8).map(IpAddr::V6),
        _ => None,
    };
    found.ok_or(Errno::EADDRNOTAVAIL.because(Reason::WrongFamily))
}

/// What is done with a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Change {
    /// MCAST_EXCLUDE's lists, or MCAST_INCLUDE's.
    exclude: bool,
    /// It is put on the list, or taken off.
    add: bool,
}

impl Change {
    fn of(name: i32) -> Self {
        let exclude =
            matches!(name, IP_BLOCK_SOURCE | IP_UNBLOCK_SOURCE | MCAST_BLOCK_SOURCE | MCAST_UNBLOCK_SOURCE);
        let add = matches!(
            name,
            IP_BLOCK_SOURCE | IP_ADD_SOURCE_MEMBERSHIP | MCAST_BLOCK_SOURCE | MCAST_JOIN_SOURCE_GROUP
        );
        Self { exclude, add }
    }
}

impl Stack {
    /// The options of one source: struct ip_mreq_source, struct group_source_req.
    pub(super) fn set_source(&mut self, id: SocketId, level: i32, name: i32, value: &[u8]) -> Result<()> {
        let old = matches!(
            name,
            IP_BLOCK_SOURCE | IP_UNBLOCK_SOURCE | IP_ADD_SOURCE_MEMBERSHIP | IP_DROP_SOURCE_MEMBERSHIP
        );
        let (group, source, interface) = if old && level == SOL_IP {
            let at = |at| in_addr(value, at).filter(|_| value.len() == 12).ok_or_else(wrong_length);
            let (group, interface, source) = (at(0)?, at(4)?, at(8)?);
            (group.into(), source.into(), self.named_interface(None, interface)?)
        } else {
            if value.len() < GROUP_SOURCE {
                return Err(wrong_length());
            }
            let index = word(value, 0).filter(|index| *index != 0).map(IfIndex);
            (address(level, value, 8)?, address(level, value, 8 + STORAGE)?, index)
        };
        if !IpAddr::is_multicast(&group) {
            return Err(out_of_range());
        }
        let change = Change::of(name);
        if change == (Change { exclude: false, add: true }) {
            let joined = self.join(id, group, interface, Filter::of_nobody());
            if let Err(error) = joined
                && error.errno() != Errno::EADDRINUSE
            {
                return Err(error);
            }
        }
        let interface = self.net.group_link(group, interface)?;
        self.change_source(id, group, interface, source, change)
    }

    /// ip_mc_source, ip6_mc_source.
    fn change_source(
        &mut self,
        id: SocketId,
        group: IpAddr,
        interface: IfIndex,
        source: IpAddr,
        change: Change,
    ) -> Result<()> {
        // "must have a prior join"
        let membership = self.membership_of(id, group, interface).map_err(|_| out_of_range())?;
        if membership.exclude != change.exclude {
            // "allow mode switches for empty-set filters"
            if membership.sources.is_some() {
                return Err(out_of_range());
            }
            membership.exclude = change.exclude;
        }
        let found = membership.sources.as_ref().and_then(|all| all.iter().position(|one| *one == source));
        match (change.add, found) {
            (true, Some(_)) | (false, None) => return Err(not_member()),
            (true, None) => {
                let sources = membership.sources.get_or_insert_default();
                if sources.len() >= MOST[usize::from(group.is_ipv6())] {
                    return Err(Errno::ENOBUFS.because(Reason::TooManyMemberships));
                }
                sources.push(source);
            }
            (false, Some(at)) => {
                let sources = membership.sources.get_or_insert_default();
                // "special case - (INCLUDE, empty) == LEAVE_GROUP"
                if sources.len() == 1 && !change.exclude {
                    return self.leave(id, group, Some(interface));
                }
                sources.remove(at);
            }
        }
        self.report_sources(group, interface);
        Ok(())
    }

    /// IP_MSFILTER (struct ip_msfilter), MCAST_MSFILTER (struct group_filter): a list as a whole.
    pub(super) fn set_source_filter(
        &mut self,
        id: SocketId,
        level: i32,
        name: i32,
        value: &[u8],
    ) -> Result<()> {
        let number = |at| word(value, at).ok_or_else(wrong_length);
        let old = level == SOL_IP && name == IP_MSFILTER;
        let (mode, count, list, each) = if old {
            (number(8)?, number(12)?, 16, 4)
        } else {
            (number(136)?, number(140)?, GROUP_FILTER, STORAGE)
        };
        let most = MOST[usize::from(level == SOL_IPV6)];
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        if count > most {
            return Err(Errno::ENOBUFS.because(Reason::TooManyMemberships));
        }
        if value.len() < list + count * each {
            return Err(wrong_length());
        }
        let (group, interface) = if old {
            let local = in_addr(value, 4).unwrap_or(Ipv4Addr::UNSPECIFIED);
            (in_addr(value, 0).ok_or_else(wrong_length)?.into(), self.named_interface(None, local)?)
        } else {
            let index = word(value, 0).filter(|index| *index != 0).map(IfIndex);
            (address(level, value, 8)?, index)
        };
        let at = |n| {
            if old {
                in_addr(value, list + n * each).map(IpAddr::V4)
            } else {
                address(level, value, list + n * each).ok()
            }
        };
        let sources = (0..count).map(at).collect::<Option<Vec<_>>>().ok_or_else(out_of_range)?;
        if !IpAddr::is_multicast(&group) || mode > 1 {
            return Err(out_of_range());
        }
        // MCAST_EXCLUDE is 0, MCAST_INCLUDE 1.
        let exclude = mode == 0;
        let interface = self.net.group_link(group, interface)?;
        if !exclude && sources.is_empty() {
            return self.leave(id, group, Some(interface));
        }
        let membership = self.membership_of(id, group, interface).map_err(|_| out_of_range())?;
        membership.exclude = exclude;
        membership.sources = (!sources.is_empty()).then_some(sources);
        self.report_sources(group, interface);
        Ok(())
    }

    /// The same, read: `given` says of which group, and for how many sources there is room (ip_mc_msfget, ip_mc_gsfget, ip6_mc_msfget).
    pub(super) fn source_filter(
        &mut self,
        id: SocketId,
        level: i32,
        name: i32,
        given: &[u8],
    ) -> Result<Vec<u8>> {
        let old = level == SOL_IP && name == IP_MSFILTER;
        let list = if old { 16 } else { GROUP_FILTER };
        let mut told = given.get(..list).ok_or_else(wrong_length)?.to_vec();
        let room = word(given, list - 4).and_then(|room| usize::try_from(room).ok()).unwrap_or(0);
        let group = match (old, level) {
            (true, _) => in_addr(given, 0).map(IpAddr::V4),
            (_, SOL_IPV6) => in6_addr(given, 16).map(IpAddr::V6),
            _ => address(level, given, 8).ok(),
        };
        let group = group.filter(IpAddr::is_multicast).ok_or_else(out_of_range)?;
        let interface = if old {
            let local = in_addr(given, 4).unwrap_or(Ipv4Addr::UNSPECIFIED);
            let interface = self.named_interface(None, local)?;
            self.net.group_link(group, interface)?
        } else {
            IfIndex(word(given, 0).unwrap_or(0))
        };
        let membership = self.membership_of(id, group, interface)?;
        let sources = membership.sources.as_deref().unwrap_or_default();
        // MCAST_EXCLUDE is 0 in struct ip_msfilter as here, MCAST_INCLUDE 1.
        told[list - 8..list - 4].copy_from_slice(&u32::from(!membership.exclude).to_ne_bytes());
        told[list - 4..].copy_from_slice(&(sources.len() as u32).to_ne_bytes());
        for source in sources.iter().take(room) {
            match source {
                IpAddr::V4(v4) if old => told.extend(v4.octets()),
                source => {
                    let mut address = sockaddr(SocketAddr::new(*source, 0).into());
                    address.resize(STORAGE, 0);
                    told.extend(address);
                }
            }
        }
        Ok(told)
    }

    fn membership_of(&mut self, id: SocketId, group: IpAddr, interface: IfIndex) -> Result<&mut Membership> {
        let memberships = &mut self.sockets.get_mut(id)?.memberships;
        let own = memberships.iter_mut().find(|m| m.group == group && m.interface == interface);
        own.ok_or_else(not_member)
    }

    /// RFC 3376 3.2: what the interface wants of a group is what its sockets want together.
    pub(in crate::stack) fn report_sources(&mut self, group: IpAddr, interface: IfIndex) {
        let members = self.sockets.iter().flat_map(|(_, entry)| &entry.memberships);
        let members: Vec<Filter> = members
            .filter(|m| m.group == group && m.interface == interface)
            .map(|m| Filter { exclude: m.exclude, sources: m.sources.iter().flatten().copied().collect() })
            .collect();
        self.net.set_filter(interface, group, &members);
    }
}

impl Entry {
    /// True if a datagram from `source` to this group reaches the socket: it has joined, and hears this source; or it hears all groups
    /// (IP_MULTICAST_ALL). ip_mc_sf_allow, inet6_mc_check: of IPv6 the interface does not count.
    pub(in crate::stack) fn hears_group(&self, group: IpAddr, source: IpAddr, interface: IfIndex) -> bool {
        let all = if group.is_ipv4() { self.options.multicast_all } else { self.options.multicast_all6 };
        let here = |m: &&Membership| m.group == group && (group.is_ipv6() || m.interface == interface);
        self.memberships.iter().find(here).map_or(all, |membership| {
            membership.sources.iter().flatten().any(|one| *one == source) != membership.exclude
        })
    }
}
