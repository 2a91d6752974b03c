//! Multicast memberships of a socket: IP_ADD_MEMBERSHIP, IPV6_JOIN_GROUP and their likes; where its multicasts go out.

use std::net::{IpAddr, Ipv4Addr};

use super::bytes::{in_addr, word};
use super::calls::{out_of_range, wrong_length};
use crate::base::{Errno, IfIndex, Reason, Result, SocketId};
use crate::stack::Stack;
use crate::stack::ip::Filter;
use crate::stack::link::Interface;
use crate::stack::table::Membership;

/// Groups of one socket (igmp_max_memberships is 20; IPv6 has no such limit on Linux, we need one).
const MOST: [usize; 2] = [20, 1024];

impl Stack {
    /// Joins or leaves a group on an interface, or on the one that the route says.
    pub(super) fn membership(
        &mut self,
        id: SocketId,
        group: IpAddr,
        interface: Option<IfIndex>,
        join: bool,
    ) -> Result<()> {
        if !group.is_multicast() {
            return Err(out_of_range());
        }
        if join {
            self.join(id, group, interface, Filter::of_everybody())
        } else {
            self.leave(id, group, interface)
        }
    }

    /// Joins with the sources that are wanted: everybody, or nobody yet.
    pub(super) fn join(
        &mut self,
        id: SocketId,
        group: IpAddr,
        interface: Option<IfIndex>,
        filter: Filter,
    ) -> Result<()> {
        let exclude = filter.exclude;
        let joined = self.net.join_filtered(group, interface, filter)?;
        let memberships = &mut self.sockets.get_mut(id)?.memberships;
        let same_family = memberships.iter().filter(|m| m.group.is_ipv4() == group.is_ipv4()).count();
        let known = memberships.iter().any(|m| (m.group, m.interface) == (group, joined));
        let error = if known {
            Errno::EADDRINUSE.because(Reason::AlreadyMember)
        } else if same_family >= MOST[usize::from(group.is_ipv6())] {
            Errno::ENOBUFS.because(Reason::TooManyMemberships)
        } else {
            memberships.push(Membership { group, interface: joined, exclude, sources: None });
            self.report_sources(group, joined);
            return Ok(());
        };
        self.net.leave(group, Some(joined))?;
        Err(error)
    }

    pub(super) fn leave(&mut self, id: SocketId, group: IpAddr, interface: Option<IfIndex>) -> Result<()> {
        if let Some(interface) = interface {
            self.net.interface_name(interface).ok_or(Errno::ENODEV.because(Reason::NoInterface))?;
        }
        let memberships = &mut self.sockets.get_mut(id)?.memberships;
        // Without an interface it is the first membership of this group.
        let found = memberships
            .iter()
            .position(|m| m.group == group && interface.is_none_or(|interface| m.interface == interface));
        let found = found.ok_or(Errno::EADDRNOTAVAIL.because(Reason::NotMember))?;
        let membership = memberships.remove(found);
        let left = self.net.leave(group, Some(membership.interface)).map(|_| ());
        self.report_sources(group, membership.interface);
        left
    }

    /// The interface that a struct ip_mreqn names: by index, by an address of it, or not at all.
    pub(super) fn named_interface(
        &self,
        index: Option<IfIndex>,
        address: Ipv4Addr,
    ) -> Result<Option<IfIndex>> {
        if index.is_some() || address.is_unspecified() {
            return Ok(index);
        }
        let has = |link: &&Interface| link.usable().any(|own| own.ip() == IpAddr::V4(address));
        let found = self.net.interfaces().iter().find(has).map(|link| link.index);
        found.map(Some).ok_or(Errno::ENODEV.because(Reason::NoInterface))
    }

    /// IP_MULTICAST_IF: an address, a struct ip_mreq, or a struct ip_mreqn.
    pub(super) fn set_multicast_interface(&mut self, id: SocketId, value: &[u8]) -> Result<()> {
        let at = if value.len() < 8 { 0 } else { 4 };
        let address = in_addr(value, at).ok_or_else(wrong_length)?;
        let index = word(value, 8).filter(|index| *index != 0).map(IfIndex);
        let not_available = Errno::EADDRNOTAVAIL.because(Reason::NoInterface);
        let interface = self.named_interface(index, address).map_err(|_| not_available.clone())?;
        if let Some(interface) = interface {
            self.check_device(id, interface).map_err(|error| match error.errno() {
                Errno::ENODEV => not_available,
                _ => error,
            })?;
        }
        let options = &mut self.sockets.get_mut(id)?.options;
        options.multicast_interface = interface;
        options.multicast_source = (!address.is_unspecified()).then_some(address);
        Ok(())
    }
}
