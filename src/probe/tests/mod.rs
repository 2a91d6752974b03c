//! Probes between two hosts in virtual time.
//!
//! | file | what |
//! |---|---|
//! | `answers.rs` | probes and their answers |
//! | `replay.rs` | captures that are sent |
//! | `send.rs` | what is sent, when, and where it arrives |

mod answers;
mod replay;
mod send;
