//! A namespace whose interfaces carry what another host's carry: TAPs with a given index and station address, and the kernel's
//! own packet sockets on them.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;

use super::descriptor;
use super::interface::Control;
use crate::base::Mac;

/// Makes a TAP of this thread's network namespace, of this name and index, non-blocking. EBUSY if the index is taken.
pub(crate) fn tap(name: &str, index: u32) -> io::Result<OwnedFd> {
    use std::os::unix::fs::OpenOptionsExt;
    let file = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open("/dev/net/tun")?;
    let fd = file.as_raw_fd();
    let index = i32::try_from(index).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    // SAFETY: the request reads an int, which outlives the call.
    super::check(unsafe { libc::ioctl(fd, libc::TUNSETIFINDEX as libc::Ioctl, &raw const index) })?;
    // SAFETY: ifreq is plain data; all zeros is a value of it.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    if name.len() >= request.ifr_name.len() {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI) as libc::c_short;
    // SAFETY: `request` is an ifreq that outlives the call.
    super::check(unsafe { libc::ioctl(fd, libc::TUNSETIFF as libc::Ioctl, &raw mut request) })?;
    Ok(file.into())
}

impl Control {
    /// SIOCSIFHWADDR: the station address of an Ethernet interface that is down.
    pub(crate) fn set_mac(&self, name: &str, mac: Mac) -> io::Result<()> {
        self.ask(libc::SIOCSIFHWADDR as libc::Ioctl, name, |request| {
            // SAFETY: all zeros is a value of sockaddr.
            let mut address: libc::sockaddr = unsafe { mem::zeroed() };
            address.sa_family = libc::ARPHRD_ETHER;
            for (to, from) in address.sa_data.iter_mut().zip(mac.0) {
                *to = from as libc::c_char;
            }
            request.ifr_ifru.ifru_hwaddr = address;
        })
        .map(drop)
    }

    /// SIOCSIFADDR with 0.0.0.0: the interface has no IPv4 address any more.
    pub(crate) fn remove_ipv4(&self, name: &str) -> io::Result<()> {
        self.ask(libc::SIOCSIFADDR as libc::Ioctl, name, |request| {
            request.ifr_ifru.ifru_addr.sa_family = libc::AF_INET as libc::sa_family_t;
        })
        .map(drop)
    }

    /// SIOCSIFFLAGS: IFF_NOARP is set: the kernel neither asks nor answers there.
    pub(crate) fn set_noarp(&self, name: &str) -> io::Result<()> {
        let flags = self.flags(name)? | libc::IFF_NOARP;
        self.ask(libc::SIOCSIFFLAGS as libc::Ioctl, name, |request| {
            request.ifr_ifru.ifru_flags = flags as libc::c_short;
        })
        .map(drop)
    }
}

/// A packet socket of this thread's network namespace, of `kind` (SOCK_RAW, SOCK_DGRAM); it hears nothing until it is bound.
pub(crate) fn packet_socket(kind: i32) -> io::Result<OwnedFd> {
    descriptor::socket(libc::AF_PACKET, kind, 0)
}

/// bind(2) of a packet socket: frames of `protocol` (ETH_P_*, a plain number) on an interface; 0 = all.
pub(crate) fn bind_packet(fd: BorrowedFd<'_>, index: u32, protocol: u16) -> io::Result<()> {
    let address = link_address(index, protocol)?;
    let length = super::length_of::<libc::sockaddr_ll>();
    // SAFETY: the pointer leads to a sockaddr_ll, of the length given.
    super::check(unsafe { libc::bind(fd.as_raw_fd(), ptr::from_ref(&address).cast(), length) }).map(drop)
}

fn link_address(index: u32, protocol: u16) -> io::Result<libc::sockaddr_ll> {
    // SAFETY: sockaddr_ll is plain data; all zeros is a value of it.
    let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = protocol.to_be();
    address.sll_ifindex = i32::try_from(index).map_err(|_| io::Error::from_raw_os_error(libc::ENODEV))?;
    Ok(address)
}

/// recvfrom(2) of a packet socket, without waiting: bytes in the buffer, and PACKET_HOST, PACKET_OUTGOING ...
pub(crate) fn receive_packet(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<(usize, u8)> {
    // SAFETY: sockaddr_ll is plain data; all zeros is a value of it.
    let mut from: libc::sockaddr_ll = unsafe { mem::zeroed() };
    let mut length = super::length_of::<libc::sockaddr_ll>();
    // SAFETY: the buffer and `from` are writable for their lengths, and `length` itself may be written.
    let received = super::count(unsafe {
        libc::recvfrom(
            fd.as_raw_fd(),
            buffer.as_mut_ptr().cast(),
            buffer.len(),
            libc::MSG_DONTWAIT,
            ptr::from_mut(&mut from).cast(),
            &raw mut length,
        )
    })?;
    Ok((received, from.sll_pkttype))
}

/// SO_ATTACH_FILTER: the instructions' bytes, as struct sock_filter lays them out.
pub(crate) fn attach_filter(fd: BorrowedFd<'_>, instructions: &[u8]) -> io::Result<()> {
    let (chunks, _) = instructions.as_chunks::<8>();
    let mut filter: Vec<libc::sock_filter> = chunks
        .iter()
        .map(|[a, b, jt, jf, k @ ..]| libc::sock_filter {
            code: u16::from_ne_bytes([*a, *b]),
            jt: *jt,
            jf: *jf,
            k: u32::from_ne_bytes(*k),
        })
        .collect();
    let len = u16::try_from(filter.len()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    let program = libc::sock_fprog { len, filter: filter.as_mut_ptr() };
    // The kernel copies the instructions before the call returns.
    descriptor::set_option(fd, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
}
