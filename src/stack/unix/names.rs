//! Who has which name.

use std::collections::HashMap;

use super::{Entry, Stack};
use crate::base::{Errno, Reason, Result, SockAddr, SocketId, UnixAddr};

/// What the AF_UNIX sockets of a host share.
#[derive(Debug, Default)]
pub(in crate::stack) struct Space {
    names: HashMap<(i32, UnixAddr), SocketId>,
    /// Messages so far: each has its number.
    pub(super) messages: u64,
    /// Sockets under way in messages, each as often as it is.
    pub(super) in_flight: usize,
    /// Sockets that nobody has any more, to be ended before the verb is.
    pub(super) doomed: Vec<SocketId>,
    /// A socket without a handle is under way: perhaps nobody can get at it.
    pub(super) suspects: bool,
}

/// Abstract names are those of a type of sockets (unix_abstract_hash); a path is one for all.
fn key(name: UnixAddr, kind: i32) -> (i32, UnixAddr) {
    (if name.as_pathname().is_some() { 0 } else { kind }, name)
}

/// unix_validate_addr: a name of this family. EINVAL.
pub(super) fn valid(address: SockAddr) -> Result<UnixAddr> {
    match address {
        SockAddr::Unix(name) if !name.is_unnamed() => Ok(name),
        _ => Err(Errno::EINVAL.because(Reason::WrongFamily)),
    }
}

impl Space {
    /// The end of a socket with this name. (What came out of accept(2) bears its listener's.)
    pub(super) fn free(&mut self, name: UnixAddr, kind: i32, id: SocketId) {
        if self.names.get(&key(name, kind)) == Some(&id) {
            self.names.remove(&key(name, kind));
        }
    }
}

impl Stack {
    /// unix_bind.
    pub(super) fn unix_bind(&mut self, id: SocketId, address: SockAddr) -> Result<()> {
        if address == SockAddr::Unix(UnixAddr::UNNAMED) {
            return self.unix_autobind(id);
        }
        let name = valid(address)?;
        let entry = self.sockets.get(id)?;
        let bound = entry.unix()?.name.is_some();
        let taken = self.unix.names.contains_key(&key(name, entry.kind));
        // unix_bind_bsd makes the file before it looks whether the socket has a name; unix_bind_abstract looks first.
        if taken && (!bound || name.as_pathname().is_some()) {
            return Err(Errno::EADDRINUSE.because(Reason::AddressInUse));
        }
        if bound {
            return Err(Errno::EINVAL.because(Reason::AlreadyBound));
        }
        self.unix_take_name(id, name)
    }

    fn unix_take_name(&mut self, id: SocketId, name: UnixAddr) -> Result<()> {
        let entry = self.sockets.get_mut(id)?;
        self.unix.names.insert(key(name, entry.kind), id);
        entry.unix_mut()?.name = Some(name);
        Ok(())
    }

    /// unix_autobind: an abstract name of five hexadecimal digits. ENOSPC if all are taken.
    pub(super) fn unix_autobind(&mut self, id: SocketId) -> Result<()> {
        const ALL: u64 = 0xf_ffff;
        let entry = self.sockets.get(id)?;
        if entry.unix()?.name.is_some() {
            return Ok(());
        }
        let (kind, first) = (entry.kind, self.net.random());
        for number in 0..=ALL {
            let number = first.wrapping_add(number) & ALL;
            let name = UnixAddr::from_abstract_name(format!("{number:05x}"))?;
            if !self.unix.names.contains_key(&key(name, kind)) {
                return self.unix_take_name(id, name);
            }
        }
        Err(Errno::ENOSPC.because(Reason::AddressInUse))
    }

    /// unix_find_other: the socket of this name. ENOENT (a path), ECONNREFUSED, EPROTOTYPE.
    pub(super) fn unix_find(&self, name: UnixAddr, kind: i32) -> Result<SocketId> {
        let missing = match name.as_pathname() {
            Some(_) => Errno::ENOENT,
            None => Errno::ECONNREFUSED,
        };
        let found = self.unix.names.get(&key(name, kind));
        let found = *found.ok_or_else(|| missing.because(Reason::UnixNoSocket))?;
        match self.sockets.get(found) {
            Ok(entry) if entry.kind == kind => Ok(found),
            _ => Err(Errno::EPROTOTYPE.because(Reason::UnixWrongType)),
        }
    }

    /// SO_PASSCRED: who tells who he is has a name. (maybe_autobind)
    pub(super) fn unix_autobind_if_passing(&mut self, id: SocketId) -> Result<()> {
        let entry: &Entry = self.sockets.get(id)?;
        if entry.options.pass_credentials { self.unix_autobind(id) } else { Ok(()) }
    }
}
