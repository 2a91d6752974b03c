//! One thread of another process.

use std::io;

/// tkill(2) with SIGPIPE: what the kernel does to a thread that writes where nobody reads.
pub(crate) fn raise_sigpipe(tid: i32) -> io::Result<()> {
    // SAFETY: takes no pointers.
    let result = unsafe { libc::syscall(libc::SYS_tkill, tid, libc::SIGPIPE) };
    super::count(result as libc::ssize_t).map(drop)
}
