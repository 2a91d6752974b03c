//! Bytes and their meaning: pure functions, no state of a host.
//!
//! | file | what |
//! |---|---|
//!
//! Everybody above base/ may call it.
