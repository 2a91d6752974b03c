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
//! | `server.rs` | [`Server`]: the event loop; clients and their requests |
//! | `mirror.rs` | the host's interfaces in a namespace of their own, for tools that map the kernel's packet rings |
//! | `native/` | the descriptors that programs have: made, connected, fed |
//!
//! cli/ and lab/ start it; it calls driver/ and socket/.

mod mirror;
mod native;
mod server;

pub(crate) use server::Server;
