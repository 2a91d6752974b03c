//! The types of `tokio::net`, on a host (feature `tokio`): so that what is written for tokio, hyper for one, runs over it.
//!
//! | file | what |
//! |---|---|
//! | `tcp.rs` | [`TcpStream`], [`TcpListener`] |
//! | `udp.rs` | [`UdpSocket`] |
//! | `unix.rs` | [`UnixStream`], [`UnixListener`], [`UnixDatagram`] |
//!
//! Each is a non-blocking [`Socket`] whose readiness descriptor tokio's reactor watches. A call is tried at once; where it
//! would block, the task sleeps until the descriptor says that it is worth another try.

mod tcp;
mod udp;
mod unix;

pub use tcp::{TcpListener, TcpStream};
pub use udp::UdpSocket;
pub use unix::{UnixDatagram, UnixListener, UnixStream};

use std::io;

use tokio::io::unix::AsyncFd;

use super::Socket;
use crate::base::{Errno, Error};

/// A socket under tokio's reactor.
fn watched(socket: Socket) -> io::Result<AsyncFd<Socket>> {
    socket.setblocking(false)?;
    // Newer versions of tokio ask for an unsafe call instead, whose caller promises that the descriptor stays open as long as
    // the registration. The socket keeps that promise: it owns the descriptor to its end, even when it is closed before.
    #[allow(deprecated)]
    AsyncFd::new(socket)
}

/// The last failure, or this one if there was nothing to try.
fn no_address() -> Error {
    Errno::EINVAL.with("could not resolve to any addresses")
}

/// What all types share; `$address` is what the family calls an address, and `$of` makes it.
macro_rules! shared_methods {
    ($kind:ident, $address:ident, $of:ident) => {
        impl $kind {
            /// Puts a socket of this kind under tokio's reactor.
            ///
            /// # Errors
            /// EMFILE; there must be a reactor.
            pub fn from_socket(socket: Socket) -> io::Result<Self> {
                Ok(Self { io: watched(socket)? })
            }

            /// The socket inside; it does not block.
            pub fn as_socket(&self) -> &Socket {
                self.io.get_ref()
            }

            /// The socket's own address.
            ///
            /// # Errors
            /// EBADF.
            pub fn local_addr(&self) -> io::Result<$address> {
                $of(self.as_socket().getsockname()?)
            }
        }
    };
}

/// What streams share: reading, writing, their end.
macro_rules! stream_methods {
    ($kind:ident, $address:ident, $of:ident) => {
        impl $kind {
            /// The address of the other end.
            ///
            /// # Errors
            /// ENOTCONN.
            pub fn peer_addr(&self) -> io::Result<$address> {
                $of(self.as_socket().getpeername()?)
            }

            /// Ends reading, writing, or both, at once.
            ///
            /// # Errors
            /// ENOTCONN.
            pub fn shutdown_now(&self, how: std::net::Shutdown) -> io::Result<()> {
                Ok(self.as_socket().shutdown($crate::socket::net::how(how))?)
            }
        }

        impl tokio::io::AsyncRead for $kind {
            fn poll_read(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buffer: &mut tokio::io::ReadBuf<'_>,
            ) -> std::task::Poll<io::Result<()>> {
                loop {
                    let mut guard = std::task::ready!(self.io.poll_read_ready(cx))?;
                    let room = buffer.initialize_unfilled();
                    if let Ok(result) = guard.try_io(|io| Ok(io.get_ref().recv_into(room, 0)?)) {
                        buffer.advance(result?);
                        return std::task::Poll::Ready(Ok(()));
                    }
                }
            }
        }

        impl tokio::io::AsyncWrite for $kind {
            fn poll_write(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                data: &[u8],
            ) -> std::task::Poll<io::Result<usize>> {
                loop {
                    let mut guard = std::task::ready!(self.io.poll_write_ready(cx))?;
                    if let Ok(result) = guard.try_io(|io| Ok(io.get_ref().send(data, 0)?)) {
                        return std::task::Poll::Ready(result);
                    }
                }
            }

            fn poll_write_vectored(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                data: &[io::IoSlice<'_>],
            ) -> std::task::Poll<io::Result<usize>> {
                loop {
                    let mut guard = std::task::ready!(self.io.poll_write_ready(cx))?;
                    if let Ok(result) = guard.try_io(|io| Ok(io.get_ref().sendmsg(data, &[], 0, None)?)) {
                        return std::task::Poll::Ready(result);
                    }
                }
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<io::Result<()>> {
                std::task::Poll::Ready(Ok(()))
            }

            fn poll_shutdown(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<io::Result<()>> {
                std::task::Poll::Ready(self.shutdown_now(std::net::Shutdown::Write))
            }
        }
    };
}

use {shared_methods, stream_methods};
