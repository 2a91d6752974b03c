//! **Sockatoo** is a userspace TCP/IP stack for Linux with the socket API that you already know.
//!
//! A byte that a program sends passes these folders, from the top down; one that arrives, from the bottom up:
//!
//! | folder | what it does |
//! |---|---|
//! | `socket/` | [`Socket`]: one method per call of the BSD and Python API |
//! | `driver/` | [`Host`]: one stack and its devices; whoever blocks, drives. [`World`]: virtual time |
//! | `stack/` | the engine without input and output: frames in, frames out, next deadline, socket verbs |
//! | `device/` | where frames come from and go to: TAP, packet interface, cable in memory, loopback, and wrappers around them |
//! | `sys/` | every unsafe line: Linux's calls as safe functions |
//! | `wire/` | bytes and their meaning |
//! | `probe/` | what packet crafters do: send and match answers, trace, scan, replay |
//! | `trace/` | recordings and ladder diagrams |
//! | `daemon/` | a host served to other processes |
//! | `guest/` | unmodified programs on a host's sockets |
//! | `lab/` | namespaces for tests |
//! | `base/` | the words that all share |
//! | `cli/` | the command line |

pub mod base;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
#[cfg(feature = "cli")]
pub(crate) mod daemon;
pub mod device;
pub mod driver;
#[cfg(feature = "cli")]
pub(crate) mod guest;
pub mod lab;
pub mod probe;
pub mod socket;
pub(crate) mod stack;
pub(crate) mod sys;
pub mod trace;
pub mod wire;

pub use base::{
    CanAddr, Cidr, Errno, Error, IfIndex, Instant, LinkAddr, Mac, NetlinkAddr, Result, SockAddr, UnixAddr,
};
pub use driver::{Host, HostBuilder, World};
pub use socket::Socket;

/// The README's program is compiled and run as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;

/// So are the programs of the page about Python's names.
#[cfg(doctest)]
#[doc = include_str!("../docs/socket-module.md")]
pub struct SocketModule;
