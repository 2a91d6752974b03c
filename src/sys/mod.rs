//! Linux's calls as safe functions under their own names: every unsafe line of the crate, and nothing else.
//!
//! | file | what |
//! |---|---|
//! | `poll.rs` | [`poll`]: waits for descriptors, to the nanosecond |
//! | `epoll.rs` | [`epoll::Epoll`]: waits for many descriptors |
//! | `eventfd.rs` | [`EventFd`]: wakes whoever polls it |
//! | `descriptor.rs` | read, write, O_NONBLOCK, AF_UNIX pairs |
//! | `unix.rs` | AF_UNIX sockets with names, messages with descriptors |
//! | `unix_diag.rs` | who is at the other end of an AF_UNIX socket |
//! | `clock.rs` | the monotonic clock and the wall clock |
//! | `random.rs` | getrandom |
//! | `memory.rs` | how large buffers are allocated |
//! | `privilege.rs` | who we are and what we may |
//! | `tap.rs` | /dev/net/tun |
//! | `packet.rs` | AF_PACKET sockets |
//! | `interface.rs` | what an interface is like (SIOCGIF*) |
//! | `netlink.rs` | interfaces made, set up and watched (rtnetlink) |
//! | `kernel_tables.rs` | an interface's addresses, routes and neighbours, as the kernel has them (rtnetlink) |
//! | `mirror.rs` | TAPs and packet sockets of a namespace that mirrors a host's interfaces |
//! | `signal.rs` | Ctrl-C |
//! | `thread.rs` | one thread of another process |
//! | `terminal.rs` | how wide a terminal is |
//! | `session.rs` | a process that goes on by itself |
//! | `namespace.rs` | network and user namespaces |
//! | `process.rs` | fork, waitpid, prctl, signals as a descriptor |
//! | `pidfd.rs` | other processes: their descriptors, their memory, their signals |
//! | `number.rs` | the numbers of the calls that programs make about sockets |
//! | `seccomp.rs` | calls of other processes stop and are answered here |
//!
//! Arguments and results are borrowed descriptors, slices and plain values; errors are `std::io::Error` with Linux's
//! number. No call here retries or waits, but those whose purpose it is.
#![allow(unsafe_code)]
// Much of it serves the command line alone.
#![cfg_attr(not(feature = "cli"), allow(dead_code, unused_imports))]

use std::io;

pub(crate) mod clock;
pub(crate) mod descriptor;
#[allow(dead_code)]
pub(crate) mod epoll;
pub(crate) mod eventfd;
pub(crate) mod interface;
pub(crate) mod kernel_tables;
pub(crate) mod memory;
#[cfg(feature = "cli")]
#[allow(dead_code)]
pub(crate) mod mirror;
pub(crate) mod namespace;
pub(crate) mod netlink;
#[allow(dead_code)]
pub(crate) mod number;
pub(crate) mod packet;
#[allow(dead_code)]
pub(crate) mod pidfd;
pub(crate) mod poll;
pub(crate) mod privilege;
#[allow(dead_code)]
pub(crate) mod process;
pub(crate) mod random;
#[allow(dead_code)]
pub(crate) mod seccomp;
#[cfg(feature = "cli")]
pub(crate) mod session;
#[cfg(feature = "cli")]
pub(crate) mod signal;
pub(crate) mod tap;
#[cfg(feature = "cli")]
pub(crate) mod terminal;
#[cfg(feature = "cli")]
#[allow(dead_code)]
pub(crate) mod thread;
#[allow(dead_code)]
pub(crate) mod unix;
#[cfg(feature = "cli")]
pub(crate) mod unix_diag;

pub(crate) use eventfd::EventFd;
pub(crate) use poll::{PollFd, poll};

/// The result of a call that says -1 and sets errno.
fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// The same of a call that counts bytes.
fn count(result: libc::ssize_t) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// The length of a `T` as the socket calls want it.
const fn length_of<T>() -> libc::socklen_t {
    size_of::<T>() as libc::socklen_t
}
