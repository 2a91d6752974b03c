//! Multicast: joining, leaving, looping back, fan-out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sockatoo::base::constants::*;

use crate::arm::Fd;
use crate::dialogue::Dialogue;

/// ip_mreqn (address of the group, of the interface, index) or ipv6_mreq (group, index).
fn mreq(group: IpAddr, index: u32) -> Vec<u8> {
    match group {
        IpAddr::V4(g) => [&g.octets()[..], &[0; 4], &index.to_ne_bytes()].concat(),
        IpAddr::V6(g) => [&g.octets()[..], &index.to_ne_bytes()].concat(),
    }
}

fn membership(t: &mut Dialogue, s: Fd, join: bool, group: IpAddr, index: u32) -> bool {
    let (level, add, drop) = if group.is_ipv4() {
        (SOL_IP, IP_ADD_MEMBERSHIP, IP_DROP_MEMBERSHIP)
    } else {
        (SOL_IPV6, IPV6_JOIN_GROUP, IPV6_LEAVE_GROUP)
    };
    t.setsockopt_as(
        s,
        level,
        if join { add } else { drop },
        &mreq(group, index),
        &format!("{group} on an interface"),
    )
}

/// Where a socket sends its multicasts.
fn through(t: &mut Dialogue, s: Fd, index: u32) {
    if t.ip.af() == AF_INET {
        let value = [&[0; 8][..], &index.to_ne_bytes()].concat();
        t.setsockopt_as(s, SOL_IP, IP_MULTICAST_IF, &value, "an interface");
    } else {
        t.setsockopt_as(s, SOL_IPV6, IPV6_MULTICAST_IF, &index.to_ne_bytes(), "an interface");
    }
}

twins! {
    fn join_and_leave(t) in Wire {
        let s = t.udp();
        let w0 = t.index_of(0, "w0");
        let group = t.ip.group();
        membership(t, s, false, group, w0);
        membership(t, s, true, group, w0);
        membership(t, s, true, group, w0);
        membership(t, s, false, group, w0);
        membership(t, s, false, group, w0);
    }

    fn join_what_is_no_group(t) in Wire {
        let s = t.udp();
        let w0 = t.index_of(0, "w0");
        let ip = t.ip.on_wire(0);
        membership(t, s, true, ip, w0);
        let any = t.ip.any();
        membership(t, s, true, any, w0);
    }

    fn join_on_an_interface_that_is_not_there(t) in Wire {
        let s = t.udp();
        let group = t.ip.group();
        membership(t, s, true, group, 77);
    }

    fn join_with_a_short_value(t) in Wire {
        let s = t.udp();
        let group = t.ip.group();
        let value = mreq(group, 0);
        let (level, name) =
            if group.is_ipv4() { (SOL_IP, IP_ADD_MEMBERSHIP) } else { (SOL_IPV6, IPV6_JOIN_GROUP) };
        t.setsockopt(s, level, name, &value[..4]);
        t.setsockopt(s, level, name, &value[..7]);
        t.setsockopt(s, level, name, &[]);
    }

    fn loops_back_to_the_own_host(t) in Wire {
        let w0 = t.index_of(0, "w0");
        let group = t.ip.group();
        let a = t.udp();
        t.bind(a, (t.ip.any(), 5000));
        membership(t, a, true, group, w0);
        let s = t.udp();
        through(t, s, w0);
        t.sendto(s, b"to the group", 0, (group, 5000));
        t.wait(a, POLLIN);
        t.recvmsg(a, 20, 0);
        let (level, name) = if t.ip.af() == AF_INET {
            (SOL_IP, IP_MULTICAST_LOOP)
        } else {
            (SOL_IPV6, IPV6_MULTICAST_LOOP)
        };
        t.get(s, level, name);
        t.set(s, level, name, 0);
        t.sendto(s, b"not for us", 0, (group, 5000));
        t.set(s, level, name, 1);
        t.sendto(s, b"again", 0, (group, 5000));
        t.wait(a, POLLIN);
        t.recv(a, 20, 0);
        t.recv(a, 20, MSG_DONTWAIT);
    }

    fn over_the_wire_to_every_member(t) in Wire {
        let group = t.ip.group();
        let far = t.index_of(1, "w0");
        let mut members = Vec::new();
        for _ in 0..3 {
            let a = t.socket_on(1, t.ip.af(), SOCK_DGRAM, 0);
            t.set(a, SOL_SOCKET, SO_REUSEADDR, 1);
            t.bind(a, (t.ip.any(), 5000));
            membership(t, a, true, group, far);
            members.push(a);
        }
        let w0 = t.index_of(0, "w0");
        let s = t.udp();
        through(t, s, w0);
        t.sendto(s, b"to all members", 0, (group, 5000));
        for &a in &members {
            t.wait(a, POLLIN);
            t.recv(a, 20, MSG_DONTWAIT);
        }
    }

    fn bound_to_the_group(t) in Wire {
        let group = t.ip.group();
        let far = t.index_of(1, "w0");
        let a = t.socket_on(1, t.ip.af(), SOCK_DGRAM, 0);
        t.bind(a, (group, 5000));
        membership(t, a, true, group, far);
        t.getsockname(a);
        let w0 = t.index_of(0, "w0");
        let s = t.udp();
        through(t, s, w0);
        t.sendto(s, b"to the group", 0, (group, 5000));
        t.wait(a, POLLIN);
        t.recvmsg(a, 20, 0);
    }

    fn who_left_hears_nothing(t) in Wire {
        let group = t.ip.group();
        let w0 = t.index_of(0, "w0");
        let a = t.udp();
        t.bind(a, (t.ip.any(), 5000));
        membership(t, a, true, group, w0);
        membership(t, a, false, group, w0);
        let s = t.udp();
        through(t, s, w0);
        t.sendto(s, b"too late", 0, (group, 5000));
        t.recv(a, 20, MSG_DONTWAIT);
    }

    fn a_group_has_no_listener(t) in Wire {
        let group = t.ip.group();
        let w0 = t.index_of(0, "w0");
        let s = t.tcp();
        membership(t, s, true, group, w0);
    }

    fn connect_to_a_group(t) in Wire {
        let group = t.ip.group();
        let w0 = t.index_of(0, "w0");
        let s = t.udp();
        through(t, s, w0);
        t.connect(s, (group, 5000));
        t.getpeername(s);
        t.getsockname(s);
    }

    fn hops(t) in Lo {
        let s = t.udp();
        let (level, name) = if t.ip.af() == AF_INET {
            (SOL_IP, IP_MULTICAST_TTL)
        } else {
            (SOL_IPV6, IPV6_MULTICAST_HOPS)
        };
        t.get(s, level, name);
        for value in [0, 7, 255, 256, -1, -2] {
            t.set(s, level, name, value);
            t.get(s, level, name);
        }
        t.setsockopt(s, level, name, &[9]);
        t.get(s, level, name);
        t.getsockopt(s, level, name, 1);
    }

    fn the_interface(t) in Wire {
        let s = t.udp();
        let w0 = t.index_of(0, "w0");
        through(t, s, w0);
        if t.ip.af() == AF_INET {
            t.getsockopt(s, SOL_IP, IP_MULTICAST_IF, 4);
            t.setsockopt(s, SOL_IP, IP_MULTICAST_IF, &[192, 0, 2, 1]);
            t.getsockopt(s, SOL_IP, IP_MULTICAST_IF, 4);
            t.setsockopt(s, SOL_IP, IP_MULTICAST_IF, &[192, 0, 2, 99]);
            t.setsockopt(s, SOL_IP, IP_MULTICAST_IF, &[0, 0, 0, 0]);
            t.getsockopt(s, SOL_IP, IP_MULTICAST_IF, 4);
        } else {
            t.set(s, SOL_IPV6, IPV6_MULTICAST_IF, 99);
            t.set(s, SOL_IPV6, IPV6_MULTICAST_IF, -1);
            t.set(s, SOL_IPV6, IPV6_MULTICAST_IF, 0);
            t.get(s, SOL_IPV6, IPV6_MULTICAST_IF);
        }
    }
}

case! {
    fn join_by_the_interfaces_address(t) in Wire {
        let s = t.udp();
        let group = Ipv4Addr::new(233, 252, 0, 1).octets();
        t.setsockopt(s, SOL_IP, IP_ADD_MEMBERSHIP, &[group, [192, 0, 2, 1]].concat());
        t.setsockopt(s, SOL_IP, IP_ADD_MEMBERSHIP, &[group, [192, 0, 2, 1]].concat());
        t.setsockopt(s, SOL_IP, IP_ADD_MEMBERSHIP, &[group, [192, 0, 2, 99]].concat());
        t.setsockopt(s, SOL_IP, IP_DROP_MEMBERSHIP, &[group, [192, 0, 2, 1]].concat());
    }

    fn join_without_a_route(t) in Lo {
        let s = t.udp();
        let group = Ipv4Addr::new(233, 252, 0, 1).octets();
        t.setsockopt(s, SOL_IP, IP_ADD_MEMBERSHIP, &[group, [0; 4]].concat());
        t.setsockopt(s, SOL_IP, IP_ADD_MEMBERSHIP, &[group, [127, 0, 0, 1]].concat());
    }

    fn the_other_familys_options(t) in Wire {
        let six = t.socket(AF_INET6, SOCK_DGRAM, 0);
        let group = Ipv4Addr::new(233, 252, 0, 1).octets();
        t.setsockopt(six, SOL_IP, IP_ADD_MEMBERSHIP, &[group, [192, 0, 2, 1]].concat());
        let four = t.socket(AF_INET, SOCK_DGRAM, 0);
        let value = mreq(Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0xdb8, 0, 1).into(), 0);
        t.setsockopt(four, SOL_IPV6, IPV6_JOIN_GROUP, &value);
    }
}
