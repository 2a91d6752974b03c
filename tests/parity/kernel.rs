//! The kernel's arm: its sockets, in network namespaces made for the case, which go away with the case's thread.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::mem::{size_of, zeroed};
use std::net::{Ipv6Addr, SocketAddrV6};
use std::os::fd::{AsRawFd, RawFd};
use std::process::Command;
use std::time::Duration;

use libc::{c_int, socklen_t};
use sockatoo::SockAddr;
use sockatoo::base::ControlMessage;
use sockatoo::base::constants::*;

use crate::arm::{Arm, Fd, Outcome, Place, Received};
use crate::kernel_address::{decode, encode};
use crate::kernel_control::{decode_control, encode_control};
use crate::unix::with_sockets;

/// The kernel's sockets. Make it on a thread of its own: the thread moves into the namespaces.
pub struct Kernel {
    namespaces: Vec<File>,
    /// Where the paths of AF_UNIX lead.
    _directory: crate::unix::Directory,
    sockets: Vec<(RawFd, usize)>,
}

fn errno() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

fn check(result: c_int) -> Outcome<c_int> {
    if result < 0 { Err(errno()) } else { Ok(result) }
}

/// A new namespace for this thread, `lo` up. The thread gets a table of descriptors of its own too: a program that another
/// thread starts would hold copies of ours until it has become that program, and a close would not be the last one; and a working
/// directory, where the paths of AF_UNIX lead.
fn new_namespace() -> io::Result<File> {
    if unsafe { libc::unshare(libc::CLONE_NEWNET | libc::CLONE_FILES | libc::CLONE_FS) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // Ping sockets are closed to everybody in a fresh namespace.
    // In a user namespace only its own groups may be named.
    let range = "/proc/sys/net/ipv4/ping_group_range";
    std::fs::write(range, "0 2147483647").or_else(|_| std::fs::write(range, "0 0"))?;
    unsafe {
        let fd = libc::socket(AF_INET, SOCK_DGRAM, 0);
        let mut request: libc::ifreq = zeroed();
        request.ifr_name[0] = b'l' as libc::c_char;
        request.ifr_name[1] = b'o' as libc::c_char;
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
        let result = libc::ioctl(fd, libc::SIOCSIFFLAGS as _, &request);
        let error = io::Error::last_os_error();
        libc::close(fd);
        if result < 0 {
            return Err(error);
        }
    }
    File::open("/proc/thread-self/ns/net")
}

fn enter(namespace: &File) {
    let result = unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) };
    assert_eq!(result, 0, "setns: {}", io::Error::last_os_error());
}

/// Runs `ip` with this line's words in the thread's namespace.
fn ip(line: &str) {
    let output = Command::new("ip").args(line.split_whitespace()).output().expect("the tool `ip`");
    assert!(output.status.success(), "ip {line}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The kernel brings a link to life behind our back: until its multicast route is there, and it runs.
fn wait_for_link() {
    let group = encode(SocketAddrV6::new(Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, 0, 9), 9, 0, 0).into());
    let until = std::time::Instant::now() + Duration::from_secs(5);
    loop {
        let ready = unsafe {
            let fd = libc::socket(AF_INET6, SOCK_DGRAM, 0);
            let mut request: libc::ifreq = zeroed();
            request.ifr_name[0] = b'w' as libc::c_char;
            request.ifr_name[1] = b'0' as libc::c_char;
            let known = libc::ioctl(fd, libc::SIOCGIFFLAGS as _, &raw mut request);
            let running = i32::from(request.ifr_ifru.ifru_flags) & libc::IFF_RUNNING != 0;
            let routed = libc::connect(fd, (&raw const group.0).cast(), group.1) == 0;
            libc::close(fd);
            known == 0 && running && routed
        };
        if ready {
            return;
        }
        assert!(std::time::Instant::now() < until, "w0 does not come up");
        std::thread::sleep(Duration::from_millis(2)); // the kernel has no event for this that is simpler to wait for
    }
}

impl Kernel {
    /// Fails with the OS's error where namespaces are not allowed.
    pub fn new(place: Place) -> io::Result<Self> {
        let first = new_namespace()?;
        let mut namespaces = vec![first];
        if place == Place::Wire {
            let second = new_namespace()?;
            enter(&namespaces[0]);
            let thread = unsafe { libc::gettid() };
            let path = format!("/proc/{}/task/{thread}/fd/{}", std::process::id(), second.as_raw_fd());
            // Different indexes, because the kernel takes a second to notice the carrier of an interface that has its peer's.
            ip(&format!("link add w0 index 102 type veth peer name w0 index 103 netns {path}"));
            namespaces.push(second);
            for (host, namespace) in namespaces.iter().enumerate() {
                enter(namespace);
                let last = host + 1;
                ip(&format!("link set w0 address 02:00:00:00:00:0{last}"));
                ip(&format!("addr add 192.0.2.{last}/24 dev w0"));
                ip(&format!("addr add 2001:db8::{last}/64 dev w0 nodad"));
                ip("link set w0 up");
                std::fs::write("/proc/sys/net/ipv4/tcp_fastopen", "3")?;
            }
            for namespace in &namespaces {
                enter(namespace);
                wait_for_link();
            }
        }
        Ok(Self { namespaces, _directory: crate::unix::Directory::enter()?, sockets: Vec::new() })
    }

    fn add(&mut self, fd: RawFd, host: usize) -> Fd {
        self.sockets.push((fd, host));
        Fd(self.sockets.len() - 1)
    }

    fn raw(&self, fd: Fd) -> RawFd {
        self.sockets.get(fd.0).map_or(-1, |s| s.0)
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        for &(fd, _) in &self.sockets {
            if fd >= 0 {
                unsafe { libc::close(fd) };
            }
        }
    }
}

fn name_of(
    fd: RawFd,
    call: unsafe extern "C" fn(c_int, *mut libc::sockaddr, *mut socklen_t) -> c_int,
) -> Outcome<SockAddr> {
    let mut storage: libc::sockaddr_storage = unsafe { zeroed() };
    let mut len = size_of::<libc::sockaddr_storage>() as socklen_t;
    check(unsafe { call(fd, (&raw mut storage).cast(), &raw mut len) })?;
    Ok(decode(&storage, len).unwrap_or(SockAddr::Unspec))
}

impl Arm for Kernel {
    fn name(&self) -> &'static str {
        "kernel"
    }

    fn socket(&mut self, host: usize, domain: i32, kind: i32, protocol: i32) -> Outcome<Fd> {
        if self.namespaces.len() > 1 {
            enter(&self.namespaces[host]);
        }
        let fd = check(unsafe { libc::socket(domain, kind | SOCK_CLOEXEC, protocol) })?;
        Ok(self.add(fd, host))
    }

    fn socketpair(&mut self, domain: i32, kind: i32, protocol: i32) -> Outcome<(Fd, Fd)> {
        let mut fds = [0; 2];
        check(unsafe { libc::socketpair(domain, kind | SOCK_CLOEXEC, protocol, fds.as_mut_ptr()) })?;
        Ok((self.add(fds[0], 0), self.add(fds[1], 0)))
    }

    fn bind(&mut self, fd: Fd, address: SockAddr) -> Outcome<()> {
        let (storage, len) = encode(address);
        check(unsafe { libc::bind(self.raw(fd), (&raw const storage).cast(), len) }).map(drop)
    }

    fn listen(&mut self, fd: Fd, backlog: i32) -> Outcome<()> {
        check(unsafe { libc::listen(self.raw(fd), backlog) }).map(drop)
    }

    fn accept(&mut self, fd: Fd) -> Outcome<(Fd, SockAddr)> {
        let mut storage: libc::sockaddr_storage = unsafe { zeroed() };
        let mut len = size_of::<libc::sockaddr_storage>() as socklen_t;
        let new = check(unsafe {
            libc::accept4(self.raw(fd), (&raw mut storage).cast(), &raw mut len, SOCK_CLOEXEC)
        })?;
        let host = self.sockets[fd.0].1;
        Ok((self.add(new, host), decode(&storage, len).unwrap_or(SockAddr::Unspec)))
    }

    fn connect(&mut self, fd: Fd, address: SockAddr) -> Outcome<()> {
        let (storage, len) = encode(address);
        check(unsafe { libc::connect(self.raw(fd), (&raw const storage).cast(), len) }).map(drop)
    }

    fn sendmsg(
        &mut self,
        fd: Fd,
        data: &[u8],
        to: Option<SockAddr>,
        flags: i32,
        control: &[ControlMessage],
    ) -> Outcome<usize> {
        let v6 = {
            let mut domain: c_int = 0;
            let mut len = 4;
            unsafe {
                libc::getsockopt(self.raw(fd), SOL_SOCKET, SO_DOMAIN, (&raw mut domain).cast(), &raw mut len)
            };
            domain == AF_INET6
        };
        let mut to = to.map(encode);
        let mut iov = libc::iovec { iov_base: data.as_ptr().cast_mut().cast(), iov_len: data.len() };
        let mut message: libc::msghdr = unsafe { zeroed() };
        if let Some((storage, len)) = &mut to {
            message.msg_name = (&raw mut *storage).cast();
            message.msg_namelen = *len;
        }
        message.msg_iov = &raw mut iov;
        message.msg_iovlen = 1;
        let control: Vec<_> =
            control.iter().map(|m| with_sockets(m, |n| self.raw(Fd(n as usize)) as u64)).collect();
        let mut bytes = encode_control(&control, v6);
        if !bytes.is_empty() {
            message.msg_control = bytes.as_mut_ptr().cast();
            message.msg_controllen = (bytes.len() * 8) as _;
        }
        let sent = unsafe { libc::sendmsg(self.raw(fd), &raw const message, flags) };
        if sent < 0 { Err(errno()) } else { Ok(sent as usize) }
    }

    fn recvmsg(&mut self, fd: Fd, len: usize, flags: i32) -> Outcome<Received> {
        let mut data = vec![0; len];
        let mut control = [0u64; 128];
        let mut storage: libc::sockaddr_storage = unsafe { zeroed() };
        let mut iov = libc::iovec { iov_base: data.as_mut_ptr().cast(), iov_len: len };
        let mut message: libc::msghdr = unsafe { zeroed() };
        message.msg_name = (&raw mut storage).cast();
        message.msg_namelen = size_of::<libc::sockaddr_storage>() as socklen_t;
        message.msg_iov = &raw mut iov;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&control) as _;
        let got = unsafe { libc::recvmsg(self.raw(fd), &raw mut message, flags) };
        if got < 0 {
            return Err(errno());
        }
        data.truncate(got as usize);
        Ok(Received {
            len: got as usize,
            data,
            from: decode(&storage, message.msg_namelen),
            flags: message.msg_flags & !MSG_CMSG_CLOEXEC,
            control: decode_control(&message)
                .iter()
                .map(|m| with_sockets(m, |fd| self.add(fd as RawFd, 0).0 as u64))
                .collect(),
        })
    }

    fn shutdown(&mut self, fd: Fd, how: i32) -> Outcome<()> {
        check(unsafe { libc::shutdown(self.raw(fd), how) }).map(drop)
    }

    fn close(&mut self, fd: Fd) -> Outcome<()> {
        let raw = self.raw(fd);
        if let Some(entry) = self.sockets.get_mut(fd.0) {
            entry.0 = -1;
        }
        check(unsafe { libc::close(raw) }).map(drop)
    }

    fn getsockname(&mut self, fd: Fd) -> Outcome<SockAddr> {
        name_of(self.raw(fd), libc::getsockname)
    }

    fn getpeername(&mut self, fd: Fd) -> Outcome<SockAddr> {
        name_of(self.raw(fd), libc::getpeername)
    }

    fn getsockopt(&mut self, fd: Fd, level: i32, name: i32, len: usize) -> Outcome<Vec<u8>> {
        self.getsockopt_of(fd, level, name, &vec![0u8; len])
    }

    fn getsockopt_of(&mut self, fd: Fd, level: i32, name: i32, value: &[u8]) -> Outcome<Vec<u8>> {
        let mut value = value.to_vec();
        let mut len = value.len() as socklen_t;
        check(unsafe {
            libc::getsockopt(self.raw(fd), level, name, value.as_mut_ptr().cast(), &raw mut len)
        })?;
        value.truncate(len as usize);
        Ok(value)
    }

    fn setsockopt(&mut self, fd: Fd, level: i32, name: i32, value: &[u8]) -> Outcome<()> {
        // Ours takes the instructions, the kernel a pointer to them.
        let program =
            libc::sock_fprog { len: (value.len() / 8) as u16, filter: value.as_ptr().cast_mut().cast() };
        let is_program = matches!(
            (level, name),
            (SOL_SOCKET, SO_ATTACH_FILTER | SO_ATTACH_REUSEPORT_CBPF) | (SOL_PACKET, PACKET_FANOUT_DATA)
        );
        if is_program && value.len().is_multiple_of(8) {
            let size = size_of_val(&program) as socklen_t;
            let value = (&raw const program).cast();
            return check(unsafe { libc::setsockopt(self.raw(fd), level, name, value, size) }).map(drop);
        }
        check(unsafe {
            libc::setsockopt(self.raw(fd), level, name, value.as_ptr().cast(), value.len() as socklen_t)
        })
        .map(drop)
    }

    fn poll(&mut self, fd: Fd, events: i32, timeout: Duration) -> Outcome<i32> {
        let mut poll = libc::pollfd { fd: self.raw(fd), events: events as i16, revents: 0 };
        if poll.fd < 0 {
            return Ok(POLLNVAL); // a closed one is -1 here, which poll(2) would skip
        }
        check(unsafe { libc::poll(&raw mut poll, 1, timeout.as_millis() as c_int) })?;
        Ok(i32::from(poll.revents))
    }

    fn set_nonblocking(&mut self, fd: Fd, on: bool) -> Outcome<()> {
        check(unsafe { libc::fcntl(self.raw(fd), libc::F_SETFL, if on { libc::O_NONBLOCK } else { 0 }) })
            .map(drop)
    }

    fn ioctl(&mut self, fd: Fd, request: i32) -> Outcome<i32> {
        let mut value: c_int = 0;
        check(unsafe { libc::ioctl(self.raw(fd), request as _, &raw mut value) })?;
        Ok(value)
    }

    fn ioctl_bytes(&mut self, fd: Fd, request: i32, value: &[u8]) -> Outcome<Vec<u8>> {
        let mut value = value.to_vec();
        value.resize(value.len().max(40), 0);
        check(unsafe { libc::ioctl(self.raw(fd), request as _, value.as_mut_ptr()) }).map(|_| value)
    }

    fn interface_name(&mut self, fd: Fd, index: u32) -> String {
        if self.namespaces.len() > 1 {
            enter(&self.namespaces[self.sockets[fd.0].1]);
        }
        let mut name = [0 as libc::c_char; libc::IF_NAMESIZE];
        let result = unsafe { libc::if_indextoname(index, name.as_mut_ptr()) };
        if result.is_null() {
            return index.to_string();
        }
        unsafe { CStr::from_ptr(name.as_ptr()) }.to_string_lossy().into_owned()
    }

    fn interface_index(&mut self, host: usize, name: &str) -> u32 {
        if self.namespaces.len() > 1 {
            enter(&self.namespaces[host]);
        }
        let name = CString::new(name).expect("a name");
        unsafe { libc::if_nametoindex(name.as_ptr()) }
    }
}
