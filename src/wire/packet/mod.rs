//! Packets to be built, and packets taken apart, field by field. One table of layers serves both ways.
//!
//! | file | what |
//! |---|---|
//! | `kind.rs` | [`Kind`], [`Field`], [`Shape`], [`Fill`]: what a row of the table says |
//! | `layers/` | the table: every layer that we know, and what its options look like |
//! | `layer.rs` | [`Layer`], [`Value`], [`Choice`]: a layer with the fields that a person has set |
//! | `builder.rs` | `ether()`, `ipv4()`, `tcp()` ... and the operator `/` |
//! | `build.rs` | [`Packet::build`]: layers to bytes; what is not set is filled in |
//! | `dissection.rs` | [`Dissection`]: bytes and the meaning of each field; also what building gives |
//! | `dissect.rs` | bytes to a [`Dissection`], whatever they are |
//! | `rules.rs` | lengths, checksums, next protocols: worked out for building, compared when taking apart |
//! | `verdict.rs` | are the lengths and checksums of a packet right |
//! | `value.rs` | does a value fit into a field; its bytes |
//! | `bits.rs` | numbers of any width at any bit |
//! | `recover.rs` | [`Dissection::packet`]: from bytes back to the packet that builds them |
//! | `each.rs` | a packet with ranges, lists and chance in it: the packets that it stands for |
//! | `template/` | [`Template`]: the same at speed: built once, then only what varies is written |
//!
//! The text of a packet (`ip(dst=192.0.2.1)/tcp(dport=80)`) is expression/'s business, its pictures are show/'s.

mod bits;
mod build;
mod builder;
mod dissect;
mod dissection;
mod each;
mod kind;
mod layer;
mod layers;
mod recover;
mod rules;
mod template;
pub(super) mod value;
mod verdict;

#[cfg(test)]
mod tests;

pub use build::{Nowhere, Surroundings};
pub use builder::*;
pub use dissection::{Dissection, Origin, Section, Seen, Verdict};
pub use each::Each;
pub use kind::{Field, Fill, Kind, Rule, Shape, When};
pub use layer::{Choice, Layer, Packet, Value};
pub use layers::{KINDS, kind};
pub use rules::{Covered, PseudoHeader};
pub use template::Template;
