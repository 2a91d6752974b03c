//! The send family: sendto, sendmsg, sendmmsg.
//!
//! ```text
//!   a stream, nothing beside its bytes          -> the kernel does it
//!   a stream, with an address or control        -> its bytes into the borrowed descriptor
//!   a datagram to the peer, nothing beside it   -> the kernel does it, if the descriptor has its peer
//!   all other datagrams                         -> Verb::Send
//! ```

use std::os::fd::{AsFd, OwnedFd};

use super::errors;
use super::message::{Blocking, Header, LENGTH, MANY, SLICES_MAX, Slices};
use crate::base::constants::*;
use crate::base::verb::{Answer, Letter, Verb};
use crate::base::{Errno, Error, Result, SocketId};
use crate::guest::supervisor::has_can;
use crate::guest::trap::{Borrowed, MOST, Trap, Verdict};
use crate::guest::waits::{For, Wake};
use crate::guest::{Guest, address, control};
use crate::socket::remote::connection::unexpected;
use crate::socket::remote::{Ask, Reply};
use crate::sys::{thread, unix};

/// What a program wants to send at once.
struct Outgoing {
    fd: OwnedFd,
    socket: SocketId,
    letters: Vec<Letter>,
    /// Of sendmmsg(2): where each message's length is to be written.
    lengths: Option<Vec<u64>>,
    blocking: Blocking,
}

/// A stream's bytes.
struct Stream {
    slices: Slices,
    flags: i32,
    done: usize,
    blocking: Blocking,
}

/// sendto(2).
pub(super) fn sendto(guest: &mut Guest, trap: &Trap, ours: Borrowed) -> Result<Verdict> {
    let (slices, flags) = (Slices::one(trap.pointer(1), trap.pointer(2)), trap.int(3));
    let name = match trap.pointer(4) {
        0 => Vec::new(),
        at => address::read_bytes(trap, at, trap.int(5))?,
    };
    send_one(guest, trap, ours, slices, &name, &[], flags)
}

/// sendmsg(2).
pub(super) fn sendmsg(guest: &mut Guest, trap: &Trap, ours: Borrowed) -> Result<Verdict> {
    let header = Header::read(trap, trap.pointer(1))?;
    let name = address::read_bytes(trap, header.name, header.name_len)?;
    let slices = header.slices(trap)?;
    send_one(guest, trap, ours, slices, &name, &header.sent_control(trap)?, trap.int(2))
}

/// sendmmsg(2).
pub(super) fn sendmmsg(guest: &mut Guest, trap: &Trap, ours: Borrowed) -> Result<Verdict> {
    // __sys_sendmmsg: "if (vlen > UIO_MAXIOV) vlen = UIO_MAXIOV".
    let (at, count, flags) = (trap.pointer(1), (trap.int(2) as u32 as usize).min(SLICES_MAX), trap.int(3));
    let bytes = if count == 0 { Vec::new() } else { trap.read(at, count * MANY)? };
    let place = |n: usize| at.wrapping_add((n * MANY) as u64);
    let headers: Vec<_> = (bytes.chunks_exact(MANY).enumerate())
        .map_while(|(n, bytes)| Header::parse(bytes, place(n)).ok())
        .collect();
    let Some(first) = headers.first() else {
        return Ok(if count == 0 { Verdict::Return(0) } else { Verdict::Fail(Errno::EINVAL) });
    };
    let plain = headers.iter().all(|header| header.name_len == 0 && header.control_len == 0);
    if plain && headers.len() == count && is_native(&ours, flags) {
        return Ok(Verdict::Native);
    }
    let blocking = Blocking::of(&ours, flags, SO_SNDTIMEO);
    if ours.kind == SOCK_STREAM {
        let letter = letter(guest, trap, &ours, first, flags)?;
        let sent = unix::send_to(ours.fd.as_fd(), &letter.data, flags | MSG_DONTWAIT, None)
            .map_err(|error| stream_error(trap, error.into(), flags))?;
        trap.write(first.at.wrapping_add(LENGTH), &(sent as u32).to_ne_bytes())?;
        return Ok(Verdict::Return(1));
    }
    let mut done = 0;
    loop {
        let rest = headers.get(done..).unwrap_or_default();
        let letters = match batch(guest, trap, &ours, rest, flags) {
            Ok(letters) => letters,
            // What is wrong with a later message is that call's error which begins with it.
            Err(_) if done > 0 => return Ok(Verdict::Return(done as i64)),
            Err(error) => return Err(error),
        };
        let count = letters.len();
        let lengths: Vec<u64> =
            rest.iter().take(count).map(|header| header.at.wrapping_add(LENGTH)).collect();
        if done == 0 && count == headers.len() {
            let fd = ours.fd;
            let job = Outgoing { fd, socket: ours.socket, letters, lengths: Some(lengths), blocking };
            return Ok(datagrams(guest, trap, job));
        }
        // More than one request has room for: the first batch may wait, the others end the call where they would have to.
        let sizes: Vec<usize> = letters.iter().map(|letter| letter.data.len()).collect();
        match guest.verb(Verb::Send(ours.socket, letters.clone())) {
            Ok(Answer::Count(sent_now)) => {
                done += sent(trap, &sizes, Some(&lengths), sent_now)? as usize;
                if sent_now < count || done >= headers.len() {
                    return Ok(Verdict::Return(done as i64));
                }
            }
            _ if done > 0 => return Ok(Verdict::Return(done as i64)),
            Err(error) if error.errno() == Errno::EAGAIN => {
                let fd = ours.fd;
                let job = Outgoing { fd, socket: ours.socket, letters, lengths: Some(lengths), blocking };
                return Ok(datagrams(guest, trap, job));
            }
            Err(error) => {
                errors::forget(guest, ours.fd.as_fd(), ours.socket);
                return Err(error);
            }
            Ok(_) => return Err(unexpected()),
        }
    }
}

/// The first messages, as many as one request to the host takes; at least one.
fn batch(
    guest: &mut Guest,
    trap: &Trap,
    ours: &Borrowed,
    headers: &[Header],
    flags: i32,
) -> Result<Vec<Letter>> {
    let (mut letters, mut room) = (Vec::new(), MOST);
    for header in headers {
        match letter(guest, trap, ours, header, flags) {
            Ok(letter) if letters.is_empty() || letter.data.len() <= room => {
                room = room.saturating_sub(letter.data.len());
                letters.push(letter);
            }
            Err(error) if letters.is_empty() => return Err(error),
            _ => break,
        }
    }
    Ok(letters)
}

/// True if the kernel sends rightly what has neither address nor control messages: what is not connected has other errors, and of
/// datagrams in pieces, or of who wants to hear when its memory is free again, AF_UNIX knows nothing.
fn is_native(ours: &Borrowed, flags: i32) -> bool {
    if ours.kind != SOCK_STREAM && flags & (MSG_MORE | MSG_ZEROCOPY) != 0 {
        return false;
    }
    unix::peer_name(ours.fd.as_fd()).is_ok_and(|name| ours.kind == SOCK_STREAM || name.is_some())
}

/// True of a request to the broadcast manager: what it says to it is the call's result.
fn is_for_manager(guest: &mut Guest, ours: &Borrowed, len: usize) -> Result<bool> {
    Ok(len >= 56
        && len.is_multiple_of(8)
        && ours.kind != SOCK_STREAM
        && has_can(&guest.host)
        && guest.domain(ours.socket)? == AF_CAN
        && guest.option(ours.socket, SOL_SOCKET, SO_PROTOCOL, 4)? == CAN_BCM.to_ne_bytes())
}

fn send_one(
    guest: &mut Guest,
    trap: &Trap,
    ours: Borrowed,
    slices: Slices,
    name: &[u8],
    sent_control: &[u8],
    flags: i32,
) -> Result<Verdict> {
    let plain = name.is_empty() && sent_control.is_empty();
    if plain && is_native(&ours, flags) && !is_for_manager(guest, &ours, slices.len())? {
        return Ok(Verdict::Native);
    }
    let blocking = Blocking::of(&ours, flags, SO_SNDTIMEO);
    if ours.kind == SOCK_STREAM {
        // tcp_sendmsg looks at an address for MSG_FASTOPEN alone; and that as if net.ipv4.tcp_fastopen were without its first bit.
        if flags & MSG_FASTOPEN != 0 {
            return Err(Errno::EOPNOTSUPP.into());
        }
        control::check_stream(sent_control)?;
        return Ok(stream(guest, trap, ours.fd, Stream { slices, flags, done: 0, blocking }));
    }
    let letter = datagram(guest, trap, &ours, &slices, name, sent_control, flags)?;
    Ok(datagrams(
        guest,
        trap,
        Outgoing { fd: ours.fd, socket: ours.socket, letters: vec![letter], lengths: None, blocking },
    ))
}

fn letter(guest: &mut Guest, trap: &Trap, ours: &Borrowed, header: &Header, flags: i32) -> Result<Letter> {
    let name = address::read_bytes(trap, header.name, header.name_len)?;
    let (slices, sent_control) = (header.slices(trap)?, header.sent_control(trap)?);
    if ours.kind == SOCK_STREAM {
        control::check_stream(&sent_control)?;
        return Ok(Letter { data: slices.gather(trap, 0)?, flags, ..Letter::default() });
    }
    datagram(guest, trap, ours, &slices, &name, &sent_control, flags)
}

fn datagram(
    guest: &mut Guest,
    trap: &Trap,
    ours: &Borrowed,
    slices: &Slices,
    name: &[u8],
    sent_control: &[u8],
    flags: i32,
) -> Result<Letter> {
    // No datagram and no frame is longer than 64 KB and some headers.
    if slices.len() > MOST {
        return Err(Errno::EMSGSIZE.into());
    }
    let address = address::destination(name, || guest.domain(ours.socket))?;
    let control = control::decode(sent_control)?;
    // __sys_sendto: "if (sock->file->f_flags & O_NONBLOCK) flags |= MSG_DONTWAIT".
    let flags = flags | if ours.nonblocking { MSG_DONTWAIT } else { 0 };
    Ok(Letter { data: slices.gather(trap, 0)?, address, control, flags, len: 0 })
}

/// Sends as many as can be sent; waits where none can and the call may.
fn datagrams(guest: &mut Guest, trap: &Trap, job: Outgoing) -> Verdict {
    let Outgoing { fd, socket, letters, lengths, blocking } = job;
    let sizes: Vec<usize> = letters.iter().map(|letter| letter.data.len()).collect();
    let again = (blocking != Blocking::No).then(|| letters.clone());
    let end = move |trap: &Trap, answer: Result<Answer>| match answer {
        Ok(Answer::Count(count)) => sent(trap, &sizes, lengths.as_deref(), count).into(),
        Ok(_) => Verdict::Fail(unexpected().errno()),
        Err(error) => Verdict::Fail(error.errno()),
    };
    match (guest.verb(Verb::Send(socket, letters)), again) {
        (Err(error), Some(letters)) if error.errno() == Errno::EAGAIN => {
            let (verb, patience) = (Verb::Send(socket, letters), blocking.patience());
            let tag = match guest.host.start(Ask::Do { verb, patience }, &[]) {
                Ok(tag) => tag,
                Err(error) => return Verdict::Fail(error.errno()),
            };
            let then = move |_: &mut Guest, trap: &Trap, wake| match wake {
                Wake::Answered(Ok(Reply::Answer(answer)), _) => end(trap, Ok(answer)),
                Wake::Answered(Err(error), _) => end(trap, Err(error)),
                Wake::Interrupted => blocking.interrupted(0),
                _ => end(trap, Err(unexpected())),
            };
            guest.wait(trap, For::Host(tag), None, Box::new(then))
        }
        (answer, _) => {
            if answer.is_err() {
                errors::forget(guest, fd.as_fd(), socket);
            }
            end(trap, answer)
        }
    }
}

/// Of one message its length; of sendmmsg(2) the lengths are written, and the count is the result.
fn sent(trap: &Trap, sizes: &[usize], lengths: Option<&[u64]>, count: usize) -> Result<i64> {
    let Some(lengths) = lengths else { return Ok(sizes.first().map_or(0, |size| *size as i64)) };
    for (at, size) in lengths.iter().zip(sizes).take(count) {
        trap.write(*at, &(*size as u32).to_ne_bytes())?;
    }
    Ok(count.min(lengths.len()) as i64)
}

/// The bytes go into the borrowed descriptor, as the kernel would put them there.
fn stream(guest: &mut Guest, trap: &Trap, fd: OwnedFd, mut job: Stream) -> Verdict {
    let whole = job.slices.len();
    loop {
        let data = match job.slices.gather(trap, job.done) {
            Ok(data) => data,
            Err(_) if job.done > 0 => return Verdict::Return(job.done as i64),
            Err(error) => return Verdict::Fail(error.errno()),
        };
        match unix::send_to(fd.as_fd(), &data, job.flags | MSG_DONTWAIT, None).map_err(Error::from) {
            Ok(sent) => {
                job.done += sent;
                if job.done >= whole || sent == 0 {
                    return Verdict::Return(job.done as i64);
                }
            }
            Err(error) if error.errno() == Errno::EAGAIN && job.blocking != Blocking::No => {
                let (blocking, done, flags) = (job.blocking, job.done, job.flags);
                let then = move |guest: &mut Guest, trap: &Trap, wake| match wake {
                    Wake::Ready(fd) => stream(guest, trap, fd, job),
                    Wake::TimedOut if done > 0 => Verdict::Return(done as i64),
                    Wake::TimedOut => Verdict::Fail(Errno::EAGAIN),
                    Wake::Interrupted => blocking.interrupted(done),
                    Wake::Answered(..) => Verdict::Fail(stream_error(trap, unexpected(), flags).errno()),
                };
                return guest.wait(trap, For::Descriptor(fd, POLLOUT), blocking.left(), Box::new(then));
            }
            Err(_) if job.done > 0 => return Verdict::Return(job.done as i64),
            Err(error) => return Verdict::Fail(stream_error(trap, error, job.flags).errno()),
        }
    }
}

/// sk_stream_error: EPIPE comes with SIGPIPE. A TCP socket without a connection gives it, where AF_UNIX gives ENOTCONN.
fn stream_error(trap: &Trap, error: Error, flags: i32) -> Error {
    match error.errno() {
        Errno::EPIPE | Errno::ENOTCONN => {
            if flags & MSG_NOSIGNAL == 0 {
                // A thread that is gone needs no signal.
                let _ = thread::raise_sigpipe(trap.tid);
            }
            Errno::EPIPE.into()
        }
        _ => error,
    }
}
