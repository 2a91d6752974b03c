//! Two hosts and more, wired together in virtual time.

use std::time::Duration;

use crate::base::constants::{IPPROTO_ICMP, IPPROTO_ICMPV6};
use crate::base::{Errno, Frame, Reason};
use crate::stack::lan::{Lan, WIRE, ip, mac};
use crate::stack::net::{Cast, Hints, Inbound};

/// Two hosts on a wire.
fn pair() -> Lan {
    Lan::new(&[&["192.0.2.1/24", "2001:db8::1/64"], &["192.0.2.2/24", "2001:db8::2/64"]])
}

fn sample(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n * 31 + n / 251) as u8).collect()
}

#[test]
fn a_datagram_of_any_size_arrives() {
    for to in ["192.0.2.2", "2001:db8::2"] {
        for length in [8, 1000, 1472, 1473, 9000, 65_507] {
            let mut lan = pair();
            lan.send(0, to, &sample(length)).unwrap();
            lan.settle();
            assert_eq!(lan.received(1), [sample(length)], "{length} bytes to {to}");
            assert_eq!(lan.hosts[1].unfinished(), (0, 0));
        }
    }
}

#[test]
fn the_loopback_is_a_port_like_any_other() {
    let mut lan = pair();
    for to in ["127.0.0.1", "127.1.2.3", "192.0.2.1", "::1", "2001:db8::1"] {
        lan.send(0, to, &sample(20_000)).unwrap();
        lan.settle();
        assert_eq!(lan.received(0), [sample(20_000)], "to {to}");
    }
    assert!(lan.seen.iter().all(|(_, interface, _)| *interface == crate::base::IfIndex::LO));
}

#[test]
fn echo_is_answered() {
    for (to, protocol, echo, reply) in
        [("192.0.2.2", IPPROTO_ICMP, 8, 0), ("2001:db8::2", IPPROTO_ICMPV6, 128, 129)]
    {
        for length in [8, 64, 65_507] {
            let mut lan = pair();
            let mut message = sample(length);
            message[..4].copy_from_slice(&[echo, 0, 0, 0]);
            let sum = match protocol {
                IPPROTO_ICMP => crate::wire::checksum(&message),
                _ => super::icmpv6_checksum(
                    "2001:db8::1".parse().unwrap(),
                    "2001:db8::2".parse().unwrap(),
                    &message,
                ),
            };
            message[2..4].copy_from_slice(&sum.to_be_bytes());
            lan.send_as(0, to, &message, protocol, |_| {}).unwrap();
            lan.run(Duration::from_millis(1));
            let answer = lan.received(0).pop().unwrap();
            assert_eq!((answer[0], &answer[4..]), (reply, &message[4..]), "{to} {length}");
            assert_eq!(lan.count(1, Reason::IcmpChecksum), 0);
        }
    }
}

/// An IPv4 fragment of a datagram from 192.0.2.2 to 192.0.2.1 in its frame.
fn fragment_v4(identification: u8, offset: usize, more: bool, data: &[u8]) -> Frame {
    let mut packet = vec![0x45, 0, 0, 0, 0, identification, 0, 0, 64, 17, 0, 0, 192, 0, 2, 2, 192, 0, 2, 1];
    packet[2..4].copy_from_slice(&(20 + data.len() as u16).to_be_bytes());
    packet[6..8].copy_from_slice(&((offset / 8) as u16 | if more { 0x2000 } else { 0 }).to_be_bytes());
    super::header::seal_v4(&mut packet);
    packet.extend(data);
    framed(&packet, 0x0800)
}

/// The same of IPv6, from 2001:db8::2 to 2001:db8::1.
fn fragment_v6(identification: u8, offset: usize, more: bool, data: &[u8]) -> Frame {
    let mut packet = vec![0; 40];
    let (from, to) = ("2001:db8::2".parse().unwrap(), "2001:db8::1".parse().unwrap());
    super::Header::write_v6(&mut packet, from, to, 44, 64, 0, 8 + data.len());
    packet.extend([17, 0]);
    packet.extend((offset as u16 | u16::from(more)).to_be_bytes());
    packet.extend([0, 0, 0, identification]);
    packet.extend(data);
    framed(&packet, 0x86dd)
}

/// A packet in a frame to the first host's wire.
fn framed(packet: &[u8], ethertype: u16) -> Frame {
    let mut frame = mac(0, WIRE).0.to_vec();
    frame.extend(mac(1, WIRE).0);
    frame.extend(ethertype.to_be_bytes());
    frame.extend(packet);
    Frame::copy_of(&frame)
}

type MakeFragment = fn(u8, usize, bool, &[u8]) -> Frame;
const BOTH: [MakeFragment; 2] = [fragment_v4, fragment_v6];

#[test]
fn fragments_are_put_together_in_any_order() {
    for make in BOTH {
        let mut lan = pair();
        let data = sample(100);
        for (from, to, more) in
            [(64, 100, false), (0, 16, true), (16, 24, true), (0, 16, true), (24, 64, true)]
        {
            lan.hosts[0].frame_in(WIRE, make(1, from, more, &data[from..to]));
        }
        lan.settle();
        assert_eq!(lan.received(0), [data]);
    }
}

#[test]
fn overlapping_fragments_are_refused_with_their_whole_datagram() {
    for make in BOTH {
        let mut lan = pair();
        let data = sample(64);
        for (from, to, more) in [(0, 24, true), (16, 40, true), (24, 64, false), (16, 24, true)] {
            lan.hosts[0].frame_in(WIRE, make(1, from, more, &data[from..to]));
        }
        lan.settle();
        assert!(lan.received(0).is_empty());
        assert_eq!(lan.count(0, Reason::FragmentOverlap), 3);
        // What lies within what is there is passed over, whatever its bytes are.
        lan.hosts[0].frame_in(WIRE, make(2, 0, true, &data[..16]));
        lan.hosts[0].frame_in(WIRE, make(2, 8, true, &[2; 8]));
        lan.hosts[0].frame_in(WIRE, make(2, 16, false, &data[16..]));
        lan.settle();
        assert_eq!((lan.count(0, Reason::FragmentOverlap), lan.count(0, Reason::FragmentDuplicate)), (3, 1));
        assert_eq!(lan.received(0), [data]);
    }
}

#[test]
fn impossible_fragments_are_refused() {
    for make in BOTH {
        let mut lan = pair();
        lan.hosts[0].frame_in(WIRE, make(1, 0, true, &[]));
        lan.hosts[0].frame_in(WIRE, make(1, 65_528, false, &[0; 100]));
        assert_eq!((lan.count(0, Reason::FragmentMalformed), lan.count(0, Reason::FragmentTooBig)), (1, 1));
        // Beyond the end that the last fragment gave; two different ends.
        lan.hosts[0].frame_in(WIRE, make(2, 16, false, &[0; 8]));
        lan.hosts[0].frame_in(WIRE, make(2, 24, true, &[0; 8]));
        lan.hosts[0].frame_in(WIRE, make(3, 16, false, &[0; 8]));
        lan.hosts[0].frame_in(WIRE, make(3, 8, false, &[0; 8]));
        assert_eq!(lan.count(0, Reason::FragmentMalformed), 3);
    }
}

#[test]
fn an_unfinished_datagram_times_out_and_its_sender_is_told() {
    for (make, seconds, to) in
        [(fragment_v4 as MakeFragment, 30, "192.0.2.1"), (fragment_v6, 60, "2001:db8::1")]
    {
        let mut lan = pair();
        lan.hosts[0].frame_in(WIRE, make(1, 0, true, &sample(16)));
        lan.hosts[0].frame_in(WIRE, make(2, 16, true, &sample(16)));
        lan.run(Duration::from_secs(seconds - 1));
        assert_eq!(lan.hosts[0].unfinished().0, 2);
        lan.run(Duration::from_secs(2));
        assert_eq!((lan.hosts[0].unfinished(), lan.count(0, Reason::FragmentTimeout)), ((0, 0), 2));
        // Only the one whose first fragment came.
        let [Inbound::Error(error)] = &lan.inbound[1][..] else { panic!("{:?}", lan.inbound[1]) };
        assert_eq!((error.reason, error.code, &error.quoted), (Reason::IcmpTimeExceeded, 1, &sample(16)));
        assert_eq!(error.destination, ip(to));
    }
}

#[test]
fn unfinished_datagrams_are_bounded() {
    let mut lan = pair();
    for n in 0..=255 {
        lan.hosts[0].frame_in(WIRE, fragment_v6(n, 65_000, true, &[0; 8]));
    }
    let (count, bytes) = lan.hosts[0].unfinished();
    assert!(bytes <= 4 << 20 && count < 66, "{count} {bytes}");
    lan.hosts[0].frame_in(WIRE, fragment_v6(255, 65_008, false, &[0; 8]));
    assert_eq!(lan.hosts[0].unfinished().0, count, "the youngest is still there");
    // Many small fragments of one datagram stay cheap.
    for offset in (0..65_000).step_by(16) {
        lan.hosts[0].frame_in(WIRE, fragment_v6(255, offset, true, &[0; 8]));
    }
    for offset in (8..65_000).step_by(16) {
        lan.hosts[0].frame_in(WIRE, fragment_v6(255, offset, true, &[0; 8]));
    }
    lan.settle();
    assert_eq!(lan.received(0), [vec![0; 65_016]]);
}

#[test]
fn ttl_and_tos_and_cast_come_up() {
    let mut lan = pair();
    lan.send_as(0, "192.0.2.2", &[0; 8], 17, |head| (head.ttl, head.tos) = (7, 0x28)).unwrap();
    lan.send_as(0, "192.0.2.255", &[1; 8], 17, |_| {}).unwrap();
    lan.settle();
    let facts: Vec<_> = lan.inbound[1]
        .iter()
        .map(|i| match i {
            Inbound::Datagram(d) => (d.ttl, d.tos, d.cast, d.source, d.interface),
            other => panic!("{other:?}"),
        })
        .collect();
    let from = ip("192.0.2.1");
    assert_eq!(facts, [(64, 0, Cast::Broadcast, from, WIRE), (7, 0x28, Cast::Unicast, from, WIRE)]);
    assert_eq!(lan.received(0), [[1; 8]], "a broadcast comes back to its own host");
}

/// A datagram to a port where nobody is: the answer, as the second host's UDP would ask for it.
fn refuse(lan: &mut Lan, host: usize) {
    for inbound in std::mem::take(&mut lan.inbound[host]) {
        if let Inbound::Datagram(datagram) = inbound {
            match datagram.protocol {
                17 => lan.hosts[host].port_unreachable(&datagram),
                _ => lan.hosts[host].protocol_unreachable(&datagram),
            }
        }
    }
    lan.settle();
}

#[test]
fn refused_datagrams_become_errors() {
    for (to, refused, unknown) in [
        ("192.0.2.2", Errno::ECONNREFUSED, Errno::ENOPROTOOPT),
        ("2001:db8::2", Errno::ECONNREFUSED, Errno::EPROTO),
    ] {
        let mut lan = pair();
        lan.send_as(0, to, &sample(2000), 17, |_| {}).unwrap();
        lan.send_as(0, to, &sample(20), 200, |_| {}).unwrap();
        lan.settle();
        refuse(&mut lan, 1);
        let errors: Vec<_> = lan.inbound[0]
            .iter()
            .map(|i| match i {
                Inbound::Error(e) => (e.errno, e.hard, e.protocol, e.offender, e.destination),
                other => panic!("{other:?}"),
            })
            .collect();
        let peer = ip(to);
        assert_eq!(errors, [(refused, true, 17, Some(peer), peer), (unknown, true, 200, Some(peer), peer)]);
    }
}

#[test]
fn errors_are_limited_and_never_about_groups_or_errors() {
    let mut lan = pair();
    for _ in 0..20 {
        lan.send(0, "192.0.2.2", &[0; 8]).unwrap();
    }
    lan.settle();
    refuse(&mut lan, 1);
    assert_eq!((lan.errors(0).len(), lan.count(1, Reason::IcmpRateLimited)), (6, 14));
    lan.run(Duration::from_secs(2));
    for to in ["192.0.2.255", "224.0.0.1", "ff02::1"] {
        lan.send(0, to, &[0; 8]).unwrap();
    }
    lan.settle();
    lan.inbound[0].clear();
    refuse(&mut lan, 1);
    assert!(lan.inbound[0].is_empty());
    // An ICMP error about an ICMP error.
    lan.send_as(0, "192.0.2.2", &[3, 1, 0xfc, 0xfe, 0, 0, 0, 0], 1, |_| {}).unwrap();
    lan.settle();
    assert_eq!(lan.count(1, Reason::IcmpMalformed), 1, "it quotes nothing");
}

#[test]
fn quotes_have_their_size() {
    let mut lan = pair();
    for to in ["192.0.2.2", "2001:db8::2"] {
        lan.send(0, to, &sample(60_000)).unwrap();
    }
    lan.settle();
    lan.seen.clear();
    refuse(&mut lan, 1);
    let sizes: Vec<_> = lan.seen.iter().map(|(_, _, frame)| frame.len() - 14).collect();
    assert_eq!(sizes, [576, 1280]);
}

#[test]
fn icmp_errors_in_linux_numbers() {
    use Errno as E;
    let v4 = [
        (3, 0, E::ENETUNREACH, false),
        (3, 1, E::EHOSTUNREACH, false),
        (3, 2, E::ENOPROTOOPT, true),
        (3, 3, E::ECONNREFUSED, true),
        (3, 4, E::EMSGSIZE, false),
        (3, 5, E::EOPNOTSUPP, false),
        (3, 6, E::ENETUNREACH, true),
        (3, 7, E::EHOSTDOWN, true),
        (3, 9, E::ENETUNREACH, true),
        (3, 10, E::EHOSTUNREACH, true),
        (3, 11, E::ENETUNREACH, false),
        (3, 12, E::EHOSTUNREACH, false),
        (3, 13, E::EHOSTUNREACH, true),
        (11, 0, E::EHOSTUNREACH, false),
        (12, 0, E::EPROTO, true),
    ];
    let v6 = [
        (1, 0, E::ENETUNREACH, false),
        (1, 1, E::EACCES, true),
        (1, 3, E::EHOSTUNREACH, false),
        (1, 4, E::ECONNREFUSED, true),
        (1, 5, E::EACCES, true),
        (2, 0, E::EMSGSIZE, false),
        (3, 0, E::EHOSTUNREACH, false),
        (4, 1, E::EPROTO, true),
    ];
    let mut lan = pair();
    let (own, peer) = ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap());
    let mut report = |kind: u8, code: u8, quote: &[u8]| {
        let v6 = quote[0] >> 4 == 6;
        let mut message = vec![kind, code, 0, 0, 0, 0, 0, 0];
        message.extend(quote);
        let sum = match v6 {
            true => super::icmpv6_checksum(peer, own, &message),
            false => crate::wire::checksum(&message),
        };
        message[2..4].copy_from_slice(&sum.to_be_bytes());
        let (to, protocol) = if v6 { ("2001:db8::1", 58) } else { ("192.0.2.1", 1) };
        lan.send_as(1, to, &message, protocol, |_| {}).unwrap();
        lan.settle();
        let got: Vec<_> = lan.inbound[0]
            .drain(..)
            .filter_map(|i| match i {
                Inbound::Error(e) => Some((e.errno, e.hard, e.info)),
                _ => None,
            })
            .collect();
        got
    };
    // IP and eight bytes: all that RFC 792 asks for.
    let mut quote = vec![0x45, 0, 5, 220, 0, 1, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2];
    quote.extend([0; 8]);
    for (kind, code, errno, hard) in v4 {
        // RFC 1191's plateau below 1500.
        let info = if errno == E::EMSGSIZE { 1492 } else { 0 };
        assert_eq!(report(kind, code, &quote), [(errno, hard, info)], "{kind} {code}");
    }
    assert_eq!(report(3, 3, &quote[..27]), [], "seven bytes are too few");
    quote[12..16].copy_from_slice(&[192, 0, 2, 77]);
    assert_eq!(report(3, 3, &quote), [], "somebody else's packet");
    let mut quote = vec![0; 40];
    super::Header::write_v6(&mut quote, own, peer, 17, 64, 0, 8);
    quote.extend([0; 8]);
    for (kind, code, errno, hard) in v6 {
        let info = if errno == E::EMSGSIZE { 1280 } else { 0 };
        assert_eq!(report(kind, code, &quote), [(errno, hard, info)], "{kind} {code}");
    }
    assert_eq!(lan.count(0, Reason::IcmpNotOurs), 1);
    // UDP believes it at once.
    let mtu = |to| lan.hosts[0].path(ip(to), Hints::default()).unwrap().mtu;
    assert_eq!((mtu("192.0.2.2"), mtu("2001:db8::2"), mtu("192.0.2.3")), (1492, 1280, 1500));
    lan.run(Duration::from_secs(601));
    assert_eq!(lan.hosts[0].path(ip("192.0.2.2"), Hints::default()).unwrap().mtu, 1500);
}
