//! `sockatoo sniff` from outside: files against tcpdump and tshark, wires against the kernel.
#![cfg(feature = "cli")]
#![allow(clippy::print_stdout)] // what is skipped is said

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use sockatoo::lab::Netns;

const SOCKATOO: &str = env!("CARGO_BIN_EXE_sockatoo");

fn run(program: &str, args: &[&str]) -> Output {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output();
    output.unwrap_or_else(|error| panic!("{program}: {error}"))
}

/// Standard output of a run that went well.
fn said(args: &[&str]) -> String {
    let done = run(SOCKATOO, args);
    assert!(done.status.success(), "{args:?}: {}", text(&done.stderr));
    text(&done.stdout)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// True if the program is there; in CI it must be.
fn has(program: &str) -> bool {
    let there = Command::new(program).arg("--version").output().is_ok();
    assert!(there || std::env::var_os("CI").is_none(), "CI must have {program}");
    if !there {
        println!("skipped: there is no {program}");
    }
    there
}

/// A file that goes away with its test.
struct File(PathBuf);

impl File {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("sockatoo-sniff-{}-{name}", std::process::id())))
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("UTF-8")
    }

    /// Packets of every kind.
    fn with_packets(name: &str) -> Self {
        let file = Self::new(name);
        let expression = "ether(src=02:00:00:00:00:01, dst=02:00:00:00:00:02)/ip(src=192.0.2.1, dst=192.0.2.2, id=7, \
                          ttl=1..20)/udp(sport=1024, dport=[9, 4000])/\"hello\"";
        said(&["craft", expression, "--count", "40", "--pcap", file.path()]);
        file
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Our lines about a packet of each of these expressions are tcpdump's.
#[test]
fn lines_are_those_of_tcpdump() {
    if !has("tcpdump") {
        return;
    }
    for expression in [
        "icmp(type=echo-request, id=7, seq=2)/\"abcdefgh\"",
        "icmp(type=echo-reply, id=7, seq=2)/\"abcdefgh\"",
        "udp(sport=1234, dport=9)/\"hello\"",
        "tcp(sport=1234, dport=8080, flags=S, seq=1000, window=1024, options=[mss(1460), sack_permitted, timestamp(1, 0), nop, \
         wscale(7)])",
        "tcp(sport=1234, dport=8080, flags=FA, seq=1, ack=1, window=1024)",
        "tcp(sport=1234, dport=8080, flags=R, seq=1, window=0)",
    ] {
        let file = File::new("line.pcap");
        let whole = format!("ether/ip(src=192.0.2.1, dst=192.0.2.2)/{expression}");
        said(&["craft", &whole, "--pcap", file.path()]);
        let theirs = run("tcpdump", &["-n", "-t", "-r", file.path()]);
        assert_eq!(said(&["sniff", "-t", "-r", file.path()]), text(&theirs.stdout), "{expression}");
    }
}

#[test]
fn filters_choose_and_counts_end() {
    let file = File::with_packets("filter.pcap");
    let lines = |args: &[&str]| said(&[&["sniff", "-r", file.path()], args].concat()).lines().count();
    // What only Ethernet can be asked is asked of a file of Ethernet.
    assert_eq!(lines(&["ether broadcast or not ether broadcast"]), lines(&[]));
    assert_eq!(lines(&[]), 40);
    assert_eq!(lines(&["udp", "dst", "port", "9"]), 20);
    assert_eq!(lines(&["ip[8] < 5 and not port 9"]), 4);
    assert_eq!(lines(&["-c", "3", "udp"]), 3);
    assert_eq!(lines(&["tcp"]), 0);
    assert_eq!(lines(&["-X", "-c", "1"]), 4);
    let json = said(&["--json", "sniff", "-r", file.path(), "-c", "1"]);
    let object: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&object["layers"][1]["layer"], &object["length"]), (&"ip".into(), &47.into()));
    let done = run(SOCKATOO, &["sniff", "-r", file.path(), "tpc port 80"]);
    assert_eq!(done.status.code(), Some(2));
    assert!(text(&done.stderr).contains("  tpc port 80\n  ^^^"), "{}", text(&done.stderr));
}

#[test]
fn files_of_both_formats_are_read_and_written() {
    let pcap = File::with_packets("format.pcap");
    let (pcapng, back) = (File::new("format.pcapng"), File::new("back.pcap"));
    said(&["sniff", "-r", pcap.path(), "-w", pcapng.path()]);
    said(&["sniff", "-r", pcapng.path(), "-w", back.path()]);
    assert_eq!(std::fs::read(&back.0).unwrap().len(), std::fs::read(&pcap.0).unwrap().len());
    assert!(run(SOCKATOO, &["diff", pcap.path(), pcapng.path()]).status.success());
    assert!(run(SOCKATOO, &["diff", pcapng.path(), back.path()]).status.success());
    if has("tshark") {
        let read = run("tshark", &["-r", pcapng.path(), "-T", "fields", "-e", "udp.dstport", "-e", "ip.ttl"]);
        assert_eq!(text(&read.stdout).lines().count(), 40);
        assert!(text(&read.stdout).ends_with("4000\t20\n"), "{}", text(&read.stdout));
    }
    // Cut short: what is whole is shown, then it is said.
    let bytes = std::fs::read(&pcapng.0).unwrap();
    std::fs::write(&pcapng.0, &bytes[..bytes.len() - 5]).unwrap();
    let done = run(SOCKATOO, &["sniff", "-r", pcapng.path()]);
    assert_eq!((text(&done.stdout).lines().count(), done.status.code()), (39, Some(2)));
    assert!(text(&done.stderr).contains("ends within a block"), "{}", text(&done.stderr));
}

/// Two kernels and the wire between them.
struct Wire {
    left: Netns,
    right: Netns,
}

fn wire() -> Option<Wire> {
    match Netns::new().and_then(|left| Ok(Wire { left, right: Netns::new()? })) {
        Ok(wire) => {
            wire.left.veth("left0", &wire.right, "right0").expect("a veth pair");
            wire.left.add_address("left0", "192.0.2.1/24").expect("an address");
            wire.right.add_address("right0", "192.0.2.2/24").expect("an address");
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
    /// A sniffer on the left that listens already, and what it says on standard error from now on.
    fn sniffer(&self, args: &[&str]) -> (Child, BufReader<std::process::ChildStderr>) {
        let mut command = self.left.command(SOCKATOO);
        command.arg("sniff").args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let mut asides = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut line = String::new();
        asides.read_line(&mut line).expect("a line");
        assert!(line.starts_with("listening on "), "{line}");
        (child, asides)
    }

    fn ping(&self) {
        let done = self.left.command("ping").args(["-c", "2", "-i", "0.01", "192.0.2.2"]).output();
        assert!(done.expect("ping").status.success());
    }
}

#[test]
fn what_the_kernel_sends_and_gets_is_seen() {
    let Some(wire) = wire() else { return };
    let (child, _) = wire.sniffer(&["-i", "left0", "-tt", "-c", "4", "icmp"]);
    wire.ping();
    let done = child.wait_with_output().unwrap();
    let lines: Vec<String> = text(&done.stdout).lines().map(str::to_string).collect();
    let words = ["request", "reply", "request", "reply"];
    assert!(lines.len() == 4 && lines.iter().zip(words).all(|(l, w)| l.contains(w)), "{lines:#?}");
    // Stamped by the kernel: a request is not at the same moment as its answer, though both are read at once.
    let times: Vec<f64> = lines.iter().map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect();
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
}

#[test]
fn an_interrupt_ends_it_with_statistics_and_a_whole_file() {
    let Some(wire) = wire() else { return };
    let file = File::new("live.pcapng");
    let (mut child, mut asides) = wire.sniffer(&["-i", "left0", "-w", file.path(), "--print", "arp or icmp"]);
    wire.ping();
    // Until the last answer has been printed.
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while !lines.next().expect("a line").unwrap().contains("seq 2, length 64") {}
    while !lines.next().expect("a line").unwrap().contains("reply") {}
    let pid = child.id().to_string();
    assert!(run("kill", &["-INT", &pid]).status.success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut said_last = String::new();
    std::io::Read::read_to_string(&mut asides, &mut said_last).unwrap();
    assert!(
        said_last.contains("packets captured\n") && said_last.contains("0 packets dropped"),
        "{said_last}"
    );
    let frames = said(&["sniff", "-t", "-r", file.path(), "icmp"]);
    assert_eq!(frames.lines().filter(|line| line.contains("ICMP echo")).count(), 4, "{frames}");
    assert_eq!(said(&["sniff", "-r", file.path(), "-Q", "out", "icmp"]).lines().count(), 2);
}
