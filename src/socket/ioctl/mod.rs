//! ioctl(2) of a socket.
//!
//! | file | what |
//! |---|---|
//! | `mod.rs` | [`Socket::ioctl`]: queues and modes; Windows' requests that its tutorials make |
//! | `device.rs` | what netdevice(7) and arp(7) ask: a struct ifreq or arpreq, answered in its place |
//! | `change.rs` | what they and route(8) set |
//!
//! Programs under `run` get their answers from `device.rs` and `change.rs` too.

pub(crate) mod change;
pub(crate) mod device;

use super::Socket;
use super::remote::connection::unexpected;
use crate::base::constants::*;
use crate::base::verb::{Answer, Verb};
use crate::base::{Errno, Error, IfIndex, Result};

/// What [`Socket::ioctl`] takes beside the request, and what it gives for it.
pub trait IoctlArgument {
    /// What the request answers.
    type Answer;

    /// Does it.
    ///
    /// # Errors
    /// Those of [`Socket::ioctl`].
    fn ioctl(self, socket: &Socket, request: i32) -> Result<Self::Answer>;
}

impl Socket {
    /// ioctl(2), and Python's of Windows.
    ///
    /// | request | argument | answer |
    /// |---|---|---|
    /// | `FIONREAD`, `SIOCINQ` | 0 | bytes to read; of a datagram socket the next datagram's length |
    /// | `SIOCOUTQ` | 0 | bytes not yet sent or acknowledged |
    /// | `SIOCATMARK` | 0 | of a stream: 1 = the next byte is the urgent one |
    /// | `FIONBIO` | 1 = non-blocking | 0 |
    /// | `SIOCGIFADDR` and its like | an interface's name, or a struct ifreq | the struct ifreq with its answer, netdevice(7) |
    /// | `SIOCGIFCONF` | as many bytes as there is room for; none = all | a struct ifreq for each IPv4 address |
    /// | `SIOCGARP` | a struct arpreq | the same with the neighbour's station address, arp(7) |
    /// | `SIOCSIFADDR` and its like | a struct ifreq, of AF_INET6 in6_ifreq | the same: what Linux's set and a host has, netdevice(7) |
    /// | `SIOCSARP`, `SIOCDARP` | a struct arpreq | the same: a neighbour more, or less |
    /// | `SIO_RCVALL` | `RCVALL_ON`, `RCVALL_OFF` | 0: a raw socket hears what passes its interface for other stations, too |
    /// | `SIO_KEEPALIVE_VALS` | (on, milliseconds of silence, milliseconds between probes) | 0: SO_KEEPALIVE with its times |
    ///
    /// `SIO_RCVALL` means the interface of the address that the socket is bound to, or all. A raw socket of `IPPROTO_IP` hears
    /// every IPv4 packet; its own host's outgoing ones are heard by packet sockets alone.
    ///
    /// # Errors
    /// EINVAL (`FIONREAD` of a listener, a value that the request does not know, `SIO_RCVALL` of what is no raw socket), ENODEV
    /// (no such interface), EADDRNOTAVAIL (it has no IPv4 address), ENXIO (no such neighbour), EOPNOTSUPP (what of an interface can't be
    /// set), ENOTTY for other requests.
    ///
    /// ```
    /// # use sockatoo::{Host, socket::*};
    /// # let host = Host::builder().build()?;
    /// let (one, other) = host.socketpair(AF_INET, SOCK_STREAM, 0)?;
    /// one.sendall(b"12345", 0)?;
    /// other.recv(1, 0)?;
    /// assert_eq!(other.ioctl(FIONREAD, 0)?, 4);
    /// // As Python's `fcntl.ioctl(s.fileno(), SIOCGIFADDR, struct.pack('256s', b'lo'))[20:24]`.
    /// assert_eq!(one.ioctl(SIOCGIFADDR, "lo")?[20..24], [127, 0, 0, 1]);
    /// one.ioctl(SIO_KEEPALIVE_VALS, (1, 10_000, 3_000))?;
    /// # Ok::<(), sockatoo::Error>(())
    /// ```
    pub fn ioctl<T: IoctlArgument>(&self, request: i32, argument: T) -> Result<T::Answer> {
        argument.ioctl(self, request)
    }

    /// True if the family has netdevice(7)'s requests about IPv4 addresses (inet_ioctl, packet_ioctl).
    fn knows_addresses(&self) -> bool {
        matches!(self.family(), AF_INET | AF_PACKET)
    }

    /// Windows' SIO_RCVALL: interfaces are promiscuous for as long as this socket, or until RCVALL_OFF.
    fn receive_all_packets(&self, how: i32) -> Result<()> {
        let description = self.open()?;
        if self.type_() != SOCK_RAW || self.family() == AF_PACKET {
            return Err(Errno::EINVAL.with("SIO_RCVALL is for raw sockets"));
        }
        let listener = match how {
            RCVALL_OFF | RCVALL_IPLEVEL => None,
            RCVALL_ON => Some(self.promiscuous_helper()?),
            _ => return Err(Errno::EINVAL.with("RCVALL_OFF, RCVALL_ON or RCVALL_IPLEVEL")),
        };
        self.setsockopt(SOL_SOCKET, SO_RCVALL, listener.is_some())?;
        description.set_receive_all(listener);
        Ok(())
    }

    /// A packet socket that hears nothing itself (protocol 0), and keeps the interfaces promiscuous while it is there.
    fn promiscuous_helper(&self) -> Result<Self> {
        let bound = self.getsockname()?.inet().map(|address| address.ip()).filter(|ip| !ip.is_unspecified());
        let helper = self.host().socket(AF_PACKET, SOCK_RAW, 0)?;
        for interface in self.host().interfaces() {
            let meant = match bound {
                Some(ip) => interface.addresses.iter().any(|address| address.address() == ip),
                None => interface.index != IfIndex::LO,
            };
            if meant {
                helper.set_promiscuous(&interface.name, true)?;
            }
        }
        Ok(helper)
    }
}

impl IoctlArgument for i32 {
    type Answer = Self;

    fn ioctl(self, socket: &Socket, request: i32) -> Result<Self> {
        let length = |answer| match answer {
            Answer::Count(count) => Ok(Self::try_from(count).unwrap_or(Self::MAX)),
            _ => Err(unexpected()),
        };
        match request {
            FIONREAD => socket.look("ioctl", Verb::Readable).and_then(length),
            SIOCOUTQ => socket.look("ioctl", Verb::Unsent).and_then(length),
            FIONBIO => socket.setblocking(self == 0).map(|()| 0),
            SIOCATMARK if socket.type_() == SOCK_STREAM => {
                socket.look("ioctl", Verb::AtMark).and_then(length)
            }
            SIO_RCVALL => socket.receive_all_packets(self).map(|()| 0),
            _ => Err(unknown(socket, request)),
        }
    }
}

/// A struct of netdevice(7) or arp(7), or an interface's name where a struct ifreq is meant.
impl<T: AsRef<[u8]> + ?Sized> IoctlArgument for &T {
    type Answer = Vec<u8>;

    fn ioctl(self, socket: &Socket, request: i32) -> Result<Vec<u8>> {
        socket.open()?;
        let mut bytes = self.as_ref().to_vec();
        if device::wants_address(request) && !socket.knows_addresses() {
            return Err(unknown(socket, request));
        }
        let rows = || match socket.host().perform(Verb::Interfaces)? {
            Answer::Interfaces(rows) => Ok(rows),
            _ => Err(unexpected()),
        };
        match request {
            _ if change::is_change(request) => {
                bytes.resize(bytes.len().max(device::ARPREQ), 0);
                let steps =
                    change::verbs(&rows()?, &socket.host().neighbours()?, socket.family(), request, &bytes)?;
                for step in steps {
                    socket.host().perform(step)?;
                }
            }
            SIOCGIFCONF => {
                let room = if bytes.is_empty() { usize::MAX } else { bytes.len() };
                bytes = device::configuration(&rows()?, room);
            }
            SIOCGARP => {
                bytes.resize(bytes.len().max(device::ARPREQ), 0);
                device::neighbour(&rows()?, &socket.host().neighbours()?, &mut bytes)?;
            }
            _ if device::is_request(request) => {
                bytes.resize(bytes.len().max(device::IFREQ), 0);
                device::answer(&rows()?, request, &mut bytes)?;
            }
            _ => return Err(unknown(socket, request)),
        }
        Ok(bytes)
    }
}

/// Windows' struct tcp_keepalive: on, milliseconds of silence, milliseconds between probes.
impl IoctlArgument for (i32, u32, u32) {
    type Answer = i32;

    fn ioctl(self, socket: &Socket, request: i32) -> Result<i32> {
        if request != SIO_KEEPALIVE_VALS {
            return Err(unknown(socket, request));
        }
        let (on, silence, between) = self;
        // Linux counts in seconds: what is shorter becomes one.
        let seconds = |millis: u32| millis.div_ceil(1000).max(1) as i32;
        if on != 0 {
            socket.setsockopt(IPPROTO_TCP, TCP_KEEPIDLE, seconds(silence))?;
            socket.setsockopt(IPPROTO_TCP, TCP_KEEPINTVL, seconds(between))?;
        }
        socket.setsockopt(SOL_SOCKET, SO_KEEPALIVE, on != 0)?;
        Ok(0)
    }
}

fn unknown(socket: &Socket, request: i32) -> Error {
    match socket.open() {
        Ok(_) => Errno::ENOTTY.with(format!("this socket has no ioctl {request:#x} with such an argument")),
        Err(closed) => closed,
    }
}
