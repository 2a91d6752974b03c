//! The command line against the kernel: over a veth pair, in namespaces that the test makes.
#![cfg(feature = "cli")]
#![allow(clippy::print_stdout)] // what is skipped is said

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::thread;

use sockatoo::Host;
use sockatoo::lab::Netns;

const SOCKATOO: &str = env!("CARGO_BIN_EXE_sockatoo");

/// The kernel at 192.0.2.1 and 2001:db8::1, and a namespace at the other end of its wire for us.
struct Wire {
    kernel: Netns,
    ours: Netns,
}

/// `None`, and the reason is printed, where namespaces are not allowed.
fn wire() -> Option<Wire> {
    let made = Netns::new().and_then(|kernel| Ok(Wire { kernel, ours: Netns::new()? }));
    match made {
        Ok(wire) => {
            wire.kernel.veth("wire0", &wire.ours, "wire1").expect("a veth pair");
            for address in ["192.0.2.1/24", "2001:db8::1/64"] {
                wire.kernel.add_address("wire0", address).expect("an address");
            }
            Some(wire)
        }
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "CI must be able to run this: {error}");
            println!("skipped: {error}");
            None
        }
    }
}

impl Wire {
    fn sockatoo(&self, words: &str) -> Command {
        let mut command = self.ours.command(SOCKATOO);
        command
            .args(words.split_whitespace())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn run(&self, words: &str) -> Output {
        self.sockatoo(words).output().expect("the program starts")
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A megabyte that is nowhere like itself.
fn blob() -> Vec<u8> {
    (0..1_000_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

#[test]
fn ping_the_kernel() {
    let Some(wire) = wire() else { return };
    for (ours, target) in [("192.0.2.2/24", "192.0.2.1"), ("2001:db8::2/64", "2001:db8::1")] {
        let done = wire.run(&format!("ping -I wire1 --addr {ours} -c 3 -i 0.01 -s 3000 {target}"));
        let said = text(&done.stdout) + &text(&done.stderr);
        assert_eq!(done.status.code(), Some(0), "{said}");
        assert!(said.contains(&format!("3008 bytes from {target}: icmp_seq=3 ttl=64")), "{said}");
    }
    let done = wire.run("ping -I wire1 --addr 192.0.2.2/24 -c 1 192.0.2.99");
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    assert!(
        text(&done.stdout).contains("From 192.0.2.2 icmp_seq=1 Destination Host Unreachable"),
        "{done:?}"
    );
}

#[test]
fn ping_records_the_route_and_floods() {
    let Some(wire) = wire() else { return };
    let ping = |flags: &str| {
        let done = wire.run(&format!("ping -I wire1 --addr 192.0.2.2/24 {flags} 192.0.2.1"));
        assert_eq!(done.status.code(), Some(0), "{flags}: {done:?}");
        text(&done.stdout)
    };
    // As iputils' ping says it: we, the kernel for its answer.
    let said = ping("-R -c 2 -i 0.01");
    assert!(said.contains("56(124) bytes of data"), "{said}");
    assert!(
        said.contains("RR: \t192.0.2.2\n\t192.0.2.1\n") && said.contains(" ms\t(same route)\n"),
        "{said}"
    );
    // A dot for each request, taken back by its answer.
    let said = ping("-f -c 100");
    assert_eq!((said.matches('.').count() > 100, said.matches("\x08 \x08").count()), (true, 100), "{said}");
    assert!(said.contains("100 packets transmitted, 100 received") && said.contains(", ipg/ewma "), "{said}");
    assert!(!said.contains("icmp_seq"), "{said}");
    let said = ping("-A -c 20");
    assert!(said.contains("icmp_seq=20 ") && said.contains(", ipg/ewma "), "{said}");
}

#[test]
fn without_an_address_we_stand_on_the_kernels() {
    let Some(wire) = wire() else { return };
    for address in ["192.0.2.2/24", "2001:db8::2/64"] {
        wire.ours.add_address("wire1", address).expect("an address");
    }
    for target in ["192.0.2.1", "2001:db8::1"] {
        let done = wire.run(&format!("ping -I wire1 -c 3 -i 0.01 {target}"));
        let said = text(&done.stdout) + &text(&done.stderr);
        assert_eq!(done.status.code(), Some(0), "{said}");
        assert!(said.contains(&format!("64 bytes from {target}: icmp_seq=3 ttl=64")), "{said}");
    }
    // TCP so is a race with the kernel's RST: that is said, once.
    let done = wire.run("nc -i wire1 -w 1 192.0.2.1 9");
    let said = text(&done.stderr);
    assert_eq!(
        said.matches("may answer with RST: give an address of our own with --addr").count(),
        1,
        "{said}"
    );
    assert!(!text(&wire.run("nc -u -i wire1 -w 1 192.0.2.1 9").stderr).contains("RST"));
    assert!(
        !text(&wire.run("nc -i wire1 --addr 192.0.2.3/24 -w 1 192.0.2.1 9").stderr).contains("may answer")
    );
}

#[test]
fn doctor_asks_as_a_station_of_our_own() {
    let Some(wire) = wire() else { return };
    let finding = |words: &str| {
        let done = wire.run(words);
        let answer: serde_json::Value = serde_json::from_slice(&done.stdout).expect("JSON");
        let findings = answer["findings"].as_array().expect("a list").clone();
        let found = findings.into_iter().find(|f| f["key"] == "own_station").expect("it was asked");
        (found["ok"] == true, found["detail"].as_str().expect("words").to_owned())
    };
    let (ok, said) = finding("doctor --json -i wire1");
    assert!(!ok && said.contains("knows nobody"), "{said}");
    let known = |address: &str| {
        let words = format!("neigh replace {address} lladdr 02:00:00:00:00:01 dev wire1");
        assert!(wire.ours.command("ip").args(words.split(' ')).status().expect("ip").success());
    };
    known("2001:db8::1");
    let (ok, said) = finding("doctor --json -i wire1");
    assert!(ok && said.contains("2001:db8::1 answers a station of our own"), "{said}");
    known("192.0.2.1");
    let (ok, said) = finding("doctor --json -i wire1");
    assert!(ok && said.contains("192.0.2.1 answers a station of our own"), "{said}");
    // A neighbour that answers nobody says nothing of us.
    assert!(
        wire.ours
            .command("ip")
            .args(["neigh", "del", "2001:db8::1", "dev", "wire1"])
            .status()
            .expect("ip")
            .success()
    );
    wire.kernel.set("net.ipv4.conf.all.arp_ignore", "8").expect("set");
    let (ok, said) = finding("doctor --json -i wire1");
    assert!(!ok && said.contains("the kernel's own station neither"), "{said}");
    let (ok, said) = finding("doctor --json -i nope");
    assert!(!ok && said.contains("there is no interface nope"), "{said}");
}

#[test]
fn a_tap_that_another_program_has_is_an_interface() {
    let Some(wire) = wire() else { return };
    let tap = wire.ours.tap("tap0", &["198.51.100.1/24"]).expect("a TAP");
    let peer = Host::builder().device(tap).address("198.51.100.2/24").expect("an address").build();
    let _peer = peer.expect("a host");
    let done = wire.run("ping -I tap0 -c 1 198.51.100.2");
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    assert!(text(&done.stdout).contains("64 bytes from 198.51.100.2"), "{done:?}");
}

#[test]
fn nc_sends_to_the_kernel_and_gets_an_answer() {
    let Some(wire) = wire() else { return };
    let listener =
        wire.kernel.run(|| TcpListener::bind("192.0.2.1:81")).expect("inside").expect("a listener");
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut got = Vec::new();
        stream.read_to_end(&mut got).expect("all of it");
        got.reverse();
        stream.write_all(&got).expect("sent back");
    });
    let mut nc = wire.sockatoo("nc -i wire1 --addr 192.0.2.2/24 -N 192.0.2.1 81");
    let mut nc = nc.stdin(Stdio::piped()).spawn().expect("the program starts");
    let mut input = nc.stdin.take().expect("a pipe");
    let feeding = thread::spawn(move || input.write_all(&blob()));
    let done = nc.wait_with_output().expect("an end");
    feeding.join().expect("fed").expect("all of it");
    server.join().expect("served");
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    let mut wanted = blob();
    wanted.reverse();
    assert!(done.stdout == wanted, "{} bytes came back, or others", done.stdout.len());
}

#[test]
fn nc_listens_for_the_kernel() {
    let Some(wire) = wire() else { return };
    let mut command = wire.sockatoo("nc -i wire1 --addr 2001:db8::2/64 -l -v 82");
    let mut nc = command.spawn().expect("the program starts");
    listening(&mut nc);
    let stream = wire.kernel.run(|| TcpStream::connect("[2001:db8::2]:82")).expect("inside");
    let mut stream = stream.expect("a connection");
    stream.write_all(&blob()).expect("sent");
    stream.shutdown(Shutdown::Write).expect("half closed");
    let done = nc.wait_with_output().expect("an end");
    assert_eq!(done.status.code(), Some(0));
    assert!(done.stdout == blob(), "{} bytes came, or others", done.stdout.len());
}

/// Waits until nc says that it listens; the rest of what it says stays in the pipe.
fn listening(nc: &mut Child) {
    let (mut said, mut byte) = (Vec::new(), [0]);
    let stderr = nc.stderr.as_mut().expect("a pipe");
    while said.last() != Some(&b'\n') && stderr.read(&mut byte).expect("words") == 1 {
        said.push(byte[0]);
    }
    assert!(text(&said).starts_with("Listening on "), "{}", text(&said));
}

#[test]
fn the_demo_with_the_kernel() {
    if wire().is_none() {
        return;
    }
    for args in [&["--json", "demo"][..], &["--json", "demo", "-6"]] {
        let done =
            Command::new(SOCKATOO).args(args).stdin(Stdio::null()).output().expect("the program starts");
        let answer: serde_json::Value = serde_json::from_slice(&done.stdout).expect("JSON");
        assert_eq!(done.status.code(), Some(0), "{answer}");
        assert_eq!((&answer["wire"], &answer["status"]), (&"tap".into(), &"200 OK".into()), "{answer}");
    }
}

#[test]
fn bench_craft_measures_everything() {
    if wire().is_none() {
        return;
    }
    let done = Command::new(SOCKATOO).args(["--json", "bench", "craft", "--rounds", "1"]).output();
    let done = done.expect("the program starts");
    let answer: serde_json::Value = serde_json::from_slice(&done.stdout).expect("JSON");
    assert_eq!(done.status.code(), Some(0), "{answer}");
    let tables = answer["tables"].as_array().expect("a list");
    let rows: Vec<_> = tables.iter().flat_map(|table| table["rows"].as_array().expect("a list")).collect();
    for key in ["template", "anew", "write", "packet", "raw", "sendmmsg", "bypass", "scapy"] {
        let row = rows.iter().find(|row| row["key"] == key).unwrap_or_else(|| panic!("{key}: {answer}"));
        // Scapy may not be there; that is said.
        let measured = row["per_second"].as_f64().is_some_and(|figure| figure > 0.0);
        assert!(measured || (key == "scapy" && row["note"].is_string()), "{row}");
    }
}
