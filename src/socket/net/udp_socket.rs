//! A UDP socket with the names of `std::net::UdpSocket`.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::{first_that, shared_methods, timeout_methods, ttl_methods};
use crate::base::constants::{MSG_PEEK, SOCK_DGRAM};
use crate::driver::Host;
use crate::socket::{Socket, ToSockAddr};

/// A UDP socket.
///
/// ```
/// use sockatoo::{Host, socket::net::UdpSocket};
/// let host = Host::builder().build()?;
/// let (one, other) = (UdpSocket::bind(&host, "127.0.0.1:0")?, UdpSocket::bind(&host, "127.0.0.1:0")?);
/// one.send_to(b"hello", other.local_addr()?)?;
/// let mut buffer = [0; 100];
/// assert_eq!(other.recv_from(&mut buffer)?, (5, one.local_addr()?));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct UdpSocket {
    pub(super) socket: Socket,
}

shared_methods!(UdpSocket, SocketAddr, inet);
ttl_methods!(UdpSocket);
timeout_methods!(UdpSocket, SocketAddr, inet);

impl UdpSocket {
    /// A socket on the first of the addresses that can be bound.
    ///
    /// # Errors
    /// `AddrInUse`, `AddrNotAvailable`.
    pub fn bind(host: &Host, address: impl ToSockAddr) -> io::Result<Self> {
        first_that(host, address, true, |address| {
            let socket = host.socket(address.family(), SOCK_DGRAM, 0)?;
            socket.bind(address)?;
            Ok(Self { socket })
        })
    }

    /// The peer that `send` and `recv` talk with: the first address that works.
    ///
    /// # Errors
    /// As [`Socket::connect`].
    pub fn connect(&self, address: impl ToSockAddr) -> io::Result<()> {
        let family = self.socket.family();
        let mut failure = crate::base::Errno::EINVAL.with("could not resolve to any addresses");
        for address in address.to_sock_addrs(self.socket.host(), family, false)? {
            match self.socket.connect(address) {
                Ok(()) => return Ok(()),
                Err(error) => failure = error,
            }
        }
        Err(failure.into())
    }

    /// Sends a datagram to the peer.
    ///
    /// # Errors
    /// As [`Socket::send`].
    pub fn send(&self, data: &[u8]) -> io::Result<usize> {
        Ok(self.socket.send(data, 0)?)
    }

    /// Sends a datagram to `address`.
    ///
    /// # Errors
    /// As [`Socket::sendto`].
    pub fn send_to(&self, data: &[u8], address: impl ToSockAddr) -> io::Result<usize> {
        Ok(self.socket.sendto(data, 0, address)?)
    }

    /// Waits for a datagram; what does not fit is lost.
    ///
    /// # Errors
    /// As [`Socket::recv`].
    pub fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.socket.recv_into(buffer, 0)?)
    }

    /// Waits for a datagram; tells the sender.
    ///
    /// # Errors
    /// As [`Socket::recv`].
    pub fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let (len, from) = self.socket.recvfrom_into(buffer, 0)?;
        Ok((len, super::inet(from)?))
    }

    /// As [`UdpSocket::recv_from`], but the datagram stays.
    ///
    /// # Errors
    /// As [`Socket::recv`].
    #[doc(alias = "MSG_PEEK")]
    pub fn peek_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let (len, from) = self.socket.recvfrom_into(buffer, MSG_PEEK)?;
        Ok((len, super::inet(from)?))
    }

    /// True if datagrams may be sent to broadcast addresses.
    ///
    /// # Errors
    /// EBADF.
    #[doc(alias = "SO_BROADCAST")]
    pub fn broadcast(&self) -> io::Result<bool> {
        Ok(self.socket.broadcast()?)
    }

    /// Allows sending to broadcast addresses.
    ///
    /// # Errors
    /// EBADF.
    #[doc(alias = "SO_BROADCAST")]
    pub fn set_broadcast(&self, on: bool) -> io::Result<()> {
        Ok(self.socket.set_broadcast(on)?)
    }

    /// Joins a group on the interface that has this address; 0.0.0.0 = the route's.
    ///
    /// # Errors
    /// As [`Socket::join_multicast_v4`].
    #[doc(alias = "IP_ADD_MEMBERSHIP")]
    pub fn join_multicast_v4(&self, group: &Ipv4Addr, interface: &Ipv4Addr) -> io::Result<()> {
        Ok(self.socket.join_multicast_v4(*group, *interface)?)
    }

    /// Leaves a group.
    ///
    /// # Errors
    /// As [`Socket::leave_multicast_v4`].
    #[doc(alias = "IP_DROP_MEMBERSHIP")]
    pub fn leave_multicast_v4(&self, group: &Ipv4Addr, interface: &Ipv4Addr) -> io::Result<()> {
        Ok(self.socket.leave_multicast_v4(*group, *interface)?)
    }

    /// Joins a group on the interface of this index; 0 = the route's.
    ///
    /// # Errors
    /// As [`Socket::join_multicast_v6`].
    #[doc(alias = "IPV6_ADD_MEMBERSHIP")]
    pub fn join_multicast_v6(&self, group: &Ipv6Addr, interface: u32) -> io::Result<()> {
        Ok(self.socket.join_multicast_v6(*group, interface)?)
    }

    /// Leaves a group.
    ///
    /// # Errors
    /// As [`Socket::leave_multicast_v6`].
    #[doc(alias = "IPV6_DROP_MEMBERSHIP")]
    pub fn leave_multicast_v6(&self, group: &Ipv6Addr, interface: u32) -> io::Result<()> {
        Ok(self.socket.leave_multicast_v6(*group, interface)?)
    }

    /// True if this host's members hear what is sent to an IPv4 group.
    ///
    /// # Errors
    /// EBADF.
    #[doc(alias = "IP_MULTICAST_LOOP")]
    pub fn multicast_loop_v4(&self) -> io::Result<bool> {
        Ok(self.socket.multicast_loop_v4()?)
    }

    /// Sets what [`UdpSocket::multicast_loop_v4`] tells.
    ///
    /// # Errors
    /// EBADF.
    #[doc(alias = "IP_MULTICAST_LOOP")]
    pub fn set_multicast_loop_v4(&self, on: bool) -> io::Result<()> {
        Ok(self.socket.set_multicast_loop_v4(on)?)
    }

    /// The time to live of what is sent to IPv4 groups.
    ///
    /// # Errors
    /// EBADF.
    #[doc(alias = "IP_MULTICAST_TTL")]
    pub fn multicast_ttl_v4(&self) -> io::Result<u32> {
        Ok(self.socket.multicast_ttl_v4()?)
    }

    /// Sets what [`UdpSocket::multicast_ttl_v4`] tells.
    ///
    /// # Errors
    /// EINVAL above 255.
    #[doc(alias = "IP_MULTICAST_TTL")]
    pub fn set_multicast_ttl_v4(&self, ttl: u32) -> io::Result<()> {
        Ok(self.socket.set_multicast_ttl_v4(ttl)?)
    }

    /// True if this host's members hear what is sent to an IPv6 group.
    ///
    /// # Errors
    /// EBADF.
    #[doc(alias = "IPV6_MULTICAST_LOOP")]
    pub fn multicast_loop_v6(&self) -> io::Result<bool> {
        Ok(self.socket.multicast_loop_v6()?)
    }

    /// Sets what [`UdpSocket::multicast_loop_v6`] tells.
    ///
    /// # Errors
    /// EBADF.
    #[doc(alias = "IPV6_MULTICAST_LOOP")]
    pub fn set_multicast_loop_v6(&self, on: bool) -> io::Result<()> {
        Ok(self.socket.set_multicast_loop_v6(on)?)
    }
}
