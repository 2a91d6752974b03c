//! How packets are shown: tree, hex with the layers marked, explanation of every byte; held by files in tests/show/.
//! SOCKATOO_BLESS=1 writes them anew: what changes in them is seen in review.

use sockatoo::base::LinkType;
use sockatoo::wire::packet::{Dissection, Nowhere, Packet};
use sockatoo::wire::show::{
    Difference, Ignored, Line, What, difference_lines, differences, explain, hexdump, tree,
};
use sockatoo::wire::summary;

const WIDTH: usize = 100;

/// A file's name, and the packet in it.
const BUILT: &[(&str, &str)] = &[
    (
        "tcp_syn",
        "ether/ip(dst=192.0.2.1, ttl=3)/tcp(dport=80, flags=S, options=[mss(1460), nop, wscale(7), sack_permitted])",
    ),
    (
        "wrong_checksum",
        "ip(src=192.0.2.2, dst=192.0.2.1, checksum=bad, flags=DF)/udp(dport=33434, len=9)/\"hello\"",
    ),
    (
        "vlan_arp",
        "ether(src=02:00:00:00:00:01)/dot1q(vlan=5, prio=3)/arp(op=who-has, spa=192.0.2.2, tpa=192.0.2.1)",
    ),
    ("record_route", "ip(dst=192.0.2.1, options=[rr(routers=[192.0.2.9, 0.0.0.0])])/icmp/\"abcdefgh\""),
    (
        "long_payload",
        "ipv6(src=2001:db8::1, dst=2001:db8::2)/udp(sport=7, dport=9)/\"The quick brown fox jumps over the lazy dog, again and again and again and again, until it sleeps.\\n\"",
    ),
];

fn build(expression: &str) -> Dissection {
    let packet: Packet = expression.parse().unwrap_or_else(|e| panic!("{expression}: {e}"));
    packet.build(&Nowhere).unwrap_or_else(|e| panic!("{expression}: {e}"))
}

fn lines(lines: &[Line]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn views(packet: &Dissection) -> String {
    [
        format!("{}\n", summary(packet.link, &packet.bytes)),
        lines(&tree(packet, WIDTH)),
        lines(&hexdump(packet)),
        lines(&explain(packet, WIDTH)),
    ]
    .join("\n")
}

/// Compares a text with that of a file.
fn held(name: &str, text: &str) {
    let path = format!("{}/tests/show/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("SOCKATOO_BLESS").is_some() {
        std::fs::write(&path, text).expect("written");
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        wanted == text,
        "{path} holds something else; now it is\n{text}\n(SOCKATOO_BLESS=1 writes it anew)"
    );
    // But for the expression and the summary, which are the first two lines.
    let wide = text.lines().skip(2).find(|line| line.chars().count() > WIDTH);
    assert_eq!(wide, None, "wider than {WIDTH}");
}

#[test]
fn packets_that_were_built() {
    for (name, expression) in BUILT {
        held(name, &format!("{expression}\n{}", views(&build(expression))));
    }
}

#[test]
fn packets_that_were_read() {
    // The same bytes: nobody knows any more who has set what. And cut short, within TCP's options.
    let built = build(BUILT[0].1);
    held("read", &views(&Dissection::of(LinkType::Ethernet, &built.bytes)));
    held("cut_short", &views(&Dissection::of(LinkType::Ethernet, &built.bytes[..57])));
}

/// Whatever a packet's bytes are, it can be shown in any width, and no line is wider.
#[test]
fn any_bytes_in_any_width() {
    for (_, expression) in BUILT {
        let built = build(expression);
        for at in 0..built.bytes.len() {
            let mut bytes = built.bytes.clone();
            bytes[at] ^= 0xff;
            for packet in [Dissection::of(built.link, &bytes), Dissection::of(built.link, &bytes[..at])] {
                for width in [0, 40, 100, 1000] {
                    tree(&packet, width);
                    let wide = explain(&packet, width).iter().map(Line::width).max();
                    assert!(wide <= Some(width.max(80)), "{wide:?} at {width}");
                }
                hexdump(&packet);
                let found = differences(&built, &packet, &Ignored::default());
                assert_eq!(found.is_empty(), built.bytes == packet.bytes, "{expression}, byte {at}");
                difference_lines(&found, 100);
            }
        }
    }
}

/// Every byte is explained: the column of bytes holds all of them, some as bits.
#[test]
fn no_byte_is_left_out() {
    for (name, expression) in BUILT {
        let packet = build(expression);
        let mut told = vec![false; packet.bytes.len()];
        let mut at = 0;
        for line in explain(&packet, WIDTH).iter().skip(1).map(Line::to_string) {
            // A heading begins at the left; the offset is missing where a field goes on.
            if !line.starts_with("  ") {
                continue;
            }
            let cell = |from: usize, len: usize| line.chars().skip(from).take(len).collect::<String>();
            at = cell(0, 5).trim().parse().unwrap_or(at);
            let bytes = cell(7, 20);
            let count = match bytes.trim().strip_prefix("… ") {
                Some(more) => more.trim_end_matches(" more").parse().expect("a number"),
                None if bytes.contains('.') => bytes.replace(' ', "").len() / 8,
                None => bytes.split_whitespace().count(),
            };
            told[at..at + count].fill(true);
            at += count;
        }
        assert_eq!(told.iter().position(|told| !told), None, "{name}");
    }
}

#[test]
fn differences_of_two_packets() {
    let a =
        build("ether/ip(src=192.0.2.2, dst=192.0.2.1)/tcp(flags=S, options=[mss(1460)])/\"hello, world\"");
    let b = build(
        "ether/dot1q(vlan=5)/ip(src=192.0.2.2, dst=192.0.2.1, ttl=63)/tcp(flags=SA, options=[mss(1400), nop])/\"hallo, World\"",
    );
    let found = differences(&a, &b, &Ignored::default());
    held("differences", &lines(&difference_lines(&found, WIDTH)));
    assert!(differences(&a, &a, &Ignored::default()).is_empty());

    let find = |path: &str| found.iter().find(|d| d.path == path).map(|Difference { what, .. }| what.clone());
    assert_eq!(find("ip.ttl"), Some(What::Value("64".into(), "63".into())));
    assert_eq!(find("tcp.options.mss.mss"), Some(What::Value("1460".into(), "1400".into())));
    assert_eq!(find("payload.load"), Some(What::Bytes(b"hello, world".into(), b"hallo, World".into())));

    let mut ignored = Ignored::default();
    for path in ["dot1q", "ether.type", "IP.ttl", "ip.len", "ip.chksum", "tcp", "payload"] {
        ignored.add(path).unwrap_or_else(|e| panic!("{e}"));
    }
    assert_eq!(differences(&a, &b, &ignored), []);
    assert!(Ignored::default().add("ip.tl").is_err() && Ignored::default().add("tpc").is_err());
}
