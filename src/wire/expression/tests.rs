//! What is written, what is understood, and where mistakes are pointed out.

use proptest::prelude::*;

use super::*;
use crate::wire::packet::{Choice, Field, Fill, KINDS, Kind, Layer, Rule, Shape, Value};

fn read(text: &str) -> Packet {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The expression in our own words.
fn ours(text: &str) -> String {
    read(text).to_string()
}

fn error(text: &str) -> ExpressionError {
    match text.parse::<Packet>() {
        Err(error) => error,
        Ok(packet) => panic!("{text} is read as {packet}"),
    }
}

/// What the error points at, what it says, and what it suggests.
fn told(text: &str) -> (String, String, String) {
    let error = error(text);
    let at: String = text.chars().skip(error.column).take(error.width).collect();
    (at, error.what, error.hint.unwrap_or_default())
}

#[test]
fn written_as_it_is_read() {
    for text in [
        "ip/tcp",
        r#"ip(ttl=3, dst=192.0.2.1)/tcp(dport=80, flags=S)/"hello""#,
        r#""a \"quote\"\n""#,
        "hex(00 ff)",
        r#""A"*100"#,
        r#""\x00"*100"#,
        r#""""#,
        "ip(ttl=1..30, dst=[192.0.2.1, 192.0.2.7..192.0.2.9])",
        "ether(src=02:00:00:00:00:01)/arp(op=is-at)",
        "ip(id=rand, ttl=rand(1..100), checksum=bad)",
        "ip(proto=icmp)/icmp(type=echo-reply, id=7)/payload(load=rand(100))",
        "fuzz(ip)/fuzz(tcp(dport=80))",
        "ip(flags=MF+DF)",
        "tcp(flags=SA, options=[mss(1460), nop, wscale(7), sack_permitted, timestamp(1, 2)])",
        "tcp(options=[[mss(1400..1460)], [], [nop, nop]])",
        "tcp(options=[mss(len=7), sack([1, 2]), hex(00 01)])",
        "ip(checksum=0x0001)",
        "ipv6(dst=2001:db8::1..2001:db8::ff)/udp",
    ] {
        assert_eq!(ours(text), text);
    }
}

#[test]
fn scapys_spelling() {
    for (scapy, text) in [
        (
            r#"IP(dst="192.0.2.1")/TCP(dport=[22,80],flags="S")/Raw(load=b"x\x00")"#,
            r"ip(dst=192.0.2.1)/tcp(dport=[22, 80], flags=S)/hex(78 00)",
        ),
        (
            r#"Ether()/ARP(op="who-has", pdst="192.0.2.0/24")"#,
            "ether/arp(op=who-has, tpa=192.0.2.0..192.0.2.255)",
        ),
        ("IP(chksum=0x1234, ttl=(1,30), id=RandShort(),)", "ip(id=rand, ttl=1..30, checksum=0x1234)"),
        (
            "TCP(options=[('MSS',1460),('NOP',None),('WScale',7),('SAckOK',b''),('Timestamp',(1,2)),('SAck',(5,6))])",
            "tcp(options=[mss(1460), nop, wscale(7), sack_permitted, timestamp(1, 2), sack([5, 6])])",
        ),
        (">>> ans, unans = sr(IP(dst='192.0.2.1') / ICMP(), timeout=2)  # ping", "ip(dst=192.0.2.1)/icmp"),
        (
            "p = (IP(src=RandIP(), len=None)/UDP(sport=RandNum(1,9))).show()",
            "ip(src=rand)/udp(sport=rand(1..9))",
        ),
        ("IP()/Raw(RandString(10))", "ip/payload(load=rand(10))"),
        (r#"IP()/("A"*3+'b')"#, r#"ip/"AAAb""#),
        ("IP(frag=range(0, 5), flags='DF')/UDP(dport='domain')", "ip(flags=DF, frag=0..4)/udp(dport=53)"),
        ("fuzz(IP()/UDP())", "fuzz(ip)/fuzz(udp)"),
        (
            "Ether(src=RandMAC(), dst='ff:ff:ff:ff:ff:ff')/Dot1Q(vlan=7)",
            "ether(dst=ff:ff:ff:ff:ff:ff, src=rand)/dot1q(vlan=7)",
        ),
        (
            "IPv6(dst='2001:db8::1', hlim=3)/IPv6ExtHdrFragment(m=1)",
            "ipv6(hlim=3, dst=2001:db8::1)/fragment(more=1)",
        ),
        ("IP(options=[IPOption_NOP()])", "ip(options=[nop])"),
        (r"IP()/bytes.fromhex('00 ff')", "ip/hex(00 ff)"),
        ("TCP(options=[('NOP', None)]*3)", "tcp(options=[nop, nop, nop])"),
        (
            r#"IP(dst="192.0.2.53")/UDP(dport=53)/DNS(rd=1,qd=DNSQR(qname="www.example.com"))"#,
            r#"ip(dst=192.0.2.53)/udp(dport=53)/dns(rd=1, qd=[dnsqr("www.example.com")])"#,
        ),
        (
            r#"DNS(an=DNSRR(rrname="a.example",type="AAAA",rdata="2001:db8::1")/DNSRR(rrname="b.example",type=253,rdata="x"))"#,
            r#"dns(an=[aaaa(name="a.example", type=AAAA, address=2001:db8::1), dnsrr(name="b.example", type=253, data="x")])"#,
        ),
        (
            r#"DNS(an=DNSRR(type="TXT", rdata=["a", "b"]))"#,
            r#"dns(an=[txt(type=TXT, texts=[text("a"), text("b")])])"#,
        ),
        (
            r#"BOOTP(chaddr=b"\x02\x00")/DHCP(options=[("message-type","discover"),("param_req_list",[1,3]),"end"])"#,
            "bootp(chaddr=hex(02 00))/dhcp(options=[message_type(discover), parameters([1, 3]), end])",
        ),
        (
            r#"ICMPv6ND_NS(tgt="2001:db8::1")/ICMPv6NDOptSrcLLAddr(lladdr="02:00:00:00:00:01")"#,
            "nd_ns(target=2001:db8::1, options=[source_lladdr(02:00:00:00:00:01)])",
        ),
        ("ip(dst=192.0.2.1)\\\n  /tcp", "ip(dst=192.0.2.1)/tcp"),
        (r#"IP(options=b"\x94\x04\x00\x00")"#, "ip(options=[hex(94 04 00 00)])"),
        (r#"IP(options=[IPOption(b"\x83\x03\x10"), IPOption_NOP()])"#, "ip(options=[hex(83 03 10), nop])"),
        (r#"TCP(options=b"")"#, "tcp(options=[])"),
        ("fuzz(ICMP(gw='192.0.2.1'))", "fuzz(icmp(gateway=192.0.2.1))"),
    ] {
        assert_eq!(ours(scapy), text, "{scapy}");
    }
}

#[test]
fn numbers_and_their_words() {
    for (text, ours_is) in [
        ("tcp(window=0x10, seq=0b101, dport=http)", "tcp(dport=80, seq=5, window=16)"),
        ("tcp(window=32Ki, seq=64k, ack=1h)", "tcp(seq=64000, ack=3600, window=32768)"),
        ("tcp(flags=s|ack)", "tcp(flags=SA)"),
        ("tcp(flags=0x12)", "tcp(flags=SA)"),
        ("tcp(flags=0)", "tcp(flags=0)"),
        ("IP(PROTO=TCP)", "ip(proto=tcp)"),
        ("icmp(type='dest-unreach')", "icmp(type=unreachable)"),
        ("icmp(type=Echo_Request)", "icmp(type=echo-request)"),
        ("ip(src=192.0.2.9/30)", "ip(src=192.0.2.8..192.0.2.11)"),
        ("ip(dst=192.0.2.1/32)", "ip(dst=192.0.2.1..192.0.2.1)"),
        ("ip(src=rand(192.0.2.0/24))", "ip(src=rand(192.0.2.0..192.0.2.255))"),
        ("ether(type=0x1234)", "ether(type=0x1234)"),
        (
            "tcp(options=[(253, 'x'), option(hex(00))])",
            r#"tcp(options=[option(kind=253, data="x"), option(hex(00))])"#,
        ),
    ] {
        assert_eq!(ours(text), ours_is, "{text}");
    }
}

#[test]
fn mistakes_are_pointed_at() {
    for (text, at, what, hint) in [
        ("ip(ttl=300)", "300", "ttl is 0..255", ""),
        ("ip(ttl=-1)", "-1", "ttl is 0..255", ""),
        ("ip(ttl=99999999999999999999999999999999999999999)", "", "ttl is 0..255", ""),
        ("ip/tpc", "tpc", "there is no layer `tpc`", "did you mean tcp?"),
        ("ip(tl=3)", "tl", "ip has no field `tl`", "did you mean ttl?"),
        ("tcp(ttl=3)", "ttl", "tcp has no field `ttl`", "ip and ipv6 have it"),
        ("ip/nop", "nop", "there is no layer `nop`", "ip and tcp have it: ip(options=[nop])"),
        ("ip(ttl=3..)", ")", "a value is missing behind the ..", ""),
        ("tcp(dport=-1)", "-1", "dport is 0..65535", ""),
        (
            "ip(dst=2001:db8::1)",
            "",
            "dst is an IPv4 address: 192.0.2.1",
            "this is an IPv6 address: ipv6(dst=2001:db8::1)",
        ),
        ("ip(dst=192.0.2.0/33)", "", "", "a network is 192.0.2.1/24"),
        ("ip/file()", "file()", "which file?", "write file(path)"),
        ("ip/sctp", "sctp", "there is no layer `sctp`", ""),
        ("mss(3)", "mss", "there is no layer `mss`", "tcp has it: tcp(options=[mss])"),
        ("tcp(options=[ms])", "ms", "`ms` is not known here", "did you mean mss?"),
        ("ip(dst=192.0.2)", "192.0.2", "dst is an IPv4 address: 192.0.2.1", ""),
        ("ip(dst=example.com)", "example.com", "", "names are not looked up here"),
        ("ip(ttl=3", "(", "this bracket is never closed: `)` is missing", ""),
        ("tcp(dport=[1, 2", "[", "this bracket is never closed: `]` is missing", ""),
        ("ip/\"abc", "\"", "this quote is never closed", ""),
        ("ip)", ")", "nothing is open here that this could close", ""),
        ("ip//tcp", "/", "`/` can't stand here", ""),
        ("ip/", "", "a layer is missing behind the /", ""),
        ("", "", "there is no packet", "write one: ip(dst=192.0.2.1)/tcp(dport=80)"),
        ("ip(ttl=9..3)", "9..3", "a range goes upwards", ""),
        ("ip(ttl=3, ttl=4)", "ttl", "ttl is set twice", ""),
        ("ip(ttl=bad)", "bad", "no value of ttl is wrong by itself", ""),
        ("ip(ttl=)", ")", "ttl has no value", "write ttl=..."),
        ("ip(192.0.2.1)", "192.0.2.1", "which field is this?", ""),
        ("arp(op=whohaz)", "whohaz", "op has no value called `whohaz`", "did you mean who-has?"),
        ("tcp(flags=SX)", "SX", "flags has no flag `SX`", ""),
        ("\"A\"*1000000000", "", "no packet holds more than 65535 bytes", ""),
        (
            "icmp(type=3, seq=1)",
            "seq",
            "icmp has no seq if type is 3",
            "it has one if type is echo-reply, echo-request, timestamp-request, timestamp-reply, information-request, \
             information-reply, address-mask-request, address-mask-reply",
        ),
        ("icmp(gw=192.0.2.1)", "gw", "icmp has no gateway if type is 8", "it has one if type is redirect"),
        ("hex(0g)", "(0g)", "`g` is not a hexadecimal digit", ""),
        ("ip(ttl=RandShort())", "RandShort()", "ttl is 0..255", ""),
        ("\"é包\"/ip(tl=3)", "tl", "ip has no field `tl`", "did you mean ttl?"),
        ("payload(load=hello)", "hello", "load holds bytes", "write \"hello\", hex(00 ff) or file(path)"),
    ] {
        let (found, said, suggested) = told(text);
        assert!(at.is_empty() || found == at, "{text}: points at {found:?}");
        assert!(what.is_empty() || said == what, "{text}: {said}");
        assert!(hint.is_empty() || suggested == hint, "{text}: hint {suggested}");
    }
}

#[test]
fn files_are_read_by_who_asks() {
    let mut asked = Vec::new();
    let mut read = |path: &str| {
        asked.push(path.to_string());
        Ok(b"abc".to_vec())
    };
    let found = Expression::read("ip/file(/tmp/a b.bin)/payload(load=file('x'))", &mut read).unwrap();
    assert_eq!(found.packet.to_string(), r#"ip/"abc"/"abc""#);
    assert_eq!(asked, ["/tmp/a b.bin", "x"]);
    let missing = &mut |_: &str| Err(Errno::ENOENT.into());
    let error = Expression::read("ip/file(x)", missing).unwrap_err();
    assert_eq!((error.column, error.width), (3, 7));
    assert!("file(x)".parse::<Packet>().is_err());
}

#[test]
fn what_is_left_out_is_said() {
    let read = |text| Expression::read(text, &mut |_| Ok(Vec::new())).unwrap();
    let sr1 = read("sr1(IP()/ICMP(), timeout=1)");
    assert_eq!(sr1.notes, ["`sr1(...)` is left out: --answers sends and matches the answers"]);
    assert_eq!(read("raw(\"abc\")").notes, Vec::<String>::new());
}

#[test]
fn nothing_costs_much() {
    for text in [
        "(".repeat(100_000),
        "[".repeat(100_000),
        "fuzz(".repeat(100_000),
        "ip/".repeat(100_000),
        "tcp(options=[nop]*100001)".into(),
        format!("tcp(dport={}1{})", "[".repeat(20), "]*9".repeat(20)),
        "tcp(dport=[]*99999999999999999999999)".into(),
        "tcp(dport=[".to_string() + &"1,".repeat(500_000) + "])",
        "ip(".repeat(100_000),
        r#""A"*65535"#.repeat(90_000),
        format!("payload(load=[{}])", r#""A"*65535,"#.repeat(90_000)),
        "x".repeat(2_000_000),
        format!("ip({}=3)", "x".repeat(1_000_000)),
    ] {
        assert!(text.parse::<Packet>().is_err(), "{}...", &text[..20]);
    }
    let all = read("ip(src=0.0.0.0/0, dst=0.0.0.0/0)/tcp(seq=0..4294967295)");
    assert_eq!(all.count(), u64::MAX);
}

/// Any value of this shape.
fn value(shape: Shape, depth: u32) -> BoxedStrategy<Value> {
    match shape {
        Shape::Bits(bits) | Shape::Flags(bits, _) => {
            let most = u64::MAX >> (64 - u32::from(bits));
            prop_oneof![0..=most.min(20), 0..=most].prop_map(Value::Number).boxed()
        }
        Shape::Mac => any::<[u8; 6]>().prop_map(|bytes| Value::Mac(crate::base::Mac(bytes))).boxed(),
        Shape::V4 => any::<std::net::Ipv4Addr>().prop_map(Value::V4).boxed(),
        Shape::V6 => any::<std::net::Ipv6Addr>().prop_map(Value::V6).boxed(),
        Shape::Fixed(most) => bytes(most.min(20)).prop_map(Value::Bytes).boxed(),
        Shape::Bytes => bytes(40).prop_map(Value::Bytes).boxed(),
        Shape::Name => prop_oneof![
            "([a-zA-Z0-9_-]{1,20}(\\.[a-z]{1,9}){0,3})?".prop_map(Value::Name),
            bytes(9).prop_map(Value::Bytes)
        ]
        .boxed(),
        Shape::Layers(kinds) => {
            let kinds: Vec<&'static Kind> = kinds.iter().collect();
            let entry = prop::sample::select(kinds).prop_flat_map(move |kind| layer(kind, depth + 1));
            prop::collection::vec(entry, 0..4).prop_map(Value::Layers).boxed()
        }
        Shape::List(shape) => prop::collection::vec(value(*shape, depth), 0..4).prop_map(Value::List).boxed(),
    }
}

fn bytes(most: usize) -> BoxedStrategy<Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..=most),
        "[ -~\n\té包\"\\\\]{0,40}".prop_map(move |text| text.bytes().take(most).collect()),
        (any::<u8>(), 0..=most).prop_map(|(byte, count)| vec![byte; count]),
    ]
    .boxed()
}

/// Anything that a field can be set to.
fn choice(field: &'static Field, depth: u32) -> BoxedStrategy<Choice> {
    let one = move || value(field.shape, depth).prop_map(Choice::One);
    let range = move || {
        (value(field.shape, depth), value(field.shape, depth)).prop_map(|(a, b)| {
            let upwards = match (&a, &b) {
                (Value::Number(a), Value::Number(b)) => a <= b,
                (Value::V4(a), Value::V4(b)) => a <= b,
                (Value::V6(a), Value::V6(b)) => a <= b,
                (Value::Mac(a), Value::Mac(b)) => a <= b,
                _ => return Choice::One(a),
            };
            if upwards { Choice::Range(a, b) } else { Choice::Range(b, a) }
        })
    };
    let is_list = matches!(field.shape, Shape::Layers(_) | Shape::List(_));
    let limits = match field.shape {
        Shape::Bits(bits) | Shape::Flags(bits, _) => Some(u64::MAX >> (64 - u32::from(bits))),
        Shape::V4 => Some(u64::from(u32::MAX)),
        Shape::Mac => Some((1 << 48) - 1),
        Shape::Bytes | Shape::Name => Some(60),
        _ => None,
    };
    let random = limits.map(|most| (0..=most, 0..=most).prop_map(|(a, b)| Some((a.min(b), a.max(b)))));
    let random = random.map_or_else(|| Just(None).boxed(), |limits| prop_oneof![limits, Just(None)].boxed());
    let several = prop::collection::vec(if is_list { one().boxed() } else { range().boxed() }, 1..4);
    let may_be_bad = matches!((field.shape, field.fill), (Shape::Bits(_), Fill::Rule(rule)) if !matches!(rule, Rule::Reach(_)));
    prop_oneof![
        4 => one(),
        1 => range(),
        1 => if is_list { one().boxed() } else { random.prop_map(Choice::Random).boxed() },
        1 => several.prop_map(Choice::Any),
        1 => if may_be_bad { Just(Choice::Bad).boxed() } else { one().boxed() },
    ]
    .boxed()
}

fn layer(kind: &'static Kind, depth: u32) -> BoxedStrategy<Layer> {
    let fields = if depth > 2 { &[] } else { kind.fields };
    let places = prop::sample::subsequence((0..fields.len()).collect::<Vec<_>>(), 0..=fields.len().min(4));
    let set = places.prop_flat_map(move |places| {
        places.into_iter().map(move |at| (Just(at), choice(&kind.fields[at], depth))).collect::<Vec<_>>()
    });
    (set, prop::bool::weighted(0.1))
        .prop_map(move |(set, fuzz)| {
            let mut layer = Layer::new(kind);
            set.into_iter().for_each(|(at, choice)| layer.place(at, choice));
            layer.fuzz = fuzz;
            let told = layer.clone();
            layer.set.retain(|(at, _)| told.lacks(&kind.fields[*at]).is_none());
            layer
        })
        .boxed()
}

fn packet() -> impl Strategy<Value = Packet> {
    let layer = prop::sample::select(KINDS.to_vec()).prop_flat_map(|kind| layer(kind, 0));
    prop::collection::vec(layer, 1..4).prop_map(|layers| Packet { layers })
}

proptest! {
    #[test]
    fn a_packet_survives_being_written(packet in packet()) {
        let text = packet.to_string();
        let again = text.parse::<Packet>();
        prop_assert_eq!(again.map_err(|error| format!("{text}: {error}")), Ok(packet));
    }

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        let _ = text.parse::<Packet>();
    }

    #[test]
    fn what_looks_like_an_expression_is_read_or_refused(
        text in "(ip|tcp|fuzz|rand|hex|file|IP|None|ttl=|options=|[0-9]{1,3}|\\.\\.|[\\[\\]()/,.:='\"*+ -]){0,30}"
    ) {
        let _ = text.parse::<Packet>();
    }

    #[test]
    fn a_mistake_is_never_beyond_the_text(packet in packet(), at: prop::sample::Index, c in any::<char>()) {
        let mut text: Vec<char> = packet.to_string().chars().collect();
        let at = at.index(text.len());
        text[at] = c;
        if let Err(error) = text.iter().collect::<String>().parse::<Packet>() {
            prop_assert!(error.column <= text.len() && error.width <= text.len() + 1, "{error:?}");
            prop_assert!(!error.what.is_empty());
        }
    }
}
