//! Errands of the host: descriptors of the programs that are to be given a byte.
//!
//! A connection was reset; for the program to hear of it as of a reset, something that it sent must be unread when the host lets
//! go (daemon/native/errands.rs). Only an ancestor of the program may borrow its descriptors for that.

use std::collections::HashSet;
use std::os::fd::AsFd;

use super::supervisor::Guest;
use crate::base::SocketId;
use crate::base::constants::MSG_DONTWAIT;
use crate::base::verb::Answer;
use crate::socket::remote::{Ask, Native, Reply, Response, names};
use crate::sys::{descriptor, pidfd};

/// Processes that are looked through at most, and descriptors.
const PROCESSES: usize = 4096;
const DESCRIPTORS: usize = 65_536;

impl Guest {
    /// Tells the host of which sockets descriptors were found, and waits for its next errands.
    pub(super) fn wait_for_errands(&mut self, found: Vec<SocketId>) {
        self.errands = self.start(Ask::Native(Native::Errands { found }), &[]).ok();
    }

    /// Does what the host asks for.
    pub(super) fn run_errands(&mut self, response: Response) {
        self.errands = None;
        // A host that answers anything else has ended, or will be asked no more.
        if let Ok(Reply::Answer(Answer::Errands(wanted))) = response.result {
            let found = self.give_a_byte(wanted.into_iter().collect());
            self.wait_for_errands(found);
        }
    }

    fn give_a_byte(&self, mut wanted: HashSet<SocketId>) -> Vec<SocketId> {
        let (mut seen, mut found) = (HashSet::new(), Vec::new());
        for pid in family() {
            let Ok(process) = pidfd::open_thread(pid) else { continue };
            for (fd, link) in sockets(pid) {
                if wanted.is_empty() || seen.len() > DESCRIPTORS {
                    return found;
                }
                // Copies of one socket (dup, fork) are looked at once.
                if !seen.insert(link) {
                    continue;
                }
                let Ok(fd) = pidfd::borrow(process.as_fd(), fd) else { continue };
                if let Some((nonce, id)) = names::identify(fd.as_fd())
                    && nonce == self.host.facts().nonce
                    && wanted.remove(&id)
                {
                    // With no room for it, something is unread already.
                    let _ = descriptor::send(fd.as_fd(), b"\0", MSG_DONTWAIT);
                    found.push(id);
                }
            }
        }
        found
    }
}

/// The processes below this one.
fn family() -> Vec<i32> {
    let mut all = vec![std::process::id() as i32];
    let mut at = 0;
    while at < all.len() && all.len() < PROCESSES {
        let threads = std::fs::read_dir(format!("/proc/{}/task", all[at])).into_iter().flatten().flatten();
        for thread in threads {
            let children = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            all.extend(children.split_whitespace().filter_map(|pid| pid.parse::<i32>().ok()));
        }
        at += 1;
    }
    all.remove(0);
    all
}

/// The sockets that a process has: the numbers, and what names each socket.
fn sockets(pid: i32) -> impl Iterator<Item = (i32, std::path::PathBuf)> {
    let fds = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    fds.filter_map(|entry| {
        let link = std::fs::read_link(entry.path()).ok()?;
        let number = entry.file_name().to_str()?.parse().ok()?;
        link.to_str()?.starts_with("socket:").then_some((number, link))
    })
}
