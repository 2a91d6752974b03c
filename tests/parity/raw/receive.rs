//! Who gets which datagram.

use sockatoo::base::constants::*;

use sockatoo::wire::transport_checksum;

use super::{EXPERIMENT, packet, packet6};
use crate::arm::Fd;
use crate::dialogue::Dialogue;

/// A UDP datagram on `lo`, and whether its checksum is right.
fn udp_copy(t: &mut Dialogue, s: Fd) {
    t.wait(s, POLLIN);
    let packet = t.take_quietly(s, 100).unwrap_or_default();
    let (lo, header) = (t.ip.lo(), if t.ip.af() == AF_INET { 20 } else { 0 });
    let udp = packet.get(header..).unwrap_or_default();
    t.note(format!("{:02x?} {:?}", udp.get(..6), udp.get(8..).map(String::from_utf8_lossy)));
    let right = transport_checksum(lo, lo, IPPROTO_UDP as u8, udp) == 0;
    t.note(format!("the checksum is right: {right}"));
}

twins! {
    fn each_gets_its_copy(t) in Lo {
        let (a, b, c) = (t.raw(EXPERIMENT), t.raw(EXPERIMENT), t.raw(EXPERIMENT + 1));
        t.sendto(a, b"hello", 0, (t.ip.lo(), 0));
        t.packet(a);
        t.packet(b);
        t.nothing(c);
        t.nothing(a);
    }

    fn over_the_wire(t) in Wire {
        let (s, other) = (t.raw(EXPERIMENT), t.socket_on(1, t.ip.af(), SOCK_RAW, EXPERIMENT));
        t.sendto(s, b"over the wire", 0, (t.ip.on_wire(1), 0));
        t.packet(other);
        t.nothing(s);
    }

    fn the_bound_address_counts(t) in Wire {
        let s = t.raw(EXPERIMENT);
        let (here, lo) = (t.raw(EXPERIMENT), t.raw(EXPERIMENT));
        t.bind(here, (t.ip.on_wire(0), 0));
        t.bind(lo, (t.ip.lo(), 0));
        t.sendto(s, b"to w0", 0, (t.ip.on_wire(0), 0));
        t.packet(here);
        t.nothing(lo);
        t.sendto(s, b"to lo", 0, (t.ip.lo(), 0));
        t.packet(lo);
        t.nothing(here);
    }

    fn the_peer_counts(t) in Wire {
        let (s, friend) = (t.raw(EXPERIMENT), t.raw(EXPERIMENT));
        t.connect(friend, (t.ip.on_wire(1), 0));
        t.sendto(s, b"from here", 0, (t.ip.on_wire(0), 0));
        t.nothing(friend);
        let other = t.socket_on(1, t.ip.af(), SOCK_RAW, EXPERIMENT);
        t.sendto(other, b"from there", 0, (t.ip.on_wire(0), 0));
        t.packet(friend);
    }

    fn udp_is_seen_beside_its_socket(t) in Lo {
        let s = t.raw(IPPROTO_UDP);
        let udp = t.udp_at(5000);
        t.sendto(udp, b"both", 0, (t.ip.lo(), 5000));
        udp_copy(t, s);
        t.recv(udp, 100, 0);
        t.bind(s, (t.ip.lo(), 0));
        t.sendto(udp, b"nobody", 0, (t.ip.lo(), 5001));
        udp_copy(t, s);
    }

    fn a_raw_socket_does_not_save_a_port(t) in Lo {
        let s = t.raw(IPPROTO_UDP);
        let udp = t.udp();
        t.connect(udp, (t.ip.lo(), 5001));
        t.send(udp, b"x", 0);
        t.wait(udp, POLLERR);
        t.so_error(udp);
        t.ioctl(s, FIONREAD);
    }

    fn echo_is_seen_and_answered(t) in Wire {
        let s = t.raw(t.icmp());
        let other = t.socket_on(1, t.ip.af(), SOCK_RAW, t.icmp());
        // Neighbours find each other by ICMPv6.
        for socket in [s, other] {
            let keep: Vec<u8> = if t.ip.af() == AF_INET { vec![0; 4] } else {
                let mut filter = [0xff_u8; 32];
                filter[16] = 0xfc;
                filter.to_vec()
            };
            let (level, name) =
                if t.ip.af() == AF_INET { (SOL_RAW, ICMP_FILTER) } else { (SOL_ICMPV6, ICMP6_FILTER) };
            t.setsockopt(socket, level, name, &keep);
        }
        let request = t.echo(1);
        t.sendto(s, &request, 0, (t.ip.on_wire(1), 0));
        t.packet(other);
        t.packet(s);
        t.nothing(s);
    }

    fn an_icmp_filter_is_kept(t) in Lo {
        let s = t.raw(t.icmp());
        let (level, name, len) =
            if t.ip.af() == AF_INET { (SOL_RAW, ICMP_FILTER, 4) } else { (SOL_ICMPV6, ICMP6_FILTER, 32) };
        t.getsockopt(s, level, name, len);
        t.getsockopt(s, level, name, 2);
        t.getsockopt(s, level, name, 64);
        t.setsockopt(s, level, name, &vec![0xa5; len]);
        t.getsockopt(s, level, name, len);
        t.setsockopt(s, level, name, &[1, 2]);
        t.getsockopt(s, level, name, len);
        t.setsockopt(s, level, name, &vec![7; len + 8]);
        t.getsockopt(s, level, name, len);
        t.setsockopt(s, level, name, &[]);
        t.setsockopt(s, level, 77, &[0; 4]);
        t.getsockopt(s, level, 77, 4);
    }

    fn an_icmp_filter_filters(t) in Lo {
        let (s, all) = (t.raw(t.icmp()), t.raw(t.icmp()));
        let (level, name) =
            if t.ip.af() == AF_INET { (SOL_RAW, ICMP_FILTER) } else { (SOL_ICMPV6, ICMP6_FILTER) };
        // No requests.
        let mut filter = vec![0_u8; if t.ip.af() == AF_INET { 4 } else { 32 }];
        filter[if t.ip.af() == AF_INET { 1 } else { 16 }] = 1;
        t.setsockopt(s, level, name, &filter);
        let request = t.echo(1);
        t.sendto(all, &request, 0, (t.ip.lo(), 0));
        t.packet(all);
        t.packet(all);
        t.packet(s);
        t.nothing(s);
    }

    fn a_filter_of_another_protocol(t) in Lo {
        let s = t.raw(EXPERIMENT);
        t.setsockopt(s, SOL_RAW, ICMP_FILTER, &[0; 4]);
        t.getsockopt(s, SOL_RAW, ICMP_FILTER, 4);
        t.setsockopt(s, SOL_ICMPV6, ICMP6_FILTER, &[0; 32]);
        t.getsockopt(s, SOL_ICMPV6, ICMP6_FILTER, 32);
    }

    fn an_unknown_protocol_is_answered_unless_taken(t) in Wire {
        let s = t.raw(EXPERIMENT);
        if t.ip.af() == AF_INET { t.set(s, SOL_IP, IP_RECVERR, 1) } else { t.set(s, SOL_IPV6, IPV6_RECVERR, 1) };
        t.sendto(s, b"12345678", 0, (t.ip.on_wire(1), 0));
        t.wait(s, POLLERR);
        t.recvmsg(s, 100, MSG_ERRQUEUE);
        t.so_error(s);
        let other = t.socket_on(1, t.ip.af(), SOCK_RAW, EXPERIMENT);
        t.sendto(s, b"12345678", 0, (t.ip.on_wire(1), 0));
        t.packet(other);
        t.recvmsg(s, 100, MSG_ERRQUEUE);
    }

    fn bound_elsewhere_it_takes_nothing(t) in Wire {
        let s = t.raw(EXPERIMENT);
        if t.ip.af() == AF_INET { t.set(s, SOL_IP, IP_RECVERR, 1) } else { t.set(s, SOL_IPV6, IPV6_RECVERR, 1) };
        let other = t.socket_on(1, t.ip.af(), SOCK_RAW, EXPERIMENT);
        t.bind(other, (t.ip.lo(), 0));
        t.sendto(s, b"12345678", 0, (t.ip.on_wire(1), 0));
        t.wait(s, POLLERR);
        t.recvmsg(s, 100, MSG_ERRQUEUE);
    }

    fn fragments_come_as_one(t) in Wire {
        let (s, other) = (t.raw(EXPERIMENT), t.socket_on(1, t.ip.af(), SOCK_RAW, EXPERIMENT));
        t.sendto(s, &vec![b'f'; 5000], 0, (t.ip.on_wire(1), 0));
        t.wait(other, POLLIN);
        t.ioctl(other, FIONREAD);
        let got = t.take_quietly(other, 70_000).unwrap_or_default();
        t.note(format!("{} bytes, the last {:?}", got.len(), got.last()));
        t.nothing(other);
    }

    fn peek_and_truncate(t) in Lo {
        let s = t.raw(EXPERIMENT);
        t.sendto(s, b"0123456789", 0, (t.ip.lo(), 0));
        t.wait(s, POLLIN);
        t.poll(s);
        t.ioctl(s, FIONREAD);
        t.recv(s, 1, MSG_PEEK);
        t.recv(s, 1, MSG_PEEK | MSG_TRUNC);
        t.recvmsg(s, 1, 0);
        t.nothing(s);
        t.sendto(s, b"", 0, (t.ip.lo(), 0));
        t.wait(s, POLLIN);
        t.ioctl(s, FIONREAD);
        t.packet(s);
        t.ioctl(s, SIOCOUTQ);
    }

    fn what_is_known_of_a_datagram(t) in Wire {
        let s = t.raw(EXPERIMENT);
        let other = t.socket_on(1, t.ip.af(), SOCK_RAW, EXPERIMENT);
        if t.ip.af() == AF_INET {
            for name in [IP_PKTINFO, IP_RECVTTL, IP_RECVTOS] {
                t.set(other, SOL_IP, name, 1);
            }
            t.set(s, SOL_IP, IP_TOS, 0x28);
            t.set(s, SOL_IP, IP_TTL, 9);
        } else {
            for name in [IPV6_RECVPKTINFO, IPV6_RECVHOPLIMIT, IPV6_RECVTCLASS] {
                t.set(other, SOL_IPV6, name, 1);
            }
            t.set(s, SOL_IPV6, IPV6_TCLASS, 0x28);
            t.set(s, SOL_IPV6, IPV6_UNICAST_HOPS, 9);
        }
        t.sendto(s, b"x", 0, (t.ip.on_wire(1), 0));
        t.wait(other, POLLIN);
        // The identification is each side's own: only what stands beside the data.
        t.recvmsg(other, 0, 0);
    }

    fn a_full_buffer_drops(t) in Lo {
        let s = t.raw(EXPERIMENT);
        t.set(s, SOL_SOCKET, SO_RCVBUF, 0);
        t.set(s, SOL_SOCKET, SO_RXQ_OVFL, 1);
        for _ in 0..20 {
            t.sendto_quietly(s, &[b'x'; 1000], (t.ip.lo(), 0));
        }
        let mut got = 0;
        while t.take_quietly(s, 2000).is_some() {
            got += 1;
        }
        t.note(format!("fewer than 20: {}", got < 20));
        let mut words = t.arm.getsockopt(s, SOL_SOCKET, SO_MEMINFO, 36).unwrap_or_default().split_off(32);
        words.truncate(4);
        let drops = u32::from_ne_bytes(words.try_into().unwrap_or_default());
        t.note(format!("drops and received make {}", got + drops));
        t.sendto(s, b"x", 0, (t.ip.lo(), 0));
        t.wait(s, POLLIN);
        let told = t.arm.recvmsg(s, 0, 0).map(|r| r.control.len());
        t.note(format!("beside the next one stand {told:?} messages (SO_RXQ_OVFL)"));
    }

    fn multicast_groups(t) in Wire {
        let (s, member) = (t.raw(EXPERIMENT), t.socket_on(1, t.ip.af(), SOCK_RAW, EXPERIMENT));
        let deaf = t.socket_on(1, t.ip.af(), SOCK_RAW, EXPERIMENT);
        let there = t.index_of(1, "w0").to_ne_bytes();
        let here = t.index_of(0, "w0").to_ne_bytes();
        let (std::net::IpAddr::V4(_), group) = (t.ip.lo(), t.ip.group()) else {
            let std::net::IpAddr::V6(group) = t.ip.group() else { return };
            t.set(deaf, SOL_IPV6, IPV6_MULTICAST_ALL, 0);
            t.setsockopt_as(s, SOL_IPV6, IPV6_MULTICAST_IF, &here, "w0");
            t.sendto(s, b"nobody", 0, (group, 0));
            t.sendto(s, b"meanwhile", 0, (t.ip.on_wire(1), 0));
            t.packet(member);
            t.packet(deaf);
            t.setsockopt_as(member, SOL_IPV6, IPV6_JOIN_GROUP, &[&group.octets()[..], &there].concat(), "w0");
            t.sendto(s, b"to the group", 0, (group, 0));
            t.packet(member);
            t.packet(deaf);
            t.nothing(s);
            return;
        };
        let std::net::IpAddr::V4(group4) = group else { return };
        t.set(deaf, SOL_IP, IP_MULTICAST_ALL, 0);
        t.setsockopt_as(s, SOL_IP, IP_MULTICAST_IF, &[&[0; 8][..], &here].concat(), "w0");
        t.sendto(s, b"nobody", 0, (group, 0));
        t.sendto(s, b"meanwhile", 0, (t.ip.on_wire(1), 0));
        t.packet(member);
        t.packet(deaf);
        let request = [&group4.octets()[..], &[0; 4], &there].concat();
        t.setsockopt_as(member, SOL_IP, IP_ADD_MEMBERSHIP, &request, "w0");
        t.sendto(s, b"to the group", 0, (group, 0));
        t.packet(member);
        t.nothing(deaf);
        t.nothing(s);
    }

    fn the_sender_hears_its_own_group(t) in Wire {
        let s = t.raw(EXPERIMENT);
        let here = t.index_of(0, "w0").to_ne_bytes();
        match t.ip.group() {
            std::net::IpAddr::V6(group) => {
                t.setsockopt_as(s, SOL_IPV6, IPV6_MULTICAST_IF, &here, "w0");
                t.setsockopt_as(s, SOL_IPV6, IPV6_JOIN_GROUP, &[&group.octets()[..], &here].concat(), "w0");
            }
            std::net::IpAddr::V4(group) => {
                t.setsockopt_as(s, SOL_IP, IP_MULTICAST_IF, &[&[0; 8][..], &here].concat(), "w0");
                let request = [&group.octets()[..], &[0; 4], &here].concat();
                t.setsockopt_as(s, SOL_IP, IP_ADD_MEMBERSHIP, &request, "w0");
            }
        }
        t.sendto(s, b"to us too", 0, (t.ip.group(), 0));
        t.packet(s);
        if t.ip.af() == AF_INET {
            t.set(s, SOL_IP, IP_MULTICAST_LOOP, 0);
        } else {
            t.set(s, SOL_IPV6, IPV6_MULTICAST_LOOP, 0);
        }
        t.sendto(s, b"to others only", 0, (t.ip.group(), 0));
        t.nothing(s);
    }

    fn the_send_only_socket(t) in Lo {
        let s = t.writer();
        let (from, to) = (t.ip.lo(), t.ip.lo());
        let bytes = if t.ip.af() == AF_INET {
            packet(from, to, IPPROTO_RAW, b"x")
        } else {
            packet6(from, to, IPPROTO_RAW, b"x")
        };
        t.sendto(s, &bytes, 0, (to, 0));
        let got = t.take_quietly(s, 100);
        t.note(format!("comes back: {}", got.is_some()));
    }
}

case! {
    fn broadcasts_are_heard_by_the_unbound(t) in Wire {
        let s = t.raw(EXPERIMENT);
        let other = t.socket_on(1, AF_INET, SOCK_RAW, EXPERIMENT);
        let bound = t.socket_on(1, AF_INET, SOCK_RAW, EXPERIMENT);
        t.bind(bound, (t.ip.on_wire(1), 0));
        let all = std::net::Ipv4Addr::new(192, 0, 2, 255);
        t.sendto(s, b"to all", 0, (all, 0));
        t.set(s, SOL_SOCKET, SO_BROADCAST, 1);
        t.sendto(s, b"to all", 0, (all, 0));
        t.packet(other);
        t.nothing(bound);
        t.packet(s);
        t.bind(bound, (all, 0));
        t.sendto(s, b"to all", 0, (all, 0));
        t.packet(bound);
    }

    fn a_wrong_icmp_checksum_is_shown(t) in Wire {
        let s = t.raw(IPPROTO_ICMP);
        let other = t.socket_on(1, AF_INET, SOCK_RAW, IPPROTO_ICMP);
        t.sendto(s, b"\x08\x00\xde\xad\x00\x01\x00\x01data", 0, (t.ip.on_wire(1), 0));
        t.packet(other);
        t.nothing(s);
    }

    fn a_short_icmp_message_is_filtered(t) in Lo {
        let s = t.raw(IPPROTO_ICMP);
        t.sendto(s, b"", 0, (t.ip.lo(), 0));
        t.sendto(s, b"\x08", 0, (t.ip.lo(), 0));
        t.sendto(s, b"\x08\x00\x00", 0, (t.ip.lo(), 0));
        t.nothing(s);
        t.sendto(s, b"\x30\x00\x00\x00\x00\x00\x00\x00", 0, (t.ip.lo(), 0));
        t.packet(s);
    }

    fn tcp_is_seen_beside_its_connection(t) in Lo {
        let s = t.raw(IPPROTO_TCP);
        t.listener(7000);
        let client = t.tcp();
        t.connect(client, (t.ip.lo(), 7000));
        t.wait(s, POLLIN);
        let mut flags = Vec::new();
        t.until(|t| {
            flags.extend(t.take_quietly(s, 100).and_then(|packet| packet.get(33).copied()));
            flags.len() == 3
        });
        t.note(format!("{flags:02x?}"));
    }
}
