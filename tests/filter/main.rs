//! Filters, with those who defined them as judges: Linux runs the same programs, libpcap compiles the same expressions.
//!
//! | file | what |
//! |---|---|
//! | `kernel.rs` | Linux's verifier and machine, reached through SO_ATTACH_FILTER on a socket pair |
//! | `libpcap.rs` | libpcap's compiler, reached through tcpdump; the words of errors |
//! | `frames.rs` | frames to ask about |
//! | `expressions.txt` | expressions to ask with |
//! | `random.rs` | programs drawn from a seed: mostly legal, and not |
#![allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::undocumented_unsafe_blocks
)]

mod frames;
mod kernel;
mod libpcap;
mod random;
