//! Initial sequence numbers (RFC 6528), the hash behind them and behind the flow table.

#![allow(deprecated)] // std's SipHasher is the one keyed hash in std whose key is the caller's

use std::hash::{BuildHasher, Hasher, SipHasher};

use super::segment::Tuple;
use crate::base::Instant;

/// A keyed hash: SipHash under a part of the host's secret.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keyed {
    k0: u64,
    k1: u64,
}

impl Keyed {
    /// `purpose` keeps the uses of one secret apart.
    pub(super) fn new(secret: &[u8; 16], purpose: u64) -> Self {
        let [a, b, c, d, e, f, g, h, rest @ ..] = *secret;
        Self { k0: u64::from_le_bytes([a, b, c, d, e, f, g, h]) ^ purpose, k1: u64::from_le_bytes(rest) }
    }

    pub(super) fn hash(&self, tuple: &Tuple) -> u64 {
        let mut hasher = self.build_hasher();
        tuple.words().into_iter().for_each(|word| hasher.write_u64(word));
        hasher.finish()
    }
}

impl BuildHasher for Keyed {
    type Hasher = SipHasher;
    fn build_hasher(&self) -> SipHasher {
        SipHasher::new_with_keys(self.k0, self.k1)
    }
}

/// RFC 6528 3: ISN = M + F(localip, localport, remoteip, remoteport, secretkey), M a timer of 4 microseconds.
pub(super) fn isn(keyed: &Keyed, tuple: &Tuple, now: Instant) -> u32 {
    ((now.as_micros() / 4) as u32).wrapping_add(keyed.hash(tuple) as u32)
}

/// One step of smoltcp's generator is `s * M + A`; it then shows bits of the new state.
const M: u64 = 0xbb2e_fcec_3c39_611d;
const A: u64 = 0x7590_ef39;

/// The seed with which a fresh smoltcp Interface (which draws its IPv4 identification first) draws `wanted` next.
pub(super) fn seed_for(wanted: u32) -> u64 {
    // Newton's iteration for the inverse of an odd number modulo 2^64; each round doubles the right bits.
    let inverse = (0..6).fold(M, |x, _| x.wrapping_mul(2u64.wrapping_sub(M.wrapping_mul(x))));
    let back = |state: u64| state.wrapping_sub(A).wrapping_mul(inverse);
    let shown = |state: u64| (state >> (29 - (state >> 61))) as u32;
    // With the top three bits 0 the generator shows bits 29..61; the low bits are free. An identification of 0 would be drawn
    // again, so take low bits that give another.
    let mut low = 0;
    loop {
        let first = back(u64::from(wanted) << 29 | low);
        let id = shown(first);
        if (id ^ (id >> 16)) as u16 != 0 {
            return back(first);
        }
        low += 1;
    }
}
