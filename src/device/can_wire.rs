//! A CAN bus between processes: each host has a unix socket in the bus's folder, and a connection to each other host.
//!
//! There is nobody in the middle. What a host sends goes to all others, stamped with the machine's clock, by which they bring what
//! comes from several into one order. A host that hangs has a queue that fills up, and is told no more; one that dies is an end of
//! file.
//!
//! ```text
//!   FOLDER/BUS.can/0123456789abcdef.sock     one for each host; flock(2) of the folder: who joins, alone
//!   message: | CLOCK_MONOTONIC in ns, 8 bytes | struct can_frame or canfd_frame |
//! ```

use std::collections::VecDeque;
use std::fmt;
use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::can::rank;
use super::{Device, SendError, Tally};
use crate::base::constants::{MSG_DONTWAIT, MSG_NOSIGNAL, POLLIN, POLLOUT, SOCK_NONBLOCK, SOCK_SEQPACKET};
use crate::base::{Direction, Error, Frame, Instant, LinkType, Mac, Pool, Reason};
use crate::sys::epoll::{Epoll, Ready};
use crate::sys::unix::{self, Place};
use crate::sys::{clock, descriptor, random};
use crate::wire::can::{CANFD_MTU, Kind};

/// Frames that wait for one other host, and frames that were heard and not taken yet.
const QUEUE: usize = 4096;
/// Frames of one other host in a row.
const BATCH: usize = 64;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;
/// The stamp before each frame.
const STAMP: usize = 8;
/// The listener's token; the others' are their numbers.
const LISTENER: u64 = 0;

/// A host's place on a CAN bus that it shares with hosts of other processes.
///
/// Frames take no time on it, and nobody waits: as a [`CanBus`](super::CanBus) without a bit rate.
pub struct CanWire {
    name: String,
    socket: PathBuf,
    listener: OwnedFd,
    epoll: Epoll,
    others: Vec<Other>,
    /// Others that there were.
    met: u64,
    heard: VecDeque<Frame>,
    tally: Tally,
    born: Duration,
}

/// Another host.
struct Other {
    number: u64,
    fd: OwnedFd,
    /// What it has no room for.
    waiting: VecDeque<Vec<u8>>,
}

impl CanWire {
    /// Joins the bus of this folder, which is made if need be, for this user alone. Its interface is called `name`.
    ///
    /// # Errors
    /// Those of the folder and the sockets in it: EACCES, ENAMETOOLONG ...
    pub fn join(folder: &Path, name: &str) -> Result<Self, Error> {
        Self::enter(folder, name).map_err(|error| Error::from(error).detail(folder.display().to_string()))
    }

    fn enter(folder: &Path, name: &str) -> io::Result<Self> {
        let listener = unix::socket(SOCK_SEQPACKET | SOCK_NONBLOCK)?;
        let epoll = Epoll::new()?;
        epoll.add(listener.as_fd(), LISTENER, POLLIN)?;
        let socket = folder.join(format!("{:016x}.sock", random::random_u64()?));
        let (name, tally) = (name.to_owned(), Tally::default());
        let (others, met, heard, born) = (Vec::new(), 0, VecDeque::new(), Duration::ZERO);
        let mut wire = Self { name, socket, listener, epoll, others, met, heard, tally, born };
        // Whoever leaves last removes the folder, perhaps between two of these steps.
        while !wire.meet(folder)? {}
        Ok(wire)
    }

    /// Finds those who are there, and is there from now on. False: the folder is gone.
    fn meet(&mut self, folder: &Path) -> io::Result<bool> {
        match DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let Ok(lock) = File::open(folder) else { return Ok(false) };
        // Of two who join one is the first: the second finds it, and they are connected once.
        lock.lock()?;
        let (locked, there) = (lock.metadata()?, fs::symlink_metadata(folder));
        if !there.is_ok_and(|there| (there.dev(), there.ino()) == (locked.dev(), locked.ino())) {
            return Ok(false);
        }
        for entry in fs::read_dir(folder)?.flatten() {
            if let Some(fd) = call(&entry.path())? {
                self.add(fd)?;
            }
        }
        match unix::bind(self.listener.as_fd(), Place::File(&self.socket)) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.others.clear();
                Ok(false)
            }
            bound => bound.and_then(|()| unix::listen(self.listener.as_fd(), BACKLOG)).map(|()| true),
        }
    }

    fn add(&mut self, fd: OwnedFd) -> io::Result<()> {
        self.met += 1;
        self.epoll.add(fd.as_fd(), self.met, POLLIN)?;
        self.others.push(Other { number: self.met, fd, waiting: VecDeque::new() });
        Ok(())
    }

    /// All that has happened since the last look.
    fn look(&mut self, now: Instant) {
        let mut ready = Vec::new();
        if self.heard.len() >= QUEUE || self.epoll.wait(&mut ready, Some(Duration::ZERO)).is_err() {
            return;
        }
        let mut come = Vec::new();
        for Ready { token, events } in ready {
            if token == LISTENER {
                while let Ok(fd) = unix::accept(self.listener.as_fd(), SOCK_NONBLOCK) {
                    // Who can't be watched is not heard, and sees the end.
                    let _ = self.add(fd);
                }
                continue;
            }
            let Some(at) = self.others.iter().position(|other| other.number == token) else { continue };
            let Some(other) = self.others.get_mut(at) else { continue };
            let alive =
                (events & POLLOUT == 0 || other.flush(&self.epoll, &mut self.tally)) && other.hear(&mut come);
            if !alive {
                self.others.swap_remove(at);
            }
        }
        come.sort_by_key(|(stamp, frame)| (*stamp, rank(frame)));
        for (stamp, mut frame) in come {
            frame.time = (Instant::ZERO + stamp.saturating_sub(self.born)).min(now);
            self.heard.push_back(frame);
        }
    }
}

/// A connection to the host whose socket this is. That of a host that was killed is removed.
fn call(socket: &Path) -> io::Result<Option<OwnedFd>> {
    let fd = unix::socket(SOCK_SEQPACKET | SOCK_NONBLOCK)?;
    match unix::connect(fd.as_fd(), Place::File(socket)) {
        Ok(()) => return Ok(Some(fd)),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => drop(fs::remove_file(socket)),
        // No room for it: it hangs.
        Err(_) => {}
    }
    Ok(None)
}

impl Other {
    /// False: it is gone, or is no host.
    fn hear(&self, come: &mut Vec<(Duration, Frame)>) -> bool {
        let mut message = [0; STAMP + CANFD_MTU + 1];
        for _ in 0..BATCH {
            let len = match descriptor::recv(self.fd.as_fd(), &mut message, MSG_DONTWAIT) {
                Ok(len) => len,
                Err(error) => return matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
            };
            let Some((stamp, bytes)) = message.get(..len).and_then(|message| message.split_first_chunk())
            else {
                return false;
            };
            if Kind::of(bytes).is_none() {
                return false;
            }
            let mut frame = Frame::copy_of(bytes);
            (frame.link, frame.direction) = (LinkType::Can, Direction::In);
            come.push((Duration::from_nanos(u64::from_ne_bytes(*stamp)), frame));
        }
        true
    }

    /// Tells it, now or when it has room.
    fn tell(&mut self, epoll: &Epoll, message: &[u8], tally: &mut Tally) {
        if self.waiting.len() >= QUEUE {
            return tally.count(Reason::DeviceQueueFull);
        }
        self.waiting.push_back(message.to_vec());
        if self.waiting.len() == 1 {
            // An end is seen by who hears.
            self.flush(epoll, tally);
        }
    }

    /// False: it is gone.
    fn flush(&mut self, epoll: &Epoll, tally: &mut Tally) -> bool {
        while let Some(message) = self.waiting.front() {
            match descriptor::send(self.fd.as_fd(), message, MSG_DONTWAIT | MSG_NOSIGNAL) {
                Ok(_) => self.waiting.pop_front(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return epoll.modify(self.fd.as_fd(), self.number, POLLIN | POLLOUT).is_ok();
                }
                Err(_) => {
                    tally.add(Reason::DeviceFailed, self.waiting.len() as u64);
                    self.waiting.clear();
                    return false;
                }
            };
        }
        epoll.modify(self.fd.as_fd(), self.number, POLLIN).is_ok()
    }
}

impl Device for CanWire {
    fn name(&self) -> &str {
        &self.name
    }

    fn mac(&self) -> Mac {
        Mac::ZERO
    }

    fn link(&self) -> LinkType {
        LinkType::Can
    }

    fn mtu(&self) -> usize {
        CANFD_MTU
    }

    fn set_clock(&mut self, born: Duration) {
        self.born = born;
    }

    fn recv(&mut self, now: Instant, _pool: &Pool) -> Result<Option<Frame>, Error> {
        if self.heard.is_empty() {
            self.look(now);
        }
        Ok(self.heard.pop_front())
    }

    fn send(&mut self, now: Instant, mut frame: Frame) -> Result<(), SendError> {
        // can_dropped_invalid_skb
        if Kind::of(frame.bytes()).is_none() {
            self.tally.count(Reason::CanMalformed);
            return Ok(());
        }
        // What was on the bus before is heard before.
        self.look(now);
        let stamp = clock::monotonic().as_nanos() as u64;
        let message = [&stamp.to_ne_bytes(), frame.bytes()].concat();
        for other in &mut self.others {
            other.tell(&self.epoll, &message, &mut self.tally);
        }
        if frame.sender.is_some() {
            if self.heard.len() < 2 * QUEUE {
                frame.time = now;
                self.heard.push_back(frame);
            } else {
                self.tally.count(Reason::DeviceQueueFull);
            }
        }
        Ok(())
    }

    fn fd(&self) -> Option<RawFd> {
        Some(self.epoll.as_fd().as_raw_fd())
    }

    fn deadline(&self) -> Option<Instant> {
        self.heard.front().map(|frame| frame.time)
    }

    fn notes(&mut self, tell: &mut dyn FnMut(Reason, u64)) {
        self.tally.tell(tell);
    }
}

impl fmt::Debug for CanWire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let others = self.others.len();
        f.debug_struct("CanWire").field("name", &self.name).field("others", &others).finish_non_exhaustive()
    }
}

impl Drop for CanWire {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.socket);
        let Some(folder) = self.socket.parent() else { return };
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let _ = call(&entry.path());
        }
        // If nobody is left.
        let _ = fs::remove_dir(folder);
    }
}
