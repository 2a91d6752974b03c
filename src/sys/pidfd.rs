//! Other processes: their descriptors (pidfd_getfd), their memory (process_vm_readv), what /proc says of their threads.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// pidfd_open(2) of a thread; before Linux 6.9 of its process, whose descriptors they nearly always share. ESRCH.
pub(crate) fn open_thread(tid: i32) -> io::Result<OwnedFd> {
    match open(tid, libc::PIDFD_THREAD) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            let process = status(tid).ok_or_else(|| io::Error::from_raw_os_error(libc::ESRCH))?.process;
            open(process, 0)
        }
        opened => opened,
    }
}

fn open(pid: i32, flags: libc::c_uint) -> io::Result<OwnedFd> {
    // SAFETY: takes no pointers.
    let fd = super::check(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, flags) as libc::c_int })?;
    // SAFETY: the descriptor is new and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// pidfd_getfd(2): a copy of the other's descriptor, close-on-exec. EBADF, ESRCH, EPERM.
pub(crate) fn borrow(pidfd: BorrowedFd<'_>, fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: takes no pointers.
    let copy = super::check(unsafe {
        libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), fd, 0) as libc::c_int
    })?;
    // SAFETY: the descriptor is new and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// process_vm_readv(2) into the whole buffer. EFAULT where not all of it can be read, ESRCH, EPERM.
pub(crate) fn read_memory(tid: i32, address: u64, buffer: &mut [u8]) -> io::Result<()> {
    let wanted = buffer.len();
    let here = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: wanted };
    let there = libc::iovec { iov_base: address as *mut libc::c_void, iov_len: wanted };
    // SAFETY: `here` is writable for its length; `there` is another process's memory, which the kernel checks.
    let done =
        super::count(unsafe { libc::process_vm_readv(tid, &raw const here, 1, &raw const there, 1, 0) });
    whole(done?, wanted)
}

/// process_vm_writev(2) of all the bytes. EFAULT where not all of them can be written, ESRCH, EPERM.
pub(crate) fn write_memory(tid: i32, address: u64, bytes: &[u8]) -> io::Result<()> {
    let here = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let there = libc::iovec { iov_base: address as *mut libc::c_void, iov_len: bytes.len() };
    // SAFETY: `here` is readable for its length and only read; `there` is another process's memory, which the kernel checks.
    let done =
        super::count(unsafe { libc::process_vm_writev(tid, &raw const here, 1, &raw const there, 1, 0) });
    whole(done?, bytes.len())
}

fn whole(done: usize, wanted: usize) -> io::Result<()> {
    if done == wanted { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::EFAULT)) }
}

/// What /proc/TID/status says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Status {
    /// Tgid.
    pub(crate) process: i32,
    /// SigPnd: signals that wait for the thread.
    pub(crate) pending: u64,
    /// ShdPnd: signals that wait for any thread of the process.
    pub(crate) shared: u64,
    /// SigBlk: signals that the thread does not want now.
    pub(crate) blocked: u64,
    /// CapEff.
    pub(crate) capabilities: u64,
}

/// /proc/TID/status; `None` if there is no such thread any more.
pub(crate) fn status(tid: i32) -> Option<Status> {
    let mut text = String::with_capacity(2048);
    File::open(format!("/proc/{tid}/status")).ok()?.read_to_string(&mut text).ok()?;
    let mut status = Status::default();
    for line in text.lines() {
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        let bits = || u64::from_str_radix(value, 16).unwrap_or(0);
        match name {
            "Tgid" => status.process = value.parse().ok()?,
            "SigPnd" => status.pending = bits(),
            "ShdPnd" => status.shared = bits(),
            "SigBlk" => status.blocked = bits(),
            "CapEff" => status.capabilities = bits(),
            _ => {}
        }
    }
    Some(status)
}

/// /proc/TID/fdinfo: FD_CLOEXEC of the other's descriptor.
pub(crate) fn is_close_on_exec(tid: i32, fd: RawFd) -> bool {
    let text = std::fs::read_to_string(format!("/proc/{tid}/fdinfo/{fd}")).unwrap_or_default();
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|octal| i32::from_str_radix(octal.trim(), 8).ok()).unwrap_or(0);
    flags & libc::O_CLOEXEC != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn descriptors_and_memory_of_a_thread_are_reached_and_faults_are_told() {
        // SAFETY: takes nothing.
        let own = unsafe { libc::gettid() };
        let pidfd = open_thread(own).unwrap();
        let (a, _b) = super::super::descriptor::socketpair(libc::SOCK_STREAM).unwrap();
        let copy = borrow(pidfd.as_fd(), a.as_raw_fd()).unwrap();
        let cookie = super::super::descriptor::cookie;
        assert_eq!(cookie(copy.as_raw_fd()).unwrap(), cookie(a.as_raw_fd()).unwrap());
        assert!(is_close_on_exec(own, a.as_raw_fd()));
        assert_eq!(borrow(pidfd.as_fd(), -1).unwrap_err().raw_os_error(), Some(libc::EBADF));

        let there = *b"hello";
        let mut here = [0; 5];
        read_memory(own, there.as_ptr() as u64, &mut here).unwrap();
        assert_eq!(here, there);
        assert_eq!(read_memory(own, 8, &mut here).unwrap_err().raw_os_error(), Some(libc::EFAULT));
        assert_eq!(write_memory(own, u64::MAX, b"x").unwrap_err().raw_os_error(), Some(libc::EFAULT));
        assert_eq!(status(own).unwrap().process, std::process::id() as i32);
        assert_eq!(status(-1), None);
    }
}
