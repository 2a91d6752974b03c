//! What many cases begin with, and calls without a line, for what is each side's own: how often, how much.

use std::time::{Duration, Instant};

use sockatoo::SockAddr;
use sockatoo::base::ControlMessage;
use sockatoo::base::constants::*;

use crate::arm::{Fd, Outcome};
use crate::dialogue::{Dialogue, PATIENCE};

/// What many cases begin with.
impl Dialogue {
    /// A listening TCP socket on the loopback address.
    pub fn listener(&mut self, port: u16) -> Fd {
        let fd = self.tcp();
        self.bind(fd, (self.ip.lo(), port));
        self.listen(fd, 5);
        fd
    }

    /// A TCP connection over the loopback: (client, server's end), and the listener.
    pub fn pair(&mut self) -> (Fd, Fd, Fd) {
        let listener = self.listener(7000);
        let client = self.tcp();
        self.connect(client, (self.ip.lo(), 7000));
        self.wait(listener, POLLIN);
        let server = self.accept(listener);
        (client, server, listener)
    }

    /// A UDP socket bound to a port of the loopback address.
    pub fn udp_at(&mut self, port: u16) -> Fd {
        let fd = self.udp();
        self.bind(fd, (self.ip.lo(), port));
        fd
    }
}

/// CLOCK_MONOTONIC, in nanoseconds.
pub fn monotonic() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Without a line.
impl Dialogue {
    /// What the error queue quotes.
    pub fn recv_error_quietly(&mut self, fd: Fd, len: usize) -> Option<Vec<u8>> {
        self.arm.recvmsg(fd, len, MSG_ERRQUEUE).ok().map(|r| r.data)
    }

    /// The flow label of what comes (IPV6_FLOWINFO).
    pub fn flow_label_quietly(&mut self, fd: Fd) -> Option<u32> {
        let received = self.arm.recvmsg(fd, 100, 0).ok()?;
        let label = |message: &ControlMessage| match message {
            ControlMessage::FlowInfo(flow) => Some(flow & 0xf_ffff),
            _ => None,
        };
        received.control.iter().find_map(label)
    }

    /// The port in an option's range that getsockname(2) tells, without a line.
    pub fn port_quietly(&mut self, fd: Fd) -> u16 {
        self.arm.getsockname(fd).ok().and_then(|name| name.inet()).map_or(0, |name| name.port())
    }

    /// sendmsg(2) with control messages that have a number of the moment in them, told by `words`.
    pub fn sendmsg_as(&mut self, fd: Fd, data: &[u8], to: SockAddr, control: &[ControlMessage], words: &str) {
        let result = self.arm.sendmsg(fd, data, Some(to), 0, control);
        self.note(format!("{}.sendmsg({words}) = {result:?}", Self::who(fd)));
    }

    /// As [`Dialogue::send_quietly`], with the errno.
    pub fn send_silently(&mut self, fd: Fd, data: &[u8]) -> Outcome<usize> {
        self.arm.sendmsg(fd, data, None, 0, &[])
    }

    pub fn ioctl_quietly(&mut self, fd: Fd, request: i32) -> Option<i32> {
        self.arm.ioctl(fd, request).ok()
    }

    /// The first byte of TCP_INFO, without a line.
    pub fn tcp_state(&mut self, fd: Fd) -> Option<u8> {
        self.arm.getsockopt(fd, SOL_TCP, TCP_INFO, 1).ok()?.first().copied()
    }

    /// TCP_INFO's tcpi_unacked and tcpi_notsent_bytes together, without a line.
    /// What TCP_INFO knows of Fast Open: TCPI_OPT_SYN_DATA, tcpi_fastopen_client_fail.
    pub fn tcp_opened(&mut self, fd: Fd) {
        let info = self.arm.getsockopt(fd, SOL_TCP, TCP_INFO, 8).unwrap_or_default();
        let byte = |at: usize| info.get(at).copied().unwrap_or(0);
        self.note(format!("s{}: SYN data {}, failure {}", fd.0, byte(5) >> 5 & 1, byte(7) >> 1 & 3));
    }

    pub fn tcp_unacked(&mut self, fd: Fd) -> Option<u64> {
        let info = self.arm.getsockopt(fd, SOL_TCP, TCP_INFO, 248).ok()?;
        let word = |at: usize| Some(u64::from(u32::from_ne_bytes(info.get(at..at + 4)?.try_into().ok()?)));
        Some(word(24)? + word(144)?)
    }

    /// Waits, bounded, for what has no event: the acknowledgement of the other end.
    pub fn until(&mut self, mut done: impl FnMut(&mut Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !done(self) {
            if Instant::now() > end {
                self.note("did not come to pass");
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// send(2) without a line: where the number of calls or of bytes is each side's own.
    pub fn send_quietly(&mut self, fd: Fd, data: &[u8]) -> Option<usize> {
        self.arm.sendmsg(fd, data, None, 0, &[]).ok()
    }

    /// recv(2) without a line: how many bytes.
    pub fn recv_quietly(&mut self, fd: Fd, len: usize) -> Option<usize> {
        self.arm.recvmsg(fd, len, 0).ok().map(|r| r.data.len())
    }

    /// recv(2) with MSG_DONTWAIT without a line.
    pub fn take_quietly(&mut self, fd: Fd, len: usize) -> Option<Vec<u8>> {
        self.arm.recvmsg(fd, len, MSG_DONTWAIT).ok().map(|r| r.data)
    }

    /// A TCP socket without a line.
    pub fn silent_tcp(&mut self) -> Fd {
        self.arm.socket(0, self.ip.af(), SOCK_STREAM, 0).unwrap_or(Fd(usize::MAX))
    }

    pub fn connect_quietly(&mut self, fd: Fd, to: impl Into<SockAddr>) {
        let _ = self.arm.connect(fd, to.into());
    }

    /// Accepts all who wait at a non-blocking listener: how many.
    pub fn accept_all_quietly(&mut self, fd: Fd) -> usize {
        let mut n = 0;
        while self.arm.accept(fd).is_ok() {
            n += 1;
        }
        n
    }

    pub fn sendto_quietly(&mut self, fd: Fd, data: &[u8], to: impl Into<SockAddr>) {
        let _ = self.arm.sendmsg(fd, data, Some(to.into()), 0, &[]);
    }

    /// A UDP socket without a line.
    pub fn silent_udp(&mut self) -> Fd {
        self.arm.socket(0, self.ip.af(), SOCK_DGRAM, 0).unwrap_or(Fd(usize::MAX))
    }
}
