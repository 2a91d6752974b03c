//! What a case speaks: every call goes to the arm and is written down with its outcome, one line each.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sockatoo::SockAddr;
use sockatoo::base::constants::*;
use sockatoo::base::{ControlMessage, Errno};

use crate::arm::{Arm, Fd, Outcome, Received};
use crate::raw::option_text;
use crate::words::{MSG_BITS, POLL_BITS, data_text, names, outcome, value_text};

/// How long a wait for readiness may last: only a case that fails waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(6);

/// The lines that a case has spoken so far; shared, so that a case that hangs can be told too.
pub type Lines = Arc<Mutex<Vec<String>>>;

/// Which of the twins a case runs as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ip {
    V4,
    V6,
}

impl Ip {
    /// AF_INET or AF_INET6.
    pub fn af(self) -> i32 {
        if self == Self::V4 { AF_INET } else { AF_INET6 }
    }
    /// 127.0.0.1 or ::1.
    pub fn lo(self) -> IpAddr {
        if self == Self::V4 { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() }
    }
    /// 0.0.0.0 or ::.
    pub fn any(self) -> IpAddr {
        if self == Self::V4 { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
    }
    /// The address of a host of [`Place::Wire`], or of one that isn't there (from 3 on).
    pub fn on_wire(self, host: u8) -> IpAddr {
        if self == Self::V4 {
            Ipv4Addr::new(192, 0, 2, host + 1).into()
        } else {
            Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(host) + 1).into()
        }
    }
    /// A multicast group.
    pub fn group(self) -> IpAddr {
        if self == Self::V4 {
            Ipv4Addr::new(233, 252, 0, 1).into()
        } else {
            Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0xdb8, 0, 1).into()
        }
    }
}

/// A case's dialogue with an arm.
pub struct Dialogue {
    pub(crate) arm: Box<dyn Arm>,
    pub ip: Ip,
    lines: Lines,
    /// Ephemeral ports in the order of their appearance.
    ports: HashMap<u16, usize>,
    /// Names that autobind gave, in the same order.
    pub(crate) names: Vec<sockatoo::UnixAddr>,
}

impl Dialogue {
    pub fn new(arm: Box<dyn Arm>, ip: Ip, lines: Lines) -> Self {
        Self { arm, ip, lines, ports: HashMap::new(), names: Vec::new() }
    }

    /// Writes a line of the case's own.
    pub fn note(&mut self, line: impl Into<String>) {
        self.lines.lock().expect("lines").push(line.into());
    }

    /// True if this is the last line.
    pub fn last_is(&self, line: &str) -> bool {
        self.lines.lock().expect("lines").last().is_some_and(|last| last == line)
    }

    /// Ephemeral ports become `#1`, `#2` ...
    fn show(&mut self, fd: Fd, address: SockAddr) -> String {
        if let Some(link) = address.link() {
            return self.show_link(fd, link);
        }
        if let Some(name) = address.unix() {
            return self.show_name(name);
        }
        let Some(inet) = address.inet() else { return "AF_UNSPEC".into() };
        if inet.port() < 32_768 {
            return inet.to_string();
        }
        let new = self.ports.len() + 1;
        let number = *self.ports.entry(inet.port()).or_insert(new);
        match inet {
            SocketAddr::V4(a) => format!("{}:#{number}", a.ip()),
            SocketAddr::V6(a) => format!("[{}]:#{number}", a.ip()),
        }
    }

    /// A socket that is not there: the call before it failed.
    fn missing(&mut self) -> Fd {
        Fd(usize::MAX)
    }

    pub(crate) fn who(fd: Fd) -> String {
        if fd.0 == usize::MAX { "s?".into() } else { format!("s{}", fd.0 + 1) }
    }

    pub fn socket_on(&mut self, host: usize, domain: i32, kind: i32, protocol: i32) -> Fd {
        let result = self.arm.socket(host, domain, kind, protocol);
        let line =
            format!("socket({domain}, {kind:#x}, {protocol}) = {}", outcome(&result, |fd| Self::who(*fd)));
        self.note(line);
        result.unwrap_or_else(|_| self.missing())
    }

    pub fn socket(&mut self, domain: i32, kind: i32, protocol: i32) -> Fd {
        self.socket_on(0, domain, kind, protocol)
    }

    /// A TCP socket of the case's family.
    pub fn tcp(&mut self) -> Fd {
        self.socket(self.ip.af(), SOCK_STREAM, 0)
    }

    /// A UDP socket of the case's family.
    pub fn udp(&mut self) -> Fd {
        self.socket(self.ip.af(), SOCK_DGRAM, 0)
    }

    pub fn bind(&mut self, fd: Fd, address: impl Into<SockAddr>) -> bool {
        let address = address.into();
        let result = self.arm.bind(fd, address);
        let line = format!(
            "{}.bind({}) = {}",
            Self::who(fd),
            self.show(fd, address),
            outcome(&result, |()| "0".into())
        );
        self.note(line);
        result.is_ok()
    }

    pub fn listen(&mut self, fd: Fd, backlog: i32) -> bool {
        let result = self.arm.listen(fd, backlog);
        self.note(format!("{}.listen({backlog}) = {}", Self::who(fd), outcome(&result, |()| "0".into())));
        result.is_ok()
    }

    pub fn accept(&mut self, fd: Fd) -> Fd {
        let result = self.arm.accept(fd);
        let text = match result {
            Ok((new, from)) => format!("{} from {}", Self::who(new), self.show(fd, from)),
            Err(number) => Errno(number).name().into(),
        };
        self.note(format!("{}.accept() = {text}", Self::who(fd)));
        result.map_or_else(|_| self.missing(), |(new, _)| new)
    }

    pub fn connect(&mut self, fd: Fd, address: impl Into<SockAddr>) -> bool {
        let address = address.into();
        let result = self.arm.connect(fd, address);
        let line = format!(
            "{}.connect({}) = {}",
            Self::who(fd),
            self.show(fd, address),
            outcome(&result, |()| "0".into())
        );
        self.note(line);
        result.is_ok()
    }

    pub fn send(&mut self, fd: Fd, data: &[u8], flags: i32) -> Option<usize> {
        let result = self.arm.sendmsg(fd, data, None, flags, &[]);
        let line = format!(
            "{}.send({}, {}) = {}",
            Self::who(fd),
            data_text(data),
            names(flags, MSG_BITS),
            outcome(&result, usize::to_string)
        );
        self.note(line);
        result.ok()
    }

    pub fn sendto(&mut self, fd: Fd, data: &[u8], flags: i32, to: impl Into<SockAddr>) -> Option<usize> {
        self.sendmsg(fd, data, Some(to.into()), flags, &[])
    }

    pub fn sendmsg(
        &mut self,
        fd: Fd,
        data: &[u8],
        to: Option<SockAddr>,
        flags: i32,
        control: &[ControlMessage],
    ) -> Option<usize> {
        let result = self.arm.sendmsg(fd, data, to, flags, control);
        let mut line = format!("{}.sendmsg({}, {}", Self::who(fd), data_text(data), names(flags, MSG_BITS));
        if let Some(to) = to {
            line += &format!(", to {}", self.show(fd, to));
        }
        for message in control {
            line += &format!(", {}", self.control_text(fd, message));
        }
        line += &format!(") = {}", outcome(&result, usize::to_string));
        self.note(line);
        result.ok()
    }

    fn control_text(&mut self, fd: Fd, message: &ControlMessage) -> String {
        match message {
            ControlMessage::PacketInfo { interface, local, destination } => {
                let interface =
                    if *interface == 0 { "0".into() } else { self.arm.interface_name(fd, *interface) };
                format!("PKTINFO {interface} {local} {destination}")
            }
            ControlMessage::Timestamp(at) => format!("TIMESTAMP sane={}", at.as_secs() > 1_500_000_000),
            ControlMessage::TimestampNs(at) => format!("TIMESTAMPNS sane={}", at.as_secs() > 1_500_000_000),
            ControlMessage::Ipv6 { name: IPV6_2292PKTINFO, bytes } => {
                format!("2292PKTINFO {:?}", &bytes[..16])
            }
            ControlMessage::Timestamping(at) => format!("TIMESTAMPING sane={}", at.as_secs() > 1_500_000_000),
            ControlMessage::ExtendedError(e) => {
                let offender = match e.offender {
                    Some(a) => self.show(fd, a.into()),
                    None => "nobody".into(),
                };
                format!(
                    "RECVERR {} origin {} type {} code {} info {}{} by {offender}",
                    e.errno.name(),
                    e.origin,
                    e.kind,
                    e.code,
                    e.info,
                    if e.data == 0 { String::new() } else { format!(" data {}", e.data) }
                )
            }
            ControlMessage::Options(bytes) => format!("RECVOPTS {}", option_text(bytes)),
            ControlMessage::ReturnOptions(bytes) => format!("RETOPTS {}", option_text(bytes)),
            other => crate::unix::control_text(other),
        }
    }

    /// recv(2): the data alone.
    pub fn recv(&mut self, fd: Fd, len: usize, flags: i32) -> Option<Vec<u8>> {
        let result = self.arm.recvmsg(fd, len, flags);
        let text = outcome(&result, |r| {
            let mut text = data_text(&r.data);
            if r.len != r.data.len() {
                text += &format!(" of {}", r.len);
            }
            text
        });
        self.note(format!("{}.recv({len}, {}) = {text}", Self::who(fd), names(flags, MSG_BITS)));
        result.ok().map(|r| r.data)
    }

    /// recvmsg(2): the data and all that is told beside it.
    pub fn recvmsg(&mut self, fd: Fd, len: usize, flags: i32) -> Option<SockAddr> {
        let result = self.arm.recvmsg(fd, len, flags);
        self.tell_received(fd, len, flags, result)
    }

    /// Writes down what recvmsg(2) gave.
    pub(crate) fn tell_received(
        &mut self,
        fd: Fd,
        len: usize,
        flags: i32,
        result: Outcome<Received>,
    ) -> Option<SockAddr> {
        let head = format!("{}.recvmsg({len}, {})", Self::who(fd), names(flags, MSG_BITS));
        match result {
            Err(number) => {
                self.note(format!("{head} = {}", Errno(number).name()));
                None
            }
            Ok(r) => {
                let mut line = format!("{head} = {} of {}", data_text(&r.data), r.len);
                if let Some(from) = r.from {
                    line += &format!(" from {}", self.show(fd, from));
                }
                if r.flags != 0 {
                    line += &format!(" flags {}", names(r.flags, MSG_BITS));
                }
                let mut told: Vec<String> = r.control.iter().map(|m| self.control_text(fd, m)).collect();
                told.sort(); // the order of control messages means nothing
                for message in told {
                    line += &format!(" [{message}]");
                }
                self.note(line);
                r.from
            }
        }
    }

    pub fn shutdown(&mut self, fd: Fd, how: i32) -> bool {
        let result = self.arm.shutdown(fd, how);
        let how = ["RD", "WR", "RDWR"].get(how as usize).map_or_else(|| how.to_string(), |n| n.to_string());
        self.note(format!("{}.shutdown({how}) = {}", Self::who(fd), outcome(&result, |()| "0".into())));
        result.is_ok()
    }

    pub fn close(&mut self, fd: Fd) {
        let result = self.arm.close(fd);
        self.note(format!("{}.close() = {}", Self::who(fd), outcome(&result, |()| "0".into())));
    }

    pub fn getsockname(&mut self, fd: Fd) -> Option<SockAddr> {
        let result = self.arm.getsockname(fd);
        let text = match result {
            Ok(address) => self.show(fd, address),
            Err(number) => Errno(number).name().into(),
        };
        self.note(format!("{}.getsockname() = {text}", Self::who(fd)));
        result.ok()
    }

    pub fn getpeername(&mut self, fd: Fd) -> Option<SockAddr> {
        let result = self.arm.getpeername(fd);
        let text = match result {
            Ok(address) => self.show(fd, address),
            Err(number) => Errno(number).name().into(),
        };
        self.note(format!("{}.getpeername() = {text}", Self::who(fd)));
        result.ok()
    }

    /// The option's bytes; ints are told as ints.
    pub fn getsockopt(&mut self, fd: Fd, level: i32, name: i32, len: usize) -> Option<Vec<u8>> {
        let result = self.arm.getsockopt(fd, level, name, len);
        let text = outcome(&result, |v| value_text(v));
        self.note(format!("{}.getsockopt({level}, {name}, len {len}) = {text}", Self::who(fd)));
        result.ok()
    }

    /// The same, told what it is asked about.
    pub fn getsockopt_of(&mut self, fd: Fd, level: i32, name: i32, value: &[u8]) -> Option<Vec<u8>> {
        let result = self.arm.getsockopt_of(fd, level, name, value);
        let text = outcome(&result, |v| value_text(v));
        self.note(format!("{}.getsockopt({level}, {name}, {}) = {text}", Self::who(fd), value_text(value)));
        result.ok()
    }

    pub fn setsockopt(&mut self, fd: Fd, level: i32, name: i32, value: &[u8]) -> bool {
        let result = self.arm.setsockopt(fd, level, name, value);
        let line = format!(
            "{}.setsockopt({level}, {name}, {}) = {}",
            Self::who(fd),
            value_text(value),
            outcome(&result, |()| "0".into())
        );
        self.note(line);
        result.is_ok()
    }

    /// As [`Dialogue::setsockopt`], with words for a value that has each side's own numbers in it.
    pub fn setsockopt_as(&mut self, fd: Fd, level: i32, name: i32, value: &[u8], words: &str) -> bool {
        let result = self.arm.setsockopt(fd, level, name, value);
        let text = outcome(&result, |()| "0".into());
        self.note(format!("{}.setsockopt({level}, {name}, {words}) = {text}", Self::who(fd)));
        result.is_ok()
    }

    pub fn set(&mut self, fd: Fd, level: i32, name: i32, value: i32) -> bool {
        self.setsockopt(fd, level, name, &value.to_ne_bytes())
    }

    pub fn get(&mut self, fd: Fd, level: i32, name: i32) -> Option<i32> {
        let bytes = self.getsockopt(fd, level, name, 4)?;
        Some(i32::from_ne_bytes(bytes.try_into().ok()?))
    }

    /// Takes and tells SO_ERROR.
    pub fn so_error(&mut self, fd: Fd) {
        let result = self.arm.getsockopt(fd, SOL_SOCKET, SO_ERROR, 4);
        let text = outcome(&result, |v| {
            let number = v.as_slice().try_into().map_or(-1, i32::from_ne_bytes);
            if number == 0 { "0".into() } else { Errno(number).name().into() }
        });
        self.note(format!("{}.SO_ERROR = {text}", Self::who(fd)));
    }

    /// What poll(2) says now of everything.
    pub fn poll(&mut self, fd: Fd) -> i32 {
        self.told_poll(fd, POLLIN | POLLPRI | POLLOUT | POLLRDHUP, Duration::ZERO)
    }

    /// Waits until all of `bits` are there (bounded), then tells everything that poll(2) says.
    pub fn poll_until(&mut self, fd: Fd, bits: i32) -> i32 {
        self.wait_bits(fd, bits);
        self.poll(fd)
    }

    /// Waits without a word until one of `bits` is there: bridges what two arms do at different speeds.
    pub fn wait(&mut self, fd: Fd, bits: i32) {
        if self.wait_bits(fd, bits) & bits == 0 {
            self.note(format!("{}: {} did not come", Self::who(fd), names(bits, POLL_BITS)));
        }
    }

    fn wait_bits(&mut self, fd: Fd, bits: i32) -> i32 {
        let mut seen = 0;
        for bit in (0..16).map(|n| 1 << n).filter(|bit| bits & bit != 0) {
            seen |= self.arm.poll(fd, bit, PATIENCE).unwrap_or(0);
        }
        seen
    }

    fn told_poll(&mut self, fd: Fd, events: i32, timeout: Duration) -> i32 {
        let result = self.arm.poll(fd, events, timeout);
        self.note(format!("{}.poll() = {}", Self::who(fd), outcome(&result, |r| names(*r, POLL_BITS))));
        result.unwrap_or(0)
    }

    pub fn nonblocking(&mut self, fd: Fd) {
        let result = self.arm.set_nonblocking(fd, true);
        self.note(format!("{}.O_NONBLOCK = {}", Self::who(fd), outcome(&result, |()| "on".into())));
    }

    pub fn ioctl(&mut self, fd: Fd, request: i32) -> Option<i32> {
        let result = self.arm.ioctl(fd, request);
        let name = match request {
            FIONREAD => "FIONREAD".into(),
            SIOCOUTQ => "SIOCOUTQ".into(),
            other => format!("{other:#x}"),
        };
        self.note(format!("{}.ioctl({name}) = {}", Self::who(fd), outcome(&result, i32::to_string)));
        result.ok()
    }

    pub fn index_of(&mut self, host: usize, interface: &str) -> u32 {
        self.arm.interface_index(host, interface)
    }
}
