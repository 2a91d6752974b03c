//! The checksum as RFC 1071 tells it.

/// The Internet checksum: 16 bits in which every error of one bit shows.
///
/// RFC 1071 1: "Adjacent octets to be checksummed are paired to form 16-bit integers, and the 1's complement sum of these
/// 16-bit integers is formed." The checksum is the complement of that sum. So over bytes that contain their own right
/// checksum, the sum is 0xffff and this gives 0.
///
/// ```
/// // The example of RFC 1071 3.
/// let sum = sockatoo::wire::checksum::as_written(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
/// assert_eq!(sum, !0xddf2);
/// ```
pub fn as_written(bytes: &[u8]) -> u16 {
    let mut sum: u32 = 0;
    for pair in bytes.chunks(2) {
        // Most significant byte first; a last byte that is alone gets a zero behind it.
        let word = match *pair {
            [high, low] => u16::from_be_bytes([high, low]),
            [high] => u16::from_be_bytes([high, 0]),
            _ => 0,
        };
        sum += u32::from(word);
        // The 1's complement sum: what is carried out at the top comes in again at the bottom.
        if sum > 0xffff {
            sum = (sum & 0xffff) + 1;
        }
    }
    !(sum as u16)
}
