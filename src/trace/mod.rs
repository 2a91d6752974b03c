//! Recordings of what crossed a wire, and pictures of them.
//!
//! | file | what |
//! |---|---|
//! | `recording.rs` | [`Recorder`]: who is told of every frame; [`Recording`]: a bounded one in memory, of [`Recorded`] frames |
//!
//! device/ records into it (`device/tee.rs`), cli/ and tests show what is in it. It knows nothing of hosts.

mod recording;

pub use recording::{Recorded, Recorder, Recording};
