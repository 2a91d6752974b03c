//! ARP, NDP and autoconfiguration between hosts on a wire, in virtual time.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use super::ethernet::{ARP, IPV6};
use super::{AddressState, NeighbourState};
use crate::base::{Errno, Frame, IfIndex, Mac, Reason};
use crate::stack::lan::{Lan, WIRE, cidr, ip, mac};
use crate::stack::net::{Hints, Inbound};
use crate::stack::{Config, ip as ip_layer};

const V4: [&[&str]; 2] = [&["192.0.2.1/24"], &["192.0.2.2/24"]];
const V6: [&[&str]; 2] = [&["2001:db8::1/64"], &["2001:db8::2/64"]];

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn frames(lan: &Lan, ethertype: u16) -> Vec<&[u8]> {
    let is = |f: &&[u8]| f[12..14] == ethertype.to_be_bytes();
    lan.seen.iter().map(|(_, _, frame)| frame.as_slice()).filter(is).collect()
}

fn state(lan: &Lan, host: usize, address: &str) -> Option<NeighbourState> {
    let net = &lan.hosts[host];
    net.neighbours().find(|n| n.address == ip(address)).map(|n| n.state(net.now))
}

fn arp(operation: u8, sender_mac: Mac, sender: [u8; 4], target: [u8; 4]) -> Frame {
    let mut frame = vec![0xff; 6];
    frame.extend(sender_mac.0);
    frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, operation]);
    frame.extend(sender_mac.0);
    frame.extend(sender);
    frame.extend([0; 6]);
    frame.extend(target);
    Frame::copy_of(&frame)
}

#[test]
fn packets_wait_for_the_neighbour_and_leave_in_order() {
    for (hosts, to, ethertype) in [(V4, "192.0.2.2", ARP), (V6, "2001:db8::2", IPV6)] {
        let mut lan = Lan::new(&hosts);
        for n in 0..50 {
            lan.send(0, to, &[n; 8]).unwrap();
        }
        assert_eq!(state(&lan, 0, to), Some(NeighbourState::Incomplete));
        lan.settle();
        let expected: Vec<_> = (0..50).map(|n| vec![n; 8]).collect();
        assert_eq!(lan.received(1), expected);
        assert_eq!(state(&lan, 0, to), Some(NeighbourState::Reachable));
        if ethertype == ARP {
            assert_eq!(frames(&lan, ARP).len(), 2, "one question, one answer");
        }
    }
}

#[test]
fn a_silent_neighbour_is_unreachable_after_three_seconds() {
    for (hosts, to, from, origin) in
        [(V4, "192.0.2.9", "192.0.2.1", 2), (V6, "2001:db8::9", "2001:db8::1", 3)]
    {
        let mut lan = Lan::new(&hosts);
        lan.send(0, to, b"datagram one").unwrap();
        lan.send(0, to, b"datagram two").unwrap();
        lan.run(Duration::from_millis(2900));
        assert!(lan.inbound[0].is_empty());
        lan.run(Duration::from_millis(200));
        let [Inbound::Error(first), Inbound::Error(_)] = &lan.inbound[0][..] else {
            panic!("{:?}", lan.inbound[0])
        };
        assert_eq!((first.errno, first.hard, first.origin), (Errno::EHOSTUNREACH, false, origin));
        assert_eq!(first.offender, Some(ip(from)), "as Linux tells it to itself");
        assert_eq!(
            (first.protocol, first.destination, &first.quoted[..]),
            (17, ip(to), &b"datagram one"[..])
        );
        assert_eq!(lan.count(0, Reason::NeighbourFailed), 2);
        assert_eq!(state(&lan, 0, to), Some(NeighbourState::Failed));
        // The next packet asks again.
        lan.seen.clear();
        lan.send(0, to, &[0; 8]).unwrap();
        lan.settle();
        assert_eq!((lan.seen.len(), state(&lan, 0, to)), (1, Some(NeighbourState::Incomplete)));
    }
}

#[test]
fn too_many_waiting_packets_push_the_oldest_out() {
    let mut lan = Lan::new(&V4);
    for n in 0..103 {
        lan.send(0, "192.0.2.2", &[n; 8]).unwrap();
    }
    lan.settle();
    let received = lan.received(1);
    assert_eq!((received.len(), received[0][0]), (101, 2));
    assert_eq!(lan.count(0, Reason::NeighbourQueueFull), 2);
}

#[test]
fn an_old_entry_is_used_then_probed() {
    for (hosts, to) in [(V4, "192.0.2.2"), (V6, "2001:db8::2")] {
        let mut lan = Lan::new(&hosts);
        lan.send(0, to, &[0; 8]).unwrap();
        lan.run(secs(31));
        assert_eq!(state(&lan, 0, to), Some(NeighbourState::Stale));
        lan.seen.clear();
        lan.send(0, to, &[0; 8]).unwrap();
        lan.settle();
        assert_eq!((lan.seen.len(), state(&lan, 0, to)), (1, Some(NeighbourState::Delay)));
        lan.run(secs(5));
        assert_eq!(state(&lan, 0, to), Some(NeighbourState::Reachable));
        assert_eq!(lan.seen[1].2[..6], mac(1, WIRE).0, "the question goes to the station alone");
        // The station goes away.
        lan.run(secs(31));
        lan.wires[0].pop();
        lan.send(0, to, &[0; 8]).unwrap();
        lan.run(secs(9));
        assert_eq!(state(&lan, 0, to), Some(NeighbourState::Failed));
    }
}

#[test]
fn arp_learns_from_those_who_ask_us_and_believes_announcements_of_the_known() {
    let mut lan = Lan::new(&V4);
    let (old, new) = (Mac([2, 0, 0, 0, 9, 1]), Mac([2, 0, 0, 0, 9, 2]));
    let net = &mut lan.hosts[0];
    net.frame_in(WIRE, arp(1, old, [192, 0, 2, 7], [192, 0, 2, 7]));
    net.frame_in(WIRE, arp(1, old, [192, 0, 2, 7], [192, 0, 2, 2]));
    assert_eq!(state(&lan, 0, "192.0.2.7"), None);
    lan.hosts[0].frame_in(WIRE, arp(1, old, [192, 0, 2, 7], [192, 0, 2, 1]));
    assert_eq!(state(&lan, 0, "192.0.2.7"), Some(NeighbourState::Stale));
    lan.hosts[0].frame_in(WIRE, arp(1, new, [192, 0, 2, 7], [192, 0, 2, 7]));
    assert_eq!(lan.hosts[0].neighbours().next().unwrap().mac, new);
    // A group's MAC is nobody's; neither is a MAC for our own address.
    lan.hosts[0].frame_in(WIRE, arp(1, Mac::BROADCAST, [192, 0, 2, 7], [192, 0, 2, 1]));
    lan.hosts[0].frame_in(WIRE, arp(1, new, [192, 0, 2, 1], [192, 0, 2, 1]));
    assert_eq!((lan.count(0, Reason::ArpMalformed), lan.count(0, Reason::DuplicateAddress)), (1, 1));
    assert_eq!(lan.hosts[0].neighbours().count(), 1);
}

#[test]
fn a_new_address_is_announced() {
    let mut lan = Lan::new(&V4);
    lan.hosts[0].add_address(WIRE, cidr("192.0.2.3/24")).unwrap();
    lan.settle();
    let announcement = frames(&lan, ARP)[0];
    assert_eq!((&announcement[28..32], &announcement[38..42]), (&[192, 0, 2, 3][..], &[192, 0, 2, 3][..]));
    lan.seen.clear();
    lan.hosts[0].set_link(WIRE, false);
    lan.hosts[0].set_link(WIRE, true);
    lan.settle();
    assert_eq!(frames(&lan, ARP).len(), 2);
}

#[test]
fn static_entries_stay() {
    let mut lan = Lan::new(&V4);
    let fixed = Mac([2, 0, 0, 0, 9, 9]);
    lan.hosts[0].set_neighbour(WIRE, ip("192.0.2.2"), Some(fixed)).unwrap();
    lan.hosts[0].frame_in(WIRE, arp(1, mac(1, WIRE), [192, 0, 2, 2], [192, 0, 2, 1]));
    lan.hosts[0].set_link(WIRE, false);
    lan.hosts[0].set_link(WIRE, true);
    lan.settle();
    lan.seen.clear();
    lan.send(0, "192.0.2.2", &[0; 8]).unwrap();
    lan.settle();
    assert_eq!(lan.seen[0].2[..6], fixed.0);
    lan.hosts[0].set_neighbour(WIRE, ip("192.0.2.2"), None).unwrap();
    assert_eq!(state(&lan, 0, "192.0.2.2"), None);
}

#[test]
fn the_table_is_bounded() {
    let mut lan = Lan::new(&[&["2001:db8::1/64"]]);
    for n in 0..20_000u128 {
        let to = Ipv6Addr::from_bits(ip_bits("2001:db8::") + 0x1_0000 + n);
        // ENOBUFS once everybody in the table is being asked.
        let _ = lan.send(0, &to.to_string(), &[0; 8]);
        lan.hosts[0].frame_out();
    }
    assert_eq!(lan.hosts[0].neighbours().count(), 8192);
    assert!(lan.count(0, Reason::NeighbourTableFull) > 0);
    lan.run(secs(4));
    lan.send(0, "2001:db8::2", &[0; 8]).unwrap();
    assert!(lan.hosts[0].neighbours().count() < 8192, "the failed ones made room");
}

fn ip_bits(text: &str) -> u128 {
    text.parse::<Ipv6Addr>().unwrap().to_bits()
}

#[test]
fn a_link_that_is_down_carries_nothing() {
    let mut lan = Lan::new(&V4);
    lan.send(0, "192.0.2.9", &[0; 8]).unwrap();
    lan.hosts[0].set_link(WIRE, false);
    assert_eq!(lan.hosts[0].neighbours().count(), 0);
    let error = lan.hosts[0].path(ip("192.0.2.2"), Hints::default()).unwrap_err();
    assert_eq!((error.errno(), error.reason()), (Errno::ENETUNREACH, Reason::LinkDown));
    // Its own addresses answer still.
    lan.settle();
    lan.inbound[0].clear();
    lan.send(0, "192.0.2.1", &[7; 8]).unwrap();
    lan.settle();
    assert_eq!(lan.received(0), [[7; 8]]);
}

#[test]
fn frames_for_other_stations_are_dropped() {
    let mut lan = Lan::new(&V4);
    let before = lan.count(0, Reason::LinkOtherHost);
    let drops = lan.hosts[0].interface(WIRE).unwrap().counters.rx_drops;
    let mut frame = [0; 60];
    frame[..6].copy_from_slice(&mac(1, WIRE).0);
    lan.hosts[0].frame_in(WIRE, Frame::copy_of(&frame));
    frame[..6].copy_from_slice(&Mac::of_group(ip("239.1.2.3")).0);
    lan.hosts[0].frame_in(WIRE, Frame::copy_of(&frame));
    lan.hosts[0].frame_in(WIRE, Frame::copy_of(&frame[..9]));
    assert_eq!((lan.count(0, Reason::LinkOtherHost) - before, lan.count(0, Reason::LinkShort)), (2, 1));
    let link = lan.hosts[0].interface(WIRE).unwrap();
    assert_eq!(link.counters.rx_drops, drops + 1, "the short one");
}

fn address_state(lan: &Lan, host: usize, address: IpAddr) -> Option<AddressState> {
    let link = lan.hosts[host].interface(WIRE).unwrap();
    link.addresses.iter().find(|a| a.ip() == address).map(|a| a.state)
}

#[test]
fn an_address_is_verified_by_a_probe() {
    let mut lan = Lan::empty();
    let host = lan.host(Config::default());
    lan.attach(host, 0, &["2001:db8::1/64"]);
    let link_local = IpAddr::V6(mac(0, WIRE).link_local());
    lan.run(Duration::from_millis(900));
    // What a person gave is used meanwhile, what was made up is not.
    assert_eq!(address_state(&lan, 0, ip("2001:db8::1")), Some(AddressState::Optimistic));
    assert_eq!(address_state(&lan, 0, link_local), Some(AddressState::Tentative));
    assert!(lan.hosts[0].is_local(ip("2001:db8::1")) && !lan.hosts[0].is_local(link_local));
    lan.run(Duration::from_millis(200));
    for address in [ip("2001:db8::1"), link_local] {
        assert_eq!(address_state(&lan, 0, address), Some(AddressState::Preferred));
        assert!(lan.hosts[0].is_local(address));
    }
}

#[test]
fn a_duplicate_address_is_not_used() {
    // The other one has it; both begin at the same time.
    let mut lan = Lan::new(&[&["2001:db8::1/64"]]);
    let second = lan.host(Config::default());
    lan.attach(second, 0, &["2001:db8::1/64"]);
    lan.run(secs(2));
    assert_eq!(address_state(&lan, 0, ip("2001:db8::1")), Some(AddressState::Preferred));
    assert_eq!(address_state(&lan, 1, ip("2001:db8::1")), Some(AddressState::DadFailed));
    assert_eq!(lan.count(1, Reason::DuplicateAddress), 1);
    let lan = Lan::new(&[&["2001:db8::1/64"], &["2001:db8::1/64"]]);
    for host in 0..2 {
        assert_eq!(address_state(&lan, host, ip("2001:db8::1")), Some(AddressState::DadFailed));
    }
}

#[test]
fn without_probes_an_address_is_usable_at_once() {
    let mut lan = Lan::empty();
    let host = lan.host(Config { dad_transmits: 0, ..Config::default() });
    lan.attach(host, 0, &["2001:db8::1/64"]);
    assert!(lan.hosts[0].is_local(ip("2001:db8::1")));
}

/// A frame with a router advertisement: router lifetime, and a prefix with its lifetimes.
fn advertisement(hop_limit: u8, lifetime: u16, valid: u32, preferred: u32) -> Frame {
    let router = Mac([2, 0, 0, 0, 0, 0xee]);
    let mut message = vec![134, 0, 0, 0, 64, 0];
    message.extend(lifetime.to_be_bytes());
    message.extend([0; 8]);
    message.extend([1, 1]);
    message.extend(router.0);
    message.extend([5, 1, 0, 0, 0, 0, 0x05, 0x14]);
    message.extend([3, 4, 64, 0xc0]);
    message.extend(valid.to_be_bytes());
    message.extend(preferred.to_be_bytes());
    message.extend([0; 4]);
    message.extend("2001:db8:1::".parse::<Ipv6Addr>().unwrap().octets());
    let all = "ff02::1".parse().unwrap();
    let sum = ip_layer::icmpv6_checksum(router.link_local(), all, &message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    let mut frame = Frame::copy_of(&message);
    ip_layer::Header::write_v6(frame.push(40), router.link_local(), all, 58, hop_limit, 0, message.len());
    frame.push(14).copy_from_slice(&[0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0xee, 0x86, 0xdd]);
    frame
}

#[test]
fn a_router_gives_prefix_route_and_mtu() {
    let mut lan = Lan::new(&[&[]]);
    let net = &mut lan.hosts[0];
    net.frame_in(WIRE, advertisement(64, 1800, 7200, 3600));
    assert_eq!(net.log.count(Reason::NdpMalformed), 1, "it may have come through a router");
    net.frame_in(WIRE, advertisement(255, 1800, 7200, 3600));
    lan.run(secs(2));
    let own = IpAddr::V6("2001:db8:1::ff:fe00:201".parse().unwrap());
    assert_eq!(address_state(&lan, 0, own), Some(AddressState::Preferred));
    let path = lan.hosts[0].path(ip("2001:db8:77::1"), Hints::default()).unwrap();
    assert_eq!(path.next_hop, IpAddr::V6(Mac([2, 0, 0, 0, 0, 0xee]).link_local()));
    assert_eq!((path.source, path.link_mtu), (own, 1300));
    assert_eq!(
        lan.hosts[0].path(ip("2001:db8:1::9"), Hints::default()).unwrap().next_hop,
        ip("2001:db8:1::9")
    );
    lan.run(secs(1800));
    assert_eq!(
        lan.hosts[0].path(ip("2001:db8:77::1"), Hints::default()).unwrap_err().errno(),
        Errno::ENETUNREACH
    );
    lan.run(secs(1800));
    assert_eq!(address_state(&lan, 0, own), Some(AddressState::Deprecated));
    // RFC 4862 5.5.3 e: a short lifetime does not end it before two hours.
    lan.hosts[0].frame_in(WIRE, advertisement(255, 0, 10_000, 10));
    lan.hosts[0].frame_in(WIRE, advertisement(255, 0, 10, 10));
    lan.run(secs(7100));
    assert_eq!(address_state(&lan, 0, own), Some(AddressState::Deprecated));
    lan.run(secs(200));
    assert_eq!(address_state(&lan, 0, own), None);
    assert!(lan.inbound[0].iter().any(|i| matches!(i, Inbound::AddressGone(gone) if *gone == own)));
}

#[test]
fn routers_are_asked_three_times() {
    let mut lan = Lan::empty();
    let host = lan.host(Config::default());
    lan.attach(host, 0, &[]);
    lan.run(secs(60));
    let asks = lan.seen.iter().filter(|(_, _, f)| f.get(54) == Some(&133)).count();
    assert_eq!(asks, 3);
    assert_eq!(lan.hosts[0].deadline(), None);
}

#[test]
fn lo_has_its_addresses_and_no_neighbours() {
    let mut lan = Lan::new(&V4);
    let lo = lan.hosts[0].interface(IfIndex::LO).unwrap();
    assert_eq!((lo.name.as_str(), lo.mtu, lo.addresses.len()), ("lo", 65_536, 2));
    lan.hosts[0].frame_in(IfIndex::LO, arp(1, mac(1, WIRE), [192, 0, 2, 9], [192, 0, 2, 1]));
    assert_eq!(lan.hosts[0].neighbours().count(), 0);
}
