//! From which sources this host wants a group's packets, and how routers are told: IGMPv3 (RFC 3376), MLDv2 (RFC 3810). Groups that are
//! wanted from everybody are multicast.rs's and mld.rs's.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use super::multicast::is_reported;
use crate::base::IfIndex;
use crate::stack::Net;

/// RFC 3376 4.2.12, RFC 3810 5.2.12: record types.
pub(super) const MODE_IS_INCLUDE: u8 = 1;
pub(super) const MODE_IS_EXCLUDE: u8 = 2;
pub(super) const CHANGE_TO_INCLUDE: u8 = 3;
pub(super) const CHANGE_TO_EXCLUDE: u8 = 4;
const ALLOW_NEW: u8 = 5;
const BLOCK_OLD: u8 = 6;

/// RFC 3376 4.2.14: all IGMPv3-capable routers.
const ALL_IGMPV3_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 22);
/// IGMPv3's membership report.
const REPORT_V3: u8 = 0x22;
/// Sources of one record: what fits the smallest MTU of IPv6.
const MOST: usize = 64;

/// Those who are heard: all but `sources`, or `sources` alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::stack) struct Filter {
    pub(crate) exclude: bool,
    pub(crate) sources: BTreeSet<IpAddr>,
}

impl Filter {
    /// Everybody.
    pub(crate) fn of_everybody() -> Self {
        Self { exclude: true, sources: BTreeSet::new() }
    }

    /// Nobody, yet.
    pub(crate) fn of_nobody() -> Self {
        Self { exclude: false, sources: BTreeSet::new() }
    }

    pub(super) fn is_of_everybody(&self) -> bool {
        self.exclude && self.sources.is_empty()
    }

    /// RFC 3376 3.2: what several want together. "If any such record has a filter mode of EXCLUDE, then the filter mode of the interface
    /// record is EXCLUDE, and the source list [...] is the intersection of the source lists of all socket records in EXCLUDE mode, minus
    /// those source addresses that appear in any of the socket records in INCLUDE mode."
    fn together(all: &[Self]) -> Self {
        let included: BTreeSet<IpAddr> =
            all.iter().filter(|filter| !filter.exclude).flat_map(|filter| &filter.sources).copied().collect();
        let mut excluding = all.iter().filter(|filter| filter.exclude);
        let Some(first) = excluding.next() else { return Self { exclude: false, sources: included } };
        let common = excluding.fold(first.sources.clone(), |common, filter| &common & &filter.sources);
        Self { exclude: true, sources: &common - &included }
    }

    /// RFC 3376 5.1: what is told of the step to another one.
    fn records_to(&self, new: &Self) -> Vec<(u8, Vec<IpAddr>)> {
        let (gone, come) = (&self.sources - &new.sources, &new.sources - &self.sources);
        let list = |set: BTreeSet<IpAddr>| set.into_iter().collect::<Vec<_>>();
        let records = match (self.exclude, new.exclude) {
            (false, false) => vec![(ALLOW_NEW, list(come)), (BLOCK_OLD, list(gone))],
            (true, true) => vec![(ALLOW_NEW, list(gone)), (BLOCK_OLD, list(come))],
            (true, false) => return vec![(CHANGE_TO_INCLUDE, list(new.sources.clone()))],
            (false, true) => return vec![(CHANGE_TO_EXCLUDE, list(new.sources.clone()))],
        };
        records.into_iter().filter(|(_, sources)| !sources.is_empty()).collect()
    }
}

impl Net {
    /// The sockets that are members of a group want these sources of it.
    pub(in crate::stack) fn set_filter(&mut self, interface: IfIndex, group: IpAddr, members: &[Filter]) {
        let Some(link) = self.interface_mut(interface) else { return };
        let Some(member) = link.groups.iter_mut().find(|member| member.address == group) else { return };
        // A user that is no socket hears everybody.
        let others = usize::try_from(member.users).unwrap_or(usize::MAX) > members.len();
        let new = if others { Filter::of_everybody() } else { Filter::together(members) };
        if member.filter == new {
            return;
        }
        let records = member.filter.records_to(&new);
        member.filter = new;
        for (kind, sources) in records {
            self.report_record(interface, group, kind, &sources);
        }
    }

    /// What is wanted of a group, in answer to a query.
    pub(super) fn report_filter(&mut self, interface: IfIndex, group: IpAddr, filter: &Filter) {
        let kind = if filter.exclude { MODE_IS_EXCLUDE } else { MODE_IS_INCLUDE };
        let sources: Vec<IpAddr> = filter.sources.iter().copied().collect();
        self.report_record(interface, group, kind, &sources);
    }

    /// The last one who wanted some sources of a group has left.
    pub(super) fn report_end(&mut self, interface: IfIndex, group: IpAddr, filter: &Filter) {
        for (kind, sources) in filter.records_to(&Filter::of_nobody()) {
            self.report_record(interface, group, kind, &sources);
        }
    }

    fn report_record(&mut self, interface: IfIndex, group: IpAddr, kind: u8, sources: &[IpAddr]) {
        if interface == IfIndex::LO || !is_reported(group) {
            return;
        }
        // Who excludes less hears more, which is no harm.
        let excludes = matches!(kind, MODE_IS_EXCLUDE | CHANGE_TO_EXCLUDE);
        let pieces = sources.chunks(MOST).take(if excludes { 1 } else { usize::MAX });
        let pieces: Vec<&[IpAddr]> = if sources.is_empty() { vec![&[]] } else { pieces.collect() };
        for piece in pieces {
            match group {
                IpAddr::V4(group) => {
                    let mut message = vec![REPORT_V3, 0, 0, 0, 0, 0, 0, 1, kind, 0, 0, piece.len() as u8];
                    message.extend(group.octets());
                    message.extend(piece.iter().flat_map(octets));
                    self.igmp_out(interface, &mut message, ALL_IGMPV3_ROUTERS);
                }
                IpAddr::V6(group) => {
                    let sources: Vec<u8> = piece.iter().flat_map(octets).collect();
                    self.mld_out(interface, kind, group, &sources);
                }
            }
        }
    }
}

fn octets(address: &IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(exclude: bool, sources: &[u8]) -> Filter {
        let sources = sources.iter().map(|n| Ipv4Addr::new(192, 0, 2, *n).into()).collect();
        Filter { exclude, sources }
    }

    #[test]
    fn several_filters_together_are_rfc_3376s_example() {
        // RFC 3376 3.2: "s1: (i, m, EXCLUDE, {a, b, c, d}) s2: (i, m, EXCLUDE, {b, c, d, e}) s3: (i, m, INCLUDE, {d, e, f})".
        let all = [filter(true, &[1, 2, 3, 4]), filter(true, &[2, 3, 4, 5]), filter(false, &[4, 5, 6])];
        assert_eq!(Filter::together(&all), filter(true, &[2, 3]));
        assert_eq!(Filter::together(&all[2..]), filter(false, &[4, 5, 6]));
        assert_eq!(Filter::together(&[]), Filter::of_nobody());
    }

    #[test]
    fn steps_are_told_as_in_rfc_3376s_table() {
        let kinds = |from: Filter, to: Filter| -> Vec<(u8, usize)> {
            from.records_to(&to).iter().map(|(kind, sources)| (*kind, sources.len())).collect()
        };
        assert_eq!(kinds(filter(false, &[1, 2]), filter(false, &[2, 3, 4])), [(5, 2), (6, 1)]);
        assert_eq!(kinds(filter(true, &[1, 2]), filter(true, &[2, 3, 4])), [(5, 1), (6, 2)]);
        assert_eq!(kinds(filter(false, &[1]), filter(true, &[2, 3])), [(4, 2)]);
        assert_eq!(kinds(filter(true, &[1]), filter(false, &[])), [(3, 0)]);
        assert_eq!(kinds(filter(true, &[1]), filter(true, &[1])), []);
    }
}
