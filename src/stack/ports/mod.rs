//! Who has which port: one pure rule, [`conflict`], and the registry that asks it.
//!
//! A [`Claim`] is a port together with what the rule must know of its holder (a [`Binding`]). Sockets, flows without a
//! socket and TIME_WAIT entries hold claims; equal ones are counted, so that ten thousand accepted connections on a
//! listener's port cost one line. The rule is Linux's (inet_csk_bind_conflict, udp_lib_lport_inuse, ping_get_port) and
//! its truth table is tests/parity/bind_table.toml.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::base::{Errno, IfIndex, Reason, Result};

/// Which ports are meant: each protocol has its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Space {
    Tcp,
    Udp,
    UdpLite,
    /// The identifiers of ping sockets, of both families.
    Ping,
}

/// How far a holder's socket has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    /// Bound, connecting, connected, closing.
    Open,
    Listen,
    TimeWait,
}

/// What the rule must know of one who holds, or wants, a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Binding {
    /// The local address; unspecified = all of its family. IPv4-mapped addresses are given as IPv4.
    pub(crate) address: IpAddr,
    /// Of an IPv6 wildcard: does not take IPv4.
    pub(crate) v6only: bool,
    pub(crate) device: Option<IfIndex>,
    pub(crate) reuse_address: bool,
    pub(crate) reuse_port: bool,
    /// Who made the socket (SO_REUSEPORT is shared by one user only).
    pub(crate) uid: u32,
    pub(crate) stage: Stage,
    /// The port was chosen by connect(2): further connects to other peers may share it.
    pub(crate) by_connect: bool,
}

/// True if the two would hear the same packets: same device, same address, as far as either is particular about them.
pub(crate) fn overlap(a: &Binding, b: &Binding) -> bool {
    let devices = a.device.is_none() || b.device.is_none() || a.device == b.device;
    // inet_rcv_saddr_equal
    let addresses = match (a.address.is_ipv4(), b.address.is_ipv4()) {
        (true, false) => b.address.is_unspecified() && !b.v6only,
        (false, true) => a.address.is_unspecified() && !a.v6only,
        _ => a.address == b.address || a.address.is_unspecified() || b.address.is_unspecified(),
    };
    devices && addresses
}

/// The rule: may `new` not have the port that `old` has?
pub(crate) fn conflict(space: Space, new: &Binding, old: &Binding) -> bool {
    let both_reuse_address = new.reuse_address && old.reuse_address;
    let both_reuse_port = new.reuse_port && old.reuse_port;
    match space {
        // inet_bind_conflict: SO_REUSEADDR shares with anybody but a listener; SO_REUSEPORT even with that one.
        Space::Tcp => {
            overlap(new, old)
                && !(both_reuse_address && old.stage != Stage::Listen)
                && !(both_reuse_port && (old.stage == Stage::TimeWait || new.uid == old.uid))
        }
        // udp_lib_lport_inuse
        Space::Udp | Space::UdpLite => {
            overlap(new, old) && !both_reuse_address && !(both_reuse_port && new.uid == old.uid)
        }
        // ping_get_port: neither address nor device matters.
        Space::Ping => !both_reuse_address,
    }
}

/// A port held. Whoever has it gives it back by [`Ports::release`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) space: Space,
    pub(crate) port: u16,
    pub(crate) binding: Binding,
}

/// The registry.
#[derive(Debug, Default)]
pub(crate) struct Ports {
    holders: HashMap<(Space, u16), Vec<(Binding, usize)>>,
    /// How often a port was chosen: RFC 6056 3.3.3's `next_ephemeral`.
    chosen: u64,
    total: usize,
}

impl Ports {
    /// bind(2) to a port: EADDRINUSE if the rule says so.
    pub(crate) fn claim(&mut self, space: Space, port: u16, binding: Binding) -> Result<Claim> {
        if self.holders_of(space, port).any(|old| conflict(space, &binding, old)) {
            return Err(Errno::EADDRINUSE.because(Reason::AddressInUse));
        }
        Ok(self.hold(Claim { space, port, binding }))
    }

    /// bind(2) to port 0: a port whose holders hear nothing of what this one hears, whatever they'd share.
    /// `offset` comes from [`super::keyed_hash`]. EADDRINUSE when there is none.
    pub(crate) fn claim_any(
        &mut self,
        space: Space,
        binding: Binding,
        range: (u16, u16),
        offset: u64,
    ) -> Result<Claim> {
        let free = |ports: &Self, port| {
            !ports.holders_of(space, port).any(|old| space == Space::Ping || overlap(&binding, old))
        };
        let port =
            self.choose(range, offset, free).ok_or_else(|| Errno::EADDRINUSE.because(Reason::NoPortsLeft))?;
        Ok(self.hold(Claim { space, port, binding }))
    }

    /// connect(2) without bind: a port that nobody has bound, and of which `free` says that the connection's four numbers
    /// (local and remote address and port) are not in use. EADDRNOTAVAIL when there is none.
    pub(crate) fn claim_for_connect(
        &mut self,
        space: Space,
        binding: Binding,
        range: (u16, u16),
        offset: u64,
        free: impl Fn(u16) -> bool,
    ) -> Result<Claim> {
        let binding = Binding { by_connect: true, ..binding };
        let usable =
            |ports: &Self, port| ports.holders_of(space, port).all(|old| old.by_connect) && free(port);
        let port = self
            .choose(range, offset, usable)
            .ok_or_else(|| Errno::EADDRNOTAVAIL.because(Reason::NoPortsLeft))?;
        Ok(self.hold(Claim { space, port, binding }))
    }

    /// Adds a holder without asking: an accepted connection on its listener's port.
    pub(crate) fn hold(&mut self, claim: Claim) -> Claim {
        let holders = self.holders.entry((claim.space, claim.port)).or_default();
        match holders.iter_mut().find(|(binding, _)| *binding == claim.binding) {
            Some((_, count)) => *count += 1,
            None => holders.push((claim.binding, 1)),
        }
        self.total += 1;
        claim
    }

    /// Gives a port back.
    pub(crate) fn release(&mut self, claim: Claim) {
        let Some(holders) = self.holders.get_mut(&(claim.space, claim.port)) else { return };
        let Some(at) = holders.iter().position(|(binding, _)| *binding == claim.binding) else { return };
        self.total -= 1;
        holders[at].1 -= 1;
        if holders[at].1 == 0 {
            holders.swap_remove(at);
            if holders.is_empty() {
                self.holders.remove(&(claim.space, claim.port));
            }
        }
    }

    /// The holder has changed (an option, an address by connect, TIME_WAIT): nobody is asked.
    pub(crate) fn change(&mut self, claim: &mut Claim, binding: Binding) {
        if claim.binding != binding {
            self.release(*claim);
            claim.binding = binding;
            self.hold(*claim);
        }
    }

    /// The holder wants to change and must ask (listen(2)): EADDRINUSE, and it stays as it was.
    pub(crate) fn try_change(&mut self, claim: &mut Claim, binding: Binding) -> Result<()> {
        self.release(*claim);
        let changed = self.claim(claim.space, claim.port, binding);
        *claim = match changed {
            Ok(claim) => claim,
            Err(error) => {
                self.hold(*claim);
                return Err(error);
            }
        };
        Ok(())
    }

    /// How many claims there are.
    pub(crate) fn len(&self) -> usize {
        self.total
    }

    fn holders_of(&self, space: Space, port: u16) -> impl Iterator<Item = &Binding> {
        self.holders.get(&(space, port)).into_iter().flatten().map(|(binding, _)| binding)
    }

    /// RFC 6056 3.3.3: "Algorithm 3 (Simple Hash-Based Port Selection)": offset + next_ephemeral, then one by one.
    fn choose(&mut self, range: (u16, u16), offset: u64, free: impl Fn(&Self, u16) -> bool) -> Option<u16> {
        let (low, high) = (range.0.max(1), range.1);
        let count = u64::from(high.checked_sub(low)?) + 1;
        let first = offset.wrapping_add(self.chosen) % count;
        let nth = (0..count).find(|step| free(self, low + ((first + step) % count) as u16))?;
        self.chosen = self.chosen.wrapping_add(nth + 1);
        Some(low + ((first + nth) % count) as u16)
    }
}

#[cfg(test)]
mod tests;
