//! The senders of datagrams: sockets whose names say what is known of a datagram beside its payload.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::bench::Bench;
use crate::base::constants::SOCK_DGRAM;
use crate::socket::remote::{Name, Sender};

/// Those that were used of late: making one costs as much as sending with it.
#[derive(Debug, Default)]
pub(super) struct Senders {
    by_name: HashMap<Vec<u8>, Used>,
    clock: u64,
}

#[derive(Debug)]
struct Used {
    fd: OwnedFd,
    at: u64,
}

/// Kept at most.
const MOST: usize = 256;

impl Senders {
    /// The socket of this name.
    pub(super) fn get(&mut self, bench: &Bench, sender: Sender) -> io::Result<BorrowedFd<'_>> {
        let name = Name::Datagram(sender);
        let bytes = bench.name(&name);
        self.clock += 1;
        if !self.by_name.contains_key(&bytes) {
            if self.by_name.len() >= MOST
                && let Some(oldest) =
                    self.by_name.iter().min_by_key(|(_, used)| used.at).map(|(n, _)| n.clone())
            {
                self.by_name.remove(&oldest);
            }
            let fd = bench.socket(SOCK_DGRAM, &name)?;
            self.by_name.insert(bytes.clone(), Used { fd, at: 0 });
        }
        let used = self.by_name.get_mut(&bytes).ok_or(io::ErrorKind::NotFound)?;
        used.at = self.clock;
        Ok(used.fd.as_fd())
    }
}
