//! Places to test in.
//!
//! | file | what |
//! |---|---|
//! | `netns.rs` | [`Netns`]: a network namespace of the kernel's, that goes away by itself |
//! | `served.rs` | [`served`]: a host that is asked as one in another process is |
//!
//! Tests of ours and of other people's call it; nothing else here depends on it but cli/.

mod netns;
#[cfg(feature = "cli")]
mod served;

pub use netns::{Netns, become_root_in_user_namespace};
#[cfg(feature = "cli")]
pub use served::served;
