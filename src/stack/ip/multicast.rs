//! Groups that this host is a member of, and IGMPv2 (RFC 2236), which tells routers. Source filters
//! are in source_filter.rs, IPv6's MLD is in mld.rs.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::header::Header;
use super::source_filter::Filter;
use super::{Hop, Identifications};
use crate::base::constants::IPPROTO_IGMP;
use crate::base::{Errno, Error, IfIndex, Reason};
use crate::stack::Net;
use crate::stack::net::{Cast, Datagram, Hints, Timer};
use crate::wire::checksum;

/// Groups of one interface.
const MAX_GROUPS: usize = 1024;
/// RFC 2236 8.10: Unsolicited Report Interval. A join is reported twice.
const UNSOLICITED_V4: Duration = Duration::from_secs(10);
/// RFC 3810 9.11: the same of MLD.
const UNSOLICITED_V6: Duration = Duration::from_secs(1);

const ALL_SYSTEMS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 1);
const ALL_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 2);

const QUERY: u8 = 0x11;
const REPORT_V1: u8 = 0x12;
const REPORT_V2: u8 = 0x16;
const LEAVE: u8 = 0x17;

/// A group that an interface is a member of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) address: IpAddr,
    /// Sockets (and for solicited-node groups addresses) that want it.
    pub(crate) users: u32,
    /// Which sources they want.
    pub(super) filter: Filter,
    /// RFC 2236 3: "the last host to send a report": only it says that it leaves.
    last_reporter: bool,
}

/// RFC 2236 6, RFC 3810 6: "the all-systems group" and what never leaves the host or the link's nodes are never reported.
pub(super) fn is_reported(group: IpAddr) -> bool {
    match group {
        IpAddr::V4(ip) => ip != ALL_SYSTEMS,
        IpAddr::V6(ip) => {
            !matches!(ip.octets(), [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
                && ip.octets()[1] & 15 > 1
        }
    }
}

impl Net {
    /// A socket joins a group on an interface (`None` = the route's); counted, the first one is reported by IGMP/MLD. EINVAL
    /// if it is no group, ENODEV without an interface, ENOBUFS if the interface has too many.
    pub(crate) fn join(&mut self, group: IpAddr, interface: Option<IfIndex>) -> Result<IfIndex, Error> {
        self.join_filtered(group, interface, Filter::of_everybody())
    }

    /// [`Net::join`] with the sources that are wanted; of nobody nothing is told yet.
    pub(in crate::stack) fn join_filtered(
        &mut self,
        group: IpAddr,
        interface: Option<IfIndex>,
        filter: Filter,
    ) -> Result<IfIndex, Error> {
        let interface = self.member_interface(group, interface)?;
        let link = self.interface_mut(interface).ok_or_else(|| Errno::ENODEV.because(Reason::NoInterface))?;
        if let Some(member) = link.groups.iter_mut().find(|g| g.address == group) {
            member.users += 1;
            return Ok(interface);
        }
        if link.groups.len() >= MAX_GROUPS {
            self.note(Reason::IpTooManyGroups, Some(interface), None);
            return Err(Errno::ENOBUFS.because(Reason::IpTooManyGroups));
        }
        let told = filter.is_of_everybody();
        link.groups.push(Group { address: group, users: 1, filter, last_reporter: false });
        if interface != IfIndex::LO && is_reported(group) && told {
            self.report_join(interface, group);
            // RFC 2236 3: "it is recommended that it be repeated once or twice after short delays".
            let most = if group.is_ipv4() { UNSOLICITED_V4 } else { UNSOLICITED_V6 };
            let at = self.now + self.random_span(most);
            self.timers.set(Timer::Group(interface, group), at);
        }
        Ok(interface)
    }

    /// The reverse of [`Net::join`]. EADDRNOTAVAIL if nobody here is a member.
    pub(crate) fn leave(&mut self, group: IpAddr, interface: Option<IfIndex>) -> Result<IfIndex, Error> {
        let interface = self.member_interface(group, interface)?;
        let none = || Errno::EADDRNOTAVAIL.because(Reason::IpAddressNotOurs);
        let link = self.interface_mut(interface).ok_or_else(none)?;
        let at = link.groups.iter().position(|g| g.address == group).ok_or_else(none)?;
        let member = &mut link.groups[at];
        member.users -= 1;
        if member.users > 0 {
            return Ok(interface);
        }
        let Group { last_reporter, filter, .. } = link.groups.swap_remove(at);
        self.timers.cancel(Timer::Group(interface, group));
        if interface != IfIndex::LO && is_reported(group) {
            match group {
                _ if !filter.is_of_everybody() => self.report_end(interface, group, &filter),
                IpAddr::V4(ip) if last_reporter => self.igmp_message(interface, LEAVE, ip, ALL_ROUTERS),
                IpAddr::V4(_) => {}
                IpAddr::V6(ip) => self.mld_leave(interface, ip),
            }
        }
        Ok(interface)
    }

    /// The interface that a group's membership is on. ENODEV.
    pub(crate) fn group_link(&self, group: IpAddr, interface: Option<IfIndex>) -> Result<IfIndex, Error> {
        self.member_interface(group, interface)
    }

    fn member_interface(&self, group: IpAddr, interface: Option<IfIndex>) -> Result<IfIndex, Error> {
        if !group.is_multicast() {
            return Err(Errno::EINVAL.with(format!("{group} is not a multicast group")));
        }
        let none = || Errno::ENODEV.because(Reason::NoInterface);
        match interface {
            Some(index) => self.interface(index).map(|i| i.index).ok_or_else(none),
            None => self.group_interface(group, Hints::default()).map_err(|_| none()),
        }
    }

    /// True if packets to the group on this interface are for this host.
    pub(in crate::stack) fn is_member(&self, interface: IfIndex, group: IpAddr) -> bool {
        !is_reported(group)
            || self.interface(interface).is_some_and(|i| i.groups.iter().any(|g| g.address == group))
    }

    /// Reports every group of an interface: the link is new.
    pub(in crate::stack) fn report_groups(&mut self, interface: IfIndex) {
        let Some(link) = self.interface(interface) else { return };
        let groups: Vec<IpAddr> = link.groups.iter().map(|g| g.address).collect();
        for group in groups.into_iter().filter(|group| is_reported(*group)) {
            self.report_join(interface, group);
        }
    }

    fn report_join(&mut self, interface: IfIndex, group: IpAddr) {
        match group {
            _ if self.reports_filter(interface, group) => {}
            IpAddr::V4(ip) => self.igmp_message(interface, REPORT_V2, ip, ip),
            IpAddr::V6(ip) => self.mld_join(interface, ip),
        }
        self.set_reporter(interface, group, true);
    }

    /// A group that is not wanted from everybody: that is told instead. True if so.
    fn reports_filter(&mut self, interface: IfIndex, group: IpAddr) -> bool {
        let link = self.interface(interface);
        let filter = link.and_then(|link| link.groups.iter().find(|member| member.address == group));
        let filter = filter.map(|member| member.filter.clone()).filter(|filter| !filter.is_of_everybody());
        if let Some(filter) = &filter {
            self.report_filter(interface, group, filter);
        }
        filter.is_some()
    }

    /// A report is due: the second one of a join, or the answer to a query.
    pub(in crate::stack) fn group_due(&mut self, interface: IfIndex, group: IpAddr) {
        if !self.interface(interface).is_some_and(|i| i.groups.iter().any(|g| g.address == group)) {
            return;
        }
        match group {
            _ if self.reports_filter(interface, group) => {}
            IpAddr::V4(ip) => self.igmp_message(interface, REPORT_V2, ip, ip),
            IpAddr::V6(ip) => self.mld_state(interface, ip),
        }
        self.set_reporter(interface, group, true);
    }

    fn set_reporter(&mut self, interface: IfIndex, group: IpAddr, own: bool) {
        let groups = self.interface_mut(interface).map(|i| &mut i.groups);
        if let Some(member) = groups.and_then(|g| g.iter_mut().find(|g| g.address == group)) {
            member.last_reporter = own;
        }
    }

    pub(super) fn igmp_in(&mut self, datagram: &Datagram) {
        let interface = datagram.interface;
        let message = datagram.payload();
        let &[kind, response, _, _, a, b, c, d, ..] = message else {
            return self.drop_in(Reason::IcmpMalformed, interface);
        };
        if checksum(message) != 0 {
            return self.drop_in(Reason::IcmpChecksum, interface);
        }
        let group = Ipv4Addr::new(a, b, c, d);
        match kind {
            QUERY => {
                // RFC 2236 2.2: Max Response Time in tenths of a second; 4: of a version 1 query it is 0 and means 10 s.
                let tenths = if response == 0 { 100 } else { u64::from(response) };
                let most = Duration::from_millis(tenths * 100);
                self.answer_query(interface, (!group.is_unspecified()).then_some(group.into()), most, true);
            }
            // RFC 2236 3: "If the host receives another host's Report [...] while it has a timer running, it stops its timer".
            REPORT_V1 | REPORT_V2 => {
                self.timers.cancel(Timer::Group(interface, group.into()));
                self.set_reporter(interface, group.into(), false);
            }
            _ => {}
        }
    }

    /// Sets the timers of the groups that a query asks for (`None` = all) to a moment within `most`.
    pub(super) fn answer_query(
        &mut self,
        interface: IfIndex,
        group: Option<IpAddr>,
        most: Duration,
        v4: bool,
    ) {
        let Some(link) = self.interface(interface) else { return };
        let asked = |address: &IpAddr| {
            address.is_ipv4() == v4 && group.is_none_or(|g| g == *address) && is_reported(*address)
        };
        let groups: Vec<IpAddr> = link.groups.iter().map(|g| g.address).filter(asked).collect();
        for group in groups {
            let at = self.now + self.random_span(most);
            let timer = Timer::Group(interface, group);
            // RFC 2236 3: a running timer is reset only if the requested time is less than what remains.
            if self.timers.get(timer).is_none_or(|old| at < old) {
                self.timers.set(timer, at);
            }
        }
    }

    fn igmp_message(&mut self, interface: IfIndex, kind: u8, group: Ipv4Addr, destination: Ipv4Addr) {
        let [a, b, c, d] = group.octets();
        self.igmp_out(interface, &mut [kind, 0, 0, 0, a, b, c, d], destination);
    }

    /// RFC 2236 2, RFC 3376 4: TTL 1, with the Router Alert option of RFC 2113. The message's checksum is filled in.
    pub(super) fn igmp_out(&mut self, interface: IfIndex, message: &mut [u8], destination: Ipv4Addr) {
        const HEADER: usize = 24;
        if self.is_shadow(interface) {
            return;
        }
        let source = self.source_v4(interface, destination).unwrap_or(Ipv4Addr::UNSPECIFIED);
        let sum = checksum(message);
        if let Some(field) = message.get_mut(2..4) {
            field.copy_from_slice(&sum.to_be_bytes());
        }
        let total = HEADER + message.len();
        let mut frame = self.pool.frame(total);
        let (head, rest) = frame.bytes_mut().split_at_mut(HEADER);
        rest.copy_from_slice(message);
        head[20..].copy_from_slice(&[0x94, 4, 0, 0]);
        let ids: &mut Identifications = &mut self.identifications;
        let header = Header {
            source: source.into(),
            destination: destination.into(),
            protocol: IPPROTO_IGMP as u8,
            ttl: 1,
            tos: 0xc0,
            length: HEADER,
            total,
            identification: ids.next(source.into(), destination.into()),
            fragment: 0,
        };
        header.write_v4(head, source, destination);
        let hop = Hop::new(interface, destination.into(), Cast::Multicast);
        // A link that is down: all groups are reported when it comes up.
        let _ = self.emit(&hop, frame);
    }
}
