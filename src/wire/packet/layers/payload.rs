//! What no layer knows.

use crate::wire::packet::kind::{Field, Kind};

pub(crate) static PAYLOAD: Kind = Kind::new(
    "payload",
    "Payload",
    "the application",
    &[Field::bytes("load").also(&["data"]).about("the bytes")],
)
.scapy("Raw")
.also(&["raw"]);

/// It counts neither in lengths nor in checksums.
pub(crate) static PADDING: Kind = Kind::new(
    "padding",
    "Padding",
    "IEEE 802.3 4.2.3.3",
    &[Field::bytes("load").also(&["data"]).about("bytes behind the end that the lengths tell")],
)
.scapy("Padding");
