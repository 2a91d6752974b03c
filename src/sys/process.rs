//! Processes: fork(2), waitpid(2), kill(2), prctl(2), the signals of one as a descriptor.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};

pub(crate) use libc::{SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};

/// What fork(2) says to each of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fork {
    Parent { child: i32 },
    Child,
}

/// fork(2). EBUSY if the process has more than one thread: its copy would have the locks of the others, held for ever.
pub(crate) fn fork() -> io::Result<Fork> {
    if std::fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::from_raw_os_error(libc::EBUSY));
    }
    // SAFETY: there is one thread (looked at just now; only this one could make another), so the copy is whole.
    match super::check(unsafe { libc::fork() })? {
        0 => Ok(Fork::Child),
        child => Ok(Fork::Parent { child }),
    }
}

/// _exit(2): ends the process without its destructors and exit handlers, which are the business of the process it was forked from.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: takes no pointers, does not return.
    unsafe { libc::_exit(code) }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Ended {
    /// With this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// waitpid(2) with WNOHANG: a child that has ended, whichever. `None`: none has.
pub(crate) fn reap() -> Option<(i32, Ended)> {
    let mut status = 0;
    // SAFETY: `status` may be written.
    let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
    if pid <= 0 {
        return None;
    }
    let ended = if libc::WIFSIGNALED(status) {
        Ended::Signal(libc::WTERMSIG(status))
    } else {
        Ended::Code(libc::WEXITSTATUS(status))
    };
    Some((pid, ended))
}

/// kill(2).
pub(crate) fn kill(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: takes no pointers.
    super::check(unsafe { libc::kill(pid, signal) }).map(drop)
}

/// Ends this process by `signal`, without a core of its own; where the signal does not end it, with the code that shells give.
pub(crate) fn end_by(signal: i32) -> ! {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `none` and `set` outlive the calls; the set is made by sigemptyset before it is used.
    unsafe {
        libc::setrlimit(libc::RLIMIT_CORE, &raw const none);
        libc::signal(signal, libc::SIG_DFL);
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, signal);
        libc::sigprocmask(libc::SIG_UNBLOCK, &raw const set, std::ptr::null_mut());
        libc::raise(signal);
        libc::_exit(128 + signal)
    }
}

/// prctl(2) PR_SET_NO_NEW_PRIVS: programs get no more rights by setuid bits.
pub(crate) fn no_new_privileges() -> io::Result<()> {
    // SAFETY: takes no pointers.
    super::check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }).map(drop)
}

/// prctl(2) PR_SET_CHILD_SUBREAPER: descendants whose parents have ended become children of this process.
pub(crate) fn adopt_orphans() -> io::Result<()> {
    // SAFETY: takes no pointers.
    super::check(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }).map(drop)
}

/// prctl(2) PR_SET_NAME: what ps(1) and top(1) call this process.
pub(crate) fn set_name(name: &std::ffi::CStr) {
    // SAFETY: the name ends with NUL; the kernel copies 15 bytes of it at most.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
}

/// setsid(2): no terminal's signals any more.
pub(crate) fn new_session() -> io::Result<()> {
    // SAFETY: takes nothing.
    super::check(unsafe { libc::setsid() }).map(drop)
}

/// setpriority(2) of this process. EACCES for less than it has, without CAP_SYS_NICE.
pub(crate) fn set_nice(nice: i32) -> io::Result<()> {
    // SAFETY: takes no pointers.
    super::check(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) }).map(drop)
}

/// setitimer(2): while it exists, a call that blocks ends with EINTR after that time, again and again.
#[derive(Debug)]
pub(crate) struct Alarm(());

impl Alarm {
    pub(crate) fn set(time: std::time::Duration) -> io::Result<Self> {
        extern "C" fn nothing(_: libc::c_int) {}
        // SAFETY: all zeros are a valid sigaction: no flags (calls are not begun again), an empty mask. The handler does nothing.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = nothing as *const () as libc::sighandler_t;
            super::check(libc::sigaction(libc::SIGALRM, &raw const action, std::ptr::null_mut()))?;
        }
        timer(time).map(|()| Self(()))
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        // Zero takes every timer back; that can't fail.
        let _ = timer(std::time::Duration::ZERO);
    }
}

/// SIGALRM after `time`, and every `time` from then on; never for zero.
fn timer(time: std::time::Duration) -> io::Result<()> {
    let time = libc::timeval {
        tv_sec: time.as_secs() as libc::time_t,
        tv_usec: libc::suseconds_t::from(time.subsec_micros()),
    };
    let timer = libc::itimerval { it_interval: time, it_value: time };
    // SAFETY: `timer` outlives the call.
    super::check(unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()) })
        .map(drop)
}

/// Signals of this process that come by a descriptor, and the mask that was before.
pub(crate) struct Signals {
    fd: OwnedFd,
    before: libc::sigset_t,
}

impl std::fmt::Debug for Signals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signals").field("fd", &self.fd).finish_non_exhaustive()
    }
}

/// A signal that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Signal {
    pub(crate) number: i32,
    /// The kernel itself sent it: for a key of the terminal, to its whole foreground group.
    pub(crate) from_kernel: bool,
}

impl Signals {
    /// Blocks these signals; they come by the descriptor from now on: signalfd(2), not blocking. For a process of one thread.
    pub(crate) fn take(signals: &[i32]) -> io::Result<Self> {
        // SAFETY: the sets are made by sigemptyset or the kernel before they are used, and outlive the calls.
        unsafe {
            let mut set: libc::sigset_t = std::mem::zeroed();
            let mut before: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&raw mut set);
            for signal in signals {
                libc::sigaddset(&raw mut set, *signal);
            }
            super::check(libc::sigprocmask(libc::SIG_BLOCK, &raw const set, &raw mut before))?;
            let fd =
                super::check(libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK))?;
            Ok(Self { fd: OwnedFd::from_raw_fd(fd), before })
        }
    }

    /// The next one; `None` if none has come.
    pub(crate) fn next(&self) -> Option<Signal> {
        let mut info = [0; size_of::<libc::signalfd_siginfo>()];
        let read = super::descriptor::read(self.fd.as_fd(), &mut info).ok()?;
        // ssi_signo and ssi_code: the first and the third int.
        let int = |at: usize| info.get(at..at + 4)?.try_into().ok().map(i32::from_ne_bytes);
        (read == info.len()).then_some(())?;
        Some(Signal { number: int(0)?, from_kernel: int(8)? == libc::SI_KERNEL })
    }

    /// The mask is again what it was.
    pub(crate) fn give_back(&self) {
        // SAFETY: `before` was filled by sigprocmask.
        unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const self.before, std::ptr::null_mut()) };
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_of_many_threads_is_not_forked() {
        let (done, wait) = std::sync::mpsc::channel::<()>();
        let other = std::thread::spawn(move || wait.recv());
        assert_eq!(fork().unwrap_err().raw_os_error(), Some(libc::EBUSY));
        drop(done);
        assert!(other.join().unwrap().is_err());
    }
}
