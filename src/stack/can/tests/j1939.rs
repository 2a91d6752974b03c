//! CAN_J1939: sockets of this host, and a bus that the test plays.

use super::*;
use crate::base::ControlMessage;
use crate::base::constants::*;

const NO_PGN: u32 = J1939_NO_PGN as u32;
const ALL: u8 = J1939_NO_ADDR as u8;
const NAME: u64 = 0x1122_3344_5566_7788;

fn whom(name: u64, pgn: u32, address: u8) -> SockAddr {
    CanAddr::j1939(BUS.0, name, pgn, address).into()
}

fn socket(stack: &mut Stack, name: u64, pgn: u32, address: u8) -> SocketId {
    let id = stack.socket(AF_CAN, SOCK_DGRAM, CAN_J1939).unwrap();
    stack.bind(id, whom(name, pgn, address)).unwrap();
    id
}

fn set(stack: &mut Stack, id: SocketId, level: i32, name: i32, value: i32) {
    stack.setsockopt(id, level, name, &value.to_ne_bytes()).unwrap();
}

fn send_to(stack: &mut Stack, id: SocketId, data: &[u8], to: SockAddr) -> Result<usize> {
    stack.send(id, &[IoSlice::new(data)], SendTo { to: Some(to), ..SendTo::default() })
}

/// j1939_sk_bind, j1939_sk_connect, j1939_sk_getname, j1939_sk_sendmsg, j1939_sk_setsockopt.
#[test]
fn what_is_wrong_is_refused_as_socket_c_does() {
    let mut stack = host();
    let id = stack.socket(AF_CAN, SOCK_DGRAM, CAN_J1939).unwrap();
    assert_eq!(stack.getsockname(id).unwrap(), CanAddr::j1939(0, 0, NO_PGN, ALL).into());
    assert_eq!(errno(send_to(&mut stack, id, b"x", whom(0, 0x12300, 0x20))), Errno::EBADFD);
    assert_eq!(errno(stack.bind(id, at(BUS))), Errno::EINVAL, "too short");
    assert_eq!(errno(stack.bind(id, CanAddr::j1939(0, 0, NO_PGN, 1).into())), Errno::ENODEV);
    assert_eq!(errno(stack.bind(id, CanAddr::j1939(IfIndex::LO.0, 0, NO_PGN, 1).into())), Errno::ENODEV);
    assert_eq!(errno(stack.bind(id, whom(0, 0xea01, 1))), Errno::EINVAL, "a destination in the PGN");
    assert_eq!(errno(stack.connect(id, whom(0, NO_PGN, 2))), Errno::EINVAL, "not bound");
    stack.bind(id, whom(0, NO_PGN, ALL)).unwrap();
    assert_eq!(stack.getsockname(id).unwrap(), whom(0, NO_PGN, ALL));
    assert_eq!(errno(send_to(&mut stack, id, b"x", whom(0, 0x12300, 0x20))), Errno::EBADFD, "no address");
    assert_eq!(errno(stack.bind(id, CanAddr::j1939(OLD.0, 0, NO_PGN, 1).into())), Errno::EINVAL);
    stack.bind(id, whom(0, NO_PGN, 0x10)).unwrap();
    assert_eq!(errno(stack.getpeername(id)), Errno::EADDRNOTAVAIL);
    assert_eq!(errno(stack.connect(id, whom(0, NO_PGN, ALL))), Errno::EACCES, "without SO_BROADCAST");
    assert_eq!(errno(send_to(&mut stack, id, b"x", whom(0, 0x1f000, ALL))), Errno::EACCES);
    assert_eq!(errno(send(&mut stack, id, b"x", None)), Errno::EACCES);
    set(&mut stack, id, SOL_SOCKET, SO_BROADCAST, 1);
    assert_eq!(errno(send_to(&mut stack, id, b"x", whom(0, 0xec00, 0x20))), Errno::EDOM);
    assert_eq!(errno(send_to(&mut stack, id, &[0; 1786], whom(0, 0x1f000, ALL))), Errno::EDESTADDRREQ);
    assert_eq!(errno(send_to(&mut stack, id, b"x", whom(NAME, 0x12300, 0))), Errno::EADDRNOTAVAIL);
    stack.connect(id, whom(0, 0x12300, 0x20)).unwrap();
    assert_eq!(stack.getpeername(id).unwrap(), whom(0, 0x12300, 0x20));
    for (name, value, wanted) in [
        (SO_J1939_SEND_PRIO, 8, Errno::EDOM),
        (SO_J1939_FILTER, 1, Errno::EINVAL),
        (99, 1, Errno::ENOPROTOOPT),
    ] {
        let set = stack.setsockopt(id, SOL_CAN_J1939, name, &i32::to_ne_bytes(value));
        assert_eq!(errno(set), wanted, "{name}");
    }
    assert_eq!(stack.getsockopt(id, SOL_CAN_J1939, SO_J1939_SEND_PRIO, 4).unwrap(), 6_i32.to_ne_bytes());
    assert_eq!(errno(stack.recv(id, &mut [], MSG_PEEK)), Errno::EINVAL);
}

/// j1939_send_one, j1939_can_recv, j1939_sk_match_dst, j1939_sk_recvmsg.
#[test]
fn a_short_message_is_one_frame() {
    let mut stack = host();
    let id = socket(&mut stack, 0, NO_PGN, 0x10);
    set(&mut stack, id, SOL_CAN_J1939, SO_J1939_SEND_PRIO, 3);
    send_to(&mut stack, id, b"abc", whom(0, 0x12300, 0x20)).unwrap();
    assert_eq!(leaves(&mut stack), ["0D232010#616263"]);
    arrives(&mut stack, "18231020#010203");
    let (data, received) = recv(&mut stack, id).unwrap();
    assert_eq!((&data[..], received.from), (&[1, 2, 3][..], Some(whom(0, 0x2300, 0x20))));
    assert_eq!(received.control, [ControlMessage::J1939Address(0x10), ControlMessage::J1939Priority(6)]);
    for not_for_us in ["18231120#01", "18FE0020#01", "123#01"] {
        arrives(&mut stack, not_for_us);
        assert_eq!(errno(recv(&mut stack, id)), Errno::EAGAIN, "{not_for_us}");
    }
    set(&mut stack, id, SOL_SOCKET, SO_BROADCAST, 1);
    arrives(&mut stack, "18FE0020#01");
    assert_eq!(recv(&mut stack, id).unwrap().1.from, Some(whom(0, 0xfe00, 0x20)));
    // struct j1939_filter: from address 30 alone.
    let filter = [&[0; 24][..], &[0x30, 0xff], &[0; 6]].concat();
    stack.setsockopt(id, SOL_CAN_J1939, SO_J1939_FILTER, &filter).unwrap();
    for text in ["18231020#01", "18231030#02"] {
        arrives(&mut stack, text);
    }
    assert_eq!(recv(&mut stack, id).unwrap().0, [2]);
    assert_eq!(errno(recv(&mut stack, id)), Errno::EAGAIN);
    stack.setsockopt(id, SOL_CAN_J1939, SO_J1939_FILTER, &[]).unwrap();
    set(&mut stack, id, SOL_CAN_J1939, SO_J1939_PROMISC, 1);
    arrives(&mut stack, "18234050#05");
    assert_eq!(recv(&mut stack, id).unwrap().0, [5]);
}

/// j1939_session_tx_rts, j1939_xtp_rx_cts_one, j1939_session_tx_dat, j1939_xtp_rx_eoma_one; the same as a receiver.
#[test]
fn a_long_message_waits_for_clear_to_send() {
    let mut stack = host();
    let id = socket(&mut stack, 0, NO_PGN, 0x10);
    send_to(&mut stack, id, &message(20), whom(0, 0x12300, 0x20)).unwrap();
    assert_eq!(leaves(&mut stack), ["18EC2010#1014000303002301"]);
    arrives(&mut stack, "18EC1020#110201FFFF002301");
    assert_eq!(leaves(&mut stack), ["18EB2010#0100010203040506", "18EB2010#020708090A0B0C0D"]);
    arrives(&mut stack, "18EC1020#110103FFFF002301");
    assert_eq!(leaves(&mut stack), ["18EB2010#030E0F10111213FF"]);
    arrives(&mut stack, "18EC1020#13140003FF002301");
    assert_eq!((leaves(&mut stack).len(), stack.deadline()), (0, None), "it is done");

    arrives(&mut stack, "18EC1020#10140003FF002301");
    assert_eq!(leaves(&mut stack), ["18EC2010#110301FFFF002301"]);
    for text in ["18EB1020#0100010203040506", "18EB1020#020708090A0B0C0D", "18EB1020#030E0F10111213FF"] {
        arrives(&mut stack, text);
    }
    assert_eq!(leaves(&mut stack), ["18EC2010#13140003FF002301"]);
    let (data, received) = recv(&mut stack, id).unwrap();
    assert_eq!((data, received.from), (message(20), Some(whom(0, 0x12300, 0x20))));
    assert_eq!(stack.deadline(), None);
}

/// j1939_tp_rxtimer, j1939_session_cancel, j1939_xtp_rx_abort_one.
#[test]
fn who_does_not_answer_is_unreachable() {
    let mut stack = host();
    let id = socket(&mut stack, 0, NO_PGN, 0x10);
    send_to(&mut stack, id, &message(20), whom(0, 0x12300, 0x20)).unwrap();
    assert_eq!(until(&mut stack, 1249).len(), 1);
    assert_eq!(until(&mut stack, 1), ["18EC2010#FF03FFFFFF002301"]);
    assert_eq!(errno(recv(&mut stack, id)), Errno::EHOSTUNREACH);
    assert_eq!(until(&mut stack, 500), [""; 0]);
    send_to(&mut stack, id, &message(20), whom(0, 0x12300, 0x20)).unwrap();
    assert_eq!(leaves(&mut stack).len(), 1);
    arrives(&mut stack, "18EC1020#FF01FFFFFF002301");
    assert_eq!(errno(recv(&mut stack, id)), Errno::EALREADY);
    // A receiver that is left alone.
    arrives(&mut stack, "18EC1020#10140003FF002301");
    assert_eq!(until(&mut stack, 2000), ["18EC2010#110301FFFF002301", "18EC2010#FF03FFFFFF002301"]);
    assert_eq!(stack.deadline(), None);
    assert_eq!(errno(recv(&mut stack, id)), Errno::EAGAIN);
}

/// BAM: one packet every 50 ms; ETP; both ends on this host.
#[test]
fn to_all_and_to_a_neighbour_on_the_same_host() {
    let mut stack = host();
    let (from, to) = (socket(&mut stack, 0, NO_PGN, 0x10), socket(&mut stack, 0, NO_PGN, 0x20));
    for id in [from, to] {
        set(&mut stack, id, SOL_SOCKET, SO_BROADCAST, 1);
    }
    send_to(&mut stack, from, &message(16), whom(0, 0x1f000, ALL)).unwrap();
    assert_eq!(until(&mut stack, 49), ["18ECFF10#20100003FF00F001"]);
    assert_eq!(until(&mut stack, 51), ["18EBFF10#0100010203040506", "18EBFF10#020708090A0B0C0D"]);
    until(&mut stack, 51);
    assert_eq!(recv(&mut stack, to).unwrap().0, message(16));
    for len in [9, 1785, 1786, 10_000] {
        assert_eq!(send_to(&mut stack, from, &message(len), whom(0, 0x12300, 0x20)).unwrap(), len);
        until(&mut stack, 100);
        assert_eq!(recv(&mut stack, to).unwrap().0, message(len), "{len}");
    }
    // One behind the other, and after the socket's end.
    for len in [100, 3, 2000] {
        send_to(&mut stack, from, &message(len), whom(0, 0x12300, 0x20)).unwrap();
    }
    stack.close(from).unwrap();
    until(&mut stack, 100);
    let heard: Vec<_> =
        std::iter::from_fn(|| recv(&mut stack, to).ok()).map(|(data, _)| data.len()).collect();
    assert_eq!(heard, [100, 3, 2000]);
    assert_eq!((stack.census().sockets, stack.census().flows, stack.deadline()), (1, 0, None));
}

/// j1939_ac_process, j1939_ac_fixup, j1939_ecu_timer_handler.
#[test]
fn names_claim_addresses() {
    let mut stack = host();
    let id = socket(&mut stack, NAME, NO_PGN, 0x80);
    set(&mut stack, id, SOL_SOCKET, SO_BROADCAST, 1);
    let other = whom(0, 0x12300, 0x20);
    assert_eq!(errno(send_to(&mut stack, id, b"x", other)), Errno::EADDRNOTAVAIL, "not claimed");
    let claimed = J1939_PGN_ADDRESS_CLAIMED as u32;
    assert_eq!(errno(send_to(&mut stack, id, b"12345678", whom(0, claimed, ALL))), Errno::EPROTO);
    send_to(&mut stack, id, &NAME.to_le_bytes(), whom(0, claimed, ALL)).unwrap();
    assert_eq!(leaves(&mut stack), ["18EEFF80#8877665544332211"]);
    assert_eq!(errno(send_to(&mut stack, id, b"x", other)), Errno::EADDRNOTAVAIL, "somebody may object");
    until(&mut stack, 250);
    send_to(&mut stack, id, b"x", other).unwrap();
    assert_eq!(leaves(&mut stack), ["19232080#78"]);
    // A greater name is not heard, a lower one takes the address.
    arrives(&mut stack, "18EEFF80#8877665544332212");
    until(&mut stack, 250);
    send_to(&mut stack, id, b"x", other).unwrap();
    leaves(&mut stack);
    arrives(&mut stack, "18EEFF80#8877665544332210");
    until(&mut stack, 250);
    assert_eq!(errno(send_to(&mut stack, id, b"x", other)), Errno::EADDRNOTAVAIL);
    // By its name: whoever has it.
    send_to(&mut stack, id, &NAME.to_le_bytes(), whom(0, claimed, ALL)).unwrap();
    stack.bind(id, whom(NAME, NO_PGN, 0x81)).unwrap();
    send_to(&mut stack, id, &NAME.to_le_bytes(), whom(0, claimed, ALL)).unwrap();
    until(&mut stack, 250);
    send_to(&mut stack, id, b"x", whom(NAME - (1 << 56), 0x12300, 0)).unwrap();
    assert!(until(&mut stack, 1).contains(&"19238081#78".to_owned()));
    arrives(&mut stack, "18238180#01");
    let (_, received) = std::iter::from_fn(|| recv(&mut stack, id).ok()).last().unwrap();
    assert_eq!(received.from, Some(whom(NAME - (1 << 56), 0x2300, 0x80)));
    assert!(received.control.contains(&ControlMessage::J1939Name(NAME)));
}

/// j1939_sk_errqueue.
#[test]
fn the_queue_of_errors_tells_what_becomes_of_a_message() {
    let mut stack = host();
    let id = socket(&mut stack, 0, NO_PGN, 0x10);
    set(&mut stack, id, SOL_CAN_J1939, SO_J1939_ERRQUEUE, 1);
    let asked = SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID | SOF_TIMESTAMPING_TX_ACK;
    set(&mut stack, id, SOL_SOCKET, SO_TIMESTAMPING, asked | SOF_TIMESTAMPING_TX_SCHED);
    let told = |stack: &mut Stack| {
        let mut data = [0; 99];
        let got = stack.recv(id, &mut [IoSliceMut::new(&mut data)], MSG_ERRQUEUE)?;
        let of = |message: &ControlMessage| match message {
            ControlMessage::J1939Error(error) => Some((error.errno, error.info, error.data)),
            _ => None,
        };
        Ok((got.control.iter().find_map(of).unwrap(), data[..got.len].to_vec()))
    };
    send_to(&mut stack, id, b"x", whom(0, 0x12300, 0x20)).unwrap();
    leaves(&mut stack);
    let acked = |bytes: u8| vec![8, 0, 1, 0, bytes, 0, 0, 0];
    assert_eq!(told(&mut stack).unwrap(), ((Errno::ENOMSG, 1, 0), acked(1)), "SCM_TSTAMP_SCHED");
    assert_eq!(told(&mut stack).unwrap(), ((Errno::ENOMSG, 2, 0), acked(1)), "SCM_TSTAMP_ACK");
    send_to(&mut stack, id, &message(20), whom(0, 0x12300, 0x20)).unwrap();
    until(&mut stack, 2000);
    assert_eq!(told(&mut stack).unwrap(), ((Errno::EHOSTUNREACH, 1, 1), acked(0)), "J1939_EE_INFO_TX_ABORT");
    assert_eq!(errno(told(&mut stack)), Errno::EAGAIN);
    assert_eq!(errno(recv(&mut stack, id)), Errno::EAGAIN, "the queue alone tells it");
}

/// Whatever comes, nothing is kept of it for ever.
#[test]
fn hostile_frames_do_no_harm() {
    let mut stack = host();
    let id = socket(&mut stack, 0, NO_PGN, 0x10);
    set(&mut stack, id, SOL_SOCKET, SO_BROADCAST, 1);
    let mut state = 7;
    let mut draw = || crate::device::splitmix64(&mut state);
    for n in 0..20_000 {
        let pgn = [0xecu32, 0xeb, 0xc8, 0xc7, 0xee, 0x23][draw() as usize % 6];
        let to = [0x10_u32, 0x20, 0xff][draw() as usize % 3];
        let can_id = 0x1800_0000 | pgn << 16 | to << 8 | [0x10, 0x20][draw() as usize % 2];
        let commands = [0x10, 0x11, 0x13, 0x20, 0x14, 0x15, 0x16, 0x17, 0xff, 1, 2, 0];
        let mut data = draw().to_le_bytes();
        data[0] = commands[draw() as usize % 12];
        if draw() % 2 == 0 {
            data[5..].copy_from_slice(&[0, 0x23, 1]);
        }
        let frame = CanFrame::new(can_id | CAN_EFF_FLAG, &data[..draw() as usize % 9]).unwrap();
        arrives(&mut stack, &frame.to_string());
        if n % 7 == 0 {
            let _ = send_to(&mut stack, id, &message(draw() as usize % 3000), whom(0, 0x12300, 0x20));
            until(&mut stack, draw() % 300);
            while recv(&mut stack, id).is_ok() {}
        }
    }
    until(&mut stack, 600_000);
    assert_eq!((stack.census().flows, stack.deadline()), (0, None));
}
