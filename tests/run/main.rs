//! Unmodified programs, judged: the same programs in the same terminals, once on the kernel's sockets and once under
//! `sockatoo run`; what they print and how they end must be the same. The kernel's arm plays in a namespace of its own.
//!
//! | file | what |
//! |---|---|
//! | `place.rs` | where programs run: the kernel or a host, as root or as an ordinary user; and that nothing is left behind |
//! | `terminal.rs` | a program in its terminal: its lines, its input, its end, all bounded in time |
//! | `beginners.rs` | Python programs as beginners write them, client and server on 127.0.0.1 (`python/`) |
//! | `servers.rs` | the same with Python's own servers: socketserver, http.server, asyncio, SMTP, ssl |
//! | `descriptors.rs` | what is done with descriptors: fork, dup, exec, select, handing them over, signals |
//! | `wire_servers.rs` | over a TAP, the kernel on its other side: curl, nginx, redis, iperf3, nc, socat, ssh, Go |
//! | `lan.rs` | two hosts on one wire: udhcpc and dnsmasq, discovery by multicast |
//! | `wire_probes.rs` | over a TAP: ping, traceroute, dig, hping3, nmap, tcpdump, arping, scapy |
//! | `cpython.rs` | CPython's own tests, compared with the kernel case by case (`cpython.toml`) |
//! | `rds.rs` | RDS, on kernels that have none: CPython's cases, two programs on two hosts |
//! | `can.rs` | CAN, on kernels that have none: can-utils, python-can, CPython's cases |
//! | `looks.rs` | what a host tells of itself: `ip` as on the kernel; `ss`, `addr`, `route` ... as a person sees them (`looks.txt`) |
//! | `diag.rs` | what there is and what changes: `ss`, `netstat`, /proc/net, /proc/sys/net, sock_diag(7), listeners to rtnetlink(7) |
//! | `changes.rs` | what `ip` changes, and shows of it |
//! | `resolving.rs` | names: the host's name server is the one that programs ask |
//! | `deviations.rs` | what stays different from Linux (`deviations.toml`) differs exactly so |
//! | `published.rs` | `--publish`: the kernel's programs reach the host's |
//! | `lives.rs` | a thousand programs, fifty at once, killed runs, dead hosts: nothing is left, nobody hangs |
//!
//! The rights that a test lacks are named where it is skipped; under CI=true nothing may be skipped.
#![cfg(feature = "cli")]
#![allow(unsafe_code, missing_docs, unreachable_pub, clippy::unwrap_used, clippy::print_stderr)]

mod beginners;
mod can;
mod changes;
mod cpython;
mod descriptors;
mod deviations;
mod diag;
mod lan;
mod lives;
mod looks;
mod place;
mod published;
mod rds;
mod resolving;
mod servers;
mod terminal;
mod wire_probes;
mod wire_servers;
