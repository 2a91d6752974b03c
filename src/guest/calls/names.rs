//! socket, bind, listen, names, shutdown.

use std::os::fd::AsFd;

use crate::base::constants::{AF_INET, AF_INET6, AF_PACKET, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_RAW};
use crate::base::verb::{Answer, Verb};
use crate::base::{Errno, NetlinkAddr, Reason, Result, SockAddr};
use crate::guest::address;
use crate::guest::supervisor::Guest;
use crate::guest::trap::{Borrowed, Trap, Verdict};
use crate::socket::remote::Native;
use crate::socket::remote::connection::unexpected;
use crate::sys::{descriptor, pidfd};

/// SOCK_TYPE_MASK: the bits of socket(2)'s type that are the type.
const TYPE: i32 = 0xf;
/// CAP_NET_BIND_SERVICE and CAP_NET_RAW, capabilities(7).
const BIND_SERVICE: u32 = 10;
const NET_RAW: u32 = 13;
/// net.ipv4.ip_unprivileged_port_start, as it usually is.
const UNPRIVILEGED: u16 = 1024;

pub(super) fn socket(guest: &mut Guest, trap: &Trap) -> Verdict {
    made(guest, trap).unwrap_or_else(|error| Verdict::Fail(error.errno()))
}

fn made(guest: &mut Guest, trap: &Trap) -> Result<Verdict> {
    let (domain, kind, protocol) = (trap.int(0), trap.int(1), trap.int(2));
    let flags = kind & !TYPE;
    let kind = kind & TYPE;
    // __sys_socket(): no other flags.
    if flags & !(SOCK_CLOEXEC | SOCK_NONBLOCK) != 0 {
        return Err(Errno::EINVAL.into());
    }
    // inet_create() and packet_create(): CAP_NET_RAW. Raw sockets of the other families need nothing.
    let raw = domain == AF_PACKET || (matches!(domain, AF_INET | AF_INET6) && kind == SOCK_RAW);
    if guest.strict && raw && !may(trap, NET_RAW) {
        return Err(Errno::EPERM.because(Reason::Said));
    }
    let (answer, fds) = guest.native(Native::Socket { domain, kind, protocol }, &[])?;
    match (answer, fds.into_iter().next()) {
        (Answer::Socket(_), Some(fd)) => {
            if flags & SOCK_NONBLOCK != 0 {
                descriptor::set_nonblocking(fd.as_fd(), true)?;
            }
            Ok(Verdict::Give { fd, close_on_exec: flags & SOCK_CLOEXEC != 0, at: None })
        }
        _ => Err(unexpected()),
    }
}

/// True if the program has this capability.
pub(super) fn may(trap: &Trap, capability: u32) -> bool {
    pidfd::status(trap.tid).is_some_and(|status| status.capabilities >> capability & 1 == 1)
}

pub(super) fn bind(guest: &mut Guest, trap: &Trap, ours: Borrowed) -> Result<Verdict> {
    let bytes = address::read_bytes(trap, trap.pointer(1), trap.int(2))?;
    let address = address::to_bind(&bytes, || guest.domain(ours.socket))?;
    let port = address.inet().map_or(0, |address| address.port());
    // __inet_bind(): ports below ip_unprivileged_port_start need CAP_NET_BIND_SERVICE.
    if guest.strict && (1..UNPRIVILEGED).contains(&port) && !may(trap, BIND_SERVICE) {
        return Err(Errno::EACCES.because(Reason::Said));
    }
    if let SockAddr::Netlink(NetlinkAddr { pid: 0, groups }) = address
        && let Some(status) = pidfd::status(trap.tid)
        && let Answer::Address(SockAddr::Netlink(NetlinkAddr { pid: 0, .. })) =
            guest.verb(Verb::Name(ours.socket))?
    {
        // netlink_autobind(): the number of the process, as long as none of its sockets has it. The host knows run's alone.
        let own = NetlinkAddr { pid: status.process as u32, groups };
        match guest.verb(Verb::Bind(ours.socket, own.into())) {
            Err(error) if error.errno() == Errno::EADDRINUSE => {}
            done => return done.map(|_| Verdict::Return(0)),
        }
    }
    guest.verb(Verb::Bind(ours.socket, address))?;
    Ok(Verdict::Return(0))
}

pub(super) fn listen(guest: &mut Guest, trap: &Trap, ours: Borrowed) -> Result<Verdict> {
    guest.native(Native::Listen { socket: ours.socket, backlog: trap.int(1) }, &[ours.fd.as_fd()])?;
    Ok(Verdict::Return(0))
}

pub(super) fn shutdown(guest: &mut Guest, trap: &Trap, ours: Borrowed) -> Result<Verdict> {
    guest.native(Native::Shutdown { socket: ours.socket, how: trap.int(1) }, &[ours.fd.as_fd()])?;
    Ok(Verdict::Return(0))
}

pub(super) fn getsockname(guest: &mut Guest, trap: &Trap, ours: Borrowed) -> Result<Verdict> {
    tell(guest, trap, Verb::Name(ours.socket))
}

pub(super) fn getpeername(guest: &mut Guest, trap: &Trap, ours: Borrowed) -> Result<Verdict> {
    tell(guest, trap, Verb::Peer(ours.socket))
}

fn tell(guest: &mut Guest, trap: &Trap, verb: Verb) -> Result<Verdict> {
    let address = ask(guest, verb)?;
    address::give(trap, trap.pointer(1), trap.pointer(2), &address::encode_name(&address))?;
    Ok(Verdict::Return(0))
}

/// The address that [`Verb::Name`] or [`Verb::Peer`] gives.
pub(super) fn ask(guest: &mut Guest, verb: Verb) -> Result<SockAddr> {
    match guest.verb(verb)? {
        Answer::Address(address) => Ok(address),
        _ => Err(unexpected()),
    }
}
