//! A checksum mended.

/// The checksum after one of the words under it has changed from `old` to `new`: what a router does when it counts TTL down, a NAT
/// when it writes another address, a template when it writes the next port. It costs the same however long the packet is.
///
/// RFC 1624 3, equation 3: HC' = ~(~HC + ~m + m'). The equation of RFC 1141 fails where the result should be 0.
///
/// The result is that of a new sum, unless all words are zero before or after the change: then it says 0 where a sum says 0xffff
/// (no IP header and no pseudo header is like that).
pub const fn update(checksum: u16, old: u16, new: u16) -> u16 {
    let sum = !checksum as u32 + !old as u32 + new as u32;
    // Three words carry at most 2; adding that carries at most once more.
    let sum = (sum & 0xffff) + (sum >> 16);
    !((sum & 0xffff) + (sum >> 16)) as u16
}
