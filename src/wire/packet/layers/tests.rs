//! Layers of the upper floors, compared with what Scapy 2.8 builds.

use super::super::{Dissection, Nowhere, Packet};
use super::*;
use crate::base::LinkType;
use crate::wire::show::unhex;

/// An expression, its layers, and the bytes of Scapy's packet.
const AS_SCAPY: &[(&str, &str, &str)] = &[
    (
        "ipv6(src=fe80::2, dst=ff02::1:ff00:1, hlim=255)/nd_ns(target=2001:db8::1, \
         options=[source_lladdr(02:00:00:00:00:02)])",
        "ipv6 nd_ns",
        "6000000000203aff fe800000000000000000000000000002 ff0200000000000000000001ff000001 87004b5f00000000
         20010db8000000000000000000000001 0101020000000002",
    ),
    (
        "ipv6(src=fe80::2, dst=ff02::1, hlim=255)/nd_ra(hop_limit=64, managed=1, preference=high, lifetime=600, \
         options=[prefix(valid=3600, prefix=2001:db8:1::), mtu(1400), rdnss(lifetime=60, dns=[2001:db8::53])])",
        "ipv6 nd_ra",
        "6000000000503aff fe800000000000000000000000000002 ff020000000000000000000000000001 860067bb40880258
         0000000000000000 030440c000000e10ffffffff00000000 20010db8000100000000000000000000 0501000000000578
         190300000000003c 20010db8000000000000000000000053",
    ),
    (
        "ipv6(src=fe80::2, dst=ff02::16, hlim=1)/hop_by_hop(options=[router_alert])/\
         mldv2_report(records=[mld_record(type=to-exclude, group=ff02::fb)])",
        "ipv6 hop_by_hop mldv2_report",
        "6000000000240001 fe800000000000000000000000000002 ff020000000000000000000000000016 3a00050200000100
         8f006f0e00000001 04000000ff0200000000000000000000000000fb",
    ),
    (
        "ipv6(src=2001:db8::2, dst=2001:db8::1)/icmpv6_too_big(mtu=1280)/\
         ipv6(src=2001:db8::1, dst=2001:db8::99)/udp(sport=5, dport=6)",
        "ipv6 icmpv6_too_big ipv6 udp",
        "6000000000383a40 20010db8000000000000000000000002 20010db8000000000000000000000001 02002be900000500
         6000000000081140 20010db8000000000000000000000001 20010db8000000000000000000000099 000500060008a3c7",
    ),
    (
        "ip(src=192.0.2.2, dst=239.1.2.3, tos=0xc0, ttl=1, options=[router_alert])/\
         igmp(type=v2-report, group=239.1.2.3)",
        "ip igmp",
        "46c000200001000001027110c0000202ef010203940400001600f8faef010203",
    ),
    (
        "ip(src=192.0.2.2, dst=192.0.2.1)/gre(checksum_present=1, key=42, seq=7)/\
         ip(src=198.51.100.1, dst=198.51.100.2)/icmp",
        "ip gre ip icmp",
        "4500004000010000402ff68ac0000202c0000201 b000080047ce00000000002a00000007
         4500001c0001000040012676c6336401c6336402 0800f7ff00000000",
    ),
    (
        "ip(src=192.0.2.2, dst=192.0.2.1)/udp(sport=50000)/vxlan(vni=4096)/\
         ether(src=02:00:00:00:00:0a, dst=02:00:00:00:00:0b, type=0x9000)/\"x\"",
        "ip udp vxlan ether payload",
        "45000033000100004011f6b5c0000202c0000201 c35012b5001f9180 0800000000100000 02000000000b02000000000a900078",
    ),
    (
        "ip(src=192.0.2.2, dst=192.0.2.1)/udp(sport=53, dport=3000)/dns(id=1, qr=1, aa=1, \
         qd=[dnsqr(\"example.com\")], an=[a(name=\"example.com\", ttl=60, address=192.0.2.80), \
         mx(name=\"example.com\", preference=10, exchange=\"mail.example.com\")], ar=[opt(size=1400, do=1)])",
        "ip udp dns",
        "4500008a000100004011f65ec0000202c0000201 00350bb80076c8f2 0001 8500 0001 0002 0000 0001
         076578616d706c6503636f6d0000010001 076578616d706c6503636f6d00000100010000003c0004c0000250
         076578616d706c6503636f6d00000f0001000000000014000a046d61696c076578616d706c6503636f6d00
         0000290578000080000000",
    ),
    (
        "ip(src=0.0.0.0, dst=255.255.255.255)/udp/bootp(xid=0x12345678, chaddr=hex(02aabbccddee))/\
         dhcp(options=[message_type(discover), requested_address(192.0.2.50), hostname(\"sockatoo\"), \
         parameters([1, 3, 6]), end])",
        "ip udp bootp dhcp",
        "4500012500010000401179c800000000ffffffff00440043011101650101060012345678000000000000000000000000
         000000000000000002aabbccddee00000000000000000000000000000000000000000000000000000000000000000000
         000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000
         000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000
         000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000
         000000000000000000000000000000000000000000000000638253633501013204c00002320c08736f636b61746f6f37
         03010306ff",
    ),
];

/// Built, the bytes are Scapy's; taken apart, they give the layers, and a packet that builds them again, also as text.
#[test]
fn as_scapy_builds_them() {
    for (expression, layers, bytes) in AS_SCAPY {
        let bytes = unhex(bytes).unwrap();
        let packet: Packet = expression.parse().unwrap_or_else(|e| panic!("{expression}: {e}"));
        let built = packet.build(&Nowhere).unwrap_or_else(|e| panic!("{expression}: {e}"));
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        assert_eq!(hex(&built.bytes), hex(&bytes), "{expression}");
        let read = Dissection::of(LinkType::Ip, &bytes);
        let names: Vec<_> = read.sections.iter().map(|section| section.kind.name).collect();
        assert_eq!(names.join(" "), *layers, "{expression}");
        assert!(read.sections.iter().all(|section| section.note.is_none()), "{:?}", read.sections);
        let again = read.packet();
        assert_eq!(hex(&again.build(&Nowhere).unwrap().bytes), hex(&bytes), "{again}");
        let text: Packet = again.to_string().parse().unwrap_or_else(|e| panic!("{again}: {e}"));
        assert_eq!(hex(&text.build(&Nowhere).unwrap().bytes), hex(&bytes), "{again}");
    }
}

/// RFC 1035 4.1.4: a pointer to the name in the question.
#[test]
fn compressed_names_are_read_and_stay() {
    let bytes = unhex(
        "45000047 00010000 401100 00 c0000202 c0000201 0035 0bb8 0033 0000
         0001 8180 0001 0001 0000 0000 03777777 07 6578616d706c65 00 0001 0001
         c00c 0005 0001 0000003c 0002 c010",
    )
    .unwrap();
    let read = Dissection::of(LinkType::Ip, &bytes);
    let answers = read.sections[2].seen("an").unwrap();
    let answer = &answers.inner[0];
    assert_eq!(answer.kind.name, "cname");
    let name = |field: &str| format!("{:?}", answer.seen(field).unwrap().value);
    assert!(name("name").contains("www.example"), "{}", name("name"));
    assert!(name("target").contains("\"example\""), "{}", name("target"));
    assert_eq!(read.packet().build(&Nowhere).unwrap().bytes, bytes);
}

/// Bytes that are nothing of the kind are a payload, and are built again.
#[test]
fn ports_alone_make_no_message() {
    for payload in ["hello", "hello, world, this is no DNS message at all"] {
        let packet: Packet =
            format!("ip(dst=192.0.2.1)/udp(sport=53, dport=53)/\"{payload}\"").parse().unwrap();
        let built = packet.build(&Nowhere).unwrap();
        let read = Dissection::of(LinkType::Ip, &built.bytes);
        assert_eq!(read.sections[2].kind.name, "payload", "{payload}");
    }
}

proptest::proptest! {
    /// Whatever is behind a header that promises one of these layers: it is read in bounded time, and built again.
    #[test]
    fn any_message_is_built_again(
        at in 0..AS_SCAPY.len(),
        changes in proptest::collection::vec((20_usize..300, 0_u8..), 0..8),
        cut in 0_usize..300,
    ) {
        let mut bytes = unhex(AS_SCAPY[at].2).unwrap();
        for (at, byte) in changes {
            let length = bytes.len();
            bytes[at % length] = byte;
        }
        bytes.truncate(cut.max(1));
        let read = Dissection::of(LinkType::Ip, &bytes);
        proptest::prop_assert_eq!(read.packet().build(&Nowhere).unwrap().bytes, bytes);
    }
}

/// No two layers answer to the same name, no field of a layer to the name of another one.
#[test]
fn names_are_told_apart() {
    for (n, kind) in KINDS.iter().enumerate() {
        for other in &KINDS[n + 1..] {
            for name in kind.aliases.iter().chain([&kind.name, &kind.scapy]) {
                assert!(!other.is_called(name), "{} and {} are both called {name}", kind.name, other.name);
            }
        }
        for (n, field) in kind.fields.iter().enumerate() {
            for other in &kind.fields[n + 1..] {
                for name in field.aliases.iter().chain([&field.name]) {
                    let called = other.name == *name || other.aliases.contains(name);
                    assert!(
                        !called,
                        "{}: {} and {} are both called {name}",
                        kind.name, field.name, other.name
                    );
                }
            }
        }
    }
}
