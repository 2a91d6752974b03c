//! Files of /proc/net, as the host has them, in the kernel's form: interfaces, addresses, routes, neighbours, counters. Netlink says
//! the same; ifconfig, route, arp, nmap and scapy up to 2.5 read these. Those about sockets are `proc_sockets.rs`'s.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::proc_sockets;
use super::supervisor::Guest;
use crate::base::constants::{AF_INET, AF_INET6};
use crate::base::verb::{InterfaceRow, NeighbourRow, NeighbourState, RouteKind, RouteRow, Traffic};
use crate::base::{IfIndex, Mac, Reason, Result};

/// IFA_F_*.
const PERMANENT: u8 = 0x80;
const TENTATIVE: u8 = 0x40;
const DUPLICATE: u8 = 0x08;
/// IPV6_ADDR_LOOPBACK, IPV6_ADDR_LINKLOCAL: how far an address reaches.
const LOOPBACK: u8 = 0x10;
const LINK_LOCAL: u8 = 0x20;
/// RTF_*.
const UP: u32 = 1;
const GATEWAY: u32 = 2;
const HOST: u32 = 4;
const NO_NEXT_HOP: u32 = 0x0020_0000;
const LOCAL: u32 = 0x8000_0000;
const REJECT: u32 = 0x200;
/// ATF_COM, ATF_PERM.
const COMPLETE: u32 = 2;
const FIXED: u32 = 4;

/// True if there is a file of this name that the host says something of.
pub(super) fn has(name: &[u8]) -> bool {
    const OTHERS: [&[u8]; 9] =
        [b"dev", b"if_inet6", b"route", b"ipv6_route", b"arp", b"packet", b"sockstat", b"sockstat6", b"snmp"];
    OTHERS.contains(&name) || proc_sockets::Table::named(name).is_some()
}

/// What stands in the file of this name; `None` for one that the host says nothing of.
pub(super) fn text(guest: &mut Guest, name: &[u8]) -> Result<Option<String>> {
    if let Some(table) = proc_sockets::Table::named(name) {
        return Ok(Some(table.text(&guest.sockets()?)));
    }
    Ok(Some(match name {
        b"packet" => proc_sockets::packet(&guest.sockets()?),
        b"sockstat" => proc_sockets::sockstat(&guest.sockets()?, AF_INET),
        b"sockstat6" => proc_sockets::sockstat(&guest.sockets()?, AF_INET6),
        b"snmp" => {
            snmp(&guest.interfaces()?, &guest.counters()?, proc_sockets::established(&guest.sockets()?))
        }
        b"dev" => dev(&guest.interfaces()?),
        b"if_inet6" => if_inet6(&guest.interfaces()?),
        b"route" => route(&guest.routes()?, &guest.interfaces()?),
        b"ipv6_route" => ipv6_route(&guest.routes()?, &guest.interfaces()?),
        b"arp" => arp(&guest.neighbours()?, &guest.interfaces()?),
        _ => return Ok(None),
    }))
}

fn name(interfaces: &[InterfaceRow], index: IfIndex) -> &str {
    interfaces.iter().find(|row| row.index == index).map_or("*", |row| &row.name)
}

/// dev_seq_show.
fn dev(interfaces: &[InterfaceRow]) -> String {
    let mut text = "Inter-|   Receive                                                |  Transmit\n \
        face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls \
        carrier compressed\n"
        .to_string();
    for row in interfaces {
        let traffic = &row.traffic;
        let _ = writeln!(
            text,
            "{:>6}: {:7} {:7} {:4} {:4} {:4} {:5} {:10} {:9} {:8} {:7} {:4} {:4} {:4} {:5} {:7} {:10}",
            row.name,
            traffic.rx_bytes,
            traffic.rx_packets,
            0,
            traffic.rx_drops,
            0,
            0,
            0,
            0,
            traffic.tx_bytes,
            traffic.tx_packets,
            0,
            traffic.tx_drops,
            0,
            0,
            0,
            0
        );
    }
    text
}

/// snmp_seq_show: what the host counts; what it does not is 0.
fn snmp(interfaces: &[InterfaceRow], counters: &[(Reason, u64)], established: usize) -> String {
    let sum = |of: fn(&Traffic) -> u64| interfaces.iter().map(|row| of(&row.traffic)).sum::<u64>();
    let (received, sent) = (sum(|traffic| traffic.rx_packets), sum(|traffic| traffic.tx_packets));
    let count = |wanted: &[Reason]| {
        let of = counters.iter().filter(|(reason, _)| wanted.contains(reason));
        of.map(|(_, count)| count).sum::<u64>()
    };
    let ip = [
        ("Forwarding", 2),
        ("DefaultTTL", 64),
        ("InReceives", received),
        ("InHdrErrors", count(&[Reason::IpShort, Reason::IpMalformed, Reason::IpChecksum])),
        ("InAddrErrors", count(&[Reason::IpNotForUs])),
        ("ForwDatagrams", 0),
        ("InUnknownProtos", count(&[Reason::IpNoProtocol])),
        ("InDiscards", 0),
        ("InDelivers", received),
        ("OutRequests", sent),
        ("OutDiscards", 0),
        ("OutNoRoutes", count(&[Reason::IpNoRoute])),
        ("ReasmTimeout", count(&[Reason::FragmentTimeout])),
        ("ReasmReqds", 0),
        ("ReasmOKs", 0),
        ("ReasmFails", count(&[Reason::FragmentTimeout, Reason::FragmentOverlap, Reason::FragmentTooBig])),
        ("FragOKs", 0),
        ("FragFails", count(&[Reason::IpTooBig])),
        ("FragCreates", 0),
        ("OutTransmits", sent),
    ];
    let sent_again = [Reason::TcpFastRetransmit, Reason::TcpRtoRetransmit, Reason::TcpEarlyRetransmit];
    let tcp = [
        ("RtoAlgorithm", "1".to_string()),
        ("RtoMin", "200".into()),
        ("RtoMax", "120000".into()),
        ("MaxConn", "-1".into()),
        ("ActiveOpens", "0".into()),
        ("PassiveOpens", "0".into()),
        ("AttemptFails", count(&[Reason::TcpRefused]).to_string()),
        ("EstabResets", count(&[Reason::TcpReset]).to_string()),
        ("CurrEstab", established.to_string()),
        ("InSegs", "0".into()),
        ("OutSegs", "0".into()),
        ("RetransSegs", count(&sent_again).to_string()),
        ("InErrs", count(&[Reason::TcpChecksum, Reason::TcpMalformed]).to_string()),
        ("OutRsts", count(&[Reason::TcpNoSocket]).to_string()),
        ("InCsumErrors", count(&[Reason::TcpChecksum]).to_string()),
    ];
    let udp = [
        ("InDatagrams", 0),
        ("NoPorts", count(&[Reason::UdpNoSocket])),
        ("InErrors", count(&[Reason::UdpChecksum, Reason::UdpMalformed])),
        ("OutDatagrams", 0),
        ("RcvbufErrors", count(&[Reason::ReceiveQueueFull])),
        ("SndbufErrors", 0),
        ("InCsumErrors", count(&[Reason::UdpChecksum])),
        ("IgnoredMulti", 0),
        ("MemErrors", 0),
    ];
    let icmp = [
        ("InMsgs", 0),
        ("InErrors", count(&[Reason::IcmpMalformed, Reason::IcmpChecksum])),
        ("InCsumErrors", count(&[Reason::IcmpChecksum])),
    ];
    fn part<T: ToString>(name: &str, rows: &[(&str, T)]) -> String {
        let names: Vec<&str> = rows.iter().map(|row| row.0).collect();
        let values: Vec<String> = rows.iter().map(|row| row.1.to_string()).collect();
        format!("{name}: {}\n{name}: {}\n", names.join(" "), values.join(" "))
    }
    [part("Ip", &ip), part("Icmp", &icmp), part("Tcp", &tcp), part("Udp", &udp)].concat()
}

fn digits(address: Ipv6Addr) -> String {
    format!("{:032x}", address.to_bits())
}

/// if6_seq_show.
fn if_inet6(interfaces: &[InterfaceRow]) -> String {
    let mut text = String::new();
    for interface in interfaces {
        for row in &interface.addresses {
            let IpAddr::V6(address) = row.cidr.address() else { continue };
            let reach = match address {
                Ipv6Addr::LOCALHOST => LOOPBACK,
                _ if address.is_unicast_link_local() => LINK_LOCAL,
                _ => 0,
            };
            let flags = if row.valid.is_none() { PERMANENT } else { 0 }
                | if row.tentative { TENTATIVE } else { 0 }
                | if row.duplicate { DUPLICATE } else { 0 };
            let (index, prefix) = (interface.index.0, row.cidr.prefix());
            let _ = writeln!(
                text,
                "{} {index:02x} {prefix:02x} {reach:02x} {flags:02x} {:>8}",
                digits(address),
                interface.name
            );
        }
    }
    text
}

/// fib_route_seq_show: addresses are numbers as they stand in memory.
fn route(routes: &[RouteRow], interfaces: &[InterfaceRow]) -> String {
    let head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT";
    let mut text = format!("{head:<127}\n");
    for row in routes {
        let IpAddr::V4(network) = row.network.network() else { continue };
        let number = |address: Ipv4Addr| u32::from_ne_bytes(address.octets());
        let via = match row.via {
            Some(IpAddr::V4(via)) => Some(via),
            _ => None,
        };
        let prefix = row.network.prefix();
        let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
        // fib_flag_trans.
        let reject = matches!(row.kind, RouteKind::Unreachable | RouteKind::Prohibit);
        let flags = UP
            | if reject { REJECT } else { 0 }
            | if via.is_some() { GATEWAY } else { 0 }
            | if prefix == 32 { HOST } else { 0 };
        let way = row.kind == RouteKind::Unicast;
        let line = format!(
            "{}\t{:08X}\t{:08X}\t{flags:04X}\t0\t0\t{}\t{:08X}\t0\t0\t0",
            if way { name(interfaces, row.interface) } else { "*" },
            number(network),
            via.map_or(0, number),
            row.metric,
            number(Ipv4Addr::from_bits(mask)),
        );
        let _ = writeln!(text, "{line:<127}");
    }
    text
}

/// rt6_info_route: the main table, and a route to each address of the host's own.
fn ipv6_route(routes: &[RouteRow], interfaces: &[InterfaceRow]) -> String {
    let mut text = String::new();
    let mut line =
        |network: Ipv6Addr, prefix: u8, via: Option<Ipv6Addr>, metric: u32, flags: u32, name: &str| {
            let (none, via) = (digits(Ipv6Addr::UNSPECIFIED), via.unwrap_or(Ipv6Addr::UNSPECIFIED));
            let _ = writeln!(
                text,
                "{} {prefix:02x} {none} 00 {} {metric:08x} 00000000 00000000 {flags:08x} {name:>8}",
                digits(network),
                digits(via),
            );
        };
    for row in routes {
        let IpAddr::V6(network) = row.network.network() else { continue };
        let via = match row.via {
            Some(IpAddr::V6(via)) => Some(via),
            _ => None,
        };
        let reject = row.kind != RouteKind::Unicast;
        let flags =
            if reject { REJECT | NO_NEXT_HOP } else { 0 } | UP | if via.is_some() { GATEWAY } else { 0 };
        line(network, row.network.prefix(), via, row.metric, flags, name(interfaces, row.interface));
    }
    for interface in interfaces {
        for row in &interface.addresses {
            if let IpAddr::V6(address) = row.cidr.address() {
                line(address, 128, None, 0, UP | NO_NEXT_HOP | LOCAL, &interface.name);
            }
        }
    }
    text
}

/// arp_format_neigh_entry.
fn arp(neighbours: &[NeighbourRow], interfaces: &[InterfaceRow]) -> String {
    let mut text =
        "IP address       HW type     Flags       HW address            Mask     Device\n".to_string();
    for row in neighbours.iter().filter(|row| row.address.is_ipv4()) {
        let flags = match (row.mac, row.state) {
            (None, _) => 0,
            (_, NeighbourState::Permanent) => COMPLETE | FIXED,
            _ => COMPLETE,
        };
        let _ = writeln!(
            text,
            "{:<16} 0x1         0x{flags:<10x}{}     *        {}",
            row.address.to_string(),
            row.mac.unwrap_or(Mac::ZERO),
            name(interfaces, row.interface)
        );
    }
    text
}
