//! AF_UNIX sockets with names: abstract ones and in the file system, messages with descriptors, who is at the other end.
//!
//! An abstract name is any bytes, at most [`NAME_MAX`], without the NUL in front that marks it.

use std::io;
use std::mem::{MaybeUninit, offset_of};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use super::descriptor;
use crate::base::Credentials;

/// The longest abstract name.
pub(crate) const NAME_MAX: usize = 107;
/// The most descriptors that one message carries here.
pub(crate) const FDS_MAX: usize = 16;

const PATH: usize = offset_of!(libc::sockaddr_un, sun_path);

/// An AF_UNIX socket of `kind` (SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET; SOCK_NONBLOCK may be added), close-on-exec.
pub(crate) fn socket(kind: i32) -> io::Result<OwnedFd> {
    descriptor::socket(libc::AF_UNIX, kind, 0)
}

/// Where a socket is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place<'a> {
    /// An abstract name, in the network namespace in which the socket was made.
    Abstract(&'a [u8]),
    /// A file.
    File(&'a Path),
}

/// struct sockaddr_un and its length.
fn address(place: Place<'_>) -> io::Result<(libc::sockaddr_un, libc::socklen_t)> {
    // SAFETY: all zeros are a valid sockaddr_un.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    let (skip, name, end) = match place {
        Place::Abstract(name) => (1, name, 0),
        Place::File(path) => (0, path.as_os_str().as_bytes(), 1),
    };
    let length = skip + name.len() + end;
    if length > address.sun_path.len() {
        return Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG));
    }
    for (slot, byte) in address.sun_path.iter_mut().skip(skip).zip(name) {
        *slot = *byte as libc::c_char;
    }
    Ok((address, (PATH + length) as libc::socklen_t))
}

/// bind(2).
pub(crate) fn bind(fd: BorrowedFd<'_>, place: Place<'_>) -> io::Result<()> {
    let (address, length) = address(place)?;
    // SAFETY: `address` has `length` readable bytes.
    super::check(unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), length) }).map(drop)
}

/// connect(2).
pub(crate) fn connect(fd: BorrowedFd<'_>, place: Place<'_>) -> io::Result<()> {
    let (address, length) = address(place)?;
    // SAFETY: `address` has `length` readable bytes.
    super::check(unsafe { libc::connect(fd.as_raw_fd(), (&raw const address).cast(), length) }).map(drop)
}

/// connect(2) with AF_UNSPEC: a datagram socket has no peer any more.
pub(crate) fn disconnect(fd: BorrowedFd<'_>) -> io::Result<()> {
    let family = libc::AF_UNSPEC as libc::sa_family_t;
    let length = size_of::<libc::sa_family_t>() as libc::socklen_t;
    // SAFETY: `family` has `length` readable bytes.
    super::check(unsafe { libc::connect(fd.as_raw_fd(), (&raw const family).cast(), length) }).map(drop)
}

/// listen(2).
pub(crate) fn listen(fd: BorrowedFd<'_>, backlog: i32) -> io::Result<()> {
    // SAFETY: takes no pointers.
    super::check(unsafe { libc::listen(fd.as_raw_fd(), backlog) }).map(drop)
}

/// accept4(2), close-on-exec; SOCK_NONBLOCK may be given.
pub(crate) fn accept(fd: BorrowedFd<'_>, flags: i32) -> io::Result<OwnedFd> {
    let flags = flags | libc::SOCK_CLOEXEC;
    // SAFETY: no address is asked for.
    let new = super::check(unsafe {
        libc::accept4(fd.as_raw_fd(), std::ptr::null_mut(), std::ptr::null_mut(), flags)
    })?;
    // SAFETY: the descriptor is new and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(new) })
}

/// The same of a socket that may be blocking: EAGAIN if nothing is there, also if something was, and somebody
/// else took it: then it has lasted for `patience` (SIGALRM ends it: the process has no other use for that).
pub(crate) fn accept_now(fd: BorrowedFd<'_>, flags: i32, patience: Duration) -> io::Result<OwnedFd> {
    let mut polled = [super::PollFd::new(fd.as_raw_fd(), true, false)];
    if super::poll(&mut polled, Some(Duration::ZERO))? == 0 {
        return Err(io::Error::from_raw_os_error(libc::EAGAIN));
    }
    let _alarm = super::process::Alarm::set(patience)?;
    accept(fd, flags).map_err(|error| match error.kind() {
        io::ErrorKind::Interrupted => io::Error::from_raw_os_error(libc::EAGAIN),
        _ => error,
    })
}

type NameCall = unsafe extern "C" fn(libc::c_int, *mut libc::sockaddr, *mut libc::socklen_t) -> libc::c_int;

/// The abstract name of the socket itself; `None` if it has none (or is not AF_UNIX).
pub(crate) fn name(fd: BorrowedFd<'_>) -> io::Result<Option<Vec<u8>>> {
    name_by(fd, libc::getsockname)
}

/// The abstract name of the peer; `None` if it has none. ENOTCONN.
pub(crate) fn peer_name(fd: BorrowedFd<'_>) -> io::Result<Option<Vec<u8>>> {
    name_by(fd, libc::getpeername)
}

fn name_by(fd: BorrowedFd<'_>, call: NameCall) -> io::Result<Option<Vec<u8>>> {
    // SAFETY: all zeros are a valid sockaddr_un.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    let mut length = super::length_of::<libc::sockaddr_un>();
    // SAFETY: `address` has `length` writable bytes, and `length` itself may be written.
    super::check(unsafe { call(fd.as_raw_fd(), (&raw mut address).cast(), &raw mut length) })?;
    Ok(abstract_name(&address, length))
}

fn abstract_name(address: &libc::sockaddr_un, length: libc::socklen_t) -> Option<Vec<u8>> {
    let used = (length as usize).saturating_sub(PATH);
    let path = address.sun_path.get(..used)?;
    match path {
        [0, name @ ..] if i32::from(address.sun_family) == libc::AF_UNIX => {
            Some(name.iter().map(|c| *c as u8).collect())
        }
        _ => None,
    }
}

/// sendto(2) to an abstract name; `None` = to the peer. MSG_NOSIGNAL is always set.
pub(crate) fn send_to(fd: BorrowedFd<'_>, bytes: &[u8], flags: i32, to: Option<&[u8]>) -> io::Result<usize> {
    let Some(to) = to else { return descriptor::send(fd, bytes, flags) };
    let (address, length) = address(Place::Abstract(to))?;
    let flags = flags | libc::MSG_NOSIGNAL;
    // SAFETY: `bytes` and `address` are readable for their lengths.
    super::count(unsafe {
        libc::sendto(
            fd.as_raw_fd(),
            bytes.as_ptr().cast(),
            bytes.len(),
            flags,
            (&raw const address).cast(),
            length,
        )
    })
}

/// What came by [`receive`].
#[derive(Debug)]
pub(crate) struct Received {
    /// Bytes in the buffer; with MSG_TRUNC in the call, the message's whole length.
    pub(crate) len: usize,
    /// MSG_TRUNC, MSG_EOR ...
    pub(crate) flags: i32,
    /// The sender's abstract name.
    pub(crate) from: Option<Vec<u8>>,
    pub(crate) fds: Vec<OwnedFd>,
}

/// Room for the control messages here: [`FDS_MAX`] descriptors.
const CONTROL: usize = 128;
const _: () = assert!(size_of::<libc::cmsghdr>() + FDS_MAX * size_of::<RawFd>() <= CONTROL);

#[repr(align(8))]
struct Control([u8; CONTROL]);

/// recvmsg(2), with the descriptors that came along (SCM_RIGHTS), close-on-exec.
pub(crate) fn receive(fd: BorrowedFd<'_>, buffer: &mut [u8], flags: i32) -> io::Result<Received> {
    // SAFETY: all zeros are valid for both structs.
    let (mut from, mut message): (libc::sockaddr_un, libc::msghdr) = unsafe { std::mem::zeroed() };
    let mut control = MaybeUninit::<Control>::zeroed();
    let mut slice = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    message.msg_name = (&raw mut from).cast();
    message.msg_namelen = super::length_of::<libc::sockaddr_un>();
    message.msg_iov = &raw mut slice;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = CONTROL as _;
    let flags = flags | libc::MSG_CMSG_CLOEXEC;
    // SAFETY: every pointer of `message` leads to memory that is writable for the length beside it and outlives the call.
    let len = super::count(unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut message, flags) })?;
    let mut fds = Vec::new();
    // SAFETY: the kernel has filled `message` and its control buffer; CMSG_FIRSTHDR and CMSG_NXTHDR stay within it.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(&raw const message);
        while !header.is_null() {
            if (*header).cmsg_level == libc::SOL_SOCKET && (*header).cmsg_type == libc::SCM_RIGHTS {
                let bytes = (*header).cmsg_len as usize - (libc::CMSG_LEN(0) as usize);
                let first = libc::CMSG_DATA(header).cast::<RawFd>();
                for index in 0..bytes / size_of::<RawFd>() {
                    fds.push(OwnedFd::from_raw_fd(first.add(index).read_unaligned()));
                }
            }
            header = libc::CMSG_NXTHDR(&raw const message, header);
        }
    }
    Ok(Received { len, flags: message.msg_flags, from: abstract_name(&from, message.msg_namelen), fds })
}

/// sendmsg(2) to the peer, with descriptors (at most [`FDS_MAX`]). MSG_NOSIGNAL is always set.
pub(crate) fn send_with(
    fd: BorrowedFd<'_>,
    bytes: &[u8],
    fds: &[BorrowedFd<'_>],
    flags: i32,
) -> io::Result<usize> {
    if fds.is_empty() {
        return descriptor::send(fd, bytes, flags);
    }
    if fds.len() > FDS_MAX {
        return Err(io::Error::from_raw_os_error(libc::E2BIG));
    }
    // SAFETY: all zeros are a valid msghdr.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    let mut control = MaybeUninit::<Control>::zeroed();
    let mut slice = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let payload = size_of_val(fds) / size_of::<BorrowedFd<'_>>() * size_of::<RawFd>();
    message.msg_iov = &raw mut slice;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    // SAFETY: CMSG_SPACE only computes.
    message.msg_controllen = unsafe { libc::CMSG_SPACE(payload as u32) } as _;
    // SAFETY: the control buffer has room for one header and `payload` bytes (checked above), and outlives the call.
    super::count(unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(payload as u32) as _;
        let first = libc::CMSG_DATA(header).cast::<RawFd>();
        for (index, fd) in fds.iter().enumerate() {
            first.add(index).write_unaligned(fd.as_raw_fd());
        }
        libc::sendmsg(fd.as_raw_fd(), &raw const message, flags | libc::MSG_NOSIGNAL)
    })
}

/// SO_PEERCRED: the process at the other end when it connected.
pub(crate) fn peer_credentials(fd: BorrowedFd<'_>) -> io::Result<Credentials> {
    let nobody = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let value = descriptor::get_option(fd.as_raw_fd(), libc::SOL_SOCKET, libc::SO_PEERCRED, nobody)?;
    Ok(Credentials { pid: value.pid, uid: value.uid, gid: value.gid })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn a_name_travels_with_a_datagram_and_a_descriptor_with_a_message() {
        let unique = format!("sockatoo-test-{}", std::process::id()).into_bytes();
        let to = socket(libc::SOCK_DGRAM).unwrap();
        bind(to.as_fd(), Place::Abstract(&unique)).unwrap();
        assert_eq!(name(to.as_fd()).unwrap().unwrap(), unique);
        let from = socket(libc::SOCK_DGRAM).unwrap();
        let other = [&unique[..], b"\0\x01"].concat();
        bind(from.as_fd(), Place::Abstract(&other)).unwrap();
        send_to(from.as_fd(), b"hello", 0, Some(&unique)).unwrap();
        drop(from);
        let mut buffer = [0; 16];
        let received = receive(to.as_fd(), &mut buffer, 0).unwrap();
        assert_eq!((received.len, received.from.unwrap()), (5, other));

        let (a, b) = descriptor::socketpair(libc::SOCK_SEQPACKET).unwrap();
        send_with(a.as_fd(), b"two", &[to.as_fd(), a.as_fd()], 0).unwrap();
        let received = receive(b.as_fd(), &mut buffer, 0).unwrap();
        assert_eq!((received.len, received.fds.len()), (3, 2));
        assert_eq!(name(received.fds[0].as_fd()).unwrap().unwrap(), unique);
        assert_eq!(peer_credentials(b.as_fd()).unwrap().pid, std::process::id() as i32);
    }
}
