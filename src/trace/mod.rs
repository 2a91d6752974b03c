//! Recordings of what crossed a wire, and pictures of them.
//!
//! | file | what |
//! |---|---|
//! | `recording.rs` | [`Recorder`]: who is told of every frame; [`Recording`]: a bounded one in memory, of [`Recorded`] frames |
//! | `ladder.rs` | [`Ladder`]: a recording as a time-sequence diagram |
//! | `parties.rs` | its columns: who takes part |
//! | `rows.rs` | its rows: what a frame says, in few words |
//! | `flow.rs` | TCP as a bystander sees it: retransmissions, gaps, duplicates |
//! | `fold.rs` | long runs in one line, silence |
//! | `pcap.rs` | [`PcapWriter`], a recorder into a pcap file; [`PcapReader`] |
//! | `capture.rs` | [`Capture`]: reads either, told apart by their first bytes |
//! | `pcapng.rs` | the same for pcapng, which knows several interfaces: [`PcapngWriter`], [`PcapngReader`] |
//!
//! device/ records into it (`device/tee.rs`), cli/ and tests show what is in it. It knows nothing of hosts.

mod capture;
mod flow;
mod fold;
mod ladder;
mod parties;
mod pcap;
mod pcapng;
mod recording;
mod rows;

pub use capture::Capture;
pub use ladder::Ladder;
pub use pcap::{PcapReader, PcapWriter};
pub use pcapng::{PcapngReader, PcapngWriter, Source};
pub use recording::{Recorded, Recorder, Recording};
