//! What is there, as messages: links, addresses, routes, neighbours, rules. linux/rtnetlink.h names the fields.

use std::net::{IpAddr, Ipv4Addr};

use super::diag::Question;
use super::request::{RTM_NEWADDR, RTM_NEWLINK, RTM_NEWNEIGH, RTM_NEWROUTE};
use crate::base::constants::{AF_INET, AF_INET6};
use crate::base::netlink::{Draft, Message};
use crate::base::{Cidr, IfIndex, Instant, Mac};
use crate::stack::Net;
use crate::stack::ip::{Route, RouteOrigin};
use crate::stack::link::{Address, AddressOrigin, AddressState, Interface, Neighbour, NeighbourState};

const RTM_NEWRULE: u16 = 32;

pub(super) const RT_TABLE_MAIN: u8 = 254;
pub(super) const RT_TABLE_LOCAL: u8 = 255;
pub(super) const RTN_UNICAST: u8 = 1;
pub(super) const RTN_LOCAL: u8 = 2;
pub(super) const RTN_BROADCAST: u8 = 3;
pub(super) const RTN_MULTICAST: u8 = 5;
pub(super) const RTPROT_KERNEL: u8 = 2;
const RTPROT_BOOT: u8 = 3;
const RTPROT_RA: u8 = 9;
pub(super) const RT_SCOPE_UNIVERSE: u8 = 0;
const RT_SCOPE_LINK: u8 = 253;
const RT_SCOPE_HOST: u8 = 254;
pub(super) const RTA_DST: u16 = 1;
pub(super) const RTA_OIF: u16 = 4;
pub(super) const RTA_GATEWAY: u16 = 5;
pub(super) const RTA_PRIORITY: u16 = 6;
pub(super) const RTA_PREFSRC: u16 = 7;
pub(super) const RTA_CACHEINFO: u16 = 12;
pub(super) const RTA_TABLE: u16 = 15;
pub(super) const RTA_PREF: u16 = 20;
pub(super) const IFF_UP: u32 = 1;
const RTNH_F_LINKDOWN: u32 = 16;
/// IP6_RT_PRIO_ADDRCONF, IP6_RT_PRIO_USER.
pub(super) const METRIC_KERNEL: u32 = 256;
const METRIC_USER: u32 = 1024;

/// What a dump goes through.
#[derive(Clone, Debug)]
pub(super) enum Listing {
    Links,
    Addresses,
    Routes,
    Neighbours,
    Rules,
    /// Those that are asked for by sock_diag(7).
    Sockets(Question),
    /// What Linux has tables of and this host has nothing in.
    Nothing,
}

/// A dump under way.
#[derive(Clone, Debug)]
pub(super) struct Dump {
    pub(super) listing: Listing,
    /// AF_*; 0 = all.
    pub(super) family: i32,
    /// 0 = all.
    pub(super) interface: u32,
    /// Of the request.
    pub(super) sequence: u32,
    /// Messages that have gone; of sockets those that were looked at.
    pub(super) done: usize,
}

impl Dump {
    pub(super) fn new(listing: Listing, request: &Message<'_>) -> Self {
        let family = i32::from(request.byte(0));
        Self { listing, family, interface: 0, sequence: request.sequence, done: 0 }
    }

    fn wants(&self, address: IpAddr) -> bool {
        self.family == 0 || self.family == family(address)
    }
}

/// AF_* of an address.
pub(super) fn family(address: IpAddr) -> i32 {
    if address.is_ipv4() { AF_INET } else { AF_INET6 }
}

/// Hundredths of a second, as struct ifa_cacheinfo and nda_cacheinfo count.
fn ticks(now: Instant, then: Instant) -> u32 {
    u32::try_from(now.since(then).as_millis() / 10).unwrap_or(u32::MAX)
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

impl Net {
    /// The messages of a dump, in Linux's order.
    pub(super) fn dump<'a>(&'a self, dump: &'a Dump) -> Box<dyn Iterator<Item = Draft> + 'a> {
        let here = move |interface: IfIndex| dump.interface == 0 || dump.interface == interface.0;
        match &dump.listing {
            Listing::Links => Box::new(self.interfaces().iter().map(link)),
            Listing::Addresses => {
                let of = move |v4: bool| {
                    let interfaces = self.interfaces().iter().filter(move |interface| here(interface.index));
                    interfaces.flat_map(move |interface| {
                        let own = interface.addresses.iter().filter(move |own| own.ip().is_ipv4() == v4);
                        own.filter(|own| dump.wants(own.ip())).map(|own| address(interface, own, self.now))
                    })
                };
                Box::new(of(true).chain(of(false)))
            }
            Listing::Routes => {
                let of = move |v4: bool| {
                    let main = self
                        .sorted_routes()
                        .into_iter()
                        .filter(move |route| route.network.address().is_ipv4() == v4);
                    let main = main.map(|route| self.route_message(route));
                    main.chain(self.interfaces().iter().flat_map(move |interface| own_routes(interface, v4)))
                };
                let v4 = (dump.family == 0 || dump.family == AF_INET).then(|| of(true));
                let v6 = (dump.family == 0 || dump.family == AF_INET6).then(|| of(false));
                Box::new(v4.into_iter().flatten().chain(v6.into_iter().flatten()))
            }
            Listing::Neighbours => {
                let wanted = self.neighbours().filter(|n| dump.wants(n.address) && here(n.interface));
                let mut entries: Vec<_> = wanted.collect();
                entries.sort_by_key(|neighbour| (neighbour.interface, neighbour.address));
                Box::new(entries.into_iter().map(|entry| neighbour(entry, self.now)))
            }
            Listing::Rules => Box::new(rules(dump.family).into_iter()),
            // The sockets are not the lower half's.
            Listing::Nothing | Listing::Sockets(_) => Box::new(std::iter::empty()),
        }
    }

    fn route_message(&self, route: &Route) -> Draft {
        let v4 = route.network.address().is_ipv4();
        let (protocol, metric) = told(route);
        let scope = if v4 && route.via.is_none() { RT_SCOPE_LINK } else { RT_SCOPE_UNIVERSE };
        let up = self.interface(route.interface).is_some_and(|interface| interface.up);
        let flags = if up { 0 } else { RTNH_F_LINKDOWN };
        let head = RouteHead {
            network: route.network,
            table: RT_TABLE_MAIN,
            protocol,
            scope,
            kind: RTN_UNICAST,
            flags,
        };
        let mut message = head.message();
        if !v4 {
            message = message.number(RTA_PRIORITY, metric);
        }
        let message = message.some_address(RTA_PREFSRC, self.route_source(route));
        let message = message.some_address(RTA_GATEWAY, route.via).number(RTA_OIF, route.interface.0);
        if v4 { message } else { v6_end(message, route.until.map(|until| ticks(until, self.now))) }
    }
}

/// RTPROT_*, and the metric of an IPv6 route.
pub(super) fn told(route: &Route) -> (u8, u32) {
    match route.origin {
        RouteOrigin::Connected | RouteOrigin::Prefix => (RTPROT_KERNEL, METRIC_KERNEL),
        RouteOrigin::Static => (RTPROT_BOOT, METRIC_USER),
        RouteOrigin::Router => (RTPROT_RA, METRIC_USER),
    }
}

/// What every IPv6 route ends with.
fn v6_end(message: Draft, expires: Option<u32>) -> Draft {
    // struct rta_cacheinfo: references, last use, expires, error, used, id, ts, tsage.
    let cache = words(&[0, 0, expires.unwrap_or(0), 0, 0, 0, 0, 0]);
    message.with(RTA_CACHEINFO, &cache).with(RTA_PREF, &[0])
}

/// struct rtmsg.
pub(super) struct RouteHead {
    pub(super) network: Cidr,
    pub(super) table: u8,
    pub(super) protocol: u8,
    pub(super) scope: u8,
    pub(super) kind: u8,
    pub(super) flags: u32,
}

impl RouteHead {
    /// The message, with its table and destination.
    pub(super) fn message(&self) -> Draft {
        self.message_from(0)
    }

    /// The same for sources of a network with this prefix.
    pub(super) fn message_from(&self, source: u8) -> Draft {
        let (address, prefix) = (self.network.address(), self.network.prefix());
        let mut head =
            vec![family(address) as u8, prefix, source, 0, self.table, self.protocol, self.scope, self.kind];
        head.extend(self.flags.to_ne_bytes());
        let message = Draft::new(RTM_NEWROUTE, &head).number(RTA_TABLE, self.table.into());
        if prefix == 0 { message } else { message.address(RTA_DST, address) }
    }
}

/// The table `local`, and IPv6's routes to whole addresses, as an interface's addresses give them (fib_add_ifaddr, addrconf).
fn own_routes(interface: &Interface, v4: bool) -> Vec<Draft> {
    let lo = interface.index == IfIndex::LO;
    let row = |network: Option<Cidr>, kind: u8, scope: u8, source: IpAddr| {
        let head = RouteHead {
            network: network?,
            table: RT_TABLE_LOCAL,
            protocol: RTPROT_KERNEL,
            scope,
            kind,
            flags: 0,
        };
        Some(head.message().address(RTA_PREFSRC, source).number(RTA_OIF, interface.index.0))
    };
    let mut rows = Vec::new();
    for own in interface.usable().filter(|own| own.ip().is_ipv4() == v4) {
        let ip = own.ip();
        let whole = Cidr::new(ip, if v4 { 32 } else { 128 }).ok();
        if v4 {
            if lo {
                rows.push(row(
                    Cidr::new(own.cidr.network(), own.cidr.prefix()).ok(),
                    RTN_LOCAL,
                    RT_SCOPE_HOST,
                    ip,
                ));
            }
            rows.push(row(whole, RTN_LOCAL, RT_SCOPE_HOST, ip));
            // fib_disable_ip: set down, it has no network.
            if !interface.enabled {
                continue;
            }
            // fib_add_ifaddr: a secondary address has the primary's network already.
            let network = |address: &Address| (address.cidr.network(), address.cidr.prefix());
            let primary = interface.usable().find(|other| network(other) == network(own));
            if primary.is_some_and(|primary| primary.ip() != ip) {
                continue;
            }
            let broadcast = own.cidr.broadcast().and_then(|ip| Cidr::new(ip.into(), 32).ok());
            rows.push(row(broadcast, RTN_BROADCAST, RT_SCOPE_LINK, ip));
            continue;
        }
        let head = |network, kind| RouteHead {
            network,
            table: RT_TABLE_LOCAL,
            protocol: RTPROT_KERNEL,
            scope: RT_SCOPE_UNIVERSE,
            kind,
            flags: 0,
        };
        let local = whole.map(|whole| {
            let message = head(whole, RTN_LOCAL).message().number(RTA_PRIORITY, 0);
            v6_end(message.number(RTA_OIF, interface.index.0), None)
        });
        rows.push(local);
    }
    if !v4 && !lo && interface.usable().any(|own| own.ip().is_ipv6()) {
        let groups = Cidr::new(IpAddr::from([0xff00, 0, 0, 0, 0, 0, 0, 0]), 8).ok().map(|network| {
            let head = RouteHead {
                network,
                table: RT_TABLE_LOCAL,
                protocol: RTPROT_KERNEL,
                scope: RT_SCOPE_UNIVERSE,
                kind: RTN_MULTICAST,
                flags: 0,
            };
            let message = head.message().number(RTA_PRIORITY, METRIC_KERNEL);
            v6_end(message.number(RTA_OIF, interface.index.0), None)
        });
        rows.push(groups);
    }
    rows.into_iter().flatten().collect()
}

/// An interface, as RTM_NEWLINK.
pub(super) fn link(interface: &Interface) -> Draft {
    const IFF_BROADCAST: u32 = 2;
    const IFF_LOOPBACK: u32 = 8;
    const IFF_RUNNING: u32 = 0x40;
    const IFF_MULTICAST: u32 = 0x1000;
    const IFF_LOWER_UP: u32 = 0x10000;
    const IFF_NOARP: u32 = 0x80;
    const IFF_ECHO: u32 = 0x40000;
    let lo = interface.index == IfIndex::LO;
    // vcan_setup, can_setup: "dev->flags = IFF_NOARP"; what is sent is echoed.
    let kind = match interface.is_can() {
        true => IFF_NOARP | IFF_ECHO,
        false if lo => IFF_LOOPBACK,
        false => IFF_BROADCAST | IFF_MULTICAST,
    };
    let carrier = if interface.up { IFF_RUNNING | IFF_LOWER_UP } else { 0 };
    // struct ifinfomsg: family, pad, type (16 bits), index, flags, change.
    let mut head = vec![0, 0];
    head.extend(interface.hardware().to_ne_bytes());
    let enabled = if interface.enabled { IFF_UP } else { 0 };
    head.extend(words(&[interface.index.0, enabled | kind | carrier, 0]));
    // IF_OPER_UNKNOWN, IF_OPER_UP, IF_OPER_DOWN (RFC 2863).
    let state = if lo {
        0
    } else if interface.up {
        6
    } else {
        2
    };
    let can = interface.is_can();
    let largest = u32::try_from(interface.largest_mtu).unwrap_or(u32::MAX);
    let (least, most) = if lo || can { (0, 0) } else { (68, largest) };
    let broadcast = if lo { Mac::ZERO } else { Mac::BROADCAST };
    let c = &interface.counters;
    let counts = [c.rx_packets, c.tx_packets, c.rx_bytes, c.tx_bytes, 0, 0, c.rx_drops, c.tx_drops];
    // struct rtnl_link_stats64: 25 counters; rtnl_link_stats: 24 of half the width.
    let mut wide: Vec<u8> = counts.iter().flat_map(|count| count.to_ne_bytes()).collect();
    wide.resize(25 * 8, 0);
    let mut narrow = words(&counts.map(|count| count as u32));
    narrow.resize(24 * 4, 0);
    let draft = Draft::new(RTM_NEWLINK, &head)
        .string(3, &interface.name) // IFLA_IFNAME
        .number(13, 1000) // IFLA_TXQLEN
        .with(16, &[state]) // IFLA_OPERSTATE
        .with(17, &[0]) // IFLA_LINKMODE
        .number(4, u32::try_from(interface.mtu).unwrap_or(u32::MAX)) // IFLA_MTU
        .number(50, least) // IFLA_MIN_MTU
        .number(51, most) // IFLA_MAX_MTU
        .number(27, 0) // IFLA_GROUP
        .number(30, interface.is_promiscuous().into()) // IFLA_PROMISCUITY
        .number(31, 1) // IFLA_NUM_TX_QUEUES
        .number(32, 1) // IFLA_NUM_RX_QUEUES
        .with(33, &[interface.up.into()]) // IFLA_CARRIER
        .string(6, "noqueue") // IFLA_QDISC
        .with(14, &[0; 32]); // IFLA_MAP
    // "if (dev->addr_len)"
    let draft = match can {
        true => draft,
        false => draft.with(1, &interface.mac.0).with(2, &broadcast.0), // IFLA_ADDRESS, IFLA_BROADCAST
    };
    draft
        .with(23, &wide) // IFLA_STATS64
        .with(7, &narrow) // IFLA_STATS
}

/// An address, as RTM_NEWADDR.
fn address(interface: &Interface, own: &Address, now: Instant) -> Draft {
    const IFA_F_OPTIMISTIC: u32 = 4;
    const IFA_F_DADFAILED: u32 = 8;
    const IFA_F_DEPRECATED: u32 = 0x20;
    const IFA_F_TENTATIVE: u32 = 0x40;
    const IFA_F_PERMANENT: u32 = 0x80;
    let ip = own.ip();
    let state = match own.state {
        AddressState::Tentative => IFA_F_TENTATIVE,
        AddressState::Optimistic => IFA_F_TENTATIVE | IFA_F_OPTIMISTIC,
        AddressState::Preferred => 0,
        AddressState::Deprecated => IFA_F_DEPRECATED,
        AddressState::DadFailed => IFA_F_TENTATIVE | IFA_F_DADFAILED,
    };
    let flags = state | if own.valid_until.is_none() { IFA_F_PERMANENT } else { 0 };
    let scope = match ip {
        _ if ip.is_loopback() => RT_SCOPE_HOST,
        IpAddr::V6(ip) if ip.is_unicast_link_local() => RT_SCOPE_LINK,
        _ => RT_SCOPE_UNIVERSE,
    };
    let mut head = vec![family(ip) as u8, own.cidr.prefix(), flags as u8, scope];
    head.extend(interface.index.0.to_ne_bytes());
    let left = |until: Option<Instant>| until.map_or(u32::MAX, |until| ticks(until, now) / 100);
    // struct ifa_cacheinfo: preferred, valid (seconds), created, updated (ticks).
    let cache = words(&[left(own.preferred_until), left(own.valid_until), 0, 0]);
    let mut message = Draft::new(RTM_NEWADDR, &head).address(1, ip); // IFA_ADDRESS
    if ip.is_ipv4() {
        message = message.address(2, ip); // IFA_LOCAL
        let broadcast = own.cidr.broadcast().filter(|_| interface.index != IfIndex::LO);
        message = message.some_address(4, broadcast.map(IpAddr::from)); // IFA_BROADCAST
        message = message.string(3, &interface.name); // IFA_LABEL
    }
    // IFAPROT_KERNEL_LO, IFAPROT_KERNEL_RA, IFAPROT_KERNEL_LL.
    let protocol = match own.origin {
        _ if ip.is_loopback() => 1,
        AddressOrigin::Autoconfigured => 2,
        AddressOrigin::LinkLocal => 3,
        AddressOrigin::Static => 0,
    };
    if protocol != 0 {
        message = message.with(11, &[protocol]); // IFA_PROTO
    }
    message.number(8, flags).with(6, &cache) // IFA_FLAGS, IFA_CACHEINFO
}

/// A neighbour, as RTM_NEWNEIGH.
pub(super) fn neighbour(entry: &Neighbour, now: Instant) -> Draft {
    const NTF_ROUTER: u8 = 0x80;
    let state: u16 = match entry.state(now) {
        NeighbourState::Incomplete => 1,
        NeighbourState::Reachable => 2,
        NeighbourState::Stale => 4,
        NeighbourState::Delay => 8,
        NeighbourState::Probe => 0x10,
        NeighbourState::Failed => 0x20,
        NeighbourState::Permanent => 0x80,
    };
    // struct ndmsg: family, 3 bytes, index, state (16 bits), flags, type.
    let mut head = vec![family(entry.address) as u8, 0, 0, 0];
    head.extend(entry.interface.0.to_ne_bytes());
    head.extend(state.to_ne_bytes());
    head.extend([if entry.router { NTF_ROUTER } else { 0 }, RTN_UNICAST]);
    let message = Draft::new(RTM_NEWNEIGH, &head).address(1, entry.address); // NDA_DST
    let message = if entry.mac == Mac::ZERO { message } else { message.with(2, &entry.mac.0) }; // NDA_LLADDR
    // struct nda_cacheinfo: confirmed, used, updated, references.
    message.number(4, 0).with(3, &words(&[0, 0, 0, 0])) // NDA_PROBES, NDA_CACHEINFO
}

/// The rules of a host that nobody has given any: the tables local, main and (IPv4) default.
fn rules(wanted: i32) -> Vec<Draft> {
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

/// 0.0.0.0/0 or ::/0 with so many bits of an address.
pub(super) fn network(address: Option<IpAddr>, prefix: u8, ipv4: bool) -> crate::base::Result<Cidr> {
    let any = if ipv4 { Ipv4Addr::UNSPECIFIED.into() } else { std::net::Ipv6Addr::UNSPECIFIED.into() };
    Cidr::new(address.unwrap_or(any), prefix)
}
