//! seccomp(2) with user notification, seccomp_unotify(2): calls of other processes stop, and are answered here.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// One instruction of a classic BPF program.
pub(crate) type Instruction = libc::sock_filter;

/// struct seccomp_data: where a filter finds the call's number, the architecture, and the low and high half of an argument.
pub(crate) const NUMBER: u32 = 0;
pub(crate) const ARCH: u32 = 4;
pub(crate) const fn low_half(argument: u32) -> u32 {
    let big = if cfg!(target_endian = "big") { 4 } else { 0 };
    16 + argument * 8 + big
}
pub(crate) const fn high_half(argument: u32) -> u32 {
    low_half(argument) ^ 4
}

/// seccomp(2) SET_MODE_FILTER: from now on this thread, what it forks and what they execute run under `filter`. Gives the
/// listener, where the calls that stop are told. A call that was received there is not interrupted by signals, but by death
/// (WAIT_KILLABLE_RECV). EACCES: neither CAP_SYS_ADMIN nor [`super::process::no_new_privileges`]. EBUSY: there is a listener above
/// this one. EINVAL: Linux before 5.19.
pub(crate) fn listen(filter: &[Instruction]) -> io::Result<OwnedFd> {
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
    let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    // SAFETY: `program` leads to `len` instructions, which the kernel checks and copies.
    let fd =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program) };
    let fd = super::check(fd as libc::c_int)?;
    // SAFETY: the descriptor is new and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A call that has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Notification {
    pub(crate) id: u64,
    /// The thread.
    pub(crate) tid: i32,
    /// AUDIT_ARCH_*.
    pub(crate) arch: u32,
    pub(crate) call: i64,
    pub(crate) args: [u64; 6],
}

/// The architecture that this program was built for, AUDIT_ARCH_*.
pub(crate) const NATIVE: u32 = if cfg!(target_arch = "aarch64") { 0xc000_00b7 } else { 0xc000_003e };
/// The 32-bit one that the same kernel runs.
pub(crate) const NARROW: u32 = if cfg!(target_arch = "aarch64") { 0x4000_0028 } else { 0x4000_0003 };

/// NOTIF_RECV: the next call that has stopped. ENOENT: it has gone again.
pub(crate) fn receive(listener: BorrowedFd<'_>) -> io::Result<Notification> {
    // SAFETY: all zeros are a valid seccomp_notif, and what the kernel wants to find.
    let mut told: libc::seccomp_notif = unsafe { std::mem::zeroed() };
    ioctl(listener, libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut told)?;
    let data = told.data;
    Ok(Notification {
        id: told.id,
        tid: told.pid as i32,
        arch: data.arch,
        call: i64::from(data.nr),
        args: data.args,
    })
}

/// NOTIF_SEND: the call returns `value`. ENOENT: it has gone.
pub(crate) fn answer(listener: BorrowedFd<'_>, id: u64, value: i64) -> io::Result<()> {
    send(listener, libc::seccomp_notif_resp { id, val: value, error: 0, flags: 0 })
}

/// NOTIF_SEND: the call fails with this number (a positive one; [`RESTART`] too). ENOENT.
pub(crate) fn fail(listener: BorrowedFd<'_>, id: u64, errno: i32) -> io::Result<()> {
    send(listener, libc::seccomp_notif_resp { id, val: 0, error: errno.saturating_neg(), flags: 0 })
}

/// ERESTARTSYS, the kernel's own: with a signal that waits, the call is begun again behind the handler, or ends with EINTR.
pub(crate) const RESTART: i32 = 512;

/// NOTIF_SEND with FLAG_CONTINUE: the kernel does the call. ENOENT.
pub(crate) fn pass(listener: BorrowedFd<'_>, id: u64) -> io::Result<()> {
    let flags = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32;
    send(listener, libc::seccomp_notif_resp { id, val: 0, error: 0, flags })
}

fn send(listener: BorrowedFd<'_>, mut answer: libc::seccomp_notif_resp) -> io::Result<()> {
    ioctl(listener, libc::SECCOMP_IOCTL_NOTIF_SEND, &raw mut answer).map(drop)
}

/// NOTIF_ADDFD with FLAG_SEND: the process has the descriptor too, and its call returns the number. EMFILE, ENOENT.
pub(crate) fn give(
    listener: BorrowedFd<'_>,
    id: u64,
    fd: BorrowedFd<'_>,
    close_on_exec: bool,
) -> io::Result<RawFd> {
    add(listener, id, fd, close_on_exec, libc::SECCOMP_ADDFD_FLAG_SEND as u32, 0)
}

/// NOTIF_ADDFD with FLAG_SETFD: the process has the descriptor in the place of its descriptor `at`; its call goes on. ENOENT.
pub(crate) fn replace(
    listener: BorrowedFd<'_>,
    id: u64,
    fd: BorrowedFd<'_>,
    close_on_exec: bool,
    at: RawFd,
) -> io::Result<RawFd> {
    add(listener, id, fd, close_on_exec, libc::SECCOMP_ADDFD_FLAG_SETFD as u32, at)
}

fn add(
    listener: BorrowedFd<'_>,
    id: u64,
    fd: BorrowedFd<'_>,
    close_on_exec: bool,
    flags: u32,
    at: RawFd,
) -> io::Result<RawFd> {
    let newfd_flags = if close_on_exec { libc::O_CLOEXEC as u32 } else { 0 };
    let mut what =
        libc::seccomp_notif_addfd { id, flags, srcfd: fd.as_raw_fd() as u32, newfd: at as u32, newfd_flags };
    ioctl(listener, libc::SECCOMP_IOCTL_NOTIF_ADDFD, &raw mut what)
}

/// NOTIF_ID_VALID: true while the call waits for its answer, so that its thread's number is still that thread's.
pub(crate) fn is_waiting(listener: RawFd, id: u64) -> bool {
    let mut id = id;
    // SAFETY: the kernel reads eight bytes; a number that is no listener is refused.
    unsafe { libc::ioctl(listener, libc::SECCOMP_IOCTL_NOTIF_ID_VALID, &raw mut id) == 0 }
}

/// NOTIF_SET_FLAGS: the caller is woken on the processor on which it is answered. EINVAL before Linux 6.6.
pub(crate) fn wake_in_place(listener: BorrowedFd<'_>) -> io::Result<()> {
    const SYNC_WAKE_UP: libc::c_ulong = 1;
    // SAFETY: the flags are passed by value.
    super::check(unsafe {
        libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS, SYNC_WAKE_UP)
    })
    .map(drop)
}

/// An ioctl of the listener that reads and writes `*what`, a struct of the size that `request` says.
fn ioctl<T>(listener: BorrowedFd<'_>, request: libc::Ioctl, what: *mut T) -> io::Result<libc::c_int> {
    // SAFETY: every caller passes a pointer to a live struct of the type that `request` was made of.
    super::check(unsafe { libc::ioctl(listener.as_raw_fd(), request, what) })
}
