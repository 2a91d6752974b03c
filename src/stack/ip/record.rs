//! Options of IPv4 that the hosts on a packet's way write into: record route and timestamps (RFC 791 3.1). Which bytes of options
//! are wrong, what this host writes, and what is returned to the sender.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::header::{V4_LEN, seal_v4};
use crate::base::{Instant, Reason};
use crate::stack::Net;
use crate::stack::net::Hints;

/// RFC 791 3.1.
pub(super) const END: u8 = 0;
pub(super) const NO_OPERATION: u8 = 1;
const RECORD_ROUTE: u8 = 7;
const TIMESTAMP: u8 = 68;
pub(super) const LOOSE_ROUTE: u8 = 131;
pub(super) const STRICT_ROUTE: u8 = 137;
/// RFC 2113.
const ROUTER_ALERT: u8 = 148;

/// Where the options begin and end in the bytes; without END and no-operations. An impossible length: where it stands.
pub(super) fn walk(bytes: &[u8]) -> Result<Vec<(usize, usize)>, usize> {
    let (mut at, mut found) = (0, Vec::new());
    while let Some(&kind) = bytes.get(at) {
        match kind {
            END => break,
            NO_OPERATION => at += 1,
            _ => {
                let length = bytes.get(at + 1).map_or(0, |length| usize::from(*length));
                if length < 2 || at + length > bytes.len() {
                    return Err(at);
                }
                found.push((at, at + length));
                at += length;
            }
        }
    }
    Ok(found)
}

/// Checks options as Linux does (ip_options_compile); the error is the place of the wrong byte. `own`: a socket is to send them.
pub(super) fn check(bytes: &[u8], own: bool) -> Result<(), usize> {
    let mut seen = [false; 3];
    for (start, end) in walk(bytes)? {
        let option = bytes.get(start..end).unwrap_or_default();
        check_one(option, own, &mut seen).map_err(|place| start + place)?;
    }
    Ok(())
}

fn check_one(option: &[u8], own: bool, seen: &mut [bool; 3]) -> Result<(), usize> {
    const LENGTH: usize = 1;
    const POINTER: usize = 2;
    const FLAGS: usize = 3;
    let wrong_unless = |right: bool, place: usize| if right { Ok(()) } else { Err(place) };
    let pointer = option.get(POINTER).map_or(0, |pointer| usize::from(*pointer));
    // A full option has no room, and needs none.
    let room = |bytes: usize| pointer > option.len() || pointer + bytes <= option.len() + 1;
    let (which, shortest, first) = match option[0] {
        RECORD_ROUTE => (0, 3, 4),
        LOOSE_ROUTE | STRICT_ROUTE => (1, 3, 4),
        TIMESTAMP => (2, 4, 5),
        ROUTER_ALERT => return wrong_unless(option.len() >= 4, LENGTH),
        _ => return Ok(()),
    };
    // RFC 1812 5.2.4.1: one of each only.
    wrong_unless(!std::mem::replace(&mut seen[which], true), 0)?;
    wrong_unless(option.len() >= shortest, LENGTH)?;
    wrong_unless(pointer >= first, POINTER)?;
    match option[0] {
        // A route begins at its first address, and has whole ones.
        LOOSE_ROUTE | STRICT_ROUTE if own => {
            let whole = option.len() >= 7 && (option.len() - 3).is_multiple_of(4);
            wrong_unless(pointer == 4 && whole, LENGTH)
        }
        LOOSE_ROUTE | STRICT_ROUTE => Ok(()),
        // RFC 791: "If [...] the overflow count itself overflows, the original datagram is considered to be in error".
        TIMESTAMP if pointer > option.len() && option[FLAGS] & 15 != 3 => {
            wrong_unless(option[FLAGS] >> 4 != 15, FLAGS)
        }
        TIMESTAMP if matches!(option[FLAGS] & 15, 1 | 3) => wrong_unless(room(8), POINTER),
        _ => wrong_unless(room(4), POINTER),
    }
}

/// What a host writes into options.
pub(super) struct Pen<'a> {
    pub(super) address: Ipv4Addr,
    /// RFC 791 3.1: "milliseconds since midnight UT".
    pub(super) time: u32,
    /// Which addresses are this host's.
    pub(super) owns: &'a dyn Fn(Ipv4Addr) -> bool,
}

impl Pen<'_> {
    /// Writes the next entry of a record route or timestamp option, if there is room for it, and it asks this host. True if so.
    pub(super) fn write(&self, option: &mut [u8]) -> bool {
        let (address, time) = (self.address.octets(), self.time.to_be_bytes());
        let place = option.get(2).map_or(0, |pointer| usize::from(*pointer).saturating_sub(1));
        let entry = match (option.first(), option.get(3).map(|flags| flags & 15)) {
            (Some(&RECORD_ROUTE), _) => address.to_vec(),
            (Some(&TIMESTAMP), Some(0)) => time.to_vec(),
            (Some(&TIMESTAMP), Some(1)) => [address, time].concat(),
            (Some(&TIMESTAMP), Some(3)) => {
                let asked = option.get(place..).and_then(<[u8]>::first_chunk::<4>);
                match asked {
                    Some(asked) if (self.owns)(Ipv4Addr::from(*asked)) => [*asked, time].concat(),
                    _ => return false,
                }
            }
            _ => return false,
        };
        let Some(field) = option.get_mut(place..place + entry.len()) else { return false };
        field.copy_from_slice(&entry);
        option[2] = option[2].saturating_add(entry.len() as u8);
        true
    }

    /// Writes into the checked options of a packet that came. True if anything has changed.
    fn write_all(&self, options: &mut [u8]) -> bool {
        let mut changed = false;
        for (start, end) in walk(options).unwrap_or_default() {
            let Some(option) = options.get_mut(start..end) else { continue };
            changed |= self.write(option) || overflows(option);
        }
        changed
    }
}

/// A timestamp option without room counts those who had none.
fn overflows(option: &mut [u8]) -> bool {
    let full = option.len() >= 4 && usize::from(option[2]) > option.len();
    let counts = full && option[0] == TIMESTAMP && option[3] & 15 != 3 && option[3] >> 4 != 15;
    if counts {
        option[3] += 0x10;
    }
    counts
}

/// Of a packet's options, as this host has written into them, those that go back to its sender (ip_options_echo): record route
/// and timestamps, padded to words. (Source routes are refused before.) `None`: they can't go on as they are.
pub(in crate::stack) fn returned(options: &[u8]) -> Option<Vec<u8>> {
    let found = walk(options).ok()?;
    let mut back = Vec::new();
    for wanted in [RECORD_ROUTE, TIMESTAMP] {
        let all = found.iter().filter_map(|(start, end)| options.get(*start..*end));
        for option in all.filter(|option| option.first() == Some(&wanted)) {
            let pointer = option.get(2).map_or(0, |pointer| usize::from(*pointer));
            if pointer <= option.len() && pointer + 3 > option.len() {
                return None; // less room than an entry takes
            }
            back.extend(option);
        }
    }
    back.resize(back.len().next_multiple_of(4), END);
    Some(back)
}

/// The options of an IPv4 packet.
pub(in crate::stack) fn options(packet: &[u8]) -> &[u8] {
    match packet.first() {
        Some(first) if first >> 4 == 4 => packet.get(V4_LEN..usize::from(first & 15) * 4).unwrap_or_default(),
        _ => &[],
    }
}

impl Net {
    fn with_pen<T>(&self, address: Ipv4Addr, write: impl FnOnce(Pen<'_>) -> T) -> T {
        let clock = self.config.epoch + self.now.since(Instant::ZERO);
        let owns = |address: Ipv4Addr| self.is_local(address.into());
        write(Pen { address, time: midnight(clock), owns: &owns })
    }

    /// Writes into the options of a packet that came: `address` is this host's on the packet's way.
    pub(super) fn record(&self, header: &mut [u8], address: IpAddr) {
        let IpAddr::V4(address) = address else { return };
        let Some(options) = header.get_mut(V4_LEN..).filter(|options| !options.is_empty()) else { return };
        if self.with_pen(address, |pen| pen.write_all(options)) {
            seal_v4(header);
        }
    }

    /// The options of an answer to this packet, which leaves from `source`. RFC 1122 3.2.2.6: "If a Record Route and/or Time Stamp
    /// option is received in an ICMP Echo Request, this option (these options) SHOULD be updated to include the current host and
    /// included in the IP header of the Echo Reply message, without "truncation"."
    pub(super) fn answered_options(&self, packet: &[u8], source: IpAddr) -> Option<Vec<u8>> {
        let mut back = returned(options(packet))?;
        if let IpAddr::V4(source) = source {
            self.with_pen(source, |pen| {
                for (start, end) in walk(&back).unwrap_or_default() {
                    back.get_mut(start..end).map(|option| pen.write(option));
                }
            });
        }
        Some(back)
    }

    /// Checks the options of a packet that came. The error: where the wrong byte stands in the header, and how it is counted.
    pub(super) fn check_options(packet: &[u8]) -> Result<(), (usize, Reason)> {
        check(options(packet), false).map_err(|place| (V4_LEN + place, Reason::IpOption))
    }

    /// This host's address as the sender of a packet sees it (fib_compute_spec_dst): the one it wrote to, else the one that an
    /// answer would come from.
    pub(super) fn address_for(&self, source: IpAddr, destination: IpAddr) -> Option<IpAddr> {
        if self.is_local(destination) {
            return Some(destination);
        }
        self.path(source, Hints::default()).ok().map(|path| path.source)
    }
}

/// Milliseconds since midnight UT.
pub(super) fn midnight(clock: Duration) -> u32 {
    (clock.as_millis() % 86_400_000) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_bytes_make_it_panic() {
        let mut state = 11;
        let pen = Pen {
            address: Ipv4Addr::new(192, 0, 2, 1),
            time: 0x0102_0304,
            owns: &|ip| ip.octets()[3] & 1 == 0,
        };
        let mut changed = 0;
        for n in 0..200_000_usize {
            let mut bytes: Vec<u8> = std::iter::repeat_with(|| {
                state += 1;
                crate::stack::keyed_hash(&[5; 16], state) as u8
            })
            .take(n % 41)
            .collect();
            // Kinds, lengths and pointers that mean something, most of the time.
            for (at, most) in [(0, 8), (1, 41), (2, 44), (3, 255)] {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = if at == 0 {
                        [7, 68, 148, 131, 1, 7, 68, 130][usize::from(*byte) % most]
                    } else {
                        *byte % most as u8
                    };
                }
            }
            let length = bytes.len();
            let _ = returned(&bytes);
            if check(&bytes, n % 2 == 0).is_ok() && pen.write_all(&mut bytes) {
                changed += 1;
                assert!(returned(&bytes).is_none_or(|back| back.len() <= length.next_multiple_of(4)));
            }
            assert_eq!(bytes.len(), length);
        }
        assert!(changed > 1000, "{changed}");
    }
}
