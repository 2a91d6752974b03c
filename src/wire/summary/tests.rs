use std::fmt::Write;

use proptest::prelude::*;

use super::*;

/// Bytes from hex; blanks don't count.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|d| u8::from_str_radix(std::str::from_utf8(d).unwrap(), 16).unwrap()).collect()
}

/// An IPv4 packet from 192.0.2.2 to 192.0.2.1 with both checksums right; the transport's is at `sum`.
fn ipv4(protocol: u8, payload: &str, sum: Option<usize>) -> Vec<u8> {
    let mut payload = hex(payload);
    let (a, b) = ([192, 0, 2, 2], [192, 0, 2, 1]);
    if let Some(at) = sum {
        let value = match protocol {
            1 | 2 => super::super::checksum(&payload),
            _ => super::super::transport_checksum(a.into(), b.into(), protocol, &payload),
        };
        payload[at..at + 2].copy_from_slice(&value.to_be_bytes());
    }
    let mut packet = hex("4500 0000 1234 4000 40 00 0000 c0000202 c0000201");
    packet[2..4].copy_from_slice(&(20 + payload.len() as u16).to_be_bytes());
    packet[9] = protocol;
    let value = super::super::checksum(&packet);
    packet[10..12].copy_from_slice(&value.to_be_bytes());
    packet.extend(payload);
    packet
}

fn line(packet: &[u8]) -> String {
    summary(LinkType::Ip, packet)
}

const SYN: &str =
    "c000 0050 00000064 00000000 a002 faf0 0000 0000 0204 05b4 0402 080a 00000001 00000000 01 030307";

#[test]
fn tcp() {
    let syn = ipv4(6, SYN, Some(16));
    let said = "IP 192.0.2.2.49152 > 192.0.2.1.80: Flags [S], seq 100, win 64240, \
                options [mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7], length 0";
    assert_eq!(line(&syn), said);
    let mut tracker = Tracker::new();
    assert!(tracker.summary(LinkType::Ip, &syn).contains("seq 100, win"));
    let data = ipv4(6, "c000 0050 00000065 00000007 5018 faf0 0000 0000 474554", Some(16));
    assert_eq!(
        tracker.summary(LinkType::Ip, &data),
        "IP 192.0.2.2.49152 > 192.0.2.1.80: Flags [P.], seq 1:4, ack 1, win 64240, length 3"
    );
    let mut bad = data.clone();
    bad[40] ^= 1;
    assert!(line(&bad).ends_with("length 3 [bad TCP checksum]"), "{}", line(&bad));
    assert!(line(&data[..42]).ends_with("length 3 [truncated TCP]"), "{}", line(&data[..42]));
    assert_eq!(line(&data[..30]), "IP 192.0.2.2 > 192.0.2.1: TCP, length 23 [truncated TCP]");
    assert_eq!(line(&data[..19]), "not a packet [truncated IP]");
}

#[test]
fn ethernet_and_arp() {
    let arp =
        "ffffffffffff 020000000002 0806 0001 0800 06 04 0001 020000000002 c0000202 000000000000 c0000201";
    assert_eq!(summary(LinkType::Ethernet, &hex(arp)), "ARP, who has 192.0.2.1, tell 192.0.2.2");
    let tagged = arp.replacen("0806", "8100 0007 0806", 1).replacen("0001 02", "0002 02", 1);
    assert_eq!(summary(LinkType::Ethernet, &hex(&tagged)), "vlan 7, ARP, 192.0.2.2 is at 02:00:00:00:00:02");
    let other = summary(LinkType::Ethernet, &hex("ffffffffffff 020000000002 88cc 0000"));
    assert_eq!(other, "02:00:00:00:00:02 > ff:ff:ff:ff:ff:ff, ethertype 0x88cc, length 2");
    assert_eq!(summary(LinkType::Ethernet, &[0; 13]), "not a packet [truncated Ethernet]");
}

#[test]
fn udp_and_dns() {
    assert_eq!(
        line(&ipv4(17, "1000 0009 000a 0000 6869", Some(6))),
        "IP 192.0.2.2.4096 > 192.0.2.1.9: UDP, length 2"
    );
    let question = "03777777 076578616d706c65 036f7267 00 001c 0001";
    let ask = format!("1000 0035 0029 0000 1234 0100 0001 0000 0000 0000 {question}");
    assert!(line(&ipv4(17, &ask, Some(6))).ends_with(": DNS 4660+ AAAA? www.example.org., length 33"));
    let none = format!("0035 1000 0029 0000 1234 8183 0001 0000 0000 0000 {question}");
    assert!(line(&ipv4(17, &none, Some(6))).contains("DNS 4660 NXDomain to AAAA? www.example.org."));
}

#[test]
fn icmp_and_igmp() {
    assert_eq!(
        line(&ipv4(1, "0800 0000 0007 0001 00", Some(2))),
        "IP 192.0.2.2 > 192.0.2.1: ICMP echo request, id 7, seq 1, length 9"
    );
    let mut quote = String::new();
    for byte in &ipv4(17, "1000 0009 000a 0000", None) {
        write!(quote, "{byte:02x}").unwrap();
    }
    assert_eq!(
        line(&ipv4(1, &format!("0303 0000 00000000 {quote}"), Some(2))),
        "IP 192.0.2.2 > 192.0.2.1: ICMP port unreachable (UDP 192.0.2.2.4096 > 192.0.2.1.9), length 36"
    );
    assert!(
        line(&ipv4(1, &format!("0304 0000 00000240 {quote}"), Some(2)))
            .contains("fragmentation needed, mtu 576 (")
    );
    assert!(line(&ipv4(2, "1600 0000 e9fc0001", Some(2))).contains("IGMP v2 report 233.252.0.1, length 8"));
}

#[test]
fn ipv6() {
    let addresses = "20010db8000000000000000000000002 20010db8000000000000000000000001";
    let packet = |next: &str, body: &str| {
        let mut packet = hex(&format!("60000000 0000 {next} 40 {addresses} {body}"));
        let len = (packet.len() - 40) as u16;
        packet[4..6].copy_from_slice(&len.to_be_bytes());
        line(&packet)
    };
    let start = "IP6 2001:db8::2 > 2001:db8::1: ";
    let solicit = packet("3a", "8700 0000 00000000 20010db8000000000000000000000001");
    assert_eq!(
        solicit,
        format!("{start}ICMP6 neighbor solicitation, who has 2001:db8::1, length 24 [bad ICMP6 checksum]")
    );
    assert_eq!(
        packet("00", "2c00 0502 0000 0000  1100 05a9 0000002a  0102030405060708"),
        format!("{start}hop-by-hop, fragment 1448-1456 of id 42, UDP, length 8"),
    );
    assert_eq!(
        packet("3c", "11ff 0000"),
        format!("{start}destination options, protocol 60, length 4 [truncated destination options]")
    );
}

proptest! {
    #[test]
    fn any_bytes_have_a_line(bytes in prop::collection::vec(any::<u8>(), 0..200), ip in any::<bool>()) {
        let link = if ip { LinkType::Ip } else { LinkType::Ethernet };
        prop_assert!(!Tracker::new().summary(link, &bytes).is_empty());
    }

    #[test]
    fn bytes_after_a_valid_start_have_a_line(
        start in prop::sample::select(vec![
            "4500 0040 0000 0000 40 06 0000 c0000202 c0000201", "4f00 0040 0000 2000 40 01 0000 c0000202 c0000201",
            "4500 0040 0000 0000 40 11 0000 c0000202 c0000201 0035 0035 0030 0000",
            "60000000 0040 3a 40 20010db8000000000000000000000002 20010db8000000000000000000000001",
            "60000000 0040 00 40 20010db8000000000000000000000002 20010db8000000000000000000000001",
        ]),
        rest in prop::collection::vec(any::<u8>(), 0..120),
        kind in prop::sample::select(vec![0u8, 1, 2, 3, 8, 11, 128, 130, 133, 134, 135, 136, 137, 143, 0xff]),
    ) {
        let mut bytes = hex(start);
        let at = bytes.len();
        bytes.extend(rest);
        if let Some(first) = bytes.get_mut(at) {
            *first = kind;
        }
        prop_assert!(!line(&bytes).is_empty());
    }
}
