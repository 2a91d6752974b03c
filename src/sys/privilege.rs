//! Who we are and what we may: geteuid(2), capabilities(7).

#[cfg(feature = "cli")]
use std::fs;

/// Capabilities that networking asks for, by their bit in capabilities(7).
#[cfg(feature = "cli")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Capability {
    /// CAP_NET_ADMIN: make and set up interfaces, open a TAP.
    NetAdmin = 12,
    /// CAP_NET_RAW: AF_PACKET and raw sockets.
    NetRaw = 13,
    /// CAP_SYS_ADMIN: make and enter network namespaces.
    SysAdmin = 21,
}

/// geteuid(2).
pub(crate) fn geteuid() -> u32 {
    // SAFETY: takes nothing, can't fail.
    unsafe { libc::geteuid() }
}

/// getegid(2).
pub(crate) fn getegid() -> u32 {
    // SAFETY: takes nothing, can't fail.
    unsafe { libc::getegid() }
}

/// True if this thread holds the capability in effect (in its own user namespace). False too where /proc is missing.
#[cfg(feature = "cli")]
pub(crate) fn has(capability: Capability) -> bool {
    let Ok(status) = fs::read_to_string("/proc/thread-self/status") else { return false };
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let bits = effective.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or(0);
    bits >> (capability as u8) & 1 == 1
}
