//! Which layer stands behind which: read from left to right when a packet is taken apart, from right to left when it is built.

use super::dhcp::{BOOTP, DHCP};
use super::dns::DNS;
use super::icmp::ERRORS;
use super::tunnel::{GRE, VXLAN};
use super::{
    AH, ARP, DESTINATION, DOT1Q, DOT3, ESP, ETHER, FRAGMENT, HOP_BY_HOP, ICMP, IP, IPV6, LLC, PADDING,
    PAYLOAD, ROUTING, SNAP, TCP, UDP, icmpv6, multicast, ndp, variant,
};
use crate::base::LinkType;
use crate::wire::packet::dissection::Section;
use crate::wire::packet::kind::Kind;

/// One field that tells what is behind its layer.
struct Binding {
    /// The layers that have the field.
    under: &'static [&'static Kind],
    /// The field.
    field: &'static str,
    /// What its numbers mean. Of several numbers for a layer, building takes the first.
    over: &'static [(u64, &'static Kind)],
}

/// Rows that stand further up win.
static BINDINGS: &[Binding] = &[
    Binding {
        under: &[&ETHER, &DOT1Q, &SNAP],
        field: "type",
        over: &[
            (0x0800, &IP),
            (0x86dd, &IPV6),
            (0x0806, &ARP),
            (0x8100, &DOT1Q),
            (0x88a8, &DOT1Q),
            (0x9100, &DOT1Q),
        ],
    },
    Binding { under: &[&GRE], field: "proto", over: &[(0x0800, &IP), (0x86dd, &IPV6), (0x6558, &ETHER)] },
    Binding { under: &[&LLC], field: "dsap", over: &[(0xaa, &SNAP)] },
    Binding { under: &[&LLC], field: "ssap", over: &[(0xaa, &SNAP)] },
    Binding {
        under: &[&IP],
        field: "proto",
        over: &[(1, &ICMP), (6, &TCP), (17, &UDP), (4, &IP), (41, &IPV6), (47, &GRE), (50, &ESP), (51, &AH)],
    },
    Binding {
        under: &[&IPV6, &HOP_BY_HOP, &ROUTING, &FRAGMENT, &DESTINATION, &AH],
        field: "next",
        over: &[
            (6, &TCP),
            (17, &UDP),
            (0, &HOP_BY_HOP),
            (43, &ROUTING),
            (44, &FRAGMENT),
            (60, &DESTINATION),
            (50, &ESP),
            (51, &AH),
            (4, &IP),
            (41, &IPV6),
            (47, &GRE),
            (1, &ICMP),
        ],
    },
    // The message itself says which one it is: see variant.rs.
    Binding {
        under: &[&IP],
        field: "proto",
        over: &[(2, &multicast::IGMP), (2, &multicast::IGMP_V3_QUERY), (2, &multicast::IGMP_V3_REPORT)],
    },
    Binding {
        under: &[&IPV6, &HOP_BY_HOP, &ROUTING, &FRAGMENT, &DESTINATION, &AH],
        field: "next",
        over: &[
            (58, &icmpv6::OTHER),
            (58, &icmpv6::ECHO_REQUEST),
            (58, &icmpv6::ECHO_REPLY),
            (58, &icmpv6::UNREACHABLE),
            (58, &icmpv6::TOO_BIG),
            (58, &icmpv6::TIME_EXCEEDED),
            (58, &icmpv6::PARAMETER_PROBLEM),
            (58, &ndp::ROUTER_SOLICITATION),
            (58, &ndp::ROUTER_ADVERTISEMENT),
            (58, &ndp::NEIGHBOUR_SOLICITATION),
            (58, &ndp::NEIGHBOUR_ADVERTISEMENT),
            (58, &ndp::REDIRECT),
            (58, &multicast::MLD_QUERY),
            (58, &multicast::MLD_REPORT),
            (58, &multicast::MLD_DONE),
            (58, &multicast::MLD_V2_QUERY),
            (58, &multicast::MLD_V2_REPORT),
        ],
    },
    // A server's port is where the answer comes from, too.
    Binding {
        under: &[&UDP],
        field: "dport",
        over: &[(53, &DNS), (67, &BOOTP), (68, &BOOTP), (4789, &VXLAN), (5353, &DNS), (5355, &DNS)],
    },
    Binding {
        under: &[&UDP],
        field: "sport",
        over: &[(53, &DNS), (68, &BOOTP), (67, &BOOTP), (5353, &DNS), (5355, &DNS)],
    },
];

/// Layers that always have the same one behind them, whatever their fields say.
static ALWAYS: &[(&Kind, &Kind)] = &[
    (&DOT3, &LLC),
    (&ARP, &PADDING),
    (&VXLAN, &ETHER),
    (&BOOTP, &DHCP),
    // RFC 4443 2.4: an error has as much of the packet that it is about as fits.
    (&icmpv6::UNREACHABLE, &IPV6),
    (&icmpv6::TOO_BIG, &IPV6),
    (&icmpv6::TIME_EXCEEDED, &IPV6),
    (&icmpv6::PARAMETER_PROBLEM, &IPV6),
];

/// What the bytes of a link begin with.
pub(crate) fn first(link: LinkType, bytes: &[u8]) -> &'static Kind {
    match (link, bytes) {
        // IEEE 802.3 3.2.6: up to 1500 it is a length.
        (LinkType::Ethernet, [_, _, _, _, _, _, _, _, _, _, _, _, a, b, ..])
            if u16::from_be_bytes([*a, *b]) <= 1500 =>
        {
            &DOT3
        }
        (LinkType::Ethernet, _) => &ETHER,
        (LinkType::Ip, [byte, ..]) if byte >> 4 == 6 => &IPV6,
        (LinkType::Ip, _) => &IP,
        (LinkType::Can, _) => &PAYLOAD,
    }
}

/// What is behind this layer, in these bytes.
pub(crate) fn behind(section: &Section, bytes: &[u8]) -> &'static Kind {
    let kind = section.kind;
    // RFC 791 3.2: only the first fragment has the header of what is inside.
    if section.number("frag").is_some_and(|offset| offset > 0) {
        return &PAYLOAD;
    }
    // RFC 1122 3.2.2: an error quotes the header and the first bytes of the packet that it is about.
    if std::ptr::eq(kind, &ICMP) && section.number("type").is_some_and(|t| ERRORS.contains(&t)) {
        return &IP;
    }
    let row = |b: &Binding| {
        let value = b.under.iter().any(|k| std::ptr::eq(*k, kind)).then(|| section.number(b.field))??;
        b.over.iter().find(|(number, _)| *number == value).map(|(_, kind)| *kind)
    };
    BINDINGS
        .iter()
        .find_map(row)
        .or_else(|| ALWAYS.iter().find(|(under, _)| std::ptr::eq(*under, kind)).map(|(_, over)| *over))
        .map_or(&PAYLOAD, |kind| variant(kind, bytes))
}

/// The hop limit (time to live) of an IP packet with these layers behind its header, where the message is for neighbours only.
pub(crate) fn reach(behind: &[Section]) -> Option<u64> {
    let is_extension = |s: &&Section| {
        [&HOP_BY_HOP, &ROUTING, &DESTINATION, &AH].iter().any(|kind| std::ptr::eq(s.kind, *kind))
    };
    let message = behind.iter().find(|section| !is_extension(section))?.kind;
    // RFC 4861 4: "255"; so that no router can have forwarded it.
    let discovery = [
        &ndp::ROUTER_SOLICITATION,
        &ndp::ROUTER_ADVERTISEMENT,
        &ndp::NEIGHBOUR_SOLICITATION,
        &ndp::NEIGHBOUR_ADVERTISEMENT,
        &ndp::REDIRECT,
    ];
    // RFC 2236 2, RFC 3376 4: "an IP Time-to-Live of 1"; RFC 2710 3, RFC 3810 5: "an IPv6 Hop Limit of 1".
    let membership = [
        &multicast::IGMP,
        &multicast::IGMP_V3_QUERY,
        &multicast::IGMP_V3_REPORT,
        &multicast::MLD_QUERY,
        &multicast::MLD_REPORT,
        &multicast::MLD_DONE,
        &multicast::MLD_V2_QUERY,
        &multicast::MLD_V2_REPORT,
    ];
    let is = |kinds: &[&'static Kind]| kinds.iter().any(|kind| std::ptr::eq(*kind, message));
    if is(&discovery) { Some(255) } else { is(&membership).then_some(1) }
}

/// What this field of a layer holds if `over` is behind it.
pub(crate) fn number(under: &Kind, field: &str, over: &Kind) -> Option<u64> {
    BINDINGS
        .iter()
        .filter(|b| b.field == field && b.under.iter().any(|k| std::ptr::eq(*k, under)))
        .find_map(|b| b.over.iter().find(|(_, kind)| std::ptr::eq(*kind, over)).map(|(number, _)| *number))
}
