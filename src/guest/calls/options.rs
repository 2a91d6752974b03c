//! getsockopt(2) and setsockopt(2): the host has the options; what the kernel does by itself, the descriptor is told as well.

use std::os::fd::{AsFd, AsRawFd};

use super::{errors, ring};
use crate::base::constants::*;
use crate::base::verb::{Answer, Verb};
use crate::base::{Errno, Reason, Result};
use crate::guest::supervisor::Guest;
use crate::guest::trap::{Borrowed, Trap, Verdict};
use crate::sys::descriptor;
use crate::sys::poll::{PollFd, poll};

/// The longest value: the filters of groups (MCAST_MSFILTER) are the longest that there are.
const VALUE_MAX: usize = 16 * 1024;
/// sizeof(struct sock_fprog), sizeof(struct sock_filter), BPF_MAXINSNS.
const PROGRAM: usize = 16;
const INSTRUCTION: usize = 8;
const INSTRUCTIONS_MAX: usize = 4096;

/// getsockopt(2).
pub(super) fn getsockopt(guest: &mut Guest, trap: &Trap, ours: Borrowed) -> Result<Verdict> {
    let (level, name, at, len_at) = (trap.int(1), trap.int(2), trap.pointer(3), trap.pointer(4));
    let room = trap.read(len_at, 4)?.try_into().map_or(0, i32::from_ne_bytes);
    let room = usize::try_from(room).map_err(|_| Errno::EINVAL.because(Reason::OptionLength))?;
    // SO_GET_FILTER: its lengths count instructions.
    let unit = if (level, name) == (SOL_SOCKET, SO_ATTACH_FILTER) { INSTRUCTION } else { 1 };
    let room = room.min(VALUE_MAX.max(INSTRUCTIONS_MAX * unit)) * unit;
    let given = if is_given(level, name) { trap.read(at, room)? } else { Vec::new() };
    let mut value = guest.option_of(ours.socket, level, name, room, given)?;
    if (level, name) == (SOL_SOCKET, SO_ERROR) && ours.kind == SOCK_DGRAM {
        errors::forget(guest, ours.fd.as_fd(), ours.socket);
    } else if (level, name) == (SOL_SOCKET, SO_ERROR) {
        // An error that the descriptor has too is told once.
        let native = descriptor::option(ours.fd.as_fd(), SOL_SOCKET, SO_ERROR).unwrap_or(0);
        if value.iter().all(|byte| *byte == 0) && native != 0 {
            value = native.to_ne_bytes().into_iter().take(room).collect();
        }
    }
    let fits = value.get(..value.len().min(room)).unwrap_or_default();
    trap.write(at, fits)?;
    let told = if room == 0 { value.len() } else { fits.len() } / unit;
    trap.write(len_at, &(told as i32).to_ne_bytes())?;
    Ok(Verdict::Return(0))
}

/// Options whose value says what is asked.
fn is_given(level: i32, name: i32) -> bool {
    matches!(
        (level, name),
        (SOL_IP, IP_MSFILTER)
            | (SOL_IP | SOL_IPV6, MCAST_MSFILTER)
            | (SOL_IPV6, IPV6_FLOWLABEL_MGR)
            | (SOL_PACKET, PACKET_HDRLEN)
    )
}

/// setsockopt(2).
pub(super) fn setsockopt(guest: &mut Guest, trap: &Trap, ours: Borrowed) -> Result<Verdict> {
    let (level, name, at) = (trap.int(1), trap.int(2), trap.pointer(3));
    if ring::is_ring(level, name) {
        return ring::replace(guest, trap, &ours);
    }
    // do_sock_setsockopt: "if (optlen < 0) return -EINVAL".
    let len = usize::try_from(trap.int(4)).map_err(|_| Errno::EINVAL.because(Reason::OptionLength))?;
    let mut value = trap.read(at, len.min(VALUE_MAX))?;
    let is_program = matches!(
        (level, name),
        (SOL_SOCKET, SO_ATTACH_FILTER | SO_ATTACH_REUSEPORT_CBPF) | (SOL_PACKET, PACKET_FANOUT_DATA)
    );
    if is_program {
        value = instructions(trap, &value)?;
    }
    let int = value.first_chunk().map(|bytes| i32::from_ne_bytes(*bytes));
    // A stream's bytes reach the host without a word of how they were sent: nobody would tell that they are done with.
    if (level, name, ours.kind) == (SOL_SOCKET, SO_ZEROCOPY, SOCK_STREAM) && int.is_some_and(|int| int != 0) {
        return Err(Errno::EOPNOTSUPP.because(Reason::WrongKind));
    }
    if let Answer::Bytes(back) = guest.verb(Verb::SetOption(ours.socket, level, name, value))? {
        trap.write(at, &back)?;
    }
    guest.asks_inq |= (level, name) == (SOL_TCP, TCP_INQ);
    if let (SOL_SOCKET, Some(int)) = (level, int) {
        tell_descriptor(&ours, name, int);
    }
    Ok(Verdict::Return(0))
}

/// copy_bpf_fprog_from_user: what a struct sock_fprog points to.
fn instructions(trap: &Trap, program: &[u8]) -> Result<Vec<u8>> {
    let wrong = || Errno::EINVAL.because(Reason::OptionLength);
    let program: [u8; PROGRAM] = program.try_into().map_err(|_| wrong())?;
    let [a, b, _, _, _, _, _, _, at @ ..] = program;
    let count = usize::from(u16::from_ne_bytes([a, b]));
    // bpf_check_basics_ok.
    if count == 0 || count > INSTRUCTIONS_MAX {
        return Err(wrong());
    }
    trap.read(u64::from_ne_bytes(at), count * INSTRUCTION)
}

/// What the kernel's half of the way has to know: how much waits for the host, how much a receive waits for, where one peeks.
fn tell_descriptor(ours: &Borrowed, name: i32, value: i32) {
    let fd = ours.fd.as_fd();
    let told = match name {
        // A descriptor that is not writable may stand for a connection in the making: more room would make it writable.
        SO_SNDBUF if ours.kind == SOCK_STREAM && is_writable(ours) => {
            descriptor::setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, value)
                .or_else(|_| descriptor::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, value))
        }
        SO_SNDBUFFORCE if ours.kind == SOCK_STREAM && is_writable(ours) => {
            descriptor::setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, value)
        }
        SO_RCVLOWAT | SO_PEEK_OFF | SO_OOBINLINE => descriptor::setsockopt(fd, SOL_SOCKET, name, value),
        _ => return,
    };
    // The host has taken it; the descriptor goes on with what it has.
    let _ = told;
}

fn is_writable(ours: &Borrowed) -> bool {
    let mut fds = [PollFd::new(ours.fd.as_raw_fd(), false, true)];
    poll(&mut fds, Some(std::time::Duration::ZERO)).is_ok_and(|ready| ready > 0)
}
