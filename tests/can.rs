//! Hosts on a CAN bus, in virtual time: who goes first, how long it takes, what goes wrong; and its recording, read by tshark.
#![allow(clippy::unwrap_used)]

use std::process::Command;
use std::time::Duration;

use sockatoo::device::{CanBus, CanBusConfig, CanSwitch, CanWire};
use sockatoo::socket::*;
use sockatoo::wire::{CanFdFrame, CanFrame};
use sockatoo::{CanAddr, Errno, Host, Socket, World};

/// 500 kbit/s: a bit is 2 us.
const FAST: CanBusConfig = CanBusConfig { fd: true, bitrate: Some(500_000), data_bitrate: None, queue: 64 };

/// A host on the bus, and its switch.
fn host(world: &World, name: &str, bus: &CanBus) -> (Host, CanSwitch) {
    let port = bus.port();
    let switch = port.switch();
    (world.host(name).can("can0", port).build().unwrap(), switch)
}

fn raw(host: &Host) -> Socket {
    let socket = host.socket(AF_CAN, SOCK_RAW, CAN_RAW).unwrap();
    socket.bind(("can0",)).unwrap();
    socket.settimeout(Some(Duration::from_secs(1))).unwrap();
    socket
}

fn say(socket: &Socket, text: &str) {
    socket.send(text.parse::<CanFrame>().unwrap().as_bytes(), 0).unwrap();
}

/// The next frame, and when it was heard, in microseconds.
fn hear(host: &Host, socket: &Socket) -> (u128, String) {
    let frame = CanFrame::from_bytes(&socket.recv(16, 0).unwrap()).unwrap();
    (host.now().as_nanos() as u128 / 1000, frame.to_string())
}

#[test]
fn the_lowest_identifier_goes_first_and_frames_take_their_time() {
    let world = World::new(1);
    let bus = CanBus::with(FAST);
    let [(a, _), (b, _), (c, _)] = ["a", "b", "c"].map(|name| host(&world, name, &bus));
    let (mouth_a, mouth_b, ear) = (raw(&a), raw(&b), raw(&c));
    // At the same moment: a's frames keep their order, b's goes between them.
    for text in ["300#", "100#1122334455667788"] {
        say(&mouth_a, text);
    }
    say(&mouth_b, "200#R");
    say(&mouth_b, "10000000#01");
    let heard: Vec<_> = (0..4).map(|_| hear(&c, &ear)).collect();
    let us = |bits: u128| bits * 2;
    // One bit until it is decided; 47 bits and the data of a standard frame, 67 of an extended one.
    let mut at = us(1);
    let mut wanted = Vec::new();
    for (bits, text) in [(47, "200#R"), (47, "300#"), (111, "100#1122334455667788"), (75, "10000000#01")] {
        at += us(bits);
        wanted.push((at, text.to_owned()));
    }
    assert_eq!(heard, wanted);
}

#[test]
fn a_sender_hears_that_its_frame_has_left() {
    let world = World::new(2);
    let bus = CanBus::with(FAST);
    let (a, _) = host(&world, "a", &bus);
    let mouth = raw(&a);
    mouth.setsockopt(SOL_CAN_RAW, CAN_RAW_RECV_OWN_MSGS, 1).unwrap();
    say(&mouth, "123#");
    let early = mouth.recv(16, MSG_DONTWAIT);
    assert_eq!(early.unwrap_err().errno(), Errno::EAGAIN, "it is on its way");
    assert_eq!(
        mouth.recvmsg(16, 0).unwrap().flags & (MSG_CONFIRM | MSG_DONTROUTE),
        MSG_CONFIRM | MSG_DONTROUTE
    );
    assert_eq!(a.now().as_nanos(), 96_000);
}

#[test]
fn the_data_of_an_fd_frame_may_go_faster() {
    let world = World::new(3);
    let took = |flags: u8, data_bitrate| {
        let bus = CanBus::with(CanBusConfig { data_bitrate, ..FAST });
        let [(a, _), (b, _)] = ["a", "b"].map(|name| host(&world, name, &bus));
        let (mouth, ear) = (raw(&a), raw(&b));
        for socket in [&mouth, &ear] {
            socket.setsockopt(SOL_CAN_RAW, CAN_RAW_FD_FRAMES, 1).unwrap();
        }
        let frame = CanFdFrame::new(0x123, &[7; 64]).unwrap().with_flags(flags);
        let start = b.now();
        mouth.send(frame.as_bytes(), 0).unwrap();
        assert_eq!(CanFdFrame::from_bytes(&ear.recv(72, 0).unwrap()).unwrap().data(), [7; 64]);
        b.now().since(start)
    };
    let (plain, slow, fast) =
        (took(0, Some(2_000_000)), took(CANFD_BRS, None), took(CANFD_BRS, Some(2_000_000)));
    assert_eq!(plain, slow);
    assert!(fast < plain / 2, "{fast:?} {plain:?}");
}

#[test]
fn a_controller_that_is_off_the_bus_is_alone() {
    let world = World::new(4);
    let bus = CanBus::new();
    let [(a, switch), (b, _)] = ["a", "b"].map(|name| host(&world, name, &bus));
    let (mouth, ear) = (raw(&a), raw(&b));
    let all = CAN_ERR_BUSOFF | CAN_ERR_RESTARTED | CAN_ERR_CRTL;
    mouth.setsockopt(SOL_CAN_RAW, CAN_RAW_ERR_FILTER, all as i32).unwrap();
    switch.error(CAN_ERR_CRTL);
    assert_eq!(hear(&a, &mouth).1, "20000004#0000000000000000");
    switch.bus_off();
    assert_eq!(hear(&a, &mouth).1, "20000040#0000000000000000");
    say(&mouth, "123#01");
    say(&ear, "124#01");
    for socket in [&mouth, &ear] {
        assert_eq!(socket.recv(16, MSG_DONTWAIT).unwrap_err().errno(), Errno::EAGAIN);
    }
    assert_eq!(a.count(sockatoo::base::Reason::CanBusOff), 1);
    switch.restart();
    assert_eq!(hear(&a, &mouth).1, "20000100#0000000000000000");
    say(&mouth, "123#02");
    assert_eq!(hear(&b, &ear).1, "123#02");
}

#[test]
fn the_broadcast_manager_sends_in_virtual_time() {
    let world = World::new(5);
    let bus = CanBus::with(FAST);
    let [(a, _), (b, _)] = ["a", "b"].map(|name| host(&world, name, &bus));
    let ear = raw(&b);
    let manager = a.socket(AF_CAN, SOCK_DGRAM, CAN_BCM).unwrap();
    manager.connect(("can0",)).unwrap();
    // struct bcm_msg_head: every 10 ms, for ever.
    let mut setup = Vec::new();
    [CAN_BCM_TX_SETUP, CAN_BCM_SETTIMER | CAN_BCM_STARTTIMER, 0, 0]
        .iter()
        .for_each(|word| setup.extend(word.to_ne_bytes()));
    [0_u64, 0, 0, 10_000].iter().for_each(|long| setup.extend(long.to_ne_bytes()));
    [0x123_u32, 1].iter().for_each(|word| setup.extend(word.to_ne_bytes()));
    setup.extend("123#C1".parse::<CanFrame>().unwrap().as_bytes());
    manager.send(&setup, 0).unwrap();
    let times: Vec<u128> = (0..5).map(|_| hear(&b, &ear).0).collect();
    assert_eq!(times, [112, 10_112, 20_112, 30_112, 40_112]);
    manager.close().unwrap();
    assert_eq!(ear.recv(16, 0).unwrap_err().errno(), Errno::ETIMEDOUT, "nothing for a second");
}

/// ISO 15765-2 between two hosts: flow control takes its time on the bus, too.
#[test]
fn a_long_message_takes_many_frames() {
    let world = World::new(6);
    let bus = CanBus::with(FAST);
    let [(a, _), (b, _)] = ["a", "b"].map(|name| host(&world, name, &bus));
    let channel = |host: &Host, rx_id, tx_id, block: u8| {
        let socket = host.socket(AF_CAN, SOCK_DGRAM, CAN_ISOTP).unwrap();
        socket.setsockopt(SOL_CAN_ISOTP, CAN_ISOTP_RECV_FC, &[block, 0, 0][..]).unwrap();
        // CAN_ISOTP_FRAME_TXTIME_ZERO: no gaps but those of the bus.
        let options = [CAN_ISOTP_WAIT_TX_DONE, CAN_ISOTP_FRAME_TXTIME_ZERO, 0].map(u32::to_ne_bytes).concat();
        socket.setsockopt(SOL_CAN_ISOTP, CAN_ISOTP_OPTS, options.as_slice()).unwrap();
        socket.bind(CanAddr::isotp(2, rx_id, tx_id)).unwrap();
        socket
    };
    let (tester, ecu) = (channel(&a, 0x7e8, 0x7e0, 0), channel(&b, 0x7e0, 0x7e8, 2));
    let asked = world.spawn(&b, move |_| ecu.recv(9000, 0));
    let message: Vec<u8> = (0..27).collect();
    assert_eq!(tester.send(&message, 0).unwrap(), 27);
    // A first frame, three consecutive ones of 8 bytes; two flow controls of 3; before four of them the bus was idle.
    let bits = 4 * (47 + 64) + 2 * (47 + 24) + 6;
    assert_eq!(a.now().as_nanos(), bits * 2000, "CAN_ISOTP_WAIT_TX_DONE");
    assert_eq!(asked.join().unwrap(), message);
    let alone = tester.send(&message, 0).unwrap_err();
    assert_eq!(alone.errno(), Errno::ECOMM, "nobody is there any more");
}

/// A row of tests/parity/deviations.toml: Linux waits here whatever the call says.
#[test]
fn waiting_for_a_long_message_ends_when_the_call_says_so() {
    let world = World::new(6);
    let bus = CanBus::with(FAST);
    let [(a, _), (b, _)] = ["a", "b"].map(|name| host(&world, name, &bus));
    let ear = raw(&b);
    let tester = a.socket(AF_CAN, SOCK_DGRAM, CAN_ISOTP).unwrap();
    let options = [CAN_ISOTP_WAIT_TX_DONE, 0, 0].map(u32::to_ne_bytes).concat();
    tester.setsockopt(SOL_CAN_ISOTP, CAN_ISOTP_OPTS, options.as_slice()).unwrap();
    tester.bind(CanAddr::isotp(2, 0x7e8, 0x7e0)).unwrap();
    let ten_millis = [0_i64, 10_000].map(i64::to_ne_bytes).concat();
    tester.setsockopt(SOL_SOCKET, SO_SNDTIMEO, ten_millis.as_slice()).unwrap();
    assert_eq!(tester.send(&[7; 27], 0).unwrap_err().errno(), Errno::EAGAIN);
    tester.setsockopt(SOL_SOCKET, SO_SNDTIMEO, [0; 16].as_slice()).unwrap();
    assert_eq!(
        tester.send(&[7; 27], 0).unwrap_err().errno(),
        Errno::ECOMM,
        "it has waited for the same message"
    );
    assert_eq!(CanFrame::from_bytes(&ear.recv(16, 0).unwrap()).unwrap().id(), 0x7e0);
    assert_eq!(ear.recv(16, MSG_DONTWAIT).unwrap_err().errno(), Errno::EAGAIN, "it has left once");
    let now = a.now();
    assert_eq!(tester.send(&[8; 27], MSG_DONTWAIT).unwrap(), 27);
    assert_eq!(a.now(), now);
}

#[test]
fn in_real_time_hosts_with_clocks_of_their_own_share_a_bus() {
    let bus = CanBus::with(CanBusConfig { bitrate: Some(100_000), ..FAST });
    let host = |name: &str| Host::builder().hostname(name).can("can0", bus.port()).build().unwrap();
    let a = host("a");
    std::thread::scope(|scope| {
        let b = host("b");
        let (mouth, ear) = (raw(&a), raw(&b));
        ear.settimeout(Some(Duration::from_secs(20))).unwrap();
        let heard = scope.spawn(move || (0..20).map(|_| hear(&b, &ear).1).collect::<Vec<_>>());
        let said: Vec<_> = (0..20).map(|n| format!("{:03X}#{n:02X}", 0x100 + n)).collect();
        said.iter().for_each(|text| say(&mouth, text));
        assert_eq!(heard.join().unwrap(), said);
    });
}

/// Hosts that meet in a folder, as those of several processes do: who comes later is heard too, who has gone or hangs holds nobody
/// up.
#[test]
fn a_bus_between_processes() {
    let folder = std::env::temp_dir().join(format!("sockatoo-bus-{}", std::process::id()));
    let wire = || CanWire::join(&folder, "can0").unwrap();
    let host = |name: &str| Host::builder().hostname(name).device(wire()).build().unwrap();
    let (a, b) = (host("a"), host("b"));
    let (mouth, ear) = (raw(&a), raw(&b));
    let later = raw(&host("c"));
    let hangs = wire();
    let text = |socket: &Socket| {
        socket.settimeout(Some(Duration::from_secs(20))).unwrap();
        CanFrame::from_bytes(&socket.recv(16, 0).unwrap()).unwrap().to_string()
    };
    mouth.setsockopt(SOL_CAN_RAW, CAN_RAW_RECV_OWN_MSGS, 1).unwrap();
    say(&mouth, "123#DEADBEEF");
    for socket in [&ear, &later, &mouth] {
        assert_eq!(text(socket), "123#DEADBEEF");
    }
    drop(later);
    for n in 0..20_000_u32 {
        say(&ear, &format!("{:03X}#{n:08X}", n & 0x7ff));
        assert_eq!(text(&mouth), format!("{:03X}#{n:08X}", n & 0x7ff));
    }
    assert!(b.count(sockatoo::base::Reason::DeviceQueueFull) > 0, "for the one that hangs");
    let long = CanFdFrame::new(0x123, &[7; 64]).unwrap();
    for socket in [&mouth, &ear] {
        socket.setsockopt(SOL_CAN_RAW, CAN_RAW_FD_FRAMES, 1).unwrap();
    }
    mouth.send(long.as_bytes(), 0).unwrap();
    let heard = CanFdFrame::from_bytes(&ear.recv(72, 0).unwrap()).unwrap();
    assert_eq!((heard.id(), heard.data()), (0x123, &[7; 64][..]));
    drop((mouth, ear, a, b, hangs));
    assert!(!folder.exists(), "who leaves last puts the light out");
}

#[test]
fn interfaces_say_what_they_are() {
    let host = Host::builder().vcan("vcan0").build().unwrap();
    assert_eq!(host.if_nameindex()[1], (2, "vcan0".to_owned()));
    assert_eq!(host.interfaces()[1].mtu, 72);
    let address: sockatoo::Cidr = "192.0.2.1/24".parse().unwrap();
    let no = host.add_address(sockatoo::IfIndex(2), address);
    assert_eq!(no.unwrap_err().errno(), Errno::ENOBUFS);
}

/// What tshark reads of a recording.
#[test]
fn a_recording_is_can_to_wireshark() {
    let folder = std::env::temp_dir().join(format!("sockatoo-can-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let file = folder.join("bus.pcap");
    let host = Host::builder().vcan("vcan0").pcap(&file).unwrap().build().unwrap();
    let socket = host.socket(AF_CAN, SOCK_RAW, CAN_RAW).unwrap();
    socket.bind(("vcan0",)).unwrap();
    socket.setsockopt(SOL_CAN_RAW, CAN_RAW_FD_FRAMES, 1).unwrap();
    socket.setsockopt(SOL_CAN_RAW, CAN_RAW_LOOPBACK, 0).unwrap();
    say(&socket, "123#DEADBEEF");
    say(&socket, "12345678#R");
    socket.send("042##1AABB".parse::<CanFdFrame>().unwrap().as_bytes(), 0).unwrap();
    drop((socket, host));
    let fields = ["can.id", "can.flags.rtr", "can.len", "data.data"].map(|field| ["-e", field]).concat();
    let tshark = Command::new("tshark").arg("-r").arg(&file).args(["-T", "fields"]).args(fields).output();
    let read = std::fs::read(&file).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(read[20..24], 227_u32.to_be_bytes(), "LINKTYPE_CAN_SOCKETCAN");
    let Ok(tshark) = tshark else { return eprintln!("skipped: tshark is not installed") };
    let told = String::from_utf8(tshark.stdout).unwrap();
    let lines: Vec<Vec<&str>> = told.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(lines.len(), 3, "{told}");
    let id = |line: &Vec<&str>| {
        line[0].parse::<u32>().ok().or_else(|| u32::from_str_radix(line[0].trim_start_matches("0x"), 16).ok())
    };
    assert_eq!(
        lines.iter().map(id).collect::<Vec<_>>(),
        [Some(0x123), Some(0x1234_5678), Some(0x42)],
        "{told}"
    );
    assert!(lines[0].contains(&"deadbeef") && lines[2].contains(&"aabb"), "{told}");
}
