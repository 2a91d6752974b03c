//! Packet sockets on a host with a wire, in virtual time.

use std::io::{IoSlice, IoSliceMut};

use crate::base::constants::*;
use crate::base::{
    ControlMessage, Errno, Frame, IfIndex, Instant, LinkAddr, Mac, Reason, Result, SockAddr, SocketId,
};
use crate::stack::{Config, InterfaceConfig, SendTo, Stack};
use crate::wire::filter::{Instruction, Program};

const WIRE: IfIndex = IfIndex(2);
const OWN: Mac = Mac([2, 0, 0, 0, 0, 1]);
const PEER: Mac = Mac([2, 0, 0, 0, 0, 2]);

fn host() -> Stack {
    let mut stack = Stack::new(Config { dad_transmits: 0, ..Config::default() });
    stack.at(Instant::from_secs(1));
    let addresses = vec!["192.0.2.1/24".parse().unwrap()];
    let config = InterfaceConfig {
        link: crate::base::LinkType::Ethernet,
        name: "eth0".into(),
        mac: OWN,
        mtu: 1500,
        addresses,
        ipv6: false,
    };
    stack.net.add_interface(config).unwrap();
    out(&mut stack);
    stack
}

fn socket(stack: &mut Stack, kind: i32, protocol: u16) -> SocketId {
    stack.socket(AF_PACKET, kind, protocol.to_be().into()).unwrap()
}

fn frame(to: Mac, protocol: u16, data: &[u8]) -> Vec<u8> {
    [&to.0[..], &PEER.0, &protocol.to_be_bytes(), data].concat()
}

fn arrives(stack: &mut Stack, bytes: &[u8]) {
    let now = stack.net.now;
    stack.frame_in(now, WIRE, Frame::copy_of(bytes));
}

fn out(stack: &mut Stack) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| stack.frame_out()).map(|(_, frame)| frame.bytes().to_vec()).collect()
}

fn recv(stack: &mut Stack, id: SocketId) -> Result<(Vec<u8>, LinkAddr)> {
    let mut data = vec![0; 4096];
    let received = stack.recv(id, &mut [IoSliceMut::new(&mut data)], 0)?;
    data.truncate(received.len);
    Ok((data, *received.from.unwrap().link().unwrap()))
}

fn send(stack: &mut Stack, id: SocketId, data: &[u8], to: Option<LinkAddr>) -> Result<usize> {
    let to = to.map(SockAddr::from);
    stack.send(id, &[IoSlice::new(data)], SendTo { to, ..SendTo::default() })
}

fn errno<T: std::fmt::Debug>(result: Result<T>) -> Errno {
    result.unwrap_err().errno()
}

#[test]
fn everything_that_arrives_is_seen_and_by_whom_it_is_meant() {
    let mut stack = host();
    let all = socket(&mut stack, SOCK_RAW, ETH_P_ALL);
    let arp = socket(&mut stack, SOCK_DGRAM, ETH_P_ARP);
    let none = socket(&mut stack, SOCK_RAW, 0);
    let group = Mac([1, 0, 0x5e, 0, 0, 9]);
    for (to, kind) in [
        (OWN, PACKET_HOST),
        (Mac::BROADCAST, PACKET_BROADCAST),
        (group, PACKET_MULTICAST),
        (Mac([2, 0, 0, 0, 0, 9]), PACKET_OTHERHOST),
    ] {
        let bytes = frame(to, ETH_P_ARP, b"whatever");
        arrives(&mut stack, &bytes);
        let (data, from) = recv(&mut stack, all).unwrap();
        assert_eq!((data, from.packet_type, from.mac()), (bytes, kind, Some(PEER)));
        assert_eq!((from.protocol, from.interface, from.hardware), (ETH_P_ARP, 2, ARPHRD_ETHER));
        assert_eq!(recv(&mut stack, arp).unwrap(), (b"whatever".to_vec(), from), "without the link header");
    }
    assert_eq!(errno(recv(&mut stack, none)), Errno::EAGAIN);
    stack.bind(none, LinkAddr::bind(WIRE, ETH_P_802_2).into()).unwrap();
    let llc = frame(OWN, 8, b"\x42\x42\x03four");
    arrives(&mut stack, &llc);
    assert_eq!(recv(&mut stack, none).unwrap().0, llc);
    arrives(&mut stack, &frame(OWN, 8, b"\xff\xffnovell"));
    assert_eq!(errno(recv(&mut stack, none)), Errno::EAGAIN);
    arrives(&mut stack, &llc[..13]);
    assert_eq!(stack.net.log.count(Reason::LinkShort), 1);
}

#[test]
fn what_is_written_leaves_and_others_see_it() {
    let mut stack = host();
    let sender = socket(&mut stack, SOCK_RAW, ETH_P_ALL);
    let sniffer = socket(&mut stack, SOCK_RAW, ETH_P_ALL);
    let ip_only = socket(&mut stack, SOCK_RAW, ETH_P_IP);
    let bytes = frame(OWN, ETH_P_IP, b"no IP at all");
    assert_eq!(errno(send(&mut stack, sender, &bytes, None)), Errno::ENXIO);
    stack.bind(sender, LinkAddr::bind(WIRE, 0).into()).unwrap();
    assert_eq!(send(&mut stack, sender, &bytes, None).unwrap(), bytes.len());
    assert_eq!(out(&mut stack), std::slice::from_ref(&bytes));
    let (data, from) = recv(&mut stack, sniffer).unwrap();
    assert_eq!((data, from.packet_type, from.protocol), (bytes, PACKET_OUTGOING, ETH_P_IP));
    for blind in [sender, ip_only, sniffer] {
        assert_eq!(errno(recv(&mut stack, blind)), Errno::EAGAIN);
    }
    assert_eq!(errno(send(&mut stack, sender, &[0; 13], None)), Errno::EINVAL);
    assert_eq!(errno(send(&mut stack, sender, &[0; 1515], None)), Errno::EMSGSIZE);
    let tagged = frame(OWN, ETH_P_8021Q, &[0; 1504]);
    assert_eq!(send(&mut stack, sender, &tagged, None).unwrap(), 1518);
    assert_eq!(errno(send(&mut stack, sender, &[0; 1519], None)), Errno::EMSGSIZE);
}

#[test]
fn a_cooked_packet_gets_its_header() {
    let mut stack = host();
    let cooked = socket(&mut stack, SOCK_DGRAM, 0);
    let to = LinkAddr::station(WIRE, 0x88b5, PEER);
    assert_eq!(send(&mut stack, cooked, b"hello", Some(to)).unwrap(), 5);
    let header = [&PEER.0[..], &OWN.0, &[0x88, 0xb5]].concat();
    assert_eq!(out(&mut stack), [[&header[..], b"hello"].concat()]);
    stack.bind(cooked, LinkAddr::bind(WIRE, ETH_P_IP).into()).unwrap();
    assert_eq!(errno(send(&mut stack, cooked, b"to whom?", None)), Errno::EINVAL);
}

#[test]
fn what_the_stack_says_itself_is_seen_before_it_leaves() {
    let mut stack = host();
    let sniffer = socket(&mut stack, SOCK_RAW, ETH_P_ALL);
    let udp = stack.socket(AF_INET, SOCK_DGRAM, 0).unwrap();
    let to: std::net::SocketAddr = "192.0.2.9:9".parse().unwrap();
    stack.send(udp, &[IoSlice::new(b"x")], SendTo { to: Some(to.into()), ..SendTo::default() }).unwrap();
    let sent = out(&mut stack);
    let (data, from) = recv(&mut stack, sniffer).unwrap();
    assert_eq!((&data, from.packet_type, from.protocol), (&sent[0], PACKET_OUTGOING, ETH_P_ARP));
    let on = 1_i32.to_ne_bytes();
    stack.setsockopt(sniffer, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on).unwrap();
    stack.tick(Instant::from_secs(3));
    assert!(!out(&mut stack).is_empty());
    assert_eq!(errno(recv(&mut stack, sniffer)), Errno::EAGAIN);
}

#[test]
fn the_queue_is_bounded_and_losses_are_counted() {
    let mut stack = host();
    let id = socket(&mut stack, SOCK_RAW, ETH_P_ALL);
    stack.setsockopt(id, SOL_SOCKET, SO_RCVBUF, &4096_i32.to_ne_bytes()).unwrap();
    for _ in 0..100 {
        arrives(&mut stack, &frame(OWN, 0x88b5, &[0; 46]));
    }
    let told = stack.getsockopt(id, SOL_PACKET, PACKET_STATISTICS, 8).unwrap();
    let [packets, drops] = [0, 4].map(|at| u32::from_ne_bytes(told[at..at + 4].try_into().unwrap()));
    assert_eq!(packets, 100);
    assert!((80..100).contains(&drops), "{drops}");
    assert_eq!(stack.net.log.count(Reason::ReceiveQueueFull), u64::from(drops));
    assert_eq!(stack.getsockopt(id, SOL_PACKET, PACKET_STATISTICS, 8).unwrap(), [0; 8]);
    let kept = std::iter::from_fn(|| recv(&mut stack, id).ok()).count();
    assert_eq!(kept as u32, packets - drops);
}

#[test]
fn a_link_that_goes_down_is_told_once() {
    let mut stack = host();
    let bound = socket(&mut stack, SOCK_RAW, ETH_P_ALL);
    stack.bind(bound, LinkAddr::bind(WIRE, 0).into()).unwrap();
    let any = socket(&mut stack, SOCK_RAW, ETH_P_ALL);
    stack.net.set_link(WIRE, false);
    out(&mut stack);
    assert_eq!(errno(recv(&mut stack, bound)), Errno::ENETDOWN);
    assert_eq!(errno(recv(&mut stack, bound)), Errno::EAGAIN);
    assert_eq!(errno(recv(&mut stack, any)), Errno::EAGAIN);
    assert_eq!(errno(send(&mut stack, bound, &[0; 60], None)), Errno::ENETDOWN);
    stack.bind(any, LinkAddr::bind(WIRE, 0).into()).unwrap();
    assert_eq!(errno(recv(&mut stack, any)), Errno::ENETDOWN);
    stack.net.set_link(WIRE, true);
    out(&mut stack);
    arrives(&mut stack, &frame(OWN, 0x88b5, b"again"));
    // Behind the announcements of the host itself.
    let heard: Vec<_> = std::iter::from_fn(|| recv(&mut stack, any).ok()).collect();
    assert!(heard.last().is_some_and(|(data, _)| data.ends_with(b"again")));
}

#[test]
fn memberships_are_counted_and_end_with_the_socket() {
    let mut stack = host();
    let ids = [socket(&mut stack, SOCK_RAW, 0), socket(&mut stack, SOCK_RAW, 0)];
    let request = |kind: i32, length: u16| {
        let (kind, length) = ((kind as u16).to_ne_bytes(), length.to_ne_bytes());
        [&2_u32.to_ne_bytes()[..], &kind, &length, &[1; 8]].concat()
    };
    let promiscuous = |stack: &Stack| stack.net.interface(WIRE).unwrap().is_promiscuous();
    let ask = |stack: &mut Stack, id, name, value: &[u8]| stack.setsockopt(id, SOL_PACKET, name, value);
    for id in ids {
        ask(&mut stack, id, PACKET_ADD_MEMBERSHIP, &request(PACKET_MR_PROMISC, 0)).unwrap();
        ask(&mut stack, id, PACKET_ADD_MEMBERSHIP, &request(PACKET_MR_PROMISC, 0)).unwrap();
    }
    ask(&mut stack, ids[0], PACKET_DROP_MEMBERSHIP, &request(PACKET_MR_PROMISC, 0)).unwrap();
    ask(&mut stack, ids[0], PACKET_DROP_MEMBERSHIP, &request(PACKET_MR_PROMISC, 0)).unwrap();
    ask(&mut stack, ids[0], PACKET_DROP_MEMBERSHIP, &request(PACKET_MR_PROMISC, 0)).unwrap();
    assert!(promiscuous(&stack), "the other socket still asks");
    stack.close(ids[1]).unwrap();
    assert!(!promiscuous(&stack));
    for (value, wanted) in [
        (request(PACKET_MR_MULTICAST, 5), Errno::EINVAL),
        (request(PACKET_MR_PROMISC, 9), Errno::EINVAL),
        (request(PACKET_MR_PROMISC, 0)[..15].to_vec(), Errno::EINVAL),
        (vec![9; 16], Errno::EINVAL),
        ([&9_u32.to_ne_bytes()[..], &[0; 12]].concat(), Errno::ENODEV),
    ] {
        assert_eq!(errno(ask(&mut stack, ids[0], PACKET_ADD_MEMBERSHIP, &value)), wanted, "{value:?}");
    }
}

#[test]
fn a_filter_takes_cuts_and_refuses() {
    let mut stack = host();
    let program = |instructions: &[(u16, u8, u8, u32)]| {
        let instruction = |&(code, jt, jf, k): &(u16, u8, u8, u32)| Instruction { code, jt, jf, k };
        Program::new(instructions.iter().map(instruction).collect()).unwrap()
    };
    // ldh [12]; jeq #0x88b5, keep 20; keep nothing. Cooked: ldb [0]; jeq #'y'.
    let of_ours = program(&[(0x28, 0, 0, 12), (0x15, 0, 1, 0x88b5), (6, 0, 0, 20), (6, 0, 0, 0)]);
    let yes = program(&[(0x30, 0, 0, 0), (0x15, 0, 1, b'y'.into()), (6, 0, 0, 3), (6, 0, 0, 0)]);
    // ldh [SKF_LL_OFF + 12]: what is in front of a cooked packet; ld [SKF_AD_OFF + PKTTYPE].
    let behind = program(&[(0x28, 0, 0, 0xffe0_000c), (0x15, 0, 1, 0x88b5), (6, 0, 0, 0xffff), (6, 0, 0, 0)]);
    let for_us = program(&[(0x20, 0, 0, 0xffff_f004), (0x15, 0, 1, 0), (6, 0, 0, 0xffff), (6, 0, 0, 0)]);
    let mut filtered = |kind, program| {
        let id = socket(&mut stack, kind, ETH_P_ALL);
        stack.sockets.get_mut(id).unwrap().filter = Some(program);
        id
    };
    let (raw, cooked) = (filtered(SOCK_RAW, of_ours), filtered(SOCK_DGRAM, yes));
    let (low, host_only) = (filtered(SOCK_DGRAM, behind), filtered(SOCK_RAW, for_us));
    stack.setsockopt(raw, SOL_PACKET, PACKET_AUXDATA, &1_i32.to_ne_bytes()).unwrap();
    let wanted = frame(OWN, 0x88b5, b"yes, we want it");
    arrives(&mut stack, &wanted);
    arrives(&mut stack, &frame(Mac::BROADCAST, 0x88b6, b"no"));
    let mut data = [0; 100];
    let received = stack.recv(raw, &mut [IoSliceMut::new(&mut data)], MSG_TRUNC).unwrap();
    assert_eq!((received.len, &data[..20]), (20, &wanted[..20]));
    let [ControlMessage::PacketAuxiliary(auxiliary)] = received.control[..] else { panic!("{received:?}") };
    assert_eq!((auxiliary.len, auxiliary.snaplen, auxiliary.net), (29, 20, 14));
    assert_eq!(recv(&mut stack, cooked).unwrap().0, b"yes");
    assert_eq!(recv(&mut stack, low).unwrap().0, b"yes, we want it");
    assert_eq!(recv(&mut stack, host_only).unwrap().0, wanted);
    for id in [raw, cooked, low, host_only] {
        assert_eq!(errno(recv(&mut stack, id)), Errno::EAGAIN);
        let told = stack.getsockopt(id, SOL_PACKET, PACKET_STATISTICS, 8).unwrap();
        assert_eq!(told, [1, 0, 0, 0, 0, 0, 0, 0], "what the filter refuses is not counted");
    }
}
