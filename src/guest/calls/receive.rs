//! The recv family: recvfrom, recvmsg, recvmmsg.
//!
//! What came waits in the descriptor: it is taken from a borrowed copy, and its sender's name tells the address and the control
//! messages (`socket/remote/names.rs`). The queue of errors is the host's.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use super::errors;
use super::message::{Blocking, Header, LENGTH, MANY, SLICES_MAX, Slices};
use crate::base::constants::*;
use crate::base::verb::{Answer, Letter, Verb};
use crate::base::{ControlMessage, Errno, Error, Result, SocketId};
use crate::guest::supervisor::Guest;
use crate::guest::trap::{Borrowed, MOST, Trap, Verdict};
use crate::guest::waits::{For, Wake};
use crate::guest::{address, control};
use crate::socket::remote::Native;
use crate::socket::remote::connection::unexpected;
use crate::socket::remote::names::Name;
use crate::sys::poll::{PollFd, poll};
use crate::sys::{descriptor, unix};

/// Where one message goes to.
struct Place {
    slices: Slices,
    /// 0 = nobody wants to know who sent it.
    name: u64,
    name_len: u64,
    /// Of recvmsg(2) and recvmmsg(2).
    header: Option<Header>,
}

/// A call under way.
struct Job {
    socket: SocketId,
    stream: bool,
    flags: i32,
    blocking: Blocking,
    /// Bytes of a stream; messages of recvmmsg(2).
    done: usize,
    what: What,
}

enum What {
    One(Place),
    /// recvmmsg(2): `count` of them at `at`, until the time in the struct timespec at `time` has passed.
    Many {
        at: u64,
        count: usize,
        time: u64,
        until: Option<Instant>,
    },
}

/// recvfrom(2).
pub(super) fn recvfrom(guest: &mut Guest, trap: &Trap, ours: Borrowed) -> Result<Verdict> {
    let slices = Slices::one(trap.pointer(1), trap.pointer(2));
    let place = Place { slices, name: trap.pointer(4), name_len: trap.pointer(5), header: None };
    start(guest, trap, ours, trap.int(3), What::One(place))
}

/// recvmsg(2).
pub(super) fn recvmsg(guest: &mut Guest, trap: &Trap, ours: Borrowed) -> Result<Verdict> {
    let (at, flags) = (trap.pointer(1), trap.int(2));
    let place = Place::read(trap, at)?;
    // Without an address AF_UNIX does what TCP does, if nobody wants to know how much is left.
    let plain = ours.kind == SOCK_STREAM && place.name == 0 && flags & (MSG_ERRQUEUE | MSG_TRUNC) == 0;
    if plain && !tells_inq(guest, ours.socket) {
        return Ok(Verdict::Native);
    }
    start(guest, trap, ours, flags, What::One(place))
}

/// TCP_INQ. It is asked for so seldom that the host is asked only if some socket has ever had it.
fn tells_inq(guest: &mut Guest, socket: SocketId) -> bool {
    guest.asks_inq
        && guest.option(socket, SOL_TCP, TCP_INQ, 4).is_ok_and(|value| value.iter().any(|byte| *byte != 0))
}

/// tcp_inq_hint: what is left in the descriptor; the end of the stream counts as a byte.
fn inq_of(fd: &OwnedFd) -> ControlMessage {
    let mut end = [PollFd::for_events(fd.as_raw_fd(), POLLRDHUP)];
    let ended = poll(&mut end, Some(Duration::ZERO)).is_ok_and(|found| found > 0);
    let bytes = descriptor::readable(fd.as_fd()).unwrap_or(0) + usize::from(ended);
    ControlMessage::Inq(i32::try_from(bytes).unwrap_or(i32::MAX))
}

/// recvmmsg(2).
pub(super) fn recvmmsg(guest: &mut Guest, trap: &Trap, ours: Borrowed) -> Result<Verdict> {
    // Bytes have no senders: AF_UNIX does what TCP does.
    if ours.kind == SOCK_STREAM {
        return Ok(Verdict::Native);
    }
    let (at, count, flags, time) =
        (trap.pointer(1), trap.int(2) as u32 as usize, trap.int(3), trap.pointer(4));
    let until = match time {
        0 => None,
        time => Instant::now().checked_add(timespec(&trap.read(time, 16)?)?),
    };
    if count == 0 {
        return Ok(Verdict::Return(0));
    }
    let what = What::Many { at, count: count.min(SLICES_MAX), time, until };
    start(guest, trap, ours, flags & !MSG_WAITFORONE, what)
}

/// poll_select_set_timeout: EINVAL for what is no time.
fn timespec(bytes: &[u8]) -> Result<Duration> {
    let long = |at: usize| {
        bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(-1, |b| i64::from_ne_bytes(*b))
    };
    match (u64::try_from(long(0)), u32::try_from(long(8))) {
        (Ok(seconds), Ok(nanos)) if nanos < 1_000_000_000 => Ok(Duration::new(seconds, nanos)),
        _ => Err(Errno::EINVAL.into()),
    }
}

impl Place {
    fn read(trap: &Trap, at: u64) -> Result<Self> {
        let header = Header::read(trap, at)?;
        // `msg_namelen` stands behind the pointer to the name.
        let (name, name_len) = (header.name, at.wrapping_add(8));
        Ok(Self { slices: header.slices(trap)?, name, name_len, header: Some(header) })
    }

    /// Gives a message to the program: ____sys_recvmsg, __sys_recvfrom. The data is there already.
    fn finish(&self, trap: &Trap, letter: &Letter) -> Result<()> {
        if self.name != 0 {
            let name = letter.address.as_ref().map(address::encode).unwrap_or_default();
            address::give(trap, self.name, self.name_len, &name)?;
        }
        let Some(header) = &self.header else { return Ok(()) };
        let (bytes, cut) = control::encode(&letter.control, letter.address, header.control_room());
        // put_cmsg: EFAULT is nobody's error; what can't be written is not there.
        let written = trap.write(header.control, &bytes).map_or(0, |()| bytes.len());
        let flags = letter.flags | if cut { MSG_CTRUNC } else { 0 };
        trap.write(header.at.wrapping_add(48), &flags.to_ne_bytes())?;
        trap.write(header.at.wrapping_add(40), &(written as u64).to_ne_bytes())
    }
}

fn start(guest: &mut Guest, trap: &Trap, ours: Borrowed, flags: i32, what: What) -> Result<Verdict> {
    let blocking = Blocking::of(&ours, flags, SO_RCVTIMEO);
    let job = Job { socket: ours.socket, stream: ours.kind == SOCK_STREAM, flags, blocking, done: 0, what };
    Ok(go_on(guest, trap, ours.fd, job))
}

/// Takes what is there; waits where nothing is and the call may.
fn go_on(guest: &mut Guest, trap: &Trap, fd: OwnedFd, mut job: Job) -> Verdict {
    loop {
        match step(guest, trap, &fd, &mut job) {
            Ok(Some(result)) => return Verdict::Return(result),
            Ok(None) => {}
            Err(error) if error.errno() == Errno::EAGAIN && job.may_wait(trap) => {
                let limit = job.blocking.left();
                let then = move |guest: &mut Guest, trap: &Trap, wake| match wake {
                    Wake::Ready(fd) => go_on(guest, trap, fd, job),
                    Wake::TimedOut => job.end(trap, Errno::EAGAIN.into()),
                    Wake::Interrupted => job.blocking.interrupted(job.done),
                    Wake::Answered(Err(error), _) => job.end(trap, error),
                    Wake::Answered(Ok(_), _) => job.end(trap, unexpected()),
                };
                return guest.wait(trap, For::Descriptor(fd, POLLIN), limit, Box::new(then));
            }
            Err(error) => return job.end(trap, error),
        }
    }
}

/// One message, or one piece of a stream. `Some`: the call has ended with this.
fn step(guest: &mut Guest, trap: &Trap, fd: &OwnedFd, job: &mut Job) -> Result<Option<i64>> {
    let (at, read);
    let place = match &job.what {
        What::One(place) => place,
        What::Many { at: first, .. } => {
            at = first.wrapping_add((job.done * MANY) as u64);
            read = Place::read(trap, at)?;
            &read
        }
    };
    if job.stream && job.flags & MSG_ERRQUEUE == 0 {
        let inq = place.header.is_some() && tells_inq(guest, job.socket);
        let end = stream(trap, fd, job.flags, place, inq, &mut job.done)?;
        return Ok(end.then_some(job.done as i64));
    }
    let letter = match job.flags & MSG_ERRQUEUE {
        0 => take(guest, fd, job.socket, job.flags, place.slices.len())?,
        _ => error_queue(guest, fd, job.socket, job.flags, place.slices.len())?,
    };
    place.slices.scatter(trap, 0, &letter.data)?;
    place.finish(trap, &letter)?;
    let len = if job.flags & MSG_TRUNC != 0 { letter.len } else { letter.data.len() };
    let What::Many { at: first, count, until, .. } = job.what else { return Ok(Some(len as i64)) };
    let length = first.wrapping_add((job.done * MANY) as u64 + LENGTH);
    trap.write(length, &(len as u32).to_ne_bytes())?;
    job.done += 1;
    // do_recvmmsg: the time is looked at behind each message.
    let over = job.done == count || until.is_some_and(|until| Instant::now() >= until);
    Ok(over.then(|| job.told(trap)))
}

/// A datagram from the descriptor.
fn take(guest: &mut Guest, fd: &OwnedFd, socket: SocketId, flags: i32, room: usize) -> Result<Letter> {
    let mut data = vec![0; room.min(MOST)];
    let native = flags & MSG_PEEK | MSG_DONTWAIT | MSG_TRUNC;
    let ours = guest.host.facts().nonce;
    let received = loop {
        let told = match unix::receive(fd.as_fd(), &mut data, native).map_err(Error::from) {
            Ok(received) if errors::is_told_by(&received, ours) => {
                if flags & MSG_PEEK != 0 {
                    let _ = descriptor::recv(fd.as_fd(), &mut [], MSG_DONTWAIT);
                }
                true
            }
            Ok(received) => break received,
            Err(error) if error.would_block() => return Err(error),
            Err(_) => false,
        };
        // sk_err: what the host knows is the true error. The descriptor says only that there is one; the program may have it by now.
        let error = errors::pending(guest, socket);
        if told {
            guest.native(Native::Told { socket, again: error.is_err() }, &[])?;
        }
        error?;
    };
    data.truncate(received.len);
    // From the one end to which the descriptor is connected, a socket that bears the right name comes along.
    let along = received.fds.first().and_then(|fd| unix::name(fd.as_fd()).ok().flatten());
    let (address, control, told) = match along.or(received.from).as_deref().and_then(Name::decode) {
        Some((nonce, Name::Datagram(sender))) if nonce == ours => {
            (Some(sender.address), sender.control, sender.flags)
        }
        Some((nonce, Name::Peer(_))) if nonce == ours => match guest.verb(Verb::Peer(socket)) {
            Ok(Answer::Address(address)) => (Some(address), Vec::new(), 0),
            _ => (None, Vec::new(), 0),
        },
        _ => (None, Vec::new(), 0),
    };
    let cut = if received.len > data.len() { MSG_TRUNC } else { 0 };
    Ok(Letter { data, address, control, flags: flags & MSG_CMSG_CLOEXEC | told | cut, len: received.len })
}

/// MSG_ERRQUEUE: never waits.
fn error_queue(guest: &mut Guest, fd: &OwnedFd, socket: SocketId, flags: i32, room: usize) -> Result<Letter> {
    let answer = guest.verb(Verb::Receive { socket, count: 1, size: room.min(MOST), flags });
    errors::forget(guest, fd.as_fd(), socket);
    match answer? {
        Answer::Letters(mut letters) => {
            let mut letter = letters.pop().ok_or_else(unexpected)?;
            letter.flags |= flags & MSG_CMSG_CLOEXEC;
            Ok(letter)
        }
        _ => Err(unexpected()),
    }
}

/// Bytes of a stream; true if the call has what it wants.
fn stream(trap: &Trap, fd: &OwnedFd, flags: i32, place: &Place, inq: bool, done: &mut usize) -> Result<bool> {
    let left = place.slices.len().saturating_sub(*done);
    let mut data = vec![0; left.min(MOST)];
    let native = flags & (MSG_PEEK | MSG_OOB) | MSG_DONTWAIT;
    let received = unix::receive(fd.as_fd(), &mut data, native).map_err(|error| match error.into() {
        // tcp_recvmsg on what is no connection, where AF_UNIX gives EINVAL.
        error if flags & MSG_OOB == 0 && Error::errno(&error) == Errno::EINVAL => Errno::ENOTCONN.into(),
        error => error,
    })?;
    let data = data.get(..received.len).unwrap_or_default();
    // tcp_recvmsg: MSG_TRUNC throws the bytes away.
    if flags & MSG_TRUNC == 0 {
        place.slices.scatter(trap, *done, data)?;
    }
    *done += data.len();
    let more = flags & MSG_WAITALL != 0 && flags & (MSG_PEEK | MSG_OOB) == 0 && !data.is_empty();
    if more && *done < place.slices.len() {
        return Ok(false);
    }
    // move_addr_to_user: an address that can't be told is an error, though the bytes are gone.
    let control = if inq { vec![inq_of(fd)] } else { Vec::new() };
    let told = place.finish(trap, &Letter { flags: flags & MSG_CMSG_CLOEXEC, control, ..Letter::default() });
    told.inspect_err(|_| *done = 0)?;
    Ok(true)
}

impl Job {
    /// True if the call waits for more.
    fn may_wait(&self, trap: &Trap) -> bool {
        // recvmmsg's MSG_WAITFORONE: "if (flags & MSG_WAITFORONE) flags |= MSG_DONTWAIT" behind the first message.
        let one_will_do = matches!(self.what, What::Many { .. }) && trap.int(3) & MSG_WAITFORONE != 0;
        self.blocking != Blocking::No
            && self.flags & (MSG_ERRQUEUE | MSG_OOB) == 0
            && !(one_will_do && self.done > 0)
    }

    /// The result of a call that ends with this error: what was received counts more.
    fn end(&self, trap: &Trap, error: Error) -> Verdict {
        if self.done > 0 { Verdict::Return(self.told(trap)) } else { Verdict::Fail(error.errno()) }
    }

    /// What was received; recvmmsg(2) tells the time that was left.
    fn told(&self, trap: &Trap) -> i64 {
        if let What::Many { time, until: Some(until), .. } = self.what {
            let left = until.saturating_duration_since(Instant::now());
            let bytes = [left.as_secs().to_ne_bytes(), u64::from(left.subsec_nanos()).to_ne_bytes()].concat();
            // The messages are there, whatever becomes of this.
            let _ = trap.write(time, &bytes);
        }
        self.done as i64
    }
}
