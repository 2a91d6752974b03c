//! A process that goes on by itself, without the one that started it: daemon(7).

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The program will be nobody's child, in a session without a terminal, with no descriptors but the standard ones. What
/// [`Command::spawn`] gives is the process between, which ends at once.
pub(crate) fn detach(command: &mut Command) {
    // SAFETY: between fork and exec only setsid(2), fork(2), _exit(2) and close_range(2) are called, all of them plain system calls;
    // the process has one thread, and nothing is allocated (an io::Error of a number does not).
    unsafe {
        command.pre_exec(|| {
            super::check(libc::setsid())?;
            // Not the leader of its session: it never gets a terminal by opening one.
            if super::check(libc::fork())? > 0 {
                libc::_exit(0);
            }
            // Descriptors that somebody left open to programs: not this one's. Before Linux 5.11 they stay.
            let flags = libc::CLOSE_RANGE_CLOEXEC;
            libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, flags);
            Ok(())
        });
    }
}

/// Standard input, output and error lead nowhere from now on.
pub(crate) fn close_standard() -> io::Result<()> {
    let null = File::options().read(true).write(true).open("/dev/null")?;
    for fd in 0..3 as RawFd {
        // SAFETY: takes no pointers. Nobody owns the standard descriptors' numbers but the process.
        super::check(unsafe { libc::dup2(null.as_raw_fd(), fd) })?;
    }
    Ok(())
}

/// RLIMIT_NOFILE as high as this process may have it; at most `most`. Gives what it is now.
pub(crate) fn raise_descriptor_limit(most: u64) -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` may be written.
    super::check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) })?;
    let higher = libc::rlimit { rlim_cur: most, rlim_max: limit.rlim_max.max(most) };
    // SAFETY: `higher` may be read. EPERM without CAP_SYS_RESOURCE, if it is more than the hard limit.
    if super::check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const higher) }).is_ok() {
        return Ok(most);
    }
    let wanted = limit.rlim_max.min(most).max(limit.rlim_cur);
    let limit = libc::rlimit { rlim_cur: wanted, rlim_max: limit.rlim_max };
    // SAFETY: `limit` may be read.
    super::check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) })?;
    Ok(wanted)
}
