//! Names of services and their ports, of protocols and their numbers: the well-known ones, built in.

/// Name, port, and whether TCP and UDP have it.
const SERVICES: &[(&str, u16, bool, bool)] = &[
    ("echo", 7, true, true),
    ("discard", 9, true, true),
    ("daytime", 13, true, true),
    ("chargen", 19, true, true),
    ("ftp-data", 20, true, false),
    ("ftp", 21, true, false),
    ("ssh", 22, true, false),
    ("telnet", 23, true, false),
    ("smtp", 25, true, false),
    ("time", 37, true, true),
    ("whois", 43, true, false),
    ("domain", 53, true, true),
    ("bootps", 67, false, true),
    ("bootpc", 68, false, true),
    ("tftp", 69, false, true),
    ("gopher", 70, true, false),
    ("finger", 79, true, false),
    ("http", 80, true, false),
    ("kerberos", 88, true, true),
    ("pop3", 110, true, false),
    ("sunrpc", 111, true, true),
    ("nntp", 119, true, false),
    ("ntp", 123, false, true),
    ("imap2", 143, true, false),
    ("snmp", 161, true, true),
    ("snmp-trap", 162, true, true),
    ("bgp", 179, true, false),
    ("ldap", 389, true, true),
    ("https", 443, true, true),
    ("microsoft-ds", 445, true, true),
    ("submission", 587, true, false),
    ("syslog", 514, false, true),
    ("ldaps", 636, true, true),
    ("imaps", 993, true, false),
    ("pop3s", 995, true, false),
    ("socks", 1080, true, false),
    ("mysql", 3306, true, false),
    ("postgresql", 5432, true, false),
    ("mdns", 5353, false, true),
    ("xmpp-client", 5222, true, false),
    ("http-alt", 8080, true, true),
];

/// protocols(5): name, alias, number.
#[rustfmt::skip]
const PROTOCOLS: &[(&str, &str, i32)] = &[
    ("ip", "IP", 0), ("hopopt", "HOPOPT", 0), ("icmp", "ICMP", 1), ("igmp", "IGMP", 2), ("ggp", "GGP", 3),
    ("ipencap", "IP-ENCAP", 4), ("st", "ST", 5), ("tcp", "TCP", 6), ("egp", "EGP", 8), ("igp", "IGP", 9),
    ("pup", "PUP", 12), ("udp", "UDP", 17), ("hmp", "HMP", 20), ("xns-idp", "XNS-IDP", 22),
    ("rdp", "RDP", 27), ("iso-tp4", "ISO-TP4", 29), ("dccp", "DCCP", 33), ("xtp", "XTP", 36),
    ("ddp", "DDP", 37), ("idpr-cmtp", "IDPR-CMTP", 38), ("ipv6", "IPv6", 41),
    ("ipv6-route", "IPv6-Route", 43), ("ipv6-frag", "IPv6-Frag", 44), ("idrp", "IDRP", 45),
    ("rsvp", "RSVP", 46), ("gre", "GRE", 47), ("esp", "IPSEC-ESP", 50), ("ah", "IPSEC-AH", 51),
    ("skip", "SKIP", 57), ("ipv6-icmp", "IPv6-ICMP", 58), ("ipv6-nonxt", "IPv6-NoNxt", 59),
    ("ipv6-opts", "IPv6-Opts", 60), ("rspf", "RSPF", 73), ("vmtp", "VMTP", 81), ("eigrp", "EIGRP", 88),
    ("ospf", "OSPFIGP", 89), ("ax.25", "AX.25", 93), ("ipip", "IPIP", 94), ("etherip", "ETHERIP", 97),
    ("encap", "ENCAP", 98), ("pim", "PIM", 103), ("ipcomp", "IPCOMP", 108), ("vrrp", "VRRP", 112),
    ("l2tp", "L2TP", 115), ("isis", "ISIS", 124), ("sctp", "SCTP", 132), ("fc", "FC", 133),
    ("mobility-header", "Mobility-Header", 135), ("udplite", "UDPLite", 136),
    ("mpls-in-ip", "MPLS-in-IP", 137), ("manet", "MANET", 138), ("hip", "HIP", 139), ("shim6", "Shim6", 140),
    ("wesp", "WESP", 141), ("rohc", "ROHC", 142), ("ethernet", "Ethernet", 143), ("mptcp", "MPTCP", 262),
];

/// The number of a protocol.
pub(crate) fn protocol_called(name: &str) -> Option<i32> {
    PROTOCOLS.iter().find(|p| p.0 == name || p.1 == name).map(|p| p.2)
}

/// The port of a service; `protocol` is `"tcp"`, `"udp"` or `""` for any.
pub(crate) fn port_of(service: &str, protocol: &str) -> Option<u16> {
    SERVICES.iter().find(|s| s.0 == service && has(s, protocol)).map(|s| s.1)
}

/// The service at a port.
pub(crate) fn service_at(port: u16, protocol: &str) -> Option<&'static str> {
    SERVICES.iter().find(|s| s.1 == port && has(s, protocol)).map(|s| s.0)
}

fn has(service: &(&str, u16, bool, bool), protocol: &str) -> bool {
    match protocol {
        "tcp" => service.2,
        "udp" => service.3,
        "" => true,
        _ => false,
    }
}
