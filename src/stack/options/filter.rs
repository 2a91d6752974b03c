//! SO_ATTACH_FILTER, SO_DETACH_FILTER, SO_LOCK_FILTER: socket(7).
//!
//! A struct sock_fprog points into its program's memory, which is not ours to read: the value here is what it points to, the
//! instructions of 8 bytes each (struct sock_filter). The filter acts where the socket's datagrams or frames are queued, and TCP's where
//! segments come in: [`Entry::admits`](crate::stack::table::Entry::admits).

use super::calls::{unknown, wrong_length};
use crate::base::constants::{SO_ATTACH_FILTER, SO_DETACH_FILTER, SO_LOCK_FILTER};
use crate::base::{Errno, Error, Reason, Result, SocketId};
use crate::stack::Stack;
use crate::stack::table::Part;
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
}
