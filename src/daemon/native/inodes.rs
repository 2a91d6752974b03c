//! The inodes of programs' descriptors: by them `ss -p` and `netstat -p` find whose a socket is (/proc/PID/fd says "socket:[N]").
//!
//! A descriptor that the host makes is known at once. One that accept(2) makes is the kernel's: it is asked which one is at the other
//! end of the host's, when somebody wants to know.

use std::os::fd::{AsFd, BorrowedFd};

use super::natives::{Natives, Part, Tools};
use crate::base::SocketId;
use crate::sys::descriptor;
use crate::sys::unix_diag::UnixDiag;

/// Tells the stack which file a program has of a socket.
pub(super) fn tell(tools: &Tools<'_>, id: SocketId, fd: BorrowedFd<'_>) {
    if let Ok(inode) = descriptor::inode(fd) {
        tools.host.call(|stack| stack.set_inode(id, inode));
    }
}

impl Natives {
    /// Before sockets are listed: those that the kernel has made get their numbers. A kernel that can't be asked leaves them out.
    pub(super) fn find_inodes(&mut self, tools: &Tools<'_>) {
        let nameless = self.known.iter().filter_map(|(id, known)| match &known.part {
            Part::Channel(channel) if !tools.host.call(|stack| stack.has_inode(*id)) => Some((*id, channel)),
            _ => None,
        });
        let mut nameless = nameless.peekable();
        if nameless.peek().is_none() {
            return;
        }
        let Ok(diag) = UnixDiag::new() else { return };
        for (id, channel) in nameless {
            let peer = descriptor::inode(channel.as_fd()).and_then(|inode| diag.peer(inode));
            if let Ok(Some(inode)) = peer {
                tools.host.call(|stack| stack.set_inode(id, inode));
            }
        }
    }
}
