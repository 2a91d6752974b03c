//! The types of `std::net`, on a host: what a program does with `std::net` it does here, and `connect` and `bind` take the
//! host first.
//!
//! | file | what |
//! |---|---|
//! | `tcp_stream.rs` | [`TcpStream`] |
//! | `tcp_listener.rs` | [`TcpListener`], [`Incoming`] |
//! | `udp_socket.rs` | [`UdpSocket`] |
//! | `unix_stream.rs` | [`UnixStream`], with the names of `std::os::unix::net` as the next two |
//! | `unix_listener.rs` | [`UnixListener`], [`UnixIncoming`] |
//! | `unix_datagram.rs` | [`UnixDatagram`] |
//!
//! Errors are `std::io`'s, with Linux's numbers in `raw_os_error`; a time-out is `WouldBlock`, as of `std` on Linux. Each
//! type is a [`Socket`](super::Socket) inside: `as_socket` and `From` lead there and back.

mod tcp_listener;
mod tcp_stream;
mod udp_socket;
mod unix_datagram;
mod unix_listener;
mod unix_stream;

pub use tcp_listener::{Incoming, TcpListener};
pub use tcp_stream::TcpStream;
pub use udp_socket::UdpSocket;
pub use unix_datagram::UnixDatagram;
pub use unix_listener::{UnixIncoming, UnixListener};
pub use unix_stream::UnixStream;

use std::io;
use std::net::{Shutdown, SocketAddr};

use super::ToSockAddr;
use crate::base::constants::{SHUT_RD, SHUT_RDWR, SHUT_WR};
use crate::base::{Errno, Result, SockAddr, UnixAddr};
use crate::driver::Host;

/// The first of the addresses with which `attempt` succeeds, else the last failure.
fn first_that<T>(
    host: &Host,
    address: impl ToSockAddr,
    passive: bool,
    mut attempt: impl FnMut(SockAddr) -> Result<T>,
) -> io::Result<T> {
    let mut failure = Errno::EINVAL.with("could not resolve to any addresses");
    for address in address.to_sock_addrs(host, 0, passive)? {
        match attempt(address) {
            Ok(value) => return Ok(value),
            Err(error) => failure = error,
        }
    }
    Err(failure.into())
}

pub(super) fn inet(address: SockAddr) -> io::Result<SocketAddr> {
    address.inet().ok_or_else(|| Errno::EINVAL.with("the socket has no IP address").into())
}

/// Who has no name is told as no address.
pub(super) fn unix(address: SockAddr) -> io::Result<UnixAddr> {
    match address {
        SockAddr::Unix(address) => Ok(address),
        SockAddr::Unspec => Ok(UnixAddr::UNNAMED),
        _ => Err(Errno::EINVAL.with("the socket is not of AF_UNIX").into()),
    }
}

/// SHUT_*.
pub(super) fn how(how: Shutdown) -> i32 {
    match how {
        Shutdown::Read => SHUT_RD,
        Shutdown::Write => SHUT_WR,
        Shutdown::Both => SHUT_RDWR,
    }
}

/// What all types share. Each method is the [`Socket`](super::Socket)'s of the same meaning; `$address` is what the family
/// calls an address, and `$of` makes it.
macro_rules! shared_methods {
    ($kind:ident, $address:ident, $of:ident) => {
        impl $kind {
            /// The socket inside.
            pub fn as_socket(&self) -> &Socket {
                &self.socket
            }
            /// The socket's own address.
            ///
            /// # Errors
            /// EBADF.
            pub fn local_addr(&self) -> io::Result<$address> {
                super::$of(self.socket.getsockname()?)
            }
            /// Another handle of the same socket.
            ///
            /// # Errors
            /// EBADF.
            pub fn try_clone(&self) -> io::Result<Self> {
                Ok(Self { socket: self.socket.dup()? })
            }
            /// With `true`, what can't be done at once is `WouldBlock`.
            ///
            /// # Errors
            /// EBADF.
            pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
                Ok(self.socket.setblocking(!nonblocking)?)
            }
            /// The pending error, which is forgotten by this.
            ///
            /// # Errors
            /// EBADF.
            #[doc(alias = "SO_ERROR")]
            pub fn take_error(&self) -> io::Result<Option<io::Error>> {
                Ok(self.socket.take_error()?.map(Into::into))
            }
        }

        /// As of [`Socket`]: it carries readiness.
        impl std::os::fd::AsFd for $kind {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                self.socket.as_fd()
            }
        }

        /// As of [`Socket`]: it carries readiness.
        impl std::os::fd::AsRawFd for $kind {
            fn as_raw_fd(&self) -> std::os::fd::RawFd {
                self.socket.as_raw_fd()
            }
        }

        impl From<Socket> for $kind {
            /// The socket must be of the right kind; where it isn't, the calls say so.
            fn from(socket: Socket) -> Self {
                Self { socket }
            }
        }

        impl From<$kind> for Socket {
            fn from(typed: $kind) -> Self {
                typed.socket
            }
        }
    };
}

/// What those of the internet's families share.
macro_rules! ttl_methods {
    ($kind:ident) => {
        impl $kind {
            /// The time to live (of IPv6 the hop limit) of what is sent.
            ///
            /// # Errors
            /// EBADF.
            #[doc(alias = "IP_TTL")]
            pub fn ttl(&self) -> io::Result<u32> {
                Ok(self.socket.ttl()?)
            }
            /// Sets what `ttl` tells.
            ///
            /// # Errors
            /// EINVAL unless it is 1 to 255.
            #[doc(alias = "IP_TTL")]
            pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
                Ok(self.socket.set_ttl(ttl)?)
            }
        }
    };
}

/// What streams and datagram sockets share.
macro_rules! timeout_methods {
    ($kind:ident, $address:ident, $of:ident) => {
        impl $kind {
            /// The address of the other end.
            ///
            /// # Errors
            /// ENOTCONN.
            pub fn peer_addr(&self) -> io::Result<$address> {
                super::$of(self.socket.getpeername()?)
            }
            /// How long reading may wait before `WouldBlock`; `None` = as long as it takes.
            ///
            /// # Errors
            /// EINVAL for zero.
            #[doc(alias = "SO_RCVTIMEO")]
            pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
                Ok(self.socket.set_read_timeout(timeout)?)
            }
            /// What `set_read_timeout` set.
            ///
            /// # Errors
            /// EBADF.
            #[doc(alias = "SO_RCVTIMEO")]
            pub fn read_timeout(&self) -> io::Result<Option<Duration>> {
                Ok(self.socket.read_timeout()?)
            }
            /// How long writing may wait before `WouldBlock`; `None` = as long as it takes.
            ///
            /// # Errors
            /// EINVAL for zero.
            #[doc(alias = "SO_SNDTIMEO")]
            pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
                Ok(self.socket.set_write_timeout(timeout)?)
            }
            /// What `set_write_timeout` set.
            ///
            /// # Errors
            /// EBADF.
            #[doc(alias = "SO_SNDTIMEO")]
            pub fn write_timeout(&self) -> io::Result<Option<Duration>> {
                Ok(self.socket.write_timeout()?)
            }
            /// Reads without taking: the next read gives the same bytes again.
            ///
            /// # Errors
            /// As reading.
            #[doc(alias = "MSG_PEEK")]
            pub fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
                Ok(self.socket.recv_into(buffer, MSG_PEEK)?)
            }
        }
    };
}

/// Reading and writing, of streams.
macro_rules! stream_io {
    ($kind:ident) => {
        impl Read for &$kind {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                (&self.socket).read(buffer)
            }
            fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                (&self.socket).read_vectored(buffers)
            }
        }

        impl Write for &$kind {
            fn write(&mut self, data: &[u8]) -> io::Result<usize> {
                (&self.socket).write(data)
            }
            fn write_vectored(&mut self, data: &[IoSlice<'_>]) -> io::Result<usize> {
                (&self.socket).write_vectored(data)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        impl Read for $kind {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                (&*self).read(buffer)
            }
            fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                (&*self).read_vectored(buffers)
            }
        }

        impl Write for $kind {
            fn write(&mut self, data: &[u8]) -> io::Result<usize> {
                (&*self).write(data)
            }
            fn write_vectored(&mut self, data: &[IoSlice<'_>]) -> io::Result<usize> {
                (&*self).write_vectored(data)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
    };
}

/// Ending one direction or both.
macro_rules! shutdown_method {
    ($kind:ident) => {
        impl $kind {
            /// Ends reading, writing (the peer reads end of file), or both.
            ///
            /// # Errors
            /// `NotConnected`.
            pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
                Ok(self.socket.shutdown(super::how(how))?)
            }
        }
    };
}

/// Who is at the other end, of AF_UNIX.
macro_rules! peer_cred_method {
    ($kind:ident) => {
        impl $kind {
            /// Whose process is at the other end: that which called connect, listen or pair.
            ///
            /// # Errors
            /// EBADF.
            #[doc(alias = "SO_PEERCRED")]
            pub fn peer_cred(&self) -> io::Result<Credentials> {
                Ok(self.socket.peer_credentials()?)
            }
        }
    };
}

use {peer_cred_method, shared_methods, shutdown_method, stream_io, timeout_methods, ttl_methods};
