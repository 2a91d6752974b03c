//! The programs are run by who they are written for: Python, Scapy, gcc.

use std::process::{Command, Stdio};

use super::*;
use crate::wire::packet::{Nowhere, Packet};

/// Packets, legal and not.
const PACKETS: &[&str] = &[
    r#"ip(src=192.0.2.7, dst=192.0.2.1, ttl=3, flags=DF)/udp(sport=1, dport=9)/"hello \"\\ world""#,
    "ip(src=192.0.2.7, dst=192.0.2.1)/tcp(sport=5, dport=80, seq=4294967295, options=[mss(1460), nop, wscale(7), sack_permitted, timestamp(1, 2)])",
    "ip(dst=192.0.2.1)/tcp(flags=SAE, options=[nop, nop, sack([1, 4294967295])], window=0, urgent=7)/hex(00 01 02 fe)",
    "ip(dst=192.0.2.1)/tcp(options=[fastopen(hex(01 02))])",
    "ip(dst=192.0.2.1, options=[rr(4, [0.0.0.0, 192.0.2.3]), nop])/icmp(id=7, seq=1)/\"ping\"",
    "ip(dst=192.0.2.1, version=7, ihl=15, len=9, checksum=bad, id=0xffff, tos=255, frag=3, flags=MF)/\"x\"",
    "ip(dst=192.0.2.1)/icmp(type=unreachable, code=4, mtu=1400)/ip(src=192.0.2.1, dst=198.51.100.1)/udp/\"abcd\"",
    "ip(dst=192.0.2.1)/icmp(type=timestamp-request, originate=5)",
    "ip(dst=192.0.2.1)/icmp(type=redirect, gateway=192.0.2.9)/ip(dst=198.51.100.1)/udp",
    "ip(dst=192.0.2.1, proto=253)/\"x\"",
    "ip(dst=192.0.2.1)/udp(len=3, checksum=0)",
    "ipv6(src=2001:db8::7, dst=2001:db8::1, hlim=3, flow=5)/tcp(dport=22)",
    "ipv6(dst=2001:db8::1)/fragment(id=7, more=1, frag=0)/udp/\"0123\"",
    "ipv6(dst=2001:db8::1)/hop_by_hop(options=[router_alert(0)])/udp/\"x\"",
    "ipv6(dst=2001:db8::1)/icmp",
    "ether(src=02:00:00:00:00:01, dst=broadcast)/arp(op=who-has, spa=192.0.2.1, tpa=192.0.2.2, sha=02:00:00:00:00:01)",
    "ether(src=02:00:00:00:00:01)/dot1q(vlan=5)/dot1q(vlan=7, prio=3)/ip(dst=192.0.2.1)/udp/\"tagged\"",
    "ether/dot1q/\"x\"",
    "ether(type=0x88b5)/\"A\"*60",
    "dot3/llc/snap/ip(dst=192.0.2.1)/udp",
    "ether/ip(dst=192.0.2.1)/udp/\"x\"/padding(load=hex(00 00 00))",
    "ip(dst=192.0.2.1)/ip(dst=198.51.100.1)/tcp",
    r#"ip(dst=192.0.2.1)/udp/"*/ \\ ?? // # \"\"\" \n end\\""#,
    "ip(dst=192.0.2.1)/udp/dns(qd=[dnsqr(\"example.com\", MX)])",
    "ip(dst=192.0.2.1)/gre(key=7)/ip(dst=198.51.100.1)/icmp",
    "ipv6(dst=ff02::1)/nd_ns(target=2001:db8::1, options=[source_lladdr(02:00:00:00:00:01)])",
    "ip(dst=192.0.2.1)/udp(dport=4789)/vxlan(vni=42)/ether/ip(dst=198.51.100.1)/udp",
    "ether/ip(dst=255.255.255.255)/udp(sport=68, dport=67)/bootp/dhcp(options=[message_type(discover), end])",
    "hex()",
];

fn built(text: &str) -> Dissection {
    let packet: Packet = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
    packet.build(&Nowhere).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Runs a program with this on its standard input: its output, or why there is none. `None`: there is no such program.
fn run(program: &[&str], input: &str) -> Option<Result<String, String>> {
    use std::io::Write;
    let mut child = Command::new(program[0])
        .args(&program[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Some(if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) })
}

/// What is not there is not tested; where everything has to be there, it fails.
fn missing(what: &str) {
    assert!(std::env::var("CI").is_err(), "{what} is missing");
    eprintln!("skipped: {what} is missing");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One Python for all packets: its start costs more than they do.
fn in_python(
    program: impl Fn(&Dissection) -> String,
    before: &str,
    packet: &str,
) -> Option<Result<(), String>> {
    let mut script = String::from(before);
    let mut expected = String::new();
    for (number, text) in PACKETS.iter().enumerate() {
        let dissection = built(text);
        let program = program(&dissection);
        let source: String = program.bytes().map(|byte| format!("{byte:02x}")).collect();
        script.push_str(&format!("run({number}, '{source}', lambda packet: {packet})\n"));
        expected.push_str(&format!("{number} {}\n", hex(&dissection.bytes)));
    }
    Some(run(&["python3", "-"], &script)?.map(|output| {
        for ((said, expected), text) in output.lines().zip(expected.lines()).zip(PACKETS) {
            assert_eq!(said, expected, "{text}\n{}", program(&built(text)));
        }
        assert_eq!(output.lines().count(), PACKETS.len());
    }))
}

#[test]
fn scapy_builds_the_same_bytes() {
    let before = "import warnings, sys\nwarnings.simplefilter('ignore')\nimport logging\n\
        logging.getLogger('scapy').setLevel(logging.CRITICAL)\n\
        def run(number, source, hexed):\n    names = {'__name__': 'packet'}\n    \
        exec(bytes.fromhex(source).decode(), names)\n    print(number, hexed(names['packet']))\n";
    match run(&["python3", "-c", "import scapy.all"], "") {
        None | Some(Err(_)) => return missing("scapy"),
        Some(Ok(_)) => {}
    }
    in_python(as_scapy, before, "bytes(packet).hex()").unwrap().unwrap();
}

#[test]
fn python_has_the_same_bytes() {
    // Sockets are not opened: what is behind the bytes is only compiled.
    let before = "def run(number, source, hexed):\n    source = bytes.fromhex(source).decode()\n    \
        compile(source, 'packet', 'exec')\n    names = {}\n    \
        exec(source[:source.index('\\n)\\n') + 3], names)\n    print(number, hexed(names['packet']))\n";
    match in_python(as_python, before, "packet.hex()") {
        None => missing("python3"),
        Some(result) => result.unwrap(),
    }
}

#[test]
fn c_compiles_without_a_warning_and_has_the_same_bytes() {
    // One compilation for all of them: each has its own names.
    let (mut all, mut main) = (String::new(), String::from("int main(void)\n{\n    unsigned long i;\n"));
    let mut expected = String::new();
    for (number, text) in PACKETS.iter().enumerate() {
        let dissection = built(text);
        let program = as_c(&dissection)
            .replace("char packet[]", &format!("char packet{number}[]"))
            .replace("packet, sizeof packet", &format!("packet{number}, sizeof packet{number}"))
            .replace("int main(", &format!("int main{number}("));
        all.push_str(&program);
        main.push_str(&format!(
            "    for (i = 0; i < sizeof packet{number}; i++)\n        printf(\"%02x\", packet{number}[i]);\n    \
             printf(\"\\n\");\n"
        ));
        expected.push_str(&format!("{}\n", hex(&dissection.bytes)));
    }
    all = format!("{all}{main}    return 0;\n}}\n");
    let program = std::env::temp_dir().join(format!("sockatoo-as-c-{}", std::process::id()));
    let path = program.to_str().unwrap();
    match run(&["gcc", "-Wall", "-Werror", "-x", "c", "-", "-o", path], &all) {
        None => return missing("gcc"),
        Some(result) => result.unwrap_or_else(|error| panic!("{error}\n{all}")),
    };
    let output = run(&[path], "").unwrap().unwrap();
    std::fs::remove_file(&program).unwrap();
    assert_eq!(output, expected);
}

/// Written to files, which are compiled as documentation (rust.rs): SOCKATOO_BLESS=1 writes them anew.
#[test]
fn rust_is_what_has_been_compiled() {
    for (name, text) in [("segment", PACKETS[1]), ("frame", PACKETS[15])] {
        let file = format!("{}/tests/programs/{name}.txt", env!("CARGO_MANIFEST_DIR"));
        let program = as_rust(&built(text));
        if std::env::var_os("SOCKATOO_BLESS").is_some() {
            std::fs::write(&file, &program).unwrap();
        }
        assert_eq!(program, std::fs::read_to_string(&file).unwrap(), "SOCKATOO_BLESS=1 accepts it");
    }
    // What functions have no words for is read as an expression.
    let odd = as_rust(&built("ip(src=192.0.2.7, dst=192.0.2.1)/tcp(options=[mss(len=7)])/\"a\\\"b\""));
    assert!(
        odd.contains(
            r###"r#"ip(src=192.0.2.7, dst=192.0.2.1)/tcp(options=[mss(len=7)])/"a\"b""#.parse()?"###
        ),
        "{odd}"
    );
}
