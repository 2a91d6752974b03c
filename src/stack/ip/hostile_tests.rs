//! Whatever comes from a wire: no panic, bounded memory, and every frame is accounted for.

use std::time::Duration;

use proptest::prelude::*;

use crate::base::{Frame, IfIndex};
use crate::stack::Config;
use crate::stack::lan::{Lan, WIRE, cidr, ip, mac};
use crate::stack::net::Hints;

/// A host with all its tables in use, which also forwards.
fn host(forward: bool) -> Lan {
    let mut lan = Lan::empty();
    let host = lan.host(Config { forward, forward6: forward, dad_transmits: 0, ..Config::default() });
    lan.attach(host, 0, &["192.0.2.1/24", "2001:db8::1/64"]);
    lan.attach(host, 1, &["198.51.100.1/24", "2001:db8:1::1/64"]);
    lan.hosts[0].add_route(cidr("0.0.0.0/0"), Some(ip("192.0.2.254")), None).unwrap();
    lan.hosts[0].join(ip("239.1.2.3"), Some(WIRE)).unwrap();
    lan.settle();
    lan.seen.clear();
    lan
}

/// A frame that gets past the first checks more often than noise would: right addresses, a right IPv4 header checksum.
fn plausible(kind: u8, protocol: u8, rest: &[u8]) -> Vec<u8> {
    let mut frame = mac(0, WIRE).0.to_vec();
    frame.extend(mac(1, WIRE).0);
    match kind % 4 {
        0 => {
            frame.extend([8, 0]);
            let ihl = 5 + rest.first().map_or(0, |b| usize::from(b & 3)).min(rest.len() / 4);
            let mut packet = vec![
                0x40 | ihl as u8,
                0,
                0,
                0,
                0,
                1,
                rest.get(1).map_or(0, |b| b & 0x3f),
                0,
                64,
                protocol,
                0,
                0,
            ];
            packet.extend([192, 0, 2, 2, 192, 0, 2, 1]);
            packet.extend(rest);
            let total = packet.len() as u16;
            packet[2..4].copy_from_slice(&total.to_be_bytes());
            super::header::seal_v4(&mut packet[..ihl * 4]);
            if protocol == 1 && packet.len() >= ihl * 4 + 4 {
                packet[ihl * 4 + 2..ihl * 4 + 4].fill(0);
                let sum = crate::wire::checksum(&packet[ihl * 4..]);
                packet[ihl * 4 + 2..ihl * 4 + 4].copy_from_slice(&sum.to_be_bytes());
            }
            frame.extend(packet);
        }
        1 | 2 => {
            frame.extend([0x86, 0xdd]);
            let mut header = [0; 40];
            let from = "fe80::2".parse().unwrap();
            let to = if kind % 4 == 1 { "2001:db8::1" } else { "ff02::1" }.parse().unwrap();
            super::Header::write_v6(&mut header, from, to, protocol, 255, 0, rest.len());
            let mut message = rest.to_vec();
            if protocol == 58 && message.len() >= 4 {
                // Often a type that has a meaning.
                if message[1] & 3 != 0 {
                    (message[0], message[1]) = (128 + message[0] % 16, 0);
                }
                let sum = super::icmpv6_checksum(from, to, &message);
                message[2..4].copy_from_slice(&sum.to_be_bytes());
            }
            frame.extend(header);
            frame.extend(message);
        }
        _ => {
            frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1 + (protocol & 1)]);
            frame.extend(rest);
        }
    }
    frame
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn noise_is_survived(frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..20), forward: bool) {
        let mut lan = host(forward);
        for frame in &frames {
            lan.hosts[0].frame_in(WIRE, Frame::copy_of(frame));
            lan.hosts[0].frame_in(IfIndex::LO, Frame::copy_of(frame));
        }
        lan.run(Duration::from_secs(200));
    }

    #[test]
    fn plausible_packets_are_survived(
        frames in prop::collection::vec(
            (0..4u8, prop::sample::select(vec![0u8, 1, 2, 6, 17, 43, 44, 58, 58, 60]), prop::collection::vec(any::<u8>(), 0..120)),
            1..20,
        ),
        forward: bool,
    ) {
        let mut lan = host(forward);
        for (kind, protocol, rest) in &frames {
            let frame = plausible(*kind, *protocol, rest);
            lan.hosts[0].frame_in(WIRE, Frame::copy_of(&frame));
        }
        lan.run(Duration::from_secs(200));
        prop_assert_eq!(lan.hosts[0].unfinished(), (0, 0));
        prop_assert!(lan.hosts[0].path(ip("192.0.2.9"), Hints::default()).is_ok());
    }

    #[test]
    fn any_packet_can_be_sent(packet in prop::collection::vec(any::<u8>(), 0..3000), version: bool) {
        let mut lan = host(false);
        let mut packet = packet;
        if let Some(first) = packet.first_mut() {
            *first = if version { 0x40 | *first & 15 } else { 0x60 };
        }
        let mut frame = lan.hosts[0].pool.frame(packet.len());
        frame.bytes_mut().copy_from_slice(&packet);
        let _ = lan.hosts[0].send_packet(frame, None, Hints::default());
        lan.run(Duration::from_secs(10));
    }
}
