//! INET_DIAG_REQ_BYTECODE: which sockets are meant, as `ss 'sport = :80'` writes it (linux/inet_diag.h).
//!
//! An operation says how many bytes further the next one is, if it is true and if it is not. The end is "yes"; four bytes behind it
//! is "no". Every step leads forward: a program ends.

use std::net::{IpAddr, SocketAddr};

use crate::base::constants::{AF_INET, AF_INET6};
use crate::base::netlink::u32_at;
use crate::base::{Errno, Error, Reason, Result};

/// sizeof(struct inet_diag_bc_op), struct inet_diag_hostcond without its address.
const OPERATION: usize = 4;
const CONDITION: usize = 8;

const NOP: u8 = 0;
const JUMP: u8 = 1;
const SOURCE_AT_LEAST: u8 = 2;
const SOURCE_AT_MOST: u8 = 3;
const DESTINATION_AT_LEAST: u8 = 4;
const DESTINATION_AT_MOST: u8 = 5;
const AUTO: u8 = 6;
const SOURCE: u8 = 7;
const DESTINATION: u8 = 8;
const DEVICE: u8 = 9;
const MARK: u8 = 10;
const SOURCE_IS: u8 = 11;
const DESTINATION_IS: u8 = 12;

/// A socket, as a program looks at it (struct inet_diag_entry).
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject {
    /// AF_INET, AF_INET6.
    pub(super) family: i32,
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) interface: u32,
    pub(super) mark: u32,
    /// The program chose the port itself.
    pub(super) port_chosen: bool,
}

/// A program that has been looked through: its steps lead to operations, or to one of its ends.
#[derive(Clone, Debug)]
pub(super) struct Bytecode(Vec<u8>);

fn malformed() -> Error {
    Errno::EINVAL.because(Reason::OptionValue)
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

/// What is read of an operation: its code, the steps for yes and no.
fn operation(rest: &[u8]) -> Option<(u8, usize, usize)> {
    let [code, yes, ..] = *rest else { return None };
    Some((code, yes.into(), half(rest, 2)?.into()))
}

impl Bytecode {
    /// inet_diag_bc_audit. EINVAL.
    pub(super) fn new(bytes: &[u8]) -> Result<Self> {
        // valid_cc: where "no" leads must be where some row of "yes" leads.
        let mut starts = vec![false; bytes.len() + 1];
        let mut at = 0;
        while at < bytes.len() {
            let rest = bytes.get(at..).unwrap_or_default();
            let (code, yes, no) = operation(rest).ok_or_else(malformed)?;
            let least = OPERATION + operands(code, rest).ok_or_else(malformed)?;
            let fits =
                |step: usize| step >= least && step <= rest.len() + OPERATION && step.is_multiple_of(4);
            if !fits(yes) || code != NOP && !fits(no) {
                return Err(malformed());
            }
            starts[at] = true;
            at += yes;
        }
        // `len == 0`: the row of "yes" ends exactly at the end.
        if at != bytes.len() || bytes.is_empty() {
            return Err(malformed());
        }
        starts[at] = true;
        let mut at = 0;
        while let Some((code, yes, no)) = operation(bytes.get(at..).unwrap_or_default()) {
            if code != NOP && at + no < bytes.len() && !starts[at + no] {
                return Err(malformed());
            }
            at += yes;
        }
        Ok(Self(bytes.to_vec()))
    }

    /// inet_diag_bc_run.
    pub(super) fn wants(&self, subject: &Subject) -> bool {
        let mut at = 0;
        while at < self.0.len() {
            let Some(rest) = self.0.get(at..) else { return false };
            let Some((code, yes, no)) = operation(rest) else { return false };
            // At least one operation forward: a program that was looked through has no shorter step.
            at += if holds(code, rest, subject).unwrap_or(false) { yes } else { no }.max(OPERATION);
        }
        at == self.0.len()
    }
}

/// Bytes behind an operation that belong to it; `None`: no operation, or they are not all there.
fn operands(code: u8, rest: &[u8]) -> Option<usize> {
    let len = match code {
        NOP | JUMP | AUTO => 0,
        SOURCE_AT_LEAST..=DESTINATION_AT_MOST | SOURCE_IS | DESTINATION_IS | DEVICE => 4,
        MARK => 8,
        // valid_hostcond.
        SOURCE | DESTINATION => {
            let (family, prefix) = (*rest.get(OPERATION)?, *rest.get(OPERATION + 1)?);
            let address = match i32::from(family) {
                0 => 0,
                AF_INET => 4,
                AF_INET6 => 16,
                _ => return None,
            };
            if usize::from(prefix) > 8 * address {
                return None;
            }
            CONDITION + address
        }
        _ => return None,
    };
    (rest.len() >= OPERATION + len).then_some(len)
}

fn holds(code: u8, rest: &[u8], subject: &Subject) -> Option<bool> {
    let (source, destination) = (subject.source.port(), subject.destination.port());
    // The port of a comparison is the `no` of a second operation.
    let port = || half(rest, OPERATION + 2);
    Some(match code {
        NOP => true,
        JUMP => false,
        SOURCE_IS => source == port()?,
        SOURCE_AT_LEAST => source >= port()?,
        SOURCE_AT_MOST => source <= port()?,
        DESTINATION_IS => destination == port()?,
        DESTINATION_AT_LEAST => destination >= port()?,
        DESTINATION_AT_MOST => destination <= port()?,
        AUTO => !subject.port_chosen,
        SOURCE => is_at(rest, subject.family, subject.source)?,
        DESTINATION => is_at(rest, subject.family, subject.destination)?,
        DEVICE => u32_at(rest, OPERATION)? == subject.interface,
        // "(entry->mark & cond->mask) == cond->mark"
        MARK => subject.mark & u32_at(rest, OPERATION + 4)? == u32_at(rest, OPERATION)?,
        _ => return None,
    })
}

/// struct inet_diag_hostcond: family, prefix length, port (-1 = any), address.
fn is_at(rest: &[u8], family: i32, end: SocketAddr) -> Option<bool> {
    let condition = rest.get(OPERATION..)?;
    let [wanted, prefix, ..] = *condition else { return None };
    let port = u32_at(condition, 4)?;
    if port != u32::MAX && port != u32::from(end.port()) {
        return Some(false);
    }
    let own = match end.ip() {
        IpAddr::V4(ip) if family == AF_INET => ip.octets().to_vec(),
        ip => super::inet::octets(ip, AF_INET6).to_vec(),
    };
    let own = match i32::from(wanted) {
        0 => return Some(prefix == 0),
        wanted if wanted == family => own.as_slice(),
        // An IPv4 peer of an IPv6 socket is known by its IPv4 address too.
        AF_INET if own.starts_with(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]) => own.get(12..)?,
        _ => return Some(false),
    };
    // bitstring_match.
    let (whole, bits) = (usize::from(prefix / 8), prefix % 8);
    let theirs = condition.get(CONDITION..)?;
    let mask = !(0xff_u8.checked_shr(bits.into()).unwrap_or(0));
    let last = |bytes: &[u8]| bytes.get(whole).map_or(0, |byte| byte & mask);
    Some(own.get(..whole)? == theirs.get(..whole)? && (bits == 0 || last(own) == last(theirs)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn op(code: u8, yes: u8, no: u16) -> Vec<u8> {
        [&[code, yes][..], &no.to_ne_bytes()].concat()
    }

    fn subject() -> Subject {
        Subject {
            family: AF_INET6,
            source: "[::ffff:192.0.2.2]:80".parse().unwrap(),
            destination: "[::ffff:198.51.100.7]:40000".parse().unwrap(),
            interface: 2,
            mark: 0x12,
            port_chosen: true,
        }
    }

    #[test]
    fn what_ss_asks() {
        // sport = :80
        let is_80 = [op(SOURCE_IS, 8, 12), op(NOP, 0, 80)].concat();
        assert!(Bytecode::new(&is_80).unwrap().wants(&subject()));
        // sport = :80 and dst 198.51.100.0/24: the first "no" leads behind the end of the second.
        let host =
            |prefix: u8| [&[2, prefix, 0, 0][..], &u32::MAX.to_ne_bytes(), &[198, 51, 100, 0]].concat();
        let both = |prefix| {
            [op(SOURCE_IS, 8, 8 + 16 + 4), op(NOP, 0, 80), op(DESTINATION, 16, 20), host(prefix)].concat()
        };
        assert!(Bytecode::new(&both(24)).unwrap().wants(&subject()));
        assert!(!Bytecode::new(&both(30)).unwrap().wants(&subject()));
        let wrong = [op(SOURCE_AT_LEAST, 8, 12), op(NOP, 0, 81)].concat();
        assert!(!Bytecode::new(&wrong).unwrap().wants(&subject()));
        let device = [op(DEVICE, 8, 12), 2_u32.to_ne_bytes().to_vec()].concat();
        assert!(Bytecode::new(&device).unwrap().wants(&subject()));
        let mark = [op(MARK, 12, 16), 2_u32.to_ne_bytes().to_vec(), 0xf_u32.to_ne_bytes().to_vec()].concat();
        assert!(Bytecode::new(&mark).unwrap().wants(&subject()));
        assert!(!Bytecode::new(&op(AUTO, 4, 8)).unwrap().wants(&subject()));
    }

    #[test]
    fn what_leads_nowhere_is_refused_and_nothing_runs_for_ever() {
        for bytes in [
            vec![],
            op(NOP, 0, 0),
            op(NOP, 8, 0),
            op(JUMP, 4, 2),
            op(JUMP, 4, 12),
            op(99, 4, 4),
            op(SOURCE_IS, 8, 12),
            // "no" into the middle of another's operands.
            [op(JUMP, 4, 8), op(SOURCE_IS, 8, 12), op(NOP, 0, 80)].concat(),
            [op(SOURCE, 12, 16), vec![2, 33, 0, 0], vec![0; 8]].concat(),
        ] {
            assert!(Bytecode::new(&bytes).is_err(), "{bytes:?}");
        }
        // All programs of two operations over small numbers: whatever passes ends.
        for bytes in (0..1_u32 << 16).map(|n: u32| {
            let [a, b, ..] = n.to_ne_bytes();
            [op(a & 15, a >> 4 << 2, u16::from(b & 15) << 2), op(b >> 4, a >> 3 & 0x1c, 4), vec![0; 8]]
                .concat()
        }) {
            if let Ok(program) = Bytecode::new(&bytes) {
                program.wants(&subject());
            }
        }
    }
}
