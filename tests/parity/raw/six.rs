//! What IPv6 alone has.

use std::net::{IpAddr, Ipv6Addr};

use sockatoo::base::constants::*;

use super::{EXPERIMENT, packet6};
use crate::arm::Fd;
use crate::dialogue::Dialogue;

const LO: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

fn raw6(t: &mut Dialogue, protocol: i32) -> Fd {
    t.socket(AF_INET6, SOCK_RAW, protocol)
}

fn told(t: &mut Dialogue, s: Fd) {
    t.wait(s, POLLIN);
    let got = t.take_quietly(s, 70_000);
    t.note(format!("{got:02x?}"));
}

case! {
    fn over_the_loopback_nobody_asks_what_the_header_names(t) in Lo {
        let (s, hear) = (raw6(t, IPPROTO_RAW), raw6(t, EXPERIMENT));
        let of = |text: &str| text.parse::<IpAddr>().expect("an address");
        for (from, to) in [("::1", "2001:db8::9"), ("2001:db8::9", "::1"), ("::", "::1"), ("::1", "::"), ("fe80::1", "fe80::2"), ("::ffff:192.0.2.1", "::1")] {
            t.note(format!("{from} to {to}"));
            t.sendto(s, &packet6(of(from), of(to), EXPERIMENT, b"for whom?"), 0, (LO, 0));
            t.nothing(hear);
        }
        let icmp = raw6(t, IPPROTO_ICMPV6);
        let mut echo = t.echo(1);
        let sum = sockatoo::wire::transport_checksum(LO, of("2001:db8::9"), 58, &[&echo[..2], &[0, 0], &echo[4..]].concat());
        echo[2..4].copy_from_slice(&sum.to_be_bytes());
        t.sendto(s, &packet6(LO, of("2001:db8::9"), IPPROTO_ICMPV6, &echo), 0, (LO, 0));
        told(t, icmp);
        t.nothing(icmp);
    }

    fn a_group_named_by_the_header_over_the_loopback(t) in Lo {
        let (s, hear) = (raw6(t, IPPROTO_RAW), raw6(t, EXPERIMENT));
        let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 9).into();
        t.sendto(s, &packet6(LO, group, EXPERIMENT, b"group"), 0, (LO, 0));
        t.nothing(hear);
    }

    fn the_port_may_be_the_protocol(t) in Lo {
        let s = raw6(t, EXPERIMENT);
        for port in [0, 253, 9, 256, 509] {
            t.sendto(s, b"x", 0, (LO, port));
        }
        let any = raw6(t, IPPROTO_RAW);
        t.set(any, SOL_IPV6, IPV6_HDRINCL, 0);
        t.sendto(any, b"y", 0, (LO, 253));
        t.sendto(any, b"y", 0, (LO, 256));
        for _ in 0..3 {
            told(t, s);
        }
    }

    fn checksum_option(t) in Lo {
        for protocol in [EXPERIMENT, IPPROTO_ICMPV6] {
            let s = raw6(t, protocol);
            for level in [SOL_IPV6, SOL_RAW] {
                t.get(s, level, IPV6_CHECKSUM);
                for value in [4, 3, 0, -1, -7, 2] {
                    t.set(s, level, IPV6_CHECKSUM, value);
                    t.get(s, level, IPV6_CHECKSUM);
                }
                t.setsockopt(s, level, IPV6_CHECKSUM, &[2, 0]);
            }
        }
    }

    fn checksums_are_written(t) in Lo {
        let s = raw6(t, EXPERIMENT);
        t.set(s, SOL_IPV6, IPV6_CHECKSUM, 4);
        t.sendto(s, b"12345", 0, (LO, 0));
        t.sendto(s, b"123456", 0, (LO, 0));
        t.sendto(s, b"12345678", 0, (LO, 0));
        told(t, s);
        told(t, s);
    }

    fn checksums_are_verified(t) in Lo {
        let (s, plain) = (raw6(t, EXPERIMENT), raw6(t, EXPERIMENT));
        t.set(s, SOL_IPV6, IPV6_CHECKSUM, 0);
        t.sendto(plain, b"wrong", 0, (LO, 0));
        told(t, plain);
        t.recv(s, 100, MSG_DONTWAIT);
        t.sendto(s, b"..right", 0, (LO, 0));
        told(t, plain);
        told(t, s);
    }

    fn icmp_checksums_are_always_ours(t) in Lo {
        let s = raw6(t, IPPROTO_ICMPV6);
        t.sendto(s, b"\x80", 0, (LO, 0));
        t.sendto(s, b"\x80\x00\xff", 0, (LO, 0));
        t.sendto(s, b"\xc8\x00\xff\xff\x00\x01\x00\x02", 0, (LO, 0));
        told(t, s);
        t.set(s, SOL_RAW, IPV6_CHECKSUM, -1);
        t.sendto(s, b"\xc8\x00\xff\xff\x00\x01\x00\x02", 0, (LO, 0));
        told(t, s);
    }

    fn a_short_message_is_filtered(t) in Lo {
        let (s, hear) = (raw6(t, IPPROTO_RAW), raw6(t, IPPROTO_ICMPV6));
        for size in 0..4 {
            t.sendto(s, &packet6(LO, LO, IPPROTO_ICMPV6, &vec![0xc8; size]), 0, (LO, 0));
        }
        t.recv(hear, 100, MSG_DONTWAIT);
    }

    fn whole_packets(t) in Lo {
        let (s, hear) = (raw6(t, IPPROTO_RAW), raw6(t, EXPERIMENT));
        t.get(s, SOL_IPV6, IPV6_HDRINCL);
        t.sendto(s, &packet6(LO, LO, EXPERIMENT, b"whole"), 0, (LO, 0));
        told(t, hear);
        t.set(hear, SOL_IPV6, IPV6_HDRINCL, 1);
        t.sendto(hear, &packet6(LO, LO, EXPERIMENT, b"by another"), 0, (LO, 0));
        told(t, hear);
        t.setsockopt(s, SOL_IPV6, IPV6_HDRINCL, &[1]);
        let udp = t.socket(AF_INET6, SOCK_DGRAM, 0);
        t.set(udp, SOL_IPV6, IPV6_HDRINCL, 1);
    }

    fn whole_packets_that_are_none(t) in Lo {
        let s = raw6(t, IPPROTO_RAW);
        t.as_linux(s);
        for size in [0, 1, 39, 40] {
            t.sendto(s, &vec![0x60; size], 0, (LO, 0));
        }
        let mut seven = packet6(LO, LO, EXPERIMENT, b"x");
        seven[0] = 0x70;
        t.sendto(s, &seven, 0, (LO, 0));
    }

    fn a_whole_packet_over_the_mtu(t) in Wire {
        let s = raw6(t, IPPROTO_RAW);
        let to: IpAddr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2).into();
        for size in [1460, 1461] {
            t.sendto(s, &packet6(LO, to, EXPERIMENT, &vec![0; size]), 0, (to, 0));
        }
    }

    fn there_is_no_level_of_ipv4(t) in Lo {
        let s = raw6(t, EXPERIMENT);
        t.set(s, SOL_IP, IP_TTL, 3);
        t.get(s, SOL_IP, IP_TTL);
        t.set(s, SOL_IP, IP_HDRINCL, 1);
        t.get(s, SOL_RAW, ICMP_FILTER);
        t.set(s, SOL_IPV6, IPV6_V6ONLY, 1);
        t.get(s, SOL_IPV6, IPV6_V6ONLY);
    }

    fn only_ipv6_is_heard(t) in Lo {
        let s = raw6(t, EXPERIMENT);
        let four = t.socket(AF_INET, SOCK_RAW, EXPERIMENT);
        t.sendto(four, b"x", 0, (std::net::Ipv4Addr::LOCALHOST, 0));
        t.packet(four);
        t.recv(s, 100, MSG_DONTWAIT);
    }
}
