//! The descriptors that programs have of our sockets: AF_UNIX sockets, made here, worked here, fed here.
//!
//! Everything that is needed of a descriptor is its name (`socket/remote/names.rs`) and, where a program's call is about it, a
//! borrowed copy of it that came with the request. The host keeps no copy: so it hears when the program's last one is closed.
//!
//! ```text
//!   program's descriptor 's' ---- channel (its other end, accepted from the host's listener 'x' or connected as 'c') ---- TCP
//!   program's descriptor 's' <--- 'd' one sender for each peer, or <---> 'p' when it is connected ---- UDP, raw, packet ...
//! ```
//! | file | what |
//! |---|---|
//! | `natives.rs` | [`Natives`]: which descriptor is what; requests, events and the stack's news find their way |
//! | `bench.rs` | what all of them work with: names, the host's listener, a buffer; how descriptors are made |
//! | `channel.rs` | a connection's data, pumped both ways; half closes, ends and failures |
//! | `connect.rs` | connect(2) of streams: blocking, non-blocking, interrupted |
//! | `listener.rs` | connections that are ready go into the program's own listen queue |
//! | `errands.rs` | failures that a program sees only by the help of its supervisor |
//! | `inodes.rs` | which file of a program is which socket |
//! | `plug.rs` | a descriptor that is connected before its connection stands must not look writable |
//! | `datagram.rs` | all other sockets: what came for them goes in, what a connected one sends comes out, errors are shown |
//! | `senders.rs` | the senders of those datagrams, whose names say the rest |
//! | `liveness.rs` | descriptors without a channel: are they still there? |
//! | `tests/` | programs that work their descriptors; the kernel as oracle |

mod bench;
mod channel;
mod connect;
mod datagram;
mod errands;
mod inodes;
mod listener;
mod liveness;
mod natives;
mod plug;
mod senders;

#[cfg(test)]
mod tests;

pub(super) use natives::{Natives, Outcome, Ticket, Tools};
