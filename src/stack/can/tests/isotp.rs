//! CAN_ISOTP: one end is a socket, the other end the test.

use super::*;
use crate::base::constants::*;

/// struct can_isotp_options: flags, time of a frame, address, padding of what is sent and received, address of what is received.
fn options(flags: u32, bytes: [u8; 4]) -> Vec<u8> {
    [&flags.to_ne_bytes()[..], &[0; 4], &bytes].concat()
}

/// Sends 700, receives 701.
fn channel(stack: &mut Stack, set: &[(i32, &[u8])]) -> SocketId {
    let id = stack.socket(AF_CAN, SOCK_DGRAM, CAN_ISOTP).unwrap();
    for (name, value) in set {
        stack.setsockopt(id, SOL_CAN_ISOTP, *name, value).unwrap();
    }
    stack.bind(id, CanAddr::isotp(BUS.0, 0x701, 0x700).into()).unwrap();
    id
}

fn passes(stack: &mut Stack, millis: u64) {
    until(stack, millis);
}

/// isotp_bind, isotp_getname, isotp_setsockopt, isotp_getsockopt, isotp_sendmsg, isotp_recvmsg.
#[test]
fn what_is_wrong_is_refused_as_isotp_c_does() {
    let mut stack = host();
    let id = stack.socket(AF_CAN, SOCK_DGRAM, CAN_ISOTP).unwrap();
    let bind = |stack: &mut Stack, address: CanAddr| errno(stack.bind(id, address.into()));
    assert_eq!(errno(send(&mut stack, id, b"x", None)), Errno::EADDRNOTAVAIL);
    assert_eq!(errno(recv(&mut stack, id)), Errno::EADDRNOTAVAIL);
    assert_eq!(bind(&mut stack, CanAddr::new(BUS.0)), Errno::EINVAL, "no identifiers");
    assert_eq!(bind(&mut stack, CanAddr::isotp(BUS.0, 0x701, 0x800)), Errno::EINVAL);
    assert_eq!(bind(&mut stack, CanAddr::isotp(BUS.0, 0x701 | CAN_RTR_FLAG, 0x700)), Errno::EINVAL);
    assert_eq!(bind(&mut stack, CanAddr::isotp(0, 0x701, 0x700)), Errno::ENODEV);
    assert_eq!(bind(&mut stack, CanAddr::isotp(9, 0x701, 0x700)), Errno::ENODEV);
    assert_eq!(bind(&mut stack, CanAddr::isotp(IfIndex::LO.0, 0x701, 0x700)), Errno::ENODEV);
    assert_eq!(bind(&mut stack, CanAddr::isotp(BUS.0, 0x700, 0x700)), Errno::EADDRNOTAVAIL);
    let set = |stack: &mut Stack, name, value: &[u8]| stack.setsockopt(id, SOL_CAN_ISOTP, name, value);
    assert_eq!(errno(set(&mut stack, CAN_ISOTP_OPTS, &[0; 11])), Errno::EINVAL);
    assert_eq!(errno(set(&mut stack, CAN_ISOTP_RECV_FC, &[0; 4])), Errno::EINVAL);
    for wrong in [[16, 12, 0], [16, 8, 1], [72, 9, 0], [72, 65, 0], [17, 8, 0]] {
        assert_eq!(errno(set(&mut stack, CAN_ISOTP_LL_OPTS, &wrong)), Errno::EINVAL, "{wrong:?}");
    }
    assert_eq!(errno(set(&mut stack, 99, &[0; 4])), Errno::ENOPROTOOPT);
    let both = options(CAN_ISOTP_SF_BROADCAST | CAN_ISOTP_CF_BROADCAST, [0; 4]);
    assert_eq!(errno(set(&mut stack, CAN_ISOTP_OPTS, &both)), Errno::EINVAL);
    set(&mut stack, CAN_ISOTP_OPTS, &options(0, [0x11, 0x22, 0x33, 0x44])).unwrap();
    set(&mut stack, CAN_ISOTP_LL_OPTS, &[72, 64, CANFD_BRS]).unwrap();
    let get = |stack: &mut Stack, name| stack.getsockopt(id, SOL_CAN_ISOTP, name, 99).unwrap();
    assert_eq!(get(&mut stack, CAN_ISOTP_OPTS), options(0, [0x11, 0x22, 0x33, 0x11]), "ext_address for both");
    assert_eq!(get(&mut stack, CAN_ISOTP_LL_OPTS), [72, 64, CANFD_BRS]);
    assert_eq!(get(&mut stack, CAN_ISOTP_RECV_FC), [0; 3]);
    assert_eq!(bind(&mut stack, CanAddr::isotp(OLD.0, 0x701, 0x700)), Errno::EINVAL, "FD frames do not fit");
    let address = CanAddr::isotp(BUS.0, 0x701, 0x1234_5678 | CAN_EFF_FLAG).into();
    stack.bind(id, address).unwrap();
    assert_eq!(stack.getsockname(id).unwrap(), address);
    assert_eq!(errno(stack.bind(id, address)), Errno::EINVAL, "twice");
    assert_eq!(errno(stack.setsockopt(id, SOL_CAN_ISOTP, CAN_ISOTP_TX_STMIN, &[0; 4])), Errno::EISCONN);
    assert_eq!(errno(stack.setsockopt(id, SOL_CAN_RAW, CAN_RAW_LOOPBACK, &[0; 4])), Errno::EINVAL);
    for wrong in [vec![], vec![0; 8301]] {
        assert_eq!(errno(send(&mut stack, id, &wrong, None)), Errno::EINVAL);
    }
    assert_eq!(errno(stack.connect(id, address)), Errno::EOPNOTSUPP);
    assert_eq!(errno(stack.recv(id, &mut [], MSG_ERRQUEUE)), Errno::EINVAL);
}

/// isotp_sendmsg, isotp_fill_dataframe, isotp_rcv_sf.
#[test]
fn a_short_message_is_one_frame() {
    let mut stack = host();
    let id = channel(&mut stack, &[]);
    assert_eq!(send(&mut stack, id, &message(7), None).unwrap(), 7);
    assert_eq!(stack.poll(id) & POLLOUT, 0, "isotp_poll");
    assert_eq!(errno(send(&mut stack, id, b"x", None)), Errno::EAGAIN, "it has not left");
    assert_eq!(leaves(&mut stack), ["700#0700010203040506"]);
    assert_eq!(stack.poll(id), POLLOUT);
    arrives(&mut stack, "701#03414243");
    arrives(&mut stack, "702#03444546");
    let (data, received) = recv(&mut stack, id).unwrap();
    assert_eq!((&data[..], received.from), (&b"ABC"[..], Some(CanAddr::isotp(BUS.0, 0, 0).into())));
    for nothing in ["701#00", "701#0441", "701#09414243", "701#"] {
        arrives(&mut stack, nothing);
        assert_eq!(errno(recv(&mut stack, id)), Errno::EAGAIN, "{nothing}");
    }
    arrives(&mut stack, "701#03414243");
    let cut = stack.recv(id, &mut [IoSliceMut::new(&mut [0; 2])], MSG_TRUNC).unwrap();
    assert_eq!((cut.len, cut.flags), (3, MSG_TRUNC));
}

/// isotp_create_fframe, isotp_rcv_fc, isotp_send_cframe: blocks of two, and 5 ms between frames.
#[test]
fn a_long_message_waits_for_flow_control() {
    let mut stack = host();
    let id = channel(&mut stack, &[]);
    send(&mut stack, id, &message(30), None).unwrap();
    assert_eq!(leaves(&mut stack), ["700#101E000102030405"]);
    arrives(&mut stack, "701#300205");
    assert_eq!(leaves(&mut stack), ["700#21060708090A0B0C"]);
    assert_eq!(until(&mut stack, 5), [""; 0], "STmin, and 50 us for the frame");
    assert_eq!(until(&mut stack, 1), ["700#220D0E0F10111213"]);
    assert_eq!(until(&mut stack, 500), [""; 0], "the block is full");
    // "get communication parameters only from the first FC frame"; wait frames begin the second anew.
    arrives(&mut stack, "701#310000");
    passes(&mut stack, 900);
    arrives(&mut stack, "701#300000");
    assert_eq!(until(&mut stack, 100), ["700#231415161718191A", "700#241B1C1D"]);
    assert_eq!(stack.poll(id), POLLOUT);
    // The next message.
    send(&mut stack, id, &message(8), None).unwrap();
    assert_eq!(leaves(&mut stack), ["700#1008000102030405"]);
    arrives(&mut stack, "701#3000F3");
    assert_eq!(until(&mut stack, 1), ["700#210607"]);
}

/// isotp_tx_timer_handler, isotp_rcv_fc.
#[test]
fn sending_fails_with_a_reason() {
    let mut stack = host();
    let id = channel(&mut stack, &[]);
    for (answer, wanted) in [
        ("", Some(Errno::ECOMM)),
        ("701#320000", Some(Errno::EMSGSIZE)),
        ("701#3000", Some(Errno::EBADMSG)),
        ("701#370000", None),
    ] {
        send(&mut stack, id, &message(30), None).unwrap();
        leaves(&mut stack);
        match answer {
            "" => {
                passes(&mut stack, 999);
                assert_eq!(stack.poll(id), 0);
                passes(&mut stack, 1);
            }
            answer => arrives(&mut stack, answer),
        }
        assert_eq!(stack.poll(id) & POLLOUT, POLLOUT, "{answer}");
        assert_eq!(
            recv(&mut stack, id).map_err(|e| e.errno()).err(),
            wanted.or(Some(Errno::EAGAIN)),
            "{answer}"
        );
    }
}

/// isotp_rcv_ff, isotp_rcv_cf, isotp_send_fc.
#[test]
fn a_long_message_is_put_together() {
    let mut stack = host();
    let id = channel(&mut stack, &[(CAN_ISOTP_RECV_FC, &[2, 0x14, 0])]);
    arrives(&mut stack, "701#1016000102030405");
    assert_eq!(leaves(&mut stack), ["700#300214"]);
    arrives(&mut stack, "701#21060708090A0B0C");
    assert_eq!(leaves(&mut stack), [""; 0]);
    arrives(&mut stack, "701#220D0E0F10111213");
    assert_eq!(leaves(&mut stack), ["700#300214"], "the block is full");
    arrives(&mut stack, "701#231415AAAAAAAAAA");
    assert_eq!(recv(&mut stack, id).unwrap().0, message(22));
    // A frame that is missing; silence; what is longer than can be kept.
    arrives(&mut stack, "701#1016000102030405");
    arrives(&mut stack, "701#22060708090A0B0C");
    assert_eq!(errno(recv(&mut stack, id)), Errno::EILSEQ);
    arrives(&mut stack, "701#1016000102030405");
    passes(&mut stack, 999);
    assert_eq!(errno(recv(&mut stack, id)), Errno::EAGAIN);
    passes(&mut stack, 1);
    assert_eq!(errno(recv(&mut stack, id)), Errno::ETIMEDOUT);
    arrives(&mut stack, "701#10000000206D0001");
    assert_eq!(leaves(&mut stack), ["700#320214"], "8301 bytes: overflow");
    // "this is only allowed for the last CF"
    arrives(&mut stack, "701#1016000102030405");
    arrives(&mut stack, "701#2106");
    leaves(&mut stack);
    passes(&mut stack, 2000);
    assert_eq!(errno(recv(&mut stack, id)), Errno::EAGAIN, "given up without a word");
}

/// Each socket hears the other: 8300 bytes, with a length of 32 bits.
#[test]
fn the_longest_message_goes_through() {
    let mut stack = host();
    let from = channel(&mut stack, &[]);
    let to = stack.socket(AF_CAN, SOCK_DGRAM, CAN_ISOTP).unwrap();
    stack.bind(to, CanAddr::isotp(BUS.0, 0x700, 0x701).into()).unwrap();
    send(&mut stack, from, &message(8300), None).unwrap();
    let frames = until(&mut stack, 2000);
    assert_eq!(frames[..2], ["700#10000000206C0001", "701#300000"]);
    assert_eq!(frames.len(), 2 + (8300 - 2_usize).div_ceil(7));
    assert_eq!(recv(&mut stack, to).unwrap().0, message(8300));
}

/// check_pad, isotp_rcv's extended address, CAN_ISOTP_LL_OPTS, isotp_rcv's half duplex.
#[test]
fn addresses_padding_and_wide_frames() {
    let mut stack = host();
    let flags = CAN_ISOTP_EXTEND_ADDR | CAN_ISOTP_RX_EXT_ADDR | CAN_ISOTP_TX_PADDING;
    let id = channel(&mut stack, &[(CAN_ISOTP_OPTS, &options(flags, [0x55, 0xaa, 0, 0x66]))]);
    send(&mut stack, id, &message(2), None).unwrap();
    assert_eq!(leaves(&mut stack), ["700#55020001AAAAAAAA"]);
    arrives(&mut stack, "701#550141");
    assert_eq!(errno(recv(&mut stack, id)), Errno::EAGAIN, "another's address");
    arrives(&mut stack, "701#660141");
    assert_eq!(recv(&mut stack, id).unwrap().0, b"A");
    arrives(&mut stack, "701#6610080001020304");
    assert_eq!(leaves(&mut stack), ["700#55300000AAAAAAAA"]);
    stack.close(id).unwrap();

    let flags = CAN_ISOTP_RX_PADDING | CAN_ISOTP_CHK_PAD_LEN | CAN_ISOTP_CHK_PAD_DATA;
    let id = channel(&mut stack, &[(CAN_ISOTP_OPTS, &options(flags, [0, 0, 0xbb, 0]))]);
    arrives(&mut stack, "701#0141BBBBBBBBBBBB");
    assert_eq!(recv(&mut stack, id).unwrap().0, b"A");
    for wrong in ["701#0141", "701#0141BBBBBBBBBBCC"] {
        arrives(&mut stack, wrong);
        assert_eq!(errno(recv(&mut stack, id)), Errno::EBADMSG, "{wrong}");
    }
    stack.close(id).unwrap();

    let id = channel(&mut stack, &[(CAN_ISOTP_LL_OPTS, &[72, 64, 0])]);
    send(&mut stack, id, &message(7), None).unwrap();
    assert_eq!(leaves(&mut stack), ["700##40700010203040506"]);
    send(&mut stack, id, &message(9), None).unwrap();
    assert_eq!(leaves(&mut stack), ["700##40009000102030405060708CC"], "an escape, and padding to 12");
    arrives(&mut stack, "701##00009000102030405060708CC");
    assert_eq!(recv(&mut stack, id).unwrap().0, message(9));
    arrives(&mut stack, "701#0141");
    assert_eq!(errno(recv(&mut stack, id)), Errno::EAGAIN, "no classic frames");
    stack.close(id).unwrap();

    let id = channel(&mut stack, &[(CAN_ISOTP_OPTS, &options(CAN_ISOTP_HALF_DUPLEX, [0; 4]))]);
    send(&mut stack, id, &message(30), None).unwrap();
    leaves(&mut stack);
    arrives(&mut stack, "701#0141");
    assert_eq!(errno(recv(&mut stack, id)), Errno::EAGAIN, "it is sending");
}

/// CAN_ISOTP_SF_BROADCAST, CAN_ISOTP_CF_BROADCAST, CAN_ISOTP_LISTEN_MODE, CAN_ISOTP_FORCE_TXSTMIN.
#[test]
fn broadcasts_need_no_flow_control() {
    let mut stack = host();
    let id = channel(&mut stack, &[(CAN_ISOTP_OPTS, &options(CAN_ISOTP_SF_BROADCAST, [0; 4]))]);
    assert_eq!(errno(send(&mut stack, id, &message(8), None)), Errno::EINVAL);
    send(&mut stack, id, &message(7), None).unwrap();
    leaves(&mut stack);
    assert_eq!(stack.poll(id), POLLOUT);
    arrives(&mut stack, "701#0141");
    assert_eq!(errno(recv(&mut stack, id)), Errno::EAGAIN, "it hears nobody");
    stack.close(id).unwrap();

    let flags = CAN_ISOTP_CF_BROADCAST | CAN_ISOTP_FORCE_TXSTMIN;
    let gap = 3_000_000_u32.to_ne_bytes();
    let id = channel(&mut stack, &[(CAN_ISOTP_OPTS, &options(flags, [0; 4])), (CAN_ISOTP_TX_STMIN, &gap)]);
    let ear = stack.socket(AF_CAN, SOCK_DGRAM, CAN_ISOTP).unwrap();
    let listen = options(CAN_ISOTP_LISTEN_MODE, [0; 4]);
    stack.setsockopt(ear, SOL_CAN_ISOTP, CAN_ISOTP_OPTS, &listen).unwrap();
    stack.bind(ear, CanAddr::isotp(BUS.0, 0x700, 0x702).into()).unwrap();
    send(&mut stack, id, &message(20), None).unwrap();
    assert_eq!(until(&mut stack, 2), ["700#1014000102030405"]);
    assert_eq!(until(&mut stack, 2), ["700#21060708090A0B0C"]);
    assert_eq!(until(&mut stack, 9), ["700#220D0E0F10111213"]);
    assert_eq!(recv(&mut stack, ear).unwrap().0, message(20));
}

/// CAN_ISOTP_WAIT_TX_DONE: isotp_sendmsg's "wait for complete transmission of current pdu"; isotp_release's.
#[test]
fn who_wants_to_waits_until_it_has_left() {
    let mut stack = host();
    let id = channel(&mut stack, &[(CAN_ISOTP_OPTS, &options(CAN_ISOTP_WAIT_TX_DONE, [0; 4]))]);
    assert_eq!(errno(send(&mut stack, id, &message(7), None)), Errno::EAGAIN);
    assert_eq!(errno(send(&mut stack, id, &message(7), None)), Errno::EAGAIN);
    assert_eq!(leaves(&mut stack).len(), 1);
    assert_eq!(send(&mut stack, id, &message(7), None).unwrap(), 7);
    assert_eq!(leaves(&mut stack), [""; 0], "once");
    assert_eq!(errno(send(&mut stack, id, &message(9), None)), Errno::EAGAIN);
    passes(&mut stack, 2000);
    assert_eq!(errno(send(&mut stack, id, &message(9), None)), Errno::ECOMM);
    stack.close(id).unwrap();
    let id = channel(&mut stack, &[]);
    send(&mut stack, id, &message(9), None).unwrap();
    stack.close(id).unwrap();
    assert_eq!((stack.census().sockets, stack.census().flows), (1, 1));
    leaves(&mut stack);
    arrives(&mut stack, "701#300000");
    assert_eq!(until(&mut stack, 1), ["700#21060708"], "it goes on without its socket");
    assert_eq!((stack.census().sockets, stack.census().flows, stack.deadline()), (0, 0, None));
}
