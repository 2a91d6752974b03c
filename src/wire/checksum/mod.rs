//! The Internet checksum: of IP headers, ICMP, TCP, UDP and whoever else (RFC 1071).
//!
//! | file | what |
//! |---|---|
//! | `mod.rs` | [`checksum`], [`transport_checksum`], [`Sum`]: the fast way, which the whole crate uses |
//! | `written.rs` | [`as_written`]: the same as RFC 1071 tells it, to be read first |
//! | `update.rs` | [`update`]: a checksum mended after one word has changed (RFC 1624) |
//! | `steps.rs` | [`Steps`]: the sum step by step, to learn from |

mod steps;
mod update;
mod written;

use std::net::IpAddr;

pub use steps::{Fold, Step, Steps};
pub use update::update;
pub use written::as_written;

/// The checksum over `bytes`: 0 if they hold their own right one, else what belongs into the field if that is zero now.
pub fn checksum(bytes: &[u8]) -> u16 {
    Sum::default().with(bytes).finish()
}

/// The same with the pseudo header of an IP packet in front (RFC 9293 3.1, RFC 768; RFC 8200 8.1).
pub fn transport_checksum(source: IpAddr, destination: IpAddr, protocol: u8, bytes: &[u8]) -> u16 {
    Sum::pseudo_header(source, destination, protocol, bytes.len()).with(bytes).finish()
}

/// RFC 768: "If the computed checksum is zero, it is transmitted as all ones": in UDP a zero says that there is none. (The two are the
/// same number to the sum; TCP takes either.)
pub const fn nonzero(checksum: u16) -> u16 {
    if checksum == 0 { 0xffff } else { checksum }
}

/// A sum under way.
///
/// RFC 1071 2 gives two liberties that make it fast. "(B) Byte Order Independence": words are added as they stand in memory,
/// and only the result is turned. "(C) Parallel Summation": words of 32 bits go into a sum of 64, and the carries wait in its
/// upper half for the end; 2^32 words fit, 16 GiB. The compiler makes vector instructions of the loop.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum {
    /// In the byte order of the machine.
    sum: u64,
}

impl Sum {
    /// The sum of a pseudo header: addresses, protocol, and the length of the transport's header and data in bytes.
    pub fn pseudo_header(source: IpAddr, destination: IpAddr, protocol: u8, length: usize) -> Self {
        let mut sum = Self::default();
        for address in [source, destination] {
            sum = match address {
                IpAddr::V4(address) => sum.with(&address.octets()),
                IpAddr::V6(address) => sum.with(&address.octets()),
            };
        }
        // IPv6 has 32 bits for the length, IPv4 16: the sum is the same.
        sum.with(&(length as u32).to_be_bytes()).with(&[0, protocol])
    }

    /// Adds bytes as 16-bit words; a last byte that is alone gets a zero behind it, so only the last piece may have an odd length.
    #[must_use]
    pub fn with(self, bytes: &[u8]) -> Self {
        let (words, rest) = bytes.as_chunks::<4>();
        let mut sum = self.sum;
        for word in words {
            sum += u64::from(u32::from_ne_bytes(*word));
        }
        let last = match *rest {
            [a] => [a, 0, 0, 0],
            [a, b] => [a, b, 0, 0],
            [a, b, c] => [a, b, c, 0],
            _ => [0; 4],
        };
        Self { sum: sum + u64::from(u32::from_ne_bytes(last)) }
    }

    /// The carries added back, and the complement taken.
    pub const fn finish(self) -> u16 {
        let mut sum = self.sum;
        sum = (sum >> 32) + (sum & 0xffff_ffff);
        sum = (sum >> 32) + (sum & 0xffff_ffff);
        sum = (sum >> 16) + (sum & 0xffff);
        sum = (sum >> 16) + (sum & 0xffff);
        !u16::from_be(sum as u16)
    }
}

#[cfg(test)]
mod tests;
