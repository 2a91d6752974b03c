//! Control messages: what recvmsg(2) tells beside the data, what sendmsg(2) is asked.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sockatoo::SockAddr;
use sockatoo::base::ControlMessage;
use sockatoo::base::constants::*;

use crate::arm::Fd;
use crate::dialogue::Dialogue;

/// Asks for the time to live, the type of service and the packet's addresses of what comes.
fn ask_all(t: &mut Dialogue, s: Fd) {
    if t.ip.af() == AF_INET {
        for name in [IP_RECVTTL, IP_RECVTOS, IP_PKTINFO] {
            t.set(s, SOL_IP, name, 1);
        }
    } else {
        for name in [IPV6_RECVHOPLIMIT, IPV6_RECVTCLASS, IPV6_RECVPKTINFO] {
            t.set(s, SOL_IPV6, name, 1);
        }
    }
}

twins! {
    fn what_came_with_a_datagram(t) in Lo {
        let a = t.udp();
        t.bind(a, (t.ip.any(), 5000));
        ask_all(t, a);
        let s = t.udp();
        t.sendto(s, b"plain", 0, (t.ip.lo(), 5000));
        t.wait(a, POLLIN);
        t.recvmsg(a, 20, 0);
    }

    fn over_the_wire(t) in Wire {
        let a = t.socket_on(1, t.ip.af(), SOCK_DGRAM, 0);
        t.bind(a, (t.ip.any(), 5000));
        ask_all(t, a);
        let s = t.udp();
        t.sendto(s, b"plain", 0, (t.ip.on_wire(1), 5000));
        t.wait(a, POLLIN);
        t.recvmsg(a, 20, 0);
    }

    fn options_of_the_sender_are_seen(t) in Lo {
        let a = t.udp();
        t.bind(a, (t.ip.any(), 5000));
        ask_all(t, a);
        let s = t.udp();
        if t.ip.af() == AF_INET {
            t.set(s, SOL_IP, IP_TTL, 33);
            t.set(s, SOL_IP, IP_TOS, 0xb8);
        } else {
            t.set(s, SOL_IPV6, IPV6_UNICAST_HOPS, 33);
            t.set(s, SOL_IPV6, IPV6_TCLASS, 0xb8);
        }
        t.sendto(s, b"marked", 0, (t.ip.lo(), 5000));
        t.wait(a, POLLIN);
        t.recvmsg(a, 20, 0);
    }

    fn asked_for_one_datagram(t) in Lo {
        let a = t.udp();
        t.bind(a, (t.ip.any(), 5000));
        ask_all(t, a);
        let s = t.udp();
        let to = SockAddr::from((t.ip.lo(), 5000));
        t.sendmsg(s, b"marked", Some(to), 0, &[ControlMessage::Ttl(9), ControlMessage::Tos(0x10)]);
        t.sendto(s, b"plain", 0, to);
        t.wait(a, POLLIN);
        t.recvmsg(a, 20, 0);
        t.recvmsg(a, 20, 0);
    }

    fn a_source_address_for_one_datagram(t) in Wire {
        let a = t.socket_on(1, t.ip.af(), SOCK_DGRAM, 0);
        t.bind(a, (t.ip.any(), 5000));
        let s = t.udp();
        t.bind(s, (t.ip.any(), 5001));
        let to = SockAddr::from((t.ip.on_wire(1), 5000));
        let from = |local: IpAddr, interface: u32| {
            [ControlMessage::PacketInfo { interface, local, destination: local }]
        };
        let own = from(t.ip.on_wire(0), 0);
        t.sendmsg(s, b"from the wire", Some(to), 0, &own);
        t.wait(a, POLLIN);
        t.recvmsg(a, 20, 0);
        let foreign = from(t.ip.on_wire(6), 0);
        t.sendmsg(s, b"x", Some(to), 0, &foreign);
        let w0 = t.index_of(0, "w0");
        let anything = from(t.ip.any(), w0);
        t.sendmsg(s, b"by the interface", Some(to), 0, &anything);
        t.wait(a, POLLIN);
        t.recvmsg(a, 20, 0);
        let nowhere = from(t.ip.any(), 77);
        t.sendmsg(s, b"x", Some(to), 0, &nowhere);
    }

    fn timestamps(t) in Lo {
        let a = t.udp_at(5000);
        let s = t.udp();
        t.set(a, SOL_SOCKET, SO_TIMESTAMP, 1);
        t.sendto(s, b"x", 0, (t.ip.lo(), 5000));
        t.wait(a, POLLIN);
        t.recvmsg(a, 20, 0);
        t.get(a, SOL_SOCKET, SO_TIMESTAMP);
        t.get(a, SOL_SOCKET, SO_TIMESTAMPNS);
        t.set(a, SOL_SOCKET, SO_TIMESTAMPNS, 1);
        t.get(a, SOL_SOCKET, SO_TIMESTAMP);
        t.get(a, SOL_SOCKET, SO_TIMESTAMPNS);
        t.sendto(s, b"x", 0, (t.ip.lo(), 5000));
        t.wait(a, POLLIN);
        t.recvmsg(a, 20, 0);
        t.set(a, SOL_SOCKET, SO_TIMESTAMPNS, 0);
        t.sendto(s, b"x", 0, (t.ip.lo(), 5000));
        t.wait(a, POLLIN);
        t.recvmsg(a, 20, 0);
    }

    fn a_peek_tells_them_too(t) in Lo {
        let a = t.udp_at(5000);
        ask_all(t, a);
        let s = t.udp();
        t.sendto(s, b"x", 0, (t.ip.lo(), 5000));
        t.wait(a, POLLIN);
        t.recvmsg(a, 20, MSG_PEEK);
        t.recvmsg(a, 20, 0);
    }

    fn a_multicasts_destination(t) in Wire {
        let group = t.ip.group();
        let far = t.index_of(1, "w0");
        let a = t.socket_on(1, t.ip.af(), SOCK_DGRAM, 0);
        t.bind(a, (t.ip.any(), 5000));
        ask_all(t, a);
        let s = t.udp();
        let w0 = t.index_of(0, "w0");
        match group {
            IpAddr::V4(g) => {
                let value = [&g.octets()[..], &[0; 4], &far.to_ne_bytes()].concat();
                t.setsockopt_as(a, SOL_IP, IP_ADD_MEMBERSHIP, &value, "the group");
                t.setsockopt(s, SOL_IP, IP_MULTICAST_IF, &[192, 0, 2, 1]);
            }
            IpAddr::V6(g) => {
                let value = [&g.octets()[..], &far.to_ne_bytes()].concat();
                t.setsockopt_as(a, SOL_IPV6, IPV6_JOIN_GROUP, &value, "the group");
                t.setsockopt_as(s, SOL_IPV6, IPV6_MULTICAST_IF, &w0.to_ne_bytes(), "w0");
            }
        }
        t.sendto(s, b"to the group", 0, (group, 5000));
        t.wait(a, POLLIN);
        t.recvmsg(a, 20, 0);
    }
}

case! {
    fn of_four_on_a_dual_stack_socket(t) in Lo {
        let a = t.socket(AF_INET6, SOCK_DGRAM, 0);
        t.bind(a, (Ipv6Addr::UNSPECIFIED, 5000));
        for name in [IPV6_RECVHOPLIMIT, IPV6_RECVTCLASS, IPV6_RECVPKTINFO] {
            t.set(a, SOL_IPV6, name, 1);
        }
        let s = t.socket(AF_INET, SOCK_DGRAM, 0);
        t.sendto(s, b"from four", 0, (Ipv4Addr::LOCALHOST, 5000));
        t.wait(a, POLLIN);
        t.recvmsg(a, 20, 0);
    }

    fn a_source_among_loopback_addresses(t) in Lo {
        let a = t.udp();
        t.bind(a, (Ipv4Addr::UNSPECIFIED, 5000));
        t.set(a, SOL_IP, IP_PKTINFO, 1);
        let s = t.udp();
        let local = IpAddr::from(Ipv4Addr::new(127, 0, 0, 9));
        let asked = [ControlMessage::PacketInfo { interface: 0, local, destination: local }];
        t.sendmsg(s, b"x", Some((Ipv4Addr::new(127, 0, 0, 7), 5000).into()), 0, &asked);
        t.wait(a, POLLIN);
        t.recvmsg(a, 20, 0);
    }
}
