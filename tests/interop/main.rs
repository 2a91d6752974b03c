//! Sockatoo against the kernel's own stack: a host on a TAP in a network namespace, and the kernel's programs on its other
//! side. Needs CAP_SYS_ADMIN and CAP_NET_ADMIN (root, or `unshare -rn`).
//!
//! | file | what |
//! |---|---|
//! | `wire.rs` | the place: a namespace, a TAP, a host; bounds on every test |
//! | `http.rs` | python3's http.server and curl |
//! | `bulk.rs` | many bytes: clean, with faults, from a veth with offloads |
//! | `many.rs` | many connections, at once and one after the other |
//! | `endings.rs` | half close, reset, refused, filtered, dead, unplugged |
//! | `fast_open.rs` | data in the SYN (TCP Fast Open) |
//! | `datagrams.rs` | UDP and ping of all sizes, and their errors |
//! | `signatures.rs` | signed segments (TCP_MD5SIG) |
//! | `virtual_time.rs` | the same between two hosts of ours, in virtual time |
//!
//! `SOCKATOO_FULL=1` moves a gibibyte over the faulty wire too.
#![allow(unsafe_code, missing_docs, unreachable_pub, clippy::unwrap_used, clippy::print_stderr)]

mod bulk;
mod datagrams;
mod endings;
mod fast_open;
mod http;
mod many;
mod signatures;
mod virtual_time;
mod wire;
