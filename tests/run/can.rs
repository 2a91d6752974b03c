//! CAN under `run`, on kernels that have none: can-utils, python-can, CPython's own cases. There is no kernel's arm.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::place::{Arm, PYTHON, Place, User, has, skipped};

/// A host with a CAN bus of its own.
fn bus(user: User) -> Option<Place> {
    let place = Place::lo(Arm::Run, user)?;
    let up = place.sockatoo("up lab --can vcan0");
    assert_eq!(up.status, 0, "{up:?}");
    Some(place)
}

#[test]
fn can_utils() {
    if !["cansend", "candump", "cangen"].iter().all(|program| has(program)) {
        return;
    }
    for user in [User::Root, User::Nobody] {
        let Some(place) = bus(user) else { continue };
        let dump = place.line("stdbuf -oL candump -x vcan0");
        // It says nothing before its first frame.
        for _ in 0..100 {
            place.line("cansend vcan0 7FF#").end().ok();
            if dump.waits_for("7FF", Duration::from_millis(200)) {
                break;
            }
        }
        for frame in ["123#DEADBEEF", "12345678#R", "124##0112233"] {
            place.line(&format!("cansend vcan0 {frame}")).end().ok();
        }
        place.line("cangen vcan0 -n 3 -g 1 -I 42A -L 2 -D i").end().ok();
        // candump makes its columns wider once it has seen a wide frame.
        for line in [
            "vcan0  TX - -  123   [4]  DE AD BE EF",
            "12345678   [0]  remote request",
            "124  [03]  11 22 33",
            "42A   [2]  02 00",
        ] {
            dump.wait_for(line);
        }
        dump.interrupt();
        place.leave();
    }
}

/// Messages longer than a frame, of Linux's own API: what one program sends another one puts together, and others look on.
#[test]
fn isotp_utils() {
    let programs = ["isotpsend", "isotprecv", "isotpdump", "isotpsniffer", "isotpperf"];
    if !programs.iter().all(|program| has(program)) {
        return;
    }
    for user in [User::Root, User::Nobody] {
        let Some(place) = bus(user) else { continue };
        let watchers = ["isotprecv -s 7E8 -d 7E0 -l", "isotpdump -s 7E0 -d 7E8", "isotpperf -s 7E0 -d 7E8"]
            .map(|line| place.line(&format!("stdbuf -oL {line} vcan0")));
        let sniffer = place.line("stdbuf -oL isotpsniffer -s 7E0 -d 7E8 -f 1 vcan0");
        let [receiver, dump, perf] = &watchers;
        // They say nothing before their first message.
        for _ in 0..100 {
            place.line("isotpsend -s 7E0 -d 7E8 -D 3 vcan0").end().ok();
            let soon = Duration::from_millis(200);
            if [receiver, dump, perf, &sniffer].iter().all(|one| one.waits_for("3", soon)) {
                break;
            }
        }
        place.line("isotpsend -s 7E0 -d 7E8 -D 20 vcan0").end().ok();
        receiver.wait_for("01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F 10 11 12 13 14");
        dump.wait_for("[FF] ln: 20   data: 01 02 03 04 05 06");
        dump.wait_for("[FC] FC: 0 = CTS # BS: 0 = off # STmin: 0x00 = 0 ms");
        dump.wait_for("[CF] sn: 2    data: 0E 0F 10 11 12 13 14");
        perf.wait_for("20/20");
        sniffer.wait_for("0D 0E 0F 10 11 12 13 14");
        for watcher in watchers.into_iter().chain([sniffer]) {
            watcher.interrupt();
        }
        place.leave();
    }
}

/// Two hosts, each in a process of its own, on one bus; a third has stopped, and is killed.
#[test]
fn a_bus_of_several_hosts() {
    if !["cansend", "candump"].iter().all(|program| has(program)) {
        return;
    }
    for user in [User::Root, User::Nobody] {
        let Some(place) = Place::lo(Arm::Run, user) else { continue };
        for name in ["lab", "engine", "hangs"] {
            let up = place.sockatoo(&format!("up {name} --can can0=car --can vcan0"));
            assert_eq!(up.status, 0, "{up:?}");
        }
        let listed = place.sockatoo("ls --json").out;
        let stopped = process_of(&listed, "hangs");
        signal(&stopped, "STOP");
        let dump = place.line("stdbuf -oL candump can0");
        let send = |frame: &str| {
            let sent = place.sockatoo(&format!("run --on engine -- cansend can0 {frame}"));
            assert_eq!(sent.status, 0, "{sent:?}");
        };
        // It says nothing before its first frame.
        for _ in 0..100 {
            send("7FF#");
            if dump.waits_for("7FF", Duration::from_millis(200)) {
                break;
            }
        }
        for frame in ["123#DEADBEEF", "12345678#R"] {
            send(frame);
        }
        dump.wait_for("can0  123   [4]  DE AD BE EF");
        dump.wait_for("can0  12345678   [0]  remote request");
        signal(&stopped, "KILL");
        send("321#01");
        dump.wait_for("321   [1]  01");
        dump.interrupt();
        // In the place of the one that was killed.
        assert_eq!(place.sockatoo("up hangs --can can0=car").status, 0);
        place.leave();
    }
}

/// The process of a host, as `sockatoo ls --json` tells.
fn process_of(listed: &str, host: &str) -> String {
    let line = listed.lines().find(|line| line.contains(&format!("\"{host}\""))).unwrap();
    let rest = line.split("\"pid\":").nth(1).unwrap();
    rest.trim_start().chars().take_while(char::is_ascii_digit).collect()
}

fn signal(process: &str, which: &str) {
    let killed = std::process::Command::new("kill").args([&format!("-{}", which), process]).status();
    assert!(killed.unwrap().success());
}

#[test]
fn isotp_by_python() {
    for user in [User::Root, User::Nobody] {
        let Some(place) = bus(user) else { continue };
        let told = place.python("isotp.py").end();
        let mut wanted = "('vcan0', 2024, 2016) 040000\n".to_owned();
        for size in [1, 7, 8, 100, 4095, 4096, 8300] {
            wanted += &format!("{size} True vcan0 True\n");
        }
        wanted +=
            "b'the first of two messages' b'the second of two messages'\nECOMM\n300\nEADDRNOTAVAIL EINVAL\n";
        assert_eq!(told.out, wanted, "{told:?}");
        place.leave();
    }
}

/// So many sockets of J1939 have their place on the bus.
fn bound(place: &Place, count: usize) {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let sockets = place.sockatoo("ss -a --on lab").out;
        let rows = sockets.lines().filter(|row| row.starts_with("can ") && row.contains(" j1939:vcan0 "));
        if rows.count() == count {
            return;
        }
        assert!(Instant::now() < end, "{sockets}");
    }
}

/// Linux's own programs of J1939: an address is claimed, messages of one packet and of many, and who looks on.
#[test]
fn j1939_utils() {
    if !["j1939acd", "j1939cat", "j1939spy", "testj1939"].iter().all(|program| has(program)) {
        return;
    }
    for user in [User::Root, User::Nobody] {
        let Some(place) = bus(user) else { continue };
        let spy = place.line("stdbuf -oL j1939spy -P vcan0:");
        // It says nothing before its first message.
        for _ in 0..100 {
            place.line("testj1939 -B -s3 vcan0:0x80 :0xff,0x1f000").end().ok();
            if spy.waits_for("[3] 012345", Duration::from_millis(200)) {
                break;
            }
        }
        spy.wait_for("vcan0:80,1f000 - !6 [3] 012345");
        let echo = place.line("stdbuf -oL testj1939 -er vcan0:0x90");
        bound(&place, 2);
        let asks = place.line("stdbuf -oL testj1939 -r -p3 -s7 vcan0:0x80 :0x90,0x12300");
        let packet = "12300: 01 23 45 67 89 ab cd";
        echo.wait_for(&format!("80 {packet}"));
        asks.wait_for(&format!("90 {packet}"));
        let many = place.line("testj1939 -s20 vcan0:0x82 :0x90,0x12300").end().ok();
        assert_eq!(many, "");
        spy.wait_for("vcan0:80,12300 90 !3 [7] 01234567 89abcd");
        spy.wait_for("vcan0:82,12300 90 !6 [20] 01234567 89abcdef 01234567 89abcdef 01234567");
        let cat = place.line("j1939cat -r vcan0:0xa0");
        bound(&place, 4);
        let message = "This leaves in packets of seven bytes, and arrives whole.\n".repeat(100);
        std::fs::write(place.work().join("message"), &message).unwrap();
        // It goes on until POLLERR tells it that the message has arrived (deviations.toml).
        let sender = place.line("j1939cat -i message vcan0:0x80 :0xa0,0x12300");
        cat.wait_for(&message);
        sender.interrupt();
        let daemon = place.line("stdbuf -oL j1939acd -v -r 100,80-120 1122334455667788 vcan0");
        daemon.wait_for("- claimed 0x50");
        daemon.interrupt();
        for watcher in [cat, spy, echo, asks] {
            watcher.interrupt();
        }
        place.leave();
    }
}

#[test]
fn the_link_is_one_of_can() {
    if !has("ip") {
        return;
    }
    for user in [User::Root, User::Nobody] {
        let Some(place) = bus(user) else { continue };
        let shown = place.line("ip -details link show vcan0").end().ok();
        assert!(shown.contains("mtu 72") && shown.contains("link/can"), "{shown}");
        assert!(shown.contains("vcan numtxqueues 1"), "{shown}");
        place.line("ip link set vcan0 up").end().ok();
        place.leave();
    }
}

#[test]
fn j1939_by_python() {
    for user in [User::Root, User::Nobody] {
        let Some(place) = bus(user) else { continue };
        let told = place.python("j1939.py").end();
        let mut wanted = String::new();
        for size in [1, 8, 9, 1785, 1786, 5000] {
            wanted += &format!("{size} True [(1, '20'), (3, '06')] ('vcan0', 0, 74496, 16)\n");
        }
        wanted += "(b'to all', ('vcan0', 0, 126976, 16))\nEADDRNOTAVAIL\n\
            ('vcan0', 1234605616436508552, 60928, 128) (b'x', ('vcan0', 1234605616436508552, 74496, 128))\n\
            (b'by name', ('vcan0', 0, 74496, 32))\nEHOSTUNREACH\n\
            [1] ENOMSG 4 2 0 []\n[1] EHOSTUNREACH 1 1 1 []\n";
        assert_eq!(told.out, wanted, "{told:?}");
        place.leave();
    }
}

/// test_socket's cases of CAN, which a kernel without it skips.
#[test]
fn cpython() {
    for user in [User::Root, User::Nobody] {
        let Some(place) = bus(user) else { continue };
        let told = place
            .line(&format!("{PYTHON} -m test -v test_socket -m *CANTest* -m ISOTPTest -m J1939Test"))
            .end();
        if told.out.contains("No module named") || told.err.contains("No module named") {
            return skipped("Debian's python3 has not its test suite (scripts/test gets it)");
        }
        let all = told.out.clone() + &told.err;
        assert_eq!(told.status, 0, "{all}");
        let passed = all.lines().filter(|line| line.trim_end().ends_with("... ok"));
        assert_eq!(passed.count(), 20, "{all}");
        assert!(!all.contains("skipped"), "{all}");
        place.leave();
    }
}

#[test]
fn python_can() {
    let library = concat!(env!("CARGO_MANIFEST_DIR"), "/target/python");
    if !Path::new(library).join("can").exists() {
        return skipped("python-can is not installed (scripts/test gets it)");
    }
    let Some(place) = bus(User::Root) else { return };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/run/python/can_bus.py");
    let told = place.line(&format!("env PYTHONPATH={library} {PYTHON} {script}")).end();
    let wanted = "123 data 010203 from vcan0\n12345678 remote  from vcan0 None\n234 data  from vcan0\n\
        7 data  from vcan0 tx\nNone\n8 data 08 from vcan0\n321 data 09 from vcan0\n321 data 09 from vcan0\n\
        321 data 09 from vcan0\nit has stopped\n";
    assert_eq!(told.out, wanted, "{told:?}");
    place.leave();
}
