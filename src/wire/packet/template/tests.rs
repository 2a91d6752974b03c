use proptest::prelude::*;

use super::*;
use crate::base::Mac;
use crate::wire::packet::{KINDS, Nowhere, kind};

/// Every destination has a way of its own: what is filled in must follow.
struct Ways;

impl Surroundings for Ways {
    fn source(&self, destination: IpAddr) -> Option<IpAddr> {
        match destination {
            IpAddr::V4(to) if to.octets()[3] & 3 == 3 => None,
            IpAddr::V4(to) => Some([192, 0, 2, to.octets()[3] & 7].into()),
            IpAddr::V6(to) => Some(std::net::Ipv6Addr::from_bits(to.to_bits() ^ 0xffff_ffff).into()),
        }
    }

    fn stations(&self, destination: IpAddr) -> (Option<Mac>, Option<Mac>) {
        let last = match destination {
            IpAddr::V4(to) => to.octets()[3],
            IpAddr::V6(to) => to.octets()[15],
        };
        (Some(Mac([2, 0, 0, 0, 0, last])), (last & 1 == 0).then_some(Mac([2, 0, 0, 0, 1, last])))
    }
}

/// The template's packets are those that are built; says whether they were patched.
fn agrees(packet: &Packet, seed: u64, most: usize) -> bool {
    let each = packet.each(seed);
    let first = each.get(0).map(|first| first.build(&Ways));
    let Ok(mut template) = Template::new(packet, &Ways, seed) else {
        assert!(matches!(first, Some(Err(_)) | None), "{packet}");
        return true;
    };
    assert_eq!(template.count(), packet.count());
    for (number, described) in each.clone().enumerate().take(most) {
        let built = described.build(&Ways).map(|built| built.bytes);
        match (template.next(), built) {
            (Some(Ok(patched)), Ok(built)) => assert_eq!(patched, built, "packet {number} of {packet}"),
            (Some(Err(_)), Err(_)) => {}
            (patched, built) => panic!("packet {number} of {packet}: {patched:?} {built:?}"),
        }
    }
    if packet.count() <= most as u64 {
        assert!(template.next().is_none());
    }
    template.rewind();
    if let (Some(Ok(again)), Some(Ok(first))) = (template.next(), first) {
        assert_eq!(again, first.bytes);
    }
    template.is_patched()
}

fn packet(text: &str) -> Packet {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn what_can_be_patched_is_patched() {
    for text in [
        "ip(dst=192.0.2.1, ttl=1..30)/udp(dport=1..60000)/'hello'",
        "ip(dst=192.0.2.0/24)/tcp(dport=[22,80,443], flags=S, seq=rand)",
        "ether()/ip(dst=192.0.2.1..192.0.2.20, id=rand)/icmp(seq=0..9)/'odd'",
        "ip(dst=192.0.2.1, src=rand)/udp(sport=rand, checksum=bad)",
        "ip(dst=192.0.2.1, ttl=1..3, checksum=bad)/tcp(dport=1..9)",
        "ipv6(dst=2001:db8::1..2001:db8::9)/udp(dport=1..9)/'x'",
        "ip(dst=192.0.2.1)/ip(dst=192.0.2.1..192.0.2.9, ttl=1..4)/udp(dport=1..3)",
        "ether(src=rand)/arp(tpa=192.0.2.0/28)",
        "ip(dst=192.0.2.1, version=0..15, ihl=0..15)/udp()",
        "ip(dst=192.0.2.1)/udp(len=0..9, checksum=0..9)/'x'",
        "fuzz(ip(dst=192.0.2.1))/udp()",
    ] {
        assert!(agrees(&packet(text), 7, 200), "{text} is built anew each time");
    }
}

#[test]
fn what_cannot_be_patched_is_built() {
    for text in [
        "ip(dst=192.0.2.1)/udp()/['a', 'bcd']",
        "ip(dst=192.0.2.1)/tcp(options=[mss(1..5)])",
        "ip(dst=192.0.2.1)/icmp(type=[8, 3])",
        "ip(dst=192.0.2.1)/udp(checksum=[bad, 7])",
    ] {
        if let Ok(packet) = text.parse::<Packet>() {
            assert!(!agrees(&packet, 7, 200), "{text} is patched");
        }
    }
}

/// RFC 768: a sum of zero is written as all ones, in whichever packet it comes.
#[test]
fn a_udp_sum_of_zero_is_all_ones() {
    let packet = packet("ip(src=192.0.2.1, dst=192.0.2.2)/udp(sport=0..65535, dport=0)");
    let mut template = Template::new(&packet, &Nowhere, 0).unwrap();
    let mut sums = std::collections::BTreeMap::<u16, usize>::new();
    while let Some(Ok(bytes)) = template.next() {
        *sums.entry(u16::from_be_bytes([bytes[26], bytes[27]])).or_default() += 1;
    }
    assert!(template.is_patched());
    assert_eq!((sums.get(&0), sums.get(&0xffff)), (None, Some(&1)));
}

#[test]
fn a_value_that_does_not_fit_is_told_and_the_next_ones_come() {
    let mut packet = packet("ip(dst=192.0.2.1)/udp()");
    packet.layers[1].put("dport", Choice::Range(Value::Number(65_534), Value::Number(65_537))).unwrap();
    let mut template = Template::new(&packet, &Nowhere, 0).unwrap();
    let fits: Vec<bool> = std::iter::from_fn(|| template.next().map(|bytes| bytes.is_ok())).collect();
    assert_eq!(fits, [true, true, false, false]);
}

/// Stacks of layers that hang together.
const STACKS: &[&[&str]] = &[
    &["ip", "udp", "payload"],
    &["ip", "tcp"],
    &["ether", "ip", "icmp", "payload"],
    &["ether", "dot1q", "ip", "tcp", "payload"],
    &["ipv6", "udp", "payload"],
    &["ether", "ipv6", "tcp"],
    &["ether", "arp"],
    &["ip", "ip", "udp", "payload"],
    &["ip", "ipv6", "tcp"],
    &["ip", "udp", "payload", "padding"],
];

fn choice(field: &'static Field) -> BoxedStrategy<Choice> {
    let largest = field.largest();
    let number = move |n: u64| match field.shape {
        Shape::V4 => Value::V4(((n as u32) | 0xc000_0200).into()),
        Shape::V6 => Value::V6(std::net::Ipv6Addr::from_bits(n.into())),
        Shape::Mac => Value::Mac(Mac([0, 0, 0, 0, 0, n as u8])),
        Shape::Fixed(_) | Shape::Bytes => Value::Bytes(n.to_be_bytes()[..(n & 7) as usize].to_vec()),
        // One more than fits, now and then.
        _ => Value::Number(n % largest.unwrap_or(1).saturating_add(2).max(1)),
    };
    let one = any::<u64>().prop_map(move |n| Choice::One(number(n)));
    let range = (any::<u32>(), 0..6u64).prop_map(move |(n, more)| match (number(n.into()), field.shape) {
        (Value::Number(first), _) => {
            Choice::Range(Value::Number(first), Value::Number(first.saturating_add(more)))
        }
        (Value::V4(first), _) => {
            Choice::Range(Value::V4(first), Value::V4(first.to_bits().saturating_add(more as u32).into()))
        }
        (value, _) => Choice::One(value),
    });
    let rest = prop_oneof![Just(Choice::Random(None)), Just(Choice::Bad)];
    let simple = prop_oneof![3 => one, 3 => range, 1 => rest];
    prop_oneof![
        3 => simple.clone(),
        1 => prop::collection::vec(simple, 1..4).prop_map(Choice::Any),
    ]
    .boxed()
}

fn layer(name: &'static str) -> BoxedStrategy<Layer> {
    let kind = kind(name).unwrap_or(KINDS[0]);
    let fields: Vec<_> = (kind.fields.iter())
        .filter(|field| !matches!(field.shape, Shape::Layers(_) | Shape::List(_)))
        .map(|field| (Just(field.name), prop::option::weighted(0.25, choice(field))))
        .collect();
    (fields, prop::bool::weighted(0.05))
        .prop_map(move |(set, fuzz)| {
            let mut layer = Layer::new(kind);
            for (name, choice) in set {
                if let Some(choice) = choice {
                    layer.put(name, choice).unwrap();
                }
            }
            layer.fuzz = fuzz;
            layer
        })
        .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn a_template_gives_the_packets_that_are_built(
        layers in prop::sample::select(STACKS).prop_flat_map(|names| names.iter().map(|n| layer(n)).collect::<Vec<_>>()),
        seed: u64,
    ) {
        agrees(&Packet { layers }, seed, 60);
    }
}
