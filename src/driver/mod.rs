//! A host: one stack, its devices, and whoever drives them.
//!
//! | file | what |
//! |---|---|
//! | `host.rs` | [`Host`]: the handle, of a host here or in another process |
//! | `here.rs` | a host of this process: lock, verb, flush, wake |
//! | `local.rs` | `Local`: such a host as the event loop has it that drives it |
//! | `far.rs` | `Far`: what a host in another process does for its handle |
//! | `listing.rs` | its routes, neighbours and sockets as rows |
//! | `builder.rs` | [`HostBuilder`]: what a host is told at its birth |
//! | `shadow.rs` | a host with the kernel's own addresses, routes and neighbours on an existing interface |
//! | `wait.rs` | **the one place where a call waits**, and the contract of it: whoever blocks, drives |
//! | `role.rs` | that contract as a state machine, without threads |
//! | `background.rs` | the thread that drives while no call waits |
//! | `state.rs` | what the host's lock guards; a driver's turn |
//! | `port.rs` | a device plugged in: the state of its link, frames that wait while it is busy |
//! | `readiness.rs` | descriptors for poll(2) and epoll(7) |
//! | `clock.rs` | the machine's clock, or virtual time |
//! | `world.rs` | [`World`]: hosts, cables and threads, in virtual time or real time |
//! | `schedule.rs` | virtual time: which thread of a world runs, and when its clock jumps |
//! | `tests/` | the role under every order of events; worlds without sockets |
//!
//! socket/ is its main caller. It owns what stack/ and device/ offer.

mod background;
mod builder;
mod clock;
mod far;
mod here;
mod host;
mod listing;
#[cfg(feature = "cli")]
mod local;
mod port;
mod readiness;
mod role;
mod schedule;
mod shadow;
mod state;
mod wait;
mod world;

pub use crate::stack::Census;
pub use builder::HostBuilder;
pub(crate) use builder::Names;
pub(crate) use far::Far;
pub(crate) use here::{Door, Here};
pub use host::{Host, Interface};
#[cfg(feature = "cli")]
pub(crate) use local::Local;
pub use world::{JoinHandle, Wire, World};
