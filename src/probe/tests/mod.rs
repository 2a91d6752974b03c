//! Probes between two hosts in virtual time.
//!
//! | file | what |
//! |---|---|
//! | `send.rs` | what is sent, when, and where it arrives |

mod send;
