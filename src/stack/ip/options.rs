//! The options of IPv4's header that a socket sends (IP_OPTIONS): checked when they are set, completed when they leave.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::record::{END, LOOSE_ROUTE, NO_OPERATION, Pen, STRICT_ROUTE, check, midnight, walk};

/// Bytes of options that a header has room for.
pub(in crate::stack) const MOST: usize = 40;

/// A socket's options; none = no bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::stack) struct IpOptions {
    /// As they were set, padded to words.
    bytes: Vec<u8>,
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
        check(&bytes, true).ok()?;
        let found = walk(&bytes).ok()?;
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
    /// are asked for. `clock`: time since 1970; `owns`: which addresses are ours.
    pub(in crate::stack) fn build(
        &self,
        source: IpAddr,
        destination: IpAddr,
        clock: Duration,
        owns: &dyn Fn(Ipv4Addr) -> bool,
    ) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        let (IpAddr::V4(source), IpAddr::V4(destination)) = (source, destination) else { return bytes };
        let pen = Pen { address: source, time: midnight(clock), owns };
        for (start, end) in walk(&self.bytes).unwrap_or_default() {
            let Some(option) = bytes.get_mut(start..end) else { continue };
            if matches!(option[0], LOOSE_ROUTE | STRICT_ROUTE) {
                option.copy_within(7.., 3);
                let last = option.len() - 4;
                option[last..].copy_from_slice(&destination.octets());
            } else {
                pen.write(option);
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
        IpOptions::new(options).unwrap().build(
            source,
            destination,
            Duration::from_millis(86_400_000 + 258),
            &|_| false,
        )
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
                assert_eq!(
                    options.build([1; 4].into(), [2; 4].into(), clock, &|_| true).len(),
                    options.bytes().len()
                );
            }
        }
    }
}
