//! What is there, as messages: links, addresses, routes, neighbours, rules. linux/rtnetlink.h names the fields.

use std::net::{IpAddr, Ipv4Addr};

use super::diag::Question;
use super::given::{labels, rules};
use super::request::{RTM_NEWADDR, RTM_NEWLINK, RTM_NEWNEIGH, RTM_NEWROUTE};
use crate::base::constants::{AF_INET, AF_INET6};
use crate::base::netlink::{Draft, Message};
pub(super) use crate::base::verb::RT_SCOPE_UNIVERSE;
use crate::base::verb::{RT_SCOPE_HOST, RT_SCOPE_LINK};
use crate::base::{Cidr, IfIndex, Instant, Mac};
use crate::stack::Net;
pub(super) use crate::stack::ip::RTPROT_KERNEL;
use crate::stack::ip::{Route, RouteKind};
use crate::stack::link::{Address, AddressState, IFF_ALLMULTI, Interface, Neighbour, NeighbourState};

pub(super) const RT_TABLE_MAIN: u8 = 254;
pub(super) const RT_TABLE_LOCAL: u8 = 255;
pub(super) const RTN_UNICAST: u8 = 1;
pub(super) const RTN_LOCAL: u8 = 2;
pub(super) const RTN_BROADCAST: u8 = 3;
pub(super) const RTN_MULTICAST: u8 = 5;
pub(super) const RTA_DST: u16 = 1;
pub(super) const RTA_OIF: u16 = 4;
pub(super) const RTA_GATEWAY: u16 = 5;
pub(super) const RTA_PRIORITY: u16 = 6;
pub(super) const RTA_PREFSRC: u16 = 7;
pub(super) const RTA_CACHEINFO: u16 = 12;
pub(super) const RTA_TABLE: u16 = 15;
pub(super) const RTA_PREF: u16 = 20;
pub(super) const RTA_METRICS: u16 = 8;
pub(super) const RTNH_F_ONLINK: u32 = 4;
pub(super) const IFA_F_NODAD: u32 = 2;
pub(super) const IFA_F_NOPREFIXROUTE: u32 = 0x200;
const RTNH_F_LINKDOWN: u32 = 16;
/// IP6_RT_PRIO_ADDRCONF.
pub(super) const METRIC_KERNEL: u32 = 256;

/// What a dump goes through.
#[derive(Clone, Debug)]
pub(super) enum Listing {
    Links,
    Addresses,
    Routes,
    Neighbours,
    Rules,
    /// RTM_GETNETCONF.
    Settings,
    /// RTM_GETADDRLABEL.
    Labels,
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
                    main.chain(self.table_local(v4))
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
            Listing::Settings => Box::new(self.settings(dump.family).into_iter()),
            Listing::Labels => Box::new(labels(dump.family).into_iter()),
            // The sockets are not the lower half's.
            Listing::Nothing | Listing::Sockets(_) => Box::new(std::iter::empty()),
        }
    }

    /// The table `local`, by addresses; the older first.
    fn table_local(&self, v4: bool) -> impl Iterator<Item = Draft> + use<> {
        let mut rows: Vec<_> =
            self.interfaces().iter().flat_map(|interface| own_routes(interface, v4)).collect();
        rows.sort_by_key(|(key, _)| *key);
        rows.into_iter().map(|(_, message)| message)
    }

    pub(super) fn route_message(&self, route: &Route) -> Draft {
        let v4 = route.network.address().is_ipv4();
        let up = self.interface(route.interface).is_some_and(|interface| interface.up);
        let onlink = if route.onlink { RTNH_F_ONLINK } else { 0 };
        let head = RouteHead {
            network: route.network,
            table: RT_TABLE_MAIN,
            protocol: route.protocol,
            scope: route.scope,
            kind: kind_number(route.kind),
            flags: onlink | if up { 0 } else { RTNH_F_LINKDOWN },
        };
        let mut message = with_metrics(head.message(), &route.metrics);
        if !v4 || route.metric != 0 {
            message = message.number(RTA_PRIORITY, route.metric);
        }
        let message = message.some_address(RTA_PREFSRC, route.source).some_address(RTA_GATEWAY, route.via);
        // fib_create_info: what is no way has no device.
        let device = !v4 || route.kind == RouteKind::Unicast;
        let message = if device { message.number(RTA_OIF, route.interface.0) } else { message };
        if v4 {
            return message;
        }
        v6_end(message, route.until.map(|until| ticks(until, self.now)), route.preference)
    }
}

/// RTN_*.
pub(super) fn kind_number(kind: RouteKind) -> u8 {
    match kind {
        RouteKind::Unicast => RTN_UNICAST,
        RouteKind::Blackhole => 6,
        RouteKind::Unreachable => 7,
        RouteKind::Prohibit => 8,
        RouteKind::Throw => 9,
    }
}

/// RTAX_*, where there are any.
pub(super) fn with_metrics(message: Draft, metrics: &[(u16, u32)]) -> Draft {
    if metrics.is_empty() {
        return message;
    }
    message.nested(RTA_METRICS, |inner| {
        metrics.iter().fold(inner, |inner, (kind, value)| inner.number(*kind, *value))
    })
}

/// What every IPv6 route ends with.
pub(super) fn v6_end(message: Draft, expires: Option<u32>, preference: u8) -> Draft {
    // struct rta_cacheinfo: references, last use, expires, error, used, id, ts, tsage.
    let cache = words(&[0, 0, expires.unwrap_or(0), 0, 0, 0, 0, 0]);
    message.with(RTA_CACHEINFO, &cache).with(RTA_PREF, &[preference])
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
fn own_routes(interface: &Interface, v4: bool) -> Vec<((IpAddr, Instant), Draft)> {
    let lo = interface.index == IfIndex::LO;
    let row = |network: Option<Cidr>, kind: u8, scope: u8, source: IpAddr, since: Instant| {
        let head = RouteHead {
            network: network?,
            table: RT_TABLE_LOCAL,
            protocol: RTPROT_KERNEL,
            scope,
            kind,
            flags: 0,
        };
        let message = head.message().address(RTA_PREFSRC, source).number(RTA_OIF, interface.index.0);
        Some(((head.network.address(), since), message))
    };
    let mut rows: Vec<Option<((IpAddr, Instant), Draft)>> = Vec::new();
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
                    own.created,
                ));
            }
            // fib_add_ifaddr: a secondary address has the primary's network already, and its source.
            let primary = interface.primary_of(own).map(Address::ip);
            rows.push(row(whole, RTN_LOCAL, RT_SCOPE_HOST, primary.unwrap_or(ip), own.created));
            // fib_disable_ip: set down, it has no network.
            if !interface.enabled {
                continue;
            }
            let of_network = own.network().broadcast().filter(|_| own.peer.is_none() && primary.is_none());
            let given = own.broadcast.filter(|given| Some(*given) != of_network && !given.is_broadcast());
            for broadcast in given.into_iter().chain(of_network) {
                let broadcast = Cidr::new(broadcast.into(), 32).ok();
                let source = primary.unwrap_or(ip);
                let row = row(broadcast, RTN_BROADCAST, RT_SCOPE_LINK, source, own.created);
                if !rows.iter().flatten().any(|there| row.as_ref().is_some_and(|row| row.1.is(&there.1))) {
                    rows.push(row);
                }
            }
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
            ((ip, own.created), v6_end(message.number(RTA_OIF, interface.index.0), None, 0))
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
            ((network.address(), Instant::ZERO), v6_end(message.number(RTA_OIF, interface.index.0), None, 0))
        });
        rows.push(groups);
    }
    rows.into_iter().flatten().collect()
}

/// An interface, as RTM_NEWLINK.
pub(super) fn link(interface: &Interface) -> Draft {
    let lo = interface.index == IfIndex::LO;
    // struct ifinfomsg: family, pad, type (16 bits), index, flags, change.
    let mut head = vec![0, 0];
    head.extend(interface.hardware().to_ne_bytes());
    head.extend(words(&[interface.index.0, interface.flags(), 0]));
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
        .number(13, interface.queue_len) // IFLA_TXQLEN
        .with(16, &[state]) // IFLA_OPERSTATE
        .with(17, &[0]) // IFLA_LINKMODE
        .number(4, u32::try_from(interface.mtu).unwrap_or(u32::MAX)) // IFLA_MTU
        .number(50, least) // IFLA_MIN_MTU
        .number(51, most) // IFLA_MAX_MTU
        .number(27, interface.group) // IFLA_GROUP
        .number(30, interface.promiscuity()) // IFLA_PROMISCUITY
        .number(61, (interface.flags() & IFF_ALLMULTI != 0).into()) // IFLA_ALLMULTI
        .number(31, 1) // IFLA_NUM_TX_QUEUES
        .number(32, 1) // IFLA_NUM_RX_QUEUES
        .with(33, &[interface.up.into()]) // IFLA_CARRIER
        .string(6, "noqueue") // IFLA_QDISC
        .with(14, &[0; 32]); // IFLA_MAP
    // "if (dev->addr_len)"
    // vcan_link_ops: there are no bit times to tell or to set, those of a bus are the bus's own.
    const IFLA_LINKINFO: u16 = 18;
    const IFLA_INFO_KIND: u16 = 1;
    let draft = match can {
        true => draft.nested(IFLA_LINKINFO, |info| info.string(IFLA_INFO_KIND, "vcan")),
        false => draft.with(1, &interface.mac.0).with(2, &broadcast.0), // IFLA_ADDRESS, IFLA_BROADCAST
    };
    let draft = match interface.alias.as_str() {
        "" => draft,
        alias => draft.string(20, alias), // IFLA_IFALIAS
    };
    draft
        .with(23, &wide) // IFLA_STATS64
        .with(7, &narrow) // IFLA_STATS
}

/// An address, as RTM_NEWADDR.
fn address(interface: &Interface, own: &Address, now: Instant) -> Draft {
    const IFA_F_SECONDARY: u32 = 1;
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
    let flag = |is: bool, flag: u32| if is { flag } else { 0 };
    let flags = state
        | flag(own.valid_until.is_none(), IFA_F_PERMANENT)
        | flag(interface.primary_of(own).is_some(), IFA_F_SECONDARY)
        | flag(own.no_prefix_route, IFA_F_NOPREFIXROUTE)
        | flag(own.no_detection, IFA_F_NODAD);
    let mut head = vec![family(ip) as u8, own.cidr.prefix(), flags as u8, own.scope];
    head.extend(interface.index.0.to_ne_bytes());
    let left = |until: Option<Instant>| until.map_or(u32::MAX, |until| ticks(until, now) / 100);
    // struct ifa_cacheinfo: preferred, valid (seconds), created, updated (ticks).
    let since_start = |at: Instant| ticks(at, Instant::ZERO);
    let cache = words(&[
        left(own.preferred_until),
        left(own.valid_until),
        since_start(own.created),
        since_start(own.updated),
    ]);
    let mut message = Draft::new(RTM_NEWADDR, &head).address(1, own.peer.unwrap_or(ip)); // IFA_ADDRESS
    if ip.is_ipv4() || own.peer.is_some() {
        message = message.address(2, ip); // IFA_LOCAL
    }
    if ip.is_ipv4() {
        message = message.some_address(4, own.broadcast.map(IpAddr::from)); // IFA_BROADCAST
        message = message.string(3, own.label.as_deref().unwrap_or(&interface.name)); // IFA_LABEL
    }
    if own.protocol != 0 {
        message = message.with(11, &[own.protocol]); // IFA_PROTO
    }
    if own.metric != 0 {
        message = message.number(9, own.metric); // IFA_RT_PRIORITY
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
        NeighbourState::Noarp => 0x40,
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
    let ages = entry.ages().map(|at| ticks(now, at));
    message.number(4, entry.probes().into()).with(3, &words(&[ages[0], ages[1], ages[2], 0])) // NDA_PROBES, NDA_CACHEINFO
}

/// 0.0.0.0/0 or ::/0 with so many bits of an address.
pub(super) fn network(address: Option<IpAddr>, prefix: u8, ipv4: bool) -> crate::base::Result<Cidr> {
    let any = if ipv4 { Ipv4Addr::UNSPECIFIED.into() } else { std::net::Ipv6Addr::UNSPECIFIED.into() };
    Cidr::new(address.unwrap_or(any), prefix)
}
