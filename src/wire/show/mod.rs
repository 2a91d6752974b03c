//! Packets for people: a tree, hex with the layers marked, an explanation of each byte, the differences of two; and packets as
//! programs for others.
//!
//! | file | what |
//! |---|---|
//! | `tree.rs` | [`tree`]: every field of every layer, with its place and its meaning |
//! | `hexdump.rs` | [`hexdump`]: the bytes, with the layers marked |
//! | `explain.rs` | [`explain`]: every byte: which field it is, and where it comes from |
//! | `origin.rs` | the sentence about where a field's value comes from |
//! | `value.rs` | [`value`], [`meaning`]: what a field holds, in words |
//! | `diff.rs` | [`differences`]: two packets, field by field |
//! | `align.rs` | [`align`]: which packet of one capture is which of another |
//! | `sums.rs` | [`summed_up`]: each checksum, worked out word by word |
//! | `caret.rs` | [`caret`]: a mistake in a text, pointed at |
//! | `unhex.rs` | [`unhex`]: bytes of what people paste |
//! | `program/` | [`as_scapy`], [`as_rust`], [`as_python`], [`as_c`]: a packet as a program that sends it |
//! | `line.rs` | [`Line`]: text whose parts say what they are; whoever prints it chooses the colours |
//!
//! All of them read a [`Dissection`](super::packet::Dissection), which is what taking apart and building give. The line in
//! tcpdump's manner is [`summary`](super::summary).

mod align;
mod caret;
mod diff;
mod explain;
mod hexdump;
mod line;
mod origin;
mod program;
mod sums;
mod tree;
mod unhex;
mod value;

pub use align::{Pair, align};
pub use caret::caret;
pub use diff::{Difference, Ignored, Print, Side, What, difference_lines, differences};
pub use explain::explain;
pub use hexdump::hexdump;
pub use line::{Ink, Line, Span};
pub use program::{as_c, as_python, as_rust, as_scapy};
pub use sums::{SummedUp, summed_up};
pub use tree::tree;
pub use unhex::unhex;
pub use value::{meaning, value, verdict};
