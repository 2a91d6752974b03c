//! CAN_RAW, and packet sockets on a CAN interface.

use super::bcm::manager;
use super::*;
use crate::base::constants::*;

/// can_create: "if (protocol < 0 || protocol >= CAN_NPROTO) return -EINVAL"; "if (!cp) return -EPROTONOSUPPORT"; "if (cp->type !=
/// sock->type) err = -EPROTOTYPE".
#[test]
fn only_what_there_is_can_be_made() {
    let mut stack = host();
    for (kind, protocol, wanted) in [
        (SOCK_RAW, 0, Errno::EPROTONOSUPPORT),
        (SOCK_RAW, 8, Errno::EINVAL),
        (SOCK_RAW, -1, Errno::EINVAL),
        (SOCK_DGRAM, CAN_RAW, Errno::EPROTOTYPE),
        (SOCK_RAW, CAN_BCM, Errno::EPROTOTYPE),
        (SOCK_RAW, CAN_ISOTP, Errno::EPROTOTYPE),
        (SOCK_DGRAM, 3, Errno::EPROTONOSUPPORT),
        (SOCK_RAW, CAN_J1939, Errno::EPROTOTYPE),
    ] {
        assert_eq!(errno(stack.socket(AF_CAN, kind, protocol)), wanted, "{kind} {protocol}");
    }
}

/// raw_bind, raw_sendmsg, raw_check_txframe, can_send.
#[test]
fn what_cannot_be_sent_is_refused_as_raw_c_does() {
    let mut stack = host();
    let id = stack.socket(AF_CAN, SOCK_RAW, CAN_RAW).unwrap();
    assert_eq!(errno(stack.bind(id, at(IfIndex::LO))), Errno::ENODEV);
    assert_eq!(errno(stack.bind(id, at(IfIndex(9)))), Errno::ENODEV);
    assert_eq!(errno(stack.bind(id, SockAddr::Unspec)), Errno::EINVAL);
    assert_eq!(errno(stack.connect(id, at(BUS))), Errno::EOPNOTSUPP);
    assert_eq!(errno(stack.getpeername(id)), Errno::EOPNOTSUPP);
    assert_eq!(errno(stack.shutdown(id, SHUT_RDWR)), Errno::EOPNOTSUPP);
    let frame = CanFrame::new(0x123, b"x").unwrap();
    assert_eq!(errno(send(&mut stack, id, frame.as_bytes(), None)), Errno::ENXIO, "not bound");
    assert_eq!(send(&mut stack, id, frame.as_bytes(), Some(BUS)).unwrap(), 16);
    assert_eq!(leaves(&mut stack), ["123#78"]);
    stack.bind(id, at(BUS)).unwrap();
    assert_eq!(stack.getsockname(id).unwrap(), at(BUS));
    assert_eq!(errno(send(&mut stack, id, &[0; 12], None)), Errno::EINVAL);
    assert_eq!(errno(send(&mut stack, id, &[0; 17], None)), Errno::EINVAL);
    assert_eq!(errno(send(&mut stack, id, &[9; 16], None)), Errno::EINVAL, "9 bytes of data");
    let long = CanFdFrame::new(0x123, &[7; 12]).unwrap();
    assert_eq!(errno(send(&mut stack, id, long.as_bytes(), None)), Errno::EINVAL, "not asked for");
    set(&mut stack, id, CAN_RAW_FD_FRAMES, 1);
    assert_eq!(send(&mut stack, id, long.as_bytes(), None).unwrap(), 72);
    assert_eq!(leaves(&mut stack), ["123##4070707070707070707070707"], "CANFD_FDF is set");
    assert_eq!(errno(send(&mut stack, id, long.as_bytes(), Some(OLD))), Errno::EINVAL);
    assert_eq!(errno(send(&mut stack, id, frame.as_bytes(), Some(IfIndex::LO))), Errno::EPERM);
    stack.net.set_link(BUS, false);
    leaves(&mut stack);
    assert_eq!(errno(recv(&mut stack, id)), Errno::ENETDOWN, "raw_notify");
    assert_eq!(errno(send(&mut stack, id, frame.as_bytes(), None)), Errno::ENETDOWN);
    let late = raw_on(&mut stack, BUS);
    assert_eq!(errno(recv(&mut stack, late)), Errno::ENETDOWN);
    assert_eq!(errno(recv(&mut stack, late)), Errno::EAGAIN);
    assert_eq!(errno(stack.readable(id)), Errno::ENOTTY);
}

/// raw_rcv: "check the received tx sock reference"; "add CAN specific message flags for raw_recvmsg()".
#[test]
fn everybody_hears_a_frame_but_who_has_sent_it() {
    let mut stack = host();
    let (mouth, ear) = (raw_on(&mut stack, BUS), raw_on(&mut stack, IfIndex(0)));
    let elsewhere = raw_on(&mut stack, OLD);
    let unbound = stack.socket(AF_CAN, SOCK_RAW, CAN_RAW).unwrap();
    let flags = |stack: &mut Stack, id| recv(stack, id).map(|(_, received)| received.flags);
    say(&mut stack, mouth, "123#01");
    assert_eq!(leaves(&mut stack), ["123#01"]);
    let (data, received) = recv(&mut stack, ear).unwrap();
    assert_eq!((data.len(), received.flags, received.from), (16, MSG_DONTROUTE, Some(at(BUS))));
    for deaf in [mouth, elsewhere, unbound] {
        assert_eq!(errno(recv(&mut stack, deaf)), Errno::EAGAIN);
    }
    set(&mut stack, mouth, CAN_RAW_RECV_OWN_MSGS, 1);
    say(&mut stack, mouth, "123#02");
    leaves(&mut stack);
    assert_eq!(flags(&mut stack, mouth).unwrap(), MSG_DONTROUTE | MSG_CONFIRM);
    assert_eq!(flags(&mut stack, ear).unwrap(), MSG_DONTROUTE);
    set(&mut stack, mouth, CAN_RAW_LOOPBACK, 0);
    say(&mut stack, mouth, "123#03");
    assert_eq!(leaves(&mut stack), ["123#03"], "it leaves all the same");
    assert_eq!(errno(recv(&mut stack, ear)), Errno::EAGAIN);
    arrives(&mut stack, "456#04");
    assert_eq!(flags(&mut stack, mouth).unwrap(), 0);
    assert_eq!(stack.poll(mouth), POLLOUT);
    assert_eq!(stack.poll(ear), POLLOUT | POLLIN);
    let mut short = [0; 5];
    let received = stack.recv(ear, &mut [IoSliceMut::new(&mut short)], MSG_TRUNC).unwrap();
    assert_eq!((received.len, received.flags), (5, MSG_TRUNC), "raw_recvmsg returns what was copied");
}

/// can_rcv_filter, raw_rcv.
#[test]
fn filters_choose() {
    let mut stack = host();
    let id = raw_on(&mut stack, BUS);
    let all = ["123#", "124#", "00000123#", "123#R"];
    let play = |stack: &mut Stack, texts: &[&str]| {
        filters(stack, id, texts);
        all.iter().for_each(|text| arrives(stack, text));
        heard(stack, id)
    };
    assert_eq!(play(&mut stack, &["123:7FF"]), ["123#", "00000123#", "123#R"]);
    assert_eq!(play(&mut stack, &["123:C00007FF"]), ["123#"]);
    assert_eq!(play(&mut stack, &["123~7FF"]), ["124#"]);
    assert_eq!(play(&mut stack, &["123:7FF", "100:700"]), all, "several matches are one message");
    assert!(play(&mut stack, &[]).is_empty(), "no filter, no frame");
    set(&mut stack, id, CAN_RAW_JOIN_FILTERS, 1);
    filters(&mut stack, id, &["100:700", "123~7FF"]);
    all.iter().for_each(|text| arrives(&mut stack, text));
    assert_eq!(heard(&mut stack, id), ["124#"], "all of them");

    let other = raw_on(&mut stack, BUS);
    set(&mut stack, other, CAN_RAW_ERR_FILTER, CAN_ERR_BUSOFF as i32);
    arrives(&mut stack, "20000040#0000000000000000");
    arrives(&mut stack, "20000004#0000000000000000");
    assert_eq!(heard(&mut stack, other), ["20000040#0000000000000000"]);
    assert!(heard(&mut stack, id).is_empty());
    arrives(&mut stack, "123##1AABB");
    assert!(heard(&mut stack, other).is_empty(), "not pass oversized frames to the socket");
    set(&mut stack, other, CAN_RAW_FD_FRAMES, 1);
    arrives(&mut stack, "123##1AABB");
    assert_eq!(recv(&mut stack, other).unwrap().0.len(), 72);
}

/// raw_setsockopt, raw_getsockopt.
#[test]
fn options_have_the_lengths_that_raw_c_asks_for() {
    let mut stack = host();
    let id = raw_on(&mut stack, BUS);
    let get = |stack: &mut Stack, name, len| stack.getsockopt(id, SOL_CAN_RAW, name, len);
    assert_eq!(get(&mut stack, CAN_RAW_FILTER, 8).unwrap(), [0; 8]);
    assert_eq!(get(&mut stack, CAN_RAW_LOOPBACK, 4).unwrap(), [1, 0, 0, 0]);
    for name in [CAN_RAW_ERR_FILTER, CAN_RAW_RECV_OWN_MSGS, CAN_RAW_FD_FRAMES, CAN_RAW_JOIN_FILTERS] {
        assert_eq!(get(&mut stack, name, 100).unwrap(), [0; 4]);
        assert_eq!(errno(stack.setsockopt(id, SOL_CAN_RAW, name, &[1; 3])), Errno::EINVAL);
        assert_eq!(errno(stack.setsockopt(id, SOL_CAN_RAW, name, &[1; 8])), Errno::EINVAL);
    }
    stack.setsockopt(id, SOL_CAN_RAW, CAN_RAW_ERR_FILTER, &[0xff; 4]).unwrap();
    assert_eq!(get(&mut stack, CAN_RAW_ERR_FILTER, 4).unwrap(), CAN_ERR_MASK.to_ne_bytes());
    assert_eq!(errno(stack.setsockopt(id, SOL_CAN_RAW, CAN_RAW_FILTER, &[0; 9])), Errno::EINVAL);
    assert_eq!(errno(stack.setsockopt(id, SOL_CAN_RAW, CAN_RAW_FILTER, &[0; 513 * 8])), Errno::EINVAL);
    stack.setsockopt(id, SOL_CAN_RAW, CAN_RAW_FILTER, &[0; 512 * 8]).unwrap();
    assert_eq!(errno(get(&mut stack, CAN_RAW_FILTER, 8)), Errno::ERANGE);
    stack.setsockopt(id, SOL_CAN_RAW, CAN_RAW_FILTER, &[]).unwrap();
    assert!(get(&mut stack, CAN_RAW_FILTER, 8).unwrap().is_empty());
    assert_eq!(errno(get(&mut stack, 99, 4)), Errno::ENOPROTOOPT);
    assert_eq!(errno(stack.getsockopt(id, SOL_IP, IP_TTL, 4)), Errno::EINVAL);
    assert_eq!(errno(stack.setsockopt(id, SOL_CAN_BASE, 1, &[0; 4])), Errno::EINVAL);
    let bcm = stack.socket(AF_CAN, SOCK_DGRAM, CAN_BCM).unwrap();
    assert_eq!(errno(stack.setsockopt(bcm, SOL_CAN_RAW, CAN_RAW_LOOPBACK, &[0; 4])), Errno::EOPNOTSUPP);
    for (name, wanted) in [(SO_TYPE, SOCK_DGRAM), (SO_DOMAIN, AF_CAN), (SO_PROTOCOL, CAN_BCM)] {
        assert_eq!(stack.getsockopt(bcm, SOL_SOCKET, name, 4).unwrap(), wanted.to_ne_bytes());
    }
}

/// sock_queue_rcv_skb: "if (atomic_read(&sk->sk_rmem_alloc) >= sk->sk_rcvbuf)".
#[test]
fn the_queue_is_bounded_and_times_are_told() {
    let mut stack = host();
    let id = raw_on(&mut stack, BUS);
    for (name, value) in [(SO_RCVBUF, 2048), (SO_RXQ_OVFL, 1), (SO_TIMESTAMP, 1)] {
        stack.setsockopt(id, SOL_SOCKET, name, &i32::to_ne_bytes(value)).unwrap();
    }
    (0..50).for_each(|_| arrives(&mut stack, "123#"));
    let kept = heard(&mut stack, id).len();
    assert!((2..20).contains(&kept), "{kept}");
    arrives(&mut stack, "123#");
    let (_, received) = recv(&mut stack, id).unwrap();
    let wanted = crate::base::ControlMessage::Dropped(50 - kept as u32);
    assert!(
        matches!(received.control[..], [crate::base::ControlMessage::Timestamp(_), ref last] if *last == wanted)
    );
}

/// packet_rcv: "if (skb->pkt_type == PACKET_LOOPBACK) goto drop"; can_send's clone is PACKET_BROADCAST.
#[test]
fn a_packet_socket_sees_frames_go_and_come() {
    let mut stack = host();
    let sniffer = stack.socket(AF_PACKET, SOCK_RAW, ETH_P_ALL.to_be().into()).unwrap();
    let fd_only = stack.socket(AF_PACKET, SOCK_DGRAM, ETH_P_CANFD.to_be().into()).unwrap();
    let mouth = raw_on(&mut stack, BUS);
    say(&mut stack, mouth, "123#01");
    leaves(&mut stack);
    arrives(&mut stack, "124##101");
    let mut seen = Vec::new();
    while let Ok((data, received)) = recv(&mut stack, sniffer) {
        let from = *received.from.unwrap().link().unwrap();
        assert_eq!((from.hardware, from.interface, from.length), (ARPHRD_CAN, BUS.0, 0));
        seen.push((data.len(), from.packet_type, from.protocol));
    }
    let (out, all) = (PACKET_OUTGOING, PACKET_BROADCAST);
    assert_eq!(seen, [(16, out, ETH_P_CAN), (16, all, ETH_P_CAN), (72, all, ETH_P_CANFD)]);
    assert_eq!(recv(&mut stack, fd_only).unwrap().0.len(), 72, "there is no link header to leave out");
    stack.bind(sniffer, crate::base::LinkAddr::bind(BUS, 0).into()).unwrap();
    let written = CanFrame::new(0x7, b"raw").unwrap();
    stack.send(sniffer, &[IoSlice::new(written.as_bytes())], SendTo::default()).unwrap();
    assert_eq!(leaves(&mut stack), ["007#726177"]);
}

#[test]
fn hostile_bytes_do_no_harm() {
    let mut stack = host();
    let (ear, id) = (raw_on(&mut stack, BUS), manager(&mut stack));
    for len in 0..90 {
        for fill in [0, 0x41, 0xff] {
            let mut frame = Frame::copy_of(&vec![fill; len]);
            frame.direction = Direction::In;
            stack.frame_in(stack.net.now, BUS, frame);
            let _ = send(&mut stack, id, &vec![fill; len], None);
            let _ = send(&mut stack, ear, &vec![fill; len], None);
            let _ = stack.setsockopt(ear, SOL_CAN_RAW, CAN_RAW_FILTER, &vec![fill; len]);
        }
    }
    leaves(&mut stack);
    assert_eq!(errno(stack.net.add_address(BUS, "192.0.2.1/24".parse().unwrap())), Errno::ENOBUFS);
}
