//! One call of the program that has stopped in the kernel, and what becomes of it.
//!
//! Its thread may be gone by now, and other threads may change the memory that the call points to: everything is read once,
//! checked, bounded; nothing that fails here concerns anybody but this call.

use std::os::fd::{AsFd, OwnedFd, RawFd};

use crate::base::{Errno, Result, SocketId};
use crate::sys::seccomp::Notification;
use crate::sys::{pidfd, seccomp};

/// A stopped call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trap {
    /// Where it was told: who knows whether the thread is still there.
    listener: RawFd,
    /// The notification's number.
    pub(crate) id: u64,
    /// The thread that calls.
    pub(crate) tid: i32,
    /// The call's number, SYS_*.
    pub(crate) call: i64,
    pub(crate) args: [u64; 6],
}

/// What becomes of a stopped call.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It returns this.
    Return(i64),
    /// It fails.
    Fail(Errno),
    /// The kernel does it: it is not about one of our sockets, or the kernel does it right.
    Native,
    /// It returns a new descriptor, in the place of `at` where that is given.
    Give { fd: OwnedFd, close_on_exec: bool, at: Option<RawFd> },
    /// Not yet: it was left with `Guest::wait`.
    Later,
    /// A signal came: the call is begun again or ends with EINTR, as SA_RESTART says (-ERESTARTSYS).
    Restart,
}

impl<T: Into<i64>> From<Result<T>> for Verdict {
    fn from(result: Result<T>) -> Self {
        match result {
            Ok(value) => Self::Return(value.into()),
            Err(error) => Self::Fail(error.errno()),
        }
    }
}

/// The most that one call reads from or writes to the program's memory, in bytes.
pub(super) const MOST: usize = 96 * 1024;

impl Trap {
    pub(super) fn new(listener: RawFd, told: &Notification) -> Self {
        Self { listener, id: told.id, tid: told.tid, call: told.call, args: told.args }
    }

    /// Argument `n` as an int.
    pub(crate) fn int(&self, n: usize) -> i32 {
        self.args.get(n).map_or(0, |arg| *arg as i32)
    }

    /// Argument `n` as an address in the program's memory.
    pub(crate) fn pointer(&self, n: usize) -> u64 {
        self.args.get(n).copied().unwrap_or(0)
    }

    /// `len` bytes of the program's memory. EFAULT; EINVAL beyond what a call may have.
    pub(crate) fn read(&self, address: u64, len: usize) -> Result<Vec<u8>> {
        if len > MOST {
            return Err(Errno::EINVAL.into());
        }
        let mut bytes = vec![0; len];
        if len > 0 {
            pidfd::read_memory(self.tid, address, &mut bytes).map_err(|_| Errno::EFAULT)?;
            self.is_there()?;
        }
        Ok(bytes)
    }

    /// Writes to the program's memory. EFAULT.
    pub(crate) fn write(&self, address: u64, bytes: &[u8]) -> Result<()> {
        if !bytes.is_empty() {
            self.is_there()?;
            pidfd::write_memory(self.tid, address, bytes).map_err(|_| Errno::EFAULT)?;
        }
        Ok(())
    }

    /// A copy of the program's descriptor. EBADF; EPERM if the program has made itself untouchable (PR_SET_DUMPABLE).
    pub(crate) fn borrow(&self, fd: RawFd) -> Result<OwnedFd> {
        if fd < 0 {
            return Err(Errno::EBADF.into());
        }
        let thread = pidfd::open_thread(self.tid)?;
        self.is_there()?;
        Ok(pidfd::borrow(thread.as_fd(), fd)?)
    }

    /// The thread has not ended: its number is not another's by now. ESRCH.
    pub(super) fn is_there(&self) -> Result<()> {
        if seccomp::is_waiting(self.listener, self.id) { Ok(()) } else { Err(Errno::ESRCH.into()) }
    }
}

/// A descriptor of the program that is one of our sockets.
#[derive(Debug)]
pub(crate) struct Borrowed {
    pub(crate) fd: OwnedFd,
    pub(crate) socket: SocketId,
    /// SOCK_STREAM or SOCK_DGRAM: of the AF_UNIX socket (raw and packet sockets are SOCK_DGRAM here).
    pub(crate) kind: i32,
    /// O_NONBLOCK.
    pub(crate) nonblocking: bool,
}
