//! getaddrinfo and getnameinfo beside the C library's, for everything that needs no server: numbers, services, hints, errors.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Stdio;

use sockatoo::lab::Netns;
use sockatoo::socket::*;
use sockatoo::{Host, SockAddr};

const HOSTS: [&str; 16] = [
    "-",
    "127.0.0.1",
    "::1",
    "127.1",
    "0x7f.1",
    "010.1",
    "::ffff:192.0.2.1",
    "fe80::1%lo",
    "fe80::1%1",
    "fe80::1%nope",
    "2001:db8::1%lo",
    "256.0.0.1",
    "localhost",
    "ff02::1%lo",
    "2001:db8::1%1",
    "127.0.0.1.",
];
const PORTS: [&str; 7] = ["-", "80", "0", "http", "domain", "nonsense", "443"];
const FAMILIES: [i32; 4] = [AF_UNSPEC, AF_INET, AF_INET6, AF_UNIX];
/// Types and protocols together.
const KINDS: [(i32, i32); 12] = [
    (0, 0),
    (SOCK_STREAM, 0),
    (SOCK_DGRAM, 0),
    (SOCK_RAW, 0),
    (99, 0),
    (0, IPPROTO_TCP),
    (0, IPPROTO_UDP),
    (0, IPPROTO_ICMP),
    (SOCK_STREAM, IPPROTO_UDP),
    (SOCK_DGRAM, IPPROTO_UDP),
    (SOCK_RAW, IPPROTO_ICMP),
    (SOCK_SEQPACKET, 0),
];
const FLAGS: [i32; 9] = [
    0,
    AI_PASSIVE,
    AI_CANONNAME,
    AI_NUMERICSERV,
    AI_V4MAPPED,
    AI_V4MAPPED | AI_ALL,
    AI_PASSIVE | AI_CANONNAME,
    AI_ALL,
    1 << 20,
];

/// Reads a question a line, and answers each in one: as [`ours`] does.
const PYTHON: &str = r#"
import socket, sys
for line in sys.stdin:
    host, port, *numbers = line.split()
    host, port = (None if one == "-" else one for one in (host, port))
    family, type, proto, flags = map(int, numbers)
    try:
        found = socket.getaddrinfo(host, port, family, type, proto, flags)
        print(" ".join("%d/%d/%d/%s/%s" % (int(f), int(t), p, c, ",".join(map(str, a))) for f, t, p, c, a in found))
    except socket.gaierror as error:
        print("error", error.errno)
"#;

fn ours(host: &Host, name: &str, port: &str, family: i32, kind: (i32, i32), flags: i32) -> String {
    let given = |text| (text != "-").then_some(text);
    let found = match host.getaddrinfo(given(name), given(port), family, kind.0, kind.1, flags) {
        Ok(found) => found,
        Err(error) => return format!("error {}", error.errno().0),
    };
    let text = found.iter().map(|info| {
        let address = match info.address {
            SockAddr::V4(a) => format!("{},{}", a.ip(), a.port()),
            SockAddr::V6(a) => format!("{},{},{},{}", a.ip(), a.port(), a.flowinfo(), a.scope_id()),
            other => format!("{other:?}"),
        };
        format!("{}/{}/{}/{}/{address}", info.family, info.type_, info.proto, info.canonname)
    });
    text.collect::<Vec<_>>().join(" ")
}

/// Lines to Python, lines back; `None` where namespaces are not allowed. Nothing leaves: it has a loopback, and nothing else.
fn python(script: &str, questions: &str) -> Option<Vec<String>> {
    let namespace = match Netns::new() {
        Ok(namespace) => namespace,
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "CI must be able to run this: {error}");
            println!("skipped: {error}");
            return None;
        }
    };
    let mut python = namespace.command("python3");
    let mut python =
        python.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = python.stdin.take().unwrap();
    let questions = questions.to_owned();
    let writer = std::thread::spawn(move || input.write_all(questions.as_bytes()));
    let output = python.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    Some(String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect())
}

fn same(questions: &[String], theirs: &[String], ours: &[String]) {
    assert_eq!(questions.len(), theirs.len());
    let mut wrong = String::new();
    for ((question, theirs), ours) in questions.iter().zip(theirs).zip(ours) {
        if theirs != ours {
            writeln!(wrong, "{question}\n  libc {theirs}\n  ours {ours}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{wrong}", wrong.lines().count() / 3, questions.len());
}

#[test]
fn getaddrinfo_is_the_libcs() {
    let host = Host::builder().build().unwrap();
    let (mut questions, mut answers) = (Vec::new(), Vec::new());
    for name in HOSTS {
        // Nobody is asked about what is no number.
        let numeric =
            if matches!(name, "fe80::1%nope" | "2001:db8::1%lo" | "256.0.0.1" | "localhost" | "127.0.0.1.") {
                AI_NUMERICHOST
            } else {
                0
            };
        for port in PORTS {
            for family in FAMILIES {
                for kind in KINDS {
                    for flags in FLAGS {
                        let flags = flags | numeric;
                        questions.push(format!("{name} {port} {family} {} {} {flags}", kind.0, kind.1));
                        answers.push(ours(&host, name, port, family, kind, flags));
                    }
                }
            }
        }
    }
    let Some(theirs) = python(PYTHON, &(questions.join("\n") + "\n")) else { return };
    same(&questions, &theirs, &answers);
}

/// Questions to getnameinfo: host, port, scope, flags.
const NAME_PYTHON: &str = r#"
import socket, sys
for line in sys.stdin:
    host, port, scope, flags = line.split()
    address = (host, int(port), 0, int(scope)) if ":" in host else (host, int(port))
    try:
        print(*socket.getnameinfo(address, int(flags)))
    except socket.gaierror as error:
        print("error", error.errno)
"#;

#[test]
fn getnameinfo_is_the_libcs() {
    let host = Host::builder().build().unwrap();
    let (mut questions, mut answers) = (Vec::new(), Vec::new());
    for (address, scope) in
        [("192.0.2.1", 0), ("2001:db8::1", 0), ("fe80::1", 1), ("2001:db8::1", 1), ("fe80::1", 77)]
    {
        for port in [0, 25, 80, 53, 514, 4444] {
            for other in 0..16 {
                // Without NI_NUMERICHOST somebody would be asked. The other flags are 2, 4, 8, 16.
                let flags = NI_NUMERICHOST | (other << 1);
                questions.push(format!("{address} {port} {scope} {flags}"));
                let ip = address.parse().unwrap();
                let address = match ip {
                    std::net::IpAddr::V4(ip) => (ip, port).into(),
                    std::net::IpAddr::V6(ip) => SockAddr::V6(std::net::SocketAddrV6::new(ip, port, 0, scope)),
                };
                answers.push(match host.getnameinfo(address, flags) {
                    Ok((name, service)) => format!("{name} {service}"),
                    Err(error) => format!("error {}", error.errno().0),
                });
            }
        }
    }
    let Some(theirs) = python(NAME_PYTHON, &(questions.join("\n") + "\n")) else { return };
    same(&questions, &theirs, &answers);
}

/// Questions to getservbyname, getservbyport and getprotobyname.
const SERVICES_PYTHON: &str = r#"
import socket, sys
for line in sys.stdin:
    word, protocol = line.split()
    try:
        if protocol == "-":
            print(socket.getprotobyname(word))
        elif word.isdigit():
            print(socket.getservbyport(int(word), protocol))
        else:
            print(socket.getservbyname(word, protocol))
    except OSError:
        print("error")
"#;

/// Debian's lists are ours: every name of them, and every port.
#[test]
fn services_and_protocols_are_debians() {
    let listed = |file| std::fs::read_to_string(file).unwrap_or_default();
    let (services, protocols) = (listed("/etc/services"), listed("/etc/protocols"));
    let words = |text: &str| -> Vec<String> {
        let lines = text.lines().map(|line| line.split('#').next().unwrap().to_owned());
        lines.flat_map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
    };
    let (mut questions, mut answers) = (Vec::new(), Vec::new());
    for word in words(&services) {
        // "80/tcp" asks for the port.
        let word = word.split('/').next().unwrap();
        for protocol in ["tcp", "udp"] {
            questions.push(format!("{word} {protocol}"));
            let answer = match word.parse() {
                Ok(port) => getservbyport(port, protocol).map(str::to_owned),
                Err(_) => getservbyname(word, protocol).map(|port| port.to_string()),
            };
            answers.push(answer.unwrap_or_else(|_| "error".into()));
        }
    }
    for word in words(&protocols).into_iter().filter(|word| word.parse::<u8>().is_err()) {
        answers.push(getprotobyname(&word).map_or_else(|_| "error".into(), |number| number.to_string()));
        questions.push(format!("{word} -"));
    }
    if questions.is_empty() {
        println!("skipped: this machine has no /etc/services (netbase)");
        return;
    }
    let Some(theirs) = python(SERVICES_PYTHON, &(questions.join("\n") + "\n")) else { return };
    same(&questions, &theirs, &answers);
}
