//! The socket API that people already know: one method per call of the BSD and Python API, under its known name.
//!
//! | file | what |
//! |---|---|
//! | `handle.rs` | [`Socket`]: made, shared ([`Socket::dup`]), detached, closed; blocking or not |
//! | `calls.rs` | bind, listen, accept, connect, shutdown, names |
//! | `ioctl/` | ioctl: queues, interfaces, Windows' requests |
//! | `transfer.rs` | the send and recv families, sendfile |
//! | `rights.rs` | sockets in messages: send_fds, recv_fds |
//! | `batch.rs` | many datagrams or frames in one call: sendmmsg, recvmmsg, capture |
//! | `blocking.rs` | the one loop in which a call waits |
//! | `address.rs` | [`ToSockAddr`]: everything that can stand for an address, names included |
//! | `option.rs` | getsockopt and setsockopt |
//! | `typed.rs` | options with a type and a plain name |
//! | `filter.rs` | SO_ATTACH_FILTER with a type |
//! | `raw.rs` | those of raw sockets; what raw sockets are |
//! | `net/` | the types of `std::net` |
//! | `tokio.rs` | the types of `tokio::net` (feature `tokio`) |
//! | `convert.rs` | [`inet_pton`], [`inet_aton`], [`htons`], [`CMSG_LEN`] and their like |
//! | `functions.rs` | create_connection, create_server, socketpair |
//! | `file.rs` | [`SocketFile`]: what makefile makes |
//! | `resolver/` | getaddrinfo and its like: hosts table, DNS over our own UDP |
//! | `remote/` | hosts in other processes: the second door |
//! | `descriptor.rs` | fileno, detach, [`fromfd`], [`close()`]: descriptors that poll(2) and epoll(7) can wait on |
//! | `interfaces.rs` | if_nameindex and its like |
//! | `surroundings.rs` | what a packet built by hand gets from the host that sends it |
//! | `poll.rs`, `select.rs`, `epoll.rs` | [`poll()`], [`select()`], [`Epoll`]: several sockets and other descriptors |
//!
//! A call checks its flags and addresses here, runs a verb of stack/ under the host's lock (`Host::call`), and waits, if it
//! may, in `blocking.rs` (`Host::wait`). The constants (`AF_INET`, `SO_KEEPALIVE`, ...) are Linux's, under their names.

mod address;
mod batch;
mod blocking;
mod calls;
mod convert;
mod descriptor;
mod epoll;
mod file;
mod filter;
mod functions;
mod handle;
mod interfaces;
pub(crate) mod ioctl;
pub mod net;
mod option;
mod poll;
mod raw;
// The serving side is the command line's.
#[cfg_attr(not(feature = "cli"), allow(dead_code, unused_imports))]
pub(crate) mod remote;
mod resolver;
mod rights;
mod select;
mod surroundings;
#[cfg(feature = "tokio")]
pub mod tokio;
mod transfer;
mod typed;

pub use crate::base::constants::*;
pub use crate::base::{ControlMessage, Credentials};
pub use crate::stack::Captured;
pub use address::ToSockAddr;
pub use batch::Outgoing;
pub use convert::{
    CMSG_LEN, CMSG_SPACE, has_ipv6, htonl, htons, inet_aton, inet_ntoa, inet_ntop, inet_pton, ntohl, ntohs,
};
pub use descriptor::{close, fromfd, take_fileno};
pub use epoll::Epoll;
pub use file::SocketFile;
pub use filter::AsFilter;
pub use functions::Server;
pub use handle::{Socket, getdefaulttimeout, setdefaulttimeout};
pub use ioctl::IoctlArgument;
pub use option::{Linger, OptionValue};
pub use poll::{PollFd, Watched, poll};
pub use raw::Verbatim;
pub use resolver::{AddrInfo, HostEntry, getprotobyname, getservbyname, getservbyport};
pub use select::{Selected, select};
pub(crate) use surroundings::NextHop;
pub use transfer::{Message, MessageHead};
