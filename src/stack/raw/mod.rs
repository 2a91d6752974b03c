//! Raw sockets (SOCK_RAW of AF_INET and AF_INET6, raw(7)): whole datagrams in, packets as their writer wrote them out.
//!
//! ```text
//!   wire -> link/ethernet.rs --- every IPv4 packet as it came --------> arrived.rs   IPPROTO_IP
//!                |
//!           ip/input.rs -------- whole datagrams, before anybody else -> receive.rs  a copy for each socket that fits
//!           ip/icmp_report.rs -- errors about what was sent ----------> receive.rs
//!   send -> send.rs: a payload -> datagram/way.rs -> ip/output.rs `send`       (the stack makes the header)
//!                    a packet  -> header.rs       -> ip/output.rs `send_whole` (the caller made it: SO_VERBATIM)
//! ```
//!
//! | file | what |
//! |---|---|
//! | `wanted.rs` | which protocols any raw socket wants: what the lower half asks before it makes a copy |
//! | `receive.rs` | which sockets get a datagram, or hear of an error |
//! | `arrived.rs` | every packet as it arrived, for IPPROTO_IP, with a verdict on its checksums |
//! | `send.rs` | sendmsg(2) |
//! | `header.rs` | what SO_VERBATIM lets us fill in of a caller's IPv4 header |
//! | `name.rs` | bind(2), connect(2) and its undoing |
//!
//! The options are in `options/raw.rs`.

mod arrived;
mod header;
#[cfg(test)]
mod hostile_tests;
mod name;
mod receive;
mod send;
#[cfg(test)]
mod tests;
mod wanted;

use std::collections::HashMap;
use std::net::SocketAddr;

use super::Stack;
use super::datagram::Queue;
use super::table::{Entry, Part};
use crate::base::constants::{AF_INET, AF_INET6, IPPROTO_ICMPV6, IPPROTO_IP, IPPROTO_RAW};
use crate::base::{Errno, Reason, Result, SocketId};

pub use header::Verbatim;
pub(crate) use wanted::Wanted;

/// What all raw sockets share: who receives which protocol, in the order of their making. (AF_*, IPPROTO_*) to sockets.
#[derive(Debug, Default)]
pub(crate) struct Raw {
    receivers: HashMap<(i32, i32), Vec<SocketId>>,
}

/// What a raw socket has of its own.
#[derive(Debug)]
pub(crate) struct RawSocket {
    pub(crate) queue: Queue,
    /// IP_HDRINCL, IPV6_HDRINCL: the program writes the IP header itself.
    pub(crate) header_included: bool,
    /// SO_VERBATIM: what we may fill in of the program's header.
    pub(crate) verbatim: Verbatim,
    /// ICMP_FILTER (32 bits of it) and ICMP6_FILTER: a bit that is set keeps messages of this type away.
    pub(crate) filter: [u32; 8],
    /// IPV6_CHECKSUM: where in the payload the checksum stands that we write and verify.
    pub(crate) checksum6: Option<usize>,
    /// IP_ROUTER_ALERT, IPV6_ROUTER_ALERT: `Some` once asked for; kept only.
    pub(crate) router_alert: Option<bool>,
    /// IP_CSUM_BAD: tell of wrong checksums.
    pub(crate) tells_checksums: bool,
    /// SO_RCVALL: its own address says only what it sends from; packets to others are heard, too.
    pub(crate) receives_all: bool,
}

impl RawSocket {
    /// What a new socket of this family and protocol has.
    pub(super) fn new(domain: i32, protocol: i32, verbatim: Verbatim) -> Self {
        Self {
            queue: Queue::default(),
            // raw(7): "IP_HDRINCL is implied" by IPPROTO_RAW; rawv6 has the same. IPPROTO_IP sends in the same way.
            header_included: protocol == IPPROTO_RAW || (domain == AF_INET && protocol == IPPROTO_IP),
            verbatim,
            filter: [0; 8],
            // RFC 3542 3.1: "the kernel will calculate and insert the ICMPv6 checksum for ICMPv6 raw sockets".
            checksum6: (domain == AF_INET6 && protocol == IPPROTO_ICMPV6).then_some(2),
            router_alert: None,
            tells_checksums: false,
            receives_all: false,
        }
    }
}

impl Entry {
    /// What a raw socket has of its own.
    pub(super) fn raw(&self) -> Result<&RawSocket> {
        match &self.protocol_part {
            Part::Raw(raw) => Ok(raw),
            _ => Err(Errno::ENOPROTOOPT.because(Reason::WrongKind)),
        }
    }

    pub(super) fn raw_mut(&mut self) -> Result<&mut RawSocket> {
        match &mut self.protocol_part {
            Part::Raw(raw) => Ok(raw),
            _ => Err(Errno::ENOPROTOOPT.because(Reason::WrongKind)),
        }
    }
}

impl Stack {
    /// A raw socket was made: it is named after its protocol, and receives from now on. raw(7): "An IPPROTO_RAW socket is send
    /// only."
    pub(super) fn raw_open(&mut self, id: SocketId) {
        let Ok(entry) = self.sockets.get_mut(id) else { return };
        let (domain, protocol) = (entry.domain, entry.protocol);
        // inet_create: inet_sport = htons(inet_num)
        entry.local = Some(SocketAddr::new(entry.any_address(), u16::try_from(protocol).unwrap_or(0)));
        if protocol == IPPROTO_RAW {
            return;
        }
        self.raw.receivers.entry((domain, protocol)).or_default().push(id);
        self.net.raw_wanted.set(domain == AF_INET, protocol, true);
    }

    /// What close(2) undoes.
    pub(super) fn raw_close(&mut self, id: SocketId) {
        let Ok(entry) = self.sockets.get(id) else { return };
        let key = (entry.domain, entry.protocol);
        let Some(receivers) = self.raw.receivers.get_mut(&key) else { return };
        receivers.retain(|other| *other != id);
        if receivers.is_empty() {
            self.raw.receivers.remove(&key);
            self.net.raw_wanted.set(key.0 == AF_INET, key.1, false);
        }
    }
}
