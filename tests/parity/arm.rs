//! The calls that a case may make, in the words that both arms understand: the kernel's errno numbers, its option bytes.

use std::time::Duration;

use sockatoo::SockAddr;
use sockatoo::base::ControlMessage;

/// The outcome of a call: its value, or the errno.
pub type Outcome<T> = Result<T, i32>;

/// A socket of an arm: the index in its list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fd(pub usize);

/// What recvmsg(2) gave.
#[derive(Debug, Default)]
pub struct Received {
    /// The returned number; over `data.len()` with MSG_TRUNC.
    pub len: usize,
    pub data: Vec<u8>,
    pub from: Option<SockAddr>,
    /// MSG_TRUNC, MSG_CTRUNC, MSG_ERRQUEUE ...
    pub flags: i32,
    pub control: Vec<ControlMessage>,
}

/// One side of the comparison: the kernel's sockets, or ours.
pub trait Arm {
    /// How its column is headed.
    fn name(&self) -> &'static str;
    /// `host` is 0, or in a [`Place::Wire`] 0 or 1.
    fn socket(&mut self, host: usize, domain: i32, kind: i32, protocol: i32) -> Outcome<Fd>;
    /// socketpair(2), on host 0.
    fn socketpair(&mut self, domain: i32, kind: i32, protocol: i32) -> Outcome<(Fd, Fd)>;
    fn bind(&mut self, fd: Fd, address: SockAddr) -> Outcome<()>;
    fn listen(&mut self, fd: Fd, backlog: i32) -> Outcome<()>;
    fn accept(&mut self, fd: Fd) -> Outcome<(Fd, SockAddr)>;
    fn connect(&mut self, fd: Fd, address: SockAddr) -> Outcome<()>;
    fn sendmsg(
        &mut self,
        fd: Fd,
        data: &[u8],
        to: Option<SockAddr>,
        flags: i32,
        control: &[ControlMessage],
    ) -> Outcome<usize>;
    fn recvmsg(&mut self, fd: Fd, len: usize, flags: i32) -> Outcome<Received>;
    fn shutdown(&mut self, fd: Fd, how: i32) -> Outcome<()>;
    fn close(&mut self, fd: Fd) -> Outcome<()>;
    fn getsockname(&mut self, fd: Fd) -> Outcome<SockAddr>;
    fn getpeername(&mut self, fd: Fd) -> Outcome<SockAddr>;
    /// The option's bytes, at most `len`.
    fn getsockopt(&mut self, fd: Fd, level: i32, name: i32, len: usize) -> Outcome<Vec<u8>>;
    /// The same of an option that finds in the value's place what it is asked about.
    fn getsockopt_of(&mut self, fd: Fd, level: i32, name: i32, value: &[u8]) -> Outcome<Vec<u8>>;
    fn setsockopt(&mut self, fd: Fd, level: i32, name: i32, value: &[u8]) -> Outcome<()>;
    /// Waits until one of `events` (POLLERR and POLLHUP always) is there; 0 = none came in time.
    fn poll(&mut self, fd: Fd, events: i32, timeout: Duration) -> Outcome<i32>;
    fn set_nonblocking(&mut self, fd: Fd, on: bool) -> Outcome<()>;
    /// FIONREAD, SIOCOUTQ.
    fn ioctl(&mut self, fd: Fd, request: i32) -> Outcome<i32>;
    /// A struct of netdevice(7), at least a struct ifreq's 40 bytes: what becomes of it.
    fn ioctl_bytes(&mut self, fd: Fd, request: i32, value: &[u8]) -> Outcome<Vec<u8>>;
    /// The name of an interface of the socket's host.
    fn interface_name(&mut self, fd: Fd, index: u32) -> String;
    /// The index of an interface of the socket's host.
    fn interface_index(&mut self, host: usize, name: &str) -> u32;
}

/// Where a case plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// One host with its loopback.
    Lo,
    /// Two hosts, 192.0.2.1/24 and 2001:db8::1/64 (host 0) and .2 (host 1), on the interface `w0` of each. TCP Fast Open
    /// is on, both ways.
    Wire,
}
