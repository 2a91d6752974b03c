//! The walk through IPv6 extension headers (RFC 8200 4).

use super::header::V6_LEN;
use crate::base::constants::{IPPROTO_DSTOPTS, IPPROTO_FRAGMENT, IPPROTO_HOPOPTS, IPPROTO_ROUTING};

const HOP_BY_HOP: u8 = IPPROTO_HOPOPTS as u8;
const ROUTING: u8 = IPPROTO_ROUTING as u8;
const FRAGMENT: u8 = IPPROTO_FRAGMENT as u8;
const DESTINATION: u8 = IPPROTO_DSTOPTS as u8;

/// Where the extension headers end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chain {
    /// The protocol of what follows them.
    pub(super) protocol: u8,
    /// Where that begins; of a fragment: where the fragment header begins.
    pub(super) payload: usize,
    /// Where the field stands that names `protocol`.
    pub(super) named_at: usize,
    /// The walk stopped before a fragment header that makes a real fragment.
    pub(super) fragment: bool,
}

/// Why a packet can't be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// It is dropped silently.
    Silent,
    /// It is answered with a parameter problem: code and pointer. `even_multicast`: a group's packet is answered too.
    Answer { code: u8, pointer: usize, even_multicast: bool },
}

/// An answer for a field that makes no sense (code 0), or a next header that nobody knows (code 1).
fn answer(code: u8, pointer: usize) -> Problem {
    Problem::Answer { code, pointer, even_multicast: false }
}

/// Walks from the IPv6 header to the upper layer. `packet` begins with the IPv6 header.
pub(super) fn walk(packet: &[u8]) -> Result<Chain, Problem> {
    let mut at = V6_LEN;
    let mut named_at = 6;
    let mut protocol = *packet.get(named_at).ok_or(Problem::Silent)?;
    loop {
        match protocol {
            HOP_BY_HOP if at != V6_LEN => {
                // RFC 8200 4.1 and 4.3: the hop-by-hop header stands directly behind the IPv6 header, or not at all.
                return Err(answer(1, named_at));
            }
            FRAGMENT => {
                let head = packet.get(at..at + 8).ok_or(Problem::Silent)?;
                // RFC 6946 4: a fragment with offset 0 and M clear is the whole datagram, whatever else is on its way.
                if head[2] != 0 || head[3] & 0xf9 != 0 {
                    return Ok(Chain { protocol: head[0], payload: at, named_at, fragment: true });
                }
                (named_at, protocol) = (at, head[0]);
                at += 8;
            }
            HOP_BY_HOP | DESTINATION | ROUTING => {
                let &[next, length, ..] = packet.get(at..).unwrap_or_default() else {
                    return Err(Problem::Silent);
                };
                let end = at + (usize::from(length) + 1) * 8;
                let header = packet.get(at..end).ok_or(Problem::Silent)?;
                if protocol == ROUTING {
                    // RFC 8200 4.4 and RFC 5095 3: of an unknown routing type (type 0 is one now) with segments left, "the node
                    // must discard the packet and send an ICMP Parameter Problem, Code 0 [...] pointing to the unrecognized
                    // Routing Type".
                    if header[3] != 0 {
                        return Err(answer(0, at + 2));
                    }
                } else {
                    options(header, at)?;
                }
                (named_at, protocol, at) = (at, next, end);
            }
            _ => return Ok(Chain { protocol, payload: at, named_at, fragment: false }),
        }
    }
}

/// RFC 8200 4.2: what to do with an option that is not known stands in its two highest bits.
fn options(header: &[u8], start: usize) -> Result<(), Problem> {
    const PAD1: u8 = 0;
    const PADN: u8 = 1;
    const ROUTER_ALERT: u8 = 5;
    let mut at = 2;
    while let Some(&kind) = header.get(at) {
        if kind == PAD1 {
            at += 1;
            continue;
        }
        let length = usize::from(*header.get(at + 1).ok_or(Problem::Silent)?);
        if at + 2 + length > header.len() {
            return Err(answer(0, start + at + 1));
        }
        if !matches!(kind, PADN | ROUTER_ALERT) {
            match kind >> 6 {
                0 => {}
                1 => return Err(Problem::Silent),
                action => {
                    let pointer = start + at;
                    return Err(Problem::Answer { code: 2, pointer, even_multicast: action == 2 });
                }
            }
        }
        at += 2 + length;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An IPv6 header that names `next`, and what follows it.
    fn packet(next: u8, rest: &[u8]) -> Vec<u8> {
        let mut packet = vec![0; V6_LEN];
        packet[0] = 0x60;
        packet[6] = next;
        packet.extend(rest);
        packet
    }

    #[test]
    fn the_walk_finds_the_upper_layer() {
        let rest = [60, 0, 5, 2, 0, 0, 1, 0, 17, 0, 1, 4, 0, 0, 0, 0, 9, 9];
        let chain = walk(&packet(HOP_BY_HOP, &rest)).unwrap();
        assert_eq!(chain, Chain { protocol: 17, payload: 56, named_at: 48, fragment: false });
        let atomic = walk(&packet(FRAGMENT, &[6, 0, 0, 0, 1, 2, 3, 4])).unwrap();
        assert_eq!((atomic.protocol, atomic.payload, atomic.fragment), (6, 48, false));
        assert!(walk(&packet(FRAGMENT, &[6, 0, 0, 1, 1, 2, 3, 4])).unwrap().fragment);
    }

    #[test]
    fn what_cannot_be_taken_is_answered_or_dropped() {
        let cases: [(u8, &[u8], Problem); 7] = [
            (DESTINATION, &[17, 0, 0xc9, 4, 0, 0, 0, 0], answer(2, 42)),
            (DESTINATION, &[17, 0, 0x49, 4, 0, 0, 0, 0], Problem::Silent),
            (DESTINATION, &[17, 0, 1, 9, 0, 0, 0, 0], answer(0, 43)),
            (DESTINATION, &[17, 1, 0, 0, 0, 0, 0, 0], Problem::Silent),
            (ROUTING, &[17, 0, 0, 1, 0, 0, 0, 0], answer(0, 42)),
            (DESTINATION, &[0, 0, 0, 0, 0, 0, 0, 0], answer(1, 40)),
            (FRAGMENT, &[17, 0], Problem::Silent),
        ];
        for (next, rest, problem) in cases {
            assert_eq!(walk(&packet(next, rest)), Err(problem), "{next} {rest:?}");
        }
    }
}
