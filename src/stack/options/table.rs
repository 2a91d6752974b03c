//! The one table: which options there are, on which sockets, what their values look like, and what becomes of them.
//!
//! getsockopt(2), setsockopt(2), the tests and the documentation read it. What the rows can't say is in special.rs.

use super::{Options, rows};
use crate::base::Errno;

/// Kinds of sockets, as bits.
pub(crate) const TCP: u16 = 1;
pub(crate) const UDP: u16 = 2;
pub(crate) const PING: u16 = 4;
pub(crate) const RAW: u16 = 8;
pub(crate) const PACKET: u16 = 16;
pub(crate) const NETLINK: u16 = 32;
pub(crate) const UDPLITE: u16 = 64;
pub(crate) const CAN: u16 = 128;
pub(crate) const UNIX: u16 = 256;
pub(crate) const RDS: u16 = 512;
pub(crate) const DATAGRAM: u16 = UDP | UDPLITE | PING | RAW | PACKET | NETLINK | CAN | RDS;
pub(crate) const ALL: u16 = TCP | DATAGRAM | UNIX;

/// An option.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) level: i32,
    pub(crate) name: i32,
    /// The name as programs write it.
    pub(crate) text: &'static str,
    pub(crate) value: Value,
    /// Kinds of sockets that can't set it, and what they are told.
    pub(crate) refused: (u16, Errno),
}

/// What an option's value is, and what becomes of it.
#[derive(Debug)]
pub(crate) enum Value {
    /// An int that the protocols act on; `set` says false for EINVAL.
    Field { get: fn(&Options) -> i32, set: fn(&mut Options, i32) -> bool },
    /// special.rs reads and writes it: it needs more than the options, or is no int. Acted on.
    Special,
    /// special.rs writes it. To read it, the value would have to say what is asked.
    WriteOnlySpecial,
    /// special.rs reads it; writing is ENOPROTOOPT.
    SpecialReadOnly,
    /// An int that nothing here acts on: kept as `fix` makes it (`None` = EINVAL), and returned.
    Stored { default: i32, fix: fn(i32) -> Option<i32> },
    /// Bytes, from `least` to `most`, or none where that means "no longer": kept and returned, `default` before.
    StoredBytes { least: usize, most: usize, none: bool, default: &'static [u8] },
    /// Bytes, from `least` to `most`, that can only be written: kept.
    WriteOnlyBytes { least: usize, most: usize },
    /// An int that can only be written: kept.
    WriteOnly { fix: fn(i32) -> Option<i32> },
    /// An int that never changes, and what writing is told.
    ReadOnly(i32, Errno),
    /// No value; writing is ENOPROTOOPT.
    ReadOnlyEmpty,
    /// Linux knows the number and refuses it on these sockets: reading, writing.
    Refused(Errno, Errno),
}

pub(super) fn flag(value: i32) -> Option<i32> {
    Some(i32::from(value != 0))
}
pub(super) fn any(value: i32) -> Option<i32> {
    Some(value)
}
pub(super) fn not_negative(value: i32) -> Option<i32> {
    (value >= 0).then_some(value)
}
pub(super) fn bit(value: i32) -> Option<i32> {
    within::<1>(value)
}
/// From 0 to `MAX`.
pub(super) fn within<const MAX: i32>(value: i32) -> Option<i32> {
    (0..=MAX).contains(&value).then_some(value)
}
/// RTNLGRP_MAX.
pub(super) fn ignored(_: i32) -> Option<i32> {
    Some(0)
}
/// -1 = on.
pub(super) fn rehash(value: i32) -> Option<i32> {
    (-1..=1).contains(&value).then_some(i32::from(value != 0))
}
/// The sources that IPV6_ADDR_PREFERENCES asks for: one of three pairs each, with their defaults.
pub(super) fn address_preferences(value: i32) -> Option<i32> {
    let source = match value & 0x103 {
        0 | 0x100 => 0x100,
        1 => 1,
        2 => 2,
        _ => return None,
    };
    let coa = match value & 0x404 {
        0 | 0x400 => 0x400,
        4 => 4,
        _ => return None,
    };
    // IPV6_PREFER_SRC_CGA and its opposite exclude each other, and change nothing.
    (value & 0x808 != 0x808).then_some(source | coa)
}

/// A boolean field: anything but 0 is true.
macro_rules! on {
    ($($field:ident).+) => {
        Value::Field { get: |o| i32::from(o.$($field).+), set: |o, v| { o.$($field).+ = v != 0; true } }
    };
}

/// A boolean field: 0 or 1, else EINVAL.
macro_rules! zero_or_one {
    ($($field:ident).+) => {
        Value::Field {
            get: |o| i32::from(o.$($field).+),
            set: |o, v| {
                let fits = v == 0 || v == 1;
                o.$($field).+ = if fits { v == 1 } else { o.$($field).+ };
                fits
            },
        }
    };
}

/// A number of a range; `$min..=$max`, else EINVAL.
macro_rules! number {
    ($($field:ident).+, $range:expr) => {
        Value::Field {
            get: |o| i32::try_from(o.$($field).+).unwrap_or(i32::MAX),
            set: |o, v| {
                let fits = $range.contains(&v);
                if fits && let Ok(v) = v.try_into() {
                    o.$($field).+ = v;
                }
                fits
            },
        }
    };
}

/// A duration in whole seconds, 1..=32767 as MAX_TCP_KEEPIDLE and MAX_TCP_KEEPINTVL.
macro_rules! seconds {
    ($field:ident) => {
        Value::Field {
            get: |o| i32::try_from(o.$field.as_secs()).unwrap_or(i32::MAX),
            set: |o, v| {
                let seconds = u64::try_from(v).unwrap_or(0);
                if (1..=32_767).contains(&seconds) {
                    o.$field = std::time::Duration::from_secs(seconds);
                }
                (1..=32_767).contains(&seconds)
            },
        }
    };
}

/// A time to live: -1 = `$default`, else from `$min` to 255.
macro_rules! hops {
    ($field:ident, $default:expr, $min:literal) => {
        Value::Field {
            get: |o| i32::from(o.$field),
            set: |o, v| {
                o.$field = if v == -1 { $default } else { u8::try_from(v).unwrap_or(o.$field) };
                v == -1 || ($min..=255).contains(&v)
            },
        }
    };
}

macro_rules! rows_of {
    ($($level:ident: { $($name:ident = $value:expr $(, not $kinds:expr => $errno:ident)?;)* })*) => {
        /// What Linux knows at these levels.
        pub(in crate::stack::options) const ROWS: &[Row] = &[$($(Row {
            level: $level,
            name: $name,
            text: stringify!($name),
            value: $value,
            refused: { let _none = (0, Errno::ENOPROTOOPT); $(let _none = ($kinds, Errno::$errno);)? _none },
        },)*)*];
    };
}

pub(super) use {hops, number, on, rows_of, seconds, zero_or_one};

pub(super) const FLAG: Value = Value::Stored { default: 0, fix: flag };
pub(super) const BIT: Value = Value::Stored { default: 0, fix: bit };
/// Bytes that nothing here acts on.
pub(super) const fn bytes(least: usize, most: usize, none: bool) -> Value {
    Value::StoredBytes { least, most, none, default: &[] }
}
pub(super) const NO_SUCH: Value = Value::Refused(Errno::ENOPROTOOPT, Errno::ENOPROTOOPT);
pub(super) const NOT_HERE: Value = Value::Refused(Errno::EOPNOTSUPP, Errno::EOPNOTSUPP);

/// The row of an option.
pub(crate) fn find(level: i32, name: i32) -> Option<&'static Row> {
    all().find(|row| row.level == level && row.name == name)
}

/// Every row.
pub(crate) fn all() -> impl Iterator<Item = &'static Row> {
    rows::ALL.into_iter().flatten()
}
