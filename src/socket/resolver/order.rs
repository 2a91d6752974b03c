//! Which address first: RFC 6724 section 6, destination address selection.

use std::cmp::Ordering;
use std::net::{IpAddr, Ipv6Addr};

/// A destination, and the source address that the host would use for it (`None`: no way leads there).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) destination: IpAddr,
    pub(super) source: Option<IpAddr>,
}

/// Sorts the best first; equal ones keep their order.
pub(super) fn sort(candidates: &mut [Candidate]) {
    candidates.sort_by(compare);
}

/// The rules in their order. Rules 3, 4 and 7 (deprecated, home and tunnelled addresses) have no cases here.
fn compare(a: &Candidate, b: &Candidate) -> Ordering {
    let (sa, sb) = match (a.source, b.source) {
        (Some(sa), Some(sb)) => (sa, sb),
        // RFC 6724 6, rule 1: "Avoid unusable destinations."
        (sa, sb) => return sb.is_some().cmp(&sa.is_some()),
    };
    let (da, db) = (a.destination, b.destination);
    // Rule 2: "Prefer matching scope."
    let matches = |destination, source| scope(destination) == scope(source);
    matches(db, sb)
        .cmp(&matches(da, sa))
        // Rule 5: "Prefer matching label."
        .then_with(|| (policy(db).1 == policy(sb).1).cmp(&(policy(da).1 == policy(sa).1)))
        // Rule 6: "Prefer higher precedence."
        .then_with(|| policy(db).0.cmp(&policy(da).0))
        // Rule 8: "Prefer smaller scope."
        .then_with(|| scope(da).cmp(&scope(db)))
        // Rule 9: "Use longest matching prefix." Of IPv6 alone: of IPv4 it would defeat a server's round robin.
        .then_with(|| match (da, sa, db, sb) {
            (IpAddr::V6(da), IpAddr::V6(sa), IpAddr::V6(db), IpAddr::V6(sb)) => {
                common_prefix(db, sb).cmp(&common_prefix(da, sa))
            }
            _ => Ordering::Equal,
        })
}

fn common_prefix(destination: Ipv6Addr, source: Ipv6Addr) -> u32 {
    // RFC 6724 2.2: the length counts up to the source's prefix, which is 64 bits nearly everywhere.
    (destination.to_bits() ^ source.to_bits()).leading_zeros().min(64)
}

/// RFC 6724 3.1 and 3.2: 2 link-local, 5 site-local, 14 global; of a multicast group its own.
fn scope(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(a) if a.is_loopback() || a.is_link_local() => 2,
        IpAddr::V4(_) => 14,
        IpAddr::V6(a) if a.is_multicast() => a.octets()[1] & 0xf,
        IpAddr::V6(a) if a.is_loopback() || a.is_unicast_link_local() => 2,
        IpAddr::V6(a) if a.segments()[0] & 0xffc0 == 0xfec0 => 5,
        IpAddr::V6(_) => 14,
    }
}

/// RFC 6724 2.1: precedence and label of the default policy table.
fn policy(address: IpAddr) -> (u8, u8) {
    const TABLE: &[(u128, u32, u8, u8)] = &[
        (1, 128, 50, 0),               // ::1/128
        (0xffff << 32, 96, 35, 4),     // ::ffff:0:0/96
        (0, 96, 1, 3),                 // ::/96
        (0x2001_0000 << 96, 32, 5, 5), // 2001::/32
        (0x2002 << 112, 16, 30, 2),    // 2002::/16
        (0x3ffe << 112, 16, 1, 12),    // 3ffe::/16
        (0xfec0 << 112, 10, 1, 11),    // fec0::/10
        (0xfc00 << 112, 7, 3, 13),     // fc00::/7
    ];
    let bits = match address {
        IpAddr::V4(a) => a.to_ipv6_mapped().to_bits(),
        IpAddr::V6(a) => a.to_bits(),
    };
    TABLE
        .iter()
        .find(|(prefix, length, ..)| (bits ^ prefix) >> (128 - length) == 0)
        .map_or((40, 1), |&(.., precedence, label)| (precedence, label))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Destinations with their sources, in any order; then the destinations in theirs.
    type Case = (&'static [(&'static str, &'static str)], &'static [&'static str]);

    /// RFC 6724 10.2: its own examples of destination selection.
    #[test]
    fn the_examples_of_the_rfc() {
        let cases: [Case; 7] = [
            (
                &[("2001:db8:1::1", "2001:db8:1::2"), ("198.51.100.121", "169.254.13.78")],
                &["2001:db8:1::1", "198.51.100.121"],
            ),
            (
                &[("2001:db8:1::1", "fe80::1"), ("198.51.100.121", "198.51.100.117")],
                &["198.51.100.121", "2001:db8:1::1"],
            ),
            (&[("2001:db8:1::1", "2001:db8:1::2"), ("10.1.2.3", "10.1.2.4")], &["2001:db8:1::1", "10.1.2.3"]),
            (&[("2001:db8:1::1", "2001:db8:1::2"), ("fe80::1", "fe80::2")], &["fe80::1", "2001:db8:1::1"]),
            (
                &[("2002:c633:6401::1", "2002:c633:6401::2"), ("2001:db8:1::1", "2001:db8:1::2")],
                &["2001:db8:1::1", "2002:c633:6401::1"],
            ),
            (
                &[("2001:db8:3ffe::1", "2001:db8:1::2"), ("2001:db8:1::1", "2001:db8:1::2")],
                &["2001:db8:1::1", "2001:db8:3ffe::1"],
            ),
            (&[("2001:db8:1::1", ""), ("127.0.0.1", "127.0.0.1")], &["127.0.0.1", "2001:db8:1::1"]),
        ];
        for (input, want) in cases {
            let mut candidates: Vec<_> = input
                .iter()
                .map(|(d, s)| Candidate { destination: d.parse().unwrap(), source: s.parse().ok() })
                .collect();
            sort(&mut candidates);
            let got: Vec<_> = candidates.iter().map(|c| c.destination.to_string()).collect();
            assert_eq!(got, want);
        }
    }

    #[test]
    fn loopback_prefers_ipv6() {
        let both = ["127.0.0.1", "::1"]
            .map(|a| Candidate { destination: a.parse().unwrap(), source: a.parse().ok() });
        let mut sorted = both;
        sort(&mut sorted);
        assert_eq!(sorted[0].destination.to_string(), "::1");
    }
}
