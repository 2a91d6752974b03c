//! Options that raw sockets alone have: raw(7), ipv6(7), icmp(7), and those that are ours (SO_VERBATIM, SO_RCVALL,
//! IP_CSUM_BAD).

use super::calls::{int, out_of_range, unknown, wrong_length};
use crate::base::constants::*;
use crate::base::{Errno, Reason, Result, SocketId};
use crate::stack::Stack;
use crate::stack::raw::Verbatim;
use crate::stack::table::Entry;

/// The level of ICMP6_FILTER.
const ICMPV6: i32 = SOL_ICMPV6;

/// ICMP_FILTER is a word, ICMP6_FILTER eight of them.
fn filter_length(level: i32) -> usize {
    if level == ICMPV6 { 32 } else { 4 }
}

/// True if the socket's protocol has the filter of this level.
fn has_filter(entry: &Entry, level: i32) -> bool {
    match level {
        SOL_RAW => entry.domain == AF_INET && entry.protocol == IPPROTO_ICMP,
        _ => entry.domain == AF_INET6 && entry.protocol == IPPROTO_ICMPV6,
    }
}

impl Stack {
    /// What getsockopt(2) tells; `len` is the room for it.
    pub(super) fn get_raw(&self, id: SocketId, level: i32, name: i32) -> Result<Vec<u8>> {
        let entry = self.sockets.get(id)?;
        let six = entry.domain == AF_INET6;
        let raw = match (level, name) {
            // Every kind of socket tells these.
            (SOL_IP, IP_HDRINCL | IP_ROUTER_ALERT) | (SOL_IPV6, IPV6_ROUTER_ALERT)
                if entry.raw().is_err() =>
            {
                return Ok(0_i32.to_ne_bytes().to_vec());
            }
            _ => entry.raw()?,
        };
        let number = match (level, name) {
            (SOL_IP, IP_HDRINCL) => i32::from(raw.header_included),
            (SOL_IP, IP_ROUTER_ALERT) | (SOL_IPV6, IPV6_ROUTER_ALERT) => {
                i32::from(raw.router_alert == Some(true))
            }
            (SOL_RAW, ICMP_FILTER) if six => return Err(unknown()),
            (SOL_SOCKET, SO_VERBATIM) => raw.verbatim.number(),
            (SOL_SOCKET, SO_RCVALL) => i32::from(raw.receives_all),
            (SOL_IP, IP_CSUM_BAD) => i32::from(raw.tells_checksums),
            (SOL_IPV6 | SOL_RAW, IPV6_HDRINCL) if six => i32::from(raw.header_included),
            (SOL_IPV6 | SOL_RAW, IPV6_CHECKSUM) if six => {
                raw.checksum6.map_or(-1, |at| i32::try_from(at).unwrap_or(i32::MAX))
            }
            (SOL_RAW | ICMPV6, ICMP_FILTER) if !has_filter(entry, level) => {
                return Err(Errno::EOPNOTSUPP.because(Reason::WrongKind));
            }
            (SOL_RAW | ICMPV6, ICMP_FILTER) => {
                let bytes = raw.filter.iter().flat_map(|word| word.to_ne_bytes());
                return Ok(bytes.take(filter_length(level)).collect());
            }
            _ => return Err(unknown()),
        };
        Ok(number.to_ne_bytes().to_vec())
    }

    pub(super) fn set_raw(&mut self, id: SocketId, level: i32, name: i32, value: &[u8]) -> Result<()> {
        let entry = self.sockets.get_mut(id)?;
        let (protocol, filters) = (entry.protocol, has_filter(entry, level));
        let six = entry.domain == AF_INET6;
        if level == SOL_IPV6 && value.len() < 4 {
            return Err(wrong_length());
        }
        let raw = entry.raw_mut()?;
        let number = int(level, value);
        match (level, name) {
            (SOL_SOCKET, SO_VERBATIM) => {
                raw.verbatim = Verbatim::from_number(number).ok_or_else(out_of_range)?;
            }
            (SOL_SOCKET, SO_RCVALL) => raw.receives_all = number != 0,
            (SOL_IP, IP_CSUM_BAD) => raw.tells_checksums = number != 0,
            (SOL_IP, IP_HDRINCL) => raw.header_included = number != 0,
            // ip_ra_control, ip6_ra_control
            (SOL_IP, IP_ROUTER_ALERT) if protocol == IPPROTO_RAW => return Err(out_of_range()),
            (SOL_IPV6, IPV6_ROUTER_ALERT) if protocol != IPPROTO_RAW => return Err(unknown()),
            (SOL_IP, IP_ROUTER_ALERT) | (SOL_IPV6, IPV6_ROUTER_ALERT) => {
                let on = if six { number >= 0 } else { number != 0 };
                match (on, raw.router_alert) {
                    (true, Some(_)) => return Err(Errno::EADDRINUSE.because(Reason::AlreadyMember)),
                    (false, None) => return Err(Errno::ENOBUFS.because(Reason::NotMember)),
                    (true, None) => raw.router_alert = Some(number != 0),
                    (false, Some(_)) => raw.router_alert = None,
                }
                // A router here hands nobody the packets that it forwards.
                self.net.note(Reason::OptionStored, None, Some(id));
            }
            (SOL_RAW | ICMPV6, ICMP_FILTER) if !(six && level == SOL_RAW) => {
                if !filters {
                    return Err(Errno::EOPNOTSUPP.because(Reason::WrongKind));
                }
                // raw_seticmpfilter: a shorter value changes the first bytes, a longer one is cut.
                let mut bytes: Vec<u8> = raw.filter.iter().flat_map(|word| word.to_ne_bytes()).collect();
                let n = value.len().min(filter_length(level));
                bytes[..n].copy_from_slice(&value[..n]);
                let (words, _) = bytes.as_chunks::<4>();
                for (to, from) in raw.filter.iter_mut().zip(words) {
                    *to = u32::from_ne_bytes(*from);
                }
            }
            // do_raw_setsockopt
            (SOL_RAW, _) if !six => return Err(unknown()),
            // do_rawv6_setsockopt
            (SOL_RAW, _) if value.len() < 4 => return Err(wrong_length()),
            (SOL_IPV6 | SOL_RAW, IPV6_HDRINCL) => raw.header_included = number != 0,
            (SOL_IPV6 | SOL_RAW, IPV6_CHECKSUM) => {
                // RFC 3542 3.1: "attempts to set it on an ICMPv6 socket will fail"; at the level SOL_RAW Linux lets it pass. "An
                // odd offset is an error."
                let fixed = protocol == IPPROTO_ICMPV6 && level == SOL_IPV6;
                if fixed || (number > 0 && number % 2 != 0) {
                    return Err(out_of_range());
                }
                raw.checksum6 = usize::try_from(number).ok();
            }
            _ => return Err(unknown()),
        }
        Ok(())
    }
}
