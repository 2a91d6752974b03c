//! Values as C lays them out: ints, addresses, struct timeval, struct sockaddr.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::calls::wrong_length;
use crate::base::{Errno, Reason, Result, SockAddr};

/// struct timeval; zero = never.
pub(super) fn timeval(timeout: Option<Duration>) -> Vec<u8> {
    let timeout = timeout.unwrap_or_default();
    let seconds = i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX);
    [seconds.to_ne_bytes(), i64::from(timeout.subsec_micros()).to_ne_bytes()].concat()
}

/// sock_set_timeout: EINVAL if short, EDOM if the microseconds are none, negative seconds = at once.
pub(super) fn parse_timeval(value: &[u8]) -> Result<Option<Duration>> {
    let (Some(seconds), Some(micros)) = (long(value, 0), long(value, 8)) else { return Err(wrong_length()) };
    let Some(micros) = u32::try_from(micros).ok().filter(|micros| *micros < 1_000_000) else {
        return Err(Errno::EDOM.because(Reason::OptionValue));
    };
    match u64::try_from(seconds) {
        Err(_) => Ok(Some(Duration::ZERO)),
        Ok(0) if micros == 0 => Ok(None),
        Ok(seconds) => Ok(Some(Duration::new(seconds, micros * 1000))),
    }
}

pub(super) fn long(value: &[u8], at: usize) -> Option<i64> {
    Some(i64::from_ne_bytes(value.get(at..at + 8)?.try_into().ok()?))
}

pub(super) fn word(value: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(value.get(at..at + 4)?.try_into().ok()?))
}

pub(super) fn in_addr(value: &[u8], at: usize) -> Option<Ipv4Addr> {
    Some(Ipv4Addr::from(<[u8; 4]>::try_from(value.get(at..at + 4)?).ok()?))
}

pub(super) fn in6_addr(value: &[u8], at: usize) -> Option<Ipv6Addr> {
    Some(Ipv6Addr::from(<[u8; 16]>::try_from(value.get(at..at + 16)?).ok()?))
}

/// struct sockaddr_in, sockaddr_in6 or sockaddr_un.
pub(super) fn sockaddr(address: SockAddr) -> Vec<u8> {
    let mut bytes = (address.family() as u16).to_ne_bytes().to_vec();
    match address {
        SockAddr::Unspec => {}
        SockAddr::V4(v4) => {
            bytes.extend(v4.port().to_be_bytes());
            bytes.extend(v4.ip().octets());
            bytes.extend([0; 8]);
        }
        SockAddr::V6(v6) => {
            bytes.extend(v6.port().to_be_bytes());
            bytes.extend(v6.flowinfo().to_be_bytes());
            bytes.extend(v6.ip().octets());
            bytes.extend(v6.scope_id().to_ne_bytes());
        }
        SockAddr::Unix(name) => {
            bytes.extend(name.as_bytes());
            bytes.extend(name.as_pathname().map(|_| 0));
        }
        // No option's value is one of the others.
        SockAddr::Link(_) | SockAddr::Netlink(_) | SockAddr::Can(_) => {}
    }
    bytes
}
