//! ioctl_tty(2): how wide a terminal is.

use std::os::fd::{AsRawFd, BorrowedFd};

/// The terminal's width in characters; `None` if the descriptor is no terminal, or does not know.
pub(crate) fn width(fd: BorrowedFd<'_>) -> Option<usize> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCGWINSZ writes a struct winsize.
    let done = unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) };
    (done == 0 && size.ws_col > 0).then_some(usize::from(size.ws_col))
}
