//! sock_diag(7) for AF_UNIX: what the kernel knows of the other end of a socket.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use super::descriptor;
use crate::base::netlink::{Draft, messages};

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const UDIAG_SHOW_PEER: u32 = 4;
const UNIX_DIAG_PEER: u16 = 2;
/// sizeof(struct unix_diag_msg).
const MESSAGE: usize = 16;

/// A socket to ask with. It asks in the network namespace in which it was made.
#[derive(Debug)]
pub(crate) struct UnixDiag(OwnedFd);

impl UnixDiag {
    pub(crate) fn new() -> io::Result<Self> {
        descriptor::socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_SOCK_DIAG).map(Self)
    }

    /// The inode of the file at the other end of the connected socket with this one; `None` while nobody has accepted it.
    pub(crate) fn peer(&self, inode: u32) -> io::Result<Option<u32>> {
        // struct unix_diag_req: family, protocol, pad, states, inode, what to show, cookie (all bits = any).
        let mut head = vec![libc::AF_UNIX as u8, 0, 0, 0];
        for word in [u32::MAX, inode, UDIAG_SHOW_PEER, u32::MAX, u32::MAX] {
            head.extend(word.to_ne_bytes());
        }
        let request = Draft::new(SOCK_DIAG_BY_FAMILY, &head).finish(libc::NLM_F_REQUEST as u16, 0, 0);
        descriptor::send(self.0.as_fd(), &request, 0)?;
        // The kernel has answered before send(2) returns.
        let mut answer = [0; 1024];
        let n = descriptor::recv(self.0.as_fd(), &mut answer, libc::MSG_DONTWAIT)?;
        let Some(answer) = messages(answer.get(..n).unwrap_or_default()).next() else { return Ok(None) };
        if i32::from(answer.kind) == libc::NLMSG_ERROR {
            return Err(io::Error::from_raw_os_error((answer.word(0) as i32).wrapping_neg()));
        }
        let peer = answer.number(MESSAGE, UNIX_DIAG_PEER).ok().flatten();
        Ok(peer.filter(|inode| *inode != 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_find_each_other() {
        let (a, b) = descriptor::socketpair(libc::SOCK_STREAM).unwrap();
        let [a, b] = [&a, &b].map(|fd| descriptor::inode(fd.as_fd()).unwrap());
        let diag = match UnixDiag::new() {
            // A kernel without CONFIG_UNIX_DIAG.
            Err(error) if error.raw_os_error() == Some(libc::EPROTONOSUPPORT) => return,
            diag => diag.unwrap(),
        };
        assert_eq!((diag.peer(a).unwrap(), diag.peer(b).unwrap()), (Some(b), Some(a)));
        assert!(diag.peer(0).is_err());
    }
}
