//! What ICMP told of the MTU of paths (RFC 1191, RFC 8201).

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::base::{IfIndex, Instant};
use crate::stack::Net;
use crate::stack::net::Hints;

/// RFC 8201 4: an estimate is not raised for at least 5 minutes, "the recommended setting for this timer is twice its minimum
/// value (10 minutes)".
const KEPT: Duration = Duration::from_secs(600);
/// Destinations remembered.
const ENTRIES: usize = 4096;

/// The cache, by destination.
#[derive(Debug, Default)]
pub(in crate::stack) struct PathMtus {
    known: HashMap<IpAddr, (usize, Instant)>,
}

impl PathMtus {
    /// The path's MTU in bytes, if it is known.
    pub(super) fn get(&self, destination: IpAddr, now: Instant) -> Option<usize> {
        self.known.get(&destination).filter(|(_, until)| *until > now).map(|(mtu, _)| *mtu)
    }
}

/// Never under Linux's min_pmtu (552), IPv6's minimum (1280).
pub(super) fn clamp(destination: IpAddr, mtu: usize) -> usize {
    mtu.max(if destination.is_ipv4() { 552 } else { 1280 })
}

impl Net {
    /// A router said that packets to the destination must not be larger than `mtu` bytes. TCP calls it when the quoted
    /// sequence number proved true. It only lowers what is known.
    pub(crate) fn learn_path_mtu(&mut self, destination: IpAddr, mtu: usize) {
        let mtu = clamp(destination, mtu);
        let hop = self.hop(destination, Hints::default()).ok().filter(|hop| hop.interface != IfIndex::LO);
        let link = hop.and_then(|hop| self.interface(hop.interface)).map(|i| i.mtu_for(destination));
        let now = self.now;
        let current = self.path_mtus.get(destination, now).or(link);
        if current.is_none_or(|current| mtu >= current) {
            return;
        }
        let known = &mut self.path_mtus.known;
        if known.len() >= ENTRIES && !known.contains_key(&destination) {
            known.retain(|_, (_, until)| *until > now);
            if known.len() >= ENTRIES {
                known.clear();
            }
        }
        known.insert(destination, (mtu, now + KEPT));
    }
}
