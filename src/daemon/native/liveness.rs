//! Descriptors without a channel: are they still there?
//!
//! AF_UNIX tells nobody when a socket is closed that is not connected. But its name can't be bound while it lives: EADDRINUSE.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use crate::sys::unix::{self, Place};

/// Looks whether names are taken.
#[derive(Debug, Default)]
pub(super) struct Prober {
    /// By type (names of different types don't meet): a socket that has not got a name yet.
    spare: HashMap<i32, OwnedFd>,
}

impl Prober {
    /// True while an AF_UNIX socket of this type (SOCK_*) has this abstract name; also if that can't be found out.
    pub(super) fn is_alive(&mut self, kind: i32, name: &[u8]) -> bool {
        let probe = match self.spare.remove(&kind) {
            Some(probe) => probe,
            None => match unix::socket(kind) {
                Ok(probe) => probe,
                Err(_) => return true,
            },
        };
        match unix::bind(probe.as_fd(), Place::Abstract(name)) {
            // It has the name now, and gives it back by its end.
            Ok(()) => false,
            Err(error) => {
                let taken = error.kind() == io::ErrorKind::AddrInUse;
                if taken {
                    self.spare.insert(kind, probe);
                }
                true
            }
        }
    }
}
