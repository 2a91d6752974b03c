//! MLDv2 (RFC 3810): which IPv6 groups this host wants, from every source.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use super::Hop;
use super::header::{Header, V6_LEN, icmpv6_checksum};
use super::source_filter::{CHANGE_TO_EXCLUDE, CHANGE_TO_INCLUDE, MODE_IS_EXCLUDE};
use crate::base::constants::{IPPROTO_HOPOPTS, IPPROTO_ICMPV6};
use crate::base::{IfIndex, Reason};
use crate::stack::Net;
use crate::stack::net::{Cast, Datagram};

const QUERY: u8 = 130;
const REPORT_V2: u8 = 143;

/// RFC 3810 5.2.14: all MLDv2-capable routers.
const ALL_MLDV2_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x16);

impl Net {
    /// True if the ICMPv6 message was one of MLD. Its checksum is verified.
    pub(super) fn mld_in(&mut self, datagram: &Datagram) -> bool {
        let message = datagram.payload();
        // 131 and 132 are MLDv1's report and done, 143 a report: they concern routers.
        let [kind @ (QUERY | 131 | 132 | REPORT_V2), ..] = *message else { return false };
        if kind != QUERY {
            return true;
        }
        // RFC 3810 6.2: only with a link-local source and hop limit 1.
        let local = matches!(datagram.source, IpAddr::V6(ip) if ip.is_unicast_link_local());
        let group = message.get(8..24).and_then(|b| b.first_chunk::<16>()).map(|b| Ipv6Addr::from(*b));
        let (Some(group), true, 1) = (group, local, datagram.ttl) else {
            self.drop_in(Reason::IcmpMalformed, datagram.interface);
            return true;
        };
        let most = Duration::from_millis(response_delay(u16::from_be_bytes([message[4], message[5]])));
        let asked = (!group.is_unspecified()).then_some(IpAddr::V6(group));
        self.answer_query(datagram.interface, asked, most, false);
        true
    }

    pub(super) fn mld_join(&mut self, interface: IfIndex, group: Ipv6Addr) {
        self.mld_out(interface, CHANGE_TO_EXCLUDE, group, &[]);
    }

    pub(super) fn mld_leave(&mut self, interface: IfIndex, group: Ipv6Addr) {
        self.mld_out(interface, CHANGE_TO_INCLUDE, group, &[]);
    }

    pub(super) fn mld_state(&mut self, interface: IfIndex, group: Ipv6Addr) {
        self.mld_out(interface, MODE_IS_EXCLUDE, group, &[]);
    }

    /// RFC 3810 5: hop limit 1, a hop-by-hop header with Router Alert, from a link-local address (RFC 3590: or none yet).
    pub(super) fn mld_out(&mut self, interface: IfIndex, record: u8, group: Ipv6Addr, sources: &[u8]) {
        const OPTIONS: [u8; 8] = [IPPROTO_ICMPV6 as u8, 0, 5, 2, 0, 0, 1, 0];
        const MESSAGE: usize = 28;
        let Some(link) = self.interface(interface).filter(|_| !self.is_shadow(interface)) else { return };
        let own = link.usable().find_map(|a| match a.ip() {
            IpAddr::V6(ip) if ip.is_unicast_link_local() => Some(ip),
            _ => None,
        });
        let source = own.unwrap_or(Ipv6Addr::UNSPECIFIED);
        let mut frame = self.pool.frame(OPTIONS.len() + MESSAGE + sources.len());
        let (options, message) = frame.bytes_mut().split_at_mut(OPTIONS.len());
        options.copy_from_slice(&OPTIONS);
        // One record. Without sources: "exclude nobody" is every source, "include nobody" is none.
        let count = (sources.len() / 16) as u8;
        message[..12].copy_from_slice(&[REPORT_V2, 0, 0, 0, 0, 0, 0, 1, record, 0, 0, count]);
        message[12..MESSAGE].copy_from_slice(&group.octets());
        message[MESSAGE..].copy_from_slice(sources);
        let checksum = icmpv6_checksum(source, ALL_MLDV2_ROUTERS, message);
        message[2..4].copy_from_slice(&checksum.to_be_bytes());
        let payload = frame.len();
        let next = IPPROTO_HOPOPTS as u8;
        Header::write_v6(frame.push(V6_LEN), source, ALL_MLDV2_ROUTERS, next, 1, 0, payload);
        let hop = Hop::new(interface, ALL_MLDV2_ROUTERS.into(), Cast::Multicast);
        // A link that is down: all groups are reported when it comes up.
        let _ = self.emit(&hop, frame);
    }
}

/// RFC 3810 5.1.3: the Maximum Response Code as milliseconds; from 32768 on it is a floating-point number.
fn response_delay(code: u16) -> u64 {
    if code < 0x8000 {
        return code.into();
    }
    let (mantissa, exponent) = (u64::from(code & 0xfff), (code >> 12) & 7);
    (mantissa | 0x1000) << (exponent + 3)
}
