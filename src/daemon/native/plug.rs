//! A plug: a descriptor that is connected before its connection stands must not look writable (SYN_SENT), so its way to the host
//! is filled with junk. Taken out, the descriptor becomes writable: an edge for EPOLLET, as the kernel's sockets give it.

use std::io;
use std::os::fd::BorrowedFd;

use crate::base::constants::MSG_DONTWAIT;
use crate::sys::descriptor;

/// Junk at most: twice what SO_SNDBUFFORCE may reasonably have allowed. A descriptor that takes more looks writable then.
const MOST: usize = 64 << 20;
/// Bytes of junk at once.
const PIECE: usize = 64 * 1024;

/// Fills a borrowed descriptor until it takes no more. Returns how many bytes went in.
pub(super) fn put_in(borrowed: BorrowedFd<'_>, buffer: &[u8]) -> io::Result<usize> {
    let mut junk = 0;
    // unix_stream_sendmsg takes a message while there is any room at all, so that one byte does not get in behind it.
    let piece = buffer.get(..PIECE).unwrap_or(buffer);
    while junk < MOST && !piece.is_empty() {
        match descriptor::send(borrowed, piece, MSG_DONTWAIT) {
            Ok(n) => junk += n,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(junk)
}

/// Takes so many bytes out at the host's end. Returns how many are still in.
pub(super) fn pull_out(end: BorrowedFd<'_>, mut junk: usize, buffer: &mut [u8]) -> usize {
    while junk > 0 {
        let len = junk.min(buffer.len());
        let Some(room) = buffer.get_mut(..len) else { break };
        match descriptor::recv(end, room, MSG_DONTWAIT) {
            Ok(0) => break,
            Ok(n) => junk -= n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    junk
}
