//! The calls, one function each: (what the guest works with, the stopped call) -> verdict.
//!
//! | file | calls |
//! |---|---|
//! | `names.rs` | socket, bind, listen, getsockname, getpeername, shutdown |
//! | `accept.rs` | accept, accept4 |
//! | `connect.rs` | connect |
//! | `message.rs` | struct msghdr, struct iovec, and how long a call waits |
//! | `send.rs` | sendto, sendmsg, sendmmsg |
//! | `receive.rs` | recvfrom, recvmsg, recvmmsg |
//! | `errors.rs` | the pending error of a datagram socket, and how its descriptor shows it |
//! | `options.rs` | getsockopt, setsockopt |
//! | `ring.rs` | setsockopt of packet rings |
//! | `ioctl.rs` | ioctl: SIOCGIF*, SIOCOUTQ and their like |

mod accept;
mod connect;
mod errors;
mod ioctl;
mod message;
mod names;
mod options;
mod receive;
mod ring;
mod send;

use super::files;
use super::supervisor::Guest;
use super::trap::{Borrowed, Trap, Verdict};
use crate::base::Result;
use crate::sys::number;

pub(super) use ioctl::may_administer;

/// Does the call.
pub(super) fn perform(guest: &mut Guest, trap: &Trap) -> Verdict {
    match trap.call {
        number::SOCKET => names::socket(guest, trap),
        number::BIND => on_ours(guest, trap, names::bind),
        number::LISTEN => on_ours(guest, trap, names::listen),
        number::GETSOCKNAME => on_ours(guest, trap, names::getsockname),
        number::GETPEERNAME => on_ours(guest, trap, names::getpeername),
        number::SHUTDOWN => on_ours(guest, trap, names::shutdown),
        number::CONNECT => on_ours(guest, trap, connect::connect),
        number::ACCEPT => on_ours(guest, trap, |guest, trap, ours| accept::accept(guest, trap, ours, 0)),
        number::ACCEPT4 => {
            on_ours(guest, trap, |guest, trap, ours| accept::accept(guest, trap, ours, trap.int(3)))
        }
        number::SENDTO => on_ours(guest, trap, send::sendto),
        number::SENDMSG => on_ours(guest, trap, send::sendmsg),
        number::SENDMMSG => on_ours(guest, trap, send::sendmmsg),
        number::RECVFROM => on_ours(guest, trap, receive::recvfrom),
        number::RECVMSG => on_ours(guest, trap, receive::recvmsg),
        number::RECVMMSG => on_ours(guest, trap, receive::recvmmsg),
        number::GETSOCKOPT => on_ours(guest, trap, options::getsockopt),
        number::SETSOCKOPT => on_ours(guest, trap, options::setsockopt),
        number::IOCTL => match on_ours(guest, trap, ioctl::ioctl) {
            Verdict::Native => {
                ioctl::of_another(guest, trap).unwrap_or_else(|error| Verdict::Fail(error.errno()))
            }
            verdict => verdict,
        },
        number::OPENAT => files::open(guest, trap, 1, trap.int(2)),
        number::OPENAT2 => files::open_how(guest, trap),
        call if Some(call) == number::OPEN => files::open(guest, trap, 0, trap.int(1)),
        call if Some(call) == number::CREAT => files::open(guest, trap, 0, files::CREAT),
        _ => Verdict::Native,
    }
}

/// A call whose first argument is a descriptor: if that is none of our sockets, the kernel does it, and says what is wrong with it.
fn on_ours(
    guest: &mut Guest,
    trap: &Trap,
    call: impl FnOnce(&mut Guest, &Trap, Borrowed) -> Result<Verdict>,
) -> Verdict {
    match guest.ours(trap, trap.int(0)) {
        Ok(Some(ours)) => call(guest, trap, ours).unwrap_or_else(|error| Verdict::Fail(error.errno())),
        Ok(None) => Verdict::Native,
        Err(error) => Verdict::Fail(error.errno()),
    }
}
