//! Numbers of any width at any bit, most significant bit first.

use std::ops::Range;

/// The number in these bits (64 at most), counted from the first bit of the first byte; `None` if the bytes end before.
pub(crate) fn get(bytes: &[u8], bits: Range<usize>) -> Option<u64> {
    let bytes = bytes.get(bits.start / 8..bits.end.div_ceil(8))?;
    // Up to 64 bits touch up to 9 bytes.
    let whole = bytes.iter().fold(0u128, |number, byte| number << 8 | u128::from(*byte));
    let behind = bits.end.next_multiple_of(8) - bits.end;
    Some((whole >> behind) as u64 & mask(bits.len()))
}

/// Writes a number into these bits; what lies outside of them stays. Bits beyond the end of the bytes are lost.
pub(crate) fn put(bytes: &mut [u8], bits: Range<usize>, number: u64) {
    let behind = bits.end.next_multiple_of(8) - bits.end;
    let mut number = u128::from(number & mask(bits.len())) << behind;
    let mut keep = !(u128::from(mask(bits.len())) << behind);
    let Some(bytes) = bytes.get_mut(bits.start / 8..bits.end.div_ceil(8)) else { return };
    for byte in bytes.iter_mut().rev() {
        *byte = *byte & keep as u8 | number as u8;
        number >>= 8;
        keep >>= 8;
    }
}

/// The largest number of so many bits.
pub(crate) const fn mask(bits: usize) -> u64 {
    match bits {
        0 => 0,
        1..64 => (1 << bits) - 1,
        _ => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_got_and_nothing_else_changes() {
        for start in 0..16 {
            for width in 1..=64 {
                for (background, number) in [(0, u64::MAX), (0xff, 0), (0xff, 0x0123_4567_89ab_cdef)] {
                    let mut bytes = [background; 12];
                    put(&mut bytes, start..start + width, number);
                    assert_eq!(get(&bytes, start..start + width), Some(number & mask(width)));
                    let before = get(&bytes, 0..start);
                    assert_eq!(before, Some(if background == 0 { 0 } else { mask(start) }));
                    let after = start + width..96.min(start + width + 64);
                    assert_eq!(
                        get(&bytes, after.clone()),
                        Some(if background == 0 { 0 } else { mask(after.len()) })
                    );
                }
            }
        }
        assert_eq!(get(&[0x45], 0..4), Some(4));
        assert_eq!(get(&[0x45], 4..12), None);
    }
}
