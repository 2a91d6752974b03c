//! The words of the filter language: keywords, named numbers, protocols.

use crate::base::services;

macro_rules! keywords {
    ($($name:ident = $($text:literal)|+;)*) => {
        /// A word with a meaning of its own.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(super) enum Keyword { $($name),* }

        /// All spellings.
        const KEYWORDS: &[(&str, Keyword)] = &[$($(($text, Keyword::$name),)+)*];

        impl Keyword {
            /// How it is written.
            pub(super) fn text(self) -> &'static str {
                match self { $(Self::$name => first(&[$($text),+]),)* }
            }
        }
    };
}

const fn first(texts: &[&'static str]) -> &'static str {
    texts[0]
}

keywords! {
    And = "and"; Or = "or"; Not = "not";
    Src = "src"; Dst = "dst"; Host = "host"; Net = "net"; Mask = "mask"; Port = "port"; Portrange = "portrange";
    Proto = "proto"; Protochain = "protochain"; Gateway = "gateway"; Broadcast = "broadcast"; Multicast = "multicast";
    Less = "less"; Greater = "greater"; Byte = "byte"; Len = "len" | "length"; Inbound = "inbound"; Outbound = "outbound";
    Ifindex = "ifindex"; Vlan = "vlan"; Mpls = "mpls"; Pppoed = "pppoed"; Pppoes = "pppoes"; Geneve = "geneve";
    Ether = "ether" | "link" | "ppp" | "slip" | "fddi" | "tr" | "wlan";
    Ip = "ip"; Ip6 = "ip6"; Arp = "arp"; Rarp = "rarp"; Tcp = "tcp"; Udp = "udp"; Sctp = "sctp"; Icmp = "icmp";
    Icmp6 = "icmp6"; Igmp = "igmp"; Igrp = "igrp"; Pim = "pim"; Vrrp = "vrrp"; Carp = "carp"; Ah = "ah"; Esp = "esp";
    Atalk = "atalk"; Aarp = "aarp"; Decnet = "decnet"; Lat = "lat"; Sca = "sca"; Moprc = "moprc"; Mopdl = "mopdl";
    Iso = "iso"; Esis = "esis" | "es-is"; Isis = "isis" | "is-is"; Clnp = "clnp"; Stp = "stp"; Ipx = "ipx";
    Netbeui = "netbeui";
    Elsewhere = "type" | "subtype" | "dir" | "direction" | "addr1" | "address1" | "addr2" | "address2" | "addr3" | "address3"
        | "addr4" | "address4" | "ra" | "ta" | "radio" | "llc" | "lane" | "metac" | "bcc" | "oam" | "oamf4" | "oamf4ec"
        | "oamf4sc" | "sc" | "ilmic" | "vpi" | "vci" | "connectmsg" | "metaconnect" | "on" | "ifname" | "rset" | "ruleset"
        | "rnr" | "rulenum" | "srnr" | "subrulenum" | "reason" | "action" | "fisu" | "lssu" | "lsu" | "msu" | "hfisu"
        | "hlssu" | "hmsu" | "sio" | "opc" | "dpc" | "sls" | "hsio" | "hopc" | "hdpc" | "hsls" | "l1" | "l2" | "iih" | "lsp"
        | "snp" | "csnp" | "psnp";
}

/// The keyword of this spelling.
pub(super) fn keyword(text: &str) -> Option<Keyword> {
    KEYWORDS.iter().find(|(spelling, _)| *spelling == text).map(|(_, keyword)| *keyword)
}

/// The word that was perhaps meant: at most two letters away, and at most a third of them.
pub(super) fn meant(text: &str) -> Option<&'static str> {
    let words =
        KEYWORDS.iter().filter(|(_, word)| *word != Keyword::Elsewhere).map(|(spelling, _)| *spelling);
    let near = words.map(|word| (distance(text, word), word)).min_by_key(|(distance, _)| *distance);
    near.filter(|(distance, word)| *distance <= 2 && distance * 3 <= word.len()).map(|(_, word)| word)
}

/// Levenshtein's, a swap of neighbours counted as one.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<_>, Vec<_>) = (a.chars().take(32).collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for (i, from) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let (above, left) = (rows[i][j + 1] + 1, row[j] + 1);
            let mut best = above.min(left).min(rows[i][j] + usize::from(from != to));
            if i > 0 && j > 0 && *from == b[j - 1] && a[i - 1] == *to {
                best = best.min(rows[i - 1][j - 1] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

/// Names that stand for numbers in arithmetic.
pub(super) const CONSTANTS: &[(&str, u32)] = &[
    ("icmptype", 0),
    ("icmpcode", 1),
    ("icmp-echoreply", 0),
    ("icmp-unreach", 3),
    ("icmp-sourcequench", 4),
    ("icmp-redirect", 5),
    ("icmp-echo", 8),
    ("icmp-routeradvert", 9),
    ("icmp-routersolicit", 10),
    ("icmp-timxceed", 11),
    ("icmp-paramprob", 12),
    ("icmp-tstamp", 13),
    ("icmp-tstampreply", 14),
    ("icmp-ireq", 15),
    ("icmp-ireqreply", 16),
    ("icmp-maskreq", 17),
    ("icmp-maskreply", 18),
    ("icmp6type", 0),
    ("icmp6code", 1),
    ("icmp6-destinationunreach", 1),
    ("icmp6-packettoobig", 2),
    ("icmp6-timeexceeded", 3),
    ("icmp6-parameterproblem", 4),
    ("icmp6-echo", 128),
    ("icmp6-echoreply", 129),
    ("icmp6-multicastlistenerquery", 130),
    ("icmp6-multicastlistenerreportv1", 131),
    ("icmp6-multicastlistenerdone", 132),
    ("icmp6-routersolicit", 133),
    ("icmp6-routeradvert", 134),
    ("icmp6-neighborsolicit", 135),
    ("icmp6-neighboradvert", 136),
    ("icmp6-redirect", 137),
    ("icmp6-routerrenum", 138),
    ("icmp6-nodeinformationquery", 139),
    ("icmp6-nodeinformationresponse", 140),
    ("icmp6-ineighbordiscoverysolicit", 141),
    ("icmp6-ineighbordiscoveryadvert", 142),
    ("icmp6-multicastlistenerreportv2", 143),
    ("icmp6-homeagentdiscoveryrequest", 144),
    ("icmp6-homeagentdiscoveryreply", 145),
    ("icmp6-mobileprefixsolicit", 146),
    ("icmp6-mobileprefixadvert", 147),
    ("icmp6-certpathsolicit", 148),
    ("icmp6-certpathadvert", 149),
    ("icmp6-multicastrouteradvert", 151),
    ("icmp6-multicastroutersolicit", 152),
    ("icmp6-multicastrouterterm", 153),
    ("tcpflags", 13),
    ("tcp-fin", 0x01),
    ("tcp-syn", 0x02),
    ("tcp-rst", 0x04),
    ("tcp-push", 0x08),
    ("tcp-ack", 0x10),
    ("tcp-urg", 0x20),
    ("tcp-ece", 0x40),
    ("tcp-cwr", 0x80),
];

/// IP protocols by the names of protocols(5).
const PROTOCOLS: &[(&str, u32)] = &[
    ("ip", 0),
    ("hopopt", 0),
    ("icmp", 1),
    ("igmp", 2),
    ("ipencap", 4),
    ("tcp", 6),
    ("egp", 8),
    ("igp", 9),
    ("udp", 17),
    ("dccp", 33),
    ("ipv6", 41),
    ("ipv6-route", 43),
    ("ipv6-frag", 44),
    ("rsvp", 46),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("ipv6-icmp", 58),
    ("ipv6-nonxt", 59),
    ("ipv6-opts", 60),
    ("eigrp", 88),
    ("ospf", 89),
    ("ipip", 94),
    ("etherip", 97),
    ("pim", 103),
    ("ipcomp", 108),
    ("vrrp", 112),
    ("l2tp", 115),
    ("sctp", 132),
    ("udplite", 136),
    ("mpls-in-ip", 137),
];

/// EtherTypes, and the service access points of IEEE 802.2, by their names.
const ETHER_PROTOCOLS: &[(&str, u32)] = &[
    ("ip", 0x0800),
    ("ip6", 0x86dd),
    ("arp", 0x0806),
    ("rarp", 0x8035),
    ("atalk", 0x809b),
    ("aarp", 0x80f3),
    ("decnet", 0x6003),
    ("lat", 0x6004),
    ("sca", 0x6007),
    ("mopdl", 0x6001),
    ("moprc", 0x6002),
    ("loopback", 0x9000),
    ("iso", 0xfe),
    ("stp", 0x42),
    ("ipx", 0xe0),
    ("netbeui", 0xf0),
];

fn value(table: &[(&str, u32)], name: &str) -> Option<u32> {
    table.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

/// An IP protocol's number.
pub(super) fn protocol(name: &str) -> Option<u32> {
    value(PROTOCOLS, name)
}

/// An IP protocol's name.
#[cfg(feature = "cli")]
pub(crate) fn protocol_name(number: i32) -> Option<&'static str> {
    PROTOCOLS.iter().find(|(_, known)| i64::from(*known) == i64::from(number)).map(|(name, _)| *name)
}

/// An EtherType, or an 802.2 access point.
pub(super) fn ether_protocol(name: &str) -> Option<u32> {
    value(ETHER_PROTOCOLS, name)
}

/// A service: its port, and whether TCP and UDP have it.
pub(super) fn service(name: &str) -> Option<(u32, bool, bool)> {
    let (tcp, udp) = (services::port_of(name, "tcp"), services::port_of(name, "udp"));
    Some((u32::from(tcp.or(udp)?), tcp.is_some(), udp.is_some()))
}
