//! How outcomes are written down.

use sockatoo::base::Errno;
use sockatoo::base::constants::*;

use crate::arm::Outcome;

pub(crate) fn outcome<T>(result: &Outcome<T>, show: impl FnOnce(&T) -> String) -> String {
    match result {
        Ok(value) => show(value),
        Err(number) => Errno(*number).name().to_string(),
    }
}

pub(crate) fn names(value: i32, all: &[(i32, &str)]) -> String {
    let mut left = value;
    let mut found: Vec<String> = Vec::new();
    for &(bit, name) in all {
        if left & bit != 0 {
            left &= !bit;
            found.push(name.into());
        }
    }
    if left != 0 || found.is_empty() {
        found.push(if left == 0 { "0".into() } else { format!("{left:#x}") });
    }
    found.join("|")
}

pub(crate) const POLL_BITS: &[(i32, &str)] = &[
    (POLLIN, "IN"),
    (POLLPRI, "PRI"),
    (POLLOUT, "OUT"),
    (POLLERR, "ERR"),
    (POLLHUP, "HUP"),
    (POLLNVAL, "NVAL"),
    (POLLRDHUP, "RDHUP"),
];

pub(crate) const MSG_BITS: &[(i32, &str)] = &[
    (MSG_OOB, "OOB"),
    (MSG_PEEK, "PEEK"),
    (MSG_DONTROUTE, "DONTROUTE"),
    (MSG_CTRUNC, "CTRUNC"),
    (MSG_TRUNC, "TRUNC"),
    (MSG_DONTWAIT, "DONTWAIT"),
    (MSG_EOR, "EOR"),
    (MSG_WAITALL, "WAITALL"),
    (MSG_CONFIRM, "CONFIRM"),
    (MSG_ERRQUEUE, "ERRQUEUE"),
    (MSG_NOSIGNAL, "NOSIGNAL"),
    (MSG_MORE, "MORE"),
];

/// Short data as text, long data as its length and a sum.
pub(crate) fn data_text(data: &[u8]) -> String {
    if data.len() <= 24 && data.iter().all(|b| (0x20..0x7f).contains(b)) {
        format!("{:?}", String::from_utf8_lossy(data))
    } else {
        let sum = data.iter().fold(0u32, |sum, b| sum.wrapping_mul(31).wrapping_add(u32::from(*b)));
        format!("{} bytes #{sum:08x}", data.len())
    }
}

pub(crate) fn value_text(value: &[u8]) -> String {
    match value.try_into().map(i32::from_ne_bytes) {
        Ok(number) => number.to_string(),
        Err(_) => format!("{value:02x?}"),
    }
}
