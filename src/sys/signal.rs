//! signal(7): being told of Ctrl-C, and that a reader is gone.

use std::io;
use std::os::fd::{AsFd, IntoRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};

/// Where the handler writes to.
static BELL: AtomicI32 = AtomicI32::new(-1);

/// Waits for SIGINT, SIGTERM or SIGHUP.
#[derive(Debug)]
pub(crate) struct Interrupts(OwnedFd);

/// From now on SIGINT, SIGTERM and SIGHUP don't end the process, but are told to whoever waits. Children that are started later
/// have the usual handling.
pub(crate) fn interrupts() -> io::Result<Interrupts> {
    let (told, bell) = super::descriptor::socketpair(libc::SOCK_STREAM)?;
    // Stays open for the process's life: the handler has no other place to find it.
    BELL.store(bell.into_raw_fd(), Ordering::Relaxed);
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: the handler is a plain function that calls nothing but write(2), which signal-safety(7) allows.
        let before = unsafe { libc::signal(signal, ring as *const () as libc::sighandler_t) };
        if before == libc::SIG_ERR {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(Interrupts(told))
}

extern "C" fn ring(signal: libc::c_int) {
    let byte = signal as u8;
    // SAFETY: errno is this thread's own; the pointer is valid for one byte. errno is given back as it was, for the code that
    // was interrupted.
    unsafe {
        let errno = *libc::__errno_location();
        libc::write(BELL.load(Ordering::Relaxed), std::ptr::from_ref(&byte).cast(), 1);
        *libc::__errno_location() = errno;
    }
}

impl From<Interrupts> for OwnedFd {
    /// A descriptor that is readable once a signal has come.
    fn from(interrupts: Interrupts) -> Self {
        interrupts.0
    }
}

/// kill(2) with SIGTERM. Of a child that was not waited for, the number is nobody else's.
pub(crate) fn terminate(child: u32) {
    if let Ok(pid) = libc::pid_t::try_from(child) {
        // SAFETY: takes no pointers.
        unsafe { libc::kill(pid, libc::SIGTERM) };
    }
}

impl Interrupts {
    /// The number of the next signal. Waits for it.
    pub(crate) fn next(&self) -> io::Result<i32> {
        let mut signal = [0];
        loop {
            match super::descriptor::read(self.0.as_fd(), &mut signal) {
                Ok(_) => return Ok(i32::from(signal[0])),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}
