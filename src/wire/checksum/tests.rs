use proptest::prelude::*;

use super::*;

#[test]
fn rfc_1071_example() {
    for sum in [checksum, as_written, |bytes: &[u8]| Steps::of(bytes).checksum] {
        assert_eq!(sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
        assert_eq!(sum(&[0x12]), !0x1200);
        assert_eq!(sum(&[]), 0xffff);
        assert_eq!(sum(&[0xff; 65_536]), 0);
    }
}

#[test]
fn rfc_1071_example_by_hand() {
    let steps = Steps::of(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
    assert_eq!(steps.words.iter().map(|step| step.sum).collect::<Vec<_>>(), [1, 0xf204, 0x1_e6f9, 0x2_ddf0]);
    assert_eq!(steps.folds, [Fold { carry: 2, low: 0xddf0, sum: 0xddf2 }]);
    assert_eq!((steps.sum, steps.checksum), (0xddf2, 0x220d));
}

/// RFC 1624 4, its example: RFC 1141's way would give 0xffff.
#[test]
fn rfc_1624_example() {
    assert_eq!(update(0xdd2f, 0x5555, 0x3285), 0x0000);
}

#[test]
fn pseudo_header() {
    let mut udp = [0x04, 0xd2, 0x00, 0x35, 0x00, 0x09, 0, 0, b'x'];
    for (a, b) in [
        ([192, 0, 2, 1].into(), [192, 0, 2, 2].into()),
        ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap()),
    ] {
        udp[6..8].fill(0);
        let sum = transport_checksum(a, b, 17, &udp);
        udp[6..8].copy_from_slice(&sum.to_be_bytes());
        assert_eq!(transport_checksum(a, b, 17, &udp), 0);
        assert_ne!(transport_checksum(a, b, 6, &udp), 0);
    }
}

proptest! {
    #[test]
    fn all_ways_give_the_same(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
        let wanted = as_written(&bytes);
        prop_assert_eq!(checksum(&bytes), wanted);
        prop_assert_eq!(Steps::of(&bytes).checksum, wanted);
        prop_assert_eq!(!smoltcp::wire::checksum::data(&bytes), wanted);
        // In two pieces, the first of even length.
        let (first, second) = bytes.split_at(bytes.len() / 4 * 2);
        prop_assert_eq!(Sum::default().with(first).with(second).finish(), wanted);
    }

    #[test]
    fn an_update_is_a_new_sum(
        bytes in prop::collection::vec(any::<u8>(), 2..200), at in any::<prop::sample::Index>(), new: u16,
    ) {
        let mut bytes = bytes;
        let at = at.index(bytes.len() / 2) * 2;
        let old = u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        let before = checksum(&bytes);
        bytes[at..at + 2].copy_from_slice(&new.to_be_bytes());
        let after = checksum(&bytes);
        prop_assume!(before != 0xffff && after != 0xffff);
        prop_assert_eq!(update(before, old, new), after);
    }

    #[test]
    fn the_pseudo_header_is_bytes_in_front(
        a: std::net::Ipv6Addr, b: std::net::Ipv6Addr, protocol: u8, bytes in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let mut all = [a.octets(), b.octets()].concat();
        all.extend((bytes.len() as u32).to_be_bytes());
        all.extend([0, 0, 0, protocol]);
        all.extend(&bytes);
        prop_assert_eq!(transport_checksum(a.into(), b.into(), protocol, &bytes), as_written(&all));
    }
}
