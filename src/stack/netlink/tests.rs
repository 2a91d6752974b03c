//! Requests by hand, good and bad.

use super::queue::DATAGRAM;
use super::request::*;
use super::*;
use crate::base::constants::{AF_INET, AF_INET6, AF_NETLINK, SOCK_RAW, SOL_NETLINK};
use crate::base::constants::{MSG_PEEK, MSG_TRUNC};
use crate::base::netlink::{NLM_F_ACK_TLVS, NLM_F_DUMP, NLM_F_MULTI, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR};
use crate::base::netlink::{NLM_F_CREATE, NLM_F_EXCL, attributes};
use crate::base::{IfIndex, Mac, SockAddr, constants};
use crate::stack::{Config, InterfaceConfig};

fn host(addresses: &[&str]) -> (Stack, SocketId) {
    let mut stack = Stack::new(Config::default());
    let config = InterfaceConfig {
        link: crate::base::LinkType::Ethernet,
        name: "eth0".into(),
        mac: Mac([2, 0, 0, 0, 0, 1]),
        mtu: 1500,
        addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
        ipv6: false,
    };
    stack.net.add_interface(config).unwrap();
    let id = stack.socket(AF_NETLINK, SOCK_RAW, 0).unwrap();
    (stack, id)
}

/// A request: kind, flags beside NLM_F_REQUEST, what is behind the header.
fn request(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = (16 + body.len() as u32).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend((NLM_F_REQUEST | flags).to_ne_bytes());
    bytes.extend(7_u32.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend(body);
    bytes
}

fn send(stack: &mut Stack, id: SocketId, bytes: &[u8]) -> Result<usize> {
    stack.send(id, &[IoSlice::new(bytes)], SendTo::default())
}

fn receive(stack: &mut Stack, id: SocketId) -> Result<Vec<u8>> {
    let mut buffer = vec![0; 65_536];
    let received = stack.recv(id, &mut [IoSliceMut::new(&mut buffer)], 0)?;
    assert_eq!(received.from, Some(NetlinkAddr::default().into()));
    buffer.truncate(received.len);
    Ok(buffer)
}

/// (kind, flags, body) of all messages that wait.
fn answers(stack: &mut Stack, id: SocketId) -> Vec<(u16, u16, Vec<u8>)> {
    let mut all = Vec::new();
    while let Ok(datagram) = receive(stack, id) {
        assert!(datagram.len() <= DATAGRAM);
        all.extend(messages(&datagram).map(|m| (m.kind, m.flags, m.body.to_vec())));
    }
    all
}

/// The errno of the one answer.
fn error(stack: &mut Stack, id: SocketId) -> i32 {
    let answers = answers(stack, id);
    assert_eq!((answers.len(), answers[0].0), (1, NLMSG_ERROR), "{answers:?}");
    -i32::from_ne_bytes(answers[0].2[..4].try_into().unwrap())
}

#[test]
fn a_listing_comes_in_datagrams_for_which_every_reader_has_room() {
    let many: Vec<_> = (1..=200).map(|n| format!("192.0.2.{n}/32")).collect();
    let (mut stack, id) = host(&many.iter().map(String::as_str).collect::<Vec<_>>());
    send(&mut stack, id, &request(RTM_GETADDR, NLM_F_DUMP | NLM_F_ACK, &[AF_INET as u8])).unwrap();
    assert_eq!(stack.poll(id) & constants::POLLIN, constants::POLLIN);
    // Another one while it is under way.
    send(&mut stack, id, &request(RTM_GETADDR, NLM_F_DUMP, &[0])).unwrap();
    let all = answers(&mut stack, id);
    let of = |wanted: u16| all.iter().filter(|(kind, ..)| *kind == wanted).count();
    assert_eq!((of(RTM_NEWADDR), of(NLMSG_DONE), of(NLMSG_ERROR)), (201, 1, 1));
    assert!(all.iter().all(|(kind, flags, _)| *kind == NLMSG_ERROR || flags & NLM_F_MULTI != 0));
    assert_eq!(all.last().unwrap().0, NLMSG_DONE);
    assert_eq!(stack.poll(id) & constants::POLLIN, 0);
    // Looked at first, then taken: libraries ask for the length so.
    send(&mut stack, id, &request(RTM_GETLINK, NLM_F_DUMP, &[0; 16])).unwrap();
    let peeked = stack.recv(id, &mut [IoSliceMut::new(&mut [])], MSG_PEEK | MSG_TRUNC).unwrap();
    assert_eq!((peeked.len, peeked.flags), (receive(&mut stack, id).unwrap().len(), MSG_TRUNC));
}

#[test]
fn the_families_are_kept_apart_and_names_found() {
    let (mut stack, id) = host(&["192.0.2.2/24", "2001:db8::2/64"]);
    for (family, count) in [(AF_INET, 2), (AF_INET6, 2), (0, 4)] {
        send(&mut stack, id, &request(RTM_GETADDR, NLM_F_DUMP, &[family as u8])).unwrap();
        assert_eq!(answers(&mut stack, id).len(), count + 1);
    }
    let mut named = [0; 16].to_vec();
    named.extend([9, 0, 3, 0]);
    named.extend(b"eth0\0\0\0\0");
    send(&mut stack, id, &request(RTM_GETLINK, 0, &named)).unwrap();
    let link = answers(&mut stack, id).remove(0);
    assert_eq!((link.0, &link.2[4..8]), (RTM_NEWLINK, &2_u32.to_ne_bytes()[..]));
    assert!(attributes(&link.2[16..]).any(|a| a == (1, &[2, 0, 0, 0, 0, 1])));
    named[20..24].copy_from_slice(b"none");
    send(&mut stack, id, &request(RTM_GETLINK, 0, &named)).unwrap();
    assert_eq!(error(&mut stack, id), Errno::ENODEV.0);
}

#[test]
fn changes_are_the_hosts_verbs() {
    let (mut stack, id) = host(&["192.0.2.2/24"]);
    stack.setsockopt(id, SOL_NETLINK, constants::NETLINK_EXT_ACK, &1_i32.to_ne_bytes()).unwrap();
    let address = [&[AF_INET as u8, 24, 0, 0, 2, 0, 0, 0][..], &[8, 0, 2, 0, 192, 0, 2, 9]].concat();
    for (kind, errno) in [(RTM_NEWADDR, 0), (RTM_NEWADDR, 17), (RTM_DELADDR, 0), (RTM_DELADDR, 99)] {
        send(&mut stack, id, &request(kind, NLM_F_ACK, &address)).unwrap();
        assert_eq!(error(&mut stack, id), errno);
    }
    let mut route = vec![AF_INET as u8, 0, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0];
    route.extend([8, 0, 5, 0, 192, 0, 2, 1]);
    for (kind, errno) in [(RTM_NEWROUTE, 0), (RTM_NEWROUTE, 17), (RTM_DELROUTE, 0), (RTM_DELROUTE, 3)] {
        send(&mut stack, id, &request(kind, NLM_F_ACK | NLM_F_EXCL | NLM_F_CREATE, &route)).unwrap();
        assert_eq!(error(&mut stack, id), errno);
    }
    // `ip link set eth0 down`, `up`, `mtu 1400`, and what can't be: a sentence comes with the number.
    let link = |stack: &mut Stack, flags: u32, change: u32, more: &[u8]| {
        let head =
            [&[0; 4][..], &2_u32.to_ne_bytes(), &flags.to_ne_bytes(), &change.to_ne_bytes(), more].concat();
        send(stack, id, &request(RTM_NEWLINK, NLM_F_ACK, &head)).unwrap();
        answers(stack, id).remove(0)
    };
    let state = |stack: &Stack| {
        let eth0 = stack.net.interface(IfIndex(2)).unwrap();
        (eth0.up, eth0.mtu, stack.net.sorted_routes().len())
    };
    assert_eq!(link(&mut stack, 0, 1, &[]).2[..4], [0; 4]);
    assert_eq!(state(&stack), (false, 1500, 0));
    // The wire may go and come meanwhile.
    stack.net.set_link(IfIndex(2), false);
    stack.net.set_link(IfIndex(2), true);
    assert_eq!(state(&stack), (false, 1500, 0));
    assert_eq!(link(&mut stack, 1, 1, &[8, 0, 4, 0, 120, 5, 0, 0]).2[..4], [0; 4]);
    assert_eq!(state(&stack), (true, 1400, 1));
    for (mtu, says) in [(1501_u32, "greater"), (67, "less")] {
        let refused = link(&mut stack, 0, 0, &[&[8, 0, 4, 0][..], &mtu.to_ne_bytes()].concat());
        assert_eq!(refused.1, NLM_F_ACK_TLVS);
        assert!(String::from_utf8_lossy(&refused.2).contains(says));
    }
    // IFLA_ADDRESS: a group's, one that is cut short; IFLA_LINKMODE.
    for (more, errno) in [
        (&[12, 0, 1, 0, 3, 0, 0, 0, 0, 7, 0, 0][..], Errno::EADDRNOTAVAIL),
        (&[8, 0, 1, 0, 2, 0, 0, 0], Errno::EINVAL),
        (&[5, 0, 17, 0, 1, 0, 0, 0], Errno::EOPNOTSUPP),
    ] {
        let refused = link(&mut stack, 0, 0, more);
        assert_eq!(i32::from_ne_bytes(refused.2[..4].try_into().unwrap()), -errno.0, "{more:?}");
    }
}

#[test]
fn nothing_hostile_is_taken_for_a_request_or_panics() {
    let (mut stack, id) = host(&["192.0.2.2/24", "2001:db8::2/64"]);
    let whole: Vec<Vec<u8>> = (0..=LAST + 3)
        .flat_map(|kind| {
            let body: Vec<u8> =
                [&[AF_INET as u8, 24, 0, 0][..], &[2, 0, 0, 0], &[8, 0, 1, 0, 192, 0, 2, 9], &[4, 0, 5, 0]]
                    .concat();
            [request(kind, NLM_F_ACK, &body), request(kind, NLM_F_DUMP, &body)]
        })
        .collect();
    for bytes in &whole {
        for len in 0..bytes.len() {
            send(&mut stack, id, &bytes[..len]).unwrap();
            answers(&mut stack, id);
        }
        // Every byte of it, wrong: lengths that lead beyond the end, or to 0, among them.
        for at in 0..bytes.len() {
            for wrong in [0, 1, 3, 0x7f, 0xff] {
                let mut bytes = bytes.clone();
                bytes[at] = wrong;
                send(&mut stack, id, &bytes).unwrap();
                answers(&mut stack, id);
            }
        }
    }
    for len in 0..16_u32 {
        assert_eq!(messages(&[&len.to_ne_bytes()[..], &[0; 64]].concat()).count(), 0);
    }
    assert_eq!(attributes(&[3, 0, 1, 0, 0, 0]).count(), 0);
    assert_eq!(attributes(&[0xff, 0xff, 1, 0, 0, 0]).count(), 0);
    assert_eq!(attributes(&[5, 0, 1, 0x80, 9]).collect::<Vec<_>>(), [(1, &[9][..])]);
}

#[test]
fn whoever_has_joined_hears_of_changes_and_nobody_else() {
    let (mut stack, id) = host(&["192.0.2.2/24"]);
    let deaf = stack.socket(AF_NETLINK, SOCK_RAW, 0).unwrap();
    // RTNLGRP_NEIGH, RTNLGRP_IPV4_IFADDR.
    for group in [3_i32, 5] {
        stack.setsockopt(id, SOL_NETLINK, constants::NETLINK_ADD_MEMBERSHIP, &group.to_ne_bytes()).unwrap();
    }
    let heard = |stack: &mut Stack| {
        let mut all = Vec::new();
        let mut buffer = vec![0; 65_536];
        while let Ok(received) = stack.recv(id, &mut [IoSliceMut::new(&mut buffer)], 0) {
            let Some(SockAddr::Netlink(from)) = received.from else { panic!("{received:?}") };
            all.extend(messages(&buffer[..received.len]).map(|m| (from.groups, m.kind)));
        }
        all
    };
    let eth0 = IfIndex(2);
    // A verb, not a request: whoever it was.
    stack.net.add_address(eth0, "192.0.2.3/24".parse().unwrap()).unwrap();
    stack.dispatch();
    assert_eq!(heard(&mut stack), [(1 << 4, RTM_NEWADDR)]);
    stack.dispatch();
    assert_eq!(heard(&mut stack), []);
    // A neighbour is met, and gets old by itself.
    stack.net.copy_neighbour(eth0, "192.0.2.1".parse().unwrap(), Mac([2, 0, 0, 0, 0, 9]), true);
    stack.dispatch();
    assert_eq!(heard(&mut stack), [(1 << 2, RTM_NEWNEIGH)]);
    let due = stack.deadline().unwrap();
    assert!(due.since(stack.net.now) > std::time::Duration::from_secs(30));
    stack.tick(due);
    assert_eq!(heard(&mut stack), [(1 << 2, RTM_NEWNEIGH)]);
    assert_ne!(stack.deadline(), Some(due));
    // It has failed, then it is gone.
    stack.net.set_neighbour(eth0, "192.0.2.1".parse().unwrap(), None).unwrap();
    stack.dispatch();
    assert_eq!(heard(&mut stack), [(1 << 2, RTM_NEWNEIGH), (1 << 2, RTM_DELNEIGH)]);
    assert_eq!(stack.recv(deaf, &mut [], 0).unwrap_err().errno(), Errno::EAGAIN);
    // Nobody listens any more: nothing is kept.
    stack.close(id).unwrap();
    stack.net.remove_address(eth0, "192.0.2.3".parse().unwrap()).unwrap();
    stack.dispatch();
    assert_eq!(stack.monitor.deadline(), None);
}

#[test]
fn questions_about_sockets_are_read_with_care() {
    let (mut stack, _) = host(&["192.0.2.2/24"]);
    let id = stack.socket(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG).unwrap();
    let tcp = stack.socket(AF_INET, constants::SOCK_STREAM, 0).unwrap();
    stack.bind(tcp, ([192, 0, 2, 2], 80).into()).unwrap();
    stack.listen(tcp, 5).unwrap();
    let inet = [&[2, 6, 0xff, 0][..], &[0xff; 4], &[0; 40], &[0xff; 8]].concat();
    let code = [
        &inet[..],
        &[24, 0, 1, 0, 7, 16, 20, 0, 2, 24, 0, 0, 0xff, 0xff, 0xff, 0xff, 192, 0, 2, 0, 0, 4, 0, 0],
    ]
    .concat();
    let packet = [&[17, 0, 0, 0][..], &[0; 4], &[0xff; 12]].concat();
    let netlink = [&[16, 255, 0, 0][..], &[0; 4], &[0xff; 12]].concat();
    let old = [&[2, 0, 0, 0xff][..], &[0; 40], &[0xff; 12], &[0; 4]].concat();
    for (kind, body) in [(20, &inet), (20, &code), (20, &packet), (20, &netlink), (18, &old), (21, &inet)] {
        for flags in [0, NLM_F_DUMP] {
            let bytes = request(kind, flags, body);
            for len in 0..=bytes.len() {
                let _ = send(&mut stack, id, &bytes[..len]);
                answers(&mut stack, id);
            }
            for at in 0..bytes.len() {
                for wrong in [0, 1, 3, 0x7f, 0xff] {
                    let mut bytes = bytes.clone();
                    bytes[at] = wrong;
                    let _ = send(&mut stack, id, &bytes);
                    answers(&mut stack, id);
                }
            }
        }
    }
    let end = |answers: &[(u16, u16, Vec<u8>)]| {
        i32::from_ne_bytes(answers.last().unwrap().2[..4].try_into().unwrap())
    };
    send(&mut stack, id, &request(20, NLM_F_DUMP, &code)).unwrap();
    let found = answers(&mut stack, id);
    assert_eq!((found.len(), end(&found), &found[0].2[4..6]), (2, 0, &80_u16.to_be_bytes()[..]));
    // A protocol that nobody answers for is the end's errno (inet_diag_dump).
    let sctp = [&[2, 132, 0, 0][..], &inet[4..]].concat();
    send(&mut stack, id, &request(20, NLM_F_DUMP, &sctp)).unwrap();
    let found = answers(&mut stack, id);
    assert_eq!((found.len(), end(&found)), (1, -Errno::ENOENT.0));
}

#[test]
fn many_sockets_come_in_many_datagrams() {
    let (mut stack, _) = host(&["192.0.2.2/24"]);
    let id = stack.socket(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG).unwrap();
    for port in 1..=300 {
        let udp = stack.socket(AF_INET, SOCK_DGRAM, 0).unwrap();
        stack.bind(udp, ([192, 0, 2, 2], port).into()).unwrap();
    }
    let inet = [&[2, 17, 0xff, 0][..], &[0xff; 4], &[0; 40], &[0xff; 8]].concat();
    send(&mut stack, id, &request(20, NLM_F_DUMP, &inet)).unwrap();
    let ports: Vec<_> =
        answers(&mut stack, id).iter().map(|(_, _, body)| body.get(4..6).map(<[u8]>::to_vec)).collect();
    let wanted: Vec<_> = (1..=300_u16).map(|port| Some(port.to_be_bytes().to_vec())).chain([None]).collect();
    assert_eq!(ports, wanted);
}

#[test]
fn a_reader_that_does_not_read_gets_enobufs_and_costs_no_more() {
    let (mut stack, id) = host(&[]);
    let mut flood = Vec::new();
    while flood.len() < 100_000 {
        let link = [&[0; 4][..], &1_u32.to_ne_bytes(), &[0; 8]].concat();
        flood.extend(request(RTM_GETLINK, 0, &link));
    }
    send(&mut stack, id, &flood).unwrap();
    let entry = stack.sockets.get(id).unwrap();
    assert!(entry.netlink().unwrap().charged() <= entry.options.recv_buffer + charge(DATAGRAM));
    assert_eq!(receive(&mut stack, id).unwrap_err().errno(), Errno::ENOBUFS);
    assert!(receive(&mut stack, id).is_ok());
}
