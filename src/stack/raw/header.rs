//! A caller's own IPv4 header (IP_HDRINCL), and what may be filled in of it: SO_VERBATIM.

use std::net::Ipv4Addr;

use crate::base::{Errno, Reason, Result};
use crate::wire::checksum;

/// SO_VERBATIM: how literally a caller's IPv4 header is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verbatim {
    /// 0, raw(7): total length and checksum are always overwritten; source and identification where they are zero.
    Linux,
    /// 1: source, identification, total length and checksum are filled in where they are zero; what is set stays.
    #[default]
    FillZeros,
    /// 2: not even zeros are touched.
    Untouched,
}

impl Verbatim {
    /// By the option's number.
    pub(crate) fn from_number(number: i32) -> Option<Self> {
        [Self::Linux, Self::FillZeros, Self::Untouched].into_iter().nth(usize::try_from(number).ok()?)
    }

    /// The option's number.
    pub(crate) fn number(self) -> i32 {
        self as i32
    }
}

/// The shortest IPv4 header.
const SHORTEST: usize = 20;

fn length_in_words(packet: &[u8]) -> usize {
    packet.first().map_or(0, |first| usize::from(first & 15) * 4)
}

/// raw_send_hdrinc: Linux takes no packet without a header, and no header that is too short or ends behind the packet.
pub(super) fn linux_takes(packet: &[u8]) -> Result<()> {
    if !(SHORTEST..=packet.len()).contains(&length_in_words(packet)) {
        return Err(Errno::EINVAL.because(Reason::IpMalformed));
    }
    Ok(())
}

/// What a header's zeros are filled in with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filling {
    pub(super) source: Ipv4Addr,
    pub(super) identification: u16,
}

/// Fills in what the rule allows. True if Linux would have overwritten something that the caller had set.
pub(super) fn fill(packet: &mut [u8], rule: Verbatim, with: Filling) -> bool {
    let length = length_in_words(packet);
    // raw_send_hdrinc: "if (iphlen >= sizeof(*iph))"; what version it claims is not looked at.
    if length < SHORTEST || length > packet.len() {
        return false;
    }
    let total = u16::try_from(packet.len()).unwrap_or(0);
    let is_v4 = packet[0] >> 4 == 4;
    let header = &mut packet[..length];
    let word = |header: &[u8], at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let set =
        |header: &mut [u8], at: usize, value: u16| header[at..at + 2].copy_from_slice(&value.to_be_bytes());
    // A checksum that is right for what was written is meant to be right.
    let was_right = checksum(header) == 0;
    let (wrote_length, wrote_sum) = (word(header, 2), word(header, 10));
    let overwritten = (wrote_length != 0 && wrote_length != total) || (wrote_sum != 0 && !was_right);
    if rule == Verbatim::Untouched || (rule == Verbatim::FillZeros && !is_v4) {
        return overwritten;
    }
    if header[12..16] == [0; 4] {
        header[12..16].copy_from_slice(&with.source.octets());
    }
    if word(header, 4) == 0 {
        set(header, 4, with.identification);
    }
    if rule == Verbatim::Linux || wrote_length == 0 {
        set(header, 2, total);
    }
    if rule == Verbatim::Linux || wrote_sum == 0 || was_right {
        set(header, 10, 0);
        let sum = checksum(header);
        set(header, 10, sum);
    }
    rule == Verbatim::FillZeros && overwritten
}

#[cfg(test)]
mod tests {
    use super::*;

    const WITH: Filling = Filling { source: Ipv4Addr::new(192, 0, 2, 1), identification: 0x1234 };

    /// A header to 192.0.2.2 with these words for total length, identification and checksum.
    fn packet(length: u16, id: u16, sum: u16) -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 253, 0, 0, 0, 0, 0, 0, 192, 0, 2, 2, b'h', b'i'];
        for (at, value) in [(2, length), (4, id), (10, sum)] {
            packet[at..at + 2].copy_from_slice(&value.to_be_bytes());
        }
        packet
    }

    #[test]
    fn zeros_are_filled_in() {
        for rule in [Verbatim::Linux, Verbatim::FillZeros] {
            let mut bytes = packet(0, 0, 0);
            assert!(!fill(&mut bytes, rule, WITH));
            assert_eq!(bytes[2..6], [0, 22, 0x12, 0x34]);
            assert_eq!(bytes[12..16], [192, 0, 2, 1]);
            assert_eq!(checksum(&bytes[..20]), 0);
        }
        let mut bytes = packet(0, 0, 0);
        assert!(!fill(&mut bytes, Verbatim::Untouched, WITH));
        assert_eq!(bytes, packet(0, 0, 0));
    }

    #[test]
    fn what_is_set_stays_even_if_wrong() {
        let mut bytes = packet(9000, 7, 0xdead);
        assert!(fill(&mut bytes, Verbatim::FillZeros, WITH));
        assert_eq!((&bytes[2..6], &bytes[10..12]), (&[0x23, 0x28, 0, 7][..], &[0xde, 0xad][..]));
        let mut bytes = packet(9000, 7, 0xdead);
        assert!(!fill(&mut bytes, Verbatim::Linux, WITH));
        assert_eq!(bytes[2..6], [0, 22, 0, 7]);
        assert_eq!(checksum(&bytes[..20]), 0);
        let mut bytes = packet(9000, 7, 0);
        assert!(fill(&mut bytes, Verbatim::Untouched, WITH));
        assert_eq!(bytes, packet(9000, 7, 0));
    }

    #[test]
    fn a_right_checksum_stays_right() {
        let mut bytes = packet(22, 0, 0);
        let sum = checksum(&bytes[..20]);
        bytes[10..12].copy_from_slice(&sum.to_be_bytes());
        assert!(!fill(&mut bytes, Verbatim::FillZeros, WITH));
        assert_eq!((checksum(&bytes[..20]), &bytes[4..6]), (0, &[0x12, 0x34][..]));
    }

    #[test]
    fn what_is_no_header_is_left_alone() {
        let garbage: [Vec<u8>; 4] =
            [vec![], vec![0x45; 19], [vec![0x44], vec![0; 40]].concat(), vec![0x4f; 59]];
        for bytes in garbage {
            for rule in [Verbatim::Linux, Verbatim::FillZeros, Verbatim::Untouched] {
                let mut copy = bytes.clone();
                assert!(!fill(&mut copy, rule, WITH));
                assert_eq!(copy, bytes);
            }
        }
        // Linux fills in whatever the version says, we only where it is 4.
        let mut seven = packet(0, 0, 0);
        seven[0] = 0x75;
        let was = seven.clone();
        fill(&mut seven, Verbatim::FillZeros, WITH);
        assert_eq!(seven, was);
        fill(&mut seven, Verbatim::Linux, WITH);
        assert_eq!(seven[2..4], [0, 22]);
        assert_eq!(linux_takes(&[0x45; 19]).unwrap_err().errno(), Errno::EINVAL);
        assert_eq!(linux_takes(&[0x4f; 59]).unwrap_err().errno(), Errno::EINVAL);
        assert_eq!(linux_takes(&[0x44; 20]).unwrap_err().errno(), Errno::EINVAL);
        assert!(linux_takes(&[0x75; 20]).is_ok());
    }
}
