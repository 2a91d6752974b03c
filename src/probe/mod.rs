//! What packet crafters do, as functions that return results: the command line prints them.
//!
//! | file | what |
//! |---|---|
//! | `flood.rs` | [`Flood`]: a template's packets through a socket, as fast as the wire takes them |
//!
//! Every probe works on a [`crate::Host`], whatever its wire is.

mod flood;

pub use flood::Flood;
