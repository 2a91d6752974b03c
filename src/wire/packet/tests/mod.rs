//! Packets that Scapy builds, too: `scapy.txt` has its expressions and, below each, the bytes that it makes of them.

use proptest::prelude::*;

use super::*;
use crate::base::LinkType;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn scapys() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    let lines: Vec<&str> = include_str!("scapy.txt").lines().collect();
    (0..lines.len() / 2).map(move |pair| (lines[pair * 2], hex(lines[pair * 2 + 1])))
}

#[test]
fn the_same_bytes_as_scapy() {
    let mut wrong = Vec::new();
    for (text, bytes) in scapys() {
        match text.parse::<Packet>() {
            Ok(packet) => match packet.build(&Nowhere) {
                Ok(built) if built.bytes == bytes => {}
                Ok(built) => wrong.push(format!("{text}\n  {bytes:02x?}\n  {:02x?}", built.bytes)),
                Err(error) => wrong.push(format!("{text}\n  {error}")),
            },
            Err(error) => wrong.push(format!("{text}\n  {error}")),
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
}

/// What bytes are, and that the packet which they are read as builds them again.
fn read(link: LinkType, bytes: &[u8]) -> Dissection {
    let read = Dissection::of(link, bytes);
    let end = read.sections.iter().fold(0, |end, section| {
        assert_eq!(section.range.start, end, "sections lie one behind the other: {:?}", names(&read));
        section.range.end
    });
    assert_eq!(end, bytes.len(), "every byte is in a section: {:?}", names(&read));
    assert_eq!(read.packet().build(&Nowhere).unwrap().bytes, bytes, "{:?}", names(&read));
    read
}

fn names(packet: &Dissection) -> Vec<&'static str> {
    packet.sections.iter().map(|section| section.kind.name).collect()
}

#[test]
fn what_scapy_builds_is_read_and_built_again() {
    for (text, bytes) in scapys() {
        let built = text.parse::<Packet>().unwrap().build(&Nowhere).unwrap();
        let again = read(built.link, &bytes);
        // A header that lies about its length is read as it says: what is built has other layers then. Options of neighbour
        // discovery are layers to Scapy alone.
        if !["ihl", "dataofs", " len", ",len", "plen", "frag", "offset", "NDOpt"]
            .iter()
            .any(|lie| text.contains(lie))
        {
            assert_eq!(names(&again), names(&built), "{text}");
            let wrong = |s: &Section| s.fields.iter().any(|f| matches!(f.verdict, Verdict::Wrong(_)));
            assert!(!again.sections.iter().any(wrong), "{text}: {:?}", again.sections);
        }
    }
}

#[test]
fn what_would_be_filled_in_is_left_out() {
    for (text, bytes) in scapys().filter(|(text, _)| !text.contains("chksum") && !text.contains("version")) {
        let link = if text.starts_with("IP") { LinkType::Ip } else { LinkType::Ethernet };
        for layer in &Dissection::of(link, &bytes).packet().layers {
            assert!(layer.get("checksum").is_none(), "{text}: {layer:?}");
        }
    }
}

/// Bytes that are nearly a packet.
fn mutated() -> impl Strategy<Value = (LinkType, Vec<u8>)> {
    let packets: Vec<Vec<u8>> = scapys().map(|(_, bytes)| bytes).collect();
    let change = (any::<prop::sample::Index>(), any::<u8>());
    (
        prop::sample::select(packets),
        prop::collection::vec(change, 0..4),
        any::<prop::sample::Index>(),
        any::<bool>(),
    )
        .prop_map(|(mut bytes, changes, cut, cuts)| {
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if cuts {
                bytes.truncate(cut.index(bytes.len()));
            }
            let link = if bytes.first().is_some_and(|byte| byte >> 4 >= 4) {
                LinkType::Ip
            } else {
                LinkType::Ethernet
            };
            (link, bytes)
        })
}

proptest! {
    #[test]
    fn any_bytes_are_read_and_built_again(bytes in prop::collection::vec(any::<u8>(), 0..300), ip: bool) {
        read(if ip { LinkType::Ip } else { LinkType::Ethernet }, &bytes);
    }

    #[test]
    fn nearly_packets_are_read_and_built_again((link, bytes) in mutated()) {
        read(link, &bytes);
    }
}

/// RFC 792: "The internet header plus the first 64 bits of the original datagram's data."
#[test]
fn an_error_quotes_the_beginning_of_a_packet() {
    let quoted = ipv4().src("192.0.2.1").dst("192.0.2.9") / tcp().sport(1000).dport(80).seq(7) / "data";
    let quoted = quoted.build(&Nowhere).unwrap().bytes;
    let error = ipv4().dst("192.0.2.1") / icmp().set("type", 3).code(1) / &quoted[..28];
    let read = read(LinkType::Ip, &error.build(&Nowhere).unwrap().bytes);
    assert_eq!(names(&read), ["ip", "icmp", "ip", "tcp"]);
    let (ip, tcp) = (&read.sections[2], &read.sections[3]);
    assert_eq!(
        (tcp.number("sport"), tcp.number("dport"), tcp.number("seq")),
        (Some(1000), Some(80), Some(7))
    );
    assert!(tcp.seen("ack").is_none() && tcp.note.as_ref().is_some_and(|note| note.contains("ack")));
    assert!(matches!(ip.seen("len").unwrap().verdict, Verdict::Unknown(_)));
    assert_eq!(ip.seen("checksum").unwrap().verdict, Verdict::Right);
}

#[test]
fn verdicts() {
    let verdict = |packet: Packet, layer: usize, field: &str| {
        let built = packet.build(&Nowhere).unwrap();
        Dissection::of(built.link, &built.bytes).sections[layer].seen(field).unwrap().verdict.clone()
    };
    let ip = || ipv4().src("192.0.2.1").dst("192.0.2.2");
    let right = (ip() / udp()).build(&Nowhere).unwrap().sections[0].number("checksum").unwrap();
    assert_eq!(verdict(ip().checksum(1) / udp(), 0, "checksum"), Verdict::Wrong(right));
    assert_eq!(verdict(ip().len(9) / udp(), 0, "len"), Verdict::Wrong(28));
    assert_eq!(verdict(ip().set("ihl", 3) / udp(), 0, "ihl"), Verdict::Wrong(5));
    assert_eq!(verdict(ip() / udp().checksum(0), 1, "checksum"), Verdict::Free);
    assert!(matches!(verdict(ip().flags("MF") / udp() / "x", 1, "checksum"), Verdict::Unknown(_)));
    assert!(matches!(verdict(ip() / tcp().set("checksum", Choice::Bad), 1, "checksum"), Verdict::Wrong(_)));
    let six = || ipv6().src("2001:db8::1").dst("2001:db8::2");
    assert!(matches!(verdict(six() / udp().checksum(0), 1, "checksum"), Verdict::Wrong(_)));
}

/// Padding of a short Ethernet frame belongs to no layer.
#[test]
fn padding_is_behind_what_the_lengths_tell() {
    let frame = (ether() / ipv4().dst("192.0.2.2") / udp() / "x" / padding([0; 17])).build(&Nowhere).unwrap();
    assert_eq!(frame.bytes.len(), 60);
    let read = read(LinkType::Ethernet, &frame.bytes);
    assert_eq!(names(&read), ["ether", "ip", "udp", "payload", "padding"]);
    assert_eq!(read.sections[1].seen("len").unwrap().verdict, Verdict::Right);
}

/// Two tags, one behind the other, are QinQ.
#[test]
fn the_outer_tag_is_the_providers() {
    let frame = (ether() / dot1q().vlan(5) / dot1q().vlan(6) / ipv4()).build(&Nowhere).unwrap();
    assert_eq!(frame.sections[0].number("type"), Some(0x88a8));
    assert_eq!(frame.sections[1].number("type"), Some(0x8100));
    assert_eq!(frame.sections[2].number("type"), Some(0x0800));
    assert_eq!(names(&read(LinkType::Ethernet, &frame.bytes)), ["ether", "dot1q", "dot1q", "ip"]);
}

/// The host tells what a builder can't know.
#[test]
fn surroundings_fill_in_addresses() {
    struct Host;
    impl Surroundings for Host {
        fn source(&self, _: std::net::IpAddr) -> Option<std::net::IpAddr> {
            Some([192, 0, 2, 7].into())
        }
        fn stations(&self, _: std::net::IpAddr) -> (Option<crate::base::Mac>, Option<crate::base::Mac>) {
            (Some(crate::base::Mac([2, 0, 0, 0, 0, 7])), Some(crate::base::Mac([2, 0, 0, 0, 0, 1])))
        }
    }
    let show = |packet: Packet| {
        let built = packet.build(&Host).unwrap();
        built
            .sections
            .iter()
            .flat_map(|s| &s.fields)
            .filter(|f| matches!(f.field.shape, Shape::Mac | Shape::V4))
            .map(|f| format!("{:?}", f.value))
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(
        show(ether() / ipv4().dst("192.0.2.2") / udp()),
        "Mac(02:00:00:00:00:01) Mac(02:00:00:00:00:07) V4(192.0.2.7) V4(192.0.2.2)"
    );
    assert!(show(ether() / ipv4().dst("224.0.0.1")).starts_with("Mac(01:00:5e:00:00:01)"));
    assert_eq!(
        show(ether() / arp().set("tpa", "192.0.2.2")),
        "Mac(ff:ff:ff:ff:ff:ff) Mac(02:00:00:00:00:07) Mac(02:00:00:00:00:07) V4(192.0.2.7) Mac(00:00:00:00:00:00) V4(192.0.2.2)"
    );
    assert!(
        show(ether() / arp().op("is-at").set("hwdst", "02:00:00:00:00:09"))
            .starts_with("Mac(02:00:00:00:00:09)")
    );
}

/// Who reads the table relies on this.
#[test]
fn the_table_is_sound() {
    fn check(kind: &'static Kind) {
        let mut bits = 0;
        for field in kind.fields {
            let place = format!("{}.{}", kind.name, field.name);
            let same = kind
                .fields
                .iter()
                .filter(|f| f.name == field.name || f.aliases.contains(&field.name))
                .count();
            assert_eq!(same, 1, "{place}: two fields of one name");
            if let When::Is(name, _) | When::Not(name, _) = field.when {
                assert!(
                    kind.fields.iter().take_while(|f| f.name != field.name).any(|f| f.name == name),
                    "{place}: when"
                );
            }
            match field.shape {
                Shape::Bits(width) | Shape::Flags(width, _) => {
                    assert!((1..=64).contains(&width), "{place}");
                    if let Fill::Number(number) = field.fill {
                        assert!(field.largest().is_some_and(|largest| number <= largest), "{place}: default");
                    }
                    bits = if matches!(field.when, When::Always) { bits + usize::from(width) } else { 0 };
                }
                _ => assert_eq!(bits % 8, 0, "{place} does not begin with a byte"),
            }
            if let Shape::Layers(kinds) = field.shape {
                kinds.iter().for_each(check);
            }
        }
    }
    for (at, one) in KINDS.iter().enumerate() {
        check(one);
        for name in std::iter::once(&one.name).chain([&one.scapy]).chain(one.aliases) {
            assert!(!KINDS[..at].iter().any(|k| k.is_called(name)), "two layers are called {name}");
        }
    }
}

/// RFC 4861 4: neighbours drop what has not 255; RFC 3376 4, RFC 3810 5: group membership stays on the link.
#[test]
fn messages_for_neighbours_travel_as_far_as_they_should() {
    for (text, field, hops) in [
        ("ipv6/nd_ns", "hlim", 255),
        ("ipv6/hop_by_hop(options=[router_alert])/mldv2_report", "hlim", 1),
        ("ipv6/icmpv6_echo_request", "hlim", 64),
        ("ipv6(hlim=3)/nd_na", "hlim", 3),
        ("ip/igmp", "ttl", 1),
        ("ip/udp", "ttl", 64),
    ] {
        let built = text.parse::<Packet>().unwrap().build(&Nowhere).unwrap();
        assert_eq!(built.sections[0].number(field), Some(hops), "{text}");
        assert_eq!(
            Dissection::of(LinkType::Ip, &built.bytes).packet().to_string().contains(field),
            hops == 3
        );
    }
}

/// What a length should be can't be told of a packet that is cut short; of a whole one that says a wrong length it can.
#[test]
fn cut_short_is_not_wrong() {
    let verdict = |bytes: &[u8], layer: &str, field: &str| {
        let read = Dissection::of(LinkType::Ip, bytes);
        read.layer(layer).and_then(|section| section.seen(field)).map(|seen| seen.verdict.clone()).unwrap()
    };
    let cut = Verdict::Unknown("the packet is cut short");
    let build = |text: &str| text.parse::<Packet>().unwrap().build(&Nowhere).unwrap().bytes;
    let tcp = build("ip(dst=192.0.2.1)/tcp(options=[mss(1460), timestamp(1, 2)])");
    for length in 40..tcp.len() {
        assert_eq!(verdict(&tcp[..length], "ip", "len"), cut, "{length}");
        assert_eq!(verdict(&tcp[..length], "tcp", "offset"), cut, "{length}");
    }
    let udp = build("ip(dst=192.0.2.1)/udp/'0123456789'");
    assert_eq!(verdict(&udp[..30], "ip", "len"), cut);
    assert_eq!(verdict(&udp[..30], "udp", "len"), cut);
    let long = build("ip(dst=192.0.2.1, len=100)/udp/'0123456789'");
    assert_eq!(verdict(&long, "ip", "len"), Verdict::Wrong(38));
    let offset = build("ip(dst=192.0.2.1)/tcp(offset=9)");
    assert_eq!(verdict(&offset, "tcp", "offset"), Verdict::Wrong(5));
}
