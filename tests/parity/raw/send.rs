//! Payloads, and the header that is made for them.

use sockatoo::base::ControlMessage;
use sockatoo::base::constants::*;

use super::EXPERIMENT;

twins! {
    fn to_nowhere(t) in Lo {
        let s = t.raw(EXPERIMENT);
        t.send(s, b"x", 0);
        t.sendto(s, b"x", 0, (t.ip.on_wire(1), 0));
        t.sendto(s, b"x", 0, (t.ip.any(), 0));
        t.packet(s);
    }

    fn to_another_family(t) in Lo {
        let s = t.raw(EXPERIMENT);
        if t.ip.af() == AF_INET {
            t.sendto(s, b"x", 0, (std::net::Ipv6Addr::LOCALHOST, 0));
        } else {
            t.sendto(s, b"x", 0, (std::net::Ipv4Addr::LOCALHOST, 0));
            t.sendto(s, b"x", 0, (std::net::Ipv4Addr::LOCALHOST.to_ipv6_mapped(), 0));
        }
        t.sendmsg(s, b"x", Some(sockatoo::SockAddr::Unspec), 0, &[]);
        if t.ip.af() == AF_INET {
            t.packet(s);
        }
        t.nothing(s);
    }

    fn too_long(t) in Wire {
        let s = t.raw(EXPERIMENT);
        let to = (t.ip.on_wire(1), 0);
        for size in [65_515, 65_516, 65_535, 65_536, 70_000] {
            t.sendto(s, &vec![0; size], 0, to);
        }
        let (level, name) = if t.ip.af() == AF_INET { (SOL_IP, IP_MTU_DISCOVER) } else { (SOL_IPV6, IPV6_MTU_DISCOVER) };
        for discover in [IP_PMTUDISC_DO, IP_PMTUDISC_PROBE, IP_PMTUDISC_DONT] {
            t.set(s, level, name, discover);
            for size in [1460, 1461, 1480, 1481] {
                t.sendto(s, &vec![0; size], 0, to);
            }
        }
    }

    fn options_of_a_call(t) in Wire {
        let s = t.raw(EXPERIMENT);
        let other = t.socket_on(1, t.ip.af(), SOCK_RAW, EXPERIMENT);
        let to = Some((t.ip.on_wire(1), 0).into());
        if t.ip.af() == AF_INET {
            t.sendmsg(s, b"a", to, 0, &[ControlMessage::Ttl(7), ControlMessage::Tos(0x10)]);
            t.packet(other);
            t.sendmsg(s, b"b", to, 0, &[ControlMessage::Ttl(0)]);
        } else {
            t.set(other, SOL_IPV6, IPV6_RECVHOPLIMIT, 1);
            t.set(other, SOL_IPV6, IPV6_RECVTCLASS, 1);
            t.sendmsg(s, b"a", to, 0, &[ControlMessage::Ttl(7), ControlMessage::Tos(0x10)]);
            t.wait(other, POLLIN);
            t.recvmsg(other, 10, 0);
        }
        let local = t.ip.on_wire(0);
        t.sendmsg(s, b"c", to, 0, &[ControlMessage::PacketInfo { interface: 0, local, destination: local }]);
        t.packet(other);
        let local = t.ip.on_wire(5);
        t.sendmsg(s, b"d", to, 0, &[ControlMessage::PacketInfo { interface: 0, local, destination: local }]);
    }
}

case! {
    fn more_is_to_come(t) in Lo {
        let s = t.raw(EXPERIMENT);
        t.sendto(s, b"one", MSG_MORE, (t.ip.lo(), 0));
        t.sendto(s, b"two", 0, (t.ip.lo(), 0));
        t.wait(s, POLLIN);
        let mut sizes = Vec::new();
        while let Some(packet) = t.take_quietly(s, 100) {
            sizes.push(packet.len());
        }
        t.note(format!("packets of {sizes:?} bytes"));
    }

    fn the_header_is_made(t) in Wire {
        let s = t.raw(EXPERIMENT);
        let other = t.socket_on(1, AF_INET, SOCK_RAW, EXPERIMENT);
        let to = (t.ip.on_wire(1), 0);
        t.sendto(s, b"plain", 0, to);
        t.packet(other);
        t.set(s, SOL_IP, IP_TTL, 3);
        t.set(s, SOL_IP, IP_TOS, 0xb8);
        t.set(s, SOL_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
        t.sendto(s, b"another", 0, to);
        t.packet(other);
        t.set(s, SOL_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
        t.sendto(s, b"whole", 0, to);
        t.packet(other);
    }

    fn the_last_byte_of_a_protocol_counts(t) in Lo {
        let s = t.raw(256 + 5);
        let five = t.raw(5);
        t.sendto(s, b"x", 0, (t.ip.lo(), 0));
        t.packet(five);
        t.nothing(s);
    }

    fn ip_options(t) in Wire {
        let s = t.raw(EXPERIMENT);
        let other = t.socket_on(1, AF_INET, SOCK_RAW, EXPERIMENT);
        let to = (t.ip.on_wire(1), 0);
        // No-operation and router alert; padded at the end.
        t.setsockopt(s, SOL_IP, IP_OPTIONS, &[1, 0x94, 4, 0, 0]);
        t.getsockopt(s, SOL_IP, IP_OPTIONS, 40);
        t.sendto(s, b"x", 0, to);
        t.packet(other);
        // An experiment's option.
        t.setsockopt(s, SOL_IP, IP_OPTIONS, &[0x9e, 6, 1, 2, 3, 4]);
        t.getsockopt(s, SOL_IP, IP_OPTIONS, 40);
        t.sendto(s, b"y", 0, to);
        t.packet(other);
        t.setsockopt(s, SOL_IP, IP_OPTIONS, &[]);
        t.getsockopt(s, SOL_IP, IP_OPTIONS, 40);
        t.sendto(s, b"z", 0, to);
        t.packet(other);
    }

    fn ip_options_that_are_none(t) in Lo {
        let s = t.raw(EXPERIMENT);
        let wrong: [&[u8]; 9] = [
            &[7],
            &[7, 1],
            &[7, 40, 4],
            &[7, 7, 3, 0, 0, 0, 0],
            &[7, 6, 4, 0, 0, 0],
            &[131, 7, 8, 0, 0, 0, 0],
            &[131, 3, 4],
            &[68, 4, 4, 0],
            &[1; 41],
        ];
        for options in wrong {
            t.setsockopt(s, SOL_IP, IP_OPTIONS, options);
        }
        t.setsockopt(s, SOL_IP, IP_OPTIONS, &[1; 40]);
        t.getsockopt(s, SOL_IP, IP_OPTIONS, 40);
        t.setsockopt(s, SOL_IP, IP_OPTIONS, &[0, 7, 7, 7]);
        t.getsockopt(s, SOL_IP, IP_OPTIONS, 40);
    }

    fn record_route(t) in Wire {
        let s = t.raw(EXPERIMENT);
        let other = t.socket_on(1, AF_INET, SOCK_RAW, EXPERIMENT);
        let mut options = vec![7, 11, 4];
        options.resize(11, 0);
        options.push(1);
        t.setsockopt(s, SOL_IP, IP_OPTIONS, &options);
        t.getsockopt(s, SOL_IP, IP_OPTIONS, 40);
        t.sendto(s, b"x", 0, (t.ip.on_wire(1), 0));
        t.wait(other, POLLIN);
        let got = t.take_quietly(other, 100).unwrap_or_default();
        // Our own address stands in the first place; the receiver may add its own.
        t.note(format!("{:02x?}", got.get(20..22)));
        t.note(format!("{:?}", got.get(23..27)));
    }

    fn long_payloads_with_options(t) in Wire {
        let s = t.raw(EXPERIMENT);
        let other = t.socket_on(1, AF_INET, SOCK_RAW, EXPERIMENT);
        t.setsockopt(s, SOL_IP, IP_OPTIONS, &[0x94, 4, 0, 0, 1, 1, 1, 1]);
        t.sendto(s, &vec![b'o'; 4000], 0, (t.ip.on_wire(1), 0));
        t.wait(other, POLLIN);
        let got = t.take_quietly(other, 70_000).unwrap_or_default();
        t.note(format!("{} bytes, {:02x?}", got.len(), got.get(20..28)));
        t.set(s, SOL_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
        t.sendto(s, &[0; 1472], 0, (t.ip.on_wire(1), 0));
        t.sendto(s, &[0; 1473], 0, (t.ip.on_wire(1), 0));
        t.sendto(s, &[0; 65_507], 0, (t.ip.on_wire(1), 0));
    }
}
