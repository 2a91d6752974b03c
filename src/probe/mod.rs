//! What packet crafters do, as functions that return results: the command line prints them.
//!
//! | file | what |
//! |---|---|
//! | `flood.rs` | [`Flood`]: a template's packets through a socket, as fast as the wire takes them |
//! | `traceroute.rs` | [`Traceroute`]: the routers on the way to a host |
//! | `exchange.rs` | raw packets out, answers in: what traceroute and scan share |
//!
//! Every probe works on a [`crate::Host`], whatever its wire is.

mod exchange;
mod flood;
mod traceroute;

pub use exchange::Refusal;
pub use flood::Flood;
pub use traceroute::{Hop, TraceAnswer, TraceConfig, TraceMethod, Traceroute};
