//! The host's interfaces, once more, as the kernel's: for tools that map packet rings (libpcap's: tcpdump, nmap, hping3 ...).
//!
//! A ring is memory that the kernel shares with a program; nobody can hand in another. So the program gets a packet socket of
//! the kernel's, of a network namespace that nobody is in: there stands a TAP for each interface of the host, of the same name,
//! number and station address, without addresses. What passes the host's interface is written to the TAP; what the program
//! writes there leaves by the host's interface. A socket stays in the namespace in which it was made: the program does not move.
//!
//! ```text
//!   the host's eth0 --packet socket--> TAP eth0 --> ring
//!                  <--packet socket--  TAP eth0 <-- write(2)
//! ```
//! `lo` is the kernel's own there, without its address: what is written to it comes back as received, once, as on a host.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::thread;

use crate::base::constants::{
    AF_PACKET, ETH_P_ALL, MSG_DONTWAIT, PACKET_ADD_MEMBERSHIP, PACKET_MR_PROMISC, PACKET_OUTGOING, POLLIN,
    SO_RCVBUF, SO_TYPE, SOCK_NONBLOCK, SOCK_RAW, SOL_PACKET, SOL_SOCKET,
};
use crate::base::verb::{Answer, Verb};
use crate::base::{Errno, IfIndex, LinkAddr, Reason, Result, SockAddr, SocketId};
use crate::driver::{Host, Interface};
use crate::socket::Socket;
use crate::sys::epoll::Epoll;
use crate::sys::interface::Control;
use crate::sys::{descriptor, mirror, namespace};

/// The mirrors of a host's interfaces.
#[derive(Debug, Default)]
pub(super) struct Mirrors {
    /// Made when the first program asks.
    namespace: Option<OwnedFd>,
    mirrors: HashMap<u64, Mirror>,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Mirror {
    interface: IfIndex,
    /// Hears and sends on the host's interface. What it sends it does not hear.
    inside: Socket,
    outside: Outside,
}

/// The kernel's side.
#[derive(Debug)]
enum Outside {
    Tap(OwnedFd),
    /// A packet socket on the namespace's `lo`.
    Lo(OwnedFd),
}

/// Bytes that wait for the mirror: as much as a burst of a full receive buffer.
const ROOM: i32 = 4 << 20;
/// The longest frame.
const LONGEST: usize = 65_535 + 18;
/// Frames taken at a time, from either side.
const BATCH: usize = 256;

impl Mirrors {
    /// The bit by which epoll's tokens are theirs.
    pub(super) const TOKEN: u64 = 1 << 61;

    /// A packet socket of the kernel's for a program that has this one of the host's: of the same kind, bound as it is.
    ///
    /// # Errors
    /// EINVAL (no packet socket), those of [`Mirrors::open`].
    pub(super) fn of(&mut self, host: &Host, epoll: &Epoll, socket: SocketId) -> Result<OwnedFd> {
        let kind = host.perform(Verb::GetOption(socket, SOL_SOCKET, SO_TYPE, 4, Vec::new()))?;
        match (host.perform(Verb::Name(socket))?, kind) {
            (Answer::Address(SockAddr::Link(address)), Answer::Bytes(kind)) => {
                let kind = kind.first_chunk().map_or(SOCK_RAW, |bytes| i32::from_ne_bytes(*bytes));
                self.open(host, epoll, kind, address)
            }
            _ => Err(Errno::EINVAL.because(Reason::WrongKind)),
        }
    }

    /// A packet socket of the kernel's, of `kind` (SOCK_RAW, SOCK_DGRAM), bound as `address` says, for a program. Needs the rights
    /// to make namespaces and TAPs.
    ///
    /// # Errors
    /// EPERM, ENOENT (no /dev/net/tun).
    fn open(&mut self, host: &Host, epoll: &Epoll, kind: i32, address: LinkAddr) -> Result<OwnedFd> {
        let namespace = match self.namespace.take() {
            Some(namespace) => namespace,
            None => thread::scope(|scope| scope.spawn(make_namespace).join()).map_err(|_| Errno::EIO)??,
        };
        let opened = self.open_in(&namespace, host, epoll, kind, address);
        self.namespace = Some(namespace);
        opened
    }

    fn open_in(
        &mut self,
        namespace: &OwnedFd,
        host: &Host,
        epoll: &Epoll,
        kind: i32,
        address: LinkAddr,
    ) -> Result<OwnedFd> {
        for interface in host.interfaces() {
            let token = Self::TOKEN | u64::from(interface.index.0);
            if let std::collections::hash_map::Entry::Vacant(e) = self.mirrors.entry(token) {
                let outside = within(namespace, || Outside::make(&interface))?;
                epoll.add(outside.fd().as_fd(), token, POLLIN)?;
                let inside = listener(host, interface.index)?;
                let mirror = Mirror { interface: interface.index, inside, outside };
                e.insert(mirror);
            }
        }
        within(namespace, || {
            let socket = mirror::packet_socket(kind)?;
            if address.interface != 0 || address.protocol != 0 {
                mirror::bind_packet(socket.as_fd(), address.interface, address.protocol)?;
            }
            Ok(socket)
        })
    }

    /// Frames have come in on the host's side, if the socket is one of ours.
    pub(super) fn woken(&mut self, socket: SocketId) {
        if let Some(mirror) = self.mirrors.values_mut().find(|mirror| mirror.inside.id() == socket) {
            mirror.carry_out();
        }
    }

    /// A program has written on the kernel's side.
    pub(super) fn ready(&mut self, token: u64) {
        self.buffer.resize(LONGEST, 0);
        if let Some(mirror) = self.mirrors.get_mut(&token) {
            mirror.carry_in(&mut self.buffer);
        }
    }
}

impl Mirror {
    fn carry_out(&mut self) {
        while let Ok(captured) = self.inside.capture(BATCH) {
            for frame in captured {
                // What was sent on lo comes back as received: the mirror's lo makes two of one by itself.
                if self.interface == IfIndex::LO && frame.address.packet_type == PACKET_OUTGOING {
                    continue;
                }
                // As on any interface: what there is no room for is lost, and the program's statistics (PACKET_STATISTICS)
                // count what the ring had none for.
                let _ = self.outside.write(frame.frame.bytes());
            }
        }
    }

    fn carry_in(&mut self, buffer: &mut [u8]) {
        for _ in 0..BATCH {
            match self.outside.read(buffer) {
                Ok(Some(len)) => {
                    // The stack counts why it refuses one.
                    let _ = self.inside.send(buffer.get(..len).unwrap_or_default(), MSG_DONTWAIT);
                }
                Ok(None) => {}
                Err(_) => return,
            }
        }
    }
}

impl Outside {
    fn make(interface: &Interface) -> Result<Self> {
        let control = Control::new()?;
        let name = interface.name.as_str();
        if interface.index == IfIndex::LO {
            let socket = mirror::packet_socket(SOCK_RAW | SOCK_NONBLOCK)?;
            mirror::bind_packet(socket.as_fd(), IfIndex::LO.0, ETH_P_ALL)?;
            return Ok(Self::Lo(socket));
        }
        let tap = mirror::tap(name, interface.index.0)?;
        control.set_mac(name, interface.mac)?;
        control.set_mtu(name, interface.mtu)?;
        control.set_noarp(name)?;
        control.set_up(name, true)?;
        Ok(Self::Tap(tap))
    }

    fn fd(&self) -> &OwnedFd {
        match self {
            Self::Tap(fd) | Self::Lo(fd) => fd,
        }
    }

    fn write(&self, frame: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Tap(fd) => descriptor::write(fd.as_fd(), frame),
            Self::Lo(fd) => descriptor::send(fd.as_fd(), frame, MSG_DONTWAIT),
        }
    }

    /// A frame that a program has written; `None`: what was read is something else.
    fn read(&self, buffer: &mut [u8]) -> std::io::Result<Option<usize>> {
        match self {
            Self::Tap(fd) => descriptor::read(fd.as_fd(), buffer).map(Some),
            Self::Lo(fd) => {
                let (len, packet_type) = mirror::receive_packet(fd.as_fd(), buffer)?;
                Ok((packet_type == PACKET_OUTGOING).then_some(len))
            }
        }
    }
}

/// A packet socket of the host that hears everything of an interface.
fn listener(host: &Host, interface: IfIndex) -> Result<Socket> {
    let socket = host.socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0)?;
    socket.setsockopt(SOL_SOCKET, SO_RCVBUF, ROOM)?;
    // struct packet_mreq: index (32 bits), type, length of the address (16 bits each), address (8 bytes).
    let mut membership = interface.0.to_ne_bytes().to_vec();
    membership.extend((PACKET_MR_PROMISC as u16).to_ne_bytes());
    membership.extend([0; 10]);
    socket.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, membership)?;
    socket.bind(LinkAddr::bind(interface, ETH_P_ALL))?;
    Ok(socket)
}

/// A network namespace in which the kernel says nothing by itself.
fn make_namespace() -> Result<OwnedFd> {
    namespace::unshare_network().map_err(|error| {
        crate::base::Error::from(error)
            .detail("packet rings (PACKET_RX_RING) are the kernel's: a mirror of the host's interfaces needs the rights of root")
    })?;
    for conf in ["all", "default", "lo"] {
        // A kernel without IPv6 has no such file, and nothing to say.
        let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/{conf}/disable_ipv6"), "1");
    }
    let control = Control::new()?;
    control.set_up("lo", true)?;
    control.remove_ipv4("lo")?;
    Ok(namespace::network()?)
}

/// On a thread of its own inside the namespace.
fn within<T: Send>(namespace: &OwnedFd, body: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let ran = thread::scope(|scope| {
        let inside = move || {
            namespace::set_network(namespace.as_fd())?;
            body()
        };
        scope.spawn(inside).join()
    });
    ran.map_err(|_| Errno::EIO)?
}

#[cfg(test)]
mod tests;
