//! Requests by hand, good and bad.

use super::*;
use crate::base::constants::{AF_INET, AF_INET6, AF_NETLINK, SOCK_RAW, SOL_NETLINK};
use crate::base::netlink::{NLM_F_EXCL, attributes};
use crate::base::{Mac, constants};
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
        send(&mut stack, id, &request(kind, NLM_F_ACK | NLM_F_EXCL, &route)).unwrap();
        assert_eq!(error(&mut stack, id), errno);
    }
    // `ip link set eth0 down`: a sentence comes with the number.
    let down = [&[0; 4][..], &2_u32.to_ne_bytes(), &0_u32.to_ne_bytes(), &1_u32.to_ne_bytes()].concat();
    send(&mut stack, id, &request(RTM_NEWLINK, NLM_F_ACK, &down)).unwrap();
    let refused = answers(&mut stack, id).remove(0);
    assert_eq!(refused.1, NLM_F_ACK_TLVS);
    assert!(String::from_utf8_lossy(&refused.2).contains("as long as its wire is there"));
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
