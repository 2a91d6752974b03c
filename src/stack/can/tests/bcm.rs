//! CAN_BCM.

use std::time::Duration;

use super::*;
use crate::base::constants::*;

/// A request of the broadcast manager: microseconds, frames.
fn request(opcode: u32, flags: u32, count: u32, micros: [u64; 2], can_id: u32, frames: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    [opcode, flags, count, 0].iter().for_each(|word| bytes.extend(word.to_ne_bytes()));
    for micros in micros {
        [micros / 1_000_000, micros % 1_000_000].iter().for_each(|long| bytes.extend(long.to_ne_bytes()));
    }
    [can_id, frames.len() as u32].iter().for_each(|word| bytes.extend(word.to_ne_bytes()));
    frames.iter().for_each(|frame| bytes.extend(*frame));
    bytes
}

fn frame(text: &str) -> Vec<u8> {
    text.parse::<CanFrame>().unwrap().as_bytes().to_vec()
}

pub(super) fn manager(stack: &mut Stack) -> SocketId {
    let id = stack.socket(AF_CAN, SOCK_DGRAM, CAN_BCM).unwrap();
    stack.connect(id, at(BUS)).unwrap();
    id
}

/// Opcode, count, and the frames of what the broadcast manager tells.
fn told(stack: &mut Stack, id: SocketId) -> Vec<(u32, u32, Vec<String>)> {
    let messages = std::iter::from_fn(|| recv(stack, id).ok());
    let word = |data: &[u8], at: usize| u32::from_ne_bytes(data[at..at + 4].try_into().unwrap());
    let frames = |data: &[u8]| {
        let chunks = data[56..].chunks(16);
        chunks.map(|frame| CanFrame::from_bytes(frame).unwrap().to_string()).collect()
    };
    messages.map(|(data, _)| (word(&data, 0), word(&data, 8), frames(&data))).collect()
}

/// What leaves until then, with the milliseconds since the beginning.
fn until(stack: &mut Stack, millis: u64) -> Vec<(u64, String)> {
    let start = Instant::from_secs(1);
    let mut all = Vec::new();
    loop {
        let now = stack.net.now.since(start).as_millis() as u64;
        all.extend(leaves(stack).into_iter().map(|text| (now, text)));
        match stack.deadline() {
            Some(due) if due <= start + Duration::from_millis(millis) => stack.tick(due),
            _ => break stack.at(start + Duration::from_millis(millis)),
        }
    }
    all
}

fn named(all: &[(u64, &str)]) -> Vec<(u64, String)> {
    all.iter().map(|(at, text)| (*at, (*text).to_owned())).collect()
}

/// bcm_tx_setup, bcm_tx_timeout_handler, bcm_read_op, bcm_delete_tx_op.
#[test]
fn a_job_sends_its_frames_in_turn_first_fast_then_slowly() {
    let mut stack = host();
    let id = manager(&mut stack);
    let (a, b) = (frame("123#0A"), frame("123#0B"));
    let flags = CAN_BCM_SETTIMER | CAN_BCM_STARTTIMER | CAN_BCM_TX_COUNTEVT;
    let setup = request(CAN_BCM_TX_SETUP, flags, 3, [10_000, 100_000], 0x123, &[&a, &b]);
    assert_eq!(send(&mut stack, id, &setup, None).unwrap(), 56 + 32);
    let wanted = [(0, "123#0A"), (10, "123#0B"), (20, "123#0A"), (120, "123#0B"), (220, "123#0A")];
    assert_eq!(until(&mut stack, 250), named(&wanted));
    assert_eq!(told(&mut stack, id), [(CAN_BCM_TX_EXPIRED, 0, vec![])]);
    let read = request(CAN_BCM_TX_READ, 0, 0, [0; 2], 0x123, &[]);
    send(&mut stack, id, &read, None).unwrap();
    assert_eq!(told(&mut stack, id), [(CAN_BCM_TX_STATUS, 0, vec!["123#0A".into(), "123#0B".into()])]);
    // Only the content: the timer goes on, the turn too.
    let c = frame("123#0C");
    send(&mut stack, id, &request(CAN_BCM_TX_SETUP, 0, 0, [0; 2], 0x123, &[&a, &c]), None).unwrap();
    assert_eq!(until(&mut stack, 330), named(&[(320, "123#0C")]));
    let many = request(CAN_BCM_TX_SETUP, 0, 0, [0; 2], 0x123, &[&a, &b, &c]);
    assert_eq!(errno(send(&mut stack, id, &many, None)), Errno::E2BIG);
    // Zero intervals stop it.
    send(&mut stack, id, &request(CAN_BCM_TX_SETUP, CAN_BCM_SETTIMER, 0, [0; 2], 0x123, &[&a]), None)
        .unwrap();
    assert!(until(&mut stack, 1000).is_empty());
    let delete = request(CAN_BCM_TX_DELETE, 0, 0, [0; 2], 0x123, &[]);
    send(&mut stack, id, &delete, None).unwrap();
    assert_eq!(errno(send(&mut stack, id, &delete, None)), Errno::EINVAL);
    send(&mut stack, id, &setup, None).unwrap();
    stack.close(id).unwrap();
    assert_eq!(until(&mut stack, 2000).len(), 1, "what it announced; then the jobs end with their socket");
}

/// bcm_sendmsg, bcm_connect.
#[test]
fn requests_are_checked_as_bcm_c_does() {
    let mut stack = host();
    let id = stack.socket(AF_CAN, SOCK_DGRAM, CAN_BCM).unwrap();
    let one = frame("123#01");
    let once = request(CAN_BCM_TX_SEND, 0, 0, [0; 2], 0x123, &[&one]);
    assert_eq!(errno(send(&mut stack, id, &once, None)), Errno::ENOTCONN);
    assert_eq!(errno(stack.bind(id, at(BUS))), Errno::EOPNOTSUPP);
    assert_eq!(errno(stack.connect(id, at(IfIndex::LO))), Errno::ENODEV);
    stack.connect(id, at(IfIndex(0))).unwrap();
    assert_eq!(errno(stack.connect(id, at(BUS))), Errno::EISCONN);
    assert_eq!(errno(stack.getsockname(id)), Errno::EOPNOTSUPP);
    assert_eq!(
        errno(send(&mut stack, id, &once, None)),
        Errno::ENODEV,
        "we need a real device to send frames"
    );
    assert_eq!(send(&mut stack, id, &once, Some(BUS)).unwrap(), 72);
    assert_eq!(leaves(&mut stack), ["123#01"]);
    let cyclic =
        |frames: &[&[u8]], micros| request(CAN_BCM_TX_SETUP, CAN_BCM_SETTIMER, 0, micros, 0x123, frames);
    let many = vec![&one[..]; 257];
    let mut lying = cyclic(&[&one], [1; 2]);
    lying[52] = 9;
    let mut negative = cyclic(&[&one], [1; 2]);
    negative[16..24].copy_from_slice(&(-1_i64).to_ne_bytes());
    for (bytes, wanted) in [
        (once[..55].to_vec(), Errno::EINVAL),
        (once[..60].to_vec(), Errno::EINVAL),
        (once[..56].to_vec(), Errno::EINVAL),
        (request(99, 0, 0, [0; 2], 0, &[]), Errno::EINVAL),
        (cyclic(&[], [1; 2]), Errno::EINVAL),
        (cyclic(&many, [1; 2]), Errno::EINVAL),
        (cyclic(&[&[9; 16]], [1; 2]), Errno::EINVAL),
        (lying, Errno::EFAULT),
        (negative, Errno::EINVAL),
        (cyclic(&[&one], [401 * 86_400 * 1_000_000, 0]), Errno::EINVAL),
        (request(CAN_BCM_RX_READ, 0, 0, [0; 2], 1, &[]), Errno::EINVAL),
        (request(CAN_BCM_RX_SETUP, CAN_BCM_RX_RTR_FRAME, 0, [0; 2], 0x123, &[&one]), Errno::EINVAL),
    ] {
        assert_eq!(errno(send(&mut stack, id, &bytes, Some(BUS))), wanted, "{bytes:?}");
    }
    let copied =
        request(CAN_BCM_TX_SETUP, CAN_BCM_TX_CP_CAN_ID | CAN_BCM_TX_ANNOUNCE, 0, [0; 2], 0x42, &[&one]);
    send(&mut stack, id, &copied, Some(BUS)).unwrap();
    assert_eq!(leaves(&mut stack), ["042#01"]);
    let wide = CanFdFrame::new(0x7, &[1; 16]).unwrap();
    let fd = request(CAN_BCM_TX_SEND, CAN_BCM_CAN_FD_FRAME, 0, [0; 2], 7, &[wide.as_bytes()]);
    assert_eq!(send(&mut stack, id, &fd, Some(BUS)).unwrap(), 56 + 72);
    assert!(leaves(&mut stack)[0].starts_with("007##4"));
    assert_eq!(errno(send(&mut stack, id, &fd, Some(OLD))), Errno::EMSGSIZE, "can_send");
}

/// bcm_rx_handler, bcm_rx_cmp_to_index.
#[test]
fn a_watch_tells_what_has_changed() {
    let mut stack = host();
    let id = manager(&mut stack);
    let changed = |text: &str| (CAN_BCM_RX_CHANGED, 0, vec![text.to_owned()]);
    // The first byte's low half alone.
    let mask = frame("123#0F00000000000000");
    let watch = request(CAN_BCM_RX_SETUP, CAN_BCM_RX_CHECK_DLC, 0, [0; 2], 0x123, &[&mask]);
    send(&mut stack, id, &watch, None).unwrap();
    for text in ["123#11", "123#21", "123#22", "123#2200", "124#33", "123#R"] {
        arrives(&mut stack, text);
    }
    assert_eq!(told(&mut stack, id), [changed("123#11"), changed("123#22"), changed("123#2200")]);
    // A multiplexer: the first byte says what the others mean.
    let parts = ["321#FF00", "321#0100000000000000", "321#02FF000000000000"].map(frame);
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    send(&mut stack, id, &request(CAN_BCM_RX_SETUP, 0, 0, [0; 2], 0x321, &parts), None).unwrap();
    for text in ["321#0111", "321#0122", "321#0233", "321#0244", "321#0355"] {
        arrives(&mut stack, text);
    }
    assert_eq!(told(&mut stack, id), [changed("321#0111"), changed("321#0233"), changed("321#0244")]);
    // By its identifier alone.
    let all = request(CAN_BCM_RX_SETUP, CAN_BCM_RX_FILTER_ID, 0, [0; 2], 0x55, &[]);
    send(&mut stack, id, &all, None).unwrap();
    arrives(&mut stack, "055#AA");
    arrives(&mut stack, "055#AA");
    assert_eq!(told(&mut stack, id), [changed("055#AA"), changed("055#AA")]);
    // A question is answered, without the program.
    let answer = frame("777#BEEF");
    let rtr = 0x777 | CAN_RTR_FLAG;
    let flags = CAN_BCM_RX_RTR_FRAME | CAN_BCM_TX_CP_CAN_ID;
    send(&mut stack, id, &request(CAN_BCM_RX_SETUP, flags, 0, [0; 2], rtr, &[&answer]), None).unwrap();
    arrives(&mut stack, "777#R");
    assert_eq!(leaves(&mut stack), ["777#BEEF"]);
    let delete = request(CAN_BCM_RX_DELETE, 0, 0, [0; 2], 0x55, &[]);
    send(&mut stack, id, &delete, None).unwrap();
    arrives(&mut stack, "055#BB");
    assert!(told(&mut stack, id).is_empty());
}

/// bcm_rx_timeout_handler, bcm_rx_thr_handler.
#[test]
fn silence_is_told_and_haste_is_held_back() {
    let mut stack = host();
    let id = manager(&mut stack);
    let flags = CAN_BCM_SETTIMER | CAN_BCM_STARTTIMER | CAN_BCM_RX_ANNOUNCE_RESUME;
    let mask = frame("123#FF");
    send(&mut stack, id, &request(CAN_BCM_RX_SETUP, flags, 0, [50_000, 0], 0x123, &[&mask]), None).unwrap();
    until(&mut stack, 60);
    assert_eq!(told(&mut stack, id), [(CAN_BCM_RX_TIMEOUT, 0, vec![])]);
    until(&mut stack, 200);
    assert!(told(&mut stack, id).is_empty(), "once");
    for millis in [200, 240, 280] {
        until(&mut stack, millis);
        arrives(&mut stack, "123#01");
    }
    let changed = |text: &str| (CAN_BCM_RX_CHANGED, 0, vec![text.to_owned()]);
    assert_eq!(told(&mut stack, id), [changed("123#01")]);
    until(&mut stack, 400);
    arrives(&mut stack, "123#01");
    assert_eq!(told(&mut stack, id), [(CAN_BCM_RX_TIMEOUT, 0, vec![]), changed("123#01")], "it is back");

    let throttled = request(CAN_BCM_RX_SETUP, CAN_BCM_SETTIMER, 0, [0, 100_000], 0x42, &[&mask]);
    send(&mut stack, id, &throttled, None).unwrap();
    for (millis, text) in [(410, "042#01"), (420, "042#02"), (430, "042#03"), (440, "042#04")] {
        until(&mut stack, millis);
        arrives(&mut stack, text);
    }
    assert_eq!(told(&mut stack, id), [changed("042#01")]);
    until(&mut stack, 445);
    let rest = told(&mut stack, id);
    assert!(rest.is_empty(), "{rest:?}");
    until(&mut stack, 515);
    let rest: Vec<_> =
        told(&mut stack, id).into_iter().filter(|(opcode, ..)| *opcode == CAN_BCM_RX_CHANGED).collect();
    assert_eq!(rest, [changed("042#04")], "the last one, when the throttle opens");
}
