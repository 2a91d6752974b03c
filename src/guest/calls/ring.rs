//! setsockopt(2) of PACKET_RX_RING and PACKET_TX_RING: a ring is memory that the kernel shares with the program, and nobody can
//! hand in another. So the program's descriptor becomes one of the kernel's own packet sockets, on a mirror of the host's
//! interfaces (daemon/mirror.rs), with all that the program had set; and the call goes on there.

use std::os::fd::AsFd;

use crate::base::constants::*;
use crate::base::{Errno, Result};
use crate::guest::supervisor::Guest;
use crate::guest::trap::{Borrowed, Trap, Verdict};
use crate::sys::{descriptor, mirror};

/// What libpcap and its like set before the ring, and the ring depends on.
const KEPT: &[i32] = &[PACKET_VERSION, PACKET_RESERVE, PACKET_AUXDATA, PACKET_LOSS, PACKET_TIMESTAMP];
/// sizeof(struct sock_filter), BPF_MAXINSNS.
const INSTRUCTION: usize = 8;
const INSTRUCTIONS_MAX: usize = 4096;

const NO_MIRROR: &str = "packet rings (tcpdump, nmap, hping3 ...) are the kernel's: the host needs the rights of root to mirror its \
                         interfaces; `sockatoo sniff --on HOST` shows the same without";

/// True for the options that are about rings.
pub(super) const fn is_ring(level: i32, name: i32) -> bool {
    level == SOL_PACKET && matches!(name, PACKET_RX_RING | PACKET_TX_RING)
}

/// The descriptor is replaced; the kernel does the call.
pub(super) fn replace(guest: &mut Guest, trap: &Trap, ours: &Borrowed) -> Result<Verdict> {
    let native = guest.mirror(ours.socket).map_err(|_| {
        guest.say_once(NO_MIRROR);
        Errno::EINVAL
    })?;
    for name in KEPT {
        let value = guest.option(ours.socket, SOL_PACKET, *name, 4).unwrap_or_default();
        match value.first_chunk().map(|bytes| i32::from_ne_bytes(*bytes)) {
            None | Some(0) => {}
            Some(value) => descriptor::setsockopt(native.as_fd(), SOL_PACKET, *name, value)?,
        }
    }
    let filter = guest.option(ours.socket, SOL_SOCKET, SO_ATTACH_FILTER, INSTRUCTIONS_MAX * INSTRUCTION);
    if let Ok(filter) = filter
        && !filter.is_empty()
    {
        mirror::attach_filter(native.as_fd(), &filter)?;
    }
    descriptor::set_nonblocking(native.as_fd(), ours.nonblocking)?;
    guest.replace(trap, trap.int(0), native.as_fd())?;
    Ok(Verdict::Native)
}
