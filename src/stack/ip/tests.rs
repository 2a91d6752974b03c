//! Two hosts and more, wired together in virtual time.

use std::time::Duration;

use crate::base::Reason;
use crate::base::constants::{IPPROTO_ICMP, IPPROTO_ICMPV6};
use crate::stack::lan::Lan;

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
                IPPROTO_ICMP => super::header::internet_checksum(&message),
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
