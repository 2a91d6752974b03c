//! Filters, with those who defined them as judges: Linux runs the same programs, libpcap compiles the same expressions.
//!
//! | file | what |
//! |---|---|
//! | `kernel.rs` | Linux's verifier and machine, reached through SO_ATTACH_FILTER on a socket pair |
//! | `random.rs` | programs drawn from a seed: mostly legal, and not |
#![allow(unsafe_code, missing_docs, unreachable_pub, clippy::unwrap_used, clippy::print_stderr)]

mod kernel;
mod random;
