//! SO_ATTACH_FILTER, SO_DETACH_FILTER, SO_LOCK_FILTER, SO_ATTACH_REUSEPORT_CBPF: socket(7).
//!
//! A struct sock_fprog points into its program's memory, which is not ours to read: the value here is what it points to, the
//! instructions of 8 bytes each (struct sock_filter). The filter acts where the socket's datagrams or frames are queued, and TCP's where
//! segments come in: [`Entry::admits`](crate::stack::table::Entry::admits).

use super::calls::{out_of_range, unknown, wrong_length};
use crate::base::constants::{SO_ATTACH_FILTER, SO_DETACH_FILTER, SO_LOCK_FILTER};
use crate::base::{Errno, Error, Reason, Result, SocketId};
use crate::stack::Stack;
use crate::stack::table::{Entry, Part};
use crate::wire::filter::Program;

fn locked() -> Error {
    Errno::EPERM.because(Reason::FilterLocked)
}

impl Stack {
    /// SO_GET_FILTER is another name of SO_ATTACH_FILTER: the instructions' bytes. EINVAL if there is some room, but too little.
    pub(super) fn get_filter(&self, id: SocketId, name: i32, len: usize) -> Result<Vec<u8>> {
        let entry = self.sockets.get(id)?;
        match name {
            SO_LOCK_FILTER => Ok(i32::from(entry.options.filter_locked).to_ne_bytes().to_vec()),
            SO_ATTACH_FILTER => {
                let bytes = entry.filter.as_ref().map(Program::to_bytes).unwrap_or_default();
                if len != 0 && len < bytes.len() { Err(wrong_length()) } else { Ok(bytes) }
            }
            _ => Err(unknown()),
        }
    }

    pub(super) fn set_filter(&mut self, id: SocketId, name: i32, value: &[u8]) -> Result<()> {
        let entry = self.sockets.get_mut(id)?;
        let on = value.iter().take(4).any(|byte| *byte != 0);
        match name {
            // sk_setsockopt: what is locked stays locked.
            SO_LOCK_FILTER if entry.options.filter_locked && !on => return Err(locked()),
            SO_LOCK_FILTER => entry.options.filter_locked = on,
            SO_ATTACH_FILTER => {
                if value.is_empty() || !value.len().is_multiple_of(8) {
                    return Err(wrong_length());
                }
                // sk_attach_filter: the lock is asked before the program is looked at.
                if entry.options.filter_locked {
                    return Err(locked());
                }
                entry.filter = Some(Program::from_bytes(value)?);
                if matches!(entry.protocol_part, Part::Tcp(_)) {
                    self.tcp.filtered = true;
                }
            }
            SO_DETACH_FILTER if entry.options.filter_locked => return Err(locked()),
            SO_DETACH_FILTER => {
                entry.filter.take().ok_or(Errno::ENOENT.because(Reason::NoFilter))?;
            }
            _ => return Err(unknown()),
        }
        Ok(())
    }

    /// SO_ATTACH_REUSEPORT_CBPF: the program says which of those who share the port gets a datagram or a connection
    /// (reuseport_attach_prog). It is the group's.
    pub(super) fn attach_balance(&mut self, id: SocketId, value: &[u8]) -> Result<()> {
        if value.is_empty() || !value.len().is_multiple_of(8) {
            return Err(wrong_length());
        }
        let program = Program::from_bytes(value)?;
        if !self.sockets.get(id)?.options.reuse_port {
            return Err(out_of_range());
        }
        for member in self.reuseport_group(id) {
            self.sockets.get_mut(member)?.balance = Some(program.clone());
        }
        Ok(())
    }

    /// SO_DETACH_REUSEPORT_BPF.
    pub(super) fn detach_balance(&mut self, id: SocketId) -> Result<()> {
        let entry = self.sockets.get(id)?;
        if !entry.options.reuse_port {
            return Err(out_of_range());
        }
        if entry.balance.is_none() {
            return Err(Errno::ENOENT.because(Reason::NoFilter));
        }
        for member in self.reuseport_group(id) {
            self.sockets.get_mut(member)?.balance = None;
        }
        Ok(())
    }

    /// Those with whom a socket shares its port by SO_REUSEPORT, itself included.
    fn reuseport_group(&self, id: SocketId) -> Vec<SocketId> {
        let Ok(own) = self.sockets.get(id) else { return Vec::new() };
        let shares = |other: &Entry| own.claim.is_some() && other.in_group_of(own);
        self.sockets.iter().filter(|(other, entry)| *other == id || shares(entry)).map(|(id, _)| id).collect()
    }

    /// A socket has got its port: the group that it has come into may have a program.
    pub(in crate::stack) fn join_balance(&mut self, id: SocketId) {
        let Ok(own) = self.sockets.get(id) else { return };
        if !own.options.reuse_port || own.balance.is_some() {
            return;
        }
        let others = self.sockets.iter().filter(|(other, entry)| *other != id && entry.in_group_of(own));
        let balance = others.filter_map(|(_, entry)| entry.balance.clone()).next();
        if let Ok(own) = self.sockets.get_mut(id) {
            own.balance = balance;
        }
    }
}

impl Entry {
    /// reuseport_add_sock: same protocol, port, address, device and user.
    fn in_group_of(&self, other: &Self) -> bool {
        let key = |entry: &Self| {
            let claim = entry.claim?;
            Some((claim.space, claim.port, claim.binding.address, claim.binding.device, entry.uid))
        };
        self.options.reuse_port && key(self).is_some() && key(self) == key(other)
    }
}
