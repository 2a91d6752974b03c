//! The Internet checksum, RFC 1071.

use std::net::IpAddr;

/// The one's complement sum of `bytes` as 16-bit words, an odd last byte padded with zero, added to `sum`.
fn add(bytes: &[u8], mut sum: u64) -> u64 {
    let (words, odd) = bytes.as_chunks::<2>();
    for word in words {
        sum += u64::from(u16::from_be_bytes(*word));
    }
    if let [byte] = odd {
        sum += u64::from(*byte) << 8;
    }
    sum
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// The checksum over `bytes`: 0 if they hold their own right one, else what belongs into the field if that is zero now.
pub fn checksum(bytes: &[u8]) -> u16 {
    !fold(add(bytes, 0))
}

/// The same over the pseudo header of RFC 9293 3.1 or RFC 8200 8.1 and the bytes of a transport.
pub fn transport_checksum(source: IpAddr, destination: IpAddr, protocol: u8, bytes: &[u8]) -> u16 {
    let mut sum = u64::from(protocol) + bytes.len() as u64;
    for address in [source, destination] {
        sum = match address {
            IpAddr::V4(a) => add(&a.octets(), sum),
            IpAddr::V6(a) => add(&a.octets(), sum),
        };
    }
    !fold(add(bytes, sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_1071_example() {
        assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
        assert_eq!(checksum(&[0x12]), !0x1200);
        assert_eq!(checksum(&[]), 0xffff);
    }

    #[test]
    fn pseudo_header() {
        let mut udp = [0x04, 0xd2, 0x00, 0x35, 0x00, 0x09, 0, 0, b'x'];
        let (a, b) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let sum = transport_checksum(a, b, 17, &udp);
        udp[6..8].copy_from_slice(&sum.to_be_bytes());
        assert_eq!(transport_checksum(a, b, 17, &udp), 0);
        assert_ne!(transport_checksum(a, b, 6, &udp), 0);
    }
}
