//! A host served to other processes: the one that `sockatoo run`, and every command with `--on`, speaks to.
//!
//! One thread, one event loop: the host is driven by it (`HostBuilder::embedded`), clients ask over the host's unix socket
//! (`socket/remote/protocol.rs`), programs' descriptors are fed.
//!
//! ```text
//!   client --request--> server.rs --verb--> Host::perform          (waits.rs: what can't be done yet)
//!   program --bytes--> its AF_UNIX descriptor --> native/ --> Socket --> the stack
//! ```
//! | file | what |
//! |---|---|
//! | `start.rs` | [`start`]: how other processes come to a host |
//! | `life.rs` | [`Seat`]: the host's process from its beginning to its end |
//! | `server.rs` | the event loop; clients' requests; `server/ending.rs`: when it ends |
//! | `client.rs` | a client: its answers, and those that wait until it reads |
//! | `owners.rs` | whose clients' sockets are |
//! | `waits.rs` | verbs that can't be done yet |
//! | `wires.rs` | the devices in the event loop |
//! | `mirror.rs` | the host's interfaces in a namespace of their own, for tools that map the kernel's packet rings |
//! | `tests.rs` | a server in a thread: what waits, floods, and is hostile |
//! | `spare.rs` | what is left when no descriptor is |
//! | `publish.rs` | ports of the kernel's that lead to ports of the host: `publish/pipe.rs`: TCP, `publish/flows.rs`: UDP |
//! | `native/` | the descriptors that programs have: made, connected, fed |
//!
//! cli/ and lab/ start it; it calls driver/ and socket/.

mod client;
mod life;
mod mirror;
mod native;
mod owners;
mod publish;
mod server;
mod spare;
mod start;
#[cfg(test)]
mod tests;
mod waits;
mod wires;

pub(crate) use life::{Birth, Seat, facts, report};
pub(crate) use publish::{Publish, Published};
pub(crate) use server::Server;
pub(crate) use start::{NEW, NotStarted, Wanted, end, start};
