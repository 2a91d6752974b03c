//! What packet crafters do, as functions that return results: the command line prints them.
//!
//! | file | what |
//! |---|---|
//! | `send.rs` | [`Sending`]: a packet that stands for many, at a pace or as fast as the wire takes it |
//! | `pace.rs` | [`Pace`]: when packets are due; [`Lateness`]: how well that was kept |
//! | `outlet.rs` | [`Outlet`]: where whole packets leave a host, whatever they begin with |
//! | `around.rs` | [`Around`]: the host as a packet's surroundings; asks its neighbours |
//! | `answers.rs` | [`Answers`]: each probe with its answer, or without one |
//! | `pending.rs` | probes that wait for their answers: a bounded hash table |
//! | `identity.rs` | what a probe and its answer have in common |
//! | `replay.rs` | [`Replay`]: a capture is sent, at its own pace or any other |
//! | `rewrite.rs` | other addresses in captured packets: [`Mapping`] |
//! | `flood.rs` | [`Flood`]: a template's packets through one socket |
//! | `batch.rs` | packets that are sent in one call: the one way out; [`Tally`]: what was sent |
//! | `sniffer.rs` | what comes in: the one place where answers are waited for |
//! | `neighbour.rs` | how long next hops are waited for |
//! | `traceroute.rs` | [`Traceroute`]: the routers on the way to a host |
//! | `arp.rs` | [`ArpSweep`]: who has an address on our link; [`announce`] |
//! | `scan/` | [`Scan`]: which ports of which hosts are open |
//! | `exchange.rs` | raw packets out, answers in: what traceroute and scan share |
//!
//! Every probe works on a [`crate::Host`], whatever its wire is.

mod answers;
mod around;
mod arp;
mod batch;
mod exchange;
mod flood;
mod identity;
mod neighbour;
mod outlet;
mod pace;
mod pending;
mod replay;
mod rewrite;
mod scan;
mod send;
mod sniffer;
mod traceroute;

pub use answers::{Answers, Outcome, Patience};
pub use around::Around;
pub use arp::{ArpConfig, ArpSweep, Station, announce};
pub use batch::Tally;
pub use exchange::Refusal;
pub use flood::Flood;
pub use outlet::{Door, Outlet};
pub use pace::{Lateness, Pace};
pub use replay::{Changes, Replay, Tempo};
pub use rewrite::{Mapping, rewrite};
pub use scan::{PortReport, PortState, Scan, ScanConfig, ScanMethod};
pub use send::{Plan, Sending};
pub use traceroute::{Hop, TraceAnswer, TraceConfig, TraceMethod, Traceroute};

#[cfg(test)]
mod tests;
