//! Places to test in.
//!
//! | file | what |
//! |---|---|
//! | `netns.rs` | [`Netns`]: a network namespace of the kernel's, that goes away by itself |
//!
//! Tests of ours and of other people's call it; nothing else here depends on it but cli/.

mod netns;

pub use netns::{Netns, become_root_in_user_namespace};
