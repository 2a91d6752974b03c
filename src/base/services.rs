//! Names of services and their ports: the well-known ones, built in.

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
