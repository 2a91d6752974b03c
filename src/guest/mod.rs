//! Unmodified programs on a host's sockets: seccomp user notification -> `socket/remote`.
//!
//! The program's control calls stop in the kernel (`sys/seccomp.rs`) and are done here; its descriptors are AF_UNIX sockets that
//! the host's process feeds (daemon/native/), so its reads, writes and polls are the kernel's business alone. Not a sandbox.
//!
//! ```text
//!   program -- socket(2), connect(2) ... --> seccomp --> supervisor.rs --> calls/ --> Connection --> the host's process
//!           <------------- result, memory, descriptor -------'
//! ```
//! | file | what |
//! |---|---|
//! | `launch.rs` | the processes: the one in front, the supervisor, the program |
//! | `filter.rs` | which calls stop |
//! | `supervisor.rs` | [`Guest`]: what calls work with; the event loop |
//! | `trap.rs` | [`Trap`]: one stopped call, the program's memory and descriptors; [`Verdict`]: what becomes of it |
//! | `waits.rs` | calls that wait: for the host, for a descriptor, until a time, and signals meanwhile |
//! | `address.rs` | struct sockaddr: bytes and meaning |
//! | `control.rs` | struct cmsghdr: bytes and meaning |
//! | `files.rs` | the files that programs find the host's text in: those of name resolution, /proc/net, /proc/sys/net |
//! | `proc_net.rs` | the text of /proc/net's files |
//! | `proc_sockets.rs` | of those the files about sockets |
//! | `proc_sys.rs` | files of /proc/sys/net: the host's values, and setting them |
//! | `errands.rs` | what the host can't do for want of the programs' descriptors |
//! | `calls/` | one function per call |
//!
//! Its callers are cli/ (`run`) and lab/.

mod address;
mod calls;
mod control;
mod errands;
mod files;
mod filter;
mod launch;
mod proc_net;
mod proc_sockets;
mod proc_sys;
mod supervisor;
mod trap;
mod waits;

pub(crate) use launch::{Plan, Stage, Trouble, listen, run};
pub(crate) use supervisor::Guest;
