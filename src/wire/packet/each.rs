//! A packet with ranges, lists and chance in it: the packets that it stands for.

use super::layer::Packet;

/// The packets that one stands for: the first field varies slowest, as nested loops in reading order. See [`Packet::each`].
#[derive(Clone, Debug)]
pub struct Each {
    packet: Packet,
    left: u64,
}

impl Packet {
    /// How many packets it stands for, at most 2^64 - 1. What is drawn by chance counts once.
    pub fn count(&self) -> u64 {
        1
    }

    /// Each packet that it stands for, every field set to one value. What is drawn by chance comes from `seed`: the same seed
    /// gives the same packets.
    pub fn each(&self, _seed: u64) -> Each {
        Each { packet: self.clone(), left: self.count() }
    }
}

impl Iterator for Each {
    type Item = Packet;
    fn next(&mut self) -> Option<Packet> {
        self.left = self.left.checked_sub(1)?;
        Some(self.packet.clone())
    }
}
