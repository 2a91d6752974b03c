//! What `craft` and `replay` send, and who answers: against the kernel over a TAP, in a namespace that the test makes.
#![cfg(feature = "cli")]
#![allow(clippy::print_stdout)] // what is skipped is said

use std::net::{TcpListener, UdpSocket};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use sockatoo::lab::Netns;
use sockatoo::trace::{Capture, PcapWriter};
use sockatoo::wire::packet::{Nowhere, Packet};

/// A kernel at 192.0.2.1 and 2001:db8::1 on a TAP that waits for a host. `None`, and the reason is printed, where namespaces are not
/// allowed.
fn kernel() -> Option<Netns> {
    let made = Netns::new().and_then(|kernel| {
        let words = "tuntap add tap0 mode tap";
        assert!(kernel.command("ip").args(words.split(' ')).status().expect("ip").success());
        kernel.set_up("tap0")?;
        for address in ["192.0.2.1/24", "2001:db8::1/64"] {
            kernel.add_address("tap0", address)?;
        }
        Ok(kernel)
    });
    match made {
        Ok(kernel) => Some(kernel),
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "CI must be able to run this: {error}");
            println!("skipped: {error}");
            None
        }
    }
}

const WIRE: &[&str] = &["-i", "tap0", "--addr", "192.0.2.2/24", "--addr", "2001:db8::2/64", "--json"];

fn start(kernel: &Netns, args: &[&str]) -> Child {
    let mut command = kernel.command(env!("CARGO_BIN_EXE_sockatoo"));
    command.args(args).args(WIRE).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the program starts")
}

/// The exit code, and what it said, line by line.
fn end(child: Child) -> (Option<i32>, Vec<Value>) {
    let done = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    let lines = said.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect::<Vec<Value>>();
    assert!(!lines.is_empty(), "{done:?}");
    (done.status.code(), lines)
}

fn run(kernel: &Netns, args: &[&str]) -> (Option<i32>, Vec<Value>) {
    end(start(kernel, args))
}

/// Probes and what the kernel answers to them, in the order of the probes.
#[test]
fn the_kernel_answers() {
    let Some(kernel) = kernel() else { return };
    let _listener =
        kernel.run(|| TcpListener::bind("192.0.2.1:80")).expect("a namespace").expect("a listener");
    for (probes, answers) in [
        (
            "ip(dst=192.0.2.1)/tcp(sport=1000, dport=[79,80,81], flags=S)",
            &["Flags [R.]", "Flags [S.]", "Flags [R.]"][..],
        ),
        ("ip(dst=[192.0.2.1, 192.0.2.77])/icmp(id=7)", &["echo reply", ""]),
        (
            "ipv6(dst=2001:db8::1)/icmpv6_echo_request(id=7, seq=1..3)",
            &["echo reply", "echo reply", "echo reply"],
        ),
        ("ether()/ip(dst=192.0.2.1)/udp(dport=7)", &["port unreachable (UDP"]),
        ("arp(pdst=[192.0.2.1, 192.0.2.9])", &["192.0.2.1 is at", ""]),
        ("ip(dst=192.0.2.1, proto=253)/'what?'", &["protocol unreachable"]),
    ] {
        let (code, mut lines) = run(&kernel, &["craft", "--answers", "--timeout", "500ms", probes]);
        let statistics = lines.pop().expect("statistics");
        lines.sort_by_key(|line| line["number"].as_u64());
        let told: Vec<_> = lines.iter().map(|line| line["answer"].as_str().unwrap_or_default()).collect();
        assert_eq!(told.len(), answers.len(), "{probes}: {lines:?}");
        for (told, wanted) in told.iter().zip(answers) {
            assert!(told.contains(wanted) && told.is_empty() == wanted.is_empty(), "{probes}: {told:?}");
        }
        let answered = answers.iter().filter(|answer| !answer.is_empty()).count();
        assert_eq!((code, statistics["answered"].as_u64()), (Some(0), Some(answered as u64)));
    }
}

#[test]
fn a_flood_ends_in_time_and_its_packets_arrive() {
    let Some(kernel) = kernel() else { return };
    let begin = Instant::now();
    let (code, lines) =
        run(&kernel, &["craft", "--flood", "--for", "500ms", "ip(dst=192.0.2.1)/udp(dport=9)"]);
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    let sent = lines[0]["sent"].as_u64().expect("a number");
    assert!(code == Some(0) && sent > 1000 && lines[0]["seconds"].as_f64() > Some(0.49), "{lines:?}");
    // At a pace, each datagram arrives.
    let socket = kernel.run(|| UdpSocket::bind("192.0.2.1:9")).expect("a namespace").expect("a socket");
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out");
    let packet = "ip(dst=192.0.2.1)/udp(sport=7, dport=9)/'hello'";
    let sender = start(&kernel, &["craft", "--loop", "--rate", "1k", "--count", "100", packet]);
    for _ in 0..100 {
        let (mut data, from) = ([0; 16], "192.0.2.2:7".parse().expect("an address"));
        assert_eq!(socket.recv_from(&mut data).expect("a datagram"), (5, from));
        assert_eq!(&data[..5], b"hello");
    }
    let (code, lines) = end(sender);
    assert_eq!(
        (code, lines[0]["sent"].as_u64(), lines[0]["bytes"].as_u64()),
        (Some(0), Some(100), Some(3300))
    );
}

#[test]
fn a_capture_is_sent_and_recorded_byte_for_byte() {
    let Some(kernel) = kernel() else { return };
    let dir = std::env::temp_dir().join(format!("sockatoo-replay-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a directory");
    let [before, after] =
        ["before.pcap", "after.pcap"].map(|name| dir.join(name).to_str().expect("UTF-8").to_owned());
    let text = "ether(src=02:00:00:00:00:07, dst=02:00:00:00:00:08)/ip(src=203.0.113.1, dst=203.0.113.2, id=1..50)/udp()/'x'";
    let packets = text.parse::<Packet>().expect("an expression").each(0);
    let bytes: Vec<_> = packets.map(|packet| packet.build(&Nowhere).expect("a packet").bytes).collect();
    let mut writer = PcapWriter::create(&before, Duration::from_secs(1_700_000_000)).expect("a file");
    for (bytes, millis) in bytes.iter().zip(0..) {
        writer
            .write(sockatoo::Instant::from_millis(millis), sockatoo::base::LinkType::Ethernet, bytes)
            .expect("written");
    }
    writer.flush_file().expect("written");
    let (code, lines) = run(&kernel, &["replay", "--loop", "2", "--speed", "2", "--pcap", &after, &before]);
    let recorded = Capture::open(&after).expect("a capture").map(|frame| frame.expect("a frame").bytes);
    let sent: Vec<_> = recorded.filter(|frame| frame.get(26..30) == Some(&[203, 0, 113, 1])).collect();
    std::fs::remove_dir_all(&dir).expect("removed");
    assert_eq!((code, lines[0]["sent"].as_u64()), (Some(0), Some(100)), "{lines:?}");
    // The second pass begins when the first one has ended: 98 milliseconds, at twice the speed.
    assert!(lines[0]["seconds"].as_f64() >= Some(0.049), "{lines:?}");
    assert!(sent.len() == 100 && sent.iter().eq(bytes.iter().chain(&bytes)), "{} frames", sent.len());
}
