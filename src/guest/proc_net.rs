//! Files of /proc/net, as the host has them, in the kernel's form: interfaces, addresses, routes and neighbours. Netlink says the
//! same; ifconfig, route, arp, nmap and scapy up to 2.5 read these.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::supervisor::Guest;
use crate::base::verb::{InterfaceRow, NeighbourRow, NeighbourState, RouteRow};
use crate::base::{IfIndex, Mac, Result};

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
/// IP6_RT_PRIO_ADDRCONF, IP6_RT_PRIO_USER.
const METRIC_KERNEL: u32 = 256;
const METRIC_USER: u32 = 1024;
/// ATF_COM, ATF_PERM.
const COMPLETE: u32 = 2;
const FIXED: u32 = 4;

/// What stands in the file of this name; `None` for one that the host says nothing of.
pub(super) fn text(guest: &mut Guest, name: &[u8]) -> Result<Option<String>> {
    Ok(Some(match name {
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

/// dev_seq_show. What has passed is not counted by interface.
fn dev(interfaces: &[InterfaceRow]) -> String {
    let mut text = "Inter-|   Receive                                                |  Transmit\n \
        face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls \
        carrier compressed\n"
        .to_string();
    for row in interfaces {
        let _ = writeln!(
            text,
            "{:>6}: {:7} {:7} {:4} {:4} {:4} {:5} {:10} {:9} {:8} {:7} {:4} {:4} {:4} {:5} {:7} {:10}",
            row.name, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
        );
    }
    text
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
        let flags = UP | if via.is_some() { GATEWAY } else { 0 } | if prefix == 32 { HOST } else { 0 };
        let line = format!(
            "{}\t{:08X}\t{:08X}\t{flags:04X}\t0\t0\t0\t{:08X}\t0\t0\t0",
            name(interfaces, row.interface),
            number(network),
            via.map_or(0, number),
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
        let metric = if row.kernel { METRIC_KERNEL } else { METRIC_USER };
        let flags = UP | if via.is_some() { GATEWAY } else { 0 };
        line(network, row.network.prefix(), via, metric, flags, name(interfaces, row.interface));
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
