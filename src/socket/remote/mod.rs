//! A host in another process: how it is found, what is said to it, and how its sockets are known again.
//!
//! | file | what |
//! |---|---|
//! | `protocol.rs` | requests and responses, and their form on the host's unix socket |
//! | `connection.rs` | [`Connection`]: the asking side of it |
//! | `link.rs` | the second door of [`Host`](crate::Host): a connection that threads share |
//! | `transfer.rs` | what is sent and received through it |
//! | `place.rs` | where a host's unix socket is, what hosts may be called |
//! | `names.rs` | the abstract names of the descriptors that programs have: they lead back to their sockets |
//!
//! daemon/ is the answering side; guest/ and the remote door of [`Host`](crate::Host) ask.

pub(crate) mod connection;
mod link;
pub(crate) mod names;
pub(crate) mod place;
pub(crate) mod protocol;
mod transfer;

pub(crate) use connection::Connection;
pub(crate) use names::{Name, Nonce, Sender};
pub(crate) use protocol::{Ask, HostFacts, Native, Patience, Reply, Request, Response, Status};
