//! /dev/net/tun: what the crate tun-tap does not do with its descriptor.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use tun_tap::Iface;

/// O_NONBLOCK.
pub(crate) fn set_nonblocking(iface: &Iface) -> io::Result<()> {
    super::descriptor::set_nonblocking(borrow(iface), true)
}

/// TUNSETIFF with IFF_TAP and IFF_NO_PI, once the interface that the descriptor belonged to was deleted. `name` is sought in
/// the network namespace in which the descriptor was opened; where there is none of that name, it is made.
pub(crate) fn attach(iface: &Iface, name: &str) -> io::Result<()> {
    // SAFETY: ifreq is plain data; all zeros is a value of it.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if name.len() >= request.ifr_name.len() {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI) as libc::c_short;
    let fd = borrow(iface).as_raw_fd();
    // SAFETY: `request` is an ifreq that outlives the call.
    super::check(unsafe { libc::ioctl(fd, libc::TUNSETIFF as libc::Ioctl, &mut request) }).map(drop)
}

fn borrow(iface: &Iface) -> BorrowedFd<'_> {
    // SAFETY: the descriptor is open for as long as `iface` lives, and so is the borrow.
    unsafe { BorrowedFd::borrow_raw(iface.as_raw_fd()) }
}
