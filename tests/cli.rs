//! The command line from outside: its tree of commands and flags, its exit codes, its answers in JSON.
#![cfg(feature = "cli")]

use std::process::{Command, Output, Stdio};

fn sockatoo(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sockatoo"));
    command.args(args).stdin(Stdio::null()).env("COLUMNS", "100").env_remove("NO_COLOR");
    command.output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// The whole tree as one file: what changes in it is seen in review. SOCKATOO_BLESS=1 writes it anew.
#[test]
fn the_command_tree() {
    let mut tree = String::new();
    for command in [
        "",
        "demo",
        "run",
        "up",
        "down",
        "ls",
        "ping",
        "traceroute",
        "scan",
        "arp",
        "nc",
        "ss",
        "addr",
        "route",
        "neigh",
        "stat",
        "craft",
        "replay",
        "diff",
        "checksum",
        "doctor",
        "completions",
    ] {
        let args: Vec<_> = [command, "--help"].into_iter().filter(|a| !a.is_empty()).collect();
        let help = sockatoo(&args);
        assert!(help.status.success(), "{command}: {help:?}");
        tree += &format!("$ sockatoo {}\n{}\n", args.join(" "), text(&help.stdout));
    }
    let path = format!("{}/tests/cli/help.txt", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("SOCKATOO_BLESS").is_some() {
        std::fs::write(&path, &tree).expect("written");
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        wanted == tree,
        "{path} holds another tree; now it is\n{tree}\n(SOCKATOO_BLESS=1 writes it anew)"
    );
}

#[test]
fn exit_codes_and_hints() {
    for (args, code, words) in [
        (&["--version"][..], 0, "sockatoo "),
        (&["pong"], 2, "Usage"),
        (&["ping"], 2, "<HOST>"),
        (&["ping", "-s", "65508", "127.0.0.1"], 2, "65507"),
        (&["nc", "192.0.2.1"], 2, "hint: `sockatoo nc HOST PORT` connects"),
        (&["ping", "--addr", "192.0.2.1/24", "192.0.2.1"], 2, "hint: name one: `-i IF`"),
        (&["ping", "-I", "no/such", "192.0.2.1"], 2, "error: "),
        (&["ping", "--link", "loss=200%", "127.0.0.1"], 2, "loss"),
    ] {
        let done = sockatoo(args);
        let said = text(&done.stdout) + &text(&done.stderr);
        assert_eq!(done.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(words), "{args:?} should say `{words}`, but says {said}");
        assert!(!said.contains("panicked"), "{said}");
    }
}

#[test]
fn completions_and_manuals_come_from_the_tree() {
    let script = text(&sockatoo(&["completions", "bash"]).stdout);
    assert!(script.contains("doctor") && script.contains("--gateway"), "{script}");
    let dir = std::env::temp_dir().join(format!("sockatoo-man-{}", std::process::id()));
    let done = sockatoo(&["man", dir.to_str().expect("UTF-8")]);
    let page = std::fs::read_to_string(dir.join("sockatoo-ping.1")).unwrap_or_default();
    std::fs::remove_dir_all(&dir).expect("removed");
    assert!(done.status.success() && page.contains("echo requests"), "{done:?} {page}");
}

#[test]
fn doctor_answers_in_json() {
    let done = sockatoo(&["doctor", "--json"]);
    let answer: serde_json::Value = serde_json::from_slice(&done.stdout).expect("JSON");
    assert_eq!(answer["version"], 1);
    assert_eq!(done.status.code(), Some(i32::from(answer["ok"] != true)));
    let findings = answer["findings"].as_array().expect("a list");
    for key in ["dev_net_tun", "runtime_dir", "seccomp_listener", "mirror_tap"] {
        assert!(findings.iter().any(|f| f["key"] == key), "{key}: {answer}");
    }
    for finding in findings {
        assert_eq!(finding["ok"] == true, finding["mend"].is_null(), "{finding}");
    }
}

#[test]
fn ping_on_loopback() {
    for target in ["127.0.0.1", "::1"] {
        let done = sockatoo(&["ping", "-c", "2", "-i", "0", "-s", "1400", target]);
        let said = text(&done.stdout);
        assert_eq!(done.status.code(), Some(0), "{said} {}", text(&done.stderr));
        assert!(said.contains(&format!("1408 bytes from {target}: icmp_seq=2 ttl=64 time=")), "{said}");
        assert!(said.contains("2 packets transmitted, 2 received, 0% packet loss"), "{said}");
        assert!(said.contains("rtt min/avg/max/mdev = "), "{said}");
    }
    let done = sockatoo(&["ping", "-c", "1", "192.0.2.1"]);
    assert_eq!(done.status.code(), Some(2), "{done:?}");
    assert!(text(&done.stderr).contains("ENETUNREACH"), "{done:?}");
}

#[test]
fn ping_in_json() {
    let done = sockatoo(&["--json", "ping", "-c", "1", "127.0.0.1"]);
    let lines: Vec<serde_json::Value> =
        text(&done.stdout).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines.iter().all(|line| line["version"] == 1), "{lines:?}");
    assert_eq!((&lines[0]["type"], &lines[1]["received"]), (&"reply".into(), &1.into()));
}

#[test]
fn nc_is_refused() {
    let done = sockatoo(&["nc", "127.0.0.1", "9"]);
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    assert!(text(&done.stderr).contains("ECONNREFUSED"), "{done:?}");
}

#[test]
fn the_demo_in_memory() {
    for family in [&["demo", "--memory"][..], &["demo", "--memory", "-6"]] {
        let done = sockatoo(family);
        let said = text(&done.stdout);
        assert_eq!(done.status.code(), Some(0), "{said} {}", text(&done.stderr));
        for words in ["200 OK", "Hello, Sockatoo!", "SYN ACK", "“GET / HTTP/1.1”", "FIN ACK"] {
            assert!(said.contains(words), "`{words}` is missing in\n{said}");
        }
        assert!(said.lines().all(|line| line.chars().count() <= 100), "wider than 100:\n{said}");
    }
}

#[test]
fn the_demo_in_json_with_a_pcap_file() {
    let file = std::env::temp_dir().join(format!("sockatoo-demo-{}.pcap", std::process::id()));
    let done = sockatoo(&["--json", "demo", "--memory", "--pcap", file.to_str().expect("UTF-8")]);
    let pcap = std::fs::read(&file).unwrap_or_default();
    let _ = std::fs::remove_file(&file);
    let answer: serde_json::Value = serde_json::from_slice(&done.stdout).expect("JSON");
    assert_eq!((&answer["version"], &answer["status"]), (&1.into(), &"200 OK".into()), "{answer}");
    let frames = answer["frames"].as_array().expect("a list");
    assert!(frames.len() > 8 && pcap.len() > 4000, "{} frames, {} bytes", frames.len(), pcap.len());
}

#[test]
fn checksum_step_by_step() {
    // RFC 1071 3, its example.
    let done = sockatoo(&["checksum", "0001 f203 f4f5 f6f7"]);
    let said = text(&done.stdout);
    assert_eq!(done.status.code(), Some(0), "{said}");
    for line in ["     4  f4f5     1e6f9", "ddf0 + 2", "checksum 0x220d"] {
        assert!(said.contains(line), "`{line}` is missing in\n{said}");
    }
    let done = sockatoo(&["checksum", "ip(dst=192.0.2.1, checksum=0x1234)/udp(sport=7, dport=9)/\"odd\""]);
    let said = text(&done.stdout);
    assert_eq!(done.status.code(), Some(1), "{said}");
    for line in
        ["ip.checksum is 0x1234: wrong, it should be 0x", "pseudo header: protocol 17", "a zero behind"]
    {
        assert!(said.contains(line), "`{line}` is missing in\n{said}");
    }
    let done =
        sockatoo(&["--json", "checksum", "--linktype", "ip", "4500001400000000400066e77f0000017f000001"]);
    let answer: serde_json::Value = serde_json::from_slice(&done.stdout).expect("JSON");
    assert_eq!((&answer["right"], &answer["version"]), (&false.into(), &1.into()), "{answer}");
    assert_eq!(answer["checksums"][0]["checksum"], "0x7ce8", "{answer}");
}
