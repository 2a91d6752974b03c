//! ioctl(2): what is asked of a socket about interfaces and queues.

use std::os::fd::AsFd;

use crate::base::constants::*;
use crate::base::verb::{Answer, Verb};
use crate::base::{Errno, Reason, Result, SocketId};
use crate::guest::calls::names::may;
use crate::guest::supervisor::Guest;
use crate::guest::trap::{Borrowed, Trap, Verdict};
use crate::socket::ioctl::change::{self, SIOCADDRT, SIOCDELRT};
use crate::socket::ioctl::device;
use crate::socket::remote::Native;
use crate::socket::remote::connection::unexpected;
use crate::sys::descriptor;

/// Requests of sockios.h that no socket of the library has: time stamps of the last packet.
mod request {
    pub(super) const GSTAMP: i32 = 0x8906;
    pub(super) const GSTAMPNS: i32 = 0x8907;
}

/// CAP_NET_ADMIN, capabilities(7).
const NET_ADMIN: u32 = 12;

/// ioctl(2).
pub(super) fn ioctl(guest: &mut Guest, trap: &Trap, ours: Borrowed) -> Result<Verdict> {
    let (what, at) = (trap.pointer(1) as i32, trap.pointer(2));
    match what {
        SIOCOUTQ => {
            let count = match ours.kind {
                SOCK_STREAM => guest.native(Native::Unsent(ours.socket), &[])?.0,
                _ => guest.verb(Verb::Unsent(ours.socket))?,
            };
            let Answer::Count(count) = count else { return Err(unexpected()) };
            trap.write(at, &i32::try_from(count).unwrap_or(i32::MAX).to_ne_bytes())?;
        }
        // sock_gettstamp: no packet has left its time here; SO_TIMESTAMP tells each one's.
        request::GSTAMP | request::GSTAMPNS => return Err(Errno::ENOENT.into()),
        SIOCGARP => neighbour(guest, trap, at)?,
        SIOCADDRT | SIOCDELRT => route(guest, trap, what == SIOCADDRT)?,
        _ if change::is_change(what) => set(guest, trap, Some(ours.socket))?,
        SIOCGIFCONF => about_interfaces(guest, trap)?,
        _ if device::is_request(what) => about_interfaces(guest, trap)?,
        // FIOSETOWN, SIOCSPGRP and their like: signals are the kernel's business; and an AF_UNIX stream has urgent data.
        0x8901..=0x8904 => return Ok(Verdict::Native),
        SIOCATMARK if ours.kind == SOCK_STREAM => return Ok(Verdict::Native),
        _ => return Err(Errno::ENOTTY.into()),
    }
    Ok(Verdict::Return(0))
}

/// ioctl(2) of a descriptor that is none of ours: if_nametoindex(3), and whoever else wants any socket at all, asks an AF_UNIX one
/// about interfaces. What needs an Internet socket (addresses) the kernel refuses itself.
pub(super) fn of_another(guest: &mut Guest, trap: &Trap) -> Result<Verdict> {
    let what = trap.pointer(1) as i32;
    let of_any_socket = what == SIOCGIFCONF || (device::is_request(what) && !device::wants_address(what));
    let domain = || {
        let fd = trap.borrow(trap.int(0)).ok()?;
        descriptor::option(fd.as_fd(), SOL_SOCKET, SO_DOMAIN).ok()
    };
    let domain = if of_any_socket || is_about_devices(what) { domain() } else { None };
    if is_about_devices(what) && !of_any_socket && domain.is_some_and(|domain| domain != AF_PACKET) {
        return Err(Errno::EOPNOTSUPP.because(Reason::Said));
    }
    if !of_any_socket || domain != Some(AF_UNIX) {
        return Ok(Verdict::Native);
    }
    if change::is_change(what) {
        set(guest, trap, None)?;
    } else {
        about_interfaces(guest, trap)?;
    }
    Ok(Verdict::Return(0))
}

/// Requests about interfaces that no host has an answer to: bridges, bonds, VLANs, a driver's own. They would be about the kernel's
/// interfaces, and change them. (A packet socket of the kernel's is in a namespace of its own; addresses are refused by the kernel.)
fn is_about_devices(what: i32) -> bool {
    matches!(what, 0x8910..=0x89df | 0x89f0..=0x89ff) && !device::wants_address(what)
}

/// CAP_NET_ADMIN: granted, unless `--strict` asks.
pub(in crate::guest) fn may_administer(guest: &Guest, trap: &Trap) -> bool {
    !guest.strict || may(trap, NET_ADMIN)
}

/// "if (!ns_capable(net->user_ns, CAP_NET_ADMIN)) return -EPERM".
fn permitted(guest: &Guest, trap: &Trap) -> Result<()> {
    if may_administer(guest, trap) { Ok(()) } else { Err(Errno::EPERM.because(Reason::Said)) }
}

/// What sets an interface's properties, or a neighbour.
fn set(guest: &mut Guest, trap: &Trap, socket: Option<SocketId>) -> Result<()> {
    permitted(guest, trap)?;
    let (what, at) = (trap.pointer(1) as i32, trap.pointer(2));
    let domain = socket.map_or(Ok(AF_UNIX), |socket| guest.domain(socket))?;
    let about_neighbours = change::is_about_neighbours(what);
    let asked = trap.read(at, if about_neighbours { device::ARPREQ } else { device::IFREQ })?;
    let neighbours = if about_neighbours { guest.neighbours()? } else { Vec::new() };
    for step in change::verbs(&guest.interfaces()?, &neighbours, domain, what, &asked)? {
        guest.verb(step)?;
    }
    Ok(())
}

/// A struct rtentry.
fn route(guest: &mut Guest, trap: &Trap, add: bool) -> Result<()> {
    permitted(guest, trap)?;
    let asked = trap.read(trap.pointer(2), change::RTENTRY)?;
    let device = asked.get(change::RT_DEVICE..).and_then(|rest| rest.first_chunk());
    let device = match device.map_or(0, |bytes| u64::from_ne_bytes(*bytes)) {
        0 => None,
        at => Some(trap.read(at, change::NAME)?),
    };
    let step = change::route(&guest.interfaces()?, &asked, device.as_deref(), add)?;
    guest.verb(step).map(drop)
}

fn about_interfaces(guest: &mut Guest, trap: &Trap) -> Result<()> {
    let (what, at) = (trap.pointer(1) as i32, trap.pointer(2));
    if what == SIOCGIFCONF {
        return configuration(guest, trap, at);
    }
    let mut asked = trap.read(at, device::IFREQ)?;
    device::answer(&guest.interfaces()?, what, &mut asked)?;
    trap.write(at, &asked)
}

/// dev_ifconf: a struct ifreq of each IPv4 address, as many as there is room for; without a buffer the room that it takes.
fn configuration(guest: &mut Guest, trap: &Trap, at: u64) -> Result<()> {
    let asked = trap.read(at, 16)?;
    let room = asked.first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes));
    let buffer = asked.last_chunk().map_or(0, |bytes| u64::from_ne_bytes(*bytes));
    let room = if buffer == 0 { usize::MAX } else { usize::try_from(room).unwrap_or(0) };
    let list = device::configuration(&guest.interfaces()?, room);
    if buffer != 0 {
        trap.write(buffer, &list)?;
    }
    trap.write(at, &i32::try_from(list.len()).unwrap_or(i32::MAX).to_ne_bytes())
}

/// A struct arpreq.
fn neighbour(guest: &mut Guest, trap: &Trap, at: u64) -> Result<()> {
    let mut asked = trap.read(at, device::ARPREQ)?;
    let rows = guest.interfaces()?;
    device::neighbour(&rows, &guest.neighbours()?, &mut asked)?;
    trap.write(at, &asked)
}
