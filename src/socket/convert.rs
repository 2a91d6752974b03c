//! Addresses and numbers between their text, their bytes and the machine's order: inet(3), byteorder(3); cmsg(3)'s lengths.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::base::constants::{AF_INET, AF_INET6};
use crate::base::{Errno, Reason, Result};

/// inet_pton(3): the bytes of an address, 4 or 16 of them, in network order.
///
/// # Errors
/// EAFNOSUPPORT; EINVAL if the text is no address of the family.
///
/// ```
/// use sockatoo::socket::*;
/// assert_eq!(inet_pton(AF_INET, "192.0.2.1")?, [192, 0, 2, 1]);
/// assert_eq!(inet_ntop(AF_INET6, &inet_pton(AF_INET6, "2001:DB8::0:1")?)?, "2001:db8::1");
/// # Ok::<(), sockatoo::Error>(())
/// ```
pub fn inet_pton(family: i32, text: &str) -> Result<Vec<u8>> {
    let wrong = |_| Errno::EINVAL.with(format!("`{text}` is not an address of this family"));
    match family {
        AF_INET => Ok(text.parse::<Ipv4Addr>().map_err(wrong)?.octets().to_vec()),
        AF_INET6 => Ok(text.parse::<Ipv6Addr>().map_err(wrong)?.octets().to_vec()),
        _ => Err(Errno::EAFNOSUPPORT.because(Reason::WrongDomain)),
    }
}

/// inet_ntop(3): the text of an address.
///
/// # Errors
/// EAFNOSUPPORT; EINVAL if there are not 4 or 16 bytes.
pub fn inet_ntop(family: i32, bytes: &[u8]) -> Result<String> {
    let wrong = |_| Errno::EINVAL.with("an IPv4 address has 4 bytes, an IPv6 address 16");
    match family {
        AF_INET => Ok(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).map_err(wrong)?).to_string()),
        AF_INET6 => Ok(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).map_err(wrong)?).to_string()),
        _ => Err(Errno::EAFNOSUPPORT.because(Reason::WrongDomain)),
    }
}

/// inet_aton(3): an IPv4 address of one to four numbers, each decimal, octal (`0`) or hexadecimal (`0x`); the last one fills
/// the bytes that are left: `127.1` is 127.0.0.1.
///
/// # Errors
/// EINVAL.
///
/// ```
/// use sockatoo::socket::inet_aton;
/// assert_eq!(inet_aton("127.1")?.to_string(), "127.0.0.1");
/// assert_eq!(inet_aton("0xc0.0.01001")?.to_string(), "192.0.2.1");
/// # Ok::<(), sockatoo::Error>(())
/// ```
pub fn inet_aton(text: &str) -> Result<Ipv4Addr> {
    numbers(text).ok_or_else(|| Errno::EINVAL.with(format!("`{text}` is not an IPv4 address")))
}

fn numbers(text: &str) -> Option<Ipv4Addr> {
    let parts: Vec<&str> = text.split('.').collect();
    let (last, front) = parts.split_last()?;
    if front.len() > 3 {
        return None;
    }
    let mut address: u32 = 0;
    for (i, part) in front.iter().enumerate() {
        address |= u32::from(u8::try_from(number(part)?).ok()?) << (24 - 8 * i);
    }
    let last = number(last)?;
    let room = 32 - 8 * front.len();
    if room < 32 && last >> room != 0 {
        return None;
    }
    Some(Ipv4Addr::from_bits(address | last))
}

fn number(text: &str) -> Option<u32> {
    let digits = |text: &str, radix| {
        text.chars().all(|c| c.is_digit(radix)).then(|| u32::from_str_radix(text, radix).ok()).flatten()
    };
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hexadecimal) => digits(hexadecimal, 16),
        None if text.len() > 1 && text.starts_with('0') => digits(&text[1..], 8),
        None => digits(text, 10),
    }
}

/// inet_ntoa(3): the text of an IPv4 address.
pub fn inet_ntoa(address: Ipv4Addr) -> String {
    address.to_string()
}

/// An address as getaddrinfo(3) reads numbers: IPv4 as [`inet_aton`], IPv6 as RFC 4291 2.2.
pub(super) fn numeric(text: &str) -> Option<IpAddr> {
    text.parse::<Ipv6Addr>().map(IpAddr::V6).ok().or_else(|| numbers(text).map(IpAddr::V4))
}

/// htons(3): a 16-bit number from the machine's to the network's order, as the protocol of an AF_PACKET socket is given:
/// `host.socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL))`.
pub const fn htons(number: u16) -> u16 {
    number.to_be()
}

/// htonl(3): a 32-bit number from the machine's to the network's order.
pub const fn htonl(number: u32) -> u32 {
    number.to_be()
}

/// ntohs(3): a 16-bit number from the network's to the machine's order.
pub const fn ntohs(number: u16) -> u16 {
    u16::from_be(number)
}

/// ntohl(3): a 32-bit number from the network's to the machine's order.
pub const fn ntohl(number: u32) -> u32 {
    u32::from_be(number)
}

/// True: IPv6 is always there. Python's `has_ipv6`.
#[allow(non_upper_case_globals)] // Python's name
pub const has_ipv6: bool = true;

/// sizeof(struct cmsghdr), which is a multiple of the alignment.
const CMSG_HEADER: usize = 16;

/// cmsg(3): the length of a control message that carries so many bytes, without what aligns the next one.
///
/// ```
/// use sockatoo::socket::*;
/// assert_eq!((CMSG_LEN(4), CMSG_SPACE(4)), (20, 24)); // one descriptor, SCM_RIGHTS
/// ```
#[allow(non_snake_case)] // the name that everybody knows
pub const fn CMSG_LEN(length: usize) -> usize {
    CMSG_HEADER.saturating_add(length)
}

/// cmsg(3): the room that a control message with so many bytes takes.
#[allow(non_snake_case)]
pub const fn CMSG_SPACE(length: usize) -> usize {
    CMSG_HEADER.saturating_add(length.saturating_add(7) & !7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inet_aton_reads_what_the_libc_reads() {
        for (text, want) in [
            ("1", "0.0.0.1"),
            ("127.1", "127.0.0.1"),
            ("10.1.2", "10.1.0.2"),
            ("0x7f000001", "127.0.0.1"),
            ("010.0.0.010", "8.0.0.8"),
            ("4294967295", "255.255.255.255"),
        ] {
            assert_eq!(inet_aton(text).unwrap().to_string(), want, "{text}");
        }
        for wrong in
            ["", ".", "1.2.3.4.5", "256.0.0.1", "1.2.65536", "4294967296", "08", "1.2.3.+4", "0x", "a"]
        {
            assert!(inet_aton(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_network_is_big_endian() {
        assert_eq!(htons(0x1234).to_ne_bytes(), [0x12, 0x34]);
        assert_eq!(ntohl(htonl(7)), 7);
    }
}
