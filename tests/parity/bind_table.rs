//! Who may bind beside whom: `bind_table.toml`, asked of the kernel and of us.
//!
//! `SOCKATOO_BLESS=1 cargo test --test parity bind_table` writes the table anew, as this machine's kernel answers.

use std::collections::BTreeMap;

use serde::Deserialize;
use sockatoo::SockAddr;
use sockatoo::base::Errno;
use sockatoo::base::constants::*;

use crate::arm::{Arm, Place};
use crate::kernel::Kernel;
use crate::ours::Ours;

/// Columns and rows of each table, in this order.
const ADDRESSES: [&str; 8] =
    ["0.0.0.0", "127.0.0.1", "127.0.0.2", "::", ":: only", "::1", "::ffff:0.0.0.0", "::ffff:127.0.0.1"];
const FLAGS: [&str; 4] = ["", "addr", "port", "addr port"];

/// One table: the first socket's address makes the row, the second's the column.
#[derive(Debug, Deserialize)]
struct Table {
    proto: String,
    first: String,
    first_reuse: String,
    second_reuse: String,
    rows: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
struct File {
    table: Vec<Table>,
}

fn socket_at(
    arm: &mut dyn Arm,
    proto: &str,
    reuse: &str,
    address: &str,
) -> (crate::arm::Fd, Result<(), i32>) {
    let (ip, only) = address.strip_suffix(" only").map_or((address, false), |ip| (ip, true));
    let ip: std::net::IpAddr = ip.parse().expect("an address");
    let domain = if ip.is_ipv4() { AF_INET } else { AF_INET6 };
    let kind = if proto == "tcp" { SOCK_STREAM } else { SOCK_DGRAM };
    let fd = arm.socket(0, domain, kind, 0).expect("socket");
    let on = 1i32.to_ne_bytes();
    if only {
        arm.setsockopt(fd, SOL_IPV6, IPV6_V6ONLY, &on).expect("IPV6_V6ONLY");
    }
    if reuse.contains("addr") {
        arm.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on).expect("SO_REUSEADDR");
    }
    if reuse.contains("port") {
        arm.setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on).expect("SO_REUSEPORT");
    }
    let bound = arm.bind(fd, SockAddr::from((ip, 7000)));
    (fd, bound)
}

/// `.` = both calls succeed, `b` = the second bind is EADDRINUSE, `l` = its listen is.
fn ask(arm: &mut dyn Arm, proto: &str, first: &str, reuse: [&str; 2], addresses: [&str; 2]) -> char {
    let (a, bound) = socket_at(arm, proto, reuse[0], addresses[0]);
    bound.expect("the first bind");
    if first == "listening" {
        arm.listen(a, 5).expect("the first listen");
    }
    let (b, bound) = socket_at(arm, proto, reuse[1], addresses[1]);
    let in_use = Errno::EADDRINUSE.0;
    let answer = match bound {
        Err(number) => {
            if number == in_use {
                'b'
            } else {
                '?'
            }
        }
        Ok(()) if proto == "udp" => '.',
        Ok(()) => match arm.listen(b, 5) {
            Ok(()) => '.',
            Err(number) => {
                if number == in_use {
                    'l'
                } else {
                    '?'
                }
            }
        },
    };
    arm.close(b).expect("close");
    arm.close(a).expect("close");
    answer
}

/// Every combination, in the table's order: proto, state, reuse of both.
fn combinations() -> impl Iterator<Item = (&'static str, &'static str, [&'static str; 2])> {
    [("udp", "bound"), ("tcp", "bound"), ("tcp", "listening")].into_iter().flat_map(|(proto, first)| {
        FLAGS.into_iter().flat_map(move |a| FLAGS.into_iter().map(move |b| (proto, first, [a, b])))
    })
}

fn row(arm: &mut dyn Arm, proto: &str, first: &str, reuse: [&str; 2], address: &str) -> String {
    let cells: Vec<String> =
        ADDRESSES.iter().map(|b| ask(arm, proto, first, reuse, [address, b]).to_string()).collect();
    cells.join(" ")
}

const HEAD: &str = "\
# Who may bind beside whom. The first socket is bound (tcp: or listens) at the row's address, port 7000; the second binds
# (tcp: and listens) at the column's address, the same port. Each was given SO_REUSEADDR (addr) and SO_REUSEPORT (port) before,
# by the same user. `:: only` = IPV6_V6ONLY.
#
#   .  the second's calls succeed      b  its bind is EADDRINUSE      l  its bind succeeds, its listen is EADDRINUSE
#
# Written by the kernel: SOCKATOO_BLESS=1 cargo test --test parity bind_table
# Columns, in the order of:
#   0.0.0.0 | 127.0.0.1 | 127.0.0.2 | :: | :: only | ::1 | ::ffff:0.0.0.0 | ::ffff:127.0.0.1
";

fn bless(arm: &mut dyn Arm) {
    let mut text = HEAD.to_string();
    for (proto, first, reuse) in combinations() {
        text += &format!(
            "\n[[table]]\nproto = \"{proto}\"\nfirst = \"{first}\"\nfirst_reuse = \"{}\"\nsecond_reuse = \"{}\"\n[table.rows]\n",
            reuse[0], reuse[1]
        );
        for address in ADDRESSES {
            let cells = row(arm, proto, first, reuse, address);
            text += &format!("{:20} = \"{cells}\"\n", format!("\"{address}\""));
        }
    }
    std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parity/bind_table.toml"), text)
        .expect("bind_table.toml");
}

fn compare(arm: &mut dyn Arm) {
    let file: File = toml::from_str(include_str!("bind_table.toml")).expect("bind_table.toml");
    assert_eq!(file.table.len(), combinations().count());
    let mut wrong = String::new();
    for table in &file.table {
        for (address, want) in &table.rows {
            let reuse = [table.first_reuse.as_str(), table.second_reuse.as_str()];
            let got = row(arm, &table.proto, &table.first, reuse, address);
            if &got != want {
                wrong += &format!(
                    "{} {} [{}] then [{}], first at {address}:\n  want {want}\n  got  {got}\n",
                    table.proto, table.first, reuse[0], reuse[1]
                );
            }
        }
    }
    assert!(wrong.is_empty(), "{} answers otherwise; columns: {ADDRESSES:?}\n{wrong}", arm.name());
}

#[test]
fn the_kernel_answers_as_the_table() {
    let asked = std::thread::spawn(|| match Kernel::new(Place::Lo) {
        Ok(mut kernel) if std::env::var_os("SOCKATOO_BLESS").is_some() => bless(&mut kernel),
        Ok(mut kernel) => compare(&mut kernel),
        Err(error) => {
            assert!(!std::env::var("CI").is_ok_and(|v| v == "true"), "needs network namespaces: {error}");
            eprintln!("skipped: needs network namespaces (run as root): {error}");
        }
    });
    if let Err(panic) = asked.join() {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn we_answer_as_the_table() {
    compare(&mut Ours::new(Place::Lo, sockatoo::HostBuilder::build).expect("our arm"));
}
