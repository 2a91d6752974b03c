//! The hash that nobody outside can guess: ephemeral ports (RFC 6056), initial sequence numbers (RFC 6528).

use std::hash::{Hash, Hasher};

/// SipHash-2-4 of `value` under the host's secret: the same on every machine and in every run.
pub(crate) fn keyed_hash(secret: &[u8; 16], value: impl Hash) -> u64 {
    let (a, b) = secret.split_at(8);
    let key = |half: &[u8]| half.iter().rev().fold(0, |key, byte| key << 8 | u64::from(*byte));
    // Deprecated only because most callers want a HashMap's random keys; ours must come from the configuration.
    #[allow(deprecated)]
    let mut hasher = std::hash::SipHasher::new_with_keys(key(a), key(b));
    value.hash(&mut hasher);
    hasher.finish()
}
