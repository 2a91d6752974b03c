//! The options of IPv4's header that a socket sends (IP_OPTIONS): checked when they are set, completed when they leave.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// RFC 791 3.1.
const END: u8 = 0;
const NO_OPERATION: u8 = 1;
const RECORD_ROUTE: u8 = 7;
const TIMESTAMP: u8 = 68;
const LOOSE_ROUTE: u8 = 131;
const STRICT_ROUTE: u8 = 137;

/// Bytes of options that a header has room for.
pub(in crate::stack) const MOST: usize = 40;

/// A socket's options; none = no bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::stack) struct IpOptions {
    /// As they were set, padded to words.
    bytes: Vec<u8>,
}

/// Where the options begin and end in the bytes; without END and no-operations. An impossible length is an error.
fn walk(bytes: &[u8]) -> Result<Vec<(usize, usize)>, ()> {
    let (mut at, mut found) = (0, Vec::new());
    while let Some(&kind) = bytes.get(at) {
        match kind {
            END => break,
            NO_OPERATION => at += 1,
            _ => {
                let length = bytes.get(at + 1).map_or(0, |length| usize::from(*length));
                if length < 2 || at + length > bytes.len() {
                    return Err(());
                }
                found.push((at, at + length));
                at += length;
            }
        }
    }
    Ok(found)
}

impl IpOptions {
    /// Checks options as Linux does (ip_options_compile, ip_options_get); `None` = EINVAL.
    pub(in crate::stack) fn new(value: &[u8]) -> Option<Self> {
        if value.len() > MOST {
            return None;
        }
        let mut bytes = value.to_vec();
        // "while (optlen & 3) opt->__data[optlen++] = IPOPT_END"
        bytes.resize(value.len().next_multiple_of(4), END);
        let found = walk(&bytes).ok()?;
        let mut seen = [false; 3];
        let mut once = |which: usize| !std::mem::replace(seen.get_mut(which).unwrap_or(&mut false), true);
        for &(start, end) in &found {
            let option = bytes.get(start..end)?;
            let room = |pointer: u8, bytes: usize| usize::from(pointer) + bytes <= option.len() + 1;
            let fits = match (option[0], option.get(2)) {
                (RECORD_ROUTE, Some(&pointer)) => {
                    let full = usize::from(pointer) > option.len();
                    once(0) && pointer >= 4 && (full || room(pointer, 4))
                }
                // RFC 1812 5.2.4.1: one of both only; its pointer at the first of whole addresses.
                (LOOSE_ROUTE | STRICT_ROUTE, Some(&pointer)) => {
                    once(1) && pointer == 4 && option.len() >= 7 && (option.len() - 3).is_multiple_of(4)
                }
                (TIMESTAMP, Some(&pointer)) => {
                    let full = usize::from(pointer) > option.len();
                    let step = match option.get(3).map(|flags| flags & 15) {
                        Some(0) => 4,
                        Some(1 | 3) => 8,
                        Some(_) => 0,
                        None => return None,
                    };
                    once(2) && pointer >= 5 && (full || room(pointer, step))
                }
                (RECORD_ROUTE | LOOSE_ROUTE | STRICT_ROUTE | TIMESTAMP, None) => false,
                _ => true,
            };
            if !fits {
                return None;
            }
        }
        // What is behind the end means nothing ("memset(optptr, IPOPT_END, l)").
        let mut last = found.last().map_or(0, |(_, end)| *end);
        while bytes.get(last) == Some(&NO_OPERATION) {
            last += 1;
        }
        bytes.iter_mut().skip(last).for_each(|byte| *byte = END);
        Some(Self { bytes })
    }

    /// As getsockopt(2) tells them.
    pub(in crate::stack) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where a packet with a source route goes first.
    pub(in crate::stack) fn first_hop(&self) -> Option<Ipv4Addr> {
        let routes = |&(start, _): &(usize, usize)| {
            matches!(self.bytes.get(start), Some(&(LOOSE_ROUTE | STRICT_ROUTE)))
        };
        let (start, _) = walk(&self.bytes).ok()?.into_iter().find(routes)?;
        let address: [u8; 4] = *self.bytes.get(start + 3..)?.first_chunk()?;
        Some(Ipv4Addr::from(address))
    }

    /// As they leave (ip_options_build): the source route without its first hop and with the end, our address and the time where they
    /// are asked for. `clock`: time since 1970.
    pub(in crate::stack) fn build(&self, source: IpAddr, destination: IpAddr, clock: Duration) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        let (IpAddr::V4(source), IpAddr::V4(destination)) = (source, destination) else { return bytes };
        let (source, destination) = (source.octets(), destination.octets());
        // RFC 791 3.1: "milliseconds since midnight UT".
        let time = ((clock.as_millis() % 86_400_000) as u32).to_be_bytes();
        for (start, end) in walk(&self.bytes).unwrap_or_default() {
            let Some(option) = bytes.get_mut(start..end) else { continue };
            let Some(&pointer) = option.get(2) else { continue };
            let place = usize::from(pointer).saturating_sub(1);
            let written = match option[0] {
                LOOSE_ROUTE | STRICT_ROUTE => {
                    option.copy_within(7.., 3);
                    let last = option.len() - 4;
                    option[last..].copy_from_slice(&destination);
                    continue;
                }
                RECORD_ROUTE => source.to_vec(),
                TIMESTAMP => match option.get(3).map(|flags| flags & 15) {
                    Some(0) => time.to_vec(),
                    Some(1) => [source, time].concat(),
                    _ => continue,
                },
                _ => continue,
            };
            if let Some(field) = option.get_mut(place..place + written.len()) {
                field.copy_from_slice(&written);
                option[2] = pointer + written.len() as u8;
            }
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(options: &[u8]) -> Vec<u8> {
        let (source, destination) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        IpOptions::new(options).unwrap().build(source, destination, Duration::from_millis(86_400_000 + 258))
    }

    #[test]
    fn what_is_asked_for_is_filled_in() {
        assert_eq!(built(&[1, 7, 7, 4, 0, 0, 0, 0]), [1, 7, 7, 8, 192, 0, 2, 1]);
        assert_eq!(built(&[68, 8, 5, 0, 0, 0, 0, 0]), [68, 8, 9, 0, 0, 0, 1, 2]);
        assert_eq!(built(&[68, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0])[2..], [13, 1, 192, 0, 2, 1, 0, 0, 1, 2]);
        let routed = [131, 11, 4, 198, 51, 100, 1, 198, 51, 100, 2, 0];
        assert_eq!(IpOptions::new(&routed).unwrap().first_hop(), Some(Ipv4Addr::new(198, 51, 100, 1)));
        assert_eq!(built(&routed), [131, 11, 4, 198, 51, 100, 2, 192, 0, 2, 2, 0]);
        assert_eq!(IpOptions::new(&[1, 1]).unwrap().first_hop(), None);
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let mut state = 7;
        for n in 0..200_000_usize {
            let mut bytes: Vec<u8> = (0..n % 42)
                .map(|_| {
                    crate::stack::keyed_hash(&[3; 16], {
                        state += 1;
                        state
                    }) as u8
                })
                .collect();
            if let Some(first) = bytes.first_mut() {
                *first = [7, 68, 131, 137, 148, 1][n % 6];
            }
            if let Some(length) = bytes.get_mut(1) {
                *length %= 42;
            }
            if let Some(options) = IpOptions::new(&bytes) {
                let _ = options.first_hop();
                let clock = Duration::from_secs(1);
                assert_eq!(options.build([1; 4].into(), [2; 4].into(), clock).len(), options.bytes().len());
            }
        }
    }
}
