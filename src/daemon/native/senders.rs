//! The senders of datagrams: sockets whose names say what is known of a datagram beside its payload.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::bench::Bench;
use crate::base::SocketId;
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
    /// Who received from it first, and whether others did too.
    receiver: SocketId,
    shared: bool,
}

/// Kept at most.
const MOST: usize = 256;

impl Senders {
    /// The socket of this name, to send to the descriptor of `receiver`.
    pub(super) fn get(
        &mut self,
        bench: &Bench,
        sender: Sender,
        receiver: SocketId,
    ) -> io::Result<BorrowedFd<'_>> {
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
            self.by_name.insert(bytes.clone(), Used { fd, at: 0, receiver, shared: false });
        }
        let used = self.by_name.get_mut(&bytes).ok_or(io::ErrorKind::NotFound)?;
        used.at = self.clock;
        used.shared |= used.receiver != receiver;
        Ok(used.fd.as_fd())
    }

    /// The socket of this name has no room though its receiver has: a sender's unread datagrams count together, whoever it is that
    /// does not read. If others received from it, the next one of this name has room of its own (`true`).
    pub(super) fn renew(&mut self, bench: &Bench, sender: &Sender) -> bool {
        let name = bench.name(&Name::Datagram(sender.clone()));
        let shared = self.by_name.get(&name).is_some_and(|used| used.shared);
        // What it has sent keeps its name until it is read.
        shared && self.by_name.remove(&name).is_some()
    }
}
