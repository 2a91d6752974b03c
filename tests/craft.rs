//! `sockatoo craft` and `sockatoo diff` from outside: what they print, what they write, how they end.
#![cfg(feature = "cli")]

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn sockatoo(args: &[&str]) -> Output {
    with_input(args, "")
}

fn with_input(args: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sockatoo"));
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    // It may end without reading.
    let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
    child.wait_with_output().expect("it ends")
}

/// Standard output of a run that went well.
fn said(args: &[&str]) -> String {
    let done = sockatoo(args);
    assert!(done.status.success(), "{args:?}: {}", text(&done.stderr));
    text(&done.stdout)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

fn json(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// A file that goes away with its test.
struct File(PathBuf);

impl File {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("sockatoo-craft-{}-{name}", std::process::id())))
    }

    /// A file with the packets of an expression.
    fn with(name: &str, expression: &str) -> Self {
        let file = Self::new(name);
        let done = sockatoo(&["craft", expression, "--pcap", file.path()]);
        assert!(text(&done.stderr).contains(" written to "), "{done:?}");
        file
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("UTF-8")
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn one_packet_is_shown_as_a_tree_many_as_lines() {
    let one = said(&["craft", "ip(dst=192.0.2.1)/tcp(flags=S)"]);
    assert!(one.contains("  flags    = S (SYN) ") && one.contains("> 192.0.2.1.80: Flags [S]"), "{one}");
    let many = said(&["craft", "ip(dst=192.0.2.1, ttl=1..30)/udp"]);
    assert_eq!(many.lines().count(), 11, "{many}");
    assert!(many.contains("  10  IP 0.0.0.0.53 > 192.0.2.1.53: UDP, length 0  (ttl=10)\n"), "{many}");
    assert!(many.ends_with("… 20 more of 30; --count N shows more\n"), "{many}");
    let all = said(&["craft", "ip(dst=192.0.2.1, ttl=1..30)/udp", "--count", "30"]);
    assert!(all.lines().count() == 30 && !all.contains("more of"), "{all}");
    // A program alone can be written into a file.
    let expression = "ip(ttl=3, dst=192.0.2.1)/udp/\"hello\"";
    assert_eq!(said(&["craft", "--as", "expr", expression]), format!("{expression}\n"));
}

#[test]
fn the_same_seed_gives_the_same_packets() {
    for flag in ["--seed", "--fuzz"] {
        let drawn =
            |seed| said(&["craft", "--hex", "ip(dst=192.0.2.1, id=rand)/udp(sport=rand)", flag, seed]);
        assert_eq!(drawn("7"), drawn("7"));
        assert_ne!(drawn("7"), drawn("8"));
    }
}

#[test]
fn mistakes_are_pointed_at() {
    let done = sockatoo(&["craft", "ip(dst=192.0.2.1, tl=3)/tcp"]);
    let error = text(&done.stderr);
    assert_eq!(done.status.code(), Some(2));
    assert!(error.contains("\n  ip(dst=192.0.2.1, tl=3)/tcp\n                    ^^\nhint: "), "{error}");
    let done = sockatoo(&["--json", "craft", "ip(dst=192.0.2.1, tl=3)/tcp"]);
    let error: Value = serde_json::from_slice(&done.stderr).expect("JSON");
    assert_eq!((&error["place"]["column"], &error["place"]["width"]), (&18.into(), &2.into()), "{error}");
    for (args, words) in [
        (&["craft"][..], "Usage"),
        (&["craft", "--from-hex", "4"], "odd number of digits"),
        (&["craft", "--from-hex", "zz"], "`z` is no hexadecimal digit"),
        (&["craft", "-r", "/no/such.pcap"], "/no/such.pcap"),
        (&["craft", "ip/file(/no/such)"], "No such file"),
        (&["craft", "ip(dst=192.0.2.1)", "--pcap", "/no/such/dir/x.pcap"], "--pcap FILE"),
        (&["craft", "ip(id=1..60000, ttl=1..255)", "--pcap", "/no/such/dir/x.pcap"], "--count N"),
        (&["diff", "/no/such.pcap", "/no/such.pcap"], "/no/such.pcap"),
        (&["diff", "--ignore", "ip.tl", "a", "b"], "ip has no field `tl`"),
    ] {
        let done = sockatoo(args);
        let said = text(&done.stdout) + &text(&done.stderr);
        assert_eq!(done.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(words) && !said.contains("panicked"), "{args:?} should say `{words}`: {said}");
    }
}

#[test]
fn json_has_every_field() {
    let answer =
        json(&said(&["--json", "craft", "ip(src=192.0.2.2, dst=192.0.2.1, len=9)/udp(dport=[7, 9])/\"hi\""]));
    assert_eq!(answer.len(), 3, "{answer:?}");
    assert!(answer.iter().all(|object| object["version"] == 1));
    assert_eq!((&answer[2]["shown"], &answer[2]["of"]), (&2.into(), &2.into()));
    let packet = &answer[1];
    assert_eq!(packet["expression"], "ip(len=9, src=192.0.2.2, dst=192.0.2.1)/udp(dport=9)/\"hi\"");
    assert_eq!(
        (&packet["number"], &packet["length"], &packet["link"]),
        (&2.into(), &30.into(), &"ip".into())
    );
    let layers = packet["layers"].as_array().expect("layers");
    assert_eq!(layers.iter().map(|l| &l["layer"]).collect::<Vec<_>>(), ["ip", "udp", "payload"]);
    let field = |layer: usize, name: &str| {
        layers[layer]["fields"]
            .as_array()
            .and_then(|all| all.iter().find(|f| f["field"] == name))
            .expect(name)
            .clone()
    };
    let len = field(0, "len");
    assert_eq!(
        (&len["value"], &len["verdict"], &len["right"]),
        (&9.into(), &"wrong".into(), &30.into()),
        "{len}"
    );
    assert_eq!((&len["bit"], &len["bits"], &len["origin"]), (&16.into(), &16.into(), &"set".into()), "{len}");
    assert_eq!(
        (&field(0, "proto")["meaning"], &field(0, "ttl")["origin"]),
        (&"udp".into(), &"filled".into())
    );
    assert_eq!(field(2, "load")["value"], "6869");
}

#[test]
fn a_packet_comes_back_as_an_expression() {
    let expression = "ether(dst=02:00:00:00:00:02, src=02:00:00:00:00:01)/ip(ttl=3, src=192.0.2.2, dst=192.0.2.1)/tcp(dport=22, \
                      flags=SA, options=[mss(1400), nop])/\"hello\"";
    let file = File::with("back.pcap", expression);
    let back = said(&["craft", "-r", file.path(), "--as", "expr"]);
    let again = File::with("again.pcap", back.trim());
    assert_eq!(sockatoo(&["diff", file.path(), again.path()]).status.code(), Some(0), "{back}");
    // Our own hex dump, brackets and all, is read back.
    let dump = said(&["craft", "--hex", expression]);
    let dump = dump.split_once("\n\n").expect("a summary before it").1;
    let done = with_input(&["craft", "--from-hex", "-", "--as", "expr"], dump);
    assert_eq!(text(&done.stdout), back, "{}", text(&done.stderr));
}

/// tshark reads the file that we write.
#[test]
fn the_file_is_a_pcap() {
    let file = File::with(
        "tshark.pcap",
        "ip(src=192.0.2.2, dst=192.0.2.1, ttl=1..30)/udp(sport=1000, dport=33434)/\"hello\"",
    );
    let tshark = Command::new("tshark")
        .args(["-r", file.path(), "-T", "fields", "-e", "ip.ttl", "-e", "udp.dstport", "-e", "_ws.malformed"])
        .stderr(Stdio::null())
        .output();
    match tshark {
        Ok(done) => {
            let wanted: String = (1..=30).map(|ttl| format!("{ttl}\t33434\t\n")).collect();
            assert_eq!(text(&done.stdout), wanted);
        }
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "tshark: {error}");
            println!("not compared with tshark: {error}");
        }
    }
}

#[test]
fn captures_are_compared_packet_by_packet() {
    let a = File::with("a.pcap", "ip(src=192.0.2.2, dst=192.0.2.1, id=1..9)/udp(dport=7)/\"hello, world\"");
    let b = File::with(
        "b.pcap",
        "ip(src=192.0.2.2, dst=192.0.2.1, id=[1,2,4,5,77,6,7,8,9])/udp(dport=7)/\"hello, world\"",
    );
    let same = sockatoo(&["diff", a.path(), a.path()]);
    assert_eq!(same.status.code(), Some(0));
    assert!(text(&same.stdout).contains("9 packets the same, 0 differ"), "{same:?}");
    let done = sockatoo(&["--json", "diff", a.path(), b.path()]);
    assert_eq!(done.status.code(), Some(1));
    let found = json(&text(&done.stdout));
    // Number 3 is missing in b, and 77 is one more: what is behind them is the same.
    let only: Vec<_> =
        found.iter().filter(|o| o["type"] == "only").map(|o| (&o["in"], &o["number"])).collect();
    assert_eq!(only, [(&"a".into(), &3.into()), (&"b".into(), &5.into())], "{found:?}");
    let summary = found.last().expect("a summary");
    assert_eq!((&summary["same"], &summary["differ"]), (&8.into(), &0.into()));

    let c = File::with(
        "c.pcap",
        "ip(src=192.0.2.2, dst=192.0.2.1, id=1..9, ttl=63)/udp(dport=7)/\"hello, world\"",
    );
    let done = sockatoo(&["--json", "diff", a.path(), c.path()]);
    let found = json(&text(&done.stdout));
    assert_eq!((found.len(), &found[0]["a"], &found[0]["b"]), (10, &1.into(), &1.into()));
    assert_eq!(found[9]["fields"], serde_json::json!({ "ip.checksum": 9, "ip.ttl": 9 }));
    for (ignore, code) in [("ip.ttl", 1), ("ip.ttl,ip.checksum", 0), ("IP.ttl,IP.chksum", 0), ("ip", 0)] {
        let done = sockatoo(&["diff", "-q", "--ignore", ignore, a.path(), c.path()]);
        assert_eq!((done.status.code(), text(&done.stdout).as_str()), (Some(code), ""), "{ignore}");
    }
}

/// The same packets in a pcapng, as other programs write it, are the same.
#[test]
fn pcapng_is_read_too() {
    let pcap = File::with(
        "plain.pcap",
        "ether/ip(src=192.0.2.2, dst=192.0.2.1, ttl=1..3)/udp(sport=1000, dport=7)/\"hello\"",
    );
    let pcapng = File::new("next.pcapng");
    match Command::new("editcap").args(["-F", "pcapng", pcap.path(), pcapng.path()]).status() {
        Ok(status) => assert!(status.success()),
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "editcap: {error}");
            return println!("not compared with editcap's pcapng: {error}");
        }
    }
    assert_eq!(said(&["craft", "-r", pcapng.path()]), said(&["craft", "-r", pcap.path()]));
    assert_eq!(sockatoo(&["diff", pcap.path(), pcapng.path()]).status.code(), Some(0));
}
