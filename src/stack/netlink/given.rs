//! Tables that no request changes: rules, the settings of interfaces, the labels of addresses.

use super::dump::{RT_TABLE_LOCAL, RT_TABLE_MAIN, RTPROT_KERNEL};
use crate::base::constants::{AF_INET, AF_INET6};
use crate::base::netlink::Draft;
use crate::stack::Net;
use crate::stack::ip::LABELS;

const RTM_NEWRULE: u16 = 32;
const RTM_NEWADDRLABEL: u16 = 72;
const RTM_NEWNETCONF: u16 = 80;

/// The rules of a host that nobody has given any: the tables local, main and (IPv4) default.
pub(super) fn rules(wanted: i32) -> Vec<Draft> {
    const FR_ACT_TO_TBL: u8 = 1;
    let tables: [(u8, u32); 3] = [(RT_TABLE_LOCAL, 0), (RT_TABLE_MAIN, 32_766), (253, 32_767)];
    let families = [(AF_INET, 3), (AF_INET6, 2)];
    let rows = families.into_iter().filter(|(family, _)| wanted == 0 || wanted == *family);
    let rows = rows.flat_map(|(family, count)| tables.into_iter().take(count).map(move |row| (family, row)));
    rows.map(|(family, (table, priority))| {
        // struct fib_rule_hdr.
        let head = [family as u8, 0, 0, 0, table, 0, 0, FR_ACT_TO_TBL, 0, 0, 0, 0];
        let message = Draft::new(RTM_NEWRULE, &head).number(15, table.into()); // FRA_TABLE
        let message = message.number(14, u32::MAX).with(21, &[RTPROT_KERNEL]); // FRA_SUPPRESS_PREFIXLEN, FRA_PROTOCOL
        if priority == 0 { message } else { message.number(6, priority) } // FRA_PRIORITY
    })
    .collect()
}

/// The policy table of RFC 6724 (ip6addrlbl_dump).
pub(super) fn labels(wanted: i32) -> Vec<Draft> {
    let rows = LABELS.iter().filter(|_| [0, AF_INET6].contains(&wanted));
    rows.map(|(prefix, len, label)| {
        // struct ifaddrlblmsg: family, reserved, prefix, flags, index, sequence.
        let mut head = vec![AF_INET6 as u8, 0, *len, 0];
        head.extend([0; 8]);
        Draft::new(RTM_NEWADDRLABEL, &head).address(1, (*prefix).into()).number(2, *label) // IFAL_ADDRESS, IFAL_LABEL
    })
    .collect()
}

impl Net {
    /// Of each interface, of all, and of those to come (inet_netconf_dump_devconf and its like).
    pub(super) fn settings(&self, wanted: i32) -> Vec<Draft> {
        // NETCONFA_IFINDEX_ALL, NETCONFA_IFINDEX_DEFAULT.
        let of_none = [u32::MAX, u32::MAX - 1];
        let indices: Vec<u32> = self.interfaces().iter().map(|link| link.index.0).chain(of_none).collect();
        let families = [AF_INET, AF_INET6].into_iter().filter(|family| [0, *family].contains(&wanted));
        let rows = families.flat_map(|family| indices.iter().map(move |index| (family, *index)));
        rows.map(|(family, index)| {
            let forwards = if family == AF_INET { self.config.forward } else { self.config.forward6 };
            // NETCONFA_IFINDEX, FORWARDING, RP_FILTER, MC_FORWARDING, PROXY_NEIGH, IGNORE_ROUTES_WITH_LINKDOWN.
            let message = Draft::new(RTM_NEWNETCONF, &[family as u8]).number(1, index);
            let message = message.number(2, forwards.into());
            let message = if family == AF_INET { message.number(3, 0) } else { message };
            message.number(4, 0).number(5, 0).number(6, 0)
        })
        .collect()
    }
}
