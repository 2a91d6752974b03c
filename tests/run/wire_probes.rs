//! Tools that look at networks, over a TAP, with the kernel on its other side: ping, traceroute, dig, hping3, nmap, tcpdump,
//! arping, Scapy.

use std::fs;

use crate::place::{Arm, Place, User, over_a_wire, same, skipped};

#[test]
fn ping() {
    over_a_wire(&["ping"], |place| {
        for target in ["192.0.2.1", "2001:db8::1"] {
            let told = place.line(&format!("ping -n -c 3 -i 0.01 {target}")).end().ok();
            assert!(told.contains(&format!("from {target}: icmp_seq=3 ttl=64 time=")), "{told}");
            assert!(told.contains("3 packets transmitted, 3 received, 0% packet loss"), "{told}");
        }
        let lost = place.line("ping -n -c 1 192.0.2.99").end();
        assert_eq!(lost.status, 1, "{lost:?}");
        assert!(lost.out.contains("From 192.0.2.2 icmp_seq=1 Destination Host Unreachable"), "{lost:?}");
        // Until Ctrl-C, as most people do.
        let forever = place.line("ping -n -i 0.01 127.0.0.1");
        forever.wait_for("icmp_seq=5 ");
        let told = forever.interrupt().ok();
        assert!(told.contains(" 0% packet loss"), "{told}");
    });
}

/// Datagrams, echo requests, SYNs: one router's way, and the target says so. With -T it would wait three times as long as the first
/// answer took, by the kernel's clock, and no call that is stopped is so quick: -w says how long.
#[test]
fn traceroute() {
    over_a_wire(&["traceroute"], |place| {
        for how in ["", "-I", "-T -w 5,0,0 -p 9"] {
            let told = place.line(&format!("traceroute -n {how} 192.0.2.1")).end().ok();
            let lines: Vec<_> = told.lines().collect();
            assert_eq!(lines.len(), 2, "{how} {told}");
            assert!(lines[1].starts_with(" 1  192.0.2.1  ") && !lines[1].contains('*'), "{how} {told}");
        }
        let told = place.line("traceroute -n -6 2001:db8::1").end().ok();
        assert!(told.contains("\n 1  2001:db8::1  "), "{told}");
    });
}

#[test]
fn dig() {
    over_a_wire(&["dig", "dnsmasq"], |place| {
        let server = place.peer_terminal(
            "dnsmasq -k -C /dev/null -u root --log-facility=- --no-resolv --no-hosts --listen-address=192.0.2.1 \
             --bind-interfaces --address=/name.example/192.0.2.77",
        );
        server.wait_for("started");
        for more in ["", "+tcp"] {
            let told = place.line(&format!("dig @192.0.2.1 name.example +short {more}")).end().ok();
            assert_eq!(told, "192.0.2.77\n");
        }
        let told = place.line("dig @192.0.2.1 -p 54 name.example +tries=1 +time=5").end();
        assert!(told.out.contains("connection refused"), "{told:?}");
        server.signal(libc::SIGTERM);
        server.end();
    });
}

fn web_server(place: &Place) -> crate::terminal::Terminal {
    fs::write(place.work().join("index.html"), "<h1>Hello</h1>").unwrap();
    let server = place.peer_terminal("/usr/bin/python3 -m http.server 8000 --bind 192.0.2.1");
    server.wait_for("Serving HTTP");
    server
}

#[test]
fn nmap() {
    over_a_wire(&["nmap"], |place| {
        let _server = web_server(place);
        for how in ["-sT", "-sS"] {
            let told = place.line(&format!("nmap -n -Pn {how} -p 9,8000 192.0.2.1")).end().ok();
            let (closed, open) = ("9/tcp    closed discard", "8000/tcp open   http-alt");
            assert!(told.contains(closed) && told.contains(open), "{how} {told}");
        }
    });
}

#[test]
fn hping3() {
    over_a_wire(&["hping3"], |place| {
        let _server = web_server(place);
        let told = place.line("hping3 -I wire1 -S -p 8000 -c 3 -i u1000 192.0.2.1").end();
        assert!(told.status == 0 && told.out.matches("sport=8000 flags=SA").count() == 3, "{told:?}");
        let told = place.line("hping3 -I wire1 -1 -c 2 -i u1000 192.0.2.1").end();
        assert!(told.status == 0 && told.out.matches("icmp_seq=").count() == 2, "{told:?}");
    });
}

#[test]
fn tcpdump() {
    over_a_wire(&["tcpdump", "ping"], |place| {
        let dump = place.line("tcpdump -n -l -i wire1 -c 4 icmp");
        dump.wait_for("listening on wire1");
        let told = place.peer_terminal("ping -n -c 2 -i 0.01 192.0.2.2").end().ok();
        assert!(told.contains("2 received"), "{told}");
        let told = dump.end().ok();
        assert_eq!(told.matches("192.0.2.1 > 192.0.2.2: ICMP echo request").count(), 2, "{told}");
        assert_eq!(told.matches("192.0.2.2 > 192.0.2.1: ICMP echo reply").count(), 2, "{told}");
        // The loopback has each frame as sent and as received: libpcap shows the second, if it knows which is which.
        let dump = place.line("tcpdump -n -l -i lo -c 4 icmp");
        dump.wait_for("listening on lo");
        place.line("ping -n -q -c 2 -i 0.01 127.0.0.1").end().ok();
        let told = dump.end().ok();
        assert_eq!(told.matches("seq 1,").count(), 2, "{told}");
        assert_eq!(told.matches("seq 2,").count(), 2, "{told}");
    });
}

#[test]
fn arping() {
    over_a_wire(&["arping"], |place| {
        let told = place.line("arping -I wire1 -c 2 192.0.2.1").end().ok();
        assert!(told.contains("Received 2 response(s)") || told.contains("2 packets received"), "{told}");
    });
}

fn has_scapy() -> bool {
    let found = std::process::Command::new(crate::place::PYTHON).args(["-c", "import scapy"]).output();
    let found = found.is_ok_and(|done| done.status.success());
    if !found {
        skipped("Debian's python3 has no Scapy (scripts/test gets it)");
    }
    found
}

#[test]
fn scapy() {
    if !has_scapy() {
        return;
    }
    over_a_wire(&[], |place| {
        for (exercise, told) in [
            ("ping", "type 0 load b'hello'\n"),
            ("closed", "type 3 code 3\nflags RA\n"),
            ("sniff", "type 0 load b'hello'\nseen [0, 8]\n"),
            ("arping", "answers [('192.0.2.1', 2)]\n"),
            ("layer2", "type 0\n"),
        ] {
            let ours = place.python(&format!("scapy_probe.py {exercise} 192.0.2.1 wire1")).end();
            assert_eq!((ours.status, ours.out.as_str()), (0, told), "{exercise} {ours:?}");
        }
    });
}

/// With a host that keeps silent: SYN, ACK and a request made by hand. (The kernel would answer the SYN-ACK with an RST.)
#[test]
fn scapy_shakes_hands() {
    if !has_scapy() {
        return;
    }
    let Some(place) = Place::wire(Arm::Run, "--no-rst") else { return };
    let _server = web_server(&place);
    let told = place.python("scapy_probe.py handshake 192.0.2.1 wire1").end();
    assert_eq!((told.status, told.out.as_str()), (0, "flags SA\nb'HTTP/1.0 200 OK'\n"), "{told:?}");
    drop(_server);
    place.leave();
}

/// On a loopback, which needs no right: ours lets an ordinary user do it too.
#[test]
fn scapy_on_lo() {
    if !has_scapy() {
        return;
    }
    same(User::Root, |place| place.python("scapy_probe.py loopback 127.0.0.1 lo").end().ok());
    let Some(place) = Place::lo(Arm::Run, User::Nobody) else { return };
    let told = place.python("scapy_probe.py loopback 127.0.0.1 lo").end();
    assert_eq!((told.status, told.out.as_str()), (0, "type 0 load b'hello'\n"), "{told:?}");
    place.leave();
}
