//! The words that all layers share.
//!
//! | file | what lives here |
//! |---|---|
//! | `errno.rs` | [`Errno`], [`Error`] (a number for the program, a reason for the person), [`Result`] |
//! | `reason.rs` | [`Reason`]: why a packet was dropped, a RST sent, a call refused; also the name of its counter |
//! | `event.rs` | [`Event`]: what a host tells those who watch it |
//! | `addr.rs` | [`Mac`], [`Cidr`], [`SockAddr`], [`LinkAddr`], [`NetlinkAddr`], [`IfIndex`] |
//! | `can.rs` | [`CanAddr`] |
//! | `time.rs` | [`Instant`]: a point on a host's own clock |
//! | `frame.rs` | [`Frame`] and its [`Pool`]: one packet's bytes, with room in front and what is known of them |
//! | `constants.rs` | AF_* SOCK_* IPPROTO_* SO_* MSG_*: Linux's numbers, under their names; `constants/families.rs`: those of further families |
//! | `cmsg.rs` | control messages of recvmsg(2) and sendmsg(2) |
//! | `netlink.rs` | netlink(7)'s form: messages and their attributes, read and written |
//! | `verb.rs` | the socket verbs as data, for hosts in other processes |
//! | `unix.rs` | [`UnixAddr`]: names of AF_UNIX sockets |
//! | `services.rs` | names of services and their ports |
//!
//! Everybody may call it; it imports nothing of ours.

pub(crate) mod addr;
mod can;
pub(crate) mod cmsg;
pub mod constants;
pub(crate) mod errno;
pub(crate) mod event;
pub(crate) mod frame;
pub(crate) mod netlink;
pub(crate) mod reason;
pub(crate) mod services;
pub(crate) mod time;
pub(crate) mod unix;
pub(crate) mod verb;

pub use addr::{Cidr, IfIndex, LinkAddr, Mac, NetlinkAddr, SockAddr};
pub use can::CanAddr;
pub use cmsg::{ControlMessage, Credentials, ExtendedError, PacketAuxiliary};
pub use errno::{Errno, Error, Result};
pub use event::{Event, SocketCall, SocketId, TcpSample, TcpState};
pub use frame::{Checksum, Direction, Frame, HEADROOM, LinkType, Pool};
pub use reason::Reason;
pub use time::Instant;
pub use unix::UnixAddr;
pub use verb::{NeighbourRow, NeighbourState, RouteKind, RouteRow, SocketRow, SocketTimer};
