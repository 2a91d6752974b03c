//! Namespaces: unshare(2), setns(2).

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;

/// unshare(2) CLONE_NEWNET: this thread goes on in a network namespace of its own. Needs CAP_SYS_ADMIN.
pub(crate) fn unshare_network() -> io::Result<()> {
    // SAFETY: takes no pointers. Only this thread's view of the network changes; descriptors stay as they are.
    super::check(unsafe { libc::unshare(libc::CLONE_NEWNET) }).map(drop)
}

/// unshare(2) CLONE_NEWUSER: the process goes on in a user namespace of its own, with all capabilities there. EINVAL if it
/// has more than one thread.
pub(crate) fn unshare_user() -> io::Result<()> {
    // SAFETY: takes no pointers. The kernel refuses it to a process of several threads.
    super::check(unsafe { libc::unshare(libc::CLONE_NEWUSER) }).map(drop)
}

/// unshare(2) CLONE_NEWUSER | CLONE_NEWNET: the process goes on in a user namespace and a network namespace of its own, as the same
/// user and group. EINVAL if it has more than one thread; EPERM where users may not have namespaces.
#[cfg(feature = "cli")]
pub(crate) fn unshare_user_and_network() -> io::Result<()> {
    let (user, group) = (super::privilege::geteuid(), super::privilege::getegid());
    // SAFETY: takes no pointers. The kernel refuses it to a process of several threads.
    super::check(unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNET) })?;
    // user_namespaces(7): one's own user may be mapped without privilege, one's own group once setgroups(2) is given up.
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/gid_map", format!("{group} {group} 1"))?;
    std::fs::write("/proc/self/uid_map", format!("{user} {user} 1"))
}

/// setns(2) CLONE_NEWNET: this thread goes on in the network namespace given.
pub(crate) fn set_network(namespace: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: takes no pointers; as for unshare.
    super::check(unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) }).map(drop)
}

/// The network namespace in which this thread is. The descriptor keeps it alive.
pub(crate) fn network() -> io::Result<OwnedFd> {
    File::open("/proc/thread-self/ns/net").map(OwnedFd::from)
}

/// The program will start in the network namespace given.
pub(crate) fn start_in(command: &mut Command, namespace: Arc<OwnedFd>) {
    // SAFETY: what runs between fork and exec is setns(2) alone, which is async-signal-safe; it allocates nothing (an
    // io::Error of a number does not) and takes no lock.
    unsafe { command.pre_exec(move || set_network(namespace.as_fd())) };
}
