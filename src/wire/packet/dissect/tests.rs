use super::*;
use crate::wire::packet::*;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn layer(name: &str, fields: &[(&str, Value)]) -> Layer {
    let mut layer = Layer::new(kind(name).unwrap());
    for (name, value) in fields {
        layer.put(name, Choice::One(value.clone())).unwrap();
    }
    layer
}

fn text(text: &str) -> Value {
    Value::Name(text.into())
}

#[test]
fn a_syn_as_scapy_builds_it() {
    let packet = Packet {
        layers: vec![
            layer("ether", &[("dst", text("02:00:00:00:00:02")), ("src", text("02:00:00:00:00:01"))]),
            layer("ip", &[("src", text("192.0.2.1")), ("dst", text("192.0.2.2")), ("ttl", Value::Number(3))]),
            layer("tcp", &[("flags", text("S")), ("dport", Value::Number(80))]),
            layer("payload", &[("load", text("hello"))]),
        ],
    };
    let built = packet.build(&Nowhere).unwrap();
    // bytes(Ether(dst="02:00:00:00:00:02",src="02:00:00:00:00:01")/IP(src="192.0.2.1",dst="192.0.2.2",ttl=3)/TCP()/b"hello")
    let expected = hex("020000000002 020000000001 0800
        4500002d 00010000 030633c7 c0000201 c0000202
        00140050 00000000 00000000 50022000 c7a30000 68656c6c6f");
    assert_eq!(built.bytes, expected);
    let read = Dissection::of(built.link, &built.bytes);
    assert_eq!(
        read.sections.iter().map(|s| s.kind.name).collect::<Vec<_>>(),
        ["ether", "ip", "tcp", "payload"]
    );
    for (built, read) in built.sections.iter().zip(&read.sections) {
        assert_eq!(built.range, read.range);
        for (built, read) in built.fields.iter().zip(&read.fields) {
            assert_eq!((&built.value, &built.bits, &built.verdict), (&read.value, &read.bits, &read.verdict));
        }
    }
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_built_again(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200), ip in proptest::bool::ANY) {
        let link = if ip { LinkType::Ip } else { LinkType::Ethernet };
        let read = Dissection::of(link, &bytes);
        proptest::prop_assert_eq!(read.packet().build(&Nowhere).unwrap().bytes, bytes);
    }
}
