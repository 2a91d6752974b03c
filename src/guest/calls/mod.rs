//! The calls, one function each: (what the guest works with, the stopped call) -> verdict.
//!
//! | file | calls |
//! |---|---|
//! | `names.rs` | socket, bind, listen, accept, accept4, getsockname, getpeername, shutdown |
//! | `connect.rs` | connect |
//! | `send.rs` | sendto, sendmsg, sendmmsg |
//! | `receive.rs` | recvfrom, recvmsg, recvmmsg |
//! | `options.rs` | getsockopt, setsockopt |
//! | `ioctl.rs` | ioctl: SIOCGIF*, SIOCOUTQ and their like |

mod connect;
mod ioctl;
mod names;
mod options;
mod receive;
mod send;
