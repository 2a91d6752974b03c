//! Groups that are heard from some sources alone: ip(7), RFC 3678.

use std::net::IpAddr;

use sockatoo::base::constants::*;

use crate::arm::Fd;
use crate::dialogue::{Dialogue, Ip};

/// struct sockaddr_storage.
fn storage(address: IpAddr) -> Vec<u8> {
    let mut bytes = match address {
        IpAddr::V4(v4) => [&(AF_INET as u16).to_ne_bytes()[..], &[0; 2], &v4.octets()].concat(),
        IpAddr::V6(v6) => [&(AF_INET6 as u16).to_ne_bytes()[..], &[0; 6], &v6.octets()].concat(),
    };
    bytes.resize(128, 0);
    bytes
}

fn level(t: &Dialogue) -> i32 {
    if t.ip == Ip::V4 { SOL_IP } else { SOL_IPV6 }
}

/// struct group_source_req.
fn source(t: &mut Dialogue, s: Fd, name: i32, host: usize, group: IpAddr, source: IpAddr) -> bool {
    let index = t.index_of(host, "w0");
    let value = [&index.to_ne_bytes()[..], &[0; 4], &storage(group), &storage(source)].concat();
    t.setsockopt_as(s, level(t), name, &value, &format!("{group} from {source}"))
}

/// struct group_req.
fn group(t: &mut Dialogue, s: Fd, name: i32, host: usize, group: IpAddr) -> bool {
    let index = t.index_of(host, "w0");
    let value = [&index.to_ne_bytes()[..], &[0; 4], &storage(group)].concat();
    t.setsockopt_as(s, level(t), name, &value, &format!("{group}"))
}

/// struct group_filter.
fn filter(t: &mut Dialogue, s: Fd, host: usize, group: IpAddr, mode: u32, sources: &[IpAddr]) -> bool {
    let index = t.index_of(host, "w0");
    let mut value = [&index.to_ne_bytes()[..], &[0; 4], &storage(group)].concat();
    value.extend(mode.to_ne_bytes());
    value.extend((sources.len() as u32).to_ne_bytes());
    value.extend(sources.iter().flat_map(|source| storage(*source)));
    t.setsockopt_as(s, level(t), MCAST_MSFILTER, &value, &format!("{group} mode {mode} of {sources:?}"))
}

/// A receiver at host 1 that hears only what it has joined, and a sender at host 0.
fn receiver(t: &mut Dialogue) -> (Fd, Fd) {
    let a = t.socket_on(1, t.ip.af(), SOCK_DGRAM, 0);
    t.bind(a, (t.ip.any(), 5000));
    let all = if t.ip == Ip::V4 { IP_MULTICAST_ALL } else { IPV6_MULTICAST_ALL };
    t.set(a, level(t), all, 0);
    let s = t.udp();
    let w0 = t.index_of(0, "w0");
    if t.ip == Ip::V4 {
        t.setsockopt(s, SOL_IP, IP_MULTICAST_IF, &[192, 0, 2, 1]);
    } else {
        t.setsockopt_as(s, SOL_IPV6, IPV6_MULTICAST_IF, &w0.to_ne_bytes(), "w0");
    }
    (a, s)
}

/// Sends to the group, then to the receiver itself: what it gets first tells whether it heard.
fn heard(t: &mut Dialogue, s: Fd, a: Fd) {
    t.sendto(s, b"to the group", 0, (t.ip.group(), 5000));
    t.sendto(s, b"to the host", 0, (t.ip.on_wire(1), 5000));
    t.until(|t| {
        t.take_quietly(a, 20)
            .map(|data| t.note(format!("heard {}", String::from_utf8_lossy(&data))))
            .is_some()
            && t.last_is("heard to the host")
    });
}

twins! {
    fn from_one_source_alone(t) in Wire {
        let (a, s) = receiver(t);
        let all = t.ip.group();
        let (near, other) = (t.ip.on_wire(0), t.ip.on_wire(8));
        heard(t, s, a);
        source(t, a, MCAST_JOIN_SOURCE_GROUP, 1, all, other);
        heard(t, s, a);
        source(t, a, MCAST_JOIN_SOURCE_GROUP, 1, all, near);
        heard(t, s, a);
        source(t, a, MCAST_JOIN_SOURCE_GROUP, 1, all, near);
        source(t, a, MCAST_LEAVE_SOURCE_GROUP, 1, all, near);
        heard(t, s, a);
        source(t, a, MCAST_LEAVE_SOURCE_GROUP, 1, all, near);
        source(t, a, MCAST_BLOCK_SOURCE, 1, all, near);
        source(t, a, MCAST_LEAVE_SOURCE_GROUP, 1, all, other);
        source(t, a, MCAST_LEAVE_SOURCE_GROUP, 1, all, other);
        group(t, a, MCAST_LEAVE_GROUP, 1, all);
    }

    fn from_all_but_one(t) in Wire {
        let (a, s) = receiver(t);
        let all = t.ip.group();
        let (near, other) = (t.ip.on_wire(0), t.ip.on_wire(8));
        source(t, a, MCAST_BLOCK_SOURCE, 1, all, near);
        group(t, a, MCAST_JOIN_GROUP, 1, all);
        heard(t, s, a);
        source(t, a, MCAST_UNBLOCK_SOURCE, 1, all, near);
        source(t, a, MCAST_BLOCK_SOURCE, 1, all, other);
        heard(t, s, a);
        source(t, a, MCAST_BLOCK_SOURCE, 1, all, near);
        source(t, a, MCAST_BLOCK_SOURCE, 1, all, near);
        heard(t, s, a);
        source(t, a, MCAST_JOIN_SOURCE_GROUP, 1, all, near);
        source(t, a, MCAST_UNBLOCK_SOURCE, 1, all, near);
        source(t, a, MCAST_UNBLOCK_SOURCE, 1, all, other);
        heard(t, s, a);
        source(t, a, MCAST_JOIN_SOURCE_GROUP, 1, all, near);
        group(t, a, MCAST_LEAVE_GROUP, 1, all);
    }

    fn a_list_as_a_whole(t) in Wire {
        let (a, s) = receiver(t);
        let all = t.ip.group();
        let (near, other) = (t.ip.on_wire(0), t.ip.on_wire(8));
        filter(t, a, 1, all, 1, &[near]);
        group(t, a, MCAST_JOIN_GROUP, 1, all);
        filter(t, a, 1, all, 1, &[other, near]);
        heard(t, s, a);
        filter(t, a, 1, all, 0, &[near]);
        heard(t, s, a);
        filter(t, a, 1, all, 0, &[]);
        heard(t, s, a);
        filter(t, a, 1, all, 2, &[near]);
        filter(t, a, 1, near, 0, &[other]);
        let many: Vec<IpAddr> = (0..65).map(|n| t.ip.on_wire(n)).collect();
        filter(t, a, 1, all, 0, &many);
        filter(t, a, 1, all, 1, &[]);
        filter(t, a, 1, all, 1, &[]);
    }

    fn sources_of_another_family(t) in Wire {
        let s = t.udp();
        let (all, near) = (t.ip.group(), t.ip.on_wire(0));
        let foreign = if t.ip == Ip::V4 { Ip::V6.on_wire(0) } else { Ip::V4.on_wire(0) };
        source(t, s, MCAST_JOIN_SOURCE_GROUP, 0, all, foreign);
        source(t, s, MCAST_JOIN_SOURCE_GROUP, 0, foreign, near);
        source(t, s, MCAST_JOIN_SOURCE_GROUP, 0, near, near);
        t.setsockopt(s, level(t), MCAST_JOIN_SOURCE_GROUP, &[0; 100]);
        t.setsockopt(s, level(t), MCAST_MSFILTER, &[0; 100]);
    }
}

case! {
    fn in_ip_7s_words(t) in Wire {
        let s = t.udp();
        let value = |source: u8| [233, 252, 0, 1, 192, 0, 2, 1, 192, 0, 2, source];
        for (name, source) in [
            (IP_BLOCK_SOURCE, 8),
            (IP_ADD_SOURCE_MEMBERSHIP, 8),
            (IP_ADD_SOURCE_MEMBERSHIP, 8),
            (IP_ADD_SOURCE_MEMBERSHIP, 9),
            (IP_DROP_SOURCE_MEMBERSHIP, 7),
            (IP_DROP_SOURCE_MEMBERSHIP, 9),
            (IP_BLOCK_SOURCE, 8),
            (IP_DROP_SOURCE_MEMBERSHIP, 8),
            (IP_DROP_SOURCE_MEMBERSHIP, 8),
        ] {
            t.setsockopt(s, SOL_IP, name, &value(source));
        }
        t.setsockopt(s, SOL_IP, IP_ADD_MEMBERSHIP, &value(0)[..8]);
        t.setsockopt(s, SOL_IP, IP_BLOCK_SOURCE, &value(8));
        t.setsockopt(s, SOL_IP, IP_UNBLOCK_SOURCE, &value(8));
        t.setsockopt(s, SOL_IP, IP_UNBLOCK_SOURCE, &value(8));
        t.setsockopt(s, SOL_IP, IP_BLOCK_SOURCE, &value(8)[..8]);
        for n in 10..22 {
            t.setsockopt(s, SOL_IP, IP_BLOCK_SOURCE, &value(n));
        }
        let list = |mode: u8| [233, 252, 0, 1, 192, 0, 2, 1, mode, 0, 0, 0, 1, 0, 0, 0, 192, 0, 2, 8];
        t.setsockopt(s, SOL_IP, IP_MSFILTER, &list(1));
        t.setsockopt(s, SOL_IP, IP_MSFILTER, &list(1)[..16]);
        t.setsockopt(s, SOL_IP, IP_MSFILTER, &list(5));
        t.setsockopt(s, SOL_IP, IP_BLOCK_SOURCE, &value(8));
    }

    fn reading_struct_ip_msfilter(t) in Lo {
        let s = t.udp();
        let asked = |group: [u8; 4], local: [u8; 4], room: u8| {
            let mut value = [&group[..], &local, &[7, 0, 0, 0], &[room, 0, 0, 0]].concat();
            value.resize(16 + usize::from(room) * 4, 0xee);
            value
        };
        let (group, lo) = ([233, 252, 0, 1], [127, 0, 0, 1]);
        t.getsockopt_of(s, SOL_IP, IP_MSFILTER, &asked(group, lo, 0));
        t.setsockopt(s, SOL_IP, IP_ADD_MEMBERSHIP, &[group, lo].concat());
        t.getsockopt_of(s, SOL_IP, IP_MSFILTER, &asked(group, lo, 2));
        for last in [1, 2] {
            t.setsockopt(s, SOL_IP, IP_BLOCK_SOURCE, &[group, lo, [192, 0, 2, last]].concat());
        }
        for room in [0, 1, 2, 3] {
            t.getsockopt_of(s, SOL_IP, IP_MSFILTER, &asked(group, lo, room));
        }
        for value in [asked(group, [192, 0, 2, 7], 1), asked(lo, lo, 1), asked([233, 252, 0, 9], lo, 1)] {
            t.getsockopt_of(s, SOL_IP, IP_MSFILTER, &value);
        }
        t.getsockopt_of(s, SOL_IP, IP_MSFILTER, &asked(group, lo, 1)[..15]);
        let tcp = t.socket(AF_INET, SOCK_STREAM, 0);
        t.getsockopt_of(tcp, SOL_IP, IP_MSFILTER, &asked(group, lo, 1));
    }
}

twins! {
    fn reading_a_list(t) in Lo {
        let s = t.udp();
        let (level, all, near) = (level(t), t.ip.group(), t.ip.on_wire(0));
        let asked = |index: u32, group: IpAddr, room: u32| {
            let mut value = [&index.to_ne_bytes()[..], &[0; 4], &storage(group), &[7, 0, 0, 0], &room.to_ne_bytes()].concat();
            value.resize(144 + room as usize * 128, 0xee);
            value
        };
        let request = [&1_u32.to_ne_bytes()[..], &[0; 4], &storage(all)].concat();
        t.getsockopt_of(s, level, MCAST_MSFILTER, &asked(1, all, 1));
        t.setsockopt_as(s, level, MCAST_JOIN_GROUP, &request, "the group");
        t.getsockopt_of(s, level, MCAST_MSFILTER, &asked(1, all, 1));
        let request = [&request[..], &storage(near)].concat();
        t.setsockopt_as(s, level, MCAST_BLOCK_SOURCE, &request, "not from one");
        for (index, room) in [(1, 0), (1, 1), (1, 2), (0, 1), (9, 1)] {
            t.getsockopt_of(s, level, MCAST_MSFILTER, &asked(index, all, room));
        }
        t.getsockopt_of(s, level, MCAST_MSFILTER, &asked(1, near, 1));
        t.getsockopt_of(s, level, MCAST_MSFILTER, &asked(1, all, 1)[..143]);
    }
}
