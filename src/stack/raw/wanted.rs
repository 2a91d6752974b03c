//! Which protocols any raw socket wants: one look before the lower half makes a copy.

/// A bit for each protocol of each IP version.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wanted {
    v4: [u64; 4],
    v6: [u64; 4],
}

impl Wanted {
    /// True if datagrams of this protocol are wanted.
    pub(crate) fn has(&self, v4: bool, protocol: u8) -> bool {
        let bits = if v4 { &self.v4 } else { &self.v6 };
        bits[usize::from(protocol >> 6)] >> (protocol & 63) & 1 != 0
    }

    /// True if every IPv4 packet is wanted as it arrives (IPPROTO_IP).
    pub(crate) fn has_all(&self) -> bool {
        self.v4[0] & 1 != 0
    }

    /// Protocols over 255, which socket(2) allows, are never in a packet.
    pub(super) fn set(&mut self, v4: bool, protocol: i32, on: bool) {
        let Ok(protocol) = u8::try_from(protocol) else { return };
        let bits = if v4 { &mut self.v4 } else { &mut self.v6 };
        let bit = 1 << (protocol & 63);
        let word = &mut bits[usize::from(protocol >> 6)];
        *word = if on { *word | bit } else { *word & !bit };
    }
}
