//! UDP for tokio.

use std::io;
use std::net::SocketAddr;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::{no_address, shared_methods, watched};
use crate::base::constants::{SOCK_DGRAM, SOCK_NONBLOCK};
use crate::driver::Host;
use crate::socket::net::inet;
use crate::socket::{Socket, ToSockAddr};

/// A UDP socket.
#[derive(Debug)]
pub struct UdpSocket {
    io: AsyncFd<Socket>,
}

shared_methods!(UdpSocket, SocketAddr, inet);

impl UdpSocket {
    /// A socket on the first of the addresses that can be bound.
    ///
    /// # Errors
    /// `AddrInUse`, `AddrNotAvailable`.
    pub fn bind(host: &Host, address: impl ToSockAddr) -> io::Result<Self> {
        let mut failure = no_address();
        for address in address.to_sock_addrs(host, 0, true)? {
            let socket = host.socket(address.family(), SOCK_DGRAM | SOCK_NONBLOCK, 0)?;
            match socket.bind(address) {
                Ok(()) => return Ok(Self { io: watched(socket)? }),
                Err(error) => failure = error,
            }
        }
        Err(failure.into())
    }

    /// The peer that `send` and `recv` talk with.
    ///
    /// # Errors
    /// As [`Socket::connect`].
    pub fn connect(&self, address: impl ToSockAddr) -> io::Result<()> {
        Ok(self.as_socket().connect(address)?)
    }

    /// Sends a datagram to the peer. Cancel safe.
    ///
    /// # Errors
    /// As [`Socket::send`].
    pub async fn send(&self, data: &[u8]) -> io::Result<usize> {
        self.io.async_io(Interest::WRITABLE, |socket| Ok(socket.send(data, 0)?)).await
    }

    /// Sends a datagram to `address`. Cancel safe.
    ///
    /// # Errors
    /// As [`Socket::sendto`].
    pub async fn send_to(&self, data: &[u8], address: SocketAddr) -> io::Result<usize> {
        self.io.async_io(Interest::WRITABLE, |socket| Ok(socket.sendto(data, 0, address)?)).await
    }

    /// Waits for a datagram. Cancel safe.
    ///
    /// # Errors
    /// As [`Socket::recv`].
    pub async fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.io.async_io(Interest::READABLE, |socket| Ok(socket.recv_into(buffer, 0)?)).await
    }

    /// Waits for a datagram; tells the sender. Cancel safe.
    ///
    /// # Errors
    /// As [`Socket::recv`].
    pub async fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let (len, from) =
            self.io.async_io(Interest::READABLE, |socket| Ok(socket.recvfrom_into(buffer, 0)?)).await?;
        Ok((len, inet(from)?))
    }
}
