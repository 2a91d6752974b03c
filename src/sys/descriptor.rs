//! Descriptors: read, write, send, recv, O_NONBLOCK, pairs of AF_UNIX sockets.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// read(2).
pub(crate) fn read(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the buffer is writable for its length.
    super::count(unsafe { libc::read(fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) })
}

/// write(2).
pub(crate) fn write(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    // SAFETY: the bytes are readable for their length.
    super::count(unsafe { libc::write(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) })
}

/// recv(2), with MSG_* flags.
pub(crate) fn recv(fd: BorrowedFd<'_>, buffer: &mut [u8], flags: i32) -> io::Result<usize> {
    // SAFETY: the buffer is writable for its length.
    super::count(unsafe { libc::recv(fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), flags) })
}

/// send(2), with MSG_* flags; MSG_NOSIGNAL is always set.
pub(crate) fn send(fd: BorrowedFd<'_>, bytes: &[u8], flags: i32) -> io::Result<usize> {
    let flags = flags | libc::MSG_NOSIGNAL;
    // SAFETY: the bytes are readable for their length.
    super::count(unsafe { libc::send(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), flags) })
}

/// A file without a name that holds `text`, open for reading, at its beginning (memfd_create(2)).
pub(crate) fn text(text: &str) -> io::Result<OwnedFd> {
    // SAFETY: the name is a string with its zero; a new descriptor is returned.
    let fd = super::check(unsafe { libc::memfd_create(c"sockatoo".as_ptr(), libc::MFD_CLOEXEC) })?;
    // SAFETY: the descriptor is new, and nobody else's.
    let file = File::from(unsafe { OwnedFd::from_raw_fd(fd) });
    (&file).write_all(text.as_bytes())?;
    // Opened once more: a position of its own, and no writing.
    Ok(File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))?.into())
}

/// shutdown(2), with SHUT_*.
pub(crate) fn shutdown(fd: BorrowedFd<'_>, how: i32) -> io::Result<()> {
    // SAFETY: takes no pointers.
    super::check(unsafe { libc::shutdown(fd.as_raw_fd(), how) }).map(drop)
}

/// FIONREAD: bytes that can be read; of a listening socket EINVAL.
pub(crate) fn readable(fd: BorrowedFd<'_>) -> io::Result<usize> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: FIONREAD writes an int to the pointer.
    super::check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::FIONREAD, &raw mut bytes) })?;
    Ok(usize::try_from(bytes).unwrap_or(0))
}

/// SIOCATMARK: the next byte is the urgent one. False of sockets, and kernels, that have no urgent data.
#[cfg(feature = "cli")]
pub(crate) fn is_at_mark(fd: BorrowedFd<'_>) -> bool {
    // linux/sockios.h; libc has it not.
    const SIOCATMARK: libc::c_int = 0x8905;
    let mut at: libc::c_int = 0;
    // SAFETY: SIOCATMARK writes an int to the pointer.
    let asked = unsafe { libc::ioctl(fd.as_raw_fd(), SIOCATMARK as _, &raw mut at) };
    super::check(asked).is_ok() && at != 0
}

/// TIOCOUTQ: what the other end has not read, of AF_UNIX by its cost in memory.
pub(crate) fn unsent(fd: BorrowedFd<'_>) -> io::Result<usize> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: TIOCOUTQ writes an int to the pointer.
    super::check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) })?;
    Ok(usize::try_from(bytes).unwrap_or(0))
}

/// fcntl(2) F_SETFL: sets or clears O_NONBLOCK.
pub(crate) fn set_nonblocking(fd: BorrowedFd<'_>, nonblocking: bool) -> io::Result<()> {
    // SAFETY: F_GETFL takes no third argument.
    let flags = super::check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) })?;
    let wanted = if nonblocking { flags | libc::O_NONBLOCK } else { flags & !libc::O_NONBLOCK };
    // SAFETY: F_SETFL takes an int.
    super::check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, wanted) }).map(drop)
}

/// fcntl(2) F_GETFL: O_NONBLOCK.
pub(crate) fn is_nonblocking(fd: BorrowedFd<'_>) -> io::Result<bool> {
    // SAFETY: F_GETFL takes no third argument.
    let flags = super::check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) })?;
    Ok(flags & libc::O_NONBLOCK != 0)
}

/// fcntl(2) F_GETFD: FD_CLOEXEC.
pub(crate) fn is_cloexec(fd: BorrowedFd<'_>) -> io::Result<bool> {
    // SAFETY: F_GETFD takes no third argument.
    let flags = super::check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFD) })?;
    Ok(flags & libc::FD_CLOEXEC != 0)
}

/// fcntl(2) F_SETFD: sets or clears FD_CLOEXEC.
pub(crate) fn set_cloexec(fd: BorrowedFd<'_>, on: bool) -> io::Result<()> {
    let flags = if on { libc::FD_CLOEXEC } else { 0 };
    // SAFETY: F_SETFD takes an int.
    super::check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFD, flags) }).map(drop)
}

/// socketpair(2): two AF_UNIX sockets of `kind` (SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET; SOCK_NONBLOCK may be added),
/// joined, close-on-exec.
pub(crate) fn socketpair(kind: i32) -> io::Result<(OwnedFd, OwnedFd)> {
    let mut fds: [RawFd; 2] = [-1; 2];
    // SAFETY: `fds` has room for the two descriptors that the call writes.
    super::check(unsafe { libc::socketpair(libc::AF_UNIX, kind | libc::SOCK_CLOEXEC, 0, fds.as_mut_ptr()) })?;
    // SAFETY: both descriptors are new and nobody else's.
    Ok(unsafe { (OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])) })
}

/// socket(2), close-on-exec.
pub(crate) fn socket(domain: i32, kind: i32, protocol: i32) -> io::Result<OwnedFd> {
    // SAFETY: takes no pointers.
    let fd = super::check(unsafe { libc::socket(domain, kind | libc::SOCK_CLOEXEC, protocol) })?;
    // SAFETY: the descriptor is new and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// dup(2), close-on-exec. Takes a number that may be no descriptor at all.
#[cfg(feature = "cli")]
pub(crate) fn duplicate(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: F_DUPFD_CLOEXEC takes an int.
    let new = super::check(unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 0) })?;
    // SAFETY: the descriptor is new and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(new) })
}

/// setsockopt(2) of an option whose value is an int.
pub(crate) fn setsockopt(fd: BorrowedFd<'_>, level: i32, option: i32, value: i32) -> io::Result<()> {
    set_option(fd, level, option, &value)
}

/// setsockopt(2) of an option whose value is a plain struct of libc's.
pub(super) fn set_option<T: Copy>(fd: BorrowedFd<'_>, level: i32, option: i32, value: &T) -> io::Result<()> {
    let (pointer, length) = (std::ptr::from_ref(value).cast(), super::length_of::<T>());
    // SAFETY: the pointer leads to `length` readable bytes.
    super::check(unsafe { libc::setsockopt(fd.as_raw_fd(), level, option, pointer, length) }).map(drop)
}

/// getsockopt(2) of an option whose value is a plain struct of libc's. Takes a number that may be no descriptor at all.
pub(super) fn get_option<T: Copy>(fd: RawFd, level: i32, option: i32, mut value: T) -> io::Result<T> {
    let mut length = super::length_of::<T>();
    let pointer = std::ptr::from_mut(&mut value).cast();
    // SAFETY: the pointer leads to `length` writable bytes, and `length` itself may be written.
    super::check(unsafe { libc::getsockopt(fd, level, option, pointer, &mut length) })?;
    Ok(value)
}

/// getsockopt(2) of an option whose value is an int.
pub(crate) fn option(fd: BorrowedFd<'_>, level: i32, option: i32) -> io::Result<i32> {
    get_option(fd.as_raw_fd(), level, option, 0)
}

/// SO_NETNS_COOKIE: which network its sockets are of.
#[cfg(feature = "cli")]
pub(crate) fn netns_cookie() -> io::Result<u64> {
    let socket = socket(libc::AF_INET, libc::SOCK_DGRAM, 0)?;
    get_option(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_NETNS_COOKIE, 0)
}

/// SO_RCVTIMEO or SO_SNDTIMEO; `None` = for ever.
pub(crate) fn timeout(fd: BorrowedFd<'_>, option: i32) -> io::Result<Option<Duration>> {
    let value = libc::timeval { tv_sec: 0, tv_usec: 0 };
    let value = get_option(fd.as_raw_fd(), libc::SOL_SOCKET, option, value)?;
    let time = Duration::from_secs(value.tv_sec.try_into().unwrap_or(0))
        + Duration::from_micros(value.tv_usec.try_into().unwrap_or(0));
    Ok((!time.is_zero()).then_some(time))
}

/// Sets SO_RCVTIMEO or SO_SNDTIMEO; `None` = for ever.
pub(crate) fn set_timeout(fd: BorrowedFd<'_>, option: i32, time: Option<Duration>) -> io::Result<()> {
    let time = time.unwrap_or(Duration::ZERO);
    let value = libc::timeval {
        tv_sec: time.as_secs() as libc::time_t,
        tv_usec: libc::suseconds_t::from(time.subsec_micros()),
    };
    set_option(fd, libc::SOL_SOCKET, option, &value)
}

/// The number of the file that a descriptor is of; of sockets the kernel uses 32 bits.
pub(crate) fn inode(fd: BorrowedFd<'_>) -> io::Result<u32> {
    // SAFETY: stat is plain data; all zeros is a value of it.
    let mut status: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer leads to a stat, which may be written.
    super::check(unsafe { libc::fstat(fd.as_raw_fd(), &mut status) })?;
    Ok(status.st_ino as u32)
}

/// SO_COOKIE: the number by which the kernel knows a socket, the same for all its descriptors. Takes a number that may be no
/// descriptor at all.
pub(crate) fn cookie(fd: RawFd) -> io::Result<u64> {
    get_option(fd, libc::SOL_SOCKET, libc::SO_COOKIE, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn a_pair_carries_bytes_both_ways_and_says_when_it_ends() {
        let (a, b) = socketpair(libc::SOCK_STREAM).unwrap();
        set_nonblocking(a.as_fd(), true).unwrap();
        let mut buffer = [0; 8];
        assert_eq!(read(a.as_fd(), &mut buffer).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert_eq!(write(b.as_fd(), b"hello").unwrap(), 5);
        assert_eq!(recv(a.as_fd(), &mut buffer, libc::MSG_PEEK).unwrap(), 5);
        assert_eq!(read(a.as_fd(), &mut buffer).unwrap(), 5);
        shutdown(a.as_fd(), libc::SHUT_WR).unwrap();
        assert_eq!(read(b.as_fd(), &mut buffer).unwrap(), 0);
        assert_eq!(send(a.as_fd(), b"x", 0).unwrap_err().raw_os_error(), Some(libc::EPIPE));
    }
}
