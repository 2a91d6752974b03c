//! Parity: each case is a dialogue with sockets, spoken twice, with the Linux kernel (in a namespace of its own) and with
//! Sockatoo. The two transcripts must be equal line by line, but for what `deviations.toml` names.
//!
//! | file | what |
//! |---|---|
//! | `arm.rs` | the calls, as both sides understand them |
//! | `kernel.rs`, `ours.rs` | the two arms; `kernel_control.rs`, `kernel_address.rs`: control messages and struct sockaddr as the kernel lays them |
//! | `unix/` | AF_UNIX; `unix/mod.rs` has what its cases speak beside |
//! | `dialogue.rs` | what a case speaks; writes every call and its outcome down, in the words of `words.rs` |
//! | `link.rs` | addresses and frames of packet sockets |
//! | `beginnings.rs` | what many cases begin with, and calls without a line |
//! | `compare.rs` | runs both arms, compares, tells the story of a failure |
//! | `deviations.toml` | where we differ, and why |
//! | `bind_table.rs`, `bind_table.toml` | who may bind beside whom, every combination, as the kernel answers |
//! | the rest | the cases, by subject |
//!
//! `SOCKATOO_PARITY=kernel cargo test --test parity CASE -- --nocapture` shows what the kernel says.
#![allow(
    unsafe_code,
    missing_docs,
    clippy::undocumented_unsafe_blocks,
    clippy::print_stderr,
    clippy::print_stdout
)]
#![allow(unreachable_pub, missing_debug_implementations)]

mod arm;
#[macro_use]
mod compare;
mod beginnings;
mod bind_table;
mod dialogue;
mod kernel;
mod kernel_address;
mod kernel_control;
mod link;
mod ours;

mod bind;
mod connect;
mod control;
mod extensions;
mod fast_open;
mod filter;
mod flow_labels;
mod ioctl;
mod ip_level;
mod listen;
mod multicast;
mod names;
mod options;
mod packet;
mod packet_frames;
mod packet_options;
mod ping;
mod poll_bits;
mod raw;
mod reuse;
mod signatures;
mod socket_arguments;
mod socket_level;
mod sources;
mod tcp_close;
mod tcp_data;
mod tcp_options;
mod udp;
mod udp_errors;
mod udp_options;
mod udplite;
mod unix;
mod urgent;
mod wire_tcp;
mod words;
