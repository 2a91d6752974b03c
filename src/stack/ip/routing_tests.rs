//! The way of a packet: routes, source addresses, forwarding, groups.

use std::net::IpAddr;
use std::time::Duration;

use crate::base::constants::IPPROTO_UDP;
use crate::base::{Errno, IfIndex, Reason};
use crate::stack::Config;
use crate::stack::ip::Filter;
use crate::stack::lan::{Lan, WIRE, cidr, ip};
use crate::stack::link::{Address, AddressOrigin, AddressState};
use crate::stack::net::{Cast, Hints, Inbound};

const SECOND: IfIndex = IfIndex(3);

fn path(lan: &Lan, to: &str) -> Result<(IfIndex, IpAddr, IpAddr), Errno> {
    let path = lan.hosts[0].path(ip(to), Hints::default()).map_err(|e| e.errno())?;
    Ok((path.interface, path.next_hop, path.source))
}

/// A host with two wires and a route or two.
fn crossroads() -> Lan {
    let mut lan = Lan::empty();
    let host = lan.host(Config::default());
    lan.attach(host, 0, &["192.0.2.1/24", "2001:db8::1/64"]);
    lan.attach(host, 1, &["198.51.100.1/24", "2001:db8:1::1/64"]);
    lan.run(Duration::from_secs(3));
    let net = &mut lan.hosts[0];
    net.add_route(cidr("0.0.0.0/0"), Some(ip("192.0.2.254")), None).unwrap();
    net.add_route(cidr("203.0.113.0/24"), Some(ip("198.51.100.254")), None).unwrap();
    net.add_route(cidr("203.0.113.128/25"), None, Some(WIRE)).unwrap();
    net.add_route(cidr("::/0"), Some(ip("fe80::1")), Some(SECOND)).unwrap();
    lan
}

#[test]
fn the_longest_prefix_wins() {
    let lan = crossroads();
    let (one, two) = (ip("192.0.2.1"), ip("198.51.100.1"));
    let table = [
        ("192.0.2.7", WIRE, "192.0.2.7", one),
        ("198.51.100.7", SECOND, "198.51.100.7", two),
        ("8.8.8.8", WIRE, "192.0.2.254", one),
        ("203.0.113.1", SECOND, "198.51.100.254", two),
        ("203.0.113.200", WIRE, "203.0.113.200", one),
        ("192.0.2.1", IfIndex::LO, "192.0.2.1", one),
        ("127.9.9.9", IfIndex::LO, "127.9.9.9", ip("127.0.0.1")),
        ("0.0.0.0", IfIndex::LO, "127.0.0.1", ip("127.0.0.1")),
        ("192.0.2.255", WIRE, "192.0.2.255", one),
        ("198.51.100.255", SECOND, "198.51.100.255", two),
        ("255.255.255.255", WIRE, "255.255.255.255", one),
        ("239.1.1.1", WIRE, "239.1.1.1", one),
        ("2001:db8:1::7", SECOND, "2001:db8:1::7", ip("2001:db8:1::1")),
        ("2001:db8:9::7", SECOND, "fe80::1", ip("2001:db8:1::1")),
        ("::1", IfIndex::LO, "::1", ip("::1")),
        ("::", IfIndex::LO, "::1", ip("::1")),
    ];
    for (to, interface, next_hop, source) in table {
        assert_eq!(path(&lan, to), Ok((interface, ip(next_hop), source)), "{to}");
    }
    assert_eq!(path(&lan, "fe80::7"), Err(Errno::EINVAL), "on which of the two wires?");
}

#[test]
fn hints_are_kept() {
    let mut lan = crossroads();
    let net = &lan.hosts[0];
    let on = |interface| Hints { interface: Some(interface), ..Hints::default() };
    let from = |source| Hints { source: Some(ip(source)), ..Hints::default() };
    assert_eq!(net.path(ip("fe80::7"), on(SECOND)).unwrap().interface, SECOND);
    assert_eq!(net.path(ip("239.1.1.1"), on(SECOND)).unwrap().source, ip("198.51.100.1"));
    assert_eq!(net.path(ip("239.1.1.1"), from("198.51.100.1")).unwrap().interface, SECOND);
    // Linux takes a destination without a route for on-link, if the interface is named.
    assert_eq!(net.path(ip("8.8.8.8"), on(SECOND)).unwrap().next_hop, ip("8.8.8.8"));
    assert_eq!(net.path(ip("2001:db8:9::7"), on(WIRE)).unwrap_err().errno(), Errno::ENETUNREACH);
    assert_eq!(net.path(ip("192.0.2.7"), from("198.51.100.1")).unwrap().source, ip("198.51.100.1"));
    assert_eq!(net.path(ip("192.0.2.7"), from("192.0.2.99")).unwrap_err().errno(), Errno::ENETUNREACH);
    assert_eq!(net.path(ip("192.0.2.7"), on(IfIndex(9))).unwrap_err().errno(), Errno::ENODEV);
    // SO_DONTROUTE: over no gateway.
    let direct = Hints { direct: true, ..Hints::default() };
    assert_eq!(net.path(ip("203.0.113.1"), direct).unwrap_err().errno(), Errno::ENETUNREACH);
    assert_eq!(net.path(ip("192.0.2.7"), direct).unwrap().interface, WIRE);
    // A link that is down: its routes are not used.
    lan.hosts[0].set_link(SECOND, false);
    assert_eq!(path(&lan, "203.0.113.1").unwrap().1, ip("192.0.2.254"));
    assert_eq!(path(&lan, "2001:db8:1::7"), Err(Errno::ENETUNREACH));
    assert_eq!(lan.hosts[0].path(ip("8.8.8.8"), on(SECOND)).unwrap_err().reason(), Reason::LinkDown);
}

#[test]
fn routes_are_added_once_and_removed() {
    let mut lan = crossroads();
    let net = &mut lan.hosts[0];
    let mut add = |network, via: Option<&str>, interface| {
        net.add_route(cidr(network), via.map(ip), interface).map_err(|e| e.errno())
    };
    assert_eq!(add("0.0.0.0/0", Some("192.0.2.254"), None), Err(Errno::EEXIST));
    assert_eq!(add("10.0.0.0/8", Some("203.0.114.1"), None), Err(Errno::ENETUNREACH));
    assert_eq!(add("10.0.0.0/8", None, None), Err(Errno::EINVAL));
    assert_eq!(add("10.0.0.0/8", Some("2001:db8::9"), None), Err(Errno::EINVAL));
    assert_eq!(add("10.0.0.0/8", Some("192.0.2.1"), None), Err(Errno::EINVAL));
    assert_eq!(add("2001:db8:7::/48", Some("fe80::2"), None), Err(Errno::EINVAL));
    assert_eq!(add("10.0.0.0/8", None, Some(IfIndex(9))), Err(Errno::ENODEV));
    net.remove_route(cidr("0.0.0.0/0"), None).unwrap();
    assert_eq!(net.remove_route(cidr("0.0.0.0/0"), None).unwrap_err().errno(), Errno::ESRCH);
    assert_eq!(net.path(ip("8.8.8.8"), Hints::default()).unwrap_err().errno(), Errno::ENETUNREACH);
    net.remove_address(WIRE, ip("192.0.2.1")).unwrap();
    assert_eq!(net.path(ip("192.0.2.7"), Hints::default()).unwrap_err().errno(), Errno::ENETUNREACH);
}

#[test]
fn a_dead_gateway_gives_way_to_the_next() {
    let mut lan = Lan::new(&[&["192.0.2.1/24"], &["192.0.2.2/24"]]);
    lan.hosts[0].add_route(cidr("0.0.0.0/0"), Some(ip("192.0.2.9")), None).unwrap();
    lan.hosts[0].add_route(cidr("0.0.0.0/0"), Some(ip("192.0.2.2")), None).unwrap();
    assert_eq!(path(&lan, "203.0.113.1").unwrap().1, ip("192.0.2.9"));
    lan.send(0, "203.0.113.1", &[0; 8]).unwrap();
    lan.run(Duration::from_secs(4));
    assert_eq!(path(&lan, "203.0.113.1").unwrap().1, ip("192.0.2.2"));
}

/// The examples of RFC 6724 10.1, as far as one interface has them.
#[test]
fn sources_follow_rfc_6724() {
    let table: [(&str, &[&str], &str); 9] = [
        // Prefer appropriate scope.
        ("2001:db8:1::1", &["2001:db8:3::1/64", "fe80::1/64"], "2001:db8:3::1"),
        ("ff05::1", &["2001:db8:3::1/64", "fe80::1/64"], "2001:db8:3::1"),
        ("fe80::9", &["2001:db8:3::1/64", "fe80::1/64"], "fe80::1"),
        // Prefer same address is local: the loopback. Longest matching prefix.
        ("2001:db8:1::1", &["2001:db8:1::2/64", "2001:db8:3::2/64"], "2001:db8:1::2"),
        ("2001:db8:3::9", &["2001:db8:1::2/64", "2001:db8:3::2/64"], "2001:db8:3::2"),
        // Prefer matching label.
        (
            "2002:c633:6401::1",
            &["2002:c633:6401::d5e3:7953:13eb:22e8/64", "2001:db8:1::2/64"],
            "2002:c633:6401::d5e3:7953:13eb:22e8",
        ),
        ("fd00:1::9", &["2001:db8:1::2/64", "fd00:2::2/64"], "fd00:2::2"),
        ("2001:db8:9::9", &["fd00:2::2/64", "2001:db8:1::2/64"], "2001:db8:1::2"),
        // The newest of equals: ipv6_link_dev_addr puts it in front.
        ("2001:db8:1::9", &["2001:db8:1::a/64", "2001:db8:1::b/64"], "2001:db8:1::b"),
    ];
    for (to, own, source) in table {
        let mut lan = Lan::empty();
        let host = lan.host(Config { dad_transmits: 0, ..Config::default() });
        lan.attach(host, 0, own);
        let net = &mut lan.hosts[0];
        net.add_route(cidr("::/0"), Some(ip("fe80::ff")), Some(WIRE)).unwrap();
        // The link-local address that the MAC gives is not part of the example.
        let made = super::super::lan::mac(0, WIRE).link_local().into();
        net.remove_address(WIRE, made).unwrap();
        assert_eq!(path(&lan, to).unwrap().2, ip(source), "{to} from {own:?}");
    }
}

#[test]
fn deprecated_and_tentative_sources_are_avoided() {
    let mut lan = Lan::empty();
    let host = lan.host(Config { dad_transmits: 0, ..Config::default() });
    lan.attach(host, 0, &["2001:db8::1/64", "2001:db8::2/64"]);
    for (state, source) in
        [(AddressState::Deprecated, "2001:db8::2"), (AddressState::Tentative, "2001:db8::2")]
    {
        lan.hosts[0].interface_mut(WIRE).unwrap().address_mut(ip("2001:db8::1")).unwrap().state = state;
        assert_eq!(path(&lan, "2001:db8::9").unwrap().2, ip(source));
    }
    lan.hosts[0].interface_mut(WIRE).unwrap().addresses.clear();
    lan.hosts[0].add_route(cidr("::/0"), None, Some(WIRE)).unwrap();
    assert_eq!(path(&lan, "2001:db8:9::9"), Err(Errno::EADDRNOTAVAIL));
    let deprecated = Address {
        state: AddressState::Deprecated,
        ..Address::new(cidr("2001:db8::3/64"), AddressOrigin::Static)
    };
    lan.hosts[0].interface_mut(WIRE).unwrap().addresses.push(deprecated);
    assert_eq!(path(&lan, "2001:db8:9::9").unwrap().2, ip("2001:db8::3"), "better than none");
}

/// client (0) -- router (1) -- router (2) -- server (3), the last wire with a smaller MTU.
fn chain() -> Lan {
    let mut lan = Lan::empty();
    for host in 0..4 {
        lan.host(Config {
            forward: host == 1 || host == 2,
            forward6: host == 1 || host == 2,
            ..Config::default()
        });
    }
    lan.attach(0, 0, &["192.0.2.1/24", "2001:db8:1::1/64"]);
    lan.attach(1, 0, &["192.0.2.254/24", "2001:db8:1::ff/64"]);
    lan.attach(1, 1, &["198.51.100.1/24", "2001:db8:2::1/64"]);
    lan.attach(2, 1, &["198.51.100.2/24", "2001:db8:2::2/64"]);
    lan.attach_with(2, 2, &["203.0.113.254/24", "2001:db8:3::ff/64"], 1300);
    lan.attach_with(3, 2, &["203.0.113.1/24", "2001:db8:3::1/64"], 1300);
    let routes = [
        (0, "0.0.0.0/0", "192.0.2.254"),
        (0, "::/0", "2001:db8:1::ff"),
        (1, "203.0.113.0/24", "198.51.100.2"),
        (1, "2001:db8:3::/64", "2001:db8:2::2"),
        (2, "192.0.2.0/24", "198.51.100.1"),
        (2, "2001:db8:1::/64", "2001:db8:2::1"),
        (3, "0.0.0.0/0", "203.0.113.254"),
        (3, "::/0", "2001:db8:3::ff"),
    ];
    for (host, network, via) in routes {
        lan.hosts[host].add_route(cidr(network), Some(ip(via)), None).unwrap();
    }
    lan.run(Duration::from_secs(3));
    lan
}

#[test]
fn routers_forward_and_tell_what_they_cannot() {
    for (server, nobody, elsewhere) in
        [("203.0.113.1", "203.0.113.9", "198.18.0.1"), ("2001:db8:3::1", "2001:db8:3::9", "2001:db8:77::1")]
    {
        let mut lan = chain();
        lan.send(0, server, b"datagram").unwrap();
        lan.settle();
        let [Inbound::Datagram(datagram)] = &lan.inbound[3][..] else { panic!("{:?}", lan.inbound[3]) };
        assert_eq!((datagram.ttl, datagram.cast), (62, Cast::Unicast));
        for ttl in 1..3 {
            lan.send_as(0, server, &[0; 8], IPPROTO_UDP, |head| head.ttl = ttl).unwrap();
            lan.settle();
            let offender = match lan.inbound[0].pop() {
                Some(Inbound::Error(error)) => (error.reason, error.offender.unwrap()),
                other => panic!("{other:?}"),
            };
            let router = &lan.hosts[usize::from(ttl)];
            assert_eq!(offender.0, Reason::IcmpTimeExceeded);
            assert!(router.is_local(offender.1), "hop {ttl} is {}", offender.1);
        }
        lan.send(0, elsewhere, &[0; 8]).unwrap();
        lan.settle();
        assert_eq!(lan.errors(0), [(Errno::ENETUNREACH, Reason::IcmpNetUnreachable, false)]);
        lan.send(0, nobody, &[0; 8]).unwrap();
        lan.run(Duration::from_secs(4));
        assert_eq!(lan.errors(0), [(Errno::EHOSTUNREACH, Reason::IcmpHostUnreachable, false)]);
    }
}

#[test]
fn the_path_mtu_is_found() {
    for (server, size) in [("203.0.113.1", 1400), ("2001:db8:3::1", 1400)] {
        let mut lan = chain();
        let send = |lan: &mut Lan| {
            let result =
                lan.send_as(0, server, &vec![7; size], IPPROTO_UDP, |head| head.dont_fragment = true);
            lan.settle();
            result.map_err(|e| e.errno())
        };
        assert_eq!(send(&mut lan), Ok(()));
        assert_eq!(lan.errors(0), [(Errno::EMSGSIZE, Reason::IcmpFragmentationNeeded, false)]);
        assert_eq!(lan.hosts[0].path(ip(server), Hints::default()).unwrap().mtu, 1300);
        assert_eq!(send(&mut lan), Err(Errno::EMSGSIZE));
        lan.inbound[3].clear();
        // Without DF it is cut to the path's size at once.
        lan.send(0, server, &vec![7; size]).unwrap();
        lan.settle();
        assert_eq!(lan.received(3), [vec![7; size]]);
    }
    // A router cuts IPv4 itself, also what is a fragment already.
    let mut lan = chain();
    lan.send(0, "203.0.113.1", &vec![9; 5000]).unwrap();
    lan.settle();
    assert_eq!(lan.received(3), [vec![9; 5000]]);
}

#[test]
fn a_host_does_not_forward() {
    let mut lan = chain();
    (lan.hosts[1].config.forward, lan.hosts[1].config.forward6) = (false, false);
    lan.send(0, "203.0.113.1", &[0; 8]).unwrap();
    lan.settle();
    assert!(lan.inbound[3].is_empty() && lan.inbound[0].is_empty());
    assert_eq!(lan.count(1, Reason::IpNotForUs), 1);
}

#[test]
fn multicast_reaches_members_and_the_sender_if_it_wants() {
    for group in ["239.1.2.3", "ff0e::123"] {
        let mut lan = Lan::new(&[
            &["192.0.2.1/24", "2001:db8::1/64"],
            &["192.0.2.2/24", "2001:db8::2/64"],
            &["192.0.2.3/24", "2001:db8::3/64"],
        ]);
        for host in 0..2 {
            assert_eq!(lan.hosts[host].join(ip(group), Some(WIRE)).unwrap(), WIRE);
        }
        lan.hosts[1].join(ip(group), None).unwrap();
        lan.send(0, group, &[1; 8]).unwrap();
        lan.send_as(0, group, &[2; 8], IPPROTO_UDP, |head| head.loop_multicast = false).unwrap();
        lan.settle();
        let got: Vec<_> = (0..3).map(|host| lan.received(host)).collect();
        assert_eq!(got, [vec![vec![1; 8]], vec![vec![1; 8], vec![2; 8]], vec![]], "{group}");
        // It leaves when its last socket has left.
        for expected in [1, 0] {
            lan.hosts[1].leave(ip(group), Some(WIRE)).unwrap();
            lan.send(0, group, &[3; 8]).unwrap();
            lan.settle();
            assert_eq!(lan.received(1).len(), expected);
        }
        assert_eq!(lan.hosts[1].leave(ip(group), Some(WIRE)).unwrap_err().errno(), Errno::EADDRNOTAVAIL);
    }
    let mut lan = Lan::empty();
    lan.host(Config::default());
    assert_eq!(lan.hosts[0].join(ip("192.0.2.1"), None).unwrap_err().errno(), Errno::EINVAL);
    assert_eq!(lan.hosts[0].join(ip("239.1.1.1"), None).unwrap_err().errno(), Errno::ENODEV);
}

/// The messages of IGMP or MLD that host 0 sent since the last call: type (of MLD: of the record).
fn reports(lan: &mut Lan) -> Vec<u8> {
    let kinds = lan.seen.iter().filter_map(|(host, _, frame)| match frame.get(12..14)? {
        _ if *host != 0 => None,
        [8, 0] if frame[23] == 2 => Some(frame[38]),
        [0x86, 0xdd] if frame[20] == 0 && frame[62] == 143 => Some(frame[70]),
        _ => None,
    });
    let kinds = kinds.collect();
    lan.seen.clear();
    kinds
}

#[test]
fn joins_and_leaves_are_reported_and_queries_answered() {
    let mut lan = Lan::new(&[&["192.0.2.1/24"], &["192.0.2.2/24"]]);
    lan.hosts[0].join(ip("239.1.2.3"), Some(WIRE)).unwrap();
    lan.run(Duration::from_secs(11));
    assert_eq!(reports(&mut lan), [0x16, 0x16], "said twice");
    // A query to all: one report within its time.
    let query = [0x11, 100, 0xee, 0x9b, 0, 0, 0, 0];
    lan.send_as(1, "224.0.0.1", &query, 2, |head| head.ttl = 1).unwrap();
    lan.run(Duration::from_secs(11));
    assert_eq!(reports(&mut lan), [0x16]);
    // Another member is quicker: nothing more to say, neither when we leave.
    lan.send_as(1, "224.0.0.1", &query, 2, |head| head.ttl = 1).unwrap();
    lan.settle();
    let report = [0x16, 0, 0xf8, 0xfa, 239, 1, 2, 3];
    lan.send_as(1, "239.1.2.3", &report, 2, |head| head.ttl = 1).unwrap();
    lan.run(Duration::from_secs(11));
    assert_eq!(reports(&mut lan), [0; 0]);
    lan.hosts[0].leave(ip("239.1.2.3"), Some(WIRE)).unwrap();
    lan.hosts[0].join(ip("239.1.2.4"), Some(WIRE)).unwrap();
    lan.hosts[0].leave(ip("239.1.2.4"), Some(WIRE)).unwrap();
    lan.run(Duration::from_secs(11));
    assert_eq!(reports(&mut lan), [0x16, 0x17]);
    // MLD.
    lan.hosts[0].join(ip("ff0e::123"), Some(WIRE)).unwrap();
    lan.run(Duration::from_secs(2));
    assert_eq!(reports(&mut lan), [4, 2]);
    lan.hosts[0].leave(ip("ff0e::123"), Some(WIRE)).unwrap();
    lan.settle();
    assert_eq!(reports(&mut lan), [3]);
}

#[test]
fn sources_are_told_by_igmpv3_and_mldv2() {
    let mut lan = Lan::new(&[&["192.0.2.1/24"], &["192.0.2.2/24"]]);
    let only = |source: &str| Filter { exclude: false, sources: [ip(source)].into() };
    for (group, source, told) in
        [("232.1.2.3", "192.0.2.9", [0x22, 0x22, 0x22]), ("ff3e::123", "2001:db8::9", [5, 4, 6])]
    {
        let net = &mut lan.hosts[0];
        net.join_filtered(ip(group), Some(WIRE), Filter::of_nobody()).unwrap();
        net.set_filter(WIRE, ip(group), &[only(source)]);
        // Somebody else wants everybody, and leaves again.
        net.join(ip(group), Some(WIRE)).unwrap();
        net.set_filter(WIRE, ip(group), &[only(source), Filter::of_everybody()]);
        net.leave(ip(group), Some(WIRE)).unwrap();
        net.set_filter(WIRE, ip(group), &[Filter::of_everybody()]);
        net.set_filter(WIRE, ip(group), &[Filter { exclude: true, sources: [ip(source)].into() }]);
        lan.settle();
        assert_eq!(reports(&mut lan), told, "{group}");
    }
}
