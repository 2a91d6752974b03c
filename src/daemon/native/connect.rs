//! connect(2) of streams: blocking, non-blocking, interrupted.

use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::bench::{self, Bench};
use super::channel::Channel;
use super::natives::{Known, Part, sends_without_address};
use super::{Natives, Ticket, Tools, inodes, plug};
use crate::base::constants::{SO_SNDBUF, SOCK_NONBLOCK, SOCK_STREAM};
use crate::base::{Errno, Error, Instant, Result, SockAddr, SocketId};
use crate::driver::Host;
use crate::socket::remote::Name;
use crate::sys::descriptor;
use crate::sys::unix::{self, Place};

/// A blocking connect(2): the program's thread waits in it, and its descriptor is not touched until the connection stands.
#[derive(Debug)]
pub(super) struct Connecting {
    pub(super) ticket: Ticket,
    pub(super) until: Instant,
    address: SockAddr,
    /// The program's descriptor. It can't be closed unheard: a thread of the program waits.
    borrowed: OwnedFd,
}

impl Connecting {
    /// The handshake has begun.
    pub(super) fn new(
        ticket: Ticket,
        until: Instant,
        address: SockAddr,
        borrowed: BorrowedFd<'_>,
    ) -> Result<Self> {
        Ok(Self { ticket, until, address, borrowed: borrowed.try_clone_to_owned()? })
    }

    /// `Some` = the call ends so: with the channel if the connection stands.
    pub(super) fn look(&self, tools: &Tools<'_>, bench: &mut Bench, id: SocketId) -> Option<Result<Channel>> {
        match tools.host.call_on(id, |stack| stack.connect(id, self.address)) {
            Ok(()) => Some(join(tools, bench, id, self.borrowed.as_fd(), false)),
            Err(error) if error.would_block() || error.errno() == Errno::EALREADY => None,
            Err(error) => Some(Err(error)),
        }
    }

    /// The call ends before its connection stands: a signal, or SO_SNDTIMEO. From now on it is as after a non-blocking one.
    pub(super) fn leave(&self, tools: &Tools<'_>, bench: &mut Bench, id: SocketId) -> Result<Channel> {
        join(tools, bench, id, self.borrowed.as_fd(), true)
    }
}

/// The channel between a descriptor and the host. `opening`: the connection does not stand yet.
pub(super) fn join(
    tools: &Tools<'_>,
    bench: &mut Bench,
    id: SocketId,
    borrowed: BorrowedFd<'_>,
    opening: bool,
) -> Result<Channel> {
    let end = bench.join(id, borrowed)?;
    let plug = if opening { Some(plug::put_in(borrowed, &bench.buffer)?) } else { None };
    Ok(Channel::new(tools, id, end, plug, true))
}

impl Natives {
    /// `None`: it waits.
    pub(super) fn connect(
        &mut self,
        tools: &Tools<'_>,
        ticket: Ticket,
        id: SocketId,
        address: SockAddr,
        until: Instant,
        borrowed: Option<BorrowedFd<'_>>,
    ) -> Option<Result<()>> {
        let Some(known) = self.known.get(&id) else { return Some(Err(Errno::EBADF.into())) };
        let stream = known.kind == SOCK_STREAM;
        let untouched = matches!(known.part, Part::Plain);
        if (untouched || !stream) && is_own(tools.host, address) {
            // A listener, or whom datagrams go to, that has just been closed must not answer.
            self.sweep(tools);
        }
        if !stream {
            return Some(self.connect_datagrams(tools, id, address, borrowed));
        }
        let result = tools.host.call_on(id, |stack| stack.connect(id, address));
        // The handshake has begun, or goes on after a call that was interrupted while nobody had touched the descriptor.
        let begun = matches!(&result, Err(error) if error.errno() == Errno::EINPROGRESS);
        let stands = result.is_ok() && address != SockAddr::Unspec;
        if !untouched || !(begun || stands) {
            return Some(result);
        }
        let Some(borrowed) = borrowed else { return Some(Err(Errno::EBADF.into())) };
        let part = if begun && until > tools.now {
            Connecting::new(ticket, until, address, borrowed).map(Part::Connecting)
        } else {
            join(tools, &mut self.bench, id, borrowed, begun).map(Part::Channel)
        };
        match part {
            Ok(part) => {
                let waits = matches!(part, Part::Connecting(_));
                if waits {
                    self.timed.insert(id);
                }
                if let Some(known) = self.known.get_mut(&id) {
                    known.part = part;
                }
                // On the loopback it may stand already.
                self.early = self.news(tools);
                self.woken(tools, id);
                (!waits).then_some(result)
            }
            Err(error) => {
                // The descriptor could not be joined; the handshake is taken back (connect with AF_UNSPEC).
                let _ = tools.host.call_on(id, |stack| stack.connect(id, SockAddr::Unspec));
                Some(Err(error))
            }
        }
    }

    /// An AF_UNIX socket that was connected once can't be connected again.
    pub(super) fn must_be_replaced(&self, id: SocketId, nonblocking: bool) -> bool {
        nonblocking
            && self
                .known
                .get(&id)
                .is_some_and(|known| matches!(known.part, Part::Failed { .. } | Part::Failing(_)))
    }

    /// A further connect(2) after one that has failed: the descriptor that takes the program's place, connected as it were not
    /// blocking. An error if the stack has one, of this attempt or of the last.
    pub(super) fn connect_anew(
        &mut self,
        tools: &Tools<'_>,
        id: SocketId,
        address: SockAddr,
    ) -> Result<OwnedFd> {
        let known = self.known.get_mut(&id).ok_or(Errno::EBADF)?;
        match tools.host.call_on(id, |stack| stack.connect(id, address)) {
            Err(error) if error.errno() == Errno::EINPROGRESS => {}
            Err(error) => return Err(error),
            Ok(()) => return Err(Errno::EISCONN.into()),
        }
        let (fd, end) = descriptor::socketpair(SOCK_STREAM | SOCK_NONBLOCK)?;
        // The old end has gone, and its name with it, if it had this one.
        unix::bind(end.as_fd(), Place::Abstract(&self.bench.name(&Name::Connection(id))))?;
        bench::size_as(tools.host, id, fd.as_fd(), SO_SNDBUF);
        inodes::tell(tools, id, fd.as_fd());
        let plug = plug::put_in(fd.as_fd(), &self.bench.buffer)?;
        known.part = Part::Channel(Channel::new(tools, id, end, Some(plug), false));
        self.woken(tools, id);
        Ok(fd)
    }

    /// connect(2) of a datagram socket: done at once.
    fn connect_datagrams(
        &mut self,
        tools: &Tools<'_>,
        id: SocketId,
        address: SockAddr,
        borrowed: Option<BorrowedFd<'_>>,
    ) -> Result<()> {
        self.pump(tools, id);
        tools.host.call_on(id, |stack| stack.connect(id, address))?;
        let (Some(Known { domain, protocol, part: Part::Datagrams(datagrams), .. }), Some(borrowed)) =
            (self.known.get_mut(&id), borrowed)
        else {
            return Err(Errno::EBADF.into());
        };
        match (address == SockAddr::Unspec, datagrams.is_joined()) {
            _ if sends_without_address(*domain, *protocol) => Ok(()),
            (true, true) => datagrams.part(borrowed),
            (false, false) => datagrams.join(tools, &self.bench, id, borrowed),
            _ => Ok(()),
        }
    }

    /// The request is given up: it is answered EINTR (by [`Natives::finished`]), unless it has ended already.
    pub(in crate::daemon) fn cancel(&mut self, tools: &Tools<'_>, ticket: Ticket) {
        let found = self.known.iter().find_map(|(id, known)| match &known.part {
            Part::Connecting(connecting) if connecting.ticket == ticket => Some(*id),
            _ => None,
        });
        if let Some(id) = found {
            self.leave_connect(tools, id, Errno::EINTR.into());
        }
    }

    /// A blocking connect(2) ends before its connection stands.
    pub(super) fn leave_connect(&mut self, tools: &Tools<'_>, id: SocketId, error: Error) {
        let Some(known) = self.known.get_mut(&id) else { return };
        let Part::Connecting(connecting) = &known.part else { return };
        let ticket = connecting.ticket;
        match connecting.leave(tools, &mut self.bench, id) {
            Ok(channel) => known.part = Part::Channel(channel),
            Err(_) => {
                known.part = Part::Plain;
                let _ = tools.host.call_on(id, |stack| stack.connect(id, SockAddr::Unspec));
            }
        }
        self.finished.push_back((ticket, Err(error)));
        self.woken(tools, id);
    }
}

/// An address that may be the host's own.
fn is_own(host: &Host, address: SockAddr) -> bool {
    let ip = match address {
        SockAddr::V4(address) => IpAddr::V4(*address.ip()),
        SockAddr::V6(address) => IpAddr::V6(*address.ip()).to_canonical(),
        _ => return false,
    };
    ip.is_loopback()
        || ip.is_unspecified()
        || host
            .interfaces()
            .iter()
            .any(|interface| interface.addresses.iter().any(|cidr| cidr.address() == ip))
}
