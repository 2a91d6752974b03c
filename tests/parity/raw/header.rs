//! Whole packets, their headers written by the caller (IP_HDRINCL).

use sockatoo::base::constants::*;

use super::{EXPERIMENT, packet};

case! {
    fn it_is_implied(t) in Lo {
        let (whole, payload) = (t.raw(IPPROTO_RAW), t.raw(EXPERIMENT));
        for s in [whole, payload] {
            t.get(s, SOL_IP, IP_HDRINCL);
            t.set(s, SOL_IP, IP_HDRINCL, 1);
            t.get(s, SOL_IP, IP_HDRINCL);
            t.set(s, SOL_IP, IP_HDRINCL, 0);
            t.get(s, SOL_IP, IP_HDRINCL);
        }
        let udp = t.udp();
        t.set(udp, SOL_IP, IP_HDRINCL, 1);
    }

    fn zeros_are_filled_in(t) in Wire {
        let s = t.writer();
        let other = t.socket_on(1, AF_INET, SOCK_RAW, EXPERIMENT);
        let to = t.ip.on_wire(1);
        t.sendto(s, &packet(t.ip.any(), to, EXPERIMENT, b"zeros"), 0, (to, 0));
        t.packet_and_id(other);
    }

    fn what_is_set_stays(t) in Wire {
        let s = t.writer();
        let other = t.socket_on(1, AF_INET, SOCK_RAW, EXPERIMENT);
        let to = t.ip.on_wire(1);
        let mut bytes = packet(std::net::Ipv4Addr::new(198, 51, 100, 9).into(), to, EXPERIMENT, b"set");
        bytes[1] = 0x55;
        bytes[4..6].copy_from_slice(&[0xab, 0xcd]);
        bytes[6] = 0x40;
        bytes[8] = 3;
        t.sendto(s, &bytes, 0, (to, 0));
        t.packet_and_id(other);
    }

    fn length_and_checksum_are_overwritten(t) in Wire {
        let s = t.writer();
        let other = t.socket_on(1, AF_INET, SOCK_RAW, EXPERIMENT);
        let to = t.ip.on_wire(1);
        let mut bytes = packet(t.ip.any(), to, EXPERIMENT, b"overwritten");
        bytes[2..4].copy_from_slice(&[0x12, 0x34]);
        bytes[10..12].copy_from_slice(&[0xde, 0xad]);
        t.sendto(s, &bytes, 0, (to, 0));
        t.packet_and_id(other);
    }

    fn options_of_the_header(t) in Wire {
        let s = t.writer();
        let other = t.socket_on(1, AF_INET, SOCK_RAW, EXPERIMENT);
        let to = t.ip.on_wire(1);
        let mut bytes = packet(t.ip.any(), to, EXPERIMENT, &[1, 1, 1, 0]);
        bytes[0] = 0x46;
        bytes.extend(b"behind options");
        t.sendto(s, &bytes, 0, (to, 0));
        t.packet_and_id(other);
    }

    fn what_linux_does_not_take(t) in Lo {
        let s = t.writer();
        for size in [0, 1, 19] {
            t.sendto(s, &vec![0x45; size], 0, (t.ip.lo(), 0));
        }
        for first in [0x46, 0x4f] {
            let mut bytes = packet(t.ip.any(), t.ip.lo(), EXPERIMENT, b"");
            bytes[0] = first;
            t.sendto(s, &bytes, 0, (t.ip.lo(), 0));
        }
        t.sendto(s, &vec![0x45; 65_536], 0, (t.ip.lo(), 0));
    }

    fn what_linux_takes(t) in Lo {
        let s = t.writer();
        for first in [0x40, 0x44, 0x75, 0x05, 0x65] {
            let mut bytes = packet(t.ip.any(), t.ip.lo(), EXPERIMENT, b"1234567890");
            bytes[0] = first;
            t.sendto(s, &bytes, 0, (t.ip.lo(), 0));
        }
    }

    fn an_icmp_message_without_a_header_is_filtered(t) in Lo {
        let (s, hear) = (t.writer(), t.raw(IPPROTO_ICMP));
        for size in [0, 1, 7] {
            t.sendto(s, &packet(t.ip.lo(), t.ip.lo(), IPPROTO_ICMP, &vec![0x30; size]), 0, (t.ip.lo(), 0));
        }
        t.nothing(hear);
        t.sendto(s, &packet(t.ip.lo(), t.ip.lo(), IPPROTO_ICMP, &[0x30; 8]), 0, (t.ip.lo(), 0));
        t.packet(hear);
    }

    fn over_the_mtu(t) in Wire {
        let s = t.writer();
        let to = t.ip.on_wire(1);
        for size in [1480, 1481, 4000] {
            t.sendto(s, &packet(t.ip.any(), to, EXPERIMENT, &vec![0; size]), 0, (to, 0));
        }
        t.set(s, SOL_IP, IP_RECVERR, 1);
        t.sendto(s, &packet(t.ip.any(), to, EXPERIMENT, &vec![0; 1481]), 0, (to, 0));
        t.recvmsg(s, 100, MSG_ERRQUEUE);
    }

    fn the_call_says_where_it_goes(t) in Wire {
        let s = t.writer();
        let other = t.socket_on(1, AF_INET, SOCK_RAW, EXPERIMENT);
        let (to, elsewhere) = (t.ip.on_wire(1), t.ip.on_wire(7));
        t.sendto(s, &packet(t.ip.any(), to, EXPERIMENT, b"by another address"), 0, (std::net::Ipv4Addr::new(192, 0, 2, 2), 0));
        t.packet_and_id(other);
        t.send(s, &packet(t.ip.any(), to, EXPERIMENT, b"x"), 0);
        t.connect(s, (to, 0));
        t.send(s, &packet(t.ip.any(), to, EXPERIMENT, b"to the peer"), 0);
        t.packet_and_id(other);
        t.send(s, &packet(t.ip.any(), elsewhere, EXPERIMENT, b"not for it"), 0);
        t.nothing(other);
    }

    fn a_fragment_by_hand(t) in Wire {
        let s = t.writer();
        let other = t.socket_on(1, AF_INET, SOCK_RAW, EXPERIMENT);
        let to = t.ip.on_wire(1);
        let mut first = packet(t.ip.any(), to, EXPERIMENT, b"12345678");
        first[4..6].copy_from_slice(&[7, 7]);
        let mut last = packet(t.ip.any(), to, EXPERIMENT, b"9");
        last[4..6].copy_from_slice(&[7, 7]);
        first[6] = 0x20;
        last[7] = 1;
        t.sendto(s, &last, 0, (to, 0));
        t.nothing(other);
        t.sendto(s, &first, 0, (to, 0));
        t.packet_and_id(other);
    }

    fn no_way(t) in Lo {
        let s = t.writer();
        let to = t.ip.on_wire(1);
        t.sendto(s, &packet(t.ip.any(), to, EXPERIMENT, b"x"), 0, (to, 0));
        t.send(s, b"x", 0);
    }

    fn broadcast_is_asked_for(t) in Wire {
        let s = t.writer();
        let all = std::net::Ipv4Addr::new(192, 0, 2, 255);
        let other = t.socket_on(1, AF_INET, SOCK_RAW, EXPERIMENT);
        let bytes = packet(t.ip.any(), all.into(), EXPERIMENT, b"to all");
        t.sendto(s, &bytes, 0, (all, 0));
        t.set(s, SOL_SOCKET, SO_BROADCAST, 1);
        t.sendto(s, &bytes, 0, (all, 0));
        t.packet_and_id(other);
    }

    fn options_of_the_socket_do_not_fit(t) in Lo {
        let s = t.writer();
        t.setsockopt(s, SOL_IP, IP_OPTIONS, &[1, 1, 1, 0]);
        t.sendto(s, &packet(t.ip.any(), t.ip.lo(), EXPERIMENT, b"x"), 0, (t.ip.lo(), 0));
    }

    fn over_the_loopback_nobody_asks_what_the_header_names(t) in Lo {
        let (s, hear) = (t.writer(), t.raw(EXPERIMENT));
        let bound = t.raw(EXPERIMENT);
        t.bind(bound, (t.ip.lo(), 0));
        let from = t.ip.lo();
        for to in [[198, 51, 100, 9], [255; 4], [0; 4], [240, 0, 0, 1]] {
            let to = std::net::Ipv4Addr::from(to);
            t.sendto(s, &packet(from, to.into(), EXPERIMENT, b"for whom?"), 0, (t.ip.lo(), 0));
            t.packet_and_id(hear);
            t.nothing(bound);
        }
        for from in [[198, 51, 100, 9], [224, 0, 0, 9], [255; 4], [240, 0, 0, 1]] {
            let from = std::net::Ipv4Addr::from(from);
            t.sendto(s, &packet(from.into(), t.ip.lo(), EXPERIMENT, b"from whom?"), 0, (t.ip.lo(), 0));
            t.packet_and_id(hear);
        }
    }

    fn a_foreign_destination_by_one_s_own_address(t) in Wire {
        let (s, hear) = (t.writer(), t.raw(EXPERIMENT));
        let (own, other) = (t.ip.on_wire(0), t.ip.on_wire(1));
        t.sendto(s, &packet(own, other, EXPERIMENT, b"to the other"), 0, (own, 0));
        t.packet_and_id(hear);
        let udp = t.udp();
        t.bind(udp, (t.ip.any(), 7000));
        let datagram = [0x0f, 0xa0, 0x1b, 0x58, 0, 9, 0, 0, b'x'];
        t.sendto(s, &packet(own, other, IPPROTO_UDP, &datagram), 0, (own, 0));
        t.wait(udp, POLLIN);
        t.recvmsg(udp, 10, 0);
        t.close(udp);
        let icmp = t.raw(IPPROTO_ICMP);
        t.sendto(s, &packet(own, other, IPPROTO_UDP, &datagram), 0, (own, 0));
        t.packet(icmp);
        t.sendto(s, &packet(own, other, IPPROTO_ICMP, &t.echo(1)), 0, (own, 0));
        t.packet(icmp);
        t.packet(icmp);
    }

    fn a_frame_on_the_loopback(t) in Lo {
        let (s, hear) = (t.socket(AF_PACKET, SOCK_DGRAM, 0), t.raw(EXPERIMENT));
        let to = sockatoo::base::LinkAddr::station(sockatoo::IfIndex(1), ETH_P_IP, sockatoo::Mac::ZERO);
        for (from, destination) in [(1_u8, 1), (9, 1), (1, 9), (9, 9)] {
            let of = |last| match last { 1 => t.ip.lo(), _ => std::net::Ipv4Addr::new(198, 51, 100, 9).into() };
            let mut bytes = packet(of(from), of(destination), EXPERIMENT, b"?");
            bytes[3] = 21;
            let sum = sockatoo::wire::checksum(&bytes[..20]).to_be_bytes();
            bytes[10..12].copy_from_slice(&sum);
            t.note(format!("{from} to {destination}"));
            t.sendto(s, &bytes, 0, to);
            t.nothing(hear);
        }
    }

    fn a_group_whose_packets_live_for_no_hop(t) in Wire {
        let group = t.ip.group();
        let s = t.raw(EXPERIMENT);
        let other = t.socket_on(1, AF_INET, SOCK_RAW, EXPERIMENT);
        let octets = |ip| match ip { std::net::IpAddr::V4(v4) => v4.octets(), _ => [0; 4] };
        let joined = |by| [octets(group), octets(by)].concat();
        let (own, theirs) = (t.ip.on_wire(0), t.ip.on_wire(1));
        t.setsockopt(other, SOL_IP, IP_ADD_MEMBERSHIP, &joined(theirs));
        t.setsockopt(s, SOL_IP, IP_MULTICAST_IF, &octets(own));
        t.set(s, SOL_IP, IP_MULTICAST_TTL, 0);
        t.sendto(s, b"no member", 0, (group, 0));
        t.packet(other);
        t.setsockopt(s, SOL_IP, IP_ADD_MEMBERSHIP, &joined(own));
        t.sendto(s, b"member", 0, (group, 0));
        t.packet(s);
        t.sendto(s, b"alone", 0, (theirs, 0));
        t.packet(other);
        let lost = t.raw(EXPERIMENT);
        t.sendto(lost, b"nowhere", 0, (group, 0));
    }

    fn a_syn_by_hand_is_answered(t) in Wire {
        let listener = t.socket_on(1, AF_INET, SOCK_STREAM, 0);
        t.bind(listener, (t.ip.on_wire(1), 7000));
        t.listen(listener, 1);
        let (s, tcp) = (t.writer(), t.raw(IPPROTO_TCP));
        let (from, to) = (t.ip.on_wire(0), t.ip.on_wire(1));
        let mut syn = [0_u8; 20];
        syn[..2].copy_from_slice(&4000_u16.to_be_bytes());
        syn[2..4].copy_from_slice(&7000_u16.to_be_bytes());
        syn[4..8].copy_from_slice(&[1, 2, 3, 4]);
        (syn[12], syn[13], syn[14]) = (0x50, 2, 0x20);
        let sum = sockatoo::wire::transport_checksum(from, to, 6, &syn).to_be_bytes();
        syn[16..18].copy_from_slice(&sum);
        t.sendto(s, &packet(from, to, IPPROTO_TCP, &syn), 0, (to, 0));
        t.wait(tcp, POLLIN);
        let answer = t.take_quietly(tcp, 100).unwrap_or_default();
        t.note(format!("flags {:02x?} ack {:02x?}", answer.get(33), answer.get(28..32)));
    }
}
